package cases

import (
	"encoding/hex"
	"strings"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// suitesChoice returns the cases about which suite and which identity are chosen.
func suitesChoice() []conformance.Case {
	return []conformance.Case{
		suiteOrder(), suiteOrderKind1(), noSuiteForKind1(), identityForSuite(), defaultBeforeSuite(), gapBetweenSuites(),
		repeatedSuites(), hintOfEitherKind(),
	}
}

// setList offers the list of a param such as "0203FFFF → 2" and returns what has to
// be chosen.
func setList(x *conformance.Exchange) (edit func(*peer.Hello), want uint8) {
	digits, chosen, _ := strings.Cut(x.Param("suites"), " → ")
	list, err := hex.DecodeString(digits)
	if err != nil {
		x.Fatal(err)
	}
	return func(h *peer.Hello) { h.Body.Set("suites", list) }, chosen[0] - '0'
}

// judgeChoice judges the suite that a client with this pin is given, and that the
// handshake is completed in it.
func judgeChoice(x *conformance.Exchange, pin conformance.Pin) {
	edit, want := setList(x)
	s, err := dialPinned(x, pin).Handshake(peer.Script{Lenient: true, Hello: edit})
	x.Judge(observe(x, err, conformance.BudgetReply))
	x.RequireField("server_hello.suite", want, s.Suite())
	x.RequireBytes("fingerprint", pin.Fingerprint, nil, s.Identity().Bytes("fingerprint"))
	ping(x, s)
}

func suiteOrder() conformance.Case {
	return conformance.Case{
		ID: "XC-1010", Title: "Under a kind-2 identity the first suite of the client's list that the server knows is chosen.",
		Proves: []string{"XTMP-TRU-020"}, Touches: []string{"XTMP-SUI-003", "XTMP-HSK-010"}, Profile: profileSuites, Expect: accepts(),
		Params: []conformance.Param{param(
			"suites", "010203FF → 1", "020301FF → 2", "030201FF → 3", "030102FF → 3", "0103FFFF → 1", "0203FFFF → 2", "0301FFFF → 3",
			"7F030201 → 3", "FE7F0201 → 2", "04050301 → 3", "807F4003 → 3", "03FFFFFF → 3", "02FFFFFF → 2", "02020301 → 2", "037F037F → 3",
		)},
		Explain: explain("The order is the client's; a server with an order of its own, or one that picks the highest number, gives its "+
			"clients what they wanted least.",
			"A ClientHello with the list and the hint of the kind-2 identity.",
			"the highest number is taken for the strongest suite", "the server's own order decides", "the search ends at an unknown number",
			"suite 3 is chosen whenever the identity can serve it"),
		Run: func(x *conformance.Exchange) { judgeChoice(x, pinOf(x, testkit.KindHybrid)) },
	}
}

func suiteOrderKind1() conformance.Case {
	return conformance.Case{
		ID: "XC-1011", Title: "Under a kind-1 identity suite 3 is passed over.",
		Proves: []string{"XTMP-TRU-020"}, Touches: []string{"XTMP-SUI-007"}, Profile: profileSuites, Expect: accepts(),
		Params: []conformance.Param{
			param("suites", "0302FFFF → 2", "0301FFFF → 1", "030102FF → 1", "7F0302FF → 2", "03030301 → 1", "020301FF → 2"),
		},
		Explain: explain("Suite 3 says that the server was proven by a signature that outlives Ed25519; under a key of kind 1 it would say "+
			"so untruly.",
			"A ClientHello that lists suite 3 before others, with the hint of an identity of kind 1.",
			"suite 3 is taken for AES-256-GCM and no more", "the hint is given up for the sake of the first suite"),
		Run: func(x *conformance.Exchange) { judgeChoice(x, pinOf(x, testkit.KindEd25519)) },
	}
}

func noSuiteForKind1() conformance.Case {
	return conformance.Case{
		ID: "XC-1012", Title: "A hint of a kind-1 identity and suite 3 alone get NO_COMMON_SUITE.",
		Proves: []string{"XTMP-TRU-021", "XTMP-TRU-018"}, Touches: []string{"XTMP-HSK-074"}, Profile: profileSuites,
		Control: controlSuites, Expect: refuses("NO_COMMON_SUITE", "XTMP-TRU-021"),
		Params: []conformance.Param{param("suites", "03FFFFFF", "037F03FF", "7F0304FE")},
		Explain: explain("The client said which key it trusts. Another identity, which could serve the suite, is none that it would accept.",
			"A ClientHello that offers suite 3 and unknown ones, with the hint of an identity of kind 1.",
			"the search goes on among the identities that the hint does not name", "suite 3 is served under kind 1"),
		Run: func(x *conformance.Exchange) {
			c := dialPinned(x, pinOf(x, testkit.KindEd25519))
			h := c.HelloDefaults()
			setSuites(x, h)
			send(x, c.SendHello(h))
			judgeError(x, c)
		},
	}
}

func identityForSuite() conformance.Case {
	return conformance.Case{
		ID: "XC-1013", Title: "Without a fitting hint suite 3 alone is served by an identity of kind 2.",
		Proves: []string{"XTMP-TRU-019"}, Touches: []string{"XTMP-TRU-018"}, Profile: profileSuites, Expect: accepts(),
		Params: []conformance.Param{param("hint", "zero", "random")},
		Explain: explain("The server's order counts among the identities that can serve the client; its first one may not.",
			"A ClientHello that offers suite 3 alone, with no hint or one that fits nobody.",
			"the default identity is taken before the suites are looked at", "the answer is NO_COMMON_SUITE because the default cannot serve it"),
		Run: func(x *conformance.Exchange) {
			pinOf(x, testkit.KindHybrid)
			s := judgeSession(x, dialPinned(x, conformance.Pin{}), testkit.SuitePostQuantum, func(h *peer.Hello) {
				if x.Param("hint") == "random" {
					h.Body.Set("identity_hint", x.Entropy("hint").Bytes(32))
				}
			})
			x.RequireField("kind", testkit.KindHybrid, s.Identity().Uint("kind"))
		},
	}
}

func defaultBeforeSuite() conformance.Case {
	return conformance.Case{
		ID: "XC-1014", Title: "The identity is chosen before the suite: the default one keeps its place when a later suite suits it.",
		Proves: []string{"XTMP-TRU-019", "XTMP-TRU-020"}, Profile: profileSuites, Expect: accepts(),
		Params: []conformance.Param{param("suites", "0301FFFF", "0302FFFF", "7F0301FF")},
		Explain: explain("Who is chosen first decides what a client without a hint meets; two servers that do it in another order show "+
			"different keys to the same client.",
			"A ClientHello without hint that lists suite 3 before another one. A default identity of kind 1 serves the other suite, one of kind "+
				"2 suite 3.",
			"the suite is chosen first and then an identity for it"),
		Run: func(x *conformance.Exchange) {
			first := shownTo(x, conformance.Pin{}, offers(testkit.SuiteAES256GCM, testkit.SuiteChaCha20Poly1305))
			s := sessionPinned(x, conformance.Pin{}, func(h *peer.Hello) { setSuites(x, h) })
			x.RequireBytes("fingerprint", first.Bytes("fingerprint"), nil, s.Identity().Bytes("fingerprint"))
			want := map[string]uint8{"0301FFFF": 1, "0302FFFF": 2, "7F0301FF": 1}[x.Param("suites")]
			if first.Uint("kind") == testkit.KindHybrid {
				want = testkit.SuitePostQuantum
			}
			x.RequireField("server_hello.suite", want, s.Suite())
		},
	}
}

func gapBetweenSuites() conformance.Case {
	return conformance.Case{
		ID: "XC-1015", Title: "An unused slot before suite 2 or 3 makes the ClientHello malformed.",
		Proves: []string{"XTMP-HSK-008", "XTMP-HSK-071"}, Touches: []string{"XTMP-HSK-079"}, Profile: profileSuites, Control: controlSuites,
		Expect: refuses("MALFORMED", "XTMP-HSK-008"),
		Params: []conformance.Param{param("suites", "FF02FFFF", "02FF03FF", "FFFFFF03", "03FFFF02", "03FF7FFF")},
		Explain: explain("One list has one encoding; what is skipped in the middle is what an attacker took out.",
			"A ClientHello with 0xFF before a used slot of its suites.",
			"the list is read up to the first suite that is served", "0xFF is ignored like an unknown number"),
		Run: func(x *conformance.Exchange) { badHello(x, func(h *peer.Hello) { setSuites(x, h) }) },
	}
}

func repeatedSuites() conformance.Case {
	return conformance.Case{
		ID: "XC-1016", Title: "A suite that stands in the list twice counts where it stands first.",
		Proves: []string{"XTMP-HSK-010"}, Profile: profileSuites, Expect: accepts(),
		Params: []conformance.Param{param("suites", "02010201 → 2", "03020302 → 3", "01020102 → 1", "02020202 → 2")},
		Explain: explain("The place of a suite is its rank; the last place in which it is found is not.",
			"A ClientHello with a suite listed more than once.",
			"the list is kept as a set or a map from suite to rank"),
		Run: func(x *conformance.Exchange) { judgeChoice(x, pinOf(x, testkit.KindHybrid)) },
	}
}

func hintOfEitherKind() conformance.Case {
	return conformance.Case{
		ID:     "XC-1017",
		Title:  "A client with pins of both kinds meets the identity that the server has first, unless the suite calls for the other.",
		Proves: []string{"XTMP-TRU-018", "XTMP-TRU-019"}, Touches: []string{"XTMP-TRU-023"}, Profile: profileSuites, Expect: accepts(),
		Params: []conformance.Param{param("order", "kind 1 first", "kind 2 first"), param("suites", "01FFFFFF", "02FFFFFF", "03FFFFFF")},
		Explain: explain("A server moves from kind 1 to kind 2 while its clients hold both pins; the order is the server's, so that its "+
			"operator says when the change comes.",
			"A ClientHello with the hints of an identity of each kind, in either order.",
			"the first slot of the hint wins", "of two kinds the stronger is chosen whatever the order of the server"),
		Run: func(x *conformance.Exchange) {
			one, two := pinOf(x, testkit.KindEd25519), pinOf(x, testkit.KindHybrid)
			hints := [2]conformance.Pin{one, two}
			if x.Param("order") == "kind 2 first" {
				hints = [2]conformance.Pin{two, one}
			}
			want := frontOf(x, one, two)
			if x.Param("suites") == "03FFFFFF" {
				want = two
			}
			s := sessionPinned(x, conformance.Pin{}, func(h *peer.Hello) {
				h.Body.Set("identity_hint", hintOf(hints[:]...))
				setSuites(x, h)
			})
			x.RequireBytes("fingerprint", want.Fingerprint, nil, s.Identity().Bytes("fingerprint"))
		},
	}
}

// hintOf is the identity_hint of a client with these pins.
func hintOf(pins ...conformance.Pin) []byte {
	hint := make([]byte, 32)
	for i, pin := range pins {
		copy(hint[8*i:8*i+8], pin.Fingerprint)
	}
	return hint
}

// frontOf says which of two identities the server has before the other: the one that
// it shows to a client which names both.
func frontOf(x *conformance.Exchange, a, b conformance.Pin) conformance.Pin {
	met := shownTo(x, conformance.Pin{}, offers(testkit.SuiteAES256GCM), func(h *peer.Hello) {
		h.Body.Set("identity_hint", hintOf(a, b))
	})
	return shown(met)
}
