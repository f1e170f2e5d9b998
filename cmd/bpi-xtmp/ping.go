package main

import (
	"context"
	"encoding/json"
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
)

type pingFlags struct {
	endpoint     string
	pin          string
	knownServers string
	trustNew     bool
	count        int
	interval     time.Duration
	timeout      time.Duration
	output       string
}

func pingCommand(stdout io.Writer) *cobra.Command {
	var f pingFlags
	c := &cobra.Command{
		Use:   "ping [host:port]",
		Short: "Handshake with a server and measure round trips",
		Long: "Completes a handshake, sends PINGs and prints how long each took to come back.\n\n" +
			"The server must prove an identity that is trusted: one that the pin file has for\n" +
			"host:port, or the one that --pin names. A line of the pin file is\n\n" +
			"    host:port 1 FINGERPRINT",
		Example: "bpi-xtmp ping bpci.example.com:8090\n" +
			"bpi-xtmp ping --endpoint localhost:8090 --pin FINGERPRINT --count 10 --output json",
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(args); err != nil {
				return usage{err}
			}
			return f.ping(c.Context(), stdout)
		},
	}
	c.Flags().StringVar(&f.endpoint, "endpoint", "", "server, host:port; the port is 8090 if absent")
	c.Flags().StringVar(&f.pin, "pin", "", "fingerprint to trust instead of the pin file, 64 hexadecimal digits")
	c.Flags().StringVar(&f.knownServers, "known-servers", "", "pin file (default $XDG_CONFIG_HOME/bpi/known_servers)")
	c.Flags().BoolVar(&f.trustNew, "trust-new", false, "record the identity of a server that is not pinned; for development")
	c.Flags().IntVarP(&f.count, "count", "c", 4, "number of PINGs")
	c.Flags().DurationVarP(&f.interval, "interval", "i", 200*time.Millisecond, "time between PINGs")
	c.Flags().DurationVar(&f.timeout, "timeout", 10*time.Second, "time for the connection and for each PING")
	c.Flags().StringVarP(&f.output, "output", "o", "text", "text or json")
	return c
}

// check reads the arguments and refuses what makes no sense.
func (f *pingFlags) check(args []string) error {
	switch {
	case len(args) > 1, len(args) == 1 && f.endpoint != "":
		return errors.New("ping takes one endpoint: bpi-xtmp ping host:port")
	case len(args) == 1:
		f.endpoint = args[0]
	case f.endpoint == "":
		return errors.New("ping needs an endpoint: bpi-xtmp ping host:port")
	}
	switch {
	case f.output != "text" && f.output != "json":
		return fmt.Errorf("--output %s is neither text nor json", f.output)
	case f.count < 1:
		return fmt.Errorf("--count %d: at least one PING is sent", f.count)
	case f.timeout <= 0:
		return fmt.Errorf("--timeout %v: it is more than 0", f.timeout)
	case f.pin != "" && (f.trustNew || f.knownServers != ""):
		return errors.New("--pin trusts one identity: leave out --trust-new and --known-servers")
	}
	host, port, err := net.SplitHostPort(f.endpoint)
	if err != nil {
		host, port = strings.Trim(f.endpoint, "[]"), "8090" // [XTMP-CON-006]
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" {
		return fmt.Errorf("%q is neither host nor host:port", f.endpoint)
	}
	f.endpoint = net.JoinHostPort(host, port)
	return nil
}

// report is what ping found out, as JSON prints it.
type report struct {
	Endpoint    string    `json:"endpoint"`
	SessionID   uint64    `json:"session_id"`
	Fingerprint string    `json:"fingerprint"`
	Suite       string    `json:"encryption_type"`
	ConnectMS   float64   `json:"connect_ms"`
	RTTMS       []float64 `json:"rtt_ms"`
	Recorded    string    `json:"recorded_in,omitempty"`
}

func (f *pingFlags) ping(ctx context.Context, stdout io.Writer) error {
	cfg, err := f.trust()
	if err != nil {
		return usage{err}
	}
	start := time.Now()
	s, err := client.Dial(ctx, f.endpoint, cfg)
	if err != nil {
		return f.explain(err)
	}
	r := report{
		Endpoint: f.endpoint, SessionID: s.ID(), Fingerprint: s.Identity().Fingerprint.String(),
		Suite: s.Identity().Suite.String(), ConnectMS: milliseconds(time.Since(start)),
	}
	if cfg.TrustNew {
		err = f.record(s.Identity(), &r)
	}
	if err == nil {
		err = f.measure(ctx, s, &r, stdout)
	}
	// Also after an interrupt the server is told.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.timeout)
	defer cancel()
	if closing := s.Close(last); err == nil {
		err = closing
	}
	if err != nil {
		return f.explain(err)
	}
	if f.output == "json" {
		return json.NewEncoder(stdout).Encode(r)
	}
	return nil
}

// measure sends the PINGs and, as text, prints each answer.
func (f *pingFlags) measure(ctx context.Context, s *client.Session, r *report, stdout io.Writer) error {
	say := func(format string, args ...any) {
		if f.output == "text" {
			fmt.Fprintf(stdout, format, args...) // a reader that left ends us by itself
		}
	}
	say("connected to %s in %.2f ms: session %d, %s, identity %s\n", r.Endpoint, r.ConnectMS, r.SessionID, r.Suite, r.Fingerprint)
	if r.Recorded != "" {
		say("recorded this identity in %s: from now on no other is accepted\n", r.Recorded)
	}
	for i := range f.count {
		if i > 0 {
			select {
			case <-time.After(f.interval):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		one, cancel := context.WithTimeout(ctx, f.timeout)
		rtt, err := s.Ping(one)
		cancel()
		switch {
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
			return fmt.Errorf("ConnectionFailed: no PONG within %v", f.timeout)
		case err != nil:
			return err
		}
		r.RTTMS = append(r.RTTMS, milliseconds(rtt))
		say("pong %d: %.3f ms\n", i+1, milliseconds(rtt))
	}
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// trust decides which identities are trusted.
func (f *pingFlags) trust() (client.Config, error) {
	cfg := client.Config{ConnectTimeout: f.timeout}
	if f.pin != "" {
		fingerprint, err := client.ParseFingerprint(f.pin)
		if err != nil {
			return cfg, fmt.Errorf("--pin: %w", err)
		}
		cfg.Pins = []client.Pin{{Kind: 1, Fingerprint: fingerprint}}
		return cfg, nil
	}
	file, err := f.pinFile()
	if err != nil {
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

func (f *pingFlags) pinFile() (string, error) {
	if f.knownServers != "" {
		return f.knownServers, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("no place for a pin file: %w: give one with --known-servers", err)
	}
	return filepath.Join(dir, "bpi", "known_servers"), nil
}

// record pins the identity that was met for the first time.
func (f *pingFlags) record(id client.Identity, r *report) error {
	file, err := f.pinFile()
	if err != nil {
		return usage{err}
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return usage{fmt.Errorf("the pin file cannot be written: %w", err)}
	}
	if err := client.AppendPin(file, f.endpoint, id); err != nil {
		return usage{fmt.Errorf("the pin file cannot be written: %w", err)}
	}
	r.Recorded = file
	return nil
}

// explain names the endpoint and adds the next step, where there is one that a
// person can take.
func (f *pingFlags) explain(err error) error {
	var misuse usage
	if errors.As(err, &misuse) {
		return err
	}
	var pin *client.PinError
	var name *net.DNSError
	var op *net.OpError
	next := ""
	switch {
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
