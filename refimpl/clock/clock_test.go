package clock

import (
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/session"
)

func TestNow(t *testing.T) {
	var c Clock
	for name, read := range map[string]func() session.Now{"Now": Now, "Clock": c.Now} {
		before := time.Now()
		first := read()
		for range 1000 {
			second := read()
			after := time.Now()
			if second.Elapsed < first.Elapsed || first.Elapsed <= 0 {
				t.Fatalf("%s: elapsed time goes from %v to %v", name, first.Elapsed, second.Elapsed)
			}
			if second.Elapsed-first.Elapsed > after.Sub(before) {
				t.Fatalf("%s: elapsed time passes faster than the runtime's: %v in %v", name, second.Elapsed-first.Elapsed, after.Sub(before))
			}
			if wall := first.Wall; wall < uint64(before.UnixMicro()) || wall > uint64(after.UnixMicro()) {
				t.Fatalf("%s: wall time is %d µs, want between %d and %d", name, wall, before.UnixMicro(), after.UnixMicro())
			}
		}
	}
}

func BenchmarkNow(b *testing.B) {
	for b.Loop() {
		Now()
	}
}

func BenchmarkClock(b *testing.B) {
	var c Clock
	for b.Loop() {
		c.Now()
	}
}
