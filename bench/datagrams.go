package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/bpci/xtmp/refimpl/recovery"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/udp"
	"github.com/bpci/xtmp/refimpl/wire"
)

// datagramLine is a line on UDP: one goroutine receives, another sends.
type datagramLine struct {
	line
	socket *udp.Conn
	mu     sync.Mutex    // for line
	heard  chan struct{} // datagrams have arrived
	over   chan struct{} // the receiver has ended
}

// queuedOnUDP bounds the messages that wait to be sealed.
const queuedOnUDP = 512

// dialUDP establishes a session over UDP.
func (t target) dialUDP() (*datagramLine, error) {
	socket, err := udp.Open(context.Background(), "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &datagramLine{socket: socket, heard: make(chan struct{}, 1), over: make(chan struct{})}
	cfg, err := session.Config{
		Entropy: rand.Reader, Suites: []wire.Suite{aes}, Application: l,
		Client: session.ClientConfig{Pins: t.pins},
	}.Validate(session.Client)
	if err != nil {
		return nil, err
	}
	peer, err := netip.ParseAddrPort(t.address)
	if err != nil {
		return nil, err
	}
	l.core = session.NewClient(&cfg)
	if err := l.core.OpenDatagram(l.clock.Now(), peer, nil, 0); err != nil {
		return nil, err
	}
	go l.receive()
	for l.state() != session.Established {
		if err := l.turn(nil); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *datagramLine) state() session.State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.core.State()
}

func (l *datagramLine) quality() recovery.Quality {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.core.Quality(0)
}

func (l *datagramLine) receive() {
	defer close(l.over)
	for {
		batch, err := l.socket.Receive()
		if err != nil {
			return
		}
		l.mu.Lock()
		now := l.clock.Now()
		for _, d := range batch {
			l.core.ReceiveDatagram(now, d.From, d.Bytes)
		}
		l.mu.Unlock()
		select {
		case l.heard <- struct{}{}:
		default:
		}
	}
}

// turn lets the core do what is due, gives it messages like r while there is room, and
// sends what may go; if that is nothing, it waits for something to happen.
func (l *datagramLine) turn(r *session.Request) error {
	l.mu.Lock()
	now := l.clock.Now()
	deadline, _ := l.core.Deadline()
	if deadline <= now.Elapsed {
		l.core.Advance(now)
		deadline, _ = l.core.Deadline()
	}
	for n, _ := l.core.Queued(); r != nil && n < queuedOnUDP; n++ {
		if err := l.core.Send(now, r); err != nil {
			l.mu.Unlock()
			return err
		}
	}
	n := 0
	for room := l.socket.Room(); room != nil; room = l.socket.Room() {
		out, to, ok := l.core.AppendDatagram(now, 0, room)
		if !ok {
			break
		}
		l.socket.Add(out, to)
		n++
	}
	err := l.core.Err()
	l.mu.Unlock()
	switch {
	case err != nil:
		return err
	case n > 0:
		return l.socket.Flush()
	}
	select {
	case <-l.heard:
	case <-time.After(deadline - now.Elapsed):
	}
	return nil
}

func (l *datagramLine) close() {
	_ = l.socket.Close()
	<-l.over
}

// oneWayUDP: as oneWay, on UDP, a frame per datagram, with loss recovery and pacing.
// What was lost on the way does not count.
func oneWayUDP(t *table, c *child) error {
	const name = "one way over UDP, 64 B, recovery and pacing on"
	if !wanted(name) {
		return nil
	}
	lost := 0.0
	rate, err := median(func() (float64, error) {
		l, err := c.dialUDP()
		if err != nil {
			return 0, err
		}
		defer l.close()
		r := request(wire.ProbeSink, 64)
		r.OneWay = true
		start := time.Now()
		for time.Since(start) < *span {
			if err := l.turn(r); err != nil {
				return 0, err
			}
		}
		q := l.quality()
		lost = float64(q.Lost) * 100 / float64(max(1, q.Acked+q.Lost))
		return float64(q.Acked) / time.Since(start).Seconds(), nil
	})
	if err != nil {
		return err
	}
	t.add(row{name, perSecond(rate), "1 M/s", "", fmt.Sprintf("%.2f %% lost", lost)})
	return nil
}
