//go:build !linux

package clock

import "time"

// start is a reading of the monotonic clock; only differences matter.
var start = time.Now()

func elapsed() time.Duration { return time.Since(start) }
