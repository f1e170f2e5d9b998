package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/spec"
)

// sample is a document with every verdict and a failure that has all its
// evidence. The peer's bytes in it are hostile.
func sample(t *testing.T) *Document {
	t.Helper()
	reg := &spec.Registry{
		Chapters: []spec.Chapter{{File: "02-frame.md", Title: "2 The frame"}},
		Requirements: []spec.Requirement{
			{ID: "XTMP-HDR-001", Level: "MUST", Role: "both", Text: "A sender MUST write the magic."},
			{ID: "XTMP-HDR-002", Level: "MUST NOT", Role: "server", Text: "A server MUST NOT accept <b>reserved</b> bits."},
			{ID: "XTMP-HDR-003", Level: "MUST", Role: "server", Text: "A server MUST live."},
			{ID: "XTMP-HDR-004", Level: "MUST", Role: "server", Text: "A server MUST be lonely."},
			{ID: "XTMP-HDR-005", Level: "MUST", Role: "server", Text: "A server MUST be awaited."},
		},
		Profiles: []spec.Profile{{Name: "core"}, {Name: "later", Draft: true}},
	}
	for i := range reg.Requirements {
		q := &reg.Requirements[i]
		q.Profile, q.Testability, q.Chapter, q.Section = "core", spec.Tested, "02-frame", "2.1 Fields"
	}
	reg.Requirements[4].Profile = "later"
	reg.Requirements[2].Testability, reg.Requirements[2].Reason = spec.Implicit, "nothing works otherwise"
	explain := conformance.Explain{Why: "it matters", Sends: "a frame", UsualCauses: []string{"haste"}}
	good := conformance.Case{
		ID: "XC-0001", Title: "A good frame is taken.", Proves: []string{"XTMP-HDR-001"}, Explain: explain,
		Expect: conformance.Expect{Strict: conformance.Rows(conformance.Accepted())}, Run: func(*conformance.Exchange) {},
	}
	bad := conformance.Case{
		ID: "XC-0002", Title: "Reserved bits are refused.", Proves: []string{"XTMP-HDR-002"}, Control: "XC-0001", Explain: explain,
		Expect: conformance.Expect{Strict: conformance.Closed("XTMP-HDR-002"), Forbidden: conformance.Rows(conformance.Accepted())},
		Params: []conformance.Param{{Name: "bit", Values: []string{"3", "4", "5", "6", "7", "8", "9"}}},
		Run:    func(*conformance.Exchange) {},
	}
	suite, err := conformance.NewSuite(reg, []conformance.Case{good, bad})
	if err != nil {
		t.Fatal(err)
	}
	good, _ = suite.Case("XC-0001")
	bad, _ = suite.Case("XC-0002")
	o := &conformance.Outcome{
		Suite: suite, Seed: 0xBEEF, Parallel: 4, Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Elapsed: 1234567 * time.Microsecond,
		Endpoint:    conformance.Endpoint{TCP: "127.0.0.1:8090", Fingerprint: []byte{0xAB}},
		Calibration: conformance.Calibration{Jitter: 1500 * time.Microsecond, Slack: 20 * time.Millisecond},
	}
	o.Results = append(o.Results, conformance.Result{
		ID: "XC-0001", Case: good, Verdict: conformance.Pass, Judged: true,
		Attempts: []conformance.Attempt{{Verdict: conformance.Pass, Elapsed: time.Millisecond}},
	})
	verdicts := []conformance.Verdict{
		conformance.Fail, conformance.PassTolerated, conformance.Warn, conformance.Inconclusive,
		conformance.Unsupported, conformance.Skipped, conformance.HarnessError,
	}
	for i, v := range verdicts {
		r := conformance.Result{
			ID: "XC-0002[bit=" + string(rune('3'+i)) + "]", Case: bad, Verdict: v, Judged: true, Control: conformance.Pass,
			Params: []conformance.ParamValue{{Name: "bit", Value: string(rune('3' + i))}},
		}
		if !v.Passed() {
			r.Reason = "because it is " + string(v)
		}
		o.Results = append(o.Results, r)
	}
	o.Results[1] = withEvidence(o.Results[1])
	d, err := New(o, o.Conclude(nil), About{
		Selection: conformance.Selection{Profiles: []string{"core", "later"}},
		Version:   "v0", Command: "serve --it's", Replay: []string{"xtmp-conform", "run", "--exec", "serve --it's"},
		Captures: map[string]string{"XC-0002[bit=3]": "captures/XC-0002-bit-3.pcapng"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func withEvidence(r conformance.Result) conformance.Result {
	accepted := conformance.Accepted()
	r.Observed, r.Match = &accepted, &conformance.Match{Grade: conformance.GradeForbidden, Index: 0}
	r.Diffs = []conformance.Difference{{Field: "flags", Want: "0000", Got: "0008", Mask: "00ff"}}
	r.Stderr = "\x1b[31m<script>alert(1)</script>\n"
	late := conformance.Attempt{Verdict: conformance.Fail, Reason: "late"}
	r.Attempts = []conformance.Attempt{late, {Verdict: conformance.Fail, Reason: "late", Alone: true}}
	r.Timeline = []conformance.Entry{
		{Way: conformance.WayReceived, Conn: 1, Bytes: []byte("no frame"), Length: 8, Faults: []string{"XTMP-HDR-002: it is bad"}},
		{Way: conformance.WayOpen, Conn: 1, Label: "a → b"},
		{
			At: 1500 * time.Microsecond, Way: conformance.WaySent, Conn: 1, Label: "frame", Bytes: []byte("XTMP\x00\x08<&"), Length: 8,
			Fields: []conformance.Field{
				{Name: "magic", Size: 4, Meaning: "the magic", Want: []byte("XTMP")},
				{Name: "flags", Offset: 4, Size: 2, Want: []byte{0, 0}, Mask: []byte{0, 0xFF}},
				{Name: "body", Offset: 6, Size: 20},
			},
		},
		{At: 2 * time.Millisecond, Way: conformance.WayJudge, Label: "Accepted: forbidden"},
	}
	return r
}

func write(t *testing.T, f func(*bytes.Buffer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := f(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestJSONFitsItsSchema(t *testing.T) {
	d := sample(t)
	text := write(t, func(b *bytes.Buffer) error { return d.WriteJSON(b) })
	compiler := jsonschema.NewCompiler()
	schema, err := jsonschema.UnmarshalJSON(strings.NewReader(Schema))
	if err != nil {
		t.Fatal(err)
	}
	if err := compiler.AddResource("report.schema.json", schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("report.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		text: true,
		strings.Replace(text, `"verdict":"fail"`, `"verdict":"bad"`, 1):   false,
		strings.Replace(text, `"parallel":4`, `"parallel":4,"more":1`, 1): false,
		strings.Replace(text, `"title":`, `"name":`, 1):                   false,
	} {
		instance, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiled.Validate(instance); (err == nil) != want {
			t.Errorf("valid: got %v, want %v", err, want)
		}
	}
}

func TestReadVerifies(t *testing.T) {
	d := sample(t)
	text := write(t, func(b *bytes.Buffer) error { return d.WriteJSON(b) })
	back, err := Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if again := write(t, func(b *bytes.Buffer) error { return back.WriteJSON(b) }); again != text {
		t.Error("a document that was read is written otherwise")
	}
	damaged := map[string]string{
		"a space":           strings.Replace(text, ":", ": ", 1),
		"a changed verdict": strings.Replace(text, `"verdict":"fail"`, `"verdict":"pass"`, 1),
		"a changed seed":    strings.Replace(text, "beef", "beed", 1),
		"a changed count":   strings.Replace(text, `"cases":8,`, `"cases":7,`, 1),
		"another format":    strings.Replace(text, "report/1", "report/2", 1),
		"an unknown key":    strings.Replace(text, `"parallel":4`, `"more":1,"parallel":4`, 1),
		"more after it":     text + "{}",
		"no newline":        strings.TrimSuffix(text, "\n"),
	}
	for n := 0; n < len(text); n += 97 {
		damaged["cut at "+string(rune(n))] = text[:n]
	}
	for name, text := range damaged {
		var damage *DamagedError
		if _, err := Read(strings.NewReader(text)); !errors.As(err, &damage) {
			t.Errorf("%s: got %v, want a DamagedError", name, err)
		}
	}
}

// TestReadMissesNoRecord drops records and writes the rest canonically, as a
// careless tool would.
func TestReadMissesNoRecord(t *testing.T) {
	for name, spoil := range map[string]func(*Document){
		"case":        func(d *Document) { d.Cases = d.Cases[:3] },
		"requirement": func(d *Document) { d.Requirements = d.Requirements[1:] },
		"evidence":    func(d *Document) { d.Cases[1].Timeline = nil },
		"counts":      func(d *Document) { d.Footer.Counts["pass"]++ },
		"digest":      func(d *Document) { d.Footer.Digest = strings.Repeat("0", 64) },
	} {
		d := sample(t)
		spoil(d)
		text := write(t, func(b *bytes.Buffer) error { return d.WriteJSON(b) })
		var damage *DamagedError
		if _, err := Read(strings.NewReader(text)); !errors.As(err, &damage) {
			t.Errorf("%s: got %v, want a DamagedError", name, err)
		}
	}
}

func TestJUnit(t *testing.T) {
	text := write(t, func(b *bytes.Buffer) error { return sample(t).WriteJUnit(b) })
	var suites junitSuites
	if err := xml.Unmarshal([]byte(text), &suites); err != nil {
		t.Fatal(err)
	}
	got := []int{suites.Tests, suites.Failures, suites.Errors, suites.Skipped}
	if want := []int{8, 1, 2, 2}; !slices.Equal(got, want) {
		t.Errorf("tests, failures, errors, skipped: got %v, want %v", got, want)
	}
	failed := suites.Suites[0].Cases[1].Failure
	if failed == nil || failed.Message != "because it is fail" || !strings.Contains(failed.Text, "replay: xtmp-conform run") {
		t.Errorf("the failure is %+v", failed)
	}
}

func TestText(t *testing.T) {
	d := sample(t)
	plain := write(t, func(b *bytes.Buffer) error { return d.WriteText(b, Style{}) })
	for _, want := range []string{
		"fail  XC-0002[bit=3]  Reserved bits are refused.\n    reason    because it is fail\n    XTMP-HDR-002  A server MUST NOT accept",
		"    capture   captures/XC-0002-bit-3.pcapng\n",
		"    replay    xtmp-conform run --exec 'serve --it'\\''s' --run 'XC-0002[bit=3]' --seed 0x000000000000beef\n",
		"verdicts  1 pass, 1 pass-tolerated, 1 warn, 1 fail, 1 inconclusive, 1 unsupported, 1 skipped, 1 error\n",
		"coverage  1 requirements lack",
		"\nthe judge is broken: see the cases with verdict error\n",
	} {
		if !strings.Contains(plain, want) {
			t.Errorf("missing %q in\n%s", want, plain)
		}
	}
	if strings.Contains(plain, "\x1b") {
		t.Error("plain text has an escape: our own colour, or the peer's")
	}
	colour := write(t, func(b *bytes.Buffer) error { return d.WriteText(b, Style{Color: true}) })
	if !strings.Contains(colour, "\x1b[31;1mfail\x1b[0m") {
		t.Error("a failure is not red")
	}
	if strings.Contains(plain, "XC-0001") {
		t.Error("a pass is shown although nobody asked")
	}
	verbose := write(t, func(b *bytes.Buffer) error { return d.WriteText(b, Style{Verbose: true}) })
	if !strings.Contains(verbose, "pass  XC-0001") {
		t.Error("a pass is not shown although it was asked for")
	}
}

func TestHTML(t *testing.T) {
	page := write(t, func(b *bytes.Buffer) error { return sample(t).WriteHTML(b) })
	for _, want := range []string{
		"A server MUST NOT accept &lt;b&gt;reserved&lt;/b&gt; bits.", // the requirement, quoted
		`<details class="case" id="XC-0002"`, `id="XC-0002-bit-3"`,
		`<tr><td>forbidden</td><td><code>Accepted</code></td>`,           // the table of reactions
		`Observed <code>Accepted</code>, which is <b>forbidden</b>`,      // the row that was met
		`1 pass-tolerated, 1 warn, 1 fail`, "because it is inconclusive", // what became of the instances
		`<tr class="bad"><th scope="row">flags</th>`, "00ff", // the field that differs, and its mask
		`class="f1 bad" title="flags">00 08<`,           // its bytes in the dump
		"here it went wrong", "XTMP-HDR-002: it is bad", // the moment, and what is wrong there
		`<a href="captures/XC-0002-bit-3.pcapng">`,               // the capture
		"fails with <code>bit=3</code>, with <code>bit=5</code>", // the params that matter
		"not kept",                // a field beyond the bytes
		"nothing works otherwise", // the reason for no case
		"no case proves it",       // an orphan
		"draft: no case yet", "profile later is a draft",
		"&lt;script&gt;alert(1)", // the peer's standard error, harmless
		"serve --it&#39;\\&#39;&#39;s&#39; --run &#39;XC-0002[bit=3]&#39;", // the replay line
		"1.234 s", "0x000000000000beef", "127.0.0.1:8090", "2 The frame", "@media print", "prefers-color-scheme: dark",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if found := regexp.MustCompile(`(?i)(src|href)\s*=\s*["']?(https?:)?//|@import|url\(`).FindString(page); found != "" {
		t.Errorf("the page is not self-contained: %q", found)
	}
	if strings.Contains(page, "ZgotmplZ") {
		t.Error("the template engine refused a value")
	}
	ids := map[string]bool{}
	for _, id := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if ids[id[1]] {
			t.Errorf("the id %q stands twice", id[1])
		}
		ids[id[1]] = true
	}
	for _, link := range regexp.MustCompile(`href="#([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if !ids[link[1]] {
			t.Errorf("a link leads to #%s, which is nowhere", link[1])
		}
	}
}

func TestProse(t *testing.T) {
	text := "A *zero* `mid` of [8.1](08-messages.md#81) is <b> & `a<b*c`."
	want := "A <em>zero</em> <code>mid</code> of 8.1 is &lt;b&gt; &amp; <code>a&lt;b*c</code>."
	if got := string(prose(text)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := Plain(text), "A *zero* `mid` of 8.1 is <b> & `a<b*c`."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCanonicalIsOneLineInOrder(t *testing.T) {
	data, err := canonical(map[string]any{"b": []int{1}, "a": "<é>"})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"a":"<é>","b":[1]}`; string(data) != want {
		t.Errorf("got %s, want %s", data, want)
	}
	if !json.Valid(data) {
		t.Error("it is not JSON")
	}
}

// TestHTMLIsBounded: a server that fails everything makes no page that a
// browser cannot show, and the page says what it leaves out.
func TestHTMLIsBounded(t *testing.T) {
	d := sample(t)
	failed := d.Cases[1]
	for range 100 {
		entry := failed.Timeline[1]
		failed.Timeline = append(failed.Timeline, entry)
	}
	d.Cases = d.Cases[:1]
	for range 50 {
		d.Cases = append(d.Cases, failed)
	}
	page := write(t, func(b *bytes.Buffer) error { return d.WriteHTML(b) })
	for _, want := range []string{
		"The evidence of 46 more instances is in the JSON report.",
		"64 entries in the middle are left out here",
		"50 fail",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if len(page) > 600_000 {
		t.Errorf("the page has %d bytes", len(page))
	}
	if n := strings.Count(page, "<table class=\"fields\"><thead><tr><th>field</th><th>offset"); n > maxShown*(firstEntries+lastEntries) {
		t.Errorf("%d tables of fields", n)
	}
}

func TestLive(t *testing.T) {
	var b bytes.Buffer
	l := NewLive(&b, Style{Color: true, Width: 60})
	l.Clear() // nothing has been drawn
	l.Progress(conformance.Event{ID: "XC-0001", Done: 1, Total: 4, Verdict: conformance.Pass})
	l.Progress(conformance.Event{ID: "XC-0002[" + strings.Repeat("x", 60) + "]", Done: 1, Total: 4})
	l.Clear()
	want := "\r\x1b[K━━━━━─────────────── 1/4  1 \x1b[32mpass\x1b[0m  XC-0001" +
		"\r\x1b[K━━━━━─────────────── 1/4  1 \x1b[32mpass\x1b[0m  " + "\r\x1b[K"
	if b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}
