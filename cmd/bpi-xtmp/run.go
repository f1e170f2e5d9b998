package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"charm.land/fang/v2"
	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitFailed = 1 // the server or the file was refused
	exitUsage  = 2 // usage or configuration
)

// usage is an error of the person who called.
type usage struct{ error }

func (u usage) Unwrap() error { return u.error }

// run is the command without its process.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:   "bpi-xtmp",
		Short: "A client of XTMP/1",
		Long: "A client of XTMP/1.\n\n" +
			"`ping` shows whether a server answers, and whether it is the one that is trusted;\n" +
			"`probe` measures one whose operator has switched Probe on; `validate` looks at frames in\n" +
			"a file. Exit codes: 0 success, 1 refused, 2 usage.",
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			return usage{fmt.Errorf("there is no command %s: see `bpi-xtmp --help`", args[0])}
		},
	}
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage{fmt.Errorf("%w: see `%s --help`", err, c.CommandPath())}
	})
	root.AddCommand(pingCommand(stdout, stderr), probeCommand(stdout, stderr), validateCommand(stdin, stdout))
	err := fang.Execute(ctx, root, fang.WithErrorHandler(func(w io.Writer, _ fang.Styles, err error) {
		fmt.Fprintf(w, "bpi-xtmp: %v\n", err) // standard error is the last resort
	}))
	var misuse usage
	switch {
	case err == nil:
		return 0
	case errors.As(err, &misuse):
		return exitUsage
	default:
		return exitFailed
	}
}
