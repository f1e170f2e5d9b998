package main

import (
	"context"
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"xtmp-netsim": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "capture": readCapture},
	})
}

// exits CODE COMMAND ARG... runs a command and wants its exit code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		got = -1
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// An interrupt ends a swarm at once, and what was found until then is said.
func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs strings.Builder
	if code := run(ctx, []string{"run", "--seeds", "0-999999999"}, nil, &out, &errs); code != exitInterrupted {
		t.Errorf("exit code %d: %s", code, &errs)
	}
	if !strings.Contains(out.String(), "runs, 0 break a rule") {
		t.Errorf("got %q", &out)
	}
}

func TestBar(t *testing.T) {
	b := &bar{total: 2000}
	for _, c := range []struct {
		done, broken int
		wall         time.Duration
		want         string
	}{
		{0, 0, 0, "────────────────────     0/2000"},
		{500, 0, time.Second, "━━━━━───────────────   500/2000  500/s  3s left"},
		{2000, 3, 10 * time.Second, "━━━━━━━━━━━━━━━━━━━━  2000/2000  3 broken  200/s  0s left"},
	} {
		if got := b.line(c.done, c.broken, c.wall); got != c.want {
			t.Errorf("got  %q\nwant %q", got, c.want)
		}
	}
	if newBar(new(strings.Builder), 1) != nil {
		t.Error("there is a bar where there is no terminal")
	}
}
