package cases

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"slices"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// integrityFrames returns the cases about bad frames in a session of suite 0.
func integrityFrames() []conformance.Case {
	return []conformance.Case{
		integrityTampered(), integrityWrongTag(), integrityOtherType(), integrityEncryptedFlag(), integrityClear(), integrityHalfClear(),
		integrityNonce(), integrityReplay(), integrityChecksumRepaired(),
	}
}

func integrityTampered() conformance.Case {
	return conformance.Case{
		ID: "XC-0810", Title: "A suite-0 frame of which anything was changed on its way closes the connection silently.",
		Proves: []string{"XTMP-INT-010"}, Touches: []string{"XTMP-ORD-025", "XTMP-ORD-001"}, Profile: profileIntegrity, Control: controlIntegrity,
		Expect: closes("XTMP-INT-010", "XTMP-ORD-001"),
		Params: []conformance.Param{param(
			"changed", "tag 0", "tag 64", "tag 127", "payload first", "payload last", "payload drawn",
			"type", "PRIORITY", "session_id", "sequence", "payload_length", "timestamp", "key_id", "nonce", "nonce tail",
		)},
		Explain: explain("Everybody on the way reads such a frame and knows where to change it; the tag is all that stops him.",
			"A PING of which one bit or field was changed after its tag was computed, with the checksum computed anew.",
			"the tag of suite 0 is written and not compared", "the header is not part of what is tagged", "the tag is compared in part"),
		Run: func(x *conformance.Exchange) {
			badPing(x, integritySession(x), func(d *peer.Draft) {
				d.AfterSeal(func(f *testkit.Frame) { changeOrFlip(x, f, x.Param("changed")) })
			})
		},
	}
}

// changeOrFlip changes a field of a frame, or flips a bit of tag or payload.
func changeOrFlip(x *conformance.Exchange, f *testkit.Frame, what string) {
	if slices.Contains(changedFields().Values, what) {
		changeField(f, what)
		return
	}
	flipBit(x, f, what)
}

// tagMakers are wrong ways to compute the tag of suite 0.
func tagMakers() map[string]func(k testkit.Keys, f *testkit.Frame) []byte {
	mac := func(key []byte, parts ...[]byte) []byte {
		h := hmac.New(sha256.New, key)
		h.Write(slices.Concat(parts...))
		return h.Sum(nil)
	}
	aad := func(f *testkit.Frame) []byte { return testkit.AAD(f.Header.Encode()) }
	return map[string]func(k testkit.Keys, f *testkit.Frame) []byte{
		"zero":            func(testkit.Keys, *testkit.Frame) []byte { return make([]byte, 16) },
		"last 16 bytes":   func(k testkit.Keys, f *testkit.Frame) []byte { return mac(k.Key, aad(f), f.Payload)[16:] },
		"payload alone":   func(k testkit.Keys, f *testkit.Frame) []byte { return mac(k.Key, f.Payload)[:16] },
		"AAD alone":       func(k testkit.Keys, f *testkit.Frame) []byte { return mac(k.Key, aad(f))[:16] },
		"payload and AAD": func(k testkit.Keys, f *testkit.Frame) []byte { return mac(k.Key, f.Payload, aad(f))[:16] },
		"key is iv":       func(k testkit.Keys, f *testkit.Frame) []byte { return mac(k.IV, aad(f), f.Payload)[:16] },
		"no key":          func(_ testkit.Keys, f *testkit.Frame) []byte { return mac(nil, aad(f), f.Payload)[:16] },
		"half the tag": func(k testkit.Keys, f *testkit.Frame) []byte {
			return append(mac(k.Key, aad(f), f.Payload)[:8], make([]byte, 8)...)
		},
		"SHA-384": func(k testkit.Keys, f *testkit.Frame) []byte {
			h := hmac.New(sha512.New384, k.Key)
			h.Write(append(aad(f), f.Payload...))
			return h.Sum(nil)[:16]
		},
		"plain hash": func(_ testkit.Keys, f *testkit.Frame) []byte {
			sum := sha256.Sum256(append(aad(f), f.Payload...))
			return sum[:16]
		},
	}
}

func integrityWrongTag() conformance.Case {
	var names []string
	for name := range tagMakers() {
		names = append(names, name)
	}
	slices.Sort(names)
	return conformance.Case{
		ID: "XC-0811", Title: "A suite-0 frame whose tag was computed in another way closes the connection silently.",
		Proves: []string{"XTMP-INT-010"}, Touches: []string{"XTMP-INT-008"}, Profile: profileIntegrity, Control: controlIntegrity,
		Expect: closes("XTMP-INT-010"), Params: []conformance.Param{param("tag", names...)},
		Explain: explain("A tag that leaves out the key, or a part of the frame, is one that others can compute too.",
			"A PING with such a tag and a right checksum.",
			"a tag of zero means that there is none", "eight bytes are compared", "the tag is a hash without a key"),
		Run: func(x *conformance.Exchange) {
			badPing(x, integritySession(x), func(d *peer.Draft) {
				keys := *d.Keys
				d.AfterSeal(func(f *testkit.Frame) { f.Header.Set("auth_tag", tagMakers()[x.Param("tag")](keys, f)) })
			})
		},
	}
}

func integrityOtherType() conformance.Case {
	return conformance.Case{
		ID: "XC-0812", Title: "A frame with an encryption_type in a suite-0 session closes the connection silently.",
		Proves: []string{"XTMP-INT-009"}, Touches: []string{"XTMP-ORD-018"}, Profile: profileIntegrity, Control: controlIntegrity,
		Expect: closes("XTMP-INT-009"),
		Params: []conformance.Param{
			param("encryption_type", "1", "2", "3", "4", "255"),
			param("sealed", "by its suite", "with the tag of suite 0"),
		},
		Explain: explain("The suite is agreed in the handshake; a frame that is encrypted all the same is of another session, or hides "+
			"something from whoever looks for the fault.",
			"A PING under the path key with the encryption_type and ENCRYPTED set, sealed by the cipher of that suite or left in clear with the "+
				"tag of suite 0.",
			"a receiver opens whatever it has the key for"),
		Run: func(x *conformance.Exchange) {
			kind := uint8(x.ParamInt("encryption_type"))
			badPing(x, integritySession(x), func(d *peer.Draft) {
				if x.Param("sealed") == "by its suite" {
					keys := d.Keys.For(kind)
					d.Keys = &keys
				}
				setEncryptionType(d, kind)
			})
		},
	}
}

func integrityEncryptedFlag() conformance.Case {
	return conformance.Case{
		ID: "XC-0813", Title: "A suite-0 frame with ENCRYPTED set closes the connection silently.",
		Proves: []string{"XTMP-FLG-016"}, Touches: []string{"XTMP-INT-005"}, Profile: profileIntegrity, Control: controlIntegrity,
		Expect: closes("XTMP-FLG-016"), Params: []conformance.Param{param("frame", "PING", "ClientFinish")},
		Explain: explain("Flag and encryption_type say the same thing twice; where they disagree one of them lies.",
			"A PING or a ClientFinish of suite 0 that is correct but for ENCRYPTED, which its tag covers.",
			"the flag is not compared in suite 0"),
		Run: func(x *conformance.Exchange) {
			set := func(d *peer.Draft) { d.Frame.Header.SetUint("flags", uint64(d.Frame.Flags()|flag("ENCRYPTED"))) }
			if x.Param("frame") == "PING" {
				badPing(x, integritySession(x), set)
				return
			}
			c := integrityFlight(x)
			sendFinish(x, c, set)
			judgeClosed(x, c)
		},
	}
}

func integrityClear() conformance.Case {
	return conformance.Case{
		ID: "XC-0814", Title: "A clear frame in a suite-0 session closes the connection silently.",
		Proves: []string{"XTMP-ORD-028"}, Touches: []string{"XTMP-HDR-033"}, Profile: profileIntegrity, Control: controlIntegrity,
		Expect: closes("XTMP-ORD-028"), Params: []conformance.Param{clearFrames(), param("session_id", "zero", "ours")},
		Explain: explain("Clear frames and those of suite 0 both have encryption_type 0; the key_id tells them apart, and only one of them "+
			"is authentic.",
			"A clear frame of each kind in an established session of suite 0.",
			"a frame is taken for clear, or for authentic, by its encryption_type"),
		Run: func(x *conformance.Exchange) {
			s := integritySession(x)
			f := clearFrame(x, s.Conn)
			if x.Param("session_id") == "ours" {
				f.Header.SetUint("session_id", s.ID)
			}
			send(x, s.SendFrame(f))
			judgeClosed(x, s)
		},
	}
}

func integrityHalfClear() conformance.Case {
	return conformance.Case{
		ID: "XC-0815", Title: "A PING of a suite-0 session without key_id closes the connection silently, whatever else it holds.",
		Proves: []string{"XTMP-HDR-033", "XTMP-ORD-028"}, Touches: []string{"XTMP-ORD-017"}, Profile: profileIntegrity, Control: controlIntegrity,
		Expect: closes("XTMP-HDR-033", "XTMP-ORD-028"),
		Params: []conformance.Param{param("left", "nonce and tag", "tag", "nonce", "nothing")},
		Explain: explain("Without key_id a frame is nobody's. One that is served because it looks like the session's frames needs no key at all.",
			"A PING with the next sequence number whose key_id is zero; nonce and tag, which covers that, are there or zero.",
			"the key of the connection is taken when none is named", "frames without key_id skip the tag"),
		Run: func(x *conformance.Exchange) {
			badPing(x, integritySession(x), func(d *peer.Draft) {
				d.Frame.Header.Set("key_id", make([]byte, 16))
				if left := x.Param("left"); left == "tag" || left == "nothing" {
					d.Frame.Header.Set("nonce", make([]byte, 24))
				}
				if left := x.Param("left"); left == "nonce" || left == "nothing" {
					d.Frame.Header.Set("auth_tag", make([]byte, 16))
				}
			})
		},
	}
}

func integrityNonce() conformance.Case {
	return conformance.Case{
		ID: "XC-0816", Title: "In a suite-0 session the nonce field is computed and compared though no cipher takes it.",
		Proves: []string{"XTMP-NON-006"}, Touches: []string{"XTMP-INT-006"}, Profile: profileIntegrity, Control: controlIntegrity,
		Expect: closes("XTMP-NON-006"), Params: []conformance.Param{param("byte", "0", "3", "4", "11", "12", "23", "all zero")},
		Explain: explain("The nonce binds the frame to its number; a field that nobody compares is a place to hide data, in a session that "+
			"is there to be looked at.",
			"A PING in whose nonce field one byte differs, or all are zero, under a right tag.",
			"nonces are compared only where a cipher needs them"),
		Run: func(x *conformance.Exchange) {
			badPing(x, integritySession(x), func(d *peer.Draft) {
				if x.Param("byte") == "all zero" {
					d.Frame.Header.Set("nonce", make([]byte, 24))
					return
				}
				spoilNonce(d, x.ParamInt("byte"), false)
			})
		},
	}
}

func integrityReplay() conformance.Case {
	return conformance.Case{
		ID: "XC-0817", Title: "A suite-0 frame is taken once, in its own direction and in its own session.",
		Proves: []string{"XTMP-ORD-021", "XTMP-ORD-017", "XTMP-ORD-022"}, Profile: profileIntegrity, Control: controlIntegrity,
		Expect: closes("XTMP-ORD-021", "XTMP-ORD-017", "XTMP-ORD-022"),
		Params: []conformance.Param{param("frame", "again", "skipping one", "the server's own", "of another session")},
		Explain: explain("Whoever reads a frame can send it again; that it says the right thing does not make it new.",
			"A good frame once more, one that skips a number, a PONG sent back, or a frame of another session with the session_id of this one.",
			"a tag that verifies is thought to be enough", "both directions share a key"),
		Run: func(x *conformance.Exchange) {
			s := integritySession(x)
			replay(x, s, x.Param("frame"), func() *peer.Session { return integritySession(x) })
			judgeClosed(x, s)
		},
	}
}

func integrityChecksumRepaired() conformance.Case {
	return conformance.Case{
		ID: "XC-0818", Title: "Plaintext that was changed on the way is not believed because its checksum was repaired.",
		Proves: []string{"XTMP-INT-010"}, Touches: []string{"XTMP-HDR-023"}, Profile: profileIntegrity, Control: controlIntegrity,
		Expect: closes("XTMP-INT-010"),
		Params: []conformance.Param{param("changed", "data of a PING", "kind of a Heartbeat", "reason of Disconnect", "mid", "body")},
		Explain: explain("A CRC can be repaired by anyone; protocols that took one for protection were made to carry commands of strangers.",
			"A frame of which bytes that mean something were changed after its tag was computed, and the checksum computed anew.",
			"a right checksum is taken for an intact frame", "frames of suite 0 are acted on before the tag is compared"),
		Run: func(x *conformance.Exchange) {
			s := integritySession(x)
			repaired(x, s, x.Param("changed"))
			judgeClosed(x, s)
		},
	}
}

// repaired sends a frame whose meaning was changed after it had been sealed.
func repaired(x *conformance.Exchange, s *peer.Session, what string) {
	flipAt := func(at int, mask byte) func(*peer.Draft) {
		return func(d *peer.Draft) { d.AfterSeal(func(f *testkit.Frame) { f.Payload[at] ^= mask }) }
	}
	switch what {
	case "data of a PING":
		sendPing(x, s, []byte("eight by"), flipAt(1, 0x20))
	case "kind of a Heartbeat": // PONG, which is ignored, becomes PING
		sendFrame(x, s, typeHeartbeat, 0, peer.HeartbeatBody(peer.Pong, []byte("eight by")), flipAt(0, peer.Pong^peer.Ping))
	case "reason of Disconnect":
		sendFrame(x, s, typeDisconnect, 0, s.DisconnectBody(0), flipAt(1, 0x15))
	case "mid":
		sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), make([]byte, 16), flipAt(7, 0x02))
	case "body":
		sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), make([]byte, 16), flipAt(20, 0xFF))
	}
}
