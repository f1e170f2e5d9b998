package client

import (
	"errors"
	"os"
	"runtime"
	"time"

	"github.com/bpci/xtmp/refimpl/session"
)

// Implementation constants.
const (
	readBuffer = 64 << 10    // B read from the connection at once
	lastRead   = time.Second // for reading on after a write has failed
	longSleep  = time.Hour   // of the writer
)

// kick wakes the writer. When the session is coming to its end it wakes it out
// of a write, too, that the server does not take. The caller holds the lock.
func (s *Session) kick() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
	if s.writing && s.core.State() >= session.Closing {
		s.writeBy = time.Unix(1, 0)
		_ = s.conn.SetWriteDeadline(s.writeBy)
	}
}

// read hands the core what arrives, until the connection ends.
func (s *Session) read() {
	buf := make([]byte, readBuffer)
	for {
		n, err := s.conn.Read(buf)
		s.mu.Lock()
		s.now = s.clock()
		if n > 0 {
			s.core.Receive(s.now, 0, buf[:n])
		}
		if err != nil {
			s.core.Lost(s.now, 0)
		}
		s.collect()
		if deadline, _ := s.core.Deadline(); deadline < s.wakeAt || s.core.HasOutput(0) || s.core.Fate(0) != session.Keep {
			s.kick()
		}
		secrets := s.secrets
		s.secrets = nil
		s.mu.Unlock()
		s.logSecrets(secrets)
		if err != nil {
			return
		}
	}
}

// write sends what the core has to send, in one write for all that waits, keeps
// the timers, and closes the connection when the core says so.
func (s *Session) write() {
	defer s.conn.Close() // nothing is left to lose
	alarm := alarm{timer: time.NewTimer(longSleep)}
	defer alarm.timer.Stop()
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
		alarm.set(wait)
		select {
		case <-s.wake:
			runtime.Gosched() // whoever is about to send joins this write
		case <-alarm.timer.C:
			alarm.at = time.Time{}
		}
	}
}

// alarm is a timer that is set as rarely as possible: one that rings too early
// does no harm, and most are never waited for.
type alarm struct {
	timer *time.Timer
	at    time.Time // when it rings; zero: it has
}

func (a *alarm) set(wait time.Duration) {
	at := time.Now().Add(wait)
	if a.at.IsZero() || at.Before(a.at) {
		a.timer.Reset(wait)
		a.at = at
	}
}

// advance moves the core on to now and takes its output into out, or none
// while earlier output waits to be written. It returns the fate of the
// connection and the time until something is due, at which a Write that follows
// gives up.
func (s *Session) advance(out []byte, take bool) ([]byte, session.Fate, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.clock()
	s.core.Advance(s.now)
	due := s.expire()
	if take {
		out = s.core.AppendOutput(s.now, 0, out[:0])
		if s.admit() && len(out) == 0 {
			out = s.core.AppendOutput(s.now, 0, out)
		}
	}
	s.collect()
	s.wakeAt, _ = s.core.Deadline()
	wait := max(0, min(s.wakeAt-s.now.Elapsed, due, longSleep))
	if s.writing = !take || len(out) > 0; s.writing {
		s.boundWrite(wait)
	}
	return out, s.core.Fate(0), wait
}

// boundWrite lets a Write give up after d, or before. The caller holds the lock.
func (s *Session) boundWrite(d time.Duration) {
	now := time.Now()
	by := now.Add(d)
	if s.writeBy.After(now) && !s.writeBy.After(by) {
		return // early does no harm, and setting it has a price
	}
	s.writeBy = by
	_ = s.conn.SetWriteDeadline(by)
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
		case session.EventRekeyed:
			if s.rekeyed != nil {
				close(s.rekeyed)
				s.rekeyed = nil
			}
		case session.EventPeerError:
		}
	}
}

// secret is a line for the key log.
type secret struct {
	label string
	id    uint64
	value []byte
}

// noteSecret keeps a secret until the lock is released.
func (s *Session) noteSecret(label string, id uint64, value []byte) {
	s.secrets = append(s.secrets, secret{label, id, append([]byte(nil), value...)})
}

func (s *Session) logSecrets(secrets []secret) {
	for _, l := range secrets {
		s.keyLog(l.label, l.id, l.value)
		clear(l.value)
	}
}
