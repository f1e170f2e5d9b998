package report

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/bpci/xtmp/conformance"
)

// A caseView is a case with its instances: what is said of all of them once,
// then what became of each.
type caseView struct {
	Case            // of the first instance
	Verdict  string // gravest
	Judged   bool   // any of them
	Quoted   []Requirement
	Many     bool           // it has params
	Verdicts []segment      // of the instances
	All      []Case         // the instances
	Shown    []instanceView // those with evidence, as many as fit
	Hidden   int            // further ones with evidence
}

type instanceView struct {
	Case
	Entries []entryView
	Omitted int // entries in the middle that are not shown
	Many    bool
}

type entryView struct {
	Entry
	Arrow  string
	Dump   []dumpLine
	Fields []fieldView
	Kept   int
}

type fieldView struct {
	Field
	Actual string
	Bad    bool
	Shade  int
}

// The bounds of the page: instances with evidence per case, and the entries at
// the beginning and at the end of a timeline.
const (
	maxShown      = 4
	firstEntries  = 8
	lastEntries   = 32
	tablesAtEnd   = 6   // entries whose fields are shown as a table
	maxDumpedSize = 512 // bytes of an entry that are dumped
)

// casesOf groups the instances of a document by case, in its order.
func casesOf(d *Document) []caseView {
	var list []caseView
	for _, c := range d.Cases {
		if len(list) == 0 || list[len(list)-1].Case.Case != c.Case {
			v := caseView{Case: c, Many: c.ID != c.Case}
			for _, id := range c.Proves {
				if q, ok := d.requirement(id); ok {
					v.Quoted = append(v.Quoted, q)
				}
			}
			list = append(list, v)
		}
		list[len(list)-1].add(c)
	}
	for i := range list {
		counts := map[string]int{}
		for _, c := range list[i].All {
			counts[c.Verdict]++
		}
		list[i].Verdicts = segmentsOf(counts)
	}
	return list
}

func (v *caseView) add(c Case) {
	v.All = append(v.All, c)
	v.Judged = v.Judged || c.Judged
	v.Verdict = string(conformance.Verdict(v.Verdict).Worse(conformance.Verdict(c.Verdict)))
	evidence := len(c.Timeline) > 0 || len(c.Diffs) > 0 || c.Stderr != ""
	switch {
	case v.Many && !evidence:
	case len(v.Shown) >= maxShown:
		v.Hidden++
	default:
		shown := instanceView{Case: c, Many: v.Many}
		shown.Entries, shown.Omitted = entriesOf(c.Timeline)
		v.Shown = append(v.Shown, shown)
	}
}

// entriesOf arranges a timeline. Bytes as they came off the wire are dumped
// only where no frame on the same connection shows them again.
func entriesOf(timeline []Entry) (list []entryView, omitted int) {
	framed := map[string]bool{}
	for _, e := range timeline {
		if e.Label != "" {
			framed[streamOf(e)] = true
		}
	}
	for i, e := range timeline {
		if len(timeline) > firstEntries+lastEntries && i >= firstEntries && i < len(timeline)-lastEntries {
			omitted++
			continue
		}
		entry := entryView{Entry: e, Arrow: arrow(e.Way)}
		raw, err := hex.DecodeString(e.Bytes)
		if err != nil || e.Label == "" && framed[streamOf(e)] {
			raw = nil
		}
		entry.Kept = len(e.Bytes) / 2
		bad := false
		for j, f := range e.Fields {
			field := fieldOf(f, raw, j)
			bad = bad || field.Bad
			entry.Fields = append(entry.Fields, field)
		}
		entry.Dump = dump(raw[:min(len(raw), maxDumpedSize)], entry.Fields)
		if !bad && len(timeline)-i > tablesAtEnd {
			entry.Fields = nil
		}
		list = append(list, entry)
	}
	return list, omitted
}

func streamOf(e Entry) string { return fmt.Sprint(e.Way, e.Conn) }

// fieldOf compares a field with what was on the wire.
func fieldOf(f Field, raw []byte, index int) fieldView {
	shown := fieldView{Field: f, Shade: index % 2}
	if f.Offset < 0 || f.Size < 0 || f.Offset+f.Size > len(raw) {
		return shown // cut off: the timeline keeps the beginning only
	}
	actual := raw[f.Offset : f.Offset+f.Size]
	shown.Actual = hex.EncodeToString(actual)
	want, errWant := hex.DecodeString(f.Want)
	mask, errMask := hex.DecodeString(f.Mask)
	if f.Want != "" && errWant == nil && errMask == nil {
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

func arrow(way string) string {
	switch conformance.Way(way) {
	case conformance.WaySent:
		return "→"
	case conformance.WayReceived:
		return "←"
	case conformance.WayWait:
		return "…"
	case conformance.WayJudge:
		return "§"
	case conformance.WayOpen, conformance.WayEnd:
		return "○"
	default:
		return "·"
	}
}

// mark is a verdict's sign, so that colour is not all that tells.
func mark(verdict string) string {
	switch conformance.Verdict(verdict) {
	case conformance.Pass:
		return "✓"
	case conformance.PassTolerated:
		return "≈"
	case conformance.Warn:
		return "!"
	case conformance.Fail:
		return "✕"
	case conformance.Inconclusive:
		return "?"
	case conformance.HarnessError:
		return "⚠"
	default:
		return "–"
	}
}

// anchor makes an ID fit for a fragment.
func anchor(id string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, id), "-")
}

// millis writes microseconds as milliseconds with one decimal.
func millis(us int64) string {
	tenths := (us + 50) / 100
	return fmt.Sprintf("%d.%d", tenths/10, tenths%10)
}
