package world

import (
	"bytes"
	"time"

	"github.com/bpci/xtmp/netsim"
	"github.com/bpci/xtmp/netsim/vtime"
	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/session"
)

// Site is what runs have in common: the identity of the servers, which is dear to
// make, and memory. It has one owner, who makes one run at a time with it.
type Site struct {
	seed     []byte
	identity *security.Identity
	in, out  []byte // shared by all nodes: one of them handles an input at a time
	opened   []byte
}

// ioBuffer is how much a node reads at once.
const ioBuffer = 16 << 10

// NewSite makes a site.
func NewSite() *Site {
	seed := bytes.Repeat([]byte{0x58}, 32)
	id, err := security.NewIdentity(seed)
	if err != nil {
		panic("world: internal error: " + err.Error()) // the seed has its length
	}
	return &Site{seed: seed, identity: id, in: make([]byte, ioBuffer, 2*ioBuffer)}
}

// pins are what the clients trust.
func (s *Site) pins() []security.Pin {
	return []security.Pin{{Kind: s.identity.Kind(), Fingerprint: s.identity.Fingerprint(), Key: s.identity.Key()}}
}

// entropy draws from the host on which a node handles an input.
type entropy struct{ io *netsim.IO }

// Read implements io.Reader.
func (e *entropy) Read(b []byte) (int, error) {
	e.io.Entropy(b)
	return len(b), nil
}

// clocks turns a host's clocks into those of a session.
func clocks(n netsim.Now) session.Now {
	return session.Now{Elapsed: time.Duration(n.Elapsed) * time.Microsecond, Wall: uint64(n.Wall)}
}

// instant turns a deadline of a session into a host's time, which is coarser:
// never early.
func instant(d time.Duration) vtime.Time {
	return vtime.Time((d + time.Microsecond - 1) / time.Microsecond)
}

// span turns a time of a plan into one of a configuration.
func span(t vtime.Time) time.Duration { return time.Duration(t) * time.Microsecond }
