package conformance

import (
	"slices"
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

// TestDraft judges a profile by the same requirements as a draft and not as one.
func TestDraft(t *testing.T) {
	for _, draft := range []bool{true, false} {
		reg := testRegistry()
		reg.Profiles = []spec.Profile{{Name: DefaultProfile}, {Name: "later", Draft: draft}}
		reg.Requirements = append(
			reg.Requirements,
			spec.Requirement{ID: "XTMP-TST-006", Level: "MUST", Role: "server", Profile: "later", Testability: spec.Tested},
			spec.Requirement{ID: "XTMP-TST-007", Level: "MUST", Role: "both", Profile: DefaultProfile, Needs: "later", Testability: spec.Tested},
			spec.Requirement{ID: "XTMP-TST-008", Level: "MUST", Role: "server", Profile: "later", Testability: spec.OutOfScope},
			spec.Requirement{ID: "XTMP-TST-009", Level: "MUST", Role: "server", Profile: "later", Testability: spec.Tested},
			spec.Requirement{ID: "XTMP-TST-010", Level: "MUST", Role: "client", Profile: "later", Testability: spec.Tested},
		)
		proving := negative("XC-0002", "BAD", refused())
		proving.Profile, proving.Proves = "later", []string{"XTMP-TST-002", "XTMP-TST-009"}
		suite, err := NewSuite(reg, []Case{control(), proving})
		if err != nil {
			t.Fatal(err)
		}
		var drafts, orphans []string
		for _, row := range suite.Coverage(nil) {
			if row.Draft {
				drafts = append(drafts, row.Requirement.ID)
			}
			if row.Orphan != "" {
				orphans = append(orphans, row.Requirement.ID)
			}
		}
		wantDrafts, wantOrphans := []string{"XTMP-TST-006", "XTMP-TST-007"}, []string{"XTMP-TST-008"} // out of scope for no reason
		wantWords := []string{"profile later is a draft that this suite does not certify yet: " +
			"1 of the 2 requirements that a server can be tested for have a case"}
		if !draft {
			wantDrafts, wantOrphans, wantWords = nil, []string{"XTMP-TST-006", "XTMP-TST-007", "XTMP-TST-008"}, nil
		}
		if !slices.Equal(drafts, wantDrafts) || !slices.Equal(orphans, wantOrphans) {
			t.Errorf("draft %v: drafts %v and orphans %v, want %v and %v", draft, drafts, orphans, wantDrafts, wantOrphans)
		}
		if got := suite.Drafts([]string{DefaultProfile, "later"}); !slices.Equal(got, wantWords) {
			t.Errorf("draft %v: %q, want %q", draft, got, wantWords)
		}
	}
}
