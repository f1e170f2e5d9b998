package cases

import (
	"slices"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// webSocketMessages returns the cases of section 14.2 about messages.
func webSocketMessages() []conformance.Case {
	return []conformance.Case{
		dividedMessages(), joinedMessages(), textMessages(), wrongLengths(), lengthFirst(),
		tooLongMessages(), longestMessages(), overlongMessages(),
	}
}

func dividedMessages() conformance.Case {
	return conformance.Case{
		ID: "XC-1620", Title: "A message is accepted in any division into WebSocket frames.",
		Proves: []string{"XTMP-WSK-015"}, Control: controlWebSocketPing, Expect: accepts(),
		Params: []conformance.Param{
			stages(),
			param("division", "bytes", "halves", "in the header", "behind the header", "empty first", "empty last", "empty between", "pings"),
		},
		Explain: explain("Libraries and proxies cut messages as they like, and send pings between the pieces.",
			"A correct frame as one binary message of several WebSocket frames.",
			"a WebSocket frame is taken for a message", "an empty one ends the message", "a ping within a message is taken for a part of it"),
		Run: func(x *conformance.Exchange) {
			g := stageOf(x)
			raw := g.draft.Encode()
			send(x, g.WebSocket().SendFrames("a message in pieces", division(x.Param("division"), raw)...))
			g.judgeServed(x)
		},
	}
}

// division divides a message as its name says.
func division(name string, raw []byte) []peer.WebSocketFrame {
	divide := func(sizes ...int) []peer.WebSocketFrame { return peer.Divide(peer.OpBinary, raw, sizes...) }
	switch name {
	case "bytes":
		return divide(slices.Repeat([]int{1}, len(raw)-1)...)
	case "halves":
		return divide(len(raw) / 2)
	case "in the header":
		return divide(3, 40)
	case "behind the header":
		return divide(testkit.HeaderSize)
	case "empty first":
		return divide(0)
	case "empty last":
		return divide(len(raw))
	case "empty between":
		return divide(50, 0, 0, 50)
	}
	pieces := divide(1, 50, 45)
	for i := range len(pieces) - 1 {
		pieces = slices.Insert(pieces, 2*i+1, peer.WebSocketFrame{Op: peer.OpPing, Payload: []byte{byte(i)}})
	}
	return pieces
}

func joinedMessages() conformance.Case {
	return conformance.Case{
		ID: "XC-1621", Title: "Several messages in one write are served one after another.",
		Proves: []string{"XTMP-WSK-015"}, Control: controlWebSocketPing, Expect: accepts(),
		Explain: explain("TCP joins what was written apart; the ends of messages are in the WebSocket frames alone.",
			"Two reliable frames of an unknown type and a PING, each a message, in one write.",
			"what follows the first message of a read is lost", "a read is taken for a message"),
		Run: func(x *conformance.Exchange) {
			s := webSocketSession(x)
			data := x.Entropy("ping").Bytes(8)
			first, second := s.Draft(typeUnknown, flag("REQUIRES_ACK"), nil), s.Draft(typeUnknown, flag("REQUIRES_ACK"), nil)
			fence := s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, data))
			var frames []peer.WebSocketFrame
			for _, d := range []*peer.Draft{first, second, fence} {
				frames = append(frames, peer.Divide(peer.OpBinary, d.Encode())...)
			}
			send(x, s.WebSocket().SendFrames("three messages", frames...))
			waiting := map[uint64]bool{first.Mid(): true, second.Mid(): true, 0: true}
			for len(waiting) > 0 {
				r, _, err := s.Expect(0, func(r *peer.Received) bool { return r.ReplyTo() != 0 || isHeartbeat(peer.Pong, data)(r) })
				need(x, err)
				delete(waiting, r.ReplyTo())
			}
			x.Judge(conformance.Accepted())
		},
	}
}

func textMessages() conformance.Case {
	return conformance.Case{
		ID: "XC-1622", Title: "A text message is answered by a WebSocket close with code 1003.",
		Proves: []string{"XTMP-WSK-016"}, Control: controlWebSocketPing, Expect: closes("XTMP-WSK-016"),
		Params: []conformance.Param{stages(), param("text", "words", "empty", "in pieces", "the frame")},
		Explain: explain("A client that sends text has mistaken the protocol; the code tells its author so.",
			"A text message: words, none, words in two WebSocket frames, or the bytes of the correct frame.",
			"the kind of a message is not looked at", "the bytes are judged as UTF-8 before, which gives 1007", "the length is judged before: 1002"),
		Run: func(x *conformance.Exchange) {
			g := stageOf(x)
			frames := map[string][]peer.WebSocketFrame{
				"words":     peer.Divide(peer.OpText, []byte("hello")),
				"empty":     peer.Divide(peer.OpText, nil),
				"in pieces": peer.Divide(peer.OpText, []byte("hello"), 2),
				"the frame": peer.Divide(peer.OpText, g.draft.Encode()),
			}[x.Param("text")]
			send(x, g.WebSocket().SendFrames("a text message", frames...))
			g.judgeCode(x, closeText)
		},
	}
}

func wrongLengths() conformance.Case {
	return conformance.Case{
		ID: "XC-1623", Title: "A binary message whose length is not 96 + payload_length is answered by a WebSocket close with code 1002.",
		Proves: []string{"XTMP-WSK-017"}, Control: controlWebSocketPing, Expect: closes("XTMP-WSK-017"),
		Params: []conformance.Param{
			stages(), param("message", "empty", "1 byte", "95 bytes", "header", "one short", "one more", "two frames", "empty in pieces"),
		},
		Explain: explain("One frame per message makes the length of a frame certain. A message that is no frame is a fault, and nothing is "+
			"waited for that could make it one.",
			"A message with less or more than one correct frame.",
			"the messages are joined to a stream of bytes", "an empty message is ignored", "what follows the frame is dropped"),
		Run: func(x *conformance.Exchange) {
			g := stageOf(x)
			send(x, g.WebSocket().SendFrames("a message of a wrong length", wrongLength(x.Param("message"), g.draft.Encode())...))
			g.judgeCode(x, closeProtocol)
		},
	}
}

func wrongLength(name string, raw []byte) []peer.WebSocketFrame {
	message := map[string][]byte{
		"empty":      nil,
		"1 byte":     raw[:1],
		"95 bytes":   raw[:testkit.HeaderSize-1],
		"header":     raw[:testkit.HeaderSize],
		"one short":  raw[:len(raw)-1],
		"one more":   append(slices.Clone(raw), 0),
		"two frames": append(slices.Clone(raw), raw...),
	}
	if name == "empty in pieces" {
		return peer.Divide(peer.OpBinary, nil, 0, 0)
	}
	return peer.Divide(peer.OpBinary, message[name])
}

func lengthFirst() conformance.Case {
	return conformance.Case{
		ID: "XC-1624", Title: "The length of a message is judged before everything else in it.",
		Proves: []string{"XTMP-WSK-017"}, Touches: []string{"XTMP-ORD-001"}, Control: controlWebSocketPing, Expect: closes("XTMP-WSK-017"),
		Params: []conformance.Param{stages(), param("defect", "magic", "version", "type", "payload_length", "checksum")},
		Explain: explain("The first check that fails decides: of a message that is no frame nothing is answered but the close.",
			"A message that is one byte too long and has another defect, which has another reaction.",
			"the header is judged when it is there", "PAYLOAD_TOO_LARGE or VERSION_UNSUPPORTED is sent"),
		Run: func(x *conformance.Exchange) {
			g := stageOf(x)
			defect := x.Param("defect")
			if defect == "payload_length" {
				g.draft.AfterSeal(func(f *testkit.Frame) { f.Header.SetUint("payload_length", uint64(size("payload_max"))) })
			} else {
				spoilFrame(x, g.draft, defect)
			}
			raw := append(g.draft.Encode(), 0)
			send(x, g.WebSocket().SendFrames("a bad message of a wrong length", peer.Divide(peer.OpBinary, raw)...))
			g.judgeCode(x, closeProtocol)
		},
	}
}

func tooLongMessages() conformance.Case {
	return conformance.Case{
		ID: "XC-1625", Title: "A message of more than 262 304 bytes is answered by a WebSocket close with code 1009, before its end.",
		Proves: []string{"XTMP-WSK-018"}, Control: controlWebSocketPing, Expect: closes("XTMP-WSK-018"),
		Params: []conformance.Param{stages(), param("sent", "whole", "an announcement", "in pieces", "many small pieces")},
		Explain: explain("A message has no announced end: a sender can go on for ever, piece by piece, or announce 2^40 bytes at once.",
			"A message of one byte too many: whole; as the beginning of a WebSocket frame of 2^40 bytes; or in pieces of which none is the last.",
			"each WebSocket frame is measured, not the message", "the message is judged when it is complete", "1002 is sent"),
		Run: func(x *conformance.Exchange) {
			g := stageOf(x)
			w := g.WebSocket()
			limit := size("frame_header") + size("frame_payload")
			raw := append(g.draft.Encode(), make([]byte, limit)...)[:limit+1]
			switch x.Param("sent") {
			case "whole":
				announced(x, w, raw, int64(len(raw)))
			case "an announcement":
				announced(x, w, raw, 1<<40)
			case "in pieces":
				pieces := peer.Divide(peer.OpBinary, raw, limit/2, limit-limit/2)
				pieces[2].More = true
				send(x, w.SendFrames("a message without end", pieces...))
			case "many small pieces":
				pieces := peer.Divide(peer.OpBinary, raw, slices.Repeat([]int{512}, limit/512)...)
				pieces[len(pieces)-1].More = true
				send(x, w.SendFrames("a message without end", pieces...))
			}
			g.judgeCode(x, closeTooBig)
		},
	}
}

// announced sends the header of a WebSocket frame, and its payload if the server does
// not close because of the header alone: bytes that nobody reads would make TCP reset
// the connection and lose the close.
func announced(x *conformance.Exchange, w *peer.WebSocket, raw []byte, n int64) {
	send(x, w.SendFrames("the beginning of a message", peer.WebSocketFrame{Op: peer.OpBinary, Payload: raw[:1], Announce: n}))
	if err := w.ReadPong(nil, x.AtLeast(conformance.BudgetQuiet)); w.Closed() != nil {
		x.Note("the header alone was answered: %v", err)
		return
	}
	send(x, w.Continue(raw[1:]))
}

func longestMessages() conformance.Case {
	return conformance.Case{
		ID: "XC-1626", Title: "A message of 262 304 bytes is no longer than a message may be, and is judged as a frame.",
		Proves: []string{"XTMP-WSK-017", "XTMP-WSK-018"}, Control: controlWebSocketPing, Expect: closes("XTMP-WSK-017"),
		Params: []conformance.Param{stages()},
		Explain: explain("The bound is that of the greatest frame on a WebSocket, to the byte.",
			"A message of exactly so many bytes whose payload_length says otherwise: the code has to be 1002.",
			"the bound is that of the payload", "the bound of the state is held against the message"),
		Run: func(x *conformance.Exchange) {
			g := stageOf(x)
			limit := size("frame_header") + size("frame_payload")
			raw := append(g.draft.Encode(), make([]byte, limit)...)[:limit]
			send(x, g.WebSocket().SendFrames("a longest message", peer.Divide(peer.OpBinary, raw)...))
			g.judgeCode(x, closeProtocol)
		},
	}
}

func overlongMessages() conformance.Case {
	errorDue := func(scope conformance.Scope) conformance.Reaction {
		return conformance.Row(conformance.ErrorFrame(code("PAYLOAD_TOO_LARGE"), scope), "XTMP-ORD-011")
	}
	return conformance.Case{
		ID: "XC-1627", Title: "A message of the right length, but too long for its state, is answered as such a frame; then 1000.",
		Proves: []string{"XTMP-WSK-023", "XTMP-WSK-022"}, Touches: []string{"XTMP-ORD-010", "XTMP-ORD-011", "XTMP-HSK-074"},
		Control: controlWebSocketPing, Params: []conformance.Param{stages(), param("division", "one", "pieces")},
		Expect: conformance.Expect{
			Strict: append(conformance.Closed("XTMP-ORD-010"), errorDue(conformance.ScopePath)),
			Forbidden: []conformance.Reaction{
				conformance.Row(conformance.Accepted(), "the frame is too long"), conformance.Row(conformance.Ignored(), "the frame is too long"),
			},
		},
		Explain: explain("Check 4 is the same on every transport. Only what is longer than any frame ends by 1009.",
			"A whole message with a payload one byte above the limit of the state, in one WebSocket frame or several.",
			"the message is refused by its length: 1009 or 1002", "the last frame is followed by the end of the connection and not by a close"),
		Run: func(x *conformance.Exchange) {
			g := stageOf(x)
			n := size("payload_before_session") + 1
			if x.Param("stage") == "session" {
				n = size("frame_payload_before_wallet") + 1
			}
			g.draft.AfterSeal(announce(n))
			raw := append(g.draft.Encode(), make([]byte, testkit.HeaderSize+n)...)[:testkit.HeaderSize+n]
			pieces := peer.Divide(peer.OpBinary, raw)
			if x.Param("division") == "pieces" {
				pieces = peer.Divide(peer.OpBinary, raw, 50, 5000)
			}
			send(x, g.WebSocket().SendFrames("a frame that is too long", pieces...))
			o := reaction(x, g.talk, conformance.BudgetReply)
			x.Judge(o)
			x.Require((o.Kind == conformance.KindErrorFrame) == (x.Param("stage") != "half-open"),
				"an Error comes, except between ServerHello and ClientFinish")
			if o.Kind == conformance.KindErrorFrame {
				requireEnd(x, g.talk)
			}
			requireCode(x, g.Conn, closeNormal)
		},
	}
}

// webSocketControlFrames returns the cases of section 14.2 about pings.
func webSocketControlFrames() []conformance.Case {
	return []conformance.Case{webSocketPings(), pingsAreNoFrames(), pingsEndNoTimer(), unmaskedFrames()}
}

func unmaskedFrames() conformance.Case {
	return conformance.Case{
		ID: "XC-1633", Title: "A WebSocket frame that is not masked ends the connection.",
		Proves: []string{"XTMP-WSK-021"}, Control: controlWebSocketPing, Expect: closes("XTMP-WSK-021"),
		Params: []conformance.Param{stages(), param("frame", "message", "second of a message", "ping")},
		Explain: explain("RFC 6455 (5.1) has the client mask and the server close on what is not masked: otherwise a page could make a browser "+
			"write bytes of its choice to a proxy.",
			"The correct frame as a message without mask, or in two WebSocket frames of which one has none, or a ping without.",
			"the bit is not looked at", "only the first frame of a message is judged"),
		Run: func(x *conformance.Exchange) {
			g := stageOf(x)
			frames := peer.Divide(peer.OpBinary, g.draft.Encode())
			switch x.Param("frame") {
			case "second of a message":
				frames = peer.Divide(peer.OpBinary, frames[0].Payload, 60)
			case "ping":
				frames = slices.Insert(frames, 0, peer.WebSocketFrame{Op: peer.OpPing, Payload: []byte("ping")})
			}
			bare := len(frames) - 1
			if x.Param("frame") == "ping" {
				bare = 0
			}
			frames[bare].Bare = true
			send(x, g.WebSocket().SendFrames("frames, one of them without mask", frames...))
			judgeClosed(x, g.talk)
		},
	}
}

func webSocketPings() conformance.Case {
	return conformance.Case{
		ID: "XC-1630", Title: "A WebSocket ping is answered by a WebSocket pong with the same bytes.",
		Proves: []string{"XTMP-WSK-019"}, Expect: accepts(),
		Params: []conformance.Param{stages(), param("place", "between messages", "within a message"), param("bytes", "0", "1", "125")},
		Explain: explain("Proxies and browsers look with pings whether a WebSocket lives, and close one that does not answer.",
			"A ping, alone or between two WebSocket frames of a message; then the rest of the message, which has to be served.",
			"pings wait until a session exists", "pings are answered once the message is complete", "the bytes are not repeated"),
		Run: func(x *conformance.Exchange) {
			g := stageOf(x)
			w := g.WebSocket()
			message := peer.Divide(peer.OpBinary, g.draft.Encode(), 60)
			if x.Param("place") == "within a message" {
				send(x, w.SendFrames("the beginning of a message", message[0]))
				message = message[1:]
			}
			data := x.Entropy("websocket ping").Bytes(x.ParamInt("bytes"))
			send(x, w.Ping(data))
			need(x, w.ReadPong(data, x.Within(conformance.BudgetReply)))
			send(x, w.SendFrames("the rest of a message", message...))
			g.judgeServed(x)
		},
	}
}

func pingsAreNoFrames() conformance.Case {
	return conformance.Case{
		ID: "XC-1631", Title: "WebSocket pings and pongs are no frames: nothing in them is read, and no sequence number counts them.",
		Proves: []string{"XTMP-WSK-020"}, Control: controlWebSocketPing, Expect: accepts(),
		Params: []conformance.Param{stages(), param("control", "ping", "pong"), param("holds", "words", "the frame")},
		Explain: explain("A ping belongs to the WebSocket. If it counted in the session, a proxy that sends one would break it.",
			"A ping, or a pong that nobody asked for, with words or with the beginning of the correct frame; then the correct frame as a message.",
			"control frames are handed to the session", "a pong without a ping is an error", "the bytes of a ping are put before the next message"),
		Run: func(x *conformance.Exchange) {
			g := stageOf(x)
			raw := g.draft.Encode()
			control := peer.WebSocketFrame{Op: peer.OpPing, Payload: []byte("hello")}
			if x.Param("control") == "pong" {
				control.Op = peer.OpPong
			}
			if x.Param("holds") == "the frame" {
				control.Payload = raw[:min(125, len(raw))]
			}
			send(x, g.WebSocket().SendFrames("WebSocket "+x.Param("control"), control, control))
			send(x, g.WriteRaw(raw))
			g.judgeServed(x)
			if s, ok := g.talk.(*peer.Session); ok { // a frame that was served twice is noticed now
				_, err := s.Ping([]byte("another"))
				need(x, err)
			}
		},
	}
}

func pingsEndNoTimer() conformance.Case {
	return conformance.Case{
		ID: "XC-1632", Title: "T_FRAME runs from the first byte of a message to its last, whatever pings come between.",
		Proves: []string{"XTMP-WSK-020", "XTMP-WSK-022"}, Touches: []string{"XTMP-ORD-004"}, Timer: "T_FRAME",
		Labels: []string{conformance.LabelSlow}, Control: controlWebSocketPing, Expect: closes("XTMP-ORD-004"),
		Params: []conformance.Param{param("sent", "pings", "pieces", "nothing")},
		Explain: explain("A message that never ends holds its buffer; a ping now and then must not hold it longer.",
			"The beginning of a PING as a message that goes on, and then pings of RFC 6455, single bytes or nothing.",
			"the timer starts anew with each WebSocket frame", "only whole messages are timed"),
		Run: func(x *conformance.Exchange) {
			s := webSocketSession(x)
			w := s.WebSocket()
			began, start := clocked(x, s)
			raw := s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, make([]byte, 60))).Encode()
			send(x, w.SendFrames("the beginning of a message", peer.WebSocketFrame{Op: peer.OpBinary, Payload: raw[:1], More: true}))
			for n := 1; n <= 4 && x.Param("sent") != "nothing"; n++ {
				x.Pause("T_PROBE") // any span of which several fit into the timer
				if x.Param("sent") == "pings" {
					send(x, w.Ping([]byte("still here")))
				} else {
					send(x, w.SendFrames("a piece", peer.WebSocketFrame{Op: peer.OpContinuation, Payload: raw[n : n+1], More: true}))
				}
			}
			judgeExpiry(x, s, "T_FRAME", start)
			requireCode(x, s.Conn, closeNormal)
			x.RequireNotBefore("T_FRAME", began)
		},
	}
}
