package clock

import (
	"testing"
	"time"
)

// A Clock follows the other reading, however old its own is, and what it slept.
func TestClockFollows(t *testing.T) {
	var c Clock
	for _, ago := range []time.Duration{0, checkEvery, time.Hour} {
		for _, slept := range []time.Duration{0, time.Second, 100 * time.Hour} {
			c.Now()
			c.read, c.elapsed = c.read.Add(-ago), c.elapsed-ago-slept
			if got, want := c.Now().Elapsed, Now().Elapsed; ago > 0 && (got-want).Abs() > 2*time.Millisecond {
				t.Errorf("slept %v, read %v ago: %v, want about %v", slept, ago, got, want)
			}
			c = Clock{}
		}
	}
}
