package session

import (
	"github.com/bpci/xtmp/refimpl/wire"
)

// request is a request whose execution waits.
type request struct {
	call     Call
	priority bool
	body     []byte
}

// receiveMessage handles a frame of a type from 0x06 to 0x7F: a request or a
// one-way message at a server, a reply or a push at a client. The mid is new.
func (s *Session) receiveMessage(now Now, p *Path, h *wire.Header, pro *wire.Prologue, body []byte) {
	known := s.cfg.Application != nil && s.cfg.Application.Implements(h.Type)
	switch {
	case s.role == Client && h.Flags.Has(wire.FlagReply):
		s.receiveReply(now, p, h, pro, body)
		return
	case !known:
		c := s.call(p, h, pro, len(body))
		s.completeMid(h, pro)
		s.receiveUnknown(now, p, h, pro, c, len(body))
		return
	case s.role == Client && !h.Flags.Has(wire.FlagStreaming): // [XTMP-MSG-057]
		s.violation(now, p, h.Type.String()+" that is neither reply nor push")
		return
	case s.role == Server && h.Flags.Has(wire.FlagStreaming): // [XTMP-MSG-056]
		s.violation(now, p, h.Type.String()+" with STREAMING is not for a client to send")
		return
	}
	s.assemble(now, p, h, pro, body)
}

// completeMid makes the mid of a message complete, if it is not. What has arrived
// of the message is of no more use. [XTMP-FRG-023]
func (s *Session) completeMid(h *wire.Header, pro *wire.Prologue) {
	if h.Flags.Has(wire.FlagRequiresAck) && s.in.status(pro.Mid) == midNew {
		s.in.complete(pro.Mid)
		s.forgetFragments(pro)
	}
}

// assemble joins a message, inflates it and delivers it, or refuses it: because
// of compression, of its fragments, of its size, of the limits, of its stream,
// in this order. [XTMP-MSG-069]
func (s *Session) assemble(now Now, p *Path, h *wire.Header, pro *wire.Prologue, body []byte) {
	c := s.call(p, h, pro, len(body))
	fragment := h.Flags.Has(wire.FlagFragment)
	if pro.Mid != 0 {
		p.ackEventually(now)
	}
	switch {
	case h.Flags.Has(wire.FlagCompressed) && !s.cfg.Compression: // [XTMP-CMP-007]
		s.refuseMessage(now, p, h, pro, c, wire.CompressionRefused, "not announced")
		return
	case !fragment && len(body) > s.messageLimit(): // [XTMP-MSG-070]
		s.refuseMessage(now, p, h, pro, c, wire.PayloadTooLarge, "")
		return
	case !fragment && int64(pro.OriginalLen) > int64(s.messageLimit()): // [XTMP-CMP-008]
		s.refuseMessage(now, p, h, pro, c, wire.DecompressLimit, "")
		return
	}
	original := pro.OriginalLen
	if fragment {
		q, result := s.takeFragment(now, p, h, pro, body, s.messageLimit())
		if result != fragmentWhole {
			s.refuseFragment(now, p, h, pro, c, result)
			return
		}
		body, original = q.joined, q.original
	}
	if s.role == Server && pro.Mid != 0 && !s.accepts(now, p, h, pro, c, max(len(body), int(original))) {
		return
	}
	if h.Flags.Has(wire.FlagCompressed) {
		var err error
		if body, err = s.cfg.Buffers.inflate(body, original); err != nil { // [XTMP-CMP-009]
			s.refuseMessage(now, p, h, pro, c, wire.DecompressLimit, "")
			return
		}
	}
	s.deliver(now, p, h, pro, c, body)
}

// call names the request that a frame with size body bytes belongs to. Its reply
// covers that frame and the others of the request that are open in this ack epoch.
func (s *Session) call(p *Path, h *wire.Header, pro *wire.Prologue, size int) Call {
	c := Call{
		Mid: pro.Mid, Type: h.Type, urgent: h.Flags.Has(wire.FlagPriority),
		path: p.id, frames: 1, epoch: p.ackEpoch, cost: uint32(size),
	}
	if i := s.find(pro); i >= 0 && s.partials[i].epoch == c.epoch {
		c.frames += s.partials[i].frames
	}
	return c
}

// refuseFragment is what follows from a fragment that did not make a message whole.
func (s *Session) refuseFragment(now Now, p *Path, h *wire.Header, pro *wire.Prologue, c Call, r fragmentResult) {
	switch r {
	case fragmentFifth: // [XTMP-FRG-015]
		if p.kind == UDP { // [XTMP-UDP-094]
			p.udp.refused = true
			return
		}
		s.violation(now, p, "a fifth incomplete message")
	case fragmentMalformed:
		s.refuseMessage(now, p, h, pro, c, wire.Malformed, "fragments disagree")
	case fragmentTooLarge:
		s.refuseMessage(now, p, h, pro, c, wire.PayloadTooLarge, "")
	case fragmentInflates:
		s.refuseMessage(now, p, h, pro, c, wire.DecompressLimit, "")
	case fragmentOverBudget:
		s.refuseMessage(now, p, h, pro, c, wire.ServerBusy, "receive memory is exhausted")
	case fragmentTaken, fragmentWhole:
	}
}

// accepts judges a request that is whole but for its inflation: beyond what may
// be unanswered it is RATE_LIMITED, beyond twice that the session ends, and while
// the session closes it is SERVER_BUSY. [XTMP-MSG-024] [XTMP-MSG-025]
func (s *Session) accepts(now Now, p *Path, h *wire.Header, pro *wire.Prologue, c Call, size int) bool {
	limit := int(s.cfg.Server.MaxInflight)
	switch {
	case s.requests >= 2*limit || s.requestBytes+size > 2*inflightBytes:
		s.violation(now, p, "more than twice what may be unanswered")
	case s.requests >= limit || s.requestBytes+size > inflightBytes:
		s.refuseMessage(now, p, h, pro, c, wire.RateLimited, "")
	case s.state == Closing:
		s.refuseMessage(now, p, h, pro, c, wire.ServerBusy, "closing")
	default:
		return true
	}
	return false
}

// refuseMessage answers a message that will not be delivered; its mid is
// complete. [XTMP-MSG-071] [XTMP-MSG-073]
func (s *Session) refuseMessage(now Now, p *Path, h *wire.Header, pro *wire.Prologue, c Call, code wire.Code, text string) {
	s.completeMid(h, pro)
	switch {
	case s.role == Server && pro.Mid != 0 && s.requests >= 2*int(s.cfg.Server.MaxInflight): // [XTMP-MSG-025]
		s.violation(now, p, "more than twice what may be unanswered")
	case s.role == Server && pro.Mid != 0:
		s.count(&c, int(c.cost))
		s.ReplyError(now, c, &Error{Code: code, Text: text})
	case pro.Mid == 0: // [XTMP-FRG-022] [XTMP-CMP-011] [XTMP-MSG-075]
		if h.Flags.Has(wire.FlagFragment) {
			s.forgetFragments(pro)
		}
	default: // the client's call has no result, and the server is told why [XTMP-MSG-072] [XTMP-MSG-074]
		s.unsolicited(now, p, h, code)
		s.finishCall(now, pro.ReplyTo, Message{Type: h.Type, Err: ErrUnknownResult})
	}
}

// count makes a request unanswered.
func (s *Session) count(c *Call, size int) {
	c.cost = uint32(size)
	s.requests++
	s.requestBytes += size
}

// deliver hands a whole message to the application. [XTMP-MSG-020]
func (s *Session) deliver(now Now, p *Path, h *wire.Header, pro *wire.Prologue, c Call, body []byte) {
	s.completeMid(h, pro)
	m := Message{Type: h.Type, Priority: h.Flags.Has(wire.FlagPriority), Body: body}
	switch {
	case s.role == Client && h.Flags.Has(wire.FlagReply):
		s.finishCall(now, pro.ReplyTo, m)
	case s.role == Client:
		m.SubID, m.N = pro.SubID, pro.N
		s.cfg.Application.Deliver(now, s, m)
	case pro.Mid == 0:
		if !s.cfg.Application.Deliver(now, s, m) { // [XTMP-MSG-054] [XTMP-MSG-055]
			s.unsolicited(now, p, h, wire.Malformed)
		}
	default:
		s.count(&c, len(body))
		m.Call = c
		if s.queued+s.kept >= unackedReplyBytes || len(s.held) > 0 { // [XTMP-MSG-027]
			if !s.Retain(len(body)) {
				s.ReplyError(now, c, &Error{Code: wire.ServerBusy, Text: "receive memory is exhausted"})
				return
			}
			s.held = append(s.held, request{call: c, priority: m.Priority, body: append([]byte(nil), body...)})
			return
		}
		s.cfg.Application.Deliver(now, s, m)
	}
}

// executeHeld delivers requests that waited for replies to go.
func (s *Session) executeHeld(now Now) {
	for len(s.held) > 0 && s.queued+s.kept < unackedReplyBytes && s.open() {
		r := s.held[0]
		s.Release(len(r.body))
		s.held[0] = request{}
		if s.held = s.held[1:]; len(s.held) == 0 {
			s.held = nil
		}
		s.cfg.Application.Deliver(now, s, Message{Type: r.call.Type, Priority: r.priority, Body: r.body, Call: r.call})
	}
}

// receiveReply handles a reply at a client. Its mid is new.
func (s *Session) receiveReply(now Now, p *Path, h *wire.Header, pro *wire.Prologue, body []byte) {
	call, waiting := s.calls.unanswered[pro.ReplyTo]
	switch {
	case pro.ReplyTo == 0 || pro.ReplyTo > s.out.last: // [XTMP-MSG-007]
		s.violation(now, p, "a reply to a request that was not sent")
	case s.rekeying(pro.ReplyTo): // RekeyInit takes a reply of type 0x02 [XTMP-MSG-008]
		s.violation(now, p, "a reply to RekeyInit of another type than 0x02")
	case !waiting: // a second reply, or the rest of a refused one [XTMP-MSG-009]
		s.completeMid(h, pro)
		p.ackEventually(now)
	case h.Type != call.typ: // [XTMP-MSG-008]
		s.violation(now, p, "a reply of another type than its request")
	default:
		s.assemble(now, p, h, pro, body)
	}
}

// finishCall delivers what became of the client's request mid, once.
func (s *Session) finishCall(now Now, mid uint64, m Message) {
	call, ok := s.calls.unanswered[mid]
	if !ok {
		return
	}
	delete(s.calls.unanswered, mid)
	s.calls.bytes -= call.size
	if m := call.request; m != nil {
		m.called = false
		m.settled = m.queued
		s.drop(m)
	}
	s.settle(mid, true)
	m.Owner = call.owner
	if s.cfg.Application != nil {
		s.cfg.Application.Deliver(now, s, m)
	}
}
