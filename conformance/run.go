package conformance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Config says how to run a plan.
type Config struct {
	Target          Target
	Waits           *Waits
	Seed            uint64                // everything random follows from it
	Parallel        int                   // cases at the same time; 0 means DefaultParallel, 1 for a remote target
	Ordered         bool                  // in order of ID instead of the order of the seed
	FailFast        bool                  // skip what has not begun once a case has failed
	Repeat          int                   // how often to run everything; 0 means once
	AllowDisruptive bool                  // run disruptive cases against a remote target
	KeepEvidence    bool                  // keep the timeline of passes too
	Probe           func(*Exchange) error // nil means DialProbe
	Progress        func(Event)           // called from one goroutine at a time; may be nil
}

// DefaultParallel is how many cases meet a local target at the same time.
const DefaultParallel = 16

// An Event tells how far a run is.
type Event struct {
	ID      string  // of the instance
	Verdict Verdict // empty when the instance begins
	Reason  string
	Done    int // instances with a verdict
	Total   int
}

// The reasons for cases that did not run.
const (
	reasonSkipped     = "left out by the user"
	reasonSlow        = "waits for a long timer: --slow, or its ID, includes it"
	reasonInterrupted = "the run was interrupted"
	reasonFailFast    = "another case had failed"
	reasonDisruptive  = "disruptive, and the target is remote"
)

// maxRestarts bounds how often one run starts a dying process anew.
const maxRestarts = 16

// A run is the state of one call of Plan.Run.
type run struct {
	cfg   Config
	plan  *Plan
	waits *Waits
	pacer *pacer

	steady *steadiness

	// gate is held shared by every attempt, and alone while the target is
	// examined or started anew.
	gate     sync.RWMutex
	baseline string // why the probe failed before the first case

	mu       sync.Mutex
	lost     string
	failed   bool
	restarts int

	trafficKept int // bytes that the results keep for captures

	done     int
	total    int
	verdicts map[string]Verdict // gravest by case ID
}

// Run executes the plan. An error means that no case could run; everything
// else, interruption included, is in the outcome.
func (p *Plan) Run(ctx context.Context, cfg Config) (*Outcome, error) {
	r := newRun(p, cfg)
	endpoint := cfg.Target.Endpoint()
	if endpoint.TCP == "" {
		return nil, &TargetError{Stage: "becoming ready", Cause: fmt.Errorf("it has no address")}
	}
	outcome := &Outcome{
		Suite: p.suite, Seed: cfg.Seed, Parallel: r.cfg.Parallel, Started: time.Now(), Endpoint: endpoint,
	}
	var err error
	if outcome.Calibration, err = calibrate(ctx, endpoint.TCP, r.waits.budget(BudgetConnect)); err != nil {
		return nil, &TargetError{Stage: "answering", Cause: err, Stderr: cfg.Target.Stderr()}
	}
	r.waits.slack, r.waits.jitter = outcome.Calibration.Slack, outcome.Calibration.Jitter
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go r.steady.watch(watching)
	if err := r.probe(ctx, p.all()[0], 0); err != nil {
		var identity *IdentityError
		if errors.As(err, &identity) {
			return nil, &TargetError{Stage: "proving its identity", Cause: identity}
		}
		r.baseline = err.Error()
	}
	var rounds [][]Result
	for round := range max(1, cfg.Repeat) {
		rounds = append(rounds, r.round(ctx, round))
	}
	outcome.Results = mergeRounds(rounds)
	for _, in := range p.skipped {
		if !slices.ContainsFunc(p.controls, func(c instance) bool { return c.ID == in.ID }) {
			reason := reasonSkipped
			if in.slow() {
				reason = reasonSlow
			}
			outcome.Results = append(outcome.Results, r.unrun(in, Skipped, reason))
		}
	}
	for _, in := range p.unsupported {
		if p.judges(in) {
			outcome.Results = append(outcome.Results, r.unrun(in, Unsupported, p.declares.undeclared(in)))
		}
	}
	slices.SortFunc(outcome.Results, func(a, b Result) int { return strings.Compare(a.ID, b.ID) })
	outcome.Elapsed = time.Since(outcome.Started)
	outcome.Baseline, outcome.Lost, outcome.Restarts = r.baseline, r.lost, r.restarts
	outcome.Interrupted = ctx.Err() != nil
	return outcome, nil
}

func newRun(p *Plan, cfg Config) *run {
	waits := *cfg.Waits
	r := &run{cfg: cfg, plan: p, waits: &waits, pacer: &pacer{}, steady: &steadiness{}}
	remote := !cfg.Target.Endpoint().Loopback()
	if remote {
		r.pacer.interval = waits.budget(BudgetPace)
	}
	switch {
	case cfg.Parallel > 0:
	case remote:
		r.cfg.Parallel = 1
	default:
		r.cfg.Parallel = DefaultParallel
	}
	if cfg.Probe == nil {
		r.cfg.Probe = DialProbe
	}
	r.total = len(p.all()) * max(1, cfg.Repeat)
	return r
}

// all returns the instances that run, controls included.
func (p *Plan) all() []instance { return slices.Concat(p.chosen, p.controls) }

// round runs everything once, each case as soon as its control twin has its
// verdict. Doubts are settled, alone, when nothing else can run.
func (r *run) round(ctx context.Context, round int) []Result {
	r.verdicts = map[string]Verdict{}
	all := r.plan.all()
	r.arrange(all, round)
	q := newQueue(all)
	var results []Result
	for len(results) < len(all) {
		settled, doubts := r.flow(ctx, q, round)
		results = append(results, settled...)
		for _, result := range r.again(ctx, doubts, round) {
			r.conclude(q, result)
			results = append(results, result)
		}
	}
	return results
}

// arrange puts instances into the order of the seed, or of the IDs. Cases that
// wait for a long spec timer come first, so that the others run meanwhile.
func (r *run) arrange(all []instance, round int) {
	slices.SortFunc(all, func(a, b instance) int { return cmp.Compare(a.Number, b.Number) })
	if r.cfg.Ordered {
		return
	}
	order := rand.New(newEntropy(r.cfg.Seed, round, "order").source)
	order.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	slices.SortStableFunc(all, func(a, b instance) int {
		return cmp.Compare(r.waits.timers[b.Timer]/time.Second, r.waits.timers[a.Timer]/time.Second)
	})
}

// unrun is the result of an instance that did not run.
func (r *run) unrun(in instance, v Verdict, reason string) Result {
	return Result{ID: in.ID, Case: *in.Case, Params: in.Params, Verdict: v, Reason: reason, Judged: r.plan.judges(in)}
}

// judges reports whether the instance counts. What the user left out counts
// too: it is reported as skipped.
func (p *Plan) judges(in instance) bool {
	return !slices.ContainsFunc(p.controls, func(c instance) bool { return c.ID == in.ID })
}

// progress reports an event.
func (r *run) progress(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.Verdict != "" {
		r.done++
		r.failed = r.failed || e.Verdict == Fail
	}
	e.Done, e.Total = r.done, r.total
	if r.cfg.Progress != nil {
		r.cfg.Progress(e)
	}
}

// mergeRounds makes one result of several rounds. Verdicts that differ from
// round to round are inconclusive, except that a tolerated pass absorbs a pass.
func mergeRounds(rounds [][]Result) []Result {
	merged := map[string]Result{}
	for _, round := range rounds {
		for _, next := range round {
			first, seen := merged[next.ID]
			if !seen {
				merged[next.ID] = next
				continue
			}
			attempts := slices.Concat(first.Attempts, next.Attempts)
			kept := first
			switch {
			case first.Verdict == next.Verdict:
			case first.Verdict.Passed() && next.Verdict.Passed():
				kept.Verdict = PassTolerated
			case next.Verdict == HarnessError || next.Verdict == Skipped && next.Reason == reasonInterrupted:
				kept = next
			case first.Verdict == HarnessError:
			default:
				kept = next
				if first.Verdict.Worse(next.Verdict) == first.Verdict {
					kept = first
				}
				kept.Verdict = Inconclusive
				kept.Reason = "the verdict changes from round to round"
			}
			kept.Attempts = attempts
			merged[next.ID] = kept
		}
	}
	results := make([]Result, 0, len(merged))
	for _, result := range merged {
		results = append(results, result)
	}
	return results
}
