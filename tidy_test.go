package xtmp_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// The limits. A thing that passes one wants to be two things.
const (
	maxFuncLines   = 69  // a function stays under 70 lines, so that it fits a screen
	maxFileLines   = 599 // a file stays under 600 lines
	maxLineChars   = 140 // a tab is one
	minPackageDocs = 4   // lines of package documentation
)

// longFuncs names the functions that may be longer, as "dir.Name" or
// "dir.Type.Name", each with the reason. It is empty, and should stay so.
var longFuncs = map[string]string{}

// vagueNames say that a thing does something, not what.
var vagueNames = regexp.MustCompile(`(?i)(manager|helper|helpers|util|utils|engine|processor)$`)

// openEnds are the words for work not done. They are built from halves so that
// this file passes its own test.
var openEnds = regexp.MustCompile(`\b(` + strings.Join([]string{"TO" + "DO", "FIX" + "ME", "XX" + "X"}, "|") + `)\b`)

// elsewhere finds text that means nothing to someone who has only the repository:
// a directory of one particular machine, a number in a tracker, a brief.
var elsewhere = regexp.MustCompile(strings.Join([]string{
	`(^|[\s"'(=:,\x60])/(home|root|work|mnt|srv|Users)(/|\b)`,
	`/tmp/[\w.-]+/`,
	`(?i:\b(the|this) brief\b)`,
	`(?i:\bissue\s+#?[0-9]+\b)`,
}, "|"))

// Trees that are not ours to judge: build products, fetched modules, fixtures.
var skippedDirs = []string{".git", ".cache", "out", "node_modules", "testdata"}

// textFiles are looked at for open ends and for text from elsewhere.
var textFiles = []string{".go", ".md", ".mjs", ".js", ".py", ".sh", ".yml", ".yaml", ".toml", ".mod", ".ts"}

var textNames = []string{"Makefile", "Dockerfile", "run"}

// TestTidy reads every file of the tree. It opens each one through this
// process, so the go command's test cache notices any change, for the
// architecture test too.
func TestTidy(t *testing.T) {
	docs := map[string]packageDoc{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(skippedDirs, d.Name()):
			return filepath.SkipDir
		case d.IsDir() || !d.Type().IsRegular():
			return nil
		}
		ext := filepath.Ext(name)
		if !slices.Contains(textFiles, ext) && !slices.Contains(textNames, d.Name()) {
			return nil
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for _, finding := range tidy(filepath.ToSlash(name), string(content), docs) {
			t.Error(finding)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, finding := range checkPackageDocs(docs) {
		t.Error(finding)
	}
}

// packageDoc collects what the files of one package say about it.
type packageDoc struct {
	lines    int  // of the longest package comment
	nonTests bool // the package is more than tests
}

// tidy returns what is untidy in one file. Package documentation is gathered in
// docs, by directory, because one file of a package is enough to hold it.
func tidy(name, content string, docs map[string]packageDoc) []string {
	found := tidyText(name, content)
	if path.Ext(name) == ".go" {
		found = append(found, tidyGo(name, content, docs)...)
	}
	return found
}

func tidyText(name, content string) (found []string) {
	n := 0
	for line := range strings.Lines(content) {
		n++
		if word := openEnds.FindString(line); word != "" {
			found = append(found, fmt.Sprintf("%s:%d: %s: finish it, or leave it out", name, n, word))
		}
		if what := elsewhere.FindString(line); what != "" {
			found = append(found, fmt.Sprintf("%s:%d: %q means nothing outside one workplace", name, n, strings.Trim(what, " \t\"`(=:,")))
		}
		if path.Ext(name) != ".go" || strings.HasPrefix(line, "//go:") {
			continue // a directive cannot be broken
		}
		line = strings.TrimRight(line, "\r\n")
		if chars := utf8.RuneCountInString(line); chars > maxLineChars {
			found = append(found, fmt.Sprintf("%s:%d: %d characters, more than %d", name, n, chars, maxLineChars))
		}
	}
	return found
}

func tidyGo(name, content string, docs map[string]packageDoc) (found []string) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, name, content, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return []string{err.Error()}
	}
	dir, isTest := path.Dir(name), strings.HasSuffix(name, "_test.go")
	doc := docs[dir]
	doc.lines = max(doc.lines, docLines(f.Doc))
	doc.nonTests = doc.nonTests || !isTest
	docs[dir] = doc
	if vagueNames.MatchString(strings.TrimSuffix(strings.TrimSuffix(path.Base(name), ".go"), "_test")) {
		found = append(found, fmt.Sprintf("%s: the file's name does not say what is in it", name))
	}
	if lines := strings.Count(content, "\n"); lines > maxFileLines && !ast.IsGenerated(f) {
		found = append(found, fmt.Sprintf("%s: %d lines, more than %d", name, lines, maxFileLines))
	}
	for _, decl := range f.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || isTest || ast.IsGenerated(f) {
			continue
		}
		full := dir + "." + funcName(fn)
		first, last := fset.Position(fn.Pos()).Line, fset.Position(fn.End()).Line
		if _, allowed := longFuncs[full]; last-first+1 > maxFuncLines && !allowed {
			found = append(found, fmt.Sprintf("%s:%d: %s has %d lines, more than %d", name, first, full, last-first+1, maxFuncLines))
		}
	}
	for _, id := range declared(f) {
		if vagueNames.MatchString(id.Name) {
			found = append(found, fmt.Sprintf("%s:%d: the name %s does not say what it is", name, fset.Position(id.Pos()).Line, id.Name))
		}
	}
	return found
}

// checkPackageDocs wants each package to open with more than a sentence: what
// it is, its layout or states, and what it does not do.
func checkPackageDocs(docs map[string]packageDoc) (found []string) {
	for dir, d := range docs {
		if d.nonTests && d.lines < minPackageDocs {
			found = append(found, fmt.Sprintf("%s: %d lines of package documentation, fewer than %d", dir, d.lines, minPackageDocs))
		}
	}
	slices.Sort(found)
	return found
}

func docLines(doc *ast.CommentGroup) int {
	if doc == nil {
		return 0
	}
	return strings.Count(doc.Text(), "\n")
}

func funcName(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return fn.Name.Name
	}
	recv := fn.Recv.List[0].Type
	if star, ok := recv.(*ast.StarExpr); ok {
		recv = star.X
	}
	if index, ok := recv.(*ast.IndexExpr); ok { // generic receiver
		recv = index.X
	}
	if id, ok := recv.(*ast.Ident); ok {
		return id.Name + "." + fn.Name.Name
	}
	return fn.Name.Name
}

// declared returns the names a file gives to its package, and to its
// functions, types, fields, constants and variables.
func declared(f *ast.File) []*ast.Ident {
	names := []*ast.Ident{f.Name}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			names = append(names, n.Name)
		case *ast.TypeSpec:
			names = append(names, n.Name)
		case *ast.ValueSpec:
			names = append(names, n.Names...)
		case *ast.Field:
			names = append(names, n.Names...)
		}
		return true
	})
	return names
}

func TestTidyFindsWhatIsPlanted(t *testing.T) {
	const doc = "// Package a is\n// documented\n// in four\n// lines.\n"
	long := func(n int) string { return "func F() {\n" + strings.Repeat("\t_ = 0\n", n-2) + "}\n" }
	for _, tt := range []struct {
		name, content string
		want          []string
	}{
		{"a/clean.go", doc + "package a\n\n" + long(69), nil},
		{"a/a.go", doc + "package a\n\n" + long(70), []string{"a.F has 70 lines"}},
		{"a/a.go", doc + "package a\n\nfunc (t *T[K]) " + long(70)[5:], []string{"a.T.F has 70 lines"}},
		{"a/a_test.go", doc + "package a\n\n" + long(70), nil},
		{"a/a.go", doc + "package a\n" + strings.Repeat("\n", 595), []string{"600 lines"}},
		{"a/a.go", doc + "package a\n" + strings.Repeat("\n", 594), nil},
		{"a/za.go", "// Code generated by a; DO NOT EDIT.\n\n" + doc + "package a\n" + strings.Repeat("\n", 600), nil},
		{"a/a.go", "// Package a is\n// documented\n// in three.\npackage a\n", []string{"a: 3 lines of package documentation"}},
		{"a/a.go", "package a\n", []string{"a: 0 lines of package documentation"}},
		{"a/a_test.go", "package a\n", nil},
		{"a/a.go", doc + "package a\n\n// TO" + "DO: later\n", []string{"TO" + "DO: finish it"}},
		{"docs/a.md", "FIX" + "ME\nand XX" + "X\n", []string{":1: FIX" + "ME", ":2: XX" + "X"}},
		{"docs/a.md", "XX" + "XX is four letters\n", nil},
		{"a/a.go", doc + "package a\n\ntype pathManager struct{ Util, rootUtils int }\n", []string{"pathManager", "Util ", "rootUtils"}},
		{"a/a.go", doc + "package a\n\nfunc frameProcessor(readHelper int) { t.Helper() }\n", []string{"frameProcessor", "readHelper"}},
		{"util/a.go", doc + "package util\n", []string{"the name util"}},
		{"a/helpers_test.go", doc + "package a\n", []string{"the file's name"}},
		{"a/a.go", doc + "package a\n\n//" + strings.Repeat("x", 139) + "\n", []string{"141 characters"}},
		{"a/a.go", doc + "package a\n\n\t//" + strings.Repeat("ü", 138) + "\n", []string{"141 characters"}},
		{"a/a.go", doc + "package a\n\n//" + strings.Repeat("ü", 138) + "\n//go:generate " + strings.Repeat("x", 140) + "\n", nil},
		{"docs/a.md", strings.Repeat("x", 200) + "\n", nil},
		{"docs/a.md", "see /wo" + "rk/shared\n", []string{`"/wo` + `rk/"`}},
		{"a/a.go", doc + "package a\n\nconst p = \"/ro" + "ot\"\n", []string{"/ro" + "ot"}},
		{"Makefile", "out:\n\tcp out /ho" + "me/me/out\n", []string{"/ho" + "me/"}},
		{"docs/a.md", "see /tm" + "p/notes/a.md, or th" + "e brief\n", []string{"/tm" + "p/notes/"}},
		{"docs/a.md", "as th" + "e brief says\n", []string{"th" + "e brief"}},
		{"docs/a.md", "as iss" + "ue 2 asks, and iss" + "ue #12\n", []string{"iss" + "ue 2"}},
		{"docs/a.md", "https://example.org/wo" + "rk/root, a/home/b and the Merkle root; each issue; /tm" + "p/debug.log\n", nil},
		{"a/a.go", "package\n", []string{"expected"}},
	} {
		docs := map[string]packageDoc{}
		got := tidy(tt.name, tt.content, docs)
		if !strings.HasPrefix(tt.content, "package\n") {
			got = append(got, checkPackageDocs(docs)...)
		}
		sameFindings(t, tt.name+": "+firstWord(tt.content), got, tt.want)
	}
}

func firstWord(s string) string {
	if f := strings.Fields(s); len(f) > 0 {
		return f[0]
	}
	return ""
}
