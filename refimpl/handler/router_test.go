package handler

import (
	"bytes"
	"errors"
	"testing"

	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// request sends a request of a type that the Router makes an Op of.
func (b *bench) request(typ wire.MessageType, size int, oneWay bool) {
	b.t.Helper()
	if err := b.client.Send(b.now, &session.Request{Type: typ, Body: make([]byte, size), OneWay: oneWay}); err != nil {
		b.t.Fatal(err)
	}
	b.settle()
}

// code is the error code of the newest reply, 0 for none.
func (b *bench) code() wire.Code {
	if len(b.got) == 0 {
		return 0
	}
	var e *session.Error
	if !errors.As(b.got[len(b.got)-1].Err, &e) {
		return 0
	}
	return e.Code
}

func TestRouter(t *testing.T) {
	r := NewRouter(true, wire.TypeWalletBalance)
	for typ := range 256 {
		typ := wire.MessageType(typ)
		if got, want := r.Implements(typ), typ == wire.TypeWalletBalance || typ == wire.TypeProbe; got != want {
			t.Errorf("%v: %v", typ, got)
		}
	}
	if off := NewRouter(false); off.Implements(wire.TypeProbe) {
		t.Error("Probe is on without being asked for")
	} else if _, due := off.Deadline(); due {
		t.Error("a Router without Probe has a deadline")
	}
	defer func() {
		if recover() == nil {
			t.Error("Probe becomes an Op")
		}
	}()
	NewRouter(true, wire.TypeProbe)
}

// Requests come out as Ops in their order, with a copy of their bodies, which
// count as receive memory until they are done.
func TestOps(t *testing.T) {
	r := NewRouter(true, wire.TypeWalletBalance)
	b := newBenchWith(t, r)
	const size = 64 << 10
	for range 20 { // of 1 MiB
		b.request(wire.TypeWalletBalance, size, false)
	}
	if b.code() != wire.ServerBusy {
		t.Fatalf("20 bodies of 64 KiB fit 1 MiB: %v", b.code())
	}
	refused := len(b.got)
	var ops []Op
	for op, ok := r.NextOp(); ok; op, ok = r.NextOp() {
		ops = append(ops, op)
	}
	if len(ops) != 20-refused || len(ops) < 10 {
		t.Errorf("%d Ops and %d refusals of 20 requests", len(ops), refused)
	}
	for i := range ops {
		op := &ops[i]
		if op.SessionID != b.client.ID() || op.Call.Type != wire.TypeWalletBalance || len(op.Body) != size {
			t.Errorf("Op %d is %+v", i, op.Call)
		}
		if i > 0 && op.Call.Mid <= ops[i-1].Call.Mid {
			t.Error("the Ops are out of order")
		}
		r.Done(b.server.Find(op.SessionID), op)
		b.server.Reply(b.now, op.SessionID, op.Call, []byte("done"))
	}
	b.settle()
	if len(b.got) != 20 || !bytes.Equal(b.got[19].Body, []byte("done")) {
		t.Errorf("%d replies", len(b.got))
	}
	b.got = nil
	b.request(wire.TypeWalletBalance, size, false)
	if _, ok := r.NextOp(); !ok || len(b.got) != 0 {
		t.Errorf("memory is not given back: %v", b.code())
	}
}

// A message that takes no reply is no Op, and Done of a session that has ended
// does nothing.
func TestNoOp(t *testing.T) {
	r := NewRouter(true, wire.TypeWalletBalance)
	b := newBenchWith(t, r)
	b.request(wire.TypeWalletBalance, 10, true)
	if _, ok := r.NextOp(); ok {
		t.Error("a message without mid becomes an Op")
	}
	b.request(wire.TypeWalletBalance, 10, false)
	op, _ := r.NextOp()
	b.server.Lost(b.now, b.id)
	r.Done(b.server.Find(op.SessionID), &op)
	b.server.Reply(b.now, op.SessionID, op.Call, nil)
}
