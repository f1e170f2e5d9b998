package netsim

import (
	"github.com/bpci/xtmp/netsim/vtime"
)

// Now is one reading of a host's two clocks.
type Now struct {
	Elapsed vtime.Time // since the host was switched on
	Wall    vtime.Time // since the Unix epoch, as the host believes
}

// Epoch is the wall clock at the start of a run: 2026-01-01.
const Epoch = 1_767_225_600 * vtime.Second

// maxDrift bounds how wrong a clock may run: a tenth.
const maxDrift = 100_000

// clock turns virtual time into a host's: since an instant it has run at 1 + ppm/10⁶.
type clock struct {
	since vtime.Time // virtual
	base  Now        // at since
	ppm   int64
}

func (c *clock) read(now vtime.Time) Now {
	d := now - c.since
	d += d/1_000_000*vtime.Time(c.ppm) + d%1_000_000*vtime.Time(c.ppm)/1_000_000
	return Now{c.base.Elapsed + d, c.base.Wall + d}
}

// when returns the first virtual time, not before now, at which the elapsed
// clock reads at least t.
func (c *clock) when(now, t vtime.Time) vtime.Time {
	d := t - c.base.Elapsed
	if d <= 0 {
		return now
	}
	if d > vtime.Never/4 {
		return vtime.Never
	}
	rate := vtime.Time(1_000_000 + c.ppm)
	v := c.since + d/rate*1_000_000 + d%rate*1_000_000/rate
	for c.read(v).Elapsed < t {
		v++
	}
	for v > now && c.read(v-1).Elapsed >= t {
		v-- // a slow clock shows some readings twice
	}
	return max(v, now)
}

// set makes the clock run on from a reading.
func (c *clock) set(now vtime.Time, base Now, ppm int64) {
	*c = clock{now, base, ppm}
}
