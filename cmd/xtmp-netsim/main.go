// Command xtmp-netsim runs whole XTMP servers and clients on a simulated network.
//
//	xtmp-netsim run SCRIPT             run a plan: who serves, who calls, what goes wrong
//	xtmp-netsim run --seeds 0-9999     run plans that are drawn by seeds, on all processors
//	xtmp-netsim replay SEED|SCRIPT     run it again, show every message, and see that it is the same
//	xtmp-netsim shrink SEED|SCRIPT     take away what its failure does not need
//	xtmp-netsim explain SCRIPT|'NETEM' say in words what a plan, or a line of netem, does
//
// A run is held to the rules of netsim/world after every step. The exit code is 0 if
// none is broken, 1 if one is, 2 for wrong usage, 130 if it was interrupted.
//
// The command holds flags and words; what runs is package world, and what is said of
// faults package explain.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends the process at once
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
