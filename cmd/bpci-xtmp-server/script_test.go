//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bpci/xtmp/refimpl/client"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"bpci-xtmp-server": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			text, err := os.ReadFile("../../deploy/certify.yaml")
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(env.WorkDir, "certify.yaml"), text, 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":  exits,
			"serve":  serve,
			"ping":   ping,
			"hold":   hold,
			"end":    end,
			"signal": end,
			"held":   end,
			"taken":  taken,
		},
	})
}

// patience bounds what a script waits for.
const patience = 20 * time.Second

// exits CODE COMMAND ARG... runs a command and wants its exit code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := codeOf(ts.Exec(args[1], args[2:]...)); got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func codeOf(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}

// served is the server that a script has started.
type served struct {
	cmd *exec.Cmd
	log journal
}

// journal is a log that may be read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// serve ARG... starts a server, waits until it is ready, and puts its line into
// ready, its address into $ADDRESS and its fingerprint into $FINGERPRINT.
func serve(ts *testscript.TestScript, _ bool, args []string) {
	path := ""
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		full := filepath.Join(dir, "bpci-xtmp-server")
		if _, err := os.Stat(full); path == "" && err == nil {
			path = full
		}
	}
	s := &served{cmd: exec.Command(path, append([]string{"start"}, args...)...)}
	s.cmd.Dir = ts.MkAbs(".")
	s.cmd.Env = []string{"PATH=" + ts.Getenv("PATH"), "GOCOVERDIR=" + ts.Getenv("GOCOVERDIR")}
	s.cmd.Stderr = &s.log
	out, err := s.cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(s.cmd.Start())
	ts.Defer(func() { _ = s.cmd.Process.Kill() })
	ts.SetCmd("end", func(ts *testscript.TestScript, _ bool, args []string) { s.end(ts, args) })
	ts.SetCmd("signal", func(ts *testscript.TestScript, _ bool, args []string) { s.signal(ts, args) })
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		_ = s.cmd.Wait()
		ts.Fatalf("the server does not start:\n%s", &s.log)
	}
	ts.Check(os.WriteFile(ts.MkAbs("ready"), []byte(lines.Text()+"\n"), 0o600))
	var address, udp, fingerprint string
	if _, err := fmt.Sscanf(lines.Text(), "READY tcp=%s udp=%s fingerprint=%s", &address, &udp, &fingerprint); err != nil {
		ts.Fatalf("the line is %q: %v", lines.Text(), err)
	}
	ts.Setenv("ADDRESS", address)
	ts.Setenv("FINGERPRINT", fingerprint)
}

// end without a server.
func end(ts *testscript.TestScript, _ bool, _ []string) { ts.Fatalf("no server runs") }

// end SIGNAL CODE ends the server, wants its exit code, and puts its log into log.
func (s *served) end(ts *testscript.TestScript, args []string) {
	signal := map[string]os.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT}[args[0]]
	ts.Check(s.cmd.Process.Signal(signal))
	late := time.AfterFunc(patience, func() { _ = s.cmd.Process.Kill() })
	code := codeOf(s.cmd.Wait())
	late.Stop()
	ts.Check(os.WriteFile(ts.MkAbs("log"), []byte(s.log.String()), 0o600))
	if want, _ := strconv.Atoi(args[1]); code != want {
		ts.Fatalf("exit code %d, want %d:\n%s", code, want, &s.log)
	}
}

// signal SIGNAL TEXT sends a signal, and waits until the log says TEXT once more.
func (s *served) signal(ts *testscript.TestScript, args []string) {
	before := strings.Count(s.log.String(), args[1])
	ts.Check(s.cmd.Process.Signal(map[string]os.Signal{"HUP": syscall.SIGHUP, "USR1": syscall.SIGUSR1}[args[0]]))
	for late := time.Now().Add(patience); strings.Count(s.log.String(), args[1]) == before; runtime.Gosched() {
		if time.Now().After(late) {
			ts.Fatalf("the log does not say %q again:\n%s", args[1], &s.log)
		}
	}
}

// dial ADDRESS FINGERPRINT [KIND] connects. The fingerprint may be in a file.
func dial(ctx context.Context, ts *testscript.TestScript, args []string) (*client.Session, error) {
	text, kind := args[1], uint8(1)
	if b, err := os.ReadFile(ts.MkAbs(text)); err == nil {
		text = strings.TrimSpace(string(b))
	}
	fingerprint, err := client.ParseFingerprint(text)
	ts.Check(err)
	if len(args) > 2 && args[2] == "2" {
		kind = 2
	}
	return client.Dial(ctx, args[0], client.Config{Pins: []client.Pin{{Kind: kind, Fingerprint: fingerprint}}})
}

// ping ADDRESS FINGERPRINT [KIND] does what a client does.
func ping(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := dial(ctx, ts, args)
	if err == nil {
		_, err = s.Ping(ctx)
		err = errors.Join(err, s.Close(ctx))
	}
	if (err != nil) != neg {
		ts.Fatalf("ping: %v", err)
	}
}

// hold ADDRESS FINGERPRINT [KIND] opens a session; held shows that it
// lives.
func hold(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := dial(ctx, ts, args)
	ts.Check(err)
	ts.Defer(func() { _ = s.Close(context.Background()) })
	ts.SetCmd("held", func(ts *testscript.TestScript, _ bool, _ []string) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_, err := s.Ping(ctx)
		ts.Check(err)
	})
}

// taken takes a port and puts it into $TAKEN.
func taken(ts *testscript.TestScript, _ bool, _ []string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = ln.Close() })
	_, port, _ := strings.Cut(ln.Addr().String(), ":")
	ts.Setenv("TAKEN", port)
}
