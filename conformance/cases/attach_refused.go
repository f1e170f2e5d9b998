package cases

import (
	"strconv"
	"strings"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// attachRefused returns the cases of 13.3 about an Attach over TCP that is refused,
// silently or by its status.
func attachRefused() []conformance.Case {
	return []conformance.Case{
		lowerCounter(), counterElsewhere(), secondCounter(), attachInSession(), attachFlags(), attachEnvelope(), otherTypeFirst(),
		noAttachSlot(), unopenedAttach(), malformedAttach(), longestAttach(), overlongAttach(), attachWhileBusy(),
	}
}

func lowerCounter() conformance.Case {
	return conformance.Case{
		ID: "XC-1320", Title: "An attach counter below the highest that was used closes the connection silently.",
		Proves: []string{"XTMP-ATT-021"}, Control: "XC-1303", Expect: closes("XTMP-ATT-021"),
		Params: []conformance.Param{param("counter", "0", "highest - 1"), param("path", "open", "live", "ended")},
		Explain: explain("Counters are what makes each Attach a single one; who has recorded an old one must not get a path by it.",
			"An Attach with counter 1000, whose path is left without a frame, is used, or has ended; then one with a lower counter, correct in "+
				"every other respect. The session goes on.",
			"only the last counter itself is refused", "the highest counter goes with its path"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			b := attach(x, s, onTCP, withCounter(1000))
			if x.Param("path") != "open" {
				prepare(x, b)
			}
			if x.Param("path") == "ended" {
				hangUp(x, b, "end of stream")
			}
			c, _ := offer(x, s, withCounter(map[string]uint64{"highest - 1": 999}[x.Param("counter")]))
			judgeClosed(x, c)
			requireLives(x, s)
		},
	}
}

func counterElsewhere() conformance.Case {
	return conformance.Case{
		ID: "XC-1321", Title: "An Attach whose counter was used on another connection closes its connection silently.",
		Proves: []string{"XTMP-ATT-026"}, Control: controlAttach, Expect: closes("XTMP-ATT-026"),
		Params: []conformance.Param{param("frame", "the same", "sealed anew"), param("path", "open", "live", "ended")},
		Explain: explain("Whoever copies an Attach off the wire can send it from elsewhere; it must get neither a path nor an answer.",
			"An Attach that makes a path; then, on another connection, the same frame or another one with its counter. Path and session go on.",
			"the AttachAck that is kept is sent to whoever asks", "the second connection takes the place of the first"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			c, a := offer(x, s)
			acknowledged(x, c, a)
			b := c.Attached(a)
			if x.Param("path") != "open" {
				prepare(x, b)
			}
			if x.Param("path") == "ended" {
				hangUp(x, b, "end of stream")
			}
			other := s.NewPath(another(x))
			if x.Param("frame") == "the same" {
				send(x, other.SendAttach(a))
			} else {
				second := other.AttachDefaults()
				withCounter(a.Counter)(second)
				send(x, other.SendAttach(second))
			}
			judgeClosed(x, other)
			if x.Param("path") != "ended" {
				requireLives(x, b)
			}
			requireLives(x, s)
		},
	}
}

func secondCounter() conformance.Case {
	return conformance.Case{
		ID: "XC-1322", Title: "An Attach with another counter on the same connection closes it silently.",
		Proves: []string{"XTMP-ATT-028"}, Control: controlAttach, Expect: closes("XTMP-ATT-028"),
		Params: []conformance.Param{param("counter", "next", "lower")},
		Explain: explain("A connection is one attempt; two in one would make it two paths.",
			"An Attach that is answered, and then one with another counter on its connection, before any other frame.",
			"a second path is made on the same connection", "AttachAck of the first is sent again"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			c, a := offer(x, s, withCounter(5))
			acknowledged(x, c, a)
			second := c.AttachDefaults()
			withCounter(map[string]uint64{"next": 6, "lower": 4}[x.Param("counter")])(second)
			send(x, c.SendAttach(second))
			judgeClosed(x, c)
			requireLives(x, s)
		},
	}
}

func attachInSession() conformance.Case {
	return conformance.Case{
		ID: "XC-1323", Title: "An Attach behind a path frame closes the connection silently.",
		Proves: []string{"XTMP-ATT-029"}, Touches: []string{"XTMP-ORD-017"}, Control: controlAttach, Expect: closes("XTMP-ATT-029"),
		Params: []conformance.Param{param("frame", "the same", "next counter"), param("path", "attached", "of the handshake")},
		Explain: explain("Once a path frame has opened, the attach keys are no keys of the connection any more.",
			"On an attached path, after a PING that was answered, its own Attach again or one with the next counter; or an Attach on the path "+
				"of the handshake. The other path goes on.",
			"attach keys stay among the receive keys of a connection", "the AttachAck is kept for ever"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			c, a := offer(x, s)
			acknowledged(x, c, a)
			b := c.Attached(a)
			prepare(x, b)
			hit, other := b, s
			if x.Param("path") == "of the handshake" {
				hit, other = s, b
			}
			if x.Param("frame") == "the same" {
				send(x, hit.SendAttach(a))
			} else {
				send(x, hit.SendAttach(hit.AttachDefaults()))
			}
			judgeClosed(x, hit.Conn)
			requireLives(x, other)
		},
	}
}

func attachFlags() conformance.Case {
	return conformance.Case{
		ID: "XC-1324", Title: "An Attach with a flag other than ENCRYPTED and PRIORITY closes the connection silently.",
		Proves: []string{"XTMP-ATT-023"}, Control: controlAttach, Expect: closes("XTMP-ATT-023"),
		Params: []conformance.Param{param("flags", "REQUIRES_ACK", "REQUIRES_ACK and mid", "REPLY", "STREAMING", "COMPRESSED",
			"REQUIRES_ACK+FRAGMENT", "0x0080",
			"0x8000")},
		Explain: explain("A flag changes what stands in front of the envelope; one that is ignored is a second meaning of the same bytes.",
			"An Attach, correct but for its flags. The session goes on.",
			"flags are judged by type and not by key slot", "flags are not looked at before there is a path"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			set := map[string]uint16{
				"REQUIRES_ACK": flag("REQUIRES_ACK"), "REPLY": flag("REPLY"), "STREAMING": flag("STREAMING"), "COMPRESSED": flag("COMPRESSED"),
				"REQUIRES_ACK+FRAGMENT": flag("REQUIRES_ACK", "FRAGMENT"), "0x0080": 0x0080, "0x8000": 0x8000,
			}[x.Param("flags")]
			c, _ := offer(x, s, func(a *peer.Attach) {
				a.Frame.Header.SetUint("flags", uint64(set|flag("ENCRYPTED")))
				if x.Param("flags") == "REQUIRES_ACK and mid" {
					numbered(a)
				}
			})
			judgeClosed(x, c)
			requireLives(x, s)
		},
	}
}

// numbered makes an Attach a reliable message, prologue and all.
func numbered(a *peer.Attach) {
	a.Frame.Header.SetUint("flags", uint64(flag("ENCRYPTED", "REQUIRES_ACK")))
	a.Plaintext.Prologue = testkit.ComposeFlags("prologue", flag("REQUIRES_ACK")).SetUint("mid", 1)
}

func attachEnvelope() conformance.Case {
	return conformance.Case{
		ID: "XC-1325", Title: "An Attach with a bad envelope or another hs_type closes the connection silently.",
		Proves: []string{"XTMP-ATT-024"}, Control: controlAttach, Expect: closes("XTMP-ATT-024"),
		Params: []conformance.Param{param("envelope", "frag_count 2", "frag_index 1", "token_len 48", "total_len 47", "total_len 49", "15 bytes",
			"hs_type 0", "hs_type 1", "hs_type 5", "hs_type 17", "hs_type 32", "hs_type 255")},
		Explain: explain("The key slot is part of what a message is; what is no Attach has no place under an attach key.",
			"A frame under the attach key, correct but for its envelope. The session goes on.",
			"the status MALFORMED is sent", "hs_type is not looked at, since only Attach has this key"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			c, _ := offer(x, s, func(a *peer.Attach) { spoilEnvelope(a, x.Param("envelope")) })
			judgeClosed(x, c)
			requireLives(x, s)
		},
	}
}

// spoilEnvelope makes the envelope of an Attach a bad one, or one of another message.
func spoilEnvelope(a *peer.Attach, how string) {
	e := a.Plaintext.Envelope
	field, value, _ := strings.Cut(how, " ")
	if n, err := strconv.ParseUint(value, 10, 8); err == nil {
		e.SetUint(field, n)
		return
	}
	a.Body, a.Plaintext.Envelope, a.Plaintext.Body = nil, nil, e.Encode()[:15]
}

func otherTypeFirst() conformance.Case {
	return conformance.Case{
		ID: "XC-1326", Title: "A sealed first frame of another type than 0x01 closes the connection silently.",
		Proves: []string{"XTMP-ATT-020"}, Control: controlAttach, Expect: closes("XTMP-ATT-020"),
		Params: []conformance.Param{
			param("type", hexes(2, typeHandshakeAck, typeHeartbeat, typeDisconnect, typeAck, typeUnknown, typeExtension, typeError)...),
			param("session", "known", "unknown"),
		},
		Explain: explain("Only Attach opens a connection of a session that exists. Everything else is a frame that lost its way, or a probe.",
			"A frame under the client's attach key, correct but for its type, of a session that the server has or has not.",
			"SESSION_UNKNOWN is sent whatever the type", "a path frame finds its session by session_id"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			c, _ := offer(x, s, func(a *peer.Attach) {
				a.Frame.Header.SetUint("message_type", uint64(x.ParamInt("type")))
				if x.Param("session") == "unknown" {
					a.Frame.Header.SetUint("session_id", strange(x))
				}
			})
			judgeClosed(x, c)
			requireLives(x, s)
		},
	}
}

// strange is a session_id that no server has given, in all likelihood.
func strange(x *conformance.Exchange) uint64 {
	return testkit.Uint(x.Entropy("session").Bytes(8))&uint64(size("session_id_max")) | 1
}

func noAttachSlot() conformance.Case {
	return conformance.Case{
		ID: "XC-1327", Title: "A sealed first frame under a key that is no attach slot of its session closes the connection silently.",
		Proves: []string{"XTMP-ATT-019"}, Touches: []string{"XTMP-PTH-010"}, Control: controlAttach, Expect: closes("XTMP-ATT-019"),
		Params: []conformance.Param{param("slot", "client path", "client handshake", "server attach", "next epoch", "another session", "nobody")},
		Explain: explain("A session_id is no secret; what proves the session is the attach key alone.",
			"An Attach that is correct but for the slot under which it is sealed. The session goes on.",
			"SESSION_UNKNOWN is sent because no key was found", "every key of the session is tried", "a frame that comes back is taken for an "+
				"Attach"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			keys := foreignKeys(x, s, x.Param("slot"))
			c, _ := offer(x, s, func(a *peer.Attach) { a.Keys = &keys })
			judgeClosed(x, c)
			requireLives(x, s)
		},
	}
}

// foreignKeys are keys that are no attach slot of a session for a client.
func foreignKeys(x *conformance.Exchange, s *peer.Session, slot string) testkit.Keys {
	attachOf := func(root []byte, secret string) testkit.Keys {
		return testkit.DeriveKeys(testkit.Derive("attach", testkit.Values{"root": root}).Value(secret))
	}
	switch slot {
	case "client path":
		client, _ := s.Keys()
		return client
	case "client handshake":
		client, _ := s.HandshakeKeys()
		return client
	case "server attach":
		return attachOf(s.Schedule().Value("root_0"), "ts_server")
	case "next epoch":
		zero := make([]byte, 32)
		root := testkit.Derive("rekey", testkit.Values{
			"root": s.Schedule().Value("root_0"), "mlkem_ss": zero, "x25519_ss": zero, "rekey_init": nil, "rekey_resp": nil,
		}).Value("root_next")
		return attachOf(root, "ts_client")
	case "another session":
		return attachOf(session(x).Schedule().Value("root_0"), "ts_client")
	}
	return testkit.DeriveKeys(x.Entropy("keys").Bytes(48))
}

func unopenedAttach() conformance.Case {
	return conformance.Case{
		ID: "XC-1328", Title: "An Attach that fails a check closes the connection silently and does not use up its counter.",
		Proves: []string{"XTMP-ATT-022"}, Touches: []string{"XTMP-ORD-001"}, Control: controlAttach, Expect: closes("XTMP-ORD-001"),
		Params: []conformance.Param{
			param("defect", "magic", "checksum", "encryption_type", "nonce", "tag", "payload", "counter"), param("n", "0", "2^32 - 1"),
		},
		Explain: explain("A stranger who knows a session_id and a key_id could otherwise use up every counter of the session.",
			"An Attach with a defect outside of what is sealed, or with a changed sequence number; then, on another connection, a correct one "+
				"with the counter that the first one had on the wire.",
			"the highest counter is written before the frame is opened", "any failed Attach locks the slot"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			n := map[string]uint64{"2^32 - 1": 1<<32 - 1}[x.Param("n")]
			c, _ := offer(x, s, withCounter(n), func(a *peer.Attach) { spoilOutside(a.Draft, x.Param("defect")) })
			judgeClosed(x, c)
			again, a := offer(x, s, withCounter(n))
			x.Require(answerOf(x, again, a).Kind == conformance.KindAccepted, "the counter of an Attach that did not open is not used")
			requireLives(x, again.Attached(a))
			requireLives(x, s)
		},
	}
}

// spoilOutside gives a draft a defect that shows before it opens, or in the tag.
func spoilOutside(d *peer.Draft, defect string) {
	switch defect {
	case "tag":
		flipTag(d)
	case "payload":
		flipPayload(d)
	case "counter":
		d.Sequence ^= 1
		d.AfterSeal(func(f *testkit.Frame) { f.Header.SetUint("sequence_number", d.Sequence^1) })
	default:
		d.AfterSeal(func(f *testkit.Frame) {
			switch h := f.Header; defect {
			case "magic":
				h.Set("magic", []byte("XTMQ"))
			case "checksum":
				h.SetUint("checksum", 0x01020304)
			case "encryption_type":
				h.SetUint("encryption_type", 2)
			case "nonce":
				h.Set("nonce", flipped(h.Bytes("nonce")))
			}
		})
	}
}

// statusIs is the table of an Attach that is answered by another status than 0.
func statusIs(name string, because ...string) conformance.Expect {
	return conformance.Expect{
		Strict: []conformance.Reaction{conformance.Row(conformance.ErrorFrame(code(name), conformance.ScopePath), because...)},
		Forbidden: append(conformance.Closed("AttachAck is due before the end"),
			conformance.Row(conformance.Accepted(), "the Attach has to be refused")),
	}
}

func malformedAttach() conformance.Case {
	return conformance.Case{
		ID: "XC-1329", Title: "A malformed Attach is answered by the status MALFORMED, makes no path, and ends the connection.",
		Proves: []string{"XTMP-ATT-030", "XTMP-ATT-031", "XTMP-ATT-033", "XTMP-ATT-034"}, Touches: []string{"XTMP-CON-003", "XTMP-CON-004"},
		Control: controlAttach, Expect: statusIs("MALFORMED", "XTMP-ATT-030"),
		Params: []conformance.Param{param("body", "empty", "47 bytes", "49 bytes", "zero 0x0001", "zero 0x0100", "other counter", "kind 0",
			"kind 2", "kind 3",
			"flags 0x02", "flags 0x80", "flags 0x03")},
		Explain: explain("Whoever sent it holds the session, so it may know why it was refused, and tries again with its next counter.",
			"An Attach that opens and whose body is wrong; after its answer a PING as if there were a path. The session goes on, and the "+
				"counter is used.",
			"the connection is closed without an answer", "undefined flags are ignored, as they are elsewhere", "the counter can be used again"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			c, a := offer(x, s, func(a *peer.Attach) { spoilAttach(a, x.Param("body")) })
			x.Judge(answerOf(x, c, a))
			ghost := c.Attached(a)
			raw := ghost.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, []byte("ghost"))).Encode()
			_ = c.WriteRaw(raw) // the connection may be gone
			requireEnd(x, c)
			requireClean(x, c)
			again, _ := offer(x, s, withCounter(a.Counter))
			x.Require(reaction(x, again, conformance.BudgetClose).IsClose(), "the counter of the malformed Attach is used")
			requireLives(x, requireStays(x, s))
			requireLives(x, s)
		},
	}
}

// spoilAttach makes the body of an Attach a malformed one.
func spoilAttach(a *peer.Attach, how string) {
	whole := a.Body.Encode()
	field, value, _ := strings.Cut(how, " ")
	n, err := strconv.ParseUint(value, 0, 16)
	switch {
	case how == "other counter":
		a.Body.SetUint("counter", a.Counter+1)
	case err == nil:
		a.Body.SetUint(field, n)
	default:
		a.Body = nil
		a.Plaintext.Body = map[string][]byte{"47 bytes": whole[:47], "49 bytes": append(whole, 0)}[how]
	}
}

func longestAttach() conformance.Case {
	return conformance.Case{
		ID: "XC-1330", Title: "An Attach with the longest payload before a session is read, and answered by the status MALFORMED.",
		Proves: []string{"XTMP-LIM-001", "XTMP-ATT-030"}, Touches: []string{"XTMP-HDR-008"}, Control: controlAttach,
		Expect: statusIs("MALFORMED", "XTMP-ATT-030"),
		Explain: explain("The limit of 8208 holds for the first frame of a connection, whatever it is.",
			"An Attach whose body has 8192 bytes.", "Attach has a limit of its own", "the limit is compared with the whole frame"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			c, a := offer(x, s, func(a *peer.Attach) { a.Trailing = make([]byte, size("handshake_message")-len(a.Body.Encode())) })
			x.Judge(answerOf(x, c, a))
			requireEnd(x, c)
			requireLives(x, s)
		},
	}
}

func overlongAttach() conformance.Case {
	return conformance.Case{
		ID: "XC-1331", Title: "A sealed first frame whose payload is one byte too long is refused.",
		Proves: []string{"XTMP-LIM-001"}, Touches: []string{"XTMP-HSK-076", "XTMP-HDR-009"}, Control: controlAttach,
		Expect: refuses("PAYLOAD_TOO_LARGE", "XTMP-LIM-001", "XTMP-HSK-076"),
		Params: []conformance.Param{param("payload_length", "8209", "65600", "16777217", "4294967295")},
		Explain: explain("Until it opens, an Attach is a stranger's frame.",
			"The first 96 bytes of an Attach that announces that many bytes of payload. The session goes on.",
			"the limit of the session that it names is used", "the length is judged when the payload has come"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			c := s.NewPath(another(x))
			a := c.AttachDefaults()
			a.AfterSeal(announce(x.ParamInt("payload_length")))
			send(x, c.WriteRaw(a.Encode()[:testkit.HeaderSize]))
			judgeError(x, c)
			requireLives(x, s)
		},
	}
}

func attachWhileBusy() conformance.Case {
	return conformance.Case{
		ID: "XC-1332", Title: "An Attach from a source with eight half-open handshakes is answered by the status SERVER_BUSY.",
		Proves: []string{"XTMP-ATT-030", "XTMP-ATT-033", "XTMP-ATT-034"}, Touches: []string{"XTMP-LIM-005", "XTMP-HSK-078"},
		Control: controlAttach, Disruptive: true, // it uses up a limit
		Expect: sourceIsBusy("XTMP-ATT-030"),
		Explain: explain("Until AttachAck is sent the connection is half-open like any other; the status tells the client that its session "+
			"lives.",
			"As many connections from one address as the table allows, each with a ClientHello; then an Attach from there. One from another "+
				"address is accepted.",
			"a connection that attaches does not count", "the session is taken for unknown"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			for range size("half_open_per_source") {
				nc, err := x.DialAs(1)
				if err != nil {
					x.Inconclusive("no connection to the peer")
				}
				halfOpen(x, nc)
			}
			c, a := offer(x, s)
			x.Judge(answerOf(x, c, a))
			requireEnd(x, c)
			requireLives(x, s)
			if x.Endpoint().Loopback() {
				other := s.NewPath(x.Dial())
				a = other.AttachDefaults()
				send(x, other.SendAttach(a))
				x.Require(answerOf(x, other, a).Kind == conformance.KindAccepted, "another source is served")
			}
		},
	}
}
