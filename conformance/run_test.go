package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
)

// refused is the table of the negative cases here.
func refused() Expect {
	return Expect{
		Strict:    []Reaction{Row(ErrorFrame(21, ScopeSession), "XTMP-TST-002")},
		Allowed:   []Reaction{Row(Ignored())},
		Tolerated: Rows(CleanClose()),
		Forbidden: []Reaction{Row(Accepted(), "XTMP-TST-002"), Row(Silence(""), "nobody can wait")},
	}
}

func TestVerdicts(t *testing.T) {
	should := func(c Case) Case {
		c.Level, c.Proves = Should, []string{"XTMP-TST-003"}
		return c
	}
	run := func(f func(x *Exchange)) Case {
		c := negative("XC-0002", "", refused())
		c.Run = f
		return c
	}
	for _, test := range []struct {
		name    string
		c       Case
		want    Verdict
		reason  string
		matched Match
	}{
		{"strict row", negative("XC-0002", "BAD", refused()), Pass, "", Match{GradeStrict, 0}},
		{"allowed row", run(func(x *Exchange) {
			c := converse(x)
			c.say("IGNORE")
			x.Judge(x.Fence(c))
		}), Pass, "", Match{GradeAllowed, 0}},
		{"tolerated row", negative("XC-0002", "CLOSE", refused()), PassTolerated, "", Match{GradeTolerated, 0}},
		{
			"forbidden row", negative("XC-0002", "GOOD", refused()), Fail,
			"got Accepted, wanted strict: ErrorFrame(0x15, session); allowed: Ignored (forbidden: XTMP-TST-002)",
			Match{GradeForbidden, 0},
		},
		{"unlisted reaction", negative("XC-0002", "RESET", refused()), Fail, "got Reset", Match{GradeUnlisted, -1}},
		{"forbidden at SHOULD", should(negative("XC-0002", "GOOD", refused())), Warn, "got Accepted", Match{GradeForbidden, 0}},
		{"illegal bytes at SHOULD", should(negative("XC-0002", "GARBAGE", refused())), Fail, "got Malformed", Match{GradeUnlisted, -1}},
		{"a ban", run(func(x *Exchange) { x.Judge(Throttled("too many")) }), Inconclusive, "got Throttled", Match{GradeUnlisted, -1}},
		{"silence", negative("XC-0002", "IGNORE", refused()), Fail, "got Silence(reply)", Match{GradeForbidden, 1}},
		{"requirement not met", run(func(x *Exchange) { x.Require(false, "%d is even", 3) }), Fail, "not so: 3 is even", Match{}},
		{"field not equal", run(func(x *Exchange) { x.RequireField("code", 21, 22) }), Fail, "code is 22, must be 21", Match{}},
		{"bytes not equal", run(func(x *Exchange) {
			x.RequireBytes("flags", []byte{0x80}, []byte{0xF0}, []byte{0x4F})
		}), Fail, "flags is 4f, must be 80", Match{}},
		{"bytes equal under mask", run(func(x *Exchange) {
			x.RequireBytes("flags", []byte{0x80}, []byte{0xF0}, []byte{0x8F})
		}), Pass, "", Match{}},
		{"two fields differ", run(func(x *Exchange) {
			x.RequireSame("the answer", []Difference{{Field: "a", Want: "1", Got: "2"}, {Field: "b", Want: "3", Got: "4"}})
		}), Fail, "the answer: a is 2, must be 1, and 1 more", Match{}},
		{"no field differs", run(func(x *Exchange) { x.RequireSame("the answer", nil) }), Pass, "", Match{}},
		{"matcher failed", run(func(x *Exchange) { x.Fail("expected this", 2) }), Fail, "expected this", Match{}},
		{"unsupported", run(func(x *Exchange) { x.Unsupported("udp") }), Unsupported, "the peer declares that it lacks udp", Match{}},
		{"gave up", run(func(x *Exchange) { x.Inconclusive("no %s", "idea") }), Inconclusive, "no idea", Match{}},
		{"judged nothing", run(func(*Exchange) {}), HarnessError, "the case judged nothing", Match{}},
		{"panic", run(func(*Exchange) { panic("oops") }), HarnessError, "the case panicked: oops", Match{}},
		{"unknown wait", run(func(x *Exchange) { x.Within("2 s") }), HarnessError, `"2 s" is neither`, Match{}},
		{"unknown param", run(func(x *Exchange) { x.Param("bit") }), HarnessError, "the case declares no param", Match{}},
		{"opaque error", run(func(x *Exchange) {
			x.Observe(errors.New("mine"), BudgetReply)
		}), HarnessError, "an error that says nothing", Match{}},
		{"deadline", run(func(x *Exchange) {
			for {
				x.Pause(BudgetQuiet)
			}
		}), Inconclusive, "the case's deadline came before it could judge", Match{}},
		{"deadline while reading", run(func(x *Exchange) {
			x.Judge(converse(x).ask("IGNORE", "T_TEST"))
		}), Inconclusive, "the case's deadline came", Match{}},
		{"flood", run(func(x *Exchange) {
			c := converse(x)
			c.say("FLOOD")
			x.Judge(c.End(BudgetCase))
		}), Inconclusive, "the peer sent more than", Match{}},
		{"good, then bad", run(func(x *Exchange) {
			x.Judge(converse(x).ask("BAD", BudgetReply))
			x.Judge(converse(x).ask("GOOD", BudgetReply))
		}), Fail, "got Accepted", Match{GradeForbidden, 0}},
		{"tolerated, then strict", run(func(x *Exchange) {
			x.Judge(converse(x).ask("CLOSE", BudgetReply))
			x.Judge(converse(x).ask("BAD", BudgetReply))
		}), PassTolerated, "", Match{GradeStrict, 0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			waits, err := NewWaits(testRegistry(), 0.1, 600*1e6)
			if err != nil {
				t.Fatal(err)
			}
			o := judge(t, lineTarget(t), func(cfg *Config) { cfg.Waits = waits }, control(), test.c)
			r := resultOf(t, o, "XC-0002")
			if r.Verdict != test.want || !strings.HasPrefix(r.Reason, test.reason) {
				t.Errorf("got %s %q, want %s %q", r.Verdict, r.Reason, test.want, test.reason)
			}
			if test.matched != (Match{}) && (r.Match == nil || *r.Match != test.matched) {
				t.Errorf("met row %v, want %v", r.Match, test.matched)
			}
			if r.Verdict.Passed() && r.Timeline != nil {
				t.Errorf("%s keeps %d entries of the timeline", r.Verdict, len(r.Timeline))
			}
		})
	}
}

func TestControlDecides(t *testing.T) {
	broken := control()
	broken.Run = func(x *Exchange) { x.Judge(converse(x).ask("BAD", BudgetReply)) }
	ran := false
	leaning := negative("XC-0002", "BAD", refused())
	leaning.Run = func(*Exchange) { ran = true }
	further := negative("XC-0003", "BAD", refused())
	further.Control, further.Expect = "XC-0002", Expect{Strict: Closed()}
	leaning.Expect = Expect{Strict: Rows(Accepted())}
	o := judge(t, lineTarget(t), nil, broken, leaning, further)
	for _, id := range []string{"XC-0002", "XC-0003"} {
		if r := resultOf(t, o, id); r.Verdict != Inconclusive || !strings.Contains(r.Reason, "did not pass") {
			t.Errorf("%s: got %s %q, want it inconclusive because of its control", id, r.Verdict, r.Reason)
		}
	}
	if ran {
		t.Error("a case ran although its control had failed")
	}
	if code := o.Conclude(nil).Code; code != ExitNonConformant {
		t.Errorf("exit code %d, want %d: the control itself failed", code, ExitNonConformant)
	}
}

func TestControlRunsWithoutBeingSelected(t *testing.T) {
	suite, err := NewSuite(testRegistry(), []Case{control(), negative("XC-0002", "BAD", refused())})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := suite.Select(Selection{Run: []string{"XC-0002"}})
	if err != nil {
		t.Fatal(err)
	}
	o, err := plan.Run(context.Background(), Config{Target: lineTarget(t), Waits: quickWaits(t), Probe: pingProbe})
	if err != nil {
		t.Fatal(err)
	}
	if r := resultOf(t, o, "XC-0001"); r.Judged || r.Verdict != Pass {
		t.Errorf("control: got %s, judged %v; want it to pass and not to count", r.Verdict, r.Judged)
	}
	if r := resultOf(t, o, "XC-0002"); r.Control != Pass || r.Verdict != Pass {
		t.Errorf("got %s with control %q, want pass with pass", r.Verdict, r.Control)
	}
	if n := o.Counts()[Pass]; n != 1 {
		t.Errorf("%d passes count, want 1", n)
	}
}

func TestTimingFailureIsRepeatedAlone(t *testing.T) {
	var tries atomic.Int32
	c := control()
	c.Run = func(x *Exchange) {
		if tries.Add(1) == 1 {
			x.Judge(Silence(BudgetReply))
		}
		x.Judge(Accepted())
	}
	r := resultOf(t, judge(t, lineTarget(t), nil, c), c.ID)
	if r.Verdict != Inconclusive || !strings.HasPrefix(r.Reason, "unstable: got Silence(reply)") {
		t.Errorf("mixed attempts: got %s %q, want inconclusive", r.Verdict, r.Reason)
	}
	if len(r.Attempts) != 2 || r.Attempts[0].Alone || !r.Attempts[1].Alone {
		t.Errorf("attempts %v, want one with neighbours and one alone", r.Attempts)
	}

	c.Run = func(x *Exchange) {
		for x.attempt == 0 {
			x.Pause(BudgetQuiet)
		}
		x.Judge(Accepted())
	}
	r = resultOf(t, judge(t, lineTarget(t), nil, c), c.ID)
	if r.Verdict != Inconclusive || len(r.Attempts) != 2 {
		t.Errorf("a deadline, then a pass: got %s after %d attempts, want inconclusive after 2", r.Verdict, len(r.Attempts))
	}

	c.Run = func(x *Exchange) { x.Judge(converse(x).ask("IGNORE", BudgetReply)) }
	r = resultOf(t, judge(t, lineTarget(t), nil, c), c.ID)
	if r.Verdict != Fail || len(r.Attempts) != 2 {
		t.Errorf("late twice: got %s after %d attempts, want fail after 2", r.Verdict, len(r.Attempts))
	}

	c.Run = func(x *Exchange) { x.Judge(converse(x).ask("CLOSE", BudgetReply)) }
	r = resultOf(t, judge(t, lineTarget(t), nil, c), c.ID)
	if r.Verdict != Fail || len(r.Attempts) != 1 {
		t.Errorf("a failure that is not one of timing: got %s after %d attempts, want fail after 1", r.Verdict, len(r.Attempts))
	}
}

func TestTimingBounds(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(*Exchange)
		want Verdict
	}{
		{"in time", func(x *Exchange) { x.RequireWithin("T_TEST", x.Mark()) }, Pass},
		{"too late", func(x *Exchange) {
			m := x.Mark()
			x.Pause("T_SHORT")
			x.Pause("T_SHORT")
			x.Pause("T_SHORT")
			x.RequireWithin("T_SHORT", m)
		}, Fail},
		{"late enough", func(x *Exchange) {
			m := x.Mark()
			x.Pause("T_SHORT")
			x.RequireNotBefore("T_SHORT", m)
		}, Pass},
		{"too early", func(x *Exchange) { x.RequireNotBefore("T_SHORT", x.Mark()) }, Fail},
		{"so in time", func(x *Exchange) { x.RequireInTime(true, "it is so") }, Pass},
		{"not so in time", func(x *Exchange) { x.RequireInTime(false, "it is so") }, Fail},
	} {
		c := control()
		c.Run = test.run
		o := judge(t, lineTarget(t), nil, c)
		r := resultOf(t, o, c.ID)
		if o.Calibration.Slack > 25e6 {
			t.Skipf("this machine is too unsteady: slack %v", o.Calibration.Slack)
		}
		if r.Verdict != test.want {
			t.Errorf("%s: got %s %q, want %s", test.name, r.Verdict, r.Reason, test.want)
		}
		if test.want == Fail && len(r.Attempts) != 2 {
			t.Errorf("%s: %d attempts, want 2", test.name, len(r.Attempts))
		}
	}
}

// TestOrderDoesNotMatter compares serial, parallel, ordered and shuffled runs.
func TestOrderDoesNotMatter(t *testing.T) {
	var cases []Case
	cases = append(cases, control())
	for i, line := range []string{"BAD", "GOOD", "CLOSE", "RESET", "BAD", "GARBAGE", "GOOD"} {
		c := negative(fmt.Sprintf("XC-%04d", i+2), line, refused())
		c.Params = []Param{{"n", []string{"1", "2", "3"}}}
		cases = append(cases, c)
	}
	digests := map[string]string{}
	for name, change := range map[string]func(*Config){
		"serial":   func(c *Config) { c.Parallel = 1 },
		"parallel": func(c *Config) { c.Parallel = 8 },
		"ordered":  func(c *Config) { c.Ordered = true },
		"seed 2":   func(c *Config) { c.Seed = 2 },
		"twice":    func(c *Config) { c.Repeat = 2 },
	} {
		o := judge(t, lineTarget(t), change, cases...)
		if len(o.Results) != 22 {
			t.Errorf("%s: %d results, want 22", name, len(o.Results))
		}
		digests[o.Digest()] = name
	}
	if len(digests) != 1 {
		t.Errorf("the digests differ: %v", digests)
	}
}

func TestRepeatFindsInstability(t *testing.T) {
	var tries atomic.Int32
	c := control()
	c.Run = func(x *Exchange) { x.Require(tries.Add(1) != 2, "it is not the second time") }
	r := resultOf(t, judge(t, lineTarget(t), func(cfg *Config) { cfg.Repeat = 3 }, c), c.ID)
	if r.Verdict != Inconclusive || len(r.Attempts) != 3 {
		t.Errorf("got %s after %d attempts, want inconclusive after 3", r.Verdict, len(r.Attempts))
	}
}

func TestFailFast(t *testing.T) {
	bad := control()
	bad.Run = func(x *Exchange) { x.Require(false, "true") }
	o := judge(t, lineTarget(t), func(c *Config) {
		c.FailFast, c.Parallel, c.Ordered = true, 1, true
	}, bad, negative("XC-0002", "BAD", refused()))
	if r := resultOf(t, o, "XC-0002"); r.Verdict != Skipped || r.Reason != reasonFailFast {
		t.Errorf("got %s %q, want it skipped", r.Verdict, r.Reason)
	}
}

// Of several instances that have to run again alone, one failure is enough.
func TestFailFastAlone(t *testing.T) {
	var tries atomic.Int32
	var cases []Case
	for _, id := range []string{"XC-0001", "XC-0002", "XC-0003"} {
		c := control()
		c.ID, c.Title = id, "Nothing comes, "+id+"."
		c.Run = func(x *Exchange) {
			tries.Add(1)
			x.Judge(converse(x).hear(BudgetQuiet)) // nothing comes
		}
		cases = append(cases, c)
	}
	o := judge(t, lineTarget(t), func(c *Config) { c.FailFast, c.Parallel = true, 3 }, cases...)
	if n := tries.Load(); n != 4 {
		t.Errorf("%d attempts, want one of each and one alone", n)
	}
	if r := resultOf(t, o, "XC-0001"); r.Verdict != Fail {
		t.Errorf("got %s %q, want it failed", r.Verdict, r.Reason)
	}
	if r := resultOf(t, o, "XC-0003"); r.Verdict != Skipped || r.Reason != reasonFailFast {
		t.Errorf("got %s %q, want it skipped", r.Verdict, r.Reason)
	}
}

func TestInterruption(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	c := control()
	c.Run = func(x *Exchange) {
		cancel()
		x.Pause("T_TEST")
	}
	plan := planOf(t, c, negative("XC-0002", "BAD", refused()))
	o, err := plan.Run(ctx, Config{Target: lineTarget(t), Waits: quickWaits(t), Probe: pingProbe})
	if err != nil {
		t.Fatal(err)
	}
	if c := o.Conclude(nil); c.Code != ExitInterrupted {
		t.Errorf("exit code %d, want %d", c.Code, ExitInterrupted)
	}
	for _, r := range o.Results {
		if r.Verdict != Skipped || r.Reason != reasonInterrupted {
			t.Errorf("%s: got %s %q, want skipped", r.ID, r.Verdict, r.Reason)
		}
	}
}

func TestAttemptsAreDifferentHosts(t *testing.T) {
	seen := map[string]bool{}
	c := control()
	c.Params = []Param{{"n", []string{"1", "2", "3", "4"}}}
	c.Run = func(x *Exchange) {
		for person := range MaxPersons {
			conn, err := x.DialAs(person)
			if err != nil {
				x.Fatal(err)
			}
			host, _, _ := strings.Cut(conn.LocalAddr().String(), ":")
			x.Require(!seen[host], "%s is a new host", host)
			seen[host] = true
		}
	}
	o := judge(t, lineTarget(t), func(c *Config) { c.Parallel, c.Repeat = 1, 2 }, c)
	for _, r := range o.Results {
		if r.Verdict != Pass {
			t.Errorf("%s: %s %s", r.ID, r.Verdict, r.Reason)
		}
	}
}

func TestRemoteTargetIsTreatedGently(t *testing.T) {
	c := control()
	c.Disruptive = true
	remote, err := NewAddress("192.0.2.1:9", "")
	if err != nil {
		t.Fatal(err)
	}
	r := newRun(planOf(t, c), Config{Target: remote, Waits: quickWaits(t)})
	if v, reason := r.obstacle(context.Background(), r.plan.chosen[0]); v != Skipped || reason != reasonDisruptive {
		t.Errorf("got %s %q, want it skipped as disruptive", v, reason)
	}
	if r.pacer.interval <= 0 || r.cfg.Parallel != 1 {
		t.Errorf("interval %v and %d at a time, want a pause and one", r.pacer.interval, r.cfg.Parallel)
	}
	r.cfg.AllowDisruptive = true
	if v, _ := r.obstacle(context.Background(), r.plan.chosen[0]); v != "" {
		t.Errorf("got %s although disruptive cases are allowed", v)
	}
}

// Whoever proves another identity than the one it was named by is not judged.
func TestAnotherIdentityIsNotJudged(t *testing.T) {
	plan := planOf(t, control())
	stranger := &IdentityError{Expected: []byte{1}, Met: []byte{2}}
	_, err := plan.Run(context.Background(), Config{
		Target: lineTarget(t), Waits: quickWaits(t), Probe: func(*Exchange) error { return fmt.Errorf("probe: %w", stranger) },
	})
	var target *TargetError
	if !errors.As(err, &target) || !errors.Is(err, stranger) {
		t.Fatalf("got %v, want a *TargetError for the identity", err)
	}
}

// A case whose control cannot be asked cannot be asked either.
func TestUnsupportedControl(t *testing.T) {
	lacking := control()
	lacking.Run = func(x *Exchange) { x.Unsupported("a feature") }
	o := judge(t, lineTarget(t), nil, lacking, negative("XC-0002", "BAD", refused()))
	if r := resultOf(t, o, "XC-0002"); r.Verdict != Unsupported || r.Reason != "its control XC-0001 is unsupported" {
		t.Errorf("got %s: %s", r.Verdict, r.Reason)
	}
	matrix := o.Suite.Coverage(map[string]Verdict{"XC-0001": Unsupported, "XC-0002": Pass})
	if matrix[0].Verdict != Unsupported || matrix[1].Verdict != Pass {
		t.Errorf("the matrix says %s and %s", matrix[0].Verdict, matrix[1].Verdict)
	}
}

// No two cases that move many bytes run at the same time, others do.
func TestBulkCasesTakeTurns(t *testing.T) {
	var bulk, most atomic.Int32
	list := []Case{control()}
	for i := range 6 {
		c := control()
		c.ID, c.Title, c.Bulk = fmt.Sprintf("XC-%04d", 10+i), fmt.Sprintf("It moves %d megabytes.", i), true
		c.Run = func(x *Exchange) {
			most.Store(max(most.Load(), bulk.Add(1)))
			x.Pause("T_SHORT")
			bulk.Add(-1)
			x.Require(true, "it is done")
		}
		list = append(list, c)
	}
	o := judge(t, lineTarget(t), nil, list...)
	if most.Load() != 1 || o.Counts()[Pass] != len(list) {
		t.Errorf("%d at the same time, %v", most.Load(), o.Counts())
	}
}
