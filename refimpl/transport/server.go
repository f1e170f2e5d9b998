//go:build linux

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
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bpci/xtmp/refimpl/endpoint"
	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/udp"
)

// Implementation constants.
const (
	bindTries       = 10 // for a port that is free on TCP and UDP
	sessionIDOffset = 8  // in a frame
)

// Server serves XTMP on one address, on TCP and UDP.
type Server struct {
	cfg       Config
	listener  int           // descriptor; −1 once it is closed
	sockets   []*udp.Socket // one for each loop, until the loops have them; none without UDP
	addr      netip.AddrPort
	loops     []*loop
	admission *admission
	pools     *pools
	served    atomic.Bool
	ended     chan struct{} // closed when Serve returns
}

// Listen binds an address, host:port, on TCP and UDP, and prepares the loops. The
// error of a taken or illegal address is a *net.OpError. Serve releases what Listen
// takes.
func Listen(ctx context.Context, address string, cfg Config) (*Server, error) {
	if cfg.MaxConnections == 0 {
		cfg.MaxConnections = 10_000
	}
	if cfg.UDPBuffer == 0 {
		cfg.UDPBuffer = DefaultUDPBuffer
	}
	cfg.Loops = max(cfg.Loops, 1)
	if cfg.Loops > 256 {
		return nil, errors.New("xtmp: more than 256 event loops")
	}
	s := &Server{
		cfg: cfg, listener: -1, admission: newAdmission(cfg.Limits, cfg.MaxConnections), ended: make(chan struct{}),
	}
	var err error
	if s.pools, err = newPools(&cfg); err != nil {
		return nil, err
	}
	s.cfg.Session.Server.Admission = s.admission
	if err := s.prepare(ctx, address); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *Server) prepare(ctx context.Context, address string) error {
	if err := s.bindBoth(ctx, address); err != nil {
		return err
	}
	var proofs endpoint.Tokens // nil without UDP
	if len(s.sockets) > 0 {
		proofs = newTokens(s.cfg.Session.Entropy)
	}
	shardBits := uint8(bits.Len(uint(s.cfg.Loops - 1)))
	for i := range s.cfg.Loops {
		l, err := newLoop(s, i, endpoint.Config{
			Session: s.cfg.Session, Shard: uint8(i), ShardBits: shardBits, Shards: s.cfg.Loops, Tokens: proofs,
		})
		if err != nil {
			return err
		}
		s.loops = append(s.loops, l)
		if len(s.sockets) > 0 {
			if err := l.serveDatagrams(s.sockets[i]); err != nil {
				return err
			}
		}
	}
	if s.cfg.Loops > 1 && len(s.sockets) > 0 {
		// The low half of the session_id, whose low bits are the shard.
		if err := s.sockets[0].Steer(sessionIDOffset+4, 1<<shardBits-1); err != nil {
			s.cfg.Log.Info("loops hand datagrams to each other", slog.Any("reason", err))
		}
	}
	return s.loops[0].listen(s.listener)
}

// bindBoth binds TCP and UDP to one port. [XTMP-UDP-014]
func (s *Server) bindBoth(ctx context.Context, address string) error {
	for tries := 1; ; tries++ {
		if err := s.bind(ctx, address); err != nil || s.cfg.NoUDP {
			return err
		}
		sockets, err := udp.Listen(ctx, s.addr.String(), s.cfg.Loops, s.cfg.UDPBuffer)
		if err == nil {
			s.sockets = sockets
			return nil
		}
		s.closeListener()
		chosen := strings.HasSuffix(address, ":0") // by the system, for TCP alone
		if !chosen || !errors.Is(err, unix.EADDRINUSE) || tries == bindTries {
			return err
		}
	}
}

// bind opens the listening socket through the standard library, for its
// address parsing and errors, and keeps a descriptor of its own.
func (s *Server) bind(ctx context.Context, address string) error {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer ln.Close() // the duplicate lives on
	tcp, ok := ln.(*net.TCPListener)
	if !ok {
		return errors.New("xtmp: not a TCP listener")
	}
	file, err := tcp.File()
	if err != nil {
		return fmt.Errorf("xtmp: duplicating the listener: %w", err)
	}
	defer file.Close() // likewise
	if s.listener, err = unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	s.addr = tcp.Addr().(*net.TCPAddr).AddrPort()
	return os.NewSyscallError("setnonblock", unix.SetNonblock(s.listener, true))
}

// Addr returns the address that is bound.
func (s *Server) Addr() netip.AddrPort { return s.addr }

// ServesUDP reports whether Addr is bound on UDP, too.
func (s *Server) ServesUDP() bool { return len(s.sockets) > 0 }

// Serve runs the loops until ctx is done, then refuses connections, closes every
// session in order and lets handlers finish: at most about twelve seconds. It
// returns nil after an orderly end. It can be called once, and releases everything
// but what a handler holds that does not end.
func (s *Server) Serve(ctx context.Context) error {
	if s.served.Swap(true) {
		return errors.New("xtmp: Serve was called before")
	}
	defer close(s.ended)
	awaited, forsake := context.WithCancel(context.WithoutCancel(ctx))
	defer forsake()
	s.pools.start(awaited)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	errs := make([]error, len(s.loops))
	var wg sync.WaitGroup
	for i, l := range s.loops {
		wg.Go(func() {
			defer stop() // a loop that fails takes the others with it, in order
			errs[i] = l.run()
		})
	}
	var limit time.Time
	wg.Go(func() {
		<-ctx.Done()
		limit = time.Now().Add(drainTimeout)
		for _, l := range s.loops {
			l.post(l.shutdown)
		}
	})
	wg.Wait()
	forsake()
	if left := s.pools.stop(time.Until(limit)); left > 0 {
		s.cfg.Log.Warn("handlers still run: their requests get no reply", "handlers", left)
	}
	s.close()
	return errors.Join(errs...)
}

// Rekey asks every client for fresh keys.
func (s *Server) Rekey() {
	for _, l := range s.loops {
		l.post(func(now session.Now) { l.endpoint.Rekey(now) })
	}
}

// SetIdentities replaces the server's identities for the handshakes to come, on
// every loop; sessions stay as they are. It returns when that is done. It fails,
// and changes nothing, if the suites cannot be served with them.
func (s *Server) SetIdentities(ctx context.Context, ids []*security.Identity) error {
	errs := make(chan error, len(s.loops))
	for _, l := range s.loops {
		l.post(func(session.Now) { errs <- l.endpoint.SetIdentities(ids) })
	}
	for range s.loops {
		select {
		case err := <-errs:
			if err != nil {
				return err // each loop says the same
			}
		case <-s.ended:
			return errors.New("xtmp: the server has stopped")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Connections returns the number of connections, whatever their state.
func (s *Server) Connections() int {
	n := 0
	for _, l := range s.loops {
		n += int(l.open.Load())
	}
	return n
}

// Metrics returns what the server does and has done.
func (s *Server) Metrics() Metrics {
	m := Metrics{Parked: s.admission.waiting(), Pools: s.pools.metrics()}
	for _, l := range s.loops {
		m.Loops = append(m.Loops, l.metrics())
	}
	return m
}

// close releases every descriptor. No loop runs.
func (s *Server) close() {
	for _, l := range s.loops {
		l.close()
	}
	for _, socket := range s.sockets {
		socket.Close()
	}
	s.closeListener()
}

func (s *Server) closeListener() {
	if s.listener >= 0 {
		_ = unix.Close(s.listener)
		s.listener = -1
	}
}
