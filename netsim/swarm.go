package netsim

import (
	"slices"

	"github.com/bpci/xtmp/netsim/link"
	"github.com/bpci/xtmp/netsim/vtime"
)

// Swarm returns a scenario drawn by a seed, on the hosts and links of another:
// some kinds of trouble, not all of them, because a run with everything hides
// what a run with a few would find. The trouble ends with a Heal after two thirds
// of the time, and every host runs again then, so that progress can be demanded.
func Swarm(seed uint64, base *Scenario) *Scenario {
	g := swarm{seed: seed}
	s := *base
	s.Seed = seed
	s.Links = slices.Clone(base.Links)
	s.Faults = slices.Clone(base.Faults)
	g.kinds = g.bits()
	for i := range s.Links {
		g.worsen(&s.Links[i].Impairment)
	}
	calm := s.For / 3 * 2
	for i := range s.Links {
		l := &s.Links[i]
		if g.has(0) && g.one(2) {
			at, end := g.span(calm)
			s.Faults = append(s.Faults, Fault{At: at, Do: SetCut, Host: l.From, To: l.To}, Fault{At: end, Do: Mend, Host: l.From, To: l.To})
		}
		if g.has(22) && g.one(2) {
			at, end := g.span(calm)
			s.Faults = append(s.Faults, Fault{At: at, Do: Block, Host: l.From, To: l.To}, Fault{At: end, Do: Unblock, Host: l.From, To: l.To})
		}
		if g.has(21) {
			at, _ := g.span(calm)
			f := Fault{At: at, Do: Impair, Host: l.From, To: l.To, Impairment: base.Links[i].Impairment}
			g.worsen(&f.Impairment)
			s.Faults = append(s.Faults, f)
		}
		if g.has(1) {
			at, _ := g.span(calm)
			s.Faults = append(s.Faults, Fault{At: at, Do: Replay, Host: l.From, To: l.To, Packet: link.Packet{Index: 1 + g.below(50)}})
		}
	}
	for i := range s.Hosts {
		g.disturb(&s, &s.Hosts[i], calm)
	}
	s.Faults = append(s.Faults, Fault{At: calm, Do: Heal})
	slices.SortStableFunc(s.Faults, func(a, b Fault) int { return int(min(max(a.At-b.At, -1), 1)) })
	return &s
}

// swarm draws one number after the other.
type swarm struct {
	seed, n uint64
	kinds   uint64 // of trouble that this scenario has
}

func (g *swarm) bits() uint64 {
	g.n++
	return link.Draw(g.seed, 0, 0, g.n)
}

func (g *swarm) below(n uint64) uint64 { return link.Below(g.bits(), n) }

// one is true once in n times.
func (g *swarm) one(n uint64) bool { return g.below(n) == 0 }

// has says whether the scenario has a kind of trouble.
func (g *swarm) has(kind int) bool { return g.kinds>>kind&1 != 0 }

func (g *swarm) permille(most uint64) int { return int(g.below(most + 1)) }

func (g *swarm) time(most vtime.Time) vtime.Time {
	return vtime.Time(g.below(uint64(most/vtime.Millisecond)+1)) * vtime.Millisecond
}

// span returns two instants before end.
func (g *swarm) span(end vtime.Time) (from, to vtime.Time) {
	a, b := g.time(end), g.time(end)
	return min(a, b), max(a, b)
}

// worsen adds to what a link does.
func (g *swarm) worsen(i *link.Impairment) {
	if g.has(2) {
		i.Loss = g.permille(200)
	}
	if g.has(3) {
		i.Gilbert = link.Gilbert{Enter: g.permille(30), Leave: 50 + g.permille(500), Bad: 500 + g.permille(500), Good: g.permille(5)}
	}
	if g.has(4) {
		i.Four = link.Four{P13: g.permille(30), P31: 200 + g.permille(300), P32: g.permille(300), P23: g.permille(500), P14: g.permille(10)}
	}
	if g.has(5) {
		i.Delay += g.time(200 * vtime.Millisecond)
	}
	if g.has(6) {
		i.Jitter, i.Shape = g.time(50*vtime.Millisecond), link.Distribution(g.below(3))
		i.Correlation = g.permille(800)
	}
	if g.has(7) {
		i.Duplicate = g.permille(100)
	}
	if g.has(8) {
		i.Corrupt = g.permille(50)
	}
	if i.InOrder = g.has(9); g.has(10) && !i.InOrder {
		i.Reorder, i.Gap = g.permille(200), g.permille(5)
	}
	if g.has(11) {
		i.Rate, i.Queue = 100_000+int64(g.below(10_000_000)), 3000+int(g.below(100_000))
		if g.has(12) {
			i.CoDel = link.CoDel{Target: 5 * vtime.Millisecond, Interval: 100 * vtime.Millisecond}
		}
	}
	if g.has(13) {
		i.SlotEvery, i.SlotPackets = vtime.Millisecond+g.time(20*vtime.Millisecond), int(g.below(5))
	}
	if g.has(14) && g.one(3) {
		i.MTU = 576 + int(g.below(900))
	}
}

// disturb adds faults of a host.
func (g *swarm) disturb(s *Scenario, h *HostLine, calm vtime.Time) {
	add := func(at vtime.Time, f Fault) {
		f.At, f.Host = at, h.Name
		s.Faults = append(s.Faults, f)
	}
	from, to := g.span(calm)
	if g.has(15) && g.one(2) {
		add(from, Fault{Do: Crash})
		add(to, Fault{Do: Start})
	} else if g.has(16) && g.one(2) {
		add(from, Fault{Do: PowerOff, N: int64(g.below(4))})
		add(to, Fault{Do: Start})
	}
	if from, to = g.span(calm); g.has(17) {
		add(from, Fault{Do: Step, Span: g.time(2*vtime.Minute) - vtime.Minute})
		add(to, Fault{Do: Drift, N: int64(g.below(1000)) - 500})
	}
	if from, to = g.span(calm); g.has(18) {
		add(from, Fault{Do: Stall, Span: min(to-from, 3*vtime.Second)})
	}
	if from, to = g.span(calm); g.has(19) && h.NAT.IsValid() {
		add(from, Fault{Do: Rebind})
		add(to, Fault{Do: Rebind})
	}
	if from, to = g.span(calm); g.has(20) {
		add(from, Fault{Do: DiskFail})
		add(to, Fault{Do: DiskMend})
	}
}
