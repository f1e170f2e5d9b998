package wire

import "encoding/binary"

// Sizes of handshake messages on UDP, in bytes.
const (
	TokenSize         = 48   // cookie or address token
	HandshakeFragment = 1024 // of a body, in every fragment but the last
	MaxFragments      = MaxHandshakeMessage / HandshakeFragment
)

// Fragment is the envelope of a datagram of the handshake: a whole message, or
// one piece of it. Token of a parsed one aliases its input.
//
//	0 hs_type · 1 frag_index · 2 frag_count · 3 token_len · 4 total_len u32 · 8 handshake_id u64 · 16 token[token_len] · fragment
//
// frag_count follows from total_len, and the length of the fragment from both.
type Fragment struct {
	Envelope
	Index uint8
	Total uint16 // bytes of the message's body, 1 … 8192
	Token []byte // TokenSize bytes, or empty; in ClientHello only
}

// ErrFragment is every bad envelope on UDP: nobody is told why.
var ErrFragment = &ParseError{"envelope", "datagram", "its fields disagree with each other or with the bytes present"}

// Count returns frag_count: total_len / 1024, rounded up.
func (f *Fragment) Count() uint8 {
	return uint8((int(f.Total) + HandshakeFragment - 1) / HandshakeFragment)
}

// span returns where the fragment lies in the body of its message.
func (f *Fragment) span() (from, to int) {
	from = int(f.Index) * HandshakeFragment
	return from, min(from+HandshakeFragment, int(f.Total))
}

// Parse reads the envelope of a datagram of the handshake and returns the piece
// of the body behind it, or ErrFragment. [XTMP-UDP-021]
func (f *Fragment) Parse(b []byte) (piece []byte, err error) {
	if len(b) < EnvelopeSize {
		return nil, ErrFragment
	}
	total := binary.BigEndian.Uint32(b[4:])
	if total == 0 || total > MaxHandshakeMessage {
		return nil, ErrFragment
	}
	f.HSType, f.Index, f.Total = HSType(b[0]), b[1], uint16(total)
	f.HandshakeID = binary.BigEndian.Uint64(b[8:])
	if b[2] != f.Count() || f.Index >= b[2] {
		return nil, ErrFragment
	}
	token := int(b[3])
	if token != 0 && (token != TokenSize || f.HSType != HSClientHello) || len(b) < EnvelopeSize+token {
		return nil, ErrFragment
	}
	f.Token, piece = b[EnvelopeSize:EnvelopeSize+token], b[EnvelopeSize+token:]
	if from, to := f.span(); len(piece) != to-from {
		return nil, ErrFragment
	}
	return piece, nil
}

// Append appends envelope, token and the piece of body that f names.
func (f *Fragment) Append(dst, body []byte) []byte {
	dst = append(dst, byte(f.HSType), f.Index, f.Count(), byte(len(f.Token)))
	dst = binary.BigEndian.AppendUint32(dst, uint32(f.Total))
	dst = binary.BigEndian.AppendUint64(dst, f.HandshakeID)
	dst = append(dst, f.Token...)
	from, to := f.span()
	return append(dst, body[from:to]...)
}

// AppendRetry appends the whole frame of a Retry: its body is a cookie. [XTMP-UDP-028]
func AppendRetry(dst []byte, handshakeID, wallMicros uint64, cookie *[TokenSize]byte) []byte {
	f := Fragment{Envelope: Envelope{HSType: HSRetry, HandshakeID: handshakeID}, Total: TokenSize}
	var payload [EnvelopeSize + TokenSize]byte
	return AppendClear(dst, TypeHandshakeAck, 0, wallMicros, f.Append(payload[:0], cookie[:]))
}
