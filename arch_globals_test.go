package xtmp_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

// checkGlobals holds every package, of any kind, to two sentences:
//
//   - there is no init: import order must not decide what a program does;
//   - a package-level variable is written once, by its declaration.
//
// The second is judged by its writes, not by its type: error values, lookup
// tables, embedded files and compiled patterns are all fine, because nothing
// changes them afterwards. A write is an assignment to the variable or into it,
// ++ and --, taking its address (a pointer-receiver call does), and clear, delete
// or copy into it. In pure packages a variable is moreover no pointer to a type of
// this module, unless it is an error: its methods could change what it points to.
//
// An alias (t := table; t[0] = 1) is beyond this check; review catches it.
func (m *module) checkGlobals(p *pkg, k kind) []string {
	g := &globals{module: m, pkg: p, kind: k}
	for _, f := range p.files {
		for _, decl := range f.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && d.Name.Name == "init" {
					g.report(d, "declares init; build the value where it is used")
				}
			case *ast.GenDecl:
				if d.Tok == token.VAR {
					g.declaration(d)
				}
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			g.write(n)
			return true
		})
	}
	return g.found
}

type globals struct {
	*module
	*pkg
	kind  kind
	found []string
}

func (g *globals) report(n ast.Node, format string, args ...any) {
	g.found = append(g.found, fmt.Sprintf("%s: %s", g.at(n), fmt.Sprintf(format, args...)))
}

// declaration looks at a package-level var block. A go:embed directive stands
// above a spec of its own and fills it, so a documented spec of type embed.FS,
// string or []byte without a value is recognised by that directive.
func (g *globals) declaration(d *ast.GenDecl) {
	for _, s := range d.Specs {
		spec := s.(*ast.ValueSpec)
		embedded := hasEmbed(spec.Doc) || hasEmbed(d.Doc)
		for _, name := range spec.Names {
			if name.Name == "_" {
				continue
			}
			if len(spec.Values) == 0 && !embedded {
				g.report(name, "package-level variable %s has no value, so it is meant to be written later", name.Name)
			}
			if g.kind == pure && g.ownPointer(g.info.Defs[name].Type()) {
				g.report(name, "package-level variable %s points to a type of this module; what it points to can change", name.Name)
			}
		}
	}
}

func hasEmbed(doc *ast.CommentGroup) bool {
	if doc == nil {
		return false
	}
	for _, c := range doc.List {
		if strings.HasPrefix(c.Text, "//go:embed ") {
			return true
		}
	}
	return false
}

// ownPointer reports a pointer to a type of this module that is not an error.
func (g *globals) ownPointer(t types.Type) bool {
	ptr, ok := t.Underlying().(*types.Pointer)
	if !ok {
		return false
	}
	if types.Implements(t, types.Universe.Lookup("error").Type().Underlying().(*types.Interface)) {
		return false
	}
	named, ok := ptr.Elem().(*types.Named)
	if !ok {
		return true
	}
	_, own := g.below(named.Obj().Pkg().Path())
	return own
}

// write reports a statement that changes a package-level variable, of this
// package or of any other.
func (g *globals) write(n ast.Node) {
	switch n := n.(type) {
	case *ast.AssignStmt:
		for _, lhs := range n.Lhs {
			g.written(lhs, "assigned to")
		}
	case *ast.RangeStmt:
		g.written(n.Key, "assigned to")
		g.written(n.Value, "assigned to")
	case *ast.IncDecStmt:
		g.written(n.X, "assigned to")
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			g.written(n.X, "passed by address")
		}
	case *ast.CallExpr:
		g.call(n)
	}
}

func (g *globals) call(n *ast.CallExpr) {
	switch fun := ast.Unparen(n.Fun).(type) {
	case *ast.Ident:
		if b, ok := g.info.Uses[fun].(*types.Builtin); ok && len(n.Args) > 0 {
			switch b.Name() {
			case "clear", "delete", "copy":
				g.written(n.Args[0], "changed by "+b.Name())
			}
		}
	case *ast.SelectorExpr:
		sel := g.info.Selections[fun]
		if sel == nil || sel.Kind() != types.MethodVal {
			return
		}
		recv := sel.Obj().(*types.Func).Signature().Recv()
		_, byPointer := recv.Type().(*types.Pointer)
		_, isPointer := sel.Recv().Underlying().(*types.Pointer)
		if byPointer && !isPointer {
			g.written(fun.X, "passed by address to "+fun.Sel.Name)
		}
	}
}

func (g *globals) written(target ast.Expr, how string) {
	if v := g.root(target); v != nil {
		g.report(target, "package-level variable %s is %s; it may be written only by its declaration", v.Name(), how)
	}
}

// root returns the package-level variable that an expression reaches into.
func (g *globals) root(e ast.Expr) *types.Var {
	for {
		switch x := e.(type) {
		case *ast.ParenExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		case *ast.SelectorExpr:
			if g.info.Selections[x] == nil { // a qualified name: pkg.Var
				e = x.Sel
				continue
			}
			e = x.X
		case *ast.Ident:
			v, ok := g.info.Uses[x].(*types.Var)
			if ok && v.Pkg() != nil && v.Parent() == v.Pkg().Scope() {
				return v
			}
			return nil
		default:
			return nil
		}
	}
}
