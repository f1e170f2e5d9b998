package conformance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

// peerCommand is the line that starts this test binary as a line peer.
func peerCommand(t *testing.T, mode string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s=%s exec %s", linePeerVariable, mode, self)
}

func startPeer(t *testing.T, mode string) *Command {
	t.Helper()
	target, err := StartCommand(context.Background(), peerCommand(t, mode), quickWaits(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(target.Stop)
	return target
}

func TestCommandComesUp(t *testing.T) {
	target := startPeer(t, "normal")
	e := target.Endpoint()
	if !e.Loopback() || len(e.Fingerprint) != 32 || e.Fingerprint[31] != 0x0b || e.Generation != 0 {
		t.Errorf("endpoint %+v, want a loopback address and a fingerprint that ends in 0b", e)
	}
	if how, ended := target.Ended(0); ended {
		t.Errorf("it has ended: %s", how)
	}
	target.Stop()
	if how, ended := target.Ended(0); !ended || !strings.Contains(how, "terminated") {
		t.Errorf("after Stop: %q, %v; want it ended by SIGTERM", how, ended)
	}
}

func TestStopIsFinal(t *testing.T) {
	target := startPeer(t, "stubborn")
	target.Stop()
	if how, ended := target.Ended(0); !ended || !strings.Contains(how, "killed") {
		t.Errorf("after Stop: %q, %v; want it ended by SIGKILL", how, ended)
	}
}

func TestReadyNamesPins(t *testing.T) {
	first, second := strings.Repeat("01", 32), strings.Repeat("02", 32)
	e, err := parseReady("READY tcp=127.0.0.1:1 udp=- fingerprint=" + first + " pins=1:" + first + ",2:" + second)
	if err != nil || len(e.Pins) != 2 || e.Pins[0].Kind != 1 || e.Pins[1].Kind != 2 || e.Fingerprint[0] != 1 {
		t.Errorf("%+v, %v; want two pins with their kinds", e, err)
	}
	if _, err := parseReady("READY tcp=127.0.0.1:1 pins=2"); err == nil {
		t.Error("a pin without digits is taken")
	}
}

func TestCommandDoesNotComeUp(t *testing.T) {
	for _, test := range []struct{ line, says, stdout, stderr string }{
		{peerCommand(t, "dies"), "it ended before its READY line: exit status 7", "not READY, says a banner\n", "line peer: dies\n"},
		{peerCommand(t, "mute"), "no READY line within", "", "line peer: mute\n"},
		{peerCommand(t, "nonsense"), "tcp=nowhere is not host:port", "", "line peer: nonsense\n"},
		{"echo READY", "no tcp=host:port", "", ""},
		{"exit 5", "it ended before its READY line: exit status 5", "", ""},
	} {
		waits, err := NewWaits(testRegistry(), 0.02, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = StartCommand(context.Background(), test.line, waits)
		var failure *TargetError
		if !errors.As(err, &failure) {
			t.Errorf("%s: got %v, want a TargetError", test.line, err)
			continue
		}
		if !strings.Contains(failure.Error(), test.says) || failure.Stdout != test.stdout || failure.Stderr != test.stderr {
			t.Errorf("%s: got %q, stdout %q, stderr %q", test.line, failure, failure.Stdout, failure.Stderr)
		}
	}
}

// TestCrashIsNotRejection kills the peer from one case among many: that case
// fails, whatever its table says about closing, and no other does.
func TestCrashIsNotRejection(t *testing.T) {
	closing := Expect{Strict: Closed(), Forbidden: Rows(Accepted())}
	cases := []Case{control(), negative("XC-0002", "DIE", closing)}
	for i := range 12 {
		cases = append(cases, negative(fmt.Sprintf("XC-%04d", i+3), "CLOSE", closing))
	}
	o := judge(t, startPeer(t, "normal"), nil, cases...)
	for _, r := range o.Results {
		switch {
		case r.ID == "XC-0002" && (r.Verdict != Fail || !strings.HasPrefix(r.Reason, "got Crash: the process ended: exit status 3")):
			t.Errorf("%s: got %s %q, want a crash", r.ID, r.Verdict, r.Reason)
		case r.ID == "XC-0002" && !strings.Contains(r.Stderr, "panic: as asked"):
			t.Errorf("%s: stderr %q lacks the panic", r.ID, r.Stderr)
		case r.ID != "XC-0002" && r.Verdict != Pass:
			t.Errorf("%s: got %s %q, want pass", r.ID, r.Verdict, r.Reason)
		}
	}
	if o.Restarts == 0 {
		t.Error("the peer was not started anew")
	}
}

// TestCrashWithoutCulprit: the peer died while several cases ran, and none of
// them kills it alone. Then nobody knows which of them did.
func TestCrashWithoutCulprit(t *testing.T) {
	c := negative("XC-0002", "", Expect{Strict: Closed(), Forbidden: Rows(Accepted())})
	c.Run = func(x *Exchange) {
		line := "DIE"
		if x.attempt > 0 {
			line = "CLOSE"
		}
		x.Judge(converse(x).ask(line, BudgetReply))
	}
	r := resultOf(t, judge(t, startPeer(t, "normal"), nil, control(), c), c.ID)
	if r.Verdict != Inconclusive || len(r.Attempts) != 2 {
		t.Errorf("got %s %q after %d attempts, want inconclusive after 2", r.Verdict, r.Reason, len(r.Attempts))
	}
}

// TestDeadAddress: nobody can start an address anew. With no neighbours it is
// certain which case killed it.
func TestDeadAddress(t *testing.T) {
	closing := Expect{Strict: Closed(), Forbidden: Rows(Accepted())}
	for parallel, want := range map[int]Verdict{1: Fail, 8: Inconclusive} {
		o := judge(t, lineTarget(t), func(c *Config) { c.Parallel, c.Ordered = parallel, true },
			control(), negative("XC-0002", "DIE", closing), negative("XC-0003", "CLOSE", closing))
		if o.Lost == "" {
			t.Error("the target is not lost")
		}
		if r := resultOf(t, o, "XC-0002"); r.Verdict != want {
			t.Errorf("%d at a time: got %s %q, want %s", parallel, r.Verdict, r.Reason, want)
		}
	}
}

// TestNoProbeNoPass: where the probe never worked, nobody can say that the
// peer survived, so no negative case passes.
func TestNoProbeNoPass(t *testing.T) {
	o := judge(t, lineTarget(t), func(c *Config) { c.Probe = func(*Exchange) error { return errors.New("no such luck") } },
		control(), negative("XC-0002", "BAD", refused()))
	if r := resultOf(t, o, "XC-0002"); r.Verdict != Inconclusive || !strings.Contains(r.Reason, "no such luck") {
		t.Errorf("got %s %q, want inconclusive for want of a probe", r.Verdict, r.Reason)
	}
	if r := resultOf(t, o, "XC-0001"); r.Verdict != Pass {
		t.Errorf("control: got %s %q, want pass", r.Verdict, r.Reason)
	}
}
