package wire

import "encoding/binary"

// Sizes of the rekey bodies, in bytes. [XTMP-KEY-001]
const (
	RekeyInitSize = 4 + X25519Size + EncapsulationKey
	RekeyRespSize = 4 + X25519Size + Ciphertext
)

// Errors of the rekey bodies.
var (
	ErrRekeyInit = &ParseError{"RekeyInit", "length", "not 1220 bytes"}
	ErrRekeyResp = &ParseError{"RekeyResp", "length", "not 1124 bytes"}
)

// Rekey is a RekeyInit or a RekeyResp: the new epoch and one half of a key
// exchange. MLKEM of a parsed message aliases its input.
//
//	RekeyInit  0 epoch u32 · 4 x25519[32] · 36 mlkem768 encapsulation key[1184]
//	RekeyResp  0 epoch u32 · 4 x25519[32] · 36 mlkem768 ciphertext[1088]
type Rekey struct {
	Epoch uint32
	Share KeyShare
}

// KeyShare is the public half of a key exchange: of a client with an ML-KEM
// encapsulation key, of a server with a ciphertext.
type KeyShare struct {
	X25519 [X25519Size]byte
	MLKEM  []byte
}

// ParseInit reads a RekeyInit body.
func (m *Rekey) ParseInit(b []byte) error {
	if len(b) != RekeyInitSize {
		return ErrRekeyInit
	}
	m.parse(b)
	return nil
}

// ParseResp reads a RekeyResp body.
func (m *Rekey) ParseResp(b []byte) error {
	if len(b) != RekeyRespSize {
		return ErrRekeyResp
	}
	m.parse(b)
	return nil
}

func (m *Rekey) parse(b []byte) {
	m.Epoch = binary.BigEndian.Uint32(b)
	m.Share = KeyShare{X25519: [X25519Size]byte(b[4:]), MLKEM: b[4+X25519Size:]}
}

// Append appends the body.
func (m *Rekey) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, m.Epoch)
	dst = append(dst, m.Share.X25519[:]...)
	return append(dst, m.Share.MLKEM...)
}
