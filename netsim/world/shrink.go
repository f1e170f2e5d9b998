package world

import (
	"net/netip"
	"slices"

	"github.com/bpci/xtmp/netsim"
	"github.com/bpci/xtmp/netsim/link"
	"github.com/bpci/xtmp/netsim/vtime"
	"github.com/bpci/xtmp/refimpl/wire"
)

// Certain returns the plan with what chance decided in a run of it, in place of its
// seed: the same run, event by event.
func (p *Plan) Certain(edits []netsim.EditLine) *Plan {
	c := *p
	c.Scenario = *p.Scenario.Certain(edits)
	return &c
}

// Trouble returns how many things go wrong in a plan: packets that are named, faults,
// and links that do more than delay.
func (p *Plan) Trouble() int {
	n := len(p.Scenario.Edits) + len(p.Scenario.Faults)
	for i := range p.Scenario.Links {
		if l := &p.Scenario.Links[i].Impairment; l.String() != (link.Impairment{Delay: l.Delay}).String() {
			n++
		}
	}
	return n
}

// Shrink returns a plan that breaks the same rule as p, by the name of its check, with
// as few clients, requests and troubles as can be. A plan that does not break it is
// returned as it is.
func Shrink(p *Plan, site *Site, rule string) *Plan {
	return shrink(p, rule, func(q *Plan, o Options) (Outcome, error) { return Run(q, site, o) })
}

func shrink(p *Plan, rule string, run func(*Plan, Options) (Outcome, error)) *Plan {
	fails := func(q *Plan) bool {
		o, err := run(q, Options{})
		return err == nil && o.Violation != nil && o.Violation.Check == rule
	}
	o, err := run(p, Options{Record: true})
	if err != nil || o.Violation == nil || o.Violation.Check != rule {
		return p
	}
	least := p.Certain(o.Edits)
	if !fails(least) {
		return p
	}
	for before := ""; before != least.String(); {
		before = least.String()
		least = fewer(least, fails)
		least.Scenario = *netsim.Shrink(&least.Scenario, func(s *netsim.Scenario) bool {
			q := *least
			q.Scenario = *s
			return fails(&q)
		})
	}
	return least
}

// fewer takes clients and their requests away.
func fewer(p *Plan, fails func(*Plan) bool) *Plan {
	least := p
	try := func(change func(*Plan) bool) bool {
		q := *least
		q.Calls = slices.Clone(least.Calls)
		if !change(&q) || q.Validate() != nil || !fails(&q) {
			return false
		}
		least = &q
		return true
	}
	for i := len(least.Calls) - 1; i >= 0; i-- {
		try(func(q *Plan) bool { return q.without(i) })
	}
	try(func(q *Plan) bool { q.Within = DefaultWithin; return least.Within < DefaultWithin })
	for i := range least.Scenario.Hosts {
		try(func(q *Plan) bool { return q.plain(i) })
	}
	try((*Plan).even)
	for i := range least.Calls {
		line := func(change func(c *CallLine)) bool {
			return try(func(q *Plan) bool {
				before := q.Calls[i]
				change(&q.Calls[i])
				return q.Calls[i] != before
			})
		}
		d := NewCall("", "")
		line(func(c *CallLine) { c.Size = d.Size })
		line(func(c *CallLine) { c.Suite = wire.SuiteAES256GCM })
		line(func(c *CallLine) { c.Burst = 1 })
		line(func(c *CallLine) { c.Every = d.Every })
		for step := least.Calls[i].Requests; step > 0; step /= 2 {
			for line(func(c *CallLine) { c.Requests = max(c.Requests-step, 0) }) { //nolint:revive // as often as it goes
			}
		}
	}
	return least
}

// without takes a client away, and all that its host has to do with.
func (p *Plan) without(i int) bool {
	host := p.Calls[i].Host
	p.Calls = slices.Delete(p.Calls, i, i+1)
	s := &p.Scenario
	s.Hosts = slices.DeleteFunc(slices.Clone(s.Hosts), func(h netsim.HostLine) bool { return h.Name == host })
	s.Links = slices.DeleteFunc(slices.Clone(s.Links), func(l netsim.LinkLine) bool { return l.From == host || l.To == host })
	s.Edits = slices.DeleteFunc(slices.Clone(s.Edits), func(e netsim.EditLine) bool { return e.From == host || e.To == host })
	s.Faults = slices.DeleteFunc(slices.Clone(s.Faults), func(f netsim.Fault) bool { return f.Host == host || f.To == host })
	return true
}

// plain takes the NAT before a host away.
func (p *Plan) plain(i int) bool {
	p.Scenario.Hosts = slices.Clone(p.Scenario.Hosts)
	h := &p.Scenario.Hosts[i]
	had := h.NAT.IsValid()
	h.NAT, h.Idle = netip.Addr{}, 0
	return had
}

// even makes all links equally long.
func (p *Plan) even() (changed bool) {
	const usual = 10 * vtime.Millisecond
	p.Scenario.Links = slices.Clone(p.Scenario.Links)
	for i := range p.Scenario.Links {
		l := &p.Scenario.Links[i].Impairment
		changed = changed || l.Delay != usual
		l.Delay = usual
	}
	return changed
}
