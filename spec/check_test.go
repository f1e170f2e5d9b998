package spec

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the tables in the chapters from the registry")

// Problem is one thing that is wrong with the text or the registry, and what to do
// about it. File is relative to the root of the repository.
type Problem struct {
	File string
	Line int
	Text string
}

func (p Problem) String() string { return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text) }

// tree is a repository under check.
type tree struct {
	repo     fs.FS
	registry *Registry
	rows     []requirementRow
	docs     []document // spec/*.md and spec/decisions/*.md, named from the root
}

// check is one rule of the compiler.
type check struct {
	name string
	run  func(tree) []Problem
}

// allChecks is the compiler of the text.
func allChecks() []check {
	return []check{
		{"layout offsets and sizes", checkLayoutSizes},
		{"layout kinds and attributes", checkLayoutKinds},
		{"layout references", checkLayoutReferences},
		{"unique codes and names", checkUnique},
		{"flags and bits", checkBits},
		{"type ranges", checkTypeRanges},
		{"TLV ranges", checkTLVRanges},
		{"flag matrix", checkFlagMatrix},
		{"closed words", checkClosedWords},
		{"handshake types", checkHSTypes},
		{"error scopes", checkErrorScopes},
		{"steps of checks", checkSteps},
		{"limits", checkLimits},
		{"limits agree with layouts", checkLimitsAgree},
		{"schedule names", checkScheduleNames},
		{"schedule operations", checkScheduleOperations},
		{"schedule order", checkScheduleOrder},
		{"schedule separation", checkScheduleSeparation},
		{"schedule slots", checkScheduleSlots},
		{"state tables", checkStates},
		{"statements", checkStatements},
		{"keywords elsewhere", checkKeywordsElsewhere},
		{"requirement rows", checkRequirementRows},
		{"requirement words", checkRequirementWords},
		{"withdrawn", checkWithdrawn},
		{"tables", checkTables},
		{"links", checkLinks},
		{"chapter index", checkIndex},
		{"decisions", checkDecisions},
		{"citations", checkCitations},
	}
}

// TestText runs the compiler on the repository. With -update it first rewrites the
// tables in the chapters.
func TestText(t *testing.T) {
	if *update {
		fillChapters(t)
	}
	repository := openTree(t, os.DirFS(".."))
	for _, c := range allChecks() {
		t.Run(c.name, func(t *testing.T) {
			for _, problem := range c.run(repository) {
				t.Error(problem)
			}
		})
	}
}

func fillChapters(t *testing.T) {
	t.Helper()
	registry, err := Load(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(os.DirFS("."), "*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		before, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		after := registry.FillTables(string(before))
		if after == string(before) {
			continue
		}
		if err := os.WriteFile(name, []byte(after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// openTree loads the tree under spec/ of a repository.
func openTree(t *testing.T, repo fs.FS) tree {
	t.Helper()
	sub, err := fs.Sub(repo, "spec")
	if err != nil {
		t.Fatal(err)
	}
	registry, err := Load(sub)
	if err != nil {
		t.Fatal(err)
	}
	opened := tree{repo: repo, registry: registry}
	if data, err := fs.ReadFile(sub, requirementsFile); err == nil {
		if err := json.Unmarshal(data, &opened.rows); err != nil {
			t.Fatal(err)
		}
	}
	for _, pattern := range []string{"spec/*.md", "spec/decisions/*.md"} {
		names, err := fs.Glob(repo, pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			data, err := fs.ReadFile(repo, name)
			if err != nil {
				t.Fatal(err)
			}
			opened.docs = append(opened.docs, parseDocument(name, string(data)))
		}
	}
	return opened
}

// chapters returns the documents at the root of spec/, the index excepted.
func (t tree) chapters() []document {
	return slices.DeleteFunc(slices.Clone(t.docs), func(d document) bool {
		return path.Dir(d.file) != "spec" || path.Base(d.file) == indexFile
	})
}

// place is an entry of a registry file, found by keys and indexes.
type place struct {
	file  string
	entry []any
}

func in(file string, entry ...any) place { return place{file, entry} }

// problem makes a problem of an entry of the registry.
func (t tree) problem(p place, format string, values ...any) Problem {
	found := Problem{File: "spec/registry/" + p.file, Text: fmt.Sprintf(format, values...)}
	if data, err := fs.ReadFile(t.repo, found.File); err == nil {
		found.Line = entryLine(data, p.entry...)
	}
	return found
}

// problem makes a problem of a line of a document.
func (d document) problem(line int, format string, values ...any) Problem {
	return Problem{d.file, line, fmt.Sprintf(format, values...)}
}

// entryLine returns the line of an entry given by keys (string) and indexes (int),
// or 0 if there is no such entry.
func entryLine(data []byte, entry ...any) int {
	decoder := json.NewDecoder(bytes.NewReader(data))
	for _, step := range entry {
		if !descend(decoder, step) {
			return 0
		}
	}
	// The decoder stands behind the last token; the entry begins at the next one.
	offset := int(decoder.InputOffset())
	for offset < len(data) && bytes.IndexByte([]byte(" \t\r\n,:"), data[offset]) >= 0 {
		offset++
	}
	return lineOf(data, int64(offset)+1)
}

// descend moves the decoder, which stands before a value, into the member or
// element of that value named by step.
func descend(decoder *json.Decoder, step any) bool {
	if _, err := decoder.Token(); err != nil {
		return false
	}
	for index := 0; decoder.More(); index++ {
		if key, ok := step.(string); ok {
			token, err := decoder.Token()
			if err != nil {
				return false
			}
			if token == json.Token(key) {
				return true
			}
		} else if step == index {
			return true
		}
		var skipped json.RawMessage
		if decoder.Decode(&skipped) != nil {
			return false
		}
	}
	return false
}
