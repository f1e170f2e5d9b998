// Package match compares the fields of a frame by name.
//
//	[]testkit.Part ──┐
//	                 ├─▶ Differences ──▶ Require, or a matcher ──▶ a table of fields
//	[]Field  ────────┘
//
// A difference is reported as the field's name with what was expected, under
// which mask, and what came. MatchFrame has the methods of a gomega matcher, so
// that it can be used with gomega.NewGomega(x.Fail) and without ginkgo.
//
// The package opens no frame: parts come from the scribe or from the scripted
// peer, already named.
package match

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/vectors/testkit"
)

// A Field is what is expected of the part with this label, such as
// "frame.message_type" or "error.code".
type Field struct {
	Label  string
	want   []byte
	mask   []byte // nil means every bit
	number bool   // compare as a number, whatever the part's size
	value  uint64
	absent bool
}

// Bytes expects these bytes.
func Bytes(label string, want []byte) Field { return Field{Label: label, want: want} }

// Masked expects the bits of want that mask selects.
func Masked(label string, want, mask []byte) Field {
	return Field{Label: label, want: want, mask: mask}
}

// Uint expects the number, big-endian in as many bytes as the part has.
func Uint(label string, want uint64) Field { return Field{Label: label, number: true, value: want} }

// Absent expects that there is no such part.
func Absent(label string) Field { return Field{Label: label, absent: true} }

// Differences compares. Of several parts with the same label the first counts.
func Differences(parts []testkit.Part, fields ...Field) []conformance.Difference {
	var diffs []conformance.Difference
	for _, f := range fields {
		if d, differs := f.difference(parts); differs {
			diffs = append(diffs, d)
		}
	}
	return diffs
}

// missing is what a difference says in place of bytes.
const missing = "absent"

func (f Field) difference(parts []testkit.Part) (conformance.Difference, bool) {
	d := conformance.Difference{Field: f.Label, Want: missing, Got: missing, Mask: hex.EncodeToString(f.mask)}
	var got []byte
	found := false
	for _, p := range parts {
		if p.Label == f.Label {
			got, found = p.Bytes, true
			break
		}
	}
	want := f.want
	if f.number {
		want = bigEndian(f.value, len(got))
	}
	if !f.absent {
		d.Want = hex.EncodeToString(want)
	}
	if found {
		d.Got = hex.EncodeToString(got)
	}
	switch {
	case f.absent:
		return d, found
	case !found:
		return d, true
	}
	return d, conformance.Field{Want: want, Mask: f.mask}.Differs(got)
}

// bigEndian writes a number in size bytes, or in eight when it does not fit.
func bigEndian(value uint64, size int) []byte {
	if size <= 0 || size > 8 || size < 8 && value>>(8*size) != 0 {
		size = 8
	}
	return testkit.PutUint(value, size)
}

// Require ends the case as failed when a field differs. What names the frame.
func Require(x *conformance.Exchange, what string, parts []testkit.Part, fields ...Field) {
	x.RequireSame(what, Differences(parts, fields...))
}

// A Matcher has the methods of a gomega matcher.
type Matcher struct {
	fields []Field
	diffs  []conformance.Difference
}

// MatchFrame matches []testkit.Part, or the bytes of a frame, with these
// fields.
func MatchFrame(fields ...Field) *Matcher { return &Matcher{fields: fields} }

// Match compares. Anything but parts and bytes is an error.
func (m *Matcher) Match(actual any) (bool, error) {
	parts, err := partsOf(actual)
	if err != nil {
		return false, err
	}
	m.diffs = Differences(parts, m.fields...)
	return len(m.diffs) == 0, nil
}

// FailureMessage is the table of the fields that differ, and then every field.
func (m *Matcher) FailureMessage(actual any) string {
	parts, err := partsOf(actual)
	if err != nil {
		return err.Error()
	}
	return Table(m.diffs) + "\nin\n" + testkit.Dump(parts)
}

// NegatedFailureMessage says that the frame is as it should not be.
func (m *Matcher) NegatedFailureMessage(actual any) string {
	parts, err := partsOf(actual)
	if err != nil {
		return err.Error()
	}
	return "no field differs in\n" + testkit.Dump(parts)
}

func partsOf(actual any) ([]testkit.Part, error) {
	switch actual := actual.(type) {
	case []testkit.Part:
		return actual, nil
	case []byte:
		return testkit.Annotate(actual), nil
	}
	return nil, fmt.Errorf("MatchFrame compares []testkit.Part or []byte, not %T", actual)
}

// Table writes differences, one field a line.
func Table(diffs []conformance.Difference) string {
	var b strings.Builder
	for _, d := range diffs {
		fmt.Fprintf(&b, "%-32s expected %s", d.Field, d.Want)
		if d.Mask != "" {
			fmt.Fprintf(&b, " under mask %s", d.Mask)
		}
		fmt.Fprintf(&b, ", actual %s\n", d.Got)
	}
	return b.String()
}
