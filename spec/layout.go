package spec

// Variable is the offset or size of a field that depends on the bytes before it,
// and the size of a layout with such a field.
const Variable = -1

// Layout is a sequence of fields: a header, a body or a part of one.
type Layout struct {
	Name    string  `json:"name"`
	Title   string  `json:"title"`
	Section string  `json:"section"` // chapter that defines it, "02-frame"
	Size    int     `json:"size"`    // bytes of all fields, or Variable
	Fields  []Field `json:"fields"`
	Then    *Field  `json:"then"` // what follows the layout, or nil
}

// Field returns the field of that name.
func (l Layout) Field(name string) (Field, bool) {
	return find(l.Fields, func(f Field) bool { return f.Name == name })
}

// Prefix returns the bytes before the first field whose size is variable or whose
// presence is conditional.
func (l Layout) Prefix() int {
	size := 0
	for _, field := range l.Fields {
		if !field.always() {
			break
		}
		size += field.Size
	}
	return size
}

// Kinds of fields: how long a field is.
const (
	KindUint  = "uint"
	KindBytes = "bytes"
	KindZero  = "zero"
	KindVar   = "var"
	KindRest  = "rest"
	KindTLV   = "tlv"
)

// Attributes of fields: what an observer may expect when the exchange is repeated.
const (
	AttributeFixed    = "fixed"
	AttributeSession  = "session"
	AttributeDerived  = "derived"
	AttributeVolatile = "volatile"
	AttributeOpaque   = "opaque"
)

// Field is one field of a layout. Offset and Size are in bytes, or Variable.
type Field struct {
	Name      string    `json:"name"`
	Offset    int       `json:"offset"`
	Size      int       `json:"size"`
	Kind      string    `json:"kind"`
	LenField  string    `json:"len_field"` // kind var: the field that counts this one
	LenUnit   int       `json:"len_unit"`  // kind var: bytes per count, 0 means 1
	Max       int       `json:"max"`       // kind rest: most bytes, 0 means no bound here
	Flag      string    `json:"flag"`      // present when the frame has this flag
	If        *Presence `json:"if"`        // present when the mask meets the field
	Unless    *Presence `json:"unless"`    // absent when the mask meets the field
	Value     string    `json:"value"`     // hexadecimal, for bytes that never differ
	Layout    string    `json:"layout"`    // layout of the bytes inside
	Attribute string    `json:"attribute"`
	Rule      string    `json:"rule"`
	Req       string    `json:"req"` // requirement that governs the field
}

// Presence ties a field to bits of an earlier field of the same layout.
type Presence struct {
	Field string `json:"field"`
	Mask  uint64 `json:"mask"`
}

// always reports whether the field is present in every instance, with one size.
func (f Field) always() bool {
	return f.Size != Variable && f.Flag == "" && f.If == nil && f.Unless == nil
}
