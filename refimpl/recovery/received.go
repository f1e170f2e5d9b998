package recovery

import (
	"slices"
	"time"

	"github.com/bpci/xtmp/refimpl/wire"
)

// Window is what a Received works with: the ring of RFC 6479 and the ack set,
// newest first, a gap of at least one number between any two ranges.
type Window struct {
	ring   [windowWords]uint64
	ranges [wire.MaxAckRanges]wire.AckRange
	count  int
}

const (
	wordBits    = 64
	windowWords = windowSize/wordBits + 1
)

// Received is what arrived on a path under its path keys, of all epochs together:
// the replay window, the ack set and the Ack that is due. The zero Received is
// empty.
//
//	numbers below floor │ window of 8128: ring │ highest      replay
//	        … ranges[1] │ gap │ ranges[0]                     ack set, at most 33
//
// At rest the ack set is the body of an Ack, and the ring follows from it.
type Received struct {
	w    *Window // nil at rest
	rest []byte  // an Ack of the ack set, valid at rest

	next    uint64 // highest received + 1
	floor   uint64 // what is below is taken as received
	unsaid  uint64 // what is below may be received and in no range
	pending int32  // ack-eliciting frames that no Ack has covered
	atOnce  bool   // an Ack may not wait

	since     time.Duration // when the oldest pending frame arrived
	largestAt time.Duration // when the highest of the ack set arrived
	lastAt    time.Duration // when anything arrived
}

// Fresh reports whether the frame seq may be opened: it is not known and not too
// old. [XTMP-UDP-079] [XTMP-UDP-080]
func (r *Received) Fresh(seq uint64) bool {
	switch {
	case seq >= r.next:
		return seq < sequenceEnd
	case seq < r.floor || r.next-seq > windowSize:
		return false
	}
	r.wake()
	return r.w.ring[seq/wordBits%windowWords]&(1<<(seq%wordBits)) == 0
}

// Add notes the frame seq, which was fresh, after it has opened and its type is
// known. A frame that was dropped for want of room is not acked: its number is
// known from now on and not acknowledged. [XTMP-UDP-078] [XTMP-UDP-081] [XTMP-UDP-095]
func (r *Received) Add(now time.Duration, seq uint64, eliciting, acked bool) {
	inOrder := seq == r.next
	r.mark(seq)
	r.lastAt = now
	if !acked {
		r.unsaid = max(r.unsaid, seq+1)
		return
	}
	if r.w.count == 0 || seq > r.w.ranges[0].High {
		r.largestAt = now
	}
	r.insert(seq)
	if !eliciting {
		return
	}
	if r.pending == 0 {
		r.since = now
	}
	r.pending++
	r.atOnce = r.atOnce || !inOrder // [XTMP-ACK-021]
}

// mark adds seq to the replay window.
func (r *Received) mark(seq uint64) {
	r.wake()
	if seq >= r.next {
		first := seq / wordBits // the first word to clear
		if r.next > 0 {
			first = (r.next-1)/wordBits + 1
		}
		last := seq / wordBits
		if last >= windowWords {
			first = max(first, last-windowWords+1)
		}
		for w := first; w <= last; w++ {
			r.w.ring[w%windowWords] = 0
		}
		r.next = seq + 1
	}
	r.w.ring[seq/wordBits%windowWords] |= 1 << (seq % wordBits)
}

// insert adds seq to the ack set; what is not among the 33 newest ranges is
// forgotten. [XTMP-ACK-026]
func (r *Received) insert(seq uint64) {
	ranges := r.w.ranges[:r.w.count]
	i := 0 // the newest range that does not lie above seq + 1
	for i < len(ranges) && ranges[i].Low > seq+1 {
		i++
	}
	switch {
	case i < len(ranges) && ranges[i].High+1 == seq:
		ranges[i].High = seq
	case i < len(ranges) && ranges[i].Low == seq+1:
		ranges[i].Low = seq
		if below := i + 1; below < len(ranges) && ranges[below].High+1 == seq {
			ranges[i].Low = ranges[below].Low
			ranges = slices.Delete(ranges, below, below+1)
		}
	default:
		if last := len(ranges) - 1; len(ranges) == wire.MaxAckRanges {
			if i > last {
				r.unsaid = max(r.unsaid, seq+1)
				return
			}
			r.unsaid = max(r.unsaid, ranges[last].High+1)
			ranges = ranges[:last]
		}
		ranges = slices.Insert(ranges, i, wire.AckRange{Low: seq, High: seq})
	}
	r.w.count = len(ranges)
}

// AckDue reports whether an Ack is to be sent, if it is asked at the end of a
// wake-up that took at most 64 datagrams. [XTMP-ACK-019] [XTMP-ACK-020] [XTMP-ACK-022] [XTMP-ACK-024]
func (r *Received) AckDue(now time.Duration) bool {
	return r.pending > 0 && (r.atOnce || r.pending >= ackEvery || now >= r.since+ackDelay)
}

// Deadline returns when an Ack is due, false if none will be.
func (r *Received) Deadline() (time.Duration, bool) {
	switch {
	case r.pending == 0:
		return 0, false
	case r.atOnce || r.pending >= ackEvery:
		return r.since, true
	default:
		return r.since + ackDelay, true
	}
}

// AppendAck appends the body of an Ack of everything in the ack set, which is not
// empty if AckDue. The caller seals it at now. [XTMP-ACK-017] [XTMP-ACK-018]
func (r *Received) AppendAck(dst []byte, now time.Duration) []byte {
	r.wake()
	r.pending, r.atOnce = 0, false
	delay := (now - r.largestAt) / time.Microsecond
	return wire.AppendAck(dst, uint32(min(delay, 1<<32-1)), r.w.ranges[:r.w.count])
}

// Highest returns the highest number received; false if there is none. An address
// change begins with a frame above it. [XTMP-UDP-106]
func (r *Received) Highest() (uint64, bool) { return r.next - 1, r.next > 0 }

// Idle reports whether the path may rest: no Ack is due, and either the ranges say
// all that the ring does or nothing has arrived for 3 PTO of the path.
// [XTMP-UDP-084]
func (r *Received) Idle(now, pto time.Duration) bool {
	return r.pending == 0 && (r.exact() || now-r.lastAt >= persistentPTOs*pto)
}

// exact reports whether the ranges describe the window.
func (r *Received) exact() bool {
	return r.unsaid <= r.floor || r.next-r.unsaid >= windowSize
}

// Rest gives up the memory; r is idle. It returns nil if there was none.
func (r *Received) Rest() *Window {
	w := r.w
	if w == nil {
		return nil
	}
	if !r.exact() {
		r.floor = r.next
	}
	if r.rest = r.rest[:0]; w.count > 0 {
		r.rest = wire.AppendAck(r.rest, 0, w.ranges[:w.count])
	}
	r.w = nil
	return w
}

// Use takes w, of whatever content, as the memory to work with; r is new or at rest.
func (r *Received) Use(w *Window) {
	*w = Window{}
	r.w = w
	if len(r.rest) == 0 {
		return
	}
	var set wire.Ack
	if err := set.Parse(r.rest); err != nil {
		panic("recovery: " + err.Error())
	}
	w.count = copy(w.ranges[:], set.Ranges())
	lowest := max(r.next, windowSize) - windowSize
	for _, rg := range set.Ranges() {
		for seq := max(rg.Low, lowest); seq <= rg.High; {
			bit := seq % wordBits
			n := min(wordBits-bit, rg.High-seq+1)
			w.ring[seq/wordBits%windowWords] |= (1<<n - 1) << bit
			seq += n
		}
	}
}

func (r *Received) wake() {
	if r.w == nil {
		r.Use(new(Window))
	}
}
