package netsim

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bpci/xtmp/netsim/link"
	"github.com/bpci/xtmp/netsim/tcp"
	"github.com/bpci/xtmp/netsim/vtime"
)

// swarmBase is where swarms happen: a client behind a NAT, and a server.
func swarmBase(t testing.TB) *Scenario {
	t.Helper()
	s, err := Parse(`
for 6s
host server 10.0.0.2 sync 5ms
host client 192.168.0.9 nat 203.0.113.1 idle 2s
link client<>server delay 10ms`)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// mixed boots an echo and a client that uses everything.
func mixed(host string) Node {
	if host == "server" {
		return &echo{}
	}
	return &busy{asker: asker{to: server, every: 50 * vtime.Millisecond}}
}

// busy asks by datagrams, writes to a stream that it opens again when it ends or
// is silent, as behind a NAT that forgot it, and keeps a log on the disk.
type busy struct {
	asker
	read     int // on all streams
	stream   int // on this one
	whole    int // streams that came back whole
	lastTime vtime.Time
	wrong    error
	conn     ConnID
	heard    vtime.Time // something of this stream
}

const streamBytes = 30_000

func (b *busy) Handle(io *IO, in Input) {
	b.asker.Handle(io, in)
	switch in.Kind {
	case Started:
		io.Note(fmt.Sprintf("%d records", len(io.Disk().Records())))
		b.dial(io)
	case Timer:
		var entropy [12]byte
		io.Entropy(entropy[:])
		if io.Disk().Append(entropy[:]) == nil {
			io.Sync()
		}
		if io.Now().Elapsed-b.heard > 5*vtime.Second {
			io.Abort(b.conn)
			b.dial(io)
		}
	case Connected:
		io.Write(in.Conn, bytes.Repeat([]byte("0123456789"), streamBytes/10))
		io.CloseWrite(in.Conn)
	case Readable:
		b.heard = io.Now().Elapsed
		buf := make([]byte, 4096)
		for n := -1; n != 0; {
			n = io.Read(in.Conn, buf)
			for _, c := range buf[:n] {
				if c != '0'+byte(b.stream%10) || b.stream >= streamBytes {
					b.wrong = fmt.Errorf("byte %d of a stream is %q", b.stream, c)
				}
				b.stream++
			}
			b.read += n
		}
	case PeerClosed, Synced:
		io.Note(fmt.Sprintf("%d %v, %d bytes, at %s", in.Kind, in.Err, b.read, io.Now().Wall))
		if in.Kind == Synced {
			return
		}
		if b.stream == streamBytes {
			b.whole++
			b.lastTime = io.Now().Elapsed
		}
		io.Close(in.Conn)
		b.dial(io)
	case Closed:
		b.dial(io)
	default:
	}
}

func (b *busy) dial(io *IO) {
	b.stream, b.heard = 0, io.Now().Elapsed
	b.conn = io.Dial(server)
}

// script is a node that does what the arguments of a test say: at its start it
// sends datagrams, or dials, writes so many bytes and closes.
type script struct {
	sends int
	bytes int
	size  int
	next  vtime.Time
	got   []byte
	port  uint16
}

func scripted(t *testing.T, d *datadriven.TestData) func(string) Node {
	return func(host string) Node {
		if host == "server" {
			return &echo{}
		}
		c := &script{size: 8}
		d.MaybeScanArgs(t, "datagrams", &c.sends)
		d.MaybeScanArgs(t, "bytes", &c.bytes)
		d.MaybeScanArgs(t, "size", &c.size)
		return c
	}
}

func (c *script) Deadline() (vtime.Time, bool) { return c.next, c.sends > 0 }

func (c *script) Handle(io *IO, in Input) {
	switch in.Kind {
	case Started:
		c.port, c.next = io.Bind(0), io.Now().Elapsed
		if c.bytes > 0 {
			io.Dial(server)
		}
	case Timer:
		c.sends--
		c.next += 100 * vtime.Millisecond
		io.Send(c.port, server, make([]byte, c.size))
	case Connected:
		io.Note(fmt.Sprintf("connected, %d taken", io.Write(in.Conn, make([]byte, c.bytes))))
		io.CloseWrite(in.Conn)
	case Readable:
		var b [4096]byte
		for n := io.Read(in.Conn, b[:]); n > 0; n = io.Read(in.Conn, b[:]) {
			c.got = append(c.got, b[:n]...)
		}
	case PeerClosed:
		io.Note(fmt.Sprintf("%d bytes came back", len(c.got)))
	default:
	}
}

func TestScenarioIsWrittenAndRead(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		want := Swarm(rapid.Uint64().Draw(rt, "seed"), swarmBase(t))
		want.Edits = []EditLine{
			{"client", "server", link.Packet{Index: 3}, link.Edit{Late: 5, Copy: true}},
			{"server", "client", link.Packet{Name: "Ack", Index: 2}, link.Edit{Drop: link.Lost}},
		}
		want.Hosts[0].Drift, want.Hosts[0].Step = -5, -vtime.Second
		got, err := Parse(want.String())
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); err != nil || diff != "" {
			rt.Fatalf("%s\n%v\n%s", want, err, diff)
		}
	})
}

func TestParseRefuses(t *testing.T) {
	const hosts = "host a 10.0.0.1\nhost b 10.0.0.2\n"
	for _, line := range []string{
		"nonsense 1", "seed", "seed x", "for 1", "for -1s", "host a 10.0.0.3", "host c 10.0.0.1", "host c", "host c 10.0.0.3 idle 5s",
		"host c 10.0.0.3 drift 200000", "host c 10.0.0.3 color red", "link a>c", "link ab delay 1s", "link a>b loss 1001",
		"packet a>b drop", "packet a>b 0 drop", "packet a>b 1 vanish", "at 1s", "at -1s heal", "at 1s explode a", "at 1s cut a", "at 1s rebind a",
		"at 1s crash c", "at 1s step a", "at 1s drift a 200000", "at 1s poweroff a -1", "at 1s stall a -1s", "at 1s replay a>b", "at 1s heal now",
		"at 1s crash a b", "at 1s cut a>b now",
	} {
		if s, err := Parse(hosts + line); err == nil {
			t.Errorf("%q is read as\n%s", line, s)
		}
	}
}

// Whatever a swarm does, a stream is a prefix of what was sent; and when it has
// healed the client gets its answers, and whole streams.
func TestProgressAfterHeal(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		base := swarmBase(t)
		base.For = 36 * vtime.Second
		s := Swarm(rapid.Uint64().Draw(rt, "seed"), base)
		var wrong error
		w, err := New(Config{
			Boot: mixed, Stream: tcp.Config{SynRetries: 3, Retries: 5}, // after at most 13 s it is tried anew
			Checks: []Check{{"prefix", func(w *World) error {
				if b, ok := w.Host("client").Node().(*busy); ok && b.wrong != nil {
					wrong = b.wrong
				}
				return nil
			}}},
		}, s)
		if err != nil {
			rt.Fatal(err)
		}
		if v := w.Run(); v != nil {
			rt.Fatal(v)
		}
		b := w.Host("client").Node().(*busy)
		if wrong != nil {
			rt.Fatalf("%v\n%s", wrong, s)
		}
		if since := w.Host("client").Now().Elapsed - b.lastTime; b.whole == 0 || since > 10*vtime.Second {
			rt.Fatalf("%d whole streams, the last one %s ago\n%s", b.whole, since, s)
		}
		answered := 0
		for n := b.asked - 40; n < b.asked-22; n++ { // up to a second ago
			answered += min(b.answers[n], 1)
		}
		if answered != 18 {
			rt.Fatalf("%d of the last 18 questions were answered\n%s", answered, s)
		}
	})
}

func TestMinimise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 200).Draw(t, "items")
		items := make([]int, n)
		for i := range items {
			items[i] = i
		}
		planted := rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 0, min(n, 6), rapid.ID[int]).Draw(t, "planted")
		slices.Sort(planted)
		tests := 0
		got := Minimise(items, func(part []int) bool {
			tests++
			for _, p := range planted {
				if !slices.Contains(part, p) {
					return false
				}
			}
			return true
		})
		if !slices.Equal(got, planted) {
			t.Fatalf("of %v it left %v", planted, got)
		}
		if tests > 2000 {
			t.Fatalf("it took %d tests", tests)
		}
	})
}

// A failure that needs the loss of two packets and a crash, in a run with
// dozens of edits, shrinks to these.
func TestShrinkFindsWhatIsPlanted(t *testing.T) {
	base := swarmBase(t)
	base.For = 30 * vtime.Second
	s := Swarm(77, base)
	s.Links[0].Impairment.Loss = 200
	s.Faults = append(s.Faults, Fault{At: 15_123_457, Do: Crash, Host: "client"})
	_, w := run(t, s, Config{Boot: mixed})
	certain := s.Certain(w.Edits())
	fails := func(c *Scenario) bool {
		lost, crashed := 0, false
		cfg := Config{Boot: mixed, Trace: func(e Event) {
			if e.Kind == Sent && e.Host == "client" && (e.Cause == link.Lost || e.Cause == link.Listed) {
				lost++
			}
			crashed = crashed || e.Kind == Faulted && strings.HasPrefix(e.Text, "crash client") && lost >= 2
		}}
		cfg.Checks = []Check{{"planted", func(*World) error {
			if crashed {
				return errors.New("two packets lost and a crash")
			}
			return nil
		}}}
		w, err := New(cfg, c)
		if err != nil {
			t.Fatal(err)
		}
		v := w.Run()
		return v != nil && v.Check == "planted"
	}
	if len(certain.Edits) < 40 || !fails(certain) {
		t.Fatalf("%d edits, which is no task", len(certain.Edits))
	}
	least := Shrink(certain, fails)
	if len(least.Edits) != 2 || len(least.Faults) != 1 || len(least.String()) > 400 {
		t.Errorf("it left\n%s", least)
	}
}

// All 2¹² drop subsets of the first six packets of each direction: a connection
// with retransmission comes about in each.
func TestEverySubsetOfLosses(t *testing.T) {
	base := twoHosts(t, "link client<>server delay 10ms")
	base.For = 10 * vtime.Minute
	for mask := range 1 << 12 {
		if mask%37 != 0 && testing.Short() {
			continue
		}
		s := *base
		for bit := range 12 {
			if mask>>bit&1 != 0 {
				from, to := "client", "server"
				if bit >= 6 {
					from, to = to, from
				}
				s.Edits = append(s.Edits, EditLine{from, to, link.Packet{Index: uint64(bit%6) + 1}, link.Edit{Drop: link.Listed}})
			}
		}
		c := &script{bytes: 3000}
		w, err := New(Config{Boot: func(host string) Node {
			if host == "server" {
				return &echo{}
			}
			return c
		}, Stream: tcp.Config{SynRetries: 20}}, &s)
		if err != nil {
			t.Fatal(err)
		}
		if v := w.Run(); v != nil || len(c.got) != 3000 {
			t.Fatalf("mask %012b: %d bytes, %v", mask, len(c.got), v)
		}
	}
}

func TestCheckEndsTheRun(t *testing.T) {
	s := twoHosts(t, "link client<>server delay 10ms")
	w, err := New(Config{Boot: boot, Checks: []Check{{"early", func(w *World) error {
		if w.Now() > vtime.Second {
			return errors.New("too late")
		}
		return nil
	}}}}, s)
	if err != nil {
		t.Fatal(err)
	}
	v := w.Run()
	if v == nil || v.Check != "early" || v.At <= vtime.Second || v.At > vtime.Second+10*vtime.Millisecond || w.Step() {
		t.Errorf("%v", v)
	}
}

// restless wants its timer at once, always.
type restless struct{}

func (restless) Handle(*IO, Input)            {}
func (restless) Deadline() (vtime.Time, bool) { return 0, true }

func TestALoopWithoutDelayEnds(t *testing.T) {
	w, err := New(Config{Boot: func(string) Node { return restless{} }}, twoHosts(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	if v := w.Run(); v == nil || v.Check != "progress" {
		t.Errorf("%v", v)
	}
}

// pinger sends eight datagrams, and one more for each that comes; after a silence
// it begins again.
type pinger struct {
	first bool
	quiet bool // it sends one, and answers none
	next  vtime.Time
	data  [64]byte
}

func (p *pinger) Deadline() (vtime.Time, bool) { return p.next, p.first }

func (p *pinger) Handle(io *IO, in Input) {
	const port = 7
	switch in.Kind {
	case Started:
		io.Bind(port)
	case Timer:
		for range 8 {
			io.Send(port, netip.AddrPortFrom(server.Addr(), port), p.data[:])
			if p.quiet {
				break
			}
		}
	case Datagram:
		if p.quiet {
			return
		}
		io.Send(port, in.Peer, in.Data)
	default:
	}
	p.next = io.Now().Elapsed + 100*vtime.Millisecond
}

// BenchmarkDatagrams counts the events of two hosts on links with impairments.
func BenchmarkDatagrams(b *testing.B) {
	benchmark(b, "link client<>server delay 10ms jitter 2ms gilbert 10 300 700 1", func(host string) Node {
		return &pinger{first: host == "client"}
	})
}

// BenchmarkHours shows how much virtual time passes with ten questions a second.
func BenchmarkHours(b *testing.B) {
	benchmark(b, "link client<>server delay 10ms jitter 2ms gilbert 10 300 700 1", func(host string) Node {
		return &pinger{first: host == "client", quiet: host == "client"}
	})
}

// BenchmarkStream counts those of a stream that echoes, as fast as it can.
func BenchmarkStream(b *testing.B) {
	benchmark(b, "link client<>server delay 10ms rate 100000000 queue 100000 loss 1", mixed)
}

func benchmark(b *testing.B, lines string, boot func(string) Node) {
	s := twoHosts(b, lines)
	s.For = vtime.Never
	w, err := New(Config{Boot: boot}, s)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		w.Step()
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(w.Now())/float64(vtime.Hour)/b.Elapsed().Minutes(), "simulated-h/min")
}
