package udp

import (
	"net/netip"
	"sync"
)

// sourcesKept is how many exceptions one generation of sources holds.
const sourcesKept = 1 << 14

// sources knows from which of a machine's addresses each peer expects datagrams:
// the one to which it sends. Nearly always that is the same for all peers of a
// family; the others are exceptions, which are kept in two generations so that
// their number is bounded whoever sends. A peer that is forgotten gets the usual
// address.
type sources struct {
	mu              sync.Mutex
	usual           [2]netip.Addr // of IPv4 and IPv6; not valid while unknown
	recent, earlier map[netip.AddrPort]netip.Addr
}

func family(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

// note learns that peer sends to local.
func (s *sources) note(peer netip.AddrPort, local netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	usual := &s.usual[family(local)]
	switch {
	case s.find(peer) == local:
	case !usual.IsValid():
		*usual = local
	case *usual == local:
		delete(s.recent, peer)
		delete(s.earlier, peer)
	default:
		s.keep(peer, local)
	}
}

// of returns the address from which to send to peer. It is not valid if the
// system may choose.
func (s *sources) of(peer netip.AddrPort) netip.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(peer)
}

func (s *sources) find(peer netip.AddrPort) netip.Addr {
	if local, ok := s.recent[peer]; ok {
		return local
	}
	if local, ok := s.earlier[peer]; ok {
		s.keep(peer, local) // it is in use
		return local
	}
	return s.usual[family(peer.Addr())]
}

func (s *sources) keep(peer netip.AddrPort, local netip.Addr) {
	if s.recent == nil || len(s.recent) >= sourcesKept {
		s.recent, s.earlier = map[netip.AddrPort]netip.Addr{}, s.recent
	}
	s.recent[peer] = local
}

// forget unlearns what of returns for peer: nothing can be sent from there.
func (s *sources) forget(peer netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if usual := &s.usual[family(peer.Addr())]; s.find(peer) == *usual {
		*usual = netip.Addr{}
	}
	delete(s.recent, peer)
	delete(s.earlier, peer)
}
