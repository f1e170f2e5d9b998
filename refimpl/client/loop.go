package client

import (
	"time"

	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// longSleep is how long the keeper sleeps at most.
const longSleep = time.Hour

// keep keeps the timers of the session and its calls, until the session is over
// and no link is left.
func (s *Session) keep() {
	defer s.release()
	alarm := alarm{timer: time.NewTimer(longSleep)}
	defer alarm.timer.Stop()
	for {
		wait, over := s.advance()
		if over {
			return
		}
		alarm.set(wait)
		select {
		case <-s.due:
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

// advance moves the core on to now, ends calls whose time is up, and returns the
// time until something else is due. It reports true when all is over.
func (s *Session) advance() (wait time.Duration, over bool) {
	s.input(func() {
		s.core.Advance(s.now)
		if s.cut && len(s.links) == 0 {
			s.core.Close(s.now) // which ends a session without a path
		}
		s.wakeAt = 0 // settle need not remind who is here
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	due := s.expire()
	s.wakeAt, _ = s.core.Deadline()
	wait = max(0, min(s.wakeAt-s.now.Elapsed, due, longSleep))
	s.wakeAt = s.now.Elapsed + wait
	return wait, s.core.State() == session.Closed && len(s.links) == 0
}

// remind wakes the keeper.
func (s *Session) remind() {
	select {
	case s.due <- struct{}{}:
	default:
	}
}

// settle passes on what an input to the core, or an output, has changed. The caller
// holds the lock.
func (s *Session) settle() {
	s.collect()
	for _, l := range s.links {
		switch fate := s.core.Fate(l.id); {
		case fate == session.Shut:
			l.shut()
		case fate == session.Drain && !l.draining, s.core.HasOutput(l.id):
			l.draining = fate == session.Drain
			l.rouse()
		}
	}
	if at, _ := s.core.Deadline(); at < s.wakeAt {
		s.remind()
	}
}

// kick wakes the writers that have something to do. The caller holds the lock.
func (s *Session) kick() {
	for _, l := range s.links {
		if s.core.HasOutput(l.id) {
			l.rouse()
		}
	}
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
			if !s.race.won(s) { // nothing more is sent [XTMP-UDP-068]
				s.forsake()
				continue
			}
			s.identity = e.Identity
			s.noteEndpoints(e.Endpoints)
			close(s.established)
		case session.EventPong:
			s.answer(e.Token)
		case session.EventClosed:
			close(s.ended)
			s.remind()
		case session.EventRekeyed:
			if s.rekeyed != nil {
				close(s.rekeyed)
				s.rekeyed = nil
			}
		case session.EventPathWanted:
			s.attach(e.Transport, e.Standby)
		case session.EventAddressToken:
			s.tokens.put(s.address, s.identity.Fingerprint, [wire.TokenSize]byte(e.AddressToken), s.core.Quality(0).Smoothed)
		case session.EventPeerError, session.EventAttached, session.EventMoved, session.EventPathless, session.EventResumed:
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
	s.logging.Lock()
	defer s.logging.Unlock()
	for _, l := range secrets {
		s.keyLog(l.label, l.id, l.value)
		clear(l.value)
	}
}
