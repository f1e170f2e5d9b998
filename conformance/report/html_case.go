package report

import (
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
	Minimal  []string       // the fewest params with which it always fails
	Always   bool           // it fails with all of them
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
		list[i].Minimal, list[i].Always = minimalParams(list[i].All)
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
		shown.Entries, shown.Omitted = entriesOf(c)
		v.Shown = append(v.Shown, shown)
	}
}

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
