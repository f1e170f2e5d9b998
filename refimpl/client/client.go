package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bpci/xtmp/refimpl/wire"
)

// Client keeps a session with one server: it dials when somebody needs a session,
// and again whenever the session is lost.
//
//	idle ─ a call ─▶ dialing ─▶ session ─ lost ─▶ dialing …
//	                    └─ refused for good, or 1 + 3 attempts without a first session ─▶ failed
//
// A call waits for a session. If the session ends before its request was sent, it
// goes to the next one; if the request may have been executed, the call is
// ErrUnknownResult, and is not repeated. Its methods may be called by any number
// of goroutines.
//
// Between attempts it waits for 100 ms, doubled each time up to 30 s, of which a
// random half is left out, and at least for what the server asks. A server whose
// identity is not trusted, or that speaks another version, is not tried again.
type Client struct {
	address string
	cfg     Config
	dial    func(ctx context.Context, address string, cfg Config) (*Session, error)
	keeping sync.WaitGroup

	mu      sync.Mutex
	cancel  context.CancelFunc // ends the keeper; nil before it runs
	session *Session           // nil while there is none
	change  chan struct{}      // closed at the next change of session, failed or broken
	running bool               // the keeper does
	broken  error              // why the keeper gave up, until the next call
	failed  error              // why no session will be, for good
}

// New returns a Client of the server at address, host:port. It connects to
// nobody yet. Its error says what is wrong with cfg.
//
// With TrustNew it trusts, in later sessions, the identity of the first.
func New(address string, cfg Config) (*Client, error) {
	if _, err := cfg.core(); err != nil {
		return nil, fmt.Errorf("xtmp: %w", err)
	}
	if cfg.Tokens == nil {
		cfg.Tokens = new(Tokens)
	}
	return &Client{address: address, cfg: cfg, dial: dial, change: make(chan struct{})}, nil
}

// Call is Session.Call on whatever session there is, or will be. ReplyTimeout
// includes the wait for it.
func (c *Client) Call(ctx context.Context, m Message, dst []byte) ([]byte, error) {
	deadline := time.Now().Add(c.cfg.replyTimeout())
	reply := dst
	err := c.onSession(ctx, deadline, func(s *Session) (err error) {
		reply, err = s.call(ctx, &m, dst, deadline)
		return err
	})
	if err != nil {
		return dst, fmt.Errorf("xtmp: call: %w", err)
	}
	return reply, nil
}

// Send is Session.Send on whatever session there is, or will be.
func (c *Client) Send(ctx context.Context, m Message) error {
	deadline := time.Now().Add(c.cfg.replyTimeout())
	if err := c.onSession(ctx, deadline, func(s *Session) error { return s.send(ctx, &m) }); err != nil {
		return fmt.Errorf("xtmp: send: %w", err)
	}
	return nil
}

// Session returns the session that there is, or waits for one. It ends when it
// is lost or Client.Close is called; its user does not close it. The error is
// ErrNotSent with its reason: that of ctx, the last of Dial's, or ErrClosed.
func (c *Client) Session(ctx context.Context) (*Session, error) {
	s, err := c.await(ctx)
	if err != nil {
		return nil, fmt.Errorf("xtmp: %w", &notSentError{cause: err})
	}
	return s, nil
}

// onSession calls f with a session until one takes the message.
func (c *Client) onSession(ctx context.Context, deadline time.Time, f func(*Session) error) error {
	for {
		s := c.current()
		if s == nil {
			limited, cancel := context.WithDeadlineCause(ctx, deadline, ErrReplyTimeout)
			var err error
			s, err = c.await(limited)
			cancel()
			if err != nil {
				return &notSentError{cause: err}
			}
		}
		err := f(s)
		if lost, ok := err.(*notSentError); !ok || !lost.over { //nolint:errorlint // f returns it as it is
			return err
		}
		c.drop(s)
	}
}

// current returns the session that there is.
func (c *Client) current() *Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session
}

// await returns the session that there is, or makes the keeper dial and waits.
func (c *Client) await(ctx context.Context) (*Session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for started := false; ; {
		switch {
		case c.failed != nil:
			return nil, c.failed
		case c.session != nil:
			return c.session, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case started && !c.running && c.broken != nil:
			return nil, c.broken
		case !c.running:
			c.start()
		}
		started = true
		change := c.change
		c.mu.Unlock()
		select {
		case <-change:
		case <-ctx.Done():
		}
		c.mu.Lock()
	}
}

// start starts the keeper. The caller holds the lock.
func (c *Client) start() {
	ctx, cancel := context.WithCancel(context.Background()) // it outlives whoever needs it first
	c.running, c.broken, c.cancel = true, nil, cancel
	c.keeping.Go(func() {
		defer cancel()
		c.keep(ctx)
	})
}

// set changes what await sees.
func (c *Client) set(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	close(c.change)
	c.change = make(chan struct{})
}

// drop forgets a session that takes no more messages.
func (c *Client) drop(s *Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session == s {
		c.session = nil
	}
}

// keep is the keeper: it dials until there is a session, and again when it ends.
func (c *Client) keep(ctx context.Context) {
	b := backoff{}
	for first := true; ; {
		s, err := c.dial(ctx, c.address, c.cfg)
		if err == nil {
			first = false
			b.began(time.Now())
			c.hold(ctx, s)
			b.ended(time.Now())
			err = s.over()
		} else {
			err = fmt.Errorf("dialing %s: %w", c.address, err)
		}
		switch {
		case ctx.Err() != nil:
			return
		case permanent(err):
			c.set(func() { c.failed = err })
			return
		case first && b.failures >= retries:
			c.set(func() { c.running, c.broken = false, err })
			return
		}
		if sleep(ctx, b.next(err)) != nil {
			return
		}
	}
}

// hold publishes a session until it ends.
func (c *Client) hold(ctx context.Context, s *Session) {
	if id := s.Identity(); len(c.cfg.Pins) == 0 { // TrustNew: only the keeper reads and writes it
		c.cfg.Pins = []Pin{{Kind: id.Kind, Fingerprint: id.Fingerprint, Key: id.Key}}
		c.cfg.TrustNew = false
	}
	closed := false
	c.set(func() {
		if closed = c.failed != nil; !closed {
			c.session = s
		}
	})
	if closed {
		_ = s.Close(ctx) // nobody has seen it
		return
	}
	select {
	case <-s.ended:
	case <-ctx.Done(): // Close ends it
		return
	}
	c.set(func() {
		if c.session == s {
			c.session = nil
		}
	})
	<-s.done
}

// Close ends the session in order, as Session.Close does, and dials no more.
// Calls that wait for a session are ErrClosed, and ErrNotSent.
func (c *Client) Close(ctx context.Context) error {
	var s *Session
	c.set(func() {
		s, c.session = c.session, nil
		if c.failed == nil {
			c.failed = ErrClosed
		}
		if c.cancel != nil {
			c.cancel()
		}
	})
	var err error
	if s != nil {
		err = s.Close(ctx)
	}
	c.keeping.Wait()
	return err
}

// permanent reports whether another attempt would be refused as well.
func permanent(err error) bool {
	var pin *PinError
	var coded *Error
	switch {
	case errors.As(err, &pin), errors.Is(err, ErrNoPins):
		return true
	case errors.As(err, &coded):
		return coded.Code == wire.VersionUnsupported || coded.Code == wire.NoCommonSuite
	default:
		return false
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
