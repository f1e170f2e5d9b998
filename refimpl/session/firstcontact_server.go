package session

import (
	"crypto/sha256"
	"net/netip"
	"slices"
	"time"

	"github.com/bpci/xtmp/refimpl/wire"
)

// halfOpen is the handshake of a server on UDP, from the first fragment with a valid
// token until the client cannot ask for the flight any more.
//
//	fragments of ClientHello ─ whole ─▶ flight sent ─ index 0 again ─▶ flight sent again
//	        │ T_REASSEMBLY_HELLO            │ T_FLIGHT, while ClientFinish has not verified
//	        └──────────▶ gone ◀─────────────┘
type halfOpen struct {
	from    netip.AddrPort // of ClientHello
	id      uint64         // handshake_id
	hello   assembly
	first   [sha256.Size]byte // hash of the fragment with index 0
	flight  []byte            // frames of ServerHello and ServerFlight, back to back, sealed once and for all
	resends int               // of them
	until   time.Duration     // T_FLIGHT after they were first sent
	sentAt  time.Duration     // when they were
}

// NewDatagramServer returns a session for a client that has proven its address, and
// begins a handshake from it on UDP; nil if a limit is reached, which gets no
// answer. cfg has been validated for role Server. [XTMP-UDP-030] [XTMP-LIM-014]
func NewDatagramServer(cfg *Config, now Now, from netip.AddrPort, handshakeID uint64) *Session {
	cfg.Server.Admission.Enter(from.Addr())
	if !cfg.Server.Admission.Admit(from.Addr()) {
		cfg.Server.Admission.Leave(from.Addr(), false)
		return nil
	}
	s := newServer(cfg, now, from.Addr())
	s.openDatagrams(s.paths[0], from)
	s.paths[0].udp.half = &halfOpen{from: from, id: handshakeID}
	return s
}

// Contact returns where the handshake of this server session came from and its
// handshake_id, as long as the client may ask for its answer again.
func (s *Session) Contact() (from netip.AddrPort, handshakeID uint64, ok bool) {
	p := s.paths[0]
	if p == nil || p.kind == TCP || p.udp.half == nil || p.closed() {
		return netip.AddrPort{}, 0, false
	}
	return p.udp.half.from, p.udp.half.id, true
}

// ReceiveHello takes a fragment of a ClientHello with a valid token, from the address
// and with the handshake_id of Contact. piece is the part of the body that f names.
func (s *Session) ReceiveHello(now Now, f *wire.Fragment, piece []byte) {
	s.rise()
	s.latest = now.Elapsed
	p := s.paths[0]
	half := p.udp.half
	if s.state != Start {
		s.repeatFlight(p, f, piece)
		return
	}
	if f.Index == 0 && half.hello.have&1 == 0 {
		half.first = sha256.Sum256(piece)
	}
	if whole := half.hello.add(f, piece); whole {
		body := half.hello.body
		half.hello = assembly{}
		s.receiveWholeHello(now, p, body)
	}
	if !s.hold() && s.state == Start {
		s.pathLost(now, p, ErrBadFrame)
	}
}

// repeatFlight answers a duplicate ClientHello. [XTMP-UDP-062] [XTMP-UDP-063] [XTMP-UDP-064]
func (s *Session) repeatFlight(p *Path, f *wire.Fragment, piece []byte) {
	half := p.udp.half
	if f.Index != 0 || half.resends >= flightResends || len(half.flight) == 0 || sha256.Sum256(piece) != half.first {
		return
	}
	half.resends++
	p.raw = append(p.raw, half.flight...)
}

// receiveWholeHello answers a complete ClientHello, or refuses it: in silence, but for
// its suites. [XTMP-UDP-032] [XTMP-UDP-033] [XTMP-UDP-034]
func (s *Session) receiveWholeHello(now Now, p *Path, body []byte) {
	half := p.udp.half
	a, refused := s.answerHello(now, now, half.id, body)
	if refused != nil {
		p.udp.half = nil
		if refused.Code == wire.NoCommonSuite {
			s.refuseHello(now, p, refused.Code, refused.Text, 0)
			return
		}
		s.pathLost(now, p, refused)
		return
	}
	env := wire.Envelope{HSType: wire.HSServerHello, HandshakeID: half.id}
	f := wire.Fragment{Envelope: env, Total: uint16(len(a.hello))}
	for ; f.Index < f.Count(); f.Index++ {
		half.flight = wire.AppendClear(half.flight, wire.TypeHandshakeAck, s.id, now.Wall, f.Append(nil, a.hello))
	}
	env.HSType = wire.HSServerFlight
	var err error
	half.flight, err = s.sealFragments(now, half.flight, &s.handshake.send, wire.TypeHandshakeAck, env, a.flight)
	if err != nil {
		s.pathLost(now, p, err)
		return
	}
	half.sentAt, half.until = now.Elapsed, now.Elapsed+flightTimeout
	p.raw = slices.Clip(half.flight)
	s.becomeHalf(now, p, &a)
}

// receiveFinishDatagram takes a sealed frame at a server that awaits ClientFinish.
// What is anything else is dropped. [XTMP-UDP-035] [XTMP-UDP-036]
func (s *Session) receiveFinishDatagram(now Now, p *Path, from netip.AddrPort, b []byte, h *wire.Header) {
	k, half := s.handshake, p.udp.half
	var f wire.Fragment
	if s.state != Half || h.Type != wire.TypeHandshake || h.SessionID != s.id || from != half.from { // [XTMP-UDP-038]
		return
	}
	piece := s.openFragment(k, b, h, &f)
	if piece == nil || f.HSType != wire.HSClientFinish || !k.finishes(piece) {
		return
	}
	p.receivedAt = now.Elapsed
	p.raw = nil // the client has the flight
	p.sample(now.Elapsed - half.sentAt)
	s.finishHandshake(now, p)
}

// halfOpenUntil is when the handshake of a server on UDP is over.
// [XTMP-UDP-029] [XTMP-UDP-065]
func (s *Session) halfOpenUntil(p *Path) time.Duration {
	if s.state == Start {
		return p.openedAt + reassemblyHello
	}
	return p.udp.half.until
}

// advanceHalfOpen forgets a handshake that was not completed in time, or the answer
// of one that was. [XTMP-UDP-066]
func (s *Session) advanceHalfOpen(now Now, p *Path) {
	if now.Elapsed < s.halfOpenUntil(p) {
		return
	}
	p.udp.half = nil
	if s.state < Established {
		s.pathLost(now, p, ErrTimeout)
	}
}
