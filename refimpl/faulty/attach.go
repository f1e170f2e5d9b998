package faulty

// attachMutants break sections 13.3 and 13.4, Attach.
var attachMutants = []Mutant{
	{
		Name: "hides-attach-over-tcp", Requirement: "XTMP-TYP-035",
		Description: "policy does not say that Attach over TCP is accepted.",
		Edit:        Edit{File: serverGo, If: "s.cfg.Server.AttachTCP", Unless: "true"},
	},
	{
		Name: "hides-attach-over-udp", Requirement: "XTMP-TYP-034",
		Description: "policy does not say that Attach over UDP is accepted.",
		Edit:        Edit{File: serverGo, If: "s.cfg.Server.AttachUDP", Unless: "true"},
	},
	{
		Name: "answers-attach-without-failover", Requirement: "XTMP-ATT-017", Without: Failover,
		Description: "A server without Attach answers it with SESSION_UNKNOWN.",
		Edit: Edit{
			File: handshakeGo,
			At:   "s.refuse(now, p, 6, h, errUnknownKey)",
			Before: `
if s.state == Start && h.Type == wire.TypeHandshake {
e := wire.Error{Code: wire.SessionUnknown, Scope: wire.ScopeSession, RefSequence: wire.NoSequence}
p.raw = wire.AppendClear(nil, wire.TypeError, h.SessionID, now.Wall, e.Append(nil))
p.drain(now, 0)
s.end(now, ErrHandshake)
return
}`,
		},
	},
	{
		Name: "refuses-attach-datagram-without-failover", Requirement: "XTMP-ATT-017", Without: Failover,
		Description: "A server without Attach answers it on UDP with a status.",
		Edit: Edit{
			File: datagramsGo,
			If:   "s.role == Server && s.attachable() && h.Type == wire.TypeHandshake",
			Or:   "s.role == Server && h.Type == wire.TypeHandshake",
		},
	},
	{
		Name: "silent-on-unknown-session", Requirement: "XTMP-ATT-018",
		Description: "Attach to a session that is unknown closes the connection silently.",
		Edit:        Edit{File: attachServerGo, If: "!unknown || h.SessionID == 0", Or: "true"},
	},
	{
		Name: "explains-refused-attach", Requirement: "XTMP-ATT-019",
		Description: "A first frame under no attach slot of its session is answered with SESSION_UNKNOWN.",
		Edit:        Edit{File: endpointAttachGo, At: "st.session.Decline(now, false)", Instead: "st.session.Decline(now, true)"},
	},
	{
		Name: "takes-any-type-for-attach", Requirement: "XTMP-ATT-020",
		Description: "A first frame that is sealed is taken for Attach, whatever its type.",
		Edit: Edit{
			File: receiveGo,
			If:   "s.state == Start && (s.cfg.Server.AttachTCP || s.cfg.Server.AttachUDP) && h.Type == wire.TypeHandshake",
			Or:   "s.state == Start",
		},
	},
	{
		Name: "takes-lower-counter", Requirement: "XTMP-ATT-021",
		Description: "An Attach on a connection may have a lower counter than one before.",
		Edit: Edit{
			File:   attachServerGo,
			If:     "t == nil || h.Sequence > 1<<32-1 || t.used && h.Sequence <= uint64(t.counter)",
			Unless: "t != nil && h.Sequence < uint64(t.counter)",
		},
	},
	{
		Name: "takes-lower-counter-on-udp", Requirement: "XTMP-ATT-021",
		Description: "An Attach on UDP may have a lower counter than one before.",
		Edit: Edit{
			File:   attachServerGo,
			If:     "t == nil || h.Sequence > 1<<32-1 || t.used && h.Sequence < uint64(t.counter)",
			Unless: "t != nil && h.Sequence <= 1<<32-1",
		},
	},
	{
		Name: "uses-counter-of-forged-attach", Requirement: "XTMP-ATT-022",
		Description: "The counter of an Attach on a connection that does not open is used up.",
		Edit: Edit{
			File:   attachServerGo,
			At:     "body := s.openAttach(frame, &h, t, wire.HSAttach, &env)",
			Before: "t.used, t.counter, t.ack = true, uint32(h.Sequence), nil",
		},
	},
	{
		Name: "uses-counter-of-forged-attach-on-udp", Requirement: "XTMP-ATT-022",
		Description: "The counter of an Attach on UDP that does not open is used up.",
		Edit: Edit{
			File: attachServerGo,
			At:   "body := s.openAttach(b, h, t, wire.HSAttach, &env)",
			After: `
if body == nil {
t.used, t.counter, t.ack = true, uint32(h.Sequence), nil
}`,
		},
	},
	{
		Name: "takes-flags-in-attach", Requirement: "XTMP-ATT-023",
		Description: "Attach may have any flags that fit its type, which mean nothing.",
		Edit: Edit{
			File:   attachGo,
			If:     "err != nil || h.Flags&^(wire.FlagEncrypted|wire.FlagPriority) != 0",
			Unless: "err == nil",
		},
	},
	{
		Name: "takes-any-hs-type-for-attach", Requirement: "XTMP-ATT-024",
		Description: "Attach may have any hs_type.",
		Edit:        Edit{File: attachGo, If: "err != nil || env.HSType != want", Unless: "err == nil"},
	},
	{
		Name: "closes-on-repeated-attach", Requirement: "XTMP-ATT-025",
		Description: "An Attach that comes again on its connection closes it.",
		Edit:        Edit{File: attachServerGo, If: "s.openAttach(f, h, t, wire.HSAttach, &env) == nil", Or: "true"},
	},
	{
		Name: "silent-on-repeated-attach", Requirement: "XTMP-ATT-025",
		Description: "An Attach that comes again on UDP is dropped.",
		Edit: Edit{
			File: attachServerGo,
			If:   "repeated && (t.ack == nil || from != t.from || now.Elapsed >= t.ackUntil)",
			Or:   "repeated",
		},
	},
	{
		Name: "answers-attach-anew", Requirement: "XTMP-ATT-025",
		Description: "An Attach that comes again on UDP gets an AttachAck of its own.",
		Edit: Edit{
			File: attachServerGo,
			At:   "repeated := t.used && h.Sequence == uint64(t.counter)",
			New:  "repeated := t.used && h.Sequence == uint64(t.counter) && !$on",
		},
	},
	{
		Name: "takes-attach-of-another-connection", Requirement: "XTMP-ATT-026",
		Description: "An Attach that comes again on another connection opens a path.",
		Edit: Edit{
			File:   attachServerGo,
			If:     "t == nil || h.Sequence > 1<<32-1 || t.used && h.Sequence <= uint64(t.counter)",
			Unless: "t != nil && t.used && h.Sequence == uint64(t.counter)",
		},
	},
	{
		Name: "answers-attach-from-elsewhere", Requirement: "XTMP-ATT-027",
		Description: "An Attach on UDP that comes again from another address is answered there.",
		Edit: Edit{
			File: attachServerGo,
			At:   "repeated := t.used && h.Sequence == uint64(t.counter)",
			After: `
if repeated && t.ack != nil && t.path != noPath && s.paths[t.path] != nil && s.paths[t.path].kind == UDP {
t.from, s.paths[t.path].udp.peer = from, from
}`,
		},
	},
	{
		Name: "ignores-second-attach", Requirement: "XTMP-ATT-028",
		Description: "Another Attach on a connection is ignored.",
		Edit: Edit{
			File:  attachServerGo,
			At:    "if t == nil || t.path != p.id || h.Sequence != uint64(t.counter) || t.ack == nil {",
			After: "return t != nil",
		},
	},
	{
		Name: "answers-late-attach", Requirement: "XTMP-ATT-029",
		Description: "An Attach that comes again after a path frame is answered again.",
		Edit: Edit{
			File:   attachServerGo,
			If:     "s.role != Server || !p.attached || p.handshaken || h.Type != wire.TypeHandshake || s.attach == nil",
			Unless: "s.role == Server && p.attached && h.Type == wire.TypeHandshake && s.attach != nil",
		},
	},
	{
		Name: "takes-other-counter-in-body", Requirement: "XTMP-ATT-030",
		Description: "The counter in the body of Attach need not be its sequence number.",
		Edit: Edit{
			File:   attachServerGo,
			If:     "m.Parse(body) != nil || m.Counter != counter || m.Kind != named",
			Unless: "m.Parse(body) == nil && m.Kind == named",
		},
	},
	{
		Name: "takes-attach-of-other-kind", Requirement: "XTMP-ATT-030",
		Description: "The kind of Attach need not be that of its transport.",
		Edit: Edit{
			File:   attachServerGo,
			If:     "m.Parse(body) != nil || m.Counter != counter || m.Kind != named",
			Unless: "m.Parse(body) == nil && m.Counter == counter",
		},
	},
	{
		Name: "takes-undefined-attach-flags", Requirement: "XTMP-ATT-030",
		Description: "An undefined flag bit of Attach is ignored.",
		Edit: Edit{
			File:   attachBodyGo,
			If:     "len(b) != AttachSize || b[2] != 0 || b[3] != 0 || b[1]&^attachStandby != 0",
			Unless: "len(b) == AttachSize && b[2] == 0 && b[3] == 0",
		},
	},
	{
		Name: "takes-filled-zero-of-attach", Requirement: "XTMP-ATT-030",
		Description: "The zero field of Attach may be anything.",
		Edit: Edit{
			File:   attachBodyGo,
			If:     "len(b) != AttachSize || b[2] != 0 || b[3] != 0 || b[1]&^attachStandby != 0",
			Unless: "len(b) == AttachSize && b[1]&^attachStandby == 0",
		},
	},
	{
		Name: "silent-on-refused-attach", Requirement: "XTMP-ATT-030",
		Description: "An Attach that is refused gets no AttachAck.",
		Edit: Edit{
			File: attachServerGo,
			At:   "status := s.judgeAttach(&m, body, t.counter, kind, source)",
			After: `
if status != wire.NoError {
return nil
}`,
		},
	},
	{
		Name: "attach-ack-with-other-id", Requirement: "XTMP-ATT-031",
		Description: "AttachAck has a handshake_id of its own.",
		Edit:        Edit{File: attachServerGo, At: "env.HSType = wire.HSAttachAck", After: "env.HandshakeID++"},
	},
	{
		Name: "numbers-attach-acks", Requirement: "XTMP-ATT-031",
		Description: "AttachAcks are numbered from 0, whatever the counter of Attach.",
		Edit:        Edit{File: attachGo, At: "t.send.SkipTo(uint64(counter))", Instead: "_ = counter"},
	},
	{
		Name: "attach-ack-without-time", Requirement: "XTMP-ATT-032",
		Description: "server_time of AttachAck is 0.",
		Edit: Edit{
			File:  attachServerGo,
			At:    "ack := wire.AttachAck{Status: uint8(status), PathID: uint8(id), ServerTime: s.stamp(now)}",
			After: "ack.ServerTime = 0",
		},
	},
	{
		Name: "path-for-refused-attach", Requirement: "XTMP-ATT-033",
		Description: "An Attach on UDP that is refused opens a path all the same.",
		Edit:        Edit{File: attachServerGo, If: "status != wire.NoError", Unless: "kind == UDP"},
	},
	{
		Name: "stays-after-refused-attach", Requirement: "XTMP-ATT-034",
		Description: "The connection stays open after an Attach that is refused.",
		Edit:        Edit{File: attachServerGo, If: "status != wire.NoError", Unless: "kind == TCP"},
	},
	{
		Name: "judges-time-of-attach", Requirement: "XTMP-ATT-035",
		Description: "An Attach whose client_time is more than 300 s off is refused.",
		Edit: Edit{
			File: attachServerGo,
			At:   "status := s.judgeAttach(&m, body, t.counter, kind, source)",
			After: `
if d := int64(m.ClientTime) - int64(s.stamp(now)); d > skewMax || d < -skewMax {
status = wire.ClockSkew
}`,
		},
	},
	{
		Name: "attach-authenticates", Requirement: "XTMP-ATT-036",
		Description: "On a connection that was attached the limit of those who have authenticated a wallet holds.",
		Edit: Edit{
			File:   receiveGo,
			If:     "h.PayloadLength > s.payloadLimit()",
			Unless: "p.attached && h.PayloadLength <= frameToClient",
		},
	},
	{
		Name: "pings-attached-path", Requirement: "XTMP-ATT-038",
		Description: "A PING follows AttachAck.",
		Edit: Edit{
			File:  attachServerGo,
			At:    "s.confirmEpoch(now, t.epoch)",
			After: "p.raw = s.seal(now, p, p.raw, wire.TypeHeartbeat, 0, nil, make([]byte, 64))",
		},
	},
	{
		Name: "keeps-address-of-attach", Requirement: "XTMP-ATT-039",
		Description: "The address of Attach stays that of the path, wherever its first frame comes from.",
		Edit:        Edit{File: addressGo, At: "u.peer = from", Instead: "_ = from"},
	},
	{
		Name: "keeps-silent-attached-connection", Requirement: "XTMP-ATT-040",
		Description: "A connection that was attached stays open without a frame.",
		Edit:        Edit{File: timersGo, If: "p.attached && !p.handshaken && s.role == Server", Unless: "p.kind == TCP"},
	},
	{
		Name: "keeps-silent-attached-datagrams", Requirement: "XTMP-ATT-041", Slow: true,
		Description: "A UDP path that was attached lives on without a frame.",
		Edit:        Edit{File: timersGo, If: "p.attached && !p.handshaken && s.role == Server", Unless: "p.kind == UDP"},
	},
	{
		Name: "closes-the-liveliest-path", Requirement: "XTMP-ATT-042",
		Description: "The fifth path closes the one on which a frame has come last.",
		Edit: Edit{
			File: attachServerGo,
			At:   "p.receivedAt < quietest.receivedAt",
			New:  "(p.receivedAt < quietest.receivedAt) != $on",
		},
	},
	{
		Name: "closes-the-current-path", Requirement: "XTMP-ATT-042",
		Description: "The fifth path closes the one that has been silent longest, current or not.",
		Edit:        Edit{File: attachServerGo, At: "&& p.id != s.current &&", New: "&& ($on || p.id != s.current) &&"},
	},
	{
		Name: "refuses-the-fifth-path", Requirement: "XTMP-ATT-042",
		Description: "A fifth path is refused with PERMISSION_DENIED.",
		Edit:        Edit{File: attachServerGo, At: "s.closeQuietest(now)", Instead: "status = wire.PermissionDenied"},
	},
	{
		Name: "five-paths", Requirement: "XTMP-LIM-015",
		Description: "A session has up to six paths.",
		Edit:        Edit{File: attachServerGo, If: "status == wire.NoError && s.openPaths() >= MaxPaths", Unless: "true"},
	},
	{
		Name: "sends-no-endpoints", Requirement: "XTMP-PTH-056",
		Description: "ServerIdentity has a TLV 0x0002 without entries.",
		Edit:        Edit{File: flightGo, At: "return appendTLV(dst, 0)", Before: "return appendTLV(dst, tlvEndpoints)"},
	},
	{
		Name: "attaches-to-own-loop-only", Requirement: "XTMP-PTH-053",
		Description: "An Attach that reaches another loop than that of its session is for an unknown one.",
		Edit: Edit{
			File: endpointAttachGo,
			At:   "uint64(shard) != e.shard && int(shard) < e.shards",
			New:  "!$on && uint64(shard) != e.shard && int(shard) < e.shards",
		},
	},
	{
		Name: "forgets-attach-counter", Requirement: "XTMP-LIM-018",
		Description: "A session without a path forgets which attach counters were used.",
		Edit:        Edit{File: moveGo, At: "s.pathlessSince = now.Elapsed", After: "s.attach = nil"},
	},
}
