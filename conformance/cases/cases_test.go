package cases_test

import (
	"strings"
	"testing"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/cases"
	"github.com/bpci/xtmp/spec"
)

// The suite is sound: every ID and title once, every requirement known, every
// negative case with a control, every case explained.
func TestSuiteIsSound(t *testing.T) {
	if _, err := conformance.NewSuite(spec.Default(), cases.All()); err != nil {
		t.Fatal(err)
	}
}

// Titles and explanations are sentences.
func TestWordsAreSentences(t *testing.T) {
	for _, c := range cases.All() {
		for _, sentence := range []string{c.Title, c.Explain.Why, c.Explain.Sends} {
			if first := sentence[:1]; !strings.HasSuffix(sentence, ".") || first != strings.ToUpper(first) {
				t.Errorf("%s: %q is no sentence", c.ID, sentence)
			}
		}
	}
}
