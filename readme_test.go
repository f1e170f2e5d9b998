package xtmp_test

import (
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the code in README.md from the examples it names")

// readmeExample is the place of a tested example: its file, its name, the code.
var readmeExample = regexp.MustCompile(`(?s)(<!-- example: (\S+) (\w+) -->\n)(.*?)(<!-- end -->)`)

// TestReadmeShowsTestedCode holds the code in README.md to examples that are
// compiled and run as tests.
func TestReadmeShowsTestedCode(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !readmeExample.Match(text) {
		t.Fatal("README.md names no example")
	}
	want, err := fillExamples(string(text), os.ReadFile)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("README.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(text) != want {
		t.Error("README.md shows other code than the examples it names; `go test . -update` rewrites it")
	}
}

// fillExamples puts the body of each named example in its place. An example
// whose file does not exist shows nothing.
func fillExamples(text string, readFile func(string) ([]byte, error)) (string, error) {
	var failed error
	filled := readmeExample.ReplaceAllStringFunc(text, func(place string) string {
		m := readmeExample.FindStringSubmatch(place)
		src, err := readFile(m[2])
		if errors.Is(err, fs.ErrNotExist) {
			return m[1] + m[5]
		}
		if err != nil {
			failed = err
			return place
		}
		code, err := exampleBody(m[2], src, m[3])
		if err != nil {
			failed = err
			return place
		}
		return m[1] + "\n```go\n" + code + "```\n\n" + m[5]
	})
	return filled, failed
}

// exampleBody returns the statements of a function, one tab to the left and
// without the comment that states the output.
func exampleBody(file string, src []byte, name string) (string, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, src, parser.SkipObjectResolution)
	if err != nil {
		return "", err
	}
	for _, decl := range f.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || fn.Name.Name != name {
			continue
		}
		body := string(src[fset.Position(fn.Body.Lbrace).Offset+1 : fset.Position(fn.Body.Rbrace).Offset])
		body, _, _ = strings.Cut(body, "\n\t// Output:")
		return strings.ReplaceAll(strings.Trim(body, "\n"), "\n\t", "\n")[1:] + "\n", nil
	}
	return "", fmt.Errorf("%s: no function %s", file, name)
}

func TestReadmeExampleIsFound(t *testing.T) {
	const src = "package a\n\nfunc Example() {\n\tx := 1\n\tif x > 0 {\n\t\tprintln(x)\n\t}\n\t// Output:\n\t// 1\n}\n"
	read := func(name string) ([]byte, error) {
		if name == "a_test.go" {
			return []byte(src), nil
		}
		return nil, fs.ErrNotExist
	}
	for _, tt := range []struct{ text, want, err string }{
		{
			text: "a\n<!-- example: a_test.go Example -->\nold\n<!-- end -->\nb\n",
			want: "a\n<!-- example: a_test.go Example -->\n\n```go\nx := 1\nif x > 0 {\n\tprintln(x)\n}\n```\n\n<!-- end -->\nb\n",
		},
		{text: "<!-- example: gone.go Example -->\nold\n<!-- end -->", want: "<!-- example: gone.go Example -->\n<!-- end -->"},
		{text: "<!-- example: a_test.go ExampleB -->\n<!-- end -->", err: "no function ExampleB"},
	} {
		got, err := fillExamples(tt.text, read)
		switch {
		case tt.err != "":
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q: error %v, want one that says %q", tt.text, err, tt.err)
			}
		case err != nil:
			t.Errorf("%q: %v", tt.text, err)
		case got != tt.want:
			t.Errorf("%q:\n got %q\nwant %q", tt.text, got, tt.want)
		}
	}
}
