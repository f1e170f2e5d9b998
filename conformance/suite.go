package conformance

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/bpci/xtmp/spec"
)

// A Suite is a set of cases that has been found sound.
type Suite struct {
	registry  *spec.Registry
	cases     []Case // in order of ID
	instances []instance
	byID      map[string]*Case
}

// An instance is a case with a value for each of its params.
type instance struct {
	*Case
	ID     string // "XC-0142[bit=3]", or the case's own ID if it has no params
	Params []ParamValue
	Number int // position in the suite
}

// A ParamValue is one param's value in an instance.
type ParamValue struct{ Name, Value string }

// NewSuite checks the cases against the registry and returns them as a suite,
// or a *SuiteError that lists every problem: an ID or a title used twice, a
// case that proves no live requirement, a negative case at MUST without a
// control, a control that does not exist or is itself negative, an unknown
// timer or budget, too many instances, an empty explanation.
func NewSuite(reg *spec.Registry, cases []Case) (*Suite, error) {
	s := &Suite{registry: reg, byID: map[string]*Case{}}
	for _, c := range cases {
		s.cases = append(s.cases, c.withDefaults())
	}
	slices.SortStableFunc(s.cases, func(a, b Case) int { return strings.Compare(a.ID, b.ID) })
	check := suiteCheck{suite: s, titles: map[string]string{}}
	for i := range s.cases {
		check.identity(&s.cases[i])
		s.byID[s.cases[i].ID] = &s.cases[i]
	}
	waits, err := NewWaits(reg, 1, 0)
	if err != nil {
		return nil, err
	}
	for i := range s.cases {
		check.content(&s.cases[i], waits)
	}
	if len(check.problems) > 0 {
		return nil, &SuiteError{Problems: check.problems}
	}
	for i := range s.cases {
		s.instances = append(s.instances, expand(&s.cases[i])...)
	}
	for i := range s.instances {
		s.instances[i].Number = i
	}
	return s, nil
}

// Cases returns the cases in order of ID.
func (s *Suite) Cases() []Case { return slices.Clone(s.cases) }

// Registry returns the spec that the suite was checked against.
func (s *Suite) Registry() *spec.Registry { return s.registry }

// Case finds a case by its ID.
func (s *Suite) Case(id string) (Case, bool) {
	c, ok := s.byID[id]
	if !ok {
		return Case{}, false
	}
	return *c, true
}

// knowsProfile reports whether the spec, or a case, has a profile of that name.
func (s *Suite) knowsProfile(name string) bool {
	return slices.ContainsFunc(s.registry.Profiles, func(p spec.Profile) bool { return p.Name == name }) ||
		slices.ContainsFunc(s.cases, func(c Case) bool { return slices.Contains(c.profiles(), name) })
}

// Proving returns the IDs of the cases that prove a requirement.
func (s *Suite) Proving(requirement string) []string {
	var ids []string
	for _, c := range s.cases {
		if slices.Contains(c.Proves, requirement) {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// expand makes one instance for each combination of param values, the last
// param varying fastest.
func expand(c *Case) []instance {
	list := []instance{{Case: c, ID: c.ID}}
	for _, p := range c.Params {
		var next []instance
		for _, in := range list {
			for _, value := range p.Values {
				params := append(slices.Clone(in.Params), ParamValue{p.Name, value})
				next = append(next, instance{Case: c, ID: instanceID(c.ID, params), Params: params})
			}
		}
		list = next
	}
	return list
}

func instanceID(id string, params []ParamValue) string {
	parts := make([]string, 0, len(params))
	for _, p := range params {
		parts = append(parts, p.Name+"="+p.Value)
	}
	return id + "[" + strings.Join(parts, ",") + "]"
}

// A suiteCheck collects what is wrong with cases.
type suiteCheck struct {
	suite    *Suite
	titles   map[string]string
	problems []string
}

func (k *suiteCheck) problem(c *Case, format string, args ...any) {
	k.problems = append(k.problems, fmt.Sprintf("%s: ", c.ID)+fmt.Sprintf(format, args...))
}

func (k *suiteCheck) identity(c *Case) {
	if !regexp.MustCompile(`^XC-[0-9]{4}$`).MatchString(c.ID) {
		k.problem(c, "an ID is XC- and four digits")
	}
	if _, twice := k.suite.byID[c.ID]; twice {
		k.problem(c, "the ID is used twice")
	}
	if other, twice := k.titles[c.Title]; twice {
		k.problem(c, "%s has the same title", other)
	}
	k.titles[c.Title] = c.ID
	if c.Title == "" {
		k.problem(c, "no title")
	}
	if c.Run == nil {
		k.problem(c, "no Run function")
	}
}

func (k *suiteCheck) content(c *Case, waits *Waits) {
	k.requirements(c)
	k.control(c)
	if c.Explain.Why == "" || c.Explain.Sends == "" || len(c.Explain.UsualCauses) == 0 {
		k.problem(c, "Explain needs Why, Sends and UsualCauses")
	}
	if _, ok := waits.budgets[c.Budget]; !ok {
		k.problem(c, "no harness budget is called %q", c.Budget)
	}
	if _, ok := waits.timers[c.Timer]; !ok && c.Timer != "" {
		k.problem(c, "no spec timer is called %q", c.Timer)
	}
	if !c.Expect.Empty() && len(c.Expect.Strict) == 0 {
		k.problem(c, "a table of reactions needs a strict row")
	}
	switch c.Role {
	case RoleServer, RoleClient, RoleBoth:
	default:
		k.problem(c, "unknown role %q", c.Role)
	}
	if _, ok := LevelOf(string(c.Level)); !ok {
		k.problem(c, "unknown level %q", c.Level)
	}
	instances := 1
	for _, p := range c.Params {
		instances *= len(p.Values)
		if p.Name == "" || len(p.Values) == 0 {
			k.problem(c, "a param needs a name and at least one value")
		}
	}
	if instances > MaxInstances {
		k.problem(c, "%d instances, at most %d are allowed", instances, MaxInstances)
	}
}

func (k *suiteCheck) requirements(c *Case) {
	if len(c.Proves) == 0 {
		k.problem(c, "it proves no requirement")
	}
	for _, id := range slices.Concat(c.Proves, c.Touches) {
		r, ok := k.suite.registry.Requirement(id)
		if !ok {
			k.problem(c, "there is no requirement %s", id)
			continue
		}
		optional := r.Profile != "" && r.Profile != DefaultProfile
		if optional && slices.Contains(c.Proves, id) && !slices.Contains(c.profiles(), r.Profile) {
			k.problem(c, "it proves %s of profile %s, which it does not need", id, r.Profile)
		}
		if level, ok := LevelOf(r.Level); ok && slices.Contains(c.Proves, id) && !c.Level.AtLeast(level) {
			k.problem(c, "it proves %s, which is %s, at the weaker level %s", id, level, c.Level)
		}
	}
}

func (k *suiteCheck) control(c *Case) {
	if c.Control == "" {
		if c.Negative() && c.Level == Must {
			k.problem(c, "a negative case at MUST needs a control")
		}
		return
	}
	// A chain of controls ends; its length is bounded by the number of cases.
	control := k.suite.byID[c.Control]
	for hops := 0; control != nil && control.Control != ""; hops++ {
		if hops > len(k.suite.cases) {
			k.problem(c, "its controls form a circle")
			return
		}
		control = k.suite.byID[control.Control]
	}
	direct := k.suite.byID[c.Control]
	switch {
	case direct == nil || control == nil:
		k.problem(c, "there is no control %s", c.Control)
	case direct.Negative():
		k.problem(c, "its control %s is itself negative", c.Control)
	case direct.forOthers(c):
		k.problem(c, "its control %s is for other peers", c.Control)
	}
}

// forOthers reports whether a peer that is asked the case may not be asked c.
func (c *Case) forOthers(asked *Case) bool {
	return c.Unless != "" && c.Unless != asked.Unless || slices.ContainsFunc(c.profiles(), func(profile string) bool {
		return profile != DefaultProfile && !slices.Contains(asked.profiles(), profile)
	})
}
