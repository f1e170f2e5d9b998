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
//	both     confirmed ─ every live path switched, T_RETIRE ─▶ root_e erased; T_REKEY before that ─▶ REKEY_FAILED
//
// Each path switches by itself: at the server when the client's first frame under
// e+1 opens on it. One that is silent stays behind until T_RETIRE_MAX.
type rekey struct {
	epoch     uint32        // e + 1
	began     time.Duration // RekeyInit was sent, or received
	share     *security.ClientShare
	id        uint64 // handshake_id
	init      []byte // body of RekeyInit, until its answer has come
	mid       uint64 // of RekeyInit at the client, 0 until it is sealed
	root      security.Secret
	derived   bool // root is root_{e+1}
	confirmed bool
	since     time.Duration // of the confirmation
	switched  bool          // on every live path
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
	s.rotate(now)
	s.wake()
	return true
}

// Epoch returns the number of the newest root secret that both ends use.
func (s *Session) Epoch() uint32 { return s.epoch }

// tired reports whether the key of a path is to be replaced. [XTMP-RKY-011] [XTMP-RKY-014]
func (s *Session) tired() bool {
	for _, p := range s.paths {
		if p != nil && !p.closed() && p.keys.send.Tired() {
			return true
		}
	}
	return false
}

// rekeyDue is when a rekey has something to do. Without a path it has nothing.
// [XTMP-RKY-059] [XTMP-RKY-060] [XTMP-PRK-011]
func (s *Session) rekeyDue() time.Duration {
	var r *rekey
	if !s.resting() {
		r = s.rekey
	}
	switch {
	case r != nil && r.confirmed && r.switched:
		return min(r.retireAt, r.since+retireMax)
	case r != nil && r.confirmed:
		return r.since + retireMax
	case s.here() == nil:
		return never
	case r != nil:
		return min(r.began+rekeyTimeout, s.keyLimitAt())
	case s.state != Established:
		return never
	case s.role == Client && (s.rotation.wanted || s.tired()): // [XTMP-RKY-011]
		return s.nextRekey()
	case s.role == Client: // [XTMP-RKY-010]
		return max(s.rotation.due, s.nextRekey())
	case s.rotation.asking:
		return min(s.rotation.askNext, s.keyLimitAt())
	case s.rotation.wanted || s.tired(): // [XTMP-RKY-014]
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
func (s *Session) rotate(now Now) {
	if now.Elapsed < s.rekeyDue() {
		return
	}
	switch r := s.rekey; {
	case r != nil && r.confirmed: // [XTMP-RKY-035] [XTMP-RKY-056] [XTMP-RKY-057]
		s.retire(now)
	case now.Elapsed >= s.keyLimitAt():
		s.failAnywhere(now, &Error{Code: wire.KeyLimit, Scope: wire.ScopeSession, Text: "REKEY_REQUEST was not answered"})
	case r != nil: // [XTMP-RKY-031]
		s.failAnywhere(now, &Error{Code: wire.RekeyFailed, Scope: wire.ScopeSession, Text: "not confirmed in time"})
	case s.role == Client:
		s.startRekey(now)
	default:
		if !s.rotation.asking {
			s.rotation.asking, s.rotation.askedAt = true, now.Elapsed
		}
		s.rotation.askNext = now.Elapsed + rekeyAsk // [XTMP-RKY-015]
		s.askRekey = true
	}
}

// retire erases root_e and every key derived from it. A path that has not switched
// has the keys of e+1 alone, and a server seals nothing on it before it has
// opened a frame there. [XTMP-RKY-050] [XTMP-RKY-058]
func (s *Session) retire(now Now) {
	r := s.rekey
	for _, p := range s.paths {
		if p == nil || p.closed() {
			continue
		}
		if p.kind == UDP {
			p.udp.old = nil
		}
		if p.pending == nil {
			continue
		}
		if now.Elapsed >= r.since+retireMax {
			s.pathLost(now, p, ErrUnswitched)
			continue
		}
		p.mute = s.role == Server
		p.switchBy = r.since + retireMax
		s.usePending(p)
	}
	s.root = r.root
	*r = rekey{}
	s.rekey = nil
	if a := s.attach; a != nil && a.slots[1] != nil {
		a.slots = [2]*attachSlots{a.slots[1]}
	}
}

// usePending makes the keys of the next epoch the only ones of a path.
func (s *Session) usePending(p *Path) {
	next := p.pending
	p.pending = nil
	p.keys.recv = next.recv
	if s.role == Server {
		next.send.Continue(&p.keys.send)
		p.keys.send, p.keys.epoch = next.send, next.epoch
	}
}

// startRekey queues RekeyInit ahead of every other message.
func (s *Session) startRekey(now Now) {
	var id [8]byte
	err := s.draw(id[:])
	var share *security.ClientShare
	if err == nil {
		share, err = security.NewClientShare(s.cfg.Entropy)
	}
	if err != nil { // our own fault: entropy
		s.failAnywhere(now, &Error{Code: wire.RekeyFailed, Scope: wire.ScopeSession})
		return
	}
	body := wire.Rekey{Epoch: s.epoch + 1, Share: share.Public()}
	r := &rekey{epoch: s.epoch + 1, began: now.Elapsed, share: share, id: binary.BigEndian.Uint64(id[:]), init: body.Append(nil)}
	s.rekey = r
	s.rotation.last, s.rotation.rekeyed, s.rotation.wanted = now.Elapsed, true, false

	env := wire.Envelope{HSType: wire.HSRekeyInit, HandshakeID: r.id}
	m := s.cfg.Buffers.message()
	m.typ, m.flags = wire.TypeHandshake, wire.FlagRequiresAck
	m.fill(s.cfg.Buffers, env.AppendStream(nil, len(r.init)), r.init, nil)
	s.enqueue(now, m, true)
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
		s.retire(now)
	}
	ss, share, err := security.AnswerShare(s.cfg.Entropy, s.cfg.Server.Encapsulate, &m.Share)
	if err != nil { // [XTMP-RKY-032]
		s.fail(now, p, &Error{Code: wire.RekeyFailed, Scope: wire.ScopeSession}, p.received-1, 0)
		return
	}
	answer := wire.Rekey{Epoch: m.Epoch, Share: share}
	answerBody := answer.Append(nil)
	r := &rekey{epoch: m.Epoch, began: now.Elapsed, root: security.NextRoot(&s.root, body, answerBody, ss), derived: true}
	clear(ss[:])
	s.rekey = r
	s.rotation.last, s.rotation.rekeyed, s.rotation.wanted = now.Elapsed, true, false
	for _, q := range s.paths { // [XTMP-RKY-048]
		if q != nil && !q.closed() {
			q.pending = s.epochKeys(q, m.Epoch, &r.root)
			q.anchor(now, h.Timestamp) // [XTMP-TIM-015]
		}
	}

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
	p.ackEventually(now)
	for _, q := range s.paths { // [XTMP-RKY-045] [XTMP-RKY-046]
		if q == nil || q.closed() || s.trying(q) != nil {
			continue
		}
		next := s.epochKeys(q, m.Epoch, &r.root)
		next.send.Continue(&q.keys.send)
		q.keys.send, q.keys.epoch = next.send, next.epoch
		q.pending = next
		q.anchor(now, h.Timestamp) // [XTMP-TIM-016]
		q.pingWanted = true
		if q.kind == UDP { // [XTMP-RKY-047]
			q.udp.pingNext, q.udp.pingLeft = now.Elapsed+q.pto(), pingsWithoutEnd
		}
	}
	s.ping.last++
	s.settle(r.mid, true)
}

// epochKeys derives the keys of a path in an epoch.
func (s *Session) epochKeys(p *Path, epoch uint32, root *security.Secret) *pathKeys {
	own, peer := s.pathSecrets(p, root)
	if s.role == Client {
		s.logPathSecrets(p.id, epoch, &own, &peer)
	} else {
		s.logPathSecrets(p.id, epoch, &peer, &own)
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

// switched notes the first frame of the peer under the next epoch on p: a
// connection drops its old keys at once, which nothing can miss there.
// [XTMP-RKY-023] [XTMP-RKY-030] [XTMP-RKY-049]
func (s *Session) switched(now Now, p *Path, sequence uint64) {
	epoch := p.pending.epoch
	if p.kind == UDP {
		p.keepOld(now, sequence)
	}
	s.usePending(p)
	s.confirmEpoch(now, epoch)
	s.settleSwitch(now)
}

// confirmEpoch notes that a frame of the peer under an epoch has opened, on a path
// or under an attach slot.
func (s *Session) confirmEpoch(now Now, epoch uint32) {
	r := s.rekey
	if r == nil || !r.derived || r.confirmed || epoch != r.epoch {
		return
	}
	s.epoch = epoch
	s.rotation.asking = false
	r.confirmed, r.since = true, now.Elapsed
	s.settleSwitch(now)
	s.traceState(now, trace.Event{Kind: trace.Rekeyed, Sequence: uint64(s.epoch)})
	s.event(Event{Kind: EventRekeyed, Token: uint64(s.epoch)})
}

// settleSwitch notes whether every live path has switched, from which on T_RETIRE
// counts. [XTMP-RKY-056]
func (s *Session) settleSwitch(now Now) {
	r := s.rekey
	if r == nil || !r.confirmed {
		return
	}
	wait := retireDelay
	for _, p := range s.paths {
		if p == nil || p.closed() {
			continue
		}
		if p.live() && p.pending != nil {
			r.switched = false
			return
		}
		if p.kind == UDP {
			wait = max(wait, 3*p.pto())
		}
	}
	if !r.switched {
		r.switched, r.retireAt = true, now.Elapsed+wait
	}
}
