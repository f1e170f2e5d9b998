package conformance

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// A Socket is a UDP socket between one local address and the target. What passes is
// recorded and counted, a datagram at a time. It is a net.Conn, so that a scripted
// peer can own it: a Read is one datagram, a Write another.
type Socket struct {
	line
	raw *net.UDPConn
}

var _ net.Conn = (*Socket)(nil)

// receiveBuffer is what the system is asked to hold of datagrams that nobody has
// read yet, in bytes. It may give less.
const receiveBuffer = 4 << 20

// DialUDP opens a socket at this case's own source address. It ends the case as
// unsupported when the target says that it has no UDP.
func (x *Exchange) DialUDP() *Socket {
	s, err := x.DialUDPAs(0)
	if err != nil {
		x.Inconclusive("no UDP socket toward the peer: %s", dialFailure(err))
	}
	return s
}

// DialUDPAs opens a socket at one of several source addresses, each time at another
// port: persons are those of DialAs.
func (x *Exchange) DialUDPAs(person int) (*Socket, error) { return x.DialUDPFrom(person, 0) }

// DialUDPFrom is DialUDPAs from a port of the caller's choice, 0 for another each time.
func (x *Exchange) DialUDPFrom(person, port int) (*Socket, error) {
	if person < 0 || person >= MaxPersons {
		x.harness("person %d is not between 0 and %d", person, MaxPersons-1)
	}
	x.checkLive()
	if x.endpoint.UDP == "" {
		x.Unsupported("UDP")
	}
	if err := x.pacer.wait(x.ctx); err != nil {
		x.checkLive()
		return nil, err
	}
	raw, err := openSocket(x.ctx, x.endpoint.UDP, netip.AddrPortFrom(x.sources.person(person), uint16(port)), x.Wait(BudgetConnect).Longest())
	x.checkLive()
	if err != nil {
		x.Note("no socket: %v", err)
		return nil, err
	}
	_ = raw.SetReadBuffer(receiveBuffer) // less is enough for most
	s := &Socket{raw: raw}
	x.opened(s, &s.line, line{local: addrPort(raw.LocalAddr()), remote: addrPort(raw.RemoteAddr()), udp: true}, "UDP ")
	return s, nil
}

// openSocket binds to source if it is valid, and falls back to the host's own
// choice where the address does not exist. The time is for a name to be resolved.
func openSocket(ctx context.Context, addr string, source netip.AddrPort, within time.Duration) (*net.UDPConn, error) {
	dialer := net.Dialer{Timeout: within}
	if source.Addr().IsValid() || source.Port() != 0 {
		dialer.LocalAddr = &net.UDPAddr{IP: source.Addr().AsSlice(), Port: int(source.Port())}
	}
	conn, err := dialer.DialContext(ctx, "udp", addr)
	if source.Addr().IsValid() && errors.Is(err, syscall.EADDRNOTAVAIL) {
		dialer.LocalAddr = nil
		conn, err = dialer.DialContext(ctx, "udp", addr)
	}
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil // the network is "udp"
}

// Read reads one datagram; what does not fit p is lost. An ICMP message is no
// reason for an error: it leaves a note. Beyond what the case may receive it returns
// an error, and the case is inconclusive.
func (s *Socket) Read(p []byte) (int, error) {
	for {
		n, err := s.raw.Read(p)
		if errors.Is(err, syscall.ECONNREFUSED) {
			s.x.Note("ICMP: nobody listens at %v", s.remote)
			continue
		}
		if err != nil {
			return n, err
		}
		s.passed(WayReceived, p[:n])
		return n, s.x.count(n, 0)
	}
}

// Write sends one datagram. It is recorded before it goes out, since the answer may be
// read by another goroutine.
func (s *Socket) Write(p []byte) (int, error) {
	s.passed(WaySent, p)
	n, err := s.raw.Write(p)
	if errors.Is(err, syscall.ECONNREFUSED) { // about a datagram before; this one did not go out
		n, err = s.raw.Write(p)
	}
	if err != nil {
		s.x.Note("the datagram before was not sent: %v", err)
	}
	return n, err
}

// Port is our port.
func (s *Socket) Port() int { return int(s.local.Port()) }

// Host is our address without the port.
func (s *Socket) Host() netip.Addr { return s.local.Addr() }

// Close closes the socket. The peer does not see it.
func (s *Socket) Close() error { return s.raw.Close() }

// LocalAddr returns our address.
func (s *Socket) LocalAddr() net.Addr { return s.raw.LocalAddr() }

// RemoteAddr returns the peer's address.
func (s *Socket) RemoteAddr() net.Addr { return s.raw.RemoteAddr() }

// SetDeadline is for code that needs a net.Conn.
func (s *Socket) SetDeadline(t time.Time) error { return s.raw.SetDeadline(t) }

// SetReadDeadline is for code that needs a net.Conn.
func (s *Socket) SetReadDeadline(t time.Time) error { return s.raw.SetReadDeadline(t) }

// SetWriteDeadline is for code that needs a net.Conn.
func (s *Socket) SetWriteDeadline(t time.Time) error { return s.raw.SetWriteDeadline(t) }
