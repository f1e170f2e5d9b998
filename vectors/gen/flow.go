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
		paths("udp", "KEY-001 UDP-015 UDP-016 UDP-017 UDP-018 UDP-019 UDP-025 UDP-028 UDP-034 UDP-039 UDP-041 UDP-042 TOK-001 ACK-014 ACK-020").
			needs("udp"),
		paths("udp-token", "KEY-001 UDP-040 UDP-034 TOK-001 UDP-073").needs("udp"),
		paths("udp-kind-2", "KEY-001 KEY-016 UDP-016 UDP-017").needs("udp"),
		paths("udp-address", "KEY-001 UDP-106 UDP-107 UDP-108 UDP-110 UDP-116 HBT-006").needs("udp"),
		paths("attach", "KEY-001 ATT-002 ATT-006 ATT-031 ATT-037 PTH-026 PTH-027 PTH-033").needs("failover"),
		paths("rekey-paths", "KEY-001 RKY-045 RKY-046 RKY-048 RKY-049 RKY-050 UDP-088").needs("failover"),
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

// paths is a flow on UDP, or over several paths.
func paths(name, req string) flowScenario {
	f := flow(name, req)
	f.Kind = vectors.KindPaths
	return f
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
	values = append(values, h.givenUDP()...)
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
	hello := h.clientHello()
	hello.Encode()
	for _, m := range h.Handshake {
		var d *testkit.Draft
		switch m.Message {
		case "ClientHello":
			d = hello
		case "Retry":
			d = h.retry()
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
		drafts := []*testkit.Draft{d}
		if h.UDP != nil {
			drafts = testkit.Fragments(d, h.token(m.Token))
		}
		if m.Index != nil {
			drafts = drafts[*m.Index : *m.Index+1]
		}
		for _, fragment := range drafts {
			steps = append(steps, stepOf(m.From, fragment, nil))
		}
	}
	return steps
}

// pathSteps are the frames under path and attach keys.
func (h *handshake) pathSteps() []vectors.Step {
	var steps []vectors.Step
	for _, frame := range h.Frames {
		d := testkit.NewDraft(frame.Type, frame.Flags, frame.Stamp)
		d.Frame.Header.Default("session_id", h.Server.SessionID)
		inside := slices.Concat(frame.Plaintext, h.messageOf(frame))
		d.Plaintext = &testkit.Plaintext{Prologue: testkit.ComposeFlags("prologue", 0), Body: inside}
		k := testkit.DeriveKeys(h.secretOf(frame)).For(h.suite())
		d.Keys, d.Sequence = &k, frame.Sequence
		step := stepOf(frame.From, d, nil)
		step.At = frame.At
		steps = append(steps, step)
	}
	return steps
}

// secretOf is the traffic secret under which a frame is sealed.
func (h *handshake) secretOf(frame frameInputs) []byte {
	root := h.root(frame.Epoch)
	if frame.Message == "Attach" || frame.Message == "AttachAck" {
		return testkit.Derive("attach", testkit.Values{"root": root}).Value("ts_" + frame.From)
	}
	return testkit.Derive("path", testkit.Values{"root": root, "binder": h.binder(frame.Path)}).Value("ts_" + frame.From)
}

// root is the root of an epoch.
func (h *handshake) root(epoch int) []byte {
	root := h.schedule.Value("root_0")
	if epoch == 1 {
		root = h.Rekey.derive(root).Value("root_next")
	}
	return root
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
	values = append(values, h.pathResults()...)
	for _, slot := range h.slots() {
		k := testkit.DeriveKeys(slot.ts)
		values = append(values,
			vectors.Value{Name: slot.name + ".ts", Bytes: k.TrafficSecret},
			vectors.Value{Name: slot.name + ".key", Bytes: k.Key},
			vectors.Value{Name: slot.name + ".iv", Bytes: k.IV},
			vectors.Value{Name: slot.name + ".key_id", Bytes: k.KeyID})
	}
	return values
}

// A namedSlot is a key slot with its traffic secret.
type namedSlot struct {
	name string
	ts   []byte
}

// slots are the key slots of the flow, those of Attach only if there is one.
func (h *handshake) slots() []namedSlot {
	slots := []namedSlot{{"hs.c", h.schedule.Value("c_hs")}, {"hs.s", h.schedule.Value("s_hs")}}
	epochs := 1
	if h.Rekey != nil {
		epochs = 2
	}
	for epoch := range epochs {
		suffix := []string{"", ".e1"}[epoch]
		for path := range len(h.Attach) + 1 {
			d := testkit.Derive("path", testkit.Values{"root": h.root(epoch), "binder": h.binder(path)})
			name := fmt.Sprintf("p%d", path)
			slots = append(slots, namedSlot{name + ".c" + suffix, d.Value("ts_client")}, namedSlot{name + ".s" + suffix, d.Value("ts_server")})
		}
		if len(h.Attach) > 0 {
			d := testkit.Derive("attach", testkit.Values{"root": h.root(epoch)})
			slots = append(slots, namedSlot{"at.c" + suffix, d.Value("ts_client")}, namedSlot{"at.s" + suffix, d.Value("ts_server")})
		}
	}
	return slots
}
