package cases

import (
	"slices"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// controlIntegrity is the twin of what goes wrong in a session of suite 0.
const controlIntegrity = "XC-0800"

// integrity returns the cases of chapter 15, and those about servers that have not
// enabled suite 0.
func integrity() []conformance.Case {
	return slices.Concat(
		[]conformance.Case{
			integrityControl(), integrityUnderEachKind(), integrityOnTheWire(), integritySizes(), integrityChoice(), integrityViolation(),
			integrityOffered(), integrityPassedOver(), integrityInSession(), integrityFinishElsewhere(),
		},
		integrityFrames(),
		integrityHandshake(),
	)
}

// integritySession returns a session of suite 0.
func integritySession(x *conformance.Exchange) *peer.Session {
	s := sessionPinned(x, pins(x)[0], offers(testkit.SuiteIntegrityOnly))
	if s.Suite() != testkit.SuiteIntegrityOnly {
		x.Inconclusive("the session came about in another suite than the one that was offered")
	}
	return s
}

// integrityFlight returns a connection on which ClientFinish of suite 0 is due.
func integrityFlight(x *conformance.Exchange) *peer.Conn {
	return flightBy(x, peer.Script{Hello: offers(testkit.SuiteIntegrityOnly)})
}

func integrityControl() conformance.Case {
	return conformance.Case{
		ID: controlIntegrity, Title: "A session of suite 0 comes about and carries frames in both directions.",
		Proves: []string{"XTMP-TRU-020"}, Touches: []string{"XTMP-INT-004", "XTMP-INT-005", "XTMP-INT-006", "XTMP-INT-007", "XTMP-INT-008"},
		Profile: profileIntegrity, Expect: accepts(),
		Explain: explain("Suite 0 exists so that people can see what travels; it is the same protocol but for the ciphertext.",
			"A ClientHello that offers suite 0 alone, ClientFinish, a PING, a request of an unknown type and a reliable extension frame.",
			"the tag is computed over the payload alone", "the handshake slots are sealed with suite 1",
			"key_id and nonce are zero because nothing is encrypted", "ENCRYPTED is set because there is a key"),
		Run: func(x *conformance.Exchange) {
			judgeSession(x, dialPinned(x, pins(x)[0]), testkit.SuiteIntegrityOnly)
		},
	}
}

func integrityUnderEachKind() conformance.Case {
	return conformance.Case{
		ID: "XC-0801", Title: "Every identity of the server serves suite 0.",
		Proves: []string{"XTMP-TRU-020"}, Touches: []string{"XTMP-TRU-011", "XTMP-HSK-043"}, Profile: profileIntegrity, Expect: accepts(),
		Explain: explain("The pin says who the server is, and is no weaker because frames can be read.",
			"For each identity that the server is known by a handshake in suite 0 with its hint, and a PING.",
			"suite 0 is served without a signature, or by identities of kind 1 only"),
		Run: func(x *conformance.Exchange) {
			for _, pin := range pins(x) {
				c := dialPinned(x, pin)
				s, err := c.Handshake(peer.Script{Lenient: true, Hello: offers(testkit.SuiteIntegrityOnly)})
				x.Judge(observe(x, err, conformance.BudgetReply))
				x.RequireBytes("fingerprint", pin.Fingerprint, nil, s.Identity().Bytes("fingerprint"))
				ping(x, s)
				requireSound(x, c)
				send(x, s.Close())
			}
		},
	}
}

func integrityOnTheWire() conformance.Case {
	return conformance.Case{
		ID: "XC-0802", Title: "A frame of a suite-0 session shows its plaintext, and key_id, nonce and tag as every sealed frame does.",
		Proves:  []string{"XTMP-TRU-020"},
		Touches: []string{"XTMP-INT-004", "XTMP-INT-005", "XTMP-INT-006", "XTMP-INT-007", "XTMP-INT-008", "XTMP-HDR-028", "XTMP-NON-001"},
		Profile: profileIntegrity, Expect: accepts(),
		Explain: explain("Tools that read such a session know frames by key_id and count by nonce; what they see has to be what is there.",
			"A handshake, a PING and a request; of every frame that comes back the fields are compared one by one, and the tag with "+
				"HMAC-SHA-256 over AAD and payload, cut to 16 bytes.",
			"the tag is cut from the other end", "the checksum is part of what the tag covers", "the payload is the ciphertext of suite 1"),
		Run: func(x *conformance.Exchange) {
			s := integritySession(x)
			_, server := s.Keys()
			frames := []*peer.Received{s.Last()} // HandshakeDone
			data := x.Entropy("ping").Bytes(8)
			before, err := s.Ping(data)
			x.Judge(observe(x, err, conformance.BudgetReply))
			frames = append(append(frames, before...), s.Last())
			x.RequireBytes("payload of the PONG", peer.HeartbeatBody(peer.Pong, data), nil, s.Last().Frame.Payload)
			for i, r := range frames {
				requireIntegrityFrame(x, r.Frame, server, uint64(i))
			}
		},
	}
}

// requireIntegrityFrame requires every field of the security layer of a frame.
func requireIntegrityFrame(x *conformance.Exchange, f *testkit.Frame, keys testkit.Keys, sequence uint64) {
	h := f.Header
	_, nonce := keys.Nonce(sequence)
	x.RequireField("encryption_type", 0, h.Uint("encryption_type"))
	x.RequireField("ENCRYPTED", 0, f.Flags()&flag("ENCRYPTED"))
	x.RequireBytes("key_id", keys.KeyID, nil, h.Bytes("key_id"))
	x.RequireBytes("nonce", nonce, nil, h.Bytes("nonce"))
	x.RequireBytes("auth_tag", integrityTag(keys, f), nil, h.Bytes("auth_tag"))
}

// integrityTag is the tag of section 15.3 for a frame as it is.
func integrityTag(keys testkit.Keys, f *testkit.Frame) []byte {
	return testkit.Derive("integrity_tag", testkit.Values{
		"key": keys.Key, "aad": testkit.AAD(f.Header.Encode()), "payload": f.Payload,
	}).Value("tag")
}

func integritySizes() conformance.Case {
	return conformance.Case{
		ID: "XC-0803", Title: "Frames of every size are taken in suite 0.",
		Proves: []string{"XTMP-HDR-008"}, Touches: []string{"XTMP-INT-007", "XTMP-INT-008"}, Profile: profileIntegrity, Expect: accepts(),
		Explain: explain("A tag over a payload of any length has no block to fill and no length to forget.",
			"Requests of an unknown type with a plaintext from the bare prologue up to the longest of a session, around the blocks of SHA-256.",
			"an empty body has no tag", "the tag is computed over a buffer that is longer than the payload"),
		Run: func(x *conformance.Exchange) {
			s := integritySession(x)
			const prologue = 8
			for _, n := range []int{prologue, 9, 47, 48, 63, 64, 65, 1 << 14, size("frame_payload_before_wallet")} {
				d, err := s.Request(typeUnknown, x.Entropy("body").Bytes(n-prologue))
				send(x, err)
				judgeUnsupported(x, s, d.Mid())
			}
			requireSound(x, s.Conn)
		},
	}
}

func integrityChoice() conformance.Case {
	return conformance.Case{
		ID: "XC-0804", Title: "Suite 0 is chosen where the client put it, neither before nor behind.",
		Proves: []string{"XTMP-TRU-020"}, Touches: []string{"XTMP-INT-001", "XTMP-SUI-003", "XTMP-HSK-010"}, Profile: profileIntegrity,
		Expect: accepts(),
		Params: []conformance.Param{
			param("suites", "00FFFFFF → 0", "0001FFFF → 0", "0100FFFF → 1", "7F00FFFF → 0", "7F0100FF → 1", "00000001 → 0"),
		},
		Explain: explain("A server that prefers plain frames because they are cheaper gives away what its client wanted to keep.",
			"A ClientHello whose list holds suite 0 in some place.",
			"suite 0 is chosen whenever it is offered", "a zero byte is taken for an unused slot"),
		Run: func(x *conformance.Exchange) { judgeChoice(x, pins(x)[0]) },
	}
}

func integrityViolation() conformance.Case {
	return conformance.Case{
		ID: "XC-0805", Title: "A violation in a suite-0 session is answered by an Error under its key, as in every other.",
		Proves: []string{"XTMP-HBT-003", "XTMP-ERR-027"}, Touches: []string{"XTMP-INT-008"}, Profile: profileIntegrity, Control: controlIntegrity,
		Expect: violates("PROTOCOL_VIOLATION", "XTMP-HBT-003"), Params: []conformance.Param{param("bytes", "0", "65")},
		Explain: explain("Nothing but the cipher differs; an Error that came as a clear frame would be refused by the client.",
			"A Heartbeat of no bytes, or of more than 64.",
			"Errors of a session without encryption are sent as clear frames"),
		Run: func(x *conformance.Exchange) {
			s := integritySession(x)
			sendFrame(x, s, typeHeartbeat, 0, make([]byte, x.ParamInt("bytes")))
			judgeError(x, s)
			requireSound(x, s.Conn)
		},
	}
}

func integrityOffered() conformance.Case {
	return conformance.Case{
		ID: "XC-0820", Title: "A server that has not enabled suite 0 answers a ClientHello with nothing else by NO_COMMON_SUITE.",
		Proves: []string{"XTMP-INT-003", "XTMP-HSK-074"}, Touches: []string{"XTMP-SUI-003", "XTMP-SUI-004"}, Unless: profileIntegrity,
		Control: controlHandshake, Expect: refuses("NO_COMMON_SUITE", "XTMP-INT-003"),
		Params: []conformance.Param{param("suites", "00FFFFFF", "0000FFFF", "00000000", "007FFFFF")},
		Explain: explain("Without encryption nothing is secret; a server that does it unasked leaks what its operator believes to be safe.",
			"A ClientHello that offers suite 0 and unknown ones.",
			"suite 0 is served because it is implemented", "a list of zeros is taken for an empty one and called malformed"),
		Run: func(x *conformance.Exchange) { badHello(x, func(h *peer.Hello) { setSuites(x, h) }) },
	}
}

func integrityPassedOver() conformance.Case {
	return conformance.Case{
		ID: "XC-0821", Title: "A server that has not enabled suite 0 passes over it, wherever it stands.",
		Proves: []string{"XTMP-SUI-003"}, Touches: []string{"XTMP-TRU-020", "XTMP-INT-003"}, Unless: profileIntegrity, Expect: accepts(),
		Params: []conformance.Param{param("suites", "0001FFFF → 1", "0100FFFF → 1", "00000001 → 1", "007F01FF → 1")},
		Explain: explain("A client that lists suite 0 first, for whatever reason, is served as well as the server can.",
			"A ClientHello with suite 0 and suite 1 in its list; the session has to come about in suite 1.",
			"suite 0 is taken because its number is known", "a known suite that is off ends the search"),
		Run: func(x *conformance.Exchange) {
			edit, want := setList(x)
			s, err := dial(x).Handshake(peer.Script{Lenient: true, Hello: edit})
			x.Judge(observe(x, err, conformance.BudgetReply))
			x.RequireField("server_hello.suite", want, s.Suite())
			ping(x, s)
		},
	}
}

func integrityInSession() conformance.Case {
	return conformance.Case{
		ID: "XC-0822", Title: "A frame of suite 0 in an encrypted session closes the connection silently, even with the tag of suite 0.",
		Proves: []string{"XTMP-ORD-018"}, Touches: []string{"XTMP-FLG-016"}, Control: controlPing, Expect: closes("XTMP-ORD-018"),
		Params: []conformance.Param{param("tag", "of suite 0", "of the session", "zero"), param("payload", "plaintext", "ciphertext")},
		Explain: explain("If a frame can say that it is not encrypted, encryption is a matter of taste of whoever writes into the connection.",
			"A PING under the path key with encryption_type 0 and ENCRYPTED clear; payload and tag as the params say.",
			"encryption_type of the frame decides how it is opened", "a frame with encryption_type 0 is taken for a clear frame and ignored"),
		Run: func(x *conformance.Exchange) {
			badPing(x, session(x), func(d *peer.Draft) { spoilIntegrity(d, x.Param("tag"), x.Param("payload")) })
		},
	}
}

// spoilIntegrity makes a frame of suite 0 of a draft.
func spoilIntegrity(d *peer.Draft, tag, payload string) {
	keys := *d.Keys
	setEncryptionType(d, 0)
	if payload == "plaintext" {
		other := keys.For(testkit.SuiteIntegrityOnly)
		d.Keys = &other
	}
	d.AfterSeal(func(f *testkit.Frame) {
		switch tag {
		case "of suite 0":
			f.Header.Set("auth_tag", integrityTag(keys, f))
		case "of the session":
			f.Header.Set("auth_tag", gcmTag(keys, d, f))
		case "zero":
			f.Header.Set("auth_tag", make([]byte, 16))
		}
	})
}

// gcmTag is the tag that the cipher of the session gives for a draft.
func gcmTag(keys testkit.Keys, d *peer.Draft, f *testkit.Frame) []byte {
	again := testkit.NewFrame(f.Type(), 0)
	for _, field := range f.Header.Fields {
		if field.Name != "auth_tag" && field.Name != "checksum" {
			again.Header.Set(field.Name, f.Header.Bytes(field.Name))
		}
	}
	again.Seal(keys, d.Sequence, d.Inside())
	return again.Header.Bytes("auth_tag")
}

func integrityFinishElsewhere() conformance.Case {
	return conformance.Case{
		ID: "XC-0823", Title: "A ClientFinish of suite 0 in an encrypted handshake is answered by closing silently.",
		Proves: []string{"XTMP-ORD-018", "XTMP-HSK-049"}, Control: controlHandshake, Expect: closes("XTMP-ORD-018", "XTMP-HSK-049"),
		Params: []conformance.Param{param("tag", "of suite 0", "zero")},
		Explain: explain("The handshake slots are of the negotiated suite; whoever turns encryption off here turns it off for good.",
			"A ClientFinish in clear under the key of the handshake slot, with the right MAC, and the tag of suite 0 or none.",
			"the MAC of ClientFinish is thought to be enough", "encryption_type is judged for path keys only"),
		Run: func(x *conformance.Exchange) {
			c := flight(x)
			sendFinish(x, c, func(d *peer.Draft) { spoilIntegrity(d, x.Param("tag"), "plaintext") })
			judgeClosed(x, c)
		},
	}
}
