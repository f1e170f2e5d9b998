package conformance

import (
	"context"
	"sync"
	"time"
)

// A steadiness watches how late this machine's clock ticks while a run goes on.
// What it saw during an attempt is added to the slack of the attempt's upper
// bounds: a peer is not late because the machine was.
type steadiness struct {
	mu      sync.Mutex
	hiccups []hiccup // a ring
	next    int
}

// A hiccup is a tick that came late.
type hiccup struct {
	at   time.Time
	late time.Duration
}

const (
	steadinessTick = 2 * time.Millisecond
	hiccupSize     = time.Millisecond // smaller ones are not worth a place
	hiccupsKept    = 4096             // eight seconds of nothing but hiccups
)

// watch ticks until the context ends.
func (s *steadiness) watch(ctx context.Context) {
	ticker := time.NewTimer(steadinessTick)
	defer ticker.Stop()
	for {
		start := time.Now()
		ticker.Reset(steadinessTick)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := time.Now()
		s.record(now, now.Sub(start)-steadinessTick)
	}
}

func (s *steadiness) record(at time.Time, late time.Duration) {
	if late < hiccupSize {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.hiccups) < hiccupsKept {
		s.hiccups = append(s.hiccups, hiccup{at, late})
		return
	}
	s.hiccups[s.next] = hiccup{at, late}
	s.next = (s.next + 1) % hiccupsKept
}

// worstSince is the latest tick at or after a moment. It is bounded, so that a
// machine that was suspended does not excuse everything.
func (s *steadiness) worstSince(moment time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	worst := time.Duration(0)
	for _, h := range s.hiccups {
		if !h.at.Before(moment) {
			worst = max(worst, h.late)
		}
	}
	return min(worst, maxSlack)
}
