package spec

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// checkTables: every table block shows what the registry says, and every table of
// the registry is shown.
func checkTables(t tree) []Problem {
	var problems []Problem
	shown := make(map[string]bool)
	for _, doc := range t.docs {
		for _, block := range doc.tables {
			shown[block.name] = true
			table, known := t.registry.Table(block.name)
			switch {
			case !known:
				problems = append(problems, doc.problem(block.line,
					"there is no table %q; the names are %s", block.name, strings.Join(t.registry.TableNames(), " ")))
			case !block.closed:
				problems = append(problems, doc.problem(block.line,
					"table %s has no %q after it", block.name, tableEnd))
			case block.text != table:
				problems = append(problems, doc.problem(block.line,
					"table %s differs from the registry; run: go test ./spec -update", block.name))
			}
		}
	}
	for _, name := range t.registry.TableNames() {
		if !shown[name] {
			problems = append(problems, document{file: "spec/" + indexFile}.problem(1,
				"table %s stands in no chapter; put <!-- table: %s --> and <!-- end --> where it belongs", name, name))
		}
	}
	return problems
}

// checkLinks: links inside the repository lead to a file, and to a heading in it.
func checkLinks(t tree) []Problem {
	var problems []Problem
	for _, doc := range t.docs {
		for _, l := range doc.links {
			if text := t.brokenLink(doc, l.target); text != "" {
				problems = append(problems, Problem{doc.file, l.line, text})
			}
		}
	}
	return problems
}

var scheme = regexp.MustCompile(`^[a-z][a-z0-9+.-]*:`)

// brokenLink says why a link of a document leads nowhere, or "".
func (t tree) brokenLink(doc document, target string) string {
	if scheme.MatchString(target) {
		return ""
	}
	file, anchor, hasAnchor := strings.Cut(target, "#")
	sections := doc.sections
	if file != "" {
		name := path.Join(path.Dir(doc.file), file)
		info, err := fs.Stat(t.repo, name)
		if err != nil {
			return fmt.Sprintf("link %s leads to no file", target)
		}
		if !hasAnchor || info.IsDir() {
			return ""
		}
		data, err := fs.ReadFile(t.repo, name)
		if err != nil {
			return fmt.Sprintf("link %s: %v", target, err)
		}
		sections = parseDocument(name, string(data)).sections
	}
	if hasAnchor && !slices.ContainsFunc(sections, func(s Section) bool { return s.Anchor == anchor }) {
		return fmt.Sprintf("link %s leads to no heading; the nearest is %q", target, nearest(anchor, sections))
	}
	return ""
}

// nearest returns the anchor that shares the longest beginning with the one wanted.
func nearest(anchor string, sections []Section) string {
	best, longest := "", -1
	for _, section := range sections {
		common := 0
		for common < min(len(anchor), len(section.Anchor)) && anchor[common] == section.Anchor[common] {
			common++
		}
		if common > longest {
			best, longest = section.Anchor, common
		}
	}
	return best
}

var chapterName = regexp.MustCompile(`^([0-9]{2}|appendix-[a-z])-[a-z0-9-]+\.md$`)

// checkIndex: every chapter has a proper name and a link from the index.
func checkIndex(t tree) []Problem {
	var problems []Problem
	index, ok := find(t.docs, func(d document) bool { return d.file == "spec/"+indexFile })
	if !ok {
		return []Problem{{"spec/" + indexFile, 1, "is missing; it is the index of the chapters"}}
	}
	for _, chapter := range t.chapters() {
		name := path.Base(chapter.file)
		if !chapterName.MatchString(name) {
			problems = append(problems, chapter.problem(1,
				"a chapter is named NN-name.md or appendix-x-name.md"))
		}
		if chapter.title() == "" {
			problems = append(problems, chapter.problem(1,
				"has no heading; begin with # and the title"))
		}
		if !slices.ContainsFunc(index.links, func(l link) bool { return l.target == name }) {
			problems = append(problems, index.problem(1,
				"has no link to %s; add it to the index", name))
		}
	}
	return problems
}

var decisionName = regexp.MustCompile(`^([0-9]{4})-[a-z0-9-]+\.md$`)

// checkDecisions: decisions are numbered from 0001 without gaps and have their four
// headings.
func checkDecisions(t tree) []Problem {
	var problems []Problem
	next := 1
	for _, doc := range t.docs {
		name := path.Base(doc.file)
		if path.Dir(doc.file) != "spec/decisions" || name == indexFile {
			continue
		}
		match := decisionName.FindStringSubmatch(name)
		if match == nil {
			problems = append(problems, doc.problem(1,
				"a decision is named NNNN-title.md"))
			continue
		}
		if number, _ := strconv.Atoi(match[1]); number != next {
			problems = append(problems, doc.problem(1,
				"has number %04d where %04d comes next; renumber", number, next))
			next = number
		}
		next++
		var headings []string
		for _, section := range doc.sections {
			if section.Level == 2 {
				headings = append(headings, section.Title)
			}
		}
		if want := []string{"Context", "Decision", "Consequence", "What would change our mind"}; !slices.Equal(headings, want) {
			problems = append(problems, doc.problem(1,
				"has the headings %q, not %q", headings, want))
		}
	}
	return problems
}
