//go:build linux

package transport

import (
	"bytes"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/websocket"
)

// magic is what XTMP over TCP begins with.
const magic = "XTMP"

// web is what a connection has that is not XTMP over TCP, or not yet known to be;
// one over TCP has none.
//
//	undecided ─ XTMP, or what no request begins with ─▶ TCP
//	    └ else ─▶ request ─ /xtmp, xtmp.v1 ─▶ 101, open ─ Close of one side ─▶ closing ─ of the other, or T_LINGER ─▶ closed
//	                 └ anything else ─▶ its answer ─ end of stream, or T_LINGER ─▶ closed
//
// Meanwhile the session awaits ClientHello, so that T_HANDSHAKE_TCP and the limits
// of half-open connections hold from the beginning. [XTMP-WSK-012]
type web struct {
	begun  []byte          // what the connection begins with, while more of it is needed
	held   bool            // the endpoint knows that something is kept
	socket *websocket.Conn // nil until it is open
}

// ends takes what arrives behind the last frame, and reports whether the peer's Close
// is among it.
func (w *web) ends(b []byte) bool {
	if w.socket == nil {
		return false
	}
	w.socket.Stop()
	w.socket.Feed(b)
	for _, ok := w.socket.Next(); ok; _, ok = w.socket.Next() {
		continue
	}
	return w.socket.Ended()
}

// readWeb takes what a connection that has a web has brought.
func (l *loop) readWeb(now session.Now, c *conn, b []byte) {
	if c.web.socket == nil {
		if b = l.begin(now, c, b); len(b) == 0 {
			return
		}
	}
	w := c.web
	if l.endpoint.Fate(c.id) != session.Keep { // the last frame is on its way
		l.endpoint.Receive(now, c.id, b) // which counts it [XTMP-DSC-013]
		if w.ends(b) {
			l.lose(now, c)
		}
		return
	}
	w.socket.Feed(b)
	for f, ok := w.socket.Next(); ok; f, ok = w.socket.Next() {
		if l.endpoint.Receive(now, c.id, f); l.endpoint.Fate(c.id) != session.Keep {
			w.socket.Stop()
		}
	}
	l.hold(now, c, w.socket.Held())
	switch {
	case w.socket.Failed():
		l.endpoint.Cut(now, c.id)
	case w.socket.Ended() && c.pending != nil: // nobody takes it any more
		l.lose(now, c)
	case w.socket.Ended() || w.socket.Owes():
		l.writable = append(l.writable, c)
	}
}

// hold tells the endpoint how much memory is held for what has begun to arrive.
func (l *loop) hold(now session.Now, c *conn, n int) {
	if n > 0 || c.web.held {
		c.web.held = n > 0
		l.endpoint.Begun(now, c.id, n)
	}
}

// begin looks at what a connection begins with. Once that has opened a WebSocket it
// returns what came behind. What no HTTP request begins with is left to the session,
// which refuses it. [XTMP-WSK-008]
func (l *loop) begin(now session.Now, c *conn, b []byte) (rest []byte) {
	if len(c.web.begun) > 0 {
		b = append(c.web.begun, b...)
	}
	switch undecided := len(b) < len(magic) && strings.HasPrefix(magic, string(b)); {
	case undecided:
	case bytes.HasPrefix(b, []byte(magic)), !websocket.MayBeHTTP(b):
		l.hold(now, c, 0)
		c.web = nil
		l.endpoint.Receive(now, c.id, b)
		return nil
	default:
		head, rest, whole := websocket.Head(b)
		switch {
		case len(head) > websocket.MaxRequest, !whole && len(b) > websocket.MaxRequest:
			l.refuse(now, c, websocket.Refusal("431 Request Header Fields Too Large", "at most 4096 bytes"))
			return nil
		case whole:
			return l.serveHTTP(now, c, head, rest)
		}
	}
	if len(c.web.begun) > 0 {
		c.web.begun = b
	} else {
		c.web = &web{begun: bytes.Clone(b)}
	}
	l.hold(now, c, cap(c.web.begun))
	return nil
}

// serveHTTP answers a request, and returns what came behind one that has opened a
// WebSocket. Here paths are told apart.
func (l *loop) serveHTTP(now session.Now, c *conn, head, rest []byte) []byte {
	if websocket.PathOf(head) != websocket.Path {
		l.refuse(now, c, websocket.Refusal("404 Not Found", "there is nothing of this name"))
		return nil
	}
	answer, ok := websocket.Accept(head)
	if !ok {
		l.refuse(now, c, answer)
		return nil
	}
	if !l.say(c, answer) {
		l.lose(now, c)
		return nil
	}
	c.web = &web{socket: websocket.NewServer(), held: c.web.held}
	l.hold(now, c, 0)
	return rest
}

// refuse gives an answer that is the last.
func (l *loop) refuse(now session.Now, c *conn, answer []byte) {
	if !l.say(c, answer) {
		l.lose(now, c)
		return
	}
	c.endSending()
	l.awaitEnd(now, c, 0)
}

// say writes what the endpoint knows nothing of, and reports whether the socket has
// taken it.
func (l *loop) say(c *conn, b []byte) bool {
	c.turn = l.turn
	n, err := unix.Write(int(c.fd), b)
	l.writes.Add(1)
	l.bytesWritten.Add(uint64(max(n, 0)))
	return err == nil && n == len(b)
}

// awaitEnd waits for the end of the peer's stream: T_LINGER at most, and 64 KiB behind
// what is left of a message that is refused. [XTMP-DSC-013]
func (l *loop) awaitEnd(now session.Now, c *conn, left int64) {
	c.ended = true
	c.last = &last{until: now.Elapsed + lingerTimeout, room: int(min(lingerBytes+left, lingerBytesMax)), held: true}
	l.held = append(l.held, c)
}

// sayClose closes the WebSocket of a session that is over, and reports whether the
// peer's Close is awaited. [XTMP-WSK-022] [XTMP-WSK-025]
func (l *loop) sayClose(now session.Now, c *conn) bool {
	if c.web == nil || c.web.socket == nil || c.web.socket.Said() || c.pending != nil {
		return false
	}
	if !l.say(c, c.web.socket.AppendClose(nil)) || c.web.socket.Ended() {
		return false
	}
	l.awaitEnd(now, c, c.web.socket.Left())
	return true
}

// wrap makes messages of frames. A Pong precedes them, and Close follows the last, or
// the peer's. [XTMP-WSK-023] [XTMP-WSK-024]
func (l *loop) wrap(c *conn, frames []byte, fate session.Fate) ([]byte, session.Fate) {
	s := c.web.socket
	if s == nil {
		return frames, fate
	}
	l.wire = s.AppendPong(l.wire[:0])
	l.wire = s.AppendMessages(l.wire, frames)
	if s.Ended() {
		fate = session.Shut
	}
	if s.Ended() || fate == session.Drain {
		l.wire = s.AppendClose(l.wire)
	}
	return l.wire, fate
}

// hasOutput reports whether c has more to send.
func (l *loop) hasOutput(c *conn) bool {
	return l.endpoint.HasOutput(c.id) || c.web != nil && c.web.socket != nil && c.web.socket.Owes()
}
