package cases

import (
	"bytes"
	"testing"

	"github.com/bpci/xtmp/vectors/testkit"
)

// The streams that are written by hand yield what they are made from, and end.
func TestStreamsYieldTheirBody(t *testing.T) {
	short, long := testkit.Draw(testkit.Entropy("short"), 100), testkit.Draw(testkit.Entropy("long"), 60_000)
	for _, body := range [][]byte{make([]byte, 8), short, long} {
		for _, name := range streamNames() {
			stream := streamOf(name, body)
			got, taken, ended := testkit.Inflate(stream, len(body))
			if !ended || taken != len(stream) || !bytes.Equal(got, body) {
				t.Errorf("%s of %d bytes: %d bytes from %d of %d, ended %v", name, len(body), len(got), taken, len(stream), ended)
			}
		}
	}
}

func TestFarMatch(t *testing.T) {
	body := testkit.Draw(testkit.Entropy("far"), 32_768)
	stream, yields := farMatch(body, false)
	if got, taken, ended := testkit.Inflate(stream, len(yields)); !ended || taken != len(stream) || !bytes.Equal(got, yields) {
		t.Errorf("%d bytes, ended %v", len(got), ended)
	}
	if stream, yields := farMatch(body, true); len(yields) != 32_770 {
		t.Errorf("%d bytes", len(yields))
	} else if _, _, ended := testkit.Inflate(stream, len(yields)); ended {
		t.Error("a match from before the beginning inflates")
	}
}

// No lie is a stream that yields what it says and ends with its last byte.
func TestLiesAreLies(t *testing.T) {
	body := testkit.Draw(testkit.Entropy("lie"), 3000)
	for _, name := range liesAboutStreams() {
		stream, original := lie(name, body)
		got, taken, ended := testkit.Inflate(stream, original)
		if ended && taken == len(stream) && len(got) == original {
			t.Errorf("%s inflates", name)
		}
	}
}
