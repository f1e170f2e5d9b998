package vectors

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/bpci/xtmp/vectors/testkit"
)

// The frames worked out by hand come out of the scribe byte for byte, from the
// values that their comments and given values name.
func TestScribeReproducesHandWorkedFrames(t *testing.T) {
	const start = 1790000000000000
	cfMAC := handValue(t, "01-client-finish", "cf_mac")
	handshakeID := []byte{0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7}
	rekeyID := []byte{0xD0, 0xD1, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7}
	var ack, priority, reply uint16 = 0x0002, 0x0004, 0x0040
	for _, tt := range []struct {
		id          string
		messageType uint8
		flags       uint16
		stamp       uint64
		body        *testkit.Message
		edit        func(*testkit.Plaintext)
	}{
		{"01-client-finish", 0x01, 0, 1, testkit.Compose("client_finish").Set("mac", cfMAC), func(p *testkit.Plaintext) {
			p.Envelope.SetUint("hs_type", 5).Set("handshake_id", handshakeID)
		}},
		{"02-handshake-done", 0x02, ack, 2, testkit.Compose("handshake_done").SetUint("server_time", start+2), func(p *testkit.Plaintext) {
			p.Prologue.SetUint("mid", 1)
			p.Envelope.SetUint("hs_type", 6).Set("handshake_id", handshakeID)
		}},
		{"03-ping", 0x03, 0, 3, testkit.Compose("heartbeat").Set("data", []byte{0xDE, 0xAD, 0xBE, 0xEF}), nil},
		{"04-disconnect", 0x04, priority, 4, testkit.Compose("disconnect").SetUint("last_mid_sent", 1).SetUint("last_mid_complete", 2), nil},
		{"05-ack", 0x05, 0, 5, testkit.Compose("ack").SetUint("largest", 1), nil},
		{"fe-reply", 0xFE, ack | reply, 6, errorText(9, 0, "not known: 0x50 ½"), func(p *testkit.Plaintext) {
			p.Prologue.SetUint("mid", 2).SetUint("reply_to", 1)
		}},
		{"fe-clear", 0xFE, 0, 7, errorText(1, 1, "speak 1"), nil},
		{"01-rekey-init", 0x01, ack, 8, handRekeyInit(), func(p *testkit.Plaintext) {
			p.Prologue.SetUint("mid", 1)
			p.Envelope.SetUint("hs_type", 32).Set("handshake_id", rekeyID)
		}},
		{"02-rekey-resp", 0x02, ack | reply, 9, handRekeyResp(), func(p *testkit.Plaintext) {
			p.Prologue.SetUint("mid", 2).SetUint("reply_to", 1)
			p.Envelope.SetUint("hs_type", 33).Set("handshake_id", rekeyID)
		}},
		{"70-probe", 0x70, ack, 10, testkit.Compose("probe").Set("data", []byte("abc")), func(p *testkit.Plaintext) {
			p.Prologue.SetUint("mid", 1)
		}},
	} {
		v, err := Load("hand/" + tt.id)
		if err != nil {
			t.Fatal(err)
		}
		d := testkit.NewDraft(tt.messageType, tt.flags, start+tt.stamp)
		d.Body = tt.body
		if tt.edit != nil {
			tt.edit(d.Plaintext)
		}
		if ts := v.GivenValue("ts"); ts != nil {
			keys := testkit.DeriveKeys(ts)
			d.Keys, d.Sequence = &keys, testkit.Uint(v.GivenValue("sequence"))
			d.Frame.Header.Default("session_id", v.GivenValue("session_id"))
		}
		if got, want := d.Encode(), v.Last().Frame; !bytes.Equal(got, want) {
			t.Errorf("%s: worked out by hand\n%s\nwritten by the scribe\n%s",
				v.ID, testkit.Dump(testkit.Annotate(want)), testkit.Dump(testkit.Annotate(got)))
		}
	}
}

// Every message type of this version has a frame that was worked out by hand.
func TestHandWorkedTypes(t *testing.T) {
	seen := map[uint8]bool{}
	for _, v := range All() {
		if strings.HasPrefix(v.ID, "hand/") {
			f, _, _ := testkit.DecodeFrame(v.Last().Frame)
			seen[f.Type()] = true
		}
	}
	for _, messageType := range []uint8{0x01, 0x02, 0x03, 0x04, 0x05, 0x70, 0xFE} {
		if !seen[messageType] {
			t.Errorf("no frame of type 0x%02X was worked out by hand", messageType)
		}
	}
}

// run returns n bytes that begin with from and count up.
func run(from byte, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = from + byte(i)
	}
	return out
}

func handRekeyInit() *testkit.Message {
	key := slices.Concat(make([]byte, 1152), run(1, 32))
	return testkit.Compose("rekey_init").SetUint("epoch", 1).Set("x25519", testkit.X25519Public(run(0x20, 32))).Set("mlkem768_ek", key)
}

func handRekeyResp() *testkit.Message {
	m := testkit.Compose("rekey_resp").SetUint("epoch", 1)
	return m.Set("x25519", testkit.X25519Public(run(0x40, 32))).Set("mlkem768_ct", run(0, 1088))
}

func handValue(t *testing.T, id, name string) []byte {
	t.Helper()
	v, err := Load("hand/" + id)
	if err != nil {
		t.Fatal(err)
	}
	return v.GivenValue(name)
}

func errorText(code, scope uint64, text string) *testkit.Message {
	return testkit.Compose("error").SetUint("code", code).SetUint("scope", scope).SetUint("ref_seq", 1<<64-1).Set("text", []byte(text))
}
