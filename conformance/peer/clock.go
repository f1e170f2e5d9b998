package peer

import "time"

// A clockAnchor ties a time that was written in a hello to a moment of our clock.
// Stamps count from it, so that nothing moves when the wall clock is set
// [XTMP-TIM-001].
type clockAnchor struct {
	micros uint64    // as written
	moment time.Time // of our clock
}

// at returns the time of the anchor's owner, in microseconds, at a moment of ours.
func (a clockAnchor) at(now time.Time) uint64 {
	return a.micros + uint64(now.Sub(a.moment).Microseconds())
}

// distance returns how far a stamp is ahead of the anchor at a moment of ours.
func (a clockAnchor) distance(stamp uint64, now time.Time) time.Duration {
	return time.Duration(int64(stamp-a.at(now))) * time.Microsecond
}

// micros returns a moment in microseconds since the Unix epoch.
func micros(t time.Time) uint64 { return uint64(t.UnixMicro()) }
