package session

import (
	"errors"
	"io"
	"net/netip"
	"time"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/trace"
	"github.com/bpci/xtmp/refimpl/wire"
)

// Config is what every session of one owner shares. It is read, never written.
// A zero duration or size means the default of the specification.
type Config struct {
	// Entropy yields unpredictable bytes. Required.
	Entropy io.Reader
	// Suites are the suites to offer or to accept, in order of preference.
	// Empty means suite 1.
	Suites []wire.Suite

	HeartbeatInterval   time.Duration
	ConnectionTimeout   time.Duration
	KeyRotationInterval time.Duration

	// Compression accepts DEFLATE from the peer and uses it toward a peer that
	// accepts it.
	Compression bool
	// Application stands above the sessions; nil knows no message.
	Application Application
	// Buffers are shared by the sessions of one owner; nil makes Validate set
	// fresh ones, for which the configuration is the owner.
	Buffers *Buffers

	// Trace observes what happens; nil for nothing.
	Trace trace.Hook
	// KeyLog is given every traffic secret of a session, for reading captures;
	// nil in production.
	KeyLog func(label string, sessionID uint64, secret []byte)

	Client ClientConfig
	Server ServerConfig
}

// ClientConfig is what only clients need.
type ClientConfig struct {
	// Pins are the identities that the client trusts. Without TrustNew an
	// empty list trusts nobody.
	Pins []security.Pin
	// TrustNew accepts any identity where no pin is given, for development;
	// the caller records it from the event. [XTMP-TRU-016]
	TrustNew bool
	// ConnectTimeout is T_CONNECT.
	ConnectTimeout time.Duration
}

// ServerConfig is what only servers need.
type ServerConfig struct {
	// Identities are the server's keys, the default first. At least one.
	Identities []*security.Identity
	// Encapsulate draws ML-KEM shared secrets. Required.
	Encapsulate security.Encapsulator
	// ResetKey derives reset tokens. Random per instance.
	ResetKey [32]byte
	// MaxPayload and MaxInflight are announced to clients.
	MaxPayload  uint32
	MaxInflight uint32
	// NewSessionID draws an id that no other session of the instance has. Required.
	NewSessionID func() uint64
	// Admission decides whether a source may have another handshake. Required.
	Admission Admission
}

// Admission counts what sources hold and bounds it. For each connection a
// session calls Enter once, then Settle at most once, then Leave once.
type Admission interface {
	// Enter says that a connection was accepted: it is half-open.
	Enter(source netip.Addr)
	// Pace is asked once for each first frame that has passed checks 1 to 4. It
	// returns how long the frame has to wait for its turn.
	Pace(now time.Duration, source netip.Addr) time.Duration
	// Admit is asked at a valid ClientHello of a half-open connection.
	Admit(source netip.Addr) bool
	// Settle says that a half-open connection carries an established session now.
	Settle(source netip.Addr)
	// Leave says that a connection is gone; settled is whether Settle was called.
	Leave(source netip.Addr, settled bool)
	// Hold says that receive memory grew by n bytes, or shrank if n is negative.
	// It reports whether all is within the limits.
	Hold(source netip.Addr, n int) bool
	// Retain says likewise that bodies of complete requests are kept, or no longer,
	// until their reply.
	Retain(source netip.Addr, n int) bool
}

// Validate fills in defaults and refuses what cannot work.
func (c Config) Validate(role Role) (Config, error) {
	if c.Entropy == nil {
		return c, errors.New("xtmp: session.Config.Entropy is missing")
	}
	if len(c.Suites) == 0 {
		c.Suites = []wire.Suite{wire.SuiteAES256GCM}
	}
	if len(c.Suites) > 4 {
		return c, errors.New("xtmp: session.Config.Suites has more than four entries")
	}
	for _, s := range c.Suites {
		if !security.Supported(s) {
			return c, errors.New("xtmp: suite " + s.String() + " is not available in this build")
		}
	}
	if c.Buffers == nil {
		c.Buffers = new(Buffers)
	}
	orDefault(&c.HeartbeatInterval, DefaultHeartbeatInterval)
	orDefault(&c.ConnectionTimeout, DefaultConnectionTimeout)
	orDefault(&c.KeyRotationInterval, DefaultKeyRotationInterval)
	orDefault(&c.Client.ConnectTimeout, DefaultConnectTimeout)
	if role == Client {
		return c, nil
	}
	s := &c.Server
	switch {
	case len(s.Identities) == 0:
		return c, errors.New("xtmp: a server needs an identity key")
	case s.Encapsulate == nil || s.NewSessionID == nil || s.Admission == nil:
		return c, errors.New("xtmp: session.ServerConfig lacks Encapsulate, NewSessionID or Admission")
	}
	if err := c.servable(); err != nil {
		return c, err
	}
	if s.MaxPayload == 0 {
		s.MaxPayload = DefaultMaxPayload
	}
	if s.MaxPayload < 65536 || s.MaxPayload > wire.MaxPayload {
		return c, errors.New("xtmp: max_payload is not between 65536 and 16777216")
	}
	if s.MaxInflight == 0 {
		s.MaxInflight = defaultInflight
	}
	return c, nil
}

// servable refuses a suite that no identity can serve.
func (c *Config) servable() error {
	for _, suite := range c.Suites {
		ok := false
		for _, id := range c.Server.Identities {
			ok = ok || id.Serves(suite)
		}
		if !ok {
			return errors.New("xtmp: suite " + suite.String() + " needs an identity of kind 2: an Ed25519 and an ML-DSA-65 key")
		}
	}
	return nil
}

func orDefault(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}
