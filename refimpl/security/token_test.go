package security

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bpci/xtmp/refimpl/wire"
	"github.com/bpci/xtmp/spec"
)

var client = netip.MustParseAddrPort("192.0.2.1:4711")

const startWall = 1790000000000000

func newTokens() *Tokens { return NewTokens(rand.NewChaCha8([32]byte{1}), time.Hour, startWall) }

// TestTokenTimers holds the constants to the registry.
func TestTokenTimers(t *testing.T) {
	got := map[string]time.Duration{"T_COOKIE": cookieLifetime, "T_COOKIE_KEY": cookieKeyEvery, "T_TOKEN": addressLifetime}
	for _, timer := range spec.Default().Timers {
		if d, ok := got[timer.Name]; ok && d != timer.Value {
			t.Errorf("%s is %v here, %v in the registry", timer.Name, d, timer.Value)
		}
		delete(got, timer.Name)
	}
	if len(got) > 0 {
		t.Errorf("not in the registry: %v", got)
	}
}

// TestTokenBinding moves each token to where it must not be valid.
func TestTokenBinding(t *testing.T) {
	k := newTokens()
	at := time.Hour
	cookie, address := k.Cookie(at, client, 7), k.AddressToken(at, client.Addr())
	otherPort := netip.AddrPortFrom(client.Addr(), 4712)
	otherHost := netip.MustParseAddrPort("192.0.2.2:4711")
	mapped := netip.MustParseAddrPort("[::ffff:192.0.2.1]:4711")
	for _, c := range []struct {
		name  string
		token [wire.TokenSize]byte
		from  netip.AddrPort
		id    uint64
		want  bool
	}{
		{"cookie", cookie, client, 7, true},
		{"cookie a second time", cookie, client, 7, true},
		{"cookie of a mapped address", cookie, mapped, 7, true},
		{"cookie at another port", cookie, otherPort, 7, false}, // [XTMP-TOK-007]
		{"cookie at another address", cookie, otherHost, 7, false},
		{"cookie for another handshake", cookie, client, 8, false},
		{"address token at another address", address, otherHost, 7, false}, // [XTMP-TOK-008]
		{"address token at another port", address, otherPort, 9, true},     // [XTMP-TOK-009]
		{"address token, the next fragment", address, otherPort, 9, true},
		{"address token for another handshake", address, otherPort, 10, false}, // [XTMP-TOK-012]
	} {
		if got := k.Valid(at, c.token[:], c.from, c.id); got != c.want {
			t.Errorf("%s: valid %v, want %v", c.name, got, c.want)
		}
	}
	if k.Valid(at, cookie[:47], client, 7) || k.Valid(at, nil, client, 7) {
		t.Error("a token of another length is valid")
	}
	if newTokens().Valid(at, (&[wire.TokenSize]byte{1, 1, 4: 255})[:], client, 7) {
		t.Error("a token of zeros is valid")
	}
}

// TestTokenBits: no bit of a token can change.
func TestTokenBits(t *testing.T) {
	k := newTokens()
	for _, token := range [][wire.TokenSize]byte{k.Cookie(time.Hour, client, 7), k.AddressToken(time.Hour, client.Addr())} {
		for bit := range 8 * wire.TokenSize {
			forged := token
			forged[bit/8] ^= 1 << (bit % 8)
			if k.Valid(time.Hour, forged[:], client, 7) {
				t.Errorf("kind %d without bit %d is valid", token[1], bit)
			}
		}
	}
}

// TestTokenTime issues tokens at any moment and asks for them at any later one:
// a cookie lives T_COOKIE and no second longer, an address token never longer than T_TOKEN.
// [XTMP-TOK-004] [XTMP-TOK-005] [XTMP-TOK-010]
func TestTokenTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := newTokens()
		moment := func(name string, within time.Duration) time.Duration {
			return time.Duration(rapid.Int64Range(0, int64(within)).Draw(t, name))
		}
		now := time.Hour
		for range rapid.IntRange(1, 5).Draw(t, "tokens") {
			now += moment("pause", 3*cookieKeyEvery)
			cookie := k.Cookie(now, client, 7)
			age := moment("age of the cookie", 15*time.Second)
			valid := k.Valid(now+age, cookie[:], client, 7)
			if age <= cookieLifetime && !valid || age > cookieLifetime+time.Second && valid {
				t.Fatalf("a cookie of %v: valid %v", age, valid)
			}
			now += age
			address := k.AddressToken(now, client.Addr())
			age = moment("age of the address token", addressLifetime+time.Minute)
			valid = k.Valid(now+age, address[:], client, 7)
			if age <= addressLifetime-time.Second && !valid || age > addressLifetime && valid {
				t.Fatalf("an address token of %v: valid %v", age, valid)
			}
			now += age
		}
	})
}

// TestTokenKeys: a generation is replaced when it is due, two are held, and a key
// that was not used for long is gone all the same. [XTMP-TOK-006] [XTMP-TOK-011]
func TestTokenKeys(t *testing.T) {
	k := newTokens()
	now := time.Hour
	first := k.Cookie(now, client, 7)
	now += cookieKeyEvery - 1
	if c := k.Cookie(now, client, 7); c[0] != first[0] {
		t.Error("the key is replaced early")
	}
	now++
	second := k.Cookie(now, client, 7)
	if second[0] != first[0]+1 {
		t.Errorf("generation %d follows %d", second[0], first[0])
	}
	old := k.cookies.keys[first[0]&1]
	now += 2 * cookieKeyEvery
	k.Cookie(now, client, 7)
	if k.cookies.keys[0] == old || k.cookies.keys[1] == old || k.cookies.last != second[0]+2 {
		t.Error("after a long pause an old key is held")
	}
}

// TestTokenAllocations: whoever sends tokens costs no memory. [XTMP-TOK-014]
func TestTokenAllocations(t *testing.T) {
	k := newTokens()
	reset := NewResetKey([32]byte{1})
	cookie, address := k.Cookie(time.Hour, client, 7), k.AddressToken(time.Hour, client.Addr())
	forged := cookie
	forged[47]++
	if n := testing.AllocsPerRun(100, func() {
		if !k.Valid(time.Hour, cookie[:], client, 7) || !k.Valid(time.Hour, address[:], client, 7) || k.Valid(time.Hour, forged[:], client, 7) {
			t.Fatal("judged wrongly")
		}
		k.Cookie(time.Hour, client, 7)
		k.AddressToken(time.Hour, client.Addr())
		reset.Token(5)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
