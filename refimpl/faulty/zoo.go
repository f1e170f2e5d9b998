package faulty

// zooTransport write as nobody else does.
var zooTransport = []Variant{
	{
		Name: "one-byte-writes", Permits: "XTMP-HDR-007",
		Description: "What is short is written byte by byte.",
		Edits: []Edit{
			{
				File: writeGo,
				At:   "n, err := unix.Write(int(c.fd), out)",
				New: `
piece := out
		if $on {
piece = out[:min(len(out), 1+len(out)/2048*1024)]
}
n, err := unix.Write(int(c.fd), piece)`,
			},
		},
	},
	{
		Name: "one-write-per-frame", Permits: "XTMP-HDR-007",
		Description: "Every frame is written alone.",
		Edits: []Edit{
			{
				File: writeGo,
				At:   "out = l.out",
				After: `
for c.web == nil && len(out) > 96 {
n := 96 + int(out[24])<<24 + int(out[25])<<16 + int(out[26])<<8 + int(out[27])
if n >= len(out) {
break
}
k, err := unix.Write(int(c.fd), out[:n])
if err != nil {
break
}
out = out[k:]
if k < n {
break
}
}`,
			},
		},
	},
	{
		Name: "waits-for-whole-headers", Permits: "XTMP-HDR-010",
		Description: "The magic is judged when 96 bytes are there.",
		Edits: []Edit{
			{
				File:    receiveGo,
				At:      "s.checkMagic(now, p)",
				Instead: "_ = p",
			},
		},
	},
}

// zooHandshake make other choices in the handshake.
var zooHandshake = []Variant{
	{
		Name: "high-session-ids", Permits: "XTMP-HDR-012",
		Description: "session_id has its eight upper bits set.",
		Edits: []Edit{
			{
				File:  endpointGo,
				At:    "id := binary.BigEndian.Uint64(b[:])&(1<<53-1)>>e.bits<<e.bits | e.shard",
				After: "id |= 0xff << 45",
			},
		},
	},
	{
		Name: "low-session-ids", Permits: "XTMP-HDR-012",
		Description: "session_id has its eight upper bits clear.",
		Edits: []Edit{
			{
				File:  endpointGo,
				At:    "id := binary.BigEndian.Uint64(b[:])&(1<<53-1)>>e.bits<<e.bits | e.shard",
				After: "id &= 1<<45 - 1",
			},
		},
	},
	{
		Name: "routed-session-ids", Permits: "XTMP-HDR-013",
		Description: "The eight lower bits of session_id are the same for all sessions of a loop.",
		Edits: []Edit{
			{
				File:  endpointGo,
				At:    "id := binary.BigEndian.Uint64(b[:])&(1<<53-1)>>e.bits<<e.bits | e.shard",
				After: "id = id&^0xff | 0x5a>>e.bits<<e.bits | e.shard",
			},
		},
	},
	{
		Name: "ignorable-tlvs", Permits: "XTMP-TYP-025",
		Description: "ServerHello and ServerIdentity have a TLV entry that nobody knows.",
		Edits: []Edit{
			{
				File:   helloGo,
				At:     "return appendTLV(dst, 0)",
				Before: "return appendTLV(dst, 0x9a9a)",
			},
			{
				File:   flightGo,
				At:     "return appendTLV(dst, 0)",
				Before: "return appendTLV(dst, 0xffff)",
			},
		},
	},
	{
		Name: "longest-flight", Permits: "XTMP-ENV-004",
		Description: "ServerIdentity has a TLV entry of 2600 bytes.",
		Edits: []Edit{
			{
				File:   flightGo,
				At:     "return appendTLV(dst, 0)",
				Before: "return append(append(dst, 0x0a, 0x2c, 0xfa, 0xce, 0x0a, 0x28), make([]byte, 2600)...)",
			},
		},
	},
	{
		Name: "edges-of-params", Permits: "XTMP-HSK-028",
		Description: "params hold what is least or greatest.",
		Edits: []Edit{
			{
				File:  flightGo,
				At:    "dst = append(dst, m.Key...)",
				After: "m.Params.MaxPayload, m.Params.ReassemblyBytes, m.Params.MaxInflight = 65536, 1<<32-1, 0",
			},
		},
	},
	{
		Name: "few-requests-at-once", Permits: "section 5.4",
		Description: "max_inflight is 8.",
		Edits: []Edit{
			{
				File:    configGo,
				At:      "s.MaxInflight = defaultInflight",
				Instead: "s.MaxInflight = 8",
			},
		},
	},
}

// zooMessages make other choices in a session.
var zooMessages = []Variant{
	{
		Name: "priority-everywhere", Permits: "XTMP-FLG-018",
		Description: "Every sealed frame has PRIORITY set.",
		Edits: []Edit{
			{
				File:  slotGo,
				At:    "h.Encryption = t.suite",
				After: "h.Flags |= wire.FlagPriority",
			},
		},
	},
	{
		Name: "exercises-extensions", Permits: "XTMP-TYP-002",
		Description: "A frame of type 0x80 follows HandshakeDone.",
		Edits: []Edit{
			{
				File: serverGo,
				At:   "s.event(Event{Kind: EventEstablished})",
				After: `
odd := s.cfg.Buffers.message()
odd.typ = 0x80
odd.fill(s.cfg.Buffers, []byte("no meaning"), nil, nil)
s.enqueue(now, odd, false)`,
			},
		},
	},
	{
		Name: "exercises-reliable-extensions", Permits: "XTMP-TYP-002",
		Description: "A reliable frame of type 0xEF follows HandshakeDone.",
		Edits: []Edit{
			{
				File: serverGo,
				At:   "s.event(Event{Kind: EventEstablished})",
				After: `
odd := s.cfg.Buffers.message()
odd.typ, odd.flags = 0xef, wire.FlagRequiresAck
odd.fill(s.cfg.Buffers, make([]byte, 56), nil, nil)
s.enqueue(now, odd, false)`,
			},
		},
	},
	{
		Name: "answers-the-newest-first", Permits: "XTMP-MSG-004",
		Description: "Of the replies that wait the newest goes first.",
		Edits: []Edit{
			{
				File: messageGo,
				At:   "s.enqueue(now, m, c.urgent) // [XTMP-MSG-060]",
				Before: `
if p := s.here(); p.live() && c.path == p.id && !c.urgent && p.lane.ordinary.head != nil && p.lane.ordinary.head.index == 0 {
s.queued += m.size
m.path, m.queued = p.id, true
p.lane.ordinary.prepend(m)
s.wake()
return
}`,
			},
		},
	},
	{
		Name: "cuts-into-512", Permits: "XTMP-FRG-008",
		Description: "A body of up to 8192 bytes is cut into fragments of 512, unless the text calls for others.",
		Edits: []Edit{
			{
				File: pathGo,
				At:   "func (p *Path) fragmentBody(m *message) int {",
				After: `
if p.kind == TCP && m.size <= 8192 {
return 512
}`,
			},
			{
				File: pathGo,
				At:   "func (p *Path) frameBody(m *message) int {",
				After: `
if p.kind == TCP && m.size <= 8192 && wire.LegalFlags(m.typ, m.flags|wire.FlagFragment) {
return 512
}`,
			},
		},
	},
	{
		Name: "never-compresses", Permits: "XTMP-CMP-005",
		Description: "Nothing is compressed.",
		Edits: []Edit{
			{
				File: compressGo,
				If:   "!s.peerInflates || m.size < compressLeast || m.content != nil || !wire.LegalFlags(m.typ, m.flags|wire.FlagCompressed)",
				Or:   "true",
			},
		},
	},
	{
		Name: "stores-everything", Permits: "XTMP-CMP-002",
		Description: "Every body goes out as a stream of stored blocks.",
		Edits: []Edit{
			{
				File:   compressGo,
				If:     "!s.peerInflates || m.size < compressLeast || m.content != nil || !wire.LegalFlags(m.typ, m.flags|wire.FlagCompressed)",
				Unless: "s.peerInflates && m.content == nil && wire.LegalFlags(m.typ, m.flags|wire.FlagCompressed)",
			},
			{
				File:   compressGo,
				If:     "b.output.Len() >= m.size",
				Unless: "true",
			},
			{
				File:    compressGo,
				At:      "b.deflater, _ = flate.NewWriter(&b.output, flate.BestSpeed)",
				Instead: "b.deflater, _ = flate.NewWriter(&b.output, flate.NoCompression)",
			},
		},
	},
	{
		Name: "errors-without-text", Permits: "XTMP-ERR-020",
		Description: "Errors have no text.",
		Edits: []Edit{
			{
				File:   controlGo,
				At:     "return append(dst, text...)",
				Before: "return dst",
			},
		},
	},
	{
		Name: "errors-with-longest-text", Permits: "XTMP-ERR-010",
		Description: "Errors have 256 bytes of text, two for each letter. A reset has none (12.14).",
		Edits: []Edit{
			{
				File: controlGo,
				At:   "return append(dst, text...)",
				Before: `
for range MaxErrorText / 2 {
if m.HasToken {
break
}
dst = append(dst, 0xc3, 0xa9)
}
return dst`,
			},
		},
	},
	{
		Name: "errors-with-advice", Permits: "XTMP-ERR-012",
		Description: "Errors say that the client should wait for five seconds.",
		Edits: []Edit{
			{
				File:   controlGo,
				At:     "dst = binary.BigEndian.AppendUint16(dst, uint16(m.Code))",
				Before: "m.RetryAfterMS = 5000",
			},
		},
	},
	{
		Name: "high-sub-ids", Permits: "XTMP-MSG-062",
		Description: "sub_id begins shortly before its end.",
		Edits: []Edit{
			{
				File: probeGo,
				At:   "st.subs++",
				After: `
if st.subs == 1 {
st.subs = 1<<32 - 1000
}`,
			},
		},
	},
	{
		Name: "any-number-of-streams", Permits: "XTMP-PRB-024",
		Description: "Streams of a session have no limit.",
		Edits: []Edit{
			{
				File:   probeGo,
				If:     "len(p.of(s).streams) >= streamsMax",
				Unless: "true",
			},
		},
	},
}

// zooTimes act at other moments.
var zooTimes = []Variant{
	{
		Name: "acks-at-once", Permits: "XTMP-ACK-010",
		Description: "An Ack goes out with the next write, if a frame is open.",
		Edits: []Edit{
			{
				File:   outputGo,
				At:     "return p.ackCount > 0 &&",
				Before: "return p.ackCount > 0",
			},
		},
	},
	{
		Name: "stamps-late", Permits: "XTMP-TIM-003",
		Description: "Stamps are 90 ms old.",
		Edits: []Edit{
			{
				File: sessionGo,
				At:   " + micros(now.Elapsed) }",
				New:  " + micros(now.Elapsed) - map[bool]uint64{true: 90_000}[$on] }",
			},
		},
	},
	{
		Name: "clock-ahead", Permits: "XTMP-TIM-011",
		Description: "The clock is 20 s ahead.",
		Edits: []Edit{
			{
				File: clockGo,
				At:   "uint64(time.Now().UnixMicro())",
				New:  "uint64(time.Now().UnixMicro()) + map[bool]uint64{true: 20_000_000}[$on]",
			},
		},
	},
	{
		Name: "thinks-before-it-echoes", Permits: "XTMP-MSG-005",
		Description: "An echo takes 300 ms.",
		Edits: []Edit{
			{
				File: probeGo,
				At:   "case wire.ProbeEcho:",
				After: `
p.delay(now, s, m.Call, &wire.Probe{Arg: 300, Data: append(r.Data[:len(r.Data):len(r.Data)], "echo later"...)})
break`,
			},
			{
				File: probeGo,
				At:   "reply(now, d.session, d.call, wire.Probe{Op: wire.ProbeDelay, Data: d.data}, nil)",
				Before: `
if n := len(d.data) - 10; n >= 0 && string(d.data[n:]) == "echo later" {
reply(now, d.session, d.call, wire.Probe{Op: wire.ProbeEcho, Data: d.data[:n]}, nil)
continue
}`,
			},
		},
	},
	{
		Name: "asks-for-rekey", Permits: "section 11.2",
		Description: "A REKEY_REQUEST follows soon after HandshakeDone, and others at the legal rate.",
		Edits: []Edit{
			{
				File:  serverGo,
				At:    "s.event(Event{Kind: EventEstablished})",
				After: "s.rotation.wanted, s.rotation.askNext = true, now.Elapsed+10*time.Millisecond",
			},
		},
	},
}
