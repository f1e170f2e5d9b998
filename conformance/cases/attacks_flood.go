package cases

import (
	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// attacksFlood returns the cases that try to use a server up.
func attacksFlood() []conformance.Case {
	return []conformance.Case{helloFlood(), claimedLengths(), slowConnections(), rapidCycles(), unreadAnswers()}
}

// crowd is how many connections a flood holds at once.
const crowd = 128

// otherServed judges what a host comes to that has done nothing wrong, while others
// flood.
func otherServed(x *conformance.Exchange) {
	nc, err := x.DialAs(conformance.MaxPersons - 1)
	if err != nil {
		x.Fail("another host gets no connection")
	}
	s, err := dialOn(x, nc).Handshake(peer.Script{Lenient: true})
	x.Judge(observe(x, err, conformance.BudgetReply))
	_, err = s.Ping([]byte("another host"))
	x.Judge(observe(x, err, conformance.BudgetReply))
}

// crowdOf connects as one host so often, and lets each connection do something. A
// server may refuse or cut whom it likes of them.
func crowdOf(x *conformance.Exchange, n int, act func(i int, c *peer.Conn)) {
	if !x.Endpoint().Loopback() {
		x.Unsupported("a network on which the judge can be several hosts")
	}
	for i := range n {
		nc, err := x.DialAs(0)
		if err != nil {
			x.Note("connection %d is refused", i)
			continue
		}
		act(i, dialOn(x, nc, unrecorded))
	}
}

func helloFlood() conformance.Case {
	return conformance.Case{
		ID: "XC-0930", Title: "While one host sends ClientHellos without end, another is served.",
		Proves: []string{"XTMP-LIM-005"}, Touches: []string{"XTMP-LIM-011", "XTMP-ORD-014"}, Disruptive: true, Expect: accepts(),
		Explain: explain("A handshake costs the server two key exchanges and a signature, and the client one packet. What one host may ask "+
			"for is bounded, so that the rest is left for others.",
			"A crowd of connections from one address with a ClientHello each, which nobody goes on with; then a handshake from another address.",
			"half-open handshakes are counted for all hosts together", "the work is done before the source is looked at"),
		Run: func(x *conformance.Exchange) {
			crowdOf(x, crowd, func(_ int, c *peer.Conn) { send(x, c.SendHello(c.HelloDefaults())) })
			otherServed(x)
		},
	}
}

func claimedLengths() conformance.Case {
	return conformance.Case{
		ID: "XC-0931", Title: "While one host announces 16 MiB on many connections, another is served.",
		Proves: []string{"XTMP-ORD-009"}, Touches: []string{"XTMP-ORD-013", "XTMP-LIM-011", "XTMP-HSK-076"}, Disruptive: true, Expect: accepts(),
		Params: []conformance.Param{param("payload_length", "8208", "65600", "16777216", "4294967295")},
		Explain: explain("Memory that is taken for a length which was only announced is taken by 96 bytes; a few hundred connections fetch "+
			"all there is.",
			"A crowd of connections from one address, each with the 96 bytes of a first frame that announces so much, and half of its bytes "+
				"where that is allowed; then a handshake from another address.",
			"the buffer is made as long as the header says", "the length is judged when the payload is there"),
		Run: func(x *conformance.Exchange) {
			crowdOf(x, crowd, func(_ int, c *peer.Conn) {
				f := testkit.NewFrame(typeHandshake, 0)
				f.Header.SetUint("payload_length", uint64(x.ParamInt("payload_length")))
				send(x, c.WriteRaw(append(f.Encode()[:testkit.HeaderSize], make([]byte, size("payload_before_session")/2)...)))
			})
			otherServed(x)
		},
	}
}

func slowConnections() conformance.Case {
	return conformance.Case{
		ID: "XC-0932", Title: "While one host holds connections open a few bytes at a time, another is served.",
		Proves: []string{"XTMP-HSK-077"}, Touches: []string{"XTMP-HSK-088", "XTMP-ORD-004", "XTMP-LIM-005"}, Disruptive: true,
		Timer: "T_HANDSHAKE_TCP", Expect: accepts(),
		Params: []conformance.Param{param("bytes", "0", "1", "95", "97")},
		Explain: explain("Slowloris needs no bandwidth: it asks for a place and never finishes its sentence. A place before the handshake "+
			"has an end, and one host has few of them.",
			"A crowd of connections from one address that send so many bytes of a ClientHello and then one more each now and again; then a "+
				"handshake from another address.",
			"a byte that arrives gives the connection new time", "a connection counts only once its first frame is whole"),
		Run: func(x *conformance.Exchange) {
			var open []*peer.Conn
			crowdOf(x, crowd, func(_ int, c *peer.Conn) {
				if n := x.ParamInt("bytes"); n > 0 {
					send(x, c.WriteRaw(c.HelloDefaults().Encode()[:n]))
				}
				open = append(open, c)
			})
			otherServed(x)
			for _, c := range open {
				_ = c.WriteRaw([]byte{0}) // a connection may have been cut by now
			}
			otherServed(x)
		},
	}
}

func rapidCycles() conformance.Case {
	return conformance.Case{
		ID: "XC-0933", Title: "A host that opens sessions, asks and leaves at once leaves nothing behind.",
		Proves: []string{"XTMP-LIM-010", "XTMP-DSC-007"}, Touches: []string{"XTMP-LIM-011"}, Disruptive: true, Expect: accepts(),
		Params: []conformance.Param{param("end", "Disconnect", "reset", "close", "violation")},
		Explain: explain("HTTP/2 servers were brought down by requests that were taken back at once: the work began, and nothing bounded how "+
			"often. What a connection counted has to be given back when it ends, and no later.",
			"One address, more sessions one after another than it may have at once; in each a burst of requests and the end in the same write. "+
				"After that it is served, and so is another.",
			"work of a session that ended goes on", "a place is given back when the last reply was written"),
		Run: func(x *conformance.Exchange) {
			for range 3 * size("connections_per_client") {
				nc := x.Dial()
				s, err := dialOn(x, nc, unrecorded).Handshake(peer.Script{Lenient: true})
				if err != nil {
					waitForPlace(x)
					continue
				}
				endAfterBurst(x, nc, s)
			}
			waitForPlace(x)
			otherServed(x)
		},
	}
}

// waitForPlace requires that the host is served once the server has noticed what
// ended.
func waitForPlace(x *conformance.Exchange) { requireServedAgain(x) }

// endAfterBurst sends a burst of requests and ends the session as the param says.
func endAfterBurst(x *conformance.Exchange, nc *conformance.Conn, s *peer.Session) {
	var drafts []*peer.Draft
	for range 64 {
		drafts = append(drafts, s.Draft(typeUnknown, flag("REQUIRES_ACK"), make([]byte, 64)))
	}
	switch x.Param("end") {
	case "Disconnect":
		drafts = append(drafts, s.Draft(typeDisconnect, 0, s.DisconnectBody(0)))
	case "violation":
		drafts = append(drafts, s.Draft(typeHeartbeat, 0, nil))
	}
	send(x, s.SendDrafts(drafts...))
	if x.Param("end") == "reset" {
		send(x, nc.Reset())
		return
	}
	send(x, nc.Close())
}

func unreadAnswers() conformance.Case {
	return conformance.Case{
		ID: "XC-0934", Title: "While one client asks without reading the answers, others are served.",
		Proves: []string{"XTMP-HBT-004"}, Touches: []string{"XTMP-LIM-011", "XTMP-HBT-006"}, Disruptive: true, Expect: accepts(),
		Params: []conformance.Param{param("frame", "PING", "PATH_CHALLENGE", "request")},
		Explain: explain("Answers that nobody takes pile up somewhere. A server that keeps them all can be filled by one client, and one "+
			"that waits for it can be stopped by one.",
			"Many thousand small frames that have to be answered, on a connection that is not read; then a handshake and a PING from another "+
				"address, and the end of the first connection.",
			"the write of an answer blocks the loop that serves all", "answers are queued without a bound"),
		Run: func(x *conformance.Exchange) {
			if !x.Endpoint().Loopback() {
				x.Unsupported("a network on which the judge can be several hosts")
			}
			s := sessionBy(x, peer.Script{}, unrecorded)
			for range 64 {
				var drafts []*peer.Draft
				for range 256 {
					drafts = append(drafts, unreadAnswer(s, x.Param("frame")))
				}
				if err := s.SendDrafts(drafts...); err != nil {
					x.Note("the server takes no more: %v", err)
					break
				}
			}
			otherServed(x)
			send(x, s.Close())
			otherServed(x)
		},
	}
}

// unreadAnswer is a small frame that has to be answered.
func unreadAnswer(s *peer.Session, name string) *peer.Draft {
	switch name {
	case "PATH_CHALLENGE":
		return s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.PathChallenge, make([]byte, 63)))
	case "request":
		return s.Draft(typeUnknown, flag("REQUIRES_ACK"), nil)
	}
	return s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, make([]byte, 63)))
}
