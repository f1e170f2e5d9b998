package endpoint

import (
	"testing"

	"github.com/bpci/xtmp/refimpl/session"
)

// A connection that is cut is its owner's until it is lost.
func TestCut(t *testing.T) {
	w := newWorld(t, Limits{})
	p := w.dial(home)
	w.settle()
	w.server.Begun(w.now, p.id, 10)
	w.server.Cut(w.now, p.id)
	if id, ok := w.server.NextOutput(); !ok || id != p.id || w.server.Fate(id) != session.Shut || w.server.HasOutput(id) {
		t.Errorf("connection %d is to be looked at, fate %d", id, w.server.Fate(id))
	}
	e, ok := w.server.NextEvent()
	for ; ok && e.Kind != session.EventClosed; e, ok = w.server.NextEvent() {
		continue
	}
	if !ok || w.server.Find(p.client.ID()) != nil {
		t.Error("the session lives on")
	}
	if w.server.Len() != 1 {
		t.Errorf("%d connections", w.server.Len())
	}
	w.server.Lost(w.now, p.id)
	if w.server.Len() != 0 {
		t.Errorf("%d connections", w.server.Len())
	}
}
