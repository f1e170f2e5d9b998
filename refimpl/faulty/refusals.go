package faulty

// refusalMutants break sections 5.7 and 5.8 and the counts of chapter 10.
var refusalMutants = []Mutant{
	{
		Name: "answers-sealed-first-frame", Requirement: "XTMP-HSK-064", Without: Failover,
		Description: "A first frame that is not clear is answered with MALFORMED.",
		Edit: Edit{
			File: handshakeGo,
			At:   "s.refuse(now, p, 6, h, errUnknownKey)",
			Before: `
if s.state == Start {
s.refuseHello(now, p, wire.Malformed, "", 0)
return
}`,
		},
	},
	{
		Name: "answers-first-error", Requirement: "XTMP-HSK-065",
		Description: "A first frame of type 0xFE is answered with MALFORMED.",
		Edit: Edit{
			File: handshakeGo,
			At:   "s.state == Start && h.Type != wire.TypeError",
			New:  "s.state == Start && (h.Type != wire.TypeError || $on)",
		},
	},
	{
		Name: "silent-on-handshake-ack", Requirement: "XTMP-HSK-066",
		Description: "A first frame of type 0x02 closes the connection silently.",
		Edit: Edit{
			File: handshakeGo,
			At:   "case server: // [XTMP-HSK-066]",
			After: `
s.refuse(now, p, 13, h, errHandshakeType)
return`,
		},
	},
	{
		Name: "silent-on-bad-envelope", Requirement: "XTMP-HSK-067",
		Description: "A first frame with a bad envelope closes the connection silently.",
		Edit: Edit{
			File: serverGo,
			At:   "body, err := wire.ParseStreamEnvelope(payload, &env)",
			After: `
if err != nil {
s.pathLost(now, p, ErrBadFrame)
return
}`,
		},
	},
	{
		Name: "accepts-any-first-hs-type", Requirement: "XTMP-HSK-068",
		Description: "A ClientHello may have any hs_type.",
		Edit:        Edit{File: serverGo, If: "err == nil && env.HSType != wire.HSClientHello", Unless: "true"},
	},
	{
		Name: "silent-on-version", Requirement: "XTMP-HSK-070",
		Description: "A first frame of another version closes the connection silently.",
		Edit:        Edit{File: receiveGo, If: "errors.Is(err, wire.ErrVersion) && s.state == Start", Unless: "true"},
	},
	{
		Name: "silent-on-malformed-hello", Requirement: "XTMP-HSK-071",
		Description: "A malformed ClientHello closes the connection silently.",
		Edit: Edit{
			File: serverGo,
			At:   "if refused != nil {",
			After: `
if refused.Code == wire.Malformed {
s.pathLost(now, p, ErrBadFrame)
return
}`,
		},
	},
	{
		Name: "accepts-inverted-versions", Requirement: "XTMP-HSK-072",
		Description: "min_version may be above max_version.",
		Edit: Edit{
			File:   serverGo,
			If:     "hello.MinVersion > wire.Version || hello.MaxVersion < wire.Version || hello.MinVersion > hello.MaxVersion",
			Unless: "hello.MinVersion > hello.MaxVersion",
		},
	},
	{
		Name: "ignores-version-range", Requirement: "XTMP-HSK-073",
		Description: "A ClientHello whose range lacks version 1 is answered with ServerHello.",
		Edit: Edit{
			File:   serverGo,
			If:     "hello.MinVersion > wire.Version || hello.MaxVersion < wire.Version || hello.MinVersion > hello.MaxVersion",
			Unless: "hello.MinVersion <= hello.MaxVersion",
		},
	},
	{
		Name: "malformed-for-no-suite", Requirement: "XTMP-HSK-074",
		Description: "A ClientHello without a common suite is called MALFORMED.",
		Edit: Edit{
			File:   serverGo,
			At:     `return refuse(wire.NoCommonSuite, "")`,
			Before: `return refuse(wire.Malformed, "")`,
		},
	},
	{
		Name: "malformed-for-bad-share", Requirement: "XTMP-HSK-075",
		Description: "A key share that fails its check is called MALFORMED.",
		Edit:        Edit{File: serverGo, At: `return refuse(wire.HandshakeFailed, "")`, Before: `return refuse(wire.Malformed, "")`},
	},
	{
		Name: "accepts-zero-share", Requirement: "XTMP-KEY-007",
		Description: "An all-zero X25519 result is used.",
		Edit: Edit{
			File: shareGo,
			At:   "shared, err := own.ECDH(public) // refuses a result of all zeros",
			After: `
if err != nil {
return make([]byte, 32), nil
}`,
		},
	},
	{
		Name: "accepts-any-mlkem-key", Requirement: "XTMP-KEY-008",
		Description: "An ML-KEM key that fails the modulus check is replaced by another.",
		Edit: Edit{
			File: shareGo,
			At:   "key, err := mlkem.NewEncapsulationKey768(peer.MLKEM) // the modulus check of FIPS 203 §7.2",
			After: `
if own, _ := mlkem.GenerateKey768(); err != nil {
key, err = own.EncapsulationKey(), nil
}`,
		},
	},
	{
		Name: "silent-on-long-hello", Requirement: "XTMP-HSK-076",
		Description: "An over-long first frame closes the connection silently.",
		Edit:        Edit{File: receiveGo, If: "s.state == Start", Unless: "true"},
	},
	{
		Name: "suite-before-version", Requirement: "XTMP-HSK-079",
		Description: "The suites of a ClientHello are judged before its versions.",
		Edit: Edit{
			File: serverGo,
			At: `
return refuse(wire.Malformed, err.Error())
	}`,
			After: `
if _, _, ok := s.choose(&hello); !ok {
return refuse(wire.NoCommonSuite, "suites")
}`,
		},
	},
	{
		Name: "arithmetic-before-suite", Requirement: "XTMP-HSK-079",
		Description: "The key share of a ClientHello is judged before its suites.",
		Edit: Edit{
			File: serverGo,
			At: `
return refuse(wire.Malformed, err.Error())
	}`,
			After: `
if _, _, err := security.AnswerShare(s.cfg.Entropy, s.cfg.Server.Encapsulate, &hello.KeyShare); err != nil {
return refuse(wire.HandshakeFailed, "")
}`,
		},
	},
	{
		Name: "stays-after-refusal", Requirement: "XTMP-HSK-081",
		Description: "The connection stays open after a clear Error.",
		Edit: Edit{
			File: serverGo,
			At: `
p.drain(now, refused)
	s.end(now, &Error{Code: code, Scope: wire.ScopePath, Text: text})`,
			New: `
if $on {
return
}
p.drain(now, refused)
s.end(now, &Error{Code: code, Scope: wire.ScopePath, Text: text})`,
		},
	},
	{
		Name: "always-admits", Requirement: "XTMP-LIM-007",
		Description: "A handshake beyond the limits is accepted.",
		Edit:        Edit{File: serverGo, If: "!s.cfg.Server.Admission.Admit(s.source)", Unless: "true"},
	},
	{
		Name: "malformed-for-busy", Requirement: "XTMP-HSK-077",
		Description: "A handshake beyond the limits is called MALFORMED.",
		Edit: Edit{
			File:   serverGo,
			At:     `return refuse(wire.ServerBusy, "too many sessions or handshakes")`,
			Before: `return refuse(wire.Malformed, "")`,
		},
	},
	{
		Name: "no-limit-of-half-open", Requirement: "XTMP-LIM-005",
		Description: "Half-open connections of one source have no limit.",
		Edit: Edit{
			File: limiterGo,
			At:   "!reached(int(h.halfOpen)-1, l.limits.HalfOpenPerSource)",
			New:  "($on || !reached(int(h.halfOpen)-1, l.limits.HalfOpenPerSource))",
		},
	},
	{
		Name: "no-limit-of-connections", Requirement: "XTMP-LIM-007",
		Description: "Sessions of one source have no limit.",
		Edit: Edit{
			File: limiterGo,
			At:   "!reached(int(h.sessions), l.limits.ConnectionsPerClient)",
			New:  "($on || !reached(int(h.sessions), l.limits.ConnectionsPerClient))",
		},
	},
	{
		Name: "exempts-loopback", Requirement: "XTMP-LIM-009",
		Description: "The loopback network has no limits.",
		Edit: Edit{
			File: limiterGo,
			At:   "return !reached(l.halfOpen-1, l.limits.HalfOpen)",
			Before: `
if a.IsLoopback() {
return true
}`,
		},
	},
	{
		Name: "never-releases", Requirement: "XTMP-LIM-010",
		Description: "A connection counts for ever.",
		Edit:        Edit{File: sessionGo, At: "s.cfg.Server.Admission.Leave(s.source, s.settled)", Instead: "_ = s.settled"},
	},
}
