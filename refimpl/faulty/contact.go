package faulty

// datagramMutants break section 12.1, datagrams, and the order of checks on UDP.
var datagramMutants = []Mutant{
	{
		Name: "joins-frames-in-a-datagram", Requirement: "XTMP-UDP-001",
		Description: "What can be sent at the same time goes out in one datagram, two frames in each.",
		Edit: Edit{
			File: datagramsSendGo,
			At:   "dst = s.appendTurn(now, p, dst)",
			After: `
if len(dst) > start {
dst = s.appendTurn(now, p, dst)
}`,
		},
	},
	{
		Name: "byte-behind-frame", Requirement: "XTMP-UDP-001",
		Description: "A byte follows each frame of the handshake.",
		Edit:        Edit{File: datagramsSendGo, At: "dst = append(dst, p.raw[:n]...)", After: "dst = append(dst, 0)"},
	},
	{
		Name: "datagrams-of-1300", Requirement: "XTMP-UDP-002",
		Description: "Datagrams have up to 1300 bytes.",
		Edit: Edit{
			File: datagramsGo,
			At:   "p.udp = &datagrams{peer: peer, size: datagramDefault,",
			New:  "p.udp = &datagrams{peer: peer, size: datagramDefault + map[bool]int{true: 100}[$on],",
		},
	},
	{
		Name: "ignores-bytes-behind-frame", Requirement: "XTMP-UDP-009",
		Description: "Bytes of a datagram behind its frame are ignored.",
		Edit: Edit{
			File: contactGo,
			At:   "if e.udp == nil || len(b) > datagramMax || wire.ParseDatagram(b, &h) != nil {",
			Before: `
if len(b) > wire.Overhead {
b = b[:min(len(b), wire.Overhead+int(wire.PayloadLength(b)))]
}`,
		},
	},
	{
		Name: "drops-the-longest-datagram", Requirement: "XTMP-UDP-011",
		Description: "A datagram of 1200 bytes is dropped.",
		Edit: Edit{
			File: contactGo,
			If:   "e.udp == nil || len(b) > datagramMax || wire.ParseDatagram(b, &h) != nil",
			Or:   "len(b) == datagramMax",
		},
	},
	{
		Name: "ends-on-long-datagram", Requirement: "XTMP-UDP-012",
		Description: "A datagram that is too long ends the session that it names.",
		Edit: Edit{
			File: contactGo,
			At:   "if e.udp == nil || len(b) > datagramMax || wire.ParseDatagram(b, &h) != nil {",
			Before: `
if len(b) > datagramMax {
if st := e.ids[sessionOf(b)]; st != nil {
st.session.Close(now)
e.after(st)
}
}`,
		},
	},
	{
		Name: "closes-on-bad-datagram", Requirement: "XTMP-ORD-032",
		Description: "A datagram with a wrong checksum closes the path.",
		Edit: Edit{
			File:  datagramsGo,
			At:    "case !wire.VerifyChecksum(b, h.Checksum): // step 7",
			After: "s.pathLost(now, p, ErrBadFrame)",
		},
	},
	{
		Name: "answers-forged-datagram", Requirement: "XTMP-ORD-033",
		Description: "A datagram that does not open is a violation.",
		Edit: Edit{
			File: datagramsGo,
			At:   "if s.forged++; s.forged == forgedMax {",
			Before: `
s.violation(now, p, "a datagram does not open")
return`,
		},
	},
	{
		Name: "follows-forged-datagram", Requirement: "XTMP-ORD-034",
		Description: "A datagram that does not open changes the address of the path.",
		Edit: Edit{
			File:   datagramsGo,
			At:     "if s.forged++; s.forged == forgedMax {",
			Before: "s.follow(now, p, from, len(b), true)",
		},
	},
	{
		Name: "answers-every-first-contact", Requirement: "XTMP-ORD-035",
		Description: "First frames on UDP are answered however many come.",
		Edit: Edit{
			File:   contactGo,
			If:     "h.Type != wire.TypeHandshake || e.closing || !e.cfg.Server.Admission.Pass(now.Elapsed, from.Addr())",
			Unless: "h.Type == wire.TypeHandshake && !e.closing",
		},
	},
	{
		Name: "retries-any-hs-type", Requirement: "XTMP-ORD-036",
		Description: "A clear frame on UDP of another hs_type than 1 is answered by Retry.",
		Edit:        Edit{File: contactGo, If: "err != nil || f.HSType != wire.HSClientHello", Unless: "err == nil"},
	},
	{
		Name: "takes-datagrams-of-other-suites", Requirement: "XTMP-ORD-037",
		Description: "encryption_type of a datagram may be another suite than the one chosen.",
		Edit: Edit{
			File:   datagramsGo,
			If:     "h.SessionID != s.id || h.Encryption != s.suite || !s.open()",
			Unless: "h.SessionID == s.id && s.open()",
		},
	},
}

// tokenMutants break section 12.3, cookies and address tokens.
var tokenMutants = []Mutant{
	{
		Name: "cookies-of-a-second", Requirement: "XTMP-TOK-004", Slow: true,
		Description: "A cookie is accepted for a second.",
		Edit:        Edit{File: tokenGo, At: "expiry := (t.unix(elapsed+cookieLifetime) + second - 1) / second", After: "expiry -= 9"},
	},
	{
		Name: "cookies-for-ever", Requirement: "XTMP-TOK-005", Slow: true,
		Description: "A cookie is accepted as long as its key is held.",
		Edit: Edit{
			File:   tokenGo,
			If:     "g.last-token[0] > 1 || key == nil || t.unix(elapsed) > uint64(binary.BigEndian.Uint32(token[4:]))*second",
			Unless: "g.last-token[0] <= 1 && key != nil",
		},
	},
	{
		Name: "cookie-for-any-address", Requirement: "XTMP-TOK-007",
		Description: "A cookie is accepted from every IP address.",
		Edit: Edit{
			File: tokenGo,
			At:   "ip := from.Addr().As16()",
			After: `
if token[1] == kindCookie {
ip = [16]byte{}
}`,
		},
	},
	{
		Name: "cookie-for-any-port", Requirement: "XTMP-TOK-007",
		Description: "A cookie is accepted from every port.",
		Edit:        Edit{File: tokenGo, At: "b = binary.BigEndian.AppendUint16(b, from.Port())", Instead: "b = append(b, 0, 0)"},
	},
	{
		Name: "cookie-for-any-handshake", Requirement: "XTMP-TOK-007",
		Description: "A cookie is accepted with every handshake_id.",
		Edit: Edit{
			File:    tokenGo,
			At:      "b = binary.BigEndian.AppendUint64(b, handshakeID)",
			Instead: "b = append(b, make([]byte, 8)...)",
		},
	},
	{
		Name: "address-token-for-any-address", Requirement: "XTMP-TOK-008",
		Description: "An address token is accepted from every IP address.",
		Edit: Edit{
			File: tokenGo,
			At:   "ip := from.Addr().As16()",
			After: `
if token[1] == kindAddress {
ip = [16]byte{}
}`,
		},
	},
}

// contactMutants break section 12.4, first contact.
var contactMutants = []Mutant{
	{
		Name: "fragments-with-own-ids", Requirement: "XTMP-UDP-015",
		Description: "The handshake_id of each fragment is one above that of the fragment before.",
		Edit: Edit{
			File:    handshakeBodyGo,
			At:      "dst = binary.BigEndian.AppendUint64(dst, f.HandshakeID)",
			Instead: "dst = binary.BigEndian.AppendUint64(dst, f.HandshakeID+uint64(f.Index))",
		},
	},
	{
		Name: "fragments-of-1000", Requirement: "XTMP-UDP-016",
		Description: "The first fragment of a handshake message has 1000 bytes, and the last what remains.",
		Edit: Edit{
			File: handshakeBodyGo,
			At: `
from, to := f.span()
	return append(dst, body[from:to]...)`,
			New: `
from, to := f.span()
if $on && f.Index > 0 {
from -= 24
}
if $on && f.Index+1 < f.Count() {
to -= 24
}
	return append(dst, body[from:to]...)`,
		},
	},
	{
		Name: "numbers-flight-from-1", Requirement: "XTMP-UDP-017",
		Description: "The sequence numbers of ServerFlight begin at 1.",
		Edit: Edit{
			File:  firstContactGo,
			At:    "f := wire.Fragment{Envelope: env, Total: uint16(len(body))}",
			After: "slot.SkipTo(1)",
		},
	},
	{
		Name: "announces-token-on-udp", Requirement: "XTMP-UDP-019",
		Description: "token_len is 48 where there is no token.",
		Edit: Edit{
			File:  handshakeBodyGo,
			At:    "dst = append(dst, byte(f.HSType), f.Index, f.Count(), byte(len(f.Token)))",
			After: "dst[len(dst)-1] = TokenSize",
		},
	},
	{
		Name: "stamps-flight-anew", Requirement: "XTMP-UDP-020",
		Description: "The first frame of ServerHello has another stamp each time it is sent.",
		Edit: Edit{
			File: contactServerGo,
			At:   "half.resends++",
			After: `
var first wire.Header
first.Decode(half.flight)
n := wire.Overhead + int(first.PayloadLength)
half.flight = append(wire.AppendClear(nil, first.Type, first.SessionID, first.Timestamp+1, half.flight[wire.Overhead:n]),
half.flight[n:]...)`,
		},
	},
	{
		Name: "takes-any-frag-count", Requirement: "XTMP-UDP-021",
		Description: "frag_count of a handshake frame on UDP may be anything.",
		Edit:        Edit{File: handshakeBodyGo, If: "b[2] != f.Count() || f.Index >= b[2]", Unless: "f.Index < f.Count()"},
	},
	{
		Name: "takes-token-in-finish", Requirement: "XTMP-UDP-036",
		Description: "A token may stand where it has no place.",
		Edit: Edit{
			File:   handshakeBodyGo,
			If:     "token != 0 && (token != TokenSize || f.HSType != HSClientHello) || len(b) < EnvelopeSize+token",
			Unless: "token == TokenSize && len(b) >= EnvelopeSize+token",
		},
	},
	{
		Name: "takes-any-number-of-finish", Requirement: "XTMP-UDP-036",
		Description: "The sequence number of ClientFinish need not be its frag_index.",
		Edit: Edit{
			File:   firstContactGo,
			If:     "err != nil || uint64(f.Index) != h.Sequence || f.HandshakeID != k.id",
			Unless: "err == nil && f.HandshakeID == k.id",
		},
	},
	{
		Name: "joins-fragments-of-others", Requirement: "XTMP-UDP-022",
		Description: "Fragments need not agree in total_len.",
		Edit: Edit{
			File:   assemblyGo,
			If:     "f.HSType != a.hsType || int(f.Total) != len(a.body) || a.have&(1<<f.Index) != 0",
			Unless: "a.have&(1<<f.Index) == 0 && int(f.Index)*wire.HandshakeFragment <= len(a.body)",
		},
	},
	{
		Name: "keeps-the-newest-fragment", Requirement: "XTMP-UDP-023",
		Description: "A fragment that comes again takes the place of the first.",
		Edit: Edit{
			File:   assemblyGo,
			If:     "f.HSType != a.hsType || int(f.Total) != len(a.body) || a.have&(1<<f.Index) != 0",
			Unless: "f.HSType == a.hsType && int(f.Total) == len(a.body)",
		},
	},
	{
		Name: "wants-fragments-in-order", Requirement: "XTMP-UDP-024",
		Description: "A fragment that is ahead of its turn is dropped.",
		Edit: Edit{
			File: assemblyGo,
			If:   "f.HSType != a.hsType || int(f.Total) != len(a.body) || a.have&(1<<f.Index) != 0",
			Or:   "f.Index > 0 && a.have&(1<<(f.Index-1)) == 0",
		},
	},
	{
		Name: "silent-on-bad-token", Requirement: "XTMP-UDP-025",
		Description: "A first contact whose token is not valid is dropped.",
		Edit:        Edit{File: contactGo, If: "f.Index == 0 && f.Total >= wire.ClientHelloSize", Unless: "len(f.Token) > 0"},
	},
	{
		Name: "retries-every-fragment", Requirement: "XTMP-UDP-026",
		Description: "Every fragment of a ClientHello without token is answered by Retry.",
		Edit: Edit{
			File: contactGo,
			If:   "f.Index == 0 && f.Total >= wire.ClientHelloSize",
			Or:   "f.Total >= wire.ClientHelloSize",
		},
	},
	{
		Name: "retry-with-session-id", Requirement: "XTMP-UDP-028",
		Description: "Retry has a session_id.",
		Edit: Edit{
			File: handshakeBodyGo,
			At:   "return AppendClear(dst, TypeHandshakeAck, 0, wallMicros,",
			New:  "return AppendClear(dst, TypeHandshakeAck, map[bool]uint64{true: 4711}[$on], wallMicros,",
		},
	},
	{
		Name: "retry-with-other-id", Requirement: "XTMP-UDP-028",
		Description: "Retry has a handshake_id of its own.",
		Edit:        Edit{File: handshakeBodyGo, At: "var payload [EnvelopeSize + TokenSize]byte", Before: "f.HandshakeID++"},
	},
	{
		Name: "retry-of-40-bytes", Requirement: "XTMP-UDP-028",
		Description: "The body of Retry has 40 bytes.",
		Edit:        Edit{File: handshakeBodyGo, At: "var payload [EnvelopeSize + TokenSize]byte", Before: "f.Total = 40"},
	},
	{
		Name: "two-retries", Requirement: "XTMP-UDP-028",
		Description: "Retry is sent twice, with a cookie of its own each time.",
		Edit:        Edit{File: contactGo, At: "e.retry(now, from, f.HandshakeID)", After: "e.retry(now, from, f.HandshakeID)"},
	},
	{
		Name: "waits-for-hello", Requirement: "XTMP-UDP-029",
		Description: "A ClientHello may stay incomplete for ten seconds.",
		Edit: Edit{
			File:   contactServerGo,
			At:     "return p.openedAt + reassemblyHello",
			Before: "return p.openedAt + 5*reassemblyHello",
		},
	},
	{
		Name: "incomplete-hello-counts-nothing", Requirement: "XTMP-UDP-030",
		Description: "A ClientHello is not counted before it is complete.",
		Edit:        Edit{File: contactServerGo, At: "cfg.Server.Admission.Enter(from.Addr())", Instead: "_ = now"},
	},
	{
		Name: "answers-short-hello", Requirement: "XTMP-UDP-031",
		Description: "A ClientHello without token that is too short is answered by a clear Error.",
		Edit: Edit{
			File: contactGo,
			At:   "if f.Index == 0 && f.Total >= wire.ClientHelloSize {",
			Before: `
if f.Total < wire.ClientHelloSize {
if s := e.udp.strays.room(from); s != nil {
m := wire.Error{Code: wire.Malformed, Scope: wire.ScopePath, RefSequence: wire.NoSequence}
s.size = uint8(len(wire.AppendClear(s.bytes[:0], wire.TypeError, 0, now.Wall, m.Append(nil))))
}
}`,
		},
	},
	{
		Name: "silent-on-no-suite-on-udp", Requirement: "XTMP-UDP-032",
		Description: "A ClientHello on UDP without a common suite is dropped.",
		Edit:        Edit{File: contactServerGo, If: "refused.Code == wire.NoCommonSuite", Unless: "true"},
	},
	{
		Name: "explains-refusals-on-udp", Requirement: "XTMP-UDP-033",
		Description: "Every ClientHello on UDP that is refused gets a clear Error.",
		Edit:        Edit{File: contactServerGo, If: "refused.Code == wire.NoCommonSuite", Or: "true"},
	},
	{
		Name: "forgets-last-of-flight", Requirement: "XTMP-UDP-034",
		Description: "The last fragment of ServerFlight is not sent.",
		Edit: Edit{
			File: firstContactGo,
			At: `
if dst, err = slot.Seal(dst, start, &h); err != nil {
			return dst, err
		}`,
			After: `
if f.Index+1 == f.Count() {
dst = dst[:start]
}`,
		},
	},
	{
		Name: "flight-before-hello", Requirement: "XTMP-UDP-034",
		Description: "The first fragment of ServerHello follows ServerFlight.",
		Edit: Edit{
			File: contactServerGo,
			At:   "half.sentAt, half.until = now.Elapsed, now.Elapsed+flightTimeout",
			Before: `
var first wire.Header
first.Decode(half.flight)
n := wire.Overhead + int(first.PayloadLength)
half.flight = append(half.flight[n:len(half.flight):len(half.flight)], half.flight[:n]...)`,
		},
	},
	{
		Name: "takes-requests-before-finish", Requirement: "XTMP-UDP-035",
		Description: "The first frame that opens under the client's path key stands for ClientFinish.",
		Edit: Edit{
			File: contactServerGo,
			At:   "k, half := s.handshake, p.udp.half",
			After: `
if s.state == Half && p.keys.recv.KeyID() == h.KeyID {
p.raw = nil
s.finishHandshake(now, p)
s.receivePathDatagram(now, p, &p.keys.recv, from, b, h)
return
}`,
		},
	},
	{
		Name: "takes-wrong-finish-on-udp", Requirement: "XTMP-UDP-036",
		Description: "The MAC of ClientFinish on UDP is not compared.",
		Edit: Edit{
			File:   contactServerGo,
			If:     "piece == nil || f.HSType != wire.HSClientFinish || !k.finishes(piece)",
			Unless: "piece != nil && f.HSType == wire.HSClientFinish",
		},
	},
	{
		Name: "gives-up-on-wrong-finish", Requirement: "XTMP-UDP-036",
		Description: "A ClientFinish on UDP that is wrong ends the handshake.",
		Edit: Edit{
			File:  contactServerGo,
			At:    "if piece == nil || f.HSType != wire.HSClientFinish || !k.finishes(piece) {",
			After: "s.pathLost(now, p, ErrHandshake)",
		},
	},
	{
		Name: "ends-on-second-finish", Requirement: "XTMP-UDP-037",
		Description: "A ClientFinish on UDP after another is a violation.",
		Edit: Edit{
			File: datagramsGo,
			At:   "if s.role == Server && s.attachable() && h.Type == wire.TypeHandshake {",
			Before: `
if p := s.paths[0]; p != nil && p.kind == UDP && h.Type == wire.TypeHandshake && s.attaching().bySlot(h.KeyID) == nil {
s.violation(now, p, "ClientFinish")
return
}`,
		},
	},
	{
		Name: "takes-finish-from-anywhere", Requirement: "XTMP-UDP-038",
		Description: "ClientFinish may come from another address than ClientHello.",
		Edit: Edit{
			File:   contactServerGo,
			If:     "s.state != Half || h.Type != wire.TypeHandshake || h.SessionID != s.id || from != half.from",
			Unless: "s.state == Half && h.Type == wire.TypeHandshake && h.SessionID == s.id",
		},
	},
	{
		Name: "explains-limits-on-udp", Requirement: "XTMP-LIM-014",
		Description: "A handshake on UDP beyond the limits gets a clear Error.",
		Edit: Edit{
			File: contactGo,
			At: `
if s == nil {
		return nil`,
			New: `
if s == nil {
if $on {
if q := e.udp.strays.room(c.from); q != nil {
m := wire.Error{Code: wire.ServerBusy, Scope: wire.ScopePath, RefSequence: wire.NoSequence}
q.size = uint8(len(wire.AppendClear(q.bytes[:0], wire.TypeError, 0, now.Wall, m.Append(nil))))
}
}
return nil`,
		},
	},
}

// flightOnUDPMutants break section 12.5, handshake timers.
var flightOnUDPMutants = []Mutant{
	{
		Name: "repeats-flight-on-bad-finish", Requirement: "XTMP-UDP-062",
		Description: "A ClientFinish that is wrong is answered by the flight.",
		Edit: Edit{
			File:  contactServerGo,
			At:    "if piece == nil || f.HSType != wire.HSClientFinish || !k.finishes(piece) {",
			After: "p.raw = slices.Clip(half.flight)",
		},
	},
	{
		Name: "repeats-flight-for-another-hello", Requirement: "XTMP-UDP-062",
		Description: "Another ClientHello of the same handshake_id is taken for a duplicate.",
		Edit: Edit{
			File:   contactServerGo,
			If:     "f.Index != 0 || half.resends >= flightResends || len(half.flight) == 0 || sha256.Sum256(piece) != half.first",
			Unless: "f.Index == 0 && half.resends < flightResends && len(half.flight) > 0",
		},
	},
	{
		Name: "never-repeats-flight", Requirement: "XTMP-UDP-063",
		Description: "A duplicate ClientHello is dropped.",
		Edit: Edit{
			File: contactServerGo,
			If:   "f.Index != 0 || half.resends >= flightResends || len(half.flight) == 0 || sha256.Sum256(piece) != half.first",
			Or:   "true",
		},
	},
	{
		Name: "repeats-flight-without-end", Requirement: "XTMP-UDP-063",
		Description: "Duplicates of a ClientHello are answered however many come.",
		Edit: Edit{
			File:   contactServerGo,
			If:     "f.Index != 0 || half.resends >= flightResends || len(half.flight) == 0 || sha256.Sum256(piece) != half.first",
			Unless: "f.Index == 0 && len(half.flight) > 0 && sha256.Sum256(piece) == half.first",
		},
	},
	{
		Name: "repeats-flight-for-every-fragment", Requirement: "XTMP-UDP-064",
		Description: "Every fragment of a duplicate ClientHello is answered by the flight.",
		Edit: Edit{
			File:   contactServerGo,
			If:     "f.Index != 0 || half.resends >= flightResends || len(half.flight) == 0 || sha256.Sum256(piece) != half.first",
			Unless: "f.Index != 0 && half.resends < flightResends && len(half.flight) > 0",
		},
	},
	{
		Name: "remembers-hello-for-ever", Requirement: "XTMP-UDP-066", Slow: true,
		Description: "A ClientHello on UDP is a duplicate as long as its session lives.",
		Edit: Edit{
			File: contactServerGo,
			At:   "return p.udp.half.until",
			Before: `
if s.state >= Established {
return never
}`,
		},
	},
	{
		Name: "keeps-half-open-on-udp", Requirement: "XTMP-UDP-065", Slow: true,
		Description: "A handshake on UDP may stay without ClientFinish for ever.",
		Edit: Edit{
			File: contactServerGo,
			At:   "return p.udp.half.until",
			Before: `
if s.state == Half {
return never
}`,
		},
	},
}
