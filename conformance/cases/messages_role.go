package cases

import (
	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// messagesRole returns the cases of section 8.8: frames that a client must not
// send.
func messagesRole() []conformance.Case {
	return []conformance.Case{
		handshakeAckFromClient(), replyFromClient(), handshakeWithBadEnvelope(), handshakeInSession(), errorAsReplyFromClient(),
	}
}

func handshakeAckFromClient() conformance.Case {
	return conformance.Case{
		ID: "XC-0450", Title: "A frame of type 0x02 from a client is a violation.",
		Proves: []string{"XTMP-MSG-037"}, Touches: []string{"XTMP-FLG-017"}, Control: controlRequest,
		Expect: violates("PROTOCOL_VIOLATION", "XTMP-MSG-037"),
		Params: []conformance.Param{param("message", "HandshakeDone", "RekeyResp", "empty")},
		Explain: explain("Type 0x02 is the server's; a client that sends it has lost its role, and the two ends no longer agree on who speaks.",
			"A reliable frame of type 0x02 under the client's path key, as the server would send it, or with an empty plaintext behind its mid.",
			"both roles share one dispatch", "the envelope is judged before the role"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			flags := flag("REQUIRES_ACK")
			if x.Param("message") == "RekeyResp" {
				flags |= flag("REPLY")
			}
			sendFrame(x, s, typeHandshakeAck, flags, make([]byte, 56), func(d *peer.Draft) {
				switch x.Param("message") {
				case "HandshakeDone":
					d.Plaintext.Envelope.SetUint("hs_type", 6)
				case "RekeyResp":
					d.Plaintext.Prologue.SetUint("reply_to", 1)
					d.Plaintext.Envelope.SetUint("hs_type", 33)
				case "empty":
					d.Plaintext.Envelope, d.Plaintext.Body = nil, nil
				}
			})
			judgeError(x, s)
		},
	}
}

func replyFromClient() conformance.Case {
	return conformance.Case{
		ID: "XC-0451", Title: "A reply from a client is a violation.",
		Proves: []string{"XTMP-MSG-038"}, Touches: []string{"XTMP-FLG-017"}, Control: controlRequest,
		Expect: violates("PROTOCOL_VIOLATION", "XTMP-MSG-038"),
		Params: []conformance.Param{param("type", hexes(2, 0x06, 0x13, 0x20, 0x5A, 0x70, 0x7F)...), param("reply_to", "0", "1")},
		Explain: explain("The server asks nothing, so nothing can be replied to it; a frame that says so was made by a peer that mistakes "+
			"its role.",
			"A frame of a type in 0x06 … 0x7F with REQUIRES_ACK and REPLY.",
			"an unknown type is answered before the role is judged", "REPLY is ignored at the server"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			sendFrame(x, s, uint8(x.ParamInt("type")), flag("REQUIRES_ACK", "REPLY"), nil, func(d *peer.Draft) {
				d.Plaintext.Prologue.SetUint("reply_to", uint64(x.ParamInt("reply_to")))
			})
			judgeError(x, s)
		},
	}
}

func handshakeWithBadEnvelope() conformance.Case {
	return conformance.Case{
		ID: "XC-0452", Title: "A frame of type 0x01 with a bad envelope is a violation.",
		Proves: []string{"XTMP-MSG-039", "XTMP-ERR-021"}, Control: controlRequest,
		Touches: []string{"XTMP-ENV-007", "XTMP-ENV-008", "XTMP-ENV-009", "XTMP-ENV-010", "XTMP-ENV-011"},
		Expect:  violates("PROTOCOL_VIOLATION", "XTMP-MSG-039"),
		Params:  []conformance.Param{param("defect", "none", "15-bytes", "frag_count", "frag_index", "token_len", "total_len", "8193-bytes")},
		Explain: explain("A malformed envelope is told apart from a message that comes at the wrong time: the first is a fault of the peer's "+
			"encoder, the second of its state.",
			"A reliable frame of type 0x01 under the path key whose envelope is missing, too short, or breaks one rule of 5.1.",
			"hs_type is judged before the rest of the envelope", "the envelope is only judged during the handshake"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			sendHandshake(x, s, badEnvelope(x.Param("defect")))
			judgeError(x, s)
		},
	}
}

// sendHandshake sends a frame of type 0x01 under the path key, as RekeyInit would
// be sent, after the edits.
func sendHandshake(x *conformance.Exchange, s *peer.Session, edits ...func(*peer.Draft)) {
	hsType := func(d *peer.Draft) { d.Plaintext.Envelope.SetUint("hs_type", hsRekeyInit) }
	sendFrame(x, s, typeHandshake, flag("REQUIRES_ACK"), make([]byte, 64), append([]func(*peer.Draft){hsType}, edits...)...)
}

// withoutMid takes REQUIRES_ACK and the mid from a draft.
func withoutMid(d *peer.Draft) {
	d.Frame.Header.SetUint("flags", uint64(d.Frame.Flags()&^flag("REQUIRES_ACK")|flag("ENCRYPTED")))
	d.Plaintext.Prologue.Cut("mid")
}

func badEnvelope(defect string) func(*peer.Draft) {
	return func(d *peer.Draft) {
		switch e := d.Plaintext.Envelope; defect {
		case "none":
			d.Plaintext.Envelope, d.Plaintext.Body = nil, nil
		case "15-bytes":
			d.Plaintext.Body = testkit.Compose("envelope").SetUint("hs_type", 32).DefaultUint("frag_count", 1).Encode()[:15]
			d.Plaintext.Envelope = nil
		case "frag_count":
			e.SetUint("frag_count", 2)
		case "frag_index":
			e.SetUint("frag_index", 1)
		case "token_len":
			e.SetUint("token_len", 48)
		case "total_len":
			e.SetUint("total_len", uint64(len(d.Plaintext.Body))+1)
		case "8193-bytes":
			d.Plaintext.Body = make([]byte, size("handshake_message")+1)
		}
	}
}

func handshakeInSession() conformance.Case {
	return conformance.Case{
		ID: "XC-0453", Title: "A well-formed handshake message other than RekeyInit in a session is UNEXPECTED_MESSAGE.",
		Proves: []string{"XTMP-RKY-037"}, Touches: []string{"XTMP-ERR-027"}, Control: controlRequest,
		Expect: violates("UNEXPECTED_MESSAGE", "XTMP-RKY-037"),
		Params: []conformance.Param{
			param("message", "ClientHello", "ClientFinish", "Attach", "RekeyResp", "0", "255"), param("mid", "yes", "no"),
		},
		Explain: explain("There is no second handshake in a session; the client has to learn that its message came at the wrong time, and not "+
			"that it was garbled.",
			"A frame of type 0x01 under the path key with a good envelope whose hs_type is not that of RekeyInit, with a mid and without.",
			"PROTOCOL_VIOLATION is sent for everything", "the missing mid is judged before hs_type", "the message is answered by UNSUPPORTED_TYPE"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			hsType := map[string]uint64{"ClientHello": 1, "ClientFinish": 5, "Attach": 16, "RekeyResp": 33, "0": 0, "255": 255}
			sendHandshake(x, s, func(d *peer.Draft) {
				d.Plaintext.Envelope.SetUint("hs_type", hsType[x.Param("message")])
				if x.Param("mid") == "no" {
					withoutMid(d)
				}
			})
			judgeError(x, s)
		},
	}
}

func errorAsReplyFromClient() conformance.Case {
	return conformance.Case{
		ID: "XC-0454", Title: "An Error as reply from a client ends the session without a word.",
		Proves: []string{"XTMP-MSG-041", "XTMP-ERR-031"}, Control: "XC-0510",
		Expect: closes("XTMP-MSG-041", "XTMP-ERR-031"),
		Params: []conformance.Param{param("scope", "0", "1", "2")},
		Explain: explain("The role is wrong, but an Error is never answered by an Error; two such peers would answer each other for ever.",
			"A frame of type 0xFE with REQUIRES_ACK and REPLY under the client's path key.",
			"every violation is answered, also that of an Error", "the reply is taken for an unsolicited Error"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			body := peer.ErrorBody(uint16(code("MALFORMED")), uint8(x.ParamInt("scope")), noSequence, "")
			sendFrame(x, s, typeError, flag("REQUIRES_ACK", "REPLY"), body, func(d *peer.Draft) { d.Plaintext.Prologue.SetUint("reply_to", 1) })
			judgeClosed(x, s)
		},
	}
}
