package world

import (
	"cmp"
	"slices"

	"github.com/bpci/xtmp/netsim"
	"github.com/bpci/xtmp/netsim/link"
	"github.com/bpci/xtmp/netsim/vtime"
)

// calm returns from when on nothing goes wrong: every host runs, and every link
// between a client and its server delivers what it is given, but for packets that
// are named one by one. It is Never if something is wrong at the end.
func (p *Plan) calm() vtime.Time {
	w := weather{links: map[[2]string]*weatherOfLink{}, off: map[string]bool{}}
	for i := range p.Scenario.Links {
		l := &p.Scenario.Links[i]
		w.link(l.From, l.To).impairment = l.Impairment
	}
	faults := slices.Clone(p.Scenario.Faults)
	slices.SortStableFunc(faults, func(a, b netsim.Fault) int { return cmp.Compare(a.At, b.At) })
	var last vtime.Time
	for i := range faults {
		last = max(last, w.change(&faults[i]))
	}
	if len(w.off) > 0 {
		return vtime.Never
	}
	for _, c := range p.Calls {
		for _, ends := range [][2]string{{c.Host, c.To}, {c.To, c.Host}} {
			if l := w.links[ends]; l == nil || l.cut || !reliable(&l.impairment) {
				return vtime.Never
			}
		}
	}
	return last
}

// weather is what is wrong at an instant.
type weather struct {
	links map[[2]string]*weatherOfLink
	off   map[string]bool // hosts that run nothing
}

type weatherOfLink struct {
	impairment link.Impairment
	cut        bool
}

func (w *weather) link(from, to string) *weatherOfLink {
	l := w.links[[2]string{from, to}]
	if l == nil {
		l = new(weatherOfLink)
		w.links[[2]string{from, to}] = l
	}
	return l
}

// change takes a fault in and returns until when it lasts by itself.
func (w *weather) change(f *netsim.Fault) vtime.Time {
	switch f.Do {
	case netsim.Impair:
		w.link(f.Host, f.To).impairment = f.Impairment
	case netsim.SetCut, netsim.Mend:
		w.link(f.Host, f.To).cut = f.Do == netsim.SetCut
	case netsim.Heal:
		for _, l := range w.links { //xtmp:unordered each alone
			*l = weatherOfLink{impairment: link.Impairment{Delay: l.impairment.Delay}}
		}
	case netsim.Crash, netsim.PowerOff:
		w.off[f.Host] = true
	case netsim.Start:
		delete(w.off, f.Host)
	case netsim.Stall:
		return f.At + f.Span
	default:
	}
	return f.At
}

// What a link may do to be called reliable.
const (
	delayMost = vtime.Second // a handshake takes two round trips, and has five seconds
	rateLeast = 1_000_000    // bit/s
	mtuLeast  = 1500         // bytes: a segment of full size
)

// reliable says whether TCP goes through a link without a pause.
func reliable(i *link.Impairment) bool {
	return i.Loss == 0 && i.Gilbert == link.Gilbert{} && i.Four == link.Four{} && i.Corrupt == 0 && i.CoDel == link.CoDel{} &&
		i.Delay+i.Jitter <= delayMost && i.SlotEvery <= delayMost && (i.MTU == 0 || i.MTU >= mtuLeast) &&
		(i.Rate == 0 || i.Rate >= rateLeast && i.Queue == 0)
}
