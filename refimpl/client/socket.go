package client

import (
	"context"
	"net"
	"net/netip"
	"runtime"
	"slices"

	"github.com/bpci/xtmp/refimpl/udp"
)

// socket is a UDP socket as a carrier.
type socket struct{ *udp.Conn }

// ackedAtOnce is how many datagrams one Ack covers at most, where there are more.
// [XTMP-ACK-022]
const ackedAtOnce = 64

func (c *socket) read(l *link) {
	var batch []udp.Datagram // as much as one Ack may cover
	take := func() {
		for _, d := range batch {
			l.took(len(d.Bytes))
			l.session.core.ReceiveDatagram(l.session.now, d.From, d.Bytes)
		}
	}
	for {
		all, err := c.Receive()
		if err != nil {
			l.session.input(l.end)
			return
		}
		for batch = range slices.Chunk(all, ackedAtOnce) {
			l.session.input(take)
		}
	}
}

// write sends the datagrams that may go now in one batch.
func (c *socket) write(l *link) {
	for {
		switch n, ok := c.take(l); {
		case n > 0:
			if c.Flush() != nil {
				return // it is closed
			}
		case !ok:
			return
		default:
			<-l.wake
			runtime.Gosched() // whoever is about to send joins this batch
		}
	}
}

// take adds the core's datagrams for the link to the batch and returns their number.
// It reports false if there will be none any more.
func (c *socket) take(l *link) (n int, ok bool) {
	s := l.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if !l.takes() {
		return 0, false
	}
	for {
		room := c.Room()
		if room == nil {
			break
		}
		out, to, ok := s.core.AppendDatagram(s.now, l.id, room)
		if !ok {
			if s.admit() && s.core.HasOutput(l.id) {
				continue
			}
			break
		}
		c.Add(out, to)
		l.gave(len(out))
		n++
	}
	l.writing = n > 0
	s.settle()
	return n, !l.closed
}

// openSocket makes a UDP socket toward peer.
func openSocket(ctx context.Context, local string) (*socket, error) {
	conn, err := udp.Open(ctx, local)
	if err != nil {
		return nil, err
	}
	return &socket{conn}, nil
}

// resolve returns the address of host:port for datagrams: of several, the first of
// IPv4, or else the first.
func resolve(ctx context.Context, address string) (netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "udp", service)
	if err != nil {
		return netip.AddrPort{}, err
	}
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	chosen := all[0]
	for _, ip := range all {
		if ip.Unmap().Is4() {
			chosen = ip
			break
		}
	}
	return udp.Plain(netip.AddrPortFrom(chosen, uint16(port))), nil
}
