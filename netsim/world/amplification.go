package world

import (
	"net/netip"

	"github.com/bpci/xtmp/netsim"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// traffic is what servers and addresses have sent each other in datagrams. An
// address that has not proved that it receives gets no more than it sent, so that
// nobody can aim a server at somebody else.
//
//	strange ─ a token that was sent there, or a frame of the handshake that opens ─▶ proved
//	moved   ─ the 16 bytes of a challenge that was sent there ─▶ proved
//
// An address has moved that sends a path frame that opens, and is not where the
// path was; it gets at most three times what it sent.
type traffic struct {
	servers map[string]bool // hosts
	peers   map[peer]*exchange
	paths   map[*path]netip.AddrPort // of each path: the address that was proved last
	issued  map[issued]bool          // address tokens
}

// issued is an address token that a server has given to whom it has a session with.
type issued struct {
	host  string
	addr  netip.Addr
	token [tokenSize]byte
}

// peer is an address, seen from a host.
type peer struct {
	host string
	addr netip.AddrPort
}

type exchange struct {
	in, out       int // bytes
	moved, proved bool
	tokens        [][tokenSize]byte // of Retries that were sent there
	challenge     [challengeSize]byte
	challenged    bool
}

const (
	tokenSize     = 48
	challengeSize = 16
	envelopeFixed = 16 // bytes before the token
	movedFactor   = 3
)

func newTraffic(p *Plan) traffic {
	t := traffic{servers: map[string]bool{}, peers: map[peer]*exchange{}, paths: map[*path]netip.AddrPort{}, issued: map[issued]bool{}}
	for _, l := range p.Serves {
		t.servers[l.Host] = true
	}
	return t
}

func (t *traffic) of(host string, addr netip.AddrPort) *exchange {
	x := t.peers[peer{host, addr}]
	if x == nil {
		x = new(exchange)
		t.peers[peer{host, addr}] = x
	}
	return x
}

// observe sees the datagrams of servers.
func (w *Watch) observe(e *netsim.Event) {
	if e.Kind == netsim.Booted {
		w.boots[e.Host]++
	}
	if e.Packet == nil || e.Packet.Protocol != netsim.UDP || !w.traffic.servers[e.Host] {
		return
	}
	switch e.Kind {
	case netsim.Sent:
		w.datagramOut(e.Host, e.Packet.Dst, e.Packet.Data)
	case netsim.Arrived:
		w.datagramIn(e.Host, e.Packet.Src, e.Packet.Data)
	default:
	}
}

// datagramOut judges a datagram of a server.
func (w *Watch) datagramOut(host string, to netip.AddrPort, data []byte) {
	x := w.traffic.of(host, to)
	x.out += len(data)
	factor := 1
	if x.moved {
		factor = movedFactor
	}
	if !x.proved && x.out > factor*x.in {
		w.fail(checkAmplification, "%s has sent %d bytes to %s, which has sent %d and proved nothing", host, x.out, to, x.in)
	}
	s, h, plain := w.look(data)
	switch {
	case s == nil && len(plain) >= tokenSize && h.Type == wire.TypeHandshakeAck: // a Retry ends with a token; others do no harm
		x.tokens = append(x.tokens, [tokenSize]byte(plain[len(plain)-tokenSize:]))
	case len(plain) == 1+challengeSize && h.Type == wire.TypeHeartbeat && plain[0] == byte(wire.PathChallenge):
		x.challenge, x.challenged = [challengeSize]byte(plain[1:]), true
	}
}

// datagramIn learns what a datagram proves.
func (w *Watch) datagramIn(host string, from netip.AddrPort, data []byte) {
	t := &w.traffic
	x := t.of(host, from)
	x.in += len(data)
	s, h, plain := w.look(data)
	switch {
	case plain == nil:
	case s == nil:
		x.proved = x.proved || w.tokenSent(host, from, h, plain)
	case s.role() != session.Client:
	case !s.once: // only the receiver of ServerHello can seal so
		x.proved = true
	case !t.paths[s.path].IsValid() || t.paths[s.path] == from: // who has the keys of a path has received AttachAck or ServerHello
		x.proved, t.paths[s.path] = true, from
	case x.challenged && h.Type == wire.TypeHeartbeat && len(plain) == 1+challengeSize &&
		plain[0] == byte(wire.PathResponse) && [challengeSize]byte(plain[1:]) == x.challenge:
		x.proved, t.paths[s.path] = true, from
	default:
		x.moved = true
	}
}

// look opens a datagram; of a clear one, plain is its payload.
func (w *Watch) look(data []byte) (s *slot, h *wire.Header, plain []byte) {
	h = new(wire.Header)
	if wire.ParseHeader(data, h) != nil || len(data) != wire.Overhead+int(h.PayloadLength) {
		return nil, h, nil
	}
	if h.Clear() {
		return nil, h, data[wire.Overhead:]
	}
	if s = w.slots[h.KeyID]; s == nil {
		return nil, h, nil
	}
	return s, h, s.open(w, data, h)
}

// tokenSent says whether a ClientHello carries a token that was sent to its address, or to
// another port of it.
func (w *Watch) tokenSent(host string, from netip.AddrPort, h *wire.Header, payload []byte) bool {
	if h.Type != wire.TypeHandshake || len(payload) < envelopeFixed+tokenSize || payload[3] != tokenSize {
		return false
	}
	token := [tokenSize]byte(payload[envelopeFixed:])
	if w.traffic.issued[issued{host, from.Addr(), token}] {
		return true
	}
	for p, x := range w.traffic.peers { //xtmp:unordered one of them or none
		if p.host != host || p.addr.Addr() != from.Addr() {
			continue
		}
		for _, t := range x.tokens {
			if t == token {
				return true
			}
		}
	}
	return false
}
