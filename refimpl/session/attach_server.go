package session

import (
	"net/netip"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/wire"
)

// Offered returns the sealed frame of type 0x01 with which the connection of this
// server session has begun, and the bytes that came with it: it is for the session
// that it names. False if there is none. The caller then calls Yield or Decline.
func (s *Session) Offered() (frame, rest []byte, ok bool) {
	if s.resting() || s.knock == nil {
		return nil, nil, false
	}
	return s.knock, s.behind, true
}

// Yield ends a session whose connection is a path of another one now.
func (s *Session) Yield(now Now) { s.end(now, ErrYielded) }

// Decline refuses the frame that was offered: with SESSION_UNKNOWN if the instance
// has no such session, else silently. [XTMP-ATT-018] [XTMP-PTH-044]
func (s *Session) Decline(now Now, unknown bool) {
	var h wire.Header
	h.Decode(s.knock)
	s.knock = nil
	p := s.paths[0]
	if !unknown || h.SessionID == 0 {
		s.refuse(now, p, 6, &h, errUnknownKey)
		return
	}
	e := wire.Error{
		Code: wire.SessionUnknown, Scope: wire.ScopeSession, RefSequence: wire.NoSequence,
		HasToken: true, Token: security.NewResetKey(s.cfg.Server.ResetKey).Token(h.SessionID),
	}
	p.raw = wire.AppendClear(nil, wire.TypeError, h.SessionID, now.Wall, e.Append(nil))
	p.drain(now, 0)
	s.end(now, &Error{Code: wire.SessionUnknown, Scope: wire.ScopeSession})
}

// AttachStream takes the Attach with which a connection from source begins: frame, whole, of
// type 0x01, which has passed checks 1 … 5. It reports false if the connection is to
// be closed silently; else it returns the path that the connection is, which
// yields AttachAck. The caller has found the session by the frame's session_id.
func (s *Session) AttachStream(now Now, source netip.Addr, frame []byte) (PathID, bool) {
	s.rise()
	var h wire.Header
	h.Decode(frame)
	if !s.open() || !s.attachable() { // [XTMP-ATT-017]
		return 0, false
	}
	t := s.attaching().bySlot(h.KeyID)
	if t == nil || h.Sequence > 1<<32-1 || t.used && h.Sequence <= uint64(t.counter) { // [XTMP-ATT-019] [XTMP-ATT-021] [XTMP-ATT-026]
		return 0, false
	}
	var env wire.Envelope
	body := s.openAttach(frame, &h, t, wire.HSAttach, &env)
	if body == nil {
		return 0, false
	}
	p := s.answerAttach(now, t, &h, &env, body, TCP, source)
	if p == nil {
		return 0, false
	}
	return p.id, true
}

// receiveAttachDatagram takes a datagram that may be an Attach. What is wrong with it
// is dropped. [XTMP-ATT-021] [XTMP-ATT-025] [XTMP-ATT-027]
func (s *Session) receiveAttachDatagram(now Now, from netip.AddrPort, b []byte, h *wire.Header) {
	t := s.attaching().bySlot(h.KeyID)
	if t == nil || h.Sequence > 1<<32-1 || t.used && h.Sequence < uint64(t.counter) {
		if t == nil {
			s.dropAttach(6, h, errUnknownKey)
			return
		}
		s.dropAttach(9, h, errSequence)
		return
	}
	repeated := t.used && h.Sequence == uint64(t.counter)
	if repeated && (t.ack == nil || from != t.from || now.Elapsed >= t.ackUntil) {
		s.dropAttach(9, h, errSequence)
		return
	}
	var env wire.Envelope
	body := s.openAttach(b, h, t, wire.HSAttach, &env)
	switch {
	case body == nil:
	case !repeated:
		t.from = from
		s.answerAttach(now, t, h, &env, body, UDP, from.Addr())
	case t.path == noPath: // it was refused, and is refused again
		if id, ok := s.freeSlot(); ok {
			p := s.openPath(now, id)
			s.openDatagrams(p, from)
			p.raw = append([]byte(nil), t.ack...)
			p.drain(now, 0)
		}
	default:
		if p := s.paths[t.path]; p != nil && !p.handshaken {
			p.raw = append(p.raw, t.ack...)
		}
	}
}

// answerAttach answers an Attach that has opened under a new counter. It returns
// the path that yields AttachAck, which is closed already unless the status is
// 0; nil if there is no room even for a refusal. [XTMP-ATT-022] [XTMP-ATT-030]
func (s *Session) answerAttach(now Now, t *attachSlots, h *wire.Header, env *wire.Envelope, body []byte, kind Transport,
	source netip.Addr,
) *Path {
	t.used, t.counter, t.path, t.ack = true, uint32(h.Sequence), noPath, nil
	var m wire.Attach
	status := s.judgeAttach(&m, body, t.counter, kind, source)
	if status == wire.NoError && s.openPaths() >= MaxPaths { // [XTMP-ATT-042]
		s.closeQuietest(now)
	}
	id, ok := s.freeSlot()
	if !ok {
		return nil
	}
	ack := wire.AttachAck{Status: uint8(status), PathID: uint8(id), ServerTime: s.stamp(now)}
	if s.draw(ack.Random[:]) != nil {
		return nil
	}
	ackBody := ack.Append(nil)
	env.HSType = wire.HSAttachAck
	frame, err := s.sealAttach(now, t, wire.TypeHandshakeAck, t.counter, *env, ackBody)
	if err != nil {
		return nil
	}
	p := s.openPath(now, id)
	if kind == UDP {
		s.openDatagrams(p, t.from)
	}
	p.raw = frame
	t.ack, t.ackUntil = frame, now.Elapsed+flightTimeout
	if status != wire.NoError { // [XTMP-ATT-033] [XTMP-ATT-034]
		p.drain(now, 0)
		return p
	}
	p.standby = m.Standby
	p.anchor(now, m.ClientTime)
	s.attachPath(p, t.epoch, body, ackBody)
	t.path = id
	s.confirmEpoch(now, t.epoch)
	return p
}

// judgeAttach finds the status of an Attach: the first that holds.
func (s *Session) judgeAttach(m *wire.Attach, body []byte, counter uint32, kind Transport, source netip.Addr) wire.Code {
	named, accepted := wire.PathStream, s.attachTCP
	if kind == UDP {
		named, accepted = wire.PathDatagram, s.attachUDP
	}
	switch {
	case m.Parse(body) != nil || m.Counter != counter || m.Kind != named:
		return wire.Malformed
	case !accepted:
		return wire.PermissionDenied
	case s.state == Closing, !s.cfg.Server.Admission.AdmitPath(source, kind == TCP):
		return wire.ServerBusy
	default:
		return wire.NoError
	}
}

// closeQuietest closes the path that has been silent longest among those that are
// not current.
func (s *Session) closeQuietest(now Now) {
	var quietest *Path
	for _, p := range s.paths {
		if p != nil && !p.closed() && p.id != s.current && (quietest == nil || p.receivedAt < quietest.receivedAt) {
			quietest = p
		}
	}
	if quietest != nil {
		s.pathLost(now, quietest, ErrReplaced)
	}
}

// attachAgain judges a frame of an attached connection that is under no key of the
// path: the same Attach gets the same AttachAck. It reports false if the
// connection is to be closed. [XTMP-ATT-025] [XTMP-ATT-028] [XTMP-ATT-029]
func (s *Session) attachAgain(p *Path, f []byte, h *wire.Header) bool {
	if s.role != Server || !p.attached || p.handshaken || h.Type != wire.TypeHandshake || s.attach == nil {
		return false
	}
	t := s.attaching().bySlot(h.KeyID)
	if t == nil || t.path != p.id || h.Sequence != uint64(t.counter) || t.ack == nil {
		return false
	}
	var env wire.Envelope
	if s.openAttach(f, h, t, wire.HSAttach, &env) == nil {
		return false
	}
	p.raw = append(p.raw, t.ack...)
	return true
}
