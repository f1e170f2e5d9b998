package main

import (
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bpci/xtmp/refimpl/wire"
)

// hostileSpan is how long the honest client calls beside the attackers.
const hostileSpan = 20 * time.Second

// hostile: an honest client that calls 500 times a second, alone, then beside 2 000
// connections that trickle one byte a second and 200 that flood.
func hostile(t *table) error {
	priority := "the attackers run behind everybody else"
	if err := prefer(); err != nil {
		priority = "no privilege to run before the attackers"
	}
	c, err := startChild("xtmp")
	if err != nil {
		return err
	}
	defer c.stop()
	l, err := c.dial(aes, "127.0.0.1")
	if err != nil {
		return err
	}
	defer l.close()
	if _, err := honest(l, 2*time.Second); err != nil { // until it is warm
		return err
	}
	quietTimes, err := honest(l, 10*time.Second)
	if err != nil {
		return err
	}
	before, err := c.usage(false)
	if err != nil {
		return err
	}
	attack, err := startAttack()
	if err != nil {
		return err
	}
	attack.aim(c.address)
	time.Sleep(3 * time.Second)
	begin, err := c.usage(false)
	if err != nil {
		return err
	}
	times, err := honest(l, hostileSpan)
	if err != nil {
		return fmt.Errorf("the honest session: %w", err)
	}
	end, err := c.usage(false)
	if err != nil {
		return err
	}
	reads := float64(end.Reads-begin.Reads-uint64(len(times))) / hostileSpan.Seconds()
	newcomer := newcomers(c)
	after, err := c.usage(false)
	if err != nil {
		return err
	}
	attack.stop()
	ratio := float64(times.at(.99)) / float64(quietTimes.at(.99))
	t.add(row{"honest client, quiet, p50 / p99", quietTimes.two(.5, .99), "", "", priority})
	t.add(row{
		"beside 2 000 that trickle and 200 that flood, p50 / p99", times.two(.5, .99),
		"2 × quiet p99", fmt.Sprintf("%.2f ×", ratio), fmt.Sprintf("%d calls, none failed; %.0f reads/s of attackers", len(times), reads),
	})
	t.add(row{
		"a newcomer's connection to its first reply, p50 / max", newcomer.two(.5, 1), "1 s", "",
		fmt.Sprintf("%d of 20 newcomers", len(newcomer)),
	})
	memory := fmt.Sprintf("%d / %d MiB", before.RSS>>20, after.RSS>>20)
	t.add(row{"resident memory of the server, before / beside", memory, "256 MiB", "", fmt.Sprintf("%d connections", after.Open)})
	return nil
}

// honest calls 500 times a second and returns how long each call took.
func honest(l *line, span time.Duration) (all latencies, err error) {
	r := request(wire.ProbeEcho, 64)
	for start, n := time.Now(), 0; time.Since(start) < span; n++ {
		if wait := time.Until(start.Add(time.Duration(n) * 2 * time.Millisecond)); wait > 0 {
			time.Sleep(wait)
		}
		at := time.Now()
		if err := l.call(r); err != nil {
			return all, err
		}
		all = append(all, time.Since(at))
	}
	return all, nil
}

// newcomers connect one after the other from an address of their own.
func newcomers(c *child) (all latencies) {
	for i := range 20 {
		at := time.Now()
		l, err := c.dial(aes, source(9000+i))
		if err == nil {
			err = l.call(request(wire.ProbeEcho, 0))
			l.close()
		}
		if err == nil {
			all = append(all, time.Since(at))
		}
	}
	return all
}

// attack is the other side's process.
type attack struct{ *child }

func startAttack() (*attack, error) {
	c, err := startChild("attack")
	if err != nil {
		return nil, err
	}
	return &attack{c}, nil
}

// serveAttack attacks the address that it is told.
func serveAttack() error {
	address := aimed()
	if err := lower(); err != nil {
		return err
	}
	var trickling, floods atomic.Int64
	var wg sync.WaitGroup
	for i := range 2000 {
		wg.Go(func() { trickle(address, source(100+i/16), &trickling) })
	}
	for i := range 200 {
		wg.Go(func() { flood(address, source(500+i/16), i, &floods) })
	}
	wg.Wait()
	return nil
}

// trickle sends a frame that never ends, one byte a second, and comes back when it
// is cut.
func trickle(address, from string, count *atomic.Int64) {
	frame := clientHelloFrame()
	for {
		conn, err := dialFrom(address, from)
		if err != nil {
			time.Sleep(time.Second)
			continue
		}
		count.Add(1)
		for i := 0; i < len(frame); i++ {
			if _, err := conn.Write(frame[i : i+1]); err != nil {
				break
			}
			time.Sleep(time.Second)
		}
		_ = conn.Close()
	}
}

// flood connects and sends as fast as it is let: ClientHellos that are never
// finished, headers that claim 16 MiB, and noise.
func flood(address, from string, i int, count *atomic.Int64) {
	hello := clientHelloFrame()
	claim := append([]byte(nil), hello[:96]...)
	claim[24] = 1
	noise := make([]byte, 64<<10)
	for {
		conn, err := dialFrom(address, from)
		if err != nil {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		count.Add(1)
		send := [][]byte{hello, claim, noise}[i%3]
		for range 100 {
			if _, err := conn.Write(send); err != nil {
				break
			}
			runtime.Gosched()
		}
		_ = conn.Close()
	}
}

func dialFrom(address, from string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 5 * time.Second}
	return d.Dial("tcp", address)
}
