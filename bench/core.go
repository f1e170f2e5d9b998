package main

import (
	"fmt"
	"time"

	"github.com/bpci/xtmp/refimpl/wire"
)

const aes = wire.SuiteAES256GCM

// core measures the server under load, and its peers at the same work.
func core(t *table) error {
	c, err := startChild("xtmp")
	if err != nil {
		return err
	}
	defer c.stop()
	for _, f := range []func(*table, *child) error{oneWay, oneWayUDP, echo, serial, calls, handshakes} {
		if err := f(t, c); err != nil {
			return err
		}
	}
	return nil
}

// oneWay: one connection, 64 B Probe sinks, 64 frames per write, no ack. An echo
// behind the last one says that all were taken.
func oneWay(t *table, c *child) error {
	if !wanted("one way") {
		return nil
	}
	r := request(wire.ProbeSink, 64)
	r.OneWay = true
	rate, err := median(func() (float64, error) {
		l, err := c.dial(aes, "")
		if err != nil {
			return 0, err
		}
		defer l.close()
		start, n := time.Now(), 0
		for deadline := start.Add(*span); n%(64<<8) != 0 || time.Now().Before(deadline); n += 64 {
			if err := l.send(64, r); err != nil {
				return 0, err
			}
			if err := l.write(); err != nil {
				return 0, err
			}
		}
		if err := l.call(request(wire.ProbeEcho, 0)); err != nil {
			return 0, err
		}
		return float64(n) / time.Since(start).Seconds(), nil
	})
	if err != nil {
		return err
	}
	baseline, err := natsPublish(1, 64)
	if err != nil {
		return err
	}
	t.add(row{"one way, 1 connection, 64 B, 64 frames per write", perSecond(rate), "3.5 M/s", "NATS TLS pub " + perSecond(baseline), ""})
	return nil
}

// echo: 64 connections with 64 requests in flight each.
func echo(t *table, c *child) error {
	for _, size := range []int{64, 256} {
		name := fmt.Sprintf("echo, 64 connections × 64 in flight, %d B", size)
		if !wanted(name) {
			continue
		}
		rate, err := median(func() (float64, error) {
			return pipelined(c, 64, 64, size)
		})
		if err != nil {
			return err
		}
		baseline, err := natsPubSub(4, size)
		if err != nil {
			return err
		}
		goal := "1.5 M/s"
		if size != 64 {
			goal = ""
		}
		t.add(row{name, perSecond(rate), goal, "NATS TLS pub→sub " + perSecond(baseline), "NATS has a broker's hop"})
	}
	return nil
}

// pipelined runs closed loops on conns connections. Sources differ, so that no
// limit per source is met.
func pipelined(c *child, conns, depth, size int) (float64, error) {
	lines := make([]*line, conns)
	for i := range lines {
		l, err := c.dial(aes, source(i))
		if err != nil {
			return 0, err
		}
		defer l.close()
		lines[i] = l
	}
	r := request(wire.ProbeEcho, size)
	return together(conns, func(i int, deadline time.Time) (int, error) { return lines[i].keep(depth, r, deadline) })
}

// source is one of many loopback addresses.
func source(i int) string { return fmt.Sprintf("127.%d.%d.%d", 1+i>>14&0x7f, i>>7&0x7f, 1+i&0x7f) }

// serial: one request at a time on one connection.
func serial(t *table, c *child) error {
	if !wanted("serial") {
		return nil
	}
	l, err := c.dial(aes, "")
	if err != nil {
		return err
	}
	defer l.close()
	r := request(wire.ProbeEcho, 64)
	var all latencies
	for end := time.Now().Add(*span); time.Now().Before(end); {
		start := time.Now()
		if err := l.call(r); err != nil {
			return err
		}
		all = append(all, time.Since(start))
	}
	note := fmt.Sprintf("p99 %s, %d calls", micro(all.at(.99)), len(all))
	t.add(row{"serial call, 1 connection, 64 B, p50", micro(all.at(.5)), "50 µs", "", note})
	return nil
}

// handshakes: whole connections to an established session, as fast as one client
// process makes them; the figure is per second of the server's processor time.
func handshakes(t *table, c *child) error {
	for _, s := range []struct {
		suite wire.Suite
		goal  string
	}{{wire.SuiteAES256GCM, "3000 /s"}, {wire.SuiteChaCha20, "3000 /s"}, {wire.SuitePostQuantum, "800 /s"}} {
		name := "handshakes per second of server CPU, " + s.suite.String()
		if !wanted(name) {
			continue
		}
		before, err := c.usage(false)
		if err != nil {
			return err
		}
		wall, err := together(2, func(i int, deadline time.Time) (n int, err error) {
			for ; time.Now().Before(deadline); n++ {
				l, err := c.dial(s.suite, source(1000*i+n%1000))
				if err != nil {
					return n, err
				}
				l.close()
			}
			return n, nil
		})
		if err != nil {
			return err
		}
		after, err := c.usage(false)
		if err != nil {
			return err
		}
		cpu := (after.CPU - before.CPU).Seconds()
		n := wall * span.Seconds()
		t.add(row{name, perSecond(n / cpu), s.goal, "", fmt.Sprintf("%.0f /s of wall time with the clients on the same machine", wall)})
	}
	return nil
}
