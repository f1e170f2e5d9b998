package peer

import (
	"fmt"
	"slices"

	"github.com/bpci/xtmp/vectors/testkit"
)

// lintFragment judges a frame as a part of a message: its fragment fields, and the
// message that it completes. It reports whether the message had begun before.
func (c *Conn) lintFragment(r *Received) (begun bool) {
	if r.Type() >= 0x80 {
		return false
	}
	p := r.Plaintext.Prologue
	if r.Frame.Flags()&testkit.FlagValue("COMPRESSED") != 0 && c.handshake.hello.Body.Uint("flags")&BitAcceptDeflate == 0 {
		c.note("XTMP-CMP-001", "a compressed message, though we have not announced that we inflate", r.Name, "")
	}
	if p.Has("frag_id") {
		frames := c.fragmentsOf(r)
		if len(frames) == 0 {
			return true // of a message that came whole before
		}
		begun = frames[0] != r
		c.lintFields(r, frames[0])
		if !begun {
			c.lintBegun(r)
		}
	}
	if r.Message != nil {
		c.lintMessage(r.Message)
	}
	return begun
}

// fragmentsOf returns the frames of the message so far, this one included.
func (c *Conn) fragmentsOf(r *Received) []*Received {
	if r.Message != nil {
		return r.Message.Frames
	}
	if m := c.incoming.open[keyOf(r.Plaintext.Prologue)]; m != nil {
		return m.frames
	}
	return nil
}

func (c *Conn) lintFields(r, first *Received) {
	p := r.Plaintext.Prologue
	count, index := p.Uint("count"), p.Uint("index")
	if count < limit("fragments_min") {
		c.note("XTMP-FRG-003", "count is below 2", count, "2 … 65 535")
	}
	if index >= count {
		c.note("XTMP-FRG-004", "index is not below count", index, fmt.Sprint("below ", count))
	}
	if r.Type() != first.Type() || r.Frame.Flags() != first.Frame.Flags() {
		c.note("XTMP-FRG-001", "type or flags of a fragment differ from the first", r.Name, first.Name)
	}
	for _, field := range []string{"reply_to", "sub_id", "n", "frag_id", "count"} {
		if got, want := p.Uint(field), first.Plaintext.Prologue.Uint(field); got != want {
			c.note("XTMP-FRG-001", field+" of a fragment differs from the first", got, want)
		}
	}
}

// lintBegun judges the first fragment of a message.
func (c *Conn) lintBegun(r *Received) {
	id := r.Plaintext.Prologue.Uint("frag_id")
	if c.resent() {
		return // fragments of several messages overtake each other
	}
	if id != c.incoming.nextFrag {
		c.note("XTMP-FRG-002", "frag_id is not the next", id, c.incoming.nextFrag)
	}
	c.incoming.nextFrag = id + 1
	if n := uint64(len(c.incoming.open)); n > limit("incomplete_messages") {
		c.note("XTMP-FRG-009", "more messages are begun and not ended", n, fmt.Sprint("at most ", limit("incomplete_messages")))
	}
	if p := r.Plaintext.Prologue; p.Has("mid") && c.incoming.done[keyOf(p)] {
		c.note("XTMP-FRG-004", "a fragment of a message that came whole", r.Name, "")
	}
}

func (c *Conn) lintMessage(m *Message) {
	c.lintSizes(m)
	if n := uint64(len(m.Stream)); n > limit("message_to_client") {
		c.note("XTMP-LIM-013", "a body above the message limit", n, fmt.Sprint("at most ", limit("message_to_client")))
	}
	if !slices.ContainsFunc(m.Frames, func(r *Received) bool { return r.Plaintext.Prologue.Has("original_len") }) {
		return
	}
	if m.Body == nil {
		c.note("XTMP-CMP-003", "a compressed body is no stream that yields original_len bytes and ends with its last", m.Frames[0].Name, "")
		return
	}
	if n := uint64(len(m.Body)); n > limit("message_to_client") {
		c.note("XTMP-LIM-013", "an inflated body above the message limit", n, fmt.Sprint("at most ", limit("message_to_client")))
	}
}

// lintSizes judges how a body was cut.
func (c *Conn) lintSizes(m *Message) {
	whole := uint64(len(m.Stream))
	if c.udp != nil && whole > limit("message_udp") {
		c.note("XTMP-UDP-087", "a message on UDP is too large", whole, fmt.Sprint("at most ", limit("message_udp")))
	}
	if len(m.Frames) == 1 {
		if most := limit("fragment_body_tcp"); whole > most {
			c.note("XTMP-FRG-007", "a body that has to be cut", whole, fmt.Sprint("at most ", most))
		}
		return
	}
	most := uint64(0)
	for _, r := range m.Frames {
		if p := r.Plaintext.Prologue; p.Uint("index")+1 < p.Uint("count") {
			size := bodySize(r)
			if most != 0 && size != most || size < limit("fragment_body_min") {
				c.note("XTMP-FRG-005", "a fragment of another size", size, most)
			}
			most = max(most, size)
		}
	}
	for _, r := range m.Frames {
		if p := r.Plaintext.Prologue; p.Uint("index")+1 == p.Uint("count") && (bodySize(r) == 0 || bodySize(r) > most) {
			c.note("XTMP-FRG-006", "the last fragment is empty or longer than the others", bodySize(r), fmt.Sprint("1 … ", most))
		}
	}
	if want := limit("fragment_body_tcp"); whole > want && most != want && c.udp == nil {
		c.note("XTMP-FRG-007", "a long body is cut into other pieces", most, want)
	}
}

// bodySize counts what a frame holds behind the prologue.
func bodySize(r *Received) uint64 {
	return uint64(len(r.Opened) - len(r.Plaintext.Prologue.Encode()))
}

// lintPush judges the first frame of a push.
func (c *Conn) lintPush(r *Received) {
	p := r.Plaintext.Prologue
	sub, n := p.Uint("sub_id"), p.Uint("n")
	switch last := c.incoming.pushes[sub]; {
	case sub == 0:
		c.note("XTMP-MSG-062", "sub_id is 0", r.Name, "at least 1")
	case n == last && n > 0:
		c.note("XTMP-MSG-065", "the same push twice", n, last+1)
	case n != last+1:
		c.note("XTMP-MSG-063", "n is not the next of its subscription", n, last+1)
	}
	c.incoming.pushes[sub] = n
}
