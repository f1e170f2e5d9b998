package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// dialer is a network with one server on it, whose sessions it keeps.
type dialer struct {
	t  *testing.T
	mu sync.Mutex
	// fail decides about attempt n, from 0.
	fail  func(n int) error
	dials []time.Time
	peers []*peer
	cfgs  []Config
}

func (d *dialer) dial(ctx context.Context, _ string, cfg Config) (*Session, error) {
	d.mu.Lock()
	n := len(d.dials)
	d.dials = append(d.dials, time.Now())
	d.cfgs = append(d.cfgs, cfg)
	fail := d.fail
	d.mu.Unlock()
	if fail != nil {
		if err := fail(n); err != nil {
			return nil, err
		}
	}
	near, far := newPipe(64 << 10)
	p := serve(d.t, far, identity(d.t, 1), nil)
	d.mu.Lock()
	d.peers = append(d.peers, p)
	d.mu.Unlock()
	return NewSession(ctx, near, cfg)
}

// last returns the server of the last session.
func (d *dialer) last() *peer {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.peers[len(d.peers)-1]
}

// lose ends the last session, and waits until the client knows.
func (d *dialer) lose() {
	d.last().conn.Reset()
	synctest.Wait()
}

// attempts returns the times between attempts and forgets them.
func (d *dialer) attempts() (gaps []time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := 1; i < len(d.dials); i++ {
		gaps = append(gaps, d.dials[i].Sub(d.dials[i-1]))
	}
	d.dials = d.dials[:0]
	return gaps
}

// client returns a Client on such a network.
func newClient(t *testing.T, cfg Config, fail func(n int) error) (*Client, *dialer) {
	t.Helper()
	c, err := New("server.test:8090", cfg)
	if err != nil {
		t.Fatal(err)
	}
	d := &dialer{t: t, fail: fail}
	c.dial = d.dial
	return c, d
}

// finish closes the client and waits for the servers.
func (d *dialer) finish(c *Client) {
	d.t.Helper()
	start := time.Now()
	if err := c.Close(d.t.Context()); err != nil {
		d.t.Errorf("Close: %v", err)
	}
	for _, p := range d.peers {
		<-p.done
	}
	if took := time.Since(start); took > 10*time.Second { // a session that is left over ends, too, in a week
		d.t.Errorf("the end took %v", took)
	}
}

// works fails the test unless a call succeeds.
func works(t *testing.T, c *Client) {
	t.Helper()
	dst, err := c.Call(t.Context(), echo([]byte("hello")), []byte(">"))
	if err != nil || string(dst[1+wire.ProbeHeader:]) != "hello" {
		t.Errorf("got %q, %v", dst, err)
	}
}

func TestClient(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, d := newClient(t, pinned(identity(t, 1)), nil)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { works(t, c) })
		}
		wg.Wait()
		if err := c.Send(t.Context(), probe(wire.ProbeSink, 0, "")); err != nil {
			t.Error(err)
		}
		if s, err := c.Session(t.Context()); err != nil || s.ID() != 4711 {
			t.Errorf("Session is %v, %v", s, err)
		}
		if n := len(d.dials); n != 1 {
			t.Errorf("%d sessions", n)
		}
		d.finish(c)
		_, err := c.Call(t.Context(), echo(nil), nil)
		notExecuted(t, err, ErrClosed)
		notExecuted(t, c.Send(t.Context(), echo(nil)), ErrClosed)
		_, err = c.Session(t.Context())
		notExecuted(t, err, ErrClosed)
		if err := c.Close(t.Context()); err != nil {
			t.Errorf("a second Close: %v", err)
		}
	})
}

func TestClientNobodyNeeds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, d := newClient(t, pinned(identity(t, 1)), nil)
		time.Sleep(time.Hour)
		d.finish(c)
		if len(d.dials) != 0 {
			t.Error("it dials without need")
		}
	})
	if _, err := New("server.test:8090", Config{}); !errors.Is(err, ErrNoPins) {
		t.Errorf("New: %v", err)
	}
}

var errDown = errors.New("down")

// A first session is tried for 1 + 3 times; the next call tries again.
func TestFirstSession(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var down atomic.Bool
		down.Store(true)
		c, d := newClient(t, pinned(identity(t, 1)), func(int) error {
			if down.Load() {
				return errDown
			}
			return nil
		})
		for range 2 {
			var wg sync.WaitGroup
			for range 5 {
				wg.Go(func() {
					_, err := c.Call(t.Context(), echo(nil), nil)
					notExecuted(t, err, errDown)
					if !strings.Contains(err.Error(), "server.test:8090") {
						t.Errorf("%v does not say where", err)
					}
				})
			}
			wg.Wait()
			gaps := d.attempts()
			if len(gaps) != 3 {
				t.Errorf("attempts after %v", gaps)
			}
			for i, gap := range gaps {
				if most := backoffLeast << i; gap > most || gap < most/2 {
					t.Errorf("attempt %d after %v, want %v … %v", i+1, gap, most/2, most)
				}
			}
		}
		down.Store(false)
		works(t, c)
		d.finish(c)
	})
}

// A lost session is replaced, however long that takes; calls wait meanwhile, but
// not longer than for a reply.
func TestLostSession(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var down atomic.Bool
		c, d := newClient(t, pinned(identity(t, 1)), func(int) error {
			if down.Load() {
				return errDown
			}
			return nil
		})
		works(t, c)
		time.Sleep(time.Minute)
		down.Store(true)
		d.attempts()
		d.lose()
		start := time.Now()
		_, err := c.Call(t.Context(), echo(nil), nil)
		notExecuted(t, err, ErrReplyTimeout)
		if took := time.Since(start); took != DefaultReplyTimeout {
			t.Errorf("the call waited for %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = c.Call(ctx, echo(nil), nil)
		notExecuted(t, err, context.DeadlineExceeded)
		time.Sleep(10 * time.Minute)
		gaps := d.attempts()
		if len(gaps) < 25 {
			t.Errorf("only %d attempts in ten minutes", len(gaps))
		}
		for i, gap := range gaps[len(gaps)-10:] {
			if gap > backoffMost || gap < backoffMost/2 {
				t.Errorf("late attempt %d after %v", i, gap)
			}
		}
		down.Store(false)
		time.Sleep(backoffMost)
		works(t, c)
		d.finish(c)
	})
}

// A session that does not last is no success; one that does is.
func TestFlappingServer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, d := newClient(t, pinned(identity(t, 1)), nil)
		works(t, c)
		for range 300 {
			time.Sleep(100 * time.Millisecond)
			d.lose()
		}
		if gaps := d.attempts(); len(gaps) > 15 {
			t.Errorf("%d attempts in 30 s: %v", len(gaps), gaps)
		}
		time.Sleep(time.Minute)
		d.lose()
		start := time.Now()
		works(t, c)
		if took := time.Since(start); took > backoffLeast {
			t.Errorf("after a session that lasted, the next takes %v", took)
		}
		d.finish(c)
	})
}

func TestRetryAfter(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, d := newClient(t, pinned(identity(t, 1)), func(n int) error {
			if n == 0 {
				return &Error{Code: wire.ServerBusy, Peer: true, RetryAfter: 5 * time.Second}
			}
			return nil
		})
		works(t, c)
		if gaps := d.attempts(); len(gaps) != 1 || gaps[0] != 5*time.Second {
			t.Errorf("attempts after %v", gaps)
		}
		d.finish(c)
	})
}

// What cannot get better is reported, and not tried again, also after a session.
func TestPermanent(t *testing.T) {
	for _, why := range []error{
		&PinError{Met: identity(t, 2).Fingerprint(), MetKind: 1},
		&Error{Code: wire.VersionUnsupported, Peer: true},
		&Error{Code: wire.NoCommonSuite, Peer: true},
	} {
		bubble(t, func(t *testing.T) {
			c, d := newClient(t, pinned(identity(t, 1)), func(n int) error {
				if n == 0 {
					return nil
				}
				return fmt.Errorf("wrapped: %w", why)
			})
			works(t, c)
			d.lose()
			for range 3 {
				_, err := c.Call(t.Context(), echo(nil), nil)
				notExecuted(t, err, why)
			}
			time.Sleep(time.Hour)
			if n := len(d.dials); n != 2 {
				t.Errorf("%v: %d attempts", why, n)
			}
			d.finish(c)
		})
	}
}

// A call that was not sent goes to the next session; one that was is unknown.
func TestCallsOfAClient(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, d := newClient(t, pinned(identity(t, 1)), nil)
		works(t, c)
		synctest.Wait()
		p := d.last()
		p.do(func(session.Now, *session.Session) { p.mute = true })
		p.conn.in.freeze(true, 1<<17)
		const callers = queuedMessages + 100
		var mu sync.Mutex
		var done, lost int
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				_, err := c.Call(t.Context(), echo(make([]byte, 10_000)), nil)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					done++
				} else {
					unknown(t, err, ErrTruncated)
					lost++
				}
			})
		}
		synctest.Wait()
		p.conn.Reset()
		wg.Wait()
		if done == 0 || lost == 0 || done+lost != callers {
			t.Errorf("%d calls are done, %d unknown", done, lost)
		}
		if n := len(d.dials); n != 2 {
			t.Errorf("%d sessions", n)
		}
		p.conn.in.freeze(false, 0)
		d.finish(c)
	})
}

// TrustNew trusts the first identity, and then no other.
func TestClientTrustsTheFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := pinned(identity(t, 1))
		cfg.Pins, cfg.TrustNew = nil, true
		c, d := newClient(t, cfg, nil)
		works(t, c)
		d.lose()
		works(t, c)
		if first, second := d.cfgs[0], d.cfgs[1]; !first.TrustNew || second.TrustNew || len(second.Pins) != 1 ||
			second.Pins[0].Fingerprint != identity(t, 1).Fingerprint() || len(second.Pins[0].Key) == 0 {
			t.Errorf("the second session trusts %+v", second.Pins)
		}
		d.finish(c)
	})
}

// Close ends whatever the client is doing.
func TestClientClose(t *testing.T) {
	for name, fail := range map[string]func(n int) error{
		"waits for the next attempt": func(int) error { return errDown },
		"dials":                      nil,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c, d := newClient(t, pinned(identity(t, 1)), fail)
				if fail == nil { // forever
					c.dial = func(ctx context.Context, _ string, _ Config) (*Session, error) {
						<-ctx.Done()
						return nil, context.Cause(ctx)
					}
				}
				errs := make(chan error)
				go func() {
					_, err := c.Call(t.Context(), echo(nil), nil)
					errs <- err
				}()
				synctest.Wait()
				go func() { errs <- c.Close(t.Context()) }()
				closed := 0
				for range 2 {
					if err := <-errs; err == nil {
						closed++
					} else {
						notExecuted(t, err, ErrClosed)
					}
				}
				if closed != 1 {
					t.Error("Close failed")
				}
				d.finish(c)
			})
		})
	}
}

// A session that comes just when the client is closed is closed, too.
func TestClientClosedMeanwhile(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, d := newClient(t, pinned(identity(t, 1)), nil)
		inner := c.dial
		c.dial = func(_ context.Context, address string, cfg Config) (*Session, error) {
			time.Sleep(time.Second)
			return inner(t.Context(), address, cfg)
		}
		go func() { _, _ = c.Session(t.Context()) }()
		synctest.Wait()
		d.finish(c)
	})
}
