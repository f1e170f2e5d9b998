package cases

import (
	"fmt"
	"slices"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// controlFragments is the control twin of fragments that do not fit together.
const controlFragments = "XC-0720"

// fragments returns the cases about fragments that a server has to put together.
func fragments() []conformance.Case {
	return []conformance.Case{
		everyDivision(), smallestDivisions(), fragmentsAndOthers(), fourIncomplete(), repeatedIndex(), higherFragID(), lowerFragID(),
		reassemblyTimeout(),
	}
}

func everyDivision() conformance.Case {
	return conformance.Case{
		ID: controlFragments, Title: "A request in fragments of any legal size and order is put together.",
		Proves: []string{"XTMP-FRG-011", "XTMP-FRG-012", "XTMP-FRG-013"}, Expect: accepts(),
		Params: []conformance.Param{
			param("size", "512", "513", "1000", "4096", "32768", "65535"), param("order", "ascending", "descending", "shuffled", "last first"),
		},
		Explain: explain("Pieces of one size can be placed when they come; the receiver has to take every size that the text allows.",
			"An echo of the longest body in fragments of that size, in that order; the data comes back.",
			"fragments have to come in order of index", "sizes that are no power of two are refused",
			"the place of a fragment is computed from its own length, so that the last is misplaced"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			data := x.Entropy("data").Bytes(longestData())
			drafts := s.Fragments(typeProbe, flag("REQUIRES_ACK"), probeBody(opEcho, 0, data), x.ParamInt("size"))
			resequence(drafts, reordering(x, x.Param("order")))
			send(x, s.SendDrafts(drafts...))
			body := answer(x, s, drafts[0].Mid())
			x.Judge(conformance.Accepted())
			requireAnswer(x, body, opEcho, 0, data)
		},
	}
}

// reordering is an order of drafts by name.
func reordering(x *conformance.Exchange, name string) func([]*peer.Draft) {
	return func(drafts []*peer.Draft) {
		switch last := len(drafts) - 1; name {
		case "descending":
			slices.Reverse(drafts)
		case "last first":
			d := drafts[last]
			copy(drafts[1:], drafts[:last])
			drafts[0] = d
		case "shuffled":
			for i := last; i > 0; i-- {
				j := int(x.Entropy("order").Bytes(1)[0]) % (i + 1)
				drafts[i], drafts[j] = drafts[j], drafts[i]
			}
		}
	}
}

func smallestDivisions() conformance.Case {
	return conformance.Case{
		ID: "XC-0721", Title: "The last fragment may have any length from one byte to that of the others.",
		Proves: []string{"XTMP-FRG-012", "XTMP-FRG-013"}, Expect: accepts(),
		Params: []conformance.Param{
			param("last", "1", "2", "511", "512"), param("fragments", "2", "3"), param("order", "ascending", "descending"),
		},
		Explain: explain("Rules for all but the last are easily applied to the last.",
			"An echo in fragments of 512 bytes and a last one of so many.",
			"the minimum of 512 bytes is asked of the last one", "the size of all is taken from the first that arrives, which may be the last"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			n := 512*(x.ParamInt("fragments")-1) + x.ParamInt("last")
			data := x.Entropy("data").Bytes(n - beforeProbe)
			drafts := s.Fragments(typeProbe, flag("REQUIRES_ACK"), probeBody(opEcho, 0, data), 512)
			resequence(drafts, reordering(x, x.Param("order")))
			send(x, s.SendDrafts(drafts...))
			requireAnswer(x, answer(x, s, drafts[0].Mid()), opEcho, 0, data)
			x.Judge(conformance.Accepted())
		},
	}
}

func fragmentsAndOthers() conformance.Case {
	return conformance.Case{
		ID: "XC-0722", Title: "Frames of every other kind may come between the fragments of a message.",
		Proves: []string{"XTMP-FRG-011"}, Expect: accepts(),
		Params: []conformance.Param{param("between", "echo", "PING", "extension", "sink", "unknown type")},
		Explain: explain("A message in pieces must not hold up the others; that is what the pieces are for.",
			"An echo in five fragments, and between any two of them a frame of another kind, which is answered at once.",
			"a frame that is no fragment ends the message", "answers wait until the message is complete"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			data := x.Entropy("data").Bytes(3000)
			drafts := s.Fragments(typeProbe, flag("REQUIRES_ACK"), probeBody(opEcho, 0, data), 700)
			for i, d := range drafts {
				send(x, s.SendDrafts(d))
				if i < len(drafts)-1 {
					sendOther(x, s, x.Param("between"), drafts[i+1:])
				}
			}
			requireAnswer(x, answer(x, s, drafts[0].Mid()), opEcho, 0, data)
			x.Judge(conformance.Accepted())
		},
	}
}

// sendOther sends a frame of another kind ahead of fragments that wait, and waits for
// its answer.
func sendOther(x *conformance.Exchange, s *peer.Session, kind string, waiting []*peer.Draft) {
	var d *peer.Draft
	switch kind {
	case "PING":
		fenceAhead(x, s, waiting)
		return
	case "extension":
		d = s.Draft(typeExtension, flag("REQUIRES_ACK"), nil)
	case "unknown type":
		d = s.Draft(typeUnknown, flag("REQUIRES_ACK"), nil)
	case "sink":
		d = s.Draft(typeProbe, 0, probeBody(opSink, 0, []byte("data")))
	case "echo":
		d = asked(s, opEcho, 0, []byte("between"))
	}
	putBefore(d, waiting)
	send(x, s.SendDrafts(d))
	if d.Mid() != 0 {
		awaitFirst(x, s, d)
	}
}

func fourIncomplete() conformance.Case {
	return conformance.Case{
		ID: "XC-0723", Title: "Four messages of the greatest length are put together at the same time.",
		Proves: []string{"XTMP-FRG-014", "XTMP-FRG-011"}, Expect: accepts(),
		Params: []conformance.Param{param("messages", "2", "4"), param("rounds", "1", "3"), param("mid", "all", "none")},
		Explain: explain("Four is what every receiver holds; a sender may rely on it.",
			"Echoes, or sinks without mid, of 65 536 bytes whose fragments take turns; once they are complete, as many again.",
			"fragments of different messages are told apart by order of arrival", "messages that are complete still count",
			"the memory of a source is less than four messages"),
		Run: func(x *conformance.Exchange) {
			s := sessionBy(x, peer.Script{}, unrecorded)
			for range x.ParamInt("rounds") {
				messages, data := manyMessages(x, s, x.ParamInt("messages"), x.Param("mid") == "all")
				send(x, s.SendDrafts(inTurns(messages)...))
				if x.Param("mid") == "all" {
					got := answers(x, s, firstMids(messages)...)
					for i, m := range messages {
						requireAnswer(x, got[m[0].Mid()], opEcho, 0, data[i])
					}
				}
				x.Require(len(peer.Errors(fence(x, s))) == 0, "no message is refused")
			}
			x.Judge(conformance.Accepted())
		},
	}
}

// manyMessages drafts messages of the greatest length in fragments.
func manyMessages(x *conformance.Exchange, s *peer.Session, n int, reliable bool) (messages [][]*peer.Draft, data [][]byte) {
	for i := range n {
		content := x.Entropy(fmt.Sprint("message ", i)).Bytes(longestData())
		flags, op := uint16(0), uint8(opSink)
		if reliable {
			flags, op = flag("REQUIRES_ACK"), opEcho
		}
		messages = append(messages, s.Fragments(typeProbe, flags, probeBody(op, 0, content), 8192))
		data = append(data, content)
	}
	return messages, data
}

// inTurns takes a fragment of each message in turn, and numbers them so.
func inTurns(messages [][]*peer.Draft) []*peer.Draft {
	var all []*peer.Draft
	for _, m := range messages {
		all = append(all, m...)
	}
	resequence(all, func(drafts []*peer.Draft) {
		k := 0
		for i := range messages[0] {
			for _, m := range messages {
				drafts[k] = m[i]
				k++
			}
		}
	})
	return all
}

func repeatedIndex() conformance.Case {
	return conformance.Case{
		ID: "XC-0724", Title: "A fragment whose index has arrived is acknowledged and discarded.",
		Proves: []string{"XTMP-FRG-016"}, Expect: accepts(),
		Params: []conformance.Param{param("index", "0", "1", "last"), param("content", "same", "other")},
		Explain: explain("A fragment that was sent twice does no harm, unless it is counted twice.",
			"Two of three fragments of an echo, one of them again, with the same bytes or with others of the same length; then the third.",
			"fragments are counted, so that the message seems complete", "the second copy overwrites the first", "it is a violation"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			data := x.Entropy("data").Bytes(1500 - beforeProbe)
			drafts := s.Fragments(typeProbe, flag("REQUIRES_ACK"), probeBody(opEcho, 0, data), 600)
			twice := map[string]int{"0": 0, "1": 1, "last": 2}[x.Param("index")]
			missing := (twice + 1) % 3
			resequence(drafts, func(d []*peer.Draft) { d[missing], d[2] = d[2], d[missing] })
			if twice == 2 {
				twice = missing
			}
			send(x, s.SendDrafts(drafts[:2]...))
			d := s.Draft(typeProbe, flag("REQUIRES_ACK", "FRAGMENT"), slices.Clone(drafts[twice].Plaintext.Body))
			copyFragment(d, drafts[twice])
			if x.Param("content") == "other" {
				d.Plaintext.Body[100] ^= 0xFF
			}
			putBefore(d, drafts[2:])
			send(x, s.SendDrafts(d))
			_, before, err := s.ExpectAck(d.Sequence, 0)
			need(x, err)
			x.Require(len(onlyReplies(before)) == 0, "the message is not complete")
			send(x, s.SendDrafts(drafts[2]))
			requireAnswer(x, answer(x, s, drafts[0].Mid()), opEcho, 0, data)
			x.Judge(conformance.Accepted())
		},
	}
}

// copyFragment gives a draft the fields of another one's prologue.
func copyFragment(d, of *peer.Draft) {
	for _, field := range []string{"mid", "frag_id", "index", "count"} {
		d.Plaintext.Prologue.SetUint(field, of.Plaintext.Prologue.Uint(field))
	}
}

// cutAgain is a second division of the message of some drafts, under another frag_id.
func cutAgain(s *peer.Session, first []*peer.Draft, fragID uint64, body []byte, size int) []*peer.Draft {
	drafts := s.Fragments(typeProbe, flag("REQUIRES_ACK"), body, size)
	for _, d := range drafts {
		d.Plaintext.Prologue.SetUint("mid", first[0].Mid()).SetUint("frag_id", fragID)
	}
	return drafts
}

func higherFragID() conformance.Case {
	return conformance.Case{
		ID: "XC-0725", Title: "A fragment with a higher frag_id begins its message anew.",
		Proves: []string{"XTMP-FRG-017"}, Expect: accepts(),
		Params: []conformance.Param{param("size", "600", "700", "512"), param("by", "1", "1000")},
		Explain: explain("A sender that moves a message to another path cuts it anew; the pieces of the two divisions do not fit together.",
			"Two of three fragments of an echo; then the whole of another echo under the same mid and a higher frag_id, divided in the same way "+
				"or another. The reply has the data of the second.",
			"the fragments of both divisions are mixed", "another count under the same mid is inconsistent, whatever its frag_id",
			"the new division counts as one more incomplete message"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			old := probeBody(opEcho, 0, x.Entropy("old").Bytes(1500))
			first := s.Fragments(typeProbe, flag("REQUIRES_ACK"), old, 600)
			s.Rewind(1)
			data := x.Entropy("new").Bytes(1400)
			second := cutAgain(s, first, uint64(x.ParamInt("by")), probeBody(opEcho, 0, data), x.ParamInt("size"))
			send(x, s.SendDrafts(append(first[:2:2], second...)...))
			requireAnswer(x, answer(x, s, first[0].Mid()), opEcho, 0, data)
			x.Judge(conformance.Accepted())
		},
	}
}

func lowerFragID() conformance.Case {
	return conformance.Case{
		ID: "XC-0726", Title: "A fragment with a lower frag_id than the newest of its mid is acknowledged and discarded.",
		Proves: []string{"XTMP-FRG-018"}, Expect: accepts(), Params: []conformance.Param{param("lower", "good", "other count", "other size")},
		Explain: explain("What was begun anew is not gone back to; a late piece of the old division must not spoil the new one.",
			"One of two fragments of an echo with a frag_id of 7; a fragment under the same mid with a frag_id of 6; then the other of the two.",
			"a lower frag_id begins the message anew too", "the fields of an old fragment are compared with the new division"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			data := x.Entropy("data").Bytes(1000)
			drafts := s.Fragments(typeProbe, flag("REQUIRES_ACK"), probeBody(opEcho, 0, data), 600)
			for _, d := range drafts {
				d.Plaintext.Prologue.SetUint("frag_id", 7)
			}
			send(x, s.SendDrafts(drafts[0]))
			late := s.Draft(typeProbe, flag("REQUIRES_ACK", "FRAGMENT"), make([]byte, len(drafts[1].Plaintext.Body)))
			copyFragment(late, drafts[1])
			late.Plaintext.Prologue.SetUint("frag_id", 6)
			switch x.Param("lower") {
			case "other count":
				late.Plaintext.Prologue.SetUint("count", 5)
			case "other size":
				late.Plaintext.Body = make([]byte, 800)
			}
			putBefore(late, drafts[1:])
			send(x, s.SendDrafts(late))
			_, before, err := s.ExpectAck(late.Sequence, 0)
			need(x, err)
			x.Require(len(onlyReplies(before)) == 0, "the late fragment is not answered")
			send(x, s.SendDrafts(drafts[1]))
			requireAnswer(x, answer(x, s, drafts[0].Mid()), opEcho, 0, data)
			x.Judge(conformance.Accepted())
		},
	}
}
