package client

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// probe is a Probe as a Message.
func probe(op wire.ProbeOp, arg uint32, data string) Message {
	p := wire.Probe{Op: op, Arg: arg, Data: []byte(data)}
	return Message{Type: wire.TypeProbe, Body: p.Append(nil)}
}

// later returns a Probe that is answered after d.
func later(d time.Duration) Message { return probe(wire.ProbeDelay, uint32(d.Milliseconds()), "late") }

func TestCall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := connect(t, func(c *Config, srv *session.Config) { c.Compression, srv.Compression = true, true })
		for _, size := range []int{0, 1, 600, 65_528} {
			for flags := range 4 {
				m := echo(bytes.Repeat([]byte("xyzzy"), size/5+1)[:size])
				m.Priority, m.Compress = flags&1 != 0, flags&2 != 0
				got, err := s.Call(t.Context(), m, []byte("before"))
				if err != nil || string(got) != "before"+string(m.Body) {
					t.Errorf("%d bytes, flags %d: %d bytes, %v", size, flags, len(got), err)
				}
			}
		}
		// In fragments, and larger than what the connection holds.
		got, err := s.Call(t.Context(), probe(wire.ProbeSource, 1_000_000, ""), nil)
		if err != nil || len(got) != 1_000_008 || got[8+251+3] != 3 {
			t.Errorf("source: %d bytes, %v", len(got), err)
		}
		closeInOrder(t, s, p)
	})
}

// What the server says about a request is an *Error of the peer.
func TestCallRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := connect(t, nil)
		dst := []byte("before")
		for _, test := range []struct {
			m    Message
			code wire.Code
		}{
			{probe(wire.ProbeFail, uint32(wire.Conflict), ""), wire.Conflict},
			{probe(77, 0, ""), wire.InvalidPayload},
			{Message{Type: wire.TypeProbe, Body: []byte("short")}, wire.InvalidPayload},
			{Message{Type: 0x50, Body: []byte("what?")}, wire.UnsupportedType},
		} {
			got, err := s.Call(t.Context(), test.m, dst)
			var coded *Error
			if !errors.As(err, &coded) || coded.Code != test.code || !coded.Peer || string(got) != "before" {
				t.Errorf("got %q, %v; want %v", got, err, test.code)
			}
			if errors.Is(err, ErrUnknownResult) || errors.Is(err, ErrNotSent) {
				t.Errorf("%v is something else, too", err)
			}
		}
		_, err := s.Call(t.Context(), echo(make([]byte, 65_529)), nil)
		if !errors.Is(err, ErrTooLarge) || !errors.Is(err, ErrNotSent) || Class(err) != "InvalidMessageFormat" {
			t.Errorf("a request that is too large: %v", err)
		}
		closeInOrder(t, s, p)
	})
}

// Thousands of calls from many goroutines, answered in any order, each get their
// own answer.
func TestManyCalls(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := connect(t, func(c *Config, srv *session.Config) {
			c.Compression, srv.Compression = true, true
			srv.Server.MaxInflight = 100
		})
		const goroutines, each = 500, 10
		var wg sync.WaitGroup
		for g := range goroutines {
			wg.Go(func() {
				var dst []byte
				for i := range each {
					m := probe(wire.ProbeDelay, uint32((g*7+i*13)%50), strings.Repeat(fmt.Sprint(g, " ", i, ","), 20+g%100))
					m.Priority, m.Compress = g%5 == 0, g%3 == 0
					var err error
					dst, err = s.Call(t.Context(), m, dst[:0])
					binary.BigEndian.PutUint32(m.Body[4:], 0) // the reply has no arg
					if err != nil || !bytes.Equal(dst, m.Body) {
						t.Errorf("call %d of %d: %d bytes, %v", i, g, len(dst), err)
						return
					}
				}
			})
		}
		wg.Wait()
		idle(t, s)
		closeInOrder(t, s, p)
	})
}

// idle fails the test unless nothing of any call is left.
func idle(t *testing.T, s *Session) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if messages, n := s.core.Queued(); messages != 0 || n != 0 {
		t.Errorf("%d messages of %d bytes are still queued", messages, n)
	}
	if s.active != (callList{}) || s.waiters != [2]callList{} {
		t.Error("calls are still noted")
	}
}

// A server that takes nothing makes callers wait, not memory grow; then all goes
// on where it stopped, priority first.
func TestBackPressure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := connect(t, nil)
		synctest.Wait()
		p.conn.in.freeze(true, 0)
		var order []int
		var mu sync.Mutex
		var wg sync.WaitGroup
		const callers = 3 * queuedMessages
		for i := range callers + 10 {
			m := later(0)
			m.Priority = i >= callers
			wg.Go(func() {
				if _, err := s.Call(t.Context(), m, nil); err != nil {
					t.Error(err)
				}
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
			})
			synctest.Wait() // so that they come one after the other
		}
		s.mu.Lock()
		if messages, _ := s.core.Queued(); messages > queuedMessages {
			t.Errorf("%d messages are queued", messages)
		}
		s.mu.Unlock()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.Call(ctx, later(0), nil)
		notExecuted(t, err, context.DeadlineExceeded)
		notExecuted(t, s.Send(ctx, probe(wire.ProbeSink, 0, "")), context.DeadlineExceeded)
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		notExecuted(t, s.Send(ctx, probe(wire.ProbeSink, 0, "")), context.DeadlineExceeded) // it waits, too
		wg.Go(func() {
			if err := s.Send(t.Context(), probe(wire.ProbeSink, 0, "")); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		p.conn.in.freeze(false, 64<<10)
		wg.Wait()
		idle(t, s)
		last := 0
		for at, i := range order {
			if i >= callers {
				last = at
			}
		}
		if last > callers-queuedMessages/2 {
			t.Errorf("a call with priority was number %d of %d", last, len(order))
		}
		closeInOrder(t, s, p)
	})
}

// notExecuted fails the test unless err says that nothing was sent, and why.
func notExecuted(t *testing.T, err, why error) {
	t.Helper()
	if !errors.Is(err, ErrNotSent) || !errors.Is(err, why) || errors.Is(err, ErrUnknownResult) {
		t.Errorf("got %v, want ErrNotSent because of %v", err, why)
	}
}

// unknown fails the test unless err says that nobody knows, and why.
func unknown(t *testing.T, err, why error) {
	t.Helper()
	var u *UnknownError
	if !errors.Is(err, ErrUnknownResult) || !errors.As(err, &u) || !errors.Is(err, why) || errors.Is(err, ErrNotSent) {
		t.Errorf("got %v, want ErrUnknownResult because of %v", err, why)
	}
	if coded := (*Error)(nil); errors.As(err, &coded) {
		t.Errorf("%v looks like an answer of the server", err)
	}
}

// After T_REPLY the result is unknown. The reply that comes later is met by
// nobody, least of all by the next call.
func TestReplyTimeout(t *testing.T) {
	for _, test := range []struct{ config, want time.Duration }{
		{0, 30 * time.Second},
		{2 * time.Second, 2 * time.Second},
	} {
		bubble(t, func(t *testing.T) {
			s, p := connect(t, func(c *Config, _ *session.Config) { c.ReplyTimeout = test.config })
			start := time.Now()
			_, err := s.Call(t.Context(), later(test.want+time.Second), nil)
			unknown(t, err, ErrReplyTimeout)
			if took := time.Since(start); took != test.want {
				t.Errorf("the call took %v, want %v", took, test.want)
			}
			got, err := s.Call(t.Context(), probe(wire.ProbeDelay, 1500, "mine"), nil)
			if err != nil || string(got[wire.ProbeHeader:]) != "mine" {
				t.Errorf("the call after that: %q, %v", got, err)
			}
			idle(t, s)
			closeInOrder(t, s, p)
		})
	}
}

// The writer may be stuck: calls end in time nevertheless. What was not sealed
// is known not to be executed.
func TestReplyTimeoutOfABlockedConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := connect(t, func(c *Config, _ *session.Config) { c.ReplyTimeout = 3 * time.Second })
		time.Sleep(time.Second)
		wakeUp := p.sleep(20)
		ended := make(chan error, 2)
		call := func() {
			start := time.Now()
			_, err := s.Call(t.Context(), echo(nil), nil)
			if took := time.Since(start); took != 3*time.Second {
				t.Errorf("the call took %v", took)
			}
			ended <- err
		}
		go call()
		synctest.Wait() // it is sealed
		time.Sleep(time.Second)
		go call()
		unknown(t, <-ended, ErrReplyTimeout)
		notExecuted(t, <-ended, ErrReplyTimeout)
		idle(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = s.Close(ctx)
		wakeUp()
	})
}

// A reply that nobody awaits changes nothing: not the memory of its caller, not
// the other calls.
func TestLateReply(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := connect(t, nil)
		other := make(chan error)
		go func() {
			_, err := s.Call(t.Context(), later(20*time.Second), nil)
			other <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		dst := make([]byte, 0, 100)
		_, err := s.Call(ctx, later(2*time.Second), dst)
		unknown(t, err, context.DeadlineExceeded)
		time.Sleep(2 * time.Second)
		if !bytes.Equal(dst[:100], make([]byte, 100)) {
			t.Error("the late reply was written to memory that the caller has back")
		}
		p.conn.Reset()
		unknown(t, <-other, ErrTruncated)
		<-s.Done()
		<-p.done
	})
}

// Calls may have deadlines in any order: a call that a Client repeats has less
// time left than those that are there.
func TestDeadlinesInAnyOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := connect(t, nil)
		m := later(time.Minute)
		var wg sync.WaitGroup
		for _, seconds := range []int{5, 3, 9, 1, 7, 3, 5} {
			wg.Go(func() {
				start, d := time.Now(), time.Duration(seconds)*time.Second
				_, err := s.call(t.Context(), &m, nil, start.Add(d))
				unknown(t, err, ErrReplyTimeout)
				if took := time.Since(start); took != d {
					t.Errorf("a call took %v, want %v", took, d)
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		idle(t, s)
		_ = s.Close(ended(t))
		<-p.done
	})
}

// Calls end in time also where the writer is stuck with something else since before.
func TestReplyTimeoutBehindAPing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := connect(t, func(c *Config, _ *session.Config) { c.ReplyTimeout = 3 * time.Second })
		time.Sleep(time.Second)
		wakeUp := p.sleep(20)
		time.Sleep(32 * time.Second) // a PING is stuck
		start := time.Now()
		_, err := s.Call(t.Context(), echo(nil), nil)
		notExecuted(t, err, ErrReplyTimeout)
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("the call took %v", took)
		}
		_ = s.Close(ended(t))
		wakeUp()
	})
}

// A negative ReplyTimeout leaves it to the context.
func TestCallCancelled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := connect(t, func(c *Config, _ *session.Config) { c.ReplyTimeout = -1 })
		why := errors.New("changed my mind")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(40*time.Second, func() { cancel(why) })
		_, err := s.Call(ctx, later(50*time.Second), nil)
		unknown(t, err, why)
		_, err = s.Call(ctx, later(0), nil)
		notExecuted(t, err, why)
		time.Sleep(time.Minute) // the reply has come
		idle(t, s)
		if _, err := s.Call(t.Context(), later(0), nil); err != nil {
			t.Error(err)
		}
		closeInOrder(t, s, p)
	})
}

// When a session ends, a call that was sent is unknown, one that was not is not,
// however it ended.
func TestCallsOfALostSession(t *testing.T) {
	for name, test := range map[string]struct {
		end func(t *testing.T, s *Session, p *peer)
		why error
	}{
		"reset":   {func(_ *testing.T, _ *Session, p *peer) { p.conn.Reset() }, ErrTruncated},
		"cut":     {func(t *testing.T, s *Session, _ *peer) { _ = s.Close(ended(t)) }, context.Canceled},
		"expired": {func(*testing.T, *Session, *peer) { time.Sleep(8 * time.Second) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, p := connect(t, func(_ *Config, srv *session.Config) { srv.KeyRotationInterval = time.Second })
				synctest.Wait()
				p.do(func(session.Now, *session.Session) { p.mute = true })
				p.conn.in.freeze(true, 1<<17)
				errs := make([]error, queuedMessages+100)
				var wg sync.WaitGroup
				for i := range errs {
					wg.Go(func() { _, errs[i] = s.Call(t.Context(), echo(make([]byte, 10_000)), nil) })
				}
				synctest.Wait()
				s.mu.Lock()
				if _, n := s.core.Queued(); n > queuedBytes+10_000+wire.ProbeHeader {
					t.Errorf("%d bytes are queued", n)
				}
				s.mu.Unlock()
				test.end(t, s, p)
				wg.Wait()
				var sent, unsent int
				for _, err := range errs {
					switch {
					case errors.Is(err, ErrUnknownResult):
						unknown(t, err, s.Err())
						sent++
					default:
						notExecuted(t, err, s.Err())
						unsent++
					}
				}
				if test.why != nil && !errors.Is(s.Err(), test.why) {
					t.Errorf("the session ended with %v", s.Err())
				}
				if sent == 0 || unsent == 0 {
					t.Errorf("%d calls are unknown, %d not sent", sent, unsent)
				}
				_, err := s.Call(t.Context(), echo(nil), nil)
				notExecuted(t, err, s.Err())
				notExecuted(t, s.Send(t.Context(), probe(wire.ProbeSink, 0, "")), s.Err())
				idle(t, s)
				_ = p.conn.Close()
				p.conn.in.freeze(false, 0)
				<-p.done
				<-s.Done()
			})
		})
	}
}

// ended returns a context that has ended.
func ended(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// Close waits for replies; what comes later is not sent.
func TestCloseAwaitsReplies(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := connect(t, nil)
		errs := make(chan error, 2)
		for _, d := range []time.Duration{4 * time.Second, 6 * time.Second} {
			go func() {
				_, err := s.Call(t.Context(), later(d), nil)
				errs <- err
			}()
		}
		synctest.Wait()
		closed := make(chan error)
		go func() { closed <- s.Close(t.Context()) }()
		synctest.Wait()
		_, err := s.Call(t.Context(), later(0), nil)
		notExecuted(t, err, ErrClosed)
		if err := <-errs; err != nil {
			t.Errorf("the call that was answered in time: %v", err)
		}
		unknown(t, <-errs, ErrClosed)
		if err := <-closed; err != nil {
			t.Error(err)
		}
		<-p.done
	})
}

// Many goroutines, one writer: what waits goes out in one write.
func TestWritesAreJoined(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := connect(t, nil)
		synctest.Wait()
		near := s.links[0].carrier.(connection).Conn.(*pipeConn)
		p.conn.in.freeze(true, 0)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if _, err := s.Call(t.Context(), echo([]byte("data")), nil); err != nil {
					t.Error(err)
				}
			})
			wg.Go(func() {
				if err := s.Send(t.Context(), probe(wire.ProbeSink, 0, "data")); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		before := near.out.written()
		p.conn.in.freeze(false, 64<<10)
		wg.Wait()
		// The one that was stuck, and at most the Ack of HandshakeDone and one for the rest.
		if n := near.out.written() - before; n > 3 {
			t.Errorf("200 messages took %d writes", n)
		}
		closeInOrder(t, s, p)
	})
}

func TestPushes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var got []Push
		var s *Session
		ready := make(chan struct{})
		s, p := connect(t, func(c *Config, _ *session.Config) {
			c.OnPush = func(p Push) {
				<-ready
				p.Body = bytes.Clone(p.Body)
				if got = append(got, p); len(got)%1000 == 1 { // the handler may call
					if _, err := s.Call(t.Context(), echo(nil), nil); err != nil {
						t.Error(err)
					}
				}
			}
		})
		close(ready)
		const n = 5000
		m := probe(wire.ProbeStream, n, "tick")
		reply, err := s.Call(t.Context(), m, nil)
		if err != nil || len(reply) != 12 {
			t.Fatal(reply, err)
		}
		sub := binary.BigEndian.Uint32(reply[8:])
		synctest.Wait()
		if len(got) != n {
			t.Fatalf("%d pushes", len(got))
		}
		for i, p := range got {
			if p.SubID != sub || p.N != got[0].N+uint64(i) || p.SessionID != 4711 || p.Type != wire.TypeProbe || string(p.Body[8:]) != "tick" {
				t.Fatalf("push %d is %+v", i, p)
			}
		}
		closeInOrder(t, s, p)
	})
}

// A handler that does not return loses pushes, not replies, and gets what comes
// once it goes on.
func TestSlowHandler(t *testing.T) {
	bubble(t, func(t *testing.T) {
		got := map[uint32]int{}
		goOn := make(chan struct{})
		s, p := connect(t, func(c *Config, _ *session.Config) {
			c.OnPush = func(p Push) {
				<-goOn
				got[p.SubID]++
			}
		})
		stream := func(n uint32) {
			t.Helper()
			if _, err := s.Call(t.Context(), probe(wire.ProbeStream, n, strings.Repeat("x", 10_000)), nil); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
		stream(1000)
		stream(1000)
		close(goOn)
		synctest.Wait()
		stream(10)
		if n := got[1] + got[2]; n < pushBytes/10_100 || n > 2*pushBytes/10_000 || got[3] != 10 {
			t.Errorf("%v of 1000, 1000 and 10 pushes came", got)
		}
		closeInOrder(t, s, p)
	})
}

// Without a handler pushes are ignored.
func TestPushesWithoutHandler(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := connect(t, nil)
		if _, err := s.Call(t.Context(), probe(wire.ProbeStream, 10, ""), nil); err != nil {
			t.Error(err)
		}
		if _, err := s.Call(t.Context(), echo(nil), nil); err != nil {
			t.Error(err)
		}
		closeInOrder(t, s, p)
	})
}
