package testkit

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"testing"
)

func unhex(t *testing.T, digits string) []byte {
	t.Helper()
	b, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sha384(text string) []byte {
	sum := sha512.Sum384([]byte(text))
	return sum[:]
}

// appendixB starts the schedule from the inputs of appendix B.1, which gives the
// transcript hashes and not the transcript.
func appendixB() *Derivation {
	d := Derive("handshake", Values{"mlkem_ss": bytes.Repeat([]byte{1}, 32), "x25519_ss": bytes.Repeat([]byte{2}, 32)})
	d.Set("th1", sha384("th1"))
	d.Set("th3", sha384("th3"))
	return d
}

func TestKnownAnswersOfTheSchedule(t *testing.T) {
	d := appendixB()
	for _, tt := range []struct{ name, want string }{
		{"HS", "8bb4f0e056c90da725edda9c73d49f011139c43e6f0be13e55cc88ba1c8b0ba0d52657d99f57ba51bca77c1532303d87"},
		{"c_hs", "e152e8608de9b4ead3a51f24045b0689c21b8187f0d744b4333b7c21248197b3ae531d373b13f35ccf38002183a177ad"},
		{"s_hs", "eabc3654461e28a458b96b0932d62747acfcfcada71b3aef9e10b097a5131572c24e0c6d3b112c3c1ac53734b887ef77"},
		{"MS_salt", "b914c1dc588c79895b1d122b8e274cdf82c468b3f62148d015073e1f6c9110be52d767c10cf473faa1b92ea7ba6db476"},
		{"MS", "bea5502421d8a0f8449b0156e31583bfc8853f12a5566c4073fcb61541d1a353dbb5f700f2a276005e1c00fca6d7db4c"},
		{"root_0", "ee3efe4fd6415800038fd96ab04b09932fc8ef8b2cc79568055ac5d33bc1dbcda0eba946dd5a618bfcbcc4c75b121418"},
		{"exporter", "5c7c276d5700569962d32e2af342df642e913bcfa2f1521de45f7236ed88c06ea3ad5f669443d85cb39e9522e65ac0c9"},
		{"sf_key", "18cda8203b67b4de6ad829846b827e50e129b3a827c0cc8a76c085def1e1e4fd857f82218cb468eabbd2f1a39335d6ca"},
		{"cf_key", "482c2c41a7679aa18126fed50bd681374e4f534210255bcb87e545990baadf86007c1b5fc90f4d755b0fe6411e88caba"},
		{"cf_mac", "d62995afd54832dce45aa38daf84ad396631b815b4ebaa6485fed59acca0a2b71ee5101f5bb5b91756efedbfaf4d331a"},
	} {
		if got := d.Value(tt.name); !bytes.Equal(got, unhex(t, tt.want)) {
			t.Errorf("%s is %x, want %s", tt.name, got, tt.want)
		}
	}
	export := Derive("export", Values{"exporter": d.Value("exporter"), "label": []byte("test"), "context": []byte("ctx")})
	export.SetSize(48)
	want := "f6caa12ab409790f98188e96ffae5c14a036a2344211e4eca1962aa120edcb963a81f939fb0eb5c62e980e95f4b448ff"
	if got := export.Value("exported"); !bytes.Equal(got, unhex(t, want)) {
		t.Errorf("Export is %x, want %s", got, want)
	}
}

func TestKnownAnswersOfLaterChapters(t *testing.T) {
	root := appendixB().Value("root_0")
	attach := Derive("attach", Values{"root": root})
	for _, tt := range []struct{ secret, want string }{
		{"ts_client", "e3b354eb8ae9f92bad2c45b387b99088"},
		{"ts_server", "9815c5b0dd3855755d2c0f25a7b08fe6"},
	} {
		if got := DeriveKeys(attach.Value(tt.secret)).KeyID; !bytes.Equal(got, unhex(t, tt.want)) {
			t.Errorf("key_id of %s is %x, want %s", tt.secret, got, tt.want)
		}
	}
	rekey := Derive("rekey", Values{"root": root, "mlkem_ss": bytes.Repeat([]byte{3}, 32), "x25519_ss": bytes.Repeat([]byte{4}, 32)})
	rekey.Set("rekey_hash", sha384("rekey"))
	want := "151044d7c144414e9fbd3fac7520573fddaba462455847a089f26e9a40ed3c31ee36a4d04a511792f7d7509931089a89"
	if got := rekey.Value("root_next"); !bytes.Equal(got, unhex(t, want)) {
		t.Errorf("root_1 is %x, want %s", got, want)
	}
}

func pathKeys() (client, server Keys) {
	d := appendixB()
	path := Derive("path", Values{"root": d.Value("root_0"), "binder": d.Value("binder_0")})
	return DeriveKeys(path.Value("ts_client")), DeriveKeys(path.Value("ts_server"))
}

func TestKnownAnswersOfTheSlots(t *testing.T) {
	d := appendixB()
	client, server := pathKeys()
	for _, tt := range []struct {
		slot                string
		keys                Keys
		ts, key, iv, key_id string
	}{
		{
			"hs.c", DeriveKeys(d.Value("c_hs")),
			"e152e8608de9b4ead3a51f24045b0689c21b8187f0d744b4333b7c21248197b3ae531d373b13f35ccf38002183a177ad",
			"5b9bbdc8c453dfcfffdf56cf8dead26351a0d0a513bd2a0a3e45bf07222e259b",
			"c4b8ab3b14bc7ca4ab215484", "1c548404ec7162a238d74183f0d171a7",
		},
		{
			"hs.s", DeriveKeys(d.Value("s_hs")),
			"eabc3654461e28a458b96b0932d62747acfcfcada71b3aef9e10b097a5131572c24e0c6d3b112c3c1ac53734b887ef77",
			"d3a3eee0b52f4da83895886eff8767cd15107c2b47c21e857002a1d8ac957ea2",
			"2b275ab30267cd9ea16949b7", "94968a385e578c9c9c2c3bb9e3dc5a5d",
		},
		{
			"p0.c", client,
			"17f5149c6a997b17cc5f1e779090f36031afacb7b58b4a3972cb02919d77d5867240c207f1577d33eb50e40546118f7a",
			"449dcbc0a7a8d029c8bf8b0401c3c3f2a56224bcec6d636fe3ea2f4888a24eae",
			"e19b0bad18969cd2a184f157", "0c1c2e60dd9030ca2321f6b051e5b28a",
		},
		{
			"p0.s", server,
			"2c22f9e6c390bf674e5400f7433e8108543b680f460bc562c1009837f07f1204c7f1026ab9007a46843afb4ad23dc17e",
			"ec41199f3b3d67e50f36b937c0193168692d8f17d8df49620aac62b855e103cd",
			"56a03bf8ed64f78cc9a3c9f5", "d589b4b0b0fb16b401fb03e83a211ac2",
		},
	} {
		for _, value := range []struct {
			name      string
			got, want []byte
		}{
			{"ts", tt.keys.TrafficSecret, unhex(t, tt.ts)},
			{"key", tt.keys.Key, unhex(t, tt.key)},
			{"iv", tt.keys.IV, unhex(t, tt.iv)},
			{"key_id", tt.keys.KeyID, unhex(t, tt.key_id)},
		} {
			if !bytes.Equal(value.got, value.want) {
				t.Errorf("%s %s is %x, want %x", tt.slot, value.name, value.got, value.want)
			}
		}
	}
}

func TestKnownFingerprint(t *testing.T) {
	id := Identity{Seed: unhex(t, "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")}
	key := unhex(t, "01d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
	if got := id.KeyBytes(); !bytes.Equal(got, key) {
		t.Errorf("identity key bytes %x, want %x", got, key)
	}
	fingerprint := unhex(t, "bb9fd7fd40843d47d2654f04be3e29592ecfaed74eb9f47fd490998d54176b35")
	if got := id.Fingerprint(); !bytes.Equal(got, fingerprint) {
		t.Errorf("fingerprint %x, want %x", got, fingerprint)
	}
}

func TestKnownResetToken(t *testing.T) {
	got := ResetToken(bytes.Repeat([]byte{5}, 32), unhex(t, "1122334455667788"))
	if want := unhex(t, "67a81070525cd93bdd71e3e65113bbdc"); !bytes.Equal(got, want) {
		t.Errorf("reset_token %x, want %x", got, want)
	}
}

func TestValueThatWasSetWins(t *testing.T) {
	d := appendixB()
	d.Set("sf_mac", make([]byte, 48))
	d.Set("CH", []byte("CH"))
	if got, want := d.Value("SF"), append([]byte{0x43, 0, 0, 0x30}, make([]byte, 48)...); !bytes.Equal(got, want) {
		t.Errorf("SF is %x, want the MAC that was set", got)
	}
	for _, known := range d.Trace() {
		if known.Name == "th2" {
			t.Error("the trace holds a value that nobody asked for")
		}
	}
}

func TestMissingInputPanics(t *testing.T) {
	for name, ask := range map[string]func(){
		"an input that is missing": func() { Derive("handshake", nil).Value("HS") },
		"a value that is unknown":  func() { Derive("handshake", nil).Value("nonsense") },
		"a function that is not":   func() { Derive("nonsense", nil) },
		"an input that is not":     func() { Derive("slot", Values{"nonsense": nil}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s does not panic", name)
				}
			}()
			ask()
		}()
	}
}
