package session

import (
	"bytes"
	"crypto/hmac"
	"encoding/binary"
	"time"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/wire"
)

// Open starts the handshake on a fresh connection: path 0. It fails only when
// entropy does.
func (s *Session) Open(now Now) error {
	body, err := s.beginHello(now)
	if err != nil {
		return err
	}
	env := wire.Envelope{HSType: wire.HSClientHello, HandshakeID: s.handshake.id}
	p := s.openPath(now, 0)
	p.raw = wire.AppendClear(nil, wire.TypeHandshake, 0, now.Wall, append(env.AppendStream(nil, len(body)), body...))
	s.setState(now, Hello)
	return nil
}

// beginHello draws what a handshake needs and returns the body of ClientHello.
func (s *Session) beginHello(now Now) ([]byte, error) {
	s.rise()
	var seed [8 + wire.RandomSize + 2]byte
	if err := s.draw(seed[:]); err != nil {
		return nil, err
	}
	share, err := security.NewClientShare(s.cfg.Entropy)
	if err != nil {
		return nil, err
	}
	k := &handshake{
		id:         binary.BigEndian.Uint64(seed[:]),
		share:      share,
		transcript: security.NewTranscript(),
		wantKey:    s.needsKey(),
	}
	hello := wire.ClientHello{
		MinVersion: wire.Version, MaxVersion: wire.Version,
		Suites:     [4]wire.Suite{wire.SuiteUnused, wire.SuiteUnused, wire.SuiteUnused, wire.SuiteUnused},
		ClientTime: now.Wall,
		Random:     [wire.RandomSize]byte(seed[8:]),
		Grease:     0x8000 | binary.BigEndian.Uint16(seed[40:]), // [XTMP-TYP-021]
	}
	copy(hello.Suites[:], s.cfg.Suites)
	if k.wantKey {
		hello.Flags |= wire.HelloWantKey
	}
	if s.cfg.Compression {
		hello.Flags |= wire.HelloDeflate
	}
	for i, pin := range s.cfg.Client.Pins[:min(len(s.cfg.Client.Pins), len(hello.IdentityHint))] {
		copy(hello.IdentityHint[i][:], pin.Fingerprint[:])
	}
	hello.KeyShare = share.Public()

	body := hello.Append(nil)
	k.transcript.Add(byte(wire.HSClientHello), body)
	s.handshake = k
	s.wallZero = now.Wall - micros(now.Elapsed)
	return body, nil
}

// needsKey reports whether some pin lacks its key, or none is given.
func (s *Session) needsKey() bool {
	for _, pin := range s.cfg.Client.Pins {
		if pin.Key == nil {
			return true
		}
	}
	return len(s.cfg.Client.Pins) == 0
}

// receiveClearError is the server's refusal before a session.
func (s *Session) receiveClearError(now Now, p *Path, payload []byte) {
	var m wire.Error
	if err := m.Parse(payload, false); err != nil {
		s.pathLost(now, p, ErrHandshake)
		return
	}
	s.pathLost(now, p, clearError(&m))
}

// clearError is what a clear Error says.
func clearError(m *wire.Error) *Error {
	return &Error{Code: m.Code, Scope: m.Scope, Peer: true, Clear: true, RetryAfter: millis(m.RetryAfterMS), Text: string(m.Text)}
}

// receiveServerHello takes the ServerHello of a connection.
func (s *Session) receiveServerHello(now Now, p *Path, h *wire.Header, payload []byte) {
	var env wire.Envelope
	body, err := wire.ParseStreamEnvelope(payload, &env)
	if err != nil || env.HSType != wire.HSServerHello || env.HandshakeID != s.handshake.id ||
		!s.acceptHello(now, s.handshake, h.SessionID, body) {
		s.pathLost(now, p, ErrHandshake)
		return
	}
	s.id, s.suite = s.handshake.sessionID, s.handshake.suite
}

// acceptHello derives the handshake secrets from the body of a ServerHello that
// came under sessionID. It reports false, and has changed nothing, if a rule refuses it.
func (s *Session) acceptHello(now Now, k *handshake, sessionID uint64, body []byte) bool {
	var hello wire.ServerHello
	switch {
	case hello.Parse(body) != nil:
		return false
	case hello.Version != wire.Version, !s.offered(hello.Suite): // [XTMP-HSK-016] [XTMP-HSK-017]
		return false
	case hello.SessionID == 0, hello.SessionID != sessionID: // [XTMP-HSK-018] [XTMP-HSK-019]
		return false
	}
	ss, err := k.share.Agree(&hello.KeyShare)
	if err != nil {
		return false
	}
	k.share = nil
	k.transcript.Add(byte(wire.HSServerHello), body)
	k.secrets = security.NewHandshake(ss, k.transcript.Sum())
	clear(ss[:])
	k.sessionID, k.suite = sessionID, hello.Suite
	k.send = security.NewSealer(k.suite, &k.secrets.Client)
	k.recv = security.NewOpener(k.suite, &k.secrets.Server)
	k.keyed = true
	k.hear(now, hello.ServerTime) // the skew is judged once the signature is verified
	return true
}

func (s *Session) offered(suite wire.Suite) bool {
	for _, o := range s.cfg.Suites {
		if o == suite {
			return true
		}
	}
	return false
}

// receiveFlight verifies the server's proof and answers with ClientFinish.
// Whatever fails, the client sends nothing more. [XTMP-HSK-082]
func (s *Session) receiveFlight(now Now, p *Path, body []byte) {
	k := s.handshake
	identity, key, th3, err := s.verifyFlight(body)
	if err != nil {
		s.pathLost(now, p, err)
		return
	}
	if k.skewed() {
		s.pathLost(now, p, &SkewError{Ahead: time.Duration(k.skew) * time.Microsecond})
		return
	}
	finish := k.secrets.ClientFinished(th3)
	env := wire.Envelope{HSType: wire.HSClientFinish, HandshakeID: k.id}
	p.raw, err = s.sealHandshake(now, p.raw, &k.send, wire.TypeHandshake, env, finish[:])
	if err != nil {
		s.pathLost(now, p, err)
		return
	}
	p.sentAt = now.Elapsed
	k.send, k.recv = security.Sealer{}, security.Opener{}
	s.establishKeys(p, th3)
	s.idleTimeout = millis(identity.Params.IdleTimeoutMS)
	s.endsAt = now.Elapsed + ageFactor*min(time.Duration(identity.Params.KeyRotationS)*time.Second, rotationMax)
	s.calls.limit = int(identity.Params.MaxInflight)
	if s.calls.limit == 0 {
		s.calls.limit = defaultInflight
	}
	s.calls.resetToken = identity.Params.ResetToken
	s.attachTCP = identity.Params.Policy&wire.PolicyAttachTCP != 0
	s.attachUDP = identity.Params.Policy&wire.PolicyAttachUDP != 0
	s.peerInflates = s.cfg.Compression && identity.Params.Policy&wire.PolicyDeflate != 0
	// T_ROTATE: the server's interval, or a shorter one of our own. [XTMP-RKY-010]
	s.calls.rotation = min(time.Duration(identity.Params.KeyRotationS)*time.Second, s.cfg.KeyRotationInterval, rotationMax)
	s.rotation = rotation{due: now.Elapsed + s.calls.rotation}
	p.state = PathLive
	s.setState(now, Established)
	s.event(Event{Kind: EventEstablished, Endpoints: k.endpoints, Identity: Identity{
		Kind: identity.Kind, Fingerprint: identity.Fingerprint, Key: append([]byte(nil), key...), Suite: s.suite,
	}})
}

// verifyFlight checks pin, kind, signature and Finished of a ServerFlight, and
// returns the proved identity, its key bytes and th3.
func (s *Session) verifyFlight(body []byte) (*wire.ServerIdentity, []byte, security.Digest, error) {
	k := s.handshake
	fail := func(err error) (*wire.ServerIdentity, []byte, security.Digest, error) {
		return nil, nil, security.Digest{}, err
	}
	si, ss, sf, err := wire.SplitFlight(body)
	if err != nil {
		return fail(ErrHandshake)
	}
	identity := new(wire.ServerIdentity)
	if identity.Parse(si[wire.MessageHeader:]) != nil || (identity.Key != nil) != k.wantKey {
		return fail(ErrHandshake)
	}
	if identity.Endpoints != nil { // [XTMP-PTH-060]
		if k.endpoints, err = wire.ParseEndpoints(identity.Endpoints); err != nil {
			return fail(ErrHandshake)
		}
	}
	key, err := s.trustedKey(identity)
	if err != nil {
		return fail(err)
	}
	if s.suite == wire.SuitePostQuantum && identity.Kind != security.KindHybrid { // [XTMP-TRU-022]
		return fail(ErrHandshake)
	}
	k.transcript.AddWhole(si)
	if security.VerifyServer(key, ss[wire.MessageHeader:], k.transcript.Sum()) != nil {
		return fail(ErrHandshake)
	}
	k.transcript.AddWhole(ss)
	want := k.secrets.ServerFinished(k.transcript.Sum())
	if !hmac.Equal(want[:], sf[wire.MessageHeader:]) {
		return fail(ErrHandshake)
	}
	k.transcript.AddWhole(sf)
	return identity, key, k.transcript.Sum(), nil
}

// trustedKey finds the key with which the server must prove itself: received
// or held, of the pinned kind, hashing to the pinned fingerprint.
func (s *Session) trustedKey(m *wire.ServerIdentity) ([]byte, error) {
	pins := s.cfg.Client.Pins
	pin := security.FindPin(pins, m.Fingerprint)
	trusted := pin != nil && pin.Kind == m.Kind
	if len(pins) == 0 && s.cfg.Client.TrustNew {
		trusted = true
	}
	if !trusted {
		return nil, &PinError{Met: m.Fingerprint, MetKind: m.Kind, Expected: pins}
	}
	key := m.Key
	if key == nil {
		key = pin.Key
	}
	// [XTMP-TRU-008] [XTMP-TRU-009]
	if security.CheckIdentityKey(key) != nil || key[0] != m.Kind || security.FingerprintOf(key) != m.Fingerprint {
		return nil, ErrHandshake
	}
	return key, nil
}

// receiveHandshakeDone is the server's first path frame: its mid 1.
func (s *Session) receiveHandshakeDone(now Now, p *Path, env *wire.Envelope, body []byte) {
	if s.handshake == nil || env.HandshakeID != s.handshake.id { // [XTMP-HSK-060] [XTMP-HSK-061]
		s.unexpected(now, p, "HandshakeDone is not for this handshake")
		return
	}
	var done wire.HandshakeDone
	if err := done.Parse(body); err != nil {
		s.violation(now, p, err.Error())
		return
	}
	s.handshake = nil
	p.ackEventually(now)
	if done.AddressToken != [wire.TokenSize]byte{} {
		s.event(Event{Kind: EventAddressToken, AddressToken: bytes.Clone(body[:wire.TokenSize])})
	}
}
