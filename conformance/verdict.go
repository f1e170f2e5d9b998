package conformance

// A Verdict is the answer to one case.
type Verdict string

// The verdicts.
const (
	Pass          Verdict = "pass"           // the peer did what the requirement asks, or permits
	PassTolerated Verdict = "pass-tolerated" // not what it asks, and harmless
	Warn          Verdict = "warn"           // a requirement below MUST is broken
	Fail          Verdict = "fail"           // a MUST is broken
	Inconclusive  Verdict = "inconclusive"   // the judge cannot tell
	Unsupported   Verdict = "unsupported"    // the peer declares that it lacks the feature
	Skipped       Verdict = "skipped"        // the user left it out, or the run ended before it
	HarnessError  Verdict = "error"          // the judge itself is broken
)

// Verdicts returns all verdicts in the order of reports.
func Verdicts() []Verdict {
	return []Verdict{Pass, PassTolerated, Warn, Fail, Inconclusive, Unsupported, Skipped, HarnessError}
}

// Passed reports whether v says that the requirement is met.
func (v Verdict) Passed() bool { return v == Pass || v == PassTolerated }

// Worse returns the graver of two verdicts.
func (v Verdict) Worse(w Verdict) Verdict {
	if w.gravity() > v.gravity() {
		return w
	}
	return v
}

// gravity orders verdicts when several instances make one case. A proven
// failure outweighs a doubt; a broken judge outweighs both.
func (v Verdict) gravity() int {
	switch v {
	case Pass:
		return 1
	case PassTolerated:
		return 2
	case Unsupported:
		return 3
	case Skipped:
		return 4
	case Warn:
		return 5
	case Inconclusive:
		return 6
	case Fail:
		return 7
	case HarnessError:
		return 8
	}
	return 0
}
