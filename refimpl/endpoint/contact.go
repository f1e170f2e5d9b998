package endpoint

import (
	"net/netip"
	"time"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// Tokens proves the addresses of clients on UDP: a *security.Tokens, which the
// endpoints of an instance share behind a lock.
type Tokens interface {
	// Cookie makes the body of a Retry.
	Cookie(elapsed time.Duration, from netip.AddrPort, handshakeID uint64) [wire.TokenSize]byte
	// AddressToken makes the token of HandshakeDone.
	AddressToken(elapsed time.Duration, ip netip.Addr) [wire.TokenSize]byte
	// Valid reports whether a token proves the address of who sent it.
	Valid(elapsed time.Duration, token []byte, from netip.AddrPort, handshakeID uint64) bool
}

// contact names a handshake on UDP.
type contact struct {
	from netip.AddrPort
	id   uint64 // handshake_id
}

// Implementation and protocol constants of UDP.
const (
	datagramMax  = 1200 // B of the greatest datagram that is accepted
	resetTrigger = 160  // B of the least that a reset answers
	straysKept   = 256  // datagrams of no session that wait for the transport
	straySize    = 160  // B of the greatest: Retry
)

// strays are datagrams that belong to no session: a ring, full of which the newest
// are dropped.
type strays struct {
	ring       []stray // nil before the first
	head, tail uint    // of what waits
}

type stray struct {
	to    netip.AddrPort
	size  uint8
	bytes [straySize]byte
}

// room returns where the next datagram is to be written, nil if there is no room.
func (q *strays) room(to netip.AddrPort) *stray {
	if q.ring == nil {
		q.ring = make([]stray, straysKept)
	}
	if q.tail-q.head == straysKept {
		return nil
	}
	s := &q.ring[q.tail%straysKept]
	q.tail++
	s.to = to
	return s
}

// udp is what an endpoint that serves UDP has beside.
type udp struct {
	tokens   Tokens
	reset    *security.ResetKey
	contacts map[contact]*seat // handshakes whose client may ask again
	strays   strays
}

// Datagram takes a datagram that a socket of the server has received. It may change b,
// and b's spare capacity, while it runs; it keeps no reference. A datagram whose
// session_id names another shard of the instance is for the endpoint of that shard.
//
//	clear   ─ valid token ─▶ the handshake of its source and handshake_id, or a new one
//	        ─ none, index 0 ─▶ Retry; nothing is kept
//	sealed  ─ session_id ─▶ session; unknown: reset
func (e *Endpoint) Datagram(now session.Now, from netip.AddrPort, b []byte) {
	var h wire.Header
	if e.udp == nil || len(b) > datagramMax || wire.ParseDatagram(b, &h) != nil { // steps 1 to 4
		return
	}
	if h.Clear() {
		e.hello(now, from, b, &h)
		return
	}
	st := e.ids[h.SessionID]
	if st == nil {
		e.resetUnknown(now, from, b, &h)
		return
	}
	st.session.ReceiveDatagram(now, from, b)
	e.active.use(now, st)
	e.after(st)
}

// hello takes a clear frame: steps 5 to 7, and the token. [XTMP-ORD-035] [XTMP-ORD-036]
func (e *Endpoint) hello(now session.Now, from netip.AddrPort, b []byte, h *wire.Header) {
	if h.Type != wire.TypeHandshake || e.closing || !e.cfg.Server.Admission.Pass(now.Elapsed, from.Addr()) {
		return
	}
	if h.SessionID != 0 || h.Sequence != 0 || !wire.ClearFields(b) || !wire.VerifyChecksum(b, h.Checksum) {
		return
	}
	var f wire.Fragment
	piece, err := f.Parse(b[wire.Overhead:])
	if err != nil || f.HSType != wire.HSClientHello {
		return
	}
	if !e.udp.tokens.Valid(now.Elapsed, f.Token, from, f.HandshakeID) {
		if f.Index == 0 && f.Total >= wire.ClientHelloSize { // [XTMP-UDP-025] [XTMP-UDP-026] [XTMP-UDP-027]
			e.retry(now, from, f.HandshakeID)
		}
		return
	}
	if st := e.contact(now, contact{from, f.HandshakeID}); st != nil {
		st.session.ReceiveHello(now, &f, piece)
		e.active.use(now, st)
		e.after(st)
	}
}

// contact returns the seat of a handshake, a new one if there is none yet; nil beyond
// a limit.
func (e *Endpoint) contact(now session.Now, c contact) *seat {
	if st := e.udp.contacts[c]; st != nil {
		return st
	}
	s := session.NewDatagramServer(&e.cfg, now, c.from, c.id)
	if s == nil {
		return nil
	}
	st := e.sit(s)
	e.bind(st, 0)
	st.contact = &c
	e.udp.contacts[c] = st
	st.deadline, _ = s.Deadline()
	e.timers.push(st)
	return st
}

// retry answers a first contact that proves nothing.
func (e *Endpoint) retry(now session.Now, from netip.AddrPort, handshakeID uint64) {
	if s := e.udp.strays.room(from); s != nil {
		cookie := e.udp.tokens.Cookie(now.Elapsed, from, handshakeID)
		s.size = uint8(len(wire.AppendRetry(s.bytes[:0], handshakeID, now.Wall, &cookie)))
	}
}

// resetUnknown says that the instance has no such session.
// [XTMP-RST-001] [XTMP-RST-002] [XTMP-RST-003] [XTMP-RST-004] [XTMP-RST-005] [XTMP-PTH-044]
func (e *Endpoint) resetUnknown(now session.Now, from netip.AddrPort, b []byte, h *wire.Header) {
	if len(b) < resetTrigger || h.SessionID == 0 || !e.cfg.Server.Admission.MayReset(now.Elapsed, from.Addr()) {
		return
	}
	if s := e.udp.strays.room(from); s != nil {
		m := wire.Error{
			Code: wire.SessionUnknown, Scope: wire.ScopeSession, RefSequence: wire.NoSequence,
			HasToken: true, Token: e.udp.reset.Token(h.SessionID),
		}
		var body [straySize]byte
		s.size = uint8(len(wire.AppendClear(s.bytes[:0], wire.TypeError, h.SessionID, now.Wall, m.Append(body[:0]))))
	}
}

// NextStray appends the next datagram that belongs to no session and returns the
// address to which it goes; false if there is none.
func (e *Endpoint) NextStray(dst []byte) (out []byte, to netip.AddrPort, ok bool) {
	if e.udp == nil || e.udp.strays.head == e.udp.strays.tail {
		return dst, netip.AddrPort{}, false
	}
	s := &e.udp.strays.ring[e.udp.strays.head%straysKept]
	e.udp.strays.head++
	return append(dst, s.bytes[:s.size]...), s.to, true
}

// AppendDatagram appends the next datagram of a UDP path and returns the address to
// which it goes; false if none may go now.
func (e *Endpoint) AppendDatagram(now session.Now, id ConnID, dst []byte) (out []byte, to netip.AddrPort, ok bool) {
	c := &e.conns[id]
	st := c.seat
	out, to, ok = st.session.AppendDatagram(now, c.path, dst)
	e.collect(st)
	e.rearm(st)
	return out, to, ok
}
