package wire

import "testing"

var sink Header

// BenchmarkHeaderDecode decodes the fixed part of a frame and checks magic and
// version.
func BenchmarkHeaderDecode(b *testing.B) {
	frame := AppendClear(nil, TypeHeartbeat, 1, 2, make([]byte, 64))
	var h Header
	b.ReportAllocs()
	for b.Loop() {
		if ParseHeader(frame, &h) != nil {
			b.Fatal("refused")
		}
	}
	sink = h
}
