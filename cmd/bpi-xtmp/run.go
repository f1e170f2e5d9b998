package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

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
	root := &cobra.Command{Use: "bpi-xtmp", Short: "A client of XTMP/1"}
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage{err} })
	root.AddCommand(pingCommand(stdout), validateCommand(stdin, stdout))
	err := fang.Execute(ctx, root, fang.WithErrorHandler(func(w io.Writer, _ fang.Styles, err error) {
		fmt.Fprintf(w, "bpi-xtmp: %v\n", err) //nolint:errcheck // standard error is the last resort
	}))
	var misuse usage
	switch {
	case err == nil:
		return 0
	case errors.As(err, &misuse) || strings.HasPrefix(err.Error(), "unknown command"):
		return exitUsage
	default:
		return exitFailed
	}
}
