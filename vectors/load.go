package vectors

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
)

// embedded holds every vector, inputs and schema.
//
//go:embed */*.txt flows/*.json schema/*.json README.md
var embedded embed.FS

// loaded parses the embedded vectors at the first call.
var loaded = sync.OnceValues(func() ([]Vector, error) { return LoadAll(embedded) })

// All returns every vector, ordered by ID. The value is shared: treat it as
// read-only. A vector that does not parse is a bug of this package and panics;
// [Check] reports it.
func All() []Vector {
	all, err := loaded()
	if err != nil {
		panic(err)
	}
	return all
}

// Load returns the vector of that ID.
func Load(id string) (Vector, error) {
	text, err := fs.ReadFile(embedded, id+".txt")
	if err != nil {
		return Vector{}, fmt.Errorf("vectors: there is no vector %q: %w", id, err)
	}
	return Parse(id+".txt", string(text))
}

// Files returns the files of this package as they are copied: vectors, inputs,
// schema and README.
func Files() fs.FS { return embedded }

// LoadAll parses every vector of a tree. The error joins a *ParseError for each
// file that does not parse; the others are returned all the same.
func LoadAll(tree fs.FS) ([]Vector, error) {
	names, err := fs.Glob(tree, "*/*.txt")
	if err != nil {
		return nil, fmt.Errorf("vectors: %w", err)
	}
	var all []Vector
	var failed []error
	for _, name := range names {
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			failed = append(failed, fmt.Errorf("vectors: %w", err))
			continue
		}
		v, err := Parse(name, string(text))
		if err == nil && v.ID+path.Ext(name) != name {
			err = &ParseError{File: name, Line: 1, What: fmt.Sprintf("the id is %s, not %s", v.ID, strings.TrimSuffix(name, path.Ext(name)))}
		}
		if err != nil {
			failed = append(failed, err)
			continue
		}
		all = append(all, v)
	}
	slices.SortFunc(all, func(a, b Vector) int { return strings.Compare(a.ID, b.ID) })
	return all, errors.Join(failed...)
}
