package netsim

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/bpci/xtmp/netsim/link"
	"github.com/bpci/xtmp/netsim/tcp"
	"github.com/bpci/xtmp/netsim/vtime"
)

// Config says what the hosts of a scenario run and who looks on.
type Config struct {
	// Boot returns what a host runs from now on; nil runs nothing. It is
	// called at the start and at every restart.
	Boot func(host string) Node
	// Entropy is the source of IO.Entropy. It is not the seed of the scenario,
	// so that a run can be repeated without that.
	Entropy uint64
	// Stream configures the hosts' TCP.
	Stream tcp.Config
	// Name gives a packet the name by which a scenario may speak of it; "" has none.
	Name func(*Packet) string
	// Trace sees each event. What it points to is valid during the call.
	Trace func(Event)
	// Checks run after every step; the first that fails ends the run.
	Checks []Check
	// Record keeps what chance decided, for Edits.
	Record bool
}

// Check is something that must always hold.
type Check struct {
	Name string // the fingerprint of the failure
	Run  func(*World) error
}

// Violation is a failed check.
type Violation struct {
	At    vtime.Time
	Step  uint64
	Check string
	Err   error
}

// String says which check failed, when and why.
func (v *Violation) String() string {
	return fmt.Sprintf("%s at %s, step %d: %v", v.Check, v.At, v.Step, v.Err)
}

// World is one run of a scenario. It has one owner.
type World struct {
	cfg       Config
	now       vtime.Time
	until     vtime.Time
	plan      heap
	number    uint64
	hosts     []*Host
	byName    map[string]*Host
	byAddr    map[netip.Addr]*Host
	faults    []Fault
	edits     []EditLine
	spent     []*Packet
	scratch   []byte // for a segment
	hash      uint64
	steps     uint64
	instant   int // steps at now
	violation *Violation
}

// maxInstant bounds the steps of one instant: more are a loop without delay.
const maxInstant = 1_000_000

// errStuck is the violation of a world that comes to no end.
var errStuck = errors.New("too many steps at one instant")

// wire is a link and what is kept of its packets.
type wire struct {
	*link.Link
	from, to *Host
	wanted   map[link.Packet]*Packet // for a replay, nil until seen
	cut      bool                    // everything is lost
	blocked  bool                    // every datagram of UDP is
}

// New sets a scenario up: hosts are booted by the first steps.
func New(cfg Config, s *Scenario) (*World, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	w := &World{cfg: cfg, until: s.For, byName: map[string]*Host{}, byAddr: map[netip.Addr]*Host{}, hash: uint64(len(s.Hosts))}
	w.cfg.Stream = cfg.Stream.WithDefaults()
	for i := range s.Hosts {
		w.addHost(&s.Hosts[i])
	}
	for i := range s.Links {
		l := &s.Links[i]
		w.wire(l.From, l.To, s.Seed).Impair(l.Impairment)
	}
	for _, e := range s.Edits {
		w.wire(e.From, e.To, s.Seed).List(e.Packet, e.Edit)
	}
	for _, h := range w.hosts {
		w.faults = append(w.faults, Fault{Do: Start, Host: h.name})
	}
	w.faults = append(w.faults, s.Faults...)
	for i, f := range w.faults {
		if f.Do.onLink() {
			x := w.wire(f.Host, f.To, s.Seed)
			if f.Do == Replay {
				x.want(f.Packet)
			}
		}
		w.schedule(planned{at: f.At, kind: planFault, arg: int32(i)})
	}
	return w, nil
}

// wire returns the link from a host to another, made if there is none.
func (w *World) wire(from, to string, seed uint64) *wire {
	a, b := w.byName[from], w.byName[to]
	if a.wires[b.id] == nil {
		a.wires[b.id] = &wire{Link: link.New(seed, from+">"+to), from: a, to: b}
	}
	return a.wires[b.id]
}

func (x *wire) want(p link.Packet) {
	if x.wanted == nil {
		x.wanted = map[link.Packet]*Packet{}
	}
	x.wanted[p] = nil
}

func (w *World) schedule(p planned) {
	p.number = w.number
	w.number++
	w.plan.push(p)
}

// Now returns the virtual time.
func (w *World) Now() vtime.Time { return w.now }

// Steps returns how many steps were made.
func (w *World) Steps() uint64 { return w.steps }

// Hash returns the hash of all events so far.
func (w *World) Hash() uint64 { return w.hash }

// Host returns the host of a name, or nil.
func (w *World) Host(name string) *Host { return w.byName[name] }

// Edits returns what chance decided so far, if Record was set.
func (w *World) Edits() []EditLine { return w.edits }

// Violation returns the check that failed, or nil.
func (w *World) Violation() *Violation { return w.violation }

// Run steps until the scenario's end, or until a check fails.
func (w *World) Run() *Violation {
	for w.Step() {
	}
	return w.violation
}

// RunTo steps up to and including the instant.
func (w *World) RunTo(t vtime.Time) *Violation {
	for len(w.plan.p) > 0 && w.plan.p[0].at <= t && w.Step() {
	}
	if w.violation == nil && w.until > t {
		w.now, w.instant = max(w.now, t), 0
	}
	return w.violation
}

// Step does the next thing and says whether it did.
func (w *World) Step() bool {
	if w.violation != nil || len(w.plan.p) == 0 || w.plan.p[0].at > w.until {
		return false
	}
	p := w.plan.pop()
	w.steps++
	if w.instant++; p.at > w.now {
		w.now, w.instant = p.at, 0
	}
	if w.instant > maxInstant {
		w.violation = &Violation{w.now, w.steps, "progress", errStuck}
		return false
	}
	w.do(p)
	for _, c := range w.cfg.Checks {
		if err := c.Run(w); err != nil {
			w.violation = &Violation{w.now, w.steps, c.Name, err}
			return false
		}
	}
	return true
}

func (w *World) do(p planned) {
	if p.kind == planFault {
		w.fault(&w.faults[p.arg])
		return
	}
	h := w.hosts[p.host]
	if w.now < h.stalled {
		p.at = h.stalled
		w.schedule(p)
		return
	}
	switch p.kind {
	case planArrival:
		w.arrive(h, p.packet, p.arg != 0)
		w.done(p.packet)
	case planWake:
		h.wakeUp(p)
	case planStream:
		h.advanceStream(ConnID(p.arg))
	case planSynced:
		h.synced(p)
	default:
	}
}

// send puts a packet on the link to its destination. The packet is given away.
func (w *World) send(from *Host, p *Packet) {
	to := w.byAddr[p.Dst.Addr()]
	if to == nil || from.wires[to.id] == nil {
		w.emit(Event{Kind: Refused, Host: from.name, Packet: p, Text: "no link"})
		w.done(p)
		return
	}
	if from.nat != nil && from != to {
		p.Src = from.nat.outbound(w.now, p.Protocol, p.Src.Port())
	}
	x := from.wires[to.id]
	name := ""
	if w.cfg.Name != nil {
		name = w.cfg.Name(p)
	}
	x.SetCut(x.cut || x.blocked && p.Protocol == UDP)
	v := x.Pass(w.now, p.Size(), name)
	w.emit(Event{
		Kind: Sent, Host: from.name, Peer: to.name, Packet: p, Name: name, Index: v.Index, Cause: v.Cause, Edit: v.Edit,
	})
	if w.cfg.Record && v.Edit != (link.Edit{}) {
		which := link.Packet{Index: v.Index}
		if name != "" {
			which = link.Packet{Name: name, Index: v.Nth}
		}
		w.edits = append(w.edits, EditLine{from.name, to.name, which, v.Edit})
	}
	x.record(link.Packet{Index: v.Index}, p)
	x.record(link.Packet{Name: name, Index: v.Nth}, p)
	w.deliver(to, p, &v)
}

// deliver plans the arrivals of a packet.
func (w *World) deliver(to *Host, p *Packet, v *link.Verdict) {
	if v.Cause != link.Passed {
		w.done(p)
		return
	}
	if v.Copied {
		w.schedule(planned{at: v.CopyAt, kind: planArrival, host: to.id, packet: w.newPacket(p.Protocol, p.Src, p.Dst, p.Data)})
	}
	var flipped int32
	if v.Edit.Flip && len(p.Data) > 0 {
		bit := v.Edit.Bit % uint32(8*len(p.Data))
		p.Data[bit/8] ^= 1 << (bit % 8)
		flipped = 1
	}
	w.schedule(planned{at: v.At, kind: planArrival, host: to.id, packet: p, arg: flipped})
}

func (x *wire) record(which link.Packet, p *Packet) {
	if _, wanted := x.wanted[which]; wanted {
		x.wanted[which] = &Packet{p.Protocol, p.Src, p.Dst, append([]byte(nil), p.Data...)}
	}
}

// arrive gives a packet to its socket.
func (w *World) arrive(h *Host, p *Packet, flipped bool) {
	refuse := func(why string) { w.emit(Event{Kind: Refused, Host: h.name, Packet: p, Text: why}) }
	port := p.Dst.Port()
	switch {
	case !h.on:
		refuse("off")
		return
	case flipped && p.Protocol == TCP:
		refuse("checksum")
		return
	case h.nat != nil && p.Src.Addr() != h.addr:
		inner, ok := h.nat.inbound(w.now, p.Protocol, port)
		if !ok || p.Dst.Addr() != h.nat.addr {
			refuse("nat")
			return
		}
		port = inner
	}
	local := netip.AddrPortFrom(h.addr, port)
	if p.Protocol == TCP {
		w.emit(Event{Kind: Arrived, Host: h.name, Packet: p})
		h.segment(local, p)
		return
	}
	if h.node == nil || !h.bound[port] {
		refuse("no socket")
		return
	}
	w.emit(Event{Kind: Arrived, Host: h.name, Packet: p})
	h.handle(Input{Kind: Datagram, Local: local, Peer: p.Src, Data: p.Data})
}
