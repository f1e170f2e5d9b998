package udp

import (
	"context"
	"net"
	"net/netip"
	"syscall"
)

// connBuffer is what the kernel may hold for a Conn in either direction, in bytes,
// unless the limits of the system are lower.
const connBuffer = 4 << 20

// Conn is a UDP socket of two goroutines: one calls Receive, the other Room, Add,
// Waiting and Flush. Close may be called by any.
type Conn struct {
	*sender
	receiver *receiver
	conn     *net.UDPConn
	raw      syscall.RawConn
	reading  func(fd uintptr) bool // made once: a closure costs an allocation
	writing  func(fd uintptr) bool
	arrived  []Datagram
	err      error // of reading
}

// Open binds a socket to a local address, host:port. Empty, or port 0, lets the
// system choose.
func Open(ctx context.Context, local string) (*Conn, error) {
	if local == "" {
		local = ":0"
	}
	conn, err := open(ctx, local, connBuffer, func(int) error { return nil })
	if err != nil {
		return nil, err
	}
	c := &Conn{conn: conn}
	if err := c.start(); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

func (c *Conn) start() (err error) {
	if c.raw, err = c.conn.SyscallConn(); err != nil {
		return err
	}
	var family int
	var from *sources
	err = onFD(c.raw, func(fd int) (err error) {
		family, from, err = describe(fd)
		return err
	})
	if err != nil {
		return err
	}
	c.sender, c.receiver = newSender(family, from), newReceiver(connPieces, pieceBytes, from)
	c.reading = func(fd uintptr) bool {
		c.arrived, c.err = c.receiver.take(int(fd))
		return c.err != nil || len(c.arrived) > 0
	}
	c.writing = func(fd uintptr) bool { return c.flush(int(fd)) }
	return nil
}

// Addr returns the address that is bound.
func (c *Conn) Addr() netip.AddrPort { return c.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// Receive waits for datagrams and returns those that are there. An error is final;
// after Close it is net.ErrClosed.
func (c *Conn) Receive() ([]Datagram, error) {
	if err := c.raw.Read(c.reading); err != nil {
		return nil, err
	}
	return c.arrived, c.err
}

// Flush sends what was added, and waits for room if there is none. An error is
// final; after Close it is net.ErrClosed.
func (c *Conn) Flush() error { return c.raw.Write(c.writing) }

// Close ends the socket, and both goroutines' calls.
func (c *Conn) Close() error { return c.conn.Close() }
