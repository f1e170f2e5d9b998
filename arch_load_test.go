package xtmp_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// module is what the checks look at: the module's own packages, type-checked
// from source against the compiler's export data, and the judge's closure.
type module struct {
	path       string
	root       string
	own        []*pkg          // packages of this module, as `./...` lists them
	all        map[string]*pkg // by import path, dependencies included
	judgeReach []*pkg          // own packages that the judge links, its tests included
	fset       *token.FileSet
}

// pkg is the part of `go list -json` that the laws speak about.
type pkg struct {
	Dir, ImportPath, Name              string
	GoFiles, IgnoredGoFiles            []string
	Imports, TestImports, XTestImports []string
	Deps                               []string
	DepOnly, Standard                  bool
	Export                             string
	Module                             *struct{ Path string }
	Error                              *struct{ Err string }

	rel   string // path below the module, "." for the root
	files []*ast.File
	info  *types.Info
	types *types.Package
}

// load lists and type-checks the module in root. A package that does not
// compile is an error: nothing can be said about it.
func load(root string) (*module, error) {
	m := &module{root: root, all: map[string]*pkg{}, fset: token.NewFileSet()}
	name, err := m.golist("-m")
	if err != nil {
		return nil, err
	}
	m.path = strings.TrimSpace(string(name))
	const fields = "Dir,ImportPath,Name,GoFiles,IgnoredGoFiles,Imports,TestImports,XTestImports,Deps,DepOnly,Standard,Export,Module,Error"
	listed, err := m.list("-export", "-deps", "-json="+fields, "./...")
	if err != nil {
		return nil, err
	}
	for _, p := range listed {
		m.all[p.ImportPath] = p
		if !p.DepOnly {
			m.own = append(m.own, p)
		}
	}
	for _, p := range m.own {
		if err := m.check(p); err != nil {
			return nil, err
		}
	}
	return m, m.loadJudgeReach()
}

// loadJudgeReach asks the go command, rather than our own walk, what the
// judge's packages and their tests link.
func (m *module) loadJudgeReach() error {
	var judges []string
	for _, p := range m.own {
		if isJudge(p.rel) {
			judges = append(judges, p.ImportPath)
		}
	}
	if len(judges) == 0 {
		return nil
	}
	reach, err := m.list(append([]string{"-test", "-deps", "-json=ImportPath,Imports,Standard"}, judges...)...)
	if err != nil {
		return err
	}
	for _, p := range reach {
		if _, own := m.below(cutVariant(p.ImportPath)); own {
			m.judgeReach = append(m.judgeReach, p)
		}
	}
	return nil
}

// check parses and type-checks one package of the module.
func (m *module) check(p *pkg) error {
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(m.fset, filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		p.files = append(p.files, f)
	}
	if len(p.files) == 0 {
		return nil // only tests here
	}
	p.info = &types.Info{
		Types:      map[ast.Expr]types.TypeAndValue{},
		Defs:       map[*ast.Ident]types.Object{},
		Uses:       map[*ast.Ident]types.Object{},
		Selections: map[*ast.SelectorExpr]*types.Selection{},
	}
	exports := importer.ForCompiler(m.fset, "gc", func(path string) (io.ReadCloser, error) {
		dep, ok := m.all[path]
		if !ok || dep.Export == "" {
			return nil, fmt.Errorf("no export data for %s", path)
		}
		return os.Open(dep.Export)
	})
	conf := types.Config{Importer: exports}
	var err error
	if p.types, err = conf.Check(p.ImportPath, m.fset, p.files, p.info); err != nil {
		return fmt.Errorf("%s: does not type-check: %w", p.rel, err)
	}
	return nil
}

func (m *module) list(args ...string) ([]*pkg, error) {
	out, err := m.golist(args...)
	if err != nil {
		return nil, err
	}
	var pkgs []*pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		p := new(pkg)
		if err := dec.Decode(p); errors.Is(err, io.EOF) {
			return pkgs, nil
		} else if err != nil {
			return nil, err
		}
		if p.Error != nil {
			return nil, fmt.Errorf("%s: %s", p.ImportPath, p.Error.Err)
		}
		p.rel, _ = m.below(cutVariant(p.ImportPath))
		pkgs = append(pkgs, p)
	}
}

func (m *module) golist(args ...string) ([]byte, error) {
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = m.root
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil, fmt.Errorf("go list: %w\n%s", err, exit.Stderr)
	}
	return out, err
}

// below returns the path of an import below the module, and whether it is ours.
func (m *module) below(importPath string) (string, bool) {
	if importPath == m.path {
		return ".", true
	}
	return strings.CutPrefix(importPath, m.path+"/")
}

// externalModule returns the module that serves an import, or "" for ours and
// for the standard library. Test-only imports are not among the listed
// dependencies; they are matched by the longest known prefix.
func (m *module) externalModule(importPath string) string {
	if _, own := m.below(importPath); own || !strings.Contains(strings.Split(importPath, "/")[0], ".") {
		return ""
	}
	if p, ok := m.all[importPath]; ok && p.Module != nil {
		return p.Module.Path
	}
	for _, known := range slices.Concat(testModules, skinModules) {
		if under(known)(importPath) {
			return known
		}
	}
	return importPath
}

func (m *module) at(n ast.Node) string {
	pos := m.fset.Position(n.Pos())
	if rel, err := filepath.Rel(m.absRoot(), pos.Filename); err == nil {
		pos.Filename = rel
	}
	return fmt.Sprintf("%s:%d", filepath.ToSlash(pos.Filename), pos.Line)
}

func (m *module) absRoot() string {
	abs, err := filepath.Abs(m.root)
	if err != nil {
		return m.root
	}
	return abs
}

// cutVariant turns the go command's names for test variants, "p [p.test]",
// "p_test [p.test]" and "p.test", into "p".
func cutVariant(importPath string) string {
	path, _, variant := strings.Cut(importPath, " ")
	if variant {
		path = strings.TrimSuffix(path, "_test")
	}
	return strings.TrimSuffix(path, ".test")
}
