package main

import (
	"fmt"

	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

// sealVectors break one of checks 6 to 11 each. Everything else about the frame is
// right: a header that is altered before sealing is authenticated.
func sealVectors() []vectors.Vector {
	all := []vectors.Vector{
		ping("seal/session-id").header(flip("session_id", 0)).
			invalid("silent", "check6", "HDR-020 ORD-016", "Another session_id."),
		ping("seal/key-id").header(set("key_id", counting(16))).
			invalid("silent", "check6", "NON-001 NON-005 ORD-017", "A key_id of no receive key."),
		reflected("seal/reflected").
			invalid("silent", "check6", "NON-005 ORD-017", "A frame that the server sealed itself."),
		ping("seal/suite-0").header(setUint("encryption_type", 0)).header(setUint("flags", 0)).
			invalid("silent", "check6", "ORD-018", "encryption_type 0 under a key of suite 1."),
		ping("seal/checksum-bit").after(flipChecksum).
			invalid("silent", "check7", "HDR-021 ORD-019", "One bit of the checksum."),
		ping("seal/checksum-zero").header(setUint("checksum", 0)).
			invalid("silent", "check7", "HDR-021 ORD-019", "Checksum zero."),
		hello("seal/first-checksum").after(flipChecksum).
			invalid("silent", "check7", "HDR-021 ORD-019", "A first frame with a wrong checksum gets no answer."),
		ping("seal/nonce-of-next").after(afterwards(func(h *testkit.Message) { h.Set("nonce", nonceField(nextToServe+1)) })).
			invalid("silent", "check10", "NON-002 NON-006", "The nonce field of the next sequence number."),
		sealedWithNonceOfNext("seal/sealed-with-other-nonce").
			invalid("silent", "check11", "HDR-024 ORD-025", "Every field is right, the tag was made with the next nonce."),
		ping("seal/payload").after(func(f *testkit.Frame) { f.Payload[0] ^= 0x80 }).
			invalid("silent", "check11", "ORD-025", "One bit of the ciphertext."),
		ping("seal/tag-first-bit").after(afterwards(flip("auth_tag", 127))).
			invalid("silent", "check11", "ORD-025 HDR-027", "The first bit of the tag."),
		ping("seal/tag-last-bit").after(afterwards(flip("auth_tag", 0))).
			invalid("silent", "check11", "ORD-025 HDR-027", "The last bit of the tag."),
		ping("seal/aad-type").after(afterwards(setUint("message_type", typeDisconnect))).
			invalid("silent", "check11", "HDR-024 ORD-025", "The type was altered after sealing."),
		ping("seal/aad-flags").after(afterwards(setUint("flags", uint64(flags("ENCRYPTED", "PRIORITY"))))).
			invalid("silent", "check11", "HDR-024 ORD-025", "PRIORITY was set after sealing."),
		ping("seal/aad-timestamp").after(afterwards(setUint("timestamp", clock+1))).
			invalid("silent", "check11", "HDR-024 ORD-025", "The timestamp was altered after sealing, within its window."),
	}
	for _, suite := range []uint64{2, 3, 4, 255} {
		all = append(all, ping(fmt.Sprintf("seal/suite-%d", suite)).header(setUint("encryption_type", suite)).
			invalid("silent", "check6", "HDR-005 ORD-018", fmt.Sprintf("encryption_type %d under a key of suite 1.", suite)))
	}
	for _, part := range []struct {
		name string
		bit  int
	}{{"first-byte", 8*23 + 7}, {"counter", 8 * 12}, {"first-zero", 8*11 + 7}, {"last-zero", 0}} {
		all = append(all, ping("seal/nonce-"+part.name).header(func(h *testkit.Message) {
			h.Set("nonce", nonceField(nextToServe)).Flip("nonce", part.bit)
		}).
			invalid("silent", "check10", "NON-002 NON-006", "One bit of the nonce field; tag and nonce are those of the sequence number."))
	}
	return append(all, append(timeVectors(), sequenceVectors()...)...)
}

// flipChecksum alters the checksum that the frame would have.
func flipChecksum(f *testkit.Frame) {
	right := testkit.Uint(f.Encode()[28:32])
	f.Header.SetUint("checksum", right^1)
}

func nonceField(sequence uint64) []byte {
	_, field := testkit.DeriveKeys(appendixBPath().Value("ts_client")).Nonce(sequence)
	return field
}

func reflected(id string) *scenario {
	s := ping(id)
	keys := testkit.DeriveKeys(appendixBPath().Value("ts_server"))
	s.draft.Keys = &keys
	s.Result = []vectors.Value{{Name: "p0.s.ts", Bytes: keys.TrafficSecret}}
	return s
}

func sealedWithNonceOfNext(id string) *scenario {
	s := ping(id)
	s.draft.Sequence = nextToServe + 1
	return s.header(setUint("sequence_number", nextToServe)).header(set("nonce", nonceField(nextToServe)))
}

// timeVectors stand on the edges of the window of timestamps.
func timeVectors() []vectors.Vector {
	var all []vectors.Vector
	for _, edge := range []struct {
		name    string
		stamp   uint64
		req     string // "" if it is inside
		comment string
	}{
		{"behind-300s", clock - 300*second, "", "Exactly 300 s behind the anchor."},
		{"behind-300s-and-1us", clock - 300*second - microsecond, "TIM-007", "1 µs more than 300 s behind the anchor."},
		{"ahead-30s", clock + 30*second, "", "Exactly 30 s ahead of the anchor."},
		{"ahead-30s-and-1us", clock + 30*second + microsecond, "TIM-006", "1 µs more than 30 s ahead of the anchor."},
		{"zero", 0, "TIM-007", "Timestamp 0."},
		{"all-ones", 1<<56 - 1, "TIM-006", "The greatest timestamp."},
	} {
		s := ping("time/" + edge.name).header(setUint("timestamp", edge.stamp))
		c := pong("time/client-" + edge.name).header(setUint("timestamp", edge.stamp))
		if edge.req == "" {
			all = append(all, s.valid("PONG", "TIM-005", edge.comment), c.valid("nothing", "TIM-005", edge.comment))
			continue
		}
		all = append(all, s.invalid("silent", "check8", edge.req, edge.comment), c.invalid("silent", "check8", edge.req, edge.comment))
	}
	return append(all,
		hello("time/first-zero").header(setUint("timestamp", 0)).
			valid("ServerHello", "TIM-008", "The timestamp of a clear frame is not judged."),
		hello("time/first-all-ones").header(setUint("timestamp", 1<<56-1)).
			valid("ServerHello", "TIM-008", "The timestamp of a clear frame is not judged."),
		finish("time/finish-zero").header(setUint("timestamp", 0)).
			valid("HandshakeDone", "TIM-008", "The timestamp of a frame under a handshake key is not judged."))
}

// sequenceVectors stand around the next sequence number and at the end of all.
func sequenceVectors() []vectors.Vector {
	at := func(id string, sequence uint64) *scenario {
		s := ping("sequence/" + id)
		s.draft.Sequence = sequence
		return s
	}
	return []vectors.Vector{
		at("repeated", nextToServe-1).invalid("silent", "check9", "NON-009 ORD-021", "The sequence number of the frame before."),
		at("zero", 0).invalid("silent", "check9", "NON-009 ORD-021", "Sequence number 0 again."),
		at("skipped", nextToServe+1).invalid("silent", "check9", "NON-009 ORD-022", "One sequence number is left out."),
		at("last", 1<<62-1).knows("sequence", 1<<62-1).valid("PONG", "NON-010 NON-013", "The last sequence number that there is."),
		at("end", 1<<62).knows("sequence", 1<<62).
			invalid("silent", "check9", "NON-010 NON-013", "2^62, the next in a slot that is used up."),
		at("all-ones", 1<<64-1).knows("sequence", 1<<64-1).invalid("silent", "check9", "NON-010 NON-013", "2^64 − 1."),
	}
}
