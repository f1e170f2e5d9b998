package cases

import (
	"bytes"
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// rekeyUDP returns the cases of 11.7 about a session on UDP.
func rekeyUDP() []conformance.Case {
	list := []conformance.Case{overtakenByRekey(), oldKeysEnd(), oldEpochBehindNew(), rekeyRepeatedUDP(), replayAfterRekey()}
	for i := range list {
		list[i].Profile = profileUDP
	}
	return list
}

// controlOvertaken is the control twin of frames under old keys that come too late.
const controlOvertaken = "XC-0649"

// switchedUDP returns a session on UDP that has switched to a new epoch by a PING that
// has overtaken another, which is returned: it was sealed under the old keys, with
// the number before.
func switchedUDP(x *conformance.Exchange) (s *peer.Session, overtaken *peer.Draft, moment time.Time) {
	s = udpSession(x)
	r := responded(x, s)
	overtaken = s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, peer.PingData([]byte("overtaken"))))
	s.Switch(r)
	moment = time.Now()
	prepare(x, s)
	return s, overtaken, moment
}

// inTime ends the case unless the old keys are still to be there.
func inTime(x *conformance.Exchange, moment time.Time) {
	if time.Since(moment) >= x.AtLeast("T_OLD_KEYS") {
		x.Inconclusive("the judge was slower than T_OLD_KEYS")
	}
}

func overtakenByRekey() conformance.Case {
	return conformance.Case{
		ID: controlOvertaken, Title: "A datagram under the old keys that was overtaken by one under the new keys is taken.",
		Proves: []string{"XTMP-RKY-054"}, Touches: []string{"XTMP-RKY-023"}, Expect: accepts(),
		Explain: explain("Datagrams overtake each other; without a grace every rekey would lose some.",
			"A rekey; a PING under the new keys, and at once one under the old keys with the sequence number before it. It is answered, under "+
				"the new "+
				"keys.",
			"the old receive keys go at the switch, as on TCP"),
		Run: func(x *conformance.Exchange) {
			s, overtaken, moment := switchedUDP(x)
			send(x, s.SendDrafts(overtaken))
			inTime(x, moment)
			_, _, err := s.Expect(0, isHeartbeat(peer.Pong, peer.PingData([]byte("overtaken"))))
			x.Judge(observe(x, err, conformance.BudgetReply))
			x.RequireField("epoch of the PONG", 1, s.Last().Epoch)
		},
	}
}

func oldKeysEnd() conformance.Case {
	return conformance.Case{
		ID: "XC-1378", Title: "The old receive keys of a UDP path are gone T_OLD_KEYS_MAX after the switch.",
		Proves: []string{"XTMP-RKY-054"}, Timer: "T_OLD_KEYS_MAX", Labels: []string{conformance.LabelSlow}, Control: controlOvertaken,
		Expect: ignores("XTMP-RKY-054"),
		Explain: explain("What was overtaken arrives soon or never; keys that stay let old frames in.",
			"A rekey; a PING under the new keys, and T_OLD_KEYS_MAX later one under the old keys with the sequence number before it. It is dropped.",
			"receive keys are dropped with the root and not before", "they are kept until the next rekey"),
		Run: func(x *conformance.Exchange) {
			s, overtaken, _ := switchedUDP(x)
			x.Pause("T_OLD_KEYS_MAX")
			x.Pause("T_LINGER") // the second for which a timer may be late
			send(x, s.SendDrafts(overtaken))
			judgeIgnored(x, s, isAck)
		},
	}
}

func oldEpochBehindNew() conformance.Case {
	return conformance.Case{
		ID: "XC-1379", Title: "A datagram under the old keys with a higher sequence number than one under the new keys is a violation.",
		Proves: []string{"XTMP-RKY-055"}, Control: controlOvertaken, Expect: violates("PROTOCOL_VIOLATION", "XTMP-RKY-055"),
		Explain: explain("Within a path epochs rise with sequence numbers; whoever seals new frames under old keys is not who switched.",
			"A rekey; a PING under the new keys, and at once one under the old keys with the next sequence number.",
			"the epoch is looked up by key and not compared", "the frame is dropped, as one of an unknown key is"),
		Run: func(x *conformance.Exchange) {
			s, overtaken, moment := switchedUDP(x)
			late := s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, peer.PingData([]byte("late"))))
			late.Keys = overtaken.Keys
			send(x, s.SendDrafts(late))
			inTime(x, moment)
			o := reaction(x, s, conformance.BudgetReply)
			x.Judge(o)
			requireShut(x, s)
		},
	}
}

func rekeyRepeatedUDP() conformance.Case {
	return conformance.Case{
		ID: "XC-1349", Title: "A RekeyInit that comes again on UDP brings the same RekeyResp again, at once.",
		Proves: []string{"XTMP-RKY-051"}, Touches: []string{"XTMP-UDP-098", "XTMP-REC-007", "XTMP-REC-008"}, Expect: accepts(),
		Explain: explain("A RekeyResp that was lost is asked for by sending RekeyInit again; another one would give other keys.",
			"RekeyInit; RekeyResp is not acknowledged, and its first two repetitions tell PTO and when the third is due. Halfway to it the "+
				"fragments "+
				"of RekeyInit come again. RekeyResp comes before that, under its mid and with the same body.",
			"RekeyResp is made anew", "a repeated RekeyInit is a second rekey, or is only acknowledged"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			s.Acks = false
			r := s.RekeyDefaults()
			fragments := s.RekeyDrafts(r)
			send(x, s.SendDrafts(fragments...))
			var copies []*peer.Received // of the fragment with index 0
			for len(copies) < 3 {
				copies = append(copies, nextFirst(x, s, r.Mid()))
			}
			pto, last := min(copies[1].At.Sub(copies[0].At), copies[2].At.Sub(copies[1].At)/2), copies[2].At
			if early := firstUntil(x, s, r.Mid(), last.Add(2*pto)); early != nil {
				x.Inconclusive("the server repeats RekeyResp at other times than PTO")
			}
			for _, of := range fragments {
				d := s.Draft(typeHandshake, flag("REQUIRES_ACK", "FRAGMENT"), of.Plaintext.Body)
				d.Plaintext.Envelope = nil
				copyFragment(d, of)
				send(x, s.SendDrafts(d))
			}
			again := firstUntil(x, s, r.Mid(), last.Add(7*pto/2))
			if again == nil {
				x.Judge(conformance.Silence("T_ACK"))
			}
			x.RequireField("mid", copies[0].Mid(), again.Mid())
			x.Require(bytes.Equal(again.Plaintext.Body, copies[0].Plaintext.Body), "RekeyResp that comes again is the same message")
			x.Judge(conformance.Accepted())
		},
	}
}

func replayAfterRekey() conformance.Case {
	return conformance.Case{
		ID: "XC-1513", Title: "A frame of the old epoch that comes again after a rekey is dropped.",
		Proves: []string{"XTMP-UDP-078", "XTMP-UDP-079"}, Touches: []string{"XTMP-RKY-054"}, Control: controlOvertaken,
		Expect: ignores("XTMP-UDP-078"),
		Explain: explain("The old keys open for a while yet. A window that begins anew with the new ones takes every old frame a second time.",
			"A PATH_CHALLENGE that is answered; a rekey, and a PING under the new keys; at once the PATH_CHALLENGE again, byte for byte.",
			"there is a window for each epoch", "the window is cleared at the switch"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			r := responded(x, s)
			data := challenge(x, s)
			copied := s.Datagrams()[len(s.Datagrams())-1]
			if _, _, err := s.Expect(0, isHeartbeat(peer.PathResponse, data)); err != nil {
				unprepared(x, "PATH_RESPONSE", err)
			}
			s.Switch(r)
			moment := time.Now()
			prepare(x, s)
			send(x, s.Replay(copied))
			inTime(x, moment)
			judgeIgnored(x, s, isAck)
		},
	}
}

// nextFirst waits for the fragment with index 0 of a reply.
func nextFirst(x *conformance.Exchange, s *peer.Session, mid uint64) *peer.Received {
	r, _, err := s.Expect(0, isFirstOf(mid))
	if err != nil {
		unprepared(x, "a fragment of a reply", err)
	}
	return r
}

// firstUntil is nextFirst up to a moment, after which it returns nil.
func firstUntil(x *conformance.Exchange, s *peer.Session, mid uint64, moment time.Time) *peer.Received {
	for {
		r, err := s.ReadFrame(max(time.Until(moment), time.Millisecond))
		if err != nil {
			if o := observe(x, err, "T_ACK"); o.Kind != conformance.KindSilence {
				x.Judge(o)
			}
			return nil
		}
		if isFirstOf(mid)(r) {
			return r
		}
	}
}

func isFirstOf(mid uint64) func(*peer.Received) bool {
	return func(r *peer.Received) bool {
		return r.Plaintext != nil && r.ReplyTo() == mid && r.Plaintext.Prologue.Uint("index") == 0
	}
}
