package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// What may wait in the core to be sealed. Callers beyond wait outside, with
// nothing but their own memory.
const (
	queuedMessages = 1024
	queuedBytes    = 1 << 20
)

// Message is what Call and Send take.
type Message struct {
	Type wire.MessageType
	Body []byte // at most 65 536 B; it is not kept beyond the call
	// Priority lets the message pass others that wait to be sent. [XTMP-MSG-060]
	Priority bool
	// Compress deflates the body if Config.Compression is set, the server takes
	// that, and it pays.
	Compress bool
}

// Call sends a request and waits for its reply, whose body it appends to dst; a
// dst that is large enough keeps it from allocating. dst must not be used
// meanwhile. While max_inflight calls are unanswered, and as many messages wait,
// Call waits before it sends.
//
// Its error says what happened to the request:
//
//   - an *Error: the server's answer; the request failed;
//   - ErrUnknownResult: there is no answer, because the session ended, ctx ended
//     or ReplyTimeout passed. The request may have been executed, or may be yet.
//     An *UnknownError says why; [XTMP-MSG-021]
//   - anything else is ErrNotSent: the request was not executed and never will be.
//
// With an error, Call returns dst as it was.
func (s *Session) Call(ctx context.Context, m Message, dst []byte) ([]byte, error) {
	reply, err := s.call(ctx, &m, dst, time.Now().Add(s.replyTimeout))
	if err != nil {
		return dst, fmt.Errorf("xtmp: call: %w", err)
	}
	return reply, nil
}

// Send sends a message that is not answered. It returns as soon as the message is
// queued: whether it arrives, nobody says. Like Call it waits while too much is
// queued. Its error is ErrNotSent with its reason. Of this version's types only
// the sink of Probe may be sent so.
func (s *Session) Send(ctx context.Context, m Message) error {
	if err := s.send(ctx, &m); err != nil {
		return fmt.Errorf("xtmp: send: %w", err)
	}
	return nil
}

// call is a Call, or a Send, on its way.
//
//	new ─▶ waiting for room ─▶ in the core ─▶ finished: done holds a token
//	            └─ gave up ─▶ ─┴─ gave up ─▶ abandoned
//
// A call that finished goes back to the pool. One that was abandoned while the
// core holds it does not: the core still knows it, and its reply, if it comes, is
// met by nobody.
type call struct {
	message   Message
	oneWay    bool
	dst       []byte // and then the reply
	err       error
	deadline  time.Time
	done      chan struct{} // capacity 1
	waits     bool          // for room
	finished  bool
	abandoned bool
	links     [2]links
}

func newCall() *call { return &call{done: make(chan struct{}, 1)} }

// call does the work of Call, until deadline.
func (s *Session) call(ctx context.Context, m *Message, dst []byte, deadline time.Time) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, &notSentError{cause: context.Cause(ctx)}
	}
	c := s.calls.Get().(*call)
	c.message, c.dst, c.deadline = *m, dst, deadline
	return s.await(ctx, c)
}

// send does the work of Send.
func (s *Session) send(ctx context.Context, m *Message) error {
	if ctx.Err() != nil {
		return &notSentError{cause: context.Cause(ctx)}
	}
	s.mu.Lock()
	if s.room() && s.waiters[ordinary].head == nil {
		err := s.core.Send(s.now, &session.Request{
			Type: m.Type, Priority: m.Priority, Compress: m.Compress, OneWay: true, Body: m.Body,
		})
		err = s.refusal(err)
		s.kick()
		s.mu.Unlock()
		return err
	}
	s.mu.Unlock()
	c := s.calls.Get().(*call)
	c.message, c.oneWay, c.deadline = *m, true, time.Now().Add(s.replyTimeout)
	_, err := s.await(ctx, c)
	return err
}

// await submits c and waits for its end.
func (s *Session) await(ctx context.Context, c *call) ([]byte, error) {
	s.mu.Lock()
	s.submit(c)
	s.mu.Unlock()
	select {
	case <-c.done:
	case <-ctx.Done():
		s.giveUp(c, context.Cause(ctx))
		<-c.done
	}
	reply, err := c.dst, c.err
	if !c.abandoned {
		*c = call{done: c.done}
		s.calls.Put(c)
	}
	return reply, err
}

// submit makes c active and gives it to the core or lets it wait for room. The
// caller holds the lock.
func (s *Session) submit(c *call) {
	after := s.active.tail
	for after != nil && c.deadline.Before(after.deadline) { // rare: nearly all have the same timeout
		after = after.links[inActive].prev
	}
	s.active.insert(inActive, c, after)
	if after == nil && s.now.Elapsed+time.Until(c.deadline) < s.wakeAt {
		s.remind()
	}
	if s.room() && s.waiters[ordinary].head == nil && s.waiters[urgent].head == nil {
		s.give(c)
	} else {
		l := &s.waiters[c.urgency()]
		l.insert(inWaiting, c, l.tail)
		c.waits = true
		if s.core.Err() != nil { // nothing will make room
			s.end(c)
		}
	}
	s.kick()
}

// Indices of Session.waiters.
const (
	urgent = iota
	ordinary
)

func (c *call) urgency() int {
	if c.message.Priority {
		return urgent
	}
	return ordinary
}

// room reports whether the core may queue another message.
func (s *Session) room() bool {
	messages, bytes := s.core.Queued()
	return messages < queuedMessages && bytes < queuedBytes
}

// admit gives the core the calls for which it has room, and reports whether
// there was one. The caller holds the lock.
func (s *Session) admit() (any bool) {
	for i := range s.waiters {
		for l := &s.waiters[i]; l.head != nil && s.room(); any = true {
			s.give(l.head)
		}
	}
	return any
}

// give hands c to the core. The caller holds the lock.
func (s *Session) give(c *call) {
	s.leaveQueue(c)
	m := &c.message
	r := session.Request{Type: m.Type, Priority: m.Priority, Compress: m.Compress, OneWay: c.oneWay, Body: m.Body}
	if !c.oneWay {
		r.Owner = c
	}
	if err := s.core.Send(s.now, &r); err != nil || c.oneWay {
		s.finish(c, s.refusal(err))
		return
	}
	m.Body = nil // the core has a copy
}

// refusal is the error of a message that the core did not take. The caller holds
// the lock.
func (s *Session) refusal(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrTooLarge):
		return &notSentError{cause: err}
	case s.cause != nil:
		return &notSentError{cause: s.cause, over: true}
	default:
		return &notSentError{cause: err, over: true}
	}
}

// leaveQueue ends the wait for room.
func (s *Session) leaveQueue(c *call) {
	if c.waits {
		s.waiters[c.urgency()].remove(inWaiting, c)
		c.waits = false
	}
}

// finish gives c its result. The caller holds the lock.
func (s *Session) finish(c *call, err error) {
	s.leaveQueue(c)
	s.active.remove(inActive, c)
	c.err, c.finished = err, true
	s.callsEnded++
	if err != nil {
		s.callsFailed++
	}
	c.done <- struct{}{}
}

// giveUp ends a call for a reason of the caller's, unless it has finished.
func (s *Session) giveUp(c *call, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !c.finished {
		s.stop(c, why)
	}
}

// stop ends a call that gets no answer in time. One that is not sealed is taken
// back: it will not be executed. The caller holds the lock.
func (s *Session) stop(c *call, why error) {
	if c.waits || s.core.Withdraw(c) {
		s.finish(c, &notSentError{cause: why})
		return
	}
	c.abandoned = true
	s.finish(c, &UnknownError{Cause: why})
}

// expire ends the calls whose time is up and returns the time until the next is.
// The caller holds the lock.
func (s *Session) expire() time.Duration {
	if s.active.head == nil {
		return longSleep
	}
	now := time.Now()
	for c := s.active.head; c != nil; c = s.active.head {
		if left := c.deadline.Sub(now); left > 0 {
			return left
		}
		s.stop(c, ErrReplyTimeout)
	}
	return longSleep
}

// end ends a call whose session is over. The caller holds the lock.
func (s *Session) end(c *call) {
	if c.waits {
		s.finish(c, &notSentError{cause: s.reason(), over: true})
		return
	}
	s.finish(c, &UnknownError{Cause: s.reason()})
}

// application is what a Session is to its core, which calls it with the session
// locked.
type application Session

// Implements implements session.Application: what to push is the server's choice.
func (a *application) Implements(wire.MessageType) bool { return a.onPush != nil }

// Writable implements session.Application; a client pushes nothing.
func (*application) Writable(session.Now, *session.Session) {}

// Deliver implements session.Application.
func (a *application) Deliver(_ session.Now, _ *session.Session, m session.Message) bool {
	s := (*Session)(a)
	c, ok := m.Owner.(*call)
	switch {
	case !ok:
		s.push(&m)
	case c.finished: // its caller has given up
	case m.Err == nil:
		c.dst = append(c.dst, m.Body...)
		s.finish(c, nil)
	case m.Err == session.ErrNotSent: //nolint:errorlint // the core hands it over as it is
		s.finish(c, &notSentError{cause: s.reason(), over: true})
	case m.Err == session.ErrUnknownResult: //nolint:errorlint // likewise
		s.finish(c, &UnknownError{Cause: errReply})
	default:
		s.finish(c, m.Err)
	}
	return true
}

// Ended implements session.Application: what is unanswered is unknown.
// [XTMP-MSG-021]
func (a *application) Ended(*session.Session) {
	s := (*Session)(a)
	for c := s.active.head; c != nil; c = s.active.head {
		s.end(c)
	}
}
