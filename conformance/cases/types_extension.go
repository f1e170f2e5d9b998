package cases

import (
	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

func extensionBody() conformance.Case {
	return conformance.Case{
		ID: "XC-0044", Title: "The body of a frame of an extension type is discarded without being looked into.",
		Proves: []string{"XTMP-TYP-009"}, Control: controlPing, Expect: ignores("XTMP-TYP-009"),
		Params: []conformance.Param{
			param("type", hexes(2, 0x80, typeExtension, 0xEF)...),
			param("body", "empty", "Disconnect", "Error", "deflate", "long"),
		},
		Explain: explain("Whoever reads a body without knowing its layout finds something in it.",
			"A frame of the type whose body is empty, a Disconnect, an Error of scope 2, no DEFLATE in spite of its flag, or as "+
				"long as a frame may be.",
			"the type is masked and looked up", "COMPRESSED bodies are inflated before the type is known"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			set, body := uint16(0), []byte(nil)
			switch x.Param("body") {
			case "Disconnect":
				body = s.DisconnectBody(0)
			case "Error":
				body = peer.ErrorBody(uint16(code("INTERNAL")), 2, noSequence, "")
			case "deflate":
				set, body = flag("COMPRESSED"), make([]byte, 64)
				for i := range body {
					body[i] = 0xFF
				}
			case "long":
				body = x.Entropy("body").Bytes(size("message_to_server_before_wallet"))
			}
			_, err := s.Send(uint8(x.ParamInt("type")), set, body)
			send(x, err)
			judgeIgnored(x, s)
		},
	}
}

func extensionMidRecorded() conformance.Case {
	return conformance.Case{
		ID: "XC-0045", Title: "The mid of a frame of an extension type is recorded.",
		Proves: []string{"XTMP-TYP-010"}, Touches: []string{"XTMP-MSG-019", "XTMP-MSG-020"},
		Control: controlExtension, Expect: ignores("XTMP-TYP-010", "XTMP-MSG-020"),
		Explain: explain("Mids are counted over all types; a mid that is not recorded is a gap which never closes, or a "+
			"message that counts twice.",
			"A reliable frame of an extension type with mid 1, then a request of an unknown type with mid 1 again.",
			"extension frames are discarded before their mid is recorded", "mids are recorded when a message is dispatched"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			first, err := s.Request(typeExtension, nil)
			send(x, err)
			_, err = s.Send(typeUnknown, flag("REQUIRES_ACK"), nil, func(d *peer.Draft) {
				d.Plaintext.Prologue.SetUint("mid", first.Mid())
			})
			send(x, err)
			judgeIgnored(x, s, isAck)
		},
	}
}

func extensionUnanswered() conformance.Case {
	return conformance.Case{
		ID: "XC-0046", Title: "A frame of an extension type gets neither a reply nor an Error.",
		Proves: []string{"XTMP-TYP-011"}, Control: controlPing, Expect: ignores("XTMP-TYP-011"),
		Params: []conformance.Param{
			param("type", hexes(2, 0x80, typeExtension, 0xEF)...),
			param("flags", "none", "REQUIRES_ACK", "REPLY", "STREAMING", "FRAGMENT", "COMPRESSED", "PRIORITY",
				"REQUIRES_ACK+REPLY+STREAMING+PRIORITY+FRAGMENT+COMPRESSED"),
		},
		Explain: explain("Peers send such frames at random; answers to them would be noise, and an Error would alarm somebody.",
			"A frame of the type with the flags and a well-formed prologue.",
			"every unknown type is answered with UNSUPPORTED_TYPE", "flags without meaning for the type are refused"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			_, err := s.Send(uint8(x.ParamInt("type")), flagsOf(x), x.Entropy("body").Bytes(16), fillPrologue)
			send(x, err)
			judgeIgnored(x, s, isAck)
		},
	}
}

func extensionPrologue() conformance.Case {
	return conformance.Case{
		ID: "XC-0047", Title: "No prologue field but mid of a frame of an extension type is interpreted.",
		Proves: []string{"XTMP-TYP-012"}, Control: controlPing, Expect: ignores("XTMP-TYP-012"),
		Params: []conformance.Param{
			param("field", "reply_to", "sub_id", "n", "frag_id", "index", "count", "original_len"),
			param("value", "0", "max"),
		},
		Explain: explain("The fields have a meaning for types that are known; judging them for others closes sessions with newer peers.",
			"A frame of an extension type with every flag, in which one field of the prologue has its least or greatest value.",
			"the prologue is judged before the type", "reply_to is looked up among the requests", "count is used to reserve memory"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			all := flag("REQUIRES_ACK", "REPLY", "STREAMING", "FRAGMENT", "COMPRESSED")
			_, err := s.Send(typeExtension, all, x.Entropy("body").Bytes(16), fillPrologue, func(d *peer.Draft) {
				value := uint64(0)
				if x.Param("value") == "max" {
					value = 1<<64 - 1
				}
				d.Plaintext.Prologue.SetUint(x.Param("field"), value)
				if x.Param("field") == "index" && value > 0 { // original_len stands in index 0 only
					d.Plaintext.Prologue.Cut("original_len")
				}
			})
			send(x, err)
			judgeIgnored(x, s, isAck)
		},
	}
}
