package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/report"
	"github.com/bpci/xtmp/spec"
)

func (a app) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain ID",
		Short: "explain a case, a requirement, an error code or a wait",
		Example: "xtmp-conform explain XC-0142\nxtmp-conform explain XTMP-HDR-017\n" +
			"xtmp-conform explain 0x15\nxtmp-conform explain MALFORMED\nxtmp-conform explain T_ACK",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return a.explain(args[0]) },
	}
}

func (a app) explain(word string) error {
	suite, err := a.suite()
	if err != nil {
		return err
	}
	id, _, _ := strings.Cut(strings.ToUpper(word), "[")
	if c, ok := suite.Case(id); ok {
		return explainCase(a.stdout, a.registry, c)
	}
	if q, ok := a.registry.Requirement(id); ok {
		return explainRequirement(a.stdout, suite, q)
	}
	for _, e := range a.registry.Errors {
		code, err := strconv.ParseUint(word, 0, 16)
		if strings.EqualFold(e.Name, word) || err == nil && uint16(code) == e.Code {
			return a.explainError(e)
		}
	}
	if t, ok := a.registry.Timer(id); ok {
		return explainTimer(a.stdout, t)
	}
	waits, err := conformance.NewWaits(a.registry, 1, 0)
	if err != nil {
		return err
	}
	if wait, ok := waits.Lookup(strings.ToLower(word)); ok {
		_, err := fmt.Fprintf(a.stdout, "%s\n\nA harness budget: %v, times --budget-scale.\n", wait.Name, wait.Limit)
		return err
	}
	return &conformance.UsageError{Message: fmt.Sprintf("%q is no case, requirement, error code, timer or budget", word)}
}

func explainCase(w io.Writer, reg *spec.Registry, c conformance.Case) error {
	p := &pages{w: w}
	p.line("%s  %s", c.ID, c.Title)
	p.line("%s, %s under test, profile %s", c.Level, c.Role, profilesOf(c))
	if c.Unless != "" {
		p.line("for peers without profile %s", c.Unless)
	}
	for _, id := range c.Proves {
		q, _ := reg.Requirement(id)
		p.line("\nproves %s (%s)\n    %s", id, q.Level, report.Plain(q.Text))
	}
	if len(c.Touches) > 0 {
		p.line("\ntouches %s", strings.Join(c.Touches, " "))
	}
	p.line("\nWhat it sends\n    %s", c.Explain.Sends)
	p.line("\nWhy it matters\n    %s", c.Explain.Why)
	p.line("\nUsual causes of a failure")
	for _, cause := range c.Explain.UsualCauses {
		p.line("    - %s", cause)
	}
	if !c.Expect.Empty() {
		p.line("\nReactions; one that is not listed is forbidden")
	}
	for _, column := range c.Expect.Columns() {
		for _, row := range column.Rows {
			because := row.Because
			if because != "" {
				because = "  because " + because
			}
			p.line("    %-10s %s%s", column.Grade, row.Observation, because)
		}
	}
	if c.Control != "" {
		p.line("\nControl twin: %s. Unless it passes, this case is inconclusive.", c.Control)
	}
	for _, param := range c.Params {
		p.line("\nRuns with %s = %s", param.Name, strings.Join(param.Values, ", "))
	}
	if c.Timer != "" {
		p.line("\nWaits for %s", c.Timer)
	}
	if c.Disruptive {
		p.line("\nDisruptive: against a remote target only with --allow-disruptive.")
	}
	p.line("\nxtmp-conform run --exec CMD --run %s -v", c.ID)
	return p.err
}

func explainRequirement(w io.Writer, suite *conformance.Suite, q spec.Requirement) error {
	p := &pages{w: w}
	p.line("%s  %s, binds %s, profile %s", q.ID, q.Level, q.Role, q.Profile)
	p.line("\n    %s", report.Plain(q.Text))
	p.line("\nin %s, %s", q.Chapter, q.Section)
	if q.Reason != "" {
		p.line("\nNot tested: %s, %s", q.Testability, q.Reason)
	}
	for _, draft := range suite.Drafts([]string{q.Profile, q.Needs}) {
		p.line("\n%s", draft)
	}
	for _, id := range suite.Proving(q.ID) {
		c, _ := suite.Case(id)
		p.line("\nproven by %s  %s", c.ID, c.Title)
	}
	for _, c := range suite.Cases() {
		if slices.Contains(c.Touches, q.ID) {
			p.line("\ntouched by %s  %s", c.ID, c.Title)
		}
	}
	return p.err
}

func (a app) explainError(e spec.ErrorCode) error {
	p := &pages{w: a.stdout}
	p.line("0x%02X  %s  class %s, profile %s", e.Code, e.Name, e.Class, e.Profile)
	var scopes []string
	for _, s := range []struct {
		name string
		is   bool
	}{{"message (0)", e.Scope.Message}, {"path (1)", e.Scope.Path}, {"session (2)", e.Scope.Session}, {"in a clear frame", e.Scope.Clear}} {
		if s.is {
			scopes = append(scopes, s.name)
		}
	}
	p.line("\nScopes: %s", strings.Join(scopes, ", "))
	if e.Scope.ReplyOnly {
		p.line("Scope message only in a reply.")
	}
	p.line("")
	for _, q := range a.registry.Requirements {
		if strings.Contains(q.Text, e.Name) {
			p.line("%s  %s", q.ID, report.Plain(q.Text))
		}
	}
	return p.err
}

func explainTimer(w io.Writer, t spec.Timer) error {
	p := &pages{w: w}
	p.line("%s  %v, binds %s, profile %s", t.Name, t.Value, t.Who, t.Profile)
	p.line("\n    %s", t.Meaning)
	if t.Configurable {
		p.line("\nConfigurable; the value is the default.")
	}
	p.line("\nA case that waits for it allows this machine's slack on top, which is measured at the start of a run.")
	return p.err
}

// pages writes lines and remembers the first error.
type pages struct {
	w   io.Writer
	err error
}

func (p *pages) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}
