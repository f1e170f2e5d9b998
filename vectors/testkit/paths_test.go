package testkit

import (
	"bytes"
	"net/netip"
	"testing"
)

// The known answers of appendix B.6.

func attachedPath(t *testing.T) *Derivation {
	t.Helper()
	const moment = 1790000000000000
	attach := Compose("attach").SetUint("kind", 1).Set("random", bytes.Repeat([]byte{5}, 32)).SetUint("client_time", moment)
	ack := Compose("attach_ack").SetUint("path_id", 1).Set("random", bytes.Repeat([]byte{6}, 32)).SetUint("server_time", moment)
	return Derive("path_binder", Values{
		"attach": TranscriptMessage(16, attach.Encode()), "attach_ack": TranscriptMessage(17, ack.Encode()),
	})
}

func TestKnownAnswersOfAttachedPaths(t *testing.T) {
	root := appendixB().Value("root_0")
	binder := attachedPath(t).Value("binder")
	same(t, "binder_1", binder,
		"cb4f19a72dded61acfdfa30090cbec76b68f0006ff9d766b58b5442dc867367cad318c12d09fccb5b4d3e47f6c9d73d1")
	path := Derive("path", Values{"root": root, "binder": binder})
	attach := Derive("attach", Values{"root": root})
	for _, tt := range []struct {
		slot, ts, key, iv, keyID string
		secret                   []byte
	}{
		{
			"p1.c", "f82f03ca7482d6e213ba0fb27f4ab1f7154f847d07e20d15b761c49e3e6adb1c74ae1fdfb5bdaf1e16c39e13dab67c21",
			"ede515b124a321d405842f2e11382805f75c8b28cf4782118b2c68621d288d56", "b59cffc2abb77127383bcc1f",
			"413ea5a018ee5592a0e2f923345db8b9",
			path.Value("ts_client"),
		},
		{
			"p1.s", "204cff945038683f7b59a20702568e12b9f5d3d6dd4b7b93240e176181378964c1554f93cc877a38ee1eecccd9f82ab0",
			"84452f0c4397ef672f81cdbe910f5cad95047e456e41c5211f5084f1567dd946", "9e18cfb4fa1d16e34842637b",
			"01eaa35ebd8d19d06c525a0308990b36",
			path.Value("ts_server"),
		},
		{
			"at.c", "39986eda81dbc8e63f07af3bcca477a2459b8bc4bf754e9a7df27dd62ecbc4da862cc0428462eeb41b19b037090d1df4",
			"0eba3002de8b566ddaa4c2548b4ef0c3ff1b32f96d64a066112fbc19cf34a24b", "2eb1abdc85cff665619e39f7",
			"e3b354eb8ae9f92bad2c45b387b99088",
			attach.Value("ts_client"),
		},
		{
			"at.s", "705ec2dc5513f02b30df128081392069aa6e02c93a7b0e2b40ec59081575e66e557ce0e1730e8d52c589d83b9c284f82",
			"91f07d677f896f9bf5279793e31eeb3eb4307684de16d97f33d7b11dd2f24ceb", "2ea0f39973195d82a20e90f8",
			"9815c5b0dd3855755d2c0f25a7b08fe6",
			attach.Value("ts_server"),
		},
	} {
		k := DeriveKeys(tt.secret)
		for _, v := range []struct {
			name, want string
			got        []byte
		}{{"ts", tt.ts, k.TrafficSecret}, {"key", tt.key, k.Key}, {"iv", tt.iv, k.IV}, {"key_id", tt.keyID, k.KeyID}} {
			same(t, tt.slot+" "+v.name, v.got, v.want)
		}
	}
}

func TestKnownResetAndTokens(t *testing.T) {
	reset := ResetToken(bytes.Repeat([]byte{7}, 32), unhex(t, "1122334455667788"))
	same(t, "reset_token", reset,
		"edf30ed67bb64d5399acd522d61df250")
	client := netip.MustParseAddr("192.0.2.1")
	token := func(kind, expiry uint64, binding []byte) []byte {
		m := Compose("token").SetUint("key_gen", 1).SetUint("kind", kind).SetUint("expiry", expiry).Set("salt", bytes.Repeat([]byte{9}, 8))
		return SealToken(bytes.Repeat([]byte{8}, 32), m, client, binding)
	}
	cookie := token(TokenCookie, 1790000010, CookieBinding(4711, unhex(t, "0102030405060708")))
	same(t, "the cookie", cookie,
		"010100006ab13b8a09090909090909097db446db898d093193d72703513c23204ea2283af86491edff60f4604c04ec17")
	address := token(TokenAddress, 1790086400, nil)
	same(t, "the address token", address,
		"010200006ab28d000909090909090909137ce7bffd54a757074ec1c3506fedbcb7e45d7eba1e477d54ac5b2dc56f2e37")
}

func same(t *testing.T, what string, got []byte, want string) {
	t.Helper()
	if !bytes.Equal(got, unhex(t, want)) {
		t.Errorf("%s is %x, want %s", what, got, want)
	}
}

// The table of section 12.4: bodies, datagrams and bytes on the wire.
func TestHandshakeFragments(t *testing.T) {
	keys := DeriveKeys(bytes.Repeat([]byte{1}, 48))
	for _, tt := range []struct {
		name        string
		messageType uint8
		body, token int
		sealed      bool
		datagrams   int
		bytes       int
	}{
		{"ClientHello with token", 1, 1298, 48, false, 2, 1618},
		{"Retry", 2, 48, 0, false, 1, 160},
		{"ServerHello", 2, 1178, 0, false, 2, 1402},
		{"ServerFlight, kind 1", 2, 202, 0, true, 1, 314},
		{"ServerFlight, kind 2, without key", 2, 3511, 0, true, 4, 3959},
		{"ServerFlight, kind 2, with key", 2, 5496, 0, true, 6, 6168},
		{"ClientFinish", 1, 48, 0, true, 1, 160},
		{"a multiple of 1024", 2, 2048, 0, true, 2, 2*112 + 2048},
	} {
		body := Draw(Entropy(tt.name), tt.body)
		d := NewDraft(tt.messageType, 0, 1790000000000000)
		d.Plaintext.Body = body
		d.Plaintext.Envelope.SetUint("hs_type", 4)
		if tt.sealed {
			d.Keys = &keys
		}
		drafts := Fragments(d, make([]byte, tt.token))
		total := 0
		var parts []*Plaintext
		for i, fragment := range drafts {
			raw := fragment.Encode()
			total += len(raw)
			f, rest, whole := DecodeFrame(raw)
			inside := f.Payload
			if tt.sealed {
				if f.Sequence() != uint64(i) {
					t.Errorf("%s: fragment %d has sequence number %d", tt.name, i, f.Sequence())
				}
				opened, err := f.Open(keys)
				if err != nil {
					t.Fatalf("%s: %v", tt.name, err)
				}
				inside = opened
			}
			p, short := DecodePlaintext(tt.messageType, 0, inside)
			e := p.Envelope
			if !whole || len(rest) > 0 || short || e.Uint("total_len") != uint64(tt.body) || len(e.Bytes("token")) != tt.token {
				t.Errorf("%s: fragment %d is %v", tt.name, i, Annotate(raw))
			}
			parts = append([]*Plaintext{p}, parts...) // the order in which they come does not matter
		}
		if len(drafts) != tt.datagrams || total != tt.bytes {
			t.Errorf("%s: %d datagrams of %d bytes, want %d of %d", tt.name, len(drafts), total, tt.datagrams, tt.bytes)
		}
		if joined, whole := Join(parts); !whole || !bytes.Equal(joined, body) {
			t.Errorf("%s: joined to %d bytes, whole %t", tt.name, len(joined), whole)
		}
		if _, whole := Join(parts[1:]); whole && len(parts) > 1 {
			t.Errorf("%s: whole without its last fragment", tt.name)
		}
	}
}

func TestEndpointsAreAnnotated(t *testing.T) {
	block := TLVBlock(TLV{Type: 2, Value: Endpoints(Endpoint(1, "a.example", 8090), Endpoint(2, "::1", 443))})
	si := Compose("server_identity").Set("params", make([]byte, 40)).Set("extensions", block).Encode()
	var labels []string
	for _, p := range AnnotateLayout("server_identity", si) {
		labels = append(labels, p.Label)
		if p.Label == "attach_endpoint.host" && p.Meaning == "" {
			t.Error("the host has no meaning")
		}
	}
	count := 0
	for _, label := range labels {
		if label == "attach_endpoint.host" {
			count++
		}
	}
	if count != 2 {
		t.Errorf("%d hosts among %v", count, labels)
	}
}
