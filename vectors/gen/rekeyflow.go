package main

import (
	"fmt"

	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

// initBody and respBody are the bodies of the rekey to epoch 1.
func (r *rekeyInputs) initBody() *testkit.Message {
	return testkit.Compose("rekey_init").DefaultUint("epoch", 1).
		Default("x25519", testkit.X25519Public(r.ClientX25519)).Default("mlkem768_ek", testkit.MLKEMPublic(r.ClientMLKEM))
}

func (r *rekeyInputs) respBody() *testkit.Message {
	_, ciphertext := r.shared()
	return testkit.Compose("rekey_resp").DefaultUint("epoch", 1).
		Default("x25519", testkit.X25519Public(r.ServerX25519)).Default("mlkem768_ct", ciphertext)
}

func (r *rekeyInputs) shared() (mlkem, ciphertext []byte) {
	mlkem, ciphertext, err := testkit.MLKEMEncapsulate(testkit.MLKEMPublic(r.ClientMLKEM), r.ServerMLKEM)
	if err != nil {
		panic(fmt.Sprintf("gen: %v", err))
	}
	return mlkem, ciphertext
}

// derive runs the rekey from the root of epoch 0.
func (r *rekeyInputs) derive(root []byte) *testkit.Derivation {
	mlkem, _ := r.shared()
	return testkit.Derive("rekey", testkit.Values{
		"root": root, "mlkem_ss": mlkem, "x25519_ss": testkit.X25519Shared(r.ClientX25519, testkit.X25519Public(r.ServerX25519)),
		"rekey_init": testkit.TranscriptMessage(32, r.initBody().Encode()), "rekey_resp": testkit.TranscriptMessage(33, r.respBody().Encode()),
	})
}

// rekeyMessage returns envelope and body of the named message, nothing for "".
func (h *handshake) rekeyMessage(name string) []byte {
	var messageType uint8
	var hsType uint64
	var body []byte
	switch name {
	case "":
		return nil
	case "RekeyInit":
		messageType, hsType, body = typeHandshake, 32, h.Rekey.initBody().Encode()
	case "RekeyResp":
		messageType, hsType, body = typeHandshakeAck, 33, h.Rekey.respBody().Encode()
	default:
		panic(fmt.Sprintf("gen: a rekey has no message %q", name))
	}
	p := testkit.NewPlaintext(messageType, 0, body)
	p.Envelope.DefaultUint("hs_type", hsType).Default("handshake_id", h.Rekey.HandshakeID)
	return p.Encode()
}

// nextPath returns the traffic secrets of path 0 in epoch 1.
func (h *handshake) nextPath() *testkit.Derivation {
	root := h.Rekey.derive(h.schedule.Value("root_0")).Value("root_next")
	return testkit.Derive("path", testkit.Values{"root": root, "binder": h.schedule.Value("binder_0")})
}

func (h *handshake) nextSecret(name string) []byte {
	if h.Rekey == nil {
		return nil
	}
	return h.nextPath().Value(name)
}

func (h *handshake) rekeyResults() []vectors.Value {
	if h.Rekey == nil {
		return nil
	}
	d := h.Rekey.derive(h.schedule.Value("root_0"))
	_ = d.Value("root_next")
	values := []vectors.Value{{Name: "rekey_mlkem_ss", Bytes: d.Value("mlkem_ss")}, {Name: "rekey_x25519_ss", Bytes: d.Value("x25519_ss")}}
	for _, name := range []string{"rekey_hash", "rekey_salt", "root_next"} {
		values = append(values, vectors.Value{Name: name, Bytes: d.Value(name)})
	}
	return values
}
