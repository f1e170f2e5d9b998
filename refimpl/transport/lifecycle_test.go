//go:build linux

package transport

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/refimpl/client"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// A shutdown tells every client, on every loop.
func TestShutdown(t *testing.T) {
	r := serve(t, func(c *Config) { c.Loops = 2 })
	var sessions []*client.Session
	for range 20 {
		s := r.dial()
		ping(t, s) // the server has established it, too
		sessions = append(sessions, s)
	}
	silent := r.connection(0) // half-open
	r.cancel()
	for _, s := range sessions {
		<-s.Done()
		if !errors.Is(s.Err(), client.ErrClosed) {
			t.Errorf("a client learned %v, want Disconnect", s.Err())
		}
	}
	if err := silent.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if n, err := silent.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, syscall.ETIMEDOUT) {
		t.Errorf("a half-open connection gets %d bytes, %v", n, err)
	}
}

// While the last sessions end, newcomers are refused by the system and do not
// wait for a server that is gone.
func TestShutdownRefusesAtOnce(t *testing.T) {
	r := serve(t, nil)
	told := r.dial()
	ping(t, told)
	conn := r.connection(0)
	p := r.scripted(conn, peer.Script{NoAck: true}) // for its Ack the server waits
	r.cancel()
	<-told.Done()
	if _, err := net.Dial("tcp", r.Addr().String()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("during the shutdown: %v", err)
	}
	// The session that is left still gets answers, requests a refusal.
	if _, err := p.Ping([]byte("still there")); err != nil {
		t.Errorf("while draining: %v", err)
	}
	d, err := p.Request(0x06, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := p.ExpectReply(d.Mid(), patience); err != nil || got.Error() == nil || got.Error().Code != uint16(wire.ServerBusy) {
		t.Errorf("a request while draining: %v", err)
	}
	if err := p.Ack(); err != nil {
		t.Fatal(err)
	}
	frames, err := p.Drain(patience)
	if !errors.Is(err, io.EOF) || len(frames) == 0 || !frames[len(frames)-1].Is(uint8(wire.TypeDisconnect)) {
		t.Errorf("after the Ack: %d frames, %v; want Disconnect and the end", len(frames), err)
	}
	_ = conn.Close()
}

// A context that has ended before is a shutdown like any other.
func TestServeWithEndedContext(t *testing.T) {
	cfg, err := testConfig()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Loops = 3
	before := descriptors(t)
	s, err := Listen(t.Context(), "127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Serve(ctx); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if after := descriptors(t); len(after) != len(before) {
		t.Errorf("descriptors before: %s; after: %s", before, after)
	}
	if err := s.Serve(t.Context()); err == nil {
		t.Error("a second Serve is taken")
	}
}

// A loop that fails ends the others in order, and the failure is reported.
func TestLoopFails(t *testing.T) {
	cfg, err := testConfig()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Loops = 2
	s, err := Listen(t.Context(), "127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Close(s.loops[1].poll); err != nil {
		t.Fatal(err)
	}
	s.loops[1].poll = -1
	if err := s.Serve(t.Context()); !errors.Is(err, syscall.EBADF) {
		t.Errorf("Serve: %v", err)
	}
}

// A connection that is dealt to a loop after its end is closed.
func TestLateConnection(t *testing.T) {
	for _, ran := range []bool{false, true} {
		cfg, err := testConfig()
		if err != nil {
			t.Fatal(err)
		}
		s, err := Listen(t.Context(), "127.0.0.1:0", cfg)
		if err != nil {
			t.Fatal(err)
		}
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		l := s.loops[0]
		if ran {
			l.post(l.shutdown)
			if err := l.run(); err != nil {
				t.Fatal(err)
			}
		}
		l.open.Add(1)
		l.post(func(now session.Now) { l.adopt(now, pair[1], netip.MustParseAddr("192.0.2.1")) })
		s.close()
		if n, err := unix.Read(pair[0], make([]byte, 1)); n != 0 || err != nil {
			t.Errorf("the other end reads %d, %v, want the end of the stream", n, err)
		}
		if err := unix.Close(pair[0]); err != nil {
			t.Error(err)
		}
	}
}

// Beyond MaxConnections a handshake is refused with a reason, until there is
// room again.
func TestMaxConnections(t *testing.T) {
	r := serve(t, func(c *Config) { c.MaxConnections, c.Loops = 2, 2 })
	first, second := r.dial(), r.dial()
	for range 3 {
		_, err := r.tryDial()
		var coded *client.Error
		if !errors.As(err, &coded) || coded.Code != wire.ServerBusy || !coded.Peer || !coded.Clear {
			t.Fatalf("the third connection: %v, want SERVER_BUSY", err)
		}
	}
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.settled(1)
	ping(t, r.dial())
	ping(t, second)
}

// Far beyond it, connections are cut as they arrive, with a word in the log.
func TestFarTooManyConnections(t *testing.T) {
	var log lines
	r := serve(t, func(c *Config) { c.MaxConnections, c.Log = 1, slog.New(slog.NewTextHandler(&log, nil)) })
	for range 1 + refusalRoom {
		r.connection(0)
	}
	r.settled(1 + refusalRoom)
	for range 3 {
		conn := r.connection(0)
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("one too many reads %v", err)
		}
	}
	if n := strings.Count(log.String(), "connections are cut"); n != 1 || !strings.Contains(log.String(), "max_connections is reached") {
		t.Errorf("the log has %d warnings:\n%s", n, log.String())
	}
}

// One source that opens connections and says nothing does not keep others out.
func TestOneSourceOnly(t *testing.T) {
	r := serve(t, func(c *Config) {
		c.MaxConnections, c.Limits.HalfOpen, c.Limits.HalfOpenPerSource = 20, 20, 2
	})
	silent := make([]net.Conn, 8)
	for i := range silent {
		silent[i] = r.connection(0)
	}
	r.settled(8)
	other := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	for i := range 12 {
		conn, err := other.DialContext(t.Context(), "tcp", r.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if i < 8 {
			continue
		}
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("connection %d of a source that says nothing reads %v", i+1, err)
		}
	}
	r.settled(16)
	third, err := r.tryDialFrom("127.0.0.3:0")
	if err != nil {
		t.Fatal(err)
	}
	ping(t, third)
	for _, conn := range silent {
		_ = conn.Close()
	}
	r.settled(9)
	ping(t, r.dial()) // what a source has closed does not count
	_ = third.Close(t.Context())
}

// lines is a log that may be read while it is written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestSource(t *testing.T) {
	for _, test := range []struct {
		a    unix.Sockaddr
		want string
	}{
		{&unix.SockaddrInet4{Addr: [4]byte{192, 0, 2, 1}}, "192.0.2.1"},
		{&unix.SockaddrInet6{Addr: [16]byte{10: 0xff, 11: 0xff, 12: 192, 14: 2, 15: 1}}, "192.0.2.1"},
		{&unix.SockaddrInet6{Addr: [16]byte{0: 0x20, 1: 0x01, 15: 1}}, "2001::1"},
		{&unix.SockaddrUnix{}, "invalid IP"},
	} {
		if got := source(test.a).String(); got != test.want {
			t.Errorf("%#v is %s, want %s", test.a, got, test.want)
		}
	}
}

func TestListenRefused(t *testing.T) {
	cfg, err := testConfig()
	if err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	before := descriptors(t)
	if _, err := Listen(t.Context(), taken.Addr().String(), cfg); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a taken address: %v", err)
	}
	cfg.Loops = 257
	if _, err := Listen(t.Context(), "127.0.0.1:0", cfg); err == nil {
		t.Error("257 loops are taken")
	}
	cfg.Loops = 2
	cfg.Session.Server.Identities = nil
	if _, err := Listen(t.Context(), "127.0.0.1:0", cfg); err == nil {
		t.Error("a configuration without identity is taken")
	}
	if after := descriptors(t); len(after) != len(before) {
		t.Errorf("descriptors before: %s; after: %s", before, after)
	}
}

// What the configuration says of sockets reaches the kernel.
func TestSocketOptions(t *testing.T) {
	for _, set := range []bool{true, false} {
		r := serve(t, func(c *Config) {
			if c.NoKeepAlive = !set; !set {
				c.UDPBuffer = 65536
			}
		})
		s := r.dial()
		ping(t, s)
		type options struct{ keepAlive, buffer int }
		seen := make(chan options, 1)
		l := r.loops[0]
		l.post(func(session.Now) {
			var o options
			for _, c := range l.conns {
				if c != nil {
					o.keepAlive, _ = unix.GetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE)
				}
			}
			o.buffer, _ = unix.GetsockoptInt(l.udp.socket.FD(), unix.SOL_SOCKET, unix.SO_RCVBUF)
			seen <- o
		})
		o := <-seen
		if (o.keepAlive == 1) != set {
			t.Errorf("keep-alive is %d, want %v", o.keepAlive, set)
		}
		if set && o.buffer < 65536 || !set && o.buffer != 2*65536 { // the kernel counts its own part
			t.Errorf("the buffer has %d B", o.buffer)
		}
	}
}
