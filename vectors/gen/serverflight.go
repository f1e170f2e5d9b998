package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math/big"
	"slices"

	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

// flight starts a ServerFlight behind valid hellos. The hook changes what the
// server does; flow is the file of flows/ whose inputs it takes.
func flight(id, flow string, change func(*handshake)) *scenario {
	h := &handshake{inputs: readInputs(flow)}
	if change != nil {
		change(h)
	}
	s := atClient("server-flight/"+id, "flight", h)
	s.knows("clock", readInputs(flow).Server.Time)
	first := h.clientHello()
	s.Steps = []vectors.Step{stepOf("client", first, nil)}
	answer := h.serverHello(first)
	s.Steps = append(s.Steps, stepOf("server", answer, nil))
	s.draft = h.serverFlight(h.Server.Time + 10)
	s.Result = []vectors.Value{{Name: "s_hs", Bytes: h.schedule.Value("s_hs")}}
	return s
}

// bad is a flight that the client refuses for its content.
func bad(id, flow, req, comment string, change func(*handshake)) vectors.Vector {
	return flight(id, flow, change).invalid("silent", "flight", req, comment)
}

// good is a flight that the client answers by ClientFinish.
func good(id, flow, req, comment string, change func(*handshake)) vectors.Vector {
	return flight(id, flow, change).valid("ClientFinish", req, comment)
}

func serverFlightVectors() []vectors.Vector {
	return slices.Concat(flightForm(), flightIdentity(), flightEndpoints(), flightParams(), flightProofs(), flightFrame())
}

// flightForm is about the three messages.
func flightForm() []vectors.Vector {
	arrange := func(change func([][]byte) [][]byte) func(*handshake) {
		return func(h *handshake) { h.flight = change }
	}
	return []vectors.Vector{
		good("plain", "core", "HSK-022 HSK-036", "202 bytes, without the identity key.", nil),
		good("with-key", "identity-key", "HSK-023 HSK-036", "235 bytes, with the identity key.", nil),
		bad("swapped", "core", "HSK-022 HSK-037", "ServerSignature before ServerIdentity.",
			arrange(func(m [][]byte) [][]byte { return [][]byte{m[1], m[0], m[2]} })),
		bad("finished-missing", "core", "HSK-022 HSK-037", "No ServerFinished.",
			arrange(func(m [][]byte) [][]byte { return m[:2] })),
		bad("signature-missing", "core", "HSK-022 HSK-037", "No ServerSignature.",
			arrange(func(m [][]byte) [][]byte { return [][]byte{m[0], m[2]} })),
		bad("finished-twice", "core", "HSK-022 HSK-037", "ServerFinished twice.",
			arrange(func(m [][]byte) [][]byte { return append(m, m[2]) })),
		bad("one-byte-more", "core", "HSK-022 HSK-037", "One byte after ServerFinished.",
			arrange(func(m [][]byte) [][]byte { return append(m, []byte{0}) })),
		bad("unknown-message", "core", "HSK-022 HSK-037", "A message of type 0x44 at the end.",
			arrange(func(m [][]byte) [][]byte { return append(m, testkit.TranscriptMessage(0x44, nil)) })),
		bad("len-beyond-body", "core", "HSK-037", "ServerFinished announces 49 bytes and has 48.",
			arrange(func(m [][]byte) [][]byte { m[2][3] = 0x31; return m })),
		bad("empty", "core", "HSK-037", "No message at all.", arrange(func([][]byte) [][]byte { return nil })),
		bad("signature-63-bytes", "core", "HSK-037", "A signature of 63 bytes.",
			func(h *handshake) { h.signature = func(b []byte) []byte { return b[:63] } }),
		bad("finished-47-bytes", "core", "HSK-037", "A MAC of 47 bytes.",
			func(h *handshake) { h.finished = func(b []byte) []byte { return b[:47] } }),
	}
}

// flightIdentity is about ServerIdentity: form, key and pin. Signature and MAC are
// right for what is sent.
func flightIdentity() []vectors.Vector {
	identity := func(change func(*testkit.Message)) func(*handshake) {
		return func(h *handshake) { h.identity = change }
	}
	other := testkit.Identity{Seed: bytes.Repeat([]byte{7}, 32)}
	return []vectors.Vector{
		bad("kind-2", "core", "HSK-026 TRU-007 TRU-013", "An identity of kind 2 under a pin of kind 1.", identity(setUint("kind", 2))),
		bad("kind-not-of-key", "identity-key", "HSK-026 HSK-042", "The first byte of the key is not the kind.",
			identity(func(m *testkit.Message) { m.Flip("identity_key", 8*32) })),
		bad("flag-without-key", "core", "HSK-024 HSK-040", "The flag says that the key is there.", identity(setUint("flags", 1))),
		bad("key-without-flag", "identity-key", "HSK-024 HSK-040", "The flag says that the key is not there.", identity(setUint("flags", 0))),
		good("undefined-flags", "core", "TYP-018", "Undefined bits of the flags are ignored.", identity(setUint("flags", 0xFE))),
		bad("key-not-asked-for", "core", "HSK-023 HSK-038", "The key was not asked for.",
			identity(func(m *testkit.Message) { m.SetUint("flags", 1).Set("identity_key", readIdentity().KeyBytes()) })),
		bad("key-missing", "identity-key", "HSK-023 HSK-039", "The key was asked for.",
			identity(func(m *testkit.Message) { m.SetUint("flags", 0).Set("identity_key", nil) })),
		bad("key-32-bytes", "identity-key", "HSK-041", "A key of kind 1 without its last byte.",
			identity(func(m *testkit.Message) { m.Set("identity_key", readIdentity().KeyBytes()[:32]) })),
		bad("key-of-other", "identity-key", "TRU-008", "The pinned fingerprint with another key.",
			func(h *handshake) {
				h.identity = set("identity_key", other.KeyBytes())
				h.signature = signedBy(other, h)
			}),
		bad("other-identity", "identity-key", "TRU-007", "Another identity, consistent in itself.",
			func(h *handshake) {
				h.identity = func(m *testkit.Message) {
					m.Set("identity_key", other.KeyBytes()).Set("fingerprint", other.Fingerprint())
				}
				h.signature = signedBy(other, h)
			}),
		bad("fingerprint-bit", "core", "TRU-007", "One bit of the fingerprint.", identity(flip("fingerprint", 0))),
		good("tlv-8000", "core", "TYP-025", "An unknown TLV type that can be ignored.",
			identity(set("extensions", testkit.TLVBlock(testkit.TLV{Type: 0x8000, Value: []byte("value")})))),
		good("tlv-attach-endpoints", "core", "TYP-030 PTH-058", "TLV 0x0002 is known here; a client that attaches reads a list of one.",
			identity(set("extensions", endpoints(endpoint(1, 8090, "a.example"))))),
		bad("tlv-delegation", "core", "TYP-026", "TLV 0x0001 is refused as unknown.",
			identity(set("extensions", testkit.TLVBlock(testkit.TLV{Type: 1})))),
		bad("tlv-descending", "core", "TYP-027", "TLV types in descending order.",
			identity(set("extensions", testkit.TLVBlock(testkit.TLV{Type: 0x8001}, testkit.TLV{Type: 0x8000})))),
		bad("tlv-beyond", "core", "TYP-029", "ext_len reaches beyond ServerIdentity.", identity(set("extensions", []byte{0, 4}))),
	}
}

// flightEndpoints is about the list of TLV 0x0002, which only a client that attaches reads.
func flightEndpoints() []vectors.Vector {
	with := func(list ...[]byte) func(*handshake) {
		return func(h *handshake) {
			h.identity = func(m *testkit.Message) { m.Set("extensions", endpoints(list...)) }
		}
	}
	one := endpoint(1, 8090, "a.example")
	of := []vectors.Vector{
		good("endpoints-two", "core", "PTH-056", "Two endpoints, one of each kind.", with(one, endpoint(2, 1, "2001:db8::1"))),
		good("endpoints-kind-3", "core", "PTH-059", "An endpoint of a kind that nobody knows.", with(endpoint(3, 8090, "a.example"), one)),
		bad("endpoints-empty", "core", "PTH-060", "No endpoint at all.", with()),
		bad("endpoints-port-0", "core", "PTH-060", "Port 0.", with(endpoint(1, 0, "a.example"))),
		bad("endpoints-host-empty", "core", "PTH-060", "An empty host.", with(endpoint(1, 8090, ""))),
		bad("endpoints-host-not-ascii", "core", "PTH-060", "A host beyond ASCII.", with(one, endpoint(2, 8090, "\x80.example"))),
		bad("endpoints-short", "core", "PTH-060", "The last host is shorter than host_len.", with(one, one[:len(one)-1])),
		bad("endpoints-header-short", "core", "PTH-060", "Three bytes behind the last endpoint.", with(one, one[:3])),
		bad("endpoints-kind-3-port-0", "core", "PTH-060", "Port 0 of a kind that nobody knows.", with(one, endpoint(3, 0, "a.example"))),
	}
	for i := range of {
		of[i].Needs = "failover"
	}
	return of
}

// endpoints is the block of TLV 0x0002.
func endpoints(list ...[]byte) []byte {
	return testkit.TLVBlock(testkit.TLV{Type: 2, Value: bytes.Join(list, nil)})
}

// endpoint is an entry of TLV 0x0002.
func endpoint(kind byte, port uint16, host string) []byte {
	entry := binary.BigEndian.AppendUint16([]byte{kind}, port)
	return append(append(entry, byte(len(host))), host...)
}

func readIdentity() testkit.Identity { return testkit.Identity{Seed: readInputs("core").IdentitySeed} }

// signedBy makes the signature of another identity over the transcript.
func signedBy(other testkit.Identity, h *handshake) func([]byte) []byte {
	return func([]byte) []byte { return other.Sign(h.schedule.Value("server_signature_input")) }
}

func flightParams() []vectors.Vector {
	params := func(field string, value uint64) func(*handshake) {
		return func(h *handshake) { h.params = setUint(field, value) }
	}
	return []vectors.Vector{
		good("max-payload-65536", "core", "HSK-028 HSK-045", "The least max_payload.", params("max_payload", 65536)),
		bad("max-payload-65535", "core", "HSK-028 HSK-045", "One below the least max_payload.", params("max_payload", 65535)),
		good("max-payload-16777216", "core", "HSK-028 HSK-045", "The greatest max_payload.", params("max_payload", 16777216)),
		bad("max-payload-16777217", "core", "HSK-028 HSK-045", "One above the greatest max_payload.", params("max_payload", 16777217)),
		good("idle-timeout-1", "core", "HSK-029 HSK-045", "The least idle_timeout_ms.", params("idle_timeout_ms", 1)),
		bad("idle-timeout-0", "core", "HSK-029 HSK-045", "idle_timeout_ms 0.", params("idle_timeout_ms", 0)),
		bad("key-rotation-0", "core", "HSK-030 HSK-045", "key_rotation_s 0.", params("key_rotation_s", 0)),
		good("max-datagram-0", "core", "HSK-045", "max_datagram is judged only when policy says UDP.", params("max_datagram", 0)),
		bad("max-datagram-1199-udp", "core", "HSK-031 HSK-045", "max_datagram below its least, and policy says UDP.",
			func(h *handshake) {
				h.params = func(m *testkit.Message) { m.SetUint("policy", 2).SetUint("max_datagram", 1199) }
			}),
		bad("max-datagram-1453-udp", "core", "HSK-031 HSK-045", "max_datagram above its greatest, and policy says UDP.",
			func(h *handshake) {
				h.params = func(m *testkit.Message) { m.SetUint("policy", 2).SetUint("max_datagram", 1453) }
			}),
		bad("reassembly-262143", "core", "HSK-032 HSK-045", "One below the least reassembly_bytes.", params("reassembly_bytes", 262143)),
		good("policy-undefined", "core", "TYP-018", "Undefined bits of policy are ignored.", params("policy", 0xFFF0)),
		good("max-inflight-0", "core", "HSK-036", "max_inflight 0 stands for 1024.", params("max_inflight", 0)),
	}
}

// flightProofs spoil signature, MAC and time.
func flightProofs() []vectors.Vector {
	skew := func(offset uint64) func(*handshake) {
		return func(h *handshake) { h.Server.Time += offset }
	}
	return []vectors.Vector{
		bad("signature-bit", "core", "HSK-043", "One bit of R.",
			func(h *handshake) { h.signature = func(b []byte) []byte { b[0] ^= 1; return b } }),
		bad("signature-s-plus-l", "core", "KEY-013 HSK-043", "The right signature with L added to S.",
			func(h *handshake) { h.signature = addOrder }),
		bad("signature-zero", "core", "HSK-043", "64 zero bytes.",
			func(h *handshake) { h.signature = func([]byte) []byte { return make([]byte, 64) } }),
		bad("finished-bit", "core", "HSK-044 KEY-015", "One bit of the MAC.",
			func(h *handshake) {
				h.finished = func(b []byte) []byte { return append([]byte{b[0] ^ 1}, b[1:]...) }
			}),
		good("time-300s-ahead", "core", "TIM-013 TIM-014", "server_time exactly 300 s ahead.", skew(300*second)),
		good("time-300s-behind", "core", "TIM-013 TIM-014", "server_time exactly 300 s behind.", skew(-(300*second)&(1<<64-1))),
		bad("time-300s-1us-ahead", "core", "TIM-014", "server_time 1 µs more than 300 s ahead.", skew(300*second+1)),
		bad("time-300s-1us-behind", "core", "TIM-014", "server_time 1 µs more than 300 s behind.", skew(-(300*second+1)&(1<<64-1))),
	}
}

// addOrder adds the group order L of Ed25519 to S, the second half of a signature.
func addOrder(signature []byte) []byte {
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	s := slices.Clone(signature[32:])
	slices.Reverse(s)
	sum := new(big.Int).Add(new(big.Int).SetBytes(s), order).FillBytes(make([]byte, 32))
	slices.Reverse(sum)
	return append(slices.Clone(signature[:32]), sum...)
}

// flightFrame spoils the frame around the flight.
func flightFrame() []vectors.Vector {
	plain := func(id string) *scenario { return flight(id, "core", nil) }
	return []vectors.Vector{
		plain("handshake-id").envelope(flip("handshake_id", 0)).invalid("silent", "flight", "ENV-005 ENV-013", "Another handshake_id."),
		plain("hs-type-6").envelope(setUint("hs_type", 6)).
			invalid("silent", "flight", "TYP-013 HSK-084", "HandshakeDone under a handshake key."),
		plain("frag-index-1").envelope(setUint("frag_index", 1)).invalid("silent", "flight", "ENV-008", "A fragment on TCP."),
		plain("session-id").header(flip("session_id", 0)).invalid("silent", "check6", "HDR-020 ORD-016", "Another session_id."),
		plain("tag").after(afterwards(flip("auth_tag", 0))).invalid("silent", "check11", "KEY-015 ORD-025", "One bit of the tag."),
		plain("ciphertext").after(func(f *testkit.Frame) { f.Payload[0] ^= 1 }).
			invalid("silent", "check11", "ORD-025 HSK-090", "One bit of the ciphertext."),
		numbered(plain("sequence-1"), 1).invalid("silent", "check9", "NON-007", "Sequence number 1 in a handshake slot."),
		secondServerHello(),
		alteredServerHello(),
	}
}

// numbered seals a frame under another sequence number.
func numbered(s *scenario, sequence uint64) *scenario {
	s.draft.Sequence = sequence
	return s
}

// secondServerHello comes in place of the flight.
func secondServerHello() vectors.Vector {
	s := flight("second-server-hello", "core", nil)
	h := &handshake{inputs: readInputs("core")}
	s.draft, s.Result = h.serverHello(h.clientHello()), nil
	return s.invalid("silent", "check6", "ORD-028 HSK-084", "A second ServerHello in place of ServerFlight.")
}

// alteredServerHello: an attacker changed a byte of random between the endpoints;
// the flight is the server's own.
func alteredServerHello() vectors.Vector {
	s := flight("altered-server-hello", "core", nil)
	const random = testkit.HeaderSize + 16 + 24 // behind header, envelope and the fields before it
	altered := slices.Clone(s.Steps[1].Frame)
	altered[random] ^= 1
	s.Steps[1].Frame = testkit.FixChecksum(altered)
	return s.invalid("silent", "check6", "HSK-090 KEY-002",
		"One bit of random in ServerHello was altered on the way: the handshake keys differ.")
}

// unhex reads a byte string of this program.
func unhex(digits string) []byte {
	raw, err := hex.DecodeString(digits)
	if err != nil {
		panic(err)
	}
	return raw
}
