package peer

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// Expect waits for a frame that fits, for at most wait in all (0: the default), and
// returns it with the frames that came before. An Error of scope 1 or 2 that does
// not fit ends the wait with an *ErrorFrame; the frame is the last of those before.
func (s *Session) Expect(wait time.Duration, fits func(*Received) bool) (found *Received, before []*Received, err error) {
	before, err = s.until(wait, fits)
	if err != nil {
		return nil, before, err
	}
	return s.last, before, nil
}

// ExpectReply waits for the reply to a request. An Error that is the reply is
// returned as the reply; see Received.Error.
func (s *Session) ExpectReply(mid uint64, wait time.Duration) (*Received, []*Received, error) {
	return s.Expect(wait, func(r *Received) bool { return r.Plaintext != nil && r.ReplyTo() == mid })
}

// ExpectAnswer is ExpectReply for the whole reply: it waits for the frame that
// completes it, which has the Message.
func (s *Session) ExpectAnswer(mid uint64, wait time.Duration) (*Received, []*Received, error) {
	return s.Expect(wait, func(r *Received) bool { return r.Message != nil && r.ReplyTo() == mid })
}

// ExpectAck waits for an Ack that covers a sequence number of ours.
func (s *Session) ExpectAck(sequence uint64, wait time.Duration) (*Received, []*Received, error) {
	return s.Expect(wait, func(r *Received) bool { return r.Is(typeAck) && r.Body("ack").Uint("largest") >= sequence })
}

// ExpectError waits for an unsolicited Error.
func (s *Session) ExpectError(wait time.Duration) (*ErrorFrame, []*Received, error) {
	r, before, err := s.Expect(wait, func(r *Received) bool { return r.Is(typeError) && r.ReplyTo() == 0 })
	if err != nil {
		return nil, before, err
	}
	return r.Error(), before, nil
}

// ExpectEnd waits until the peer ends the connection without another frame. The
// error is nil for an orderly close; it is the *ErrorFrame that came instead, names
// another frame that did, or is that of the read.
func (c *Conn) ExpectEnd(wait time.Duration) error {
	return ended(c.Drain(wait))
}

// ExpectEnd is Conn.ExpectEnd; it also answers a PING, unless NoPong is set.
func (s *Session) ExpectEnd(wait time.Duration) error {
	return ended(s.Drain(wait))
}

func ended(frames []*Received, err error) error {
	if len(frames) > 0 {
		if e := frames[0].Error(); e != nil {
			return e
		}
		return fmt.Errorf("the peer sent %s and not the end of the connection", frames[0].Name)
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// until reads frames until one fits, and returns those before it.
func (s *Session) until(wait time.Duration, fits func(*Received) bool) (before []*Received, err error) {
	wait = orWait(wait, s.wait)
	end := time.Now().Add(wait)
	for {
		left := time.Until(end)
		if left <= 0 {
			return before, silence(wait)
		}
		r, err := s.ReadFrame(left)
		if err != nil {
			return before, err
		}
		if fits(r) {
			return before, nil
		}
		before = append(before, r)
		if e := r.Error(); e != nil && e.ReplyTo == 0 && e.Scope > 0 {
			return before, e
		}
		if r.Is(typeDisconnect) {
			return before, fmt.Errorf("the peer sent Disconnect: %w", io.EOF)
		}
	}
}

// Errors returns the Errors among frames.
func Errors(frames []*Received) []*ErrorFrame {
	var found []*ErrorFrame
	for _, r := range frames {
		if e := r.Error(); e != nil {
			found = append(found, e)
		}
	}
	return slices.Clip(found)
}

func orWait(wait, otherwise time.Duration) time.Duration {
	if wait == 0 {
		return otherwise
	}
	return wait
}
