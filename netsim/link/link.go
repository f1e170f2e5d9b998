package link

import (
	"github.com/bpci/xtmp/netsim/vtime"
)

// Link is one direction between two hosts. It has one owner.
type Link struct {
	imp  Impairment
	seed uint64
	key  uint64
	cut  bool

	list  map[Packet]Edit
	named map[string]uint64 // packets of a name so far
	n     uint64            // packets so far

	bad    bool  // Gilbert's state
	four   uint8 // Four's state, from 0
	before int64 // the last correlated jitter
	since  int   // packets since one overtook

	queue    queue
	lastOut  vtime.Time
	slot     vtime.Time
	slotUsed int
}

// New returns a link that draws by (seed, name) and does nothing yet.
func New(seed uint64, name string) *Link {
	return &Link{seed: seed, key: Key(name)}
}

// Impair changes what the link does from now on; the states of its models stay.
// The impairment must be valid.
func (l *Link) Impair(i Impairment) { l.imp = i }

// Impairment returns what the link does.
func (l *Link) Impairment() Impairment { return l.imp }

// SetCut cuts the link, or mends it. What is under way arrives.
func (l *Link) SetCut(cut bool) { l.cut = cut }

// List makes e the fate of a packet, in place of what would be drawn.
func (l *Link) List(p Packet, e Edit) {
	if l.list == nil {
		l.list = map[Packet]Edit{}
	}
	l.list[p] = e
}

// Sent returns how many packets were given to the link.
func (l *Link) Sent() uint64 { return l.n }

// Pass gives the link a packet of size bytes at now, which never goes back. The
// name may be empty.
func (l *Link) Pass(now vtime.Time, size int, name string) Verdict {
	l.n++
	e := l.draw(uint64(size))
	v := Verdict{Index: l.n}
	if name != "" {
		v.Nth = l.count(name)
	}
	if l.list != nil {
		e = l.listed(Packet{Name: name, Index: v.Nth}, e)
	}
	switch {
	case l.cut:
		v.Cause = Cut
	case l.imp.MTU > 0 && size > l.imp.MTU:
		v.Cause = TooLarge
	case e.Drop != Passed:
		v.Cause, v.Edit = e.Drop, e
	default:
		l.deliver(&v, now, size, e)
	}
	return v
}

func (l *Link) count(name string) uint64 {
	if l.named == nil {
		l.named = map[string]uint64{}
	}
	l.named[name]++
	return l.named[name]
}

func (l *Link) listed(p Packet, e Edit) Edit {
	if p.Name != "" {
		if listed, ok := l.list[p]; ok {
			return listed
		}
	}
	if listed, ok := l.list[Packet{Index: l.n}]; ok {
		return listed
	}
	return e
}

// deliver finds when a packet arrives that is not lost.
func (l *Link) deliver(v *Verdict, now vtime.Time, size int, e Edit) {
	out, cause := l.queue.pass(&l.imp, now, size)
	if cause != Passed {
		v.Cause = cause
		return
	}
	v.Edit = e
	v.At = l.arrival(now, out, e.Late)
	if !e.Copy {
		return
	}
	if out, cause = l.queue.pass(&l.imp, now, size); cause == Passed {
		v.Copied, v.CopyAt = true, l.arrival(now, out, e.CopyLate)
	}
}

// arrival returns when a packet that leaves the queue at out is there.
func (l *Link) arrival(now, out, late vtime.Time) vtime.Time {
	if every := l.imp.SlotEvery; every > 0 {
		slot := (out + every - 1) / every * every
		switch {
		case slot > l.slot:
			l.slot, l.slotUsed = slot, 0
		case l.imp.SlotPackets > 0 && l.slotUsed >= l.imp.SlotPackets:
			l.slot, l.slotUsed = l.slot+every, 0
		}
		l.slotUsed++
		out = l.slot
	}
	at := max(out+l.imp.Delay+late, now)
	if l.imp.InOrder {
		at = max(at, l.lastOut)
	}
	l.lastOut = max(at, l.lastOut)
	return at
}

// draw decides by chance. Every stage draws for itself, by the packet's index.
func (l *Link) draw(size uint64) (e Edit) {
	i := &l.imp
	if i.Loss > 0 && l.chance(stageLoss, i.Loss) {
		e.Drop = Lost
	}
	if i.Gilbert != (Gilbert{}) && l.gilbert() || i.Four != (Four{}) && l.fourStates() {
		e.Drop = Burst
	}
	if i.Jitter > 0 {
		e.Late = l.jitter(l.bits(stageJitter))
	}
	if i.Duplicate > 0 && l.chance(stageDuplicate, i.Duplicate) {
		e.Copy = true
		if i.Jitter > 0 {
			e.CopyLate = l.jitter(l.bits(stageCopyJitter))
		}
	}
	if i.Corrupt > 0 && l.chance(stageCorrupt, i.Corrupt) {
		e.Flip, e.Bit = true, uint32(Below(l.bits(stageBit), max(8*size, 1)))
	}
	if i.Reorder > 0 {
		l.since++
		if l.since > i.Gap && l.chance(stageReorder, i.Reorder) {
			l.since, e.Late = 0, -i.Delay
		}
	}
	if e.Drop != Passed {
		return Edit{Drop: e.Drop}
	}
	return e
}

func (l *Link) bits(s Stage) uint64 { return Draw(l.seed, l.key, s, l.n) }

func (l *Link) chance(s Stage, permille int) bool {
	return Below(l.bits(s), 1000) < uint64(permille)
}

// gilbert moves Gilbert's model and says whether the packet is lost.
func (l *Link) gilbert() bool {
	g := &l.imp.Gilbert
	if l.bad {
		l.bad = !l.chance(stageModel, g.Leave)
	} else {
		l.bad = l.chance(stageModel, g.Enter)
	}
	if l.bad {
		return l.chance(stageModelLoss, g.Bad)
	}
	return l.chance(stageModelLoss, g.Good)
}

// fourStates moves Four's model and says whether the packet is lost.
func (l *Link) fourStates() bool {
	f, u := &l.imp.Four, int(Below(l.bits(stageModel), 1000))
	switch l.four {
	case 0:
		l.four = pick(u, f.P13, 2, f.P14, 3, 0)
	case 1:
		l.four = pick(u, f.P23, 2, 0, 1, 1)
	case 2:
		l.four = pick(u, f.P31, 0, f.P32, 1, 2)
	default:
		l.four = 0
	}
	return l.four >= 2
}

// pick returns a with probability p, b with probability q, and else c.
func pick(u, p int, a uint8, q int, b, c uint8) uint8 {
	switch {
	case u < p:
		return a
	case u < p+q:
		return b
	default:
		return c
	}
}
