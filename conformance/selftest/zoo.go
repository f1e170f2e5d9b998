package selftest

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"

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

// runZoo runs the suite against every variant, without what waits for a timer
// unless slow cases are asked for.
func (cfg *Config) runZoo(ctx context.Context, m *Matrix) error {
	results := make([]VariantResult, len(cfg.Zoo))
	sel := conformance.Selection{Slow: cfg.Slow}
	if !cfg.Slow {
		sel.Skip = cfg.waiting()
	}
	err := cfg.each(ctx, len(results), func(i int) error {
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
	for _, result := range results {
		m.Zoo = append(m.Zoo, result)
		for _, id := range slices.Sorted(keys(result.NotPassed)) {
			m.find("%s, which is legal by %s, does not pass %s: %s", result.Name, result.Permits, id, result.NotPassed[id])
		}
	}
	return err
}

func keys[V any](m map[string]V) iter.Seq[string] { return maps.Keys(m) }
