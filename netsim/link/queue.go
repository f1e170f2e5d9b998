package link

import (
	"github.com/bpci/xtmp/netsim/vtime"
)

// queue is a bottleneck. Packets leave in the order they came, so when a packet
// leaves is known when it comes, and so is what CoDel, which decides at that
// moment, will see; only its look at the packets behind is left out.
type queue struct {
	busy vtime.Time // until then, the rate is taken
	part int64      // and this part of a µs, in 1/rate µs

	dropping   bool // CoDel's state, in the words of RFC 8289
	count      uint64
	lastCount  uint64
	firstAbove vtime.Time // 0 is none
	dropNext   vtime.Time
}

// pass returns when a packet that comes at now has left.
func (q *queue) pass(i *Impairment, now vtime.Time, size int) (vtime.Time, Cause) {
	if i.Rate == 0 {
		return now, Passed
	}
	if q.busy < now {
		q.busy, q.part = now, 0
	}
	if i.Queue > 0 && (size > i.Queue || q.busy-now > span(int64(i.Queue-size), i.Rate)) {
		return 0, QueueFull
	}
	if i.CoDel != (CoDel{}) && q.codel(i.CoDel, now) {
		return 0, Managed
	}
	work := int64(size)*8_000_000 + q.part
	q.busy += vtime.Time(work / i.Rate)
	q.part = work % i.Rate
	return q.busy, Passed
}

// span returns how long bytes take at a rate.
func span(bytes, rate int64) vtime.Time { return vtime.Time(bytes * 8_000_000 / rate) }

// codel decides about the packet that comes at now and would be sent at busy.
func (q *queue) codel(c CoDel, now vtime.Time) (drop bool) {
	leaves := q.busy
	above := q.above(c, leaves, leaves-now)
	switch {
	case q.dropping && !above:
		q.dropping = false
	case q.dropping && leaves >= q.dropNext:
		q.count++
		q.dropNext = control(c, q.dropNext, q.count)
		return true
	case !q.dropping && above:
		q.dropping = true
		recent := q.count - q.lastCount
		if recent > 1 && leaves-q.dropNext < 16*c.Interval {
			q.count = recent
		} else {
			q.count = 1
		}
		q.lastCount = q.count
		q.dropNext = control(c, leaves, q.count)
		return true
	}
	return false
}

// above says whether packets have waited longer than the target for an interval.
func (q *queue) above(c CoDel, leaves, waited vtime.Time) bool {
	switch {
	case waited < c.Target:
		q.firstAbove = 0
	case q.firstAbove == 0:
		q.firstAbove = leaves + c.Interval
	default:
		return leaves >= q.firstAbove
	}
	return false
}

// control returns t + interval/√count.
func control(c CoDel, t vtime.Time, count uint64) vtime.Time {
	return t + c.Interval*1000/vtime.Time(isqrt(count*1_000_000))
}
