package session

import (
	"errors"
	"reflect"
	"testing"
	"unsafe"

	"github.com/bpci/xtmp/refimpl/wire"
)

// spend makes the key under which s sends have sealed so many blocks: no test can
// wait for 2^33 of them, and only package security counts.
func spend(s *Session, blocks uint64) {
	f := reflect.ValueOf(&s.paths[0].keys.send).Elem().FieldByName("blocks")
	*(*uint64)(unsafe.Pointer(f.UnsafeAddr())) = blocks
}

// Budgets of a key, in blocks.
const (
	tired   = 1 << 33
	spent   = 1<<34 - 1<<20
	reserve = 1<<34 - 1<<10 // for the Error that ends the session
	end     = 1 << 34
)

// TestTiredKey rekeys by itself, whichever end is tired. [XTMP-RKY-011] [XTMP-RKY-014]
func TestTiredKey(t *testing.T) {
	for _, who := range []string{"client", "server"} {
		k := newTalk(t, nil)
		if who == "client" {
			spend(k.client, tired)
		} else {
			spend(k.server, tired)
		}
		k.pass(0)
		if k.client.Epoch() != 1 || k.server.Epoch() != 1 {
			t.Errorf("%s tired: epochs %d and %d", who, k.client.Epoch(), k.server.Epoch())
		}
	}
}

// TestSpentKey holds messages back until there is a new key; control goes on.
// [XTMP-NON-015]
func TestSpentKey(t *testing.T) {
	k := newTalk(t, nil)
	spend(k.client, spent)
	k.send(Request{Body: []byte("held back")})
	if frames := k.takeFrames(k.client, &k.toServer); len(frames) != 0 {
		t.Errorf("sends %v under a spent key", types(frames))
	}
	k.fromServer(wire.TypeHeartbeat, 0, nil, []byte{0})
	if k.server.paths[0].receivedAt != k.now.Elapsed || len(k.atServer.got) != 0 {
		t.Error("no PONG, or the request came")
	}
	k.client.Rekey(k.now)
	k.settle()
	if len(k.atServer.got) != 1 || k.client.Epoch() != 1 {
		t.Errorf("%d requests in epoch %d", len(k.atServer.got), k.client.Epoch())
	}
}

// TestExhaustedKey ends the session by KEY_LIMIT while the key is good for one
// more Error, and in silence when it is good for nothing. [XTMP-NON-019] [XTMP-NON-016]
func TestExhaustedKey(t *testing.T) {
	for _, c := range []struct {
		blocks uint64
		told   bool
	}{{reserve, true}, {end, false}} {
		k := newTalk(t, nil)
		spend(k.server, c.blocks)
		k.fromClient(wire.TypeHeartbeat, 0, nil, []byte{0})
		var e *Error
		if !errors.As(k.server.Err(), &e) || e.Code != wire.KeyLimit || e.Peer || e.Scope != wire.ScopeSession {
			t.Errorf("%d blocks: server ends with %v", c.blocks, k.server.Err())
		}
		if told := errors.As(k.client.Err(), &e) && e.Peer && e.Code == wire.KeyLimit; told != c.told {
			t.Errorf("%d blocks: client ends with %v", c.blocks, k.client.Err())
		}
	}
}

// TestMessageBeyondBudget has a message whose frame begins within the budget and
// ends beyond it: that frame is legal, and the next message waits.
func TestMessageBeyondBudget(t *testing.T) {
	k := newTalk(t, nil)
	spend(k.client, spent-1)
	k.send(Request{Body: make([]byte, 10_000)})
	k.send(Request{Body: []byte("waits")})
	frames := k.takeFrames(k.client, &k.toServer)
	if k.client.State() != Established || len(frames) != 1 {
		t.Errorf("state %v (%v), %v", k.client.State(), k.client.Err(), types(frames))
	}
	k.pass(0) // the key is tired, so there is a new one
	if len(k.atServer.got) != 2 || k.client.Epoch() != 1 {
		t.Errorf("%d requests, epoch %d", len(k.atServer.got), k.client.Epoch())
	}
}
