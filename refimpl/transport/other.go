//go:build !linux

package transport

import (
	"context"
	"errors"
	"net/netip"
	"runtime"

	"github.com/bpci/xtmp/refimpl/security"
)

// Server cannot exist on this system.
type Server struct{}

// Listen fails: the event loops need epoll.
func Listen(context.Context, string, Config) (*Server, error) {
	return nil, errors.New("xtmp: the server runs on Linux only, this is " + runtime.GOOS + "; the client runs here")
}

// Addr returns no address.
func (*Server) Addr() netip.AddrPort { return netip.AddrPort{} }

// ServesUDP returns false.
func (*Server) ServesUDP() bool { return false }

// Serve serves nobody.
func (*Server) Serve(context.Context) error { return errors.ErrUnsupported }

// Connections returns 0.
func (*Server) Connections() int { return 0 }

// Metrics returns nothing.
func (*Server) Metrics() Metrics { return Metrics{} }

// Rekey does nothing.
func (*Server) Rekey() {}

// SetIdentities fails.
func (*Server) SetIdentities(context.Context, []*security.Identity) error {
	return errors.ErrUnsupported
}
