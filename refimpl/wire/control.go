package wire

import (
	"encoding/binary"
	"unicode/utf8"
)

// MaxHeartbeat bounds a Heartbeat payload: kind and up to 63 bytes.
const MaxHeartbeat = 64

// Errors of the bodies of Heartbeat, Disconnect and Error.
var (
	ErrHeartbeat  = &ParseError{"Heartbeat", "length", "not 1 … 64 bytes"}
	ErrDisconnect = &ParseError{"Disconnect", "length", "not 18 bytes"}
	ErrErrorBody  = &ParseError{"Error", "body", "too short, text above 256 bytes, scope above 2, or a token in a sealed Error"}
)

// ParseHeartbeat splits a Heartbeat into its kind and the bytes after it.
func ParseHeartbeat(b []byte) (HeartbeatKind, []byte, error) {
	if len(b) < 1 || len(b) > MaxHeartbeat {
		return 0, nil, ErrHeartbeat
	}
	return HeartbeatKind(b[0]), b[1:], nil
}

// DisconnectSize is reason u16 · last_sent u64 · last_complete u64.
const DisconnectSize = 18

// Disconnect ends a session.
type Disconnect struct {
	Reason       Code
	LastSent     uint64 // last mid sent
	LastComplete uint64 // highest mid below which all are complete
}

// Parse reads a Disconnect body.
func (m *Disconnect) Parse(b []byte) error {
	if len(b) != DisconnectSize {
		return ErrDisconnect
	}
	m.Reason = Code(binary.BigEndian.Uint16(b))
	m.LastSent = binary.BigEndian.Uint64(b[2:])
	m.LastComplete = binary.BigEndian.Uint64(b[10:])
	return nil
}

// Append appends a Disconnect body.
func (m *Disconnect) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(m.Reason))
	dst = binary.BigEndian.AppendUint64(dst, m.LastSent)
	return binary.BigEndian.AppendUint64(dst, m.LastComplete)
}

// NoSequence is the ref_seq of an Error that names no frame.
const NoSequence = 1<<64 - 1

// MaxErrorText bounds the text of an Error, in bytes.
const MaxErrorText = 256

const (
	errorFixed    = 16
	errorHasToken = 0x01
)

// Error is the body of an Error frame. Text of a parsed Error aliases its input.
//
//	0 code u16 · 2 scope u8 · 3 flags u8 · 4 retry_after_ms u32 · 8 ref_seq u64 · 16 token[16] if flag 0x01 · text
type Error struct {
	Code         Code
	Scope        Scope
	RetryAfterMS uint32
	RefSequence  uint64
	HasToken     bool
	Token        [16]byte
	Text         []byte // UTF-8
}

// Parse reads an Error body. Of a malformed body it has read code and scope if
// four bytes are there, so that the receiver can see whether it ends the
// session. Text that is not UTF-8 is dropped. sealed is whether the frame was.
func (m *Error) Parse(b []byte, sealed bool) error {
	*m = Error{RefSequence: NoSequence}
	if len(b) >= 4 {
		m.Code, m.Scope = Code(binary.BigEndian.Uint16(b)), Scope(b[2])
	}
	if len(b) < errorFixed {
		return ErrErrorBody
	}
	m.RetryAfterMS = binary.BigEndian.Uint32(b[4:])
	m.RefSequence = binary.BigEndian.Uint64(b[8:])
	text := b[errorFixed:]
	if m.HasToken = b[3]&errorHasToken != 0; m.HasToken {
		if len(text) < len(m.Token) {
			return ErrErrorBody
		}
		m.Token, text = [16]byte(text), text[16:]
	}
	if len(text) > MaxErrorText || m.Scope > ScopeSession || m.HasToken && sealed {
		return ErrErrorBody
	}
	if utf8.Valid(text) { // [XTMP-ERR-026]
		m.Text = text
	}
	return nil
}

// Append appends an Error body; text is cut to MaxErrorText at a rune boundary.
func (m *Error) Append(dst []byte) []byte {
	flags := byte(0)
	if m.HasToken {
		flags = errorHasToken
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(m.Code))
	dst = append(dst, byte(m.Scope), flags)
	dst = binary.BigEndian.AppendUint32(dst, m.RetryAfterMS)
	dst = binary.BigEndian.AppendUint64(dst, m.RefSequence)
	if m.HasToken {
		dst = append(dst, m.Token[:]...)
	}
	text := m.Text
	for len(text) > MaxErrorText || !utf8.Valid(text) {
		text = text[:len(text)-1]
	}
	return append(dst, text...)
}
