package security

import (
	"bytes"
	"crypto/hmac"
	"crypto/mlkem"
	"crypto/mlkem/mlkemtest"
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/bpci/xtmp/refimpl/wire"
	"github.com/bpci/xtmp/vectors"
)

// TestFlowVectors derives every value of the recorded sessions, of each suite, of
// both kinds of identity, on UDP, over several paths and with a rekey, from what was
// random in them.
func TestFlowVectors(t *testing.T) {
	flows := 0
	for _, v := range vectors.All() {
		if v.Kind != vectors.KindFlow && v.Kind != vectors.KindPaths {
			continue
		}
		flows++
		t.Run(v.ID, func(t *testing.T) {
			d := newDerivation(t, v)
			roots := []*Secret{d.flow()}
			if d.given("rekey_handshake_id") != nil {
				roots = append(roots, d.flowRekey(roots[0]))
			}
			d.flowTokens()
			d.flowPaths(roots)
			d.frames()
		})
	}
	if flows != 12 {
		t.Errorf("%d flows, want 12", flows)
	}
}

// agree exchanges keys as both ends and returns the shared secret. mine and
// theirs are the halves that the frames hold.
func (d *derivation) agree(prefix string, mine, theirs *wire.KeyShare) SharedSecret {
	d.t.Helper()
	client, err := NewClientShare(bytes.NewReader(append(
		bytes.Clone(d.given(prefix+"client_x25519")), d.given(prefix+"client_mlkem_seed")...)))
	if err != nil {
		d.t.Fatal(err)
	}
	if public := client.Public(); public.X25519 != mine.X25519 || !bytes.Equal(public.MLKEM, mine.MLKEM) {
		d.t.Error("the client's key share differs")
	}
	encapsulate := func(key *mlkem.EncapsulationKey768) ([]byte, []byte) {
		shared, ciphertext, err := mlkemtest.Encapsulate768(key, d.given(prefix+"server_mlkem_m"))
		if err != nil {
			d.t.Fatal(err)
		}
		return shared, ciphertext
	}
	ss, answer, err := AnswerShare(bytes.NewReader(d.given(prefix+"server_x25519")), encapsulate, mine)
	if err != nil {
		d.t.Fatal(err)
	}
	if answer.X25519 != theirs.X25519 || !bytes.Equal(answer.MLKEM, theirs.MLKEM) {
		d.t.Error("the server's key share differs")
	}
	if again, err := client.Agree(theirs); err != nil || *again != *ss {
		d.t.Errorf("the ends do not agree: %v", err)
	}
	d.check(prefix+"mlkem_ss", ss[:32])
	d.check(prefix+"x25519_ss", ss[32:])
	return *ss
}

// identityOf is the server's.
func (d *derivation) identityOf() *Identity {
	d.t.Helper()
	id, err := NewIdentity(d.given("identity_seed"))
	if seed := d.given("mldsa_seed"); seed != nil {
		id, err = NewHybridIdentity(d.given("identity_seed"), seed)
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return id
}

// flow derives the handshake and the keys of epoch 0, and returns root_0.
func (d *derivation) flow() *Secret {
	clientBody, serverBody := d.bodyOf(wire.HSClientHello), d.bodyOf(wire.HSServerHello)
	var ch wire.ClientHello
	var sh wire.ServerHello
	if ch.Parse(clientBody) != nil || sh.Parse(serverBody) != nil {
		d.t.Fatal("the hello messages do not parse")
	}
	ss := d.agree("", &ch.KeyShare, &sh.KeyShare)
	d.check("ss", ss[:])
	reset := hmac.New(sha256.New, d.given("reset_key"))
	reset.Write(append([]byte("XTMP/1 reset"), d.given("session_id")...))
	d.check("reset_token", reset.Sum(nil)[:16])

	transcript := NewTranscript()
	transcript.Add(byte(wire.HSClientHello), clientBody)
	transcript.Add(byte(wire.HSServerHello), serverBody)
	th1 := transcript.Sum()
	d.check("th1", th1[:])
	k := NewHandshake(&ss, th1)
	si := d.v.ResultValue("SI")
	d.check("SI", si) // of session parameters, which package wire writes
	transcript.AddWhole(si)
	th2 := transcript.Sum()
	d.check("th2", th2[:])
	d.check("server_signature_input", signatureInput(th2))
	d.signature(si, th2)
	transcript.AddWhole(d.v.ResultValue("SS"))
	th := transcript.Sum()
	d.check("sf_hash", th[:])
	finished := k.ServerFinished(th)
	d.check("sf_mac", finished[:])
	sf := append(wire.AppendMessageHeader(nil, wire.FlightFinished, len(finished)), finished[:]...)
	d.check("SF", sf)
	transcript.AddWhole(sf)
	th3 := transcript.Sum()
	d.check("th3", th3[:])
	root := d.secrets(k, th3)
	c, s := PathSecrets(&root, th3)
	d.keys("p0.c", c)
	d.keys("p0.s", s)
	return &root
}

// signature signs as the server and verifies as the client; a signature with a
// bit changed, in either half, does not verify.
func (d *derivation) signature(si []byte, th2 Digest) {
	id := d.identityOf()
	f := id.Fingerprint()
	d.check("fingerprint", f[:])
	var m wire.ServerIdentity
	if err := m.Parse(si[wire.MessageHeader:]); err != nil || m.Fingerprint != id.Fingerprint() || m.Kind != id.Kind() {
		d.t.Errorf("SI names kind %d, %x (%v)", m.Kind, m.Fingerprint, err)
	}
	if m.Key != nil && !bytes.Equal(m.Key, id.Key()) {
		d.t.Error("SI holds another key")
	}
	signature := id.Sign(th2)
	d.check("SS", append(wire.AppendMessageHeader(nil, wire.FlightSignature, len(signature)), signature...))
	if err := CheckIdentityKey(id.Key()); err != nil {
		d.t.Error(err)
	}
	if err := VerifyServer(id.Key(), signature, th2); err != nil {
		d.t.Error(err)
	}
	for _, i := range []int{0, 63, len(signature) / 2, len(signature) - 1} {
		bad := bytes.Clone(signature)
		bad[i] ^= 1
		if VerifyServer(id.Key(), bad, th2) == nil {
			d.t.Errorf("a signature with bit %d changed verifies", 8*i)
		}
	}
	if VerifyServer(id.Key(), signature[:len(signature)-1], th2) == nil {
		d.t.Error("a cut signature verifies")
	}
}

// flowRekey derives the root of epoch 1 and the keys below it.
func (d *derivation) flowRekey(root *Secret) *Secret {
	initBody, respBody := d.bodyOf(wire.HSRekeyInit), d.bodyOf(wire.HSRekeyResp)
	var init, resp wire.Rekey
	if init.ParseInit(initBody) != nil || resp.ParseResp(respBody) != nil {
		d.t.Fatal("the rekey does not parse")
	}
	if init.Epoch != 1 || resp.Epoch != 1 {
		d.t.Errorf("epochs %d and %d", init.Epoch, resp.Epoch)
	}
	ss := d.agree("rekey_", &init.Share, &resp.Share)
	transcript := NewTranscript()
	transcript.Add(byte(wire.HSRekeyInit), initBody)
	transcript.Add(byte(wire.HSRekeyResp), respBody)
	d.nextRoot(root, &ss, transcript.Sum())
	next := NextRoot(root, initBody, respBody, &ss)
	d.check("root_next", next[:])
	c, s := PathSecrets(&next, Digest(d.v.ResultValue("binder_0")))
	d.keys("p0.c.e1", c)
	d.keys("p0.s.e1", s)
	return &next
}

// frames opens every sealed frame of a flow, and seals it again to the same bytes.
func (d *derivation) frames() {
	suite := wire.SuiteAES256GCM
	if b := d.given("suite"); b != nil {
		suite = wire.Suite(b[0])
	}
	secrets := map[[wire.KeyIDSize]byte]Secret{}
	for _, value := range d.v.Result {
		if slot, ok := strings.CutSuffix(value.Name, ".ts"); ok {
			secrets[[wire.KeyIDSize]byte(d.v.ResultValue(slot+".key_id"))] = Secret(value.Bytes)
		}
	}
	sealed := 0
	for i, step := range d.v.Steps {
		var h wire.Header
		h.Decode(step.Frame)
		if h.Clear() {
			continue
		}
		ts, ok := secrets[h.KeyID]
		if !ok {
			d.t.Fatalf("frame %d is under a key of nobody", i)
		}
		sealed++
		opener := NewOpener(suite, &ts)
		f := bytes.Clone(step.Frame)
		if !wire.VerifyChecksum(f, h.Checksum) {
			d.t.Errorf("frame %d: the checksum differs", i)
		}
		plaintext, err := opener.Open(f, h.Sequence)
		if err != nil || !bytes.Equal(plaintext, step.Plaintext) {
			d.t.Errorf("frame %d does not open to its plaintext: %v", i, err)
		}
		sealer := NewSealer(suite, &ts)
		sealer.Continue(&Sealer{next: h.Sequence})
		again, start := Reserve(nil)
		head := wire.Header{Type: h.Type, Flags: h.Flags &^ wire.FlagEncrypted, SessionID: h.SessionID, Timestamp: h.Timestamp}
		if again, err = sealer.Seal(append(again, step.Plaintext...), start, &head); err != nil || !bytes.Equal(again, step.Frame) {
			d.t.Errorf("frame %d is sealed to other bytes: %v", i, err)
		}
	}
	if sealed < 5 {
		d.t.Errorf("only %d sealed frames", sealed)
	}
}
