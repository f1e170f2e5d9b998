package conformance

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// A Conn is a TCP connection to the target. What passes is recorded and
// counted. It is a net.Conn, so that a scripted peer can own it.
type Conn struct {
	line
	raw  *net.TCPConn
	over bool // an end of the connection by the peer has been recorded
	left bool // an end of our half has been recorded
}

var _ net.Conn = (*Conn)(nil)

// Dial connects to the target from this case's own source address. It ends the
// case as inconclusive when no connection can be made.
func (x *Exchange) Dial() *Conn {
	c, err := x.DialAs(0)
	if err != nil {
		x.Inconclusive("no connection to the peer: %s", dialFailure(err))
	}
	return c
}

// DialAs connects from one of several source addresses: the peer meets persons
// 0 to MaxPersons-1 as different hosts, where the target is on the loopback
// network.
func (x *Exchange) DialAs(person int) (*Conn, error) {
	if person < 0 || person >= MaxPersons {
		x.harness("person %d is not between 0 and %d", person, MaxPersons-1)
	}
	x.checkLive()
	if err := x.pacer.wait(x.ctx); err != nil {
		x.checkLive()
		return nil, err
	}
	raw, err := dialFrom(x.ctx, x.endpoint.TCP, x.sources.person(person), x.Wait(BudgetConnect).Longest())
	x.checkLive()
	if err != nil {
		x.Note("no connection: %v", err)
		return nil, err
	}
	c := &Conn{raw: raw}
	x.opened(c, &c.line, line{local: addrPort(raw.LocalAddr()), remote: addrPort(raw.RemoteAddr())}, "")
	return c, nil
}

// dialFrom binds to source if it is valid, and falls back to the host's own
// choice where the address does not exist.
func dialFrom(ctx context.Context, addr string, source netip.Addr, within time.Duration) (*net.TCPConn, error) {
	dialer := net.Dialer{Timeout: within}
	if source.IsValid() {
		dialer.LocalAddr = &net.TCPAddr{IP: source.AsSlice()}
	}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if source.IsValid() && errors.Is(err, syscall.EADDRNOTAVAIL) {
		dialer.LocalAddr = nil
		conn, err = dialer.DialContext(ctx, "tcp", addr)
	}
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil // the network is "tcp"
}

// dialFailure names the cause without addresses, so that the words are the
// same from run to run.
func dialFailure(err error) string {
	var network net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET):
		return "connection reset"
	case errors.As(err, &network) && network.Timeout():
		return "no answer within " + BudgetConnect
	}
	return "it failed"
}

// Read reads from the peer. Beyond what the case may receive it returns an
// error, and the case is inconclusive.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.raw.Read(p)
	if n > 0 {
		c.passed(WayReceived, p[:n])
		if flood := c.x.count(n, 0); flood != nil {
			return n, flood
		}
	}
	c.recordEnd(err)
	return n, err
}

// Write writes to the peer.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.raw.Write(p)
	if n > 0 {
		c.passed(WaySent, p[:n])
	}
	c.recordEnd(err)
	return n, err
}

// Within bounds the following reads and writes by the named wait, counted from
// now. After it they return os.ErrDeadlineExceeded.
func (c *Conn) Within(name string) {
	limit := c.x.Within(name)
	_ = c.raw.SetDeadline(time.Now().Add(limit)) // fails only on a closed connection; the next read tells
}

// End reads and drops what the peer still sends until it ends the connection
// or the named wait is over, and says which: CleanClose, Reset or Silence.
func (c *Conn) End(wait string) Observation {
	c.Within(wait)
	_, err := io.Copy(io.Discard, c)
	if err == nil {
		err = io.EOF
	}
	return c.x.Observe(err, wait)
}

// Close ends the connection.
func (c *Conn) Close() error {
	c.leave(false)
	return c.raw.Close()
}

// leave records for the capture that our half ends, once.
func (c *Conn) leave(reset bool) {
	c.x.mu.Lock()
	defer c.x.mu.Unlock()
	if !c.left {
		c.left = true
		c.x.recording.add(&c.line, Move{Way: WayEnd, Reset: reset})
	}
}

// CloseWrite ends our half of the byte stream (FIN).
func (c *Conn) CloseWrite() error {
	c.x.record(Entry{Conn: c.id, Way: WayEnd, Label: "our half closed"})
	c.leave(false)
	return c.raw.CloseWrite()
}

// Reset ends the connection with RST.
func (c *Conn) Reset() error {
	c.x.record(Entry{Conn: c.id, Way: WayEnd, Label: "reset by us"})
	c.leave(true)
	_ = c.raw.SetLinger(0)
	return c.raw.Close()
}

// LocalAddr returns our address.
func (c *Conn) LocalAddr() net.Addr { return c.raw.LocalAddr() }

// RemoteAddr returns the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.raw.RemoteAddr() }

// SetDeadline is for code that needs a net.Conn; a case uses Within.
func (c *Conn) SetDeadline(t time.Time) error { return c.raw.SetDeadline(t) }

// SetReadDeadline is for code that needs a net.Conn; a case uses Within.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.raw.SetReadDeadline(t) }

// SetWriteDeadline is for code that needs a net.Conn; a case uses Within.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.raw.SetWriteDeadline(t) }

// recordEnd notes how the connection ended, once.
func (c *Conn) recordEnd(err error) {
	o, ok := Seen(err, "")
	if !ok || o.Kind != KindCleanClose && o.Kind != KindReset {
		return
	}
	c.x.mu.Lock()
	defer c.x.mu.Unlock()
	if !c.over {
		c.over = true
		c.x.recording.add(&c.line, Move{Way: WayEnd, ByPeer: true, Reset: o.Kind == KindReset})
		c.x.timeline.add(Entry{Conn: c.id, Way: WayEnd, Label: "by the peer: " + o.String()})
	}
}
