package capturefile

import (
	"encoding/binary"
	"fmt"
)

// A SecretsType says what the bytes of a secrets block are.
type SecretsType uint32

// The secrets types that are known here. Others are read and passed on as they are.
const (
	SecretsXTMP SecretsType = 0x58544D4B // "XTMK": a key log of package keylog
	SecretsTLS  SecretsType = 0x544C534B // "TLSK": a key log of TLS
)

// Secrets are the content of one Decryption Secrets Block.
type Secrets struct {
	Type SecretsType
	Data []byte
}

// MaxSecrets bounds the secrets of a file, in bytes.
const MaxSecrets = 16 << 20

// A Decryption Secrets Block, without options:
//
//	0   block type 0x0000000A
//	4   total length, of all of it
//	8   secrets type
//	12  secrets length
//	16  secrets, padded to 32 bits
//	    total length again
const (
	blockSecrets  = 0x0000000A
	secretsHeader = 8  // in the body of the block
	blockOverhead = 12 // type, and length twice
)

// append appends the block in little-endian order, which is that of the writer.
func (s Secrets) append(b []byte) []byte {
	padded := (len(s.Data) + 3) &^ 3
	total := uint32(blockOverhead + secretsHeader + padded)
	for _, word := range []uint32{blockSecrets, total, uint32(s.Type), uint32(len(s.Data))} {
		b = binary.LittleEndian.AppendUint32(b, word)
	}
	b = append(b, s.Data...)
	b = append(b, make([]byte, padded-len(s.Data))...)
	return binary.LittleEndian.AppendUint32(b, total)
}

// parseSecrets reads the body of a block.
func parseSecrets(order binary.ByteOrder, body []byte) (Secrets, error) {
	if len(body) < secretsHeader {
		return Secrets{}, fmt.Errorf("a secrets block of %d bytes", len(body))
	}
	length := order.Uint32(body[4:])
	data := body[secretsHeader:]
	if uint64(length) > uint64(len(data)) {
		return Secrets{}, fmt.Errorf("a secrets block of %d bytes says that it holds %d bytes of secrets", len(body), length)
	}
	return Secrets{Type: SecretsType(order.Uint32(body)), Data: data[:length:length]}, nil
}
