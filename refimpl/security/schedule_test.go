package security

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/bpci/xtmp/refimpl/wire"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestKnownAnswers reproduces appendix B of the specification: the schedule
// from fixed shared secrets and transcript hashes.
func TestKnownAnswers(t *testing.T) {
	var ss SharedSecret
	for i := range ss {
		ss[i] = byte(1 + i/32)
	}
	th1, th3 := sum([]byte("th1")), sum([]byte("th3"))
	k := NewHandshake(&ss, th1)
	equal(t, "HS", k.hs[:], "8bb4f0e056c90da725edda9c73d49f011139c43e6f0be13e55cc88ba1c8b0ba0d52657d99f57ba51bca77c1532303d87")
	equal(t, "c hs", k.Client[:], "e152e8608de9b4ead3a51f24045b0689c21b8187f0d744b4333b7c21248197b3ae531d373b13f35ccf38002183a177ad")
	equal(t, "s hs", k.Server[:], "eabc3654461e28a458b96b0932d62747acfcfcada71b3aef9e10b097a5131572c24e0c6d3b112c3c1ac53734b887ef77")
	root, exporter := k.Complete(th3)
	equal(t, "root_0", root[:], "ee3efe4fd6415800038fd96ab04b09932fc8ef8b2cc79568055ac5d33bc1dbcda0eba946dd5a618bfcbcc4c75b121418")
	equal(t, "exporter", exporter[:], "5c7c276d5700569962d32e2af342df642e913bcfa2f1521de45f7236ed88c06ea3ad5f669443d85cb39e9522e65ac0c9")
	if *k != (Handshake{}) {
		t.Error("Complete leaves handshake secrets behind")
	}

	c, s := PathSecrets(&root, th3)
	client, server := DeriveKeys(&c), DeriveKeys(&s)
	equal(t, "c path key", client.Key[:], "449dcbc0a7a8d029c8bf8b0401c3c3f2a56224bcec6d636fe3ea2f4888a24eae")
	equal(t, "c path iv", client.IV[:], "e19b0bad18969cd2a184f157")
	equal(t, "c path key_id", client.KeyID[:], "0c1c2e60dd9030ca2321f6b051e5b28a")
	equal(t, "s path key_id", server.KeyID[:], "d589b4b0b0fb16b401fb03e83a211ac2")
	a, _ := AttachSecrets(&root)
	attach := DeriveKeys(&a)
	equal(t, "c attach key_id", attach.KeyID[:], "e3b354eb8ae9f92bad2c45b387b99088")
	ask := wire.Attach{Kind: wire.PathStream, Random: [32]byte(bytes.Repeat([]byte{5}, 32)), ClientTime: 1790000000000000}
	ack := wire.AttachAck{PathID: 1, Random: [32]byte(bytes.Repeat([]byte{6}, 32)), ServerTime: 1790000000000000}
	binder := PathBinder(ask.Append(nil), ack.Append(nil))
	equal(t, "binder_1", binder[:], "cb4f19a72dded61acfdfa30090cbec76b68f0006ff9d766b58b5442dc867367cad318c12d09fccb5b4d3e47f6c9d73d1")
}

// TestKnownFrame seals the frame of appendix B, under suite 3.
func TestKnownFrame(t *testing.T) {
	root := Secret(unhex(t, "ee3efe4fd6415800038fd96ab04b09932fc8ef8b2cc79568055ac5d33bc1dbcda0eba946dd5a618bfcbcc4c75b121418"))
	c, _ := PathSecrets(&root, sum([]byte("th3")))
	s := NewSealer(wire.SuitePostQuantum, &c)
	s.next = 7
	frame, start := Reserve(nil)
	frame, err := s.Seal(append(frame, "ping"...), start, &wire.Header{
		Type: wire.TypeHeartbeat, SessionID: 0x1122334455667788, Timestamp: 1790000000000000,
	})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "frame", frame, "58544d50010300011122334455667788000000000000000700000004b566db91"+
		"03065bfeda25e0000c1c2e60dd9030ca2321f6b051e5b28a"+
		"e19b0bad18969cd2a184f150000000000000000000000000"+
		"c10be7a240f18d056cab83239921fe09"+"b7d41de9")
}

func equal(t *testing.T, what string, got []byte, want string) {
	t.Helper()
	if g := hex.EncodeToString(got); g != want {
		t.Errorf("%s:\n got %s\nwant %s", what, g, want)
	}
}
