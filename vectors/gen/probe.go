package main

import (
	"slices"

	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

// The operations of Probe.
const (
	opEcho = iota
	opSink
	opSource
	opFail
	opDelay
	opStream
)

// probe returns a body of type 0x70.
func probe(op byte, arg uint64, data []byte) []byte {
	return testkit.Compose("probe").SetUint("op", uint64(op)).SetUint("arg", arg).Set("data", data).Encode()
}

func probeVectors() []vectors.Vector {
	return slices.Concat(probeRequests(), probeWithoutMid(), probeAtClient())
}

func probeRequests() []vectors.Vector {
	request := func(id string, body []byte) *scenario {
		return toServer("probe/"+id, typeProbe, flags("REQUIRES_ACK"), body).needs("probe")
	}
	invalid := func(id string, body []byte, req, comment string) vectors.Vector {
		return request(id, body).valid("reply INVALID_PAYLOAD", req, comment)
	}
	const tooMany = 16777216 - 8 + 1
	return []vectors.Vector{
		request("echo", probe(opEcho, 0, []byte("hello"))).
			valid("reply Probe", "PRB-006 PRB-007 PRB-011", "Five bytes, which the reply repeats."),
		request("echo-empty", probe(opEcho, 0, nil)).valid("reply Probe", "PRB-011", "No data."),
		request("echo-with-arg", probe(opEcho, 7, []byte("hello"))).
			valid("reply Probe", "PRB-007 PRB-008", "An arg that echo does not have is ignored; the reply has arg 0."),
		request("sink", probe(opSink, 0, []byte("hello"))).valid("reply Probe", "PRB-012", "The reply has arg 5 and no data."),
		request("source-3", probe(opSource, 3, nil)).valid("reply Probe", "PRB-014", "The reply has the data 00 01 02."),
		request("source-252", probe(opSource, 252, nil)).valid("reply Probe", "PRB-014", "Byte 251 of the data is 00 again."),
		request("source-0", probe(opSource, 0, nil)).valid("reply Probe", "PRB-014", "No byte of data."),
		request("source-too-large", probe(opSource, tooMany, nil)).
			valid("reply PAYLOAD_TOO_LARGE", "PRB-015", "8 + n is one above 16 777 216."),
		request("source-all-ones", probe(opSource, 1<<32-1, nil)).
			valid("reply PAYLOAD_TOO_LARGE", "PRB-015", "8 + n does not fit 32 bits."),
		request("fail-conflict", probe(opFail, 0x42, nil)).valid("reply FAIL", "PRB-016", "An Error CONFLICT of scope 0."),
		request("fail-unlisted", probe(opFail, 0xABCD, nil)).valid("reply FAIL", "PRB-016", "An Error of a code that the table does not list."),
		request("fail-session-code", probe(opFail, 0x15, nil)).
			valid("reply FAIL", "PRB-016 ERR-015", "An Error PROTOCOL_VIOLATION of scope 0, which ends a call and no session."),
		invalid("fail-65536", probe(opFail, 65536, nil), "PRB-017", "A code of more than 16 bits."),
		request("delay-0", probe(opDelay, 0, []byte("now"))).valid("reply Probe", "PRB-018", "At once, with op 4 and arg 0."),
		request("delay-60000", probe(opDelay, 60000, nil)).valid("Ack", "PRB-018 ACK-010", "The longest delay; an Ack comes first."),
		invalid("delay-60001", probe(opDelay, 60001, nil), "PRB-019", "One above the longest delay."),
		request("stream-2", probe(opStream, 2, []byte("tick"))).
			valid("reply Probe", "PRB-020 PRB-021", "The reply has arg 2 and a sub_id; two pushes follow it."),
		request("stream-0", probe(opStream, 0, nil)).valid("reply Probe", "PRB-020", "The reply alone."),
		invalid("stream-1000001", probe(opStream, 1000001, nil), "PRB-022", "One push too many."),
		invalid("op-6", probe(6, 0, nil), "PRB-005", "The first op without a name."),
		invalid("op-255", probe(255, 0, nil), "PRB-005", "The last op without a name."),
		invalid("seven-bytes", probe(opEcho, 0, nil)[:7], "PRB-004 CON-004", "One byte short of a body."),
		invalid("empty", nil, "PRB-004 CON-004", "No byte of body."),
		invalid("zero-set", []byte{opEcho, 0, 0, 1, 0, 0, 0, 0}, "PRB-004 CON-003", "A byte of zero is not zero."),
		invalid("malformed-before-op", []byte{9, 1, 0, 0, 0, 0, 0, 0}, "PRB-004", "Both op and zero are wrong."),
	}
}

// probeWithoutMid are of type 0x70 and no request.
func probeWithoutMid() []vectors.Vector {
	bare := func(id string, body []byte) *scenario {
		return toServer("probe/"+id, typeProbe, 0, body).needs("probe")
	}
	return []vectors.Vector{
		bare("sink-without-mid", probe(opSink, 0, []byte("hello"))).valid("nothing", "PRB-013", "A sink that is not answered."),
		bare("echo-without-mid", probe(opEcho, 0, []byte("hello"))).
			valid("Error MALFORMED", "MSG-054 MSG-055", "Only a sink does without REQUIRES_ACK."),
		bare("stream-without-mid", probe(opStream, 1, nil)).
			valid("Error MALFORMED", "MSG-054 MSG-055", "A stream that nobody can be told about is not opened."),
		bare("sink-zero-set-without-mid", []byte{opSink, 1, 0, 0, 0, 0, 0, 0}).
			valid("Error MALFORMED", "MSG-054", "A sink that is not well-formed."),
		toServer("probe/push-from-client", typeProbe, flags("STREAMING"), probe(opStream, 0, nil)).needs("probe").
			prologue(setUint("sub_id", 1)).prologue(setUint("n", 1)).
			invalid("PROTOCOL_VIOLATION", "check13", "MSG-056", "A client pushes."),
		toServer("probe/reply-from-client", typeProbe, flags("REQUIRES_ACK", "REPLY"), probe(opEcho, 0, nil)).needs("probe").
			prologue(setUint("reply_to", 1)).invalid("PROTOCOL_VIOLATION", "check13", "MSG-038", "A client replies."),
	}
}

// probeAtClient arrive at a client that has sent one Probe request, mid 1.
func probeAtClient() []vectors.Vector {
	reply := func(id string, body []byte) *scenario {
		s := toClient("probe/client-"+id, typeProbe, flags("REQUIRES_ACK", "REPLY"), body).needs("probe")
		return s.knows("sent_mid", 1).given("sent_type", []byte{typeProbe}).prologue(setUint("reply_to", 1))
	}
	push := func(id string, body []byte) *scenario {
		s := toClient("probe/client-"+id, typeProbe, flags("STREAMING"), body).needs("probe")
		return s.prologue(setUint("sub_id", 9)).prologue(setUint("n", 1))
	}
	return []vectors.Vector{
		reply("reply", probe(opEcho, 0, []byte("hello"))).valid("Ack", "MSG-006", "A reply of type 0x70."),
		reply("reply-seven-bytes", probe(opEcho, 0, nil)[:7]).valid("Ack", "PRB-009", "A malformed reply ends its call as unknown."),
		push("push-unknown", probe(opStream, 0, []byte("tick"))).
			valid("nothing", "MSG-066 MSG-067", "A push of a sub_id that the client does not know."),
		push("push-malformed", nil).valid("nothing", "PRB-010 MSG-067", "A push without a body."),
		toClient("probe/client-request", typeProbe, flags("REQUIRES_ACK"), probe(opEcho, 0, nil)).needs("probe").
			invalid("PROTOCOL_VIOLATION", "check13", "MSG-057", "A server makes a request."),
		toClient("probe/client-bare", typeProbe, 0, probe(opSink, 0, nil)).needs("probe").
			invalid("PROTOCOL_VIOLATION", "check13", "MSG-057", "A server sends a sink."),
	}
}
