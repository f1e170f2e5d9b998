package udp

import (
	"context"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// Socket is a UDP socket of an event loop. It has one owner and never blocks.
type Socket struct {
	*sender
	receiver *receiver
	fd       int
	addr     netip.AddrPort
}

// Listen binds n sockets to one address, host:port, whose datagrams they share;
// port 0 lets the system choose. Each peer's go to one of them, unless Steer says
// better. The kernel may hold buffer bytes for each, in either direction, unless the
// limits of the system are lower. The error of a taken or illegal address is a *net.OpError: an address is
// not shared with other programs. [XTMP-UDP-014]
func Listen(ctx context.Context, address string, n, buffer int) ([]*Socket, error) {
	var all []*Socket
	for range n {
		s, err := listen(ctx, address, buffer, len(all) > 0)
		if err == nil {
			all = append(all, s)
			address = s.addr.String()
		}
		if err == nil && n > 1 && len(all) == 1 {
			// It was bound alone, to meet whoever has the address, and lets in the others.
			err = share(s.fd)
		}
		if err != nil {
			for _, s := range all {
				s.Close()
			}
			return nil, err
		}
	}
	return all, nil
}

// share lets several sockets have one address.
func share(fd int) error {
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
}

// listen opens the socket through the standard library, for its address parsing
// and errors, and keeps a descriptor of its own.
func listen(ctx context.Context, address string, buffer int, shared bool) (*Socket, error) {
	conn, err := open(ctx, address, buffer, func(fd int) error {
		if !shared {
			return nil
		}
		return share(fd)
	})
	if err != nil {
		return nil, err
	}
	defer conn.Close() // the duplicate lives on
	s := &Socket{fd: -1, addr: conn.LocalAddr().(*net.UDPAddr).AddrPort()}
	var family int
	var from *sources
	err = control(conn, func(fd int) (err error) {
		if family, from, err = describe(fd); err != nil {
			return err
		}
		s.fd, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		return os.NewSyscallError("fcntl", err)
	})
	if err != nil {
		return nil, err
	}
	s.sender, s.receiver = newSender(family, from), newReceiver(loopPieces, pieceBytes, from)
	return s, nil
}

// Addr returns the address that is bound.
func (s *Socket) Addr() netip.AddrPort { return s.addr }

// FD returns the descriptor, for epoll.
func (s *Socket) FD() int { return s.fd }

// Receive returns datagrams that have arrived, nothing if none has. There may be
// more. An error is final.
func (s *Socket) Receive() ([]Datagram, error) { return s.receiver.take(s.fd) }

// Flush sends what was added. It reports false if some of it waits until the socket
// is writable.
func (s *Socket) Flush() bool { return s.flush(s.fd) }

// Close releases the descriptor. What waits is lost.
func (s *Socket) Close() {
	if s.fd >= 0 {
		_ = unix.Close(s.fd)
		s.fd = -1
	}
}

// Steer has the kernel hand each datagram to the socket, of those that share the
// address of s in the order of Listen, that the 32-bit word at an offset of its
// payload names, masked. A word of 0, and a number that no socket has, leave it to
// the peer's address. The error is that of a kernel that cannot.
func (s *Socket) Steer(offset, mask uint32) error {
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 0, Jt: 2},
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: mask},
		{Code: unix.BPF_RET | unix.BPF_A},
		{Code: unix.BPF_RET | unix.BPF_K, K: ^uint32(0)},
	}
	return os.NewSyscallError("setsockopt", unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF,
		&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}))
}
