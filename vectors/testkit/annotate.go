package testkit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bpci/xtmp/spec"
)

// A Part is a range of bytes with the field that it is. Label is
// "layout.field"; bytes that no field claims are labelled "rest".
type Part struct {
	Label   string
	Offset  int // from the first byte of what was annotated
	Bytes   []byte
	Short   bool   // the bytes ended before the field did
	Meaning string // the value in words, if there are any
}

// Rest is the label of bytes that no field claims.
const Rest = "rest"

// Annotate names every byte of a frame. The payload of a clear frame is taken
// apart; that of a sealed one is one part, "frame.payload".
func Annotate(frame []byte) []Part {
	w := &walker{}
	f, rest, _ := DecodeFrame(frame)
	w.message(f.Header)
	if f.Header.Uint("encryption_type") == 0 && allZero(f.Header.Bytes("key_id")) {
		w.plaintext(f.Type(), 0, f.Payload)
	} else {
		w.add("frame.payload", f.Payload, false)
	}
	w.add(Rest, rest, false)
	return w.parts
}

// AnnotatePlaintext names every byte of the plaintext of a frame of that type and
// flags.
func AnnotatePlaintext(messageType uint8, flags uint16, plaintext []byte) []Part {
	w := &walker{}
	w.plaintext(messageType, flags, plaintext)
	return w.parts
}

// AnnotateLayout names every byte of one layout.
func AnnotateLayout(layout string, data []byte) []Part {
	w := &walker{}
	w.add(Rest, w.layout(Layout(layout), data), false)
	return w.parts
}

// Dump returns parts as text, one field a line: offset, label, bytes, meaning.
func Dump(parts []Part) string {
	var out strings.Builder
	for _, p := range parts {
		mark := ""
		if p.Short {
			mark = "!"
		}
		fmt.Fprintf(&out, "%5d  %-32s %x%s", p.Offset, p.Label, p.Bytes, mark)
		if p.Meaning != "" {
			fmt.Fprintf(&out, "  (%s)", p.Meaning)
		}
		out.WriteByte('\n')
	}
	return out.String()
}

// A walker goes through bytes from the front.
type walker struct {
	parts  []Part
	offset int
}

func (w *walker) add(label string, data []byte, short bool) {
	if len(data) == 0 {
		return
	}
	w.parts = append(w.parts, Part{Label: label, Offset: w.offset, Bytes: data, Short: short, Meaning: Meaning(label, data)})
	w.offset += len(data)
}

func (w *walker) plaintext(messageType uint8, flags uint16, data []byte) {
	p, short := DecodePlaintext(messageType, flags, data)
	w.message(p.Prologue)
	hsType := uint8(0)
	if p.Envelope != nil {
		w.message(p.Envelope)
		hsType = uint8(p.Envelope.Uint("hs_type"))
	}
	layout, repeated := BodyLayout(messageType, hsType)
	opaque := flags&(FlagValue("FRAGMENT")|FlagValue("COMPRESSED")) != 0
	switch {
	case p.Envelope != nil && !short && p.Envelope.Uint("frag_count") > 1:
		w.add("envelope.fragment", p.Body, false) // of a handshake message on UDP
	case short || opaque || layout == "":
		w.add("body", p.Body, false)
	case repeated:
		w.repeated(Layout(layout), p.Body)
	default:
		w.add(Rest, w.layout(Layout(layout), p.Body), false)
	}
}

func (w *walker) layout(layout spec.Layout, data []byte) (rest []byte) {
	m, rest := decodeLayout(layout, 0, data)
	w.message(m)
	return rest
}

func (w *walker) repeated(layout spec.Layout, data []byte) {
	for len(data) > 0 {
		data = w.layout(layout, data)
	}
}

// entries goes through the entries of the TLV block of a message. The value of one
// that the text gives a layout in this message is taken apart.
func (w *walker) entries(message string, entry spec.Layout, data []byte) {
	for len(data) > 0 {
		var m *Message
		m, data = decodeLayout(entry, 0, data)
		value := m.Bytes("value")
		if m.Short() || message != "server_identity" || m.Uint("type") != tlvAttachEndpoints || len(value) == 0 {
			w.message(m)
			continue
		}
		m.Fields = m.Fields[:len(m.Fields)-1]
		w.message(m)
		w.repeated(Layout("attach_endpoint"), value)
	}
}

func (w *walker) message(m *Message) {
	for _, f := range m.Fields {
		label := m.Layout.Name + "." + f.Name
		switch inner := innerLayout(m, f); {
		case inner == nil || f.Short:
			w.add(label, f.Bytes, f.Short)
		case f.Spec.Kind == spec.KindTLV:
			w.add(label, f.Bytes[:tlvLenSize], false)
			w.entries(m.Layout.Name, *inner, f.Bytes[tlvLenSize:])
		case f.Spec.Kind == spec.KindVar && m.Layout.Name != "flight_message":
			w.repeated(*inner, f.Bytes)
		default:
			w.add(Rest, w.layout(*inner, f.Bytes), false)
		}
	}
}

// innerLayout returns the layout of the bytes inside a field, or nil.
func innerLayout(m *Message, f Field) *spec.Layout {
	name := f.Spec.Layout
	if m.Layout.Name == "flight_message" && f.Name == "body" {
		kinds := spec.Default().FlightTypes
		i := slices.IndexFunc(kinds, func(k spec.FlightType) bool { return uint64(k.Value) == m.Uint("type") })
		if i >= 0 {
			name = flightLayout(kinds[i].Layouts, len(f.Bytes))
		}
	}
	if name == "" {
		return nil
	}
	layout := Layout(name)
	return &layout
}

// flightLayout returns the layout of a message of ServerFlight: of several, as for
// the kinds of ServerSignature, the last whose size fits, or else the first.
func flightLayout(names []string, size int) string {
	for _, name := range slices.Backward(names) {
		if layout := Layout(name); layout.Size == size {
			return name
		}
	}
	return names[0]
}
