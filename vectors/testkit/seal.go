package testkit

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"errors"
	"slices"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/bpci/xtmp/spec"
)

// The suites.
const (
	SuiteIntegrityOnly    = 0
	SuiteAES256GCM        = 1
	SuiteChaCha20Poly1305 = 2
	SuitePostQuantum      = 3
)

// ErrTag says that a frame does not open.
var ErrTag = errors.New("testkit: the tag does not verify")

// Keys are what a key slot seals and opens with.
type Keys struct {
	Suite         uint8
	TrafficSecret []byte // 48 bytes
	Key           []byte // 32 bytes
	IV            []byte // 12 bytes
	KeyID         []byte // 16 bytes
}

// DeriveKeys derives key, iv and key_id from a traffic secret, for suite 1.
func DeriveKeys(trafficSecret []byte) Keys {
	slot := Derive("slot", Values{"ts": trafficSecret})
	return Keys{
		Suite:         SuiteAES256GCM,
		TrafficSecret: trafficSecret,
		Key:           slot.Value("key"),
		IV:            slot.Value("iv"),
		KeyID:         slot.Value("key_id"),
	}
}

// For returns the keys for another suite: they are the same bytes.
func (k Keys) For(suite uint8) Keys {
	k.Suite = suite
	return k
}

// Nonce returns the AEAD nonce of a sequence number and the 24 bytes of the nonce
// field.
func (k Keys) Nonce(sequence uint64) (nonce, field []byte) {
	d := Derive("nonce", Values{"iv": k.IV, "seq": PutUint(sequence, 8)})
	return d.Value("nonce"), d.Value("nonce_field")
}

// Seal fills the header for a sequence number of the slot, encrypts the plaintext
// into the payload and writes the tag. Header fields that the caller has set stand
// and are authenticated as they are; fields set after Seal are not authenticated.
func (f *Frame) Seal(k Keys, sequence uint64, plaintext []byte) *Frame {
	nonce, field := k.Nonce(sequence)
	if k.Suite != SuiteIntegrityOnly {
		f.Header.DefaultUint("flags", uint64(f.Flags()|FlagValue("ENCRYPTED")))
	}
	f.Header.DefaultUint("sequence_number", sequence)
	f.Header.DefaultUint("encryption_type", uint64(k.Suite))
	f.Header.Default("key_id", k.KeyID).Default("nonce", field)
	f.Header.DefaultUint("payload_length", uint64(len(plaintext)))
	sealed := k.seal(nonce, plaintext, AAD(f.Header.Encode()))
	f.Payload = sealed[:len(plaintext)]
	f.Header.Default("auth_tag", sealed[len(plaintext):])
	return f
}

// Open decrypts a frame with the nonce in its nonce field and the header as it is.
// It compares nothing but the tag.
func (f *Frame) Open(k Keys) ([]byte, error) {
	nonce, _ := k.Nonce(0)
	header := f.Header.Encode()
	field := f.Header.Bytes("nonce")
	if len(header) < HeaderSize || len(field) < len(nonce) {
		return nil, ErrTag
	}
	tag := f.Header.Bytes("auth_tag")
	if k.Suite == SuiteIntegrityOnly {
		if !hmac.Equal(tag, k.integrityTag(AAD(header), f.Payload)) {
			return nil, ErrTag
		}
		return f.Payload, nil
	}
	plaintext, err := k.aead().Open(nil, field[:len(nonce)], slices.Concat(f.Payload, tag), AAD(header))
	if err != nil {
		return nil, ErrTag
	}
	return plaintext, nil
}

// AAD returns what the tag of a frame covers besides the payload: a part of its
// header with some fields zero [XTMP-HDR-024].
func AAD(header []byte) []byte {
	aad := spec.Default().Schedule.Seal.AAD
	return zeroed(header, aad.Zeroed)[min(aad.From, len(header)):min(aad.To, len(header))]
}

// seal returns payload ‖ tag.
func (k Keys) seal(nonce, plaintext, aad []byte) []byte {
	if k.Suite == SuiteIntegrityOnly {
		return slices.Concat(plaintext, k.integrityTag(aad, plaintext))
	}
	return k.aead().Seal(nil, nonce, plaintext, aad)
}

// integrityTag is the tag of suite 0 [XTMP-INT-008].
func (k Keys) integrityTag(aad, payload []byte) []byte {
	return Derive("integrity_tag", Values{"key": k.Key, "aad": aad, "payload": payload}).Value("tag")
}

// aead returns the AEAD that the registry names for the suite, AES-256-GCM for a
// suite that it does not know.
func (k Keys) aead() cipher.AEAD {
	if suite, _ := spec.Default().Suite(k.Suite); suite.AEAD == "ChaCha20-Poly1305" {
		aead, err := chacha20poly1305.New(k.Key)
		if err != nil {
			panic("testkit: internal error: " + err.Error())
		}
		return aead
	}
	block, err := aes.NewCipher(k.Key)
	if err != nil {
		panic("testkit: internal error: " + err.Error())
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("testkit: internal error: " + err.Error())
	}
	return aead
}
