package wire

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// ackBody writes an Ack field by field.
func ackBody(largest uint64, first uint16, pairs ...uint16) []byte {
	b := []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, byte(first >> 8), byte(first), byte(len(pairs) / 2), 0}
	for i := range 8 {
		b[i] = byte(largest >> (56 - 8*i))
	}
	for _, p := range pairs {
		b = append(b, byte(p>>8), byte(p))
	}
	return b
}

func TestAckRanges(t *testing.T) {
	for _, c := range []struct {
		name string
		body []byte
		want []AckRange
		err  error
	}{
		{"one frame", ackBody(0, 0), []AckRange{{0, 0}}, nil},
		{"from the first frame on", ackBody(7, 7), []AckRange{{0, 7}}, nil},
		{"first range below 0", ackBody(7, 8), nil, ErrAckPairs},
		{"two ranges", ackBody(20, 2, 3, 4), []AckRange{{18, 20}, {11, 14}}, nil},
		{"the last range ends at 0", ackBody(20, 2, 1, 17), []AckRange{{18, 20}, {0, 16}}, nil},
		{"a range below 0", ackBody(20, 2, 1, 18), nil, ErrAckPairs},
		{"a gap below 0", ackBody(20, 2, 18, 1), nil, ErrAckPairs},
		{"gap of 0", ackBody(20, 2, 0, 4), nil, ErrAckPairs},
		{"length of 0", ackBody(20, 2, 3, 0), nil, ErrAckPairs},
		{"33 pairs", ackBody(1000, 0, slices.Repeat([]uint16{1, 1}, 33)...), nil, ErrAckPairs},
		{"a byte too long", append(ackBody(20, 2, 3, 4), 0), nil, ErrAckLength},
		{"a pair too long", append(ackBody(20, 2), 0, 3, 0, 4), nil, ErrAckLength},
		{"a byte too short", ackBody(20, 2, 3, 4)[:19], nil, ErrAckLength},
		{"empty", nil, nil, ErrAckLength},
		{"zero field", append(slices.Clone(ackBody(20, 2)[:15]), 1), nil, ErrAckLength},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := Ack{count: 5} // what was read before leaves no trace
			err := m.Parse(c.body)
			if !errors.Is(err, c.err) {
				t.Fatalf("%v, want %v", err, c.err)
			}
			if !slices.Equal(c.want, m.Ranges()) {
				t.Errorf("%v, want %v", m.Ranges(), c.want)
			}
			if err == nil && m.DelayUS != 9 {
				t.Errorf("delay %d", m.DelayUS)
			}
		})
	}
}

// TestAckEnds shows where the list of an Ack ends.
func TestAckEnds(t *testing.T) {
	const far = 1 << 40
	many := make([]AckRange, 40)
	for i := range many {
		many[i] = AckRange{far - 2*uint64(i), far - 2*uint64(i)}
	}
	for _, c := range []struct {
		name      string
		has, want []AckRange
	}{
		{"33 ranges", many, many[:33]},
		{
			"a long first range",
			[]AckRange{{far - 70000, far}, {far - 70010, far - 70005}},
			[]AckRange{{far - 65535, far}},
		},
		{
			"a long range",
			[]AckRange{{far, far}, {far - 70002, far - 2}, {far - 80000, far - 80000}},
			[]AckRange{{far, far}, {far - 65536, far - 2}},
		},
		{"a long gap", []AckRange{{far, far}, {far - 65537, far - 65537}}, []AckRange{{far, far}}},
		{
			"the longest gap",
			[]AckRange{{far, far}, {far - 65536, far - 65536}},
			[]AckRange{{far, far}, {far - 65536, far - 65536}},
		},
	} {
		var m Ack
		if err := m.Parse(AppendAck(nil, 0, c.has)); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if diff := cmp.Diff(c.want, m.Ranges()); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// TestAckSet writes any set of numbers and reads it back.
func TestAckSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ranges []AckRange
		high := rapid.Uint64Range(1<<20, MaxSequence).Draw(t, "largest")
		for range rapid.IntRange(1, MaxAckRanges).Draw(t, "ranges") {
			low := high - rapid.Uint64Range(0, 200).Draw(t, "length")
			ranges = append(ranges, AckRange{low, high})
			high = low - rapid.Uint64Range(2, 200).Draw(t, "gap")
		}
		b := AppendAck([]byte{1, 2}, 77, ranges)
		var m Ack
		if err := m.Parse(b[2:]); err != nil || m.DelayUS != 77 {
			t.Fatal(err, m.DelayUS)
		}
		if diff := cmp.Diff(ranges, m.Ranges()); diff != "" {
			t.Fatal(diff)
		}
	})
}
