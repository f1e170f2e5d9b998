package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"charm.land/fang/v2"
	"github.com/spf13/cobra"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/selftest"
	"github.com/bpci/xtmp/spec"
)

// An app is everything that the commands need and do not make themselves.
type app struct {
	registry *spec.Registry
	cases    []conformance.Case
	probe    func(*conformance.Exchange) error
	excuses  []selftest.Excuse

	stdout, stderr io.Writer
}

// run executes the command line and returns the exit code.
func run(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) int {
	return judge().run(ctx, args, stdout, stderr)
}

func (a app) run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second interrupt ends the process at once
	a.stdout, a.stderr = stdout, stderr
	root := a.root()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := fang.Execute(ctx, root, fang.WithoutVersion(), fang.WithErrorHandler(func(w io.Writer, _ fang.Styles, err error) {
		writeError(w, err)
	}))
	if ctx.Err() != nil && err != nil {
		return int(conformance.ExitInterrupted)
	}
	return int(exitCode(err))
}

func (a app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "xtmp-conform",
		Short: "judge implementations of XTMP/1",
		Long: "Judges implementations of XTMP/1. Every verdict traces to a requirement of the spec, " +
			"and the exit code says what was proven.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.AddCommand(
		a.runCommand(), a.listCommand(), a.explainCommand(), a.coverageCommand(),
		a.vectorsCommand(), a.selftestCommand(), a.degenerateCommand(), a.versionCommand(),
	)
	return root
}

// suite checks the cases.
func (a app) suite() (*conformance.Suite, error) { return conformance.NewSuite(a.registry, a.cases) }

// A concluded value ends a command whose report has been written.
type concluded struct{ code conformance.ExitCode }

func (c concluded) Error() string { return fmt.Sprintf("exit code %d", c.code) }

// conclude makes an exit code an error, or nil for success.
func conclude(code conformance.ExitCode) error {
	if code == conformance.ExitConformant {
		return nil
	}
	return concluded{code}
}

// A harnessError is our own failure, such as a report that cannot be written.
type harnessError struct{ err error }

func (e harnessError) Error() string { return e.err.Error() }
func (e harnessError) Unwrap() error { return e.err }

// exitCode maps an error to what it proves: nothing, hence never 0. What has
// no type of ours comes from the flag parser.
func exitCode(err error) conformance.ExitCode {
	var done concluded
	var usage *conformance.UsageError
	var nothing *conformance.NothingSelectedError
	var target *conformance.TargetError
	var unsound *conformance.SuiteError
	var harness harnessError
	switch {
	case err == nil:
		return conformance.ExitConformant
	case errors.As(err, &done):
		return done.code
	case errors.Is(err, context.Canceled):
		return conformance.ExitInterrupted
	case errors.As(err, &nothing):
		return conformance.ExitNothing
	case errors.As(err, &target):
		return conformance.ExitInconclusive
	case errors.As(err, &unsound), errors.As(err, &harness):
		return conformance.ExitHarness
	case errors.As(err, &usage):
		return conformance.ExitUsage
	}
	return conformance.ExitUsage
}

// writeError says what happened and what to do next.
func writeError(w io.Writer, err error) {
	var target *conformance.TargetError
	var unsound *conformance.SuiteError
	var done concluded
	switch {
	case errors.As(err, &done):
	case errors.As(err, &target):
		fmt.Fprintln(w, "xtmp-conform:", err)
		if target.Stage == "answering" || target.Stage == "proving its identity" { // it had come up
			break
		}
		quoteOutput(w, "standard output", target.Stdout)
		quoteOutput(w, "standard error", target.Stderr)
		fmt.Fprintln(w, "A target prints READY tcp=host:port udp=host:port fingerprint=HEX once it listens, and stays in the foreground.")
	case errors.As(err, &unsound):
		for _, problem := range unsound.Problems {
			fmt.Fprintln(w, "xtmp-conform: the suite is not sound:", problem)
		}
	case exitCode(err) == conformance.ExitUsage:
		fmt.Fprintf(w, "xtmp-conform: %v\nTry --help.\n", err)
	default:
		fmt.Fprintln(w, "xtmp-conform:", err)
	}
}

func quoteOutput(w io.Writer, name, text string) {
	if text = strings.TrimSpace(text); text == "" {
		fmt.Fprintf(w, "Its %s was empty.\n", name)
		return
	}
	fmt.Fprintf(w, "Its %s:\n", name)
	for line := range strings.SplitSeq(text, "\n") {
		fmt.Fprintln(w, "  | "+line)
	}
}
