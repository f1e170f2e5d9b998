package session

import (
	"crypto/hmac"
	"errors"
	"time"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/wire"
)

// receiveClientHello answers the ClientHello of a connection with ServerHello and
// ServerFlight, or refuses it.
func (s *Session) receiveClientHello(now Now, p *Path, payload []byte) {
	var env wire.Envelope
	body, err := wire.ParseStreamEnvelope(payload, &env)
	if err == nil && env.HSType != wire.HSClientHello {
		err = errHandshakeType
	}
	if err != nil {
		s.refuseHello(now, p, wire.Malformed, err.Error(), 0)
		return
	}
	arrived := now
	if s.delayed != nil {
		arrived = s.delayed.arrived
	}
	a, refused := s.answerHello(now, arrived, env.HandshakeID, body)
	if refused != nil {
		s.refuseHello(now, p, refused.Code, refused.Text, 0)
		return
	}
	env.HSType = wire.HSServerHello
	p.raw = wire.AppendClear(p.raw, wire.TypeHandshakeAck, s.id, now.Wall,
		append(env.AppendStream(nil, len(a.hello)), a.hello...))
	env.HSType = wire.HSServerFlight
	if p.raw, err = s.sealHandshake(now, p.raw, &s.handshake.send, wire.TypeHandshakeAck, env, a.flight); err != nil {
		s.refuseHello(now, p, wire.ServerBusy, "", 0)
		return
	}
	s.becomeHalf(now, p, &a)
}

// answer is what a server says to a ClientHello, before it is framed.
type answer struct {
	hello, flight []byte // bodies of ServerHello and ServerFlight
	th3           security.Digest
}

// answerHello judges the body of a ClientHello and computes the answer, or says
// why there is none. Refusals come in the order form, version, suite, capacity,
// arithmetic. [XTMP-HSK-079]
func (s *Session) answerHello(now, arrived Now, handshakeID uint64, body []byte) (a answer, refused *Error) {
	refuse := func(code wire.Code, text string) (answer, *Error) {
		return answer{}, &Error{Code: code, Scope: wire.ScopePath, Text: text}
	}
	var hello wire.ClientHello
	if err := hello.Parse(body); err != nil {
		return refuse(wire.Malformed, err.Error())
	}
	if hello.MinVersion > wire.Version || hello.MaxVersion < wire.Version || hello.MinVersion > hello.MaxVersion {
		return refuse(wire.VersionUnsupported, "this server speaks version 1")
	}
	identity, suite, ok := s.choose(&hello)
	if !ok {
		return refuse(wire.NoCommonSuite, "")
	}
	if !s.cfg.Server.Admission.Admit(s.source) {
		return refuse(wire.ServerBusy, "too many sessions or handshakes")
	}
	k, err := s.agree(now, &hello, body, suite, &a)
	switch {
	case errors.Is(err, security.ErrKeyShare):
		return refuse(wire.HandshakeFailed, "")
	case err != nil: // our own fault: entropy
		return refuse(wire.ServerBusy, "")
	}
	k.id = handshakeID
	k.hear(arrived, hello.ClientTime)
	s.handshake = k
	a.flight = s.buildFlight(k, identity, hello.Flags&wire.HelloWantKey != 0)
	a.th3 = k.transcript.Sum()
	k.finish = k.secrets.ClientFinished(a.th3)
	s.peerInflates = s.cfg.Compression && hello.Flags&wire.HelloDeflate != 0
	return a, nil
}

// choose picks identity and suite: of the identities that match a hint, or of
// all if none does, the first that can serve a suite of the client's list; then
// the first such suite. [XTMP-TRU-018] [XTMP-TRU-019] [XTMP-TRU-020] [XTMP-TRU-021]
func (s *Session) choose(hello *wire.ClientHello) (*security.Identity, wire.Suite, bool) {
	hinted := func(id *security.Identity) bool {
		f := id.Fingerprint()
		for _, hint := range hello.IdentityHint {
			if hint != [8]byte{} && hint == [8]byte(f[:8]) {
				return true
			}
		}
		return false
	}
	anyHinted := false
	for _, id := range s.cfg.Server.Identities {
		anyHinted = anyHinted || hinted(id)
	}
	for _, id := range s.cfg.Server.Identities {
		if anyHinted && !hinted(id) {
			continue
		}
		if suite, ok := s.serves(id, hello); ok {
			return id, suite, true
		}
	}
	return nil, 0, false
}

// serves returns the first suite of the client's list that is enabled and that
// the identity can serve.
func (s *Session) serves(id *security.Identity, hello *wire.ClientHello) (wire.Suite, bool) {
	for _, offered := range hello.Suites {
		for _, enabled := range s.cfg.Suites {
			if offered == enabled && id.Serves(offered) {
				return offered, true
			}
		}
	}
	return 0, false
}

// agree makes the body of ServerHello and derives the handshake secrets; the
// session has its id and suite from here on.
func (s *Session) agree(now Now, hello *wire.ClientHello, body []byte, suite wire.Suite, a *answer) (*handshake, error) {
	m := wire.ServerHello{Version: wire.Version, Suite: suite, ServerTime: now.Wall}
	if err := s.draw(m.Random[:]); err != nil {
		return nil, err
	}
	ss, share, err := security.AnswerShare(s.cfg.Entropy, s.cfg.Server.Encapsulate, &hello.KeyShare)
	if err != nil {
		return nil, err
	}
	m.KeyShare = share
	m.SessionID = s.cfg.Server.NewSessionID()
	s.id, s.suite = m.SessionID, suite
	s.wallZero = now.Wall - micros(now.Elapsed)
	a.hello = m.Append(nil)
	k := &handshake{transcript: security.NewTranscript(), keyed: true, sessionID: s.id, suite: suite}
	k.transcript.Add(byte(wire.HSClientHello), body)
	k.transcript.Add(byte(wire.HSServerHello), a.hello)
	k.secrets = security.NewHandshake(ss, k.transcript.Sum())
	clear(ss[:])
	k.send = security.NewSealer(suite, &k.secrets.Server)
	k.recv = security.NewOpener(suite, &k.secrets.Client)
	return k, nil
}

// becomeHalf awaits ClientFinish: the answer to ClientHello is framed.
func (s *Session) becomeHalf(now Now, p *Path, a *answer) {
	s.handshake.send = security.Sealer{}
	s.establishKeys(p, a.th3)
	s.setState(now, Half)
}

// buildFlight appends ServerIdentity, ServerSignature and ServerFinished, and
// takes each into the transcript.
func (s *Session) buildFlight(k *handshake, id *security.Identity, withKey bool) []byte {
	m := wire.ServerIdentity{Kind: id.Kind(), Fingerprint: id.Fingerprint(), Params: s.params(), Endpoints: s.cfg.endpoints()}
	if withKey {
		m.Key = id.Key()
	}
	add := func(flight []byte, t byte, body []byte) []byte {
		k.transcript.Add(t, body)
		return append(wire.AppendMessageHeader(flight, t, len(body)), body...)
	}
	flight := add(nil, wire.FlightIdentity, m.Append(nil))
	flight = add(flight, wire.FlightSignature, id.Sign(k.transcript.Sum()))
	finished := k.secrets.ServerFinished(k.transcript.Sum())
	return add(flight, wire.FlightFinished, finished[:])
}

// params is what this server announces.
func (s *Session) params() wire.Params {
	var policy uint16
	if s.cfg.Compression {
		policy |= wire.PolicyDeflate
	}
	if s.cfg.Server.AttachTCP {
		policy |= wire.PolicyAttachTCP
	}
	if s.cfg.Server.AttachUDP {
		policy |= wire.PolicyAttachUDP
	}
	return wire.Params{
		MaxPayload:      s.cfg.Server.MaxPayload,
		IdleTimeoutMS:   uint32(s.cfg.ConnectionTimeout / time.Millisecond),
		KeyRotationS:    uint32(s.cfg.KeyRotationInterval / time.Second),
		MaxDatagram:     datagramDefault,
		ReassemblyBytes: 262144,
		MaxInflight:     s.cfg.Server.MaxInflight,
		ResetToken:      security.NewResetKey(s.cfg.Server.ResetKey).Token(s.id),
		Policy:          policy,
	}
}

// receiveFinish verifies ClientFinish. A bad one gets no answer. [XTMP-HSK-049]
func (s *Session) receiveFinish(now Now, p *Path, body []byte) {
	if !s.handshake.finishes(body) {
		s.pathLost(now, p, ErrHandshake)
		return
	}
	s.finishHandshake(now, p)
}

// finishes reports whether the body of a ClientFinish is the one that is expected.
// [XTMP-HSK-050]
func (k *handshake) finishes(body []byte) bool { return hmac.Equal(body, k.finish[:]) }

// finishHandshake establishes the session: ClientFinish has verified.
func (s *Session) finishHandshake(now Now, p *Path) {
	k := s.handshake
	if k.skewed() { // the first path frame, and the last [XTMP-HSK-057]
		p.raw = s.appendErrorFrame(now, p, p.raw, &wire.Error{
			Code: wire.ClockSkew, Scope: wire.ScopeSession, RefSequence: wire.NoSequence,
			Text: []byte("the client's clock differs by more than 300 s"),
		})
		p.drain(now, 0)
		s.end(now, &Error{Code: wire.ClockSkew, Scope: wire.ScopeSession})
		return
	}
	env := wire.Envelope{HSType: wire.HSHandshakeDone, HandshakeID: k.id}
	done := wire.HandshakeDone{ServerTime: s.stamp(now)}
	if s.cfg.Server.AddressToken != nil { // [XTMP-TOK-015]
		done.AddressToken = s.cfg.Server.AddressToken(now.Elapsed, s.source)
	}
	s.handshake = nil
	s.endsAt = now.Elapsed + ageFactor*min(s.cfg.KeyRotationInterval, rotationMax)
	s.cfg.Server.Admission.Settle(s.source)
	s.settled = true
	s.attachTCP, s.attachUDP = s.cfg.Server.AttachTCP, s.cfg.Server.AttachUDP
	p.state = PathLive
	s.setState(now, Established)
	// HandshakeDone is sequence 0 and mid 1. [XTMP-HSK-053] [XTMP-HSK-054]
	m := s.cfg.Buffers.message()
	m.typ, m.flags = wire.TypeHandshakeAck, wire.FlagRequiresAck
	m.fill(s.cfg.Buffers, env.AppendStream(nil, wire.HandshakeDoneSize), done.Append(nil), nil)
	s.queued += m.size
	m.path, m.queued = p.id, true
	p.lane.priority.push(m) // ahead of all, PRIORITY or not
	s.event(Event{Kind: EventEstablished})
}

// refuseHello answers the first frame of a connection with a clear Error and
// closes. refused is the payload_length of a frame whose payload was not taken.
func (s *Session) refuseHello(now Now, p *Path, code wire.Code, text string, refused uint32) {
	e := wire.Error{Code: code, Scope: wire.ScopePath, RefSequence: wire.NoSequence, Text: []byte(text)}
	p.raw = wire.AppendClear(nil, wire.TypeError, 0, now.Wall, e.Append(nil))
	p.drain(now, refused)
	s.end(now, &Error{Code: code, Scope: wire.ScopePath, Text: text})
}

// appendErrorFrame seals an Error that is not a reply.
func (s *Session) appendErrorFrame(now Now, p *Path, dst []byte, e *wire.Error) []byte {
	return s.seal(now, p, dst, wire.TypeError, 0, nil, e.Append(nil))
}
