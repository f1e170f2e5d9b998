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
	"strings"
	"sync"

	"github.com/bpci/xtmp/conformance"
)

// A Mutant is a server with one defect.
type Mutant struct {
	Name        string `json:"name"`
	Requirement string `json:"requirement"` // that the defect breaks
	Description string `json:"description"`
}

// A MutantResult says who killed a mutant.
type MutantResult struct {
	Mutant
	Status string   `json:"status"` // killed, survived, misjudged or not-drivable
	Killed []string `json:"killed"` // instances of cases that prove the requirement, and saw the defect
	Others []string `json:"others"` // further instances that saw it
	Note   string   `json:"note,omitempty"`
}

// The statuses of a mutant. Only the first says that the suite has teeth here.
const (
	StatusKilled      = "killed"
	StatusSurvived    = "survived"     // no case saw the defect
	StatusMisjudged   = "misjudged"    // only cases that prove other requirements saw it
	StatusNotDrivable = "not-drivable" // it did not come up
)

// mutantName is what may stand in a command line without quotes.
var mutantName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)

// ListMutants asks a program for its mutants. A name that is not a plain word,
// or that stands twice, is an error; so is an empty list.
func ListMutants(ctx context.Context, program string) ([]Mutant, error) {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", program+" list")
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s list: %w: %s", program, err, strings.TrimSpace(stderr.String()))
	}
	return parseMutants(out)
}

func parseMutants(out []byte) ([]Mutant, error) {
	var mutants []Mutant
	seen := map[string]bool{}
	lines := bufio.NewScanner(bytes.NewReader(out))
	for number := 1; lines.Scan(); number++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var m Mutant
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			return nil, fmt.Errorf("list of mutants, line %d: %w", number, err)
		}
		switch {
		case !mutantName.MatchString(m.Name):
			return nil, fmt.Errorf("list of mutants, line %d: the name %q is not a plain word", number, m.Name)
		case seen[m.Name]:
			return nil, fmt.Errorf("list of mutants, line %d: %s stands twice", number, m.Name)
		case m.Requirement == "" || m.Description == "":
			return nil, fmt.Errorf("list of mutants, line %d: %s needs a requirement and a description", number, m.Name)
		}
		seen[m.Name] = true
		mutants = append(mutants, m)
	}
	if len(mutants) == 0 {
		return nil, errors.New("the list of mutants is empty")
	}
	return mutants, lines.Err()
}

// runMutants runs every mutant and fills the matrix in the order of the list.
func (cfg *Config) runMutants(ctx context.Context, m *Matrix) error {
	results := make([]MutantResult, len(cfg.Mutants))
	parallel := cfg.Parallel
	if parallel <= 0 {
		parallel = DefaultParallel
	}
	slots := make(chan struct{}, parallel)
	var running sync.WaitGroup
	for i, mutant := range cfg.Mutants {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			results[i] = cfg.runMutant(ctx, mutant)
		})
	}
	running.Wait()
	for _, result := range results {
		m.Mutants = append(m.Mutants, result)
		if result.Status != StatusKilled {
			m.find("mutant %s (%s) is %s: %s", result.Name, result.Requirement, result.Status, result.Note)
		}
	}
	return ctx.Err()
}

func (cfg *Config) runMutant(ctx context.Context, mutant Mutant) MutantResult {
	result := MutantResult{Mutant: mutant, Killed: []string{}, Others: []string{}}
	proving := cfg.Suite.Proving(mutant.Requirement)
	sel := conformance.Selection{Profiles: cfg.Profiles}
	if !cfg.Full {
		sel.Run = proving
	}
	if len(proving) == 0 {
		result.Status, result.Note = StatusSurvived, "no case proves "+mutant.Requirement
		return result
	}
	o, err := cfg.judge(ctx, cfg.Program+" serve "+mutant.Name, sel, cfg.Scale)
	if err != nil {
		result.Status, result.Note = StatusNotDrivable, err.Error()
		return result
	}
	result.weigh(o, proving)
	return result
}

// weigh sorts the cases that saw the defect. A doubt is no kill: the defect may
// have been seen, or the machine may have been slow.
func (r *MutantResult) weigh(o *conformance.Outcome, proving []string) {
	isProving := map[string]bool{}
	for _, id := range proving {
		isProving[id] = true
	}
	doubts := 0
	for _, result := range o.Results {
		saw := result.Verdict == conformance.Fail || result.Verdict == conformance.Warn
		switch {
		case saw && isProving[result.Case.ID]:
			r.Killed = append(r.Killed, result.ID)
		case saw:
			r.Others = append(r.Others, result.ID)
		case !result.Verdict.Passed():
			doubts++
		}
	}
	switch {
	case len(r.Killed) > 0:
		r.Status = StatusKilled
	case len(r.Others) > 0:
		r.Status, r.Note = StatusMisjudged, "only cases that prove other requirements saw it: "+strings.Join(r.Others, " ")
	default:
		r.Status, r.Note = StatusSurvived, fmt.Sprintf("not seen by %s; %d without a verdict", strings.Join(proving, " "), doubts)
	}
}
