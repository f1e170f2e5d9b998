package faulty

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bpci/xtmp/spec"
)

// sources reads the files that mutants edit.
func sources(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, m := range Mutants() {
		b, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(m.File)))
		if err != nil {
			t.Fatal(err)
		}
		files[m.File] = string(b)
	}
	return files
}

func TestEveryMutantApplies(t *testing.T) {
	src := sources(t)
	changed, err := Overlay(Mutants(), src)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range Mutants() {
		if strings.Contains(src[m.File], "mutantOn") {
			t.Errorf("%s: the product carries a bug switch", m.File)
		}
		if got := strings.Count(changed[m.File], `mutantOn("`+m.Name+`")`); got != 1 {
			t.Errorf("%s: %d switches in %s, want one", m.Name, got, m.File)
		}
	}
}

func TestMutantsAreListedOnce(t *testing.T) {
	names := []string{}
	for _, m := range Mutants() {
		names = append(names, m.Name)
		if r, ok := spec.Default().Requirement(m.Requirement); !ok || r.Level != "MUST" && r.Level != "MUST NOT" {
			t.Errorf("%s breaks %s, which is no MUST", m.Name, m.Requirement)
		}
		if m.Description == "" || !strings.HasSuffix(m.Description, ".") {
			t.Errorf("%s: the description is no sentence", m.Name)
		}
	}
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("not sorted, or a name twice: %v", names)
	}
}

func TestStaleMutantIsAnError(t *testing.T) {
	for _, m := range []Mutant{
		{Name: "gone", File: "a/b.go", Old: "no such text", New: "x"},
		{Name: "twice", File: "a/b.go", Old: "x", New: "y"},
		{Name: "no-file", File: "a/c.go", Old: "x", New: "y"},
		{Name: "no-check", File: "a/b.go", If: "z", Unless: "true"},
	} {
		if _, err := Overlay([]Mutant{m}, map[string]string{"a/b.go": "package a\n\nvar x, xx int\n"}); err == nil {
			t.Errorf("%s: no error", m.Name)
		}
	}
}
