package faulty

// flowMutants break flow control and the order of refusals, sections 8.6 and 8.14.
var flowMutants = []Mutant{
	{
		Name: "no-limit-of-requests", Requirement: "XTMP-MSG-024",
		Description: "Requests beyond max_inflight are executed.",
		Edit:        Edit{File: incomingGo, If: "s.requests >= limit || s.requestBytes+size > inflightBytes", Unless: "true"},
	},
	{
		Name: "patient-with-requests", Requirement: "XTMP-MSG-025",
		Description: "Requests beyond twice max_inflight are refused, and the session goes on.",
		Edit: Edit{
			File:  incomingGo,
			At:    "s.requests++",
			After: "s.requests = min(s.requests, 2*int(s.cfg.Server.MaxInflight)-1)",
		},
	},
	{
		Name: "deaf-while-window-is-full", Requirement: "XTMP-MSG-026",
		Description: "Nothing is taken from the transport while 4096 replies are unacknowledged.",
		Edit: Edit{
			File: receiveGo,
			At:   "p.split.Feed(b)",
			Before: `
if s.state == Established && !s.out.room() {
return
}`,
		},
	},
	{
		Name: "deaf-while-writes-block", Requirement: "XTMP-MSG-028",
		Description: "Nothing is read while a write blocks.",
		Edit:        Edit{File: writeGo, At: "events := uint32(unix.EPOLLIN | unix.EPOLLOUT)", After: "events = unix.EPOLLOUT"},
	},
	{
		Name: "inflation-before-size", Requirement: "XTMP-MSG-069",
		Description: "original_len is judged before the size of the body.",
		Edit: Edit{
			File:   incomingGo,
			If:     "!fragment && len(body) > s.messageLimit()",
			Unless: "int64(pro.OriginalLen) > int64(s.messageLimit())",
		},
	},
	{
		Name: "total-before-consistency", Requirement: "XTMP-MSG-069",
		Description: "The least possible total is judged before fragments are compared.",
		Edit: Edit{
			File:   fragmentGo,
			If:     "pro.Count < 2 || pro.Index >= pro.Count || !q.matches(h, pro) || !q.fits(pro.Index, n)",
			Unless: "q.least(pro.Index, n) > limit",
		},
	},
	{
		Name: "accepts-long-message", Requirement: "XTMP-MSG-070",
		Description: "A request of 65537 bytes is executed.",
		Edit:        Edit{File: incomingGo, If: "!fragment && len(body) > s.messageLimit()", Unless: "true"},
	},
	{
		Name: "ends-after-refusal", Requirement: "XTMP-MSG-071",
		Description: "A request that is too large ends the session.",
		Edit: Edit{
			File: incomingGo,
			At:   "s.ReplyError(now, c, &Error{Code: code, Text: text})",
			After: `
if code == wire.PayloadTooLarge {
s.violation(now, p, "too large")
}`,
		},
	},
}
