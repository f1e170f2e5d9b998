package faulty

// pathMutants break sections 13.2, 13.5 to 13.7 and 13.10, several paths.
var pathMutants = []Mutant{
	{
		Name: "deaf-on-paths-left", Requirement: "XTMP-PTH-006",
		Description: "Frames on a connection that the session has left are dropped.",
		Edit: Edit{
			File: receiveGo,
			At:   "p.received++ // step 12",
			After: `
if p.id != s.current && p.handshaken && !p.standby && s.current != noPath {
return
}`,
		},
	},
	{
		Name: "forgets-mids-on-attach", Requirement: "XTMP-PTH-036",
		Description: "A new path forgets which mids were complete.",
		Edit:        Edit{File: attachServerGo, At: "t.path = id", After: "s.in = midSet{}"},
	},
	{
		Name: "restarts-frag-ids", Requirement: "XTMP-PTH-008",
		Description: "frag_id begins at 0 after each Attach.",
		Edit:        Edit{File: attachServerGo, At: "t.path = id", After: "s.out.nextFragment = 0"},
	},
	{
		Name: "numbers-run-on-across-paths", Requirement: "XTMP-PTH-009",
		Description: "The sequence numbers of a connection that is attached go on where those of the current path stand.",
		Edit: Edit{
			File: attachServerGo,
			At:   "t.path = id",
			After: `
if here := s.here(); here != nil && kind == TCP {
p.keys.send.SkipTo(here.keys.send.Next())
}`,
		},
	},
	{
		Name: "takes-frames-of-other-paths", Requirement: "XTMP-PTH-010",
		Description: "A frame under the key of one connection is accepted on another.",
		Edit: Edit{
			File: receiveGo,
			At:   "opener := p.opener(h.KeyID)",
			After: `
for _, q := range s.paths {
if opener == nil && q != nil && q != p && !q.closed() && q.kind == TCP {
if opener = q.opener(h.KeyID); opener != nil {
p = q
}
}
}`,
		},
	},
	{
		Name: "replies-on-current-path", Requirement: "XTMP-PTH-013",
		Description: "A reply goes out on the current path, wherever its request has come.",
		Edit:        Edit{File: moveGo, If: "m.call.Mid != 0", Unless: "true"},
	},
	{
		Name: "replies-where-asked-first", Requirement: "XTMP-PTH-013",
		Description: "A reply goes out where the first copy of its request has come.",
		Edit:        Edit{File: moveGo, At: "id = newest", Instead: "_ = newest"},
	},
	{
		Name: "replies-on-standby-path", Requirement: "XTMP-PTH-014",
		Description: "Replies go out on a standby path, if there is one.",
		Edit: Edit{
			File: moveGo,
			At:   "if m.call.Mid != 0 {",
			Before: `
for _, p := range s.paths {
if p.live() && p.standby && p.carries(m.size) {
return p
}
}`,
		},
	},
	{
		Name: "responds-on-current-path", Requirement: "XTMP-PTH-015",
		Description: "A PATH_RESPONSE goes out on the current path, wherever its PATH_CHALLENGE has come.",
		Edit: Edit{
			File:    dispatchGo,
			At:      "p.answerWith(1, wire.PathResponse, data)",
			Instead: "s.here().answerWith(1, wire.PathResponse, data)",
		},
	},
	{
		Name: "leaves-messages-on-suspect-path", Requirement: "XTMP-PTH-016",
		Description: "What is unacknowledged on a path that becomes suspect stays there.",
		Edit:        Edit{File: moveGo, At: "func (s *Session) restrand() {", After: "return"},
	},
	{
		Name: "leaves-messages-on-closed-path", Requirement: "XTMP-PTH-016",
		Description: "What is unacknowledged on a path that is closed, and not current, is not sent again.",
		Edit: Edit{
			File: moveGo,
			At: `
s.resend(func(q *Path) bool { return !q.live() })
	s.stranded = s.best(0) == nil`,
			New: `
if !$on {
s.resend(func(q *Path) bool { return !q.live() })
}
	s.stranded = s.best(0) == nil`,
		},
	},
	{
		Name: "gives-up-without-live-path", Requirement: "XTMP-PTH-017",
		Description: "What is unacknowledged when no path is live is forgotten.",
		Edit: Edit{
			File: moveGo,
			At:   "if s.pathless() {",
			Before: `
if s.stranded {
for mid := s.out.done + 1; mid <= s.out.last; mid++ {
s.settle(mid, false)
}
}`,
		},
	},
	{
		Name: "ignores-new-path", Requirement: "XTMP-PTH-026",
		Description: "The session stays where it is when a path without the standby bit becomes live.",
		Edit:        Edit{File: moveGo, If: "first && p.attached && !p.standby && s.role == Server", Unless: "true"},
	},
	{
		Name: "never-moves-to-standby-path", Requirement: "XTMP-PTH-027",
		Description: "The session stays where it is when a reliable frame comes on a standby path.",
		Edit: Edit{
			File:   receiveGo,
			If:     "s.role == Server && p.standby && h.Flags.Has(wire.FlagRequiresAck)",
			Unless: "true",
		},
	},
	{
		Name: "moves-at-any-frame", Requirement: "XTMP-PTH-028",
		Description: "Any frame on a standby path moves the session there.",
		Edit: Edit{
			File: receiveGo,
			If:   "s.role == Server && p.standby && h.Flags.Has(wire.FlagRequiresAck)",
			Or:   "s.role == Server && p.standby",
		},
	},
	{
		Name: "moves-back-at-any-request", Requirement: "XTMP-PTH-028",
		Description: "A reliable frame on a path that was left moves the session there.",
		Edit: Edit{
			File: receiveGo,
			If:   "s.role == Server && p.standby && h.Flags.Has(wire.FlagRequiresAck)",
			Or:   "s.role == Server && p.id != s.current && h.Flags.Has(wire.FlagRequiresAck)",
		},
	},
	{
		Name: "moves-with-nothing", Requirement: "XTMP-PTH-029",
		Description: "A session that moves leaves what is unacknowledged behind.",
		Edit:        Edit{File: moveGo, At: "s.resend(func(q *Path) bool { return q != p })", Instead: "_ = p"},
	},
	{
		Name: "moves-to-the-quietest", Requirement: "XTMP-PTH-030",
		Description: "When the current path closes, the live path that has been silent longest takes its place.",
		Edit: Edit{
			File: moveGo,
			At:   "q.receivedAt > next.receivedAt",
			New:  "(q.receivedAt > next.receivedAt) != $on",
		},
	},
	{
		Name: "silent-on-request-that-moved", Requirement: "XTMP-PTH-031",
		Description: "A request that comes again on another path brings no reply there.",
		Edit:        Edit{File: moveGo, If: "m.sentOn&(1<<p.id) == 0", Unless: "true"},
	},
	{
		Name: "other-mid-on-other-path", Requirement: "XTMP-PTH-033",
		Description: "A message that is sent on another path has another mid there.",
		Edit: Edit{
			File: sendGo,
			At:   "Mid: m.mid, ReplyTo: m.replyTo,",
			New:  "Mid: m.mid + map[bool]uint64{true: 1000}[$on && m.sendings > 0], ReplyTo: m.replyTo,",
		},
	},
	{
		Name: "leaves-out-what-was-acknowledged", Requirement: "XTMP-PTH-034",
		Description: "Of a message in fragments that moves from UDP to UDP, the first that were acknowledged are left out.",
		Edit: Edit{
			File: datagramsSendGo,
			At:   "m.arrived = 0",
			Before: `
for m.count > 1 && m.index+1 < m.count && m.arrived&(1<<m.index) != 0 {
s.queued -= m.cut
m.sealed += m.cut
m.index++
}`,
		},
	},
	{
		Name: "sends-what-is-left", Requirement: "XTMP-PTH-034",
		Description: "Of a message in fragments that moves to another path the rest is sent there.",
		Edit: Edit{
			File:    moveGo,
			At:      "m.index, m.sealed, m.settled = 0, 0, false",
			Instead: "m.index, m.sealed, m.settled = m.index%max(m.count, 1), 0, false",
		},
	},
	{
		Name: "executes-again-on-other-path", Requirement: "XTMP-PTH-007",
		Description: "A request that comes again on a path that was attached is executed again.",
		Edit: Edit{
			File: dispatchGo,
			At:   "switch s.in.status(pro.Mid) {",
			Before: `
if p.attached && h.Type == wire.TypeProbe && !h.Flags.Has(wire.FlagFragment) && s.in.status(pro.Mid) == midKnown {
s.receiveMessage(now, p, h, &pro, body)
return
}`,
		},
	},
	{
		Name: "newest-path-is-current", Requirement: "XTMP-PTH-005",
		Description: "The newest path is the current one, standby or not.",
		Edit:        Edit{File: attachServerGo, At: "t.path = id", After: "defer s.moveTo(now, p)"},
	},
	{
		Name: "closes-the-path-it-leaves", Requirement: "XTMP-PTH-037",
		Description: "A session that moves closes the path that it leaves.",
		Edit: Edit{
			File: moveGo,
			At:   "s.current = p.id",
			Before: `
if old := s.here(); old != nil && old != p && !old.closed() {
s.current = p.id
s.pathLost(now, old, ErrReplaced)
}`,
		},
	},
	{
		Name: "one-silence-for-all", Requirement: "XTMP-PTH-039",
		Description: "A frame on any path ends the silence of all.",
		Edit: Edit{
			File: moveGo,
			At:   "p.receivedAt, p.pinged = now.Elapsed, 0",
			After: `
for _, q := range s.paths {
if q != nil {
q.receivedAt = now.Elapsed
}
}`,
		},
	},
	{
		Name: "violation-ends-one-path", Requirement: "XTMP-PTH-040",
		Description: "A violation ends the path on which it came, if there is another.",
		Edit: Edit{
			File: dispatchGo,
			If:   "e.Scope == wire.ScopePath",
			Or:   "e.Code == wire.ProtocolViolation && s.openPaths() > 0",
		},
	},
	{
		Name: "scope-1-ends-session", Requirement: "XTMP-PTH-041",
		Description: "An unsolicited Error of scope 1 ends the session.",
		Edit: Edit{
			File: dispatchGo,
			At:   "case wire.ScopePath: // [XTMP-PTH-041]",
			After: `
p.shut()
s.end(now, e)
return`,
		},
	},
	{
		Name: "scope-2-ends-one-path", Requirement: "XTMP-PTH-042",
		Description: "An unsolicited Error of scope 2 ends the path on which it came, if there is another.",
		Edit: Edit{
			File: dispatchGo,
			At:   "case wire.ScopeSession:",
			After: `
if s.openPaths() > 1 {
s.pathLost(now, p, e)
return
}`,
		},
	},
	{
		Name: "disconnect-ends-one-path", Requirement: "XTMP-PTH-042",
		Description: "A Disconnect ends the path on which it came, if there is another.",
		Edit: Edit{
			File: dispatchGo,
			At: `
p.shut()
	if m.Reason == wire.NoError {`,
			Before: `
if s.openPaths() > 1 {
s.pathLost(now, p, ErrClosed)
return
}`,
		},
	},
	{
		Name: "resends-what-was-too-large", Requirement: "XTMP-PTH-043",
		Description: "A message that was refused as too large moves to another path.",
		Edit:        Edit{File: dispatchGo, If: "over && s.open()", Unless: "true"},
	},
	{
		Name: "disconnects-on-one-path", Requirement: "XTMP-DSC-024",
		Description: "Disconnect goes out on the current path alone.",
		Edit:        Edit{File: outputGo, If: "p == nil || p.closed() || !s.speaks(p)", Or: "p.id != s.current"},
	},
	{
		Name: "sends-large-messages-on-udp", Requirement: "XTMP-PTH-049",
		Description: "A reply larger than 65536 bytes goes out on UDP.",
		Edit: Edit{
			File: moveGo,
			At:   "return p.kind == TCP || n <= messageOnUDP",
			New:  "return $on || p.kind == TCP || n <= messageOnUDP",
		},
	},
	{
		Name: "keeps-large-reply", Requirement: "XTMP-PTH-052",
		Description: "A reply larger than 65536 bytes waits for a connection that is not there.",
		Edit:        Edit{File: messageGo, If: "size > messageOnUDP && !s.connected()", Unless: "true"},
	},
}

// parkMutants break section 13.8, sessions without a path.
var parkMutants = []Mutant{
	{
		Name: "ends-with-any-path", Requirement: "XTMP-PRK-001",
		Description: "A session ends with any of its paths.",
		Edit:        Edit{File: moveGo, If: "s.state < Established || s.state == Closed || !s.attachable()", Or: "s.openPaths() > 0"},
	},
	{
		Name: "never-parks", Requirement: "XTMP-PRK-002",
		Description: "A session ends with its last path.",
		Edit:        Edit{File: moveGo, If: "!s.withinParkingBounds()", Or: "true"},
	},
	{
		Name: "parks-when-suspect", Requirement: "XTMP-PRK-003",
		Description: "A path that becomes suspect is closed.",
		Edit: Edit{
			File: moveGo,
			At:   "p.state = PathSuspect",
			After: `
if s.role == Server {
s.pathLost(now, p, ErrIdle)
return
}`,
		},
	},
	{
		Name: "parks-for-ever", Requirement: "XTMP-PRK-004", Slow: true,
		Description: "A session without a path waits for ever.",
		Edit:        Edit{File: moveGo, At: "return s.pathlessSince + parkTimeout", Before: "return never"},
	},
	{
		Name: "parks-for-a-second", Requirement: "XTMP-PRK-005",
		Description: "A session without a path waits for a second.",
		Edit:        Edit{File: moveGo, At: "return s.pathlessSince + parkTimeout", Before: "return s.pathlessSince + parkTimeout/60"},
	},
	{
		Name: "parks-without-messages", Requirement: "XTMP-PRK-006",
		Description: "What is unacknowledged is forgotten when the last path ends.",
		Edit: Edit{
			File: moveGo,
			At:   "s.pathlessSince = now.Elapsed",
			After: `
for mid := s.out.done + 1; mid <= s.out.last; mid++ {
s.settle(mid, false)
}`,
		},
	},
	{
		Name: "parks-without-mids", Requirement: "XTMP-PRK-006",
		Description: "Which mids were complete is forgotten when the last path ends.",
		Edit:        Edit{File: moveGo, At: "s.pathlessSince = now.Elapsed", After: "s.in = midSet{}"},
	},
	{
		Name: "parks-any-number-of-messages", Requirement: "XTMP-PRK-007",
		Description: "A session is parked however much is unacknowledged.",
		Edit:        Edit{File: moveGo, If: "!s.withinParkingBounds()", Unless: "true"},
	},
	{
		Name: "drops-replies-while-parked", Requirement: "XTMP-PRK-008",
		Description: "A reply that comes while the session is parked is dropped.",
		Edit: Edit{
			File: messageGo,
			At:   "m.typ, m.flags, m.replyTo, m.call = c.Type, wire.FlagRequiresAck|wire.FlagReply, c.Mid, c",
			Before: `
if s.pathless() {
return
}`,
		},
	},
	{
		Name: "never-resumes", Requirement: "XTMP-PRK-010",
		Description: "What was unacknowledged stays behind when a parked session has a path again.",
		Edit:        Edit{File: moveGo, If: "s.current == noPath", Unless: "true"},
	},
	{
		Name: "rekey-fails-while-parked", Requirement: "XTMP-PRK-011", Slow: true,
		Description: "T_REKEY runs while the session is parked.",
		Edit:        Edit{File: rekeyGo, If: "s.here() == nil", Unless: "true"},
	},
	{
		Name: "keeps-subscriptions", Requirement: "XTMP-PRK-013",
		Description: "Subscriptions outlive the last path of their session.",
		Edit:        Edit{File: moveGo, At: "s.unsubscribe()", Instead: "_ = why"},
	},
	{
		Name: "keeps-fragments-of-closed-path", Requirement: "XTMP-PRK-021",
		Description: "An incomplete message outlives the path on which it came.",
		Edit:        Edit{File: moveGo, At: "s.forgetFragmentsOf(p) // [XTMP-PRK-009]", Instead: "_ = p"},
	},
	{
		Name: "counts-parked-as-connected", Requirement: "XTMP-LIM-016",
		Description: "A parked session counts toward the limit of connections.",
		Edit: Edit{
			File:    limiterGo,
			At:      "l.change(a, func(h *held) { h.sessions--; h.parked++ })",
			Instead: "l.change(a, func(h *held) { h.parked++; h.parked-- })",
		},
	},
	{
		Name: "parked-count-nowhere", Requirement: "XTMP-LIM-016",
		Description: "A parked session does not count toward the limit of sessions.",
		Edit: Edit{
			File: limiterGo,
			At:   "!reached(int(h.sessions+h.parked), l.limits.SessionsPerSource)",
			New:  "($on || !reached(int(h.sessions+h.parked), l.limits.SessionsPerSource))",
		},
	},
}

// rekeyOfPathsMutants break section 11.7, rekey with several paths and on UDP.
var rekeyOfPathsMutants = []Mutant{
	{
		Name: "keys-for-one-path", Requirement: "XTMP-RKY-048",
		Description: "RekeyInit gives new keys to the path on which it comes, and no other.",
		Edit:        Edit{File: rekeyGo, If: "q != nil && !q.closed()", Unless: "q != p"},
	},
	{
		Name: "switches-other-paths-early", Requirement: "XTMP-RKY-049",
		Description: "On the other paths the server seals under the next epoch from RekeyInit on.",
		Edit: Edit{
			File: rekeyGo,
			At:   "q.pending = s.epochKeys(q, m.Epoch, &r.root)",
			After: `
if q != p {
next := *q.pending
next.send.Continue(&q.keys.send)
q.keys.send = next.send
}`,
		},
	},
	{
		Name: "switches-all-paths-at-once", Requirement: "XTMP-RKY-050",
		Description: "A frame under the next epoch on one path switches the server on all.",
		Edit: Edit{
			File: rekeyGo,
			At:   "s.confirmEpoch(now, epoch)",
			After: `
for _, q := range s.paths {
if q != nil && !q.closed() && q.pending != nil {
next := *q.pending
next.send.Continue(&q.keys.send)
q.keys.send = next.send
}
}`,
		},
	},
	{
		Name: "silent-on-repeated-rekey", Requirement: "XTMP-RKY-051",
		Description: "A RekeyInit that comes again does not bring RekeyResp again.",
		Edit: Edit{
			File: moveGo,
			If:   "m == nil || m.replyTo != mid || m.flags&wire.FlagReply == 0",
			Or:   "m.typ == wire.TypeHandshakeAck",
		},
	},
	{
		Name: "new-path-misses-rekey", Requirement: "XTMP-RKY-052",
		Description: "A path that is attached while a rekey is in flight has the keys of its epoch alone.",
		Edit:        Edit{File: attachGo, At: "p.pending = s.epochKeys(p, e, root)", Instead: "_ = root"},
	},
	{
		Name: "new-path-under-old-epoch", Requirement: "XTMP-RKY-053",
		Description: "A path that is attached under the next epoch opens frames under the one before as well.",
		Edit: Edit{
			File: attachGo,
			At:   "switch {",
			Before: `
if e+1 == epoch {
p.pending = s.epochKeys(p, e, root)
}`,
		},
	},
	{
		Name: "drops-old-keys-at-once-on-udp", Requirement: "XTMP-RKY-054",
		Description: "The keys of the epoch before go at the switch of a UDP path.",
		Edit:        Edit{File: datagramsGo, At: "p.udp.pingNext = 0", After: "p.udp.old = nil"},
	},
	{
		Name: "takes-old-epoch-behind-new", Requirement: "XTMP-RKY-055",
		Description: "A frame under the epoch before may follow one under the next.",
		Edit:        Edit{File: datagramsGo, If: "opener == u.old", Unless: "true"},
	},
	{
		Name: "holds-old-root", Requirement: "XTMP-RKY-056", Slow: true,
		Description: "The root of the epoch before is held until the next rekey.",
		Edit:        Edit{File: rekeyGo, At: "return min(r.retireAt, r.since+retireMax)", Before: "return never"},
	},
	{
		Name: "holds-old-root-for-ever", Requirement: "XTMP-RKY-057", Slow: true,
		Description: "The root of the epoch before is held until every path has switched.",
		Edit:        Edit{File: rekeyGo, At: "return r.since + retireMax", Before: "return never"},
	},
	{
		Name: "keeps-unswitched-path", Requirement: "XTMP-RKY-058", Slow: true,
		Description: "A path that does not follow a rekey lives on.",
		Edit: Edit{
			File: rekeyGo,
			At:   "s.pathLost(now, p, ErrUnswitched)\n\t\t\tcontinue",
			Before: `
s.usePending(p)
p.mute = s.role == Server
continue`,
		},
	},
	{
		Name: "counts-time-without-path", Requirement: "XTMP-RKY-059", Slow: true,
		Description: "The time without a path counts toward T_REKEY.",
		Edit:        Edit{File: moveGo, At: "s.rekey.began += gap", Instead: "_ = gap"},
	},
}
