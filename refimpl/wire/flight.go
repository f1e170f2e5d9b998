package wire

import "encoding/binary"

// Types of the three messages inside ServerFlight, which are also their
// transcript types.
const (
	FlightIdentity  = 0x41
	FlightSignature = 0x42
	FlightFinished  = 0x43
)

// Sizes of flight bodies, in bytes.
const (
	FingerprintSize  = 32
	ParamsSize       = 40
	MACSize          = 48 // HMAC-SHA-384
	Ed25519Signature = 64
	MessageHeader    = 4 // type u8 · len u24
	identityFixed    = 4 + FingerprintSize + ParamsSize
	identityHasKey   = 0x01
	tlvEndpoints     = 0x0002
)

// Policy bits of ServerIdentity. Unknown bits are ignored.
const (
	PolicyWalletAuth uint16 = 0x0001
	PolicyAttachUDP  uint16 = 0x0002
	PolicyAttachTCP  uint16 = 0x0004
	PolicyDeflate    uint16 = 0x0008
)

// Params are what the server announces in ServerIdentity.
//
//	0 max_payload u32 · 4 idle_timeout_ms u32 · 8 key_rotation_s u32 · 12 max_datagram u16 · 14 policy u16
//	16 reassembly_bytes u32 · 20 max_inflight u32 · 24 reset_token[16]
type Params struct {
	MaxPayload      uint32
	IdleTimeoutMS   uint32
	KeyRotationS    uint32
	MaxDatagram     uint16
	Policy          uint16
	ReassemblyBytes uint32
	MaxInflight     uint32 // 0 means 1024
	ResetToken      [16]byte
}

// ServerIdentity is the first message of ServerFlight. Key and Endpoints of a
// parsed message alias its input; Key is nil when the key is not included.
//
//	0 kind · 1 flags · 2 key_len u16 · 4 fingerprint[32] · 36 key[key_len] · params[40] · TLV block
type ServerIdentity struct {
	Kind        uint8
	Fingerprint [FingerprintSize]byte
	Key         []byte
	Params      Params
	Endpoints   []byte // value of TLV 0x0002
}

// Errors of ServerFlight.
var (
	ErrFlight       = &ParseError{"ServerFlight", "messages", "not 41, 42, 43 back to back, filling the message"}
	ErrIdentitySize = &ParseError{"ServerIdentity", "length", "too short for its fields"}
	ErrIdentityKey  = &ParseError{"ServerIdentity", "flags, key_len", "disagree"}
	ErrParams       = &ParseError{"ServerIdentity", "params", "outside their bounds"}
)

// SplitFlight cuts a ServerFlight body into its three messages, each with its
// four-byte header.
func SplitFlight(b []byte) (identity, signature, finished []byte, err error) {
	var part [3][]byte
	for i, t := range [3]byte{FlightIdentity, FlightSignature, FlightFinished} {
		if len(b) < MessageHeader || b[0] != t {
			return nil, nil, nil, ErrFlight
		}
		n := MessageHeader + int(binary.BigEndian.Uint32(b)&0xffffff)
		if len(b) < n {
			return nil, nil, nil, ErrFlight
		}
		part[i], b = b[:n:n], b[n:]
	}
	if len(b) != 0 {
		return nil, nil, nil, ErrFlight
	}
	return part[0], part[1], part[2], nil
}

// AppendMessageHeader appends type u8 ‖ len u24, the header of a transcript
// message and of each message of a flight.
func AppendMessageHeader(dst []byte, t byte, n int) []byte {
	return binary.BigEndian.AppendUint32(dst, uint32(t)<<24|uint32(n))
}

// Parse reads a ServerIdentity body.
func (m *ServerIdentity) Parse(b []byte) error {
	if len(b) < identityFixed+2 {
		return ErrIdentitySize
	}
	m.Kind = b[0]
	n := int(binary.BigEndian.Uint16(b[2:])) // unknown flag bits are ignored
	if hasKey := b[1]&identityHasKey != 0; hasKey != (n > 0) {
		return ErrIdentityKey
	}
	m.Fingerprint = [FingerprintSize]byte(b[4:])
	b = b[4+FingerprintSize:]
	if len(b) < n+ParamsSize+2 {
		return ErrIdentitySize
	}
	m.Key = nil
	if n > 0 {
		m.Key = b[:n:n]
	}
	if err := m.Params.parse(b[n:]); err != nil {
		return err
	}
	var err error
	m.Endpoints, err = parseTLVs(b[n+ParamsSize:], tlvEndpoints)
	return err
}

// parse reads the params and checks their bounds: max_payload 65 536 …
// 16 777 216, the two times not 0, reassembly_bytes ≥ 262 144, and max_datagram
// 1200 … 1452 where Attach over UDP is accepted. [XTMP-HSK-045]
func (p *Params) parse(b []byte) error {
	p.MaxPayload = binary.BigEndian.Uint32(b)
	p.IdleTimeoutMS = binary.BigEndian.Uint32(b[4:])
	p.KeyRotationS = binary.BigEndian.Uint32(b[8:])
	p.MaxDatagram = binary.BigEndian.Uint16(b[12:])
	p.Policy = binary.BigEndian.Uint16(b[14:])
	p.ReassemblyBytes = binary.BigEndian.Uint32(b[16:])
	p.MaxInflight = binary.BigEndian.Uint32(b[20:])
	p.ResetToken = [16]byte(b[24:])
	datagram := p.Policy&PolicyAttachUDP == 0 || p.MaxDatagram >= 1200 && p.MaxDatagram <= 1452
	if p.IdleTimeoutMS == 0 || p.KeyRotationS == 0 {
		return ErrParams
	}
	if p.MaxPayload < 65536 || p.MaxPayload > MaxPayload || p.ReassemblyBytes < 262144 || !datagram {
		return ErrParams
	}
	return nil
}

// Append appends a ServerIdentity body with an empty TLV block.
func (m *ServerIdentity) Append(dst []byte) []byte {
	flags := byte(0)
	if len(m.Key) > 0 {
		flags = identityHasKey
	}
	dst = append(dst, m.Kind, flags)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(m.Key)))
	dst = append(dst, m.Fingerprint[:]...)
	dst = append(dst, m.Key...)
	dst = binary.BigEndian.AppendUint32(dst, m.Params.MaxPayload)
	dst = binary.BigEndian.AppendUint32(dst, m.Params.IdleTimeoutMS)
	dst = binary.BigEndian.AppendUint32(dst, m.Params.KeyRotationS)
	dst = binary.BigEndian.AppendUint16(dst, m.Params.MaxDatagram)
	dst = binary.BigEndian.AppendUint16(dst, m.Params.Policy)
	dst = binary.BigEndian.AppendUint32(dst, m.Params.ReassemblyBytes)
	dst = binary.BigEndian.AppendUint32(dst, m.Params.MaxInflight)
	dst = append(dst, m.Params.ResetToken[:]...)
	if len(m.Endpoints) == 0 {
		return appendTLV(dst, 0)
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(4+len(m.Endpoints)))
	dst = binary.BigEndian.AppendUint16(dst, tlvEndpoints)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(m.Endpoints)))
	return append(dst, m.Endpoints...)
}

// HandshakeDoneSize is address_token[48] · server_time u64.
const HandshakeDoneSize = 56

// HandshakeDone is the server's first message under path keys. An address
// token of 48 zero bytes means none.
type HandshakeDone struct {
	AddressToken [48]byte
	ServerTime   uint64
}

// ErrHandshakeDone says that the body has not its exact length.
var ErrHandshakeDone = &ParseError{"HandshakeDone", "length", "not 56 bytes"}

// Parse reads a HandshakeDone body.
func (m *HandshakeDone) Parse(b []byte) error {
	if len(b) != HandshakeDoneSize {
		return ErrHandshakeDone
	}
	m.AddressToken = [48]byte(b)
	m.ServerTime = binary.BigEndian.Uint64(b[48:])
	return nil
}

// Append appends a HandshakeDone body.
func (m *HandshakeDone) Append(dst []byte) []byte {
	dst = append(dst, m.AddressToken[:]...)
	return binary.BigEndian.AppendUint64(dst, m.ServerTime)
}
