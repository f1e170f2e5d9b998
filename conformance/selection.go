package conformance

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/bpci/xtmp/spec"
)

// A Selection says which cases of a suite to run. The zero Selection is all of
// them.
type Selection struct {
	Run   []string // terms; a case is in if one matches, or if there are none
	Skip  []string // terms; a case that one matches is reported as skipped
	Level Level    // the weakest level to run; empty means May
	Role  Role     // the role under test; empty means RoleServer
	Slow  bool     // run cases with LabelSlow even if no term of Run names them

	// Profiles are what the target declares to implement, besides DefaultProfile.
	// Cases of another profile are reported as unsupported.
	Profiles []string
}

// LabelSlow marks a case that waits so long for a timer that a run without it
// is several times shorter. Unless asked for it is reported as skipped.
const LabelSlow = "slow"

// A Plan is what a run will do.
type Plan struct {
	suite       *Suite
	chosen      []instance      // selected and not skipped, in order of ID
	skipped     []instance      // left out by Skip, or slow
	unsupported []unsupported   // about what the target does not declare
	controls    []instance      // not selected, but needed as control twins
	selected    map[string]bool // instance IDs of chosen
}

// An unsupported is an instance that the target cannot be asked, and why.
type unsupported struct {
	instance
	reason string
}

// Select makes a plan. It returns a *NothingSelectedError when a term matches
// no case of the suite, or when nothing is left to run, and a *UsageError when
// the selection declares a profile that does not exist.
func (s *Suite) Select(sel Selection) (*Plan, error) {
	for _, profile := range sel.Profiles {
		if !s.knowsProfile(profile) {
			return nil, &UsageError{Message: fmt.Sprintf("there is no profile %q", profile)}
		}
	}
	for _, term := range slices.Concat(sel.Run, sel.Skip) {
		if !slices.ContainsFunc(s.instances, func(in instance) bool { return in.matches(term) }) {
			return nil, &NothingSelectedError{Term: term}
		}
	}
	p := &Plan{suite: s, selected: map[string]bool{}}
	for _, in := range s.instances {
		lacking := sel.lacking(in.Case)
		switch {
		case !sel.covers(in):
		case lacking != "":
			p.unsupported = append(p.unsupported, unsupported{in, lacking})
		case in.matchesAny(sel.Skip), in.slow() && !sel.Slow && len(sel.Run) == 0:
			p.skipped = append(p.skipped, in)
		default:
			p.chosen = append(p.chosen, in)
			p.selected[in.ID] = true
		}
	}
	if len(p.chosen) == 0 {
		return nil, &NothingSelectedError{}
	}
	p.addControls()
	return p, nil
}

// Instances returns the IDs of the instances that will be judged, and those
// that run only as controls.
func (p *Plan) Instances() (judged, controls []string) {
	for _, in := range p.chosen {
		judged = append(judged, in.ID)
	}
	for _, in := range p.controls {
		controls = append(controls, in.ID)
	}
	return judged, controls
}

// addControls adds the control twins that the selection needs but does not
// name, and their controls in turn.
func (p *Plan) addControls() {
	needed := map[string]bool{}
	for _, in := range p.chosen {
		for c := in.Case; c.Control != ""; c = p.suite.byID[c.Control] {
			needed[c.Control] = true
		}
	}
	for _, in := range p.suite.instances {
		if needed[in.Case.ID] && !p.selected[in.ID] {
			p.controls = append(p.controls, in)
		}
	}
}

func (sel Selection) covers(in instance) bool {
	role := sel.Role
	if role == "" {
		role = RoleServer
	}
	floor := sel.Level
	if floor == "" {
		floor = May
	}
	return (in.Role == role || in.Role == RoleBoth) &&
		in.Level.AtLeast(floor) &&
		(len(sel.Run) == 0 || in.matchesAny(sel.Run))
}

// lacking says why the target cannot be asked a case, or nothing.
func (sel Selection) lacking(c *Case) string {
	for _, profile := range c.profiles() {
		if !sel.declares(profile) {
			return "the target does not declare profile " + profile
		}
	}
	for _, profile := range c.Lacks {
		if sel.declares(profile) {
			return "it asks about a target without profile " + profile
		}
	}
	return ""
}

// Declared is the target's statement in one line, DefaultProfile first.
func (sel Selection) Declared() string {
	words := []string{DefaultProfile}
	for _, profile := range sel.Profiles {
		if !slices.Contains(words, profile) {
			words = append(words, profile)
		}
	}
	return strings.Join(words, ",")
}

func (sel Selection) declares(profile string) bool {
	return profile == DefaultProfile || slices.Contains(sel.Profiles, profile)
}

// profiles are all that a peer has to declare before it can be asked the case.
func (c *Case) profiles() []string { return append([]string{c.Profile}, c.Needs...) }

// knowsProfile reports whether the spec, or a case, has a profile of that name.
func (s *Suite) knowsProfile(name string) bool {
	return slices.ContainsFunc(s.registry.Profiles, func(p spec.Profile) bool { return p.Name == name }) ||
		slices.ContainsFunc(s.cases, func(c Case) bool { return slices.Contains(c.profiles(), name) })
}

func (in instance) slow() bool { return slices.Contains(in.Labels, LabelSlow) }

func (in instance) matchesAny(terms []string) bool {
	return slices.ContainsFunc(terms, in.matches)
}

// matches reports whether a term means this instance: its own ID, its case's
// ID, a requirement that it proves, or a label; each may hold * and ?.
func (in instance) matches(term string) bool {
	words := slices.Concat([]string{in.ID, in.Case.ID}, in.Proves, in.Labels)
	return slices.ContainsFunc(words, func(word string) bool {
		if strings.EqualFold(word, term) {
			return true
		}
		if !strings.ContainsAny(term, "*?") {
			return false
		}
		// A bracket in an instance's ID is a bracket, not a class.
		pattern := strings.NewReplacer("[", `\[`, "]", `\]`, `\`, `\\`).Replace(strings.ToUpper(term))
		ok, err := path.Match(pattern, strings.ToUpper(word))
		return err == nil && ok
	})
}
