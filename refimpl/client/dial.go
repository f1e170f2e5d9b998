package client

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"time"

	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/trace"
)

// Config says how a client connects. The zero value trusts nobody.
type Config struct {
	// Pins are the identities that are trusted. Of a pin file, give
	// Pins.For(address).
	Pins []Pin
	// TrustNew accepts any identity when Pins is empty, for development. The
	// caller records Session.Identity with AppendPin. [XTMP-TRU-016]
	TrustNew bool

	// ConnectTimeout bounds Dial, from its start. Zero means 10 s, negative no
	// bound but the context's. [XTMP-HSK-085]
	ConnectTimeout time.Duration
	// HeartbeatInterval is the time without sending after which a PING goes
	// out, at least 1 ms. Zero means 30 s. [XTMP-HBT-018]
	HeartbeatInterval time.Duration

	// LocalAddress is the address, host:port or host:0, to connect from. Empty
	// lets the system choose.
	LocalAddress string
	// Trace observes the core. It is called with the session locked.
	Trace trace.Hook

	clock func() session.Now // tests replace it
}

// Dial connects to address, host:port, and completes the handshake. Its error
// wraps what went wrong: a *net.OpError, an *Error, a *PinError, a *SkewError,
// one of the errors of this package, or the cause of ctx.
func Dial(ctx context.Context, address string, cfg Config) (*Session, error) {
	s, err := dial(ctx, address, cfg)
	if err != nil {
		return nil, fmt.Errorf("xtmp: dialing %s: %w", address, err)
	}
	return s, nil
}

func dial(ctx context.Context, address string, cfg Config) (*Session, error) {
	if _, err := cfg.core(); err != nil {
		return nil, err // before anybody is disturbed
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = session.DefaultConnectTimeout
	}
	if cfg.ConnectTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, cfg.ConnectTimeout, session.ErrTimeout)
		defer cancel()
	}
	var d net.Dialer
	if cfg.LocalAddress != "" {
		local, err := net.ResolveTCPAddr("tcp", cfg.LocalAddress)
		if err != nil {
			return nil, err
		}
		d.LocalAddr = local
	}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return nil, cause
		}
		return nil, fmt.Errorf("ConnectionFailed: %w", err)
	}
	return NewSession(ctx, conn, cfg)
}

// NewSession completes the handshake on a connection that the caller has
// opened, and takes it over, also when it fails. ctx bounds the handshake only.
// The connection must go on after a write that ran into its deadline, as TCP
// does and TLS does not. Its error is one of Dial's, unwrapped.
func NewSession(ctx context.Context, conn net.Conn, cfg Config) (*Session, error) {
	core, err := cfg.core()
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	s := newSession(conn, &core, cfg.clock)
	if err := s.start(); err != nil {
		_ = conn.Close()
		return nil, err
	}
	select {
	case <-s.established:
		return s, nil
	case <-s.done:
		return nil, s.Err()
	case <-ctx.Done():
		s.abandon(context.Cause(ctx))
		return nil, s.Err()
	}
}

// noTimeout stands for no bound: it outlives every process and still adds to a
// reading of the clock.
const noTimeout = 1 << 61 * time.Nanosecond // 73 years

// core is the configuration of the core.
func (c *Config) core() (session.Config, error) {
	switch {
	case c.HeartbeatInterval != 0 && c.HeartbeatInterval < time.Millisecond:
		return session.Config{}, fmt.Errorf("client.Config.HeartbeatInterval is %v: it is at least 1ms", c.HeartbeatInterval)
	case len(c.Pins) == 0 && !c.TrustNew:
		return session.Config{}, ErrNoPins
	}
	core := session.Config{
		Entropy:           rand.Reader,
		HeartbeatInterval: c.HeartbeatInterval,
		Trace:             c.Trace,
		Client:            session.ClientConfig{Pins: c.Pins, TrustNew: c.TrustNew, ConnectTimeout: c.ConnectTimeout},
	}
	if c.ConnectTimeout < 0 {
		core.Client.ConnectTimeout = noTimeout
	}
	return core.Validate(session.Client)
}
