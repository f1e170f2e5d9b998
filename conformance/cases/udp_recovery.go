package cases

import (
	"slices"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// udpRecovery returns the cases about what is sent again and when, and about the
// congestion window (12.9, 12.10).
func udpRecovery() []conformance.Case {
	return append([]conformance.Case{
		replyToCopy(), replyNotAgain(), fewCopies(), ackOfFirstCopy(),
	}, withProbe([]conformance.Case{
		lostFragment(), firstWindow(), windowGrows(), windowHalves(), pushesOnce(), pushesWithoutAcks(),
	})...)
}

// repliesWithin reads for the named wait and returns the replies to a mid, in order.
func repliesWithin(x *conformance.Exchange, s *peer.Session, mid uint64, wait string) (replies []*peer.Received) {
	for _, r := range gather(x, s, wait) {
		if r.Plaintext != nil && r.ReplyTo() == mid {
			replies = append(replies, r)
		}
	}
	return replies
}

func replyToCopy() conformance.Case {
	return conformance.Case{
		ID: "XC-1553", Title: "A reply that nobody acknowledges is sent again, under its mid and in a new frame.",
		Proves: []string{"XTMP-REC-007", "XTMP-UDP-090"}, Touches: []string{"XTMP-NON-003", "XTMP-UDP-072"},
		Explain: explain("A reply that was lost has to come again by itself; a copy of the old frame would be dropped as a replay.",
			"A request; its reply is not acknowledged. It has to come again with the same mid and a higher sequence number.",
			"the frame is repeated byte for byte", "the copy gets a new mid", "only the client repeats"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			settle(x, s)
			s.Acks = false
			d := sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil)
			first, _, err := s.ExpectReply(d.Mid(), 0)
			need(x, err)
			again, before, err := s.ExpectReply(d.Mid(), 0)
			noteAll(x, before)
			need(x, err)
			x.RequireField("mid of the copy", first.Mid(), again.Mid())
			x.Require(again.Frame.Sequence() > first.Frame.Sequence(), "the copy has a higher sequence number")
			send(x, s.Ack())
			fence(x, s)
			requireClean(x, s.Conn)
		},
	}
}

func replyNotAgain() conformance.Case {
	return conformance.Case{
		ID: "XC-1554", Title: "A reply that is acknowledged is not sent again.",
		Proves: []string{"XTMP-REC-005", "XTMP-UDP-090"}, Timer: "T_SUSPECT",
		Explain: explain("What is acknowledged is done; sending it again takes the place of what is not.",
			"A request; its reply is acknowledged at once; T_SUSPECT passes, in which no copy may come.",
			"the Ack of a reply is not matched with its message"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			d := sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil)
			_, _, err := s.ExpectReply(d.Mid(), 0)
			need(x, err)
			fence(x, s) // a copy may have crossed the Ack
			x.RequireField("copies of the reply", 0, len(repliesWithin(x, s, d.Mid(), "T_SUSPECT")))
		},
	}
}

func fewCopies() conformance.Case {
	return conformance.Case{
		ID: "XC-1555", Title: "An expiry of PTO sends one or two frames, and after three of them the path rests.",
		Proves: []string{"XTMP-REC-007", "XTMP-REC-008"}, Touches: []string{"XTMP-HBT-025"}, Timer: "T_SUSPECT",
		Explain: explain("A sender that repeats without end fills a network that is broken already.",
			"A request; its reply is not acknowledged. In the first T_SUSPECT at most three expiries of PTO send it again, in two frames each.",
			"the reply is repeated at a fixed interval", "the path is never taken for suspect"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			settle(x, s)
			s.Acks, s.NoPong = false, true // a PONG ends the suspicion, and the reply comes again
			d := sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil)
			_, _, err := s.ExpectReply(d.Mid(), 0)
			need(x, err)
			copies := len(repliesWithin(x, s, d.Mid(), "T_SUSPECT"))
			x.Note("%d copies", copies)
			x.RequireInTime(copies >= 1 && copies <= 2*size("suspect_ptos"), "one to six copies come in T_SUSPECT")
		},
	}
}

func lostFragment() conformance.Case {
	return conformance.Case{
		ID: "XC-1565", Title: "A fragment of a reply that is lost is sent again, and only it.",
		Proves: []string{"XTMP-REC-003", "XTMP-REC-005", "XTMP-UDP-090"}, Params: []conformance.Param{param("lost", "first", "middle")},
		Explain: explain("Three later frames that are acknowledged tell of the loss before any timer does.",
			"A source of 8000 bytes; one fragment of the reply is taken for lost on the way, and everything else acknowledged. That fragment "+
				"has to come "+
				"again, and no other.",
			"the whole message is sent again", "a loss is noticed by the timer alone"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			settle(x, s)
			skip := 0
			if x.Param("lost") == "middle" {
				skip = 3
			}
			s.Impair(peer.Fault{Inbound: true, Name: "Probe", Skip: skip, Does: peer.Loses})
			d := ask(x, s, opSource, 8000, nil)
			requireAnswer(x, answer(x, s, d.Mid()), opSource, 0, patterned(8000))
			count := map[uint64]int{}
			for _, r := range s.Last().Message.Frames {
				count[r.Plaintext.Prologue.Uint("index")]++
			}
			for _, n := range count {
				x.Require(n == 1, "no fragment comes twice that was acknowledged")
			}
			requireClean(x, s.Conn)
		},
	}
}

// A flow is what has come of a large reply.
type flow struct {
	fragments map[uint64]int // index → bytes of the datagram
	all       int            // bytes of all datagrams, copies included
	lowest    uint64         // sequence number of the first
}

// bytes counts each fragment once.
func (f *flow) bytes() (total int) {
	for _, n := range f.fragments {
		total += n
	}
	return total
}

// firstFlight asks for a reply of 65 000 bytes and reads what comes of it without
// acknowledging anything, until nothing new does.
func firstFlight(x *conformance.Exchange) (*peer.Session, *flow) {
	s := udpSession(x)
	settle(x, s)
	s.Acks = false
	d := ask(x, s, opSource, 65_000, nil)
	r, _, err := s.ExpectReply(d.Mid(), 0)
	if err != nil {
		unprepared(x, "a reply", err)
	}
	f := &flow{fragments: map[uint64]int{}, lowest: noSequence}
	f.add(r)
	f.take(x, s)
	return s, f
}

// take adds what comes in BudgetQuiet and returns the bytes of the fragments that are new.
func (f *flow) take(x *conformance.Exchange, s *peer.Session) (added int) {
	for _, r := range gather(x, s, conformance.BudgetQuiet) {
		added += f.add(r)
	}
	return added
}

// add adds a frame and returns its bytes if it is a fragment that is new.
func (f *flow) add(r *peer.Received) (added int) {
	if !r.Is(typeProbe) {
		return 0
	}
	f.all += len(r.Raw)
	f.lowest = min(f.lowest, r.Frame.Sequence())
	index := r.Plaintext.Prologue.Uint("index")
	if _, again := f.fragments[index]; !again {
		added = len(r.Raw)
	}
	f.fragments[index] = len(r.Raw)
	return added
}

// acknowledgeAbove acknowledges all that came above a sequence number, and nothing else.
func acknowledgeAbove(x *conformance.Exchange, s *peer.Session, lost uint64) {
	spans := slices.DeleteFunc(s.Spans(), func(span testkit.Span) bool { return span.High <= lost })
	if len(spans) == 0 {
		x.Inconclusive("nothing came behind the frame that is to be lost")
	}
	lowest := &spans[len(spans)-1]
	lowest.Low = max(lowest.Low, lost+1)
	sendFrame(x, s, typeAck, 0, s.AckOf(spans...))
}

func firstWindow() conformance.Case {
	return conformance.Case{
		ID: "XC-1566", Title: "Without an Ack no more than the first congestion window of a reply is sent.",
		Proves: []string{"XTMP-REC-011", "XTMP-REC-012"},
		Explain: explain("A server that sends a whole reply into a network of which it knows nothing drowns it, and any address can ask for "+
			"one.",
			"A source of 65 000 bytes; nothing is acknowledged. Of the reply ten datagrams may come, and what the Acks of the handshake have "+
				"added; fragments that come again do not count.",
			"there is no congestion window", "the timer of retransmission sends new fragments"),
		Run: func(x *conformance.Exchange) {
			_, f := firstFlight(x)
			total := f.bytes()
			most := (size("window_initial") + 1) * size("datagram_min") // HandshakeDone was acknowledged
			x.Note("%d fragments, %d bytes", len(f.fragments), total)
			x.Require(total > 0 && total <= most, "no more than the first congestion window comes")
		},
	}
}

func windowGrows() conformance.Case {
	return conformance.Case{
		ID: "XC-1567", Title: "The congestion window grows by no more than what is acknowledged.",
		Proves: []string{"XTMP-REC-013", "XTMP-REC-011"},
		Explain: explain("Growth without measure is no control at all.",
			"A source of 65 000 bytes; when the first window has come it is acknowledged, at once and in one Ack, with the copies that an "+
				"expired PTO has sent, and nothing after it: the window and as many bytes as were acknowledged may come then.",
			"the window grows with each Ack by its whole size", "the window is opened for good by the first Ack"),
		Run: func(x *conformance.Exchange) {
			s, f := firstFlight(x)
			first, acked := f.bytes(), f.all
			send(x, s.Ack())
			second := f.take(x, s)
			x.Note("%d bytes, with copies %d, then %d", first, acked, second)
			x.Require(second <= first+acked+2*size("datagram_min"), "no more comes after the first Ack than the window and what was acknowledged")
		},
	}
}

func pushesOnce() conformance.Case {
	return conformance.Case{
		ID: "XC-1568", Title: "A push is not sent again on UDP, whether it is acknowledged or not.",
		Proves: []string{"XTMP-REC-006"}, Touches: []string{"XTMP-MSG-065"}, Timer: "T_SUSPECT",
		Explain: explain("A push is of its moment. Old ones that come again take the place of new ones.",
			"A stream of five pushes; its reply alone is acknowledged; T_SUSPECT passes. No push may come twice.",
			"every frame that calls for an Ack is repeated"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			settle(x, s)
			s.Acks = false
			d := ask(x, s, opStream, 5, []byte("push"))
			r, before, err := s.ExpectReply(d.Mid(), 0)
			need(x, err)
			sendFrame(x, s, typeAck, 0, s.AckOf(testkit.Span{Low: r.Frame.Sequence(), High: r.Frame.Sequence()}))
			seen := map[uint64]int{}
			for _, r := range append(before, gather(x, s, "T_SUSPECT")...) {
				if r.Is(typeProbe) && r.Plaintext.Prologue.Has("n") {
					seen[r.Plaintext.Prologue.Uint("n")]++
				}
			}
			for n := uint64(1); n <= 5; n++ {
				x.Require(seen[n] <= 1, "no push comes twice")
			}
			x.RequireInTime(len(seen) > 0, "pushes come at all")
		},
	}
}

func ackOfFirstCopy() conformance.Case {
	return conformance.Case{
		ID: "XC-1556", Title: "A reply counts as acknowledged when any frame that carried it is.",
		Proves: []string{"XTMP-ACK-031"}, Timer: "T_SUSPECT",
		Explain: explain("The Ack of the first copy may be late; the second copy has crossed it and needs no Ack of its own.",
			"A request; its reply is not acknowledged and comes again. Then an Ack of the first copy alone: no third may come in T_SUSPECT.",
			"only the newest frame of a message is remembered"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			settle(x, s)
			s.Acks = false
			d := sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil)
			first, _, err := s.ExpectReply(d.Mid(), 0)
			need(x, err)
			_, _, err = s.ExpectReply(d.Mid(), 0)
			need(x, err)
			sequence := first.Frame.Sequence()
			sendRanges(x, s, unchanged, testkit.Span{Low: sequence, High: sequence})
			fence(x, s)
			x.RequireField("further copies", 0, len(repliesWithin(x, s, d.Mid(), "T_SUSPECT")))
		},
	}
}

func pushesWithoutAcks() conformance.Case {
	return conformance.Case{
		ID: "XC-1569", Title: "Pushes that nobody acknowledges are taken for lost, and others follow them.",
		Proves: []string{"XTMP-REC-009"}, Timer: "T_SUSPECT",
		Explain: explain("A push has no mid, so that no timer repeats it. If it stays in flight for ever, the window is never free again.",
			"A stream of forty pushes of 1000 bytes, of which none is acknowledged: more than the first congestion window has to come in "+
				"T_SUSPECT.",
			"frames without mid leave the bytes in flight by an Ack only"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			settle(x, s)
			s.Acks = false
			d := ask(x, s, opStream, 40, patterned(1000))
			r, before, err := s.ExpectReply(d.Mid(), 0)
			need(x, err)
			sendFrame(x, s, typeAck, 0, s.AckOf(testkit.Span{Low: r.Frame.Sequence(), High: r.Frame.Sequence()}))
			pushes := 0
			for _, r := range append(before, gather(x, s, "T_SUSPECT")...) {
				if r.Is(typeProbe) && r.Plaintext.Prologue.Has("n") {
					pushes++
				}
			}
			x.Note("%d pushes", pushes)
			x.RequireInTime(pushes > size("window_initial"), "more pushes come than the first congestion window holds")
		},
	}
}

func windowHalves() conformance.Case {
	return conformance.Case{
		ID: "XC-1572", Title: "A loss halves the congestion window.",
		Proves: []string{"XTMP-REC-014", "XTMP-REC-003"},
		Explain: explain("A loss says that the network is full; a sender that goes on as before takes the place of all who do not.",
			"A source of 65 000 bytes; when the first window has come, all of it but its first datagram is acknowledged, in one Ack, and "+
				"nothing after it. Of what is new no more than the first window may come, where twice as much may without a loss.",
			"losses are repaired and change nothing else", "the window is halved and opened again by the same Ack"),
		Run: func(x *conformance.Exchange) {
			s, f := firstFlight(x)
			first := f.bytes()
			acknowledgeAbove(x, s, f.lowest)
			second := f.take(x, s)
			x.Note("%d bytes, then %d", first, second)
			x.Require(second <= first+2*size("datagram_min"), "no more than the first window comes after a loss")
		},
	}
}
