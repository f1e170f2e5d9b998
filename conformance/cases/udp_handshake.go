package cases

import (
	"slices"
	"strings"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// udpHandshake returns the cases about a handshake that is under way on UDP (12.4,
// 12.5): the flight, its repetition, and ClientFinish.
func udpHandshake() []conformance.Case {
	return []conformance.Case{
		flightOrder(), flightAgain(), flightOfOtherFragments(), flightResends(), serverIsSilent(), badFinishOnUDP(),
		finishFromElsewhere(), finishTwice(),
		pathFrameTooEarly(), halfOpenForgotten(),
	}
}

// isFlight fits the frames of ServerHello and ServerFlight.
func isFlight(r *peer.Received) bool {
	return strings.HasPrefix(r.Name, "ServerHello") || strings.HasPrefix(r.Name, "ServerFlight")
}

// flightFrames returns the frames of the first flight as they came.
func flightFrames(c *peer.Conn) (frames [][]byte) {
	for _, d := range c.Datagrams() {
		if !d.Sent && (strings.HasPrefix(d.Name, "ServerHello") || strings.HasPrefix(d.Name, "ServerFlight")) {
			frames = append(frames, d.Raw)
		}
	}
	return frames
}

func flightOrder() conformance.Case {
	return conformance.Case{
		ID: "XC-1239", Title: "All fragments of ServerHello are sent before those of ServerFlight.",
		Proves: []string{"XTMP-UDP-034"},
		Explain: explain("A client need not keep sealed frames for which it has no key yet; a flight that comes first may be lost on it.",
			"Up to three handshakes, since the network may turn datagrams around: in one of them the frames have to come in order.",
			"the flight is sent in the order in which it was made", "fragments are sent last one first"),
		Run: func(x *conformance.Exchange) {
			ordered := false
			for try := 0; try < 3 && !ordered; try++ {
				c, _ := flightUDP(x)
				ordered = slices.IsSortedFunc(inOrder(c), func(a, b peer.Datagram) int {
					return strings.Compare(b.Name[:len("ServerHello")], a.Name[:len("ServerHello")]) // Hello, then Flight
				})
			}
			x.Require(ordered, "ServerHello comes before ServerFlight")
		},
	}
}

// inOrder returns the frames of the first flight in the order in which they came.
func inOrder(c *peer.Conn) []peer.Datagram {
	flight := slices.DeleteFunc(slices.Clone(c.Datagrams()), func(d peer.Datagram) bool {
		return d.Sent || !strings.HasPrefix(d.Name, "ServerHello") && !strings.HasPrefix(d.Name, "ServerFlight")
	})
	slices.SortStableFunc(flight, func(a, b peer.Datagram) int { return a.At.Compare(b.At) })
	return flight
}

func flightAgain() conformance.Case {
	return conformance.Case{
		ID: "XC-1230", Title: "The first fragment of a duplicate ClientHello is answered by the same frames as before, byte for byte.",
		Proves: []string{"XTMP-UDP-063", "XTMP-UDP-020"}, Params: []conformance.Param{param("when", "half-open", "established")},
		Explain: explain("A flight that was lost comes again, and the client may have part of it already: the copies have to fit together. "+
			"A frame that is "+
			"sealed anew under the same number gives two messages under one nonce.",
			"A ClientHello and, when its flight is there, its fragment with index 0 once more, before or after ClientFinish.",
			"the flight is made anew, with another key", "the frames are stamped anew and sealed again", "an established session answers no "+
				"duplicate"),
		Run: func(x *conformance.Exchange) {
			c, h := flightUDP(x)
			before := flightFrames(c)
			if x.Param("when") == "established" {
				finishUDP(x, c)
			}
			send(x, c.SendFragments(c.HelloFragments(h)[0]))
			for _, want := range before {
				r, err := c.ReadFrame(0)
				for err == nil && !isFlight(r) {
					r, err = c.ReadFrame(0)
				}
				need(x, err)
				x.Require(slices.Equal(r.Raw, want), "each frame of the flight comes again byte for byte, in the same order")
			}
		},
	}
}

func flightOfOtherFragments() conformance.Case {
	return conformance.Case{
		ID: "XC-1231", Title: "Other fragments of a duplicate ClientHello, and one with other bytes, are dropped.",
		Proves: []string{"XTMP-UDP-064"}, Control: controlContact, Expect: unaddressed("XTMP-UDP-064"),
		Params: []conformance.Param{param("fragment", "index 1", "index 0 altered")},
		Explain: explain("One answer to a duplicate is enough; an answer to every fragment doubles the flight.",
			"When the flight is there, the fragment with index 1 once more, or that with index 0 and another byte in its body.",
			"every fragment of a duplicate is answered", "a fragment with index 0 is not compared"),
		Run: func(x *conformance.Exchange) {
			c, h := flightUDP(x)
			fragments := c.HelloFragments(h)
			again := fragments[1]
			if x.Param("fragment") != "index 1" {
				again = alteredFragment(fragments[0])
			}
			send(x, c.SendFragments(again))
			x.Judge(contactFence(x, c))
		},
	}
}

func flightResends() conformance.Case {
	return conformance.Case{
		ID: "XC-1232", Title: "The flight of one handshake is repeated at most five times.",
		Proves: []string{"XTMP-UDP-063"}, Touches: []string{"XTMP-UDP-062"},
		Explain: explain("Whoever repeats a ClientHello of 1 KiB gets 2 KiB and more each time; without a bound the server is a lever after "+
			"all.",
			"The fragment with index 0 of a ClientHello eight times after its flight; then a first contact, before whose Retry five more "+
				"flights come.",
			"repetitions are not counted", "the count begins anew after some time"),
		Run: func(x *conformance.Exchange) {
			c, h := flightUDP(x)
			frames := len(flightFrames(c))
			first := c.HelloFragments(h)[0]
			for range size("flight_resends") + 3 {
				send(x, c.SendFragments(first))
			}
			count := 0
			o := contactFence(x, c, func(r *peer.Received) bool {
				if isFlight(r) {
					count++
				}
				return isFlight(r)
			})
			x.Require(o.Kind == conformance.KindIgnored, "nothing but the flight comes")
			x.RequireField("frames that were repeated", size("flight_resends")*frames, count)
		},
	}
}

func serverIsSilent() conformance.Case {
	return conformance.Case{
		ID: "XC-1233", Title: "The server sends a handshake frame again for nothing but a duplicate ClientHello.",
		Proves: []string{"XTMP-UDP-062"}, Control: controlContact, Expect: unaddressed("XTMP-UDP-062"), Timer: "T_HS_RETX",
		Params: []conformance.Param{param("reason", "time", "ClientFinish with another MAC", "ClientFinish with another tag",
			"another ClientHello")},
		Explain: explain("The client drives the handshake. A server that insists can be made to send to somebody who left.",
			"A ClientHello; its flight is read. T_HS_RETX passes twice without ClientFinish, or a wrong one is sent, or the fragment with "+
				"index 0 of another ClientHello under the same handshake_id. Then a first contact: before its Retry nothing may come.",
			"the server has a timer of its own for the flight", "what is wrong is answered by the flight",
			"a duplicate is known by its handshake_id alone"),
		Run: func(x *conformance.Exchange) {
			c, h := flightUDP(x)
			switch x.Param("reason") {
			case "time":
				x.Pause("T_HS_RETX")
				x.Pause("T_HS_RETX")
			case "another ClientHello":
				send(x, c.SendFragments(alteredFragment(c.HelloFragments(h)[0])))
			default:
				bad := c.FinishDraft()
				if x.Param("reason") == "ClientFinish with another MAC" {
					bad.Body.Flip("mac", 0)
				} else {
					bad.AfterSeal(func(f *testkit.Frame) { f.Header.Flip("auth_tag", 0) })
				}
				send(x, c.SendDraft(bad))
			}
			x.Judge(contactFence(x, c))
		},
	}
}

// spoilFinish makes a ClientFinish bad in the way that the param names.
func spoilFinish(x *conformance.Exchange, d *peer.Draft) {
	e := d.Plaintext.Envelope
	switch x.Param("defect") {
	case "MAC":
		d.Body.Flip("mac", 0)
	case "tag":
		d.AfterSeal(func(f *testkit.Frame) { f.Header.Flip("auth_tag", 0) })
	case "handshake_id":
		e.Flip("handshake_id", 0)
	case "hs_type":
		e.SetUint("hs_type", 4)
	case "frag_count":
		e.SetUint("frag_count", 2)
	case "sequence_number":
		d.Sequence = 1
	case "flags":
		d.Frame.Header.SetUint("flags", uint64(flag("ENCRYPTED", "REQUIRES_ACK")))
	case "type 0x02":
		d.Frame.Header.SetUint("message_type", typeHandshakeAck)
	case "token":
		e.Set("token", x.Entropy("token").Bytes(size("token_udp"))).SetUint("token_len", uint64(size("token_udp")))
	}
}

func badFinishOnUDP() conformance.Case {
	return conformance.Case{
		ID: "XC-1234", Title: "A bad ClientFinish is dropped, and a good one still establishes the session.",
		Proves: []string{"XTMP-UDP-036"}, Control: controlContact, Expect: unaddressed("XTMP-UDP-036"),
		Params: []conformance.Param{param("defect", "MAC", "tag", "handshake_id", "hs_type", "frag_count", "sequence_number", "flags",
			"type 0x02", "token")},
		Explain: explain("On TCP a bad ClientFinish ends the connection; on UDP anybody can send one from the client's address, and must "+
			"not be able to end "+
			"the handshake.",
			"A ClientFinish with one defect, sealed where it can be; a first contact behind it; then the right ClientFinish.",
			"the half-open handshake is erased", "the first frame under the key decides"),
		Run: func(x *conformance.Exchange) {
			c, _ := flightUDP(x)
			bad := c.FinishDraft()
			spoilFinish(x, bad)
			send(x, c.SendDraft(bad))
			x.Judge(contactFence(x, c))
			finishUDP(x, c)
		},
	}
}

func finishFromElsewhere() conformance.Case {
	return conformance.Case{
		ID: "XC-1235", Title: "A ClientFinish from another address or port than its ClientHello is dropped.",
		Proves: []string{"XTMP-UDP-038"}, Control: controlContact, Expect: unaddressed("XTMP-UDP-038"),
		Params: []conformance.Param{param("other", "port", "address")},
		Explain: explain("The address is proven for the ClientHello; a session that begins elsewhere begins unproven.",
			"The right ClientFinish from another port or address; a first contact from the first one; then ClientFinish from there.",
			"the handshake is found by session_id alone"),
		Run: func(x *conformance.Exchange) {
			c, _ := flightUDP(x)
			socket := c.AddSocket(socketFor(x, x.Param("other")))
			c.Use(socket)
			send(x, c.SendDraft(c.FinishDraft()))
			c.Use(0)
			x.Judge(contactFence(x, c))
			finishUDP(x, c)
		},
	}
}

// socketFor opens a socket at another port, or at another address.
func socketFor(x *conformance.Exchange, other string) *conformance.Socket {
	if other == "address" {
		return elsewhere(x)
	}
	return socketAs(x, 0)
}

func finishTwice() conformance.Case {
	return conformance.Case{
		ID: "XC-1236", Title: "A ClientFinish that comes again is dropped.",
		Proves: []string{"XTMP-UDP-037"}, Control: controlUDPPing, Expect: ignores("XTMP-UDP-037"),
		Explain: explain("The client repeats ClientFinish until it hears something; the copies must neither end the session nor begin it anew.",
			"A session; its ClientFinish once more, byte for byte, twice; then a PING.",
			"a second ClientFinish fails as on TCP", "HandshakeDone is sent under a new mid"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			for _, d := range slices.Clone(s.Datagrams()) {
				if d.Sent && d.Name == "ClientFinish" {
					send(x, s.Replay(d))
					send(x, s.Replay(d))
				}
			}
			judgeIgnored(x, s)
		},
	}
}

func pathFrameTooEarly() conformance.Case {
	return conformance.Case{
		ID: "XC-1237", Title: "A frame under the path key that comes before ClientFinish is dropped and not acknowledged.",
		Proves: []string{"XTMP-UDP-035"},
		Explain: explain("Frames may overtake ClientFinish. What nobody has authenticated yet cannot be kept; what was not kept must not be "+
			"acknowledged, or "+
			"the client never sends it again.",
			"A request under the path key; a first contact behind it; then ClientFinish, and the same request in a new frame, which has to be "+
				"answered.",
			"early frames are queued without bound", "the window takes the number of the early frame, and Acks name it"),
		Run: func(x *conformance.Exchange) {
			c, _ := flightUDP(x)
			s := c.Session()
			s.Acks = true
			early, err := s.Request(typeUnknown, nil)
			send(x, err)
			o := contactFence(x, c)
			x.Require(o.Kind == conformance.KindIgnored, "nothing answers the early frame")
			send(x, c.SendDraft(c.FinishDraft()))
			_, err = s.ReadDone()
			need(x, noted(err))
			again := s.Draft(typeUnknown, flag("REQUIRES_ACK"), nil)
			withMid(early.Mid())(again)
			send(x, s.SendDrafts(again))
			acked := false
			_, before, err := s.Expect(0, func(r *peer.Received) bool {
				acked = acked || covers(r, early.Sequence)
				return r.ReplyTo() == early.Mid()
			})
			noteAll(x, before)
			need(x, err)
			for _, r := range gather(x, s, "T_ACK") {
				acked = acked || covers(r, early.Sequence)
			}
			x.Require(!acked, "no Ack covers the frame that was dropped")
		},
	}
}

func halfOpenForgotten() conformance.Case {
	return conformance.Case{
		ID: "XC-1238", Title: "A half-open handshake is erased T_FLIGHT after ServerHello, and its ClientHello is a new contact then.",
		Proves: []string{"XTMP-UDP-065", "XTMP-UDP-066"}, Timer: "T_FLIGHT", Labels: []string{conformance.LabelSlow},
		Control: controlContact, Expect: mayReset(unaddressed("XTMP-UDP-065")),
		Explain: explain("Handshakes that nobody finishes must not fill the server for longer than a slow client needs.",
			"A flight; T_FLIGHT and a second pass; ClientFinish, which has no effect; then the fragment with index 0 and the cookie, which is "+
				"past its time "+
				"and gets Retry.",
			"the timer is started anew by duplicates", "a handshake is held for as long as its cookie"),
		Run: func(x *conformance.Exchange) {
			c, h := flightUDP(x)
			x.Pause("T_FLIGHT")
			x.Pause("T_PROBE")
			send(x, c.SendDraft(c.FinishDraft()))
			x.Judge(contactFence(x, c))
			_, _ = c.Drain(x.AtLeast(conformance.BudgetQuiet)) // a reset may have been before the answer to the fence
			send(x, c.SendFragments(c.HelloFragments(h)[0]))
			requireRetry(x, c, h.Plaintext.Envelope.Uint("handshake_id"))
		},
	}
}
