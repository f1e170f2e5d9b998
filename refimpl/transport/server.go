package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bpci/xtmp/refimpl/endpoint"
	"github.com/bpci/xtmp/refimpl/session"
)

// drainTimeout bounds a shutdown: T_CLOSE, T_LINGER and a second for writing.
const drainTimeout = 7 * time.Second

// Config says how a Server runs.
type Config struct {
	// Session configures every session. Its Admission is set by the server.
	Session session.Config
	// Limits bound what sources may hold.
	Limits endpoint.Limits
	// MaxConnections bounds the connections of the server; more are closed as
	// they arrive. Zero means 10 000, negative no bound.
	MaxConnections int
	// Loops is the number of event loops, at most 256. Zero means one.
	Loops int
	// Log receives what an operator should know. Required.
	Log *slog.Logger
}

// Server serves XTMP on one TCP address.
type Server struct {
	cfg       Config
	listener  int // descriptor
	addr      netip.AddrPort
	loops     []*loop
	admission *admission
}

// Listen binds a TCP address, host:port, and prepares the loops. The error of a
// taken or illegal address is a *net.OpError.
func Listen(ctx context.Context, address string, cfg Config) (*Server, error) {
	if cfg.MaxConnections == 0 {
		cfg.MaxConnections = 10_000
	}
	cfg.Loops = max(cfg.Loops, 1)
	if cfg.Loops > 256 {
		return nil, errors.New("xtmp: more than 256 event loops")
	}
	s := &Server{cfg: cfg, admission: &admission{limiter: endpoint.NewLimiter(cfg.Limits)}}
	s.cfg.Session.Server.Admission = s.admission
	if err := s.bind(ctx, address); err != nil {
		return nil, err
	}
	for i := range cfg.Loops {
		l, err := newLoop(s, i, endpoint.Config{
			Session: s.cfg.Session, Shard: uint8(i), ShardBits: uint8(bits.Len(uint(cfg.Loops - 1))),
		})
		if err != nil {
			s.close()
			return nil, err
		}
		s.loops = append(s.loops, l)
	}
	if err := s.loops[0].listen(s.listener); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// bind opens the listening socket through the standard library, for its
// address parsing and errors, and keeps a descriptor of its own.
func (s *Server) bind(ctx context.Context, address string) error {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer ln.Close() //nolint:errcheck // the duplicate lives on
	tcp, ok := ln.(*net.TCPListener)
	if !ok {
		return errors.New("xtmp: not a TCP listener")
	}
	file, err := tcp.File()
	if err != nil {
		return fmt.Errorf("xtmp: duplicating the listener: %w", err)
	}
	defer file.Close() //nolint:errcheck // likewise
	if s.listener, err = unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	s.addr = tcp.Addr().(*net.TCPAddr).AddrPort()
	return os.NewSyscallError("setnonblock", unix.SetNonblock(s.listener, true))
}

// Addr returns the address that is bound.
func (s *Server) Addr() netip.AddrPort { return s.addr }

// Serve runs the loops until ctx is done, then closes every session in order:
// at most about seven seconds. It returns nil after an orderly end.
func (s *Server) Serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		for _, l := range s.loops {
			l.post(func(now session.Now) { l.shutdown(now) })
		}
	})
	defer stop()
	errs := make([]error, len(s.loops))
	var wg sync.WaitGroup
	for i, l := range s.loops {
		wg.Go(func() { errs[i] = l.run() })
	}
	wg.Wait()
	s.close()
	return errors.Join(errs...)
}

// Sessions returns the number of connections, whatever their state.
func (s *Server) Sessions() int {
	n := 0
	for _, l := range s.loops {
		n += int(l.open.Load())
	}
	return n
}

func (s *Server) close() {
	for _, l := range s.loops {
		l.close()
	}
	_ = unix.Close(s.listener)
}
