package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/bpci/xtmp/refimpl/clock"
	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// lineBuffer is how much a line reads at once, in bytes.
const lineBuffer = 256 << 10

// line is one session driven without the client library: the core, one
// connection and two buffers. It measures the protocol and the server, not the
// library.
type line struct {
	conn    net.Conn
	core    *session.Session
	in, out []byte
	replies int // since it was last looked at
	clock   clock.Clock
	failed  error // of a reply that is an Error
}

// Implements implements session.Application.
func (*line) Implements(t wire.MessageType) bool { return t == wire.TypeProbe }

// Deliver implements session.Application.
func (l *line) Deliver(_ session.Now, _ *session.Session, m session.Message) bool {
	l.replies++
	if m.Err != nil {
		l.failed = m.Err
	}
	return true
}

// Writable implements session.Application.
func (*line) Writable(session.Now, *session.Session) {}

// Ended implements session.Application.
func (*line) Ended(*session.Session) {}

// target is a server and how to trust it.
type target struct {
	address string
	pins    []security.Pin
}

// dial establishes a session under a suite, from a source address or "".
func (t target) dial(suite wire.Suite, source string) (*line, error) {
	var d net.Dialer
	if source != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(source)}
	}
	conn, err := d.Dial("tcp", t.address)
	if err != nil {
		return nil, err
	}
	l := &line{conn: conn, in: make([]byte, lineBuffer, lineBuffer+wire.TagSize)}
	cfg, err := session.Config{
		Entropy: rand.Reader, Suites: []wire.Suite{suite}, Application: l,
		Client: session.ClientConfig{Pins: t.pins},
	}.Validate(session.Client)
	if err != nil {
		return nil, err
	}
	l.core = session.NewClient(&cfg)
	if err := l.core.Open(l.clock.Now()); err != nil {
		return nil, err
	}
	for l.core.State() != session.Established {
		if err := l.write(); err != nil {
			return nil, err
		}
		if err := l.read(); err != nil {
			return nil, err
		}
	}
	return l, l.write()
}

// write sends everything that the core has to send: one write per buffer.
func (l *line) write() error {
	now := l.clock.Now()
	for {
		l.out = l.core.AppendOutput(now, 0, l.out[:0])
		if len(l.out) == 0 {
			return nil
		}
		if _, err := l.conn.Write(l.out); err != nil {
			return err
		}
	}
}

// read takes what one read brings.
func (l *line) read() error {
	n, err := l.conn.Read(l.in)
	if err != nil {
		return fmt.Errorf("%w (session: %w)", err, errors.Join(l.core.Err(), errNone))
	}
	now := l.clock.Now()
	l.core.Receive(now, 0, l.in[:n])
	l.core.Advance(now)
	if l.core.Err() != nil {
		return l.core.Err()
	}
	return l.failed
}

var errNone = errors.New("no other reason")

// send queues n messages.
func (l *line) send(n int, r *session.Request) error {
	now := l.clock.Now()
	for range n {
		if err := l.core.Send(now, r); err != nil {
			return err
		}
	}
	return nil
}

// keep runs a closed loop: depth requests are always in flight, until deadline. It
// returns the number of replies.
func (l *line) keep(depth int, r *session.Request, deadline time.Time) (int, error) {
	total := 0
	if err := l.send(depth, r); err != nil {
		return 0, err
	}
	for {
		if err := l.write(); err != nil {
			return total, err
		}
		if err := l.read(); err != nil {
			return total, err
		}
		n := l.replies
		l.replies = 0
		total += n
		if n > 0 && time.Now().After(deadline) {
			return total, nil
		}
		if err := l.send(n, r); err != nil {
			return total, err
		}
	}
}

// call sends one request and waits for its reply.
func (l *line) call(r *session.Request) error {
	l.replies = 0
	if err := l.send(1, r); err != nil {
		return err
	}
	for l.replies == 0 {
		if err := l.write(); err != nil {
			return err
		}
		if err := l.read(); err != nil {
			return err
		}
	}
	return nil
}

func (l *line) close() { _ = l.conn.Close() }

// probe is the body of a Probe with size data bytes.
func probe(op wire.ProbeOp, size int) []byte {
	m := wire.Probe{Op: op, Data: make([]byte, size)}
	return m.Append(nil)
}

func request(op wire.ProbeOp, size int) *session.Request {
	return &session.Request{Type: wire.TypeProbe, Body: probe(op, size)}
}
