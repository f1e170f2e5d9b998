package conformance

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestUnsoundSuites(t *testing.T) {
	for _, test := range []struct {
		says  string
		spoil func(c *Case)
	}{
		{"an ID is XC- and four digits", func(c *Case) { c.ID = "XC-2" }},
		{"the ID is used twice", func(c *Case) { c.ID = "XC-0001" }},
		{"XC-0001 has the same title", func(c *Case) { c.Title = "A good line is taken." }},
		{"no title", func(c *Case) { c.Title = "" }},
		{"no Run function", func(c *Case) { c.Run = nil }},
		{"it proves no requirement", func(c *Case) { c.Proves = nil }},
		{"there is no requirement XTMP-TST-999", func(c *Case) { c.Proves = []string{"XTMP-TST-999"} }},
		{"there is no requirement XTMP-TST-998", func(c *Case) { c.Touches = []string{"XTMP-TST-998"} }},
		{"which is MUST, at the weaker level SHOULD", func(c *Case) { c.Level = Should }},
		{"needs a control", func(c *Case) { c.Control = "" }},
		{"there is no control XC-9999", func(c *Case) { c.Control = "XC-9999" }},
		{"is itself negative", func(c *Case) { c.Control = "XC-0003" }},
		{"form a circle", func(c *Case) { c.Control = "XC-0002" }},
		{"Explain needs", func(c *Case) { c.Explain.UsualCauses = nil }},
		{"Explain needs", func(c *Case) { c.Explain.Why = "" }},
		{`no harness budget is called "long"`, func(c *Case) { c.Budget = "long" }},
		{`no spec timer is called "case"`, func(c *Case) { c.Timer = BudgetCase }},
		{"needs a strict row", func(c *Case) { c.Expect.Strict = nil }},
		{`unknown role "guest"`, func(c *Case) { c.Role = "guest" }},
		{`unknown level "WISH"`, func(c *Case) { c.Level = "WISH" }},
		{"a name and at least one value", func(c *Case) { c.Params = []Param{{"n", nil}} }},
		{"its control XC-0004 is for other peers", func(c *Case) { c.Control = "XC-0004" }},
		{"65 instances", func(c *Case) { c.Params = []Param{{"n", make([]string, 65)}} }},
	} {
		c := negative("XC-0002", "BAD", refused())
		test.spoil(&c)
		needing := control()
		needing.ID, needing.Title, needing.Needs = "XC-0004", "It needs another profile.", "other"
		_, err := NewSuite(testRegistry(), []Case{control(), c, negative("XC-0003", "BAD", refused()), needing})
		var unsound *SuiteError
		if !errors.As(err, &unsound) {
			t.Errorf("%s: got %v, want a SuiteError", test.says, err)
			continue
		}
		if !slices.ContainsFunc(unsound.Problems, func(p string) bool { return strings.Contains(p, test.says) }) {
			t.Errorf("want a problem with %q, got %q", test.says, unsound.Problems)
		}
	}
}

func TestNegativeIsSeenInTheTable(t *testing.T) {
	for _, test := range []struct {
		name   string
		expect Expect
		with   string
		want   bool
	}{
		{"accepted", Expect{Strict: Rows(Accepted())}, "", false},
		{"accepted, with control", Expect{Strict: Rows(Accepted())}, "XC-0001", false},
		{"closing as asked", Expect{Strict: Closed()}, "", false},
		{"closing, with control", Expect{Strict: Closed()}, "XC-0001", true},
		{"acceptance forbidden", Expect{Strict: Closed(), Forbidden: Rows(Accepted())}, "", true},
		{"error", Expect{Strict: Rows(ErrorFrame(3, AnyScope))}, "", true},
		{"ignored", Expect{Strict: Rows(Ignored())}, "", true},
	} {
		c := Case{Expect: test.expect, Control: test.with}
		if got := c.Negative(); got != test.want {
			t.Errorf("%s: negative is %v, want %v", test.name, got, test.want)
		}
	}
}

func TestSelection(t *testing.T) {
	labelled := negative("XC-0002", "BAD", refused())
	labelled.Labels = []string{"refusal"}
	labelled.Params = []Param{{"bit", []string{"3", "4"}}}
	kind := control()
	kind.ID, kind.Title, kind.Level, kind.Proves = "XC-0003", "It is kind.", Should, []string{"XTMP-TST-003"}
	kind.Profile = "extra"
	client := control()
	client.ID, client.Title, client.Role = "XC-0004", "A client waits.", RoleClient
	without := control()
	without.ID, without.Title, without.Unless = "XC-0005", "It lacks something.", "extra"
	needing := control()
	needing.ID, needing.Title, needing.Needs = "XC-0006", "It needs another profile.", "other"
	suite, err := NewSuite(testRegistry(), []Case{control(), labelled, kind, client, without, needing})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name     string
		sel      Selection
		judged   string
		controls string
	}{
		{"default profile", Selection{}, "XC-0001 XC-0002[bit=3] XC-0002[bit=4] XC-0005", ""},
		{"needed profile", Selection{Profiles: []string{"core", "other"}, Run: []string{"XC-0001", "XC-0006"}}, "XC-0001 XC-0006", ""},
		{"needed profile alone", Selection{Profiles: []string{"other"}, Run: []string{"XC-0006"}}, "", ""},
		{"case", Selection{Run: []string{"xc-0002"}}, "XC-0002[bit=3] XC-0002[bit=4]", "XC-0001"},
		{"instance", Selection{Run: []string{"XC-0002[bit=4]"}}, "XC-0002[bit=4]", "XC-0001"},
		{"instances", Selection{Run: []string{"XC-0002[*=4]"}}, "XC-0002[bit=4]", "XC-0001"},
		{"requirement", Selection{Profiles: []string{"extra"}, Run: []string{"XTMP-TST-003"}}, "XC-0003", ""},
		{"requirements", Selection{Run: []string{"XTMP-TST-*"}}, "XC-0001 XC-0002[bit=3] XC-0002[bit=4] XC-0005", ""},
		{"label", Selection{Run: []string{"refusal"}}, "XC-0002[bit=3] XC-0002[bit=4]", "XC-0001"},
		{"pattern", Selection{Run: []string{"XC-000[13]", "XC-000?"}}, "", ""},
		{"skip", Selection{Skip: []string{"XC-0002*"}}, "XC-0001 XC-0005", ""},
		{"skipped control", Selection{Skip: []string{"XC-0001"}}, "XC-0002[bit=3] XC-0002[bit=4] XC-0005", "XC-0001"},
		{"level", Selection{Level: Must, Profiles: []string{"core", "extra"}}, "XC-0001 XC-0002[bit=3] XC-0002[bit=4]", ""},
		{"profile", Selection{Profiles: []string{"extra"}}, "XC-0003", ""},
		{"profiles", Selection{Profiles: []string{"core", "extra"}}, "XC-0001 XC-0002[bit=3] XC-0002[bit=4] XC-0003", ""},
		{"profile of another case", Selection{Profiles: []string{"core"}, Run: []string{"XC-0003"}}, "", ""},
		{"without a profile", Selection{Profiles: []string{"core"}, Run: []string{"XC-0005"}}, "XC-0005", ""},
		{"with it", Selection{Profiles: []string{"core", "extra"}, Run: []string{"XC-0005"}}, "", ""},
		{"role", Selection{Role: RoleClient}, "XC-0004", ""},
		{"typo", Selection{Run: []string{"XC-0001", "XC-9999"}}, "", ""},
		{"nothing left", Selection{Run: []string{"XC-0001"}, Skip: []string{"XC-0001"}}, "", ""},
	} {
		plan, err := suite.Select(test.sel)
		if test.judged == "" {
			var nothing *NothingSelectedError
			if !errors.As(err, &nothing) {
				t.Errorf("%s: got %v, want a NothingSelectedError", test.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		judged, controls := plan.Instances()
		if strings.Join(judged, " ") != test.judged || strings.Join(controls, " ") != test.controls {
			t.Errorf("%s: judged %v with controls %v, want %q with %q", test.name, judged, controls, test.judged, test.controls)
		}
	}
}

func TestSlowCasesAreSkippedUnlessAskedFor(t *testing.T) {
	slow := negative("XC-0002", "BAD", refused())
	slow.Labels = []string{LabelSlow}
	suite, err := NewSuite(testRegistry(), []Case{control(), slow})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		sel     Selection
		judged  int
		skipped int
	}{
		{Selection{}, 1, 1},
		{Selection{Slow: true}, 2, 0},
		{Selection{Run: []string{"XC-0002"}}, 1, 0},
		{Selection{Run: []string{LabelSlow}}, 1, 0},
		{Selection{Slow: true, Skip: []string{LabelSlow}}, 1, 1},
	} {
		plan, err := suite.Select(test.sel)
		if err != nil {
			t.Fatal(err)
		}
		if judged, _ := plan.Instances(); len(judged) != test.judged || len(plan.skipped) != test.skipped {
			t.Errorf("%+v: %d judged, %d skipped; want %d and %d", test.sel, len(judged), len(plan.skipped), test.judged, test.skipped)
		}
	}
}
