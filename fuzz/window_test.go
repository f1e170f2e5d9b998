package fuzz_test

import (
	"slices"
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/recovery"
	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

// Sizes of chapter 12.7 and 12.8.
const (
	replayWindow = 8128
	sequenceEnd  = 1 << 62
	ackRanges    = 33
	ackGap       = 65535
)

// FuzzWindow receives sequence numbers on a UDP path in any order, with rests
// between them.
//
// Oracle: two sets of numbers. What is in the first, or too far below its highest,
// is not fresh; everything else is, but after a silence of 3 PTO. Acks name what is
// in the second, its 33 newest ranges, and come in time.
func FuzzWindow(f *testing.F) {
	for _, v := range vectors.All() {
		if v.Kind == vectors.KindPaths || v.Kind == vectors.KindDatagram {
			for _, seed := range numbersOf(v) {
				f.Add(seed)
			}
		}
	}
	f.Add([]byte{4, 0x1f, 0xbf, 0, 3, 0x1f, 0xbf, 3, 0x1f, 0xc0, 3, 0x1f, 0xc1}) // the edges of the window
	f.Add([]byte{0, 0, 1, 40, 7, 9, 2, 3, 0, 1, 70, 6, 7, 2, 2, 0, 2, 1})        // rests
	f.Fuzz(func(t *testing.T, script []byte) {
		w := &window{t: t, now: time.Hour, seen: map[uint64]bool{}}
		in := &tape{script}
		for range 400 {
			if !in.more() {
				return
			}
			switch op := in.byte(); op & 7 {
			case 0:
				w.receive(w.next, op)
			case 1:
				w.receive(w.next+uint64(in.byte()), op)
			case 2:
				w.receive(w.next-uint64(in.byte())-1, op)
			case 3:
				w.receive(w.next-uint64(in.uint16())-1, op)
			case 4:
				w.receive(w.next+uint64(in.uint16()), op)
			case 5:
				w.receive(uint64(in.uint32())<<32|uint64(in.uint32()), op)
			case 6:
				w.rest(op&8 != 0)
			case 7:
				w.now += time.Duration(in.byte()) * 4 * time.Millisecond
				w.ack()
			}
		}
	})
}

// numbersOf spells the sequence numbers of each side of a vector out on a tape.
func numbersOf(v vectors.Vector) (tapes [][]byte) {
	for _, side := range []string{"client", "server"} {
		var script []byte
		for _, s := range v.Steps {
			if f, _, whole := testkit.DecodeFrame(s.Frame); whole && s.From == side && !f.Clear() {
				script = append(append(script, 5), testkit.PutUint(f.Sequence(), 8)...)
			}
		}
		tapes = append(tapes, script)
	}
	return tapes
}

// window is a core's window and the sets that it has to be.
type window struct {
	t     *testing.T
	now   time.Duration
	core  recovery.Received
	spare *recovery.Window

	next, floor uint64          // highest received + 1; what is below floor may count as received
	seen        map[uint64]bool // everything received
	acked       []uint64        // of that, what Acks name
	pending     bool            // a frame waits for an Ack
	since       time.Duration
	last        time.Duration // when a frame came last
}

// receive lets a frame come whose bits say what it is: 8 not ack-eliciting, 16
// dropped for want of room, 32 not genuine.
func (w *window) receive(sequence uint64, bits byte) {
	w.t.Helper()
	fresh := sequence < sequenceEnd && !w.seen[sequence] && (sequence >= w.next || w.next-1-sequence < replayWindow)
	got := w.core.Fresh(sequence)
	if got != fresh && (got || sequence >= w.floor) {
		w.t.Fatalf("%d is fresh: %v, has to be %v; the highest is %d, the floor %d", sequence, got, fresh, w.next-1, w.floor)
	}
	if !got || bits&32 != 0 {
		return
	}
	eliciting, acked := bits&8 == 0, bits&16 == 0
	w.core.Add(w.now, sequence, eliciting, acked)
	w.seen[sequence], w.last = true, w.now
	w.next = max(w.next, sequence+1)
	if !acked {
		return
	}
	w.acked = append(w.acked, sequence)
	if spans := testkit.Spans(w.acked); len(spans) > ackRanges { // the oldest is forgotten, for good
		w.acked = slices.DeleteFunc(w.acked, func(n uint64) bool { return n < spans[ackRanges-1].Low })
	}
	if eliciting && !w.pending {
		w.pending, w.since = true, w.now
	}
}

// ack takes an Ack if one is due.
func (w *window) ack() {
	w.t.Helper()
	due := w.core.AckDue(w.now)
	if due && !w.pending || !due && w.pending && w.now-w.since >= tAck {
		w.t.Fatalf("an Ack is due: %v; a frame waits: %v, since %v", due, w.pending, w.now-w.since)
	}
	if !due {
		return
	}
	w.pending = false
	m, rest := testkit.Decode("ack", 0, w.core.AppendAck(nil, w.now))
	spans, sound := testkit.AckSpans(m)
	if m.Short() || len(rest) > 0 || !sound {
		w.t.Fatalf("an Ack that is none: %x", m.Encode())
	}
	if want := w.sayable(); !slices.Equal(spans, want) {
		w.t.Fatalf("an Ack of %v, has to be of %v", spans, want)
	}
}

// sayable returns what an Ack can name: the ranges above the first gap that is too
// long for it.
func (w *window) sayable() []testkit.Span {
	spans := testkit.Spans(w.acked)
	for i := 1; i < len(spans); i++ {
		if spans[i-1].Low-spans[i].High-1 > ackGap {
			return spans[:i]
		}
	}
	return spans
}

// rest lets the path rest if it can, and may give it the same memory again, dirty.
func (w *window) rest(again bool) {
	const pto = 50 * time.Millisecond
	if !w.core.Idle(w.now, pto) {
		return
	}
	if w.pending {
		w.t.Fatal("a path rests that owes an Ack")
	}
	if w.now-w.last >= 3*pto { // [XTMP-UDP-084]
		w.floor = w.next
	}
	if spans := w.sayable(); len(spans) > 0 { // what no Ack can name is forgotten
		w.acked = slices.DeleteFunc(w.acked, func(n uint64) bool { return n < spans[len(spans)-1].Low })
	}
	if given := w.core.Rest(); given != nil {
		w.spare = given
	}
	if again && w.spare != nil {
		w.core.Use(w.spare)
		w.spare = nil
	}
}
