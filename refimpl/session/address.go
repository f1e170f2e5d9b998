package session

import (
	"net/netip"
	"time"

	"github.com/bpci/xtmp/refimpl/wire"
)

// challenge is the validation of another address of a client, at a server.
//
//	highest sequence from another address ─▶ challenge both ─ PATH_RESPONSE from the new one ─▶ it is the address
//	                                                        ─ T_CHALLENGE, or the old one speaks ─▶ the old one stays
//
// Until then the path sends to the new address, at most three times what came from it.
type challenge struct {
	to       netip.AddrPort
	token    [challengeSize]byte // for the new address
	other    [challengeSize]byte // for the old one
	began    time.Duration
	until    time.Duration
	received int  // bytes from the new address
	sent     int  // bytes to it
	askedNew bool // PATH_CHALLENGE was sent there
	askedOld bool
}

const challengeSize = 16

// allows reports whether n more bytes may go to the address. [XTMP-UDP-109]
func (c *challenge) allows(n int) bool { return c.sent+n <= amplification*c.received }

// allowance is how many bytes may go on a path now: all, unless an address is being
// validated. [XTMP-UDP-109]
func (p *Path) allowance() int {
	if c := p.udp.challenge; c != nil {
		return amplification*c.received - c.sent
	}
	return 1 << 30
}

// unsent reports whether a PATH_CHALLENGE is still to go.
func (c *challenge) unsent() bool {
	return !c.askedOld || !c.askedNew && c.allows(wire.Overhead+1+challengeSize)
}

// follow looks at where an authenticated frame of n bytes came from. newest is whether
// its sequence number is the highest so far. [XTMP-UDP-106] [XTMP-UDP-112] [XTMP-UDP-113] [XTMP-UDP-114]
func (s *Session) follow(now Now, p *Path, from netip.AddrPort, n int, newest bool) {
	u := p.udp
	switch c := u.challenge; {
	case s.role == Client:
	case p.attached && !p.handshaken: // [XTMP-ATT-039]
		u.peer = from
		p.sample(now.Elapsed - p.openedAt)
	case c != nil && from == c.to:
		c.received += n
	case !newest:
	case from == u.peer:
		u.challenge = nil
	default:
		u.challenge = &challenge{to: from, began: now.Elapsed, until: now.Elapsed + 3*p.pto(), received: n}
		if s.draw(u.challenge.token[:]) != nil || s.draw(u.challenge.other[:]) != nil {
			u.challenge = nil
		}
	}
}

// appendChallenge seals a PATH_CHALLENGE that is to go. [XTMP-UDP-107]
func (s *Session) appendChallenge(now Now, p *Path, dst []byte) ([]byte, netip.AddrPort) {
	c := p.udp.challenge
	var to netip.AddrPort
	token := &c.token
	switch {
	case !c.askedNew && c.allows(wire.Overhead+1+challengeSize):
		c.askedNew, to = true, c.to
	case !c.askedOld:
		c.askedOld, to, token = true, p.udp.peer, &c.other
	default:
		return dst, to
	}
	start := len(dst)
	body := append([]byte{byte(wire.PathChallenge)}, token[:]...)
	dst = s.seal(now, p, dst, wire.TypeHeartbeat, 0, nil, body)
	if to == c.to {
		c.sent += len(dst) - start
	}
	return dst, to
}

// receivePathResponse ends a validation. [XTMP-UDP-110] [XTMP-UDP-115]
func (s *Session) receivePathResponse(now Now, p *Path, from netip.AddrPort, data []byte) {
	if p.kind != UDP || p.udp.challenge == nil {
		return
	}
	c := p.udp.challenge
	if from != c.to || len(data) != challengeSize || [challengeSize]byte(data) != c.token {
		return
	}
	if c.to.Addr() != p.udp.peer.Addr() {
		p.udp.send.Restart()
		p.sample(now.Elapsed - c.began)
	}
	p.udp.peer, p.udp.challenge = c.to, nil
}

// destination is where the datagrams of the path go; n bytes of them go now. What goes
// out without asking how much may, as Disconnect does, stays with the old address.
// [XTMP-UDP-108] [XTMP-UDP-109]
func (p *Path) destination(n int) netip.AddrPort {
	if c := p.udp.challenge; c != nil && c.allows(n) {
		c.sent += n
		return c.to
	}
	return p.udp.peer
}
