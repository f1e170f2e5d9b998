package selftest

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/bpci/xtmp/conformance"
)

// A Variant is a server that is odd and keeps every rule.
type Variant struct {
	Name        string `json:"name"`
	Permits     string `json:"permits"` // the requirement or section that leaves the freedom
	Description string `json:"description"`
}

// A VariantResult says which cases were alarmed by a legal peer.
type VariantResult struct {
	Variant
	Counts    map[string]int    `json:"counts"`
	NotPassed map[string]string `json:"not_passed"` // instance ID → verdict and reason
}

// ListZoo asks a program for its legal variants. None is no error.
func ListZoo(ctx context.Context, program string) ([]Variant, error) {
	out, err := query(ctx, program, "zoo")
	if err != nil {
		return nil, err
	}
	return parseZoo(out)
}

func parseZoo(out []byte) ([]Variant, error) {
	var zoo []Variant
	err := eachLine(out, "list of variants", func(line []byte) (name string, err error) {
		var v Variant
		if err := json.Unmarshal(line, &v); err != nil {
			return "", err
		}
		if v.Permits == "" || v.Description == "" {
			err = fmt.Errorf("%s needs a description, and what permits it", v.Name)
		}
		zoo = append(zoo, v)
		return v.Name, err
	})
	return zoo, err
}

// samples is how many instances of a case meet every variant.
const samples = 2

// sample selects what the zoo is asked: everything if that is asked for, else some
// instances of each case, without what waits for a timer.
func (cfg *Config) sample() (conformance.Selection, error) {
	all := conformance.Selection{Slow: cfg.Full && cfg.Slow, Profiles: cfg.Profiles, Asked: cfg.Asked}
	if cfg.Full {
		return all, nil
	}
	all.Skip = cfg.waiting()
	plan, err := cfg.Suite.Select(all)
	if err != nil {
		return all, err
	}
	judged, _ := plan.Instances()
	for len(judged) > 0 {
		id, _, _ := strings.Cut(judged[0], "[")
		n := 1
		for n < len(judged) && strings.HasPrefix(judged[n], id+"[") {
			n++
		}
		for k := range min(n, samples) {
			all.Run = append(all.Run, judged[k*n/min(n, samples)])
		}
		judged = judged[n:]
	}
	all.Skip = nil
	return all, nil
}

// runZoo runs the suite against every variant.
func (cfg *Config) runZoo(ctx context.Context, m *Matrix) error {
	results := make([]VariantResult, len(cfg.Zoo))
	sel, err := cfg.sample()
	if err != nil {
		return err
	}
	few := *cfg
	few.Parallel = min(cfg.Parallel, zooParallel)
	err = few.each(ctx, len(results), func(i int) error {
		results[i].Variant = cfg.Zoo[i]
		cfg.ask(ctx, &results[i], sel)
		return nil
	})
	for i := range results {
		if err == nil {
			cfg.askAgain(ctx, &results[i], sel)
		}
	}
	for _, result := range results {
		m.Zoo = append(m.Zoo, result)
		for _, id := range slices.Sorted(keys(result.NotPassed)) {
			m.find("%s, which is legal by %s, does not pass %s: %s", result.Name, result.Permits, id, result.NotPassed[id])
		}
	}
	return err
}

// zooParallel is how many variants run at the same time: unlike a mutant, each
// meets the whole suite.
const zooParallel = 3

// ask puts cases to a variant.
func (cfg *Config) ask(ctx context.Context, r *VariantResult, sel conformance.Selection) {
	o, err := cfg.judge(ctx, cfg.Program+" serve "+r.Name, sel, run{})
	if err != nil {
		r.NotPassed = map[string]string{"-": err.Error()}
		return
	}
	if r.NotPassed = notPassed(o); r.Counts == nil {
		r.Counts = countsOf(o)
	}
}

// askAgain puts what a variant did not pass to it once more, when nothing else
// runs: a machine that was busy is no alarm.
func (cfg *Config) askAgain(ctx context.Context, r *VariantResult, sel conformance.Selection) {
	if len(r.NotPassed) == 0 {
		return
	}
	if r.Counts != nil {
		sel = conformance.Selection{Run: slices.Collect(keys(r.NotPassed)), Slow: sel.Slow}
	}
	cfg.ask(ctx, r, sel)
}

func keys[V any](m map[string]V) iter.Seq[string] { return maps.Keys(m) }
