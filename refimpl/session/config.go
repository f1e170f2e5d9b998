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
	// Type says which paths the session is to have, Standby whether a second one is
	// attached soon after the handshake.
	Type    ConnectionType
	Standby bool
	// ConnectTimeout is T_CONNECT.
	ConnectTimeout time.Duration
}

// ServerConfig is what only servers need.
type ServerConfig struct {
	// Identities are the server's keys, the default first. At least one.
	Identities []*security.Identity
	// Encapsulate draws ML-KEM shared secrets. Required.
	Encapsulate security.Encapsulator
	// AttachTCP and AttachUDP accept further paths of a session; either makes sessions
	// outlive their paths.
	AttachTCP, AttachUDP bool
	// Endpoints are where clients attach, the preferred first, if not at the address of
	// the handshake; at most 1 KiB of them. [XTMP-PTH-055] [XTMP-PTH-056]
	Endpoints []wire.AttachEndpoint
	// ResetKey derives reset tokens. Random per instance.
	ResetKey [32]byte
	// MaxPayload and MaxInflight are announced to clients.
	MaxPayload  uint32
	MaxInflight uint32
	// NewSessionID draws an id that no other session of the instance has. Required.
	NewSessionID func() uint64
	// AddressToken makes the token for a later first contact on UDP from an IP address;
	// nil on a server without UDP.
	AddressToken func(now time.Duration, ip netip.Addr) [wire.TokenSize]byte
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
	// Pass is asked for each clear frame on UDP, and reports whether it may be looked at.
	Pass(now time.Duration, source netip.Addr) bool
	// MayReset is asked before each stateless reset.
	MayReset(now time.Duration, source netip.Addr) bool
	// Admit is asked at a valid ClientHello of a half-open connection.
	Admit(source netip.Addr) bool
	// AdmitPath is asked at a valid Attach; halfOpen is whether Enter was called for
	// its connection.
	AdmitPath(source netip.Addr, halfOpen bool) bool
	// Settle says that a half-open connection carries an established session now.
	Settle(source netip.Addr)
	// Leave says that a connection is gone; settled is whether Settle was called.
	Leave(source netip.Addr, settled bool)
	// Park says that an established session has no path any more and waits for one:
	// it counts as a session and not as a connection. Unpark ends that.
	Park(source netip.Addr)
	Unpark(source netip.Addr)
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
	if size := len(c.endpoints()); size > endpointsMax {
		return c, errors.New("xtmp: session.ServerConfig.Endpoints is longer than 1 KiB")
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

// endpoints is the value of TLV 0x0002.
func (c *Config) endpoints() (value []byte) {
	for _, e := range c.Server.Endpoints {
		value = e.Append(value)
	}
	return value
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
