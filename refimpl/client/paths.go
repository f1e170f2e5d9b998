package client

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/websocket"
	"github.com/bpci/xtmp/refimpl/wire"
)

// ConnectionType says over what a session runs.
type ConnectionType uint8

// Connection types.
const (
	TCP       ConnectionType = iota // one connection, and another when it is lost
	UDP                             // datagrams, and a connection that stands by
	Hybrid                          // a connection, and datagrams; whatever answers first begins
	WebSocket                       // as TCP, for who can open nothing but a WebSocket
	Auto                            // TCP, or WebSocket where the connection carries no session
)

// ParseConnectionType reads the name of a connection type: tcp, udp, hybrid, websocket
// or auto.
func ParseConnectionType(name string) (ConnectionType, error) {
	types := [...]string{TCP: "tcp", UDP: "udp", Hybrid: "hybrid", WebSocket: "websocket", Auto: "auto"}
	if t := slices.Index(types[:], name); t >= 0 {
		return ConnectionType(t), nil
	}
	return 0, fmt.Errorf("%q is no connection type: %s", name, strings.Join(types[:], ", "))
}

// paths is which paths the core wants: a WebSocket is a connection to it.
func (t ConnectionType) paths() session.ConnectionType {
	switch t {
	case UDP:
		return session.TypeUDP
	case Hybrid:
		return session.TypeHybrid
	default:
		return session.TypeTCP
	}
}

// splitAddress returns what an address, host:port or type://host:port, names: the type
// of the configuration unless it has one of its own.
func (c *Config) splitAddress(address string) (ConnectionType, string, error) {
	name, rest, ok := strings.Cut(address, "://")
	if !ok {
		return c.Type, address, nil
	}
	if name == "ws" {
		host, ok := strings.CutSuffix(rest, websocket.Path)
		if !ok {
			return 0, "", fmt.Errorf("%q is no address of XTMP: ws://host:port%s", address, websocket.Path)
		}
		return WebSocket, host, nil
	}
	t, err := ParseConnectionType(name)
	return t, rest, err
}

// opener opens what carries a further path to an address, host:port: a connection, or a
// socket and the peer's address.
type opener func(ctx context.Context, t session.Transport, address string) (carrier, netip.AddrPort, error)

// opening opens connections and sockets.
func opening(local string) opener {
	local = anyPort(local)
	return func(ctx context.Context, t session.Transport, address string) (carrier, netip.AddrPort, error) {
		if t == session.TCP {
			conn, err := openConnection(ctx, address, local)
			return connection{conn}, netip.AddrPort{}, err
		}
		peer, err := resolve(ctx, address)
		if err != nil {
			return nil, peer, err
		}
		c, err := openSocket(ctx, local)
		return c, peer, err
	}
}

// anyPort is a local address for another path: the port is taken.
func anyPort(local string) string {
	if host, _, err := net.SplitHostPort(local); err == nil {
		return net.JoinHostPort(host, "0")
	}
	return local
}

// noteEndpoints takes the addresses at which the server wants further paths. Kinds that
// are not known are left out. [XTMP-PTH-059]
func (s *Session) noteEndpoints(all []wire.AttachEndpoint) {
	for _, e := range all {
		address := net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port)))
		switch e.Kind {
		case wire.PathStream:
			s.further[session.TCP] = append(s.further[session.TCP], address)
		case wire.PathDatagram:
			s.further[session.UDP] = append(s.further[session.UDP], address)
		}
	}
}

// furtherAddress returns where the next path of a kind is to go: the server's addresses in
// turn, or that of the handshake. [XTMP-PTH-057] [XTMP-PTH-058]
func (s *Session) furtherAddress(t session.Transport) string {
	all := s.further[t]
	if len(all) == 0 {
		return s.remote
	}
	address := all[0]
	s.further[t] = append(all[1:len(all):len(all)], address)
	return address
}

// attach opens a path that the core wants. The caller holds the lock.
func (s *Session) attach(t session.Transport, standby bool) {
	if s.cut || s.open == nil {
		s.core.AttachFailed(s.now)
		return
	}
	address := s.furtherAddress(t)
	s.working.Go(func() {
		ctx, cancel := context.WithTimeoutCause(s.living, session.DefaultConnectTimeout, session.ErrTimeout)
		defer cancel()
		c, peer, err := s.open(ctx, t, address)
		s.input(func() {
			if err != nil {
				s.core.AttachFailed(s.now)
				return
			}
			id, why := s.core.Attach(s.now, t, standby, peer)
			if why != nil || s.cut {
				s.core.AttachFailed(s.now)
				_ = c.Close()
				return
			}
			s.begin(id, c)
		})
	})
}
