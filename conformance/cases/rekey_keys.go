package cases

import (
	"encoding/hex"
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// rekeyKeys returns the cases about which keys a server takes, and when.
func rekeyKeys() []conformance.Case {
	return []conformance.Case{
		oldEpochAfterSwitch(), newEpochBeforeInit(), otherKeysOfRekey(), zeroSecretInRekey(), unreducedKeyInRekey(),
		stampAfterRekey(), stampOffAfterRekey(),
	}
}

func oldEpochAfterSwitch() conformance.Case {
	return conformance.Case{
		ID: "XC-0610", Title: "A frame under the old keys behind one under the new keys closes the connection silently.",
		Proves: []string{"XTMP-ORD-031"}, Touches: []string{"XTMP-ORD-017"}, Control: controlRekey, Expect: closes("XTMP-ORD-031"),
		Params: []conformance.Param{param("frame", "PING", "request", "violation"), param("when", "later", "in one write")},
		Explain: explain("Old keys that still open let an attacker who has them later speak in a session that has moved on.",
			"A rekey; then a frame under the keys of the epoch before with the next sequence number, in the write of the PING that confirms "+
				"the rekey or after its PONG.",
			"receive keys live on for T_RETIRE", "receive keys are looked up by trial", "the body is judged before the epoch"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			old, _ := s.Keys()
			r := sendRekey(x, s)
			respond(x, s, r)
			s.Switch(r)
			data := x.Entropy("ping").Bytes(8)
			confirming := s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, data))
			if x.Param("when") == "later" {
				send(x, s.SendDrafts(confirming))
				judgeAnswered(x, s, data)
			}
			var late *peer.Draft
			switch x.Param("frame") {
			case "PING":
				late = s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, []byte("late")))
			case "request":
				late = s.Draft(typeUnknown, flag("REQUIRES_ACK"), nil)
			case "violation":
				late = s.Draft(typeHeartbeat, 0, nil)
			}
			late.Keys = &old
			if x.Param("when") == "later" {
				send(x, s.SendDrafts(late))
			} else {
				send(x, s.SendDrafts(confirming, late))
			}
			judgeClosedAfterPong(x, s, data)
		},
	}
}

// judgeAnswered waits for a PONG, without which nothing can be asked.
func judgeAnswered(x *conformance.Exchange, s *peer.Session, data []byte) {
	if _, _, err := s.Expect(0, isHeartbeat(peer.Pong, data)); err != nil {
		unprepared(x, "a PONG", err)
	}
}

// judgeClosedAfterPong is judgeClosed where the PONG to what came before may come
// first, or be lost with the connection.
func judgeClosedAfterPong(x *conformance.Exchange, s *peer.Session, data []byte) {
	for {
		r, err := s.ReadFrame(patience(x, s, conformance.BudgetClose))
		if err != nil {
			x.Judge(observe(x, err, conformance.BudgetClose))
			return
		}
		if o, told := told(x, r); told && !isHeartbeat(peer.Pong, data)(r) && !isAck(r) {
			x.Judge(o)
			return
		}
	}
}

func newEpochBeforeInit() conformance.Case {
	return conformance.Case{
		ID: "XC-0611", Title: "A frame under keys of a rekey that has not begun closes the connection silently.",
		Proves: []string{"XTMP-ORD-017"}, Touches: []string{"XTMP-RKY-021"}, Control: controlRekey, Expect: closes("XTMP-ORD-017"),
		Params: []conformance.Param{param("after", "handshake", "rekey")},
		Explain: explain("The keys of the next epoch come from a fresh exchange; what opens before it opens under keys that anybody may guess.",
			"A PING under path keys that follow from the current root by an exchange of zeros, before any RekeyInit, or after a rekey that "+
				"was confirmed.",
			"a frame of an unknown key is taken for the next epoch", "the keys of a rekey exist before RekeyInit"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			if x.Param("after") == "rekey" {
				rekeyed(x, s)
			}
			badPing(x, s, func(d *peer.Draft) { d.Keys = guessedKeys(s, d.Keys) })
		},
	}
}

// guessedKeys are those of an epoch to which the exchange gave nothing.
func guessedKeys(s *peer.Session, current *testkit.Keys) *testkit.Keys {
	zero := make([]byte, 32)
	root := testkit.Derive("rekey", testkit.Values{
		"root": s.Schedule().Value("root_0"), "mlkem_ss": zero, "x25519_ss": zero, "rekey_init": nil, "rekey_resp": nil,
	}).Value("root_next")
	secrets := testkit.Derive("path", testkit.Values{"root": root, "binder": s.Schedule().Value("binder_0")})
	keys := testkit.DeriveKeys(secrets.Value("ts_client")).For(current.Suite)
	return &keys
}

func otherKeysOfRekey() conformance.Case {
	return conformance.Case{
		ID: "XC-0612", Title: "A frame under keys that differ in one bit of what a rekey mixes closes the connection silently.",
		Proves: []string{"XTMP-ORD-017"}, Touches: []string{"XTMP-RKY-021"}, Control: controlRekey, Expect: closes("XTMP-ORD-017"),
		Params: []conformance.Param{param("bit of", "key", "key_id", "iv", "RekeyInit")},
		Explain: explain("A rekey proves itself by its keys alone: an attacker who changed RekeyInit on the way must not be able to go on.",
			"RekeyInit, and a PING under the new keys with one bit changed, or after a RekeyInit of which the server got another bit of "+
				"handshake-independent data than we hash.",
			"the bodies are not hashed into the new root", "the server goes on under the old keys when nothing fits"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			r := s.RekeyDefaults()
			d := s.RekeyDraft(r)
			if x.Param("bit of") == "RekeyInit" {
				// The server gets another X25519 key than our transcript has.
				d.Plaintext.Body = append([]byte(nil), d.Plaintext.Body...)
				d.Plaintext.Body[4] ^= 1
			}
			send(x, s.SendDrafts(d))
			respond(x, s, r)
			s.Switch(r)
			keys := *r.Keys()
			switch x.Param("bit of") {
			case "key":
				keys.Key = flipped(keys.Key)
			case "key_id":
				keys.KeyID = flipped(keys.KeyID)
			case "iv":
				keys.IV = flipped(keys.IV)
			}
			badPing(x, s, func(d *peer.Draft) { d.Keys = &keys })
		},
	}
}

// flipped changes the lowest bit of the first byte.
func flipped(data []byte) []byte {
	out := append([]byte(nil), data...)
	out[0] ^= 1
	return out
}

func zeroSecretInRekey() conformance.Case {
	return conformance.Case{
		ID: "XC-0613", Title: "A RekeyInit whose X25519 key gives an all-zero secret ends the session by REKEY_FAILED.",
		Proves: []string{"XTMP-RKY-032", "XTMP-RKY-005"}, Control: controlRekey, Expect: violates("REKEY_FAILED", "XTMP-RKY-032"),
		Params: []conformance.Param{param("key", "0", "1", "order 8 a", "order 8 b", "p - 1", "p", "p + 1")},
		Explain: explain("A rekey is to give back secrecy after a loss; with such a key one half of it gives nothing.",
			"A RekeyInit, correct but for its X25519 public key, which is a point of small order.",
			"the check of the handshake is not repeated in the rekey", "the refusal is sent as a reply", "RekeyResp is sent before the check"),
		Run: func(x *conformance.Exchange) {
			key, err := hex.DecodeString(smallOrder(x.Param("key")))
			if err != nil || len(key) != 32 {
				x.Fatal(err)
			}
			badRekey(x, func(r *peer.Rekey) { r.Body.Set("x25519", key) })
		},
	}
}

// badRekey sends a RekeyInit with a change in its body, and judges the Error, which
// is no reply.
func badRekey(x *conformance.Exchange, change func(*peer.Rekey)) {
	s := session(x)
	r := s.RekeyDefaults()
	change(r)
	send(x, s.SendDrafts(s.RekeyDraft(r)))
	judgeError(x, s)
	if e := s.Last().Error(); e != nil {
		x.RequireField("reply_to", 0, e.ReplyTo)
	}
}

func unreducedKeyInRekey() conformance.Case {
	return conformance.Case{
		ID: "XC-0614", Title: "A RekeyInit whose ML-KEM-768 key fails the modulus check ends the session by REKEY_FAILED.",
		Proves: []string{"XTMP-RKY-032", "XTMP-RKY-005"}, Control: controlRekey, Expect: violates("REKEY_FAILED", "XTMP-RKY-032"),
		Params: []conformance.Param{param("coefficient", "0", "1", "766", "767"), param("value", "3329", "4095")},
		Explain: explain("FIPS 203 demands the check of every encapsulation key, and not of the first one of a session.",
			"A RekeyInit in whose encapsulation key one coefficient is q or above.",
			"the library encapsulates without the check", "the refusal is sent as a reply, or as MALFORMED"),
		Run: func(x *conformance.Exchange) {
			badRekey(x, func(r *peer.Rekey) {
				key := r.Body.Bytes("mlkem768_ek")
				r.Body.Set("mlkem768_ek", withCoefficient(key, x.ParamInt("coefficient"), uint16(x.ParamInt("value"))))
			})
		},
	}
}

// drifted returns a session in which a rekey has moved the anchor of our clock by so
// much, and the edit that moves the stamp of a frame.
func drifted(x *conformance.Exchange, by time.Duration) *peer.Session {
	s := session(x)
	r := sendRekey(x, s, stampedBy(by))
	respond(x, s, r)
	s.Switch(r)
	return s
}

// stampedBy moves the stamp of a frame.
func stampedBy(by time.Duration) func(*peer.Draft) {
	return func(d *peer.Draft) {
		d.Frame.Header.SetUint("timestamp", shifted(d.Frame.Header.Uint("timestamp"), by))
	}
}

func stampAfterRekey() conformance.Case {
	return conformance.Case{
		ID: "XC-0615", Title: "After a rekey stamps are judged by that of RekeyInit.",
		Proves: []string{"XTMP-TIM-015"}, Touches: []string{"XTMP-TIM-005"}, Expect: accepts(),
		Params: []conformance.Param{param("drift", "behind", "ahead")},
		Explain: explain("Two clocks drift apart; the rekey brings them together again, so that a session may live for days.",
			"A RekeyInit whose stamp is off by two thirds of the window, and a PING whose stamp is off by four thirds.",
			"the anchor of the handshake is kept for the whole session", "the anchor is moved by every frame"),
		Run: func(x *conformance.Exchange) {
			by := driftOf(x)
			s := drifted(x, by)
			ping(x, s, stampedBy(2*by))
		},
	}
}

// driftOf is two thirds of the window, to the side that the param names.
func driftOf(x *conformance.Exchange) time.Duration {
	if x.Param("drift") == "ahead" {
		return x.AtLeast("T_STAMP_AHEAD") * 2 / 3
	}
	return -x.AtLeast("T_STAMP_BEHIND") * 2 / 3
}

func stampOffAfterRekey() conformance.Case {
	return conformance.Case{
		ID: "XC-0616", Title: "A stamp that fits the anchor of the handshake and not that of the rekey closes the connection.",
		Proves: []string{"XTMP-TIM-015"}, Touches: []string{"XTMP-TIM-006"}, Control: "XC-0615", Expect: closes("XTMP-TIM-015"),
		Explain: explain("One anchor at a time: a receiver that takes either doubles its window with every rekey.",
			"A RekeyInit stamped far behind; then a PING with an exact stamp, which is too far ahead of the new anchor.",
			"the anchor of the handshake is kept", "a stamp passes if it fits any anchor"),
		Run: func(x *conformance.Exchange) {
			s := drifted(x, -x.AtLeast("T_STAMP_BEHIND")*2/3)
			badPing(x, s)
		},
	}
}
