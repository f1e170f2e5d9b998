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
		Example: "bpi-xtmp ping bpci.example.com:8090\n" +
			"bpi-xtmp ping --endpoint localhost:8090 --pin FINGERPRINT --count 10 --output json",
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case len(args) > 1, len(args) == 1 && f.endpoint != "":
				return usage{errors.New("ping takes one endpoint")}
			case len(args) == 1:
				f.endpoint = args[0]
			case f.endpoint == "":
				return usage{errors.New("ping needs an endpoint: bpi-xtmp ping host:port")}
			}
			return f.ping(c.Context(), stdout)
		},
	}
	c.Flags().StringVar(&f.endpoint, "endpoint", "", "host:port of the server; the port is 8090 if absent")
	c.Flags().StringVar(&f.pin, "pin", "", "fingerprint to trust instead of the pin file, 64 hexadecimal digits")
	c.Flags().StringVar(&f.knownServers, "known-servers", "", "pin file (default $XDG_CONFIG_HOME/bpi/known_servers)")
	c.Flags().BoolVar(&f.trustNew, "trust-new", false, "record the identity of a server that is not pinned; for development")
	c.Flags().IntVarP(&f.count, "count", "c", 4, "number of PINGs")
	c.Flags().DurationVarP(&f.interval, "interval", "i", 200*time.Millisecond, "time between PINGs")
	c.Flags().DurationVar(&f.timeout, "timeout", 10*time.Second, "time for the connection and for each PING")
	c.Flags().StringVarP(&f.output, "output", "o", "text", "text or json")
	return c
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
	if f.output != "text" && f.output != "json" {
		return usage{fmt.Errorf("--output %s is neither text nor json", f.output)}
	}
	if f.count < 1 {
		return usage{errors.New("--count is at least 1")}
	}
	if _, _, err := net.SplitHostPort(f.endpoint); err != nil {
		f.endpoint = net.JoinHostPort(f.endpoint, "8090")
	}
	cfg, err := f.trust()
	if err != nil {
		return usage{err}
	}
	start := time.Now()
	s, err := client.Dial(ctx, f.endpoint, cfg)
	if err != nil {
		return f.next(err)
	}
	r := report{
		Endpoint: f.endpoint, SessionID: s.ID(), Fingerprint: s.Identity().Fingerprint.String(),
		Suite: s.Identity().Suite.String(), ConnectMS: milliseconds(time.Since(start)),
	}
	if cfg.TrustNew {
		if err := f.record(s.Identity(), &r); err != nil {
			return usage{err}
		}
	}
	if err := f.measure(ctx, s, &r, stdout); err != nil {
		_ = s.Close(ctx)
		return err
	}
	if err := s.Close(ctx); err != nil {
		return err
	}
	if f.output == "json" {
		return json.NewEncoder(stdout).Encode(r)
	}
	return nil
}

// measure sends the PINGs and, as text, prints each answer.
func (f *pingFlags) measure(ctx context.Context, s *client.Session, r *report, stdout io.Writer) error {
	if f.output == "text" {
		fmt.Fprintf(stdout, "connected to %s in %.2f ms: session %d, %s, identity %s\n",
			r.Endpoint, r.ConnectMS, r.SessionID, r.Suite, r.Fingerprint)
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
		if err != nil {
			return err
		}
		r.RTTMS = append(r.RTTMS, milliseconds(rtt))
		if f.output == "text" {
			fmt.Fprintf(stdout, "pong %d: %.3f ms\n", i+1, milliseconds(rtt))
		}
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
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	r.Recorded = file
	return client.AppendPin(file, f.endpoint, id)
}

// next adds the next step to a refusal that a person can do something about.
func (f *pingFlags) next(err error) error {
	var pin *client.PinError
	if errors.As(err, &pin) {
		return fmt.Errorf("%w: if its operator changed the key, replace the pin; if not, somebody is in between", err)
	}
	return err
}
