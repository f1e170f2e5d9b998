package capturefile

import (
	"encoding/binary"
	"io"
)

// records is a pcap file as gopacket can read it: records whole, and with every
// length within its bounds.
type records struct {
	r     io.Reader
	order binary.ByteOrder
	ready []byte
}

const (
	recordsHeader = 24
	recordHeader  = 16
)

// newRecords takes the order from the file's magic, which stays in r.
func newRecords(r io.Reader, magic []byte) *records {
	order := binary.ByteOrder(binary.LittleEndian)
	if magic[0] == 0xA1 {
		order = binary.BigEndian
	}
	return &records{r: r, order: order}
}

// Read implements io.Reader, as blocks.Read does.
func (s *records) Read(p []byte) (int, error) {
	for len(s.ready) == 0 {
		if err := s.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.ready)
	s.ready = s.ready[n:]
	return n, nil
}

// header reads the header of the file, whose lengths bound nothing.
func (s *records) header() error {
	head := make([]byte, recordsHeader)
	if _, err := io.ReadFull(s.r, head); err != nil {
		return cut(err)
	}
	s.ready = head
	return nil
}

func (s *records) next() error {
	var head [recordHeader]byte
	switch n, err := io.ReadFull(s.r, head[:]); {
	case n == 0 && err == io.EOF:
		return io.EOF
	case err != nil:
		return cut(err)
	}
	captured := s.order.Uint32(head[8:])
	if err := checkLengths(captured, s.order.Uint32(head[12:]), MaxPacket); err != nil {
		return &FormatError{Reason: err.Error()}
	}
	record, err := readWhole(s.r, head[:], recordHeader+int(captured))
	s.ready = record
	return err
}
