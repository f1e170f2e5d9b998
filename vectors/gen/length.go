package main

import (
	"fmt"

	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

// lengthVectors are the 96 bytes of frames around each limit of payload_length.
// A valid one waits for its payload; its tag is not that of any payload.
func lengthVectors() []vectors.Vector {
	const limitReq = "HDR-009 ORD-009"
	all := []vectors.Vector{
		announced(hello("length/first-8208"), 8208).
			valid("", "HDR-008 LIM-001", "The limit before a session: 16 bytes of envelope and 8192 of body."),
		announced(finish("length/half-open-8208"), 8208).
			valid("", "HDR-008 LIM-001", "The limit before ClientFinish has verified."),
		announced(finish("length/half-open-8209"), 8209).
			invalid("silent", "check4", "ORD-010 "+limitReq, "One above the limit before ClientFinish has verified."),
		announced(ping("length/server-65600"), 65600).
			valid("", "HDR-008 LIM-002", "The limit at a server while no wallet is authenticated."),
		announced(pong("length/client-262208"), 262208).
			valid("", "HDR-008 LIM-003", "The limit at a client."),
		announced(pong("length/client-262209"), 262209).
			invalid("PAYLOAD_TOO_LARGE", "check4", "ORD-011 LIM-003 "+limitReq, "One above the limit at a client: sealed Error, scope 1."),
		announced(serverHello("length/hello-8209", nil), 8209).
			invalid("silent", "check4", "ORD-012 LIM-001 "+limitReq, "One above the limit, at a client that waits for ServerHello."),
		announced(ping("length/limit-before-session-id").header(flip("session_id", 0)), 65601).
			invalid("PAYLOAD_TOO_LARGE", "check4", "ORD-001 ORD-011", "The length is judged before session_id."),
		announced(ping("length/flags-before-limit").header(setUint("flags", 0x8001)), 65601).
			invalid("silent", "check3", "ORD-001 FLG-002", "The flags are judged before the length: no Error."),
		toServer("length/zero-extension", typeExtension, 0, nil).
			valid("nothing", "HDR-003 TYP-009", "A payload of no byte."),
		hello("length/first-zero").raw(nil).
			invalid("MALFORMED", "form", "HSK-067", "A first frame without payload has no envelope."),
		hello("length/first-full").body(set("extensions", testkit.TLVBlock(testkit.TLV{Type: 0x8000, Value: make([]byte, 6890)}))).
			valid("ServerHello", "HDR-008 LIM-001 TYP-025", "A ClientHello of 8192 bytes in a payload of 8208."),
	}
	for _, length := range []uint64{8209, 1 << 24, 1<<24 + 1, 1<<32 - 1} {
		all = append(all, announced(hello(fmt.Sprintf("length/first-%d", length)), length).
			invalid("PAYLOAD_TOO_LARGE", "check4", "HSK-076 "+limitReq, fmt.Sprintf("payload_length %d in a first frame: clear Error.", length)))
	}
	for _, length := range []uint64{65601, 1 << 24, 1<<24 + 1, 1<<32 - 1} {
		all = append(all, announced(ping(fmt.Sprintf("length/server-%d", length)), length).
			invalid("PAYLOAD_TOO_LARGE", "check4", "ORD-011 LIM-002 "+limitReq,
				fmt.Sprintf("payload_length %d in a session: sealed Error, scope 1.", length)))
	}
	return all
}

// announced leaves the 96 bytes of a frame, with another payload_length.
func announced(s *scenario, length uint64) *scenario {
	s.Kind = vectors.KindHeader
	s.resize = func(raw []byte) []byte { return raw[:testkit.HeaderSize] }
	return s.header(setUint("payload_length", length))
}
