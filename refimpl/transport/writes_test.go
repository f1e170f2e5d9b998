//go:build linux

package transport

import (
	"crypto/rand"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/refimpl/wire"
)

// A wake-up of a loop writes at most once to each connection, however many
// frames it has read and however many it has to say. The kernel's view of it is
// what counts, and the server's own counters agree with it.
func TestOneWritePerWakeUp(t *testing.T) {
	if out, err := exec.Command("strace", "-f", "-e", "trace=none", "true").CombinedOutput(); err != nil {
		t.Skipf("strace cannot trace here: %v: %s", err, out)
	}
	trace := filepath.Join(t.TempDir(), "trace")
	c, stop := startChild(t, "strace", "-f", "-qq", "-o", trace, "-e", "trace=epoll_wait,epoll_pwait,epoll_pwait2,accept4,read,write")
	var peers []*peer.Session
	for range 3 {
		conn, err := net.Dial("tcp", c.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		s, err := peer.New(conn, peer.Target{}, peer.Options{Entropy: rand.Reader, Declares: everything, Wait: patience}).Handshake(peer.Script{})
		if err != nil {
			t.Fatal(err)
		}
		peers = append(peers, s)
	}
	flags := uint16(wire.FlagEncrypted)
	for range 5 { // requests, PINGs and unsolicited frames at once
		for _, p := range peers {
			raw := batch(50, func() *peer.Draft { return p.Draft(0x06, flags|uint16(wire.FlagRequiresAck), nil) })
			raw = append(raw, batch(50, func() *peer.Draft {
				return p.Draft(uint8(wire.TypeHeartbeat), flags, peer.HeartbeatBody(peer.Ping, []byte("x")))
			})...)
			raw = append(raw, p.Draft(0x80, flags|uint16(wire.FlagRequiresAck), nil).Encode()...)
			if err := p.WriteRaw(raw); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, p := range peers {
		if _, err := p.Ping([]byte("all read")); err != nil {
			t.Fatal(err)
		}
	}
	// One peer reads nothing for a while, then everything.
	c.ask("squeeze")
	slow := peers[0]
	for range 4 {
		if err := slow.WriteRaw(batch(400, func() *peer.Draft { return slow.Draft(0x06, flags|uint16(wire.FlagRequiresAck), nil) })); err != nil {
			t.Fatal(err)
		}
		if _, err := peers[1].Ping([]byte("fence")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := slow.Ping([]byte("all read")); err != nil {
		t.Fatal(err)
	}
	// More than one output of a session, to one who reads it and to one who does not.
	source := wire.Probe{Op: wire.ProbeSource, Arg: 4 << 20}
	for _, p := range peers[:2] {
		if _, err := p.Request(uint8(wire.TypeProbe), source.Append(nil)); err != nil {
			t.Fatal(err)
		}
	}
	fragments := 0
	_, _, err := peers[1].Expect(patience, func(f *peer.Received) bool {
		if f.Is(uint8(wire.TypeProbe)) {
			fragments++
		}
		return fragments == 4<<20/262144+1
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range peers {
		_ = p.Close()
	}
	var counted LoopMetrics
	if err := json.Unmarshal([]byte(c.ask("gone")), &counted); err != nil {
		t.Fatal(err)
	}
	stop()
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	judgeWrites(t, string(text), c.poll, counted)
}

var (
	waitEnds = regexp.MustCompile(`^\d+ +(?:<... )?epoll_p?wait2?(?: resumed>.*|\((\d+),.*) = \d+$`)
	accepted = regexp.MustCompile(`accept4.* = (\d+)$`)
	calls    = regexp.MustCompile(`^\d+ +(read|write)\((\d+),`)
	begins   = regexp.MustCompile(`^(\d+) +epoll_p?wait2?\((\d+),`)
)

// judgeWrites reads a trace of one loop, whose epoll is poll.
func judgeWrites(t *testing.T, trace, poll string, counted LoopMetrics) {
	t.Helper()
	sockets := map[string]bool{}
	written := map[string]int{}    // in this wake-up
	waiting := map[string]string{} // thread → epoll that it waits on
	var seen LoopMetrics
	for line := range strings.Lines(trace) {
		line = strings.TrimSpace(line)
		thread, _, _ := strings.Cut(line, " ")
		if m := begins.FindStringSubmatch(line); m != nil {
			waiting[m[1]] = m[2]
		}
		switch {
		case waitEnds.MatchString(line):
			if waiting[thread] == poll {
				clear(written)
				seen.WakeUps++
			}
		case accepted.MatchString(line):
			sockets[accepted.FindStringSubmatch(line)[1]] = true
		case calls.MatchString(line):
			m := calls.FindStringSubmatch(line)
			switch {
			case !sockets[m[2]]:
			case m[1] == "read":
				seen.Reads++
			default:
				seen.Writes++
				if written[m[2]]++; written[m[2]] > 1 {
					t.Errorf("write %d in one wake-up: %s", written[m[2]], line)
				}
			}
		}
	}
	if len(sockets) < 3 || seen.Writes < 12 || seen.WakeUps < seen.Writes/4 {
		t.Errorf("the trace shows %d connections, %d wake-ups and %d writes: it is not understood", len(sockets), seen.WakeUps, seen.Writes)
	}
	if counted.Reads != seen.Reads || counted.Writes != seen.Writes || counted.BytesRead == 0 || counted.BytesWritten < 4<<20 {
		t.Errorf("the server counts %+v, the kernel %+v", counted, seen)
	}
}
