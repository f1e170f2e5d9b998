package main

import (
	"bufio"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/bpci/xtmp/netsim"
	"github.com/bpci/xtmp/netsim/world"
)

// look is what a person wants to see of a run.
type look struct {
	diagram, trace bool
	pcapng         string // name of a file; empty: none
}

func (l *look) add(c *cobra.Command) {
	c.Flags().BoolVar(&l.diagram, "diagram", false, "draw the messages, an arrow for each packet")
	c.Flags().BoolVar(&l.trace, "trace", false, "print every event of the network")
	c.Flags().StringVar(&l.pcapng, "pcapng", "", "write the packets and the secrets that open them to this file")
}

// run makes a run and shows it.
func (l *look) run(w io.Writer, p *world.Plan, o world.Options) (world.Outcome, error) {
	out := bufio.NewWriter(w)
	defer out.Flush()
	diagram, packets := world.NewDiagram(p), newCapture()
	if l.diagram {
		o.Show = diagram.Show
	}
	if l.pcapng != "" {
		o.KeyLog = packets.secret
	}
	o.Trace = func(e netsim.Event) {
		if l.pcapng != "" {
			packets.trace(e)
		}
		if l.diagram {
			diagram.Trace(e)
		}
		if l.trace {
			fmt.Fprintln(out, e)
		}
	}
	got, err := world.Run(p, world.NewSite(), o)
	if l.diagram && err == nil {
		fmt.Fprint(out, diagram)
	}
	if l.pcapng != "" && err == nil {
		err = packets.write(l.pcapng, p.String())
	}
	return got, err
}

// replayCommand runs a plan again.
func (a *app) replayCommand() *cobra.Command {
	var s source
	var l look
	c := &cobra.Command{
		Use:   "replay SEED|SCRIPT",
		Short: "run a plan again, and see that it is the same run",
		Long: "Runs the plan of a seed or of a file, draws its messages, and runs it twice more: as it is, and with what chance decided " +
			"in place of the seed. All three must be the same, event by event.",
		Example: "xtmp-netsim replay 4711\nxtmp-netsim replay plan.txt --diagram=false --trace",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := a.plan(&s, args[0])
			if err != nil {
				return err
			}
			return a.replay(p, &l)
		},
	}
	s.add(c)
	l.add(c)
	c.Flag("diagram").DefValue = "true"
	l.diagram = true
	return c
}

func (a *app) replay(p *world.Plan, l *look) error {
	first, err := l.run(a.stdout, p, world.Options{Record: true})
	if err != nil {
		return err
	}
	broken := a.broken(&first)
	for name, q := range map[string]*world.Plan{"again": p, "by its edits": p.Certain(first.Edits)} {
		o, err := world.Run(q, world.NewSite(), world.Options{})
		if err != nil {
			return err
		}
		if o.Hash != first.Hash {
			fmt.Fprintf(a.stdout, "NOT THE SAME %s: hash %016x after %d steps\n", name, o.Hash, o.Steps)
			broken = errBroken
		}
	}
	return broken
}

// shrinkCommand makes a failing plan small.
func (a *app) shrinkCommand() *cobra.Command {
	var s source
	var l look
	c := &cobra.Command{
		Use:   "shrink SEED|SCRIPT",
		Short: "take away what the failure of a plan does not need",
		Long: "Runs the plan of a seed or of a file, and if a rule is broken prints the least plan that was found to break the same rule: " +
			"few clients, requests and faults, and round numbers. It can be kept as a file and run.",
		Example: "xtmp-netsim shrink 4711 >failure.txt\nxtmp-netsim shrink failure.txt --diagram",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := a.plan(&s, args[0])
			if err != nil {
				return err
			}
			return a.shrink(p, &l)
		},
	}
	s.add(c)
	l.add(c)
	return c
}

func (a *app) shrink(p *world.Plan, l *look) error {
	site := world.NewSite()
	o, err := world.Run(p, site, world.Options{})
	if err != nil {
		return err
	}
	if o.Violation == nil {
		fmt.Fprintln(a.stdout, "# no rule is broken")
		return a.broken(&o)
	}
	least := world.Shrink(p, site, o.Violation.Check)
	if o, err = l.run(a.stdout, least, world.Options{}); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "# %v\n# %d of %d troubles are left\n%v", o.Violation, least.Trouble(), p.Trouble(), least)
	return errBroken
}
