package faulty

// addressMutants break section 12.13, address change.
var addressMutants = []Mutant{
	{
		Name: "ignores-new-address", Requirement: "XTMP-UDP-106",
		Description: "A client that speaks from another address is heard and answered at the old one.",
		Edit:        Edit{File: addressGo, If: "!newest", Or: "true"},
	},
	{
		Name: "challenges-new-address-alone", Requirement: "XTMP-UDP-107",
		Description: "No PATH_CHALLENGE goes to the old address.",
		Edit: Edit{
			File:  addressGo,
			At:    "u.challenge = &challenge{to: from, began: now.Elapsed, until: now.Elapsed + 3*p.pto(), received: n}",
			After: "u.challenge.askedOld = true",
		},
	},
	{
		Name: "challenges-old-address-alone", Requirement: "XTMP-UDP-107",
		Description: "No PATH_CHALLENGE goes to the new address.",
		Edit: Edit{
			File:  addressGo,
			At:    "u.challenge = &challenge{to: from, began: now.Elapsed, until: now.Elapsed + 3*p.pto(), received: n}",
			After: "u.challenge.askedNew = true",
		},
	},
	{
		Name: "challenges-with-equal-bytes", Requirement: "XTMP-UDP-107",
		Description: "The PATH_CHALLENGE to the old address has the bytes of that to the new one.",
		Edit:        Edit{File: addressGo, At: "start := len(dst)", Before: "token = &c.token"},
	},
	{
		Name: "speaks-to-the-old-address", Requirement: "XTMP-UDP-108",
		Description: "While an address is validated all but the challenge goes to the old one.",
		Edit:        Edit{File: addressGo, At: "c.sent += n\n\t\treturn c.to", Before: "return p.udp.peer"},
	},
	{
		Name: "amplifies", Requirement: "XTMP-UDP-109",
		Description: "What goes to an address that is being validated has no limit.",
		Edit: Edit{
			File:  addressGo,
			At:    "u.challenge = &challenge{to: from, began: now.Elapsed, until: now.Elapsed + 3*p.pto(), received: n}",
			After: "u.challenge.received = 1 << 30",
		},
	},
	{
		Name: "never-validates", Requirement: "XTMP-UDP-110",
		Description: "A PATH_RESPONSE validates nothing.",
		Edit: Edit{
			File: addressGo,
			If:   "from != c.to || len(data) != challengeSize || [challengeSize]byte(data) != c.token",
			Or:   "true",
		},
	},
	{
		Name: "takes-response-from-anywhere", Requirement: "XTMP-UDP-110",
		Description: "A PATH_RESPONSE validates the new address wherever it comes from.",
		Edit: Edit{
			File:   addressGo,
			If:     "from != c.to || len(data) != challengeSize || [challengeSize]byte(data) != c.token",
			Unless: "len(data) == challengeSize && [challengeSize]byte(data) == c.token",
		},
	},
	{
		Name: "takes-any-response", Requirement: "XTMP-UDP-110",
		Description: "A PATH_RESPONSE validates the new address whatever bytes it has.",
		Edit: Edit{
			File:   addressGo,
			If:     "from != c.to || len(data) != challengeSize || [challengeSize]byte(data) != c.token",
			Unless: "from == c.to",
		},
	},
	{
		Name: "stays-at-unproven-address", Requirement: "XTMP-UDP-111",
		Description: "An address that has not answered in T_CHALLENGE is taken all the same.",
		Edit: Edit{
			File:   datagramsGo,
			At:     "u.challenge = nil\n\t\ts.suspect(now, p)",
			Before: "u.peer = c.to",
		},
	},
	{
		Name: "waits-long-for-response", Requirement: "XTMP-TMR-007",
		Description: "T_CHALLENGE is acted on a second late.",
		Edit: Edit{
			File:  addressGo,
			At:    "u.challenge = &challenge{to: from, began: now.Elapsed, until: now.Elapsed + 3*p.pto(), received: n}",
			After: "u.challenge.until += time.Second",
		},
	},
	{
		Name: "deaf-to-the-old-address", Requirement: "XTMP-UDP-112",
		Description: "A frame from the old address does not end the validation of another.",
		Edit: Edit{
			File: addressGo,
			At:   "u.challenge = nil\n\tdefault:",
			New:  "if !$on {\nu.challenge = nil\n}\n\tdefault:",
		},
	},
	{
		Name: "deaf-to-a-third-address", Requirement: "XTMP-UDP-113",
		Description: "A third address is ignored while another is validated.",
		Edit: Edit{
			File: addressGo,
			At:   "u.challenge = &challenge{to: from, began: now.Elapsed, until: now.Elapsed + 3*p.pto(), received: n}",
			Before: `
if c != nil {
return
}`,
		},
	},
	{
		Name: "follows-old-numbers", Requirement: "XTMP-UDP-114",
		Description: "A frame that is not the newest changes the address of its path.",
		Edit:        Edit{File: addressGo, If: "!newest", Unless: "true"},
	},
}

// resetMutants break sections 12.14 and 13.9, stateless reset and unknown sessions.
var resetMutants = []Mutant{
	{
		Name: "resets-short-datagrams", Requirement: "XTMP-RST-002",
		Description: "A datagram of fewer than 160 bytes is answered by a reset.",
		Edit: Edit{
			File:   contactGo,
			If:     "len(b) < resetTrigger || h.SessionID == 0 || !e.cfg.Server.Admission.MayReset(now.Elapsed, from.Addr())",
			Unless: "len(b) < resetTrigger && h.SessionID != 0",
		},
	},
	{
		Name: "resets-clear-frames", Requirement: "XTMP-RST-003",
		Description: "A clear frame that names an unknown session is answered by a reset.",
		Edit: Edit{
			File: contactGo,
			At:   "if h.Clear() {",
			After: `
if e.ids[h.SessionID] == nil {
e.resetUnknown(now, from, b, &h)
}`,
		},
	},
	{
		Name: "resets-half-open", Requirement: "XTMP-RST-004",
		Description: "A datagram for a session that is half-open is answered by a reset.",
		Edit:        Edit{File: contactGo, If: "st == nil", Or: "st.session.State() < session.Established && h.Type != wire.TypeHandshake"},
	},
	{
		Name: "resets-parked", Requirement: "XTMP-RST-004",
		Description: "A datagram for a session that is parked is answered by a reset.",
		Edit:        Edit{File: contactGo, If: "st == nil", Or: "st.session.Paths() == 0"},
	},
	{
		Name: "resets-without-limit", Requirement: "XTMP-RST-005",
		Description: "Resets to one source have no limit.",
		Edit: Edit{
			File:   contactGo,
			If:     "len(b) < resetTrigger || h.SessionID == 0 || !e.cfg.Server.Admission.MayReset(now.Elapsed, from.Addr())",
			Unless: "len(b) >= resetTrigger && h.SessionID != 0",
		},
	},
	{
		Name: "reset-without-token", Requirement: "XTMP-PTH-044",
		Description: "A reset has no token.",
		Edit:        Edit{File: contactGo, At: "HasToken: true, Token:", New: "HasToken: !$on, Token:"},
	},
	{
		Name: "unknown-without-token", Requirement: "XTMP-PTH-044",
		Description: "SESSION_UNKNOWN on a connection has no token.",
		Edit:        Edit{File: attachServerGo, At: "HasToken: true, Token:", New: "HasToken: !$on, Token:"},
	},
	{
		Name: "unknown-of-scope-1", Requirement: "XTMP-PTH-044",
		Description: "SESSION_UNKNOWN on a connection has scope 1.",
		Edit: Edit{
			File:   attachServerGo,
			At:     "p.raw = wire.AppendClear(nil, wire.TypeError, h.SessionID, now.Wall, e.Append(nil))",
			Before: "e.Scope = wire.ScopePath",
		},
	},
	{
		Name: "unknown-without-session-id", Requirement: "XTMP-PTH-044",
		Description: "SESSION_UNKNOWN on a connection has session_id 0.",
		Edit: Edit{
			File:   attachServerGo,
			At:     "p.raw = wire.AppendClear(nil, wire.TypeError, h.SessionID, now.Wall, e.Append(nil))",
			Before: "h.SessionID = 0",
		},
	},
}
