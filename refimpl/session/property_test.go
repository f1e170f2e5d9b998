package session

import (
	"bytes"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/bpci/xtmp/refimpl/trace"
	"github.com/bpci/xtmp/refimpl/wire"
)

// TestAnySplitGivesTheSameEvents runs one conversation twice, once with every
// write delivered whole and once cut at random, and compares what both sides
// observed.
func TestAnySplitGivesTheSameEvents(t *testing.T) {
	run := func(t *rapid.T, cuts func(int) int, pings []byte) string {
		var log bytes.Buffer
		observe := func(who string) trace.Hook {
			return func(e trace.Event) {
				if e.Kind == trace.FrameReceived || e.Kind == trace.StateChanged {
					fmt.Fprintln(&log, who, e.Kind, e.Type, e.Flags, e.Sequence, e.Size, e.State)
				}
			}
		}
		// Only the server's observations: which side speaks first depends on the cuts.
		p := newPair(t, func(p *pair) { p.serverCfg.Trace = observe("server") })
		p.chunk = cuts
		p.connect()
		p.established()
		for i, n := range pings {
			pro := wire.Prologue{Mid: uint64(i + 1)}
			p.fromClient(0x80, wire.FlagRequiresAck, &pro, make([]byte, n))
		}
		p.client.Close(p.now)
		p.pass(ackDelay)
		return log.String() + fmt.Sprint(p.client.Err(), p.server.Err())
	}
	rapid.Check(t, func(t *rapid.T) {
		pings := rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(t, "sizes")
		sizes := rapid.SliceOfN(rapid.IntRange(1, 700), 1, 30).Draw(t, "cuts")
		i := 0
		cut := func(int) int { i++; return sizes[i%len(sizes)] }
		if whole, split := run(t, nil, pings), run(t, cut, pings); whole != split {
			t.Fatalf("whole:\n%s\nsplit:\n%s", whole, split)
		}
	})
}

// TestMidSetAgainstModel compares the bitmap with a plain set.
func TestMidSetAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m midSet
		model := map[uint64]bool{}
		base := uint64(1)
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			mid := base + rapid.Uint64Range(0, 8).Draw(t, "near")
			if rapid.IntRange(0, 9).Draw(t, "far") == 0 {
				mid = rapid.Uint64Range(1, base+2*midWindow).Draw(t, "mid")
			}
			want := midNew
			switch {
			case model[mid] || mid < base:
				want = midKnown
			case mid >= base+midWindow:
				want = midBeyond
			}
			if got := m.status(mid); got != want {
				t.Fatalf("status(%d) = %v, want %v; base %d", mid, got, want, base)
			}
			if want == midNew {
				m.complete(mid)
				model[mid] = true
			}
			for model[base] {
				base++
			}
			if m.done != base-1 {
				t.Fatalf("done %d, base %d", m.done, base)
			}
		}
	})
}

// TestNoInputPanics feeds both roles, in every state, frames of random shape
// under the right keys, and random bytes. Nothing panics, time always has
// something to wait for, and memory stays bounded by what arrived.
func TestNoInputPanics(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPair(t, nil)
		p.open()
		for range rapid.IntRange(0, 3).Draw(t, "rounds") {
			p.settle()
		}
		for range rapid.IntRange(1, 12).Draw(t, "inputs") {
			to, from := p.server, p.client
			if rapid.Bool().Draw(t, "to client") {
				to, from = p.client, p.server
			}
			if to.paths[0].state == PathShut {
				break
			}
			b := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "bytes")
			if from.state == Established && from.paths[0].state < PathDrain && rapid.IntRange(0, 3).Draw(t, "sealed") > 0 {
				typ := wire.MessageType(rapid.Byte().Draw(t, "type"))
				f := wire.Flags(rapid.Uint16Range(0, 0x7f).Draw(t, "flags"))
				b = from.seal(p.now, from.paths[0], nil, typ, f, nil, b)
			}
			to.Receive(p.now, 0, b)
			p.settle()
			if held := to.paths[0].split.Held(); held > 1024 {
				t.Fatalf("%d bytes are held for %d", held, len(b))
			}
		}
		p.pass(1000 * handshakeTimeout)
	})
}
