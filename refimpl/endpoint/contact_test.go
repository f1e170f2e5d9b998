package endpoint

import (
	"bytes"
	"errors"
	"math/bits"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

var berth = netip.MustParseAddrPort("192.0.2.1:4711")

// TestFirstContact follows a handshake on UDP datagram by datagram.
func TestFirstContact(t *testing.T) {
	s := newSea(t, Limits{})
	g := s.board(berth, nil, 0)
	s.calm()
	if g.State() != session.Established {
		t.Fatalf("the client is %v: %v", g.State(), g.Err())
	}
	if peer := s.serverSide(g); peer == nil || peer.State() != session.Established {
		t.Fatal("the server has no session")
	}
	if s.in[berth] < 1136+1618+160 {
		t.Errorf("%d bytes went to the server", s.in[berth])
	}
	if g.token == nil {
		t.Fatal("no address token")
	}
	again := s.board(netip.AddrPortFrom(berth.Addr(), 4712), g.token, 20*time.Millisecond)
	before := s.out[again.at]
	s.calm()
	if again.State() != session.Established || before != 0 {
		t.Fatalf("with an address token: %v", again.Err())
	}
}

// TestEveryLoss loses every subset of the first twelve datagrams. Five tries of a
// phase fail only if five datagrams are lost.
func TestEveryLoss(t *testing.T) {
	const first = 12
	timeouts := 0
	for lost := range 1 << first {
		if testing.Short() && lost%7 != 0 {
			continue
		}
		s := newSea(t, Limits{})
		s.current = func(n int, _ bool) []bottle {
			if n < first && lost&(1<<n) != 0 {
				return nil
			}
			return []bottle{{due: 5 * time.Millisecond}}
		}
		g := s.board(berth, nil, 0)
		s.sail(9 * time.Second)
		peer := s.serverSide(g)
		if g.State() == session.Established && peer != nil && peer.State() == session.Established {
			if g.token == nil {
				t.Fatalf("lost %012b: HandshakeDone has not come", lost)
			}
			continue
		}
		if bits.OnesCount(uint(lost)) < 5 {
			t.Fatalf("lost %012b: the client is %v (%v)", lost, g.State(), g.Err())
		}
		timeouts++
		s.sail(15 * time.Second)
		if g.State() != session.Closed {
			t.Fatalf("lost %012b: the client is still %v", lost, g.State())
		}
		s.sunk()
	}
	t.Logf("%d of %d subsets end by T_CONNECT", timeouts, 1<<first)
}

// TestRoughSea doubles, delays, loses and damages datagrams at random. Whatever
// happens, a handshake succeeds or times out, nobody takes damage for a violation,
// and nothing is left in the end.
func TestRoughSea(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSea(t, Limits{})
		s.current = func(int, bool) []bottle {
			var copies []bottle
			for range rapid.SampledFrom([]int{1, 1, 1, 2, 3, 0}).Draw(t, "copies") {
				b := bottle{due: time.Duration(rapid.IntRange(0, 700).Draw(t, "ms")) * time.Millisecond}
				if rapid.IntRange(0, 5).Draw(t, "damage") == 0 {
					b.flip = rapid.IntRange(1, 8*1200).Draw(t, "bit")
				}
				copies = append(copies, b)
			}
			return copies
		}
		for i := range rapid.IntRange(1, 3).Draw(t, "guests") {
			s.board(netip.AddrPortFrom(berth.Addr(), uint16(5000+i)), nil, time.Duration(rapid.IntRange(0, 100).Draw(t, "rtt"))*time.Millisecond)
		}
		s.sail(25 * time.Second)
		for _, g := range s.guests {
			if g.State() == session.Established {
				continue
			}
			if why := g.Err(); !errors.Is(why, session.ErrTimeout) && !errors.Is(why, session.ErrForgotten) { // its T_FLIGHT had passed
				t.Fatalf("a handshake ends by %v", why)
			}
		}
		for e, ok := s.server.NextEvent(); ok; e, ok = s.server.NextEvent() {
			if e.Kind == session.EventClosed && !errors.Is(e.Err, session.ErrTimeout) {
				t.Fatalf("a session of the server ends by %v", e.Err)
			}
		}
		s.current = nil
		for _, g := range s.guests {
			g.Close(s.now)
		}
		s.sail(400 * time.Second)
		s.sunk()
	})
}

// capture runs a handshake and returns its datagrams, by direction.
func capture(t *testing.T) (up, down [][]byte) {
	s := newSea(t, Limits{})
	s.board(berth, nil, 0)
	s.calm()
	return s.up, s.down
}

// TestStrangers sends what others said, whole and damaged, and noise from addresses
// that prove nothing: no state, no more bytes back than came, at most a Retry or a reset for each.
// [XTMP-UDP-027] [XTMP-UDP-031]
func TestStrangers(t *testing.T) {
	up, down := capture(t)
	heard := append(up, down...)
	rapid.Check(t, func(t *rapid.T) {
		s := newSea(t, Limits{})
		stranger := netip.MustParseAddrPort("198.51.100.7:99")
		for range rapid.IntRange(1, 30).Draw(t, "datagrams") {
			b := bytes.Clone(rapid.SampledFrom(heard).Draw(t, "heard"))
			switch rapid.IntRange(0, 4).Draw(t, "change") {
			case 0:
				b = b[:rapid.IntRange(0, len(b)).Draw(t, "cut")]
			case 1:
				b = append(b, rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "more")...)
			case 2:
				b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] ^= rapid.Byte().Draw(t, "xor")
			case 3: // with a checksum that fits
				b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] ^= rapid.Byte().Draw(t, "xor")
				wire.VerifyChecksum(b, 0)
				wire.Finish(b)
			}
			s.arrive(bottle{toServer: true, client: stranger, bytes: b})
			s.calm()
			if s.out[stranger] > s.in[stranger] {
				t.Fatalf("%d bytes came, %d went back", s.in[stranger], s.out[stranger])
			}
		}
		s.sunk()
	})
}

// TestReplay: who copies a whole session and sends it from elsewhere changes nothing.
// [XTMP-UDP-038] [XTMP-UDP-114]
func TestReplay(t *testing.T) {
	s := newSea(t, Limits{})
	g := s.board(berth, nil, 0)
	s.sail(time.Second)
	stranger := netip.MustParseAddrPort("198.51.100.7:99")
	up, before := slices.Clone(s.up), s.out[berth]
	for _, b := range append(up, s.down...) {
		s.arrive(bottle{toServer: true, client: stranger, bytes: bytes.Clone(b)})
	}
	s.calm()
	s.sail(time.Second)
	if s.out[stranger] > s.in[stranger] || s.out[berth] != before || len(s.server.ids) != 1 {
		t.Fatalf("%d bytes for %d, %d to the client, %d sessions", s.out[stranger], s.in[stranger], s.out[berth]-before, len(s.server.ids))
	}
	g.Close(s.now)
	s.sail(10 * time.Second)
	if s.sunk(); !errors.Is(g.Err(), session.ErrClosed) {
		t.Errorf("the session ends by %v", g.Err())
	}
}

// TestStrangersCostNothing: what nobody has proven costs no memory.
func TestStrangersCostNothing(t *testing.T) {
	up, down := capture(t)
	s := newSea(t, Limits{FirstFrameRate: -1})
	stranger := netip.MustParseAddrPort("198.51.100.7:99")
	room, out := make([]byte, 0, 2000), make([]byte, 0, 2000)
	flood := func() {
		for _, b := range [][]byte{up[0], up[1], up[2], up[len(up)-1], down[0], down[1], {1, 2, 3}, up[0][:700]} {
			s.server.Datagram(s.now, stranger, append(room[:0], b...))
		}
		for b, to, ok := s.server.NextStray(out); ok; b, to, ok = s.server.NextStray(out) {
			if to != stranger || len(b) > 160 {
				t.Fatal("a stray went astray")
			}
		}
	}
	flood()
	if n := testing.AllocsPerRun(100, flood); n != 0 {
		t.Errorf("%v allocations", n)
	}
	s.sunk()
}

// TestStraysAreBounded: a flood that nobody answers for is forgotten.
func TestStraysAreBounded(t *testing.T) {
	up, _ := capture(t)
	s := newSea(t, Limits{FirstFrameRate: -1})
	for i := range 1000 {
		s.server.Datagram(s.now, netip.AddrPortFrom(berth.Addr(), uint16(i)), bytes.Clone(up[0]))
	}
	n := 0
	for _, to, ok := s.server.NextStray(nil); ok; _, to, ok = s.server.NextStray(nil) {
		if to.Port() != uint16(n) {
			t.Fatalf("stray %d goes to port %d", n, to.Port())
		}
		n++
	}
	if n != straysKept {
		t.Errorf("%d strays are kept", n)
	}
}

// TestPass: clear frames beyond the bucket of their source get no answer, and a
// source that was silent may speak again. [XTMP-ORD-035]
func TestPass(t *testing.T) {
	up, _ := capture(t)
	s := newSea(t, Limits{FirstFrameRate: 10, FirstFrameBurst: 3})
	count := func() (n int) {
		for range 10 {
			s.server.Datagram(s.now, berth, bytes.Clone(up[0]))
		}
		for _, _, ok := s.server.NextStray(nil); ok; _, _, ok = s.server.NextStray(nil) {
			n++
		}
		return n
	}
	if n := count(); n != 3 {
		t.Errorf("%d answers at once, want 3", n)
	}
	s.now.Elapsed += 150 * time.Millisecond
	if n := count(); n != 1 {
		t.Errorf("%d answers a token later, want 1", n)
	}
}
