package session

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/wire"
)

// attach is what Attach needs: the slots of the roots that are held, the attempt of
// a client, and what a server answers when an Attach comes again.
//
//	client   wanted ─ EventPathWanted, Attach ─▶ trying ─ AttachAck 0 ─▶ a path; another status, T_ATTACH ─▶ next attempt
//	server   Attach, higher counter ─▶ AttachAck, path open ─ first frame ─▶ live; T_HANDSHAKE_TCP, T_FLIGHT ─▶ gone
type attach struct {
	slots [2]*attachSlots // of the older root, and of the newer one while both are held
	try   *attempt        // client: under way
	plan  plan            // client
}

// attachSlots are the attach slots of one epoch.
type attachSlots struct {
	epoch   uint32
	send    security.Sealer
	recv    security.Opener
	used    bool   // a counter was
	counter uint32 // client: the next; server: the highest whose Attach has opened

	ack      []byte         // server: the AttachAck of that Attach, while it may be sent again
	ackUntil time.Duration  // T_FLIGHT after it
	path     PathID         // the path that it opened, noPath if none
	from     netip.AddrPort // server, on UDP: where it came from
}

// roots calls f for each root that is held, the older first.
func (s *Session) roots(f func(epoch uint32, root *security.Secret)) {
	var r *rekey
	if !s.resting() {
		r = s.rekey
	}
	if r == nil || !r.derived {
		f(s.epoch, &s.root)
		return
	}
	older := s.epoch
	if r.confirmed {
		older--
	}
	f(older, &s.root)
	f(older+1, &r.root)
}

// attaching returns what Attach needs, with the slots of the roots that are held
// now. [XTMP-RKY-045] [XTMP-RKY-048]
func (s *Session) attaching() *attach {
	if s.attach == nil {
		s.attach = new(attach)
	}
	a := s.attach
	var slots [2]*attachSlots
	n := 0
	s.roots(func(epoch uint32, root *security.Secret) {
		for _, old := range a.slots {
			if old != nil && old.epoch == epoch {
				slots[n] = old
			}
		}
		if slots[n] == nil {
			c, sv := security.AttachSecrets(root)
			own, peer := &c, &sv
			if s.role == Server {
				own, peer = &sv, &c
			}
			slots[n] = &attachSlots{
				epoch: epoch, path: noPath,
				send: security.NewSealer(s.suite, own), recv: security.NewOpener(s.suite, peer),
			}
		}
		n++
	})
	a.slots = slots
	return a
}

// bySlot returns the slots whose receiving key a frame names, nil if there are none.
func (a *attach) bySlot(keyID [wire.KeyIDSize]byte) *attachSlots {
	for _, t := range a.slots {
		if t != nil && t.recv.KeyID() == keyID {
			return t
		}
	}
	return nil
}

// newest returns the slots of the newest root.
func (a *attach) newest() *attachSlots {
	if a.slots[1] != nil {
		return a.slots[1]
	}
	return a.slots[0]
}

// erase forgets keys and answers.
func (a *attach) erase() {
	if a != nil {
		*a = attach{}
	}
}

// freeSlot returns an id for a new path.
func (s *Session) freeSlot() (PathID, bool) {
	for id, p := range s.paths {
		if p == nil {
			for mid := s.out.done + 1; mid <= s.out.last; mid++ {
				m := s.ring.at(mid).kept
				if m == nil {
					continue
				}
				m.sentOn &^= 1 << id // another path had this id
				if m.path == PathID(id) && !m.queued {
					m.path = noPath
				}
			}
			return PathID(id), true
		}
	}
	return 0, false
}

// openPaths counts the paths that are not closed.
func (s *Session) openPaths() int {
	n := 0
	for _, p := range s.paths {
		if p != nil && !p.closed() {
			n++
		}
	}
	return n
}

// attachPath gives a path that Attach has opened its keys: those of the epoch of its
// Attach, and of the next one if that root is held already, under which a client
// then seals. The root of an Attach may be erased by the time its AttachAck is there: the
// path has the keys of the next epoch alone, and there is none if that is gone too.
// [XTMP-RKY-019] [XTMP-RKY-052] [XTMP-RKY-053]
func (s *Session) attachPath(p *Path, epoch uint32, attach, ack []byte) (ok bool) {
	p.attached = true
	p.binder = security.PathBinder(attach, ack)
	s.roots(func(e uint32, root *security.Secret) {
		switch {
		case e == epoch, e == epoch+1 && !ok:
			ok = true
			p.keys = *s.epochKeys(p, e, root)
		case e == epoch+1:
			p.pending = s.epochKeys(p, e, root)
			if s.role == Client {
				p.keys.send, p.keys.epoch = p.pending.send, e
			}
		}
	})
	return ok
}

// openAttach is steps 6 to 11 for a frame under an attach slot, and what follows
// for every receiver: flags and envelope. It returns nil if the frame is refused.
// [XTMP-ATT-023] [XTMP-ATT-024]
func (s *Session) openAttach(f []byte, h *wire.Header, t *attachSlots, want wire.HSType, env *wire.Envelope) []byte {
	if h.SessionID != s.id || h.Encryption != s.suite || !wire.VerifyChecksum(f, h.Checksum) {
		s.dropAttach(7, h, errChecksum)
		return nil
	}
	plaintext, err := t.recv.Open(f, h.Sequence)
	if err != nil || h.Flags&^(wire.FlagEncrypted|wire.FlagPriority) != 0 {
		if err != nil {
			s.dropAttach(11, h, err)
			return nil
		}
		s.dropAttach(13, h, wire.ErrFlags)
		return nil
	}
	body, err := wire.ParseStreamEnvelope(plaintext, env)
	if err != nil || env.HSType != want {
		s.dropAttach(13, h, errAttach)
		return nil
	}
	return body
}

// dropAttach reports a frame under an attach slot that is dropped on UDP. On TCP the
// end of its connection is told besides.
func (s *Session) dropAttach(step uint8, h *wire.Header, why error) {
	s.traceDropped(Now{Elapsed: s.latest}, step, h, why)
}

// sealAttach seals a message under an attach slot with its counter as sequence
// number. [XTMP-ATT-002] [XTMP-ATT-031]
func (s *Session) sealAttach(now Now, t *attachSlots, typ wire.MessageType, counter uint32, env wire.Envelope, body []byte,
) ([]byte, error) {
	t.send.SkipTo(uint64(counter))
	return s.sealHandshake(now, nil, &t.send, typ, env, body)
}

// attachID reads a handshake_id from entropy.
func attachID(b []byte) uint64 { return binary.BigEndian.Uint64(b) }
