package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bpci/xtmp/refimpl/client"
	"github.com/bpci/xtmp/refimpl/wire"
)

// caller is one goroutine's way to have 256 B echoed.
type caller func() error

// calls: request and reply through the client library, 4 sessions × 32 callers,
// 256 B, beside gRPC and HTTP at the same concurrency; then the latency at half
// that rate.
func calls(t *table, c *child) error {
	const name = "calls through the client library, 4 × 32, 256 B"
	if !wanted(name) {
		return nil
	}
	callers, done, err := xtmpCallers(c, 4, 32, 256)
	if err != nil {
		return err
	}
	rate, err := median(func() (float64, error) { return closedLoop(callers) })
	if err != nil {
		return err
	}
	half, err := openLoop(callers, rate/2)
	done()
	if err != nil {
		return err
	}
	var baselines []string
	for _, peer := range []string{"grpc", "http"} {
		r, err := peerCalls(peer, 4, 32, 256)
		if err != nil {
			return err
		}
		baselines = append(baselines, fmt.Sprintf("%s TLS %s (%.1f ×)", peer, perSecond(r), rate/r))
	}
	t.add(row{name, perSecond(rate), "3.5 × gRPC, 3 × HTTP", baselines[0], baselines[1]})
	t.add(row{"the same at half that rate, open loop, p50", micro(half.at(.5)), "500 µs", "", fmt.Sprintf("%d calls", len(half))})
	t.add(row{"the same at half that rate, open loop, p99", micro(half.at(.99)), "2000 µs", "", ""})
	return nil
}

// xtmpCallers opens sessions and returns the callers on them.
func xtmpCallers(c *child, sessions, each, size int) (all []caller, done func(), err error) {
	var open []*client.Session
	done = func() {
		for _, s := range open {
			_ = s.Close(context.Background())
		}
	}
	body := probe(wire.ProbeEcho, size)
	for i := range sessions {
		s, err := client.Dial(context.Background(), c.address, client.Config{Pins: c.pins, LocalAddress: source(i) + ":0"})
		if err != nil {
			done()
			return nil, nil, err
		}
		open = append(open, s)
		for range each {
			var dst []byte
			all = append(all, func() (err error) {
				dst, err = s.Call(context.Background(), client.Message{Type: wire.TypeProbe, Body: body}, dst[:0])
				return err
			})
		}
	}
	return all, done, nil
}

// closedLoop has every caller call again as soon as it is answered.
func closedLoop(callers []caller) (float64, error) {
	return together(len(callers), func(i int, deadline time.Time) (n int, err error) {
		for ; n%64 != 0 || time.Now().Before(deadline); n++ {
			if err := callers[i](); err != nil {
				return n, err
			}
		}
		return n, nil
	})
}

// openLoop calls at a fixed rate, whoever is free, and measures from the moment at
// which a call was due, so that waiting for a caller counts.
func openLoop(callers []caller, rate float64) (latencies, error) {
	due := make(chan time.Time, 1<<16)
	expected := int(rate * span.Seconds())
	times := make([]latencies, len(callers)) // with room, so that measuring stops nobody
	failed := make([]error, len(callers))
	var wg sync.WaitGroup
	for i, call := range callers {
		times[i] = make(latencies, 0, 2*expected/len(callers))
		wg.Go(func() {
			for at := range due {
				if err := call(); err != nil {
					failed[i] = err
				}
				times[i] = append(times[i], time.Since(at))
			}
		})
	}
	start := time.Now()
	for n := 0; ; {
		now := time.Now()
		if now.Sub(start) > *span {
			break
		}
		for want := int(rate * now.Sub(start).Seconds()); n < want; n++ {
			due <- start.Add(time.Duration(float64(n) / rate * float64(time.Second)))
		}
		time.Sleep(50 * time.Microsecond)
	}
	close(due)
	wg.Wait()
	return slices.Concat(times...), errors.Join(failed...)
}
