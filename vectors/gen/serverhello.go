package main

import (
	"fmt"

	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

// atClient starts a vector at a client that has sent the ClientHello of a flow. Its
// wall time is the server's.
func atClient(id, state string, h *handshake) *scenario {
	s := &scenario{from: "server"}
	s.Vector = vectors.Vector{ID: id, Kind: vectors.KindFrame, Receiver: "client", State: state}
	s.given("client_x25519", h.Client.X25519).given("client_mlkem_seed", h.Client.MLKEMSeed)
	s.given("pin", h.server().Fingerprint()).knows("clock", h.Server.Time)
	if h.server().Kind() != testkit.KindEd25519 {
		s.given("pin_kind", []byte{h.server().Kind()})
	}
	if h.suite() != testkit.SuiteAES256GCM {
		s.given("suite", []byte{h.suite()})
	}
	if h.Client.Flags&1 == 0 {
		s.given("pinned_key", h.server().KeyBytes())
	}
	return s
}

// serverHello starts a ServerHello. The hook changes its body before anything is
// computed from it.
func serverHello(id string, change func(*testkit.Message)) *scenario {
	h := &handshake{inputs: readInputs("core"), answer: change}
	s := atClient(id, "hello", h)
	first := h.clientHello()
	s.Steps = []vectors.Step{stepOf("client", first, nil)}
	s.draft = h.serverHello(first)
	return s
}

func serverHelloVectors() []vectors.Vector {
	body := func(id, field string, value uint64) *scenario {
		return serverHello("server-hello/"+id, setUint(field, value))
	}
	both := func(id string, session uint64) *scenario {
		return body(id, "session_id", session).header(setUint("session_id", session))
	}
	fails := func(s *scenario, req, comment string) vectors.Vector {
		return s.invalid("silent", "hello", req, comment)
	}
	all := []vectors.Vector{
		serverHello("server-hello/plain", nil).valid("nothing", "HSK-011 HSK-013", "A ServerHello with nothing special."),
		both("session-id-1", 1).valid("nothing", "HDR-018", "The least session_id."),
		both("session-id-2-53", 1<<53).valid("nothing", "HDR-018", "A session_id that no server of this text chooses."),
		both("session-id-all-ones", 1<<64-1).valid("nothing", "HDR-018", "The greatest session_id."),
		fails(both("session-id-0", 0), "HSK-018", "session_id 0."),
		fails(body("session-id-differs", "session_id", 5), "HSK-013 HSK-019", "session_id of body and header differ."),
		fails(body("version-0", "version", 0), "HSK-016", "A version that was not offered."),
		fails(body("version-2", "version", 2), "HSK-016", "A version that was not offered."),
		fails(body("suite-0", "suite", 0), "HSK-017", "A suite that was not offered: none."),
		fails(body("suite-2", "suite", 2), "HSK-017", "A suite that was not offered."),
		fails(body("suite-ff", "suite", 0xFF), "HSK-017", "The mark of an unused slot as suite."),
		fails(serverHello("server-hello/zero-field", flip("zero", 0)), "CON-003 HSK-021", "The field named zero is not zero."),
		fails(serverHello("server-hello/one-byte-more", nil).trailing([]byte{0}), "TYP-029 HSK-021", "One byte after the TLV block."),
		fails(serverHello("server-hello/1177-bytes", set("extensions", []byte{0})), "HSK-021", "Half of ext_len."),
		fails(serverHello("server-hello/x25519-zero", set("x25519", make([]byte, 32))), "KEY-009", "The X25519 secret is all zero."),
		fails(serverHello("server-hello/handshake-id", nil).envelope(flip("handshake_id", 0)), "ENV-005 ENV-013", "Another handshake_id."),
		fails(serverHello("server-hello/retry", nil).envelope(setUint("hs_type", 2)), "HSK-020", "A Retry on TCP."),
		fails(serverHello("server-hello/hs-type-4", nil).envelope(setUint("hs_type", 4)), "HSK-084", "A clear ServerFlight."),
		fails(serverHello("server-hello/frag-count-2", nil).envelope(setUint("frag_count", 2)), "ENV-007", "A fragment on TCP."),
		fails(serverHello("server-hello/total-len", nil).envelope(setUint("total_len", 1177)),
			"ENV-010", "total_len is not the length of the body."),
		fails(serverHello("server-hello/15-bytes", nil).raw(make([]byte, 15)), "HSK-084", "Shorter than an envelope."),
	}
	all = append(all, serverHelloExtensions(fails)...)
	return append(all, inPlaceOfServerHello()...)
}

func serverHelloExtensions(fails func(*scenario, string, string) vectors.Vector) []vectors.Vector {
	tlv := func(id string, entries ...testkit.TLV) *scenario {
		return serverHello("server-hello/tlv-"+id, set("extensions", testkit.TLVBlock(entries...)))
	}
	all := []vectors.Vector{
		tlv("8000", testkit.TLV{Type: 0x8000, Value: []byte("value")}).
			valid("nothing", "TYP-025", "An unknown type that can be ignored."),
		fails(tlv("descending", testkit.TLV{Type: 0x8001}, testkit.TLV{Type: 0x8000}), "TYP-020 TYP-027", "Types in descending order."),
	}
	for _, t := range []uint16{0x0000, 0x0002, 0x7FFF} {
		all = append(all, fails(tlv(fmt.Sprintf("%04x", t), testkit.TLV{Type: t}), "TYP-023 TYP-026",
			fmt.Sprintf("Type 0x%04X has to be understood and is not known in ServerHello.", t)))
	}
	return all
}

// inPlaceOfServerHello are frames that come instead.
func inPlaceOfServerHello() []vectors.Vector {
	clearError := func(id string, code uint64) *scenario {
		s := serverHello("server-hello/error-"+id, nil)
		s.draft = testkit.NewDraft(typeError, 0, clock)
		s.draft.Body = testkit.Compose("error").SetUint("code", code).SetUint("scope", 1).SetUint("ref_seq", none)
		return s
	}
	return []vectors.Vector{
		serverHello("server-hello/checksum", nil).after(flipChecksum).
			invalid("silent", "check7", "ORD-019 HSK-084", "A wrong checksum."),
		serverHello("server-hello/flags", nil).header(setUint("flags", 4)).
			invalid("silent", "check3", "FLG-015 HSK-084", "PRIORITY in a clear frame."),
		serverHello("server-hello/type-01", nil).header(setUint("message_type", typeHandshake)).
			invalid("silent", "hello", "HSK-084", "The client's type."),
		clearError("busy", 7).
			invalid("silent", "hello", "HSK-083 HSK-086", "SERVER_BUSY ends the handshake; its code is reported as unauthenticated."),
		clearError("version", 1).invalid("silent", "hello", "HSK-083 HSK-086", "VERSION_UNSUPPORTED ends the handshake."),
		clearError("unknown", 0x7777).invalid("silent", "hello", "HSK-083", "So does a code without a name."),
	}
}
