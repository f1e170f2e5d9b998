package security

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"io"
	"net/netip"
	"time"

	"github.com/bpci/xtmp/refimpl/wire"
)

// Timers of tokens.
const (
	cookieLifetime  = 10 * time.Second        // T_COOKIE
	cookieKeyEvery  = 60 * time.Second        // T_COOKIE_KEY
	addressLifetime = 86400 * time.Second     // T_TOKEN, of a token and of its key
	usedTokens      = 4096                    // address tokens whose use is remembered, 64 KiB
	tokenLabel      = "XTMP/1 cookie"         // of both kinds
	tokenClear      = 16                      // bytes of a token before its MAC
	tokenInput      = tokenClear + 16 + 2 + 8 // … and what it is bound to: client_ip ‖ client_port ‖ handshake_id
)

// Kinds of tokens.
const (
	kindCookie  = 1
	kindAddress = 2
)

// Tokens issues and verifies the proofs of an address that an instance gives out.
//
//	0 key_gen · 1 kind · 2 zero u16 · 4 expiry u32 · 8 salt[8] · 16 HMAC-SHA-256(k, label ‖ 0 … 15 ‖ client_ip ‖ binding)
//
// The keys are drawn here and never leave; a key is replaced at the first use that
// finds it old. Expiry is counted in elapsed time, so setting the clock changes
// nothing. Tokens has one owner; the shards of an instance share it behind a lock.
// [XTMP-TOK-002]
type Tokens struct {
	entropy   io.Reader
	origin    uint64 // µs since the Unix epoch when the elapsed time was 0
	cookies   generations
	addresses generations
	used      [usedTokens]use // by salt
	input     [len(tokenLabel) + tokenInput]byte
	sum       [sha256.Size]byte
	seed      [sha256.Size]byte
}

// use is the one handshake for which an address token was accepted.
type use struct{ salt, handshakeID uint64 }

// generations are the two newest keys of one kind. [XTMP-TOK-006] [XTMP-TOK-011]
type generations struct {
	keys  [2]hash.Hash // HMACs, by the lowest bit of the generation; nil if it is not held
	every time.Duration
	due   time.Duration // when the newest is to be replaced
	last  uint8         // generation of the newest
}

// NewTokens draws the keys of an instance. elapsed and wallMicros are two readings
// of the clocks at one moment.
func NewTokens(entropy io.Reader, elapsed time.Duration, wallMicros uint64) *Tokens {
	t := &Tokens{entropy: entropy, origin: wallMicros - uint64(elapsed/time.Microsecond)}
	copy(t.input[:], tokenLabel)
	t.cookies.every, t.addresses.every = cookieKeyEvery, addressLifetime
	t.next(&t.cookies, elapsed)
	t.next(&t.addresses, elapsed)
	return t
}

// next begins a generation.
func (t *Tokens) next(g *generations, elapsed time.Duration) {
	t.draw(t.seed[:])
	g.last++
	g.keys[g.last&1] = hmac.New(sha256.New, t.seed[:])
	g.due = elapsed + g.every
	clear(t.seed[:])
}

// renew replaces keys that are due.
func (t *Tokens) renew(g *generations, elapsed time.Duration) {
	if elapsed < g.due {
		return
	}
	if elapsed >= g.due+g.every { // the newest should have been replaced twice
		t.next(g, elapsed)
	}
	t.next(g, elapsed)
}

func (t *Tokens) draw(b []byte) {
	if _, err := io.ReadFull(t.entropy, b); err != nil {
		panic("xtmp: internal error: entropy failed: " + err.Error())
	}
}

// Cookie returns the body of a Retry: the proof that whoever sends it back, from
// the same address and port and for the same handshake, received it there.
// [XTMP-TOK-001] [XTMP-TOK-003]
func (t *Tokens) Cookie(elapsed time.Duration, from netip.AddrPort, handshakeID uint64) [wire.TokenSize]byte {
	t.renew(&t.cookies, elapsed)
	const second = uint64(time.Second / time.Microsecond)
	expiry := (t.unix(elapsed+cookieLifetime) + second - 1) / second // no cookie dies early [XTMP-TOK-004] [XTMP-TOK-005]
	return t.issue(&t.cookies, kindCookie, expiry, from, handshakeID)
}

// AddressToken returns what HandshakeDone carries: the proof that whoever sends it
// back received it at this IP address. [XTMP-TOK-015]
func (t *Tokens) AddressToken(elapsed time.Duration, ip netip.Addr) [wire.TokenSize]byte {
	t.renew(&t.addresses, elapsed)
	expiry := t.unix(elapsed+addressLifetime) / uint64(time.Second/time.Microsecond) // never late [XTMP-TOK-010]
	return t.issue(&t.addresses, kindAddress, expiry, netip.AddrPortFrom(ip, 0), 0)
}

func (t *Tokens) unix(elapsed time.Duration) uint64 {
	return t.origin + uint64(elapsed/time.Microsecond)
}

func (t *Tokens) issue(g *generations, kind byte, expiry uint64, from netip.AddrPort, handshakeID uint64) (token [wire.TokenSize]byte) {
	token[0], token[1] = g.last, kind
	binary.BigEndian.PutUint32(token[4:], uint32(expiry))
	t.draw(t.seed[:8])
	copy(token[8:], t.seed[:8])
	copy(token[tokenClear:], t.mac(g.keys[g.last&1], token[:], from, handshakeID))
	return token
}

// mac computes the MAC of a token of either kind.
func (t *Tokens) mac(key hash.Hash, token []byte, from netip.AddrPort, handshakeID uint64) []byte {
	b := append(t.input[:len(tokenLabel)], token[:tokenClear]...)
	ip := from.Addr().As16()
	b = append(b, ip[:]...)
	if token[1] == kindCookie {
		b = binary.BigEndian.AppendUint16(b, from.Port())
		b = binary.BigEndian.AppendUint64(b, handshakeID)
	}
	key.Reset()
	key.Write(b)
	return key.Sum(t.sum[:0])
}

// Valid reports whether the sender of a datagram with this token has proven its
// address. It takes one HMAC and no memory. [XTMP-TOK-014]
func (t *Tokens) Valid(elapsed time.Duration, token []byte, from netip.AddrPort, handshakeID uint64) bool {
	if len(token) != wire.TokenSize || token[2] != 0 || token[3] != 0 {
		return false
	}
	g := &t.cookies
	switch token[1] {
	case kindCookie:
	case kindAddress:
		g = &t.addresses
	default:
		return false
	}
	t.renew(g, elapsed)
	const second = uint64(time.Second / time.Microsecond)
	key := g.keys[token[0]&1]
	if g.last-token[0] > 1 || key == nil || t.unix(elapsed) > uint64(binary.BigEndian.Uint32(token[4:]))*second {
		return false
	}
	// [XTMP-TOK-007] [XTMP-TOK-008]
	if !hmac.Equal(t.mac(key, token, from, handshakeID), token[tokenClear:]) {
		return false
	}
	return token[1] == kindCookie || t.once(binary.BigEndian.Uint64(token[8:]), handshakeID)
}

// once remembers for which handshake an address token was used, as long as no
// other token takes its place, and reports whether it is this one. [XTMP-TOK-012]
func (t *Tokens) once(salt, handshakeID uint64) bool {
	u := &t.used[salt%usedTokens]
	if *u != (use{}) && u.salt == salt {
		return u.handshakeID == handshakeID
	}
	*u = use{salt, handshakeID}
	return true
}

// ResetKey makes the tokens by which a server proves that it has lost a session.
// [XTMP-HSK-033]
type ResetKey struct {
	mac   hash.Hash
	input [len(resetLabel) + 8]byte
	sum   [sha256.Size]byte
}

const resetLabel = "XTMP/1 reset"

// NewResetKey returns the key of an instance. It has one owner.
func NewResetKey(key [32]byte) *ResetKey {
	k := &ResetKey{mac: hmac.New(sha256.New, key[:])}
	copy(k.input[:], resetLabel)
	return k
}

// Token returns the reset token of a session, without allocating.
func (k *ResetKey) Token(sessionID uint64) [16]byte {
	binary.BigEndian.PutUint64(k.input[len(resetLabel):], sessionID)
	k.mac.Reset()
	k.mac.Write(k.input[:])
	return [16]byte(k.mac.Sum(k.sum[:0]))
}
