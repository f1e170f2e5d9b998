package faulty

import (
	"slices"
	"strings"
)

// Mutants returns every mutant, sorted by name.
func Mutants() []Mutant {
	all := slices.Concat(frameMutants(), helloMutants(), finishMutants(), messageMutants(), endMutants())
	slices.SortFunc(all, func(a, b Mutant) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// frameMutants break the order of checks, chapters 2 to 4 and 7.
func frameMutants() []Mutant {
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
			Old: `
	if h.Clear() {
		s.receiveClear(now, p, f, h)`,
			New: `
	if h.Clear() {
		if $on && s.state == Established {
			return
		}
		s.receiveClear(now, p, f, h)`,
		},
		{
			Name: "accepts-future-timestamp", Requirement: "XTMP-TIM-006",
			Description: "A frame stamped more than 30 s ahead is accepted.",
			File:        "refimpl/session/receive.go", If: "!p.stampInWindow(now, h.Timestamp)", Unless: "true",
		},
		{
			Name: "accepts-nonce-padding", Requirement: "XTMP-NON-006",
			Description: "The twelve bytes behind the nonce are not compared.",
			File:        "refimpl/security/slot.go",
			If:          "[wire.NonceField]byte(wire.Nonce(frame)) != c.nonce",
			Unless:      "[wire.NonceSize]byte(wire.Nonce(frame)) == [wire.NonceSize]byte(c.nonce[:])",
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
			Old: `
	if f&^flagsDefined != 0 {
		return false`,
			New: `
	if f&^flagsDefined != 0 && !$on {
		return false`,
		},
	}
}

// helloMutants break the server's answer to ClientHello, chapters 3 and 5.
func helloMutants() []Mutant {
	return []Mutant{
		{
			Name: "accepts-unknown-tlv", Requirement: "XTMP-TYP-026",
			Description: "An unknown TLV type below 0x8000 is ignored.",
			File:        "refimpl/wire/tlv.go", If: "t < tlvIgnorable && (known == 0 || t != known)", Unless: "true",
		},
		{
			Name: "ignores-version-range", Requirement: "XTMP-HSK-073",
			Description: "A ClientHello whose version range lacks version 1 is answered with ServerHello.",
			File:        "refimpl/session/server.go",
			If: "hello.MinVersion > wire.Version || hello.MaxVersion < wire.Version || " +
				"hello.MinVersion > hello.MaxVersion",
			Unless: "true",
		},
		{
			Name: "malformed-for-no-suite", Requirement: "XTMP-HSK-074",
			Description: "A ClientHello without a common suite is called MALFORMED.",
			File:        "refimpl/session/server.go",
			Old: `
	if !ok {
		s.refuseHello(now, p, wire.NoCommonSuite, "", 0)`,
			New: `
	if !ok && $on {
		s.refuseHello(now, p, wire.Malformed, "", 0)
		return
	}
	if !ok {
		s.refuseHello(now, p, wire.NoCommonSuite, "", 0)`,
		},
	}
}

// finishMutants break the second half of the handshake, chapter 5.
func finishMutants() []Mutant {
	return []Mutant{
		{
			Name: "accepts-wrong-finish", Requirement: "XTMP-HSK-049",
			Description: "The MAC of ClientFinish is not compared.",
			File:        "refimpl/session/server.go", If: "!hmac.Equal(body, k.finish[:])", Unless: "true",
		},
		{
			Name: "handshake-done-mid-2", Requirement: "XTMP-HSK-054",
			Description: "HandshakeDone is sent with mid 2.",
			File:        "refimpl/session/server.go",
			Old: `
	s.setState(now, Established)
`,
			New: `
	s.setState(now, Established)
	if $on {
		s.out.last = 1
	}
`,
		},
		{
			Name: "never-times-out", Requirement: "XTMP-HSK-088",
			Description: "A connection without ClientFinish stays open for ever.",
			File:        "refimpl/session/timers.go",
			Old: `
	case s.state == Start || s.state == Half:
		return p.openedAt + handshakeTimeout`,
			New: `
	case s.state == Start || s.state == Half:
		if $on {
			return never
		}
		return p.openedAt + handshakeTimeout`,
		},
	}
}

// messageMutants break messages and Acks, chapters 3 and 8.
func messageMutants() []Mutant {
	return []Mutant{
		{
			Name: "acks-nothing", Requirement: "XTMP-ACK-010",
			Description: "Frames that ask for an Ack never get one.",
			File:        "refimpl/session/output.go",
			Old:         "\treturn p.ackCount > 0 &&",
			New:         "\treturn !$on && p.ackCount > 0 &&",
		},
		{
			Name: "answers-extension", Requirement: "XTMP-TYP-011",
			Description: "A frame of an extension type is answered with UNSUPPORTED_TYPE.",
			File:        "refimpl/session/dispatch.go",
			Old:         "\tcase h.Type.Extension():",
			New:         "\tcase h.Type.Extension() && !$on:",
		},
		{
			Name: "answers-twice", Requirement: "XTMP-MSG-020",
			Description: "A request whose mid was seen before is answered again.",
			File:        "refimpl/session/dispatch.go",
			Old: `
		case midKnown:
			p.ackEventually(now)
			return`,
			New: `
		case midKnown:
			p.ackEventually(now)
			if !$on {
				return
			}`,
		},
	}
}

// endMutants break Heartbeat, Disconnect and Error, chapter 9.
func endMutants() []Mutant {
	return []Mutant{
		{
			Name: "accepts-long-heartbeat", Requirement: "XTMP-HBT-003",
			Description: "A Heartbeat of more than 64 bytes is answered.",
			File:        "refimpl/wire/control.go", If: "len(b) < 1 || len(b) > MaxHeartbeat", Unless: "len(b) > MaxHeartbeat",
		},
		{
			Name: "garbles-pong", Requirement: "XTMP-HBT-005",
			Description: "A PONG does not repeat the bytes of its PING.",
			File:        "refimpl/session/dispatch.go",
			Old: `
	p.answerLen[slot] = uint8(1 + copy(p.answer[slot][1:], data))`,
			New: `
	p.answerLen[slot] = uint8(1 + copy(p.answer[slot][1:], data))
	if $on && len(data) > 0 {
		p.answer[slot][1] ^= 1
	}`,
		},
		{
			Name: "ignores-disconnect", Requirement: "XTMP-DSC-007",
			Description: "A session goes on after Disconnect.",
			File:        "refimpl/session/dispatch.go",
			Old: `
	p.shut()
	if m.Reason == wire.NoError {`,
			New: `
	if $on {
		return
	}
	p.shut()
	if m.Reason == wire.NoError {`,
		},
		{
			Name: "silent-on-violation", Requirement: "XTMP-ERR-027",
			Description: "A violation closes the connection without an Error.",
			File:        "refimpl/session/dispatch.go",
			Old: `
	p.drain(now, refused)
	s.end(now, e)`,
			New: `
	if $on {
		p.raw = nil
	}
	p.drain(now, refused)
	s.end(now, e)`,
		},
	}
}
