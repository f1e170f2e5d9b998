// Package client is the public client of XTMP/1.
//
//	Dial ─▶ TCP connection ─▶ handshake ─▶ Session ─▶ Ping, … ─▶ Close
//
//	reader goroutine: socket ─▶ session.Receive
//	writer goroutine: timers, and what the session has to send, in one write per wake-up
//
// A Session is safe for use by several goroutines. A client trusts the
// identities that it is given, usually the lines of a pin file (LoadPins), and
// no others.
//
// Errors are typed: *Error is a code that one side gave, *PinError an identity
// that is not trusted, *SkewError a clock that is off. Their texts begin with
// one of the six public names, ConnectionFailed, InvalidMessageFormat,
// EncryptionFailed, SessionExpired, AuthenticationFailed and
// ProtocolVersionMismatch; Class tells which.
//
// A Session does not come back: after a lost connection the caller dials again.
// The clock stands still for its timers while the machine sleeps, outside
// Linux for the session's stamps, too.
package client
