package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/bpci/xtmp/conformance"
)

func (a app) coverageCommand() *cobra.Command {
	var onlyOrphans bool
	cmd := &cobra.Command{
		Use:   "coverage",
		Short: "show which requirement has which case, and why others have none",
		Long: "Prints the matrix of requirements and cases. Exits with 1 when a MUST that a server can be tested for has no case, " +
			"or when a requirement that is not tested says no reason from the list. In a draft profile cases may be missing.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.coverage(onlyOrphans) },
	}
	cmd.Flags().BoolVar(&onlyOrphans, "orphans", false, "only the rows in which something is missing")
	return cmd
}

func (a app) coverage(onlyOrphans bool) error {
	suite, err := a.suite()
	if err != nil {
		return err
	}
	matrix := suite.Coverage(nil)
	orphans := conformance.Orphans(matrix)
	shown := matrix
	if onlyOrphans {
		shown = orphans
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	proven, drafts := 0, 0
	for _, row := range shown {
		q := row.Requirement
		what := strings.Join(row.Proving, " ")
		switch {
		case row.Orphan != "":
			what = "ORPHAN: " + row.Orphan
		case row.Draft:
			what = "draft"
		case what == "" && q.Reason != "":
			what = q.Testability + ": " + q.Reason
		case what == "":
			what = "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", q.ID, q.Level, q.Role, what)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, row := range matrix {
		if len(row.Proving) > 0 {
			proven++
		}
		if row.Draft {
			drafts++
		}
	}
	fmt.Fprintf(
		a.stdout, "\n%d requirements, %d with a case, %d draft, %d orphans; %d cases\n",
		len(matrix), proven, drafts, len(orphans), len(suite.Cases()),
	)
	if len(orphans) > 0 {
		return conclude(conformance.ExitNonConformant)
	}
	return nil
}
