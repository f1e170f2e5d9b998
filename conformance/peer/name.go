package peer

import (
	"bytes"
	"fmt"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/spec"
	"github.com/bpci/xtmp/vectors/testkit"
)

// The message types that this version implements.
const (
	typeHandshake    = 0x01
	typeHandshakeAck = 0x02
	typeHeartbeat    = 0x03
	typeDisconnect   = 0x04
	typeAck          = 0x05
	typeError        = 0xFE
)

// frameName says what a frame is, as far as its plaintext is known.
func frameName(f *testkit.Frame, p *testkit.Plaintext) string {
	t, known := spec.Default().Type(f.Type())
	name := t.Name
	if !known {
		name = fmt.Sprintf("type 0x%02X", f.Type())
	}
	if p == nil && f.Clear() && f.Header.Uint("encryption_type") == 0 {
		p, _ = testkit.DecodePlaintext(f.Type(), 0, f.Payload)
	}
	if p == nil {
		return name
	}
	if p.Envelope != nil {
		if hs, ok := spec.Default().HSType(uint8(p.Envelope.Uint("hs_type"))); ok {
			name = hs.Name
		}
		if n := p.Envelope.Uint("frag_count"); n > 1 {
			name += fmt.Sprintf(" %d of %d", p.Envelope.Uint("frag_index")+1, n)
		}
	}
	name += detail(f.Type(), p.Body)
	if mid := p.Prologue.Uint("mid"); mid != 0 {
		name += fmt.Sprintf(" mid %d", mid)
	}
	if reply := p.Prologue.Uint("reply_to"); reply != 0 {
		name += fmt.Sprintf(" in reply to %d", reply)
	}
	return name
}

func detail(messageType uint8, body []byte) string {
	switch messageType {
	case typeHeartbeat:
		if len(body) > 0 {
			return " " + testkit.Meaning("heartbeat.kind", body[:1])
		}
	case typeAck:
		m, _ := testkit.Decode("ack", 0, body)
		return ackDetail(m)
	case typeError:
		m, _ := testkit.Decode("error", 0, body)
		if m.Has("scope") {
			return fmt.Sprintf(" %s scope %d", testkit.Meaning("error.code", m.Bytes("code")), m.Uint("scope"))
		}
	}
	return ""
}

// ackDetail says what an Ack covers: of TCP everything up to a number, of UDP ranges.
func ackDetail(m *testkit.Message) string {
	if m.Uint("first_range") == 0 && m.Uint("range_count") == 0 {
		return fmt.Sprintf(" up to %d", m.Uint("largest"))
	}
	spans, sound := testkit.AckSpans(m)
	text := ""
	for i, s := range spans {
		if i == maxSpansNamed {
			return text + ", …"
		}
		if i > 0 {
			text += ","
		}
		text += fmt.Sprintf(" %d–%d", s.Low, s.High)
	}
	if !sound {
		text += ", unsound"
	}
	return text
}

// maxSpansNamed is how many ranges of an Ack its name holds.
const maxSpansNamed = 6

// fieldsOf turns parts into the fields of a report. A field that was sealed has its
// plaintext beside it, since the bytes at its place are ciphertext.
func fieldsOf(parts []testkit.Part, raw []byte) []conformance.Field {
	fields := make([]conformance.Field, 0, len(parts))
	for _, p := range parts {
		field := conformance.Field{Name: p.Label, Offset: p.Offset, Size: len(p.Bytes), Meaning: p.Meaning}
		if !bytes.Equal(raw[p.Offset:p.Offset+len(p.Bytes)], p.Bytes) {
			field.Opened = p.Bytes
		}
		fields = append(fields, field)
	}
	return fields
}

// ownParts names every byte of what we send: frames back to back, opened where we
// have the key that they name. Bytes without a name may be the middle of a frame.
func (c *Conn) ownParts(name string, raw []byte) []testkit.Part {
	if name == "" && !bytes.HasPrefix(raw, []byte("XTMP")) {
		return []testkit.Part{{Label: testkit.Rest, Bytes: raw}}
	}
	var all []testkit.Part
	for offset := 0; offset < len(raw); {
		f, rest, whole := testkit.DecodeFrame(raw[offset:])
		end := len(raw) - len(rest)
		parts := testkit.Annotate(raw[offset:end])
		for _, keys := range c.outbound {
			if opened, err := f.Open(keys); whole && err == nil {
				parts = openedParts(parts, f, opened)
			}
		}
		for _, p := range parts {
			p.Offset += offset
			all = append(all, p)
		}
		offset = end
		if !whole {
			break
		}
	}
	return all
}
