package session

import (
	"fmt"
	"io"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/wire"
)

// handshake is what a session knows only until it is established.
type handshake struct {
	id         uint64 // handshake_id
	share      *security.ClientShare
	transcript security.Transcript
	secrets    *security.Handshake
	send       security.Sealer // own handshake slot
	recv       security.Opener // the peer's
	keyed      bool
	wantKey    bool                  // client: identity key asked for
	endpoints  []wire.AttachEndpoint // client: where the server wants further paths
	finish     security.Digest       // server: expected ClientFinish
	skew       int64                 // peer's wall time − ours, µs

	sessionID uint64 // what ServerHello says
	suite     wire.Suite
	heard     Now    // when the peer's hello came
	peerTime  uint64 // its wall time then, µs
}

func (k *handshake) erase() {
	if k.secrets != nil {
		k.secrets.Erase()
	}
	*k = handshake{}
}

// hear notes when the peer's hello came and what it says of its clock.
func (k *handshake) hear(now Now, peerTime uint64) {
	k.heard, k.peerTime = now, peerTime
	k.skew = int64(peerTime - now.Wall) // [XTMP-TIM-010]
}

// skewed reports whether the wall clocks differ by more than 300 s.
func (k *handshake) skewed() bool { return k.skew > skewMax || k.skew < -skewMax }

// sealHandshake appends a handshake message under a handshake slot.
func (s *Session) sealHandshake(now Now, dst []byte, slot *security.Sealer, t wire.MessageType, env wire.Envelope, body []byte,
) ([]byte, error) {
	dst, start := security.Reserve(dst)
	dst = env.AppendStream(dst, len(body))
	dst = append(dst, body...)
	h := wire.Header{Type: t, SessionID: s.id, Timestamp: s.stamp(now)}
	return slot.Seal(dst, start, &h)
}

// receiveHandshakeFrame is steps 6 to 11 under the peer's handshake slot.
func (s *Session) receiveHandshakeFrame(now Now, p *Path, f []byte, h *wire.Header) {
	k := s.handshake
	if k == nil || !k.keyed || h.SessionID != s.id || h.Encryption != s.suite || h.KeyID != k.recv.KeyID() {
		s.refuse(now, p, 6, h, errUnknownKey)
		return
	}
	if !wire.VerifyChecksum(f, h.Checksum) {
		s.refuse(now, p, 7, h, errChecksum)
		return
	}
	if h.Sequence != 0 { // frag_index, which is 0 on a connection
		s.refuse(now, p, 9, h, errSequence)
		return
	}
	plaintext, err := k.recv.Open(f, h.Sequence)
	if err != nil {
		s.refuse(now, p, 11, h, err)
		return
	}
	p.receivedAt = now.Elapsed
	s.receiveHandshakeMessage(now, p, h, plaintext)
}

// receiveHandshakeMessage is step 13 for a message under a handshake slot.
func (s *Session) receiveHandshakeMessage(now Now, p *Path, h *wire.Header, plaintext []byte) {
	k := s.handshake
	var env wire.Envelope
	body, err := wire.ParseStreamEnvelope(plaintext, &env)
	if err != nil {
		s.refuse(now, p, 13, h, err)
		return
	}
	plain := h.Flags&^(wire.FlagPriority|wire.FlagEncrypted) == 0 // ENCRYPTED was judged with the suite
	switch {
	case env.HandshakeID != k.id:
		s.refuse(now, p, 13, h, errHandshakeID)
	case plain && s.role == Client && h.Type == wire.TypeHandshakeAck && env.HSType == wire.HSServerFlight:
		s.receiveFlight(now, p, body)
	case plain && s.role == Server && h.Type == wire.TypeHandshake && env.HSType == wire.HSClientFinish:
		s.receiveFinish(now, p, body)
	default:
		s.refuse(now, p, 13, h, errHandshakeType)
	}
}

// receiveClear handles a clear frame: ClientHello at a server that awaits it,
// ServerHello and Error at a client that awaits them. Anywhere else it closes
// the path.
func (s *Session) receiveClear(now Now, p *Path, f []byte, h *wire.Header) {
	server := s.state == Start && h.Type != wire.TypeError && h.SessionID == 0
	client := s.state == Hello && !s.handshake.keyed && h.Type != wire.TypeHandshake
	if !server && !client { // step 6
		s.refuse(now, p, 6, h, errClearFrame)
		return
	}
	if !wire.ClearFields(f) { // step 6 [XTMP-HDR-033]
		s.refuse(now, p, 6, h, wire.ErrClearField)
		return
	}
	if !wire.VerifyChecksum(f, h.Checksum) { // step 7
		s.refuse(now, p, 7, h, errChecksum)
		return
	}
	if h.Sequence != 0 { // step 9 [XTMP-ORD-023]
		s.refuse(now, p, 9, h, errSequence)
		return
	}
	payload := f[wire.Overhead:]
	switch {
	case server && h.Type == wire.TypeHandshake:
		s.receiveClientHello(now, p, payload)
	case server: // [XTMP-HSK-066]
		s.refuseHello(now, p, wire.Malformed, "the first frame is not ClientHello", 0)
	case h.Type == wire.TypeHandshakeAck:
		s.receiveServerHello(now, p, h, payload)
	default:
		s.receiveClearError(now, p, payload)
	}
}

// established makes the session ready: root_0, exporter and the keys of path 0
// come from th3, and the handshake secrets are gone. [XTMP-KEY-003]
func (s *Session) establishKeys(p *Path, th3 security.Digest) {
	s.logSecret("CLIENT_HANDSHAKE_TRAFFIC_SECRET", &s.handshake.secrets.Client)
	s.logSecret("SERVER_HANDSHAKE_TRAFFIC_SECRET", &s.handshake.secrets.Server)
	s.root, s.exporter = s.handshake.secrets.Complete(th3)
	p.anchor(s.handshake.heard, s.handshake.peerTime)
	p.binder = th3
	p.keys = *s.epochKeys(p, s.epoch, &s.root)
}

// draw reads entropy. A source that fails leaves the session without any
// choice but to end.
func (s *Session) draw(b []byte) error {
	if _, err := io.ReadFull(s.cfg.Entropy, b); err != nil {
		return fmt.Errorf("xtmp: drawing entropy: %w", err)
	}
	return nil
}

// Reasons for which a handshake message is refused.
var (
	errHandshakeID   = &wire.ParseError{What: "envelope", Field: "handshake_id", Reason: "is not that of ClientHello"}
	errHandshakeType = &wire.ParseError{What: "envelope", Field: "hs_type", Reason: "has no place here"}
)

// logSecret hands a traffic secret to the key log, if there is one.
func (s *Session) logSecret(label string, secret *security.Secret) {
	if s.cfg.KeyLog != nil {
		s.cfg.KeyLog(label, s.id, secret[:])
	}
}

// logPathSecrets does so for the secrets of a path in an epoch.
func (s *Session) logPathSecrets(path PathID, epoch uint32, c, sv *security.Secret) {
	if s.cfg.KeyLog != nil {
		s.logSecret(fmt.Sprintf("CLIENT_PATH_SECRET_%d_%d", path, epoch), c)
		s.logSecret(fmt.Sprintf("SERVER_PATH_SECRET_%d_%d", path, epoch), sv)
	}
}
