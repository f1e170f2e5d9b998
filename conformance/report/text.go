package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/bpci/xtmp/conformance"
)

// A Style says how text is written to a terminal.
type Style struct {
	Color   bool // ANSI colours
	Verbose bool // passes too, one line each
	Width   int  // columns; 0 means 100
}

// WriteText writes the report for a person at a terminal: each case that did
// not pass with the requirement it breaks, then the counts and the conclusion.
func (d *Document) WriteText(w io.Writer, style Style) error {
	t := &text{w: w, style: style}
	for _, c := range d.Cases {
		verdict := conformance.Verdict(c.Verdict)
		switch {
		case !verdict.Passed() && !(c.Judged && unrun(verdict)):
			t.failure(d, c)
		case style.Verbose:
			t.line("%s  %s  %s", t.paint(c.Verdict), c.ID, c.Title)
		}
	}
	t.summary(d)
	return t.err
}

// unrun reports whether a verdict is about the target's declarations or the user's
// wish and not about what the target did.
func unrun(v conformance.Verdict) bool {
	return v == conformance.Skipped || v == conformance.Unsupported
}

// A text writes lines and remembers the first error.
type text struct {
	w     io.Writer
	style Style
	err   error
}

func (t *text) line(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format+"\n", args...)
	}
}

func (t *text) failure(d *Document, c Case) {
	word := t.paint(c.Verdict)
	if c.Known {
		word += " (known)"
	}
	if !c.Judged {
		word += " (control, not selected)"
	}
	t.line("%s  %s  %s", word, t.bold(c.ID), c.Title)
	t.wrapped("    ", "reason    ", c.Reason)
	if c.Verdict != string(conformance.Inconclusive) || c.Observed != "" {
		for _, id := range c.Proves {
			if q, ok := d.requirement(id); ok {
				t.wrapped("    ", id+"  ", Plain(q.Text))
			}
		}
		t.wrapped("    ", "sent      ", c.Explain.Sends)
		t.wrapped("    ", "why       ", c.Explain.Why)
		for _, cause := range c.Explain.UsualCauses {
			t.wrapped("    ", "cause?    ", cause)
		}
	}
	if len(c.Attempts) > 1 {
		var words []string
		for _, a := range c.Attempts {
			words = append(words, a.Verdict)
		}
		t.wrapped("    ", "attempts  ", strings.Join(words, ", "))
	}
	if stderr := strings.TrimSpace(c.Stderr); stderr != "" && c.Verdict == string(conformance.Fail) {
		lines := strings.Split(stderr, "\n")
		for _, line := range lines[max(0, len(lines)-stderrLines):] {
			t.line("    stderr    %s", printable(line))
		}
	}
	if c.Capture != "" {
		t.line("    capture   %s", c.Capture)
	}
	t.line("    replay    %s", c.Replay)
	t.line("")
}

// stderrLines is how much of the peer's standard error a terminal shows; the
// other forms have more.
const stderrLines = 5

func (t *text) summary(d *Document) {
	target := d.Header.Target.TCP
	if d.Header.Target.Command != "" {
		target = d.Header.Target.Command
	}
	t.line("target    %s", printable(target))
	t.line("seed      %s   %d at a time, %s s", d.Header.Seed, d.Header.Parallel, seconds(d.Header.ElapsedUS))
	spec, suite := d.Header.Spec, d.Header.Suite
	t.line("spec      %s %.12s   suite %s %.12s", spec.Version, spec.Digest, suite.Version, suite.Digest)
	if d.Header.Target.Baseline != "" {
		t.wrapped("", "probe     ", "no liveness probe is possible: "+d.Header.Target.Baseline)
	}
	if d.Header.Target.Restarts > 0 {
		t.line("restarts  %d", d.Header.Target.Restarts)
	}
	var counts []string
	for _, verdict := range conformance.Verdicts() {
		if n := d.Footer.Counts[string(verdict)]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, t.paint(string(verdict))))
		}
	}
	t.line("verdicts  %s", strings.Join(counts, ", "))
	t.line("digest    %s", d.Footer.Digest)
	for _, stale := range d.Footer.Stale {
		t.wrapped("", "stale     ", stale)
	}
	for _, draft := range d.Header.Drafts {
		t.wrapped("", "draft     ", draft)
	}
	if d.Footer.Orphans > 0 {
		t.line("coverage  %d requirements lack a case or a reason: xtmp-conform coverage", d.Footer.Orphans)
	}
	t.line("%s", t.bold(d.Footer.Conclusion))
}

// wrapped writes a paragraph with its head hanging.
func (t *text) wrapped(indent, head, body string) {
	width := t.style.Width
	if width <= 0 {
		width = 100
	}
	width = max(width-len(indent)-len(head), 30)
	for i, line := range wrap(printable(body), width) {
		if i > 0 {
			head = strings.Repeat(" ", len(head))
		}
		t.line("%s%s%s", indent, head, line)
	}
}

// wrap breaks text into lines of at most width characters, between words.
func wrap(body string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(body) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// printable replaces what could drive a terminal: a peer chose these bytes.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7F && r < 0xA0 {
			return '\uFFFD'
		}
		return r
	}, s)
}

func (d *Document) requirement(id string) (Requirement, bool) {
	i := slices.IndexFunc(d.Requirements, func(q Requirement) bool { return q.ID == id })
	if i < 0 {
		return Requirement{}, false
	}
	return d.Requirements[i], true
}

func (t *text) bold(s string) string {
	if !t.style.Color {
		return s
	}
	return "\x1b[1m" + s + "\x1b[0m"
}

// paint colours a verdict.
func (t *text) paint(verdict string) string {
	if !t.style.Color {
		return verdict
	}
	var color string
	switch conformance.Verdict(verdict) {
	case conformance.Pass, conformance.PassTolerated:
		color = "32"
	case conformance.Fail, conformance.HarnessError:
		color = "31;1"
	case conformance.Unsupported, conformance.Skipped:
		color = "2"
	default:
		color = "33" // yellow: look here
	}
	return "\x1b[" + color + "m" + verdict + "\x1b[0m"
}
