package testkit

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bpci/xtmp/spec"
)

func TestComposeAtRest(t *testing.T) {
	for _, tt := range []struct {
		layout string
		size   int
	}{
		{"frame", 96},
		{"client_hello", 1298},
		{"server_hello", 1178},
		{"server_identity", 78},
		{"server_params", 40},
		{"client_finish", 48},
		{"handshake_done", 56},
		{"heartbeat", 1},
		{"disconnect", 18},
		{"ack", 16},
		{"error", 16},
		{"envelope", 16},
	} {
		if got := len(Compose(tt.layout).Encode()); got != tt.size {
			t.Errorf("%s at rest has %d bytes, want %d", tt.layout, got, tt.size)
		}
	}
	if got := Compose("frame").Bytes("magic"); string(got) != "XTMP" {
		t.Errorf("magic at rest is %q", got)
	}
}

func TestPrologueFollowsFlags(t *testing.T) {
	sizes := map[string]int{"REQUIRES_ACK": 8, "REPLY": 8, "STREAMING": 12, "FRAGMENT": 8, "COMPRESSED": 4}
	for name, size := range sizes {
		if got := len(ComposeFlags("prologue", FlagValue(name)).Encode()); got != size {
			t.Errorf("prologue with %s has %d bytes, want %d", name, got, size)
		}
	}
	all := FlagValue("REQUIRES_ACK") | FlagValue("REPLY") | FlagValue("STREAMING") | FlagValue("FRAGMENT") | FlagValue("COMPRESSED")
	m := ComposeFlags("prologue", all)
	if got := len(m.Encode()); got != 40 {
		t.Errorf("the longest prologue has %d bytes, want 40", got)
	}
	m.SetUint("index", 1)
	if got := len(m.Encode()); got != 36 {
		t.Errorf("in index 1 it has %d bytes, want 36 without original_len", got)
	}
	if got := ComposeFlags("prologue", 0).SetUint("mid", 5).Encode(); !bytes.Equal(got, []byte{0, 0, 0, 0, 0, 0, 0, 5}) {
		t.Errorf("a mid that was set without its flag is written as %x", got)
	}
}

func TestAlterations(t *testing.T) {
	base := func() *Message {
		return Compose("disconnect").SetUint("reason", 0x0102).SetUint("last_mid_sent", 3).SetUint("last_mid_complete", 4)
	}
	for _, tt := range []struct {
		name  string
		alter func(*Message) *Message
		want  string
	}{
		{"nothing", func(m *Message) *Message { return m }, "0102 0000000000000003 0000000000000004"},
		{"cut", func(m *Message) *Message { return m.Cut("last_mid_sent") }, "0102 0000000000000004"},
		{"repeat", func(m *Message) *Message { return m.Repeat("reason") }, "0102 0102 0000000000000003 0000000000000004"},
		{"swap", func(m *Message) *Message { return m.Swap("reason", "last_mid_sent") }, "0000000000000003 0102 0000000000000004"},
		{"flip low", func(m *Message) *Message { return m.Flip("reason", 0) }, "0103 0000000000000003 0000000000000004"},
		{"flip high", func(m *Message) *Message { return m.Flip("reason", 15) }, "8102 0000000000000003 0000000000000004"},
		{"odd size", func(m *Message) *Message { return m.Set("reason", []byte{9}) }, "09 0000000000000003 0000000000000004"},
	} {
		want := unhex(t, strings.ReplaceAll(tt.want, " ", ""))
		if got := tt.alter(base()).Encode(); !bytes.Equal(got, want) {
			t.Errorf("%s: %x, want %x", tt.name, got, want)
		}
	}
}

func TestLengthsAreDerivedUnlessSet(t *testing.T) {
	m := Compose("server_identity").Set("identity_key", make([]byte, 33))
	if got := m.Uint("key_len"); got != 33 {
		t.Errorf("key_len is %d, want 33", got)
	}
	m.SetUint("key_len", 34)
	if got, _ := Decode("server_identity", 0, m.Encode()); got.Uint("key_len") != 34 {
		t.Errorf("key_len that was set is written as %d", got.Uint("key_len"))
	}
	ack := Compose("ack").Set("ranges", make([]byte, 8))
	if got := ack.Uint("range_count"); got != 2 {
		t.Errorf("range_count is %d, want 2", got)
	}
}

func TestTLVBlocks(t *testing.T) {
	block := TLVBlock(TLV{Type: 0x8001, Value: []byte("ab")}, TLV{Type: 2})
	if want := unhex(t, "000a"+"80010002"+"6162"+"00020000"); !bytes.Equal(block, want) {
		t.Errorf("block %x, want %x", block, want)
	}
	entries, fits := TLVEntries(block)
	if !fits || len(entries) != 2 || entries[0].Type != 0x8001 || string(entries[0].Value) != "ab" || entries[1].Type != 2 {
		t.Errorf("entries %v, %t", entries, fits)
	}
	for _, bad := range []string{"", "00", "0001", "0000ff", "0003800100", "000580010002ff"} {
		if entries, fits := TLVEntries(unhex(t, bad)); fits {
			t.Errorf("%q fits as %v", bad, entries)
		}
	}
}

// Every strict prefix of a whole message is short, or leaves nothing for the
// fields behind it, and is given back byte for byte.
func TestPrefixesAreShort(t *testing.T) {
	block := TLVBlock(TLV{Type: 0x8000, Value: []byte("x")})
	whole := Compose("server_identity").Set("identity_key", make([]byte, 33)).Set("extensions", block).Encode()
	for n := range len(whole) {
		m, rest := Decode("server_identity", 0, whole[:n])
		if !m.Short() || len(rest) != 0 || !bytes.Equal(m.Encode(), whole[:n]) {
			t.Fatalf("%d bytes: short %t, rest %d", n, m.Short(), len(rest))
		}
	}
	if m, rest := Decode("server_identity", 0, append(whole, 7)); m.Short() || !bytes.Equal(rest, []byte{7}) {
		t.Errorf("whole and one byte: short %t, rest %x", m.Short(), rest)
	}
}

// Whatever the bytes: nothing panics, nothing is lost, and the parts are the bytes.
func TestAnyBytesAreRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "data")
		flags := rapid.Uint16().Draw(t, "flags")
		layout := rapid.SampledFrom(spec.Default().Layouts).Draw(t, "layout").Name
		m, rest := Decode(layout, flags, data)
		if got := append(m.Encode(), rest...); !bytes.Equal(got, data) {
			t.Fatalf("%s: %x came back as %x", layout, data, got)
		}
		messageType := rapid.Uint8().Draw(t, "type")
		for what, parts := range map[string][]Part{
			"frame":     Annotate(data),
			"plaintext": AnnotatePlaintext(messageType, flags, data),
			"layout":    AnnotateLayout(layout, data),
		} {
			var joined []byte
			for _, p := range parts {
				if p.Offset != len(joined) {
					t.Fatalf("%s: part %s at %d, want %d", what, p.Label, p.Offset, len(joined))
				}
				joined = append(joined, p.Bytes...)
			}
			if !bytes.Equal(joined, data) {
				t.Fatalf("%s: parts of %x are %x", what, data, joined)
			}
		}
	})
}

func TestPlaintextOfAHandshakeMessage(t *testing.T) {
	p := NewPlaintext(0x02, FlagValue("REQUIRES_ACK"), make([]byte, 56))
	p.Prologue.SetUint("mid", 1)
	p.Envelope.SetUint("hs_type", 6).SetUint("handshake_id", 9)
	raw := p.Encode()
	if want := unhex(t, "0000000000000001"+"06000100"+"00000038"+"0000000000000009"); !bytes.Equal(raw[:24], want) || len(raw) != 80 {
		t.Errorf("plaintext begins %x and has %d bytes", raw[:24], len(raw))
	}
	back, short := DecodePlaintext(0x02, FlagValue("REQUIRES_ACK"), raw)
	if short || back.Prologue.Uint("mid") != 1 || back.Envelope.Uint("hs_type") != 6 || len(back.Body) != 56 {
		t.Errorf("read back as %+v", back)
	}
	labels := fmt.Sprint(labelsOf(AnnotatePlaintext(0x02, FlagValue("REQUIRES_ACK"), raw)))
	if want := "[prologue.mid envelope.hs_type envelope.frag_index envelope.frag_count envelope.token_len envelope.total_len " +
		"envelope.handshake_id handshake_done.address_token handshake_done.server_time]"; labels != want {
		t.Errorf("labels %s, want %s", labels, want)
	}
	if _, short := DecodePlaintext(0x02, FlagValue("REQUIRES_ACK"), raw[:23]); !short {
		t.Error("15 bytes of envelope do not count as short")
	}
}

func labelsOf(parts []Part) []string {
	var labels []string
	for _, p := range parts {
		labels = append(labels, p.Label)
	}
	return labels
}
