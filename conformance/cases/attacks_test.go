package cases_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/cases"
	"github.com/bpci/xtmp/spec"
)

// attackPage is the table that these tests hold to the suite.
const attackPage = "../../docs/attacks.md"

// An attackRow is one row of the page.
type attackRow struct {
	name         string
	requirements []string
	cases        []string
	proof        string
}

// attackRows reads both tables of the page.
func attackRows(t *testing.T) []attackRow {
	t.Helper()
	page, err := os.ReadFile(attackPage)
	if err != nil {
		t.Fatal(err)
	}
	var rows []attackRow
	for _, line := range strings.Split(string(page), "\n") {
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if len(cells) != 5 || !regexp.MustCompile(`^ [TA][0-9]+ $`).MatchString(cells[0]) {
			continue
		}
		rows = append(rows, attackRow{
			name:         strings.TrimSpace(cells[0]),
			requirements: regexp.MustCompile(`XTMP-[A-Z]{3}-[0-9]{3}`).FindAllString(cells[3], -1),
			cases:        regexp.MustCompile(`XC-[0-9]{4}`).FindAllString(cells[4], -1),
			proof:        strings.TrimSpace(cells[4]),
		})
	}
	return rows
}

// Every row is there once, and has a proof or a reason from the list.
func TestAttacksAreAllThere(t *testing.T) {
	want := map[string]int{"T": 30, "A": 36}
	reason := regexp.MustCompile(`\b(UDP|attach|wallets|client|inside)\b`)
	for _, row := range attackRows(t) {
		want[row.name[:1]]--
		if len(row.cases) == 0 && !reason.MatchString(row.proof) {
			t.Errorf("%s has neither a case nor a reason: %q", row.name, row.proof)
		}
	}
	for table, missing := range want {
		if missing != 0 {
			t.Errorf("%d rows of table %s are missing", missing, table)
		}
	}
}

// What a row says of its cases is true.
func TestAttacksAreProven(t *testing.T) {
	suite, err := conformance.NewSuite(spec.Default(), cases.All())
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range attackRows(t) {
		proven := map[string]bool{}
		for _, id := range row.cases {
			c, ok := suite.Case(id)
			if !ok {
				t.Errorf("%s: there is no case %s", row.name, id)
				continue
			}
			fits := false
			for _, req := range c.Proves {
				proven[req] = true
				fits = fits || slices.Contains(row.requirements, req)
			}
			if !fits {
				t.Errorf("%s: %s proves none of %v", row.name, id, row.requirements)
			}
		}
		for _, req := range row.requirements {
			r, ok := spec.Default().Requirement(req)
			switch {
			case !ok:
				t.Errorf("%s: there is no requirement %s", row.name, req)
			case len(row.cases) == 0 && r.Testability == spec.Tested:
				t.Errorf("%s: %s is to be tested, and no case is named", row.name, req)
			case len(row.cases) > 0 && r.Testability == spec.Tested && !proven[req]:
				t.Errorf("%s: none of its cases proves %s", row.name, req)
			}
		}
	}
}

// Every case that was written for an attack stands in the page.
func TestAttackCasesAreNamed(t *testing.T) {
	named := map[string]bool{}
	for _, row := range attackRows(t) {
		for _, id := range row.cases {
			named[id] = true
		}
	}
	for _, c := range cases.All() {
		if slices.Contains(c.Labels, "attack") && !named[c.ID] {
			t.Errorf("%s is labelled as an attack, and %s does not name it", c.ID, attackPage)
		}
	}
}
