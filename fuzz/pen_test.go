package fuzz_test

import (
	"slices"

	"github.com/bpci/xtmp/spec"
	"github.com/bpci/xtmp/vectors/testkit"
)

// Flags of the header, as the registry names them.
var (
	flagRequiresAck = testkit.FlagValue("REQUIRES_ACK")
	flagPriority    = testkit.FlagValue("PRIORITY")
	flagStreaming   = testkit.FlagValue("STREAMING")
	flagCompressed  = testkit.FlagValue("COMPRESSED")
	flagFragment    = testkit.FlagValue("FRAGMENT")
	flagReply       = testkit.FlagValue("REPLY")
)

// A pen writes frames under one key slot, as the scribe writes them: it seals
// what it is told to and counts its sequence numbers.
type pen struct {
	keys     testkit.Keys
	sequence uint64
	session  uint64
	stamp    uint64
}

// frame returns a sealed frame around a plaintext. change, if not nil, may set
// fields of the header that are then authenticated.
func (p *pen) frame(messageType uint8, flags uint16, plaintext []byte, change func(*testkit.Message)) []byte {
	f := testkit.NewFrame(messageType, flags)
	f.Header.SetUint("session_id", p.session).SetUint("timestamp", p.stamp)
	if change != nil {
		change(f.Header)
	}
	f.Seal(p.keys, p.sequence, plaintext)
	p.sequence++
	return f.Encode()
}

// heard is a frame of a core as the scribe reads it.
type heard struct {
	typ       uint8
	flags     uint16 // without ENCRYPTED
	sequence  uint64
	plaintext *testkit.Plaintext
}

// body is the plaintext without its prologue.
func (h heard) body() []byte {
	var front []byte
	if h.plaintext.Envelope != nil {
		front = h.plaintext.Envelope.Encode()
	}
	return slices.Concat(front, h.plaintext.Body)
}

// listen takes a core's bytes apart. Every byte has to belong to a whole frame that
// opens under a key of the world, sequence numbers run on from next, and every
// frame is one that the flag matrix has.
func (w *world) listen(out []byte, next *uint64) (frames []heard) {
	w.t.Helper()
	for len(out) > 0 {
		f, rest, whole := testkit.DecodeFrame(out)
		if !whole {
			w.t.Fatalf("the core wrote %d bytes that are no whole frame: %x", len(out), out[:min(96, len(out))])
		}
		if f.Header.Uint("checksum") != uint64(testkit.Checksum(out[:len(out)-len(rest)])) {
			w.t.Fatal("the core wrote a wrong checksum")
		}
		i := slices.IndexFunc(w.keys, func(k testkit.Keys) bool { return slices.Equal(k.KeyID, f.Header.Bytes("key_id")) })
		if i < 0 {
			w.t.Fatalf("the core wrote a frame under a key that it does not have: %x", f.Header.Bytes("key_id"))
		}
		inside, err := f.Open(w.keys[i])
		if err != nil {
			w.t.Fatalf("the scribe does not open what the core sealed: %v", err)
		}
		if f.Sequence() != *next {
			w.t.Fatalf("the core wrote sequence number %d, not %d", f.Sequence(), *next)
		}
		*next++
		h := heard{typ: f.Type(), flags: f.Flags() &^ testkit.FlagValue("ENCRYPTED"), sequence: f.Sequence()}
		if !inMatrix(h.typ, h.flags) {
			w.t.Fatalf("the core wrote type %02x with flags %04x", h.typ, h.flags)
		}
		var short bool
		if h.plaintext, short = testkit.DecodePlaintext(h.typ, h.flags, inside); short {
			w.t.Fatalf("the core wrote a short prologue or envelope: type %02x, flags %04x, %x", h.typ, h.flags, inside)
		}
		frames = append(frames, h)
		out = rest
	}
	return frames
}

// inMatrix reports whether some row of the registry's flag matrix that is not for
// clear frames alone allows the flags, ENCRYPTED apart, on the type.
func inMatrix(messageType uint8, flags uint16) bool {
	for _, row := range spec.Default().FlagMatrix {
		spans := slices.ContainsFunc(row.Types, func(s spec.TypeSpan) bool { return s.From <= messageType && messageType <= s.To })
		if !spans || slices.Equal(row.Slots, []string{"clear"}) {
			continue
		}
		if rowAllows(row, flags) {
			return true
		}
	}
	return false
}

func rowAllows(row spec.FlagRow, flags uint16) bool {
	rules := []struct {
		rule spec.FlagRule
		flag uint16
	}{
		{row.RequiresAck, flagRequiresAck},
		{row.Reply, flagReply},
		{row.Streaming, flagStreaming},
		{row.Priority, flagPriority},
		{row.Fragment, flagFragment},
		{row.Compressed, flagCompressed},
	}
	for _, r := range rules {
		if set := flags&r.flag != 0; set && r.rule == spec.FlagClear || !set && r.rule == spec.FlagSet {
			return false
		}
		flags &^= r.flag
	}
	return flags == 0
}
