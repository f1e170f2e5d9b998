package udp

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// message is the memory that one element of recvmmsg or sendmmsg points to. It
// must not move once it is linked.
type message struct {
	name    unix.RawSockaddrInet6 // or an Inet4, which is shorter
	vector  unix.Iovec
	control [8]uint64 // aligned as control messages are; IPV6_PKTINFO and an int need 56 B
}

const controlBytes = 8 * 8

// link makes the headers point to their messages.
func link(headers []unix.Mmsghdr, messages []message) {
	for i := range headers {
		h, m := &headers[i].Hdr, &messages[i]
		h.Name = (*byte)(unsafe.Pointer(&m.name))
		h.Iov = &m.vector
		h.SetIovlen(1)
		h.Control = (*byte)(unsafe.Pointer(&m.control))
	}
}

// controls is the memory for control messages as bytes.
func (m *message) controls() []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(&m.control)), controlBytes)
}

func (m *message) setBytes(b []byte) {
	m.vector.Base = unsafe.SliceData(b)
	m.vector.SetLen(len(b))
}

// inet4 is the name of a socket of IPv4.
func (m *message) inet4() *unix.RawSockaddrInet4 {
	return (*unix.RawSockaddrInet4)(unsafe.Pointer(&m.name))
}

// port is a port as addresses hold it: in the order of the network.
func port(p *uint16) *[2]byte { return (*[2]byte)(unsafe.Pointer(p)) }

// from reads the name.
func (m *message) from() netip.AddrPort {
	if m.name.Family == unix.AF_INET {
		n := m.inet4()
		return netip.AddrPortFrom(netip.AddrFrom4(n.Addr), binary.BigEndian.Uint16(port(&n.Port)[:]))
	}
	ip := netip.AddrFrom16(m.name.Addr).Unmap()
	if m.name.Scope_id != 0 {
		ip = withZone(ip, m.name.Scope_id)
	}
	return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(port(&m.name.Port)[:]))
}

// setTo writes the name for a socket of a family, AF_INET or AF_INET6, and returns
// its length: 0 for an address that the family does not have.
func (m *message) setTo(family int, to netip.AddrPort) uint32 {
	ip := to.Addr()
	switch {
	case family == unix.AF_INET && ip.Is4():
		n := m.inet4()
		*n = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: ip.As4()}
		binary.BigEndian.PutUint16(port(&n.Port)[:], to.Port())
		return unix.SizeofSockaddrInet4
	case family == unix.AF_INET6 && ip.IsValid():
		m.name = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: ip.As16(), Scope_id: zoneIndex(ip.Zone())}
		binary.BigEndian.PutUint16(port(&m.name.Port)[:], to.Port())
		return unix.SizeofSockaddrInet6
	default:
		return 0
	}
}

// appendControl appends a control message with room for n bytes of data, which it
// returns.
func appendControl(b []byte, level, kind int32, n int) (all, data []byte) {
	start := len(b)
	all = b[:start+unix.CmsgSpace(n)]
	clear(all[start:])
	h := (*unix.Cmsghdr)(unsafe.Pointer(&all[start]))
	h.Level, h.Type = level, kind
	h.SetLen(unix.CmsgLen(n))
	return all, all[start+unix.CmsgLen(0):][:n]
}

// appendSource appends the address from which a message is to leave.
func appendSource(b []byte, family int, local netip.Addr) []byte {
	if family == unix.AF_INET {
		b, data := appendControl(b, unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
		(*unix.Inet4Pktinfo)(unsafe.Pointer(&data[0])).Spec_dst = local.As4()
		return b
	}
	b, data := appendControl(b, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
	(*unix.Inet6Pktinfo)(unsafe.Pointer(&data[0])).Addr = local.As16()
	return b
}

// appendSegment appends the size of the datagrams of a message.
func appendSegment(b []byte, size int) []byte {
	b, data := appendControl(b, unix.IPPROTO_UDP, unix.UDP_SEGMENT, 2)
	binary.NativeEndian.PutUint16(data, uint16(size))
	return b
}

// readControls reads what the kernel says about a message: the size of its
// datagrams, 0 if it is one, and the address at which it arrived, if that is asked
// for.
func readControls(b []byte) (segment int, local netip.Addr) {
	for len(b) >= unix.SizeofCmsghdr {
		h, data, rest, err := unix.ParseOneSocketControlMessage(b)
		if err != nil {
			break
		}
		switch {
		case h.Level == unix.IPPROTO_UDP && h.Type == unix.UDP_GRO && len(data) >= 4:
			segment = int(binary.NativeEndian.Uint32(data))
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			local = netip.AddrFrom4((*unix.Inet4Pktinfo)(unsafe.Pointer(&data[0])).Spec_dst)
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			local = netip.AddrFrom16((*unix.Inet6Pktinfo)(unsafe.Pointer(&data[0])).Addr).Unmap()
		}
		b = rest
	}
	return segment, local
}

// mmsg is a call of recvmmsg or sendmmsg that does not wait.
type mmsg func(fd int, headers []unix.Mmsghdr) (n int, err unix.Errno)

func recvmmsg(fd int, headers []unix.Mmsghdr) (int, unix.Errno) {
	return call(unix.SYS_RECVMMSG, fd, headers)
}

func sendmmsg(fd int, headers []unix.Mmsghdr) (int, unix.Errno) {
	return call(unix.SYS_SENDMMSG, fd, headers)
}

func call(number uintptr, fd int, headers []unix.Mmsghdr) (int, unix.Errno) {
	for {
		n, _, err := unix.Syscall6(number, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(headers))), uintptr(len(headers)),
			unix.MSG_DONTWAIT, 0, 0)
		if err != unix.EINTR {
			return int(n), err
		}
	}
}
