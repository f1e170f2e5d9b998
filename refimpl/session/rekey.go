package session

import (
	"encoding/binary"
	"time"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/trace"
	"github.com/bpci/xtmp/refimpl/wire"
)

// rekey is a change of the root secret under way.
//
//	client   due ─ RekeyInit ─▶ sent ─ RekeyResp: send under e+1, PING ─▶ switching ─ first frame under e+1 ─▶ confirmed
//	server         RekeyInit: receive under e and e+1, RekeyResp ─▶ switching ─ first frame under e+1: send under it ─▶ confirmed
//	both     confirmed ─ T_RETIRE ─▶ root_e erased; T_REKEY before that ─▶ REKEY_FAILED
type rekey struct {
	began     time.Duration // RekeyInit was sent, or received
	share     *security.ClientShare
	id        uint64 // handshake_id
	init      []byte // body of RekeyInit, until its answer has come
	mid       uint64 // of RekeyInit at the client, 0 until it is sealed
	root      security.Secret
	derived   bool // root is root_{e+1}
	confirmed bool
	retireAt  time.Duration // root_e is erased
}

// rotation is when and why a session rekeys.
type rotation struct {
	due     time.Duration // client: T_ROTATE after the last RekeyResp, or the handshake
	last    time.Duration // the last RekeyInit
	askedAt time.Duration // server: the first REKEY_REQUEST that no rekey has served
	askNext time.Duration // server: when another may go out
	rekeyed bool          // there was a RekeyInit
	wanted  bool          // somebody asks for a rekey
	asking  bool          // server: askedAt counts
}

// Rekey asks for fresh keys: a client starts a rekey as soon as the rules allow,
// a server asks its client to. It reports false where there is no session.
func (s *Session) Rekey(now Now) bool {
	if s.state != Established {
		return false
	}
	s.rise()
	s.rotation.wanted = true
	s.rotate(now, s.paths[s.current])
	s.wake()
	return true
}

// Epoch returns the number of the root secret under which this endpoint sends.
func (s *Session) Epoch() uint32 { return s.paths[s.current].keys.epoch }

// rekeyDue is when a rekey has something to do.
func (s *Session) rekeyDue(p *Path) time.Duration {
	var r *rekey
	if !s.resting() {
		r = s.rekey
	}
	switch {
	case r != nil && r.confirmed:
		return r.retireAt
	case r != nil:
		return min(r.began+rekeyTimeout, s.keyLimitAt())
	case s.state != Established:
		return never
	case s.role == Client && (s.rotation.wanted || p.keys.send.Tired()): // [XTMP-RKY-011]
		return s.nextRekey()
	case s.role == Client: // [XTMP-RKY-010]
		return max(s.rotation.due, s.nextRekey())
	case s.rotation.asking:
		return min(s.rotation.askNext, s.keyLimitAt())
	case s.rotation.wanted || p.keys.send.Tired(): // [XTMP-RKY-014]
		return s.rotation.askNext
	default:
		return never
	}
}

// keyLimitAt is when a server gives up on a client that does not rekey, or does not
// confirm it. [XTMP-RKY-016]
func (s *Session) keyLimitAt() time.Duration {
	if !s.rotation.asking {
		return never
	}
	return s.rotation.askedAt + rekeyAnswer
}

// nextRekey is the earliest time of the next RekeyInit. [XTMP-RKY-018]
func (s *Session) nextRekey() time.Duration {
	if !s.rotation.rekeyed {
		return 0
	}
	return s.rotation.last + rekeyGap
}

// rotate does what is due.
func (s *Session) rotate(now Now, p *Path) {
	if now.Elapsed < s.rekeyDue(p) {
		return
	}
	switch r := s.rekey; {
	case r != nil && r.confirmed: // [XTMP-RKY-035]
		s.root = r.root
		*r = rekey{}
		s.rekey = nil
	case now.Elapsed >= s.keyLimitAt():
		s.fail(now, p, &Error{Code: wire.KeyLimit, Scope: wire.ScopeSession, Text: "REKEY_REQUEST was not answered"}, wire.NoSequence, 0)
	case r != nil: // [XTMP-RKY-031]
		s.fail(now, p, &Error{Code: wire.RekeyFailed, Scope: wire.ScopeSession, Text: "not confirmed in time"}, wire.NoSequence, 0)
	case s.role == Client:
		s.startRekey(now, p)
	default:
		if !s.rotation.asking {
			s.rotation.asking, s.rotation.askedAt = true, now.Elapsed
		}
		s.rotation.askNext = now.Elapsed + rekeyAsk // [XTMP-RKY-015]
		s.askRekey = true
	}
}

// startRekey queues RekeyInit ahead of every other message.
func (s *Session) startRekey(now Now, p *Path) {
	var id [8]byte
	err := s.draw(id[:])
	var share *security.ClientShare
	if err == nil {
		share, err = security.NewClientShare(s.cfg.Entropy)
	}
	if err != nil { // our own fault: entropy
		s.fail(now, p, &Error{Code: wire.RekeyFailed, Scope: wire.ScopeSession}, wire.NoSequence, 0)
		return
	}
	body := wire.Rekey{Epoch: s.epoch + 1, Share: share.Public()}
	r := &rekey{began: now.Elapsed, share: share, id: binary.BigEndian.Uint64(id[:]), init: body.Append(nil)}
	s.rekey = r
	s.rotation.last, s.rotation.rekeyed, s.rotation.wanted = now.Elapsed, true, false

	env := wire.Envelope{HSType: wire.HSRekeyInit, HandshakeID: r.id}
	m := s.cfg.Buffers.message()
	m.typ, m.flags = wire.TypeHandshake, wire.FlagRequiresAck
	m.fill(s.cfg.Buffers, env.AppendStream(nil, len(r.init)), r.init, nil)
	s.enqueue(m, true)
}

// rekeySent notes the mid of RekeyInit, which has just been given.
func (s *Session) rekeySent(now Now, mid uint64) {
	if s.rekey != nil {
		s.rekey.mid = mid
		s.rekey.began, s.rotation.last = now.Elapsed, now.Elapsed
		s.calls.rekeys = append(s.calls.rekeys, mid)
	}
}

// rekeying reports whether mid is that of a RekeyInit without its reply.
func (s *Session) rekeying(mid uint64) bool {
	return s.rekey != nil && !s.rekey.derived && s.rekey.mid == mid
}

// receiveRekeyInit answers RekeyInit: the keys of the next epoch open frames from
// now on, and this endpoint seals under them once it has opened one.
// [XTMP-RKY-021] [XTMP-RKY-022]
func (s *Session) receiveRekeyInit(now Now, p *Path, h *wire.Header, c Call, env *wire.Envelope, body []byte) {
	var m wire.Rekey
	err := m.ParseInit(body)
	switch {
	case err != nil:
		s.violation(now, p, err.Error())
		return
	case m.Epoch != s.epoch+1 || s.rekey != nil && !s.rekey.confirmed: // [XTMP-RKY-025] [XTMP-RKY-024]
		s.violation(now, p, "RekeyInit of an epoch that is not the next")
		return
	case s.rotation.rekeyed && now.Elapsed-s.rotation.last < rekeyGapAtServer: // [XTMP-RKY-026]
		s.violation(now, p, "RekeyInit too soon after the last")
		return
	}
	if s.rekey != nil { // root_e is still held: it goes now [XTMP-RKY-027]
		s.root = s.rekey.root
	}
	ss, share, err := security.AnswerShare(s.cfg.Entropy, s.cfg.Server.Encapsulate, &m.Share)
	if err != nil { // [XTMP-RKY-032]
		s.fail(now, p, &Error{Code: wire.RekeyFailed, Scope: wire.ScopeSession}, p.received-1, 0)
		return
	}
	answer := wire.Rekey{Epoch: m.Epoch, Share: share}
	answerBody := answer.Append(nil)
	r := &rekey{began: now.Elapsed, root: security.NextRoot(&s.root, body, answerBody, ss), derived: true}
	clear(ss[:])
	s.rekey = r
	s.rotation.last, s.rotation.rekeyed, s.rotation.wanted = now.Elapsed, true, false
	p.pending = s.epochKeys(p, m.Epoch, &r.root)
	p.anchor(now, h.Timestamp) // [XTMP-TIM-015]

	env.HSType = wire.HSRekeyResp
	c.Type = wire.TypeHandshakeAck
	s.Reply(now, c, env.AppendStream(nil, len(answerBody)), answerBody, nil)
}

// receiveRekeyResp takes the server's answer: from now on this endpoint seals
// under the keys of the next epoch, and a PING shows the server that it does.
// [XTMP-RKY-019] [XTMP-RKY-020]
func (s *Session) receiveRekeyResp(now Now, p *Path, h *wire.Header, pro *wire.Prologue, env *wire.Envelope, body []byte) {
	r := s.rekey
	switch {
	case !s.rekeying(pro.ReplyTo): // a second reply [XTMP-MSG-009]
		p.ackEventually(now)
		return
	case env.HandshakeID != r.id: // [XTMP-RKY-041]
		s.unexpected(now, p, "RekeyResp is not for this RekeyInit")
		return
	}
	var m wire.Rekey
	if err := m.ParseResp(body); err != nil || m.Epoch != s.epoch+1 { // [XTMP-RKY-042]
		s.violation(now, p, "RekeyResp of another length or epoch")
		return
	}
	ss, err := r.share.Agree(&m.Share)
	if err != nil { // [XTMP-RKY-033]
		s.fail(now, p, &Error{Code: wire.RekeyFailed, Scope: wire.ScopeSession}, p.received-1, 0)
		return
	}
	r.root, r.derived = security.NextRoot(&s.root, r.init, body, ss), true
	clear(ss[:])
	r.share, r.init = nil, nil // [XTMP-RKY-036]
	s.rotation.due = now.Elapsed + s.calls.rotation
	next := s.epochKeys(p, m.Epoch, &r.root)
	next.send.Continue(&p.keys.send)
	p.keys.send, p.keys.epoch = next.send, next.epoch
	p.pending = next
	p.anchor(now, h.Timestamp) // [XTMP-TIM-016]
	p.ackEventually(now)
	s.out.answered(s.ring, r.mid)
	s.ping.last++
	s.ping.wanted = true
}

// epochKeys derives the keys of a path in an epoch.
func (s *Session) epochKeys(p *Path, epoch uint32, root *security.Secret) *pathKeys {
	own, peer := s.pathSecrets(p, root)
	if s.role == Client {
		s.logPathSecrets(epoch, &own, &peer)
	} else {
		s.logPathSecrets(epoch, &peer, &own)
	}
	return &pathKeys{epoch: epoch, send: security.NewSealer(s.suite, &own), recv: security.NewOpener(s.suite, &peer)}
}

// pathSecrets derives the traffic secrets of a path: of this endpoint and of its peer.
func (s *Session) pathSecrets(p *Path, root *security.Secret) (own, peer security.Secret) {
	c, sv := security.PathSecrets(root, p.binder)
	if s.role == Client {
		return c, sv
	}
	return sv, c
}

// switched notes the first frame of the peer under the next epoch: the old keys
// of the path go at once, which nothing can miss on a connection. [XTMP-RKY-023] [XTMP-RKY-030]
func (s *Session) switched(now Now, p *Path) {
	next := p.pending
	p.pending = nil
	p.keys.recv = next.recv
	if s.role == Server {
		next.send.Continue(&p.keys.send)
		p.keys.send, p.keys.epoch = next.send, next.epoch
	}
	s.epoch = next.epoch
	s.rotation.asking = false
	s.rekey.confirmed, s.rekey.retireAt = true, now.Elapsed+retireDelay
	s.traceState(now, trace.Event{Kind: trace.Rekeyed, Sequence: uint64(s.epoch)})
	s.event(Event{Kind: EventRekeyed, Token: uint64(s.epoch)})
}
