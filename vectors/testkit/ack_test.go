package testkit

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestAckSpansRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sequences := rapid.SliceOfN(rapid.Uint64Range(0, 200), 1, 60).Draw(t, "sequences")
		spans := Spans(sequences)
		m, rest := Decode("ack", 0, ComposeAck(7, spans...).Encode())
		got, sound := AckSpans(m)
		if len(rest) > 0 || m.Short() || !sound || !slices.Equal(got, spans) {
			t.Fatalf("%v became %v, sound %t", spans, got, sound)
		}
		for sequence := uint64(0); sequence < 205; sequence++ {
			if Covers(got, sequence) != slices.Contains(sequences, sequence) {
				t.Fatalf("%d: covered %t", sequence, Covers(got, sequence))
			}
		}
	})
}

func TestAckSpansThatAreUnsound(t *testing.T) {
	pair := func(gap, length uint64) []byte {
		return Compose("ack_range").SetUint("gap", gap).SetUint("len", length).Encode()
	}
	for name, m := range map[string]*Message{
		"first range below 0": Compose("ack").SetUint("largest", 3).SetUint("first_range", 4),
		"gap 0":               Compose("ack").SetUint("largest", 9).Set("ranges", pair(0, 1)),
		"len 0":               Compose("ack").SetUint("largest", 9).Set("ranges", pair(1, 0)),
		"range below 0":       Compose("ack").SetUint("largest", 9).Set("ranges", pair(1, 9)),
		"gap below 0":         Compose("ack").SetUint("largest", 9).Set("ranges", pair(10, 1)),
		"half a pair":         Compose("ack").SetUint("largest", 9).Set("ranges", pair(1, 1)[:3]).SetUint("range_count", 1),
	} {
		if spans, sound := AckSpans(m); sound {
			t.Errorf("%s: sound, %v", name, spans)
		}
	}
	// The last range that fits: 9, then 0 … 7.
	if spans, sound := AckSpans(Compose("ack").SetUint("largest", 9).Set("ranges", pair(1, 8))); !sound || spans[1] != (Span{0, 7}) {
		t.Errorf("down to 0: %v, sound %t", spans, sound)
	}
}
