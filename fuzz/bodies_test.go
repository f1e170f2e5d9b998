package fuzz_test

import (
	"bytes"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/bpci/xtmp/refimpl/wire"
	"github.com/bpci/xtmp/spec"
	"github.com/bpci/xtmp/vectors/testkit"
)

// bodies are the layouts that the core parses. Each entry parses with the core,
// says what the text makes of the scribe's reading, and compares the fields. core
// returns the error of the core, the fields it read by name, and the bytes that
// it writes for them, nil where it writes another form than it may read.
var bodies = []struct {
	layout string
	core   func(b []byte) (fields map[string]any, back []byte, err error)
	valid  func(m *testkit.Message) bool // besides the form: all fields there, zero where they have to be
}{
	{"client_hello", clientHello, validClientHello},
	{"server_hello", serverHello, func(m *testkit.Message) bool { return validTLV("ServerHello", m.Bytes("extensions")) }},
	{"server_identity", serverIdentity, validIdentity},
	{"handshake_done", handshakeDone, always},
	{"rekey_init", rekeyInit, always},
	{"rekey_resp", rekeyResp, always},
	{"heartbeat", heartbeat, always},
	{"disconnect", disconnect, always},
	{"ack", ack, func(m *testkit.Message) bool { return m.Uint("first_range") == 0 && m.Uint("range_count") == 0 }},
	{"error", sealedError, func(m *testkit.Message) bool { return m.Uint("scope") <= 2 && !m.Has("token") }},
	{"error", clearError, func(m *testkit.Message) bool { return m.Uint("scope") <= 2 }},
	{"probe", probe, always},
	{"envelope", envelope, validEnvelope},
	{"ack", pathAck, validPairs},
}

// FuzzBodies parses any bytes as any body, with the core and with the registry.
//
// Oracle: the core accepts exactly what the layout and the rules of its chapter
// allow, reads the same values, and writes what it read byte for byte.
func FuzzBodies(f *testing.F) {
	seedBodies(f)
	f.Fuzz(func(t *testing.T, kind byte, body []byte) {
		sameBody(t, int(kind)%len(bodies), body)
	})
}

func sameBody(t *testing.T, kind int, body []byte) {
	t.Helper()
	b := bodies[kind]
	fields, back, err := b.core(body)
	m, rest := testkit.Decode(b.layout, 0, body)
	valid := !m.Short() && len(rest) == 0 && len(m.Fields) > 0 && zeroes(m) && b.valid(m)
	if valid != (err == nil) {
		story := testkit.Dump(testkit.AnnotateLayout(b.layout, body))
		t.Fatalf("%s of %d bytes is valid: %v; the core says: %v\n%s", b.layout, len(body), valid, err, story)
	}
	if !valid {
		return
	}
	for name, got := range fields {
		want := m.Bytes(name)
		switch got := got.(type) {
		case []byte:
			if !bytes.Equal(got, want) {
				t.Fatalf("%s.%s is %x to the core, %x to the scribe", b.layout, name, got, want)
			}
		case uint64:
			if got != testkit.Uint(want) {
				t.Fatalf("%s.%s is %d to the core, %d to the scribe", b.layout, name, got, testkit.Uint(want))
			}
		}
	}
	if back != nil && !bytes.Equal(back, body) {
		t.Fatalf("%s is written back as\n%x\n%x", b.layout, back, body)
	}
}

// seedBodies adds the body of every frame of the vectors under every kind of its
// layout, and every layout at rest.
func seedBodies(f *testing.F) {
	for i, b := range bodies {
		f.Add(byte(i), testkit.Compose(b.layout).Encode())
	}
	for _, s := range stepsOfVectors(f) {
		inside, flags := s.Plaintext, uint16(0)
		h, _, _ := testkit.DecodeFrame(s.Frame)
		if inside == nil {
			inside = h.Payload
		} else {
			flags = h.Flags()
		}
		p, _ := testkit.DecodePlaintext(h.Type(), flags, inside)
		hs := uint8(0)
		if p.Envelope != nil {
			hs = uint8(p.Envelope.Uint("hs_type"))
		}
		layout, repeated := testkit.BodyLayout(h.Type(), hs)
		body := p.Body
		if repeated { // ServerFlight
			parts, _ := testkit.FlightMessages(body)
			layout, body = "server_identity", nil
			if len(parts) > 0 {
				body = parts[0].Bytes("body")
			}
		}
		for i, b := range bodies {
			if b.layout == layout {
				f.Add(byte(i), body)
			}
		}
		if p.Envelope != nil {
			f.Add(byte(len(bodies)-1), slices.Concat(p.Envelope.Encode(), p.Body))
		}
	}
}

func always(*testkit.Message) bool { return true }

// zeroes reports whether the fields that the text wants zero are.
func zeroes(m *testkit.Message) bool {
	return !slices.ContainsFunc(m.Fields, func(f testkit.Field) bool {
		return f.Spec.Kind == spec.KindZero && testkit.Uint(f.Bytes) != 0
	})
}

// validTLV judges a TLV block in a message by the registry of TLVs.
func validTLV(message string, block []byte) bool {
	entries, fits := testkit.TLVEntries(block)
	last := -1
	for _, e := range entries {
		if int(e.Type) <= last || !knownTLV(message, e.Type) {
			return false
		}
		last = int(e.Type)
	}
	return fits
}

// knownTLV reports whether a TLV type of a message is accepted: known by a name and
// not reserved, or of the range that is ignored.
func knownTLV(message string, t uint16) bool {
	for _, row := range spec.Default().TLVs {
		if row.From <= t && t <= row.To {
			return row.Rule == "ignored" || row.Message == message && row.Name == "attach_endpoints"
		}
	}
	return false
}

func validClientHello(m *testkit.Message) bool {
	used := m.Bytes("suites") // unused slots are last
	for len(used) > 0 && used[len(used)-1] == 0xff {
		used = used[:len(used)-1]
	}
	return bytes.IndexByte(used, 0xff) < 0 && validTLV("ClientHello", m.Bytes("extensions"))
}

func validIdentity(m *testkit.Message) bool {
	p, _ := testkit.Decode("server_params", 0, m.Bytes("params"))
	attach := p.Uint("policy")&2 != 0
	within := func(name string, least, most uint64) bool { return p.Uint(name) >= least && p.Uint(name) <= most }
	return m.Uint("flags")&1 == min(m.Uint("key_len"), 1) && validTLV("ServerIdentity", m.Bytes("extensions")) &&
		within("max_payload", 65536, 16777216) && within("idle_timeout_ms", 1, 1<<32-1) && within("key_rotation_s", 1, 1<<32-1) &&
		within("reassembly_bytes", 262144, 1<<32-1) && (!attach || within("max_datagram", 1200, 1452))
}

// validEnvelope is the envelope on TCP. [XTMP-ENV-007] to [XTMP-ENV-011]
func validEnvelope(m *testkit.Message) bool {
	return m.Uint("frag_count") == 1 && m.Uint("frag_index") == 0 && m.Uint("token_len") == 0 &&
		m.Uint("total_len") == uint64(len(m.Bytes("fragment"))) && m.Uint("total_len") <= 8192
}

// validPairs are the pairs of an Ack on UDP. [XTMP-ACK-028] [XTMP-ACK-029]
func validPairs(m *testkit.Message) bool {
	pairs, low := m.Bytes("ranges"), m.Uint("largest")-m.Uint("first_range")
	if m.Uint("first_range") > m.Uint("largest") || m.Uint("range_count") > 32 || uint64(len(pairs)) != 4*m.Uint("range_count") {
		return false
	}
	for ; len(pairs) > 0; pairs = pairs[4:] {
		missing, received := testkit.Uint(pairs[:2]), testkit.Uint(pairs[2:4])
		if missing == 0 || received == 0 || missing+received > low {
			return false
		}
		low -= missing + received
	}
	return true
}

func validUTF8(text []byte) []byte {
	if utf8.Valid(text) {
		return text
	}
	return nil
}

// TestParsingAllocatesNothing parses every seed: what aliases its input takes no
// memory for what a header promises.
func TestParsingAllocatesNothing(t *testing.T) {
	for _, s := range stepsOfVectors(t) {
		var (
			h  wire.Header
			e  wire.Envelope
			ch wire.ClientHello
			sh wire.ServerHello
			si wire.ServerIdentity
			er wire.Error
			pr wire.Prologue
		)
		if n := testing.AllocsPerRun(5, func() {
			for b := s.Frame; len(b) > 0; b = b[min(96, len(b)):] {
				_ = wire.ParseHeader(b, &h)
				_, _ = wire.ParseStreamEnvelope(b, &e)
				_, _ = pr.Parse(h.Flags, b)
				_, _, _ = ch.Parse(b), sh.Parse(b), si.Parse(b)
				_ = er.Parse(b, true)
			}
		}); n > 0 {
			t.Fatalf("%v allocations for %d bytes: %x", n, len(s.Frame), s.Frame)
		}
	}
}
