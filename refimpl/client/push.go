package client

import (
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// Implementation constants.
const (
	pushBytes = 4 << 20 // B of pushes that wait for the handler
	pushCost  = 64      // B that a push counts beside its body
	pushKept  = 1 << 20 // B of memory for bodies that is used again
)

// Push is a message of a subscription.
type Push struct {
	SessionID uint64 // sub_ids are those of one session
	Type      wire.MessageType
	SubID     uint32
	N         uint64 // counts the pushes of a subscription; a jump shows that some are lost
	Body      []byte // valid until the handler returns
}

// pushes are what waits for the handler: bodies in one piece of memory.
type pushes struct {
	items  []Push
	ends   []int // of the bodies in bodies
	bodies []byte
}

func (p *pushes) size() int { return len(p.bodies) + pushCost*len(p.items) }

func (p *pushes) reset() {
	clear(p.items)
	p.items, p.ends, p.bodies = p.items[:0], p.ends[:0], p.bodies[:0]
	if cap(p.bodies) > pushKept {
		p.bodies = nil
	}
}

// push copies a push out of the core. The caller holds the lock.
func (s *Session) push(m *session.Message) {
	p := &s.pushes
	if s.onPush == nil || len(p.items) > 0 && p.size()+len(m.Body) > pushBytes {
		return
	}
	p.items = append(p.items, Push{SessionID: s.core.ID(), Type: m.Type, SubID: m.SubID, N: m.N})
	p.bodies = append(p.bodies, m.Body...)
	p.ends = append(p.ends, len(p.bodies))
	select {
	case s.pushed <- struct{}{}:
	default:
	}
}

// handlePushes calls the handler, without the lock, until the session has ended
// and nothing is left.
func (s *Session) handlePushes() {
	var taken pushes
	for last := false; !last; {
		select {
		case <-s.pushed:
		case <-s.done:
			last = true
		}
		s.mu.Lock()
		taken, s.pushes = s.pushes, taken
		s.mu.Unlock()
		start := 0
		for i := range taken.items {
			p := taken.items[i]
			p.Body = taken.bodies[start:taken.ends[i]:taken.ends[i]]
			start = taken.ends[i]
			s.onPush(p)
		}
		taken.reset()
	}
}
