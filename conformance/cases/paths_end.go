package cases

import (
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// pathsEnd returns the cases about what ends one path, and what ends them all.
func pathsEnd() []conformance.Case {
	return []conformance.Case{
		keysOfAnotherPath(), violationEndsAll(), errorEndsPath(), disconnectEndsAll(), otherPathLives(), timerEndsPath(),
		refusedForSize(), disconnectThrice(), suspectAlone(),
	}
}

// A trio is a session with three paths: one that it has left, its current one and a
// standby path.
type trio struct{ left, current, standby *peer.Session }

// paths of a trio, by name.
func (t trio) named(name string) *peer.Session {
	return map[string]*peer.Session{"left": t.left, "current": t.current, "standby": t.standby}[name]
}

// others are those of the other names.
func (t trio) others(name string) (list []*peer.Session) {
	for _, other := range whichPath().Values {
		if other != name {
			list = append(list, t.named(other))
		}
	}
	return list
}

// requireOver requires that the server ends every path, and the session. Those on TCP
// come first: their end shows when the server has acted.
func (t trio) requireOver(x *conformance.Exchange) {
	for _, udp := range []bool{false, true} {
		for _, p := range []*peer.Session{t.left, t.current, t.standby} {
			if p.UDP() == udp {
				requireShut(x, p)
			}
		}
	}
	requireGone(x, t.left)
}

func whichPath() conformance.Param { return param("path", "left", "current", "standby") }

// three returns a session with three live paths, the second of which has the
// transport.
func three(x *conformance.Exchange, first, second string) trio {
	s := sessionOn(x, first, peer.Script{})
	return trio{left: s, current: attachLive(x, s, second), standby: attachLive(x, s, onTCP, asStandby)}
}

func keysOfAnotherPath() conformance.Case {
	return conformance.Case{
		ID: "XC-1370", Title: "A frame under the key of another path closes the connection on which it comes silently.",
		Proves: []string{"XTMP-PTH-010"}, Touches: []string{"XTMP-ORD-017"}, Control: controlAttach, Expect: closes("XTMP-PTH-010"),
		Params: []conformance.Param{
			param("key", "another path", "a third path", "client handshake", "server attach", "server path"), param("number", "of the path", "0"),
			whichPath(),
		},
		Explain: explain("A key says on which path its frames travel; a receiver that takes them anywhere counts a replay of one path as new on "+
			"another.",
			"A session with three paths; on one of them a PING under the key of another slot, with the next number of the path or with 0. The "+
				"other paths go on.",
			"a key is looked up among all keys of the session"),
		Run: func(x *conformance.Exchange) {
			t := three(x, onTCP, onTCP)
			p, others := t.named(x.Param("path")), t.others(x.Param("path"))
			var keys testkit.Keys
			switch key := x.Param("key"); key {
			case "another path":
				keys, _ = others[0].Keys()
			case "a third path":
				keys, _ = others[1].Keys()
			case "server path":
				_, keys = p.Keys()
			default:
				keys = foreignKeys(x, t.left, key)
			}
			badPing(x, p, func(d *peer.Draft) {
				d.Keys = &keys
				if x.Param("number") == "0" {
					d.Sequence = 0
				}
			})
			for _, other := range others {
				requireLives(x, other)
			}
		},
	}
}

func violationEndsAll() conformance.Case {
	return conformance.Case{
		ID: "XC-1371", Title: "A violation on any path ends the session; its other paths are closed silently.",
		Proves: []string{"XTMP-PTH-040"}, Touches: []string{"XTMP-ERR-027"}, Control: controlAttach,
		Expect: violates("PROTOCOL_VIOLATION", "XTMP-PTH-040"), Params: []conformance.Param{transports(), whichPath()},
		Explain: explain("What is wrong in one path is wrong in the session: it has one state and one peer.",
			"A session with three paths; on one of them a Heartbeat without a body. The Error comes there, the other paths end, and Attach is "+
				"answered by SESSION_UNKNOWN.",
			"only the path is closed", "the Error goes to the current path, or to all", "the session is parked"),
		Run: func(x *conformance.Exchange) {
			first, second := twoPaths(x)
			t := three(x, first, second)
			p := t.named(x.Param("path"))
			sendFrame(x, p, typeHeartbeat, 0, nil)
			o := reaction(x, p, conformance.BudgetReply)
			x.Judge(o)
			t.requireOver(x)
		},
	}
}

func errorEndsPath() conformance.Case {
	return conformance.Case{
		ID: "XC-1372", Title: "An unsolicited Error of scope 1 closes the path on which it comes, and that path only.",
		Proves: []string{"XTMP-PTH-041"}, Touches: []string{"XTMP-ERR-018", "XTMP-PRK-001"}, Control: controlAttach, Expect: accepts(),
		Params: []conformance.Param{transports(), whichPath()},
		Explain: explain("A peer that gives up a connection keeps the session; its Error says how much it means.",
			"A session with three paths; on one of them an Error MALFORMED of scope 1. That path ends, the others go on.",
			"any Error of a scope above 0 ends the session", "the current path is closed, whichever the Error came on"),
		Run: func(x *conformance.Exchange) {
			first, second := twoPaths(x)
			t := three(x, first, second)
			p := t.named(x.Param("path"))
			sendFrame(x, p, typeError, 0, peer.ErrorBody(uint16(code("MALFORMED")), 1, noSequence, ""))
			requireShut(x, p)
			for _, other := range t.others(x.Param("path")) {
				requireLives(x, other)
			}
			x.Judge(conformance.Accepted())
		},
	}
}

func disconnectEndsAll() conformance.Case {
	return conformance.Case{
		ID: "XC-1373", Title: "A Disconnect or an unsolicited Error of scope 2 on any path ends all paths and the session.",
		Proves: []string{"XTMP-PTH-042"}, Touches: []string{"XTMP-DSC-007", "XTMP-ERR-019"}, Control: controlAttach, Expect: accepts(),
		Params: []conformance.Param{transports(), whichPath(), param("frame", "Disconnect", "Error of scope 2")},
		Explain: explain("The first word of the end that arrives ends the session, on whichever path it comes.",
			"A session with three paths; on one of them the frame. All paths end, and Attach is answered by SESSION_UNKNOWN.",
			"the session is parked", "the other paths wait for a Disconnect of their own"),
		Run: func(x *conformance.Exchange) {
			first, second := twoPaths(x)
			t := three(x, first, second)
			p := t.named(x.Param("path"))
			if x.Param("frame") == "Disconnect" {
				sendFrame(x, p, typeDisconnect, 0, p.DisconnectBody(0))
			} else {
				sendFrame(x, p, typeError, 0, peer.ErrorBody(uint16(code("PROTOCOL_VIOLATION")), 2, noSequence, ""))
			}
			t.requireOver(x)
			x.Judge(conformance.Accepted())
		},
	}
}

func otherPathLives() conformance.Case {
	return conformance.Case{
		ID: "XC-1374", Title: "A path that ends takes nothing with it as long as another one is there.",
		Proves: []string{"XTMP-PRK-001"}, Expect: accepts(), Params: []conformance.Param{ends(), whichPath()},
		Explain: explain("A session outlives its paths one by one; that is what they are for.",
			"A session with three paths, one of which ends as the param says. The others answer a PING and a request, and a new path can be "+
				"attached.",
			"the path of the handshake takes the session with it", "a failed check on any path ends the session"),
		Run: func(x *conformance.Exchange) {
			t := three(x, onTCP, onTCP)
			hangUp(x, t.named(x.Param("path")), x.Param("end"))
			for _, other := range t.others(x.Param("path")) {
				requireLives(x, other)
				d := sendFrame(x, other, typeUnknown, flag("REQUIRES_ACK"), nil)
				_, _, err := other.ExpectReply(d.Mid(), 0)
				x.Judge(observe(x, err, conformance.BudgetReply))
			}
			requireStays(x, t.left)
		},
	}
}

func timerEndsPath() conformance.Case {
	return conformance.Case{
		ID: "XC-1375", Title: "T_FRAME and T_REASSEMBLY close their path and leave the session to the others.",
		Proves: []string{"XTMP-PRK-001"}, Touches: []string{"XTMP-ORD-004", "XTMP-FRG-019"}, Timer: "T_FRAME",
		Labels: []string{conformance.LabelSlow}, Control: controlAttach, Expect: closes("XTMP-PRK-001"),
		Params: []conformance.Param{param("begun", "a frame", "a message")},
		Explain: explain("What is begun on a path and not ended is held for nothing; the session is not.",
			"On the current path half a frame, or one of two fragments. The path ends when its timer does, the other answers.",
			"the session is ended with the path", "frames on the other path start the timer anew"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			b := attachLive(x, s, onTCP)
			start := time.Now()
			if x.Param("begun") == "a frame" {
				send(x, b.WriteRaw(b.Draft(typeHeartbeat, 0, []byte{peer.Ping}).Encode()[:50]))
			} else {
				drafts := b.Fragments(typeHandshake, flag("REQUIRES_ACK"), rekeyWhole(b, unchanged), 618)
				send(x, b.SendDrafts(drafts[0]))
				fence(x, b)
			}
			for range 2 {
				x.Pause("T_CLOSE") // any span of which some fit into the timer
				requireLives(x, s)
			}
			judgeExpiry(x, b, "T_FRAME", start)
			requireLives(x, s)
		},
	}
}

func refusedForSize() conformance.Case {
	return conformance.Case{
		ID: "XC-1376", Title: "A message that was refused with PAYLOAD_TOO_LARGE of scope 1 is not sent again, and the session ends with " +
			"Disconnect.",
		Proves: []string{"XTMP-PTH-043", "XTMP-DSC-024"}, Touches: []string{"XTMP-DSC-002", "XTMP-DSC-003"}, Expect: accepts(),
		Explain: explain("What is too large for one path is too large for the next; sent again it closes one path after the other.",
			"A reply is read on the first path and not acknowledged; an Error PAYLOAD_TOO_LARGE of scope 1 there says that the client could not "+
				"take it. On the two other paths Disconnect comes, and not the reply.",
			"scope 1 is taken for a lost path", "Disconnect is sent on one path", "the session is kept"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			others := []*peer.Session{attachLive(x, s, onTCP, asStandby), attachLive(x, s, onTCP, asStandby)}
			d := sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil)
			reply, _, err := s.ExpectReply(d.Mid(), 0)
			if err != nil {
				unprepared(x, "a reply", err)
			}
			sendFrame(x, s, typeError, 0, peer.ErrorBody(uint16(code("PAYLOAD_TOO_LARGE")), 1, noSequence, ""))
			for _, b := range others {
				r, err := b.ReadFrame(0)
				for err == nil && !r.Is(typeDisconnect) {
					x.Require(r.Mid() != reply.Mid(), "the message that was refused is not sent again")
					r, err = b.ReadFrame(0)
				}
				x.Judge(observe(x, err, conformance.BudgetReply))
				requireEnd(x, b)
				requireClean(x, b.Conn)
			}
			requireGone(x, s)
		},
	}
}

func disconnectThrice() conformance.Case {
	return conformance.Case{
		ID: "XC-0694", Title: "Disconnect comes three times on a UDP path, T_DISC_GAP apart, and nothing after the first.",
		Proves: []string{"XTMP-DSC-021", "XTMP-DSC-022"}, Touches: []string{"XTMP-PTH-043", "XTMP-DSC-024"}, Expect: accepts(),
		Needs: profileUDP, Timer: "T_DISC_GAP",
		Explain: explain("Nobody acknowledges a Disconnect; three of them, apart from each other, outlive most of what loses one. A frame "+
			"behind "+
			"it belongs to a session that is over.",
			"A session on TCP with a standby path on UDP; a reply is refused with PAYLOAD_TOO_LARGE of scope 1, which ends the session. On the UDP "+
				"path three Disconnects have to come, each in a frame of its own; a PING and a request behind the first are not answered.",
			"Disconnect is sent as on TCP, once", "the copies are sent at once, or are one frame", "the path answers until it is forgotten"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			b := attachLive(x, s, onUDP, asStandby)
			settle(x, b)
			d := sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil)
			if _, _, err := s.ExpectReply(d.Mid(), 0); err != nil {
				unprepared(x, "a reply", err)
			}
			sendFrame(x, s, typeError, 0, peer.ErrorBody(uint16(code("PAYLOAD_TOO_LARGE")), 1, noSequence, ""))
			first, before, err := b.Expect(0, func(r *peer.Received) bool { return r.Is(typeDisconnect) })
			noteAll(x, before)
			x.Judge(observe(x, err, conformance.BudgetReply))
			sendPing(x, b, x.Entropy("behind").Bytes(8)) // too short for a reset [XTMP-RST-002]
			sendFrame(x, b, typeUnknown, flag("REQUIRES_ACK"), nil)
			copies := []*peer.Received{first}
			for range 4 {
				for _, r := range gather(x, b, "T_DISC_GAP") {
					x.Require(r.Is(typeDisconnect) && !r.Repeated, "nothing but Disconnect comes after the first, each in a frame of its own")
					copies = append(copies, r)
				}
			}
			x.RequireField("Disconnects", size("disconnect_copies"), len(copies))
			for i := range len(copies) - 1 {
				gap := copies[i+1].At.Sub(copies[i].At)
				x.Require(gap >= x.AtLeast("T_DISC_GAP")/2, "the copies come T_DISC_GAP apart")
			}
		},
	}
}

func suspectAlone() conformance.Case {
	return conformance.Case{
		ID: "XC-1377", Title: "A message that is not acknowledged outlives a time in which no path is live.",
		Proves: []string{"XTMP-PTH-017", "XTMP-PRK-003"}, Touches: []string{"XTMP-PTH-026"}, Timer: "T_SUSPECT", Expect: accepts(),
		Params: []conformance.Param{transports()},
		Explain: explain("A path that says nothing is not closed, and what was sent on it has nowhere else to go yet.",
			"A session in which HandshakeDone is not acknowledged and whose only path says nothing for longer than T_SUSPECT; then a second path, "+
				"and a PING there. HandshakeDone comes, and the first path answers a PING again.",
			"what finds no live path is dropped", "the session is parked, and its first path closed"),
		Run: func(x *conformance.Exchange) {
			first, second := twoPaths(x)
			s, done := unacknowledged(x, first)
			requireOffer(x, s, second)
			x.Pause("T_SUSPECT")
			x.Pause("T_LINGER") // the second for which a timer may be late
			b := attach(x, s, second)
			due := x.Mark()
			sendPing(x, b, peer.PingData(nil))
			sameBody(x, done, arrivalAtOnce(x, b, done.Mid(), due))
			requireLives(x, s)
			x.Judge(conformance.Accepted())
		},
	}
}
