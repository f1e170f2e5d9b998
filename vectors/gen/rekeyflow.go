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

// rekeyMessage returns envelope and body of RekeyInit or RekeyResp.
func (h *handshake) rekeyMessage(name string) []byte {
	messageType, hsType, body := uint8(typeHandshake), uint64(rekeyInit), h.Rekey.initBody()
	if name == "RekeyResp" {
		messageType, hsType, body = typeHandshakeAck, rekeyResp, h.Rekey.respBody()
	}
	p := testkit.NewPlaintext(messageType, 0, body.Encode())
	p.Envelope.DefaultUint("hs_type", hsType).Default("handshake_id", h.Rekey.HandshakeID)
	return p.Encode()
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
