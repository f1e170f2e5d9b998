package peer

import (
	"testing"

	"github.com/bpci/xtmp/vectors/testkit"
)

// A rekeying is the other side of rekeys, with hooks that spoil it.
type rekeying struct {
	resp     func(*testkit.Message) // body of RekeyResp
	envelope func(*testkit.Message)
	refuse   bool // an Error in place of RekeyResp
	early    bool // seals under the new keys before it has opened a frame under them
	skip     bool // sequence numbers begin anew

	root, binder []byte
	fresh        *[2]testkit.Keys // of the next epoch, in and out, until the switch
}

// connectRekeying returns a session with a counterpart that answers RekeyInit.
func connectRekeying(t *testing.T, r *rekeying) *Session {
	t.Helper()
	server := &counterpart{}
	server.reply = func(s *counterpart, f frame) {
		if f.Type() == 1 {
			r.answer(s, f)
			return
		}
		s.usual(f)
	}
	ready := make(chan struct{})
	server.next = func(id []byte) {
		select {
		case <-ready:
		default:
			return
		}
		if r.fresh == nil || string(id) != string(r.fresh[0].KeyID) {
			return
		}
		server.in, server.out = r.fresh[0], r.fresh[1]
		if r.skip {
			server.sequence = 0
		}
		r.fresh = nil
	}
	s := connect(t, server)
	r.root, r.binder = s.root, s.Schedule().Value("binder_0")
	close(ready)
	return s
}

// path derives the keys of an epoch.
func (r *rekeying) path() *[2]testkit.Keys {
	secrets := testkit.Derive("path", testkit.Values{"root": r.root, "binder": r.binder})
	return &[2]testkit.Keys{testkit.DeriveKeys(secrets.Value("ts_client")), testkit.DeriveKeys(secrets.Value("ts_server"))}
}

func (r *rekeying) answer(s *counterpart, f frame) {
	mid := f.plain.Prologue.Uint("mid")
	if r.refuse {
		s.replyTo(mid, 0xFE, ErrorBody(0x14, 0, 1<<64-1, ""))
		return
	}
	init, _ := testkit.Decode("rekey_init", 0, f.plain.Body)
	private := s.entropy(32)
	shared, ct, err := testkit.MLKEMEncapsulate(init.Bytes("mlkem768_ek"), s.entropy(32))
	if err != nil {
		s.t.Error(err)
		return
	}
	resp := testkit.Compose("rekey_resp").DefaultUint("epoch", init.Uint("epoch")).
		Default("x25519", testkit.X25519Public(private)).Default("mlkem768_ct", ct)
	spoil(r.resp, resp)
	r.root = testkit.Derive("rekey", testkit.Values{
		"root": r.root, "mlkem_ss": shared, "x25519_ss": testkit.X25519Shared(private, init.Bytes("x25519")),
		"rekey_init": testkit.TranscriptMessage(0x20, f.plain.Body), "rekey_resp": testkit.TranscriptMessage(0x21, resp.Encode()),
	}).Value("root_next")
	r.fresh = r.path()
	plain := testkit.NewPlaintext(2, flagAck|flagReply, resp.Encode())
	plain.Prologue.SetUint("mid", s.mid).SetUint("reply_to", mid)
	s.mid++
	plain.Envelope.DefaultUint("hs_type", 33).DefaultUint("handshake_id", f.plain.Envelope.Uint("handshake_id"))
	spoil(r.envelope, plain.Envelope)
	s.sendPlain(2, flagAck|flagReply, plain)
	if r.early {
		s.out = r.fresh[1]
		s.send(3, 0, []byte{Pong})
	}
}

func TestRekey(t *testing.T) {
	s := connectRekeying(t, &rekeying{})
	for epoch := uint64(1); epoch <= 3; epoch++ {
		if _, err := s.Rekey([]byte("switch")); err != nil {
			t.Fatal(err)
		}
		if s.Last().Epoch != epoch || s.Epoch() != epoch {
			t.Errorf("the PONG is of epoch %d, we seal in %d", s.Last().Epoch, s.Epoch())
		}
	}
	if len(s.Violations()) > 0 {
		t.Errorf("reported %v", s.Violations())
	}
}

func TestRekeyDeviations(t *testing.T) {
	for req, spoiled := range map[string]*rekeying{
		"XTMP-RKY-004": {resp: func(m *testkit.Message) { m.Cut("x25519") }},
		"XTMP-RKY-005": {refuse: true},
		"XTMP-RKY-006": {envelope: func(m *testkit.Message) { m.SetUint("handshake_id", 7) }},
		"XTMP-RKY-007": {resp: func(m *testkit.Message) { m.SetUint("epoch", 7) }},
		"XTMP-RKY-022": {early: true},
		"XTMP-RKY-029": {skip: true},
	} {
		s := connectRekeying(t, spoiled)
		if r := s.RekeyDefaults(); s.SendDrafts(s.RekeyDraft(r)) == nil {
			if _, err := s.ReadRekeyResp(r, 0); err == nil {
				if spoiled.early {
					_, _ = s.ReadFrame(0)
				}
				s.Switch(r)
				_, _ = s.Ping([]byte("switch"))
			}
		}
		if !reported(s, req) {
			t.Errorf("%s: reported %v", req, s.Violations())
		}
	}
}

// A server that goes on under the old keys is seen once it has used the new ones.
func TestOldEpochIsLinted(t *testing.T) {
	r := &rekeying{}
	s := connectRekeying(t, r)
	if _, err := s.Rekey([]byte("switch")); err != nil {
		t.Fatal(err)
	}
	first := s.inbound[len(s.inbound)-2]
	s.lintEpoch(s.Last(), first)
	if !reported(s, "XTMP-RKY-023") {
		t.Errorf("reported %v", s.Violations())
	}
}
