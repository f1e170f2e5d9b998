package main

import (
	"fmt"
	"slices"

	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

// otherSuiteVectors are frames and flights of the suites 0, 2 and 3.
func otherSuiteVectors() []vectors.Vector {
	return slices.Concat(suiteFrames(), integrityFrames(), suiteHellos(), hybridFlights())
}

func suiteFrames() []vectors.Vector {
	var all []vectors.Vector
	for _, suite := range []uint8{testkit.SuiteChaCha20Poly1305, testkit.SuitePostQuantum} {
		in := func(id string) *scenario {
			return ping(fmt.Sprintf("suite/%d-%s", suite, id)).needs("suites").inSuite(suite)
		}
		seals := map[uint8]string{testkit.SuiteChaCha20Poly1305: "SUI-006", testkit.SuitePostQuantum: "SUI-007"}[suite]
		all = append(all,
			in("ping").valid("PONG", seals+" SUI-008", fmt.Sprintf("A PING in suite %d.", suite)),
			pong(fmt.Sprintf("suite/%d-client-pong", suite)).needs("suites").inSuite(suite).
				valid("nothing", seals, fmt.Sprintf("A PONG in suite %d.", suite)),
			in("tag").after(afterwards(flip("auth_tag", 0))).invalid("silent", "check11", seals+" ORD-025", "One bit of the tag."),
			in("payload").after(func(f *testkit.Frame) { f.Payload[0] ^= 1 }).
				invalid("silent", "check11", seals+" ORD-025", "One bit of the ciphertext."),
			in("timestamp").after(afterwards(setUint("timestamp", clock+1))).
				invalid("silent", "check11", "HDR-024 ORD-025", "The timestamp was altered after sealing."),
			in("type-1").header(setUint("encryption_type", 1)).
				invalid("silent", "check6", "ORD-018", fmt.Sprintf("encryption_type 1 in a session of suite %d.", suite)),
			in("type-0").header(setUint("encryption_type", 0)).header(setUint("flags", 0)).
				invalid("silent", "check6", "ORD-018", fmt.Sprintf("encryption_type 0 in a session of suite %d.", suite)))
	}
	chacha := ping("suite/2-sealed-by-1").needs("suites").given("suite", []byte{2}).header(setUint("encryption_type", 2))
	chacha.hidden = true
	return append(all, chacha.invalid("silent", "check11", "SUI-006 ORD-025", "Sealed with AES-256-GCM and called suite 2."))
}

// integrityFrames are those of suite 0.
func integrityFrames() []vectors.Vector {
	in := func(id string) *scenario {
		return ping("suite/0-" + id).needs("integrity-only").inSuite(testkit.SuiteIntegrityOnly)
	}
	encrypted := uint64(flags("ENCRYPTED"))
	return []vectors.Vector{
		in("ping").valid("PONG", "INT-004 INT-005 INT-006 INT-007 INT-008", "A PING in suite 0: its payload is the plaintext."),
		pong("suite/0-client-pong").needs("integrity-only").inSuite(0).valid("nothing", "INT-007 INT-008", "A PONG in suite 0."),
		toServer("suite/0-empty", typeExtension, 0, nil).needs("integrity-only").inSuite(0).
			valid("nothing", "INT-008", "A frame without payload has a tag all the same."),
		in("tag-first-bit").after(afterwards(flip("auth_tag", 127))).invalid("silent", "check11", "INT-010 INT-011", "The first bit of the tag."),
		in("tag-last-bit").after(afterwards(flip("auth_tag", 0))).invalid("silent", "check11", "INT-010 INT-011", "The last bit of the tag."),
		in("tag-zero").header(set("auth_tag", make([]byte, 16))).invalid("silent", "check11", "INT-010", "No tag."),
		in("payload").after(func(f *testkit.Frame) { f.Payload[1] ^= 1 }).invalid("silent", "check11", "INT-010", "One bit of the payload."),
		in("timestamp").after(afterwards(setUint("timestamp", clock+1))).
			invalid("silent", "check11", "INT-010 HDR-024", "The timestamp was altered after sealing."),
		in("key-id").header(set("key_id", counting(16))).invalid("silent", "check6", "INT-006 ORD-017", "A key_id of no receive key."),
		in("key-id-zero").header(set("key_id", make([]byte, 16))).
			invalid("silent", "check6", "HDR-033 ORD-028", "key_id zero and a nonce: no clear frame, and none that is sealed."),
		in("nonce").header(set("nonce", make([]byte, 24))).invalid("silent", "check10", "INT-006 NON-006", "The nonce field is zero."),
		in("sequence").header(setUint("sequence_number", nextToServe+1)).
			invalid("silent", "check9", "ORD-022", "One sequence number is left out."),
		in("encrypted-flag").header(setUint("flags", encrypted)).
			invalid("silent", "check3", "INT-005 FLG-016", "ENCRYPTED is set and encryption_type is 0."),
		in("type-1").header(setUint("encryption_type", 1)).header(setUint("flags", encrypted)).
			invalid("silent", "check6", "INT-009 ORD-018", "encryption_type 1 in a session of suite 0."),
		sealedBy1().
			invalid("silent", "check6", "INT-009 ORD-018", "A whole frame of suite 1 in a session of suite 0."),
	}
}

// sealedBy1 is a frame of suite 1 in a session of suite 0.
func sealedBy1() *scenario {
	s := ping("suite/0-sealed-by-1").needs("integrity-only").given("suite", []byte{testkit.SuiteIntegrityOnly})
	s.hidden = true
	return s
}

// suiteHellos are ServerHellos that choose another suite than 1.
func suiteHellos() []vectors.Vector {
	choose := func(id string, offered []byte, chosen uint64) *scenario {
		h := &handshake{inputs: readInputs("core"), answer: setUint("suite", chosen)}
		h.Client.Suites = offered
		s := atClient("suite/hello-"+id, "hello", h)
		first := h.clientHello()
		s.Steps = []vectors.Step{stepOf("client", first, nil)}
		s.draft = h.serverHello(first)
		return s
	}
	return []vectors.Vector{
		choose("2-not-offered", []byte{1, 0xFF, 0xFF, 0xFF}, 2).invalid("silent", "hello", "HSK-017", "Suite 2 was not offered."),
		choose("3-not-offered", []byte{2, 1, 0xFF, 0xFF}, 3).needs("suites").invalid("silent", "hello", "HSK-017", "Suite 3 was not offered."),
		choose("0-not-offered", []byte{3, 2, 1, 0xFF}, 0).needs("suites").
			invalid("silent", "hello", "HSK-017", "Suite 0 was not offered: a server cannot take the encryption away."),
	}
}

// hybridFlights are ServerFlights of identities of kind 2, and of kind 1 where kind 2 is
// called for. The client offers what its suite list says.
func hybridFlights() []vectors.Vector {
	pinned := func(id string, suite byte, change func(*handshake)) *scenario {
		return flight("hybrid-"+id, "suite-3", func(h *handshake) {
			h.Client.Suites = []byte{suite, 0xFF, 0xFF, 0xFF}
			if change != nil {
				change(h)
			}
		}).needs("suites")
	}
	good := func(id string, suite byte, req, comment string, change func(*handshake)) vectors.Vector {
		return pinned(id, suite, change).valid("ClientFinish", req, comment)
	}
	bad := func(id, req, comment string, change func(*handshake)) vectors.Vector {
		return pinned(id, testkit.SuitePostQuantum, change).invalid("silent", "flight", req, comment)
	}
	signature := func(change func([]byte) []byte) func(*handshake) {
		return func(h *handshake) { h.signature = change }
	}
	bit := func(at int) func(*handshake) {
		return signature(func(b []byte) []byte { b[at] ^= 1; return b })
	}
	other := testkit.Identity{Seed: slices.Repeat([]byte{7}, 32), MLDSASeed: slices.Repeat([]byte{8}, 32)}
	withKey := func(h *handshake) { h.Client.Flags |= 1 }
	return []vectors.Vector{
		good("suite-3", 3, "KEY-016 KEY-017 KEY-018", "3511 bytes: a pinned key of kind 2 in suite 3.", nil),
		good("suite-1", 1, "KEY-018 TRU-011", "The same identity in suite 1.", nil),
		good("suite-2", 2, "KEY-018 TRU-011 SUI-006", "The same identity in suite 2.", nil),
		good("with-key", 3, "HSK-023 HSK-041 KEY-018", "5496 bytes, with the identity key of 1985.", withKey),
		bad("ed25519-bit", "KEY-018 HSK-043", "One bit of the Ed25519 signature.", bit(0)),
		bad("mldsa-first-bit", "KEY-018 HSK-043", "One bit at the beginning of the ML-DSA-65 signature.", bit(64)),
		bad("mldsa-last-bit", "KEY-018 HSK-043", "One bit at the end of the ML-DSA-65 signature.", bit(3372)),
		pinned("suite-1-mldsa-bit", 1, bit(64)).
			invalid("silent", "flight", "TRU-011 KEY-018", "One bit of the ML-DSA-65 signature in suite 1: the pin decides, not the suite."),
		bad("ed25519-alone", "HSK-037 TRU-012", "The Ed25519 signature alone.", signature(func(b []byte) []byte { return b[:64] })),
		bad("mldsa-alone", "HSK-037", "The ML-DSA-65 signature alone.", signature(func(b []byte) []byte { return b[64:] })),
		bad("swapped", "KEY-016 KEY-018", "The ML-DSA-65 signature before the Ed25519 signature.",
			signature(func(b []byte) []byte { return slices.Concat(b[64:], b[:64]) })),
		bad("one-byte-more", "HSK-037", "One byte after the signatures.", signature(func(b []byte) []byte { return append(b, 0) })),
		bad("mldsa-of-other", "KEY-018", "The ML-DSA-65 signature of another identity.", func(h *handshake) {
			h.signature = func(b []byte) []byte {
				return slices.Concat(b[:64], other.Sign(h.schedule.Value("server_signature_input"))[64:])
			}
		}),
		bad("key-1984-bytes", "HSK-041", "A key of kind 2 without its last byte.", func(h *handshake) {
			withKey(h)
			h.identity = func(m *testkit.Message) { m.Set("identity_key", h.server().KeyBytes()[:1984]) }
		}),
		bad("key-of-kind-1", "HSK-041", "The first 33 bytes of the key, under kind 2.", func(h *handshake) {
			withKey(h)
			h.identity = func(m *testkit.Message) { m.Set("identity_key", h.server().KeyBytes()[:33]) }
		}),
		bad("mldsa-key-bit", "TRU-008", "One bit of the ML-DSA-65 key.", func(h *handshake) {
			withKey(h)
			h.identity = func(m *testkit.Message) { m.Flip("identity_key", 0) }
		}),
		bad("kind-1-offered", "TRU-012 TRU-007", "The server calls its identity one of kind 1 and signs with Ed25519 alone.", func(h *handshake) {
			h.identity = setUint("kind", 1)
			h.signature = func(b []byte) []byte { return b[:64] }
		}),
		pinned("pin-of-kind-1", testkit.SuitePostQuantum, nil).given("pin_kind", []byte{testkit.KindEd25519}).
			invalid("silent", "flight", "TRU-007 TRU-013", "The pin has the fingerprint and says kind 1."),
		kindOneInSuiteThree(),
	}
}

// kindOneInSuiteThree: a pinned identity of kind 1, consistent in itself, with suite 3.
func kindOneInSuiteThree() vectors.Vector {
	return flight("kind-1-in-suite-3", "core", func(h *handshake) { h.Client.Suites = []byte{3, 1, 0xFF, 0xFF} }).needs("suites").
		invalid("silent", "flight", "TRU-022", "Suite 3 with an identity of kind 1.")
}
