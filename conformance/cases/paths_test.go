package cases_test

import (
	"testing"

	"github.com/bpci/xtmp/conformance"
)

// attachCases are those about several paths that the specimen is written for.
func attachCases() []string {
	return []string{
		"XC-1300", "XC-1301", "XC-1302", "XC-1303", "XC-1310", "XC-1320", "XC-1321", "XC-1322", "XC-1323",
		"XC-1324", "XC-1325", "XC-1326", "XC-1327", "XC-1328", "XC-1340", "XC-1341",
	}
}

// A conforming server passes the cases about Attach.
func TestConformingServerPassesAttach(t *testing.T) {
	for _, r := range judgeUDP(t, 1, attachCases(), nil) {
		if !r.Verdict.Passed() {
			t.Errorf("%s is %s: %s", r.ID, r.Verdict, r.Reason)
		}
	}
}

// A server with a flaw fails the case about it.
func TestFlawsOfAttachAreSeen(t *testing.T) {
	for flaw, id := range map[string]string{"attach counter": "XC-1320", "reset token": "XC-1340"} {
		failed := false
		for _, r := range judgeUDP(t, 1, []string{id}, nil, flaw) {
			failed = failed || r.Verdict == conformance.Fail
		}
		if !failed {
			t.Errorf("flaw %q is not seen by %s", flaw, id)
		}
	}
}
