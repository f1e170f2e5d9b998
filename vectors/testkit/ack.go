package testkit

import "slices"

// A Span is a range of sequence numbers, both ends included.
type Span struct{ Low, High uint64 }

// ComposeAck returns the Ack of a path on UDP that covers the spans: newest first,
// not overlapping and not adjacent. What does not fit the fields of the layout is
// cut off bit by bit, as everywhere.
func ComposeAck(delayMicros uint64, spans ...Span) *Message {
	m := Compose("ack").DefaultUint("ack_delay_us", delayMicros)
	if len(spans) == 0 {
		return m
	}
	m.DefaultUint("largest", spans[0].High).DefaultUint("first_range", spans[0].High-spans[0].Low)
	var pairs []byte
	for i, span := range spans[1:] {
		pair := Compose("ack_range").SetUint("gap", spans[i].Low-span.High-1).SetUint("len", span.High-span.Low+1)
		pairs = append(pairs, pair.Encode()...)
	}
	return m.Default("ranges", pairs)
}

// AckSpans reads what an Ack covers, newest first, by the rule of section 12.8. It
// returns false if a gap or a len is 0, a range reaches below 0, or the pairs are
// not all there; the spans before it are returned all the same.
func AckSpans(ack *Message) (spans []Span, sound bool) {
	top, first := ack.Uint("largest"), ack.Uint("first_range")
	if first > top {
		return nil, false
	}
	low := top - first
	spans = []Span{{low, top}}
	pairs := ack.Bytes("ranges")
	for range ack.Uint("range_count") {
		var pair *Message
		pair, pairs = Decode("ack_range", 0, pairs)
		gap, length := pair.Uint("gap"), pair.Uint("len")
		if pair.Short() || gap == 0 || length == 0 || low < gap+length {
			return spans, false
		}
		top = low - gap - 1
		low = top - length + 1
		spans = append(spans, Span{low, top})
	}
	return spans, true
}

// Covers reports whether a sequence number is in one of the spans.
func Covers(spans []Span, sequence uint64) bool {
	for _, s := range spans {
		if s.Low <= sequence && sequence <= s.High {
			return true
		}
	}
	return false
}

// Spans returns sequence numbers, in any order, as spans, newest first.
func Spans(sequences []uint64) []Span {
	sorted := slices.Compact(slices.Sorted(slices.Values(sequences)))
	var spans []Span
	for _, sequence := range slices.Backward(sorted) {
		if last := len(spans) - 1; last >= 0 && spans[last].Low == sequence+1 {
			spans[last].Low = sequence
		} else {
			spans = append(spans, Span{sequence, sequence})
		}
	}
	return spans
}
