package session

import (
	"encoding/binary"
	"time"

	"github.com/bpci/xtmp/refimpl/wire"
)

// pinger counts the PINGs that this endpoint sends, on all paths together. A PING
// carries a token, 8 bytes, that counts up; a PONG answers its own token and all
// before.
type pinger struct {
	last uint64 // token of the last PING asked for
}

// Ping asks for a PING on the current path and returns its token, which EventPong
// will carry. It reports false where there is no session, or no path.
func (s *Session) Ping() (token uint64, ok bool) {
	if s.state != Established || s.here() == nil {
		return 0, false
	}
	s.rise()
	s.pingOn(s.here())
	return s.ping.last, true
}

// pingOn asks for a PING on p.
func (s *Session) pingOn(p *Path) {
	s.ping.last++
	p.pingWanted = true
}

// Payload of a PING, in bytes.
const (
	pingSize  = 9
	pingOnUDP = 64
)

func (s *Session) appendPing(now Now, p *Path, dst []byte) []byte {
	p.pingWanted = false
	var body [pingOnUDP]byte
	body[0] = byte(wire.Ping)
	binary.BigEndian.PutUint64(body[1:], s.ping.last)
	n := pingSize
	if p.kind == UDP { // [XTMP-UDP-101] [XTMP-UDP-102]
		n = pingOnUDP
	}
	return s.seal(now, p, dst, wire.TypeHeartbeat, 0, nil, body[:n])
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

// exerciseSize is the payload of such a frame, in bytes.
const exerciseSize = 8

// appendExercise sends it: eight bytes of nothing, without mid. [XTMP-TYP-004]
func (s *Session) appendExercise(now Now, p *Path, dst []byte) []byte {
	t := s.exercise
	s.exercise = 0
	return s.seal(now, p, dst, t, 0, nil, make([]byte, exerciseSize))
}

// receivePong reports an answer to one of our PINGs; a PONG that answers none
// has shown that the path lives, and that is all.
func (s *Session) receivePong(now Now, p *Path, data []byte) {
	if len(data) != pingSize-1 && len(data) != pingOnUDP-1 {
		return
	}
	token := binary.BigEndian.Uint64(data)
	if token == 0 || token > s.ping.last {
		return
	}
	if p.kind == UDP && p.probe.pinged != 0 && p.probe.count == 1 { // of several it could be any
		p.sample(now.Elapsed - p.probe.pinged)
	}
	p.probe.heard(p)
	s.event(Event{Kind: EventPong, Token: token})
}

// probe is how a client finds out whether a path still lives while a request is
// unanswered: a PING after 2 s of silence, an interval that doubles with each
// PONG up to 5 s, and a path that is suspect when 1 s after a PING nothing has
// come. [XTMP-HBT-020] [XTMP-HBT-021]
//
// On UDP the first PING comes after 3 PTO, at least 300 ms, and two more follow, a
// PTO apart, before the path is suspect. [XTMP-UDP-103] [XTMP-UDP-104]
type probe struct {
	interval time.Duration // 0: the first
	pinged   time.Duration // the PING that nothing has followed; 0: none
	count    int           // such PINGs
}

// resetProbes begins anew when a request is unanswered while none was.
func (s *Session) resetProbes() {
	for _, p := range s.paths {
		if p != nil && p.pathWork != nil {
			p.probe = probe{}
		}
	}
}

// at is when the next PING is due on p, where a request is unanswered since since.
func (b *probe) at(p *Path, since time.Duration) time.Duration {
	silent := max(p.receivedAt, since)
	switch {
	case b.pinged <= silent:
		return silent + max(b.interval, p.probeAfter())
	case p.kind == TCP: // a second one would say no more
		return b.pinged + max(b.interval, probeSilence)
	case b.count < probesOnUDP:
		return b.pinged + p.pto()
	default:
		return never
	}
}

// probesOnUDP is how many PINGs without an answer make a UDP path suspect.
const probesOnUDP = 3

// probeAfter is the silence after which a client probes.
func (p *Path) probeAfter() time.Duration {
	if p.kind == TCP {
		return probeSilence
	}
	return max(3*p.pto(), probeSilenceUDP)
}

// sent notes a PING on p.
func (b *probe) sent(now Now, p *Path) {
	if b.pinged <= p.receivedAt {
		b.count = 0
	}
	b.count++
	b.pinged = now.Elapsed
}

// heard notes a PONG.
func (b *probe) heard(p *Path) {
	if b.pinged != 0 {
		b.pinged = 0
		b.interval = min(2*max(b.interval, p.probeAfter()), probeSilenceMax)
	}
}

// unheeded is when a PING has gone without any frame for too long.
func (b *probe) unheeded(p *Path) time.Duration {
	switch {
	case b.pinged <= p.receivedAt:
		return never
	case p.kind == TCP:
		return b.pinged + probeAnswer
	case b.count >= probesOnUDP:
		return b.pinged + p.pto()
	default:
		return never
	}
}
