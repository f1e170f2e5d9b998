package conformance

import (
	"slices"

	"github.com/bpci/xtmp/spec"
)

// A Covered is one row of the requirement matrix.
type Covered struct {
	Requirement spec.Requirement
	Proving     []string // case IDs
	Touching    []string // case IDs that exercise it without judging it
	Verdict     Verdict  // gravest verdict of the proving cases in this run; empty without a run
	Orphan      string   // what is missing; empty if nothing is
}

// Coverage returns the matrix in the order of the spec. Verdicts are by case
// ID and may be nil. A row is an orphan when a MUST of testability "tested"
// that binds the server has no proving case, when a requirement that is not to
// be tested gives no reason, or when it has a case all the same.
func (s *Suite) Coverage(verdicts map[string]Verdict) []Covered {
	proving, touching := map[string][]string{}, map[string][]string{}
	for _, c := range s.cases {
		for _, id := range c.Proves {
			proving[id] = append(proving[id], c.ID)
		}
		for _, id := range c.Touches {
			touching[id] = append(touching[id], c.ID)
		}
	}
	var matrix []Covered
	for _, r := range s.registry.Requirements {
		row := Covered{Requirement: r, Proving: proving[r.ID], Touching: touching[r.ID]}
		row.Verdict = together(row.Proving, verdicts)
		row.Orphan = orphan(r, row.Proving)
		matrix = append(matrix, row)
	}
	return matrix
}

// together is the gravest verdict of cases. One that the target cannot be asked
// counts only where no other was.
func together(ids []string, verdicts map[string]Verdict) Verdict {
	var asked, all Verdict
	for _, id := range ids {
		all = all.Worse(verdicts[id])
		if verdicts[id] != Unsupported {
			asked = asked.Worse(verdicts[id])
		}
	}
	if asked != "" {
		return asked
	}
	return all
}

// Orphans returns the rows in which something is missing.
func Orphans(matrix []Covered) []Covered {
	var orphans []Covered
	for _, row := range matrix {
		if row.Orphan != "" {
			orphans = append(orphans, row)
		}
	}
	return orphans
}

// reasons is the closed list of why a requirement has no case.
var reasons = []string{
	spec.Implicit, spec.OutOfScope, spec.Extension, spec.BlackboxUntestable, spec.ContradictoryInText,
}

func orphan(r spec.Requirement, proving []string) string {
	level, _ := LevelOf(r.Level)
	server := r.Role == string(RoleServer) || r.Role == string(RoleBoth)
	switch {
	case r.Testability == spec.Tested:
		if level == Must && server && len(proving) == 0 {
			return "no case proves it"
		}
	case !slices.Contains(reasons, r.Testability):
		return "its testability " + quote(r.Testability) + " is not on the list"
	case r.Reason == "":
		return "it is " + r.Testability + " without a reason"
	case len(proving) > 0:
		return "it is " + r.Testability + ", yet a case proves it"
	}
	return ""
}

func quote(s string) string { return "“" + s + "”" }
