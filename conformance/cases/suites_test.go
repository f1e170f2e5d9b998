package cases_test

import (
	"context"
	"slices"
	"testing"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/cases"
	"github.com/bpci/xtmp/spec"
	"github.com/bpci/xtmp/vectors/testkit"
)

// identities are one of kind 2 and two of kind 1.
func identities() (hybrid, first, second testkit.Identity) {
	seed := func(label string) []byte { return testkit.Draw(testkit.Entropy(label), 32) }
	return testkit.Identity{Seed: seed("hybrid"), MLDSASeed: seed("ML-DSA-65")}, testkit.Identity{Seed: seed("first")},
		testkit.Identity{Seed: seed("second")}
}

// judge runs cases against a server and returns the results that are judged.
func judge(t *testing.T, s *server, sel conformance.Selection) []conformance.Result {
	t.Helper()
	return judgeWithin(t, s, sel, 1)
}

// judgeWithin is judge with other harness budgets.
func judgeWithin(t *testing.T, s *server, sel conformance.Selection, scale float64) []conformance.Result {
	t.Helper()
	suite, err := conformance.NewSuite(spec.Default(), cases.All())
	if err != nil {
		t.Fatal(err)
	}
	plan, err := suite.Select(sel)
	if err != nil {
		t.Fatal(err)
	}
	addr, pins := s.start(t)
	target, err := conformance.NewAddress(addr, pins...)
	if err != nil {
		t.Fatal(err)
	}
	waits, err := conformance.NewWaits(spec.Default(), scale, 0)
	if err != nil {
		t.Fatal(err)
	}
	outcome, err := plan.Run(context.Background(), conformance.Config{Target: target, Waits: waits, Seed: 1, Parallel: 8, Probe: cases.Probe})
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(outcome.Results, func(r conformance.Result) bool { return !r.Judged })
}

func everything() conformance.Selection {
	return conformance.Selection{
		Run: []string{"XC-10*", "XC-08*"}, Profiles: []string{"core", "suites", "integrity-only"},
	}
}

// A conforming server passes every case about suites and identities, whichever kind
// it has first.
func TestConformingServerPasses(t *testing.T) {
	hybrid, first, second := identities()
	choice := everything()
	choice.Run = []string{"XC-1000", "XC-101*", "XC-103*", "XC-080*"}
	for _, test := range []struct {
		ids []testkit.Identity
		sel conformance.Selection
	}{
		{[]testkit.Identity{first, hybrid, second}, everything()},
		{[]testkit.Identity{hybrid, first}, choice},
	} {
		s := &server{identities: test.ids, suites: []byte{0, 1, 2, 3}}
		for _, r := range judge(t, s, test.sel) {
			if !r.Verdict.Passed() && r.Verdict != conformance.Unsupported {
				t.Errorf("%s is %s: %s", r.ID, r.Verdict, r.Reason)
			}
		}
	}
}

// A server without the profiles passes the cases about their absence.
func TestServerOfCoreAlonePasses(t *testing.T) {
	_, first, second := identities()
	s := &server{identities: []testkit.Identity{first, second}, suites: []byte{1}}
	sel := everything()
	sel.Profiles = nil
	for _, r := range judge(t, s, sel) {
		if !r.Verdict.Passed() && r.Verdict != conformance.Unsupported {
			t.Errorf("%s is %s: %s", r.ID, r.Verdict, r.Reason)
		}
	}
}

// A server with one flaw fails a case that proves what the flaw breaks.
func TestFlawsAreSeen(t *testing.T) {
	hybrid, first, second := identities()
	for _, test := range []struct {
		flaw, requirement string
		run               string // some instances of the case that has to see it
	}{
		{"suite", "XTMP-ORD-018", "XC-1040[use=3 kind 2,*]"},
		{"suite", "XTMP-INT-009", "XC-0812[*by its suite]"},
		{"tag", "XTMP-INT-010", "XC-0810"},
		{"tag", "XTMP-INT-010", "XC-0811"},
		{"tag", "XTMP-INT-010", "XC-0818"},
		{"nonce", "XTMP-NON-006", "XC-1044[use=2 kind 2,*]"},
		{"nonce", "XTMP-NON-006", "XC-0816"},
		{"second half", "XTMP-KEY-017", "XC-1021"},
		{"key", "XTMP-HSK-023", "XC-1020"},
		{"order", "XTMP-TRU-020", "XC-1010"},
		{"hint", "XTMP-TRU-018", "XC-1032"},
		{"MAC", "XTMP-HSK-090", "XC-1051[use=2 kind 2,*]"},
		{"MAC", "XTMP-HSK-090", "XC-1052"},
		{"MAC", "XTMP-HSK-090", "XC-0831"},
	} {
		s := &server{
			identities: []testkit.Identity{first, hybrid, second}, suites: []byte{0, 1, 2, 3}, flaws: map[string]bool{test.flaw: true},
		}
		sel := everything()
		sel.Run = []string{test.run}
		seen := slices.ContainsFunc(judge(t, s, sel), func(r conformance.Result) bool {
			return r.Verdict == conformance.Fail && slices.Contains(r.Case.Proves, test.requirement)
		})
		if !seen {
			t.Errorf("%s does not see the flaw %q", test.run, test.flaw)
		}
	}
}

// A server that serves suite 0 although it does not declare it is found out.
func TestUndeclaredSuiteIsSeen(t *testing.T) {
	_, first, _ := identities()
	s := &server{identities: []testkit.Identity{first}, suites: []byte{0, 1, 2}}
	for _, id := range []string{"XC-1003", "XC-0820", "XC-0821"} {
		failed := slices.ContainsFunc(judge(t, s, conformance.Selection{Run: []string{id}}), func(r conformance.Result) bool {
			return r.Verdict == conformance.Fail
		})
		if !failed {
			t.Errorf("%s passes a server that serves what it does not declare", id)
		}
	}
}
