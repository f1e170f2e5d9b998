package recovery

import "time"

// rtt is the estimate of a path's round trip, RFC 9002, 5.
type rtt struct {
	latest, smoothed, variation, least time.Duration // all 0: no sample
}

// known reports whether there is a sample.
func (r *rtt) known() bool { return r.smoothed != 0 }

// sample takes in a round trip of which the peer says that it held its Ack back
// for delay.
func (r *rtt) sample(took, delay time.Duration) {
	took = max(took, time.Microsecond)
	r.latest = took
	if !r.known() {
		r.least, r.smoothed, r.variation = took, took, took/2
		return
	}
	r.least = min(r.least, took)
	adjusted := max(took-min(delay, ackDelay), r.least)
	r.variation = (3*r.variation + (r.smoothed - adjusted).Abs()) / 4
	r.smoothed = (7*r.smoothed + adjusted) / 8
}

// pto is the probe timeout without doubling. [XTMP-REC-002]
func (r *rtt) pto() time.Duration {
	if !r.known() {
		return initialRTT + 4*(initialRTT/2) + ackDelay
	}
	return r.smoothed + max(4*r.variation, granularity) + ackDelay
}

// lossDelay is the age at which a frame is lost once a later one is acknowledged.
func (r *rtt) lossDelay() time.Duration {
	return max(9*max(r.smoothed, r.latest)/8, granularity)
}
