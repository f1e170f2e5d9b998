//go:build linux

package transport

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fineWait is below what time a wait is exact. Pacing spaces datagrams by less than a
// millisecond; whatever is longer may be late by one.
const fineWait = 10 * time.Millisecond

// wait waits for events until something is due.
func (l *loop) wait() (int, error) {
	d := l.timeout()
	if d > 0 && d < fineWait && !l.coarse {
		n, err := epollPwait2(l.poll, l.events, d)
		if err != unix.ENOSYS && err != unix.EPERM { //nolint:errorlint // it is the Errno
			return n, err
		}
		l.coarse = true // before Linux 5.11, or in a sandbox
	}
	ms := -1
	if d >= 0 {
		ms = int((d + time.Millisecond - 1) / time.Millisecond)
	}
	return unix.EpollWait(l.poll, l.events, ms)
}

// epollPwait2 is epoll_wait in nanoseconds.
func epollPwait2(poll int, events []unix.EpollEvent, d time.Duration) (int, error) {
	limit := struct{ sec, nsec int64 }{nsec: int64(d)} // the same on every architecture; d is below a second
	n, _, err := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(poll), uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)),
		uintptr(unsafe.Pointer(&limit)), 0, 0)
	if err != 0 {
		return -1, err
	}
	return int(n), nil
}
