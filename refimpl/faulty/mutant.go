// Package faulty lists servers that are wrong in exactly one way, so that the
// conformance suite can be shown to notice.
//
//	Mutants ─▶ Overlay ─▶ go build -overlay ─▶ cmd/xtmp-mutant ─ serve NAME ─▶ one fault switched on
//
// The product carries no bug switches. A mutant is an edit of one place in its
// source: a check that is skipped under a condition, or a piece of text that is
// replaced. Overlay applies all edits to copies of the files, each behind a
// switch of its own, so that one build holds every mutant and the sources that
// people read stay clean. An edit whose text is no longer found is an error: a
// mutant cannot go stale unnoticed.
//
// The package builds and runs nothing.
package faulty

import (
	"fmt"
	"go/format"
	"strings"
)

// Mutant is one deliberate fault.
type Mutant struct {
	Name        string // lower-case words with hyphens
	Requirement string // the requirement that it breaks
	Description string // what the server does wrong, as a sentence
	File        string // slash-separated, from the module root

	// A skipped check: `if If {` holds only while the fault is off or Unless is
	// false. Several mutants may weaken the same check.
	If     string
	Unless string

	// Or a replacement: Old becomes New, in which $on is true while the fault is
	// switched on. Both may begin with a line break, which is dropped.
	Old, New string
}

// Overlay applies mutants to sources, which maps slash-separated files to their
// text, and returns the changed files and the switch files that they need, one
// per package.
func Overlay(mutants []Mutant, sources map[string]string) (map[string]string, error) {
	changed := map[string]string{}
	for _, m := range mutants {
		text, ok := changed[m.File]
		if !ok {
			if text, ok = sources[m.File]; !ok {
				return nil, fmt.Errorf("mutant %s: no file %s", m.Name, m.File)
			}
		}
		text, err := m.apply(text)
		if err != nil {
			return nil, fmt.Errorf("mutant %s: %s: %w", m.Name, m.File, err)
		}
		changed[m.File] = text
	}
	for _, m := range mutants {
		formatted, err := format.Source([]byte(changed[m.File]))
		if err != nil {
			return nil, fmt.Errorf("mutant %s: %s does not parse: %w", m.Name, m.File, err)
		}
		changed[m.File] = string(formatted)
		dir, pkg := packageOf(m.File)
		changed[dir+"/zz_mutant.go"] = fmt.Sprintf(switchFile, pkg)
	}
	return changed, nil
}

// Switch is the environment variable that names the fault to switch on.
const Switch = "XTMP_MUTANT"

const switchFile = `package %s

import "os"

func mutantOn(name string) bool { return os.Getenv("` + Switch + `") == name }
`

// on is the Go expression that is true while the fault is switched on.
func (m *Mutant) on() string { return fmt.Sprintf("mutantOn(%q)", m.Name) }

func (m *Mutant) apply(text string) (string, error) {
	from := strings.TrimPrefix(m.Old, "\n")
	to := strings.ReplaceAll(strings.TrimPrefix(m.New, "\n"), "$on", m.on())
	if m.If != "" {
		// The check itself still runs: it may do more than check. One that an
		// earlier mutant has weakened stands in parentheses already.
		from = "if " + m.If + " {"
		to = fmt.Sprintf("if (%s) && !(%s && (%s)) {", m.If, m.on(), m.Unless)
		if weakened := "if (" + m.If + ") &&"; strings.Contains(text, weakened) {
			from = weakened
			to = fmt.Sprintf("%s !(%s && (%s)) &&", weakened, m.on(), m.Unless)
		}
	}
	if n := strings.Count(text, from); n != 1 {
		return "", fmt.Errorf("%q is there %d times, want once", from, n)
	}
	return strings.Replace(text, from, to, 1), nil
}

// packageOf returns folder and package name of a file.
func packageOf(file string) (dir, name string) {
	dir = file[:strings.LastIndexByte(file, '/')]
	return dir, dir[strings.LastIndexByte(dir, '/')+1:]
}
