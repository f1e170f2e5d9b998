package selftest

import (
	"slices"
	"strings"
	"testing"

	"github.com/bpci/xtmp/conformance"
)

func TestParseMutants(t *testing.T) {
	good := `{"name":"a-1","requirement":"XTMP-HDR-001","description":"x"}`
	mutants, err := parseMutants([]byte(good + "\n\n" + strings.Replace(good, "a-1", "b", 1)))
	if err != nil || len(mutants) != 2 || mutants[1].Name != "b" {
		t.Errorf("got %v, %v; want two mutants", mutants, err)
	}
	for name, text := range map[string]string{
		"empty":          "\n",
		"no JSON":        "a-1 XTMP-HDR-001",
		"twice":          good + "\n" + good,
		"two words":      strings.Replace(good, "a-1", "a 1", 1),
		"a switch":       strings.Replace(good, "a-1", "-a", 1),
		"a command":      strings.Replace(good, "a-1", "$(id)", 1),
		"no requirement": strings.Replace(good, "XTMP-HDR-001", "", 1),
		"no description": strings.Replace(good, `"x"`, `""`, 1),
	} {
		if mutants, err := parseMutants([]byte(text)); err == nil {
			t.Errorf("%s: taken as %v", name, mutants)
		}
	}
}

func result(id string, v conformance.Verdict, level conformance.Level) conformance.Result {
	caseID, _, _ := strings.Cut(id, "[")
	return conformance.Result{ID: id, Verdict: v, Judged: true, Case: conformance.Case{ID: caseID, Level: level}}
}

func TestWeighDegenerate(t *testing.T) {
	o := &conformance.Outcome{Results: []conformance.Result{
		result("XC-0001", conformance.Pass, conformance.Must),
		result("XC-0002[bit=1]", conformance.PassTolerated, conformance.Must),
		result("XC-0003", conformance.Pass, conformance.Should),
		result("XC-0004", conformance.Inconclusive, conformance.Must),
		result("XC-0005", conformance.Pass, conformance.Must),
	}}
	got := weighDegenerate("echo", o, []Excuse{{"echo", "XC-0005", "it does"}, {"random", "XC-0001", "another peer"}})
	if !slices.Equal(got.Passed, []string{"XC-0001", "XC-0002[bit=1]"}) || !slices.Equal(got.Excused, []string{"XC-0005"}) {
		t.Errorf("passed %v, excused %v", got.Passed, got.Excused)
	}
}

func TestWeighMutant(t *testing.T) {
	for _, test := range []struct {
		name    string
		results []conformance.Result
		want    string
	}{
		{"fails", []conformance.Result{result("XC-0001[a=1]", conformance.Fail, conformance.Must)}, StatusKilled},
		{"warns", []conformance.Result{result("XC-0001", conformance.Warn, conformance.Should)}, StatusKilled},
		{"passes", []conformance.Result{result("XC-0001", conformance.Pass, conformance.Must)}, StatusSurvived},
		{"a doubt", []conformance.Result{result("XC-0001", conformance.Inconclusive, conformance.Must)}, StatusSurvived},
		{"another sees it", []conformance.Result{
			result("XC-0001", conformance.Pass, conformance.Must), result("XC-0002", conformance.Fail, conformance.Must),
		}, StatusMisjudged},
		{"both see it", []conformance.Result{
			result("XC-0001", conformance.Fail, conformance.Must), result("XC-0002", conformance.Fail, conformance.Must),
		}, StatusKilled},
	} {
		var got MutantResult
		got.weigh(&conformance.Outcome{Results: test.results}, []string{"XC-0001"})
		if got.Status != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got.Status, test.want)
		}
	}
}

// A mutant is asked as a server that has what it declares.
func TestDeclared(t *testing.T) {
	cfg := &Config{Profiles: []string{"core", "suites", "probe"}}
	for without, want := range map[string][]string{
		"":            {"core", "suites", "probe"},
		"probe":       {"core", "suites"},
		"compression": {"core", "suites", "probe"},
	} {
		if got := cfg.declared(Mutant{Without: without}); !slices.Equal(got, want) {
			t.Errorf("without %q: got %v, want %v", without, got, want)
		}
	}
}
