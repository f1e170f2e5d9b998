package client

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// newPipe returns the two ends of a connection in memory that behaves as TCP
// does: a buffer of limit bytes per direction, half-close, deadlines on reads
// and writes that have moved a part.
func newPipe(limit int) (client, server *pipeConn) {
	there, back := newStream(limit), newStream(limit)
	return &pipeConn{in: back, out: there}, &pipeConn{in: there, out: back}
}

type pipeConn struct{ in, out *stream }

func (c *pipeConn) Read(b []byte) (int, error)  { return c.in.read(b) }
func (c *pipeConn) Write(b []byte) (int, error) { return c.out.write(b) }
func (c *pipeConn) CloseWrite() error           { return c.out.end(io.EOF) }

// Close ends both directions: what was written still arrives, what arrives is lost.
func (c *pipeConn) Close() error {
	_ = c.in.shut()
	return c.out.end(io.EOF)
}

// Reset ends both directions at once: nothing more arrives, but what has.
func (c *pipeConn) Reset() {
	c.in.fail(errReset)
	_ = c.out.end(errReset)
}

func (c *pipeConn) LocalAddr() net.Addr  { return pipeAddr{} }
func (c *pipeConn) RemoteAddr() net.Addr { return pipeAddr{} }
func (c *pipeConn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

func (c *pipeConn) SetReadDeadline(t time.Time) error { c.in.setDeadline(&c.in.readBy, t); return nil }

func (c *pipeConn) SetWriteDeadline(t time.Time) error {
	c.out.setDeadline(&c.out.writeBy, t)
	return nil
}

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// stream is one direction.
type stream struct {
	mu      sync.Mutex
	change  *sync.Cond
	limit   int
	writes  int
	buf     []byte
	ended   error // what readers get once buf is empty: io.EOF, or a reset
	broken  error // what writers get
	closed  bool  // the reader closed its end
	frozen  bool  // the reader reads nothing for now
	readBy  deadline
	writeBy deadline
}

// deadline wakes everybody when it comes.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

type pipeError string

func (e pipeError) Error() string { return string(e) }

const (
	errReset  = pipeError("connection reset by peer")
	errBroken = pipeError("broken pipe")
)

func newStream(limit int) *stream {
	s := &stream{limit: limit}
	s.change = sync.NewCond(&s.mu)
	return s
}

func (s *stream) read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.closed:
			return 0, net.ErrClosed
		case s.frozen:
		case len(s.buf) > 0:
			n := copy(b, s.buf)
			s.buf = s.buf[n:]
			s.change.Broadcast()
			return n, nil
		case s.ended != nil:
			return 0, s.ended
		case s.readBy.passed():
			return 0, os.ErrDeadlineExceeded
		}
		s.change.Wait()
	}
}

func (s *stream) write(b []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	for len(b) > 0 {
		switch room := s.limit - len(s.buf); {
		case s.broken != nil:
			return n, s.broken
		case s.ended != nil, s.closed:
			return n, errBroken
		case s.writeBy.passed():
			return n, os.ErrDeadlineExceeded
		case room > 0:
			room = min(room, len(b))
			s.buf = append(s.buf, b[:room]...)
			b, n = b[room:], n+room
			s.change.Broadcast()
			continue
		}
		s.change.Wait()
	}
	return n, nil
}

// written counts the calls of write.
func (s *stream) written() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

// end says that the writer writes no more.
func (s *stream) end(why error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil {
		s.ended = why
	}
	s.change.Broadcast()
	return nil
}

// shut says that the reader reads no more.
func (s *stream) shut() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.change.Broadcast()
	return nil
}

// freeze keeps the reader from reading, or lets it go on. While it is frozen
// no more than room bytes can be written.
func (s *stream) freeze(frozen bool, room int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frozen, s.limit = frozen, len(s.buf)+room
	s.change.Broadcast()
}

// fail makes every later write fail.
func (s *stream) fail(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = why
	s.change.Broadcast()
}

func (s *stream) setDeadline(d *deadline, t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.at = t
	if !t.IsZero() {
		d.timer = time.AfterFunc(time.Until(t), s.change.Broadcast)
	}
	s.change.Broadcast()
}
