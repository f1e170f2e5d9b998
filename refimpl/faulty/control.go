package faulty

// heartbeatMutants break sections 9.1 and 9.2, Heartbeat and liveness.
var heartbeatMutants = []Mutant{
	{
		Name: "sends-empty-pong", Requirement: "XTMP-HBT-001",
		Description: "A PONG has no bytes at all.",
		Edit: Edit{
			File:    outputGo,
			At:      "dst = s.seal(now, p, dst, wire.TypeHeartbeat, 0, nil, p.answer[slot][:n])",
			Instead: "dst = s.seal(now, p, dst, wire.TypeHeartbeat, 0, nil, nil)",
		},
	},
	{
		Name: "accepts-long-heartbeat", Requirement: "XTMP-HBT-003",
		Description: "A Heartbeat of more than 64 bytes is answered.",
		Edit:        Edit{File: controlGo, If: "len(b) < 1 || len(b) > MaxHeartbeat", Unless: "len(b) > MaxHeartbeat"},
	},
	{
		Name: "ignores-empty-heartbeat", Requirement: "XTMP-HBT-003",
		Description: "An empty Heartbeat is ignored.",
		Edit: Edit{
			File: dispatchGo,
			At:   "kind, data, err := wire.ParseHeartbeat(body)",
			After: `
if len(body) == 0 {
return
}`,
		},
	},
	{
		Name: "ignores-ping", Requirement: "XTMP-HBT-004",
		Description: "A PING is not answered.",
		Edit:        Edit{File: dispatchGo, At: "p.answerWith(0, wire.Pong, data)", Instead: "_ = data"},
	},
	{
		Name: "garbles-pong", Requirement: "XTMP-HBT-005",
		Description: "A PONG does not repeat the bytes of its PING.",
		Edit: Edit{
			File: dispatchGo,
			At:   "p.answerLen[slot] = uint8(1 + copy(p.answer[slot][1:], data))",
			After: `
if len(data) > 0 {
p.answer[slot][1] ^= 1
}`,
		},
	},
	{
		Name: "cuts-pong", Requirement: "XTMP-HBT-005",
		Description: "A PONG repeats at most 32 bytes.",
		Edit: Edit{
			File:  dispatchGo,
			At:    "p.answerLen[slot] = uint8(1 + copy(p.answer[slot][1:], data))",
			After: "p.answerLen[slot] = min(p.answerLen[slot], 33)",
		},
	},
	{
		Name: "ignores-challenge", Requirement: "XTMP-HBT-006",
		Description: "A PATH_CHALLENGE is not answered.",
		Edit:        Edit{File: dispatchGo, At: "p.answerWith(1, wire.PathResponse, data)", Instead: "_ = data"},
	},
	{
		Name: "answers-pong", Requirement: "XTMP-HBT-007",
		Description: "A PONG is answered by a PONG.",
		Edit:        Edit{File: dispatchGo, At: "case wire.Pong:", After: "p.answerWith(1, wire.Pong, data)"},
	},
	{
		Name: "ends-on-unknown-kind", Requirement: "XTMP-HBT-008",
		Description: "A Heartbeat of an unknown kind is a violation.",
		Edit: Edit{
			File:  dispatchGo,
			At:    "default: // unknown kinds count as received and nothing else",
			After: `s.violation(now, p, "kind")`,
		},
	},
	{
		Name: "ends-on-strange-pong", Requirement: "XTMP-HBT-009",
		Description: "A PONG that nobody asked for is a violation.",
		Edit: Edit{
			File: dispatchGo,
			At:   "case wire.Pong:",
			After: `
s.violation(now, p, "PONG")
return`,
		},
	},
	{
		Name: "ignores-rekey-request", Requirement: "XTMP-HBT-010",
		Description: "A REKEY_REQUEST from a client is ignored.",
		Edit:        Edit{File: dispatchGo, At: `s.violation(now, p, "REKEY_REQUEST from a client")`, Before: "return"},
	},
	{
		Name: "impatient", Requirement: "XTMP-HBT-017",
		Description: "A session ends after three seconds of silence.",
		Edit:        Edit{File: sessionGo, At: "s.work = cfg.Buffers.work()", Before: "s.idleTimeout = 3 * time.Second"},
	},
	{
		Name: "pings-at-once", Requirement: "XTMP-HBT-023",
		Description: "A PING follows HandshakeDone.",
		Edit:        Edit{File: serverGo, At: "s.event(Event{Kind: EventEstablished})", After: "s.Ping()"},
	},
	{
		Name: "pings-suspect-path-often", Requirement: "XTMP-HBT-025",
		Description: "A PING goes out every half second while the path is suspect.",
		Edit: Edit{
			File: timersGo,
			At:   "return min(d, max(p.receivedAt+missedIntervals*s.cfg.HeartbeatInterval, p.sentAt+s.cfg.HeartbeatInterval))",
			Before: `
if !s.out.idle() {
return max(p.receivedAt+probeSilence, p.sentAt+probeSilence/4)
}`,
		},
	},
}

// errorMutants break sections 9.4 to 9.6, Errors.
var errorMutants = []Mutant{
	{
		Name: "violation-ends-path-only", Requirement: "XTMP-ERR-001",
		Description: "PROTOCOL_VIOLATION is sent with scope 1.",
		Edit: Edit{
			File: dispatchGo,
			At:   "s.fail(now, p, &Error{Code: wire.ProtocolViolation, Scope: wire.ScopeSession, Text: what}, p.received-1, 0)",
			Before: `
s.fail(now, p, &Error{Code: wire.ProtocolViolation, Scope: wire.ScopePath, Text: what}, p.received-1, 0)
return`,
		},
	},
	{
		Name: "answers-malformed-error", Requirement: "XTMP-ERR-003",
		Description: "A malformed Error is answered with PROTOCOL_VIOLATION.",
		Edit: Edit{
			File:   dispatchGo,
			At:     "return // a malformed unsolicited Error is discarded unless it ends the session",
			Before: `s.violation(now, p, "Error")`,
		},
	},
	{
		Name: "error-reply-of-scope-1", Requirement: "XTMP-ERR-004",
		Description: "An Error that is a reply has scope 1.",
		Edit: Edit{
			File:  messageGo,
			At:    "body := wire.Error{Code: e.Code, RefSequence: wire.NoSequence, RetryAfterMS: retryAfter(e.RetryAfter), Text: []byte(e.Text)}",
			After: "body.Scope = wire.ScopePath",
		},
	},
	{
		Name: "clear-error-of-scope-2", Requirement: "XTMP-ERR-005",
		Description: "A clear Error has scope 2.",
		Edit: Edit{
			File:  serverGo,
			At:    "e := wire.Error{Code: code, Scope: wire.ScopePath, RefSequence: wire.NoSequence, Text: []byte(text)}",
			After: "e.Scope = wire.ScopeSession",
		},
	},
	{
		Name: "error-reply-names-frame", Requirement: "XTMP-ERR-006",
		Description: "ref_seq of an Error that is a reply is 0.",
		Edit: Edit{
			File:  messageGo,
			At:    "body := wire.Error{Code: e.Code, RefSequence: wire.NoSequence, RetryAfterMS: retryAfter(e.RetryAfter), Text: []byte(e.Text)}",
			After: "body.RefSequence = 0",
		},
	},
	{
		Name: "long-frame-is-named", Requirement: "XTMP-ERR-007",
		Description: "The Error for an over-long frame names it.",
		Edit: Edit{
			File: receiveGo,
			At:   "s.fail(now, p, &Error{Code: wire.PayloadTooLarge, Scope: wire.ScopePath}, wire.NoSequence, h.PayloadLength)",
			Before: `
s.fail(now, p, &Error{Code: wire.PayloadTooLarge, Scope: wire.ScopePath}, h.Sequence, h.PayloadLength)
return`,
		},
	},
	{
		Name: "violation-names-next-frame", Requirement: "XTMP-ERR-008",
		Description: "ref_seq of a violation is one too high.",
		Edit: Edit{
			File: dispatchGo,
			At:   "s.fail(now, p, &Error{Code: wire.ProtocolViolation, Scope: wire.ScopeSession, Text: what}, p.received-1, 0)",
			Before: `
s.fail(now, p, &Error{Code: wire.ProtocolViolation, Scope: wire.ScopeSession, Text: what}, p.received, 0)
return`,
		},
	},
	{
		Name: "error-with-token", Requirement: "XTMP-ERR-009",
		Description: "A final Error has a token.",
		Edit: Edit{
			File:  dispatchGo,
			At:    "body := wire.Error{Code: e.Code, Scope: e.Scope, RefSequence: cause, Text: []byte(e.Text)}",
			After: "body.HasToken = true",
		},
	},
	{
		Name: "error-of-257-bytes", Requirement: "XTMP-ERR-010",
		Description: "The text of an Error has 257 bytes.",
		Edit: Edit{
			File:   controlGo,
			At:     "return append(dst, text...)",
			Before: "return append(dst, make([]byte, MaxErrorText+1)...)",
		},
	},
	{
		Name: "error-in-latin-1", Requirement: "XTMP-ERR-011",
		Description: "The text of an Error is not UTF-8.",
		Edit:        Edit{File: controlGo, At: "return append(dst, text...)", Before: "return append(dst, 0xfc)"},
	},
	{
		Name: "heartbeat-behind-error", Requirement: "XTMP-ERR-013",
		Description: "A PONG follows the final Error.",
		Edit: Edit{
			File:   dispatchGo,
			At:     "p.drain(now, refused)",
			Before: "p.raw = s.seal(now, p, p.raw, wire.TypeHeartbeat, 0, nil, []byte{byte(wire.Pong)})",
		},
	},
	{
		Name: "acks-errors", Requirement: "XTMP-ERR-016",
		Description: "An unsolicited Error is acknowledged.",
		Edit:        Edit{File: dispatchGo, At: "err := m.Parse(body, true)", After: "p.ackEventually(now)"},
	},
	{
		Name: "ends-on-error-of-scope-0", Requirement: "XTMP-ERR-017",
		Description: "An unsolicited Error of scope 0 ends the session.",
		Edit: Edit{
			File: dispatchGo,
			At:   "case wire.ScopeMessage:",
			After: `
p.shut()
s.end(now, e)
return`,
		},
	},
	{
		Name: "survives-error-of-scope-1", Requirement: "XTMP-ERR-018",
		Description: "An unsolicited Error of scope 1 is ignored.",
		Edit: Edit{
			File:  dispatchGo,
			At:    "case wire.ScopePath: // [XTMP-PTH-041]",
			After: "return",
		},
	},
	{
		Name: "survives-error-of-scope-2", Requirement: "XTMP-ERR-019",
		Description: "An unsolicited Error of scope 2 is ignored.",
		Edit: Edit{
			File:  dispatchGo,
			At:    "case wire.ScopeSession:",
			After: "return",
		},
	},
	{
		Name: "obeys-text", Requirement: "XTMP-ERR-020",
		Description: "An unsolicited Error whose text is \"close\" ends the session, whatever its scope.",
		Edit: Edit{
			File: dispatchGo,
			At:   "e := peerError(&m)",
			After: `
if e.Text == "close" {
m.Scope = wire.ScopeSession
}`,
		},
	},
	{
		Name: "ignores-malformed-control", Requirement: "XTMP-ERR-021",
		Description: "A malformed Ack is ignored.",
		Edit: Edit{
			File: dispatchGo,
			At:   "largest, err := wire.ParseStreamAck(body)",
			After: `
if err != nil {
return
}`,
		},
	},
	{
		Name: "ends-on-malformed-error", Requirement: "XTMP-ERR-024",
		Description: "A malformed Error of scope 0 or 1 closes the connection.",
		Edit: Edit{
			File: dispatchGo,
			At:   "return // a malformed unsolicited Error is discarded unless it ends the session",
			Before: `
p.shut()
s.end(now, ErrBadFrame)`,
		},
	},
	{
		Name: "survives-malformed-end", Requirement: "XTMP-ERR-025",
		Description: "A malformed Error of scope 2 is discarded.",
		Edit:        Edit{File: dispatchGo, If: "err != nil && (len(body) < 4 || m.Scope != wire.ScopeSession)", Or: "err != nil"},
	},
	{
		Name: "refuses-latin-1", Requirement: "XTMP-ERR-026",
		Description: "An Error whose text is not UTF-8 is malformed.",
		Edit: Edit{
			File: controlGo,
			At:   "if utf8.Valid(text) { // [XTMP-ERR-026]",
			Before: `
if !utf8.Valid(text) {
return ErrErrorBody
}`,
		},
	},
	{
		Name: "silent-on-violation", Requirement: "XTMP-ERR-027",
		Description: "A violation closes the connection without an Error.",
		Edit: Edit{
			File:   dispatchGo,
			At:     "p.drain(now, refused)",
			Before: "p.raw = nil",
		},
	},
	{
		Name: "goes-on-after-violation", Requirement: "XTMP-ERR-029",
		Description: "Frames behind a violation are answered before the Error.",
		Edit: Edit{
			File: dispatchGo,
			At:   "s.fail(now, p, &Error{Code: wire.ProtocolViolation, Scope: wire.ScopeSession, Text: what}, p.received-1, 0)",
			Before: `
cause := p.received - 1
var h wire.Header
for head, ok := p.split.Header(); ok && p.state < PathDrain; head, ok = p.split.Header() {
h.Decode(head)
f, whole := p.split.Frame(h.PayloadLength)
if !whole {
break
}
s.receiveFrame(now, p, f, &h)
}
if p.state < PathDrain {
p.raw = s.AppendOutput(now, s.current, nil)
s.fail(now, p, &Error{Code: wire.ProtocolViolation, Scope: wire.ScopeSession, Text: what}, cause, 0)
}
return`,
		},
	},
	{
		Name: "disconnect-behind-error", Requirement: "XTMP-ERR-030",
		Description: "A Disconnect follows the final Error.",
		Edit: Edit{
			File:   dispatchGo,
			At:     "p.drain(now, refused)",
			Before: "p.raw = s.seal(now, p, p.raw, wire.TypeDisconnect, 0, nil, new(wire.Disconnect).Append(nil))",
		},
	},
	{
		Name: "answers-short-error", Requirement: "XTMP-ERR-031",
		Description: "An Error without room for its prologue is answered with an Error.",
		Edit:        Edit{File: dispatchGo, If: "err != nil && h.Type == wire.TypeError", Unless: "true"},
	},
}

// endMutants break sections 9.3 and 9.7, Disconnect and the last write.
var endMutants = []Mutant{
	{
		Name: "ignores-disconnect", Requirement: "XTMP-DSC-007",
		Description: "A session goes on after Disconnect.",
		Edit: Edit{
			File: dispatchGo,
			At: `
p.shut()
	if m.Reason == wire.NoError {`,
			Before: "return",
		},
	},
	{
		Name: "answers-disconnect", Requirement: "XTMP-DSC-008",
		Description: "A Disconnect is answered by a Disconnect.",
		Edit: Edit{
			File: dispatchGo,
			At: `
p.shut()
	if m.Reason == wire.NoError {`,
			Before: `
s.disconnect(now, wire.NoError)
return`,
		},
	},
	{
		Name: "stays-after-disconnect", Requirement: "XTMP-DSC-009",
		Description: "After Disconnect the connection stays open.",
		Edit: Edit{
			File: dispatchGo,
			At: `
p.shut()
	if m.Reason == wire.NoError {`,
			Before: `
s.setState(now, Closed)
return`,
		},
	},
	{
		Name: "ignores-malformed-disconnect", Requirement: "XTMP-DSC-010",
		Description: "A Disconnect of another length than 18 is ignored.",
		Edit:        Edit{File: dispatchGo, At: "if err := m.Parse(body); err != nil {", After: "return"},
	},
	{
		Name: "ignores-end-of-stream", Requirement: "XTMP-DSC-011",
		Description: "The connection stays open when the client has ended its half of it.",
		Edit: Edit{
			File: loopGo,
			At:   "case err != nil || n == 0:",
			New: `
case $on && err == nil && n == 0:
l.await(now, c, 0)
case err != nil || n == 0:`,
		},
	},
	{
		Name: "keeps-sending-direction", Requirement: "XTMP-DSC-012",
		Description: "After the last frame the sending direction stays open.",
		Edit:        Edit{File: writeGo, At: "_ = unix.Shutdown(int(c.fd), unix.SHUT_WR)", Instead: "_ = c.fd"},
	},
	{
		Name: "closes-without-lingering", Requirement: "XTMP-DSC-013",
		Description: "After the last frame nothing is read.",
		Edit:        Edit{File: outputGo, At: "p.drainAt, p.taken = now.Elapsed, true", After: "p.state = PathShut"},
	},
	{
		Name: "lingers-for-ever", Requirement: "XTMP-DSC-014",
		Description: "After the last frame the connection stays open.",
		Edit:        Edit{File: timersGo, At: "return p.drainAt + lingerTimeout", Before: "return never"},
	},
	{
		Name: "lingers-half-its-time", Requirement: "XTMP-TMR-003",
		Description: "After the last frame the connection stays open for half of T_LINGER.",
		Edit:        Edit{File: timersGo, At: "return p.drainAt + lingerTimeout", Before: "return p.drainAt + lingerTimeout/2"},
	},
	{
		Name: "lingers-three-times", Requirement: "XTMP-TMR-004",
		Description: "After the last frame the connection stays open for three times T_LINGER.",
		Edit:        Edit{File: timersGo, At: "return p.drainAt + lingerTimeout", Before: "return p.drainAt + 3*lingerTimeout"},
	},
}
