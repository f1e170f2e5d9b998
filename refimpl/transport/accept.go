package transport

import (
	"errors"
	"log/slog"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"github.com/bpci/xtmp/refimpl/session"
)

// listen makes this loop the one that accepts.
func (l *loop) listen(fd int) error {
	var err error
	if l.spare, err = unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return os.NewSyscallError("open", err)
	}
	l.accepts = true
	return l.watch(fd, unix.EPOLLIN, unix.EPOLL_CTL_ADD)
}

// accept takes waiting connections and deals them out in turn.
func (l *loop) accept(now session.Now) {
	for range acceptBatch {
		fd, address, err := unix.Accept4(l.server.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch {
		case err == nil:
			l.deal(now, fd, source(address))
		case errors.Is(err, unix.EAGAIN):
			return
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ECONNABORTED):
		case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
			if !l.shed() {
				l.pauseAccept(now, err)
				return
			}
		default:
			l.pauseAccept(now, err)
			return
		}
	}
}

// deal hands a connection to the loop whose turn it is.
func (l *loop) deal(now session.Now, fd int, source netip.Addr) {
	s := l.server
	if s.cfg.MaxConnections > 0 && s.Sessions() >= s.cfg.MaxConnections {
		_ = unix.Close(fd)
		return
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	to := s.loops[l.next]
	l.next = (l.next + 1) % len(s.loops)
	to.open.Add(1)
	if to == l {
		l.adopt(now, fd, source)
		return
	}
	to.post(func(now session.Now) { to.adopt(now, fd, source) })
}

// adopt makes a connection one of this loop's.
func (l *loop) adopt(now session.Now, fd int, source netip.Addr) {
	id, ok := l.endpoint.Open(now, source)
	if !ok { // shutting down
		_ = unix.Close(fd)
		l.open.Add(-1)
		return
	}
	c := &conn{fd: fd, id: id}
	for fd >= len(l.conns) {
		l.conns = append(l.conns, nil)
	}
	l.conns[fd] = c
	for int(id) >= len(l.byID) {
		l.byID = append(l.byID, nil)
	}
	l.byID[id] = c
	if err := l.watch(fd, unix.EPOLLIN, unix.EPOLL_CTL_ADD); err != nil {
		l.log.Error("a connection is dropped", slog.Any("error", err))
		l.endpoint.Lost(now, id)
		l.drop(c)
	}
}

// shed refuses one waiting connection when no descriptor is left: it gives up
// the spare one to accept and close it, so that the peer learns at once and the
// listener does not stay ready for ever.
func (l *loop) shed() bool {
	_ = unix.Close(l.spare)
	fd, _, err := unix.Accept4(l.server.listener, unix.SOCK_CLOEXEC)
	if err == nil {
		_ = unix.Close(fd)
	}
	var again error
	l.spare, again = unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	return err == nil && again == nil
}

// pauseAccept leaves connections waiting for a moment.
func (l *loop) pauseAccept(now session.Now, why error) {
	l.log.Warn("accepting pauses", slog.Any("error", os.NewSyscallError("accept4", why)))
	_ = l.watch(l.server.listener, 0, unix.EPOLL_CTL_DEL)
	l.resume = now.Elapsed + acceptPause
}

func (l *loop) resumeAccept() {
	l.resume = 0
	if err := l.watch(l.server.listener, unix.EPOLLIN, unix.EPOLL_CTL_ADD); err != nil {
		l.log.Error("accepting does not resume", slog.Any("error", err))
	}
}

// source is the peer's address without its port.
func source(a unix.Sockaddr) netip.Addr {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(a.Addr)
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(a.Addr).Unmap()
	default:
		return netip.Addr{}
	}
}
