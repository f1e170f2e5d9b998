package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bpci/xtmp/netsim/world"
)

func (a *app) runCommand() *cobra.Command {
	var s swarm
	var l look
	c := &cobra.Command{
		Use:   "run [SCRIPT]",
		Short: "run a plan, or many that are drawn by seeds",
		Long: "Runs the plan of a file, or with --seeds the plans that are drawn by a range of seeds. A seed that breaks a rule is printed " +
			"with the command that replays it.",
		Example: "xtmp-netsim run plan.txt --diagram\nxtmp-netsim run --seeds 0-9999\nxtmp-netsim run --seeds 0-9999 --light --hashes first.txt",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case (len(args) == 0) == (s.seeds == ""):
				return errors.New("give either a script or --seeds")
			case s.seeds != "" && l.pcapng != "":
				return errors.New("--pcapng is for one run: replay SEED --pcapng FILE")
			case len(args) == 1:
				p, err := a.plan(&s.source, args[0])
				if err != nil {
					return err
				}
				return a.once(p, &l)
			}
			return a.swarm(c.Context(), &s)
		},
	}
	flags := c.Flags()
	flags.SortFlags = false
	flags.StringVar(&s.seeds, "seeds", "", "run the plans of these seeds: A-B, both included, or one")
	s.source.add(c)
	flags.IntVar(&s.jobs, "jobs", runtime.GOMAXPROCS(0), "runs at the same time")
	flags.IntVar(&s.failures, "failures", 10, "stop after so many seeds that break a rule")
	flags.StringVar(&s.hashes, "hashes", "", "write the hash of each run to this file, a line a seed")
	flags.BoolVar(&s.quiet, "no-progress", false, "show no progress on a terminal")
	l.add(c)
	return c
}

// once runs one plan and says how fast that was.
func (a *app) once(p *world.Plan, l *look) error {
	began := time.Now()
	o, err := l.run(a.stdout, p, world.Options{})
	if err != nil {
		return err
	}
	broken := a.broken(&o)
	wall, simulated := time.Since(began), time.Duration(o.At)*time.Microsecond
	fmt.Fprintf(a.stdout, "%.1f s: %.0f simulated hours per minute\n", wall.Seconds(), simulated.Hours()/wall.Minutes())
	return broken
}

// swarm is a range of seeds.
type swarm struct {
	source
	seeds    string
	jobs     int
	failures int
	hashes   string
	quiet    bool
}

// span reads A-B.
func (s *swarm) span() (from, to uint64, err error) {
	a, b, two := strings.Cut(s.seeds, "-")
	if !two {
		b = a
	}
	if from, err = strconv.ParseUint(a, 10, 63); err == nil {
		to, err = strconv.ParseUint(b, 10, 63)
	}
	if err != nil || from > to {
		return 0, 0, fmt.Errorf("--seeds %q is not A-B, two numbers of which the second is not less", s.seeds)
	}
	return from, to, nil
}

// result is what came of one seed.
type result struct {
	seed    uint64
	outcome world.Outcome
	err     error
}

// swarm runs all seeds and says what it found.
func (a *app) swarm(ctx context.Context, s *swarm) error {
	from, to, err := s.span()
	if err != nil {
		return err
	}
	if s.jobs < 1 || s.failures < 1 {
		return errors.New("--jobs and --failures are at least 1")
	}
	t := &tally{app: a, swarm: s, from: from, began: time.Now()}
	if !s.quiet {
		t.bar = newBar(a.stderr, to-from+1)
	}
	stopped, stop := context.WithCancel(ctx)
	defer stop()
	for r := range s.run(stopped, from, to) {
		if r.err != nil {
			return r.err
		}
		if t.take(&r); t.broken >= s.failures {
			stop()
		}
	}
	t.bar.clear()
	t.report()
	if s.hashes != "" && uint64(t.runs) == to-from+1 {
		if err := os.WriteFile(s.hashes, t.lines(), 0o644); err != nil {
			return err
		}
	}
	switch {
	case t.broken > 0:
		return errBroken
	default:
		return ctx.Err()
	}
}

// run runs seeds on so many goroutines, each with a site of its own, until the
// context ends.
func (s *swarm) run(ctx context.Context, from, to uint64) <-chan result {
	seeds, results := make(chan uint64), make(chan result, s.jobs)
	go func() {
		defer close(seeds)
		for seed := from; seed <= to; seed++ {
			select {
			case seeds <- seed:
			case <-ctx.Done():
				return
			}
		}
	}()
	done := make(chan struct{})
	for range s.jobs {
		go func() {
			defer func() { done <- struct{}{} }()
			site := world.NewSite()
			for seed := range seeds {
				o, err := world.Run(s.draw(seed), site, world.Options{})
				results <- result{seed, o, err}
			}
		}()
	}
	go func() {
		for range s.jobs {
			<-done
		}
		close(results)
	}()
	return results
}
