package conformance

import (
	"fmt"
	"strings"
)

// Expect grades the reactions to what a case sends. The first row that matches
// decides, in the order strict, allowed, tolerated, forbidden. A reaction that
// no row names is forbidden.
type Expect struct {
	Strict    []Reaction // what the spec asks for: pass
	Allowed   []Reaction // what the spec permits as well: pass
	Tolerated []Reaction // what does no harm though the spec asks for more: pass-tolerated
	Forbidden []Reaction // what breaks the requirement: fail, or warn below MUST
}

// A Reaction is one row of the table: a pattern, and the requirement or the
// sentence that puts it there.
type Reaction struct {
	Observation Observation
	Because     string
}

// Row makes a reaction. Because is optional; several reasons are joined.
func Row(o Observation, because ...string) Reaction {
	return Reaction{Observation: o, Because: strings.Join(because, "; ")}
}

// Rows makes a list of reactions without reasons.
func Rows(list ...Observation) []Reaction {
	rows := make([]Reaction, 0, len(list))
	for _, o := range list {
		rows = append(rows, Row(o))
	}
	return rows
}

// Closed are the rows for a peer that closes its connection. Chapter 1.3 leaves
// open whether we see an orderly end or a reset.
func Closed(because ...string) []Reaction {
	return []Reaction{Row(CleanClose(), because...), Row(Reset(), because...)}
}

// A Grade is the column of the table in which a reaction stands.
type Grade string

// The grades. Unlisted is a reaction that no row names.
const (
	GradeStrict    Grade = "strict"
	GradeAllowed   Grade = "allowed"
	GradeTolerated Grade = "tolerated"
	GradeForbidden Grade = "forbidden"
	GradeUnlisted  Grade = "unlisted"
)

// A Match says which row of a reaction table an observation met. Index counts
// within the grade; it is -1 for an unlisted one.
type Match struct {
	Grade Grade
	Index int
}

// Match finds the row that o meets.
func (e Expect) Match(o Observation) Match {
	for _, column := range e.Columns() {
		for i, row := range column.Rows {
			if row.Observation.matches(o) {
				return Match{Grade: column.Grade, Index: i}
			}
		}
	}
	return Match{Grade: GradeUnlisted, Index: -1}
}

// A Column is one grade and its rows.
type Column struct {
	Grade Grade
	Rows  []Reaction
}

// Columns returns the table, strict first.
func (e Expect) Columns() []Column {
	return []Column{
		{GradeStrict, e.Strict},
		{GradeAllowed, e.Allowed},
		{GradeTolerated, e.Tolerated},
		{GradeForbidden, e.Forbidden},
	}
}

// Empty reports whether the table has no row.
func (e Expect) Empty() bool {
	return len(e.Strict)+len(e.Allowed)+len(e.Tolerated)+len(e.Forbidden) == 0
}

// wanted is the table's upper part in one line, for a failure's reason.
func (e Expect) wanted() string {
	var parts []string
	for _, column := range e.Columns()[:2] {
		if len(column.Rows) == 0 {
			continue
		}
		words := make([]string, 0, len(column.Rows))
		for _, row := range column.Rows {
			words = append(words, row.Observation.String())
		}
		parts = append(parts, fmt.Sprintf("%s: %s", column.Grade, strings.Join(words, " or ")))
	}
	return strings.Join(parts, "; ")
}

// verdict is what a match means at a level. A crash, or bytes that the spec
// does not allow, fail at every level unless a row expects them.
func (m Match) verdict(o Observation, level Level) Verdict {
	switch {
	case m.Grade == GradeStrict, m.Grade == GradeAllowed:
		return Pass
	case m.Grade == GradeTolerated:
		return PassTolerated
	case o.Kind == KindThrottled:
		return Inconclusive
	case o.Kind == KindCrash, o.Kind == KindMalformed:
		return Fail
	}
	return failAt(level)
}

// failAt is how a broken requirement of this level is reported.
func failAt(level Level) Verdict {
	if level.AtLeast(Must) {
		return Fail
	}
	return Warn
}
