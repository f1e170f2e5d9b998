package conformance

import (
	"strings"
	"testing"
)

const knownList = `# what we know

XC-0001  "got Reset"  # closes too hard
XC-0002[bit=3] "got Accepted, wanted" # bits are not looked at
`

func outcomeOf(results ...Result) *Outcome { return &Outcome{Results: results} }

func judged(id string, v Verdict, reason string) Result {
	return Result{ID: id, Verdict: v, Reason: reason, Judged: true}
}

func parseKnown(t *testing.T, text string) *KnownFailures {
	t.Helper()
	known, err := ParseKnownFailures(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return known
}

func TestKnownFailures(t *testing.T) {
	asListed := judged("XC-0002[bit=3]", Fail, "got Accepted, wanted strict: Reset")
	for _, test := range []struct {
		name  string
		first Result
		stale string
		code  ExitCode
		fixed string // of the first entry
	}{
		{"as listed", judged("XC-0001", Fail, "got Reset, wanted x"), "", ExitConformant, "XC-0001  \"got Reset\"  # closes too hard\n"},
		{"passes", judged("XC-0001", Pass, ""), "line 3, XC-0001: listed as failing, but it is pass", ExitStale, ""},
		{"skipped", judged("XC-0001", Skipped, ""), "line 3, XC-0001: listed as failing, but it is skipped", ExitStale, ""},
		{"not there", judged("XC-0009", Pass, ""), "line 3, XC-0001: this run did not judge it", ExitStale, ""},
		{
			"fails otherwise", judged("XC-0001", Fail, "got Crash"), `line 3, XC-0001: it fails otherwise: "got Crash"`,
			ExitNonConformant, "XC-0001  \"got Crash\"  # closes too hard\n",
		},
		{"inconclusive", judged("XC-0001", Inconclusive, "who knows"), "", ExitInconclusive, "XC-0001  \"got Reset\"  # closes too hard\n"},
	} {
		known := parseKnown(t, knownList)
		o := outcomeOf(test.first, asListed)
		if got := strings.Join(known.Stale(o), "; "); got != test.stale {
			t.Errorf("%s: stale %q, want %q", test.name, got, test.stale)
		}
		if got := o.Conclude(known).Code; got != test.code {
			t.Errorf("%s: exit code %d, want %d", test.name, got, test.code)
		}
		want := "# what we know\n\n" + test.fixed + "XC-0002[bit=3]  \"got Accepted, wanted\"  # bits are not looked at\n"
		if got := known.Fix(o); got != want {
			t.Errorf("%s: fixed to\n%swant\n%s", test.name, got, want)
		}
		if again := parseKnown(t, known.Fix(o)); test.name != "inconclusive" && len(again.Stale(o)) != 0 {
			t.Errorf("%s: the fixed list is stale: %v", test.name, again.Stale(o))
		}
	}
}

func TestFixAddsNewFailures(t *testing.T) {
	got := parseKnown(t, "").Fix(outcomeOf(judged("XC-0005", Fail, `got "x"`), judged("XC-0006", Warn, "y")))
	if want := "XC-0005  \"got \\\"x\\\"\"  # not yet explained\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestBadKnownFailures(t *testing.T) {
	for _, text := range []string{
		"XC-0001", `XC-0001 "a"`, `XC-0001 "a" #`, `XC-0001 a # b`, `XC-0001 "" # b`, "XC-0001 \"a\" # b\nXC-0001 \"c\" # d",
	} {
		if _, err := ParseKnownFailures(strings.NewReader(text)); err == nil {
			t.Errorf("%q is taken as a list", text)
		}
	}
}

func TestConclusions(t *testing.T) {
	for _, test := range []struct {
		name string
		o    Outcome
		want ExitCode
	}{
		{"passes", Outcome{Results: []Result{judged("a", Pass, ""), judged("b", PassTolerated, "")}}, ExitConformant},
		{"a warning does not block", Outcome{Results: []Result{judged("a", Pass, ""), judged("b", Warn, "")}}, ExitConformant},
		{"only warnings", Outcome{Results: []Result{judged("b", Warn, "")}}, ExitInconclusive},
		{"only unsupported", Outcome{Results: []Result{judged("a", Unsupported, "")}}, ExitInconclusive},
		{"only skipped", Outcome{Results: []Result{judged("a", Skipped, "")}}, ExitInconclusive},
		{"nothing", Outcome{}, ExitInconclusive},
		{"fail", Outcome{Results: []Result{judged("a", Pass, ""), judged("b", Fail, "")}}, ExitNonConformant},
		{"fail and inconclusive", Outcome{Results: []Result{judged("a", Inconclusive, ""), judged("b", Fail, "")}}, ExitNonConformant},
		{"inconclusive", Outcome{Results: []Result{judged("a", Pass, ""), judged("b", Inconclusive, "")}}, ExitInconclusive},
		{"error", Outcome{Results: []Result{judged("a", Fail, ""), judged("b", HarnessError, "")}}, ExitHarness},
		{"lost", Outcome{Lost: "gone", Results: []Result{judged("a", Pass, "")}}, ExitInconclusive},
		{"interrupted", Outcome{Interrupted: true, Results: []Result{judged("a", Fail, "")}}, ExitInterrupted},
		{"a control does not count", Outcome{Results: []Result{judged("a", Pass, ""), {ID: "b", Verdict: Fail}}}, ExitConformant},
	} {
		if got := test.o.Conclude(nil); got.Code != test.want {
			t.Errorf("%s: got %d (%s), want %d", test.name, got.Code, got.Sentence, test.want)
		}
	}
}
