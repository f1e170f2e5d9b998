package session

import (
	"errors"
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/wire"
)

// What a transport holds of a frame counts as if it had arrived: T_FRAME runs from
// its beginning, and it is receive memory of the source.
func TestBegun(t *testing.T) {
	p := newPair(t, nil)
	p.connect()
	p.pass(ackDelay)
	p.server.Begun(p.now, 0, 100)
	p.pass(frameTimeout - 1)
	p.server.Begun(p.now, 0, 5000) // it grows, and is no younger for that
	if p.admission.memory != 5000 || p.server.Rest() {
		t.Errorf("%d bytes count, and the session rests", p.admission.memory)
	}
	p.fromClient(wire.TypeHeartbeat, 0, nil, make([]byte, 8)) // it is there, whole
	if p.admission.memory != 0 {
		t.Errorf("%d bytes count after the frame", p.admission.memory)
	}
	p.server.Begun(p.now, 0, 1) // another
	p.pass(time.Second)
	p.server.Begun(p.now, 0, 0) // it is none
	p.pass(time.Second)
	p.server.Begun(p.now, 0, 7)
	p.pass(frameTimeout - 1)
	p.established()
	p.pass(1)
	if !errors.Is(p.server.Err(), ErrBadFrame) || p.admission.memory != 0 {
		t.Errorf("after T_FRAME: %v, %d bytes", p.server.Err(), p.admission.memory)
	}
}

// Memory that is not to be had ends the session, and before one the connection.
func TestBegunTooMuch(t *testing.T) {
	p := newPair(t, nil)
	p.connect()
	p.server.Begun(p.now, 0, 1<<30)
	p.settle()
	var got *Error
	if !errors.As(p.client.Err(), &got) || got.Code != wire.Internal || p.admission.memory != 0 {
		t.Errorf("the client hears %v, %d bytes count", p.client.Err(), p.admission.memory)
	}
	p.server.Begun(p.now, 0, 100) // behind the last frame
	if p.admission.memory != 0 {
		t.Errorf("%d bytes count in a session that is over", p.admission.memory)
	}
	p = newPair(t, nil)
	p.server.Begun(p.now, 0, 100)
	p.now.Elapsed += time.Second
	p.server.Begun(p.now, 0, 1<<30)
	if p.server.Fate(0) != Shut || p.server.HasOutput(0) || p.admission.memory != 0 {
		t.Errorf("fate %d, %d bytes", p.server.Fate(0), p.admission.memory)
	}
}
