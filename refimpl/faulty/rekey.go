package faulty

// rekeyMutants break sections 11.1 to 11.5, rekey.
var rekeyMutants = []Mutant{
	{
		Name: "ignores-rekey", Requirement: "XTMP-RKY-004",
		Description: "RekeyInit gets no RekeyResp.",
		Edit: Edit{
			File:   rekeyGo,
			At:     "s.Reply(now, c, env.AppendStream(nil, len(answerBody)), answerBody, nil)",
			Before: "return",
		},
	},
	{
		Name: "refuses-rekey-by-reply", Requirement: "XTMP-RKY-005",
		Description: "A RekeyInit whose key share fails gets an Error as its reply.",
		Edit: Edit{
			File: rekeyGo,
			At:   "if err != nil { // [XTMP-RKY-032]",
			After: `
s.ReplyError(now, c, &Error{Code: wire.RekeyFailed})
return`,
		},
	},
	{
		Name: "rekey-with-other-id", Requirement: "XTMP-RKY-006",
		Description: "RekeyResp has a handshake_id of its own.",
		Edit:        Edit{File: rekeyGo, At: "env.HSType = wire.HSRekeyResp", After: "env.HandshakeID++"},
	},
	{
		Name: "rekey-with-other-epoch", Requirement: "XTMP-RKY-007",
		Description: "RekeyResp names the epoch after the next.",
		Edit:        Edit{File: rekeyGo, At: "answerBody := answer.Append(nil)", Before: "answer.Epoch++"},
	},
	{
		Name: "refuses-fragmented-rekey", Requirement: "XTMP-RKY-009",
		Description: "A fragmented RekeyInit is a violation.",
		Edit: Edit{
			File: dispatchGo,
			At:   "if h.Flags.Has(wire.FlagFragment) {",
			After: `
s.violation(now, p, "fragments")
return`,
		},
	},
	{
		Name: "drops-old-keys-too-early", Requirement: "XTMP-RKY-021",
		Description: "The old keys go when RekeyInit has come.",
		Edit:        Edit{File: pathGo, If: "p.keys.recv.KeyID() == keyID", Unless: "p.pending != nil"},
	},
	{
		Name: "forgets-new-root", Requirement: "XTMP-RKY-004",
		Description: "The root is not advanced: the answer to a second rekey rests on the first root.",
		Edit:        Edit{File: rekeyGo, At: "s.root = r.root", Instead: "_ = r.root"},
	},
	{
		Name: "switches-too-early", Requirement: "XTMP-RKY-022",
		Description: "RekeyResp is sealed under the new epoch.",
		Edit: Edit{
			File: rekeyGo,
			At:   "q.pending = s.epochKeys(q, m.Epoch, &r.root)",
			After: `
next := *q.pending
next.send.Continue(&q.keys.send)
q.keys.send, q.keys.epoch = next.send, next.epoch`,
		},
	},
	{
		Name: "never-switches", Requirement: "XTMP-RKY-023",
		Description: "The server goes on under the old epoch.",
		Edit:        Edit{File: rekeyGo, If: "s.role == Server", Unless: "true"},
	},
	{
		Name: "accepts-second-rekey", Requirement: "XTMP-RKY-024",
		Description: "A RekeyInit while another is in flight starts over.",
		Edit: Edit{
			File:   rekeyGo,
			If:     "m.Epoch != s.epoch+1 || s.rekey != nil && !s.rekey.confirmed",
			Unless: "m.Epoch == s.epoch+1",
		},
	},
	{
		Name: "accepts-any-epoch", Requirement: "XTMP-RKY-025",
		Description: "RekeyInit may name any epoch.",
		Edit: Edit{
			File:   rekeyGo,
			If:     "m.Epoch != s.epoch+1 || s.rekey != nil && !s.rekey.confirmed",
			Unless: "s.rekey == nil || s.rekey.confirmed",
		},
	},
	{
		Name: "ignores-rekey-gap", Requirement: "XTMP-RKY-026",
		Description: "A RekeyInit may follow the one before at once.",
		Edit:        Edit{File: rekeyGo, If: "s.rotation.rekeyed && now.Elapsed-s.rotation.last < rekeyGapAtServer", Unless: "true"},
	},
	{
		Name: "clings-to-old-root", Requirement: "XTMP-RKY-027",
		Description: "A RekeyInit while the old root is held is a violation.",
		Edit: Edit{
			File: rekeyGo,
			At:   "if s.rekey != nil { // root_e is still held",
			New: `
if $on && s.rekey != nil {
s.violation(now, p, "the old root is held")
return
}
if s.rekey != nil { // root_e is still held`,
		},
	},
	{
		Name: "stands-still-during-rekey", Requirement: "XTMP-RKY-028",
		Description: "Requests are lost while a rekey is in flight.",
		Edit: Edit{
			File: incomingGo,
			At:   "known := s.cfg.Application != nil && s.cfg.Application.Implements(h.Type)",
			After: `
if s.role == Server && s.rekey != nil && !s.rekey.confirmed {
return
}`,
		},
	},
	{
		Name: "restarts-numbers", Requirement: "XTMP-RKY-029",
		Description: "Sequence numbers begin at 0 in each epoch.",
		Edit: Edit{
			File: slotGo,
			At:   "Continue(old *Sealer) { s.next",
			New: `
Continue(old *Sealer) {
if $on {
return
}
s.next`,
		},
	},
	{
		Name: "waits-for-rekey", Requirement: "XTMP-RKY-031", Slow: true,
		Description: "A rekey may stay unconfirmed for ever.",
		Edit:        Edit{File: rekeyGo, At: "return min(r.began+rekeyTimeout, s.keyLimitAt())", Before: "return never"},
	},
}

// rekeyRefusalMutants break sections 11.4 and 11.6, refusals of rekey.
var rekeyRefusalMutants = []Mutant{
	{
		Name: "violation-for-bad-rekey-share", Requirement: "XTMP-RKY-032",
		Description: "A RekeyInit whose key share fails is called PROTOCOL_VIOLATION.",
		Edit: Edit{
			File: rekeyGo,
			At:   "if err != nil { // [XTMP-RKY-032]",
			After: `
s.violation(now, p, "key share")
return`,
		},
	},
	{
		Name: "violation-for-other-hs-type", Requirement: "XTMP-RKY-037",
		Description: "Another hs_type under a path key is called PROTOCOL_VIOLATION.",
		Edit: Edit{
			File: dispatchGo,
			At:   "default: // [XTMP-MSG-045] [XTMP-RKY-037] [XTMP-RKY-040]",
			After: `
s.violation(now, p, "hs_type")
return`,
		},
	},
	{
		Name: "accepts-unreliable-rekey", Requirement: "XTMP-RKY-038",
		Description: "A RekeyInit without REQUIRES_ACK is answered.",
		Edit:        Edit{File: dispatchGo, If: "s.role == Server && env.HSType == wire.HSRekeyInit && !reliable", Unless: "true"},
	},
	{
		Name: "unexpected-bad-joined-envelope", Requirement: "XTMP-RKY-039",
		Description: "A bad envelope in fragments is called UNEXPECTED_MESSAGE.",
		Edit: Edit{
			File: dispatchGo,
			At:   "case err != nil: // [XTMP-MSG-039] [XTMP-MSG-044] [XTMP-RKY-039]",
			After: `
if h.Flags.Has(wire.FlagFragment) {
s.unexpected(now, p, "envelope")
return
}`,
		},
	},
	{
		Name: "discards-bad-rekey-fragments", Requirement: "XTMP-RKY-044",
		Description: "Inconsistent fragments of type 0x01 are discarded.",
		Edit:        Edit{File: dispatchGo, At: "default: // [XTMP-RKY-044]", After: "return"},
	},
}
