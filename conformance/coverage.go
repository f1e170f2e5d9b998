package conformance

import (
	"fmt"
	"slices"

	"github.com/bpci/xtmp/spec"
)

// A Covered is one row of the requirement matrix.
type Covered struct {
	Requirement spec.Requirement
	Proving     []string // case IDs
	Touching    []string // case IDs that exercise it without judging it
	Verdict     Verdict  // gravest verdict of the proving cases in this run; empty without a run
	Draft       bool     // a case is missing, and may be as long as the profile is a draft
	Orphan      string   // what is missing; empty if nothing is
}

// Coverage returns the matrix in the order of the spec. Verdicts are by case
// ID and may be nil. A row is an orphan when a MUST of testability "tested"
// that binds the server has no proving case, when a requirement that is not to
// be tested gives no reason, or when it has a case all the same. A case that is
// missing makes no orphan but a draft of a requirement of a draft profile.
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
		if row.Orphan == noCase && s.registry.Draft(r) {
			row.Draft, row.Orphan = true, ""
		}
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

const noCase = "no case proves it"

func orphan(r spec.Requirement, proving []string) string {
	level, _ := LevelOf(r.Level)
	switch {
	case r.Testability == spec.Tested:
		if level == Must && bindsServer(r) && len(proving) == 0 {
			return noCase
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

func bindsServer(r spec.Requirement) bool {
	return r.Role == string(RoleServer) || r.Role == string(RoleBoth)
}

// Drafts says, for each draft among the profiles, how much of it can be judged.
func (s *Suite) Drafts(profiles []string) []string {
	var drafts []string
	for _, name := range profiles {
		if p, _ := s.registry.Profile(name); !p.Draft {
			continue
		}
		tested, proven := 0, 0
		for _, r := range s.registry.Requirements {
			if r.Profile == name && r.Testability == spec.Tested && bindsServer(r) {
				tested++
				proven += min(len(s.Proving(r.ID)), 1)
			}
		}
		drafts = append(drafts, fmt.Sprintf(
			"profile %s is a draft that this suite does not certify yet: %d of the %d requirements that a server can be tested for have a case",
			name, proven, tested,
		))
	}
	return drafts
}

func quote(s string) string { return "“" + s + "”" }
