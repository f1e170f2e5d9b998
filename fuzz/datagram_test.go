package fuzz_test

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

// Addresses of clients on UDP, and of a server.
var (
	berth   = netip.MustParseAddrPort("192.0.2.1:4711")
	harbour = netip.MustParseAddrPort("192.0.2.9:8090")
)

// FuzzDatagram puts datagrams of somebody who has proved no address before a whole
// server, which has one session on UDP or none: anything, the frames of the vectors,
// and what the client of the session has said, from another address, all with as many
// bytes changed as the input says.
//
// Oracle: the server keeps nothing and its session notices nothing. At most one
// datagram comes back, to where the other came from, no longer than it: a Retry, or
// the reset of a session that there is not, with the token that the scribe makes.
func FuzzDatagram(f *testing.F) {
	for _, v := range vectors.All() {
		if v.Kind == vectors.KindDatagram || v.Kind == vectors.KindPaths {
			for i, s := range v.Steps {
				f.Add(byte(i), append([]byte{0, byte(i)}, s.Frame...))
			}
		}
	}
	for i := range byte(12) {
		f.Add(i, slices.Concat([]byte{1, i, 0, 0}, []byte{2, i, 1, 32, 7, 9}, []byte{3, i, 0, 0, 160}))
	}
	f.Fuzz(func(t *testing.T, mode byte, script []byte) {
		s := newShore(t, setup{suite: []uint8{1, 2, 1, 0}[mode>>1&3]})
		if mode&1 != 0 {
			s.board(nil)
			s.calm()
			if s.client.State() != session.Established {
				t.Fatalf("the client is %v: %v", s.client.State(), s.client.Err())
			}
			s.drift(2 * time.Second)
			s.calm()
		}
		in := &tape{script}
		for range 24 {
			if !in.more() {
				return
			}
			s.stranger(in)
		}
	})
}

// stranger sends one datagram.
func (s *shore) stranger(in *tape) {
	s.t.Helper()
	kind, from := in.byte(), netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 2 + in.byte()%4}), 4711)
	var b []byte
	switch kind & 3 {
	case 0:
		b = slices.Clone(in.bytes(1300))
	case 1, 2: // what the client has said, or what was said to it
		if said := s.wire[kind&3-1]; len(said) > 0 {
			b = slices.Clone(said[int(in.byte())%len(said)])
		}
	case 3: // of a session that there is not
		f := testkit.NewFrame(in.byte(), in.uint16())
		f.Header.SetUint("session_id", uint64(in.byte())<<32|uint64(in.uint16()))
		f.Payload = in.bytes(int(in.uint16()) % 1200)
		b = f.Encode()
	}
	if kind&3 != 0 {
		for range in.byte() % 4 {
			if at := int(in.uint16()); len(b) > 0 {
				b[at%len(b)] ^= in.byte()
			}
		}
		if kind&4 != 0 && len(b) >= testkit.HeaderSize {
			b = testkit.FixChecksum(b)
		}
		b = b[:len(b)-min(len(b), int(kind>>3))]
	}
	if kind == 0xff {
		s.drift(time.Duration(in.byte()) * 10 * time.Millisecond)
		s.calm()
	}
	before, counted := s.server.Len(), *s.admission
	s.server.Datagram(s.now, from, slices.Clone(b))
	if after := s.server.Len(); after != before || *s.admission != counted {
		s.t.Fatalf("a stranger's datagram is kept: %d paths, then %d; %+v, then %+v\n%x", before, after, counted, *s.admission, b)
	}
	if e, ok := s.server.NextEvent(); ok {
		s.t.Fatalf("a stranger's datagram makes event %d\n%x", e.Kind, b)
	}
	if _, due := s.server.Deadline(); due && before == 0 {
		s.t.Fatalf("a stranger's datagram makes the server wait for something\n%x", b)
	}
	if said := s.spoken(); len(said) > 0 {
		s.t.Fatalf("the session answers a stranger: %x\n%x", said[0].bytes, b)
	}
	s.answered(from, b)
}

// answered looks at what comes back.
func (s *shore) answered(from netip.AddrPort, b []byte) {
	s.t.Helper()
	out, to, ok := s.server.NextStray(nil)
	if !ok {
		return
	}
	if to != from || len(out) > len(b) {
		s.t.Fatalf("%d bytes to %v for %d from %v", len(out), to, len(b), from)
	}
	if _, _, more := s.server.NextStray(nil); more {
		s.t.Fatalf("two datagrams for one\n%x", b)
	}
	in, _, _ := testkit.DecodeFrame(b)
	f, rest, whole := testkit.DecodeFrame(out)
	if !whole || len(rest) > 0 || !f.Clear() || f.Header.Uint("checksum") != uint64(testkit.Checksum(out)) {
		s.t.Fatalf("what comes back is no clear frame: %x", out)
	}
	p, short := testkit.DecodePlaintext(f.Type(), f.Flags(), f.Payload)
	switch {
	case short:
		s.t.Fatalf("what comes back is short: %x", out)
	case f.Type() == 0xfe:
		e, _ := testkit.Decode("error", 0, p.Body)
		token := testkit.ResetToken(s.resetKey[:], in.Header.Bytes("session_id"))
		id := in.Header.Uint("session_id")
		if f.Header.Uint("session_id") != id || s.server.Find(id) != nil || !bytes.Equal(e.Bytes("token"), token) || in.Clear() {
			s.t.Fatalf("a wrong reset: %x\nfor %x", out, b)
		}
	case p.Envelope.Uint("hs_type") == 2:
		asked, _ := testkit.Decode("envelope", 0, in.Payload)
		if !in.Clear() || p.Envelope.Uint("handshake_id") != asked.Uint("handshake_id") {
			s.t.Fatalf("a wrong Retry: %x\nfor %x", out, b)
		}
	default:
		s.t.Fatalf("neither a Retry nor a reset: %x", out)
	}
}
