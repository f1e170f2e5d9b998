package session

import (
	"testing"
	"time"
	"unsafe"
)

// TestRest lets sessions rest whenever they can: for an hour of heartbeats and
// rekeys, with calls between.
func TestRest(t *testing.T) {
	k := newTalk(t, func(p *pair) { p.serverCfg.KeyRotationInterval = 10 * time.Minute })
	k.rests = true
	for range 60 {
		k.pass(61 * time.Second) // never at a rekey
		if !k.client.resting() || !k.server.resting() {
			t.Fatal("an idle session does not rest")
		}
		k.send(Request{Body: []byte("hello")})
		k.settle()
	}
	k.established()
	if len(k.atClient.got) != 60 || k.server.Epoch() != 6 {
		t.Errorf("%d replies, epoch %d", len(k.atClient.got), k.server.Epoch())
	}
	k.pass(ackDelay)
	if n := len(k.serverCfg.Buffers.works); n != 1 {
		t.Errorf("the owner keeps %d works of one session", n)
	}
	k.client.Close(k.now)
	k.settle()
	if k.server.State() != Closed || k.client.State() != Closed {
		t.Error("a session that has rested does not close")
	}
}

// TestRestKeepsWhatPends has sessions that may not rest.
func TestRestKeepsWhatPends(t *testing.T) {
	k := newTalk(t, nil)
	k.atServer.react = func(Now, *Session, Message) bool { return true }
	k.send(Request{})
	k.settle()
	k.pass(ackDelay)
	k.client.Rest()
	k.server.Rest()
	if k.client.resting() || k.server.resting() {
		t.Error("a session with an unanswered request rests")
	}
	k.sendPiece(9, piece{count: 2, size: 600})
	k.server.Rest()
	if len(k.server.partials) != 1 {
		t.Error("an incomplete message is gone")
	}
}

// TestIdleSize prints what an idle session takes in this package.
func TestIdleSize(t *testing.T) {
	size := unsafe.Sizeof(Session{}) + unsafe.Sizeof(Path{})
	t.Logf("session %d B, path %d B; while it works %d B and %d B more, and its cipher objects",
		unsafe.Sizeof(Session{}), unsafe.Sizeof(Path{}), unsafe.Sizeof(work{}), unsafe.Sizeof(pathWork{}))
	if size > 600 {
		t.Errorf("an idle session takes %d B: look at what Session and Path must keep", size)
	}
}
