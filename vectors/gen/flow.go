package main

import (
	"fmt"
	"slices"

	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

// flowVectors are whole sessions, made of a file of inputs.
func flowVectors() []vectors.Vector {
	return []vectors.Vector{
		flow("core", "KEY-001 HSK-047 HSK-053 MSG-029 ACK-010 HBT-005 DSC-002").needs(""),
		flow("suite-0", "KEY-001 INT-004 INT-005 INT-006 INT-007 INT-008").needs("integrity-only"),
		flow("suite-2", "KEY-001 SUI-006 SUI-008").needs("suites"),
		flow("suite-3", "KEY-001 SUI-007 SUI-008 KEY-016 KEY-017").needs("suites"),
		flow("rekey", "KEY-001 RKY-004 RKY-006 RKY-007 RKY-019 RKY-020 RKY-022 RKY-023 RKY-029 PRB-011").needs("probe"),
		flow("identity-key", "KEY-001 HSK-023 HSK-047 HSK-053 TYP-010 FLG-018 DSC-001").needs(""),
	}
}

// A flowScenario is a flow in the making.
type flowScenario struct{ vectors.Vector }

func (f flowScenario) needs(profile string) vectors.Vector {
	f.Needs = profile
	return f.Vector
}

func flow(name, req string) flowScenario {
	h := &handshake{inputs: readInputs(name)}
	v := vectors.Vector{
		ID: "flows/" + name, Kind: vectors.KindFlow, Req: requirements(req), Expect: vectors.Expect{Result: vectors.Valid},
		Comment: h.Comment, Given: h.given(),
	}
	v.Steps = append(h.firstSteps(), h.pathSteps()...)
	v.Result = h.results()
	return flowScenario{v}
}

// given lists the inputs of the key schedule; all inputs are in the JSON file.
func (h *handshake) given() []vectors.Value {
	values := []vectors.Value{{Name: "identity_seed", Bytes: h.IdentitySeed}}
	if h.MLDSASeed != nil {
		values = append(values, vectors.Value{Name: "mldsa_seed", Bytes: h.MLDSASeed})
	}
	if h.suite() != testkit.SuiteAES256GCM {
		values = append(values, vectors.Value{Name: "suite", Bytes: []byte{h.suite()}})
	}
	values = append(values, []vectors.Value{
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
	}...)
	if r := h.Rekey; r != nil {
		values = append(values, []vectors.Value{
			{Name: "rekey_client_x25519", Bytes: r.ClientX25519},
			{Name: "rekey_client_mlkem_seed", Bytes: r.ClientMLKEM},
			{Name: "rekey_handshake_id", Bytes: r.HandshakeID},
			{Name: "rekey_server_x25519", Bytes: r.ServerX25519},
			{Name: "rekey_server_mlkem_m", Bytes: r.ServerMLKEM},
		}...)
	}
	return values
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
	paths := []*testkit.Derivation{h.path()}
	if h.Rekey != nil {
		paths = append(paths, h.nextPath())
	}
	var steps []vectors.Step
	for _, frame := range h.Frames {
		d := testkit.NewDraft(frame.Type, frame.Flags, frame.Stamp)
		d.Frame.Header.Default("session_id", h.Server.SessionID)
		inside := slices.Concat(frame.Plaintext, h.rekeyMessage(frame.Message))
		d.Plaintext = &testkit.Plaintext{Prologue: testkit.ComposeFlags("prologue", 0), Body: inside}
		k := testkit.DeriveKeys(paths[frame.Epoch].Value("ts_" + frame.From)).For(h.suite())
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
	values = append(values, h.rekeyResults()...)
	path := h.path()
	for _, slot := range []struct {
		name string
		ts   []byte
	}{
		{"hs.c", d.Value("c_hs")},
		{"hs.s", d.Value("s_hs")},
		{"p0.c", path.Value("ts_client")},
		{"p0.s", path.Value("ts_server")},
		{"p0.c.e1", h.nextSecret("ts_client")},
		{"p0.s.e1", h.nextSecret("ts_server")},
	} {
		if slot.ts == nil {
			continue
		}
		k := testkit.DeriveKeys(slot.ts)
		values = append(values,
			vectors.Value{Name: slot.name + ".ts", Bytes: k.TrafficSecret},
			vectors.Value{Name: slot.name + ".key", Bytes: k.Key},
			vectors.Value{Name: slot.name + ".iv", Bytes: k.IV},
			vectors.Value{Name: slot.name + ".key_id", Bytes: k.KeyID})
	}
	return values
}
