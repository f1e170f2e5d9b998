package cases

import (
	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

func unknownSuites() conformance.Case {
	return conformance.Case{
		ID: "XC-0070", Title: "Suites that a server does not know or has not enabled are ignored.",
		Proves: []string{"XTMP-SUI-003"}, Touches: []string{"XTMP-HSK-009"}, Expect: accepts(),
		Params: []conformance.Param{param("suites", "first", "last", "around")},
		Explain: explain("A client of a later version offers suites that nobody knows today; refusing them would end every upgrade.",
			"A ClientHello that offers suite 1 and suites that no version has.",
			"an unknown value ends the search", "the first suite of the list alone is looked at"),
		Run: func(x *conformance.Exchange) {
			lists := map[string][]byte{
				"first":  {0x7A, 0xFE, 1, 0xFF},
				"last":   {1, 0x7A, 0x04, 0xFE},
				"around": {0x10, 0x80, 0x1F, 1},
			}
			c := dial(x)
			_, err := c.Handshake(peer.Script{Lenient: true, Hello: func(h *peer.Hello) {
				h.Body.Set("suites", lists[x.Param("suites")])
			}})
			x.Judge(observe(x, err, conformance.BudgetReply))
			x.RequireField("server_hello.suite", testkit.SuiteAES256GCM, helloOf(c).Uint("suite"))
		},
	}
}

func handshakeTypeInFinish() conformance.Case {
	return conformance.Case{
		ID: "XC-0071", Title: "A frame under a handshake key with an hs_type that does not belong there closes the connection silently.",
		Proves: []string{"XTMP-TYP-013"}, Touches: []string{"XTMP-HSK-049"},
		Control: controlHandshake, Expect: closes("XTMP-TYP-013", "XTMP-HSK-049"),
		Params: []conformance.Param{param("hs_type", "0", "1", "2", "3", "4", "6", "7", "16", "17", "32", "255")},
		Explain: explain("The key slot is part of what a handshake message is; one in another slot proves something else than it says.",
			"A ClientFinish under the right key with the right MAC, and another hs_type.",
			"the MAC is verified and hs_type is not looked at", "an Error is sent before the session is established"),
		Run: func(x *conformance.Exchange) {
			c := flight(x)
			d := c.FinishDraft()
			d.Plaintext.Envelope.SetUint("hs_type", uint64(x.ParamInt("hs_type")))
			send(x, c.SendDraft(d))
			judgeClosed(x, c)
		},
	}
}

func undefinedHelloFlags() conformance.Case {
	return conformance.Case{
		ID: "XC-0072", Title: "Undefined bits of the ClientHello flags are ignored.",
		Proves: []string{"XTMP-TYP-017"}, Touches: []string{"XTMP-HSK-009"}, Expect: accepts(),
		Params: []conformance.Param{param("bits", hexes(4, 0x0004, 0x0080, 0x0100, 0x8000, 0xFFFC)...)},
		Explain: explain("A client of a later version sets bits that nobody knows today.",
			"A ClientHello with the bits set, and the rest of a handshake.",
			"flags are compared with the values that are known", "unknown bits are dropped before the transcript is hashed"),
		Run: func(x *conformance.Exchange) {
			_, err := dial(x).Handshake(peer.Script{Lenient: true, Hello: func(h *peer.Hello) {
				h.Body.SetUint("flags", h.Body.Uint("flags")|uint64(x.ParamInt("bits")))
			}})
			x.Judge(observe(x, err, conformance.BudgetReply))
		},
	}
}

func undefinedErrorFlags() conformance.Case {
	return conformance.Case{
		ID: "XC-0073", Title: "Undefined bits of the Error flags are ignored.",
		Proves: []string{"XTMP-TYP-019"}, Touches: []string{"XTMP-ERR-017"}, Expect: accepts(),
		Params: []conformance.Param{param("bits", hexes(2, 0x02, 0x80, 0xFE)...), param("scope", "1", "2")},
		Explain: explain("A peer of a later version sets bits that nobody knows today; its Error means the same without them.",
			"An unsolicited Error MALFORMED of scope 0 with the bits set, and a PING; then the same with scope 1 or 2, which ends the session.",
			"an Error with unknown bits is malformed and ends the session", "an Error with unknown bits is thrown away whole"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			sendError := func(scope uint8) {
				body := peer.ErrorBody(uint16(code("MALFORMED")), scope, noSequence, "")
				body[3] |= byte(x.ParamInt("bits"))
				_, err := s.Send(typeError, 0, body)
				send(x, err)
			}
			sendError(0)
			ping(x, s)
			sendError(uint8(x.ParamInt("scope")))
			o := reaction(x, s, conformance.BudgetClose)
			x.Require(o.IsClose(), "the Error of scope 1 or 2 ends the session")
		},
	}
}

func bitsSent() conformance.Case {
	return toured(conformance.Case{
		ID: "XC-0074", Title: "No bit is sent that this version does not define, and none that announces what it does not have.",
		Proves: []string{"XTMP-TYP-014", "XTMP-TYP-033"},
		Explain: conformance.Explain{
			Why:         "A bit that is set without meaning cannot get one later; a client that believes the policy uses what is not there.",
			UsualCauses: []string{"policy is filled from the configuration of a later version"},
		},
	})
}
