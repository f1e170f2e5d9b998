package cases

import (
	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// attacksReplay returns the cases about frames where they do not belong.
func attacksReplay() []conformance.Case {
	return []conformance.Case{everyFrameAgain(), everyFrameElsewhere(), everyFrameReflected(), wrongSlot()}
}

// replayed are the frames of a client that the cases send again.
func replayed() conformance.Param {
	return param("frame", "PING", "PONG", "Ack", "request", "extension", "Error of scope 0", "message without mid")
}

// ownFrame makes a good frame of the client.
func ownFrame(x *conformance.Exchange, s *peer.Session, name string) *peer.Draft {
	switch name {
	case "PONG":
		return s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Pong, []byte("again")))
	case "Ack":
		return s.Draft(typeAck, 0, peer.AckBody(0))
	case "request":
		return s.Draft(typeUnknown, flag("REQUIRES_ACK"), x.Entropy("body").Bytes(16))
	case "extension":
		return s.Draft(typeExtension, flag("REQUIRES_ACK"), x.Entropy("body").Bytes(16))
	case "Error of scope 0":
		return s.Draft(typeError, 0, errorNamed(x, "Error MALFORMED 0"))
	case "message without mid":
		return s.Draft(typeUnknown, 0, x.Entropy("body").Bytes(16))
	}
	return s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, []byte("again")))
}

func everyFrameAgain() conformance.Case {
	return conformance.Case{
		ID: "XC-0920", Title: "A frame of any type that is sent again, at once or later, closes the connection silently.",
		Proves: []string{"XTMP-ORD-021"}, Touches: []string{"XTMP-TIM-009", "XTMP-ORD-003"}, Control: controlPing, Expect: closes("XTMP-ORD-021"),
		Params: []conformance.Param{replayed(), param("when", "at once", "after others")},
		Explain: explain("A replay that is harmless for one type is a payment for another; so there is one rule, before the type is looked at.",
			"A frame and its bytes again: behind it in the same write, or behind other frames that were answered.",
			"control messages and extensions are exempt", "mids are thought to be the protection, which frames without one do not have"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			d := ownFrame(x, s, x.Param("frame"))
			raw := d.Encode()
			if x.Param("when") == "at once" {
				send(x, s.WriteRaw(append(append([]byte(nil), raw...), raw...)))
				judgeEnd(x, s)
				return
			}
			send(x, s.SendDrafts(d))
			if _, err := s.Ping([]byte("between")); err != nil {
				unprepared(x, "a PONG", err)
			}
			send(x, s.WriteRaw(raw))
			judgeEnd(x, s)
		},
	}
}

// judgeEnd judges a peer that has to close silently but may first answer the good
// frame which came before the bad one.
func judgeEnd(x *conformance.Exchange, s *peer.Session) {
	frames, err := s.Drain(x.Within(conformance.BudgetClose))
	for _, r := range frames {
		o, told := told(x, r)
		if told && o.Kind != conformance.KindAccepted && r.ReplyTo() == 0 && !isUnsupported(r) {
			x.Judge(o)
		}
	}
	x.Judge(observe(x, err, conformance.BudgetClose))
	x.Require(len(frames) <= 2, "the good frame is answered once")
}

// isUnsupported fits the Error that an unknown type gets.
func isUnsupported(r *peer.Received) bool {
	return r.Error() != nil && int(r.Error().Code) == code("UNSUPPORTED_TYPE")
}

func everyFrameElsewhere() conformance.Case {
	return conformance.Case{
		ID: "XC-0921", Title: "A frame of any type that was sealed for another session closes the connection silently.",
		Proves: []string{"XTMP-ORD-016", "XTMP-ORD-017"}, Touches: []string{"XTMP-NON-005"}, Control: controlPing,
		Expect: closes("XTMP-ORD-016", "XTMP-ORD-017"),
		Params: []conformance.Param{replayed(), param("session_id", "as it was", "rewritten", "authenticated")},
		Explain: explain("Two sessions of one server, or of one client, count alike and look alike; nothing but their keys keeps a frame in "+
			"its own.",
			"The next frame of another live session: as it is, with the session_id of this one written over it, or sealed with that session_id "+
				"under the other session's key.",
			"keys are found by key_id alone, in a table of the whole server", "session_id is compared and key_id is not"),
		Run: func(x *conformance.Exchange) {
			s, other := session(x), session(x)
			d := ownFrame(x, other, x.Param("frame"))
			switch x.Param("session_id") {
			case "rewritten":
				d.AfterSeal(func(f *testkit.Frame) { f.Header.SetUint("session_id", s.ID) })
			case "authenticated":
				d.Frame.Header.SetUint("session_id", s.ID)
			}
			send(x, s.WriteRaw(d.Encode()))
			judgeClosed(x, s)
		},
	}
}

func everyFrameReflected() conformance.Case {
	return conformance.Case{
		ID: "XC-0922", Title: "A frame of any kind that comes back to the server which made it closes the connection silently.",
		Proves: []string{"XTMP-ORD-017", "XTMP-ORD-028"}, Touches: []string{"XTMP-ORD-001"}, Control: controlPing,
		Expect: closes("XTMP-ORD-017", "XTMP-ORD-028"),
		Params: []conformance.Param{
			param("frame", "ServerHello", "ServerFlight", "HandshakeDone", "PONG", "reply", "Ack", "Error"), param("to", "its own session",
				"another session"),
		},
		Explain: explain("The attack called Selfie made an endpoint talk to itself. Directions and sessions have keys of their own, so what "+
			"a server sealed opens for nobody who sends to it.",
			"A frame of the server, byte for byte, sent back in its session or in another one.",
			"a receiver looks a key up among all keys of the session", "server-only types are refused after the frame was acted on"),
		Run: func(x *conformance.Exchange) {
			s, frames := serverFrames(x)
			raw, there := frames[x.Param("frame")]
			if !there {
				x.Inconclusive("%s was not seen", x.Param("frame"))
			}
			if x.Param("to") == "another session" {
				s = session(x)
			}
			send(x, s.WriteRaw(raw))
			judgeClosed(x, s)
		},
	}
}

// serverFrames opens a session and collects one frame of each kind that the server
// sends.
func serverFrames(x *conformance.Exchange) (*peer.Session, map[string][]byte) {
	frames := map[string][]byte{}
	c := dial(x)
	keep := func(name string, r *peer.Received, err error) {
		if err != nil {
			unprepared(x, name, err)
		}
		frames[name] = r.Raw
	}
	send(x, c.SendHello(c.HelloDefaults()))
	readServerHello(x, c)
	keep("ServerHello", c.Last(), nil)
	readFlight(x, c)
	keep("ServerFlight", c.Last(), nil)
	s := c.Session()
	send(x, c.SendDraft(c.FinishDraft()))
	keep("HandshakeDone", readDone(x, s), nil)
	send(x, s.Ack())
	_, err := s.Ping([]byte("mirror"))
	keep("PONG", s.Last(), err)
	d, err := s.Request(typeUnknown, nil)
	send(x, err)
	r, _, err := s.ExpectReply(d.Mid(), 0)
	keep("reply", r, err)
	d, err = s.Request(typeExtension, nil)
	send(x, err)
	r, _, err = s.ExpectAck(d.Sequence, 0)
	keep("Ack", r, err)
	sendFrame(x, s, typeUnknown, 0, nil)
	_, _, err = s.ExpectError(0)
	keep("Error", s.Last(), err)
	return s, frames
}

func wrongSlot() conformance.Case {
	return conformance.Case{
		ID: "XC-0923", Title: "A frame under a key of another slot closes the connection silently.",
		Proves: []string{"XTMP-ORD-017", "XTMP-HSK-049"}, Touches: []string{"XTMP-NON-005"}, Control: controlPing,
		Expect: closes("XTMP-ORD-017", "XTMP-HSK-049"),
		Params: []conformance.Param{
			param("slot", "client handshake", "server handshake", "server path", "client attach", "server attach", "exporter"), param("state",
				"session", "before ClientFinish"),
		},
		Explain: explain("Each slot has a key for one purpose; a receiver that takes what opens under any of them lets one step of the "+
			"protocol stand for another.",
			"In a session a PING, or before it a ClientFinish, sealed with the key and key_id of another slot and the number that would be due.",
			"handshake keys live on after the handshake", "attach keys are installed though Attach is not implemented"),
		Run: func(x *conformance.Exchange) {
			if x.Param("state") == "session" {
				s := session(x)
				keys := slotKeys(s.Conn, x.Param("slot"))
				badPing(x, s, func(d *peer.Draft) { d.Keys = &keys })
				return
			}
			c := flight(x)
			keys := slotKeys(c, x.Param("slot"))
			if x.Param("slot") == "client handshake" { // the right one there: the path key is the wrong one
				keys, _ = c.Session().Keys()
			}
			sendFinish(x, c, func(d *peer.Draft) { d.Keys = &keys })
			judgeClosed(x, c)
		},
	}
}

// slotKeys are the keys of a slot of a session.
func slotKeys(c *peer.Conn, slot string) testkit.Keys {
	client, server := c.HandshakeKeys()
	_, path := c.Session().Keys()
	attach := testkit.Derive("attach", testkit.Values{"root": c.Schedule().Value("root_0")})
	return map[string]testkit.Keys{
		"client handshake": client, "server handshake": server, "server path": path,
		"client attach": testkit.DeriveKeys(attach.Value("ts_client")), "server attach": testkit.DeriveKeys(attach.Value("ts_server")),
		"exporter": testkit.DeriveKeys(c.Schedule().Value("exporter")),
	}[slot]
}
