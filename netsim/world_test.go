package netsim

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bpci/xtmp/netsim/link"
	"github.com/bpci/xtmp/netsim/vtime"
)

const echoPort = 900

// echo answers datagrams and streams with what it gets.
type echo struct {
	held map[ConnID][]byte
	eof  map[ConnID]bool
}

func (e *echo) Deadline() (vtime.Time, bool) { return 0, false }

func (e *echo) Handle(io *IO, in Input) {
	switch in.Kind {
	case Started:
		e.held, e.eof = map[ConnID][]byte{}, map[ConnID]bool{}
		io.Bind(echoPort)
		io.Listen(echoPort)
	case Datagram:
		io.Send(in.Local.Port(), in.Peer, in.Data)
	case Readable, Writable:
		e.pump(io, in.Conn)
	case PeerClosed:
		e.eof[in.Conn] = true
		e.pump(io, in.Conn)
	default:
	}
}

// pump moves bytes, and reads no more than it can write.
func (e *echo) pump(io *IO, c ConnID) {
	for {
		if len(e.held[c]) == 0 {
			b := make([]byte, 1000)
			e.held[c] = b[:io.Read(c, b)]
		}
		n := io.Write(c, e.held[c])
		if e.held[c] = e.held[c][n:]; n == 0 {
			break
		}
	}
	if len(e.held[c]) == 0 && e.eof[c] {
		io.CloseWrite(c)
	}
}

// asker sends numbered datagrams at an interval, and asks again what is not
// answered after a while.
type asker struct {
	to      netip.AddrPort
	every   vtime.Time
	next    vtime.Time
	port    uint16
	asked   uint64
	answers map[uint64]int
}

func (a *asker) Deadline() (vtime.Time, bool) { return a.next, true }

func (a *asker) Handle(io *IO, in Input) {
	switch in.Kind {
	case Started:
		a.port, a.answers = io.Bind(0), map[uint64]int{}
		a.next = io.Now().Elapsed
	case Timer:
		a.next = io.Now().Elapsed + a.every
		a.asked++
		io.Send(a.port, a.to, binary.BigEndian.AppendUint64(nil, a.asked))
	case Datagram:
		a.answers[binary.BigEndian.Uint64(in.Data)]++
	default:
	}
}

var server = netip.MustParseAddrPort("10.0.0.2:900")

func twoHosts(t testing.TB, lines string) *Scenario {
	t.Helper()
	s, err := Parse("for 10s\nhost server 10.0.0.2\nhost client 10.0.0.1\n" + lines)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func boot(host string) Node {
	if host == "server" {
		return &echo{}
	}
	return &asker{to: server, every: 10 * vtime.Millisecond}
}

// run runs a scenario and returns its trace, its hash and its edits.
func run(t testing.TB, s *Scenario, cfg Config) (trace []string, w *World) {
	t.Helper()
	if cfg.Boot == nil {
		cfg.Boot = boot
	}
	cfg.Record = true
	cfg.Trace = func(e Event) { trace = append(trace, e.String()) }
	w, err := New(cfg, s)
	if err != nil {
		t.Fatal(err)
	}
	if v := w.Run(); v != nil {
		t.Fatal(v)
	}
	return trace, w
}

// quiet runs a scenario without writing its trace, which takes most of the time.
func quiet(t testing.TB, s *Scenario, cfg Config) *World {
	t.Helper()
	cfg.Record = true
	w, err := New(cfg, s)
	if err != nil {
		t.Fatal(err)
	}
	if v := w.Run(); v != nil {
		t.Fatal(v)
	}
	return w
}

// only leaves the lines that say one thing.
func only(trace []string, what string) (lines []string) {
	for _, l := range trace {
		if strings.Contains(l, what) {
			lines = append(lines, l)
		}
	}
	return lines
}

func TestSameSeedSameTrace(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := Swarm(rapid.Uint64().Draw(rt, "seed"), swarmBase(t))
		if a, b := quiet(t, s, Config{Boot: mixed}), quiet(t, s, Config{Boot: mixed}); a.Hash() != b.Hash() || a.Steps() != b.Steps() {
			one, _ := run(t, s, Config{Boot: mixed})
			two, _ := run(t, s, Config{Boot: mixed})
			rt.Fatalf("%x, %x\n%s", a.Hash(), b.Hash(), cmp.Diff(one, two))
		}
	})
}

// The edits of a run, without its chance and its seed, repeat it: the same trace
// and the same hash.
func TestEditsRepeatTheRun(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := Swarm(rapid.Uint64().Draw(rt, "seed"), swarmBase(t))
		cfg := Config{Boot: mixed}
		if rapid.Bool().Draw(rt, "names") {
			cfg.Name = func(p *Packet) string { return fmt.Sprintf("of%dbytes", len(p.Data)) }
		}
		a := quiet(t, s, cfg)
		again, err := Parse(s.Certain(a.Edits()).String())
		if err != nil {
			rt.Fatal(err)
		}
		if b := quiet(t, again, cfg); a.Hash() != b.Hash() || a.Steps() != b.Steps() {
			want, _ := run(t, s, cfg)
			got, _ := run(t, again, cfg)
			rt.Fatalf("%x, %x\n%s\n%s", a.Hash(), b.Hash(), s, cmp.Diff(want, got))
		}
	})
}

// A known hash, so that another machine shows that it computes the same.
func TestHashIsTheSameEverywhere(t *testing.T) {
	s := Swarm(1, swarmBase(t))
	s.Links = append(s.Links, LinkLine{"client", "client", link.Impairment{}})
	_, w := run(t, s, Config{Boot: mixed})
	if got := fmt.Sprintf("%016x after %d steps", w.Hash(), w.Steps()); got != wantHash {
		t.Errorf("the hash is %s, want %s", got, wantHash)
	}
}

// One packet more on one link changes no decision on another.
func TestLinksDoNotShareChance(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := twoHosts(t, "host other 10.0.0.3\nlink client<>server delay 1ms loss 300 duplicate 200 jitter 1ms\nlink other<>server loss 500")
		s.Seed, s.For = rapid.Uint64().Draw(rt, "seed"), 3*vtime.Second
		every := vtime.Time(rapid.Int64Range(1000, 1_000_000).Draw(rt, "every"))
		type decision struct {
			index uint64
			cause link.Cause
			edit  link.Edit
		}
		decisions := func(others bool) (on []decision, elsewhere int) {
			quiet(t, s, Config{
				Boot: func(host string) Node {
					if host != "other" {
						return boot(host)
					}
					if others {
						return &asker{to: server, every: every}
					}
					return nil
				},
				Trace: func(e Event) {
					if e.Kind == Sent && e.Host == "client" {
						on = append(on, decision{e.Index, e.Cause, e.Edit})
					} else if e.Kind == Sent && e.Host == "other" {
						elsewhere++
					}
				},
			})
			return on, elsewhere
		}
		alone, none := decisions(false)
		beside, some := decisions(true)
		if !slices.Equal(alone, beside) || none != 0 || some == 0 || len(alone) < 100 {
			rt.Fatalf("%d packets beside none, %d beside %d, and other decisions", len(alone), len(beside), some)
		}
	})
}

// The heap gives its items in the order of (time, number).
func TestHeap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h heap
		last, held := planned{}, 0
		for n := range uint64(500) {
			if held > 0 && rapid.Bool().Draw(t, "pop") {
				p := h.pop()
				if p.before(&last) {
					t.Fatalf("%v comes after %v", p, last)
				}
				last = p
				held--
				continue
			}
			h.push(planned{at: last.at + vtime.Time(rapid.IntRange(0, 3).Draw(t, "in")), number: n})
			held++
		}
		for ; held > 0; held-- {
			p := h.pop()
			if p.before(&last) {
				t.Fatalf("%v comes after %v", p, last)
			}
			last = p
		}
	})
}

func TestClocks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c clock
		span := func(name string) vtime.Time { return vtime.Time(rapid.Int64Range(0, 1<<45).Draw(t, name)) }
		c.set(span("since"), Now{span("elapsed"), 0}, rapid.Int64Range(-maxDrift, maxDrift).Draw(t, "ppm"))
		now := c.since + span("now")
		reading := c.read(now).Elapsed
		want := reading + span("in")
		at := c.when(now, want)
		if c.read(at).Elapsed < want || at > now && c.read(at-1).Elapsed >= want {
			t.Fatalf("when(%s, %s) = %s, when the clock reads %s", now, want, at, c.read(at).Elapsed)
		}
	})
}

// The scripts under testdata are scenarios, and what happens in them.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s, err := Parse(d.Input)
			if err != nil {
				return err.Error() + "\n"
			}
			var lines []string
			w, err := New(Config{Boot: scripted(t, d), Trace: func(e Event) { lines = append(lines, e.String()) }}, s)
			if err != nil {
				return err.Error() + "\n"
			}
			if v := w.Run(); v != nil {
				lines = append(lines, v.String())
			}
			if d.HasArg("only") {
				var what string
				d.ScanArgs(t, "only", &what)
				lines = only(lines, what)
			}
			return strings.Join(append(lines, ""), "\n")
		})
	})
}
