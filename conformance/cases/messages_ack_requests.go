package cases

import (
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// acksOfRequests returns the cases about Acks of requests that are answered late or
// early.
func acksOfRequests() []conformance.Case {
	return []conformance.Case{lateReply(), earlyReply(), manyLateReplies(), fragmentsAndAcks()}
}

func lateReply() conformance.Case {
	return conformance.Case{
		ID: "XC-0690", Title: "A request that is answered late is acknowledged within T_ACK.",
		Proves: []string{"XTMP-ACK-010"}, Expect: accepts(), Timer: "T_REKEY_GAP_MIN",
		Params: []conformance.Param{param("frames", "1", "3")},
		Explain: explain("An Ack says that a request arrived, and keeps its sender from looking for another path while the server works.",
			"A delay of T_REKEY_GAP_MIN in one frame or in fragments; the time until an Ack covers its last frame is taken; then the reply comes.",
			"requests are acknowledged by their reply alone", "fragments are acknowledged when the message is complete"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			body := probeBody(opDelay, uint64(x.AtLeast("T_REKEY_GAP_MIN").Milliseconds()), make([]byte, 1500))
			drafts := []*peer.Draft{nil}
			if x.Param("frames") == "1" {
				drafts[0] = s.Draft(typeProbe, flag("REQUIRES_ACK"), body)
			} else {
				drafts = s.Fragments(typeProbe, flag("REQUIRES_ACK"), body, 600)
			}
			sent := time.Now()
			send(x, s.SendDrafts(drafts...))
			r, before, err := s.ExpectAck(drafts[len(drafts)-1].Sequence, 0)
			need(x, err)
			x.RequireAtMost("T_ACK", r.At.Sub(sent))
			x.Require(len(onlyReplies(before)) == 0, "the Ack comes before the reply")
			answer(x, s, drafts[0].Mid())
			x.Judge(conformance.Accepted())
			requireClean(x, s.Conn)
		},
	}
}

func earlyReply() conformance.Case {
	return conformance.Case{
		ID: "XC-0691", Title: "Once a request is answered no Ack follows for it.",
		Proves: []string{"XTMP-ACK-012"}, Expect: accepts(),
		Params: []conformance.Param{param("request", "echo", "fail", "source", "fragments")},
		Explain: explain("A reply says more than an Ack; an Ack behind it doubles the frames of every call.",
			"Ten requests in a row, each when the one before is answered; then T_ACK passes; then a PING. No Ack may come behind a reply.",
			"the timer for Acks is not stopped by the reply", "of a fragmented request the first frames stay open"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			for range 10 {
				var mid uint64
				switch x.Param("request") {
				case "echo":
					mid = ask(x, s, opEcho, 0, []byte("data")).Mid()
				case "fail":
					mid = ask(x, s, opFail, 3, nil).Mid()
				case "source":
					mid = ask(x, s, opSource, 300_000, nil).Mid()
				case "fragments":
					drafts := s.Fragments(typeProbe, flag("REQUIRES_ACK"), probeBody(opEcho, 0, make([]byte, 1500)), 600)
					send(x, s.SendDrafts(drafts...))
					mid = drafts[0].Mid()
				}
				_, _, err := s.ExpectAnswer(mid, 0)
				need(x, err)
			}
			x.Pause("T_ACK")
			for _, r := range fence(x, s) {
				x.Require(!isAck(r), "no Ack comes while no frame is open")
			}
			x.Judge(conformance.Accepted())
			requireClean(x, s.Conn)
		},
	}
}

func manyLateReplies() conformance.Case {
	return conformance.Case{
		ID: "XC-0692", Title: "Of many requests that are answered late all but 31 are acknowledged at the end of a read batch.",
		Proves: []string{"XTMP-ACK-011"}, Expect: accepts(), Timer: "T_REKEY_GAP_MIN",
		Explain: explain("Requests count like any other frame until they are answered; a client that sends many needs its window back.",
			"64 delays, or as many as max_inflight says, and a PING in one write, and a second PING once the first is "+
				"answered. Before the second answer an Ack has to cover all but 31 of the delays.",
			"requests are left out of the count of open frames"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			most := min(64, announcedInflight(s))
			if most < size("ack_after_frames") {
				x.Unsupported("so many requests at the same time that Acks are due by count")
			}
			var drafts []*peer.Draft
			for range most {
				drafts = append(drafts, asked(s, opDelay, uint64(x.AtLeast("T_REKEY_GAP_MIN").Milliseconds()), nil))
			}
			owed := drafts[len(drafts)-size("ack_after_frames")].Sequence
			data := x.Entropy("first").Bytes(8)
			send(x, s.SendDrafts(append(drafts, s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, data)))...))
			_, before, err := s.Expect(0, isHeartbeat(peer.Pong, data))
			need(x, err)
			covered := false
			for _, r := range append(before, fence(x, s)...) {
				covered = covered || isAck(r) && r.Body("ack").Uint("largest") >= owed
			}
			x.Require(covered, "an Ack by count comes before the answer to what was sent later")
		},
	}
}

func fragmentsAndAcks() conformance.Case {
	return conformance.Case{
		ID: "XC-0693", Title: "Fragments of a message that is not complete are acknowledged by frame.",
		Proves: []string{"XTMP-ACK-010", "XTMP-ACK-011"}, Expect: accepts(),
		Params: []conformance.Param{param("fragments", "1", "100")},
		Explain: explain("The rest may take long; what has arrived is acknowledged like all else.",
			"Some fragments of a message of 128, and a PING; an Ack has to cover the last of them within T_ACK; then the rest, and the reply.",
			"a message is acknowledged when it is complete"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			drafts := s.Fragments(typeProbe, flag("REQUIRES_ACK"), probeBody(opSink, 0, make([]byte, longestData())), 512)
			n := x.ParamInt("fragments")
			sent := time.Now()
			send(x, s.SendDrafts(drafts[:n]...))
			r, _, err := s.ExpectAck(drafts[n-1].Sequence, 0)
			need(x, err)
			x.RequireAtMost("T_ACK", r.At.Sub(sent))
			send(x, s.SendDrafts(drafts[n:]...))
			requireAnswer(x, answer(x, s, drafts[0].Mid()), opSink, uint64(longestData()), nil)
			x.Judge(conformance.Accepted())
		},
	}
}
