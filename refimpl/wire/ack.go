package wire

import "encoding/binary"

// AckSize is an Ack without pairs, the only form on a connection.
const AckSize = 16

// AckSizeMax is an Ack with all the pairs that it may have.
const AckSizeMax = AckSize + ackPairSize*MaxAckPairs

// Bounds of an Ack.
const (
	MaxAckPairs  = 32
	MaxAckRanges = 1 + MaxAckPairs

	ackPairSize = 4
	ackField    = 1<<16 - 1 // greatest first_range, gap and len
)

// Errors of the body of an Ack.
var (
	ErrAck       = &ParseError{"Ack", "length or zero", "not 16 bytes with a zero byte at 15"}
	ErrAckRanges = &ParseError{"Ack", "ranges", "not empty on a connection"}
	ErrAckLength = &ParseError{"Ack", "length or zero", "not 16 bytes and 4 per pair with a zero byte at 15"}
	ErrAckPairs  = &ParseError{"Ack", "ranges", "more than 32 pairs, a gap or a length of 0, or a range below 0"}
)

// ParseStreamAck reads an Ack on a connection, where it has no ranges, and
// returns the highest sequence acknowledged. ack_delay_us is ignored.
func ParseStreamAck(b []byte) (largest uint64, err error) {
	if len(b) != AckSize || b[15] != 0 {
		return 0, ErrAck
	}
	if b[14] != 0 || b[12] != 0 || b[13] != 0 {
		return 0, ErrAckRanges
	}
	return binary.BigEndian.Uint64(b), nil
}

// AppendStreamAck appends an Ack of everything up to largest.
func AppendStreamAck(dst []byte, largest uint64) []byte {
	dst = binary.BigEndian.AppendUint64(dst, largest)
	return append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
}

// AckRange is the sequence numbers Low … High, both included.
type AckRange struct{ Low, High uint64 }

// Ack is an Ack on UDP. The zero Ack is empty and cannot be sent.
//
//	0 largest u64 · 8 ack_delay_us u32 · 12 first_range u16 · 14 range_count u8 · 15 zero u8 · {gap u16 · len u16} × range_count
type Ack struct {
	DelayUS uint32 // from the receipt of the largest to the sealing of the Ack

	ranges [MaxAckRanges]AckRange
	count  int
}

// Ranges returns what is acknowledged, newest first, a gap of at least one
// number between any two. The result aliases m; of a parsed Ack it is not empty.
func (m *Ack) Ranges() []AckRange { return m.ranges[:m.count] }

// Parse reads an Ack body on UDP. Its errors are ErrAckLength and ErrAckPairs.
func (m *Ack) Parse(b []byte) error {
	m.DelayUS, m.count = 0, 0
	if len(b) < AckSize || len(b) != AckSize+ackPairSize*int(b[14]) || b[15] != 0 { // [XTMP-ACK-029]
		return ErrAckLength
	}
	first := AckRange{High: binary.BigEndian.Uint64(b)}
	below := uint64(binary.BigEndian.Uint16(b[12:]))
	if b[14] > MaxAckPairs || below > first.High { // [XTMP-ACK-028]
		return ErrAckPairs
	}
	first.Low = first.High - below
	m.ranges[0] = first
	low, n := first.Low, 1
	for pair := b[AckSize:]; len(pair) > 0; pair = pair[ackPairSize:] {
		missing, received := uint64(binary.BigEndian.Uint16(pair)), uint64(binary.BigEndian.Uint16(pair[2:]))
		if missing == 0 || received == 0 || missing+received > low { // [XTMP-ACK-028]
			return ErrAckPairs
		}
		high := low - missing - 1
		low = low - missing - received
		m.ranges[n] = AckRange{Low: low, High: high}
		n++
	}
	m.DelayUS, m.count = binary.BigEndian.Uint32(b[8:]), n
	return nil
}

// AppendAck appends an Ack body on UDP that describes ranges, which are not
// empty and as Ack.Ranges returns them. The list ends after 32 pairs, at a range
// too long for its field, of which it names the newest part, and before a gap
// too long. [XTMP-ACK-013] [XTMP-ACK-014] [XTMP-ACK-015] [XTMP-ACK-016]
func AppendAck(dst []byte, delayUS uint32, ranges []AckRange) []byte {
	start := len(dst)
	first := ranges[0]
	below := first.High - first.Low
	dst = binary.BigEndian.AppendUint64(dst, first.High)
	dst = binary.BigEndian.AppendUint32(dst, delayUS)
	dst = binary.BigEndian.AppendUint16(dst, uint16(min(below, ackField)))
	dst = append(dst, 0, 0)
	whole, low := below <= ackField, first.Low
	for _, r := range ranges[1:min(len(ranges), MaxAckRanges)] {
		missing, received := low-r.High-1, r.High-r.Low+1
		if !whole || missing > ackField {
			break
		}
		dst = binary.BigEndian.AppendUint16(dst, uint16(missing))
		dst = binary.BigEndian.AppendUint16(dst, uint16(min(received, ackField)))
		whole, low = received <= ackField, r.Low
		dst[start+14]++
	}
	return dst
}
