package link

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bpci/xtmp/netsim/vtime"
)

// impairment draws a valid one.
func impairment(t *rapid.T) Impairment {
	permille := rapid.IntRange(0, 1000)
	some := func(name string) bool { return rapid.Bool().Draw(t, name) }
	span := func(name string) vtime.Time {
		return vtime.Time(rapid.Int64Range(0, int64(vtime.Minute)).Draw(t, name))
	}
	var i Impairment
	i.Delay = span("delay")
	if some("jitter") {
		i.Jitter, i.Correlation = span("spread"), permille.Draw(t, "correlation")
		if i.Shape = Distribution(rapid.IntRange(0, 3).Draw(t, "shape")); i.Shape == Measured {
			i.Quantiles = []int32{-1000, int32(rapid.IntRange(-1000, 5000).Draw(t, "median")), 5000}
		}
	}
	i.Loss, i.Duplicate, i.Corrupt = permille.Draw(t, "loss"), permille.Draw(t, "copy"), permille.Draw(t, "flip")
	if some("models") {
		i.Gilbert = Gilbert{permille.Draw(t, "p"), permille.Draw(t, "r"), permille.Draw(t, "bad"), permille.Draw(t, "good")}
		half := rapid.IntRange(0, 500)
		i.Four = Four{half.Draw(t, "13"), half.Draw(t, "31"), half.Draw(t, "32"), permille.Draw(t, "23"), half.Draw(t, "14")}
	}
	if i.InOrder = some("in order"); !i.InOrder {
		i.Reorder, i.Gap = permille.Draw(t, "reorder"), rapid.IntRange(0, 10).Draw(t, "gap")
	}
	if some("rate") {
		i.Rate = rapid.Int64Range(1000, maxRate).Draw(t, "bit/s")
		i.Queue = rapid.IntRange(0, maxQueue).Draw(t, "queue")
		if some("codel") {
			i.CoDel = CoDel{5 * vtime.Millisecond, 100 * vtime.Millisecond}
		}
	}
	if some("slot") {
		i.SlotEvery, i.SlotPackets = span("every"), rapid.IntRange(0, 5).Draw(t, "packets")
	}
	i.MTU = rapid.IntRange(0, 2000).Draw(t, "mtu")
	return i
}

func TestImpairmentIsWrittenAndRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := impairment(t)
		if err := want.Validate(); err != nil {
			t.Fatal(err)
		}
		got, err := ParseImpairment(strings.Fields(want.String()))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatalf("%s: %v\n%s", want, err, diff)
		}
	})
}

func TestEditIsWrittenAndRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Edit{Drop: Cause(rapid.IntRange(0, int(Listed)).Draw(t, "drop"))}
		if want.Drop == Passed {
			late := rapid.Int64Range(-int64(vtime.Hour), int64(vtime.Hour))
			want.Late = vtime.Time(late.Draw(t, "late"))
			if want.Copy = rapid.Bool().Draw(t, "copy"); want.Copy {
				want.CopyLate = vtime.Time(late.Draw(t, "copy late"))
			}
			if want.Flip = rapid.Bool().Draw(t, "flip"); want.Flip {
				want.Bit = rapid.Uint32().Draw(t, "bit")
			}
		}
		if got, err := ParseEdit(strings.Fields(want.String())); err != nil || got != want {
			t.Fatalf("%q is read %+v, %v, want %+v", want, got, err, want)
		}
	})
}

func TestRefused(t *testing.T) {
	for _, text := range []string{
		"delay", "delay 5", "delay -1s", "loss 1001", "loss -1", "loss x", "jitter 1s measured 1", "jitter 1s measured 2,1", "measured 1,x",
		"inorder reorder 1", "queue 5", "codel 1ms 2ms", "rate 1 codel 1ms 0s", "rate -1", "mtu -1", "four 600 0 0 0 600", "late", "delay 25h",
		"rate 99999999999999", "measured -200000,0",
	} {
		if i, err := ParseImpairment(strings.Fields(text)); err == nil {
			t.Errorf("%q is read as %s", text, i)
		}
	}
	for _, text := range []string{"", "drop codel", "late", "late x", "flip -1", "drop lost 1", "pass 1", "late 25h"} {
		if e, err := ParseEdit(strings.Fields(text)); err == nil {
			t.Errorf("%q is read as %s", text, e)
		}
	}
}

// passes returns the verdicts about packets at the given instants.
func passes(l *Link, at []int64, size int) (verdicts []Verdict) {
	for _, now := range at {
		verdicts = append(verdicts, l.Pass(vtime.Time(now), size, ""))
	}
	return verdicts
}

func instants(t *rapid.T) []int64 {
	gaps := rapid.SliceOfN(rapid.Int64Range(0, 100_000), 1, 100).Draw(t, "gaps")
	for n := 1; n < len(gaps); n++ {
		gaps[n] += gaps[n-1]
	}
	return gaps
}

// The edits of a run, listed on a link without chance and with another seed,
// repeat it.
func TestEditsRepeatARun(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		i, at, size := impairment(t), instants(t), rapid.IntRange(1, 1500).Draw(t, "size")
		l := New(rapid.Uint64().Draw(t, "seed"), "a>b")
		l.Impair(i)
		want := passes(l, at, size)
		again := New(0, "elsewhere")
		again.Impair(i.Certain())
		for _, v := range want {
			if v.Edit != (Edit{}) {
				again.List(Packet{Index: v.Index}, v.Edit)
			}
		}
		if diff := cmp.Diff(want, passes(again, at, size)); diff != "" {
			t.Fatalf("%s\n%s", i, diff)
		}
	})
}

func TestListByName(t *testing.T) {
	l := New(1, "a>b")
	l.Impair(Impairment{Delay: 5})
	l.List(Packet{Name: "Ack", Index: 2}, Edit{Drop: Listed})
	l.List(Packet{Index: 1}, Edit{Late: 7})
	var got []string
	for _, name := range []string{"Ack", "", "Data", "Ack", "Ack"} {
		v := l.Pass(10, 1, name)
		got = append(got, v.Cause.String()+" "+v.At.String())
	}
	if want := "passed 22us,passed 15us,passed 15us,listed 0s,passed 15us"; strings.Join(got, ",") != want {
		t.Errorf("got %s, want %s", strings.Join(got, ","), want)
	}
}

// A packet of 1000 bytes takes 1 ms at 8 Mbit/s; 3000 bytes may wait.
func TestRateAndQueue(t *testing.T) {
	l := New(1, "a>b")
	l.Impair(Impairment{Rate: 8_000_000, Queue: 3000, Delay: 10 * vtime.Millisecond})
	var got []string
	for range 5 {
		v := l.Pass(0, 1000, "")
		got = append(got, v.Cause.String()+" "+v.At.String())
	}
	v := l.Pass(3*vtime.Millisecond, 1000, "")
	got = append(got, v.Cause.String()+" "+v.At.String())
	if want := "passed 11ms,passed 12ms,passed 13ms,queue 0s,queue 0s,passed 14ms"; strings.Join(got, ",") != want {
		t.Errorf("got %s, want %s", strings.Join(got, ","), want)
	}
}

// However many packets wait, n of them take n·size·8/rate to a µs.
func TestRateIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate, size := rapid.Int64Range(1000, 10_000_000_000).Draw(t, "rate"), rapid.IntRange(1, 9000).Draw(t, "size")
		l := New(1, "a>b")
		l.Impair(Impairment{Rate: rate})
		for n := int64(1); n <= 50; n++ {
			if at, want := int64(l.Pass(0, size, "").At), n*int64(size)*8_000_000/rate; at != want {
				t.Fatalf("packet %d leaves after %d µs, want %d", n, at, want)
			}
		}
	})
}

// Offered twice its rate, a link with CoDel keeps the wait near the target;
// without it the queue is always full.
func TestCoDelKeepsTheWaitShort(t *testing.T) {
	wait := func(c CoDel) (last vtime.Time, dropped int) {
		l := New(1, "a>b")
		l.Impair(Impairment{Rate: 8_000_000, Queue: 500_000, CoDel: c})
		for n := range 60_000 { // 1000 bytes each 0.95 ms: 5 % too many
			now := vtime.Time(n) * 950
			if v := l.Pass(now, 1000, ""); v.Cause == Passed {
				last = v.At - now
			} else {
				dropped++
			}
		}
		return last, dropped
	}
	managed, dropped := wait(CoDel{5 * vtime.Millisecond, 100 * vtime.Millisecond})
	if managed > 50*vtime.Millisecond || dropped == 0 {
		t.Errorf("a managed queue waits %s and drops %d", managed, dropped)
	}
	if full, _ := wait(CoDel{}); full < 450*vtime.Millisecond {
		t.Errorf("a queue without management waits %s", full)
	}
}

func TestSlots(t *testing.T) {
	l := New(1, "a>b")
	l.Impair(Impairment{SlotEvery: 10, SlotPackets: 2})
	var got []vtime.Time
	for _, now := range []vtime.Time{1, 2, 3, 11, 12, 60} {
		got = append(got, l.Pass(now, 1, "").At)
	}
	if diff := cmp.Diff([]vtime.Time{10, 10, 20, 20, 30, 60}, got); diff != "" {
		t.Error(diff)
	}
}

func TestPolicies(t *testing.T) {
	l := New(1, "a>b")
	l.Impair(Impairment{MTU: 100})
	cut := func(on bool) Cause { l.SetCut(on); return l.Pass(0, 100, "").Cause }
	if a, b, c := cut(true), cut(false), l.Pass(0, 101, "").Cause; a != Cut || b != Passed || c != TooLarge {
		t.Errorf("cut, mended, too large: %s, %s, %s", a, b, c)
	}
}

func TestInOrderKeepsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		i := impairment(t)
		i.InOrder, i.Reorder = true, 0
		l := New(rapid.Uint64().Draw(t, "seed"), "a>b")
		l.Impair(i)
		last := vtime.Time(0)
		for _, v := range passes(l, instants(t), 100) {
			if v.Cause == Passed && v.At < last {
				t.Fatalf("packet %d arrives at %s, one before it at %s", v.Index, v.At, last)
			}
			last = max(last, v.At)
		}
	})
}

func TestReorderOvertakes(t *testing.T) {
	l := New(4, "a>b")
	l.Impair(Impairment{Delay: 100, Reorder: 1000, Gap: 3})
	var got []vtime.Time
	for range 8 {
		got = append(got, l.Pass(5, 1, "").At)
	}
	if diff := cmp.Diff([]vtime.Time{105, 105, 105, 5, 105, 105, 105, 5}, got); diff != "" {
		t.Error(diff)
	}
}

func TestIsqrt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.Uint64Range(0, 1<<62).Draw(t, "x")
		if r := isqrt(x); r*r > x || (r+1)*(r+1) <= x {
			t.Fatalf("⌊√%d⌋ is not %d", x, r)
		}
	})
}

func BenchmarkPass(b *testing.B) {
	l := New(1, "a>b")
	l.Impair(Impairment{
		Delay: 20 * vtime.Millisecond, Jitter: 5 * vtime.Millisecond, Shape: Normal, Correlation: 250, Gilbert: Gilbert{10, 300, 900, 1},
		Duplicate: 5, Corrupt: 1, Reorder: 10, Rate: 10_000_000, Queue: 64 << 10,
	})
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		l.Pass(vtime.Time(n)*1000, 1000, "")
	}
}
