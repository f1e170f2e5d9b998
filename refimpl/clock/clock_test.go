package clock

import (
	"testing"
	"time"
)

func TestNow(t *testing.T) {
	before := time.Now()
	first := Now()
	second := Now()
	after := time.Now()
	if second.Elapsed < first.Elapsed || first.Elapsed < 0 {
		t.Errorf("elapsed time goes from %v to %v", first.Elapsed, second.Elapsed)
	}
	if second.Elapsed-first.Elapsed > after.Sub(before) {
		t.Errorf("elapsed time passes faster than the runtime's: %v in %v", second.Elapsed-first.Elapsed, after.Sub(before))
	}
	if wall := first.Wall; wall < uint64(before.UnixMicro()) || wall > uint64(after.UnixMicro()) {
		t.Errorf("wall time is %d µs, want between %d and %d", wall, before.UnixMicro(), after.UnixMicro())
	}
}
