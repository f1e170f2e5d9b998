package session

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/bpci/xtmp/refimpl/wire"
)

// TestAssembly delivers the fragments of a message in any order, some of them twice
// and among those of others, and compares the result with the message: it is whole when the
// last index has come, once, and holds what came first under each index.
func TestAssembly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body := make([]byte, rapid.IntRange(1, wire.MaxHandshakeMessage).Draw(t, "size"))
		for i := range body {
			body[i] = byte(i * 7 >> 3)
		}
		f := wire.Fragment{Envelope: wire.Envelope{HSType: wire.HSServerFlight}, Total: uint16(len(body))}
		var a assembly
		came, finished := 0, 0
		for range rapid.IntRange(0, 40).Draw(t, "fragments") {
			g := f
			g.Index = rapid.Uint8Range(0, f.Count()-1).Draw(t, "index")
			b := g.Append(nil, body)
			piece := b[wire.EnvelopeSize:]
			first := came&(1<<g.Index) == 0
			if a.body != nil {
				switch rapid.IntRange(0, 4).Draw(t, "as") {
				case 0: // of another message
					if g.HSType = wire.HSServerHello; a.add(&g, piece) {
						t.Fatal("another hs_type completes the message")
					}
					continue
				case 1:
					if g.Total ^= 1; a.add(&g, piece) {
						t.Fatal("another total_len completes the message")
					}
					continue
				case 2:
					if !first {
						clear(piece) // what comes twice is not looked at
					}
				}
			}
			came |= 1 << g.Index
			switch whole := came == 1<<f.Count()-1; {
			case a.add(&g, piece):
				finished++
				if !whole || !first {
					t.Fatal("whole too early, or twice")
				}
			case whole && first:
				t.Fatal("not whole with every fragment")
			}
			if a.whole() != (came == 1<<f.Count()-1) {
				t.Fatalf("whole %v with %b", a.whole(), came)
			}
		}
		if finished > 0 && !bytes.Equal(a.body, body) {
			t.Fatal("the message is another")
		}
	})
}
