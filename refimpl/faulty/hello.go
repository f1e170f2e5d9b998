package faulty

// helloMutants break ClientHello and the answer to it, chapter 5.
var helloMutants = []Mutant{
	{
		Name: "accepts-unknown-tlv", Requirement: "XTMP-TYP-026",
		Description: "An unknown TLV type below 0x8000 is ignored.",
		Edit:        Edit{File: tlvGo, If: "t < tlvIgnorable && (known == 0 || t != known)", Unless: "true"},
	},
	{
		Name: "accepts-repeated-tlv", Requirement: "XTMP-TYP-027",
		Description: "The same TLV type may come twice.",
		Edit:        Edit{File: tlvGo, If: "int(t) <= last", Unless: "int(t) == last"},
	},
	{
		Name: "accepts-cut-tlv", Requirement: "XTMP-TYP-028",
		Description: "A TLV entry may reach beyond the block.",
		Edit: Edit{
			File: tlvGo,
			At:   "if len(b) < 4+n {",
			Before: `
if len(b) < 4+n {
return nil, nil
}`,
		},
	},
	{
		Name: "ignores-ext-len", Requirement: "XTMP-TYP-029",
		Description: "ext_len may be anything.",
		Edit:        Edit{File: tlvGo, If: "len(b) < 2 || int(binary.BigEndian.Uint16(b)) != len(b)-2", Unless: "len(b) >= 2"},
	},
	{
		Name: "refuses-grease", Requirement: "XTMP-TYP-025",
		Description: "A ClientHello with a TLV type from 0xF000 on is malformed.",
		Edit:        Edit{File: tlvGo, If: "t < tlvIgnorable && (known == 0 || t != known)", Or: "t >= 0xf000"},
	},
	{
		Name: "refuses-undefined-hello-flags", Requirement: "XTMP-TYP-017",
		Description: "A ClientHello with an undefined flag is malformed.",
		Edit: Edit{
			File: helloGo,
			At:   "m.Flags = binary.BigEndian.Uint16(b[6:])",
			After: `
if m.Flags&^(HelloWantKey|HelloDeflate) != 0 {
return ErrClientHelloSize
}`,
		},
	},
	{
		Name: "accepts-gap-in-suites", Requirement: "XTMP-HSK-008",
		Description: "0xFF may stand before a suite.",
		Edit:        Edit{File: helloGo, If: "unused && m.Suites[i] != SuiteUnused", Unless: "true"},
	},
	{
		Name: "refuses-unknown-suites", Requirement: "XTMP-HSK-009",
		Description: "A ClientHello that begins with an unknown suite is malformed.",
		Edit: Edit{
			File: helloGo,
			At:   "m.Flags = binary.BigEndian.Uint16(b[6:])",
			After: `
if m.Suites[0] > SuitePostQuantum && m.Suites[0] != SuiteUnused {
return ErrSuiteOrder
}`,
		},
	},
	{
		Name: "refuses-repeated-suites", Requirement: "XTMP-HSK-010",
		Description: "A suite that is named twice is as good as none.",
		Edit: Edit{
			File: serverGo,
			At:   "for _, offered := range hello.Suites {",
			Before: `
if hello.Suites[0] == hello.Suites[1] {
return 0, false
}`,
		},
	},
	{
		Name: "stops-at-unknown-suite", Requirement: "XTMP-SUI-003",
		Description: "What stands behind an unknown suite is not looked at.",
		Edit: Edit{
			File: serverGo,
			At:   "for _, offered := range hello.Suites {",
			After: `
if offered > wire.SuitePostQuantum {
break
}`,
		},
	},
	{
		Name: "answers-version-2", Requirement: "XTMP-HSK-011",
		Description: "ServerHello says version 2.",
		Edit:        Edit{File: serverGo, At: "m.KeyShare = share", After: "m.Version = 2"},
	},
	{
		Name: "two-session-ids", Requirement: "XTMP-HSK-013",
		Description: "session_id differs in header and body of ServerHello.",
		Edit:        Edit{File: serverGo, At: "s.id, s.suite = m.SessionID, suite", After: "m.SessionID ^= 1"},
	},
	{
		Name: "server-time-0", Requirement: "XTMP-HSK-014",
		Description: "server_time of ServerHello is 0.",
		Edit:        Edit{File: serverGo, At: "m.KeyShare = share", After: "m.ServerTime = 0"},
	},
	{
		Name: "encodes-hello-anew", Requirement: "XTMP-KEY-002",
		Description: "The transcript has the ClientHello without what the server does not understand.",
		Edit: Edit{
			File:    serverGo,
			At:      "k.transcript.Add(byte(wire.HSClientHello), body)",
			Instead: "k.transcript.Add(byte(wire.HSClientHello), hello.Append(nil))",
		},
	},
	{
		Name: "accepts-envelope-count", Requirement: "XTMP-ENV-007",
		Description: "frag_count may be anything.",
		Edit:        Edit{File: envelopeGo, If: "b[1] != 0 || b[2] != 1", Unless: "b[1] == 0"},
	},
	{
		Name: "accepts-envelope-index", Requirement: "XTMP-ENV-008",
		Description: "frag_index may be anything.",
		Edit:        Edit{File: envelopeGo, If: "b[1] != 0 || b[2] != 1", Unless: "b[2] == 1"},
	},
	{
		Name: "accepts-envelope-token", Requirement: "XTMP-ENV-009",
		Description: "token_len may be anything.",
		Edit:        Edit{File: envelopeGo, If: "b[3] != 0", Unless: "true"},
	},
	{
		Name: "accepts-envelope-total", Requirement: "XTMP-ENV-010",
		Description: "total_len may be less than what is there.",
		Edit: Edit{
			File:   envelopeGo,
			If:     "total > MaxHandshakeMessage || total != uint32(len(body))",
			Unless: "total < uint32(len(body))",
		},
	},
	{
		Name: "accepts-long-envelope", Requirement: "XTMP-ENV-011",
		Description: "An envelope may hold more than 8192 bytes.",
		Edit: Edit{
			File:   envelopeGo,
			If:     "total > MaxHandshakeMessage || total != uint32(len(body))",
			Unless: "total == uint32(len(body))",
		},
	},
	{
		Name: "sends-frag-count-0", Requirement: "XTMP-ENV-001",
		Description: "frag_count of an envelope is 0.",
		Edit: Edit{
			File:    envelopeGo,
			At:      "dst = append(dst, byte(e.HSType), 0, 1, 0)",
			Instead: "dst = append(dst, byte(e.HSType), 0, 0, 0)",
		},
	},
	{
		Name: "sends-token-len", Requirement: "XTMP-ENV-002",
		Description: "token_len of an envelope is 48.",
		Edit: Edit{
			File:    envelopeGo,
			At:      "dst = append(dst, byte(e.HSType), 0, 1, 0)",
			Instead: "dst = append(dst, byte(e.HSType), 0, 1, 48)",
		},
	},
	{
		Name: "overlong-done", Requirement: "XTMP-ENV-004",
		Description: "The body in the envelope of HandshakeDone has 8192 bytes more.",
		Edit: Edit{
			File: serverGo,
			At:   "env.AppendStream(nil, wire.HandshakeDoneSize), done.Append(nil), nil)",
			New: `
env.AppendStream(nil, wire.HandshakeDoneSize+map[bool]int{true: 8192}[$on]),
append(done.Append(nil), make([]byte, map[bool]int{true: 8192}[$on])...), nil)`,
		},
	},
	{
		Name: "other-handshake-id", Requirement: "XTMP-ENV-005",
		Description: "ServerHello and ServerFlight have a handshake_id of their own.",
		Edit:        Edit{File: serverGo, At: "env.HSType = wire.HSServerHello", After: "env.HandshakeID++"},
	},
	{
		Name: "sends-tlv-in-hello", Requirement: "XTMP-TYP-023",
		Description: "ServerHello has a TLV entry of type 3.",
		Edit:        Edit{File: helloGo, At: "return appendTLV(dst, 0)", Before: "return appendTLV(dst, 3)"},
	},
}
