package cases

import (
	"strings"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// messagesUnknown returns the cases of section 8.7: types that the server does
// not implement.
func messagesUnknown() []conformance.Case {
	return []conformance.Case{
		unknownRequest(), unknownWithoutMid(), unknownAtMostOncePerSecond(), unknownPush(),
		unknownFragments(), typeBeforeTheRest(),
	}
}

func unknownRequest() conformance.Case {
	return conformance.Case{
		ID: "XC-0440", Title: "A request of any unknown type is answered by UNSUPPORTED_TYPE, and the session goes on.",
		Proves: []string{"XTMP-MSG-029", "XTMP-MSG-032", "XTMP-ERR-004"}, Touches: []string{"XTMP-TYP-007"}, Expect: accepts(),
		Params: []conformance.Param{param("type", hexes(2, widen(unknownTypes())...)...)},
		Explain: explain("A client finds out what a server can do by asking; an answer that ends the session, or names the session's scope, "+
			"punishes the question.",
			"A request of a type in 0x06 … 0x7F, with a small body; then a PING.",
			"only the types of the table are dispatched and the gaps fall through", "the Error has the scope of a violation"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			d := sendFrame(x, s, uint8(x.ParamInt("type")), flag("REQUIRES_ACK"), x.Entropy("body").Bytes(24))
			judgeUnsupported(x, s, d.Mid())
			x.RequireField("scope", 0, s.Last().Error().Scope)
			ping(x, s)
		},
	}
}

func widen(list []uint8) []uint64 {
	wide := make([]uint64, len(list))
	for i, v := range list {
		wide[i] = uint64(v)
	}
	return wide
}

func unknownWithoutMid() conformance.Case {
	return conformance.Case{
		ID: "XC-0441", Title: "A frame of an unknown type without mid gets an unsolicited UNSUPPORTED_TYPE of scope 0.",
		Proves: []string{"XTMP-MSG-030", "XTMP-MSG-032", "XTMP-ERR-008"}, Control: controlRequest,
		Expect: fails(conformance.ErrorFrame(code("UNSUPPORTED_TYPE"), conformance.ScopeMessage), "XTMP-MSG-030"),
		Params: []conformance.Param{param("type", hexes(2, 0x06, 0x13, 0x20, 0x41, 0x5A, 0x71, 0x7F)...)},
		Explain: explain("Without a mid there is nothing to reply to; the sender can only learn from ref_seq which frame was not understood.",
			"A frame of a type in 0x06 … 0x7F with neither REQUIRES_ACK nor STREAMING, then a PING.",
			"the frame is dropped silently", "the Error is sent as a reply to mid 0", "ref_seq is left at none", "the session is ended"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			d := sendFrame(x, s, uint8(x.ParamInt("type")), 0, x.Entropy("body").Bytes(24))
			x.Judge(reaction(x, s, conformance.BudgetReply))
			x.RequireField("reply_to", 0, s.Last().Error().ReplyTo)
			x.RequireField("ref_seq", d.Sequence, s.Last().Error().RefSeq)
			x.Require(onlyExercise(fence(x, s)), "the PING behind the Error is answered and nothing else comes")
		},
	}
}

// onlyExercise reports whether the frames are such as a server may send whenever
// it likes.
func onlyExercise(frames []*peer.Received) bool {
	for _, r := range frames {
		if r.Plaintext == nil || !anytime(r) {
			return false
		}
	}
	return true
}

func unknownAtMostOncePerSecond() conformance.Case {
	return conformance.Case{
		ID: "XC-0442", Title: "Unsolicited Errors UNSUPPORTED_TYPE come at most once per second.",
		Proves: []string{"XTMP-MSG-030"}, Expect: accepts(), Timer: "T_LINGER",
		Explain: explain("Frames without mid cost their sender nothing; a server that answers each of them can be made to talk without end. "+
			"A server that never answers again hides the fault.",
			"Eight frames of unknown types without mid in one write, then a PING; once more than a second has passed, another such frame.",
			"there is no limit", "the limit is one per session and not one per second"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			var drafts []*peer.Draft
			for _, t := range unknownTypes()[:8] {
				drafts = append(drafts, s.Draft(t, 0, nil))
			}
			send(x, s.SendDrafts(drafts...))
			_, _, err := s.ExpectError(0)
			need(x, err)
			x.Require(len(peer.Errors(append(fence(x, s), fence(x, s)...))) == 0, "a burst within one second is answered by one Error")
			x.Pause("T_LINGER") // which is a second, and a little more
			sendFrame(x, s, typeUnknown, 0, nil)
			_, _, err = s.ExpectError(0)
			need(x, err)
		},
	}
}

func unknownPush() conformance.Case {
	return conformance.Case{
		ID: "XC-0443", Title: "A push of an unknown type is ignored.",
		Proves: []string{"XTMP-MSG-031", "XTMP-MSG-032"}, Control: controlRequest, Expect: ignores("XTMP-MSG-031"),
		Params: []conformance.Param{
			param("type", hexes(2, 0x06, 0x13, 0x40, 0x5A, 0x71, 0x7F)...), param("flags", "STREAMING", "STREAMING+FRAGMENT"),
		},
		Explain: explain("Pushes belong to subscriptions of later versions; to answer them would be to answer a stream frame by frame.",
			"A frame of a type in 0x06 … 0x7F with STREAMING, then a PING.",
			"a push is treated like a request without mid", "STREAMING from a client is taken for a violation"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			flags := flag(strings.Split(x.Param("flags"), "+")...)
			sendFrame(x, s, uint8(x.ParamInt("type")), flags, x.Entropy("body").Bytes(24), func(d *peer.Draft) {
				d.Plaintext.Prologue.SetUint("sub_id", 7).SetUint("n", 1)
				if flags&flag("FRAGMENT") != 0 {
					d.Plaintext.Prologue.SetUint("count", 2)
				}
			})
			judgeIgnored(x, s)
		},
	}
}

func unknownFragments() conformance.Case {
	return conformance.Case{
		ID: "XC-0444", Title: "A fragmented request of an unknown type is answered at its first fragment, and its others count as repeated mids.",
		Proves: []string{"XTMP-MSG-033"}, Expect: accepts(),
		Params: []conformance.Param{param("first", "0", "1", "2")},
		Explain: explain("A server that does not know the type cannot join the fragments either; it must not wait for the rest, and must not "+
			"answer each.",
			"Three fragments with one mid, beginning with the one the param names; the first gets the reply, the others an Ack. Then a PING.",
			"the server waits for index 0, or for all fragments", "every fragment is answered"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			first, mid := uint64(x.ParamInt("first")), uint64(1)
			sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK", "FRAGMENT"), make([]byte, 64), withMid(mid), fragment(first, 3))
			judgeUnsupported(x, s, mid)
			for _, index := range []uint64{(first + 1) % 3, (first + 2) % 3} {
				d := sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK", "FRAGMENT"), make([]byte, 64), withMid(mid), fragment(index, 3))
				_, before, err := s.ExpectAck(d.Sequence, 0)
				need(x, err)
				x.Require(len(onlyReplies(before)) == 0, "a later fragment has no reply")
			}
			x.Require(len(onlyReplies(fence(x, s))) == 0, "a later fragment has no reply")
		},
	}
}

func fragment(index, count uint64) func(*peer.Draft) {
	return func(d *peer.Draft) {
		d.Plaintext.Prologue.SetUint("frag_id", 0).SetUint("index", index).SetUint("count", count)
	}
}

func typeBeforeTheRest() conformance.Case {
	return conformance.Case{
		ID: "XC-0445", Title: "The type of a request is judged before its compression, its fragment fields and its size.",
		Proves: []string{"XTMP-MSG-034"}, Expect: accepts(),
		Params: []conformance.Param{param("defect", "original_len", "deflate", "index", "count", "size")},
		Explain: explain("The answer that helps is that the type is unknown; what is wrong inside a message that nobody understands is no "+
			"matter of the server.",
			"A request of an unknown type whose compressed body, fragment fields or size would be refused if the type were known.",
			"the body is inflated before the type is looked up", "fragments are joined below the dispatch",
			"the limit of 65 536 bytes is applied to every type"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			flags, body, edit := flag("REQUIRES_ACK"), x.Entropy("body").Bytes(64), func(*peer.Draft) {}
			switch x.Param("defect") {
			case "original_len": // far beyond every limit
				flags |= flag("COMPRESSED")
				edit = func(d *peer.Draft) { d.Plaintext.Prologue.SetUint("original_len", 1<<32-1) }
			case "deflate": // random bytes are no DEFLATE
				flags |= flag("COMPRESSED")
				edit = func(d *peer.Draft) { d.Plaintext.Prologue.SetUint("original_len", 64) }
			case "index":
				flags |= flag("FRAGMENT")
				edit = fragment(9, 3)
			case "count":
				flags |= flag("FRAGMENT")
				edit = fragment(0, 0)
			case "size": // a body beyond the message limit in a frame within its own
				body = make([]byte, size("frame_payload_before_wallet")-8)
			}
			d := sendFrame(x, s, typeUnknown, flags, body, edit)
			judgeUnsupported(x, s, d.Mid())
		},
	}
}
