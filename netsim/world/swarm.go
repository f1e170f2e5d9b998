package world

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/bpci/xtmp/netsim"
	"github.com/bpci/xtmp/netsim/link"
	"github.com/bpci/xtmp/netsim/vtime"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// Swarm returns a plan drawn by a seed: a server, one to three clients that call it,
// and some kinds of trouble, after netsim.Swarm. The trouble ends after 2 to 12
// seconds, and then there is time for everything to come to its end. One plan in
// sixteen has no trouble and takes its time.
func Swarm(seed uint64) *Plan {
	d := draws{seed: seed}
	p := &Plan{Within: DefaultWithin, Serves: []ServeLine{NewServe("server")}}
	if d.below(4) == 0 {
		p.Serves[0].Rotate = vtime.Time(1+d.below(6)) * vtime.Second
	}
	if d.below(4) == 0 { // paths end soon, and sessions wait for others
		p.Serves[0].Heartbeat, p.Serves[0].Idle = vtime.Second, 3*vtime.Second
	}
	if d.below(8) == 0 {
		p.Serves[0].Attach = Attach(1 + d.below(3))
	}
	calm := 2*vtime.Second + vtime.Time(d.below(10_000))*vtime.Millisecond
	s := netsim.Scenario{For: calm * 3 / 2} // of which netsim.Swarm takes two thirds
	s.Hosts = append(s.Hosts, netsim.HostLine{Name: "server", Addr: netip.AddrFrom4([4]byte{10, 0, 0, 2}), Sync: 5 * vtime.Millisecond})
	for i := range 1 + d.below(3) {
		d.client(p, &s, int(i))
	}
	if d.below(16) == 0 { // no trouble at all, and time to be idle
		for i := range p.Calls {
			c := &p.Calls[i]
			c.Requests, c.Every = min(c.Requests, 20), vtime.Time(1+d.below(30))*vtime.Second
		}
		s.Seed, s.For = seed, vtime.Hour
		p.Scenario = s
		return p
	}
	p.Scenario = *netsim.Swarm(seed, &s)
	p.Scenario.For = calm + 3*p.Within
	return p
}

// draws draws one number after the other, none of those of netsim.Swarm.
type draws struct{ seed, n uint64 }

func (d *draws) below(n uint64) uint64 {
	d.n++
	return link.Below(link.Draw(d.seed, 0x776f726c64, 0, d.n), n)
}

// client adds a client and its links.
func (d *draws) client(p *Plan, s *netsim.Scenario, i int) {
	name := "client"
	if i > 0 {
		name = fmt.Sprintf("client%d", i+1)
	}
	h := netsim.HostLine{Name: name, Addr: netip.AddrFrom4([4]byte{10, 0, 1, byte(i + 1)})}
	if d.below(3) == 0 {
		h.NAT = netip.AddrFrom4([4]byte{203, 0, 113, byte(i + 1)})
	}
	s.Hosts = append(s.Hosts, h)
	delay := vtime.Time(1+d.below(50)) * vtime.Millisecond
	for _, ends := range [][2]string{{name, "server"}, {"server", name}} {
		s.Links = append(s.Links, netsim.LinkLine{From: ends[0], To: ends[1], Impairment: link.Impairment{Delay: delay}})
	}
	c := NewCall(name, "server")
	c.Requests = int(d.below(151))
	c.Every = vtime.Time(1+d.below(200)) * vtime.Millisecond
	c.Burst = 1 + int(d.below(2)*d.below(40))
	c.Size = sizeLeast + int(d.below(200))
	if d.below(8) == 0 {
		c.Size = sizeLeast + int(d.below(sizeMost-sizeLeast))
		c.Requests = min(c.Requests, 40)
		p.Within = 5 * DefaultWithin // TCP without selective acknowledgements repairs one loss in a round trip
	}
	if d.below(4) == 0 {
		c.Suite = wire.SuiteChaCha20
	}
	c.Over = session.ConnectionType(d.below(3))
	c.Standby = d.below(2) == 0
	p.Calls = append(p.Calls, c)
}

// Light returns the plan by which speed is measured: a handshake, a hundred
// requests, three faults and a close.
func Light(seed uint64) *Plan {
	d := draws{seed: seed}
	p := &Plan{Within: DefaultWithin, Serves: []ServeLine{NewServe("server")}, Calls: []CallLine{NewCall("client", "server")}}
	p.Scenario = netsim.Scenario{
		Seed: seed, For: 3 * DefaultWithin,
		Hosts: []netsim.HostLine{
			{Name: "server", Addr: netip.AddrFrom4([4]byte{10, 0, 0, 2})}, {Name: "client", Addr: netip.AddrFrom4([4]byte{10, 0, 0, 1})},
		},
	}
	delay := link.Impairment{Delay: vtime.Time(1+d.below(50)) * vtime.Millisecond}
	ends := [][2]string{{"client", "server"}, {"server", "client"}}
	for _, e := range ends {
		p.Scenario.Links = append(p.Scenario.Links, netsim.LinkLine{From: e[0], To: e[1], Impairment: delay})
	}
	at := func() vtime.Time { return vtime.Time(d.below(1200)) * vtime.Millisecond }
	for range 3 {
		e := ends[d.below(2)]
		switch d.below(4) {
		case 0: // a packet is lost
			edit := netsim.EditLine{From: e[0], To: e[1], Packet: link.Packet{Index: 1 + d.below(100)}, Edit: link.Edit{Drop: link.Listed}}
			p.Scenario.Edits = append(p.Scenario.Edits, edit)
		case 1: // packets are late
			edit := netsim.EditLine{From: e[0], To: e[1], Packet: link.Packet{Index: 1 + d.below(100)}, Edit: link.Edit{Late: at()}}
			p.Scenario.Edits = append(p.Scenario.Edits, edit)
		case 2: // a direction is cut for a while
			from := at()
			p.Scenario.Faults = append(p.Scenario.Faults, netsim.Fault{At: from, Do: netsim.SetCut, Host: e[0], To: e[1]},
				netsim.Fault{At: from + at(), Do: netsim.Mend, Host: e[0], To: e[1]})
		default: // a host stands still
			p.Scenario.Faults = append(p.Scenario.Faults, netsim.Fault{At: at(), Do: netsim.Stall, Host: e[0], Span: at()})
		}
	}
	slices.SortStableFunc(p.Scenario.Faults, func(a, b netsim.Fault) int { return int(a.At - b.At) })
	return p
}
