package endpoint

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// steps runs a handshake datagram by datagram: what the server says is kept back.
type steps struct {
	*sea
	g *guest
}

func newSteps(t *testing.T) *steps {
	s := newSea(t, Limits{})
	s.current = func(_ int, toServer bool) []bottle {
		if toServer {
			return []bottle{{}}
		}
		return nil
	}
	st := &steps{sea: s, g: s.board(berth, nil, 0)}
	s.calm()
	return st
}

// give delivers datagrams to the client, lets the server hear the answers, and
// returns how many there were.
func (s *steps) give(datagrams ...[]byte) int {
	before := len(s.up)
	for _, b := range datagrams {
		s.g.ReceiveDatagram(s.now, harbour, append(make([]byte, 0, len(b)+16), b...))
	}
	s.calm()
	return len(s.up) - before
}

// refit gives a changed frame the checksum that fits.
func refit(b []byte, change func(b []byte)) []byte {
	b = bytes.Clone(b)
	change(b)
	wire.VerifyChecksum(b, 0)
	wire.Finish(b)
	return b
}

// envelope is where the envelope of a clear frame begins.
const envelope = wire.Overhead

// TestClientDrops gives a client, at every stage, what a stranger might send: it does
// nothing, and the handshake goes on. [XTMP-UDP-043] [XTMP-UDP-044] [XTMP-UDP-045] [XTMP-UDP-048] [XTMP-UDP-049] [XTMP-UDP-051]
func TestClientDrops(t *testing.T) {
	s := newSteps(t)
	strangers := newSea(t, Limits{})
	strangers.board(berth, nil, 0) // draws what the client here has drawn
	strangers.calm()
	before := len(strangers.down)
	strangers.board(berth, nil, 0)
	strangers.calm()
	strange := strangers.down[before:]
	stray := func(b []byte) []byte { return refit(b, func(b []byte) { b[envelope+8]++ }) }
	wrong := wire.Error{Code: wire.ServerBusy, RefSequence: wire.NoSequence}
	clearError := wire.AppendClear(nil, wire.TypeError, 0, s.now.Wall, wrong.Append(nil))
	retry := s.down[0]
	for name, b := range map[string][]byte{
		"a Retry of another handshake_id": stray(retry), "a Retry with a session_id": refit(retry, func(b []byte) { b[15] = 1 }),
		"a Retry that is too short": refit(retry[:len(retry)-1], func(b []byte) { b[27]--; b[envelope+7]-- }),
		"a Retry of type 0x01":      refit(retry, func(b []byte) { b[5] = 1 }),
		"a damaged Retry":           append(bytes.Clone(retry[:130]), make([]byte, 30)...),
		"ServerHello of a stranger": strange[1], "a flight of a stranger": strange[3], "a clear Error": clearError,
		"a reset": wire.AppendClear(nil, wire.TypeError, 5, s.now.Wall, make([]byte, 32)),
	} {
		if n := s.give(b); n != 0 || s.g.State() != session.Hello {
			t.Errorf("%s: %d answers, %v", name, n, s.g.State())
		}
	}
	if n := s.give(retry); n != 2 {
		t.Fatalf("a Retry gets %d datagrams", n)
	}
	if n := s.give(retry); n != 0 { // [XTMP-UDP-043]
		t.Errorf("the same cookie gets %d datagrams", n)
	}
	other := func(i byte) []byte { return refit(retry, func(b []byte) { b[envelope+40] ^= i }) }
	if n := s.give(other(1)) + s.give(other(2)) + s.give(other(3)); n != 4 {
		t.Errorf("three more cookies get %d datagrams, want those of two", n)
	}
	hello, flight := s.down[1:3], s.down[3]
	for name, change := range map[string]func(b []byte){
		"version":            func(b []byte) { b[envelope+16] = 2 },
		"suite":              func(b []byte) { b[envelope+17] = byte(wire.SuiteChaCha20) },
		"session_id of body": func(b []byte) { b[envelope+24]++ },
		"zero field":         func(b []byte) { b[envelope+18]++ },
	} {
		if n := s.give(refit(hello[0], change), hello[1]); n != 0 || s.g.State() != session.Hello {
			t.Errorf("ServerHello with another %s: %d answers, %v", name, n, s.g.State())
		}
	}
	nobody := refit(flight, func(b []byte) { binary.BigEndian.PutUint64(b[8:], 99) })
	if n := s.give(nobody, hello[1], hello[1], hello[0], retry, other(9), stray(hello[0])); n != 0 || s.g.State() != session.Hello {
		t.Fatalf("%d answers before the flight, %v", n, s.g.State())
	}
	damaged := refit(flight, func(b []byte) { b[200]++ })
	if n := s.give(damaged, hello[0], hello[1]); n != 0 || s.g.State() != session.Hello {
		t.Fatalf("%d answers to a damaged flight, %v", n, s.g.State())
	}
	if s.give(flight); s.g.State() != session.Established {
		t.Fatalf("the client is %v: %v", s.g.State(), s.g.Err())
	}
	if n := s.give(flight, hello[0], retry, clearError); n != 0 || s.g.State() != session.Established {
		t.Fatalf("%d answers afterwards, %v", n, s.g.State())
	}
}

// TestEarlyFlight: a flight that overtakes ServerHello is opened when that has come.
// [XTMP-UDP-024] [XTMP-UDP-047]
func TestEarlyFlight(t *testing.T) {
	s := newSteps(t)
	s.give(s.down[0])
	if s.give(s.down[3], s.down[2]); s.g.State() != session.Hello {
		t.Fatal(s.g.State())
	}
	if s.give(s.down[1]); s.g.State() != session.Established {
		t.Fatalf("%v: %v", s.g.State(), s.g.Err())
	}
}

// TestCandidates: ServerHellos of other sessions do not hinder the true one, unless
// there are four of them. [XTMP-UDP-046]
func TestCandidates(t *testing.T) {
	for strangers := range 6 {
		s := newSteps(t)
		s.give(s.down[0])
		for i := range strangers {
			s.give(refit(s.down[1], func(b []byte) { binary.BigEndian.PutUint64(b[8:], uint64(i)+1) }))
		}
		s.give(s.down[1:4]...)
		if got, want := s.g.State() == session.Established, strangers < 4; got != want {
			t.Errorf("with %d others: established %v", strangers, got)
		}
	}
}

// TestFlightThatFails: a flight that opens and is not trusted ends the handshake, in
// silence. [XTMP-UDP-050]
func TestFlightThatFails(t *testing.T) {
	s := newSteps(t)
	s.client.Client.Pins[0].Fingerprint[0]++
	s.give(s.down[0])
	if n := s.give(s.down[1:4]...); n != 0 || s.g.State() != session.Closed {
		t.Errorf("%d answers, %v", n, s.g.State())
	}
}

// TestRetryRestarts: a Retry starts T_HS_RETX anew and is no expiry.
func TestRetryRestarts(t *testing.T) {
	s := newSteps(t)
	s.sail(300 * time.Millisecond)
	if n := s.give(s.down[0]); n != 2 {
		t.Fatal(n)
	}
	before := len(s.up)
	if s.sail(400*time.Millisecond - 1); len(s.up) != before {
		t.Error("sent again before T_HS_RETX")
	}
	if s.sail(1); len(s.up) != before+2 {
		t.Errorf("%d datagrams after it, want both fragments", len(s.up)-before)
	}
}
