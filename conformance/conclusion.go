package conformance

// An ExitCode is what a run comes to, as a process says it.
type ExitCode int

// The exit codes. Only ExitConformant says that something was proven.
const (
	ExitConformant    ExitCode = 0   // every judged case passes, or fails as listed
	ExitNonConformant ExitCode = 1   // a MUST is broken
	ExitUsage         ExitCode = 2   // the command line or a file is wrong
	ExitInconclusive  ExitCode = 3   // the judge cannot tell, or the target cannot be driven
	ExitHarness       ExitCode = 4   // the judge is broken, or could not write its report
	ExitStale         ExitCode = 5   // the list of known failures is not true any more
	ExitNothing       ExitCode = 6   // nothing was selected
	ExitInterrupted   ExitCode = 130 // the user stopped it
)

// A Conclusion weighs an outcome against the list of known failures.
type Conclusion struct {
	Code     ExitCode
	Sentence string
	Known    int      // failures that the list expects
	Stale    []string // what the list gets wrong
}

// Conclude sums up an outcome. Known may be nil.
func (o *Outcome) Conclude(known *KnownFailures) Conclusion {
	c := Conclusion{Stale: known.Stale(o)}
	counts := map[Verdict]int{}
	for _, r := range o.Results {
		switch {
		case !r.Judged:
		case known.Covers(r):
			c.Known++
		default:
			counts[r.Verdict]++
		}
	}
	passed := counts[Pass] + counts[PassTolerated]
	switch {
	case o.Interrupted:
		c.Code, c.Sentence = ExitInterrupted, "interrupted: nothing is proven"
	case counts[HarnessError] > 0:
		c.Code, c.Sentence = ExitHarness, "the judge is broken: see the cases with verdict error"
	case counts[Fail] > 0:
		c.Code, c.Sentence = ExitNonConformant, "not conformant"
	case len(c.Stale) > 0:
		c.Code, c.Sentence = ExitStale, "the list of known failures is stale"
	case o.Lost != "":
		c.Code, c.Sentence = ExitInconclusive, o.Lost
	case counts[Inconclusive] > 0:
		c.Code, c.Sentence = ExitInconclusive, "inconclusive: the judge cannot tell"
	case c.Known > 0:
		c.Code, c.Sentence = ExitConformant, "not conformant, and exactly as listed"
	case passed == 0:
		c.Code, c.Sentence = ExitInconclusive, "no case passed, so nothing is proven"
	default:
		c.Code, c.Sentence = ExitConformant, "conformant in what was selected"
	}
	return c
}
