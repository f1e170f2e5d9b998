package endpoint

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// Strangers share half of the receive memory; whoever has a session may use what
// is left of all of it.
func TestReserveForSessions(t *testing.T) {
	known, strangers := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	l := NewLimiter(Limits{ReceiveMemory: 1000, ReceivePerSource: -1})
	l.Enter(known)
	l.Hold(known, 100)
	l.Settle(known)
	l.Enter(strangers)
	if !l.Hold(strangers, 499) {
		t.Error("a stranger may not hold 499 bytes of 1000")
	}
	if l.Hold(strangers, 1) {
		t.Error("strangers may hold half of the memory")
	}
	if !l.Hold(known, 399) {
		t.Error("a session may not use what strangers leave")
	}
	if l.Hold(known, 1) {
		t.Error("the memory of all has no bound")
	}
	// What a source holds changes its side with its first and last session.
	l.Hold(known, -400)
	l.Settle(strangers)
	if !l.Hold(strangers, 300) {
		t.Error("a source with a session is treated as a stranger")
	}
	l.Leave(strangers, true)
	if l.Hold(strangers, 0) {
		t.Error("a source whose last session has ended still counts as known")
	}
	if !l.Hold(known, 50) {
		t.Error("a session is refused because of strangers")
	}
}

// Without a limit there is no half of it.
func TestNoLimitNoReserve(t *testing.T) {
	l := NewLimiter(Limits{ReceiveMemory: -1, ReceivePerSource: -1})
	if !l.Hold(netip.MustParseAddr("192.0.2.1"), 1<<40) {
		t.Error("memory is bounded without a limit")
	}
}

// Whatever sources do, the counters agree with what the sources hold.
func TestLimiterCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := NewLimiter(Limits{})
		type connection struct {
			source  netip.Addr
			settled bool
			memory  int
		}
		var open []*connection
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if len(open) == 0 || rapid.IntRange(0, 3).Draw(t, "enter") == 0 {
				c := &connection{source: netip.AddrFrom4([4]byte{10, 0, 0, rapid.Byte().Draw(t, "source") % 3})}
				l.Enter(c.source)
				open = append(open, c)
				continue
			}
			i := rapid.IntRange(0, len(open)-1).Draw(t, "which")
			c := open[i]
			switch rapid.IntRange(0, 2).Draw(t, "what") {
			case 0:
				n := rapid.IntRange(-c.memory, 1000).Draw(t, "n")
				l.Hold(c.source, n)
				c.memory += n
			case 1:
				if !c.settled {
					c.settled = true
					l.Settle(c.source)
				}
			case 2:
				l.Hold(c.source, -c.memory)
				l.Leave(c.source, c.settled)
				open = append(open[:i], open[i+1:]...)
			}
			known := map[netip.Addr]bool{}
			for _, c := range open {
				known[c.source] = known[c.source] || c.settled
			}
			all, strange := 0, 0
			for _, c := range open {
				all += c.memory
				if !known[c.source] {
					strange += c.memory
				}
			}
			if l.memory != all || l.strange != strange {
				t.Fatalf("counts %d of which %d of strangers, want %d and %d", l.memory, l.strange, all, strange)
			}
		}
	})
}
