package handler

import (
	"time"

	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// MaxReply is the greatest body of a reply: the message limit toward a client.
const MaxReply = 16777216

// First and last type that may be executed outside: requests that are neither
// the protocol's own nor Probe.
const (
	FirstOp wire.MessageType = 0x10
	LastOp  wire.MessageType = 0x6f
)

// Op is a request that is executed outside the endpoint, since it may block.
// Its owner answers it with endpoint.Reply or endpoint.ReplyError, after Done.
type Op struct {
	SessionID uint64
	Call      session.Call
	Body      []byte // the one copy; the owner's
}

// Router is what stands above the sessions of an endpoint: it implements
// endpoint.Application.
type Router struct {
	probe *Probe // nil: off
	ops   [256]bool
	queue []Op
	next  int // index in queue
}

// NewRouter returns a Router that makes an Op of each request of the given types,
// which are from FirstOp to LastOp, and answers Probe if probe is set.
func NewRouter(probe bool, types ...wire.MessageType) *Router {
	r := new(Router)
	if probe {
		r.probe = new(Probe)
	}
	for _, t := range types {
		if t < FirstOp || t > LastOp {
			panic("xtmp: internal error: " + t.String() + " is no type for an Op")
		}
		r.ops[t] = true
	}
	return r
}

// Implements implements session.Application.
func (r *Router) Implements(t wire.MessageType) bool {
	return r.ops[t] || r.probe != nil && t == wire.TypeProbe
}

// Deliver implements session.Application.
func (r *Router) Deliver(now session.Now, s *session.Session, m session.Message) bool {
	switch {
	case m.Type == wire.TypeProbe:
		return r.probe.Deliver(now, s, m)
	case m.Call.Mid == 0: // an Op is a request
		return false
	case !s.Retain(len(m.Body)):
		refuse(now, s, m.Call, wire.ServerBusy, "receive memory is exhausted")
		return true
	}
	r.queue = append(r.queue, Op{SessionID: s.ID(), Call: m.Call, Body: append([]byte(nil), m.Body...)})
	return true
}

// NextOp returns the next Op, oldest first, if any.
func (r *Router) NextOp() (Op, bool) {
	if r.next == len(r.queue) {
		return Op{}, false
	}
	op := r.queue[r.next]
	r.queue[r.next] = Op{}
	if r.next++; r.next == len(r.queue) {
		r.queue, r.next = r.queue[:0], 0
		if cap(r.queue) > queueKept {
			r.queue = nil
		}
	}
	return op, true
}

// queueKept bounds the room for Ops that an idle Router keeps.
const queueKept = 1024

// Done says that the body of an Op of s is no longer held. s is nil if the session
// has ended, which gave everything back.
func (*Router) Done(s *session.Session, op *Op) {
	if s != nil {
		s.Release(len(op.Body))
	}
}

// Writable implements session.Application.
func (r *Router) Writable(now session.Now, s *session.Session) {
	if r.probe != nil {
		r.probe.Writable(now, s)
	}
}

// Ended implements session.Application. Ops of the session are executed all the
// same: they were accepted.
func (r *Router) Ended(s *session.Session) {
	if r.probe != nil {
		r.probe.Ended(s)
	}
}

// Parked implements session.Pusher.
func (r *Router) Parked(s *session.Session) {
	if r.probe != nil {
		r.probe.Parked(s)
	}
}

// Advance implements endpoint.Application.
func (r *Router) Advance(now session.Now) {
	if r.probe != nil {
		r.probe.Advance(now)
	}
}

// Deadline implements endpoint.Application.
func (r *Router) Deadline() (time.Duration, bool) {
	if r.probe == nil {
		return 0, false
	}
	return r.probe.Deadline()
}
