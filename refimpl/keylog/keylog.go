// Package keylog writes the secrets of sessions into a file, so that a person can
// read a capture of them. An ordinary build cannot: it contains no writer.
//
//	go build                  Open returns nothing
//	go build -tags keylog     Open returns a Hook if XTMP_KEYLOGFILE names a file
//
// Each secret is a line of the form of RFC 9850: a label, the session_id as 16
// hex digits, the secret in hex. Whoever has the file reads everything that the
// sessions carry, in both directions, and can forge what follows: docs/keylog.md.
//
// The package reads nothing; internal/capturefile/keylog does.
package keylog

// Hook takes a secret: what KeyLog of a client's or a server's Config wants. It
// may be called by several goroutines.
type Hook = func(label string, sessionID uint64, secret []byte)
