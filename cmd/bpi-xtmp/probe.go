package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/bpci/xtmp/refimpl/client"
	"github.com/bpci/xtmp/refimpl/wire"
)

// Bounds of a measurement.
const (
	probeCountMax    = 100_000_000
	probeStreamMax   = 1_000_000 // what a server takes in one stream
	probeInflightMax = 4096
	probeSizeMax     = 65536 - wire.ProbeHeader // what a client without wallet may send
	probeSourceMax   = 16777216 - wire.ProbeHeader
)

// probeOps are the names of --op.
var probeOps = [...]string{
	wire.ProbeEcho: "echo", wire.ProbeSink: "sink", wire.ProbeSource: "source",
	wire.ProbeFail: "fail", wire.ProbeDelay: "delay", wire.ProbeStream: "stream",
}

type probeFlags struct {
	target
	op       string
	size     int
	count    int
	inflight int
	code     uint16
	delay    time.Duration
	compress bool
}

func probeCommand(stdout, stderr io.Writer) *cobra.Command {
	f := probeFlags{target: target{stderr: stderr}}
	c := &cobra.Command{
		Use:   "probe [host:port]",
		Short: "Measure a server that answers Probe",
		Long: "Sends Probe messages and prints how many pass in a second and how long they take.\n\n" +
			"    echo    requests of --size bytes, answered with the same\n" +
			"    sink    messages of --size bytes without answer, then one request behind them\n" +
			"    source  requests without data, answered with --size bytes\n" +
			"    fail    requests answered with the Error --code\n" +
			"    delay   echo after --delay\n" +
			"    stream  one request, followed by --count pushes of --size bytes\n\n" +
			"The server's operator switches Probe on, not for production.",
		Example: "bpi-xtmp probe bpci.example.com:8090 --count 100000 --inflight 64\n" +
			"bpi-xtmp probe localhost --op stream --size 256 --suite chacha20poly1305",
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(args); err != nil {
				return usage{err}
			}
			return f.probe(c.Context(), stdout)
		},
	}
	f.addFlags(c, "time for the connection, and for each reply")
	c.Flags().StringVar(&f.op, "op", "echo", strings.Join(probeOps[:], ", "))
	c.Flags().IntVarP(&f.size, "size", "s", 64, "bytes of data in a message")
	c.Flags().IntVarP(&f.count, "count", "c", 10_000, "number of messages")
	c.Flags().IntVar(&f.inflight, "inflight", 32, "requests that wait for their reply at once")
	c.Flags().Uint16Var(&f.code, "code", uint16(wire.Unavailable), "fail: the code of the Error")
	c.Flags().DurationVar(&f.delay, "delay", 10*time.Millisecond, "delay: before the reply, at most 60s")
	c.Flags().BoolVar(&f.compress, "compress", false, "compress what gets smaller by it")
	return c
}

// check reads the arguments and refuses what makes no sense.
func (f *probeFlags) check(args []string) error {
	if err := f.target.check("probe", args); err != nil {
		return err
	}
	sizeMax, countMax := probeSizeMax, probeCountMax
	switch f.op {
	case "source":
		sizeMax = probeSourceMax
	case "stream":
		countMax = probeStreamMax
	}
	switch {
	case !slices.Contains(probeOps[:], f.op):
		return fmt.Errorf("--op %s is none of %s", f.op, strings.Join(probeOps[:], ", "))
	case f.size < 0 || f.size > sizeMax:
		return fmt.Errorf("--size %d is not between 0 and %d", f.size, sizeMax)
	case f.count < 1 || f.count > countMax:
		return fmt.Errorf("--count %d is not between 1 and %d", f.count, countMax)
	case f.inflight < 1 || f.inflight > probeInflightMax:
		return fmt.Errorf("--inflight %d is not between 1 and %d", f.inflight, probeInflightMax)
	case f.delay < 0 || f.delay > time.Minute:
		return fmt.Errorf("--delay %v is not between 0 and 1m0s", f.delay)
	}
	return nil
}

func (f *probeFlags) probe(ctx context.Context, stdout io.Writer) error {
	cfg, err := f.config()
	if err != nil {
		return usage{err}
	}
	cfg.Compression = f.compress
	cfg.ReplyTimeout = f.timeout
	var pushes pushCounter
	if f.op == "stream" {
		pushes.want, pushes.all = f.count, make(chan struct{})
		cfg.OnPush = pushes.take
	}
	s, err := client.Dial(ctx, f.address, cfg)
	if err != nil {
		return f.explain(err)
	}
	if cfg.TrustNew {
		_, err = f.record(s.Identity())
	}
	var result string
	if err == nil {
		result, err = f.measure(ctx, s, &pushes)
	}
	if closing := f.close(ctx, s); err == nil {
		err = closing
	}
	if err != nil {
		return f.explain(err)
	}
	_, err = fmt.Fprintf(stdout, "%s by %s, %d × %d B, %d in flight\n%s\n", f.op, s.Identity().Suite, f.count, f.size, f.inflight, result)
	return err
}

// measure does the work and says how it went.
func (f *probeFlags) measure(ctx context.Context, s *client.Session, pushes *pushCounter) (string, error) {
	switch f.op {
	case "sink":
		return f.sink(ctx, s)
	case "stream":
		return f.stream(ctx, s, pushes)
	default:
		return f.calls(ctx, s)
	}
}

// message is the Probe that is sent.
func (f *probeFlags) message() client.Message {
	p := wire.Probe{Op: wire.ProbeOp(slices.Index(probeOps[:], f.op)), Data: make([]byte, f.size)}
	switch p.Op {
	case wire.ProbeSource:
		p.Arg, p.Data = uint32(f.size), nil
	case wire.ProbeFail:
		p.Arg = uint32(f.code)
	case wire.ProbeDelay:
		p.Arg = uint32(f.delay.Milliseconds())
	case wire.ProbeStream:
		p.Arg = uint32(f.count)
	case wire.ProbeEcho, wire.ProbeSink:
	}
	return client.Message{Type: wire.TypeProbe, Body: p.Append(nil), Compress: f.compress}
}

// calls makes calls from as many goroutines as may be in flight.
func (f *probeFlags) calls(ctx context.Context, s *client.Session) (string, error) {
	m := f.message()
	took := make([]time.Duration, f.count)
	var next atomic.Int64
	errs := make([]error, f.inflight)
	var all sync.WaitGroup
	start := time.Now()
	for g := range f.inflight {
		all.Go(func() {
			var dst []byte
			for i := next.Add(1) - 1; i < int64(f.count) && errs[g] == nil; i = next.Add(1) - 1 {
				began := time.Now()
				var err error
				dst, err = s.Call(ctx, m, dst[:0])
				took[i] = time.Since(began)
				if errs[g] = f.judge(dst, err); errs[g] != nil {
					next.Store(int64(f.count)) // nobody goes on
				}
			}
		})
	}
	all.Wait()
	elapsed := time.Since(start)
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return "", errs[i]
	}
	slices.Sort(took)
	return fmt.Sprintf("%s; p50 %s, p99 %s, longest %s", rate("calls", f.count, elapsed),
		short(took[f.count/2]), short(took[f.count*99/100]), short(took[f.count-1])), nil
}

// judge says whether a reply is the one that was asked for.
func (f *probeFlags) judge(reply []byte, err error) error {
	var coded *client.Error
	switch {
	case f.op == "fail" && errors.As(err, &coded) && coded.Peer && uint16(coded.Code) == f.code:
		return nil
	case err != nil:
		return err
	case f.op == "fail":
		return fmt.Errorf("a reply, and not the Error %v", wire.Code(f.code))
	case len(reply) != wire.ProbeHeader+f.size:
		return fmt.Errorf("a reply of %d bytes, want %d", len(reply), wire.ProbeHeader+f.size)
	default:
		return nil
	}
}

// sink sends messages that nobody answers, and a request behind them: on one
// connection its reply shows that they have arrived.
func (f *probeFlags) sink(ctx context.Context, s *client.Session) (string, error) {
	m := f.message()
	start := time.Now()
	for range f.count {
		if err := s.Send(ctx, m); err != nil {
			return "", err
		}
	}
	if _, err := s.Call(ctx, m, nil); err != nil {
		return "", err
	}
	return rate("messages", f.count, time.Since(start)), nil
}

// stream asks for pushes and counts them.
func (f *probeFlags) stream(ctx context.Context, s *client.Session, pushes *pushCounter) (string, error) {
	start := time.Now()
	reply, err := s.Call(ctx, f.message(), nil)
	if err != nil {
		return "", err
	}
	if len(reply) != wire.ProbeHeader+4 {
		return "", fmt.Errorf("a reply of %d bytes, want %d", len(reply), wire.ProbeHeader+4)
	}
	silence := time.NewTicker(f.timeout)
	defer silence.Stop()
	for before := int64(-1); ; {
		select {
		case <-pushes.all:
			result := rate("pushes", f.count, time.Since(start))
			return fmt.Sprintf("%s; subscription %d", result, binary.BigEndian.Uint32(reply[wire.ProbeHeader:])), nil
		case <-silence.C:
			count := pushes.count.Load()
			if count == before {
				return "", fmt.Errorf("ConnectionFailed: %d of %d pushes came, and none within %v", count, f.count, f.timeout)
			}
			before = count
		case <-s.Done():
			return "", s.Err()
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// pushCounter counts pushes.
type pushCounter struct {
	want  int
	count atomic.Int64
	all   chan struct{} // closed at the last
}

// take is the client's OnPush.
func (c *pushCounter) take(client.Push) {
	if c.count.Add(1) == int64(c.want) {
		close(c.all)
	}
}

// rate says how many there were in how much time.
func rate(what string, n int, d time.Duration) string {
	return fmt.Sprintf("%.0f %s/s, %d in %s", float64(n)/max(d.Seconds(), 1e-9), what, n, short(d))
}

// short is a duration to three digits or so.
func short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	default:
		return d.Round(100 * time.Nanosecond).String()
	}
}
