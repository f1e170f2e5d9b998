package selftest

import (
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
		word := "toothless"
		if len(d.Passed) == 0 {
			word = "caught"
		}
		fmt.Fprintf(&b, "%-12s  degenerate %s: %s", word, d.Name, countsText(d.Counts))
		if len(d.Excused) > 0 {
			fmt.Fprintf(&b, "; excused %s", strings.Join(d.Excused, " "))
		}
		b.WriteByte('\n')
	}
	if m.Reference != nil {
		word := "passes"
		if len(m.Reference.NotPassed) > 0 {
			word = "alarmed"
		}
		fmt.Fprintf(&b, "%-12s  the reference: %s\n", word, countsText(m.Reference.Counts))
	}
	killed := 0
	for _, mutant := range m.Mutants {
		if mutant.Status == StatusKilled {
			killed++
		}
		fmt.Fprintf(&b, "%-12s  %s  %s  %s", mutant.Status, mutant.Requirement, mutant.Name, mutant.Description)
		if len(mutant.Killed) > 0 {
			fmt.Fprintf(&b, "  by %s", few(mutant.Killed))
		}
		b.WriteByte('\n')
	}
	if len(m.Mutants) > 0 {
		fmt.Fprintf(&b, "\n%d of %d mutants killed by a case that proves their requirement\n", killed, len(m.Mutants))
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
