package link

import (
	"errors"
	"slices"

	"github.com/bpci/xtmp/netsim/vtime"
)

// Impairment says what a link does to packets. The zero value delivers each
// packet at once.
type Impairment struct {
	Delay       vtime.Time   // of every packet
	Jitter      vtime.Time   // spread of the delay around Delay; a delay is never below 0
	Shape       Distribution // of the jitter
	Quantiles   []int32      // of Measured: equally spaced, at least 2, in permille of Jitter
	Correlation int          // of successive delays
	InOrder     bool         // jitter delays the packets behind, too

	Loss    int     // each packet alone
	Gilbert Gilbert // bursts
	Four    Four    // bursts, and losses within good times

	Duplicate int
	Corrupt   int // one flipped bit; streams have a checksum, so there it is a loss
	Reorder   int // a packet overtakes the delay …
	Gap       int // … if at least Gap packets did not

	MTU   int   // larger packets vanish, and nobody is told
	Rate  int64 // bit/s
	Queue int   // bytes that may wait for Rate; 0 is without limit
	CoDel CoDel // drops from the queue before it is full

	SlotEvery   vtime.Time // packets leave at multiples of SlotEvery only …
	SlotPackets int        // … at most so many at a time; 0 is without limit
}

// Gilbert is the model of Gilbert and Elliott: a good and a bad state.
type Gilbert struct {
	Enter int // good → bad
	Leave int // bad → good
	Bad   int // loss in the bad state
	Good  int // loss in the good state
}

// Four is the four-state model of Salsano et al.: 1 received, 2 received within
// a burst, 3 lost within a burst, 4 lost alone. From 4 it returns to 1.
type Four struct {
	P13, P31, P32, P23, P14 int
}

// CoDel is the queue management of RFC 8289.
type CoDel struct {
	Target, Interval vtime.Time
}

// Limits that keep the arithmetic within 64 bits.
const (
	maxDelay = 24 * vtime.Hour
	maxRate  = 1_000_000_000_000
	maxQueue = 1 << 30
	maxShape = 100_000 // permille
)

// Validate says what is wrong with the impairment.
func (i *Impairment) Validate() error {
	for _, p := range []int{
		i.Correlation, i.Loss, i.Duplicate, i.Corrupt, i.Reorder,
		i.Gilbert.Enter, i.Gilbert.Leave, i.Gilbert.Bad, i.Gilbert.Good,
		i.Four.P13, i.Four.P31, i.Four.P32, i.Four.P23, i.Four.P14,
		i.Four.P13 + i.Four.P14, i.Four.P31 + i.Four.P32,
	} {
		if p < 0 || p > 1000 {
			return errors.New("a probability lies between 0 and 1000 permille")
		}
	}
	for _, d := range []vtime.Time{i.Delay, i.Jitter, i.SlotEvery, i.CoDel.Target, i.CoDel.Interval} {
		if d < 0 || d > maxDelay {
			return errors.New("a delay lies between 0 and 24h")
		}
	}
	switch {
	case i.Shape == Measured && len(i.Quantiles) < 2:
		return errors.New("a table has at least two quantiles")
	case i.Shape == Measured && !slices.IsSorted(i.Quantiles):
		return errors.New("quantiles do not fall")
	case i.Shape == Measured && (i.Quantiles[0] < -maxShape || i.Quantiles[len(i.Quantiles)-1] > maxShape):
		return errors.New("a quantile is at most 100 times the jitter")
	case i.Shape != Measured && len(i.Quantiles) > 0 || i.Shape > Measured:
		return errors.New("quantiles belong to a measured shape")
	case i.InOrder && i.Reorder > 0:
		return errors.New("a link is in order or reorders")
	case i.MTU < 0 || i.Gap < 0 || i.SlotPackets < 0:
		return errors.New("a size is not negative")
	case i.Rate < 0 || i.Rate > maxRate || i.Queue < 0 || i.Queue > maxQueue:
		return errors.New("a rate is at most 10¹² bit/s and a queue at most 1 GiB")
	case i.Rate == 0 && (i.Queue > 0 || i.CoDel != CoDel{}):
		return errors.New("a queue needs a rate")
	case (i.CoDel.Target == 0) != (i.CoDel.Interval == 0):
		return errors.New("codel needs a target and an interval")
	}
	return nil
}

// Certain returns the impairment without chance: what remains when the edits
// come from a list.
func (i Impairment) Certain() Impairment {
	i.Jitter, i.Shape, i.Quantiles, i.Correlation = 0, Uniform, nil, 0
	i.Loss, i.Gilbert, i.Four = 0, Gilbert{}, Four{}
	i.Duplicate, i.Corrupt, i.Reorder, i.Gap = 0, 0, 0, 0
	return i
}
