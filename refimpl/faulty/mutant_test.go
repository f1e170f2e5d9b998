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
	for _, file := range Files(slices.Concat(Mutants(), Planted()), Zoo()) {
		b, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		files[file] = string(b)
	}
	return files
}

func TestEveryEditApplies(t *testing.T) {
	src := sources(t)
	for _, m := range Mutants() { // each alone, so that one run names all that have gone stale
		if _, err := Overlay([]Mutant{m}, nil, src); err != nil {
			t.Error(err)
		}
	}
	for _, v := range Zoo() {
		if _, err := Overlay(nil, []Variant{v}, src); err != nil {
			t.Error(err)
		}
	}
	changed, err := Overlay(Mutants(), Zoo(), src)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range edits(Mutants(), Zoo()) {
		if strings.Contains(src[e.File], "mutantOn") {
			t.Errorf("%s: the product carries a bug switch", e.File)
		}
		if !strings.Contains(changed[e.File], e.on()) {
			t.Errorf("%s: no switch in %s", e.name, e.File)
		}
	}
}

func TestEverythingIsListedOnce(t *testing.T) {
	names := []string{}
	for _, v := range Zoo() {
		names = append(names, v.Name)
		if v.Permits == "" || v.Description == "" || !strings.HasSuffix(v.Description, ".") {
			t.Errorf("%s: what permits it is not said, or the description is no sentence", v.Name)
		}
	}
	if !slices.IsSorted(names) {
		t.Errorf("not sorted: %v", names)
	}
	variants := len(names)
	for _, m := range Mutants() {
		names = append(names, m.Name)
		if r, ok := spec.Default().Requirement(m.Requirement); !ok || r.Level != "MUST" && r.Level != "MUST NOT" {
			t.Errorf("%s breaks %s, which is no MUST", m.Name, m.Requirement)
		}
		if !slices.Contains([]string{"", Compression, IntegrityOnly, Probe, UDP, Failover}, m.Without) {
			t.Errorf("%s is without %q, which nothing knows", m.Name, m.Without)
		}
		if m.Description == "" || !strings.HasSuffix(m.Description, ".") {
			t.Errorf("%s: the description is no sentence", m.Name)
		}
	}
	if !slices.IsSorted(names[variants:]) {
		t.Errorf("not sorted: %v", names[variants:])
	}
	slices.Sort(names)
	if distinct := slices.Compact(slices.Clone(names)); len(distinct) != len(names) {
		t.Errorf("a name stands twice: %v", names)
	}
}

func TestStaleEditIsAnError(t *testing.T) {
	for name, e := range map[string]Edit{
		"gone":     {File: "a/b.go", At: "no such text", New: "x"},
		"twice":    {File: "a/b.go", At: "x", New: "y"},
		"no file":  {File: "a/c.go", At: "x", New: "y"},
		"no check": {File: "a/b.go", If: "z", Unless: "true"},
		"no text":  {File: "a/b.go", New: "y"},
		"not Go":   {File: "a/b.go", At: "package a", New: "package"},
	} {
		mutants := []Mutant{{Name: "m", Edit: e}}
		if _, err := Overlay(mutants, nil, map[string]string{"a/b.go": "package a\n\nvar x, xx int\n"}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestEdits shows each form of an edit, and several edits of one check.
func TestEdits(t *testing.T) {
	const source = "package b\n\nfunc f(x int) int {\n\tif x > 1 {\n\t\tx++\n\t}\n\treturn x\n}\n"
	for _, test := range []struct {
		name  string
		edits []Edit
		want  string
	}{
		{"weaken", []Edit{{If: "x > 1", Unless: "x == 2"}}, `if (x > 1) && !(mutantOn("m0") && (x == 2)) {`},
		{"strengthen", []Edit{{If: "x > 1", Or: "x == 0"}}, `if (x > 1) || mutantOn("m0") && (x == 0) {`},
		{
			"both",
			[]Edit{{If: "x > 1", Unless: "x == 2"}, {If: "x > 1", Or: "x == 0"}},
			`if ((x > 1) && !(mutantOn("m0") && (x == 2))) || mutantOn("m1") && (x == 0) {`,
		},
		{"before", []Edit{{At: "x++", Before: "x--"}}, `if mutantOn("m0") { x-- } x++`},
		{"after", []Edit{{At: "x++", After: "x--"}}, `x++ if mutantOn("m0") { x-- }`},
		{"instead", []Edit{{At: "x++", Instead: "x--"}}, `if mutantOn("m0") { x-- } else { x++ }`},
		{"new", []Edit{{At: "return x", New: "return map[bool]int{true: x}[!$on]"}}, `return map[bool]int{true: x}[!mutantOn("m0")]`},
	} {
		var mutants []Mutant
		for i, e := range test.edits {
			e.File = "a/b.go"
			mutants = append(mutants, Mutant{Name: "m" + string(rune('0'+i)), Edit: e})
		}
		changed, err := Overlay(mutants, nil, map[string]string{"a/b.go": source})
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if got := strings.Join(strings.Fields(changed["a/b.go"]), " "); !strings.Contains(got, test.want) {
			t.Errorf("%s: got %s, want %s in it", test.name, got, test.want)
		}
	}
}

// What is planted for the simulator fits the sources, and has names of its own.
func TestPlanted(t *testing.T) {
	if _, err := Overlay(Planted(), nil, sources(t)); err != nil {
		t.Error(err)
	}
	names := map[string]bool{}
	for _, m := range slices.Concat(Mutants(), Planted()) {
		r, ok := spec.Default().Requirement(m.Requirement)
		if names[m.Name] || m.Description == "" || !ok || r.Level != "MUST" && r.Level != "MUST NOT" {
			t.Errorf("%s: %s, %q", m.Name, m.Requirement, m.Description)
		}
		names[m.Name] = true
	}
}
