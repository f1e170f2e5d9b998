package match

import (
	"strings"
	"testing"

	"github.com/onsi/gomega"
	"github.com/onsi/gomega/types"

	"github.com/bpci/xtmp/vectors/testkit"
)

var _ types.GomegaMatcher = (*Matcher)(nil)

// frame is a clear frame of type 3 with two bytes of payload.
func frame() []byte {
	f := testkit.NewFrame(0x03, 0x0004)
	f.Payload = []byte{0x01, 0x02}
	return f.Encode()
}

func TestDifferences(t *testing.T) {
	parts := testkit.Annotate(frame())
	for _, test := range []struct {
		name  string
		field Field
		want  string
	}{
		{"bytes", Bytes("frame.magic", []byte("XTMP")), ""},
		{"other bytes", Bytes("frame.magic", []byte("XTMQ")), "frame.magic expected 58544d51, actual 58544d50"},
		{"number", Uint("frame.message_type", 3), ""},
		{"another number", Uint("frame.message_type", 4), "frame.message_type expected 04, actual 03"},
		{"a number that does not fit", Uint("frame.message_type", 0x103), "frame.message_type expected 0000000000000103, actual 03"},
		{"under a mask", Masked("frame.flags", []byte{0xFF, 0x04}, []byte{0x00, 0x0F}), ""},
		{
			"another under a mask", Masked("frame.flags", []byte{0xFF, 0x05}, []byte{0x00, 0x0F}),
			"frame.flags expected ff05 under mask 000f, actual 0004",
		},
		{"absent", Absent("error.code"), ""},
		{"present", Absent("frame.magic"), "frame.magic expected absent, actual 58544d50"},
		{"missing", Uint("error.code", 3), "error.code expected 0000000000000003, actual absent"},
	} {
		got := strings.Join(strings.Fields(Table(Differences(parts, test.field))), " ")
		if got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

func TestMatcherWorksWithGomega(t *testing.T) {
	var failures []string
	g := gomega.NewGomega(func(message string, _ ...int) { failures = append(failures, message) })
	good, bad := Uint("frame.message_type", 3), Uint("frame.message_type", 9)
	g.Expect(frame()).To(MatchFrame(good))
	g.Expect(testkit.Annotate(frame())).NotTo(MatchFrame(good, bad))
	if len(failures) != 0 {
		t.Errorf("it fails where it should not: %q", failures)
	}
	g.Expect(frame()).To(MatchFrame(good, bad))
	g.Expect(frame()).NotTo(MatchFrame(good))
	g.Expect(17).To(MatchFrame(good))
	for i, want := range []string{"expected 09, actual 03", "no field differs in", "not int"} {
		if i >= len(failures) || !strings.Contains(failures[i], want) {
			t.Errorf("failure %d of %q lacks %q", i, failures, want)
		}
	}
}
