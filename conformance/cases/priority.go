package cases

import (
	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// priorities returns the cases of section 8.10: what may overtake a long reply.
func priorities() []conformance.Case {
	return []conformance.Case{priorityTakenOver(), priorityOvertakes(), controlOvertakes()}
}

// priorityEcho sends an echo with PRIORITY behind a request for the longest reply, in
// one write, and returns the reply to the echo and whether the long one was complete
// before it. It does not read at once: a server may take its time for an echo, and the
// long reply does not fit into the buffers between.
func priorityEcho(x *conformance.Exchange) (r *peer.Received, late bool) {
	s := sessionBy(x, peer.Script{}, unrecorded)
	long := asked(s, opSource, uint64(size("probe_data_to_client")), nil)
	short := asked(s, opEcho, 0, []byte("urgent"))
	prioritised(true)(short)
	send(x, s.SendDrafts(long, short))
	x.Pause("T_LINGER") // any span in which an echo is done
	r, before := wholeOf(x, s, short.Mid())
	requireAnswer(x, probeOf(x, r), opEcho, 0, []byte("urgent"))
	for _, b := range before {
		late = late || b.Message != nil && b.ReplyTo() == long.Mid()
	}
	if !late {
		requireAnswer(x, answer(x, s, long.Mid()), opSource, 0, patterned(size("probe_data_to_client")))
	}
	requireClean(x, s.Conn)
	return r, late
}

// wholeOf waits for the frame that completes the reply to a request, and returns it
// with what came before. As long as frames come, it goes on.
func wholeOf(x *conformance.Exchange, s *peer.Session, mid uint64) (r *peer.Received, before []*peer.Received) {
	for {
		r, err := s.ReadFrame(0)
		need(x, err)
		if r.Message != nil && r.ReplyTo() == mid {
			return r, before
		}
		before = append(before, r)
	}
}

func priorityTakenOver() conformance.Case {
	return conformance.Case{
		ID: "XC-0710", Title: "The reply to a request with PRIORITY has PRIORITY.",
		Proves: []string{"XTMP-MSG-060"}, Level: conformance.Should, Expect: accepts(),
		Explain: explain("The client knows what is urgent; the server has the queue.",
			"An echo with PRIORITY, and one without.", "the flag is forgotten when the request is dispatched"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			for _, wanted := range []bool{true, false} {
				d := ask(x, s, opEcho, 0, []byte("data"), prioritised(wanted))
				r, _, err := s.ExpectReply(d.Mid(), 0)
				need(x, err)
				x.Require(!wanted || r.Frame.Flags()&flag("PRIORITY") != 0, "the reply has PRIORITY as its request has")
			}
			x.Judge(conformance.Accepted())
		},
	}
}

func priorityOvertakes() conformance.Case {
	return conformance.Case{
		ID: "XC-0711", Title: "A reply with PRIORITY overtakes the fragments of a long one.",
		Proves: []string{"XTMP-MSG-058"}, Touches: []string{"XTMP-MSG-060"}, Expect: accepts(), Disruptive: true, Bulk: true,
		Explain: explain("Sixteen megabytes may take minutes; what is urgent must not wait behind them.",
			"A source of 16 MiB and an echo with PRIORITY in one write; the reply to the echo has to come before the last fragment of the other, "+
				"if the server sets PRIORITY in it.",
			"the whole reply is sealed and queued at once", "PRIORITY changes the order of messages, and not that of fragments"),
		Run: func(x *conformance.Exchange) {
			r, late := priorityEcho(x)
			if r.Frame.Flags()&flag("PRIORITY") == 0 {
				x.Unsupported("PRIORITY in replies")
			}
			x.Require(!late, "the reply with PRIORITY comes before the last fragment of the long one")
			x.Judge(conformance.Accepted())
		},
	}
}

func controlOvertakes() conformance.Case {
	return conformance.Case{
		ID: "XC-0712", Title: "Acks, Heartbeats and Errors come between the fragments of a long reply.",
		Proves: []string{"XTMP-MSG-059", "XTMP-MSG-028"}, Expect: accepts(), Disruptive: true, Bulk: true,
		Explain: explain("A peer that hears no answer to its PING for as long as a transfer lasts takes the path for dead, and ends "+
			"what it waits for.",
			"A source of 16 MiB and three frames that call for a PONG, an Ack and an unsolicited Error in one write; the three have to come before "+
				"the last fragment.",
			"one message is written to its end before the next is looked at", "the frames of control have the queue of all others"),
		Run: func(x *conformance.Exchange) {
			s := sessionBy(x, peer.Script{}, unrecorded)
			n := size("probe_data_to_client")
			long := asked(s, opSource, uint64(n), nil)
			pinged := s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, []byte("between")))
			reliable := s.Draft(typeExtension, flag("REQUIRES_ACK"), nil)
			send(x, s.SendDrafts(long, pinged, reliable, s.Draft(typeUnknown, 0, nil)))
			r, before := wholeOf(x, s, long.Mid())
			pong, ack, unsolicited := false, false, false
			for _, b := range before {
				pong = pong || isHeartbeat(peer.Pong, []byte("between"))(b)
				ack = ack || isAck(b) && b.Body("ack").Uint("largest") >= reliable.Sequence
				unsolicited = unsolicited || b.Is(typeError)
			}
			x.Require(pong, "the PONG comes before the last fragment of the long reply")
			x.Require(ack, "the Ack comes before the last fragment of the long reply")
			x.Require(unsolicited, "the Error comes before the last fragment of the long reply")
			requireAnswer(x, probeOf(x, r), opSource, 0, patterned(n))
			x.Judge(conformance.Accepted())
			requireClean(x, s.Conn)
		},
	}
}
