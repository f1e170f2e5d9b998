package report

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/bpci/xtmp/conformance"
)

// An entryView is a line of the timeline as the page shows it.
type entryView struct {
	Entry
	Arrow    string
	Head     string // type, flags, sequence number and size of a frame
	Decisive bool   // here it went wrong
	Open     bool   // its bytes are shown without being asked for
	Opened   bool   // the dump shows plaintext in place of ciphertext
	Dump     []dumpLine
	Fields   []fieldView
	Bad      []fieldView // of Fields, those that are not what they must be
	Kept     int
}

type fieldView struct {
	Field
	Actual string // of a sealed field the plaintext
	Bad    bool
	Shade  int
}

// entriesOf arranges the timeline of a case. Bytes as they came off the wire are
// left out where the frames in them follow, one by one.
func entriesOf(c Case) (list []entryView, omitted int) {
	framed := map[int]bool{}
	for _, e := range c.Timeline {
		if e.Label != "" && e.Way == string(conformance.WayReceived) {
			framed[e.Conn] = true
		}
	}
	decisive := decisiveEntry(c)
	asked := -1 // what was sent last before it
	for i := range max(decisive, 0) {
		if c.Timeline[i].Way == string(conformance.WaySent) {
			asked = i
		}
	}
	for i, e := range c.Timeline {
		if len(c.Timeline) > firstEntries+lastEntries && i >= firstEntries && i < len(c.Timeline)-lastEntries && i != decisive {
			omitted++
			continue
		}
		raw := e.Way == string(conformance.WayReceived) && e.Label == "" && framed[e.Conn]
		if raw && i != decisive && len(e.Faults) == 0 {
			continue
		}
		entry := entryOf(e)
		entry.Decisive = i == decisive
		entry.Open = entry.Decisive || i == asked && e.Length <= maxOpenSize || len(entry.Bad)+len(entry.Faults) > 0
		if !entry.Open && len(c.Timeline)-i > tablesAtEnd {
			entry.Fields = nil
		}
		list = append(list, entry)
	}
	return list, omitted
}

// maxOpenSize is up to which size what was sent last is shown at once. Longer frames
// are handshake messages, which drown what follows.
const maxOpenSize = 256

// decisiveEntry finds the moment that the verdict is about: the bytes with the
// fault or the field that the reason names, else what came last before the
// judgement. It returns -1 for a case that passed or has no such moment.
func decisiveEntry(c Case) int {
	if conformance.Verdict(c.Verdict).Passed() {
		return -1
	}
	for i, e := range slices.Backward(c.Timeline) {
		for _, fault := range e.Faults {
			if req, _, _ := strings.Cut(fault, ":"); strings.Contains(c.Reason, req) {
				return i
			}
		}
		for _, d := range c.Diffs {
			if slices.ContainsFunc(e.Fields, func(f Field) bool { return f.Name == d.Field && f.Want == d.Want }) {
				return i
			}
		}
	}
	judged := slices.IndexFunc(c.Timeline, func(e Entry) bool {
		return e.Way == string(conformance.WayJudge) && strings.HasPrefix(e.Label, c.Verdict)
	})
	if judged < 0 {
		judged = len(c.Timeline)
	}
	for i, e := range slices.Backward(c.Timeline[:judged]) {
		switch conformance.Way(e.Way) {
		case conformance.WayReceived, conformance.WayEnd, conformance.WayWait:
			return i
		default:
		}
	}
	return -1
}

func entryOf(e Entry) entryView {
	entry := entryView{Entry: e, Arrow: arrow(e.Way), Kept: len(e.Bytes) / 2}
	raw, err := hex.DecodeString(e.Bytes)
	if err != nil {
		raw = nil
	}
	shown := bytes.Clone(raw)
	for j, f := range e.Fields {
		field := fieldOf(f, raw, j)
		if opened, err := hex.DecodeString(f.Opened); err == nil && len(opened) > 0 && inside(f, raw) {
			copy(shown[f.Offset:], opened)
			entry.Opened = true
		}
		if field.Bad {
			entry.Bad = append(entry.Bad, field)
		}
		entry.Fields = append(entry.Fields, field)
	}
	entry.Head = headOf(entry.Fields)
	entry.Dump = dump(shown[:min(len(shown), maxDumpedSize)], entry.Fields)
	return entry
}

// headOf says in one line what a reader looks for first in a frame: its type, its
// flags, its number and its size, as far as they are there.
func headOf(fields []fieldView) string {
	var words []string
	for _, part := range []struct{ field, name string }{
		{"frame.message_type", "type"},
		{"frame.flags", "flags"},
		{"frame.session_id", "session"},
		{"frame.sequence_number", "sequence"},
		{"frame.payload_length", "payload"},
	} {
		i := slices.IndexFunc(fields, func(f fieldView) bool { return f.Name == part.field && f.Actual != "" })
		if i < 0 {
			continue
		}
		f := fields[i]
		value := "0x" + f.Actual
		switch part.field {
		case "frame.sequence_number", "frame.payload_length":
			value = decimal(f.Actual)
		case "frame.session_id":
			value = f.Actual
		}
		if f.Meaning != "" {
			value += " " + f.Meaning
		}
		words = append(words, part.name+" "+value)
	}
	return strings.Join(words, " · ")
}

// decimal is a number of at most 8 bytes, or the hex if it is longer.
func decimal(text string) string {
	var n uint64
	if _, err := fmt.Sscanf(text, "%x", &n); err != nil || len(text) > 16 {
		return "0x" + text
	}
	return fmt.Sprint(n)
}

// inside reports whether the bytes of a field were kept: the timeline keeps the
// beginning of long entries only.
func inside(f Field, raw []byte) bool {
	return f.Offset >= 0 && f.Size >= 0 && f.Offset+f.Size <= len(raw)
}

// fieldOf compares a field with what was received. The bytes of a sealed field are
// its plaintext.
func fieldOf(f Field, raw []byte, index int) fieldView {
	shown := fieldView{Field: f, Shade: index % 2}
	if !inside(f, raw) {
		return shown
	}
	actual := raw[f.Offset : f.Offset+f.Size]
	if opened, err := hex.DecodeString(f.Opened); err == nil && len(opened) == f.Size && f.Size > 0 {
		actual = opened
	}
	shown.Actual = hex.EncodeToString(actual)
	want, errWant := hex.DecodeString(f.Want)
	mask, errMask := hex.DecodeString(f.Mask)
	if f.Want != "" && errWant == nil && errMask == nil {
		if f.Mask == "" {
			mask = nil
		}
		shown.Bad = conformance.Field{Want: want, Mask: mask}.Differs(actual)
	}
	return shown
}

// Long is whether the actual bytes are too long to stand in a table whole.
func (f fieldView) Long() bool { return len(f.Actual) > 2*longField }

// Short is the beginning of the actual bytes.
func (f fieldView) Short() string { return f.Actual[:min(len(f.Actual), 2*longField)] }

// longField is how many bytes of a field a table shows.
const longField = 32
