package cases

import (
	"slices"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// rekeyFragments returns the cases about a RekeyInit that is cut.
func rekeyFragments() []conformance.Case {
	return []conformance.Case{
		rekeyInFragments(), inconsistentRekey(), rekeyTooLong(), badEnvelopeInFragments(), otherMessageInFragments(),
	}
}

func rekeyInFragments() conformance.Case {
	return conformance.Case{
		ID: "XC-0630", Title: "A RekeyInit in fragments of any legal size is answered.",
		Proves: []string{"XTMP-RKY-009"}, Touches: []string{"XTMP-FRG-011", "XTMP-FRG-012", "XTMP-FRG-013"}, Expect: accepts(),
		Params: []conformance.Param{
			param("size", "512", "618", "1000", "1235"), param("order", "ascending", "descending"), param("between", "nothing", "PINGs", "requests"),
		},
		Explain: explain("A client that cuts its messages cuts this one too; the envelope stands once, and the pieces may come in any order.",
			"A RekeyInit of 1236 bytes, envelope included, in fragments of that size, with other frames between them; then the switch.",
			"an envelope is looked for in every fragment", "fragments of the types of the handshake are refused",
			"the transcript holds the first fragment only"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			r := s.RekeyDefaults()
			drafts := s.RekeyFragments(r, x.ParamInt("size"))
			if x.Param("order") == "descending" {
				resequence(drafts, func(d []*peer.Draft) { slices.Reverse(d) })
			}
			var mids []uint64
			for i, d := range drafts {
				send(x, s.SendDrafts(d))
				if i == len(drafts)-1 {
					break
				}
				switch x.Param("between") {
				case "requests":
					mids = append(mids, sendBetween(x, s, drafts[i+1:])...)
				case "PINGs":
					pingBetween(x, s, drafts[i+1:])
				}
			}
			seen := respond(x, s, r)
			s.Switch(r)
			seen = append(seen, fence(x, s)...)
			repliesTo(x, s, unanswered(mids, seen)...)
			x.Judge(conformance.Accepted())
		},
	}
}

// resequence changes the order of drafts and gives them their sequence numbers in
// the new order.
func resequence(drafts []*peer.Draft, reorder func([]*peer.Draft)) {
	var numbers []uint64
	for _, d := range drafts {
		numbers = append(numbers, d.Sequence)
	}
	reorder(drafts)
	for i, d := range drafts {
		d.Sequence = numbers[i]
	}
}

// putBefore gives a draft that was made last the sequence number of the first of
// those that wait, which move behind it.
func putBefore(d *peer.Draft, waiting []*peer.Draft) {
	for _, w := range slices.Backward(waiting) {
		d.Sequence, w.Sequence = w.Sequence, d.Sequence
	}
}

// sendBetween sends a request ahead of drafts that wait and returns its mid.
func sendBetween(x *conformance.Exchange, s *peer.Session, waiting []*peer.Draft) []uint64 {
	d := s.Draft(typeUnknown, flag("REQUIRES_ACK"), nil)
	putBefore(d, waiting)
	send(x, s.SendDrafts(d))
	return []uint64{d.Mid()}
}

// pingBetween sends a PING ahead of drafts that wait and judges that it is answered.
func pingBetween(x *conformance.Exchange, s *peer.Session, waiting []*peer.Draft) {
	data := x.Entropy("between").Bytes(8)
	d := s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, data))
	putBefore(d, waiting)
	send(x, s.SendDrafts(d))
	judgePong(x, s, data)
}

// rekeyWhole is RekeyInit with its envelope: what is cut.
func rekeyWhole(s *peer.Session, edit func(*testkit.Message)) []byte {
	r := s.RekeyDefaults()
	whole := testkit.NewPlaintext(typeHandshake, 0, r.Body.Encode())
	whole.Envelope.SetUint("hs_type", hsRekeyInit).SetUint("handshake_id", r.HandshakeID)
	edit(whole.Envelope)
	return whole.Encode()
}

func unchanged(*testkit.Message) {}

func inconsistentRekey() conformance.Case {
	return conformance.Case{
		ID: "XC-0631", Title: "Inconsistent fragments of type 0x01 are a violation.",
		Proves: []string{"XTMP-RKY-044"}, Control: controlRekey, Expect: violates("PROTOCOL_VIOLATION", "XTMP-RKY-044"),
		Params: []conformance.Param{param("defect", inconsistencies()...)},
		Explain: explain("A rekey cannot be refused by a reply, and a message that does not fit together cannot be used.",
			"A RekeyInit in two or three fragments that break one rule of 8.11.",
			"the refusal of ordinary requests, MALFORMED as a reply, is sent", "the fragments are dropped silently"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			send(x, s.SendDrafts(inconsistent(s, x.Param("defect"), typeHandshake, flag("REQUIRES_ACK"), rekeyWhole(s, unchanged))...))
			judgeError(x, s)
		},
	}
}

func rekeyTooLong() conformance.Case {
	return conformance.Case{
		ID: "XC-0632", Title: "Fragments of type 0x01 whose least possible total is above 8208 are a violation.",
		Proves: []string{"XTMP-RKY-044"}, Control: "XC-0630", Expect: violates("PROTOCOL_VIOLATION", "XTMP-RKY-044"),
		Params: []conformance.Param{param("size", "512", "1024", "65535"), param("index", "0", "last")},
		Explain: explain("A server that waits for the rest holds what it will refuse.",
			"One fragment of a message of type 0x01; from its size and its count it follows that the message is longer than a RekeyInit may be.",
			"the limit for requests is applied", "the size is judged when all has come"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			size := x.ParamInt("size")
			count := uint64(8208/size + 2)
			index := uint64(0)
			if x.Param("index") == "last" {
				index = count - 1
			}
			sendFrame(x, s, typeHandshake, flag("REQUIRES_ACK", "FRAGMENT"), make([]byte, size), fragment(index, count), bare)
			judgeError(x, s)
		},
	}
}

// bare takes the envelope from a draft, whose body is a piece of a message.
func bare(d *peer.Draft) { d.Plaintext.Envelope = nil }

func badEnvelopeInFragments() conformance.Case {
	return conformance.Case{
		ID: "XC-0633", Title: "Fragments of type 0x01 that, put together, have a bad envelope are a violation.",
		Proves: []string{"XTMP-RKY-039"}, Touches: []string{"XTMP-ENV-007", "XTMP-ENV-009"}, Control: "XC-0630",
		Expect: violates("PROTOCOL_VIOLATION", "XTMP-RKY-039"),
		Params: []conformance.Param{param("field", "frag_count", "frag_index", "token_len", "total_len - 1", "total_len + 1")},
		Explain: explain("The envelope describes the whole message; what is wrong with it shows when the message is whole.",
			"A RekeyInit in two fragments, correct but for one field of its envelope.",
			"the envelope is only judged in unfragmented messages", "frag_count of the envelope is taken for that of the prologue"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			whole := rekeyWhole(s, func(e *testkit.Message) {
				switch field := x.Param("field"); field {
				case "total_len - 1":
					e.SetUint("total_len", 1219)
				case "total_len + 1":
					e.SetUint("total_len", 1221)
				case "token_len":
					e.SetUint("token_len", 48)
				default:
					e.SetUint(field, 2)
				}
			})
			send(x, s.SendDrafts(s.Fragments(typeHandshake, flag("REQUIRES_ACK"), whole, 618)...))
			judgeError(x, s)
		},
	}
}

func otherMessageInFragments() conformance.Case {
	return conformance.Case{
		ID: "XC-0634", Title: "A fragmented message of type 0x01 that is no RekeyInit is UNEXPECTED_MESSAGE.",
		Proves: []string{"XTMP-RKY-037"}, Control: "XC-0630", Expect: violates("UNEXPECTED_MESSAGE", "XTMP-RKY-037"),
		Params: []conformance.Param{param("hs_type", "0", "1", "5", "16", "33", "255")},
		Explain: explain("Cut or not, a message means the same.",
			"A message of type 0x01 in two fragments with a good envelope whose hs_type is not that of RekeyInit.",
			"hs_type is judged in unfragmented messages only", "a fragmented message is taken for a RekeyInit without a look"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			whole := rekeyWhole(s, func(e *testkit.Message) { e.SetUint("hs_type", uint64(x.ParamInt("hs_type"))) })
			send(x, s.SendDrafts(s.Fragments(typeHandshake, flag("REQUIRES_ACK"), whole, 618)...))
			judgeError(x, s)
		},
	}
}
