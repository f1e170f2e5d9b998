package faulty

// flightMutants break ServerFlight, chapter 5.
var flightMutants = []Mutant{
	{
		Name: "byte-behind-flight", Requirement: "XTMP-HSK-022",
		Description: "A byte follows ServerFinished.",
		Edit: Edit{
			File:   serverGo,
			At:     "return add(flight, wire.FlightFinished, finished[:])",
			Before: "return append(add(flight, wire.FlightFinished, finished[:]), 0)",
		},
	},
	{
		Name: "always-sends-key", Requirement: "XTMP-HSK-023",
		Description: "The identity key is sent although nobody asked for it.",
		Edit:        Edit{File: serverGo, If: "withKey", Or: "true"},
	},
	{
		Name: "hides-key", Requirement: "XTMP-HSK-024",
		Description: "Bit 0x01 of the ServerIdentity flags is clear although the key is there.",
		Edit:        Edit{File: flightGo, If: "len(m.Key) > 0", Unless: "true"},
	},
	{
		Name: "key-len-without-key", Requirement: "XTMP-HSK-025",
		Description: "key_len is 33 although the key is left out.",
		Edit: Edit{
			File: flightGo,
			At:   "dst = binary.BigEndian.AppendUint16(dst, uint16(len(m.Key)))",
			After: `
if len(m.Key) == 0 {
dst[len(dst)-1] = 33
}`,
		},
	},
	{
		Name: "other-kind", Requirement: "XTMP-HSK-026",
		Description: "The kind is that of the other sort of identity.",
		Edit:        Edit{File: serverGo, At: "if withKey {", Before: "m.Kind = 3 - m.Kind"},
	},
	{
		Name: "max-payload-1024", Requirement: "XTMP-HSK-028",
		Description: "max_payload is 1024.",
		Edit:        Edit{File: flightGo, At: "dst = append(dst, m.Key...)", After: "m.Params.MaxPayload = 1024"},
	},
	{
		Name: "idle-timeout-0", Requirement: "XTMP-HSK-029",
		Description: "idle_timeout_ms is 0.",
		Edit:        Edit{File: flightGo, At: "dst = append(dst, m.Key...)", After: "m.Params.IdleTimeoutMS = 0"},
	},
	{
		Name: "key-rotation-0", Requirement: "XTMP-HSK-030",
		Description: "key_rotation_s is 0.",
		Edit:        Edit{File: flightGo, At: "dst = append(dst, m.Key...)", After: "m.Params.KeyRotationS = 0"},
	},
	{
		Name: "max-datagram-1500", Requirement: "XTMP-HSK-031",
		Description: "max_datagram is 1500.",
		Edit:        Edit{File: flightGo, At: "dst = append(dst, m.Key...)", After: "m.Params.MaxDatagram = 1500"},
	},
	{
		Name: "reassembly-bytes-65536", Requirement: "XTMP-HSK-032",
		Description: "reassembly_bytes is 65536.",
		Edit:        Edit{File: flightGo, At: "dst = append(dst, m.Key...)", After: "m.Params.ReassemblyBytes = 65536"},
	},
	{
		Name: "undefined-policy-bit", Requirement: "XTMP-TYP-014",
		Description: "An undefined bit of policy is set.",
		Edit:        Edit{File: flightGo, At: "dst = append(dst, m.Key...)", After: "m.Params.Policy |= 0x8000"},
	},
	{
		Name: "hides-inflation", Requirement: "XTMP-TYP-032",
		Description: "policy does not say that the server inflates.",
		Edit:        Edit{File: flightGo, At: "dst = append(dst, m.Key...)", After: "m.Params.Policy &^= PolicyDeflate"},
	},
	{
		Name: "announces-attach", Requirement: "XTMP-TYP-033", Without: Failover,
		Description: "policy says that Attach is accepted.",
		Edit:        Edit{File: flightGo, At: "dst = append(dst, m.Key...)", After: "m.Params.Policy |= PolicyAttachTCP"},
	},
	{
		Name: "tlvs-out-of-order", Requirement: "XTMP-TYP-020",
		Description: "The TLV entries of ServerIdentity descend.",
		Edit: Edit{
			File:   flightGo,
			At:     "return appendTLV(dst, 0)",
			Before: "return append(dst, 0, 8, 0x90, 0, 0, 0, 0x80, 0, 0, 0)",
		},
	},
	{
		Name: "sends-tlv-in-identity", Requirement: "XTMP-TYP-024",
		Description: "ServerIdentity has a TLV entry of type 3.",
		Edit:        Edit{File: flightGo, At: "return appendTLV(dst, 0)", Before: "return appendTLV(dst, 3)"},
	},
	{
		Name: "hybrid-signs-once", Requirement: "XTMP-KEY-016",
		Description: "An identity of kind 2 signs with its Ed25519 key alone.",
		Edit:        Edit{File: identityGo, At: "return append(signature, quantum...)", Before: "return signature"},
	},
	{
		Name: "hybrid-spoils-classic", Requirement: "XTMP-KEY-016",
		Description: "The Ed25519 signature of an identity of kind 2 is wrong.",
		Edit:        Edit{File: identityGo, At: "return append(signature, quantum...)", Before: "signature[0] ^= 1"},
	},
	{
		Name: "hybrid-without-context", Requirement: "XTMP-KEY-017",
		Description: "The ML-DSA-65 signature has no context string.",
		Edit: Edit{
			File:  identityGo,
			At:    "quantum, err := id.quantum.SignDeterministic(in, &mldsa.Options{Context: serverAuthContext})",
			After: "quantum, err = id.quantum.SignDeterministic(in, &mldsa.Options{})",
		},
	},
}

// finishMutants break what follows ServerFlight, chapter 5.
var finishMutants = []Mutant{
	{
		Name: "accepts-wrong-finish", Requirement: "XTMP-HSK-049",
		Description: "The MAC of ClientFinish is not compared.",
		Edit:        Edit{File: serverGo, If: "!s.handshake.finishes(body)", Unless: "true"},
	},
	{
		Name: "answers-wrong-finish", Requirement: "XTMP-KEY-015",
		Description: "A ClientFinish with a wrong MAC is answered with HANDSHAKE_FAILED.",
		Edit: Edit{
			File: serverGo,
			At:   "if !s.handshake.finishes(body) {",
			After: `
s.fail(now, p, &Error{Code: wire.HandshakeFailed, Scope: wire.ScopeSession}, wire.NoSequence, 0)
return`,
		},
	},
	{
		Name: "accepts-finish-of-others", Requirement: "XTMP-ENV-012",
		Description: "ClientFinish may have any handshake_id.",
		Edit:        Edit{File: handshakeGo, If: "env.HandshakeID != k.id", Unless: "true"},
	},
	{
		Name: "loses-what-follows-finish", Requirement: "XTMP-HSK-048",
		Description: "Frames in the same write as ClientFinish are lost.",
		Edit:        Edit{File: serverGo, At: "s.event(Event{Kind: EventEstablished})", After: "p.split.Reset()"},
	},
	{
		Name: "pings-before-done", Requirement: "XTMP-HSK-053",
		Description: "A PING precedes HandshakeDone.",
		Edit: Edit{
			File:  serverGo,
			At:    "s.setState(now, Established)",
			After: "p.raw = s.seal(now, p, p.raw, wire.TypeHeartbeat, 0, nil, []byte{0})",
		},
	},
	{
		Name: "handshake-done-mid-2", Requirement: "XTMP-HSK-054",
		Description: "HandshakeDone has mid 2.",
		Edit:        Edit{File: serverGo, At: "m.path, m.queued = p.id, true", After: "s.out.next(&s.ring)"},
	},
	{
		Name: "address-token", Requirement: "XTMP-HSK-055", Without: UDP,
		Description: "HandshakeDone has an address_token, and there is no UDP.",
		Edit: Edit{
			File:  serverGo,
			At:    "done := wire.HandshakeDone{ServerTime: s.stamp(now)}",
			After: "done.AddressToken[0] = 1",
		},
	},
	{
		Name: "done-without-time", Requirement: "XTMP-HSK-056",
		Description: "server_time of HandshakeDone is 0.",
		Edit:        Edit{File: serverGo, At: "done := wire.HandshakeDone{ServerTime: s.stamp(now)}", After: "done.ServerTime = 0"},
	},
	{
		Name: "silent-on-skew", Requirement: "XTMP-HSK-057",
		Description: "A clock that is off closes the connection silently.",
		Edit: Edit{
			File: serverGo,
			At: `
p.drain(now, 0)
		s.end(now, &Error{Code: wire.ClockSkew`,
			Before: "p.raw = nil",
		},
	},
	{
		Name: "executes-before-skew", Requirement: "XTMP-HSK-058",
		Description: "What came with ClientFinish is answered before the clock is refused.",
		Edit: Edit{
			File: serverGo,
			At:   "if k.skewed() { // the first path frame, and the last [XTMP-HSK-057]",
			After: `
s.setState(now, Established)
var h wire.Header
for head, ok := p.split.Header(); ok && p.state < PathDrain; head, ok = p.split.Header() {
h.Decode(head)
f, whole := p.split.Frame(h.PayloadLength)
if !whole {
break
}
s.receiveFrame(now, p, f, &h)
}
p.raw = s.AppendOutput(now, s.current, nil)`,
		},
	},
	{
		Name: "never-times-out", Requirement: "XTMP-HSK-088",
		Description: "A connection without ClientFinish stays open for ever.",
		Edit: Edit{
			File: timersGo,
			At: `
|| s.state == Half:
		return p.openedAt + handshakeTimeout`,
			New: `
|| s.state == Half:
if $on {
return never
}
return p.openedAt + handshakeTimeout`,
		},
	},
	{
		Name: "second-flight", Requirement: "XTMP-HSK-089",
		Description: "A second ServerFlight follows HandshakeDone.",
		Edit: Edit{
			File: serverGo,
			At:   "s.event(Event{Kind: EventEstablished})",
			After: `
env.HSType = wire.HSServerFlight
odd := s.cfg.Buffers.message()
odd.typ = wire.TypeHandshakeAck
odd.fill(s.cfg.Buffers, env.AppendStream(nil, 1), []byte{0}, nil)
s.enqueue(now, odd, false)`,
		},
	},
	{
		Name: "forgets-offered-versions", Requirement: "XTMP-HSK-090",
		Description: "The transcript has the version that was chosen in place of those that were offered.",
		Edit: Edit{
			File: serverGo,
			At:   "k.transcript.Add(byte(wire.HSClientHello), body)",
			Instead: `
known := append([]byte{wire.Version, wire.Version}, body[2:]...)
k.transcript.Add(byte(wire.HSClientHello), known)`,
		},
	},
}
