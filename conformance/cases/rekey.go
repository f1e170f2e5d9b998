package cases

import (
	"slices"
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// controlRekey is the control twin of what is wrong with a RekeyInit.
const controlRekey = "XC-0600"

// rekey returns the cases of chapter 11.
func rekey() []conformance.Case {
	return slices.Concat(
		[]conformance.Case{
			rekeyCompletes(), rekeyAgain(), rekeyBeforeRetirement(), rekeyUnderLoad(), epochOfFrames(), epochOfErrors(), rekeyUnconfirmed(),
		},
		rekeyKeys(),
		rekeyRefusals(),
		rekeyFragments(),
		rekeyUDP(),
	)
}

// sendRekey sends a correct RekeyInit after the edits of its frame.
func sendRekey(x *conformance.Exchange, s *peer.Session, edits ...func(*peer.Draft)) *peer.Rekey {
	r := s.RekeyDefaults()
	d := s.RekeyDraft(r)
	for _, edit := range edits {
		edit(d)
	}
	send(x, s.SendDrafts(d))
	return r
}

// respond waits for RekeyResp, without which the case has failed, and returns what
// came before it.
func respond(x *conformance.Exchange, s *peer.Session, r *peer.Rekey) []*peer.Received {
	frames, err := s.ReadRekeyResp(r, 0)
	noteAll(x, frames)
	need(x, err)
	return frames
}

// rekeyed runs a whole rekey. Without it the case is inconclusive: what failed is
// not what it asks about.
func rekeyed(x *conformance.Exchange, s *peer.Session) {
	if _, err := s.Rekey(x.Entropy("rekey").Bytes(8)); err != nil {
		unprepared(x, "a rekey", err)
	}
}

func rekeyCompletes() conformance.Case {
	return conformance.Case{
		ID: controlRekey, Title: "A rekey is answered, and the session goes on under the new keys.",
		Proves: []string{"XTMP-RKY-004", "XTMP-RKY-005", "XTMP-RKY-006", "XTMP-RKY-007", "XTMP-RKY-021", "XTMP-RKY-023", "XTMP-RKY-029"},
		Expect: accepts(), Params: []conformance.Param{param("flags", "REQUIRES_ACK", "REQUIRES_ACK+PRIORITY")},
		Explain: explain("Long sessions change their keys; a rekey that fails ends all of them after a day.",
			"A request, RekeyInit, the PING under the new keys, an Ack of RekeyResp, another request and a reliable extension frame; "+
				"every frame of the server is judged by the epoch in which it is sealed.",
			"the transcript of the rekey holds envelopes, or the type bytes of the handshake",
			"the salt is made from the new secret and not from the old root", "sequence numbers begin again at 0",
			"the binder of the new path keys is not that of the handshake"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			repliesTo(x, s, sendRequests(x, s, 2)...)
			r := sendRekey(x, s, prioritised(x.Param("flags") != "REQUIRES_ACK"))
			respond(x, s, r)
			s.Switch(r)
			data := x.Entropy("ping").Bytes(8)
			sendPing(x, s, data)
			send(x, s.Ack())
			judgePong(x, s, data)
			x.RequireField("epoch of the PONG", 1, s.Last().Epoch)
			repliesTo(x, s, sendRequests(x, s, 2)...)
			awaitFirst(x, s, sendFrame(x, s, typeExtension, flag("REQUIRES_ACK"), nil))
			requireClean(x, s.Conn)
		},
	}
}

// prioritised sets PRIORITY in a draft if it is wanted.
func prioritised(wanted bool) func(*peer.Draft) {
	return func(d *peer.Draft) {
		if wanted {
			d.Frame.Header.SetUint("flags", uint64(d.Frame.Flags()|flag("PRIORITY", "ENCRYPTED")))
		}
	}
}

func rekeyAgain() conformance.Case {
	return conformance.Case{
		ID: "XC-0601", Title: "Several rekeys follow one another, T_REKEY_GAP apart.",
		Proves: []string{"XTMP-RKY-004", "XTMP-RKY-023", "XTMP-RKY-029"}, Expect: accepts(), Timer: "T_REKEY_GAP",
		Explain: explain("What works once may rest on something that is left over from the handshake.",
			"Three rekeys, T_REKEY_GAP apart, with requests between them.",
			"the second root follows from root_0 again", "the epoch is a flag and not a number", "path keys of the first epoch are looked up first"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			for round := range 3 {
				if round > 0 {
					x.Pause("T_REKEY_GAP")
				}
				_, err := s.Rekey(x.Entropy("rekey").Bytes(8))
				x.Judge(observe(x, err, conformance.BudgetReply))
				x.RequireField("epoch of the PONG", round+1, s.Last().Epoch)
				repliesTo(x, s, sendRequests(x, s, 5)...)
			}
			requireClean(x, s.Conn)
		},
	}
}

func rekeyBeforeRetirement() conformance.Case {
	return conformance.Case{
		ID: "XC-0602", Title: "A RekeyInit right behind the frame that confirms the rekey before is answered.",
		Proves: []string{"XTMP-RKY-027"}, Touches: []string{"XTMP-RKY-026"}, Expect: accepts(), Timer: "T_REKEY_GAP",
		Explain: explain("The server keeps the old root for T_RETIRE; a client whose confirmation came late may begin the next rekey "+
			"before that.",
			"RekeyInit; T_REKEY_GAP passes; the PING under the new keys and the next RekeyInit in one write.",
			"the old root is taken for a rekey in flight", "the second rekey is derived from the root that was to be erased",
			"the gap is counted from the confirmation and not from RekeyInit"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			r := sendRekey(x, s)
			respond(x, s, r)
			x.Pause("T_REKEY_GAP")
			s.Switch(r)
			data := x.Entropy("ping").Bytes(8)
			confirming := s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, data))
			next := s.RekeyDefaults()
			send(x, s.SendDrafts(confirming, s.RekeyDraft(next)))
			respond(x, s, next)
			s.Switch(next)
			ping(x, s)
			x.RequireField("epoch of the PONG", 2, s.Last().Epoch)
		},
	}
}

func rekeyUnderLoad() conformance.Case {
	return conformance.Case{
		ID: "XC-0603", Title: "Requests before, during and after a rekey are answered.",
		Proves: []string{"XTMP-RKY-021", "XTMP-RKY-022", "XTMP-RKY-023", "XTMP-RKY-028", "XTMP-RKY-029"}, Expect: accepts(),
		Explain: explain("No message waits for a rekey: a server that stops, or drops what comes meanwhile, stalls every client once a day.",
			"Twenty requests, RekeyInit and twenty requests in one write; twenty more under the old keys once RekeyResp is there; then twenty "+
				"under the new keys without waiting for anything.",
			"requests are queued while a rekey is in flight", "the old receive keys go with RekeyInit", "a reply is lost at the switch"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			n := max(1, min(20, mostInflight(x, s)/4)) // of four times so many
			drafts, mids := requestDrafts(x, s, n)
			r := s.RekeyDefaults()
			drafts = append(drafts, s.RekeyDraft(r))
			more, during := requestDrafts(x, s, n)
			send(x, s.SendDrafts(append(drafts, more...)...))
			seen := respond(x, s, r)
			mids = append(append(mids, during...), sendRequests(x, s, n)...)
			s.Switch(r)
			mids = append(mids, sendRequests(x, s, n)...)
			open := unanswered(mids, seen)
			seen = append(seen, repliesTo(x, s, open...)...)
			requireOneReplyEach(x, mids, seen)
			requireClean(x, s.Conn)
		},
	}
}

// requestDrafts drafts requests of unknown types and returns their mids.
func requestDrafts(x *conformance.Exchange, s *peer.Session, n int) ([]*peer.Draft, []uint64) {
	drafts, mids := make([]*peer.Draft, n), make([]uint64, n)
	types := unknownTypes()
	for i := range drafts {
		drafts[i] = s.Draft(types[i%len(types)], flag("REQUIRES_ACK"), x.Entropy("body").Bytes(8))
		mids[i] = drafts[i].Mid()
	}
	return drafts, mids
}

// unanswered leaves the mids to which no frame replies.
func unanswered(mids []uint64, frames []*peer.Received) []uint64 {
	return slices.DeleteFunc(slices.Clone(mids), func(mid uint64) bool {
		return slices.ContainsFunc(onlyReplies(frames), func(r *peer.Received) bool { return r.ReplyTo() == mid })
	})
}

func requireOneReplyEach(x *conformance.Exchange, mids []uint64, frames []*peer.Received) {
	count := map[uint64]int{}
	for _, r := range onlyReplies(frames) {
		if r.Message != nil {
			count[r.ReplyTo()]++
		}
	}
	for _, mid := range mids {
		x.Require(count[mid] == 1, "each request has exactly one reply")
	}
}

func epochOfFrames() conformance.Case {
	return conformance.Case{
		ID: "XC-0604", Title: "The server seals under the old keys until it has opened a frame under the new ones.",
		Proves: []string{"XTMP-RKY-021", "XTMP-RKY-022", "XTMP-RKY-023"}, Expect: accepts(),
		Params: []conformance.Param{param("confirms", "PING", "Ack", "request", "extension")},
		Explain: explain("A client opens the new keys with RekeyResp; a server that runs ahead of it seals what nobody can open.",
			"RekeyInit; once RekeyResp is there, a PING under the old keys; then one frame of the kind that the param names under the new keys, "+
				"and a PING.",
			"the server switches with RekeyResp", "only a PING is taken for the confirmation", "Acks go on under the old keys"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			r := sendRekey(x, s)
			respond(x, s, r)
			x.RequireField("epoch of RekeyResp", 0, s.Last().Epoch)
			ping(x, s)
			x.RequireField("epoch before the switch", 0, s.Last().Epoch)
			s.Switch(r)
			switch x.Param("confirms") {
			case "Ack":
				send(x, s.Ack())
			case "request":
				awaitFirst(x, s, sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil))
			case "extension":
				awaitFirst(x, s, sendFrame(x, s, typeExtension, flag("REQUIRES_ACK"), nil))
			}
			ping(x, s)
			x.RequireField("epoch after the switch", 1, s.Last().Epoch)
			requireClean(x, s.Conn)
		},
	}
}

func epochOfErrors() conformance.Case {
	return conformance.Case{
		ID: "XC-0605", Title: "An Error during or after a rekey is sealed like any other frame.",
		Proves: []string{"XTMP-RKY-022", "XTMP-RKY-023"}, Control: controlRekey, Expect: violates("PROTOCOL_VIOLATION", "XTMP-RKY-023"),
		Params: []conformance.Param{param("when", "in flight", "after the switch", "confirming")},
		Explain: explain("The last word of a session is worth most; sealed under keys that are gone, it is only a close.",
			"A Heartbeat without a body, which is a violation: while a rekey is in flight, after it, or as the very frame that confirms it.",
			"the Error is sealed by a part of the server that has its own copy of the keys"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			r := sendRekey(x, s)
			respond(x, s, r)
			if x.Param("when") != "in flight" {
				s.Switch(r)
			}
			if x.Param("when") == "after the switch" {
				fence(x, s)
			}
			sendFrame(x, s, typeHeartbeat, 0, nil)
			judgeError(x, s)
			requireClean(x, s.Conn)
		},
	}
}

func rekeyUnconfirmed() conformance.Case {
	return conformance.Case{
		ID: "XC-0606", Title: "A rekey that is not confirmed within T_REKEY ends the session by REKEY_FAILED.",
		Proves: []string{"XTMP-RKY-031"}, Touches: []string{"XTMP-TMR-003", "XTMP-TMR-004"}, Timer: "T_REKEY",
		Labels: []string{conformance.LabelSlow}, Control: controlRekey, Expect: violates("REKEY_FAILED", "XTMP-RKY-031"),
		Explain: explain("Two sets of keys must not live side by side for ever; a client that cannot follow learns why its session ends.",
			"RekeyInit, and under the old keys a PING now and then; no frame under the new keys.",
			"the timer is started anew by any frame", "the connection is closed without a word"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			began, start := clocked(x, s)
			respond(x, s, sendRekey(x, s))
			for range 2 {
				x.Pause("T_CLOSE") // any span of which some fit into the timer
				fence(x, s)
			}
			late := lateness(x.AtLeast("T_REKEY"))
			// RekeyResp is not acknowledged: the server may ask why, by PINGs [XTMP-HBT-024], or send it again.
			r, _, err := s.Expect(x.Within("T_REKEY")+late, func(r *peer.Received) bool { return r.Error() != nil })
			elapsed := time.Since(start)
			need(x, err)
			o, _ := told(x, r)
			x.Judge(o)
			x.RequireNotBefore("T_REKEY", began)
			x.RequireAtMost("T_REKEY", elapsed-late)
			requireEnd(x, s)
		},
	}
}
