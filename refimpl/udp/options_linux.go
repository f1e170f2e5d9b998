package udp

import (
	"context"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// open binds a UDP socket with the options of all, and those that also sets.
func open(ctx context.Context, address string, buffer int, also func(fd int) error) (*net.UDPConn, error) {
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return onFD(raw, func(fd int) error {
			if err := prepare(fd, buffer); err != nil {
				return err
			}
			return also(fd)
		})
	}}
	conn, err := lc.ListenPacket(ctx, "udp", address)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

// control calls f with the descriptor of a socket.
func control(conn *net.UDPConn, f func(fd int) error) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	return onFD(raw, f)
}

func onFD(raw syscall.RawConn, f func(fd int) error) error {
	var err error
	if outer := raw.Control(func(fd uintptr) { err = f(int(fd)) }); outer != nil {
		return outer
	}
	return err
}

// prepare sets what every socket has, before it is bound. What a system lacks
// costs time and changes nothing, but for DF.
func prepare(fd, buffer int) error {
	family, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	// DF, and no heed to what ICMP says of the size: the fixed size, or nothing.
	// On a socket for both families the option of IPv4 is that of mapped addresses.
	// [XTMP-UDP-006] [XTMP-UDP-007]
	err = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
	if family == unix.AF_INET6 {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE)
	}
	if err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, buffer)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, buffer)
	return nil
}

// describe returns the family of a bound socket, and the sources of one that is
// bound to every address of the machine, which then tells where a message arrived.
func describe(fd int) (family int, from *sources, err error) {
	name, err := unix.Getsockname(fd)
	if err != nil {
		return 0, nil, os.NewSyscallError("getsockname", err)
	}
	switch name := name.(type) {
	case *unix.SockaddrInet4:
		if family = unix.AF_INET; name.Addr == [4]byte{} {
			from = &sources{}
			err = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
		}
	case *unix.SockaddrInet6:
		if family = unix.AF_INET6; name.Addr == [16]byte{} { // and of IPv4, mapped
			from = &sources{}
			err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
		}
	}
	return family, from, os.NewSyscallError("setsockopt", err)
}
