package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bpci/xtmp/conformance/report"
	"github.com/bpci/xtmp/internal/capturefile"
)

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":     exits,
			"interrupt": interrupt,
			"intact":    intact,
			"captured":  captured,
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

// interrupt FILE COMMAND ARG... runs a command, sends SIGINT once the file
// exists, and wants exit code 130.
func interrupt(ts *testscript.TestScript, _ bool, args []string) {
	mark := ts.MkAbs(args[0])
	path := ""
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if full := filepath.Join(dir, args[1]); path == "" && isFile(full) {
			path = full
		}
	}
	cmd := exec.Command(path, args[2:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = []string{"LINE_MARK=" + mark, "PATH=" + ts.Getenv("PATH")}
	ts.Check(cmd.Start())
	for range 500 {
		if isFile(mark) {
			break
		}
		time.Sleep(10 * time.Millisecond) // the other process has no way to call us
	}
	ts.Check(cmd.Process.Signal(os.Interrupt))
	if got := codeOf(cmd.Wait()); got != 130 {
		ts.Fatalf("exit code %d, want 130", got)
	}
}

// captured FILE TEXT... reads a capture that is for its owner alone, and wants each
// text in what was said in it.
func captured(ts *testscript.TestScript, _ bool, args []string) {
	name := ts.MkAbs(args[0])
	info, err := os.Stat(name)
	ts.Check(err)
	if info.Mode().Perm() != 0o600 {
		ts.Fatalf("%s has mode %v", args[0], info.Mode())
	}
	file, err := os.Open(name)
	ts.Check(err)
	defer file.Close()
	reader, err := capturefile.NewReader(file)
	ts.Check(err)
	said := reader.Section().Comment + "\n"
	for {
		p, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		ts.Check(err)
		s, err := p.Segment()
		ts.Check(err)
		said += string(s.Payload)
	}
	for _, text := range args[1:] {
		if !strings.Contains(said, text) {
			ts.Fatalf("%s lacks %q: %q", args[0], text, said)
		}
	}
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// intact FILE wants a report that Read verifies; ! intact wants a damaged one.
func intact(ts *testscript.TestScript, neg bool, args []string) {
	file, err := os.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer file.Close()
	if _, err := report.Read(file); (err != nil) != neg {
		ts.Fatalf("reading %s: %v", args[0], err)
	}
}
