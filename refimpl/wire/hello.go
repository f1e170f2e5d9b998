package wire

import "encoding/binary"

// Sizes of handshake bodies and their fields, in bytes.
const (
	ClientHelloSize  = 1298 // with an empty TLV block
	ServerHelloSize  = 1178 // with an empty TLV block
	RandomSize       = 32
	X25519Size       = 32
	EncapsulationKey = 1184 // ML-KEM-768 encapsulation key
	Ciphertext       = 1088 // ML-KEM-768 ciphertext
)

// Bits of ClientHello flags. Unknown bits are ignored.
const (
	HelloWantKey uint16 = 0x0001 // include your identity key
	HelloDeflate uint16 = 0x0002 // I accept raw DEFLATE
)

// ClientHello is the first message of a handshake. Byte slices of a parsed
// message alias its input.
//
//	0 min_version · 1 max_version · 2 suites[4] · 6 flags u16 · 8 client_time u64 · 16 random[32]
//	48 x25519[32] · 80 mlkem768 key[1184] · 1264 identity_hint[4][8] · 1296 TLV block
type ClientHello struct {
	MinVersion, MaxVersion uint8
	Suites                 [4]Suite
	Flags                  uint16
	ClientTime             uint64 // µs since the Unix epoch
	Random                 [RandomSize]byte
	KeyShare               // MLKEM holds EncapsulationKey bytes
	IdentityHint           [4][8]byte
	Grease                 uint16 // type ≥ 0x8000 of the empty TLV to send, 0 for none
}

// Errors of hello messages.
var (
	ErrClientHelloSize = &ParseError{"ClientHello", "length", "fewer than 1298 bytes"}
	ErrSuiteOrder      = &ParseError{"ClientHello", "suites", "0xff before a used slot"}
	ErrServerHelloSize = &ParseError{"ServerHello", "length", "fewer than 1178 bytes"}
	ErrServerHelloZero = &ParseError{"ServerHello", "zero", "not zero"}
)

// Parse reads a ClientHello body.
func (m *ClientHello) Parse(b []byte) error {
	if len(b) < ClientHelloSize {
		return ErrClientHelloSize
	}
	m.MinVersion, m.MaxVersion = b[0], b[1]
	unused := false
	for i := range m.Suites {
		m.Suites[i] = Suite(b[2+i])
		if unused && m.Suites[i] != SuiteUnused {
			return ErrSuiteOrder
		}
		unused = m.Suites[i] == SuiteUnused
	}
	m.Flags = binary.BigEndian.Uint16(b[6:])
	m.ClientTime = binary.BigEndian.Uint64(b[8:])
	m.Random = [RandomSize]byte(b[16:])
	m.X25519 = [X25519Size]byte(b[48:])
	m.MLKEM = b[80:1264]
	for i := range m.IdentityHint {
		m.IdentityHint[i] = [8]byte(b[1264+8*i:])
	}
	_, err := parseTLVs(b[1296:], 0)
	return err
}

// Append appends a ClientHello body.
func (m *ClientHello) Append(dst []byte) []byte {
	dst = append(dst, m.MinVersion, m.MaxVersion)
	for _, s := range m.Suites {
		dst = append(dst, byte(s))
	}
	dst = binary.BigEndian.AppendUint16(dst, m.Flags)
	dst = binary.BigEndian.AppendUint64(dst, m.ClientTime)
	dst = append(dst, m.Random[:]...)
	dst = append(dst, m.X25519[:]...)
	dst = append(dst, m.MLKEM...)
	for _, hint := range m.IdentityHint {
		dst = append(dst, hint[:]...)
	}
	return appendTLV(dst, m.Grease)
}

// ServerHello is the answer that fixes version, suite and session_id.
//
//	0 version · 1 suite · 2 zero[6] · 8 session_id u64 · 16 server_time u64 · 24 random[32]
//	56 x25519[32] · 88 mlkem768 ciphertext[1088] · 1176 TLV block
type ServerHello struct {
	Version    uint8
	Suite      Suite
	SessionID  uint64
	ServerTime uint64 // µs since the Unix epoch
	Random     [RandomSize]byte
	KeyShare   // MLKEM holds Ciphertext bytes
}

// Parse reads a ServerHello body.
func (m *ServerHello) Parse(b []byte) error {
	if len(b) < ServerHelloSize {
		return ErrServerHelloSize
	}
	if [6]byte(b[2:]) != [6]byte{} {
		return ErrServerHelloZero
	}
	m.Version, m.Suite = b[0], Suite(b[1])
	m.SessionID = binary.BigEndian.Uint64(b[8:])
	m.ServerTime = binary.BigEndian.Uint64(b[16:])
	m.Random = [RandomSize]byte(b[24:])
	m.X25519 = [X25519Size]byte(b[56:])
	m.MLKEM = b[88:1176]
	_, err := parseTLVs(b[1176:], 0)
	return err
}

// Append appends a ServerHello body.
func (m *ServerHello) Append(dst []byte) []byte {
	dst = append(dst, m.Version, byte(m.Suite), 0, 0, 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint64(dst, m.SessionID)
	dst = binary.BigEndian.AppendUint64(dst, m.ServerTime)
	dst = append(dst, m.Random[:]...)
	dst = append(dst, m.X25519[:]...)
	dst = append(dst, m.MLKEM...)
	return appendTLV(dst, 0)
}
