package session

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/wire"
)

// Error is the end of a session or path with a code that one of the two sides
// gave. Peer says which.
type Error struct {
	Code       wire.Code
	Scope      wire.Scope
	Peer       bool // the peer sent the code; otherwise this endpoint decided it
	Clear      bool // in a clear Error, which anybody on the way may have written
	RetryAfter time.Duration
	Text       string
}

// Error implements error: the public class, then the code and who gave it.
func (e *Error) Error() string {
	who := "this endpoint ended the session"
	switch {
	case e.Clear:
		who = "the server's address answered, unauthenticated" // [XTMP-HSK-086]
	case e.Peer:
		who = "the peer answered"
	}
	s := fmt.Sprintf("%v: %s: %v", e.Code.Class(), who, e.Code)
	if e.Text != "" {
		s += ": " + strconv.Quote(e.Text) // it may hold anything, such as control sequences
	}
	return s
}

// PinError says that the server proved an identity that is not pinned.
type PinError struct {
	Met      security.Fingerprint
	MetKind  uint8
	Expected []security.Pin
}

// Error implements error and names both fingerprints.
func (e *PinError) Error() string {
	var want []string
	for _, p := range e.Expected {
		want = append(want, p.Fingerprint.String())
	}
	expected := "none is pinned"
	if len(want) > 0 {
		expected = "expected " + strings.Join(want, " or ")
	}
	return fmt.Sprintf("EncryptionFailed: the server's identity is not trusted: met %v (kind %d), %s", e.Met, e.MetKind, expected)
}

// SkewError says that the two wall clocks are more than 300 s apart.
type SkewError struct {
	Ahead time.Duration // how far the server's clock is ahead of ours
}

// Error implements error.
func (e *SkewError) Error() string {
	off, where := e.Ahead, "ahead of"
	if off < 0 {
		off, where = -off, "behind"
	}
	return fmt.Sprintf("ConnectionFailed: the server's clock is %v %s ours, more than 5m0s: set the clock and try again",
		off.Round(time.Second), where)
}

// Errors without a code.
var (
	// ErrHandshake is every failure of the server's proof at the client: key
	// shares, tags, signature and Finished look the same.
	ErrHandshake = errors.New("EncryptionFailed: the server could not prove its identity")
	// ErrNotXTMP is a server whose first bytes are not a frame.
	ErrNotXTMP = errors.New("InvalidMessageFormat: the server does not speak XTMP")
	// ErrRefused is a connection that the server ended during the handshake.
	ErrRefused = errors.New("ConnectionFailed: the server ended the connection during the handshake")
	// ErrTruncated is the end of the connection without Disconnect.
	ErrTruncated = errors.New("ConnectionFailed: the connection ended without Disconnect")
	// ErrTimeout is a session that was not established in time.
	ErrTimeout = errors.New("ConnectionFailed: no session within the time allowed")
	// ErrIdle is a connection on which nothing arrived for connection_timeout.
	ErrIdle = errors.New("ConnectionFailed: nothing arrived within connection_timeout")
	// ErrBadFrame is a frame that failed one of the steps 1 to 12.
	ErrBadFrame = errors.New("InvalidMessageFormat: the peer sent a frame that is refused")
	// ErrReplaced is a path that gave way to a fifth one.
	ErrReplaced = errors.New("ConnectionFailed: the path gave way to a newer one")
	// ErrYielded is a session that was only the beginning of a path of another one.
	ErrYielded = errors.New("the connection is a path of another session now")
	// ErrUnswitched is a path on which the peer did not follow a rekey.
	ErrUnswitched = errors.New("ConnectionFailed: the path did not follow a change of keys")
	// ErrAttach is an attempt to attach that did not succeed.
	ErrAttach = errors.New("ConnectionFailed: no further path was attached")
	// ErrForgotten is a session that its server does not know any more, or that could not be resumed in time.
	ErrForgotten = errors.New("ConnectionFailed: the server has no such session any more")
	// ErrTooLarge is a message above the limit of its receiver; it was not sent.
	ErrTooLarge = errors.New("InvalidMessageFormat: the message is larger than the peer accepts")
	// ErrUnknownResult is a call whose reply cannot be read: it may have been executed.
	ErrUnknownResult error = errors.New("ConnectionFailed: the reply is lost; whether the request was executed is unknown")
	// ErrNotSent is a call of which nothing was sealed before the session ended: it
	// was not executed and may be sent again.
	ErrNotSent = errors.New("ConnectionFailed: the session ended before the request was sent")
	// ErrClosed is the ordinary end: Disconnect with reason 0 was sent or received.
	ErrClosed = errors.New("the session is closed")
)

// Reasons for which a frame is refused, beside those of package wire.
var (
	errUnknownKey = &wire.ParseError{What: "frame", Field: "session_id, key_id, encryption_type", Reason: "name no key of this connection"}
	errChecksum   = &wire.ParseError{What: "frame", Field: "checksum", Reason: "does not match"}
	errStamp      = &wire.ParseError{What: "frame", Field: "timestamp", Reason: "outside the window of the path"}
	errSequence   = &wire.ParseError{What: "frame", Field: "sequence_number", Reason: "not the next"}
	errAttach     = &wire.ParseError{What: "Attach", Field: "envelope", Reason: "not that of the message that is awaited"}
	errClearFrame = &wire.ParseError{What: "frame", Field: "key_id", Reason: "a clear frame that this state does not await"}
)
