package netsim

import (
	"net/netip"
	"slices"
)

// Protocol is what a packet carries.
type Protocol uint8

// The protocols.
const (
	UDP Protocol = iota
	TCP
)

func (p Protocol) String() string {
	if p == TCP {
		return "tcp"
	}
	return "udp"
}

// Packet is on its way between two hosts.
type Packet struct {
	Protocol Protocol
	Src, Dst netip.AddrPort // as seen on the link, behind a NAT
	Data     []byte         // of UDP what it carries, of TCP a segment with its header
}

// Size returns the length of the packet with its headers.
func (p *Packet) Size() int {
	n := len(p.Data) + 20
	if p.Dst.Addr().Is6() {
		n += 20
	}
	if p.Protocol == UDP {
		n += 8
	}
	return n
}

// newPacket returns a packet with a copy of data, made from one that is spent if
// there is any.
func (w *World) newPacket(proto Protocol, src, dst netip.AddrPort, data []byte) *Packet {
	if n := len(w.spent) - 1; n >= 0 {
		p := w.spent[n]
		w.spent = w.spent[:n]
		*p = Packet{proto, src, dst, append(p.Data[:0], data...)}
		return p
	}
	return &Packet{proto, src, dst, slices.Clone(data)}
}

// done takes back a packet that nobody holds any more.
func (w *World) done(p *Packet) { w.spent = append(w.spent, p) }
