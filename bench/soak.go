package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bpci/xtmp/refimpl/clock"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// Bounds of what a server may have kept when everybody is gone again.
const (
	soakWorkers  = 48
	soakRSS      = 16 << 20              // B beyond what as many visitors have left once
	soakSettle   = 80 * time.Second      // T_PARK_ANON and more
	soakHonestly = 50 * time.Millisecond // between two calls of the honest session
)

// soak lets peers come, misbehave and go for a while, beside one honest session
// that must not notice. Then nobody is left: neither connections nor descriptors
// nor memory may be.
func soak(t *table) error {
	c, err := startChild("xtmp")
	if err != nil {
		return err
	}
	defer c.stop()
	l, err := c.dial(aes, "127.0.0.1")
	if err != nil {
		return err
	}
	// What the server keeps for reuse grows with the sessions that are parked at the
	// same time: after T_PARK_ANON of visitors there are not more of them.
	if _, err := c.churn(min(*span, time.Minute)); err != nil {
		return err
	}
	before, err := c.settled()
	if err != nil {
		return err
	}
	stop := make(chan struct{})
	var honestCalls atomic.Int64
	failed := make(chan error, 1)
	go func() { failed <- c.beHonest(l, stop, &honestCalls) }()
	visits, err := c.churn(*span)
	if err != nil {
		return err
	}
	close(stop)
	if err := <-failed; err != nil {
		return fmt.Errorf("the honest session: %w", err)
	}
	after, err := c.settled()
	if err != nil {
		return err
	}
	t.add(row{
		fmt.Sprintf("%v of visitors, %d at once", *span, soakWorkers), fmt.Sprintf("%d visits", visits), "", "",
		fmt.Sprintf("%d honest calls, none failed", honestCalls.Load()),
	})
	held := fmt.Sprintf("%d, %d, %d / %d, %d, %d", before.Open, before.Parked, before.Files, after.Open, after.Parked, after.Files)
	t.add(row{"connections, parked sessions, descriptors, before / after", held, "equal", "", ""})
	memory := fmt.Sprintf("%d / %d MiB", before.RSS>>20, after.RSS>>20)
	t.add(row{"resident memory, before / after", memory, fmt.Sprintf("+ %d MiB", soakRSS>>20), "", ""})
	if after.Open != before.Open || after.Parked != before.Parked || after.Files != before.Files {
		return errors.New("connections, sessions or descriptors are left over")
	}
	if after.RSS > before.RSS+soakRSS {
		return errors.New("memory is left over")
	}
	return nil
}

// settled waits until only the honest session is connected and none is parked, and
// returns the usage.
func (c *child) settled() (u usage, err error) {
	for end := time.Now().Add(soakSettle); ; time.Sleep(200 * time.Millisecond) {
		if u, err = c.usage(true); err != nil || u.Open+u.Parked <= 1 || time.Now().After(end) {
			return u, err
		}
	}
}

// beHonest calls until it is stopped, and checks what comes back.
func (c *child) beHonest(l *line, stop <-chan struct{}, calls *atomic.Int64) error {
	r := request(wire.ProbeEcho, 100)
	for n := 0; ; n++ {
		select {
		case <-stop:
			return nil
		case <-time.After(soakHonestly):
		}
		if n%1000 == 999 {
			l.core.Rekey(clock.Now())
		}
		if err := l.call(r); err != nil {
			return err
		}
		calls.Add(1)
	}
}

// churn has workers visit the server, each from an address of its own, and returns
// the number of visits. Visitors that misbehave are refused; only a visit that
// should succeed and does not is an error.
func (c *child) churn(span time.Duration) (int64, error) {
	var visits atomic.Int64
	errs := make(chan error, soakWorkers)
	end := time.Now().Add(span)
	var wg sync.WaitGroup
	for i := range soakWorkers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			for n := 0; time.Now().Before(end); n++ {
				// Addresses change, so that no bucket of first frames runs dry.
				if err := c.visit(r, source(100*i+n%100)); err != nil {
					errs <- fmt.Errorf("worker %d, visit %d: %w", i, n, err)
					return
				}
				visits.Add(1)
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return visits.Load(), err
	default:
		return visits.Load(), nil
	}
}

// visit is one visitor.
func (c *child) visit(r *rand.Rand, from string) error {
	switch r.IntN(8) {
	case 0:
		return c.noise(r, from)
	case 1:
		return c.halfHandshake(from)
	}
	suites := []wire.Suite{wire.SuiteAES256GCM, wire.SuiteChaCha20, wire.SuitePostQuantum}
	l, err := c.dial(suites[r.IntN(len(suites))], from)
	if err != nil {
		return err
	}
	defer l.close()
	for range r.IntN(5) {
		if err := l.call(request(wire.ProbeEcho, r.IntN(60_000))); err != nil {
			return err
		}
	}
	return l.leave(r)
}

// leave ends a session in one of many ways.
func (l *line) leave(r *rand.Rand) error {
	now := clock.Now()
	switch r.IntN(7) {
	case 0: // in order
		l.core.Close(now)
		_ = l.write()
	case 1: // with a reset
		_ = l.conn.(*net.TCPConn).SetLinger(0)
	case 2: // in the middle of a large reply
		big := wire.Probe{Op: wire.ProbeSource, Arg: 16<<20 - 8}
		if err := l.send(1, &session.Request{Type: wire.TypeProbe, Body: big.Append(nil)}); err != nil {
			return err
		}
		if err := l.write(); err != nil {
			return err
		}
		return l.read()
	case 3: // with calls that nobody waits for
		late := wire.Probe{Op: wire.ProbeDelay, Arg: 60_000, Data: make([]byte, 10_000)}
		if err := l.send(20, &session.Request{Type: wire.TypeProbe, Body: late.Append(nil)}); err != nil {
			return err
		}
		return l.write()
	case 4: // in the middle of a rekey
		l.core.Rekey(now)
		return l.write()
	case 5: // with a frame that does not open
		if err := l.send(1, request(wire.ProbeEcho, 10)); err != nil {
			return err
		}
		l.out = l.core.AppendOutput(now, 0, l.out[:0])
		l.out[len(l.out)-1] ^= 1
		_, _ = l.conn.Write(l.out)
	default: // with half a frame
		if err := l.send(1, request(wire.ProbeEcho, 10)); err != nil {
			return err
		}
		l.out = l.core.AppendOutput(now, 0, l.out[:0])
		_, _ = l.conn.Write(l.out[:len(l.out)/2])
	}
	return nil
}

// noise is a visitor that does not speak XTMP.
func (c *child) noise(r *rand.Rand, from string) error {
	conn, err := dialFrom(c.address, from)
	if err != nil {
		return err
	}
	defer conn.Close()
	b := make([]byte, r.IntN(5000))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	_, _ = conn.Write(b)
	return nil
}

// halfHandshake is a visitor that goes after its ClientHello.
func (c *child) halfHandshake(from string) error {
	conn, err := dialFrom(c.address, from)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, _ = conn.Write(clientHelloFrame())
	return nil
}
