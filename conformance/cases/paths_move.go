package cases

import (
	"slices"
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// controlMove is the control twin of cases about what does not move a session.
const controlMove = "XC-1350"

// pathsMove returns the cases of 13.5 and 13.6: which path a message takes, and what
// moves a session to another.
func pathsMove() []conformance.Case {
	return []conformance.Case{
		movesAtFirstFrame(), overUDP(movesAtFirstFrame(), "XC-1362", "The session moves so to a UDP path, and from one."),
		movesAtRequest(), standbyStays(), leftPathStays(), currentEnds(), suspectPath(), answersOnPath(), answersOnUDPPath(), replyTakesPath(),
		replyAgain(), overUDP(replyAgain(), "XC-1363", "A request that comes again gets its reply on a UDP path too."),
		replyAcknowledged(), midsAcrossPaths(), closedPathSendsAgain(),
	}
}

// unacknowledged returns a session whose HandshakeDone is not acknowledged: it follows
// the session to every path to which it moves.
func unacknowledged(x *conformance.Exchange, transport string) (s *peer.Session, done *peer.Received) {
	s = sessionOn(x, transport, peer.Script{NoAck: true})
	return s, s.Last()
}

// overUDP is a case whose param paths names two TCP paths, for UDP paths.
func overUDP(c conformance.Case, id, title string) conformance.Case {
	c.ID, c.Title, c.Needs = id, title, profileUDP
	c.Params = append([]conformance.Param{param("paths", onTCP+" and "+onUDP, onUDP+" and "+onTCP)}, c.Params[1:]...)
	return c
}

// onlyTCP is the param paths of a case of which another asks about UDP.
func onlyTCP() conformance.Param { return param("paths", onTCP+" and "+onTCP) }

// firstFrames are first frames that open on a path.
func firstFrames() conformance.Param { return param("first", "PING", "PONG", "request", "extension") }

// sendFirst sends a frame on a path, whatever answers it.
func sendFirst(x *conformance.Exchange, s *peer.Session, kind string) {
	switch kind {
	case "PING":
		sendPing(x, s, peer.PingData(x.Entropy("kind").Bytes(16)))
	case "PONG":
		sendFrame(x, s, typeHeartbeat, 0, peer.HeartbeatBody(peer.Pong, []byte("unasked")))
	case "PATH_CHALLENGE":
		sendFrame(x, s, typeHeartbeat, 0, peer.HeartbeatBody(peer.PathChallenge, x.Entropy("kind").Bytes(16)))
	case "request":
		sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil)
	case "reliable extension":
		sendFrame(x, s, typeExtension, flag("REQUIRES_ACK"), nil)
	case "extension":
		sendFrame(x, s, typeExtension, 0, nil)
	case "message without mid":
		sendFrame(x, s, typeUnknown, 0, nil)
	case "Error of scope 0":
		sendFrame(x, s, typeError, 0, peer.ErrorBody(uint16(code("MALFORMED")), 0, noSequence, ""))
	default:
		panic("cases: no such frame: " + kind)
	}
}

func movesAtFirstFrame() conformance.Case {
	return conformance.Case{
		ID: controlMove, Title: "The session moves to a path attached without the standby bit when the first frame on it opens.",
		Proves: []string{"XTMP-PTH-026", "XTMP-PTH-029", "XTMP-PTH-033"}, Touches: []string{"XTMP-ATT-038"}, Expect: accepts(),
		Params: []conformance.Param{onlyTCP(), firstFrames()},
		Explain: explain("A client that attaches such a path has lost, or gives up, the one that it had; what is outstanding has to come "+
			"where it "+
			"listens.",
			"A session in which HandshakeDone is not acknowledged; a second path; and its first frame, of the kind that the param names. "+
				"HandshakeDone comes there, under its mid.",
			"only a request moves the session", "the messages wait for their timer", "a new mid is taken", "the frame is sent as it was sealed for "+
				"the first path"),
		Run: func(x *conformance.Exchange) {
			first, second := twoPaths(x)
			s, done := unacknowledged(x, first)
			b := attach(x, s, second)
			due := x.Mark()
			sendFirst(x, b, x.Param("first"))
			sameBody(x, done, arrivalAtOnce(x, b, done.Mid(), due))
			requireLives(x, b)
			x.Judge(conformance.Accepted())
			requireSound(x, b.Conn)
			requireClean(x, b.Conn)
		},
	}
}

func movesAtRequest() conformance.Case {
	return conformance.Case{
		ID: "XC-1351", Title: "The session moves to a standby path when the first frame with REQUIRES_ACK on it opens.",
		Proves: []string{"XTMP-PTH-027", "XTMP-PTH-029"}, Touches: []string{"XTMP-PTH-013"}, Expect: accepts(),
		Params: []conformance.Param{transports(), param("frame", "request", "reliable extension")},
		Explain: explain("The client has no other word for it: a reliable frame on a standby path says that it moves.",
			"A session in which HandshakeDone is not acknowledged; a standby path with a PING, and then a reliable frame on it.",
			"types that are unknown do not count", "the session moves when the frame is answered and not when it opens"),
		Run: func(x *conformance.Exchange) {
			first, second := twoPaths(x)
			s, done := unacknowledged(x, first)
			b := attachLive(x, s, second, asStandby)
			due := x.Mark()
			sendFirst(x, b, x.Param("frame"))
			sameBody(x, done, arrivalAtOnce(x, b, done.Mid(), due))
			requireLives(x, b)
			x.Judge(conformance.Accepted())
		},
	}
}

func standbyStays() conformance.Case {
	return conformance.Case{
		ID: "XC-1352", Title: "No frame without REQUIRES_ACK moves the session to a standby path, and nothing reliable is sent there.",
		Proves: []string{"XTMP-PTH-005", "XTMP-PTH-014", "XTMP-PTH-028"}, Expect: accepts(),
		Params: []conformance.Param{
			param("paths", onTCP+" and "+onTCP, onTCP+" and "+onUDP),
			param("frame", "PING", "PONG", "PATH_CHALLENGE", "extension", "message without mid", "Error of scope 0"),
		},
		Explain: explain("A standby path is kept alive by PINGs; a server that follows them sends its replies to where nobody waits for them.",
			"A session in which HandshakeDone is not acknowledged; a standby path with the frame that the param names, and PINGs. HandshakeDone "+
				"does not come there. Then a request on the standby path, and it does.",
			"the last path that was heard is the current one", "any first frame moves the session"),
		Run: func(x *conformance.Exchange) {
			first, second := twoPaths(x)
			s, done := unacknowledged(x, first)
			b := attach(x, s, second, asStandby)
			sendFirst(x, b, x.Param("frame"))
			requireLives(x, s) // a path that is heard stays live
			requireAbsent(x, b)
			sendFirst(x, b, "request")
			arrival(x, b, done.Mid())
			x.Judge(conformance.Accepted())
		},
	}
}

func leftPathStays() conformance.Case {
	return conformance.Case{
		ID: "XC-1353", Title: "Nothing that arrives on a path that was left moves the session back to it, and the path goes on.",
		Proves: []string{"XTMP-PTH-028", "XTMP-PTH-037"}, Touches: []string{"XTMP-PTH-013"}, Control: controlMove,
		Expect: ignores("XTMP-PTH-028"),
		Params: []conformance.Param{param("path", "the first", "the second"), param("frame", "PING", "request", "reliable extension")},
		Explain: explain("A request that was under way when the client moved arrives late on the old path; a server that turns back for it "+
			"sends "+
			"everything to a path that has failed.",
			"A session that has moved from the first path to the second and from there to a third, on which a reply is not acknowledged; then a "+
				"frame on a path that was left. It is answered there, and the reply stays where it is.",
			"the current path is the last on which a request came", "a path that was left is a standby path again"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			b := attachLive(x, s, onTCP)
			c := attachLive(x, s, onTCP)
			d := sendFrame(x, c, typeUnknown, flag("REQUIRES_ACK"), nil)
			reply, _, err := c.ExpectReply(d.Mid(), 0)
			if err != nil {
				unprepared(x, "a reply", err)
			}
			left := map[string]*peer.Session{"the first": s, "the second": b}[x.Param("path")]
			sendFirst(x, left, x.Param("frame"))
			frames := append(fence(x, left), fence(x, left)...)
			for _, r := range frames {
				if r.Plaintext != nil && r.Mid() == reply.Mid() && r.Type() < 0x80 || r.Is(typeError) && r.Mid() == reply.Mid() {
					x.Judge(conformance.Accepted())
				}
			}
			x.Judge(conformance.Ignored())
			if x.Param("frame") == "request" {
				x.Require(len(onlyReplies(frames)) == 1, "the request is answered on the path on which it arrived")
			}
			requireLives(x, c)
		},
	}
}

func currentEnds() conformance.Case {
	return conformance.Case{
		ID: "XC-1354", Title: "When the current path is closed, the live path on which a frame was opened last becomes current.",
		Proves: []string{"XTMP-PTH-030", "XTMP-PTH-016", "XTMP-PRK-001"}, Expect: accepts(),
		Params: []conformance.Param{ends(), param("heard last", "the second", "the third")},
		Explain: explain("A server with several standby paths has to guess which of them its client will listen to.",
			"A session in which HandshakeDone is not acknowledged, with two standby paths; a PING on one, then on the other; then the first path "+
				"ends. HandshakeDone comes on the path that was heard last, without another frame, and not on the other.",
			"the path that was attached first, or last, is taken", "the server waits for a request", "the session ends with its first path"),
		Run: func(x *conformance.Exchange) {
			s, done := unacknowledged(x, onTCP)
			requireOffer(x, s, onTCP)
			b := attach(x, s, onTCP, asStandby)
			c := attach(x, s, onTCP, asStandby)
			if x.Param("heard last") == "the second" {
				b, c = c, b
			}
			prepare(x, b)
			prepare(x, c)
			hangUp(x, s, x.Param("end"))
			sameBody(x, done, arrivalAtOnce(x, c, done.Mid(), x.Mark()))
			requireAbsent(x, b)
			requireLives(x, c)
			x.Judge(conformance.Accepted())
		},
	}
}

func suspectPath() conformance.Case {
	return conformance.Case{
		ID: "XC-1355", Title: "A message that is not acknowledged on a path that became suspect is sent on a live one, and the path is kept.",
		Proves:  []string{"XTMP-PTH-016", "XTMP-PTH-039", "XTMP-PRK-003"},
		Touches: []string{"XTMP-PTH-037", "XTMP-TMR-003", "XTMP-TMR-004"}, Timer: "T_SUSPECT",
		Expect: accepts(), Params: []conformance.Param{transports()},
		Explain: explain("A network that drops everything closes nothing; only silence tells, path by path.",
			"A session in which HandshakeDone is not acknowledged and whose first path says nothing; a standby path that answers PINGs all the "+
				"time. HandshakeDone comes there, on TCP not before T_SUSPECT. Then the first path speaks again.",
			"silence is counted for the session and not for the path", "only a closed path counts as failed", "a suspect path is closed, or its "+
				"session parked"),
		Run: func(x *conformance.Exchange) {
			first, second := twoPaths(x)
			began := x.Mark()
			s, done := unacknowledged(x, first)
			b := attachLive(x, s, second, asStandby)
			limit := time.Now().Add(latest(x, "T_SUSPECT"))
			for come := false; !come; {
				x.Require(time.Now().Before(limit), "a message leaves a path that is suspect")
				before := requireLives(x, b)
				come = slices.Contains(mids(before), done.Mid())
				if !come {
					r, err := b.ReadFrame(x.AtLeast(conformance.BudgetQuiet))
					come = err == nil && slices.Contains(mids([]*peer.Received{r}), done.Mid())
				}
			}
			if first == onTCP {
				x.RequireNotBefore("T_SUSPECT", began)
			}
			requireLives(x, b)
			requireLives(x, s)
			x.Judge(conformance.Accepted())
		},
	}
}

func answersOnPath() conformance.Case {
	return conformance.Case{
		ID: "XC-1356", Title: "PONG, PATH_RESPONSE and Ack come on the path of the frame that they answer.",
		Proves: []string{"XTMP-PTH-006", "XTMP-PTH-015"}, Touches: []string{"XTMP-ACK-001", "XTMP-ACK-025"}, Expect: accepts(),
		Params: []conformance.Param{onlyTCP(), param("path", "left", "current", "standby")},
		Explain: explain("An Ack counts frames of the path on which it travels; on another one it acknowledges what was never sent.",
			"On a path that was left, on the current one, or on a standby path: a PING, a PATH_CHALLENGE and a reliable frame of an extension "+
				"type.",
			"answers go to the current path", "sequence numbers of Acks are those of the session"),
		Run: func(x *conformance.Exchange) {
			first, second := twoPaths(x)
			s := sessionOn(x, first, peer.Script{})
			p, list := s, []*peer.Session{s}
			switch x.Param("path") {
			case "standby":
				p = attach(x, s, second, asStandby)
			case "current":
				p = attach(x, s, second)
			case "left":
				list = append(list, attachLive(x, s, second))
			}
			requireLives(x, p)
			data := x.Entropy("challenge").Bytes(16)
			sendFrame(x, p, typeHeartbeat, 0, peer.HeartbeatBody(peer.PathChallenge, data))
			_, _, err := p.Expect(0, isHeartbeat(peer.PathResponse, data))
			x.Judge(observe(x, err, conformance.BudgetReply))
			d := sendFrame(x, p, typeExtension, flag("REQUIRES_ACK"), nil)
			_, _, err = p.Expect(0, func(r *peer.Received) bool {
				return isAck(r) && (p.UDP() && covers(r, d.Sequence) || !p.UDP() && r.Body("ack").Uint("largest") >= d.Sequence)
			})
			x.Judge(observe(x, err, conformance.BudgetReply))
			for _, other := range append(list, p) {
				requireSound(x, other.Conn)
			}
		},
	}
}

// answersOnUDPPath is answersOnPath for UDP, where an Ack names what it acknowledges.
func answersOnUDPPath() conformance.Case {
	c := overUDP(answersOnPath(), "XC-1348", "So do those to frames of a UDP path, and those to frames of a TCP path beside it.")
	c.Proves = append(c.Proves, "XTMP-ACK-025") // of two TCP paths as well
	c.Params[0] = transports()
	return c
}

func replyTakesPath() conformance.Case {
	return conformance.Case{
		ID: "XC-1357", Title: "A reply comes on the path on which its request arrived, whichever is current.",
		Proves: []string{"XTMP-PTH-013", "XTMP-PTH-014"}, Expect: accepts(),
		Params: []conformance.Param{transports(), param("path", "left", "current", "standby")},
		Explain: explain("A client sends where it knows that it hears; the way back is the way that the request has just shown to be open.",
			"A session with a path that was left, a current one and a standby path; a request on one of them. The reply comes there, and on no "+
				"other.",
			"replies go to the current path", "replies go to every path"),
		Run: func(x *conformance.Exchange) {
			first, second := twoPaths(x)
			s := sessionOn(x, first, peer.Script{})
			b := attachLive(x, s, second)
			c := attachLive(x, s, onTCP, asStandby)
			list := map[string]*peer.Session{"left": s, "current": b, "standby": c}
			p := list[x.Param("path")]
			d := sendFrame(x, p, typeUnknown, flag("REQUIRES_ACK"), nil)
			_, before, err := p.ExpectReply(d.Mid(), 0)
			noteAll(x, before)
			x.Judge(observe(x, err, conformance.BudgetReply))
			for _, name := range []string{"left", "current", "standby"} {
				if list[name] != p {
					requireAbsent(x, list[name])
				}
			}
		},
	}
}

// copyOn sends a request that went out on another path again, under its mid.
func copyOn(x *conformance.Exchange, s *peer.Session, d *peer.Draft) *peer.Draft {
	again := s.Draft(d.Frame.Type(), d.Frame.Flags()&^flag("ENCRYPTED"), d.Plaintext.Body)
	withMid(d.Mid())(again)
	send(x, s.SendDrafts(again))
	return again
}

func replyAgain() conformance.Case {
	return conformance.Case{
		ID: "XC-1358", Title: "A request that comes again on another path gets the same reply there, and is not executed again.",
		Proves: []string{"XTMP-PTH-031", "XTMP-PTH-033", "XTMP-PTH-007"}, Touches: []string{"XTMP-PTH-036", "XTMP-MSG-019"}, Expect: accepts(),
		Params: []conformance.Param{onlyTCP(), param("times", "1", "3"), param("attached", "before the request", "after it")},
		Explain: explain("A reply that was lost with its path is the reason for which a client asks again; what it must not cause is a second "+
			"execution.",
			"A session that has moved to its second path; a request on the first, whose reply is read there and not acknowledged; the same "+
				"request on the second path. The reply comes there under its old mid, once on TCP however often the request comes.",
			"mids are remembered for each path", "the request is executed again and gets a second reply", "a repeated mid is only acknowledged"),
		Run: func(x *conformance.Exchange) {
			first, second := twoPaths(x)
			s := sessionOn(x, first, peer.Script{})
			requireOffer(x, s, second)
			var b *peer.Session
			if x.Param("attached") == "before the request" {
				b = attachLive(x, s, second)
			}
			s.Acks = false
			d := sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), x.Entropy("body").Bytes(16))
			reply, before, err := s.ExpectReply(d.Mid(), 0)
			noteAll(x, before)
			if err != nil {
				unprepared(x, "a reply", err)
			}
			if b == nil {
				b = attach(x, s, second)
			}
			b.Acks = false
			due := x.Mark()
			for range x.ParamInt("times") {
				copyOn(x, b, d)
			}
			again, before, err := b.ExpectReply(d.Mid(), 0)
			noteAll(x, before)
			x.Judge(observe(x, err, conformance.BudgetReply))
			x.RequireWithin("T_LINGER", due) // any span that is shorter than T_SUSPECT
			x.RequireField("mid", reply.Mid(), again.Mid())
			sameBody(x, reply, again)
			rest := append(fence(x, b), fence(x, b)...)
			x.Require(b.UDP() || len(onlyReplies(rest)) == 0, "a reply is not sent twice on one TCP connection")
			for _, r := range onlyReplies(rest) {
				x.RequireField("mid", reply.Mid(), r.Mid())
			}
		},
	}
}

func replyAcknowledged() conformance.Case {
	return conformance.Case{
		ID: "XC-1359", Title: "A request that comes again on another path when its reply was acknowledged is acknowledged and not answered.",
		Proves: []string{"XTMP-PTH-007", "XTMP-MSG-019", "XTMP-MSG-020"}, Control: "XC-1358", Expect: ignores("XTMP-MSG-020"),
		Params: []conformance.Param{param("acknowledged on", "the first", "the second")},
		Explain: explain("What was acknowledged may be forgotten; that the request was executed may not.",
			"A request whose reply is acknowledged, on the path on which it came, or on another to which it came too; then the request on a third "+
				"path.",
			"de-duplication is kept for each path", "a reply that is forgotten is computed again"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			b := attachLive(x, s, onTCP)
			d := sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil)
			_, _, err := s.ExpectReply(d.Mid(), 0)
			if err != nil {
				unprepared(x, "a reply", err)
			}
			acks := s
			if x.Param("acknowledged on") == "the second" {
				copyOn(x, b, d)
				if _, _, err := b.ExpectReply(d.Mid(), 0); err != nil {
					unprepared(x, "a reply on the second path", err)
				}
				acks = b
			}
			send(x, acks.Ack())
			prepare(x, acks)
			c := attachLive(x, s, onTCP)
			again := copyOn(x, c, d)
			_, before, err := c.ExpectAck(again.Sequence, 0)
			need(x, err)
			if len(onlyReplies(before)) > 0 {
				x.Judge(conformance.Accepted())
			}
			judgeIgnored(x, c, isAck)
			requireAbsent(x, s)
		},
	}
}

func midsAcrossPaths() conformance.Case {
	return conformance.Case{
		ID: "XC-1360", Title: "The server counts the mids of its messages once for all paths.",
		Proves: []string{"XTMP-PTH-008"}, Touches: []string{"XTMP-MSG-011"}, Expect: accepts(), Params: []conformance.Param{transports()},
		Explain: explain("Two messages under one mid are one message to whoever receives them; the second is lost.",
			"Requests on three paths in turn. Their replies have the mids that follow HandshakeDone, each once.",
			"mids are counted for each path"),
		Run: func(x *conformance.Exchange) {
			first, second := twoPaths(x)
			s := sessionOn(x, first, peer.Script{})
			list := []*peer.Session{s, attachLive(x, s, second), attachLive(x, s, onTCP)}
			last := uint64(1)
			for i := range 9 {
				p := list[i%len(list)]
				d := sendFrame(x, p, typeUnknown, flag("REQUIRES_ACK"), nil)
				r, before, err := p.ExpectReply(d.Mid(), 0)
				need(x, err)
				for _, other := range mids(before) { // such as one of an extension type
					last = max(last, other)
				}
				x.RequireField("mid", last+1, r.Mid())
				last = r.Mid()
			}
			x.Judge(conformance.Accepted())
		},
	}
}

func closedPathSendsAgain() conformance.Case {
	return conformance.Case{
		ID: "XC-1361", Title: "A reply that is not acknowledged on a path that is closed is sent again on another, in the order of mids.",
		Proves: []string{"XTMP-PTH-016", "XTMP-PTH-029", "XTMP-PTH-033"}, Expect: accepts(),
		Params: []conformance.Param{param("path", "current", "left"), param("replies", "1", "20"), param("acknowledged", "none", "half")},
		Explain: explain("No message is lost with a path, none comes twice where it was acknowledged, and the oldest comes first.",
			"Requests on the first path, which is the current one or was left; of their replies none or the first half is acknowledged; then the "+
				"path ends, and what is missing comes on the other.",
			"everything is sent again", "the order of the table is that of a map"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			b := attachLive(x, s, onTCP, func(a *peer.Attach) {
				if x.Param("path") == "current" {
					asStandby(a)
				}
			})
			var replies []*peer.Received
			for i := range x.ParamInt("replies") {
				d := sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil)
				r, _, err := s.ExpectReply(d.Mid(), 0)
				if err != nil {
					unprepared(x, "a reply", err)
				}
				replies = append(replies, r)
				if x.Param("acknowledged") == "half" && i == x.ParamInt("replies")/2 {
					send(x, s.Ack())
					replies = nil
				}
			}
			prepare(x, s)
			hangUp(x, s, "end of stream")
			for _, reply := range replies {
				r, _, err := b.Expect(0, func(r *peer.Received) bool { return r.Plaintext != nil && r.Mid() != 0 && r.ReplyTo() != 0 })
				need(x, err)
				x.RequireField("mid", reply.Mid(), r.Mid())
				sameBody(x, reply, r)
			}
			requireAbsent(x, b)
			x.Judge(conformance.Accepted())
		},
	}
}
