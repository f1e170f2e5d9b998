package conformance

import (
	"testing"

	"github.com/bpci/xtmp/spec"
)

func TestCoverage(t *testing.T) {
	reg := testRegistry()
	reg.Requirements = append(
		reg.Requirements,
		spec.Requirement{ID: "XTMP-TST-006", Level: "MUST", Role: "server", Testability: spec.Tested},
		spec.Requirement{ID: "XTMP-TST-007", Level: "MUST", Role: "server", Testability: "hard"},
		spec.Requirement{ID: "XTMP-TST-008", Level: "MAY", Role: "server", Testability: spec.OutOfScope},
		spec.Requirement{ID: "XTMP-TST-009", Level: "MUST", Role: "server", Testability: spec.Implicit, Reason: "so"},
	)
	c := negative("XC-0002", "BAD", refused())
	c.Proves = append(c.Proves, "XTMP-TST-009")
	c.Touches = []string{"XTMP-TST-003"}
	suite, err := NewSuite(reg, []Case{control(), c})
	if err != nil {
		t.Fatal(err)
	}
	matrix := suite.Coverage(map[string]Verdict{"XC-0001": Pass, "XC-0002": Fail})
	want := map[string]struct {
		verdict Verdict
		orphan  string
	}{
		"XTMP-TST-001": {Pass, ""},
		"XTMP-TST-002": {Fail, ""},
		"XTMP-TST-003": {"", ""}, // a SHOULD, only touched
		"XTMP-TST-004": {"", ""}, // binds the client
		"XTMP-TST-005": {"", ""}, // implicit, with a reason
		"XTMP-TST-006": {"", "no case proves it"},
		"XTMP-TST-007": {"", "its testability “hard” is not on the list"},
		"XTMP-TST-008": {"", "it is out-of-scope without a reason"},
		"XTMP-TST-009": {Fail, "it is implicit, yet a case proves it"},
	}
	for _, row := range matrix {
		w := want[row.Requirement.ID]
		if row.Verdict != w.verdict || row.Orphan != w.orphan {
			t.Errorf("%s: got %q %q, want %q %q", row.Requirement.ID, row.Verdict, row.Orphan, w.verdict, w.orphan)
		}
	}
	if len(matrix) != len(want) || len(Orphans(matrix)) != 4 {
		t.Errorf("%d rows with %d orphans, want %d with 4", len(matrix), len(Orphans(matrix)), len(want))
	}
}
