package session

import "time"

// Now is one reading of the two clocks that the protocol knows.
type Now struct {
	Elapsed time.Duration // monotonic and counting through suspend; the origin is the caller's
	Wall    uint64        // µs since the Unix epoch
}

// micros converts a monotonic reading to µs.
func micros(d time.Duration) uint64 { return uint64(d / time.Microsecond) }
