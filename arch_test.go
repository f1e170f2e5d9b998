// Package xtmp_test holds the laws of this repository as tests.
//
//	arch_test.go          which package may import what, and the three laws no policy can soften
//	arch_load_test.go     how packages are listed and type-checked
//	arch_pure_test.go     what a pure package may not do: clock, entropy, concurrency, floats, map order
//	arch_globals_test.go  no init, no package-level variable that changes
//	arch_planted_test.go  a toy module that breaks every rule once, so that no rule can go blind
//	tidy_test.go          sizes, names, package documentation, open ends
//
// The tests use the standard library and `go list`. They judge source text and
// imports; they do not run the packages they judge.
package xtmp_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// policy says what each package is, which packages of this module its non-test
// files may import, and after the bar which external modules; an indented line
// continues the one above. A package without a line fails: a new package is a decision, so it is made here, in review.
//
//	pure   a function of its arguments: `now` and entropy are passed in (arch_pure_test.go)
//	data   embedded files and their parsers: no clock, no concurrency, no input but the embedded files
//	shell  may do I/O
//
// Pure and data packages import only pure and data packages.
const policy = `
spec                    data
vectors/testkit         pure   spec | golang.org/x/crypto filippo.io/mldsa
vectors                 data   spec vectors/testkit
vectors/gen             shell  vectors vectors/testkit
internal/capturefile         shell  | github.com/google/gopacket
internal/capturefile/keylog  shell

conformance             shell  spec
conformance/match       shell  conformance vectors/testkit | github.com/onsi/gomega
conformance/peer        shell  spec vectors/testkit conformance conformance/match internal/capturefile/keylog
                               | github.com/gobwas/ws
conformance/cases       shell  spec vectors vectors/testkit conformance conformance/match conformance/peer
conformance/specimen    shell  vectors/testkit
conformance/degenerate  shell
conformance/selftest    shell  conformance
conformance/report      shell  spec conformance internal/capturefile
cmd/xtmp-conform        shell  spec vectors conformance conformance/cases conformance/degenerate conformance/selftest
                               conformance/report
                               | github.com/spf13/cobra charm.land/fang/v2 golang.org/x/term

fuzz                    pure

netsim/vtime            pure
netsim/link             pure   netsim/vtime
netsim/tcp              pure   netsim/vtime
netsim                  pure   netsim/vtime netsim/link netsim/tcp

refimpl/wire            pure
refimpl/frame           pure   refimpl/wire
refimpl/security        pure   refimpl/wire | golang.org/x/crypto filippo.io/mldsa
refimpl/trace           pure
refimpl/slab            pure
refimpl/recovery        pure   refimpl/wire
refimpl/websocket       pure   refimpl/wire | github.com/gobwas/ws
refimpl/session         pure   refimpl/wire refimpl/frame refimpl/security refimpl/trace refimpl/slab refimpl/recovery
refimpl/handler         pure   refimpl/wire refimpl/session
refimpl/endpoint        pure   refimpl/wire refimpl/frame refimpl/security refimpl/trace refimpl/slab refimpl/session
netsim/explain          pure   netsim netsim/link netsim/vtime
netsim/world            pure   netsim netsim/vtime netsim/link netsim/tcp refimpl/wire refimpl/security refimpl/trace
                               refimpl/session refimpl/handler refimpl/endpoint
refimpl/faulty          pure
refimpl/clock           shell  refimpl/session | golang.org/x/sys
refimpl/udp             shell  | golang.org/x/sys
refimpl/transport       shell  refimpl/wire refimpl/security refimpl/slab refimpl/session refimpl/handler refimpl/endpoint
                               refimpl/clock refimpl/udp refimpl/websocket
                               | golang.org/x/sys
refimpl/server          shell  refimpl/wire refimpl/security refimpl/trace refimpl/session refimpl/endpoint refimpl/transport
                               | github.com/goccy/go-yaml filippo.io/mldsa
refimpl/client          shell  refimpl/wire refimpl/security refimpl/trace refimpl/session refimpl/clock refimpl/udp refimpl/websocket
                               | github.com/gobwas/ws golang.org/x/sys
refimpl/keylog          shell
cmd/bpci-xtmp-server    shell  refimpl/keylog refimpl/server | github.com/spf13/cobra charm.land/fang/v2
cmd/bpi-xtmp            shell  refimpl/client refimpl/keylog refimpl/wire | github.com/spf13/cobra charm.land/fang/v2
cmd/xtmp-netsim         shell  netsim netsim/tcp netsim/explain netsim/world internal/capturefile
                               | github.com/spf13/cobra charm.land/fang/v2 golang.org/x/term
cmd/xtmp-mutant         shell  refimpl/faulty refimpl/security refimpl/server
`

// carriers are modules that depend on net, of which a pure package may use what
// works on bytes alone, if its line lists them: nobody should write RFC 6455 again.
var carriers = []string{"github.com/gobwas/ws"}

// testModules are the external modules that test files may import besides
// those of their package's line. Assertion libraries and mocks are not here.
var testModules = []string{
	"github.com/cockroachdb/datadriven",
	"github.com/gobwas/ws", // the other side of a WebSocket
	"github.com/google/go-cmp",
	"github.com/rogpeppe/go-internal",
	"github.com/santhosh-tekuri/jsonschema/v6", // what is exported is held to its schema
	"go.uber.org/goleak",
	"golang.org/x/crypto", // what the text says of suite 2 is computed
	"pgregory.net/rapid",
}

// skinModules dress the suite for `ginkgo --label-filter`. Tests under
// conformance/ may import them; nothing else may.
var skinModules = []string{"github.com/onsi/ginkgo/v2", "github.com/onsi/gomega"}

// A law holds whatever the policy says: a line added above cannot soften it.
type law struct {
	name  string
	from  func(rel string) bool // whose imports it governs
	never func(rel string) bool // what they must not be
	tests bool                  // whether test files are bound as well
	why   string
}

var laws = []law{
	{
		name: "independence", from: isJudge, never: under("refimpl"), tests: true,
		why: "the judge meets every implementation through a socket or a process, ours too",
	},
	{
		name: "direction", from: under("refimpl"), never: isJudge, tests: false,
		why: "tests point from product to suite; the product never does",
	},
	{
		name: "simulator",
		from: func(rel string) bool { return under("netsim")(rel) && !under("netsim/world")(rel) }, never: under("refimpl"), tests: true,
		why: "the simulator knows nothing of the protocol; only netsim/world joins the two",
	},
}

func TestArchitecture(t *testing.T) {
	rules, err := parsePolicy(policy)
	if err != nil {
		t.Fatal(err)
	}
	m, err := load(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, finding := range m.judge(rules) {
		t.Error(finding)
	}
}

// judge returns every breach of the policy and of the laws, sorted.
func (m *module) judge(rules map[string]rule) []string {
	var found []string
	for _, p := range m.own {
		found = append(found, m.checkLaws(p)...)
		r, ok := rules[p.rel]
		switch {
		case ok:
		case len(p.GoFiles) > 0:
			found = append(found, p.rel+": has no line in the architecture policy (arch_test.go)")
			continue
		default:
			r = rule{kind: shell} // tests only, as this package is
		}
		found = append(found, m.checkImports(p, r)...)
		found = append(found, m.checkGlobals(p, r.kind)...)
		if r.kind != shell {
			found = append(found, m.checkPurity(p, r)...)
		}
	}
	found = append(found, m.checkReach()...)
	slices.Sort(found)
	return slices.Compact(found)
}

// checkLaws looks at direct imports, file kind by file kind.
func (m *module) checkLaws(p *pkg) (found []string) {
	for _, l := range laws {
		if !l.from(p.rel) {
			continue
		}
		imports := slices.Clone(p.Imports)
		if l.tests {
			imports = append(imports, append(p.TestImports, p.XTestImports...)...)
		}
		for _, imp := range imports {
			if rel, own := m.below(imp); own && l.never(rel) {
				found = append(found, fmt.Sprintf("%s: must not import %s (%s: %s)", p.rel, rel, l.name, l.why))
			}
		}
	}
	return found
}

// checkReach looks at everything the judge links, tests included: a package
// that is neither judge nor product must not carry one into the other.
func (m *module) checkReach() (found []string) {
	for _, p := range m.judgeReach {
		for _, imp := range p.Imports {
			if rel, own := m.below(cutVariant(imp)); own && under("refimpl")(rel) {
				found = append(found, fmt.Sprintf("%s: carries %s into the judge (independence)", p.rel, rel))
			}
		}
	}
	return found
}

// checkImports holds the package to its policy line.
func (m *module) checkImports(p *pkg, r rule) (found []string) {
	for _, imp := range p.Imports {
		if rel, own := m.below(imp); own {
			if !slices.Contains(r.packages, rel) {
				found = append(found, fmt.Sprintf("%s: imports %s, which its policy line does not list", p.rel, rel))
			}
		} else if mod := m.externalModule(imp); mod != "" && !slices.Contains(r.modules, mod) {
			found = append(found, fmt.Sprintf("%s: imports module %s, which its policy line does not list", p.rel, mod))
		}
	}
	for _, imp := range append(slices.Clone(p.TestImports), p.XTestImports...) {
		mod := m.externalModule(imp)
		if mod == "" || slices.Contains(r.modules, mod) || slices.Contains(testModules, mod) {
			continue
		}
		if slices.Contains(skinModules, mod) && under("conformance")(p.rel) {
			continue
		}
		found = append(found, fmt.Sprintf("%s: its tests import module %s, which is not among the test modules", p.rel, mod))
	}
	return found
}

type kind string

const (
	pure  kind = "pure"
	data  kind = "data"
	shell kind = "shell"
)

type rule struct {
	kind     kind
	packages []string // of this module, relative
	modules  []string // external
}

var continued = regexp.MustCompile(`\n[ \t]+`)

// parsePolicy reads the table and checks it against itself.
func parsePolicy(text string) (map[string]rule, error) {
	rules := map[string]rule{}
	for line := range strings.Lines(continued.ReplaceAllString(text, " ")) {
		own, external, _ := strings.Cut(line, "|")
		f := strings.Fields(own)
		if len(f) == 0 {
			continue
		}
		if len(f) < 2 {
			return nil, fmt.Errorf("policy: %q needs a package and a kind", strings.TrimSpace(line))
		}
		if _, dup := rules[f[0]]; dup {
			return nil, fmt.Errorf("policy: %s has two lines", f[0])
		}
		rules[f[0]] = rule{kind: kind(f[1]), packages: f[2:], modules: strings.Fields(external)}
	}
	for name, r := range rules {
		if r.kind != pure && r.kind != data && r.kind != shell {
			return nil, fmt.Errorf("policy: %s: unknown kind %q", name, r.kind)
		}
		for _, imp := range r.packages {
			if other, ok := rules[imp]; !ok {
				return nil, fmt.Errorf("policy: %s may import %s, which has no line", name, imp)
			} else if r.kind != shell && other.kind == shell {
				return nil, fmt.Errorf("policy: %s is %s and may not import the shell package %s", name, r.kind, imp)
			}
		}
	}
	return rules, nil
}

func isJudge(rel string) bool {
	return under("conformance")(rel) || under("vectors")(rel) || under("cmd/xtmp-conform")(rel)
}

// under returns a test for dir itself and everything below it.
func under(dir string) func(rel string) bool {
	return func(rel string) bool { return rel == dir || strings.HasPrefix(rel, dir+"/") }
}
