package peer

import (
	"fmt"

	"github.com/bpci/xtmp/spec"
	"github.com/bpci/xtmp/vectors/testkit"
)

// lintPlaintext judges what is inside a frame: prologue, envelope, body.
func (c *Conn) lintPlaintext(r *Received) {
	if r.Plaintext.Prologue.Short() {
		c.note("XTMP-HDR-035", "the plaintext is shorter than the prologue that its flags call for", r.Name, "")
		return
	}
	if r.Slot == SlotPath {
		c.lintProlog(r)
	}
	if r.Plaintext.Envelope != nil {
		c.lintEnvelope(r)
	}
	c.lintZeros(r)
	c.lintBody(r)
}

func (c *Conn) lintProlog(r *Received) {
	p := r.Plaintext.Prologue
	begun := c.lintFragment(r)
	if c.resent() && p.Has("mid") {
		c.inMid = max(c.inMid, r.Mid()) // a message may be sent again, and frames overtake each other
	} else if p.Has("mid") && !begun {
		c.inMid++
		if mid := r.Mid(); mid != c.inMid {
			c.wants("prologue.mid", c.inMid)
			c.note("XTMP-MSG-011", "mid is not the next", mid, c.inMid)
			c.inMid = mid
		}
	}
	if p.Has("sub_id") && r.Type() < 0x80 && !begun {
		c.lintPush(r)
	}
	if !p.Has("reply_to") || r.Type() >= 0x80 && r.Type() != typeError {
		return
	}
	c.lintReply(r)
}

// resent reports whether a message of the peer may come again: on UDP, and where the
// session has several paths.
func (c *Conn) resent() bool { return c.udp != nil || len(c.paths) > 1 }

func (c *Conn) lintReply(r *Received) {
	mid := r.ReplyTo()
	requested, ours := c.requests[mid]
	if requested == typeHandshake {
		requested = typeHandshakeAck
	}
	switch {
	case !ours:
		c.note("XTMP-MSG-003", "reply_to is the mid of no request of ours", mid, "")
	case requested == typeHandshakeAck && r.Type() == typeError:
		c.note("XTMP-RKY-005", "an Error as the reply to RekeyInit", r.Name, "")
	case r.Type() != requested && r.Type() != typeError:
		c.note("XTMP-MSG-002", "the reply has another type than its request",
			fmt.Sprintf("0x%02X", r.Type()), fmt.Sprintf("0x%02X or 0xFE", requested))
	case c.answered[mid] != 0 && c.answered[mid] != r.Mid():
		c.note("XTMP-MSG-001", "a second reply to the same request", fmt.Sprint("mid ", mid), "")
	}
	c.answered[mid] = r.Mid()
	if r.Message == nil {
		return // the frames of the request are open until its reply was sent whole
	}
	c.whole[mid] = true
	for sequence, open := range c.open {
		if open == mid && c.udp == nil { // on UDP an Ack is due all the same
			delete(c.open, sequence)
		}
	}
}

func (c *Conn) lintEnvelope(r *Received) {
	e := r.Plaintext.Envelope
	if e.Short() {
		c.note("XTMP-ENV-003", "the frame is shorter than its envelope", r.Name, "")
		return
	}
	if c.udp != nil && (r.Slot == SlotClear || r.Slot == SlotHandshake) {
		c.lintFragmentOf(r)
		c.lintHandshakeID(r)
		return
	}
	if i, n := e.Uint("frag_index"), e.Uint("frag_count"); i != 0 || n != 1 {
		c.note("XTMP-ENV-001", "the message is fragmented on TCP", fmt.Sprintf("index %d of %d", i, n), "0 of 1")
	}
	if n := e.Uint("token_len"); n != 0 {
		c.note("XTMP-ENV-002", "token_len is not 0 on TCP", n, "0")
	}
	if n := e.Uint("total_len"); n != uint64(len(r.Plaintext.Body)) && r.Frame.Flags()&testkit.FlagValue("FRAGMENT") == 0 {
		c.wants("envelope.total_len", uint64(len(r.Plaintext.Body)))
		c.note("XTMP-ENV-003", "total_len is not the length of the body", n, len(r.Plaintext.Body))
	}
	if n := uint64(len(r.Plaintext.Body)); n > limit("handshake_message") {
		c.note("XTMP-ENV-004", "the body in an envelope is too long", n, fmt.Sprint("at most ", limit("handshake_message")))
	}
	if uint8(e.Uint("hs_type")) == hsRekeyResp {
		c.lintRekeyResp(r)
		return
	}
	if r.Slot != SlotAttach {
		c.lintHandshakeID(r)
	}
}

// lintHandshakeID holds a message of the handshake to our ClientHello.
func (c *Conn) lintHandshakeID(r *Received) {
	if id := r.Plaintext.Envelope.Uint("handshake_id"); id != c.handshake.id && !c.contacts[id] {
		c.wants("envelope.handshake_id", c.handshake.id)
		c.note("XTMP-ENV-005", "handshake_id is not that of ClientHello", fmt.Sprintf("%016x", id), fmt.Sprintf("%016x", c.handshake.id))
	}
}

// lintZeros judges the fields of the body that the layouts call zero.
func (c *Conn) lintZeros(r *Received) {
	for _, p := range r.Parts {
		if p.Offset >= testkit.HeaderSize && zeroField(p.Label) && string(p.Bytes) != string(make([]byte, len(p.Bytes))) {
			c.wants(p.Label, make([]byte, len(p.Bytes)))
			c.note("XTMP-CON-002", p.Label+" is not zero", p.Bytes, "")
		}
	}
}

func zeroField(label string) bool {
	for _, layout := range spec.Default().Layouts {
		for _, f := range layout.Fields {
			if f.Kind == spec.KindZero && layout.Name+"."+f.Name == label {
				return true
			}
		}
	}
	return false
}
