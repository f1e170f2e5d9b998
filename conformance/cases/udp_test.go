package cases_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/cases"
	"github.com/bpci/xtmp/conformance/specimen"
	"github.com/bpci/xtmp/spec"
	"github.com/bpci/xtmp/vectors/testkit"
)

// judgeUDP runs cases, but those to skip, with harness budgets times scale, against a
// specimen with flaws and returns the results that are judged.
func judgeUDP(t *testing.T, scale float64, run, skip []string, flaws ...string) []conformance.Result {
	t.Helper()
	identity := testkit.Identity{Seed: testkit.Draw(testkit.Entropy("specimen"), 32)}
	s := &specimen.Server{Identity: identity, Flaws: map[string]bool{}}
	for _, flaw := range flaws {
		s.Flaws[flaw] = true
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	suite, err := conformance.NewSuite(spec.Default(), cases.All())
	if err != nil {
		t.Fatal(err)
	}
	plan, err := suite.Select(conformance.Selection{Run: run, Skip: skip, Profiles: []string{"core", "udp", "probe", "failover"}})
	if err != nil {
		t.Fatal(err)
	}
	target, err := conformance.NewAddress(s.Addr(), hex.EncodeToString(identity.Fingerprint()))
	if err != nil {
		t.Fatal(err)
	}
	waits, err := conformance.NewWaits(spec.Default(), scale, 0)
	if err != nil {
		t.Fatal(err)
	}
	outcome, err := plan.Run(context.Background(), conformance.Config{
		Target: target, Waits: waits, Seed: 1, Parallel: 8,
		Probe: cases.Probe,
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(outcome.Results, func(r conformance.Result) bool { return !r.Judged })
}

// A conforming server passes every case about UDP, but those about limits per source,
// which the specimen has not.
func TestConformingServerPassesUDP(t *testing.T) {
	for _, r := range judgeUDP(t, 1, []string{"XC-12*", "XC-15*", "XC-14*"}, []string{"slow", "XC-1213", "XC-1214"}) {
		unsteady := strings.HasPrefix(r.Reason, "unstable: ") || strings.HasPrefix(r.Reason, "this machine")
		if !r.Verdict.Passed() && r.Verdict != conformance.Skipped && r.Verdict != conformance.Unsupported && !unsteady {
			t.Errorf("%s is %s: %s\n%s", r.ID, r.Verdict, r.Reason, course(r))
		}
	}
}

// course is what happened in a case, a line each.
func course(r conformance.Result) string {
	var out strings.Builder
	for _, e := range r.Timeline {
		fmt.Fprintf(&out, "%9v %d %s %s %s\n", e.At.Round(10*time.Microsecond), e.Conn, e.Way, e.Label, strings.Join(e.Faults, "; "))
	}
	return out.String()
}

// A server with one flaw fails a case that proves what the flaw breaks.
func TestFlawsOnUDPAreSeen(t *testing.T) {
	for _, tt := range []struct{ flaw, run, requirement string }{
		{"trailing bytes", "XC-1500[defect=trailing byte]", "XTMP-UDP-009"},
		{"Retry for any index", "XC-1204", "XTMP-UDP-026"},
		{"any token", "XC-1220", "XTMP-TOK-007"},
		{"cookie of any port", "XC-1220[other=port]", "XTMP-TOK-007"},
		{"token twice", "XC-1225", "XTMP-TOK-012"},
		{"no token", "XC-1222", "XTMP-TOK-015"},
		{"every index resends", "XC-1231", "XTMP-UDP-064"},
		{"resends for ever", "XC-1232", "XTMP-UDP-063"},
		{"seals again", "XC-1230", "XTMP-UDP-020"},
		{"MAC", "XC-1234[defect=MAC]", "XTMP-UDP-036"},
		{"finish from anywhere", "XC-1235", "XTMP-UDP-038"},
		{"window before opening", "XC-1500[defect=tag]", "XTMP-UDP-081"},
		{"replay", "XC-1505[frame=PING,ahead=0]", "XTMP-UDP-079"},
		{"no lower end", "XC-1506", "XTMP-UDP-079"},
		{"window of TCP", "XC-1510", "XTMP-UDP-083"},
		{"late Ack", "XC-1530", "XTMP-ACK-019"},
		{"one Ack in T_ACK", "XC-1531", "XTMP-ACK-020"},
		{"no Ack at a gap", "XC-1532", "XTMP-ACK-021"},
		{"cumulative Ack", "XC-1533", "XTMP-ACK-017"},
		{"ranges", "XC-1537[defect=gap 0]", "XTMP-ACK-028"},
		{"future", "XC-1538[above=1000]", "XTMP-ACK-027"},
		{"no holes", "XC-1539", "XTMP-UDP-073"},
		{"holes", "XC-1540", "XTMP-ACK-027"},
		{"acknowledges what it drops", "XC-1551", "XTMP-UDP-095"},
		{"acknowledges what it drops", "XC-1562", "XTMP-UDP-094"},
		{"answers for ever", "XC-1552", "XTMP-UDP-099"},
		{"no PTO", "XC-1553", "XTMP-REC-007"},
		{"limit of TCP", "XC-1561[count=62]", "XTMP-UDP-092"},
		{"long replies", "XC-1570[bytes=65537]", "XTMP-UDP-087"},
		{"keeps unreliable fragments", "XC-1571", "XTMP-UDP-096"},
		{"pushes stay in flight", "XC-1569", "XTMP-REC-009"},
		{"never again", "XC-1557", "XTMP-UDP-098"},
		{"same holes", "XC-1542", "XTMP-UDP-074"},
		{"no delay", "XC-1544", "XTMP-ACK-018"},
		{"wide gaps", "XC-1543[gap=70000]", "XTMP-ACK-016"},
		{"newest copy alone", "XC-1556", "XTMP-ACK-031"},
		{"no halving", "XC-1572", "XTMP-REC-014"},
		{"no window", "XC-1566", "XTMP-REC-012"},
		{"moves at once", "XC-1400[other=port]", "XTMP-UDP-107"},
		{"stays", "XC-1400", "XTMP-UDP-106"},
		{"any response", "XC-1407", "XTMP-UDP-110"},
		{"amplifies", "XC-1408", "XTMP-UDP-109"},
		{"reset token", "XC-1420", "XTMP-RST-001"},
		{"reset short", "XC-1421", "XTMP-RST-002"},
		{"reset flood", "XC-1425", "XTMP-RST-005"},
	} {
		t.Run(tt.run+" "+tt.flaw, func(t *testing.T) {
			t.Parallel()
			results := judgeUDP(t, 0.2, []string{tt.run}, nil, tt.flaw)
			if !slices.ContainsFunc(results, func(r conformance.Result) bool {
				return (r.Verdict == conformance.Fail || r.Verdict == conformance.Warn) && slices.Contains(r.Case.Proves, tt.requirement)
			}) {
				t.Errorf("the flaw is not seen: %s %s", results[0].Verdict, results[0].Reason)
			}
		})
	}
}
