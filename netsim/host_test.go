package netsim

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bpci/xtmp/netsim/vtime"
)

// does is a node that is a function.
type does func(io *IO, in Input)

func (f does) Handle(io *IO, in Input)      { f(io, in) }
func (f does) Deadline() (vtime.Time, bool) { return 0, false }

// alone boots the function on the server, and nothing elsewhere.
func alone(f does) func(string) Node {
	return func(host string) Node {
		if host != "server" {
			return nil
		}
		return f
	}
}

// What was synced survives a loss of power, what was only appended survives a
// crash, and a failing disk says so.
func TestDisk(t *testing.T) {
	s, err := Parse(`
for 10s
host server 10.0.0.2 sync 20ms
at 1s crash server
at 2s start server
at 3s poweroff server
at 4s start server
at 4010ms poweroff server 1
at 5s start server
at 6s crash server
at 6s diskfail server
at 7s start server
at 8s diskmend server`)
	if err != nil {
		t.Fatal(err)
	}
	trace, w := run(t, s, Config{Boot: alone(func(io *IO, in Input) {
		switch in.Kind {
		case Started:
			said := []string{fmt.Sprint(io.Now().Elapsed)}
			for _, r := range io.Disk().Records() {
				said = append(said, string(r))
			}
			now := io.Now().Wall - Epoch
			err := io.Disk().Append([]byte(now.String()))
			io.Sync()
			err = errors.Join(err, io.Disk().Append([]byte(now.String()+"+")))
			io.Note(fmt.Sprint(strings.Join(said, " "), ", error: ", errors.Is(err, ErrDisk)))
		case Synced:
			io.Note(fmt.Sprint("synced ", in.Err))
		default:
		}
	})})
	want := []string{
		"0s server note 0s, error: false", "20ms server note synced <nil>",
		"2s server note 2s 0s 0s+, error: false", "2020ms server note synced <nil>",
		"4s server note 0s 0s 0s+ 2s, error: false",
		"5s server note 0s 0s 0s+ 2s 4s, error: false", "5020ms server note synced <nil>",
		"7s server note 2s 0s 0s+ 2s 4s 5s 5s+, error: true", "7020ms server note synced netsim: the disk fails",
	}
	if diff := cmp.Diff(want, only(trace, "note")); diff != "" {
		t.Error(diff)
	}
	if d := w.Host("server").Disk(); d.Durable() != 5 || len(d.Records()) != 6 {
		t.Errorf("%d of %d records are durable", d.Durable(), len(d.Records()))
	}
}

// Clocks jump and drift; a deadline follows the elapsed clock.
func TestClocksOfAHost(t *testing.T) {
	s := twoHosts(t, "at 1s step client -1h\nat 2s drift client 100000\nat 5s stall client 2s")
	s.Hosts[1].Step = vtime.Minute
	a := &asker{to: server, every: vtime.Second}
	w, err := New(Config{Boot: func(host string) Node {
		if host == "client" {
			return a
		}
		return nil
	}}, s)
	if err != nil {
		t.Fatal(err)
	}
	if v := w.RunTo(4 * vtime.Second); v != nil {
		t.Fatal(v)
	}
	h := w.Host("client")
	want := Now{4200 * vtime.Millisecond, Epoch + vtime.Minute - vtime.Hour + 4200*vtime.Millisecond}
	if got := h.Now(); got != want || a.asked != 5 || w.Now() != 4*vtime.Second {
		t.Errorf("at 4s: %v, want %v, %d asked", got, want, a.asked)
	}
	if w.RunTo(6999 * vtime.Millisecond); a.asked != 6 {
		t.Errorf("in a stall: %d asked", a.asked)
	}
	if w.RunTo(7 * vtime.Second); a.asked != 7 {
		t.Errorf("after a stall: %d asked", a.asked)
	}
}

// A node that closes or aborts hears no more of the stream; its peer hears which
// of the two it was.
func TestCloseAndAbort(t *testing.T) {
	for what, want := range map[string]string{"close": "end closed", "abort": "end tcp: reset by the peer"} {
		s := twoHosts(t, "link client<>server delay 10ms")
		s.For = 2 * vtime.Minute
		let := func(io *IO, c ConnID) {
			if what == "close" {
				io.Close(c)
			} else {
				io.Abort(c)
			}
		}
		heard := 0
		trace, w := run(t, s, Config{Boot: func(host string) Node {
			if host == "client" {
				return does(func(io *IO, in Input) {
					switch in.Kind {
					case Started:
						io.Dial(server)
					case PeerClosed:
						io.Close(in.Conn)
					default:
					}
				})
			}
			return does(func(io *IO, in Input) {
				switch in.Kind {
				case Started:
					io.Listen(server.Port())
				case Accepted:
					let(io, in.Conn)
					if io.Write(in.Conn, []byte("x"))+io.Read(in.Conn, make([]byte, 1)) != 0 {
						io.Note("it is still there")
					}
					io.CloseWrite(in.Conn)
				default:
					heard++
				}
			})
		}})
		ends := only(trace, "client end")
		if what == "close" {
			want, ends = "", append(ends, "") // both had closed, so nobody is told
		}
		if len(ends) != 1 || !strings.HasSuffix(ends[0], want) || heard != 0 || len(only(trace, "note")) > 0 {
			t.Errorf("%s: %q, %d inputs after it", what, ends, heard)
		}
		for _, h := range w.hosts {
			if len(h.byEnds) > 0 {
				t.Errorf("%s: %s still has a stream", what, h.name)
			}
		}
	}
}

// Damage to a segment is found by its checksum: for a stream it is a loss.
func TestDamagedSegmentIsLost(t *testing.T) {
	s := twoHosts(t, "link client<>server delay 10ms\npacket client>server 3 flip 200")
	c := &script{bytes: 1000}
	trace, _ := run(t, s, Config{Boot: func(host string) Node {
		if host == "client" {
			return c
		}
		return boot(host)
	}})
	if len(only(trace, "checksum")) != 1 || len(c.got) != 1000 {
		t.Errorf("%d bytes came back\n%s", len(c.got), strings.Join(trace, "\n"))
	}
}

// Entropy depends on its source, the host and how much was drawn, not on the seed.
func TestEntropy(t *testing.T) {
	draw := func(seed, source uint64) string {
		s := twoHosts(t, "at 1s crash server\nat 2s start server")
		s.Seed = seed
		trace, _ := run(t, s, Config{Entropy: source, Boot: func(string) Node {
			return does(func(io *IO, _ Input) {
				b := make([]byte, 11)
				io.Entropy(b)
				io.Note(fmt.Sprintf("%s %x", io.Addr(), b))
			})
		}})
		return strings.Join(only(trace, "note"), "\n")
	}
	a := draw(1, 1)
	if a != draw(2, 1) || a == draw(1, 2) {
		t.Error("entropy is a matter of its source alone")
	}
	seen := map[string]bool{}
	for line := range strings.Lines(a) {
		f := strings.Fields(line)
		seen[f[len(f)-1]] = true
	}
	if len(seen) != 3 {
		t.Errorf("three boots drew\n%s", a)
	}
}

// IPv6 packets are larger, and travel as well.
func TestSixes(t *testing.T) {
	s, err := Parse("for 1s\nhost server fd00::2\nhost client fd00::1\nlink client<>server delay 1ms mtu 56")
	if err != nil {
		t.Fatal(err)
	}
	c := &asker{to: netip.MustParseAddrPort("[fd00::2]:900"), every: vtime.Second}
	run(t, s, Config{Boot: func(host string) Node {
		if host == "client" {
			return c
		}
		return &echo{}
	}})
	if len(c.answers) != 1 {
		t.Errorf("%d answers", len(c.answers))
	}
}
