package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"

	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

// inputs is a file of flows/: everything random, chosen or timed in a session.
type inputs struct {
	Format       int            `json:"format"`
	Comment      string         `json:"comment"`
	IdentitySeed hexBytes       `json:"identity_seed"`
	MLDSASeed    hexBytes       `json:"mldsa_seed"` // of a kind-2 identity
	Client       clientInputs   `json:"client"`
	Server       serverInputs   `json:"server"`
	Rekey        *rekeyInputs   `json:"rekey"`
	UDP          *udpInputs     `json:"udp"` // the handshake runs on UDP
	Attach       []attachInputs `json:"attach"`
	Handshake    []struct {
		From    string `json:"from"`
		Message string `json:"message"`
		Index   *int   `json:"index"` // UDP: this fragment alone, without token
		Token   string `json:"token"` // UDP: "cookie" or "address_token" in every fragment
		Stamp   uint64 `json:"stamp"`
	} `json:"handshake"`
	Frames []frameInputs `json:"frames"`
}

// frameInputs are what is chosen in a frame after the handshake.
type frameInputs struct {
	From      string   `json:"from"`
	At        string   `json:"at"`   // client's address, if it is another than in udp
	Path      int      `json:"path"` // 0, or the number of an attached path
	Epoch     int      `json:"epoch"`
	Message   string   `json:"message"` // written behind the plaintext, which is its prologue; of Attach and AttachAck, the whole
	Piece     *int     `json:"piece"`   // UDP: this fragment of the message alone
	Type      uint8    `json:"type"`
	Flags     uint16   `json:"flags"`
	Sequence  uint64   `json:"sequence"`
	Stamp     uint64   `json:"stamp"`
	Plaintext hexBytes `json:"plaintext"`
}

// udpInputs are what is chosen or random on UDP besides the messages.
type udpInputs struct {
	Client       string       `json:"client"` // address and port
	Cookie       *tokenInputs `json:"cookie"`
	AddressToken *tokenInputs `json:"address_token"`
}

// tokenInputs are the fields of a token and its key.
type tokenInputs struct {
	Key    hexBytes `json:"key"`
	KeyGen uint64   `json:"key_gen"`
	Expiry uint64   `json:"expiry"`
	Salt   hexBytes `json:"salt"`
}

// attachInputs are what is random or chosen in an Attach and its AttachAck.
type attachInputs struct {
	Kind         uint64   `json:"kind"`
	Flags        uint64   `json:"flags"`
	Counter      uint64   `json:"counter"`
	Random       hexBytes `json:"random"`
	HandshakeID  hexBytes `json:"handshake_id"`
	ClientTime   uint64   `json:"client_time"`
	Status       uint64   `json:"status"`
	PathID       uint64   `json:"path_id"`
	ServerRandom hexBytes `json:"server_random"`
	ServerTime   uint64   `json:"server_time"`
}

// rekeyInputs are what is random in a rekey.
type rekeyInputs struct {
	ClientX25519 hexBytes `json:"client_x25519_private"`
	ClientMLKEM  hexBytes `json:"client_mlkem_seed"`
	HandshakeID  hexBytes `json:"handshake_id"`
	ServerX25519 hexBytes `json:"server_x25519_private"`
	ServerMLKEM  hexBytes `json:"server_mlkem_m"`
}

type clientInputs struct {
	X25519      hexBytes `json:"x25519_private"`
	MLKEMSeed   hexBytes `json:"mlkem_seed"`
	Random      hexBytes `json:"random"`
	HandshakeID hexBytes `json:"handshake_id"`
	Time        uint64   `json:"time"`
	Suites      hexBytes `json:"suites"`
	Flags       uint64   `json:"flags"`
	Hint        bool     `json:"hint"` // the fingerprint's first 8 bytes in slot 0
	TLVType     uint16   `json:"tlv_type"`
	TLVValue    hexBytes `json:"tlv_value"`
}

type serverInputs struct {
	X25519    hexBytes `json:"x25519_private"`
	MLKEM     hexBytes `json:"mlkem_m"`
	Random    hexBytes `json:"random"`
	SessionID hexBytes `json:"session_id"`
	Time      uint64   `json:"time"`
	ResetKey  hexBytes `json:"reset_key"`
	Params    struct {
		MaxPayload      uint64 `json:"max_payload"`
		IdleTimeoutMS   uint64 `json:"idle_timeout_ms"`
		KeyRotationS    uint64 `json:"key_rotation_s"`
		MaxDatagram     uint64 `json:"max_datagram"`
		Policy          uint64 `json:"policy"`
		ReassemblyBytes uint64 `json:"reassembly_bytes"`
		MaxInflight     uint64 `json:"max_inflight"`
	} `json:"params"`
}

// hexBytes is a byte string written in hexadecimal.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// readInputs reads a file of flows/.
func readInputs(name string) inputs {
	raw, err := fs.ReadFile(vectors.Files(), "flows/"+name+".json")
	if err != nil {
		panic(fmt.Sprintf("gen: %v", err))
	}
	var in inputs
	if err := json.Unmarshal(raw, &in); err != nil {
		panic(fmt.Sprintf("gen: flows/%s.json: %v", name, err))
	}
	return in
}

// A handshake is made of inputs, message by message. Hooks change a message before
// it is encoded; what follows is computed from the changed one, so that a changed
// handshake is consistent in itself.
type handshake struct {
	inputs

	answer    func(*testkit.Message)    // body of ServerHello
	params    func(*testkit.Message)    // inside ServerIdentity
	identity  func(*testkit.Message)    // ServerIdentity
	signature func([]byte) []byte       // ServerSignature
	finished  func([]byte) []byte       // ServerFinished
	flight    func(m [][]byte) [][]byte // the messages of ServerFlight

	schedule *testkit.Derivation
}

// clientHello returns the draft of ClientHello.
func (h *handshake) clientHello() *testkit.Draft {
	d := testkit.NewDraft(typeHandshake, 0, h.Client.Time)
	d.Plaintext.Envelope.DefaultUint("hs_type", 1).Default("handshake_id", h.Client.HandshakeID)
	d.Body = testkit.Compose("client_hello").
		DefaultUint("min_version", 1).DefaultUint("max_version", 1).
		Default("suites", h.Client.Suites).DefaultUint("flags", h.Client.Flags).DefaultUint("client_time", h.Client.Time).
		Default("random", h.Client.Random).Default("x25519", testkit.X25519Public(h.Client.X25519)).
		Default("mlkem768_ek", testkit.MLKEMPublic(h.Client.MLKEMSeed)).
		Default("extensions", testkit.TLVBlock(testkit.TLV{Type: h.Client.TLVType, Value: h.Client.TLVValue}))
	if h.Client.Hint {
		hint := make([]byte, 32)
		copy(hint, h.server().Fingerprint()[:8])
		d.Body.Default("identity_hint", hint)
	}
	return d
}

func (h *handshake) server() testkit.Identity {
	return testkit.Identity{Seed: h.IdentitySeed, MLDSASeed: h.MLDSASeed}
}

// suite returns the suite of the session: the first that the client offers.
func (h *handshake) suite() uint8 { return h.Client.Suites[0] }

// serverHello returns the draft of ServerHello to a ClientHello that was encoded,
// and runs the schedule up to the handshake secrets.
func (h *handshake) serverHello(hello *testkit.Draft) *testkit.Draft {
	d := testkit.NewDraft(typeHandshakeAck, 0, h.Server.Time)
	d.Frame.Header.Default("session_id", h.Server.SessionID)
	d.Plaintext.Envelope.DefaultUint("hs_type", 3).Default("handshake_id", h.Client.HandshakeID)
	shared, ciphertext, err := testkit.MLKEMEncapsulate(testkit.MLKEMPublic(h.Client.MLKEMSeed), h.Server.MLKEM)
	if err != nil {
		panic(fmt.Sprintf("gen: %v", err))
	}
	d.Body = testkit.Compose("server_hello").
		DefaultUint("version", 1).DefaultUint("suite", uint64(h.suite())).Default("session_id", h.Server.SessionID).
		DefaultUint("server_time", h.Server.Time).Default("random", h.Server.Random).
		Default("x25519", testkit.X25519Public(h.Server.X25519)).Default("mlkem768_ct", ciphertext)
	apply(h.answer, d.Body)
	h.schedule = testkit.Derive("handshake", testkit.Values{
		"mlkem_ss": shared, "x25519_ss": testkit.X25519Shared(h.Client.X25519, d.Body.Bytes("x25519")),
		"CH": testkit.TranscriptMessage(1, hello.Plaintext.Body), "SH": testkit.TranscriptMessage(3, d.Body.Encode()),
	})
	return d
}

// serverFlight returns the draft of ServerFlight.
func (h *handshake) serverFlight(stamp uint64) *testkit.Draft {
	d := h.sealed(typeHandshakeAck, 4, stamp, "s_hs")
	d.Frame.Header.Default("session_id", h.Server.SessionID)
	si := testkit.Compose("server_identity").DefaultUint("kind", uint64(h.server().Kind())).
		Default("fingerprint", h.server().Fingerprint()).Default("params", h.serverParams().Encode())
	if h.Client.Flags&1 != 0 {
		si.DefaultUint("flags", 1).Default("identity_key", h.server().KeyBytes())
	}
	apply(h.identity, si)
	h.schedule.Set("SI", testkit.TranscriptMessage(0x41, si.Encode()))
	signature := applyBytes(h.signature, h.server().Sign(h.schedule.Value("server_signature_input")))
	h.schedule.Set("SS", testkit.TranscriptMessage(0x42, signature))
	mac := applyBytes(h.finished, h.schedule.Value("sf_mac"))
	messages := [][]byte{h.schedule.Value("SI"), h.schedule.Value("SS"), testkit.TranscriptMessage(0x43, mac)}
	if h.flight != nil {
		messages = h.flight(messages)
	}
	for _, m := range messages {
		d.Plaintext.Body = append(d.Plaintext.Body, m...)
	}
	return d
}

func (h *handshake) serverParams() *testkit.Message {
	p := h.Server.Params
	m := testkit.Compose("server_params").
		DefaultUint("max_payload", p.MaxPayload).DefaultUint("idle_timeout_ms", p.IdleTimeoutMS).
		DefaultUint("key_rotation_s", p.KeyRotationS).DefaultUint("max_datagram", p.MaxDatagram).
		DefaultUint("policy", p.Policy).DefaultUint("reassembly_bytes", p.ReassemblyBytes).
		DefaultUint("max_inflight", p.MaxInflight).Default("reset_token", testkit.ResetToken(h.Server.ResetKey, h.Server.SessionID))
	apply(h.params, m)
	return m
}

// clientFinish returns the draft of ClientFinish.
func (h *handshake) clientFinish(stamp uint64) *testkit.Draft {
	d := h.sealed(typeHandshake, 5, stamp, "c_hs")
	d.Frame.Header.Default("session_id", h.Server.SessionID)
	d.Body = testkit.Compose("client_finish").Default("mac", h.schedule.Value("cf_mac"))
	return d
}

// sealed returns the draft of a message under a handshake key.
func (h *handshake) sealed(messageType uint8, hsType, stamp uint64, secret string) *testkit.Draft {
	d := testkit.NewDraft(messageType, 0, stamp)
	d.Plaintext.Envelope.DefaultUint("hs_type", hsType).Default("handshake_id", h.Client.HandshakeID)
	keys := testkit.DeriveKeys(h.schedule.Value(secret)).For(h.suite())
	d.Keys = &keys
	return d
}

func apply(hook func(*testkit.Message), m *testkit.Message) {
	if hook != nil {
		hook(m)
	}
}

func applyBytes(hook func([]byte) []byte, value []byte) []byte {
	if hook == nil {
		return value
	}
	return hook(value)
}
