package peer

import (
	"slices"

	"github.com/bpci/xtmp/vectors/testkit"
)

// Fragments returns the frames of a message that is cut into fragments of size body
// bytes: one mid, with REQUIRES_ACK, and the next frag_id. Of types 0x01 and 0x02 the
// body begins with the envelope. The frames take the next sequence numbers, in the
// order of index.
func (s *Session) Fragments(messageType uint8, flags uint16, body []byte, size int) []*Draft {
	return s.FragmentsOf(messageType, flags, testkit.Cut(body, size))
}

// FragmentsOf is Fragments for pieces of the caller's choice.
func (s *Session) FragmentsOf(messageType uint8, flags uint16, pieces [][]byte) []*Draft {
	reliable := flags&testkit.FlagValue("REQUIRES_ACK") != 0
	var drafts []*Draft
	for i, piece := range pieces {
		d := s.Draft(messageType, flags|testkit.FlagValue("FRAGMENT"), piece)
		d.Plaintext.Envelope = nil
		p := d.Plaintext.Prologue
		p.SetUint("frag_id", s.fragID).SetUint("index", uint64(i)).SetUint("count", uint64(len(pieces)))
		if reliable && i > 0 {
			p.DefaultUint("mid", drafts[0].Mid())
			s.mid--
		}
		drafts = append(drafts, d)
	}
	s.fragID++
	return drafts
}

// A Message is what one frame of the peer, or several with its fragments, carries
// under the path key.
type Message struct {
	Frames []*Received // in the order in which they came
	Stream []byte      // the body as it was sent, which is compressed with COMPRESSED
	Body   []byte      // the body, inflated, without envelope; nil if it does not inflate
}

// Type returns the message_type.
func (m *Message) Type() uint8 { return m.Frames[0].Type() }

// An incoming puts messages of the peer together.
type incoming struct {
	open     map[string]*parts // by mid or, without, frag_id
	done     map[string]bool   // reliable messages that came whole
	nextFrag uint64
	pushes   map[uint64]uint64 // sub_id → n of its last push
}

// A parts is a message of which some fragments have come.
type parts struct {
	fragID uint64
	frames []*Received
	bodies map[uint64][]byte // by index
	count  uint64
}

func newIncoming() incoming {
	return incoming{open: map[string]*parts{}, done: map[string]bool{}, pushes: map[uint64]uint64{}}
}

// keyOf says which message a fragment belongs to.
func keyOf(p *testkit.Message) string {
	if p.Has("mid") {
		return "mid " + string(p.Bytes("mid"))
	}
	return "frag_id " + string(p.Bytes("frag_id"))
}

// take adds a frame and returns the message that it completes, if any. Resent says
// that a message may come again, whole or in other pieces: on UDP, or on a second path.
func (in *incoming) take(r *Received, resent bool) *Message {
	p := r.Plaintext.Prologue
	if p.Has("mid") {
		r.Again = in.done[keyOf(p)]
	}
	if !p.Has("frag_id") || r.Type() >= 0x80 {
		in.done[keyOf(p)] = p.Has("mid")
		return assemble([]*Received{r}, r.Opened[len(p.Encode()):])
	}
	key := keyOf(p)
	if resent && in.done[key] {
		return nil
	}
	m := in.open[key]
	if m == nil || resent && p.Uint("frag_id") > m.fragID {
		m = &parts{bodies: map[uint64][]byte{}, count: p.Uint("count"), fragID: p.Uint("frag_id")}
		in.open[key] = m
	}
	if p.Uint("frag_id") < m.fragID {
		return nil
	}
	_, r.Again = m.bodies[p.Uint("index")]
	m.frames = append(m.frames, r)
	m.bodies[p.Uint("index")] = r.Opened[len(p.Encode()):]
	if uint64(len(m.bodies)) < m.count {
		return nil
	}
	delete(in.open, key)
	in.done[key] = p.Has("mid")
	var joined []byte
	for i := range m.count {
		joined = append(joined, m.bodies[i]...)
	}
	return assemble(m.frames, joined)
}

// assemble inflates what was joined and takes the envelope off.
func assemble(frames []*Received, joined []byte) *Message {
	m := &Message{Frames: frames, Stream: joined, Body: joined}
	first := slices.IndexFunc(frames, func(r *Received) bool { return r.Plaintext.Prologue.Uint("index") == 0 })
	if first < 0 {
		return m
	}
	if p := frames[first].Plaintext.Prologue; p.Has("original_len") && m.Type() < 0x80 {
		size := int(p.Uint("original_len"))
		body, taken, ended := testkit.Inflate(joined, size)
		m.Body = body
		if !ended || taken != len(joined) || len(body) != size {
			m.Body = nil
		}
	}
	if testkit.HasEnvelope(m.Type()) {
		whole, _ := testkit.DecodePlaintext(m.Type(), 0, joined)
		m.Body = whole.Body
	}
	return m
}

// Unfinished returns how many messages of the peer have begun and not ended.
func (c *Conn) Unfinished() int { return len(c.incoming.open) }

// Answered reports whether the whole reply to a request has come.
func (c *Conn) Answered(mid uint64) bool { return c.whole[mid] }
