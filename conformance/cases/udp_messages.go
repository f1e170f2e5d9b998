package cases

import (
	"slices"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// controlUDPEcho is the control twin of messages on UDP that are refused.
const controlUDPEcho = "XC-1560"

// udpMessages returns the cases about messages on UDP (12.11).
func udpMessages() []conformance.Case {
	return append([]conformance.Case{
		midsInAnyOrder(), midBeyondWindowOnUDP(), refusedStaysRefused(), requestAgainOnUDP(), replyOnDemand(),
	}, withProbe([]conformance.Case{
		echoInFragments(), tooLargeOnUDP(), fifthIncompleteOnUDP(), fragmentsAreKept(), largeReply(), longestReply(), unreliableFragmentsGo(),
	})...)
}

// withProbe makes cases need Probe besides their own profile.
func withProbe(list []conformance.Case) []conformance.Case {
	for i := range list {
		list[i].Needs = profileProbe
	}
	return list
}

func midsInAnyOrder() conformance.Case {
	return conformance.Case{
		ID: "XC-1550", Title: "Requests on UDP are answered in whatever order of mid they come.",
		Proves: []string{"XTMP-UDP-100", "XTMP-MSG-017"}, Expect: accepts(),
		Explain: explain("Datagrams overtake each other. A server that waits for the missing mid makes a stream of UDP.",
			"Requests with mid 4, 2 and 3; each is answered before the next is sent; then mid 1.",
			"a mid above the next is held back until it fits", "a mid below the highest counts as a repeat"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			for _, mid := range []uint64{4, 2, 3, 1} {
				sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil, withMid(mid))
				_, before, err := s.ExpectReply(mid, 0)
				noteAll(x, before)
				x.Judge(observe(x, err, conformance.BudgetReply))
			}
			requireClean(x, s.Conn)
		},
	}
}

func midBeyondWindowOnUDP() conformance.Case {
	return conformance.Case{
		ID: "XC-1551", Title: "A mid beyond the window is dropped on UDP without an Ack, and its sequence number is used up.",
		Proves: []string{"XTMP-UDP-093", "XTMP-UDP-095"}, Control: controlUDPRequest, Expect: ignores("XTMP-UDP-093"),
		Params: []conformance.Param{param("mid", "4097", "18446744073709551615")},
		Explain: explain("On UDP the mid before may only be late, so that it is no violation; but what is not kept must not be acknowledged.",
			"A request with that mid, and the same datagram again; PINGs; then a request with mid 1, whose Ack must not cover the one before.",
			"the violation of TCP is raised", "the frame is acknowledged and its message thrown away"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			settle(x, s)
			first := len(s.Datagrams())
			mid := uint64(1<<64 - 1)
			if x.Param("mid") == "4097" {
				mid = 4097
			}
			dropped := sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil, withMid(mid))
			send(x, s.Replay(s.Datagrams()[first]))
			judgeIgnored(x, s)
			d := sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil, withMid(1))
			r := awaitAck(x, s, d.Sequence)
			x.Require(!covers(r, dropped.Sequence), "no Ack covers the frame that was dropped")
		},
	}
}

func refusedStaysRefused() conformance.Case {
	return conformance.Case{
		ID: "XC-1558", Title: "A frame that was dropped for its mid is dropped again when the same datagram comes later.",
		Proves: []string{"XTMP-UDP-095"}, Touches: []string{"XTMP-UDP-093"}, Control: controlUDPRequest, Expect: ignores("XTMP-UDP-095"),
		Explain: explain("What was dropped once is sent again in a new frame; the old one can only come from somebody who has copied it.",
			"A request with mid 4097, which is too far; a request with mid 1, which is answered, so that 4097 is not too far any more; the first "+
				"datagram again, byte for byte: it has no effect. The message in a new frame is answered.",
			"only what was taken is added to the window"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			settle(x, s)
			dropped := sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil, withMid(uint64(size("mid_window"))+1))
			copied := s.Datagrams()[len(s.Datagrams())-1]
			fence(x, s)
			first := sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil, withMid(1))
			awaitFirst(x, s, first)
			awaitOpen(x, s, first.Sequence)
			gather(x, s, "T_ACK")
			send(x, s.Replay(copied))
			judgeUnanswered(x, s)
			x.Require(!s.Covered(dropped.Sequence), "no Ack covers the frame that was dropped")
			again := sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil, withMid(dropped.Mid()))
			_, _, err := s.ExpectReply(again.Mid(), 0)
			need(x, err)
		},
	}
}

func requestAgainOnUDP() conformance.Case {
	return conformance.Case{
		ID: "XC-1552", Title: "A request that comes again in a new frame is acknowledged and, its reply being acknowledged, not answered.",
		Proves: []string{"XTMP-UDP-099", "XTMP-MSG-019", "XTMP-MSG-020"}, Control: controlUDPRequest, Expect: ignores("XTMP-UDP-099"),
		Explain: explain("The client sends a request again when an Ack was lost. Executing it again is the worst that can happen.",
			"A request; its reply is acknowledged; then the request under the same mid in a new frame, which only an Ack may answer.",
			"the de-duplication is by sequence number", "each copy is answered"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			first := sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil)
			_, _, err := s.ExpectReply(first.Mid(), 0)
			need(x, err)
			settle(x, s)
			again := sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil, withMid(first.Mid()))
			judgeUnanswered(x, s, isAck)
			awaitOpen(x, s, again.Sequence)
		},
	}
}

// cutForUDP cuts a request as it fits datagrams.
func cutForUDP(s *peer.Session, body []byte) []*peer.Draft {
	return s.Fragments(typeProbe, flag("REQUIRES_ACK"), body, peer.FragmentSize(flag("REQUIRES_ACK")))
}

func echoInFragments() conformance.Case {
	return conformance.Case{
		ID: controlUDPEcho, Title: "A request on UDP is put together from its fragments in any order, and its reply comes in fragments.",
		Proves: []string{"XTMP-UDP-088", "XTMP-UDP-092", "XTMP-UDP-100"}, Touches: []string{"XTMP-FRG-011", "XTMP-FRG-016"},
		Params: []conformance.Param{param("order", "rising", "falling", "with repeats"), param("bytes", "1200", "20000", "65528")},
		Explain: explain("A message of 64 KiB is sixty datagrams, and no network brings them all in order.",
			"An echo of that many bytes in fragments of 1088 bytes; the reply has to have the same data, each datagram of it 1200 bytes at most.",
			"the fragment with index 0 has to come first", "the limit of a message counts its frames", "a reply is sent in one datagram"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			data := patterned(x.ParamInt("bytes"))
			drafts := cutForUDP(s, probeBody(opEcho, 0, data))
			mid := drafts[0].Mid()
			switch x.Param("order") {
			case "falling":
				turn(drafts)
			case "with repeats":
				again := s.Draft(typeProbe, drafts[0].Frame.Flags(), drafts[0].Plaintext.Body)
				again.Plaintext.Prologue = drafts[0].Plaintext.Prologue.Clone()
				drafts = append(drafts[:len(drafts)-1:len(drafts)-1], again, drafts[len(drafts)-1])
			}
			paced(x, s, drafts)
			requireAnswer(x, answer(x, s, mid), opEcho, 0, data)
			requireClean(x, s.Conn)
		},
	}
}

// turn gives fragments the sequence numbers of the opposite order, and turns them
// around.
func turn(drafts []*peer.Draft) {
	for i, j := 0, len(drafts)-1; i < j; i, j = i+1, j-1 {
		drafts[i].Sequence, drafts[j].Sequence = drafts[j].Sequence, drafts[i].Sequence
	}
	slices.Reverse(drafts)
}

// paced sends drafts a few at a time, so that no buffer on the way runs over, and waits
// for an Ack between them, but not behind the last: then the answer may come first.
func paced(x *conformance.Exchange, s *peer.Session, drafts []*peer.Draft) {
	for few := range slices.Chunk(drafts, size("window_initial")) {
		send(x, s.SendDrafts(few...))
		last := few[len(few)-1]
		if last == drafts[len(drafts)-1] {
			return
		}
		_, before, err := s.Expect(0, func(r *peer.Received) bool { return covers(r, last.Sequence) })
		noteAll(x, before)
		need(x, err)
	}
}

func tooLargeOnUDP() conformance.Case {
	return conformance.Case{
		ID: "XC-1561", Title: "A request whose fragments on UDP make more than 65 536 bytes is refused at the first.",
		Proves: []string{"XTMP-UDP-092"}, Touches: []string{"XTMP-FRG-021"}, Control: controlUDPEcho,
		Expect: turnsDown("PAYLOAD_TOO_LARGE", "XTMP-UDP-092"), Params: []conformance.Param{param("count", "62", "65535")},
		Explain: explain("What is announced as too large must not be gathered first.",
			"One fragment of 1088 bytes, with a count that makes more than 65 536 bytes with it.",
			"the bytes are counted as they come", "the limit after a wallet is applied"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			d := cutForUDP(s, probeBody(opEcho, 0, patterned(3000)))[0]
			d.Plaintext.Prologue.SetUint("count", uint64(x.ParamInt("count")))
			send(x, s.SendDrafts(d))
			r, before, err := s.ExpectReply(d.Mid(), 0)
			noteAll(x, before)
			if err != nil {
				x.Judge(observe(x, err, conformance.BudgetReply))
			}
			o, _ := told(x, r)
			x.Judge(o)
			fence(x, s)
		},
	}
}

func fifthIncompleteOnUDP() conformance.Case {
	return conformance.Case{
		ID: "XC-1562", Title: "A fragment that would begin a fifth incomplete message on UDP is dropped without an Ack.",
		Proves: []string{"XTMP-UDP-094", "XTMP-UDP-095", "XTMP-UDP-097", "XTMP-FRG-014"},
		Explain: explain("On UDP the end of a message may only be late; so the fifth is no violation. But what is not kept must not be "+
			"acknowledged.",
			"The first fragments of five echoes; the Ack has to cover four of them. Then the rest of the first, and the fifth again in new "+
				"frames: all five "+
				"are answered.",
			"the violation of TCP is raised", "the oldest message is dropped", "the fifth is acknowledged"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			settle(x, s)
			var messages [][]*peer.Draft
			var firsts []*peer.Draft
			for range size("incomplete_messages") + 1 {
				m := cutForUDP(s, probeBody(opEcho, 0, patterned(1500)))
				messages, firsts = append(messages, m), append(firsts, m[0])
			}
			send(x, s.SendDrafts(firsts[:4]...))
			awaitAck(x, s, firsts[3].Sequence)
			send(x, s.SendDrafts(firsts[4]))
			fence(x, s)
			for _, r := range gather(x, s, "T_ACK") {
				x.Require(!covers(r, firsts[4].Sequence), "no Ack covers the fragment that was dropped")
			}
			x.Require(!s.Covered(firsts[4].Sequence), "no Ack covers the fragment that was dropped")
			for _, m := range messages[:4] {
				m[1].Sequence = s.LeaveOut()
				send(x, s.SendDrafts(m[1]))
				answer(x, s, m[0].Mid())
			}
			x.Require(!s.Covered(firsts[4].Sequence), "no later Ack covers the fragment that was dropped")
			for _, d := range messages[4] {
				again := s.Draft(typeProbe, d.Frame.Flags(), d.Plaintext.Body)
				again.Plaintext.Prologue = d.Plaintext.Prologue.Clone()
				send(x, s.SendDrafts(again))
			}
			requireAnswer(x, answer(x, s, messages[4][0].Mid()), opEcho, 0, patterned(1500))
		},
	}
}

func fragmentsAreKept() conformance.Case {
	return conformance.Case{
		ID: "XC-1563", Title: "A fragment with mid that was acknowledged is kept, however long the others take.",
		Proves: []string{"XTMP-UDP-097"}, Touches: []string{"XTMP-UDP-096"}, Timer: "T_SUSPECT",
		Explain: explain("The sender will not send again what was acknowledged; a receiver that throws it away makes a hole that nobody fills.",
			"The first fragment of an echo; T_SUSPECT passes, twice T_REASSEMBLY_UDP; then the second.",
			"the timer for messages without mid is used for all"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			m := cutForUDP(s, probeBody(opEcho, 0, patterned(1500)))
			send(x, s.SendDrafts(m[0]))
			awaitAck(x, s, m[0].Sequence)
			x.Pause("T_SUSPECT")
			send(x, s.SendDrafts(m[1]))
			requireAnswer(x, answer(x, s, m[0].Mid()), opEcho, 0, patterned(1500))
		},
	}
}

func largeReply() conformance.Case {
	return conformance.Case{
		ID: "XC-1564", Title: "A reply of 65 000 bytes comes whole while it is acknowledged.",
		Proves: []string{"XTMP-UDP-088", "XTMP-UDP-002", "XTMP-REC-020"}, Expect: accepts(),
		Explain: explain("A congestion window that Acks do not open, or a sender that waits for its timer, makes a large reply take seconds.",
			"A source of 65 000 bytes; every frame is acknowledged when it is read.",
			"fragments are larger than a datagram", "the window is not opened by Acks with ranges"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			d := ask(x, s, opSource, 65_000, nil)
			requireAnswer(x, answer(x, s, d.Mid()), opSource, 0, patterned(65_000))
			x.Judge(conformance.Accepted())
			requireClean(x, s.Conn)
		},
	}
}

func replyOnDemand() conformance.Case {
	return conformance.Case{
		ID: "XC-1557", Title: "A request that comes again draws its unacknowledged reply at once.",
		Proves: []string{"XTMP-UDP-098"}, Touches: []string{"XTMP-MSG-020"}, Timer: "T_SUSPECT",
		Explain: explain("A client that asks again has not got the reply; it must not wait for a timer that doubles each time.",
			"A session with a round trip of T_DISC_GAP; a request, whose reply is not acknowledged and comes again after PTO. When more than PTO "+
				"has passed since, and before twice that has, the request comes again under its mid in a new frame, and the reply has to come at "+
				"once.",
			"a repeated mid is acknowledged and nothing else", "the reply waits for PTO", "the request is executed again"),
		Run: func(x *conformance.Exchange) {
			s := distant(x, "T_DISC_GAP")
			s.Acks = false
			d := sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil)
			copies := expiries(x, s, d.Mid(), 1)
			first, last := copies[0], copies[1].At
			pto := last.Sub(first.At)
			skipTwins(x, s, d.Mid(), last)
			if early := firstUntil(x, s, d.Mid(), last.Add(13*pto/10)); early != nil {
				x.Inconclusive("the server repeats its reply at other times than PTO")
			}
			sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil, withMid(d.Mid()))
			again := firstUntil(x, s, d.Mid(), last.Add(18*pto/10))
			if again == nil {
				x.Judge(conformance.Silence("T_ACK"))
			}
			x.RequireField("mid of the reply", first.Mid(), again.Mid())
		},
	}
}

func longestReply() conformance.Case {
	return conformance.Case{
		ID: "XC-1570", Title: "A reply of more than 65 536 bytes does not come on UDP: an Error does.",
		Proves: []string{"XTMP-UDP-087"}, Touches: []string{"XTMP-PTH-052"}, Control: "XC-1564",
		Expect: conformance.Expect{
			Strict:    conformance.Rows(conformance.ErrorFrame(code("PAYLOAD_TOO_LARGE"), conformance.ScopeMessage)),
			Forbidden: conformance.Rows(conformance.Accepted()),
		},
		Params: []conformance.Param{param("bytes", "65537", "1000000")},
		Explain: explain("A client on UDP keeps room for 64 KiB and no more.",
			"A source whose reply has that many bytes of body, in a session without another path.",
			"the limit toward a client, 16 MiB, is applied on UDP", "no reply is sent at all"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			d := ask(x, s, opSource, uint64(x.ParamInt("bytes")-beforeProbe), nil)
			r, before, err := s.ExpectReply(d.Mid(), 0)
			noteAll(x, before)
			if err != nil {
				x.Judge(observe(x, err, conformance.BudgetReply))
			}
			o, _ := told(x, r)
			x.Judge(o)
			fence(x, s)
		},
	}
}

func unreliableFragmentsGo() conformance.Case {
	return conformance.Case{
		ID: "XC-1571", Title: "Incomplete messages without mid are dropped after T_REASSEMBLY_UDP and make room for others.",
		Proves: []string{"XTMP-UDP-096"}, Touches: []string{"XTMP-UDP-094"}, Timer: "T_REASSEMBLY_UDP",
		Explain: explain("Nobody sends the missing fragment of an unreliable message again; what is left of it takes one of four places.",
			"The first fragments of four sinks without mid; T_REASSEMBLY_UDP passes, and the second by which it may be late; then an echo in "+
				"two fragments, which "+
				"has to be answered.",
			"messages without mid are kept as those with mid are", "the places are freed by the end of the session"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			for range size("incomplete_messages") {
				m := s.Fragments(typeProbe, 0, probeBody(opSink, 0, patterned(1500)), peer.FragmentSize(0))
				send(x, s.SendDrafts(m[0]))
			}
			x.Pause("T_REASSEMBLY_UDP")
			x.Pause("T_REASSEMBLY_UDP") // a second: how late the timer may be
			m := cutForUDP(s, probeBody(opEcho, 0, patterned(1500)))
			send(x, s.SendDrafts(m...))
			requireAnswer(x, answer(x, s, m[0].Mid()), opEcho, 0, patterned(1500))
		},
	}
}
