package cases

import (
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// controlAttachUDP is the control twin of cases about Attach over UDP.
const controlAttachUDP = "XC-1311"

// attachUDP returns the cases of 13.3 and 13.4 about Attach over UDP.
func attachUDP() []conformance.Case {
	list := []conformance.Case{
		attachUDPControl(), attachUDPOffered(), attachUDPRepeated(), attachUDPElsewhere(), attachUDPDropped(), counterOnBoth(),
		malformedAttachUDP(), firstAddress(), unconfirmedUDP(), parksOnUDP(), noResetForKnown(), silentOnUDP(), unknownOnUDP(),
	}
	for i := range list {
		list[i].Needs = profileUDP
	}
	return list
}

func attachUDPControl() conformance.Case {
	return conformance.Case{
		ID: controlAttachUDP, Title: "An Attach over UDP is answered by AttachAck and makes a path.",
		Proves: []string{"XTMP-ATT-030", "XTMP-ATT-031", "XTMP-ATT-032", "XTMP-PTH-006", "XTMP-PTH-009", "XTMP-PTH-054"}, Expect: accepts(),
		Params: []conformance.Param{param("first path", onTCP, onUDP), param("sockets", "1", "8"), param("standby", "yes", "no")},
		Explain: explain("A client on a lossy network wants datagrams beside its connection, or another socket when its address has changed.",
			"A session; from one socket or from eight, one after the other, an Attach and a PING; then a PING on the first path.",
			"datagrams of an attach slot are looked up by address", "sequence numbers of the new path go on where those of the first are",
			"each socket of the server knows its own sessions only"),
		Run: func(x *conformance.Exchange) {
			s := sessionOn(x, x.Param("first path"), peer.Script{})
			requireOffer(x, s, onUDP)
			for range x.ParamInt("sockets") {
				c := s.NewPath(line(x, onUDP))
				a := c.AttachDefaults()
				if x.Param("standby") == "yes" {
					asStandby(a)
				}
				send(x, c.SendAttach(a))
				x.Judge(answerOf(x, c, a))
				r := c.Last()
				x.RequireField("bytes of AttachAck", attachBytes, len(r.Raw))
				off := time.Duration(r.Body("attach_ack").Uint("server_time")-r.Frame.Header.Uint("timestamp")) * time.Microsecond
				x.Require(off.Abs() <= x.AtLeast("T_STAMP_AGE"), "server_time is the server's stamp time")
				b := c.Attached(a)
				b.Acks = true
				pingUDP(x, b)
				requireSound(x, b.Conn)
				requireClean(x, b.Conn)
			}
			requireLivesOr(x, s)
		},
	}
}

// requireLivesOr requires that the first of many paths answers, unless it had to make
// room.
func requireLivesOr(x *conformance.Exchange, s *peer.Session) {
	if x.Param("sockets") == "1" {
		requireLives(x, s)
	}
}

func attachUDPOffered() conformance.Case {
	return conformance.Case{
		ID: "XC-1312", Title: "Policy says that Attach over UDP is accepted exactly when it is.",
		Proves: []string{"XTMP-TYP-034"}, Expect: accepts(),
		Explain: explain("A client that trusts the bit plans its failover by it.",
			"A session whose policy is read, and an Attach from a socket.",
			"the bit is a constant", "the bit is that of TCP"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			c := s.NewPath(line(x, onUDP))
			a := c.AttachDefaults()
			send(x, c.SendAttach(a))
			_, status, err := c.ReadAttachAck(a)
			x.RequireField("bit attach_udp of policy", err == nil && status == peer.StatusDone, announces(s, onUDP))
			x.Judge(conformance.Accepted())
		},
	}
}

// attachableUDP returns a session on TCP whose server accepts Attach over UDP.
func attachableUDP(x *conformance.Exchange) *peer.Session {
	s := session(x)
	requireOffer(x, s, onUDP)
	return s
}

// offerUDP sends an Attach after the edits from a socket of its own.
func offerUDP(x *conformance.Exchange, s *peer.Session, edits ...func(*peer.Attach)) (*peer.Conn, *peer.Attach) {
	c := s.NewPath(line(x, onUDP))
	a := c.AttachDefaults()
	for _, edit := range edits {
		edit(a)
	}
	send(x, c.SendAttach(a))
	return c, a
}

func attachUDPRepeated() conformance.Case {
	return conformance.Case{
		ID: "XC-1313", Title: "A repeated Attach from the same socket is answered by the same AttachAck, byte for byte.",
		Proves: []string{"XTMP-ATT-025"}, Control: controlAttachUDP, Expect: accepts(), Params: []conformance.Param{param("times", "1", "4")},
		Explain: explain("A datagram that was lost is sent again; two different answers to one Attach would make two paths.",
			"An Attach, and the same datagram again some times; then a PING on the path that the first AttachAck has made.",
			"each Attach makes a path", "a repeated one is dropped"),
		Run: func(x *conformance.Exchange) {
			s := attachableUDP(x)
			c, a := offerUDP(x, s)
			first := acknowledged(x, c, a)
			for range x.ParamInt("times") {
				send(x, c.SendAttach(a))
				r, err := c.ReadFrame(0)
				x.Judge(observe(x, err, conformance.BudgetReply))
				x.RequireBytes("AttachAck", first.Raw, nil, r.Raw)
			}
			b := c.Attached(a)
			pingUDP(x, b)
		},
	}
}

// judgeNoAnswer judges that nothing comes at any socket of a path, but for what a
// server may send whenever it likes.
func judgeNoAnswer(x *conformance.Exchange, c *peer.Conn) {
	until := time.Now().Add(x.Within(conformance.BudgetQuiet))
	for {
		r, err := c.ReadFrame(max(time.Until(until), time.Millisecond))
		if err != nil {
			if o := observe(x, err, conformance.BudgetQuiet); o.Kind != conformance.KindSilence {
				x.Judge(o)
			}
			x.Judge(conformance.Ignored())
			return
		}
		if o, told := told(x, r); told {
			x.Judge(o)
		}
	}
}

func attachUDPElsewhere() conformance.Case {
	return conformance.Case{
		ID: "XC-1314", Title: "A repeated Attach from another address or port, or of a connection, is dropped.",
		Proves: []string{"XTMP-ATT-027"}, Control: "XC-1313", Expect: ignores("XTMP-ATT-027"),
		Params: []conformance.Param{param("from", "another port", "another address", "a socket, used on a connection")},
		Explain: explain("Whoever copies the datagram gets no answer, and takes the path from nobody.",
			"An Attach, and the same datagram from elsewhere; or one with the counter of an Attach over TCP. Then the first one again from its own "+
				"socket, and a PING there.",
			"the AttachAck that is kept is sent to whoever asks", "the path follows the newest address before its first frame"),
		Run: func(x *conformance.Exchange) {
			s := attachableUDP(x)
			if x.Param("from") == "a socket, used on a connection" {
				requireOffer(x, s, onTCP)
				c, a := offer(x, s)
				acknowledged(x, c, a)
				other, _ := offerUDP(x, s, withCounter(a.Counter))
				judgeNoAnswer(x, other)
				requireLives(x, c.Attached(a))
				return
			}
			c, a := offerUDP(x, s)
			first := acknowledged(x, c, a)
			person := map[string]int{"another port": 1, "another address": 2}[x.Param("from")]
			socket, err := x.DialUDPAs(person)
			if err != nil {
				x.Inconclusive("no UDP socket toward the peer")
			}
			c.Use(c.AddSocket(socket))
			send(x, c.SendAttach(a))
			judgeNoAnswer(x, c)
			c.Use(0)
			send(x, c.SendAttach(a))
			r, err := c.ReadFrame(0)
			need(x, err)
			x.RequireBytes("AttachAck", first.Raw, nil, r.Raw)
			requireLives(x, c.Attached(a))
		},
	}
}

func attachUDPDropped() conformance.Case {
	return conformance.Case{
		ID: "XC-1315", Title: "A datagram under an attach key that is no correct Attach is dropped.",
		Proves: []string{"XTMP-ATT-021", "XTMP-ATT-022", "XTMP-ATT-023", "XTMP-ATT-024"}, Touches: []string{"XTMP-ORD-033"},
		Control: controlAttachUDP, Expect: ignores("XTMP-ORD-033"),
		Params: []conformance.Param{param("defect", "lower counter", "REQUIRES_ACK", "REQUIRES_ACK and mid", "0x0080", "frag_count 2",
			"frag_index 1", "token_len 48",
			"total_len 47", "hs_type 1", "hs_type 17", "hs_type 32", "checksum", "nonce", "tag", "server attach", "nobody", "type 0x03",
			"type 0x5A")},
		Explain: explain("A stranger sends datagrams for nothing; what is wrong with one is not worth a word.",
			"An Attach with the defect that the param names. It gets no answer; a correct one with a higher counter does, and with the same "+
				"counter where the first did not open.",
			"the status MALFORMED is sent", "a reset is sent for a session that exists", "the counter of a datagram that does not open is used"),
		Run: func(x *conformance.Exchange) {
			s := attachableUDP(x)
			defect := x.Param("defect")
			if defect == "lower counter" {
				c, a := offerUDP(x, s, withCounter(9))
				acknowledged(x, c, a)
			}
			c, a := offerUDP(x, s, withCounter(8), func(a *peer.Attach) { spoilDatagram(x, s, a, defect) })
			judgeNoAnswer(x, c)
			next := uint64(10)
			switch defect {
			case "checksum", "nonce", "tag", "server attach", "nobody":
				next = a.Counter
			}
			again, a := offerUDP(x, s, withCounter(next))
			x.Require(answerOf(x, again, a).Kind == conformance.KindAccepted, "a correct Attach behind it is accepted")
			requireLives(x, again.Attached(a))
			requireLives(x, s)
		},
	}
}

// spoilDatagram gives an Attach a defect.
func spoilDatagram(x *conformance.Exchange, s *peer.Session, a *peer.Attach, defect string) {
	switch defect {
	case "lower counter": // it is one
	case "REQUIRES_ACK":
		a.Frame.Header.SetUint("flags", uint64(flag("ENCRYPTED", "REQUIRES_ACK")))
	case "REQUIRES_ACK and mid":
		numbered(a)
	case "0x0080":
		a.Frame.Header.SetUint("flags", uint64(flag("ENCRYPTED")|0x0080))
	case "checksum", "nonce", "tag":
		spoilOutside(a.Draft, defect)
	case "server attach", "nobody":
		keys := foreignKeys(x, s, defect)
		a.Keys = &keys
	case "type 0x03":
		a.Frame.Header.SetUint("message_type", typeHeartbeat)
	case "type 0x5A":
		a.Frame.Header.SetUint("message_type", typeUnknown)
	default:
		spoilEnvelope(a, defect)
	}
}

func counterOnBoth() conformance.Case {
	return conformance.Case{
		ID: "XC-1316", Title: "An Attach on a connection whose counter was used on UDP closes the connection silently.",
		Proves: []string{"XTMP-ATT-026"}, Control: controlAttach, Expect: closes("XTMP-ATT-026"),
		Params: []conformance.Param{param("path", "open", "live")},
		Explain: explain("One counter is one attempt, on one transport.",
			"An Attach over UDP, and one with its counter on a connection.", "counters are kept for each transport"),
		Run: func(x *conformance.Exchange) {
			s := attachableUDP(x)
			requireOffer(x, s, onTCP)
			c, a := offerUDP(x, s)
			acknowledged(x, c, a)
			b := c.Attached(a)
			if x.Param("path") == "live" {
				prepare(x, b)
			}
			other, _ := offer(x, s, withCounter(a.Counter))
			judgeClosed(x, other)
			requireLives(x, b)
		},
	}
}

func malformedAttachUDP() conformance.Case {
	return conformance.Case{
		ID: "XC-1317", Title: "A malformed Attach over UDP is answered by the status MALFORMED and makes no path.",
		Proves: []string{"XTMP-ATT-030", "XTMP-ATT-031", "XTMP-ATT-033"}, Control: controlAttachUDP, Expect: statusIs("MALFORMED",
			"XTMP-ATT-030"),
		Params: []conformance.Param{param("body", "empty", "47 bytes", "49 bytes", "zero 0x0001", "other counter", "kind 0", "kind 1", "kind 3",
			"flags 0x02", "flags 0x80")},
		Explain: explain("Whoever sent it holds the session, so it may know why it was refused.",
			"An Attach over UDP that opens and whose body is wrong; after its answer a PING as if there were a path, which gets no answer.",
			"the datagram is dropped", "kind is not compared with the transport"),
		Run: func(x *conformance.Exchange) {
			s := attachableUDP(x)
			c, a := offerUDP(x, s, func(a *peer.Attach) { spoilAttach(a, x.Param("body")) })
			x.Judge(answerOf(x, c, a))
			requireClean(x, c)
			requireShut(x, c.Attached(a))
			requireLives(x, s)
		},
	}
}

func firstAddress() conformance.Case {
	return conformance.Case{
		ID: "XC-1318", Title: "The address from which the first path frame comes is that of an attached UDP path, and is validated by it.",
		Proves: []string{"XTMP-ATT-039"}, Touches: []string{"XTMP-UDP-107"}, Control: controlAttachUDP, Expect: accepts(),
		Params: []conformance.Param{param("from", "another port", "another address")},
		Explain: explain("Between Attach and the first frame a NAT may have given the client another port; the first frame proves the "+
			"session, so "+
			"nothing is left to be asked.",
			"An Attach from one socket; the first PING and another one from a second. Both are answered there, and no PATH_CHALLENGE comes at "+
				"either.",
			"answers go to the address of Attach", "a change of address is seen before there was an address"),
		Run: func(x *conformance.Exchange) {
			s := attachableUDP(x)
			c, a := offerUDP(x, s)
			acknowledged(x, c, a)
			person := map[string]int{"another port": 1, "another address": 2}[x.Param("from")]
			socket, err := x.DialUDPAs(person)
			if err != nil {
				x.Inconclusive("no UDP socket toward the peer")
			}
			number := c.AddSocket(socket)
			c.Use(number)
			b := c.Attached(a)
			for range 2 {
				for _, r := range requireLives(x, b) {
					x.Require(!isChallenge(r), "no PATH_CHALLENGE comes for the first address of a path")
				}
				x.RequireField("socket at which the PONG came", number, b.Last().Socket)
			}
			x.Judge(conformance.Accepted())
		},
	}
}

// isChallenge fits a PATH_CHALLENGE.
func isChallenge(r *peer.Received) bool {
	return r.Is(typeHeartbeat) && len(r.Plaintext.Body) > 0 && r.Plaintext.Body[0] == peer.PathChallenge
}

func unconfirmedUDP() conformance.Case {
	return conformance.Case{
		ID: "XC-1319", Title: "An attached UDP path on which no frame opens is forgotten T_FLIGHT after AttachAck, and not before.",
		Proves: []string{"XTMP-ATT-041"}, Touches: []string{"XTMP-TMR-003", "XTMP-TMR-004"}, Timer: "T_FLIGHT",
		Labels: []string{conformance.LabelSlow}, Control: controlAttachUDP, Expect: accepts(),
		Params: []conformance.Param{param("PING", "before", "after")},
		Explain: explain("An Attach can be recorded and played back; what never speaks under the path key has not shown that it holds the "+
			"session.",
			"An Attach over UDP; its first PING comes seven seconds later and is answered, or when T_FLIGHT is over, and is not.",
			"the path is kept as long as the session"),
		Run: func(x *conformance.Exchange) {
			s := attachableUDP(x)
			c, a := offerUDP(x, s)
			acknowledged(x, c, a)
			x.Pause("T_CLOSE")
			x.Pause("T_SUSPECT")
			b := c.Attached(a)
			if x.Param("PING") == "before" {
				requireLives(x, b)
			} else {
				x.Pause("T_SUSPECT")
				x.Pause("T_SUSPECT")
				x.Pause("T_LINGER") // what the timer may be late
				requireShut(x, b)
			}
			requireLives(x, s)
			x.Judge(conformance.Accepted())
		},
	}
}

func parksOnUDP() conformance.Case {
	return conformance.Case{
		ID: "XC-1343", Title: "A session on UDP is parked when its last path ends, and resumed on TCP or on UDP.",
		Proves: []string{"XTMP-PRK-002", "XTMP-PRK-010", "XTMP-PTH-017"}, Touches: []string{"XTMP-PTH-041"}, Control: controlAttachUDP,
		Expect: accepts(),
		Params: []conformance.Param{param("resumed on", onTCP, onUDP)},
		Explain: explain("The transport of a path says nothing about the session.",
			"A session on UDP in which HandshakeDone is not acknowledged; an Error of scope 1 ends its path; an Attach and a PING. HandshakeDone "+
				"comes "+
				"on the new path.",
			"sessions of UDP end with their path", "messages of a UDP path are sent again on UDP only"),
		Run: func(x *conformance.Exchange) {
			s, done := unacknowledged(x, onUDP)
			hangUp(x, s, "Error of scope 1")
			b := attach(x, s, x.Param("resumed on"))
			sendPing(x, b, peer.PingData(nil))
			sameBody(x, done, arrival(x, b, done.Mid()))
			requireLives(x, b)
			x.Judge(conformance.Accepted())
		},
	}
}

func noResetForKnown() conformance.Case {
	return conformance.Case{
		ID: "XC-1344", Title: "A datagram under the keys of a path that has ended is dropped, and no reset answers it.",
		Proves: []string{"XTMP-RST-004"}, Control: controlAttachUDP, Expect: ignores("XTMP-RST-004"),
		Params: []conformance.Param{param("session", "parked", "on another path")},
		Explain: explain("A reset tells the client to erase its session; one that is parked is to come back.",
			"A session on UDP whose path has ended, with another path or without; a PING of 64 bytes under the keys of the path. Nothing comes, "+
				"and "+
				"the session goes on.",
			"a path that is not found is taken for a session that is not found"),
		Run: func(x *conformance.Exchange) {
			s := sessionOn(x, onUDP, peer.Script{})
			requireOffer(x, s, onTCP)
			other := s
			if x.Param("session") != "parked" {
				other = attachLive(x, s, onTCP)
			}
			hangUp(x, s, "Error of scope 1")
			sendPing(x, s, peer.PingData(nil))
			judgeNoAnswer(x, s.Conn)
			if other != s {
				requireLives(x, other)
			}
			requireStays(x, s)
		},
	}
}

func silentOnUDP() conformance.Case {
	return conformance.Case{
		ID: "XC-1345", Title: "The server sends nothing on an attached UDP path before it has opened a frame there.",
		Proves: []string{"XTMP-ATT-038"}, Touches: []string{"XTMP-UDP-031"}, Control: controlAttachUDP, Expect: accepts(),
		Explain: explain("The address of Attach is not proven; whoever writes another into a datagram must not make the server send there.",
			"A session that has acknowledged nothing; an attached UDP path without a frame on it; then the first path ends. For a while nothing "+
				"comes, "+
				"and with the first PING everything.",
			"a path counts as live with AttachAck"),
		Run: func(x *conformance.Exchange) {
			s, done := unacknowledged(x, onTCP)
			b := attach(x, s, onUDP)
			hangUp(x, s, "end of stream")
			_, err := b.ReadFrame(x.Within(conformance.BudgetQuiet))
			x.Require(err != nil, "nothing comes on a path before its first frame")
			sendPing(x, b, peer.PingData(nil))
			sameBody(x, done, arrival(x, b, done.Mid()))
			x.Judge(conformance.Accepted())
		},
	}
}

func unknownOnUDP() conformance.Case {
	return conformance.Case{
		ID: "XC-1346", Title: "What answers an Attach over UDP for a session that has ended is a reset with its token, or nothing.",
		Proves: []string{"XTMP-PTH-044"}, Touches: []string{"XTMP-RST-001"}, Control: controlAttachUDP, Expect: conformance.Expect{
			Strict: []conformance.Reaction{
				conformance.Row(conformance.ErrorFrame(code("SESSION_UNKNOWN"), conformance.ScopeSession), "XTMP-RST-001"),
			},
			Allowed:   []conformance.Reaction{conformance.Row(conformance.Silence(""), "a reset is a permission")},
			Forbidden: []conformance.Reaction{conformance.Row(conformance.Accepted(), "the session is over")},
		},
		Explain: explain("A client that cannot tell a reset from a forgery gives up sessions that are sound.",
			"A session that has ended by Disconnect, and an Attach for it over UDP. If an answer comes, it has the form of a reset, the "+
				"session_id of "+
				"the frame and the token of the session.",
			"the token is left out", "the form is that of another clear Error"),
		Run: func(x *conformance.Exchange) {
			s := attachableUDP(x)
			end(x, s)
			c, _ := offerUDP(x, s)
			r, err := c.ReadFrame(x.Within(conformance.BudgetQuiet))
			if err != nil {
				x.Judge(observe(x, err, conformance.BudgetQuiet))
				return
			}
			o, _ := told(x, r)
			x.Judge(o)
			x.RequireField("session_id", s.ID, r.Error().Session)
			x.RequireBytes("token", s.Params().Bytes("reset_token"), nil, r.Error().Token)
			requireClean(x, c)
		},
	}
}
