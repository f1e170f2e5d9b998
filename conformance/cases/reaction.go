package cases

import (
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/spec"
)

// observe is Exchange.Observe, except that SERVER_BUSY is a refusal for what was
// done before, unless the case asks for it.
func observe(x *conformance.Exchange, err error, wait string) conformance.Observation {
	o := x.Observe(err, wait)
	if o.Kind != conformance.KindErrorFrame || o.Code != code("SERVER_BUSY") || o.Scope != conformance.ScopePath {
		return o
	}
	if grade := x.Case().Expect.Match(o).Grade; grade == conformance.GradeStrict || grade == conformance.GradeAllowed {
		return o
	}
	return conformance.Throttled("the server says SERVER_BUSY")
}

// A conversation is a peer.Conn or a peer.Session.
type conversation interface {
	ReadFrame(wait time.Duration) (*peer.Received, error)
	ExpectEnd(wait time.Duration) error
	Open() int
}

// reaction reads until something tells what the peer made of what was sent last:
// an Error in any form, another frame, the end of the connection, or nothing
// before the named wait ends. Frames that a server may send whenever it likes
// tell nothing, and an Ack of what was sent before tells nothing either.
func reaction(x *conformance.Exchange, c conversation, wait string) conformance.Observation {
	until := time.Now().Add(patience(x, c, wait))
	for {
		owed := c.Open() > 0
		r, err := c.ReadFrame(max(time.Until(until), time.Millisecond))
		if err != nil {
			return observe(x, err, wait)
		}
		if o, told := told(x, r); told && !(owed && isAck(r)) {
			return o
		}
	}
}

// patience is how long a reaction may take. However the budgets are scaled, it
// ends before a timer of the peer would close the connection for another reason:
// a handshake or a frame that is not complete.
func patience(x *conformance.Exchange, c conversation, wait string) time.Duration {
	timer := "T_FRAME"
	if _, half := c.(*peer.Conn); half {
		timer = "T_HANDSHAKE_TCP"
	}
	return min(x.Within(wait), x.AtLeast(timer)/2)
}

// told is what one frame tells.
func told(x *conformance.Exchange, r *peer.Received) (conformance.Observation, bool) {
	switch {
	case r.Plaintext == nil:
		return conformance.Malformed("a frame that does not open: " + r.Name), true
	case r.Again && r.UDP: // a message that was sent before, since an Ack may have come too late
		return conformance.Observation{}, false
	case r.Error() != nil:
		return observe(x, r.Error(), conformance.BudgetReply), true
	case r.Slot == peer.SlotClear && r.Type() != typeHandshakeAck: // such as our own frame
		return conformance.Malformed("a clear frame that no server sends: " + r.Name), true
	case anytime(r):
		return conformance.Observation{}, false
	}
	o := conformance.Accepted()
	o.Detail = "the peer sent " + r.Name
	return o, true
}

// anytime reports whether a server may send the frame whenever it likes: one that
// exercises an extension type [XTMP-TYP-002], or a REKEY_REQUEST [XTMP-RKY-014].
func anytime(r *peer.Received) bool {
	if r.Slot != peer.SlotPath || r.Error() != nil {
		return false
	}
	body := []byte(nil)
	if r.Plaintext != nil {
		body = r.Plaintext.Body
	}
	return r.Type() >= 0x80 || r.Type() == typeHeartbeat && len(body) > 0 && body[0] == peer.RekeyRequest
}

// judgeClosed judges a peer that has to close silently. Nothing is sent behind
// the bad bytes: a fence could be what the peer closes for. Only when nothing
// comes a PING finds out whether the bytes were ignored.
func judgeClosed(x *conformance.Exchange, c conversation) {
	o := reaction(x, c, conformance.BudgetClose)
	if s, ok := c.(*peer.Session); ok && o.Kind == conformance.KindSilence {
		if o = fenced(x, s); o.Kind != conformance.KindIgnored {
			o = conformance.Silence(conformance.BudgetClose)
		}
	}
	x.Judge(o)
}

// judgeError judges a peer that has to answer with an Error and then end the
// connection: a clear Error to a first frame, or a violation.
func judgeError(x *conformance.Exchange, c conversation) {
	o := reaction(x, c, conformance.BudgetReply)
	x.Judge(o)
	if o.Kind == conformance.KindErrorFrame {
		requireEnd(x, c)
	}
}

// requireEnd requires that nothing more comes but the end of the connection.
func requireEnd(x *conformance.Exchange, c conversation) {
	err := c.ExpectEnd(x.Within(conformance.BudgetClose))
	o, ok := conformance.Seen(err, conformance.BudgetClose)
	x.Require(ok && (err == nil || o.IsClose()), "the peer sends nothing more and ends the connection")
}

// clocked returns a mark since which the server has read its clock, and this moment. What
// begins behind it cannot seem to end early because the server stood still in between.
func clocked(x *conformance.Exchange, s *peer.Session) (conformance.Mark, time.Time) {
	mark := x.Mark()
	fence(x, s)
	return mark, time.Now()
}

// judgeIgnored judges a peer that has to go on as if nothing had come: the fence
// is answered, and before the answer there is nothing but what is let through.
func judgeIgnored(x *conformance.Exchange, s *peer.Session, let ...func(*peer.Received) bool) {
	x.Judge(fenced(x, s, let...))
}

// fenced puts a PING behind what was sent and says what came in place of its
// answer, or before it; then another, since a server answers PINGs before what
// else it has to say.
func fenced(x *conformance.Exchange, s *peer.Session, let ...func(*peer.Received) bool) conformance.Observation {
	for _, name := range []string{"fence", "second fence"} {
		x.Note("%s: a PING behind what was sent", name)
		before, err := s.Ping(x.Entropy(name).Bytes(8))
		for _, r := range before {
			passes := false
			for _, fits := range let {
				passes = passes || fits(r)
			}
			if o, told := told(x, r); told && !passes {
				return o
			}
		}
		if err != nil {
			return observe(x, err, conformance.BudgetReply)
		}
	}
	return conformance.Ignored()
}

// isAck lets Acks through.
func isAck(r *peer.Received) bool { return r.Is(typeAck) }

// judgePong judges a peer that has to answer the PING that was just sent with
// the data given. Anything else is what it did in place of that.
func judgePong(x *conformance.Exchange, s *peer.Session, data []byte) {
	_, before, err := s.Expect(0, func(r *peer.Received) bool {
		return r.Is(typeHeartbeat) && string(r.Plaintext.Body) == string(peer.HeartbeatBody(peer.Pong, data))
	})
	for _, r := range before {
		x.Note("before the PONG: %s", r.Name)
	}
	x.Judge(observe(x, err, conformance.BudgetReply))
}

// requireClean requires that no frame of the peer broke a requirement which the
// case proves. What else was wrong is left to the cases that prove it.
func requireClean(x *conformance.Exchange, c *peer.Conn) {
	proves := map[string]bool{}
	for _, id := range x.Case().Proves {
		proves[id] = true
	}
	for _, d := range c.Violations() {
		x.Note("the linter: %v", d)
		x.Require(!proves[d.Req], "%s: %s", d.Req, d.What)
	}
	x.Require(true, "no frame of the peer breaks what the case proves")
}

// requireSound requires that no frame of the peer broke a requirement without
// which no exchange is said to succeed. The peer under test must not learn from
// a lenient judge that it can.
func requireSound(x *conformance.Exchange, c *peer.Conn) {
	for _, d := range c.Violations() {
		r, _ := spec.Default().Requirement(d.Req)
		x.Require(r.Testability != spec.Implicit, "%s: %s", d.Req, d.What)
	}
	x.Require(true, "no frame of the peer breaks what every exchange rests on")
}
