package testkit

import "github.com/bpci/xtmp/spec"

// Decode reads bytes as the named layout and returns the bytes after it. It never
// fails: the field in which the bytes run out is marked Short, even if it has no
// byte at all, and the fields after it are missing. Encode of the result gives
// back what was read.
func Decode(layout string, flags uint16, data []byte) (*Message, []byte) {
	return decodeLayout(Layout(layout), flags, data)
}

func decodeLayout(layout spec.Layout, flags uint16, data []byte) (*Message, []byte) {
	m := &Message{Layout: layout, Flags: flags}
	for _, f := range layout.Fields {
		if !m.calledFor(f) {
			continue
		}
		want := m.sizeOf(f, data)
		got := min(want, len(data))
		m.Fields = append(m.Fields, Field{Name: f.Name, Bytes: data[:got:got], Fixed: true, Short: got < want, Spec: f})
		data = data[got:]
		if got < want {
			break
		}
	}
	return m, data
}

// Short reports whether the bytes of a decoded message ended inside its layout.
func (m *Message) Short() bool {
	return len(m.Fields) > 0 && m.Fields[len(m.Fields)-1].Short
}

// sizeOf returns how many bytes a field wants, given the fields before it.
func (m *Message) sizeOf(f spec.Field, data []byte) int {
	switch f.Kind {
	case spec.KindVar:
		return int(m.Uint(f.LenField)) * lenUnit(f)
	case spec.KindRest:
		if f.Max > 0 {
			return min(len(data), f.Max)
		}
		return len(data)
	case spec.KindTLV:
		if len(data) < tlvLenSize {
			return tlvLenSize
		}
		return tlvLenSize + int(Uint(data[:tlvLenSize]))
	}
	return f.Size
}
