package faulty

import (
	"errors"
	"fmt"
	"go/format"
	"strings"
)

// Edit changes one place of the source. Texts may begin with a line break, which
// is dropped. It is one of
//
//	If, Unless       the check `if If {` or `case If:` holds only while Unless is false
//	If, Or           it holds also while Or is true
//	At, Before       statements that run before At
//	At, After        statements that run after it
//	At, Instead      a statement that runs in place of At, which is one
//	At, New          At becomes New, in which $on is true while the switch is on
type Edit struct {
	File                        string // slash-separated, from the module root
	If, Unless, Or              string // several edits may change the same check
	At                          string // is there exactly once
	Before, After, Instead, New string
}

// A named edit has the name of its mutant or variant, which is its switch.
type named struct {
	name string
	Edit
}

// edits lists what a set of mutants and variants changes.
func edits(mutants []Mutant, zoo []Variant) (list []named) {
	for _, m := range mutants {
		list = append(list, named{m.Name, m.Edit})
		if e, ok := unasked[m.Without]; ok {
			list = append(list, named{m.Name, e})
		}
	}
	for _, v := range zoo {
		for _, e := range v.Edits {
			list = append(list, named{v.Name, e})
		}
	}
	return list
}

// Files returns the files that mutants and variants change, in order of use.
func Files(mutants []Mutant, zoo []Variant) (files []string) {
	seen := map[string]bool{}
	for _, e := range edits(mutants, zoo) {
		if !seen[e.File] {
			seen[e.File] = true
			files = append(files, e.File)
		}
	}
	return files
}

// Overlay applies mutants and variants to sources, which maps slash-separated
// files to their text, and returns the changed files and the switch files that
// they need, one per package.
func Overlay(mutants []Mutant, zoo []Variant, sources map[string]string) (map[string]string, error) {
	patches := map[string]*patch{}
	var stale []error
	for _, e := range edits(mutants, zoo) {
		p := patches[e.File]
		if p == nil {
			text, ok := sources[e.File]
			if !ok {
				return nil, fmt.Errorf("%s: no file %s", e.name, e.File)
			}
			p = newPatch(text)
			patches[e.File] = p
		}
		if err := p.add(&e); err != nil {
			stale = append(stale, fmt.Errorf("%s: %s: %w", e.name, e.File, err))
		}
	}
	if len(stale) > 0 {
		return nil, errors.Join(stale...)
	}
	changed := map[string]string{}
	for _, file := range Files(mutants, zoo) {
		text, err := patches[file].apply()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		formatted, err := format.Source([]byte(text))
		if err != nil {
			return nil, fmt.Errorf("%s does not parse: %w", file, err)
		}
		changed[file] = string(formatted)
		dir, pkg := packageOf(file)
		changed[dir+"/zz_mutant.go"] = fmt.Sprintf(switchFile, pkg)
	}
	return changed, nil
}

// Switch is the environment variable that names the mutant or variant to switch on.
const Switch = "XTMP_MUTANT"

const switchFile = `package %s

import (
	"os"
	"sync"
)

var mutantName = sync.OnceValue(func() string { return os.Getenv("` + Switch + `") })

func mutantOn(name string) bool { return mutantName() == name }
`

// packageOf returns folder and package name of a file.
func packageOf(file string) (dir, name string) {
	dir = file[:strings.LastIndexByte(file, '/')]
	return dir, dir[strings.LastIndexByte(dir, '/')+1:]
}
