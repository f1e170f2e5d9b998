package faulty

// websocketMutants break chapter 14, WebSocket.
var websocketMutants = []Mutant{
	{
		Name: "wants-one-subprotocol", Requirement: "XTMP-WSK-005",
		Description: "An opening that offers xtmp.v1 behind others is refused.",
		Edit: Edit{
			File: openingGo,
			At:   "offered := false",
			After: `
if bytes.Contains(head, []byte(", "+Subprotocol)) {
return Refusal("400 Bad Request", "one subprotocol"), false
}`,
		},
	},
	{
		Name: "selects-no-subprotocol", Requirement: "XTMP-WSK-006",
		Description: "The answer to an opening selects no subprotocol.",
		Edit:        Edit{File: openingGo, At: "offered = true\n\t\t\treturn true", New: "offered = true\n\t\t\treturn !$on"},
	},
	{
		Name: "selects-extension", Requirement: "XTMP-WSK-006",
		Description: "The answer to an opening selects an extension.",
		Edit: Edit{
			File: openingGo,
			At:   `return ws.HandshakeHeaderString(""), nil`,
			New:  `return ws.HandshakeHeaderString(map[bool]string{true: "Sec-WebSocket-Extensions: permessage-deflate\r\n"}[$on]), nil`,
		},
	},
	{
		Name: "opens-without-subprotocol", Requirement: "XTMP-WSK-007",
		Description: "An opening that does not offer xtmp.v1 is accepted.",
		Edit:        Edit{File: openingGo, If: "!offered", Unless: "true"},
	},
	{
		Name: "forbids-without-subprotocol", Requirement: "XTMP-WSK-007",
		Description: "An opening that does not offer xtmp.v1 is refused with status 403.",
		Edit:        Edit{File: openingGo, At: "ws.RejectionStatus(400)", New: "ws.RejectionStatus(400 + map[bool]int{true: 3}[$on])"},
	},
	{
		Name: "forgets-first-bytes", Requirement: "XTMP-WSK-008",
		Description: "A connection is judged by the bytes that have come last.",
		Edit:        Edit{File: webGo, At: "b = append(c.web.begun, b...)", Instead: "_ = b"},
	},
	{
		Name: "openings-of-1024", Requirement: "XTMP-WSK-010",
		Description: "An opening request of more than 1024 bytes is refused.",
		Edit: Edit{
			File: webGo,
			At:   "case len(head) > websocket.MaxRequest,",
			New:  "case len(head) > websocket.MaxRequest || $on && len(head) > 1024,",
		},
	},
	{
		Name: "opening-takes-no-time", Requirement: "XTMP-WSK-012",
		Description: "T_HANDSHAKE_TCP begins anew with every piece of an opening.",
		Edit: Edit{
			File: receiveGo,
			At:   "p.begun = n",
			After: `
if s.state == Start {
p.openedAt = now.Elapsed
}`,
		},
	},
	{
		Name: "joins-frames-in-a-message", Requirement: "XTMP-WSK-013",
		Description: "What is sent at the same time is one binary message.",
		Edit: Edit{
			File: websocketAppendGo,
			At:   "for len(frames) > 0 {",
			Before: `
if len(frames) > 0 {
return c.append(dst, ws.OpBinary, frames)
}`,
		},
	},
	{
		Name: "sends-text-messages", Requirement: "XTMP-WSK-013",
		Description: "Frames are sent as text messages.",
		Edit: Edit{
			File: websocketAppendGo,
			At:   "dst = c.append(dst, ws.OpBinary, frames[:size])",
			New:  "dst = c.append(dst, map[bool]ws.OpCode{false: ws.OpBinary, true: ws.OpText}[$on], frames[:size])",
		},
	},
	{
		Name: "refuses-divided-messages", Requirement: "XTMP-WSK-015",
		Description: "A binary message in several WebSocket frames closes the WebSocket.",
		Edit:        Edit{File: websocketConnGo, If: "ws.CheckHeader(h, c.state) != nil", Or: "!h.Fin"},
	},
	{
		Name: "takes-text-messages", Requirement: "XTMP-WSK-016",
		Description: "A text message is taken for a frame.",
		Edit:        Edit{File: websocketConnGo, If: "h.OpCode == ws.OpText", Unless: "true"},
	},
	{
		Name: "protocol-error-for-text", Requirement: "XTMP-WSK-016",
		Description: "A text message closes the WebSocket with code 1002.",
		Edit:        Edit{File: websocketConnGo, At: "c.fail(ws.StatusUnsupportedData)", Instead: "c.fail(ws.StatusProtocolError)"},
	},
	{
		Name: "takes-bytes-behind-frame", Requirement: "XTMP-WSK-017",
		Description: "Bytes of a binary message behind its frame are ignored.",
		Edit: Edit{
			File: websocketConnGo,
			At:   "func (c *Conn) judge(message []byte) []byte {",
			After: `
if len(message) > wire.Overhead {
message = message[:min(len(message), wire.Overhead+int(wire.PayloadLength(message)))]
}`,
		},
	},
	{
		Name: "normal-close-for-wrong-length", Requirement: "XTMP-WSK-017",
		Description: "A binary message of another length than its frame closes the WebSocket with code 1000.",
		Edit: Edit{
			File: websocketConnGo,
			At: `
c.fail(ws.StatusProtocolError)
		return nil`,
			New: `
c.fail(map[bool]ws.StatusCode{false: ws.StatusProtocolError, true: ws.StatusNormalClosure}[$on])
		return nil`,
		},
	},
	{
		Name: "takes-messages-of-any-length", Requirement: "XTMP-WSK-018",
		Description: "A message is judged when it is whole, however long it is.",
		Edit: Edit{
			File:   websocketConnGo,
			If:     "h.OpCode.IsData() && h.Length > int64(MaxMessage-len(c.message))",
			Unless: "true",
		},
	},
	{
		Name: "ignores-websocket-ping", Requirement: "XTMP-WSK-019",
		Description: "A WebSocket ping gets no pong.",
		Edit:        Edit{File: websocketConnGo, At: "c.pinged = true", Instead: "_ = piece"},
	},
	{
		Name: "empty-websocket-pong", Requirement: "XTMP-WSK-019",
		Description: "A WebSocket pong does not repeat the bytes of its ping.",
		Edit:        Edit{File: websocketConnGo, At: "c.pong = append(c.pong[:0], piece...)", Instead: "c.pong = c.pong[:0]"},
	},
	{
		Name: "takes-ping-for-a-frame", Requirement: "XTMP-WSK-020",
		Description: "A WebSocket ping whose bytes are no frame closes the WebSocket.",
		Edit:        Edit{File: websocketConnGo, At: "c.pinged = true", After: "c.judge(piece)"},
	},
	{
		Name: "masks-like-a-client", Requirement: "XTMP-WSK-021",
		Description: "The server masks what it sends.",
		Edit: Edit{
			File:  websocketAppendGo,
			At:    "h := ws.Header{Fin: true, OpCode: op, Length: int64(len(payload))}",
			After: "h.Masked, h.Mask = true, [4]byte{1, 2, 3, 4}",
		},
	},
	{
		Name: "takes-unmasked-frames", Requirement: "XTMP-WSK-021",
		Description: "WebSocket frames of a client need not be masked.",
		Edit:        Edit{File: websocketConnGo, If: "ws.CheckHeader(h, c.state) != nil", Unless: "!h.Masked"},
	},
	{
		Name: "cuts-websocket", Requirement: "XTMP-WSK-022",
		Description: "A bad frame ends the connection without a WebSocket close.",
		Edit: Edit{
			File: webGo,
			If:   "c.web == nil || c.web.socket == nil || c.web.socket.Said() || c.pending != nil",
			Or:   "true",
		},
	},
	{
		Name: "goes-away", Requirement: "XTMP-WSK-022",
		Description: "The WebSocket is closed with code 1001.",
		Edit: Edit{
			File: websocketConnGo,
			At:   "return &Conn{state: ws.StateServerSide, code: ws.StatusNormalClosure}",
			New:  "return &Conn{state: ws.StateServerSide, code: ws.StatusNormalClosure + map[bool]ws.StatusCode{true: 1}[$on]}",
		},
	},
	{
		Name: "ends-without-close", Requirement: "XTMP-WSK-023",
		Description: "No WebSocket close follows the last frame.",
		Edit:        Edit{File: webGo, At: "l.wire = s.AppendClose(l.wire)", Instead: "s.AppendClose(nil)"},
	},
	{
		Name: "ignores-websocket-close", Requirement: "XTMP-WSK-024",
		Description: "A WebSocket close of the client is ignored.",
		Edit:        Edit{File: websocketConnGo, At: "c.ended, c.message = true, nil", Instead: "c.message = nil"},
	},
	{
		Name: "waits-for-websocket-close", Requirement: "XTMP-WSK-025",
		Description: "The client's WebSocket close is awaited for twenty seconds.",
		Edit:        Edit{File: webGo, At: "l.held = append(l.held, c)", Before: "c.last.until += 20 * lingerTimeout"},
	},
}
