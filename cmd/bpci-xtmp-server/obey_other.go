//go:build !unix

package main

import (
	"context"
	"log/slog"

	"github.com/bpci/xtmp/refimpl/server"
)

// obey has no signals to listen to.
func obey(context.Context, *server.Server, startFlags, *slog.Logger) (ended func()) { return func() {} }
