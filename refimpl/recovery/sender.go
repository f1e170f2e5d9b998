package recovery

import (
	"errors"
	"time"

	"github.com/bpci/xtmp/refimpl/wire"
)

// Violations by an Ack. [XTMP-ACK-004] [XTMP-ACK-027]
var (
	ErrNotSent = errors.New("Ack of a frame that was not sent")
	ErrLeftOut = errors.New("Ack of a sequence number that was left out")
)

// Frame is a frame under a path key that was handed to the network.
type Frame[T any] struct {
	Sequence  uint64
	Size      int  // bytes of its datagram
	Eliciting bool // ack-eliciting: not an Ack, a Heartbeat, a Disconnect or an unsolicited Error
	Reliable  bool // it carries a message with a mid, or a fragment of one
	Exempt    bool // from the limit on a path without an RTT sample: PATH_CHALLENGE, PATH_RESPONSE, Ack
	Item      T    // what it carries, if Reliable
}

// Quality is what is known of a path.
type Quality struct {
	Latest, Smoothed, Variation, Least time.Duration // round trips; 0: no sample
	PTO                                time.Duration // without doubling
	ConsecutivePTO                     int           // expiries since an Ack covered a new frame
	Window, InFlight                   int           // bytes

	Acked     uint64 // ack-eliciting frames acknowledged, late ones included
	Lost      uint64 // ack-eliciting frames taken for lost
	Late      uint64 // of them, acknowledged after all
	Delivered uint64 // bytes of the datagrams of Acked
}

// Sender is the sending end of a path. NewSender makes one.
type Sender[T any] struct {
	Numbers
	rtt rtt
	cc  congestion
	q   *Flight[T] // nil at rest

	ackedTo    uint64 // highest sequence number acknowledged + 1
	sampleFrom uint64 // numbers below give no sample: the path was another

	elicitedAt time.Duration // when the last ack-eliciting frame was sent
	ackAt      time.Duration // when the last Ack came
	trickleAt  time.Duration // when another datagram may go without a sample
	resumedAt  time.Duration // when the suspicion ended

	lostFrom time.Duration // when the first frame of an unbroken run of losses was sent
	lostRun  bool
	suspect  bool
	expired  uint8 // consecutive expiries of PTO

	acked, lost, late, delivered uint64
}

// NewSender returns a Sender of a path whose datagrams have at most datagram bytes.
func NewSender[T any](datagram int) Sender[T] {
	return Sender[T]{cc: newCongestion(datagram)}
}

// NextSend returns when an ack-eliciting frame in a datagram of size bytes may be
// sent; false if that depends on something else than time: an Ack, or a timeout.
// [XTMP-REC-010] [XTMP-REC-011] [XTMP-REC-018] [XTMP-REC-019]
func (s *Sender[T]) NextSend(now time.Duration, size int) (time.Duration, bool) {
	if s.cc.inFlight+size > s.cc.window || s.q != nil && s.q.n >= sentMax {
		return 0, false
	}
	at := s.cc.paced(now, s.rtt.smoothed, size)
	if !s.rtt.known() {
		at = max(at, s.trickleAt)
	}
	return at, true
}

// CanSend reports whether an ack-eliciting frame in a datagram of size bytes may
// be sent now. The frames of an expired PTO do not ask.
func (s *Sender[T]) CanSend(now time.Duration, size int) bool {
	at, ok := s.NextSend(now, size)
	return ok && at <= now
}

// CanSendOther reports whether a frame may be sent now that is neither ack-eliciting
// nor exempt. [XTMP-REC-010] [XTMP-REC-020]
func (s *Sender[T]) CanSendOther(now time.Duration) bool {
	return s.rtt.known() || now >= s.trickleAt
}

// Sent notes a frame, in the order of sequence numbers.
func (s *Sender[T]) Sent(now time.Duration, f Frame[T]) {
	if !f.Exempt {
		s.trickleAt = now + trickle
	}
	if !f.Eliciting && (s.q == nil || s.q.n == 0 || s.q.n >= sentMax) {
		return // its Ack says nothing: no older frame is open
	}
	s.wake()
	if f.Eliciting {
		s.elicitedAt = now
		s.cc.spend(now, s.rtt.smoothed, f.Size)
	}
	s.q.push(sent[T]{
		seq: f.Sequence, at: now, size: int32(f.Size), eliciting: f.Eliciting, reliable: f.Eliciting && f.Reliable, item: f.Item,
	})
}

// Ack takes in an Ack of the peer, which may be older than another. It returns
// the items of reliable frames that are newly acknowledged, among them such as
// were lost before, and those of reliable frames that are lost now; both are
// valid until the next input. ErrNotSent and ErrLeftOut are violations, and
// nothing has changed then. [XTMP-ACK-030]
func (s *Sender[T]) Ack(now time.Duration, a *wire.Ack) (acked, lost []T, err error) {
	ranges := a.Ranges()
	largest := ranges[0].High
	if largest >= s.next { // [XTMP-ACK-004]
		return nil, nil, ErrNotSent
	}
	for _, r := range ranges {
		if s.hole(r.Low, r.High) { // [XTMP-ACK-027]
			return nil, nil, ErrLeftOut
		}
	}
	s.wake()
	s.ackAt = now
	s.clearItems()
	used := s.cc.used()
	n := s.cover(ranges)
	if s.lateAcks(now, ranges, &n); n.eliciting {
		s.expired = 0                             // [XTMP-REC-008]
		if n.largest && largest >= s.sampleFrom { // [XTMP-REC-001]
			s.rtt.sample(now-n.largestAt, time.Duration(a.DelayUS)*time.Microsecond)
		}
	}
	s.ackedTo = max(s.ackedTo, largest+1)
	if halved := s.detect(now); !halved && used {
		s.cc.grow(n.bytes)
	}
	return s.q.ackedItems, s.q.lostItems, nil
}

// news is what an Ack says that was not known.
type news struct {
	eliciting bool          // it covers an ack-eliciting frame
	largest   bool          // it covers its largest
	largestAt time.Duration // when that was sent
	bytes     int           // of frames sent after the last halving
}

// cover settles the frames that ranges cover.
func (s *Sender[T]) cover(ranges []wire.AckRange) (n news) {
	for i, r := range ranges {
		if s.q.n == 0 || r.High < s.q.at(0).seq {
			break
		}
		for at := s.q.search(r.Low); at < s.q.n; at++ {
			f := s.q.at(at)
			if f.seq > r.High {
				break
			}
			if f.done {
				continue
			}
			if i == 0 && f.seq == r.High {
				n.largest, n.largestAt = true, f.at
			}
			s.q.settle(f, true)
			if !f.eliciting {
				continue
			}
			n.eliciting = true
			s.cc.inFlight -= int(f.size)
			if f.seq >= s.cc.recovery {
				n.bytes += int(f.size)
			}
			s.acked++
			s.delivered += uint64(f.size)
			if f.reliable {
				s.q.ackedItems = append(s.q.ackedItems, f.item)
			}
		}
	}
	return n
}

// lateAcks finds lost frames that ranges cover, and forgets those that are too old.
func (s *Sender[T]) lateAcks(now time.Duration, ranges []wire.AckRange, n *news) {
	kept := s.q.lost[:0]
	for _, f := range s.q.lost {
		switch {
		case covers(ranges, f.seq):
			n.eliciting, s.lostRun = true, false
			if f.seq == ranges[0].High {
				n.largest, n.largestAt = true, f.at
			}
			s.acked++
			s.late++
			if f.reliable {
				s.q.ackedItems = append(s.q.ackedItems, f.item)
			}
		case now < f.until:
			kept = append(kept, f)
		}
	}
	s.q.lost = kept
}

// covers reports whether seq is in ranges, which go down.
func covers(ranges []wire.AckRange, seq uint64) bool {
	low, high := 0, len(ranges) // the first range that begins at seq or below
	for low < high {
		if middle := (low + high) / 2; ranges[middle].Low > seq {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low < len(ranges) && seq <= ranges[low].High
}

// Sample takes a round trip that a PONG, a PATH_RESPONSE, the handshake or Attach
// gives; it counts only if the path has no sample.
func (s *Sender[T]) Sample(took time.Duration) {
	if !s.rtt.known() {
		s.rtt.sample(took, 0)
	}
}

// PTO returns the probe timeout without doubling. Without a sample it is that of
// RFC 9002 for a round trip of 333 ms.
func (s *Sender[T]) PTO() time.Duration { return s.rtt.pto() }

// Restart begins RTT and congestion state anew, for another address of the peer.
// Frames in flight were sent elsewhere: their Acks and losses count for their
// items alone. [XTMP-UDP-115]
func (s *Sender[T]) Restart() {
	s.rtt = rtt{}
	s.cc = newCongestion(s.cc.datagram)
	s.cc.recovery, s.sampleFrom = s.next, s.next
	s.expired, s.lostRun, s.trickleAt = 0, false, 0
	if s.q != nil {
		for i := range s.q.n {
			s.q.at(i).size = 0
		}
	}
}

// Quality returns what is known of the path.
func (s *Sender[T]) Quality() Quality {
	return Quality{
		Latest: s.rtt.latest, Smoothed: s.rtt.smoothed, Variation: s.rtt.variation, Least: s.rtt.least,
		PTO: s.rtt.pto(), ConsecutivePTO: int(s.expired), Window: s.cc.window, InFlight: s.cc.inFlight,
		Acked: s.acked, Lost: s.lost, Late: s.late, Delivered: s.delivered,
	}
}

// Idle reports whether the path may rest: no frame is in flight.
func (s *Sender[T]) Idle() bool { return s.q == nil || s.q.open == 0 }

// Rest gives up the memory; s is idle, and what the last input returned is no
// longer used. Lost frames are forgotten. It returns nil if there was none.
func (s *Sender[T]) Rest() *Flight[T] {
	q := s.q
	s.q = nil
	if q != nil {
		q.reset()
	}
	return q
}

// Use takes q, of whatever content, as the memory to work with; s is new or at rest.
func (s *Sender[T]) Use(q *Flight[T]) {
	q.reset()
	s.q = q
}

func (s *Sender[T]) wake() {
	if s.q == nil {
		s.Use(new(Flight[T]))
	}
}

func (s *Sender[T]) clearItems() {
	s.q.ackedItems, s.q.lostItems = s.q.ackedItems[:0], s.q.lostItems[:0]
}
