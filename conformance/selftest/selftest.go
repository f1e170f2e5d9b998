package selftest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bpci/xtmp/conformance"
)

// A Config says what to run.
type Config struct {
	Suite      *conformance.Suite
	Probe      func(*conformance.Exchange) error
	Seed       uint64
	Parallel   int     // peers at the same time; 0 means DefaultParallel
	Full       bool    // the whole suite against each mutant and variant, not only what proves, until it fails, and a sample
	Slow       bool    // also the mutants that only a slow case sees, and all that proves a requirement
	Scale      float64 // of the harness budgets; 0 means 1
	Degenerate []Degenerate
	Excuses    []Excuse
	Profiles   []string  // what the reference and its mutants declare; none means core alone
	Asked      []string  // of these, those whose cases and mutants are run; none means all
	Reference  string    // command; empty means that no reference is run
	Mutants    []Mutant  // from ListMutants
	Zoo        []Variant // from ListZoo
	Program    string    // command that serves both

	// Progress is called as each peer begins, from several goroutines.
	Progress func(peer string)
}

// DefaultParallel is how many peers run at the same time. They wait more than
// they work.
const DefaultParallel = 12

// degenerateScale shortens the harness budgets for degenerate peers: they are
// on this machine, and waiting for them is all that a run of them does.
const degenerateScale = 0.2

// degenerateParallel is how many cases meet a degenerate peer at the same time.
const degenerateParallel = 64

// A Degenerate is a peer that is none, and the command that starts it.
type Degenerate struct{ Name, Command string }

// An Excuse lets a degenerate peer pass one case, because that peer does keep
// the requirement. An excuse that is not needed is a finding.
type Excuse struct{ Peer, Case, Why string }

// A Matrix is what the self-test found.
type Matrix struct {
	Format     string             `json:"format"`
	Seed       string             `json:"seed"`
	Degenerate []DegenerateResult `json:"degenerate"`
	Reference  *ReferenceResult   `json:"reference,omitempty"`
	Repeats    []RepeatResult     `json:"repeats"`
	Zoo        []VariantResult    `json:"zoo"`
	Mutants    []MutantResult     `json:"mutants"`
	Findings   []string           `json:"findings"` // empty means that the suite has teeth
	ElapsedMS  int64              `json:"elapsed_ms"`
}

// Format names the version of the matrix.
const Format = "xtmp-conform-selftest/2"

// A DegenerateResult says what a degenerate peer got away with.
type DegenerateResult struct {
	Name    string         `json:"name"`
	Counts  map[string]int `json:"counts"`
	Passed  []string       `json:"passed"`  // MUST cases that passed without an excuse
	Excused []string       `json:"excused"` // MUST cases that passed with one
}

// Run runs everything. Its error is about the self-test itself; what it finds
// out about the suite is in the matrix.
func Run(ctx context.Context, cfg Config) (*Matrix, error) {
	start := time.Now()
	m := &Matrix{
		Format: Format, Seed: fmt.Sprintf("0x%016x", cfg.Seed),
		Degenerate: []DegenerateResult{}, Repeats: []RepeatResult{}, Zoo: []VariantResult{}, Mutants: []MutantResult{}, Findings: []string{},
	}
	if cfg.Scale == 0 {
		cfg.Scale = 1
	}
	if cfg.Parallel <= 0 {
		cfg.Parallel = DefaultParallel
	}
	for _, part := range []func(context.Context, *Matrix) error{cfg.runReference, cfg.runDegenerate, cfg.runZoo, cfg.runMutants} {
		if err := part(ctx, m); err != nil {
			return nil, err
		}
	}
	m.ElapsedMS = time.Since(start).Milliseconds()
	return m, ctx.Err()
}

// each calls f for 0 … n−1, some at a time, and returns the first error.
func (cfg *Config) each(ctx context.Context, n int, f func(i int) error) error {
	slots := make(chan struct{}, cfg.Parallel)
	errs := make([]error, n)
	var running sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			errs[i] = f(i)
		})
	}
	running.Wait()
	return cmp.Or(errors.Join(errs...), ctx.Err())
}

// runDegenerate runs the suite against every degenerate peer.
func (cfg *Config) runDegenerate(ctx context.Context, m *Matrix) error {
	results := make([]DegenerateResult, len(cfg.Degenerate))
	err := cfg.each(ctx, len(results), func(i int) error {
		peer := cfg.Degenerate[i]
		o, err := cfg.judge(ctx, peer.Command, conformance.Selection{}, run{scale: cfg.Scale * degenerateScale, parallel: degenerateParallel})
		if err != nil {
			return fmt.Errorf("degenerate peer %s: %w", peer.Name, err)
		}
		results[i] = weighDegenerate(peer.Name, o, cfg.Excuses)
		return nil
	})
	if err != nil {
		return err
	}
	unused := slices.Clone(cfg.Excuses)
	for _, result := range results {
		m.Degenerate = append(m.Degenerate, result)
		for _, id := range result.Passed {
			m.find("the degenerate peer %s passes %s", result.Name, id)
		}
		unused = slices.DeleteFunc(unused, func(e Excuse) bool { return e.Peer == result.Name && slices.Contains(result.Excused, e.Case) })
	}
	if len(cfg.Degenerate) > 0 {
		for _, e := range unused {
			m.find("the excuse for %s and %s is not needed", e.Peer, e.Case)
		}
	}
	return nil
}

// referenceName is the reference's name for Keep.
const referenceName = "reference"

// Knows reports whether a name, with * and ? allowed, means a peer of the
// configuration.
func (cfg *Config) Knows(term string) bool {
	kept := *cfg
	kept.Keep([]string{term})
	return len(kept.Degenerate)+len(kept.Mutants)+len(kept.Zoo) > 0 || kept.Reference != ""
}

// Keep leaves only the peers that one of the names means, and the excuses of
// those.
func (cfg *Config) Keep(terms []string) {
	means := func(name string) bool {
		return slices.ContainsFunc(terms, func(term string) bool {
			ok, err := path.Match(term, name)
			return err == nil && ok
		})
	}
	cfg.Degenerate = filter(cfg.Degenerate, func(d Degenerate) bool { return means(d.Name) })
	cfg.Excuses = filter(cfg.Excuses, func(e Excuse) bool { return means(e.Peer) })
	cfg.Mutants = filter(cfg.Mutants, func(m Mutant) bool { return means(m.Name) })
	cfg.Zoo = filter(cfg.Zoo, func(v Variant) bool { return means(v.Name) })
	if !means(referenceName) {
		cfg.Reference = ""
	}
}

// filter returns the entries that fit, in a slice of their own.
func filter[T any](list []T, fits func(T) bool) []T {
	var kept []T
	for _, entry := range list {
		if fits(entry) {
			kept = append(kept, entry)
		}
	}
	return kept
}

func (m *Matrix) find(format string, args ...any) {
	m.Findings = append(m.Findings, fmt.Sprintf(format, args...))
}

// weighDegenerate looks for MUST cases that passed.
func weighDegenerate(name string, o *conformance.Outcome, excuses []Excuse) DegenerateResult {
	result := DegenerateResult{Name: name, Counts: countsOf(o), Passed: []string{}, Excused: []string{}}
	for _, r := range o.Results {
		if !r.Verdict.Passed() || r.Case.Level != conformance.Must {
			continue
		}
		if slices.ContainsFunc(excuses, func(e Excuse) bool { return e.Peer == name && e.Case == r.Case.ID }) {
			result.Excused = append(result.Excused, r.Case.ID)
		} else {
			result.Passed = append(result.Passed, r.ID)
		}
	}
	return result
}

// run says how to run a plan, where that differs from the default.
type run struct {
	scale    float64 // of the harness budgets
	parallel int
	ordered  bool
	failFast bool
}

// judge runs a selection against a command.
func (cfg *Config) judge(ctx context.Context, command string, sel conformance.Selection, how run) (*conformance.Outcome, error) {
	if cfg.Progress != nil {
		cfg.Progress(command)
	}
	waits, err := conformance.NewWaits(cfg.Suite.Registry(), cmp.Or(how.scale, cfg.Scale), 0)
	if err != nil {
		return nil, err
	}
	if sel.Profiles == nil {
		sel.Profiles = cfg.Profiles
	}
	sel.Asked = cfg.Asked
	plan, err := cfg.Suite.Select(sel)
	if err != nil {
		return nil, err
	}
	starting, err := conformance.NewWaits(cfg.Suite.Registry(), cfg.Scale, 0) // many start at once
	if err != nil {
		return nil, err
	}
	target, err := conformance.StartCommand(ctx, command, starting)
	if err != nil {
		var failure *conformance.TargetError
		if errors.As(err, &failure) && failure.Stderr != "" {
			err = fmt.Errorf("%w; standard error: %s", err, strings.Join(strings.Fields(failure.Stderr), " "))
		}
		return nil, err
	}
	defer target.Stop()
	return plan.Run(ctx, conformance.Config{
		Target: target, Waits: waits, Seed: cfg.Seed, Probe: cfg.Probe, Parallel: how.parallel, Ordered: how.ordered, FailFast: how.failFast,
	})
}

func countsOf(o *conformance.Outcome) map[string]int {
	counts := map[string]int{}
	for verdict, n := range o.Counts() {
		counts[string(verdict)] = n
	}
	return counts
}
