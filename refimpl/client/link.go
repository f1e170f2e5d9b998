package client

import (
	"net"
	"runtime"
	"time"

	"github.com/bpci/xtmp/refimpl/session"
)

// Implementation constants.
const (
	readBuffer = 64 << 10    // B read from a connection at once
	lastRead   = time.Second // for reading on after a write has failed
)

// link is what carries one path of a session: a connection or a UDP socket, with
// its reader and its writer.
//
//	connection ─▶ reader ─▶ core ─▶ writer ─▶ connection
//	    └ ends: Lost, and both end     └ Fate Drain: ends the sending direction; Shut: closes the connection
type link struct {
	session *Session
	id      session.PathID
	carrier carrier
	wake    chan struct{} // capacity 1: the writer has something to do

	// What the lock of the session guards.
	gone     bool // the core knows of its end
	closed   bool
	draining bool // the writer knows that there is no more
	writing  bool // the writer is in a write, or about to be

	sent, received uint64 // bytes
	rate           rate
}

// carrier is a connection, a WebSocket or a UDP socket.
type carrier interface {
	Close() error
	// read hands the core what arrives, until the carrier ends.
	read(l *link)
	// write sends what the core has to send, until the link is gone.
	write(l *link)
}

// begin starts reader and writer. The caller holds the lock.
func (s *Session) begin(id session.PathID, c carrier) {
	l := &link{session: s, id: id, carrier: c, wake: make(chan struct{}, 1)}
	s.links = append(s.links, l)
	s.working.Go(func() { c.read(l) })
	s.working.Go(func() { c.write(l) })
	l.rouse()
}

// rouse wakes the writer.
func (l *link) rouse() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// close ends the carrier, and so the link. The caller holds the lock.
func (l *link) close() {
	if !l.closed {
		l.closed = true
		_ = l.carrier.Close()
	}
}

// shut ends the link whose path is over. The caller holds the lock.
func (l *link) shut() {
	switch c := l.carrier.(type) {
	case *webSocket:
		c.shut(l)
		return
	case *socket:
		if l.writing { // it is out at once, so that the last datagrams are not cut off
			return
		}
	}
	l.close()
	l.rouse()
}

// end tells the core that the carrier has ended. The caller holds the lock.
func (l *link) end() {
	s := l.session
	l.close()
	l.gone = true
	for i, o := range s.links {
		if o == l {
			s.links = append(s.links[:i:i], s.links[i+1:]...)
		}
	}
	s.core.Lost(s.now, l.id)
	l.rouse()
	s.remind() // it may have been the last
}

// input gives the core something, with f, and passes on what that changes.
func (s *Session) input(f func()) {
	s.mu.Lock()
	s.now = s.clock()
	f()
	s.settle()
	secrets := s.secrets
	s.secrets = nil
	s.mu.Unlock()
	if len(secrets) > 0 {
		s.logSecrets(secrets)
	}
}

// connection is a connection as a carrier.
type connection struct{ net.Conn }

func (c connection) read(l *link) {
	buf := make([]byte, readBuffer)
	var n int
	var err error
	take := func() {
		l.took(n)
		if n > 0 && !l.closed {
			l.session.core.Receive(l.session.now, l.id, buf[:n])
		}
		if err != nil {
			l.end()
		}
	}
	for err == nil {
		n, err = c.Read(buf)
		l.session.input(take)
	}
}

// write makes one write of all that waits.
func (c connection) write(l *link) {
	var out []byte
	halfClosed := false
	for {
		var fate session.Fate
		var ok bool
		if out, fate, ok = l.take(out[:0]); !ok {
			return
		}
		if len(out) > 0 {
			if _, err := c.Write(out); err != nil {
				// What the server said before it went away is still read.
				_ = c.SetReadDeadline(time.Now().Add(lastRead))
				return
			}
			continue
		}
		if fate == session.Drain && !halfClosed {
			halfClosed = true
			if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
				_ = half.CloseWrite()
			}
		}
		<-l.wake
		runtime.Gosched() // whoever is about to send joins this write
	}
}

// take appends the core's output for the link to out. It reports false if there
// will be none any more.
func (l *link) take(out []byte) ([]byte, session.Fate, bool) {
	s := l.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if !l.takes() {
		return nil, session.Shut, false
	}
	out = s.core.AppendOutput(s.now, l.id, out)
	if s.admit() && len(out) == 0 {
		out = s.core.AppendOutput(s.now, l.id, out)
	}
	l.writing = len(out) > 0
	l.gave(len(out))
	s.settle()
	return out, s.core.Fate(l.id), !l.closed
}

// gave counts bytes that go to the carrier, took those that came from it. The caller
// holds the lock.
func (l *link) gave(n int) {
	l.sent += uint64(n)
	l.rate.add(l.session.now, n)
}

func (l *link) took(n int) {
	l.received += uint64(n)
	l.rate.add(l.session.now, n)
}

// takes reports whether the core's output may be taken. The caller holds the lock.
func (l *link) takes() bool {
	l.writing = false
	l.session.now = l.session.clock()
	return !l.gone && !l.closed
}
