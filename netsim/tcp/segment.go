package tcp

import (
	"encoding/binary"
	"errors"
	"strings"
)

// Flags of a segment.
type Flags uint8

// The flags, as they lie in the header.
const (
	FIN Flags = 1 << iota
	SYN
	RST
	PSH
	ACK
)

// String names the flags.
func (f Flags) String() string {
	var names []string
	for i, name := range []string{"FIN", "SYN", "RST", "PSH", "ACK"} {
		if f>>i&1 != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// Segment is what travels.
type Segment struct {
	SrcPort, DstPort uint16
	Seq, Ack         uint32
	Flags            Flags
	Window           uint32 // bytes; a multiple of windowUnit
	Data             []byte
}

// WindowScale is what the window field of every segment is shifted by.
const WindowScale = 7

// windowUnit is what the window field counts.
const windowUnit = 1 << WindowScale

// headerSize is the length of a header. No segment has options: both ends know
// the segment size and the scale.
const headerSize = 20

// Append appends the segment: source and destination port, sequence number,
// acknowledgement, length of the header and flags, window, checksum and urgent
// pointer, both 0, and the data.
func (s *Segment) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, s.SrcPort)
	b = binary.BigEndian.AppendUint16(b, s.DstPort)
	b = binary.BigEndian.AppendUint32(b, s.Seq)
	b = binary.BigEndian.AppendUint32(b, s.Ack)
	b = append(b, headerSize/4<<4, byte(s.Flags))
	b = binary.BigEndian.AppendUint16(b, uint16(min(s.Window/windowUnit, 0xffff)))
	b = append(b, 0, 0, 0, 0)
	return append(b, s.Data...)
}

var errSegment = errors.New("tcp: not a segment of this package")

// Parse reads a segment. Its data is not copied.
func (s *Segment) Parse(b []byte) error {
	if len(b) < headerSize || b[12] != headerSize/4<<4 {
		return errSegment
	}
	*s = Segment{
		SrcPort: binary.BigEndian.Uint16(b),
		DstPort: binary.BigEndian.Uint16(b[2:]),
		Seq:     binary.BigEndian.Uint32(b[4:]),
		Ack:     binary.BigEndian.Uint32(b[8:]),
		Flags:   Flags(b[13]),
		Window:  uint32(binary.BigEndian.Uint16(b[14:])) * windowUnit,
		Data:    b[headerSize:],
	}
	return nil
}

// length returns how much of the sequence space the segment takes.
func (s *Segment) length() uint32 {
	n := uint32(len(s.Data))
	if s.Flags&SYN != 0 {
		n++
	}
	if s.Flags&FIN != 0 {
		n++
	}
	return n
}

// Refuse returns the reset that answers a segment for which there is no
// connection; false if it must not be answered.
func Refuse(s *Segment) (Segment, bool) {
	if s.Flags&RST != 0 {
		return Segment{}, false
	}
	r := Segment{SrcPort: s.DstPort, DstPort: s.SrcPort, Flags: RST}
	if s.Flags&ACK != 0 {
		r.Seq = s.Ack
	} else {
		r.Flags |= ACK
		r.Ack = s.Seq + s.length()
	}
	return r, true
}

// before says whether a comes before b in the circle of sequence numbers.
func before(a, b uint32) bool { return int32(a-b) < 0 }
