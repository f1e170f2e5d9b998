//go:build linux

package transport

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/bpci/xtmp/refimpl/session"
)

// Constants of the specification.
const (
	closeTimeout   = 5 * time.Second // T_CLOSE
	lingerTimeout  = time.Second     // T_LINGER
	lingerBytes    = 64 << 10
	lingerBytesMax = 1 << 20
)

// last is the end of a connection whose socket does not take the last frame at
// once. The session counts T_LINGER from the moment at which the loop takes that
// frame; here the loop counts it from the moment at which the socket does, and
// bounds the wait for that by T_CLOSE. Meanwhile it discards what arrives.
// [XTMP-DSC-012] [XTMP-DSC-013]
//
//	session: Drain ─ part of the frame written ─▶ waiting ─ all written ─▶ lingering ─ T_LINGER, end of stream, 64 KiB ─▶ closed
//	                                                 └ T_CLOSE ─▶ closed
type last struct {
	until time.Duration // when the loop gives up: T_CLOSE, then T_LINGER
	room  int           // bytes that may be discarded while lingering
	eof   bool          // the peer sends no more
	held  bool          // the session is over; the connection is in loop.held
}

// finish ends a connection whose session wants it shut, unless its last frame is
// still on its way.
func (l *loop) finish(now session.Now, c *conn) {
	switch {
	case c.last == nil && l.sayClose(now, c):
	case c.last == nil || now.Elapsed >= c.last.until:
		l.lose(now, c)
	case !c.last.held:
		c.last.held = true
		l.held = append(l.held, c)
	}
}

// linger begins T_LINGER: the socket has taken the last frame.
func (l *loop) linger(now session.Now, c *conn) {
	if c.ended {
		return
	}
	c.endSending()
	if c.last.eof {
		l.lose(now, c)
		return
	}
	c.last.until = now.Elapsed + lingerTimeout
}

// discard takes what arrives behind the last frame. Nothing of it has an effect.
func (l *loop) discard(now session.Now, c *conn, n int, err error) {
	if n > 0 && c.web != nil && c.web.ends(l.in[:n]) {
		n = 0
	}
	switch {
	case err != nil || n == 0 && c.ended:
		l.lose(now, c)
	case n == 0:
		c.last.eof = true
		l.await(now, c, unix.EPOLLOUT)
	case c.ended:
		if c.last.room -= n; c.last.room < 0 {
			l.lose(now, c)
		}
	}
}

// giveUp closes the connections whose time is over.
func (l *loop) giveUp(now session.Now) {
	if len(l.held) == 0 {
		return
	}
	kept := l.held[:0]
	for _, c := range l.held {
		switch {
		case l.conns[c.id] != c: // it is closed
		case now.Elapsed >= c.last.until:
			l.lose(now, c)
		default:
			kept = append(kept, c)
		}
	}
	clear(l.held[len(kept):])
	l.held = kept
}

// nextGiveUp is when giveUp has something to do; 0 if it never has.
func (l *loop) nextGiveUp() (next time.Duration) {
	for _, c := range l.held {
		if next == 0 || c.last.until < next {
			next = c.last.until
		}
	}
	return next
}
