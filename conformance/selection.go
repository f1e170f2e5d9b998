package conformance

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// A Selection says which cases of a suite to run. The zero Selection is all of
// them.
type Selection struct {
	Run      []string // terms; a case is in if one matches, or if there are none
	Skip     []string // terms; a case that one matches is reported as skipped
	Profiles []string // what the peer declares (chapter 19.2); none means DefaultProfile alone
	Asked    []string // of these, those whose cases are run; none means all
	Level    Level    // the weakest level to run; empty means May
	Role     Role     // the role under test; empty means RoleServer
	Slow     bool     // run cases with LabelSlow even if no term of Run names them
}

// LabelSlow marks a case that waits so long for a timer that a run without it
// is several times shorter. Unless asked for it is reported as skipped.
const LabelSlow = "slow"

// A Plan is what a run will do.
type Plan struct {
	suite       *Suite
	chosen      []instance      // selected and not skipped, in order of ID
	skipped     []instance      // left out by Skip, or slow
	unsupported []instance      // of no concern to what the peer declares
	controls    []instance      // not selected, but needed as control twins
	selected    map[string]bool // instance IDs of chosen
	declares    Selection
}

// Select makes a plan. It returns a *NothingSelectedError when a term matches
// no case of the suite, or when nothing is left to run, and a *UsageError for a
// profile that the spec does not have.
func (s *Suite) Select(sel Selection) (*Plan, error) {
	if len(sel.Profiles) == 0 {
		sel.Profiles = []string{DefaultProfile}
	}
	for _, name := range sel.Profiles {
		if !s.knowsProfile(name) {
			return nil, &UsageError{Message: fmt.Sprintf("the spec has no profile %q", name)}
		}
	}
	for _, term := range slices.Concat(sel.Run, sel.Skip) {
		if !slices.ContainsFunc(s.instances, func(in instance) bool { return in.matches(term) }) {
			return nil, &NothingSelectedError{Term: term}
		}
	}
	p := &Plan{suite: s, selected: map[string]bool{}, declares: sel}
	for _, in := range s.instances {
		switch {
		case !sel.covers(in):
		case sel.undeclared(in) != "":
			p.unsupported = append(p.unsupported, in)
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

// undeclared says why a case does not concern a peer with these declarations, or
// is empty.
func (sel Selection) undeclared(in instance) string {
	for _, profile := range in.profiles() {
		if !slices.Contains(sel.Profiles, profile) {
			return "the peer does not declare profile " + profile
		}
		if len(sel.Asked) > 0 && !slices.Contains(sel.Asked, profile) {
			return "profile " + profile + " is not asked about"
		}
	}
	switch {
	case in.Unless != "" && slices.Contains(sel.Profiles, in.Unless):
		return "the peer declares profile " + in.Unless + ", and the case is about a peer without it"
	}
	return ""
}

// profiles are those that a peer has to declare before it is asked the case.
func (c *Case) profiles() []string {
	if c.Needs == "" {
		return []string{c.Profile}
	}
	return []string{c.Profile, c.Needs}
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
