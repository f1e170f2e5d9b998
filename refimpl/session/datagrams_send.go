package session

import (
	"encoding/binary"
	"math/bits"
	"net/netip"

	"github.com/bpci/xtmp/refimpl/recovery"
	"github.com/bpci/xtmp/refimpl/wire"
)

// arrived notes that the peer has what a frame carried. [XTMP-ACK-031]
func (s *Session) arrived(c carried) {
	if !s.out.awaits(s.ring, c.mid) {
		return
	}
	m := s.ring.at(c.mid).kept
	switch {
	case c.whole:
		s.settle(c.mid, false)
	case m.count > 1 && c.sendings == m.sendings:
		if m.arrived |= 1 << c.index; bits.OnesCount64(m.arrived) == int(m.count) {
			s.settle(c.mid, false)
		}
	}
}

// again queues what lost frames carried. Whether it still has to be sent is seen
// when its turn comes. [XTMP-REC-005] [XTMP-UDP-090]
func (p *Path) again(lost []carried) { p.udp.resend = append(p.udp.resend, lost...) }

// unarrived returns what is to be sent again of c on p, nil if nothing is.
func (s *Session) unarrived(p *Path, c carried) *message {
	if !s.out.awaits(s.ring, c.mid) {
		return nil
	}
	m := s.ring.at(c.mid).kept
	switch {
	case m == nil || m.path != p.id || m.queued && c.index >= m.index: // it goes elsewhere, or its turn has not come
		return nil
	case m.count > 1 && (c.whole || c.sendings != m.sendings || m.arrived&(1<<c.index) != 0):
		return nil
	}
	return m
}

// nextAgain returns the oldest thing that is to be sent again.
func (s *Session) nextAgain(p *Path) (m *message, index uint16) {
	u := p.udp
	for len(u.resend) > 0 {
		if m := s.unarrived(p, u.resend[0]); m != nil {
			return m, u.resend[0].index
		}
		u.resend = u.resend[1:]
	}
	u.resend = nil
	return nil, 0
}

// probe returns what a frame of an expired PTO carries: the oldest reliable message
// that was sent on p and is not acknowledged, or the part of it that is not.
// [XTMP-REC-007]
func (s *Session) probeOf(p *Path, skip int) (*message, uint16) {
	for mid := s.out.done + 1; mid <= s.out.last; mid++ {
		m := s.ring.at(mid).kept
		if m == nil || m.path != p.id {
			continue
		}
		sealed := m.count
		if m.queued {
			sealed = m.index
		}
		for index := range sealed {
			if m.count > 1 && m.arrived&(1<<index) != 0 {
				continue
			}
			if skip == 0 {
				return m, index
			}
			skip--
		}
	}
	return nil, 0
}

// sealCarried seals fragment index of m on a UDP path, once more or for the first
// time, and notes what the frame carries.
func (s *Session) sealCarried(now Now, p *Path, dst []byte, m *message, index uint16) []byte {
	start := len(dst)
	p.keys.send.SkipTo(p.udp.send.Next(s.entropy64))
	dst, sequence := s.sealFragment(now, p, dst, m, index, s.stamp(now))
	p.udp.send.Sent(now.Elapsed, recovery.Frame[carried]{
		Sequence: sequence, Size: len(dst) - start, Eliciting: true, Reliable: m.mid != 0,
		Item: carried{mid: m.mid, index: index, sendings: m.sendings, whole: m.count == 1},
	})
	m.sentAt = now.Elapsed
	return dst
}

// entropy64 draws the places of left-out numbers. A source that fails makes them
// foreseeable, no more. [XTMP-UDP-074]
func (s *Session) entropy64() uint64 {
	var b [8]byte
	_ = s.draw(b[:])
	return binary.BigEndian.Uint64(b[:])
}

// frameSize is the size of the datagram for the next frame of m on p.
func (p *Path) frameSize(m *message) int {
	if m.size <= p.frameBody(m) {
		return wire.Overhead + wire.PrologueSize(m.flags) + m.size
	}
	return p.udp.size
}

// AppendDatagram appends the next datagram that path id has to send, and returns the
// address to which it goes; false if none may go now. Each is one frame.
// [XTMP-UDP-001]
func (s *Session) AppendDatagram(now Now, id PathID, dst []byte) (out []byte, to netip.AddrPort, ok bool) {
	if s.resting() {
		return dst, netip.AddrPort{}, false
	}
	s.latest = now.Elapsed
	p := s.paths[id]
	u := p.udp
	start := len(dst)
	if len(p.raw) > 0 {
		dst = p.takeDatagram(now, dst)
		return dst, p.destination(len(dst) - start), len(dst) > start
	}
	if !s.open() || p.closed() || !s.speaks(p) {
		return dst, netip.AddrPort{}, false
	}
	if u.challenge != nil {
		if dst, to = s.appendChallenge(now, p, dst); len(dst) > start {
			return dst, to, true
		}
	}
	dst = s.appendTurn(now, p, dst)
	if s.blocked && s.queued < pushBytes/2 && s.open() {
		s.blocked = false
		s.cfg.Application.Writable(now, s)
	}
	if len(s.held) > 0 {
		s.executeHeld(now)
	}
	return dst, p.destination(len(dst) - start), len(dst) > start
}

// turn is what goes out next on a UDP path.
type turn uint8

const (
	turnNone turn = iota
	turnResponse
	turnPong
	turnAck
	turnPing
	turnExercise
	turnAsk
	turnProbe
	turnAgain
	turnMessage
	turnGoodbye
)

// turnOf finds the most urgent frame that may go on p now: answers, Ack, PING, what an
// expired PTO asks for, what was lost, new messages.
func (s *Session) turnOf(p *Path) turn {
	u, room := p.udp, p.allowance()
	fits := func(body int) bool { return wire.Overhead+body <= room }
	other := func(body int) bool { return fits(body) && u.send.CanSendOther(s.latest) }
	switch n, q := int(p.answerLen[0]), s.next(p); {
	case s.role == Server && !p.attached && p.keys.send.Next() == 0 && q != nil && u.send.CanSend(s.latest, p.frameSize(q.head)):
		return turnMessage // HandshakeDone [XTMP-HSK-053]
	case p.answerLen[1] > 0 && fits(int(p.answerLen[1])):
		return turnResponse
	case n > 0 && other(n):
		return turnPong
	case s.datagramAckDue(p) && fits(wire.AckSizeMax):
		return turnAck
	case p.pingWanted && other(pingOnUDP):
		return turnPing
	case p.id != s.current:
	case s.exercise != 0 && fits(exerciseSize) && u.send.CanSend(s.latest, wire.Overhead+exerciseSize):
		return turnExercise
	case s.askRekey && fits(1):
		return turnAsk
	}
	if u.probes > 0 && u.size <= room {
		if m, _ := s.probeOf(p, 0); m != nil {
			return turnProbe
		}
	}
	may := func(size int) bool { return size <= room && u.send.CanSend(s.latest, size) }
	if m, _ := s.nextAgain(p); m != nil {
		if may(u.size) {
			return turnAgain
		}
		return turnNone
	}
	switch q := s.next(p); {
	case q != nil && may(p.frameSize(q.head)):
		return turnMessage
	case q == nil && s.state == Closing && s.quiet():
		return turnGoodbye
	default:
		return turnNone
	}
}

// appendTurn seals the frame whose turn it is.
func (s *Session) appendTurn(now Now, p *Path, dst []byte) []byte {
	u := p.udp
	switch t := s.turnOf(p); t {
	case turnResponse, turnPong:
		slot := 0
		if t == turnResponse {
			slot = 1
		}
		n := p.answerLen[slot]
		p.answerLen[slot] = 0
		return s.seal(now, p, dst, wire.TypeHeartbeat, 0, nil, p.answer[slot][:n])
	case turnAck:
		var body [wire.AckSizeMax]byte
		return s.seal(now, p, dst, wire.TypeAck, 0, nil, u.recv.AppendAck(body[:0], now.Elapsed))
	case turnPing:
		return s.appendPing(now, p, dst)
	case turnExercise:
		return s.appendExercise(now, p, dst)
	case turnAsk:
		s.askRekey = false
		return s.seal(now, p, dst, wire.TypeHeartbeat, 0, nil, []byte{byte(wire.RekeyRequest)})
	case turnProbe:
		u.probes--
		m, index := s.probeOf(p, u.probes)
		if m == nil {
			m, index = s.probeOf(p, 0)
		}
		return s.sealCarried(now, p, dst, m, index)
	case turnAgain:
		m, index := s.nextAgain(p)
		u.resend = u.resend[1:]
		return s.sealCarried(now, p, dst, m, index)
	case turnMessage:
		return s.appendMessage(now, p, dst, s.next(p))
	case turnGoodbye:
		s.disconnect(now, wire.NoError)
		return p.takeDatagram(now, dst)
	case turnNone:
	}
	return dst
}

// appendMessage seals the next frame of the first message of a queue.
func (s *Session) appendMessage(now Now, p *Path, dst []byte, q *queue) []byte {
	m := q.head
	if m.index == 0 {
		m.arrived = 0
		s.begin(now, p, m)
	}
	dst = s.sealCarried(now, p, dst, m, m.index)
	if s.state == Closed {
		return dst
	}
	size := min(m.size-int(m.index)*m.cut, m.cut)
	m.sealed += size
	m.index++
	s.queued -= size
	if m.index == m.count {
		q.pop()
		s.sent(now, p, m, 0)
	}
	return dst
}

// datagramAckDue reports whether an Ack goes out on p: by the rules of UDP, or
// because the session says goodbye.
func (s *Session) datagramAckDue(p *Path) bool {
	if s.state == Closing {
		_, some := p.udp.recv.Deadline()
		return some
	}
	return p.udp.recv.AckDue(s.latest)
}

// takeDatagram hands over the next frame that is ready, in its time. With the last
// of a path that is over the path is shut.
func (p *Path) takeDatagram(now Now, dst []byte) []byte {
	if now.Elapsed < p.udp.rawNext || len(p.raw) == 0 {
		return dst
	}
	var h wire.Header
	h.Decode(p.raw)
	n := wire.Overhead + int(h.PayloadLength)
	dst = append(dst, p.raw[:n]...)
	if p.raw = p.raw[n:]; len(p.raw) == 0 {
		p.raw = nil
		if p.state == PathDrain {
			p.shut()
		}
	}
	if p.udp.rawGap > 0 {
		p.udp.rawNext = now.Elapsed + p.udp.rawGap
	}
	return dst
}

// hasDatagram reports whether AppendDatagram would append something.
func (s *Session) hasDatagram(p *Path) bool {
	u := p.udp
	switch {
	case len(p.raw) > 0:
		return s.latest >= u.rawNext
	case !s.open() || p.closed() || !s.speaks(p):
		return false
	case u.challenge != nil && u.challenge.unsent():
		return true
	default:
		return s.turnOf(p) != turnNone
	}
}

// wantsToSend returns the size of the next datagram that congestion control has to
// allow.
func (s *Session) wantsToSend(p *Path) (size int, some bool) {
	if m, _ := s.nextAgain(p); m != nil {
		return p.udp.size, true
	}
	if q := s.next(p); q != nil {
		return p.frameSize(q.head), true
	}
	return 0, false
}
