package explain

import (
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/bpci/xtmp/netsim"
)

// TestScripts shows what is said.
//
//	netem
//	WORDS
//	----
func TestScripts(t *testing.T) {
	datadriven.RunTest(t, "testdata/words", func(t *testing.T, d *datadriven.TestData) string {
		var lines []string
		var err error
		switch d.Cmd {
		case "netem":
			lines, err = Netem(strings.Fields(d.Input))
		case "scenario":
			var s *netsim.Scenario
			if s, err = netsim.Parse(d.Input); err == nil {
				lines = Scenario(s)
			}
		default:
			t.Fatalf("there is no %s", d.Cmd)
		}
		if err != nil {
			return err.Error() + "\n"
		}
		return strings.Join(lines, "\n") + "\n"
	})
}

// Every fault has words of its own.
func TestEveryFaultIsExplained(t *testing.T) {
	for do := netsim.Op(0); do <= netsim.DiskMend; do++ {
		f := netsim.Fault{Do: do, Host: "a", To: "b"}
		if got := fault(&f); got == f.String() {
			t.Errorf("%s is explained by itself", got)
		}
	}
}

// The shares that were measured on a kernel are those that are computed.
func TestSharesAreThoseOfAKernel(t *testing.T) {
	for _, c := range []struct {
		line      string
		low, high int // ppm
	}{
		{"5% 25%", 1000, 4000},        // 0.20 % was measured
		{"10% 50%", 200, 3000},        // 0.10 %
		{"1% 25%", 0, 100},            // none of 30 000
		{"5% 0%", 49_000, 51_000},     // as said
		{"100% 90%", 990_000, 1e6},    // always
		{"50% 80%", 490_000, 510_000}, // in the middle it does no harm
	} {
		words := strings.Fields(c.line)
		share, _ := parseShare(words[0])
		rho, _ := parseShare(words[1])
		var last uint64
		got := ppm(func(n *noise) bool {
			last = (n.draw()*uint64(one-rho) + last*uint64(rho)) >> 32
			return last < uint64(share)
		})
		if got < c.low || got > c.high {
			t.Errorf("loss %s takes %d of a million, want %d … %d", c.line, got, c.low, c.high)
		}
	}
}

// So are those of the models with states.
func TestModelsAreThoseOfAKernel(t *testing.T) {
	for _, c := range []struct {
		line, want string // 5.25 % and 6.12 % of 30 000 packets were measured
	}{
		{"loss state 2 30 90 5 .5", "Of 100 packets, 5.2"},
		{"loss gemodel 1% 10% 70% 0.1%", "Of 100 packets, 6.5"},
	} {
		if got, err := Netem(strings.Fields(c.line)); err != nil || !strings.HasPrefix(got[0], c.want) {
			t.Errorf("%s: %q, %v, want %q", c.line, got[0], err, c.want)
		}
	}
}
