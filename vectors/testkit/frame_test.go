package testkit

import (
	"bytes"
	"hash/crc32"
	"strings"
	"testing"
)

// The three frames of appendix B.3.
const (
	knownPing = "58544d50010300011122334455667788000000000000000700000009143a3e46" +
		"01065bfeda25e0000c1c2e60dd9030ca2321f6b051e5b28a" +
		"e19b0bad18969cd2a184f150000000000000000000000000" +
		"bba2f78efbddf7d33241b98f99f8f757" +
		"c7bc718d8da49e4b6d"
	knownSuite3 = "58544d50010300011122334455667788000000000000000700000004b566db91" +
		"03065bfeda25e0000c1c2e60dd9030ca2321f6b051e5b28a" +
		"e19b0bad18969cd2a184f150000000000000000000000000" +
		"c10be7a240f18d056cab83239921fe09" +
		"b7d41de9"
	knownError = "58544d5001fe00000000000000000000000000000000000000000010c52b7eb0" +
		"00065bfeda25e00000000000000000000000000000000000" +
		"000000000000000000000000000000000000000000000000" +
		"00000000000000000000000000000000" +
		"0001010000000000ffffffffffffffff"
)

func pingFrame(body []byte) *Frame {
	f := NewFrame(0x03, 0)
	f.Header.DefaultUint("session_id", 0x1122334455667788).DefaultUint("timestamp", 1790000000000000)
	client, _ := pathKeys()
	return f.Seal(client, 7, body)
}

func TestKnownFrames(t *testing.T) {
	suite3 := NewFrame(0x03, 0)
	suite3.Header.DefaultUint("session_id", 0x1122334455667788).DefaultUint("timestamp", 1790000000000000).SetUint("encryption_type", 3)
	client, _ := pathKeys()
	suite3.Seal(client, 7, []byte("ping"))

	clearError := NewFrame(0xFE, 0)
	clearError.Header.DefaultUint("timestamp", 1790000000000000)
	clearError.Payload = Compose("error").SetUint("code", 1).SetUint("scope", 1).SetUint("ref_seq", 1<<64-1).Encode()

	for _, tt := range []struct {
		name  string
		frame *Frame
		want  string
	}{
		{"PING", pingFrame([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8}), knownPing},
		{"suite 3", suite3, knownSuite3},
		{"clear Error", clearError, knownError},
	} {
		if got := tt.frame.Encode(); !bytes.Equal(got, unhex(t, tt.want)) {
			t.Errorf("%s:\n%s\nwant %s", tt.name, Dump(Annotate(got)), tt.want)
		}
	}
}

func TestOpen(t *testing.T) {
	client, server := pathKeys()
	f, rest, whole := DecodeFrame(append(unhex(t, knownPing), 0xAA))
	if !whole || !bytes.Equal(rest, []byte{0xAA}) {
		t.Fatalf("whole %t, rest %x", whole, rest)
	}
	opened, err := f.Open(client)
	if err != nil || !bytes.Equal(opened, []byte{0, 1, 2, 3, 4, 5, 6, 7, 8}) {
		t.Errorf("opened %x, %v", opened, err)
	}
	if _, err := f.Open(server); err == nil {
		t.Error("it opens under the key of the other direction")
	}
	// Bytes 0 … 79 without the checksum are covered, and so is the payload.
	for i := range len(unhex(t, knownPing)) {
		raw := unhex(t, knownPing)
		raw[i] ^= 1
		changed, _, whole := DecodeFrame(raw)
		_, err := changed.Open(client)
		if covered := i < 28 || i >= 32; whole && covered == (err == nil) {
			t.Errorf("byte %d altered: %v", i, err)
		}
	}
}

func TestChecksum(t *testing.T) {
	if got := crc32.ChecksumIEEE([]byte("123456789")); got != 0xcbf43926 {
		t.Fatalf("CRC-32 of 123456789 is %08x", got)
	}
	raw := unhex(t, knownPing)
	if got := Checksum(raw); got != 0x143a3e46 {
		t.Errorf("checksum %08x, want 143a3e46", got)
	}
	raw[5] ^= 0xFF
	if fixed := FixChecksum(raw); Uint(fixed[28:32]) != uint64(Checksum(raw)) || bytes.Equal(fixed, raw) {
		t.Error("FixChecksum does not fix")
	}
	if got := FixChecksum([]byte("short")); string(got) != "short" {
		t.Errorf("FixChecksum of a stump is %q", got)
	}
}

func TestHeaderFieldThatWasSetStands(t *testing.T) {
	f := pingFrame([]byte{0})
	f.Header.SetUint("payload_length", 77).SetUint("checksum", 5).SetUint("sequence_number", 8)
	got, _ := Decode("frame", 0, f.Encode())
	if got.Uint("payload_length") != 77 || got.Uint("checksum") != 5 || got.Uint("sequence_number") != 8 {
		t.Errorf("encoded as\n%s", Dump(Annotate(got.Encode())))
	}
}

func TestAnnotateFrame(t *testing.T) {
	const want = "0 frame.magic|4 frame.version|5 frame.message_type|6 frame.flags|8 frame.session_id|16 frame.sequence_number|" +
		"24 frame.payload_length|28 frame.checksum|32 frame.encryption_type|33 frame.timestamp|40 frame.key_id|56 frame.nonce|" +
		"80 frame.auth_tag|96 error.code|98 error.scope|99 error.flags|100 error.retry_after_ms|104 error.ref_seq|112 rest"
	var labels []string
	for _, p := range Annotate(append(unhex(t, knownError), 1, 2)) {
		labels = append(labels, string(appendInt(nil, p.Offset))+" "+p.Label)
	}
	if got := strings.Join(labels, "|"); got != want {
		t.Errorf("labels\n%s\nwant\n%s", got, want)
	}
	dump := Dump(Annotate(unhex(t, knownError)))
	for _, words := range []string{"(Error)", "(VERSION_UNSUPPORTED)", "(path)", "(2026-09-21T14:13:20.000000Z)"} {
		if !strings.Contains(dump, words) {
			t.Errorf("the dump lacks %s:\n%s", words, dump)
		}
	}
}

func appendInt(out []byte, n int) []byte {
	if n >= 10 {
		out = appendInt(out, n/10)
	}
	return append(out, byte('0'+n%10))
}
