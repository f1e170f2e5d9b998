package recovery

import "time"

// Deadline returns when OnTimeout has something to do, false if it has nothing.
// Pacing is not in it: see NextSend.
func (s *Sender[T]) Deadline() (time.Duration, bool) {
	d := never
	if s.q != nil {
		d = min(s.q.lossAt, s.plainAt(), s.ptoAt())
	}
	return d, d != never
}

// plainAt is when the oldest frame without mid is lost. [XTMP-REC-009]
func (s *Sender[T]) plainAt() time.Duration {
	at := s.q.oldest(false)
	if at == never {
		return never
	}
	return at + persistentPTOs*s.rtt.pto()
}

// ptoAt is when PTO expires. Losses come first, and on a suspect path it rests.
func (s *Sender[T]) ptoAt() time.Duration {
	if s.q.reliable == 0 || s.suspect || s.q.lossAt != never {
		return never
	}
	at := s.elicitedAt + max(s.rtt.pto(), min(s.rtt.pto()<<min(s.expired, backoff), ptoMax)) // [XTMP-REC-008]
	if !s.rtt.known() {
		at = max(at, s.trickleAt) // [XTMP-REC-010]
	}
	return at
}

// OnTimeout does what is due at now. It returns the items of reliable frames that
// are lost, valid until the next input, and after an expiry of PTO how many frames,
// one or two, are to carry the oldest unacknowledged reliable messages again,
// without regard to CanSend. If there is no such message, call Abandon. [XTMP-REC-007]
func (s *Sender[T]) OnTimeout(now time.Duration) (lost []T, probes int) {
	if s.q == nil {
		return nil, 0
	}
	s.clearItems()
	expired := s.ptoAt() <= now
	if s.q.lossAt <= now {
		s.detect(now)
	}
	if s.plainAt() <= now {
		s.expirePlain(now)
	}
	if expired {
		s.expired = min(s.expired, expiredMax-1) + 1
		if probes = min(2, s.q.reliable); !s.rtt.known() {
			probes = min(1, probes)
		}
	}
	return s.q.lostItems, probes
}

// detect takes frames for lost that are 3 frames or a time below the highest one
// acknowledged, and reports whether the congestion window was halved.
func (s *Sender[T]) detect(now time.Duration) (halved bool) {
	s.q.lossAt = never
	if s.ackedTo == 0 {
		return false
	}
	top := s.ackedTo - 1
	below, ok := s.frameBelow(top)
	delay := s.rtt.lossDelay()
	for i := range s.q.n {
		f := s.q.at(i)
		if f.seq > top {
			break
		}
		switch {
		case !f.open():
			s.lostRun = s.lostRun && !(f.eliciting && f.acked)
		case ok && f.seq <= below, s.rtt.known() && now-f.at >= delay: // [XTMP-REC-003] [XTMP-REC-004]
			halved = s.lose(now, f) || halved
		default:
			if s.rtt.known() {
				s.q.lossAt = f.at + delay
			}
			s.q.trim()
			return halved
		}
	}
	s.q.trim()
	return halved
}

// expirePlain takes frames without mid for lost that are 3 PTO old. One with mid
// between them is not lost yet, and ends the run. [XTMP-REC-009]
func (s *Sender[T]) expirePlain(now time.Duration) {
	age := persistentPTOs * s.rtt.pto()
	between := false
	for i := range s.q.n {
		f := s.q.at(i)
		if now-f.at < age {
			break
		}
		switch {
		case f.open() && !f.reliable:
			s.lostRun = s.lostRun && !between
			s.lose(now, f)
			between = false
		case f.open() || f.eliciting && f.acked:
			between = true
		}
	}
	s.q.trim()
}

// lose takes a frame for lost. Frames come in the order in which they were sent,
// so a run of losses without an acknowledged frame between them can be seen.
func (s *Sender[T]) lose(now time.Duration, f *sent[T]) (halved bool) {
	pto := s.rtt.pto()
	s.q.settle(f, false)
	s.lost++
	s.cc.inFlight -= int(f.size)
	if f.reliable {
		s.q.lostItems = append(s.q.lostItems, f.item)
	}
	if len(s.q.lost) < lostMax {
		s.q.lost = append(s.q.lost, lost[T]{
			seq: f.seq, at: f.at, until: now + persistentPTOs*pto, reliable: f.reliable, item: f.item,
		})
	}
	if f.seq < s.sampleFrom {
		return false
	}
	halved = s.cc.loss(f.seq, s.next)
	if !s.lostRun {
		s.lostRun, s.lostFrom = true, f.at
	}
	if s.rtt.known() && f.at-s.lostFrom > persistentPTOs*pto { // [XTMP-REC-016]
		s.cc.collapse(s.next)
		s.lostRun = false
		s.rtt.least = s.rtt.latest // RFC 9002, 5.2
		return true
	}
	return halved
}

// Abandon forgets the reliable frames in flight after an expiry of PTO whose
// messages were all answered or acknowledged otherwise: nothing is to be sent
// again for them, and nothing makes the peer acknowledge them.
func (s *Sender[T]) Abandon() {
	if s.q == nil {
		return
	}
	for i := range s.q.n {
		if f := s.q.at(i); f.open() && f.reliable {
			s.q.settle(f, false)
			s.cc.inFlight -= int(f.size)
		}
	}
	s.q.trim()
}

// SetSuspect tells whether the path is suspect: PTO rests then.
func (s *Sender[T]) SetSuspect(now time.Duration, suspect bool) {
	if s.suspect && !suspect {
		s.resumedAt = now
	}
	s.suspect = suspect
}

// ConsecutivePTO returns how often PTO has expired since an Ack covered a new
// ack-eliciting frame. After three a path is suspect.
func (s *Sender[T]) ConsecutivePTO() int { return int(s.expired) }

// SuspectAt returns when the path becomes suspect because a reliable frame has
// been unacknowledged for T_SUSPECT and no Ack came in that time, counted anew when
// a suspicion ends; false if no such frame is in flight.
func (s *Sender[T]) SuspectAt() (time.Duration, bool) {
	if s.q == nil || s.suspect || s.q.reliable == 0 {
		return 0, false
	}
	return max(s.q.oldest(true), s.ackAt, s.resumedAt) + suspectTimeout, true
}
