package cases

import (
	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

func executesBeforeParking() conformance.Case {
	return conformance.Case{
		ID: "XC-1389", Title: "A request that arrived before the last path ended is executed, and its reply kept.",
		Proves: []string{"XTMP-PRK-008"}, Needs: profileProbe, Expect: accepts(),
		Params: []conformance.Param{param("reply", "while parked", "after it"), param("paths", "1", "2")},
		Explain: explain("A client that asked and lost its network does not ask again; it waits for the reply.",
			"A delay of a second; the paths end at once. The session is resumed when the delay is over, or before. The reply comes on the new "+
				"path, though nothing was asked again.",
			"requests are cancelled when their path ends", "a reply that finds no path is dropped"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			if x.Param("paths") == "2" {
				first := s
				s = attachLive(x, first, onTCP)
				hangUp(x, first, "end of stream")
			}
			data := x.Entropy("data").Bytes(24)
			d := ask(x, s, opDelay, uint64(x.AtLeast("T_LINGER").Milliseconds()), data)
			hangUp(x, s, "end of stream")
			if x.Param("reply") == "while parked" {
				x.Pause("T_LINGER")
				x.Pause("T_LINGER") // a delay may be late by one second
			}
			b := resume(x, s)
			requireAnswer(x, answer(x, b, d.Mid()), opDelay, 0, data)
			requireLives(x, b)
			x.Judge(conformance.Accepted())
		},
	}
}

// leaveBytes gives the server a reply whose body has as many bytes, which is not
// acknowledged, and parks.
func leaveBytes(x *conformance.Exchange, n int) (s *peer.Session, mid uint64) {
	s = attachable(x)
	greet(x, s)
	d := ask(x, s, opSource, uint64(n-beforeProbe), nil)
	answer(x, s, d.Mid())
	hangUp(x, s, "end of stream")
	return s, d.Mid()
}

func parkedBytesAtLimit() conformance.Case {
	return conformance.Case{
		ID: "XC-1390", Title: "A session with 1 048 576 bytes of unacknowledged messages is parked.",
		Proves: []string{"XTMP-PRK-007"}, Needs: profileProbe, Touches: []string{"XTMP-PTH-034"}, Expect: accepts(),
		Explain: explain("The bound belongs to what is kept.",
			"A source whose reply has a body of that size and is read and not acknowledged; the session is parked and resumed, and the reply comes "+
				"again, whole.",
			"frames or prologues are counted and not bodies", "HandshakeDone, which was acknowledged, is counted"),
		Run: func(x *conformance.Exchange) {
			s, mid := leaveBytes(x, size("parked_bytes"))
			b := resume(x, s)
			body, _ := wholeAgain(x, b, mid)
			x.RequireField("bytes of the body", size("parked_bytes"), len(body))
			x.Judge(conformance.Accepted())
		},
	}
}

func parkedBytesBeyond() conformance.Case {
	return conformance.Case{
		ID: "XC-1391", Title: "A session with 1 048 577 bytes of unacknowledged messages is erased when its last path ends.",
		Proves: []string{"XTMP-PRK-007"}, Needs: profileProbe, Control: "XC-1390", Expect: erased("XTMP-PRK-007"),
		Explain: explain("One long reply is as much to hold as many short ones.",
			"A source whose reply has a body of that size and is not acknowledged; the path ends. Attach is answered by SESSION_UNKNOWN.",
			"only the number of messages is looked at"),
		Run: func(x *conformance.Exchange) {
			s, _ := leaveBytes(x, size("parked_bytes")+1)
			c, a := offer(x, s)
			x.Judge(answerOf(x, c, a))
		},
	}
}

func parkedGrows() conformance.Case {
	return conformance.Case{
		ID: "XC-1392", Title: "A reply that takes a parked session beyond the bounds erases it.",
		Proves: []string{"XTMP-PRK-007", "XTMP-PRK-008"}, Needs: profileProbe, Expect: accepts(),
		Params: []conformance.Param{param("replies", "16", "17")},
		Explain: explain("Requests that are under way when the last path ends have their replies still to come; the bound holds for them too.",
			"Delays of a second with bodies of 65 536 bytes; the path ends before they are over. Sixteen replies make up 1 048 576 bytes and are "+
				"kept, seventeen erase the session.",
			"the bound is looked at only when the session is parked"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			greet(x, s)
			n := x.ParamInt("replies")
			if mostInflight(x, s) < n {
				x.Unsupported("17 requests at once")
			}
			var drafts []*peer.Draft
			for range n {
				drafts = append(drafts, asked(s, opDelay, uint64(x.AtLeast("T_LINGER").Milliseconds()), make([]byte, longestData())))
			}
			send(x, s.SendDrafts(drafts...))
			hangUp(x, s, "end of stream")
			x.Pause("T_LINGER")
			x.Pause("T_LINGER") // a delay may be late by one second
			if n*size("message_to_server_before_wallet") > size("parked_bytes") {
				requireGone(x, s)
			} else {
				requireStays(x, s)
			}
			x.Judge(conformance.Accepted())
		},
	}
}

func subscriptionsEnd() conformance.Case {
	return conformance.Case{
		ID: "XC-1393", Title: "Subscriptions end when their session is parked.",
		Proves: []string{"XTMP-PRK-013"}, Needs: profileProbe, Expect: accepts(), Params: []conformance.Param{param("end", "reset", "bad frame")},
		Explain: explain("Pushes that nobody can receive are made for nothing; a client subscribes again when it is back.",
			"A stream of a million pushes, of which some are read; the path ends; the session is resumed. No push comes, and a stream of three "+
				"is served.",
			"the stream goes on into the void", "it goes on where it was"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			d := ask(x, s, opStream, uint64(size("probe_pushes")), x.Entropy("data").Bytes(64))
			for _, fits := range []func(*peer.Received) bool{
				func(r *peer.Received) bool { return r.Message != nil && r.ReplyTo() == d.Mid() }, isPush,
			} {
				if _, _, err := s.Expect(0, fits); err != nil {
					unprepared(x, "a stream", err)
				}
			}
			send(x, s.Ack())
			hangUpBusy(x, s, x.Param("end"))
			b := resume(x, s)
			for range 3 {
				for _, r := range fence(x, b) {
					x.Require(!isPush(r), "no push comes after the session was parked")
				}
				x.Pause("T_ACK")
			}
			more := ask(x, b, opStream, 3, nil)
			r, _, err := b.ExpectAnswer(more.Mid(), 0)
			need(x, err)
			sub := open(x, r, 3, nil)
			readPushes(x, b, map[uint64]*subscription{sub.id: sub})
			x.Judge(conformance.Accepted())
		},
	}
}

// hangUpBusy ends a path on which the server writes without end.
func hangUpBusy(x *conformance.Exchange, s *peer.Session, how string) {
	if how == "bad frame" {
		d := s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, nil))
		flipTag(d)
		send(x, s.SendDrafts(d))
		x.Pause(conformance.BudgetQuiet)
		return
	}
	hangUp(x, s, how)
}

// wholeAgain reads a reply that comes again, whole, in one frame or in fragments, and
// returns its body and, of fragments, their one frag_id.
func wholeAgain(x *conformance.Exchange, s *peer.Session, mid uint64) (body []byte, id uint64) {
	pieces := map[uint64][]byte{}
	for {
		r, _, err := s.Expect(0, func(r *peer.Received) bool { return r.Plaintext != nil && r.ReplyTo() == mid })
		need(x, err)
		p := r.Plaintext.Prologue
		if !p.Has("frag_id") {
			return r.Plaintext.Body, 0
		}
		x.Require(len(pieces) == 0 || p.Uint("frag_id") == id, "all fragments that come on a path belong to one division")
		id = p.Uint("frag_id")
		pieces[p.Uint("index")] = r.Plaintext.Body
		if uint64(len(pieces)) < p.Uint("count") {
			continue
		}
		for i := range p.Uint("count") {
			body = append(body, pieces[i]...)
		}
		return body, id
	}
}
