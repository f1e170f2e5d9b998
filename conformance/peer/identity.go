package peer

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"slices"

	"github.com/bpci/xtmp/vectors/testkit"
)

// lintIdentity judges ServerIdentity: form, key and pin.
func (c *Conn) lintIdentity(m *testkit.Message) {
	key := m.Bytes("identity_key")
	included := m.Uint("flags")&bitKeyIncluded != 0
	kind := m.Uint("kind")
	if want := uint64(c.target.PinKind); want != 0 && kind != want {
		c.note("XTMP-HSK-026", "the identity has another kind than the pin", kind, want)
	}
	if c.handshake.suite == testkit.SuitePostQuantum && kind != testkit.KindHybrid {
		c.note("XTMP-TRU-020", "suite 3 is chosen for an identity that cannot serve it", fmt.Sprint("kind ", kind), "kind 2")
	}
	if included != (len(key) > 0) {
		c.note("XTMP-HSK-024", "the flag for the identity key disagrees with key_len",
			fmt.Sprintf("flags %02x, key_len %d", m.Uint("flags"), len(key)), "")
	}
	if asked := c.handshake.asked(); asked != (len(key) > 0) {
		c.note("XTMP-HSK-023", "the identity key is there although we did not ask for it, or missing although we did",
			fmt.Sprintf("key_len %d", len(key)), "")
	}
	if undefined := m.Uint("flags") &^ bitKeyIncluded; undefined != 0 {
		c.note("XTMP-TYP-014", "an undefined bit of the ServerIdentity flags is set", fmt.Sprintf("%02x", undefined), "00")
	}
	if pin := c.target.Pin; pin != nil && !bytes.Equal(pin, m.Bytes("fingerprint")) {
		c.note("XTMP-TRU-007", "the fingerprint is not the pinned one", m.Bytes("fingerprint"), pin)
	}
	if len(key) > 0 {
		c.lintIdentityKey(m, key)
	}
	c.lintTLV("ServerIdentity", m.Bytes("extensions"), "XTMP-TYP-024")
}

func (c *Conn) lintIdentityKey(m *testkit.Message, key []byte) {
	size := identityKeySize(m.Uint("kind"))
	if len(key) != size {
		c.note("XTMP-HSK-041", fmt.Sprint("key_len is not that of a key of kind ", m.Uint("kind")), len(key), size)
		return
	}
	if uint64(key[0]) != m.Uint("kind") {
		c.note("XTMP-HSK-026", "the first byte of the identity key is not the kind", fmt.Sprintf("%02x", key[0]), "")
	}
	if !bytes.Equal(testkit.Fingerprint(key), m.Bytes("fingerprint")) {
		c.note("XTMP-TRU-008", "the identity key does not hash to the fingerprint", testkit.Fingerprint(key), "")
	}
	if reason := badEd25519Key(key[1 : 1+ed25519.PublicKeySize]); reason != "" {
		c.note("XTMP-KEY-012", "the identity key is no good Ed25519 key: "+reason, key[1:], "")
	}
}

// identityKeySize is the length of identity key bytes of a kind.
func identityKeySize(kind uint64) int {
	if kind == testkit.KindHybrid {
		return 1985
	}
	return 33
}

// badEd25519Key says why a public key must be refused, or "" [XTMP-KEY-011]
// [XTMP-KEY-012].
func badEd25519Key(key []byte) string {
	y := slices.Clone(key)
	y[31] &= 0x7F
	slices.Reverse(y)
	if bytes.Compare(y, fieldPrime()) >= 0 {
		return "y is not below 2^255 − 19"
	}
	slices.Reverse(y)
	for _, small := range smallOrderKeys {
		if bytes.Equal(y, small[:]) {
			return "it has small order"
		}
	}
	return ""
}

// fieldPrime returns 2^255 − 19, most significant byte first.
func fieldPrime() []byte {
	p := bytes.Repeat([]byte{0xFF}, 32)
	p[0], p[31] = 0x7F, 0xED
	return p
}

// smallOrderKeys are the canonical encodings of small order, sign bit cleared.
var smallOrderKeys = [][32]byte{
	{},
	{1},
	{
		0xEC, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
		0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F,
	},
	{
		0x26, 0xE8, 0x95, 0x8F, 0xC2, 0xB2, 0x27, 0xB0, 0x45, 0xC3, 0xF4, 0x89, 0xF2, 0xEF, 0x98, 0xF0,
		0xD5, 0xDF, 0xAC, 0x05, 0xD3, 0xC6, 0x33, 0x39, 0xB1, 0x38, 0x02, 0x88, 0x6D, 0x53, 0xFC, 0x05,
	},
	{
		0xC7, 0x17, 0x6A, 0x70, 0x3D, 0x4D, 0xD8, 0x4F, 0xBA, 0x3C, 0x0B, 0x76, 0x0D, 0x10, 0x67, 0x0F,
		0x2A, 0x20, 0x53, 0xFA, 0x2C, 0x39, 0xCC, 0xC6, 0x4E, 0xC7, 0xFD, 0x77, 0x92, 0xAC, 0x03, 0x7A,
	},
}

// badSignature verifies ServerSignature and names the requirement that a bad one
// breaks, or "". The Ed25519 half is judged as the text says: S below the group
// order, no cofactor, R compared byte for byte [XTMP-KEY-013] [XTMP-KEY-014].
func badSignature(key, input, signature []byte) (req, what string) {
	if len(key) == 0 {
		return "XTMP-HSK-023", "the identity key was neither sent nor known"
	}
	first := min(len(signature), ed25519.SignatureSize)
	switch {
	case testkit.Verify(key, input, signature):
		return "", ""
	case key[0] != testkit.KindHybrid:
		return "XTMP-HSK-043", "ServerSignature does not verify"
	case len(key) != identityKeySize(testkit.KindHybrid) || len(signature) != hybridSignatureSize:
		return "XTMP-KEY-016", fmt.Sprintf("ServerSignature of kind 2 has %d bytes", len(signature))
	case !testkit.Verify(append([]byte{testkit.KindEd25519}, key[1:1+ed25519.PublicKeySize]...), input, signature[:first]):
		return "XTMP-KEY-016", "the Ed25519 half of ServerSignature does not verify"
	}
	return "XTMP-KEY-017", "the ML-DSA-65 half of ServerSignature does not verify"
}

// hybridSignatureSize is the length of a ServerSignature of kind 2.
const hybridSignatureSize = 64 + 3309
