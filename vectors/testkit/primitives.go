package testkit

import (
	"crypto/ecdh"
	"crypto/mlkem"
	"crypto/mlkem/mlkemtest"
	"crypto/sha3"
	"fmt"
	"io"
)

// Entropy returns an endless stream of bytes that depends on the label alone:
// SHAKE256 of the label.
func Entropy(label string) io.Reader {
	shake := sha3.NewSHAKE256()
	_, _ = shake.Write([]byte(label)) // writing before reading never fails
	return shake
}

// Draw reads n bytes of entropy. A source that runs dry is the caller's mistake.
func Draw(entropy io.Reader, n int) []byte {
	out := make([]byte, n)
	if _, err := io.ReadFull(entropy, out); err != nil {
		panic(fmt.Sprintf("testkit: no more entropy: %v", err))
	}
	return out
}

// X25519Public returns the public key of a private key of 32 bytes.
func X25519Public(private []byte) []byte { return x25519Key(private).PublicKey().Bytes() }

// X25519Shared returns X25519 of a private and a public key, 32 bytes. Where the
// result is all zero, it is all zero: nothing is refused.
func X25519Shared(private, public []byte) []byte {
	peer, err := ecdh.X25519().NewPublicKey(public)
	if err != nil {
		panic(fmt.Sprintf("testkit: X25519 public key: %v", err))
	}
	shared, err := x25519Key(private).ECDH(peer)
	if err != nil {
		return make([]byte, 32) // the package refuses exactly the all-zero result
	}
	return shared
}

func x25519Key(private []byte) *ecdh.PrivateKey {
	key, err := ecdh.X25519().NewPrivateKey(private)
	if err != nil {
		panic(fmt.Sprintf("testkit: X25519 private key: %v", err))
	}
	return key
}

// MLKEMPublic returns the encapsulation key of a decapsulation key's seed d ‖ z of
// 64 bytes.
func MLKEMPublic(seed []byte) []byte { return mlkemKey(seed).EncapsulationKey().Bytes() }

// MLKEMEncapsulate encapsulates to a key with 32 bytes m of entropy. It returns an
// error if the key fails the modulus check of FIPS 203, section 7.2.
func MLKEMEncapsulate(encapsulationKey, m []byte) (shared, ciphertext []byte, err error) {
	key, err := mlkem.NewEncapsulationKey768(encapsulationKey)
	if err != nil {
		return nil, nil, err
	}
	return mlkemtest.Encapsulate768(key, m)
}

// MLKEMDecapsulate returns the shared secret of a ciphertext of 1088 bytes,
// implicit rejection included.
func MLKEMDecapsulate(seed, ciphertext []byte) ([]byte, error) {
	return mlkemKey(seed).Decapsulate(ciphertext)
}

func mlkemKey(seed []byte) *mlkem.DecapsulationKey768 {
	key, err := mlkem.NewDecapsulationKey768(seed)
	if err != nil {
		panic(fmt.Sprintf("testkit: ML-KEM-768 seed: %v", err))
	}
	return key
}

// Fingerprint returns the fingerprint of identity key bytes.
func Fingerprint(identityKey []byte) []byte {
	return Derive("identity", Values{"identity_key": identityKey}).Value("fingerprint")
}

// ResetToken returns the reset token of a session [XTMP-HSK-033].
func ResetToken(resetKey, sessionID []byte) []byte {
	return Derive("reset", Values{"reset_key": resetKey, "session_id": sessionID}).Value("reset_token")
}
