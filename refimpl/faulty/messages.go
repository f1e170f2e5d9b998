package faulty

// messageMutants break sections 8.1 to 8.3, requests, replies and mids.
var messageMutants = []Mutant{
	{
		Name: "answers-nothing", Requirement: "XTMP-MSG-001",
		Description: "A request is taken and never answered.",
		Edit:        Edit{File: incomingGo, At: "s.count(&c, len(body))", After: "return"},
	},
	{
		Name: "answers-with-another-type", Requirement: "XTMP-MSG-002",
		Description: "The reply to a request of type 0x70 has type 0x71.",
		Edit: Edit{
			File: messageGo,
			At:   "m.typ, m.flags, m.replyTo, m.call = c.Type, wire.FlagRequiresAck|wire.FlagReply, c.Mid, c",
			After: `
if m.typ == wire.TypeProbe {
m.typ++
}`,
		},
	},
	{
		Name: "error-answers-another-mid", Requirement: "XTMP-MSG-003",
		Description: "reply_to of an Error is the mid after that of the request.",
		Edit: Edit{
			File:  messageGo,
			At:    "m.typ, m.flags, m.replyTo, m.call = wire.TypeError, wire.FlagRequiresAck|wire.FlagReply, c.Mid, c",
			After: "m.replyTo++",
		},
	},
	{
		Name: "skips-mids", Requirement: "XTMP-MSG-011",
		Description: "Every other mid is left out.",
		Edit:        Edit{File: sendGo, At: "m.mid = s.out.next(&s.ring)", After: "m.mid = s.out.next(&s.ring)"},
	},
	{
		Name: "seals-twice", Requirement: "XTMP-MSG-012",
		Description: "A reliable message in one frame is sealed twice.",
		Edit: Edit{
			File: sendGo,
			At:   "if m.index == m.count {",
			After: `
if m.count == 1 && m.mid != 0 {
dst, sequence = s.sealFragment(now, p, dst, m, 0, stamp)
}`,
		},
	},
	{
		Name: "ignores-mid-window", Requirement: "XTMP-MSG-013",
		Description: "Replies go out however many are unacknowledged.",
		Edit: Edit{
			File: reliableGo,
			At:   "bool { return w.last-w.done < midWindow }",
			New:  "bool { return $on || w.last-w.done < midWindow }",
		},
	},
	{
		Name: "loses-what-waits", Requirement: "XTMP-MSG-015",
		Description: "Replies that the window does not allow yet are lost.",
		Edit: Edit{
			File: sendGo,
			At:   "if q == nil {",
			After: `
if m := p.lane.ordinary.head; m != nil && m.mid == 0 && !s.out.room() {
s.queued -= m.size
p.lane.ordinary.pop()
s.sent(now, p, m, 0)
continue
}`,
		},
	},
	{
		Name: "takes-mids-in-order-only", Requirement: "XTMP-MSG-017",
		Description: "A mid that is not the next is a violation.",
		Edit:        Edit{File: reliableGo, If: "mid-m.done > midWindow", Or: "mid != m.done+1"},
	},
	{
		Name: "window-of-4095", Requirement: "XTMP-MSG-017",
		Description: "A mid of base + 4095 is a violation.",
		Edit:        Edit{File: reliableGo, If: "mid-m.done > midWindow", Or: "mid-m.done == midWindow"},
	},
	{
		Name: "acks-far-mids", Requirement: "XTMP-MSG-018",
		Description: "A mid beyond the window is acknowledged.",
		Edit: Edit{
			File: reliableGo,
			At:   "return midBeyond",
			New: `
if $on {
return midKnown
}
return midBeyond`,
		},
	},
	{
		Name: "silent-on-repeated-mid", Requirement: "XTMP-MSG-019",
		Description: "A repeated mid is not acknowledged.",
		Edit:        Edit{File: dispatchGo, At: "case midKnown:", After: "return"},
	},
	{
		Name: "answers-twice", Requirement: "XTMP-MSG-020",
		Description: "A request whose mid was seen before is answered again.",
		Edit: Edit{
			File: dispatchGo,
			At: `
s.repeated(now, p, pro.Mid)
			return`,
			New: `
s.repeated(now, p, pro.Mid)
if !$on {
return
}`,
		},
	},
	{
		Name: "judges-late-fragments", Requirement: "XTMP-MSG-052",
		Description: "A fragment whose mid is complete is a violation.",
		Edit: Edit{
			File: dispatchGo,
			At:   "case midKnown:",
			After: `
if h.Flags.Has(wire.FlagFragment) {
s.violation(now, p, "late fragment")
return
}`,
		},
	},
	{
		Name: "ignores-urgent-requests", Requirement: "XTMP-MSG-050",
		Description: "A request with PRIORITY is not executed.",
		Edit: Edit{
			File: incomingGo,
			At:   "known := s.cfg.Application != nil && s.cfg.Application.Implements(h.Type)",
			After: `
if pro.Mid != 0 && h.Flags.Has(wire.FlagPriority) {
p.ackEventually(now)
return
}`,
		},
	},
	{
		Name: "ignores-priority", Requirement: "XTMP-MSG-058",
		Description: "PRIORITY changes nothing in the order of sending.",
		Edit: Edit{
			File:   sendGo,
			If:     "m.flags&wire.FlagPriority != 0",
			Unless: "true",
		},
	},
	{
		Name: "answers-after-the-last-fragment", Requirement: "XTMP-MSG-059",
		Description: "A PONG waits until a fragmented message is out.",
		Edit: Edit{
			File: outputGo,
			At:   "for slot := range p.answer {",
			Before: `
if m := p.lane.ordinary.head; m != nil && m.index > 0 {
return s.appendQueue(now, p, dst)
}`,
		},
	},
}

// unknownMutants break sections 8.7 and 8.8, unknown types and wrong roles.
var unknownMutants = []Mutant{
	{
		Name: "silent-on-unknown-request", Requirement: "XTMP-MSG-029",
		Description: "A request of an unknown type is not answered.",
		Edit: Edit{
			File:   dispatchGo,
			At:     "s.refuseMessage(now, p, h, pro, c, wire.UnsupportedType, h.Type.String())",
			Before: "return",
		},
	},
	{
		Name: "ends-on-unknown-request", Requirement: "XTMP-MSG-032",
		Description: "An unknown type ends the session.",
		Edit: Edit{
			File: dispatchGo,
			At:   "s.refuseMessage(now, p, h, pro, c, wire.UnsupportedType, h.Type.String())",
			Before: `
s.violation(now, p, "unknown type")
return`,
		},
	},
	{
		Name: "silent-on-unknown-message", Requirement: "XTMP-MSG-030",
		Description: "An unknown type without mid is ignored.",
		Edit:        Edit{File: dispatchGo, At: "s.unsolicited(now, p, h, wire.UnsupportedType)", Before: "return"},
	},
	{
		Name: "complains-without-pause", Requirement: "XTMP-MSG-030",
		Description: "Unsolicited Errors come more than once a second.",
		Edit:        Edit{File: dispatchGo, If: "*last != 0 && now.Elapsed-*last < unsolicitedEvery || len(p.raw) > 0", Unless: "true"},
	},
	{
		Name: "answers-unknown-push", Requirement: "XTMP-MSG-031",
		Description: "An unknown type with STREAMING is answered.",
		Edit:        Edit{File: dispatchGo, If: "h.Flags.Has(wire.FlagStreaming)", Unless: "true"},
	},
	{
		Name: "answers-last-unknown-fragment", Requirement: "XTMP-MSG-033",
		Description: "A fragmented request of an unknown type is answered at its last fragment.",
		Edit: Edit{
			File: incomingGo,
			At:   "case !known:",
			After: `
if pro.Mid != 0 && pro.Index+1 < pro.Count {
p.ackEventually(now)
return
}`,
		},
	},
	{
		Name: "judges-fragments-before-type", Requirement: "XTMP-MSG-034",
		Description: "The fragment fields of a request are judged before its type.",
		Edit: Edit{
			File: incomingGo,
			At:   "case !known:",
			After: `
if pro.Mid != 0 && h.Flags.Has(wire.FlagFragment) && pro.Count < 2 {
s.refuseMessage(now, p, h, pro, s.call(p, h, pro, 0), wire.Malformed, "")
return
}`,
		},
	},
	{
		Name: "judges-compression-before-type", Requirement: "XTMP-MSG-034",
		Description: "COMPRESSED is judged before the type of a request.",
		Edit: Edit{
			File: incomingGo,
			At:   "case !known:",
			After: `
if pro.Mid != 0 && h.Flags.Has(wire.FlagCompressed) {
s.refuseMessage(now, p, h, pro, s.call(p, h, pro, 0), wire.CompressionRefused, "")
return
}`,
		},
	},
	{
		Name: "unexpected-handshake-ack", Requirement: "XTMP-MSG-037",
		Description: "Type 0x02 under a path key is called UNEXPECTED_MESSAGE.",
		Edit: Edit{
			File: dispatchGo,
			At:   "reply := h.Flags.Has(wire.FlagReply)",
			After: `
if s.role == Server && h.Type == wire.TypeHandshakeAck {
s.unexpected(now, p, "0x02")
return false
}`,
		},
	},
	{
		Name: "accepts-reply-from-client", Requirement: "XTMP-MSG-038",
		Description: "A reply of a client is taken for a request.",
		Edit: Edit{
			File: dispatchGo,
			At:   "reply := h.Flags.Has(wire.FlagReply)",
			After: `
if s.role == Server && reply && h.Type > wire.TypeAck && h.Type < 0x80 {
return true
}`,
		},
	},
	{
		Name: "unexpected-bad-envelope", Requirement: "XTMP-MSG-039",
		Description: "A bad envelope under a path key is called UNEXPECTED_MESSAGE.",
		Edit: Edit{
			File: dispatchGo,
			At:   "case err != nil: // [XTMP-MSG-039] [XTMP-MSG-044] [XTMP-RKY-039]",
			After: `
if !h.Flags.Has(wire.FlagFragment) {
s.unexpected(now, p, "envelope")
return
}`,
		},
	},
	{
		Name: "answers-error-reply", Requirement: "XTMP-MSG-041",
		Description: "An Error with REPLY is answered with PROTOCOL_VIOLATION.",
		Edit: Edit{
			File: dispatchGo,
			At:   "reply := h.Flags.Has(wire.FlagReply)",
			After: `
if s.role == Server && reply && h.Type == wire.TypeError {
s.violation(now, p, "reply")
return false
}`,
		},
	},
	{
		Name: "silent-on-one-way-message", Requirement: "XTMP-MSG-054",
		Description: "A Probe without mid that is no sink is ignored.",
		Edit:        Edit{File: incomingGo, At: "s.unsolicited(now, p, h, wire.Malformed)", Before: "return"},
	},
	{
		Name: "executes-one-way-message", Requirement: "XTMP-MSG-055",
		Description: "A Probe without mid is executed, and its answer pushed.",
		Edit: Edit{
			File: probeGo,
			At:   "return err == nil && r.Op == wire.ProbeSink",
			Before: `
if err == nil && r.Op == wire.ProbeEcho {
s.Push(now, wire.TypeProbe, 1, 1, nil, m.Body)
return true
}`,
		},
	},
	{
		Name: "discards-push-of-client", Requirement: "XTMP-MSG-056",
		Description: "A Probe with STREAMING is discarded.",
		Edit: Edit{
			File:  incomingGo,
			At:    "case s.role == Server && h.Flags.Has(wire.FlagStreaming): // [XTMP-MSG-056]",
			After: "return",
		},
	},
}

// ackMutants break sections 8.4 and 8.5, Acks.
var ackMutants = []Mutant{
	{
		Name: "acks-nothing", Requirement: "XTMP-ACK-010",
		Description: "Frames that ask for an Ack never get one.",
		Edit:        Edit{File: outputGo, At: "return p.ackCount > 0 &&", New: "return !$on && p.ackCount > 0 &&"},
	},
	{
		Name: "acks-late", Requirement: "XTMP-ACK-010",
		Description: "An Ack comes after half a second.",
		Edit:        Edit{File: outputGo, At: "p.ackSince = now.Elapsed", After: "p.ackSince += 20 * ackDelay"},
	},
	{
		Name: "acks-by-timer-alone", Requirement: "XTMP-ACK-011",
		Description: "An Ack waits for T_ACK, however many frames are open.",
		Edit: Edit{
			File: outputGo,
			At:   "p.ackCount >= ackBatch ||",
			New:  "p.ackCount >= ackBatch && !$on ||",
		},
	},
	{
		Name: "acks-pings", Requirement: "XTMP-ACK-012",
		Description: "A PING is acknowledged.",
		Edit:        Edit{File: dispatchGo, At: "case wire.Ping:", After: "p.ackEventually(now)"},
	},
	{
		Name: "acks-what-is-answered", Requirement: "XTMP-ACK-012",
		Description: "A request that was answered is acknowledged as well.",
		Edit:        Edit{File: sendGo, At: "p.ackCount -= int(c.frames)", Instead: "_ = c.frames"},
	},
	{
		Name: "acks-less", Requirement: "XTMP-ACK-001",
		Description: "largest of an Ack is the frame before the last.",
		Edit: Edit{
			File:   outputGo,
			At:     "return s.seal(now, p, dst, wire.TypeAck, 0, nil, wire.AppendStreamAck(body[:0], p.received-1))",
			Before: "return s.seal(now, p, dst, wire.TypeAck, 0, nil, wire.AppendStreamAck(body[:0], max(p.received, 2)-2))",
		},
	},
	{
		Name: "ack-with-delay", Requirement: "XTMP-ACK-002",
		Description: "ack_delay_us of an Ack is 1.",
		Edit: Edit{
			File: outputGo,
			At:   "return s.seal(now, p, dst, wire.TypeAck, 0, nil, wire.AppendStreamAck(body[:0], p.received-1))",
			Before: `
ack := wire.AppendStreamAck(body[:0], p.received-1)
ack[11] = 1
return s.seal(now, p, dst, wire.TypeAck, 0, nil, ack)`,
		},
	},
	{
		Name: "accepts-ack-of-next", Requirement: "XTMP-ACK-004",
		Description: "An Ack may cover the frame that is sent next.",
		Edit:        Edit{File: dispatchGo, If: "largest >= p.keys.send.Next()", Unless: "largest == p.keys.send.Next()"},
	},
	{
		Name: "accepts-ack-ranges", Requirement: "XTMP-ACK-005",
		Description: "first_range and range_count may be anything.",
		Edit:        Edit{File: ackGo, If: "b[14] != 0 || b[12] != 0 || b[13] != 0", Unless: "true"},
	},
	{
		Name: "accepts-long-ack", Requirement: "XTMP-ACK-006",
		Description: "An Ack may be longer than 16 bytes.",
		Edit:        Edit{File: ackGo, If: "len(b) != AckSize || b[15] != 0", Unless: "len(b) > AckSize"},
	},
	{
		Name: "refuses-old-ack", Requirement: "XTMP-ACK-007",
		Description: "An Ack of what was acknowledged before is a violation.",
		Edit: Edit{
			File: dispatchGo,
			At:   "for d := p.flight.oldest(); d != nil && d.sequence <= largest; d = p.flight.oldest() {",
			Before: `
if p.flight.head > 0 && largest < p.flight.ring[p.flight.head-1].sequence {
s.violation(now, p, "old Ack")
return
}`,
		},
	},
	{
		Name: "judges-ack-delay", Requirement: "XTMP-ACK-008",
		Description: "An ack_delay_us other than 0 is a violation.",
		Edit: Edit{
			File: dispatchGo,
			At:   "largest, err := wire.ParseStreamAck(body)",
			After: `
if err == nil && body[8]|body[9]|body[10]|body[11] != 0 {
err = wire.ErrAck
}`,
		},
	},
	{
		Name: "acks-acks", Requirement: "XTMP-ACK-009",
		Description: "An Ack is acknowledged.",
		Edit: Edit{
			File:   dispatchGo,
			At:     "for d := p.flight.oldest(); d != nil && d.sequence <= largest; d = p.flight.oldest() {",
			Before: "p.ackEventually(now)",
		},
	},
}
