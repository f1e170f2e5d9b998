package endpoint

import (
	"bytes"
	"errors"
	"testing"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// New identities are for new handshakes; sessions live on.
func TestSetIdentities(t *testing.T) {
	w := newWorld(t, Limits{})
	before := w.dial(home)
	w.settle()
	other, err := security.NewIdentity(bytes.Repeat([]byte{8}, 32))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.server.SetIdentities([]*security.Identity{other}); err != nil {
		t.Fatal(err)
	}
	refused := w.dial(home) // its pin is that of the old one
	w.settle()
	var pin *session.PinError
	if !errors.As(refused.client.Err(), &pin) || pin.Met != other.Fingerprint() {
		t.Errorf("with the old pin: %v", refused.client.Err())
	}
	w.client.Client.Pins = append(w.client.Client.Pins, security.Pin{Kind: 1, Fingerprint: other.Fingerprint()})
	after := w.dial(home)
	w.settle()
	if after.client.State() != session.Established || before.client.State() != session.Established {
		t.Errorf("with both pins: %v; the session from before: %v", after.client.Err(), before.client.Err())
	}
	// What cannot be served is refused, and nothing changes.
	w.server.cfg.Suites = []wire.Suite{wire.SuiteAES256GCM, wire.SuitePostQuantum}
	if err := w.server.SetIdentities([]*security.Identity{w.identity}); err == nil || w.server.cfg.Server.Identities[0] != other {
		t.Errorf("an identity that cannot serve a suite: %v", err)
	}
	if err := w.server.SetIdentities(nil); err == nil {
		t.Error("a server without identities is possible")
	}
}
