//go:build linux

package transport

import (
	"bytes"
	"context"
	"crypto/mlkem"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/refimpl/client"
	"github.com/bpci/xtmp/refimpl/endpoint"
	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

func TestMain(m *testing.M) {
	if child := os.Getenv(childEnv); child != "" {
		os.Exit(runChild(child))
	}
	goleak.VerifyTestMain(m)
}

// patience bounds what a test waits for. Nothing waits that long unless it fails.
const patience = 20 * time.Second

// everything is what a server of these tests declares.
func everything(string) bool { return true }

// unlimited lets one address do everything.
func unlimited() endpoint.Limits {
	return endpoint.Limits{
		HalfOpen: -1, HalfOpenPerSource: -1, SessionsPerSource: -1, ConnectionsPerClient: -1,
		FirstFrameRate: -1, ReceiveMemory: -1, ReceivePerSource: -1,
	}
}

func testIdentity() (*security.Identity, error) {
	return security.NewIdentity(bytes.Repeat([]byte{7}, 32))
}

// testConfig is a Config that serves anybody.
func testConfig() (Config, error) {
	id, err := testIdentity()
	return Config{
		Session: session.Config{Entropy: rand.Reader, Server: session.ServerConfig{
			Identities:  []*security.Identity{id},
			Encapsulate: func(key *mlkem.EncapsulationKey768) ([]byte, []byte) { return key.Encapsulate() },
		}},
		Limits: unlimited(),
		Log:    slog.New(slog.DiscardHandler),
	}, err
}

// running is a server that serves.
type running struct {
	*Server
	t      *testing.T
	cancel context.CancelFunc
	served chan error
}

// serve starts a server. The test fails unless it ends in order and releases
// every descriptor.
func serve(t *testing.T, change func(*Config)) *running {
	t.Helper()
	cfg, err := testConfig()
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&cfg)
	}
	before := descriptors(t)
	s, err := Listen(t.Context(), "127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{Server: s, t: t, cancel: cancel, served: make(chan error, 1)}
	go func() { r.served <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-r.served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if after := descriptors(t); len(after) > len(before) {
			t.Errorf("%d descriptors before, %d after:\n%s\n%s", len(before), len(after), before, after)
		}
	})
	return r
}

// descriptors are what this process has open, the two of the runtime's poller
// included: it opens them when it first needs them, here at the latest.
func descriptors(t *testing.T) (open []string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_, _ = r.Close(), w.Close()
	const of = "/proc/self/fd/"
	entries, err := os.ReadDir(of)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		what, err := os.Readlink(of + e.Name())
		if err == nil { // the directory that was read is closed by now
			open = append(open, e.Name()+" "+what)
		}
	}
	return open
}

// dial returns a session that is closed in order at the end of the test.
func (r *running) dial() *client.Session {
	r.t.Helper()
	s, err := r.tryDial()
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = s.Close(context.WithoutCancel(r.t.Context())) })
	return s
}

func (r *running) tryDial() (*client.Session, error) { return r.tryDialFrom("") }

func (r *running) tryDialFrom(local string) (*client.Session, error) {
	id, err := testIdentity()
	if err != nil {
		return nil, err
	}
	return client.Dial(r.t.Context(), r.Addr().String(), client.Config{
		Pins: []client.Pin{{Kind: id.Kind(), Fingerprint: id.Fingerprint()}}, ConnectTimeout: patience,
		LocalAddress: local,
	})
}

func ping(t *testing.T, s *client.Session) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := s.Ping(ctx); err != nil {
		t.Error(err)
	}
}

// connection opens a TCP connection; a receive buffer of 0 is the system's.
func (r *running) connection(receiveBuffer int) *net.TCPConn {
	r.t.Helper()
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) (err error) {
		if receiveBuffer == 0 {
			return nil
		}
		ctl := c.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, receiveBuffer)
		})
		return errors.Join(err, ctl)
	}}
	conn, err := d.DialContext(r.t.Context(), "tcp", r.Addr().String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	return conn.(*net.TCPConn)
}

// scripted returns a peer that does what it is told, after its handshake.
func (r *running) scripted(conn net.Conn, script peer.Script) *peer.Session {
	r.t.Helper()
	s, err := peer.New(conn, peer.Target{}, peer.Options{Entropy: rand.Reader, Declares: everything, Wait: patience}).Handshake(script)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// on runs f on a loop, between two wake-ups, and waits for it.
func (r *running) on(l *loop, f func()) {
	done := make(chan struct{})
	l.post(func(session.Now) {
		f()
		close(done)
	})
	<-done
}

// settled waits until n connections are left.
func (r *running) settled(n int) {
	r.t.Helper()
	end := time.Now().Add(patience)
	for r.Connections() != n {
		if time.Now().After(end) {
			r.t.Fatalf("%d connections are left, want %d", r.Connections(), n)
		}
		r.on(r.loops[0], func() {})
	}
}

func TestHandshakeAndPing(t *testing.T) {
	for loops, mask := range map[int]uint64{1: 0, 2: 1, 3: 3} {
		r := serve(t, func(c *Config) { c.Loops = loops })
		shards := map[uint64]int{}
		for range 4 * loops {
			s := r.dial()
			ping(t, s)
			shards[s.ID()&mask]++
		}
		if r.Connections() != 4*loops {
			t.Errorf("%d connections, want %d", r.Connections(), 4*loops)
		}
		if len(shards) != loops {
			t.Errorf("%d loops: the sessions are on shards %v", loops, shards)
		}
	}
}

// 500 clients at once, all of which live at the same time.
func TestManyConnections(t *testing.T) {
	const clients = 500
	r := serve(t, func(c *Config) { c.Loops = 2 })
	sessions := make([]*client.Session, clients)
	together := func(f func(i int)) {
		var wg sync.WaitGroup
		for i := range clients {
			wg.Go(func() { f(i) })
		}
		wg.Wait()
	}
	together(func(i int) {
		var err error
		if sessions[i], err = r.tryDial(); err != nil {
			t.Error(err)
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	if r.Connections() != clients {
		t.Errorf("%d connections, want %d", r.Connections(), clients)
	}
	together(func(i int) { ping(t, sessions[i]) })
	ids := map[uint64]bool{}
	for _, s := range sessions {
		ids[s.ID()] = true
	}
	if len(ids) != clients {
		t.Errorf("%d sessions have %d ids", clients, len(ids))
	}
	together(func(i int) {
		if err := sessions[i].Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	r.settled(0)
}

func TestOneByteAtATime(t *testing.T) {
	r := serve(t, nil)
	single := func(c *peer.Conn, _ string, raw []byte) error {
		for i := range raw {
			if err := c.WriteRaw(raw[i : i+1]); err != nil {
				return err
			}
		}
		return nil
	}
	p := r.scripted(r.connection(0), peer.Script{Write: single})
	d := p.Draft(uint8(wire.TypeHeartbeat), uint16(wire.FlagEncrypted), peer.HeartbeatBody(peer.Ping, []byte("slow")))
	if err := single(p.Conn, "PING", d.Encode()); err != nil {
		t.Fatal(err)
	}
	got, _, err := p.Expect(patience, func(f *peer.Received) bool { return f.Is(uint8(wire.TypeHeartbeat)) })
	if err != nil || !bytes.HasSuffix(got.Opened, []byte("slow")) {
		t.Errorf("the PING is not answered: %v", err)
	}
}

// A reset ends the session that it meets, wherever it comes, and no other.
func TestReset(t *testing.T) {
	r := serve(t, nil)
	other := r.dial()
	for _, part := range []int{0, 50, 96, 97} {
		conn := r.connection(0)
		p := r.scripted(conn, peer.Script{})
		raw := p.Draft(uint8(wire.TypeHeartbeat), uint16(wire.FlagEncrypted), peer.HeartbeatBody(peer.Ping, nil)).Encode()
		if err := p.WriteRaw(raw[:part]); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(conn.SetLinger(0), conn.Close()); err != nil {
			t.Fatal(err)
		}
		r.settled(1)
		ping(t, other)
	}
	half := r.connection(0) // before any byte
	if err := errors.Join(half.SetLinger(0), half.Close()); err != nil {
		t.Fatal(err)
	}
	ping(t, other)
	r.settled(1)
}

// What arrived before the end of the stream is answered; then the server ends
// the connection as well.
func TestHalfClose(t *testing.T) {
	r := serve(t, nil)
	p := r.scripted(r.connection(0), peer.Script{})
	if _, err := p.Send(uint8(wire.TypeHeartbeat), uint16(wire.FlagEncrypted), peer.HeartbeatBody(peer.Ping, []byte("last"))); err != nil {
		t.Fatal(err)
	}
	if err := p.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	frames, err := p.Drain(patience)
	if !errors.Is(err, io.EOF) || len(frames) != 1 || !bytes.HasSuffix(frames[0].Opened, []byte("last")) {
		t.Errorf("got %d frames and %v, want a PONG and the end", len(frames), err)
	}
	r.settled(0)
}

// A refusal arrives although the client goes on sending.
func TestRefusalArrives(t *testing.T) {
	r := serve(t, nil)
	conn := r.connection(0)
	p := peer.New(conn, peer.Target{}, peer.Options{Entropy: rand.Reader, Declares: everything, Wait: patience})
	h := p.HelloDefaults()
	h.Frame.Header.SetUint("version", 2)
	if err := p.SendHello(h); err != nil {
		t.Fatal(err)
	}
	_ = p.WriteRaw(make([]byte, 32<<10)) // within what is read and discarded
	frames, err := p.Drain(patience)
	if len(frames) != 1 || frames[0].Error() == nil || frames[0].Error().Code != uint16(wire.VersionUnsupported) {
		t.Errorf("got %d frames and %v", len(frames), err)
	}
	if !errors.Is(err, io.EOF) || r.Connections() != 1 {
		t.Errorf("the stream ends with %v and %d connections, want its end while the server goes on reading", err, r.Connections())
	}
	_ = conn.Close()
	r.settled(0)
}
