package recovery

import (
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/wire"
)

// upTo is an Ack of 0 … n.
func upTo(n uint64) *wire.Ack {
	a := new(wire.Ack)
	if err := a.Parse(wire.AppendAck(nil, 0, []wire.AckRange{{Low: 0, High: n}})); err != nil {
		panic(err)
	}
	return a
}

// window compares the congestion window, in datagrams.
func (r *rig) window(want int) {
	r.t.Helper()
	if got := r.Quality().Window; got != want*1200 {
		r.t.Fatalf("window of %d bytes, want %d datagrams", got, want)
	}
}

// TestSlowStart grows by what is acknowledged, if the window was in use. [XTMP-REC-013] [XTMP-REC-017]
func TestSlowStart(t *testing.T) {
	r := newRig(t)
	r.window(10) // [XTMP-REC-012]
	r.send(1)
	r.now += rigRTT
	r.acks([]int{0}, nil, 0)
	r.window(10) // one frame in flight does not use it
	r.send(10)
	if r.CanSend(r.now, 1200) || r.CanSend(r.now, 1) { // [XTMP-REC-011]
		t.Error("a frame above the window")
	}
	r.now += rigRTT
	r.acks([]int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, nil, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	r.window(20)
}

// TestAvoidance halves once per window and then grows by a datagram. [XTMP-REC-013] [XTMP-REC-014]
func TestAvoidance(t *testing.T) {
	r := newRig(t)
	r.send(10)
	r.now += rigRTT
	r.acks([]int{3}, []int{0}, 3)
	r.window(5)
	r.acks([]int{8}, []int{1, 2, 4, 5}, 3, 8) // of the same window
	r.window(5)
	r.acks([]int{6, 7, 9}, nil, 6, 7, 8, 9)
	r.window(5) // no growth by what was sent before the halving
	for next := 10; next < 20; next += 5 {
		r.send(5)
		r.now += rigRTT
		if _, _, err := r.Ack(r.now, upTo(uint64(next+4))); err != nil {
			t.Fatal(err)
		}
		r.window(6)
	}
	r.send(4)
	r.acks([]int{23}, []int{20}, 23)
	r.window(3)
	r.send(4)
	r.acks([]int{27, 21, 22}, []int{24}, 21, 22, 23, 27)
	r.window(2) // [XTMP-REC-015]
}

// TestPersistentCongestion loses everything for more than 3 PTO. [XTMP-REC-016]
func TestPersistentCongestion(t *testing.T) {
	const pto = 275 * ms // after another sample of 100 ms
	for _, c := range []struct {
		name   string
		span   time.Duration
		acked  []uint64
		window int
	}{
		{"3 PTO", 3 * pto, []uint64{12}, 5},
		{"more than 3 PTO", 3*pto + 1, []uint64{12}, 2},
		{"more than 3 PTO, with one acknowledged in between", 3*pto + 1, []uint64{6, 12}, 5},
	} {
		r := newRig(t)
		for i := range 8 {
			r.send(1)
			if i == 6 {
				r.now += c.span
			}
		}
		r.send(5)
		r.now += rigRTT
		r.rtt.least = 50 * ms // which was another route
		if _, _, err := r.Ack(r.now, ackOf(0, c.acked...)); err != nil {
			t.Fatal(err)
		}
		q := r.Quality()
		if q.Window != c.window*1200 || (q.Least == rigRTT) != (c.window == 2) {
			t.Errorf("%s: window of %d bytes, least %v, want %d datagrams", c.name, q.Window, q.Least, c.window)
		}
	}
	for name, window := range map[string]int{"frames without mid": 2400, "one with mid among them": 3000} {
		r := newRig(t) // and no Ack comes
		for i := range 11 {
			if i == 5 && window == 3000 {
				r.send(1)
			}
			r.plain()
			r.now += rigRTT
			r.OnTimeout(r.now)
		}
		r.window(5)
		r.now += 4 * rigPTO
		r.OnTimeout(r.now)
		if got := r.Quality().Window; got != window {
			t.Errorf("%s: window of %d bytes, want %d", name, got, window)
		}
	}
}

// TestPacing spends the bucket and fills it at 5/4 of the window per srtt. [XTMP-REC-018] [XTMP-REC-019]
func TestPacing(t *testing.T) {
	r := newRig(t)
	r.cc.window = 100 * 1200
	n := 0
	for ; r.CanSend(r.now, 1200); n++ {
		r.send(1)
	}
	if n != windowInitial {
		t.Errorf("a burst of %d", n)
	}
	at, ok := r.NextSend(r.now, 1200)
	if !ok || at-r.now != rigRTT/125 {
		t.Errorf("next in %v, %v", at-r.now, ok)
	}
	if r.CanSend(at-1, 1200) || !r.CanSend(at, 1200) || r.cc.bucket(at, r.rtt.smoothed) != 1200 {
		t.Error("not at that time")
	}
	if r.cc.bucket(r.now+time.Hour, r.rtt.smoothed) != windowInitial*1200 {
		t.Error("the bucket overflows")
	}
	r.send(80)
	r.now += time.Hour
	r.send(10)
	if at, ok := r.NextSend(r.now, 1200); ok {
		t.Errorf("a full window opens at %v", at)
	}
}

// TestTrickle holds a path without a sample to one datagram per 3 s. [XTMP-REC-010]
func TestTrickle(t *testing.T) {
	s := NewSender[int](1200)
	now := time.Minute
	send := func(exempt bool) {
		s.Sent(now, Frame[int]{Sequence: s.Next(far), Size: 200, Eliciting: !exempt, Reliable: true, Exempt: exempt})
	}
	send(true)
	if !s.CanSend(now, 1200) || !s.CanSendOther(now) {
		t.Error("the first datagram waits")
	}
	send(false)
	send(true)
	if s.CanSend(now, 200) || s.CanSendOther(now) || s.CanSend(now, 1) {
		t.Error("a second datagram")
	}
	if at, ok := s.NextSend(now, 200); !ok || at != now+trickle {
		t.Errorf("next at %v, %v", at, ok)
	}
	if at, ok := s.Deadline(); !ok || at != now+trickle {
		t.Errorf("PTO at %v, %v: its frame would be a second datagram", at, ok)
	}
	if _, probes := s.OnTimeout(now + trickle); probes != 1 {
		t.Errorf("%d probes", probes)
	}
	s.Sample(50 * ms)
	if !s.CanSend(now, 1200) || !s.CanSendOther(now) || !s.rtt.known() {
		t.Error("with a sample")
	}
}

// TestRestart begins anew and still hears of what was sent before. [XTMP-UDP-115]
func TestRestart(t *testing.T) {
	r := newRig(t)
	r.send(10)
	r.now += rigRTT
	r.acks([]int{3}, []int{0}, 3)
	r.Restart()
	r.window(10)
	if q := r.Quality(); q.InFlight != 0 || r.rtt.known() || q.Least != 0 {
		t.Errorf("%+v", q)
	}
	r.now += 20 * ms
	r.acks([]int{9, 0}, []int{1, 2, 4, 5, 6}, 0, 3, 9)
	r.window(10)
	if r.rtt.known() {
		t.Error("a sample from the old address")
	}
	r.Sample(30 * ms)
	r.send(1)
	r.now += 30 * ms
	r.acks([]int{10}, []int{7, 8}, 10)
	r.window(10)
	if q := r.Quality(); q.InFlight != 0 || q.Smoothed != 30*ms {
		t.Errorf("%+v", q)
	}
}
