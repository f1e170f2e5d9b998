package client

import (
	"sync"
	"time"

	"github.com/bpci/xtmp/refimpl/wire"
)

// tokensKept is how many servers Tokens remembers.
const tokensKept = 256

// Tokens remembers, for the next first contact on UDP, what a server gave: an
// address token, which saves a round trip and is used once, and the round-trip time
// that was met. The zero value is ready. It may be shared by any number of
// sessions. [XTMP-TOK-018]
type Tokens struct {
	mu   sync.Mutex
	held map[server]remembered
}

// server is an address and the identity that was met there. [XTMP-TOK-016]
type server struct {
	address  string
	identity Fingerprint
}

type remembered struct {
	token [wire.TokenSize]byte
	rtt   time.Duration
}

// put remembers the newest token of a server.
func (t *Tokens) put(address string, identity Fingerprint, token [wire.TokenSize]byte, rtt time.Duration) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held == nil {
		t.held = map[server]remembered{}
	}
	key := server{lower(address), identity}
	if _, known := t.held[key]; !known && len(t.held) >= tokensKept {
		for other := range t.held { // any
			delete(t.held, other)
			break
		}
	}
	t.held[key] = remembered{token, rtt}
}

// take returns what is remembered of the server at an address with one of the
// identities, if anything is, and forgets it. [XTMP-TOK-017]
func (t *Tokens) take(address string, pins []Pin) (token []byte, rtt time.Duration) {
	if t == nil {
		return nil, 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, pin := range pins {
		key := server{lower(address), pin.Fingerprint}
		if r, ok := t.held[key]; ok {
			delete(t.held, key)
			return r.token[:], r.rtt
		}
	}
	return nil, 0
}
