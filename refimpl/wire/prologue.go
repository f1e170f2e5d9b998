package wire

import "encoding/binary"

// Prologue holds the fields that stand before the body inside the plaintext,
// each present when its flag is set, in this order.
//
//	REQUIRES_ACK  mid u64
//	REPLY         reply_to u64
//	STREAMING     sub_id u32 · n u64
//	FRAGMENT      frag_id u32 · index u16 · count u16
//	COMPRESSED    original_len u32, unfragmented or index 0 only
type Prologue struct {
	Mid         uint64
	ReplyTo     uint64
	N           uint64
	SubID       uint32
	FragID      uint32
	Index       uint16
	Count       uint16
	OriginalLen uint32
}

// ErrPrologue says that the plaintext is too short for its flags, or that mid is 0.
var ErrPrologue = &ParseError{"prologue", "length or mid", "does not fit the plaintext, or mid 0"}

// Parse reads the fields that f announces and returns the rest of plaintext.
func (p *Prologue) Parse(f Flags, plaintext []byte) (body []byte, err error) {
	*p = Prologue{}
	b := plaintext
	if f.Has(FlagRequiresAck) {
		if len(b) < 8 {
			return nil, ErrPrologue
		}
		p.Mid, b = binary.BigEndian.Uint64(b), b[8:]
		if p.Mid == 0 {
			return nil, ErrPrologue
		}
	}
	if f.Has(FlagReply) {
		if len(b) < 8 {
			return nil, ErrPrologue
		}
		p.ReplyTo, b = binary.BigEndian.Uint64(b), b[8:]
	}
	if f.Has(FlagStreaming) {
		if len(b) < 12 {
			return nil, ErrPrologue
		}
		p.SubID, p.N, b = binary.BigEndian.Uint32(b), binary.BigEndian.Uint64(b[4:]), b[12:]
	}
	if f.Has(FlagFragment) {
		if len(b) < 8 {
			return nil, ErrPrologue
		}
		p.FragID, b = binary.BigEndian.Uint32(b), b[4:]
		p.Index, p.Count, b = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]), b[4:]
	}
	if f.Has(FlagCompressed) && p.Index == 0 {
		if len(b) < 4 {
			return nil, ErrPrologue
		}
		p.OriginalLen, b = binary.BigEndian.Uint32(b), b[4:]
	}
	return b, nil
}

// Append appends the fields that f announces.
func (p *Prologue) Append(dst []byte, f Flags) []byte {
	if f.Has(FlagRequiresAck) {
		dst = binary.BigEndian.AppendUint64(dst, p.Mid)
	}
	if f.Has(FlagReply) {
		dst = binary.BigEndian.AppendUint64(dst, p.ReplyTo)
	}
	if f.Has(FlagStreaming) {
		dst = binary.BigEndian.AppendUint32(dst, p.SubID)
		dst = binary.BigEndian.AppendUint64(dst, p.N)
	}
	if f.Has(FlagFragment) {
		dst = binary.BigEndian.AppendUint32(dst, p.FragID)
		dst = binary.BigEndian.AppendUint16(dst, p.Index)
		dst = binary.BigEndian.AppendUint16(dst, p.Count)
	}
	if f.Has(FlagCompressed) && (p.Index == 0 || !f.Has(FlagFragment)) {
		dst = binary.BigEndian.AppendUint32(dst, p.OriginalLen)
	}
	return dst
}

// PrologueSize returns the size of the fields that f announces, in bytes; with
// COMPRESSED that of an unfragmented message or of index 0.
func PrologueSize(f Flags) int {
	n := 0
	for _, field := range [...]struct {
		flag Flags
		size int
	}{{FlagRequiresAck, 8}, {FlagReply, 8}, {FlagStreaming, 12}, {FlagFragment, 8}, {FlagCompressed, 4}} {
		if f.Has(field.flag) {
			n += field.size
		}
	}
	return n
}
