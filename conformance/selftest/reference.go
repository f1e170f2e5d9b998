package selftest

import (
	"context"
	"fmt"
	"slices"

	"github.com/bpci/xtmp/conformance"
)

// A ReferenceResult says what the reference did not pass.
type ReferenceResult struct {
	Counts    map[string]int    `json:"counts"`
	NotPassed map[string]string `json:"not_passed"` // instance ID → verdict and reason
	Digest    string            `json:"digest"`
}

// A RepeatResult says in what a further run against the reference differs from
// the first: same seed, same verdicts, whatever the order.
type RepeatResult struct {
	How     string            `json:"how"`
	Judged  int               `json:"judged"`  // instances that both runs judged
	Differs map[string]string `json:"differs"` // instance ID → both verdicts
}

// runReference runs the suite against the reference, with slow cases, and again.
func (cfg *Config) runReference(ctx context.Context, m *Matrix) error {
	if cfg.Reference == "" {
		return nil
	}
	first, err := cfg.judgeReference(ctx, conformance.Selection{Slow: true}, run{})
	if err != nil {
		return fmt.Errorf("reference: %w", err)
	}
	m.Reference = &ReferenceResult{Counts: countsOf(first), NotPassed: notPassed(first), Digest: first.Digest()}
	for _, id := range slices.Sorted(keys(m.Reference.NotPassed)) {
		m.find("the reference does not pass %s: %s", id, m.Reference.NotPassed[id])
	}
	for _, again := range []struct {
		how string
		sel conformance.Selection
		run run
	}{
		{"the same again, without slow cases", conformance.Selection{}, run{}},
		{
			"one after the other in order of ID, without what waits for a timer",
			conformance.Selection{Skip: cfg.waiting()},
			run{parallel: 1, ordered: true},
		},
	} {
		o, err := cfg.judgeReference(ctx, again.sel, again.run)
		if err != nil {
			return fmt.Errorf("reference: %w", err)
		}
		result := compare(again.how, first, o)
		m.Repeats = append(m.Repeats, result)
		for _, id := range slices.Sorted(keys(result.Differs)) {
			m.find("a second run (%s) differs in %s: %s", again.how, id, result.Differs[id])
		}
	}
	return nil
}

// judgeReference runs a selection against the reference, and what was inconclusive
// once more, when nothing else runs: an inconclusive verdict speaks of this machine.
func (cfg *Config) judgeReference(ctx context.Context, sel conformance.Selection, how run) (*conformance.Outcome, error) {
	o, err := cfg.judge(ctx, cfg.Reference, sel, how)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, r := range o.Results {
		if r.Judged && r.Verdict == conformance.Inconclusive {
			ids = append(ids, r.ID)
		}
	}
	if len(ids) == 0 {
		return o, nil
	}
	again, err := cfg.judge(ctx, cfg.Reference, conformance.Selection{Run: ids, Slow: sel.Slow}, run{parallel: 1, ordered: true})
	if err != nil {
		return nil, err
	}
	alone := map[string]conformance.Result{}
	for _, r := range again.Results {
		if r.Judged {
			alone[r.ID] = r
		}
	}
	for i, r := range o.Results {
		if second, ok := alone[r.ID]; ok && r.Verdict == conformance.Inconclusive {
			o.Results[i] = second
		}
	}
	return o, nil
}

// waiting lists the cases that wait for a timer of the specification.
func (cfg *Config) waiting() (ids []string) {
	for _, c := range cfg.Suite.Cases() {
		if c.Timer != "" || slices.Contains(c.Labels, conformance.LabelSlow) {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// compare looks at the instances that both runs judged.
func compare(how string, first, second *conformance.Outcome) RepeatResult {
	r := RepeatResult{How: how, Differs: map[string]string{}}
	before := map[string]conformance.Verdict{}
	for _, result := range first.Results {
		if result.Judged {
			before[result.ID] = result.Verdict
		}
	}
	for _, result := range second.Results {
		verdict, both := before[result.ID]
		if !both || !result.Judged || result.Verdict == conformance.Skipped {
			continue
		}
		r.Judged++
		if verdict != result.Verdict {
			r.Differs[result.ID] = fmt.Sprintf("%s, then %s: %s", verdict, result.Verdict, result.Reason)
		}
	}
	return r
}

// notPassed maps the instances that did not pass to their verdict and reason.
func notPassed(o *conformance.Outcome) map[string]string {
	list := map[string]string{}
	for _, r := range o.Results {
		if !r.Verdict.Passed() && r.Verdict != conformance.Skipped && r.Verdict != conformance.Unsupported {
			list[r.ID] = string(r.Verdict) + ": " + r.Reason
		}
	}
	return list
}
