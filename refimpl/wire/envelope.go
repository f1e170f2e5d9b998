package wire

import "encoding/binary"

// EnvelopeSize is the envelope without its token.
const EnvelopeSize = 16

// MaxHandshakeMessage bounds total_len. [XTMP-ENV-011]
const MaxHandshakeMessage = 8192

// Envelope stands before every handshake message.
//
//	0 hs_type · 1 frag_index · 2 frag_count · 3 token_len · 4 total_len u32 · 8 handshake_id u64 · 16 fragment
//
// total_len counts the message, without envelope and token. On a connection a
// message is one fragment and carries no token; a datagram of the handshake is a
// Fragment.
type Envelope struct {
	HSType      HSType
	HandshakeID uint64
}

// Errors of an envelope.
var (
	ErrEnvelopeShort = &ParseError{"envelope", "length", "fewer than 16 bytes"}
	ErrEnvelopeFrag  = &ParseError{"envelope", "frag_index, frag_count", "not 0 of 1 on a connection"}
	ErrEnvelopeToken = &ParseError{"envelope", "token_len", "not 0 on a connection"}
	ErrEnvelopeTotal = &ParseError{"envelope", "total_len", "disagrees with the bytes present, or above 8192"}
)

// ParseStreamEnvelope reads the envelope of a handshake message on a
// connection, where it is whole, and returns the message body.
func ParseStreamEnvelope(b []byte, e *Envelope) (body []byte, err error) {
	if len(b) < EnvelopeSize {
		return nil, ErrEnvelopeShort
	}
	if b[1] != 0 || b[2] != 1 {
		return nil, ErrEnvelopeFrag
	}
	if b[3] != 0 {
		return nil, ErrEnvelopeToken
	}
	body = b[EnvelopeSize:]
	total := binary.BigEndian.Uint32(b[4:])
	if total > MaxHandshakeMessage || total != uint32(len(body)) {
		return nil, ErrEnvelopeTotal
	}
	e.HSType = HSType(b[0])
	e.HandshakeID = binary.BigEndian.Uint64(b[8:])
	return body, nil
}

// AppendStream appends the envelope of a whole message of n bytes.
func (e Envelope) AppendStream(dst []byte, n int) []byte {
	dst = append(dst, byte(e.HSType), 0, 1, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(n))
	return binary.BigEndian.AppendUint64(dst, e.HandshakeID)
}
