package recovery

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bpci/xtmp/refimpl/wire"
)

const ms = time.Millisecond

// receivedModel is a Received as sets.
type receivedModel struct {
	seen, acked map[uint64]bool
	next, floor uint64
}

func (m *receivedModel) fresh(seq uint64) bool {
	return seq < sequenceEnd && seq >= m.floor && !m.seen[seq] && seq+windowSize >= m.next
}

func (m *receivedModel) add(seq uint64, acked bool) {
	m.seen[seq] = true
	m.next = max(m.next, seq+1)
	if acked {
		m.acked[seq] = true
		kept := m.ranges()
		lowest := kept[len(kept)-1].Low
		for s := range m.acked {
			if s < lowest {
				delete(m.acked, s)
			}
		}
	}
}

// ranges returns the 33 newest ranges of the ack set.
func (m *receivedModel) ranges() (r []wire.AckRange) {
	numbers := slices.Sorted(maps.Keys(m.acked))
	for _, seq := range slices.Backward(numbers) {
		if n := len(r); n > 0 && r[n-1].Low == seq+1 {
			r[n-1].Low = seq
		} else if n == wire.MaxAckRanges {
			break
		} else {
			r = append(r, wire.AckRange{Low: seq, High: seq})
		}
	}
	return r
}

// upToLongGap returns the ranges above the first gap that no Ack can name. [XTMP-ACK-016]
func upToLongGap(ranges []wire.AckRange) []wire.AckRange {
	for i := 1; i < len(ranges); i++ {
		if ranges[i-1].Low-ranges[i].High-1 > 65535 {
			return ranges[:i]
		}
	}
	return ranges
}

// TestReceived holds window and ack set to sets of numbers, through rests.
func TestReceived(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			r     Received
			now   = time.Second
			w     = new(Window)
			m     = receivedModel{seen: map[uint64]bool{}, acked: map[uint64]bool{}}
			start = rapid.SampledFrom([]uint64{0, 63, 64, 8127, 1 << 40}).Draw(t, "start")
		)
		m.next = start
		r.next = start // as if nothing of what is below had been received
		r.floor, m.floor = start, start
		for range rapid.IntRange(1, 300).Draw(t, "inputs") {
			now += time.Duration(rapid.IntRange(0, 2).Draw(t, "ms")) * ms
			seq := m.next + rapid.SampledFrom([]uint64{0, 0, 0, 1, 2, 5, 63, 64, 1000, 8127, 8128, 20000}).Draw(t, "ahead")
			seq -= min(seq, rapid.SampledFrom([]uint64{0, 0, 0, 1, 2, 3, 4, 9, 63, 64, 500, 8127, 8128, 8129}).Draw(t, "behind"))
			if got, want := r.Fresh(seq), m.fresh(seq); got != want {
				t.Fatalf("%d is fresh: %v, want %v; next %d floor %d", seq, got, want, m.next, m.floor)
			} else if want {
				acked := rapid.IntRange(0, 40).Draw(t, "acked") > 0
				r.Add(now, seq, rapid.Bool().Draw(t, "eliciting"), acked)
				m.add(seq, acked)
			}
			if len(m.acked) > 0 && rapid.Bool().Draw(t, "ack") {
				var ack wire.Ack
				if err := ack.Parse(r.AppendAck(nil, now)); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(upToLongGap(m.ranges()), ack.Ranges()); diff != "" {
					t.Fatal(diff)
				}
			}
			if quiet := rapid.IntRange(0, 60).Draw(t, "rest"); quiet <= 2 && r.Idle(now+time.Duration(quiet)*40*ms, 20*ms) {
				if now += time.Duration(quiet) * 40 * ms; !r.exact() {
					m.floor = m.next // [XTMP-UDP-084]
				}
				if given := r.Rest(); given != nil {
					w = given
				}
				if rapid.Bool().Draw(t, "use") {
					r.Use(w)
				}
			}
		}
		if r.Fresh(sequenceEnd) || m.next < sequenceEnd && !r.Fresh(sequenceEnd-1) {
			t.Fatal("the end of the numbers") // [XTMP-UDP-080]
		}
	})
}

// TestWindowEdges names the numbers at the edge. [XTMP-UDP-079]
func TestWindowEdges(t *testing.T) {
	var r Received
	r.Add(0, 10000, true, true)
	for seq, want := range map[uint64]bool{10000: false, 10001: true, 9999: true, 1873: true, 1872: false, 0: false} {
		if r.Fresh(seq) != want {
			t.Errorf("%d is fresh: %v", seq, !want)
		}
	}
}

// arrival is a row of an Ack policy test: a frame arrives, or time passes.
type arrival struct {
	at        time.Duration
	seq       uint64
	eliciting bool
	due       bool
	deadline  time.Duration // 0: none
}

func TestAckPolicy(t *testing.T) {
	for name, rows := range map[string][]arrival{
		"every second frame": { // [XTMP-ACK-020]
			{1 * ms, 0, true, false, 26 * ms},
			{2 * ms, 1, true, true, 1 * ms},
			{3 * ms, 2, true, false, 28 * ms},
			{4 * ms, 3, true, true, 3 * ms},
		},
		"frames that elicit none": { // [XTMP-ACK-024]
			{1 * ms, 0, false, false, 0}, {2 * ms, 1, false, false, 0}, {3 * ms, 2, true, false, 28 * ms}, {4 * ms, 3, false, false, 28 * ms},
		},
		"a gap":           {{1 * ms, 0, true, false, 26 * ms}, {2 * ms, 2, true, true, 1 * ms}}, // [XTMP-ACK-021]
		"a late frame":    {{1 * ms, 1, true, true, 1 * ms}, {2 * ms, 0, true, true, 2 * ms}},
		"T_ACK":           {{1 * ms, 0, true, false, 26 * ms}, {26 * ms, 1, false, true, 26 * ms}}, // [XTMP-ACK-019]
		"a late Ack":      {{1 * ms, 5, false, false, 0}, {2 * ms, 3, false, false, 0}},
		"after a gap, in": {{1 * ms, 5, false, false, 0}, {2 * ms, 6, true, false, 27 * ms}},
	} {
		var r Received
		for i, row := range rows {
			r.Add(row.at, row.seq, row.eliciting, true)
			deadline, ok := r.Deadline()
			if due := r.AckDue(row.at); due != row.due || ok != (row.deadline != 0) || deadline != row.deadline {
				t.Errorf("%s, row %d: due %v at %v, want %v at %v", name, i, due, deadline, row.due, row.deadline)
			}
			if row.due {
				r.AppendAck(nil, row.at)
				if _, ok := r.Deadline(); ok || r.AckDue(row.at+time.Hour) {
					t.Errorf("%s, row %d: due after the Ack", name, i)
				}
			}
		}
	}
}

// TestRefusedFrame shows that a frame without room is known, not acknowledged,
// and asks for nothing. [XTMP-UDP-095]
func TestRefusedFrame(t *testing.T) {
	var r Received
	r.Add(1*ms, 0, true, true)
	r.Add(2*ms, 1, true, false)
	r.Add(3*ms, 2, false, true)
	if r.AckDue(4*ms) || r.Fresh(1) {
		t.Error("due, or fresh")
	}
	var ack wire.Ack
	if err := ack.Parse(r.AppendAck(nil, 13*ms)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]wire.AckRange{{Low: 2, High: 2}, {Low: 0, High: 0}}, ack.Ranges()); diff != "" || ack.DelayUS != 10000 {
		t.Error(diff, ack.DelayUS) // [XTMP-ACK-018]
	}
	if r.Idle(13*ms, 20*ms) || !r.Idle(63*ms, 20*ms) {
		t.Error("the ring says more than the ranges until 3 PTO have passed")
	}
}
