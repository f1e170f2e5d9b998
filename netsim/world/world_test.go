package world

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bpci/xtmp/netsim"
	"github.com/bpci/xtmp/netsim/vtime"
)

// plan parses a plan of a server and a client, 10 ms apart.
func plan(t testing.TB, lines string) *Plan {
	t.Helper()
	p, err := Parse(`
for 5m
host server 10.0.0.2 sync 5ms
host client 10.0.0.1
link client<>server delay 10ms
` + lines)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// run runs a plan that breaks no rule.
func run(t testing.TB, p *Plan, o Options) Outcome {
	t.Helper()
	got, err := Run(p, NewSite(), o)
	if err != nil {
		t.Fatal(err)
	}
	if got.Violation != nil {
		t.Fatal(got.Violation)
	}
	return got
}

// What becomes of calls, sessions and time.
func TestOutcomes(t *testing.T) {
	type counts struct{ Calls, Replied, Unknown, Lost, Dials, Sessions int }
	for _, c := range []struct {
		name  string
		lines string
		want  counts
		past  vtime.Time // it ends after that
	}{
		{"nothing happens", "call client>server requests 100", counts{100, 100, 0, 0, 1, 1}, vtime.Second},
		{"a session without requests", "call client>server requests 0", counts{0, 0, 0, 0, 1, 1}, 0},
		{"one burst", "call client>server requests 2000 burst 2000", counts{2000, 2000, 0, 0, 1, 1}, 0},
		{"large requests", "call client>server requests 40 burst 40 size 65528", counts{40, 40, 0, 0, 1, 1}, 0},
		{"ChaCha20", "call client>server requests 10 suite chacha20poly1305", counts{10, 10, 0, 0, 1, 1}, 0},
		{"integrity only", "call client>server requests 10 suite none", counts{10, 10, 0, 0, 1, 1}, 0},
		{
			"the server crashes", "call client>server requests 300\nat 500ms crash server\nat 1s start server",
			counts{300, 298, 2, 0, 2, 2},
			vtime.Second,
		},
		{
			"the server loses power", "call client>server requests 300\nat 500ms poweroff server\nat 1s start server",
			counts{300, 231, 69, 0, 2, 2},
			vtime.Second,
		},
		{
			"the client crashes", "call client>server requests 100\nat 500ms crash client\nat 1s start client",
			counts{100, 98, 0, 2, 2, 2},
			vtime.Second,
		},
		{
			"the client loses power", "call client>server requests 100\nat 500ms poweroff client\nat 1s start client",
			counts{100, 98, 0, 2, 2, 2},
			vtime.Second,
		},
		{ // TCP bears it
			"the network is cut for a moment", "call client>server requests 100\nat 300ms cut server<>client\nat 2s mend server<>client",
			counts{100, 100, 0, 0, 1, 1},
			2 * vtime.Second,
		},
		{ // another connection takes its place
			"and for longer than a connection bears", "call client>server requests 3000\nat 300ms cut server<>client\nat 40s mend server<>client",
			counts{3000, 3000, 0, 0, 1, 1},
			40 * vtime.Second,
		},
		{
			"and for longer than a session bears", "call client>server requests 3000\nat 300ms cut server<>client\nat 2m mend server<>client",
			counts{3000, 1976, 1024, 0, 5, 2},
			2 * vtime.Minute,
		},
		{
			"a server that accepts no further path",
			"attach none\ncall client>server requests 3000\nat 300ms cut server<>client\nat 40s mend server<>client",
			counts{3000, 1976, 1024, 0, 4, 2},
			40 * vtime.Second,
		},
		{"over UDP", "call client>server requests 100 over udp", counts{100, 100, 0, 0, 1, 1}, vtime.Second},
		{"over both", "call client>server requests 100 over hybrid standby", counts{100, 100, 0, 0, 1, 1}, vtime.Second},
		{"large requests over UDP", "call client>server requests 40 burst 40 size 65528 over udp", counts{40, 40, 0, 0, 1, 1}, 0},
		{ // a connection takes its place
			"UDP is swallowed", "call client>server requests 100 over udp\nat 300ms block server<>client\nat 30s unblock server<>client",
			counts{100, 100, 0, 0, 1, 1},
			vtime.Second,
		},
		{
			"UDP is swallowed at first", "call client>server requests 100 over hybrid\nat 0s block server<>client\nat 30s unblock server<>client",
			counts{100, 100, 0, 0, 2, 1},
			10 * vtime.Second,
		},
		{
			"keys are replaced every hour, and sessions every seven", "call client>server requests 24 every 1h",
			counts{24, 24, 0, 0, 4, 4},
			23 * vtime.Hour,
		},
		{
			"the wall clock of the server jumps", "call client>server requests 100\nat 500ms step server -1h",
			counts{100, 100, 0, 0, 1, 1},
			vtime.Second,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			serve := "serve server rotate 1h"
			if !strings.HasPrefix(c.lines, "attach") {
				serve += "\n"
			}
			p := plan(t, serve+" "+c.lines)
			if c.past > p.Scenario.For {
				p.Scenario.For = 2 * c.past
			}
			o := run(t, p, Options{})
			if diff := cmp.Diff(c.want, counts{o.Calls, o.Replied, o.Unknown, o.Lost, o.Dials, o.Sessions}); diff != "" || o.At < c.past {
				t.Errorf("at %s:\n%s", o.At, diff)
			}
		})
	}
}

// A server that has lost power proves itself with the key that it had, since its disk
// keeps it.
func TestIdentityIsOnTheDisk(t *testing.T) {
	w, err := New(plan(t, "serve server\ncall client>server requests 300\nat 300ms poweroff server\nat 1s start server"), NewSite(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.RunTo(500 * vtime.Millisecond)
	disk := w.Host("server").Disk()
	if disk.Durable() != 1 || len(disk.Records()[0]) != 32 {
		t.Fatalf("%d of %d records are durable", disk.Durable(), len(disk.Records()))
	}
	disk.Records()[0][0]++ // the key of another
	if o := w.Run(); o.Violation == nil || o.Violation.Check != "conduct" {
		t.Errorf("with another key on the disk: %v", o.Violation)
	}
}

// The same plan gives the same run, and so does what chance decided in it, without the seed.
func TestRunsRepeat(t *testing.T) {
	site := NewSite()
	seeds := uint64(60)
	if testing.Short() {
		seeds = 10
	}
	for seed := range seeds {
		p := Swarm(seed)
		first, err := Run(p, site, Options{Record: true})
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(p.String())
		if err != nil {
			t.Fatal(err)
		}
		certain, err := Parse(p.Certain(first.Edits).String())
		if err != nil {
			t.Fatal(err)
		}
		for name, q := range map[string]*Plan{"its text": again, "its edits": certain} {
			o, err := Run(q, NewSite(), Options{})
			if err != nil || o.Hash != first.Hash || o.Steps != first.Steps {
				t.Errorf("seed %d: %s: %x after %d steps, want %x after %d, %v", seed, name, o.Hash, o.Steps, first.Hash, first.Steps, err)
			}
		}
	}
}

// Runs of all kinds of trouble break no rule, and come to their end.
func TestSwarm(t *testing.T) {
	site := NewSite()
	var kinds [16]int
	seeds := uint64(300)
	if testing.Short() {
		seeds = 40
	}
	for seed := range seeds {
		p := Swarm(seed)
		o, err := Run(p, site, Options{})
		if err != nil || o.Violation != nil {
			t.Errorf("seed %d: %v %v", seed, err, o.Violation)
		}
		if o.Replied+o.Unknown+o.Refused+o.Lost != o.Calls {
			t.Errorf("seed %d: %+v", seed, o)
		}
		for _, f := range p.Scenario.Faults {
			kinds[f.Do]++
		}
	}
	if slices.Contains(kinds[:], 0) {
		t.Errorf("kinds of faults: %v", kinds)
	}
}

func TestRefusedPlans(t *testing.T) {
	for _, text := range []string{
		"serve server", "serve client\nserve client", "call client>server", "serve server\ncall client", "serve server\ncall client>client",
		"serve server\ncall client>server requests", "serve server\ncall client>server requests -1", "serve server\ncall client>server size 11",
		"serve server\ncall client>server size 65529", "serve server\ncall client>server suite rot13", "serve server heartbeat 1ms",
		"serve server colour blue", "serve server\ncall client>server colour blue", "serve server\ncall client>server every 0s",
		"serve server\nserve server", "at 1s explode client",
	} {
		hosts := "host server 10.0.0.2\nhost client 10.0.0.1\n"
		if text == "serve server" {
			hosts = ""
		}
		if _, err := Parse(hosts + text); err == nil {
			t.Errorf("%q is a plan", text)
		}
	}
}

// A panic of the core is found, too.
func TestPanicIsAViolation(t *testing.T) {
	p := plan(t, "serve server\ncall client>server requests 1")
	w, err := newWorld(p, NewSite(), Options{}, func(*World, string) netsim.Node { return panics{} })
	if err != nil {
		t.Fatal(err)
	}
	if o := w.Run(); o.Violation == nil || o.Violation.Check != "panic" || o.Violation.Err.Error() != "planted" {
		t.Errorf("got %v", o.Violation)
	}
}

type panics struct{}

func (panics) Deadline() (vtime.Time, bool)    { return 0, false }
func (panics) Handle(*netsim.IO, netsim.Input) { panic("planted") }

func BenchmarkLight(b *testing.B) {
	s := NewSite()
	b.ReportAllocs()
	seed := uint64(0)
	for b.Loop() {
		o, err := Run(Light(seed), s, Options{})
		if err != nil || o.Violation != nil {
			b.Fatal(seed, err, o.Violation)
		}
		seed++
	}
}

// An hour with heartbeats and a request every ten seconds.
func BenchmarkHour(b *testing.B) {
	p := plan(b, "serve server heartbeat 30s idle 300s\ncall client>server every 10s heartbeat 30s")
	p.Calls[0].Requests = 360 * b.N
	p.Scenario.For = vtime.Time(b.N+1) * vtime.Hour
	b.ResetTimer()
	if o := run(b, p, Options{}); o.At < vtime.Time(b.N-1)*vtime.Hour {
		b.Fatal(o.At)
	}
	b.ReportMetric(float64(b.N)*60/b.Elapsed().Seconds(), "simulated-h/min")
}
