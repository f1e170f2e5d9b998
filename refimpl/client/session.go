package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bpci/xtmp/refimpl/clock"
	"github.com/bpci/xtmp/refimpl/session"
)

// Session is an established session with a server. Its methods may be called by
// any number of goroutines.
type Session struct {
	clock        func() session.Now
	replyTimeout time.Duration
	onPush       func(Push)
	keyLog       func(label string, sessionID uint64, secret []byte)
	logging      sync.Mutex // one call of keyLog at a time
	open         opener     // of further paths; nil if there can be none
	remote       string     // host:port at which the handshake ran
	address      string     // of the server, for tokens
	tokens       *Tokens
	race         *race // with another attempt; nil for none

	due         chan struct{} // capacity 1: the keeper has something to do
	pushed      chan struct{} // capacity 1: pushes wait for the handler
	established chan struct{} // closed when the server has proved itself
	done        chan struct{} // closed when all goroutines have ended
	ended       chan struct{} // closed when the core has ended
	calls       sync.Pool     // of *call
	working     sync.WaitGroup
	living      context.Context // until the keeper ends
	release     context.CancelFunc

	mu                      sync.Mutex
	core                    *session.Session
	coreCfg                 session.Config
	now                     session.Now   // the last reading of clock
	wakeAt                  time.Duration // when the keeper wakes at the latest
	links                   []*link
	further                 [2][]string // addresses for further paths by session.Transport, the next first
	identity                session.Identity
	pings                   []ping
	rekeyed                 chan struct{} // closed at the next fresh keys; nil while nobody waits
	active                  callList      // every call without result, the earliest deadline first
	waiters                 [2]callList   // those for which the core has no room: with priority, without
	pushes                  pushes
	secrets                 []secret // for the key log
	callsEnded, callsFailed uint64

	cut   bool  // the caller gave up: links are closed, and no more are opened
	cause error // why, before any reason of the core
}

// newSession returns a session that is not begun.
func newSession(core session.Config, cfg *Config) *Session {
	s := &Session{
		clock: cfg.clock, replyTimeout: cfg.replyTimeout(), onPush: cfg.OnPush, keyLog: cfg.KeyLog, tokens: cfg.Tokens, coreCfg: core,
		due: make(chan struct{}, 1), pushed: make(chan struct{}, 1),
		established: make(chan struct{}), done: make(chan struct{}), ended: make(chan struct{}),
	}
	s.living, s.release = context.WithCancel(context.Background())
	if s.clock == nil {
		s.clock = clock.Now
	}
	s.calls.New = func() any { return newCall() }
	s.coreCfg.Application = (*application)(s)
	if s.keyLog != nil {
		s.coreCfg.KeyLog = s.noteSecret
	}
	s.core = session.NewClient(&s.coreCfg)
	return s
}

// start begins the handshake, with open, on a carrier, which it takes over, and
// starts the goroutines.
func (s *Session) start(c carrier, open func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.clock()
	if err := open(); err != nil {
		s.release()
		_ = c.Close()
		return err
	}
	s.working.Go(s.keep)
	s.begin(0, c)
	go func() {
		s.working.Wait()
		close(s.done)
	}()
	if s.onPush != nil {
		go s.handlePushes()
	}
	return nil
}

// await waits until the session is established; ctx bounds that.
func (s *Session) awaitServer(ctx context.Context) error {
	select {
	case <-s.established:
		return nil
	case <-s.done:
		return s.Err()
	case <-ctx.Done():
		s.abandon(context.Cause(ctx))
		return s.Err()
	}
}

// ID returns the session_id.
func (s *Session) ID() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.core.ID()
}

// Identity returns what the server has proved to be.
func (s *Session) Identity() Identity {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.identity
}

// Done returns a channel that is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err returns why the session ended: nil while it lives, ErrClosed after an
// orderly end.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reason()
}

// reason is Err for a caller that holds the lock.
func (s *Session) reason() error {
	if s.cause != nil {
		return s.cause
	}
	return s.core.Err()
}

// Rekey makes the two sides change to fresh keys and waits until the server uses
// them; the session goes on meanwhile. It may wait for a second after the last
// time. Without it, keys are replaced every key_rotation_interval. It returns the
// error of ctx or of the session. [XTMP-RKY-001]
func (s *Session) Rekey(ctx context.Context) error {
	s.mu.Lock()
	s.now = s.clock()
	if !s.core.Rekey(s.now) {
		s.mu.Unlock()
		return fmt.Errorf("xtmp: rekeying: %w", s.over())
	}
	s.coreCfg.Buffers.Woken() // it says what we know
	if s.rekeyed == nil {
		s.rekeyed = make(chan struct{})
	}
	fresh := s.rekeyed
	s.settle()
	s.mu.Unlock()
	select {
	case <-fresh:
		return nil
	case <-s.ended:
		return fmt.Errorf("xtmp: rekeying: %w", s.over())
	case <-ctx.Done():
		return fmt.Errorf("xtmp: rekeying: %w", context.Cause(ctx))
	}
}

// over is why the session takes nothing more.
func (s *Session) over() error {
	if err := s.Err(); err != nil {
		return err
	}
	return ErrClosed // it is closing
}

// Close ends the session in order: it takes no more calls, acknowledges what it
// holds, waits up to five seconds for what it is owed, says Disconnect and closes
// the connection. If ctx ends first the connection is cut. Close returns nil
// after an orderly end, also one that the server began.
func (s *Session) Close(ctx context.Context) error {
	s.input(func() { s.core.Close(s.now) })
	select {
	case <-s.done:
	case <-ctx.Done():
		s.abandon(context.Cause(ctx))
	}
	if err := s.Err(); !errors.Is(err, ErrClosed) {
		return fmt.Errorf("xtmp: closing: %w", err)
	}
	return nil
}

// abandon cuts the connections for a reason of the caller's and waits for the
// goroutines.
func (s *Session) abandon(why error) {
	s.mu.Lock()
	if s.core.Err() == nil || slices.ContainsFunc(s.links, func(l *link) bool { return l.writing }) { // a Disconnect that is stuck is none
		s.cause = why
	}
	s.forsake()
	s.mu.Unlock()
	<-s.done
}

// forsake closes every link. The caller holds the lock.
func (s *Session) forsake() {
	s.cut = true
	for _, l := range s.links {
		l.close()
		l.rouse()
	}
	s.remind()
}
