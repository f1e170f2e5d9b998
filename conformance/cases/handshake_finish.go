package cases

import (
	"slices"
	"strings"
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// clientFinish returns the cases of section 5.5.
func clientFinish() []conformance.Case {
	return []conformance.Case{
		framesWithFinish(), framesBehindFinish(), wrongMAC(), wrongHSType(), anotherFrameForFinish(),
		reliableFinish(), priorityFinish(), secondFinish(),
	}
}

// promptFrames are a PING and a request that go out with ClientFinish.
func promptFrames(x *conformance.Exchange) (data []byte, drafts func(*peer.Session) []*peer.Draft) {
	data = x.Entropy("ping").Bytes(8)
	return data, func(s *peer.Session) []*peer.Draft {
		return []*peer.Draft{
			s.Draft(typeUnknown, flag("REQUIRES_ACK"), []byte("at once")),
			s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, data)),
		}
	}
}

// judgePrompt judges that both were answered, in whatever order.
func judgePrompt(x *conformance.Exchange, s *peer.Session, data []byte) {
	replied := func(r *peer.Received) bool { return r.Plaintext != nil && r.ReplyTo() == 1 }
	_, before, err := s.Expect(0, func(r *peer.Received) bool {
		return r.Is(typeHeartbeat) && string(r.Plaintext.Body) == string(peer.HeartbeatBody(peer.Pong, data))
	})
	x.Judge(observe(x, err, conformance.BudgetReply))
	if !slices.ContainsFunc(before, replied) {
		judgeUnsupported(x, s, 1)
	}
}

func framesWithFinish() conformance.Case {
	return conformance.Case{
		ID: "XC-0230", Title: "Frames that come in one write with ClientFinish are served, behind HandshakeDone.",
		Proves: []string{"XTMP-HSK-048", "XTMP-HSK-053"}, Expect: accepts(),
		Explain: explain("This is what makes the handshake one round trip: the first request does not wait for HandshakeDone.",
			"ClientFinish, a request of an unknown type and a PING in one write.",
			"what follows ClientFinish in the read buffer is dropped", "an answer leaves before HandshakeDone",
			"path keys are installed after HandshakeDone was written"),
		Run: func(x *conformance.Exchange) {
			data, drafts := promptFrames(x)
			servePrompt(x, peer.Script{WithFinish: drafts}, data)
		},
	}
}

func framesBehindFinish() conformance.Case {
	return conformance.Case{
		ID: "XC-0231", Title: "Frames behind ClientFinish are served wherever the transport cuts the bytes.",
		Proves: []string{"XTMP-HSK-048"}, Touches: []string{"XTMP-HDR-007"}, Expect: accepts(),
		Params: []conformance.Param{param("cut", "1", "95", "96", "159", "160", "161", "300")},
		Explain: explain("TCP has no frames; a server that works when they arrive whole fails on the first slow network.",
			"ClientFinish, a request and a PING, cut into two writes at the given byte.",
			"one read is taken for one frame", "the rest of the buffer is judged by the limits of the half-open state"),
		Run: func(x *conformance.Exchange) {
			data, drafts := promptFrames(x)
			servePrompt(x, peer.Script{WithFinish: drafts, Write: func(c *peer.Conn, step string, raw []byte) error {
				if step != "ClientFinish" {
					return c.WriteRaw(raw)
				}
				cut := x.ParamInt("cut")
				if err := c.WriteRaw(raw[:cut]); err != nil {
					return err
				}
				x.Pause(conformance.BudgetPace)
				return c.WriteRaw(raw[cut:])
			}}, data)
		},
	}
}

// servePrompt runs a handshake that brings its first frames along.
func servePrompt(x *conformance.Exchange, script peer.Script, data []byte) {
	script.Lenient = true
	c := dial(x)
	s, err := c.Handshake(script)
	requireClean(x, c)
	if err != nil {
		x.Judge(observe(x, err, conformance.BudgetReply))
	}
	judgePrompt(x, s, data)
}

func wrongMAC() conformance.Case {
	return conformance.Case{
		ID: "XC-0232", Title: "A ClientFinish with a wrong MAC is answered by closing silently.",
		Proves: []string{"XTMP-HSK-049"}, Touches: []string{"XTMP-KEY-015"}, Control: controlHandshake, Expect: closes("XTMP-HSK-049"),
		Params: []conformance.Param{param("mac", "bit0", "bit383", "zero", "empty", "cut", "longer", "ServerFinished")},
		Explain: explain("The MAC is the client's only proof that both sides saw the same handshake.",
			"A ClientFinish that opens and whose MAC is wrong.",
			"that the frame opens is taken for proof enough", "only the beginning of the MAC is compared", "an Error says that the MAC is wrong"),
		Run: func(x *conformance.Exchange) {
			c := flight(x)
			d := c.FinishDraft()
			mac := d.Body.Bytes("mac")
			switch x.Param("mac") {
			case "bit0":
				d.Body.Flip("mac", 0)
			case "bit383":
				d.Body.Flip("mac", 383)
			case "zero":
				d.Body.Set("mac", make([]byte, len(mac)))
			case "empty":
				d.Body.Set("mac", nil)
			case "cut":
				d.Body.Set("mac", mac[:len(mac)-1])
			case "longer":
				d.Trailing = []byte{0}
			case "ServerFinished":
				d.Body.Set("mac", c.Schedule().Value("sf_mac"))
			}
			send(x, c.SendDraft(d))
			judgeClosed(x, c)
		},
	}
}

func wrongHSType() conformance.Case {
	return conformance.Case{
		ID: "XC-0233", Title: "Another hs_type in place of ClientFinish is answered by closing silently.",
		Proves: []string{"XTMP-HSK-049"}, Touches: []string{"XTMP-TYP-013"}, Control: controlHandshake, Expect: closes("XTMP-HSK-049"),
		Params: []conformance.Param{param("hs_type", "0", "1", "3", "4", "6", "7", "16", "32", "255")},
		Explain: explain("Under the handshake key there is one message a client may send; everything else is somebody's experiment.",
			"A ClientFinish with the right MAC and another hs_type.",
			"the message is known by its key and its hs_type is not looked at", "an unknown hs_type is ignored and the next frame waited for"),
		Run: func(x *conformance.Exchange) {
			badFinish(x, func(d *peer.Draft) { d.Plaintext.Envelope.SetUint("hs_type", uint64(x.ParamInt("hs_type"))) })
		},
	}
}

func anotherFrameForFinish() conformance.Case {
	return conformance.Case{
		ID: "XC-0234", Title: "A frame under a path key in place of ClientFinish is answered by closing silently.",
		Proves: []string{"XTMP-HSK-049"}, Control: controlPing, Expect: closes("XTMP-HSK-049"),
		Params: []conformance.Param{param("type", hexes(2, typeHandshake, typeHeartbeat, typeDisconnect, typeUnknown, typeError)...)},
		Explain: explain("Whoever skips ClientFinish has not proved that it saw the server's proof.",
			"A correct frame under the client's path key directly after ServerFlight.",
			"path keys are installed with ServerHello", "a frame whose key is not known yet is kept for later"),
		Run: func(x *conformance.Exchange) {
			s := flight(x).Session()
			body := peer.HeartbeatBody(peer.Ping, []byte("too soon"))
			_, err := s.Send(uint8(x.ParamInt("type")), 0, body)
			send(x, err)
			judgeClosed(x, s.Conn)
		},
	}
}

func reliableFinish() conformance.Case {
	return conformance.Case{
		ID: "XC-0235", Title: "A ClientFinish with a flag of another key slot is answered by closing silently.",
		Proves: []string{"XTMP-HSK-049", "XTMP-FLG-019"}, Control: "XC-0237", Expect: closes("XTMP-FLG-019"),
		Params: []conformance.Param{param("flags", "REQUIRES_ACK", "REQUIRES_ACK+FRAGMENT")},
		Explain: explain("The flags are legal for type 0x01 under a path key, so check 3 lets them pass and the handshake has to see them.",
			"A ClientFinish with the right MAC behind a complete prologue.",
			"the prologue is parsed by the flags and otherwise ignored", "handshake messages are read at a fixed place"),
		Run: func(x *conformance.Exchange) {
			flaggedFinish(x, flag(strings.Split(x.Param("flags"), "+")...))
		},
	}
}

func priorityFinish() conformance.Case {
	return conformance.Case{
		ID: "XC-0237", Title: "A ClientFinish with PRIORITY is as good as one without.",
		Proves: []string{"XTMP-FLG-019"}, Touches: []string{"XTMP-FLG-018"}, Expect: accepts(),
		Explain: explain("PRIORITY belongs to the sender's queue and says nothing to the receiver.",
			"A correct ClientFinish with the flags ENCRYPTED and PRIORITY.",
			"the flags of the handshake are compared with one value"),
		Run: func(x *conformance.Exchange) { flaggedFinish(x, flag("PRIORITY")) },
	}
}

// flaggedFinish sends a ClientFinish with flags and the prologue that they call for,
// and judges what comes.
func flaggedFinish(x *conformance.Exchange, flags uint16) {
	c := flight(x)
	finish := c.FinishDraft()
	d := c.Session().Draft(typeHandshake, flags, finish.Body.Encode())
	d.Plaintext.Envelope = finish.Plaintext.Envelope
	d.Keys, d.Sequence = finish.Keys, 0
	if d.Plaintext.Prologue.Has("count") {
		d.Plaintext.Prologue.SetUint("count", 2)
	}
	send(x, c.SendDraft(d))
	x.Judge(reaction(x, c, conformance.BudgetClose))
}

func secondFinish() conformance.Case {
	return conformance.Case{
		ID: "XC-0236", Title: "A second ClientFinish is answered by closing silently.",
		Proves: []string{"XTMP-ORD-017"}, Touches: []string{"XTMP-HSK-089"}, Control: controlPing, Expect: closes("XTMP-ORD-017"),
		Params: []conformance.Param{param("sequence", "0", "1")},
		Explain: explain("Handshake keys that live on are keys that nobody watches any more.",
			"The same ClientFinish again once the session is established, under the sequence number of the parameter.",
			"handshake keys stay among the receive keys", "a repeated ClientFinish is taken for a retransmission and ignored"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			d := s.FinishDraft()
			d.Sequence = uint64(x.ParamInt("sequence"))
			send(x, s.SendDraft(d))
			judgeClosed(x, s)
		},
	}
}

// handshakeDone returns the cases of section 5.6.
func handshakeDone() []conformance.Case {
	return []conformance.Case{doneForm(), doneTime(), skewRefused(), nothingExecuted()}
}

// done runs a handshake up to HandshakeDone and returns it.
func done(x *conformance.Exchange, c *peer.Conn) *peer.Received {
	send(x, c.SendHello(c.HelloDefaults()))
	readServerHello(x, c)
	readFlight(x, c)
	sendFinish(x, c)
	return readDone(x, c.Session())
}

func doneForm() conformance.Case {
	return conformance.Case{
		ID:     "XC-0240",
		Title:  "HandshakeDone is the server's first frame under its path key, reliable, with mid 1; without UDP it has no address token.",
		Proves: []string{"XTMP-HSK-053", "XTMP-HSK-054", "XTMP-HSK-055"},
		Explain: explain("The client counts the server's mids from this message, and a token that it keeps it will show to a server on UDP.",
			"A correct handshake.",
			"HandshakeDone is sent as an unreliable frame", "mids begin at 0 or 2", "the token field holds random bytes without UDP"),
		Run: func(x *conformance.Exchange) {
			r := done(x, dial(x))
			x.RequireField("sequence_number", 0, r.Frame.Sequence())
			x.RequireField("mid", 1, r.Mid())
			if !x.Declares(profileUDP) {
				x.RequireBytes("address_token", make([]byte, 48), nil, r.Body("handshake_done").Bytes("address_token"))
			}
		},
	}
}

func doneTime() conformance.Case {
	return conformance.Case{
		ID: "XC-0241", Title: "HandshakeDone says the server's time at the moment at which it is sent.",
		Proves: []string{"XTMP-HSK-056"},
		Explain: explain("A client that slept between the hellos and now would otherwise set its clock by an old number.",
			"A handshake with a pause before ClientFinish.",
			"server_time of ServerHello is sent again", "the wall clock is read anew, in another unit"),
		Run: func(x *conformance.Exchange) {
			c := dial(x)
			began := time.Now()
			send(x, c.SendHello(c.HelloDefaults()))
			first := readServerHello(x, c).Uint("server_time")
			readFlight(x, c)
			x.Pause(conformance.BudgetQuiet)
			sendFinish(x, c)
			r := readDone(x, c.Session())
			passed := time.Duration(r.Body("handshake_done").Uint("server_time")-first) * time.Microsecond
			age := x.AtLeast("T_STAMP_AGE")
			x.Require(passed >= x.AtLeast(conformance.BudgetQuiet)-age, "server_time of HandshakeDone counts the time since ServerHello")
			x.Require(passed <= time.Since(began)+age, "server_time of HandshakeDone is not ahead of the time of sending")
		},
	}
}

// skewedClocks is the param of the cases with a client whose clock is twice T_SKEW off.
func skewedClocks() conformance.Param { return param("clock", "behind", "ahead") }

// skewedHandshake is a handshake with such a clock.
func skewedHandshake(x *conformance.Exchange) peer.Script {
	off := 2 * x.AtLeast("T_SKEW")
	if x.Param("clock") == "behind" {
		off = -off
	}
	return peer.Script{Lenient: true, Hello: func(h *peer.Hello) { shiftClock(h, off) }}
}

func skewRefused() conformance.Case {
	return conformance.Case{
		ID: "XC-0242", Title: "A client whose clock is refused gets CLOCK_SKEW in place of HandshakeDone.",
		Proves: []string{"XTMP-HSK-057"}, Touches: []string{"XTMP-TIM-012", "XTMP-ERR-006"}, Control: controlHandshake,
		Expect: violates("CLOCK_SKEW", "XTMP-HSK-057"), Params: []conformance.Param{skewedClocks()},
		Explain: explain("Only an authenticated answer may tell a client that its clock is wrong, and it brings the server's time.",
			"A handshake with a client_time that is twice T_SKEW off.",
			"HandshakeDone is sent first", "the connection is closed without a word", "the Error is clear, or of scope 1"),
		Run: func(x *conformance.Exchange) {
			c := dial(x)
			_, err := c.Handshake(skewedHandshake(x))
			x.Judge(observe(x, err, conformance.BudgetReply))
			r := c.Last()
			x.RequireField("key slot", peer.SlotPath, r.Slot)
			x.RequireField("sequence_number", 0, r.Frame.Sequence())
			x.RequireField("ref_seq", uint64(noSequence), r.Error().RefSeq)
			requireEnd(x, c)
		},
	}
}

func nothingExecuted() conformance.Case {
	return conformance.Case{
		ID: "XC-0243", Title: "What a client whose clock is refused sent with ClientFinish has no effect.",
		Proves: []string{"XTMP-HSK-058"}, Touches: []string{"XTMP-HSK-057"}, Control: "XC-0230",
		Expect: violates("CLOCK_SKEW", "XTMP-HSK-057"), Params: []conformance.Param{skewedClocks()},
		Explain: explain("The stamps of such a client say nothing, so nothing that it asks for can be judged as fresh.",
			"ClientFinish with a skewed clock, a request of an unknown type and a PING in one write.",
			"the frames behind ClientFinish are processed before the skew is judged", "the session is erased after its first batch only"),
		Run: func(x *conformance.Exchange) {
			_, drafts := promptFrames(x)
			script := skewedHandshake(x)
			script.WithFinish = drafts
			c := dial(x)
			_, err := c.Handshake(script)
			x.Judge(observe(x, err, conformance.BudgetReply))
			requireEnd(x, c)
		},
	}
}
