package cases

import (
	"strconv"
	"strings"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// frameSealed asks about clear and sealed frames, prologues and bodies.
func frameSealed() []conformance.Case {
	return []conformance.Case{
		halfClearFirst(), halfClearInSession(), shortPrologue(), zeroMid(),
		ackControl(), zeroFieldSet(), disconnectControl(), bodyLength(), finishLength(),
	}
}

func halfClearFirst() conformance.Case {
	return conformance.Case{
		ID: "XC-0024", Title: "A first frame with key_id zero that is not a clear frame is refused.",
		Proves: []string{"XTMP-HDR-033"}, Touches: []string{"XTMP-HSK-064"},
		Control: controlHandshake, Expect: closes("XTMP-HDR-033", "XTMP-HSK-064"),
		Params: []conformance.Param{param("field", "nonce", "auth_tag"), param("bit", "0", "127")},
		Explain: explain("A frame is clear or sealed; bytes in the security layer of a clear frame would be a place that nothing protects.",
			"A ClientHello, correct but for one bit in its nonce or auth_tag, with the right checksum.",
			"key_id alone decides whether a frame is clear", "the security layer of a first frame is not looked at"),
		Run: func(x *conformance.Exchange) {
			c := dial(x)
			hello := c.HelloDefaults()
			hello.Frame.Header.Flip(x.Param("field"), x.ParamInt("bit"))
			send(x, c.SendHello(hello))
			judgeClosed(x, c)
		},
	}
}

func halfClearInSession() conformance.Case {
	return conformance.Case{
		ID: "XC-0025", Title: "A frame of a session with key_id zero that is not a clear frame is refused.",
		Proves:  []string{"XTMP-HDR-033"},
		Control: controlPing, Expect: closes("XTMP-HDR-033"),
		Params: []conformance.Param{param("field", "nonce", "auth_tag")},
		Explain: explain("A frame without a key that is taken for a sealed one would be opened with whatever key comes to hand.",
			"An unsealed PING: no flag, encryption_type 0, key_id zero, one bit set in nonce or auth_tag, with the right checksum.",
			"frames without a key are opened with the session's key", "frames without a key are ignored instead of closing"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			d := s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, x.Entropy("ping").Bytes(8)))
			d.Keys = nil
			d.Frame.Header.SetUint("sequence_number", d.Sequence)
			d.Frame.Header.Flip(x.Param("field"), 0)
			send(x, s.SendDrafts(d))
			judgeClosed(x, s)
		},
	}
}

func shortPrologue() conformance.Case {
	return conformance.Case{
		ID: "XC-0026", Title: "A plaintext shorter than the prologue that its flags call for is a violation.",
		Proves:  []string{"XTMP-HDR-036"},
		Control: controlExtension, Expect: violates("PROTOCOL_VIOLATION", "XTMP-HDR-036"),
		Params: []conformance.Param{
			param("type", hexes(2, typeUnknown, typeExtension, 0x80, 0xEF)...),
			param("prologue", "REQUIRES_ACK:0", "REQUIRES_ACK:7", "STREAMING:11", "FRAGMENT:7", "REQUIRES_ACK+FRAGMENT:15",
				"REQUIRES_ACK+COMPRESSED:11"),
		},
		Explain: explain("A prologue that runs past the plaintext is how a reader comes to read beyond a buffer.",
			"A sealed frame with the flags, whose plaintext has so many bytes, one or more too few for the prologue.",
			"the length is not looked at before the prologue is read", "extension types are discarded before their prologue is read",
			"the connection is closed without an Error"),
		Run: func(x *conformance.Exchange) {
			names, length, _ := strings.Cut(x.Param("prologue"), ":")
			n, err := strconv.Atoi(length)
			if err != nil {
				x.Fatal(err)
			}
			s := session(x)
			d := s.Draft(uint8(x.ParamInt("type")), flag(strings.Split(names, "+")...), nil)
			for _, f := range d.Plaintext.Prologue.Layout.Fields {
				d.Plaintext.Prologue.Cut(f.Name)
			}
			d.Plaintext.Body = make([]byte, n)
			copy(d.Plaintext.Body, []byte{0, 0, 0, 0, 0, 0, 0, 1}) // mid 1, as far as there is room
			send(x, s.SendDrafts(d))
			judgeError(x, s)
		},
	}
}

func zeroMid() conformance.Case {
	return conformance.Case{
		ID: "XC-0027", Title: "A mid of 0 is a violation.",
		Proves:  []string{"XTMP-HDR-037"},
		Control: controlExtension, Expect: violates("PROTOCOL_VIOLATION", "XTMP-HDR-037"),
		Params: []conformance.Param{param("type", hexes(2, typeUnknown, typeExtension, 0x80, 0xEF)...)},
		Explain: explain("Mids are counted from 1; a 0 that is taken for complete would be acknowledged and lost.",
			"A reliable frame with mid 0.",
			"0 is below base and is taken for a repeated mid", "extension types are discarded before their mid is judged"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			_, err := s.Request(uint8(x.ParamInt("type")), x.Entropy("body").Bytes(8), func(d *peer.Draft) {
				d.Plaintext.Prologue.SetUint("mid", 0)
			})
			send(x, err)
			judgeError(x, s)
		},
	}
}

func ackControl() conformance.Case {
	return conformance.Case{
		ID: "XC-0028", Title: "After a correct Ack the session goes on.",
		Proves: []string{"XTMP-ACK-009"}, Expect: accepts(),
		Explain: explain("Every reliable message of the server is acknowledged; a server that stumbles over an Ack loses each session.",
			"An Ack of HandshakeDone, once, and a PING.",
			"an Ack is answered", "the body of the Ack is read in another layout"),
		Run: func(x *conformance.Exchange) {
			s := sessionBy(x, peer.Script{NoAck: true})
			send(x, s.Ack())
			ping(x, s)
		},
	}
}

func zeroFieldSet() conformance.Case {
	return conformance.Case{
		ID: "XC-0029", Title: "A body in which a field named zero holds another value is malformed.",
		Proves: []string{"XTMP-CON-003"}, Touches: []string{"XTMP-ERR-021"},
		Control: "XC-0028", Expect: violates("PROTOCOL_VIOLATION", "XTMP-CON-003", "XTMP-ERR-021"),
		Params: []conformance.Param{param("bit", "0", "7")},
		Explain: explain("A reserved byte that is ignored today cannot get a meaning tomorrow.",
			"An Ack of HandshakeDone that is correct but for one bit of its last byte, which is named zero.",
			"the byte is not looked at"),
		Run: func(x *conformance.Exchange) {
			s := sessionBy(x, peer.Script{NoAck: true})
			body := peer.AckBody(0)
			body[len(body)-1] ^= 1 << x.ParamInt("bit")
			_, err := s.Send(typeAck, 0, body)
			send(x, err)
			judgeError(x, s)
		},
	}
}

func disconnectControl() conformance.Case {
	return conformance.Case{
		ID: "XC-0030", Title: "A correct Disconnect ends the session without another frame.",
		Proves: []string{"XTMP-DSC-007", "XTMP-DSC-008", "XTMP-DSC-009"},
		Expect: conformance.Expect{Strict: conformance.Closed("XTMP-DSC-009")},
		Explain: explain("Disconnect is how both sides know that nothing was lost by the end of the connection.",
			"A Disconnect with reason 0.",
			"Disconnect is answered", "the server waits for the client to close first"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			_, err := s.Send(typeDisconnect, 0, s.DisconnectBody(0))
			send(x, err)
			x.Judge(reaction(x, s, conformance.BudgetClose))
		},
	}
}

func bodyLength() conformance.Case {
	return conformance.Case{
		ID: "XC-0031", Title: "A body shorter or longer than its layout is malformed.",
		Proves: []string{"XTMP-CON-004"}, Touches: []string{"XTMP-ERR-021", "XTMP-ACK-006", "XTMP-DSC-010"},
		Control: "XC-0030", Expect: violates("PROTOCOL_VIOLATION", "XTMP-CON-004", "XTMP-ERR-021"),
		Params: []conformance.Param{param("type", "Ack", "Disconnect"), param("bytes", "-all", "-1", "+1", "+200")},
		Explain: explain("Two implementations that read a body of the wrong length differently disagree unseen.",
			"An Ack or a Disconnect that is correct but for its length, by so many bytes.",
			"the length is checked to be enough and not to be exact", "missing bytes are read as zero"),
		Run: func(x *conformance.Exchange) {
			s := sessionBy(x, peer.Script{NoAck: true})
			messageType, body := uint8(typeAck), peer.AckBody(0)
			if x.Param("type") == "Disconnect" {
				messageType, body = typeDisconnect, s.DisconnectBody(0)
			}
			_, err := s.Send(messageType, 0, resized(x, body))
			send(x, err)
			judgeError(x, s)
		},
	}
}

func finishLength() conformance.Case {
	return conformance.Case{
		ID: "XC-0032", Title: "A ClientFinish whose body is shorter or longer than its layout closes the connection silently.",
		Proves: []string{"XTMP-CON-004"}, Touches: []string{"XTMP-HSK-049"},
		Control: controlHandshake, Expect: closes("XTMP-CON-004", "XTMP-HSK-049"),
		Params: []conformance.Param{param("bytes", "-all", "-1", "+1", "+200")},
		Explain: explain("A MAC that is compared over fewer bytes is easier to forge.",
			"A ClientFinish under the right key whose body begins with the right MAC and is so many bytes longer, or is cut.",
			"only the bytes that are there are compared", "bytes behind the MAC are ignored"),
		Run: func(x *conformance.Exchange) {
			c := flight(x)
			d := c.FinishDraft()
			d.Plaintext.Body, d.Body = resized(x, d.Body.Encode()), nil
			send(x, c.SendDraft(d))
			judgeClosed(x, c)
		},
	}
}

// resized cuts or lengthens a body as the param "bytes" says.
func resized(x *conformance.Exchange, body []byte) []byte {
	switch n := x.Param("bytes"); n {
	case "-all":
		return nil
	case "-1":
		return body[:len(body)-1]
	default:
		more, err := strconv.Atoi(strings.TrimPrefix(n, "+"))
		if err != nil {
			x.Fatal(err)
		}
		return append(body, make([]byte, more)...)
	}
}
