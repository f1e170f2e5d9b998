package cases

import (
	"slices"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// udpLoss returns the cases about what tells a sender of a loss, and what it makes of
// one (12.9, 12.10).
func udpLoss() []conformance.Case {
	return append([]conformance.Case{ptoDoubles(), pingOfSuspect()}, withProbe([]conformance.Case{
		lostByCount(), lostByTime(), restComesAgain(), acksAreNotHeld(), leastWindow(), windowCollapses(),
	})...)
}

func ptoDoubles() conformance.Case {
	return conformance.Case{
		ID: "XC-1559", Title: "PTO doubles with each expiry.",
		Proves: []string{"XTMP-REC-008"}, Touches: []string{"XTMP-REC-002", "XTMP-REC-007"}, Timer: "T_SUSPECT",
		Explain: explain("A sender that repeats at a fixed interval never gives a network that is full the time to drain.",
			"A session with a round trip of T_DISC_GAP; a request, whose reply is not acknowledged. From its first repetition to its "+
				"second at least "+
				"1.4 times as long has to pass as before the first; twice is due, and a timer may be late.",
			"the count of expiries is set back by each of them"),
		Run: func(x *conformance.Exchange) {
			s := distant(x, "T_DISC_GAP")
			s.Acks, s.NoPong = false, true
			d := sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil)
			copies := expiries(x, s, d.Mid(), 1)
			last, gap := copies[1].At, copies[1].At.Sub(copies[0].At)
			skipTwins(x, s, d.Mid(), last)
			early := firstUntil(x, s, d.Mid(), last.Add(gap*14/10)) != nil
			x.RequireInTime(!early, "the second expiry of PTO comes after twice the time")
			if firstUntil(x, s, d.Mid(), last.Add(3*gap)) == nil {
				x.Judge(conformance.Silence("T_SUSPECT"))
			}
		},
	}
}

func pingOfSuspect() conformance.Case {
	return conformance.Case{
		ID: "XC-1574", Title: "A PING of the server on UDP has exactly 64 bytes of payload.",
		Proves: []string{"XTMP-UDP-102"}, Touches: []string{"XTMP-HBT-024", "XTMP-HBT-025"}, Timer: "T_HANDSHAKE_TCP",
		Explain: explain("A PING in a datagram of 160 bytes is what draws a reset from a peer that has forgotten the session.",
			"A request, whose reply is not acknowledged, so that the path becomes suspect. A server may ask then whether its "+
				"client is there; if it "+
				"does in twice T_PATHLESS_PROBE, the size of what it sends is looked at.",
			"the PING of TCP is used", "64 bytes are counted without the kind"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			settle(x, s)
			s.Acks, s.NoPong = false, true
			d := sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil)
			_, _, err := s.ExpectReply(d.Mid(), 0)
			need(x, err)
			pings := 0
			for _, r := range append(gather(x, s, "T_PATHLESS_PROBE"), gather(x, s, "T_PATHLESS_PROBE")...) {
				if kind(r, peer.Ping) {
					pings++
					x.RequireField("bytes of payload", size("ping_udp"), len(r.Raw)-testkit.HeaderSize)
				}
			}
			if pings == 0 {
				x.Unsupported("PINGs on a suspect path")
			}
		},
	}
}

// readAll reads the fragments of a reply, of which nothing is acknowledged.
func readAll(x *conformance.Exchange, s *peer.Session, mid uint64) []*peer.Received {
	s.Acks = false
	return fragmentsOn(x, s, mid)
}

// acknowledgeOnly acknowledges these frames and nothing else.
func acknowledgeOnly(x *conformance.Exchange, s *peer.Session, frames ...*peer.Received) {
	var sequences []uint64
	for _, r := range frames {
		sequences = append(sequences, r.Frame.Sequence())
	}
	sendFrame(x, s, typeAck, 0, s.AckOf(testkit.Spans(sequences)...))
}

// indexAgain waits until the fragment of a reply comes again.
func indexAgain(x *conformance.Exchange, s *peer.Session, of *peer.Received) {
	_, before, err := s.Expect(0, func(r *peer.Received) bool {
		return r.Plaintext != nil && r.ReplyTo() == of.ReplyTo() && r.Plaintext.Prologue.Uint("index") == of.Plaintext.Prologue.Uint("index") &&
			r.Frame.Sequence() > of.Frame.Sequence()
	})
	noteAll(x, before)
	need(x, err)
}

func lostByCount() conformance.Case {
	return conformance.Case{
		ID: "XC-1575", Title: "A fragment is lost, and comes again at once, when a frame that is higher by three is acknowledged.",
		Proves: []string{"XTMP-REC-003"}, Touches: []string{"XTMP-REC-005"}, Timer: "T_DISC_GAP",
		Explain: explain("Later frames tell of a loss long before a timer can.",
			"A session with a round trip of T_RACE; a source of 6000 bytes; all but the first fragment is acknowledged. It "+
				"has to come again before "+
				"the 9/8 of the round trip, after which the timer would bring it.",
			"losses are found by the timer alone", "the distance is more than three"),
		Run: func(x *conformance.Exchange) {
			s := distant(x, "T_RACE")
			d := ask(x, s, opSource, 6000, nil)
			frames := readAll(x, s, d.Mid())
			due := x.Mark()
			acknowledgeOnly(x, s, frames[1:]...)
			indexAgain(x, s, frames[0])
			x.RequireWithin("T_DISC_GAP", due)
		},
	}
}

func lostByTime() conformance.Case {
	return conformance.Case{
		ID: "XC-1576", Title: "A fragment is lost, and comes again, 9/8 of the round trip after its sending when the next is acknowledged.",
		Proves: []string{"XTMP-REC-004"}, Touches: []string{"XTMP-REC-005"}, Timer: "T_HS_RETX",
		Explain: explain("At the end of a message there are no three later frames; waiting for PTO takes several round trips.",
			"A session with a round trip of T_RACE; a source of 1500 bytes; the second of its two fragments is acknowledged. The first has to come "+
				"again within T_HS_RETX: after 9/8 of a round trip, and before PTO, which is more than three.",
			"the timer of losses is not set", "only the count of later frames is looked at"),
		Run: func(x *conformance.Exchange) {
			s := distant(x, "T_RACE")
			d := ask(x, s, opSource, 1500, nil)
			frames := readAll(x, s, d.Mid())
			due := x.Mark()
			acknowledgeOnly(x, s, frames[1])
			indexAgain(x, s, frames[0])
			x.RequireWithin("T_HS_RETX", due)
		},
	}
}

func restComesAgain() conformance.Case {
	return conformance.Case{
		ID: "XC-1577", Title: "A reply of which some fragments are acknowledged is not acknowledged: the others come again.",
		Proves: []string{"XTMP-ACK-031", "XTMP-UDP-090"}, Touches: []string{"XTMP-REC-005"},
		Params: []conformance.Param{param("acknowledged", "the first", "the last", "all but one")},
		Explain: explain("A message is there when all of it is. A sender that is content with less leaves a hole that nobody fills.",
			"A source of 6000 bytes, of whose fragments some are acknowledged; each of the others has to come again.",
			"the Ack of any fragment is one of the message", "that of the last is, as on TCP"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			d := ask(x, s, opSource, 6000, nil)
			frames := readAll(x, s, d.Mid())
			missing := slices.Clone(frames)
			switch x.Param("acknowledged") {
			case "the first":
				missing = missing[1:]
			case "the last":
				missing = missing[:len(missing)-1]
			default:
				missing = missing[2:3]
			}
			acknowledgeOnly(x, s, slices.DeleteFunc(slices.Clone(frames), func(r *peer.Received) bool { return slices.Contains(missing, r) })...)
			again := map[uint64]bool{}
			for len(again) < len(missing) {
				r, _, err := s.ExpectReply(d.Mid(), 0)
				need(x, err)
				index := r.Plaintext.Prologue.Uint("index")
				if slices.ContainsFunc(missing, func(m *peer.Received) bool { return m.Plaintext.Prologue.Uint("index") == index }) {
					again[index] = true
				}
				acknowledgeOnly(x, s, r)
			}
			x.Judge(conformance.Accepted())
		},
	}
}

func acksAreNotHeld() conformance.Case {
	return conformance.Case{
		ID: "XC-1578", Title: "Acks come although the congestion window is full.",
		Proves: []string{"XTMP-REC-020"}, Touches: []string{"XTMP-ACK-019"},
		Explain: explain("Two peers whose windows are full would wait for each other's Acks for ever.",
			"A source of 65 000 bytes, of which nothing is acknowledged until nothing new comes; then an extension frame, whose Ack is due.",
			"Acks are counted in the window, or wait behind what is held back"),
		Run: func(x *conformance.Exchange) {
			s, _ := firstFlight(x)
			awaitAck(x, s, sendFrame(x, s, typeExtension, flag("REQUIRES_ACK"), nil).Sequence)
			x.Judge(conformance.Accepted())
		},
	}
}

// nextProbe waits for a frame of a reply, after what has happened before.
func nextProbe(x *conformance.Exchange, s *peer.Session, after string) *peer.Received {
	r, _, err := s.Expect(0, func(r *peer.Received) bool { return r.Is(typeProbe) })
	if err != nil {
		unprepared(x, "a frame after "+after, err)
	}
	return r
}

// probesWithin returns how many fragments of replies, each once, come within the named
// wait, or have come before.
func probesWithin(x *conformance.Exchange, s *peer.Session, wait string, before ...*peer.Received) int {
	indices := map[uint64]bool{}
	for _, r := range append(before, gather(x, s, wait)...) {
		if r.Is(typeProbe) {
			indices[r.Plaintext.Prologue.Uint("index")] = true
		}
	}
	return len(indices)
}

func leastWindow() conformance.Case {
	return conformance.Case{
		ID: "XC-1579", Title: "The congestion window is 2 datagrams at least, however often it is halved.",
		Proves: []string{"XTMP-REC-015"}, Touches: []string{"XTMP-REC-014"},
		Explain: explain("With one datagram in flight no later frame tells of a loss; each takes a timer.",
			"A source of 65 000 bytes; again and again all that came is acknowledged but the first fragment that is new, which halves the window. "+
				"After each loss two fragments or more have to come.",
			"the window falls to one datagram, or to nothing"),
		Run: func(x *conformance.Exchange) {
			s, f := firstFlight(x)
			lost := f.lowest
			for range 6 {
				acknowledgeAbove(x, s, lost)
				first := nextProbe(x, s, "a loss")
				fragments := probesWithin(x, s, conformance.BudgetQuiet, first)
				x.Note("%d fragments after the loss", fragments)
				x.RequireInTime(fragments >= size("window_min"), "two datagrams may be in flight")
				lost = first.Frame.Sequence()
			}
		},
	}
}

func windowCollapses() conformance.Case {
	return conformance.Case{
		ID: "XC-1580", Title: "The congestion window is 2 datagrams after everything was lost for more than three PTO.",
		Proves: []string{"XTMP-REC-016"}, Touches: []string{"XTMP-REC-007"}, Timer: "T_SUSPECT",
		Explain: explain("A network that has carried nothing for so long is not the one for which the window was found.",
			"A source of 65 000 bytes, of which nothing is acknowledged; a PING, which ends the suspicion, so that PTO sends again; the same once "+
				"more, with an Ack of the first frame that comes. No more than two fragments may come before PTO, and one for what the Ack has added.",
			"losses halve the window, however many they are"),
		Run: func(x *conformance.Exchange) {
			s, _ := firstFlight(x)
			var r *peer.Received
			for range 2 {
				probesWithin(x, s, "T_ACK") // an expiry may send two frames
				fence(x, s)
				r = nextProbe(x, s, "the suspicion")
			}
			acknowledgeOnly(x, s, r)                 // at once: a late Ack makes the round trip long, and PTO with it
			fragments := probesWithin(x, s, "T_ACK") // PTO is longer
			x.Note("%d fragments after the loss", fragments)
			x.RequireInTime(fragments <= size("window_min")+1, "two datagrams may be in flight")
		},
	}
}
