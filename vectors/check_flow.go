package vectors

import (
	"bytes"
	"fmt"

	"github.com/bpci/xtmp/vectors/testkit"
)

// checkFlow recomputes every result of a flow from what is given and from the
// bytes of its messages.
func (v Vector) checkFlow() (found []string) {
	d, err := v.schedule()
	if err != nil {
		return []string{err.Error()}
	}
	want := map[string]func() []byte{
		"fingerprint": func() []byte { return v.identity().Fingerprint() },
		"reset_token": func() []byte { return testkit.ResetToken(v.GivenValue("reset_key"), v.GivenValue("session_id")) },
	}
	roots := [][]byte{d.Value("root_0")}
	if v.GivenValue("rekey_client_x25519") != nil {
		next, err := v.rekey(d, want)
		if err != nil {
			return []string{err.Error()}
		}
		roots = append(roots, next)
	}
	path := testkit.Derive("path", testkit.Values{"root": roots[0], "binder": d.Value("binder_0")})
	for _, name := range []string{"ts_client", "ts_server"} {
		want[name] = func() []byte { return path.Value(name) }
	}
	v.slots(d, roots, want)
	v.tokens(want)
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

// slots adds the values of every key slot, and the binders of attached paths.
func (v Vector) slots(d *testkit.Derivation, roots [][]byte, want map[string]func() []byte) {
	secrets := map[string][]byte{"hs.c": d.Value("c_hs"), "hs.s": d.Value("s_hs")}
	binders := append([][]byte{d.Value("binder_0")}, v.binders()...)
	for epoch, root := range roots {
		suffix := ""
		if epoch > 0 {
			suffix = fmt.Sprintf(".e%d", epoch)
		}
		attach := testkit.Derive("attach", testkit.Values{"root": root})
		secrets["at.c"+suffix], secrets["at.s"+suffix] = attach.Value("ts_client"), attach.Value("ts_server")
		for i, binder := range binders {
			path := testkit.Derive("path", testkit.Values{"root": root, "binder": binder})
			secrets[fmt.Sprintf("p%d.c%s", i, suffix)] = path.Value("ts_client")
			secrets[fmt.Sprintf("p%d.s%s", i, suffix)] = path.Value("ts_server")
		}
	}
	for slot, secret := range secrets { //xtmp:unordered each goes into entries of its own name
		derived := testkit.Derive("slot", testkit.Values{"ts": secret})
		for _, name := range []string{"ts", "key", "iv", "key_id"} {
			want[slot+"."+name] = func() []byte { return derived.Value(name) }
		}
	}
	for i, binder := range binders[1:] {
		want[fmt.Sprintf("binder_%d", i+1)] = func() []byte { return binder }
	}
}

// binders are those of the attached paths, in the order of their Attaches.
func (v Vector) binders() (binders [][]byte) {
	for _, m := range v.messages() {
		if m.hsType != hsAttach {
			continue
		}
		for _, answer := range v.messages() {
			if answer.hsType == hsAttachAck && answer.id == m.id {
				d := testkit.Derive("path_binder", testkit.Values{
					"attach": testkit.TranscriptMessage(hsAttach, m.body), "attach_ack": testkit.TranscriptMessage(hsAttachAck, answer.body),
				})
				binders = append(binders, d.Value("binder"))
			}
		}
	}
	return binders
}

// tokens adds the tokens: their first 16 bytes are chosen, the MAC follows.
func (v Vector) tokens(want map[string]func() []byte) {
	address := v.GivenValue("client_address")
	for name, key := range map[string]string{"cookie": "cookie_key", "address_token": "address_token_key"} { //xtmp:unordered by name
		token, secret := v.ResultValue(name), v.GivenValue(key)
		if token == nil || secret == nil || len(address) != 18 {
			continue
		}
		var binding []byte
		if name == "cookie" {
			binding = append(binding, address[16:]...)
			binding = append(binding, v.GivenValue("handshake_id")...)
		}
		d := testkit.Derive("address", testkit.Values{
			"token_key": secret, "token_head": token[:16], "client_ip": address[:16], "binding": binding,
		})
		want[name] = func() []byte { return d.Value("token") }
	}
}

// schedule runs the key schedule from the keys given and the first three frames.
func (v Vector) schedule() (*testkit.Derivation, error) {
	clientHello, serverHello := v.message(hsClientHello), v.message(hsServerHello)
	if clientHello == nil || serverHello == nil {
		return nil, fmt.Errorf("a flow begins with ClientHello, ServerHello and ServerFlight")
	}
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
		"CH": testkit.TranscriptMessage(hsClientHello, clientHello), "SH": testkit.TranscriptMessage(hsServerHello, serverHello),
	})
	messages, _ := testkit.FlightMessages(v.message(hsServerFlight))
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

// rekey derives the root of epoch 1 from RekeyInit and RekeyResp among the steps, and
// adds the values of the rekey to those that a result is compared with.
func (v Vector) rekey(d *testkit.Derivation, want map[string]func() []byte) ([]byte, error) {
	bodies := map[uint64][]byte{hsRekeyInit: v.message(hsRekeyInit), hsRekeyResp: v.message(hsRekeyResp)}
	init, _ := testkit.Decode("rekey_init", 0, bodies[hsRekeyInit])
	resp, _ := testkit.Decode("rekey_resp", 0, bodies[hsRekeyResp])
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
		"rekey_init": testkit.TranscriptMessage(hsRekeyInit, bodies[hsRekeyInit]),
		"rekey_resp": testkit.TranscriptMessage(hsRekeyResp, bodies[hsRekeyResp]),
	})
	want["rekey_mlkem_ss"] = func() []byte { return shared }
	want["rekey_x25519_ss"] = func() []byte { return x25519 }
	for _, name := range []string{"rekey_hash", "rekey_salt", "root_next"} {
		want[name] = func() []byte { return rekey.Value(name) }
	}
	return rekey.Value("root_next"), nil
}

// The hs_types of the messages from which secrets follow.
const (
	hsClientHello  = 1
	hsServerHello  = 3
	hsServerFlight = 4
	hsAttach       = 16
	hsAttachAck    = 17
	hsRekeyInit    = 32
	hsRekeyResp    = 33
)

// An enveloped is a message with an envelope, put together.
type enveloped struct {
	hsType, id uint64
	body       []byte
}

// message returns the body of the last message of an hs_type, nil if there is none.
func (v Vector) message(hsType uint64) (body []byte) {
	for _, m := range v.messages() {
		if m.hsType == hsType {
			body = m.body
		}
	}
	return body
}

// messages returns the messages with an envelope, in the order in which they are
// whole: of one frame, of several handshake fragments on UDP, or of fragments.
func (v Vector) messages() (all []enveloped) {
	parts := map[string][]*testkit.Plaintext{}
	cut := map[uint64][]byte{}
	for _, step := range v.Steps {
		f, _, _ := testkit.DecodeFrame(step.Frame)
		inside, flags := step.Plaintext, f.Flags()
		if inside == nil {
			inside, flags = f.Payload, 0
		}
		p, short := testkit.DecodePlaintext(f.Type(), flags, inside)
		if short || !testkit.HasEnvelope(f.Type()) || step.Plaintext == nil && !f.Clear() {
			continue
		}
		if count := p.Prologue.Uint("count"); count > 1 {
			mid := p.Prologue.Uint("mid")
			cut[mid] = append(cut[mid], inside[len(p.Prologue.Encode()):]...) // a flow has them in order
			if p.Prologue.Uint("index")+1 < count {
				continue
			}
			p, _ = testkit.DecodePlaintext(f.Type(), 0, cut[mid])
		}
		e := p.Envelope
		key := fmt.Sprintf("%d %d %x", e.Uint("hs_type"), e.Uint("handshake_id"), e.Bytes("token"))
		parts[key] = append(parts[key], p)
		if body, whole := testkit.Join(parts[key]); whole {
			all = append(all, enveloped{e.Uint("hs_type"), e.Uint("handshake_id"), body})
			delete(parts, key)
		}
	}
	return all
}
