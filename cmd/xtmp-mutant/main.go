// Command xtmp-mutant runs servers that are wrong in exactly one way, for the
// conformance suite to find out, and servers that are odd and right, for it to
// bear.
//
//	xtmp-mutant list          the faults, one JSON object per line: name, requirement, description, slow, without
//	xtmp-mutant zoo           the oddities, likewise: name, permits, description
//	xtmp-mutant serve NAME    a server with that fault or oddity, or "none"; prints READY like bpci-xtmp-server
//	xtmp-mutant overlay DIR   write the changed sources and overlay.json for go build -overlay
//	xtmp-mutant planted       the faults for the simulator to find, as list
//	xtmp-mutant plant DIR     as overlay, with those: XTMP_MUTANT switches one on, in any command
//
// Only a build with the overlay can serve:
//
//	go run ./cmd/xtmp-mutant overlay out/mutants
//	go build -overlay out/mutants/overlay.json -o out/mutants/xtmp-mutant ./cmd/xtmp-mutant
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the next signal is not ours
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
