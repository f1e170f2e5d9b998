package client

import (
	"bytes"
	"crypto/mlkem"
	"crypto/rand"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/bpci/xtmp/refimpl/handler"
	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bubble runs f on virtual time. It fails if f leaves a goroutine behind.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// virtual returns a clock that follows the time of the bubble.
func virtual() func() session.Now {
	start := time.Now()
	return func() session.Now {
		return session.Now{Elapsed: time.Hour + time.Since(start), Wall: uint64(time.Now().UnixMicro())}
	}
}

func identity(t testing.TB, seed byte) *security.Identity {
	t.Helper()
	id, err := security.NewIdentity(bytes.Repeat([]byte{seed}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// pinned returns a Config that trusts id and whose clock is the bubble's.
func pinned(id *security.Identity) Config {
	return Config{Pins: []Pin{{Kind: id.Kind(), Fingerprint: id.Fingerprint()}}, clock: virtual()}
}

// noLimits admits everybody.
type noLimits struct{}

func (noLimits) AdmitPath(netip.Addr, bool) bool              { return true }
func (noLimits) Park(netip.Addr)                              {}
func (noLimits) Unpark(netip.Addr)                            {}
func (noLimits) Enter(netip.Addr)                             {}
func (noLimits) Pace(time.Duration, netip.Addr) time.Duration { return 0 }
func (noLimits) Pass(time.Duration, netip.Addr) bool          { return true }
func (noLimits) MayReset(time.Duration, netip.Addr) bool      { return true }
func (noLimits) Admit(netip.Addr) bool                        { return true }
func (noLimits) Settle(netip.Addr)                            {}
func (noLimits) Leave(netip.Addr, bool)                       {}
func (noLimits) Hold(netip.Addr, int) bool                    { return true }
func (noLimits) Retain(netip.Addr, int) bool                  { return true }

// peer is a server session on one end of a pipe. It answers Probe.
type peer struct {
	conn  *pipeConn
	clock func() session.Now
	cfg   session.Config
	wake  chan struct{}
	done  chan struct{}

	mu     sync.Mutex
	core   *session.Session
	probe  handler.Probe
	mute   bool // writes nothing
	asleep bool // does nothing
	events []session.Event
}

// serve starts a server with identity id on conn. change may edit its
// configuration before.
func serve(t *testing.T, conn *pipeConn, id *security.Identity, change func(*session.Config)) *peer {
	t.Helper()
	p := &peer{conn: conn, clock: virtual(), wake: make(chan struct{}, 1), done: make(chan struct{})}
	p.cfg = serving(t, id, &p.probe, change)
	p.core = session.NewServer(&p.cfg, p.clock(), netip.MustParseAddr("192.0.2.1"))
	go p.read()
	go p.write()
	return p
}

// serving is the configuration of a server with identity id.
func serving(tb testing.TB, id *security.Identity, app session.Application, change func(*session.Config)) session.Config {
	tb.Helper()
	cfg := session.Config{Entropy: rand.Reader, Application: app, Server: session.ServerConfig{
		Identities:   []*security.Identity{id},
		Encapsulate:  func(key *mlkem.EncapsulationKey768) ([]byte, []byte) { return key.Encapsulate() },
		NewSessionID: func() uint64 { return 4711 },
		Admission:    noLimits{},
	}}
	if change != nil {
		change(&cfg)
	}
	cfg, err := cfg.Validate(session.Server)
	if err != nil {
		tb.Fatal(err)
	}
	return cfg
}

func (p *peer) read() {
	buf := make([]byte, 4096)
	for {
		n, err := p.conn.Read(buf)
		p.do(func(now session.Now, s *session.Session) {
			if n > 0 {
				s.Receive(now, 0, buf[:n])
			}
			if err != nil {
				s.Lost(now, 0)
			}
		})
		if err != nil {
			return
		}
	}
}

// do gives the session an input.
func (p *peer) do(f func(now session.Now, s *session.Session)) {
	p.mu.Lock()
	f(p.clock(), p.core)
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// sleep makes the server do nothing, its timers included; room is what the
// connection still takes. The returned function ends it.
func (p *peer) sleep(room int) (wakeUp func()) {
	p.do(func(session.Now, *session.Session) { p.asleep = true })
	p.conn.in.freeze(true, room)
	return func() {
		p.do(func(session.Now, *session.Session) { p.asleep = false })
		p.conn.in.freeze(false, 64<<10)
		<-p.done
	}
}

func (p *peer) write() {
	defer close(p.done)
	defer p.conn.Close() // it cannot fail
	for {
		p.mu.Lock()
		if p.asleep {
			p.mu.Unlock()
			<-p.wake
			continue
		}
		now := p.clock()
		p.core.Advance(now)
		p.probe.Advance(now)
		var out []byte
		if !p.mute {
			out = p.core.AppendOutput(now, 0, nil)
		}
		for e, ok := p.core.NextEvent(); ok; e, ok = p.core.NextEvent() {
			p.events = append(p.events, e)
		}
		fate := p.core.Fate(0)
		deadline, _ := p.core.Deadline()
		if at, ok := p.probe.Deadline(); ok {
			deadline = min(deadline, at)
		}
		more := !p.mute && p.core.HasOutput(0)
		p.mu.Unlock()
		_, _ = p.conn.Write(out)
		if more {
			continue
		}
		switch fate {
		case session.Shut:
			return
		case session.Drain:
			_ = p.conn.CloseWrite()
		case session.Keep:
		}
		timer := time.NewTimer(max(0, deadline-now.Elapsed))
		select {
		case <-p.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// err waits for the end of the server's session and returns its reason.
func (p *peer) err() error {
	<-p.done
	return p.core.Err()
}

// connect dials a server over a pipe and fails the test if that fails.
func connect(t *testing.T, change func(client *Config, server *session.Config)) (*Session, *peer) {
	t.Helper()
	id := identity(t, 1)
	cfg := pinned(id)
	near, far := newPipe(64 << 10)
	p := serve(t, far, id, func(s *session.Config) {
		if change != nil {
			change(&cfg, s)
		}
	})
	s, err := NewSession(t.Context(), near, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s, p
}

// closeInOrder ends both sides and fails the test unless both saw an orderly end.
func closeInOrder(t *testing.T, s *Session, p *peer) {
	t.Helper()
	if err := s.Close(t.Context()); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := p.err(); !errors.Is(err, ErrClosed) {
		t.Errorf("the server's session ended with %v, want Disconnect", err)
	}
}
