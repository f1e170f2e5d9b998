package faulty

// orderMutants break chapter 7, the order of checks.
var orderMutants = []Mutant{
	{
		Name: "length-before-flags", Requirement: "XTMP-ORD-001",
		Description: "payload_length is judged before type and flags.",
		Edit: Edit{
			File: receiveGo,
			At:   "if err := s.checkShape(h); err != nil { // step 3",
			Before: `
if h.PayloadLength > s.payloadLimit() {
s.refuseLength(now, p, h)
return false
}`,
		},
	},
	{
		Name: "answers-bad-checksum", Requirement: "XTMP-ORD-002",
		Description: "A wrong checksum is answered with PROTOCOL_VIOLATION.",
		Edit: Edit{
			File: receiveGo,
			At:   "s.refuse(now, p, 7, h, errChecksum)",
			Before: `
s.violation(now, p, "checksum")
return`,
		},
	},
	{
		Name: "drops-what-does-not-open", Requirement: "XTMP-ORD-003",
		Description: "A frame that does not open is dropped, and the next one is processed.",
		Edit: Edit{
			File: receiveGo,
			At:   "plaintext, err := opener.Open(f, h.Sequence) // steps 10 and 11",
			After: `
if err != nil {
p.received++
return
}`,
		},
	},
	{
		Name: "never-misses-a-frame", Requirement: "XTMP-ORD-004", Slow: true,
		Description: "A frame may stay incomplete for ever.",
		Edit: Edit{
			File: receiveGo,
			At: `
if p.split.Pending() > 0 && !hadPartial {
		p.frameAt = now.Elapsed`,
			After: "p.frameAt = never / 2",
		},
	},
	{
		Name: "accepts-any-magic", Requirement: "XTMP-ORD-005",
		Description: "Only the first three bytes of the magic are compared.",
		Edit: Edit{
			File:   headerGo,
			If:     "binary.BigEndian.Uint32(b) != Magic",
			Unless: "binary.BigEndian.Uint32(b)>>8 == Magic>>8",
		},
	},
	{
		Name: "accepts-any-version", Requirement: "XTMP-ORD-006",
		Description: "The version byte of a sealed frame is not looked at.",
		Edit:        Edit{File: headerGo, If: "h.Version != Version", Unless: "!h.Clear()"},
	},
	{
		Name: "answers-before-finish", Requirement: "XTMP-ORD-008",
		Description: "A Heartbeat before ClientFinish is answered with UNEXPECTED_MESSAGE.",
		Edit: Edit{
			File: receiveGo,
			At:   "if err := s.checkShape(h); err != nil { // step 3",
			Before: `
if s.state == Half && h.Type == wire.TypeHeartbeat {
s.fail(now, p, &Error{Code: wire.UnexpectedMessage, Scope: wire.ScopeSession}, wire.NoSequence, 0)
return false
}`,
		},
	},
	{
		Name: "reserves-before-length", Requirement: "XTMP-ORD-009",
		Description: "Memory for a payload is reserved before its length is judged.",
		Edit: Edit{
			File: receiveGo,
			At:   "if h.PayloadLength > s.payloadLimit() { // step 4",
			Before: `
room := s.cfg.Server.Admission.Hold(s.source, int(h.PayloadLength))
if s.cfg.Server.Admission.Hold(s.source, -int(h.PayloadLength)); !room {
s.outOfMemory(now, p)
return false
}`,
		},
	},
	{
		Name: "answers-long-frame-before-finish", Requirement: "XTMP-ORD-010",
		Description: "An over-long frame before ClientFinish is answered.",
		Edit:        Edit{File: receiveGo, If: "s.state == Start", Or: "s.state == Half"},
	},
	{
		Name: "silent-on-long-frame", Requirement: "XTMP-ORD-011",
		Description: "An over-long frame closes the connection without an Error.",
		Edit:        Edit{File: receiveGo, If: "s.state >= Established", Unless: "true"},
	},
	{
		Name: "answers-long-error", Requirement: "XTMP-ORD-030",
		Description: "An over-long Error is answered with an Error.",
		Edit:        Edit{File: receiveGo, If: "h.Type == wire.TypeError", Unless: "true"},
	},
	{
		Name: "accepts-hello-with-session-id", Requirement: "XTMP-ORD-015",
		Description: "session_id of a ClientHello may be anything.",
		Edit:        Edit{File: handshakeGo, At: "&& h.SessionID == 0", New: "&& (h.SessionID == 0 || $on)"},
	},
	{
		Name: "accepts-any-session-id", Requirement: "XTMP-ORD-016",
		Description: "session_id of a sealed frame may be anything.",
		Edit: Edit{
			File:   receiveGo,
			If:     "h.SessionID != s.id || h.Encryption != s.suite || opener == nil",
			Unless: "h.Encryption == s.suite && opener != nil",
		},
	},
	{
		Name: "accepts-any-key-id", Requirement: "XTMP-ORD-017",
		Description: "A key_id that names no key stands for the current one.",
		Edit: Edit{
			File: pathGo,
			At: `
default:
		return nil`,
			New: `
default:
		if $on {
return &p.keys.recv
}
		return nil`,
		},
	},
	{
		Name: "accepts-any-encryption-type", Requirement: "XTMP-ORD-018",
		Description: "encryption_type may be another suite than the one chosen.",
		Edit: Edit{
			File:   receiveGo,
			If:     "h.SessionID != s.id || h.Encryption != s.suite || opener == nil",
			Unless: "s.suite != wire.SuiteNone && h.SessionID == s.id && opener != nil",
		},
	},
	{
		Name: "accepts-bad-checksum", Requirement: "XTMP-ORD-019",
		Description: "The checksum of a sealed frame is not compared.",
		Edit:        Edit{File: receiveGo, If: "!wire.VerifyChecksum(f, h.Checksum)", Unless: "true"},
	},
	{
		Name: "accepts-repeated-sequence", Requirement: "XTMP-ORD-021",
		Description: "A frame whose sequence number was seen before is processed again.",
		Edit:        Edit{File: receiveGo, If: "h.Sequence != p.received", Unless: "h.Sequence < p.received"},
	},
	{
		Name: "accepts-skipped-sequence", Requirement: "XTMP-ORD-022",
		Description: "A gap in the sequence numbers goes unnoticed.",
		Edit:        Edit{File: receiveGo, If: "h.Sequence != p.received", Unless: "h.Sequence > p.received"},
	},
	{
		Name: "accepts-numbered-hello", Requirement: "XTMP-ORD-023",
		Description: "ClientHello may have any sequence number.",
		Edit: Edit{
			File: handshakeGo,
			At:   "if h.Sequence != 0 { // step 9 [XTMP-ORD-023]",
			New:  "if h.Sequence != 0 && !$on { // step 9",
		},
	},
	{
		Name: "answers-what-does-not-open", Requirement: "XTMP-ORD-025",
		Description: "A frame that does not open is answered with PROTOCOL_VIOLATION.",
		Edit: Edit{
			File: receiveGo,
			At:   "s.refuse(now, p, 11, h, err)",
			Before: `
s.violation(now, p, "tag")
return`,
		},
	},
	{
		Name: "judges-mid-before-role", Requirement: "XTMP-ORD-027",
		Description: "A repeated mid hides that the role is wrong.",
		Edit: Edit{
			File: dispatchGo,
			At:   "case !s.checkRole(now, p, h):",
			New:  "case !($on && h.Flags.Has(wire.FlagRequiresAck) && s.in.status(pro.Mid) == midKnown) && !s.checkRole(now, p, h):",
		},
	},
	{
		Name: "accepts-clear-frame-in-session", Requirement: "XTMP-ORD-028",
		Description: "A clear frame in a session is ignored instead of closing the connection.",
		Edit: Edit{
			File: receiveGo,
			At:   "if h.Clear() {",
			After: `
if s.state == Established {
return
}`,
		},
	},
	{
		Name: "accepts-nonce-padding", Requirement: "XTMP-NON-006",
		Description: "The twelve bytes behind the nonce are not compared.",
		Edit: Edit{
			File:   slotGo,
			If:     "[wire.NonceField]byte(wire.Nonce(frame)) != c.nonce",
			Unless: "[wire.NonceSize]byte(wire.Nonce(frame)) == [wire.NonceSize]byte(c.nonce[:])",
		},
	},
	{
		Name: "accepts-old-epoch", Requirement: "XTMP-ORD-031",
		Description: "Frames under the old keys are taken for a while after the switch.",
		Edit: Edit{
			File: receiveGo,
			At:   "opener := p.opener(h.KeyID)",
			After: `
if opener == nil && s.rekey != nil && s.rekey.confirmed {
if old := s.epochKeys(p, s.epoch-1, &s.root); old.recv.KeyID() == h.KeyID {
opener = &old.recv
}
}`,
		},
	},
}

// timeMutants break section 4.7, time.
var timeMutants = []Mutant{
	{
		Name: "stamps-ahead", Requirement: "XTMP-TIM-001",
		Description: "Sealed frames are stamped five seconds ahead.",
		Edit: Edit{
			File: sessionGo,
			At:   "func (s *Session) stamp(now Now) uint64 { return",
			New: `
func (s *Session) stamp(now Now) uint64 {
if $on {
return s.wallZero + micros(now.Elapsed) + 5_000_000
}
return`,
		},
	},
	{
		Name: "clear-frame-without-stamp", Requirement: "XTMP-TIM-004",
		Description: "Clear frames have the stamp 0.",
		Edit: Edit{
			File: headerGo,
			At: `
Timestamp: wallMicros,
	}`,
			After: "h.Timestamp = 0",
		},
	},
	{
		Name: "window-of-200-s", Requirement: "XTMP-TIM-005",
		Description: "A frame stamped more than 200 s behind is refused.",
		Edit: Edit{
			File: pathGo,
			At:   "d := int64(stamp) - int64(p.anchorStamp) - int64(micros(now.Elapsed-p.anchorAt))",
			After: `
if d < -200_000_000 {
return false
}`,
		},
	},
	{
		Name: "accepts-future-timestamp", Requirement: "XTMP-TIM-006",
		Description: "A frame stamped more than 30 s ahead is accepted.",
		Edit:        Edit{File: pathGo, At: "&& d <= stampLate", New: "&& (d <= stampLate || $on)"},
	},
	{
		Name: "accepts-old-timestamp", Requirement: "XTMP-TIM-007",
		Description: "A frame stamped more than 300 s behind is accepted.",
		Edit:        Edit{File: pathGo, At: "return d >= -early", New: "return ($on || d >= -early)"},
	},
	{
		Name: "judges-stamp-of-hello", Requirement: "XTMP-TIM-008",
		Description: "The stamp of ClientHello is held to the window.",
		Edit: Edit{
			File: handshakeGo,
			At:   "payload := f[wire.Overhead:]",
			Before: `
if d := int64(h.Timestamp) - int64(now.Wall); d > stampLate || d < -stampEarly {
s.refuse(now, p, 8, h, errStamp)
return
}`,
		},
	},
	{
		Name: "judges-skew-at-accept", Requirement: "XTMP-TIM-010",
		Description: "client_time is compared with the time at which the connection was accepted.",
		Edit: Edit{
			File:  serverGo,
			At:    "k.hear(arrived, hello.ClientTime)",
			After: "k.skew += int64(micros(arrived.Elapsed - s.paths[0].openedAt))",
		},
	},
	{
		Name: "skew-of-200-s", Requirement: "XTMP-TIM-011",
		Description: "A clock that is more than 200 s off is refused.",
		Edit:        Edit{File: serverGo, If: "k.skewed()", Or: "k.skew > 200_000_000 || k.skew < -200_000_000"},
	},
	{
		Name: "ignores-skew", Requirement: "XTMP-TIM-012",
		Description: "A clock that is more than 300 s off is accepted.",
		Edit:        Edit{File: serverGo, If: "k.skewed()", Unless: "true"},
	},
	{
		Name: "keeps-anchor", Requirement: "XTMP-TIM-015",
		Description: "A rekey leaves the anchor where it was.",
		Edit:        Edit{File: rekeyGo, At: "q.anchor(now, h.Timestamp) // [XTMP-TIM-015]", Instead: "_ = h"},
	},
}
