package wire

import "encoding/binary"

// Sizes of the bodies of Attach and AttachAck, in bytes. Both frames have 160.
const (
	AttachSize    = 48
	AttachAckSize = 48
)

// PathKind is the transport that an Attach or an attach endpoint names.
type PathKind uint8

// Kinds of paths.
const (
	PathStream   PathKind = 1 // TCP or WebSocket
	PathDatagram PathKind = 2 // UDP
)

// attachStandby is the only bit of the flags of Attach.
const attachStandby = 0x01

// Errors of the bodies of Attach, AttachAck and TLV 0x0002.
var (
	ErrAttach    = &ParseError{"Attach", "body", "not 48 bytes with known kind and flags and a zero field of zero"}
	ErrAttachAck = &ParseError{"AttachAck", "body", "not 48 bytes with a zero field of zero"}
	ErrEndpoints = &ParseError{"TLV 0x0002", "value", "not a list of one or more endpoints with host and port"}
)

// Attach asks a server for another path of a session.
//
//	0 kind · 1 flags · 2 zero u16 · 4 counter u32 · 8 random[32] · 40 client_time u64
type Attach struct {
	Kind       PathKind
	Standby    bool
	Counter    uint32 // that of the frame's sequence number
	Random     [RandomSize]byte
	ClientTime uint64 // µs since the Unix epoch
}

// Parse reads the body of an Attach. Whether kind and counter fit the frame is
// for the receiver to judge.
func (m *Attach) Parse(b []byte) error {
	if len(b) != AttachSize || b[2] != 0 || b[3] != 0 || b[1]&^attachStandby != 0 {
		return ErrAttach
	}
	if m.Kind = PathKind(b[0]); m.Kind != PathStream && m.Kind != PathDatagram {
		return ErrAttach
	}
	m.Standby = b[1] != 0
	m.Counter = binary.BigEndian.Uint32(b[4:])
	m.Random = [RandomSize]byte(b[8:])
	m.ClientTime = binary.BigEndian.Uint64(b[40:])
	return nil
}

// Append appends the body of an Attach.
func (m *Attach) Append(dst []byte) []byte {
	flags := byte(0)
	if m.Standby {
		flags = attachStandby
	}
	dst = append(dst, byte(m.Kind), flags, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, m.Counter)
	dst = append(dst, m.Random[:]...)
	return binary.BigEndian.AppendUint64(dst, m.ClientTime)
}

// AttachAck answers an Attach.
//
//	0 status · 1 path_id · 2 zero[6] · 8 random[32] · 40 server_time u64
type AttachAck struct {
	Status     uint8 // 0 done, else the low byte of a Code
	PathID     uint8 // for people who read captures
	Random     [RandomSize]byte
	ServerTime uint64 // µs since the Unix epoch
}

// Parse reads the body of an AttachAck.
func (m *AttachAck) Parse(b []byte) error {
	if len(b) != AttachAckSize || [6]byte(b[2:]) != [6]byte{} {
		return ErrAttachAck
	}
	m.Status, m.PathID = b[0], b[1]
	m.Random = [RandomSize]byte(b[8:])
	m.ServerTime = binary.BigEndian.Uint64(b[40:])
	return nil
}

// Append appends the body of an AttachAck.
func (m *AttachAck) Append(dst []byte) []byte {
	dst = append(dst, m.Status, m.PathID, 0, 0, 0, 0, 0, 0)
	dst = append(dst, m.Random[:]...)
	return binary.BigEndian.AppendUint64(dst, m.ServerTime)
}

// AttachEndpoint is one entry of TLV 0x0002: where a client attaches to the
// instance that made the session.
//
//	0 kind · 1 port u16 · 3 host_len · 4 host[host_len]
type AttachEndpoint struct {
	Kind PathKind // may be unknown
	Port uint16
	Host string // name or address, ASCII
}

const endpointFixed = 4

// ParseEndpoints reads the value of TLV 0x0002, entries of unknown kind included,
// or returns ErrEndpoints. [XTMP-PTH-060]
func ParseEndpoints(b []byte) ([]AttachEndpoint, error) {
	var list []AttachEndpoint
	for len(b) > 0 {
		if len(b) < endpointFixed || len(b) < endpointFixed+int(b[3]) {
			return nil, ErrEndpoints
		}
		host := b[endpointFixed : endpointFixed+int(b[3])]
		e := AttachEndpoint{Kind: PathKind(b[0]), Port: binary.BigEndian.Uint16(b[1:]), Host: string(host)}
		if e.Port == 0 || len(host) == 0 || !ascii(host) {
			return nil, ErrEndpoints
		}
		list, b = append(list, e), b[endpointFixed+len(host):]
	}
	if len(list) == 0 {
		return nil, ErrEndpoints
	}
	return list, nil
}

// Append appends the entry. Host is ASCII of 1 … 255 bytes, and port is not 0.
func (e *AttachEndpoint) Append(dst []byte) []byte {
	dst = append(dst, byte(e.Kind))
	dst = binary.BigEndian.AppendUint16(dst, e.Port)
	dst = append(dst, byte(len(e.Host)))
	return append(dst, e.Host...)
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c > 0x7f {
			return false
		}
	}
	return true
}
