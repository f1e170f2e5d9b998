//go:build unix

package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/bpci/xtmp/refimpl/server"
)

// obey does what signals ask of a running server, until ended is called: SIGHUP
// reads the identity keys again, SIGUSR1 asks for fresh session keys.
func obey(ctx context.Context, s *server.Server, f startFlags, log *slog.Logger) (ended func()) {
	orders := make(chan os.Signal, 1)
	signal.Notify(orders, syscall.SIGHUP, syscall.SIGUSR1)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case order := <-orders:
				if order == syscall.SIGHUP {
					reload(ctx, s, f, log)
				} else {
					s.Rekey()
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		signal.Stop(orders)
		cancel()
		<-done
	}
}
