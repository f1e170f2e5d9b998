package endpoint

import (
	"net/netip"
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// TestActive fills the set of active connections: it stays bounded, whoever works
// is in it, and what does not work leaves it.
func TestActive(t *testing.T) {
	cfg := session.Config{Buffers: new(session.Buffers)}
	var a active
	now := session.Now{Elapsed: time.Hour}
	seats := make([]*seat, 3*activeMax)
	for i := range seats {
		seats[i] = &seat{session: session.NewClient(&cfg)}
		a.use(now, seats[i])
		if !seats[i].active || len(a.seats) > activeMax {
			t.Fatalf("connection %d: active %v, %d in the set", i, seats[i].active, len(a.seats))
		}
	}
	busy := a.seats[7]
	for range 3 {
		now.Elapsed += restEvery
		a.use(now, busy)
		a.rest(now)
	}
	if len(a.seats) != 1 || a.seats[0] != busy {
		t.Fatalf("%d connections are active after two idle periods, want the busy one", len(a.seats))
	}
	if a.next() != now.Elapsed+restEvery {
		t.Error("the set is not looked through again")
	}
	a.leave(busy)
	a.leave(busy)
	if len(a.seats) != 0 || a.next() < 1<<62 {
		t.Error("an empty set has something to do")
	}
}

// later answers nothing by itself.
type later struct{ calls []session.Call }

func (*later) Implements(wire.MessageType) bool       { return true }
func (*later) Writable(session.Now, *session.Session) {}
func (*later) Ended(*session.Session)                 {}
func (*later) Advance(session.Now)                    {}
func (*later) Deadline() (time.Duration, bool)        { return 0, false }
func (l *later) Deliver(_ session.Now, _ *session.Session, m session.Message) bool {
	l.calls = append(l.calls, m.Call)
	return true
}

// TestLaterReplies answers requests after their delivery, by session_id, and
// those of a session that is gone.
func TestLaterReplies(t *testing.T) {
	l := newLine(t)
	app := new(later)
	l.server.cfg.Application = app
	for range 3 {
		l.batch(t, 1, &session.Request{Type: wire.TypeProbe})
	}
	id := l.p.client.ID()
	if s := l.server.Find(id); s == nil || s.ID() != id || l.server.Find(id+1) != nil {
		t.Fatal("the session is not found by its id")
	}
	l.server.Reply(l.now, id, app.calls[0], []byte("body"))
	l.server.ReplyError(l.now, id, app.calls[1], &session.Error{Code: wire.NotFound})
	l.server.Reply(l.now, id+1, app.calls[2], nil) // nobody
	l.settle()
	if l.p.client.State() != session.Established {
		t.Fatal(l.p.client.Err())
	}
	l.hangUp(l.p)
	l.server.Reply(l.now, id, app.calls[2], nil)
}

// TestRekeyAll has the operator ask for fresh keys.
func TestRekeyAll(t *testing.T) {
	w := newWorld(t, Limits{})
	var all []*peer
	for range 3 {
		all = append(all, w.dial(netip.MustParseAddr("127.0.0.1")))
	}
	w.settle()
	w.server.Rekey(w.now)
	w.settle()
	for i, p := range all {
		if p.client.Epoch() != 1 {
			t.Errorf("session %d is in epoch %d: %v", i, p.client.Epoch(), p.client.Err())
		}
	}
}
