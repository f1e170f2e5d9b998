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
//	Reply, Push, Send ─▶ priority │ ordinary ─ a frame at a time ─▶ sealed ─ Ack or reply ─▶ forgotten
//
// On a session that cannot outlive its connection a sealed message is never
// sent again, so its body is given back at once.
type outgoing struct {
	window
	nextFragment uint32 // frag_id
}

// calls are a client's requests without their reply.
type calls struct {
	limit      int                // how many there may be
	unanswered map[uint64]pending // by mid
	bytes      int                // of their bodies
	probe      probe
	rekeys     []uint64      // mids of every RekeyInit that was sent
	rotation   time.Duration // T_ROTATE
}

// pending is one of them.
type pending struct {
	owner any
	typ   wire.MessageType
	size  int
}

// enqueue queues a message behind the others of its urgency.
func (w *work) enqueue(m *message, priority bool) {
	w.queued += m.size
	if priority {
		m.flags |= wire.FlagPriority
		w.priority.push(m)
	} else {
		w.ordinary.push(m)
	}
}

// next returns the queue whose first message may send a frame now, nil if none
// may: a priority message first, also between the fragments of another.
// [XTMP-MSG-058]
func (s *Session) next() *queue {
	if m := s.priority.head; m != nil && s.maySeal(m) {
		return &s.priority
	}
	if m := s.ordinary.head; m != nil && s.maySeal(m) {
		return &s.ordinary
	}
	return nil
}

// maySeal reports whether the limits of flow control let m have a frame.
func (s *Session) maySeal(m *message) bool {
	switch {
	case m.typ >= 0x06 && m.typ != wire.TypeError && s.paths[s.current].keys.send.Spent(): // until the next key [XTMP-NON-015]
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
		q := s.next()
		if q == nil {
			break
		}
		m := q.head
		var done bool
		if dst, done = s.appendFrame(now, p, dst, m, stamp); s.state == Closed {
			return dst
		}
		if done {
			q.pop()
			s.sent(p, m)
		}
	}
	return dst
}

// appendFrame seals the next frame of m and reports whether it was the last.
func (s *Session) appendFrame(now Now, p *Path, dst []byte, m *message, stamp uint64) ([]byte, bool) {
	if m.sealed == 0 && m.index == 0 {
		s.begin(now, m)
	}
	flags, size := m.flags, m.size-m.sealed
	if m.count > 1 {
		flags |= wire.FlagFragment
		size = min(size, fragmentBody)
	}
	sequence := p.keys.send.Next()
	dst, start := security.Reserve(dst)
	if flags&^wire.FlagPriority != 0 {
		pro := wire.Prologue{
			Mid: m.mid, ReplyTo: m.replyTo, SubID: m.subID, N: m.n,
			FragID: m.fragID, Index: m.index, Count: m.count, OriginalLen: m.original,
		}
		dst = pro.Append(dst, flags)
	}
	if m.content != nil {
		dst = m.content.AppendRange(dst, m.sealed, m.sealed+size)
	} else {
		dst = append(dst, m.body[m.sealed:m.sealed+size]...)
	}
	h := wire.Header{Type: m.typ, Flags: flags, SessionID: s.id, Timestamp: stamp}
	dst, err := p.keys.send.Seal(dst, start, &h)
	if err != nil {
		p.drain(now, 0)
		s.end(now, &Error{Code: wire.KeyLimit, Scope: wire.ScopeSession})
		return dst, false
	}
	p.sentAt = now.Elapsed
	if s.cfg.Trace != nil {
		s.traceFrame(now, trace.FrameSent, &h, len(dst)-start)
	}
	m.sealed += size
	m.index++
	s.queued -= size
	if m.index < m.count {
		return dst, false
	}
	if m.mid != 0 {
		*s.ring.at(m.mid) = sequence
	}
	return dst, true
}

// begin numbers a message whose first frame is sealed now.
func (s *Session) begin(now Now, m *message) {
	m.count = 1
	if m.size > fragmentBody { // [XTMP-FRG-007]
		m.count = uint16((m.size + fragmentBody - 1) / fragmentBody)
		m.fragID = s.out.nextFragment
		s.out.nextFragment++
	}
	if m.flags&wire.FlagRequiresAck == 0 {
		return
	}
	m.mid = s.out.next(&s.ring)
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
			s.calls.probe = probe{since: now.Elapsed, interval: probeSilence}
		}
	}
}

// sent forgets a message whose last frame is sealed. A request that it answers
// is unanswered no longer.
func (s *Session) sent(p *Path, m *message) {
	if c := m.call; c.Mid != 0 {
		if m.typ != wire.TypeHandshakeAck { // RekeyInit counts toward no limit
			s.requests--
			s.requestBytes -= int(c.cost)
		}
		if c.epoch == p.ackEpoch {
			p.ackCount -= int(c.frames)
		}
	}
	s.cfg.Buffers.release(m)
}
