package session

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/wire"
)

// receiveClientHello answers a ClientHello with ServerHello and ServerFlight,
// or refuses it. Refusals come in the order form, version, suite, capacity,
// arithmetic. [XTMP-HSK-079]
func (s *Session) receiveClientHello(now Now, p *Path, payload []byte) {
	var env wire.Envelope
	var hello wire.ClientHello
	body, err := wire.ParseStreamEnvelope(payload, &env)
	if err == nil && env.HSType != wire.HSClientHello {
		err = errHandshakeType
	}
	if err == nil {
		err = hello.Parse(body)
	}
	if err != nil {
		s.refuseHello(now, p, wire.Malformed, err.Error(), 0)
		return
	}
	if hello.MinVersion > wire.Version || hello.MaxVersion < wire.Version || hello.MinVersion > hello.MaxVersion {
		s.refuseHello(now, p, wire.VersionUnsupported, "this server speaks version 1", 0)
		return
	}
	identity, suite, ok := s.choose(&hello)
	if !ok {
		s.refuseHello(now, p, wire.NoCommonSuite, "", 0)
		return
	}
	if !s.cfg.Server.Admission.Admit(s.source) {
		s.refuseHello(now, p, wire.ServerBusy, "too many sessions or handshakes", 0)
		return
	}
	if err := s.answerHello(now, p, &env, &hello, body, identity, suite); err != nil {
		code := wire.HandshakeFailed
		if !errors.Is(err, security.ErrKeyShare) {
			code = wire.ServerBusy // our own fault: entropy
		}
		s.refuseHello(now, p, code, "", 0)
	}
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

// answerHello computes the whole server side of the handshake.
func (s *Session) answerHello(now Now, p *Path, env *wire.Envelope, hello *wire.ClientHello, body []byte,
	identity *security.Identity, suite wire.Suite,
) error {
	answer := wire.ServerHello{Version: wire.Version, Suite: suite, ServerTime: now.Wall}
	if err := s.draw(answer.Random[:]); err != nil {
		return err
	}
	ss, share, err := security.AnswerShare(s.cfg.Entropy, s.cfg.Server.Encapsulate, &hello.KeyShare)
	if err != nil {
		return err
	}
	answer.KeyShare = share
	answer.SessionID = s.cfg.Server.NewSessionID()
	s.id, s.suite = answer.SessionID, suite
	s.wallZero = now.Wall - micros(now.Elapsed)

	k := &handshake{id: env.HandshakeID, transcript: security.NewTranscript(), keyed: true}
	k.transcript.Add(byte(wire.HSClientHello), body)
	answerBody := answer.Append(nil)
	k.transcript.Add(byte(wire.HSServerHello), answerBody)
	k.secrets = security.NewHandshake(ss, k.transcript.Sum())
	clear(ss[:])
	s.peerInflates = s.cfg.Compression && hello.Flags&wire.HelloDeflate != 0
	k.recv = security.NewOpener(suite, &k.secrets.Client)
	arrived := now
	if s.delayed != nil {
		arrived = s.delayed.arrived
	}
	k.skew = int64(hello.ClientTime - arrived.Wall) // [XTMP-TIM-010]
	s.handshake = k

	env.HSType = wire.HSServerHello
	p.raw = wire.AppendClear(p.raw, wire.TypeHandshakeAck, s.id, now.Wall,
		append(env.AppendStream(nil, len(answerBody)), answerBody...))
	env.HSType = wire.HSServerFlight
	send := security.NewSealer(suite, &k.secrets.Server)
	flight := s.buildFlight(k, identity, hello.Flags&wire.HelloWantKey != 0)
	if p.raw, err = s.sealHandshake(now, p.raw, &send, wire.TypeHandshakeAck, *env, flight); err != nil {
		return err
	}
	th3 := k.transcript.Sum()
	k.finish = k.secrets.ClientFinished(th3)
	s.establishKeys(p, th3)
	p.anchor(arrived, hello.ClientTime)
	s.setState(now, Half)
	return nil
}

// buildFlight appends ServerIdentity, ServerSignature and ServerFinished, and
// takes each into the transcript.
func (s *Session) buildFlight(k *handshake, id *security.Identity, withKey bool) []byte {
	m := wire.ServerIdentity{Kind: id.Kind(), Fingerprint: id.Fingerprint(), Params: s.params()}
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

// params is what this server announces. Attach is not accepted, so a session
// ends with its connection.
func (s *Session) params() wire.Params {
	mac := hmac.New(sha256.New, s.cfg.Server.ResetKey[:])
	mac.Write(binary.BigEndian.AppendUint64([]byte("XTMP/1 reset"), s.id))
	var policy uint16
	if s.cfg.Compression {
		policy |= wire.PolicyDeflate
	}
	return wire.Params{
		MaxPayload:      s.cfg.Server.MaxPayload,
		IdleTimeoutMS:   uint32(s.cfg.ConnectionTimeout / time.Millisecond),
		KeyRotationS:    uint32(s.cfg.KeyRotationInterval / time.Second),
		MaxDatagram:     1200,
		ReassemblyBytes: 262144,
		MaxInflight:     s.cfg.Server.MaxInflight,
		ResetToken:      [16]byte(mac.Sum(nil)),
		Policy:          policy,
	}
}

// receiveFinish verifies ClientFinish. A bad one gets no answer. [XTMP-HSK-049]
func (s *Session) receiveFinish(now Now, p *Path, body []byte) {
	k := s.handshake
	if !hmac.Equal(body, k.finish[:]) {
		s.pathLost(now, p, ErrHandshake)
		return
	}
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
	s.handshake = nil
	s.endsAt = now.Elapsed + ageFactor*min(s.cfg.KeyRotationInterval, rotationMax)
	s.cfg.Server.Admission.Settle(s.source)
	s.settled = true
	s.setState(now, Established)
	// HandshakeDone is sequence 0 and mid 1. [XTMP-HSK-053] [XTMP-HSK-054]
	pro := wire.Prologue{Mid: s.out.next(&s.ring)}
	*s.ring.at(pro.Mid) = 0
	p.raw = s.seal(now, p, p.raw, wire.TypeHandshakeAck, wire.FlagRequiresAck, &pro,
		done.Append(env.AppendStream(nil, wire.HandshakeDoneSize)))
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
