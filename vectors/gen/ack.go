package main

import (
	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

// ackVectors: the receiver has sent sequence numbers 0 … 3.
func ackVectors() []vectors.Vector {
	ack := func(id string, largest uint64) *scenario {
		s := toServer("ack/"+id, typeAck, 0, nil)
		s.draft.Body = testkit.Compose("ack").SetUint("largest", largest)
		return s
	}
	return []vectors.Vector{
		ack("last", nextToHear-1).valid("nothing", "ACK-004 ACK-009", "It acknowledges everything that was sent."),
		ack("earlier", 0).valid("nothing", "ACK-009", "It acknowledges the first frame only."),
		ack("future", nextToHear).invalid("PROTOCOL_VIOLATION", "check13", "ACK-004", "It acknowledges a frame that was never sent."),
		ack("all-ones", 1<<64-1).invalid("PROTOCOL_VIOLATION", "check13", "ACK-004", "It acknowledges 2^64 − 1."),
		ack("delay", 3).body(setUint("ack_delay_us", 1<<32-1)).valid("nothing", "ACK-008", "The delay means nothing on TCP."),
		ack("first-range", 3).body(setUint("first_range", 1)).
			invalid("PROTOCOL_VIOLATION", "check13", "ACK-002 ACK-005", "first_range is not 0."),
		ack("range-count", 3).body(setUint("range_count", 1)).
			invalid("PROTOCOL_VIOLATION", "check13", "ACK-002 ACK-005", "range_count 1 without its pair."),
		ack("range", 3).body(set("ranges", []byte{0, 1, 0, 1})).
			invalid("PROTOCOL_VIOLATION", "check13", "ACK-002 ACK-005 ACK-006", "range_count 1 with its pair."),
		ack("zero-field", 3).body(setUint("zero", 1)).
			invalid("PROTOCOL_VIOLATION", "check13", "CON-003 ERR-021", "The zero byte is not zero."),
		ack("15-bytes", 3).body(func(m *testkit.Message) { m.Cut("zero") }).
			invalid("PROTOCOL_VIOLATION", "check13", "ACK-006", "One byte is missing."),
		ack("17-bytes", 3).trailing([]byte{0}).
			invalid("PROTOCOL_VIOLATION", "check13", "ACK-006", "One byte too many."),
	}
}
