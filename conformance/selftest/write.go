package selftest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// WriteJSON writes the matrix as indented JSON.
func (m *Matrix) WriteJSON(w io.Writer) error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(data, '\n'))
	return err
}

// WriteText writes the matrix for a person at a terminal.
func (m *Matrix) WriteText(w io.Writer) error {
	var b strings.Builder
	for _, d := range m.Degenerate {
		fmt.Fprintf(&b, "%-12s  degenerate %s: %s", either(len(d.Passed) == 0, "caught", "toothless"), d.Name, countsText(d.Counts))
		if len(d.Excused) > 0 {
			fmt.Fprintf(&b, "; excused %s", strings.Join(d.Excused, " "))
		}
		b.WriteByte('\n')
	}
	if r := m.Reference; r != nil {
		fmt.Fprintf(&b, "%-12s  the reference: %s\n", either(len(r.NotPassed) == 0, "passes", "alarmed"), countsText(r.Counts))
	}
	for _, r := range m.Repeats {
		fmt.Fprintf(&b, "%-12s  %s: %d verdicts compared\n", either(len(r.Differs) == 0, "the same", "unsteady"), r.How, r.Judged)
	}
	for _, v := range m.Zoo {
		fmt.Fprintf(&b, "%-12s  zoo %s: %s\n", either(len(v.NotPassed) == 0, "passes", "alarmed"), v.Name, countsText(v.Counts))
	}
	for _, mutant := range m.Mutants {
		fmt.Fprintf(&b, "%-12s  %s  %s  %s", mutant.Status, mutant.Requirement, mutant.Name, mutant.Description)
		if len(mutant.Killed) > 0 {
			fmt.Fprintf(&b, "  by %s", few(mutant.Killed))
		}
		fmt.Fprintf(&b, "  (%d ms)\n", mutant.TimeMS)
	}
	if len(m.Mutants) > 0 {
		fmt.Fprintf(&b, "\n%s\n", m.score())
	}
	for _, finding := range m.Findings {
		fmt.Fprintf(&b, "finding: %s\n", finding)
	}
	if len(m.Findings) == 0 {
		b.WriteString("the suite has teeth\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// score counts the mutants that were killed.
func (m *Matrix) score() string {
	killed, waiting := 0, 0
	for _, mutant := range m.Mutants {
		switch mutant.Status {
		case StatusKilled:
			killed++
		case StatusNotRun:
			waiting++
		}
	}
	text := fmt.Sprintf("%d of %d mutants killed by a case that proves their requirement", killed, len(m.Mutants))
	if waiting > 0 {
		text += fmt.Sprintf("; %d were not run: they are slow, or of a profile that was not asked about", waiting)
	}
	return text
}

func either(ok bool, yes, no string) string {
	if ok {
		return yes
	}
	return no
}

// WriteMarkdown writes the matrix as a page. It holds nothing that differs from
// run to run, such as times.
func (m *Matrix) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# Kill matrix\n\nWritten by `make kill-matrix`. " +
		"Servers that break one requirement each, and the cases that prove that requirement and failed them; " +
		"then servers that are odd and legal, which every case has to pass; then peers that are none.\n\n")
	fmt.Fprintf(&b, "%s.\n\n## Mutants\n\n| requirement | mutant | what it does wrong | killed by |\n|---|---|---|---|\n", m.score())
	mutants := slices.Clone(m.Mutants)
	slices.SortStableFunc(mutants, func(a, b MutantResult) int { return strings.Compare(a.Requirement, b.Requirement) })
	for _, mutant := range mutants {
		by := strings.Join(casesOf(mutant.Killed), " ")
		if by == "" {
			by = "**" + mutant.Status + "**"
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", mutant.Requirement, mutant.Name, cell(mutant.Description), by)
	}
	b.WriteString("\n## Zoo\n\n| variant | what is odd | permitted by | alarmed |\n|---|---|---|---|\n")
	for _, v := range m.Zoo {
		alarmed := strings.Join(casesOf(slices.Sorted(keys(v.NotPassed))), " ")
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", v.Name, cell(v.Description), v.Permits, cmp.Or(alarmed, "none"))
	}
	b.WriteString("\n## Degenerate peers\n\n| peer | passes at MUST |\n|---|---|\n")
	for _, d := range m.Degenerate {
		fmt.Fprintf(&b, "| `%s` | %s |\n", d.Name, cmp.Or(strings.Join(d.Passed, " "), "nothing"))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// casesOf names the cases of instances, each once.
func casesOf(instances []string) []string {
	var ids []string
	for _, id := range instances {
		id, _, _ = strings.Cut(id, "[")
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// cell escapes what would end a cell of a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", "\\|") }

// few shortens a list for one line.
func few(ids []string) string {
	const shown = 3
	if len(ids) <= shown {
		return strings.Join(ids, " ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(ids[:shown], " "), len(ids)-shown)
}

func countsText(counts map[string]int) string {
	var parts []string
	for _, verdict := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[verdict], verdict))
	}
	return strings.Join(parts, ", ")
}
