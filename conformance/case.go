package conformance

import "strings"

// A Case is one question put to an implementation.
type Case struct {
	ID      string   // "XC-0142": never reused, says nothing about the verdict
	Title   string   // one sentence, unique in the suite
	Proves  []string // requirement IDs for which the verdict counts
	Touches []string // requirement IDs exercised on the way; the verdict does not count for them
	Role    Role     // who is under test; empty means RoleServer
	Level   Level    // empty means Must
	Profile string   // profile of chapter 19 that the peer must declare; empty means DefaultProfile
	Needs   string   // another profile that the peer must declare, because nobody can be asked without it
	Unless  string   // profile that the peer must not declare: the case asks for its absence
	Labels  []string // words for selection

	// Control is the ID of the control twin: the same exchange without the
	// defect. Unless the control passes, this case is inconclusive.
	Control string

	// Disruptive marks a case that floods, exhausts or may stop the peer. It
	// does not run against a remote target unless that is allowed.
	Disruptive bool

	// Expect grades the reactions that Exchange.Judge may be given.
	Expect Expect

	Timer  string  // spec timer that the case waits for, if any; it lengthens the deadline
	Budget string  // harness budget that is the absolute deadline; empty means BudgetCase
	Params []Param // the case runs once for each combination

	// Bulk marks a case that moves many megabytes. Its peer may send MaxBulk
	// bytes, and no two such cases run at the same time.
	Bulk bool

	Run     func(*Exchange)
	Explain Explain
}

// A Param is one dimension of a case. The combinations of all params are
// bounded by MaxInstances.
type Param struct {
	Name   string
	Values []string
}

// Explain is what a person reads when the case fails.
type Explain struct {
	Why         string   // what goes wrong in the field when the rule is broken
	Sends       string   // what the case puts on the wire, in words
	UsualCauses []string // where implementations that fail it usually err
}

// A Role says which side of a session is under test.
type Role string

// The roles.
const (
	RoleServer Role = "server"
	RoleClient Role = "client"
	RoleBoth   Role = "both"
)

// A Level is the strength of a requirement, without its polarity.
type Level string

// The levels, strongest first.
const (
	Must   Level = "MUST"
	Should Level = "SHOULD"
	May    Level = "MAY"
)

// DefaultProfile is the profile of a case that names none.
const DefaultProfile = "core"

// MaxInstances bounds the combinations of a case's params.
const MaxInstances = 64

// LevelOf returns the level of a BCP 14 keyword, such as "MUST NOT". Any other
// word gives false.
func LevelOf(keyword string) (Level, bool) {
	word, _, _ := strings.Cut(strings.TrimSpace(keyword), " ")
	switch level := Level(word); level {
	case Must, Should, May:
		return level, true
	}
	return "", false
}

// AtLeast reports whether l is as strong as floor.
func (l Level) AtLeast(floor Level) bool { return l.rank() <= floor.rank() }

func (l Level) rank() int {
	switch l {
	case Must, "":
		return 0
	case Should:
		return 1
	default:
		return 2
	}
}

// Negative reports whether the case sends something that the peer must refuse
// or ignore: it forbids acceptance, or its strict reaction is a refusal. A
// negative case is followed by a liveness probe.
func (c *Case) Negative() bool {
	for _, row := range c.Expect.Forbidden {
		if row.Observation.Kind == KindAccepted {
			return true
		}
	}
	for _, row := range c.Expect.Strict {
		if kind := row.Observation.Kind; kind == KindErrorFrame || kind == KindIgnored {
			return true
		}
	}
	return c.Control != "" && !c.Expect.accepts(KindAccepted)
}

// withDefaults returns the case with its zero fields filled in.
func (c Case) withDefaults() Case {
	if c.Role == "" {
		c.Role = RoleServer
	}
	if c.Level == "" {
		c.Level = Must
	}
	if c.Profile == "" {
		c.Profile = DefaultProfile
	}
	if c.Budget == "" {
		c.Budget = BudgetCase
	}
	return c
}

func (e Expect) accepts(kind Kind) bool {
	for _, set := range [][]Reaction{e.Strict, e.Allowed, e.Tolerated} {
		for _, row := range set {
			if row.Observation.Kind == kind {
				return true
			}
		}
	}
	return false
}
