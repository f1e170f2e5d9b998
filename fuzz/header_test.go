package fuzz_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/bpci/xtmp/refimpl/frame"
	"github.com/bpci/xtmp/refimpl/wire"
	"github.com/bpci/xtmp/spec"
	"github.com/bpci/xtmp/vectors/testkit"
)

// FuzzHeader reads any bytes as a stream of frames, with the core and with the
// registry.
//
// Oracle: both find the same frames, the same fields and the same checksums; the
// core refuses a header exactly when magic or version are not those of the
// registry; a header that is put back gives the bytes that it was read from; type
// and flags pass check 3 exactly when a row of the flag matrix has them.
func FuzzHeader(f *testing.F) {
	for _, s := range stepsOfVectors(f) {
		f.Add(s.Frame)
	}
	for _, s := range sessionsOfVectors(f) {
		f.Add(s.bytes)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var split frame.Splitter
		split.Feed(append(make([]byte, 0, len(data)+wire.TagSize), data...))
		for rest := data; ; {
			head, ok := split.Header()
			if want := len(rest) >= testkit.HeaderSize; ok != want {
				t.Fatalf("a header is there: %v, with %d bytes", ok, len(rest))
			}
			var h wire.Header
			sameHeader(t, rest[:min(len(rest), testkit.HeaderSize)], &h)
			if !ok {
				return
			}
			got, whole := split.Frame(uint32(min(uint64(h.PayloadLength), wire.MaxPayload)))
			f, after, want := testkit.DecodeFrame(rest)
			if h.PayloadLength > wire.MaxPayload {
				return
			}
			if whole != want || whole && !bytes.Equal(got, rest[:len(rest)-len(after)]) {
				t.Fatalf("a whole frame: %v, the scribe says %v", whole, want)
			}
			if !whole {
				if split.Pending() != len(rest) || len(head) != wire.Overhead {
					t.Fatalf("%d bytes of an incomplete frame are kept, not %d", split.Pending(), len(rest))
				}
				return
			}
			sameChecksum(t, got, rest[:len(rest)-len(after)], f)
			rest = after
		}
	})
}

// sameHeader compares what the core and the registry make of the front of a frame.
func sameHeader(t *testing.T, front []byte, h *wire.Header) {
	t.Helper()
	err := wire.ParseHeader(front, h)
	m, _ := testkit.Decode("frame", 0, front)
	magic, _ := m.Layout.Field("magic")
	switch {
	case m.Short() || len(front) < testkit.HeaderSize:
		if !errors.Is(err, wire.ErrShortHeader) {
			t.Fatalf("%d bytes: %v", len(front), err)
		}
		return
	case !bytes.Equal(m.Bytes("magic"), testkit.Compose("frame").Bytes("magic")) || magic.Value == "":
		if !errors.Is(err, wire.ErrMagic) {
			t.Fatalf("magic %x: %v", m.Bytes("magic"), err)
		}
		h.Decode(front)
	case m.Uint("version") != testkit.Compose("frame").Uint("version"):
		if !errors.Is(err, wire.ErrVersion) {
			t.Fatalf("version %d: %v", m.Uint("version"), err)
		}
	case err != nil:
		t.Fatalf("a header that the registry has no fault with: %v", err)
	}
	for name, got := range map[string]uint64{
		"version": uint64(h.Version), "message_type": uint64(h.Type), "flags": uint64(h.Flags), "session_id": h.SessionID,
		"sequence_number": h.Sequence, "payload_length": uint64(h.PayloadLength), "checksum": uint64(h.Checksum),
		"encryption_type": uint64(h.Encryption), "timestamp": h.Timestamp,
	} {
		if got != m.Uint(name) {
			t.Fatalf("%s is %d, to the scribe %d", name, got, m.Uint(name))
		}
	}
	if !bytes.Equal(h.KeyID[:], m.Bytes("key_id")) || !bytes.Equal(wire.Nonce(front), m.Bytes("nonce")) ||
		!bytes.Equal(wire.Tag(front), m.Bytes("auth_tag")) {
		t.Fatal("key_id, nonce or auth_tag differ")
	}
	var back [wire.AADSize]byte
	h.Put(back[:], m.Bytes("nonce"))
	if err == nil && !bytes.Equal(back[:], testkit.AAD(front)) {
		t.Fatalf("put back: %x\nread:     %x", back, testkit.AAD(front))
	}
	sameShape(t, h)
}

// sameShape compares check 3 with the registry: reserved types, undefined flags and
// the flag matrix. ENCRYPTED is judged apart from it.
func sameShape(t *testing.T, h *wire.Header) {
	t.Helper()
	flags := uint16(h.Flags) &^ testkit.FlagValue("ENCRYPTED")
	known, inRange := spec.Default().TypeRange(uint8(h.Type))
	refused := inRange && known.Unknown == spec.UnknownRefused
	if _, named := spec.Default().Type(uint8(h.Type)); refused && !named != h.Type.Reserved() {
		t.Fatalf("type %02x is reserved: %v", uint8(h.Type), h.Type.Reserved())
	}
	if got, want := wire.LegalFlags(h.Type, h.Flags) && !h.Type.Reserved(), inMatrix(uint8(h.Type), flags); got != want {
		t.Fatalf("type %02x with flags %04x is legal: %v, by the matrix %v", uint8(h.Type), uint16(h.Flags), got, want)
	}
}

// sameChecksum compares the checksums of a whole frame. got may be changed.
func sameChecksum(t *testing.T, got, original []byte, f *testkit.Frame) {
	t.Helper()
	right := f.Header.Uint("checksum") == uint64(testkit.Checksum(original))
	if wire.VerifyChecksum(got, uint32(f.Header.Uint("checksum"))) != right {
		t.Fatalf("the checksum is right: %v to the scribe, not to the core", right)
	}
	wire.Finish(got)
	if !bytes.Equal(got, testkit.FixChecksum(original)) {
		t.Fatal("the core writes another checksum than the scribe")
	}
}
