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
		d = min(d, s.endsAt, s.rekeyDue(), s.parkedUntil(), s.attachDeadline(), s.bigUntil())
	case Closing:
		d = min(d, s.closingSince+closeTimeout, s.rekeyDue())
	case Idle, Start, Hello, Half, Closed:
	}
	return d, d != never
}

func (s *Session) pathDeadline(p *Path) time.Duration {
	switch {
	case p.state == PathShut:
		return never
	case p.state == PathDrain && p.kind == UDP:
		return min(p.drainAt+closeTimeout, max(p.udp.rawNext, s.latest+1))
	case p.state == PathDrain && !p.taken:
		return p.drainAt + closeTimeout
	case p.state == PathDrain:
		return p.drainAt + lingerTimeout
	case p.kind == UDP && s.state < Established:
		return s.contactDeadline(p)
	case s.state == Start && s.delayed != nil:
		return min(p.openedAt+handshakeTimeout, s.delayed.due)
	case s.state == Start || s.state == Half:
		return p.openedAt + handshakeTimeout
	case s.state == Hello:
		return p.openedAt + s.cfg.Client.ConnectTimeout
	}
	d := min(p.receivedAt+s.idleTimeout, s.suspectAt(p))
	if s.resting() {
		return min(d, s.pingAt(p))
	}
	if p.kind == UDP {
		d = min(d, s.datagramDeadline(p))
	}
	if s.trying(p) != nil { // its attempt has a deadline of its own
		return never
	}
	if p.attached && !p.handshaken && s.role == Server {
		return p.openUntil()
	}
	if p.incomplete() {
		d = min(d, p.frameAt+frameTimeout)
	}
	if p.ackCount > 0 && !p.ackLate {
		d = min(d, p.ackSince+ackDelay)
	}
	if s.state == Established && !p.pingWanted {
		d = min(d, s.pingAt(p))
	}
	if p.switchBy != 0 {
		d = min(d, p.switchBy)
	}
	return min(d, s.staleAt(p))
}

// openUntil is when a server closes an attached path on which nothing has opened.
// [XTMP-ATT-040] [XTMP-ATT-041]
func (p *Path) openUntil() time.Duration {
	if p.kind == UDP {
		return p.openedAt + flightTimeout
	}
	return p.openedAt + handshakeTimeout
}

// suspectAt is when the silence of p makes it suspect.
func (s *Session) suspectAt(p *Path) time.Duration {
	if p.state != PathLive {
		return never
	}
	d := p.receivedAt + missedIntervals*s.cfg.HeartbeatInterval
	if s.resting() {
		return d
	}
	if p.kind == UDP {
		return min(d, s.datagramsSuspectAt(p))
	}
	if !s.attachable() { // with one path it would change nothing
		return min(d, p.probe.unheeded(p))
	}
	for o := p.flight.oldest(); o != nil; o = p.flight.oldest() {
		if s.out.awaits(s.ring, o.mid) {
			d = min(d, max(o.at, p.receivedAt)+suspectSilence)
			break
		}
		p.flight.pop() // it was answered
	}
	return min(d, p.probe.unheeded(p))
}

// pingAt is when a PING is due on a silent path: a client after
// heartbeat_interval without sending, a server after three intervals without
// hearing and then once per interval; either every two seconds on a suspect
// path while a message waits for a live one. [XTMP-HBT-018] [XTMP-HBT-022] [XTMP-HBT-024]
func (s *Session) pingAt(p *Path) time.Duration {
	d := never
	if !s.resting() && p.state == PathSuspect && s.stranded && s.outlives(p) && s.owes() {
		d = max(p.pinged, p.receivedAt) + pathlessProbe // [XTMP-HBT-025]
	}
	if s.role == Client {
		d = min(d, p.sentAt+min(s.cfg.HeartbeatInterval, s.idleTimeout/missedIntervals))
		if len(s.calls.unanswered) > 0 && !s.resting() && p.id == s.current && (p.state != PathSuspect || !s.attachable()) {
			d = min(d, p.probe.at(p, s.calls.since))
		}
		return d
	}
	return min(d, max(p.receivedAt+missedIntervals*s.cfg.HeartbeatInterval, p.sentAt+s.cfg.HeartbeatInterval))
}

// owes reports whether a reliable message is not acknowledged, or waits.
func (s *Session) owes() bool { return !s.out.idle() || s.queued > 0 }

// Advance does what is due at now. What it does for one path may make something
// due on another.
func (s *Session) Advance(now Now) {
	s.rise()
	s.latest = now.Elapsed
	for range pathSlots {
		s.advance(now)
		if d, _ := s.Deadline(); d > now.Elapsed {
			return
		}
	}
}

func (s *Session) advance(now Now) {
	for _, p := range s.paths {
		if p != nil {
			s.advancePath(now, p)
		}
	}
	if s.open() {
		s.rotate(now)
	}
	switch {
	case s.state == Closing && now.Elapsed >= s.closingSince+closeTimeout:
		s.disconnect(now, wire.NoError)
	case s.state != Established:
	case now.Elapsed >= s.endsAt:
		s.disconnect(now, wire.SessionExpired)
	case now.Elapsed >= s.bigUntil(): // [XTMP-PTH-050]
		s.disconnect(now, wire.NoError)
	case now.Elapsed >= s.parkedUntil():
		s.end(now, ErrForgotten)
	default:
		s.advanceAttach(now)
	}
}

func (s *Session) advancePath(now Now, p *Path) {
	switch {
	case p.state == PathShut:
	case p.state == PathDrain:
		if now.Elapsed >= s.pathDeadline(p) {
			p.shut()
		}
	case p.kind == UDP && s.state < Established:
		s.advanceContact(now, p)
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
	case s.trying(p) != nil:
	case p.attached && !p.handshaken && s.role == Server:
		if now.Elapsed >= p.openUntil() {
			s.pathLost(now, p, ErrTimeout)
		}
	case now.Elapsed >= p.receivedAt+s.idleTimeout:
		s.pathLost(now, p, ErrIdle)
	case p.incomplete() && now.Elapsed >= p.frameAt+frameTimeout:
		s.pathLost(now, p, ErrBadFrame)
	case now.Elapsed >= s.staleAt(p): // [XTMP-FRG-019]
		s.pathLost(now, p, ErrBadFrame)
	case p.switchBy != 0 && now.Elapsed >= p.switchBy: // [XTMP-RKY-058]
		s.pathLost(now, p, ErrUnswitched)
	default:
		s.advanceLive(now, p)
	}
}

// advanceLive does what is due on a path that goes on.
func (s *Session) advanceLive(now Now, p *Path) {
	if p.kind == UDP {
		s.advanceDatagrams(now, p)
	}
	if now.Elapsed >= s.suspectAt(p) {
		s.suspect(now, p)
	}
	if p.ackCount > 0 && now.Elapsed >= p.ackSince+ackDelay {
		p.ackLate = true
	}
	if s.state == Established && !p.pingWanted && now.Elapsed >= s.pingAt(p) {
		p.probe.sent(now, p)
		p.pinged = now.Elapsed
		s.maybeExercise(now)
		s.pingOn(p)
	}
}

// Close ends the session in order: no new work, replies and Acks are awaited
// for up to 5 s, then Disconnect. A session that is not established ends at
// once and in silence, and so does one without a path.
func (s *Session) Close(now Now) {
	s.rise()
	switch s.state {
	case Established:
		if s.pathless() { // [XTMP-PRK-014]
			s.end(now, ErrClosed)
			return
		}
		s.closingSince = now.Elapsed
		s.setState(now, Closing)
	case Closing, Closed:
	case Idle:
		s.end(now, ErrClosed)
	case Start, Hello, Half:
		s.pathLost(now, s.paths[0], ErrClosed)
	}
}
