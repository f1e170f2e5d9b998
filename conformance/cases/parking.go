package cases

import (
	"slices"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// controlPark is the control twin of cases about sessions that are not parked.
const controlPark = "XC-1380"

// parking returns the cases of 13.8 about sessions without a path.
func parking() []conformance.Case {
	return []conformance.Case{
		parks(), parkedCounters(), parkedReplies(), parkedMessagesAtLimit(), parkedMessagesBeyond(), parkedCounter(), parkedTooLong(),
		parkedTimers(), parkedCountsOnce(), executesBeforeParking(), parkedBytesAtLimit(), parkedBytesBeyond(), parkedGrows(),
		subscriptionsEnd(),
	}
}

// resume attaches a path to a parked session and sends its first frame. Without
// AttachAck, which is what the case may ask about, it fails.
func resume(x *conformance.Exchange, s *peer.Session) *peer.Session {
	c, a := offer(x, s)
	o := answerOf(x, c, a)
	x.Require(o.Kind == conformance.KindAccepted, "a session without a path is kept: Attach is accepted")
	b := c.Attached(a)
	sendPing(x, b, x.Entropy("resume").Bytes(8))
	return b
}

func parks() conformance.Case {
	return conformance.Case{
		ID: controlPark, Title: "A session whose last path has ended is kept, and goes on at the first frame of an attached path.",
		Proves: []string{"XTMP-PRK-002", "XTMP-PRK-005", "XTMP-PRK-006", "XTMP-PRK-010", "XTMP-PTH-017"}, Expect: accepts(),
		Params: []conformance.Param{ends(), param("paths", "1", "2"), param("Attach", "at once", "later")},
		Explain: explain("A phone that changes its network is without a path for a moment; its session must not die of it.",
			"A session in which HandshakeDone is not acknowledged. All its paths end as the param says; then an Attach, at once or T_SUSPECT "+
				"later, "+
				"and a PING. HandshakeDone comes on the new path under its mid, and a request is answered there.",
			"the session ends with its last path", "messages that wait are sent with AttachAck, or never",
			"the new path begins a new session with new mids"),
		Run: func(x *conformance.Exchange) {
			s := attachableBy(x, peer.Script{NoAck: true})
			done := s.Last()
			if x.Param("paths") == "2" {
				b := attachLive(x, s, onTCP, asStandby)
				hangUp(x, b, x.Param("end"))
			}
			hangUp(x, s, x.Param("end"))
			if x.Param("Attach") == "later" {
				x.Pause("T_SUSPECT")
			}
			b := resume(x, s)
			sameBody(x, done, arrival(x, b, done.Mid()))
			d := sendFrame(x, b, typeUnknown, flag("REQUIRES_ACK"), nil)
			r, before, err := b.ExpectReply(d.Mid(), 0)
			x.Judge(observe(x, err, conformance.BudgetReply))
			last := slices.Max(append(mids(before), done.Mid())) // others are of extension types
			x.RequireField("mid of the next message", last+1, r.Mid())
			requireSound(x, b.Conn)
		},
	}
}

func parkedCounters() conformance.Case {
	return conformance.Case{
		ID: "XC-1381", Title: "A request that was answered before a session was parked is not answered again after it.",
		Proves: []string{"XTMP-PRK-006", "XTMP-LIM-018"}, Touches: []string{"XTMP-MSG-019", "XTMP-MSG-020"}, Control: controlPark,
		Expect: ignores("XTMP-PRK-006", "XTMP-MSG-020"),
		Explain: explain("A client that lost its network does not know whether its Ack arrived, and sends its request again; it was executed.",
			"A request whose reply is acknowledged; the session is parked and resumed; the same request again. It is acknowledged.",
			"the mids that are complete are forgotten with the paths"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			d := sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil)
			if _, _, err := s.ExpectReply(d.Mid(), 0); err != nil {
				unprepared(x, "a reply", err)
			}
			send(x, s.Ack())
			prepare(x, s)
			hangUp(x, s, "end of stream")
			b := resume(x, s)
			prepare(x, b)
			again := copyOn(x, b, d)
			_, before, err := b.ExpectAck(again.Sequence, 0)
			need(x, err)
			if len(onlyReplies(before)) > 0 {
				x.Judge(conformance.Accepted())
			}
			judgeIgnored(x, b, isAck)
		},
	}
}

func parkedReplies() conformance.Case {
	return conformance.Case{
		ID: "XC-1382", Title: "Replies that were not acknowledged are sent when the session is resumed, those that were are not.",
		Proves: []string{"XTMP-PRK-006", "XTMP-PTH-017"}, Touches: []string{"XTMP-PTH-029"}, Expect: accepts(),
		Params: []conformance.Param{param("acknowledged", "0", "7", "20")},
		Explain: explain("What was under way when the network failed arrives when it is back, each message once.",
			"Twenty requests, of whose replies the first so many are acknowledged; the session is parked and resumed. The others come, under "+
				"their mids and in their order.",
			"everything is sent again", "only the newest reply is kept", "the replies are sent on Attach and not at the first frame"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			var replies []*peer.Received
			for i := range 20 {
				d := sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil)
				r, _, err := s.ExpectReply(d.Mid(), 0)
				if err != nil {
					unprepared(x, "a reply", err)
				}
				replies = append(replies, r)
				if i+1 == x.ParamInt("acknowledged") {
					send(x, s.Ack())
					replies = nil
				}
			}
			prepare(x, s)
			hangUp(x, s, "end of stream")
			b := resume(x, s)
			for _, reply := range replies {
				r, _, err := b.Expect(0, func(r *peer.Received) bool { return r.Plaintext != nil && r.ReplyTo() != 0 })
				need(x, err)
				x.RequireField("mid", reply.Mid(), r.Mid())
				sameBody(x, reply, r)
			}
			requireAbsent(x, b)
			x.Judge(conformance.Accepted())
		},
	}
}

// leave gives the server as many messages that are not acknowledged, and parks. It
// returns the mid of the last one.
func leave(x *conformance.Exchange, messages int) (s *peer.Session, last uint64) {
	s = attachable(x)
	if mostInflight(x, s) < 32 {
		x.Unsupported("32 requests at once")
	}
	greet(x, s)
	for messages > 0 {
		n := min(32, messages)
		last = highestMid(repliesTo(x, s, sendRequests(x, s, n)...))
		messages -= n
	}
	hangUp(x, s, "end of stream")
	return s, last
}

func parkedMessagesAtLimit() conformance.Case {
	return conformance.Case{
		ID: "XC-1383", Title: "A session with 256 unacknowledged messages is parked.",
		Proves: []string{"XTMP-PRK-002", "XTMP-PRK-007"}, Expect: accepts(),
		Explain: explain("The bound belongs to what is kept.", "256 requests whose replies are not acknowledged; the session is parked and "+
			"resumed.",
			"the bound is off by one", "HandshakeDone, which was acknowledged, is counted"),
		Run: func(x *conformance.Exchange) {
			s, last := leave(x, size("parked_messages"))
			b := resume(x, s)
			for mid := last - uint64(size("parked_messages")) + 1; mid <= last; mid++ {
				arrival(x, b, mid)
			}
			x.Judge(conformance.Accepted())
		},
	}
}

// erased is the table of a session that has to be erased in place of being parked.
func erased(because ...string) conformance.Expect {
	return fails(conformance.ErrorFrame(code("SESSION_UNKNOWN"), conformance.ScopeSession), because...)
}

func parkedMessagesBeyond() conformance.Case {
	return conformance.Case{
		ID: "XC-1384", Title: "A session with 257 unacknowledged messages is erased when its last path ends.",
		Proves: []string{"XTMP-PRK-007"}, Control: "XC-1383", Expect: erased("XTMP-PRK-007"),
		Explain: explain("Sessions without a path cost their owners nothing; what they make the server hold has to be bounded.",
			"257 requests whose replies are not acknowledged; the path ends. Attach is answered by SESSION_UNKNOWN.",
			"nothing is counted", "the bound is looked at when the session is resumed"),
		Run: func(x *conformance.Exchange) {
			s, _ := leave(x, size("parked_messages")+1)
			c, a := offer(x, s)
			x.Judge(answerOf(x, c, a))
		},
	}
}

func parkedCounter() conformance.Case {
	return conformance.Case{
		ID: "XC-1385", Title: "A parked session remembers which attach counters were used.",
		Proves: []string{"XTMP-LIM-018", "XTMP-PRK-006"}, Touches: []string{"XTMP-ATT-021", "XTMP-ATT-026"}, Control: controlPark,
		Expect: closes("XTMP-ATT-021"), Params: []conformance.Param{param("counter", "4", "5")},
		Explain: explain("An Attach that was recorded is worth most when its session has no other path.",
			"An Attach with counter 5 makes a path; all paths end; then an Attach with counter 5 or 4. One with counter 6 is accepted.",
			"attach counters begin anew when a session is parked"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			b := attachLive(x, s, onTCP, withCounter(5))
			hangUp(x, b, "end of stream")
			hangUp(x, s, "end of stream")
			x.Pause("T_SUSPECT") // an idle session keeps its counters, too
			c, _ := offer(x, s, withCounter(uint64(x.ParamInt("counter"))))
			judgeClosed(x, c)
			again, a := offer(x, s, withCounter(6))
			x.Require(answerOf(x, again, a).Kind == conformance.KindAccepted, "a higher counter is accepted")
		},
	}
}

func parkedTooLong() conformance.Case {
	return conformance.Case{
		ID: "XC-1386", Title: "A parked session without a wallet is erased T_PARK_ANON after its last path ended, and not before.",
		Proves: []string{"XTMP-PRK-004", "XTMP-PRK-005"}, Touches: []string{"XTMP-TMR-002"}, Timer: "T_PARK_ANON",
		Labels: []string{conformance.LabelSlow}, Expect: accepts(), Params: []conformance.Param{param("Attach", "before", "after")},
		Explain: explain("Who has lost its network for half a minute comes back; who is gone for good must not be kept for ever. This case "+
			"asks a "+
			"server with the default of 10.1.",
			"A session whose path ends, and an Attach fifteen seconds before T_PARK_ANON is over, or when it is.",
			"the time is counted from the last frame", "the session is kept as long as its age allows"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			hangUp(x, s, "end of stream")
			if x.Param("Attach") == "before" {
				x.Pause("T_REKEY")
				x.Pause("T_FRAME") // any spans that come to less
				x.Judge(conformance.Accepted())
				requireLives(x, resume(x, s))
				return
			}
			x.Pause("T_PARK_ANON")
			x.Pause("T_CLOSE")
			x.Pause("T_SUSPECT") // more than the timer may be late
			requireGone(x, s)
		},
	}
}

func parkedTimers() conformance.Case {
	return conformance.Case{
		ID: "XC-1387", Title: "The time without a path does not count toward T_REKEY.",
		Proves: []string{"XTMP-PRK-011", "XTMP-RKY-059"}, Touches: []string{"XTMP-RKY-048"}, Timer: "T_REKEY",
		Labels: []string{conformance.LabelSlow}, Expect: accepts(), Params: []conformance.Param{param("Attach under", "the new epoch",
			"the old epoch")},
		Explain: explain("A rekey that is under way when the network fails is no reason to end the session when it is back.",
			"RekeyInit, and RekeyResp is read; then the path ends. T_REKEY later a path is attached. One that is attached under the old epoch "+
				"answers "+
				"PINGs under the old keys, and another two seconds later; then a PING under the new keys confirms.",
			"timers of a parked session go on", "keys of an epoch that is not confirmed are dropped"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			r := sendRekey(x, s)
			if _, err := s.ReadRekeyResp(r, 0); err != nil {
				unprepared(x, "RekeyResp", err)
			}
			hangUp(x, s, "end of stream")
			x.Pause("T_REKEY")
			x.Pause("T_CLOSE") // more than the timer may be late
			c := s.NewPath(another(x))
			a := c.AttachDefaults()
			if x.Param("Attach under") == "the old epoch" {
				a = c.AttachUnder(0)
			}
			send(x, c.SendAttach(a))
			x.Judge(answerOf(x, c, a))
			b := c.Attached(a)
			if x.Param("Attach under") == "the old epoch" {
				requireLives(x, b)
				x.Pause("T_SUSPECT") // some of T_REKEY is left
				requireLives(x, b)
			}
			b.Switch(r)
			requireEpoch(x, b, 1)
		},
	}
}

func parkedCountsOnce() conformance.Case {
	return conformance.Case{
		ID: "XC-1388", Title: "Parked sessions count toward the sessions of their source, and toward no other limit.",
		Proves: []string{"XTMP-LIM-016"}, Touches: []string{"XTMP-LIM-007", "XTMP-LIM-012"}, Control: controlHandshake, Disruptive: true,
		Expect: sourceIsBusy("XTMP-LIM-012"),
		Explain: explain("Without a bound one host parks sessions until the memory is used up; counted as connections they would lock it out at "+
			"once.",
			"As many sessions of one source as sessions_per_source says, one after the other, each of which is parked before the next. The one "+
				"behind them is refused, and another source is served.",
			"parked sessions count as connections", "they do not count at all"),
		Run: func(x *conformance.Exchange) {
			most := size("sessions_per_source")
			for range most {
				s, err := dial(x, unrecorded).Handshake(peer.Script{Lenient: true})
				x.Require(err == nil, "a source whose sessions are parked is served as long as they are fewer than sessions_per_source")
				requireOffer(x, s, onTCP)
				send(x, s.CloseWrite())
				requireClosed(x, s)
			}
			x.Judge(handshakeAs(x, 0))
			requireOthersServed(x)
		},
	}
}
