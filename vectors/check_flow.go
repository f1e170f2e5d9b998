package vectors

import (
	"bytes"
	"fmt"

	"github.com/bpci/xtmp/vectors/testkit"
)

// checkFlow recomputes every result of a flow from what is given and from the
// bytes of its hellos and flight.
func (v Vector) checkFlow() (found []string) {
	d, err := v.schedule()
	if err != nil {
		return []string{err.Error()}
	}
	path := testkit.Derive("path", testkit.Values{"root": d.Value("root_0"), "binder": d.Value("binder_0")})
	want := map[string]func() []byte{
		"ts_client":   func() []byte { return path.Value("ts_client") },
		"ts_server":   func() []byte { return path.Value("ts_server") },
		"fingerprint": func() []byte { return v.identity().Fingerprint() },
	}
	want["reset_token"] = func() []byte { return testkit.ResetToken(v.GivenValue("reset_key"), v.GivenValue("session_id")) }
	secrets := map[string][]byte{
		"hs.c": d.Value("c_hs"), "hs.s": d.Value("s_hs"), "p0.c": path.Value("ts_client"), "p0.s": path.Value("ts_server"),
	}
	if v.GivenValue("rekey_client_x25519") != nil {
		next, err := v.rekey(d, want)
		if err != nil {
			return []string{err.Error()}
		}
		secrets["p0.c.e1"], secrets["p0.s.e1"] = next.Value("ts_client"), next.Value("ts_server")
	}
	for _, slot := range slotNames {
		if secrets[slot] == nil {
			continue
		}
		derived := testkit.Derive("slot", testkit.Values{"ts": secrets[slot]})
		for _, name := range []string{"ts", "key", "iv", "key_id"} {
			want[slot+"."+name] = func() []byte { return derived.Value(name) }
		}
	}
	for _, result := range v.Result {
		recompute, ok := want[result.Name]
		if !ok {
			recompute = func() []byte { return d.Value(result.Name) }
		}
		if got := recompute(); !bytes.Equal(got, result.Bytes) {
			found = append(found, fmt.Sprintf("%s is %x, the file has %x", result.Name, got, result.Bytes))
		}
	}
	return found
}

// schedule runs the key schedule from the keys given and the first three frames.
func (v Vector) schedule() (*testkit.Derivation, error) {
	if len(v.Steps) < 3 {
		return nil, fmt.Errorf("a flow begins with ClientHello, ServerHello and ServerFlight")
	}
	clientHello, serverHello := bodyOf(v.Steps[0]), bodyOf(v.Steps[1])
	hello, _ := testkit.Decode("client_hello", 0, clientHello)
	answer, _ := testkit.Decode("server_hello", 0, serverHello)
	shared, ciphertext, err := testkit.MLKEMEncapsulate(hello.Bytes("mlkem768_ek"), v.GivenValue("server_mlkem_m"))
	if err != nil {
		return nil, fmt.Errorf("the ML-KEM key of ClientHello: %w", err)
	}
	if !bytes.Equal(ciphertext, answer.Bytes("mlkem768_ct")) {
		return nil, fmt.Errorf("the ciphertext of ServerHello does not follow from server_mlkem_m")
	}
	if got := testkit.MLKEMPublic(v.GivenValue("client_mlkem_seed")); !bytes.Equal(got, hello.Bytes("mlkem768_ek")) {
		return nil, fmt.Errorf("the ML-KEM key of ClientHello does not follow from client_mlkem_seed")
	}
	x25519 := testkit.X25519Shared(v.GivenValue("client_x25519"), answer.Bytes("x25519"))
	if !bytes.Equal(x25519, testkit.X25519Shared(v.GivenValue("server_x25519"), hello.Bytes("x25519"))) {
		return nil, fmt.Errorf("the two sides have different X25519 secrets")
	}
	d := testkit.Derive("handshake", testkit.Values{
		"mlkem_ss": shared, "x25519_ss": x25519,
		"CH": testkit.TranscriptMessage(1, clientHello), "SH": testkit.TranscriptMessage(3, serverHello),
	})
	messages, _ := testkit.FlightMessages(bodyOf(v.Steps[2]))
	if len(messages) != 3 {
		return nil, fmt.Errorf("ServerFlight has %d messages, not 3", len(messages))
	}
	d.Set("SI", messages[0].Encode())
	d.Set("SS", messages[1].Encode())
	if got := v.identity().Sign(d.Value("server_signature_input")); !bytes.Equal(got, messages[1].Bytes("body")) {
		return nil, fmt.Errorf("ServerSignature does not follow from identity_seed")
	}
	return d, nil
}

// identity returns the identity of the server in a flow.
func (v Vector) identity() testkit.Identity {
	return testkit.Identity{Seed: v.GivenValue("identity_seed"), MLDSASeed: v.GivenValue("mldsa_seed")}
}

// rekey derives the path of epoch 1 from RekeyInit and RekeyResp among the steps, and
// adds the values of the rekey to those that a result is compared with.
func (v Vector) rekey(d *testkit.Derivation, want map[string]func() []byte) (*testkit.Derivation, error) {
	bodies := map[uint64][]byte{}
	for _, step := range v.Steps {
		f, _, _ := testkit.DecodeFrame(step.Frame)
		if step.Plaintext == nil || !testkit.HasEnvelope(f.Type()) {
			continue
		}
		p, _ := testkit.DecodePlaintext(f.Type(), f.Flags(), step.Plaintext)
		bodies[p.Envelope.Uint("hs_type")] = p.Body
	}
	init, _ := testkit.Decode("rekey_init", 0, bodies[32])
	resp, _ := testkit.Decode("rekey_resp", 0, bodies[33])
	if init.Short() || resp.Short() {
		return nil, fmt.Errorf("there is no RekeyInit, or no RekeyResp")
	}
	shared, ciphertext, err := testkit.MLKEMEncapsulate(init.Bytes("mlkem768_ek"), v.GivenValue("rekey_server_mlkem_m"))
	if err != nil {
		return nil, fmt.Errorf("the ML-KEM key of RekeyInit: %w", err)
	}
	if !bytes.Equal(ciphertext, resp.Bytes("mlkem768_ct")) {
		return nil, fmt.Errorf("the ciphertext of RekeyResp does not follow from rekey_server_mlkem_m")
	}
	if got := testkit.MLKEMPublic(v.GivenValue("rekey_client_mlkem_seed")); !bytes.Equal(got, init.Bytes("mlkem768_ek")) {
		return nil, fmt.Errorf("the ML-KEM key of RekeyInit does not follow from rekey_client_mlkem_seed")
	}
	x25519 := testkit.X25519Shared(v.GivenValue("rekey_client_x25519"), resp.Bytes("x25519"))
	if !bytes.Equal(x25519, testkit.X25519Shared(v.GivenValue("rekey_server_x25519"), init.Bytes("x25519"))) {
		return nil, fmt.Errorf("the two sides of the rekey have different X25519 secrets")
	}
	rekey := testkit.Derive("rekey", testkit.Values{
		"root": d.Value("root_0"), "mlkem_ss": shared, "x25519_ss": x25519,
		"rekey_init": testkit.TranscriptMessage(32, bodies[32]), "rekey_resp": testkit.TranscriptMessage(33, bodies[33]),
	})
	want["rekey_mlkem_ss"] = func() []byte { return shared }
	want["rekey_x25519_ss"] = func() []byte { return x25519 }
	for _, name := range []string{"rekey_hash", "rekey_salt", "root_next"} {
		want[name] = func() []byte { return rekey.Value(name) }
	}
	return testkit.Derive("path", testkit.Values{"root": rekey.Value("root_next"), "binder": d.Value("binder_0")}), nil
}

// bodyOf returns the body of a handshake message, clear or with its plaintext.
func bodyOf(step Step) []byte {
	f, _, _ := testkit.DecodeFrame(step.Frame)
	inside := step.Plaintext
	if inside == nil {
		inside = f.Payload
	}
	p, _ := testkit.DecodePlaintext(f.Type(), 0, inside)
	return p.Body
}
