package server

import (
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

func TestMistakes(t *testing.T) {
	datadriven.RunTest(t, "testdata/mistakes", func(t *testing.T, d *datadriven.TestData) string {
		_, _, err := Parse("server.yaml", []byte(d.Input+"\n"))
		if err == nil {
			return "ok"
		}
		var file *FileError
		var key *KeyError
		if !errors.As(err, &file) && !errors.As(err, &key) {
			d.Fatalf(t, "%v is a %T", err, err)
		}
		return err.Error() + "\n"
	})
}

// What is not text is refused as a whole, and not shown.
func TestNotText(t *testing.T) {
	_, _, err := Parse("server.yaml", []byte("limits:\n  half_open: \xff\xfe\n"))
	if want := "server.yaml: the configuration is not UTF-8 text"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	_, _, err = Parse("server.yaml", []byte("limits:\n  half_open: \"\x1b[31m\"\n"))
	if err == nil || strings.ContainsRune(err.Error(), '\x1b') {
		t.Errorf("a control sequence reaches the terminal: %q", err)
	}
}

// The caret stands below its column, whatever is before it.
func TestExcerpt(t *testing.T) {
	for _, test := range []struct {
		text         string
		line, column int
		want         string
	}{
		{"a: 1", 1, 4, "    1 | a: 1\n      |    ^"},
		{"x\ny\nz\na: 1\r\nb\n", 4, 1, "    2 | y\n    3 | z\n    4 | a: 1\n      | ^"},
		{"\ta: 1", 1, 3, "    1 | \ta: 1\n      | \t ^"},
		{"\u00fc: 1", 1, 4, "    1 | \u00fc: 1\n      |    ^"},
		{"a", 2, 1, "    1 | a\n      | ^"},
		{"a", 1, 99, "    1 | a\n      |  ^"},
	} {
		if got := excerpt([]byte(test.text), test.line, test.column); got != test.want {
			t.Errorf("%q at %d:%d gives\n%s\nwant\n%s", test.text, test.line, test.column, got, test.want)
		}
	}
}

// No text makes the parser panic, and a refusal is one error of our own.
func FuzzParse(f *testing.F) {
	for _, key := range allKeys() {
		for _, e := range effects[key] {
			f.Add(setting(key, e.value))
		}
	}
	f.Add("limits: &a {half_open: *a, <<: *a}\n---\n? [b]\n: !!c d\n...\n")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "identity_keys") {
			return // it would open files
		}
		_, _, err := Parse("server.yaml", []byte(text))
		var file *FileError
		if err != nil && !errors.As(err, &file) {
			t.Errorf("%v is a %T", err, err)
		}
	})
}
