package cases

import (
	"fmt"
	"strings"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// suitesFrames returns the cases about bad frames in a session of profile suites.
func suitesFrames() []conformance.Case {
	return []conformance.Case{
		otherSuiteInSession(), otherCipher(), suiteBits(), suiteHeaderBits(), suiteNonce(), suiteReplay(), suiteOracle(),
	}
}

// badUses are the sessions in which a case of profile suites spoils frames.
func badUses() conformance.Param { return uses("2 kind 2", "3 kind 2", "1 kind 2") }

func otherSuiteInSession() conformance.Case {
	return conformance.Case{
		ID: "XC-1040", Title: "A frame under the encryption_type of another suite closes the connection silently.",
		Proves: []string{"XTMP-ORD-018"}, Touches: []string{"XTMP-SUI-008"}, Profile: profileSuites, Control: controlSuites,
		Expect: closes("XTMP-ORD-018"),
		Params: []conformance.Param{
			badUses(),
			param("encryption_type", "1 more", "1 less", "2 more", "4", "255"),
			param("sealed", "by the session's cipher", "by its own"),
		},
		Explain: explain("Suites 1 and 3 have the same cipher and the same keys, so nothing but this check tells their frames apart; what a "+
			"client demanded of the identity would be worth nothing if its frames could change the suite.",
			"A PING under the path key that names another suite, sealed so that it opens: by the cipher of the session, or by that of the suite "+
				"that it names.",
			"the cipher is chosen by encryption_type of each frame", "only the cipher is compared, which 1 and 3 share",
			"the field is written and never read"),
		Run: func(x *conformance.Exchange) {
			suite, kind := use(x)
			other := otherSuite(x.Param("encryption_type"), suite)
			badPing(x, sessionIn(x, suite, kind), func(d *peer.Draft) {
				if x.Param("sealed") == "by its own" {
					keys := d.Keys.For(other)
					d.Keys = &keys
				}
				setEncryptionType(d, other)
			})
		},
	}
}

// otherSuite is a suite of 1 … 3 beside one of them, or a number that is none.
func otherSuite(which string, suite uint8) uint8 {
	switch which {
	case "1 more":
		return suite%3 + 1
	case "1 less":
		return (suite+1)%3 + 1
	case "2 more":
		return suite + 2
	case "4":
		return 4
	}
	return 0xFF
}

// setEncryptionType writes encryption_type and the ENCRYPTED flag that goes with it.
func setEncryptionType(d *peer.Draft, value uint8) {
	flags := d.Frame.Flags() &^ flag("ENCRYPTED")
	if value != 0 {
		flags |= flag("ENCRYPTED")
	}
	d.Frame.Header.SetUint("flags", uint64(flags)).SetUint("encryption_type", uint64(value))
}

func otherCipher() conformance.Case {
	return conformance.Case{
		ID: "XC-1041", Title: "A frame that another cipher sealed does not open in the session.",
		Proves: []string{"XTMP-ORD-025"}, Touches: []string{"XTMP-SUI-006", "XTMP-SUI-007"}, Profile: profileSuites, Control: controlSuites,
		Expect: closes("XTMP-ORD-025"),
		Params: []conformance.Param{badUses(), param("cipher", "other AEAD", "tag alone", "nothing")},
		Explain: explain("A receiver that tries one cipher after the other gives an attacker as many chances to forge.",
			"A PING with the encryption_type of the session, sealed by the AEAD of another suite under the right key, sent in clear with the "+
				"tag of suite 0, or sent in clear with a tag of zero.",
			"ciphers are tried in turn", "a frame whose payload parses is taken as it is"),
		Run: func(x *conformance.Exchange) {
			suite, kind := use(x)
			badPing(x, sessionIn(x, suite, kind), func(d *peer.Draft) {
				keys := d.Keys.For(testkit.SuiteChaCha20Poly1305)
				if suite == testkit.SuiteChaCha20Poly1305 {
					keys = d.Keys.For(testkit.SuiteAES256GCM)
				}
				if x.Param("cipher") != "other AEAD" {
					keys = d.Keys.For(testkit.SuiteIntegrityOnly)
				}
				if x.Param("cipher") == "nothing" {
					d.Frame.Header.Set("auth_tag", make([]byte, 16))
				}
				d.Keys = &keys
				setEncryptionType(d, suite)
			})
		},
	}
}

func suiteBits() conformance.Case {
	return conformance.Case{
		ID: "XC-1042", Title: "In each suite a frame of which one bit of tag or ciphertext was changed closes the connection silently.",
		Proves: []string{"XTMP-ORD-025"}, Touches: []string{"XTMP-HDR-026", "XTMP-KEY-015"}, Profile: profileSuites, Control: controlSuites,
		Expect: closes("XTMP-ORD-025"),
		Params: []conformance.Param{
			badUses(),
			param("bit", "tag 0", "tag 7", "tag 64", "tag 127", "payload first", "payload last", "payload drawn"),
		},
		Explain: explain("Every bit of the tag counts, and every bit of the ciphertext is under it.",
			"A PING of which one bit was changed after sealing; the checksum is right.",
			"the tag is compared in part", "a few bytes at the end of a block are not authenticated"),
		Run: func(x *conformance.Exchange) {
			suite, kind := use(x)
			badPing(x, sessionIn(x, suite, kind), func(d *peer.Draft) {
				d.AfterSeal(func(f *testkit.Frame) { flipBit(x, f, x.Param("bit")) })
			})
		},
	}
}

// flipBit inverts a bit of a sealed frame: "tag N", or "payload first", "last" or
// "drawn".
func flipBit(x *conformance.Exchange, f *testkit.Frame, which string) {
	part, where, _ := strings.Cut(which, " ")
	if part == "tag" {
		var bit int
		if _, err := fmt.Sscan(where, &bit); err != nil {
			x.Fatal(err)
		}
		f.Header.Flip("auth_tag", bit)
		return
	}
	at := map[string]int{"first": 0, "last": len(f.Payload) - 1, "drawn": x.Entropy("flip").IntN(len(f.Payload))}[where]
	f.Payload[at] ^= 1 << x.Entropy("flip").IntN(8)
}

func suiteHeaderBits() conformance.Case {
	return conformance.Case{
		ID: "XC-1043", Title: "In each suite a frame of which a field of the header was changed after sealing closes the connection silently.",
		Proves: []string{"XTMP-ORD-025", "XTMP-ORD-001"}, Touches: []string{"XTMP-HDR-024", "XTMP-NON-006"}, Profile: profileSuites,
		Control: controlSuites, Expect: closes("XTMP-ORD-025", "XTMP-ORD-001"),
		Params: []conformance.Param{badUses(), changedFields()},
		Explain: explain("The header travels in clear; the AAD is what makes it true.",
			"A PING of which one field was changed after sealing, so that the earlier checks pass where they can; the checksum is right.",
			"a field is left out of the AAD of one cipher", "the AAD is given to the cipher in another order, or its length is not counted"),
		Run: func(x *conformance.Exchange) {
			suite, kind := use(x)
			badPing(x, sessionIn(x, suite, kind), func(d *peer.Draft) { d.AfterSeal(func(f *testkit.Frame) { changeField(f, x.Param("changed")) }) })
		},
	}
}

// changedFields are the fields that changeField changes.
func changedFields() conformance.Param {
	return param("changed", "type", "PRIORITY", "session_id", "sequence", "payload_length", "timestamp", "key_id", "nonce", "nonce tail")
}

// changeField changes a field of a sealed frame.
func changeField(f *testkit.Frame, what string) {
	h := f.Header
	switch what {
	case "session_id":
		h.Flip("session_id", 0)
	case "sequence":
		h.Flip("sequence_number", 0)
	case "payload_length":
		f.Payload = f.Payload[:len(f.Payload)-1]
		h.SetUint("payload_length", uint64(len(f.Payload)))
	case "key_id":
		h.Flip("key_id", 127)
	case "nonce":
		h.Flip("nonce", 191)
	case "nonce tail":
		h.Flip("nonce", 0)
	default:
		changeSealed(f, what)
	}
}

func suiteNonce() conformance.Case {
	return conformance.Case{
		ID: "XC-1044", Title: "In each suite the nonce is computed and compared, all 24 bytes of it.",
		Proves: []string{"XTMP-NON-006"}, Profile: profileSuites, Control: controlSuites, Expect: closes("XTMP-NON-006"),
		Params: []conformance.Param{
			badUses(),
			param("byte", "0", "3", "4", "11", "12", "23"),
			param("opens", "with the computed nonce", "with the nonce sent"),
		},
		Explain: explain("The field has 24 bytes, as many as an XChaCha20 nonce; what takes it as it comes lets the sender choose nonces.",
			"A PING in whose nonce field one byte differs, authenticated as it is and sealed so that it opens one way or the other.",
			"the cipher is given the field of the frame", "suite 2 reads all 24 bytes as a nonce of XChaCha20"),
		Run: func(x *conformance.Exchange) {
			suite, kind := use(x)
			badPing(x, sessionIn(x, suite, kind), func(d *peer.Draft) {
				spoilNonce(d, x.ParamInt("byte"), x.Param("opens") == "with the nonce sent")
			})
		},
	}
}

// spoilNonce changes one byte of the nonce field before sealing. With follow the
// frame is sealed with the nonce that it then carries.
func spoilNonce(d *peer.Draft, at int, follow bool) {
	_, field := d.Keys.Nonce(d.Sequence)
	field = append([]byte(nil), field...)
	field[at] ^= 1
	d.Frame.Header.Set("nonce", field)
	if follow && at < len(d.Keys.IV) {
		keys := *d.Keys
		keys.IV = append([]byte(nil), keys.IV...)
		keys.IV[at] ^= 1
		d.Keys = &keys
	}
}

func suiteReplay() conformance.Case {
	return conformance.Case{
		ID: "XC-1045", Title: "In each suite a frame is taken once, in its own direction and in its own session.",
		Proves: []string{"XTMP-ORD-021", "XTMP-ORD-017", "XTMP-ORD-022"}, Touches: []string{"XTMP-NON-005"}, Profile: profileSuites,
		Control: controlSuites, Expect: closes("XTMP-ORD-021", "XTMP-ORD-017", "XTMP-ORD-022"),
		Params: []conformance.Param{
			badUses(),
			param("frame", "again", "skipping one", "the server's own", "of another session", "of a session in another suite"),
		},
		Explain: explain("Keys belong to a session, a direction and a suite; a frame that is at home elsewhere has no key here.",
			"A good frame once more, one that skips a number, a PONG sent back, or a frame of another session with the session_id of this one.",
			"keys are looked up in a table of all sessions", "sequence numbers are compared with a window"),
		Run: func(x *conformance.Exchange) {
			suite, kind := use(x)
			s := sessionIn(x, suite, kind)
			replay(x, s, x.Param("frame"), func() *peer.Session {
				if x.Param("frame") == "of a session in another suite" {
					suite = otherSuite("1 more", suite)
				}
				return sessionIn(x, suite, kind)
			})
			judgeClosed(x, s)
		},
	}
}

// replay sends a frame where it does not belong. Elsewhere opens another session.
func replay(x *conformance.Exchange, s *peer.Session, which string, elsewhere func() *peer.Session) {
	switch which {
	case "again":
		d := sendFrame(x, s, typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, []byte("once")))
		judgeStep(x, s, "once")
		send(x, s.WriteRaw(d.Frame.Encode()))
	case "skipping one":
		sendPing(x, s, []byte("skips"), func(d *peer.Draft) { d.Sequence++ })
	case "the server's own":
		if _, err := s.Ping([]byte("mirror")); err != nil {
			unprepared(x, "a PONG", err)
		}
		send(x, s.WriteRaw(s.Last().Raw))
	default:
		other := elsewhere()
		d := other.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, []byte("foreign")))
		d.Frame.Header.SetUint("session_id", s.ID)
		send(x, s.SendDrafts(d))
	}
}

func suiteOracle() conformance.Case {
	return conformance.Case{
		ID: "XC-1046", Title: "In each suite a bad ciphertext, a bad tag and a bad Finished are answered by the same silence.",
		Proves: []string{"XTMP-KEY-015"}, Touches: []string{"XTMP-HSK-049", "XTMP-ORD-025"}, Profile: profileSuites, Control: controlSuites,
		Expect: closes("XTMP-KEY-015"),
		Params: []conformance.Param{
			badUses(),
			param("wrong", "Finished MAC", "Finished tag", "Finished ciphertext", "Finished cut", "tag", "ciphertext"),
		},
		Explain: explain("Whoever can tell one failure from another learns something about keys that are not his.",
			"A ClientFinish or a PING with one wrong bit, or a ClientFinish with a MAC of 47 bytes.",
			"a bad MAC gets HANDSHAKE_FAILED and a bad tag a close"),
		Run: func(x *conformance.Exchange) {
			suite, kind := use(x)
			switch x.Param("wrong") {
			case "tag":
				badPing(x, sessionIn(x, suite, kind), flipTag)
			case "ciphertext":
				badPing(x, sessionIn(x, suite, kind), flipPayload)
			default:
				spoiltFinishIn(x, suite, kind, x.Param("wrong"))
			}
		},
	}
}

// spoiltFinishIn sends a ClientFinish with a defect in a suite and judges that the
// server closes silently.
func spoiltFinishIn(x *conformance.Exchange, suite, kind uint8, defect string) {
	c := flightIn(x, suite, kind)
	d := c.FinishDraft()
	switch defect {
	case "Finished MAC":
		d.Body.Flip("mac", 0)
	case "Finished tag":
		flipTag(d)
	case "Finished ciphertext":
		flipPayload(d)
	case "Finished cut":
		d.Plaintext.Body, d.Body = d.Body.Encode()[:47], nil
	}
	send(x, c.SendDraft(d))
	judgeClosed(x, c)
}
