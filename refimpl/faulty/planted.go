package faulty

import "slices"

// Planted returns the faults that the simulator has to find: those that show only when
// time, trouble and both ends come together, so that no case of the suite is asked
// about them. They stand in the order of the rules of netsim/world that they break.
func Planted() []Mutant { return slices.Clone(plantedMutants) }

var plantedMutants = []Mutant{
	{
		Name: "executes-twice-under-load", Requirement: "XTMP-MSG-020",
		Description: "A request that comes while two others are unanswered is executed twice.",
		Edit: Edit{
			File: incomingGo, At: "m.Call = c",
			After: `
if s.requests > 2 {
s.cfg.Application.Deliver(now, s, m)
}`,
		},
	},
	{
		Name: "calls-sealed-unsent", Requirement: "XTMP-MSG-021",
		Description: "A client whose session ends says of requests that it has sealed that they were not sent.",
		Edit: Edit{
			File: sessionGo, At: "s.out, s.in = outgoing{}, midSet{}",
			Before: `
for mid := s.out.done + 1; s.calls != nil && mid <= s.out.last; mid++ {
if c, ok := s.calls.unanswered[mid]; ok {
s.cfg.Application.Deliver(now, s, Message{Type: c.typ, Owner: c.owner, Err: ErrNotSent})
}
}`,
		},
	},
	{
		Name: "binds-epochs-to-nothing", Requirement: "XTMP-RKY-028",
		Description: "A server derives the next root from another body than it sends.",
		Edit: Edit{
			File: rekeyGo, At: "answerBody := answer.Append(nil)",
			After: `
defer func() { s.rekey.root[0]++ }()`,
		},
	},
	{
		Name: "counts-anew-after-rest", Requirement: "XTMP-NON-003",
		Description: "A session that has rested counts its frames from 0 again, under the same key.",
		Edit: Edit{
			File: slotGo, At: "func (s *Sealer) Wake(suite wire.Suite, ts *Secret) { s.slot = newSlot(suite, ts) }",
			New: `
func (s *Sealer) Wake(suite wire.Suite, ts *Secret) {
if $on {
s.next = 0
}
s.slot = newSlot(suite, ts)
}`,
		},
	},
	{
		Name: "counts-every-64th-not", Requirement: "XTMP-NON-003",
		Description: "Every 64th frame leaves the counter where it is.",
		Edit:        Edit{File: slotGo, At: "s.next++", New: "if !$on || s.next%64 != 63 {\ns.next++\n}"},
	},
	{
		Name: "acks-unexecuted", Requirement: "XTMP-MSG-001",
		Description: "Every 31st request is acknowledged and neither executed nor answered.",
		Edit: Edit{
			File: incomingGo, At: "s.count(&c, len(body))",
			After: `
if c.Mid%31 == 0 {
return
}`,
		},
	},
	{
		Name: "stamps-by-the-wall-clock", Requirement: "XTMP-TIM-001",
		Description: "Frames are stamped by the wall clock, which may jump.",
		Edit: Edit{
			File: sessionGo, At: "func (s *Session) stamp(now Now) uint64 { return s.wallZero + micros(now.Elapsed) }",
			New: `
func (s *Session) stamp(now Now) uint64 {
if $on {
return now.Wall
}
return s.wallZero + micros(now.Elapsed)
}`,
		},
	},
	{
		Name: "switches-keys-early", Requirement: "XTMP-RKY-022",
		Description: "A server seals under the next keys before its client has them.",
		Edit: Edit{
			File: rekeyGo, At: "q.pending = s.epochKeys(q, m.Epoch, &r.root)",
			After: `
q.pending.send.Continue(&q.keys.send)
q.keys.send = q.pending.send`,
		},
	},
	{
		Name: "counts-anew-after-rekey", Requirement: "XTMP-RKY-029",
		Description: "A client counts its frames from 0 again under fresh keys.",
		Edit: Edit{
			File: rekeyGo,
			At: `
next.send.Continue(&q.keys.send)
		q.keys.send, q.keys.epoch = next.send, next.epoch
		q.pending = next`,
			New: `
if !$on {
next.send.Continue(&q.keys.send)
}
q.keys.send, q.keys.epoch = next.send, next.epoch
q.pending = next`,
		},
	},
	{
		Name: "leaks-half-open", Requirement: "XTMP-LIM-010",
		Description: "A connection that ends before it has a session is counted for ever.",
		Edit: Edit{
			File: sessionGo, At: "s.cfg.Server.Admission.Leave(s.source, s.settled)",
			Instead: `
if s.settled {
s.cfg.Server.Admission.Leave(s.source, true)
}`,
		},
	},
	{
		Name: "pings-without-end", Requirement: "XTMP-HBT-023",
		Description: "A server that has heard nothing for three intervals sends one PING after the other, without a pause.",
		Edit: Edit{
			File: timersGo, At: "return min(d, max(p.receivedAt+missedIntervals*s.cfg.HeartbeatInterval, p.sentAt+s.cfg.HeartbeatInterval))",
			Before: "return min(d, p.receivedAt+missedIntervals*s.cfg.HeartbeatInterval)",
		},
	},
	{
		Name: "forgets-a-reply", Requirement: "XTMP-MSG-001",
		Description: "Every 29th reply is not sent, and the request not acknowledged.",
		Edit: Edit{
			File: messageGo, At: "m.typ, m.flags, m.replyTo, m.call = c.Type, wire.FlagRequiresAck|wire.FlagReply, c.Mid, c",
			Before: `
if c.Mid%29 == 0 && c.Type == wire.TypeProbe {
s.paths[0].ackCount -= int(c.frames)
return
}`,
		},
	},
	{
		Name: "idles-from-the-start", Requirement: "XTMP-HBT-015",
		Description: "A connection is given up connection_timeout after it began, however much it carries.",
		Edit: Edit{
			File: moveGo, At: "p.receivedAt, p.pinged = now.Elapsed, 0",
			New: `
if !$on {
p.receivedAt = now.Elapsed
}
p.pinged = 0`,
		},
	},

	// UDP, and several paths.
	{
		Name: "executes-again-after-a-move", Requirement: "XTMP-MSG-017",
		Description: "A server that moves forgets which requests it has executed.",
		Edit:        Edit{File: moveGo, At: "standby := p.standby", Before: "if s.role == Server {\ns.in = midSet{}\n}"},
	},
	{
		Name: "executes-again-after-parking", Requirement: "XTMP-PRK-005",
		Description: "A server that parks a session forgets the last requests that it has executed.",
		Edit:        Edit{File: moveGo, At: "s.parked = true", After: "s.in = midSet{done: s.in.done - min(s.in.done, 8)}"},
	},
	{
		Name: "leaves-messages-behind", Requirement: "XTMP-PTH-029",
		Description: "A client that moves sends nothing again of what was under way on the path that it leaves.",
		Edit: Edit{
			File: moveGo, At: "s.resend(func(q *Path) bool { return q != p })",
			New: "s.resend(func(q *Path) bool { return q != p && (!$on || s.role == Server) })",
		},
	},
	{
		Name: "parks-nothing", Requirement: "XTMP-PRK-002",
		Description: "A server ends a session that has lost its last path.",
		Edit:        Edit{File: moveGo, If: "!s.withinParkingBounds()", Or: "true"},
	},
	{
		Name: "parks-for-two-seconds", Requirement: "XTMP-PRK-004",
		Description: "A server keeps a session without a path for two seconds.",
		Edit: Edit{
			File: moveGo, At: "return s.pathlessSince + parkTimeout",
			Before: "if s.role == Server {\nreturn s.pathlessSince + 2*time.Second\n}",
		},
	},
	{
		Name: "leaks-the-parked", Requirement: "XTMP-LIM-016",
		Description: "A session that has a path again is counted as parked for ever.",
		Edit:        Edit{File: moveGo, At: "s.cfg.Server.Admission.Unpark(s.source)", Instead: "_ = 0"},
	},
	{
		Name: "binds-paths-to-nothing", Requirement: "XTMP-ATT-035",
		Description: "A server derives the keys of an attached path from another AttachAck than it sends.",
		Edit: Edit{
			File: attachGo, At: "p.binder = security.PathBinder(attach, ack)",
			After: "if s.role == Server {\np.binder[0]++\n}",
		},
	},
	{
		Name: "attaches-with-one-counter", Requirement: "XTMP-ATT-001",
		Description: "A client uses its attach counter again.",
		Edit:        Edit{File: attachClientGo, At: "t.counter++ // [XTMP-ATT-001]", New: "if !$on {\nt.counter++\n}"},
	},
	{
		Name: "forgets-lost-datagrams", Requirement: "XTMP-REC-005",
		Description: "What a lost datagram carried is not sent again.",
		Edit: Edit{
			File: datagramsSendGo,
			At:   "func (p *Path) again(lost []carried) { p.udp.resend = append(p.udp.resend, lost...) }",
			New:  "func (p *Path) again(lost []carried) {\nif !$on {\np.udp.resend = append(p.udp.resend, lost...)\n}\n}",
		},
	},
	{
		Name: "takes-a-part-for-the-whole", Requirement: "XTMP-ACK-031",
		Description: "A message on UDP counts as acknowledged when one of its fragments is.",
		Edit: Edit{
			File: datagramsSendGo, At: "bits.OnesCount64(m.arrived) == int(m.count)",
			New: "$on || bits.OnesCount64(m.arrived) == int(m.count)",
		},
	},
	{
		Name: "acks-the-gaps", Requirement: "XTMP-ACK-013",
		Description: "An Ack on UDP covers one datagram below each range that did not arrive.",
		Edit: Edit{
			File: receivedGo, At: "delay := (now - r.largestAt) / time.Microsecond",
			Before: "if first := &r.w.ranges[0]; r.w.count > 1 && first.Low > r.w.ranges[1].High+1 {\nfirst.Low--\n}",
		},
	},
	{
		Name: "contacts-without-proof", Requirement: "XTMP-UDP-025",
		Description: "A server answers every ClientHello with its flight, whatever its token.",
		Edit:        Edit{File: contactGo, If: "!e.udp.tokens.Valid(now.Elapsed, f.Token, from, f.HandshakeID)", Unless: "true"},
	},
	{
		Name: "amplifies-while-validating", Requirement: "XTMP-UDP-109",
		Description: "A server counts far more than what has come from an address that it validates.",
		Edit: Edit{
			File: addressGo, At: "until: now.Elapsed + 3*p.pto(), received: n}",
			After: "u.challenge.received += 1 << 20",
		},
	},
	{
		Name: "follows-any-address", Requirement: "XTMP-UDP-106",
		Description: "A server sends to the address from which the newest frame came, and asks for no proof.",
		Edit: Edit{
			File: addressGo, If: "c != nil && from == c.to",
			Or: "newest && s.role == Server && func() bool { u.peer = from; return false }()",
		},
	},
	{
		Name: "wakes-for-what-is-over", Requirement: "XTMP-ACK-019",
		Description: "A timer of UDP stays due when its time has come and nothing may be sent.",
		Edit:        Edit{File: datagramsGo, If: "ok && at > s.latest", Or: "ok"},
	},
	{
		Name: "gives-up-parts-after-loss", Requirement: "XTMP-REC-014",
		Description: "The congestion window of a path that has lost a datagram closes.",
		Edit: Edit{
			File: congestionGo, At: "c.window = max(c.window/2, windowMin*c.datagram)",
			After: "c.window = 0",
		},
	},
	{
		Name: "numbers-two-alike", Requirement: "XTMP-UDP-072",
		Description: "Every eighth datagram of a path has the sequence number of the one before.",
		Edit: Edit{
			File: slotGo, At: "func (s *Sealer) SkipTo(sequence uint64) { s.next = max(s.next, sequence) }",
			New: `
func (s *Sealer) SkipTo(sequence uint64) {
if s.next = max(s.next, sequence); $on && s.next%8 == 7 {
s.next--
}
}`,
		},
	},
	{
		Name: "tries-once", Requirement: "XTMP-PRK-015",
		Description: "A client whose attempt to attach has failed makes no other.",
		Edit:        Edit{File: attachClientGo, At: "b.failures++", After: "b.urgentAt = never\nreturn"},
	},
}
