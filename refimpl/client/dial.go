package client

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/bpci/xtmp/refimpl/session"
)

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
		if by, ok := ctx.Deadline(); ok && !time.Now().Before(by) {
			<-ctx.Done() // the dialer may have noticed first
		}
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
	s := newSession(conn, core, &cfg)
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
