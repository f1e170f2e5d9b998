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
	out, err := ask(ctx, program, "zoo")
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
const samples = 4

// sample selects what the zoo is asked: everything if slow cases are asked for,
// else some instances of each case, without what waits for a timer.
func (cfg *Config) sample() (conformance.Selection, error) {
	all := conformance.Selection{Slow: cfg.Slow, Profiles: cfg.Profiles}
	if cfg.Slow {
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
	err = cfg.each(ctx, len(results), func(i int) error {
		variant := cfg.Zoo[i]
		results[i] = VariantResult{Variant: variant, NotPassed: map[string]string{}}
		o, err := cfg.judge(ctx, cfg.Program+" serve "+variant.Name, sel, run{})
		if err != nil {
			results[i].NotPassed["-"] = err.Error()
			return nil //nolint:nilerr // it is in the result
		}
		results[i].Counts, results[i].NotPassed = countsOf(o), notPassed(o)
		return nil
	})
	for i := range results {
		if err == nil {
			cfg.askAgain(ctx, &results[i])
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

// askAgain puts what a variant did not pass to it once more, when nothing else
// runs: a machine that was busy is no alarm.
func (cfg *Config) askAgain(ctx context.Context, r *VariantResult) {
	if len(r.NotPassed) == 0 || r.Counts == nil {
		return
	}
	sel := conformance.Selection{Run: slices.Collect(keys(r.NotPassed)), Slow: cfg.Slow}
	o, err := cfg.judge(ctx, cfg.Program+" serve "+r.Name, sel, run{})
	if err != nil {
		r.NotPassed["-"] = err.Error()
		return
	}
	r.NotPassed = notPassed(o)
}

func keys[V any](m map[string]V) iter.Seq[string] { return maps.Keys(m) }
