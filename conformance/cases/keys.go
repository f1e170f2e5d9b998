package cases

import (
	"encoding/hex"
	"slices"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// keys returns the cases of chapter 4.
func keys() []conformance.Case {
	return slices.Concat([]conformance.Case{
		transcriptAsSent(), allZeroSecret(), reducedKey(), unreducedKey(), oneOutwardBehaviour(), nonceField(),
	}, stamps(), skews())
}

func transcriptAsSent() conformance.Case {
	return conformance.Case{
		ID: "XC-0090", Title: "The transcript holds ClientHello as it was sent, with everything that the server ignored.",
		Proves: []string{"XTMP-KEY-002"}, Touches: []string{"XTMP-TYP-017", "XTMP-TYP-025", "XTMP-SUI-003"}, Expect: accepts(),
		Explain: explain("A server that hashes what it understood accepts a ClientHello that somebody altered in the parts it "+
			"did not understand.",
			"A ClientHello with an ignored TLV entry with a value, undefined flag bits, unknown suites, a hint that fits nobody "+
				"and a repeated suite.",
			"the transcript is taken from a re-encoded message", "ignored entries are dropped before hashing", "flags are masked before hashing"),
		Run: func(x *conformance.Exchange) {
			_, err := dial(x).Handshake(peer.Script{Lenient: true, Hello: func(h *peer.Hello) {
				h.Body.Set("suites", []byte{0x7A, testkit.SuiteAES256GCM, 0xFE, testkit.SuiteAES256GCM})
				h.Body.SetUint("flags", h.Body.Uint("flags")|0x5A00)
				h.Body.Set("identity_hint", x.Entropy("hint").Bytes(32))
				h.Body.Set("extensions", testkit.TLVBlock(
					testkit.TLV{Type: 0x9000, Value: x.Entropy("tlv").Bytes(9)},
					testkit.TLV{Type: 0xFF00, Value: x.Entropy("tlv").Bytes(33)},
				))
			}})
			x.Judge(observe(x, err, conformance.BudgetReply))
		},
	}
}

// smallOrder are X25519 public keys of which every shared secret is all zero, by
// name: points of small order, in all their encodings below 2^255 but for p + 1
// twice, and one with the unused bit set.
func smallOrder(name string) string {
	return map[string]string{
		"0":          "0000000000000000000000000000000000000000000000000000000000000000",
		"1":          "0100000000000000000000000000000000000000000000000000000000000000",
		"order 8 a":  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"order 8 b":  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"p - 1":      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"p":          "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"p + 1":      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"0, bit 255": "0000000000000000000000000000000000000000000000000000000000000080",
	}[name]
}

func allZeroSecret() conformance.Case {
	return conformance.Case{
		ID: "XC-0091", Title: "An X25519 public key that gives an all-zero shared secret is refused.",
		Proves: []string{"XTMP-KEY-007"}, Touches: []string{"XTMP-HSK-075"},
		Control: controlHandshake, Expect: refuses("HANDSHAKE_FAILED", "XTMP-KEY-007", "XTMP-HSK-075"),
		Params: []conformance.Param{param("key", "0", "1", "order 8 a", "order 8 b", "p - 1", "p", "p + 1", "0, bit 255")},
		Explain: explain("With such a key one half of the key exchange contributes nothing, and anybody on the way can put it there.",
			"A ClientHello, correct but for its X25519 public key, which is a point of small order.",
			"the result of X25519 is not compared with zero", "only the key 0 is refused", "the failure is reported as MALFORMED or by a close"),
		Run: func(x *conformance.Exchange) {
			c := dial(x)
			hello := c.HelloDefaults()
			key, err := hex.DecodeString(smallOrder(x.Param("key")))
			if err != nil || len(key) != 32 {
				x.Fatal(err)
			}
			hello.Body.Set("x25519", key)
			send(x, c.SendHello(hello))
			judgeError(x, c)
		},
	}
}

// withCoefficient returns an ML-KEM-768 encapsulation key with one of its 768
// coefficients of 12 bits replaced.
func withCoefficient(key []byte, index int, value uint16) []byte {
	out := slices.Clone(key)
	three := out[index/2*3:]
	if index%2 == 0 {
		three[0], three[1] = byte(value), three[1]&0xF0|byte(value>>8)
	} else {
		three[1], three[2] = three[1]&0x0F|byte(value<<4), byte(value>>4)
	}
	return out
}

// mlkemModulus is q of ML-KEM.
const mlkemModulus = 3329

func reducedKey() conformance.Case {
	return conformance.Case{
		ID: "XC-0092", Title: "An ML-KEM-768 key with a coefficient of q − 1 is accepted.",
		Proves: []string{"XTMP-KEY-008"}, Expect: accepts(),
		Params: []conformance.Param{param("coefficient", "0", "1", "766", "767")},
		Explain: explain("A check that refuses a legal key fails one handshake in a few.",
			"A ClientHello in whose encapsulation key one coefficient is 3328; the server has to answer with ServerHello.",
			"the coefficient is compared with the wrong bound", "coefficients are unpacked in another bit order"),
		Run: func(x *conformance.Exchange) {
			c := dial(x)
			hello := c.HelloDefaults()
			key := hello.Body.Bytes("mlkem768_ek")
			hello.Body.Set("mlkem768_ek", withCoefficient(key, x.ParamInt("coefficient"), mlkemModulus-1))
			send(x, c.SendHello(hello))
			x.Judge(reaction(x, c, conformance.BudgetReply))
		},
	}
}

func unreducedKey() conformance.Case {
	return conformance.Case{
		ID: "XC-0093", Title: "An ML-KEM-768 key with a coefficient of q or more is refused.",
		Proves: []string{"XTMP-KEY-008"}, Touches: []string{"XTMP-HSK-075"},
		Control: "XC-0092", Expect: refuses("HANDSHAKE_FAILED", "XTMP-KEY-008", "XTMP-HSK-075"),
		Params: []conformance.Param{param("coefficient", "0", "1", "766", "767"), param("value", "3329", "4095")},
		Explain: explain("FIPS 203 demands the check; without it one key has several encodings, and libraries differ in what they make of them.",
			"A ClientHello in whose encapsulation key one coefficient is q or above.",
			"the library encapsulates without the check", "only a part of the key is checked", "the failure is reported as MALFORMED"),
		Run: func(x *conformance.Exchange) {
			c := dial(x)
			hello := c.HelloDefaults()
			key := hello.Body.Bytes("mlkem768_ek")
			hello.Body.Set("mlkem768_ek", withCoefficient(key, x.ParamInt("coefficient"), uint16(x.ParamInt("value"))))
			send(x, c.SendHello(hello))
			judgeError(x, c)
		},
	}
}

func oneOutwardBehaviour() conformance.Case {
	return conformance.Case{
		ID: "XC-0094", Title: "A wrong tag, a wrong MAC and keys that do not match are answered alike, by closing silently.",
		Proves: []string{"XTMP-KEY-015"}, Touches: []string{"XTMP-HSK-049", "XTMP-ORD-025"},
		Control: controlPing, Expect: closes("XTMP-KEY-015"),
		Params: []conformance.Param{param("wrong", "Finished MAC", "Finished tag", "Finished ciphertext", "decapsulation", "tag", "ciphertext")},
		Explain: explain("Whoever can tell one failure from another learns something about keys that are not his.",
			"A ClientFinish with one wrong bit, a ClientFinish after a key exchange of which the ML-KEM half does not match, or "+
				"a PING with one wrong bit.",
			"a bad MAC gets HANDSHAKE_FAILED and a bad tag a close", "an Error is sent under the path key before ClientFinish has verified"),
		Run: func(x *conformance.Exchange) {
			switch x.Param("wrong") {
			case "tag":
				badPing(x, session(x), flipTag)
			case "ciphertext":
				badPing(x, session(x), flipPayload)
			case "decapsulation":
				mismatchedFinish(x)
			default:
				c := flight(x)
				d := c.FinishDraft()
				switch x.Param("wrong") {
				case "Finished MAC":
					d.Body.Flip("mac", 0)
				case "Finished tag":
					flipTag(d)
				default:
					flipPayload(d)
				}
				send(x, c.SendDraft(d))
				judgeClosed(x, c)
			}
		},
	}
}

func flipTag(d *peer.Draft) {
	d.AfterSeal(func(f *testkit.Frame) { f.Header.Flip("auth_tag", 0) })
}

func flipPayload(d *peer.Draft) {
	d.AfterSeal(func(f *testkit.Frame) { f.Payload[len(f.Payload)-1] ^= 1 })
}

// mismatchedFinish offers the ML-KEM key of somebody else, so that the secrets of
// both ends differ, and sends a ClientFinish under the keys that it has.
func mismatchedFinish(x *conformance.Exchange) {
	c := dial(x)
	hello := c.HelloDefaults()
	hello.Body.Set("mlkem768_ek", testkit.MLKEMPublic(x.Entropy("somebody else").Bytes(64)))
	send(x, c.SendHello(hello))
	r, err := c.ReadServerHello()
	step(x, "ServerHello", err, true)
	client, _ := c.HandshakeKeys()
	d := &peer.Draft{
		Frame:     testkit.NewFrame(typeHandshake, 0),
		Plaintext: testkit.NewPlaintext(typeHandshake, 0, x.Entropy("mac").Bytes(48)),
		Keys:      &client,
	}
	d.Frame.Header.SetUint("session_id", r.Frame.Header.Uint("session_id")).SetUint("timestamp", hello.Body.Uint("client_time"))
	d.Plaintext.Envelope.SetUint("hs_type", 5).SetUint("handshake_id", hello.Plaintext.Envelope.Uint("handshake_id"))
	_, err = c.ReadFrame(0) // ServerFlight, which does not open
	step(x, "ServerFlight", err, err == nil)
	send(x, c.SendDraft(d))
	judgeClosed(x, c)
}

func nonceField() conformance.Case {
	return conformance.Case{
		ID: "XC-0095", Title: "A frame whose nonce field is not the computed one closes the connection silently.",
		Proves: []string{"XTMP-NON-006"}, Control: controlPing, Expect: closes("XTMP-NON-006"),
		Params: []conformance.Param{param("byte", "0", "11", "12", "23"), param("sealed", "with the computed nonce", "with the nonce sent")},
		Explain: explain("A nonce that the sender may choose can be repeated unnoticed, and the twelve bytes behind it could hide data.",
			"A PING in whose nonce field one bit differs. It is sealed so that it opens: with the computed nonce, or with the one that it carries.",
			"the nonce is taken from the frame and not compared", "the twelve bytes behind the nonce are not compared"),
		Run: func(x *conformance.Exchange) {
			badPing(x, session(x), func(d *peer.Draft) {
				at := x.ParamInt("byte")
				_, field := d.Keys.Nonce(d.Sequence)
				field[at] ^= 1
				d.Frame.Header.Set("nonce", field)
				if x.Param("sealed") == "with the nonce sent" && at < len(d.Keys.IV) {
					altered := *d.Keys
					altered.IV = slices.Clone(altered.IV)
					altered.IV[at] ^= 1
					d.Keys = &altered
				}
			})
		},
	}
}
