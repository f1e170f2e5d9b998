package session

import (
	"compress/flate"
	"errors"
	"io"

	"github.com/bpci/xtmp/refimpl/wire"
)

// Implementation constants.
const (
	compressLeast = 512       // B: a smaller body is not worth it
	inflateStep   = 32 << 10  // B: memory for an inflated body grows by what was inflated
	plaintextKept = 256 << 10 // B: a larger inflated body is not kept for the next
)

// errInflate says that a body is not exactly the DEFLATE stream of original_len bytes.
var errInflate = errors.New("the body does not inflate to exactly original_len bytes")

// compress deflates the body of a message that has not been queued, if the peer
// accepts that, its type may carry it and the body gets smaller.
// [XTMP-CMP-001] [XTMP-CMP-002]
func (s *Session) compress(m *message) {
	if !s.peerInflates || m.size < compressLeast || m.content != nil || !wire.LegalFlags(m.typ, m.flags|wire.FlagCompressed) {
		return
	}
	b := s.cfg.Buffers
	b.output.Reset()
	if b.deflater == nil {
		b.deflater, _ = flate.NewWriter(&b.output, flate.BestSpeed) // the level is legal
	} else {
		b.deflater.Reset(&b.output)
	}
	_, _ = b.deflater.Write(m.body) // a bytes.Buffer takes everything
	_ = b.deflater.Close()
	if b.output.Len() >= m.size {
		return
	}
	m.original = uint32(m.size)
	m.flags |= wire.FlagCompressed
	m.body = append(m.body[:0], b.output.Bytes()...)
	m.size = len(m.body)
}

// inflate returns the original_len bytes of a body, valid until the next call.
// It stops at original_len, whatever follows, and takes memory as bytes come
// out, not as they are promised. [XTMP-CMP-006] [XTMP-CMP-010]
func (b *Buffers) inflate(body []byte, originalLen uint32) ([]byte, error) {
	b.input.Reset(body)
	if b.inflater == nil {
		b.inflater = flate.NewReader(&b.input)
	} else if err := b.inflater.(flate.Resetter).Reset(&b.input, nil); err != nil {
		return nil, errInflate
	}
	want := int(originalLen)
	out := b.plaintext[:0]
	for len(out) < want {
		if len(out) == cap(out) {
			grown := make([]byte, len(out), min(want, len(out)+max(inflateStep, len(out))))
			copy(grown, out)
			out = grown
		}
		n, err := b.inflater.Read(out[len(out):min(cap(out), want)])
		out = out[:len(out)+n]
		if err != nil && (len(out) < want || !errors.Is(err, io.EOF)) {
			return nil, errInflate
		}
	}
	b.plaintext = nil
	if cap(out) <= plaintextKept {
		b.plaintext = out[:0]
	}
	var more [1]byte
	if n, err := b.inflater.Read(more[:]); n != 0 || !errors.Is(err, io.EOF) || b.input.Len() != 0 {
		return nil, errInflate
	}
	return out, nil
}
