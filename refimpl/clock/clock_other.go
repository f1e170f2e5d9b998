//go:build !linux

package clock

import (
	"time"

	"github.com/bpci/xtmp/refimpl/session"
)

// start is a reading of the monotonic clock; only differences matter.
var start = time.Now()

func elapsed() time.Duration { return time.Since(start) }

// Clock reads both clocks for one goroutine.
type Clock struct{}

// Now reads both clocks.
func (c *Clock) Now() session.Now { return Now() }
