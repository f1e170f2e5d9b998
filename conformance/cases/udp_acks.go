package cases

import (
	"bytes"
	"slices"
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// controlRanges is the control twin of Acks that are refused.
const controlRanges = "XC-1536"

// udpAcks returns the cases about Acks on UDP (12.8), and about the sequence numbers
// that the server leaves out.
func udpAcks() []conformance.Case {
	return []conformance.Case{
		ackWithinTime(), ackOfTwo(), ackAtGap(), ackRangesExact(), ackOfManyRanges(), noAckOfNothing(), legalRanges(), refusedRanges(),
		ackOfUnsent(), serverLeavesOut(), ackOfLeftOut(), ackOvertaken(), holesDiffer(), ackBeforeWideGap(), ackDelay(), ackedOnce(),
	}
}

func ackWithinTime() conformance.Case {
	return conformance.Case{
		ID: "XC-1530", Title: "A single ack-eliciting frame on UDP is acknowledged within T_ACK.",
		Proves: []string{"XTMP-ACK-019"}, Touches: []string{"XTMP-TYP-010"}, Params: []conformance.Param{param("frame", "extension",
			"extension without mid", "request", "repeated mid")},
		Explain: explain("The sender's timers count on it: an Ack that comes late is a loss to it, and the frame is sent again.",
			"One frame that calls for an Ack, and nothing behind it; the time until an Ack that covers it is taken, the best of five.",
			"only frames with mid are acknowledged", "an answered request gets no Ack, as on TCP", "the timer is coarser than T_ACK"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			settle(x, s)
			edits := []func(*peer.Draft){}
			messageType, flags := uint8(typeExtension), flag("REQUIRES_ACK")
			switch x.Param("frame") {
			case "extension without mid":
				flags = 0
			case "request":
				messageType = typeUnknown
			case "repeated mid":
				awaitAck(x, s, sendFrame(x, s, messageType, flags, nil).Sequence)
				settle(x, s)
				edits = append(edits, withMid(1))
			}
			requireAcksInTime(x, func() { awaitAck(x, s, sendFrame(x, s, messageType, flags, nil, edits...).Sequence) })
			requireClean(x, s.Conn)
		},
	}
}

func ackOfTwo() conformance.Case {
	return conformance.Case{
		ID: "XC-1531", Title: "Two ack-eliciting frames are acknowledged without waiting for T_ACK.",
		Proves: []string{"XTMP-ACK-020"}, Touches: []string{"XTMP-ACK-022"},
		Explain: explain("A sender in slow start doubles its window with each Ack; one Ack in 25 ms makes UDP slower than it has to be.",
			"An extension frame; a PING, so that the server has woken up in between; a second extension frame; and two PINGs, before whose "+
				"answers an Ack has to cover the first frame. This three times.",
			"Acks are sent by the timer alone", "frames are counted only when they have a mid"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			for range 3 { // on a machine that is busy T_ACK may have passed by the answer
				settle(x, s)
				first := sendFrame(x, s, typeExtension, flag("REQUIRES_ACK"), nil)
				seen := fence(x, s)
				second := sendFrame(x, s, typeExtension, flag("REQUIRES_ACK"), nil)
				seen = append(append(seen, fence(x, s)...), fence(x, s)...)
				covered := slices.ContainsFunc(seen, func(r *peer.Received) bool { return covers(r, first.Sequence) })
				x.Require(covered, "an Ack comes before the answer to what was sent later")
				awaitOpen(x, s, second.Sequence)
			}
			requireClean(x, s.Conn)
		},
	}
}

// awaitOpen waits for an Ack of a frame unless one has come.
func awaitOpen(x *conformance.Exchange, s *peer.Session, sequence uint64) {
	if !s.Covered(sequence) {
		awaitAck(x, s, sequence)
	}
}

func ackAtGap() conformance.Case {
	return conformance.Case{
		ID: "XC-1532", Title: "An ack-eliciting frame that is not the next is acknowledged at once.",
		Proves: []string{"XTMP-ACK-021"}, Params: []conformance.Param{param("frame", "behind a gap", "late")},
		Explain: explain("A gap is how the sender learns of a loss; each moment that it is not told, it waits.",
			"An extension frame behind a sequence number that was left out, or with that number; and two PINGs, before whose answers an Ack "+
				"has to cover it.",
			"only the highest sequence number is looked at", "the Ack waits for the timer"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			settle(x, s)
			out := s.LeaveOut()
			var edits []func(*peer.Draft)
			if x.Param("frame") == "late" {
				fence(x, s)
				edits = append(edits, func(d *peer.Draft) { d.Sequence = out })
			}
			d := sendFrame(x, s, typeExtension, flag("REQUIRES_ACK"), nil, edits...)
			seen := append(fence(x, s), fence(x, s)...)
			covered := slices.ContainsFunc(seen, func(r *peer.Received) bool { return covers(r, d.Frame.Sequence()) })
			x.Require(covered, "an Ack comes before the answer to what was sent later")
			requireClean(x, s.Conn)
		},
	}
}

// expectedSpans are the ranges of what we have sent up to a sequence number, newest
// first.
func expectedSpans(s *peer.Session, largest uint64) []testkit.Span {
	var sent []uint64
	for sequence := range largest + 1 {
		if s.Sent(sequence) {
			sent = append(sent, sequence)
		}
	}
	return testkit.Spans(sent)
}

// requireExact requires that an Ack names exactly what we have sent up to its largest:
// the newest ranges, 33 at most.
func requireExact(x *conformance.Exchange, s *peer.Session, r *peer.Received) {
	ack := r.Body("ack")
	spans, sound := testkit.AckSpans(ack)
	x.Require(sound, "the ranges of the Ack are sound")
	want := expectedSpans(s, ack.Uint("largest"))
	most := size("ack_ranges") + 1
	want = want[:min(len(want), most)]
	x.Note("the Ack covers %v; sent were %v", spans, want)
	x.Require(slices.Equal(spans, want), "an Ack names the newest ranges of what has come, neither more nor less")
}

func ackRangesExact() conformance.Case {
	return conformance.Case{
		ID: "XC-1533", Title: "An Ack names every frame that has come, of whatever type, and no other.",
		Proves: []string{"XTMP-ACK-013", "XTMP-ACK-014", "XTMP-ACK-015", "XTMP-ACK-017"},
		Explain: explain("An Ack that names too little makes the sender repeat; one that names too much loses data, and ends the session.",
			"PINGs and extension frames, one and then two more, with sequence numbers left out before them; after each the Ack has to have "+
				"exactly the ranges of what was sent.",
			"PINGs are left out of the ranges", "gap and len count from the wrong end", "first_range counts largest too, or is 0",
			"the holes are filled"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			settle(x, s)
			for _, holes := range []int{1, 3, 1, 10, 2} {
				leap(s, holes)
				fence(x, s)
				fence(x, s)
				s.LeaveOut()
				d := sendFrame(x, s, typeExtension, flag("REQUIRES_ACK"), nil)
				requireExact(x, s, awaitAck(x, s, d.Sequence))
				for range 2 {
					d = sendFrame(x, s, typeExtension, flag("REQUIRES_ACK"), nil)
				}
				requireExact(x, s, awaitAck(x, s, d.Sequence))
			}
			requireClean(x, s.Conn)
		},
	}
}

func ackOfManyRanges() conformance.Case {
	return conformance.Case{
		ID: "XC-1534", Title: "An Ack has at most 32 pairs, and they are the newest.",
		Proves: []string{"XTMP-ACK-015", "XTMP-ACK-017"}, Touches: []string{"XTMP-ACK-026"},
		Explain: explain("Without a bound an Ack of a bad network does not fit a datagram.",
			"Fifty PINGs, each behind a sequence number that was left out, and an extension frame: its Ack has 33 ranges.",
			"the oldest ranges are kept and the newest dropped", "the list is cut to what one byte holds"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			settle(x, s)
			for range 50 {
				s.LeaveOut()
				fence(x, s)
			}
			s.LeaveOut()
			d := sendFrame(x, s, typeExtension, flag("REQUIRES_ACK"), nil)
			r := awaitAck(x, s, d.Sequence)
			x.RequireField("range_count", size("ack_ranges"), r.Body("ack").Uint("range_count"))
			requireExact(x, s, r)
		},
	}
}

func noAckOfNothing() conformance.Case {
	return conformance.Case{
		ID: "XC-1535", Title: "Frames that do not call for an Ack get none.",
		Proves: []string{"XTMP-ACK-024"}, Control: controlUDPPing, Expect: ignores("XTMP-ACK-024"),
		Params: []conformance.Param{param("frame", "PING", "PONG", "Ack", "Error", "behind a gap")},
		Explain: explain("Two peers that acknowledge each other's Acks never fall silent.",
			"A frame without need of an Ack; T_ACK passes; then PINGs, before whose answers no Ack may come.",
			"every frame starts the timer for Acks", "a gap is reported whatever made it"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			settle(x, s)
			switch x.Param("frame") {
			case "behind a gap":
				s.LeaveOut()
				fence(x, s)
			case "PING":
				fence(x, s)
			case "PONG":
				sendFrame(x, s, typeHeartbeat, 0, peer.HeartbeatBody(peer.Pong, nil))
			case "Ack":
				send(x, s.Ack())
			case "Error":
				sendFrame(x, s, typeError, 0, peer.ErrorBody(uint16(code("MALFORMED")), 0, noSequence, ""))
			}
			x.Pause("T_ACK")
			judgeIgnored(x, s)
			requireClean(x, s.Conn)
		},
	}
}

// answeredThrice returns a session in which three replies have come, of which nothing is
// acknowledged yet, and their sequence numbers.
func answeredThrice(x *conformance.Exchange) (*peer.Session, []uint64) {
	s := udpSession(x)
	s.Acks = false
	var sequences []uint64
	for range 3 {
		d := sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil)
		r, _, err := s.ExpectReply(d.Mid(), 0)
		need(x, err)
		sequences = append(sequences, r.Frame.Sequence())
	}
	return s, sequences
}

func sendRanges(x *conformance.Exchange, s *peer.Session, change func(*testkit.Message), spans ...testkit.Span) {
	m, _ := testkit.Decode("ack", 0, s.AckOf(spans...))
	again := testkit.Compose("ack")
	for _, f := range m.Fields {
		again.Set(f.Name, f.Bytes)
	}
	change(again)
	sendFrame(x, s, typeAck, 0, again.Encode())
}

func legalRanges() conformance.Case {
	return conformance.Case{
		ID: controlRanges, Title: "Acks with ranges, in any order and with any delay, are accepted.",
		Proves: []string{"XTMP-ACK-030"}, Expect: accepts(),
		Params: []conformance.Param{param("Acks", "newest first", "one range", "two ranges", "repeated", "greatest delay")},
		Explain: explain("Acks overtake each other like other frames; what an old one says is still true.",
			"Three replies, and Acks of them that say it in different ways; then PINGs, before whose answers nothing may come: no reply is "+
				"sent again.",
			"an Ack below the highest is taken for a violation", "ranges are not read", "the delay is held to a bound"),
		Run: func(x *conformance.Exchange) {
			s, n := answeredThrice(x)
			one := func(i int) testkit.Span { return testkit.Span{Low: n[i], High: n[i]} }
			switch x.Param("Acks") {
			case "newest first":
				for _, i := range []int{2, 1, 0} {
					sendRanges(x, s, unchanged, one(i))
				}
			case "one range":
				send(x, s.Ack())
			case "two ranges":
				sendRanges(x, s, unchanged, testkit.Spans([]uint64{n[2], n[0]})...)
				sendRanges(x, s, unchanged, one(1))
			case "repeated":
				send(x, s.Ack())
				send(x, s.Ack())
			default:
				sendRanges(x, s, func(m *testkit.Message) { m.SetUint("ack_delay_us", 1<<32-1) }, s.Spans()...)
			}
			s.Acks = true
			// A reply below the first that is acknowledged may be taken for lost, and sent again.
			o := fenced(x, s, func(r *peer.Received) bool { return isAck(r) || r.ReplyTo() != 0 })
			if o.Kind == conformance.KindIgnored {
				o = conformance.Accepted()
			}
			x.Judge(o)
		},
	}
}

func refusedRanges() conformance.Case {
	return conformance.Case{
		ID: "XC-1537", Title: "An Ack on UDP whose form or ranges are wrong is a violation.",
		Proves: []string{"XTMP-ACK-028", "XTMP-ACK-029", "XTMP-ERR-021"}, Touches: []string{"XTMP-CON-003"}, Control: controlRanges,
		Expect: fails(conformance.ErrorFrame(code("PROTOCOL_VIOLATION"), conformance.ScopeSession), "XTMP-ACK-028", "XTMP-ACK-029"),
		Params: []conformance.Param{param("defect", "first_range below 0", "pair below 0", "gap 0", "len 0", "33 pairs", "15 bytes",
			"one byte more", "pair missing",
			"pair too many", "zero byte")},
		Explain: explain("An Ack that is read wrongly frees what was not delivered. An authenticated peer has no reason to send one.",
			"Three replies, and an Ack with one defect.",
			"numbers wrap below 0", "a len of 0 is read as 65 536", "what is left over behind the pairs is not looked at"),
		Run: func(x *conformance.Exchange) {
			s, _ := answeredThrice(x)
			sendRanges(x, s, spoilRanges(x.Param("defect")), s.Spans()[0])
			judgeViolation(x, s)
		},
	}
}

// spoilRanges gives an Ack a defect.
func spoilRanges(defect string) func(*testkit.Message) {
	pair := []byte{0, 1, 0, 1}
	return func(m *testkit.Message) {
		switch defect {
		case "first_range below 0":
			m.SetUint("first_range", m.Uint("largest")+1)
		case "pair below 0":
			m.Set("ranges", []byte{0, 1, 0xFF, 0xFF}).SetUint("range_count", 1)
		case "gap 0":
			m.SetUint("first_range", 0).Set("ranges", []byte{0, 0, 0, 1}).SetUint("range_count", 1)
		case "len 0":
			m.SetUint("first_range", 0).Set("ranges", []byte{0, 1, 0, 0}).SetUint("range_count", 1)
		case "33 pairs":
			m.SetUint("first_range", 0).Set("ranges", bytes.Repeat(pair, 33)).SetUint("range_count", 33)
		case "15 bytes":
			m.Cut("zero").Cut("ranges")
		case "one byte more":
			m.Set("ranges", []byte{0})
		case "pair missing":
			m.SetUint("range_count", 1).Set("ranges", nil)
		case "pair too many":
			m.Set("ranges", pair).SetUint("range_count", 0)
		case "zero byte":
			m.SetUint("zero", 1)
		}
	}
}

// judgeViolation waits for the Error that ends a session on UDP, and requires that it is
// over.
func judgeViolation(x *conformance.Exchange, s *peer.Session) {
	_, before, err := s.Expect(0, func(r *peer.Received) bool { return r.Error() != nil && r.ReplyTo() == 0 })
	noteAll(x, before)
	if err != nil {
		x.Judge(observe(x, err, conformance.BudgetReply))
	}
	x.Judge(observe(x, s.Last().Error(), conformance.BudgetReply))
	requireForgotten(x, s)
}

func ackOfUnsent() conformance.Case {
	return conformance.Case{
		ID: "XC-1538", Title: "An Ack of a frame that the server has not sent is a violation on UDP.",
		Proves: []string{"XTMP-ACK-027", "XTMP-ACK-004"}, Control: controlRanges,
		Expect: fails(conformance.ErrorFrame(code("PROTOCOL_VIOLATION"), conformance.ScopeSession), "XTMP-ACK-027"),
		Params: []conformance.Param{param("above", "3", "1000", "4611686018427387904")},
		Explain: explain("A peer that acknowledges the future is served faster than the network allows, at the cost of all others.",
			"Three replies, and an Ack of them and of numbers above. At most two are left out or under way, so that the third above is not sent.",
			"largest is not compared with what was sent"),
		Run: func(x *conformance.Exchange) {
			s, n := answeredThrice(x)
			high := s.Spans()[0].High + uint64(x.ParamInt("above"))
			sendRanges(x, s, unchanged, testkit.Span{Low: max(n[2], high-1000), High: high})
			judgeViolation(x, s)
		},
	}
}

// firstHole asks for frames of the server until it has left out a sequence number, and
// returns it.
func firstHole(x *conformance.Exchange, s *peer.Session) uint64 {
	if !pingUntilHoles(x, s, 1) {
		return noSequence
	}
	return s.Spans()[0].Low - 1
}

// pingUntilHoles asks for frames of the server until it has left out so many sequence
// numbers. The period doubles with each.
func pingUntilHoles(x *conformance.Exchange, s *peer.Session, holes int) bool {
	for range 2*size("skip_period")*(1<<holes-1) + 2 {
		_, err := s.Ping(x.Entropy("hole").Bytes(8))
		need(x, err)
		if len(s.Spans()) > holes {
			return true
		}
	}
	return false
}

func serverLeavesOut() conformance.Case {
	return conformance.Case{
		ID: "XC-1539", Title: "The server leaves out one sequence number after at most 512 frames, and never two at once.",
		Proves: []string{"XTMP-UDP-072", "XTMP-UDP-073", "XTMP-UDP-076"}, Needs: profileProbe,
		Explain: explain("The holes are how a peer is found that acknowledges what it has not received.",
			"PINGs until a sequence number is missing among the answers, 514 at most, and some more behind it.",
			"no number is left out", "several in a row are left out", "the numbers are not rising"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			hole := firstHole(x, s)
			x.Require(hole != noSequence, "a sequence number is left out among the first 512 and two")
			for range 10 {
				fence(x, s)
			}
			spans := s.Spans()
			for i := range len(spans) - 1 {
				x.RequireField("numbers left out in a row", 1, spans[i].Low-spans[i+1].High-1)
			}
			requireClean(x, s.Conn)
		},
	}
}

func ackOfLeftOut() conformance.Case {
	return conformance.Case{
		ID: "XC-1540", Title: "An Ack of a sequence number that the server has left out is a violation.",
		Proves: []string{"XTMP-ACK-027", "XTMP-UDP-077"}, Control: controlRanges,
		Expect: fails(conformance.ErrorFrame(code("PROTOCOL_VIOLATION"), conformance.ScopeSession), "XTMP-ACK-027", "XTMP-UDP-077"),
		Params: []conformance.Param{param("hole", "newest", "one before")},
		Explain: explain("Whoever acknowledges a hole did not wait for what he acknowledges.",
			"PINGs until one sequence number is missing among the answers, or two; some more; then an Ack of the first hole and what is around it, "+
				"and of everything else that came.",
			"the holes are not remembered", "only the last of them is"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			hole := firstHole(x, s)
			if hole == noSequence {
				x.Inconclusive("no sequence number was left out")
			}
			if x.Param("hole") == "one before" {
				pingUntilHoles(x, s, 2)
			}
			for range 3 {
				fence(x, s)
			}
			spans := s.Spans()
			first := spans[len(spans)-2]
			sendRanges(x, s, unchanged, append(spans[:len(spans)-2], testkit.Span{Low: hole, High: first.High})...)
			judgeViolation(x, s)
		},
	}
}

func ackOvertaken() conformance.Case {
	return conformance.Case{
		ID: "XC-1541", Title: "What an Ack says counts although a newer one came before it.",
		Proves: []string{"XTMP-ACK-030", "XTMP-REC-005"}, Timer: "T_SUSPECT",
		Explain: explain("If old Acks are ignored, frames that arrived are sent again for ever.",
			"Three replies; an Ack of the last alone, then one of the first two. While T_SUSPECT passes no reply may come again.",
			"an Ack whose largest does not rise is ignored, as on TCP"),
		Run: func(x *conformance.Exchange) {
			s, n := answeredThrice(x)
			sendRanges(x, s, unchanged, testkit.Span{Low: n[2], High: n[2]})
			sendRanges(x, s, unchanged, testkit.Spans([]uint64{n[1], n[0]})...)
			s.Acks = true
			fence(x, s)
			again := slices.ContainsFunc(gather(x, s, "T_SUSPECT"), func(r *peer.Received) bool { return r.ReplyTo() != 0 })
			x.Require(!again, "no reply comes again that was acknowledged")
			fence(x, s) // the server had that time
		},
	}
}

func holesDiffer() conformance.Case {
	return conformance.Case{
		ID: "XC-1542", Title: "The place at which the server leaves out a sequence number differs from session to session.",
		Proves: []string{"XTMP-UDP-074"},
		Explain: explain("A hole whose place is known is no trap.",
			"Three sessions, in each PINGs until a sequence number is missing among the answers.",
			"the place is fixed, or drawn from a seed that is the same for all"),
		Run: func(x *conformance.Exchange) {
			holes := map[uint64]bool{}
			for range 3 {
				hole := firstHole(x, udpSession(x))
				if hole == noSequence {
					x.Inconclusive("no sequence number was left out")
				}
				holes[hole] = true
			}
			x.Require(len(holes) > 1, "three sessions do not all have the same hole")
		},
	}
}

func ackBeforeWideGap() conformance.Case {
	return conformance.Case{
		ID: "XC-1543", Title: "The list of ranges ends before a gap of more than 65 535.",
		Proves: []string{"XTMP-ACK-016"}, Params: []conformance.Param{param("gap", "65535", "65536", "70000")},
		Explain: explain("A gap that does not fit its two bytes must not be written as another one: the ranges behind it would be somewhere "+
			"else.",
			"An extension frame, and another behind a gap of that many sequence numbers; the Ack of the second names the first only if the gap "+
				"fits.",
			"the gap is written modulo 65 536", "the whole Ack is left out"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			settle(x, s)
			first := sendFrame(x, s, typeExtension, flag("REQUIRES_ACK"), nil)
			awaitAck(x, s, first.Sequence)
			leap(s, x.ParamInt("gap"))
			second := sendFrame(x, s, typeExtension, flag("REQUIRES_ACK"), nil)
			r := awaitAck(x, s, second.Sequence)
			spans := r.Acked()
			want := expectedSpans(s, second.Sequence)
			if x.ParamInt("gap") > 1<<16-1 {
				want = want[:1]
			}
			x.Note("the Ack covers %v", spans)
			x.Require(slices.Equal(spans, want), "the ranges are those before the first gap that does not fit")
		},
	}
}

func ackDelay() conformance.Case {
	return conformance.Case{
		ID: "XC-1544", Title: "An Ack says how long its sender has waited with it.",
		Proves: []string{"XTMP-ACK-018"},
		Explain: explain("The delay is taken off the round trip; one that is too long makes retransmission begin too early, one that is 0 "+
			"makes it begin too late.",
			"An extension frame ten times. The delay in its Ack must never be more than the time until the Ack came, and in the best of the "+
				"ten all but half of "+
				"T_ACK of that time.",
			"the field is 0, as on TCP", "it counts milliseconds", "it counts from another frame than largest"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			best := x.AtLeast("T_ACK") * 1000
			for range 10 {
				settle(x, s)
				began := time.Now()
				r := awaitAck(x, s, sendFrame(x, s, typeExtension, flag("REQUIRES_ACK"), nil).Sequence)
				took, delay := r.At.Sub(began), time.Duration(r.Body("ack").Uint("ack_delay_us"))*time.Microsecond
				x.Note("the Ack came after %v and says %v", took, delay)
				x.Require(delay <= took, "the delay is not more than the time until the Ack came")
				best = min(best, took-delay)
			}
			x.Require(best <= x.AtLeast("T_ACK")/2, "the delay is what the Ack has waited")
		},
	}
}

func ackedOnce() conformance.Case {
	return conformance.Case{
		ID: "XC-1545", Title: "Frames that an Ack has covered get no other Ack.",
		Proves: []string{"XTMP-ACK-023", "XTMP-ACK-024"}, Control: controlUDPPing, Expect: ignores("XTMP-ACK-023", "XTMP-ACK-024"),
		Params: []conformance.Param{param("frames", "1", "2", "3", "4")},
		Explain: explain("An Ack that says nothing new takes a place on the way and wakes the other end for nothing.",
			"So many extension frames; when all are acknowledged T_ACK passes; then PINGs, before whose answers no Ack may come.",
			"the count of frames is halved and not set back", "the timer runs on although an Ack was sent", "each of two conditions sends an Ack"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			settle(x, s)
			var last *peer.Draft
			for range x.ParamInt("frames") {
				last = sendFrame(x, s, typeExtension, flag("REQUIRES_ACK"), nil)
			}
			awaitAck(x, s, last.Sequence) // it names those before as well
			for _, r := range gather(x, s, "T_ACK") {
				if isAck(r) {
					x.Judge(conformance.Accepted())
				}
			}
			judgeIgnored(x, s)
			requireClean(x, s.Conn)
		},
	}
}
