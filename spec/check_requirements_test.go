package spec

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

var (
	// foreignKeyword is a keyword of BCP 14 that this text does not use.
	foreignKeyword = regexp.MustCompile(`\b(SHALL NOT|SHALL|REQUIRED|NOT RECOMMENDED|RECOMMENDED|OPTIONAL)\b`)
	// nearStatement is a list item that was probably meant to be a statement.
	nearStatement = regexp.MustCompile(`^ {0,3}[-*+]\s*\[?XTMP-`)
)

// checkStatements: every normative bullet has one keyword and an ID of its own.
func checkStatements(t tree) []Problem {
	var problems []Problem
	seen := make(map[string]string)
	for _, doc := range t.docs {
		for _, s := range doc.statements {
			report := func(format string, values ...any) {
				problems = append(problems, Problem{doc.file, s.line, s.id + " " + fmt.Sprintf(format, values...)})
			}
			if found := keywordsIn(s.text); len(found) != 1 {
				report("has %d keywords %q, not exactly one; split the sentence or reword it", len(found), found)
			}
			if found := foreignKeyword.FindString(codeSpan.ReplaceAllString(s.text, "")); found != "" {
				report("says %s; this text uses MUST, MUST NOT, SHOULD, SHOULD NOT and MAY only", found)
			}
			if strings.Contains(s.text, "[XTMP-") {
				report("has a second ID; one sentence, one ID")
			}
			if first, ok := seen[s.id]; ok {
				report("is defined at %s already; take a number that was never used", first)
			} else {
				seen[s.id] = fmt.Sprintf("%s:%d", doc.file, s.line)
			}
			area := Requirement{ID: s.id}.Area()
			if !slices.ContainsFunc(t.registry.Areas, func(a Area) bool { return a.Name == area }) {
				report("has the area %s, which is not in areas.json", area)
			}
			if path.Dir(doc.file) != "spec" || path.Base(doc.file) == indexFile {
				report("stands outside the chapters; move it into one")
			}
		}
		for _, line := range doc.prose {
			if nearStatement.MatchString(line.text) {
				problems = append(problems, doc.problem(line.line,
					"looks like a requirement but is none; write \"- [XTMP-AREA-NNN] sentence\", not indented"))
			}
		}
	}
	return problems
}

// checkKeywordsElsewhere: a keyword in capitals outside a requirement binds nobody
// and misleads everybody. The section that defines the keywords is exempt.
func checkKeywordsElsewhere(t tree) []Problem {
	var problems []Problem
	for _, doc := range t.docs {
		defining := definingSections(doc)
		for _, line := range doc.prose {
			found := slices.Concat(keywordsIn(line.text), foreignKeyword.FindAllString(line.text, -1))
			if len(found) > 0 && !slices.Contains(defining, line.section.Line) {
				problems = append(problems, doc.problem(line.line,
					"says %s outside a requirement; give the sentence an ID, or use lower case", found[0]))
			}
		}
	}
	return append(problems, t.keywordsInRegistry()...)
}

// keywordsInRegistry looks at every registry file but the list of requirements,
// which may repeat the level.
func (t tree) keywordsInRegistry() []Problem {
	var problems []Problem
	names, _ := fs.Glob(t.repo, "spec/registry/*.json")
	for _, name := range names {
		data, err := fs.ReadFile(t.repo, name)
		if err != nil || name == "spec/"+requirementsFile {
			continue
		}
		for i, line := range strings.Split(string(data), "\n") {
			if found := keyword.FindString(line); found != "" {
				problems = append(problems, document{file: name}.problem(i+1,
					"says %s; a table explains, write the rule as a requirement in a chapter", found))
			}
		}
	}
	return problems
}

// definingSections returns the lines of the headings of those sections of the first
// chapter that define the keywords.
func definingSections(doc document) []int {
	var lines []int
	if path.Base(doc.file) != "01-conventions.md" {
		return nil
	}
	for _, line := range doc.prose {
		if strings.Contains(line.text, "BCP 14") {
			lines = append(lines, line.section.Line)
		}
	}
	return lines
}

// checkRequirementRows: every statement has a row in requirements.json, every row
// a statement, and a level given there is the keyword of the sentence.
func checkRequirementRows(t tree) []Problem {
	var problems []Problem
	rows := make(map[string]requirementRow)
	for i, row := range t.rows {
		if _, ok := rows[row.ID]; ok {
			problems = append(problems, t.problem(in("requirements.json", i),
				"%s has two rows; remove one", row.ID))
		}
		rows[row.ID] = row
	}
	stated := make(map[string]bool)
	for _, doc := range t.docs {
		for _, s := range doc.statements {
			stated[s.id] = true
			if _, ok := rows[s.id]; !ok {
				problems = append(problems, Problem{doc.file, s.line, s.id + " has no row in registry/requirements.json; add one"})
			}
		}
	}
	for i, row := range t.rows {
		if !stated[row.ID] {
			problems = append(problems, t.problem(in("requirements.json", i),
				"%s is in no chapter; write the sentence or remove the row", row.ID))
			continue
		}
		if q, _ := t.registry.Requirement(row.ID); row.Level != "" && row.Level != q.Level {
			problems = append(problems, t.problem(in("requirements.json", i),
				"%s: level is %s, but its sentence says %s", row.ID, row.Level, q.Level))
		}
	}
	return problems
}

// checkRequirementWords: role, profile and testability are from their lists, and
// whatever is not tested says why.
func checkRequirementWords(t tree) []Problem {
	var problems []Problem
	for i, row := range t.rows {
		report := func(format string, values ...any) {
			problems = append(problems, t.problem(in("requirements.json", i),
				"%s: %s", row.ID, fmt.Sprintf(format, values...)))
		}
		if !slices.Contains([]string{"client", "server", "both"}, row.Role) {
			report("role %q is not one of client, server, both", row.Role)
		}
		if !slices.ContainsFunc(t.registry.Profiles, func(p Profile) bool { return p.Name == row.Profile }) {
			report("profile %q is not in profiles.json", row.Profile)
		}
		needed := slices.ContainsFunc(t.registry.Profiles, func(p Profile) bool { return p.Name == row.Needs && p.Name != row.Profile })
		if row.Needs != "" && !needed {
			report("needs %q is not another profile of profiles.json", row.Needs)
		}
		if words := testabilities(); !slices.Contains(words, row.Testability) {
			report("testability %q is not one of %s", row.Testability, strings.Join(words, ", "))
		}
		if row.Testability != Tested && strings.TrimSpace(row.Reason) == "" {
			report("testability %s needs a reason", row.Testability)
		}
		if row.Testability == Tested && row.Reason != "" {
			report("is tested and has a reason why not; remove the reason")
		}
	}
	return problems
}

func testabilities() []string {
	return []string{Tested, Implicit, OutOfScope, Extension, BlackboxUntestable, ContradictoryInText}
}

// checkWithdrawn: what is withdrawn is no requirement any more, is listed once, says
// why, and names requirements in its place.
func checkWithdrawn(t tree) []Problem {
	var problems []Problem
	seen := make(map[string]bool)
	for i, w := range t.registry.Withdrawn {
		report := func(format string, values ...any) {
			problems = append(problems, t.problem(in("withdrawn.json", i), "%s: %s", w.ID, fmt.Sprintf(format, values...)))
		}
		if seen[w.ID] {
			report("is listed twice; remove one")
		}
		seen[w.ID] = true
		if _, ok := t.registry.Requirement(w.ID); ok {
			report("is a requirement; take another number for the sentence, or remove it here")
		}
		if w.Reason == "" {
			report("has no reason")
		}
		for _, id := range w.ReplacedBy {
			if _, ok := t.registry.Requirement(id); !ok {
				report("replaced_by names %s, which is no requirement", id)
			}
		}
	}
	return problems
}
