package client

import (
	"errors"
	"fmt"

	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// Error is the end of a session with a code that one of the two sides gave.
type Error = session.Error

// PinError is a server whose identity is not trusted; it names the fingerprint
// that was expected and the one that was met.
type PinError = session.PinError

// SkewError is a server whose clock differs by more than 300 s.
type SkewError = session.SkewError

// Identity is what a server has proved to be.
type Identity = session.Identity

// Errors without a code.
var (
	// ErrNoPins is a Config that trusts nobody. [XTMP-TRU-014]
	ErrNoPins = errors.New("EncryptionFailed: no identity is pinned for this endpoint")

	ErrClosed    = session.ErrClosed    // the session ended in order
	ErrHandshake = session.ErrHandshake // the server's proof failed
	ErrNotXTMP   = session.ErrNotXTMP   // the server speaks something else
	ErrBadFrame  = session.ErrBadFrame  // the server sent a frame that is refused
	ErrRefused   = session.ErrRefused   // the server hung up during the handshake
	ErrTruncated = session.ErrTruncated // the connection ended without Disconnect
	ErrTimeout   = session.ErrTimeout   // no session in time
	ErrIdle      = session.ErrIdle      // nothing arrived for connection_timeout

	ErrUnknownResult = session.ErrUnknownResult // a call has no reply; it may have been executed
	ErrNotSent       = session.ErrNotSent       // a message was not sent, and will not be
	ErrTooLarge      = session.ErrTooLarge      // a message is larger than the server accepts
	// ErrReplyTimeout is why a call is unknown, or not sent, after ReplyTimeout.
	ErrReplyTimeout = errors.New("no reply within ReplyTimeout")
)

// errReply is a reply that cannot be read.
var errReply = errors.New("the reply cannot be read")

// UnknownError is a call without a reply: it has been executed, will be, or
// never. It is ErrUnknownResult and, to errors.Is, its cause. It does not unwrap:
// an *Error that ended the session is no answer to the call.
type UnknownError struct {
	Cause error // ErrReplyTimeout, the cause of the context, or why the session ended
}

// Error implements error.
func (e *UnknownError) Error() string {
	return fmt.Sprintf("%s: no reply (%v): whether the request was executed is unknown", Class(e.Cause), e.Cause)
}

// Is reports whether e is target: ErrUnknownResult, or what its cause is.
func (e *UnknownError) Is(target error) bool {
	return target == ErrUnknownResult || errors.Is(e.Cause, target)
}

// notSentError is a message that was not sent for a reason. It is ErrNotSent and the
// reason.
type notSentError struct {
	cause error
	over  bool // the session takes no message any more; another may
}

func (e *notSentError) Error() string { return fmt.Sprintf("not sent: %v", e.cause) }

// Unwrap lets errors.Is and errors.As see both.
func (e *notSentError) Unwrap() []error { return []error{ErrNotSent, e.cause} }

// Class returns the public name of what went wrong, one of the six. What has no
// code and no class of its own, the end of a context included, is
// ConnectionFailed.
func Class(err error) string {
	var coded *Error
	var pin *PinError
	var unknown *UnknownError
	switch {
	case errors.As(err, &unknown):
		return Class(unknown.Cause)
	case errors.As(err, &coded):
		return coded.Code.Class().String()
	case errors.As(err, &pin), errors.Is(err, ErrHandshake), errors.Is(err, ErrNoPins):
		return wire.EncryptionFailed.String()
	case errors.Is(err, ErrBadFrame), errors.Is(err, ErrNotXTMP), errors.Is(err, ErrTooLarge):
		return wire.InvalidMessageFormat.String()
	default:
		return wire.ConnectionFailed.String()
	}
}
