//go:build linux

package transport

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bpci/xtmp/refimpl/clock"
	"github.com/bpci/xtmp/refimpl/endpoint"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// Implementation constants.
const (
	readBuffer = 256 << 10 // B read from one connection per wake-up
	eventBatch = 256       // epoll events per wake-up

	// waitMax bounds one wait. The kernel's timeouts stand still while the
	// machine sleeps and elapsed time does not: after a suspend a timer is late
	// by no more than this. [XTMP-TMR-004]
	waitMax = time.Second
)

// loop is one event loop and the endpoint that it owns.
type loop struct {
	server   *Server
	endpoint *endpoint.Endpoint
	poll     int // epoll descriptor
	wake     int // eventfd that ends a wait
	log      *slog.Logger

	conns    []*conn           // by descriptor
	byID     []*conn           // by ConnID
	in       []byte            // shared by all connections
	out      []byte            // likewise
	events   []unix.EpollEvent // of one wake-up
	writable []*conn           // that this wake-up reported as writable
	open     atomic.Int64
	ending   time.Duration // when a shutdown gives up; 0: none under way

	// What only the loop that accepts uses.
	accepts    bool          // it is this one
	next       int           // loop that gets the next connection
	spare      int           // descriptor that is given up to refuse a connection when none is left; −1: given up
	resume     time.Duration // when a paused listener is registered again; 0: not paused
	complained time.Duration // when the last warning about cut connections was logged; 0: never

	mu    sync.Mutex
	inbox []func(session.Now) // posted by other goroutines
}

// conn is one connection of a loop.
type conn struct {
	fd      int
	id      endpoint.ConnID
	source  netip.Addr
	pending []byte // accepted from the endpoint, not yet by the socket; nil if none
	waits   bool   // EPOLLOUT is asked for
	ended   bool   // the sending direction is shut down
}

func newLoop(s *Server, index int, cfg endpoint.Config) (*loop, error) {
	l := &loop{
		server: s, log: s.cfg.Log.With("loop", index), poll: -1, wake: -1, spare: -1,
		in:     make([]byte, readBuffer, readBuffer+wire.TagSize),
		events: make([]unix.EpollEvent, eventBatch),
	}
	if err := l.prepare(cfg); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *loop) prepare(cfg endpoint.Config) (err error) {
	if l.endpoint, err = endpoint.New(cfg); err != nil {
		return err
	}
	if l.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if l.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	return l.watch(l.wake, unix.EPOLLIN, unix.EPOLL_CTL_ADD)
}

// watch changes what epoll reports for fd.
func (l *loop) watch(fd int, events uint32, op int) error {
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(l.poll, op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)}))
}

// post runs f on the loop, soon.
func (l *loop) post(f func(session.Now)) {
	l.mu.Lock()
	l.inbox = append(l.inbox, f)
	l.mu.Unlock()
	_, _ = unix.Write(l.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
}

// run is the loop. It ends when a shutdown has drained the endpoint.
func (l *loop) run() error {
	for {
		n, err := unix.EpollWait(l.poll, l.events, l.timeout())
		if err != nil && !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("epoll_wait", err)
		}
		now := clock.Now()
		for _, e := range l.events[:max(n, 0)] {
			l.handle(now, e)
		}
		l.endpoint.Advance(now)
		l.flush(now)
		l.report()
		if l.resume != 0 && now.Elapsed >= l.resume {
			l.resumeAccept()
		}
		if l.ending != 0 && (l.endpoint.Len() == 0 || now.Elapsed >= l.ending) {
			return nil
		}
	}
}

// timeout is how long the loop may sleep, in milliseconds, rounded up.
func (l *loop) timeout() int {
	next, ok := l.endpoint.Deadline()
	for _, d := range [...]time.Duration{l.resume, l.ending} {
		if d != 0 && (!ok || d < next) {
			next, ok = d, true
		}
	}
	if !ok {
		return -1
	}
	wait := max(0, min(next-clock.Now().Elapsed, waitMax))
	return int((wait + time.Millisecond - 1) / time.Millisecond)
}

func (l *loop) handle(now session.Now, e unix.EpollEvent) {
	fd := int(e.Fd)
	switch {
	case fd == l.wake:
		l.drainInbox(now)
		return
	case l.accepts && fd == l.server.listener:
		l.accept(now)
		return
	case fd >= len(l.conns) || l.conns[fd] == nil:
		return // closed earlier in this batch
	}
	c := l.conns[fd]
	if e.Events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		l.read(now, c)
	}
	if e.Events&unix.EPOLLOUT != 0 && l.conns[fd] == c {
		l.writable = append(l.writable, c) // after all is read, with what that adds
	}
}

func (l *loop) drainInbox(now session.Now) {
	var count [8]byte
	_, _ = unix.Read(l.wake, count[:])
	l.mu.Lock()
	inbox := l.inbox
	l.inbox = nil
	l.mu.Unlock()
	for _, f := range inbox {
		f(now)
	}
}

// read takes what one connection has, at most one buffer per wake-up so that
// no connection starves the others.
func (l *loop) read(now session.Now, c *conn) {
	n, err := unix.Read(c.fd, l.in)
	switch {
	case err != nil && (errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR)):
	case err != nil || n == 0:
		l.lose(now, c)
	default:
		l.endpoint.Receive(now, c.id, l.in[:n])
	}
}

// flush writes what endpoints have to send: one write per connection, unless a
// connection has more than one buffer.
func (l *loop) flush(now session.Now) {
	for _, c := range l.writable {
		if l.conns[c.fd] == c {
			l.write(now, c)
		}
	}
	clear(l.writable)
	l.writable = l.writable[:0]
	for {
		id, ok := l.endpoint.NextOutput()
		if !ok {
			return
		}
		switch c := l.byID[id]; {
		case l.endpoint.Fate(id) == session.Shut: // whatever is still pending
			l.lose(now, c)
		case len(c.pending) == 0:
			l.write(now, c)
		}
	}
}

// write sends what is pending, then what the endpoint has, until the socket
// takes no more; then it lets the connection meet its fate.
func (l *loop) write(now session.Now, c *conn) {
	fate := l.endpoint.Fate(c.id)
	for {
		out := c.pending
		if len(out) == 0 {
			l.out, fate = l.endpoint.AppendOutput(now, c.id, l.out[:0])
			out = l.out
		}
		if len(out) == 0 {
			break
		}
		n, err := unix.Write(c.fd, out)
		switch {
		case err == nil:
			out = out[n:]
		case !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR):
			l.lose(now, c)
			return
		}
		if len(out) > 0 {
			l.keep(now, c, out)
			return
		}
		c.pending = nil
	}
	switch {
	case !l.await(now, c, false):
	case fate == session.Drain && !c.ended:
		c.ended = true
		_ = unix.Shutdown(c.fd, unix.SHUT_WR)
	case fate == session.Shut:
		l.lose(now, c)
	}
}

// keep holds what the socket of c does not take until epoll says that it does.
func (l *loop) keep(now session.Now, c *conn, rest []byte) {
	if len(c.pending) > 0 {
		c.pending = rest // of itself
	} else {
		c.pending = append([]byte(nil), rest...)
	}
	l.await(now, c, true)
}

// await asks epoll to report, or no longer to report, that c can be written. It
// reports false if c is lost.
func (l *loop) await(now session.Now, c *conn, writable bool) bool {
	if c.waits == writable {
		return true
	}
	c.waits = writable
	events := uint32(unix.EPOLLIN)
	if writable {
		events |= unix.EPOLLOUT
	}
	if err := l.watch(c.fd, events, unix.EPOLL_CTL_MOD); err != nil {
		l.log.Error("a connection is dropped", slog.Any("error", err))
		l.lose(now, c)
		return false
	}
	return true
}

// lose tells the endpoint that the connection is gone and closes its descriptor.
func (l *loop) lose(now session.Now, c *conn) {
	l.endpoint.Lost(now, c.id)
	l.conns[c.fd] = nil
	l.byID[c.id] = nil
	l.release(c.fd, c.source)
}

// report passes on what sessions have to say.
func (l *loop) report() {
	for {
		e, ok := l.endpoint.NextEvent()
		if !ok {
			return
		}
		if !l.log.Enabled(context.Background(), slog.LevelDebug) {
			continue
		}
		switch e.Kind {
		case session.EventEstablished:
			l.log.Debug("session established", "session_id", e.Session.ID())
		case session.EventClosed:
			l.log.Debug("session closed", "session_id", e.Session.ID(), "reason", e.Err)
		case session.EventPeerError:
			l.log.Debug("peer reports an error", "session_id", e.Session.ID(), "error", e.Err)
		case session.EventPong, session.EventRekeyed:
		}
	}
}

// shutdown begins the end of the loop. New connections are refused at once, by
// the system.
func (l *loop) shutdown(now session.Now) {
	if l.accepts {
		l.accepts = false
		l.resume = 0
		l.server.closeListener() // which takes it out of epoll
	}
	l.ending = now.Elapsed + drainTimeout
	l.endpoint.Shutdown(now)
}

// close releases every descriptor of the loop, which runs no more.
func (l *loop) close() {
	if l.wake >= 0 {
		l.drainInbox(clock.Now()) // connections that were dealt to it too late
	}
	for _, c := range l.conns {
		if c != nil {
			_ = unix.Close(c.fd)
		}
	}
	l.conns = nil
	for _, fd := range [...]*int{&l.poll, &l.wake, &l.spare} {
		if *fd >= 0 {
			_ = unix.Close(*fd)
			*fd = -1
		}
	}
}
