package faulty

// pushMutants break section 8.13, pushes.
var pushMutants = []Mutant{
	{
		Name: "reliable-pushes", Requirement: "XTMP-MSG-061",
		Description: "A push has REQUIRES_ACK set.",
		Edit: Edit{
			File:  messageGo,
			At:    "m.typ, m.flags, m.subID, m.n = t, wire.FlagStreaming, subID, n",
			After: "m.flags |= wire.FlagRequiresAck",
		},
	},
	{
		Name: "reuses-sub-id", Requirement: "XTMP-MSG-062",
		Description: "All subscriptions have sub_id 1.",
		Edit:        Edit{File: probeGo, At: "st.subs++", Instead: "st.subs = 1"},
	},
	{
		Name: "pushes-from-0", Requirement: "XTMP-MSG-063",
		Description: "The first push has number 0.",
		Edit:        Edit{File: probeGo, At: "st.streams = append(st.streams, f)", After: "f.n = 0"},
	},
	{
		Name: "pushes-before-reply", Requirement: "XTMP-MSG-064",
		Description: "The first pushes precede the reply.",
		Edit: Edit{
			File:   probeGo,
			At:     "reply(now, s, c, wire.Probe{Op: r.Op, Arg: r.Arg, Data: sub[:]}, nil)",
			Before: "p.Writable(now, s)",
		},
	},
	{
		Name: "pushes-twice", Requirement: "XTMP-MSG-065",
		Description: "Every push comes twice.",
		Edit:        Edit{File: probeGo, At: "f.n++", Before: "s.Push(now, wire.TypeProbe, f.sub, f.n, fixed[:], f.data)"},
	},
}

// probeMutants break chapter 18, Probe.
var probeMutants = []Mutant{
	{
		Name: "probe-for-everybody", Requirement: "XTMP-PRB-001", Without: Probe,
		Description: "Probe is answered although the configuration leaves it off.",
		Edit:        Edit{File: routerGo, If: "probe", Or: "true"},
	},
	{
		Name: "accepts-nonzero-zero", Requirement: "XTMP-PRB-004",
		Description: "The zero field of a Probe may be anything.",
		Edit:        Edit{File: probeBodyGo, If: "len(b) < ProbeHeader || b[1]|b[2]|b[3] != 0", Unless: "len(b) >= ProbeHeader"},
	},
	{
		Name: "echoes-unknown-op", Requirement: "XTMP-PRB-005",
		Description: "An op that does not exist is an echo.",
		Edit: Edit{
			File:    probeGo,
			At:      `refuse(now, s, m.Call, wire.InvalidPayload, "no such op: "+strconv.Itoa(int(r.Op)))`,
			Instead: "reply(now, s, m.Call, wire.Probe{Op: r.Op, Data: r.Data}, nil)",
		},
	},
	{
		Name: "source-answers-as-echo", Requirement: "XTMP-PRB-006",
		Description: "The reply to source has op 0.",
		Edit: Edit{
			File:    probeGo,
			At:      "reply(now, s, m.Call, wire.Probe{Op: r.Op}, pattern(r.Arg))",
			Instead: "reply(now, s, m.Call, wire.Probe{}, pattern(r.Arg))",
		},
	},
	{
		Name: "source-repeats-arg", Requirement: "XTMP-PRB-007",
		Description: "The reply to source has the arg of the request.",
		Edit: Edit{
			File:    probeGo,
			At:      "reply(now, s, m.Call, wire.Probe{Op: r.Op}, pattern(r.Arg))",
			Instead: "reply(now, s, m.Call, wire.Probe{Op: r.Op, Arg: r.Arg}, pattern(r.Arg))",
		},
	},
	{
		Name: "judges-arg-of-echo", Requirement: "XTMP-PRB-008",
		Description: "An echo with an arg is refused.",
		Edit: Edit{
			File: probeGo,
			At:   "case wire.ProbeEcho:",
			After: `
if r.Arg != 0 {
refuse(now, s, m.Call, wire.InvalidPayload, "arg")
break
}`,
		},
	},
	{
		Name: "garbles-echo", Requirement: "XTMP-PRB-011",
		Description: "The last byte of an echo is wrong.",
		Edit: Edit{
			File: probeGo,
			At:   "case wire.ProbeEcho:",
			After: `
if n := len(r.Data); n > 0 {
r.Data[n-1] ^= 1
}`,
		},
	},
	{
		Name: "sink-counts-header", Requirement: "XTMP-PRB-012",
		Description: "sink counts the 8 bytes before the data.",
		Edit: Edit{
			File:    probeGo,
			At:      "reply(now, s, m.Call, wire.Probe{Op: r.Op, Arg: uint32(len(r.Data))}, nil)",
			Instead: "reply(now, s, m.Call, wire.Probe{Op: r.Op, Arg: uint32(len(r.Data)) + wire.ProbeHeader}, nil)",
		},
	},
	{
		Name: "refuses-one-way-sink", Requirement: "XTMP-PRB-013",
		Description: "A sink without mid is answered with MALFORMED.",
		Edit:        Edit{File: probeGo, At: "return err == nil && r.Op == wire.ProbeSink", Before: "return false"},
	},
	{
		Name: "source-of-another-period", Requirement: "XTMP-PRB-014",
		Description: "The last byte of a piece of source is wrong.",
		Edit: Edit{
			File: probeGo,
			At:   "return dst",
			Before: `
if n := len(dst); to > from {
dst[n-1] ^= 1
}`,
		},
	},
	{
		Name: "source-without-limit", Requirement: "XTMP-PRB-015",
		Description: "source makes more than a message holds.",
		Edit:        Edit{File: probeGo, If: "int64(r.Arg)+wire.ProbeHeader > MaxReply", Unless: "true"},
	},
	{
		Name: "fails-with-listed-codes", Requirement: "XTMP-PRB-016",
		Description: "fail with a code above 0xFF is INTERNAL.",
		Edit: Edit{
			File:   probeGo,
			At:     `refuse(now, s, m.Call, wire.Code(r.Arg), "as asked for")`,
			Before: "r.Arg = min(r.Arg, 0xff)",
		},
	},
	{
		Name: "fails-with-cut-codes", Requirement: "XTMP-PRB-017",
		Description: "fail takes the low 16 bits of arg.",
		Edit:        Edit{File: probeGo, If: "r.Arg > codeMax", Unless: "true"},
	},
	{
		Name: "delays-half", Requirement: "XTMP-PRB-018",
		Description: "delay answers after half the time.",
		Edit:        Edit{File: probeGo, At: "heap.Push(&p.delays, d)", Before: "d.at -= (d.at - now.Elapsed) / 2"},
	},
	{
		Name: "delays-too-long", Requirement: "XTMP-PRB-018",
		Description: "delay answers two seconds late.",
		Edit:        Edit{File: probeGo, At: "heap.Push(&p.delays, d)", Before: "d.at += 2 * time.Second"},
	},
	{
		Name: "delays-without-limit", Requirement: "XTMP-PRB-019",
		Description: "delay takes any time.",
		Edit:        Edit{File: probeGo, If: "r.Arg > delayMax", Unless: "true"},
	},
	{
		Name: "stream-without-arg", Requirement: "XTMP-PRB-020",
		Description: "The reply to stream has arg 0.",
		Edit: Edit{
			File:    probeGo,
			At:      "reply(now, s, c, wire.Probe{Op: r.Op, Arg: r.Arg, Data: sub[:]}, nil)",
			Instead: "reply(now, s, c, wire.Probe{Op: r.Op, Data: sub[:]}, nil)",
		},
	},
	{
		Name: "stream-too-short", Requirement: "XTMP-PRB-021",
		Description: "A stream has a push too few.",
		Edit:        Edit{File: probeGo, At: "st.streams = append(st.streams, f)", After: "f.left -= min(f.left, 1)"},
	},
	{
		Name: "stream-without-limit", Requirement: "XTMP-PRB-022",
		Description: "stream takes any number.",
		Edit:        Edit{File: probeGo, If: "r.Arg > streamMax", Unless: "true"},
	},
	{
		Name: "drops-pushes", Requirement: "XTMP-PRB-023",
		Description: "Pushes that the transport does not take are dropped.",
		Edit: Edit{
			File: probeGo,
			At:   "if !s.Push(now, wire.TypeProbe, f.sub, f.n, fixed[:], f.data) {",
			New:  "if !s.Push(now, wire.TypeProbe, f.sub, f.n, fixed[:], f.data) && !$on {",
		},
	},
}
