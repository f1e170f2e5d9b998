//go:build linux

package transport

import (
	"io"
	"net/netip"
	"sync"
	"time"

	"github.com/bpci/xtmp/refimpl/clock"
	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/wire"
)

// tokens are the proofs of an address of all loops: a client may come back to
// another loop than the one that gave it its token.
type tokens struct {
	mu     sync.Mutex
	tokens *security.Tokens
}

func newTokens(entropy io.Reader) *tokens {
	now := clock.Now()
	return &tokens{tokens: security.NewTokens(entropy, now.Elapsed, now.Wall)}
}

// Cookie implements endpoint.Tokens.
func (t *tokens) Cookie(elapsed time.Duration, from netip.AddrPort, handshakeID uint64) [wire.TokenSize]byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tokens.Cookie(elapsed, from, handshakeID)
}

// AddressToken implements endpoint.Tokens.
func (t *tokens) AddressToken(elapsed time.Duration, ip netip.Addr) [wire.TokenSize]byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tokens.AddressToken(elapsed, ip)
}

// Valid implements endpoint.Tokens.
func (t *tokens) Valid(elapsed time.Duration, token []byte, from netip.AddrPort, handshakeID uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tokens.Valid(elapsed, token, from, handshakeID)
}
