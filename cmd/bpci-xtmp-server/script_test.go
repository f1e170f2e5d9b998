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
	"strconv"
	"strings"
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
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
			"serve": serve,
			"ping":  ping,
			"end":   end,
			"taken": taken,
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
	log bytes.Buffer
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
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		_ = s.cmd.Wait()
		ts.Fatalf("the server does not start:\n%s", &s.log)
	}
	ts.Check(os.WriteFile(ts.MkAbs("ready"), []byte(lines.Text()+"\n"), 0o600))
	var address, fingerprint string
	if _, err := fmt.Sscanf(lines.Text(), "READY tcp=%s udp=- fingerprint=%s", &address, &fingerprint); err != nil {
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
	ts.Check(os.WriteFile(ts.MkAbs("log"), s.log.Bytes(), 0o600))
	if want, _ := strconv.Atoi(args[1]); code != want {
		ts.Fatalf("exit code %d, want %d:\n%s", code, want, &s.log)
	}
}

// ping ADDRESS FINGERPRINT does what a client does. The fingerprint may be in a
// file.
func ping(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	text := args[1]
	if b, err := os.ReadFile(ts.MkAbs(text)); err == nil {
		text = strings.TrimSpace(string(b))
	}
	fingerprint, err := client.ParseFingerprint(text)
	ts.Check(err)
	s, err := client.Dial(ctx, args[0], client.Config{Pins: []client.Pin{{Kind: 1, Fingerprint: fingerprint}}})
	if err == nil {
		_, err = s.Ping(ctx)
		err = errors.Join(err, s.Close(ctx))
	}
	if (err != nil) != neg {
		ts.Fatalf("ping: %v", err)
	}
}

// taken takes a port and puts it into $TAKEN.
func taken(ts *testscript.TestScript, _ bool, _ []string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = ln.Close() })
	_, port, _ := strings.Cut(ln.Addr().String(), ":")
	ts.Setenv("TAKEN", port)
}
