package faulty

// fragmentMutants break section 8.11, fragments.
var fragmentMutants = []Mutant{
	{
		Name: "urgent-fragments", Requirement: "XTMP-FRG-001",
		Description: "All fragments but the first have PRIORITY.",
		Edit: Edit{
			File: sendGo,
			At:   "flags |= wire.FlagFragment",
			After: `
if m.index > 0 {
flags |= wire.FlagPriority
}`,
		},
	},
	{
		Name: "skips-frag-ids", Requirement: "XTMP-FRG-002",
		Description: "frag_id rises by 2.",
		Edit:        Edit{File: sendGo, At: "s.out.nextFragment++", Instead: "s.out.nextFragment += 2"},
	},
	{
		Name: "promises-a-fragment-more", Requirement: "XTMP-FRG-003",
		Description: "count is greater by one than the number of fragments.",
		Edit:        Edit{File: sendGo, At: "Count: m.count,", New: "Count: m.count + map[bool]uint16{true: 1}[$on],"},
	},
	{
		Name: "fragments-from-1", Requirement: "XTMP-FRG-004",
		Description: "index begins at 1.",
		Edit:        Edit{File: sendGo, At: "Index: index,", New: "Index: index + map[bool]uint16{true: 1}[$on],"},
	},
	{
		Name: "uneven-fragments", Requirement: "XTMP-FRG-005",
		Description: "The second of several fragments has a byte less than the first.",
		Edit: Edit{
			File: sendGo,
			At:   "to := min(m.size, from+m.cut)",
			After: `
if m.count > 2 && index > 0 {
if index > 1 {
from--
}
if index < m.count-1 {
to--
}
}`,
		},
	},
	{
		Name: "ends-with-an-empty-fragment", Requirement: "XTMP-FRG-006",
		Description: "A body that is a multiple of 262144 bytes ends with an empty fragment.",
		Edit: Edit{
			File:    sendGo,
			At:      "m.count = uint16((m.size + cut - 1) / cut)",
			Instead: "m.count = uint16(m.size/cut + 1)",
		},
	},
	{
		Name: "fragments-too-late", Requirement: "XTMP-FRG-007",
		Description: "A body of up to 262200 bytes goes out in one frame.",
		Edit: Edit{
			File: pathGo,
			At:   "func (p *Path) frameBody(m *message) int {",
			After: `
if p.kind == TCP {
return 262200
}`,
		},
	},
	{
		Name: "fragments-in-turn", Requirement: "XTMP-FRG-009",
		Description: "The fragments of all replies that wait take turns.",
		Edit: Edit{
			File: sendGo,
			At:   "if m.index == m.count {",
			Before: `
if m.index < m.count && q.head != q.tail {
q.pop()
q.push(m)
}`,
		},
	},
	{
		Name: "abandons-long-messages", Requirement: "XTMP-FRG-010",
		Description: "Of a message in more than three fragments three are sent.",
		Edit: Edit{
			File: sendGo,
			At:   "if m.index == m.count {",
			Before: `
if m.index == 3 && m.index < m.count {
s.queued -= m.size - m.sealed
m.index = m.count
}`,
		},
	},
	{
		Name: "takes-fragments-in-order-only", Requirement: "XTMP-FRG-011",
		Description: "A fragment that is ahead of its turn is inconsistent.",
		Edit: Edit{
			File: fragmentGo,
			If:   "pro.Count < 2 || pro.Index >= pro.Count || !q.matches(h, pro) || !q.fits(pro.Index, n)",
			Or:   "pro.Index > q.next",
		},
	},
	{
		Name: "joins-as-they-come", Requirement: "XTMP-FRG-012",
		Description: "Fragments are joined in the order of arrival.",
		Edit:        Edit{File: fragmentGo, If: "index == q.next", Or: "true"},
	},
	{
		Name: "refuses-least-fragments", Requirement: "XTMP-FRG-013",
		Description: "Fragments of fewer than 1024 bytes are inconsistent.",
		Edit:        Edit{File: fragmentGo, At: "return n >= fragmentLeast &&", New: "return n >= fragmentLeast && !($on && n < 1024) &&"},
	},
	{
		Name: "holds-three-messages", Requirement: "XTMP-FRG-014",
		Description: "A fourth incomplete message is a violation.",
		Edit:        Edit{File: fragmentGo, At: "n >= partialsMax", New: "n >= partialsMax-map[bool]int{true: 1}[$on]"},
	},
	{
		Name: "holds-many-messages", Requirement: "XTMP-FRG-015",
		Description: "Incomplete messages have no limit.",
		Edit:        Edit{File: fragmentGo, If: "s.fifth(p, q)", Unless: "true"},
	},
	{
		Name: "refuses-repeated-fragment", Requirement: "XTMP-FRG-016",
		Description: "A fragment that comes again is inconsistent.",
		Edit: Edit{
			File: fragmentGo,
			If:   "pro.Count < 2 || pro.Index >= pro.Count || !q.matches(h, pro) || !q.fits(pro.Index, n)",
			Or:   "pro.Index < q.next || q.ahead[pro.Index] != nil",
		},
	},
	{
		Name: "ignores-newer-frag-id", Requirement: "XTMP-FRG-017",
		Description: "A fragment with a higher frag_id joins those before.",
		Edit:        Edit{File: fragmentGo, If: "pro.FragID > held.fragID", Unless: "true"},
	},
	{
		Name: "ignores-older-frag-id", Requirement: "XTMP-FRG-018",
		Description: "A fragment with a lower frag_id joins those of the newest.",
		Edit:        Edit{File: fragmentGo, If: "pro.FragID < held.fragID", Unless: "true"},
	},
	{
		Name: "waits-for-fragments", Requirement: "XTMP-FRG-019", Slow: true,
		Description: "A message may stay incomplete for ever.",
		Edit:        Edit{File: fragmentGo, At: "at = min(at, q.arrived+reassemblyTimeout)", Instead: "_ = q.arrived"},
	},
	{
		Name: "accepts-short-fragment", Requirement: "XTMP-FRG-020",
		Description: "A fragment may have 511 bytes.",
		Edit: Edit{
			File: fragmentGo,
			At:   "func (q *partial) fits(index uint16, n int) bool {",
			After: `
if n == fragmentLeast-1 && index < q.count-1 && (q.size == 0 || q.size == n) {
return true
}`,
		},
	},
	{
		Name: "accepts-uneven-fragments", Requirement: "XTMP-FRG-020",
		Description: "Fragments need not have equal sizes.",
		Edit:        Edit{File: fragmentGo, At: "(q.size == 0 || n == q.size) &&", New: "(q.size == 0 || n == q.size || $on) &&"},
	},
	{
		Name: "accepts-empty-last-fragment", Requirement: "XTMP-FRG-020",
		Description: "The last fragment may be empty.",
		Edit:        Edit{File: fragmentGo, At: "return n > 0 &&", New: "return (n > 0 || $on) &&"},
	},
	{
		Name: "accepts-other-count", Requirement: "XTMP-FRG-020",
		Description: "Fragments need not agree in flags and count.",
		Edit: Edit{
			File:   fragmentGo,
			If:     "pro.Count < 2 || pro.Index >= pro.Count || !q.matches(h, pro) || !q.fits(pro.Index, n)",
			Unless: "!q.matches(h, pro)",
		},
	},
	{
		Name: "ends-on-bad-fragments", Requirement: "XTMP-FRG-020",
		Description: "Inconsistent fragments end the session.",
		Edit: Edit{
			File: incomingGo,
			At:   "case fragmentMalformed:",
			After: `
s.violation(now, p, "fragments")
return`,
		},
	},
	{
		Name: "collects-too-much", Requirement: "XTMP-FRG-021",
		Description: "The least possible total is not judged.",
		Edit:        Edit{File: fragmentGo, If: "q.least(pro.Index, n) > limit", Unless: "true"},
	},
	{
		Name: "ends-on-bad-one-way-fragments", Requirement: "XTMP-FRG-022",
		Description: "Inconsistent fragments without mid end the session.",
		Edit: Edit{
			File: incomingGo,
			At:   "case pro.Mid == 0: // [XTMP-FRG-022] [XTMP-CMP-011] [XTMP-MSG-075]",
			After: `
if h.Flags.Has(wire.FlagFragment) {
s.violation(now, p, "fragments")
}`,
		},
	},
}

// compressionMutants break section 8.12, compression.
var compressionMutants = []Mutant{
	{
		Name: "compresses-for-everybody", Requirement: "XTMP-CMP-001",
		Description: "Replies are compressed whether the client inflates or not.",
		Edit: Edit{
			File:   compressGo,
			If:     "!s.peerInflates || m.size < compressLeast || m.content != nil || !wire.LegalFlags(m.typ, m.flags|wire.FlagCompressed)",
			Unless: "!s.peerInflates",
		},
	},
	{
		Name: "wraps-stream-in-zlib", Requirement: "XTMP-CMP-002",
		Description: "A compressed body begins with a zlib header.",
		Edit: Edit{
			File:  compressGo,
			At:    "m.body = append(m.body[:0], b.output.Bytes()...)",
			After: "m.body = append([]byte{0x78, 0x9c}, m.body...)",
		},
	},
	{
		Name: "original-len-too-large", Requirement: "XTMP-CMP-003",
		Description: "original_len is too large by one.",
		Edit:        Edit{File: compressGo, At: "m.original = uint32(m.size)", After: "m.original++"},
	},
	{
		Name: "refuses-stored-blocks", Requirement: "XTMP-CMP-006",
		Description: "A stream that begins with a stored block is refused.",
		Edit: Edit{
			File: compressGo,
			At:   "b.input.Reset(body)",
			Before: `
if len(body) > 0 && body[0]>>1&3 == 0 {
return nil, errInflate
}`,
		},
	},
	{
		Name: "refuses-fixed-blocks", Requirement: "XTMP-CMP-006",
		Description: "A stream that begins with a block of fixed codes is refused.",
		Edit: Edit{
			File: compressGo,
			At:   "b.input.Reset(body)",
			Before: `
if len(body) > 0 && body[0]>>1&3 == 1 {
return nil, errInflate
}`,
		},
	},
	{
		Name: "refuses-dynamic-blocks", Requirement: "XTMP-CMP-006",
		Description: "A stream that begins with a block of dynamic codes is refused.",
		Edit: Edit{
			File: compressGo,
			At:   "b.input.Reset(body)",
			Before: `
if len(body) > 0 && body[0]>>1&3 == 2 {
return nil, errInflate
}`,
		},
	},
	{
		Name: "malformed-for-compression", Requirement: "XTMP-CMP-007", Without: Compression,
		Description: "Compression that was not announced is called MALFORMED.",
		Edit: Edit{
			File:    incomingGo,
			At:      `s.refuseMessage(now, p, h, pro, c, wire.CompressionRefused, "not announced")`,
			Instead: `s.refuseMessage(now, p, h, pro, c, wire.Malformed, "")`,
		},
	},
	{
		Name: "inflates-beyond-limit", Requirement: "XTMP-CMP-008",
		Description: "original_len is not held to the message limit.",
		Edit:        Edit{File: incomingGo, If: "!fragment && int64(pro.OriginalLen) > int64(s.messageLimit())", Unless: "true"},
	},
	{
		Name: "inflates-fragments-beyond-limit", Requirement: "XTMP-CMP-008",
		Description: "original_len of a fragmented message is not held to the limit.",
		Edit: Edit{
			File:   fragmentGo,
			If:     "h.Flags.Has(wire.FlagCompressed) && pro.Index == 0 && int64(pro.OriginalLen) > int64(limit)",
			Unless: "true",
		},
	},
	{
		Name: "ignores-bytes-behind-stream", Requirement: "XTMP-CMP-009",
		Description: "Bytes behind the end of the stream are ignored.",
		Edit:        Edit{File: compressGo, At: "|| b.input.Len() != 0 {", New: "|| b.input.Len() != 0 && !$on {"},
	},
	{
		Name: "accepts-short-stream", Requirement: "XTMP-CMP-009",
		Description: "A stream may yield fewer bytes than original_len.",
		Edit: Edit{
			File: compressGo,
			At:   "out = out[:len(out)+n]",
			After: `
if errors.Is(err, io.EOF) {
return out, nil
}`,
		},
	},
	{
		Name: "malformed-for-bad-stream", Requirement: "XTMP-CMP-009",
		Description: "A stream that does not inflate is called MALFORMED.",
		Edit: Edit{
			File: incomingGo,
			At:   "if body, err = s.cfg.Buffers.inflate(body, original); err != nil { // [XTMP-CMP-009]",
			After: `
s.refuseMessage(now, p, h, pro, c, wire.Malformed, "")
return`,
		},
	},
	{
		Name: "ends-on-bad-one-way-stream", Requirement: "XTMP-CMP-011",
		Description: "A message without mid that does not inflate ends the session.",
		Edit: Edit{
			File: incomingGo,
			At:   "case pro.Mid == 0: // [XTMP-FRG-022] [XTMP-CMP-011] [XTMP-MSG-075]",
			After: `
if h.Flags.Has(wire.FlagCompressed) {
s.violation(now, p, "compression")
}`,
		},
	},
}
