package main

import (
	"bytes"
	"encoding/hex"
	"fmt"

	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

// hello starts a first frame: the ClientHello of flows/core.json. The server's wall
// time is the client's.
func hello(id string) *scenario {
	core := &handshake{inputs: readInputs("core")}
	s := &scenario{from: "client", draft: core.clientHello()}
	s.Vector = vectors.Vector{ID: id, Kind: vectors.KindFrame, Receiver: "server", State: "first"}
	return s.knows("clock", core.Client.Time)
}

func clientHelloVectors() []vectors.Vector {
	field := func(id, name string, value uint64) *scenario {
		return hello("client-hello/" + id).body(setUint(name, value))
	}
	all := []vectors.Vector{
		hello("client-hello/plain").valid("ServerHello", "HSK-013 ENV-005", "A ClientHello with nothing special."),
		field("identity-key-asked", "flags", 1).valid("ServerHello", "HSK-005 HSK-023", "Flag 0x0001 asks for the identity key."),
		field("undefined-flags", "flags", 0xFFFC).valid("ServerHello", "TYP-017 HSK-009", "Undefined bits of the flags are ignored."),
		field("deflate", "flags", 2).valid("ServerHello", "TYP-017", "A client that offers compression."),
		hello("client-hello/random-zero").body(set("random", make([]byte, 32))).
			valid("ServerHello", "HSK-009", "The content of random is not judged."),
		hello("client-hello/hint-unknown").body(set("identity_hint", bytes.Repeat([]byte{0xAA}, 32))).
			valid("ServerHello", "TRU-018 HSK-009", "Hints that fit no identity: all identities are considered."),
		field("time-300s-behind", "client_time", clock-300*second).
			valid("ServerHello", "TIM-011", "Exactly 300 s behind: within the skew."),
		field("time-300s-ahead", "client_time", clock+300*second).
			valid("ServerHello", "TIM-011", "Exactly 300 s ahead: within the skew."),
		field("time-300s-1us-behind", "client_time", clock-300*second-1).
			valid("ServerHello", "TIM-012 HSK-057", "1 µs too far behind: CLOCK_SKEW, but only after ClientFinish."),
		field("time-zero", "client_time", 0).valid("ServerHello", "TIM-012 HSK-057", "Time 0: CLOCK_SKEW, but only after ClientFinish."),
		field("time-all-ones", "client_time", 1<<64-1).
			valid("ServerHello", "TIM-012 HSK-057", "The greatest time: CLOCK_SKEW, but only after ClientFinish."),
	}
	all = append(all, versionVectors()...)
	all = append(all, suiteVectors()...)
	all = append(all, formVectors()...)
	return append(all, arithmeticVectors()...)
}

func versionVectors() []vectors.Vector {
	offer := func(id string, low, high uint64) *scenario {
		return hello("client-hello/" + id).body(setUint("min_version", low)).body(setUint("max_version", high))
	}
	return []vectors.Vector{
		offer("versions-0-255", 0, 255).valid("ServerHello", "HSK-011", "Every version there can be: 1 is chosen."),
		offer("versions-0-1", 0, 1).valid("ServerHello", "HSK-011", "1 is the highest offered."),
		offer("versions-1-2", 1, 2).valid("ServerHello", "HSK-011", "1 is the lowest offered."),
		offer("versions-0-0", 0, 0).invalid("VERSION_UNSUPPORTED", "version", "HSK-073", "Version 0 alone."),
		offer("versions-2-255", 2, 255).invalid("VERSION_UNSUPPORTED", "version", "HSK-073", "Later versions only."),
		offer("versions-2-1", 2, 1).invalid("VERSION_UNSUPPORTED", "version", "HSK-072", "min_version above max_version, 1 at its edge."),
		offer("versions-255-0", 255, 0).invalid("VERSION_UNSUPPORTED", "version", "HSK-072", "The range upside down."),
		offer("order-form-version", 2, 2).trailing([]byte{0}).
			invalid("MALFORMED", "form", "HSK-079", "Form and version are wrong: form comes first."),
		offer("order-version-suite", 2, 2).body(set("suites", []byte{0xFF, 0xFF, 0xFF, 0xFF})).
			invalid("VERSION_UNSUPPORTED", "version", "HSK-079", "Version and suite are wrong: version comes first."),
	}
}

func suiteVectors() []vectors.Vector {
	offer := func(list string) *scenario {
		suites, err := hex.DecodeString(list)
		if err != nil {
			panic(err)
		}
		return hello("client-hello/suites-" + list).body(set("suites", suites))
	}
	return []vectors.Vector{
		offer("01010101").valid("ServerHello", "HSK-010", "The same suite four times."),
		offer("7e01ffff").valid("ServerHello", "SUI-003 HSK-009", "An unknown suite before suite 1."),
		offer("7e7d7c01").valid("ServerHello", "SUI-003 TRU-020", "Suite 1 in the last slot, after unknown ones."),
		offer("ffffffff").
			invalid("NO_COMMON_SUITE", "suite", "HSK-074 TRU-021", "Four unused slots: well-formed, and nothing is offered."),
		offer("0201ffff").needs("suites").valid("ServerHello", "TRU-020 SUI-005", "Suite 2 before suite 1, at a server that has both enabled."),
		offer("03ffffff").
			invalid("NO_COMMON_SUITE", "suite", "HSK-074 TRU-019", "Suite 3 only: the identity of kind 1 cannot serve it."),
		offer("0302ffff").needs("suites").
			valid("ServerHello", "TRU-019 TRU-020", "Suite 3 before suite 2: the identity of kind 1 serves suite 2."),
		offer("00ffffff").
			conditional("integrity-only", "refusal NO_COMMON_SUITE", "INT-003 SUI-004", "Suite 0 only, at a server that has not enabled it."),
		offer("0001ffff").
			conditional("integrity-only", "ServerHello", "SUI-003 SUI-004", "Suite 0 before suite 1, at a server that has not enabled it: ignored."),
		offer("7effffff").invalid("NO_COMMON_SUITE", "suite", "HSK-074 SUI-003", "An unknown suite only."),
		offer("ff01ffff").invalid("MALFORMED", "form", "HSK-003 HSK-008", "A used slot after an unused one."),
		offer("01ffff7e").invalid("MALFORMED", "form", "HSK-003 HSK-008", "A used slot in the last place, after unused ones."),
	}
}

// formVectors are about the length of the body and its TLV block.
func formVectors() []vectors.Vector {
	tlv := func(id string, entries ...testkit.TLV) *scenario {
		return hello("client-hello/tlv-" + id).body(set("extensions", testkit.TLVBlock(entries...)))
	}
	block := func(id, digits string) *scenario {
		raw, err := hex.DecodeString(digits)
		if err != nil {
			panic(err)
		}
		return hello("client-hello/tlv-" + id).body(set("extensions", raw))
	}
	all := []vectors.Vector{
		tlv("none").valid("ServerHello", "TYP-025", "No entry: 1298 bytes. A client has to send one, a server need not care."),
		tlv("8000", testkit.TLV{Type: 0x8000}).valid("ServerHello", "TYP-021 TYP-025", "The lowest type that can be ignored."),
		tlv("ffff", testkit.TLV{Type: 0xFFFF, Value: []byte("value")}).valid("ServerHello", "TYP-025", "The highest type, with a value."),
		tlv("ascending", testkit.TLV{Type: 0x8000}, testkit.TLV{Type: 0x8001, Value: []byte{1}}, testkit.TLV{Type: 0xFFFF}).
			valid("ServerHello", "TYP-020 TYP-025", "Three entries in ascending order."),
		tlv("equal", testkit.TLV{Type: 0x9000}, testkit.TLV{Type: 0x9000}).
			invalid("MALFORMED", "form", "TYP-020 TYP-027", "The same type twice."),
		tlv("descending", testkit.TLV{Type: 0x9001}, testkit.TLV{Type: 0x9000}).
			invalid("MALFORMED", "form", "TYP-020 TYP-027", "Types in descending order."),
		block("entry-beyond-block", "000580000002ff").
			invalid("MALFORMED", "form", "TYP-028", "An entry of two bytes of which one is there."),
		block("entry-cut", "0003800000").invalid("MALFORMED", "form", "TYP-028", "Three of the four bytes in front of a value."),
		block("ext-len-more", "000580000000").invalid("MALFORMED", "form", "TYP-029", "ext_len is one more than what follows."),
		block("ext-len-less", "000380000000").invalid("MALFORMED", "form", "TYP-029", "ext_len is one less than what follows."),
		block("ext-len-zero", "000080000000").invalid("MALFORMED", "form", "TYP-029", "ext_len 0 before an entry."),
		block("ext-len-all-ones", "ffff80000000").invalid("MALFORMED", "form", "TYP-029", "ext_len 65535."),
		block("ext-len-one-byte", "00").invalid("MALFORMED", "form", "HSK-071", "1297 bytes: half of ext_len."),
		block("ext-len-missing", "").invalid("MALFORMED", "form", "HSK-071", "1296 bytes: no ext_len."),
		hello("client-hello/one-byte-more").trailing([]byte{0}).invalid("MALFORMED", "form", "TYP-029", "One byte after the TLV block."),
		hello("client-hello/key-missing").body(func(m *testkit.Message) { m.Cut("x25519") }).
			invalid("MALFORMED", "form", "HSK-071", "The body without its X25519 key."),
	}
	for _, t := range []uint16{0x0000, 0x0001, 0x0002, 0x7FFF} {
		all = append(all, tlv(fmt.Sprintf("%04x", t), testkit.TLV{Type: t}).
			invalid("MALFORMED", "form", "TYP-022 TYP-026", fmt.Sprintf("Type 0x%04X has to be understood and is not known in ClientHello.", t)))
	}
	return all
}

// zeroPoints are X25519 public keys that give an all-zero secret with any private
// key: the points of small order, with the encodings of RFC 7748 that reduce to them.
var zeroPoints = []struct{ name, key string }{
	{"0", "0000000000000000000000000000000000000000000000000000000000000000"},
	{"1", "0100000000000000000000000000000000000000000000000000000000000000"},
	{"order-8-a", "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"},
	{"order-8-b", "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"},
	{"p-minus-1", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
	{"p", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
	{"p-plus-1", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
	{"0-high-bit", "0000000000000000000000000000000000000000000000000000000000000080"},
}

func arithmeticVectors() []vectors.Vector {
	var all []vectors.Vector
	for _, point := range zeroPoints {
		key, err := hex.DecodeString(point.key)
		if err != nil {
			panic(err)
		}
		all = append(all, hello("client-hello/x25519-"+point.name).body(set("x25519", key)).
			invalid("HANDSHAKE_FAILED", "arithmetic", "KEY-007 HSK-075", "An X25519 key that gives an all-zero secret."))
	}
	return append(all,
		hello("client-hello/mlkem-all-ones").body(set("mlkem768_ek", bytes.Repeat([]byte{0xFF}, 1184))).
			invalid("HANDSHAKE_FAILED", "arithmetic", "KEY-008 HSK-075", "Every coefficient of the ML-KEM key is 4095."),
		hello("client-hello/mlkem-coefficient-3329").body(firstCoefficient(3329)).
			invalid("HANDSHAKE_FAILED", "arithmetic", "KEY-008 HSK-075", "The first coefficient of the ML-KEM key is q = 3329."),
		hello("client-hello/mlkem-coefficient-3328").body(firstCoefficient(3328)).
			valid("ServerHello", "KEY-008", "The first coefficient is q − 1, the greatest there is."),
		hello("client-hello/order-suite-arithmetic").body(set("suites", []byte{0x7E, 0xFF, 0xFF, 0xFF})).
			body(set("x25519", make([]byte, 32))).
			invalid("NO_COMMON_SUITE", "suite", "HSK-079", "Suite and arithmetic are wrong: suite comes first."))
}

// firstCoefficient writes the first of the 12-bit coefficients of an encapsulation
// key, which are packed with the lowest bits first.
func firstCoefficient(value int) func(*testkit.Message) {
	return func(m *testkit.Message) {
		key := bytes.Clone(m.Bytes("mlkem768_ek"))
		key[0] = byte(value)
		key[1] = key[1]&0xF0 | byte(value>>8)
		m.Set("mlkem768_ek", key)
	}
}
