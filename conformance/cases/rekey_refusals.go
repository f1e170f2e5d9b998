package cases

import (
	"math"
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// rekeyRefusals returns the cases about a RekeyInit that comes at the wrong time, or
// is none.
func rekeyRefusals() []conformance.Case {
	return []conformance.Case{
		wrongEpoch(), rekeyTooSoon(), secondRekeyInFlight(), rekeyRepeated(), rekeyWithoutMid(), rekeyOfWrongSize(),
		orderOfRekeyRefusals(),
	}
}

func wrongEpoch() conformance.Case {
	return conformance.Case{
		ID: "XC-0620", Title: "A RekeyInit for another epoch than the next is a violation.",
		Proves: []string{"XTMP-RKY-025"}, Control: controlRekey, Expect: violates("PROTOCOL_VIOLATION", "XTMP-RKY-025"),
		Params: []conformance.Param{param("rekeys", "0", "1"), param("epoch", "0", "current", "next + 1", "2^32 - 1")},
		Timer:  "T_REKEY_GAP",
		Explain: explain("Both ends count epochs; where they disagree they derive different keys, and the session would die without a reason.",
			"A RekeyInit, correct but for its epoch, in a new session or after a rekey.",
			"the epoch is not looked at", "any greater epoch is taken", "the epoch is compared with the one of the handshake"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			if x.Param("rekeys") == "1" {
				rekeyed(x, s)
				x.Pause("T_REKEY_GAP")
			}
			epoch := map[string]uint64{
				"0": 0, "current": s.Epoch(), "next + 1": s.Epoch() + 2, "2^32 - 1": math.MaxUint32,
			}
			r := s.RekeyDefaults()
			r.Body.SetUint("epoch", epoch[x.Param("epoch")])
			send(x, s.SendDrafts(s.RekeyDraft(r)))
			judgeError(x, s)
		},
	}
}

func rekeyTooSoon() conformance.Case {
	return conformance.Case{
		ID: "XC-0621", Title: "A RekeyInit less than T_REKEY_GAP_MIN behind the one before is a violation.",
		Proves: []string{"XTMP-RKY-026"}, Control: "XC-0601", Expect: violates("PROTOCOL_VIOLATION", "XTMP-RKY-026"),
		Timer: "T_REKEY_GAP_MIN",
		Explain: explain("A rekey costs the server an ML-KEM encapsulation; a client must not be able to ask for them in a row.",
			"A rekey that completes, and at once a RekeyInit for the epoch after it.",
			"there is no bound", "the bound is that of the client, or is counted from the confirmation"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			began := time.Now()
			rekeyed(x, s)
			send(x, s.SendDrafts(s.RekeyDraft(s.RekeyDefaults())))
			if time.Since(began) >= x.AtLeast("T_REKEY_GAP_MIN")/2 {
				x.Inconclusive("the first rekey took too long to ask for a second in time")
			}
			judgeError(x, s)
		},
	}
}

func secondRekeyInFlight() conformance.Case {
	return conformance.Case{
		ID: "XC-0622", Title: "A RekeyInit under a new mid while a rekey is in flight is a violation.",
		Proves: []string{"XTMP-RKY-024"}, Control: controlRekey, Expect: violates("PROTOCOL_VIOLATION", "XTMP-RKY-024"),
		Params: []conformance.Param{param("epoch", "same", "next"), param("when", "after T_REKEY_GAP", "after RekeyResp")},
		Timer:  "T_REKEY_GAP",
		Explain: explain("A server that starts the second rekey forgets the first, or holds the keys of three epochs.",
			"Two RekeyInits, the second for the same epoch or the one after it, before any frame under the new keys.",
			"the second replaces the first", "a rekey counts as over when RekeyResp is sent"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			respond(x, s, sendRekey(x, s))
			if x.Param("when") == "after T_REKEY_GAP" {
				x.Pause("T_REKEY_GAP")
			}
			r := s.RekeyDefaults()
			if x.Param("epoch") == "next" {
				r.Body.SetUint("epoch", 2)
			}
			send(x, s.SendDrafts(s.RekeyDraft(r)))
			judgeError(x, s)
		},
	}
}

func rekeyRepeated() conformance.Case {
	return conformance.Case{
		ID: "XC-0623", Title: "A RekeyInit under a mid that is complete is acknowledged and has no other effect.",
		Proves:  []string{"XTMP-MSG-020"},
		Touches: []string{"XTMP-RKY-024", "XTMP-MSG-019"}, Control: controlRekey, Expect: ignores("XTMP-MSG-020"),
		Params: []conformance.Param{
			param("when", "in flight", "after the switch"), param("again", "same", "other", "malformed", "other hs_type"),
		},
		Explain: explain("What was dealt with is dealt with; a second RekeyResp would give the two ends different keys.",
			"A rekey, and a second frame of type 0x01 under the mid of its RekeyInit while it is in flight or after it; then a PING.",
			"a rekey is judged before its mid", "RekeyResp is sent again"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			r := sendRekey(x, s)
			respond(x, s, r)
			if x.Param("when") == "after the switch" {
				s.Switch(r)
				fence(x, s)
			}
			again := s.RekeyDefaults()
			if x.Param("again") == "same" {
				again.Body, again.HandshakeID = r.Body, r.HandshakeID
			}
			d := s.RekeyDraft(again)
			d.Plaintext.Prologue.SetUint("mid", r.Mid())
			switch x.Param("again") {
			case "malformed":
				d.Plaintext.Body = nil
			case "other hs_type":
				d.Plaintext.Envelope.SetUint("hs_type", hsClientHello)
			}
			send(x, s.SendDrafts(d))
			judgeIgnored(x, s, isAck)
		},
	}
}

func rekeyWithoutMid() conformance.Case {
	return conformance.Case{
		ID: "XC-0624", Title: "A RekeyInit without REQUIRES_ACK is a violation.",
		Proves: []string{"XTMP-RKY-038"}, Control: controlRekey, Expect: violates("PROTOCOL_VIOLATION", "XTMP-RKY-038"),
		Explain: explain("RekeyResp names the mid that it answers; without one it has nothing to name.",
			"A RekeyInit, correct but without REQUIRES_ACK and mid.",
			"the message is taken for one of the handshake", "it is answered with reply_to 0"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			sendRekey(x, s, withoutMid)
			judgeError(x, s)
		},
	}
}

func rekeyOfWrongSize() conformance.Case {
	return conformance.Case{
		ID: "XC-0625", Title: "A RekeyInit whose body has not exactly 1220 bytes is a violation.",
		Proves: []string{"XTMP-ERR-021"}, Touches: []string{"XTMP-CON-004"}, Control: controlRekey,
		Expect: violates("PROTOCOL_VIOLATION", "XTMP-ERR-021"),
		Params: []conformance.Param{param("bytes", "0", "3", "36", "1219", "1221", "8192")},
		Explain: explain("Two ends that hash different bodies derive different keys; what does not fit the layout is refused and not cut.",
			"A RekeyInit whose body was cut, or has zeros behind it, in a good envelope.",
			"only a minimum of bytes is required", "the rest of a long body is left out of the hash"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			sendRekey(x, s, func(d *peer.Draft) { d.Plaintext.Body = ofSize(d.Plaintext.Body, x.Param("bytes")) })
			judgeError(x, s)
		},
	}
}

func orderOfRekeyRefusals() conformance.Case {
	return conformance.Case{
		ID: "XC-0626", Title: "Of several faults of a RekeyInit the first of 11.6 decides.",
		Proves: []string{"XTMP-RKY-037"}, Touches: []string{"XTMP-MSG-039", "XTMP-RKY-025", "XTMP-RKY-032"}, Control: controlRekey,
		Expect: conformance.Expect{
			Strict: []conformance.Reaction{
				conformance.Row(conformance.ErrorFrame(code("UNEXPECTED_MESSAGE"), conformance.ScopeSession), "XTMP-RKY-037"),
			},
			Forbidden: violates("UNEXPECTED_MESSAGE").Forbidden,
		},
		Params: []conformance.Param{param("besides hs_type", "length", "empty body", "epoch", "mid", "X25519", "ML-KEM")},
		Explain: explain("Two servers that judge in another order tell a client different things about the same frame.",
			"A frame of type 0x01 with a good envelope, an hs_type that is not that of RekeyInit, and a second fault that comes later in the order.",
			"the body is decoded before hs_type is judged"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			r := s.RekeyDefaults()
			switch x.Param("besides hs_type") {
			case "epoch":
				r.Body.SetUint("epoch", 7)
			case "X25519":
				r.Body.Set("x25519", make([]byte, 32))
			case "ML-KEM":
				r.Body.Set("mlkem768_ek", withCoefficient(r.Body.Bytes("mlkem768_ek"), 0, 4095))
			}
			d := s.RekeyDraft(r)
			d.Plaintext.Envelope.SetUint("hs_type", hsClientHello)
			switch x.Param("besides hs_type") {
			case "length":
				d.Plaintext.Body = make([]byte, 3)
			case "empty body": // an envelope with a total_len of 0 is a good one [XTMP-ENV-010, XTMP-ENV-011]
				d.Plaintext.Body = nil
			case "mid":
				withoutMid(d)
			}
			send(x, s.SendDrafts(d))
			judgeError(x, s)
		},
	}
}
