package world

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/bpci/xtmp/netsim"
	"github.com/bpci/xtmp/netsim/vtime"
)

// Options say who looks on at a run.
type Options struct {
	// Record keeps what chance decided, for Outcome.Edits.
	Record bool
	// Trace sees each event of the simulator.
	Trace func(netsim.Event)
	// Show sees each frame that is written.
	Show func(*Frame)
	// KeyLog is told each secret, by either end that derives it, under the labels of a
	// key log.
	KeyLog func(label string, sessionID uint64, secret []byte)
}

// World is one run of a plan.
type World struct {
	*netsim.World
	plan  *Plan
	watch *Watch
	hosts []*netsim.Host // that run servers
}

// Outcome is what came of a run.
type Outcome struct {
	Hash      uint64 // of every event
	Steps     uint64
	At        vtime.Time // when it ended
	Violation *netsim.Violation
	Edits     []netsim.EditLine // what chance decided, if it was recorded

	Calls    int        // that were asked for
	Replied  int        // … and have their reply
	Unknown  int        // their session ended before a reply came
	Refused  int        // the server said no
	Lost     int        // the client crashed
	Dials    int        // first contacts that clients tried
	Sessions int        // … and by which they have established a session
	Attached int        // further paths of them
	Gap      vtime.Time // the longest time without a reply, over all clients
}

// New sets a run up.
func New(p *Plan, site *Site, o Options) (*World, error) { return newWorld(p, site, o, nil) }

// newWorld lets a test run something else on a host.
func newWorld(p *Plan, site *Site, o Options, boot func(w *World, host string) netsim.Node) (*World, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	w := &World{plan: p, watch: newWatch(p)}
	w.watch.show, w.watch.keyLog = o.Show, o.KeyLog
	cfg := netsim.Config{
		Entropy: entropySeed,
		Boot: func(host string) netsim.Node {
			if boot != nil {
				if node := boot(w, host); node != nil {
					return node
				}
			}
			return w.boot(host, site)
		},
		Checks: w.watch.checks(), Record: o.Record,
		Trace: func(e netsim.Event) {
			w.watch.observe(&e)
			if o.Trace != nil {
				o.Trace(e)
			}
		},
	}
	if o.Record || o.Trace != nil || p.names() {
		cfg.Name = PacketName
	}
	var err error
	if w.World, err = netsim.New(cfg, &p.Scenario); err != nil {
		return nil, err
	}
	w.watch.world = w.World
	for _, l := range p.Serves {
		w.hosts = append(w.hosts, w.Host(l.Host))
	}
	return w, nil
}

// entropySeed is not the seed of a scenario: a run is repeated without that.
const entropySeed = 0x58544d50

// names says whether the scenario speaks of packets by name.
func (p *Plan) names() bool {
	return slices.ContainsFunc(p.Scenario.Edits, func(e netsim.EditLine) bool { return e.Packet.Name != "" }) ||
		slices.ContainsFunc(p.Scenario.Faults, func(f netsim.Fault) bool { return f.Packet.Name != "" })
}

// boot returns what a host runs.
func (w *World) boot(host string, site *Site) netsim.Node {
	for i := range w.plan.Serves {
		if l := &w.plan.Serves[i]; l.Host == host {
			return newServer(l, site, w.watch)
		}
	}
	for i := range w.plan.Calls {
		l := &w.plan.Calls[i]
		if l.Host != host {
			continue
		}
		to := netip.AddrPortFrom(w.plan.host(l.To).Addr, Port)
		return newClient(l, to, site, w.watch, w.watch.callers[i])
	}
	return nil
}

// Run makes the run: until every call has its result and every session is closed,
// until a rule is broken, or until the time of the scenario is over. A panic of the
// core is a violation, too.
func (w *World) Run() (o Outcome) {
	defer func() {
		if p := recover(); p != nil {
			o = w.outcome()
			o.Violation = &netsim.Violation{At: w.Now(), Step: w.Steps(), Check: "panic", Err: fmt.Errorf("%v", p)}
		}
	}()
	for w.Step() && !w.over() {
	}
	o = w.outcome()
	if o.Violation == nil && !w.over() {
		w.unfinished(&o)
	}
	return o
}

// over says whether there is nothing left to happen.
func (w *World) over() bool {
	for _, c := range w.watch.callers {
		if !c.done {
			return false
		}
	}
	for _, h := range w.hosts {
		if s, ok := h.Node().(*Server); ok && s.Sessions() > 0 {
			return false
		}
	}
	return true
}

// unfinished judges a run whose time is over: if all was well for long enough,
// nothing may be left.
func (w *World) unfinished(o *Outcome) {
	if w.watch.calm == vtime.Never || w.Now() < w.watch.calm+2*w.watch.within {
		return
	}
	for _, h := range w.hosts {
		if s, ok := h.Node().(*Server); ok && s.Sessions() > 0 && w.clientsDone() {
			err := fmt.Errorf("%s: %d sessions are left", h.Name(), s.Sessions())
			o.Violation = &netsim.Violation{At: w.Now(), Step: w.Steps(), Check: rules[checkLimits].Name, Err: err}
		}
	}
}

func (w *World) clientsDone() bool {
	return !slices.ContainsFunc(w.watch.callers, func(c *caller) bool { return !c.done })
}

func (w *World) outcome() Outcome {
	o := Outcome{Hash: w.Hash(), Steps: w.Steps(), At: w.Now(), Violation: w.Violation(), Edits: w.Edits()}
	for _, c := range w.watch.callers {
		o.Calls += len(c.calls)
		o.Replied += c.answered
		o.Unknown += c.unsure
		o.Refused += c.refusals
		o.Lost += c.lost
		o.Dials += c.dials
		o.Sessions += c.sessions
		o.Attached += c.attached
		o.Gap = max(o.Gap, c.gap)
	}
	return o
}

// Run makes one run of a plan.
func Run(p *Plan, site *Site, o Options) (Outcome, error) {
	w, err := New(p, site, o)
	if err != nil {
		return Outcome{}, err
	}
	return w.Run(), nil
}

// String says what came of the run, in words.
func (o *Outcome) String() string {
	s := fmt.Sprintf("%d of %d calls replied", o.Replied, o.Calls)
	for _, c := range []struct {
		n    int
		what string
	}{{o.Unknown, "unknown"}, {o.Refused, "refused"}, {o.Lost, "lost with their client"}} {
		if c.n > 0 {
			s += fmt.Sprintf(", %d %s", c.n, c.what)
		}
	}
	s += fmt.Sprintf("; %d sessions by %d first contacts, %d more paths, over after %s", o.Sessions, o.Dials, o.Attached, o.At)
	if o.Violation != nil {
		s += "\nVIOLATION of " + o.Violation.String()
	}
	return s
}
