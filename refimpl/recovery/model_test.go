package recovery

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bpci/xtmp/refimpl/wire"
)

// fate is a frame of the model, and all that is known of it.
type fate struct {
	at                  time.Duration
	eliciting, reliable bool
	acked, lost         bool
	size                int
}

// senderModel judges every frame anew on every input.
type senderModel struct {
	frames map[uint64]*fate
	order  []uint64
	top    uint64 // highest acknowledged
	any    bool
}

// settle returns what an Ack of numbers newly acknowledges, and what is lost then.
func (m *senderModel) acks(numbers []uint64) (acked []int) {
	for _, seq := range numbers {
		m.top, m.any = max(m.top, seq), true
		if f := m.frames[seq]; !f.acked {
			if f.acked = true; f.eliciting && f.reliable {
				acked = append(acked, int(seq))
			}
		}
	}
	slices.Sort(acked)
	return acked
}

func (m *senderModel) losses(now, delay, plainAge time.Duration) (lost []int) {
	for i, seq := range m.order {
		f := m.frames[seq]
		above := 0
		for _, later := range m.order[i+1:] {
			if later <= m.top && m.any {
				above++
			}
		}
		gone := above >= lossFrames || above > 0 && now-f.at >= delay || !f.reliable && now-f.at >= plainAge
		if f.eliciting && !f.acked && !f.lost && gone {
			if f.lost = true; f.reliable {
				lost = append(lost, int(seq))
			}
		}
	}
	return lost
}

func (m *senderModel) inFlight() (bytes int) {
	for _, f := range m.frames {
		if f.eliciting && !f.acked && !f.lost {
			bytes += f.size
		}
	}
	return bytes
}

// TestSender holds the flight to the model: what is acknowledged, lost and in
// flight after any sequence of inputs.
func TestSender(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := NewSender[int](1200)
		s.Sample(100 * ms)
		m := senderModel{frames: map[uint64]*fate{}}
		now := time.Hour
		gap := rapid.Uint64Range(0, 7)
		for range rapid.IntRange(1, 60).Draw(t, "inputs") {
			now += time.Duration(rapid.IntRange(0, 60).Draw(t, "ms")) * ms
			lost, _ := s.OnTimeout(now)
			// What is due is done first; the time threshold counts from frames that were seen then.
			if want := m.losses(now, s.rtt.lossDelay(), persistentPTOs*s.PTO()); !slices.Equal(want, slices.Sorted(slices.Values(lost))) {
				t.Fatalf("timeout: lost %v, want %v", lost, want)
			}
			for range rapid.IntRange(0, 4).Draw(t, "frames") {
				f := fate{
					at: now, size: rapid.IntRange(100, 1200).Draw(t, "size"),
					eliciting: rapid.IntRange(0, 3).Draw(t, "eliciting") > 0, reliable: rapid.IntRange(0, 2).Draw(t, "reliable") > 0,
				}
				seq := s.Next(func() uint64 { return gap.Draw(t, "gap") })
				m.frames[seq], m.order = &f, append(m.order, seq)
				s.Sent(now, Frame[int]{Sequence: seq, Size: f.size, Eliciting: f.eliciting, Reliable: f.reliable, Item: int(seq)})
			}
			if len(m.order) > 0 && rapid.Bool().Draw(t, "ack") {
				numbers := drawNumbers(t, m.order)
				acked, lost, err := s.Ack(now, ackOf(0, numbers...))
				wantAcked := m.acks(numbers)
				wantLost := m.losses(now, s.rtt.lossDelay(), never)
				if err != nil || !slices.Equal(wantAcked, slices.Sorted(slices.Values(acked))) || !slices.Equal(wantLost, lost) {
					t.Fatalf("Ack of %v: acked %v, lost %v, %v; want %v, %v", numbers, acked, lost, err, wantAcked, wantLost)
				}
			}
			if s.q != nil && rapid.Bool().Draw(t, "rest") && s.Idle() && len(s.q.lost) == 0 {
				s.Use(s.Rest())
			}
			if q := s.Quality(); q.InFlight != m.inFlight() || q.Window < windowMin*1200 {
				t.Fatalf("%+v, want %d bytes in flight", q, m.inFlight())
			}
		}
	})
}

// drawNumbers draws some of the newest frames that were sent, in order, as one Ack
// can name.
func drawNumbers(t *rapid.T, sent []uint64) []uint64 {
	var numbers []uint64
	for _, seq := range sent[max(0, len(sent)-20):] {
		if rapid.Bool().Draw(t, "covered") {
			numbers = append(numbers, seq)
		}
	}
	if len(numbers) == 0 {
		numbers = append(numbers, sent[len(sent)-1])
	}
	return numbers
}

// burst sends 64 frames across and acknowledges them, two at a time.
type burst struct {
	s    Sender[uint64]
	r    Received
	now  time.Duration
	body []byte
	ack  wire.Ack
}

func newBurst() *burst {
	b := &burst{s: NewSender[uint64](1200), now: time.Second}
	b.s.Sample(ms)
	b.s.cc.window = 1 << 20
	for range 2000 {
		b.run()
	}
	return b
}

func (b *burst) run() {
	for range 64 {
		b.now += 20 * time.Microsecond
		seq := b.s.Next(far)
		b.s.CanSend(b.now, 1200)
		b.s.Sent(b.now, Frame[uint64]{Sequence: seq, Size: 1200, Eliciting: true, Reliable: true, Item: seq})
		if seq%100 == 7 { // lost
			continue
		}
		if !b.r.Fresh(seq) {
			panic("not fresh")
		}
		b.r.Add(b.now, seq, true, true)
		if !b.r.AckDue(b.now) {
			continue
		}
		b.body = b.r.AppendAck(b.body[:0], b.now)
		if err := b.ack.Parse(b.body); err != nil {
			panic(err)
		}
		if _, _, err := b.s.Ack(b.now, &b.ack); err != nil {
			panic(err)
		}
	}
}

// TestNoAllocation works both ends in a steady state, with losses and rests.
func TestNoAllocation(t *testing.T) {
	b := newBurst()
	if n := testing.AllocsPerRun(100, b.run); n != 0 {
		t.Errorf("%v allocations for 64 frames", n)
	}
	q, w := new(Flight[uint64]), new(Window)
	rest := func() {
		b.s.Restart()
		b.s.Sample(ms)
		b.run()
		b.now += time.Second
		b.s.OnTimeout(b.now)
		b.s.Abandon()
		b.r.AppendAck(b.body[:0], b.now)
		if q != nil {
			*q = *b.s.Rest()
			b.s.Use(q)
		}
		if !b.r.Idle(b.now, ms) {
			t.Fatal("not idle")
		}
		b.r.Use(w)
		b.r.Rest()
		b.r.Use(w)
	}
	rest()
	if n := testing.AllocsPerRun(100, rest); n != 0 {
		t.Errorf("%v allocations for a rest", n)
	}
}

// BenchmarkFrame is one frame at both ends: number, pacing, flight, replay window,
// and half an Ack of up to 33 ranges.
func BenchmarkFrame(b *testing.B) {
	x := newBurst()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%64 == 0 {
			x.run()
		}
	}
}
