package client

import (
	"context"
	"crypto/rand"
	"errors"
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

	// ConnectTimeout bounds Dial. Zero means 10 s, negative no bound but the
	// context's.
	ConnectTimeout time.Duration
	// HeartbeatInterval is the time without sending after which a PING goes
	// out. Zero means 30 s.
	HeartbeatInterval time.Duration

	// LocalAddress is the address, host:port or host:0, to connect from. Empty
	// lets the system choose.
	LocalAddress string
	// Trace observes the core. It is called with the session locked.
	Trace trace.Hook

	clock func() session.Now // tests replace it
}

// Dial connects to address, host:port, and completes the handshake. Its error
// wraps what went wrong: a *net.OpError, an *Error, a *PinError, a *SkewError
// or the error of ctx.
func Dial(ctx context.Context, address string, cfg Config) (*Session, error) {
	s, err := dial(ctx, address, cfg)
	if err != nil {
		return nil, fmt.Errorf("xtmp: dialing %s: %w", address, err)
	}
	return s, nil
}

func dial(ctx context.Context, address string, cfg Config) (*Session, error) {
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
func NewSession(ctx context.Context, conn net.Conn, cfg Config) (*Session, error) {
	core := session.Config{
		Entropy:           rand.Reader,
		HeartbeatInterval: cfg.HeartbeatInterval,
		Trace:             cfg.Trace,
		Client: session.ClientConfig{
			Pins: cfg.Pins, TrustNew: cfg.TrustNew, ConnectTimeout: max(cfg.ConnectTimeout, 0),
		},
	}
	core, err := core.Validate(session.Client)
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
		return nil, errors.Join(context.Cause(ctx))
	}
}
