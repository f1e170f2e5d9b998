package peer

import (
	"testing"

	"github.com/bpci/xtmp/vectors/testkit"
)

var testHybrid = testkit.Identity{
	Seed: []byte("an Ed25519 seed of thirty-two by"), MLDSASeed: []byte("an ML-DSA seed of thirty-two byt"),
}

// Every suite is spoken in both directions and in the handshake slots, with an
// identity of either kind where the suite allows it.
func TestSuites(t *testing.T) {
	for _, test := range []struct {
		suite uint8
		as    testkit.Identity
	}{
		{0, testIdentity},
		{0, testHybrid},
		{1, testIdentity},
		{1, testHybrid},
		{2, testIdentity},
		{2, testHybrid},
		{3, testHybrid},
	} {
		for _, asked := range []bool{true, false} {
			s, err := dial(t, &counterpart{suite: &test.suite, as: &test.as}).Handshake(Script{
				IdentityKey: test.as.KeyBytes(),
				Hello: func(h *Hello) {
					h.Body.Set("suites", []byte{test.suite, 0xFF, 0xFF, 0xFF})
					if !asked {
						h.Body.SetUint("flags", 0)
					}
				},
			})
			if err != nil {
				t.Errorf("suite %d, kind %d: %v", test.suite, test.as.Kind(), err)
				continue
			}
			if _, err := s.Ping([]byte("fence")); err != nil || s.Suite() != test.suite {
				t.Errorf("suite %d, kind %d: %v in suite %d", test.suite, test.as.Kind(), err, s.Suite())
			}
			for _, v := range s.Violations() {
				t.Errorf("suite %d, kind %d: a correct server is said to break %v", test.suite, test.as.Kind(), v)
			}
		}
	}
}

// What is wrong with an identity or its signature is named.
func TestIdentitiesAreJudged(t *testing.T) {
	suite3 := uint8(3)
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte { b[at] ^= 1; return b }
	}
	for _, test := range []struct {
		req string
		s   counterpart
	}{
		{"XTMP-KEY-016", counterpart{as: &testHybrid, signature: flip(0)}},
		{"XTMP-KEY-016", counterpart{as: &testHybrid, signature: func(b []byte) []byte { return b[:64] }}},
		{"XTMP-KEY-017", counterpart{as: &testHybrid, signature: flip(64)}},
		{"XTMP-KEY-017", counterpart{as: &testHybrid, signature: flip(64 + 3308)}},
		{"XTMP-HSK-043", counterpart{signature: flip(63)}},
		{"XTMP-TRU-020", counterpart{suite: &suite3}},
		{"XTMP-HSK-041", counterpart{as: &testHybrid, identity: func(m *testkit.Message) {
			m.Set("identity_key", testHybrid.KeyBytes()[:33])
		}}},
	} {
		c := dial(t, &test.s)
		_, err := c.Handshake(Script{Hello: func(h *Hello) { h.Body.Set("suites", []byte{1, 3, 0xFF, 0xFF}) }})
		if v := c.Violations(); err == nil || len(v) == 0 || v[0].Req != test.req {
			t.Errorf("%v, want %s", err, test.req)
		}
	}
}
