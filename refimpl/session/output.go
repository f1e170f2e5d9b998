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
	if !s.open() || p.closed() || !s.speaks(p) {
		return dst
	}
	if s.role == Server && !p.attached && p.keys.send.Next() == 0 { // HandshakeDone, before all answers [XTMP-HSK-053]
		dst = s.appendQueue(now, p, dst)
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
	if p.pingWanted {
		dst = s.appendPing(now, p, dst)
	}
	if s.exercise != 0 && id == s.current {
		dst = s.appendExercise(now, p, dst)
	}
	if s.askRekey && id == s.current {
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
		s.disconnect(now, wire.NoError)
	}
	return p.takeRaw(now, dst) // Disconnect, or an Error because the slot is exhausted
}

// speaks reports whether this endpoint may seal frames on p: a server not before it
// has opened one on a path that was attached, nobody before AttachAck.
// [XTMP-ATT-038]
func (s *Session) speaks(p *Path) bool {
	return !p.mute && (!p.attached || p.handshaken || s.role == Client && p.state != PathOpen)
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
	case p.kind == UDP:
		return s.hasDatagram(p)
	case len(p.raw) > 0:
		return true
	case !s.open() || p.closed() || !s.speaks(p):
		return false
	case p.answerLen != [2]uint8{} || p.pingWanted || s.askRekey && id == s.current:
		return true
	case s.ackDue(p):
		return true
	case s.next(p) != nil:
		return true
	default:
		return s.state == Closing && s.quiet()
	}
}

// quiet reports whether a closing session owes nothing and is owed nothing.
func (s *Session) quiet() bool {
	if !s.waiting.empty() || !s.out.idle() || s.requests != 0 || len(s.partials) != 0 || s.calls != nil && len(s.calls.unanswered) != 0 {
		return false
	}
	for _, p := range s.paths {
		if p != nil && p.pathWork != nil && !p.lane.empty() {
			return false
		}
	}
	return true
}

// seal appends one control frame under the path key. At the very end of the
// key's budget it ends the session instead.
func (s *Session) seal(now Now, p *Path, dst []byte, t wire.MessageType, f wire.Flags, pro *wire.Prologue, body []byte) []byte {
	if p.keys.send.Exhausted() && t != wire.TypeError { // [XTMP-NON-019]
		s.fail(now, p, &Error{Code: wire.KeyLimit, Scope: wire.ScopeSession}, wire.NoSequence, 0)
		return dst
	}
	if p.kind == UDP {
		p.keys.send.SkipTo(p.udp.send.Next(s.entropy64))
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
	if p.kind == UDP {
		s.departed(now, p, &h, len(dst)-start)
	}
	if s.cfg.Trace != nil {
		s.traceFrame(now, p, trace.FrameSent, &h, len(dst)-start)
	}
	return dst
}

// ackEventually notes a REQUIRES_ACK frame that no reply will cover.
func (p *Path) ackEventually(now Now) {
	if p.kind == UDP { // there every frame counts, by its sequence number
		return
	}
	if p.ackCount == 0 {
		p.ackSince = now.Elapsed
	}
	p.ackCount++
}

// ackDue reports whether an Ack goes out now: a batch is full, the oldest frame
// has waited T_ACK, or the session says goodbye. [XTMP-ACK-010]
func (s *Session) ackDue(p *Path) bool {
	if p.kind == UDP {
		return false // AppendDatagram asks
	}
	return p.ackCount > 0 && (p.ackCount >= ackBatch || p.ackLate || s.state == Closing)
}

// appendAck acknowledges everything received on p.
func (s *Session) appendAck(now Now, p *Path, dst []byte) []byte {
	p.ackCount, p.ackLate = 0, false
	p.ackEpoch++
	var body [wire.AckSize]byte
	return s.seal(now, p, dst, wire.TypeAck, 0, nil, wire.AppendStreamAck(body[:0], p.received-1))
}

// disconnect says goodbye on every path: the session is over on this side too.
// [XTMP-DSC-024]
func (s *Session) disconnect(now Now, reason wire.Code) {
	m := wire.Disconnect{Reason: reason, LastSent: s.out.last, LastComplete: s.in.done}
	for _, p := range s.paths {
		if p == nil || p.closed() || !s.speaks(p) {
			continue
		}
		if p.kind == UDP {
			s.disconnectDatagrams(now, p, &m)
			continue
		}
		if p.ackCount > 0 { // [XTMP-DSC-018]
			p.raw = s.appendAck(now, p, p.raw)
		}
		p.raw = s.seal(now, p, p.raw, wire.TypeDisconnect, 0, nil, m.Append(nil))
		p.drain(now, 0)
	}
	s.wake()
	if reason == wire.NoError {
		s.end(now, ErrClosed)
	} else {
		s.end(now, &Error{Code: reason, Scope: wire.ScopeSession})
	}
}

func millis(ms uint32) time.Duration { return time.Duration(ms) * time.Millisecond }
