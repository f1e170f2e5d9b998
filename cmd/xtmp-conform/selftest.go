package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/spf13/cobra"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/degenerate"
	"github.com/bpci/xtmp/conformance/report"
	"github.com/bpci/xtmp/conformance/selftest"
)

// selftestFlags are the flags of xtmp-conform selftest.
type selftestFlags struct {
	mutants, reference string
	seed               string
	parallel           int
	scale              float64
	only               []string
	profiles           []string
	asked              []string
	full, slow         bool
	verbose            bool
	json, out          string
}

// outMatrix is the name of the kill matrix in the folder of --out.
const outMatrix = "selftest.json"

// outPage is that of the kill matrix as a page.
const outPage = "kill-matrix.md"

func (a app) selftestCommand() *cobra.Command {
	f := &selftestFlags{}
	cmd := &cobra.Command{
		Use:   "selftest",
		Short: "show that the suite has teeth",
		Long: "Runs the suite against peers of which the right verdict is known. No degenerate peer may pass a MUST that it cannot keep, " +
			"the reference passes everything, and does so again, odd but legal servers pass everything, " +
			"and each mutant is killed by a case that proves its requirement. " +
			"CMD list prints the mutants, one JSON object {name, requirement, description, slow, without} a line; " +
			"CMD zoo the legal servers, {name, permits, description}; CMD serve NAME is a server that prints READY.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.selftest(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.mutants, "mutants", "", "command that lists and serves the mutants")
	flags.StringVar(&f.reference, "reference", "", "command that starts the unmutated reference")
	flags.StringVar(&f.seed, "seed", "1", "number from which everything random follows")
	flags.IntVar(&f.parallel, "parallel", selftest.DefaultParallel, "peers at the same time")
	flags.Float64Var(&f.scale, "budget-scale", 1, "multiply every harness budget")
	flags.StringArrayVar(&f.only, "only", nil,
		"only these peers: the name of a mutant, of a legal or of a degenerate one, * and ? allowed, or \"reference\"")
	flags.StringSliceVar(&f.profiles, "profile", nil, "profiles that the reference declares, separated by commas (default: core)")
	flags.StringSliceVar(&f.asked, "asked", nil, "of these profiles, those whose cases and mutants are run (default: all)")
	flags.BoolVar(&f.full, "full", false,
		"the whole suite against each mutant and legal server, not only the cases that prove a requirement, and a sample")
	flags.BoolVar(&f.slow, "slow", false,
		"also mutants that only a slow case sees, and every case that proves a requirement, not until one fails")
	flags.StringVar(&f.json, "json", "", "write the kill matrix as JSON to this file")
	flags.StringVar(&f.out, "out", "", "write "+outMatrix+" and "+outPage+" to this folder")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "say which peer is next")
	return cmd
}

func (a app) selftest(ctx context.Context, f *selftestFlags) error {
	suite, err := a.suite()
	if err != nil {
		return err
	}
	if len(suite.Cases()) == 0 {
		return &conformance.NothingSelectedError{}
	}
	seed, err := (&runFlags{seed: f.seed}).seedOf()
	if err != nil {
		return err
	}
	cfg := selftest.Config{
		Suite: suite, Probe: a.probe, Seed: seed, Parallel: f.parallel, Full: f.full, Slow: f.slow, Scale: f.scale,
		Profiles: f.profiles, Asked: f.asked, Excuses: a.excuses, Reference: f.reference, Program: f.mutants,
	}
	if cfg.Degenerate, err = degenerateTargets(); err != nil {
		return harnessError{err}
	}
	if f.mutants != "" {
		if cfg.Mutants, err = selftest.ListMutants(ctx, f.mutants); err != nil {
			return &conformance.TargetError{Stage: "listing the mutants", Cause: err}
		}
		if cfg.Zoo, err = selftest.ListZoo(ctx, f.mutants); err != nil {
			return &conformance.TargetError{Stage: "listing the zoo", Cause: err}
		}
	}
	for _, term := range f.only {
		if !cfg.Knows(term) {
			return &conformance.NothingSelectedError{Term: term}
		}
	}
	if len(f.only) > 0 {
		cfg.Keep(f.only)
	}
	if f.verbose {
		var mu sync.Mutex
		cfg.Progress = func(peer string) {
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintln(a.stderr, "against", peer)
		}
	}
	matrix, err := selftest.Run(ctx, cfg)
	if err != nil {
		return err
	}
	return a.showMatrix(matrix, f)
}

func (a app) showMatrix(m *selftest.Matrix, f *selftestFlags) error {
	files := []string{f.json}
	pages := []string{}
	if f.out != "" {
		if err := os.MkdirAll(f.out, 0o755); err != nil {
			return harnessError{err}
		}
		files = append(files, filepath.Join(f.out, outMatrix))
		pages = append(pages, filepath.Join(f.out, outPage))
	}
	for _, name := range files {
		if name == "" {
			continue
		}
		if err := writeFile(name, m.WriteJSON); err != nil {
			return harnessError{err}
		}
	}
	for _, name := range pages {
		if err := writeFile(name, m.WriteMarkdown); err != nil {
			return harnessError{err}
		}
	}
	if err := m.WriteText(a.stdout); err != nil {
		return harnessError{err}
	}
	if len(m.Findings) > 0 {
		return conclude(conformance.ExitNonConformant)
	}
	return nil
}

// degenerateTargets are the commands that start this program as each
// degenerate peer.
func degenerateTargets() ([]selftest.Degenerate, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var targets []selftest.Degenerate
	for _, peer := range degenerate.Peers() {
		targets = append(targets, selftest.Degenerate{Name: peer.Name, Command: "exec " + report.Quote(self) + " degenerate " + peer.Name})
	}
	return targets, nil
}
