package spec

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

var citation = regexp.MustCompile(`XTMP-[A-Z]+-[0-9]{3}`)

// inventedArea is for made-up IDs in tests of the machinery: it is no area of the
// text, and only test files may use it.
const inventedArea = "TST"

// checkCitations: every requirement that a file of the repository cites exists. One
// that was withdrawn may stand in the directories that have not followed yet, and
// such a directory is no longer named once it has.
func checkCitations(t tree) []Problem {
	live := make(map[string]bool)
	for _, q := range t.registry.Requirements {
		live[q.ID] = true // a row without a sentence is reported with the rows
	}
	var problems []Problem
	waiting := make(map[string]bool) // ID and directory
	err := fs.WalkDir(t.repo, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if slices.Contains([]string{".git", "node_modules", "spec/testdata"}, name) {
				return fs.SkipDir
			}
			return nil
		}
		if !slices.Contains([]string{".go", ".js", ".mjs", ".md"}, path.Ext(name)) {
			return nil
		}
		data, err := fs.ReadFile(t.repo, name)
		if err != nil {
			return err
		}
		for i, line := range strings.Split(string(data), "\n") {
			for _, id := range citation.FindAllString(line, -1) {
				invented := strings.HasSuffix(name, "_test.go") && Requirement{ID: id}.Area() == inventedArea
				if live[id] || invented {
					continue
				}
				text := t.deadCitation(id, name)
				if text == "" {
					waiting[id+" "+topOf(name)] = true
					continue
				}
				problems = append(problems, Problem{name, i + 1, text})
			}
		}
		return nil
	})
	if err != nil {
		problems = append(problems, Problem{".", 0, err.Error()})
	}
	for i, w := range t.registry.Withdrawn {
		for _, directory := range w.StillCitedIn {
			if !waiting[w.ID+" "+directory] {
				problems = append(problems, t.problem(in("withdrawn.json", i),
					"%s is cited in %s no longer; remove the directory from still_cited_in", w.ID, directory))
			}
		}
	}
	return problems
}

// deadCitation says what is wrong with a citation of an ID that is no requirement,
// or "" if the file is known not to have followed yet.
func (t tree) deadCitation(id, name string) string {
	w, ok := find(t.registry.Withdrawn, func(w Withdrawn) bool { return w.ID == id })
	switch {
	case ok && (slices.Contains(w.StillCitedIn, topOf(name)) || strings.HasPrefix(name, "spec/decisions/")):
		return ""
	case ok:
		return fmt.Sprintf("cites %s, which was withdrawn; its place took %s", id, strings.Join(w.ReplacedBy, ", "))
	}
	return fmt.Sprintf("cites %s, which is no requirement; correct the number or remove the citation", id)
}

// topOf returns the first directory of a file's name.
func topOf(name string) string {
	top, _, _ := strings.Cut(name, "/")
	return top
}
