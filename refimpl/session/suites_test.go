package session

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/wire"
)

// hybrid returns an identity of kind 2.
func hybrid(t testing.TB, seed byte) *security.Identity {
	t.Helper()
	id, err := security.NewHybridIdentity(bytes.Repeat([]byte{seed}, 32), bytes.Repeat([]byte{seed + 1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func pinOf(id *security.Identity) security.Pin {
	return security.Pin{Kind: id.Kind(), Fingerprint: id.Fingerprint()}
}

// TestSuites establishes a session under each suite, talks, rekeys and talks.
func TestSuites(t *testing.T) {
	for _, suite := range []wire.Suite{wire.SuiteNone, wire.SuiteAES256GCM, wire.SuiteChaCha20, wire.SuitePostQuantum} {
		t.Run(suite.String(), func(t *testing.T) {
			k := newTalk(t, func(p *pair) {
				id := hybrid(t, 0x51)
				p.serverCfg.Server.Identities = []*security.Identity{p.identity, id}
				p.serverCfg.Suites = []wire.Suite{suite}
				p.clientCfg.Suites = []wire.Suite{suite}
				p.clientCfg.Client.Pins = []security.Pin{pinOf(id)}
			})
			k.rests = suite == wire.SuiteNone || suite == wire.SuiteChaCha20
			var raw []byte
			k.mangle = func(dir byte, b []byte) { raw = append(raw, b...) }
			secret := []byte("what nobody on the way should read")
			k.send(Request{Body: secret})
			k.settle()
			k.client.Rekey(k.now)
			k.send(Request{Body: secret})
			k.settle()
			if len(k.atClient.got) != 2 || !bytes.Equal(k.atClient.got[1].Body, secret) {
				t.Fatalf("%d replies; client %v", len(k.atClient.got), k.client.Err())
			}
			if k.server.Epoch() != 1 {
				t.Error("no rekey")
			}
			if got := bytes.Contains(raw, secret); got != (suite == wire.SuiteNone) {
				t.Errorf("the body is readable on the way: %v", got)
			}
			for _, e := range k.events[k.client] {
				if e.Kind == EventEstablished && (e.Identity.Suite != suite || e.Identity.Kind != security.KindHybrid) {
					t.Errorf("identity %+v", e.Identity)
				}
			}
		})
	}
}

// TestChoice is which identity and suite a server picks. [XTMP-TRU-018] [XTMP-TRU-019]
func TestChoice(t *testing.T) {
	one, err := security.NewIdentity(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	two, other := hybrid(t, 2), hybrid(t, 4)
	const aes, cha, pq = wire.SuiteAES256GCM, wire.SuiteChaCha20, wire.SuitePostQuantum
	for _, c := range []struct {
		name    string
		server  []*security.Identity
		enabled []wire.Suite
		hint    *security.Identity
		offers  []wire.Suite
		want    *security.Identity // nil: refused
		suite   wire.Suite
	}{
		{"no hint: the first", []*security.Identity{one, two}, []wire.Suite{aes, cha, pq}, nil, []wire.Suite{aes}, one, aes},
		{"no hint: the first that can", []*security.Identity{one, two}, []wire.Suite{aes, pq}, nil, []wire.Suite{pq}, two, pq},
		{"no hint: identity before suite", []*security.Identity{one, two}, []wire.Suite{aes, pq}, nil, []wire.Suite{pq, aes}, one, aes},
		{"hint", []*security.Identity{one, two}, []wire.Suite{aes, pq}, two, []wire.Suite{pq, aes}, two, pq},
		{"hint: the client's order", []*security.Identity{one, two}, []wire.Suite{pq, aes}, two, []wire.Suite{aes, pq}, two, aes},
		{"hint of nobody", []*security.Identity{one, two}, []wire.Suite{aes}, other, []wire.Suite{aes}, one, aes},
		{"hint that cannot", []*security.Identity{one, two}, []wire.Suite{aes, pq}, one, []wire.Suite{pq}, nil, 0},
		{"not enabled", []*security.Identity{one}, []wire.Suite{aes}, nil, []wire.Suite{cha}, nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			hello := wire.ClientHello{Suites: [4]wire.Suite{255, 255, 255, 255}}
			copy(hello.Suites[:], c.offers)
			if c.hint != nil {
				f := c.hint.Fingerprint()
				copy(hello.IdentityHint[1][:], f[:])
			}
			s := Session{cfg: &Config{Suites: c.enabled, Server: ServerConfig{Identities: c.server}}}
			id, suite, ok := s.choose(&hello)
			if ok != (c.want != nil) || ok && (id != c.want || suite != c.suite) {
				t.Errorf("chose %v under %v", id, suite)
			}
		})
	}
}

// TestKindsAndPins meets pins with identities of another kind, and a second
// signature that is missing or wrong. [XTMP-TRU-012] [XTMP-TRU-013] [XTMP-TRU-022]
func TestKindsAndPins(t *testing.T) {
	id := hybrid(t, 7)
	wrongKind := pinOf(id)
	wrongKind.Kind = security.KindEd25519
	var pinError *PinError
	k := newPair(t, func(p *pair) {
		p.serverCfg.Server.Identities = []*security.Identity{id}
		p.clientCfg.Client.Pins = []security.Pin{wrongKind}
	})
	k.connect()
	if !errors.As(k.client.Err(), &pinError) {
		t.Errorf("a kind-1 pin and a kind-2 identity: %v", k.client.Err())
	}
	th := security.Digest{1}
	signature := id.Sign(th)
	if err := security.VerifyServer(id.Key(), signature, th); err != nil {
		t.Error(err)
	}
	for _, bad := range [][]byte{
		signature[:64], signature[:len(signature)-1],
		append(bytes.Clone(signature[:64]), make([]byte, len(signature)-64)...),
		append(make([]byte, 64), signature[64:]...),
	} {
		if security.VerifyServer(id.Key(), bad, th) == nil {
			t.Errorf("a signature of %d bytes verifies with one half wrong or missing", len(bad))
		}
	}
	// Suite 3 under a kind-1 identity: a server that does that lies.
	k = newPair(t, func(p *pair) {
		p.clientCfg.Suites = []wire.Suite{wire.SuitePostQuantum, wire.SuiteAES256GCM}
	})
	k.serverCfg.Suites = []wire.Suite{wire.SuitePostQuantum}
	lie := *k.identity
	k.serverCfg.Server.Identities = []*security.Identity{&lie}
	k.connect()
	if k.client.State() == Established {
		t.Error("suite 3 with a kind-1 identity is established")
	}
}

// TestConfigSuites validates what a server cannot serve.
func TestConfigSuites(t *testing.T) {
	p := newPair(t, nil)
	p.serverCfg.Suites = []wire.Suite{wire.SuitePostQuantum}
	if _, err := p.serverCfg.Validate(Server); err == nil || !strings.Contains(err.Error(), "kind 2") {
		t.Errorf("suite 3 with a kind-1 identity: %v", err)
	}
	p.serverCfg.Suites = []wire.Suite{9}
	if _, err := p.serverCfg.Validate(Server); err == nil {
		t.Error("suite 9 is accepted")
	}
}

// TestKeyLog compares the key logs of both ends.
func TestKeyLog(t *testing.T) {
	var logs [2]bytes.Buffer
	write := func(b *bytes.Buffer) func(string, uint64, []byte) {
		return func(label string, id uint64, secret []byte) {
			b.WriteString(label)
			b.WriteByte(byte(id))
			b.Write(secret)
		}
	}
	k := newTalk(t, func(p *pair) {
		p.clientCfg.KeyLog, p.serverCfg.KeyLog = write(&logs[0]), write(&logs[1])
	})
	k.client.Rekey(k.now)
	k.settle()
	if !bytes.Equal(logs[0].Bytes(), logs[1].Bytes()) || strings.Count(logs[0].String(), "_SECRET") != 6 {
		t.Errorf("client logs %q\nserver logs %q", logs[0].String(), logs[1].String())
	}
}
