package clock

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/bpci/xtmp/refimpl/session"
)

// checkEvery is how long the machine may have been awake until a Clock notices
// that it slept.
const checkEvery = 10 * time.Millisecond

func elapsed() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("xtmp: internal error: CLOCK_BOOTTIME: " + err.Error())
	}
	return time.Duration(ts.Nano())
}

// Clock reads both clocks for one goroutine that does so at every turn:
// CLOCK_BOOTTIME is a system call, the runtime's clock is none.
type Clock struct {
	read    time.Time     // when CLOCK_BOOTTIME was read last, on the runtime's clock
	elapsed time.Duration // what it said then, but for the time that reading took
}

// Now reads both clocks. It notices within 10 ms of waking that the machine slept.
func (c *Clock) Now() session.Now {
	now := time.Now()
	awake := now.Sub(c.read)
	if awake < checkEvery {
		return session.Now{Elapsed: c.elapsed + awake, Wall: uint64(now.UnixMicro())}
	}
	expected := c.elapsed + awake
	boot := elapsed()
	if c.read.IsZero() || boot-expected >= time.Millisecond {
		expected = boot // the difference is sleep, not the time that reading takes
	}
	c.read, c.elapsed = now, expected
	return session.Now{Elapsed: expected, Wall: uint64(now.UnixMicro())}
}
