package udp

import (
	"net"
	"net/netip"
	"strconv"
)

// Plain returns an address as Datagram.From shows it: IPv4 unmapped, and the zone
// of a link-local address as the number of its interface.
func Plain(a netip.AddrPort) netip.AddrPort {
	ip := a.Addr().Unmap()
	if zone := ip.Zone(); zone != "" {
		ip = withZone(ip, zoneIndex(zone))
	}
	return netip.AddrPortFrom(ip, a.Port())
}

func withZone(ip netip.Addr, index uint32) netip.Addr {
	if index == 0 {
		return ip.WithZone("")
	}
	return ip.WithZone(strconv.FormatUint(uint64(index), 10))
}

// zoneIndex is the number of the interface that a zone names; 0 if there is none.
func zoneIndex(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n)
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	return 0
}
