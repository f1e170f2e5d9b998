package conformance

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

// A Kind is what a peer was seen to do.
type Kind string

// The vocabulary of observations. There is no word for "it closed, so it
// refused": a close is a close, and a case says whether it will do.
const (
	KindAccepted   Kind = "Accepted"   // the peer took the message and acted on it
	KindErrorFrame Kind = "ErrorFrame" // an Error message with a code and a scope
	KindCleanClose Kind = "CleanClose" // the peer ended the byte stream in order (FIN)
	KindReset      Kind = "Reset"      // the connection was reset
	KindSilence    Kind = "Silence"    // nothing came before the named wait ended
	KindIgnored    Kind = "Ignored"    // a fence behind the bytes was answered, the bytes were not
	KindThrottled  Kind = "Throttled"  // the peer refused us for what we did before: no verdict
	KindCrash      Kind = "Crash"      // the process ended, or no new connection is served
	KindMalformed  Kind = "Malformed"  // the peer sent bytes that the spec does not allow
)

// A Scope is how much an Error takes down with it, in the words of chapter 9:
// "message", "path" or "session".
type Scope string

// The scopes. AnyScope matches each of them in a reaction.
const (
	AnyScope     Scope = ""
	ScopeMessage Scope = "message"
	ScopePath    Scope = "path"
	ScopeSession Scope = "session"
)

// AnyCode matches every error code in a reaction.
const AnyCode = -1

// An Observation is one thing that a peer was seen to do.
type Observation struct {
	Kind   Kind
	Code   int    // ErrorFrame only: 0x0000 to 0xFFFF, or AnyCode
	Scope  Scope  // ErrorFrame only
	Wait   string // Silence only: the wait that ended
	Detail string // free words for the reader; takes no part in matching
}

// Accepted says that the peer took the message and acted on it.
func Accepted() Observation { return Observation{Kind: KindAccepted} }

// ErrorFrame says that an Error message came. Code is 0x0000 to 0xFFFF, or
// AnyCode in a reaction; scope is what the error took down.
func ErrorFrame(code int, scope Scope) Observation {
	return Observation{Kind: KindErrorFrame, Code: code, Scope: scope}
}

// CleanClose says that the peer ended the byte stream in order.
func CleanClose() Observation { return Observation{Kind: KindCleanClose} }

// Reset says that the connection was reset.
func Reset() Observation { return Observation{Kind: KindReset} }

// Silence says that nothing came before the named wait ended. In a reaction an
// empty name matches every wait.
func Silence(wait string) Observation { return Observation{Kind: KindSilence, Wait: wait} }

// Ignored says that a fence behind the bytes was answered and the bytes were
// not.
func Ignored() Observation { return Observation{Kind: KindIgnored} }

// Throttled says that the peer refused us for something that we did before,
// such as a ban. It is never a failure.
func Throttled(detail string) Observation {
	return Observation{Kind: KindThrottled, Detail: detail}
}

// Crash says that the peer's process ended, or that it serves no new
// connection.
func Crash(detail string) Observation { return Observation{Kind: KindCrash, Detail: detail} }

// Malformed says that the peer sent bytes that the spec does not allow.
func Malformed(detail string) Observation {
	return Observation{Kind: KindMalformed, Detail: detail}
}

// IsClose reports whether the peer ended the connection, in either way.
func (o Observation) IsClose() bool { return o.Kind == KindCleanClose || o.Kind == KindReset }

// String returns the observation as reports print it, without Detail.
func (o Observation) String() string {
	switch {
	case o.Kind == KindErrorFrame && o.Code == AnyCode && o.Scope == AnyScope:
		return "ErrorFrame(any)"
	case o.Kind == KindErrorFrame && o.Code == AnyCode:
		return fmt.Sprintf("ErrorFrame(any, %s)", o.Scope)
	case o.Kind == KindErrorFrame && o.Scope == AnyScope:
		return fmt.Sprintf("ErrorFrame(0x%02X)", o.Code)
	case o.Kind == KindErrorFrame:
		return fmt.Sprintf("ErrorFrame(0x%02X, %s)", o.Code, o.Scope)
	case o.Kind == KindSilence && o.Wait != "":
		return fmt.Sprintf("Silence(%s)", o.Wait)
	}
	return string(o.Kind)
}

// matches reports whether o, used as a pattern, covers seen.
func (o Observation) matches(seen Observation) bool {
	if o.Kind != seen.Kind {
		return false
	}
	switch o.Kind {
	case KindErrorFrame:
		return (o.Code == AnyCode || o.Code == seen.Code) &&
			(o.Scope == AnyScope || o.Scope == seen.Scope)
	case KindSilence:
		return o.Wait == "" || o.Wait == seen.Wait
	default:
		return true
	}
}

// An Observable is an error that knows what was observed. The scripted peer's
// errors implement it, so that a case can hand any of them to Exchange.Seen.
type Observable interface {
	error
	Observation() Observation
}

// Seen turns the error of a read or of a fence into an observation. Wait names
// what was waited for. A nil error is Accepted. An error that says nothing
// about the peer gives false.
func Seen(err error, wait string) (Observation, bool) {
	var known Observable
	var network net.Error
	switch {
	case err == nil:
		return Accepted(), true
	case errors.As(err, &known):
		return known.Observation(), true
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return Reset(), true
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return CleanClose(), true
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &network) && network.Timeout():
		o := Silence(wait)
		o.Detail = "what was awaited did not come before the wait named " + wait + " ended"
		return o, true
	}
	return Observation{}, false
}
