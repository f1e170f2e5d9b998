package tcp

import (
	"github.com/bpci/xtmp/netsim/vtime"
)

// sender is the outgoing half: the SYN, a buffer and the FIN lie one behind the
// other in the sequence space, at una.
type sender struct {
	cfg    *Config
	una    uint32 // the first that is not acknowledged
	next   uint32 // the next to send
	top    uint32 // behind all that was ever sent
	syn    bool   // the SYN is not acknowledged and lies at una
	fin    bool   // a FIN lies behind the buffer
	edge   uint32 // behind what the peer allows to be sent; it never goes back
	probe  bool   // one byte may be sent into a closed window
	buffer pipe   // not acknowledged, behind the SYN

	rto        rto
	congestion congestion

	resend bool   // the segment at una is to be sent again, alone
	timing bool   // a round trip is being measured …
	timed  uint32 // … of the segment that ends here …
	timedA vtime.Time
}

func (s *sender) init(cfg *Config, isn uint32) {
	s.cfg = cfg
	s.una, s.next, s.top, s.edge = isn, isn, isn, isn
	s.syn = true
	s.rto = rto{value: cfg.InitialRTO, due: vtime.Never}
	s.congestion = congestion{mss: cfg.SegmentSize, cwnd: cfg.InitialCwnd * cfg.SegmentSize, threshold: 1 << 30}
}

func (s *sender) write(b []byte, limit int) int {
	n := max(min(len(b), limit-s.buffer.len()), 0)
	s.buffer.append(b[:n])
	return n
}

// end returns the number behind all that is to be sent.
func (s *sender) end() uint32 {
	e := s.una + uint32(s.buffer.len())
	if s.syn {
		e++
	}
	if s.fin {
		e++
	}
	return e
}

// probing says whether the timer runs because of a closed window.
func (s *sender) probing() bool { return !s.syn && s.edge == s.una }

// timedOut makes the sender start again from una, by one segment.
func (s *sender) timedOut() {
	if s.probing() {
		s.probe = true
		return
	}
	s.congestion.timeout(int(s.top-s.una), s.top)
	s.next = s.una
	s.resend, s.timing = false, false
}

// segment returns the next one that may be sent.
func (s *sender) segment(state State, now vtime.Time) (Segment, bool) {
	switch {
	case s.syn && s.next != s.una:
		return Segment{}, false
	case s.syn:
		s.sent(now, s.una+1)
		return Segment{Seq: s.una, Flags: SYN}, true
	case s.resend:
		s.resend, s.timing = false, false
		return s.slice(s.una, s.cfg.SegmentSize), true
	case state < Established:
		return Segment{}, false
	}
	flight := int(s.next - s.una)
	room := min(int(s.edge-s.una), s.congestion.cwnd) - flight
	probe := s.probe
	if probe { // the one before was lost, or not taken
		s.probe, s.next = false, s.una
		flight, room = 0, 1
	}
	left := int(s.end() - s.next)
	if left == 0 || room <= 0 {
		s.persist(now, left, flight)
		return Segment{}, false
	}
	size := min(room, s.cfg.SegmentSize)
	if size < min(left, s.cfg.SegmentSize) && flight > 0 {
		return Segment{}, false // no silly windows
	}
	seg := s.slice(s.next, size)
	s.sent(now, s.next+seg.length())
	s.timing = s.timing && !probe // it is answered when somebody reads
	return seg, true
}

// persist arms the timer when a closed window holds everything back.
func (s *sender) persist(now vtime.Time, left, flight int) {
	if left > 0 && flight == 0 && s.rto.due == vtime.Never {
		s.rto.arm(now)
	}
}

// slice returns at most size bytes at seq, with the FIN if it follows.
func (s *sender) slice(seq uint32, size int) Segment {
	from := min(int(seq-s.una), s.buffer.len())
	to := min(from+size, s.buffer.len())
	seg := Segment{Seq: seq, Data: s.buffer.held[from:to]}
	if to > from {
		seg.Flags |= PSH
	}
	if s.fin && to == s.buffer.len() && to-from < max(size, 1) {
		seg.Flags |= FIN
	}
	return seg
}

// sent notes that all before next is sent.
func (s *sender) sent(now vtime.Time, next uint32) {
	if s.rto.due == vtime.Never {
		s.rto.arm(now)
	}
	if before(s.top, next) {
		if !s.timing && s.next == s.top {
			s.timing, s.timed, s.timedA = true, next, now
		}
		s.top = next
	}
	s.next = next
}

// acknowledged takes an acknowledgement in; pure says that the segment had no
// data, so that it can be a sign of loss.
func (s *sender) acknowledged(now vtime.Time, ack, window uint32, pure bool) {
	if before(s.top, ack) || before(ack, s.una) {
		return
	}
	shut, moved := s.probing(), before(s.edge, ack+window)
	if moved {
		s.edge = ack + window
	}
	switch {
	case ack != s.una:
		s.progress(now, ack)
	case shut && moved:
		s.next = s.una // what probed the closed window was not taken
		s.rto.rest()
	case shut:
		s.rto.silent = 0 // the peer lives
	case pure && !moved && s.una != s.top && s.congestion.duplicate(s.una, s.top):
		s.resend, s.timing = true, false
	}
}

// progress drops what is acknowledged.
func (s *sender) progress(now vtime.Time, ack uint32) {
	n := int(ack - s.una)
	if s.syn {
		s.syn = false
		n--
	}
	if n > s.buffer.len() { // the FIN
		s.fin, n = false, s.buffer.len()
	}
	s.buffer.drop(n)
	s.una = ack
	if before(s.edge, ack) {
		s.edge = ack // by a probe that was taken
	}
	if before(s.next, ack) {
		s.next = ack
	}
	if s.timing && !before(ack, s.timed) {
		s.timing = false
		s.rto.measured(s.cfg, now-s.timedA)
	}
	s.resend = s.congestion.progress(n, ack)
	s.rto.rest()
	if s.una != s.top {
		s.rto.arm(now)
	}
}
