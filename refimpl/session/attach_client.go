package session

import (
	"crypto/hmac"
	"net/netip"
	"time"

	"github.com/bpci/xtmp/refimpl/wire"
)

// ConnectionType says which paths a client wants.
type ConnectionType uint8

// Connection types. [XTMP-PTH-001] [XTMP-PTH-002] [XTMP-PTH-023] [XTMP-PTH-024]
const (
	TypeTCP    ConnectionType = iota // a connection, and another one that stands by; WebSocket too
	TypeUDP                          // UDP, and a connection that stands by
	TypeHybrid                       // a connection, and UDP that stands by
)

// attempt is one Attach that was sent: one counter.
type attempt struct {
	path     PathID
	slots    *attachSlots
	id       uint64 // handshake_id
	counter  uint32
	body     []byte
	frame    []byte
	standby  bool
	first    time.Duration // when it was first sent
	sent     int           // times
	deadline time.Duration
}

// plan is when a client wants which path.
type plan struct {
	asked     bool          // EventPathWanted waits for its answer
	kind      Transport     // that was asked for
	standby   bool          //
	urgentAt  time.Duration // of the next attempt, where no message goes without it [XTMP-PRK-016]
	notBefore time.Duration // of the next attempt otherwise
	backoff   time.Duration // between attempts to attach what is not needed at once
	failures  int           // since a path was attached last, attempts and what came to none
	fruitless int           // attempts without AttachAck since a frame opened last
	since     time.Duration // the first of them
	bigSince  time.Duration // since when a message waits for a connection, 0 for none
}

// Attach begins an attempt to make a further path of the session: on a
// connection that the caller has just opened, or on UDP to the server's address
// peer. It answers EventPathWanted, or comes unasked. The path yields the Attach
// frame.
// [XTMP-ATT-003] [XTMP-ATT-004] [XTMP-ATT-007] [XTMP-ATT-012]
func (s *Session) Attach(now Now, kind Transport, standby bool, peer netip.AddrPort) (PathID, error) {
	if s.role != Client || s.state != Established {
		return 0, ErrClosed
	}
	s.rise()
	a := s.attaching()
	a.plan.asked = false
	id, ok := s.freeSlot()
	if !ok || a.try != nil || kind == TCP && !s.attachTCP || kind == UDP && !s.attachUDP { // [XTMP-PTH-003]
		return 0, ErrAttach
	}
	t := a.newest()
	var seed [8 + wire.RandomSize]byte
	if err := s.draw(seed[:]); err != nil {
		return 0, err
	}
	m := wire.Attach{
		Kind: wire.PathStream, Standby: standby, Counter: t.counter,
		Random: [wire.RandomSize]byte(seed[8:]), ClientTime: s.stamp(now), // [XTMP-ATT-005]
	}
	if kind == UDP {
		m.Kind = wire.PathDatagram
	}
	try := &attempt{
		path: id, slots: t, id: attachID(seed[:]), counter: t.counter, body: m.Append(nil), standby: standby,
		first: now.Elapsed, sent: 1, deadline: now.Elapsed + attachTimeout,
	}
	if kind == UDP {
		try.deadline = now.Elapsed + attachRetransmit
	}
	frame, err := s.sealAttach(now, t, wire.TypeHandshake, t.counter, wire.Envelope{HSType: wire.HSAttach, HandshakeID: try.id}, try.body)
	if err != nil {
		return 0, ErrAttach
	}
	t.counter++ // [XTMP-ATT-001]
	try.frame = frame
	p := s.openPath(now, id)
	p.kind, p.attached, p.raw = kind, true, append([]byte(nil), frame...)
	a.try = try
	if kind == UDP {
		s.openDatagrams(p, peer)
	}
	if a.plan.fruitless++; a.plan.fruitless == 1 {
		a.plan.since = now.Elapsed
	}
	s.wake()
	return id, nil
}

// AttachFailed says that the path that EventPathWanted asked for cannot be opened.
// That is no attempt.
func (s *Session) AttachFailed(now Now) {
	if s.attach == nil || !s.open() {
		return
	}
	s.rise()
	s.attach.plan.failed(now, s.here() == nil)
}

// failed puts the next attempt off.
func (b *plan) failed(now Now, urgent bool) {
	b.asked = false
	b.failures++
	if b.urgentAt = now.Elapsed + attachGap; urgent {
		return
	}
	b.backoff = min(max(2*b.backoff, udpBack), udpBackMax)
	b.notBefore = now.Elapsed + b.backoff
}

// trying returns the attempt that is under way on p, nil if there is none.
func (s *Session) trying(p *Path) *attempt {
	if s.attach == nil || s.attach.try == nil || s.attach.try.path != p.id {
		return nil
	}
	return s.attach.try
}

// receiveAttachFrame is the first frame on a path that this client attaches.
// [XTMP-ATT-013] [XTMP-ATT-014] [XTMP-ATT-015]
func (s *Session) receiveAttachFrame(now Now, p *Path, f []byte, h *wire.Header, try *attempt) {
	if h.Clear() {
		if p.kind == TCP {
			s.attachRefused(now, p, f, h)
		}
		return
	}
	var env wire.Envelope
	var body []byte
	if h.KeyID == try.slots.recv.KeyID() && h.Type == wire.TypeHandshakeAck && h.Sequence == uint64(try.counter) {
		body = s.openAttach(f, h, try.slots, wire.HSAttachAck, &env)
	}
	if body == nil || env.HandshakeID != try.id {
		if p.kind == TCP {
			s.abandon(now, p)
		}
		return
	}
	var m wire.AttachAck
	s.attach.plan.fruitless = 0
	if m.Parse(body) != nil || m.Status != 0 {
		s.abandon(now, p)
		return
	}
	if !s.attachPath(p, try.slots.epoch, try.body, body) {
		s.abandon(now, p)
		return
	}
	s.attach.try = nil
	p.anchor(now, m.ServerTime)
	p.receivedAt, p.state, p.standby = now.Elapsed, PathLive, try.standby
	s.attach.plan.backoff, s.attach.plan.failures = 0, 0
	if p.kind == UDP {
		p.sample(now.Elapsed - try.first)
		p.udp.pingNext, p.udp.pingLeft = now.Elapsed+p.pto(), attachTries-1
	}
	s.event(Event{Kind: EventAttached, Path: p.id, Transport: p.kind, Standby: try.standby})
	switch {
	case s.current == noPath:
		s.resumed(now)
		s.moveTo(now, p)
	case !try.standby:
		s.moveTo(now, p)
	case s.stranded:
		s.restrand()
	}
	s.pingOn(p) // a frame goes at once [XTMP-ATT-037]
}

// attachRefused handles the clear Error that answers an Attach.
// [XTMP-PTH-045] [XTMP-PTH-046]
func (s *Session) attachRefused(now Now, p *Path, f []byte, h *wire.Header) {
	var m wire.Error
	known := h.SessionID == s.id && h.Type == wire.TypeError && wire.VerifyChecksum(f, h.Checksum) &&
		m.Parse(f[wire.Overhead:], false) == nil
	if known && m.Code == wire.SessionUnknown && s.suite != wire.SuiteNone &&
		m.HasToken && hmac.Equal(m.Token[:], s.calls.resetToken[:]) {
		p.shut()
		s.end(now, ErrForgotten)
		return
	}
	s.abandon(now, p)
}

// abandon ends the attempt on p, whose connection is to be closed.
func (s *Session) abandon(now Now, p *Path) {
	s.attach.try = nil
	s.attach.plan.failed(now, s.here() == nil)
	p.shut()
	p.erase()
	s.giveUp(now)
}

// giveUp ends a session whose server does not answer any more. [XTMP-PTH-047]
func (s *Session) giveUp(now Now) {
	b := &s.attach.plan
	if s.best(0) == nil && b.fruitless >= attachAttempts && now.Elapsed-b.since >= attachGiveUp {
		s.end(now, ErrForgotten)
	}
}

// advanceAttach does what is due of an attempt, and asks for a path that is wanted.
func (s *Session) advanceAttach(now Now) {
	if s.role != Client || s.state != Established || !s.attachable() {
		return
	}
	if s.attach != nil && s.attach.try != nil {
		if now.Elapsed >= s.attach.try.deadline {
			s.attachOverdue(now, s.attach.try)
		}
		return
	}
	kind, standby, at := s.wants()
	if now.Elapsed < at {
		return
	}
	a := s.attaching()
	a.plan.asked, a.plan.kind, a.plan.standby = true, kind, standby
	s.event(Event{Kind: EventPathWanted, Transport: kind, Standby: standby})
}

// attachOverdue sends an Attach again, or gives the attempt up.
// [XTMP-ATT-009] [XTMP-ATT-010] [XTMP-ATT-011]
func (s *Session) attachOverdue(now Now, try *attempt) {
	p := s.paths[try.path]
	if p.kind == TCP || try.sent == attachTries {
		s.abandon(now, p)
		return
	}
	p.raw = append(p.raw, try.frame...)
	try.deadline = now.Elapsed + attachRetransmit<<try.sent
	try.sent++
}

// attachDeadline is when advanceAttach has something to do.
func (s *Session) attachDeadline() time.Duration {
	if s.role != Client || s.state != Established || !s.attachable() {
		return never
	}
	if s.attach != nil && s.attach.try != nil {
		return s.attach.try.deadline
	}
	_, _, at := s.wants()
	return at
}

// wants returns which path the client would attach next, and from when on; never
// if it needs none.
func (s *Session) wants() (kind Transport, standby bool, at time.Duration) {
	var b plan
	if s.attach != nil {
		b = s.attach.plan
	}
	// Before HandshakeDone the server may not know the session. [XTMP-ATT-018]
	if b.asked || !s.resting() && s.handshake != nil && !s.pathless() {
		return 0, false, never
	}
	here := s.here()
	switch {
	case !here.live() && s.best(0) == nil: // [XTMP-PTH-019] [XTMP-PRK-015]
		if !s.hasCalls() {
			return 0, false, never
		}
		return s.preferred(TCP, b), false, b.urgentAt
	case s.bigWaits() && s.attachTCP: // [XTMP-PTH-050]
		return TCP, false, b.urgentAt
	case !s.cfg.Client.Standby:
		return 0, false, never
	}
	var has [2]int
	for _, p := range s.paths {
		if p != nil && !p.closed() && p.state != PathSuspect {
			has[p.kind]++
		}
	}
	switch s.cfg.Client.Type {
	case TypeUDP:
		switch {
		case has[UDP] == 0 && s.attachUDP: // [XTMP-PTH-023] [XTMP-PTH-025]
			return UDP, false, max(b.notBefore, s.calls.udpAt)
		case has[TCP] == 0 && s.attachTCP:
			return TCP, true, b.notBefore
		}
	case TypeHybrid:
		switch {
		case has[TCP] == 0 && s.attachTCP: // [XTMP-PTH-002]
			return TCP, false, b.notBefore
		case has[UDP] == 0 && s.attachUDP: // [XTMP-PTH-001] [XTMP-PTH-024]
			return UDP, true, max(b.notBefore, s.calls.udpAt)
		}
	case TypeTCP:
		if has[TCP] < 2 && s.attachTCP { // [XTMP-PTH-018]
			return TCP, true, b.notBefore
		}
	}
	return 0, false, never
}

// preferred returns a transport that the server accepts, want if it can be, and the
// other one by turns when attempts are fruitless.
func (s *Session) preferred(want Transport, b plan) Transport {
	switch {
	case !s.attachTCP:
		return UDP
	case !s.attachUDP || s.cfg.Client.Type == TypeTCP:
		return TCP
	case b.failures%2 == 1:
		return 1 - want
	default:
		return want
	}
}

// hasCalls reports whether the client waits for something, or has something to send.
func (s *Session) hasCalls() bool {
	return len(s.calls.unanswered) > 0 || !s.resting() && (!s.waiting.empty() || s.queued > 0 || !s.out.idle())
}

// bigWaits reports whether a message waits that only a connection carries: with a
// live path nothing else waits.
func (s *Session) bigWaits() bool {
	return !s.resting() && !s.waiting.empty() && s.best(0) != nil
}
