package cases

import (
	"bytes"
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// controlAddress is the control twin of frames from elsewhere that move nothing.
const controlAddress = "XC-1400"

// udpAddress returns the cases about a client whose address changes (12.13).
func udpAddress() []conformance.Case {
	return append([]conformance.Case{
		followsClient(), lateFrameFromElsewhere(), badFrameFromElsewhere(), copyFromElsewhere(), backToOldAddress(), thirdAddress(),
	}, withProbe([]conformance.Case{wrongResponse(), validatedStays(), challengeUnanswered(), challengeInTime(), amplificationBound()})...)
}

// challenges reads until PATH_CHALLENGEs have come at these sockets, and returns their
// bytes by socket.
func challenges(x *conformance.Exchange, s *peer.Session, sockets ...int) map[int][]byte {
	got := map[int][]byte{}
	for len(got) < len(sockets) {
		r, before, err := s.Expect(0, func(r *peer.Received) bool { return kind(r, peer.PathChallenge) })
		noteAll(x, before)
		need(x, err)
		x.Note("PATH_CHALLENGE at socket %d", r.Socket)
		got[r.Socket] = r.Plaintext.Body[1:]
	}
	for _, socket := range sockets {
		x.Require(got[socket] != nil, "a PATH_CHALLENGE comes at each of the two addresses")
	}
	return got
}

// respondFrom answers a PATH_CHALLENGE from a socket.
func respondFrom(x *conformance.Exchange, s *peer.Session, socket int, data []byte, edits ...func(*peer.Draft)) {
	s.Use(socket)
	sendFrame(x, s, typeHeartbeat, 0, peer.HeartbeatBody(peer.PathResponse, data), edits...)
}

// answeredAt sends a PING from the socket in use and returns the socket at which its
// PONG comes.
func answeredAt(x *conformance.Exchange, s *peer.Session) int {
	fence(x, s)
	return s.Last().Socket
}

func followsClient() conformance.Case {
	return conformance.Case{
		ID: controlAddress, Title: "The server follows a client to another port or address, and validates it there.",
		Proves: []string{"XTMP-UDP-106", "XTMP-UDP-107", "XTMP-UDP-108", "XTMP-UDP-110", "XTMP-UDP-085"}, Expect: accepts(),
		Params: []conformance.Param{param("other", "port", "address")},
		Explain: explain("Home routers give a client another port while it notices nothing; a session that dies of it dies every few minutes.",
			"A session; a PING from another port or address, which is answered there; a PATH_CHALLENGE has to come at both places, with 16 "+
				"bytes of its own, and is answered from the new one; then PINGs and a request, which are answered there.",
			"a path is found by its source address", "the challenge goes to one place only", "the old address is kept until something times out"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			moved := s.AddSocket(socketFor(x, x.Param("other")))
			s.Use(moved)
			data := peer.PingData(x.Entropy("ping").Bytes(8))
			sendPing(x, s, data)
			got := map[int][]byte{}
			for pong := false; !pong || len(got) < 2; {
				r, before, err := s.Expect(0, func(r *peer.Received) bool { return kind(r, peer.PathChallenge) || kind(r, peer.Pong) })
				noteAll(x, before)
				need(x, err)
				if kind(r, peer.Pong) {
					pong = true
					x.RequireField("socket of the PONG", moved, r.Socket)
					continue
				}
				got[r.Socket] = r.Plaintext.Body[1:]
			}
			x.RequireField("bytes of the challenge", size("challenge"), len(got[moved]))
			x.RequireField("bytes of the challenge to the old address", size("challenge"), len(got[0]))
			x.Require(!bytes.Equal(got[0], got[moved]), "each challenge has bytes of its own")
			respondFrom(x, s, moved, got[moved])
			x.RequireField("socket of the answer", moved, answeredAt(x, s))
			d := sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil)
			r, _, err := s.ExpectReply(d.Mid(), 0)
			need(x, err)
			x.Judge(conformance.Accepted())
			x.RequireField("socket of the reply", moved, r.Socket)
			requireClean(x, s.Conn)
		},
	}
}

func lateFrameFromElsewhere() conformance.Case {
	return conformance.Case{
		ID: "XC-1401", Title: "A frame from another address whose sequence number is not the highest does not change the address.",
		Proves: []string{"XTMP-UDP-114"}, Control: controlAddress, Expect: ignores("XTMP-UDP-114"),
		Explain: explain("A frame that was sent before the client moved may arrive after those that it sent since.",
			"A PING behind a sequence number that is left out; the PING with that number from another port, whose answer goes to the old one; "+
				"then PINGs "+
				"from there, before whose answers no challenge may come.",
			"every frame that opens moves the path"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			other := s.AddSocket(socketAs(x, 0))
			late := s.LeaveOut()
			fence(x, s)
			s.Use(other)
			data := peer.PingData(x.Entropy("late").Bytes(8))
			sendPing(x, s, data, func(d *peer.Draft) { d.Sequence = late })
			_, before, err := s.Expect(0, isHeartbeat(peer.Pong, data)) // a newer frame from the old port would hide the change
			need(x, err)
			x.RequireField("socket of the answer", 0, s.Last().Socket)
			for _, r := range append(before, gather(x, s, "T_ACK")...) {
				if kind(r, peer.PathChallenge) {
					x.Judge(conformance.Accepted())
				}
			}
			s.Use(0)
			judgeIgnored(x, s)
			x.RequireField("socket of the last answer", 0, s.Last().Socket)
		},
	}
}

func badFrameFromElsewhere() conformance.Case {
	return conformance.Case{
		ID: "XC-1402", Title: "A datagram that does not open does not change the address.",
		Proves: []string{"XTMP-ORD-034"}, Control: controlAddress, Expect: ignores("XTMP-ORD-034"),
		Explain: explain("Anybody can write a session_id and a key_id that he has seen; were the address to follow, the session would be "+
			"his to end.",
			"A PING with a wrong tag and the next sequence number from another port; then PINGs from the first one, which are answered there.",
			"the address is taken at check 6"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			other := s.AddSocket(socketAs(x, 0))
			s.Use(other)
			d := s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, peer.PingData(nil)))
			d.AfterSeal(func(f *testkit.Frame) { f.Header.Flip("auth_tag", 0) })
			send(x, s.WriteRaw(d.Encode()))
			s.Rewind(1)
			if o := readHere(x, s); o.Kind != conformance.KindIgnored {
				x.Judge(o)
				return
			}
			s.Use(0)
			x.Judge(nextOnes(x, s))
			x.RequireField("socket of the last answer", 0, s.Last().Socket)
		},
	}
}

// readHere waits until the server has read what was sent from the socket in use: another
// processor may read what comes from another one sooner. It says what came meanwhile.
func readHere(x *conformance.Exchange, s *peer.Session) conformance.Observation {
	o := contactFence(x, s.Conn)
	x.Pause("T_ACK") // it may be handed on before it has an effect
	return o
}

func copyFromElsewhere() conformance.Case {
	return conformance.Case{
		ID: "XC-1403", Title: "A copy of a frame that comes from another address has no effect.",
		Proves: []string{"XTMP-UDP-079", "XTMP-ORD-034"}, Control: controlAddress, Expect: ignores("XTMP-ORD-034"),
		Explain: explain("Who stands on the way can copy datagrams and send them from elsewhere; the copy is a replay, wherever it comes from.",
			"A PING that is answered; the same datagram from another port; then PINGs from the first one.",
			"the address is taken before the window is asked"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			fence(x, s)
			var copied peer.Datagram
			for _, d := range s.Datagrams() {
				if d.Sent && d.Name == "Heartbeat PING" {
					copied = d
				}
			}
			s.Use(s.AddSocket(socketAs(x, 0)))
			send(x, s.Replay(copied))
			if o := readHere(x, s); o.Kind != conformance.KindIgnored {
				x.Judge(o)
				return
			}
			s.Use(0)
			judgeIgnored(x, s)
			x.RequireField("socket of the last answer", 0, s.Last().Socket)
		},
	}
}

func backToOldAddress() conformance.Case {
	return conformance.Case{
		ID: "XC-1404", Title: "A newer frame from the old address ends the validation of another.",
		Proves: []string{"XTMP-UDP-112"},
		Explain: explain("An attacker who sends the client's frame on from elsewhere, faster than the network, must not keep the session "+
			"while the client goes on.",
			"A PING from another port, which begins a validation; then a PING from the first one, which has to be answered there, and a "+
				"response to the "+
				"challenge from the other, after which the address is still the first.",
			"a validation that has begun runs to its end", "a late response is taken"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			other := s.AddSocket(socketAs(x, 0))
			s.Use(other)
			sendPing(x, s, peer.PingData(nil))
			got := challenges(x, s, 0, other)
			s.Use(0)
			x.RequireField("socket of the answer", 0, answeredAt(x, s))
			late := s.LeaveOut()
			fence(x, s)
			s.Use(other)
			sendFrame(x, s, typeHeartbeat, 0, peer.HeartbeatBody(peer.PathResponse, got[other]), func(d *peer.Draft) { d.Sequence = late })
			s.Use(0)
			x.RequireField("socket of the last answer", 0, answeredAt(x, s))
		},
	}
}

func thirdAddress() conformance.Case {
	return conformance.Case{
		ID: "XC-1405", Title: "A newer frame from a third address begins the validation anew, with other bytes.",
		Proves: []string{"XTMP-UDP-113"},
		Explain: explain("A client may move twice in a moment. The newest address is the one that counts, and the old challenge must not "+
			"prove it.",
			"A PING from a second port and, when its challenge is there, one from a third: a challenge with other bytes has to come there. It "+
				"is answered, and "+
				"PINGs are answered there.",
			"the first candidate is kept until its time is over", "the same bytes are used again"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			second, third := s.AddSocket(socketAs(x, 0)), s.AddSocket(socketAs(x, 0))
			s.Use(second)
			sendPing(x, s, peer.PingData(nil))
			first := challenges(x, s, 0, second)
			s.Use(third)
			sendPing(x, s, peer.PingData(nil))
			r, before, err := s.Expect(0, func(r *peer.Received) bool { return kind(r, peer.PathChallenge) && r.Socket == third })
			noteAll(x, before)
			need(x, err)
			x.Require(!bytes.Equal(r.Plaintext.Body[1:], first[second]), "the new challenge has other bytes")
			respondFrom(x, s, third, r.Plaintext.Body[1:])
			x.RequireField("socket of the answer", third, answeredAt(x, s))
		},
	}
}

// awaited asks for a reply that comes later than a validation takes, from the socket in
// use. The time is in milliseconds.
func awaited(x *conformance.Exchange, s *peer.Session) uint64 {
	return ask(x, s, opDelay, 1500, []byte("later")).Mid()
}

func challengeUnanswered() conformance.Case {
	return conformance.Case{
		ID: "XC-1406", Title: "Without an answer to the challenge the server returns to the old address.",
		Proves: []string{"XTMP-UDP-111"}, Touches: []string{"XTMP-UDP-110"},
		Explain: explain("An address that does not answer is not the client's; a session that stays there is lost.",
			"A request whose reply takes 1.5 s; then a PING from another port, and no answer to its challenge: the reply has to come at the "+
				"old port.",
			"the server goes on at the new address", "the path is given up"),
		Run: func(x *conformance.Exchange) {
			s, mid, other := movedWhileAwaiting(x)
			challenges(x, s, 0, other)
			requireReplyAt(x, s, mid, 0)
		},
	}
}

// movedWhileAwaiting returns a session on UDP that awaits the reply to a request, which
// takes 1.5 s, and has sent a PING from another port, whose challenge is still to come.
// It acknowledges nothing from then on.
func movedWhileAwaiting(x *conformance.Exchange) (s *peer.Session, mid uint64, other int) {
	s = udpSession(x)
	mid = awaited(x, s)
	settle(x, s)
	other = s.AddSocket(socketAs(x, 0))
	s.Use(other)
	s.Acks = false
	sendPing(x, s, peer.PingData(nil))
	return s, mid, other
}

// requireReplyAt requires that the first copy of a reply comes at a socket.
func requireReplyAt(x *conformance.Exchange, s *peer.Session, mid uint64, socket int) {
	r, before, err := s.ExpectReply(mid, x.Within(conformance.BudgetReply))
	noteAll(x, before)
	need(x, err)
	x.RequireField("socket of the reply", socket, r.Socket)
}

func wrongResponse() conformance.Case {
	return conformance.Case{
		ID: "XC-1407", Title: "A response with other bytes, or from another address, does not validate the new address.",
		Proves: []string{"XTMP-UDP-110"}, Touches: []string{"XTMP-UDP-111", "XTMP-UDP-114", "XTMP-HBT-009"},
		Params: []conformance.Param{param("response", "other bytes", "bytes of the old port", "from the old port", "from a third port")},
		Explain: explain("The bytes are what only somebody at the new address has read, and he has to send them from there.",
			"A request whose reply takes 1.5 s; a PING from another port; a response from there with one bit altered or with the bytes that "+
				"came to the old port, or the right one from elsewhere, behind a newer frame so that it moves nothing: the reply "+
				"has to come at the old port.",
			"any PATH_RESPONSE validates", "the source of the response is not looked at"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			mid := awaited(x, s)
			settle(x, s)
			other, third := s.AddSocket(socketAs(x, 0)), s.AddSocket(socketAs(x, 0))
			late := s.LeaveOut()
			s.Use(other)
			s.Acks = false
			sendPing(x, s, peer.PingData(nil))
			got := challenges(x, s, 0, other)
			data := bytes.Clone(got[other])
			switch x.Param("response") {
			case "other bytes":
				data[0] ^= 1
				respondFrom(x, s, other, data)
			case "bytes of the old port":
				respondFrom(x, s, other, got[0])
			case "from the old port":
				respondFrom(x, s, 0, data, func(d *peer.Draft) { d.Sequence = late })
			default:
				respondFrom(x, s, third, data, func(d *peer.Draft) { d.Sequence = late })
			}
			requireReplyAt(x, s, mid, 0)
		},
	}
}

func validatedStays() conformance.Case {
	return conformance.Case{
		ID: "XC-1409", Title: "An address that has answered its challenge stays the address of the path.",
		Proves: []string{"XTMP-UDP-110"}, Touches: []string{"XTMP-UDP-108", "XTMP-UDP-111"},
		Explain: explain("A server that goes back all the same sends what it has to say to where the client was.",
			"A request whose reply takes 1.5 s; a PING from another port, whose challenge is answered from there; nothing more: the reply has to "+
				"come there.",
			"the response is not matched with the challenge", "T_CHALLENGE runs on"),
		Run: func(x *conformance.Exchange) {
			s, mid, other := movedWhileAwaiting(x)
			respondFrom(x, s, other, challenges(x, s, 0, other)[other])
			requireReplyAt(x, s, mid, other)
		},
	}
}

func challengeInTime() conformance.Case {
	return conformance.Case{
		ID: "XC-1410", Title: "The server returns to the old address when T_CHALLENGE has passed, and not much later.",
		Proves: []string{"XTMP-TMR-007"}, Touches: []string{"XTMP-UDP-111"}, Timer: "T_CHALLENGE",
		Explain: explain("For as long as the server waits it speaks to an address that nobody has proven.",
			"A request whose reply takes 0.8 s; at once a PING from another port, and no answer to its challenge. Three PTO of a short round trip "+
				"and the 100 ms of grace have passed long before: the reply has to come at the old port.",
			"the timer is coarse, or that of another wait"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			settle(x, s)
			other := s.AddSocket(socketAs(x, 0))
			began := time.Now()
			fence(x, s)
			if time.Since(began) > x.AtLeast("T_ACK") {
				x.Inconclusive("the round trip is too long")
			}
			mid := ask(x, s, opDelay, 800, []byte("later")).Mid()
			s.Use(other)
			s.Acks = false
			sendPing(x, s, peer.PingData(nil))
			challenges(x, s, 0, other)
			r, before, err := s.ExpectReply(mid, x.Within(conformance.BudgetReply))
			noteAll(x, before)
			need(x, err)
			if r.Socket != 0 {
				x.Judge(conformance.Silence("T_CHALLENGE"))
			}
			x.Judge(conformance.Accepted())
		},
	}
}

func amplificationBound() conformance.Case {
	return conformance.Case{
		ID: "XC-1408", Title: "To an address that is not validated the server sends at most three times what came from it.",
		Proves: []string{"XTMP-UDP-109"},
		Explain: explain("Whoever holds a session could otherwise point its replies at anybody.",
			"A source of 30 000 bytes, asked from another port, and no answer to the challenge for a moment: what comes there is counted. Then "+
				"the answer.",
			"the congestion window alone bounds what is sent", "the challenge is not counted"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			settle(x, s)
			s.Acks = false
			other := s.AddSocket(socketAs(x, 0))
			s.Use(other)
			sent := len(s.Datagrams())
			ask(x, s, opSource, 30_000, nil)
			out := len(s.Datagrams()[sent].Raw)
			in := 0
			for until := time.Now().Add(x.AtLeast(conformance.BudgetQuiet)); ; {
				r, err := s.Conn.ReadFrame(max(time.Until(until), time.Millisecond))
				if err != nil {
					break
				}
				if r.Socket == other {
					in += len(r.Raw)
				}
			}
			x.Note("%d bytes went out, %d came in", out, in)
			x.Require(in <= size("amplification")*out, "at most three times the bytes come back")
			x.RequireInTime(in > 0, "the challenge comes")
		},
	}
}
