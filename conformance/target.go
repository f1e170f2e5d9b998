package conformance

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// A Target is the implementation under test: an address, or a process that the
// judge started.
type Target interface {
	// Endpoint is where the current incarnation listens.
	Endpoint() Endpoint
	// Ended reports that the given incarnation's process has ended, and how. A
	// target that is only an address never ends.
	Ended(generation int) (how string, ended bool)
	// Restart replaces an ended or stuck process by a new incarnation. A target
	// that is only an address returns an error.
	Restart(ctx context.Context) error
	// Stderr is the tail of what the process has written to its standard error,
	// over all incarnations.
	Stderr() string
	// Stop ends the process.
	Stop()
}

// An Endpoint is where a target listens and who it says it is.
type Endpoint struct {
	TCP         string // host:port
	UDP         string // host:port, that of TCP unless something else was said; "" if there is none
	Fingerprint []byte // the first pin; nil if none is known
	Pins        []Pin  // every identity that the target is said to have, its default first
	Generation  int    // counts incarnations from 0
}

// A Pin is an identity that is expected of a target.
type Pin struct {
	Kind        uint8 // 1 or 2 (chapter 6.1); 0 if nobody said it
	Fingerprint []byte
}

// pin adds identities, each [KIND:]HEX, of which an empty one and "-" are none. One
// that is known already is not added again, but its kind is.
func (e *Endpoint) pin(texts ...string) error {
	for _, text := range texts {
		p, err := parsePin(text)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(e.Pins, func(q Pin) bool { return bytes.Equal(p.Fingerprint, q.Fingerprint) })
		switch {
		case p.Fingerprint == nil:
		case at < 0:
			e.Pins = append(e.Pins, p)
		default:
			e.Pins[at].Kind = max(e.Pins[at].Kind, p.Kind)
		}
	}
	if len(e.Pins) > 0 {
		e.Fingerprint = e.Pins[0].Fingerprint
	}
	return nil
}

// Loopback reports whether the endpoint is on this host's loopback network.
func (e Endpoint) Loopback() bool {
	host, _, err := net.SplitHostPort(e.TCP)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// loopback4 reports whether source addresses of 127.0.0.0/8 reach the endpoint.
func (e Endpoint) loopback4() bool {
	host, _, err := net.SplitHostPort(e.TCP)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().Is4() && addr.IsLoopback()
}

// An Address is a Target of which only the address is known.
type Address struct{ endpoint Endpoint }

// NewAddress takes host:port and the identities to pin, each as [KIND:]HEX; an
// empty one pins nothing. It returns a *UsageError.
func NewAddress(hostPort string, pins ...string) (*Address, error) {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil || host == "" || port == "" {
		return nil, &UsageError{Message: fmt.Sprintf("target %q is not host:port", hostPort)}
	}
	endpoint := Endpoint{TCP: hostPort, UDP: hostPort}
	if err := endpoint.pin(pins...); err != nil {
		return nil, &UsageError{Message: err.Error()}
	}
	return &Address{endpoint: endpoint}, nil
}

// ServeUDP says where the target serves UDP, if not at the port of TCP: host:port, or
// "-" for nowhere. It returns a *UsageError.
func (a *Address) ServeUDP(hostPort string) error {
	udp, err := parseUDP(hostPort)
	if err != nil {
		return &UsageError{Message: err.Error()}
	}
	a.endpoint.UDP = udp
	return nil
}

// parseUDP reads host:port, or "-" for no UDP.
func parseUDP(text string) (string, error) {
	if text == "-" {
		return "", nil
	}
	if host, port, err := net.SplitHostPort(text); err != nil || host == "" || port == "" {
		return "", fmt.Errorf("udp=%s is neither host:port nor -", text)
	}
	return text, nil
}

// Endpoint implements Target.
func (a *Address) Endpoint() Endpoint { return a.endpoint }

// Ended implements Target: an address never ends.
func (a *Address) Ended(int) (string, bool) { return "", false }

// Restart implements Target: an address cannot be restarted.
func (a *Address) Restart(context.Context) error {
	return &TargetError{Stage: "answering", Cause: fmt.Errorf("%s no longer answers, and the judge did not start it", a.endpoint.TCP)}
}

// Stderr implements Target.
func (a *Address) Stderr() string { return "" }

// Stop implements Target.
func (a *Address) Stop() {}

// fingerprintSize is the length of an identity fingerprint (chapter 6.1), in
// bytes.
const fingerprintSize = 32

// parsePin reads [KIND:]HEX.
func parsePin(text string) (p Pin, err error) {
	digits := text
	if kind, rest, ok := strings.Cut(text, ":"); ok && len(kind) == 1 {
		if kind != "1" && kind != "2" {
			return p, fmt.Errorf("pin %q has kind %s, and there are 1 and 2", text, kind)
		}
		p.Kind, digits = kind[0]-'0', rest
	}
	if p.Fingerprint, err = parseFingerprint(digits); err != nil {
		err = fmt.Errorf("pin %q is not the hex of a fingerprint: %w", text, err)
	}
	return p, err
}

// parseFingerprint reads hex, with or without colons. Empty and "-" mean none.
func parseFingerprint(text string) ([]byte, error) {
	text = strings.ReplaceAll(text, ":", "")
	if text == "" || text == "-" {
		return nil, nil
	}
	fingerprint, err := hex.DecodeString(text)
	if err == nil && len(fingerprint) != fingerprintSize {
		err = fmt.Errorf("%d bytes, not %d", len(fingerprint), fingerprintSize)
	}
	return fingerprint, err
}
