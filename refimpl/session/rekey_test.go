package session

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/wire"
)

// TestRekey changes keys while requests are under way, many times.
func TestRekey(t *testing.T) {
	k := newTalk(t, nil)
	sent := 0
	for epoch := uint32(1); epoch <= 5; epoch++ {
		old := k.client.root
		if !k.client.Rekey(k.now) {
			t.Fatal("no session")
		}
		for range 10 {
			sent++
			k.send(Request{Body: fmt.Appendf(nil, "%d", sent)})
		}
		k.settle()
		if c, s := k.client.Epoch(), k.server.Epoch(); c != epoch || s != epoch {
			t.Fatalf("client sends in epoch %d, server in %d, want %d", c, s, epoch)
		}
		if k.client.root != old || k.client.rekey == nil {
			t.Fatal("root_e is gone before T_RETIRE")
		}
		k.pass(retireDelay)
		if k.client.root == old || k.client.root != k.server.root || k.client.rekey != nil || k.server.rekey != nil {
			t.Fatal("root_e is still there after T_RETIRE, or the roots differ")
		}
		k.pass(rekeyGap)
	}
	if len(k.atClient.got) != sent {
		t.Errorf("%d replies to %d requests", len(k.atClient.got), sent)
	}
	if got := k.client.paths[0].keys.send.Next(); got != k.server.paths[0].received {
		t.Errorf("client sent %d frames, server received %d", got, k.server.paths[0].received)
	}
}

// TestRekeyTriggers: T_ROTATE, blocks, the server's operator.
func TestRekeyTriggers(t *testing.T) {
	t.Run("time", func(t *testing.T) {
		k := newTalk(t, func(p *pair) { p.serverCfg.KeyRotationInterval = time.Minute })
		k.pass(59 * time.Second)
		if k.client.Epoch() != 0 {
			t.Fatal("rekey before T_ROTATE")
		}
		k.pass(2 * time.Second)
		if k.client.Epoch() != 1 {
			t.Fatal("no rekey at T_ROTATE")
		}
		k.pass(3 * time.Minute)
		if k.server.Epoch() != 4 {
			t.Errorf("epoch %d after four intervals", k.server.Epoch())
		}
	})
	t.Run("operator of the server", func(t *testing.T) {
		k := newTalk(t, nil)
		k.server.Rekey(k.now)
		k.settle()
		if k.client.Epoch() != 1 || k.server.Epoch() != 1 {
			t.Errorf("epochs %d and %d", k.client.Epoch(), k.server.Epoch())
		}
	})
	t.Run("no sooner than T_REKEY_GAP", func(t *testing.T) {
		k := newTalk(t, nil)
		k.client.Rekey(k.now)
		k.settle()
		k.client.Rekey(k.now)
		k.pass(900 * time.Millisecond)
		if k.client.Epoch() != 1 {
			t.Error("second rekey too soon")
		}
		k.pass(200 * time.Millisecond)
		if k.client.Epoch() != 2 {
			t.Error("the second rekey is forgotten")
		}
	})
}

// TestRekeyDuringRekey asks for fresh keys while the last change of keys is not over:
// the next one begins when it is, and no session is due again at once.
func TestRekeyDuringRekey(t *testing.T) {
	for _, server := range []bool{false, true} {
		p := newPair(t, nil)
		p.connect()
		p.established()
		p.client.Rekey(p.now)
		p.settle()
		if server {
			p.server.Rekey(p.now)
		} else {
			p.client.Rekey(p.now)
		}
		p.settle()
		p.pass(3 * time.Second)
		if c, s := p.client.Epoch(), p.server.Epoch(); c != 2 || s != 2 {
			t.Errorf("server asks: %v: epochs %d and %d, want 2", server, c, s)
		}
	}
}

// TestRekeyUnanswered has a server that never answers: data flows, memory does
// not grow, and after T_REKEY the session ends. [XTMP-RKY-031]
func TestRekeyUnanswered(t *testing.T) {
	k := newTalk(t, nil)
	k.client.Rekey(k.now)
	k.takeFrames(k.client, &k.toServer)
	k.toServer = nil             // RekeyInit is lost in the server
	k.server.paths[0].received++ // which has taken the frame
	k.server.in.complete(1)
	for range 100 {
		k.send(Request{Body: make([]byte, 60_000)})
		k.settle()
	}
	if len(k.atClient.got) != 100 {
		t.Fatalf("%d replies during the rekey", len(k.atClient.got))
	}
	k.pass(rekeyTimeout - time.Second)
	k.established()
	k.pass(2 * time.Second)
	var e *Error
	if !errors.As(k.client.Err(), &e) || e.Code != wire.RekeyFailed {
		t.Errorf("client ends with %v", k.client.Err())
	}
}

// TestRekeyRequestUnanswered has a client that does not rekey. [XTMP-RKY-016]
func TestRekeyRequestUnanswered(t *testing.T) {
	k := newTalk(t, nil)
	k.client.rotation.rekeyed = true
	k.client.rotation.last = k.now.Elapsed + time.Hour // it will not
	asked := 0
	k.mangle = func(dir byte, b []byte) {
		if dir == 's' && b[5] == byte(wire.TypeHeartbeat) {
			asked++
		}
	}
	k.server.Rekey(k.now)
	k.settle()
	k.pass(rekeyAnswer + time.Second)
	var e *Error
	if !errors.As(k.server.Err(), &e) || e.Code != wire.KeyLimit {
		t.Errorf("server ends with %v", k.server.Err())
	}
	if asked != 6 {
		t.Errorf("%d times asked in 30 s", asked)
	}
}

// TestRekeyRequestUnconfirmed has a client that answers REKEY_REQUEST late and
// never confirms: the session ends by the first of the two timers. [XTMP-RKY-016] [XTMP-RKY-031]
func TestRekeyRequestUnconfirmed(t *testing.T) {
	for _, c := range []struct {
		late time.Duration
		want wire.Code
		at   time.Duration // from the first REKEY_REQUEST
	}{
		{20 * time.Second, wire.KeyLimit, rekeyAnswer},
		{0, wire.RekeyFailed, rekeyTimeout},
	} {
		k := newTalk(t, nil)
		k.client.rotation.rekeyed = true
		k.client.rotation.last = k.now.Elapsed + c.late - rekeyGap // no sooner
		if c.late > 0 {
			k.server.Rekey(k.now)
		} else {
			k.client.Rekey(k.now)
		}
		began := k.now.Elapsed
		for k.server.State() == Established && k.now.Elapsed < began+time.Hour {
			k.now.Elapsed += 100 * time.Millisecond
			k.client.Advance(k.now)
			k.server.Advance(k.now)
			k.server.Receive(k.now, 0, k.client.AppendOutput(k.now, 0, nil))
			if out := k.server.AppendOutput(k.now, 0, nil); k.server.rekey == nil { // RekeyResp never arrives
				k.client.Receive(k.now, 0, out)
			}
		}
		var e *Error
		if after := k.now.Elapsed - began; !errors.As(k.server.Err(), &e) || e.Code != c.want || after < c.at || after > c.at+time.Second {
			t.Errorf("server ends after %v with %v, want %v", after, k.server.Err(), c.want)
		}
	}
}

// TestRekeyViolations sends RekeyInits that are out of place.
func TestRekeyViolations(t *testing.T) {
	body := func(k *talk, epoch uint32) []byte {
		share, err := security.NewClientShare(deterministic(5))
		if err != nil {
			t.Fatal(err)
		}
		m := wire.Rekey{Epoch: epoch, Share: share.Public()}
		b := m.Append(nil)
		env := wire.Envelope{HSType: wire.HSRekeyInit, HandshakeID: 9}
		return append(env.AppendStream(nil, len(b)), b...)
	}
	violation := wants(wire.ProtocolViolation)
	for _, c := range []struct {
		name string
		send func(k *talk)
		want func(*talk) bool
	}{
		{"epoch 0", func(k *talk) { k.fromClient(wire.TypeHandshake, ra, &wire.Prologue{Mid: 1}, body(k, 0)) }, violation},
		{"epoch 2", func(k *talk) { k.fromClient(wire.TypeHandshake, ra, &wire.Prologue{Mid: 1}, body(k, 2)) }, violation},
		{"no mid", func(k *talk) { k.fromClient(wire.TypeHandshake, 0, nil, body(k, 1)) }, violation},
		{"short", func(k *talk) { k.fromClient(wire.TypeHandshake, ra, &wire.Prologue{Mid: 1}, body(k, 1)[:1000]) }, violation},
		{"twice", func(k *talk) {
			k.fromClientOnly(wire.TypeHandshake, ra, &wire.Prologue{Mid: 1}, body(k, 1))
			k.fromClientOnly(wire.TypeHandshake, ra, &wire.Prologue{Mid: 2}, body(k, 1))
			k.settle()
		}, violation},
		{"bad share", func(k *talk) {
			b := body(k, 1)
			clear(b[wire.EnvelopeSize+4:][:32])
			k.fromClient(wire.TypeHandshake, ra, &wire.Prologue{Mid: 1}, b)
		}, wants(wire.RekeyFailed)},
		{"too soon", func(k *talk) {
			k.client.Rekey(k.now)
			k.settle()
			k.pass(retireDelay)
			k.client.rotation.rekeyed = false
			k.client.Rekey(k.now)
			k.settle()
		}, violation},
		{"in fragments", func(k *talk) {
			b := body(k, 1)
			for i, part := range [][]byte{b[:700], b[700:]} {
				k.fromClientOnly(wire.TypeHandshake, ra|wire.FlagFragment, &wire.Prologue{Mid: 1, Index: uint16(i), Count: 2}, part)
			}
		}, func(k *talk) bool { return k.server.Err() == nil && k.server.rekey != nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newTalk(t, nil)
			c.send(k)
			if !c.want(k) {
				t.Errorf("server ends with %v", k.server.Err())
			}
		})
	}
}

func wants(code wire.Code) func(*talk) bool {
	return func(k *talk) bool {
		var e *Error
		return errors.As(k.server.Err(), &e) && e.Code == code
	}
}
