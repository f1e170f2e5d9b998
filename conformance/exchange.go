package conformance

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"time"
)

// An Exchange is one attempt of one case, as its Run function sees it: the
// target, the connections, the entropy, the waits, the timeline and the judge.
//
// A method that ends the case does not return: it unwinds Run. Call such
// methods from the goroutine of Run alone.
type Exchange struct {
	ctx      context.Context
	instance instance
	declares Selection
	endpoint Endpoint
	waits    *Waits
	pacer    *pacer
	steady   *steadiness
	sources  sources
	seed     uint64
	attempt  int

	mu        sync.Mutex
	timeline  timeline
	recording recording
	streams   map[string]*Entropy
	open      []io.Closer // connections and sockets
	received  int
	frames    int
	flooded   bool
	ruling    ruling
}

// The bounds of what a peer may send to one attempt. Beyond them the exchange
// ends without a verdict on the requirement.
const (
	MaxReceived = 16 << 20 // bytes
	MaxBulk     = 48 << 20 // bytes, in a case that moves many
	MaxFrames   = 4096
)

// A stopped value unwinds Run.
type stopped struct{}

// Context ends at the absolute deadline of the case.
func (x *Exchange) Context() context.Context { return x.ctx }

// Endpoint is the address and the fingerprint of the target.
func (x *Exchange) Endpoint() Endpoint { return x.endpoint }

// Case is the case that runs.
func (x *Exchange) Case() *Case { return x.instance.Case }

// Declares reports whether the target declares a profile.
func (x *Exchange) Declares(profile string) bool {
	return slices.Contains(x.declares.Profiles, profile)
}

// Param returns the value of a param in this instance. A name that the case
// does not declare is an error of the harness.
func (x *Exchange) Param(name string) string {
	for _, p := range x.instance.Params {
		if p.Name == name {
			return p.Value
		}
	}
	x.harness("the case declares no param %q", name)
	return ""
}

// ParamInt is Param for values that strconv.ParseInt reads with base 0.
func (x *Exchange) ParamInt(name string) int {
	text := x.Param(name)
	n, err := strconv.ParseInt(text, 0, 64)
	if err != nil {
		x.harness("param %s=%q is not a number", name, text)
	}
	return int(n)
}

// Entropy returns the stream with this label. A second call with the label
// continues the stream.
func (x *Exchange) Entropy(label string) *Entropy {
	x.mu.Lock()
	defer x.mu.Unlock()
	if stream, ok := x.streams[label]; ok {
		return stream
	}
	stream := newEntropy(x.seed, x.attempt, x.instance.ID, label)
	x.streams[label] = stream
	return stream
}

// Note adds a line to the timeline.
func (x *Exchange) Note(format string, args ...any) {
	x.record(Entry{Way: WayNote, Label: fmt.Sprintf(format, args...)})
}

// Wait resolves the name of a spec timer or of a harness budget. An unknown
// name is an error of the harness: a case has no durations of its own.
func (x *Exchange) Wait(name string) Wait {
	wait, ok := x.waits.Lookup(name)
	if !ok {
		x.harness("%q is neither a spec timer nor a harness budget", name)
	}
	return wait
}

// Within is how long to wait for something that must come before the named
// wait ends: the timer's value with this machine's slack, or the budget. It
// leaves a line in the timeline.
func (x *Exchange) Within(name string) time.Duration {
	wait := x.Wait(name)
	x.record(Entry{Way: WayWait, Label: fmt.Sprintf("waits at most %s (%v)", name, wait.Longest())})
	return wait.Longest()
}

// AtLeast is how long something may not come before: the timer's value, or the
// budget, without slack.
func (x *Exchange) AtLeast(name string) time.Duration { return x.Wait(name).Limit }

// Pause lets the named wait pass. It ends the case when the deadline of the
// case comes first.
func (x *Exchange) Pause(name string) {
	timer := time.NewTimer(x.Within(name))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-x.ctx.Done():
	}
	x.checkLive()
}

// A Mark is a point in time within an exchange.
type Mark struct{ at time.Time }

// Mark returns this moment, for RequireWithin and RequireNotBefore.
func (x *Exchange) Mark() Mark { return Mark{at: time.Now()} }

func (x *Exchange) record(e Entry) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.timeline.add(e)
}

// mayReceive is how many bytes the peer may send.
func (x *Exchange) mayReceive() int {
	if x.instance.Bulk {
		return MaxBulk
	}
	return MaxReceived
}

// flood is what reads return once the peer has sent more than the bounds.
func (x *Exchange) flood() error {
	return fmt.Errorf("the peer sent more than %d bytes or %d frames", x.mayReceive(), MaxFrames)
}

// count adds to what the peer has sent. It returns an error beyond the bounds.
func (x *Exchange) count(bytes, frames int) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.received += bytes
	x.frames += frames
	if x.received > x.mayReceive() || x.frames > MaxFrames {
		x.flooded = true
		return x.flood()
	}
	return nil
}

// checkLive ends the case when its deadline has come or the peer has sent too
// much: what is seen after that is the judge's own doing.
func (x *Exchange) checkLive() {
	if x.ctx.Err() != nil {
		panic(stopped{})
	}
	x.mu.Lock()
	flooded := x.flooded
	x.mu.Unlock()
	if flooded {
		x.end(Inconclusive, x.flood().Error())
	}
}

// closeAll ends every connection and socket of the exchange. Reads and writes that
// are under way return at once.
func (x *Exchange) closeAll() {
	x.mu.Lock()
	open := x.open
	x.mu.Unlock()
	for _, c := range open {
		_ = c.Close()
	}
}
