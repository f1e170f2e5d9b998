package endpoint

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// cables are the connections of one client, each to an endpoint of the instance.
type cables struct {
	*sea
	shards []*Endpoint
	client *session.Session
	all    []*cable
}

// cable is one connection.
type cable struct {
	path   session.PathID
	at     *Endpoint
	id     ConnID
	source netip.Addr
	gone   bool
}

func newCables(t *testing.T) *cables {
	s := newSea(t, Limits{})
	s.attach = true
	s.open()
	c := &cables{sea: s, shards: []*Endpoint{s.server}, client: session.NewClient(&s.world.client)}
	if err := c.client.Open(s.now); err != nil {
		t.Fatal(err)
	}
	c.lay(0, s.server, home)
	c.run()
	if c.client.State() != session.Established {
		t.Fatal(c.client.Err())
	}
	return c
}

// shard adds an endpoint of the instance.
func (c *cables) shard(n uint8) *Endpoint {
	e, err := New(Config{Session: c.server.cfg, ShardBits: 2, Shard: n, Tokens: c.server.udp.tokens})
	if err != nil {
		c.t.Fatal(err)
	}
	c.shards = append(c.shards, e)
	return e
}

// lay connects a path of the client to an endpoint.
func (c *cables) lay(path session.PathID, at *Endpoint, source netip.Addr) *cable {
	id, ok := at.Open(c.now, source)
	if !ok {
		c.t.Fatal("refused")
	}
	w := &cable{path: path, at: at, id: id, source: source}
	c.all = append(c.all, w)
	return w
}

// second attaches another connection.
func (c *cables) second(at *Endpoint, standby bool, source netip.Addr) *cable {
	c.t.Helper()
	path, err := c.client.Attach(c.now, session.TCP, standby, netip.AddrPort{})
	if err != nil {
		c.t.Fatal(err)
	}
	return c.lay(path, at, source)
}

// run moves bytes until nobody has any.
func (c *cables) run() {
	for moved := true; moved; {
		moved = false
		for _, w := range c.all {
			if w.gone {
				continue
			}
			if out := c.client.AppendOutput(c.now, w.path, nil); len(out) > 0 {
				w.at.Receive(c.now, w.id, out)
				moved = true
			}
		}
		for _, e := range c.shards {
			for f, ok := e.NextForeign(c.now); ok; f, ok = e.NextForeign(c.now) {
				w := c.find(e, f.Conn)
				w.at = c.shards[f.Shard%2]
				w.id, _ = w.at.Open(c.now, f.Source)
				w.at.Receive(c.now, w.id, f.Bytes)
				moved = true
			}
			for id, ok := e.NextOutput(); ok; id, ok = e.NextOutput() {
				out, fate := e.AppendOutput(c.now, id, nil)
				w := c.find(e, id)
				if len(out) > 0 {
					c.client.Receive(c.now, w.path, out)
					moved = true
				}
				if fate != session.Keep {
					w.gone = true
					e.Lost(c.now, id)
					c.client.Lost(c.now, w.path)
				}
			}
		}
	}
}

func (c *cables) find(e *Endpoint, id ConnID) *cable {
	for _, w := range c.all {
		if w.at == e && w.id == id && !w.gone {
			return w
		}
	}
	c.t.Fatalf("connection %d is nobody's", id)
	return nil
}

func (c *cables) pass(d time.Duration) {
	c.now.Elapsed += d
	c.now.Wall += uint64(d / time.Microsecond)
	for _, e := range c.shards {
		e.Advance(c.now)
	}
	c.client.Advance(c.now)
	c.run()
}

// TestAttach gives a session a second connection, from another address: output and
// loss of either is its own, and the session outlives the first.
func TestAttach(t *testing.T) {
	c := newCables(t)
	away := netip.MustParseAddr("203.0.113.5")
	w := c.second(c.server, false, away)
	c.run()
	s := c.server.Find(c.client.ID())
	if c.server.Len() != 2 || bitsOf(s.Paths()) != 2 || c.limiter.halfOpen != 0 {
		t.Fatalf("%d connections, paths %b, %d half-open", c.server.Len(), s.Paths(), c.limiter.halfOpen)
	}
	if c.server.Source(w.id) != away || c.server.Source(c.all[0].id) != home || c.server.Datagrams(w.id) {
		t.Error("a connection has the source of another")
	}
	if c.limiter.sources[away] != (held{}) {
		t.Errorf("the address of an attached path holds %+v", c.limiter.sources[away])
	}
	first := c.all[0]
	first.gone = true
	c.server.Lost(c.now, first.id)
	c.client.Lost(c.now, first.path)
	c.run()
	c.pass(time.Second)
	if c.client.State() != session.Established || s.State() != session.Established || c.server.Len() != 1 {
		t.Fatalf("client %v, server %v", c.client.State(), s.State())
	}
	c.client.Close(c.now)
	c.run()
	c.pass(2 * time.Second)
	if c.server.Len() != 0 || len(c.server.elsewhere) != 0 || len(c.server.timers) != 0 {
		t.Errorf("left: %d connections, %d timers", c.server.Len(), len(c.server.timers))
	}
}

func bitsOf(b uint8) (n int) {
	for ; b != 0; b &= b - 1 {
		n++
	}
	return n
}

// TestParked: a session whose last connection is gone keeps its seat, and a new
// connection finds it.
func TestParked(t *testing.T) {
	c := newCables(t)
	first := c.all[0]
	first.gone = true
	c.server.Lost(c.now, first.id)
	c.client.Lost(c.now, first.path)
	c.pass(20 * time.Second)
	s := c.server.Find(c.client.ID())
	if s == nil || c.server.Len() != 0 || len(c.server.timers) != 1 {
		t.Fatalf("%d connections, %d timers", c.server.Len(), len(c.server.timers))
	}
	c.second(c.server, false, home)
	c.run()
	if c.client.State() != session.Established || s.Paths() == 0 {
		t.Fatalf("%v: %v", c.client.State(), c.client.Err())
	}
	c.all[1].gone = true
	c.server.Lost(c.now, c.all[1].id)
	c.client.Lost(c.now, c.all[1].path)
	c.pass(61 * time.Second)
	if c.server.Find(c.client.ID()) != nil || len(c.server.timers) != 0 {
		t.Error("a parked session outlives T_PARK_ANON")
	}
}

// TestForeign: a connection that reaches the wrong shard is handed back with all its
// bytes, and becomes a path where its session is. [XTMP-PTH-053]
func TestForeign(t *testing.T) {
	c := newCables(t) // its session is of shard 2: the first here
	other := c.shard(1)
	w := c.second(other, true, home)
	c.run()
	if w.at != c.server || other.Len() != 0 || c.server.Len() != 2 || len(other.timers) != 0 {
		t.Fatalf("%d connections here, %d there", c.server.Len(), other.Len())
	}
	if e, ok := other.NextEvent(); ok {
		t.Errorf("the wrong shard reports %+v", e)
	}
	c.pass(time.Minute) // heartbeats go on
	if c.client.State() != session.Established || w.gone {
		t.Errorf("%v: %v", c.client.State(), c.client.Err())
	}
}

// TestUnknown: an Attach for a session that the instance does not know, or that is
// half-open, learns it. [XTMP-ATT-018] [XTMP-PTH-044]
func TestUnknown(t *testing.T) {
	c := newCables(t)
	c.limiter = NewLimiter(Limits{})
	c.server.cfg.Server.Admission = c.limiter
	c.sea.open() // it has forgotten everything
	c.shards[0] = c.server
	c.all[0].gone = true
	c.client.Lost(c.now, 0)
	c.second(c.server, false, home)
	c.run()
	if !errors.Is(c.client.Err(), session.ErrForgotten) {
		t.Errorf("the client learns %v", c.client.Err())
	}
	c.pass(2 * time.Second)
	if c.server.Len() != 0 || c.limiter.halfOpen != 0 {
		t.Errorf("left: %d connections", c.server.Len())
	}
}

// TestAttachDatagrams gives a session a UDP path beside its connection.
func TestAttachDatagrams(t *testing.T) {
	c := newCables(t)
	path, err := c.client.Attach(c.now, session.UDP, true, harbour)
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		for out, _, ok := c.client.AppendDatagram(c.now, path, nil); ok; out, _, ok = c.client.AppendDatagram(c.now, path, nil) {
			c.server.Datagram(c.now, berth, bytes.Clone(out))
		}
		for id, ok := c.server.NextOutput(); ok; id, ok = c.server.NextOutput() {
			if !c.server.Datagrams(id) {
				out, _ := c.server.AppendOutput(c.now, id, nil)
				c.client.Receive(c.now, 0, out)
				continue
			}
			for out, to, ok := c.server.AppendDatagram(c.now, id, nil); ok; out, to, ok = c.server.AppendDatagram(c.now, id, nil) {
				if to != berth {
					t.Fatalf("a datagram to %v", to)
				}
				c.client.ReceiveDatagram(c.now, harbour, bytes.Clone(out))
			}
		}
	}
	s := c.server.Find(c.client.ID())
	if bitsOf(s.Paths()) != 2 || c.server.Len() != 2 {
		t.Fatalf("paths %b, %d connections", s.Paths(), c.server.Len())
	}
	// What comes under no known session gets a reset, from whichever address.
	h := wire.Header{}
	b := make([]byte, 160)
	h.Version, h.Type, h.PayloadLength, h.SessionID, h.KeyID = wire.Version, wire.TypeProbe, 64, 12345, [16]byte{1}
	h.Put(b, nil)
	c.server.Datagram(c.now, berth, b)
	if out, to, ok := c.server.NextStray(nil); !ok || to != berth || len(out) != 128 {
		t.Errorf("%d bytes to %v", len(out), to)
	}
}
