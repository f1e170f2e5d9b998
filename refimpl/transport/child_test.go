//go:build linux

package transport

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/client"
)

// Tests of what a process runs out of need a process: the test binary, started
// again with childEnv set to what it shall do.
const childEnv = "XTMP_TRANSPORT_CHILD"

func runChild(what string) int {
	var err error
	switch what {
	case "listen":
		err = childListen()
	case "serve":
		err = childServe()
	default:
		err = errors.New("no child " + what)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// openDescriptors counts them; it needs one itself, which it does not count.
func openDescriptors() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		panic(err)
	}
	return len(entries) - 1
}

// limitDescriptors sets the limit of open files.
func limitDescriptors(n int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = uint64(n)
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}

// childListen lets Listen fail at each of its steps for want of a descriptor.
func childListen() error {
	cfg, err := testConfig()
	if err != nil {
		return err
	}
	cfg.Loops = 2
	warm, err := net.Listen("tcp", "127.0.0.1:0") // the runtime takes its own descriptors
	if err != nil {
		return err
	}
	_ = warm.Close()
	before := openDescriptors()
	failed := 0
	for room := 0; ; room++ {
		if err := limitDescriptors(before + room); err != nil {
			return err
		}
		s, err := Listen(context.Background(), "127.0.0.1:0", cfg)
		if err := limitDescriptors(before + 100); err != nil {
			return err
		}
		if err == nil {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			err = s.Serve(ctx)
			if err != nil || openDescriptors() != before || failed < 5 {
				return fmt.Errorf("after %d failures, Serve: %w; %d descriptors before, %d after", failed, err, before, openDescriptors())
			}
			return nil
		}
		failed++
		if !errors.Is(err, syscall.EMFILE) {
			return fmt.Errorf("with room for %d: %w", room, err)
		}
		if after := openDescriptors(); after != before {
			return fmt.Errorf("with room for %d: %d descriptors before, %d after %w", room, before, after, err)
		}
	}
}

// childServe serves and does what standard input says.
func childServe() error {
	cfg, err := testConfig()
	if err != nil {
		return err
	}
	cfg.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	cfg.Probe = true
	s, err := Listen(context.Background(), "127.0.0.1:0", cfg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	r := &running{Server: s}
	fmt.Println(s.Addr(), s.loops[0].poll)
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var n int
		switch word, argument, _ := strings.Cut(in.Text(), " "); word {
		case "room": // for so many descriptors more
			if _, err = fmt.Sscan(argument, &n); err == nil {
				err = limitDescriptors(openDescriptors() + n)
			}
			fmt.Println("ok")
		case "limit":
			if _, err = fmt.Sscan(argument, &n); err == nil {
				err = limitDescriptors(n)
			}
			fmt.Println("ok")
		case "squeeze":
			err = r.squeeze()
			fmt.Println("ok")
		case "gone": // waits until every connection is, and says what the loop did
			for s.Connections() > 0 {
				r.on(s.loops[0], func() {})
			}
			var text []byte
			text, err = json.Marshal(s.Metrics().Loops[0])
			fmt.Println(string(text))
		case "cpu":
			var use syscall.Rusage
			err = syscall.Getrusage(syscall.RUSAGE_SELF, &use)
			fmt.Println((use.Utime.Nano() + use.Stime.Nano()) / 1000)
		}
		if err != nil {
			break
		}
	}
	cancel()
	return errors.Join(err, <-served)
}

// child is a running childServe.
type child struct {
	t       *testing.T
	address string
	poll    string // descriptor of its loop's epoll
	log     lines  // its standard error
	in      io.WriteCloser
	out     *bufio.Scanner
}

func (c *child) ask(question string) string {
	c.t.Helper()
	if _, err := fmt.Fprintln(c.in, question); err != nil {
		c.t.Fatal(err)
	}
	if !c.out.Scan() {
		c.t.Fatal("the child is gone")
	}
	return c.out.Text()
}

// command starts the test binary again, below a tracer if one is given.
func command(t *testing.T, what string, tracer ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	line := append(tracer, self)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Env = append(os.Environ(), childEnv+"="+what)
	return cmd
}

// startChild starts childServe. It ends when stop is called, at the latest at
// the end of the test.
func startChild(t *testing.T, tracer ...string) (c *child, stop func()) {
	t.Helper()
	cmd := command(t, "serve", tracer...)
	c = &child{t: t}
	cmd.Stderr = &c.log
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the child ends with %v:\n%s", err, &c.log)
		}
	})
	t.Cleanup(stop)
	c.in, c.out = in, bufio.NewScanner(out)
	if !c.out.Scan() {
		t.Fatal("the child does not start")
	}
	c.address, c.poll, _ = strings.Cut(c.out.Text(), " ")
	return c, stop
}

func dialChild(t *testing.T, address string) (*client.Session, error) {
	t.Helper()
	s, err := client.Dial(t.Context(), address, client.Config{TrustNew: true, ConnectTimeout: patience})
	if err == nil {
		t.Cleanup(func() { _ = s.Close(context.WithoutCancel(t.Context())) })
	}
	return s, err
}

// quiet fails the test if the child works while nothing happens. conn is an
// idle connection whose deadline is the time that passes.
func (c *child) quiet(conn net.Conn, when string) {
	c.t.Helper()
	var before, after int
	if _, err := fmt.Sscan(c.ask("cpu"), &before); err != nil {
		c.t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		c.t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Errorf("%s: an idle connection reads %v", when, err)
	}
	if _, err := fmt.Sscan(c.ask("cpu"), &after); err != nil {
		c.t.Fatal(err)
	}
	if used := time.Duration(after-before) * time.Microsecond; used > 150*time.Millisecond {
		c.t.Errorf("%s: the server used %v of 300ms of processor time", when, used)
	}
}

// Without a descriptor left the server refuses newcomers, serves those it has,
// does not spin, and accepts again as soon as it can.
func TestDescriptorExhaustion(t *testing.T) {
	c, _ := startChild(t)
	first, err := dialChild(t, c.address)
	if err != nil {
		t.Fatal(err)
	}
	idle, err := net.Dial("tcp", c.address)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	ping(t, first) // both are accepted
	c.ask("room 5")

	var last *client.Session
	served, cut := 0, 0
	for range 20 {
		s, err := dialChild(t, c.address)
		switch {
		case err == nil:
			served++
			last = s
		case errors.Is(err, client.ErrRefused):
			cut++
		default:
			t.Errorf("a connection ends with %v", err)
		}
	}
	if served < 5 || served > 8 || cut != 20-served { // there may be holes among the numbers
		t.Errorf("%d connections are served and %d cut, with room for about 5", served, cut)
	}
	if n := strings.Count(c.log.String(), "connections are cut"); n != 1 {
		t.Errorf("%d warnings:\n%s", n, &c.log)
	}
	c.quiet(idle, "with no descriptor left")
	ping(t, first)

	// Not even the spare descriptor helps: the newcomer waits.
	c.ask("limit 3")
	late := make(chan error, 1)
	go func() {
		_, err := dialChild(t, c.address)
		late <- err
	}()
	c.quiet(idle, "with a limit below what is open")
	ping(t, first)
	select {
	case err := <-late:
		t.Errorf("the newcomer ends with %v", err)
	default:
	}
	c.ask("limit 200")
	if err := <-late; err != nil {
		t.Errorf("once there is room the newcomer gets %v", err)
	}
	if err := last.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := dialChild(t, c.address); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	c.ask("room 0")
	for range 8 { // cut again, not left waiting
		if _, err = dialChild(t, c.address); err != nil {
			break
		}
	}
	if !errors.Is(err, client.ErrRefused) {
		t.Errorf("when it happens again: %v", err)
	}
}

// Whatever Listen fails at, it keeps no descriptor.
func TestListenFailsHalfway(t *testing.T) {
	if out, err := command(t, "listen").CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}
