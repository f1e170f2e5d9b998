package fuzz_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/wire"
	"github.com/bpci/xtmp/vectors/testkit"
)

// FuzzSecurity seals and opens any frame under any traffic secret and every suite.
//
// Oracle: the core seals to the very bytes of the scribe; each opens what the
// other sealed, at any sequence number; with one byte of it changed, its checksum
// put right, at another sequence number or under another secret the core opens
// nothing; the bytes behind the frame in its buffer stay as they were.
func FuzzSecurity(f *testing.F) {
	for i, s := range stepsOfVectors(f) {
		if s.Plaintext != nil {
			f.Add(byte(i), s.Frame[:48], uint64(i), s.Plaintext, uint16(i))
		}
	}
	f.Fuzz(func(t *testing.T, suite byte, front []byte, sequence uint64, plaintext []byte, change uint16) {
		suite %= 4
		sequence %= wire.MaxSequence
		ts := security.Secret(testkit.Draw(testkit.Entropy(string(front)), security.HashSize))
		keys := testkit.DeriveKeys(ts[:]).For(suite)
		in := tape{front}
		h := wire.Header{
			Type: wire.MessageType(in.byte()), Flags: wire.Flags(in.uint16()) &^ wire.FlagEncrypted,
			SessionID: uint64(in.uint32())<<32 | uint64(in.uint32()), Timestamp: uint64(in.uint32()) << 24,
		}
		sealed := sealBoth(t, keys, &ts, h, plaintext)
		opener := security.NewOpener(wire.Suite(suite), &ts)
		mustOpen(t, &opener, sealed, 0, plaintext)

		p := pen{keys: keys, sequence: sequence, session: h.SessionID, stamp: h.Timestamp}
		written := p.frame(uint8(h.Type), uint16(h.Flags), plaintext, nil)
		mustOpen(t, &opener, written, sequence, plaintext)
		mustNotOpen(t, &opener, written, sequence^1<<(change%62))
		forged := slices.Clone(written)
		forged[int(change)%len(forged)] ^= 1 << (change >> 13)
		if !bytes.Equal(forged[28:32], written[28:32]) { // the checksum is not what the tag covers
			return
		}
		mustNotOpen(t, &opener, testkit.FixChecksum(forged), sequence)
		ts[change%security.HashSize] ^= 1
		other := security.NewOpener(wire.Suite(suite), &ts)
		mustNotOpen(t, &other, written, sequence)
	})
}

// sealBoth seals the second frame of a slot with both, and returns the first.
func sealBoth(t *testing.T, keys testkit.Keys, ts *security.Secret, h wire.Header, plaintext []byte) []byte {
	t.Helper()
	sealer := security.NewSealer(wire.Suite(keys.Suite), ts)
	p := pen{keys: keys, session: h.SessionID, stamp: h.Timestamp}
	var first []byte
	for i := range 2 {
		dst, start := security.Reserve([]byte("in front"))
		mine := h
		got, err := sealer.Seal(append(dst, plaintext...), start, &mine)
		if err != nil {
			t.Fatal(err)
		}
		if want := p.frame(uint8(h.Type), uint16(h.Flags), plaintext, nil); !bytes.Equal(got[start:], want) {
			t.Fatalf("frame %d\ncore:   %x\nscribe: %x", i, got[start:], want)
		}
		if i == 0 {
			first = got[start:]
		}
	}
	return first
}

// mustOpen opens a frame, in the middle of a buffer and at its end, with the core
// and with the scribe.
func mustOpen(t *testing.T, o *security.Opener, sealed []byte, sequence uint64, want []byte) {
	t.Helper()
	f, _, _ := testkit.DecodeFrame(sealed)
	behind := bytes.Repeat([]byte{0x5a}, 40)
	for _, room := range []int{0, 7, 40} {
		buffer := slices.Concat(sealed, behind[:room])
		in := buffer[:len(sealed):len(buffer)]
		if !wire.VerifyChecksum(in, uint32(f.Header.Uint("checksum"))) {
			t.Fatal("the checksum is wrong")
		}
		got, err := o.Open(in, sequence)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("opens to %x (%v), not to %x", got, err, want)
		}
		if !bytes.Equal(buffer[len(sealed):], behind[:room]) {
			t.Fatalf("the bytes behind the frame are now %x", buffer[len(sealed):])
		}
	}
}

func mustNotOpen(t *testing.T, o *security.Opener, sealed []byte, sequence uint64) {
	t.Helper()
	in := slices.Clone(sealed)
	clear(in[28:32]) // as VerifyChecksum leaves it
	if got, err := o.Open(in, sequence); err == nil {
		t.Fatalf("opens to %x", got)
	}
}
