package endpoint

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/session"
)

// sea is a world whose clients speak UDP: what they and the endpoint send floats
// until it arrives, or sinks.
type sea struct {
	*world
	guests  []*guest
	up      [][]byte // everything that was thrown, by direction
	down    [][]byte
	afloat  []bottle
	cast    int                                          // datagrams so far
	current func(n int, toServer bool) (delays []bottle) // copies of datagram n: when, and what is wrong with them; nil: one, at once
	in, out map[netip.AddrPort]int                       // bytes from and to each address
	attach  bool                                         // the endpoint accepts Attach
}

// bottle is a datagram on its way.
type bottle struct {
	due      time.Duration // or a delay
	flip     int           // bit that is turned, plus 1
	toServer bool
	client   netip.AddrPort
	bytes    []byte
}

// guest is a client on UDP.
type guest struct {
	*session.Session
	at    netip.AddrPort
	token []byte // that HandshakeDone brought
}

var harbour = netip.MustParseAddrPort("192.0.2.9:8090")

func newSea(t rapid.TB, limits Limits) *sea {
	t.Helper()
	s := &sea{world: newWorld(t, limits), in: map[netip.AddrPort]int{}, out: map[netip.AddrPort]int{}}
	s.open()
	return s
}

// open gives the world an endpoint that serves UDP, a fresh one if it had one.
func (s *sea) open() {
	cfg := Config{Session: s.server.cfg, ShardBits: 2, Shard: 2}
	cfg.Session.Server.AttachTCP, cfg.Session.Server.AttachUDP = s.attach, s.attach
	cfg.Tokens = security.NewTokens(rand.NewChaCha8([32]byte{3}), s.now.Elapsed, s.now.Wall)
	server, err := New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	s.server = server
}

// board begins a handshake.
func (s *sea) board(at netip.AddrPort, token []byte, rtt time.Duration) *guest {
	s.t.Helper()
	g := &guest{Session: session.NewClient(&s.client), at: at}
	if err := g.OpenDatagram(s.now, harbour, token, rtt); err != nil {
		s.t.Fatal(err)
	}
	s.guests = append(s.guests, g)
	return g
}

// throw puts a datagram afloat.
func (s *sea) throw(toServer bool, client netip.AddrPort, b []byte) {
	if toServer {
		s.up = append(s.up, slices.Clone(b))
	} else {
		s.down = append(s.down, slices.Clone(b))
	}
	copies := []bottle{{}}
	if s.current != nil {
		copies = s.current(s.cast, toServer)
	}
	s.cast++
	for _, c := range copies {
		bytes := append(make([]byte, 0, len(b)+16), b...)
		if c.flip > 0 {
			bit := (c.flip - 1) % (8 * len(b))
			bytes[bit/8] ^= 1 << (bit % 8)
		}
		s.afloat = append(s.afloat, bottle{due: s.now.Elapsed + c.due, toServer: toServer, client: client, bytes: bytes})
	}
}

// collect takes what both sides have to send.
func (s *sea) collect() (moved bool) {
	for _, g := range s.guests {
		for id, mask := session.PathID(0), g.Paths(); mask != 0; id, mask = id+1, mask>>1 {
			if mask&1 == 0 || g.Kind(id) != session.UDP {
				continue
			}
			for out, _, ok := g.AppendDatagram(s.now, id, nil); ok; out, _, ok = g.AppendDatagram(s.now, id, nil) {
				s.throw(true, g.at, out)
				moved = true
			}
		}
		for e, ok := g.NextEvent(); ok; e, ok = g.NextEvent() {
			if e.Kind == session.EventAddressToken {
				g.token = e.AddressToken
			}
		}
	}
	for id, ok := s.server.NextOutput(); ok; id, ok = s.server.NextOutput() {
		if !s.server.Datagrams(id) {
			s.t.Fatalf("connection %d is no UDP path", id)
		}
		for out, to, ok := s.server.AppendDatagram(s.now, id, nil); ok; out, to, ok = s.server.AppendDatagram(s.now, id, nil) {
			s.out[to] += len(out)
			s.throw(false, to, out)
			moved = true
		}
		if s.server.Fate(id) == session.Shut {
			s.server.Lost(s.now, id)
		}
	}
	for out, to, ok := s.server.NextStray(nil); ok; out, to, ok = s.server.NextStray(nil) {
		s.out[to] += len(out)
		s.throw(false, to, out)
		moved = true
	}
	return moved
}

// calm moves datagrams until nothing is due.
func (s *sea) calm() {
	for range 10_000 {
		moved := s.collect()
		var later []bottle
		now := s.afloat
		s.afloat = nil
		for _, b := range now {
			if b.due > s.now.Elapsed {
				later = append(later, b)
				continue
			}
			moved = true
			s.arrive(b)
		}
		s.afloat = append(later, s.afloat...)
		if !moved {
			return
		}
	}
	s.t.Fatal("the two sides never fall silent")
}

func (s *sea) arrive(b bottle) {
	if b.toServer {
		s.in[b.client] += len(b.bytes)
		s.server.Datagram(s.now, b.client, b.bytes)
		return
	}
	for _, g := range s.guests {
		if g.at == b.client {
			g.ReceiveDatagram(s.now, harbour, b.bytes)
		}
	}
}

// sail lets time pass, from one thing that is due to the next.
func (s *sea) sail(d time.Duration) {
	end := s.now.Elapsed + d
	s.calm()
	for {
		next := end
		sooner := func(at time.Duration, ok bool) {
			if ok {
				next = min(next, at)
			}
		}
		sooner(s.server.Deadline())
		for _, g := range s.guests {
			sooner(g.Deadline())
		}
		for _, b := range s.afloat {
			sooner(b.due, true)
		}
		step := max(next-s.now.Elapsed, 0)
		s.now.Elapsed += step
		s.now.Wall += uint64(step / time.Microsecond)
		s.server.Advance(s.now)
		for _, g := range s.guests {
			if d, ok := g.Deadline(); ok && d <= s.now.Elapsed {
				g.Advance(s.now)
			}
		}
		s.calm()
		if s.now.Elapsed >= end {
			return
		}
	}
}

// serverSide returns the endpoint's session of a guest, nil if there is none.
func (s *sea) serverSide(g *guest) *session.Session { return s.server.Find(g.ID()) }

// sunk fails unless the endpoint has forgotten everything.
func (s *sea) sunk() {
	s.t.Helper()
	e := s.server
	if e.Len() != 0 || len(e.ids) != 0 || len(e.timers) != 0 || len(e.udp.contacts) != 0 {
		s.t.Fatalf("left: %d connections, %d ids, %d timers, %d contacts", e.Len(), len(e.ids), len(e.timers), len(e.udp.contacts))
	}
	if l := s.limiter; l.memory != 0 || l.halfOpen != 0 || len(l.sources) != 0 {
		s.t.Fatalf("left: %d bytes, %d half-open, %d sources", l.memory, l.halfOpen, len(l.sources))
	}
}
