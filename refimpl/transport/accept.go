//go:build linux

package transport

import (
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bpci/xtmp/refimpl/endpoint"
	"github.com/bpci/xtmp/refimpl/session"
)

// Implementation constants.
const (
	acceptBatch = 8 // connections accepted per wake-up: each costs as much as a hundred messages
	acceptPause = 100 * time.Millisecond

	// refusalRoom is how many connections beyond MaxConnections may exist at
	// once to be told SERVER_BUSY. More than that are cut.
	refusalRoom = 128

	// complainEvery spaces the warnings about connections that are cut.
	complainEvery = 10 * time.Second
)

// listen makes this loop the one that accepts.
func (l *loop) listen(fd int) error {
	var err error
	if l.spare, err = unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return os.NewSyscallError("open", err)
	}
	l.accepts = true
	return l.watch(fd, theListener, unix.EPOLLIN, unix.EPOLL_CTL_ADD)
}

// accept takes waiting connections and deals them out in turn.
func (l *loop) accept() {
	for range acceptBatch {
		fd, address, err := unix.Accept4(l.server.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		now := l.clock.Now()
		switch {
		case err == nil:
			l.deal(now, fd, source(address))
			continue
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ECONNABORTED):
			continue
		case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
			err = l.shed(now, err)
		}
		switch {
		case err == nil: // one is gone, there may be more
		case errors.Is(err, unix.EAGAIN):
			return
		default:
			l.pauseAccept(now, err)
			return
		}
	}
}

// deal hands a connection to the loop whose turn it is.
func (l *loop) deal(now session.Now, fd int, source netip.Addr) {
	s := l.server
	if limit := s.cfg.MaxConnections; limit >= 0 && s.Connections() >= limit+refusalRoom {
		_ = unix.Close(fd)
		l.complain(now, "max_connections is reached")
		return
	}
	if !s.admission.arrive(source) {
		_ = unix.Close(fd)
		l.complain(now, "a source has too many connections without a session")
		return
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if !s.cfg.NoKeepAlive {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	}
	to := s.loops[l.next]
	l.next = (l.next + 1) % len(s.loops)
	to.open.Add(1)
	if to == l {
		l.adopt(now, fd, source)
		return
	}
	to.post(func(now session.Now) { to.adopt(now, fd, source) })
}

// adopt makes a connection one of this loop's, unless that takes none any more.
func (l *loop) adopt(now session.Now, fd int, source netip.Addr) (id endpoint.ConnID, ok bool) {
	if id, ok = l.endpoint.Open(now, source); !ok { // shutting down
		l.release(fd, source)
		return 0, false
	}
	c := l.seats.Take()
	*c = conn{fd: int32(fd), id: id, asked: unix.EPOLLIN}
	if !l.server.cfg.NoWebSocket {
		c.web = &l.fresh
	}
	for int(id) >= len(l.conns) {
		l.conns = append(l.conns, nil)
	}
	l.conns[id] = c
	if err := l.watch(fd, int32(id), unix.EPOLLIN, unix.EPOLL_CTL_ADD); err != nil {
		l.log.Error("a connection is dropped", slog.Any("error", err))
		l.lose(now, c)
		return 0, false
	}
	return id, true
}

// handOver gives connections to the loops of the sessions to which they attach, with
// what they have brought. [XTMP-PTH-053]
func (l *loop) handOver(now session.Now) {
	for f, ok := l.endpoint.NextForeign(now); ok; f, ok = l.endpoint.NextForeign(now) {
		c := l.conns[f.Conn]
		l.conns[f.Conn] = nil
		fd, web := int(c.fd), c.web
		_ = l.watch(fd, int32(f.Conn), 0, unix.EPOLL_CTL_DEL)
		if !c.queued {
			l.gone = append(l.gone, c)
		}
		to := l.server.loops[f.Shard]
		l.open.Add(-1)
		to.open.Add(1)
		to.post(func(now session.Now) {
			id, ok := to.adopt(now, fd, f.Source)
			if !ok {
				return
			}
			c := to.conns[id]
			c.web = web
			to.endpoint.Receive(now, id, f.Bytes)
			if web != nil {
				if to.endpoint.Fate(id) != session.Keep {
					web.socket.Stop()
				}
				to.hold(now, c, web.socket.Held())
			}
		})
	}
}

// release closes a descriptor that deal accepted, and uncounts it before the peer
// can know.
func (l *loop) release(fd int, source netip.Addr) {
	l.open.Add(-1)
	l.server.admission.depart(source)
	_ = unix.Close(fd)
}

// shed refuses one waiting connection when no descriptor is left: it gives up
// the spare one to accept and close it, so that the peer learns at once and the
// listener does not stay ready for ever. It returns EAGAIN if none waits, and
// why it cannot shed otherwise.
func (l *loop) shed(now session.Now, why error) error {
	if l.spare < 0 {
		return why
	}
	_ = unix.Close(l.spare)
	fd, _, err := unix.Accept4(l.server.listener, unix.SOCK_CLOEXEC)
	if err == nil {
		_ = unix.Close(fd)
		l.complain(now, "no descriptor is left: raise the limit of open files, or lower max_connections")
	}
	if spare, again := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0); again == nil {
		l.spare = spare
	} else {
		l.spare = -1 // pauses until it can be had again
	}
	return err
}

// complain warns that connections are cut, now and then.
func (l *loop) complain(now session.Now, why string) {
	if l.complained != 0 && now.Elapsed-l.complained < complainEvery {
		return
	}
	l.complained = now.Elapsed
	l.log.Warn("connections are cut", slog.String("reason", why))
}

// pauseAccept leaves connections waiting for a moment.
func (l *loop) pauseAccept(now session.Now, why error) {
	l.log.Warn("accepting pauses", slog.Any("error", os.NewSyscallError("accept4", why)))
	_ = l.watch(l.server.listener, theListener, 0, unix.EPOLL_CTL_DEL)
	l.resume = now.Elapsed + acceptPause
}

func (l *loop) resumeAccept() {
	l.resume = 0
	if l.spare < 0 {
		if spare, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
			l.spare = spare
		}
	}
	if err := l.watch(l.server.listener, theListener, unix.EPOLLIN, unix.EPOLL_CTL_ADD); err != nil {
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
