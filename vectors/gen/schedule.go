package main

import (
	"bytes"
	"fmt"
	"math"
	"net/netip"

	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

// scheduleVectors give the inputs of each function of the key schedule and every
// value that follows, in the order of the registry. They begin with the known
// answers of appendix B.
func scheduleVectors() []vectors.Vector {
	b := appendixB()
	root := b.Value("root_0")
	return append([]vectors.Vector{
		derive("handshake-appendix-b", "handshake", "KEY-001", "The known answers of appendix B.1: th1 and th3 are given, the transcript is not.",
			[]vectors.Value{
				{Name: "mlkem_ss", Bytes: bytes.Repeat([]byte{1}, 32)},
				{Name: "x25519_ss", Bytes: bytes.Repeat([]byte{2}, 32)},
				{Name: "th1", Bytes: sha384("th1")},
				{Name: "th3", Bytes: sha384("th3")},
			}, "HS", "c_hs", "s_hs", "MS_salt", "MS", "sf_key", "cf_key", "cf_mac", "root_0", "exporter", "binder_0"),
		derive("handshake-short-messages", "handshake", "KEY-001 KEY-002", "Every value from a transcript of four short messages.",
			[]vectors.Value{
				{Name: "mlkem_ss", Bytes: counting(32)},
				{Name: "x25519_ss", Bytes: bytes.Repeat([]byte{0xA5}, 32)},
				{Name: "CH", Bytes: testkit.TranscriptMessage(1, []byte("client hello"))},
				{Name: "SH", Bytes: testkit.TranscriptMessage(3, []byte("server hello"))},
				{Name: "SI", Bytes: testkit.TranscriptMessage(0x41, []byte("server identity"))},
				{Name: "SS", Bytes: testkit.TranscriptMessage(0x42, []byte("server signature"))},
			}, "SF", "cf_mac", "server_signature_input", "root_0", "exporter", "binder_0"),
		derive("path-0", "path", "KEY-001", "The traffic secrets of path 0 in appendix B.2.",
			[]vectors.Value{{Name: "root", Bytes: root}, {Name: "binder", Bytes: b.Value("binder_0")}}, "ts_client", "ts_server"),
		derive("path-binder", "path_binder", "KEY-001", "The binder of an attached path, of a later chapter.",
			[]vectors.Value{{Name: "attach", Bytes: []byte("attach")}, {Name: "attach_ack", Bytes: []byte("attach ack")}}, "binder"),
		derive("attach", "attach", "KEY-001", "The attach slots of appendix B.2, of a later chapter.",
			[]vectors.Value{{Name: "root", Bytes: root}}, "ts_client", "ts_server"),
		derive("path-1", "path", "KEY-001", "The traffic secrets of path 1 in appendix B.6.",
			[]vectors.Value{{Name: "root", Bytes: root}, {Name: "binder", Bytes: binderOne()}}, "ts_client", "ts_server"),
		derive("reset-token", "reset", "HSK-033", "The reset token of appendix B.6.",
			[]vectors.Value{
				{Name: "reset_key", Bytes: bytes.Repeat([]byte{7}, 32)},
				{Name: "session_id", Bytes: unhex("1122334455667788")},
			}, "reset_token"),
		tokenOf("cookie", "010100006ab13b8a0909090909090909", testkit.CookieBinding(4711, unhex("0102030405060708")),
			"The cookie of appendix B.6."),
		tokenOf("address-token", "010200006ab28d000909090909090909", nil, "The address token of appendix B.6."),
		derive("integrity-tag", "integrity_tag", "INT-008", "The tag of the suite-0 frame of appendix B.3.",
			[]vectors.Value{
				{Name: "key", Bytes: testkit.DeriveKeys(appendixBPath().Value("ts_client")).Key},
				{Name: "aad", Bytes: integrityAAD()},
				{Name: "payload", Bytes: []byte{0, 1, 2, 3, 4, 5, 6, 7, 8}},
			}, "tag"),
		derive("rekey-messages", "rekey", "KEY-001 KEY-002", "The next root from two short messages.",
			[]vectors.Value{
				{Name: "root", Bytes: root},
				{Name: "mlkem_ss", Bytes: counting(32)},
				{Name: "x25519_ss", Bytes: bytes.Repeat([]byte{0xA5}, 32)},
				{Name: "rekey_init", Bytes: testkit.TranscriptMessage(32, []byte("rekey init"))},
				{Name: "rekey_resp", Bytes: testkit.TranscriptMessage(33, []byte("rekey resp"))},
			}, "root_next"),
		derive("path-0-epoch-1", "path", "KEY-001", "The traffic secrets of path 0 in epoch 1 in appendix B.2.",
			[]vectors.Value{{Name: "root", Bytes: rootOne()}, {Name: "binder", Bytes: b.Value("binder_0")}}, "ts_client", "ts_server"),
		derive("fingerprint-kind-2", "identity", "TRU-008", "The fingerprint of an identity of kind 2.",
			[]vectors.Value{{Name: "identity_key", Bytes: hybrid().KeyBytes()}}, "fingerprint"),
		derive("rekey", "rekey", "KEY-001", "The next root of appendix B.2.",
			[]vectors.Value{
				{Name: "root", Bytes: root},
				{Name: "mlkem_ss", Bytes: bytes.Repeat([]byte{3}, 32)},
				{Name: "x25519_ss", Bytes: bytes.Repeat([]byte{4}, 32)},
				{Name: "rekey_hash", Bytes: sha384("rekey")},
			}, "root_next"),
		export("export-48", "test", "ctx", 48, "Export of appendix B.1."),
		export("export-1", "", "", 1, "One byte, with an empty label and an empty context."),
		export("export-255", "a longer label for an application", "and its context", 255, "More than five blocks of the hash."),
		derive("fingerprint", "identity", "TRU-008", "The fingerprint of appendix B.4.",
			[]vectors.Value{{Name: "identity_key", Bytes: readIdentity().KeyBytes()}}, "fingerprint"),
	}, slotVectors()...)
}

// binderOne is binder_1 of appendix B.6.
func binderOne() []byte {
	five, six := bytes.Repeat([]byte{5}, 32), bytes.Repeat([]byte{6}, 32)
	a := attachInputs{Kind: 1, Random: five, ClientTime: clock, PathID: 1, ServerRandom: six, ServerTime: clock}
	return testkit.Derive("path_binder", testkit.Values{
		"attach": testkit.TranscriptMessage(hsAttach, a.body()), "attach_ack": testkit.TranscriptMessage(hsAttachAck, a.answer()),
	}).Value("binder")
}

func tokenOf(id, head string, binding []byte, comment string) vectors.Vector {
	return derive(id, "address", "TOK-001", comment, []vectors.Value{
		{Name: "token_key", Bytes: bytes.Repeat([]byte{8}, 32)},
		{Name: "token_head", Bytes: unhex(head)},
		{Name: "client_ip", Bytes: testkit.ClientIP(netip.MustParseAddr("192.0.2.1"))},
		{Name: "binding", Bytes: binding},
	}, "token")
}

// hybrid is the identity of kind 2 of flows/suite-3.json.
func hybrid() testkit.Identity {
	in := readInputs("suite-3")
	return testkit.Identity{Seed: in.IdentitySeed, MLDSASeed: in.MLDSASeed}
}

// rootOne is root_1 of appendix B.2.
func rootOne() []byte {
	d := testkit.Derive("rekey", testkit.Values{
		"root": appendixB().Value("root_0"), "mlkem_ss": bytes.Repeat([]byte{3}, 32), "x25519_ss": bytes.Repeat([]byte{4}, 32),
	})
	d.Set("rekey_hash", sha384("rekey"))
	return d.Value("root_next")
}

// integrityAAD is the AAD of the suite-0 frame of appendix B.3.
func integrityAAD() []byte {
	f := testkit.NewFrame(typeHeartbeat, 0)
	f.Header.DefaultUint("session_id", 0x1122334455667788).DefaultUint("timestamp", clock)
	f.Seal(testkit.DeriveKeys(appendixBPath().Value("ts_client")).For(testkit.SuiteIntegrityOnly), 7, counting(9))
	return testkit.AAD(f.Header.Encode())
}

func slotVectors() []vectors.Vector {
	b, path := appendixB(), appendixBPath()
	var all []vectors.Vector
	for _, slot := range []struct {
		name string
		ts   []byte
	}{
		{"hs-c", b.Value("c_hs")},
		{"hs-s", b.Value("s_hs")},
		{"p0-c", path.Value("ts_client")},
		{"p0-s", path.Value("ts_server")},
	} {
		all = append(all, derive("slot-"+slot.name, "slot", "KEY-001 NON-001", "A key slot of appendix B.2.",
			[]vectors.Value{{Name: "ts", Bytes: slot.ts}}, "key", "iv", "key_id"))
	}
	iv := testkit.DeriveKeys(path.Value("ts_client")).IV
	for _, sequence := range []uint64{0, 1, 7, math.MaxUint32 + 1, 1<<62 - 1} {
		all = append(all, derive(fmt.Sprintf("nonce-%d", sequence), "nonce", "NON-002", fmt.Sprintf("The nonce of sequence number %d.", sequence),
			[]vectors.Value{{Name: "iv", Bytes: iv}, {Name: "seq", Bytes: testkit.PutUint(sequence, 8)}}, "nonce_field"))
	}
	return all
}

// derive runs a function up to the wanted values and lists all that it took.
func derive(id, function, req, comment string, given []vectors.Value, wanted ...string) vectors.Vector {
	d := testkit.Derive(function, nil)
	return traced(d, id, function, req, comment, given, wanted)
}

func export(id, label, context string, size int, comment string) vectors.Vector {
	d := testkit.Derive("export", nil)
	d.SetSize(size)
	return traced(d, id, "export", "KEY-001", comment, []vectors.Value{
		{Name: "exporter", Bytes: appendixB().Value("exporter")},
		{Name: "label", Bytes: []byte(label)},
		{Name: "context", Bytes: []byte(context)},
	}, []string{"exported"})
}

func traced(
	d *testkit.Derivation, id, function, req, comment string, given []vectors.Value, wanted []string,
) vectors.Vector {
	for _, value := range given {
		d.Set(value.Name, value.Bytes)
	}
	for _, name := range wanted {
		_ = d.Value(name)
	}
	v := vectors.Vector{
		ID: "schedule/" + id, Kind: vectors.KindValues, Req: requirements(req),
		Expect: vectors.Expect{Result: vectors.Valid}, Function: function, Comment: comment, Given: given,
	}
	for _, value := range d.Trace() {
		if !isGiven(given, value.Name) {
			v.Result = append(v.Result, vectors.Value{Name: value.Name, Bytes: value.Bytes})
		}
	}
	return v
}

func isGiven(given []vectors.Value, name string) bool {
	for _, value := range given {
		if value.Name == name {
			return true
		}
	}
	return false
}
