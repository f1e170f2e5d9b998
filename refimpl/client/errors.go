package client

import (
	"errors"

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
)

// Class returns the public name of what went wrong, one of the six. What has no
// code and no class of its own, the end of a context included, is
// ConnectionFailed.
func Class(err error) string {
	var coded *Error
	var pin *PinError
	switch {
	case errors.As(err, &coded):
		return coded.Code.Class().String()
	case errors.As(err, &pin), errors.Is(err, ErrHandshake), errors.Is(err, ErrNoPins):
		return wire.EncryptionFailed.String()
	case errors.Is(err, ErrBadFrame), errors.Is(err, ErrNotXTMP):
		return wire.InvalidMessageFormat.String()
	default:
		return wire.ConnectionFailed.String()
	}
}
