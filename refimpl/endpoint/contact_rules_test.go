package endpoint

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// say delivers datagrams to the endpoint and returns what it answers.
func (s *sea) say(from netip.AddrPort, datagrams ...[]byte) (answers [][]byte) {
	for _, b := range datagrams {
		s.server.Datagram(s.now, from, append(make([]byte, 0, len(b)+16), b...))
	}
	before := len(s.down)
	s.collect()
	s.afloat = nil
	return s.down[before:]
}

// TestSendings: the client sends the frames of a phase again at the times of
// T_HS_RETX, five times in all. [XTMP-UDP-056] [XTMP-UDP-058] [XTMP-UDP-059] [XTMP-UDP-060]
func TestSendings(t *testing.T) {
	for _, c := range []struct{ rtt, first time.Duration }{
		{0, 400 * time.Millisecond}, {20 * time.Millisecond, 30 * time.Millisecond}, {time.Millisecond, 25 * time.Millisecond},
	} {
		s := newSea(t, Limits{})
		var at []time.Duration
		start := s.now.Elapsed
		s.current = func(int, bool) []bottle { at = append(at, s.now.Elapsed-start); return nil }
		g := s.board(berth, nil, c.rtt)
		s.sail(10*time.Second - 1)
		want := []time.Duration{0, c.first, 3 * c.first, 7 * c.first, 15 * c.first}
		if diff := cmp.Diff(want, at); diff != "" {
			t.Errorf("first phase: %s", diff)
		}
		if g.State() != session.Hello {
			t.Fatalf("before T_CONNECT the client is %v", g.State())
		}
		if s.sail(1); !errors.Is(g.Err(), session.ErrTimeout) {
			t.Errorf("at T_CONNECT: %v", g.Err())
		}
		for _, b := range s.up[1:] {
			if !bytes.Equal(b, s.up[0]) {
				t.Error("what is sent again differs")
			}
		}
	}
}

// TestSecondPhase: the same for ClientFinish; after the last try the path is closed.
// [XTMP-UDP-057] [XTMP-UDP-061]
func TestSecondPhase(t *testing.T) {
	s := newSea(t, Limits{})
	g := s.board(berth, nil, 0)
	var at []time.Duration
	start := s.now.Elapsed
	s.current = func(_ int, up bool) []bottle {
		if g.State() < session.Established {
			return []bottle{{}}
		}
		if up {
			at = append(at, s.now.Elapsed-start)
		}
		return nil
	}
	const first = 400 * time.Millisecond
	s.sail(31*first - 1)
	if diff := cmp.Diff([]time.Duration{0, first, 3 * first, 7 * first, 15 * first}, at); diff != "" {
		t.Error(diff)
	}
	finishes := s.up[len(s.up)-5:]
	for _, b := range finishes[1:] {
		if !bytes.Equal(b, finishes[0]) { // [XTMP-UDP-020]
			t.Error("ClientFinish is sealed twice")
		}
	}
	if g.State() != session.Established {
		t.Fatalf("before the last expiry the client is %v", g.State())
	}
	if s.sail(1); !errors.Is(g.Err(), session.ErrTimeout) {
		t.Errorf("after it: %v", g.Err())
	}
}

// TestDuplicateHello asks for the flight again. [XTMP-UDP-062] [XTMP-UDP-063] [XTMP-UDP-064] [XTMP-UDP-066]
func TestDuplicateHello(t *testing.T) {
	for _, established := range []bool{false, true} {
		s := newSea(t, Limits{})
		g := s.board(berth, nil, 0)
		if established {
			s.calm()
		} else {
			s.current = func(int, bool) []bottle {
				if g.State() < session.Established {
					return []bottle{{}}
				}
				return nil
			}
			s.calm()
		}
		hello, flight := s.up[1:3], s.down[1:4] // after first contact and Retry
		if got := s.say(berth, hello[1]); len(got) != 0 {
			t.Fatalf("fragment 1 gets %d datagrams", len(got))
		}
		other := bytes.Clone(hello[0])
		other[len(other)-1]++
		wire.VerifyChecksum(other, 0)
		wire.Finish(other)
		if got := s.say(berth, other); len(got) != 0 {
			t.Fatalf("other bytes get %d datagrams", len(got))
		}
		for range flightResends {
			if got := s.say(berth, hello[0]); !slices.EqualFunc(got, flight, bytes.Equal) {
				t.Fatalf("a duplicate gets %d datagrams, not the %d of before", len(got), len(flight))
			}
		}
		if got := s.say(berth, hello[0]); len(got) != 0 {
			t.Fatalf("one duplicate too many gets %d datagrams", len(got))
		}
		s.current = func(int, bool) []bottle { return nil }
		s.sail(10 * time.Second) // T_FLIGHT
		if len(s.server.udp.contacts) != 0 {
			t.Fatal("the handshake is remembered after T_FLIGHT")
		}
	}
}

const flightResends = 5

// TestIncompleteHello: fragments are dropped when the rest does not come.
// [XTMP-UDP-029] [XTMP-UDP-030]
func TestIncompleteHello(t *testing.T) {
	up, down := capture(t)
	s := newSea(t, Limits{})
	if got := s.say(berth, up[1]); len(got) != 0 || s.limiter.halfOpen != 1 || s.limiter.memory == 0 {
		t.Fatalf("%d answers, %+v", len(got), s.limiter)
	}
	s.sail(2*time.Second - 1)
	if got := s.say(berth, up[2]); len(got) != len(down)-2 {
		t.Fatalf("complete in time: %d answers", len(got))
	}
	s = newSea(t, Limits{})
	s.say(berth, up[2])
	s.sail(2 * time.Second)
	s.sunk()
	if got := s.say(berth, up[1]); len(got) != 0 {
		t.Fatalf("complete too late: %d answers", len(got))
	}
}

// TestFragmentsDisagree: what differs from the fragments that are there is dropped.
// [XTMP-UDP-022] [XTMP-UDP-023]
func TestFragmentsDisagree(t *testing.T) {
	up, _ := capture(t)
	s := newSea(t, Limits{})
	longer := bytes.Clone(up[2])
	longer[wire.Overhead+7]++ // total_len
	longer = append(longer, 0)
	longer[27]++
	wire.VerifyChecksum(longer, 0)
	wire.Finish(longer)
	if got := s.say(berth, up[1], longer, up[1]); len(got) != 0 {
		t.Fatalf("%d answers to a message that is not whole", len(got))
	}
	if got := s.say(berth, up[2]); len(got) != 3 {
		t.Fatalf("%d answers when it is", len(got))
	}
}

// TestFinish: only the client's ClientFinish, from where its ClientHello came, ends
// the waiting. [XTMP-UDP-035] [XTMP-UDP-036] [XTMP-UDP-037] [XTMP-UDP-038]
func TestFinish(t *testing.T) {
	s := newSea(t, Limits{})
	g := s.board(berth, nil, 0)
	s.current = func(int, bool) []bottle {
		if g.State() < session.Established {
			return []bottle{{}}
		}
		return nil
	}
	s.calm()
	finish := s.up[len(s.up)-1]
	peer := s.serverSide(g)
	if err := g.Send(s.now, &session.Request{Type: wire.TypeProbe}); err != nil {
		t.Fatal(err)
	}
	s.calm()
	early := s.up[len(s.up)-1]
	damaged := bytes.Clone(finish)
	damaged[120]++
	wire.VerifyChecksum(damaged, 0)
	wire.Finish(damaged)
	if got := s.say(berth, early, damaged, s.down[len(s.down)-1]); len(got) != 0 || peer.State() != session.Half {
		t.Fatalf("%d answers, the session is %v", len(got), peer.State())
	}
	elsewhere := netip.AddrPortFrom(berth.Addr(), 1)
	if got := s.say(elsewhere, finish); len(got) != 0 || peer.State() != session.Half {
		t.Fatalf("from elsewhere: %d answers, the session is %v", len(got), peer.State())
	}
	if got := s.say(berth, finish); len(got) != 1 || peer.State() != session.Established {
		t.Fatalf("%d answers, the session is %v", len(got), peer.State())
	}
	if got := s.say(berth, finish); len(got) != 0 {
		t.Fatalf("a second ClientFinish gets %d answers", len(got))
	}
}

// TestHalfOpenLimit: beyond it there is silence. [XTMP-LIM-014]
func TestHalfOpenLimit(t *testing.T) {
	s := newSea(t, Limits{HalfOpenPerSource: 2})
	s.current = func(_ int, toServer bool) []bottle {
		if toServer || len(s.down[len(s.down)-1]) == 160 {
			return []bottle{{}}
		}
		return nil
	}
	for i := range 4 {
		s.board(netip.AddrPortFrom(berth.Addr(), uint16(1000+i)), nil, 0)
	}
	s.calm()
	if s.limiter.halfOpen != 2 || len(s.server.udp.contacts) != 2 || s.server.Len() != 2 {
		t.Errorf("%d half-open, %d contacts", s.limiter.halfOpen, len(s.server.udp.contacts))
	}
	if len(s.down) != 4+2*3 {
		t.Errorf("%d datagrams, want four Retries and two flights", len(s.down))
	}
	s.sail(11 * time.Second)
	s.sunk()
}

// TestNoCommonSuite is the one refusal that is said; the client waits for another
// answer, and reports it when there was none. [XTMP-UDP-032] [XTMP-UDP-051]
func TestNoCommonSuite(t *testing.T) {
	s := newSea(t, Limits{})
	s.client.Suites = []wire.Suite{wire.SuiteChaCha20}
	g := s.board(berth, nil, 0)
	s.calm()
	if g.State() != session.Hello {
		t.Fatalf("a clear Error makes the client %v", g.State())
	}
	s.sail(10 * time.Second)
	var why *session.Error
	if !errors.As(g.Err(), &why) || why.Code != wire.NoCommonSuite || !why.Clear {
		t.Errorf("the client reports %v", g.Err())
	}
	s.sail(2 * time.Second)
	s.sunk()
}

// TestReset: a server that has lost its sessions says so, if its key is the same.
// [XTMP-RST-009] [XTMP-RST-010]
func TestReset(t *testing.T) {
	for _, same := range []bool{true, false} {
		s := newSea(t, Limits{})
		g := s.board(berth, nil, 0)
		s.calm()
		s.sail(100 * time.Millisecond)
		if !same {
			s.server.cfg.Server.ResetKey[0]++
		}
		s.limiter = NewLimiter(Limits{})
		s.server.cfg.Server.Admission = s.limiter
		s.open()
		if err := g.Send(s.now, &session.Request{Type: wire.TypeProbe, Body: make([]byte, 100)}); err != nil {
			t.Fatal(err)
		}
		s.calm()
		last := s.down[len(s.down)-1]
		if len(last) != 128 {
			t.Fatalf("%d bytes came back", len(last))
		}
		if forgotten := errors.Is(g.Err(), session.ErrForgotten); forgotten != same {
			t.Errorf("with the same key %v: %v", same, g.Err())
		}
		s.sunk()
	}
}

// TestResetRate: no second sees more than ten, whoever asks. [XTMP-RST-005] [XTMP-RST-002]
func TestResetRate(t *testing.T) {
	up, _ := capture(t)
	s := newSea(t, Limits{})
	sealed := bytes.Clone(up[3]) // ClientFinish of a session that is not
	if len(sealed) != 160 {
		t.Fatal(len(sealed))
	}
	var at []time.Duration
	for range 3000 {
		for range len(s.say(berth, sealed)) {
			at = append(at, s.now.Elapsed)
		}
		s.now.Elapsed += time.Millisecond
	}
	for i := 10; i < len(at); i++ {
		if at[i]-at[i-10] <= time.Second {
			t.Fatalf("eleven resets within %v", at[i]-at[i-10])
		}
	}
	if len(at) < 15 {
		t.Errorf("%d resets in three seconds", len(at))
	}
	short := append(bytes.Clone(sealed[:159]), 0)[:159]
	short[27]--
	s.now.Elapsed += time.Minute
	if got := s.say(berth, short); len(got) != 0 {
		t.Errorf("159 bytes get a reset")
	}
	for i := range 5000 { // the sources of a forger
		a := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		s.say(netip.AddrPortFrom(a, 1), sealed)
	}
	if len(s.limiter.resets) > resetSources {
		t.Errorf("%d sources are remembered", len(s.limiter.resets))
	}
}
