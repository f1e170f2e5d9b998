package security

import (
	"crypto/ed25519"
	"testing"

	"github.com/bpci/xtmp/refimpl/wire"
	"github.com/bpci/xtmp/vectors"
)

// TestKeyVectors refuses the keys and signatures that the golden vectors call
// bad, and takes the good ones.
func TestKeyVectors(t *testing.T) {
	judged := 0
	for _, v := range vectors.All() {
		if v.Kind != vectors.KindKey {
			continue
		}
		judged++
		key := append([]byte{KindEd25519}, v.GivenValue("key")...)
		ok := CheckIdentityKey(key) == nil
		if signature := v.GivenValue("signature"); ok && signature != nil {
			ok = ed25519.Verify(key[1:], v.GivenValue("message"), signature) // as VerifyServer does
		}
		if want := v.Expect.Result == vectors.Valid; ok != want {
			t.Errorf("%s: %s: accepted %v, want %v", v.ID, v.Comment, ok, want)
		}
	}
	if judged < 20 {
		t.Errorf("only %d vectors were judged", judged)
	}
}

// TestScheduleVectors derives every value of a whole handshake from its shared
// secret and transcript messages.
func TestScheduleVectors(t *testing.T) {
	for _, id := range []string{"flows/core", "flows/identity-key"} {
		v, err := vectors.Load(id)
		if err != nil {
			t.Fatal(err)
		}
		check := func(name string, got []byte) {
			t.Helper()
			if want := v.ResultValue(name); string(got) != string(want) {
				t.Errorf("%s: %s is %x, want %x", id, name, got, want)
			}
		}
		transcript := NewTranscript()
		transcript.Add(byte(wire.HSClientHello), v.Steps[0].Frame[wire.Overhead+wire.EnvelopeSize:])
		transcript.Add(byte(wire.HSServerHello), v.Steps[1].Frame[wire.Overhead+wire.EnvelopeSize:])
		th1 := transcript.Sum()
		check("th1", th1[:])
		ss := SharedSecret(v.ResultValue("ss"))
		k := NewHandshake(&ss, th1)
		check("HS", k.hs[:])
		check("hs.c.ts", k.Client[:])
		check("hs.s.ts", k.Server[:])
		transcript.AddWhole(v.ResultValue("SI"))
		th2 := transcript.Sum()
		check("th2", th2[:])
		check("server_signature_input", signatureInput(th2))
		transcript.AddWhole(v.ResultValue("SS"))
		finished := k.ServerFinished(transcript.Sum())
		check("sf_mac", finished[:])
		transcript.AddWhole(v.ResultValue("SF"))
		th3 := transcript.Sum()
		check("th3", th3[:])
		finished = k.ClientFinished(th3)
		check("cf_mac", finished[:])
		root, exporter := k.Complete(th3)
		check("root_0", root[:])
		check("exporter", exporter[:])
		c, s := PathSecrets(&root, th3)
		for slot, ts := range map[string]Secret{"p0.c": c, "p0.s": s} {
			keys := DeriveKeys(&ts)
			check(slot+".ts", ts[:])
			check(slot+".key", keys.Key[:])
			check(slot+".iv", keys.IV[:])
			check(slot+".key_id", keys.KeyID[:])
		}
	}
}
