package cases

import (
	"slices"
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// controlLate is the control twin of sequence numbers that are dropped.
const controlLate = "XC-1504"

// udpDatagrams returns the cases about single datagrams in a session: the checks of
// 7.4, sizes, the replay window and the window of time (12.1, 12.7).
func udpDatagrams() []conformance.Case {
	return []conformance.Case{
		sessionChecks(), datagramSizes(), datagramTooLong(), windowStays(), lateFrames(), replayedFrames(), belowWindow(), lastSequence(),
		beyondLastSequence(), stampsOnUDP(), stampsOutside(), violationOnUDP(), oneFrameEach(),
	}
}

func sessionChecks() conformance.Case {
	return conformance.Case{
		ID: "XC-1500", Title: "A datagram that fails a check is dropped, and the session goes on.",
		Proves:  []string{"XTMP-ORD-032", "XTMP-ORD-033", "XTMP-ORD-034", "XTMP-ORD-037", "XTMP-UDP-009", "XTMP-UDP-081"},
		Touches: []string{"XTMP-ORD-036"}, Control: controlUDPPing, Expect: ignores("XTMP-ORD-033", "XTMP-ORD-034"),
		Params: []conformance.Param{param("defect", "magic", "version", "type 0x00", "type 0xFF", "undefined flag", "encryption_type",
			"ENCRYPTED clear",
			"session_id", "key_id", "own key", "checksum", "nonce", "nonce padding", "tag", "ciphertext", "trailing byte", "missing byte",
			"header alone",
			"clear Heartbeat", "clear Error", "encryption_type sealed")},
		Explain: explain("On a stream a bad frame means that the stream is broken; a bad datagram means nothing, for anybody can send one. "+
			"A session that ends, or "+
			"a window that moves, because of it is in everybody's hands.",
			"A PING with one defect and the next sequence number; then PINGs, the first under that same sequence number, which are answered.",
			"the session is closed as on TCP", "the sequence number counts as received before the tag has verified", "trailing bytes are not "+
				"looked at"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			// It is too short to draw a reset, whatever session it names.
			d := s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, x.Entropy("bad").Bytes(8)))
			send(x, s.WriteRaw(spoiledFrame(x, s, d)))
			s.Rewind(1)
			x.Judge(nextOnes(x, s))
		},
	}
}

// nextOnes sends three PINGs under the next sequence numbers, each once, and says what
// came in place of an answer or before it. A fence would be sent again under others.
func nextOnes(x *conformance.Exchange, s *peer.Session) conformance.Observation {
	for range 3 {
		data := peer.PingData(x.Entropy("next").Bytes(8))
		sendPing(x, s, data)
		_, before, err := s.Expect(0, isHeartbeat(peer.Pong, data))
		for _, r := range before {
			if o, told := told(x, r); told {
				return o
			}
		}
		if err != nil {
			return observe(x, err, conformance.BudgetReply)
		}
	}
	return conformance.Ignored()
}

// spoiledFrame encodes a PING with the defect that the param names.
func spoiledFrame(x *conformance.Exchange, s *peer.Session, d *peer.Draft) []byte {
	h := d.Frame.Header
	after := func(change func(*testkit.Message)) { d.AfterSeal(func(f *testkit.Frame) { change(f.Header) }) }
	switch x.Param("defect") {
	case "magic", "key_id", "nonce padding":
		field := map[string]string{"nonce padding": "nonce"}[x.Param("defect")]
		if field == "" {
			field = x.Param("defect")
		}
		after(func(m *testkit.Message) { m.Flip(field, 0) })
	case "nonce":
		after(func(m *testkit.Message) { m.Flip("nonce", 8*23) })
	case "version":
		after(func(m *testkit.Message) { m.SetUint("version", 2) })
	case "type 0x00", "type 0xFF":
		after(func(m *testkit.Message) {
			m.Set("message_type", []byte{map[string]byte{
				"type 0x00": 0,
				"type 0xFF": 0xFF,
			}[x.Param("defect")]})
		})
	case "undefined flag":
		h.SetUint("flags", 0x0081)
	case "encryption_type":
		after(func(m *testkit.Message) { m.SetUint("encryption_type", 2) })
	case "encryption_type sealed": // it opens, if only the suite of the session is used
		h.SetUint("encryption_type", 2)
	case "ENCRYPTED clear":
		h.SetUint("flags", 0)
	case "session_id":
		after(func(m *testkit.Message) { m.Flip("session_id", 0) })
	case "own key":
		_, server := s.Keys()
		d.Keys = &server
	case "checksum":
		after(func(m *testkit.Message) { m.SetUint("checksum", 0) })
	case "tag":
		after(func(m *testkit.Message) { m.Flip("auth_tag", 3) })
	case "ciphertext":
		d.AfterSeal(func(f *testkit.Frame) { f.Payload[5] ^= 1 })
	case "clear Heartbeat", "clear Error":
		d.Keys = nil
		if x.Param("defect") == "clear Error" {
			h.SetUint("message_type", typeError)
			d.Plaintext.Body = peer.ErrorBody(uint16(code("INTERNAL")), 2, noSequence, "")
		}
	}
	raw := d.Encode()
	switch x.Param("defect") {
	case "trailing byte":
		return append(raw, 0)
	case "missing byte":
		return raw[:len(raw)-1]
	case "header alone":
		return raw[:testkit.HeaderSize]
	}
	return raw
}

// sized sends a request of an unknown type in a datagram of that many bytes.
func sized(x *conformance.Exchange, s *peer.Session, bytes int) *peer.Draft {
	return sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), make([]byte, bytes-testkit.HeaderSize-8))
}

func datagramSizes() conformance.Case {
	return conformance.Case{
		ID: "XC-1501", Title: "Datagrams of 1200 bytes, and of max_datagram bytes, are accepted.",
		Proves: []string{"XTMP-UDP-011"}, Expect: accepts(), Params: []conformance.Param{param("bytes", "1200", "max_datagram")},
		Explain: explain("A client may fill every datagram up to what the server announces.",
			"A request in a datagram of exactly that size.",
			"the limit counts without the header", "the receive buffer is smaller than what is announced"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			d := sized(x, s, longestDatagram(x, s))
			_, before, err := s.ExpectReply(d.Mid(), 0)
			noteAll(x, before)
			x.Judge(observe(x, err, conformance.BudgetReply))
		},
	}
}

// longestDatagram is what the param bytes says.
func longestDatagram(x *conformance.Exchange, s *peer.Session) int {
	if x.Param("bytes") == "max_datagram" {
		return int(s.Params().Uint("max_datagram"))
	}
	return x.ParamInt("bytes")
}

func datagramTooLong() conformance.Case {
	return conformance.Case{
		ID: "XC-1502", Title: "A datagram that is longer than max_datagram is dropped.",
		Proves: []string{"XTMP-UDP-012", "XTMP-UDP-091"}, Control: "XC-1501", Expect: ignores("XTMP-UDP-012", "XTMP-UDP-091"),
		Params: []conformance.Param{param("more", "1", "1000")},
		Explain: explain("What is announced is the limit that memory is sized by; a datagram beyond it is answered on TCP, and forgotten on "+
			"UDP.",
			"A request in a datagram that is longer than max_datagram; then PINGs.",
			"the Error PAYLOAD_TOO_LARGE of TCP is sent", "the limit of TCP is applied"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			sized(x, s, int(s.Params().Uint("max_datagram"))+x.ParamInt("more"))
			judgeIgnored(x, s)
		},
	}
}

func windowStays() conformance.Case {
	return conformance.Case{
		ID: "XC-1503", Title: "A frame that does not open does not move the window, however high its sequence number.",
		Proves: []string{"XTMP-UDP-081", "XTMP-ORD-034"}, Control: controlUDPPing, Expect: ignores("XTMP-UDP-081"),
		Params: []conformance.Param{param("ahead", "1", "8128", "1000000")},
		Explain: explain("A window that a stranger can move lets him shut the session: everything below is dropped from then on.",
			"A PING with a wrong tag and a sequence number far ahead; then PINGs with the next sequence numbers, which are answered.",
			"the highest sequence number is taken at check 9"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			d := s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, peer.PingData(nil)))
			d.Sequence += uint64(x.ParamInt("ahead"))
			d.AfterSeal(func(f *testkit.Frame) { f.Header.Flip("auth_tag", 0) })
			send(x, s.WriteRaw(d.Encode()))
			s.Rewind(1)
			x.Judge(nextOnes(x, s))
		},
	}
}

// leap leaves out so many sequence numbers that the next frame is that far above the
// last one, and returns the first of them.
func leap(s *peer.Session, distance int) (first uint64) {
	first = s.LeaveOut()
	for range distance - 1 {
		s.LeaveOut()
	}
	return first
}

func lateFrames() conformance.Case {
	return conformance.Case{
		ID: controlLate, Title: "A frame that comes late is accepted if it is at most 8127 below the highest.",
		Proves: []string{"XTMP-UDP-078", "XTMP-UDP-079", "XTMP-UDP-080", "XTMP-UDP-100"}, Expect: accepts(),
		Params: []conformance.Param{param("below", "1", "2", "64", "1000", "8127")},
		Explain: explain("Datagrams overtake each other. What came late and was not there before is as good as what came in time.",
			"A PING whose sequence number is so far above the next one; then a PATH_CHALLENGE with the number that was left out.",
			"only rising sequence numbers are accepted", "the window is smaller than 8128", "the window has an edge too few"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			settle(x, s) // an Ack of ours would take a number above the PING
			late := leap(s, x.ParamInt("below"))
			fence(x, s)
			next, _ := s.Counters()
			if window := uint64(size("replay_window")); next-late > window { // the PING was sent again
				late = next - window
			}
			judgeChallenged(x, s, func(d *peer.Draft) { d.Sequence = late })
		},
	}
}

func replayedFrames() conformance.Case {
	return conformance.Case{
		ID: "XC-1505", Title: "A frame that comes again is dropped: it is neither answered nor acknowledged.",
		Proves: []string{"XTMP-UDP-079"}, Touches: []string{"XTMP-ACK-024"}, Control: controlUDPRequest, Expect: ignores("XTMP-UDP-079"),
		Params: []conformance.Param{param("frame", "PING", "request", "extension", "Ack"), param("ahead", "0", "100", "8000")},
		Explain: explain("Whoever copies a datagram can send it as often as he likes; a window that forgets lets a request be executed again.",
			"A frame that is answered; some sequence numbers are left out, so that the window moves; then the same datagram again, byte for "+
				"byte, and "+
				"PINGs behind it.",
			"only the newest sequence number is compared", "the window loses what is behind a leap", "the window is cleared as it moves on"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			fence(x, s)
			first := len(s.Datagrams())
			switch x.Param("frame") {
			case "request":
				awaitFirst(x, s, sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil))
			case "extension":
				awaitAck(x, s, sendFrame(x, s, typeExtension, flag("REQUIRES_ACK"), nil).Sequence)
			case "Ack":
				awaitFirst(x, s, sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil))
				first++ // our Ack of the reply is among the next
			case "PING":
				fence(x, s)
			}
			copied := s.Datagrams()[first]
			for _, d := range s.Datagrams()[first:] {
				if d.Sent && (x.Param("frame") != "Ack" || d.Name[:3] == "Ack") {
					copied = d
					break
				}
			}
			settle(x, s)
			if n := x.ParamInt("ahead"); n > 0 {
				leap(s, n)
				fence(x, s)
			}
			send(x, s.Replay(copied))
			judgeUnanswered(x, s)
		},
	}
}

// judgeUnanswered is judgeIgnored for what must not draw a reply once more either.
func judgeUnanswered(x *conformance.Exchange, s *peer.Session, let ...func(*peer.Received) bool) {
	again := false
	watch := func(r *peer.Received) bool {
		again = again || r.ReplyTo() != 0
		return false
	}
	o := fenced(x, s, append([]func(*peer.Received) bool{watch}, let...)...)
	if again && o.Kind == conformance.KindIgnored {
		o = conformance.Accepted()
		o.Detail = "a reply came again"
	}
	x.Judge(o)
}

// awaitAck waits until an Ack covers a sequence number.
func awaitAck(x *conformance.Exchange, s *peer.Session, sequence uint64) *peer.Received {
	r, before, err := s.Expect(0, func(r *peer.Received) bool { return covers(r, sequence) })
	noteAll(x, before)
	need(x, err)
	return r
}

// settle lets the Acks that are due come, so that what comes later answers what is
// sent later.
func settle(x *conformance.Exchange, s *peer.Session) {
	for s.Open() > 0 {
		_, before, err := s.Expect(0, isAck)
		noteAll(x, before)
		need(x, err)
	}
	gather(x, s, "T_ACK")
}

// challenge sends a PATH_CHALLENGE after the edits and returns its bytes. Where a frame
// has to be dropped it says more than a PING, whose answer that of the fence may take the
// place of [XTMP-HBT-012].
func challenge(x *conformance.Exchange, s *peer.Session, edits ...func(*peer.Draft)) []byte {
	data := x.Entropy("challenge").Bytes(size("challenge"))
	sendFrame(x, s, typeHeartbeat, 0, peer.HeartbeatBody(peer.PathChallenge, data), edits...)
	return data
}

// judgeChallenged sends a PATH_CHALLENGE after the edits and judges its answer.
func judgeChallenged(x *conformance.Exchange, s *peer.Session, edits ...func(*peer.Draft)) {
	data := challenge(x, s, edits...)
	_, before, err := s.Expect(0, isHeartbeat(peer.PathResponse, data))
	noteAll(x, before)
	x.Judge(observe(x, err, conformance.BudgetReply))
}

func belowWindow() conformance.Case {
	return conformance.Case{
		ID: "XC-1506", Title: "A frame that is 8128 or more below the highest is dropped.",
		Proves: []string{"XTMP-UDP-079"}, Control: controlLate, Expect: ignores("XTMP-UDP-079"),
		Params: []conformance.Param{param("below", "8128", "8192", "20000")},
		Explain: explain("Nobody can tell whether a frame below the window is new; taking it is taking replays.",
			"A PING whose sequence number is so far above the next one; then a PATH_CHALLENGE with the number that was left out, and PINGs "+
				"behind it.",
			"the window counts 8192 and not 8128", "what is below the window is taken as new"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			late := leap(s, x.ParamInt("below"))
			fence(x, s)
			challenge(x, s, func(d *peer.Draft) { d.Sequence = late })
			judgeIgnored(x, s)
		},
	}
}

func lastSequence() conformance.Case {
	return conformance.Case{
		ID: "XC-1507", Title: "The sequence number 2^62 − 1 is accepted.",
		Proves: []string{"XTMP-UDP-080"}, Expect: accepts(),
		Explain: explain("The window has no upper end but the end of the numbers.",
			"A PING with sequence number 2^62 − 1.",
			"a leap beyond some distance is refused", "sequence numbers are kept in 32 bits"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			pingUDP(x, s, func(d *peer.Draft) { d.Sequence = 1<<62 - 1 })
		},
	}
}

func beyondLastSequence() conformance.Case {
	return conformance.Case{
		ID: "XC-1508", Title: "A sequence number of 2^62 or more is dropped, and the window stays.",
		Proves: []string{"XTMP-ORD-034"}, Touches: []string{"XTMP-NON-013"}, Control: "XC-1507", Expect: ignores("XTMP-NON-013"),
		Params: []conformance.Param{param("sequence", "4611686018427387904", "9223372036854775807")},
		Explain: explain("Beyond 2^62 no sender seals; a receiver that takes such a number has its window moved to where nothing follows.",
			"A PATH_CHALLENGE with that sequence number; then PINGs with the next ones.",
			"the limit is checked on sending alone"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			challenge(x, s, func(d *peer.Draft) { d.Sequence = uint64(x.ParamInt("sequence")) })
			judgeIgnored(x, s)
		},
	}
}

// stamped moves the stamp of a frame by so many seconds.
func stamped(seconds int) func(*peer.Draft) {
	return func(d *peer.Draft) {
		stamp := d.Frame.Header.Uint("timestamp")
		d.Frame.Header.SetUint("timestamp", stamp+uint64(int64(time.Duration(seconds)*time.Second/time.Microsecond)))
	}
}

func stampsOnUDP() conformance.Case {
	return conformance.Case{
		ID: "XC-1509", Title: "A frame on UDP whose stamp is within 30 s of the reckoned time is accepted.",
		Proves: []string{"XTMP-UDP-082"}, Expect: accepts(), Params: []conformance.Param{param("seconds", "-29", "-1", "29")},
		Explain: explain("Clocks differ and datagrams wait; 30 s is room for both.",
			"A PING whose stamp is that far from the client's time.",
			"the anchor is taken from the wall clock and not from client_time", "the window is narrower than 30 s"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			pingUDP(x, s, stamped(x.ParamInt("seconds")))
		},
	}
}

func stampsOutside() conformance.Case {
	return conformance.Case{
		ID: "XC-1510", Title: "A frame on UDP whose stamp is more than 30 s off is dropped.",
		Proves: []string{"XTMP-UDP-083"}, Touches: []string{"XTMP-TIM-006"}, Control: "XC-1509", Expect: ignores("XTMP-UDP-083"),
		Params: []conformance.Param{param("seconds", "-299", "-31", "31", "300")},
		Explain: explain("A datagram that somebody held back for minutes is not from now; on TCP it could be, for a stream waits.",
			"A PATH_CHALLENGE whose stamp is that far off; then PINGs with right stamps.",
			"the window of TCP, 300 s toward the past, is used", "stamps are not looked at on UDP"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			challenge(x, s, stamped(x.ParamInt("seconds")))
			judgeIgnored(x, s)
		},
	}
}

func violationOnUDP() conformance.Case {
	return conformance.Case{
		ID: "XC-1511", Title: "A violation on UDP is answered by one Error, and the session is gone.",
		Proves: []string{"XTMP-ERR-032"}, Touches: []string{"XTMP-ERR-027", "XTMP-HBT-003"}, Control: controlUDPPing,
		Expect: fails(conformance.ErrorFrame(code("PROTOCOL_VIOLATION"), conformance.ScopeSession), "XTMP-ERR-032"),
		Explain: explain("What an authenticated peer does wrong is no accident of the network, on UDP either. The Error is not repeated: "+
			"nobody would acknowledge it.",
			"A Heartbeat without a body; then, when the Error is there, PINGs, which nothing but a reset may answer.",
			"the frame is dropped as if it were a stranger's", "the Error is sent for every further frame, or three times like Disconnect"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			sendFrame(x, s, typeHeartbeat, 0, nil)
			judgeViolation(x, s)
		},
	}
}

func oneFrameEach() conformance.Case {
	return conformance.Case{
		ID: "XC-1512", Title: "Frames that are due at the same time come in a datagram each.",
		Proves: []string{"XTMP-UDP-001"}, Expect: accepts(),
		Explain: explain("A datagram is judged as one frame; what stands behind it makes the receiver drop both.",
			"RekeyInit, whose answer is two fragments and an Ack, and a request and a PING behind it, all in one go. Each datagram that comes "+
				"has to be one frame.",
			"the buffer of a stream is sent as it is"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			asked := s.RekeyDefaults()
			request := s.Draft(typeUnknown, flag("REQUIRES_ACK"), nil)
			ping := s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, peer.PingData(nil)))
			send(x, s.SendDrafts(append(s.RekeyDrafts(asked), request, ping)...))
			for answered := false; !answered; {
				r, _, err := s.ExpectReply(asked.Mid(), 0)
				need(x, err)
				answered = r.Message != nil
			}
			settle(x, s)
			x.Judge(conformance.Accepted())
			requireClean(x, s.Conn)
		},
	}
}

// requireForgotten requires that a session is over: PINGs get nothing but a reset.
func requireForgotten(x *conformance.Exchange, s *peer.Session) {
	for range 2 {
		sendPing(x, s, peer.PingData(x.Entropy("gone").Bytes(8)))
	}
	frames, _ := s.Conn.Drain(x.AtLeast(conformance.BudgetQuiet))
	others := slices.DeleteFunc(frames, func(r *peer.Received) bool {
		e := r.Error()
		return e != nil && e.Clear && int(e.Code) == code("SESSION_UNKNOWN")
	})
	noteAll(x, others)
	x.RequireInTime(len(others) == 0, "nothing but a reset comes for a session that is over")
}
