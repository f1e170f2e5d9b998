package cases

import (
	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// twoPins returns two identities of the server, the one that it has first in front.
func twoPins(x *conformance.Exchange) (first, second conformance.Pin) {
	known := pins(x)
	if len(known) < 2 {
		x.Unsupported("a second identity")
	}
	if a, b := known[0], known[1]; string(frontOf(x, a, b).Fingerprint) != string(b.Fingerprint) {
		return a, b
	}
	return known[1], known[0]
}

func eachPinAnswers() conformance.Case {
	return conformance.Case{
		ID: "XC-1030", Title: "Each identity of a server answers to its own hint and signs as itself.",
		Proves: []string{"XTMP-TRU-018"}, Touches: []string{"XTMP-TRU-023", "XTMP-TRU-024", "XTMP-HSK-043"},
		Params: []conformance.Param{param("slot", "0", "3")},
		Explain: explain("While a server changes its key, clients of the old pin and of the new one connect at the same time; each has to "+
			"meet what it trusts.",
			"For each identity that the server is known by a handshake whose hint names it alone; key, fingerprint and signature are verified.",
			"the second identity is shown and the first signs", "only the first identity is compared with the hint"),
		Run: func(x *conformance.Exchange) {
			twoPins(x)
			for _, pin := range pins(x) {
				c := dialPinned(x, conformance.Pin{Kind: pin.Kind})
				s, err := c.Handshake(peer.Script{Lenient: true, Hello: func(h *peer.Hello) {
					h.Body.Set("identity_hint", hintFor(x, pin.Fingerprint, x.ParamInt("slot"), "zero"))
				}})
				if err != nil {
					o := observe(x, err, conformance.BudgetReply)
					x.Require(o.Kind != conformance.KindMalformed, "what the identity says of itself is true")
					unprepared(x, "a session", err)
				}
				x.RequireBytes("fingerprint", pin.Fingerprint, nil, s.Identity().Bytes("fingerprint"))
				send(x, s.Close())
			}
		},
	}
}

func bothHints() conformance.Case {
	return conformance.Case{
		ID:     "XC-1031",
		Title:  "Of several identities that a client names the first of the server's order answers, whatever the order of the hints.",
		Proves: []string{"XTMP-TRU-018", "XTMP-TRU-019"}, Touches: []string{"XTMP-TRU-023"},
		Params: []conformance.Param{
			param("hints", "first, second", "second, first", "second, nothing, nothing, first", "first, first, second, second"),
		},
		Explain: explain("The operator decides when clients with both pins move to the new key; the client's order must not.",
			"Handshakes whose hints name two identities of the server.",
			"hints are tried in their order", "the last identity that fits wins"),
		Run: func(x *conformance.Exchange) {
			first, second := twoPins(x)
			hints := map[string][]conformance.Pin{
				"first, second": {first, second}, "second, first": {second, first},
				"second, nothing, nothing, first": {second, {}, {}, first}, "first, first, second, second": {first, first, second, second},
			}[x.Param("hints")]
			x.RequireBytes("fingerprint", first.Fingerprint, nil, chosen(x, hintOf(hints...)))
		},
	}
}

func hintsAmongNonsense() conformance.Case {
	return conformance.Case{
		ID: "XC-1032", Title: "A hint of the second identity is found among hints that fit nothing.",
		Proves: []string{"XTMP-TRU-018"}, Params: []conformance.Param{param("slot", "0", "1", "2", "3")},
		Explain: explain("A client whose pins are of several servers, or older than this one, names keys that are not here.",
			"A handshake with the hint of the server's second identity in one slot and random bytes in the three others.",
			"a hint that fits nothing leads to the default identity at once"),
		Run: func(x *conformance.Exchange) {
			_, second := twoPins(x)
			x.RequireBytes("fingerprint", second.Fingerprint, nil, chosen(x, hintFor(x, second.Fingerprint, x.ParamInt("slot"), "random")))
		},
	}
}

func identitiesSideBySide() conformance.Case {
	return conformance.Case{
		ID: "XC-1033", Title: "Sessions under different identities of a server live side by side.",
		Proves: []string{"XTMP-TRU-018", "XTMP-HDR-014"}, Touches: []string{"XTMP-TRU-025"}, Expect: accepts(),
		Explain: explain("A change of keys that ended the sessions of the old one would be a change with an outage.",
			"Two sessions, each under another identity, and PINGs in both in turn.",
			"the identity is a state of the server and not of the session"),
		Run: func(x *conformance.Exchange) {
			first, second := twoPins(x)
			a, b := sessionPinned(x, first), sessionPinned(x, second)
			x.Require(a.ID != b.ID, "the sessions have different ids")
			for range 3 {
				ping(x, a)
				ping(x, b)
			}
		},
	}
}
