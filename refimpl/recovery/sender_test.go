package recovery

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/wire"
)

// rig is a Sender on a path with a round trip of 100 ms: PTO is 325 ms, a frame is
// lost after 112.5 ms.
type rig struct {
	t *testing.T
	Sender[int]
	now time.Duration
}

const (
	rigRTT = 100 * ms
	rigPTO = 325 * ms
)

func newRig(t *testing.T) *rig {
	r := &rig{t: t, Sender: NewSender[int](1200), now: time.Hour}
	r.Sample(rigRTT)
	if r.PTO() != rigPTO {
		t.Fatal(r.PTO())
	}
	return r
}

// far makes the next left-out number as distant as it can be.
func far() uint64 { return ^uint64(0) }

// near leaves out every second number.
func near() uint64 { return 0 }

// send sends n reliable frames of 1200 bytes, whose items are their numbers.
func (r *rig) send(n int) {
	for range n {
		seq := r.Next(far)
		r.Sent(r.now, Frame[int]{Sequence: seq, Size: 1200, Eliciting: true, Reliable: true, Item: int(seq)})
	}
}

// plain sends a frame without mid.
func (r *rig) plain() {
	seq := r.Next(far)
	r.Sent(r.now, Frame[int]{Sequence: seq, Size: 1200, Eliciting: true, Item: -1})
}

// other sends a frame that elicits no Ack.
func (r *rig) other() {
	r.Sent(r.now, Frame[int]{Sequence: r.Next(far), Size: 128, Exempt: true})
}

func ackOf(delay time.Duration, numbers ...uint64) *wire.Ack {
	var ranges []wire.AckRange
	for i, seq := range slices.Backward(numbers) {
		if i < len(numbers)-1 && numbers[i+1] == seq+1 {
			ranges[len(ranges)-1].Low = seq
		} else {
			ranges = append(ranges, wire.AckRange{Low: seq, High: seq})
		}
	}
	a := new(wire.Ack)
	if err := a.Parse(wire.AppendAck(nil, uint32(delay/time.Microsecond), ranges)); err != nil {
		panic(err)
	}
	return a
}

// acks takes an Ack of numbers and compares what is acknowledged and lost.
func (r *rig) acks(acked, lost []int, numbers ...uint64) {
	r.t.Helper()
	a, l, err := r.Ack(r.now, ackOf(0, numbers...))
	if err != nil || !slices.Equal(a, acked) || !slices.Equal(l, lost) {
		r.t.Fatalf("Ack of %v: acked %v, lost %v, %v; want %v, %v", numbers, a, l, err, acked, lost)
	}
}

// timeout lets the deadline come, which is to be after wait, and compares.
func (r *rig) timeout(wait time.Duration, lost []int, probes int) {
	r.t.Helper()
	at, ok := r.Deadline()
	if !ok || at-r.now != wait {
		r.t.Fatalf("deadline in %v, %v, want %v", at-r.now, ok, wait)
	}
	if l, n := r.OnTimeout(at - 1); len(l) != 0 || n != 0 {
		r.t.Fatalf("too early: %v, %d", l, n)
	}
	r.now = at
	if l, n := r.OnTimeout(at); !slices.Equal(l, lost) || n != probes {
		r.t.Fatalf("lost %v, %d probes, want %v, %d", l, n, lost, probes)
	}
}

// TestRTT computes estimates by hand. [XTMP-REC-001] [XTMP-REC-002]
func TestRTT(t *testing.T) {
	for _, c := range []struct {
		name                         string
		took, delay                  time.Duration
		smoothed, variation, lossAge time.Duration
	}{
		{"no delay", 180 * ms, 0, 110 * ms, 57500 * time.Microsecond, 202500 * time.Microsecond},
		{"delay", 200 * ms, 20 * ms, 110 * ms, 57500 * time.Microsecond, 225 * ms},
		{"delay above T_ACK counts as T_ACK", 205 * ms, time.Second, 110 * ms, 57500 * time.Microsecond, 230625 * time.Microsecond},
		{"not below the least", 120 * ms, 25 * ms, 100 * ms, 37500 * time.Microsecond, 135 * ms},
		{"a new least", 20 * ms, 20 * ms, 90 * ms, 57500 * time.Microsecond, 101250 * time.Microsecond},
	} {
		r := newRig(t)
		r.send(1)
		if _, _, err := r.Ack(r.now+c.took, ackOf(c.delay, 0)); err != nil {
			t.Fatal(err)
		}
		if q := r.Quality(); q.Smoothed != c.smoothed || q.Variation != c.variation || q.Latest != c.took || r.rtt.lossDelay() != c.lossAge {
			t.Errorf("%s: %+v, %v", c.name, q, r.rtt.lossDelay())
		}
	}
	var fast rtt
	fast.sample(80*time.Microsecond, 0)
	fast.variation = 0
	if fast.pto() != 26*ms+80*time.Microsecond || fast.lossDelay() != ms {
		t.Error("PTO and the time of a loss have a floor", fast.pto(), fast.lossDelay())
	}
}

// TestSamples shows which Acks give a sample. [XTMP-REC-001]
func TestSamples(t *testing.T) {
	r := newRig(t)
	r.send(2)
	r.other() // 2
	wait := time.Duration(0)
	sampled := func(want bool, numbers ...uint64) {
		t.Helper()
		before := r.rtt.latest
		wait += 7 * ms
		r.now += wait
		if _, _, err := r.Ack(r.now, ackOf(0, numbers...)); err != nil || (r.rtt.latest != before) != want {
			t.Errorf("Ack of %v: sample %v, %v", numbers, !want, err)
		}
	}
	sampled(true, 1)
	sampled(false, 1)       // nothing new
	sampled(false, 0, 1)    // new, but not the largest
	sampled(false, 0, 1, 2) // elicits no Ack, and nothing else is new
	r.send(1)
	r.other() // 4
	sampled(true, 3, 4)
	r.Sample(time.Second)
	if r.rtt.latest == time.Second {
		t.Error("the sample of a PONG on a path that has one")
	}
}

// TestPacketThreshold loses what is three frames below. [XTMP-REC-003]
func TestPacketThreshold(t *testing.T) {
	r := newRig(t)
	r.send(6)
	r.acks([]int{2}, nil, 2)
	r.acks([]int{3}, []int{0}, 2, 3)
	r.acks([]int{5}, []int{1}, 2, 3, 5)
	r.acks([]int{4}, nil, 4) // an older Ack [XTMP-ACK-030]
	if q := r.Quality(); q.InFlight != 0 || q.Lost != 2 || q.Acked != 4 {
		t.Errorf("%+v", q)
	}
}

// TestThresholdLeavesHoles counts frames, not numbers. [XTMP-REC-003]
func TestThresholdLeavesHoles(t *testing.T) {
	s := NewSender[int](1200)
	for range 4 { // 0 2 4 6
		seq := s.Next(near)
		s.Sent(0, Frame[int]{Sequence: seq, Size: 100, Eliciting: true, Reliable: true, Item: int(seq)})
	}
	if _, lost, err := s.Ack(ms, ackOf(0, 4)); err != nil || len(lost) != 0 {
		t.Errorf("two frames above: lost %v, %v", lost, err)
	}
	if _, lost, err := s.Ack(ms, ackOf(0, 6)); err != nil || !slices.Equal(lost, []int{0}) {
		t.Errorf("three frames above: lost %v, %v", lost, err)
	}
}

// TestTimeThreshold loses what is 9/8 RTT old when a later frame is acked. [XTMP-REC-004]
func TestTimeThreshold(t *testing.T) {
	r := newRig(t)
	r.send(1)
	r.now += 10 * ms
	r.send(2)
	r.now += 100 * ms
	r.acks([]int{1}, nil, 1) // the sample is 100 ms
	r.timeout(2500*time.Microsecond, []int{0}, 0)
	r.timeout(10*ms+275*ms-112500*time.Microsecond, nil, 1) // the variation has become 37.5 ms
}

// TestPTO probes, doubles and is set back. [XTMP-REC-007] [XTMP-REC-008]
func TestPTO(t *testing.T) {
	r := newRig(t)
	r.send(1)
	r.now += 50 * ms
	r.send(2)
	r.timeout(rigPTO, nil, 2)
	r.send(2)
	r.timeout(2*rigPTO, nil, 2)
	r.send(1)
	r.timeout(4*rigPTO, nil, 2)
	if r.ConsecutivePTO() != 3 {
		t.Error(r.ConsecutivePTO())
	}
	r.SetSuspect(r.now, true)
	if at, ok := r.Deadline(); ok {
		t.Errorf("PTO of a suspect path at %v", at)
	}
	r.SetSuspect(r.now, false)
	r.acks([]int{5}, []int{0, 1, 2, 3, 4}, 5)
	if _, ok := r.Deadline(); ok || r.ConsecutivePTO() != 0 {
		t.Error("a timer without a frame in flight, or expiries")
	}
	r.send(1)
	r.timeout(r.PTO(), nil, 1)
}

// TestPlain loses frames without mid by their age. [XTMP-REC-009]
func TestPlain(t *testing.T) {
	r := newRig(t)
	r.plain()
	r.now += 10 * ms
	r.plain()
	r.timeout(3*rigPTO-10*ms, nil, 0)
	if q := r.Quality(); q.InFlight != 1200 || q.Lost != 1 || q.ConsecutivePTO != 0 {
		t.Errorf("%+v", q)
	}
	r.timeout(10*ms, nil, 0)
	if _, ok := r.Deadline(); ok || r.Quality().InFlight != 0 || !r.Idle() {
		t.Error("something is left")
	}
}

// TestLateAck takes a lost frame as received.
func TestLateAck(t *testing.T) {
	r := newRig(t)
	r.send(5)
	r.acks([]int{4}, []int{0, 1}, 4)
	r.now += 20 * ms
	r.acks([]int{2, 3, 0}, nil, 0, 2, 3, 4)
	r.acks(nil, nil, 0, 2, 3, 4)
	if q := r.Quality(); q.Late != 1 || q.Lost != 2 || q.Acked != 4 {
		t.Errorf("%+v", q)
	}
	r.now += time.Hour
	r.acks(nil, nil, 4)
	r.acks(nil, nil, 0, 1, 2, 3, 4) // it was forgotten
}

// TestLyingPeer acknowledges what was not sent. [XTMP-ACK-004] [XTMP-ACK-027]
func TestLyingPeer(t *testing.T) {
	r := newRig(t)
	r.left, r.period = 3, skipPeriod
	r.send(5) // 0 1 2 4 5
	for _, c := range []struct {
		numbers []uint64
		want    error
	}{
		{[]uint64{6}, ErrNotSent},
		{[]uint64{3}, ErrLeftOut},
		{[]uint64{2, 3, 4, 5}, ErrLeftOut},
		{[]uint64{3, 5}, ErrLeftOut},
	} {
		if _, _, err := r.Ack(r.now, ackOf(0, c.numbers...)); !errors.Is(err, c.want) {
			t.Errorf("Ack of %v: %v, want %v", c.numbers, err, c.want)
		}
	}
	if r.Quality().InFlight != 6000 {
		t.Error("a violation changed something")
	}
	r.acks([]int{4, 5, 0, 1, 2}, nil, 0, 1, 2, 4, 5)
}

// TestSuspicion names when T_SUSPECT ends.
func TestSuspicion(t *testing.T) {
	r := newRig(t)
	suspectIn := func(want time.Duration) {
		t.Helper()
		if at, ok := r.SuspectAt(); ok != (want != 0) || ok && at-r.now != want {
			t.Errorf("suspect in %v, %v, want %v", at-r.now, ok, want)
		}
	}
	suspectIn(0)
	r.plain()
	suspectIn(0)
	r.now += ms
	r.send(2)
	suspectIn(suspectTimeout)
	r.now += 100 * ms
	r.acks([]int{1}, nil, 1)
	suspectIn(suspectTimeout) // of frame 2; the Ack counts
	r.now += ms
	suspectIn(suspectTimeout - ms)
	r.SetSuspect(r.now, true)
	suspectIn(0)
	r.now += time.Minute
	r.SetSuspect(r.now, false)
	suspectIn(suspectTimeout)
	r.acks([]int{2}, nil, 2)
	suspectIn(0)
}

func TestRestKeepsEstimates(t *testing.T) {
	r := newRig(t)
	r.send(1)
	if r.Idle() {
		t.Error("idle with a frame in flight")
	}
	r.now += rigRTT
	r.acks([]int{0}, nil, 0)
	before := r.Quality()
	q := r.Rest()
	if q == nil || r.Quality() != before || !r.Idle() || r.Rest() != nil {
		t.Error("Rest")
	}
	if _, ok := r.Deadline(); ok {
		t.Error("a timer at rest")
	}
	if lost, n := r.OnTimeout(r.now); lost != nil || n != 0 {
		t.Error("a timeout at rest")
	}
	r.acks(nil, nil, 0) // an old Ack
	r.Rest()
	r.Use(q)
	r.send(1)
	r.timeout(r.PTO(), nil, 1)
	r.Abandon()
	if !r.Idle() || r.Quality().InFlight != 0 {
		t.Error("abandoned frames are in flight")
	}
}
