package transport

import (
	"context"
	"log/slog"
	"time"

	"github.com/bpci/xtmp/refimpl/endpoint"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// drainTimeout bounds a shutdown: T_CLOSE for draining, T_CLOSE to hand over what
// is left, T_LINGER and a second for writing.
const drainTimeout = 12 * time.Second

// Config says how a Server runs.
type Config struct {
	// Session configures every session. Its Admission and Application are set by
	// the server.
	Session session.Config
	// Limits bound what sources may hold.
	Limits endpoint.Limits
	// MaxConnections bounds the connections of the server: a ClientHello beyond
	// is answered with SERVER_BUSY. Zero means 10 000, negative no bound.
	MaxConnections int
	// NoWebSocket serves no WebSocket: who does not begin with a frame is refused.
	NoWebSocket bool
	// Loops is the number of event loops, at most 256. Zero means one.
	Loops int
	// NoUDP leaves UDP alone.
	NoUDP bool
	// UDPBuffer is what the kernel may hold for each loop in datagrams, in bytes and
	// in either direction. Zero means DefaultUDPBuffer.
	UDPBuffer int
	// NoKeepAlive asks the kernel for no probes on idle connections.
	NoKeepAlive bool

	// Probe answers Probe, for diagnosis.
	Probe bool
	// Handlers execute requests, by type from 0x10 to 0x6F.
	Handlers map[wire.MessageType]Handler
	// Workers are the sizes of the pools in which handlers run.
	Workers Workers
	// QueueSize is how many requests may wait for a worker of each pool; more are
	// answered with SERVER_BUSY. Zero means 1024.
	QueueSize int

	// Log receives what an operator should know. Required.
	Log *slog.Logger
}

// Request is a request that a Handler executes.
type Request struct {
	SessionID uint64
	Type      wire.MessageType
	Body      []byte // the handler's to keep
}

// Handler executes a request and returns the body of its reply. It runs in a
// goroutine of its pool and may block; ctx ends when nobody awaits the reply any
// more because the server stops. A *session.Error becomes an Error with its code,
// text and retry-after time, any other error an INTERNAL without a word and a line
// in the log, as does a panic.
type Handler func(ctx context.Context, r Request) (reply []byte, err error)

// Workers are the numbers of goroutines that execute requests, by the family of
// their type. Zero means the default.
type Workers struct {
	Wallet   int // 0x10 … 0x1F: 4
	Bundle   int // 0x20 … 0x2F: 8
	Registry int // 0x30 … 0x3F: 2
	Stream   int // 0x40 … 0x4F: 4
	Other    int // 0x50 … 0x6F: 2
}

func (w Workers) withDefaults() Workers {
	set := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	set(&w.Wallet, 4)
	set(&w.Bundle, 8)
	set(&w.Registry, 2)
	set(&w.Stream, 4)
	set(&w.Other, 2)
	return w
}

// DefaultUDPBuffer is what the kernel may hold for each loop in datagrams, in bytes,
// unless the limits of the system are lower.
const DefaultUDPBuffer = 4 << 20

// DefaultQueueSize is how many requests may wait for a worker of each pool.
const DefaultQueueSize = 1024
