package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/bpci/xtmp/conformance"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       string          `xml:"time,attr"`
	Timestamp  string          `xml:"timestamp,attr"`
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitVerdict `xml:"failure"`
	Error   *junitVerdict `xml:"error"`
	Skipped *junitVerdict `xml:"skipped"`
	Out     string        `xml:"system-out,omitempty"`
	Err     string        `xml:"system-err,omitempty"`
}

type junitVerdict struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes the judged cases as JUnit XML. JUnit knows three ways not
// to pass: a failure is a broken MUST; an error is what the judge cannot tell;
// skipped is what did not run, and a failure that the user's list expects. A
// warning passes, with the reason as output.
func (d *Document) WriteJUnit(w io.Writer) error {
	suite := junitSuite{
		Name: "xtmp-conform", Timestamp: strings.TrimSuffix(d.Header.Started, "Z"), Time: seconds(d.Header.ElapsedUS),
		Properties: []junitProperty{
			{"seed", d.Header.Seed},
			{"target", d.Header.Target.TCP},
			{"digest", d.Footer.Digest},
			{"spec", d.Header.Spec.Digest},
			{"suite", d.Header.Suite.Digest},
			{"conclusion", d.Footer.Conclusion},
		},
	}
	for _, c := range d.Cases {
		if !c.Judged {
			continue
		}
		record := junitOf(c)
		suite.Tests++
		switch {
		case record.Failure != nil:
			suite.Failures++
		case record.Error != nil:
			suite.Errors++
		case record.Skipped != nil:
			suite.Skipped++
		}
		suite.Cases = append(suite.Cases, record)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	err := encoder.Encode(junitSuites{
		Name: suite.Name, Tests: suite.Tests, Failures: suite.Failures, Errors: suite.Errors, Skipped: suite.Skipped,
		Time: suite.Time, Suites: []junitSuite{suite},
	})
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, "\n")
	return err
}

func junitOf(c Case) junitCase {
	var elapsed int64
	for _, a := range c.Attempts {
		elapsed += a.ElapsedUS
	}
	record := junitCase{Name: c.ID + " " + c.Title, Class: strings.Join([]string{"xtmp", c.Profile, c.Level}, "."), Time: seconds(elapsed)}
	verdict := &junitVerdict{Message: c.Reason, Type: c.Verdict, Text: junitText(c)}
	switch conformance.Verdict(c.Verdict) {
	case conformance.Pass:
	case conformance.PassTolerated, conformance.Warn:
		record.Out = c.Verdict + ": " + c.Reason + "\n" + c.Observed
	case conformance.Fail:
		if c.Known {
			record.Skipped = &junitVerdict{Message: "known failure: " + c.Reason, Type: c.Verdict}
			break
		}
		record.Failure, record.Err = verdict, c.Stderr
	case conformance.Unsupported, conformance.Skipped:
		record.Skipped = verdict
	default:
		record.Error, record.Err = verdict, c.Stderr
	}
	return record
}

func junitText(c Case) string {
	text := fmt.Sprintf("%s\nproves %s\nreplay: %s\n", c.Reason, strings.Join(c.Proves, " "), c.Replay)
	if c.Capture != "" {
		text += fmt.Sprintf("capture: %s\n", c.Capture)
	}
	return text
}

// seconds writes microseconds as seconds with three decimals.
func seconds(us int64) string {
	ms := us / 1000
	return fmt.Sprintf("%d.%03d", ms/1000, ms%1000)
}
