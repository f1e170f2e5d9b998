package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/bpci/xtmp/refimpl/clock"
	"github.com/bpci/xtmp/refimpl/session"
)

// Implementation constants.
const (
	readBuffer = 64 << 10    // B read from the connection at once
	lastRead   = time.Second // for reading on after a write has failed
)

// Session is an established session with a server.
type Session struct {
	conn        net.Conn
	clock       func() session.Now
	wake        chan struct{} // capacity 1: the writer has something to do
	established chan struct{} // closed when the server has proved itself
	done        chan struct{} // closed when both goroutines have ended
	ended       chan struct{} // closed when the core has ended

	mu       sync.Mutex
	core     *session.Session
	identity session.Identity
	pings    []ping
	writing  bool  // the writer is in a Write, or about to be
	cause    error // why the caller gave up, before any reason of the core
}

// ping is a call of Ping that waits for its PONG.
type ping struct {
	token uint64
	pong  chan struct{}
}

func newSession(conn net.Conn, cfg *session.Config, now func() session.Now) *Session {
	if now == nil {
		now = clock.Now
	}
	return &Session{
		conn: conn, clock: now, core: session.NewClient(cfg),
		wake: make(chan struct{}, 1), established: make(chan struct{}), done: make(chan struct{}), ended: make(chan struct{}),
	}
}

// start sends ClientHello and starts the goroutines.
func (s *Session) start() error {
	if err := s.core.Open(s.clock()); err != nil {
		return err
	}
	var both sync.WaitGroup
	both.Go(s.read)
	both.Go(s.write)
	go func() {
		both.Wait()
		close(s.done)
	}()
	return nil
}

// ID returns the session_id.
func (s *Session) ID() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.core.ID()
}

// Identity returns what the server has proved to be.
func (s *Session) Identity() Identity {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.identity
}

// Done returns a channel that is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err returns why the session ended: nil while it lives, ErrClosed after an
// orderly end.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause != nil {
		return s.cause
	}
	return s.core.Err()
}

// Ping sends a PING and waits for its PONG. It returns the round-trip time, or
// the error of ctx or of the session.
func (s *Session) Ping(ctx context.Context) (time.Duration, error) {
	start := s.clock().Elapsed
	s.mu.Lock()
	token, ok := s.core.Ping()
	if !ok {
		err := s.core.Err()
		s.mu.Unlock()
		if err == nil {
			err = ErrClosed
		}
		return 0, fmt.Errorf("xtmp: ping: %w", err)
	}
	p := ping{token: token, pong: make(chan struct{})}
	s.pings = append(s.pings, p)
	s.kick()
	s.mu.Unlock()
	select {
	case <-p.pong:
	case <-s.ended:
		if !s.forget(p) {
			break
		}
		return 0, fmt.Errorf("xtmp: ping: %w", s.Err())
	case <-ctx.Done():
		if !s.forget(p) {
			break
		}
		return 0, fmt.Errorf("xtmp: ping: %w", context.Cause(ctx))
	}
	return s.clock().Elapsed - start, nil
}

// forget stops waiting for a PONG. It reports false if the PONG is there.
func (s *Session) forget(p ping) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.pings)
	s.pings = slices.DeleteFunc(s.pings, func(q ping) bool { return q.token == p.token })
	return len(s.pings) < n
}

// Close ends the session in order: it acknowledges what it holds, waits up to
// five seconds for what it is owed, says Disconnect and closes the connection.
// If ctx ends first the connection is cut. Close returns nil after an orderly
// end, also one that the server began.
func (s *Session) Close(ctx context.Context) error {
	s.mu.Lock()
	s.core.Close(s.clock())
	s.kick()
	s.mu.Unlock()
	select {
	case <-s.done:
	case <-ctx.Done():
		s.abandon(context.Cause(ctx))
	}
	if err := s.Err(); !errors.Is(err, ErrClosed) {
		return fmt.Errorf("xtmp: closing: %w", err)
	}
	return nil
}

// abandon cuts the connection for a reason of the caller's and waits for the
// goroutines.
func (s *Session) abandon(why error) {
	s.mu.Lock()
	if s.core.Err() == nil || s.writing { // a Disconnect that is stuck is none
		s.cause = why
	}
	s.mu.Unlock()
	_ = s.conn.Close()
	<-s.done
}

// kick wakes the writer. When the session is coming to its end it wakes it out
// of a write, too, that the server does not take. The caller holds the lock.
func (s *Session) kick() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
	if s.writing && s.core.State() >= session.Closing {
		_ = s.conn.SetWriteDeadline(time.Unix(1, 0))
	}
}

// read hands the core what arrives, until the connection ends.
func (s *Session) read() {
	buf := make([]byte, readBuffer)
	for {
		n, err := s.conn.Read(buf)
		s.mu.Lock()
		if n > 0 {
			s.core.Receive(s.clock(), 0, buf[:n])
		}
		if err != nil {
			s.core.Lost(s.clock(), 0)
		}
		s.collect()
		s.kick()
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// write sends what the core has to send, keeps its timers, and closes the
// connection when the core says so.
func (s *Session) write() {
	defer s.conn.Close() // nothing is left to lose
	timer := time.NewTimer(0)
	defer timer.Stop()
	var out, rest []byte // a buffer, and what of it is not written
	var fate session.Fate
	var wait time.Duration
	halfClosed, broken := false, false
	for {
		if len(rest) == 0 {
			out, fate, wait = s.advance(out, true)
			rest = out
		} else {
			_, fate, wait = s.advance(nil, false)
		}
		switch {
		case fate == session.Shut:
			return
		case broken:
			rest = nil // nobody takes it
		case len(rest) > 0:
			n, err := s.conn.Write(rest)
			rest = rest[n:]
			if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				// What the server said before it went away is still read.
				broken, rest = true, nil
				_ = s.conn.SetReadDeadline(time.Now().Add(lastRead))
			}
			continue
		case fate == session.Drain && !halfClosed:
			halfClosed = true
			if half, ok := s.conn.(interface{ CloseWrite() error }); ok {
				_ = half.CloseWrite()
			}
		}
		timer.Reset(wait)
		select {
		case <-s.wake:
		case <-timer.C:
		}
	}
}

// advance moves the core on to now and takes its output into out, or none
// while earlier output waits to be written. It returns the fate of the
// connection and the time until the core's next deadline, at which a Write
// that follows gives up.
func (s *Session) advance(out []byte, take bool) ([]byte, session.Fate, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock()
	s.core.Advance(now)
	if take {
		out = s.core.AppendOutput(now, 0, out[:0])
	}
	s.collect()
	deadline, _ := s.core.Deadline()
	wait := max(0, min(deadline-now.Elapsed, time.Hour))
	if s.writing = !take || len(out) > 0; s.writing {
		_ = s.conn.SetWriteDeadline(time.Now().Add(wait))
	}
	return out, s.core.Fate(0), wait
}

// collect takes the core's events. The caller holds the lock.
func (s *Session) collect() {
	for {
		e, ok := s.core.NextEvent()
		if !ok {
			return
		}
		switch e.Kind {
		case session.EventEstablished:
			s.identity = e.Identity
			close(s.established)
		case session.EventPong:
			s.answer(e.Token)
		case session.EventClosed:
			close(s.ended)
		case session.EventPeerError, session.EventRekeyed:
		}
	}
}

// answer ends every Ping up to token: the server may answer the newest only.
func (s *Session) answer(token uint64) {
	waiting := s.pings[:0]
	for _, p := range s.pings {
		if p.token <= token {
			close(p.pong)
		} else {
			waiting = append(waiting, p)
		}
	}
	clear(s.pings[len(waiting):])
	s.pings = waiting
}
