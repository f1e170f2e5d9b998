package world

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/bpci/xtmp/netsim"
	"github.com/bpci/xtmp/netsim/vtime"
)

// A session that loses one packet in twenty, with every one late, goes on while UDP is swallowed
// for half a minute: all of ten thousand calls have their reply.
func TestUDPIsSwallowed(t *testing.T) {
	for _, over := range []string{"udp standby", "hybrid standby", "udp"} {
		t.Run(over, func(t *testing.T) {
			requests := "10000"
			if testing.Short() {
				requests = "1500"
			}
			p, err := Parse(`
serve server
call client>server requests ` + requests + ` every 30ms over ` + over + `
seed 1
for 1h
host server 10.0.0.2
host client 10.0.0.1
link client<>server delay 200ms jitter 50ms normal loss 50
at 10s block server<>client
at 40s unblock server<>client
`)
			if err != nil {
				t.Fatal(err)
			}
			o := run(t, p, Options{})
			t.Logf("%v; the longest gap is %s", &o, o.Gap)
			if o.Replied != o.Calls || o.Sessions != 1 {
				t.Errorf("%+v", o)
			}
		})
	}
}

// moment is an event of a run that a test looks for.
type moment struct {
	at   vtime.Time
	text string // of a note of the client, or the name of a packet that it sent
}

// moments runs a plan and returns what the client notes and sends.
func moments(t *testing.T, p *Plan) (all []moment) {
	t.Helper()
	o := run(t, p, Options{Trace: func(e netsim.Event) {
		switch {
		case e.Host != "client":
		case e.Kind == netsim.Noted:
			all = append(all, moment{e.At, e.Text})
		case e.Kind == netsim.Sent && e.Name != "":
			all = append(all, moment{e.At, e.Packet.Protocol.String() + " " + e.Name})
		}
	}})
	if o.Replied != o.Calls {
		t.Fatalf("%v: %v", &o, all)
	}
	return all
}

// between returns the times from each text to the next other one.
func between(all []moment, from, to string) (took []vtime.Time) {
	began := vtime.Never
	for _, m := range all {
		switch {
		case m.text == from && began == vtime.Never:
			began = m.at
		case m.text == to && began != vtime.Never:
			took = append(took, m.at-began)
			began = vtime.Never
		}
	}
	return took
}

const roundTrip = 20 * vtime.Millisecond // of plan

func TestRoundTrips(t *testing.T) {
	for _, c := range []struct {
		name, lines, from, to string
		want                  []vtime.Time // round trips
	}{
		{ // the second and third session have a token of the one before
			"first contact on UDP", "serve server rotate 1s attach none\ncall client>server requests 4 every 5s over udp",
			"udp ClientHello", "established",
			[]vtime.Time{2, 1, 1},
		},
		{
			"first contact on TCP", "serve server\ncall client>server requests 1", "tcp ClientHello", "established",
			[]vtime.Time{1},
		},
		{ // the next request that is sent goes there, and what is under way with it
			"to a path that stands by", "serve server\ncall client>server requests 100 over hybrid standby",
			"moved: UDP", "udp Probe",
			[]vtime.Time{0},
		},
		{
			"without one", "serve server attach udp\ncall client>server requests 100", "pathless: " + truncated, "udp Probe",
			[]vtime.Time{1},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := plan(t, c.lines)
			p.host("client").NAT = netip.MustParseAddr("203.0.113.1")
			// The NAT forgets the connection, and the server's host resets it; what is on UDP goes on.
			p.Scenario.Faults = append(p.Scenario.Faults, netsim.Fault{At: 500 * vtime.Millisecond, Do: netsim.Rebind, Host: "client"})
			all := moments(t, p)
			got := between(all, c.from, c.to)
			for i := range got {
				got[i] = (got[i] + roundTrip/2) / roundTrip
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%v round trips, want %v: %v", got, c.want, all)
			}
		})
	}
}

const truncated = "ConnectionFailed: the connection ended without Disconnect"

// Rekeys every second delay no more than a round trip.
func TestRekeysDelayNothing(t *testing.T) {
	for _, over := range []string{"tcp", "udp", "hybrid standby"} {
		p99 := func(rotate string) vtime.Time {
			p := plan(t, "serve server rotate "+rotate+"\ncall client>server requests 600 over "+over)
			w, err := New(p, NewSite(), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if o := w.Run(); o.Violation != nil || o.Replied != o.Calls || o.Sessions != 1 {
				t.Fatal(&o)
			}
			var took []vtime.Time
			for i := range w.watch.callers[0].calls {
				took = append(took, w.watch.callers[0].calls[i].took)
			}
			slices.Sort(took)
			return took[len(took)*99/100]
		}
		without, with := p99("24h"), p99("1s")
		t.Logf("over %s: %s without rekeys, %s with", over, without, with)
		if with > without+roundTrip {
			t.Errorf("over %s a rekey delays by %s", over, with-without)
		}
	}
}
