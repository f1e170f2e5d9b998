package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/report"
)

// runFlags are the flags of xtmp-conform run.
type runFlags struct {
	exec, target string
	udp          string
	pins         []string

	run, skip []string
	profiles  []string
	level     string
	slow      bool

	seed        string
	parallel    int
	order       string
	repeat      int
	timeout     time.Duration
	budgetScale float64
	failFast    bool
	disruptive  bool
	dryRun      bool

	known string
	fix   bool

	output outputFlags
}

func (a app) runCommand() *cobra.Command {
	f := &runFlags{}
	cmd := &cobra.Command{
		Use:   "run [TERM...]",
		Short: "judge a target",
		Long: "Runs the selected cases against a target and reports. A term is a case (XC-0142), an instance (XC-0142[bit=3]), " +
			"a requirement (XTMP-HDR-017), a label, or one of these with * and ?; terms as arguments mean the same as --run.",
		Example: "xtmp-conform run --exec 'my-server --port 0'\n" +
			"xtmp-conform run --target 127.0.0.1:8090 --pin 9f86d081… --profile core --out out\n" +
			"xtmp-conform run --exec ./server --run 'XTMP-HDR-*' --seed 0x2a -v",
		RunE: func(cmd *cobra.Command, args []string) error {
			f.run = append(f.run, args...)
			return a.judge(cmd.Context(), f)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.exec, "exec", "", "command that starts the target and prints READY")
	flags.StringVar(&f.target, "target", "", "host:port of a target that runs")
	flags.StringVar(&f.udp, "udp", "", "where that target serves UDP: host:port, or - for nowhere (default: as TCP)")
	flags.StringArrayVar(&f.pins, "pin", nil, "identity of the target as [KIND:]FINGERPRINT in hex (may be repeated)")
	flags.StringSliceVar(&f.profiles, "profile", nil, "profiles that the target declares, separated by commas (default: core)")
	flags.StringVar(&f.level, "level", "", "cases at this level or above only: must, should, may")
	flags.StringArrayVar(&f.run, "run", nil, "cases that this term matches (may be repeated)")
	flags.StringArrayVar(&f.skip, "skip", nil, "leave out cases that this term matches (may be repeated)")
	flags.BoolVar(&f.slow, "slow", false, "run the cases that wait for a long timer too")
	flags.StringVar(&f.seed, "seed", "", "number from which everything random follows (default: a new one)")
	flags.IntVar(&f.parallel, "parallel", 0, "cases at the same time (default: 16 for a local target, 1 for a remote one)")
	flags.StringVar(&f.order, "order", "random", "random (by the seed) or defined (by ID)")
	flags.IntVar(&f.repeat, "repeat", 1, "run everything so often; verdicts that change are inconclusive")
	flags.DurationVar(&f.timeout, "timeout", 0, "harness budget of one case")
	flags.Float64Var(&f.budgetScale, "budget-scale", 1, "multiply every harness budget; spec timers stay")
	flags.BoolVar(&f.failFast, "fail-fast", false, "begin no further case after a failure")
	flags.BoolVar(&f.disruptive, "allow-disruptive", false, "run disruptive cases against a remote target too")
	flags.StringVar(&f.known, "known-failures", "", "file with the failures that are known")
	flags.BoolVar(&f.fix, "fix", false, "rewrite the file of known failures to fit this run")
	flags.BoolVar(&f.dryRun, "dry-run", false, "show what would run, judge nothing")
	f.output.add(cmd)
	return cmd
}

// judge runs the selected cases and writes the reports.
func (a app) judge(ctx context.Context, f *runFlags) error {
	plan, sel, err := a.plan(f)
	if err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return err
	}
	if f.dryRun {
		return a.showPlan(plan)
	}
	known, err := f.readKnown()
	if err != nil {
		return err
	}
	seed, err := f.seedOf()
	if err != nil {
		return err
	}
	waits, err := conformance.NewWaits(a.registry, f.budgetScale, f.timeout)
	if err != nil {
		return err
	}
	target, err := f.start(ctx, waits)
	if err != nil {
		return err
	}
	defer target.Stop()
	cfg := conformance.Config{
		Target: target, Waits: waits, Seed: seed, Parallel: f.parallel, Ordered: f.order == "defined",
		FailFast: f.failFast, Repeat: f.repeat, AllowDisruptive: f.disruptive, KeepEvidence: f.output.verbose, Probe: a.probe,
	}
	live := f.output.live(a.stderr)
	if live != nil {
		cfg.Progress = live.Progress
	}
	outcome, err := plan.Run(ctx, cfg)
	if live != nil {
		live.Clear()
	}
	if err != nil {
		return err
	}
	return a.report(f, outcome, known, sel)
}

func (a app) plan(f *runFlags) (*conformance.Plan, conformance.Selection, error) {
	sel := conformance.Selection{Run: f.run, Skip: f.skip, Profiles: f.profiles, Slow: f.slow}
	if f.level != "" {
		level, ok := conformance.LevelOf(strings.ToUpper(f.level))
		if !ok {
			return nil, sel, &conformance.UsageError{Message: fmt.Sprintf("--level %q is not must, should or may", f.level)}
		}
		sel.Level = level
	}
	suite, err := a.suite()
	if err != nil {
		return nil, sel, err
	}
	for _, draft := range suite.Drafts(sel.Profiles) {
		fmt.Fprintln(a.stderr, draft)
	}
	plan, err := suite.Select(sel)
	return plan, sel, err
}

// check refuses flags that contradict each other.
func (f *runFlags) check() error {
	usage := func(format string, args ...any) error {
		return &conformance.UsageError{Message: fmt.Sprintf(format, args...)}
	}
	switch {
	case f.dryRun && f.output.files():
		return usage("--dry-run judges nothing, so it has no report to write")
	case !f.dryRun && (f.exec == "") == (f.target == ""):
		return usage("give either --exec or --target")
	case f.udp != "" && f.target == "":
		return usage("--udp goes with --target: a command says where it serves UDP in its READY line")
	case f.order != "random" && f.order != "defined":
		return usage("--order %q is not random or defined", f.order)
	case f.repeat < 1 || f.parallel < 0 || f.timeout < 0:
		return usage("--repeat, --parallel and --timeout cannot be negative, and --repeat is at least 1")
	case f.fix && f.known == "":
		return usage("--fix needs --known-failures")
	}
	return f.output.check()
}

func (f *runFlags) seedOf() (uint64, error) {
	if f.seed == "" {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails
		return binary.BigEndian.Uint64(b[:]), nil
	}
	seed, err := strconv.ParseUint(f.seed, 0, 64)
	if err != nil {
		return 0, &conformance.UsageError{Message: fmt.Sprintf("--seed %q is not a number of 64 bits", f.seed)}
	}
	return seed, nil
}

func (f *runFlags) start(ctx context.Context, waits *conformance.Waits) (conformance.Target, error) {
	if f.target == "" {
		return conformance.StartCommand(ctx, f.exec, waits, f.pins...)
	}
	address, err := conformance.NewAddress(f.target, f.pins...)
	if err == nil && f.udp != "" {
		err = address.ServeUDP(f.udp)
	}
	return address, err
}

// showPlan prints what would run.
func (a app) showPlan(plan *conformance.Plan) error {
	judged, controls := plan.Instances()
	for _, id := range judged {
		fmt.Fprintln(a.stdout, id)
	}
	for _, id := range controls {
		fmt.Fprintln(a.stdout, id, "(control only)")
	}
	_, err := fmt.Fprintf(a.stdout, "%d instances, %d more as controls\n", len(judged), len(controls))
	return err
}

// readKnown reads the list of known failures. Only with --fix may it be
// missing.
func (f *runFlags) readKnown() (*conformance.KnownFailures, error) {
	if f.known == "" {
		return nil, nil
	}
	text, err := os.ReadFile(f.known)
	if os.IsNotExist(err) && f.fix {
		return conformance.ParseKnownFailures(strings.NewReader(""))
	}
	if err != nil {
		return nil, &conformance.UsageError{Message: "known failures: " + err.Error()}
	}
	return conformance.ParseKnownFailures(strings.NewReader(string(text)))
}

// report writes everything that was asked for and concludes.
func (a app) report(f *runFlags, o *conformance.Outcome, known *conformance.KnownFailures, sel conformance.Selection) error {
	conclusion := o.Conclude(known)
	captures, err := f.output.captures(o, f.replay())
	if err != nil {
		return harnessError{err}
	}
	document, err := report.New(o, conclusion, report.About{
		Version: version(), Command: f.exec, Replay: f.replay(), Selection: sel, Known: known, Captures: captures,
	})
	if err != nil {
		return harnessError{err}
	}
	if err := f.output.write(document, a.stdout); err != nil {
		return harnessError{err}
	}
	if f.fix && !o.Interrupted {
		return a.fix(f, o, known, conclusion)
	}
	return conclude(conclusion.Code)
}

// fix rewrites the list. A list that had to change is stale, whatever else the
// run came to.
func (a app) fix(f *runFlags, o *conformance.Outcome, known *conformance.KnownFailures, c conformance.Conclusion) error {
	fixed := known.Fix(o)
	before, err := os.ReadFile(f.known)
	if err != nil && !os.IsNotExist(err) {
		return harnessError{err}
	}
	if string(before) == fixed {
		return conclude(c.Code)
	}
	if err := writeFile(f.known, func(w io.Writer) error {
		_, err := io.WriteString(w, fixed)
		return err
	}); err != nil {
		return harnessError{err}
	}
	fmt.Fprintf(a.stderr, "%s has been rewritten. Look at the difference, say why each failure is known, and run again.\n", f.known)
	return conclude(conformance.ExitStale)
}

// replay is the command line that reaches the same target under the same
// budgets.
func (f *runFlags) replay() []string {
	words := []string{"xtmp-conform", "run"}
	if f.exec != "" {
		words = append(words, "--exec", f.exec)
	} else {
		words = append(words, "--target", f.target)
	}
	if f.udp != "" {
		words = append(words, "--udp", f.udp)
	}
	for _, pin := range f.pins {
		words = append(words, "--pin", pin)
	}
	if len(f.profiles) > 0 {
		words = append(words, "--profile", strings.Join(f.profiles, ","))
	}
	if f.timeout != 0 {
		words = append(words, "--timeout", f.timeout.String())
	}
	if f.budgetScale != 1 {
		words = append(words, "--budget-scale", strconv.FormatFloat(f.budgetScale, 'g', -1, 64))
	}
	if f.disruptive {
		words = append(words, "--allow-disruptive")
	}
	return words
}
