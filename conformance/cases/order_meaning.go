package cases

import (
	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// orderMeaning returns the cases about the order within check 13.
func orderMeaning() []conformance.Case {
	return []conformance.Case{prologueFirst(), roleBeforeMid(), midBeforeType()}
}

func prologueFirst() conformance.Case {
	return conformance.Case{
		ID: "XC-0340", Title: "The prologue is judged before the type.",
		Proves: []string{"XTMP-ORD-027"}, Touches: []string{"XTMP-HDR-036", "XTMP-HDR-037"}, Control: controlRequest,
		Expect: violates("PROTOCOL_VIOLATION", "XTMP-HDR-036", "XTMP-HDR-037"),
		Params: []conformance.Param{param("type", hexes(2, typeHandshake, typeUnknown, typeExtension)...), param("prologue", "mid 0", "empty",
			"7 bytes")},
		Explain: explain("A message without a number cannot be answered, acknowledged or ignored; it ends the session whatever it is.",
			"A reliable frame of a type that would be answered otherwise, or ignored, with a mid of 0 or less than a mid.",
			"the type is dispatched first", "extension types are discarded unread"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			d := s.Draft(uint8(x.ParamInt("type")), flag("REQUIRES_ACK"), make([]byte, 32))
			switch x.Param("prologue") {
			case "mid 0":
				d.Plaintext.Prologue.SetUint("mid", 0)
			case "empty":
				d.Plaintext.Prologue.Set("mid", nil)
				d.Plaintext.Envelope, d.Plaintext.Body = nil, nil
			case "7 bytes":
				d.Plaintext.Prologue.Set("mid", []byte{0, 0, 0, 0, 0, 0, 1})
				d.Plaintext.Envelope, d.Plaintext.Body = nil, nil
			}
			send(x, s.SendDrafts(d))
			judgeError(x, s)
		},
	}
}

// answered returns a session in which the request with mid 1 was answered.
func answered(x *conformance.Exchange) *peer.Session {
	s := session(x)
	d, err := s.Request(typeUnknown, nil)
	send(x, err)
	if _, _, err := s.ExpectReply(d.Mid(), 0); err != nil {
		unprepared(x, "a reply", err)
	}
	return s
}

func roleBeforeMid() conformance.Case {
	return conformance.Case{
		ID: "XC-0341", Title: "A wrong role is a violation under a repeated mid too.",
		Proves: []string{"XTMP-ORD-027"}, Touches: []string{"XTMP-MSG-037", "XTMP-MSG-038"}, Control: controlRequest,
		Expect: violates("PROTOCOL_VIOLATION", "XTMP-MSG-037", "XTMP-MSG-038"),
		Params: []conformance.Param{param("frame", "HandshakeDone", "reply")},
		Explain: explain("De-duplication is for messages that a client may send; a server's words do not become legal by being said twice.",
			"A request, and after its reply a frame that only a server may send, under the same mid.",
			"the mid is looked up before anything else and the frame discarded"),
		Run: func(x *conformance.Exchange) {
			s := answered(x)
			d := s.Draft(typeHandshakeAck, flag("REQUIRES_ACK"), make([]byte, 56))
			if x.Param("frame") == "reply" {
				d = s.Draft(typeUnknown, flag("REQUIRES_ACK", "REPLY"), nil)
				d.Sequence-- // the first draft is not sent
				d.Plaintext.Prologue.SetUint("reply_to", 1)
			} else {
				d.Plaintext.Envelope.SetUint("hs_type", 6)
			}
			d.Plaintext.Prologue.SetUint("mid", 1)
			send(x, s.SendDrafts(d))
			judgeError(x, s)
		},
	}
}

func midBeforeType() conformance.Case {
	return conformance.Case{
		ID: "XC-0342", Title: "Type, hs_type and body are not looked at under a repeated mid.",
		Proves: []string{"XTMP-ORD-027"}, Touches: []string{"XTMP-MSG-019", "XTMP-MSG-020", "XTMP-RKY-037"}, Control: controlRequest,
		Expect: ignores("XTMP-ORD-027"),
		Params: []conformance.Param{param("frame", "RekeyInit", "ClientHello", "bad envelope", "request")},
		Explain: explain("A message that was dealt with is dealt with; judging it again makes the answer depend on what was repeated.",
			"A request, and after its reply a frame under the same mid that would be a violation, or a request, under a new one.",
			"the type is dispatched before the mid is looked up"),
		Run: func(x *conformance.Exchange) {
			s := answered(x)
			kind := x.Param("frame")
			messageType := uint8(typeHandshake)
			if kind == "request" {
				messageType = typeUnknown
			}
			d := s.Draft(messageType, flag("REQUIRES_ACK"), make([]byte, 64))
			d.Plaintext.Prologue.SetUint("mid", 1)
			switch kind {
			case "RekeyInit":
				d.Plaintext.Envelope.SetUint("hs_type", hsRekeyInit)
			case "ClientHello":
				d.Plaintext.Envelope.SetUint("hs_type", hsClientHello)
			case "bad envelope":
				d.Plaintext.Envelope.SetUint("frag_count", 2)
			}
			send(x, s.SendDrafts(d))
			judgeIgnored(x, s, isAck)
		},
	}
}
