package faulty

// recoveryMutants break sections 12.9 and 12.10, loss recovery and congestion.
var recoveryMutants = []Mutant{
	{
		Name: "never-loses-by-count", Requirement: "XTMP-REC-003",
		Description: "However many later frames are acknowledged, a frame is not lost before its time.",
		Edit:        Edit{File: lossGo, At: "case ok && f.seq <= below,", New: "case ok && f.seq <= below && !$on,"},
	},
	{
		Name: "loses-after-a-minute", Requirement: "XTMP-REC-004",
		Description: "A frame of which a later one is acknowledged is lost after a minute.",
		Edit:        Edit{File: rttGo, At: "return max(9*max(r.smoothed, r.latest)/8, granularity)", Before: "return time.Minute"},
	},
	{
		Name: "forgets-what-was-lost", Requirement: "XTMP-REC-005",
		Description: "What a lost frame carried is not sent again.",
		Edit:        Edit{File: datagramsSendGo, At: "p.udp.resend = append(p.udp.resend, lost...)", Instead: "_ = lost"},
	},
	{
		Name: "sends-unreliable-twice", Requirement: "XTMP-REC-006",
		Description: "A message without mid goes out twice.",
		Edit: Edit{
			File: datagramsSendGo,
			At:   "if m.index == m.count {",
			Before: `
if m.index == m.count && m.mid == 0 && m.sendings == 0 {
m.sendings, m.index, m.sealed = 1, 0, 0
s.queued += m.size
return dst
}`,
		},
	},
	{
		Name: "no-pto", Requirement: "XTMP-REC-007",
		Description: "PTO never expires.",
		Edit:        Edit{File: lossGo, If: "s.q.reliable == 0 || s.suspect || s.q.lossAt != never", Or: "true"},
	},
	{
		Name: "ten-probes", Requirement: "XTMP-REC-007",
		Description: "Up to ten frames go out when PTO expires.",
		Edit: Edit{
			File: lossGo,
			At:   "probes = min(2, s.q.reliable)",
			New:  "probes = min(2+map[bool]int{true: 8}[$on], s.q.reliable)",
		},
	},
	{
		Name: "pto-without-doubling", Requirement: "XTMP-REC-008",
		Description: "PTO stays what it is, however often it expires.",
		Edit: Edit{
			File:  lossGo,
			At:    "at := s.elicitedAt + max(s.rtt.pto(), min(s.rtt.pto()<<min(s.expired, backoff), ptoMax))",
			After: "at = s.elicitedAt + s.rtt.pto()",
		},
	},
	{
		Name: "plain-frames-stay-in-flight", Requirement: "XTMP-REC-009",
		Description: "A frame without mid that is not acknowledged stays in flight.",
		Edit:        Edit{File: lossGo, If: "at == never", Or: "true"},
	},
	{
		Name: "ignores-congestion-window", Requirement: "XTMP-REC-011",
		Description: "Frames go out however much is in flight.",
		Edit: Edit{
			File:   senderGo,
			If:     "s.cc.inFlight+size > s.cc.window || s.q != nil && s.q.n >= sentMax",
			Unless: "s.q == nil || s.q.n < sentMax",
		},
	},
	{
		Name: "begins-with-100-datagrams", Requirement: "XTMP-REC-012",
		Description: "The first congestion window is 100 datagrams.",
		Edit: Edit{
			File: congestionGo,
			At:   "window: windowInitial * datagram, threshold",
			New:  "window: windowInitial * datagram * (1 + map[bool]int{true: 9}[$on]), threshold",
		},
	},
	{
		Name: "grows-too-fast", Requirement: "XTMP-REC-013",
		Description: "The congestion window grows by eight times what is acknowledged.",
		Edit:        Edit{File: congestionGo, At: "func (c *congestion) grow(bytes int) {", After: "bytes *= 8"},
	},
	{
		Name: "ignores-losses", Requirement: "XTMP-REC-014",
		Description: "A loss leaves the congestion window as it is.",
		Edit:        Edit{File: congestionGo, If: "seq < c.recovery", Or: "true"},
	},
	{
		Name: "window-of-one-datagram", Requirement: "XTMP-REC-015",
		Description: "The congestion window falls to one datagram.",
		Edit: Edit{
			File:    congestionGo,
			At:      "c.window = max(c.window/2, windowMin*c.datagram)",
			Instead: "c.window = max(c.window/2, c.datagram)",
		},
	},
	{
		Name: "never-collapses", Requirement: "XTMP-REC-016",
		Description: "The loss of everything for long halves the congestion window and no more.",
		Edit:        Edit{File: lossGo, If: "s.rtt.known() && f.at-s.lostFrom > persistentPTOs*pto", Unless: "true"},
	},
	{
		Name: "holds-acks-back", Requirement: "XTMP-REC-020",
		Description: "Acks wait until the congestion window lets other frames go.",
		Edit: Edit{
			File: datagramsSendGo,
			At:   "return p.udp.recv.AckDue(s.latest)",
			New:  "return p.udp.recv.AckDue(s.latest) && (!$on || p.udp.send.CanSend(s.latest, p.udp.size))",
		},
	},
}

// messageOnUDPMutants break sections 12.11 and 12.12, messages, liveness and closing on UDP.
var messageOnUDPMutants = []Mutant{
	{
		Name: "fragments-beyond-a-datagram", Requirement: "XTMP-UDP-088",
		Description: "Fragments on UDP are cut as if they had no prologue.",
		Edit: Edit{
			File:   pathGo,
			At:     "return p.datagram() - wire.Overhead - wire.PrologueSize(m.flags|wire.FlagFragment)",
			Before: "return p.datagram() - wire.Overhead",
		},
	},
	{
		Name: "forgets-lost-fragments", Requirement: "XTMP-UDP-090",
		Description: "A fragment that was lost is not sent again.",
		Edit: Edit{
			File: datagramsSendGo,
			If:   "m == nil || m.path != p.id || m.queued && c.index >= m.index",
			Or:   "!c.whole",
		},
	},
	{
		Name: "takes-long-messages-on-udp", Requirement: "XTMP-UDP-092",
		Description: "A fragmented message on UDP may have 131072 bytes.",
		Edit: Edit{
			File: incomingGo,
			At:   "s.takeFragment(now, p, h, pro, body, s.messageLimit())",
			New:  "s.takeFragment(now, p, h, pro, body, s.messageLimit()+map[bool]int{true: 65536}[$on && p.kind == UDP])",
		},
	},
	{
		Name: "acks-far-mids-on-udp", Requirement: "XTMP-UDP-093",
		Description: "The frame of a mid beyond the window is dropped on UDP and acknowledged.",
		Edit:        Edit{File: dispatchGo, At: "p.udp.refused = true", Instead: "_ = p"},
	},
	{
		Name: "ends-on-far-mid-on-udp", Requirement: "XTMP-UDP-093",
		Description: "A mid beyond the window is a violation on UDP.",
		Edit:        Edit{File: dispatchGo, At: "if p.kind == UDP { // [XTMP-UDP-093]", New: "if p.kind == UDP && !$on {"},
	},
	{
		Name: "ends-on-fifth-message-on-udp", Requirement: "XTMP-UDP-094",
		Description: "A fifth incomplete message is a violation on UDP.",
		Edit:        Edit{File: incomingGo, At: "if p.kind == UDP { // [XTMP-UDP-094]", New: "if p.kind == UDP && !$on {"},
	},
	{
		Name: "acks-fifth-message-on-udp", Requirement: "XTMP-UDP-094",
		Description: "The fragment of a fifth incomplete message is dropped on UDP and acknowledged.",
		Edit:        Edit{File: incomingGo, At: "p.udp.refused = true", Instead: "_ = p"},
	},
	{
		Name: "holds-many-messages-on-udp", Requirement: "XTMP-UDP-094",
		Description: "Incomplete messages have no limit on UDP.",
		Edit:        Edit{File: fragmentGo, If: "s.fifth(p, q)", Unless: "p.kind == UDP"},
	},
	{
		Name: "forgets-number-of-refused", Requirement: "XTMP-UDP-095",
		Description: "A frame that is dropped for want of room is processed when the same datagram comes again.",
		Edit: Edit{
			File: datagramsGo,
			At:   "u.recv.Add(now.Elapsed, h.Sequence, eliciting(h), !u.refused)",
			Instead: `
if !u.refused {
u.recv.Add(now.Elapsed, h.Sequence, eliciting(h), true)
}`,
		},
	},
	{
		Name: "keeps-unreliable-fragments", Requirement: "XTMP-UDP-096",
		Description: "An incomplete message without mid waits on UDP for ever.",
		Edit: Edit{
			File: datagramsGo,
			At:   "now.Elapsed >= q.arrived+reassemblyOnUDP {",
			New:  "now.Elapsed >= q.arrived+reassemblyOnUDP && !$on {",
		},
	},
	{
		Name: "drops-what-was-acknowledged", Requirement: "XTMP-UDP-097",
		Description: "T_REASSEMBLY_UDP ends incomplete messages with mid as well.",
		Edit:        Edit{File: fragmentGo, At: "{ return q.mid == 0 && q.on", New: "{ return (q.mid == 0 || $on) && q.on"},
	},
	{
		Name: "drops-oldest-message-on-udp", Requirement: "XTMP-UDP-097",
		Description: "A fifth incomplete message on UDP takes the place of the first.",
		Edit: Edit{
			File: fragmentGo,
			At:   "case s.fifth(p, q):",
			After: `
if p.kind == UDP && q.on == 0 {
s.unreserve(s.partials[0])
s.forget(0)
return fragmentTaken
}`,
		},
	},
	{
		Name: "never-repeats-reply", Requirement: "XTMP-UDP-098",
		Description: "A request that comes again on UDP does not bring its reply again.",
		Edit: Edit{
			File: moveGo,
			At:   "return p.kind == UDP && now.Elapsed-m.sentAt >= p.pto()",
			New:  "return !$on && p.kind == UDP && now.Elapsed-m.sentAt >= p.pto()",
		},
	},
	{
		Name: "answers-what-is-settled", Requirement: "XTMP-UDP-099",
		Description: "A request that comes again and whose reply is acknowledged, or does not exist, gets an Error as its reply.",
		Edit: Edit{
			File: moveGo,
			At:   "if s.requests == 0 {",
			Before: `
if p.kind == UDP {
e := wire.Error{Code: wire.Internal, RefSequence: wire.NoSequence}
m := s.cfg.Buffers.message()
m.typ, m.flags, m.replyTo = wire.TypeError, wire.FlagRequiresAck|wire.FlagReply, mid
m.fill(s.cfg.Buffers, e.Append(nil), nil, nil)
s.enqueue(now, m, false)
return
}`,
		},
	},
	{
		Name: "drops-what-is-ahead", Requirement: "XTMP-UDP-100",
		Description: "A mid on UDP that is not the lowest that is missing is dropped.",
		Edit: Edit{
			File: dispatchGo,
			At:   "switch s.in.status(pro.Mid) {",
			Before: `
if p.kind == UDP && pro.Mid > s.in.done+1 {
p.udp.refused = true
return
}`,
		},
	},
	{
		Name: "short-pings-on-udp", Requirement: "XTMP-UDP-102",
		Description: "A PING on UDP has 9 bytes of payload.",
		Edit:        Edit{File: pingGo, At: "n = pingOnUDP", Instead: "n = pingSize"},
	},
	{
		Name: "disconnects-once", Requirement: "XTMP-DSC-021",
		Description: "Disconnect goes out once on UDP.",
		Edit: Edit{
			File: datagramsGo,
			At:   "for range disconnectCopies {",
			New:  "for range disconnectCopies - map[bool]int{true: 2}[$on] {",
		},
	},
	{
		Name: "disconnects-without-gap", Requirement: "XTMP-DSC-021",
		Description: "The three copies of Disconnect go out at once.",
		Edit:        Edit{File: datagramsGo, At: "p.udp.rawGap = disconnectGap", Instead: "_ = p"},
	},
	{
		Name: "speaks-after-disconnect", Requirement: "XTMP-DSC-022",
		Description: "A PONG follows the copies of Disconnect.",
		Edit: Edit{
			File:   datagramsGo,
			At:     "p.udp.rawGap = disconnectGap",
			Before: "p.raw = s.seal(now, p, p.raw, wire.TypeHeartbeat, 0, nil, []byte{byte(wire.Pong)})",
		},
	},
	{
		Name: "answers-disconnect-on-udp", Requirement: "XTMP-DSC-023",
		Description: "A Disconnect on UDP is answered by Disconnect.",
		Edit: Edit{
			File: dispatchGo,
			At: `
p.shut()
	if m.Reason == wire.NoError {`,
			Before: `
if p.kind == UDP {
s.disconnect(now, wire.NoError)
return
}`,
		},
	},
	{
		Name: "says-error-twice", Requirement: "XTMP-ERR-032",
		Description: "A final Error goes out twice on UDP.",
		Edit: Edit{
			File: dispatchGo,
			At:   "p.drain(now, refused)",
			Before: `
if p.kind == UDP {
p.raw = s.seal(now, p, p.raw, wire.TypeError, 0, nil, body.Append(nil))
}`,
		},
	},
}
