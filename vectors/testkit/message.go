package testkit

import (
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/bpci/xtmp/spec"
)

// A Message is one instance of a layout: fields in the order in which they are
// written. Flags are those of the frame around it; they say which fields of a
// prologue are there.
type Message struct {
	Layout spec.Layout
	Flags  uint16
	Fields []Field
}

// A Field is one field and its bytes. Fixed bytes are written as they are; the
// others are derived or left out as the layout says.
type Field struct {
	Name  string
	Bytes []byte
	Fixed bool
	Short bool // decoded, and the bytes ended before the field did
	Spec  spec.Field
}

// Layout returns the layout of that name.
func Layout(name string) spec.Layout {
	layout, ok := spec.Default().Layout(name)
	if !ok {
		panic(fmt.Sprintf("testkit: the registry has no layout %q", name))
	}
	return layout
}

// Compose returns a message with every field of the named layout at rest: fixed
// bytes as the text gives them, zero in all other fields of a fixed size, nothing
// in the others.
func Compose(layout string) *Message { return composeLayout(Layout(layout), 0) }

// ComposeFlags is Compose for a layout whose fields depend on the flags of the
// frame, which is "prologue".
func ComposeFlags(layout string, flags uint16) *Message { return composeLayout(Layout(layout), flags) }

func composeLayout(layout spec.Layout, flags uint16) *Message {
	m := &Message{Layout: layout, Flags: flags}
	for _, f := range layout.Fields {
		m.Fields = append(m.Fields, Field{Name: f.Name, Bytes: atRest(f), Spec: f})
	}
	return m
}

func atRest(f spec.Field) []byte {
	switch {
	case f.Value != "":
		fixed, err := hex.DecodeString(f.Value)
		if err != nil {
			panic(fmt.Sprintf("testkit: field %s: value %q is not hexadecimal", f.Name, f.Value))
		}
		return fixed
	case f.Kind == spec.KindTLV:
		return TLVBlock()
	case f.Size == spec.Variable:
		return nil
	}
	return make([]byte, f.Size)
}

// Set writes the bytes of a field, of whatever length. They stand.
func (m *Message) Set(name string, value []byte) *Message {
	f := m.field(name)
	f.Bytes, f.Fixed = slices.Clone(value), true
	return m
}

// SetUint writes a number into a field of fixed size. It stands.
func (m *Message) SetUint(name string, value uint64) *Message {
	f := m.field(name)
	f.Bytes, f.Fixed = PutUint(value, f.Spec.Size), true
	return m
}

// Default writes the bytes of a field unless the caller has set or cut it. They do
// not stand: what is derived later replaces them.
func (m *Message) Default(name string, value []byte) *Message {
	if i, _ := m.find(name); i >= 0 && !m.Fields[i].Fixed {
		m.Fields[i].Bytes = slices.Clone(value)
	}
	return m
}

// DefaultUint is Default for a number.
func (m *Message) DefaultUint(name string, value uint64) *Message {
	_, f := m.find(name)
	return m.Default(name, PutUint(value, f.Size))
}

// Hold is DefaultUint for a number that then stands.
func (m *Message) Hold(name string, value uint64) *Message {
	if i, _ := m.find(name); i >= 0 && !m.Fields[i].Fixed {
		m.SetUint(name, value)
	}
	return m
}

// Clone returns a message that shares nothing that a change would reach.
func (m *Message) Clone() *Message {
	clone := *m
	clone.Fields = slices.Clone(m.Fields)
	return &clone
}

// Cut removes a field.
func (m *Message) Cut(name string) *Message {
	m.Fields = slices.Delete(m.Fields, m.index(name), m.index(name)+1)
	return m
}

// Repeat writes a field a second time, directly after the first.
func (m *Message) Repeat(name string) *Message {
	i := m.index(name)
	m.Fields = slices.Insert(m.Fields, i+1, m.Fields[i])
	return m
}

// Swap exchanges the places of two fields.
func (m *Message) Swap(a, b string) *Message {
	i, j := m.index(a), m.index(b)
	m.Fields[i], m.Fields[j] = m.Fields[j], m.Fields[i]
	return m
}

// Flip inverts one bit of a field as it would be written now; bit 0 is the lowest
// bit of the last byte. The result stands.
func (m *Message) Flip(name string, bit int) *Message {
	value := slices.Clone(m.Bytes(name))
	value[len(value)-1-bit/8] ^= 1 << (bit % 8)
	return m.Set(name, value)
}

// Has reports whether the message has the field and would write it.
func (m *Message) Has(name string) bool {
	i, _ := m.find(name)
	return i >= 0 && m.present(m.Fields[i])
}

// Bytes returns the bytes that a field would be written with now, nil if it is not
// there.
func (m *Message) Bytes(name string) []byte {
	i, _ := m.find(name)
	if i < 0 {
		return nil
	}
	return m.derived(m.Fields[i])
}

// Uint returns a field as a number, its last 8 bytes if it is longer, 0 if it is
// absent.
func (m *Message) Uint(name string) uint64 {
	if !m.Has(name) {
		return 0
	}
	return Uint(m.Bytes(name))
}

// Encode returns the bytes of the message.
func (m *Message) Encode() []byte {
	var out []byte
	for _, f := range m.Fields {
		if m.present(f) {
			out = append(out, m.derived(f)...)
		}
	}
	return out
}

// present reports whether a field is written: one that was set always is.
func (m *Message) present(f Field) bool { return f.Fixed || m.calledFor(f.Spec) }

// calledFor applies the layout's conditions for a field to be there.
func (m *Message) calledFor(f spec.Field) bool {
	if f.Flag != "" && m.Flags&FlagValue(f.Flag) == 0 {
		return false
	}
	if f.If != nil && m.Uint(f.If.Field)&f.If.Mask == 0 {
		return false
	}
	return f.Unless == nil || m.Uint(f.Unless.Field)&f.Unless.Mask == 0
}

// derived returns a field's bytes, counting the field it measures if it is a
// length that nobody set.
func (m *Message) derived(f Field) []byte {
	if f.Fixed {
		return f.Bytes
	}
	for _, counted := range m.Fields {
		if counted.Spec.LenField == f.Name {
			return PutUint(uint64(len(counted.Bytes)/lenUnit(counted.Spec)), f.Spec.Size)
		}
	}
	return f.Bytes
}

func lenUnit(f spec.Field) int { return max(f.LenUnit, 1) }

func (m *Message) field(name string) *Field { return &m.Fields[m.index(name)] }

// index returns the place of a field that has to be there.
func (m *Message) index(name string) int {
	i, _ := m.find(name)
	if i < 0 {
		panic(fmt.Sprintf("testkit: message of layout %s has lost its field %q", m.Layout.Name, name))
	}
	return i
}

// find returns the place of a field, -1 if it was cut or never read. The layout
// has to know the name.
func (m *Message) find(name string) (int, spec.Field) {
	f, ok := m.Layout.Field(name)
	if !ok {
		panic(fmt.Sprintf("testkit: layout %s has no field %q", m.Layout.Name, name))
	}
	return slices.IndexFunc(m.Fields, func(f Field) bool { return f.Name == name }), f
}

// PutUint returns value as size bytes, most significant first [XTMP-CON-001].
// Bits that do not fit are lost.
func PutUint(value uint64, size int) []byte {
	out := make([]byte, size)
	for i := size - 1; i >= 0; i-- {
		out[i] = byte(value)
		value >>= 8
	}
	return out
}

// Uint reads bytes as a number, most significant first; of more than 8 bytes the
// last 8 count.
func Uint(data []byte) uint64 {
	var value uint64
	for _, b := range data {
		value = value<<8 | uint64(b)
	}
	return value
}

// FlagValue returns the value of a header flag by name, such as "REPLY".
func FlagValue(name string) uint16 {
	flag, ok := spec.Default().Flag(name)
	if !ok {
		panic(fmt.Sprintf("testkit: the registry has no flag %q", name))
	}
	return flag.Value
}
