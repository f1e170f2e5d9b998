package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"charm.land/fang/v2"
	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitServing = 1 // serving failed
	exitRefused = 2 // the start was refused: usage, configuration, key, address
)

// refusal is an error for which the start is refused.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// run is the command without its process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:   "bpci-xtmp-server",
		Short: "The reference server of XTMP/1",
		Long: "The reference server of XTMP/1.\n\n" +
			"`keygen` makes the server's identity and prints the fingerprint that clients pin;\n" +
			"`fingerprint` prints it again; `start` serves. Exit codes: 0 orderly end, 1 serving failed, 2 the start was refused.",
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			return refusal{fmt.Errorf("there is no command %s: see `bpci-xtmp-server --help`", args[0])}
		},
	}
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return refusal{fmt.Errorf("%w: see `%s --help`", err, c.CommandPath())}
	})
	root.AddCommand(startCommand(stdout, stderr), keygenCommand(stdout), fingerprintCommand(stdout))
	err := fang.Execute(ctx, root, fang.WithErrorHandler(func(w io.Writer, _ fang.Styles, err error) {
		fmt.Fprintf(w, "bpci-xtmp-server: %v\n", err) // standard error is the last resort
	}))
	var refused refusal
	switch {
	case err == nil:
		return 0
	case errors.As(err, &refused):
		return exitRefused
	default:
		return exitServing
	}
}

func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return refusal{fmt.Errorf("unexpected argument %q: see `%s --help`", args[0], c.CommandPath())}
	}
	return nil
}

// explain adds the next step to an address that cannot be bound.
func explain(address string, err error) error {
	var name *net.DNSError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s is taken by another process: stop it, or choose another with --port", address)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s may not be bound by this user: choose a port above 1023", address)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s is no address of this machine: see `ip addr`", address)
	case errors.As(err, &name):
		return fmt.Errorf("%s: the host has no address: check --bind or bpci_xtmp_server.bind_address", address)
	default:
		return err
	}
}
