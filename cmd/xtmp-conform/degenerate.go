package main

import (
	"context"
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/degenerate"
)

func (a app) degenerateCommand() *cobra.Command {
	long := "Serves a peer that is none, and prints READY. The self-test runs the suite against each:\n"
	for _, peer := range degenerate.Peers() {
		long += fmt.Sprintf("\n  %-14s %s", peer.Name, peer.Does)
	}
	return &cobra.Command{
		Use:    "degenerate NAME",
		Short:  "be a peer that no suite may pass",
		Long:   long,
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE:   func(cmd *cobra.Command, args []string) error { return a.degenerate(cmd.Context(), args[0]) },
	}
}

func (a app) degenerate(ctx context.Context, name string) error {
	peer, ok := degenerate.Named(name)
	if !ok {
		return &conformance.UsageError{Message: fmt.Sprintf("no degenerate peer is called %q", name)}
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return harnessError{err}
	}
	if _, err := fmt.Fprintln(a.stdout, peer.Ready(listener.Addr())); err != nil {
		return harnessError{err}
	}
	if err := peer.Serve(ctx, listener, 1); err != nil {
		return harnessError{err}
	}
	return nil
}
