// Package keylog reads and writes key logs: the secrets of XTMP/1 sessions in the
// form of RFC 9850, one line each, for whoever has a capture and may read it.
//
//	LABEL                             context id          secret
//	CLIENT_HANDSHAKE_TRAFFIC_SECRET   session_id, 16 hex  c_hs, 96 hex
//	SERVER_HANDSHAKE_TRAFFIC_SECRET   session_id          s_hs
//	CLIENT_PATH_SECRET_<p>_<e>        session_id          ts_client of path p, epoch e
//	SERVER_PATH_SECRET_<p>_<e>        session_id          ts_server of path p, epoch e
//
// Whoever has the file reads everything that the sessions carried, and can forge
// what follows. docs/keylog.md says more.
//
// The package derives nothing and opens nothing: it knows names, not keys.
package keylog

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// A Side is the endpoint that seals under a secret.
type Side string

// The sides.
const (
	Client Side = "CLIENT"
	Server Side = "SERVER"
)

// SecretSize is the length of every secret, in bytes.
const SecretSize = 48

// An Entry is one line of a key log.
type Entry struct {
	Side      Side
	Handshake bool   // the traffic secret of the handshake; Path and Epoch are 0
	Path      uint16 // number of the path
	Epoch     uint32 // number of the root secret
	Session   uint64 // session_id
	Secret    [SecretSize]byte
}

const (
	handshakeLabel = "_HANDSHAKE_TRAFFIC_SECRET"
	pathLabel      = "_PATH_SECRET_"
)

// Label returns the first word of the line.
func (e Entry) Label() string {
	if e.Handshake {
		return string(e.Side) + handshakeLabel
	}
	return fmt.Sprintf("%s%s%d_%d", e.Side, pathLabel, e.Path, e.Epoch)
}

// String returns the line without its newline.
func (e Entry) String() string { return string(bytes.TrimSuffix(e.Append(nil), []byte("\n"))) }

// Append appends the line and its newline.
func (e Entry) Append(b []byte) []byte {
	return fmt.Appendf(b, "%s %016x %x\n", e.Label(), e.Session, e.Secret)
}

// The bounds of what Parse takes.
const (
	MaxSize = 16 << 20 // bytes of a key log
	maxLine = 4 << 10  // bytes of a line
)

// tlsContext is the length of the context id of TLS, which has the labels of our
// handshake too. A file may hold the lines of both.
const tlsContext = 32

// A ParseError says which line of a key log is wrong, and why. It never quotes the
// line, which may hold a secret.
type ParseError struct {
	Line   int // from 1
	Reason string
}

func (e *ParseError) Error() string { return fmt.Sprintf("key log: line %d: %s", e.Line, e.Reason) }

// Parse reads a key log. Empty lines, comments (#) and labels of other protocols
// are left out, as RFC 9850 asks of a reader. The error is a *ParseError; with it
// come the entries before the line.
func Parse(text []byte) ([]Entry, error) {
	if len(text) > MaxSize {
		return nil, &ParseError{Line: 1, Reason: fmt.Sprintf("the file is longer than %d bytes", MaxSize)}
	}
	var entries []Entry
	n := 0
	for line := range bytes.Lines(text) {
		n++
		entry, ours, reason := parseLine(line)
		if reason != "" {
			return entries, &ParseError{Line: n, Reason: reason}
		}
		if ours {
			entries = append(entries, entry)
		}
	}
	return entries, nil
}

// parseLine reads one line. Ours is false for one that says nothing of XTMP.
func parseLine(line []byte) (e Entry, ours bool, reason string) {
	if len(line) > maxLine {
		return e, false, fmt.Sprintf("it is longer than %d bytes", maxLine)
	}
	text := strings.TrimRight(string(line), "\r\n")
	if text == "" || text[0] == '#' {
		return e, false, ""
	}
	words := strings.Split(text, " ")
	if len(words) != 3 {
		return e, false, "it is not three words with one space between them"
	}
	e, ours, reason = parseLabel(words[0])
	if !ours || reason != "" {
		return e, ours, reason
	}
	session, err := hex.DecodeString(words[1])
	if e.Handshake && err == nil && len(session) == tlsContext {
		return e, false, ""
	}
	if err != nil || len(session) != 8 {
		return e, true, "the context id is not a session_id in 16 hex digits"
	}
	for _, b := range session {
		e.Session = e.Session<<8 | uint64(b)
	}
	secret, err := hex.DecodeString(words[2])
	if err != nil || len(secret) != SecretSize {
		return e, true, fmt.Sprintf("the secret is not %d hex digits", 2*SecretSize)
	}
	copy(e.Secret[:], secret)
	return e, true, ""
}

// parseLabel reads a label. Numbers have one form: digits without leading zeros.
func parseLabel(label string) (e Entry, ours bool, reason string) {
	side, rest, _ := strings.Cut(label, "_")
	e.Side = Side(side)
	rest = "_" + rest
	switch {
	case e.Side != Client && e.Side != Server:
		return e, false, ""
	case rest == handshakeLabel:
		e.Handshake = true
		return e, true, ""
	case !strings.HasPrefix(rest, pathLabel):
		return e, false, ""
	}
	path, epoch, _ := strings.Cut(strings.TrimPrefix(rest, pathLabel), "_")
	p, errPath := strconv.ParseUint(path, 10, 16)
	number, errEpoch := strconv.ParseUint(epoch, 10, 32)
	e.Path, e.Epoch = uint16(p), uint32(number)
	if errPath != nil || errEpoch != nil || e.Label() != label {
		return e, true, "the label is not " + string(e.Side) + pathLabel + "<path>_<epoch>"
	}
	return e, true, ""
}

// Create opens a key log for appending, and makes it if there is none: for the
// owner alone (mode 0600), since whoever reads it reads the sessions.
func Create(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
}
