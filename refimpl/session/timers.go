package session

import (
	"time"

	"github.com/bpci/xtmp/refimpl/wire"
)

// never is a deadline that does not come.
const never = time.Duration(1<<63 - 1)

// rotationMax stands for every longer key_rotation_interval, so that T_AGE can be
// added to a reading of the clock: 21 years.
const rotationMax = never / (2 * ageFactor)

// Deadline returns when Advance has something to do, as a monotonic reading;
// false if it never has.
func (s *Session) Deadline() (time.Duration, bool) {
	d := never
	for _, p := range s.paths {
		if p != nil {
			d = min(d, s.pathDeadline(p))
		}
	}
	switch s.state {
	case Established:
		d = min(d, s.endsAt)
	case Closing:
		d = min(d, s.closingSince+closeTimeout)
	case Idle, Start, Hello, Half, Closed:
	}
	return d, d != never
}

func (s *Session) pathDeadline(p *Path) time.Duration {
	switch {
	case p.state == PathShut:
		return never
	case p.state == PathDrain && !p.taken:
		return p.drainAt + closeTimeout
	case p.state == PathDrain:
		return p.drainAt + lingerTimeout
	case s.state == Start && s.delayed != nil:
		return min(p.openedAt+handshakeTimeout, s.delayed.due)
	case s.state == Start || s.state == Half:
		return p.openedAt + handshakeTimeout
	case s.state == Hello:
		return p.openedAt + s.cfg.Client.ConnectTimeout
	}
	d := p.receivedAt + s.idleTimeout
	if s.resting() {
		return min(d, s.pingAt(p), s.rekeyDue(p))
	}
	if p.split.Pending() > 0 {
		d = min(d, p.frameAt+frameTimeout)
	}
	if p.ackCount > 0 && !p.ackLate {
		d = min(d, p.ackSince+ackDelay)
	}
	if s.state == Established && !s.ping.wanted {
		d = min(d, s.pingAt(p))
	}
	return min(d, s.staleAt(), s.rekeyDue(p))
}

// pingAt is when a PING is due on a silent path: a client after
// heartbeat_interval without sending, a server after three intervals without
// hearing and then once per interval. [XTMP-HBT-018] [XTMP-HBT-022]
func (s *Session) pingAt(p *Path) time.Duration {
	if s.role == Client {
		at := p.sentAt + min(s.cfg.HeartbeatInterval, s.idleTimeout/missedIntervals)
		if len(s.calls.unanswered) > 0 {
			at = min(at, s.calls.probe.at(p))
		}
		return at
	}
	return max(p.receivedAt+missedIntervals*s.cfg.HeartbeatInterval, p.sentAt+s.cfg.HeartbeatInterval)
}

// Advance does what is due at now.
func (s *Session) Advance(now Now) {
	s.rise()
	for _, p := range s.paths {
		if p != nil {
			s.advancePath(now, p)
		}
	}
	switch {
	case s.state == Established && now.Elapsed >= s.endsAt:
		p := s.paths[s.current]
		s.disconnect(now, p, wire.SessionExpired)
	case s.state == Closing && now.Elapsed >= s.closingSince+closeTimeout:
		p := s.paths[s.current]
		s.disconnect(now, p, wire.NoError)
	}
}

func (s *Session) advancePath(now Now, p *Path) {
	switch {
	case p.state == PathShut:
	case p.state == PathDrain:
		if now.Elapsed >= s.pathDeadline(p) {
			p.shut()
		}
	case s.state == Start || s.state == Half:
		switch {
		case now.Elapsed >= p.openedAt+handshakeTimeout:
			s.pathLost(now, p, ErrTimeout)
		case s.delayed != nil && now.Elapsed >= s.delayed.due:
			s.resume(now, p)
		}
	case s.state == Hello:
		if now.Elapsed >= p.openedAt+s.cfg.Client.ConnectTimeout {
			s.pathLost(now, p, ErrTimeout)
		}
	case now.Elapsed >= p.receivedAt+s.idleTimeout:
		s.pathLost(now, p, ErrIdle)
	case p.split.Pending() > 0 && now.Elapsed >= p.frameAt+frameTimeout:
		s.pathLost(now, p, ErrBadFrame)
	case now.Elapsed >= s.staleAt(): // [XTMP-FRG-019]
		s.pathLost(now, p, ErrBadFrame)
	default:
		if now.Elapsed >= p.receivedAt+missedIntervals*s.cfg.HeartbeatInterval && p.state == PathLive {
			p.state = PathSuspect
		}
		if p.ackCount > 0 && now.Elapsed >= p.ackSince+ackDelay {
			p.ackLate = true
		}
		if s.calls != nil && s.calls.probe.unheeded(now, p) && p.state == PathLive {
			p.state = PathSuspect
		}
		if s.state == Established && !s.ping.wanted && now.Elapsed >= s.pingAt(p) {
			if s.calls != nil {
				s.calls.probe.sent(now)
			}
			s.maybeExercise(now)
			s.Ping()
		}
		s.rotate(now, p)
	}
}

// Close ends the session in order: no new work, replies and Acks are awaited
// for up to 5 s, then Disconnect. A session that is not established ends at
// once and in silence.
func (s *Session) Close(now Now) {
	s.rise()
	switch s.state {
	case Established:
		s.closingSince = now.Elapsed
		s.setState(now, Closing)
	case Closing, Closed:
	case Idle:
		s.end(now, ErrClosed)
	case Start, Hello, Half:
		s.pathLost(now, s.paths[s.current], ErrClosed)
	}
}
