//go:build linux

package transport

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/refimpl/clock"
	"github.com/bpci/xtmp/refimpl/wire"
)

// only is the one connection of a server with one loop; nil if it is gone. It is
// called on the loop.
func (l *loop) only() *conn {
	for _, c := range l.conns {
		if c != nil {
			return c
		}
	}
	return nil
}

// until waits until f, which is called on the loop, is true.
func (r *running) until(what string, f func(l *loop) bool) {
	r.t.Helper()
	end := time.Now().Add(patience)
	for done := false; !done; r.on(r.loops[0], func() { done = f(r.loops[0]) }) {
		if time.Now().After(end) {
			r.t.Fatalf("it does not come to it that %s", what)
		}
	}
}

// stuck is a connection whose last frame, an Error, no socket has taken, since the
// peer has not read filling bytes before it.
type stuck struct {
	*running
	conn    *net.UnixConn
	peer    *peer.Session
	filling int
}

func newStuck(t *testing.T) *stuck {
	t.Helper()
	s := &stuck{running: serve(t, nil)}
	// A pair of sockets moves nothing on by itself, as TCP does for a while.
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(pair[0]), "client")
	conn, err := net.FileConn(file)
	if err = errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	s.conn = conn.(*net.UnixConn)
	t.Cleanup(func() { _ = s.conn.Close() })
	s.on(s.loops[0], func() {
		source := netip.MustParseAddr("127.0.0.1")
		s.loops[0].open.Add(1)
		s.admission.arrive(source)
		s.loops[0].adopt(clock.Now(), pair[1], source)
	})
	s.peer = s.scripted(s.conn, peer.Script{NoPong: true})
	if err := s.squeeze(); err != nil {
		t.Fatal(err)
	}
	malformed := s.peer.Draft(uint8(wire.TypeHeartbeat), uint16(wire.FlagEncrypted), nil).Encode()
	s.on(s.loops[0], func() { // in one wake-up, before the system moves bytes on
		l := s.loops[0]
		for err := error(nil); err == nil; {
			var n int
			if n, err = unix.Write(int(l.only().fd), make([]byte, 512)); err == nil {
				s.filling += n
			}
		}
		l.endpoint.Receive(clock.Now(), l.only().id, malformed)
	})
	s.until("the last frame waits", func(l *loop) bool { return l.only() == nil || l.only().last != nil })
	if s.Connections() != 1 {
		t.Fatal("the socket has taken the last frame")
	}
	return s
}

// arrives reads what the server sends: the filling, the Error, and the end.
func (s *stuck) arrives() {
	s.t.Helper()
	if err := s.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		s.t.Fatal(err)
	}
	got, err := io.ReadAll(s.conn)
	if err != nil || len(got) <= s.filling || got[s.filling+5] != byte(wire.TypeError) {
		s.t.Errorf("%d bytes of filling, then %x, %v; want an Error and the end", s.filling, got[min(len(got), s.filling):], err)
	}
}

// untilHeld waits until T_LINGER has passed for the session.
func (s *stuck) untilHeld() {
	s.t.Helper()
	s.until("the session is over", func(l *loop) bool { return l.only() == nil || l.only().last.held })
	if s.Connections() != 1 {
		s.t.Fatal("the connection is closed before its last frame is taken")
	}
}

// A last frame that the socket takes late is not lost: T_LINGER begins then.
func TestLastFrameTakenLate(t *testing.T) {
	s := newStuck(t)
	s.untilHeld()
	if err := s.peer.WriteRaw(bytes.Repeat([]byte{1}, 4*lingerBytes)); err != nil { // read and discarded meanwhile
		t.Fatal(err)
	}
	s.arrives()
	if s.Connections() != 1 {
		t.Error("the server does not linger")
	}
	_ = s.conn.Close()
	s.settled(0)
}

// A peer that sends no more still gets it.
func TestLastFrameAfterHalfClose(t *testing.T) {
	s := newStuck(t)
	if err := s.conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	s.until("the end of the stream is noticed", func(l *loop) bool { return l.only() == nil || l.only().last.eof })
	s.arrives()
	s.settled(0)
}

// A peer that does not read is waited for no longer than T_CLOSE.
func TestLastFrameNeverTaken(t *testing.T) {
	s := newStuck(t)
	s.untilHeld()
	s.on(s.loops[0], func() {
		c := s.loops[0].only()
		if wait := c.last.until - clock.Now().Elapsed; wait <= 0 || wait > closeTimeout {
			t.Errorf("the wait ends in %v", wait)
		}
		c.last.until = 1 // long ago
	})
	s.settled(0)
}

// Nobody may go on sending for ever.
func TestTooMuchBehindLastFrame(t *testing.T) {
	s := newStuck(t)
	s.arrives()
	var err error
	for i := 0; err == nil && i < 1000; i++ {
		err = s.peer.WriteRaw(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("sending on ends with %v", err)
	}
	s.settled(0)
}
