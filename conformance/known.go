package conformance

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// KnownFailures is the list of what an implementation is known to fail. One
// line per instance: its ID, the beginning of the reason, and why it is there.
//
//	XC-0142[bit=3]  "got CleanClose, wanted"  # reserved bits are not looked at
//
// Empty lines and lines that begin with # are kept. The list may be neither
// too long nor too short: an entry that passes, that does not run, or that
// fails for another reason is stale.
type KnownFailures struct {
	lines   []knownLine
	entries map[string]*KnownFailure
}

// A KnownFailure is one entry.
type KnownFailure struct {
	ID      string
	Prefix  string // beginning of Result.Reason
	Comment string // why it is known
	line    int
}

// A knownLine is an entry, or text that is kept as it is.
type knownLine struct {
	entry *KnownFailure
	text  string
}

// unexplained is the comment of an entry that Fix adds.
const unexplained = "not yet explained"

// ParseKnownFailures reads a list. It returns a *UsageError with the line of
// the first mistake.
func ParseKnownFailures(r io.Reader) (*KnownFailures, error) {
	k := &KnownFailures{entries: map[string]*KnownFailure{}}
	lines := bufio.NewScanner(r)
	for number := 1; lines.Scan(); number++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			k.lines = append(k.lines, knownLine{text: text})
			continue
		}
		entry, err := parseKnownFailure(text)
		if err == nil && k.entries[entry.ID] != nil {
			err = fmt.Errorf("%s stands here twice", entry.ID)
		}
		if err != nil {
			return nil, &UsageError{Message: fmt.Sprintf("known failures, line %d: %v", number, err)}
		}
		entry.line = number
		k.entries[entry.ID] = entry
		k.lines = append(k.lines, knownLine{entry: entry})
	}
	if err := lines.Err(); err != nil {
		return nil, &UsageError{Message: "known failures: " + err.Error()}
	}
	return k, nil
}

func parseKnownFailure(text string) (*KnownFailure, error) {
	id, rest, _ := strings.Cut(text, " ")
	rest = strings.TrimSpace(rest)
	quoted, err := strconv.QuotedPrefix(rest)
	if err != nil {
		return nil, fmt.Errorf("after the ID comes the beginning of the reason in double quotes")
	}
	prefix, err := strconv.Unquote(quoted)
	if err != nil || prefix == "" {
		return nil, fmt.Errorf("the reason's beginning %s is empty or badly quoted", quoted)
	}
	comment, ok := strings.CutPrefix(strings.TrimSpace(rest[len(quoted):]), "#")
	if comment = strings.TrimSpace(comment); !ok || comment == "" {
		return nil, fmt.Errorf("the line ends with # and why the failure is known")
	}
	return &KnownFailure{ID: id, Prefix: prefix, Comment: comment}, nil
}

// Covers reports whether the list expects this result. A nil list expects
// nothing.
func (k *KnownFailures) Covers(r Result) bool {
	if k == nil {
		return false
	}
	entry := k.entries[r.ID]
	return entry != nil && r.Verdict == Fail && strings.HasPrefix(r.Reason, entry.Prefix)
}

// Stale says what the list gets wrong about an outcome, one sentence per
// entry. An entry whose case is inconclusive is not stale: nothing is known.
func (k *KnownFailures) Stale(o *Outcome) []string {
	if k == nil {
		return nil
	}
	var stale []string
	for _, line := range k.lines {
		if line.entry == nil {
			continue
		}
		if why := line.entry.stale(o); why != "" {
			stale = append(stale, fmt.Sprintf("line %d, %s: %s", line.entry.line, line.entry.ID, why))
		}
	}
	return stale
}

func (e *KnownFailure) stale(o *Outcome) string {
	i := slices.IndexFunc(o.Results, func(r Result) bool { return r.Judged && r.ID == e.ID })
	if i < 0 {
		return "this run did not judge it"
	}
	switch r := o.Results[i]; {
	case r.Verdict == Inconclusive || r.Verdict == HarnessError:
		return ""
	case r.Verdict != Fail:
		return fmt.Sprintf("listed as failing, but it is %s", r.Verdict)
	case !strings.HasPrefix(r.Reason, e.Prefix):
		return fmt.Sprintf("it fails otherwise: %q", r.Reason)
	}
	return ""
}

// Fix returns the list that this outcome calls for: entries that fail keep
// their comment and get the present reason, others go, new failures are added.
func (k *KnownFailures) Fix(o *Outcome) string {
	var b strings.Builder
	known := map[string]bool{}
	failing := map[string]Result{}
	for _, r := range o.Results {
		if r.Judged && r.Verdict == Fail {
			failing[r.ID] = r
		}
	}
	for _, line := range k.lines {
		if line.entry == nil {
			fmt.Fprintln(&b, line.text)
			continue
		}
		known[line.entry.ID] = true
		r, fails := failing[line.entry.ID]
		switch {
		case fails && k.Covers(r):
			writeKnown(&b, *line.entry)
		case fails:
			writeKnown(&b, KnownFailure{ID: r.ID, Prefix: r.Reason, Comment: line.entry.Comment})
		case line.entry.stale(o) == "":
			writeKnown(&b, *line.entry) // inconclusive: nothing new is known
		}
	}
	for _, r := range o.Results {
		if _, fails := failing[r.ID]; fails && !known[r.ID] {
			writeKnown(&b, KnownFailure{ID: r.ID, Prefix: r.Reason, Comment: unexplained})
		}
	}
	return b.String()
}

func writeKnown(w io.Writer, e KnownFailure) {
	fmt.Fprintf(w, "%s  %q  # %s\n", e.ID, e.Prefix, e.Comment)
}
