package session

import (
	"github.com/bpci/xtmp/refimpl/wire"
)

// midSet is the set of complete mids of one direction: everything up to done,
// and what the bitmap marks above it. Bit i stands for done + 1 + i.
type midSet struct {
	done   uint64                  // base − 1
	bitmap *[midWindow / 64]uint64 // nil while no mid above done is complete
}

// midStatus is the answer of de-duplication.
type midStatus uint8

const (
	midNew midStatus = iota
	midKnown
	midBeyond // above the window
)

// status tells whether mid, which is not 0, may be accepted. [XTMP-MSG-017] [XTMP-MSG-018]
func (m *midSet) status(mid uint64) midStatus {
	switch {
	case mid <= m.done:
		return midKnown
	case mid-m.done > midWindow:
		return midBeyond
	case m.bitmap != nil && m.marked(mid-m.done-1):
		return midKnown
	default:
		return midNew
	}
}

func (m *midSet) marked(i uint64) bool { return m.bitmap[i/64]&(1<<(i%64)) != 0 }

// complete adds a mid whose status is midNew.
func (m *midSet) complete(mid uint64) {
	if mid != m.done+1 {
		if m.bitmap == nil {
			m.bitmap = new([midWindow / 64]uint64)
		}
		i := mid - m.done - 1
		m.bitmap[i/64] |= 1 << (i % 64)
		return
	}
	m.done++
	if m.bitmap == nil {
		return
	}
	for m.shift(); m.marked(0); m.shift() {
		m.done++
	}
	if *m.bitmap == ([midWindow / 64]uint64{}) {
		m.bitmap = nil
	}
}

// shift moves the bitmap down by one mid.
func (m *midSet) shift() {
	for i := range m.bitmap {
		m.bitmap[i] >>= 1
		if i+1 < len(m.bitmap) {
			m.bitmap[i] |= m.bitmap[i+1] << 63
		}
	}
}

// message is a reliable message that waits to be sealed.
type message struct {
	typ     wire.MessageType
	flags   wire.Flags
	replyTo uint64
	body    []byte
	cost    int // bytes of the request that it answers
}

// sentMid is a sealed mid that no Ack has covered yet.
type sentMid struct{ mid, sequence uint64 }

// outgoing holds an endpoint's own reliable messages.
type outgoing struct {
	last    uint64    // last mid sealed
	unacked []sentMid // ascending; nil if none
	queue   []message // not sealed yet; nil if none
	cost    int       // of what the queue answers
}

// room reports whether another mid may be sealed. [XTMP-MSG-013]
func (o *outgoing) room() bool {
	return len(o.unacked) == 0 || o.last+1 < o.unacked[0].mid+midWindow
}

// acked drops what an Ack of everything up to sequence largest covers.
func (o *outgoing) acked(largest uint64) {
	n := 0
	for n < len(o.unacked) && o.unacked[n].sequence <= largest {
		n++
	}
	if o.unacked = o.unacked[n:]; len(o.unacked) == 0 {
		o.unacked = nil
	}
}

// idle reports whether nothing waits to be sealed or acked.
func (o *outgoing) idle() bool { return len(o.unacked) == 0 && len(o.queue) == 0 }

// reply queues an Error as the reply to request mid, which took cost bytes. A
// reply that cannot be sealed yet leaves its request unanswered: beyond what a
// client may have unanswered the reply is RATE_LIMITED, beyond twice that the
// session ends.
func (s *Session) reply(now Now, p *Path, mid uint64, cost int, e *wire.Error) {
	requests, bytes := len(s.out.queue), s.out.cost+cost
	limit := int(s.cfg.Server.MaxInflight)
	if requests >= 2*limit || bytes > 2*inflightBytes { // [XTMP-MSG-025]
		s.violation(now, p, "more than twice what may be unanswered")
		return
	}
	if requests >= limit || bytes > inflightBytes { // [XTMP-MSG-024]
		e = &wire.Error{Code: wire.RateLimited}
	}
	e.RefSequence = wire.NoSequence
	s.out.cost = bytes
	s.out.queue = append(s.out.queue, message{
		typ: wire.TypeError, flags: wire.FlagRequiresAck | wire.FlagReply, replyTo: mid, body: e.Append(nil), cost: cost,
	})
}
