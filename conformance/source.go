package conformance

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// MaxPersons is how many hosts one attempt of a case may appear to be.
const MaxPersons = 8

// The parts of a run's block of 127.0.0.0/8. A case may be tried more than
// once; each attempt comes from its own addresses, so that what a peer
// remembers of one host does not colour the next attempt.
const (
	firstSource = 0x7F_01_00_01 // 127.1.0.1: 127.0.0.x belongs to others
	lastSource  = 0x7F_FF_FF_FE
)

// sources hands out the source addresses of one attempt.
type sources struct {
	first uint32 // zero: let the host choose
}

// sourcesFor returns the block with this number. Blocks of one run do not
// overlap until the network is used up, and then begin again.
func sourcesFor(seed uint64, number int, e Endpoint) sources {
	if !e.loopback4() {
		return sources{}
	}
	const blocks = (lastSource - firstSource + 1) / MaxPersons
	n := (seed%blocks + uint64(number)) % blocks
	return sources{first: firstSource + uint32(n)*MaxPersons}
}

// person returns an address; the zero Addr leaves the choice to the host.
func (s sources) person(n int) netip.Addr {
	if s.first == 0 {
		return netip.Addr{}
	}
	a := s.first + uint32(n)
	return netip.AddrFrom4([4]byte{byte(a >> 24), byte(a >> 16), byte(a >> 8), byte(a)})
}

// A pacer spaces connections to a remote target. The zero interval does not
// wait.
type pacer struct {
	mu       sync.Mutex
	interval time.Duration
	next     time.Time
}

// wait returns when the next connection may begin, or the context's error.
func (p *pacer) wait(ctx context.Context) error {
	if p.interval <= 0 {
		return nil
	}
	p.mu.Lock()
	now := time.Now()
	at := p.next
	if at.Before(now) {
		at = now
	}
	p.next = at.Add(p.interval)
	p.mu.Unlock()
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// next is the block after this one: the hosts of the liveness probe.
func (s sources) next() sources {
	if s.first == 0 {
		return s
	}
	return sources{first: s.first + MaxPersons}
}
