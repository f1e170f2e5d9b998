//go:build linux

package transport

import (
	"crypto/rand"
	"maps"
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
// frames it has read and however many it has to say. A connection that was full
// and takes bytes again gets what waited, then what is new: two writes. The
// kernel's view of it is what counts.
func TestOneWritePerWakeUp(t *testing.T) {
	if out, err := exec.Command("strace", "-f", "-e", "trace=none", "true").CombinedOutput(); err != nil {
		t.Skipf("strace cannot trace here: %v: %s", err, out)
	}
	trace := filepath.Join(t.TempDir(), "trace")
	c, stop := startChild(t, "strace", "-f", "-qq", "-o", trace, "-e", "trace=epoll_wait,epoll_pwait,accept4,write")
	var peers []*peer.Session
	for range 3 {
		conn, err := net.Dial("tcp", c.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		s, err := peer.New(conn, peer.Target{}, peer.Options{Entropy: rand.Reader, Wait: patience}).Handshake(peer.Script{})
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
	for _, p := range peers {
		_ = p.Close()
	}
	stop()
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	judgeWrites(t, string(text), c.poll)
}

var (
	waitEnds = regexp.MustCompile(`^\d+ +(?:<... )?epoll_p?wait(?: resumed>.*|\((\d+),.*) = \d+$`)
	accepted = regexp.MustCompile(`accept4.* = (\d+)$`)
	writes   = regexp.MustCompile(`^\d+ +write\((\d+),(?:.*, (\d+)\) = (\d+)$)?`) // not whole: no length
	begins   = regexp.MustCompile(`^(\d+) +epoll_p?wait\((\d+),`)
)

// judgeWrites reads a trace of one loop, whose epoll is poll.
func judgeWrites(t *testing.T, trace, poll string) {
	t.Helper()
	sockets := map[string]bool{}
	written := map[string]int{}    // in this wake-up
	full := map[string]bool{}      // the last write was not whole
	var wasFull map[string]bool    // before this wake-up
	waiting := map[string]string{} // thread → epoll that it waits on
	wakeUps, total := 0, 0
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
				wasFull = maps.Clone(full)
				wakeUps++
			}
		case accepted.MatchString(line):
			sockets[accepted.FindStringSubmatch(line)[1]] = true
		case writes.MatchString(line):
			m := writes.FindStringSubmatch(line)
			fd := m[1]
			if !sockets[fd] {
				continue
			}
			total++
			if written[fd]++; written[fd] > 2 || written[fd] == 2 && !wasFull[fd] {
				t.Errorf("write %d in one wake-up: %s", written[fd], line)
			}
			full[fd] = m[2] == "" || m[2] != m[3]
		}
	}
	if len(sockets) < 3 || total < 12 || wakeUps < total/4 || len(full) == 0 {
		t.Errorf("the trace shows %d connections, %d wake-ups and %d writes: it is not understood", len(sockets), wakeUps, total)
	}
}
