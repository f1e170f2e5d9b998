package xtmp_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A planted package breaks one rule, or shows one thing that is allowed.
type planted struct {
	line string // its policy line; "" leaves it out
	dir  string // taken from the line unless given
	file string // file name, x.go unless given
	src  string
	want []string // what each finding about it must contain, in sorted order; none: it is clean
}

// The toy module has the shape of this one, so that the laws apply to it as they stand.
var plantedPackages = []planted{
	{line: "refimpl/clean pure", src: `package clean
import ("errors"; "maps"; "slices"; "time")
var ErrShort = errors.New("short")
var table = [4]uint32{1, 2, 3, 4}
var _ error = (*Error)(nil)
type Error struct{ Offset int }
func (*Error) Error() string { return "bad" }
var errFull = &Error{Offset: 1}
func Sum(now time.Time, m map[string]int) (total int, names []string, err error) {
	for _, n := range m { //xtmp:unordered a sum has no order
		total += n + int(table[0])
	}
	local := []int{1}
	local[0]++
	return total, slices.Sorted(maps.Keys(m)), errors.Join(ErrShort, errFull)
}`},

	// The policy.
	{dir: "refimpl/unlisted", src: `package unlisted`, want: []string{"has no line"}},
	{
		line: "refimpl/sneaky pure",
		src:  `package sneaky; import _ "example.org/toy/refimpl/clean"`,
		want: []string{"imports refimpl/clean, which its policy line does not list"},
	},
	{
		line: "refimpl/vendored shell",
		src:  `package vendored; import _ "example.org/ext"`,
		want: []string{"imports module example.org/ext"},
	},
	{line: "refimpl/welcome shell | example.org/ext", src: `package welcome; import _ "example.org/ext"`},
	{
		line: "refimpl/mocked shell", file: "x_test.go",
		src:  `package mocked; import _ "example.org/ext"`,
		want: []string{"its tests import module example.org/ext"},
	},
	{
		line: "refimpl/skinned shell", file: "x_test.go",
		src:  `package skinned; import _ "github.com/onsi/gomega"`,
		want: []string{"its tests import module github.com/onsi/gomega"},
	},
	{line: "conformance shell", file: "x_test.go", src: `package conformance; import _ "github.com/onsi/gomega"`},

	// The laws, which no line softens.
	{
		line: "conformance/direct shell refimpl/clean",
		src:  `package direct; import _ "example.org/toy/refimpl/clean"`,
		want: []string{"carries refimpl/clean into the judge", "must not import refimpl/clean (independence"},
	},
	{
		line: "vectors/tested data", file: "x_test.go",
		src:  `package tested_test; import _ "example.org/toy/refimpl/clean"`,
		want: []string{"carries refimpl/clean into the judge", "must not import refimpl/clean (independence"},
	},
	{
		line: "cmd/xtmp-conform shell internal/carrier",
		src:  `package main; import _ "example.org/toy/internal/carrier"; func main() {}`,
	},
	{
		line: "internal/carrier shell refimpl/clean",
		src:  `package carrier; import _ "example.org/toy/refimpl/clean"`,
		want: []string{"carries refimpl/clean into the judge"},
	},
	{line: "vectors data", src: `package vectors`},
	{
		line: "refimpl/backward shell vectors",
		src:  `package backward; import _ "example.org/toy/vectors"`,
		want: []string{"must not import vectors (direction"},
	},
	{line: "refimpl/forward pure", file: "x_test.go", src: `package forward_test; import _ "example.org/toy/vectors"`},
	{
		line: "netsim pure refimpl/clean",
		src:  `package netsim; import _ "example.org/toy/refimpl/clean"`,
		want: []string{"must not import refimpl/clean (simulator"},
	},
	{line: "netsim/world pure refimpl/clean", src: `package world; import _ "example.org/toy/refimpl/clean"`},

	// Purity: imports.
	{
		line: "refimpl/imports pure",
		src:  `package imports; import (_ "sync/atomic"; _ "math/rand/v2"; _ "net/netip")`,
		want: []string{`must not import "math/rand/v2"`, `must not import "sync/atomic"`},
	},
	{
		line: "refimpl/reach pure",
		src:  `package reach; import _ "net/textproto"`,
		want: []string{"depends on net through its imports", `must not import "net/textproto"`},
	},
	{
		line: "refimpl/deep pure",
		src:  `package deep; import _ "crypto/tls"`,
		want: []string{"depends on net through its imports"},
	},
	{
		line: "vectors/files data",
		src:  `package files; import (_ "embed"; _ "os"; _ "sync")`,
		want: []string{`must not import "os"`},
	},
	{
		line: "refimpl/hidden pure",
		src:  "//go:build never\n\npackage hidden\n",
		want: []string{"the build leaves out [x.go]"},
	},

	// Purity: syntax and types.
	{line: "refimpl/running pure", src: `package running
func F() { go F() }
func G(c chan int) int {
	select {}
	c <- 1
	return <-c
}`, want: []string{
		"running/x.go:2: pure package starts a goroutine", "x.go:3: pure package uses a channel",
		"x.go:4: pure package uses a channel", "x.go:5: pure package uses a channel",
		"x.go:6: pure package uses a channel",
	}},
	{line: "refimpl/clocked pure", src: `package clocked
import clk "time"
var read = clk.Now
func F(d clk.Time) bool { return clk.Since(d) > clk.Second }`, want: []string{"reads the clock: time.Now", "reads the clock: time.Since"}},
	{line: "refimpl/drawing pure", src: `package drawing
import ("crypto/ecdh"; "crypto/mlkem")
func F() { k, _ := ecdh.X25519().GenerateKey(nil); _ = k }
func G(k *mlkem.EncapsulationKey768) { k.Encapsulate() }
type seeded interface{ Encapsulate(entropy []byte) }
func H(s seeded) { s.Encapsulate(nil) }`, want: []string{"hidden entropy: ecdh.GenerateKey", "hidden entropy: mlkem.Encapsulate"}},
	{line: "refimpl/rounding pure", src: `package rounding
import ("time"; "strconv")
func F(d time.Duration) bool { return d.Seconds() > 1 }
func G(s string) { strconv.ParseFloat(s, 64) }
const half = 0.5
type t struct{ rate float32 }`, want: []string{"x.go:3: pure package uses a float", "x.go:4", "x.go:5", "x.go:6"}},
	{line: "refimpl/shuffled pure", src: `package shuffled
import "maps"
type set map[string]int
func F(m set, f func(string)) {
	for k := range m { f(k) }
	for k := range maps.Keys(m) { f(k) }
	//xtmp:unordered
	for range m { f("") }
	//xtmp:unordered nothing here to excuse
	f("")
}`, want: []string{
		"mark on line 9 without a range", "x.go:5: pure package ranges over a map",
		"x.go:6: pure package takes maps.Keys",
		"x.go:7: pure package has an //xtmp:unordered mark without a reason",
	}},

	// Globals, in every kind.
	{line: "vectors/filled data", src: "package filled\nimport \"embed\"\n//go:embed x.go\nvar files embed.FS"},
	{line: "refimpl/started shell", src: "package started\nfunc init() {}", want: []string{"declares init"}},
	{
		line: "refimpl/pointing pure",
		src:  "package pointing\ntype T struct{ N int }\nvar shared = &T{}",
		want: []string{"points to a type of this module"},
	},
	{line: "refimpl/changing shell", src: `package changing
import ("strings"; "os")
var later int
var count = 1
var table = map[string]int{}
var text strings.Builder = strings.Builder{}
var grid = [2][2]int{}
func F() {
	count++
	table["a"] = 1
	delete(table, "a")
	text.Reset()
	p := &grid[1]
	p[0] = 1
	os.Args = nil
	for count = range 3 {
	}
	for _, table = range []map[string]int{} {
	}
	count, text := 0, 1
	count++
	_ = count + text
}`, want: []string{
		"Args is assigned to", "count is assigned to", "count is assigned to", "grid is passed by address", "later has no value",
		"table is assigned to", "table is assigned to", "table is changed by delete", "text is passed by address to Reset",
	}},
}

func TestPlantedViolations(t *testing.T) {
	root := t.TempDir()
	write(t, root, "go.mod", `module example.org/toy
go 1.26
require example.org/ext v0.0.0
require github.com/onsi/gomega v0.0.0
replace example.org/ext => ./ext
replace github.com/onsi/gomega => ./gomega
`)
	write(t, root, "ext/go.mod", "module example.org/ext\ngo 1.26\n")
	write(t, root, "ext/ext.go", "package ext\n")
	write(t, root, "gomega/go.mod", "module github.com/onsi/gomega\ngo 1.26\n")
	write(t, root, "gomega/gomega.go", "package gomega\n")
	var policy strings.Builder
	dirs := make([]string, len(plantedPackages))
	for i, p := range plantedPackages {
		policy.WriteString(p.line + "\n")
		if dirs[i] = p.dir; p.dir == "" {
			dirs[i] = strings.Fields(p.line)[0]
		}
		name := p.file
		if name == "" {
			name = "x.go"
		}
		if name == "x_test.go" || strings.HasPrefix(p.src, "//go:build") {
			write(t, root, dirs[i]+"/doc.go", "package "+filepath.Base(dirs[i])+"\n")
		}
		write(t, root, dirs[i]+"/"+name, p.src+"\n")
	}
	rules, err := parsePolicy(policy.String())
	if err != nil {
		t.Fatal(err)
	}
	m, err := load(root)
	if err != nil {
		t.Fatal(err)
	}
	found := m.judge(rules)
	for i, p := range plantedPackages {
		var got []string
		found = slices.DeleteFunc(found, func(f string) bool {
			mine := strings.HasPrefix(f, dirs[i]+":") || strings.HasPrefix(f, dirs[i]+"/x.go:")
			if mine {
				got = append(got, f)
			}
			return mine
		})
		sameFindings(t, dirs[i], got, p.want)
	}
	for _, f := range found {
		t.Errorf("a finding about no planted package: %s", f)
	}
}

// sameFindings matches findings to wanted substrings one to one.
func sameFindings(t *testing.T, what string, got, want []string) {
	t.Helper()
	got = slices.Clone(got)
	for _, w := range want {
		i := slices.IndexFunc(got, func(g string) bool { return strings.Contains(g, w) })
		if i < 0 {
			t.Errorf("%s: no finding says %q; left: %q", what, w, got)
			continue
		}
		got = slices.Delete(got, i, i+1)
	}
	if len(got) > 0 {
		t.Errorf("%s: findings that nothing planted: %q", what, got)
	}
}

func TestPolicyRefusesItself(t *testing.T) {
	for _, tt := range []struct{ policy, want string }{
		{"a pure\na pure", "two lines"},
		{"a", "needs a package and a kind"},
		{"a fluid", "unknown kind"},
		{"a shell b", "has no line"},
		{"a pure b\nb shell", "may not import the shell package b"},
		{"a data b\nb shell", "may not import the shell package b"},
	} {
		if _, err := parsePolicy(tt.policy); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("policy %q: error %v, want one that says %q", tt.policy, err, tt.want)
		}
	}
}

func write(t *testing.T, root, name, content string) {
	t.Helper()
	path := filepath.Join(root, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
