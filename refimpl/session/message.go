package session

import (
	"time"

	"github.com/bpci/xtmp/refimpl/wire"
)

// Application is what stands above a session: it knows what messages mean. Its
// methods are called from within a session's inputs; they may call Reply, Push
// and Send of that session, and nothing else of it.
type Application interface {
	// Implements reports whether the application knows messages of type t.
	// What it does not know is answered without it.
	Implements(t wire.MessageType) bool
	// Deliver takes a complete message, once. Its body is valid until Deliver
	// returns. At a server, a false result says that a message without mid was
	// not executed because its type takes requests only.
	Deliver(now Now, s *Session, m Message) bool
	// Writable says that a session whose Push was refused takes pushes again.
	Writable(now Now, s *Session)
	// Ended says that the session is over: no call of it is answered any more.
	Ended(s *Session)
}

// Pusher is an Application that pushes.
type Pusher interface {
	// Parked says that the session has no path any more: its subscriptions are over,
	// also when it gets one again. It may call Release.
	Parked(s *Session)
}

// Message is a complete message as its receiver gets it: reassembled, inflated,
// not delivered before.
type Message struct {
	Type     wire.MessageType
	Priority bool
	Body     []byte

	Call Call // server: the request; Call.Mid is 0 for a message that takes no reply

	Owner any   // client: of the request that this replies to, as given to Send; nil in a push
	Err   error // client: why there is no reply; the call failed (*Error with Peer), is unknown, or was not sent

	SubID uint32 // client: of a push, 1 and up
	N     uint64 // client: of a push
}

// Call names a request that awaits its reply at a server.
type Call struct {
	Mid    uint64
	Type   wire.MessageType
	urgent bool   // it came with PRIORITY, and its reply goes with it
	path   PathID // on which it came
	frames uint16 // of the request that are open in ack epoch epoch
	epoch  uint32
	cost   uint32 // body bytes
}

// Content is a message body that is made as it is sent, so that a large one
// takes no memory.
type Content interface {
	Len() int
	// AppendRange appends bytes from … to−1 of the content.
	AppendRange(dst []byte, from, to int) []byte
}

// Reply answers a request of the peer: with head ‖ body, or with head ‖ content
// if content is not nil. head and body are copied. Nothing happens if the
// session has ended. Each call takes one reply.
func (s *Session) Reply(now Now, c Call, head, body []byte, content Content) {
	if !s.open() {
		return
	}
	s.rise()
	size := len(head) + len(body)
	if content != nil {
		size = len(head) + content.Len()
	}
	if size > messageOnUDP && !s.connected() { // [XTMP-PTH-052]
		s.ReplyError(now, c, &Error{Code: wire.PayloadTooLarge, Text: "the session has no connection that carries it"})
		return
	}
	m := s.cfg.Buffers.message()
	m.typ, m.flags, m.replyTo, m.call = c.Type, wire.FlagRequiresAck|wire.FlagReply, c.Mid, c
	m.fill(s.cfg.Buffers, head, body, content)
	s.compress(m)
	s.enqueue(now, m, c.urgent) // [XTMP-MSG-060]
	s.checkParked(now)
	s.wake()
}

// ReplyError answers a request with an Error of scope 0. Only its code, text
// and retry-after time are used.
func (s *Session) ReplyError(now Now, c Call, e *Error) {
	if !s.open() {
		return
	}
	s.rise()
	body := wire.Error{Code: e.Code, RefSequence: wire.NoSequence, RetryAfterMS: retryAfter(e.RetryAfter), Text: []byte(e.Text)}
	var room [wire.MaxErrorText + 16]byte
	m := s.cfg.Buffers.message()
	m.typ, m.flags, m.replyTo, m.call = wire.TypeError, wire.FlagRequiresAck|wire.FlagReply, c.Mid, c
	m.fill(s.cfg.Buffers, body.Append(room[:0]), nil, nil)
	s.enqueue(now, m, c.urgent)
	s.checkParked(now)
	s.wake()
}

// retryAfter is a retry-after time in the unit of the wire, rounded up.
func retryAfter(d time.Duration) uint32 {
	return uint32(max(0, min((d+time.Millisecond-1)/time.Millisecond, 1<<32-1)))
}

// Push sends a message of a subscription: no mid, no reply. subID and n are the
// application's. It reports false while more than the bound of a session waits
// to be sent; the application then stops until its Writable is called.
func (s *Session) Push(now Now, t wire.MessageType, subID uint32, n uint64, head, body []byte) bool {
	if !s.open() || s.parked {
		return false
	}
	if s.rise(); s.queued >= pushBytes {
		s.blocked = true
		return false
	}
	m := s.cfg.Buffers.message()
	m.typ, m.flags, m.subID, m.n = t, wire.FlagStreaming, subID, n
	m.fill(s.cfg.Buffers, head, body, nil)
	s.compress(m)
	s.enqueue(now, m, false)
	s.wake()
	return true
}

// Retain counts n bytes that the application keeps of the peer's messages beyond
// Deliver. It reports false if the limits do not allow them;
// then they are not counted. The end of the session gives everything back.
func (s *Session) Retain(n int) bool {
	if s.role == Client {
		return true
	}
	if !s.cfg.Server.Admission.Retain(s.source, n) {
		s.cfg.Server.Admission.Retain(s.source, -n)
		return false
	}
	s.retained += n
	return true
}

// Release gives back what Retain has counted.
func (s *Session) Release(n int) {
	if s.role == Server && s.open() {
		s.cfg.Server.Admission.Retain(s.source, -n)
		s.retained -= n
	}
}

// Request is a message for Send.
type Request struct {
	Type     wire.MessageType
	Priority bool
	Compress bool // deflate the body, if the server accepts that and it pays
	OneWay   bool // no mid and no reply
	Owner    any  // comes back with the reply
	Head     []byte
	Body     []byte // follows Head
}

// Send queues a message of a client; both parts are copied. The reply comes to
// Application.Deliver with r.Owner, or none if the session ends: then Deliver is
// called with ErrNotSent for each request that was not sealed, and then Ended. It
// fails with ErrTooLarge before anything is sent, or with the reason
// for which there is no session.
func (s *Session) Send(now Now, r *Request) error {
	switch {
	case s.Err() != nil:
		return s.Err()
	case s.role != Client || s.state != Established:
		return ErrClosed
	case len(r.Head)+len(r.Body) > messageToServer: // [XTMP-LIM-004]
		return ErrTooLarge
	case len(r.Head)+len(r.Body) > messageOnUDP && !s.attachTCP && !s.connected(): // [XTMP-PTH-051]
		return ErrTooLarge
	}
	s.rise()
	m := s.cfg.Buffers.message()
	m.typ, m.owner = r.Type, r.Owner
	if !r.OneWay {
		m.flags = wire.FlagRequiresAck
	}
	m.fill(s.cfg.Buffers, r.Head, r.Body, nil)
	if r.Compress {
		s.compress(m)
	}
	s.enqueue(now, m, r.Priority)
	return nil
}

// open reports whether messages can still be queued.
func (s *Session) open() bool { return s.state == Established || s.state == Closing }

// wake tells the owner that the session has output, unless it is inside an
// input of the session and will look anyway.
func (s *Session) wake() {
	if !s.receiving {
		s.cfg.Buffers.woken = append(s.cfg.Buffers.woken, s)
	}
}
