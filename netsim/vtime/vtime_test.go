package vtime

import (
	"testing"

	"pgregory.net/rapid"
)

func TestWrittenIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Time(rapid.Int64().Draw(t, "µs"))
		if got, err := Parse(want.String()); err != nil || got != want {
			t.Fatalf("%d is written %s and read %d, %v", want, want, got, err)
		}
	})
}

func TestForms(t *testing.T) {
	for text, want := range map[string]Time{
		"0s": 0, "1us": 1, "1500us": 1500, "20ms": 20_000, "2m": 120_000_000, "1h": Hour, "-90s": -90 * Second, "never": Never,
	} {
		if got, err := Parse(text); err != nil || got != want {
			t.Errorf("Parse(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "1", "s", "1.5s", "1 s", "1mm", "1sm", "9223372036854775807s"} {
		if got, err := Parse(text); err == nil {
			t.Errorf("Parse(%q) = %d, want an error", text, got)
		}
	}
	if got := (1500 * Millisecond).String(); got != "1500ms" {
		t.Errorf("1.5 s is written %s", got)
	}
}
