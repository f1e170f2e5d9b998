package main

import (
	"bytes"
	"slices"

	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

// Streams that were made once and written down, so that no library can change them:
// an echo of "hello hello hello hello" with fixed codes, and one of dynamicText with
// dynamic codes.
const (
	fixedStream = "636080808cd49c9c7c050c1200"
	dynamicText = "the numbered a messages and a a of server probe client and sealed of probe frame echo messages client sealed between ser" +
		"ver echo the sealed probe a sealed between numbered frame and between frame and and echo frame the the client frame fram" +
		"e probe probe sealed and sealed frame frame numbered messages sealed server of of sealed frame a sealed"
	dynamicStream = "5d50810dc3200ceb29792d74ee3aa9c004b47b7f84048a8a142462c77658163d650785d33b24bc88c923677e2313077932c5" +
		"8d32d28544df141d683d3e08a5c1197cd4a1ca50684bec4158f778cb18dda80ee50784aed8a812c06095e1277bc45303b1ee" +
		"d0dd916a7ada125529f3d7a6deeaa2b7394ddbcccc613cd63192e5af9bb7ef99067bf83f"
)

// compressed sends a stream to a server with Probe that inflates.
func compressed(id string, originalLen uint64, stream []byte) *scenario {
	s := toServer("compression/"+id, typeProbe, flags("REQUIRES_ACK", "COMPRESSED"), stream).needs("probe")
	return s.given("inflates", []byte{1}).prologue(setUint("original_len", originalLen))
}

func compressionVectors() []vectors.Vector {
	return slices.Concat(compressionValid(), compressionLies(), compressionFragments(), compressionAtClient())
}

func compressionValid() []vectors.Vector {
	hello := probe(opEcho, 0, []byte("hello hello hello hello"))
	dynamic := probe(opEcho, 0, []byte(dynamicText))
	good := func(id string, body, stream []byte, comment string) vectors.Vector {
		return compressed(id, uint64(len(body)), stream).valid("reply Probe", "CMP-006 CMP-003", comment)
	}
	zeros := make([]byte, 8)
	return []vectors.Vector{
		good("stored", hello, testkit.Stored(hello, 65535), "One stored block."),
		good("stored-blocks", hello, testkit.Stored(hello, 7), "Five stored blocks."),
		good("fixed", hello, unhex(fixedStream), "One block with fixed codes."),
		good("dynamic", dynamic, unhex(dynamicStream), "One block with dynamic codes."),
		good("empty-block-first", hello, slices.Concat([]byte{0, 0, 0, 0xFF, 0xFF}, testkit.Stored(hello, 65535)),
			"An empty stored block before the others."),
		good("longer-than-body", zeros, testkit.Stored(zeros, 1), "A stream of 48 bytes for a body of 8."),
		compressed("empty-body", 0, testkit.Stored(nil, 1)).
			valid("reply INVALID_PAYLOAD", "CMP-006 PRB-004", "original_len 0 is legal; the body that it gives is not."),
		compressed("reply-invalid", 8, testkit.Stored(probe(9, 0, nil), 8)).
			valid("reply INVALID_PAYLOAD", "PRB-005 MSG-069", "A body that inflates and has an op without a name."),
	}
}

func compressionLies() []vectors.Vector {
	hello := probe(opEcho, 0, []byte("hello hello hello hello"))
	length := uint64(len(hello))
	stored, fixed := testkit.Stored(hello, 65535), unhex(fixedStream)
	bad := func(id string, originalLen uint64, stream []byte, comment string) vectors.Vector {
		return compressed(id, originalLen, stream).valid("reply DECOMPRESS_LIMIT", "CMP-009 MSG-071", comment)
	}
	without := slices.Clone(stored)
	without[0] = 0
	mismatch := slices.Clone(stored)
	mismatch[3] ^= 1
	return []vectors.Vector{
		bad("one-less", length-1, fixed, "The stream yields one byte more than original_len."),
		bad("one-more", length+1, fixed, "The stream yields one byte less than original_len."),
		bad("original-len-0", 0, fixed, "original_len 0 and a stream that yields bytes."),
		bad("byte-after-stream", length, append(slices.Clone(fixed), 0), "One byte after the end of the stream."),
		bad("stream-cut", length, fixed[:len(fixed)-2], "A stream without its end."),
		bad("no-stream", length, nil, "No byte of a stream."),
		bad("no-final-block", length, without, "The last block does not say that it is the last."),
		bad("block-type-3", length, []byte{0x07, 0}, "A block of a type that does not exist."),
		bad("stored-length", length, mismatch, "A stored block whose lengths disagree."),
		bad("distance-too-far", 4, unhex("63004200"), "A distance beyond the first byte."),
		bad("zlib-header", length, slices.Concat([]byte{0x78, 0xDA}, fixed), "A zlib header before the stream."),
		compressed("original-len-65537", 65537, fixed).
			valid("reply DECOMPRESS_LIMIT", "CMP-008 MSG-071", "original_len is one above the message limit."),
		compressed("original-len-all-ones", 1<<32-1, fixed).
			valid("reply DECOMPRESS_LIMIT", "CMP-008", "The greatest original_len."),
		compressed("not-announced", length, fixed).given("inflates", []byte{0}).
			valid("reply COMPRESSION_REFUSED", "CMP-001 CMP-007", "The server did not announce that it inflates."),
		compressed("not-announced-and-lie", 65537, fixed).given("inflates", []byte{0}).
			valid("reply COMPRESSION_REFUSED", "CMP-007 MSG-069", "COMPRESSION_REFUSED comes before DECOMPRESS_LIMIT."),
		toServer("compression/unknown-type", typeUnknown, flags("REQUIRES_ACK", "COMPRESSED"), fixed).
			prologue(setUint("original_len", 65537)).
			valid("reply UNSUPPORTED_TYPE", "MSG-034 MSG-069", "The type is judged before the compression."),
		toServer("compression/lie-without-mid", typeProbe, flags("COMPRESSED"), fixed).needs("probe").given("inflates", []byte{1}).
			prologue(setUint("original_len", length+1)).
			valid("nothing", "CMP-011", "Without mid the message is discarded."),
		toServer("compression/sink-without-mid", typeProbe, flags("COMPRESSED"), testkit.Stored(probe(opSink, 0, []byte("hello")), 65535)).
			needs("probe").
			given("inflates", []byte{1}).prologue(setUint("original_len", 13)).
			valid("nothing", "CMP-006 PRB-013", "A compressed sink without REQUIRES_ACK."),
	}
}

func compressionFragments() []vectors.Vector {
	body := fragmentBody()
	stream := testkit.Stored(body, 65535)
	cut := pieces(stream, 512)
	draft := func(p piece, originalLen uint64) *testkit.Draft {
		d := testkit.NewDraft(typeProbe, flags("REQUIRES_ACK", "COMPRESSED", "FRAGMENT"), clock)
		d.Plaintext.Body = p.body
		d.Plaintext.Prologue.SetUint("mid", 1).SetUint("index", p.index).SetUint("count", p.count)
		if p.index == 0 {
			d.Plaintext.Prologue.SetUint("original_len", originalLen)
		}
		return d
	}
	send := func(id string, inflates byte, originalLen uint64, order ...int) *scenario {
		s := toServer("compression/"+id, typeProbe, 0, nil).needs("probe").given("inflates", []byte{inflates})
		for _, i := range order[:len(order)-1] {
			s.before(draft(cut[i], originalLen))
		}
		return s.last(draft(cut[order[len(order)-1]], originalLen))
	}
	length := uint64(len(body))
	return []vectors.Vector{
		send("fragments", 1, length, 0, 1, 2).
			valid("reply Probe", "CMP-004 FRG-012", "Three fragments of one stream; original_len is in the first."),
		send("fragments-last-first", 1, length, 2, 1, 0).valid("reply Probe", "CMP-004 FRG-012", "The same from the end."),
		send("fragments-lie", 1, length-1, 0, 1, 2).valid("reply DECOMPRESS_LIMIT", "CMP-009", "The stream yields one byte too many."),
		send("fragments-limit-first", 1, 65537, 0).
			valid("reply DECOMPRESS_LIMIT", "CMP-008", "Refused at the fragment that carries original_len."),
		send("fragments-limit-late", 1, 65537, 1, 0).valid("reply DECOMPRESS_LIMIT", "CMP-008", "That fragment comes second."),
		send("fragments-not-announced", 0, length, 1).
			valid("reply COMPRESSION_REFUSED", "CMP-007", "Refused at the first fragment that arrives."),
		send("fragments-after-refusal", 0, length, 1, 0).valid("Ack", "MSG-052", "What follows a refusal is acknowledged and discarded."),
	}
}

// compressionAtClient arrive at a client that has sent one Probe request, mid 1.
func compressionAtClient() []vectors.Vector {
	hello := probe(opEcho, 0, []byte("hello hello hello hello"))
	reply := func(id string, inflates byte, originalLen uint64) *scenario {
		s := toClient("compression/client-"+id, typeProbe, flags("REQUIRES_ACK", "REPLY", "COMPRESSED"), unhex(fixedStream)).needs("probe")
		s.knows("sent_mid", 1).given("sent_type", []byte{typeProbe}).given("inflates", []byte{inflates})
		return s.prologue(setUint("reply_to", 1)).prologue(setUint("original_len", originalLen))
	}
	length := uint64(len(hello))
	return []vectors.Vector{
		reply("reply", 1, length).valid("Ack", "CMP-006 MSG-006", "A compressed reply."),
		reply("lie", 1, length+1).valid("Error DECOMPRESS_LIMIT", "MSG-072 MSG-073 MSG-074", "A reply that does not yield original_len."),
		reply("original-len-16777217", 1, 16777217).valid("Error DECOMPRESS_LIMIT", "MSG-072", "original_len is one above the message limit."),
		reply("not-announced", 0, length).valid("Error COMPRESSION_REFUSED", "CMP-001 MSG-072", "The client did not announce that it inflates."),
		toClient("compression/client-push-lie", typeProbe, flags("STREAMING", "COMPRESSED"), bytes.Clone(unhex(fixedStream))).needs("probe").
			given("inflates", []byte{1}).prologue(setUint("sub_id", 9)).prologue(setUint("n", 1)).prologue(setUint("original_len", 1)).
			valid("nothing", "MSG-075 CMP-011", "A push that does not inflate is discarded."),
	}
}
