package fuzz_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

// FuzzSchedule derives every secret of a session from any shared secrets and any
// transcript: of the handshake, of as many rekeys as the input has, of attached
// paths, and what an application exports.
//
// Oracle: the scribe, which reads the key schedule from the registry, derives the
// same, step by step and from its own values.
func FuzzSchedule(f *testing.F) {
	for _, v := range vectors.All() {
		if v.Kind != vectors.KindValues {
			continue
		}
		var all []byte
		for _, given := range v.Given {
			all = append(all, given.Bytes...)
		}
		f.Add(all, all, []byte(v.ID))
		f.Add([]byte(v.ID), v.Given[0].Bytes, append([]byte{3}, all...))
	}
	for _, s := range stepsOfVectors(f) {
		if len(s.Plaintext) > 1000 { // flights and rekeys
			f.Add(s.Plaintext[:64], s.Plaintext, s.Plaintext)
		}
	}
	f.Fuzz(func(t *testing.T, shared, transcript, rekeys []byte) {
		k := schedule{t: t, entropy: &tape{shared}}
		root, binder := k.handshake(&tape{transcript})
		in := &tape{rekeys}
		for range 1 + in.byte()%8 {
			k.paths(root, binder, in)
			root = k.rekey(root, in)
		}
	})
}

// schedule compares the key schedules of core and scribe.
type schedule struct {
	t       *testing.T
	entropy *tape
}

func (k *schedule) same(name string, core, scribe []byte) {
	k.t.Helper()
	if !bytes.Equal(core, scribe) {
		k.t.Fatalf("%s\ncore:   %x\nscribe: %x", name, core, scribe)
	}
}

// shared draws a shared secret.
func (k *schedule) shared() (ss security.SharedSecret, mlkem, x25519 []byte) {
	copy(ss[:], k.entropy.bytes(len(ss)))
	return ss, ss[:32], ss[32:]
}

// handshake compares what follows from ClientHello … ServerFinished.
func (k *schedule) handshake(in *tape) (root security.Secret, binder security.Digest) {
	k.t.Helper()
	ss, mlkem, x25519 := k.shared()
	hello, answer := in.bytes(int(in.byte())), in.bytes(int(in.byte()))
	si, signed := in.bytes(int(in.uint16())), in.bytes(int(in.uint16()))
	d := testkit.Derive("handshake", testkit.Values{
		"mlkem_ss": mlkem, "x25519_ss": x25519, "SI": si, "SS": signed,
		"CH": testkit.TranscriptMessage(1, hello), "SH": testkit.TranscriptMessage(3, answer),
	})
	th := security.NewTranscript()
	th.Add(1, hello)
	th.Add(3, answer)
	h := security.NewHandshake(&ss, th.Sum())
	k.same("c_hs", h.Client[:], d.Value("c_hs"))
	k.same("s_hs", h.Server[:], d.Value("s_hs"))
	k.slot(h.Client)
	k.slot(h.Server)
	th.AddWhole(si)
	th2 := th.Sum()
	k.same("th2", th2[:], d.Value("th2"))
	th.AddWhole(signed)
	mac := h.ServerFinished(th.Sum())
	k.same("sf_mac", mac[:], d.Value("sf_mac"))
	th.Add(0x43, mac[:])
	th3 := th.Sum()
	mac = h.ClientFinished(th3)
	k.same("cf_mac", mac[:], d.Value("cf_mac"))
	root, exporter := h.Complete(th3)
	k.same("root_0", root[:], d.Value("root_0"))
	k.same("binder_0", th3[:], d.Value("binder_0"))
	k.export(exporter, d.Value("exporter"), in)
	return root, th3
}

// export compares what an application gets.
func (k *schedule) export(exporter security.Secret, same []byte, in *tape) {
	k.t.Helper()
	k.same("exporter", exporter[:], same)
	label, context, n := in.bytes(int(in.byte())%64), in.bytes(int(in.byte())), 1+int(in.byte())%255
	d := testkit.Derive("export", testkit.Values{"exporter": same, "label": label, "context": context})
	d.SetSize(n)
	k.same("exported", security.Export(&exporter, string(label), context, n), d.Value("exported"))
}

// paths compares the traffic secrets of an epoch: of the first path, of one that an
// Attach makes, and of the attach slot.
func (k *schedule) paths(root security.Secret, first security.Digest, in *tape) {
	k.t.Helper()
	attach, ack := in.bytes(int(in.byte())), in.bytes(int(in.byte()))
	d := testkit.Derive("path_binder", testkit.Values{
		"attach": testkit.TranscriptMessage(16, attach), "attach_ack": testkit.TranscriptMessage(17, ack),
	})
	attached := security.PathBinder(attach, ack)
	k.same("binder", attached[:], d.Value("binder"))
	for _, binder := range []security.Digest{first, attached} {
		d := testkit.Derive("path", testkit.Values{"root": root[:], "binder": binder[:]})
		client, server := security.PathSecrets(&root, binder)
		k.same("path: ts_client", client[:], d.Value("ts_client"))
		k.same("path: ts_server", server[:], d.Value("ts_server"))
		k.slot(client)
		k.slot(server)
	}
	d = testkit.Derive("attach", testkit.Values{"root": root[:]})
	client, server := security.AttachSecrets(&root)
	k.same("attach: ts_client", client[:], d.Value("ts_client"))
	k.same("attach: ts_server", server[:], d.Value("ts_server"))
}

// slot compares the keys of a traffic secret.
func (k *schedule) slot(ts security.Secret) {
	k.t.Helper()
	core, scribe := security.DeriveKeys(&ts), testkit.DeriveKeys(ts[:])
	k.same("key, iv and key_id", slices.Concat(core.Key[:], core.IV[:], core.KeyID[:]), slices.Concat(scribe.Key, scribe.IV, scribe.KeyID))
}

// rekey compares the root of the next epoch.
func (k *schedule) rekey(root security.Secret, in *tape) security.Secret {
	k.t.Helper()
	ss, mlkem, x25519 := k.shared()
	init, resp := in.bytes(int(in.uint16())%2048), in.bytes(int(in.uint16())%2048)
	d := testkit.Derive("rekey", testkit.Values{
		"root": root[:], "mlkem_ss": mlkem, "x25519_ss": x25519,
		"rekey_init": testkit.TranscriptMessage(32, init), "rekey_resp": testkit.TranscriptMessage(33, resp),
	})
	next := security.NextRoot(&root, init, resp, &ss)
	k.same("root_next", next[:], d.Value("root_next"))
	return next
}
