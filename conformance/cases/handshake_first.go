package cases

import (
	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// firstFrame returns the cases of section 5.7.
func firstFrame() []conformance.Case {
	return []conformance.Case{sealedFirst(), attachFirst(), attachDatagram(), errorFirst(), answerFirst(), wrongHSTypeFirst()}
}

func sealedFirst() conformance.Case {
	return conformance.Case{
		ID: "XC-0250", Title: "A server without Attach answers a sealed first frame by closing silently.",
		Proves: []string{"XTMP-HSK-064", "XTMP-ATT-017"}, Control: controlHandshake, Unless: profileFailover, Expect: closes("XTMP-HSK-064"),
		Params: []conformance.Param{param("type", hexes(2, typeHandshake, typeHandshakeAck, typeError)...), param("session_id", "0",
			"1234567")},
		Explain: explain("Such a frame belongs to a session that this server does not have; an answer would tell strangers which sessions exist.",
			"A frame sealed under keys of nobody as the first of the connection.",
			"SESSION_UNKNOWN is sent", "the payload is taken for a ClientHello in the clear"),
		Run: func(x *conformance.Exchange) {
			c := dial(x)
			d := c.HelloDefaults().Draft
			d.Frame.Header.SetUint("message_type", uint64(x.ParamInt("type")))
			d.Frame.Header.SetUint("session_id", uint64(x.ParamInt("session_id")))
			keys := testkit.DeriveKeys(x.Entropy("keys").Bytes(48))
			d.Keys = &keys
			send(x, c.SendDraft(d))
			judgeClosed(x, c)
		},
	}
}

func attachFirst() conformance.Case {
	return conformance.Case{
		ID: "XC-0254", Title: "A server without Attach closes silently on an Attach, also of a session that it has.",
		Proves: []string{"XTMP-ATT-017"}, Touches: []string{"XTMP-HSK-064"}, Control: controlPing, Unless: profileFailover,
		Expect: closes("XTMP-ATT-017"), Params: []conformance.Param{param("session", "established", "ended")},
		Explain: explain("A server that announces no Attach keeps no session beyond its connection; an answer would promise what it does not do.",
			"On a second connection a correct Attach for a session that has a connection, or has ended.",
			"attach keys are installed though Attach is not implemented", "SESSION_UNKNOWN is sent"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			if x.Param("session") == "ended" {
				end(x, s)
			}
			c, _ := offer(x, s)
			judgeClosed(x, c)
		},
	}
}

func attachDatagram() conformance.Case {
	return conformance.Case{
		ID: "XC-0255", Title: "A server without Attach drops an Attach over UDP.",
		Proves: []string{"XTMP-ATT-017"}, Needs: profileUDP, Control: controlPing, Unless: profileFailover, Expect: ignores("XTMP-ATT-017"),
		Explain: explain("Nobody asked whether the address is that of the client; a status would be an answer to anybody.",
			"A correct Attach over UDP for an established session. Nothing comes, and the session goes on.",
			"the status PERMISSION_DENIED is sent, which is for servers with Attach over TCP alone"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			c, _ := offerUDP(x, s)
			judgeNoAnswer(x, c)
			requireLives(x, s)
		},
	}
}

func errorFirst() conformance.Case {
	return conformance.Case{
		ID: "XC-0251", Title: "A first frame of type 0xFE is answered by closing silently.",
		Proves: []string{"XTMP-HSK-065"}, Touches: []string{"XTMP-ERR-003"}, Control: controlHandshake, Expect: closes("XTMP-HSK-065"),
		Params: []conformance.Param{param("body", "MALFORMED", "empty")},
		Explain: explain("An Error that answers an Error is answered in turn, and two servers talk to each other for ever.",
			"A clear Error as the first frame of the connection, once well-formed and once without a body.",
			"every unexpected first frame gets MALFORMED"),
		Run: func(x *conformance.Exchange) {
			c := dial(x)
			f := testkit.NewFrame(typeError, 0)
			if x.Param("body") == "MALFORMED" {
				f.Payload = peer.ErrorBody(uint16(code("MALFORMED")), 1, noSequence, "")
			}
			send(x, c.SendFrame(f))
			judgeClosed(x, c)
		},
	}
}

func answerFirst() conformance.Case {
	return conformance.Case{
		ID: "XC-0252", Title: "A first frame of type 0x02 gets the clear Error MALFORMED.",
		Proves: []string{"XTMP-HSK-066"}, Control: controlHandshake, Expect: refuses("MALFORMED", "XTMP-HSK-066"),
		Params: []conformance.Param{param("hs_type", "1", "2", "3", "6")},
		Explain: explain("A server that reads a message by its hs_type alone takes a server's words for a client's.",
			"The envelope and body of a correct ClientHello in a frame of type 0x02, under the hs_type of the parameter.",
			"the type is not looked at once the hs_type is 1", "the frame is refused with the types that no server knows"),
		Run: func(x *conformance.Exchange) {
			badHello(x, func(h *peer.Hello) {
				h.Frame.Header.SetUint("message_type", typeHandshakeAck)
				h.Plaintext.Envelope.SetUint("hs_type", uint64(x.ParamInt("hs_type")))
			})
		},
	}
}

func wrongHSTypeFirst() conformance.Case {
	return conformance.Case{
		ID: "XC-0253", Title: "A first frame of type 0x01 that is no ClientHello gets the clear Error MALFORMED.",
		Proves: []string{"XTMP-HSK-068"}, Control: controlHandshake, Expect: refuses("MALFORMED", "XTMP-HSK-068"),
		Params: []conformance.Param{param("hs_type", "0", "2", "3", "5", "7", "16", "32", "255")},
		Explain: explain("A client of a later version that tries a message which this server does not have learns so at once.",
			"A correct ClientHello under another hs_type.",
			"the first frame is taken for ClientHello whatever it says", "Attach or rekey messages are closed on, though nothing was sealed"),
		Run: func(x *conformance.Exchange) {
			badHello(x, func(h *peer.Hello) { h.Plaintext.Envelope.SetUint("hs_type", uint64(x.ParamInt("hs_type"))) })
		},
	}
}
