package client

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/trace"
	"github.com/bpci/xtmp/refimpl/wire"
)

func TestSession(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := connect(t, nil)
		id := identity(t, 1)
		if s.ID() != 4711 {
			t.Errorf("ID is %d", s.ID())
		}
		if got := s.Identity(); got.Fingerprint != id.Fingerprint() || got.Kind != 1 || string(got.Key) != string(id.Key()) {
			t.Errorf("Identity is %+v", got)
		}
		if s.Err() != nil {
			t.Errorf("Err of a live session is %v", s.Err())
		}
		if rtt, err := s.Ping(t.Context()); err != nil || rtt != 0 {
			t.Errorf("Ping took %v, %v; the pipe takes no time", rtt, err)
		}
		select {
		case <-s.Done():
			t.Error("Done while the session lives")
		default:
		}
		closeInOrder(t, s, p)
		<-s.Done()
		if !errors.Is(s.Err(), ErrClosed) {
			t.Errorf("Err after Close is %v", s.Err())
		}
		if _, err := s.Ping(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("Ping after Close: %v", err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Errorf("a second Close: %v", err)
		}
	})
}

// A client trusts whoever it meets where its user said so, and says whom.
func TestTrustNew(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := connect(t, func(c *Config, _ *session.Config) { c.Pins, c.TrustNew = nil, true })
		if got, want := s.Identity().Fingerprint, identity(t, 1).Fingerprint(); got != want {
			t.Errorf("met %v, want %v", got, want)
		}
		closeInOrder(t, s, p)
	})
}

func TestPingsShareAPong(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := connect(t, nil)
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				if _, err := s.Ping(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := s.waiting(); n != 0 {
			t.Errorf("%d calls are still noted", n)
		}
		closeInOrder(t, s, p)
	})
}

// A call that gave up leaves nothing behind, however often it happens.
func TestPingGivesUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := connect(t, nil)
		p.do(func(session.Now, *session.Session) { p.mute = true })
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			start := time.Now()
			_, err := s.Ping(ctx)
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
				t.Errorf("Ping without PONG: %v after %v", err, time.Since(start))
			}
		}
		if n := s.waiting(); n != 0 {
			t.Errorf("%d calls are still noted", n)
		}
		p.do(func(session.Now, *session.Session) { p.mute = false })
		synctest.Wait()
		closeInOrder(t, s, p)
	})
}

func TestPingEndsWithTheSession(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := connect(t, nil)
		p.do(func(session.Now, *session.Session) { p.mute = true })
		errs := make(chan error, 1)
		go func() {
			_, err := s.Ping(t.Context())
			errs <- err
		}()
		synctest.Wait()
		_ = p.conn.Close()
		if err := <-errs; !errors.Is(err, ErrTruncated) || !strings.HasPrefix(err.Error(), "xtmp: ping: ConnectionFailed: ") {
			t.Errorf("Ping: %v", err)
		}
		<-s.Done()
		<-p.done
	})
}

// frames collects what a side received, as message types; those without meaning,
// which a client sends now and then, do not count.
type frames struct {
	mu    sync.Mutex
	types []wire.MessageType
}

func (f *frames) hook(e trace.Event) {
	if e.Kind == trace.FrameReceived && !wire.MessageType(e.Type).Extension() {
		f.mu.Lock()
		f.types = append(f.types, wire.MessageType(e.Type))
		f.mu.Unlock()
	}
}

// take returns what was received since it was last asked.
func (f *frames) take() []wire.MessageType {
	f.mu.Lock()
	defer f.mu.Unlock()
	types := f.types
	f.types = nil
	return types
}

// waiting counts the calls of Ping that are noted.
func (s *Session) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pings)
}

// Close acknowledges HandshakeDone, which waits for T_ACK otherwise, and then
// says Disconnect.
func TestCloseAcknowledges(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var got frames
		s, p := connect(t, func(_ *Config, srv *session.Config) { srv.Trace = got.hook })
		synctest.Wait() // HandshakeDone has arrived
		start := time.Now()
		closeInOrder(t, s, p)
		if time.Since(start) != 0 {
			t.Errorf("Close took %v and had nothing to wait for", time.Since(start))
		}
		if types := got.take(); len(types) != 2 || types[0] != wire.TypeAck || types[1] != wire.TypeDisconnect {
			t.Errorf("the server received %v, want Ack and Disconnect", types)
		}
	})
}

func TestAckOfHandshakeDone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var got frames
		s, p := connect(t, func(_ *Config, srv *session.Config) { srv.Trace = got.hook })
		time.Sleep(24 * time.Millisecond)
		synctest.Wait()
		if types := got.take(); len(types) != 0 {
			t.Errorf("after 24 ms the server has received %v", types)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if types := got.take(); len(types) != 1 || types[0] != wire.TypeAck {
			t.Errorf("after 25 ms the server has received %v, want an Ack", types)
		}
		closeInOrder(t, s, p)
	})
}

// With a context that has ended, Close does not wait; the connection is cut.
func TestCloseWithEndedContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := connect(t, nil)
		wakeUp := p.sleep(0)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("no time"))
		start := time.Now()
		if err := s.Close(ctx); err == nil || err.Error() != "xtmp: closing: no time" {
			t.Errorf("Close: %v", err)
		}
		if time.Since(start) != 0 {
			t.Errorf("Close took %v", time.Since(start))
		}
		if err := s.Err(); err == nil || err.Error() != "no time" {
			t.Errorf("Err is %v", err)
		}
		<-s.Done()
		wakeUp()
	})
}

// A server that takes nothing cannot hold up Close beyond twice T_CLOSE: until
// Disconnect is due, and until it is given up.
func TestCloseOfABlockedConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := connect(t, nil)
		synctest.Wait()
		wakeUp := p.sleep(20)        // a part of the next frame
		time.Sleep(31 * time.Second) // a PING is stuck
		start := time.Now()
		_ = s.Close(context.WithoutCancel(t.Context()))
		if took := time.Since(start); took == 0 || took > 11*time.Second {
			t.Errorf("Close took %v", took)
		}
		wakeUp()
	})
}

// Nor can it keep the session from noticing that it is silent.
func TestIdleOfABlockedConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		start := time.Now()
		s, p := connect(t, nil)
		synctest.Wait()
		wakeUp := p.sleep(20)
		<-s.Done()
		if took := time.Since(start); !errors.Is(s.Err(), ErrIdle) || took != 300*time.Second {
			t.Errorf("after %v: %v", took, s.Err())
		}
		wakeUp()
	})
}

// A write that was held up goes on where it stopped: no byte is lost or sent
// twice.
func TestBlockedWriteGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := connect(t, nil)
		synctest.Wait()
		p.conn.in.freeze(true, 20)
		time.Sleep(100 * time.Second) // Ack and PINGs wait; deadlines pass within the write
		p.conn.in.freeze(false, 64<<10)
		if _, err := s.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		closeInOrder(t, s, p)
	})
}

func TestServerSaysDisconnect(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := connect(t, nil)
		time.Sleep(time.Second)
		p.do(func(now session.Now, s *session.Session) { s.Close(now) })
		<-s.Done()
		if !errors.Is(s.Err(), ErrClosed) {
			t.Errorf("Err is %v", s.Err())
		}
		if err := s.Close(t.Context()); err != nil {
			t.Errorf("Close after the server's Disconnect: %v", err)
		}
		<-p.done
	})
}

// A code that the server gives reaches the caller, with its class.
func TestServerEndsByError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := connect(t, func(c *Config, srv *session.Config) { srv.KeyRotationInterval = time.Second })
		// After seven times key_rotation_interval either side ends the session.
		<-s.Done()
		var coded *Error
		if !errors.As(s.Err(), &coded) || coded.Code != wire.SessionExpired {
			t.Fatalf("Err is %v", s.Err())
		}
		if got := Class(s.Err()); got != "SessionExpired" {
			t.Errorf("Class is %s", got)
		}
		if err := s.Close(t.Context()); !errors.As(err, &coded) || !strings.HasPrefix(err.Error(), "xtmp: closing: SessionExpired: ") {
			t.Errorf("Close: %v", err)
		}
		<-p.done
	})
}

// After 30 s without sending, a PING goes out.
func TestHeartbeat(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var got frames
		s, p := connect(t, func(_ *Config, srv *session.Config) { srv.Trace = got.hook })
		time.Sleep(time.Second) // the Ack of HandshakeDone went out after 25 ms
		got.take()
		time.Sleep(29*time.Second + 24*time.Millisecond)
		synctest.Wait()
		if types := got.take(); len(types) != 0 {
			t.Errorf("before 30 s the server has received %v", types)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if types := got.take(); len(types) != 1 || types[0] != wire.TypeHeartbeat {
			t.Errorf("after 30 s the server has received %v, want a PING", types)
		}
		time.Sleep(10 * time.Minute)
		if s.Err() != nil {
			t.Errorf("an idle session ended: %v", s.Err())
		}
		closeInOrder(t, s, p)
	})
}

func TestHeartbeatInterval(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var got frames
		s, p := connect(t, func(c *Config, srv *session.Config) { srv.Trace, c.HeartbeatInterval = got.hook, time.Second })
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if types := got.take(); len(types) != 10 { // the Ack, then nine PINGs
			t.Errorf("in 10 s the server received %d frames: %v", len(types), types)
		}
		closeInOrder(t, s, p)
	})
}

func TestServerGoesSilent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := connect(t, nil)
		time.Sleep(time.Second)
		p.do(func(session.Now, *session.Session) { p.mute = true })
		start := time.Now()
		<-s.Done()
		if took := time.Since(start); !errors.Is(s.Err(), ErrIdle) || took < 299*time.Second || took > 301*time.Second {
			t.Errorf("after %v: %v", took, s.Err())
		}
		<-p.done
	})
}

// What the server said before it reset the connection is believed.
func TestLastWordBeforeReset(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := connect(t, nil)
		time.Sleep(time.Second)
		near := s.links[0].carrier.(connection).Conn.(*pipeConn)
		near.in.mu.Lock() // the client's reader sees nothing until both have happened
		p.mu.Lock()
		now := p.clock()
		p.core.Close(now)
		last := p.core.AppendOutput(now, 0, nil)
		p.mu.Unlock()
		near.in.buf = append(near.in.buf, last...)
		near.in.mu.Unlock()
		near.out.fail(errReset)
		_, _ = s.Ping(t.Context()) // the write fails
		<-s.Done()
		if !errors.Is(s.Err(), ErrClosed) {
			t.Errorf("Err is %v, want the Disconnect that was read", s.Err())
		}
		_ = p.conn.Close()
		<-p.done
	})
}

func TestResetInASession(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := connect(t, nil)
		p.conn.Reset()
		<-s.Done()
		if !errors.Is(s.Err(), ErrTruncated) || Class(s.Err()) != "ConnectionFailed" {
			t.Errorf("Err is %v", s.Err())
		}
		if err := s.Close(t.Context()); !errors.Is(err, ErrTruncated) {
			t.Errorf("Close of a lost session: %v", err)
		}
		<-p.done
	})
}

// A server that does not end its side is not waited for beyond T_LINGER.
func TestServerStaysAfterClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := connect(t, nil)
		time.Sleep(time.Second)
		wakeUp := p.sleep(64 << 10)
		start := time.Now()
		closed := make(chan error)
		go func() { closed <- s.Close(t.Context()) }()
		synctest.Wait()
		p.conn.in.mu.Lock()
		half := errors.Is(p.conn.in.ended, io.EOF)
		p.conn.in.mu.Unlock()
		p.conn.out.mu.Lock()
		if !half || p.conn.out.closed {
			t.Error("the client has not ended its half of the connection, or both")
		}
		p.conn.out.mu.Unlock()
		if err := <-closed; err != nil {
			t.Errorf("Close: %v", err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("Close took %v, want T_LINGER", took)
		}
		wakeUp()
	})
}

// The client refuses what the server may not do, and says so.
func TestViolation(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := connect(t, nil)
		time.Sleep(time.Second)
		near := s.links[0].carrier.(connection).Conn.(*pipeConn)
		near.in.mu.Lock()
		near.in.buf = binary.BigEndian.AppendUint32(near.in.buf, wire.Magic)
		near.in.buf = append(near.in.buf, make([]byte, 92)...) // version 0
		near.in.change.Broadcast()
		near.in.mu.Unlock()
		<-s.Done()
		if !errors.Is(s.Err(), ErrBadFrame) || Class(s.Err()) != "InvalidMessageFormat" {
			t.Errorf("Err is %v", s.Err())
		}
		<-p.done
	})
}
