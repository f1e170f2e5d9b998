package client

import (
	"fmt"
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/wire"
)

// A token goes to the server that gave it, once. [XTMP-TOK-016] [XTMP-TOK-017]
func TestTokens(t *testing.T) {
	one, two := Pin{Fingerprint: Fingerprint{1}}, Pin{Fingerprint: Fingerprint{2}}
	var held Tokens
	held.put("Host:1", one.Fingerprint, [wire.TokenSize]byte{10}, time.Second)
	held.put("host:1", one.Fingerprint, [wire.TokenSize]byte{11}, 2*time.Second)
	for _, other := range []struct {
		address string
		pins    []Pin
	}{{"host:2", []Pin{one}}, {"host:1", []Pin{two}}, {"host:1", nil}} {
		if token, _ := held.take(other.address, other.pins); token != nil {
			t.Errorf("%s with %v gets a token", other.address, other.pins)
		}
	}
	token, rtt := held.take("HOST:1", []Pin{two, one})
	if len(token) != wire.TokenSize || token[0] != 11 || rtt != 2*time.Second {
		t.Errorf("the newest token is %x, %v", token, rtt)
	}
	if token, _ := held.take("host:1", []Pin{one}); token != nil {
		t.Error("a token is used twice")
	}
	var none *Tokens
	none.put("host:1", one.Fingerprint, [wire.TokenSize]byte{}, 0)
	if token, _ := none.take("host:1", []Pin{one}); token != nil {
		t.Error("nil remembers")
	}
	for i := range 2 * tokensKept {
		held.put(fmt.Sprintf("host:%d", i), one.Fingerprint, [wire.TokenSize]byte{}, 0)
	}
	if n := len(held.held); n != tokensKept {
		t.Errorf("%d servers are remembered", n)
	}
	if token, _ := held.take(fmt.Sprintf("host:%d", 2*tokensKept-1), []Pin{one}); token == nil {
		t.Error("the newest is forgotten")
	}
}
