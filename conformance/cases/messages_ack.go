package cases

import (
	"math"
	"strconv"
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// messagesAck returns the cases of sections 8.4 and 8.5: what an Ack says, which
// Acks are refused, and when one is sent.
func messagesAck() []conformance.Case {
	return []conformance.Case{
		ackInTime(), ackNamesLastFrame(), ackAfterManyFrames(), noAckWithoutOpenFrame(), acksAreNotAnswered(),
		legalAck(), staleAck(), ackOfTheFuture(), ackWithRanges(), ackOfWrongSize(),
	}
}

func ackInTime() conformance.Case {
	return conformance.Case{
		ID: "XC-0420", Title: "A reliable frame that gets no reply is acknowledged within T_ACK.",
		Proves: []string{"XTMP-ACK-010"}, Touches: []string{"XTMP-TYP-010"}, Expect: accepts(),
		Params: []conformance.Param{param("frame", "extension", "repeated")},
		Explain: explain("Senders keep what is not acknowledged; a peer that acknowledges late doubles what both have to hold.",
			"A reliable frame of an extension type, or a second one with a mid that is complete; the time until an Ack that covers it is taken, "+
				"the best of five.",
			"the timer for Acks starts with the newest open frame and not with the oldest",
			"Acks are only sent along with something else", "the timer is coarser than T_ACK"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			var edits []func(*peer.Draft)
			if x.Param("frame") == "repeated" {
				awaitFirst(x, s, sendFrame(x, s, typeExtension, flag("REQUIRES_ACK"), nil))
				edits = append(edits, withMid(1))
			}
			requireAcksInTime(x, func() {
				d := sendFrame(x, s, typeExtension, flag("REQUIRES_ACK"), nil, edits...)
				_, _, err := s.ExpectAck(d.Sequence, 0)
				need(x, err)
			})
		},
	}
}

// requireAcksInTime requires that one of five frames is acknowledged within T_ACK. The
// peer shares this machine with its judge: one that is late each time is late by itself.
func requireAcksInTime(x *conformance.Exchange, acknowledged func()) {
	best := x.Within(conformance.BudgetReply)
	for try := 0; try < 5 && best > x.AtLeast("T_ACK"); try++ {
		sent := time.Now()
		acknowledged()
		best = min(best, time.Since(sent))
	}
	x.RequireAtMost("T_ACK", best)
}

func ackNamesLastFrame() conformance.Case {
	return conformance.Case{
		ID: "XC-0421", Title: "An Ack names the last frame received, of whatever type, and nothing else.",
		Proves: []string{"XTMP-ACK-001", "XTMP-ACK-002"}, Expect: accepts(),
		Params: []conformance.Param{param("before", "0", "5")},
		Explain: explain("On TCP one number says it all. An Ack below the last frame delays the sender; one above it is a violation; ranges "+
			"do not exist on TCP.",
			"Some PINGs, then one reliable frame of an extension type and nothing behind it; its Ack has to hold the sequence number of that "+
				"frame and three zeros.",
			"largest counts reliable frames only", "largest is a mid", "the delay is filled in as on UDP"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			for range x.ParamInt("before") {
				fence(x, s)
			}
			d := sendFrame(x, s, typeExtension, flag("REQUIRES_ACK"), nil)
			r, _, err := s.Expect(0, isAck)
			need(x, err)
			ack := r.Body("ack")
			x.RequireField("largest", d.Sequence, ack.Uint("largest"))
			for _, field := range []string{"ack_delay_us", "first_range", "range_count"} {
				x.RequireField(field, 0, ack.Uint(field))
			}
			requireClean(x, s.Conn)
		},
	}
}

func ackAfterManyFrames() conformance.Case {
	return conformance.Case{
		ID: "XC-0422", Title: "At the end of a read batch fewer than 32 frames are left without an Ack.",
		Proves: []string{"XTMP-ACK-011"}, Expect: accepts(),
		Explain: explain("A fast sender fills its window in less than T_ACK; without an Ack by count it stands still until the timer.",
			"64 reliable frames of extension types and a PING in one write, and a second PING once the first is answered. Before the second "+
				"answer an Ack has to cover all but 31 of the frames, however the bytes were split into reads.",
			"Acks are sent by the timer alone", "open frames are counted anew in each read"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			const frames = 64
			var drafts []*peer.Draft
			for range frames {
				drafts = append(drafts, s.Draft(typeExtension, flag("REQUIRES_ACK"), nil))
			}
			owed := drafts[frames-size("ack_after_frames")].Sequence // with this one covered, 31 are open
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

func noAckWithoutOpenFrame() conformance.Case {
	return conformance.Case{
		ID: "XC-0423", Title: "No Ack is sent while no frame is open.",
		Proves: []string{"XTMP-ACK-012"}, Control: controlPing, Expect: ignores("XTMP-ACK-012"),
		Params: []conformance.Param{param("frame", "PING", "PONG", "extension", "push", "Error")},
		Explain: explain("Acks that nobody needs double the traffic, and an Ack of an Ack never ends.",
			"A frame without REQUIRES_ACK; then T_ACK passes; then a PING. Before its answer no Ack may come.",
			"every frame starts the timer for Acks", "REQUIRES_ACK is not looked at for unknown types"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			switch x.Param("frame") {
			case "PING":
				fence(x, s)
			case "PONG":
				sendFrame(x, s, typeHeartbeat, 0, peer.HeartbeatBody(peer.Pong, nil))
			case "extension":
				sendFrame(x, s, typeExtension, 0, nil)
			case "push":
				sendFrame(x, s, typeUnknown, flag("STREAMING"), nil)
			case "Error":
				sendFrame(x, s, typeError, 0, peer.ErrorBody(uint16(code("MALFORMED")), 0, noSequence, ""))
			}
			x.Pause("T_ACK")
			judgeIgnored(x, s)
			requireClean(x, s.Conn)
		},
	}
}

func acksAreNotAnswered() conformance.Case {
	return conformance.Case{
		ID: "XC-0424", Title: "An Ack is not answered.",
		Proves: []string{"XTMP-ACK-009"}, Control: controlPing, Expect: ignores("XTMP-ACK-009"),
		Explain: explain("Two peers that answer Acks never fall silent.",
			"An Ack of every frame of the server; then T_ACK passes; then a PING. Before its answer nothing may come.",
			"an Ack counts as a frame that has to be acknowledged"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			send(x, s.Ack())
			x.Pause("T_ACK")
			judgeIgnored(x, s)
		},
	}
}

func legalAck() conformance.Case {
	return conformance.Case{
		ID: "XC-0425", Title: "An Ack of the last frame that the server sent is accepted.",
		Proves: []string{"XTMP-ACK-004"}, Expect: accepts(),
		Explain: explain("An Ack up to the last frame is the ordinary case; a server that is wrong about its own last number ends sound "+
			"sessions.",
			"A request; once its reply is there, an Ack with the sequence number of the reply, then a PING.",
			"the last sequence number sent is compared with one that is too small by one"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			awaitFirst(x, s, sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil))
			send(x, s.Ack())
			ping(x, s)
		},
	}
}

func staleAck() conformance.Case {
	return conformance.Case{
		ID: "XC-0426", Title: "An Ack that says nothing new is ignored, and so is the delay in any Ack.",
		Proves: []string{"XTMP-ACK-007", "XTMP-ACK-008"}, Control: "XC-0425", Expect: ignores("XTMP-ACK-007", "XTMP-ACK-008"),
		Explain: explain("A sender that acknowledges twice, or fills in the delay as on UDP, does no harm; a session that ends for it is "+
			"lost for nothing.",
			"Three replies; an Ack of the last of them, the same Ack again, Acks of the first and of the second, and one with the greatest "+
				"delay; then a PING.",
			"largest has to rise with every Ack", "an Ack of what is acknowledged already finds no entry and is taken for a violation",
			"the delay has to be 0"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			for range 3 {
				awaitFirst(x, s, sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil))
			}
			last, _ := s.Received()
			for _, largest := range []uint64{last, last, 0, last - 1} {
				sendFrame(x, s, typeAck, 0, peer.AckBody(largest))
			}
			sendAck(x, s, func(m *testkit.Message) { m.SetUint("ack_delay_us", math.MaxUint32) })
			judgeIgnored(x, s)
		},
	}
}

// sendAck sends an Ack of the last frame of the server, with changes in its body.
func sendAck(x *conformance.Exchange, s *peer.Session, change func(*testkit.Message), trailing ...byte) {
	largest, _ := s.Received()
	m := testkit.Compose("ack").SetUint("largest", largest)
	change(m)
	sendFrame(x, s, typeAck, 0, append(m.Encode(), trailing...))
}

func ackOfTheFuture() conformance.Case {
	return conformance.Case{
		ID: "XC-0427", Title: "An Ack of a frame that the server has not sent is a violation.",
		Proves: []string{"XTMP-ACK-004"}, Touches: []string{"XTMP-ERR-027"}, Control: "XC-0425",
		Expect: violates("PROTOCOL_VIOLATION", "XTMP-ACK-004"),
		Params: []conformance.Param{param("above", "1", "2", "4611686018427387904", "max")},
		Explain: explain("A peer that acknowledges the future empties the sender's window before anything was delivered.",
			"An Ack whose largest is above the last sequence number of the server.",
			"everything up to largest is dropped without a look at what was sent", "the comparison is signed"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			fence(x, s) // so that nothing is under way that we have not seen
			sendAck(x, s, func(m *testkit.Message) {
				largest := uint64(math.MaxUint64)
				if x.Param("above") != "max" {
					largest = m.Uint("largest") + uint64(x.ParamInt("above"))
				}
				m.SetUint("largest", largest)
			})
			judgeError(x, s)
		},
	}
}

func ackWithRanges() conformance.Case {
	return conformance.Case{
		ID: "XC-0428", Title: "An Ack with ranges, or with a zero byte that is not zero, is a violation.",
		Proves: []string{"XTMP-ACK-005", "XTMP-ERR-021"}, Touches: []string{"XTMP-CON-003"}, Control: "XC-0425",
		Expect: violates("PROTOCOL_VIOLATION", "XTMP-ACK-005", "XTMP-CON-003"),
		Params: []conformance.Param{param("field", "first_range", "range_count", "zero")},
		Explain: explain("On TCP every frame up to largest has arrived; ranges can only contradict that.",
			"An Ack of 16 bytes in which one of the fields that are 0 on TCP is 1.",
			"the code for UDP is shared and knows no transport", "bytes that are not used are not looked at"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			sendAck(x, s, func(m *testkit.Message) { m.SetUint(x.Param("field"), 1) })
			judgeError(x, s)
		},
	}
}

func ackOfWrongSize() conformance.Case {
	return conformance.Case{
		ID: "XC-0429", Title: "An Ack of another size than 16 bytes is a violation.",
		Proves: []string{"XTMP-ACK-006", "XTMP-ERR-021"}, Touches: []string{"XTMP-CON-004"}, Control: "XC-0425",
		Expect: violates("PROTOCOL_VIOLATION", "XTMP-ACK-006"),
		Params: []conformance.Param{param("bytes", "0", "8", "15", "17", "20")},
		Explain: explain("A body that is longer than its layout is where two implementations begin to disagree.",
			"An Ack whose body was cut, or has zeros behind it.",
			"only a minimum of bytes is required", "a missing field is read as 0"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			sendFrame(x, s, typeAck, 0, ofSize(peer.AckBody(0), x.Param("bytes")))
			judgeError(x, s)
		},
	}
}

// ofSize cuts a body, or adds zeros to it, so that it has that many bytes.
func ofSize(body []byte, bytes string) []byte {
	n, err := strconv.Atoi(bytes)
	if err != nil {
		panic("cases: " + bytes + " is no size")
	}
	return append(body, make([]byte, max(0, n-len(body)))...)[:n]
}
