package world

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestScripts runs plans and shows what came of them.
//
//	run                 the sequence of messages, and the outcome
//	outcome             the outcome alone
//	certain             the plan with what chance decided in it, and the outcome
//	----
func TestScripts(t *testing.T) {
	site := NewSite()
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(_ *testing.T, d *datadriven.TestData) string {
			p, err := Parse(d.Input)
			if err != nil {
				return err.Error() + "\n"
			}
			diagram := NewDiagram(p)
			o, err := Run(p, site, Options{Record: true, Trace: diagram.Trace, Show: diagram.Show})
			if err != nil {
				return err.Error() + "\n"
			}
			var b strings.Builder
			switch d.Cmd {
			case "run":
				b.WriteString(diagram.String())
			case "certain":
				b.WriteString(p.Certain(o.Edits).String())
			case "outcome":
			default:
				return fmt.Sprintf("there is no %s\n", d.Cmd)
			}
			b.WriteString(o.String() + "\n")
			return b.String()
		})
	})
}

// The plans that are kept do what they say: they break no rule and come to their end.
func TestPlans(t *testing.T) {
	const kept = "testdata/plans"
	files, err := os.ReadDir(kept)
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(kept, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		p, err := Parse(string(text))
		if err != nil {
			t.Fatalf("%s: %v", f.Name(), err)
		}
		most := 10_000
		if testing.Short() {
			most = 1000
		}
		for i := range p.Calls {
			p.Calls[i].Requests = min(p.Calls[i].Requests, most)
		}
		o := run(t, p, Options{})
		t.Logf("%s: %v; the longest gap is %s", f.Name(), &o, o.Gap)
		if o.Replied == 0 || o.Replied+o.Unknown+o.Lost != o.Calls {
			t.Errorf("%s: %v", f.Name(), &o)
		}
	}
}
