package world

import (
	"fmt"

	"github.com/bpci/xtmp/netsim"
	"github.com/bpci/xtmp/netsim/vtime"
	"github.com/bpci/xtmp/refimpl/security"
)

// Watch is told what both ends do and holds it to the rules. The first breach of
// each rule is kept; the run ends after the step that brought it.
type Watch struct {
	world    *netsim.World
	found    [checks]error
	callers  []*caller
	sessions map[uint64]*record
	slots    map[[16]byte]*slot
	traffic  traffic
	boots    map[string]int // how often a host was booted

	attachable map[string]bool // servers that accept further paths
	bulky      bool            // see Plan.bulky

	quiet  vtime.Time // from then on no session ends without need
	calm   vtime.Time // from then on progress is demanded; Never: it is not
	within vtime.Time // so long a call may take then
	lookAt vtime.Time // when progress is judged next

	show   func(*Frame) // each frame that is written, opened; nil for nobody
	keyLog func(label string, sessionID uint64, secret []byte)
	opened []byte // a frame
	want   []byte // a reply
}

// check is a rule.
type check uint8

// The rules. Check has their names and meanings.
const (
	checkTwice check = iota
	checkResult
	checkAgree
	checkSequence
	checkAcknowledged
	checkConduct
	checkLimits
	checkDeadline
	checkAmplification
	checkKnown
	checkProgress
	checks
)

// Rule is what a run is held to.
type Rule struct {
	Name    string // of the check
	Meaning string
}

// Rules returns the rules.
func Rules() []Rule {
	r := rules
	return r[:]
}

var rules = [checks]Rule{
	{"twice", "a request is executed at most once"},
	{"result", "a call has one result: its own reply if it was executed, and \"not sent\" only if it was not"},
	{"agree", "both ends of a session have the same session_id, suite and secrets, and every frame opens with them"},
	{"sequence", "no end seals two frames under the same key with the same sequence number"},
	{"acknowledged", "what a server acknowledges it has executed"},
	{"conduct", "two right ends refuse none of each other's frames and accuse each other of nothing"},
	{"limits", "queues and memory stay within their bounds, and a session that has ended leaves nothing"},
	{"deadline", "time goes on: no timer is due again at once"},
	{"amplification", "a server sends an unproved address at most what it got from there, and a new one of a session three times that"},
	{"known", "a call has its reply as long as its session could live on: it ends unknown only by a restart, or for want of a network"},
	{"progress", "once the network and the hosts are well, every call gets its result in time, and no session ends without need"},
}

func newWatch(p *Plan) *Watch {
	w := &Watch{
		sessions: map[uint64]*record{}, slots: map[[16]byte]*slot{}, boots: map[string]int{}, attachable: map[string]bool{}, bulky: p.bulky(),
		traffic: newTraffic(p), calm: p.calm(), within: p.Within,
	}
	switch {
	case w.calm == vtime.Never:
		w.quiet = vtime.Never
	case p.Trouble() > 0:
		w.quiet = w.calm + p.Within
	}
	for _, l := range p.Serves {
		w.attachable[l.Host] = l.Attach != AttachNone
	}
	for i := range p.Calls {
		w.callers = append(w.callers, newCaller(&p.Calls[i], uint32(i)))
	}
	return w
}

// now returns the time of the world.
func (w *Watch) now() vtime.Time { return w.world.Now() }

// fail notes a breach of a rule.
func (w *Watch) fail(c check, format string, args ...any) {
	if w.found[c] == nil {
		w.found[c] = fmt.Errorf(format, args...)
	}
}

// checks returns the rules as the world asks for them after each step.
func (w *Watch) checks() (list []netsim.Check) {
	for c := range checks {
		list = append(list, netsim.Check{Name: rules[c].Name, Run: func(*netsim.World) error { return w.found[c] }})
	}
	list[checkProgress].Run = func(*netsim.World) error {
		if now := w.world.Now(); now >= w.lookAt {
			w.lookForProgress(now)
		}
		return w.found[checkProgress]
	}
	return list
}

// lookForProgress judges the oldest call of each caller, and plans the next look
// for the moment at which one of them could be too late.
func (w *Watch) lookForProgress(now vtime.Time) {
	w.lookAt = now + w.within/4
	if w.calm == vtime.Never {
		return
	}
	for _, c := range w.callers {
		since, waits := c.oldest()
		if !waits {
			continue
		}
		late := max(since, w.calm) + w.within
		if now > late {
			w.fail(checkProgress, "%s: call %d is due since %s and has no result", c.line.Host, c.first, since)
		}
		w.lookAt = min(w.lookAt, late+1)
	}
}

// turns counts how often a node is woken in one instant.
type turns struct {
	at vtime.Time
	n  int
}

// turnsMost is far more than any node has to do at one instant.
const turnsMost = 200

func (t *turns) count(w *Watch, host string, io *netsim.IO, in netsim.Input) {
	if in.Kind != netsim.Timer {
		return
	}
	if now := io.Now().Elapsed; now != t.at {
		t.at, t.n = now, 0
	}
	if t.n++; t.n > turnsMost {
		w.fail(checkDeadline, "%s: a timer is due again and again at %s", host, t.at)
	}
}

// Bounds of what a server may hold for each connection, in bytes: the frame that
// has not arrived whole, in a buffer that grows by doubling, and replies.
const (
	heldMost    = 2*65696 + 2*security.KeySize
	partialMost = 4 * 65536 // of incomplete messages, for each session
	repliesMost = 33 << 20
)

// serverHolds judges what a server holds.
func (w *Watch) serverHolds(s *Server) {
	n, a := s.endpoint.Len(), s.limits
	switch {
	case n < len(s.conns):
		w.fail(checkLimits, "%s: %d paths on %d connections", s.line.Host, n, len(s.conns))
	case a.half < 0 || a.settled < 0 || a.parked < 0 || a.memory < 0 || a.retained < 0 || a.half+a.settled-a.parked > n:
		w.fail(checkLimits, "%s: %d half-open, %d established and %d parked sessions on %d paths", s.line.Host, a.half, a.settled, a.parked, n)
	case a.memory > n*heldMost+a.settled*partialMost:
		w.fail(checkLimits, "%s: %d bytes of incomplete frames and messages on %d paths", s.line.Host, a.memory, n)
	case n == 0 && a.parked == 0 && (a.half|a.settled|a.memory|a.retained) != 0:
		w.fail(checkLimits, "%s: without connections, %d half-open, %d established, %d bytes and %d retained are counted",
			s.line.Host, a.half, a.settled, a.memory, a.retained)
	}
}

// inflightMost is how many requests may be without a reply; when a session loses its path they
// wait once more.
const inflightMost = 1024

// clientHolds judges what a client holds.
func (w *Watch) clientHolds(c *Client) {
	if n, bytes := c.core.Queued(); n > queuedMost+inflightMost || bytes > (queuedMost+inflightMost)*(c.line.Size+8) {
		w.fail(checkLimits, "%s: %d messages with %d bytes wait to be sealed", c.line.Host, n, bytes)
	}
}
