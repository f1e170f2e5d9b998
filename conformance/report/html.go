package report

import (
	_ "embed"
	"html/template"
	"io"
	"strings"

	"github.com/bpci/xtmp/conformance"
)

//go:embed report.html.tmpl
var pageText string

// WriteHTML writes the report as one page that needs nothing but a browser. The
// page is bounded: of a case with many failing instances, and of a long
// timeline, it shows a part and says so; the JSON has everything.
func (d *Document) WriteHTML(w io.Writer) error {
	page, err := template.New("report").Funcs(template.FuncMap{
		"anchor": anchor, "mark": mark, "seconds": seconds, "millis": millis, "join": strings.Join,
		"prose": prose, "sentence": sentence,
	}).Parse(pageText)
	if err != nil {
		return err
	}
	return page.Execute(w, viewOf(d))
}

// A view is a document arranged for the page.
type view struct {
	*Document
	Segments []segment
	Open     []caseView // did not pass
	Closed   []caseView // passed, or did not run
	Chapters []chapterView
}

// A segment is one verdict's share of a bar.
type segment struct {
	Verdict string
	N       int
}

type chapterView struct {
	Name, Title string
	Rows        []rowView
	Segments    []segment
}

type rowView struct {
	Requirement
	Cases []chip // proving cases
	State string // verdict, "orphan", or "" where no case is due
}

// A chip is a link to a case with its verdict.
type chip struct{ ID, Verdict string }

func viewOf(d *Document) view {
	v := view{Document: d, Segments: segmentsOf(d.Footer.Counts)}
	verdicts := map[string]string{}
	for _, c := range casesOf(d) {
		verdicts[c.Case.Case] = c.Verdict
		switch verdict := conformance.Verdict(c.Verdict); {
		case verdict.Passed(), verdict == conformance.Skipped, verdict == conformance.Unsupported:
			v.Closed = append(v.Closed, c)
		default:
			v.Open = append(v.Open, c)
		}
	}
	v.Chapters = chaptersOf(d, verdicts)
	return v
}

// orphaned is the state of a requirement that lacks a case or a reason.
const orphaned = "orphan"

func segmentsOf(counts map[string]int) []segment {
	var segments []segment
	for _, state := range append(conformance.Verdicts(), orphaned) {
		if n := counts[string(state)]; n > 0 {
			segments = append(segments, segment{string(state), n})
		}
	}
	return segments
}

func chaptersOf(d *Document, verdicts map[string]string) []chapterView {
	var chapters []chapterView
	for _, q := range d.Requirements {
		if len(chapters) == 0 || chapters[len(chapters)-1].Name != q.Chapter {
			chapters = append(chapters, chapterView{Name: q.Chapter, Title: q.ChapterTitle})
		}
		row := rowView{Requirement: q, State: q.Verdict}
		for _, id := range q.Proving {
			row.Cases = append(row.Cases, chip{ID: id, Verdict: verdicts[id]})
		}
		if q.Orphan != "" {
			row.State = orphaned
		}
		last := &chapters[len(chapters)-1]
		last.Rows = append(last.Rows, row)
	}
	for i := range chapters {
		counts := map[string]int{}
		for _, row := range chapters[i].Rows {
			counts[row.State]++
		}
		chapters[i].Segments = segmentsOf(counts)
	}
	return chapters
}
