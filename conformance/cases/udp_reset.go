package cases

import (
	"slices"
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// udpReset returns the cases about stateless reset (12.14) and the end of a session on
// UDP (12.12).
func udpReset() []conformance.Case {
	return []conformance.Case{
		resetOfUnknown(), noResetOfShort(), noResetOfClear(), noResetOfLive(), noResetOfHalfOpen(), resetRate(), disconnectOnUDP(),
	}
}

// ended returns a session that was ended by Disconnect.
func ended(x *conformance.Exchange) *peer.Session {
	s := udpSession(x)
	settle(x, s)
	send(x, s.Disconnect(0))
	awaitRead(x, s)
	return s
}

// awaitRead waits until a Disconnect was read, as far as anybody can tell: a first
// contact behind it is answered, and what was sent before has arrived. It returns what
// came meanwhile.
func awaitRead(x *conformance.Exchange, s *peer.Session) (frames []*peer.Received) {
	o := contactFence(x, s.Conn, func(r *peer.Received) bool {
		frames = append(frames, r)
		return true
	})
	if o.Kind != conformance.KindIgnored {
		x.Inconclusive("a first contact behind Disconnect is not answered: %s", o)
	}
	late, _ := s.Conn.Drain(x.AtLeast(conformance.BudgetQuiet))
	frames = append(frames, late...)
	noteAll(x, frames)
	return frames
}

// stray encodes a PING under the keys of a session, in a datagram of so many bytes.
func stray(s *peer.Session, bytes int) []byte {
	d := s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, make([]byte, bytes-testkit.HeaderSize-1)))
	return d.Encode()
}

func resetOfUnknown() conformance.Case {
	return conformance.Case{
		ID: "XC-1420", Title: "A reset, if one is sent, has the form of the text and the token of the session.",
		Proves: []string{"XTMP-RST-001"}, Touches: []string{"XTMP-PTH-044", "XTMP-HSK-033"},
		Explain: explain("A client believes a reset by its token alone. One that is wrong leaves it waiting for its timers; one that "+
			"anybody can write ends its session.",
			"A session that is ended by Disconnect, and a first contact, whose Retry says that it was read; then a PING of 160 bytes under "+
				"the keys of the session. Silence is right; a reset has to be right in every field.",
			"the token is that of another session_id", "a text makes it longer than 128 bytes", "session_id is 0 as in other clear Errors"),
		Run: func(x *conformance.Exchange) {
			s := ended(x)
			want := s.Params().Bytes("reset_token")
			send(x, s.WriteRaw(stray(s, size("reset_trigger"))))
			r, err := s.Conn.ReadFrame(x.AtLeast(conformance.BudgetQuiet))
			if err != nil {
				x.Require(observe(x, err, conformance.BudgetQuiet).Kind == conformance.KindSilence, "nothing but a reset comes")
				return
			}
			e := r.Error()
			x.RequireInTime(e != nil && e.Clear, "nothing but a reset comes")
			x.RequireField("bytes of the reset", size("reset_frame"), len(r.Raw))
			x.RequireField("session_id", s.ID, e.Session)
			x.RequireField("code", code("SESSION_UNKNOWN"), e.Code)
			x.RequireField("scope", 2, e.Scope)
			x.RequireField("ref_seq", uint64(noSequence), e.RefSeq)
			x.RequireBytes("token", want, nil, e.Token)
		},
	}
}

// judgeNoReset judges that nothing answers what was sent.
func judgeNoReset(x *conformance.Exchange, c *peer.Conn) {
	x.Judge(contactFence(x, c))
}

func noResetOfShort() conformance.Case {
	return conformance.Case{
		ID: "XC-1421", Title: "A datagram of fewer than 160 bytes draws no reset.",
		Proves: []string{"XTMP-RST-002"}, Control: controlRetry, Expect: unaddressed("XTMP-RST-002"),
		Params: []conformance.Param{param("bytes", "98", "128", "129", "159")},
		Explain: explain("A reset has 128 bytes: it must be smaller than what draws it, or two servers can be set against each other.",
			"A session that is ended by Disconnect; a PING of that many bytes under its keys; a first contact behind it.",
			"the length is not looked at", "the limit is the size of the reset itself"),
		Run: func(x *conformance.Exchange) {
			s := ended(x)
			send(x, s.WriteRaw(stray(s, x.ParamInt("bytes"))))
			judgeNoReset(x, s.Conn)
		},
	}
}

func noResetOfClear() conformance.Case {
	return conformance.Case{
		ID: "XC-1422", Title: "A clear frame draws no reset.",
		Proves: []string{"XTMP-RST-003"}, Control: controlRetry, Expect: unaddressed("XTMP-RST-003"),
		Params: []conformance.Param{param("frame", "ClientHello", "Error", "reset")},
		Explain: explain("A reset is a clear frame. Were it answered by one, two servers would never stop.",
			"A clear frame of 160 bytes and more that names a session that there is not; a first contact behind it.",
			"every frame of an unknown session is answered"),
		Run: func(x *conformance.Exchange) {
			c := dialUDP(x)
			d := c.HelloFragments(c.HelloDefaults())[0]
			if x.Param("frame") != "ClientHello" {
				d.Frame.Header.SetUint("message_type", typeError)
				d.Plaintext = &testkit.Plaintext{Prologue: d.Plaintext.Prologue, Body: peer.ErrorBody(uint16(code("INTERNAL")), 1, noSequence, "")}
			}
			if x.Param("frame") == "reset" {
				d.Plaintext.Body = testkit.Compose("error").SetUint("code", uint64(code("SESSION_UNKNOWN"))).SetUint("scope", 2).SetUint("flags", 1).
					SetUint("ref_seq", noSequence).Set("token", x.Entropy("token").Bytes(16)).Set("text", make([]byte, 64)).Encode()
			}
			d.Frame.Header.SetUint("session_id", testkit.Uint(x.Entropy("id").Bytes(6))|1)
			send(x, c.WriteRaw(d.Encode()))
			judgeNoReset(x, c)
		},
	}
}

func noResetOfLive() conformance.Case {
	return conformance.Case{
		ID: "XC-1423", Title: "A datagram of a session that lives draws no reset, whatever is wrong with it.",
		Proves: []string{"XTMP-RST-004"}, Control: controlUDPPing, Expect: ignores("XTMP-RST-004"),
		Params: []conformance.Param{param("defect", "key_id", "tag", "from elsewhere")},
		Explain: explain("A reset for a session that lives ends it at the client.",
			"A PING of 160 bytes with a key_id that there is not, with a wrong tag, or that from another port; then PINGs.",
			"an unknown key_id is taken for an unknown session"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			d := s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, peer.PingData(nil)))
			field := "key_id"
			if x.Param("defect") == "tag" {
				field = "auth_tag"
			}
			d.AfterSeal(func(f *testkit.Frame) { f.Header.Flip(field, 0) })
			if x.Param("defect") == "from elsewhere" {
				s.Use(s.AddSocket(socketAs(x, 0)))
			}
			send(x, s.WriteRaw(d.Encode()))
			s.Rewind(1)
			s.Use(0)
			judgeIgnored(x, s)
		},
	}
}

func noResetOfHalfOpen() conformance.Case {
	return conformance.Case{
		ID: "XC-1424", Title: "A datagram of a half-open session draws no reset.",
		Proves: []string{"XTMP-RST-004"}, Touches: []string{"XTMP-UDP-035"}, Control: controlContact, Expect: unaddressed("XTMP-RST-004"),
		Explain: explain("A frame that overtakes ClientFinish must not end the session that is about to begin.",
			"A PING of 160 bytes under the path key before ClientFinish; a first contact; then ClientFinish, which establishes the session.",
			"half-open sessions are kept in another table than that which is asked"),
		Run: func(x *conformance.Exchange) {
			c, _ := flightUDP(x)
			s := c.Session()
			send(x, s.WriteRaw(stray(s, size("reset_trigger"))))
			x.Judge(contactFence(x, c))
			finishUDP(x, c)
		},
	}
}

func resetRate() conformance.Case {
	return conformance.Case{
		ID: "XC-1425", Title: "No more than ten resets per second go to one source.",
		Proves: []string{"XTMP-RST-005"},
		Explain: explain("Forged datagrams of sessions that there are not must not make the server send to whoever they seem to come from.",
			"Forty PINGs of 160 bytes under the keys of a session that has ended, within one second; the resets that come are counted.",
			"resets are not counted", "they are counted for all sources together, or for each session"),
		Run: func(x *conformance.Exchange) {
			s := ended(x)
			began := time.Now()
			for range 40 {
				send(x, s.WriteRaw(stray(s, size("reset_trigger"))))
			}
			frames, _ := s.Conn.Drain(x.AtLeast(conformance.BudgetQuiet))
			count := 0
			for _, r := range frames {
				if e := r.Error(); e != nil && e.Clear && r.At.Sub(began) < time.Second {
					count++
				}
			}
			x.Note("%d resets", count)
			x.Require(count <= size("resets_per_source"), "at most ten resets come within a second")
		},
	}
}

func disconnectOnUDP() conformance.Case {
	return conformance.Case{
		ID: "XC-1426", Title: "After a Disconnect on UDP the server sends nothing more, and its copies do no harm.",
		Proves: []string{"XTMP-DSC-023"}, Touches: []string{"XTMP-DSC-008"}, Params: []conformance.Param{param("copies", "1", "3")},
		Explain: explain("Disconnect is sent three times because nobody acknowledges it. The first ends the session; the others find none.",
			"A request, whose reply is not acknowledged, and Disconnect, once or three times; when a first contact behind it is answered, "+
				"PINGs, which nothing but a reset may answer.",
			"the reply is sent again after Disconnect", "a Disconnect is sent back", "a copy is answered by an Error"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			settle(x, s)
			s.Acks = false
			d := sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil)
			_, _, err := s.ExpectReply(d.Mid(), 0)
			need(x, err)
			for range x.ParamInt("copies") {
				sendFrame(x, s, typeDisconnect, 0, s.DisconnectBody(0))
			}
			back := slices.ContainsFunc(awaitRead(x, s), func(r *peer.Received) bool { return r.Is(typeDisconnect) })
			x.Require(!back, "a Disconnect is not answered by another")
			requireForgotten(x, s)
		},
	}
}
