package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/bpci/xtmp/refimpl/client"
	"github.com/bpci/xtmp/refimpl/keylog"
	"github.com/bpci/xtmp/refimpl/wire"
)

// target is the server that a command connects to, and on which conditions.
type target struct {
	endpoint     string // host:port, which pins are for
	address      string // the same, and how it is reached
	pin          string
	knownServers string
	trustNew     bool
	suite        string
	timeout      time.Duration
	stderr       io.Writer
}

// addFlags adds the flags of every command that connects; timeout says what that
// one means.
func (f *target) addFlags(c *cobra.Command, timeout string) {
	c.Flags().StringVar(&f.endpoint, "endpoint", "", "server, host:port, or ws://host:port/xtmp; the port is 8090 if absent")
	c.Flags().StringVar(&f.pin, "pin", "",
		"fingerprint to trust instead of the pin file, 64 hexadecimal digits; 2:FINGERPRINT for an identity of kind 2")
	c.Flags().StringVar(&f.knownServers, "known-servers", "", "pin file (default $XDG_CONFIG_HOME/bpi/known_servers)")
	c.Flags().BoolVar(&f.trustNew, "trust-new", false, "record the identity of a server that is not pinned; for development")
	c.Flags().StringVar(&f.suite, "suite", "",
		"suites to offer, the preferred first: none, aes256gcm, chacha20poly1305, postquantum (default aes256gcm)")
	c.Flags().DurationVar(&f.timeout, "timeout", 10*time.Second, timeout)
}

// check reads the endpoint of a command and refuses what makes no sense.
func (f *target) check(command string, args []string) error {
	switch {
	case len(args) > 1, len(args) == 1 && f.endpoint != "":
		return fmt.Errorf("%s takes one endpoint: bpi-xtmp %s host:port", command, command)
	case len(args) == 1:
		f.endpoint = args[0]
	case f.endpoint == "":
		return fmt.Errorf("%s needs an endpoint: bpi-xtmp %s host:port", command, command)
	}
	switch {
	case f.timeout <= 0:
		return fmt.Errorf("--timeout %v: it is more than 0", f.timeout)
	case f.pin != "" && (f.trustNew || f.knownServers != ""):
		return errors.New("--pin trusts one identity: leave out --trust-new and --known-servers")
	}
	return f.split()
}

// split completes the endpoint and takes it apart.
func (f *target) split() error {
	place, path := f.endpoint, ""
	kind, rest, typed := strings.Cut(f.endpoint, "://")
	if typed {
		place = rest
	}
	if kind == "ws" {
		path = websocketPath
		place = strings.TrimSuffix(place, path)
	}
	host, port, err := net.SplitHostPort(place)
	if err != nil {
		host, port = strings.Trim(place, "[]"), "8090" // [XTMP-CON-006]
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" || strings.Contains(host, "/") {
		return fmt.Errorf("%q is neither host nor host:port", place)
	}
	f.endpoint = net.JoinHostPort(host, port)
	f.address = f.endpoint
	if typed {
		f.address = kind + "://" + f.endpoint + path
	}
	return nil
}

// websocketPath is the path of every server.
const websocketPath = "/xtmp"

// config is how to connect: whom to trust, which suites to offer, and in a build
// that can, where secrets go.
func (f *target) config() (client.Config, error) {
	cfg, err := f.trust()
	if err != nil || f.suite == "" {
		return cfg, err
	}
	for name := range strings.SplitSeq(f.suite, ",") {
		suite, err := client.ParseSuite(name)
		if err != nil {
			return cfg, fmt.Errorf("--suite: %w", err)
		}
		cfg.Suites = append(cfg.Suites, suite)
		cfg.AllowUnencrypted = cfg.AllowUnencrypted || suite == wire.SuiteNone // whoever names it means it
	}
	return cfg, nil
}

// trust decides which identities are trusted.
func (f *target) trust() (client.Config, error) {
	cfg := client.Config{ConnectTimeout: f.timeout}
	var file string
	var err error
	if cfg.KeyLog, file, err = keylog.Open(); err != nil {
		return cfg, err
	}
	if file != "" {
		fmt.Fprintf(f.stderr, "bpi-xtmp: the secrets of this session go to %s: whoever has them reads it\n", file) // the last resort
	}
	if f.pin != "" {
		pin, err := parsePin(f.pin)
		cfg.Pins = []client.Pin{pin}
		return cfg, err
	}
	if file, err = f.pinFile(); err != nil {
		return cfg, err
	}
	pins, err := client.LoadPins(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && (f.trustNew || f.knownServers == ""):
	case err != nil:
		return cfg, fmt.Errorf("the pin file cannot be used: %w", err)
	}
	cfg.Pins = pins.For(f.endpoint)
	cfg.TrustNew = f.trustNew && len(cfg.Pins) == 0
	if len(cfg.Pins) == 0 && !cfg.TrustNew {
		return cfg, fmt.Errorf("%s is not pinned in %s: ask its operator for the fingerprint and add the line "+
			"`%s 1 FINGERPRINT`, or give it with --pin", f.endpoint, file, f.endpoint)
	}
	return cfg, nil
}

// parsePin reads --pin: a fingerprint, or kind:fingerprint.
func parsePin(s string) (client.Pin, error) {
	pin := client.Pin{Kind: 1}
	kind, rest, ok := strings.Cut(s, ":")
	switch {
	case !ok:
		rest = s
	case kind == "2":
		pin.Kind = 2
	case kind != "1":
		return pin, fmt.Errorf("--pin: the kind is 1 or 2, not %q", kind)
	}
	var err error
	if pin.Fingerprint, err = client.ParseFingerprint(rest); err != nil {
		return pin, fmt.Errorf("--pin: %w", err)
	}
	return pin, nil
}

func (f *target) pinFile() (string, error) {
	if f.knownServers != "" {
		return f.knownServers, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("no place for a pin file: %w: give one with --known-servers", err)
	}
	return filepath.Join(dir, "bpi", "known_servers"), nil
}

// record pins the identity that was met for the first time, and says in which file.
func (f *target) record(id client.Identity) (file string, err error) {
	if file, err = f.pinFile(); err != nil {
		return "", usage{err}
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return "", usage{fmt.Errorf("the pin file cannot be written: %w", err)}
	}
	if err := client.AppendPin(file, f.endpoint, id); err != nil {
		return "", usage{fmt.Errorf("the pin file cannot be written: %w", err)}
	}
	return file, nil
}

// close ends a session in order. Also after an interrupt the server is told.
func (f *target) close(ctx context.Context, s *client.Session) error {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.timeout)
	defer cancel()
	return s.Close(last)
}

// explain names the endpoint and adds the next step, where there is one that a
// person can take.
func (f *target) explain(err error) error {
	var misuse usage
	if errors.As(err, &misuse) {
		return err
	}
	var pin *client.PinError
	var name *net.DNSError
	var op *net.OpError
	var coded *client.Error
	next := ""
	switch {
	case errors.As(err, &coded) && coded.Code == wire.UnsupportedType:
		next = ": its operator has not switched Probe on"
	case errors.As(err, &pin):
		next = ": if its operator changed the key, replace the pin; if not, somebody is in between"
	case errors.As(err, &name):
		next = ": check the host"
	case errors.Is(err, syscall.ECONNREFUSED):
		next = ": is the server running, and is this its port?"
	case errors.Is(err, client.ErrNotXTMP):
		next = ": is this its port?"
	case errors.Is(err, client.ErrTimeout):
		next = fmt.Sprintf(": check host and port, or wait longer than %v with --timeout", f.timeout)
	case errors.Is(err, client.ErrRefused):
		next = ": its log says why"
	}
	if errors.As(err, &op) { // whose text repeats the address
		return fmt.Errorf("%s: %s: %w%s", f.endpoint, client.Class(err), op.Err, next)
	}
	if inner := errors.Unwrap(err); inner != nil && strings.HasPrefix(err.Error(), "xtmp: ") {
		err = inner // without the address, too
	}
	return fmt.Errorf("%s: %w%s", f.endpoint, err, next)
}
