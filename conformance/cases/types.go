package cases

import (
	"strings"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// types asks about message types.
func types() []conformance.Case {
	return []conformance.Case{
		neverSentType(), typeWithoutSession(), unknownTypeAccepted(), unknownTypeChecked(),
		extensionBody(), extensionMidRecorded(), extensionUnanswered(), extensionPrologue(), exercisingFrames(), flagsAndTypesSent(),
	}
}

func neverSentType() conformance.Case {
	return conformance.Case{
		ID: "XC-0040", Title: "A frame of a type that is never sent closes the connection silently in every state.",
		Proves: []string{"XTMP-TYP-005"}, Touches: []string{"XTMP-ORD-008"},
		Control: controlPing, Expect: closes("XTMP-TYP-005"),
		Params: []conformance.Param{
			param("state", "first", "handshake", "session"),
			param("type", hexes(2, 0x00, 0xF0, 0xF1, 0xF7, 0xFB, 0xFC, 0xFD, 0xFF)...),
		},
		Explain: explain("These values are kept free so that zeroed or erased memory is never a message.",
			"A frame that is correct for the state but for its type: ClientHello, ClientFinish or a PING.",
			"types above 0x7F are all taken for extensions", "type 0 gets UNSUPPORTED_TYPE", "an Error is sent"),
		Run: func(x *conformance.Exchange) {
			messageType := uint64(x.ParamInt("type"))
			switch x.Param("state") {
			case "first":
				c := dial(x)
				hello := c.HelloDefaults()
				hello.Frame.Header.SetUint("message_type", messageType)
				send(x, c.SendHello(hello))
				judgeClosed(x, c)
			case "handshake":
				c := flight(x)
				d := c.FinishDraft()
				d.Frame.Header.SetUint("message_type", messageType)
				send(x, c.SendDraft(d))
				judgeClosed(x, c)
			default:
				badPing(x, session(x), func(d *peer.Draft) { d.Frame.Header.SetUint("message_type", messageType) })
			}
		},
	}
}

func typeWithoutSession() conformance.Case {
	return conformance.Case{
		ID: "XC-0041", Title: "A first frame of a type that needs a session closes the connection silently.",
		Proves:  []string{"XTMP-TYP-006"},
		Control: controlHandshake, Expect: closes("XTMP-TYP-006"),
		Params: []conformance.Param{
			param("type", hexes(2, 0x03, 0x04, 0x05, 0x06, 0x10, 0x40, typeUnknown, 0x70, 0x7F, 0x80, typeExtension, 0xEF)...),
		},
		Explain: explain("A server that answers strangers tells them that it is there and can be made to answer somebody else.",
			"A clear frame, correct for a ClientHello but for its type.",
			"an unknown type is answered before the session is asked for", "extension types are discarded and the next frame is awaited"),
		Run: func(x *conformance.Exchange) {
			c := dial(x)
			hello := c.HelloDefaults()
			hello.Frame.Header.SetUint("message_type", uint64(x.ParamInt("type")))
			send(x, c.SendHello(hello))
			judgeClosed(x, c)
		},
	}
}

func unknownTypeAccepted() conformance.Case {
	return conformance.Case{
		ID: "XC-0042", Title: "A frame of any unknown type passes the checks and counts as received.",
		Proves: []string{"XTMP-TYP-007"}, Touches: []string{"XTMP-MSG-029", "XTMP-MSG-032", "XTMP-TYP-010"}, Expect: accepts(),
		Params: []conformance.Param{
			param("type", hexes(2, 0x06, 0x0F, 0x17, 0x2F, 0x3F, 0x4F, 0x50, 0x6F, 0x71, 0x7F, 0x80, 0x81, 0xC3, 0xEF)...),
		},
		Explain: explain("A new message type must not end sessions with older peers.",
			"A reliable frame of the type and, with the next sequence number, a PING.",
			"unknown types close the connection", "an unknown frame does not advance the expected sequence number"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			d, err := s.Request(uint8(x.ParamInt("type")), x.Entropy("body").Bytes(8))
			send(x, err)
			ping(x, s)
			x.RequireField("sequence number of the frame", 1, d.Sequence)
		},
	}
}

func unknownTypeChecked() conformance.Case {
	return conformance.Case{
		ID: "XC-0043", Title: "A frame of an unknown type that fails a check closes the connection silently, like any other.",
		Proves: []string{"XTMP-TYP-007"}, Touches: []string{"XTMP-ORD-019", "XTMP-ORD-022", "XTMP-ORD-025", "XTMP-NON-006"},
		Control: controlExtension, Expect: closes("XTMP-TYP-007"),
		Params: []conformance.Param{
			param("type", hexes(2, typeUnknown, typeExtension)...),
			param("check", "7 checksum", "8 timestamp", "9 sequence", "10 nonce", "11 tag"),
		},
		Explain: explain("Unknown is no reason to be lenient: a frame that nobody authenticated must not be answered or counted.",
			"A reliable frame of the type with one defect that the check finds.",
			"unknown types are sorted out before they are opened", "extension types are discarded by their header"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			_, err := s.Request(uint8(x.ParamInt("type")), x.Entropy("body").Bytes(8), func(d *peer.Draft) {
				number, _, _ := strings.Cut(x.Param("check"), " ")
				failCheck(x, d, number)
			})
			send(x, err)
			judgeClosed(x, s)
		},
	}
}

// failCheck gives a draft the defect that a check of chapter 7 finds first.
func failCheck(x *conformance.Exchange, d *peer.Draft, number string) {
	switch number {
	case "7":
		d.AfterSeal(func(f *testkit.Frame) {
			f.Encode() // computes the checksum that is to be wrong
			f.Header.Flip("checksum", 9)
		})
	case "8":
		ahead := x.AtLeast("T_STAMP_AHEAD") + margin(x)
		d.Frame.Header.SetUint("timestamp", d.Frame.Header.Uint("timestamp")+uint64(ahead.Microseconds()))
	case "9":
		d.Sequence++
	case "10":
		_, field := d.Keys.Nonce(d.Sequence)
		field[len(field)-1] ^= 1
		d.Frame.Header.Set("nonce", field)
	case "11":
		d.AfterSeal(func(f *testkit.Frame) { f.Header.Flip("auth_tag", 0) })
	}
}

// flagsOf reads names joined by + from the param "flags".
func flagsOf(x *conformance.Exchange) uint16 {
	if x.Param("flags") == "none" {
		return 0
	}
	return flag(strings.Split(x.Param("flags"), "+")...)
}

// fillPrologue gives the prologue fields of a draft values that a sender could
// mean: the first fragment of two, the first push of a subscription.
func fillPrologue(d *peer.Draft) {
	for _, field := range []struct {
		name  string
		value uint64
	}{{"reply_to", 1}, {"sub_id", 7}, {"n", 1}, {"frag_id", 1}, {"index", 0}, {"count", 2}, {"original_len", 64}} {
		if d.Plaintext.Prologue.Has(field.name) {
			d.Plaintext.Prologue.SetUint(field.name, field.value)
		}
	}
}

func exercisingFrames() conformance.Case {
	return toured(conformance.Case{
		ID: "XC-0048", Title: "Frames that exercise an extension type are rare and short.",
		Proves: []string{"XTMP-TYP-003", "XTMP-TYP-004"},
		Explain: conformance.Explain{
			Why:         "They keep a rule alive and are not meant to cost anything.",
			UsualCauses: []string{"one is sent with every message", "the payload is not bounded"},
		},
	})
}

func flagsAndTypesSent() conformance.Case {
	return toured(conformance.Case{
		ID: "XC-0049", Title: "Types and flags that a server sends are ones that the tables allow to a server.",
		Proves: []string{"XTMP-FLG-001", "XTMP-FLG-003", "XTMP-TYP-001"},
		Explain: conformance.Explain{
			Why: "A client closes on any other combination without saying why.",
			UsualCauses: []string{
				"an unsolicited Error is sent as a reliable message", "HandshakeDone lacks REQUIRES_ACK",
				"an internal marker is left in the flags",
			},
		},
	})
}
