package server

import (
	"context"
	"crypto/mlkem"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/bpci/xtmp/refimpl/endpoint"
	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/trace"
	"github.com/bpci/xtmp/refimpl/transport"
	"github.com/bpci/xtmp/refimpl/wire"
)

// Limits bound what sources may hold. Zero means the default of the
// specification, a negative value no limit.
type Limits = endpoint.Limits

// Config says what a Server is. Zero values mean the defaults of the
// specification.
type Config struct {
	// Address is host:port to listen on; port 0 lets the system choose.
	// Empty means DefaultAddress.
	Address string
	// Identities are the server's keys, the default first. At least one.
	Identities []*Identity

	HeartbeatInterval   time.Duration // 30 s; 1 ms … 24 h
	ConnectionTimeout   time.Duration // 300 s; 1 ms … 24 h
	KeyRotationInterval time.Duration // 24 h; 1 s … 365 days
	MaxPayload          uint32        // 16 MiB, at least 64 KiB
	MaxInflight         uint32        // 1024
	MaxConnections      int           // 10 000; negative: no limit
	Limits              Limits

	// Loops is the number of event loops. Zero means one per processor that
	// the runtime uses.
	Loops int
	// Log receives what an operator should know. Nil discards it.
	Log *slog.Logger
	// Trace observes the core. It is called by every loop and must be safe for
	// that.
	Trace trace.Hook
}

// DefaultAddress is where a server listens unless told otherwise. [XTMP-CON-007]
const DefaultAddress = "0.0.0.0:8090"

// Server is a server that listens.
type Server struct {
	transport *transport.Server
	identity  *Identity
	log       *slog.Logger
}

// Listen binds the address and prepares to serve. Its error is a *net.OpError
// for an address that cannot be bound, or says what is wrong with cfg. Serve
// releases what Listen takes.
func Listen(ctx context.Context, cfg Config) (*Server, error) {
	if len(cfg.Identities) == 0 {
		return nil, errors.New("xtmp: a server needs an identity key: make one with `bpci-xtmp-server keygen`")
	}
	if err := cfg.checkTimes(); err != nil {
		return nil, err
	}
	if cfg.Address == "" {
		cfg.Address = DefaultAddress
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	core := session.Config{
		Entropy:             rand.Reader,
		Suites:              []wire.Suite{wire.SuiteAES256GCM},
		HeartbeatInterval:   cfg.HeartbeatInterval,
		ConnectionTimeout:   cfg.ConnectionTimeout,
		KeyRotationInterval: cfg.KeyRotationInterval,
		Trace:               cfg.Trace,
		Server: session.ServerConfig{
			Identities:  cfg.Identities,
			Encapsulate: encapsulate,
			MaxPayload:  cfg.MaxPayload,
			MaxInflight: cfg.MaxInflight,
		},
	}
	if _, err := rand.Read(core.Server.ResetKey[:]); err != nil {
		return nil, fmt.Errorf("xtmp: drawing the reset key: %w", err)
	}
	t, err := transport.Listen(ctx, cfg.Address, transport.Config{
		Session: core, Limits: cfg.Limits, MaxConnections: cfg.MaxConnections, Loops: loops(cfg.Loops), Log: cfg.Log,
	})
	if err != nil {
		return nil, err
	}
	return &Server{transport: t, identity: cfg.Identities[0], log: cfg.Log}, nil
}

// checkTimes refuses times that cannot be kept, or that a client would refuse.
// Zero means the default.
func (c *Config) checkTimes() error {
	for _, t := range [...]struct {
		name           string
		d, least, most time.Duration
	}{
		{"HeartbeatInterval", c.HeartbeatInterval, time.Millisecond, 24 * time.Hour},
		{"ConnectionTimeout", c.ConnectionTimeout, time.Millisecond, 24 * time.Hour},
		{"KeyRotationInterval", c.KeyRotationInterval, time.Second, 365 * 24 * time.Hour},
	} {
		if t.d != 0 && (t.d < t.least || t.d > t.most) {
			return fmt.Errorf("xtmp: server.Config.%s is %v: it is between %v and %v", t.name, t.d, t.least, t.most)
		}
	}
	return nil
}

// Addr returns the address that is bound.
func (s *Server) Addr() netip.AddrPort { return s.transport.Addr() }

// Fingerprint names the default identity: what clients pin.
func (s *Server) Fingerprint() security.Fingerprint { return s.identity.Fingerprint() }

// Serve serves until ctx ends, then tells every session: new work is refused,
// replies and Acks are awaited for up to five seconds, then Disconnect goes out.
// It returns nil after an orderly end.
func (s *Server) Serve(ctx context.Context) error {
	s.log.Info("serving", "tcp", s.Addr().String(), "fingerprint", s.Fingerprint().String())
	err := s.transport.Serve(ctx)
	if err != nil {
		s.log.Error("serving failed", "error", err)
		return err
	}
	s.log.Info("stopped")
	return nil
}

func encapsulate(key *mlkem.EncapsulationKey768) (shared, ciphertext []byte) {
	return key.Encapsulate()
}
