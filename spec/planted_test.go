package spec

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// plant is one error put into a sound tree. The edit replaces old, which is there
// once, by new; without old, new becomes the whole file, and without either the
// file is removed.
type plant struct {
	name     string
	check    string // that must find it
	file     string
	old, new string
	at       string // text whose line the problem names; new if empty
	in       string // file that the problem names; file if empty
	stale    bool   // leave the tables as they were before the edit
	want     []string
}

// TestPlantedErrors shows that each check finds what it is for: every error planted
// in a sound tree gives exactly the problems expected, at the line expected, and
// every check finds at least one.
func TestPlantedErrors(t *testing.T) {
	found := make(map[string]bool)
	for _, p := range slices.Concat(plantedInLayouts(), plantedInCodes(), plantedInLimits(), plantedInSchedule(), plantedInStates(),
		plantedInRequirements(), plantedInProse()) {
		t.Run(p.check+"/"+p.name, func(t *testing.T) {
			tree := soundTree(t)
			p.apply(t, tree)
			if !p.stale {
				fillTree(t, tree)
			}
			got := problemsOf(t, tree)
			if len(got[p.check]) > 0 {
				found[p.check] = true
			}
			want := map[string][]string{p.check: p.problems(t, tree)}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("problems\n got: %v\nwant: %v", got, want)
			}
		})
	}
	for _, c := range allChecks() {
		if !found[c.name] {
			t.Errorf("no planted error was found by check %q; plant one", c.name)
		}
	}
}

// TestSoundTree shows that the planted errors start from a tree without problems.
func TestSoundTree(t *testing.T) {
	tree := soundTree(t)
	fillTree(t, tree)
	if got := problemsOf(t, tree); len(got) > 0 {
		t.Errorf("problems in the sound tree: %v", got)
	}
}

// problemsOf runs the compiler and returns the problems by check.
func problemsOf(t *testing.T, repo fs.FS) map[string][]string {
	t.Helper()
	opened := openTree(t, repo)
	problems := make(map[string][]string)
	for _, c := range allChecks() {
		for _, problem := range c.run(opened) {
			problems[c.name] = append(problems[c.name], problem.String())
		}
	}
	return problems
}

// soundTree is the chapters of testdata/tree with the real registry, their own
// requirements, one chapter with every table, and one cited source file.
func soundTree(t *testing.T) fstest.MapFS {
	t.Helper()
	tree := fstest.MapFS{}
	read := func(from string, pattern string) {
		names, err := fs.Glob(os.DirFS(from), pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("nothing like %s in %s: %v", pattern, from, err)
		}
		for _, name := range names {
			data, err := os.ReadFile(path.Join(from, name))
			if err != nil {
				t.Fatal(err)
			}
			tree["spec/"+name] = &fstest.MapFile{Data: data}
		}
	}
	read(".", "registry/*.json")
	read("testdata/tree", "*.md")
	read("testdata/tree", "decisions/*.md")
	read("testdata/tree", "registry/*.json")
	tables := "# 10 Tables\n"
	for _, name := range Default().TableNames() {
		tables += fmt.Sprintf("\n<!-- table: %s -->\n%s\n", name, tableEnd)
	}
	tree["spec/10-tables.md"] = &fstest.MapFile{Data: []byte(tables)}
	tree["conformance/old.go"] = &fstest.MapFile{Data: []byte("package conformance // [XTMP-HDR-" + "098]\n")}
	tree["refimpl/wire/header.go"] = &fstest.MapFile{Data: []byte("package wire // [XTMP-HDR-001]\n")}
	fillTree(t, tree)
	return tree
}

func fillTree(t *testing.T, tree fstest.MapFS) {
	t.Helper()
	registry := openTree(t, tree).registry
	for name, file := range tree {
		if path.Dir(name) == "spec" && path.Ext(name) == ".md" {
			tree[name] = &fstest.MapFile{Data: []byte(registry.FillTables(string(file.Data)))}
		}
	}
}

func (p plant) apply(t *testing.T, tree fstest.MapFS) {
	t.Helper()
	switch {
	case p.old != "":
		text := string(tree[p.file].Data)
		if n := strings.Count(text, p.old); n != 1 {
			t.Fatalf("%s has %d times %q, not once", p.file, n, p.old)
		}
		tree[p.file] = &fstest.MapFile{Data: []byte(strings.Replace(text, p.old, p.new, 1))}
	case p.new != "":
		tree[p.file] = &fstest.MapFile{Data: []byte(p.new)}
	default:
		delete(tree, p.file)
	}
}

// problems returns the wanted problems with file and line.
func (p plant) problems(t *testing.T, tree fstest.MapFS) []string {
	t.Helper()
	file, line := p.file, 1
	if p.in != "" {
		file = p.in
	}
	if marker := p.at; marker != "" || p.in == "" && p.new != "" {
		if marker == "" {
			marker = p.new
		}
		before, _, ok := strings.Cut(string(tree[file].Data), marker)
		if !ok {
			t.Fatalf("%s does not hold %q", file, marker)
		}
		line = strings.Count(before, "\n") + 1
	}
	var problems []string
	for _, text := range p.want {
		problems = append(problems, fmt.Sprintf("%s:%d: %s", file, line, text))
	}
	return problems
}
