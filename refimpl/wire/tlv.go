package wire

import "encoding/binary"

// A TLV block is ext_len u16, the bytes that follow, then entries
// type u16 · len u16 · value with strictly ascending types. A type below
// 0x8000 that the message does not know aborts; one above is ignored.
const tlvIgnorable = 0x8000

// Errors of a TLV block.
var (
	ErrTLVLength  = &ParseError{"TLV block", "length", "does not end with the message"}
	ErrTLVOrder   = &ParseError{"TLV block", "type", "not strictly ascending"}
	ErrTLVUnknown = &ParseError{"TLV block", "type", "unknown and below 0x8000"}
)

// parseTLVs checks a TLV block that must fill b. known is the one type that
// the message defines, or 0; its value is returned, nil if absent.
func parseTLVs(b []byte, known uint16) (value []byte, err error) {
	if len(b) < 2 || int(binary.BigEndian.Uint16(b)) != len(b)-2 {
		return nil, ErrTLVLength
	}
	b = b[2:]
	for last := -1; len(b) > 0; {
		if len(b) < 4 {
			return nil, ErrTLVLength
		}
		t, n := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		if len(b) < 4+n {
			return nil, ErrTLVLength
		}
		if int(t) <= last {
			return nil, ErrTLVOrder
		}
		if t < tlvIgnorable && (known == 0 || t != known) {
			return nil, ErrTLVUnknown
		}
		if t == known && known != 0 {
			value = b[4 : 4+n]
		}
		last, b = int(t), b[4+n:]
	}
	return value, nil
}

// appendTLV appends a block with one empty entry of type t, or an empty block if t is 0.
func appendTLV(dst []byte, t uint16) []byte {
	if t == 0 {
		return append(dst, 0, 0)
	}
	dst = append(dst, 0, 4)
	dst = binary.BigEndian.AppendUint16(dst, t)
	return append(dst, 0, 0)
}
