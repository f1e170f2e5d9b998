package faulty

// numberMutants break section 12.7, sequence numbers and replay.
var numberMutants = []Mutant{
	{
		Name: "numbers-in-pairs", Requirement: "XTMP-UDP-072",
		Description: "Every other frame on UDP has the sequence number of the frame before.",
		Edit: Edit{
			File: slotGo,
			At:   "func (s *Sealer) SkipTo(sequence uint64) { s.next = max(s.next, sequence) }",
			New: `
func (s *Sealer) SkipTo(sequence uint64) {
if $on {
s.next = sequence &^ 1
return
}
s.next = max(s.next, sequence)
}`,
		},
	},
	{
		Name: "leaves-nothing-out", Requirement: "XTMP-UDP-073",
		Description: "No sequence number is left out.",
		Edit:        Edit{File: numbersGo, If: "n.left == 0", Unless: "true"},
	},
	{
		Name: "leaves-out-the-same", Requirement: "XTMP-UDP-074",
		Description: "Every session leaves out the same sequence numbers.",
		Edit:        Edit{File: numbersGo, At: "n.left = 1 + uint32(entropy()&uint64(2*n.period-1))", Instead: "n.left = n.period / 4"},
	},
	{
		Name: "leaves-out-two", Requirement: "XTMP-UDP-076",
		Description: "Two sequence numbers are left out at a time.",
		Edit: Edit{
			File: numbersGo,
			At: `
n.next++
	n.period`,
			New: `
n.next += 1 + map[bool]uint64{true: 1}[$on]
	n.period`,
		},
	},
	{
		Name: "remembers-one-left-out", Requirement: "XTMP-UDP-077",
		Description: "Of the sequence numbers that were left out the last one is remembered.",
		Edit: Edit{
			File:  numbersGo,
			At:    "n.leftOut = append(slices.Delete(n.leftOut, 0, old), n.next)",
			After: "n.leftOut = n.leftOut[len(n.leftOut)-1:]",
		},
	},
	{
		Name: "window-anew-in-each-epoch", Requirement: "XTMP-UDP-078",
		Description: "A rekey empties the replay window.",
		Edit: Edit{
			File:  datagramsGo,
			At:    "p.udp.old, p.udp.firstNew = &old, sequence",
			After: "p.udp.recv = recovery.Received{}",
		},
	},
	{
		Name: "takes-datagrams-twice", Requirement: "XTMP-UDP-079",
		Description: "A datagram that comes again is processed again.",
		Edit: Edit{
			File: receivedGo,
			At:   "return r.w.ring[seq/wordBits%windowWords]",
			New:  "return $on || r.w.ring[seq/wordBits%windowWords]",
		},
	},
	{
		Name: "remembers-64-numbers", Requirement: "XTMP-UDP-079",
		Description: "A datagram that comes again after 64 others is processed again.",
		Edit: Edit{
			File: receivedGo,
			At:   "return r.w.ring[seq/wordBits%windowWords]",
			Before: `
if r.next-seq > 64 {
return true
}`,
		},
	},
	{
		Name: "takes-what-is-too-old", Requirement: "XTMP-UDP-079",
		Description: "A sequence number below the window is accepted.",
		Edit:        Edit{File: receivedGo, At: "case seq < r.floor || r.next-seq > windowSize:", After: "return true"},
	},
	{
		Name: "window-of-1024", Requirement: "XTMP-UDP-080",
		Description: "A sequence number 1024 below the highest is refused.",
		Edit:        Edit{File: receivedGo, If: "seq < r.floor || r.next-seq > windowSize", Or: "r.next-seq > 1024"},
	},
	{
		Name: "refuses-far-numbers", Requirement: "XTMP-UDP-080",
		Description: "A sequence number more than 8128 above the highest is refused.",
		Edit: Edit{
			File: receivedGo,
			At:   "return seq < sequenceEnd",
			New:  "return seq < sequenceEnd && (!$on || seq <= r.next+windowSize)",
		},
	},
	{
		Name: "remembers-forged-numbers", Requirement: "XTMP-UDP-081",
		Description: "The sequence number of a datagram that does not open is taken as received.",
		Edit: Edit{
			File:   datagramsGo,
			At:     "if s.forged++; s.forged == forgedMax {",
			Before: "u.recv.Add(now.Elapsed, h.Sequence, false, false)",
		},
	},
	{
		Name: "window-of-20-s-on-udp", Requirement: "XTMP-UDP-082",
		Description: "A datagram stamped more than 20 s behind is dropped.",
		Edit: Edit{
			File: datagramsGo,
			If:   "!p.stampInWindow(now, h.Timestamp)",
			Or:   "int64(h.Timestamp)-int64(p.anchorStamp)-int64(micros(now.Elapsed-p.anchorAt)) < -20_000_000",
		},
	},
	{
		Name: "window-of-tcp-on-udp", Requirement: "XTMP-UDP-083",
		Description: "A datagram stamped up to 300 s behind is accepted.",
		Edit:        Edit{File: pathGo, At: "early = stampEarlyUDP", Instead: "_ = now"},
	},
	{
		Name: "takes-future-datagrams", Requirement: "XTMP-UDP-083",
		Description: "A datagram stamped more than 30 s ahead is accepted.",
		Edit:        Edit{File: datagramsGo, If: "!p.stampInWindow(now, h.Timestamp)", Unless: "h.Timestamp > p.anchorStamp"},
	},
	{
		Name: "finds-path-by-address", Requirement: "XTMP-UDP-085",
		Description: "A datagram from another address than that of the path is dropped.",
		Edit:        Edit{File: datagramsGo, If: "s.role == Client && from != u.peer", Or: "from != u.peer"},
	},
}

// ackOnUDPMutants break section 12.8, Acks on UDP.
var ackOnUDPMutants = []Mutant{
	{
		Name: "acks-less-on-udp", Requirement: "XTMP-ACK-013",
		Description: "An Ack leaves out the highest number, unless there is no other.",
		Edit: Edit{
			File: receivedGo,
			At:   "return wire.AppendAck(dst, uint32(min(delay, 1<<32-1)), r.w.ranges[:r.w.count])",
			Before: `
ranges := r.w.ranges
if ranges[0].High > ranges[0].Low {
ranges[0].High--
return wire.AppendAck(dst, uint32(min(delay, 1<<32-1)), ranges[:r.w.count])
}
if r.w.count > 1 {
return wire.AppendAck(dst, uint32(min(delay, 1<<32-1)), ranges[1:r.w.count])
}`,
		},
	},
	{
		Name: "first-range-0", Requirement: "XTMP-ACK-014",
		Description: "first_range is 0, and what is below largest counts as a gap.",
		Edit: Edit{
			File: receivedGo,
			At:   "return wire.AppendAck(dst, uint32(min(delay, 1<<32-1)), r.w.ranges[:r.w.count])",
			Before: `
ranges := r.w.ranges
ranges[0].Low = ranges[0].High
return wire.AppendAck(dst, uint32(min(delay, 1<<32-1)), ranges[:r.w.count])`,
		},
	},
	{
		Name: "acks-three-ranges", Requirement: "XTMP-ACK-015",
		Description: "An Ack has two pairs at most.",
		Edit: Edit{
			File: ackGo,
			At:   "min(len(ranges), MaxAckRanges)]",
			New:  "min(len(ranges), MaxAckRanges-map[bool]int{true: 30}[$on])]",
		},
	},
	{
		Name: "cuts-long-gaps", Requirement: "XTMP-ACK-016",
		Description: "Of a gap of more than 65535 the low 16 bits are sent.",
		Edit:        Edit{File: ackGo, If: "!whole || missing > ackField", Unless: "whole"},
	},
	{
		Name: "acks-what-has-not-come", Requirement: "XTMP-ACK-017",
		Description: "An Ack covers the gaps between what has come.",
		Edit: Edit{
			File: receivedGo,
			At:   "return wire.AppendAck(dst, uint32(min(delay, 1<<32-1)), r.w.ranges[:r.w.count])",
			Before: `
all := []wire.AckRange{{Low: r.w.ranges[r.w.count-1].Low, High: r.w.ranges[0].High}}
return wire.AppendAck(dst, uint32(min(delay, 1<<32-1)), all)`,
		},
	},
	{
		Name: "ack-delay-0", Requirement: "XTMP-ACK-018",
		Description: "ack_delay_us of an Ack is 0.",
		Edit:        Edit{File: receivedGo, At: "delay := (now - r.largestAt) / time.Microsecond", After: "delay = 0"},
	},
	{
		Name: "acks-late-on-udp", Requirement: "XTMP-ACK-019",
		Description: "A single frame is acknowledged after a quarter of a second.",
		Edit:        Edit{File: receivedGo, At: "r.since = now", After: "r.since += 9 * ackDelay"},
	},
	{
		Name: "acks-by-timer-alone-on-udp", Requirement: "XTMP-ACK-020",
		Description: "An Ack waits for T_ACK, however many frames have come.",
		Edit:        Edit{File: receivedGo, At: "r.pending++", Instead: "r.pending = 1"},
	},
	{
		Name: "waits-after-a-gap", Requirement: "XTMP-ACK-021",
		Description: "A frame out of order waits for its Ack like any other.",
		Edit:        Edit{File: receivedGo, At: "r.atOnce = r.atOnce || !inOrder", Instead: "_ = inOrder"},
	},
	{
		Name: "acks-twice", Requirement: "XTMP-ACK-023",
		Description: "Two Acks follow two frames.",
		Edit: Edit{
			File:    receivedGo,
			At:      "r.pending, r.atOnce = 0, false",
			Instead: "r.pending, r.atOnce = r.pending/2, r.pending >= 2",
		},
	},
	{
		Name: "acks-heartbeats-on-udp", Requirement: "XTMP-ACK-024",
		Description: "Every frame calls for an Ack, a Heartbeat too.",
		Edit: Edit{
			File:    datagramsGo,
			At:      "u.recv.Add(now.Elapsed, h.Sequence, eliciting(h), !u.refused)",
			Instead: "u.recv.Add(now.Elapsed, h.Sequence, true, !u.refused)",
		},
	},
	{
		Name: "acks-again", Requirement: "XTMP-ACK-024",
		Description: "An Ack of two frames is followed by another after T_ACK.",
		Edit:        Edit{File: receivedGo, At: "r.pending, r.atOnce = 0, false", Instead: "r.pending, r.atOnce = r.pending/2, false"},
	},
	{
		Name: "acks-on-current-path", Requirement: "XTMP-ACK-025",
		Description: "What came on another connection is acknowledged on the current one.",
		Edit: Edit{
			File: outputGo,
			At:   "return s.seal(now, p, dst, wire.TypeAck, 0, nil, wire.AppendStreamAck(body[:0], p.received-1))",
			Before: `
if here := s.here(); here != nil && here != p && here.kind == TCP && !here.closed() {
here.raw = s.seal(now, here, here.raw, wire.TypeAck, 0, nil, wire.AppendStreamAck(body[:0], p.received-1))
s.wake()
return dst
}`,
		},
	},
	{
		Name: "takes-ack-of-the-future-on-udp", Requirement: "XTMP-ACK-027",
		Description: "An Ack on UDP may cover what was not sent.",
		Edit:        Edit{File: senderGo, If: "largest >= s.next", Unless: "true"},
	},
	{
		Name: "takes-ack-of-what-was-left-out", Requirement: "XTMP-ACK-027",
		Description: "An Ack may cover a sequence number that was left out.",
		Edit:        Edit{File: senderGo, If: "s.hole(r.Low, r.High)", Unless: "true"},
	},
	{
		Name: "takes-gaps-of-0", Requirement: "XTMP-ACK-028",
		Description: "A gap or a length of an Ack may be 0.",
		Edit: Edit{
			File:   ackGo,
			If:     "missing == 0 || received == 0 || missing+received > low",
			Unless: "missing+received <= low",
		},
	},
	{
		Name: "takes-ranges-below-0", Requirement: "XTMP-ACK-028",
		Description: "The ranges of an Ack may end below 0.",
		Edit: Edit{
			File:   ackGo,
			If:     "missing == 0 || received == 0 || missing+received > low",
			Unless: "missing != 0 && received != 0 && missing+received > low",
		},
	},
	{
		Name: "takes-long-ack-on-udp", Requirement: "XTMP-ACK-029",
		Description: "Bytes behind the pairs of an Ack are ignored.",
		Edit: Edit{
			File: ackGo,
			At:   "if len(b) < AckSize || len(b) != AckSize+ackPairSize*int(b[14]) || b[15] != 0 {",
			Before: `
if len(b) >= AckSize {
b = b[:min(len(b), AckSize+ackPairSize*int(b[14]))]
}`,
		},
	},
	{
		Name: "refuses-old-ack-on-udp", Requirement: "XTMP-ACK-030",
		Description: "An Ack with a lower largest than one before is a violation.",
		Edit: Edit{
			File: senderGo,
			At:   "if largest >= s.next {",
			Before: `
if largest+1 < s.ackedTo {
return nil, nil, ErrNotSent
}`,
		},
	},
	{
		Name: "one-fragment-settles-all", Requirement: "XTMP-ACK-031",
		Description: "A message is done with when one of its fragments is acknowledged.",
		Edit: Edit{
			File: datagramsSendGo,
			At:   "bits.OnesCount64(m.arrived) == int(m.count)",
			New:  "$on || bits.OnesCount64(m.arrived) == int(m.count)",
		},
	},
	{
		Name: "adds-up-cuts", Requirement: "XTMP-ACK-032",
		Description: "Acknowledgements of fragments add up over paths and cuts.",
		Edit:        Edit{File: datagramsSendGo, At: "m.arrived = 0", Instead: "_ = p"},
	},
}
