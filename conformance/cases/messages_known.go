package cases

import (
	"slices"
	"strings"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// needingProbe returns the cases of core about which nobody can be asked without a
// type that has an application.
func needingProbe() []conformance.Case {
	list := slices.Concat(
		messagesKnown(), acksOfRequests(), inflight(), priorities(), fragments(), fragmentsRefused(), fragmentsSent(), compression(),
		compressionRefused(), orderOfRefusals(),
	)
	for i := range list {
		list[i].Needs = profileProbe
	}
	return list
}

// messagesKnown returns the cases about messages of a type that the server
// implements: repeated ones, and those without mid.
func messagesKnown() []conformance.Case {
	return []conformance.Case{
		executedOnce(), repeatedWhileExecuting(), fragmentOfComplete(), knownWithoutMid(), knownWithoutMidOncePerSecond(),
		knownWithoutMidInFragments(), pushFromClient(), repliesInAnyOrder(), bodyTooLong(),
	}
}

// again sends a frame under a mid that is complete, waits for its Ack, and requires
// that nothing but Acks comes before and behind it.
func again(x *conformance.Exchange, s *peer.Session, d *peer.Draft) {
	send(x, s.SendDrafts(d))
	_, before, err := s.ExpectAck(d.Sequence, 0)
	need(x, err)
	for _, r := range before {
		if o, told := told(x, r); told && !isAck(r) {
			x.Judge(o)
		}
	}
	judgeIgnored(x, s, isAck)
}

func executedOnce() conformance.Case {
	return conformance.Case{
		ID: "XC-0680", Title: "A request under a mid that is complete is not executed.",
		Proves: []string{"XTMP-MSG-019", "XTMP-MSG-020"}, Control: controlEcho, Expect: ignores("XTMP-MSG-020"),
		Params: []conformance.Param{param("again", "same", "echo", "fail", "stream", "malformed", "too long", "without op")},
		Explain: explain("A transfer that is executed twice is paid twice; the number of a message is the only protection.",
			"A stream without pushes; once it is answered, a second request under its mid with the body that the param names. Neither a "+
				"reply nor a push may follow.",
			"the number is remembered with the body", "repeated requests are answered from a store", "the body is judged before the mid"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			first := ask(x, s, opStream, 0, nil)
			awaitFirst(x, s, first)
			bodies := map[string][]byte{
				"same": probeBody(opStream, 0, nil), "echo": probeBody(opEcho, 0, []byte("data")), "fail": probeBody(opFail, 3, nil),
				"stream": probeBody(opStream, 3, nil), "malformed": {1}, "too long": make([]byte, 65_537), "without op": nil,
			}
			d := s.Draft(typeProbe, flag("REQUIRES_ACK"), bodies[x.Param("again")])
			withMid(first.Mid())(d)
			again(x, s, d)
		},
	}
}

func repeatedWhileExecuting() conformance.Case {
	return conformance.Case{
		ID: "XC-0681", Title: "A request that comes again while it is executed has one reply.",
		Proves: []string{"XTMP-MSG-001", "XTMP-MSG-020"}, Expect: accepts(), Timer: "T_REKEY_GAP_MIN",
		Explain: explain("A message is complete when it arrived, and not when it was answered; in between lies the time in which a "+
			"second one hurts.",
			"A delay, and before it is answered an echo under its mid, which is acknowledged; then the one reply, which is that of the delay.",
			"mids are recorded when the reply is sent", "the second body takes the place of the first"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			data := x.Entropy("data").Bytes(16)
			d := ask(x, s, opDelay, uint64(x.AtLeast("T_REKEY_GAP_MIN").Milliseconds()), data)
			second := ask(x, s, opEcho, 0, []byte("again"), withMid(d.Mid()))
			_, before, err := s.ExpectAck(second.Sequence, 0)
			need(x, err)
			x.Require(len(onlyReplies(before)) == 0, "the second request has no reply")
			requireAnswer(x, answer(x, s, d.Mid()), opDelay, 0, data)
			x.Require(len(onlyReplies(fence(x, s))) == 0, "the second request has no reply")
			x.Judge(conformance.Accepted())
		},
	}
}

func fragmentOfComplete() conformance.Case {
	return conformance.Case{
		ID: "XC-0682", Title: "A fragment under a mid that is complete is acknowledged and ignored, whatever its fields.",
		Proves: []string{"XTMP-MSG-052"}, Touches: []string{"XTMP-MSG-019"}, Control: controlEcho, Expect: ignores("XTMP-MSG-052"),
		Params: []conformance.Param{
			param("first", "whole", "fragments", "refused"), param("fragment", "good", "count 0", "index 9 of 3", "empty", "other frag_id",
				"other type"),
		},
		Explain: explain("After a refusal the rest of a message is still on its way; it must not begin a message that nobody ends.",
			"A request in one frame, in fragments, or one that is refused at its first fragment; then a fragment under its mid.",
			"the fragment fields are judged before the mid", "a late fragment begins a message anew"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			mid := uint64(0)
			switch x.Param("first") {
			case "whole":
				mid = ask(x, s, opEcho, 0, nil).Mid()
			case "fragments":
				drafts := s.Fragments(typeProbe, flag("REQUIRES_ACK"), probeBody(opEcho, 0, make([]byte, 1000)), 512)
				send(x, s.SendDrafts(drafts...))
				mid = drafts[0].Mid()
			case "refused":
				mid = sendFrame(x, s, typeProbe, flag("REQUIRES_ACK", "FRAGMENT"), make([]byte, 512), fragment(7, 3)).Mid()
			}
			_, _, err := s.Expect(0, func(r *peer.Received) bool { // the whole of it: it may come in fragments [XTMP-FRG-008]
				return r.Plaintext != nil && r.ReplyTo() == mid && (r.Message != nil || r.Type() == typeError)
			})
			if err != nil {
				unprepared(x, "a reply to the first message", err)
			}
			messageType := uint8(typeProbe)
			if x.Param("fragment") == "other type" {
				messageType = typeUnknown
			}
			d := s.Draft(messageType, flag("REQUIRES_ACK", "FRAGMENT"), make([]byte, 512))
			withMid(mid)(d)
			fragment(1, 3)(d)
			switch x.Param("fragment") {
			case "count 0":
				fragment(0, 0)(d)
			case "index 9 of 3":
				fragment(9, 3)(d)
			case "empty":
				d.Plaintext.Body = nil
			case "other frag_id":
				d.Plaintext.Prologue.SetUint("frag_id", 77)
			}
			again(x, s, d)
		},
	}
}

// oneWay are bodies that have no place without mid, by name.
func oneWay(name string) []byte {
	switch name {
	case "unknown op":
		return probeBody(200, 0, nil)
	case "empty":
		return nil
	case "malformed sink":
		body := probeBody(opSink, 0, nil)
		body[2] = 1
		return body
	case "stream":
		return probeBody(opStream, 3, nil)
	}
	return probeBody(opOf(name), 0, []byte("data"))
}

func oneWayNames() []string {
	return []string{"echo", "source", "fail", "delay", "stream", "unknown op", "empty", "malformed sink"}
}

func knownWithoutMid() conformance.Case {
	return conformance.Case{
		ID: "XC-0683", Title: "A message of a known type without mid is not executed and gets an unsolicited MALFORMED of scope 0.",
		Proves: []string{"XTMP-MSG-054", "XTMP-MSG-055", "XTMP-ERR-008"}, Control: controlEcho,
		Expect: fails(conformance.ErrorFrame(code("MALFORMED"), conformance.ScopeMessage), "XTMP-MSG-054"),
		Params: []conformance.Param{param("body", oneWayNames()...)},
		Explain: explain("What wants an answer needs a number; a server that executes it all the same does work that nobody can match.",
			"A Probe message with neither REQUIRES_ACK nor STREAMING that is no well-formed sink, then a PING.",
			"the frame is dropped silently", "the session is ended", "ref_seq is left at none", "the request is executed and its reply dropped"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			d := sendFrame(x, s, typeProbe, 0, oneWay(x.Param("body")))
			x.Judge(reaction(x, s, conformance.BudgetReply))
			x.RequireField("reply_to", 0, s.Last().Error().ReplyTo)
			x.RequireField("ref_seq", d.Sequence, s.Last().Error().RefSeq)
			x.Require(onlyExercise(fence(x, s)), "the PING behind the Error is answered and nothing else comes")
		},
	}
}

func knownWithoutMidOncePerSecond() conformance.Case {
	return conformance.Case{
		ID: "XC-0684", Title: "Unsolicited Errors MALFORMED come at most once per second.",
		Proves: []string{"XTMP-MSG-054"}, Expect: accepts(), Timer: "T_LINGER",
		Explain: explain("Frames without mid cost their sender nothing; a server that answers each of them can be made to talk without end.",
			"Eight echoes without mid in one write, then a PING; once more than a second has passed, another one.",
			"there is no limit", "the limit is one per session and not one per second"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			var drafts []*peer.Draft
			for range 8 {
				drafts = append(drafts, s.Draft(typeProbe, 0, oneWay("echo")))
			}
			send(x, s.SendDrafts(drafts...))
			e, _, err := s.ExpectError(0)
			need(x, err)
			x.RequireField("code", code("MALFORMED"), e.Code)
			x.Require(len(peer.Errors(append(fence(x, s), fence(x, s)...))) == 0, "a burst within one second is answered by one Error")
			x.Pause("T_LINGER") // which is a second, and a little more
			sendFrame(x, s, typeProbe, 0, oneWay("echo"))
			_, _, err = s.ExpectError(0)
			need(x, err)
			x.Judge(conformance.Accepted())
		},
	}
}

func knownWithoutMidInFragments() conformance.Case {
	return conformance.Case{
		ID: "XC-0685", Title: "A fragmented message without mid is put together before it is judged.",
		Proves: []string{"XTMP-MSG-054", "XTMP-ERR-008"}, Touches: []string{"XTMP-PRB-013"}, Control: "XC-0720",
		Expect: fails(conformance.ErrorFrame(code("MALFORMED"), conformance.ScopeMessage), "XTMP-MSG-054"),
		Params: []conformance.Param{param("order", "ascending", "descending")},
		Explain: explain("Only the body tells a sink; what is wrong shows at the frame that completes the message.",
			"A sink in three fragments without mid, which is swallowed; then an echo in three fragments without mid. The Error names the "+
				"last frame.",
			"fragments without mid are dropped", "the Error names the first frame, or comes at once"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			send(x, s.SendDrafts(s.Fragments(typeProbe, 0, probeBody(opSink, 0, make([]byte, 1500)), 600)...))
			x.Require(onlyExercise(fence(x, s)), "a sink in fragments is swallowed")
			drafts := s.Fragments(typeProbe, 0, probeBody(opEcho, 0, make([]byte, 1500)), 600)
			if x.Param("order") == "descending" {
				resequence(drafts, slices.Reverse)
			}
			send(x, s.SendDrafts(drafts[:2]...))
			x.Require(onlyExercise(fenceAhead(x, s, drafts[2:])), "nothing is said before the message is complete")
			send(x, s.SendDrafts(drafts[2]))
			x.Judge(reaction(x, s, conformance.BudgetReply))
			x.RequireField("ref_seq", drafts[2].Sequence, s.Last().Error().RefSeq)
		},
	}
}

// fenceAhead is fence ahead of drafts that wait.
func fenceAhead(x *conformance.Exchange, s *peer.Session, waiting []*peer.Draft) []*peer.Received {
	data := x.Entropy("fence").Bytes(8)
	d := s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, data))
	putBefore(d, waiting)
	send(x, s.SendDrafts(d))
	_, before, err := s.Expect(0, isHeartbeat(peer.Pong, data))
	noteAll(x, before)
	need(x, err)
	return before
}

func pushFromClient() conformance.Case {
	return conformance.Case{
		ID: "XC-0686", Title: "A push of a known type from a client is a violation.",
		Proves: []string{"XTMP-MSG-056"}, Touches: []string{"XTMP-FLG-017"}, Control: controlEcho,
		Expect: violates("PROTOCOL_VIOLATION", "XTMP-MSG-056"),
		Params: []conformance.Param{
			param("flags", "STREAMING", "STREAMING+PRIORITY", "STREAMING+FRAGMENT", "STREAMING+COMPRESSED"),
			param("body", "echo", "stream", "empty"),
		},
		Explain: explain("Only a server pushes; a client that does has lost its role.",
			"A frame of type 0x70 with STREAMING.",
			"pushes are ignored whatever their type", "a push is executed as a request", "an Error of scope 0 is sent"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			flags := flag(strings.Split(x.Param("flags"), "+")...)
			sendFrame(x, s, typeProbe, flags, oneWay(x.Param("body")), func(d *peer.Draft) {
				d.Plaintext.Prologue.SetUint("sub_id", 1).SetUint("n", 1)
				if flags&flag("FRAGMENT") != 0 {
					d.Plaintext.Prologue.SetUint("count", 2)
				}
			})
			judgeError(x, s)
		},
	}
}

func repliesInAnyOrder() conformance.Case {
	return conformance.Case{
		ID: "XC-0687", Title: "Of many requests at the same time each gets its own reply.",
		Proves: []string{"XTMP-MSG-001", "XTMP-MSG-002", "XTMP-MSG-003"}, Expect: accepts(), Timer: "T_RETIRE",
		Explain: explain("Replies may come in any order; what must never happen is that a call gets the reply of another.",
			"Sixty requests in one write, or as many as max_inflight says: echoes, delays of different length, sinks, sources and "+
				"fails, each with its own content.",
			"a buffer is shared between two replies", "reply_to is taken when the reply is sent and not when the request came"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			drafts, want := mixedRequests(x, s, min(60, announcedInflight(s)))
			send(x, s.SendDrafts(drafts...))
			for left := len(drafts); left > 0; left-- {
				r, _, err := s.Expect(0, func(r *peer.Received) bool { return r.Message != nil && r.ReplyTo() != 0 })
				need(x, err)
				require := want[r.ReplyTo()]
				x.Require(require != nil, "each request has exactly one reply")
				delete(want, r.ReplyTo())
				require(r)
			}
			x.Require(len(onlyReplies(fence(x, s))) == 0, "each request has exactly one reply")
			x.Judge(conformance.Accepted())
			requireClean(x, s.Conn)
		},
	}
}

// mixedRequests drafts requests of all kinds, and what to require of each reply.
func mixedRequests(x *conformance.Exchange, s *peer.Session, n int) ([]*peer.Draft, map[uint64]func(*peer.Received)) {
	var drafts []*peer.Draft
	want := map[uint64]func(*peer.Received){}
	longest := uint64(x.AtLeast("T_RETIRE").Milliseconds())
	for i := range n {
		data := x.Entropy("data").Bytes(8 + i)
		var d *peer.Draft
		switch i % 5 {
		case 0:
			d = asked(s, opEcho, 0, data)
			want[d.Mid()] = func(r *peer.Received) { requireAnswer(x, probeOf(x, r), opEcho, 0, data) }
		case 1:
			d = asked(s, opDelay, longest*uint64(n-i)/uint64(n), data)
			want[d.Mid()] = func(r *peer.Received) { requireAnswer(x, probeOf(x, r), opDelay, 0, data) }
		case 2:
			d = asked(s, opSink, 0, data)
			want[d.Mid()] = func(r *peer.Received) { requireAnswer(x, probeOf(x, r), opSink, uint64(len(data)), nil) }
		case 3:
			d = asked(s, opSource, uint64(1000*i), nil)
			want[d.Mid()] = func(r *peer.Received) { requireAnswer(x, probeOf(x, r), opSource, 0, patterned(1000*i)) }
		case 4:
			d = asked(s, opFail, uint64(0x100+i), nil)
			want[d.Mid()] = func(r *peer.Received) {
				x.Require(r.Error() != nil && int(r.Error().Code) == 0x100+i, "fail is answered by its own code")
			}
		}
		drafts = append(drafts, d)
	}
	return drafts, want
}

func bodyTooLong() conformance.Case {
	return conformance.Case{
		ID: "XC-0688", Title: "A request whose body is above the message limit is refused, though its frame is not.",
		Proves: []string{"XTMP-MSG-070", "XTMP-MSG-071"}, Touches: []string{"XTMP-LIM-002"}, Control: controlEcho,
		Expect: turnsDown("PAYLOAD_TOO_LARGE", "XTMP-MSG-070"),
		Params: []conformance.Param{param("bytes", "65537", "65591", "65592"), param("op", "echo", "sink", "unknown")},
		Explain: explain("The frame has room for a prologue of every kind; a body that uses that room is longer than any message may be.",
			"A request in one frame, within the limit of frames, whose body has more than 65 536 bytes.",
			"the limit of frames is taken for that of bodies", "the session is ended, as for a frame that is too long",
			"the body is looked at first"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			op := uint8(99)
			if x.Param("op") != "unknown" {
				op = opOf(x.Param("op"))
			}
			judgeRefusal(x, s, ask(x, s, op, 0, make([]byte, x.ParamInt("bytes")-beforeProbe)).Mid())
		},
	}
}
