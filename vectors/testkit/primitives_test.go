package testkit

import (
	"bytes"
	"crypto/ed25519"
	"testing"
)

func TestX25519(t *testing.T) {
	alice, bob := Draw(Entropy("alice"), 32), Draw(Entropy("bob"), 32)
	if !bytes.Equal(X25519Shared(alice, X25519Public(bob)), X25519Shared(bob, X25519Public(alice))) {
		t.Error("the two sides do not agree")
	}
	if got := X25519Shared(alice, make([]byte, 32)); !bytes.Equal(got, make([]byte, 32)) {
		t.Errorf("the point 0 gives %x, want zero", got)
	}
}

func TestMLKEM(t *testing.T) {
	seed := Draw(Entropy("ml-kem"), 64)
	shared, ciphertext, err := MLKEMEncapsulate(MLKEMPublic(seed), make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	again, sameText, err := MLKEMEncapsulate(MLKEMPublic(seed), make([]byte, 32))
	if err != nil || !bytes.Equal(shared, again) || !bytes.Equal(ciphertext, sameText) {
		t.Error("the same entropy gives another result")
	}
	if got, err := MLKEMDecapsulate(seed, ciphertext); err != nil || !bytes.Equal(got, shared) {
		t.Errorf("decapsulated %x, %v", got, err)
	}
	ciphertext[0] ^= 1
	if got, err := MLKEMDecapsulate(seed, ciphertext); err != nil || bytes.Equal(got, shared) {
		t.Errorf("an altered ciphertext gives %x, %v", got, err)
	}
	if _, _, err := MLKEMEncapsulate(bytes.Repeat([]byte{0xFF}, 1184), make([]byte, 32)); err == nil {
		t.Error("a key that fails the modulus check is encapsulated to")
	}
}

func TestIdentitySigns(t *testing.T) {
	id := Identity{Seed: make([]byte, 32)}
	if !ed25519.Verify(id.KeyBytes()[1:], []byte("input"), id.Sign([]byte("input"))) {
		t.Error("the signature does not verify")
	}
}

func TestEntropyDependsOnItsLabel(t *testing.T) {
	a, b := Draw(Entropy("a"), 16), Draw(Entropy("b"), 16)
	if bytes.Equal(a, b) || !bytes.Equal(a, Draw(Entropy("a"), 16)) {
		t.Errorf("streams %x and %x", a, b)
	}
}
