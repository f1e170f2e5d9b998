package main

import (
	"slices"

	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

// identityVectors are ClientHellos at a server with two identities, in this order: that
// of flows/core.json, and another. The result is the fingerprint of the one that it
// takes.
func identityVectors() []vectors.Vector {
	first := testkit.Identity{Seed: readInputs("core").IdentitySeed}
	second := testkit.Identity{Seed: slices.Repeat([]byte{7}, 32)}
	secondHybrid := testkit.Identity{Seed: second.Seed, MLDSASeed: slices.Repeat([]byte{8}, 32)}
	choose := func(id string, other, taken testkit.Identity, suites []byte, hints ...[]byte) *scenario {
		s := hello("identity/"+id).given("identity_seed", first.Seed).given("second_identity_seed", other.Seed)
		if other.MLDSASeed != nil {
			s.given("second_mldsa_seed", other.MLDSASeed).needs("suites")
		}
		hint := make([]byte, 32)
		for i, h := range hints {
			copy(hint[8*i:8*i+8], h)
		}
		s.body(set("identity_hint", hint)).body(set("suites", suites))
		s.Result = []vectors.Value{{Name: "fingerprint", Bytes: taken.Fingerprint()}}
		return s
	}
	one := []byte{1, 0xFF, 0xFF, 0xFF}
	unknown := slices.Repeat([]byte{0xAA}, 8)
	good := func(s *scenario, req, comment string) vectors.Vector { return s.valid("ServerHello", req, comment) }
	return []vectors.Vector{
		good(choose("no-hint", second, first, one), "TRU-018 TRU-019 TRU-023", "No hint: the first identity."),
		good(choose("unknown-hint", second, first, one, unknown), "TRU-018", "A hint of neither: the first identity."),
		good(choose("hint-of-second", second, second, one, second.Fingerprint()),
			"TRU-018 TRU-023 TRU-024", "A hint of the second identity alone."),
		good(choose("both-hints", second, first, one, second.Fingerprint(), first.Fingerprint()),
			"TRU-018 TRU-019", "Hints of both: the server's order decides, not the client's."),
		good(choose("unknown-and-second", second, second, one, unknown, second.Fingerprint()),
			"TRU-018", "A hint of nobody and one of the second identity."),
		good(choose("hint-in-last-slot", second, second, one, nil, nil, nil, second.Fingerprint()),
			"TRU-018", "The hint stands in the last slot, behind unused ones."),
		good(choose("seven-bytes-of-hint", second, first, one, append(slices.Clone(second.Fingerprint()[:7]), second.Fingerprint()[7]^1)),
			"TRU-018", "Seven bytes of the second fingerprint and another eighth."),
		good(choose("suite-3-needs-second", secondHybrid, secondHybrid, []byte{3, 1, 0xFF, 0xFF}, secondHybrid.Fingerprint()),
			"TRU-018 TRU-020", "The hint is that of a kind-2 identity, which serves suite 3."),
		good(choose("identity-before-suite", secondHybrid, first, []byte{3, 1, 0xFF, 0xFF}),
			"TRU-019 TRU-020", "No hint: the first identity, of kind 1, serves suite 1; the identity comes before the suite."),
		good(choose("suite-3-alone", secondHybrid, secondHybrid, []byte{3, 0xFF, 0xFF, 0xFF}),
			"TRU-019", "Suite 3 alone: the first identity cannot serve it, the second can."),
		choose("hinted-cannot-serve", secondHybrid, first, []byte{3, 0xFF, 0xFF, 0xFF}, first.Fingerprint()).
			invalid("NO_COMMON_SUITE", "suite", "TRU-018 TRU-021", "Only the first identity is considered, and it serves no suite of the list."),
	}
}
