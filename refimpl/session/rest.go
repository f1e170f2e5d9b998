package session

import (
	"time"

	"github.com/bpci/xtmp/refimpl/wire"
)

// A session that has nothing to do rests: it keeps its secrets and counters, derives
// its keys anew when it is needed, and gives everything else to others of its owner.
//
//	working ─ Rest, and nothing pends ─▶ resting ─ any input ─▶ working
//
// [XTMP-LIM-011] bounds what a connection holds; chapter 10.4 of the definition
// lists what must survive, which is what stays in Session and Path.

// work is what a session needs only while it works.
type work struct {
	waiting  lane          // messages for which there is no path
	queued   int           // bytes of the bodies of messages in lanes that are not sealed
	kept     int           // bytes of the bodies of reliable messages that were sealed and are not acked
	blocked  bool          // a push was refused
	latest   time.Duration // the last reading of the clock
	stranded bool          // a kept message may be on a path that is suspect or closed

	rerouted map[uint64]PathID // server: where the newest copy of an unanswered request came, if not where the first did

	partials []*partial // incomplete messages, at most four; nil if none
	held     []request  // delivered later, once replies have gone; nil if none
	events   []Event    // for NextEvent

	ring ring // of the window of own mids

	requests     int // server: delivered or refused, their reply not sealed
	requestBytes int // server: of their bodies
	retained     int // server: bytes that the application, or the session, keeps

	handshake    *handshake // until established
	knock        []byte     // server: a first frame that is sealed, for another session
	behind       []byte     // what came with it
	delayed      *delayed   // server: a first frame that waits for its turn, and when it came
	rekey        *rekey     // under way, else nil
	askRekey     bool       // server: REKEY_REQUEST goes out
	closingSince time.Duration

	exercise  wire.MessageType // extension type that is to go out, 0 for none
	receiving bool             // inside an input
	err       error            // why the session ended
}

// Rest gives up what the session needs only while it works, unless something
// pends; then it reports false. Resting changes nothing that a peer could see.
func (s *Session) Rest() bool {
	if !s.resting() && s.pends() {
		return false
	}
	for _, p := range s.paths {
		if p == nil || p.pathWork == nil {
			continue
		}
		p.keys.send.Drop()
		p.keys.recv.Drop()
		if p.kind == UDP {
			p.udp.rest(s.cfg.Buffers)
		}
		s.cfg.Buffers.releasePath(p.pathWork)
		p.pathWork = nil
	}
	if s.work != nil {
		s.cfg.Buffers.releaseWork(s.work)
		s.work = nil
	}
	if s.calls != nil {
		s.calls.unanswered = nil
	}
	return true
}

// resting reports whether the session rests.
func (s *Session) resting() bool { return s.work == nil }

// pends reports whether something would be lost by resting.
func (s *Session) pends() bool {
	switch {
	case s.state == Idle: // it was never opened
		return false
	case s.state != Established || s.rekey != nil || s.askRekey || s.exercise != 0 || s.blocked:
		return true
	case !s.quiet() || len(s.events) > 0 || len(s.held) > 0 || s.retained != 0:
		return true
	}
	for _, p := range s.paths {
		if p != nil && (p.state >= PathDrain || len(p.raw) > 0 || p.incomplete() || p.ackCount > 0 ||
			p.answerLen != [2]uint8{} || p.pingWanted || p.pending != nil || p.attached && p.state == PathOpen ||
			p.switchBy != 0 || p.kind == UDP && p.udp.pends(s.latest)) {
			return true
		}
	}
	return false
}

// rise ends the rest, before anything is done.
func (s *Session) rise() {
	if s.work != nil {
		return
	}
	s.work = s.cfg.Buffers.work()
	for _, p := range s.paths {
		if p == nil {
			continue
		}
		p.pathWork = s.cfg.Buffers.pathWork()
		if p.kind == UDP {
			p.udp.rise(s.cfg.Buffers)
		}
		own, peer := s.pathSecrets(p, &s.root)
		p.keys.send.Wake(s.suite, &own)
		p.keys.recv.Wake(s.suite, &peer)
	}
}
