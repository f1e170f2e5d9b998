package session

import (
	"time"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/trace"
	"github.com/bpci/xtmp/refimpl/wire"
)

// outgoing is what an endpoint has to send: messages that wait, and the mids of
// those that are sealed and not acked.
//
//	Reply, Push, Send ─▶ lane of a path ─ a frame at a time ─▶ sealed ─ Ack or reply ─▶ forgotten
//	                        ▲                                    │
//	                        └── its path fails, or the session moves ┘
//
// On a session that cannot outlive its connection a sealed message is never
// sent again, so its body is given back at once.
type outgoing struct {
	window
	nextFragment uint32 // frag_id
}

// lane holds the messages that one path sends next.
type lane struct {
	priority, ordinary queue
}

func (l *lane) empty() bool { return l.priority.head == nil && l.ordinary.head == nil }

// of returns the queue of a lane that m belongs to.
func (l *lane) of(m *message) *queue {
	if m.flags&wire.FlagPriority != 0 {
		return &l.priority
	}
	return &l.ordinary
}

// calls are a client's requests without their reply.
type calls struct {
	limit      int                // how many there may be
	unanswered map[uint64]pending // by mid
	bytes      int                // of their bodies
	since      time.Duration      // when there came to be one
	rekeys     []uint64           // mids of every RekeyInit that was sent
	rotation   time.Duration      // T_ROTATE
	resetToken [16]byte           // by which the server says that it has no such session any more
	udpBack    time.Duration      // T_UDP_BACK, doubled with each failure, 0 before the first
	udpAt      time.Duration      // when UDP may be attached again
}

// pending is one of them.
type pending struct {
	owner   any
	typ     wire.MessageType
	size    int
	request *message // once it is acked, where it can be sent again
}

// enqueue queues a message behind the others of its urgency.
func (s *Session) enqueue(now Now, m *message, priority bool) {
	if priority {
		m.flags |= wire.FlagPriority
	}
	s.queued += m.size
	p := s.route(m)
	if p == nil && s.role == Client && s.here().live() && m.size > messageOnUDP {
		if b := &s.attaching().plan; !s.bigWaits() {
			b.bigSince = max(now.Elapsed, 1)
		}
	}
	if p != nil && p.standby && s.role == Client { // no other path carries it
		s.moveTo(now, p)
	}
	s.place(p, m)
}

// place queues a message on a path, or among those that wait for one if p is nil.
func (s *Session) place(p *Path, m *message) {
	l := &s.waiting
	if m.path = noPath; p != nil {
		l, m.path = &p.lane, p.id
	}
	m.queued = true
	l.of(m).push(m)
}

// next returns the queue whose first message may send a frame on p now, nil if
// none may: a priority message first, also between the fragments of another.
// [XTMP-MSG-058]
func (s *Session) next(p *Path) *queue {
	for _, q := range [...]*queue{&p.lane.priority, &p.lane.ordinary} {
		for m := q.head; m != nil && m.settled; m = q.head { // acked meanwhile
			q.pop()
			s.discardSettled(m)
		}
		if m := q.head; m != nil && s.maySeal(p, m) {
			return q
		}
	}
	return nil
}

// discardSettled takes a message out of its lane that was settled there.
func (s *Session) discardSettled(m *message) {
	s.queued -= m.size - m.sealed
	m.queued = false
	s.drop(m)
}

// drop gives a message back when nobody needs it any more.
func (s *Session) drop(m *message) {
	if !m.queued && !m.kept && !m.called {
		s.cfg.Buffers.release(m)
	}
}

// maySeal reports whether the limits of flow control let m have a frame.
func (s *Session) maySeal(p *Path, m *message) bool {
	switch {
	case m.typ >= 0x06 && m.typ != wire.TypeError && p.keys.send.Spent(): // until the next key [XTMP-NON-015]
		return false
	case m.mid != 0 || m.flags&wire.FlagRequiresAck == 0: // under way, or not counted
		return true
	case !s.out.room():
		return false
	case s.calls == nil || m.typ < 0x06:
		return true
	default: // [XTMP-MSG-022] [XTMP-MSG-023]
		n := len(s.calls.unanswered)
		return n < s.calls.limit && (n == 0 || s.calls.bytes+m.size <= inflightBytes)
	}
}

// appendQueue seals messages while flow control and the budget of one call
// allow.
func (s *Session) appendQueue(now Now, p *Path, dst []byte) []byte {
	limit := len(dst) + outputBudget
	stamp := s.stamp(now)
	for len(dst) < limit {
		q := s.next(p)
		if q == nil {
			break
		}
		m := q.head
		var sequence uint64
		if dst, sequence = s.appendFrame(now, p, dst, m, stamp); s.state == Closed {
			return dst
		}
		if m.index == m.count {
			q.pop()
			s.sent(now, p, m, sequence)
		}
	}
	return dst
}

// appendFrame seals the next frame of m and returns its sequence number.
func (s *Session) appendFrame(now Now, p *Path, dst []byte, m *message, stamp uint64) ([]byte, uint64) {
	if m.index == 0 {
		s.begin(now, p, m)
	}
	from := int(m.index) * m.cut
	size := min(m.size-from, m.cut)
	dst, sequence := s.sealFragment(now, p, dst, m, m.index, stamp)
	m.sealed += size
	m.index++
	s.queued -= size
	return dst, sequence
}

// sealFragment seals one fragment of m, or the whole of it if it has but one. At
// the end of the key's budget it ends the session instead.
func (s *Session) sealFragment(now Now, p *Path, dst []byte, m *message, index uint16, stamp uint64) ([]byte, uint64) {
	flags := m.flags
	if m.count > 1 {
		flags |= wire.FlagFragment
	}
	from := int(index) * m.cut
	to := min(m.size, from+m.cut)
	sequence := p.keys.send.Next()
	dst, start := security.Reserve(dst)
	if flags&^wire.FlagPriority != 0 {
		pro := wire.Prologue{
			Mid: m.mid, ReplyTo: m.replyTo, SubID: m.subID, N: m.n,
			FragID: m.fragID, Index: index, Count: m.count, OriginalLen: m.original,
		}
		dst = pro.Append(dst, flags)
	}
	if m.content != nil {
		dst = m.content.AppendRange(dst, from, to)
	} else {
		dst = append(dst, m.body[from:to]...)
	}
	h := wire.Header{Type: m.typ, Flags: flags, SessionID: s.id, Timestamp: stamp}
	dst, err := p.keys.send.Seal(dst, start, &h)
	if err != nil {
		p.drain(now, 0)
		s.end(now, &Error{Code: wire.KeyLimit, Scope: wire.ScopeSession})
		return dst, sequence
	}
	p.sentAt = now.Elapsed
	if s.cfg.Trace != nil {
		s.traceFrame(now, p, trace.FrameSent, &h, len(dst)-start)
	}
	return dst, sequence
}

// begin numbers a message whose first frame is sealed now, and cuts it for p. A
// message that was sent before keeps its mid, and its frag_id where the cut is
// the same. [XTMP-PTH-033] [XTMP-PTH-035]
func (s *Session) begin(now Now, p *Path, m *message) {
	if cut := p.fragmentBody(m); m.size <= p.frameBody(m) {
		m.count, m.cut = 1, max(m.size, 1)
	} else if m.cut != cut { // [XTMP-FRG-007]
		m.cut = cut
		m.count = uint16((m.size + cut - 1) / cut)
		m.fragID = s.out.nextFragment
		s.out.nextFragment++
	}
	if m.flags&wire.FlagRequiresAck == 0 || m.mid != 0 {
		return
	}
	m.mid = s.out.next(&s.ring)
	if s.outlives(p) {
		s.ring.at(m.mid).kept = m
		m.kept = true
		s.kept += m.size
	}
	switch {
	case s.role == Server:
	case m.typ == wire.TypeHandshake:
		s.rekeySent(now, m.mid)
	default:
		if s.calls.unanswered == nil {
			s.calls.unanswered = make(map[uint64]pending)
		}
		s.calls.unanswered[m.mid] = pending{owner: m.owner, typ: m.typ, size: m.size}
		s.calls.bytes += m.size
		if len(s.calls.unanswered) == 1 {
			s.calls.since = now.Elapsed
			s.resetProbes()
		}
	}
}

// sent notes that the last frame of a message is sealed. A request that it
// answers is unanswered no longer.
func (s *Session) sent(now Now, p *Path, m *message, sequence uint64) {
	m.queued = false
	if c := m.call; c.Mid != 0 {
		if m.typ != wire.TypeHandshakeAck { // RekeyInit counts toward no limit
			s.requests--
			s.requestBytes -= int(c.cost)
		}
		if c.path == p.id && c.epoch == p.ackEpoch {
			p.ackCount -= int(c.frames)
		}
		m.call.Mid = 0 // once
	}
	if m.mid != 0 && p.kind == TCP {
		p.flight.push(departed{sequence: sequence, mid: m.mid, fragID: m.fragID, at: now.Elapsed})
	}
	m.path, m.sentOn, m.sentAt = p.id, m.sentOn|1<<p.id, now.Elapsed
	s.drop(m)
}

// settle notes that mid was acked or answered: it is not sent again for want of
// that. A client keeps a request until its reply. [XTMP-MSG-014] [XTMP-PTH-022]
func (s *Session) settle(mid uint64, answered bool) {
	if !s.out.awaits(s.ring, mid) {
		return
	}
	m := s.out.settle(s.ring, mid)
	if m == nil {
		return
	}
	s.kept -= m.size
	m.kept = false
	m.settled = m.queued // it is taken out of its lane when its turn comes
	if s.calls != nil && !answered {
		if call, ok := s.calls.unanswered[mid]; ok {
			call.request, m.called = m, true
			s.calls.unanswered[mid] = call
		}
	}
	s.drop(m)
}
