package peer

import (
	"slices"
	"testing"

	"github.com/bpci/xtmp/vectors/testkit"
)

func TestBadEd25519Keys(t *testing.T) {
	last := func(b byte) func([]byte) { return func(k []byte) { k[31] = b } }
	key := func(fill byte, first byte, change func([]byte)) []byte {
		k := slices.Repeat([]byte{fill}, 32)
		k[0] = first
		change(k)
		return k
	}
	for _, tt := range []struct {
		name string
		key  []byte
		bad  bool
	}{
		{"ordinary", testIdentity.KeyBytes()[1:], false},
		{"y = 2", key(0, 2, last(0)), false},
		{"y = 0", key(0, 0, last(0)), true},
		{"y = 1", key(0, 1, last(0)), true},
		{"y = 1, sign bit", key(0, 1, last(0x80)), true},
		{"y = p - 2", key(0xFF, 0xEB, last(0x7F)), false},
		{"y = p - 1", key(0xFF, 0xEC, last(0x7F)), true},
		{"y = p", key(0xFF, 0xED, last(0x7F)), true},
		{"y = p, sign bit", key(0xFF, 0xED, last(0xFF)), true},
		{"y = 2^255 - 1", key(0xFF, 0xFF, last(0x7F)), true},
		{"order 8", smallOrderKeys[3][:], true},
		{"order 8", smallOrderKeys[4][:], true},
	} {
		if reason := badEd25519Key(tt.key); (reason != "") != tt.bad {
			t.Errorf("%s: %q, want a reason: %t", tt.name, reason, tt.bad)
		}
	}
}

// Under the key 01 ‖ 00*31 the signature 01 ‖ 00*63 verifies over any message, so
// that only the list of keys keeps such a server out.
func TestSmallOrderIdentityIsReported(t *testing.T) {
	key := append([]byte{1, 1}, make([]byte, 31)...)
	s := &counterpart{
		identity:  func(m *testkit.Message) { m.Set("identity_key", key).Set("fingerprint", testkit.Fingerprint(key)) },
		signature: func([]byte) []byte { return append([]byte{1}, make([]byte, 63)...) },
	}
	target := s.start(t)
	target.Pin = testkit.Fingerprint(key)
	c, err := Dial(t.Context(), target, Options{Entropy: testkit.Entropy(t.Name())})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Handshake(Script{Lenient: true}); err != nil {
		t.Fatal(err)
	}
	if found := c.Violations(); len(found) != 1 || found[0].Req != "XTMP-KEY-012" {
		t.Errorf("reported %v, want XTMP-KEY-012 alone", found)
	}
}
