package server

import (
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/transport"
	"github.com/bpci/xtmp/refimpl/wire"
)

// What handlers are made of; see transport.Handler.
type (
	// Handler executes a request and returns the body of its reply.
	Handler = transport.Handler
	// Request is a request that a Handler executes.
	Request = transport.Request
	// MessageType names a kind of message.
	MessageType = wire.MessageType
	// Error is an error with a code; a Handler that returns one answers with it.
	Error = session.Error
	// Code is an error code of the specification.
	Code = wire.Code
	// Workers are the numbers of goroutines that execute requests.
	Workers = transport.Workers
	// Metrics is a snapshot of a server.
	Metrics = transport.Metrics
)
