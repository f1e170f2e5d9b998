package world

import (
	"errors"

	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// blames says whether an error blames the peer for something that a right one does
// not do, whatever happens to packets, hosts and clocks.
func blames(why error) bool {
	var pin *session.PinError
	var coded *session.Error
	switch {
	case errors.Is(why, session.ErrHandshake), errors.Is(why, session.ErrNotXTMP), errors.As(why, &pin):
		return true
	case !errors.As(why, &coded): // it ended, or nothing came
		return false
	}
	switch coded.Code {
	case wire.NoError, wire.ServerBusy, wire.RateLimited, wire.SessionExpired, wire.ClockSkew, wire.SessionUnknown:
		return false
	case wire.RekeyFailed, wire.KeyLimit: // a rekey may wait behind much data on a slow link
		return false
	default:
		return true
	}
}

// ordinary says whether a session has to end so, on a network without trouble: it was
// closed, or it is old, or it had lost the other end before.
func ordinary(why error) bool {
	var coded *session.Error
	return errors.Is(why, session.ErrClosed) || errors.Is(why, session.ErrForgotten) ||
		errors.As(why, &coded) && (coded.Code == wire.SessionExpired || coded.Code == wire.SessionUnknown)
}
