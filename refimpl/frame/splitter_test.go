package frame

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/bpci/xtmp/refimpl/wire"
)

// feed cuts stream into chunks of the given sizes and returns the frames found.
func feed(stream []byte, chunks []int) (frames [][]byte, pending int) {
	var s Splitter
	cut := func(b []byte) {
		s.Feed(bytes.Clone(b))
		for {
			head, ok := s.Header()
			if !ok {
				return
			}
			var h wire.Header
			h.Decode(head)
			f, ok := s.Frame(h.PayloadLength)
			if !ok {
				return
			}
			frames = append(frames, bytes.Clone(f))
		}
	}
	for _, n := range chunks {
		n = min(n, len(stream))
		cut(stream[:n])
		stream = stream[n:]
	}
	cut(stream)
	return frames, s.Pending()
}

// TestAnySplit is the property that chunking is invisible: every way of cutting
// a stream yields the same frames, and what is kept is what has not completed.
func TestAnySplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var stream []byte
		var want [][]byte
		for range rapid.IntRange(0, 6).Draw(t, "frames") {
			payload := rapid.SliceOfN(rapid.Byte(), 0, 400).Draw(t, "payload")
			f := wire.AppendClear(nil, wire.TypeError, 1, 2, payload)
			want = append(want, f)
			stream = append(stream, f...)
		}
		tail := rapid.IntRange(0, wire.Overhead+3).Draw(t, "tail")
		stream = append(stream, wire.AppendClear(nil, wire.TypeError, 1, 2, []byte("12345"))[:tail]...)
		chunks := rapid.SliceOfN(rapid.IntRange(0, 300), 0, 40).Draw(t, "chunks")

		got, pending := feed(stream, chunks)
		if len(got) != len(want) {
			t.Fatalf("%d frames, want %d", len(got), len(want))
		}
		for i := range want {
			if !bytes.Equal(got[i], want[i]) {
				t.Fatalf("frame %d: got %x want %x", i, got[i], want[i])
			}
		}
		if pending != tail {
			t.Fatalf("%d bytes kept, want %d", pending, tail)
		}
	})
}

// TestMemoryGrowsWithBytes feeds a frame that promises 16 MiB and sends little:
// the buffer follows what arrived, in steps of at most 64 KiB.
func TestMemoryGrowsWithBytes(t *testing.T) {
	head := wire.AppendClear(nil, wire.TypeError, 0, 0, nil)
	head[24], head[25] = 1, 0 // payload_length 2^24
	var s Splitter
	s.Feed(head)
	arrived := len(head)
	for range 50 {
		if _, ok := s.Header(); !ok {
			t.Fatal("no header")
		}
		if _, ok := s.Frame(1 << 24); ok {
			t.Fatal("the frame is complete")
		}
		if over := cap(s.partial) - arrived; over > growthMax+64 {
			t.Fatalf("%d bytes arrived, %d are held", arrived, cap(s.partial))
		}
		s.Feed(make([]byte, 5000))
		arrived += 5000
	}
}

func TestWholeFramesAreNotCopied(t *testing.T) {
	stream := wire.AppendClear(wire.AppendClear(nil, wire.TypeError, 0, 0, []byte("a")), wire.TypeError, 0, 0, []byte("b"))
	allocs := testing.AllocsPerRun(100, func() {
		var s Splitter
		s.Feed(stream)
		for i := range 2 {
			if _, ok := s.Header(); !ok {
				t.Fatal("header", i)
			}
			if f, ok := s.Frame(1); !ok || &f[0] != &stream[i*97] {
				t.Fatal("frame", i, "is not a slice of the input")
			}
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations, want 0", allocs)
	}
}
