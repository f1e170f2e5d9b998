package report

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/spec"
)

// About is what a document says beyond the outcome.
type About struct {
	Version   string                // of the suite
	Command   string                // that started the target; empty for an address
	Replay    []string              // the command line that runs against this target again, without the case and the seed
	Selection conformance.Selection // what the user asked for
	Known     *conformance.KnownFailures
	Captures  map[string]string // path of the capture, relative to the report, by ID of the instance
}

// New makes the document of an outcome.
func New(o *conformance.Outcome, c conformance.Conclusion, about About) (*Document, error) {
	reg := o.Suite.Registry()
	d := &Document{
		Header: Header{
			Format: Format,
			Suite:  Build{Version: about.Version, Digest: SuiteDigest(o.Suite)},
			Spec:   Build{Version: SpecVersion, Digest: SpecDigest(reg)},
			Target: Target{
				Command: about.Command, TCP: o.Endpoint.TCP, Fingerprint: hex.EncodeToString(o.Endpoint.Fingerprint),
				Restarts: o.Restarts, Baseline: o.Baseline, Lost: o.Lost,
			},
			Selection: Selection{
				Profiles: about.Selection.Profiles, Level: string(about.Selection.Level),
				Run: about.Selection.Run, Skip: about.Selection.Skip,
			},
			Drafts: o.Suite.Drafts(about.Selection.Profiles),
			Seed:   Seed(o.Seed), Parallel: o.Parallel,
			Started: o.Started.UTC().Format(time.RFC3339), ElapsedUS: o.Elapsed.Microseconds(),
			Calibration: Calibration{
				JitterUS:    o.Calibration.Jitter.Microseconds(),
				RoundTripUS: o.Calibration.RoundTrip.Microseconds(),
				SlackUS:     o.Calibration.Slack.Microseconds(),
			},
			Platform: runtime.GOOS + "/" + runtime.GOARCH,
		},
		Requirements: requirementsOf(o),
		Cases:        []Case{},
	}
	for _, r := range o.Results {
		d.Cases = append(d.Cases, caseOf(r, o.Seed, about))
	}
	return d, d.close(o, c)
}

// SpecVersion is the version of the protocol whose text the suite judges by.
const SpecVersion = "XTMP/1"

// SpecDigest is the hex of the SHA-256 over the registry, requirements and
// their text included.
func SpecDigest(reg *spec.Registry) string { return digestOf(reg) }

// SuiteDigest is the hex of the SHA-256 over what the cases say: everything but
// the code of their Run functions.
func SuiteDigest(s *conformance.Suite) string {
	var said []Case
	for _, c := range s.Cases() {
		said = append(said, caseOf(conformance.Result{ID: c.ID, Case: c}, 0, About{}))
	}
	return digestOf(said)
}

// Seed is how a seed is written.
func Seed(seed uint64) string { return fmt.Sprintf("0x%016x", seed) }

func digestOf(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("report: internal error: %v", err)) // plain data always marshals
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func requirementsOf(o *conformance.Outcome) []Requirement {
	reg := o.Suite.Registry()
	titles := map[string]string{}
	for _, chapter := range reg.Chapters {
		titles[strings.TrimSuffix(chapter.File, ".md")] = chapter.Title
	}
	rows := []Requirement{}
	for _, row := range o.Suite.Coverage(o.CaseVerdicts()) {
		q := row.Requirement
		rows = append(rows, Requirement{
			ID: q.ID, Level: q.Level, Role: q.Role, Profile: q.Profile,
			Chapter: q.Chapter, ChapterTitle: titles[q.Chapter], Section: q.Section, Text: q.Text,
			Testability: q.Testability, Reason: q.Reason,
			Proving: row.Proving, Touching: row.Touching, Verdict: string(row.Verdict), Draft: row.Draft, Orphan: row.Orphan,
		})
	}
	return rows
}

func caseOf(r conformance.Result, seed uint64, about About) Case {
	c := r.Case
	record := Case{
		ID: r.ID, Case: c.ID, Title: c.Title, Level: string(c.Level), Role: string(c.Role), Profile: c.Profile,
		Proves: c.Proves, Touches: c.Touches,
		Verdict: string(r.Verdict), Reason: r.Reason, Judged: r.Judged, Known: about.Known.Covers(r),
		Table: tableOf(c.Expect, r.Match), Timeline: timelineOf(r.Timeline), Dropped: r.Dropped, Stderr: r.Stderr,
		Capture: about.Captures[r.ID],
		Explain: Explain{Why: c.Explain.Why, Sends: c.Explain.Sends, UsualCauses: c.Explain.UsualCauses},
	}
	if about.Replay != nil {
		record.Replay = ReplayLine(about.Replay, r.ID, seed)
	}
	if c.Control != "" {
		record.Control = &Control{ID: c.Control, Verdict: string(r.Control)}
	}
	if r.Observed != nil {
		record.Observed = r.Observed.String()
		if r.Observed.Detail != "" {
			record.Observed += ": " + r.Observed.Detail
		}
	}
	for _, p := range r.Params {
		record.Params = append(record.Params, Param(p))
	}
	for _, diff := range r.Diffs {
		record.Diffs = append(record.Diffs, Diff(diff))
	}
	for _, a := range r.Attempts {
		record.Attempts = append(record.Attempts, Attempt{
			Verdict: string(a.Verdict), Reason: a.Reason, Alone: a.Alone, ElapsedUS: a.Elapsed.Microseconds(),
		})
	}
	return record
}

func tableOf(e conformance.Expect, match *conformance.Match) []Row {
	var rows []Row
	for _, column := range e.Columns() {
		for i, row := range column.Rows {
			rows = append(rows, Row{
				Grade: string(column.Grade), Reaction: row.Observation.String(), Because: row.Because,
				Met: match != nil && match.Grade == column.Grade && match.Index == i,
			})
		}
	}
	if match != nil && match.Grade == conformance.GradeUnlisted {
		rows = append(rows, Row{Grade: string(conformance.GradeUnlisted), Reaction: "anything else", Met: true})
	}
	return rows
}

func timelineOf(entries []conformance.Entry) []Entry {
	var list []Entry
	for _, e := range entries {
		entry := Entry{
			AtUS: e.At.Microseconds(), Conn: e.Conn, Way: string(e.Way), Label: e.Label,
			Bytes: hex.EncodeToString(e.Bytes), Length: e.Length, Faults: e.Faults,
		}
		for _, f := range e.Fields {
			entry.Fields = append(entry.Fields, Field{
				Name: f.Name, Offset: f.Offset, Size: f.Size, Meaning: f.Meaning,
				Opened: hex.EncodeToString(f.Opened), Want: hex.EncodeToString(f.Want), Mask: hex.EncodeToString(f.Mask),
			})
		}
		list = append(list, entry)
	}
	return list
}

// ReplayLine is the command line that runs one instance again.
func ReplayLine(base []string, id string, seed uint64) string {
	words := append([]string{}, base...)
	words = append(words, "--run", id, "--seed", Seed(seed))
	for i, word := range words {
		words[i] = Quote(word)
	}
	return strings.Join(words, " ")
}

// Quote quotes a word for a POSIX shell if it needs it.
func Quote(word string) string {
	plain := strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%") == ""
	if plain && word != "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
