package conformance

import (
	"context"
	"net"
	"slices"
	"time"
)

// A Calibration is what the judge measured about its own machine and the way
// to the target before the first case.
type Calibration struct {
	Jitter    time.Duration // how late a short sleep ends, the worst two of many left aside
	RoundTrip time.Duration // the slowest of a few TCP connections
	Slack     time.Duration // added to the upper bound of every spec timer
}

const (
	calibrationSleeps = 40
	calibrationAside  = 2 // a single hiccup says little about the minutes to come
	calibrationSleep  = time.Millisecond
	calibrationDials  = 3
	minSlack          = 20 * time.Millisecond
	maxSlack          = 2 * time.Second
	steadinessShare   = 2 // jitter above timer/steadinessShare makes the timer unjudgeable
	slackPerJitter    = 4
	slackPerRoundTrip = 2
)

// calibrate measures the jitter of sleeps and the round trip to addr. It
// returns an error when not even one connection can be made.
func calibrate(ctx context.Context, addr string, within time.Duration) (Calibration, error) {
	var c Calibration
	var late []time.Duration
	for range calibrationSleeps {
		start := time.Now()
		time.Sleep(calibrationSleep)
		late = append(late, time.Since(start)-calibrationSleep)
	}
	slices.Sort(late)
	c.Jitter = late[len(late)-1-calibrationAside]
	dialer := net.Dialer{Timeout: within}
	for range calibrationDials {
		start := time.Now()
		conn, err := dialer.DialContext(ctx, "tcp", addr)
		if err != nil {
			return c, err
		}
		c.RoundTrip = max(c.RoundTrip, time.Since(start))
		_ = conn.Close()
	}
	c.Slack = slackOf(c.Jitter, c.RoundTrip)
	return c, nil
}

// slackOf is what the measured unsteadiness adds to an upper bound.
func slackOf(jitter, roundTrip time.Duration) time.Duration {
	slack := slackPerJitter*jitter + slackPerRoundTrip*roundTrip
	return min(max(slack, minSlack), maxSlack)
}

// tooUnsteady reports whether the jitter is so large a part of a spec timer that
// its end cannot be judged on this machine.
func (w *Waits) tooUnsteady(timer string) bool {
	value, ok := w.timers[timer]
	return ok && w.jitter > value/steadinessShare
}
