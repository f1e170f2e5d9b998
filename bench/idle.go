package main

import (
	"fmt"
	"time"

	"github.com/bpci/xtmp/refimpl/clock"
	"github.com/bpci/xtmp/refimpl/wire"
)

const idleSessions = 10_000

// idle: 10 000 established sessions that say nothing, then one PING each every
// 30 s for a minute.
func idle(t *table) error {
	c, err := startChild("xtmp")
	if err != nil {
		return err
	}
	defer c.stop()
	first, err := c.many(processors()) // what a loop's first session costs once is no session's
	if err != nil {
		return err
	}
	for _, l := range first {
		l.close()
	}
	time.Sleep(2 * time.Second) // they rest
	before, err := c.usage(true)
	if err != nil {
		return err
	}
	lines, err := c.many(idleSessions)
	if err != nil {
		return err
	}
	for _, l := range lines { // each owes the Ack of its last reply
		l.core.Advance(clock.Now())
		if err := l.write(); err != nil {
			return err
		}
		l.core.Rest()
	}
	time.Sleep(3 * time.Second) // longer than a session keeps its cipher objects
	after, err := c.usage(true)
	if err != nil {
		return err
	}
	per := func(a, b int64) string { return fmt.Sprintf("%d B", (a-b)/idleSessions) }
	note := fmt.Sprintf("objects %s, gaps between them %s, spare pages %s, runtime %s, stacks %s each; %d connections",
		per(int64(after.Heap), int64(before.Heap)), per(int64(after.Gaps), int64(before.Gaps)), per(int64(after.Spare), int64(before.Spare)),
		per(int64(after.Runtime), int64(before.Runtime)), per(int64(after.Stack), int64(before.Stack)), after.Open)
	t.add(row{
		"an idle session, resident memory, after a collection", per(after.RSS, before.RSS), "1024 B",
		"mosquitto, plain, 732 B (not run here)", note,
	})
	return heartbeats(t, c, lines)
}

// many establishes n sessions with an echo each.
func (c *child) many(n int) ([]*line, error) {
	lines := make([]*line, 0, n)
	r := request(wire.ProbeEcho, 64)
	for i := range n {
		l, err := c.dial(aes, source(i/8))
		if err != nil {
			return lines, fmt.Errorf("session %d: %w", i, err)
		}
		l.in, l.out = make([]byte, 4<<10), nil
		if err := l.call(r); err != nil {
			return lines, err
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// heartbeats pings on every session once in 30 s, evenly, as 10 000 clients would.
func heartbeats(t *table, c *child, lines []*line) error {
	const interval = 30 * time.Second
	before, err := c.usage(false)
	if err != nil {
		return err
	}
	start := time.Now()
	for n := range 2 * len(lines) {
		if wait := time.Until(start.Add(time.Duration(n) * interval / time.Duration(len(lines)))); wait > 0 {
			time.Sleep(wait)
		}
		l := lines[n%len(lines)]
		if _, ok := l.core.Ping(); !ok {
			return fmt.Errorf("session %d has ended: %w", n, l.core.Err())
		}
		if err := l.write(); err != nil {
			return err
		}
		if err := l.read(); err != nil {
			return err
		}
		l.core.Advance(clock.Now())
		l.core.Rest()
	}
	elapsed := time.Since(start)
	after, err := c.usage(false)
	if err != nil {
		return err
	}
	share := (after.CPU - before.CPU).Seconds() / elapsed.Seconds() * 100
	t.add(row{
		"heartbeats of 10 000 sessions at 30 s, of the machine", fmt.Sprintf("%.1f %%", share/float64(processors())),
		"1.5 %", "", fmt.Sprintf("%.1f %% of one processor; resident %d MiB in all, not collected", share, after.RSS>>20),
	})
	return nil
}
