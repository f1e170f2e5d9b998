package cases

import (
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// limits returns the cases of chapter 10.
func limits() []conformance.Case {
	return []conformance.Case{
		helloAtLimit(), helloTooLong(), finishTooLong(), frameAtLimit(), frameTooLong(),
		halfOpenPerSource(), connectionsPerClient(),
	}
}

func helloAtLimit() conformance.Case {
	return conformance.Case{
		ID: "XC-0530", Title: "A ClientHello with the longest payload before a session is accepted.",
		Proves: []string{"XTMP-LIM-001"}, Touches: []string{"XTMP-HDR-008"}, Expect: accepts(),
		Explain: explain("Later clients fill ClientHello with extensions; a server with a smaller limit locks them out.",
			"A correct ClientHello whose one TLV entry makes the payload 8208 bytes long.",
			"the limit is compared with the whole frame", "the limit of 8192 is applied to the payload", "long TLV entries are refused"),
		Run: func(x *conformance.Exchange) {
			_, err := dial(x).Handshake(peer.Script{Lenient: true, Hello: func(h *peer.Hello) {
				rest := size("handshake_message") - len(h.Body.Encode())
				h.Body.Set("extensions", testkit.TLVBlock(testkit.TLV{Type: 0xFABC, Value: make([]byte, rest)}))
			}})
			x.Judge(observe(x, err, conformance.BudgetReply))
		},
	}
}

func helloTooLong() conformance.Case {
	return conformance.Case{
		ID: "XC-0531", Title: "A first frame whose payload is one byte too long is refused.",
		Proves: []string{"XTMP-LIM-001"}, Touches: []string{"XTMP-HSK-076", "XTMP-HDR-009"}, Control: "XC-0530",
		Expect: refuses("PAYLOAD_TOO_LARGE", "XTMP-LIM-001", "XTMP-HSK-076"),
		Params: []conformance.Param{param("payload_length", "8209", "65600", "16777217", "4294967295")},
		Explain: explain("Nobody is known yet; what a stranger can make the server hold has to be small, and judged before it is read.",
			"The first 96 bytes of a ClientHello that announces that many bytes of payload, and nothing behind them.",
			"the limit of the session is used before there is one", "the length is judged when the payload has come",
			"the length is read as a signed number"),
		Run: func(x *conformance.Exchange) {
			c := dial(x)
			hello := c.HelloDefaults()
			hello.AfterSeal(announce(x.ParamInt("payload_length")))
			send(x, c.WriteRaw(hello.Encode()[:testkit.HeaderSize]))
			judgeError(x, c)
		},
	}
}

func finishTooLong() conformance.Case {
	return conformance.Case{
		ID: "XC-0532", Title: "A frame that is too long in place of ClientFinish makes the server close silently.",
		Proves: []string{"XTMP-LIM-001"}, Touches: []string{"XTMP-ORD-010"}, Control: controlHandshake, Expect: closes("XTMP-LIM-001"),
		Params: []conformance.Param{param("payload_length", "8209", "65600")},
		Explain: explain("Until ClientFinish has verified the client is a stranger, whatever keys are in place; the limit rises with the "+
			"session and not before.",
			"The first 96 bytes of a ClientFinish that announces that many bytes of payload, and nothing behind them.",
			"the limit rises with ServerHello", "the refusal is told although nobody is authenticated"),
		Run: func(x *conformance.Exchange) {
			c := flight(x)
			finish := c.FinishDraft()
			finish.AfterSeal(announce(x.ParamInt("payload_length")))
			send(x, c.WriteRaw(finish.Encode()[:testkit.HeaderSize]))
			judgeClosed(x, c)
		},
	}
}

func frameAtLimit() conformance.Case {
	return conformance.Case{
		ID: "XC-0533", Title: "A frame with the longest payload is accepted as soon as the session is established.",
		Proves: []string{"XTMP-LIM-002"}, Touches: []string{"XTMP-HDR-008"}, Expect: accepts(),
		Params: []conformance.Param{param("type", hexes(2, typeUnknown, typeExtension)...), param("when", "with ClientFinish", "later")},
		Explain: explain("A message of 65 536 bytes fits into one frame; a client that sends one in the write of its ClientFinish does what "+
			"it may.",
			"A reliable frame with a payload of 65 600 bytes, in a write of its own or in that of ClientFinish.",
			"the limit of the state is fixed when the bytes come and not when the frame is judged", "the limit is that of the body"),
		Run: func(x *conformance.Exchange) {
			var d *peer.Draft
			long := func(s *peer.Session) []*peer.Draft {
				d = s.Draft(uint8(x.ParamInt("type")), flag("REQUIRES_ACK"), make([]byte, size("frame_payload_before_wallet")-8))
				return []*peer.Draft{d}
			}
			var s *peer.Session
			if x.Param("when") == "later" {
				s = session(x)
				send(x, s.SendDrafts(long(s)...))
			} else {
				s = sessionBy(x, peer.Script{WithFinish: long})
			}
			_, _, err := s.Expect(0, func(r *peer.Received) bool {
				return r.Plaintext != nil && r.ReplyTo() == d.Mid() || isAck(r) && r.Body("ack").Uint("largest") >= d.Sequence
			})
			x.Judge(observe(x, err, conformance.BudgetReply))
		},
	}
}

func frameTooLong() conformance.Case {
	return conformance.Case{
		ID: "XC-0534", Title: "A frame in a session whose payload is one byte too long is refused.",
		Proves: []string{"XTMP-LIM-002"}, Touches: []string{"XTMP-ORD-011", "XTMP-HDR-009"}, Control: "XC-0533",
		Expect: fails(conformance.ErrorFrame(code("PAYLOAD_TOO_LARGE"), conformance.ScopePath), "XTMP-LIM-002", "XTMP-ORD-011"),
		Params: []conformance.Param{
			param("type", hexes(2, typeHeartbeat, typeUnknown, typeExtension)...),
			param("payload_length", "65601", "262208", "16777217", "4294967295"),
		},
		Explain: explain("A session without a wallet is a stranger with a key; the limit of 65 600 bytes bounds what it can make the server "+
			"hold.",
			"The first 96 bytes of a sealed frame that announces that many bytes of payload, and nothing behind them.",
			"the limit toward the client is used in both directions", "max_payload is taken for the limit before there is a wallet",
			"the server waits for the payload"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			d := s.Draft(uint8(x.ParamInt("type")), 0, nil)
			d.AfterSeal(announce(x.ParamInt("payload_length")))
			send(x, s.WriteRaw(d.Encode()[:testkit.HeaderSize]))
			judgeError(x, s)
		},
	}
}

// sourceIsBusy is the table of a source that has used up a limit.
func sourceIsBusy(because ...string) conformance.Expect {
	expect := fails(conformance.ErrorFrame(code("SERVER_BUSY"), conformance.ScopePath), because...)
	expect.Forbidden[0] = conformance.Row(conformance.Accepted(), "the limit is not kept; this case asks a server with the defaults of 10.3")
	return expect
}

func halfOpenPerSource() conformance.Case {
	return conformance.Case{
		ID: "XC-0535", Title: "A source with eight half-open handshakes is refused another, until one of them ends.",
		Proves:  []string{"XTMP-LIM-005", "XTMP-LIM-009", "XTMP-LIM-010"},
		Touches: []string{"XTMP-HSK-077"}, Control: controlHandshake, Disruptive: true, // it uses up a limit
		Expect: sourceIsBusy("XTMP-LIM-005"),
		Params: []conformance.Param{param("end", "close", "reset", "established")},
		Explain: explain("Handshakes cost the server a signature each; one host must not be able to use up what all need, and must get its "+
			"place back when it is done.",
			"As many connections from one address as the table allows, each with a ClientHello; then one more handshake from there, which has "+
				"to be refused, and one from another address, which has not. Then one of the first ends, and the address is served again.",
			"the loopback network is exempt", "a connection is counted once more instead of less when it ends",
			"the limit is one for all sources"),
		Run: func(x *conformance.Exchange) {
			var conns []*conformance.Conn
			var opened []*peer.Conn
			for range size("half_open_per_source") {
				nc := x.Dial()
				conns, opened = append(conns, nc), append(opened, halfOpen(x, nc))
			}
			x.Judge(handshakeAs(x, 0))
			requireOthersServed(x)
			switch x.Param("end") {
			case "close":
				send(x, conns[0].Close())
			case "reset":
				send(x, conns[0].Reset())
			case "established":
				send(x, opened[0].SendDraft(opened[0].FinishDraft()))
			}
			requireServedAgain(x)
		},
	}
}

// halfOpen takes a handshake as far as ServerFlight.
func halfOpen(x *conformance.Exchange, nc *conformance.Conn) *peer.Conn {
	c := dialOn(x, nc)
	send(x, c.SendHello(c.HelloDefaults()))
	_, err := c.ReadServerHello()
	if err == nil {
		_, err = c.ReadFlight(nil)
	}
	if err != nil {
		unprepared(x, "a half-open handshake", err)
	}
	return c
}

// handshakeAs says what a person's handshake comes to. A connection that was
// refused counts until it is closed, so it is closed at once.
func handshakeAs(x *conformance.Exchange, person int) conformance.Observation {
	nc, err := x.DialAs(person)
	if err != nil {
		x.Inconclusive("no connection to the peer")
	}
	_, err = dialOn(x, nc).Handshake(peer.Script{Lenient: true})
	if err != nil {
		send(x, nc.Close())
	}
	return x.Observe(err, conformance.BudgetReply)
}

// requireOthersServed requires that another host is served, where the judge can
// be another host.
func requireOthersServed(x *conformance.Exchange) {
	if x.Endpoint().Loopback() {
		x.Require(handshakeAs(x, 1).Kind == conformance.KindAccepted, "another source is served")
	}
}

// requireServedAgain tries until the server has noticed that a connection ended.
func requireServedAgain(x *conformance.Exchange) {
	until := time.Now().Add(x.Within(conformance.BudgetClose))
	served := false
	for !served && time.Now().Before(until) {
		served = handshakeAs(x, 0).Kind == conformance.KindAccepted
		if !served {
			x.Pause("T_ACK")
		}
	}
	x.Require(served, "the source is served again once a connection of it has ended")
}

func connectionsPerClient() conformance.Case {
	return conformance.Case{
		ID: "XC-0536", Title: "A source with ten sessions is refused another, until one of them ends.",
		Proves:  []string{"XTMP-LIM-007", "XTMP-LIM-009", "XTMP-LIM-010"},
		Touches: []string{"XTMP-HSK-077"}, Control: controlHandshake, Disruptive: true, // it uses up a limit
		Expect: sourceIsBusy("XTMP-LIM-007"),
		Params: []conformance.Param{param("end", "close", "reset", "Disconnect", "violation", "bad-frame")},
		Explain: explain("Sessions without a wallet have no owner to bill; the source stands for one. Whatever ends a session has to give "+
			"its place back, or hosts lock themselves out.",
			"As many sessions from one address as the table allows; then one more handshake from there, which has to be refused, and one from "+
				"another address, which has not. Then one session ends, and the address is served again.",
			"the loopback network is exempt", "a place is given back only after a Disconnect",
			"a place is given back when the session ends and the connection does not"),
		Run: func(x *conformance.Exchange) {
			var conns []*conformance.Conn
			var sessions []*peer.Session
			for range size("connections_per_client") {
				nc := x.Dial()
				s, err := dialOn(x, nc).Handshake(peer.Script{Lenient: true})
				if err != nil {
					unprepared(x, "a session", err)
				}
				conns, sessions = append(conns, nc), append(sessions, s)
			}
			x.Judge(handshakeAs(x, 0))
			requireOthersServed(x)
			switch s := sessions[0]; x.Param("end") {
			case "close":
				send(x, conns[0].Close())
			case "reset":
				send(x, conns[0].Reset())
			case "Disconnect":
				send(x, s.Disconnect(0))
			case "violation":
				sendFrame(x, s, typeHeartbeat, 0, nil)
			case "bad-frame":
				send(x, s.WriteRaw(make([]byte, testkit.HeaderSize)))
			}
			requireServedAgain(x)
		},
	}
}
