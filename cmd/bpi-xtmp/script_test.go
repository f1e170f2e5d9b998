//go:build linux

package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/server"
	"github.com/bpci/xtmp/refimpl/wire"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"bpi-xtmp": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "conf"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":     exits,
			"serve":     serve,
			"diagnose":  diagnose,
			"say":       say,
			"frame":     frame,
			"line":      line,
			"interrupt": interrupt,
		},
	})
}

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

// serve starts a server and puts its address into $ADDRESS and its fingerprint
// into $FINGERPRINT.
func serve(ts *testscript.TestScript, _ bool, _ []string) {
	id, err := server.GenerateKey(ts.MkAbs("identity.pem"))
	ts.Check(err)
	ctx, cancel := context.WithCancel(context.Background())
	s, err := server.Listen(ctx, server.Config{Address: "127.0.0.1:0", Identities: []*server.Identity{id}})
	ts.Check(err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	ts.Defer(func() {
		cancel()
		if err := <-served; err != nil {
			ts.Logf("the server ends with %v", err)
		}
	})
	ts.Setenv("ADDRESS", s.Addr().String())
	ts.Setenv("FINGERPRINT", s.Fingerprint().String())
}

// diagnose starts a server with everything on and puts its address into $PROBED
// and its fingerprint, of an identity of kind 2, into $PROBED_BY.
func diagnose(ts *testscript.TestScript, _ bool, _ []string) {
	id, err := security.NewHybridIdentity(make([]byte, 32), make([]byte, 32))
	ts.Check(err)
	ctx, cancel := context.WithCancel(context.Background())
	s, err := server.Listen(ctx, server.Config{
		Address: "127.0.0.1:0", Identities: []*server.Identity{id}, Probe: true, AllowUnencrypted: true,
		Suites: []server.Suite{server.SuiteAES256GCM, server.SuiteChaCha20, server.SuitePostQuantum, server.SuiteNone},
	})
	ts.Check(err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	ts.Defer(func() {
		cancel()
		ts.Check(<-served)
	})
	ts.Setenv("PROBED", s.Addr().String())
	ts.Setenv("PROBED_BY", id.Fingerprint().String())
}

// say NAME TEXT listens, answers each connection with a text, hangs up, and
// puts its address into $NAME. With ! it never answers nor hangs up.
func say(ts *testscript.TestScript, neg bool, args []string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = ln.Close() })
	ts.Setenv(args[0], ln.Addr().String())
	if neg {
		return
	}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096)) // the hello, so that closing does not reset
			_, _ = conn.Write([]byte(args[1]))
			_ = conn.Close()
		}
	}()
}

// line FILE TEXT... appends a line to a file.
func line(ts *testscript.TestScript, _ bool, args []string) {
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	_, err = f.WriteString(strings.Join(args[1:], " ") + "\n")
	ts.Check(errors.Join(err, f.Close()))
}

// frame FILE KIND [AT=VALUE...] appends a frame to a file: "hello" is clear,
// "sealed" looks sealed. AT=VALUE sets a byte before the checksum is computed,
// AT^VALUE flips bits after, and cut=N leaves N bytes.
func frame(ts *testscript.TestScript, _ bool, args []string) {
	var f []byte
	switch payload := []byte("sixteen bytes ok"); args[1] {
	case "hello":
		f = wire.AppendClear(nil, wire.TypeHandshake, 0, 1_790_000_000_123_456, payload)
	case "sealed":
		f = make([]byte, wire.Overhead, wire.Overhead+len(payload))
		h := wire.Header{
			Version: 1, Type: wire.TypeHeartbeat, Flags: wire.FlagEncrypted | wire.FlagPriority, Encryption: wire.SuiteAES256GCM,
			PayloadLength: uint32(len(payload)), SessionID: 4711, Sequence: 7, Timestamp: 1_790_000_000_123_456,
			KeyID: [wire.KeyIDSize]byte{0xab, 15: 0xcd},
		}
		h.Put(f, []byte("twelve bytes"))
		f = append(f, payload...)
		wire.Finish(f)
	}
	edit := func(arg, sep string, do func(at int, value byte)) {
		at, value, ok := strings.Cut(arg, sep)
		if !ok {
			return
		}
		i, err := strconv.Atoi(at)
		ts.Check(err)
		v, err := strconv.ParseUint(value, 0, 8)
		ts.Check(err)
		do(i, byte(v))
	}
	for _, arg := range args[2:] {
		if n, ok := strings.CutPrefix(arg, "cut="); ok {
			i, err := strconv.Atoi(n)
			ts.Check(err)
			f = f[:i]
			continue
		}
		edit(arg, "=", func(at int, value byte) {
			f[at] = value
			copy(f[28:32], []byte{0, 0, 0, 0})
			wire.Finish(f)
		})
		edit(arg, "^", func(at int, value byte) { f[at] ^= value })
	}
	out, err := os.OpenFile(ts.MkAbs(args[0]), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	_, err = out.Write(f)
	ts.Check(errors.Join(err, out.Close()))
}

// interrupt TEXT COMMAND ARG... runs a command, sends SIGINT once it has
// printed a line with TEXT, and wants exit code 1. Its standard error goes to
// the file stderr.
func interrupt(ts *testscript.TestScript, _ bool, args []string) {
	path := ""
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		full := filepath.Join(dir, args[1])
		if _, err := os.Stat(full); path == "" && err == nil {
			path = full
		}
	}
	var stdout, stderr notifier
	stdout.text, stdout.seen = args[0], make(chan struct{})
	cmd := exec.Command(path, args[2:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = ts.MkAbs("."), &stdout, &stderr
	ts.Check(cmd.Start())
	late := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	<-stdout.seen
	ts.Check(cmd.Process.Signal(os.Interrupt))
	if got := codeOf(cmd.Wait()); got != 1 {
		ts.Fatalf("exit code %d, want 1:\n%s", got, stderr.all.String())
	}
	ts.Check(os.WriteFile(ts.MkAbs("stderr"), []byte(stderr.all.String()), 0o600))
}

// notifier closes seen when text has been written to it.
type notifier struct {
	all  strings.Builder
	text string
	seen chan struct{}
}

func (n *notifier) Write(b []byte) (int, error) {
	before := n.seen != nil && strings.Contains(n.all.String(), n.text)
	n.all.Write(b)
	if n.seen != nil && !before && strings.Contains(n.all.String(), n.text) {
		close(n.seen)
	}
	return len(b), nil
}
