package cases

import (
	"slices"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// compressionRefused returns the cases about streams that a server refuses.
func compressionRefused() []conformance.Case {
	return []conformance.Case{compressionUnannounced(), originalTooLong(), badStreams(), bombs(), streamTooLong()}
}

// notInflating returns a session of a server that does not announce that it inflates.
func notInflating(x *conformance.Exchange) *peer.Session {
	s := session(x)
	if s.Inflates() {
		x.Unsupported("a policy without inflation")
	}
	return s
}

func compressionUnannounced() conformance.Case {
	return conformance.Case{
		ID: "XC-0760", Title: "A server that does not announce it refuses a compressed request at its first frame.",
		Proves: []string{"XTMP-CMP-007", "XTMP-MSG-069", "XTMP-TYP-032"}, Control: controlEcho,
		Expect: turnsDown("COMPRESSION_REFUSED", "XTMP-CMP-007"),
		Params: []conformance.Param{
			param("frame", "whole", "first fragment", "last fragment", "inconsistent", "too long", "original_len", "malformed"),
		},
		Explain: explain("The sender has to learn that it may send the same thing uncompressed; any other answer hides that.",
			"A compressed echo in one frame, one fragment of it, or one with a second fault that comes later in the order.",
			"the body is inflated all the same", "the fragments are put together first", "the second fault is told"),
		Run: func(x *conformance.Exchange) {
			s := notInflating(x)
			flags := flag("REQUIRES_ACK", "COMPRESSED")
			stream := testkit.Deflate(probeBody(opEcho, 0, texts(x, 1000)))
			var d *peer.Draft
			switch x.Param("frame") {
			case "whole":
				d = sendFrame(x, s, typeProbe, flags, stream, originally(1008))
			case "first fragment":
				d = sendFrame(x, s, typeProbe, flags|flag("FRAGMENT"), make([]byte, 512), fragment(0, 2), originally(1008))
			case "last fragment":
				d = sendFrame(x, s, typeProbe, flags|flag("FRAGMENT"), make([]byte, 12), fragment(1, 2))
			case "inconsistent":
				d = sendFrame(x, s, typeProbe, flags|flag("FRAGMENT"), make([]byte, 12), fragment(5, 2))
			case "too long":
				d = sendFrame(x, s, typeProbe, flags, make([]byte, 65_537), originally(1008))
			case "original_len":
				d = sendFrame(x, s, typeProbe, flags, stream, originally(1<<32-1))
			case "malformed":
				d = sendFrame(x, s, typeProbe, flags, []byte{0xFF}, originally(1))
			}
			judgeRefusal(x, s, d.Mid())
			requireEchoAfter(x, s)
		},
	}
}

func originalTooLong() conformance.Case {
	return conformance.Case{
		ID: "XC-0761", Title: "A compressed request whose original_len is above the message limit is refused at the frame that shows it.",
		Proves: []string{"XTMP-CMP-008", "XTMP-MSG-069"}, Control: controlInflates, Expect: turnsDown("DECOMPRESS_LIMIT", "XTMP-CMP-008"),
		Params: []conformance.Param{
			param("original_len", "65537", "16777217", "4294967295"), param("frame", "whole", "index 0 first", "index 0 second"),
		},
		Explain: explain("The receiver knows before it inflates how much it will get; that is the protection against streams that explode.",
			"A compressed echo with such an original_len, in one frame or in fragments of which that with index 0 comes first or second.",
			"the limit is applied to what came out", "the fragments are put together first", "the limit of 16 MiB is applied"),
		Run: func(x *conformance.Exchange) {
			s := inflating(x)
			n := x.ParamInt("original_len")
			if x.Param("frame") == "whole" {
				judgeRefusal(x, s, askCompressed(x, s, testkit.Deflate(make([]byte, 70_000)), n).Mid())
				return
			}
			drafts := s.Fragments(typeProbe, flag("REQUIRES_ACK", "COMPRESSED"), make([]byte, 1500), 600)
			s.Rewind(1)
			originally(n)(drafts[0])
			if x.Param("frame") == "index 0 first" {
				s.Rewind(1)
				send(x, s.SendDrafts(drafts[0]))
			} else {
				resequence(drafts[:2], slices.Reverse)
				send(x, s.SendDrafts(drafts[:2]...))
			}
			judgeRefusal(x, s, drafts[0].Mid())
			requireEchoAfter(x, s)
		},
	}
}

// liesAboutStreams are the ways in which a stream may not be what it says, by name.
func liesAboutStreams() []string {
	return []string{
		"one less", "one more", "0", "cut", "cut header", "empty", "trailing byte", "trailing stream", "block type 3", "bad lengths", "bad code",
		"too far back", "zlib", "not ended",
	}
}

// lie returns a stream of the kind named, and an original_len.
func lie(name string, body []byte) (stream []byte, original int) {
	stream, original = testkit.Deflate(body), len(body)
	switch name {
	case "one less":
		return stream, original - 1
	case "one more":
		return stream, original + 1
	case "0":
		return stream, 0
	case "cut":
		return stream[:len(stream)-2], original
	case "cut header":
		return testkit.Stored(body, 65_535)[:3], original
	case "empty":
		return nil, original
	case "trailing byte":
		return append(stream, 0), original
	case "trailing stream":
		return append(stream, 0x03, 0x00), original
	case "block type 3":
		return []byte{0x07, 0x00, 0x00}, original
	case "bad lengths":
		stored := testkit.Stored(body, 65_535)
		stored[3] ^= 1
		return stored, original
	case "bad code":
		w := &bitWriter{}
		w.fixedBlock(true)
		w.code(0xC6, 8) // length code 286, which does not exist
		return append(w.out, make([]byte, 8)...), original
	case "too far back":
		far, yields := farMatch(make([]byte, 32_768), true)
		return far, len(yields)
	case "zlib":
		return append([]byte{0x78, 0x9C}, stream...), original
	case "not ended":
		w := &bitWriter{}
		w.stored(body)
		return w.out, original
	}
	return stream, original
}

func badStreams() conformance.Case {
	return conformance.Case{
		ID: "XC-0762", Title: "A compressed request that is not the stream that it says is refused.",
		Proves: []string{"XTMP-CMP-009", "XTMP-MSG-069", "XTMP-MSG-071"}, Control: controlInflates,
		Expect: turnsDown("DECOMPRESS_LIMIT", "XTMP-CMP-009"),
		Params: []conformance.Param{param("lie", liesAboutStreams()...), param("fragments", "no", "yes")},
		Explain: explain("A stream that yields less, more or something behind its end is read differently by two libraries; the "+
			"fault is that of "+
			"one message, and the session goes on.",
			"An echo whose stream is broken, ends early or late, or has another length than original_len, in one frame or in fragments.",
			"what came out is used as it is", "bytes behind the stream are ignored", "the session is ended", "INVALID_PAYLOAD is sent"),
		Run: func(x *conformance.Exchange) {
			s := inflating(x)
			body := probeBody(opEcho, 0, x.Entropy("data").Bytes(3000)) // which hardly compresses
			stream, original := lie(x.Param("lie"), body)
			if x.Param("fragments") == "yes" && len(stream) > 512 {
				drafts := s.Fragments(typeProbe, flag("REQUIRES_ACK", "COMPRESSED"), stream, 512)
				originally(original)(drafts[0])
				send(x, s.SendDrafts(drafts...))
				judgeRefusal(x, s, drafts[0].Mid())
			} else {
				judgeRefusal(x, s, askCompressed(x, s, stream, original).Mid())
			}
			requireEchoAfter(x, s)
		},
	}
}

func bombs() conformance.Case {
	return conformance.Case{
		ID: "XC-0763", Title: "A stream that would yield a thousand times what it says is refused.",
		Proves: []string{"XTMP-CMP-009"}, Touches: []string{"XTMP-CMP-010"}, Control: controlInflates, Disruptive: true, Bulk: true,
		Expect: turnsDown("DECOMPRESS_LIMIT", "XTMP-CMP-009"),
		Params: []conformance.Param{param("original_len", "0", "1008", "65536"), param("times", "1", "64")},
		Explain: explain("Sixty kilobytes become sixty megabytes; a server that finds out afterwards is stopped by a few of them.",
			"Echoes whose stream yields 60 MiB of zeros and whose original_len says less, one or many in one write.",
			"the stream is inflated to its end and measured then"),
		Run: func(x *conformance.Exchange) {
			s := inflating(x)
			bomb := testkit.Deflate(make([]byte, 60<<20))
			var drafts []*peer.Draft
			for range x.ParamInt("times") {
				d := s.Draft(typeProbe, flag("REQUIRES_ACK", "COMPRESSED"), bomb)
				originally(x.ParamInt("original_len"))(d)
				drafts = append(drafts, d)
			}
			send(x, s.SendDrafts(drafts...))
			for _, d := range drafts[:len(drafts)-1] {
				awaitWhole(x, s, d.Mid())
			}
			judgeRefusal(x, s, drafts[len(drafts)-1].Mid())
			requireEchoAfter(x, s)
		},
	}
}

func streamTooLong() conformance.Case {
	return conformance.Case{
		ID: "XC-0764", Title: "A stream that is longer than the message limit is refused, whatever it yields.",
		Proves: []string{"XTMP-MSG-070", "XTMP-MSG-069"}, Touches: []string{"XTMP-CMP-008"}, Control: controlInflates,
		Expect: turnsDown("PAYLOAD_TOO_LARGE", "XTMP-MSG-070"), Params: []conformance.Param{param("original_len", "1000", "65536", "65537")},
		Explain: explain("The limit holds for the body as it was sent, too; a stream of stored blocks may be longer than what it yields.",
			"A compressed echo in one frame whose stream has 65 537 bytes or more.", "only what comes out is measured",
			"original_len is judged first"),
		Run: func(x *conformance.Exchange) {
			s := inflating(x)
			n := x.ParamInt("original_len")
			stream := testkit.Stored(make([]byte, n), 65_535)
			for len(stream) <= size("message_to_server_before_wallet") {
				stream = slices.Concat([]byte{0, 0, 0, 0xFF, 0xFF}, stream) // an empty stored block
			}
			judgeRefusal(x, s, askCompressed(x, s, stream, n).Mid())
			requireEchoAfter(x, s)
		},
	}
}
