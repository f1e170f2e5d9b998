package session

import (
	"bytes"
	"compress/flate"
	"io"
	"time"

	"github.com/bpci/xtmp/refimpl/recovery"
	"github.com/bpci/xtmp/refimpl/slab"
	"github.com/bpci/xtmp/refimpl/wire"
)

// Buffers is memory that the sessions of one owner take in turn, so that a
// session that has nothing to send or to join holds none of it. It is not safe
// for concurrent use: one Buffers per endpoint, one per client.
type Buffers struct {
	free      *message // list
	filling   *chunk
	chunks    []*chunk // free
	sessions  slab.Slab[Session]
	paths     slab.Slab[Path]
	works     []*work
	pathWorks []*pathWork
	flights   []*recovery.Flight[carried]
	windows   []*recovery.Window
	woken     []*Session
	inflater  io.ReadCloser // also a flate.Resetter
	deflater  *flate.Writer
	input     bytes.Reader
	output    bytes.Buffer
	plaintext []byte // of the message that was inflated last
}

// Woken returns, and forgets, the sessions that got output outside their own
// inputs. The result is valid until the next call of a session's method.
func (b *Buffers) Woken() []*Session {
	w := b.woken
	b.woken = b.woken[:0]
	return w
}

// message is an outgoing message.
//
//	fill ─▶ lane ─▶ first frame sealed: mid, frag_id ─▶ … ─▶ last frame sealed ─▶ Ack or reply ─▶ free list
//
// One without mid, or of a session that ends with its connection, goes from its last
// frame to the free list.
type message struct {
	next *message // in its queue, or in the free list

	typ     wire.MessageType
	flags   wire.Flags // without FRAGMENT and ENCRYPTED
	subID   uint32
	fragID  uint32
	index   uint16 // of the next fragment
	count   uint16 // of fragments; 1: whole
	mid     uint64 // 0 until it is sealed
	replyTo uint64
	n       uint64

	path     PathID        // whose lane it is in, or on which it was sent last
	queued   bool          // in a lane
	kept     bool          // in the window, until it is acked
	called   bool          // acked and unanswered, kept by the calls of a client
	settled  bool          // acked or answered while it is in a lane
	sendings uint8         // times that it was sent again whole
	arrived  uint64        // fragments of this sending that the peer has, on UDP, a bit each
	sentOn   uint8         // paths on which it was sent whole, a bit each
	sentAt   time.Duration // the last time

	body     []byte // or
	content  Content
	size     int    // bytes of either
	cut      int    // bytes per fragment, 0 before it is cut
	sealed   int    // bytes of this sending that were sealed
	original uint32 // with COMPRESSED: bytes before

	call  Call // server: the request that it answers
	owner any  // client: of the request
	chunk *chunk
}

// chunk is memory for the bodies of several messages.
type chunk struct {
	bytes []byte
	refs  int // messages that use it
}

// Implementation constants.
const (
	chunkSize  = 32 << 10
	chunksKept = 64
	ownBody    = chunkSize / 4 // a larger body gets memory of its own
)

// vacate takes back a server's session that has ended, its paths, and what it
// worked with.
func (b *Buffers) vacate(s *Session) {
	if s.work != nil {
		b.releaseWork(s.work)
	}
	for _, p := range s.paths {
		if p == nil {
			continue
		}
		if p.pathWork != nil {
			b.releasePath(p.pathWork)
		}
		b.paths.Give(p)
	}
	b.sessions.Give(s)
}

// worksKept bounds the works that are kept for the next. What lies scattered among
// garbage keeps its pages: it is few.
const worksKept = 16

func (b *Buffers) work() *work {
	if n := len(b.works); n > 0 {
		w := b.works[n-1]
		b.works = b.works[:n-1]
		return w
	}
	return new(work)
}

func (b *Buffers) releaseWork(w *work) {
	if *w = (work{events: w.events[:0], ring: w.ring}); len(b.works) < worksKept {
		b.works = append(b.works, w)
	}
}

func (b *Buffers) pathWork() *pathWork {
	if n := len(b.pathWorks); n > 0 {
		w := b.pathWorks[n-1]
		b.pathWorks = b.pathWorks[:n-1]
		return w
	}
	return new(pathWork)
}

func (b *Buffers) releasePath(w *pathWork) {
	if *w = (pathWork{flight: flight{ring: w.flight.ring}}); len(b.pathWorks) < worksKept {
		b.pathWorks = append(b.pathWorks, w)
	}
}

// message takes a message from the free list.
func (b *Buffers) message() *message {
	m := b.free
	if m == nil {
		return new(message)
	}
	b.free = m.next
	m.next = nil
	return m
}

// release gives a message and its memory back.
func (b *Buffers) release(m *message) {
	if m.chunk != nil {
		b.unref(m.chunk)
	}
	*m = message{next: b.free}
	b.free = m
}

func (b *Buffers) unref(c *chunk) {
	if c.refs--; c.refs > 0 {
		return
	}
	c.bytes = c.bytes[:0]
	if c != b.filling && len(b.chunks) < chunksKept {
		b.chunks = append(b.chunks, c)
	}
}

// room returns a chunk with room for n bytes, n ≤ ownBody.
func (b *Buffers) room(n int) *chunk {
	if c := b.filling; c != nil && cap(c.bytes)-len(c.bytes) >= n {
		return c
	}
	// The full one returns to the free list with the last message that uses it.
	if last := len(b.chunks) - 1; last >= 0 {
		b.filling, b.chunks = b.chunks[last], b.chunks[:last]
	} else {
		b.filling = &chunk{bytes: make([]byte, 0, chunkSize)}
	}
	return b.filling
}

// fill copies the body of a message: head ‖ body, or head ‖ content.
func (m *message) fill(b *Buffers, head, body []byte, content Content) {
	if content != nil {
		m.content = headed{head: string(head), Content: content}
		m.size = m.content.Len()
		return
	}
	m.size = len(head) + len(body)
	if m.size > ownBody {
		m.body = append(append(make([]byte, 0, m.size), head...), body...)
		return
	}
	c := b.room(m.size)
	start := len(c.bytes)
	c.bytes = append(append(c.bytes, head...), body...)
	m.body = c.bytes[start:]
	m.chunk = c
	c.refs++
}

// headed is a content behind a head.
type headed struct {
	head string
	Content
}

func (h headed) Len() int { return len(h.head) + h.Content.Len() }

func (h headed) AppendRange(dst []byte, from, to int) []byte {
	if from < len(h.head) {
		dst = append(dst, h.head[from:min(to, len(h.head))]...)
		from = len(h.head)
	}
	if to > from {
		dst = h.Content.AppendRange(dst, from-len(h.head), to-len(h.head))
	}
	return dst
}

// queue is a list of messages, oldest first.
type queue struct {
	head, tail *message
	len        int
}

func (q *queue) push(m *message) {
	if q.tail == nil {
		q.head = m
	} else {
		q.tail.next = m
	}
	q.tail = m
	q.len++
}

// prepend puts m before all others.
func (q *queue) prepend(m *message) {
	if m.next = q.head; q.tail == nil {
		q.tail = m
	}
	q.head = m
	q.len++
}

func (q *queue) pop() {
	m := q.head
	if q.head = m.next; q.head == nil {
		q.tail = nil
	}
	m.next = nil
	q.len--
}
