package wire

import "fmt"

// ParseError says which rule a peer's bytes broke. Values are shared and
// compared by identity; none is allocated while parsing.
type ParseError struct {
	What   string // frame, envelope, ClientHello, …
	Field  string // field at fault
	Reason string // what is wrong with it
}

// Error implements error.
func (e *ParseError) Error() string { return fmt.Sprintf("%s: %s: %s", e.What, e.Field, e.Reason) }

// Errors of the fixed part of a frame, in the order of checks.
var (
	ErrShortHeader = &ParseError{"frame", "length", "fewer than 96 bytes"}
	ErrLength      = &ParseError{"datagram", "payload_length", "disagrees with the length of the datagram"}
	ErrMagic       = &ParseError{"frame", "magic", "not 58 54 4d 50"}
	ErrVersion     = &ParseError{"frame", "version", "not 1"}
	ErrType        = &ParseError{"frame", "message_type", "refused in this state"}
	ErrFlags       = &ParseError{"frame", "flags", "no row of the flag matrix allows them"}
	ErrEncryption  = &ParseError{"frame", "encryption_type", "disagrees with the ENCRYPTED flag or the session"}
	ErrClearField  = &ParseError{"frame", "security layer", "a clear frame carries a nonce or a tag"}
	ErrTooLong     = &ParseError{"frame", "payload_length", "above the limit of this state"}
)
