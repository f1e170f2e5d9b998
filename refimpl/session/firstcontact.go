package session

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/wire"
)

// firstContact is the handshake of a client on UDP.
//
//	no token  ─ index 0 ─▶ Retry ─ every index, with the cookie ─▶ ServerHello, ServerFlight ─ verify ─▶ ClientFinish
//	a token   ─ every index, with the token ─────────────────────▶ …                                        │
//	                                                              a frame opens under p0.s ─▶ gone ◀────────┘
//
// Both phases send their frames again when T_HS_RETX passes. A stranger can forge
// every clear frame, so none of them ends anything.
type firstContact struct {
	hello   []byte // body of ClientHello
	token   []byte // that it carries, empty before the first
	retries int    // Retries that were followed

	flight   []byte // frames of this phase, back to back, sealed once and for all
	first    time.Duration
	interval time.Duration // T_HS_RETX: first, doubled with each expiry of the phase
	due      time.Duration // when it expires, never after the last try
	tries    int           // sendings for reason of T_HS_RETX, the first included
	proven   time.Duration // when a ClientHello with a token was first sent, 0 for not yet

	candidates []*candidate
	early      [][]byte // sealed frames that came before the ServerHello of their session
	hint       *Error   // a clear Error, which anybody may have written
}

// candidate is what came under one session_id.
type candidate struct {
	sessionID uint64
	heard     time.Duration // when the first frame of ServerHello came
	hello     assembly
	handshake *handshake // nil until ServerHello is whole
	flight    assembly
}

// OpenDatagram starts the handshake on UDP: path 0, toward peer, which may be the
// zero value for a socket that has one peer. token is an address token of the server,
// to be used once, or empty; rtt is the smoothed RTT that was kept with it, or 0. It fails only
// when entropy does.
func (s *Session) OpenDatagram(now Now, peer netip.AddrPort, token []byte, rtt time.Duration) error {
	body, err := s.beginHello(now)
	if err != nil {
		return err
	}
	p := s.openPath(now, 0)
	s.openDatagrams(p, peer)
	c := &firstContact{hello: body, first: handshakeRetransmit}
	if rtt > 0 { // [XTMP-UDP-058]
		c.first = max(rtt*3/2, handshakeRetransmitMin)
	}
	if len(token) == wire.TokenSize {
		c.token = bytes.Clone(token)
	}
	p.udp.contact = c
	s.sendHello(now, p)
	c.begin(now)
	s.setState(now, Hello)
	return nil
}

// sendHello sends ClientHello, of the same body each time: with a token all of it,
// else the fragment that asks for one.
// [XTMP-UDP-018] [XTMP-UDP-039] [XTMP-UDP-040] [XTMP-UDP-042]
func (s *Session) sendHello(now Now, p *Path) {
	c := p.udp.contact
	f := wire.Fragment{
		Envelope: wire.Envelope{HSType: wire.HSClientHello, HandshakeID: s.handshake.id},
		Total:    uint16(len(c.hello)), Token: c.token,
	}
	c.flight = nil
	for ; f.Index < f.Count(); f.Index++ {
		c.flight = wire.AppendClear(c.flight, wire.TypeHandshake, 0, now.Wall, f.Append(nil, c.hello))
		if len(c.token) == 0 {
			break
		}
	}
	if len(c.token) > 0 && c.proven == 0 {
		c.proven = max(now.Elapsed, 1)
	}
	p.raw = slices.Clip(c.flight)
}

// begin starts T_HS_RETX for the frames of a phase.
func (c *firstContact) begin(now Now) {
	c.interval, c.tries, c.due = c.first, 1, now.Elapsed+c.first
}

// receiveHandshakeDatagram takes a datagram before the session is established, and
// clear frames after that.
func (s *Session) receiveHandshakeDatagram(now Now, from netip.AddrPort, b []byte, h *wire.Header) {
	p := s.paths[0]
	switch {
	case s.open():
		s.receiveReset(now, from, b, h)
	case s.state == Hello && p.kind == UDP && from == p.udp.peer: // [XTMP-UDP-013]
		s.receiveContact(now, p, b, h)
	case s.state == Half && p.kind == UDP && !h.Clear():
		s.receiveFinishDatagram(now, p, from, b, h)
	}
}

// contactDeadline is when a handshake on UDP has something to do.
func (s *Session) contactDeadline(p *Path) time.Duration {
	switch {
	case p.udp.half != nil:
		return s.halfOpenUntil(p)
	case p.udp.contact == nil:
		return never
	case s.state == Hello:
		return min(p.udp.contact.due, p.openedAt+s.cfg.Client.ConnectTimeout)
	default:
		return p.udp.contact.due
	}
}

// advanceContact does what is due in a handshake on UDP.
func (s *Session) advanceContact(now Now, p *Path) {
	switch {
	case p.udp.half != nil:
		s.advanceHalfOpen(now, p)
	case p.udp.contact != nil:
		s.advanceFirstContact(now, p)
	}
}

// advanceFirstContact sends the frames of the phase again when T_HS_RETX has passed.
// [XTMP-UDP-056] [XTMP-UDP-057] [XTMP-UDP-059] [XTMP-UDP-060] [XTMP-UDP-061]
func (s *Session) advanceFirstContact(now Now, p *Path) {
	c := p.udp.contact
	switch {
	case s.state == Hello && now.Elapsed >= p.openedAt+s.cfg.Client.ConnectTimeout:
		if c.hint != nil {
			s.pathLost(now, p, c.hint)
			return
		}
		s.pathLost(now, p, ErrTimeout)
	case now.Elapsed < c.due:
	case c.tries < handshakeTries:
		c.tries++
		c.interval *= 2
		c.due = now.Elapsed + c.interval
		if len(p.raw) == 0 { // else they wait for the transport since the last time
			p.raw = slices.Clip(c.flight)
		}
	case s.state == Hello: // T_CONNECT is the end
		c.due = never
	default:
		p.udp.contact = nil
		s.pathLost(now, p, ErrTimeout)
	}
}

// receiveContact takes a datagram at a client before it is established.
func (s *Session) receiveContact(now Now, p *Path, b []byte, h *wire.Header) {
	switch {
	case !h.Clear():
		s.receiveFlightFragment(now, p, b, h)
		return
	case !wire.ClearFields(b), !wire.VerifyChecksum(b, h.Checksum), h.Sequence != 0:
		return
	case h.Type == wire.TypeError: // [XTMP-UDP-051]
		var m wire.Error
		if m.Parse(b[wire.Overhead:], false) == nil {
			p.udp.contact.hint = clearError(&m)
		}
		return
	}
	var f wire.Fragment
	piece, err := f.Parse(b[wire.Overhead:])
	if err != nil || f.HandshakeID != s.handshake.id || h.Type != wire.TypeHandshakeAck { // [XTMP-UDP-021] [XTMP-UDP-045]
		return
	}
	switch {
	case f.HSType == wire.HSRetry && h.SessionID == 0 && len(piece) == wire.TokenSize:
		s.receiveRetry(now, p, piece)
	case f.HSType == wire.HSServerHello:
		s.receiveHelloFragment(now, p, h, &f, piece)
	}
}

// receiveRetry sends ClientHello with a cookie. [XTMP-UDP-041]
func (s *Session) receiveRetry(now Now, p *Path, cookie []byte) {
	c := p.udp.contact
	if c.retries >= retriesFollowed || bytes.Equal(cookie, c.token) { // [XTMP-UDP-043]
		return
	}
	for _, k := range c.candidates {
		if k.handshake != nil { // [XTMP-UDP-044]
			return
		}
	}
	c.retries++
	c.token = bytes.Clone(cookie)
	s.sendHello(now, p)
	c.due = now.Elapsed + c.interval // anew, and no expiry
}

// receiveHelloFragment takes a fragment of a ServerHello.
func (s *Session) receiveHelloFragment(now Now, p *Path, h *wire.Header, f *wire.Fragment, piece []byte) {
	c := p.udp.contact
	k := c.candidate(h.SessionID)
	if k == nil {
		if h.SessionID == 0 || len(c.candidates) == helloCandidates { // [XTMP-UDP-046]
			return
		}
		k = &candidate{sessionID: h.SessionID, heard: now.Elapsed}
		c.candidates = append(c.candidates, k)
	}
	if k.handshake != nil || !k.hello.add(f, piece) {
		return
	}
	own := *s.handshake
	own.transcript = security.NewTranscript()
	own.transcript.Add(byte(wire.HSClientHello), c.hello)
	if !s.acceptHello(now, &own, h.SessionID, k.hello.body) { // as if it had never come [XTMP-UDP-048]
		c.candidates = slices.DeleteFunc(c.candidates, func(o *candidate) bool { return o == k })
		return
	}
	k.handshake, k.hello = &own, assembly{}
	early := c.early
	c.early = nil
	for _, b := range early {
		h.Decode(b)
		s.receiveFlightFragment(now, p, b, h) // what is still early is kept again
	}
}

// erase forgets the secrets of a handshake that is over.
func (c *firstContact) erase() {
	for _, k := range c.candidates {
		if k.handshake != nil {
			k.handshake.erase()
		}
	}
	c.hello, c.token, c.candidates, c.early = nil, nil, nil, nil
}

func (c *firstContact) candidate(sessionID uint64) *candidate {
	for _, k := range c.candidates {
		if k.sessionID == sessionID {
			return k
		}
	}
	return nil
}

// receiveFlightFragment takes a sealed frame: a fragment of a ServerFlight, or one
// that is to be kept until the ServerHello of its session is whole. [XTMP-UDP-047]
func (s *Session) receiveFlightFragment(now Now, p *Path, b []byte, h *wire.Header) {
	c := p.udp.contact
	if s.state != Hello || h.Type != wire.TypeHandshakeAck || h.SessionID == 0 {
		return
	}
	k := c.candidate(h.SessionID)
	if k == nil || k.handshake == nil {
		if len(c.early) < earlyFrames {
			c.early = append(c.early, bytes.Clone(b))
		}
		return
	}
	var f wire.Fragment
	piece := s.openFragment(k.handshake, b, h, &f)
	if piece == nil || f.HSType != wire.HSServerFlight || !k.flight.add(&f, piece) { // [XTMP-UDP-049]
		return
	}
	// Whoever sealed this took part in the key exchange: now it is proof or failure. [XTMP-UDP-050]
	p.raw = nil
	s.handshake, s.id, s.suite = k.handshake, k.sessionID, k.handshake.suite
	if s.receiveFlight(now, p, k.flight.body); s.state != Established {
		return
	}
	if c.proven != 0 {
		p.sample(k.heard - c.proven)
	}
	c.candidates = slices.DeleteFunc(c.candidates, func(o *candidate) bool { return o == k })
	c.erase()
	c.flight = bytes.Clone(p.raw) // ClientFinish
	c.begin(now)
}

// openFragment is steps 6 to 11 for a frame under the peer's handshake slot, and
// its envelope. It returns nil if the frame is dropped.
func (s *Session) openFragment(k *handshake, b []byte, h *wire.Header, f *wire.Fragment) []byte {
	if h.Encryption != k.suite || h.KeyID != k.recv.KeyID() || h.Flags&^(wire.FlagEncrypted|wire.FlagPriority) != 0 ||
		!wire.VerifyChecksum(b, h.Checksum) || h.Sequence >= wire.MaxFragments {
		return nil
	}
	plaintext, err := k.recv.Open(b, h.Sequence)
	if err != nil {
		return nil
	}
	piece, err := f.Parse(plaintext)
	if err != nil || uint64(f.Index) != h.Sequence || f.HandshakeID != k.id {
		return nil
	}
	return piece
}

// sealFragments appends the frames of a handshake message under a handshake slot.
// [XTMP-UDP-015] [XTMP-UDP-016] [XTMP-UDP-017]
func (s *Session) sealFragments(now Now, dst []byte, slot *security.Sealer, t wire.MessageType, env wire.Envelope, body []byte,
) (_ []byte, err error) {
	f := wire.Fragment{Envelope: env, Total: uint16(len(body))}
	for ; f.Index < f.Count(); f.Index++ {
		var start int
		dst, start = security.Reserve(dst)
		dst = f.Append(dst, body)
		h := wire.Header{Type: t, SessionID: s.id, Timestamp: s.stamp(now)}
		if dst, err = slot.Seal(dst, start, &h); err != nil {
			return dst, err
		}
	}
	return dst, nil
}
