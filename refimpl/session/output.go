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
// The order: handshake and final frames; answers; Ack; PING; replies.
func (s *Session) AppendOutput(now Now, id PathID, dst []byte) []byte {
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
	dst = s.appendQueue(now, p, dst)
	if s.state == Closing && s.out.idle() {
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
	case len(p.raw) > 0:
		return true
	case s.state != Established && s.state != Closing || p.state >= PathDrain:
		return false
	case p.answerLen != [2]uint8{} || s.ping.wanted:
		return true
	case s.ackDue(p):
		return true
	case len(s.out.queue) > 0 && s.out.room():
		return true
	default:
		return s.state == Closing && s.out.idle()
	}
}

// appendQueue seals replies while the mid window and the budget of one call
// allow.
func (s *Session) appendQueue(now Now, p *Path, dst []byte) []byte {
	limit := len(dst) + outputBudget
	for len(s.out.queue) > 0 && s.out.room() && len(dst) < limit && s.state != Closed {
		m := s.out.queue[0]
		s.out.cost -= m.cost
		if s.out.queue = s.out.queue[1:]; len(s.out.queue) == 0 {
			s.out.queue = nil
		}
		dst = s.appendReliable(now, p, dst, m)
	}
	return dst
}

// appendReliable gives a message its mid and seals it.
func (s *Session) appendReliable(now Now, p *Path, dst []byte, m message) []byte {
	s.out.last++
	s.out.unacked = append(s.out.unacked, sentMid{mid: s.out.last, sequence: p.keys.send.Next()})
	pro := wire.Prologue{Mid: s.out.last, ReplyTo: m.replyTo}
	return s.seal(now, p, dst, m.typ, m.flags, &pro, m.body)
}

// seal appends one frame under the path key. At the end of the key's budget it
// ends the session instead.
func (s *Session) seal(now Now, p *Path, dst []byte, t wire.MessageType, f wire.Flags, pro *wire.Prologue, body []byte) []byte {
	if p.keys.send.Spent() && t != wire.TypeError { // [XTMP-NON-017]
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
