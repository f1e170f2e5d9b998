package link

import (
	"math"
	"testing"

	"github.com/bpci/xtmp/netsim/vtime"
)

// Floats are for the judges of chance, not for chance itself.

const packets = 200_000

// rates passes packets through a link, far apart, and counts.
func rates(i Impairment) (lost, burst, copied, flipped float64) {
	l := New(1, "a>b")
	l.Impair(i)
	for n := range packets {
		v := l.Pass(vtime.Time(n)*vtime.Second, 100, "")
		switch v.Cause {
		case Lost:
			lost++
		case Burst:
			burst++
		default:
		}
		if v.Copied {
			copied++
		}
		if v.Edit.Flip {
			flipped++
		}
	}
	return lost / packets, burst / packets, copied / packets, flipped / packets
}

// near fails if got is further than 4 deviations of a binomial from want; inflate
// is the factor by which correlation widens the variance.
func near(t *testing.T, what string, got, want, inflate float64) {
	t.Helper()
	if limit := 4 * math.Sqrt(want*(1-want)*inflate/packets); math.Abs(got-want) > limit {
		t.Errorf("%s: %.5f, want %.5f ± %.5f", what, got, want, limit)
	}
}

func TestIndependentRates(t *testing.T) {
	for _, p := range []int{1, 10, 250, 999} {
		want := float64(p) / 1000
		lost, _, _, _ := rates(Impairment{Loss: p})
		near(t, "loss", lost, want, 1)
		_, _, copied, _ := rates(Impairment{Duplicate: p})
		near(t, "copies", copied, want, 1)
		_, _, _, flipped := rates(Impairment{Corrupt: p})
		near(t, "flips", flipped, want, 1)
	}
	if lost, _, copied, flipped := rates(Impairment{Loss: 1000, Duplicate: 1000, Corrupt: 1000}); lost != 1 || copied+flipped != 0 {
		t.Errorf("all lost: %g lost, %g copied, %g flipped", lost, copied, flipped)
	}
}

// Gilbert and Elliott: the share of the bad state is p/(p+r), and the variance
// grows by 1 + 2aλ/(1−λ), λ = 1−p−r, a the share of variance between the states.
func TestGilbertRate(t *testing.T) {
	for _, g := range []Gilbert{{10, 100, 700, 1}, {5, 300, 1000, 0}, {500, 500, 1000, 0}, {1000, 1000, 1000, 0}} {
		p, r, h, k := float64(g.Enter)/1000, float64(g.Leave)/1000, float64(g.Bad)/1000, float64(g.Good)/1000
		bad := p / (p + r)
		want := bad*h + (1-bad)*k
		lambda := 1 - p - r
		a := bad * (1 - bad) * (h - k) * (h - k) / (want * (1 - want))
		_, burst, _, _ := rates(Impairment{Gilbert: g})
		near(t, "gilbert", burst, want, max(1+2*a*lambda/(1-lambda), 0.01))
	}
}

// The length of a burst that loses everything is geometric: 1/r in the mean.
func TestGilbertBursts(t *testing.T) {
	l := New(2, "a>b")
	l.Impair(Impairment{Gilbert: Gilbert{Enter: 20, Leave: 250, Bad: 1000}})
	bursts, lost, before := 0.0, 0.0, false
	for range packets {
		now := l.Pass(0, 100, "").Cause == Burst
		if now {
			lost++
			if !before {
				bursts++
			}
		}
		before = now
	}
	mean, deviation := 4.0, math.Sqrt(1-0.25)/0.25
	if got := lost / bursts; math.Abs(got-mean) > 4*deviation/math.Sqrt(bursts) {
		t.Errorf("bursts have %.3f packets in the mean, want %.3f", got, mean)
	}
}

func TestFourStatesRate(t *testing.T) {
	f := Four{P13: 20, P31: 300, P32: 100, P23: 400, P14: 5}
	// The stationary shares, by repeated transition.
	share := [4]float64{1, 0, 0, 0}
	for range 10_000 {
		p := func(n int) float64 { return float64(n) / 1000 }
		share = [4]float64{
			share[0]*(1-p(f.P13)-p(f.P14)) + share[2]*p(f.P31) + share[3],
			share[1]*(1-p(f.P23)) + share[2]*p(f.P32),
			share[0]*p(f.P13) + share[1]*p(f.P23) + share[2]*(1-p(f.P31)-p(f.P32)),
			share[0] * p(f.P14),
		}
	}
	_, burst, _, _ := rates(Impairment{Four: f})
	near(t, "four states", burst, share[2]+share[3], 8)
}

// delays returns the delays that a link gives.
func delays(i Impairment) []float64 {
	l := New(3, "a>b")
	l.Impair(i)
	d := make([]float64, 0, packets)
	for n := range packets {
		now := vtime.Time(n) * vtime.Minute
		d = append(d, float64(l.Pass(now, 100, "").At-now))
	}
	return d
}

func moments(d []float64) (mean, deviation, lag1 float64) {
	for _, x := range d {
		mean += x / float64(len(d))
	}
	for n, x := range d {
		deviation += (x - mean) * (x - mean) / float64(len(d))
		if n > 0 {
			lag1 += (x - mean) * (d[n-1] - mean) / float64(len(d))
		}
	}
	return mean, math.Sqrt(deviation), lag1 / deviation
}

func TestDelayMoments(t *testing.T) {
	const ms = 1000.0
	for _, tt := range []struct {
		i         Impairment
		deviation float64
		lag1      float64
	}{
		{Impairment{Shape: Normal}, 5 * ms, 0},
		{Impairment{Shape: Normal, Correlation: 250}, 5 * ms, 0.25},
		{Impairment{Shape: Normal, Correlation: 900}, 5 * ms, 0.9},
		{Impairment{Shape: Uniform}, 5 * ms / math.Sqrt(3), 0},
		{Impairment{Shape: Pareto}, 5 * ms, 0},
		{Impairment{Shape: Measured, Quantiles: []int32{-2000, -2000, 2000, 2000}}, 5 * ms * math.Sqrt(3.111111), 0},
	} {
		tt.i.Delay, tt.i.Jitter = 100*vtime.Millisecond, 5*vtime.Millisecond
		mean, deviation, lag1 := moments(delays(tt.i))
		width := math.Sqrt((1 + tt.lag1) / (1 - tt.lag1) / packets)
		if math.Abs(mean-100*ms) > 4*tt.deviation*width || math.Abs(deviation/tt.deviation-1) > 0.02 || math.Abs(lag1-tt.lag1) > 0.01 {
			t.Errorf("%s: mean %.0f µs, deviation %.0f, lag 1 %.4f, want 100000, %.0f, %.4f", tt.i, mean, deviation, lag1, tt.deviation, tt.lag1)
		}
	}
}

// The built-in tables against the functions they stand for.
func TestTables(t *testing.T) {
	for n, q := range normalTable[1:64] {
		if want := math.Round(1000 * math.Sqrt2 * math.Erfinv(float64(n+1)/32-1)); math.Abs(float64(q)-want) > 1 {
			t.Errorf("normal quantile %d/64 is %d, want %.0f", n+1, q, want)
		}
	}
	for _, table := range [][]int32{uniformTable, normalTable, paretoTable} {
		mean, square, steps := 0.0, 0.0, float64(len(table)-1)
		for n, high := range table[1:] {
			a, b := float64(table[n]), float64(high)
			mean += (a + b) / 2 / steps
			square += (a*a + a*b + b*b) / 3 / steps
		}
		if deviation := math.Sqrt(square); math.Abs(mean) > 1 || len(table) > 2 && math.Abs(deviation-1000) > 1 {
			t.Errorf("a table of %d has the mean %.2f and the deviation %.2f", len(table), mean, deviation)
		}
	}
}

// Each bit of the arguments reaches about half of the bits of a draw.
func TestDrawAvalanche(t *testing.T) {
	flips, trials := 0, 0
	for n := range uint64(500) {
		base := Draw(n, n*7, stageLoss, n*13)
		for bit := range 64 {
			for _, other := range []uint64{
				Draw(n^1<<bit, n*7, stageLoss, n*13), Draw(n, n*7^1<<bit, stageLoss, n*13), Draw(n, n*7, stageLoss, n*13^1<<bit),
			} {
				for x := base ^ other; x != 0; x &= x - 1 {
					flips++
				}
				trials += 64
			}
		}
	}
	if share := float64(flips) / float64(trials); math.Abs(share-0.5) > 0.002 {
		t.Errorf("%.4f of the bits flip", share)
	}
}
