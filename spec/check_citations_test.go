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

// checkCitations: every requirement that a file of the repository cites exists.
func checkCitations(t tree) []Problem {
	live := make(map[string]bool)
	for _, q := range t.registry.Requirements {
		live[q.ID] = true // a row without a sentence is reported with the rows
	}
	var problems []Problem
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
				if !live[id] && !invented {
					problems = append(problems, Problem{
						name, i + 1,
						fmt.Sprintf("cites %s, which is no requirement; correct the number or remove the citation", id),
					})
				}
			}
		}
		return nil
	})
	if err != nil {
		problems = append(problems, Problem{".", 0, err.Error()})
	}
	return problems
}
