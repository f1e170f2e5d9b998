package client

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/bpci/xtmp/refimpl/session"
)

// Dial connects to address, host:port, and completes the handshake. The address may
// name how: tcp://host:port, udp://host:port, hybrid://host:port, or, for a WebSocket,
// ws://host:port/xtmp. Its error
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
	var err error
	if cfg.Type, address, err = cfg.splitAddress(address); err != nil {
		return nil, err
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = session.DefaultConnectTimeout
	}
	if cfg.ConnectTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, cfg.ConnectTimeout, session.ErrTimeout)
		defer cancel()
	}
	switch cfg.Type {
	case UDP:
		return dialUDP(ctx, address, cfg, nil)
	case Hybrid:
		return dialBoth(ctx, address, cfg)
	case WebSocket:
		return dialWebSocket(ctx, address, cfg)
	case Auto:
		return dialAuto(ctx, address, cfg)
	default:
		return dialTCP(ctx, address, cfg, nil)
	}
}

// dialTCP completes the handshake on a connection.
func dialTCP(ctx context.Context, address string, cfg Config, r *race) (*Session, error) {
	conn, err := openConnection(ctx, address, cfg.LocalAddress)
	if err != nil {
		return nil, err
	}
	return open(ctx, connection{conn}, cfg, func(s *Session) {
		s.address, s.remote, s.open, s.race = address, conn.RemoteAddr().String(), opening(cfg.LocalAddress), r
	})
}

// openConnection opens a connection.
func openConnection(ctx context.Context, address, from string) (net.Conn, error) {
	var d net.Dialer
	if from != "" {
		local, err := net.ResolveTCPAddr("tcp", from)
		if err != nil {
			return nil, err
		}
		d.LocalAddr = local
	}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, dialError(ctx, err)
	}
	return conn, nil
}

// dialError is why nothing could be opened.
func dialError(ctx context.Context, err error) error {
	if by, ok := ctx.Deadline(); ok && !time.Now().Before(by) {
		<-ctx.Done() // the dialer may have noticed first
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return fmt.Errorf("ConnectionFailed: %w", err)
}

// NewSession completes the handshake on a connection that the caller has
// opened, and takes it over, also when it fails. ctx bounds the handshake only.
// The session has no other path. The error is one of Dial's, unwrapped.
func NewSession(ctx context.Context, conn net.Conn, cfg Config) (*Session, error) {
	return open(ctx, connection{conn}, cfg, func(*Session) {})
}

func open(ctx context.Context, c carrier, cfg Config, prepare func(*Session)) (*Session, error) {
	core, err := cfg.core()
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	s := newSession(core, &cfg)
	prepare(s)
	if err := s.start(c, func() error { return s.core.Open(s.now) }); err != nil {
		return nil, err
	}
	if err := s.awaitServer(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// dialUDP completes the handshake on UDP.
func dialUDP(ctx context.Context, address string, cfg Config, r *race) (*Session, error) {
	core, err := cfg.core()
	if err != nil {
		return nil, err
	}
	peer, err := resolve(ctx, address)
	if err != nil {
		return nil, dialError(ctx, err)
	}
	c, err := openSocket(ctx, cfg.LocalAddress)
	if err != nil {
		return nil, dialError(ctx, err)
	}
	s := newSession(core, &cfg)
	s.address, s.remote, s.open, s.race = address, peer.String(), opening(cfg.LocalAddress), r
	token, rtt := cfg.Tokens.take(address, cfg.Pins)
	if err := s.start(c, func() error { return s.core.OpenDatagram(s.now, peer, token, rtt) }); err != nil {
		return nil, err
	}
	if err := s.awaitServer(ctx); err != nil {
		return nil, err
	}
	return s, nil
}
