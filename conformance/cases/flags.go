package cases

import (
	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// flags asks about flag bits, and about flags by type.
func flags() []conformance.Case {
	return []conformance.Case{
		undefinedFlag(), illegalCombination(), legalCombination(), legalForServerOnly(), flagsWithoutKey(), encryptedDisagrees(), priority(),
		refusedFlags("XC-0050", "A Heartbeat, Disconnect or Ack with a flag but PRIORITY is refused.",
			"XTMP-FLG-005", hexes(2, 0x03, 0x04, 0x05), "REQUIRES_ACK", "REPLY", "STREAMING", "FRAGMENT", "COMPRESSED"),
		refusedFlags("XC-0051", "An Error with exactly one of REQUIRES_ACK and REPLY is refused.",
			"XTMP-FLG-006", hexes(2, 0xFE), "REQUIRES_ACK", "REPLY"),
		refusedFlags("XC-0052", "An Error with STREAMING, FRAGMENT or COMPRESSED is refused.",
			"XTMP-FLG-007", hexes(2, 0xFE), "STREAMING", "FRAGMENT", "COMPRESSED", "REQUIRES_ACK+REPLY+FRAGMENT", "REQUIRES_ACK+REPLY+COMPRESSED"),
		refusedFlags("XC-0053", "A connection or wallet message with COMPRESSED is refused.",
			"XTMP-FLG-008", hexes(2, 0x01, 0x02, 0x06, 0x0F, 0x10, 0x13), "REQUIRES_ACK+COMPRESSED", "COMPRESSED"),
		refusedFlags("XC-0054", "A push that is also a request or a reply is refused.",
			"XTMP-FLG-009", hexes(2, 0x06, 0x40, typeUnknown, 0x7F), "STREAMING+REQUIRES_ACK", "STREAMING+REPLY", "STREAMING+REQUIRES_ACK+REPLY"),
		refusedFlags("XC-0055", "A reply that is not reliable is refused.",
			"XTMP-FLG-010", hexes(2, 0x06, 0x14, 0x40, typeUnknown, 0x7F), "REPLY", "REPLY+PRIORITY"),
		refusedFlags("XC-0056", "A handshake message with STREAMING is refused.",
			"XTMP-FLG-011", hexes(2, 0x01, 0x02), "STREAMING", "STREAMING+REQUIRES_ACK"),
		refusedFlags("XC-0057", "A message of type 0x01 with REPLY is refused.",
			"XTMP-FLG-012", hexes(2, 0x01), "REPLY", "REQUIRES_ACK+REPLY"),
		refusedFlags("XC-0058", "A message of type 0x02 with REPLY and not REQUIRES_ACK, or FRAGMENT and not REPLY, is refused.",
			"XTMP-FLG-013", hexes(2, 0x02), "REPLY", "FRAGMENT", "REQUIRES_ACK+FRAGMENT"),
		refusedFlags("XC-0059", "A message of type 0x01 with FRAGMENT and not REQUIRES_ACK is refused.",
			"XTMP-FLG-014", hexes(2, 0x01), "FRAGMENT", "FRAGMENT+PRIORITY"),
	}
}

// refusedFlags is a case about flags that no sender may set on some types.
func refusedFlags(id, title, requirement string, types []string, combinations ...string) conformance.Case {
	return conformance.Case{
		ID: id, Title: title, Proves: []string{requirement}, Touches: []string{"XTMP-FLG-004"},
		Control: controlPing, Expect: closes(requirement),
		Params: []conformance.Param{param("type", types...), param("flags", combinations...)},
		Explain: explain("The flags say how the prologue is to be read, so one that has no meaning for its type makes two readers disagree.",
			"A sealed frame of the type with the flags, a well-formed prologue for them, and a body that would get an answer, or "+
				"leave the session as it is.",
			"flags are judged when a message is dispatched, and answered by an Error", "flags that a type does not use are ignored"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			send(x, s.SendDrafts(wellFormed(x, s, uint8(x.ParamInt("type")), flagsOf(x))))
			judgeClosed(x, s)
		},
	}
}

// wellFormed drafts a frame whose prologue, envelope and body have nothing wrong
// but, perhaps, the flags. A server that passes the flags of a Disconnect answers
// its body with an Error.
func wellFormed(x *conformance.Exchange, s *peer.Session, messageType uint8, set uint16) *peer.Draft {
	body := x.Entropy("body").Bytes(16)
	switch messageType {
	case typeHeartbeat:
		body = peer.HeartbeatBody(peer.Ping, body[:8])
	case typeDisconnect: // one byte short: a correct one would end the connection whatever its flags
		body = s.DisconnectBody(0)[1:]
	case typeAck:
		body = peer.AckBody(0)
	case typeError:
		body = peer.ErrorBody(uint16(code("MALFORMED")), 0, noSequence, "")
	}
	d := s.Draft(messageType, set, body)
	fillPrologue(d)
	return d
}

func undefinedFlag() conformance.Case {
	return conformance.Case{
		ID: "XC-0060", Title: "A frame with an undefined flag closes the connection silently.",
		Proves: []string{"XTMP-FLG-002"}, Control: controlPing, Expect: closes("XTMP-FLG-002"),
		Params: []conformance.Param{param("bit", "7", "8", "9", "10", "11", "12", "13", "14", "15"), param("state", "handshake", "session")},
		Explain: explain("A flag may change how the prologue is read; a reader that ignores one it does not know reads "+
			"something else than was written.",
			"A ClientFinish or a PING, sealed with one undefined flag set.",
			"flags are masked and not compared", "only the flags of a first frame are judged"),
		Run: func(x *conformance.Exchange) {
			undefined := uint64(flag("ENCRYPTED") | 1<<x.ParamInt("bit"))
			if x.Param("state") == "session" {
				badPing(x, session(x), func(d *peer.Draft) { d.Frame.Header.SetUint("flags", undefined) })
				return
			}
			c := flight(x)
			d := c.FinishDraft()
			d.Frame.Header.SetUint("flags", undefined)
			send(x, c.SendDraft(d))
			judgeClosed(x, c)
		},
	}
}

// draws are the numbers of the random draws of a case.
func draws() conformance.Param {
	return param("draw", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16")
}

func illegalCombination() conformance.Case {
	return conformance.Case{
		ID: "XC-0061", Title: "A combination of type and flags that no row of the flag matrix allows closes the connection silently.",
		Proves: []string{"XTMP-FLG-004"}, Control: controlPing, Expect: closes("XTMP-FLG-004"),
		Params: []conformance.Param{draws()},
		Explain: explain("Frames are judged by one table before anything is reserved for them.",
			"A sealed frame of a random type with random flags that no row has for either role.",
			"some types are judged by rules of their own and the others not at all"),
		Run: func(x *conformance.Exchange) {
			messageType, set := draw(x, "either", false)
			s := session(x)
			send(x, s.SendDrafts(wellFormed(x, s, messageType, set)))
			judgeClosed(x, s)
		},
	}
}

func legalCombination() conformance.Case {
	return conformance.Case{
		ID: "XC-0062", Title: "A combination that the flag matrix allows to a client on types without meaning keeps the session.",
		Proves: []string{"XTMP-TYP-007"}, Touches: []string{"XTMP-MSG-029", "XTMP-MSG-030", "XTMP-MSG-031"}, Expect: accepts(),
		Params: []conformance.Param{draws()},
		Explain: explain("A server that refuses more than the table does loses sessions with newer clients.",
			"A sealed frame of a random unknown type with random flags that a row has for a client, and a PING.",
			"FRAGMENT or COMPRESSED is refused because the server has neither", "STREAMING is refused from a client"),
		Run: func(x *conformance.Exchange) {
			messageType, set := draw(x, "client", true)
			s := session(x)
			send(x, s.SendDrafts(wellFormed(x, s, messageType, set)))
			ping(x, s)
		},
	}
}

func legalForServerOnly() conformance.Case {
	return conformance.Case{
		ID: "XC-0063", Title: "A combination that is legal for a server only passes check 3 and is a violation at check 13.",
		Proves: []string{"XTMP-FLG-017"}, Touches: []string{"XTMP-MSG-037", "XTMP-MSG-038"},
		Control: controlRequest, Expect: violates("PROTOCOL_VIOLATION", "XTMP-FLG-017"),
		Params: []conformance.Param{param("frame", "0x06 REQUIRES_ACK+REPLY", "0x40 REQUIRES_ACK+REPLY", "0x5A REQUIRES_ACK+REPLY",
			"0x7F REQUIRES_ACK+REPLY+COMPRESSED", "0x02 REQUIRES_ACK", "0x02 REQUIRES_ACK+REPLY", "0x02 REQUIRES_ACK+REPLY+FRAGMENT")},
		Explain: explain("Only an opened frame shows who sent it, and an authenticated peer is told what it did wrong.",
			"A sealed frame of the type with flags that only a server sends.",
			"the table is applied with the role before the frame is opened, and the connection is closed silently",
			"a reply from a client is ignored"),
		Run: func(x *conformance.Exchange) {
			messageType, set := parseFrame(x, x.Param("frame"))
			s := session(x)
			send(x, s.SendDrafts(wellFormed(x, s, messageType, set)))
			judgeError(x, s)
		},
	}
}

func flagsWithoutKey() conformance.Case {
	return conformance.Case{
		ID: "XC-0064", Title: "A frame with key_id zero and any flag closes the connection silently.",
		Proves: []string{"XTMP-FLG-015"}, Control: controlHandshake, Expect: closes("XTMP-FLG-015"),
		Params: []conformance.Param{
			param("flags", "ENCRYPTED", "REQUIRES_ACK", "PRIORITY", "STREAMING", "COMPRESSED", "FRAGMENT", "REPLY"),
			param("state", "first", "session"),
		},
		Explain: explain("A clear frame has no prologue; a flag that calls for one would shift its body.",
			"A ClientHello with the flag, or a frame of a session with the flag whose key_id is zero; encryption_type agrees with ENCRYPTED.",
			"flags of clear frames are ignored", "PRIORITY is let through everywhere"),
		Run: func(x *conformance.Exchange) {
			set := flagsOf(x)
			if x.Param("state") == "session" {
				badPing(x, session(x), func(d *peer.Draft) {
					d.Frame.Header.Set("key_id", make([]byte, 16)).SetUint("flags", uint64(set|flag("ENCRYPTED")))
				})
				return
			}
			c := dial(x)
			hello := c.HelloDefaults()
			hello.Frame.Header.SetUint("flags", uint64(set)).SetUint("encryption_type", uint64(set&flag("ENCRYPTED")))
			send(x, c.SendHello(hello))
			judgeClosed(x, c)
		},
	}
}

func encryptedDisagrees() conformance.Case {
	return conformance.Case{
		ID: "XC-0065", Title: "A frame whose ENCRYPTED flag disagrees with encryption_type closes the connection silently.",
		Proves: []string{"XTMP-FLG-016"}, Control: controlPing, Expect: closes("XTMP-FLG-016"),
		Params: []conformance.Param{param("state", "first", "handshake", "session"), param("encrypted", "set", "clear")},
		Explain: explain("Two fields say the same thing; a receiver that believes one of them can be led by the other.",
			"A frame with ENCRYPTED set and encryption_type 0, or clear and encryption_type 1, sealed as it stands.",
			"one of the two fields is not looked at", "the comparison is made for clear frames only"),
		Run: func(x *conformance.Exchange) {
			disagree := func(d *peer.Draft) {
				if x.Param("encrypted") == "set" {
					d.Frame.Header.SetUint("flags", uint64(flag("ENCRYPTED"))).SetUint("encryption_type", 0)
				} else {
					d.Frame.Header.SetUint("flags", 0).SetUint("encryption_type", testkit.SuiteAES256GCM)
				}
			}
			switch x.Param("state") {
			case "first":
				c := dial(x)
				hello := c.HelloDefaults()
				disagree(hello.Draft)
				send(x, c.SendHello(hello))
				judgeClosed(x, c)
			case "handshake":
				c := flight(x)
				d := c.FinishDraft()
				disagree(d)
				send(x, c.SendDraft(d))
				judgeClosed(x, c)
			default:
				badPing(x, session(x), disagree)
			}
		},
	}
}

func priority() conformance.Case {
	return conformance.Case{
		ID: "XC-0066", Title: "PRIORITY is accepted in every sealed frame.",
		Proves: []string{"XTMP-FLG-018", "XTMP-MSG-050"}, Expect: accepts(),
		Explain: explain("PRIORITY concerns the queue of the sender alone.",
			"ClientFinish, Ack, PING, a request of an unknown type, a reliable extension frame, an Error of scope 0 and a "+
				"Disconnect, each with PRIORITY.",
			"flags of handshake frames have to be exactly ENCRYPTED", "PRIORITY is missing in the row of some type"),
		Run: func(x *conformance.Exchange) {
			urgent := func(d *peer.Draft) {
				d.Frame.Header.SetUint("flags", uint64(d.Frame.Flags()|flag("ENCRYPTED", "PRIORITY")))
			}
			s := sessionBy(x, peer.Script{NoAck: true, Finish: urgent})
			_, err := s.Send(typeAck, 0, peer.AckBody(0), urgent)
			send(x, err)
			ping(x, s, urgent)
			d, err := s.Request(typeUnknown, nil, urgent)
			send(x, err)
			judgeUnsupported(x, s, d.Mid())
			d, err = s.Request(typeExtension, nil, urgent)
			send(x, err)
			_, _, err = s.ExpectAck(d.Sequence, 0)
			x.Judge(observe(x, err, conformance.BudgetReply))
			_, err = s.Send(typeError, 0, peer.ErrorBody(uint16(code("MALFORMED")), 0, noSequence, ""), urgent)
			send(x, err)
			ping(x, s)
			_, err = s.Send(typeDisconnect, 0, s.DisconnectBody(0), urgent)
			send(x, err)
			requireEnd(x, s)
		},
	}
}
