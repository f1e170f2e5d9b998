package main

import (
	"fmt"

	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

// flowVectors are whole sessions, made of a file of inputs.
func flowVectors() []vectors.Vector {
	return []vectors.Vector{
		flow("core", "KEY-001 HSK-047 HSK-053 MSG-029 ACK-010 HBT-005 DSC-002"),
		flow("identity-key", "KEY-001 HSK-023 HSK-047 HSK-053 TYP-010 FLG-018 DSC-001"),
	}
}

func flow(name, req string) vectors.Vector {
	h := &handshake{inputs: readInputs(name)}
	v := vectors.Vector{
		ID: "flows/" + name, Kind: vectors.KindFlow, Req: requirements(req), Expect: vectors.Expect{Result: vectors.Valid},
		Comment: h.Comment, Given: h.given(),
	}
	v.Steps = append(h.firstSteps(), h.pathSteps()...)
	v.Result = h.results()
	return v
}

// given lists the inputs of the key schedule; all inputs are in the JSON file.
func (h *handshake) given() []vectors.Value {
	return []vectors.Value{
		{Name: "identity_seed", Bytes: h.IdentitySeed},
		{Name: "reset_key", Bytes: h.Server.ResetKey},
		{Name: "client_x25519", Bytes: h.Client.X25519},
		{Name: "client_mlkem_seed", Bytes: h.Client.MLKEMSeed},
		{Name: "client_random", Bytes: h.Client.Random},
		{Name: "handshake_id", Bytes: h.Client.HandshakeID},
		{Name: "client_time", Bytes: testkit.PutUint(h.Client.Time, 8)},
		{Name: "server_x25519", Bytes: h.Server.X25519},
		{Name: "server_mlkem_m", Bytes: h.Server.MLKEM},
		{Name: "server_random", Bytes: h.Server.Random},
		{Name: "session_id", Bytes: h.Server.SessionID},
		{Name: "server_time", Bytes: testkit.PutUint(h.Server.Time, 8)},
	}
}

// firstSteps are the four messages of the handshake, with the stamps of the file.
func (h *handshake) firstSteps() []vectors.Step {
	var steps []vectors.Step
	var hello *testkit.Draft
	for _, m := range h.Handshake {
		var d *testkit.Draft
		switch m.Message {
		case "ClientHello":
			hello = h.clientHello()
			d = hello
		case "ServerHello":
			d = h.serverHello(hello)
		case "ServerFlight":
			d = h.serverFlight(m.Stamp)
		case "ClientFinish":
			d = h.clientFinish(m.Stamp)
		default:
			panic(fmt.Sprintf("gen: the handshake has no message %q", m.Message))
		}
		d.Frame.Header.DefaultUint("timestamp", m.Stamp)
		steps = append(steps, stepOf(m.From, d, nil))
	}
	return steps
}

// pathSteps are the frames under path keys.
func (h *handshake) pathSteps() []vectors.Step {
	path := h.path()
	keys := map[string]testkit.Keys{
		"client": testkit.DeriveKeys(path.Value("ts_client")),
		"server": testkit.DeriveKeys(path.Value("ts_server")),
	}
	var steps []vectors.Step
	for _, frame := range h.Frames {
		d := testkit.NewDraft(frame.Type, frame.Flags, frame.Stamp)
		d.Frame.Header.Default("session_id", h.Server.SessionID)
		d.Plaintext = &testkit.Plaintext{Prologue: testkit.ComposeFlags("prologue", 0), Body: frame.Plaintext}
		k := keys[frame.From]
		d.Keys, d.Sequence = &k, frame.Sequence
		steps = append(steps, stepOf(frame.From, d, nil))
	}
	return steps
}

// results are every secret, hash, signature input and MAC, then the key slots.
func (h *handshake) results() []vectors.Value {
	values := []vectors.Value{{Name: "fingerprint", Bytes: h.server().Fingerprint()}}
	values = append(values, vectors.Value{Name: "reset_token", Bytes: testkit.ResetToken(h.Server.ResetKey, h.Server.SessionID)})
	d := h.schedule
	_, _ = d.Value("exporter"), d.Value("cf_mac")
	for _, known := range d.Trace() {
		if known.Name != "CH" && known.Name != "SH" { // the bodies of the first two frames
			values = append(values, vectors.Value{Name: known.Name, Bytes: known.Bytes})
		}
	}
	path := h.path()
	for _, slot := range []struct {
		name string
		ts   []byte
	}{
		{"hs.c", d.Value("c_hs")},
		{"hs.s", d.Value("s_hs")},
		{"p0.c", path.Value("ts_client")},
		{"p0.s", path.Value("ts_server")},
	} {
		k := testkit.DeriveKeys(slot.ts)
		values = append(values,
			vectors.Value{Name: slot.name + ".ts", Bytes: k.TrafficSecret},
			vectors.Value{Name: slot.name + ".key", Bytes: k.Key},
			vectors.Value{Name: slot.name + ".iv", Bytes: k.IV},
			vectors.Value{Name: slot.name + ".key_id", Bytes: k.KeyID})
	}
	return values
}
