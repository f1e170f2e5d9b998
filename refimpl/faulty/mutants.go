package faulty

// Mutants returns every mutant, sorted by name.
func Mutants() []Mutant {
	return []Mutant{
		{
			Name: "accepts-bad-checksum", Requirement: "XTMP-ORD-019",
			Description: "The checksum of a sealed frame is not compared.",
			File:        "refimpl/session/receive.go", If: "!wire.VerifyChecksum(f, h.Checksum)", Unless: "true",
		},
		{
			Name: "accepts-clear-frame-in-session", Requirement: "XTMP-ORD-028",
			Description: "A clear frame in an established session is ignored instead of closing the connection.",
			File:        "refimpl/session/receive.go",
			Old:         "\tif h.Clear() {\n\t\ts.receiveClear(now, p, f, h)\n\t\treturn\n\t}",
			New:         "\tif h.Clear() {\n\t\tif !($on && s.state == Established) {\n\t\t\ts.receiveClear(now, p, f, h)\n\t\t}\n\t\treturn\n\t}",
		},
		{
			Name: "accepts-future-timestamp", Requirement: "XTMP-TIM-006",
			Description: "A frame stamped more than 30 s ahead is accepted.",
			File:        "refimpl/session/receive.go", If: "!p.stampInWindow(now, h.Timestamp)", Unless: "true",
		},
		{
			Name: "accepts-long-heartbeat", Requirement: "XTMP-HBT-003",
			Description: "A Heartbeat of more than 64 bytes is answered.",
			File:        "refimpl/wire/control.go", If: "len(b) < 1 || len(b) > MaxHeartbeat", Unless: "len(b) > MaxHeartbeat",
		},
		{
			Name: "accepts-nonce-padding", Requirement: "XTMP-NON-006",
			Description: "The twelve bytes behind the nonce are not compared.",
			File:        "refimpl/security/slot.go", If: "[wire.NonceField]byte(wire.Nonce(frame)) != o.nonce",
			Unless: "[wire.NonceSize]byte(wire.Nonce(frame)) == [wire.NonceSize]byte(o.nonce[:])",
		},
		{
			Name: "accepts-repeated-sequence", Requirement: "XTMP-ORD-021",
			Description: "A frame whose sequence number was seen before is processed again.",
			File:        "refimpl/session/receive.go", If: "h.Sequence != p.received", Unless: "h.Sequence < p.received",
		},
		{
			Name: "accepts-skipped-sequence", Requirement: "XTMP-ORD-022",
			Description: "A gap in the sequence numbers goes unnoticed.",
			File:        "refimpl/session/receive.go", If: "h.Sequence != p.received", Unless: "h.Sequence > p.received",
		},
		{
			Name: "accepts-undefined-flag", Requirement: "XTMP-FLG-002",
			Description: "Undefined flag bits are ignored.",
			File:        "refimpl/wire/flags.go",
			Old:         "\tif f&^flagsDefined != 0 {\n\t\treturn false",
			New:         "\tif f&^flagsDefined != 0 && !$on {\n\t\treturn false",
		},
		{
			Name: "accepts-unknown-tlv", Requirement: "XTMP-TYP-026",
			Description: "An unknown TLV type below 0x8000 is ignored.",
			File:        "refimpl/wire/tlv.go", If: "t < tlvIgnorable && (known == 0 || t != known)", Unless: "true",
		},
		{
			Name: "accepts-wrong-finish", Requirement: "XTMP-HSK-049",
			Description: "The MAC of ClientFinish is not compared.",
			File:        "refimpl/session/server.go", If: "!hmac.Equal(body, k.finish[:])", Unless: "true",
		},
		{
			Name: "acks-nothing", Requirement: "XTMP-ACK-010",
			Description: "Frames that ask for an Ack never get one.",
			File:        "refimpl/session/output.go", Old: "\treturn p.ackCount > 0 &&", New: "\treturn !$on && p.ackCount > 0 &&",
		},
		{
			Name: "answers-extension", Requirement: "XTMP-TYP-011",
			Description: "A frame of an extension type is answered with UNSUPPORTED_TYPE.",
			File:        "refimpl/session/dispatch.go", Old: "\tcase h.Type.Extension():", New: "\tcase h.Type.Extension() && !$on:",
		},
		{
			Name: "answers-twice", Requirement: "XTMP-MSG-020",
			Description: "A request whose mid was seen before is answered again.",
			File:        "refimpl/session/dispatch.go",
			Old:         "\t\t\tp.ackEventually(now)\n\t\t\treturn\n\t\tcase midNew:",
			New:         "\t\t\tif !$on {\n\t\t\t\tp.ackEventually(now)\n\t\t\t\treturn\n\t\t\t}\n\t\tcase midNew:",
		},
		{
			Name: "garbles-pong", Requirement: "XTMP-HBT-005",
			Description: "A PONG does not repeat the bytes of its PING.",
			File:        "refimpl/session/dispatch.go",
			Old:         "\tp.answerLen[slot] = uint8(1 + copy(p.answer[slot][1:], data))",
			New:         "\tp.answerLen[slot] = uint8(1 + copy(p.answer[slot][1:], data))\n\tif $on && len(data) > 0 {\n\t\tp.answer[slot][1] ^= 1\n\t}",
		},
		{
			Name: "handshake-done-mid-2", Requirement: "XTMP-HSK-054",
			Description: "HandshakeDone is sent with mid 2.",
			File:        "refimpl/session/server.go",
			Old:         "\ts.setState(now, Established)\n",
			New:         "\ts.setState(now, Established)\n\tif $on {\n\t\ts.out.last = 1\n\t}\n",
		},
		{
			Name: "ignores-disconnect", Requirement: "XTMP-DSC-007",
			Description: "A session goes on after Disconnect.",
			File:        "refimpl/session/dispatch.go",
			Old:         "\tp.shut()\n\tif m.Reason == wire.NoError {",
			New:         "\tif $on {\n\t\treturn\n\t}\n\tp.shut()\n\tif m.Reason == wire.NoError {",
		},
		{
			Name: "ignores-version-range", Requirement: "XTMP-HSK-073",
			Description: "A ClientHello whose version range lacks version 1 is answered with ServerHello.",
			File:        "refimpl/session/server.go",
			If:          "hello.MinVersion > wire.Version || hello.MaxVersion < wire.Version || hello.MinVersion > hello.MaxVersion", Unless: "true",
		},
		{
			Name: "malformed-for-no-suite", Requirement: "XTMP-HSK-074",
			Description: "A ClientHello without a common suite is called MALFORMED.",
			File:        "refimpl/session/server.go",
			Old:         "s.refuseHello(now, p, wire.NoCommonSuite, \"\", 0)",
			New:         "s.refuseHello(now, p, map[bool]wire.Code{false: wire.NoCommonSuite, true: wire.Malformed}[$on], \"\", 0)",
		},
		{
			Name: "never-times-out", Requirement: "XTMP-HSK-088",
			Description: "A connection without ClientFinish stays open for ever.",
			File:        "refimpl/session/timers.go",
			Old:         "\tcase s.state == Start || s.state == Half:\n\t\treturn p.openedAt + handshakeTimeout",
			New:         "\tcase s.state == Start || s.state == Half:\n\t\tif $on {\n\t\t\treturn never\n\t\t}\n\t\treturn p.openedAt + handshakeTimeout",
		},
		{
			Name: "silent-on-violation", Requirement: "XTMP-ERR-027",
			Description: "A violation closes the connection without an Error.",
			File:        "refimpl/session/dispatch.go",
			Old:         "\tp.raw = s.seal(now, p, p.raw, wire.TypeError, 0, nil, body.Append(nil))\n\tp.drain(now, refused)",
			New:         "\tif !$on {\n\t\tp.raw = s.seal(now, p, p.raw, wire.TypeError, 0, nil, body.Append(nil))\n\t}\n\tp.drain(now, refused)",
		},
	}
}
