package endpoint

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/bpci/xtmp/refimpl/session"
)

// TestEvents follows two connections through their lives, in the order in which
// things happen, each under its own number.
func TestEvents(t *testing.T) {
	w := newWorld(t, Limits{})
	if _, ok := w.server.NextEvent(); ok {
		t.Fatal("an event without a connection")
	}
	first := w.dial(home)
	w.settle()
	second := w.dial(home)
	w.settle()
	first.client.Close(w.now)
	w.settle()
	for i, want := range []struct {
		conn ConnID
		kind session.EventKind
	}{{first.id, session.EventEstablished}, {second.id, session.EventEstablished}, {first.id, session.EventClosed}} {
		e, ok := w.server.NextEvent()
		if !ok || e.Conn != want.conn || e.Kind != want.kind || e.Session == nil {
			t.Errorf("event %d is %+v, want kind %d of connection %d", i, e, want.kind, want.conn)
		}
		if e.Kind == session.EventClosed && !errors.Is(e.Err, session.ErrClosed) {
			t.Errorf("closed with %v", e.Err)
		}
	}
	if _, ok := w.server.NextEvent(); ok {
		t.Error("an event twice")
	}
}

// TestConfigRefuses lists what no endpoint can be made of.
func TestConfigRefuses(t *testing.T) {
	for _, cfg := range []Config{{ShardBits: 9}, {Shard: 4, ShardBits: 2}, {}} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
}

// TestDeadlineOfNobody: an endpoint without connections waits for nothing.
func TestDeadlineOfNobody(t *testing.T) {
	w := newWorld(t, Limits{})
	if at, ok := w.server.Deadline(); ok {
		t.Errorf("due at %v", at)
	}
	p := w.dial(netip.MustParseAddr("192.0.2.9"))
	if _, ok := w.server.Deadline(); !ok {
		t.Error("a half-open connection waits for nothing")
	}
	w.hangUp(p)
	for range 2 { // what remains of it
		if at, ok := w.server.Deadline(); ok {
			w.pass(at - w.now.Elapsed)
		}
	}
	if w.server.Len() != 0 {
		t.Error("a connection is left")
	}
}
