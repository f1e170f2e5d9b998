package cases

import (
	"slices"
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// heartbeat returns the cases of sections 9.1 and 9.2: Heartbeat and liveness.
func heartbeat() []conformance.Case {
	return []conformance.Case{
		pongRepeatsBytes(), lastPingAnswered(), challengeAnswered(), heartbeatOfWrongSize(), rekeyRequestFromClient(),
		unknownHeartbeat(),
		silentSessionLives(), noPingWithoutCause(), noPingWhileHeard(), pingsApart(),
	}
}

func pongRepeatsBytes() conformance.Case {
	return conformance.Case{
		ID: "XC-0460", Title: "A PING of any size is answered by a PONG with the same bytes.",
		Proves: []string{"XTMP-HBT-001", "XTMP-HBT-004", "XTMP-HBT-005"}, Expect: accepts(),
		Params: []conformance.Param{param("data", "0", "1", "8", "32", "63")},
		Explain: explain("The bytes tell the sender which of its PINGs was answered; a PONG that changes or drops them proves nothing.",
			"One PING with 0 to 63 random bytes behind the kind.",
			"the answer has a fixed size", "an empty PING is taken for malformed",
			"63 bytes of data and the kind are taken for one byte too many"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			data := x.Entropy("data").Bytes(x.ParamInt("data"))
			sendPing(x, s, data)
			judgePong(x, s, data)
			requireClean(x, s.Conn)
		},
	}
}

func lastPingAnswered() conformance.Case {
	return conformance.Case{
		ID: "XC-0461", Title: "Of many PINGs in one write the last is answered.",
		Proves: []string{"XTMP-HBT-004"}, Touches: []string{"XTMP-HBT-012", "XTMP-HBT-013"}, Expect: accepts(),
		Explain: explain("A server may answer only the newest of several PINGs, so that they cost it nothing; it must not lose the newest.",
			"Fifty PINGs with different bytes in one write. Answers to the others may come or not, but in order.",
			"the oldest pending PING is kept and the newer ones are dropped", "PINGs are limited by number and time"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			var drafts []*peer.Draft
			for i := range byte(50) {
				drafts = append(drafts, s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, []byte{i})))
			}
			send(x, s.SendDrafts(drafts...))
			_, before, err := s.Expect(0, isHeartbeat(peer.Pong, []byte{49}))
			need(x, err)
			last, inOrder := -1, true
			for _, r := range before {
				if !r.Is(typeHeartbeat) || anytime(r) {
					continue
				}
				body := r.Plaintext.Body
				inOrder = inOrder && len(body) == 2 && body[0] == peer.Pong && int(body[1]) > last
				last = int(body[len(body)-1])
			}
			x.Require(inOrder, "answers are PONGs, in order and at most one for each PING")
		},
	}
}

func challengeAnswered() conformance.Case {
	return conformance.Case{
		ID: "XC-0462", Title: "A PATH_CHALLENGE is answered by a PATH_RESPONSE with the same bytes.",
		Proves: []string{"XTMP-HBT-005", "XTMP-HBT-006"}, Expect: accepts(),
		Params: []conformance.Param{param("data", "0", "8", "63")},
		Explain: explain("A peer that keeps several paths tests each by a challenge, this one too; without an answer it gives the path up.",
			"One PATH_CHALLENGE with 0 to 63 random bytes behind the kind.",
			"the kinds of UDP are unknown on TCP", "the challenge is answered by a PONG"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			data := x.Entropy("data").Bytes(x.ParamInt("data"))
			sendFrame(x, s, typeHeartbeat, 0, peer.HeartbeatBody(peer.PathChallenge, data))
			_, _, err := s.Expect(0, isHeartbeat(peer.PathResponse, data))
			x.Judge(observe(x, err, conformance.BudgetReply))
		},
	}
}

func heartbeatOfWrongSize() conformance.Case {
	return conformance.Case{
		ID: "XC-0463", Title: "A Heartbeat of 0 or of more than 64 bytes is a violation.",
		Proves: []string{"XTMP-HBT-003", "XTMP-ERR-021"}, Touches: []string{"XTMP-ERR-027"}, Control: "XC-0460",
		Expect: violates("PROTOCOL_VIOLATION", "XTMP-HBT-003"),
		Params: []conformance.Param{param("kind", "PING", "PONG", "unknown"), param("bytes", "0", "65", "66", "1024")},
		Explain: explain("Answers are as large as questions; the bound keeps a peer from making the other send what it likes.",
			"A Heartbeat whose body is empty, or has 65 bytes or more.",
			"the size is judged for PING only", "the limit is taken for that of the data, without the kind",
			"the kind is read from an empty body"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			kind := map[string]uint8{"PING": peer.Ping, "PONG": peer.Pong, "unknown": 0x7F}[x.Param("kind")]
			sendFrame(x, s, typeHeartbeat, 0, ofSize([]byte{kind}, x.Param("bytes")))
			judgeError(x, s)
		},
	}
}

func rekeyRequestFromClient() conformance.Case {
	return conformance.Case{
		ID: "XC-0464", Title: "A REKEY_REQUEST from a client is a violation.",
		Proves: []string{"XTMP-HBT-010"}, Touches: []string{"XTMP-ERR-027"}, Control: "XC-0460",
		Expect: violates("PROTOCOL_VIOLATION", "XTMP-HBT-010"),
		Params: []conformance.Param{param("data", "0", "63")},
		Explain: explain("The client starts a rekey itself and the server asks for one; a client that asks has mistaken its role.",
			"A Heartbeat of kind 4.",
			"a server without rekey treats kind 4 as unknown and ignores it"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			sendFrame(x, s, typeHeartbeat, 0, peer.HeartbeatBody(peer.RekeyRequest, make([]byte, x.ParamInt("data"))))
			judgeError(x, s)
		},
	}
}

func unknownHeartbeat() conformance.Case {
	return conformance.Case{
		ID: "XC-0465", Title: "An answer that was not asked for and a Heartbeat of an unknown kind are ignored.",
		Proves: []string{"XTMP-HBT-007", "XTMP-HBT-008", "XTMP-HBT-009"}, Control: "XC-0460",
		Expect: ignores("XTMP-HBT-007", "XTMP-HBT-008", "XTMP-HBT-009"),
		Params: []conformance.Param{param("kind", "1", "3", "5", "127", "128", "255"), param("data", "0", "63")},
		Explain: explain("Answers cross, and later versions have other kinds; neither may end a session, and an answer to an answer never "+
			"ends.",
			"A PONG, a PATH_RESPONSE or a Heartbeat of a kind without meaning, then a PING.",
			"the list of kinds is closed", "every kind that is even is answered"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			sendFrame(x, s, typeHeartbeat, 0, peer.HeartbeatBody(uint8(x.ParamInt("kind")), make([]byte, x.ParamInt("data"))))
			judgeIgnored(x, s)
		},
	}
}

func silentSessionLives() conformance.Case {
	return conformance.Case{
		ID: "XC-0467", Title: "An established session outlives the time for handshakes in silence.",
		Proves: []string{"XTMP-HBT-017"}, Expect: accepts(), Timer: "T_HANDSHAKE_TCP",
		Explain: explain("A session may be silent up to its idle timeout; one that is closed earlier fails for clients that have nothing to "+
			"say.",
			"A handshake, nothing for longer than T_HANDSHAKE_TCP, then a PING.",
			"the timer of the handshake is not stopped when ClientFinish has verified", "a read timeout of the transport is left in place"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			x.Pause("T_HANDSHAKE_TCP")
			ping(x, s)
		},
	}
}

func noPingWithoutCause() conformance.Case {
	return conformance.Case{
		ID: "XC-0468", Title: "The server sends no PING on a path that owes it nothing.",
		Proves: []string{"XTMP-HBT-023"}, Expect: accepts(), Timer: "T_SUSPECT",
		Explain: explain("Servers hold many sessions; one that pings each of them after seconds wakes every client for nothing.",
			"A handshake with its Ack, a request with its reply and the Ack of it, then nothing for longer than T_SUSPECT, then a PING of ours. "+
				"No PING of the server may come before its answer.",
			"the server keeps a heartbeat period of its own", "suspicion is judged without looking for unacknowledged messages"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			awaitFirst(x, s, sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil))
			send(x, s.Ack())
			x.Pause("T_SUSPECT")
			x.Require(!slices.ContainsFunc(fence(x, s), isPing), "no PING comes from the server")
		},
	}
}

func isPing(r *peer.Received) bool {
	return r.Is(typeHeartbeat) && len(r.Plaintext.Body) > 0 && r.Plaintext.Body[0] == peer.Ping
}

func noPingWhileHeard() conformance.Case {
	return conformance.Case{
		ID: "XC-0469", Title: "The server sends no PING while frames of any type come.",
		Proves: []string{"XTMP-HBT-023"}, Touches: []string{"XTMP-HBT-015"}, Expect: accepts(), Timer: "T_SUSPECT",
		Params: []conformance.Param{param("frame", "PONG", "unknown-kind", "extension", "push", "Error", "repeated")},
		Explain: explain("Hearing is cheap, therefore any frame proves life. A server that counts some types only takes a busy path for a "+
			"dead one.",
			"HandshakeDone is left without an Ack, and every second or so a frame of one type comes that the server ignores. The path is never "+
				"silent for T_SUSPECT, so no PING may come.",
			"only requests or answers to PINGs are counted", "the silence is counted from the last frame that was acknowledged"),
		Run: func(x *conformance.Exchange) {
			s := sessionBy(x, peer.Script{NoAck: true, NoPong: true})
			for range 3 {
				heard := time.Now()
				sendAlive(x, s, x.Param("frame"))
				x.Pause("T_PROBE_ANSWER") // a second: less than T_SUSPECT, and three of them more
				if time.Since(heard) >= x.AtLeast("T_SUSPECT") {
					x.Inconclusive("the judge itself was silent for T_SUSPECT")
				}
			}
			x.Require(!slices.ContainsFunc(fence(x, s), isPing), "no PING comes from the server")
		},
	}
}

// sendAlive sends a frame that has no effect but to be heard.
func sendAlive(x *conformance.Exchange, s *peer.Session, frame string) {
	switch frame {
	case "PONG":
		sendFrame(x, s, typeHeartbeat, 0, []byte{peer.Pong})
	case "unknown-kind":
		sendFrame(x, s, typeHeartbeat, 0, []byte{200})
	case "extension":
		sendFrame(x, s, typeExtension, 0, nil)
	case "push":
		sendFrame(x, s, typeUnknown, flag("STREAMING"), nil)
	case "Error":
		sendFrame(x, s, typeError, 0, peer.ErrorBody(uint16(code("MALFORMED")), 0, noSequence, ""))
	case "repeated":
		sendFrame(x, s, typeExtension, flag("REQUIRES_ACK"), nil, withMid(1))
	}
}

func pingsApart() conformance.Case {
	return conformance.Case{
		ID: "XC-0470", Title: "PINGs on a suspect path come no sooner than T_SUSPECT and at least T_PATHLESS_PROBE apart.",
		Proves: []string{"XTMP-HBT-023", "XTMP-HBT-025"}, Expect: accepts(), Timer: "T_PATHLESS_PROBE",
		Explain: explain("A peer that does not answer is not helped by more questions; the server only fills a connection that may be slow.",
			"HandshakeDone is left without an Ack, and nothing is sent at all, PONGs neither, for T_SUSPECT and twice T_PATHLESS_PROBE less a "+
				"little; the stamps of the PINGs that come are compared. A server may send none.",
			"the interval is halved or not kept between two PINGs", "the first PING comes with the first tick of a timer"),
		Run: func(x *conformance.Exchange) {
			var sent time.Time // before the server can have sent anything that we owe an Ack
			now := func(*peer.Session) []*peer.Draft { sent = time.Now(); return nil }
			s := sessionBy(x, peer.Script{NoAck: true, NoPong: true, WithFinish: now})
			frames, err := s.Drain(x.Within("T_SUSPECT") + x.Within("T_PATHLESS_PROBE") + x.Within("T_PROBE_ANSWER"))
			if o := observe(x, err, "T_PATHLESS_PROBE"); o.Kind != conformance.KindSilence {
				x.Judge(o)
			}
			least := x.AtLeast("T_PATHLESS_PROBE") - x.AtLeast("T_STAMP_AGE") // a stamp may be that old [XTMP-TIM-003]
			var last uint64
			for _, r := range frames {
				if !isPing(r) {
					continue
				}
				stamp := r.Frame.Header.Uint("timestamp")
				x.Require(last != 0 || r.At.Sub(sent) >= x.AtLeast("T_SUSPECT"), "the first PING comes after T_SUSPECT")
				x.Require(last == 0 || time.Duration(stamp-last)*time.Microsecond >= least, "PINGs are T_PATHLESS_PROBE apart")
				last = stamp
			}
			x.Require(true, "no two PINGs come too soon after one another")
		},
	}
}
