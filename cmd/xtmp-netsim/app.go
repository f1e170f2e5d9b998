package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"charm.land/fang/v2"
	"github.com/spf13/cobra"

	"github.com/bpci/xtmp/netsim/world"
)

// Exit codes.
const (
	exitBroken      = 1 // a rule is broken, or a run is not the same again
	exitUsage       = 2
	exitInterrupted = 130
)

// errBroken ends a command that has said what is broken.
var errBroken = errors.New("a rule is broken")

// app is what the commands share.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
}

// run is the command without its process.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr}
	root := &cobra.Command{
		Use:   "xtmp-netsim",
		Short: "run whole XTMP servers and clients on a simulated network",
		Long: "Runs whole XTMP servers and clients on a simulated network and holds them to rules after every step. " +
			"The same plan gives the same run, bit by bit.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.AddCommand(a.runCommand(), a.replayCommand(), a.shrinkCommand(), a.explainCommand(), a.rulesCommand())
	err := fang.Execute(ctx, root, fang.WithoutVersion(), fang.WithErrorHandler(func(w io.Writer, _ fang.Styles, err error) {
		if !errors.Is(err, errBroken) && !errors.Is(err, context.Canceled) {
			fmt.Fprintf(w, "xtmp-netsim: %v\nTry --help.\n", err)
		}
	}))
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errBroken):
		return exitBroken
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	default:
		return exitUsage
	}
}

// rulesCommand lists the rules.
func (a *app) rulesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rules",
		Short: "list the rules that runs are held to",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			for _, r := range world.Rules() {
				fmt.Fprintf(a.stdout, "%-14s %s\n", r.Name, r.Meaning)
			}
			return nil
		},
	}
}

// source says how a plan is found: by a seed, or in a file.
type source struct{ light bool }

func (s *source) add(c *cobra.Command) {
	c.Flags().BoolVar(&s.light, "light", false, "seeds draw light plans: a handshake, 100 requests, three faults, a close")
}

// draw returns the plan of a seed.
func (s *source) draw(seed uint64) *world.Plan {
	if s.light {
		return world.Light(seed)
	}
	return world.Swarm(seed)
}

// plan returns the plan that an argument means: a seed, the name of a file, or - for
// standard input.
func (a *app) plan(s *source, arg string) (*world.Plan, error) {
	if seed, err := strconv.ParseUint(arg, 0, 64); err == nil {
		return s.draw(seed), nil
	}
	var text []byte
	var err error
	if arg == "-" {
		text, err = io.ReadAll(a.stdin)
	} else {
		text, err = os.ReadFile(arg)
	}
	if err != nil {
		return nil, err
	}
	return world.Parse(string(text))
}

// broken prints what came of a run and reports whether a rule was broken.
func (a *app) broken(o *world.Outcome) error {
	fmt.Fprintf(a.stdout, "%v\nhash %016x after %d steps\n", o, o.Hash, o.Steps)
	if o.Violation != nil {
		return errBroken
	}
	return nil
}
