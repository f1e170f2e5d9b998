package conformance_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/cases"
	"github.com/bpci/xtmp/conformance/report"
	"github.com/bpci/xtmp/spec"
)

// The environment of TestServer: a command that starts a server, or the
// address of one that runs and the fingerprint to pin.
const (
	execVariable   = "XTMP_CONFORM_EXEC"
	targetVariable = "XTMP_CONFORM_TARGET"
	pinVariable    = "XTMP_CONFORM_PIN"

	// profileVariable holds the profiles that the server declares, separated by
	// commas; without it core alone.
	profileVariable = "XTMP_CONFORM_PROFILE"
)

// TestServer is the suite for ginkgo: one It per case, labelled with what the
// command selects by, so that ginkgo --label-filter works.
//
//	XTMP_CONFORM_EXEC='./my-server --port 0' ginkgo --label-filter 'MUST && XTMP-HBT-004' ./conformance
//
// The verdicts are those of xtmp-conform: each It runs its case, and the
// controls on which it leans, through the same plan.
func TestServer(t *testing.T) {
	waits, err := conformance.NewWaits(spec.Default(), 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	target, replay := targetOf(t, waits)
	suite, err := conformance.NewSuite(spec.Default(), cases.All())
	if err != nil {
		t.Fatal(err)
	}
	var profiles []string
	if declared := os.Getenv(profileVariable); declared != "" {
		profiles = strings.Split(declared, ",")
	}
	ginkgo.Describe("A server of XTMP/1", func() {
		for _, c := range suite.Cases() {
			if c.Role == conformance.RoleClient {
				continue
			}
			ginkgo.It(c.ID+" "+c.Title, labelsOf(c), func(ctx ginkgo.SpecContext) {
				plan, err := suite.Select(conformance.Selection{Run: []string{c.ID}, Profiles: profiles})
				var nothing *conformance.NothingSelectedError
				if errors.As(err, &nothing) {
					ginkgo.Skip("the server does not declare what the case is about")
				}
				gomega.Expect(err).NotTo(gomega.HaveOccurred())
				outcome, err := plan.Run(ctx, conformance.Config{
					Target: target, Waits: waits, Seed: uint64(ginkgo.GinkgoRandomSeed()), Probe: cases.Probe,
				})
				gomega.Expect(err).NotTo(gomega.HaveOccurred())
				tell(outcome, replay)
			})
		}
	})
	gomega.RegisterFailHandler(ginkgo.Fail)
	ginkgo.RunSpecs(t, "XTMP/1 conformance")
}

// targetOf starts or finds the target, or skips the test.
func targetOf(t *testing.T, waits *conformance.Waits) (conformance.Target, []string) {
	t.Helper()
	if line := os.Getenv(execVariable); line != "" {
		target, err := conformance.StartCommand(t.Context(), line, waits)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(target.Stop)
		return target, []string{"xtmp-conform", "run", "--exec", line}
	}
	address, pin := os.Getenv(targetVariable), os.Getenv(pinVariable)
	if address == "" {
		t.Skipf("no server to judge: set %s to a command, or %s to host:port and %s to its fingerprint",
			execVariable, targetVariable, pinVariable)
	}
	target, err := conformance.NewAddress(address, pin)
	if err != nil {
		t.Fatal(err)
	}
	return target, []string{"xtmp-conform", "run", "--target", address, "--pin", pin}
}

// labelsOf are the words by which the command selects the case.
func labelsOf(c conformance.Case) ginkgo.Labels {
	labels := ginkgo.Labels{c.ID, string(c.Level), c.Profile}
	labels = append(labels, c.Proves...)
	return append(labels, c.Labels...)
}

// tell turns the verdicts into ginkgo's words.
func tell(o *conformance.Outcome, replay []string) {
	conclusion := o.Conclude(nil)
	document, err := report.New(o, conclusion, report.About{Replay: replay})
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
	var text bytes.Buffer
	gomega.Expect(document.WriteText(&text, report.Style{})).To(gomega.Succeed())
	counts := o.Counts()
	total := 0
	for _, n := range counts {
		total += n
	}
	switch {
	case counts[conformance.Unsupported]+counts[conformance.Skipped] == total:
		ginkgo.Skip(text.String())
	case counts[conformance.Warn]+counts[conformance.Pass]+counts[conformance.PassTolerated] == total:
		if counts[conformance.Warn] > 0 {
			ginkgo.AddReportEntry("warning", text.String())
		}
	default:
		ginkgo.Fail(text.String())
	}
}
