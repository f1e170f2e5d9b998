package tcp

import (
	"github.com/bpci/xtmp/netsim/vtime"
)

// rto is the retransmission timer of RFC 6298.
type rto struct {
	smoothed, deviation vtime.Time // of the round trip; 0 before the first
	value               vtime.Time // without backoff
	tries               int        // expiries since the last progress
	silent              int        // and since the peer gave any sign of life
	due                 vtime.Time
}

// arm starts the timer.
func (r *rto) arm(now vtime.Time) { r.due = now + r.value }

// rest stops the timer and ends the backoff.
func (r *rto) rest() { r.due, r.tries, r.silent = vtime.Never, 0, 0 }

// expired doubles the timer, starts it again and returns how often it expired
// without a sign of life.
func (r *rto) expired(cfg *Config, now vtime.Time) int {
	r.tries++
	r.silent++
	backed := r.value
	for range r.tries {
		backed = min(2*backed, cfg.MaxRTO)
	}
	r.due = now + backed
	return r.silent
}

// measured takes a round trip in. Segments that were sent twice are not
// measured.
func (r *rto) measured(cfg *Config, trip vtime.Time) {
	if r.smoothed == 0 {
		r.smoothed, r.deviation = max(trip, 1), trip/2
	} else {
		r.deviation += (max(trip-r.smoothed, r.smoothed-trip) - r.deviation) / 4
		r.smoothed = max(r.smoothed+(trip-r.smoothed)/8, 1)
	}
	// The least is added, as Linux does, so that a delayed ACK does no harm.
	r.value = min(r.smoothed+max(4*r.deviation, cfg.MinRTO), cfg.MaxRTO)
}

// congestion is the window of RFC 5681, with the recovery of NewReno.
type congestion struct {
	mss        int
	cwnd       int
	threshold  int
	duplicates int
	recovering bool
	recover    uint32 // recovery ends when this is acknowledged
	timedOut   bool   // no fast retransmit before recover is acknowledged
}

// duplicate counts an acknowledgement that acknowledges nothing; true asks for a
// retransmission.
func (g *congestion) duplicate(una, top uint32) bool {
	g.duplicates++
	switch {
	case g.recovering:
		g.cwnd += g.mss
	case g.duplicates == 3 && !(g.timedOut && before(una, g.recover)):
		g.threshold = max(int(top-una)/2, 2*g.mss)
		g.cwnd = g.threshold + 3*g.mss
		g.recovering, g.recover = true, top
		g.timedOut = false
		return true
	}
	return false
}

// progress takes n new bytes in; true asks for a retransmission of what is the
// next hole.
func (g *congestion) progress(n int, ack uint32) bool {
	g.duplicates = 0
	if g.timedOut && !before(ack, g.recover) {
		g.timedOut = false
	}
	switch {
	case g.recovering && before(ack, g.recover):
		g.cwnd = max(g.cwnd-n+g.mss, g.mss)
		return true
	case g.recovering:
		g.recovering = false
		g.cwnd = g.threshold
	case g.cwnd < g.threshold:
		g.cwnd += min(n, g.mss)
	default:
		g.cwnd += max(g.mss*g.mss/g.cwnd, 1)
	}
	g.cwnd = min(g.cwnd, 1<<30)
	return false
}

func (g *congestion) timeout(flight int, top uint32) {
	if !g.timedOut {
		g.threshold = max(flight/2, 2*g.mss)
	}
	g.cwnd = g.mss
	g.duplicates, g.recovering, g.timedOut, g.recover = 0, false, true, top
}
