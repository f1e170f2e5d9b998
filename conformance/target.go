package conformance

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
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
	Fingerprint []byte // the pinned identity; nil if none is known
	Generation  int    // counts incarnations from 0
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

// NewAddress takes host:port and the fingerprint to pin, in hex; an empty one
// pins nothing. It returns a *UsageError.
func NewAddress(hostPort, pin string) (*Address, error) {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil || host == "" || port == "" {
		return nil, &UsageError{Message: fmt.Sprintf("target %q is not host:port", hostPort)}
	}
	fingerprint, err := parseFingerprint(pin)
	if err != nil {
		return nil, &UsageError{Message: fmt.Sprintf("pin %q is not the hex of a fingerprint: %v", pin, err)}
	}
	return &Address{endpoint: Endpoint{TCP: hostPort, Fingerprint: fingerprint}}, nil
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
