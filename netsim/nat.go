package netsim

import (
	"net/netip"

	"github.com/bpci/xtmp/netsim/vtime"
)

// nat stands before a host and gives each of its ports one of its own, to
// whomever it talks. It lets anybody in through a port that it gave.
type nat struct {
	addr  netip.Addr
	idle  vtime.Time // a port that sent nothing for so long is forgotten; 0 is never
	next  uint16
	ports []natPort // in the order they were given
}

type natPort struct {
	proto        Protocol
	inner, outer uint16
	used         vtime.Time
}

// firstNATPort is the first port that a NAT gives.
const firstNATPort = 20_000

// outbound returns the address that the world sees.
func (n *nat) outbound(now vtime.Time, proto Protocol, inner uint16) netip.AddrPort {
	n.expire(now)
	for i := range n.ports {
		if p := &n.ports[i]; p.proto == proto && p.inner == inner {
			p.used = now
			return netip.AddrPortFrom(n.addr, p.outer)
		}
	}
	n.next = max(n.next+1, firstNATPort)
	n.ports = append(n.ports, natPort{proto, inner, n.next, now})
	return netip.AddrPortFrom(n.addr, n.next)
}

// inbound returns the port behind outer.
func (n *nat) inbound(now vtime.Time, proto Protocol, outer uint16) (uint16, bool) {
	n.expire(now)
	for i := range n.ports {
		if p := &n.ports[i]; p.proto == proto && p.outer == outer {
			return p.inner, true
		}
	}
	return 0, false
}

func (n *nat) expire(now vtime.Time) {
	if n.idle == 0 {
		return
	}
	kept := n.ports[:0]
	for _, p := range n.ports {
		if now-p.used < n.idle {
			kept = append(kept, p)
		}
	}
	n.ports = kept
}

// rebind forgets every port: whoever sends next has a new one.
func (n *nat) rebind() { n.ports = n.ports[:0] }
