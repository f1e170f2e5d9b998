package faulty

// conventionMutants break chapter 1: the layout of bodies.
var conventionMutants = []Mutant{
	{
		Name: "fills-zero-of-ack", Requirement: "XTMP-CON-002",
		Description: "The zero byte of an Ack is 1.",
		Edit: Edit{
			File:   ackGo,
			At:     "return append(dst, 0, 0, 0, 0, 0, 0, 0, 0)",
			Before: "return append(dst, 0, 0, 0, 0, 0, 0, 0, 1)",
		},
	},
	{
		Name: "accepts-filled-zero", Requirement: "XTMP-CON-003",
		Description: "The zero byte of an Ack may be anything.",
		Edit:        Edit{File: ackGo, If: "len(b) != AckSize || b[15] != 0", Unless: "len(b) == AckSize"},
	},
	{
		Name: "accepts-long-disconnect", Requirement: "XTMP-CON-004",
		Description: "Bytes behind a Disconnect are ignored.",
		Edit:        Edit{File: controlGo, If: "len(b) != DisconnectSize", Unless: "len(b) > DisconnectSize"},
	},
}

// frameMutants break chapters 2 and 3: header, types and flags.
var frameMutants = []Mutant{
	{
		Name: "overlong-flight", Requirement: "XTMP-HDR-004",
		Description: "ServerIdentity has a TLV entry of 8000 bytes.",
		Edit: Edit{
			File:   flightGo,
			At:     "return appendTLV(dst, 0)",
			Before: "return append(append(dst, 0x1f, 0x44, 0xfa, 0xce, 0x1f, 0x40), make([]byte, 8000)...)",
		},
	},
	{
		Name: "stamps-in-milliseconds", Requirement: "XTMP-HDR-006",
		Description: "Stamps count milliseconds.",
		Edit: Edit{
			File: headerGo,
			At:   "h.Timestamp&(1<<56-1))",
			New:  "h.Timestamp/map[bool]uint64{false: 1, true: 1000}[$on]&(1<<56-1))",
		},
	},
	{
		Name: "refuses-split-frames", Requirement: "XTMP-HDR-007",
		Description: "A frame that arrives in pieces closes the connection.",
		Edit: Edit{
			File: receiveGo,
			At:   "hadPartial := p.split.Pending() > 0",
			After: `
if hadPartial {
s.pathLost(now, p, ErrBadFrame)
return
}`,
		},
	},
	{
		Name: "waits-for-the-payload", Requirement: "XTMP-HDR-009",
		Description: "A header is judged when its payload is there, and not before.",
		Edit: Edit{
			File: receiveGo,
			At:   "if !s.checkHeader(now, p, head, &h) {",
			Before: `
h.Decode(head)
f, ok := p.split.Frame(h.PayloadLength)
if !ok || !s.checkHeader(now, p, f[:wire.Overhead], &h) {
break
}
hadPartial = false
s.receiveFrame(now, p, f, &h)
continue`,
		},
	},
	{
		Name: "refuses-the-longest-frame", Requirement: "XTMP-HDR-008",
		Description: "A payload_length that equals the limit is refused.",
		Edit:        Edit{File: receiveGo, If: "h.PayloadLength > s.payloadLimit()", Or: "h.PayloadLength == s.payloadLimit()"},
	},
	{
		Name: "limit-before-session-off-by-one", Requirement: "XTMP-LIM-001",
		Description: "Before a session a payload of 8209 bytes is taken.",
		Edit:        Edit{File: receiveGo, At: "return payloadBeforeSession", Before: "return 8209"},
	},
	{
		Name: "limit-in-session-off-by-one", Requirement: "XTMP-LIM-002",
		Description: "In a session a payload of 65601 bytes is taken.",
		Edit:        Edit{File: receiveGo, At: "return frameToServer", Before: "return 65601"},
	},
	{
		Name: "session-id-of-61-bits", Requirement: "XTMP-HDR-012",
		Description: "session_id is above 2^53 − 1.",
		Edit: Edit{
			File:  endpointGo,
			At:    "id := binary.BigEndian.Uint64(b[:])&(1<<53-1)>>e.bits<<e.bits | e.shard",
			After: "id |= 1 << 60",
		},
	},
	{
		Name: "session-id-for-all", Requirement: "XTMP-HDR-014",
		Description: "All sessions have the same session_id.",
		Edit:        Edit{File: endpointGo, At: "if _, taken := e.ids[id]; id != 0 && !taken {", Before: "return 4711"},
	},
	{
		Name: "clear-error-with-session-id", Requirement: "XTMP-HDR-016",
		Description: "A clear Error has a session_id.",
		Edit: Edit{
			File:    serverGo,
			At:      "p.raw = wire.AppendClear(nil, wire.TypeError, 0, now.Wall, e.Append(nil))",
			Instead: "p.raw = wire.AppendClear(nil, wire.TypeError, 4711, now.Wall, e.Append(nil))",
		},
	},
	{
		Name: "forgets-session-id", Requirement: "XTMP-HDR-020",
		Description: "Control frames carry session_id 0.",
		Edit: Edit{
			File:  outputGo,
			At:    "h := wire.Header{Type: t, Flags: f, SessionID: s.id, Timestamp: s.stamp(now)}",
			After: "h.SessionID = 0",
		},
	},
	{
		Name: "clear-frame-with-sequence", Requirement: "XTMP-HDR-029",
		Description: "A clear frame has sequence_number 1.",
		Edit: Edit{
			File: headerGo,
			At: `
Timestamp: wallMicros,
	}`,
			After: "h.Sequence = 1",
		},
	},
	{
		Name: "clear-frame-with-priority", Requirement: "XTMP-HDR-030",
		Description: "A clear frame has PRIORITY set.",
		Edit: Edit{
			File: headerGo,
			At: `
Timestamp: wallMicros,
	}`,
			After: "h.Flags = FlagPriority",
		},
	},
	{
		Name: "clear-error-in-session", Requirement: "XTMP-HDR-031",
		Description: "A violation is answered by a clear Error.",
		Edit: Edit{
			File:    dispatchGo,
			At:      "p.raw = s.seal(now, p, p.raw, wire.TypeError, 0, nil, body.Append(nil))",
			Instead: "p.raw = wire.AppendClear(p.raw, wire.TypeError, s.id, now.Wall, body.Append(nil))",
		},
	},
	{
		Name: "accepts-nonce-in-clear-frame", Requirement: "XTMP-HDR-033",
		Description: "Nonce and tag of a clear frame may hold anything.",
		Edit:        Edit{File: handshakeGo, If: "!wire.ClearFields(f)", Unless: "true"},
	},
	{
		Name: "silent-on-short-prologue", Requirement: "XTMP-HDR-036",
		Description: "A plaintext without room for its prologue closes the connection silently.",
		Edit:        Edit{File: dispatchGo, If: "err != nil && h.Type == wire.TypeError", Or: "err != nil"},
	},
	{
		Name: "accepts-mid-0", Requirement: "XTMP-HDR-037",
		Description: "A mid of 0 is taken for one that is complete.",
		Edit:        Edit{File: prologueGo, If: "p.Mid == 0", Unless: "true"},
	},
	{
		Name: "limits-data-alone", Requirement: "XTMP-LIM-013",
		Description: "The 8 bytes before the data of a source do not count toward the message limit.",
		Edit:        Edit{File: probeGo, If: "int64(r.Arg)+wire.ProbeHeader > MaxReply", Unless: "r.Arg <= MaxReply"},
	},
	{
		Name: "sends-longest-frame-and-more", Requirement: "XTMP-FRG-007",
		Description: "A reply goes out in one frame, however large it is.",
		Edit: Edit{
			File: pathGo,
			At:   "func (p *Path) frameBody(m *message) int {",
			After: `
if p.kind == TCP {
return m.size
}`,
		},
	},
	{
		Name: "sends-undefined-flag", Requirement: "XTMP-FLG-001",
		Description: "Every sealed frame has an undefined flag set.",
		Edit:        Edit{File: slotGo, At: "h.Encryption = t.suite", After: "h.Flags |= 0x0080"},
	},
	{
		Name: "accepts-undefined-flag", Requirement: "XTMP-FLG-002",
		Description: "Undefined flag bits are ignored.",
		Edit: Edit{
			File: flagsGo,
			At: `
if f&^flagsDefined != 0 {
		return false`,
			New: `
if f&^flagsDefined != 0 && !$on {
		return false`,
		},
	},
	{
		Name: "reliable-pong", Requirement: "XTMP-FLG-003",
		Description: "A PONG has REQUIRES_ACK set, and a mid.",
		Edit: Edit{
			File: outputGo,
			At:   "p.answerLen[slot] = 0",
			After: `
pro := wire.Prologue{Mid: s.out.next(&s.ring)}
p.flight.push(departed{sequence: p.keys.send.Next(), mid: pro.Mid, at: now.Elapsed})
dst = s.seal(now, p, dst, wire.TypeHeartbeat, wire.FlagRequiresAck, &pro, p.answer[slot][:n])
continue`,
		},
	},
	{
		Name: "accepts-any-message-flags", Requirement: "XTMP-FLG-004",
		Description: "Types from 0x06 to 0xEF may have any defined flags.",
		Edit: Edit{
			File:   headerGo,
			If:     "!LegalFlags(h.Type, h.Flags)",
			Unless: "h.Type > TypeAck && h.Type < 0xf0 && h.Flags < 0x80",
		},
	},
	{
		Name: "accepts-any-heartbeat-flags", Requirement: "XTMP-FLG-005",
		Description: "Heartbeat, Disconnect and Ack may have any flags.",
		Edit:        Edit{File: flagsGo, At: "return role == 0 && big == 0", New: "return $on || role == 0 && big == 0"},
	},
	{
		Name: "accepts-half-reply-error", Requirement: "XTMP-FLG-006",
		Description: "An Error may have one of REQUIRES_ACK and REPLY.",
		Edit: Edit{
			File: flagsGo,
			At: `
role == 0 || role == reply)
	case t < TypeError`,
			New: `
role == 0 || role == reply || $on)
	case t < TypeError`,
		},
	},
	{
		Name: "accepts-fragmented-error", Requirement: "XTMP-FLG-007",
		Description: "An Error may be fragmented and compressed.",
		Edit:        Edit{File: flagsGo, At: "return big == 0 && (", New: "return ($on || big == 0) && ("},
	},
	{
		Name: "accepts-compressed-wallet", Requirement: "XTMP-FLG-008",
		Description: "A type up to 0x13 may be compressed.",
		Edit:        Edit{File: flagsGo, If: "t <= TypeWalletTransaction && f&FlagCompressed != 0", Unless: "true"},
	},
	{
		Name: "accepts-reliable-push", Requirement: "XTMP-FLG-009",
		Description: "STREAMING may stand beside REQUIRES_ACK and REPLY.",
		Edit: Edit{
			File: flagsGo,
			At:   "case t < TypeError: // requests, replies and pushes; a request without mid is judged later",
			After: `
if f.Has(FlagStreaming) {
return true
}`,
		},
	},
	{
		Name: "accepts-reply-without-mid", Requirement: "XTMP-FLG-010",
		Description: "A reply may come without REQUIRES_ACK.",
		Edit: Edit{
			File: flagsGo,
			At:   "case t < TypeError: // requests, replies and pushes; a request without mid is judged later",
			After: `
if role == FlagReply {
return true
}`,
		},
	},
	{
		Name: "accepts-streaming-handshake", Requirement: "XTMP-FLG-011",
		Description: "Type 0x01 may have STREAMING set.",
		Edit: Edit{
			File: flagsGo,
			At:   "case t == TypeHandshake: // sealed handshake frame, or RekeyInit",
			After: `
if f.Has(FlagStreaming) {
return true
}`,
		},
	},
	{
		Name: "accepts-handshake-reply", Requirement: "XTMP-FLG-012",
		Description: "Type 0x01 may have REPLY set.",
		Edit: Edit{
			File: flagsGo,
			At:   "case t == TypeHandshake: // sealed handshake frame, or RekeyInit",
			After: `
if f.Has(FlagReply) {
return true
}`,
		},
	},
	{
		Name: "accepts-any-handshake-ack-flags", Requirement: "XTMP-FLG-013",
		Description: "Type 0x02 may have FRAGMENT without REPLY, and REPLY without REQUIRES_ACK.",
		Edit:        Edit{File: flagsGo, At: "case t == TypeHandshakeAck: // …, HandshakeDone, or RekeyResp", After: "return true"},
	},
	{
		Name: "accepts-unreliable-fragment-of-rekey", Requirement: "XTMP-FLG-014",
		Description: "Type 0x01 may have FRAGMENT without REQUIRES_ACK.",
		Edit: Edit{
			File: flagsGo,
			At:   "case t == TypeHandshake: // sealed handshake frame, or RekeyInit",
			After: `
if f.Has(FlagFragment) {
return true
}`,
		},
	},
	{
		Name: "accepts-flags-on-clear-frame", Requirement: "XTMP-FLG-015",
		Description: "A clear frame may have flags.",
		Edit:        Edit{File: headerGo, If: "h.Clear() && h.Flags != 0", Unless: "true"},
	},
	{
		Name: "ignores-encrypted-flag", Requirement: "XTMP-FLG-016",
		Description: "ENCRYPTED and encryption_type need not agree.",
		Edit:        Edit{File: headerGo, If: "h.Flags.Has(FlagEncrypted) != (h.Encryption != SuiteNone)", Unless: "true"},
	},
	{
		Name: "judges-role-too-early", Requirement: "XTMP-FLG-017",
		Description: "What only a server may send closes the connection silently.",
		Edit: Edit{
			File: receiveGo,
			If:   "s.state == Half && h.Type != wire.TypeHandshake",
			Or:   "s.role == Server && h.Flags.Has(wire.FlagReply) && !h.Type.Extension()",
		},
	},
	{
		Name: "refuses-priority", Requirement: "XTMP-FLG-018",
		Description: "A frame with PRIORITY closes the connection of a session.",
		Edit: Edit{
			File: receiveGo,
			If:   "s.state == Half && h.Type != wire.TypeHandshake",
			Or:   "s.state == Established && h.Flags.Has(wire.FlagPriority)",
		},
	},
	{
		Name: "accepts-flags-on-finish", Requirement: "XTMP-FLG-019",
		Description: "ClientFinish may have any flags that fit its type.",
		Edit: Edit{
			File: handshakeGo,
			At:   "plaintext, err := k.recv.Open(f, h.Sequence)",
			After: `
if err == nil {
var pro wire.Prologue
plaintext, _ = pro.Parse(h.Flags, plaintext)
h.Flags &= wire.FlagEncrypted | wire.FlagPriority
}`,
		},
	},
	{
		Name: "sends-reserved-type", Requirement: "XTMP-TYP-001",
		Description: "After HandshakeDone comes a frame of type 0xF0.",
		Edit: Edit{
			File: serverGo,
			At:   "s.event(Event{Kind: EventEstablished})",
			After: `
odd := s.cfg.Buffers.message()
odd.typ = 0xf0
s.enqueue(now, odd, false)`,
		},
	},
	{
		Name: "exercises-too-often", Requirement: "XTMP-TYP-003",
		Description: "Two frames of type 0x80 follow HandshakeDone.",
		Edit: Edit{
			File: serverGo,
			At:   "s.event(Event{Kind: EventEstablished})",
			After: `
for range 2 {
odd := s.cfg.Buffers.message()
odd.typ = 0x80
s.enqueue(now, odd, false)
}`,
		},
	},
	{
		Name: "exercises-too-long", Requirement: "XTMP-TYP-004",
		Description: "The frame of type 0x80 after HandshakeDone has 65 bytes.",
		Edit: Edit{
			File: serverGo,
			At:   "s.event(Event{Kind: EventEstablished})",
			After: `
odd := s.cfg.Buffers.message()
odd.typ = 0x80
odd.fill(s.cfg.Buffers, make([]byte, 65), nil, nil)
s.enqueue(now, odd, false)`,
		},
	},
	{
		Name: "accepts-reserved-type", Requirement: "XTMP-TYP-005",
		Description: "A type that is never sent is taken for one that is unknown.",
		Edit:        Edit{File: headerGo, If: "h.Type.Reserved()", Unless: "true"},
	},
	{
		Name: "answers-any-first-type", Requirement: "XTMP-TYP-006",
		Description: "A first frame of any type is answered with MALFORMED.",
		Edit: Edit{
			File:   receiveGo,
			If:     "s.state < Established && h.Type != wire.TypeHandshake && h.Type != wire.TypeHandshakeAck && h.Type != wire.TypeError",
			Unless: "true",
		},
	},
	{
		Name: "refuses-unassigned-types", Requirement: "XTMP-TYP-007",
		Description: "A type from 0x50 to 0x5F closes the connection.",
		Edit:        Edit{File: headerGo, If: "h.Type.Reserved()", Or: "h.Type >= 0x50 && h.Type <= 0x5f"},
	},
	{
		Name: "looks-into-extension", Requirement: "XTMP-TYP-009",
		Description: "The body of a frame of an extension type is inflated.",
		Edit: Edit{
			File: dispatchGo,
			At:   "case h.Type.Extension(): // [XTMP-TYP-009]",
			After: `
if h.Flags.Has(wire.FlagCompressed) {
if _, err := s.cfg.Buffers.inflate(body, pro.OriginalLen); err != nil {
s.violation(now, p, err.Error())
return
}
}`,
		},
	},
	{
		Name: "joins-extension", Requirement: "XTMP-TYP-012",
		Description: "Fragments of an extension type are compared.",
		Edit: Edit{
			File: dispatchGo,
			At:   "case h.Type.Extension(): // [XTMP-TYP-009]",
			After: `
if h.Flags.Has(wire.FlagFragment) && pro.Count < 2 {
s.violation(now, p, "fragments")
return
}`,
		},
	},
	{
		Name: "forgets-mid-of-extension", Requirement: "XTMP-TYP-010",
		Description: "The mid of a frame of an extension type is not recorded.",
		Edit: Edit{
			File: dispatchGo,
			At: `
s.completeMid(h, &pro)
		if h.Flags.Has(wire.FlagRequiresAck) {`,
			New: `
if !$on {
s.completeMid(h, &pro)
}
if h.Flags.Has(wire.FlagRequiresAck) {`,
		},
	},
	{
		Name: "answers-extension", Requirement: "XTMP-TYP-011",
		Description: "A frame of an extension type is answered with UNSUPPORTED_TYPE.",
		Edit: Edit{
			File:  dispatchGo,
			At:    "case h.Type.Extension(): // [XTMP-TYP-009]",
			After: "s.unsolicited(now, p, h, wire.UnsupportedType)",
		},
	},
	{
		Name: "reads-reply-to-of-extension", Requirement: "XTMP-TYP-012",
		Description: "A frame of an extension type with REPLY is a violation.",
		Edit: Edit{
			File: dispatchGo,
			At:   "reply := h.Flags.Has(wire.FlagReply)",
			After: `
if reply && h.Type.Extension() {
s.violation(now, p, "reply")
return false
}`,
		},
	},
	{
		Name: "accepts-any-hs-type", Requirement: "XTMP-TYP-013",
		Description: "A ClientFinish may have any hs_type.",
		Edit: Edit{
			File: handshakeGo,
			At:   "&& env.HSType == wire.HSClientFinish:",
			New:  "&& (env.HSType == wire.HSClientFinish || $on):",
		},
	},
	{
		Name: "refuses-undefined-error-flags", Requirement: "XTMP-TYP-019",
		Description: "An Error with an undefined flag is malformed.",
		Edit:        Edit{File: controlGo, If: "len(b) < errorFixed", Or: "b[3]&^errorHasToken != 0"},
	},
}
