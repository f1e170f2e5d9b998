package peer

import (
	"fmt"
	"time"

	"github.com/bpci/xtmp/vectors/testkit"
)

// A Rekey is a RekeyInit with the private keys behind it, and what became of it.
// Body has layout rekey_init. A field that was set on Body goes out as set; the
// private keys stay.
type Rekey struct {
	Body        *testkit.Message
	HandshakeID uint64
	X25519      []byte // private key, 32 bytes
	MLKEM       []byte // seed d ‖ z, 64 bytes

	sent  []byte       // the body as it was drafted
	mid   uint64       // of RekeyInit
	root  []byte       // root_{e+1}, once RekeyResp was read
	epoch uint64       // e + 1
	keys  testkit.Keys // p0.c under it
}

// Mid returns the mid of the RekeyInit, once it was drafted.
func (r *Rekey) Mid() uint64 { return r.mid }

// Keys returns our keys of the new epoch, once RekeyResp was read.
func (r *Rekey) Keys() *testkit.Keys { return &r.keys }

// RekeyDefaults returns a correct RekeyInit for the epoch after the one under which
// we seal, with fresh keys and a fresh handshake_id.
func (s *Session) RekeyDefaults() *Rekey {
	r := &Rekey{
		HandshakeID: testkit.Uint(testkit.Draw(s.entropy, 8)),
		X25519:      testkit.Draw(s.entropy, 32),
		MLKEM:       testkit.Draw(s.entropy, 64),
		epoch:       s.epoch + 1,
	}
	r.Body = testkit.Compose("rekey_init").
		DefaultUint("epoch", r.epoch).
		Default("x25519", testkit.X25519Public(r.X25519)).
		Default("mlkem768_ek", testkit.MLKEMPublic(r.MLKEM))
	return r
}

// RekeyDraft returns the frame of a RekeyInit. It takes the next sequence number
// and the next mid.
func (s *Session) RekeyDraft(r *Rekey) *Draft {
	d := s.Draft(typeHandshake, testkit.FlagValue("REQUIRES_ACK"), nil)
	d.Plaintext.Envelope.DefaultUint("hs_type", hsRekeyInit).DefaultUint("handshake_id", r.HandshakeID)
	r.mid, r.sent = d.Mid(), r.Body.Encode()
	d.Plaintext.Body = r.sent
	s.rekey = r
	return d
}

// RekeyDrafts returns the frames of a RekeyInit as the path takes them: one, or on UDP
// fragments that fit a datagram.
func (s *Session) RekeyDrafts(r *Rekey) []*Draft {
	if s.udp == nil {
		return []*Draft{s.RekeyDraft(r)}
	}
	return s.RekeyFragments(r, FragmentSize(testkit.FlagValue("REQUIRES_ACK")))
}

// FragmentSize is how many body bytes a fragment of a message with these flags has in
// a datagram of 1200 bytes (12.11).
func FragmentSize(flags uint16) int {
	prologue := testkit.ComposeFlags("prologue", flags|testkit.FlagValue("FRAGMENT"))
	return int(limit("frame_payload_udp")) - len(prologue.Encode())
}

// RekeyFragments returns the frames of a RekeyInit that is cut into fragments of
// size bytes, the envelope included.
func (s *Session) RekeyFragments(r *Rekey, size int) []*Draft {
	r.sent = r.Body.Encode()
	whole := testkit.NewPlaintext(typeHandshake, 0, r.sent)
	whole.Envelope.DefaultUint("hs_type", hsRekeyInit).DefaultUint("handshake_id", r.HandshakeID)
	drafts := s.Fragments(typeHandshake, testkit.FlagValue("REQUIRES_ACK"), whole.Encode(), size)
	r.mid = drafts[0].Mid()
	s.rekey = r
	return drafts
}

// ReadRekeyResp waits for the reply to a RekeyInit, derives the keys of the new epoch
// and returns every frame that came, the reply last. Frames of the peer under the new keys
// open from now on; ours are sealed under them from Switch on. The error is a
// *Deviation, an *ErrorFrame, or that of a read.
func (s *Session) ReadRekeyResp(r *Rekey, wait time.Duration) ([]*Received, error) {
	answer, frames, err := s.ExpectAnswer(r.mid, wait)
	if err != nil {
		return frames, fmt.Errorf("waiting for RekeyResp: %w", err)
	}
	frames = append(frames, answer)
	body, rest := testkit.Decode("rekey_resp", 0, answer.Message.Body)
	if !answer.Is(typeHandshakeAck) || body.Short() || len(rest) > 0 {
		return frames, s.violation("XTMP-RKY-004", "the reply to RekeyInit is no RekeyResp", answer.Name, "")
	}
	shared, err := testkit.MLKEMDecapsulate(r.MLKEM, body.Bytes("mlkem768_ct"))
	if err != nil {
		return frames, s.violation("XTMP-RKY-008", "the ML-KEM-768 ciphertext is none: "+err.Error(), "", "")
	}
	root := testkit.Derive("rekey", testkit.Values{
		"root": s.root, "mlkem_ss": shared, "x25519_ss": testkit.X25519Shared(r.X25519, body.Bytes("x25519")),
		"rekey_init": testkit.TranscriptMessage(hsRekeyInit, r.sent),
		"rekey_resp": testkit.TranscriptMessage(hsRekeyResp, answer.Message.Body),
	}).Value("root_next")
	s.install(r, root)
	return frames, nil
}

// install gives every path of the session, and the attach slots, the keys of the new
// epoch [XTMP-RKY-045].
func (s *Session) install(r *Rekey, root []byte) {
	r.root = root
	s.addRoot(root)
	for _, path := range s.paths {
		if path.binder == nil && path.number > 0 {
			path.addAttach(uint64(len(s.roots) - 1)) // Attach is under way, or was refused
			continue
		}
		if ours := path.addEpoch(root, r.epoch); path == s.Conn {
			r.keys = ours
		}
	}
}

// Switch seals what follows on this path under the keys of a rekey whose RekeyResp was
// read.
func (s *Session) Switch(r *Rekey) {
	keys := s.slotKeys(s.secrets(r.root).Value("ts_client"))
	s.keys, s.root, s.epoch = &keys, r.root, r.epoch
}

// Rekey runs a whole rekey: RekeyInit, RekeyResp, and the PING under the new keys. It
// returns every frame that came before the PONG.
func (s *Session) Rekey(ping []byte) ([]*Received, error) {
	r := s.RekeyDefaults()
	if err := s.SendDrafts(s.RekeyDrafts(r)...); err != nil {
		return nil, err
	}
	frames, err := s.ReadRekeyResp(r, 0)
	if err != nil {
		return frames, err
	}
	s.Switch(r)
	after, err := s.Ping(ping)
	return append(frames, after...), err
}

// Epoch is the epoch under which we seal.
func (s *Session) Epoch() uint64 { return s.epoch }

// lintEpoch judges under which epoch the peer sealed.
func (c *Conn) lintEpoch(r *Received, s *slot) {
	if c.udp != nil && s.epoch < c.heard && r.Frame.Sequence() < c.heardAt {
		return // it was overtaken
	}
	if s.epoch > c.heard || r.Frame.Sequence() < c.heardAt {
		c.heardAt = r.Frame.Sequence()
	}
	switch {
	case s.epoch < c.heard:
		c.note("XTMP-RKY-023", "a frame under the keys of an epoch that is over", r.Name, "")
	case s.epoch > 0 && !s.used:
		c.note("XTMP-RKY-022", "a frame under keys under which we have not sealed yet", r.Name, "")
	}
	c.heard = max(c.heard, s.epoch)
}

// lintRekeyResp judges the envelope of RekeyResp, and its epoch where it is all there.
func (c *Conn) lintRekeyResp(r *Received) {
	if c.rekey == nil {
		c.note("XTMP-RKY-004", "a RekeyResp without a RekeyInit", r.Name, "")
		return
	}
	if id := r.Plaintext.Envelope.Uint("handshake_id"); id != c.rekey.HandshakeID {
		c.note("XTMP-RKY-006", "handshake_id is not that of RekeyInit", fmt.Sprintf("%016x", id), fmt.Sprintf("%016x", c.rekey.HandshakeID))
	}
	body, _ := testkit.Decode("rekey_resp", 0, r.Plaintext.Body)
	if epoch := body.Uint("epoch"); epoch != testkit.Uint(c.rekey.sent[:4]) {
		c.note("XTMP-RKY-007", "epoch is not that of RekeyInit", epoch, testkit.Uint(c.rekey.sent[:4]))
	}
}
