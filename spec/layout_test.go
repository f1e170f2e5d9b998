package spec

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"hash/crc32"
	"maps"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"
)

// TestLayoutsGiveKnownFrames writes the frames of appendix B from the layouts, the
// AAD and the checksum of the registry alone.
func TestLayoutsGiveKnownFrames(t *testing.T) {
	header := map[string]uint64{
		"message_type": 0x03, "flags": 0x0001, "session_id": 0x1122334455667788, "sequence_number": 7, "timestamp": 1790000000000000,
	}
	clearHeader := map[string]uint64{"message_type": 0xFE, "timestamp": 1790000000000000}
	versionUnsupported := encode(t, "error", map[string]uint64{"code": 0x01, "scope": 1, "ref_seq": 1<<64 - 1}, nil)
	clearFrame := encode(t, "frame", clearHeader, map[string]int{"payload_length": len(versionUnsupported)})
	ping := []byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08")
	integrity := maps.Clone(header)
	integrity["flags"] = 0
	got := []string{
		hex.EncodeToString(sealed(t, header, 1, ping)),
		hex.EncodeToString(sealed(t, header, 3, []byte("ping"))),
		hex.EncodeToString(sealed(t, header, 2, ping)),
		hex.EncodeToString(sealed(t, integrity, 0, ping)),
		hex.EncodeToString(withChecksum(t, slices.Concat(clearFrame, versionUnsupported))),
	}
	if want := framesOfAppendix(t); !slices.Equal(got, want) {
		t.Errorf("frames from the registry\n got: %s\nwant: %s", strings.Join(got, "\n      "), strings.Join(want, "\n      "))
	}
}

// framesOfAppendix joins the first words of each code block of section B.3.
func framesOfAppendix(t *testing.T) []string {
	t.Helper()
	var frames []string
	for i, block := range strings.Split(appendixSection(t, "## B.3", "## B.4"), "```") {
		if i%2 == 0 {
			continue
		}
		frame := ""
		for line := range strings.Lines(strings.TrimSpace(block)) {
			frame += strings.Fields(line)[0]
		}
		frames = append(frames, frame)
	}
	return frames
}

// sealed writes a frame under the client's path key of appendix B.
func sealed(t *testing.T, header map[string]uint64, suite uint64, plaintext []byte) []byte {
	t.Helper()
	answers := knownAnswers(t)
	answer := func(name string) []byte {
		value, err := hex.DecodeString(answers["path client "+name])
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	frame := encode(t, "frame", header, map[string]int{"payload_length": len(plaintext), "encryption_type": int(suite)})
	nonce := newRun(t, "nonce", map[string][]byte{"iv": answer("iv"), "seq": {0, 0, 0, 0, 0, 0, 0, 7}})
	put(t, frame, "key_id", answer("key_id"))
	put(t, frame, "nonce", nonce.value("nonce_field"))
	aad := Default().Schedule.Seal.AAD
	if suite == 0 {
		tag := newRun(t, "integrity_tag", map[string][]byte{"key": answer("key"), "aad": frame[aad.From:aad.To], "payload": plaintext})
		put(t, frame, "auth_tag", tag.value("tag"))
		return withChecksum(t, slices.Concat(frame, plaintext))
	}
	box := aeadOf(t, suite, answer("key")).Seal(nil, nonce.value("nonce"), plaintext, frame[aad.From:aad.To])
	put(t, frame, "auth_tag", box[len(plaintext):])
	return withChecksum(t, slices.Concat(frame, box[:len(plaintext)]))
}

// aeadOf returns the AEAD that the table of suites names.
func aeadOf(t *testing.T, suite uint64, key []byte) cipher.AEAD {
	t.Helper()
	entry, _ := Default().Suite(uint8(suite))
	if entry.AEAD == "ChaCha20-Poly1305" {
		aead, err := chacha20poly1305.New(key)
		if err != nil {
			t.Fatal(err)
		}
		return aead
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return aead
}

func withChecksum(t *testing.T, frame []byte) []byte {
	t.Helper()
	sum := crc32.ChecksumIEEE(frame)
	put(t, frame, "checksum", []byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
	return frame
}

// put overwrites a field of the frame layout.
func put(t *testing.T, frame []byte, name string, value []byte) {
	t.Helper()
	layout, _ := Default().Layout("frame")
	field, ok := layout.Field(name)
	if !ok || len(value) != field.Size {
		t.Fatalf("field %s does not take %d bytes", name, len(value))
	}
	copy(frame[field.Offset:], value)
}

// encode writes the fixed fields of a layout; what has no value is zero.
func encode(t *testing.T, name string, values map[string]uint64, more map[string]int) []byte {
	t.Helper()
	layout, ok := Default().Layout(name)
	if !ok {
		t.Fatalf("no layout %s", name)
	}
	var out []byte
	for _, field := range layout.Fields {
		if !field.always() {
			break
		}
		value := values[field.Name] + uint64(more[field.Name])
		written := make([]byte, field.Size)
		for i := range written {
			if shift := 8 * (field.Size - 1 - i); shift < 64 {
				written[i] = byte(value >> shift)
			}
		}
		if fixed, err := hex.DecodeString(field.Value); err == nil && len(fixed) > 0 {
			written = fixed
		}
		out = append(out, written...)
	}
	if len(out) != layout.Prefix() {
		t.Fatalf("layout %s: wrote %d bytes, prefix is %d", name, len(out), layout.Prefix())
	}
	return out
}

// TestPrefixes pins the fixed parts that the text names in prose.
func TestPrefixes(t *testing.T) {
	for name, want := range map[string]int{
		"frame": 96, "prologue": 0, "envelope": 16, "client_hello": 1296, "server_hello": 1176, "flight_message": 4, "server_identity": 36,
		"server_params": 40, "server_signature_1": 64, "server_finished": 48, "client_finish": 48, "handshake_done": 56,
		"heartbeat": 1, "disconnect": 18, "ack": 16, "ack_range": 4, "error": 16, "tlv_entry": 4, "transcript_message": 4,
		"server_signature_2": 3373, "rekey_init": 1220, "rekey_resp": 1124, "probe": 8,
		"token": 48, "attach": 48, "attach_ack": 48, "attach_endpoint": 4,
	} {
		layout, ok := Default().Layout(name)
		if !ok || layout.Prefix() != want {
			t.Errorf("layout %s (found %t) has a prefix of %d bytes, want %d", name, ok, layout.Prefix(), want)
		}
	}
	if n := len(Default().Layouts); n != 27 {
		t.Errorf("%d layouts; pin the prefix of the new one here", n)
	}
	if frame, _ := Default().Layout("frame"); frame.Then == nil || !bytes.Contains([]byte(frame.Then.LenField), []byte("payload_length")) {
		t.Error("the payload does not follow the frame")
	}
}
