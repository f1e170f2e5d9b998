package testkit

import "github.com/bpci/xtmp/spec"

// A Plaintext is what a sealed frame holds: prologue, envelope (types that have
// one), body. A clear frame holds the same without prologue.
type Plaintext struct {
	Prologue *Message
	Envelope *Message // nil if the type has none; without its last field, the body
	Body     []byte
}

// NewPlaintext returns the plaintext of a frame of that type and flags around a
// body. Its envelope is that of an unfragmented message.
func NewPlaintext(messageType uint8, flags uint16, body []byte) *Plaintext {
	p := &Plaintext{Prologue: ComposeFlags("prologue", flags), Body: body}
	if HasEnvelope(messageType) {
		p.Envelope = Compose("envelope").Cut("fragment").DefaultUint("frag_count", 1)
	}
	return p
}

// Encode returns the bytes of the plaintext. It fills in total_len unless the
// caller has set it.
func (p *Plaintext) Encode() []byte {
	out := p.Prologue.Encode()
	if p.Envelope != nil {
		p.Envelope.DefaultUint("total_len", uint64(len(p.Body)))
		out = append(out, p.Envelope.Encode()...)
	}
	return append(out, p.Body...)
}

// DecodePlaintext splits the plaintext of a frame of that type and flags. A
// clear frame has no prologue: its flags count as 0. Short says that prologue or
// envelope are not all there.
func DecodePlaintext(messageType uint8, flags uint16, data []byte) (p *Plaintext, short bool) {
	prologue, rest := Decode("prologue", flags, data)
	p = &Plaintext{Prologue: prologue, Body: rest}
	if prologue.Short() {
		return p, true
	}
	// A later fragment has no envelope: it stands in index 0 only.
	if !HasEnvelope(messageType) || prologue.Uint("index") > 0 {
		return p, false
	}
	layout := Layout("envelope")
	layout.Fields = layout.Fields[:len(layout.Fields)-1]
	p.Envelope, p.Body = decodeLayout(layout, flags, rest)
	return p, p.Envelope.Short()
}

// HasEnvelope reports whether messages of a type begin with an envelope.
func HasEnvelope(messageType uint8) bool {
	t, _ := spec.Default().Type(messageType)
	return t.Layout == "envelope"
}

// BodyLayout returns the layout of a body by message type and, behind an envelope,
// hs_type; "" if the text gives none. Repeated says that the body is that layout
// back to back.
func BodyLayout(messageType, hsType uint8) (layout string, repeated bool) {
	if HasEnvelope(messageType) {
		hs, _ := spec.Default().HSType(hsType)
		return hs.Layout, hs.Repeated
	}
	t, _ := spec.Default().Type(messageType)
	return t.Layout, false
}

// TranscriptMessage returns type ‖ len ‖ body, which is a message of the transcript
// and a message of ServerFlight.
func TranscriptMessage(messageType uint8, body []byte) []byte {
	return Compose("transcript_message").SetUint("type", uint64(messageType)).Set("body", body).Encode()
}

// FlightMessages reads ServerFlight: transcript messages back to back. Rest is what
// does not make a whole one.
func FlightMessages(body []byte) (messages []*Message, rest []byte) {
	for len(body) > 0 {
		m, after := Decode("flight_message", 0, body)
		if m.Short() {
			return messages, body
		}
		messages, body = append(messages, m), after
	}
	return messages, nil
}
