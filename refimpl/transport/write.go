//go:build linux

package transport

import (
	"errors"
	"log/slog"

	"golang.org/x/sys/unix"

	"github.com/bpci/xtmp/refimpl/session"
)

// flush writes what endpoints have to send: in a wake-up one write for each
// connection, however much it is. Who has more is served in the next wake-up,
// which comes at once, with everybody else. Datagrams go into the batch of the loop.
func (l *loop) flush(now session.Now) {
	for _, c := range l.writable {
		if l.conns[c.id] == c {
			l.write(now, c)
		}
	}
	clear(l.writable)
	l.writable = l.writable[:0]
	l.goOn(now)
	for {
		id, ok := l.endpoint.NextOutput()
		if !ok {
			break
		}
		if l.udp.socket != nil && l.datagrams.Datagrams(id) {
			l.writeDatagrams(now, id)
			continue
		}
		switch c := l.conns[id]; {
		case l.endpoint.Fate(id) == session.Shut:
			l.finish(now, c)
		case c.pending == nil:
			l.write(now, c)
		}
	}
	if l.udp.socket != nil {
		l.resumeDatagrams(now)
		l.writeStrays()
	}
}

// goOn serves the connections that had more to send, in their order. One that has
// had its write in this wake-up stays.
func (l *loop) goOn(now session.Now) {
	waiting := len(l.more)
	for _, c := range l.more[:waiting] {
		c.queued = false
		if l.conns[c.id] == c && c.pending == nil {
			l.write(now, c)
		}
	}
	rest := copy(l.more, l.more[waiting:])
	clear(l.more[rest:])
	l.more = l.more[:rest]
}

// later has c served in the next wake-up.
func (l *loop) later(c *conn) {
	if !c.queued {
		c.queued = true
		l.more = append(l.more, c)
	}
}

// write sends what is pending, or else what the endpoint has; if the socket takes
// that, the connection goes on or meets its fate.
func (l *loop) write(now session.Now, c *conn) {
	if c.turn == l.turn {
		l.later(c)
		return
	}
	fate := l.endpoint.Fate(c.id)
	var out []byte
	switch {
	case c.pending != nil:
		out = c.pending.bytes
	case c.last == nil:
		l.out, fate = l.endpoint.AppendOutput(now, c.id, l.out[:0])
		out = l.out
		if c.web != nil {
			out, fate = l.wrap(c, out, fate)
		}
	}
	if len(out) > 0 {
		c.turn = l.turn
		n, err := unix.Write(int(c.fd), out)
		l.writes.Add(1)
		switch {
		case err == nil:
			l.bytesWritten.Add(uint64(n))
			out = out[n:]
		case !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR):
			l.lose(now, c)
			return
		}
		if len(out) > 0 && fate == session.Shut { // nobody waits for the rest
			l.lose(now, c)
			return
		}
		if len(out) > 0 {
			l.keep(now, c, out, fate)
			return
		}
		c.pending = nil
	}
	switch {
	case !l.await(now, c, unix.EPOLLIN):
	case c.last != nil:
		l.linger(now, c)
	case fate == session.Shut:
		l.finish(now, c)
	case c.turn == l.turn && l.hasOutput(c):
		l.later(c)
	case fate == session.Drain:
		c.endSending()
	}
}

// endSending ends the sending direction. A WebSocket has said Close instead.
func (c *conn) endSending() {
	if c.ended {
		return
	}
	c.ended = true
	if c.web == nil || c.web.socket == nil {
		_ = unix.Shutdown(int(c.fd), unix.SHUT_WR)
	}
}

// keep holds what the socket of c does not take until epoll says that it does.
func (l *loop) keep(now session.Now, c *conn, rest []byte, fate session.Fate) {
	if c.pending != nil {
		c.pending.bytes = rest // of itself
	} else {
		c.pending = &pending{bytes: append([]byte(nil), rest...)}
	}
	if fate == session.Drain && c.last == nil {
		c.last = &last{until: now.Elapsed + closeTimeout, room: lingerBytes}
	}
	events := uint32(unix.EPOLLIN | unix.EPOLLOUT)
	if c.last != nil && c.last.eof {
		events = unix.EPOLLOUT
	}
	l.await(now, c, events)
}

// await asks epoll to report events of c, if that is new. It reports false if c is
// lost.
func (l *loop) await(now session.Now, c *conn, events uint32) bool {
	if uint32(c.asked) == events {
		return true
	}
	c.asked = uint8(events)
	if err := l.watch(int(c.fd), int32(c.id), events, unix.EPOLL_CTL_MOD); err != nil {
		l.log.Error("a connection is dropped", slog.Any("error", err))
		l.lose(now, c)
		return false
	}
	return true
}
