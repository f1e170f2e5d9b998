//go:build linux

package transport

import (
	"context"
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/trace"
)

// The operator's wish reaches every client.
func TestRekey(t *testing.T) {
	fresh := make(chan uint64, 100)
	r := serve(t, func(c *Config) {
		c.Loops = 2
		c.Session.Trace = func(e trace.Event) {
			if e.Kind == trace.Rekeyed {
				fresh <- e.SessionID
			}
		}
	})
	missing := map[uint64]bool{}
	for range 6 {
		s := r.dial()
		ping(t, s) // the server has established it, too
		missing[s.ID()] = true
	}
	r.Rekey()
	late := time.After(patience)
	for len(missing) > 0 {
		select {
		case id := <-fresh:
			delete(missing, id)
		case <-late:
			t.Fatalf("%d sessions have no fresh keys", len(missing))
		}
	}
}

// Identities are replaced on every loop, or on none.
func TestSetIdentities(t *testing.T) {
	r := serve(t, func(c *Config) { c.Loops = 3 })
	before := r.dial()
	other, err := security.NewIdentity(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.SetIdentities(t.Context(), nil); err == nil {
		t.Error("a server without identities is possible")
	}
	for range 3 {
		ping(t, r.dial())
	}
	if err := r.SetIdentities(t.Context(), []*security.Identity{other}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := r.tryDial(); err == nil {
			t.Error("a client that pins the old identity is served")
		}
	}
	ping(t, before)
	r.cancel()
	<-r.ended
	if err := r.SetIdentities(t.Context(), []*security.Identity{other}); err == nil {
		t.Error("a server that has stopped takes identities")
	}
}

// While nobody serves there is nobody to wait for.
func TestSetIdentitiesOfIdleServer(t *testing.T) {
	cfg, err := testConfig()
	if err != nil {
		t.Fatal(err)
	}
	s, err := Listen(t.Context(), "127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.SetIdentities(ctx, cfg.Session.Server.Identities); err == nil {
		t.Error("nobody has taken the identities")
	}
	if err := s.Serve(ctx); err != nil {
		t.Error(err)
	}
}
