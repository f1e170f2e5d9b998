//go:build linux

package transport

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/client"
	"github.com/bpci/xtmp/refimpl/trace"
	"github.com/bpci/xtmp/refimpl/udp"
	"github.com/bpci/xtmp/refimpl/wire"
)

// dialAt returns a session that is closed at the end of the test.
func (r *running) dialAt(address string, change func(*client.Config)) *client.Session {
	r.t.Helper()
	id, err := testIdentity()
	if err != nil {
		r.t.Fatal(err)
	}
	cfg := client.Config{
		Pins: []client.Pin{{Kind: id.Kind(), Fingerprint: id.Fingerprint()}}, ConnectTimeout: patience,
	}
	if change != nil {
		change(&cfg)
	}
	s, err := client.Dial(r.t.Context(), address, cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = s.Close(context.WithoutCancel(r.t.Context())) })
	return s
}

func attachable(c *Config) {
	c.Session.Server.AttachTCP, c.Session.Server.AttachUDP, c.Probe = true, true, true
}

// echoProbe asks for data back.
func echoProbe(data []byte) client.Message {
	return client.Message{Type: wire.TypeProbe, Body: (&wire.Probe{Op: wire.ProbeEcho, Data: data}).Append(nil)}
}

func TestCallsOverUDP(t *testing.T) {
	for _, loops := range []int{1, 3} {
		t.Run(fmt.Sprint(loops), func(t *testing.T) {
			r := serve(t, func(c *Config) { attachable(c); c.Loops = loops })
			var all sync.WaitGroup
			for i := range 4 {
				s := r.dialAt("udp://"+r.Addr().String(), func(c *client.Config) { c.NoStandby = true })
				for j := range 8 {
					all.Go(func() {
						ctx, cancel := context.WithTimeout(t.Context(), patience)
						defer cancel()
						for k := range 20 {
							m := echoProbe(bytes.Repeat([]byte{byte(i), byte(j), byte(k)}, 1+k*k*30))
							got, err := s.Call(ctx, m, nil)
							if err != nil || !bytes.Equal(got, m.Body) {
								t.Errorf("%d, %d, %d: %d B of %d, %v", i, j, k, len(got), len(m.Body), err)
								return
							}
						}
					})
				}
			}
			all.Wait()
			if n := r.Connections(); n != 0 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// relay stands before a server, on TCP and UDP, for one client on UDP.
type relay struct {
	server atomic.Pointer[netip.AddrPort]
	front  *udp.Conn // toward the client
	back   *udp.Conn // toward the server
	stream net.Listener
	client atomic.Pointer[netip.AddrPort]
	cut    atomic.Bool // datagrams are lost

	unproven atomic.Int64 // first contacts without a token that have passed

	mu    sync.Mutex
	conns []net.Conn
}

func newRelay(t *testing.T, server netip.AddrPort) *relay {
	t.Helper()
	r := &relay{}
	r.server.Store(&server)
	var err error
	for range bindTries { // a port that is free for both
		if r.front, err = udp.Open(t.Context(), "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		if r.stream, err = net.Listen("tcp", r.address()); err == nil {
			break
		}
		_ = r.front.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	if r.back, err = udp.Open(t.Context(), "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		r.pass(r.front, r.back, func(d udp.Datagram) netip.AddrPort {
			r.client.Store(&d.From)
			return *r.server.Load()
		})
	})
	all.Go(func() { r.pass(r.back, r.front, func(udp.Datagram) netip.AddrPort { return *r.client.Load() }) })
	all.Go(func() { r.accept(&all) })
	t.Cleanup(func() {
		_ = r.front.Close()
		_ = r.back.Close()
		_ = r.stream.Close()
		r.hangUp()
		all.Wait()
	})
	return r
}

func (r *relay) address() string { return r.front.Addr().String() }

func (r *relay) pass(from, to *udp.Conn, address func(udp.Datagram) netip.AddrPort) {
	for {
		batch, err := from.Receive()
		if err != nil {
			return
		}
		for _, d := range batch {
			if at := address(d); !r.cut.Load() {
				if len(d.Bytes) == 1136 && d.Bytes[5] == byte(wire.TypeHandshake) {
					r.unproven.Add(1)
				}
				to.Add(d.Bytes, at)
			}
		}
		if to.Flush() != nil {
			return
		}
	}
}

func (r *relay) accept(all *sync.WaitGroup) {
	for {
		near, err := r.stream.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", r.server.Load().String())
		if err != nil {
			_ = near.Close()
			continue
		}
		r.mu.Lock()
		r.conns = append(r.conns, near, far)
		r.mu.Unlock()
		for _, way := range [2][2]net.Conn{{near, far}, {far, near}} {
			all.Go(func() {
				// As plain bytes: what the kernel copies takes pipes that stay.
				_, _ = io.Copy(struct{ io.Writer }{way[0]}, struct{ io.Reader }{way[1]})
				_ = way[0].Close()
			})
		}
	}
}

// hangUp ends the connections.
func (r *relay) hangUp() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		_ = c.Close()
	}
	n = len(r.conns) / 2
	r.conns = nil
	return n
}

// onPath returns a hook and a channel that it closes when a frame has arrived on a
// path.
func onPath(path uint8) (trace.Hook, <-chan struct{}) {
	arrived := make(chan struct{})
	var once sync.Once
	return func(e trace.Event) {
		if e.Kind == trace.FrameReceived && e.Path == path {
			once.Do(func() { close(arrived) })
		}
	}, arrived
}

func await(t *testing.T, what string, arrived <-chan struct{}) {
	t.Helper()
	select {
	case <-arrived:
	case <-time.After(patience):
		t.Fatalf("in vain: %s", what)
	}
}

func call(t *testing.T, s *client.Session, size int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	m := echoProbe(make([]byte, size))
	if got, err := s.Call(ctx, m, nil); err != nil || len(got) != len(m.Body) {
		t.Fatalf("%d B of %d: %v", len(got), len(m.Body), err)
	}
}

// When datagrams are lost, a session on UDP goes on over the connection that stands
// by, with the calls that were on their way. [XTMP-PTH-018] [XTMP-PTH-019]
func TestFailover(t *testing.T) {
	for _, loops := range []int{1, 3} {
		for _, standby := range []bool{true, false} {
			t.Run(fmt.Sprint(loops, standby), func(t *testing.T) {
				r := serve(t, func(c *Config) { attachable(c); c.Loops = loops })
				way := newRelay(t, r.Addr())
				hook, arrived := onPath(1)
				s := r.dialAt("udp://"+way.address(), func(c *client.Config) { c.NoStandby, c.Trace = !standby, hook })
				if standby {
					await(t, "a connection stands by", arrived)
				}
				for range 5 {
					call(t, s, 5000)
				}
				way.cut.Store(true)
				for range 5 {
					call(t, s, 5000)
				}
				if r.Connections() != 1 {
					t.Errorf("%d connections", r.Connections())
				}
			})
		}
	}
}

// A connection that ends is replaced, by a UDP path or by another connection, which may
// come to another loop than the first. [XTMP-PTH-053] [XTMP-PRK-015]
func TestConnectionIsReplaced(t *testing.T) {
	for _, kind := range []string{"tcp", "hybrid"} {
		for _, standby := range []bool{true, false} {
			t.Run(fmt.Sprint(kind, standby), func(t *testing.T) {
				r := serve(t, func(c *Config) { attachable(c); c.Loops = 3 })
				way := newRelay(t, r.Addr())
				hook, arrived := onPath(1)
				s := r.dialAt(kind+"://"+way.address(), func(c *client.Config) { c.NoStandby, c.Trace = !standby, hook })
				call(t, s, 5000)
				if standby {
					await(t, "a second path", arrived)
				}
				for range 3 {
					call(t, s, 60_000)
					way.hangUp()
				}
				call(t, s, 5000)
			})
		}
	}
}

// Where nothing answers on UDP, a hybrid session begins on TCP. [XTMP-UDP-067]
func TestRaceWithoutUDP(t *testing.T) {
	r := serve(t, attachable)
	way := newRelay(t, r.Addr())
	way.cut.Store(true)
	start := time.Now()
	s := r.dialAt("hybrid://"+way.address(), nil)
	if took := time.Since(start); took < 250*time.Millisecond {
		t.Errorf("TCP began before T_RACE: there was a session after %v", took)
	}
	call(t, s, 100)
	if r.Connections() != 1 {
		t.Errorf("%d connections", r.Connections())
	}
}

// A hybrid session begins on UDP where that answers, and gets its connection.
// [XTMP-PTH-002]
func TestRaceWithUDP(t *testing.T) {
	r := serve(t, attachable)
	hook, arrived := onPath(1)
	s := r.dialAt("hybrid://"+r.Addr().String(), func(c *client.Config) { c.Trace = hook })
	await(t, "a connection", arrived)
	call(t, s, 100)
	if r.Connections() != 1 {
		t.Errorf("%d connections", r.Connections())
	}
}

// What a server gave shortens the next first contact by a round trip, once.
// [XTMP-TOK-017] [XTMP-TOK-018]
func TestAddressToken(t *testing.T) {
	r := serve(t, attachable)
	way := newRelay(t, r.Addr())
	tokens := new(client.Tokens)
	for i, want := range []bool{false, true, true, false} {
		before := way.unproven.Load()
		done := make(chan struct{})
		hook := func(e trace.Event) {
			if e.Kind == trace.FrameReceived && e.Type == byte(wire.TypeHandshakeAck) {
				close(done)
			}
		}
		s := r.dialAt("udp://"+way.address(), func(c *client.Config) { c.NoStandby, c.Tokens, c.Trace = true, tokens, hook })
		if proven := way.unproven.Load() == before; proven != want {
			t.Errorf("contact %d: with a token is %v", i, proven)
		}
		await(t, "HandshakeDone, which brings the next token", done)
		if call(t, s, 1); i == 2 { // and what came with it has been seen
			tokens = new(client.Tokens)
		}
	}
}

// A session tells how its paths do.
func TestPathQuality(t *testing.T) {
	r := serve(t, attachable)
	hook, arrived := onPath(1)
	s := r.dialAt("udp://"+r.Addr().String(), func(c *client.Config) { c.Trace = hook })
	await(t, "a connection stands by", arrived)
	for range 20 {
		call(t, s, 3000)
	}
	q := s.Quality()
	if len(q.Paths) != 2 || q.Calls != 20 || q.Failed != 0 {
		t.Fatalf("%+v", q)
	}
	now, standby := q.Paths[0], q.Paths[1]
	if now.Transport != client.UDP || !now.Current || now.Standby || !now.Live ||
		standby.Transport != client.TCP || standby.Current || !standby.Standby {
		t.Errorf("%+v", q.Paths)
	}
	if now.Packets < 20*3 || now.BytesSent < 20*3000 || now.BytesReceived < 20*3000 {
		t.Errorf("on UDP: %+v", now)
	}
	for _, p := range q.Paths {
		if p.Latency <= 0 || p.Latency > patience || p.Packets == 0 {
			t.Errorf("%+v", p)
		}
	}
}

// Further paths go where the server says. [XTMP-PTH-057] [XTMP-PTH-059]
func TestAttachAddresses(t *testing.T) {
	elsewhere := newRelay(t, netip.AddrPort{})
	at := elsewhere.front.Addr()
	r := serve(t, func(c *Config) {
		attachable(c)
		c.Session.Server.Endpoints = []wire.AttachEndpoint{
			{Kind: 9, Port: 1, Host: "unknown.example"}, {Kind: wire.PathStream, Port: at.Port(), Host: at.Addr().String()},
		}
	})
	address := r.Addr()
	elsewhere.server.Store(&address)
	hook, arrived := onPath(1)
	s := r.dialAt("udp://"+address.String(), func(c *client.Config) { c.Trace = hook })
	await(t, "a connection stands by", arrived)
	call(t, s, 100)
	if n := elsewhere.hangUp(); n != 1 {
		t.Errorf("%d connections came where the server wants them", n)
	}
}
