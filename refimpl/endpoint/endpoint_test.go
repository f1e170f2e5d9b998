package endpoint

import (
	"bytes"
	"crypto/mlkem"
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

var home = netip.MustParseAddr("127.0.0.1")

// world is an endpoint and the clients that talk to it, on virtual time.
type world struct {
	t        rapid.TB
	now      session.Now
	limiter  *Limiter
	server   *Endpoint
	identity *security.Identity
	client   session.Config
	peers    []*peer
}

// peer is a client and its connection.
type peer struct {
	client *session.Session
	id     ConnID
	open   bool // the endpoint has the connection
}

func newWorld(t rapid.TB, limits Limits) *world {
	t.Helper()
	identity, err := security.NewIdentity(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, now: session.Now{Elapsed: time.Minute, Wall: 1_790_000_000_000_000},
		limiter: NewLimiter(limits), identity: identity,
	}
	w.client, err = session.Config{Entropy: rand.NewChaCha8([32]byte{1}), Client: session.ClientConfig{
		Pins: []security.Pin{{Kind: 1, Fingerprint: identity.Fingerprint()}},
	}}.Validate(session.Client)
	if err != nil {
		t.Fatal(err)
	}
	w.server, err = New(Config{Shard: 2, ShardBits: 2, Session: session.Config{
		Entropy: rand.NewChaCha8([32]byte{2}),
		Server: session.ServerConfig{
			Identities: []*security.Identity{identity}, Admission: w.limiter,
			Encapsulate: func(k *mlkem.EncapsulationKey768) ([]byte, []byte) { return k.Encapsulate() },
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// dial connects a client from source; nothing is delivered yet.
func (w *world) dial(source netip.Addr) *peer {
	w.t.Helper()
	id, ok := w.server.Open(w.now, source)
	if !ok {
		w.t.Fatal("the endpoint refuses a connection")
	}
	p := &peer{client: session.NewClient(&w.client), id: id, open: true}
	if err := p.client.Open(w.now); err != nil {
		w.t.Fatal(err)
	}
	w.peers = append(w.peers, p)
	return p
}

// settle moves bytes until nobody has any.
func (w *world) settle() {
	for moved := true; moved; {
		moved = false
		for _, p := range w.peers {
			if out := p.client.AppendOutput(w.now, 0, nil); len(out) > 0 && p.open {
				w.server.Receive(w.now, p.id, out)
				moved = true
			}
		}
		for id, ok := w.server.NextOutput(); ok; id, ok = w.server.NextOutput() {
			out, fate := w.server.AppendOutput(w.now, id, nil)
			p := w.owner(id)
			if len(out) > 0 && p.client.Fate(0) != session.Shut {
				p.client.Receive(w.now, 0, out)
				moved = true
			}
			if fate == session.Shut {
				w.hangUp(p)
			}
		}
	}
}

// hangUp ends the connection of a peer at both ends.
func (w *world) hangUp(p *peer) {
	p.open = false
	w.server.Lost(w.now, p.id)
	p.client.Lost(w.now, 0)
}

func (w *world) owner(id ConnID) *peer {
	for _, p := range w.peers {
		if p.open && p.id == id {
			return p
		}
	}
	w.t.Fatalf("output for connection %d, which nobody has", id)
	return nil
}

// pass moves time in one step.
func (w *world) pass(d time.Duration) {
	w.now.Elapsed += d
	w.now.Wall += uint64(d / time.Microsecond)
	w.server.Advance(w.now)
	for _, p := range w.peers {
		if p.client.Fate(0) != session.Shut {
			p.client.Advance(w.now)
		}
	}
	w.settle()
}

func TestShardIsInTheID(t *testing.T) {
	w := newWorld(t, Limits{})
	for range 5 {
		p := w.dial(home)
		w.settle()
		if p.client.State() != session.Established {
			t.Fatal(p.client.Err())
		}
		if id := p.client.ID(); id&3 != 2 || id == 0 || id >= 1<<53 {
			t.Errorf("session_id %x, want shard 2 in the low two bits, below 2^53", id)
		}
	}
	if len(w.server.ids) != 5 {
		t.Errorf("%d ids are known, want 5", len(w.server.ids))
	}
	w.server.Shutdown(w.now)
	w.settle()
	w.pass(30 * time.Millisecond) // the Acks of HandshakeDone
	w.pass(2 * time.Second)       // T_LINGER
	if w.server.Len() != 0 || len(w.server.ids) != 0 || len(w.server.timers) != 0 {
		t.Errorf("after shutdown: %d connections, %d ids, %d timers", w.server.Len(), len(w.server.ids), len(w.server.timers))
	}
	for _, p := range w.peers {
		if !errors.Is(p.client.Err(), session.ErrClosed) {
			t.Errorf("client learned %v, want Disconnect", p.client.Err())
		}
	}
	if _, ok := w.server.Open(w.now, home); ok {
		t.Error("a connection is taken after shutdown")
	}
}

func TestHandshakeTimeout(t *testing.T) {
	w := newWorld(t, Limits{})
	id, _ := w.server.Open(w.now, home)
	at, ok := w.server.Deadline()
	if !ok || at != w.now.Elapsed+5*time.Second {
		t.Fatalf("deadline %v, %v; want T_HANDSHAKE_TCP", at-w.now.Elapsed, ok)
	}
	w.now.Elapsed += 5*time.Second - 1
	w.server.Receive(w.now, id, []byte("X")) // a byte changes nothing
	w.server.Advance(w.now)
	if w.server.Fate(id) != session.Keep {
		t.Fatal("closed before T_HANDSHAKE_TCP")
	}
	w.now.Elapsed++
	w.server.Advance(w.now)
	if got, ok := w.server.NextOutput(); !ok || got != id || w.server.Fate(id) != session.Shut {
		t.Error("still open after T_HANDSHAKE_TCP")
	}
}

// TestLimits opens connections until the limit under test refuses one.
func TestLimits(t *testing.T) {
	busy := func(p *peer) bool {
		var e *session.Error
		return errors.As(p.client.Err(), &e) && e.Code == wire.ServerBusy && e.Peer
	}
	same := func(int) netip.Addr { return home }
	v4 := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{127, 0, 0, byte(i)}) }
	v6 := func(i int) netip.Addr { return netip.AddrFrom16([16]byte{0x20, 1, 15: byte(i)}) }
	for _, c := range []struct {
		name   string
		limits Limits
		source func(i int) netip.Addr
		half   bool // connections stay half-open
		want   int  // how many are let in
	}{
		{"connections per client", Limits{}, same, false, 10},
		{"sessions per source", Limits{ConnectionsPerClient: -1, SessionsPerSource: 20}, same, false, 20},
		{"one /64 is one source", Limits{}, v6, false, 10},
		{"half-open per source", Limits{HalfOpenPerSource: 3}, same, true, 3},
		{"half-open in total", Limits{HalfOpen: 4}, v4, true, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.limits)
			for i := range c.want {
				if c.half {
					if _, ok := w.server.Open(w.now, c.source(i)); !ok {
						t.Fatal("refused")
					}
					continue
				}
				p := w.dial(c.source(i))
				w.settle()
				if p.client.State() != session.Established {
					t.Fatalf("connection %d: %v", i+1, p.client.Err())
				}
			}
			p := w.dial(c.source(c.want))
			w.settle()
			if !busy(p) {
				t.Fatalf("connection %d: %v, want SERVER_BUSY", c.want+1, p.client.Err())
			}
			if c.half {
				return
			}
			w.hangUp(w.peers[0]) // what it held is free again
			q := w.dial(c.source(0))
			w.settle()
			if q.client.State() != session.Established {
				t.Errorf("after one has left: %v", q.client.Err())
			}
		})
	}
}

// TestReceiveMemory fills incomplete frames until the memory of one source is
// spent.
func TestReceiveMemory(t *testing.T) {
	w := newWorld(t, Limits{ReceivePerSource: 100_000})
	frame := make([]byte, 60_000)
	wire.AppendClear(frame[:0], wire.TypeError, 0, 0, nil)
	for i := range 2 {
		p := w.dial(home)
		w.settle()
		head := wire.Header{
			Version: 1, Type: wire.TypeProbe, Flags: wire.FlagEncrypted, Encryption: 1, PayloadLength: 65_000, KeyID: [16]byte{1},
		}
		head.Put(frame, nil)
		w.server.Receive(w.now, p.id, frame)
		w.settle()
		if lives := p.client.State() == session.Established; lives != (i == 0) {
			t.Errorf("connection %d with 60 000 bytes of a frame: lives %v (%v)", i+1, lives, p.client.Err())
		}
	}
	if w.limiter.memory < 60_000 || w.limiter.memory > 100_000 {
		t.Errorf("%d bytes are accounted for", w.limiter.memory)
	}
	for _, p := range w.peers {
		if p.open {
			w.hangUp(p)
		}
	}
	if w.limiter.memory != 0 || w.limiter.halfOpen != 0 || len(w.limiter.sources) != 0 {
		t.Errorf("when all have left: %+v", w.limiter)
	}
}

// TestEverythingIsReleased runs random lives of connections and looks at what
// is left when all of them are over.
func TestEverythingIsReleased(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, Limits{})
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			switch rapid.IntRange(0, 6).Draw(t, "step") {
			case 0, 1:
				w.dial(netip.AddrFrom4([4]byte{127, 0, 0, rapid.ByteRange(1, 3).Draw(t, "source")}))
			case 2, 3:
				w.settle()
			case 4:
				w.pass(time.Duration(rapid.IntRange(1, 400_000).Draw(t, "ms")) * time.Millisecond)
			case 5:
				for _, p := range w.peers {
					if p.open && rapid.Bool().Draw(t, "hang up") {
						w.hangUp(p)
					}
				}
			case 6:
				for _, p := range w.peers {
					if p.open {
						w.server.Receive(w.now, p.id, rapid.SliceOfN(rapid.Byte(), 0, 120).Draw(t, "junk"))
						break
					}
				}
			}
		}
		w.server.Shutdown(w.now)
		w.settle()
		for range 20 {
			w.pass(time.Second)
		}
		if w.server.Len() != 0 || len(w.server.ids) != 0 || len(w.server.timers) != 0 {
			t.Fatalf("left: %d connections, %d ids, %d timers", w.server.Len(), len(w.server.ids), len(w.server.timers))
		}
		if w.limiter.memory != 0 || w.limiter.halfOpen != 0 || len(w.limiter.sources) != 0 {
			t.Fatalf("left: %+v", w.limiter)
		}
	})
}

// TestPace compares the bucket with what its rate and burst allow.
func TestPace(t *testing.T) {
	l := NewLimiter(Limits{FirstFrameRate: 10, FirstFrameBurst: 3})
	at := time.Hour
	for i, want := range []int64{0, 0, 0, 100, 200, 300} {
		if got := max(l.Pace(at, home), 0).Milliseconds(); got != want {
			t.Errorf("frame %d at once waits %d ms, want %d", i+1, got, want)
		}
	}
	if got := l.Pace(at, netip.MustParseAddr("127.0.0.2")); got > 0 {
		t.Errorf("another source waits %v", got)
	}
	if got := l.Pace(at+700*time.Millisecond, home); got > 0 {
		t.Errorf("when the debt is paid a frame waits %v", got)
	}
	for range 200 {
		l.Pace(at, home)
	}
	if full := l.buckets[home] - at; full > paceMax+time.Second {
		t.Errorf("a flood puts the bucket %v into debt", full)
	}
	off := NewLimiter(Limits{FirstFrameRate: -1})
	for range 1000 {
		if off.Pace(at, home) > 0 {
			t.Fatal("a bucket that is off delays")
		}
	}
	for i := range 5000 { // every source once, long apart
		a := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		l.Pace(at+time.Duration(i)*time.Second, a)
	}
	if n := len(l.buckets); n > 2*sweepLeast {
		t.Errorf("%d buckets are kept of sources that are gone", n)
	}
}

// TestArrive bounds what one source may have open without a session, and frees
// what departs.
func TestArrive(t *testing.T) {
	l := NewLimiter(Limits{HalfOpenPerSource: 2})
	one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for range arrivalFactor * 2 {
		if !l.Arrive(one) {
			t.Fatal("refused within the bound")
		}
	}
	if l.Arrive(one) {
		t.Error("one more is admitted")
	}
	if !l.Arrive(two) {
		t.Error("another source is refused")
	}
	l.Enter(one)
	l.Settle(one)
	for range session.MaxPaths {
		if !l.Arrive(one) {
			t.Error("a path of a session counts")
		}
	}
	if l.Arrive(one) {
		t.Error("more than the paths of a session are admitted")
	}
	l.Leave(one, true)
	l.Depart(two)
	for range arrivalFactor*2 + session.MaxPaths {
		l.Depart(one)
	}
	if len(l.sources) != 0 {
		t.Errorf("%d sources are remembered for nothing", len(l.sources))
	}
}
