package recovery

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestNumbers takes numbers and finds out what was left out.
func TestNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			n       Numbers
			missing []uint64
			draws   int
			last    = ^uint64(0)
			frames  = 0 // since a number was left out
			period  = skipPeriod
		)
		seed := rapid.Uint64().Draw(t, "seed")
		for range rapid.SampledFrom([]int{1, 600, 5000, 20000}).Draw(t, "frames") {
			seq := n.Next(func() uint64 {
				draws++
				seed = seed*6364136223846793005 + 1442695040888963407
				return seed >> 20
			})
			switch seq - last {
			case 1:
				frames++
			case 2: // [XTMP-UDP-076]
				if frames == 0 || frames > 2*period { // [XTMP-UDP-073]
					t.Fatalf("%d left out after %d frames in period %d", seq-1, frames, period)
				}
				missing = append(missing, seq-1)
				frames, period = 1, min(2*period, skipPeriodMax)
			default:
				t.Fatalf("%d after %d", seq, last)
			}
			last = seq
		}
		if draws > 1+len(missing) {
			t.Fatalf("%d draws for %d left-out numbers", draws, len(missing))
		}
		for _, m := range missing {
			if last-m < windowSize && !n.hole(m, m) { // [XTMP-UDP-077]
				t.Fatalf("%d is forgotten at %d", m, last)
			}
		}
		if n.next != last+1 || len(n.leftOut) > len(missing) {
			t.Fatal(n)
		}
		for _, m := range n.leftOut {
			if !slices.Contains(missing, m) {
				t.Fatalf("%d was not left out", m)
			}
		}
	})
}

// TestLeaves shows that left-out numbers do not count as frames.
func TestLeaves(t *testing.T) {
	n := Numbers{next: 100, leftOut: []uint64{10, 20, 22, 24}}
	for _, c := range []struct {
		seq, want uint64
		ok        bool
	}{
		{5, 2, true},
		{11, 7, true},
		{13, 9, true},
		{14, 11, true},
		{21, 17, true},
		{23, 18, true},
		{25, 19, true},
		{28, 25, true},
		{3, 0, true},
		{2, 0, false},
		{0, 0, false},
	} {
		if got, ok := n.frameBelow(c.seq); ok != c.ok || ok && got != c.want {
			t.Errorf("three frames below %d is %d, %v; want %d", c.seq, got, ok, c.want)
		}
	}
}

// TestPeriod doubles the greatest distance with each number left out.
func TestPeriod(t *testing.T) {
	var n Numbers
	want := uint64(2 * skipPeriod)
	for range 12 {
		from := n.next
		for len(n.leftOut) == 0 || n.leftOut[len(n.leftOut)-1] < from {
			n.Next(far)
		}
		frames := n.leftOut[len(n.leftOut)-1] - from
		if from > 0 {
			frames++ // the one after the number before
		}
		if frames != want {
			t.Fatalf("%d frames, want %d", frames, want)
		}
		want = min(2*want, 2*skipPeriodMax)
	}
}
