package netsim

import (
	"net/netip"

	"github.com/bpci/xtmp/netsim/link"
	"github.com/bpci/xtmp/netsim/vtime"
)

// Node is what runs on a host: a sans-I/O machine.
type Node interface {
	// Handle takes one input. During the call it may use io, and afterwards it
	// may not: whatever it says then is said at another time.
	Handle(io *IO, in Input)
	// Deadline returns when, on the elapsed clock, it wants a Timer; false if
	// not. It is asked after each input.
	Deadline() (vtime.Time, bool)
}

// InputKind says what an Input is.
type InputKind uint8

// The inputs of a node.
const (
	Started    InputKind = iota // the first one
	Datagram                    // Data came from Peer to Local
	Timer                       // the deadline has come
	Accepted                    // Conn came in, from Peer to the listening Local
	Connected                   // Conn, which the node dialled, is there
	Readable                    // Conn has more to read than before; it is not said again of what was left
	Writable                    // Conn takes more, after it took less than it was given
	PeerClosed                  // Conn will have nothing more to read than it has now
	Closed                      // Conn is gone; Err says why, nil if both ends had closed it
	Synced                      // what was appended before the Sync is durable, if Err is nil
)

// Input is something that happens to a node.
type Input struct {
	Kind        InputKind
	Conn        ConnID
	Local, Peer netip.AddrPort
	Data        []byte // the node's to change, during the call
	Err         error
}

// ConnID names a stream of a host. They count up from 1 and are not used again.
type ConnID int32

// Host is one machine.
type Host struct {
	world     *World
	name      string
	key       uint64
	id        int32
	addr      netip.Addr
	nat       *nat // nil for none
	wires     []*wire
	clock     clock
	disk      Disk
	syncDelay vtime.Time

	on       bool // it has power
	node     Node // nil while it does not run
	io       IO
	boots    uint32
	draws    uint64
	wake     vtime.Time // the earliest planned, Never for none
	stalled  vtime.Time // until then it does nothing
	bound    map[uint16]bool
	nextPort uint16

	listening map[uint16]bool
	streams   []*stream // by ConnID, nil when gone; 0 is not used
	byEnds    map[ends]*stream
}

func (w *World) addHost(s *HostLine) {
	h := &Host{
		world: w, name: s.Name, key: link.Key(s.Name), id: int32(len(w.hosts)), addr: s.Addr, syncDelay: s.Sync, wake: vtime.Never,
		bound: map[uint16]bool{}, listening: map[uint16]bool{}, byEnds: map[ends]*stream{}, streams: make([]*stream, 1),
	}
	h.io = IO{h}
	h.clock.set(0, Now{0, Epoch + s.Step}, s.Drift)
	w.byAddr[s.Addr] = h
	if s.NAT.IsValid() {
		h.nat = &nat{addr: s.NAT, idle: s.Idle}
		w.byAddr[s.NAT] = h
	}
	w.byName[s.Name] = h
	w.hosts = append(w.hosts, h)
	for _, other := range w.hosts {
		other.wires = append(other.wires, make([]*wire, len(w.hosts)-len(other.wires))...)
	}
}

// Name returns the host's name.
func (h *Host) Name() string { return h.name }

// Node returns what runs, or nil.
func (h *Host) Node() Node { return h.node }

// Disk returns the host's disk.
func (h *Host) Disk() *Disk { return &h.disk }

// Now returns what the host's clocks read.
func (h *Host) Now() Now { return h.clock.read(h.world.now) }

// handle gives the node an input and plans its next deadline.
func (h *Host) handle(in Input) {
	h.node.Handle(&h.io, in)
	h.replan()
}

func (h *Host) replan() {
	deadline, ok := h.node.Deadline()
	if !ok {
		return
	}
	if at := h.clock.when(h.world.now, deadline); at < h.wake {
		h.wake = at
		h.world.schedule(planned{at: at, kind: planWake, host: h.id, boot: h.boots})
	}
}

// wakeUp gives the node its Timer, unless the deadline has moved.
func (h *Host) wakeUp(p planned) {
	if h.node == nil || p.boot != h.boots || p.at < h.wake {
		return
	}
	h.wake = vtime.Never
	if deadline, ok := h.node.Deadline(); ok && h.clock.when(h.world.now, deadline) <= h.world.now {
		h.node.Handle(&h.io, Input{Kind: Timer})
	}
	h.replan()
}

// synced makes the first records of the disk durable and tells the node.
func (h *Host) synced(p planned) {
	if h.node == nil || p.boot != h.boots {
		return
	}
	in := Input{Kind: Synced}
	if h.disk.failing {
		in.Err = ErrDisk
	} else {
		h.disk.durable = max(h.disk.durable, int(p.arg))
	}
	h.handle(in)
}

// start switches the host on if it is off, and boots a node if none runs.
func (h *Host) start() {
	w := h.world
	if !h.on {
		h.on = true
		h.clock.set(w.now, Now{0, h.Now().Wall}, h.clock.ppm)
	}
	if h.node != nil || w.cfg.Boot == nil {
		return
	}
	if h.node = w.cfg.Boot(h.name); h.node == nil {
		return
	}
	h.boots++
	h.wake = vtime.Never
	w.emit(Event{Kind: Booted, Host: h.name})
	h.handle(Input{Kind: Started})
}

// crash ends the node. The host goes on, and closes what the node had open.
func (h *Host) crash() {
	h.node = nil
	clear(h.bound)
	clear(h.listening)
	for _, s := range h.streams {
		if s != nil {
			s.orphan = true
			s.conn.Close(h.world.now)
			h.flush(s)
		}
	}
}

// losePower ends everything at once: nothing is sent, nothing unsynced is kept
// but for the first few records.
func (h *Host) losePower(keep int) {
	h.node, h.on = nil, false
	clear(h.bound)
	clear(h.listening)
	clear(h.streams)
	clear(h.byEnds)
	h.disk.losePower(keep)
}
