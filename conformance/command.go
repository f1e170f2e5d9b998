package conformance

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A Command is a Target that the judge starts as a process group of its own. A
// shell runs the line. The process says where it listens with one line on its
// standard output:
//
//	READY tcp=127.0.0.1:40123 udp=127.0.0.1:40123 fingerprint=9f86d0…
//
// Without udp= it serves UDP at the address of TCP; udp=- says that it has no UDP.
// A server with several identities, or of another kind than 1, names them all with
// their kinds, its default first: pins=1:9f86d0…,2:60303a….
// Lines before it are kept for the report and otherwise ignored; so are fields
// that the judge does not know. What follows is read and dropped.
type Command struct {
	line  string
	waits *Waits
	pins  []string // in addition to those of the READY line

	mu       sync.Mutex
	endpoint Endpoint
	process  *process
	stderr   *tail
}

// A process is one incarnation.
type process struct {
	cmd    *exec.Cmd
	ended  chan struct{} // closed once how is set
	how    string
	stdout *readyWatch
}

const (
	keptStdout   = 4 << 10
	keptStderr   = 64 << 10
	maxReadyLine = 4 << 10
)

// StartCommand starts the process and waits for its READY line. It returns a
// *TargetError when the process ends first or says nothing within BudgetStart. Pins
// are identities, as for NewAddress, that the READY line does not name.
func StartCommand(ctx context.Context, line string, waits *Waits, pins ...string) (*Command, error) {
	c := &Command{line: line, waits: waits, pins: pins, stderr: newTail(keptStderr)}
	if err := new(Endpoint).pin(pins...); err != nil {
		return nil, &UsageError{Message: err.Error()}
	}
	if err := c.start(ctx, 0); err != nil {
		return nil, err
	}
	return c, nil
}

// Endpoint implements Target.
func (c *Command) Endpoint() Endpoint {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.endpoint
}

// Ended implements Target.
func (c *Command) Ended(generation int) (string, bool) {
	c.mu.Lock()
	p, current := c.process, c.endpoint.Generation
	c.mu.Unlock()
	if generation != current {
		return "an earlier process", true
	}
	select {
	case <-p.ended:
		return p.how, true
	default:
		return "", false
	}
}

// Restart implements Target.
func (c *Command) Restart(ctx context.Context) error {
	generation := c.Endpoint().Generation
	c.Stop()
	return c.start(ctx, generation+1)
}

// Stderr implements Target.
func (c *Command) Stderr() string { return c.stderr.String() }

// Stop implements Target: SIGTERM to the group, and SIGKILL after BudgetStop.
func (c *Command) Stop() {
	c.mu.Lock()
	p := c.process
	c.mu.Unlock()
	p.stop(c.waits.budget(BudgetStop))
}

func (c *Command) start(ctx context.Context, generation int) error {
	// Not the context but Stop ends the process, in two steps.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "/bin/sh", "-c", c.line)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// A child that outlives the shell may hold the pipes open; the wait for
	// the process must not wait for it.
	cmd.WaitDelay = c.waits.budget(BudgetStop)
	stdout := newReadyWatch()
	cmd.Stdout, cmd.Stderr = stdout, c.stderr
	if err := cmd.Start(); err != nil {
		return &TargetError{Stage: "starting", Cause: err}
	}
	p := &process{cmd: cmd, ended: make(chan struct{}), stdout: stdout}
	go p.watch()

	endpoint, err := c.awaitReady(ctx, p, stdout)
	if err != nil {
		p.stop(c.waits.budget(BudgetStop))
		return &TargetError{Stage: "becoming ready", Cause: err, Stdout: stdout.before.String(), Stderr: c.stderr.String()}
	}
	_ = endpoint.pin(c.pins...) // StartCommand has read them
	endpoint.Generation = generation
	c.mu.Lock()
	defer c.mu.Unlock()
	c.process, c.endpoint = p, endpoint
	return nil
}

func (c *Command) awaitReady(ctx context.Context, p *process, stdout *readyWatch) (Endpoint, error) {
	limit := c.waits.budget(BudgetStart)
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case line := <-stdout.ready:
		return parseReady(line)
	case <-p.ended:
		return Endpoint{}, fmt.Errorf("it ended before its READY line: %s", p.how)
	case <-timer.C:
		return Endpoint{}, fmt.Errorf("no READY line within %v (budget %s)", limit, BudgetStart)
	case <-ctx.Done():
		return Endpoint{}, ctx.Err()
	}
}

// watch waits for the process and says how it ended.
func (p *process) watch() {
	err := p.cmd.Wait()
	p.how = "exit status 0"
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		p.how = exit.String()
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		p.how = err.Error()
	}
	p.stdout.Close()
	close(p.ended)
}

// stop ends the whole group. The group outlives its leader when a shell has
// children, so the kill is sent even when the leader is gone.
func (p *process) stop(patience time.Duration) {
	group := -p.cmd.Process.Pid
	_ = syscall.Kill(group, syscall.SIGTERM) // an error means that nobody is left
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
	}
	_ = syscall.Kill(group, syscall.SIGKILL)
	<-p.ended
}

// parseReady reads "READY tcp=host:port udp=host:port fingerprint=HEX".
func parseReady(line string) (Endpoint, error) {
	var e Endpoint
	udp := ""
	for _, field := range strings.Fields(line)[1:] {
		name, value, _ := strings.Cut(field, "=")
		switch name {
		case "tcp":
			if _, _, err := net.SplitHostPort(value); err != nil {
				return e, fmt.Errorf("READY line %q: tcp=%s is not host:port", line, value)
			}
			e.TCP = value
		case "udp":
			udp = value
			var err error
			if e.UDP, err = parseUDP(value); err != nil {
				return e, fmt.Errorf("READY line %q: %w", line, err)
			}
		case "fingerprint", "pins":
			if err := e.pin(strings.Split(value, ",")...); err != nil {
				return e, fmt.Errorf("READY line %q: %s: %w", line, name, err)
			}
		}
	}
	if e.TCP == "" {
		return e, fmt.Errorf("READY line %q: no tcp=host:port", line)
	}
	if udp == "" {
		e.UDP = e.TCP
	}
	return e, nil
}

// A readyWatch is a process's standard output: it keeps what comes before the
// READY line, hands that line over once, and drops the rest.
type readyWatch struct {
	ready  chan string
	before *tail
	pipe   *io.PipeWriter
}

func newReadyWatch() *readyWatch {
	r, w := io.Pipe()
	watch := &readyWatch{ready: make(chan string, 1), before: newTail(keptStdout), pipe: w}
	go watch.read(r)
	return watch
}

func (w *readyWatch) Write(p []byte) (int, error) { return w.pipe.Write(p) }

// Close ends the watch; the process has ended.
func (w *readyWatch) Close() { _ = w.pipe.Close() }

func (w *readyWatch) read(r *io.PipeReader) {
	lines := bufio.NewReaderSize(r, maxReadyLine)
	for {
		line, partial, err := lines.ReadLine()
		if err != nil {
			return
		}
		if text := string(line); !partial && (text == "READY" || strings.HasPrefix(text, "READY ")) {
			w.ready <- text
			break
		}
		_, _ = w.before.Write(line)
		if !partial {
			_, _ = w.before.Write([]byte{'\n'})
		}
	}
	_, _ = io.Copy(io.Discard, lines)
}
