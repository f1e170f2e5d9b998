package netsim

import (
	"fmt"

	"github.com/bpci/xtmp/netsim/link"
	"github.com/bpci/xtmp/netsim/vtime"
)

// Op is what a Fault does.
type Op uint8

// The operations. The first few are about a link, the rest about a host.
const (
	Impair   Op = iota // the link does Impairment from now on
	SetCut             // the link loses everything
	Mend               // the link does not
	Block              // the link loses every datagram of UDP
	Unblock            // it does not
	Replay             // Packet, as it was on the link, arrives again
	Heal               // all links are mended and do nothing but delay
	Start              // the host is on, and a node runs
	Crash              // the node is gone; the host closes its streams
	PowerOff           // the host is gone; its disk keeps what was synced and N records more
	Stall              // the host does nothing for Span
	Step               // the wall clock jumps by Span
	Drift              // the clocks run wrong by N millionths
	Rebind             // the NAT before the host forgets its ports
	DiskFail           // the disk refuses to be written
	DiskMend           // it does not
	ops
)

var opWords = [ops]string{
	"link", "cut", "mend", "block", "unblock", "replay", "heal",
	"start", "crash", "poweroff", "stall", "step", "drift", "rebind", "diskfail", "diskmend",
}

func (o Op) String() string { return opWords[o] }

func (o Op) onLink() bool { return o <= Replay }

// Fault is something that happens at an instant, for better or worse.
type Fault struct {
	At         vtime.Time
	Do         Op
	Host       string // of a link, its beginning
	To         string
	Impairment link.Impairment
	Packet     link.Packet
	Span       vtime.Time
	N          int64
}

// String writes the fault as a line of a scenario, without the instant.
func (f Fault) String() string {
	if f.Do == Heal {
		return "heal"
	}
	if f.Do.onLink() {
		s := fmt.Sprintf("%s %s>%s", f.Do, f.Host, f.To)
		switch f.Do {
		case Impair:
			return s + " " + f.Impairment.String()
		case Replay:
			return s + " " + packetWords(f.Packet)
		default:
			return s
		}
	}
	s := f.Do.String() + " " + f.Host
	switch f.Do {
	case Stall, Step:
		return s + " " + f.Span.String()
	case PowerOff, Drift:
		if f.N != 0 || f.Do == Drift {
			return fmt.Sprintf("%s %d", s, f.N)
		}
		return s
	default:
		return s
	}
}

// fault makes a fault happen.
func (w *World) fault(f *Fault) {
	certain := *f // what chance is set to shows in the edits, so that a run without it has the same trace
	certain.Impairment = f.Impairment.Certain()
	w.emit(Event{Kind: Faulted, Host: f.Host, Peer: f.To, Text: certain.String()})
	if f.Do == Heal {
		w.heal()
		return
	}
	h := w.byName[f.Host]
	if f.Do.onLink() {
		w.faultLink(f, h.wires[w.byName[f.To].id])
		return
	}
	switch f.Do {
	case Start:
		h.start()
	case Crash:
		h.crash()
	case PowerOff:
		h.losePower(int(f.N))
	case Stall:
		h.stalled = max(h.stalled, w.now+f.Span)
	case Step:
		now := h.Now()
		now.Wall += f.Span
		h.clock.set(w.now, now, h.clock.ppm)
	case Drift:
		h.clock.set(w.now, h.Now(), f.N)
		if h.node != nil {
			h.replan()
		}
	case Rebind:
		h.nat.rebind()
	case DiskFail, DiskMend:
		h.disk.failing = f.Do == DiskFail
	default:
	}
}

func (w *World) faultLink(f *Fault, x *wire) {
	switch f.Do {
	case Impair:
		x.Impair(f.Impairment)
	case SetCut, Mend:
		x.cut = f.Do == SetCut
	case Block, Unblock:
		x.blocked = f.Do == Block
	case Replay:
		if p := x.wanted[f.Packet]; p != nil {
			at := w.now + x.Impairment().Delay
			again := w.newPacket(p.Protocol, p.Src, p.Dst, p.Data)
			w.schedule(planned{at: at, kind: planArrival, host: x.to.id, packet: again})
		}
	default:
	}
}

// heal makes all links good: what is lost from now on is lost by a list.
func (w *World) heal() {
	for _, h := range w.hosts {
		for _, x := range h.wires {
			if x == nil {
				continue
			}
			x.Impair(link.Impairment{Delay: x.Impairment().Delay})
			x.cut, x.blocked = false, false
		}
	}
}
