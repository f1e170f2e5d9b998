package security

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/bpci/xtmp/refimpl/wire"
)

// Supported reports whether this build can seal and open under suite.
func Supported(suite wire.Suite) bool {
	switch suite {
	case wire.SuiteNone, wire.SuiteAES256GCM, wire.SuiteChaCha20, wire.SuitePostQuantum:
		return true
	default:
		return false
	}
}

// newAEAD builds the cipher object of a suite from its key.
func newAEAD(suite wire.Suite, key *[KeySize]byte) (cipher.AEAD, error) {
	switch suite {
	case wire.SuiteNone:
		return &tagOnly{key: *key}, nil
	case wire.SuiteAES256GCM, wire.SuitePostQuantum:
		block, err := aes.NewCipher(key[:])
		if err != nil {
			return nil, err
		}
		return cipher.NewGCM(block)
	case wire.SuiteChaCha20:
		return chacha20poly1305.New(key[:])
	default:
		return nil, fmt.Errorf("xtmp: suite %v is not available", suite)
	}
}

// tagOnly is suite 0 in the form of an AEAD: the payload stays as it is and the
// tag is HMAC-SHA-256(key, AAD ‖ payload)[0:16]. The nonce is part of the AAD.
type tagOnly struct{ key [KeySize]byte }

var errTag = errors.New("xtmp: integrity tag does not match")

func (t *tagOnly) NonceSize() int { return wire.NonceSize }
func (t *tagOnly) Overhead() int  { return wire.TagSize }

func (t *tagOnly) tag(payload, aad []byte) [wire.TagSize]byte {
	m := hmac.New(sha256.New, t.key[:])
	m.Write(aad)
	m.Write(payload)
	return [wire.TagSize]byte(m.Sum(nil))
}

// Seal implements cipher.AEAD.
func (t *tagOnly) Seal(dst, _, payload, aad []byte) []byte {
	tag := t.tag(payload, aad)
	return append(append(dst, payload...), tag[:]...)
}

// Open implements cipher.AEAD. It compares in constant time.
func (t *tagOnly) Open(dst, _, sealed, aad []byte) ([]byte, error) {
	if len(sealed) < wire.TagSize {
		return nil, errTag
	}
	payload, got := sealed[:len(sealed)-wire.TagSize], sealed[len(sealed)-wire.TagSize:]
	want := t.tag(payload, aad)
	if subtle.ConstantTimeCompare(got, want[:]) != 1 {
		return nil, errTag
	}
	return append(dst, payload...), nil
}
