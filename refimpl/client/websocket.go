package client

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"runtime"
	"time"

	"github.com/gobwas/ws"

	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/websocket"
)

// Constants of WebSockets.
const (
	lingerTimeout = time.Second // T_LINGER
	maxAnswer     = 8 << 10     // B of the answer to an opening
	maskBuffer    = 512         // B of masking keys that are drawn at once
)

// webSocket is a WebSocket as a carrier.
//
//	open ─ Fate Drain or Shut, the server's Close, a message that is refused ─▶ Close is said ─▶ the server's, or T_LINGER ─▶ closed
type webSocket struct {
	net.Conn
	early []byte // that came with the answer to the opening

	// What the lock of the session guards.
	side   *websocket.Conn
	frames []byte // of the core, on their way into messages
	held   bool   // the core knows of the beginning of a message
	ending bool   // the path is over
}

// openWebSocket opens a WebSocket. The first frame is sent when the server has
// accepted it. [XTMP-WSK-001] [XTMP-WSK-002] [XTMP-WSK-004]
func openWebSocket(ctx context.Context, address, from string) (*webSocket, error) {
	conn, err := openConnection(ctx, address, from)
	if err != nil {
		return nil, err
	}
	c := &webSocket{Conn: conn, side: websocket.NewClient(bufio.NewReaderSize(rand.Reader, maskBuffer))}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	err = c.negotiate(address)
	if !stop() {
		err = context.Cause(ctx)
	} else if err != nil {
		err = fmt.Errorf("ConnectionFailed: the server opens no WebSocket: %w", err)
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

// negotiate makes a WebSocket of the connection.
func (c *webSocket) negotiate(address string) error {
	d := ws.Dialer{Protocols: []string{websocket.Subprotocol}}
	bounded := struct {
		io.Reader
		io.Writer
	}{io.LimitReader(c.Conn, maxAnswer), c.Conn}
	early, got, err := d.Upgrade(bounded, &url.URL{Scheme: "ws", Host: address, Path: websocket.Path})
	if early != nil {
		defer ws.PutReader(early)
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("it hangs up or says too much")
	case err != nil:
		return err
	case got.Protocol != websocket.Subprotocol: // [XTMP-WSK-003]
		return errors.New("it does not select " + websocket.Subprotocol)
	case early != nil:
		c.early = make([]byte, early.Buffered())
		_, err = io.ReadFull(early, c.early)
	}
	return err
}

func (c *webSocket) read(l *link) {
	buf := make([]byte, readBuffer)
	b := c.early
	var err error
	take := func() {
		l.took(len(b))
		if !l.closed {
			c.receive(l, b)
		}
		if err != nil {
			l.end()
		}
	}
	for {
		l.session.input(take)
		if err != nil {
			return
		}
		var n int
		n, err = c.Read(buf)
		b = buf[:n]
	}
}

// receive hands the core the frames in b. The caller holds the lock.
func (c *webSocket) receive(l *link, b []byte) {
	s := l.session
	if s.core.Fate(l.id) != session.Keep { // the last frame is sent
		s.core.Receive(s.now, l.id, b) // counts it
		c.side.Stop()
	}
	c.side.Feed(b)
	for f, ok := c.side.Next(); ok; f, ok = c.side.Next() {
		if s.core.Receive(s.now, l.id, f); s.core.Fate(l.id) != session.Keep {
			c.side.Stop()
		}
	}
	if n := c.side.Held(); n > 0 || c.held {
		c.held = n > 0
		s.core.Begun(s.now, l.id, n)
	}
	switch {
	case c.side.Ended() && c.side.Said():
		s.core.Cut(s.now, l.id)
		l.close()
	case c.side.Ended(), c.side.Failed(): // [XTMP-WSK-024]
		s.core.Cut(s.now, l.id)
	case c.side.Owes():
		l.rouse()
	}
}

// shut ends the WebSocket of a path that is over: the writer says Close if it can
// soon. The caller holds the lock.
func (c *webSocket) shut(l *link) {
	if !c.ending {
		c.ending = true
		_ = c.SetWriteDeadline(time.Now().Add(lingerTimeout))
	}
	l.rouse()
}

// write makes one write of all that waits.
func (c *webSocket) write(l *link) {
	var out []byte
	for {
		var fate session.Fate
		var ok bool
		if out, fate, ok = c.take(l, out[:0]); !ok {
			return
		}
		if len(out) > 0 {
			if _, err := c.Write(out); err != nil {
				// What the server said before it went away is still read.
				_ = c.SetReadDeadline(time.Now().Add(lastRead))
				return
			}
			continue
		}
		if fate == session.Shut { // Close is said: the reader awaits the server's [XTMP-WSK-025]
			_ = c.SetReadDeadline(time.Now().Add(lingerTimeout))
			return
		}
		<-l.wake
		runtime.Gosched() // whoever is about to send joins this write
	}
}

// take appends what is to be written. It reports false if there will be nothing any
// more.
func (c *webSocket) take(l *link, out []byte) ([]byte, session.Fate, bool) {
	frames, fate, ok := l.take(c.frames[:0])
	s := l.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if !ok {
		return nil, fate, false
	}
	c.frames = frames
	out = c.side.AppendPong(out)
	out = c.side.AppendMessages(out, frames)
	if fate != session.Keep { // [XTMP-WSK-022] [XTMP-WSK-023]
		out = c.side.AppendClose(out)
	}
	if fate == session.Shut && c.side.Ended() && len(out) == 0 {
		l.close()
	}
	l.writing = len(out) > 0
	return out, fate, true
}

// dialWebSocket completes the handshake on a WebSocket.
func dialWebSocket(ctx context.Context, address string, cfg Config) (*Session, error) {
	c, err := openWebSocket(ctx, address, cfg.LocalAddress)
	if err != nil {
		return nil, err
	}
	local := anyPort(cfg.LocalAddress)
	return open(ctx, c, cfg, func(s *Session) {
		s.address, s.remote = address, c.RemoteAddr().String()
		s.open = func(ctx context.Context, _ session.Transport, address string) (carrier, netip.AddrPort, error) {
			c, err := openWebSocket(ctx, address, local)
			return c, netip.AddrPort{}, err
		}
	})
}

// dialAuto completes the handshake on a connection, or else on a WebSocket: whoever is
// between may let nothing else pass.
func dialAuto(ctx context.Context, address string, cfg Config) (*Session, error) {
	s, err := dialTCP(ctx, address, cfg, nil)
	if !errors.Is(err, ErrRefused) && !errors.Is(err, ErrNotXTMP) {
		return s, err
	}
	s, second := dialWebSocket(ctx, address, cfg)
	if second != nil {
		return nil, fmt.Errorf("%w; and over a WebSocket: %w", err, second)
	}
	return s, nil
}
