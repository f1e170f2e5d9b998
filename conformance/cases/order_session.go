package cases

import (
	"fmt"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// orderSession returns the cases with a bad frame in an established session.
func orderSession() []conformance.Case {
	return []conformance.Case{
		spoiltPing("XC-0320", "a refused type, flag, stamp or nonce", "XTMP-ORD-002", "type", "flag", "timestamp", "nonce"),
		spoiltPing("XC-0329", "another magic", "XTMP-ORD-005", "magic"),
		spoiltPing("XC-0337", "a wrong checksum", "XTMP-ORD-019", "checksum"),
		foreignVersionInSession(), foreignSession(), foreignKey(), foreignSuite(), reflected(), repeatedSequence(), skippedSequence(),
		unopened(), nothingBehind(), clearInSession(), overlongInSession(), overlongErrorInSession(),
		lengthBeforeKey(), typeBeforeLength(), closeBeforeViolation(),
	}
}

// spoiltPing is a case with a PING that fails one check.
func spoiltPing(id, what, req string, defects ...string) conformance.Case {
	return conformance.Case{
		ID: id, Title: "A frame in a session with " + what + " is answered by closing silently.",
		Proves: []string{req}, Control: controlPing, Expect: closes(req), Params: []conformance.Param{param("defect", defects...)},
		Explain: explain("A frame that nobody authenticated gets no answer; an answer would be a tool for whoever forged it.",
			"A PING with one defect in its header; but for the checksum, what the tag covers was sealed as sent.",
			"the frame is dropped and the session goes on, as on UDP", "an Error names the check that failed"),
		Run: func(x *conformance.Exchange) {
			badPing(x, session(x), func(d *peer.Draft) { spoilFrame(x, d, x.Param("defect")) })
		},
	}
}

func foreignVersionInSession() conformance.Case {
	return conformance.Case{
		ID: "XC-0321", Title: "Another version byte in a session is answered by closing silently.",
		Proves: []string{"XTMP-ORD-006"}, Control: controlPing, Expect: closes("XTMP-ORD-006"),
		Params: []conformance.Param{param("version", "0", "2", "255")},
		Explain: explain("VERSION_UNSUPPORTED is for a client that has not met the server yet.",
			"A PING that is sealed with another version byte.",
			"VERSION_UNSUPPORTED is sent in every state", "the version is compared in the first frame only"),
		Run: func(x *conformance.Exchange) {
			badPing(x, session(x), func(d *peer.Draft) { d.Frame.Header.SetUint("version", uint64(x.ParamInt("version"))) })
		},
	}
}

func foreignSession() conformance.Case {
	return conformance.Case{
		ID: "XC-0322", Title: "A frame that names another session is answered by closing silently.",
		Proves: []string{"XTMP-ORD-016"}, Control: controlPing, Expect: closes("XTMP-ORD-016"),
		Params: []conformance.Param{param("session_id", "zero", "bit0", "bit63", "neighbour")},
		Explain: explain("A connection serves one session; frames for another one are routed by nobody.",
			"A PING under the right key that is sealed with another session_id: a changed one, or that of a session on another connection.",
			"the key is found by key_id alone", "0 is taken for the session of the connection"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			id := map[string]uint64{"bit0": s.ID ^ 1, "bit63": s.ID ^ 1<<63}[x.Param("session_id")]
			if x.Param("session_id") == "neighbour" {
				id = session(x).ID
			}
			badPing(x, s, func(d *peer.Draft) { d.Frame.Header.SetUint("session_id", id) })
		},
	}
}

func foreignKey() conformance.Case {
	return conformance.Case{
		ID: "XC-0323", Title: "A frame that names no receive key of the connection is answered by closing silently.",
		Proves: []string{"XTMP-ORD-017"}, Touches: []string{"XTMP-NON-005", "XTMP-HDR-033"}, Control: controlPing,
		Expect: closes("XTMP-ORD-017"),
		Params: []conformance.Param{param("key_id", "first bit", "last bit", "zero", "server", "neighbour")},
		Explain: explain("The key_id is what a frame is routed by; one that is close enough is not enough.",
			"A PING that opens under the path key but is sealed with another key_id.",
			"there is one key, so key_id is not compared", "only a part of it is compared"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			client, server := s.Keys()
			id := append([]byte(nil), client.KeyID...)
			switch x.Param("key_id") {
			case "first bit":
				id[0] ^= 0x80
			case "last bit":
				id[15] ^= 0x01
			case "zero":
				clear(id)
			case "server":
				id = server.KeyID
			case "neighbour":
				other, _ := session(x).Keys()
				id = other.KeyID
			}
			badPing(x, s, func(d *peer.Draft) { d.Frame.Header.Set("key_id", id) })
		},
	}
}

func foreignSuite() conformance.Case {
	return conformance.Case{
		ID: "XC-0324", Title: "A sealed frame that names another suite than the negotiated one is answered by closing silently.",
		Proves: []string{"XTMP-ORD-018"}, Control: controlPing, Expect: closes("XTMP-ORD-018"),
		Params: []conformance.Param{param("encryption_type", "2", "3", "255")},
		Explain: explain("The suite is agreed once; a frame that names another is the first step of changing it behind the peer's back.",
			"A PING under suite 1 that is sealed with another encryption_type.",
			"the field is written and never read"),
		Run: func(x *conformance.Exchange) {
			badPing(x, session(x), func(d *peer.Draft) {
				d.Frame.Header.SetUint("encryption_type", uint64(x.ParamInt("encryption_type")))
			})
		},
	}
}

func reflected() conformance.Case {
	return conformance.Case{
		ID: "XC-0325", Title: "A frame of the server that comes back to it is answered by closing silently.",
		Proves: []string{"XTMP-ORD-017"}, Control: controlPing, Expect: closes("XTMP-ORD-017"),
		Explain: explain("Directions have keys of their own; otherwise an attacker makes a server hear itself.",
			"The server's own PONG, byte for byte.",
			"send keys are among the keys that a frame is looked up in"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			if _, err := s.Ping([]byte("mirror")); err != nil {
				unprepared(x, "a PONG", err)
			}
			send(x, s.WriteRaw(s.Last().Raw))
			judgeClosed(x, s)
		},
	}
}

func repeatedSequence() conformance.Case {
	return conformance.Case{
		ID: "XC-0326", Title: "A repeated sequence number is answered by closing silently.",
		Proves: []string{"XTMP-ORD-021"}, Touches: []string{"XTMP-TIM-009"}, Control: controlPing, Expect: closes("XTMP-ORD-021"),
		Params: []conformance.Param{param("frame", "last", "first", "new")},
		Explain: explain("A replayed frame is a payment made twice; on TCP there is no honest reason for one.",
			"The last or the first frame of the session once more, byte for byte, or a new PING under the last sequence number.",
			"sequence numbers are compared with a window, as on UDP", "only a jump forward is refused"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			first := s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Pong, nil))
			send(x, s.SendDrafts(first))
			last := s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, []byte("once")))
			send(x, s.SendDrafts(last))
			judgeStep(x, s, "once")
			switch x.Param("frame") {
			case "last":
				send(x, s.WriteRaw(last.Frame.Encode()))
			case "first":
				send(x, s.WriteRaw(first.Frame.Encode()))
			case "new":
				again := s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, []byte("twice")))
				again.Sequence = last.Sequence
				send(x, s.SendDrafts(again))
			}
			judgeClosed(x, s)
		},
	}
}

// judgeStep waits for the PONG on the way to what the case asks about.
func judgeStep(x *conformance.Exchange, s *peer.Session, data string) {
	_, _, err := s.Expect(0, func(r *peer.Received) bool {
		return r.Is(typeHeartbeat) && string(r.Plaintext.Body) == string(peer.HeartbeatBody(peer.Pong, []byte(data)))
	})
	if err != nil {
		unprepared(x, "a PONG", err)
	}
}

func skippedSequence() conformance.Case {
	return conformance.Case{
		ID: "XC-0327", Title: "A skipped sequence number is answered by closing silently.",
		Proves: []string{"XTMP-ORD-022"}, Control: controlPing, Expect: closes("XTMP-ORD-022"),
		Params: []conformance.Param{param("skip", "1", "2", "0x10000", "0x100000000")},
		Explain: explain("On TCP a gap means that somebody took frames out of the stream.",
			"A correct PING whose sequence number leaves some out.",
			"any higher number is taken, as on UDP", "numbers are compared in fewer bits than they have"),
		Run: func(x *conformance.Exchange) {
			badPing(x, session(x), func(d *peer.Draft) { d.Sequence += uint64(x.ParamInt("skip")) })
		},
	}
}

func unopened() conformance.Case {
	return conformance.Case{
		ID: "XC-0328", Title: "A frame that does not open is answered by closing silently.",
		Proves: []string{"XTMP-ORD-025"}, Touches: []string{"XTMP-HDR-026"}, Control: controlPing, Expect: closes("XTMP-ORD-025"),
		Params: []conformance.Param{param("changed", "tag first", "tag last", "ciphertext", "timestamp", "PRIORITY", "type")},
		Explain: explain("The tag is what makes the header true; a byte outside it is a byte that anyone may change.",
			"A PING of which one bit was changed after sealing; the checksum is right.",
			"the tag is cut short", "a field of the header is left out of the AAD", "an Error is sent"),
		Run: func(x *conformance.Exchange) {
			badPing(x, session(x), func(d *peer.Draft) {
				d.AfterSeal(func(f *testkit.Frame) { changeSealed(f, x.Param("changed")) })
			})
		},
	}
}

func changeSealed(f *testkit.Frame, what string) {
	switch what {
	case "tag first":
		f.Header.Flip("auth_tag", 127)
	case "tag last":
		f.Header.Flip("auth_tag", 0)
	case "ciphertext":
		f.Payload[len(f.Payload)-1] ^= 1
	case "timestamp":
		f.Header.Flip("timestamp", 0)
	case "PRIORITY":
		f.Header.SetUint("flags", uint64(f.Flags()^flag("PRIORITY")))
	case "type":
		f.Header.SetUint("message_type", typeExtension)
	}
}

func nothingBehind() conformance.Case {
	return conformance.Case{
		ID: "XC-0330", Title: "Nothing is processed behind a frame that failed a check.",
		Proves: []string{"XTMP-ORD-003", "XTMP-ORD-002"}, Control: controlPing, Expect: closes("XTMP-ORD-003"),
		Params: []conformance.Param{
			param("defect", "version", "type", "flag", "session_id", "key_id", "encryption_type", "checksum", "timestamp", "sequence", "nonce",
				"tag"),
			param("next", "same", "following"),
		},
		Explain: explain("After a bad frame the stream is not the one that the client sent; going on means to trust what follows.",
			"A bad PING and a good one behind it in one write, under the same sequence number or the following one.",
			"bad frames are dropped and the next is read", "a bad frame counts as received",
			"the rest of the read batch is processed before the close"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			bad := s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, []byte("bad")))
			good := s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, []byte("good")))
			if x.Param("next") == "same" {
				good.Sequence = bad.Sequence
			}
			spoilFrame(x, bad, x.Param("defect"))
			send(x, s.SendDrafts(bad, good))
			judgeClosed(x, s)
		},
	}
}

func clearInSession() conformance.Case {
	return conformance.Case{
		ID: "XC-0331", Title: "A clear frame in a session is answered by closing silently.",
		Proves: []string{"XTMP-ORD-028"}, Touches: []string{"XTMP-HSK-089"}, Control: controlPing, Expect: closes("XTMP-ORD-028"),
		Params: []conformance.Param{clearFrames(), param("session_id", "zero", "ours")},
		Explain: explain("A clear frame can be forged by anyone on the way; it must neither be obeyed nor overlooked.",
			"A clear frame of each kind in an established session.",
			"clear frames are ignored once keys are there", "a clear Error ends the session with a reason that nobody authenticated"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			f := clearFrame(x, s.Conn)
			if x.Param("session_id") == "ours" {
				f.Header.SetUint("session_id", s.ID)
			}
			send(x, s.SendFrame(f))
			judgeClosed(x, s)
		},
	}
}

// sendOverlong sends the 96 bytes of a frame that announces n bytes of payload.
func sendOverlong(x *conformance.Exchange, s *peer.Session, messageType uint8, n uint64, edits ...func(*peer.Draft)) {
	d := s.Draft(messageType, 0, peer.HeartbeatBody(peer.Ping, nil))
	for _, edit := range edits {
		edit(d)
	}
	d.AfterSeal(func(f *testkit.Frame) { announceLength(f, n) })
	send(x, s.SendDrafts(d))
}

// judgeTooLarge judges the answer to an over-long frame in a session.
func judgeTooLarge(x *conformance.Exchange, s *peer.Session) {
	judgeError(x, s)
	e := s.Last().Error()
	x.Require(e != nil && !e.Clear, "the Error is sealed")
	x.RequireField("ref_seq", uint64(noSequence), e.RefSeq)
}

func overlongInSession() conformance.Case {
	return conformance.Case{
		ID: "XC-0332", Title: "An over-long frame in a session gets a sealed Error PAYLOAD_TOO_LARGE of scope 1 at its header.",
		Proves: []string{"XTMP-ORD-011", "XTMP-ORD-009"}, Touches: []string{"XTMP-LIM-002", "XTMP-ERR-007", "XTMP-HDR-009"},
		Control: controlPing,
		Expect:  refuses("PAYLOAD_TOO_LARGE", "XTMP-ORD-011"),
		Params: []conformance.Param{
			param("type", hexes(2, typeHandshake, typeHeartbeat, typeAck, typeUnknown, typeExtension)...),
			param("payload_length", fmt.Sprint(size("frame_payload_before_wallet")+1), "16777217", "4294967295"),
		},
		Explain: explain("The client learns that its message was too large and must not send it again; a plain close would make it try again.",
			"The 96 bytes of a sealed frame that announces too long a payload, and nothing else.",
			"the payload is waited for", "the connection is closed silently", "ref_seq names a frame that nobody authenticated"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			sendOverlong(x, s, uint8(x.ParamInt("type")), uint64(x.ParamInt("payload_length")))
			judgeTooLarge(x, s)
		},
	}
}

func overlongErrorInSession() conformance.Case {
	return conformance.Case{
		ID: "XC-0333", Title: "An over-long Error is answered by closing silently.",
		Proves: []string{"XTMP-ORD-030", "XTMP-ORD-009"}, Touches: []string{"XTMP-ERR-003"}, Control: controlPing,
		Expect: closes("XTMP-ORD-030"),
		Params: []conformance.Param{param("payload_length", fmt.Sprint(size("frame_payload_before_wallet")+1), "4294967295")},
		Explain: explain("An Error is never answered by an Error, however bad it is.",
			"The 96 bytes of a frame of type 0xFE that announces too long a payload.",
			"the length is judged without regard to the type"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			sendOverlong(x, s, typeError, uint64(x.ParamInt("payload_length")))
			judgeClosed(x, s)
		},
	}
}

func lengthBeforeKey() conformance.Case {
	return conformance.Case{
		ID: "XC-0334", Title: "The length is judged before everything behind it in a session.",
		Proves: []string{"XTMP-ORD-001"}, Control: controlPing, Expect: refuses("PAYLOAD_TOO_LARGE", "XTMP-ORD-001"),
		Params: []conformance.Param{param("defect", "session_id", "key_id", "encryption_type", "checksum", "timestamp", "sequence", "nonce",
			"tag")},
		Explain: explain("What costs nothing comes first; the later checks need the payload, which is not there.",
			"The 96 bytes of an over-long frame that fails a later check as well.",
			"the key is searched when the header is read", "the checksum decides first"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			sendOverlong(x, s, typeHeartbeat, 1<<24, func(d *peer.Draft) { spoilFrame(x, d, x.Param("defect")) })
			judgeTooLarge(x, s)
		},
	}
}

func typeBeforeLength() conformance.Case {
	return conformance.Case{
		ID: "XC-0335", Title: "Magic, version, type and flags are judged before the length in a session.",
		Proves: []string{"XTMP-ORD-001", "XTMP-ORD-002"}, Control: controlPing, Expect: closes("XTMP-ORD-001"),
		Params: []conformance.Param{param("defect", "magic", "version", "type", "flag")},
		Explain: explain("Bytes that are no frame have no length; an answer to them goes to somebody who speaks something else.",
			"The 96 bytes of an over-long frame that fails an earlier check as well.",
			"the length is judged while the header is read"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			sendOverlong(x, s, typeHeartbeat, 1<<24, func(d *peer.Draft) { spoilFrame(x, d, x.Param("defect")) })
			judgeClosed(x, s)
		},
	}
}

func closeBeforeViolation() conformance.Case {
	return conformance.Case{
		ID: "XC-0336", Title: "A frame that fails a check is closed on before its meaning is judged.",
		Proves: []string{"XTMP-ORD-001", "XTMP-ORD-002"}, Control: controlPing, Expect: closes("XTMP-ORD-001"),
		Params: []conformance.Param{param("defect", "session_id", "key_id", "encryption_type", "checksum", "timestamp", "sequence", "nonce",
			"tag")},
		Explain: explain("A violation is what an authenticated peer did; a frame that failed a check was sent by nobody known.",
			"A Heartbeat of 65 bytes, which would be a violation, in a frame that fails an earlier check.",
			"the body is judged while the frame is parsed", "violations are answered before the tag was verified"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			_, err := s.Send(typeHeartbeat, 0, make([]byte, size("heartbeat_payload_max")+1), func(d *peer.Draft) {
				spoilFrame(x, d, x.Param("defect"))
			})
			send(x, err)
			judgeClosed(x, s)
		},
	}
}
