package session

import (
	"encoding/binary"
	"time"

	"github.com/bpci/xtmp/refimpl/wire"
)

// pinger is the state of the PINGs that this endpoint sends. A PING carries a
// token, 8 bytes, that counts up; a PONG answers its own token and all before.
type pinger struct {
	last   uint64 // token of the last PING asked for
	wanted bool   // it has not been sealed
}

// Ping asks for a PING and returns its token, which EventPong will carry. It
// reports false where there is no session.
func (s *Session) Ping() (token uint64, ok bool) {
	if s.state != Established {
		return 0, false
	}
	s.rise()
	s.ping.last++
	s.ping.wanted = true
	return s.ping.last, true
}

func (s *Session) appendPing(now Now, p *Path, dst []byte) []byte {
	s.ping.wanted = false
	var body [9]byte
	body[0] = byte(wire.Ping)
	binary.BigEndian.PutUint64(body[1:], s.ping.last)
	return s.seal(now, p, dst, wire.TypeHeartbeat, 0, nil, body[:])
}

// maybeExercise decides at a heartbeat whether a frame of an extension type goes
// with it, which means nothing, so that peers which do not ignore it are found
// early: one in eight, and at most one a minute. [XTMP-TYP-002] [XTMP-TYP-003]
func (s *Session) maybeExercise(now Now) {
	var b [2]byte
	if s.exercised != 0 && now.Elapsed-s.exercised < exerciseEvery || s.draw(b[:]) != nil || b[0]%8 != 0 {
		return
	}
	s.exercise, s.exercised = 0x80+wire.MessageType(b[1])%0x70, max(now.Elapsed, 1)
}

// appendExercise sends it: eight bytes of nothing, without mid. [XTMP-TYP-004]
func (s *Session) appendExercise(now Now, p *Path, dst []byte) []byte {
	t := s.exercise
	s.exercise = 0
	return s.seal(now, p, dst, t, 0, nil, make([]byte, 8))
}

// receivePong reports an answer to one of our PINGs; a PONG that answers none
// has shown that the path lives, and that is all.
func (s *Session) receivePong(data []byte) {
	if len(data) != 8 {
		return
	}
	token := binary.BigEndian.Uint64(data)
	if token == 0 || token > s.ping.last {
		return
	}
	if s.calls != nil {
		s.calls.probe.heard()
	}
	s.event(Event{Kind: EventPong, Token: token})
}

// probe is how a client finds out whether a path still lives while a request is
// unanswered: a PING after 2 s of silence, an interval that doubles with each
// PONG up to 5 s, and a path that is suspect when 1 s after a PING nothing has
// come. [XTMP-HBT-020] [XTMP-HBT-021]
type probe struct {
	since    time.Duration // the first unanswered request
	interval time.Duration
	pinged   time.Duration // the PING that nothing has followed; 0: none
}

// at is when the next PING is due.
func (b *probe) at(p *Path) time.Duration {
	silent := max(p.receivedAt, b.since)
	if b.pinged > silent { // a second one would say no more
		return b.pinged + b.interval
	}
	return silent + b.interval
}

func (b *probe) sent(now Now) { b.pinged = now.Elapsed }

// heard notes a PONG.
func (b *probe) heard() {
	if b.pinged != 0 {
		b.pinged = 0
		b.interval = min(2*b.interval, probeSilenceMax)
	}
}

// unheeded reports whether a PING has gone without any frame for too long.
func (b *probe) unheeded(now Now, p *Path) bool {
	return b.pinged > p.receivedAt && now.Elapsed >= b.pinged+probeAnswer
}
