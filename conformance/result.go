package conformance

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Result is the verdict on one instance of a case, with its evidence.
type Result struct {
	ID      string // of the instance
	Case    Case
	Params  []ParamValue
	Verdict Verdict
	Reason  string // one line, the same from run to run; empty for a pass

	// Judged is false for a control twin that the selection does not name: it
	// is reported but does not count.
	Judged bool

	Control  Verdict      // verdict on the control; empty if the case has none
	Observed *Observation // what was judged last; nil if nothing was
	Match    *Match       // the row that it met
	Diffs    []Difference // fields that are not what they must be
	Attempts []Attempt    // in order; empty if the case did not run
	Timeline []Entry      // of the attempt that decided
	Dropped  int          // entries beyond the timeline's bounds
	Traffic  *Traffic     // of the attempt that decided; nil for a pass, or if no bytes were exchanged
	Stderr   string       // tail of the peer's standard error; empty for a pass
}

// An Attempt is one time that an instance ran.
type Attempt struct {
	Verdict Verdict
	Reason  string
	Alone   bool // with no neighbours
	Elapsed time.Duration
}

// An Outcome is what a run found.
type Outcome struct {
	Suite       *Suite
	Results     []Result // in order of instance ID
	Seed        uint64
	Parallel    int
	Started     time.Time
	Elapsed     time.Duration
	Endpoint    Endpoint
	Calibration Calibration
	Restarts    int    // how often the process had to be started anew
	Baseline    string // why the liveness probe failed before the first case; empty if it passed
	Lost        string // why the target could no longer be driven; empty if it could
	Interrupted bool
}

// Counts returns how many judged instances got each verdict.
func (o *Outcome) Counts() map[Verdict]int {
	counts := map[Verdict]int{}
	for _, r := range o.Results {
		if r.Judged {
			counts[r.Verdict]++
		}
	}
	return counts
}

// Digest is the hex of the SHA-256 over "ID verdict\n" of every judged
// instance in order of ID. Two runs agree when their digests do, whatever their
// order and parallelism.
func (o *Outcome) Digest() string {
	lines := make([]string, 0, len(o.Results))
	for _, r := range o.Results {
		if r.Judged {
			lines = append(lines, fmt.Sprintf("%s %s\n", r.ID, r.Verdict))
		}
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "")))
	return hex.EncodeToString(sum[:])
}

// CaseVerdicts returns the gravest verdict over the instances of each case,
// control twins included.
func (o *Outcome) CaseVerdicts() map[string]Verdict {
	verdicts := map[string]Verdict{}
	for _, r := range o.Results {
		verdicts[r.Case.ID] = verdicts[r.Case.ID].Worse(r.Verdict)
	}
	return verdicts
}
