package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bpci/xtmp/netsim/explain"
)

func (a *app) explainCommand() *cobra.Command {
	var s source
	c := &cobra.Command{
		Use:   "explain SEED|SCRIPT|NETEM...",
		Short: "say in words what a plan, or a line of netem, does",
		Long: "Says in plain words what the plan of a seed or of a file does; or, of words as they stand behind " +
			"`tc qdisc add dev eth0 root netem`, what they really do to packets, which is not always what they say.",
		Example: "xtmp-netsim explain plan.txt\nxtmp-netsim explain delay 50ms 10ms loss 5% 25%",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if words := strings.Fields(strings.Join(args, " ")); len(words) > 1 {
				lines, err := explain.Netem(words)
				a.print(lines)
				return err
			}
			if _, err := os.Stat(args[0]); err != nil && args[0] != "-" && strings.Trim(args[0], "0123456789") != "" {
				return fmt.Errorf("%s is no seed, no file, and no line of netem", args[0])
			}
			p, err := a.plan(&s, args[0])
			if err != nil {
				return err
			}
			a.print(p.Explain())
			a.print(explain.Scenario(&p.Scenario))
			return nil
		},
	}
	s.add(c)
	return c
}

func (a *app) print(lines []string) {
	for _, l := range lines {
		fmt.Fprintln(a.stdout, l)
	}
}
