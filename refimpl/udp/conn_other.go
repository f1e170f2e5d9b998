//go:build !linux

package udp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
)

// Implementation constants.
const (
	pieceBytes   = 64 << 10 // B: no datagram is larger
	receiveTries = 16       // errors in a row that are not the socket's own
)

// Conn is a UDP socket of two goroutines: one calls Receive, the other Room, Add,
// Waiting and Flush. Close may be called by any.
type Conn struct {
	Batch
	conn    *net.UDPConn
	piece   []byte
	arrived [1]Datagram
}

// Open binds a socket to a local address, host:port. Empty, or port 0, lets the
// system choose.
func Open(ctx context.Context, local string) (*Conn, error) {
	if local == "" {
		local = ":0"
	}
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(setDF) // [XTMP-UDP-006]
	}}
	pc, err := lc.ListenPacket(ctx, "udp", local)
	if err != nil {
		return nil, err
	}
	return &Conn{Batch: newBatch(), conn: pc.(*net.UDPConn), piece: make([]byte, pieceBytes+Spare)}, nil
}

// Addr returns the address that is bound.
func (c *Conn) Addr() netip.AddrPort { return c.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// Receive waits for a datagram. An error is final; after Close it is
// net.ErrClosed.
func (c *Conn) Receive() ([]Datagram, error) {
	for tries := 0; ; tries++ {
		n, from, err := c.conn.ReadFromUDPAddrPort(c.piece[:pieceBytes])
		switch {
		case err == nil:
			c.arrived[0] = Datagram{Plain(from), c.piece[: n : n+Spare]}
			return c.arrived[:], nil
		case errors.Is(err, net.ErrClosed), tries == receiveTries:
			return nil, err
		}
		// What a network reports says nothing about the other peers. [XTMP-UDP-008]
	}
}

// Flush sends what was added. An error is final; after Close it is net.ErrClosed.
func (c *Conn) Flush() error {
	for c.Waiting() > 0 {
		i := c.items[c.head]
		// A datagram that the system refuses is sent and lost. [XTMP-UDP-007]
		if _, err := c.conn.WriteToUDPAddrPort(c.bytes[i.start:i.end], i.to); errors.Is(err, net.ErrClosed) {
			return err
		}
		c.sent(1)
	}
	return nil
}

// Close ends the socket, and both goroutines' calls.
func (c *Conn) Close() error { return c.conn.Close() }
