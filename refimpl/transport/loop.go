//go:build linux

package transport

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bpci/xtmp/refimpl/clock"
	"github.com/bpci/xtmp/refimpl/endpoint"
	"github.com/bpci/xtmp/refimpl/handler"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/slab"
	"github.com/bpci/xtmp/refimpl/wire"
)

// Implementation constants.
const (
	readBuffer  = 256 << 10 // B read per wake-up, shared by the connections that are ready
	readLeast   = 16 << 10  // B read from each of them, however many they are
	writeBuffer = 544 << 10 // B that one output of an endpoint takes at most, about: 256 KiB and a frame
	eventBatch  = 256       // epoll events per wake-up

	// waitMax bounds one wait. The kernel's timeouts stand still while the
	// machine sleeps and elapsed time does not: after a suspend a timer is late
	// by no more than this. [XTMP-TMR-004]
	waitMax = time.Second
)

// loop is one event loop and the endpoint that it owns.
type loop struct {
	server   *Server
	endpoint *endpoint.Endpoint
	// datagrams is the endpoint, too; without UDP nobody calls it.
	datagrams datagramEndpoint
	udp       datagrams
	router    *handler.Router // its application
	poll      int             // epoll descriptor
	wake      int             // eventfd that ends a wait
	coarse    bool            // the kernel waits for whole milliseconds only
	log       *slog.Logger
	clock     clock.Clock

	seats    slab.Slab[conn]
	gone     []*conn           // closed in this wake-up
	conns    []*conn           // by ConnID
	in       []byte            // shared by all connections
	out      []byte            // likewise
	wire     []byte            // likewise, of WebSockets; nil before the first
	events   []unix.EpollEvent // of one wake-up
	turn     uint32            // number of this wake-up
	share    int               // B that each connection may have read in it
	writable []*conn           // that this wake-up reported as writable
	more     []*conn           // that had more to send than the last wake-up took
	held     []*conn           // whose session is over and whose last frame is not
	fresh    web               // of connections that have brought nothing
	ending   time.Duration     // when a shutdown gives up; 0: none under way
	counters

	// What only the loop that accepts uses.
	accepts    bool          // it is this one
	next       int           // loop that gets the next connection
	spare      int           // descriptor that is given up to refuse a connection when none is left; −1: given up
	resume     time.Duration // when a paused listener is registered again; 0: not paused
	complained time.Duration // when the last warning about cut connections was logged; 0: never

	mu     sync.Mutex
	inbox  []func(session.Now) // posted by other goroutines
	mail   mail                // from other loops
	closed bool                // nothing is posted any more
}

// counters are written by the loop and read by anybody.
type counters struct {
	open                                              atomic.Int64
	wakeUps, reads, writes, bytesRead, bytesWritten   atomic.Uint64
	datagramsRead, datagramsWritten, datagramsDropped atomic.Uint64
}

func (c *counters) metrics() LoopMetrics {
	return LoopMetrics{
		Connections: int(c.open.Load()), WakeUps: c.wakeUps.Load(), Reads: c.reads.Load(), Writes: c.writes.Load(),
		BytesRead: c.bytesRead.Load(), BytesWritten: c.bytesWritten.Load(),
		DatagramsRead: c.datagramsRead.Load(), DatagramsWritten: c.datagramsWritten.Load(), DatagramsDropped: c.datagramsDropped.Load(),
	}
}

// conn is one connection of a loop.
type conn struct {
	pending *pending // nil if none
	last    *last    // the socket has not taken the last frame at once
	web     *web     // nil: it is XTMP over TCP
	fd      int32
	id      endpoint.ConnID
	turn    uint32 // wake-up of the last write
	asked   uint8  // events that epoll reports
	queued  bool   // in loop.more
	ended   bool   // nothing more is sent
}

// pending is what a connection was given by the endpoint and its socket has not
// taken.
type pending struct{ bytes []byte }

// vacate takes back the conns that were closed in this wake-up.
func (l *loop) vacate() {
	for _, c := range l.gone {
		l.seats.Give(c)
	}
	clear(l.gone)
	l.gone = l.gone[:0]
}

func newLoop(s *Server, index int, cfg endpoint.Config) (*loop, error) {
	l := &loop{
		server: s, log: s.cfg.Log.With("loop", index), poll: -1, wake: -1, spare: -1,
		in:     make([]byte, readBuffer, readBuffer+wire.TagSize),
		out:    make([]byte, 0, writeBuffer),
		events: make([]unix.EpollEvent, eventBatch),
	}
	if err := l.prepare(cfg); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *loop) prepare(cfg endpoint.Config) (err error) {
	l.router = handler.NewRouter(l.server.cfg.Probe, l.server.pools.types()...)
	cfg.Application = l.router
	if l.endpoint, err = endpoint.New(cfg); err != nil {
		return err
	}
	l.datagrams = l.endpoint
	if l.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if l.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	return l.watch(l.wake, theWake, unix.EPOLLIN, unix.EPOLL_CTL_ADD)
}

// What epoll reports beside the ConnIDs of connections.
const (
	theWake     = -1
	theListener = -2
	theSocket   = -3 // for datagrams
)

// watch changes what epoll reports for fd, under a name.
func (l *loop) watch(fd int, name int32, events uint32, op int) error {
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(l.poll, op, fd, &unix.EpollEvent{Events: events, Fd: name}))
}

// post runs f on the loop, soon, unless that has ended.
func (l *loop) post(f func(session.Now)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.inbox = append(l.inbox, f)
	if len(l.inbox) == 1 { // it is awake already for those before
		l.rouse()
	}
}

// run is the loop. It ends when a shutdown has drained the endpoint.
func (l *loop) run() error {
	for {
		n, err := l.wait()
		if err != nil && !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("epoll_wait", err)
		}
		l.turn++
		l.wakeUps.Add(1)
		l.share = max(readLeast, readBuffer/max(n, 1))
		for _, e := range l.events[:max(n, 0)] {
			l.handle(e)
		}
		now := l.clock.Now()
		l.handOver(now)
		l.endpoint.Advance(now)
		l.submit(now)
		l.flush(now)
		for l.submit(now) { // what went out lets requests that waited go on
			l.flush(now)
		}
		l.sendDatagrams()
		l.giveUp(now)
		l.report()
		l.vacate()
		if l.resume != 0 && now.Elapsed >= l.resume {
			l.resumeAccept()
		}
		if l.ending != 0 && (l.endpoint.Len() == 0 || now.Elapsed >= l.ending) {
			return nil
		}
	}
}

// timeout is how long the loop may sleep; negative: for ever.
func (l *loop) timeout() time.Duration {
	if len(l.more) > 0 {
		return 0
	}
	next, ok := l.endpoint.Deadline()
	for _, d := range [...]time.Duration{l.resume, l.ending, l.nextGiveUp()} {
		if d != 0 && (!ok || d < next) {
			next, ok = d, true
		}
	}
	if !ok {
		return -1
	}
	return max(0, min(next-l.clock.Now().Elapsed, waitMax))
}

// handle takes what one event brings. The time is read after the bytes, so that no
// timer that they start is early. [XTMP-TMR-003]
func (l *loop) handle(e unix.EpollEvent) {
	switch e.Fd {
	case theWake:
		l.drainInbox()
		return
	case theListener:
		if l.accepts {
			l.accept()
		}
		return
	case theSocket:
		if e.Events&unix.EPOLLIN != 0 {
			l.receiveDatagrams()
		}
		if e.Events&unix.EPOLLOUT != 0 {
			l.sendDatagrams()
		}
		return
	}
	c := l.conns[e.Fd]
	if c == nil { // closed earlier in this batch
		return
	}
	if e.Events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		l.read(c)
	}
	if e.Events&unix.EPOLLOUT != 0 && l.conns[c.id] == c {
		l.writable = append(l.writable, c) // after all is read, with what that adds
	}
}

func (l *loop) drainInbox() {
	var count [8]byte
	_, _ = unix.Read(l.wake, count[:])
	l.mu.Lock()
	inbox := l.inbox
	l.inbox = nil
	l.mail, l.udp.taken = l.udp.taken, l.mail
	l.mu.Unlock()
	for _, f := range inbox {
		f(l.clock.Now())
	}
	l.readMail()
}

// read takes what one connection has, at most its share of the wake-up so that
// no connection starves the others.
func (l *loop) read(c *conn) {
	n, err := unix.Read(int(c.fd), l.in[:l.share])
	now := l.clock.Now()
	l.reads.Add(1)
	switch {
	case err != nil && (errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR)):
		return
	case err == nil && n > 0:
		l.bytesRead.Add(uint64(n))
	}
	switch {
	case c.last != nil:
		l.discard(now, c, n, err)
	case err != nil || n == 0:
		l.lose(now, c)
	case c.web != nil:
		l.readWeb(now, c, l.in[:n])
	default:
		l.endpoint.Receive(now, c.id, l.in[:n])
	}
}

// lose tells the endpoint that the connection is gone and closes its descriptor.
func (l *loop) lose(now session.Now, c *conn) {
	source := l.endpoint.Source(c.id)
	l.endpoint.Lost(now, c.id)
	l.conns[c.id] = nil
	if c.last == nil && !c.queued { // else a list knows it yet, and it is left to the collector
		l.gone = append(l.gone, c)
	}
	l.release(int(c.fd), source)
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
		case session.EventRekeyed:
			l.log.Debug("session has fresh keys", "session_id", e.Session.ID(), "epoch", e.Token)
		case session.EventMoved:
			l.log.Debug("session moved", "session_id", e.Session.ID(), "path", e.Path)
		case session.EventPathless:
			l.log.Debug("session has no path", "session_id", e.Session.ID(), "reason", e.Err)
		case session.EventResumed:
			l.log.Debug("session has a path again", "session_id", e.Session.ID())
		case session.EventPong, session.EventPathWanted, session.EventAttached, session.EventAddressToken:
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
		l.drainInbox() // connections that were dealt to it too late
	}
	l.mu.Lock()
	l.closed = true // a handler may still run
	l.mu.Unlock()
	for _, c := range l.conns {
		if c != nil {
			_ = unix.Close(int(c.fd))
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
