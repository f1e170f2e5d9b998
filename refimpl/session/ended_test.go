package session

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/wire"
)

// TestEndedSession asks a session that is over for everything: it does nothing.
func TestEndedSession(t *testing.T) {
	k := newTalk(t, nil)
	k.client.Close(k.now)
	k.settle()
	s, c := k.server, Call{Mid: 1, Type: wire.TypeProbe}
	s.Reply(k.now, c, nil, []byte("late"), nil)
	s.ReplyError(k.now, c, &Error{Code: wire.Internal})
	if s.Push(k.now, wire.TypeProbe, 1, 1, nil, nil) {
		t.Error("a push is taken")
	}
	if s.Rekey(k.now) || k.client.Rekey(k.now) {
		t.Error("a rekey is taken")
	}
	if _, ok := k.client.Ping(); ok {
		t.Error("a PING is taken")
	}
	if err := k.client.Send(k.now, &Request{Type: wire.TypeProbe}); !errors.Is(err, ErrClosed) {
		t.Errorf("Send: %v", err)
	}
	s.Close(k.now)
	if out := s.AppendOutput(k.now, 0, nil); len(out) != 0 {
		t.Errorf("%d bytes after the end", len(out))
	}
}

// TestClientRetains: a client's memory is its own.
func TestClientRetains(t *testing.T) {
	k := newTalk(t, nil)
	before := k.admission.retained
	if !k.client.Retain(1<<30) || k.admission.retained != before {
		t.Error("a client's memory is counted at the server")
	}
}

// TestMalformedError sends Errors whose prologue is cut: an Error is never
// answered by an Error.
func TestMalformedError(t *testing.T) {
	k := newTalk(t, nil)
	k.fromServer(wire.TypeError, ra|rep, nil, []byte{0, 0, 0})
	closes.judge(t, k.client, k.server)
}

// TestStatesHaveNames: each its own, and what is no state shows its number.
func TestStatesHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for s := Idle; s <= Closed+1; s++ {
		seen[s.String()] = true
	}
	for p := PathOpen; p <= PathShut+1; p++ {
		seen[p.String()] = true
	}
	if len(seen) != 14 || !seen["state 7"] || !seen["path state 5"] {
		t.Errorf("names %v", seen)
	}
}

// TestConfigRefuses lists configurations that cannot work.
func TestConfigRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(c *Config)
	}{
		{"no entropy", func(c *Config) { c.Entropy = nil }},
		{"five suites", func(c *Config) { c.Suites = make([]wire.Suite, 5) }},
		{"a suite of nobody", func(c *Config) { c.Suites = []wire.Suite{9} }},
		{"no identity", func(c *Config) { c.Server.Identities = nil }},
		{"no encapsulator", func(c *Config) { c.Server.Encapsulate = nil }},
		{"no session ids", func(c *Config) { c.Server.NewSessionID = nil }},
		{"no admission", func(c *Config) { c.Server.Admission = nil }},
		{"suite 3 with an identity of kind 1", func(c *Config) { c.Suites = []wire.Suite{wire.SuitePostQuantum} }},
		{"max_payload 65 535", func(c *Config) { c.Server.MaxPayload = 65535 }},
		{"max_payload above 2^24", func(c *Config) { c.Server.MaxPayload = wire.MaxPayload + 1 }},
	} {
		cfg := newPair(t, nil).serverCfg
		c.change(&cfg)
		if _, err := cfg.Validate(Server); err == nil {
			t.Errorf("%s: accepted", c.name)
		}
	}
}

// TestEntropyFails lets the source of entropy run dry after so many bytes: no
// half of a secret is ever used.
func TestEntropyFails(t *testing.T) {
	dry := func(n int) io.Reader { return bytes.NewReader(make([]byte, n)) }
	for _, n := range []int{0, 41, 42, 42 + 95} {
		p := newPair(t, func(p *pair) { p.clientCfg.Entropy = dry(n) })
		if p.client.Open(p.now) == nil || p.client.State() != Idle || p.client.paths[0] != nil {
			t.Errorf("client with %d bytes of entropy: opened", n)
		}
	}
	for _, n := range []int{0, 31, 32, 63} {
		p := newPair(t, func(p *pair) { p.serverCfg.Entropy = dry(n) })
		p.connect()
		var e *Error
		if !errors.As(p.client.Err(), &e) || e.Code != wire.ServerBusy || !e.Clear {
			t.Errorf("server with %d bytes of entropy: %v", n, p.client.Err())
		}
	}
	for _, n := range []int{0, 8, 8 + 95} {
		k := newTalk(t, nil)
		k.client.cfg.Entropy = dry(n)
		k.client.Rekey(k.now)
		k.settle()
		var e *Error
		if !errors.As(k.server.Err(), &e) || e.Code != wire.RekeyFailed || !e.Peer {
			t.Errorf("rekey with %d bytes of entropy: %v", n, k.server.Err())
		}
	}
	k := newTalk(t, nil)
	k.server.cfg.Entropy = dry(31)
	k.client.Rekey(k.now)
	k.settle()
	var e *Error
	if !errors.As(k.client.Err(), &e) || e.Code != wire.RekeyFailed || !e.Peer {
		t.Errorf("answer to a rekey without entropy: %v", k.client.Err())
	}
}

// TestKeyLogOfRekey logs the secrets of each epoch.
func TestKeyLogOfRekey(t *testing.T) {
	labels := map[string]security.Secret{}
	k := newTalk(t, func(p *pair) {
		p.clientCfg.KeyLog = func(label string, _ uint64, secret []byte) { labels[label] = security.Secret(secret) }
	})
	k.client.Rekey(k.now)
	k.settle()
	k.pass(time.Second)
	c, s := security.PathSecrets(&k.client.root, k.client.paths[0].binder)
	if labels["CLIENT_PATH_SECRET_0_1"] != c || labels["SERVER_PATH_SECRET_0_1"] != s {
		t.Error("the key log of epoch 1 is not that of its root")
	}
}
