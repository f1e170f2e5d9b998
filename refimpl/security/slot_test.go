package security

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/bpci/xtmp/refimpl/wire"
	"github.com/bpci/xtmp/spec"
)

// pair returns both ends of one slot.
func pair(secret byte) (*Sealer, *Opener) {
	ts := Secret(bytes.Repeat([]byte{secret}, HashSize))
	s, o := NewSealer(wire.SuiteAES256GCM, &ts), NewOpener(wire.SuiteAES256GCM, &ts)
	return &s, &o
}

func sealOne(t rapid.TB, s *Sealer, prefix, plaintext []byte) []byte {
	dst, start := Reserve(bytes.Clone(prefix))
	dst, err := s.Seal(append(dst, plaintext...), start, &wire.Header{Type: wire.TypeHeartbeat, SessionID: 9, Timestamp: 5})
	if err != nil {
		t.Fatalf("Seal: %v", err)
	}
	return dst
}

func TestSealOpenInvert(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, o := pair(7)
		s.next = rapid.Uint64Range(0, wire.MaxSequence-1).Draw(t, "sequence")
		plaintext := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "plaintext")
		prefix := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "prefix")
		suffix := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "suffix")
		sequence := s.next
		out := sealOne(t, s, prefix, plaintext)
		if !bytes.Equal(out[:len(prefix)], prefix) {
			t.Fatal("Seal changed the bytes before the frame")
		}
		stream := append(out[len(prefix):], suffix...)
		frame := stream[: len(stream)-len(suffix) : len(stream)]
		var h wire.Header
		if err := wire.ParseHeader(frame, &h); err != nil {
			t.Fatal(err)
		}
		if h.Sequence != sequence || h.KeyID != o.KeyID() || int(h.PayloadLength) != len(plaintext) || !h.Flags.Has(wire.FlagEncrypted) {
			t.Fatalf("header %+v", h)
		}
		if !wire.VerifyChecksum(frame, h.Checksum) {
			t.Fatal("checksum")
		}
		got, err := o.Open(frame, h.Sequence)
		if err != nil || !bytes.Equal(got, plaintext) {
			t.Fatalf("Open = %x, %v; want %x", got, err, plaintext)
		}
		if !bytes.Equal(stream[len(frame):], suffix) {
			t.Fatal("Open changed the bytes behind the frame")
		}
	})
}

// TestEveryBitCounts flips each bit of a frame: none opens, except in the
// checksum field, which is outside the AAD.
func TestEveryBitCounts(t *testing.T) {
	s, o := pair(3)
	good := sealOne(t, s, nil, []byte("payload"))
	for bit := range len(good) * 8 {
		bad := bytes.Clone(good)
		bad[bit/8] ^= 1 << (bit % 8)
		var h wire.Header
		h.Decode(bad)
		clear(bad[28:32])
		_, err := o.Open(bad, h.Sequence)
		if inChecksum := bit/8 >= 28 && bit/8 < 32; (err == nil) != inChecksum {
			t.Errorf("bit %d of byte %d: err = %v", bit%8, bit/8, err)
		}
		if err != nil && !errors.Is(err, ErrOpen) {
			t.Errorf("byte %d: %v is told apart from other failures", bit/8, err)
		}
	}
}

func TestSlotLimits(t *testing.T) {
	for _, c := range []struct {
		name   string
		next   uint64
		blocks uint64
		typ    wire.MessageType
		want   error
	}{
		{"last sequence", wire.MaxSequence - 1, 0, wire.TypeHeartbeat, nil},
		{"sequence 2^62", wire.MaxSequence, 0, wire.TypeHeartbeat, ErrExhausted},
		{"budget of data", 0, blocksControl - 1, wire.TypeProbe, nil},
		{"budget of data spent", 0, blocksControl, wire.TypeProbe, ErrExhausted},
		{"budget of data spent, lowest type of a message", 0, blocksControl, wire.TypeAck + 1, ErrExhausted},
		{"highest type of control", 0, blocksControl, wire.TypeAck, nil},
		{"control goes on", 0, blocksControl, wire.TypeHeartbeat, nil},
		{"error goes on", 0, blocksControl, wire.TypeError, nil},
		{"hard limit", 0, blocksHard - 5, wire.TypeHeartbeat, ErrExhausted},
	} {
		s, _ := pair(1)
		s.next, s.blocks = c.next, c.blocks
		dst, start := Reserve([]byte("kept"))
		out, err := s.Seal(dst, start, &wire.Header{Type: c.typ})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if err != nil && string(out) != "kept" {
			t.Errorf("%s: a refused frame leaves %q", c.name, out)
		}
	}
}

func TestAllocations(t *testing.T) {
	s, o := pair(2)
	buf := make([]byte, 0, 4096)
	plaintext := make([]byte, 64)
	allocs := testing.AllocsPerRun(200, func() {
		dst, start := Reserve(buf)
		h := wire.Header{Type: wire.TypeHeartbeat}
		frame, err := s.Seal(append(dst, plaintext...), start, &h)
		if err != nil {
			t.Fatal(err)
		}
		var got wire.Header
		got.Decode(frame)
		if !wire.VerifyChecksum(frame, got.Checksum) {
			t.Fatal("checksum")
		}
		if _, err := o.Open(frame, got.Sequence); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("seal and open allocate %v times per frame, want 0", allocs)
	}
}

// TestLimitsEqualRegistry compares sizes and budgets with the registry.
func TestLimitsEqualRegistry(t *testing.T) {
	r := spec.Default()
	for name, want := range map[string]uint64{
		"key": KeySize, "blocks_rekey": blocksRekey, "blocks_control": blocksControl, "blocks_end": blocksHard,
	} {
		if l, ok := r.Limit(name); !ok || l.Value != want {
			t.Errorf("%s: %d here, %d in the registry", name, want, l.Value)
		}
	}
	for name, want := range map[string]int{
		"server_signature_1": ed25519.SignatureSize, "server_signature_2": ed25519.SignatureSize + mldsa65SignatureSize,
	} {
		if l, ok := r.Layout(name); !ok || l.Size != want {
			t.Errorf("%s: %d here, %d in the registry", name, want, l.Size)
		}
	}
	s, _ := pair(1)
	dst, start := Reserve(nil)
	if _, err := s.Seal(append(dst, make([]byte, 17)...), start, &wire.Header{Type: wire.TypeAck}); err != nil {
		t.Fatal(err)
	}
	perFrame, _ := r.Limit("blocks_per_frame")
	blockBytes, _ := r.Limit("block_bytes")
	if want := perFrame.Value + (17+blockBytes.Value-1)/blockBytes.Value; s.blocks != want {
		t.Errorf("a frame of 17 bytes costs %d blocks, want %d", s.blocks, want)
	}
}

// TestSuitesHaveOneShape: every suite has the sizes of the registry, opens nothing
// that is shorter than a tag, and a code that is no suite has no cipher.
func TestSuitesHaveOneShape(t *testing.T) {
	for _, s := range spec.Default().Suites {
		suite := wire.Suite(s.Value)
		if suite == wire.SuiteUnused || !Supported(suite) {
			continue
		}
		aead, err := newAEAD(suite, &[KeySize]byte{1})
		if err != nil {
			t.Fatal(err)
		}
		if aead.NonceSize() != s.Nonce || aead.Overhead() != s.Tag || s.Key != KeySize {
			t.Errorf("%v: nonce of %d bytes, tag of %d", suite, aead.NonceSize(), aead.Overhead())
		}
		if _, err := aead.Open(nil, make([]byte, wire.NonceSize), make([]byte, wire.TagSize-1), nil); err == nil {
			t.Errorf("%v opens 15 bytes", suite)
		}
	}
	if _, err := newAEAD(wire.SuiteUnused, new([KeySize]byte)); err == nil || Supported(wire.SuiteUnused) {
		t.Error("0xff is a suite")
	}
}
