package cases

import (
	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// orderHalfOpen returns the cases with a bad frame between ServerHello and the
// verification of ClientFinish.
func orderHalfOpen() []conformance.Case {
	return []conformance.Case{
		spoiltFinish("XC-0310", "a refused type, flag or nonce", "XTMP-ORD-002", "type", "flag", "nonce"),
		spoiltFinish("XC-0314", "another magic", "XTMP-ORD-005", "magic"),
		spoiltFinish("XC-0315", "another version byte", "XTMP-ORD-006", "version"),
		spoiltFinish("XC-0316", "another session_id", "XTMP-ORD-016", "session_id"),
		spoiltFinish("XC-0317", "another key_id", "XTMP-ORD-017", "key_id"),
		spoiltFinish("XC-0318", "another encryption_type", "XTMP-ORD-018", "encryption_type"),
		spoiltFinish("XC-0319", "a wrong checksum", "XTMP-ORD-019", "checksum"),
		spoiltFinish("XC-0360", "a sequence number that is not the first", "XTMP-ORD-022", "sequence"),
		spoiltFinish("XC-0361", "a changed tag or ciphertext", "XTMP-ORD-025", "tag", "ciphertext"),
		typeForFinish(), overlongFinish(), clearForFinish(),
	}
}

// spoiltFinish is a case with a ClientFinish that fails one check.
func spoiltFinish(id, what, req string, defects ...string) conformance.Case {
	return conformance.Case{
		ID: id, Title: "A ClientFinish with " + what + " is answered by closing silently.",
		Proves: []string{req}, Touches: []string{"XTMP-HSK-049"}, Control: controlHandshake, Expect: closes(req, "XTMP-HSK-049"),
		Params: []conformance.Param{param("defect", defects...)},
		Explain: explain("The half-open connection is where strangers and servers meet; nothing that they try may be told apart.",
			"A ClientFinish with the right MAC and one defect in its header or seal; but for the checksum, what the tag covers was sealed as sent.",
			"the frame is opened and its header not judged", "VERSION_UNSUPPORTED or another clear Error is sent though ServerHello was"),
		Run: func(x *conformance.Exchange) {
			badFinish(x, func(d *peer.Draft) { spoilFrame(x, d, x.Param("defect")) })
		},
	}
}

func typeForFinish() conformance.Case {
	return conformance.Case{
		ID: "XC-0311", Title: "Another type than 0x01 between ServerHello and ClientFinish is answered by closing silently.",
		Proves: []string{"XTMP-ORD-008"}, Touches: []string{"XTMP-ORD-002", "XTMP-HSK-049"}, Control: controlHandshake,
		Expect: closes("XTMP-ORD-008"),
		Params: []conformance.Param{param("type",
			hexes(2, typeHandshakeAck, typeHeartbeat, typeDisconnect, typeAck, typeUnknown, typeExtension, typeError)...)},
		Explain: explain("Before the client has proved itself there is no session in which another type could mean anything.",
			"The plaintext of a correct ClientFinish under the handshake key, in a frame of another type.",
			"the payload is read as ClientFinish whatever the type", "extension types are ignored in every state",
			"a Heartbeat is answered under the handshake key"),
		Run: func(x *conformance.Exchange) {
			badFinish(x, func(d *peer.Draft) { d.Frame.Header.SetUint("message_type", uint64(x.ParamInt("type"))) })
		},
	}
}

func overlongFinish() conformance.Case {
	return conformance.Case{
		ID: "XC-0312", Title: "An over-long frame between ServerHello and ClientFinish is answered by closing silently.",
		Proves: []string{"XTMP-ORD-010", "XTMP-ORD-009"}, Touches: []string{"XTMP-LIM-001", "XTMP-HDR-009"}, Control: controlHandshake,
		Expect: closes("XTMP-ORD-010"), Params: []conformance.Param{param("payload_length", "8209", "65600", "4294967295")},
		Explain: explain("The large limit of a session is for clients that have proved themselves.",
			"The 96 bytes of a ClientFinish that announces too long a payload, and nothing else.",
			"the limit of the session is in force from ServerHello on", "PAYLOAD_TOO_LARGE is sent, which this state does not know",
			"the payload is waited for"),
		Run: func(x *conformance.Exchange) {
			badFinish(x, func(d *peer.Draft) {
				d.AfterSeal(func(f *testkit.Frame) { announceLength(f, uint64(x.ParamInt("payload_length"))) })
			})
		},
	}
}

// clearFrames is the param of the cases with a clear frame in a wrong place.
func clearFrames() conformance.Param {
	return param("frame", "ClientHello", "bad ClientHello", "type 0x02", "Error")
}

// clearFrame returns the frame that the param names.
func clearFrame(x *conformance.Exchange, c *peer.Conn) *testkit.Frame {
	h := c.HelloDefaults()
	f := testkit.NewFrame(typeHandshake, 0)
	f.Payload = append(h.Plaintext.Envelope.SetUint("total_len", uint64(len(h.Body.Encode()))).Encode(), h.Body.Encode()...)
	switch x.Param("frame") {
	case "bad ClientHello":
		f.Payload[2] = 2 // frag_count
	case "type 0x02":
		f.Header.SetUint("message_type", typeHandshakeAck)
	case "Error":
		f = testkit.NewFrame(typeError, 0)
		f.Payload = peer.ErrorBody(uint16(code("HANDSHAKE_FAILED")), 1, noSequence, "")
	}
	return f
}

func clearForFinish() conformance.Case {
	return conformance.Case{
		ID: "XC-0313", Title: "A clear frame after ServerHello is answered by closing silently.",
		Proves: []string{"XTMP-ORD-028"}, Touches: []string{"XTMP-HSK-049"}, Control: controlHandshake, Expect: closes("XTMP-ORD-028"),
		Params: []conformance.Param{clearFrames(), param("session_id", "zero", "ours")},
		Explain: explain("Whoever can write into the connection can forge a clear frame; it must say nothing but that the connection is broken.",
			"A clear frame of each kind in place of ClientFinish, with and without the id of the session in its header.",
			"a second ClientHello begins a second handshake", "a refusal of the first-frame rules is sent"),
		Run: func(x *conformance.Exchange) {
			c := flight(x)
			f := clearFrame(x, c)
			if x.Param("session_id") == "ours" {
				f.Header.SetUint("session_id", c.Session().ID)
			}
			send(x, c.SendFrame(f))
			judgeClosed(x, c)
		},
	}
}
