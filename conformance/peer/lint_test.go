package peer

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/bpci/xtmp/vectors/testkit"
)

// setHeader returns a hook that spoils header fields in one slot.
func setHeader(slot string, change func(*testkit.Message)) func(string, *testkit.Frame) {
	return func(in string, f *testkit.Frame) {
		if in == slot {
			change(f.Header)
		}
	}
}

func setUint(field string, value uint64) func(*testkit.Message) {
	return func(m *testkit.Message) { m.SetUint(field, value) }
}

func flip(field string, bit int) func(*testkit.Message) {
	return func(m *testkit.Message) { m.Flip(field, bit) }
}

func helloHeader(change func(*testkit.Message)) func(*testkit.Frame) {
	return func(f *testkit.Frame) { change(f.Header) }
}

// TestHandshakeDeviations spoils one thing of a correct server and wants exactly
// that to be reported, by its requirement.
func TestHandshakeDeviations(t *testing.T) {
	extension := func(types ...uint16) func(*testkit.Message) {
		return func(m *testkit.Message) {
			var entries []testkit.TLV
			for _, id := range types {
				entries = append(entries, testkit.TLV{Type: id})
			}
			m.Set("extensions", testkit.TLVBlock(entries...))
		}
	}
	swap := func(m [][]byte) [][]byte { m[0], m[1] = m[1], m[0]; return m }
	for _, tt := range []struct {
		req, name string
		server    counterpart
	}{
		{"XTMP-HDR-001", "magic", counterpart{helloFrame: helloHeader(flip("magic", 0))}},
		{"XTMP-HDR-002", "version byte", counterpart{helloFrame: helloHeader(setUint("version", 2))}},
		{"XTMP-HDR-021", "checksum", counterpart{helloFrame: helloHeader(setUint("checksum", 1))}},
		{"XTMP-HDR-029", "sequence number", counterpart{helloFrame: helloHeader(setUint("sequence_number", 1))}},
		{"XTMP-HDR-030", "flags of a clear frame", counterpart{helloFrame: helloHeader(setUint("flags", 4))}},
		{"XTMP-FLG-001", "undefined flag", counterpart{helloFrame: helloHeader(setUint("flags", 0x80))}},
		{"XTMP-HDR-028", "ENCRYPTED", counterpart{helloFrame: helloHeader(setUint("flags", 1))}},
		{"XTMP-TYP-001", "type", counterpart{helloFrame: helloHeader(setUint("message_type", 0))}},
		{"XTMP-HDR-004", "payload_length", counterpart{helloFrame: helloHeader(setUint("payload_length", 8209))}},
		{"XTMP-ENV-001", "frag_index", counterpart{envelope: setUint("frag_index", 1)}},
		{"XTMP-ENV-001", "frag_count", counterpart{envelope: setUint("frag_count", 2)}},
		{"XTMP-ENV-003", "total_len", counterpart{envelope: setUint("total_len", 1)}},
		{"XTMP-ENV-005", "handshake_id", counterpart{envelope: flip("handshake_id", 3)}},
		{"XTMP-HSK-089", "hs_type", counterpart{envelope: setUint("hs_type", 2)}},
		{"XTMP-CON-004", "short ServerHello", counterpart{hello: func(m *testkit.Message) { m.Cut("random") }}},
		{"XTMP-CON-002", "zero field of ServerHello", counterpart{hello: flip("zero", 5)}},
		{"XTMP-HSK-011", "version", counterpart{hello: setUint("version", 2)}},
		{"XTMP-TRU-020", "suite", counterpart{hello: setUint("suite", 2)}},
		{"XTMP-HSK-013", "session_id of the body", counterpart{hello: setUint("session_id", 5)}},
		{"XTMP-HDR-012", "session_id 2^53", counterpart{
			hello: setUint("session_id", 1<<53), helloFrame: helloHeader(setUint("session_id", 1<<53)),
		}},
		{"XTMP-HSK-014", "server_time", counterpart{hello: setUint("server_time", 1)}},
		{"XTMP-TYP-020", "TLV order", counterpart{hello: extension(0x9000, 0x8000)}},
		{"XTMP-TYP-023", "TLV of ServerHello", counterpart{hello: extension(2)}},
		{"XTMP-KEY-006", "X25519 zero", counterpart{hello: func(m *testkit.Message) { m.Set("x25519", make([]byte, 32)) }}},
		{"XTMP-NON-001", "key_id", counterpart{after: setHeader("flight", flip("key_id", 0))}},
		{"XTMP-HDR-024", "tag", counterpart{after: setHeader("flight", flip("auth_tag", 0))}},
		{"XTMP-HDR-005", "encryption_type", counterpart{sealed: setHeader("flight", setUint("encryption_type", 2))}},
		{"XTMP-HDR-020", "session_id of the flight", counterpart{sealed: setHeader("flight", setUint("session_id", 2))}},
		{"XTMP-NON-007", "sequence number of the flight", counterpart{sealed: setHeader("flight", setUint("sequence_number", 1))}},
		{"XTMP-NON-002", "nonce field", counterpart{sealed: setHeader("flight", flip("nonce", 0))}},
		{"XTMP-HSK-022", "order", counterpart{flight: swap}},
		{"XTMP-HSK-022", "missing", counterpart{flight: func(m [][]byte) [][]byte { return m[:2] }}},
		{"XTMP-HSK-022", "extra", counterpart{flight: func(m [][]byte) [][]byte { return append(m, []byte{0}) }}},
		{"XTMP-HSK-026", "kind", counterpart{identity: setUint("kind", 2)}},
		{"XTMP-HSK-024", "flag of the key", counterpart{identity: setUint("flags", 0)}},
		{"XTMP-TYP-014", "undefined flag of ServerIdentity", counterpart{identity: setUint("flags", 3)}},
		{"XTMP-TRU-007", "fingerprint", counterpart{identity: flip("fingerprint", 0)}},
		{"XTMP-TRU-008", "key", counterpart{identity: flip("identity_key", 9)}},
		{"XTMP-HSK-043", "signature", counterpart{signature: func(b []byte) []byte { b[0] ^= 1; return b }}},
		{"XTMP-HSK-044", "MAC", counterpart{finished: func(b []byte) []byte { return append([]byte{b[0] ^ 1}, b[1:]...) }}},
		{"XTMP-HSK-028", "max_payload", counterpart{params: setUint("max_payload", 65_535)}},
		{"XTMP-HSK-028", "max_payload", counterpart{params: setUint("max_payload", 16<<20+1)}},
		{"XTMP-HSK-029", "idle_timeout_ms", counterpart{params: setUint("idle_timeout_ms", 0)}},
		{"XTMP-HSK-030", "key_rotation_s", counterpart{params: setUint("key_rotation_s", 0)}},
		{"XTMP-HSK-031", "max_datagram", counterpart{params: setUint("max_datagram", 1199)}},
		{"XTMP-HSK-031", "max_datagram", counterpart{params: setUint("max_datagram", 1453)}},
		{"XTMP-HSK-032", "reassembly_bytes", counterpart{params: setUint("reassembly_bytes", 262_143)}},
		{"XTMP-TYP-033", "policy", counterpart{params: setUint("policy", 4)}},
		{"XTMP-TYP-014", "policy", counterpart{params: setUint("policy", 0x10)}},
		{"XTMP-TYP-024", "TLV of ServerIdentity", counterpart{identity: extension(2)}},
		{"XTMP-HSK-054", "mid of HandshakeDone", counterpart{prologue: setUint("mid", 2)}},
		{"XTMP-HSK-055", "address_token", counterpart{done: flip("address_token", 0)}},
		{"XTMP-HSK-056", "server_time of HandshakeDone", counterpart{done: setUint("server_time", 1)}},
		{"XTMP-NON-008", "first sequence number", counterpart{sealed: setHeader("path", setUint("sequence_number", 1))}},
		{"XTMP-TIM-001", "timestamp", counterpart{sealed: setHeader("path", setUint("timestamp", 1))}},
		{"XTMP-FLG-003", "flags", counterpart{sealed: setHeader("path", setUint("flags", 3|8))}},
	} {
		c := dial(t, &tt.server)
		_, err := c.Handshake(Script{Lenient: true})
		if strictErr := err; strictErr == nil && len(c.Violations()) == 0 {
			t.Errorf("%s (%s): nothing was reported", tt.req, tt.name)
			continue
		}
		if !slices.ContainsFunc(c.Violations(), func(d *Deviation) bool { return d.Req == tt.req }) {
			t.Errorf("%s (%s): reported %v, error %v", tt.req, tt.name, c.Violations(), err)
		}
	}
}

func TestStrictHandshakeFailsWhereLenientGoesOn(t *testing.T) {
	spoiled := func() *counterpart { return &counterpart{params: setUint("policy", 4)} }
	if s, err := dial(t, spoiled()).Handshake(Script{Lenient: true}); err != nil || len(s.Violations()) != 1 {
		t.Errorf("lenient: %v", err)
	}
	_, err := dial(t, spoiled()).Handshake(Script{})
	var d *Deviation
	if !errors.As(err, &d) || d.Req != "XTMP-TYP-033" {
		t.Errorf("strict: %v, want XTMP-TYP-033", err)
	}
}

// TestFrameDeviations spoils what a server sends on the established session.
func TestFrameDeviations(t *testing.T) {
	send := func(messageType uint8, flags uint16, body []byte) func(*counterpart) {
		return func(s *counterpart) { s.send(messageType, flags, body) }
	}
	errorBody := func(change func(*testkit.Message)) []byte {
		m := testkit.Compose("error").SetUint("code", 9).SetUint("ref_seq", 1<<64-1)
		change(m)
		return m.Encode()
	}
	disconnect := func(field string, value uint64) []byte {
		return testkit.Compose("disconnect").SetUint("last_mid_sent", 1).SetUint(field, value).Encode()
	}
	ack := func(field string, value uint64) []byte {
		return testkit.Compose("ack").SetUint("largest", 1).SetUint(field, value).Encode()
	}
	for _, tt := range []struct {
		req, name string
		send      func(*counterpart)
	}{
		{"XTMP-HBT-001", "empty Heartbeat", send(3, 0, nil)},
		{"XTMP-HBT-001", "long Heartbeat", send(3, 0, make([]byte, 65))},
		{"XTMP-FLG-003", "Heartbeat with REQUIRES_ACK", send(3, flagAck, []byte{1})},
		{"XTMP-FLG-003", "type 0x01", send(1, flagAck, nil)},
		{"XTMP-MSG-011", "mid skipped", func(s *counterpart) { s.mid++; s.replyTo(1, 0x70, nil) }},
		{"XTMP-MSG-003", "reply to nothing", func(s *counterpart) { s.replyTo(9, 0x70, nil) }},
		{"XTMP-MSG-002", "type of a reply", func(s *counterpart) { s.replyTo(1, 0x71, nil) }},
		{"XTMP-MSG-001", "two replies", func(s *counterpart) { s.replyTo(1, 0x70, nil); s.replyTo(1, 0x70, nil) }},
		{"XTMP-NON-009", "sequence number skipped", func(s *counterpart) { s.sequence++; s.send(3, 0, []byte{1}) }},
		{"XTMP-HDR-031", "clear Error in a session", func(s *counterpart) {
			f := testkit.NewFrame(0xFE, 0)
			f.Payload = ErrorBody(7, 1, 1<<64-1, "")
			_, _ = s.nc.Write(f.Encode())
		}},
		{"XTMP-ACK-006", "long Ack", send(5, 0, make([]byte, 17))},
		{"XTMP-ACK-002", "ack_delay_us", send(5, 0, ack("ack_delay_us", 1))},
		{"XTMP-ACK-002", "first_range", send(5, 0, ack("first_range", 1))},
		{"XTMP-CON-002", "zero byte of an Ack", send(5, 0, ack("zero", 1))},
		{"XTMP-ACK-001", "Ack of the future", send(5, 0, AckBody(99))},
		{"XTMP-ACK-012", "Ack of what was answered", func(s *counterpart) { s.replyTo(1, 0x70, nil); s.send(5, 0, AckBody(1)) }},
		{"XTMP-DSC-010", "long Disconnect", send(4, 0, make([]byte, 19))},
		{"XTMP-DSC-001", "reason", send(4, 0, disconnect("reason", 0x99))},
		{"XTMP-DSC-002", "last mid sent", send(4, 0, disconnect("last_mid_sent", 7))},
		{"XTMP-DSC-003", "last mid complete", send(4, 0, disconnect("last_mid_complete", 7))},
		{"XTMP-DSC-004", "frame after Disconnect", func(s *counterpart) {
			s.send(4, 0, disconnect("reason", 0))
			s.send(3, 0, []byte{1})
		}},
		{"XTMP-ERR-013", "frame after an Error of scope 2", func(s *counterpart) {
			s.send(0xFE, 0, ErrorBody(0x15, 2, 1, ""))
			s.send(3, 0, []byte{1})
		}},
		{"XTMP-CON-004", "short Error", send(0xFE, 0, make([]byte, 15))},
		{"XTMP-ERR-009", "token", send(0xFE, 0, errorBody(func(m *testkit.Message) { m.SetUint("flags", 1) }))},
		{"XTMP-ERR-010", "long text", send(0xFE, 0, errorBody(func(m *testkit.Message) { m.Set("text", make([]byte, 257)) }))},
		{"XTMP-ERR-011", "text", send(0xFE, 0, errorBody(func(m *testkit.Message) { m.Set("text", []byte{0xC3}) }))},
		{"XTMP-ERR-004", "scope of a reply", func(s *counterpart) { s.replyTo(1, 0xFE, ErrorBody(9, 2, 1<<64-1, "")) }},
		{"XTMP-ERR-006", "ref_seq of a reply", func(s *counterpart) { s.replyTo(1, 0xFE, ErrorBody(9, 0, 1, "")) }},
		{"XTMP-ERR-008", "ref_seq", send(0xFE, 0, ErrorBody(0x15, 2, 99, ""))},
		{"XTMP-ERR-001", "code in a scope", send(0xFE, 0, ErrorBody(0x15, 0, 1, ""))},
		{"XTMP-ERR-001", "unknown code", send(0xFE, 0, ErrorBody(0x1234, 2, 1, ""))},
		{"XTMP-TYP-004", "long exercise", send(0x90, 0, make([]byte, 65))},
		{"XTMP-TYP-003", "two exercises", func(s *counterpart) { s.send(0x90, 0, nil); s.send(0x91, 0, nil) }},
	} {
		s := connect(t, &counterpart{reply: func(s *counterpart, f frame) {
			if f.Type() == 0x70 {
				tt.send(s)
				_ = s.nc.Close()
			}
		}})
		if _, err := s.Request(0x70, nil); err != nil {
			t.Fatal(err)
		}
		_, _ = s.Drain(0)
		found := s.Violations()
		if !slices.ContainsFunc(found, func(d *Deviation) bool { return d.Req == tt.req }) {
			t.Errorf("%s (%s): reported %v", tt.req, tt.name, found)
		}
	}
}

func TestClearErrorIsLinted(t *testing.T) {
	clearError := func(change func(*testkit.Frame, *testkit.Message)) []byte {
		f, m := testkit.NewFrame(0xFE, 0), testkit.Compose("error").SetUint("code", 7).SetUint("scope", 1).SetUint("ref_seq", 1<<64-1)
		change(f, m)
		f.Payload = m.Encode()
		return f.Encode()
	}
	for _, tt := range []struct {
		req string
		raw []byte
	}{
		{"", clearError(func(*testkit.Frame, *testkit.Message) {})},
		{"XTMP-HDR-016", clearError(func(f *testkit.Frame, _ *testkit.Message) { f.Header.SetUint("session_id", 1) })},
		{"XTMP-ERR-005", clearError(func(_ *testkit.Frame, m *testkit.Message) { m.SetUint("scope", 2) })},
		{"XTMP-ERR-006", clearError(func(_ *testkit.Frame, m *testkit.Message) { m.SetUint("ref_seq", 0) })},
		{"XTMP-ERR-001", clearError(func(_ *testkit.Frame, m *testkit.Message) { m.SetUint("code", 8) })},
	} {
		c := dial(t, &counterpart{instead: tt.raw})
		_, err := c.Handshake(Script{})
		var e *ErrorFrame
		if !errors.As(err, &e) {
			t.Errorf("%s: the handshake ended with %v", tt.req, err)
		}
		var got []string
		for _, d := range c.Violations() {
			got = append(got, d.Req)
		}
		if strings.Join(got, " ") != tt.req {
			t.Errorf("reported %q, want %q", got, tt.req)
		}
	}
}
