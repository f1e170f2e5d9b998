package session

import (
	"slices"

	"github.com/bpci/xtmp/refimpl/wire"
)

// dispatch is step 13: what an opened frame means.
func (s *Session) dispatch(now Now, p *Path, h *wire.Header, plaintext []byte) {
	var pro wire.Prologue
	body, err := pro.Parse(h.Flags, plaintext)
	switch {
	case err != nil && h.Type == wire.TypeError: // never answer an Error with an Error
		s.pathLost(now, p, ErrBadFrame)
		return
	case err != nil:
		s.violation(now, p, err.Error())
		return
	case !s.checkRole(now, p, h):
		return
	case s.role == Client && !p.handshaken && !p.attached && p.kind == TCP && !s.firstFrame(now, p, h, &pro, body):
		return
	case s.role == Client && h.Sequence == 0 && !p.attached && p.kind == UDP && h.Type == wire.TypeError && !h.Flags.Has(wire.FlagReply):
		s.refusedByServer(now, p, body) // [XTMP-UDP-055]
		return
	}
	p.handshaken = true
	if h.Flags.Has(wire.FlagRequiresAck) {
		switch s.in.status(pro.Mid) {
		case midBeyond:
			if p.kind == UDP { // [XTMP-UDP-093]
				p.udp.refused = true
				return
			}
			if h.Type == wire.TypeError { // [XTMP-ERR-031]
				s.pathLost(now, p, ErrBadFrame)
				return
			}
			s.violation(now, p, "mid is 4096 or more above the lowest that is not complete")
			return
		case midKnown:
			p.ackEventually(now)
			s.repeated(now, p, pro.Mid)
			return
		case midNew: // it is complete once its message is
			if s.role == Client && pro.Mid == 1 && h.Type != wire.TypeHandshakeAck { // [XTMP-UDP-053]
				s.unexpected(now, p, "the first message is not HandshakeDone")
				return
			}
		}
	}
	switch {
	case h.Type == wire.TypeHandshake || h.Type == wire.TypeHandshakeAck:
		s.receiveLateHandshake(now, p, h, &pro, body)
	case h.Type == wire.TypeHeartbeat:
		s.receiveHeartbeat(now, p, body)
	case h.Type == wire.TypeDisconnect:
		s.receiveDisconnect(now, p, body)
	case h.Type == wire.TypeAck:
		s.receiveAck(now, p, body)
	case h.Type == wire.TypeError:
		s.receiveError(now, p, h, &pro, body)
	case h.Type.Extension(): // [XTMP-TYP-009]
		s.completeMid(h, &pro)
		if h.Flags.Has(wire.FlagRequiresAck) {
			p.ackEventually(now)
		}
	default:
		s.receiveMessage(now, p, h, &pro, body)
	}
}

// checkRole refuses what only the other role may send. Role is judged before
// mid, so a repeated mid does not hide it. Types from 0x80 to 0xEF belong to
// nobody.
func (s *Session) checkRole(now Now, p *Path, h *wire.Header) bool {
	reply := h.Flags.Has(wire.FlagReply)
	switch {
	case s.role == Client && h.Type == wire.TypeHandshake, // [XTMP-MSG-042]
		s.role == Server && h.Type == wire.TypeHandshakeAck,                 // [XTMP-MSG-037]
		s.role == Server && h.Type > wire.TypeAck && h.Type < 0x80 && reply: // [XTMP-MSG-038]
		s.violation(now, p, h.Type.String()+" is not for this role to send")
		return false
	case s.role == Server && h.Type == wire.TypeError && reply: // [XTMP-MSG-041]
		s.pathLost(now, p, ErrBadFrame)
		return false
	default:
		return true
	}
}

// firstFrame judges the first path frame of a server: HandshakeDone as mid 1,
// or an unsolicited Error, which ends the session whatever its scope.
func (s *Session) firstFrame(now Now, p *Path, h *wire.Header, pro *wire.Prologue, body []byte) bool {
	switch {
	case h.Type == wire.TypeHandshakeAck && pro.Mid == 1:
		return true
	case h.Type == wire.TypeError && !h.Flags.Has(wire.FlagReply): // [XTMP-HSK-063]
		s.refusedByServer(now, p, body)
		return false
	case h.Type == wire.TypeError: // [XTMP-ERR-031]
		s.pathLost(now, p, ErrBadFrame)
		return false
	}
	s.unexpected(now, p, "the first frame is not HandshakeDone") // [XTMP-HSK-059]
	return false
}

// refusedByServer ends a session by the Error that came in place of HandshakeDone.
func (s *Session) refusedByServer(now Now, p *Path, body []byte) {
	var m wire.Error
	_ = m.Parse(body, true) // what can be read of it will do
	p.shut()
	s.end(now, peerError(&m))
}

// unexpected ends the session with UNEXPECTED_MESSAGE.
func (s *Session) unexpected(now Now, p *Path, what string) {
	s.fail(now, p, &Error{Code: wire.UnexpectedMessage, Scope: wire.ScopeSession, Text: what}, p.received-1, 0)
}

// receiveLateHandshake handles 0x01 at a server and 0x02 at a client, under a
// path key. The mid is new. A message in fragments carries its envelope in
// index 0 and is judged when it is whole.
func (s *Session) receiveLateHandshake(now Now, p *Path, h *wire.Header, pro *wire.Prologue, body []byte) {
	reply := s.role == Client && h.Flags.Has(wire.FlagReply)
	if reply && !slices.Contains(s.calls.rekeys, pro.ReplyTo) { // [XTMP-MSG-043]
		s.violation(now, p, "a reply of type 0x02 that answers no RekeyInit")
		return
	}
	c := s.call(p, h, pro, 0)
	if h.Flags.Has(wire.FlagFragment) {
		p.ackEventually(now)
		q, result := s.takeFragment(now, p, h, pro, body, payloadBeforeSession)
		switch result {
		case fragmentTaken:
			return
		case fragmentWhole:
			body = q.joined
		case fragmentFifth:
			s.refuseFragment(now, p, h, pro, c, result)
			return
		default: // [XTMP-RKY-044]
			s.violation(now, p, "fragments of "+h.Type.String()+" disagree or are too many")
			return
		}
	}
	var env wire.Envelope
	rest, err := wire.ParseStreamEnvelope(body, &env)
	reliable := h.Flags.Has(wire.FlagRequiresAck)
	switch {
	case err != nil: // [XTMP-MSG-039] [XTMP-MSG-044] [XTMP-RKY-039]
		s.violation(now, p, err.Error())
	case s.role == Client && (pro.Mid == 1) != (env.HSType == wire.HSHandshakeDone): // [XTMP-UDP-053] [XTMP-UDP-054]
		s.unexpected(now, p, "HandshakeDone is mid 1, and mid 1 is HandshakeDone")
	case s.role == Server && env.HSType == wire.HSRekeyInit && !reliable: // [XTMP-RKY-038]
		s.violation(now, p, "RekeyInit without REQUIRES_ACK")
	case s.role == Server && env.HSType == wire.HSRekeyInit:
		s.completeMid(h, pro)
		if !h.Flags.Has(wire.FlagFragment) {
			p.ackEventually(now)
		}
		s.receiveRekeyInit(now, p, h, c, &env, rest)
	case reply && env.HSType == wire.HSRekeyResp:
		s.completeMid(h, pro)
		s.receiveRekeyResp(now, p, h, pro, &env, rest)
	case s.role == Client && env.HSType == wire.HSHandshakeDone && reliable && !h.Flags.Has(wire.FlagReply):
		s.completeMid(h, pro)
		s.receiveHandshakeDone(now, p, &env, rest)
	default: // [XTMP-MSG-045] [XTMP-RKY-037] [XTMP-RKY-040]
		s.unexpected(now, p, "handshake message out of place")
	}
}

// receiveUnknown handles types below 0x80 that this endpoint does not know. c and
// size are those of the message; a mid is complete.
func (s *Session) receiveUnknown(now Now, p *Path, h *wire.Header, pro *wire.Prologue, c Call, size int) {
	hasMid := h.Flags.Has(wire.FlagRequiresAck)
	switch {
	case h.Flags.Has(wire.FlagStreaming):
	case s.role == Client && hasMid:
		s.violation(now, p, "a reliable message of a type below 0x80 that nobody asked for")
	case s.role == Client:
	case hasMid:
		p.ackEventually(now)
		if s.accepts(now, p, h, pro, c, size) {
			s.refuseMessage(now, p, h, pro, c, wire.UnsupportedType, h.Type.String())
		}
	default:
		s.unsolicited(now, p, h, wire.UnsupportedType)
	}
}

// unsolicited sends an Error of scope 0 outside a reply: a server each code at
// most once a second, and none while others wait for the transport.
// [XTMP-MSG-030] [XTMP-MSG-054]
func (s *Session) unsolicited(now Now, p *Path, h *wire.Header, code wire.Code) {
	if len(p.raw) > unsolicitedWaiting {
		return
	}
	e := wire.Error{Code: code, RefSequence: h.Sequence}
	if s.role == Server {
		last := &s.unsupportedAt
		if code == wire.Malformed {
			last = &s.malformedAt
		}
		if *last != 0 && now.Elapsed-*last < unsolicitedEvery || len(p.raw) > 0 {
			return
		}
		*last = max(now.Elapsed, 1)
		e.Text = []byte(h.Type.String())
	}
	p.raw = s.seal(now, p, p.raw, wire.TypeError, 0, nil, e.Append(nil))
}

// receiveHeartbeat answers PING and PATH_CHALLENGE and notes a PONG. At most
// one answer of each kind is pending; a newer one replaces it. [XTMP-HBT-012] [XTMP-HBT-013]
func (s *Session) receiveHeartbeat(now Now, p *Path, body []byte) {
	kind, data, err := wire.ParseHeartbeat(body)
	if err != nil {
		s.violation(now, p, err.Error())
		return
	}
	switch kind {
	case wire.Ping:
		p.answerWith(0, wire.Pong, data)
	case wire.PathChallenge:
		p.answerWith(1, wire.PathResponse, data)
	case wire.Pong:
		s.receivePong(now, p, data)
	case wire.RekeyRequest:
		if s.role == Server {
			s.violation(now, p, "REKEY_REQUEST from a client")
			return
		}
		if s.rekey == nil || s.rekey.confirmed { // one in flight serves it [XTMP-RKY-012]
			s.Rekey(now)
		}
	case wire.PathResponse:
		if p.kind == UDP {
			s.receivePathResponse(now, p, p.udp.from, data)
		}
	default: // unknown kinds count as received and nothing else
	}
}

// answerWith makes an answer pending: its kind, then the bytes it answers.
func (p *Path) answerWith(slot int, kind wire.HeartbeatKind, data []byte) {
	p.answer[slot][0] = byte(kind)
	p.answerLen[slot] = uint8(1 + copy(p.answer[slot][1:], data))
}

func (s *Session) receiveDisconnect(now Now, p *Path, body []byte) {
	var m wire.Disconnect
	if err := m.Parse(body); err != nil {
		s.violation(now, p, err.Error())
		return
	}
	p.shut()
	if m.Reason == wire.NoError {
		s.end(now, ErrClosed)
		return
	}
	s.end(now, &Error{Code: m.Reason, Scope: wire.ScopeSession, Peer: true})
}

func (s *Session) receiveAck(now Now, p *Path, body []byte) {
	if p.kind == UDP {
		s.receiveDatagramAck(now, p, body)
		return
	}
	largest, err := wire.ParseStreamAck(body)
	if err != nil {
		s.violation(now, p, err.Error())
		return
	}
	if largest >= p.keys.send.Next() { // [XTMP-ACK-004]
		s.violation(now, p, "Ack of a frame that was not sent")
		return
	}
	for d := p.flight.oldest(); d != nil && d.sequence <= largest; d = p.flight.oldest() {
		mid, fragID := d.mid, d.fragID
		p.flight.pop()
		if s.covers(mid, fragID) {
			s.settle(mid, false)
		}
	}
}

// covers reports whether an Ack of a connection for the last frame of a message
// shows that the message has arrived: not if it was cut anew since.
// [XTMP-ACK-031]
func (s *Session) covers(mid uint64, fragID uint32) bool {
	if !s.out.awaits(s.ring, mid) {
		return false
	}
	m := s.ring.at(mid).kept
	return m == nil || m.count == 1 || m.fragID == fragID
}

// peerError is what the peer said.
func peerError(m *wire.Error) *Error {
	return &Error{Code: m.Code, Scope: m.Scope, Peer: true, RetryAfter: millis(m.RetryAfterMS), Text: string(m.Text)}
}

// receiveError handles an Error of the peer. As a reply it ends its call; a
// reply to a mid that was never sent ends the session in silence, since an Error
// is not answered by an Error.
func (s *Session) receiveError(now Now, p *Path, h *wire.Header, pro *wire.Prologue, body []byte) {
	if h.Flags.Has(wire.FlagReply) {
		s.receiveErrorReply(now, p, h, pro, body)
		return
	}
	var m wire.Error
	err := m.Parse(body, true)
	if err != nil && (len(body) < 4 || m.Scope != wire.ScopeSession) {
		return // a malformed unsolicited Error is discarded unless it ends the session
	}
	e := peerError(&m)
	switch m.Scope {
	case wire.ScopeMessage:
		s.event(Event{Kind: EventPeerError, Err: e})
	case wire.ScopePath: // [XTMP-PTH-041]
		over := m.Code == wire.PayloadTooLarge && s.sentLastOn(p)
		s.pathLost(now, p, e)
		if over && s.open() { // which message was refused nobody says [XTMP-PTH-043]
			s.disconnect(now, wire.NoError)
		}
	case wire.ScopeSession:
		p.shut()
		s.end(now, e)
	}
}

// receiveErrorReply handles an Error that answers a request. Its scope is
// ignored; a malformed one leaves its call without a known result.
func (s *Session) receiveErrorReply(now Now, p *Path, h *wire.Header, pro *wire.Prologue, body []byte) {
	if pro.ReplyTo == 0 || pro.ReplyTo > s.out.last {
		s.pathLost(now, p, ErrBadFrame)
		return
	}
	s.completeMid(h, pro)
	p.ackEventually(now)
	var m wire.Error
	e := ErrUnknownResult
	if m.Parse(body, true) == nil {
		e = peerError(&m)
	}
	if s.rekeying(pro.ReplyTo) { // [XTMP-RKY-043]
		p.shut()
		s.end(now, e)
		return
	}
	s.finishCall(now, pro.ReplyTo, Message{Type: h.Type, Err: e})
}

// violation ends the session with PROTOCOL_VIOLATION because of the frame that
// was opened last. [XTMP-ERR-027]
func (s *Session) violation(now Now, p *Path, what string) {
	s.fail(now, p, &Error{Code: wire.ProtocolViolation, Scope: wire.ScopeSession, Text: what}, p.received-1, 0)
}

// fail sends a final Error on the path of its cause, then ends the session, or the
// path alone if that is its scope. [XTMP-PTH-040]
// cause is the sequence number of the offending frame, or wire.NoSequence;
// refused is the payload_length of a refused frame, which is then discarded.
func (s *Session) fail(now Now, p *Path, e *Error, cause uint64, refused uint32) {
	body := wire.Error{Code: e.Code, Scope: e.Scope, RefSequence: cause, Text: []byte(e.Text)}
	p.raw = s.seal(now, p, p.raw, wire.TypeError, 0, nil, body.Append(nil))
	p.drain(now, refused)
	if e.Scope == wire.ScopePath {
		s.leave(now, p, e)
		return
	}
	s.end(now, e)
}

// failAnywhere is fail for what no frame has caused: the Error goes out on the
// current path, or on none.
func (s *Session) failAnywhere(now Now, e *Error) {
	if p := s.here(); p != nil && s.speaks(p) {
		s.fail(now, p, e, wire.NoSequence, 0)
		return
	}
	s.end(now, e)
}
