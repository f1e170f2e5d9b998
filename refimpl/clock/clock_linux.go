package clock

import (
	"time"

	"golang.org/x/sys/unix"
)

func elapsed() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("xtmp: internal error: CLOCK_BOOTTIME: " + err.Error())
	}
	return time.Duration(ts.Nano())
}
