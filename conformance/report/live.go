package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/bpci/xtmp/conformance"
)

// A Live view shows on one line of a terminal how far a run is. Its Progress
// method fits conformance.Config.
type Live struct {
	w      io.Writer
	style  Style
	counts map[conformance.Verdict]int
	shown  bool
}

// NewLive returns a view that writes to w, which must be a terminal.
func NewLive(w io.Writer, style Style) *Live {
	return &Live{w: w, style: style, counts: map[conformance.Verdict]int{}}
}

// Progress draws the line anew.
func (l *Live) Progress(e conformance.Event) {
	if e.Verdict != "" {
		l.counts[e.Verdict]++
	}
	l.shown = true
	line := l.line(e, false)
	if l.style.Width > 0 && utf8.RuneCountInString(line) >= l.style.Width {
		e.ID = "" // a line that wraps cannot be drawn anew
	}
	fmt.Fprintf(l.w, "\r\x1b[K%s", l.line(e, l.style.Color))
}

func (l *Live) line(e conformance.Event, color bool) string {
	t := text{style: Style{Color: color}}
	words := []string{fmt.Sprintf("%s %*d/%d", bar(e.Done, e.Total), len(fmt.Sprint(e.Total)), e.Done, e.Total)}
	for _, verdict := range conformance.Verdicts() {
		if n := l.counts[verdict]; n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, t.paint(string(verdict))))
		}
	}
	return strings.Join(append(words, e.ID), "  ")
}

// Clear removes the line.
func (l *Live) Clear() {
	if l.shown {
		fmt.Fprint(l.w, "\r\x1b[K")
	}
}

const barWidth = 20

func bar(done, total int) string {
	full := barWidth * done / max(total, 1)
	return strings.Repeat("━", full) + strings.Repeat("─", barWidth-full)
}
