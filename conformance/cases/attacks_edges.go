package cases

import (
	"strconv"
	"strings"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// errorNamed is the body of "Error NAME SCOPE".
func errorNamed(x *conformance.Exchange, text string) []byte {
	words := strings.Fields(text)
	if len(words) != 3 || words[0] != "Error" {
		x.Inconclusive("%q is no Error", text)
	}
	scope, err := strconv.Atoi(words[2])
	if err != nil {
		x.Fatal(err)
	}
	return peer.ErrorBody(uint16(code(words[1])), uint8(scope), noSequence, "")
}

// heartbeatOverRead: CVE-2014-0160.
func heartbeatOverRead() conformance.Case {
	return conformance.Case{
		ID: "XC-0910", Title: "A PONG holds the bytes of its PING and none that were there before.",
		Proves: []string{"XTMP-HBT-004", "XTMP-HBT-005"}, Expect: accepts(),
		Params: []conformance.Param{param("before", "a long PING", "a long request", "fragments of a write")},
		Explain: explain("The bug called Heartbleed answered with what lay behind a short message in memory. Here length is that of the "+
			"frame, and what stood in the buffer before is somebody's secret.",
			"A frame full of one byte, then PINGs of 0 to 4 bytes of data; each PONG is compared to its end.",
			"the answer is built in the buffer of the frame before it", "a PONG has at least some size"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			filler := []byte(strings.Repeat("\xA5", size("heartbeat_payload_max")-1))
			for n := range 5 {
				switch x.Param("before") {
				case "a long request":
					d, err := s.Request(typeUnknown, []byte(strings.Repeat("\xA5", 4096)))
					send(x, err)
					judgeUnsupported(x, s, d.Mid())
				default:
					sendPing(x, s, filler)
					judgePong(x, s, filler)
				}
				data := x.Entropy("short").Bytes(n)
				d := s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, data))
				raw := d.Encode()
				if x.Param("before") == "fragments of a write" {
					send(x, s.WriteChunks(raw, testkit.HeaderSize))
				} else {
					send(x, s.WriteRaw(raw))
				}
				_, _, err := s.Expect(0, func(r *peer.Received) bool { return r.Is(typeHeartbeat) && r.Plaintext.Body[0] == peer.Pong })
				x.Judge(observe(x, err, conformance.BudgetReply))
				x.RequireBytes("PONG", peer.HeartbeatBody(peer.Pong, data), nil, s.Last().Plaintext.Body)
			}
		},
	}
}

func sequenceEdges() conformance.Case {
	return conformance.Case{
		ID: "XC-0911", Title: "A sequence number at the edge of its range closes the connection silently.",
		Proves: []string{"XTMP-ORD-022", "XTMP-ORD-021"}, Touches: []string{"XTMP-NON-013"}, Control: controlPing,
		Expect: closes("XTMP-ORD-022", "XTMP-ORD-021"),
		Params: []conformance.Param{param("sequence", hexes(
			16, 1<<31-1, 1<<31, 1<<32-1, 1<<32, 1<<32+1, 1<<53, 1<<62-1, 1<<62, 1<<63-1, 1<<63, 1<<64-1,
		)...)},
		Explain: explain("Numbers that are kept in a smaller type, or as a signed one, come round to the number that is due.",
			"A PING that is correct but for its sequence number, which the nonce and the AAD hold.",
			"the number is cut to 32 bits", "the comparison is signed", "a number beyond the end is taken because none was seen above it"),
		Run: func(x *conformance.Exchange) {
			number, err := strconv.ParseUint(x.Param("sequence"), 0, 64)
			if err != nil {
				x.Fatal(err)
			}
			badPing(x, session(x), func(d *peer.Draft) { d.Sequence = number })
		},
	}
}

func lengthEdges() conformance.Case {
	expect := closes("XTMP-ORD-010", "XTMP-ORD-030")
	expect.Strict = append(expect.Strict,
		conformance.Row(conformance.ErrorFrame(code("PAYLOAD_TOO_LARGE"), conformance.ScopePath), "XTMP-ORD-011", "XTMP-HSK-076"))
	expect.Forbidden = expect.Forbidden[:2]
	return conformance.Case{
		ID: "XC-0912", Title: "A payload_length at the edge of its range is refused by its 96 bytes, in every state.",
		Proves: []string{"XTMP-ORD-009", "XTMP-ORD-010", "XTMP-ORD-011", "XTMP-HSK-076"}, Touches: []string{"XTMP-LIM-001", "XTMP-LIM-002"},
		Control: controlPing, Expect: expect,
		Params: []conformance.Param{
			param("state", "first frame", "before ClientFinish", "session", "session, as Error"),
			param("payload_length", hexes(8, 1<<24-1, 1<<24, 1<<24+1, 1<<31-1, 1<<31, 1<<31+1, 1<<32-97, 1<<32-96, 1<<32-1)...),
		},
		Explain: explain("Length plus 96 runs over in 32 bits, and a length above 2^31 is negative for some; the memory that is then asked "+
			"for, or the place that is then read, is the attacker's choice.",
			"The 96 bytes of a frame that announces so many bytes, and nothing behind them.",
			"the length is added before it is compared", "it is compared as a signed number", "the payload is waited for"),
		Run: func(x *conformance.Exchange) {
			length, err := strconv.ParseUint(x.Param("payload_length"), 0, 64)
			if err != nil {
				x.Fatal(err)
			}
			judgeLength(x, x.Param("state"), length)
		},
	}
}

// judgeLength announces a length in a state and judges the refusal.
func judgeLength(x *conformance.Exchange, state string, length uint64) {
	f := testkit.NewFrame(typeHandshake, 0)
	switch state {
	case "first frame":
		c := dial(x)
		f.Header.SetUint("payload_length", length)
		send(x, c.SendFrame(f))
		judgeEdge(x, reaction(x, c, conformance.BudgetReply), true)
	case "before ClientFinish":
		c := flight(x)
		sendFinish(x, c, func(d *peer.Draft) { d.AfterSeal(func(f *testkit.Frame) { announceLength(f, length) }) })
		judgeEdge(x, reaction(x, c, conformance.BudgetClose), false)
	default:
		s := session(x)
		messageType, body := uint8(typeHeartbeat), []byte{peer.Ping}
		if state == "session, as Error" {
			messageType, body = typeError, errorNamed(x, "Error MALFORMED 0")
		}
		sendFrame(x, s, messageType, 0, body, func(d *peer.Draft) { d.AfterSeal(func(f *testkit.Frame) { announceLength(f, length) }) })
		judgeEdge(x, reaction(x, s, conformance.BudgetClose), messageType != typeError)
	}
}

// judgeEdge judges a refusal that has to be told by an Error, or must not be.
func judgeEdge(x *conformance.Exchange, o conformance.Observation, told bool) {
	x.Judge(o)
	x.Require((o.Kind == conformance.KindErrorFrame) == told, "an Error is sent where one is due, and nowhere else")
}

func boundReplies() conformance.Case {
	return conformance.Case{
		ID: "XC-0913", Title: "Many mistakes at once get one answer, and it is the first one's.",
		Proves: []string{"XTMP-ERR-027", "XTMP-ERR-029", "XTMP-ERR-030"}, Touches: []string{"XTMP-ERR-013"}, Control: controlPing,
		Expect: violates("PROTOCOL_VIOLATION", "XTMP-ERR-027"), Params: []conformance.Param{param("violations", "2", "200")},
		Explain: explain("An answer to each would let a small write fetch a large one, and would tell an attacker how far each of his tries "+
			"came.",
			"A write of many Heartbeats of 65 bytes, each of them a violation.",
			"frames of one read are all judged before the session ends", "an Error is sent for each"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			var drafts []*peer.Draft
			for range x.ParamInt("violations") {
				drafts = append(drafts, s.Draft(typeHeartbeat, 0, make([]byte, size("heartbeat_payload_max")+1)))
			}
			send(x, s.SendDrafts(drafts...))
			judgeError(x, s)
		},
	}
}
