package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/bpci/xtmp/conformance"
)

func (a app) listCommand() *cobra.Command {
	f := &runFlags{}
	cmd := &cobra.Command{
		Use:   "list [TERM...]",
		Short: "list the cases",
		Long:  "Lists the cases that a run with the same terms and flags would judge.",
		RunE: func(_ *cobra.Command, args []string) error {
			f.run = append(f.run, args...)
			return a.list(f)
		},
	}
	cmd.Flags().StringSliceVar(&f.profiles, "profile", nil, "profiles that a target would declare, separated by commas (default: core)")
	cmd.Flags().StringVar(&f.level, "level", "", "cases at this level or above only: must, should, may")
	cmd.Flags().StringArrayVar(&f.run, "run", nil, "cases that this term matches (may be repeated)")
	cmd.Flags().StringArrayVar(&f.skip, "skip", nil, "leave out cases that this term matches (may be repeated)")
	return cmd
}

func (a app) list(f *runFlags) error {
	plan, _, err := a.plan(f)
	if err != nil {
		return err
	}
	suite, err := a.suite()
	if err != nil {
		return err
	}
	judged, _ := plan.Instances()
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CASE\tLEVEL\tPROFILE\tTITLE\tPROVES")
	last := ""
	for _, instance := range judged {
		id, _, _ := strings.Cut(instance, "[")
		if id == last {
			continue
		}
		last = id
		if c, ok := suite.Case(id); ok {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", c.ID, c.Level, profilesOf(c), c.Title, strings.Join(c.Proves, " "))
		}
	}
	return w.Flush()
}

// profilesOf names what a peer has to declare before it is asked the case.
func profilesOf(c conformance.Case) string {
	if c.Needs != "" {
		return c.Profile + "+" + c.Needs
	}
	return c.Profile
}
