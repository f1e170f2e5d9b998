package security

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/bpci/xtmp/refimpl/wire"
	"github.com/bpci/xtmp/vectors"
)

// TestKeyVectors refuses the keys and signatures that the golden vectors call
// bad, and takes the good ones.
func TestKeyVectors(t *testing.T) {
	judged := 0
	for _, v := range vectors.All() {
		if v.Kind != vectors.KindKey {
			continue
		}
		judged++
		key := append([]byte{KindEd25519}, v.GivenValue("key")...)
		ok := CheckIdentityKey(key) == nil
		if signature := v.GivenValue("signature"); ok && signature != nil {
			ok = ed25519.Verify(key[1:], v.GivenValue("message"), signature) // as VerifyServer does
		}
		if want := v.Expect.Result == vectors.Valid; ok != want {
			t.Errorf("%s: %s: accepted %v, want %v", v.ID, v.Comment, ok, want)
		}
	}
	if judged != 25 {
		t.Errorf("%d vectors were judged, want 25", judged)
	}
}

// derivation compares the values of one vector as they are derived, and knows
// which it has not met.
type derivation struct {
	t       *testing.T
	v       vectors.Vector
	pending map[string]bool
}

func newDerivation(t *testing.T, v vectors.Vector) *derivation {
	d := &derivation{t: t, v: v, pending: map[string]bool{}}
	for _, r := range v.Result {
		d.pending[r.Name] = true
	}
	t.Cleanup(func() {
		for name := range d.pending {
			t.Errorf("%s was not derived", name)
		}
	})
	return d
}

// check compares a value that has been derived, if the vector has it.
func (d *derivation) check(name string, got []byte) {
	d.t.Helper()
	delete(d.pending, name)
	if want := d.v.ResultValue(name); want != nil && !bytes.Equal(got, want) {
		d.t.Errorf("%s is %x, want %x", name, got, want)
	}
}

// given is an input, or a step that the vector gives in the place of its own inputs.
func (d *derivation) given(name string) []byte { return d.v.GivenValue(name) }

func (d *derivation) secret(name string) *Secret {
	s := Secret(d.given(name))
	return &s
}

// TestScheduleVectors runs every function of the key schedule that this package has.
func TestScheduleVectors(t *testing.T) {
	functions := map[string]func(*derivation){
		"handshake": (*derivation).handshake, "path": (*derivation).path, "attach": (*derivation).attach, "slot": (*derivation).slot,
		"nonce": (*derivation).nonce, "export": (*derivation).export, "rekey": (*derivation).rekey,
		"integrity_tag": (*derivation).integrityTag, "identity": (*derivation).identity,
		"path_binder": (*derivation).pathBinder, "address": (*derivation).addressToken, "reset": (*derivation).resetToken,
	}
	judged := map[string]int{}
	for _, v := range vectors.All() {
		if v.Kind != vectors.KindValues {
			continue
		}
		judged[v.Function]++
		t.Run(v.ID, func(t *testing.T) {
			derive := functions[v.Function]
			if derive == nil {
				t.Fatalf("nothing derives function %s", v.Function)
			}
			derive(newDerivation(t, v))
		})
	}
	for name := range functions {
		if judged[name] == 0 {
			t.Errorf("no vector of function %s", name)
		}
	}
}

// hash is a transcript hash: given, or that of given transcript messages.
func (d *derivation) hash(name string, messages ...string) Digest {
	if given := d.given(name); given != nil {
		return Digest(given)
	}
	transcript := NewTranscript()
	for _, m := range messages {
		message := d.given(m)
		if message == nil {
			message = d.v.ResultValue(m)
		}
		transcript.AddWhole(message)
	}
	th := transcript.Sum()
	d.check(name, th[:])
	return th
}

// pathBinder joins transcript messages as PathBinder does; these are words.
func (d *derivation) pathBinder() {
	binder := sum([]byte(pathLabel), d.given("attach"), d.given("attach_ack"))
	d.check("binder", binder[:])
}

// addressToken makes a cookie or an address token.
func (d *derivation) addressToken() {
	ip, _ := netip.AddrFromSlice(d.given("client_ip"))
	from, id := netip.AddrPortFrom(ip, 0), uint64(0)
	if binding := d.given("binding"); len(binding) > 0 {
		from, id = netip.AddrPortFrom(ip, binary.BigEndian.Uint16(binding)), binary.BigEndian.Uint64(binding[2:])
	}
	head := d.given("token_head")
	var t Tokens
	copy(t.input[:], tokenLabel)
	mac := t.mac(hmac.New(sha256.New, d.given("token_key")), head, from, id)
	d.check("token_mac", mac)
	d.check("token", append(bytes.Clone(head), mac...))
}

func (d *derivation) resetToken() {
	k := NewResetKey([32]byte(d.given("reset_key")))
	token := k.Token(binary.BigEndian.Uint64(d.given("session_id")))
	d.check("reset_mac", k.sum[:])
	d.check("reset_token", token[:])
}

func (d *derivation) handshake() {
	ss := *join(bytes.Clone(d.given("mlkem_ss")), bytes.Clone(d.given("x25519_ss")))
	d.check("ss", ss[:])
	messages := [...]string{"CH", "SH", "SI", "SS", "SF"}
	th1, th3 := d.hash("th1", messages[:2]...), d.hash("th3", messages[:]...)
	k := NewHandshake(&ss, th1)
	if d.given("CH") != nil {
		th2 := d.hash("th2", messages[:3]...)
		d.check("server_signature_input", signatureInput(th2))
		sf := k.ServerFinished(d.hash("sf_hash", messages[:4]...))
		d.check("sf_mac", sf[:])
		d.check("SF", append(wire.AppendMessageHeader(nil, wire.FlightFinished, len(sf)), sf[:]...))
	}
	d.secrets(k, th3)
}

// secrets compares what follows from handshake secrets and th3.
func (d *derivation) secrets(k *Handshake, th3 Digest) (root Secret) {
	salt := sum([]byte("XTMP/1 key schedule"))
	d.check("schedule_salt", salt[:])
	d.check("HS", k.hs[:])
	d.check("c_hs", k.Client[:])
	d.check("s_hs", k.Server[:])
	d.keys("hs.c", k.Client)
	d.keys("hs.s", k.Server)
	msSalt := expandSecret(k.hs[:], "derived", nil)
	d.check("MS_salt", msSalt[:])
	ms := extract(msSalt[:], make([]byte, HashSize))
	d.check("MS", ms[:])
	key := expandSecret(k.Server[:], "finished", nil)
	d.check("sf_key", key[:])
	key = expandSecret(k.Client[:], "finished", nil)
	d.check("cf_key", key[:])
	finish := k.ClientFinished(th3)
	d.check("cf_mac", finish[:])
	root, exporter := k.Complete(th3)
	d.check("root_0", root[:])
	d.check("exporter", exporter[:])
	d.check("binder_0", th3[:])
	if *k != (Handshake{}) {
		d.t.Error("Complete leaves handshake secrets")
	}
	return root
}

// keys compares the values of a slot of a flow.
func (d *derivation) keys(slot string, ts Secret) {
	keys := DeriveKeys(&ts)
	d.check(slot+".ts", ts[:])
	d.check(slot+".key", keys.Key[:])
	d.check(slot+".iv", keys.IV[:])
	d.check(slot+".key_id", keys.KeyID[:])
}

func (d *derivation) path() {
	c, s := PathSecrets(d.secret("root"), Digest(d.given("binder")))
	d.check("ts_client", c[:])
	d.check("ts_server", s[:])
}

func (d *derivation) attach() {
	c, s := AttachSecrets(d.secret("root"))
	d.check("ts_client", c[:])
	d.check("ts_server", s[:])
}

func (d *derivation) slot() {
	keys := DeriveKeys(d.secret("ts"))
	d.check("key", keys.Key[:])
	d.check("iv", keys.IV[:])
	d.check("key_id", keys.KeyID[:])
	for _, suite := range []wire.Suite{wire.SuiteNone, wire.SuiteAES256GCM, wire.SuiteChaCha20, wire.SuitePostQuantum} {
		sealer, opener := NewSealer(suite, d.secret("ts")), NewOpener(suite, d.secret("ts"))
		if sealer.KeyID() != keys.KeyID || opener.KeyID() != keys.KeyID {
			d.t.Errorf("the slot has another name in suite %v", suite)
		}
	}
}

func (d *derivation) nonce() {
	keys := Keys{IV: [wire.NonceSize]byte(d.given("iv"))}
	var nonce [wire.NonceField]byte
	keys.nonce((*[wire.NonceSize]byte)(nonce[:]), binary.BigEndian.Uint64(d.given("seq")))
	d.check("nonce", nonce[:wire.NonceSize])
	d.check("nonce_field", nonce[:])
	d.check("nonce_mask", append(make([]byte, 4), d.given("seq")...))
}

func (d *derivation) export() {
	label, context := string(d.given("label")), d.given("context")
	want := d.v.ResultValue("exported")
	d.check("exported", Export(d.secret("exporter"), label, context, len(want)))
	secret, hash := expandSecret(d.given("exporter"), label, nil), sum(context)
	d.check("export_secret", secret[:])
	d.check("export_hash", hash[:])
}

func (d *derivation) rekey() {
	ss := *join(bytes.Clone(d.given("mlkem_ss")), bytes.Clone(d.given("x25519_ss")))
	d.check("ss", ss[:])
	d.nextRoot(d.secret("root"), &ss, d.hash("rekey_hash", "rekey_init", "rekey_resp"))
	init, resp := d.given("rekey_init"), d.given("rekey_resp")
	if init == nil {
		return
	}
	if !bytes.HasPrefix(init, wire.AppendMessageHeader(nil, byte(wire.HSRekeyInit), len(init)-4)) ||
		!bytes.HasPrefix(resp, wire.AppendMessageHeader(nil, byte(wire.HSRekeyResp), len(resp)-4)) {
		d.t.Error("the headers of the transcript messages differ")
	}
	root := NextRoot(d.secret("root"), init[4:], resp[4:], &ss)
	d.check("root_next", root[:])
}

// nextRoot compares the steps of a rekey.
func (d *derivation) nextRoot(root *Secret, ss *SharedSecret, hash Digest) {
	salt := expandSecret(root[:], "rekey", hash[:])
	d.check("rekey_hash", hash[:])
	d.check("rekey_salt", salt[:])
	next := extract(salt[:], ss[:])
	d.check("root_next", next[:])
}

func (d *derivation) integrityTag() {
	o := tagOnly{key: [KeySize]byte(d.given("key"))}
	tag := o.tag(d.given("payload"), d.given("aad"))
	d.check("tag", tag[:])
	if whole := d.v.ResultValue("integrity_mac"); !bytes.HasPrefix(whole, tag[:]) {
		d.t.Error("the tag is not the front of the MAC")
	}
	delete(d.pending, "integrity_mac") // the tag is all that is kept of it
}

func (d *derivation) identity() {
	f := FingerprintOf(d.given("identity_key"))
	d.check("fingerprint", f[:])
}
