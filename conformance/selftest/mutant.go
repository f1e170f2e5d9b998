package selftest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/bpci/xtmp/conformance"
)

// A Mutant is a server with one defect.
type Mutant struct {
	Name        string `json:"name"`
	Requirement string `json:"requirement"` // that the defect breaks
	Description string `json:"description"`
	Slow        bool   `json:"slow,omitempty"`    // it takes a slow case to see it
	Without     string `json:"without,omitempty"` // a profile, or another feature, that it leaves off
}

// A MutantResult says who killed a mutant.
type MutantResult struct {
	Mutant
	Status string   `json:"status"` // killed, survived, misjudged, not-drivable or not-run
	Killed []string `json:"killed"` // instances of cases that prove the requirement, and saw the defect
	Others []string `json:"others"` // further instances that saw it
	Note   string   `json:"note,omitempty"`
	Doubts int      `json:"doubts"`          // instances without a verdict
	Alone  bool     `json:"alone,omitempty"` // it was run again, alone
	TimeMS int64    `json:"time_ms"`
}

// The statuses of a mutant. Only the first says that the suite has teeth here.
const (
	StatusKilled      = "killed"
	StatusSurvived    = "survived"     // no case saw the defect
	StatusMisjudged   = "misjudged"    // only cases that prove other requirements saw it
	StatusNotDrivable = "not-drivable" // it did not come up
	StatusNotRun      = "not-run"      // it is slow, or of a profile, and those were not asked for
)

// mutantName is what may stand in a command line without quotes.
var mutantName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)

// ListMutants asks a program for its mutants. A name that is not a plain word,
// or that stands twice, is an error; so is an empty list.
func ListMutants(ctx context.Context, program string) ([]Mutant, error) {
	out, err := query(ctx, program, "list")
	if err != nil {
		return nil, err
	}
	return parseMutants(out)
}

// query runs one command of a program that serves mutants.
func query(ctx context.Context, program, command string) ([]byte, error) {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", program+" "+command)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", program, command, err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}

func parseMutants(out []byte) ([]Mutant, error) {
	var mutants []Mutant
	err := eachLine(out, "list of mutants", func(line []byte) (name string, err error) {
		var m Mutant
		if err := json.Unmarshal(line, &m); err != nil {
			return "", err
		}
		if m.Requirement == "" || m.Description == "" {
			err = fmt.Errorf("%s needs a requirement and a description", m.Name)
		}
		mutants = append(mutants, m)
		return m.Name, err
	})
	if err == nil && len(mutants) == 0 {
		err = errors.New("the list of mutants is empty")
	}
	return mutants, err
}

// eachLine reads one JSON object a line; what takes them returns their names,
// which are plain words and different.
func eachLine(out []byte, what string, take func(line []byte) (name string, err error)) error {
	seen := map[string]bool{}
	lines := bufio.NewScanner(bytes.NewReader(out))
	for number := 1; lines.Scan(); number++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		name, err := take(lines.Bytes())
		switch {
		case err != nil:
		case !mutantName.MatchString(name):
			err = fmt.Errorf("the name %q is not a plain word", name)
		case seen[name]:
			err = fmt.Errorf("%s stands twice", name)
		}
		if err != nil {
			return fmt.Errorf("%s, line %d: %w", what, number, err)
		}
		seen[name] = true
	}
	return lines.Err()
}

// runMutants runs every mutant and fills the matrix in the order of the list.
func (cfg *Config) runMutants(ctx context.Context, m *Matrix) error {
	results := make([]MutantResult, len(cfg.Mutants))
	err := cfg.each(ctx, len(results), func(i int) error {
		start := time.Now()
		results[i] = cfg.runMutant(ctx, cfg.Mutants[i])
		results[i].TimeMS = time.Since(start).Milliseconds()
		return nil
	})
	// A doubt says that the machine was slow, or that the case cannot tell. Only the
	// first goes away when the mutant has the machine to itself.
	for i, result := range results {
		if err == nil && result.Status == StatusSurvived && result.Doubts > 0 {
			results[i] = cfg.runMutant(ctx, cfg.Mutants[i])
			results[i].TimeMS, results[i].Alone = result.TimeMS, true
		}
	}
	for _, result := range results {
		m.Mutants = append(m.Mutants, result)
		if result.Status != StatusKilled && result.Status != StatusNotRun {
			m.find("mutant %s (%s) is %s: %s", result.Name, result.Requirement, result.Status, result.Note)
		}
	}
	return err
}

func (cfg *Config) runMutant(ctx context.Context, mutant Mutant) MutantResult {
	result := MutantResult{Mutant: mutant, Killed: []string{}, Others: []string{}}
	proving := cfg.Suite.Proving(mutant.Requirement)
	sel := conformance.Selection{Slow: cfg.Slow, Profiles: cfg.declared(mutant)}
	if !cfg.Full {
		sel.Run = proving
	}
	if !mutant.Slow && !cfg.Full {
		sel.Skip = cfg.slow()
	}
	switch q, _ := cfg.Suite.Registry().Requirement(mutant.Requirement); {
	case len(cfg.Asked) > 0 && !(slices.Contains(cfg.Asked, q.Profile) && (q.Needs == "" || slices.Contains(cfg.Asked, q.Needs))):
		result.Status, result.Note = StatusNotRun, "profile "+q.Profile+" is not asked about"
		return result
	case len(proving) == 0:
		result.Status, result.Note = StatusSurvived, "no case proves "+mutant.Requirement
		return result
	case mutant.Slow && !cfg.Slow:
		result.Status, result.Note = StatusNotRun, "slow"
		return result
	}
	// One failure is enough, unless it is that of a control.
	for _, failFast := range []bool{true, false} {
		if (cfg.Full || cfg.Slow) && failFast {
			continue
		}
		o, err := cfg.judge(ctx, cfg.Program+" serve "+mutant.Name, sel, run{failFast: failFast})
		if err != nil {
			result.Status, result.Note = StatusNotDrivable, err.Error()
			return result
		}
		result = MutantResult{Mutant: mutant, Killed: []string{}, Others: []string{}}
		if result.weigh(o, proving); result.Status != StatusMisjudged {
			break
		}
	}
	return result
}

// declared lists the profiles that a mutant has.
func (cfg *Config) declared(mutant Mutant) []string {
	return slices.DeleteFunc(slices.Clone(cfg.Profiles), func(profile string) bool { return profile == mutant.Without })
}

// slow lists the slow cases.
func (cfg *Config) slow() (ids []string) {
	for _, c := range cfg.Suite.Cases() {
		if slices.Contains(c.Labels, conformance.LabelSlow) {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// weigh sorts the cases that saw the defect. A doubt is no kill: the defect may
// have been seen, or the machine may have been slow.
func (r *MutantResult) weigh(o *conformance.Outcome, proving []string) {
	isProving := map[string]bool{}
	for _, id := range proving {
		isProving[id] = true
	}
	for _, result := range o.Results {
		saw := result.Verdict == conformance.Fail || result.Verdict == conformance.Warn
		switch {
		case saw && isProving[result.Case.ID]:
			r.Killed = append(r.Killed, result.ID)
		case saw:
			r.Others = append(r.Others, result.ID)
		case !result.Verdict.Passed() && result.Verdict != conformance.Skipped && result.Verdict != conformance.Unsupported:
			r.Doubts++
		}
	}
	switch {
	case len(r.Killed) > 0:
		r.Status = StatusKilled
	case len(r.Others) > 0:
		r.Status, r.Note = StatusMisjudged, "only cases that prove other requirements saw it: "+strings.Join(r.Others, " ")
	default:
		r.Status, r.Note = StatusSurvived, fmt.Sprintf("not seen by %s; %d without a verdict", strings.Join(proving, " "), r.Doubts)
	}
}
