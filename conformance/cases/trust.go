package cases

import (
	"bytes"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// trust returns the cases of chapter 6 that a server can meet.
func trust() []conformance.Case {
	return []conformance.Case{hintChooses(), hintFitsNothing(), sameChoice(), firstSuite(), noSuiteForIdentity()}
}

// chosen returns the fingerprint of the identity that answers a hint.
func chosen(x *conformance.Exchange, hint []byte) []byte {
	s := sessionBy(x, peer.Script{Hello: func(h *peer.Hello) { h.Body.Set("identity_hint", hint) }})
	return s.Identity().Bytes("fingerprint")
}

// hintFor returns an identity_hint with the fingerprint in one slot and nonsense, or
// nothing, in the others.
func hintFor(x *conformance.Exchange, fingerprint []byte, slot int, others string) []byte {
	hint := make([]byte, 32)
	if others == "random" {
		hint = x.Entropy("hint").Bytes(32)
	}
	copy(hint[8*slot:8*slot+8], fingerprint)
	return hint
}

func hintChooses() conformance.Case {
	return conformance.Case{
		ID: "XC-0290", Title: "A hint that fits an identity of the server is answered by that identity.",
		Proves: []string{"XTMP-TRU-018"},
		Params: []conformance.Param{param("slot", "0", "1", "2", "3"), param("others", "zero", "random")},
		Explain: explain("A client that pins the new key of a server has to meet the new key while others still meet the old one.",
			"Handshakes whose hint names the pinned identity, or else the server's default one, in the given slot.",
			"only the first slot is read", "a zero entry, or one that fits nothing, ends the search"),
		Run: func(x *conformance.Exchange) {
			known := x.Endpoint().Fingerprint
			if known == nil {
				known = chosen(x, make([]byte, 32))
			}
			hint := hintFor(x, known, x.ParamInt("slot"), x.Param("others"))
			x.RequireBytes("fingerprint", known, nil, chosen(x, hint))
		},
	}
}

func hintFitsNothing() conformance.Case {
	return conformance.Case{
		ID: "XC-0291", Title: "A hint that fits no identity is answered like no hint.",
		Proves: []string{"XTMP-TRU-018"}, Params: []conformance.Param{param("hint", "random", "one bit off", "seven bytes")},
		Explain: explain("The hint is a help and no condition: the client judges the identity by itself.",
			"A handshake without hint, and one whose hint fits no identity.",
			"the handshake is refused", "fewer than eight bytes are compared", "another identity than the default is shown"),
		Run: func(x *conformance.Exchange) {
			fallback := chosen(x, make([]byte, 32))
			hint := x.Entropy("hint").Bytes(32)
			switch x.Param("hint") {
			case "one bit off":
				hint = hintFor(x, fallback, 0, "zero")
				hint[7] ^= 1
			case "seven bytes":
				hint = bytes.Repeat(append([]byte{fallback[0] ^ 1}, fallback[1:8]...), 4)
			}
			x.RequireBytes("fingerprint", fallback, nil, chosen(x, hint))
		},
	}
}

func sameChoice() conformance.Case {
	return conformance.Case{
		ID: "XC-0292", Title: "The same offer meets the same identity every time.",
		Proves: []string{"XTMP-TRU-019"},
		Explain: explain("A choice that depends on chance or load makes a client fail now and then, and nobody can repeat it.",
			"Four handshakes without hint that differ in random values only.",
			"identities are kept in a map and taken in its order", "connections are spread over identities in turn"),
		Run: func(x *conformance.Exchange) {
			first := chosen(x, make([]byte, 32))
			for range 3 {
				x.RequireBytes("fingerprint", first, nil, chosen(x, make([]byte, 32)))
			}
		},
	}
}

func firstSuite() conformance.Case {
	return conformance.Case{
		ID: "XC-0293", Title: "The first suite of the list that the server can serve is chosen.",
		Proves: []string{"XTMP-TRU-020"}, Touches: []string{"XTMP-SUI-003"},
		Params: []conformance.Param{param("suites", "017F66DD", "7F01FFFF", "7F66DD01")},
		Explain: explain("The order of the list is the client's preference, and its place says nothing about what a server knows.",
			"A ClientHello that lists suite 1 among unknown ones.",
			"only the first slot is read", "the search ends at the first unknown suite", "the server's own order decides"),
		Run: func(x *conformance.Exchange) {
			c := sendHello(x, func(h *peer.Hello) { setSuites(x, h) })
			x.RequireField("suite", testkit.SuiteAES256GCM, readServerHello(x, c).Uint("suite"))
		},
	}
}

func noSuiteForIdentity() conformance.Case {
	return conformance.Case{
		ID: "XC-0294", Title: "An identity that serves no suite of the list gets NO_COMMON_SUITE, whatever the hint.",
		Proves: []string{"XTMP-TRU-021"}, Touches: []string{"XTMP-HSK-074"}, Control: controlHandshake,
		Expect: refuses("NO_COMMON_SUITE", "XTMP-TRU-021"), Params: []conformance.Param{param("hint", "zero", "pinned", "random")},
		Explain: explain("The hint narrows the choice of the identity; it must not lead to a suite that the client did not list.",
			"A ClientHello with unknown suites only and a hint of each kind.",
			"a hint that fits skips the choice of the suite", "a failed search ends in MALFORMED or in closing"),
		Run: func(x *conformance.Exchange) {
			badHello(x, func(h *peer.Hello) {
				h.Body.Set("suites", []byte{0x7F, 0x66, 0xFF, 0xFF})
				switch x.Param("hint") {
				case "zero":
					h.Body.Set("identity_hint", make([]byte, 32))
				case "random":
					h.Body.Set("identity_hint", x.Entropy("hint").Bytes(32))
				}
			})
		},
	}
}
