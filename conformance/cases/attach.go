package cases

import (
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// attaching returns the cases of 13.3 and 13.4 about an Attach over TCP that makes a
// path.
func attaching() []conformance.Case {
	return []conformance.Case{
		attachControl(), standbyControl(), attachOffered(), attachVaried(), attachClock(), attachRepeated(),
		attachUnconfirmed(), silentBeforeFirst(), fifthPath(), noWallet(), pathEndpoints(),
	}
}

// attachBytes is the size of Attach and of AttachAck.
const attachBytes = 160

func attachControl() conformance.Case {
	return conformance.Case{
		ID: controlAttach, Title: "An Attach over TCP is answered by AttachAck and makes a path.",
		Proves: []string{"XTMP-ATT-030", "XTMP-ATT-031", "XTMP-ATT-032", "XTMP-PTH-006", "XTMP-PTH-009", "XTMP-PTH-053"},
		Expect: accepts(),
		Explain: explain("Attach is how a client comes back to its session when a connection fails; without it every call that is under way "+
			"ends "+
			"as unknown.",
			"A session; on a second connection, from another address, an Attach with attach counter 0 as the first frame; then a PING on each "+
				"of both paths.",
			"the attach slot is derived from another secret than root_0", "the binder covers frames, or envelopes, and not the two bodies",
			"sequence numbers of the new path go on where those of the first are", "the new connection takes the place of the first"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			c, a := offer(x, s)
			x.Judge(answerOf(x, c, a))
			r := c.Last()
			x.RequireField("bytes of AttachAck", attachBytes, len(r.Raw))
			off := time.Duration(r.Body("attach_ack").Uint("server_time")-r.Frame.Header.Uint("timestamp")) * time.Microsecond
			x.Require(off.Abs() <= x.AtLeast("T_STAMP_AGE"), "server_time is the server's stamp time")
			b := c.Attached(a)
			ping(x, b)
			x.RequireField("sequence number of the first frame on the new path", 0, b.Last().Frame.Sequence())
			ping(x, s)
			requireSound(x, b.Conn)
			requireClean(x, b.Conn)
		},
	}
}

func standbyControl() conformance.Case {
	return conformance.Case{
		ID: controlStandby, Title: "An Attach with the standby bit makes a path too.",
		Proves: []string{"XTMP-ATT-030"}, Touches: []string{"XTMP-PTH-006"}, Expect: accepts(),
		Explain: explain("A standby path is what a client has at hand when its first path fails.",
			"An Attach with bit 0x01 of its flags, and a PING on each path.",
			"the bit is taken for an undefined one", "a standby path takes nothing before the session moves to it"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			c, a := offer(x, s, asStandby)
			x.Judge(answerOf(x, c, a))
			b := c.Attached(a)
			ping(x, b)
			ping(x, s)
			requireSound(x, b.Conn)
		},
	}
}

func attachOffered() conformance.Case {
	return conformance.Case{
		ID: "XC-1302", Title: "Policy says that Attach over TCP is accepted exactly when it is.",
		Proves: []string{"XTMP-TYP-035"}, Expect: accepts(),
		Explain: explain("A client that trusts the bit plans its failover by it; one that sees it clear ends its session with the connection.",
			"A session whose policy is read, and an Attach on a second connection.",
			"the bit is a constant", "Attach is accepted whatever the configuration says"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			c, a := offer(x, s)
			_, status, err := c.ReadAttachAck(a)
			x.RequireField("bit attach_tcp of policy", err == nil && status == peer.StatusDone, announces(s, onTCP))
			x.Judge(conformance.Accepted())
		},
	}
}

func attachVaried() conformance.Case {
	return conformance.Case{
		ID: "XC-1303", Title: "An Attach is accepted with PRIORITY, with any stamp, and with a counter that leaves others out.",
		Proves: []string{"XTMP-ATT-030"}, Touches: []string{"XTMP-FLG-018", "XTMP-TIM-008", "XTMP-ATT-021"}, Expect: accepts(),
		Params: []conformance.Param{param("with", "PRIORITY", "stamp 0", "stamp of next year", "counter 1", "counter 2^32 - 1", "four in turn")},
		Explain: explain("Attempts fail on the way and take their counter with them; what arrives is judged by its own.",
			"An Attach that is correct and unusual in one respect. Of the four in turn each is on a connection of its own, with counters 0, 3, 4 "+
				"and 1000; each path answers a PING and is then ended.",
			"the counter has to be the next", "the counter is read as a signed number", "the header stamp is judged before there is an anchor",
			"flags are compared with one value"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			counters := map[string]uint64{"counter 1": 1, "counter 2^32 - 1": 1<<32 - 1}
			try := func(edits ...func(*peer.Attach)) {
				c, a := offer(x, s, edits...)
				x.Judge(answerOf(x, c, a))
				b := c.Attached(a)
				requireLives(x, b)
				send(x, b.Close())
			}
			switch with := x.Param("with"); with {
			case "PRIORITY":
				try(func(a *peer.Attach) { a.Frame.Header.SetUint("flags", uint64(flag("ENCRYPTED", "PRIORITY"))) })
			case "stamp 0":
				try(func(a *peer.Attach) { a.Frame.Header.SetUint("timestamp", 0) })
			case "stamp of next year":
				try(func(a *peer.Attach) { stampedBy(365 * 24 * time.Hour)(a.Draft) })
			case "four in turn":
				for _, n := range []uint64{0, 3, 4, 1000} {
					try(withCounter(n))
				}
			default:
				try(withCounter(counters[with]))
			}
			requireLives(x, s)
		},
	}
}

func attachClock() conformance.Case {
	return conformance.Case{
		ID: "XC-1304", Title: "The server does not judge client_time of Attach, and judges the stamps of the path by it.",
		Proves: []string{"XTMP-ATT-035"}, Touches: []string{"XTMP-TIM-005", "XTMP-TIM-006", "XTMP-TIM-007"}, Expect: accepts(),
		Params: []conformance.Param{param("clock", "zero", "a day behind", "a day ahead"), param("stamp", "by Attach", "by ClientHello")},
		Explain: explain("A client whose clock was set, or that slept for a day, comes back to its session; its skew was judged once.",
			"An Attach whose client_time is far from that of ClientHello; on its path a PING that is stamped by the one or by the other. The "+
				"first is answered, the second closes the path, and the session goes on.",
			"the skew of the handshake is applied to Attach", "the anchor of the first path serves for all"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			by := map[string]time.Duration{"a day behind": -24 * time.Hour, "a day ahead": 24 * time.Hour}[x.Param("clock")]
			c, a := offer(x, s, func(a *peer.Attach) {
				now := a.Body.Uint("client_time")
				if x.Param("clock") == "zero" {
					by = -time.Duration(now) * time.Microsecond
				}
				a.Body.SetUint("client_time", shifted(now, by))
			})
			x.Judge(answerOf(x, c, a))
			b := c.Attached(a)
			data := x.Entropy("ping").Bytes(8)
			if x.Param("stamp") == "by Attach" {
				sendPing(x, b, data, stampedBy(by))
				judgePong(x, b, data)
			} else {
				sendPing(x, b, data)
				o := reaction(x, b, conformance.BudgetClose)
				x.Require(o.IsClose(), "a stamp that does not go on from client_time closes the path silently")
			}
			requireLives(x, s)
		},
	}
}

func attachRepeated() conformance.Case {
	return conformance.Case{
		ID: "XC-1305", Title: "A repeated Attach on its connection is answered by the same AttachAck, byte for byte.",
		Proves: []string{"XTMP-ATT-025"}, Expect: accepts(),
		Params: []conformance.Param{param("again", "later", "without waiting", "three times", "sealed anew")},
		Explain: explain("The answer to an Attach makes keys; two different answers to one Attach make two paths of which the client knows one.",
			"An Attach, and the same frame again before anything else; sealed anew it has another random, which nobody looks at. Then a PING on "+
				"the path.",
			"a second AttachAck is made with another random", "a repeated counter is refused before it is seen on which connection it comes"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			c := s.NewPath(another(x))
			a := c.AttachDefaults()
			send(x, c.SendAttach(a))
			if x.Param("again") == "without waiting" {
				send(x, c.SendAttach(a))
			}
			first := acknowledged(x, c, a)
			for range max(1, map[string]int{"three times": 3}[x.Param("again")]) {
				switch x.Param("again") {
				case "without waiting":
				case "sealed anew":
					other := c.AttachDefaults()
					withCounter(a.Counter)(other)
					other.Plaintext.Envelope.Set("handshake_id", a.Plaintext.Envelope.Bytes("handshake_id"))
					send(x, c.SendDraft(other.Draft))
				default:
					send(x, c.SendAttach(a))
				}
				r, err := c.ReadFrame(0)
				x.Judge(observe(x, err, conformance.BudgetReply))
				x.RequireBytes("AttachAck", first.Raw, nil, r.Raw)
			}
			ping(x, c.Attached(a))
		},
	}
}

func attachUnconfirmed() conformance.Case {
	return conformance.Case{
		ID: "XC-1306", Title: "An attached path on which no frame opens is closed T_HANDSHAKE_TCP after AttachAck.",
		Proves: []string{"XTMP-ATT-040"}, Touches: []string{"XTMP-TMR-003", "XTMP-TMR-004"}, Timer: "T_HANDSHAKE_TCP",
		Control: controlAttach, Expect: closes("XTMP-ATT-040"),
		Explain: explain("An Attach can be recorded and played back after the session has gone on; what never speaks under the path key has not "+
			"shown that it holds the session.",
			"An Attach and nothing behind it. Meanwhile the first path answers PINGs.",
			"the idle timeout of the session takes its place", "the whole session is ended"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			began, start := clocked(x, s)
			c, a := offer(x, s)
			acknowledged(x, c, a)
			requireLives(x, s)
			judgeExpiry(x, c, "T_HANDSHAKE_TCP", start)
			x.RequireNotBefore("T_HANDSHAKE_TCP", began)
			requireLives(x, s)
		},
	}
}

func silentBeforeFirst() conformance.Case {
	return conformance.Case{
		ID: "XC-1307", Title: "The server sends nothing on an attached path before it has opened a frame there.",
		Proves: []string{"XTMP-ATT-038", "XTMP-PTH-017"}, Expect: accepts(),
		Explain: explain("The first frame of the client proves that AttachAck arrived and that the path is no playback; what is sent before may "+
			"go to nobody.",
			"A session that has acknowledged nothing, with a reply outstanding; an attached path without a frame on it; then the first path "+
				"ends. For a while nothing may come on the other, and with the first PING there everything.",
			"a path counts as live with AttachAck", "messages that have no path are dropped", "they wait for another Attach"),
		Run: func(x *conformance.Exchange) {
			s := attachableBy(x, peer.Script{NoAck: true})
			d := sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil)
			reply, _, err := s.ExpectReply(d.Mid(), 0)
			if err != nil {
				unprepared(x, "a reply", err)
			}
			b := attach(x, s, onTCP)
			hangUp(x, s, "end of stream")
			_, err = b.ReadFrame(x.Within(conformance.BudgetQuiet))
			x.Require(err != nil && conformance.KindSilence == observe(x, err, conformance.BudgetQuiet).Kind,
				"nothing comes on a path before its first frame, and it stays open")
			sendPing(x, b, x.Entropy("ping").Bytes(8))
			arrival(x, b, 1)
			sameBody(x, reply, arrival(x, b, reply.Mid()))
			requireLives(x, b)
			x.Judge(conformance.Accepted())
		},
	}
}

func fifthPath() conformance.Case {
	return conformance.Case{
		ID: "XC-1308", Title: "A fifth path closes the one that was silent longest among those that are not current.",
		Proves: []string{"XTMP-ATT-042", "XTMP-LIM-015"}, Expect: accepts(),
		Params: []conformance.Param{param("silent", "the second", "the third", "the fourth", "the fourth, without a frame")},
		Explain: explain("A client that attaches again and again, since it cannot hear, must not be locked out by paths of its own that are "+
			"dead.",
			"A session with four paths, three of them standby paths, of which one has been silent longest; the current path is silent longer than "+
				"all. Then a fifth Attach.",
			"the fifth is refused", "the oldest path is closed, or the current one", "a path without a frame does not count"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			list := []*peer.Session{attach(x, s, onTCP, asStandby), attach(x, s, onTCP, asStandby), attach(x, s, onTCP, asStandby)}
			at := map[string]int{"the second": 0, "the third": 1}[x.Param("silent")]
			if x.Param("silent") == "the fourth" || x.Param("silent") == "the fourth, without a frame" {
				at = 2
			}
			if x.Param("silent") != "the fourth, without a frame" {
				prepare(x, list[at])
			}
			for i, b := range list {
				if i != at {
					prepare(x, b)
				}
			}
			c, a := offer(x, s, asStandby)
			_, status, err := c.ReadAttachAck(a)
			x.Judge(observe(x, err, conformance.BudgetReply))
			x.RequireField("status", peer.StatusDone, status)
			requireShut(x, list[at])
			for i, b := range append(list, c.Attached(a), s) {
				if i != at {
					requireLives(x, b)
				}
			}
		},
	}
}

func noWallet() conformance.Case {
	return conformance.Case{
		ID: "XC-1309", Title: "An Attach authenticates nobody: the limits of a session without a wallet hold on its path.",
		Proves: []string{"XTMP-ATT-036"}, Touches: []string{"XTMP-LIM-002", "XTMP-PRK-001"}, Control: controlAttach,
		Expect: fails(conformance.ErrorFrame(code("PAYLOAD_TOO_LARGE"), conformance.ScopePath), "XTMP-ATT-036", "XTMP-LIM-002"),
		Explain: explain("Whoever can seal an Attach holds the session, and the session is still a stranger's.",
			"On an attached path the first 96 bytes of a frame that announces 65 601 bytes of payload. It is refused, and the first path goes on.",
			"the limit toward the client is used on attached paths", "Attach sets the state that a wallet sets"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			b := attachLive(x, s, onTCP)
			d := b.Draft(typeExtension, 0, nil)
			d.AfterSeal(announce(size("frame_payload_before_wallet") + 1))
			send(x, b.WriteRaw(d.Encode()))
			judgeError(x, b)
			requireLives(x, s)
		},
	}
}

func pathEndpoints() conformance.Case {
	return conformance.Case{
		ID: "XC-1310", Title: "A list of attach endpoints in ServerIdentity, if there is one, has one or more well-formed entries.",
		Proves: []string{"XTMP-PTH-056"}, Expect: accepts(),
		Explain: explain("A client fails the handshake on a list that it cannot read.",
			"A handshake; TLV 0x0002 of ServerIdentity is read, if it is there.",
			"an empty list is sent", "the host is written without its length", "a port of 0 is left in from the configuration"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			value, there := endpointsOf(s.Identity().Bytes("extensions"))
			x.Note("the list of attach endpoints is there: %v", there)
			x.Require(!there || len(value) > 0, "the list has an entry")
			for len(value) > 0 {
				n := 0
				if len(value) >= 4 {
					n = int(value[3])
				}
				x.Require(len(value) >= 4+n && n > 0, "an entry is as long as its host_len says")
				x.Require(value[1] != 0 || value[2] != 0, "port is not 0")
				for _, letter := range value[4 : 4+n] {
					x.Require(letter < 0x80, "host is ASCII")
				}
				value = value[4+n:]
			}
			x.Judge(conformance.Accepted())
		},
	}
}

// endpointsOf is the value of TLV 0x0002 of a TLV block.
func endpointsOf(block []byte) (value []byte, there bool) {
	for block = block[min(2, len(block)):]; len(block) >= 4; {
		n := int(block[2])<<8 | int(block[3])
		if len(block) < 4+n {
			return nil, false
		}
		if block[0] == 0 && block[1] == 2 {
			return block[4 : 4+n], true
		}
		block = block[4+n:]
	}
	return nil, false
}
