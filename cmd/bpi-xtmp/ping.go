package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/bpci/xtmp/refimpl/client"
)

type pingFlags struct {
	target
	count    int
	interval time.Duration
	output   string
}

func pingCommand(stdout, stderr io.Writer) *cobra.Command {
	f := pingFlags{target: target{stderr: stderr}}
	c := &cobra.Command{
		Use:   "ping [host:port]",
		Short: "Handshake with a server and measure round trips",
		Long: "Completes a handshake, sends PINGs and prints how long each took to come back.\n\n" +
			"The server must prove an identity that is trusted: one that the pin file has for\n" +
			"host:port, or the one that --pin names. A line of the pin file is\n\n" +
			"    host:port 1 FINGERPRINT\n\n" +
			"Where nothing but HTTP passes, ws://host:port/xtmp reaches it over a WebSocket.",
		Example: "bpi-xtmp ping bpci.example.com:8090\n" +
			"bpi-xtmp ping ws://bpci.example.com:8090/xtmp\n" +
			"bpi-xtmp ping --endpoint localhost:8090 --pin FINGERPRINT --count 10 --output json",
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(args); err != nil {
				return usage{err}
			}
			return f.ping(c.Context(), stdout)
		},
	}
	f.addFlags(c, "time for the connection and for each PING")
	c.Flags().IntVarP(&f.count, "count", "c", 4, "number of PINGs")
	c.Flags().DurationVarP(&f.interval, "interval", "i", 200*time.Millisecond, "time between PINGs")
	c.Flags().StringVarP(&f.output, "output", "o", "text", "text or json")
	return c
}

// check reads the arguments and refuses what makes no sense.
func (f *pingFlags) check(args []string) error {
	if err := f.target.check("ping", args); err != nil {
		return err
	}
	switch {
	case f.output != "text" && f.output != "json":
		return fmt.Errorf("--output %s is neither text nor json", f.output)
	case f.count < 1:
		return fmt.Errorf("--count %d: at least one PING is sent", f.count)
	}
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
	cfg, err := f.config()
	if err != nil {
		return usage{err}
	}
	start := time.Now()
	s, err := client.Dial(ctx, f.address, cfg)
	if err != nil {
		return f.explain(err)
	}
	r := report{
		Endpoint: f.endpoint, SessionID: s.ID(), Fingerprint: s.Identity().Fingerprint.String(),
		Suite: s.Identity().Suite.String(), ConnectMS: milliseconds(time.Since(start)),
	}
	if cfg.TrustNew {
		r.Recorded, err = f.record(s.Identity())
	}
	if err == nil {
		err = f.measure(ctx, s, &r, stdout)
	}
	if closing := f.close(ctx, s); err == nil {
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
