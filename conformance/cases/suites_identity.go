package cases

import (
	"bytes"
	"slices"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// suitesIdentity returns the cases about identities of kind 2 and about several
// identities at once.
func suitesIdentity() []conformance.Case {
	return []conformance.Case{
		hybridKeyWhenAsked(), hybridSignature(), freshSignature(), hybridFlightSize(), oneKeyInEverySuite(), hybridKindAndFingerprint(),
		eachPinAnswers(), bothHints(), hintsAmongNonsense(), identitiesSideBySide(),
	}
}

// hybridKeySize is the length of identity key bytes of kind 2.
const hybridKeySize = 1985

func hybridKeyWhenAsked() conformance.Case {
	return conformance.Case{
		ID: "XC-1020", Title: "The 1985 bytes of a kind-2 key are sent exactly when ClientHello asks for them.",
		Proves: []string{"XTMP-HSK-023", "XTMP-HSK-024", "XTMP-HSK-025"}, Profile: profileSuites, Expect: accepts(),
		Params: []conformance.Param{uses("1 kind 2", "2 kind 2", "3 kind 2"), param("flags", "0x0000", "0x0001", "0xFFFC", "0xFFFD")},
		Explain: explain("The key is most of the flight. A client that holds it refuses one that it did not ask for, and one that does not "+
			"hold it can verify nothing without.",
			"A handshake that asks for the key, and one with the flags of the parameter, verified with the key of the first.",
			"kind 2 always includes its key", "key_len is written in one byte", "only the Ed25519 half is sent"),
		Run: func(x *conformance.Exchange) {
			suite, kind := use(x)
			pin, flags := pinOf(x, kind), uint64(x.ParamInt("flags"))
			key := shownTo(x, pin, offers(suite)).Bytes("identity_key")
			x.RequireField("bytes of the key", hybridKeySize, len(key))
			c := dialPinned(x, pin)
			s, err := c.Handshake(peer.Script{Lenient: true, IdentityKey: key, Hello: func(h *peer.Hello) {
				offers(suite)(h)
				h.Body.SetUint("flags", flags)
			}})
			requireClean(x, c)
			x.Judge(observe(x, err, conformance.BudgetReply))
			identity, included := s.Identity(), flags&1
			x.RequireField("flags", included, identity.Uint("flags")&1)
			x.RequireField("key_len", included*hybridKeySize, identity.Uint("key_len"))
			x.Require(included == 0 || slices.Equal(key, identity.Bytes("identity_key")), "the key is the same in every handshake")
		},
	}
}

func hybridSignature() conformance.Case {
	return conformance.Case{
		ID: "XC-1021", Title: "Both halves of a kind-2 signature verify, in every suite.",
		Proves: []string{"XTMP-KEY-016", "XTMP-KEY-017"}, Touches: []string{"XTMP-TRU-024", "XTMP-HSK-043"}, Profile: profileSuites,
		Expect: accepts(),
		Params: []conformance.Param{uses("1 kind 2", "2 kind 2", "3 kind 2")},
		Explain: explain("The second half is the one that a future attacker cannot forge; a server that signs something else with it, or "+
			"with another context, is refused by every client that looks.",
			"A handshake under an identity of kind 2. The Ed25519 half is verified over the server signature input without context, the "+
				"ML-DSA-65 half over the same input with the context \"XTMP/1 server auth\".",
			"ML-DSA signs without context, or a hash of the input", "the halves are in the other order",
			"the second signature covers the first", "suite 1 and 2 are signed with Ed25519 alone"),
		Run: func(x *conformance.Exchange) {
			suite, kind := use(x)
			c := dialPinned(x, pinOf(x, kind))
			_, err := c.Handshake(peer.Script{Hello: offers(suite)})
			requireClean(x, c)
			x.Judge(observe(x, err, conformance.BudgetReply))
		},
	}
}

func freshSignature() conformance.Case {
	return conformance.Case{
		ID: "XC-1022", Title: "A signature is of its own handshake and verifies in no other.",
		Proves: []string{"XTMP-KEY-016"}, Touches: []string{"XTMP-KEY-001", "XTMP-KEY-006"}, Profile: profileSuites, Expect: accepts(),
		Params: []conformance.Param{uses("1 kind 2", "3 kind 2")},
		Explain: explain("A signature that could be used again would let whoever recorded it be the server.",
			"Two handshakes under the same identity; each half of one signature is tried on the input of the other.",
			"the transcript hash is replaced by a constant", "the signature is cached"),
		Run: func(x *conformance.Exchange) {
			suite, kind := use(x)
			pin := pinOf(x, kind)
			first, second := sessionPinned(x, pin, offers(suite)), sessionPinned(x, pin, offers(suite))
			key := first.Identity().Bytes("identity_key")
			mine, others := proofOf(first), proofOf(second)
			x.Require(testkit.Verify(key, mine.input, mine.signature), "the signature verifies in its own handshake")
			x.Require(!testkit.Verify(key, mine.input, others.signature), "the signature does not verify in another handshake")
			half := append([]byte{testkit.KindEd25519}, key[1:33]...)
			x.Require(!testkit.Verify(half, mine.input, others.signature[:64]), "its Ed25519 half does not verify there either")
			x.Require(!bytes.Equal(mine.signature[64:], others.signature[64:]), "the ML-DSA-65 halves differ")
		},
	}
}

// A proof is a signature and what it is about.
type proof struct{ input, signature []byte }

func proofOf(s *peer.Session) proof {
	d := s.Schedule()
	return proof{d.Value("server_signature_input"), d.Value("SS")[testkit.Layout("transcript_message").Prefix():]}
}

func hybridFlightSize() conformance.Case {
	return conformance.Case{
		ID: "XC-1023", Title: "ServerFlight of kind 2 is three messages of 5496 bytes with the key and 3511 without, besides TLV entries.",
		Proves: []string{"XTMP-HSK-022"}, Touches: []string{"XTMP-CON-004", "XTMP-ENV-004"}, Profile: profileSuites, Expect: accepts(),
		Params: []conformance.Param{uses("2 kind 2", "3 kind 2"), param("key", "asked", "not asked")},
		Explain: explain("A flight that is longer than it has to be, or comes in parts, is refused by clients that count.",
			"A handshake, of which the length of the plaintext of ServerFlight is measured.",
			"a key or signature of kind 2 does not fit one frame and is split", "the parts of a hybrid have lengths or tags of their own"),
		Run: func(x *conformance.Exchange) {
			suite, kind := use(x)
			pin := pinOf(x, kind)
			key := shownTo(x, pin, offers(suite)).Bytes("identity_key")
			c, want := dialPinned(x, pin), 5496
			hello := c.HelloDefaults()
			offers(suite)(hello)
			if x.Param("key") == "not asked" {
				hello.Body.SetUint("flags", 0)
				want = 3511
			}
			send(x, c.SendHello(hello))
			readServerHello(x, c)
			r, err := c.ReadFlight(key)
			requireStep(x, c, "ServerFlight", err, derived(c, "SS"))
			extensions := len(c.Session().Identity().Bytes("extensions")) - len(testkit.TLVBlock())
			x.RequireField("bytes of the flight", want, len(r.Plaintext.Body)-extensions)
		},
	}
}

func oneKeyInEverySuite() conformance.Case {
	return conformance.Case{
		ID: "XC-1024", Title: "An identity shows the same key and fingerprint in every suite.",
		Proves: []string{"XTMP-TRU-018"}, Touches: []string{"XTMP-TRU-011"}, Profile: profileSuites,
		Params: []conformance.Param{param("kind", "1", "2")},
		Explain: explain("The pin names one identity; the suite has no say in who the server is.",
			"A handshake in every suite that the kind serves, with the same hint.",
			"each suite has an identity of its own", "for suites 1 and 2 the Ed25519 half is shown as an identity of kind 1"),
		Run: func(x *conformance.Exchange) {
			kind := uint8(x.ParamInt("kind"))
			pin := pinOf(x, kind)
			list := []byte{testkit.SuiteAES256GCM, testkit.SuiteChaCha20Poly1305}
			if kind == testkit.KindHybrid {
				list = append(list, testkit.SuitePostQuantum)
			}
			for _, suite := range list {
				met := shownTo(x, pin, offers(suite))
				x.RequireBytes("fingerprint", pin.Fingerprint, nil, met.Bytes("fingerprint"))
				x.RequireField("kind", kind, met.Uint("kind"))
			}
		},
	}
}

func hybridKindAndFingerprint() conformance.Case {
	return conformance.Case{
		ID: "XC-1025", Title: "The fingerprint of a kind-2 identity covers the kind and both keys.",
		Proves: []string{"XTMP-HSK-026"}, Touches: []string{"XTMP-TRU-008", "XTMP-KEY-012"}, Profile: profileSuites,
		Explain: explain("A fingerprint that leaves out one of the keys lets an attacker bring his own in its place.",
			"A handshake that asks for the key.",
			"the fingerprint is that of the Ed25519 key", "the kind byte is not hashed"),
		Run: func(x *conformance.Exchange) {
			c := dialPinned(x, pinOf(x, testkit.KindHybrid))
			s, err := c.Handshake(peer.Script{Lenient: true})
			if err != nil {
				unprepared(x, "a session", err)
			}
			key := s.Identity().Bytes("identity_key")
			x.RequireField("first byte of the key", testkit.KindHybrid, key[0])
			x.RequireField("kind", testkit.KindHybrid, s.Identity().Uint("kind"))
			x.RequireBytes("fingerprint", testkit.Fingerprint(key), nil, s.Identity().Bytes("fingerprint"))
			requireClean(x, c)
		},
	}
}
