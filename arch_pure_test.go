package xtmp_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// ambient lists what a pure package must not import, itself or below it, and
// why. Data packages are free of the entries that embedded files need.
var ambient = []struct {
	path   string
	dataOK bool
	why    string
}{
	{"C", false, "the core is Go"},
	{"context", false, "nothing here blocks"},
	{"crypto/rand", false, "entropy arrives as an argument"},
	{"embed", true, "files belong to data packages and shells"},
	{"expvar", false, "metrics belong to the shell"},
	{"hash/maphash", false, "its seed is hidden entropy"},
	{"log", false, "events are returned, not printed"},
	{"math/rand", false, "entropy arrives as an argument"},
	{"net", false, "bytes arrive as arguments"},
	{"os", false, "configuration arrives as a value"},
	{"path/filepath", false, "the file system belongs to the shell"},
	{"plugin", false, "nothing registers itself"},
	{"runtime", false, "the result must not depend on the machine"},
	{"sync", true, "a pure value has one owner"},
	{"syscall", false, "the operating system belongs to the shell"},
	{"testing", false, "tests test the product; the product does not know them"},
	{"unsafe", false, "peers' bytes are handled by checked code"},
}

// harmless lists packages below an ambient one that are plain values.
var harmless = []string{"net/netip", "net/url"}

// clock and entropy name the functions, types and variables of other modules
// whose result depends on when they are called, or that draw randomness out of sight.
var (
	clock = []string{
		"time.Now", "time.Since", "time.Until", "time.Sleep", "time.After", "time.AfterFunc", "time.Tick",
		"time.NewTimer", "time.NewTicker", "time.Local", "time.LoadLocation",
	}
	// Go 1.26 ignores the reader given to these generators: keys are built from bytes instead.
	entropy = []string{
		"GenerateKey", "GenerateKey768", "GenerateKey1024", "GenerateMultiPrimeKey",
		"Encapsulate", "NewGCMWithRandomNonce", "SignASN1",
		"Dial", "NewMask", "MaskFrame", "MaskFrameInPlace", // of github.com/gobwas/ws
	}
)

// unordered marks a range over a map whose order cannot reach the output.
const unordered = "//xtmp:unordered"

// checkPurity holds a pure or data package to its kind.
func (m *module) checkPurity(p *pkg, r rule) (found []string) {
	k := r.kind
	for _, imp := range p.Imports {
		for _, a := range ambient {
			allowed := slices.Contains(harmless, imp) || (k == data && a.dataOK)
			if under(a.path)(imp) && !allowed {
				found = append(found, fmt.Sprintf("%s: %s, must not import %q: %s", p.rel, k, imp, a.why))
			}
		}
	}
	// A dependency must not smuggle the network in. It may reach os and sync,
	// as fmt does; those two are bound as direct imports only.
	carried := slices.ContainsFunc(r.modules, func(mod string) bool { return slices.Contains(carriers, mod) })
	if slices.Contains(p.Deps, "net") && !carried {
		found = append(found, fmt.Sprintf("%s: %s, but depends on net through its imports", p.rel, k))
	}
	if len(p.IgnoredGoFiles) > 0 {
		found = append(found, fmt.Sprintf("%s: %s, but the build leaves out %v", p.rel, k, p.IgnoredGoFiles))
	}
	v := &purity{module: m, pkg: p, kind: k}
	for _, f := range p.files {
		v.file(f)
	}
	return append(found, v.found...)
}

// purity walks the syntax of one package.
type purity struct {
	*module
	*pkg
	kind  kind
	found []string

	marks  map[int]bool           // line of an unordered mark → used
	sorted map[*ast.CallExpr]bool // calls that are sorted on the spot
}

func (v *purity) report(n ast.Node, format string, args ...any) {
	v.found = append(v.found, fmt.Sprintf("%s: %s package %s", v.at(n), v.kind, fmt.Sprintf(format, args...)))
}

func (v *purity) file(f *ast.File) {
	v.readMarks(f)
	v.sorted = map[*ast.CallExpr]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		v.concurrency(n)
		v.ambientUse(n)
		v.mapOrder(n)
		if v.kind == pure {
			v.float(n)
		}
		return true
	})
	for line, used := range v.marks {
		if !used {
			v.report(f, "has an %s mark on line %d without a range over a map", unordered, line)
		}
	}
}

func (v *purity) concurrency(n ast.Node) {
	switch n := n.(type) {
	case *ast.GoStmt:
		v.report(n, "starts a goroutine")
	case *ast.SelectStmt, *ast.ChanType, *ast.SendStmt:
		v.report(n, "uses a channel")
	case *ast.UnaryExpr:
		if n.Op == token.ARROW {
			v.report(n, "uses a channel")
		}
	}
}

// ambientUse finds uses through aliases, dot imports and function values too,
// because it asks the type checker what a name means.
func (v *purity) ambientUse(n ast.Node) {
	id, ok := n.(*ast.Ident)
	if !ok {
		return
	}
	obj := v.info.Uses[id]
	if obj == nil || obj.Pkg() == nil {
		return
	}
	if _, own := v.below(obj.Pkg().Path()); own {
		return
	}
	if name := obj.Pkg().Path() + "." + obj.Name(); slices.Contains(clock, name) {
		v.report(n, "reads the clock: %s; take now as an argument", name)
	}
	if _, isFunc := obj.(*types.Func); isFunc && slices.Contains(entropy, obj.Name()) {
		v.report(n, "draws hidden entropy: %s.%s; take the bytes as an argument", obj.Pkg().Name(), obj.Name())
	}
}

// float keeps rounding out of the core: permille, microseconds and bytes per
// second are integers, decimals belong to the shell.
func (v *purity) float(n ast.Node) {
	if lit, ok := n.(*ast.BasicLit); ok && (lit.Kind == token.FLOAT || lit.Kind == token.IMAG) {
		v.report(n, "uses a float")
	}
	if expr, ok := n.(ast.Expr); ok && isFloat(v.info.TypeOf(expr)) {
		v.report(n, "uses a float")
	}
}

func isFloat(t types.Type) bool {
	switch t := t.(type) {
	case nil:
		return false
	case *types.Tuple:
		for v := range t.Variables() {
			if isFloat(v.Type()) {
				return true
			}
		}
		return false
	}
	basic, ok := t.Underlying().(*types.Basic)
	return ok && basic.Info()&(types.IsFloat|types.IsComplex) != 0
}

// mapOrder refuses a range over a map, and maps.Keys, Values or All that is not
// sorted on the spot, unless the line or the one above carries the mark.
func (v *purity) mapOrder(n ast.Node) {
	switch n := n.(type) {
	case *ast.RangeStmt:
		t := v.info.TypeOf(n.X)
		if t == nil {
			return
		}
		if _, isMap := t.Underlying().(*types.Map); isMap && !v.marked(n) {
			v.report(n, "ranges over a map; sort the keys, or mark the line: %s reason", unordered)
		}
	case *ast.CallExpr:
		if name := v.callee(n); strings.HasPrefix(name, "slices.Sorted") && len(n.Args) > 0 {
			if inner, ok := n.Args[0].(*ast.CallExpr); ok {
				v.sorted[inner] = true
			}
		} else if slices.Contains([]string{"maps.Keys", "maps.Values", "maps.All"}, name) && !v.sorted[n] && !v.marked(n) {
			v.report(n, "takes %s in map order; wrap it in slices.Sorted, or mark the line: %s reason", name, unordered)
		}
	}
}

func (v *purity) callee(call *ast.CallExpr) string {
	sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	if obj := v.info.Uses[sel.Sel]; obj != nil && obj.Pkg() != nil {
		return obj.Pkg().Path() + "." + obj.Name()
	}
	return ""
}

// readMarks collects the unordered marks of a file. A mark needs a reason.
func (v *purity) readMarks(f *ast.File) {
	v.marks = map[int]bool{}
	for _, group := range f.Comments {
		for _, c := range group.List {
			reason, ok := strings.CutPrefix(c.Text, unordered)
			if !ok {
				continue
			}
			if strings.TrimSpace(reason) == "" {
				v.report(c, "has an %s mark without a reason", unordered)
			}
			v.marks[v.fset.Position(c.Pos()).Line] = false
		}
	}
}

func (v *purity) marked(n ast.Node) bool {
	line := v.fset.Position(n.Pos()).Line
	for _, at := range []int{line, line - 1} {
		if _, ok := v.marks[at]; ok {
			v.marks[at] = true
			return true
		}
	}
	return false
}
