package transport

import (
	"log/slog"
	"time"

	"github.com/bpci/xtmp/refimpl/endpoint"
	"github.com/bpci/xtmp/refimpl/session"
)

// drainTimeout bounds a shutdown: T_CLOSE for draining, T_CLOSE to hand over what
// is left, T_LINGER and a second for writing.
const drainTimeout = 12 * time.Second

// Config says how a Server runs.
type Config struct {
	// Session configures every session. Its Admission is set by the server.
	Session session.Config
	// Limits bound what sources may hold.
	Limits endpoint.Limits
	// MaxConnections bounds the connections of the server: a ClientHello beyond
	// is answered with SERVER_BUSY. Zero means 10 000, negative no bound.
	MaxConnections int
	// Loops is the number of event loops, at most 256. Zero means one.
	Loops int
	// Log receives what an operator should know. Required.
	Log *slog.Logger
}
