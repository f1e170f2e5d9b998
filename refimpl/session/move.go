package session

import (
	"time"

	"github.com/bpci/xtmp/refimpl/trace"
	"github.com/bpci/xtmp/refimpl/wire"
)

// A session sends on its current path, and moves when that fails.
//
//	current ─ suspect or closed, another path live ─▶ the other is current; what is not acknowledged goes there
//	        ─ every path closed ─▶ no path: a server parks, a client attaches ─ first frame on a new path ─▶ current
//
// Nothing that an endpoint has sent and that is not acknowledged is lost by it, since
// both ends know messages by their mid. Chapter 13 of the specification.

// attachable reports whether the session may get further paths. [XTMP-PRK-001]
func (s *Session) attachable() bool { return s.attachTCP || s.attachUDP }

// outlives reports whether a message that is sent on p may be sent again.
func (s *Session) outlives(p *Path) bool { return p.kind == UDP || s.attachable() }

// here returns the current path, nil if every path is closed.
func (s *Session) here() *Path {
	if s.current == noPath {
		return nil
	}
	return s.paths[s.current]
}

// connected reports whether the session has a live path that carries any message.
func (s *Session) connected() bool {
	for _, p := range s.paths {
		if p.live() && p.kind == TCP {
			return true
		}
	}
	return false
}

// live reports whether p is a path on which the peer is heard.
func (p *Path) live() bool { return p != nil && p.state == PathLive }

// carries reports whether a body of n bytes may go on p. [XTMP-PTH-049]
func (p *Path) carries(n int) bool { return p.kind == TCP || n <= messageOnUDP }

// route chooses the path of a message, nil if it has to wait for one.
// [XTMP-PTH-013] [XTMP-PTH-014] [XTMP-PTH-017]
func (s *Session) route(m *message) *Path {
	if m.call.Mid != 0 {
		id := m.call.path
		if newest, ok := s.rerouted[m.call.Mid]; ok {
			id = newest
			delete(s.rerouted, m.call.Mid)
		}
		if id != noPath && s.paths[id].live() && s.paths[id].carries(m.size) {
			return s.paths[id]
		}
	}
	here := s.here()
	if here.live() && here.carries(m.size) {
		return here
	}
	if p := s.best(m.size); p != nil {
		return p
	}
	if here != nil && here.carries(m.size) {
		return here
	}
	return nil
}

// best returns the live path on which a frame has opened last and that carries n
// bytes, a standby path only if there is no other.
func (s *Session) best(n int) *Path {
	var best *Path
	for _, p := range s.paths {
		switch {
		case !p.live() || !p.carries(n):
		case best == nil, best.standby && !p.standby,
			best.standby == p.standby && p.receivedAt > best.receivedAt:
			best = p
		}
	}
	return best
}

// leave is what becomes of the session when p, which is closed now, has been one
// of its paths.
func (s *Session) leave(now Now, p *Path, why error) {
	if s.state < Established || s.state == Closed || !s.attachable() { // [XTMP-MSG-046]
		s.end(now, why)
		return
	}
	p.erase()
	s.failedUDP(now, p)
	s.forgetFragmentsOf(p) // [XTMP-PRK-009]
	if p.id == s.current {
		s.current = noPath
		if next := s.successor(p); next != nil {
			s.moveTo(now, next)
			return
		}
	}
	s.resend(func(q *Path) bool { return !q.live() })
	s.stranded = s.best(0) == nil
	if s.pathless() {
		s.lostAll(now, why)
	}
}

// successor is the path that takes the place of p, nil if none can.
// [XTMP-PTH-019] [XTMP-PTH-020] [XTMP-PTH-030]
func (s *Session) successor(p *Path) *Path {
	if s.role == Client && p.kind == UDP {
		for _, q := range s.paths {
			if q != p && q.live() && q.kind == TCP {
				return q
			}
		}
	}
	var next *Path
	for _, q := range s.paths {
		if q != p && q.live() && (next == nil || q.receivedAt > next.receivedAt) {
			next = q
		}
	}
	return next
}

// pathless reports whether every path is closed.
func (s *Session) pathless() bool {
	for _, p := range s.paths {
		if p != nil && !p.closed() && s.trying(p) == nil {
			return false
		}
	}
	return true
}

// lostAll is the end of the last path: a server parks, a client attaches.
// [XTMP-PRK-002] [XTMP-PRK-015]
func (s *Session) lostAll(now Now, why error) {
	if s.state == Closing {
		s.end(now, why)
		return
	}
	s.pathlessSince = now.Elapsed
	if s.role == Server {
		s.unsubscribe()
		if !s.withinParkingBounds() { // [XTMP-PRK-007]
			s.end(now, why)
			return
		}
		if !s.parked { // an attached path may have come to nothing meanwhile
			s.parked = true
			s.cfg.Server.Admission.Park(s.source) // [XTMP-LIM-016]
		}
	}
	s.traceState(now, trace.Event{Kind: trace.Pathless, Reason: why.Error()})
	s.event(Event{Kind: EventPathless, Err: why})
}

// unsubscribe ends the subscriptions of a session: nothing more is pushed, and what
// waits is dropped. [XTMP-PRK-013]
func (s *Session) unsubscribe() {
	if app, ok := s.cfg.Application.(Pusher); ok {
		app.Parked(s)
	}
	var rest lane
	for _, q := range [...]*queue{&s.waiting.priority, &s.waiting.ordinary} {
		for m := q.head; m != nil; m = q.head {
			if q.pop(); m.flags&wire.FlagStreaming == 0 {
				rest.of(m).push(m)
				continue
			}
			s.queued -= m.size
			m.queued = false
			s.drop(m)
		}
	}
	s.waiting, s.blocked = rest, false
}

// withinParkingBounds reports whether a server may keep a session without a path.
func (s *Session) withinParkingBounds() bool {
	messages, bytes := 0, s.kept
	for mid := s.out.done + 1; mid <= s.out.last; mid++ {
		if s.ring.at(mid).kept != nil {
			messages++
		}
	}
	for _, q := range [...]*queue{&s.waiting.priority, &s.waiting.ordinary} {
		for m := q.head; m != nil; m = m.next {
			if m.mid == 0 {
				messages++
				bytes += m.size
			}
		}
	}
	return messages <= parkedMessages && bytes <= parkedBytes
}

// checkParked ends a parked session that a reply has taken beyond its bounds.
// [XTMP-PRK-007]
func (s *Session) checkParked(now Now) {
	if s.parked && !s.withinParkingBounds() {
		s.end(now, ErrForgotten)
	}
}

func (l *lane) len() int { return l.priority.len + l.ordinary.len }

// heard notes that a frame has opened on p: its suspicion ends, a session without
// a path has one again, and what waited for a live path goes there. A path that had not
// switched when its old keys were erased has switched now. [XTMP-RKY-050] [XTMP-RKY-058]
func (s *Session) heard(now Now, p *Path) {
	p.receivedAt, p.pinged = now.Elapsed, 0
	p.mute, p.switchBy = false, 0
	if s.attach != nil {
		s.attach.plan.fruitless = 0
	}
	first := p.state == PathOpen
	if p.state == PathLive {
		return
	}
	p.state = PathLive
	if p.kind == UDP {
		p.udp.send.SetSuspect(now.Elapsed, false)
	}
	switch {
	case s.current == noPath && p.standby && s.role == Client: // it moves there with a frame of its own
		s.moveTo(now, p)
	case s.current == noPath:
		s.resumed(now)
		s.moveTo(now, p)
	case first && p.attached && !p.standby && s.role == Server: // [XTMP-PTH-026]
		s.moveTo(now, p)
	case s.stranded:
		s.restrand()
	}
}

// resumed ends the time without a path, which counts in no timer of a rekey.
// [XTMP-PRK-010] [XTMP-RKY-059]
func (s *Session) resumed(now Now) {
	s.unpark()
	gap := now.Elapsed - s.pathlessSince
	if s.rekey != nil {
		s.rekey.began += gap
	}
	if s.rotation.asking {
		s.rotation.askedAt += gap
	}
	s.event(Event{Kind: EventResumed})
}

// unpark tells Admission that the session has a path again, or is over.
func (s *Session) unpark() {
	if s.parked {
		s.parked = false
		s.cfg.Server.Admission.Unpark(s.source)
	}
}

// moveTo makes p the current path. Every unacknowledged message goes there at
// once. [XTMP-PTH-021] [XTMP-PTH-029]
func (s *Session) moveTo(now Now, p *Path) {
	s.current = p.id
	standby := p.standby
	p.standby = false
	s.traceState(now, trace.Event{Kind: trace.Moved, Path: uint8(p.id)})
	s.event(Event{Kind: EventMoved, Path: p.id})
	s.resend(func(q *Path) bool { return q != p })
	if s.role == Client && standby && !p.lane.hasReliable() {
		s.announceMove(p)
	}
	s.wake()
}

// hasReliable reports whether a message with a mid, or one that will get one, waits.
func (l *lane) hasReliable() bool {
	for _, q := range [...]*queue{&l.priority, &l.ordinary} {
		for m := q.head; m != nil; m = m.next {
			if m.flags&wire.FlagRequiresAck != 0 && !m.settled {
				return true
			}
		}
	}
	return false
}

// announceMove shows the server that a standby path is current now: by the oldest
// unanswered request, which the server knows, or by a PING. [XTMP-PTH-022]
func (s *Session) announceMove(p *Path) {
	oldest := uint64(0)
	for mid, call := range s.calls.unanswered { //xtmp:unordered a minimum
		if call.request != nil && (oldest == 0 || mid < oldest) {
			oldest = mid
		}
	}
	if oldest == 0 {
		s.pingOn(p)
		return
	}
	m := s.calls.unanswered[oldest].request
	if m.queued || p.kind == TCP && m.sentOn&(1<<p.id) != 0 || !p.carries(m.size) {
		return
	}
	s.again(m)
	s.place(p, m)
}

// restrand looks for messages whose path is suspect or closed, and sends them
// where they can go. [XTMP-PTH-016]
func (s *Session) restrand() {
	if s.stranded = s.best(0) == nil; !s.stranded {
		s.resend(func(q *Path) bool { return !q.live() })
	}
}

// resend takes the messages that wait on, or were sent on, the paths for which
// gone holds, and places them anew: first what has a mid, in its order, then the rest.
// [XTMP-PTH-033] [XTMP-PTH-034]
func (s *Session) resend(gone func(*Path) bool) {
	var fresh []*message
	take := func(l *lane) {
		for _, q := range [...]*queue{&l.priority, &l.ordinary} {
			for m := q.head; m != nil; m = q.head {
				q.pop()
				m.call.path, m.call.frames = s.current, 0 // a reply that exists goes where the others go
				switch {
				case m.settled:
					s.discardSettled(m)
				case m.mid == 0:
					fresh = append(fresh, m)
				default:
					m.queued = false
					s.queued -= m.size - m.sealed
				}
			}
		}
	}
	take(&s.waiting)
	for _, p := range s.paths {
		if p != nil && p.pathWork != nil && gone(p) {
			take(&p.lane)
		}
	}
	for mid := s.out.last; mid > s.out.done; mid-- {
		m := s.ring.at(mid).kept
		if m == nil || m.queued {
			continue
		}
		if m.path != noPath && s.paths[m.path] != nil && !gone(s.paths[m.path]) {
			continue
		}
		s.prepend(m)
	}
	for _, m := range fresh {
		s.queued += m.sealed // an unreliable message that was cut is sent whole
		m.index, m.sealed, m.cut, m.queued = 0, 0, 0, false
		s.place(s.route(m), m)
	}
}

// prepend places a reliable message before the others of its path, unless it was
// sent on that connection, which delivers it or ends. [XTMP-MSG-012]
func (s *Session) prepend(m *message) {
	p := s.route(m)
	if p != nil && p.kind == TCP && m.sentOn&(1<<p.id) != 0 {
		m.path = p.id
		return
	}
	s.again(m)
	l := &s.waiting
	if m.path = noPath; p != nil {
		l, m.path = &p.lane, p.id
	}
	m.queued = true
	l.of(m).prepend(m)
}

// again makes a message ready to be sent once more from its beginning.
func (s *Session) again(m *message) {
	m.index, m.sealed, m.settled = 0, 0, false
	m.sendings++
	s.queued += m.size
}

// sentLastOn reports whether an unacknowledged message was last sent on p.
func (s *Session) sentLastOn(p *Path) bool {
	for mid := s.out.done + 1; mid <= s.out.last; mid++ {
		if m := s.ring.at(mid).kept; m != nil && m.path == p.id {
			return true
		}
	}
	return false
}

// repeated handles a request whose mid is complete: its reply, if it is not
// acknowledged and was not sent on this path, goes there at once.
// [XTMP-PTH-031] [XTMP-MSG-019]
func (s *Session) repeated(now Now, p *Path, mid uint64) {
	if s.role != Server || len(s.paths) == 0 || !s.attachable() && p.kind == TCP {
		return
	}
	for own := s.out.done + 1; own <= s.out.last; own++ {
		m := s.ring.at(own).kept
		if m == nil || m.replyTo != mid || m.flags&wire.FlagReply == 0 {
			continue
		}
		if !m.queued && s.mayRepeat(now, p, m) && p.carries(m.size) {
			s.again(m)
			m.path, m.queued = p.id, true
			p.lane.of(m).prepend(m)
		}
		return
	}
	if s.requests == 0 {
		return
	}
	if s.rerouted == nil {
		s.rerouted = make(map[uint64]PathID)
	}
	if len(s.rerouted) < 2*int(s.cfg.Server.MaxInflight) {
		s.rerouted[mid] = p.id // its reply, if it is still to come
	}
}

// mayRepeat reports whether a reply goes out on p because its request came again:
// on a connection once, on UDP once per PTO. [XTMP-UDP-098] [XTMP-UDP-099]
func (s *Session) mayRepeat(now Now, p *Path, m *message) bool {
	if m.sentOn&(1<<p.id) == 0 {
		return true
	}
	return p.kind == UDP && now.Elapsed-m.sentAt >= p.pto()
}

// suspect marks p as one on which the peer is not heard. [XTMP-PTH-019]
func (s *Session) suspect(now Now, p *Path) {
	if p.state != PathLive {
		return
	}
	p.state = PathSuspect
	if p.kind == UDP {
		p.udp.send.SetSuspect(now.Elapsed, true)
		s.failedUDP(now, p)
	}
	if !s.outlives(p) {
		return
	}
	s.stranded = true
	if s.role == Client && p.id == s.current {
		if next := s.successor(p); next != nil {
			s.moveTo(now, next)
			return
		}
	}
	s.restrand()
}

// failedUDP puts off the next attempt of a client to attach UDP after it has failed.
// [XTMP-PTH-023] [XTMP-PTH-025]
func (s *Session) failedUDP(now Now, p *Path) {
	if s.role != Client || p.kind != UDP || now.Elapsed < s.calls.udpAt {
		return
	}
	if now.Elapsed-p.anchorAt >= udpBackMax {
		s.calls.udpBack = 0
	}
	s.calls.udpBack = min(max(2*s.calls.udpBack, udpBack), udpBackMax)
	s.calls.udpAt = now.Elapsed + s.calls.udpBack
}

// bigUntil is when a client gives up waiting for a connection that carries a large
// message. [XTMP-PTH-050]
func (s *Session) bigUntil() time.Duration {
	if s.attach == nil || s.attach.plan.bigSince == 0 || !s.bigWaits() {
		return never
	}
	return s.attach.plan.bigSince + bigTimeout
}

// parkedUntil is when a session without a path ends. [XTMP-PRK-004] [XTMP-PRK-017]
func (s *Session) parkedUntil() time.Duration {
	if s.open() && s.pathless() {
		return s.pathlessSince + parkTimeout
	}
	return never
}
