package cases

import (
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// fragmentsRefused returns the cases about fragments that a server must not put
// together.
func fragmentsRefused() []conformance.Case {
	return []conformance.Case{fifthIncomplete(), inconsistentFragments(), leastTotal(), discardedOneWay(), refusedHoldsNothing()}
}

func fifthIncomplete() conformance.Case {
	return conformance.Case{
		ID: "XC-0730", Title: "A fragment that begins a fifth incomplete message is a violation.",
		Proves: []string{"XTMP-FRG-015"}, Control: "XC-0723", Expect: violates("PROTOCOL_VIOLATION", "XTMP-FRG-015"),
		Params: []conformance.Param{param("four", "mid", "none", "two and two"), param("fifth", "mid", "none"), param("index", "0", "last")},
		Explain: explain("Each message that is begun and not ended holds memory; four is the bound for both sides.",
			"The first fragments of four messages, with mid or without, and one fragment of a fifth.",
			"messages without mid are not counted", "the oldest is dropped to make room", "the bound is another one"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			for i := range 4 {
				reliable := x.Param("four") == "mid" || x.Param("four") == "two and two" && i%2 == 0
				begin(x, s, reliable, 0)
			}
			x.Require(onlyExerciseOrAck(fence(x, s)), "four messages are held")
			index := uint64(0)
			if x.Param("index") == "last" {
				index = 2
			}
			begin(x, s, x.Param("fifth") == "mid", index)
			judgeError(x, s)
		},
	}
}

// begin sends one of three fragments of a new message.
func begin(x *conformance.Exchange, s *peer.Session, reliable bool, index uint64) {
	flags := uint16(0)
	if reliable {
		flags = flag("REQUIRES_ACK")
	}
	drafts := s.Fragments(typeProbe, flags, probeBody(opSink, 0, make([]byte, 1500)), 600)
	s.Rewind(2)
	d := drafts[0]
	d.Plaintext.Body = drafts[index].Plaintext.Body
	d.Plaintext.Prologue.SetUint("index", index)
	send(x, s.SendDrafts(d))
}

func onlyExerciseOrAck(frames []*peer.Received) bool {
	for _, r := range frames {
		if !isAck(r) && !onlyExercise([]*peer.Received{r}) {
			return false
		}
	}
	return true
}

func inconsistentFragments() conformance.Case {
	return conformance.Case{
		ID: "XC-0731", Title: "A request with inconsistent fragments is refused at the first one that shows it.",
		Proves:  []string{"XTMP-FRG-020", "XTMP-MSG-069", "XTMP-MSG-071"},
		Touches: []string{"XTMP-FRG-005", "XTMP-FRG-006"}, Control: controlFragments,
		Expect: turnsDown("MALFORMED", "XTMP-FRG-020"), Params: []conformance.Param{param("defect", inconsistencies()...)},
		Explain: explain("A receiver that joins what does not fit together delivers a message that nobody sent.",
			"Fragments of an echo that break one rule of 8.11, then the ones that are missing, and a PING.",
			"each fragment is judged by itself", "the fault is found when the message is complete, which it never is",
			"the session is ended for a fault of one message"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			body := probeBody(opEcho, 0, x.Entropy("data").Bytes(2000))
			drafts := inconsistent(s, x.Param("defect"), typeProbe, flag("REQUIRES_ACK"), body)
			send(x, s.SendDrafts(drafts...))
			judgeRefusal(x, s, drafts[0].Mid())
			rest := s.Draft(typeProbe, flag("REQUIRES_ACK", "FRAGMENT"), make([]byte, 512))
			copyFragment(rest, drafts[0])
			fragment(1, 2)(rest)
			send(x, s.SendDrafts(rest))
			_, before, err := s.ExpectAck(rest.Sequence, 0)
			need(x, err)
			x.Require(len(onlyReplies(before)) == 0, "what still comes of a refused message is a repeated mid")
			requireEchoAfter(x, s)
		},
	}
}

// requireEchoAfter requires that the session serves; the case's table is about what
// came before.
func requireEchoAfter(x *conformance.Exchange, s *peer.Session) {
	d := ask(x, s, opEcho, 0, []byte("after"))
	r, _, err := s.ExpectAnswer(d.Mid(), 0)
	x.Require(err == nil && r.Error() == nil && r.Type() == typeProbe, "the session serves after the refusal")
}

func leastTotal() conformance.Case {
	return conformance.Case{
		ID: "XC-0732", Title: "A request of which one fragment shows that it is too long is refused at that fragment.",
		Proves: []string{"XTMP-FRG-021", "XTMP-MSG-069", "XTMP-MSG-071"}, Control: controlFragments,
		Expect: turnsDown("PAYLOAD_TOO_LARGE", "XTMP-FRG-021"),
		Params: []conformance.Param{param("fragment",
			"512 of 129", "513 of 129", "32768 of 3", "65535 of 3", "65536 of 2", "last 1 of 129", "last 1000 of 67", "512 of 65535")},
		Explain: explain("One fragment tells how long the message will be at least; nobody has to take in what he will refuse.",
			"One fragment, not the last or the last, of a message whose least possible total is above 65 536 bytes.",
			"the total is judged when it is complete", "(count − 1) × size is taken for the total, without the one byte more",
			"the last fragment is taken for the size of all"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			judgeRefusal(x, s, sendFragment(x, s, x.Param("fragment"), flag("REQUIRES_ACK")).Mid())
			requireEchoAfter(x, s)
		},
	}
}

// sendFragment sends the fragment that a name such as "512 of 129" describes: the
// first one, or the last.
func sendFragment(x *conformance.Exchange, s *peer.Session, name string, flags uint16) *peer.Draft {
	sizes := map[string][3]uint64{ // bytes, index, count
		"512 of 129": {512, 0, 129}, "513 of 129": {513, 0, 129}, "32768 of 3": {32_768, 0, 3}, "65535 of 3": {65_535, 0, 3},
		"65536 of 2": {65_536, 0, 2}, "last 1 of 129": {1, 128, 129}, "last 1000 of 67": {1000, 66, 67}, "512 of 65535": {512, 0, 65_535},
	}
	f := sizes[name]
	return sendFrame(x, s, typeProbe, flags|flag("FRAGMENT"), make([]byte, f[0]), fragment(f[1], f[2]))
}

func discardedOneWay() conformance.Case {
	return conformance.Case{
		ID: "XC-0733", Title: "A message without mid whose fragments are inconsistent or too long is discarded.",
		Proves: []string{"XTMP-FRG-022", "XTMP-FRG-014"}, Control: controlFragments,
		Expect: conformance.Expect{
			Strict: []conformance.Reaction{conformance.Row(conformance.Ignored(), "XTMP-FRG-022")},
			Tolerated: []conformance.Reaction{
				conformance.Row(conformance.ErrorFrame(code("MALFORMED"), conformance.ScopeMessage), "nobody asked, and the session is kept"),
			},
			Forbidden: ignores("XTMP-FRG-022").Forbidden,
		},
		Params: []conformance.Param{
			param("defect", append(inconsistencies(), "512 of 129", "last 1 of 129", "65536 of 2")...), param("times", "1", "6"),
		},
		Explain: explain("What wants no answer gets none; but its memory is given back, and nothing of it is remembered.",
			"Fragments without mid that break a rule of 8.11 or would make too long a message, once or six times; then four messages in fragments "+
				"whose fragments take turns, which are put together.",
			"the session is ended", "what was discarded counts as incomplete", "frag_id of what was discarded is remembered"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			for range x.ParamInt("times") {
				if defect := x.Param("defect"); defect[0] >= '0' && defect[0] <= '9' || defect == "last 1 of 129" {
					sendFragment(x, s, defect, 0)
				} else {
					send(x, s.SendDrafts(inconsistent(s, defect, typeProbe, 0, probeBody(opSink, 0, make([]byte, 2000)))...))
				}
			}
			judgeIgnored(x, s)
			messages, data := manyMessages(x, s, 4, true)
			send(x, s.SendDrafts(inTurns(messages)...))
			got := answers(x, s, firstMids(messages)...)
			for i, m := range messages {
				requireAnswer(x, got[m[0].Mid()], opEcho, 0, data[i])
			}
		},
	}
}

func refusedHoldsNothing() conformance.Case {
	return conformance.Case{
		ID: "XC-0734", Title: "A request that was refused in its fragments does not count as incomplete.",
		Proves: []string{"XTMP-FRG-014", "XTMP-FRG-020", "XTMP-FRG-021"}, Expect: accepts(),
		Explain: explain("A refused message is complete; its place is free for the next.",
			"The first of two fragments of eight requests, and the second of each, which is inconsistent; then four long messages whose "+
				"fragments take turns.",
			"memory is given back when the last fragment arrives, which never does"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			for i := range 8 {
				defect := []string{"unequal", "last longer"}[i%2]
				drafts := inconsistent(s, defect, typeProbe, flag("REQUIRES_ACK"), probeBody(opEcho, 0, make([]byte, 2000)))
				send(x, s.SendDrafts(drafts...))
				r, _, err := s.ExpectReply(drafts[0].Mid(), 0)
				need(x, err)
				x.Require(r.Error() != nil, "inconsistent fragments are refused")
			}
			messages, data := manyMessages(x, s, 4, true)
			send(x, s.SendDrafts(inTurns(messages)...))
			got := answers(x, s, firstMids(messages)...)
			for i, m := range messages {
				requireAnswer(x, got[m[0].Mid()], opEcho, 0, data[i])
			}
			x.Judge(conformance.Accepted())
		},
	}
}

func reassemblyTimeout() conformance.Case {
	return conformance.Case{
		ID: "XC-0735", Title: "The connection is closed silently T_REASSEMBLY after the last new fragment of an incomplete message.",
		Proves: []string{"XTMP-FRG-019"}, Touches: []string{"XTMP-TMR-003", "XTMP-TMR-004"}, Timer: "T_REASSEMBLY",
		Labels: []string{conformance.LabelSlow}, Control: controlFragments, Expect: closes("XTMP-FRG-019"),
		Params: []conformance.Param{param("mid", "yes", "no"), param("then", "nothing", "a new fragment", "a repeated one")},
		Explain: explain("On TCP nothing gets lost; a message that does not go on is one that its sender forgot, and its memory is "+
			"held for nothing.",
			"One of three fragments, and PINGs; some seconds later another one, the same once more, or nothing. The time is counted from the "+
				"last fragment that was new.",
			"the timer starts with the first fragment", "any frame starts it anew", "messages without mid have no timer"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			began, start := clocked(x, s)
			flags := map[string]uint16{"yes": flag("REQUIRES_ACK"), "no": 0}[x.Param("mid")]
			drafts := s.Fragments(typeProbe, flags, probeBody(opSink, 0, make([]byte, 1500)), 600)
			s.Rewind(2)
			send(x, s.SendDrafts(drafts[0]))
			fence(x, s)
			x.Pause("T_CLOSE") // any span that is shorter
			if then := x.Param("then"); then != "nothing" {
				next := drafts[0]
				if then == "a new fragment" {
					next = drafts[1]
					began, start = clocked(x, s)
				}
				d := s.Draft(typeProbe, flags|flag("FRAGMENT"), next.Plaintext.Body)
				copyFields(d, next)
				send(x, s.SendDrafts(d))
			}
			fence(x, s)
			judgeReassembly(x, s, start)
			x.RequireNotBefore("T_REASSEMBLY", began)
		},
	}
}

// copyFields is copyFragment where there may be no mid.
func copyFields(d, of *peer.Draft) {
	for _, field := range []string{"mid", "frag_id", "index", "count"} {
		if of.Plaintext.Prologue.Has(field) {
			d.Plaintext.Prologue.SetUint(field, of.Plaintext.Prologue.Uint(field))
		}
	}
}

// judgeReassembly judges that the connection ends in time. Acks may come before.
func judgeReassembly(x *conformance.Exchange, s *peer.Session, start time.Time) {
	late := lateness(x.AtLeast("T_REASSEMBLY"))
	for {
		r, err := s.ReadFrame(x.Within("T_REASSEMBLY") + late)
		elapsed := time.Since(start)
		if err != nil {
			x.Judge(observe(x, err, "T_REASSEMBLY"))
			x.RequireAtMost("T_REASSEMBLY", elapsed-late)
			return
		}
		if o, told := told(x, r); told && !isAck(r) {
			x.Judge(o)
			return
		}
	}
}
