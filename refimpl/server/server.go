package server

import (
	"context"
	"crypto/mlkem"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

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

// Suite is an encryption_type of the specification.
type Suite = wire.Suite

// Suites.
const (
	SuiteNone        = wire.SuiteNone // integrity only
	SuiteAES256GCM   = wire.SuiteAES256GCM
	SuiteChaCha20    = wire.SuiteChaCha20
	SuitePostQuantum = wire.SuitePostQuantum
)

// Config says what a Server is. Zero values mean the defaults of the
// specification.
type Config struct {
	// Address is host:port to listen on; port 0 lets the system choose.
	// Empty means DefaultAddress.
	Address string
	// Identities are the server's keys, the default first. At least one.
	Identities []*Identity
	// Suites are accepted; of those that both sides have, the client's order
	// decides. Empty means SuiteAES256GCM. SuitePostQuantum needs an identity of
	// kind 2.
	Suites []Suite
	// AllowUnencrypted is needed for SuiteNone, whose sessions anybody on the way
	// can read.
	AllowUnencrypted bool

	HeartbeatInterval   time.Duration // 30 s; 1 ms … 24 h
	ConnectionTimeout   time.Duration // 300 s; 1 ms … 24 h
	KeyRotationInterval time.Duration // 24 h; 1 s … 365 days
	MaxPayload          uint32        // 16 MiB, at least 64 KiB
	MaxInflight         uint32        // 1024
	MaxConnections      int           // 10 000; negative: no limit
	Limits              Limits
	// NoCompression neither accepts nor sends DEFLATE.
	NoCompression bool
	// AttachAddresses are where clients open further paths of a session, host:port, the
	// preferred first, for a server that others share Address with: each leads to this one
	// alone. Empty means that Address does.
	AttachAddresses []string
	// NoUDP serves no datagrams; otherwise they are served at Address, too.
	NoUDP bool
	// UDPBuffer is what the kernel may hold for each event loop in datagrams, in bytes
	// and in either direction: 4 MiB, or what the system allows.
	UDPBuffer int
	// NoKeepAlive asks the kernel for no probes on idle connections.
	NoKeepAlive bool
	// NoWebSocket refuses whoever does not begin with a frame; otherwise the path
	// /xtmp is served by HTTP on the same port.
	NoWebSocket bool
	// Probe answers Probe, for diagnosis.
	Probe bool

	// Handlers execute requests of the application, by type from 0x10 to 0x6F.
	Handlers map[MessageType]Handler
	// Workers are the sizes of the pools in which handlers run.
	Workers Workers
	// QueueSize is how many requests may wait for a worker of each pool: 1024.
	QueueSize int

	// Loops is the number of event loops. Zero means one per processor that
	// the runtime uses.
	Loops int
	// Log receives what an operator should know. Nil discards it.
	Log *slog.Logger
	// Trace observes the core. It is called by every loop and must be safe for
	// that.
	Trace trace.Hook
	// KeyLog is given every traffic secret of a session, for reading captures; nil
	// in production. It is called by every loop and must be safe for that.
	KeyLog func(label string, sessionID uint64, secret []byte)
}

// DefaultAddress is where a server listens unless told otherwise. [XTMP-CON-007]
const DefaultAddress = "0.0.0.0:8090"

// Server is a server that listens.
type Server struct {
	transport  *transport.Server
	identities atomic.Pointer[[]*Identity]
	cfg        Config
	log        *slog.Logger
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
	if err := cfg.checkSuites(); err != nil {
		return nil, err
	}
	if cfg.Address == "" {
		cfg.Address = DefaultAddress
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	endpoints, err := cfg.endpoints()
	if err != nil {
		return nil, err
	}
	core := session.Config{
		Entropy:             rand.Reader,
		Suites:              cfg.Suites,
		Compression:         !cfg.NoCompression,
		KeyLog:              cfg.KeyLog,
		HeartbeatInterval:   cfg.HeartbeatInterval,
		ConnectionTimeout:   cfg.ConnectionTimeout,
		KeyRotationInterval: cfg.KeyRotationInterval,
		Trace:               cfg.Trace,
		Server: session.ServerConfig{
			Identities:  cfg.Identities,
			Encapsulate: encapsulate,
			AttachTCP:   true,
			AttachUDP:   !cfg.NoUDP,
			Endpoints:   endpoints,
			MaxPayload:  cfg.MaxPayload,
			MaxInflight: cfg.MaxInflight,
		},
	}
	if _, err := rand.Read(core.Server.ResetKey[:]); err != nil {
		return nil, fmt.Errorf("xtmp: drawing the reset key: %w", err)
	}
	t, err := transport.Listen(ctx, cfg.Address, transport.Config{
		Session: core, Limits: cfg.Limits, MaxConnections: cfg.MaxConnections, NoUDP: cfg.NoUDP, NoWebSocket: cfg.NoWebSocket,
		UDPBuffer: cfg.UDPBuffer, NoKeepAlive: cfg.NoKeepAlive,
		Loops: loops(cfg.Loops), Log: cfg.Log,
		Probe: cfg.Probe, Handlers: cfg.Handlers, Workers: cfg.Workers, QueueSize: cfg.QueueSize,
	})
	if err != nil {
		return nil, err
	}
	s := &Server{transport: t, cfg: cfg, log: cfg.Log}
	s.setIdentities(cfg.Identities)
	return s, nil
}

// endpoints are the attach addresses as the protocol has them: each for connections, and
// for datagrams where they are served.
func (c *Config) endpoints() (all []wire.AttachEndpoint, err error) {
	for _, address := range c.AttachAddresses {
		host, port, err := net.SplitHostPort(address)
		number, bad := strconv.ParseUint(port, 10, 16)
		if err != nil || bad != nil || number == 0 || !isHost(host) {
			return nil, fmt.Errorf("xtmp: server.Config.AttachAddresses: %q is not host:port", address)
		}
		all = append(all, wire.AttachEndpoint{Kind: wire.PathStream, Port: uint16(number), Host: host})
		if !c.NoUDP {
			all = append(all, wire.AttachEndpoint{Kind: wire.PathDatagram, Port: uint16(number), Host: host})
		}
	}
	return all, nil
}

// isHost reports whether a host is one that the protocol can carry.
func isHost(host string) bool {
	return host != "" && len(host) <= 255 && !strings.ContainsFunc(host, func(r rune) bool { return r > unicode.MaxASCII })
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

// checkSuites refuses suites that must not, or cannot, be served.
func (c *Config) checkSuites() error {
	if slices.Contains(c.Suites, SuiteNone) && !c.AllowUnencrypted {
		return errors.New("xtmp: suite none leaves sessions without encryption: allow that with AllowUnencrypted, " +
			"security.require_encryption: false or --allow-unencrypted")
	}
	if suite, ok := unserved(c.Suites, c.Identities); ok {
		return fmt.Errorf("xtmp: suite %v needs an identity of kind 2: make one with `bpci-xtmp-server keygen --kind 2 --out FILE`", suite)
	}
	return nil
}

// unserved returns a suite that none of the identities can serve, if there is one.
func unserved(suites []Suite, ids []*Identity) (Suite, bool) {
	for _, suite := range suites {
		if !slices.ContainsFunc(ids, func(id *Identity) bool { return id.Serves(suite) }) {
			return suite, true
		}
	}
	return 0, false
}

// Addr returns the address that is bound.
func (s *Server) Addr() netip.AddrPort { return s.transport.Addr() }

// Fingerprint names the default identity.
func (s *Server) Fingerprint() security.Fingerprint { return s.Identities()[0].Fingerprint() }

// Identities returns the server's identities, the default first.
func (s *Server) Identities() []*Identity { return slices.Clone(*s.identities.Load()) }

func (s *Server) setIdentities(ids []*Identity) {
	ids = slices.Clone(ids)
	s.identities.Store(&ids)
}

// SetIdentities replaces the server's identities while it serves: for the
// handshakes to come, sessions stay as they are. It fails, and changes nothing, if
// the suites cannot be served with them.
func (s *Server) SetIdentities(ctx context.Context, ids []*Identity) error {
	next := s.cfg
	next.Identities = ids
	if len(ids) == 0 {
		return errors.New("xtmp: a server needs an identity key")
	}
	if err := next.checkSuites(); err != nil {
		return err
	}
	if err := s.transport.SetIdentities(ctx, slices.Clone(ids)); err != nil {
		return err
	}
	s.setIdentities(ids)
	s.log.Info("identities are replaced", "pins", s.pins())
	return nil
}

// pins names every identity by kind:fingerprint, the default first and with commas
// between them.
func (s *Server) pins() string {
	var pins []string
	for _, id := range s.Identities() {
		pins = append(pins, fmt.Sprintf("%d:%s", id.Kind(), id.Fingerprint()))
	}
	return strings.Join(pins, ",")
}

// Ready is the line that tells programs where the server listens and whom it shows:
//
//	READY tcp=host:port udp=host:port fingerprint=HEX pins=1:HEX,2:HEX
//
// udp is - where no datagrams are served. fingerprint is that of the default identity; pins names every identity with its
// kind, the default first.
func (s *Server) Ready() string {
	udp := "-"
	if s.transport.ServesUDP() {
		udp = s.Addr().String()
	}
	return fmt.Sprintf("READY tcp=%v udp=%s fingerprint=%s pins=%s", s.Addr(), udp, s.Identities()[0].Fingerprint(), s.pins())
}

// Rekey asks every client for fresh keys.
func (s *Server) Rekey() {
	s.log.Info("every client is asked for fresh keys")
	s.transport.Rekey()
}

// Metrics returns what the server does and has done.
func (s *Server) Metrics() Metrics { return s.transport.Metrics() }

// Serve serves until ctx ends, then tells every session: new work is refused,
// replies and Acks are awaited for up to five seconds, then Disconnect goes out.
// It returns nil after an orderly end.
func (s *Server) Serve(ctx context.Context) error {
	s.log.Info("serving", "tcp", s.Addr().String(), "pins", s.pins())
	if slices.Contains(s.cfg.Suites, SuiteNone) {
		s.log.Warn("SESSIONS WITHOUT ENCRYPTION ARE ACCEPTED: whoever is on the way reads them; require_encryption is off")
	}
	if s.cfg.Probe {
		s.log.Warn("probe is on: any client may have the server send data; it is for diagnosis")
	}
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
