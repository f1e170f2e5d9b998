package security

import (
	"crypto/ecdh"
	"crypto/mlkem"
	"errors"
	"fmt"
	"io"

	"github.com/bpci/xtmp/refimpl/wire"
)

// ErrKeyShare says that a key share failed an arithmetic check: an X25519
// result of zero, or an ML-KEM encapsulation key that fails the modulus check.
// [XTMP-KEY-007] [XTMP-KEY-008]
var ErrKeyShare = errors.New("xtmp: key share fails its arithmetic check")

// Encapsulator produces an ML-KEM-768 shared secret and ciphertext for key.
// It is a parameter because encapsulation draws entropy that no argument can
// replace; the shell passes the standard library's.
type Encapsulator func(key *mlkem.EncapsulationKey768) (shared, ciphertext []byte)

// ClientShare is the client's half of the key exchange.
type ClientShare struct {
	x25519 *ecdh.PrivateKey
	mlkem  *mlkem.DecapsulationKey768
}

// NewClientShare draws a key share: 32 bytes for X25519, 64 for ML-KEM.
func NewClientShare(entropy io.Reader) (*ClientShare, error) {
	var seed [32 + mlkem.SeedSize]byte
	if _, err := io.ReadFull(entropy, seed[:]); err != nil {
		return nil, fmt.Errorf("xtmp: drawing a key share: %w", err)
	}
	defer clear(seed[:])
	x, err := ecdh.X25519().NewPrivateKey(seed[:32])
	if err != nil {
		return nil, fmt.Errorf("xtmp: X25519 key: %w", err)
	}
	k, err := mlkem.NewDecapsulationKey768(seed[32:])
	if err != nil {
		return nil, fmt.Errorf("xtmp: ML-KEM key: %w", err)
	}
	return &ClientShare{x25519: x, mlkem: k}, nil
}

// Public returns the public half, for ClientHello or RekeyInit.
func (c *ClientShare) Public() wire.KeyShare {
	return wire.KeyShare{
		X25519: [wire.X25519Size]byte(c.x25519.PublicKey().Bytes()),
		MLKEM:  c.mlkem.EncapsulationKey().Bytes(),
	}
}

// Agree computes the shared secret from the server's half. A bad ML-KEM
// ciphertext is not an error here: it shows as a failed Finished, or as frames
// that do not open.
func (c *ClientShare) Agree(peer *wire.KeyShare) (*SharedSecret, error) {
	x, err := agreeX25519(c.x25519, peer.X25519[:])
	if err != nil {
		return nil, err
	}
	k, err := c.mlkem.Decapsulate(peer.MLKEM)
	if err != nil {
		return nil, ErrKeyShare
	}
	return join(k, x), nil
}

// AnswerShare computes the server's half of the key exchange and the shared
// secret. Every peer's mistake is ErrKeyShare.
func AnswerShare(entropy io.Reader, encapsulate Encapsulator, peer *wire.KeyShare) (*SharedSecret, wire.KeyShare, error) {
	var answer wire.KeyShare
	key, err := mlkem.NewEncapsulationKey768(peer.MLKEM) // the modulus check of FIPS 203 §7.2
	if err != nil {
		return nil, answer, ErrKeyShare
	}
	var seed [32]byte
	if _, err := io.ReadFull(entropy, seed[:]); err != nil {
		return nil, answer, fmt.Errorf("xtmp: drawing a key share: %w", err)
	}
	own, err := ecdh.X25519().NewPrivateKey(seed[:])
	clear(seed[:])
	if err != nil {
		return nil, answer, fmt.Errorf("xtmp: X25519 key: %w", err)
	}
	x, err := agreeX25519(own, peer.X25519[:])
	if err != nil {
		return nil, answer, err
	}
	k, ciphertext := encapsulate(key)
	answer = wire.KeyShare{X25519: [wire.X25519Size]byte(own.PublicKey().Bytes()), MLKEM: ciphertext}
	return join(k, x), answer, nil
}

func agreeX25519(own *ecdh.PrivateKey, peer []byte) ([]byte, error) {
	public, err := ecdh.X25519().NewPublicKey(peer)
	if err != nil {
		return nil, ErrKeyShare
	}
	shared, err := own.ECDH(public) // refuses a result of all zeros
	if err != nil {
		return nil, ErrKeyShare
	}
	return shared, nil
}

func join(mlkemShared, x25519Shared []byte) *SharedSecret {
	var ss SharedSecret
	copy(ss[:32], mlkemShared)
	copy(ss[32:], x25519Shared)
	clear(mlkemShared)
	clear(x25519Shared)
	return &ss
}
