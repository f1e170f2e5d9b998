package peer

import (
	"fmt"

	"github.com/bpci/xtmp/vectors/testkit"
)

// HelloFragments returns the fragments of a ClientHello, each with the token of the
// hello if it has one, and makes the hello the one of this Conn. It may be called
// again with another token: the body stays [XTMP-UDP-042].
func (c *Conn) HelloFragments(h *Hello) []*Draft {
	if c.handshake.hello != h {
		c.prepareHello(h)
	}
	return testkit.Fragments(h.Draft, h.Token)
}

// Contact sends the fragment with index 0 of a fresh ClientHello without token, which
// is a question of its own and leaves the handshake alone: a Retry with the
// handshake_id that it returns has to answer it. It is a fence where there is no
// session.
func (c *Conn) Contact() (handshakeID uint64, err error) {
	h := c.HelloDefaults()
	id := h.Plaintext.Envelope.Uint("handshake_id")
	c.contacts[id] = true
	return id, c.SendFragments(testkit.Fragments(h.Draft, nil)[0])
}

// SendFragments sends drafts of handshake messages, each in a datagram of its own.
func (c *Conn) SendFragments(drafts ...*Draft) error {
	for _, d := range drafts {
		if err := c.SendDraft(d); err != nil {
			return err
		}
	}
	return nil
}

// ReadRetry waits for a Retry and returns its cookie. The error is a *Deviation, an
// *ErrorFrame, or that of ReadFrame.
func (c *Conn) ReadRetry() (*Received, []byte, error) {
	from := len(c.violations)
	r, err := c.nextOf(hsRetry, "Retry")
	if err != nil {
		return r, nil, err
	}
	if id := r.Frame.Header.Uint("session_id"); id != 0 {
		c.wants("frame.session_id", uint64(0))
		c.note("XTMP-UDP-028", "a Retry has a session_id", id, "0")
	}
	if n := uint64(len(r.Whole)); n != limit("token_udp") {
		return r, nil, c.violation("XTMP-UDP-028", "the body of Retry is no cookie", n, limit("token_udp"))
	}
	return r, r.Whole, c.firstSince(from)
}

// join takes a frame of a handshake or attach message and returns the body of the
// message, once it is whole. A message that comes again is put together again.
func (e *exchange) join(r *Received) []byte {
	envelope := r.Plaintext.Envelope
	if envelope.Uint("frag_count") <= 1 {
		return r.Plaintext.Body
	}
	key := fmt.Sprintf("%d of %d", envelope.Uint("hs_type"), r.Frame.Header.Uint("session_id"))
	if e.parts == nil {
		e.parts = map[string][]*testkit.Plaintext{}
	}
	e.parts[key] = append(e.parts[key], r.Plaintext)
	body, whole := testkit.Join(e.parts[key])
	if !whole {
		return nil
	}
	delete(e.parts, key)
	return body
}

// lintFragmentOf judges the envelope of a handshake message on UDP before the session
// is established.
func (c *Conn) lintFragmentOf(r *Received) {
	e := r.Plaintext.Envelope
	total, count, index := e.Uint("total_len"), e.Uint("frag_count"), e.Uint("frag_index")
	size := limit("handshake_fragment")
	if want := (total + size - 1) / size; count != want {
		c.wants("envelope.frag_count", want)
		c.note("XTMP-UDP-016", "frag_count is not total_len / 1024, rounded up", count, want)
		return
	}
	if want := min(size, total-index*size); index < count && uint64(len(r.Plaintext.Body)) != want {
		c.note("XTMP-UDP-016", "a fragment has another size than its place calls for", len(r.Plaintext.Body), want)
	}
	if n := e.Uint("token_len"); n != 0 {
		c.wants("envelope.token_len", uint64(0))
		c.note("XTMP-UDP-019", "token_len is not 0", n, "0")
	}
	if r.Slot == SlotHandshake && r.Frame.Sequence() != index {
		c.wants("frame.sequence_number", index)
		c.note("XTMP-UDP-017", "the sequence number of a handshake fragment is not its index", r.Frame.Sequence(), index)
	}
	c.lintSameFrame(r)
}

// lintSameFrame holds a handshake frame that comes again to its first copy
// [XTMP-UDP-020], and its message to its first fragment [XTMP-UDP-015].
func (c *Conn) lintSameFrame(r *Received) {
	e := r.Plaintext.Envelope
	message := fmt.Sprintf("%d of %d", e.Uint("hs_type"), r.Frame.Header.Uint("session_id"))
	first := c.handshake.first[message]
	if c.handshake.first == nil {
		c.handshake.first = map[string]*Received{}
		c.handshake.frames = map[string]string{}
	}
	if first == nil {
		c.handshake.first[message], first = r, r
	}
	for _, field := range []string{"frag_count", "total_len", "handshake_id"} {
		if got, want := e.Uint(field), first.Plaintext.Envelope.Uint(field); got != want && e.Uint("hs_type") != hsRetry {
			c.note("XTMP-UDP-015", field+" of a fragment differs from the first", got, want)
		}
	}
	if r.Slot != SlotHandshake {
		return
	}
	key := fmt.Sprintf("%s, %d", message, e.Uint("frag_index"))
	if before, again := c.handshake.frames[key]; again && before != string(r.Raw) {
		c.note("XTMP-UDP-020", "a handshake fragment was sealed a second time", r.Name, "the same frame, byte for byte")
	}
	c.handshake.frames[key] = string(r.Raw)
}
