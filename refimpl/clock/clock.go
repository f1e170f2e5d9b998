// Package clock reads the two clocks of the protocol for the shells.
//
//	Elapsed   monotonic, counts through suspend   timers, stamps
//	Wall      µs since the Unix epoch             hellos, clear frames
//
// The core takes readings as arguments and never reads a clock itself.
package clock

import (
	"time"

	"github.com/bpci/xtmp/refimpl/session"
)

// Now reads both clocks. On Linux elapsed time is CLOCK_BOOTTIME; elsewhere it
// is the runtime's monotonic clock, which may stop while the machine sleeps.
// [XTMP-TIM-002]
func Now() session.Now {
	return session.Now{Elapsed: elapsed(), Wall: uint64(time.Now().UnixMicro())}
}
