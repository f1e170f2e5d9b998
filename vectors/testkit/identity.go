package testkit

import (
	"crypto/ed25519"
	"slices"

	"filippo.io/mldsa"
)

// Kinds of identities.
const (
	KindEd25519 = 1
	KindHybrid  = 2 // Ed25519 and ML-DSA-65
)

const (
	ed25519SignatureSize = 64
	ed25519PublicSize    = 32
	mldsaContext         = "XTMP/1 server auth" // label and context of the server signature
)

// An Identity is a server identity from fixed bytes: an Ed25519 key of kind 1, or,
// with a seed for ML-DSA-65, a hybrid of kind 2.
type Identity struct {
	Seed      []byte // 32 bytes
	MLDSASeed []byte // 32 bytes, nil for kind 1
}

// Kind returns 1 or 2.
func (id Identity) Kind() uint8 {
	if id.MLDSASeed == nil {
		return KindEd25519
	}
	return KindHybrid
}

// KeyBytes returns the identity key bytes: the kind, then the public key or keys.
func (id Identity) KeyBytes() []byte {
	public := id.private().Public().(ed25519.PublicKey)
	key := append([]byte{id.Kind()}, public...)
	if id.MLDSASeed != nil {
		key = append(key, mldsaKey(id.MLDSASeed).PublicKey().Bytes()...)
	}
	return key
}

// Fingerprint returns the fingerprint of the identity key.
func (id Identity) Fingerprint() []byte { return Fingerprint(id.KeyBytes()) }

// Sign returns the body of ServerSignature over a signature input: 64 bytes, or
// 64 and 3309 [XTMP-KEY-016]. It is deterministic.
func (id Identity) Sign(input []byte) []byte {
	signature := ed25519.Sign(id.private(), input)
	if id.MLDSASeed != nil {
		signature = append(signature, deterministic{id.MLDSASeed}.Sign(input)...)
	}
	return signature
}

func (id Identity) private() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(id.Seed) }

// A PostQuantumSigner makes the second part of a kind-2 signature.
type PostQuantumSigner interface {
	Sign(input []byte) []byte
}

// deterministic is ML-DSA-65 without hedging, from a seed.
type deterministic struct{ seed []byte }

var _ PostQuantumSigner = deterministic{}

// Sign is pure ML-DSA with the label as context [XTMP-KEY-017].
func (d deterministic) Sign(input []byte) []byte {
	signature, err := mldsaKey(d.seed).SignDeterministic(input, &mldsa.Options{Context: mldsaContext})
	if err != nil {
		panic("testkit: ML-DSA-65: " + err.Error())
	}
	return signature
}

func mldsaKey(seed []byte) *mldsa.PrivateKey {
	key, err := mldsa.NewPrivateKey(mldsa.MLDSA65(), seed)
	if err != nil {
		panic("testkit: ML-DSA-65 seed: " + err.Error())
	}
	return key
}

// Verify reports whether every signature that the kind of identity key bytes calls
// for is there and verifies [XTMP-KEY-018]. Keys and signatures of any bytes are
// answered, never refused by a panic. The rules on weak Ed25519 keys are not its
// business.
func Verify(identityKey, input, signature []byte) bool {
	if len(identityKey) < 1+ed25519PublicSize || len(signature) < ed25519SignatureSize {
		return false
	}
	public, more := identityKey[1:1+ed25519PublicSize], identityKey[1+ed25519PublicSize:]
	if !ed25519.Verify(slices.Clone(public), input, signature[:ed25519SignatureSize]) {
		return false
	}
	second := signature[ed25519SignatureSize:]
	switch identityKey[0] {
	case KindEd25519:
		return len(more) == 0 && len(second) == 0
	case KindHybrid:
		key, err := mldsa.NewPublicKey(mldsa.MLDSA65(), more)
		return err == nil && mldsa.Verify(key, input, second, &mldsa.Options{Context: mldsaContext}) == nil
	}
	return false
}
