package client

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/trace"
	"github.com/bpci/xtmp/refimpl/wire"
)

// Config says how a client connects. The zero value trusts nobody.
type Config struct {
	// Pins are the identities that are trusted. Of a pin file, give
	// Pins.For(address).
	Pins []Pin
	// TrustNew accepts any identity when Pins is empty, for development. The
	// caller records Session.Identity with AppendPin. [XTMP-TRU-016]
	TrustNew bool

	// Suites are the suites to offer, at most four, the preferred first. Nil
	// means aes256gcm. ParseSuite reads their names.
	Suites []wire.Suite
	// AllowUnencrypted lets Suites contain wire.SuiteNone, whose sessions
	// everybody on the way can read.
	AllowUnencrypted bool
	// Compression accepts compressed messages of the server, and lets a Message
	// ask for it. Do not compress a secret together with what others choose.
	Compression bool

	// Type is how to connect where the address does not say it.
	Type ConnectionType
	// NoStandby opens no second path before the first has failed.
	NoStandby bool
	// Tokens shortens the first contact with servers that were met before, on UDP. Nil
	// remembers nothing beyond a Client.
	Tokens *Tokens

	// ConnectTimeout bounds Dial, from its start. Zero means 10 s, negative no
	// bound but the context's. [XTMP-HSK-085]
	ConnectTimeout time.Duration
	// ReplyTimeout bounds each Call: T_REPLY. Zero means 30 s, negative no bound
	// but the context's.
	ReplyTimeout time.Duration
	// HeartbeatInterval is the time without sending after which a PING goes
	// out, at least 1 ms. Zero means 30 s. [XTMP-HBT-018]
	HeartbeatInterval time.Duration

	// LocalAddress is the address, host:port or host:0, to connect from. Empty
	// lets the system choose.
	LocalAddress string

	// OnPush takes the pushes of the server, in their order, one at a time, on a
	// goroutine of the session. It may use the session. While it is behind by
	// 4 MiB, further pushes are lost, which a jump of Push.N shows. Nil ignores
	// pushes.
	OnPush func(Push)

	// Trace observes the core. It is called with the session locked.
	Trace trace.Hook
	// KeyLog is given every traffic secret of a session, for reading captures;
	// nil in production. A session does not call it twice at a time.
	KeyLog func(label string, sessionID uint64, secret []byte)

	clock func() session.Now // tests replace it
}

// DefaultReplyTimeout is T_REPLY.
const DefaultReplyTimeout = 30 * time.Second

// noTimeout stands for no bound: it outlives every process and still adds to a
// reading of the clock.
const noTimeout = 1 << 61 * time.Nanosecond // 73 years

// Errors of a Config, beside ErrNoPins.
var (
	errUnencrypted = errors.New("client.Config.Suites has suite none, which encrypts nothing: it takes AllowUnencrypted, too")
	errNoHybridPin = errors.New("client.Config.Suites has nothing but postquantum, which takes a pin of kind 2")
)

// ParseSuite reads the name of a suite: none, aes256gcm, chacha20poly1305 or
// postquantum.
func ParseSuite(name string) (wire.Suite, error) {
	for _, s := range [...]wire.Suite{wire.SuiteNone, wire.SuiteAES256GCM, wire.SuiteChaCha20, wire.SuitePostQuantum} {
		if s.String() == name {
			return s, nil
		}
	}
	return 0, fmt.Errorf("%q is no suite: none, aes256gcm, chacha20poly1305, postquantum", name)
}

// check refuses what cannot work, in words of this package.
func (c *Config) check() error {
	hybrid := func(p Pin) bool { return p.Kind == security.KindHybrid }
	other := func(s wire.Suite) bool { return s != wire.SuitePostQuantum }
	switch {
	case c.HeartbeatInterval != 0 && c.HeartbeatInterval < time.Millisecond:
		return fmt.Errorf("client.Config.HeartbeatInterval is %v: it is at least 1ms", c.HeartbeatInterval)
	case len(c.Pins) == 0 && !c.TrustNew:
		return ErrNoPins
	case slices.Contains(c.Suites, wire.SuiteNone) && !c.AllowUnencrypted:
		return errUnencrypted
	case len(c.Suites) > 0 && !slices.ContainsFunc(c.Suites, other) && len(c.Pins) > 0 && !slices.ContainsFunc(c.Pins, hybrid):
		return errNoHybridPin // [XTMP-TRU-006]
	}
	return nil
}

// core is the configuration of the core.
func (c *Config) core() (session.Config, error) {
	if err := c.check(); err != nil {
		return session.Config{}, err
	}
	core := session.Config{
		Entropy:           rand.Reader,
		Suites:            c.Suites,
		HeartbeatInterval: c.HeartbeatInterval,
		Compression:       c.Compression,
		Trace:             c.Trace,
		Client: session.ClientConfig{
			Pins: c.Pins, TrustNew: c.TrustNew, ConnectTimeout: c.ConnectTimeout,
			Type: c.Type.paths(), Standby: !c.NoStandby,
		},
	}
	if c.ConnectTimeout < 0 {
		core.Client.ConnectTimeout = noTimeout
	}
	return core.Validate(session.Client)
}

// replyTimeout is ReplyTimeout with its default.
func (c *Config) replyTimeout() time.Duration {
	switch {
	case c.ReplyTimeout == 0:
		return DefaultReplyTimeout
	case c.ReplyTimeout < 0:
		return noTimeout
	default:
		return c.ReplyTimeout
	}
}
