package session

import (
	"time"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/trace"
	"github.com/bpci/xtmp/refimpl/wire"
)

// AppendOutput appends what path id has to send now and returns dst. Frames
// are sealed here and nowhere else but in the handshake and for final Errors,
// so a transport that does not call it holds the session's output back.
//
// The order: handshake and final frames; answers; Ack; PING; priority messages;
// others.
func (s *Session) AppendOutput(now Now, id PathID, dst []byte) []byte {
	if s.resting() {
		return dst
	}
	p := s.paths[id]
	dst = p.takeRaw(now, dst)
	if s.state != Established && s.state != Closing || p.state >= PathDrain {
		return dst
	}
	for slot := range p.answer {
		if n := p.answerLen[slot]; n > 0 {
			p.answerLen[slot] = 0
			dst = s.seal(now, p, dst, wire.TypeHeartbeat, 0, nil, p.answer[slot][:n])
		}
	}
	if s.ackDue(p) {
		dst = s.appendAck(now, p, dst)
	}
	if s.ping.wanted {
		dst = s.appendPing(now, p, dst)
	}
	if s.exercise != 0 {
		dst = s.appendExercise(now, p, dst)
	}
	if s.askRekey {
		s.askRekey = false
		dst = s.seal(now, p, dst, wire.TypeHeartbeat, 0, nil, []byte{byte(wire.RekeyRequest)})
	}
	if dst = s.appendQueue(now, p, dst); len(s.held) > 0 {
		s.executeHeld(now)
	}
	if s.blocked && s.queued < pushBytes/2 && s.open() {
		s.blocked = false
		s.cfg.Application.Writable(now, s)
	}
	if s.state == Closing && s.quiet() {
		s.disconnect(now, p, wire.NoError)
	}
	return p.takeRaw(now, dst) // Disconnect, or an Error because the slot is exhausted
}

// takeRaw hands over frames that are ready. With the final one T_LINGER begins.
// [XTMP-DSC-013]
func (p *Path) takeRaw(now Now, dst []byte) []byte {
	if len(p.raw) == 0 {
		return dst
	}
	dst = append(dst, p.raw...)
	p.raw = nil
	if p.state == PathDrain {
		p.drainAt, p.taken = now.Elapsed, true
	}
	return dst
}

// HasOutput reports whether AppendOutput would append something.
func (s *Session) HasOutput(id PathID) bool {
	p := s.paths[id]
	switch {
	case s.resting():
		return false
	case len(p.raw) > 0:
		return true
	case s.state != Established && s.state != Closing || p.state >= PathDrain:
		return false
	case p.answerLen != [2]uint8{} || s.ping.wanted || s.askRekey:
		return true
	case s.ackDue(p):
		return true
	case s.next() != nil:
		return true
	default:
		return s.state == Closing && s.quiet()
	}
}

// quiet reports whether a closing session owes nothing and is owed nothing.
func (s *Session) quiet() bool {
	return s.priority.head == nil && s.ordinary.head == nil && s.out.idle() && s.requests == 0 && len(s.partials) == 0 &&
		(s.calls == nil || len(s.calls.unanswered) == 0)
}

// seal appends one control frame under the path key. At the very end of the
// key's budget it ends the session instead.
func (s *Session) seal(now Now, p *Path, dst []byte, t wire.MessageType, f wire.Flags, pro *wire.Prologue, body []byte) []byte {
	if p.keys.send.Exhausted() && t != wire.TypeError { // [XTMP-NON-019]
		s.fail(now, p, &Error{Code: wire.KeyLimit, Scope: wire.ScopeSession}, wire.NoSequence, 0)
		return dst
	}
	dst, start := security.Reserve(dst)
	if pro != nil {
		dst = pro.Append(dst, f)
	}
	dst = append(dst, body...)
	h := wire.Header{Type: t, Flags: f, SessionID: s.id, Timestamp: s.stamp(now)}
	dst, err := p.keys.send.Seal(dst, start, &h)
	if err != nil {
		p.drain(now, 0)
		s.end(now, &Error{Code: wire.KeyLimit, Scope: wire.ScopeSession})
		return dst
	}
	p.sentAt = now.Elapsed
	if s.cfg.Trace != nil {
		s.traceFrame(now, trace.FrameSent, &h, len(dst)-start)
	}
	return dst
}

// ackEventually notes a REQUIRES_ACK frame that no reply will cover.
func (p *Path) ackEventually(now Now) {
	if p.ackCount == 0 {
		p.ackSince = now.Elapsed
	}
	p.ackCount++
}

// ackDue reports whether an Ack goes out now: a batch is full, the oldest frame
// has waited T_ACK, or the session says goodbye. [XTMP-ACK-010]
func (s *Session) ackDue(p *Path) bool {
	return p.ackCount > 0 && (p.ackCount >= ackBatch || p.ackLate || s.state == Closing)
}

// appendAck acknowledges everything received on p.
func (s *Session) appendAck(now Now, p *Path, dst []byte) []byte {
	p.ackCount, p.ackLate = 0, false
	p.ackEpoch++
	var body [wire.AckSize]byte
	return s.seal(now, p, dst, wire.TypeAck, 0, nil, wire.AppendStreamAck(body[:0], p.received-1))
}

// disconnect says goodbye: the session is over on this side too.
func (s *Session) disconnect(now Now, p *Path, reason wire.Code) {
	if p.ackCount > 0 { // [XTMP-DSC-018]
		p.raw = s.appendAck(now, p, p.raw)
	}
	m := wire.Disconnect{Reason: reason, LastSent: s.out.last, LastComplete: s.in.done}
	p.raw = s.seal(now, p, p.raw, wire.TypeDisconnect, 0, nil, m.Append(nil))
	p.drain(now, 0)
	if reason == wire.NoError {
		s.end(now, ErrClosed)
	} else {
		s.end(now, &Error{Code: reason, Scope: wire.ScopeSession})
	}
}

func millis(ms uint32) time.Duration { return time.Duration(ms) * time.Millisecond }
