package main

import "github.com/bpci/xtmp/vectors"

// The kinds of Heartbeat.
const (
	kindPing          = 0
	kindPong          = 1
	kindPathChallenge = 2
	kindPathResponse  = 3
	kindRekeyRequest  = 4
)

func heartbeatVectors() []vectors.Vector {
	beat := func(id string, kind byte, data int) *scenario {
		return toServer("heartbeat/"+id, typeHeartbeat, 0, append([]byte{kind}, counting(data)...))
	}
	return []vectors.Vector{
		toServer("heartbeat/empty", typeHeartbeat, 0, nil).
			invalid("PROTOCOL_VIOLATION", "check13", "HBT-001 HBT-003", "A body of no byte has no kind."),
		beat("ping-1", kindPing, 0).valid("PONG", "HBT-004", "The shortest PING: its kind alone."),
		beat("ping-9", kindPing, 8).valid("PONG", "HBT-004 HBT-005", "A PING with eight bytes, which the PONG repeats."),
		beat("ping-64", kindPing, 63).valid("PONG", "HBT-003 HBT-005", "The longest PING."),
		beat("ping-65", kindPing, 64).invalid("PROTOCOL_VIOLATION", "check13", "HBT-001 HBT-003", "One byte more than a Heartbeat has."),
		beat("pong-unasked", kindPong, 8).valid("nothing", "HBT-007 HBT-009", "A PONG that nobody asked for."),
		beat("pong-65", kindPong, 64).invalid("PROTOCOL_VIOLATION", "check13", "HBT-003", "The size is judged whatever the kind."),
		beat("path-challenge", kindPathChallenge, 8).
			valid("PATH_RESPONSE", "HBT-005 HBT-006", "A PATH_CHALLENGE is answered on TCP too."),
		beat("path-response-unasked", kindPathResponse, 8).valid("nothing", "HBT-007 HBT-009", "A PATH_RESPONSE that nobody asked for."),
		beat("rekey-request", kindRekeyRequest, 0).
			invalid("PROTOCOL_VIOLATION", "check13", "HBT-002 HBT-010", "Only a server asks for a rekey."),
		beat("unknown-5", 5, 8).valid("nothing", "HBT-007 HBT-008", "The first kind without a name."),
		beat("unknown-255", 255, 0).valid("nothing", "HBT-007 HBT-008", "The last kind without a name."),
		toClient("heartbeat/client-ping", typeHeartbeat, 0, []byte{kindPing, 0xAB}).
			valid("PONG", "HBT-004 HBT-005", "A client answers a PING as well."),
	}
}

// counting returns n bytes: 01, 02, 03 and so on.
func counting(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(i + 1)
	}
	return out
}
