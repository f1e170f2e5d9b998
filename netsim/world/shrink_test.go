package world

import (
	"errors"
	"testing"

	"github.com/bpci/xtmp/netsim"
)

// planted runs a plan and says that a rule is broken if the server was started twice and
// a session was established then, by a client that makes at least 3 calls.
func planted(site *Site) func(*Plan, Options) (Outcome, error) {
	return func(p *Plan, o Options) (Outcome, error) {
		boots, proved := 0, false
		o.Trace = func(e netsim.Event) {
			if e.Kind == netsim.Booted && e.Host == "server" {
				boots++
			}
			proved = proved || boots == 2 && e.Kind == netsim.Noted && e.Text == "established"
		}
		got, err := Run(p, site, o)
		for _, c := range p.Calls {
			if proved && c.Requests >= 3 {
				got.Violation = &netsim.Violation{Check: "planted", Err: errors.New("planted")}
			}
		}
		return got, err
	}
}

// What a failure does not need is taken away: clients, requests, faults and numbers.
func TestShrink(t *testing.T) {
	site := NewSite()
	run := planted(site)
	shrunk, want := 0, 4
	if testing.Short() {
		want = 1
	}
	for seed := uint64(0); shrunk < want; seed++ {
		if o, err := run(Swarm(seed), Options{}); err != nil || o.Violation == nil {
			continue
		}
		shrunk++
		least := shrink(Swarm(seed), "planted", run)
		if o, err := run(least, Options{}); err != nil || o.Violation == nil {
			t.Errorf("seed %d: the plan does not fail any more: %v\n%s", seed, err, least)
		}
		if again, err := Parse(least.String()); err != nil || again.String() != least.String() {
			t.Errorf("seed %d: the plan is read as another: %v\n%s", seed, err, least)
		}
		if n := least.Trouble(); n > 2 || len(least.Calls) != 1 || least.Calls[0].Requests != 3 {
			t.Errorf("seed %d: %d troubles are left\n%s", seed, n, least)
		}
		t.Logf("seed %d\n%s", seed, least)
	}
	right := Swarm(1)
	if got := Shrink(right, site, "twice"); got != right {
		t.Error("a plan that breaks no rule is changed")
	}
}
