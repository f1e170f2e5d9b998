package security

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"filippo.io/mldsa"

	"github.com/bpci/xtmp/refimpl/wire"
)

// Identity kinds.
const (
	KindEd25519 = 1 // one Ed25519 key
	KindHybrid  = 2 // an Ed25519 and an ML-DSA-65 key, which both sign
)

// Sizes of identity key bytes: kind u8 ‖ Ed25519 key, and of kind 2 ‖ ML-DSA-65 key.
const (
	IdentityKeySize       = 1 + ed25519.PublicKeySize
	HybridIdentityKeySize = IdentityKeySize + mldsa65KeySize
	mldsa65KeySize        = 1952
	mldsa65SignatureSize  = 3309
)

// Fingerprint names an identity: SHA-256("XTMP/1 identity" ‖ 0x00 ‖ identity key bytes).
type Fingerprint [wire.FingerprintSize]byte

// String returns the fingerprint in lower-case hex.
func (f Fingerprint) String() string { return hex.EncodeToString(f[:]) }

// FingerprintOf hashes identity key bytes.
func FingerprintOf(identityKey []byte) Fingerprint {
	h := sha256.New()
	h.Write([]byte("XTMP/1 identity\x00"))
	h.Write(identityKey)
	return Fingerprint(h.Sum(nil))
}

// Errors of identities. ErrSignature is what every failed check of a server's
// proof looks like.
var (
	ErrIdentityKey = errors.New("xtmp: identity key is malformed, of small order, or not canonical")
	ErrSignature   = errors.New("xtmp: server signature does not verify")
)

const serverAuthContext = "XTMP/1 server auth"

// signatureInput is 0x20*64 ‖ "XTMP/1 server auth" ‖ 0x00 ‖ th2.
func signatureInput(th2 Digest) []byte {
	in := make([]byte, 64, 64+len(serverAuthContext)+1+HashSize)
	for i := range in {
		in[i] = 0x20
	}
	in = append(in, serverAuthContext...)
	in = append(in, 0)
	return append(in, th2[:]...)
}

// Identity is a server's signing key, or pair of keys.
type Identity struct {
	classic     ed25519.PrivateKey
	quantum     *mldsa.PrivateKey // kind 2, else nil
	key         []byte
	fingerprint Fingerprint
}

// NewIdentity builds a kind-1 identity from a 32-byte Ed25519 seed.
func NewIdentity(seed []byte) (*Identity, error) { return newIdentity(KindEd25519, seed, nil) }

// NewHybridIdentity builds a kind-2 identity from a 32-byte Ed25519 seed and a
// 32-byte ML-DSA-65 seed.
func NewHybridIdentity(seed, quantumSeed []byte) (*Identity, error) {
	quantum, err := mldsa.NewPrivateKey(mldsa.MLDSA65(), quantumSeed)
	if err != nil {
		return nil, fmt.Errorf("xtmp: ML-DSA-65 key: %w", err)
	}
	return newIdentity(KindHybrid, seed, quantum)
}

func newIdentity(kind byte, seed []byte, quantum *mldsa.PrivateKey) (*Identity, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, errors.New("xtmp: an identity seed has 32 bytes")
	}
	id := &Identity{classic: ed25519.NewKeyFromSeed(seed), quantum: quantum, key: []byte{kind}}
	id.key = append(id.key, id.classic.Public().(ed25519.PublicKey)...)
	if quantum != nil {
		id.key = append(id.key, quantum.PublicKey().Bytes()...)
	}
	id.fingerprint = FingerprintOf(id.key)
	return id, nil
}

// Kind returns the identity kind.
func (id *Identity) Kind() uint8 { return id.key[0] }

// Key returns the identity key bytes: kind u8 ‖ public keys.
func (id *Identity) Key() []byte { return id.key }

// Fingerprint returns the name of the identity.
func (id *Identity) Fingerprint() Fingerprint { return id.fingerprint }

// Serves reports whether a server with this identity may choose suite: the
// suite PostQuantum takes both signatures. [XTMP-TRU-019]
func (id *Identity) Serves(suite wire.Suite) bool {
	return suite != wire.SuitePostQuantum || id.Kind() == KindHybrid
}

// Sign signs th2 = H(CH ‖ SH ‖ SI): the body of ServerSignature, Ed25519[64],
// and of kind 2 ‖ ML-DSA-65[3309].
func (id *Identity) Sign(th2 Digest) []byte {
	in := signatureInput(th2)
	signature := ed25519.Sign(id.classic, in)
	if id.quantum == nil {
		return signature
	}
	quantum, err := id.quantum.SignDeterministic(in, &mldsa.Options{Context: serverAuthContext})
	if err != nil {
		panic("xtmp: internal error: ML-DSA-65: " + err.Error())
	}
	return append(signature, quantum...)
}

// VerifyServer checks a ServerSignature body against identity key bytes. The
// key has passed CheckIdentityKey. Of kind 2 both signatures must verify.
func VerifyServer(identityKey, signature []byte, th2 Digest) error {
	size := ed25519.SignatureSize
	hybrid := identityKey[0] == KindHybrid
	if hybrid {
		size += mldsa65SignatureSize
	}
	if len(signature) != size {
		return ErrSignature
	}
	in := signatureInput(th2)
	// The standard library refuses S ≥ L and compares R without cofactor. [XTMP-KEY-013] [XTMP-KEY-014]
	if !ed25519.Verify(identityKey[1:IdentityKeySize], in, signature[:ed25519.SignatureSize]) {
		return ErrSignature
	}
	if !hybrid {
		return nil
	}
	key, err := mldsa.NewPublicKey(mldsa.MLDSA65(), identityKey[IdentityKeySize:])
	if err != nil {
		return ErrSignature
	}
	if mldsa.Verify(key, in, signature[ed25519.SignatureSize:], &mldsa.Options{Context: serverAuthContext}) != nil {
		return ErrSignature
	}
	return nil
}

// CheckIdentityKey refuses key bytes of an unknown kind or of another length
// than their kind's, a non-canonical y and the points of small order.
// [XTMP-KEY-011] [XTMP-KEY-012]
func CheckIdentityKey(identityKey []byte) error {
	switch {
	case len(identityKey) == IdentityKeySize && identityKey[0] == KindEd25519:
	case len(identityKey) == HybridIdentityKeySize && identityKey[0] == KindHybrid:
	default:
		return ErrIdentityKey
	}
	y := [32]byte(identityKey[1:IdentityKeySize])
	y[31] &= 0x7f // the sign bit is not part of y
	if !belowP(&y) {
		return ErrIdentityKey
	}
	for _, small := range smallOrder {
		if y == small {
			return ErrIdentityKey
		}
	}
	return nil
}

// belowP reports whether the little-endian y is below p = 2^255 − 19.
func belowP(y *[32]byte) bool {
	if y[31] != 0x7f {
		return true
	}
	for _, b := range y[1:31] {
		if b != 0xff {
			return true
		}
	}
	return y[0] < 0xed
}

// smallOrder lists the canonical y of the eight points of small order, without
// their sign bit: two of order 8 (with both signs), orders 4, 2 and 1.
var smallOrder = [...][32]byte{
	{},  // order 4
	{1}, // order 1
	{ // order 2: p − 1
		0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
	},
	{ // order 8
		0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
		0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
	},
	{ // order 8
		0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
		0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
	},
}
