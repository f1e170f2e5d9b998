package client

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bpci/xtmp/refimpl/security"
)

// Pin is one identity that is trusted for a server.
type Pin = security.Pin

// Fingerprint names an identity.
type Fingerprint = security.Fingerprint

// ParseFingerprint reads 64 hexadecimal digits.
func ParseFingerprint(s string) (Fingerprint, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(Fingerprint{}) {
		return Fingerprint{}, fmt.Errorf("%q is not a fingerprint: 64 hexadecimal digits", s)
	}
	return Fingerprint(b), nil
}

// Pins are the lines of a pin file:
//
//	host:port  kind  fingerprint-hex  [base64 key]  [# note]
type Pins struct{ lines []pinLine }

type pinLine struct {
	endpoint string // host in lower case
	pin      Pin
}

// For returns the pins of an endpoint as its user names it, host:port, or as Dial
// takes it: how it is reached does not matter. [XTMP-TRU-005]
func (p Pins) For(address string) []Pin {
	if _, rest, ok := strings.Cut(address, "://"); ok {
		address, _, _ = strings.Cut(rest, "/")
	}
	var pins []Pin
	for _, l := range p.lines {
		if l.endpoint == lower(address) {
			pins = append(pins, l.pin)
		}
	}
	return pins
}

// lower folds the case of ASCII letters and of no others.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// PinFileError is a line of a pin file that cannot be read. One bad line makes
// the whole file useless, since a pin that is skipped protects nobody.
type PinFileError struct {
	File   string
	Line   int // 1-based
	Column int // 1-based, in bytes
	Text   string
	Reason string
}

// shownLine is the length in bytes at which Error cuts a line; one with a key of
// kind 2 has 2.7 kB.
const shownLine = 200

// Error implements error: place, reason, the line and a caret under the fault.
func (e *PinFileError) Error() string {
	text := e.Text
	if len(text) > shownLine && e.Column <= shownLine {
		text = strings.ToValidUTF8(text[:shownLine], "") + "…"
	}
	indent := strings.Map(func(r rune) rune {
		if r == '\t' { // keeps the caret below its column
			return r
		}
		return ' '
	}, e.Text[:min(e.Column-1, len(e.Text))])
	return fmt.Sprintf("%s:%d:%d: %s\n  %s\n  %s^", e.File, e.Line, e.Column, e.Reason, text, indent)
}

// LoadPins reads a pin file. Its error is a *PinFileError or an *fs.PathError.
func LoadPins(file string) (Pins, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return Pins{}, err
	}
	return ParsePins(file, b)
}

// ParsePins reads the text of a pin file; file names it in errors.
func ParsePins(file string, text []byte) (Pins, error) {
	var pins Pins
	for n, raw := range bytes.Split(text, []byte{'\n'}) {
		line := strings.TrimSuffix(string(raw), "\r")
		fields := splitFields(line)
		if len(fields) == 0 {
			continue
		}
		parsed, at, err := parsePin(fields)
		if err != nil {
			column := fields[len(fields)-1].end() + 1 // where a missing field would be
			if at < len(fields) {
				column = fields[at].column
			}
			return Pins{}, &PinFileError{File: file, Line: n + 1, Column: column, Text: line, Reason: err.Error()}
		}
		pins.lines = append(pins.lines, parsed)
	}
	return pins, nil
}

type field struct {
	text   string
	column int // 1-based
}

// end is the column of the first byte behind the field.
func (f field) end() int { return f.column + len(f.text) }

// splitFields cuts a line at spaces and tabs, and drops what follows a field
// that begins with '#'.
func splitFields(line string) (fields []field) {
	for i := 0; i < len(line); {
		if line[i] == ' ' || line[i] == '\t' {
			i++
			continue
		}
		if line[i] == '#' {
			break
		}
		end := i
		for end < len(line) && line[end] != ' ' && line[end] != '\t' {
			end++
		}
		fields = append(fields, field{line[i:end], i + 1})
		i = end
	}
	return fields
}

// parsePin reads the fields of a line; at is the field at fault.
func parsePin(f []field) (line pinLine, at int, err error) {
	if len(f) < 3 || len(f) > 4 {
		return line, min(len(f), 4), errors.New("a pin is: host:port kind fingerprint [base64 key] [# note]")
	}
	if !isEndpoint(f[0].text) {
		return line, 0, errors.New("not host:port")
	}
	line.endpoint = lower(f[0].text)
	switch f[1].text {
	case "1":
		line.pin.Kind = 1
	case "2":
		line.pin.Kind = 2
	default:
		return line, 1, errors.New("the kind is 1 or 2")
	}
	if line.pin.Fingerprint, err = ParseFingerprint(f[2].text); err != nil {
		return line, 2, err
	}
	if len(f) == 4 {
		if line.pin.Key, err = parseKey(f[3].text, &line.pin); err != nil {
			return line, 3, err
		}
	}
	return line, 0, nil
}

// isEndpoint reports whether s is host:port: a name, an IPv4 address or an IPv6
// address in brackets, and a port from 1 to 65535 without leading zeros, so that
// one endpoint is not written in two ways.
func isEndpoint(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" || !utf8.ValidString(host) || strings.ContainsFunc(host, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return false
	}
	if strings.HasPrefix(s, "[") {
		if a, err := netip.ParseAddr(host); err != nil || !a.Is6() {
			return false
		}
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0 && strconv.FormatUint(n, 10) == port
}

func parseKey(text string, pin *Pin) ([]byte, error) {
	key, err := base64.StdEncoding.Strict().DecodeString(text)
	switch {
	case err != nil:
		return nil, errors.New("the key is not base64 with padding")
	case len(key) == 0 || key[0] != pin.Kind: // [XTMP-TRU-004]
		return nil, errors.New("the key is of another kind than the line says")
	case security.CheckIdentityKey(key) != nil: // [XTMP-KEY-011]
		return nil, errors.New("the key is malformed, of small order, or not canonical")
	case security.FingerprintOf(key) != pin.Fingerprint: // [XTMP-TRU-003]
		return nil, errors.New("the key does not hash to the fingerprint of its line")
	}
	return key, nil
}

// FormatPin returns the line, without newline, that pins an identity to an
// endpoint.
func FormatPin(address string, id Identity) string {
	return fmt.Sprintf("%s  %d  %v  %s", address, id.Kind, id.Fingerprint, base64.StdEncoding.EncodeToString(id.Key))
}

// AppendPin records the identity of an endpoint in a pin file, which is made if
// there is none. [XTMP-TRU-017]
func AppendPin(file, address string, id Identity) error {
	if !isEndpoint(address) {
		return fmt.Errorf("%q is not host:port", address)
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	line := FormatPin(address, id) + "\n"
	if size, err := f.Seek(0, io.SeekEnd); err == nil && size > 0 {
		var last [1]byte
		if _, err := f.ReadAt(last[:], size-1); err == nil && last[0] != '\n' {
			line = "\n" + line // somebody's editor left the last line open
		}
	}
	_, err = f.WriteString(line)
	return errors.Join(err, f.Close())
}
