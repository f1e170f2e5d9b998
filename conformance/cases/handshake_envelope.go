package cases

import (
	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// envelope returns the cases of section 5.1.
func envelope() []conformance.Case {
	list := []conformance.Case{
		envelopesOfTheServer(), shortEnvelopeFirst(), foreignHandshakeID(), largestBodyInSession(), overlongBodyInSession(),
	}
	for _, b := range badFields() {
		list = append(list, b.firstCase(), b.finishCase(), b.sessionCase())
	}
	return list
}

func envelopesOfTheServer() conformance.Case {
	return conformance.Case{
		ID: "XC-0200", Title: "The envelopes of the server are unfragmented, hold no token and echo the handshake_id.",
		Proves: []string{"XTMP-ENV-001", "XTMP-ENV-002", "XTMP-ENV-004", "XTMP-ENV-005"},
		Expect: accepts(), Params: []conformance.Param{param("handshake_id", "0x0", "0x1", "0x7FFFFFFFFFFFFFFF")},
		Explain: explain("A client matches the answers to its handshake by this number, and refuses an envelope that is meant for UDP.",
			"A correct handshake whose handshake_id is an edge value instead of a random one.",
			"HandshakeDone is built without the handshake_id of ClientHello", "0 is taken for a missing number",
			"the code for UDP fills frag_count or a token on TCP too"),
		Run: func(x *conformance.Exchange) {
			c := dial(x)
			_, err := c.Handshake(peer.Script{Lenient: true, Hello: func(h *peer.Hello) {
				h.Plaintext.Envelope.SetUint("handshake_id", uint64(x.ParamInt("handshake_id")))
			}})
			requireClean(x, c)
			x.Judge(observe(x, err, conformance.BudgetReply))
		},
	}
}

// A badField is a way in which an envelope can be bad, and the cases about it: in
// the first frame, in ClientFinish, in a session.
type badField struct {
	field, req             string
	values                 []string
	first, finish, session string
}

func badFields() []badField {
	return []badField{
		{"frag_count", "XTMP-ENV-007", []string{"0", "2", "255"}, "XC-0201", "XC-0205", "XC-0216"},
		{"frag_index", "XTMP-ENV-008", []string{"1", "255"}, "XC-0202", "XC-0206", "XC-0217"},
		{"token_len", "XTMP-ENV-009", []string{"1", "48"}, "XC-0203", "XC-0207", "XC-0218"},
		{"total_len", "XTMP-ENV-010", []string{"0", "one less", "one more"}, "XC-0204", "XC-0208", "XC-0219"},
	}
}

// spoilEnvelope writes the param of that name into an envelope around n bytes of
// body.
func (b badField) spoilEnvelope(x *conformance.Exchange, e *testkit.Message, n int) {
	switch x.Param(b.field) {
	case "one less":
		n--
	case "one more":
		n++
	default:
		n = x.ParamInt(b.field)
	}
	e.SetUint(b.field, uint64(n))
}

func (b badField) firstCase() conformance.Case {
	return conformance.Case{
		ID: b.first, Title: "A first frame whose envelope has a bad " + b.field + " gets the clear Error MALFORMED.",
		Proves: []string{b.req, "XTMP-HSK-067"}, Control: controlHandshake, Expect: refuses("MALFORMED", "XTMP-HSK-067"),
		Params: []conformance.Param{param(b.field, b.values...)},
		Explain: explain("A server that overlooks a field of the envelope reads the body at another place than the client wrote it.",
			"A ClientHello that is correct but for one field of its envelope; the checksum is right.",
			"the fields for fragments are read on UDP only", "the length is taken from payload_length and total_len is not compared",
			"a bad envelope closes the connection like any other bad frame"),
		Run: func(x *conformance.Exchange) {
			badHello(x, func(h *peer.Hello) { b.spoilEnvelope(x, h.Plaintext.Envelope, len(h.Body.Encode())) })
		},
	}
}

func (b badField) finishCase() conformance.Case {
	return conformance.Case{
		ID: b.finish, Title: "A ClientFinish whose envelope has a bad " + b.field + " is answered by closing silently.",
		Proves: []string{b.req, "XTMP-HSK-049"}, Control: controlHandshake, Expect: closes("XTMP-HSK-049"),
		Params: []conformance.Param{param(b.field, b.values...)},
		Explain: explain("Every way in which a ClientFinish can be wrong has to look alike from outside.",
			"A ClientFinish with the right MAC and one wrong field in its envelope, sealed correctly.",
			"the MAC is searched at a fixed place and the envelope skipped", "the clear Error for a first frame is sent here too"),
		Run: func(x *conformance.Exchange) {
			badFinish(x, func(d *peer.Draft) { b.spoilEnvelope(x, d.Plaintext.Envelope, len(d.Body.Encode())) })
		},
	}
}

func (b badField) sessionCase() conformance.Case {
	return conformance.Case{
		ID: b.session, Title: "An envelope with a bad " + b.field + " under a path key is the violation PROTOCOL_VIOLATION.",
		Proves: []string{b.req}, Touches: []string{"XTMP-MSG-039"}, Control: controlRequest,
		Expect: violates("PROTOCOL_VIOLATION", "XTMP-MSG-039"), Params: []conformance.Param{param(b.field, b.values...)},
		Explain: explain("The code tells a client whether it sent nonsense or something that this server has no use for.",
			"A reliable frame of type 0x01 in a session, with one wrong field in its envelope.",
			"the type alone decides, and UNEXPECTED_MESSAGE is sent", "envelopes are parsed in the handshake only"),
		Run: func(x *conformance.Exchange) {
			sendEnvelope(x, 64, func(e *testkit.Message) { b.spoilEnvelope(x, e, 64) })
		},
	}
}

func shortEnvelopeFirst() conformance.Case {
	return conformance.Case{
		ID: "XC-0209", Title: "A first frame that is shorter than an envelope gets the clear Error MALFORMED.",
		Proves: []string{"XTMP-HSK-067"}, Control: controlHandshake, Expect: refuses("MALFORMED", "XTMP-HSK-067"),
		Params: []conformance.Param{param("type", hexes(2, typeHandshake, typeHandshakeAck)...), param("bytes", "0", "1", "15")},
		Explain: explain("The shortest frames are where a reader runs past the end of what it was given.",
			"A clear frame whose payload is the beginning of an envelope, or empty.",
			"the envelope is read before the length is compared", "an empty payload is taken for no frame and waited for"),
		Run: func(x *conformance.Exchange) {
			c := dial(x)
			f := testkit.NewFrame(uint8(x.ParamInt("type")), 0)
			f.Payload = []byte{hsClientHello, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7}[:x.ParamInt("bytes")]
			send(x, c.SendFrame(f))
			judgeError(x, c)
		},
	}
}

func foreignHandshakeID() conformance.Case {
	return conformance.Case{
		ID: "XC-0226", Title: "A ClientFinish with another handshake_id than its ClientHello is answered by closing silently.",
		Proves: []string{"XTMP-ENV-012"}, Control: controlHandshake, Expect: closes("XTMP-ENV-012"),
		Params: []conformance.Param{param("bit", "0", "31", "63")},
		Explain: explain("The number is outside the transcript, so nothing else notices that it changed.",
			"A ClientFinish with the right MAC whose handshake_id has one bit inverted.",
			"the number is kept for answers and not compared", "only its lower half is compared"),
		Run: func(x *conformance.Exchange) {
			badFinish(x, func(d *peer.Draft) { d.Plaintext.Envelope.Flip("handshake_id", x.ParamInt("bit")) })
		},
	}
}

// sendEnvelope sends a reliable frame of type 0x01 with n bytes of body in a new
// session and judges the violation.
func sendEnvelope(x *conformance.Exchange, n int, edit func(*testkit.Message)) {
	s := session(x)
	_, err := s.Request(typeHandshake, make([]byte, n), func(d *peer.Draft) {
		d.Plaintext.Envelope.SetUint("hs_type", hsRekeyInit)
		edit(d.Plaintext.Envelope)
	})
	send(x, err)
	judgeError(x, s)
}

func largestBodyInSession() conformance.Case {
	return conformance.Case{
		ID: "XC-0227", Title: "An envelope with a total_len of 8192 is a good one.",
		Proves: []string{"XTMP-ENV-011"}, Touches: []string{"XTMP-RKY-037"}, Control: controlRequest,
		Expect: violates("UNEXPECTED_MESSAGE", "XTMP-RKY-037"),
		Explain: explain("The bound belongs to what is allowed; being off by one refuses the largest message.",
			"A reliable frame of type 0x01 in a session with a body of 8192 bytes, whose hs_type has no place there.",
			"the bound is taken for the whole frame, envelope included", "less is asked where less or equal is meant"),
		Run: func(x *conformance.Exchange) {
			sendEnvelope(x, size("handshake_message"), func(e *testkit.Message) { e.SetUint("hs_type", hsClientHello) })
		},
	}
}

func overlongBodyInSession() conformance.Case {
	return conformance.Case{
		ID: "XC-0228", Title: "An envelope with a total_len of 8193 is a bad one, whatever follows it.",
		Proves: []string{"XTMP-ENV-011"}, Touches: []string{"XTMP-MSG-039"}, Control: controlRequest,
		Expect: violates("PROTOCOL_VIOLATION", "XTMP-MSG-039"),
		Params: []conformance.Param{param("total_len", "8193", "65536"), param("hs_type", "RekeyInit", "ClientHello")},
		Explain: explain("In a session payload_length allows more than a handshake message may have, so total_len has to be judged by itself.",
			"A reliable frame of type 0x01 in a session with as many bytes of body as its total_len says, which is more than 8192; "+
				"its hs_type is that of RekeyInit, or one that has no place there.",
			"the bound rests on the payload_length limit before the session", "the message is judged by its hs_type before its envelope is"),
		Run: func(x *conformance.Exchange) {
			sendEnvelope(x, x.ParamInt("total_len"), func(e *testkit.Message) {
				if x.Param("hs_type") == "ClientHello" {
					e.SetUint("hs_type", hsClientHello)
				}
			})
		},
	}
}
