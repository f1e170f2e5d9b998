package cases

import (
	"slices"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/match"
	"github.com/bpci/xtmp/conformance/peer"
)

// frame returns the cases of chapters 1 and 2.
func frame() []conformance.Case {
	return slices.Concat(frameSent(), frameBounds(), frameSealed())
}

// frameSent asks about the frames that a server sends.
func frameSent() []conformance.Case {
	return []conformance.Case{
		clearServerHello(), clearError(), noClearFrameInSession(), sessionIDInEveryFrame(),
		payloadWithinLimit(), zeroFields(), distinctSessionIDs(),
	}
}

// isClear are the fields of a clear frame.
func isClear() []match.Field {
	return []match.Field{
		match.Uint("frame.version", 1),
		match.Uint("frame.flags", 0),
		match.Uint("frame.sequence_number", 0),
		match.Uint("frame.encryption_type", 0),
		match.Bytes("frame.key_id", make([]byte, 16)),
		match.Bytes("frame.nonce", make([]byte, 24)),
		match.Bytes("frame.auth_tag", make([]byte, 16)),
	}
}

func clearServerHello() conformance.Case {
	return conformance.Case{
		ID: "XC-0010", Title: "ServerHello is a clear frame: no flag, and zero in every field of the security layer but the timestamp.",
		Proves: []string{"XTMP-HDR-029", "XTMP-HDR-030"},
		Explain: explain("A clear frame is told from a sealed one by its zero bytes; one that is neither is refused by every receiver.",
			"A correct ClientHello.",
			"the negotiated suite is written into encryption_type already", "clear frames are numbered", "the nonce field is not cleared"),
		Run: func(x *conformance.Exchange) {
			c := dial(x)
			send(x, c.SendHello(c.HelloDefaults()))
			r, err := c.ReadFrame(0)
			step(x, "ServerHello", err, err == nil && r.Type() == typeHandshakeAck)
			match.Require(x, "ServerHello", r.Parts, isClear()...)
		},
	}
}

func clearError() conformance.Case {
	return conformance.Case{
		ID: "XC-0011", Title: "A clear Error has session_id 0, no flag, and zero in every field of the security layer but the timestamp.",
		Proves: []string{"XTMP-HDR-016", "XTMP-HDR-029", "XTMP-HDR-030"},
		Explain: explain("Before ServerHello there is no session, so an id in a clear Error can only be somebody else's.",
			"A ClientHello that offers no suite.",
			"a session is created before the ClientHello is judged", "the buffer of a frame is reused without clearing it"),
		Run: func(x *conformance.Exchange) {
			c := dial(x)
			hello := c.HelloDefaults()
			hello.Body.Set("suites", []byte{0xFF, 0xFF, 0xFF, 0xFF})
			send(x, c.SendHello(hello))
			r, err := c.ReadFrame(0)
			step(x, "a clear Error", err, err == nil && r.Type() == typeError)
			match.Require(x, "the Error", r.Parts, append(isClear(), match.Uint("frame.session_id", 0))...)
		},
	}
}

func noClearFrameInSession() conformance.Case {
	return toured(conformance.Case{
		ID: "XC-0012", Title: "No clear frame is sent but ServerHello and an Error before it.",
		Proves: []string{"XTMP-HDR-031"},
		Explain: conformance.Explain{
			Why: "A clear frame can be forged by anyone on the way; a peer that sends one in a session cuts its own connection.",
			UsualCauses: []string{
				"Errors of a session are sent by the code that refuses a ClientHello",
				"the last Error is written after the keys were erased",
			},
		},
	})
}

func sessionIDInEveryFrame() conformance.Case {
	return toured(conformance.Case{
		ID: "XC-0013", Title: "Every frame after ServerHello carries the id of the session.",
		Proves: []string{"XTMP-HDR-020"},
		Explain: conformance.Explain{
			Why:         "A receiver finds the keys of a frame by its session_id and closes on any other.",
			UsualCauses: []string{"the last Error is written after the session was forgotten", "handshake frames are sent with session_id 0"},
		},
	})
}

func payloadWithinLimit() conformance.Case {
	return toured(conformance.Case{
		ID: "XC-0014", Title: "No frame is longer than the client's state allows.",
		Proves: []string{"XTMP-HDR-004"},
		Explain: conformance.Explain{
			Why:         "A client refuses a longer frame before it reads it.",
			UsualCauses: []string{"payload_length counts the 96 bytes too", "an unbounded text in an Error"},
		},
	})
}

func zeroFields() conformance.Case {
	return toured(conformance.Case{
		ID: "XC-0015", Title: "Every field named zero is sent as zero.",
		Proves: []string{"XTMP-CON-002"},
		Explain: conformance.Explain{
			Why:         "A receiver refuses anything else there, so that the bytes can get a meaning later.",
			UsualCauses: []string{"memory that was used before is sent without clearing it"},
		},
	})
}

func distinctSessionIDs() conformance.Case {
	return conformance.Case{
		ID: "XC-0016", Title: "Sessions that exist at the same time have different ids, each between 1 and 2^53 − 1.",
		Proves: []string{"XTMP-HDR-012", "XTMP-HDR-014"},
		Explain: explain("Two sessions with one id share a key table entry, and 2^53 − 1 is the largest number that every JSON reader keeps.",
			"Eight complete handshakes on eight connections that stay open.",
			"ids are drawn from fewer bits than asked for", "all 64 bits are drawn", "ids are reused while their session lives"),
		Run: func(x *conformance.Exchange) {
			seen := map[uint64]bool{}
			for person := range conformance.MaxPersons {
				nc, err := x.DialAs(person)
				if err != nil {
					x.Inconclusive("no connection to the peer")
				}
				s, err := dialOn(x, nc).Handshake(peer.Script{Lenient: true})
				if err != nil {
					unprepared(x, "a session", err)
				}
				x.Require(s.ID >= 1 && s.ID <= 1<<53-1, "session_id is between 1 and 2^53 − 1")
				x.Require(!seen[s.ID], "no two sessions have the same id")
				seen[s.ID] = true
			}
		},
	}
}
