package tcp

import (
	"slices"

	"github.com/bpci/xtmp/netsim/vtime"
)

// receiver is the incoming half.
type receiver struct {
	cfg      *Config
	begun    bool
	next     uint32 // the next that is missing
	ready    pipe   // in order, not read
	early    []early
	finished bool // the FIN has come, and all before it
	deaf     bool // nobody will read
	told     uint32

	ackNow  bool
	ackDue  vtime.Time
	pending int // segments since the last acknowledgement
}

// early is data behind a hole. Pieces are sorted and may overlap.
type early struct {
	seq  uint32
	data []byte
	fin  bool
}

func (r *receiver) init(cfg *Config) { r.cfg, r.ackDue = cfg, vtime.Never }

func (r *receiver) begin(seq uint32) { r.begun, r.next, r.told = true, seq, seq }

// window returns how much more may be sent to us, and never takes back what was
// told.
func (r *receiver) window() uint32 {
	if !r.begun {
		return uint32(r.cfg.ReceiveBuffer) / windowUnit * windowUnit
	}
	free := max(r.cfg.ReceiveBuffer-r.ready.len(), 0)
	if told := int(r.told - r.next); free < told+min(r.cfg.SegmentSize, r.cfg.ReceiveBuffer/2) {
		free = max(told, 0) // no silly windows
	}
	w := min(uint32(free)/windowUnit, 0xffff) * windowUnit
	if before(r.told, r.next+w) {
		r.told = r.next + w
	}
	return w
}

func (r *receiver) read(b []byte) int {
	n := copy(b, r.ready.held)
	left := int(r.told - r.next)
	r.ready.drop(n)
	// A window that was shut, or nearly, is worth an acknowledgement.
	if n > 0 && !r.finished && left < 2*r.cfg.SegmentSize &&
		r.cfg.ReceiveBuffer-r.ready.len() >= left+min(r.cfg.SegmentSize, r.cfg.ReceiveBuffer/2) {
		r.ackNow = true
	}
	return n
}

// data takes what a segment brings, which may be old, early or both.
func (r *receiver) data(now vtime.Time, seq uint32, data []byte, fin bool) {
	if len(data) == 0 && !fin {
		return
	}
	limit := r.told
	if over := int32(seq + uint32(len(data)) - limit); over > 0 {
		data, fin = data[:max(len(data)-int(over), 0)], false
		r.ackNow = true
	}
	switch {
	case before(r.next, seq):
		r.ackNow = true // a duplicate, which tells of the hole
		r.keep(early{seq, slices.Clone(data), fin})
		return
	case before(seq+uint32(len(data)), r.next) || r.finished:
		r.ackNow = true
		return
	}
	old := r.next
	r.take(seq, data, fin)
	filled := len(r.early) > 0
	for len(r.early) > 0 && !before(r.next, r.early[0].seq) {
		e := r.early[0]
		r.early = r.early[1:]
		r.take(e.seq, e.data, e.fin)
	}
	r.pending++
	if filled || r.finished || r.pending >= 2 || r.next == old {
		r.ackNow = true
	} else if r.ackDue == vtime.Never {
		r.ackDue = now + r.cfg.DelayedAck
	}
}

// take adds what begins at or before next.
func (r *receiver) take(seq uint32, data []byte, fin bool) {
	known := r.next - seq
	if r.finished || known > uint32(len(data)) {
		return
	}
	r.ready.append(data[known:])
	r.next = seq + uint32(len(data))
	if fin {
		r.next++
		r.finished = true
	}
}

// keep inserts an early piece.
func (r *receiver) keep(e early) {
	if len(e.data) == 0 && !e.fin {
		return
	}
	i := len(r.early)
	for i > 0 && before(e.seq, r.early[i-1].seq) {
		i--
	}
	if i > 0 && r.early[i-1].seq == e.seq && len(r.early[i-1].data) >= len(e.data) && (r.early[i-1].fin || !e.fin) {
		return
	}
	r.early = slices.Insert(r.early, i, e)
}

func (r *receiver) acknowledged() {
	r.ackNow, r.ackDue, r.pending = false, vtime.Never, 0
}

// Receive takes a segment in.
func (c *Conn) Receive(now vtime.Time, s *Segment) {
	switch c.state {
	case Ended:
		return
	case SynSent:
		c.receiveSynSent(now, s)
		return
	default:
	}
	if s.Flags&RST != 0 {
		// A reset counts only at the next number: others may be forged or old.
		if s.Seq == c.recv.next {
			c.end(c.resetError())
		} else if !before(s.Seq, c.recv.next) && before(s.Seq, c.recv.told) {
			c.recv.ackNow = true
		}
		return
	}
	if s.Flags&SYN != 0 {
		if c.state == SynReceived && s.Seq+1 == c.recv.next {
			c.send.next = c.send.una // our answer was lost
		} else {
			c.recv.ackNow = true
		}
		return
	}
	if s.Flags&ACK == 0 {
		return
	}
	if before(c.send.top, s.Ack) { // of something that was never sent
		if c.state == SynReceived {
			c.say(Segment{Seq: s.Ack, Flags: RST})
		} else {
			c.recv.ackNow = true
		}
		return
	}
	pure := len(s.Data) == 0 && s.Flags&FIN == 0
	if !before(s.Seq, c.recv.next) || !pure {
		c.send.acknowledged(now, s.Ack, s.Window, pure)
	}
	c.moved(now)
	if c.state == Ended {
		return
	}
	c.take(now, s)
}

func (c *Conn) receiveSynSent(now vtime.Time, s *Segment) {
	answers := s.Flags&ACK != 0 && s.Ack == c.send.una+1
	switch {
	case s.Flags&RST != 0:
		if answers {
			c.end(ErrRefused)
		}
	case s.Flags&(SYN|ACK) == SYN|ACK && answers:
		c.recv.begin(s.Seq + 1)
		c.recv.ackNow = true
		c.send.acknowledged(now, s.Ack, s.Window, false)
		c.established()
	case s.Flags&ACK != 0:
		c.say(Segment{Seq: s.Ack, Flags: RST}) // of an earlier connection
	}
}

func (c *Conn) resetError() error {
	switch c.state {
	case SynReceived:
		return ErrRefused
	case TimeWait:
		return nil
	default:
		return ErrReset
	}
}

func (c *Conn) established() {
	c.state = Established
	if c.send.fin {
		c.state = FinWait
	}
}

// moved moves the state after an acknowledgement.
func (c *Conn) moved(now vtime.Time) {
	if c.send.syn {
		return
	}
	if c.state == SynReceived {
		c.established()
	}
	closed := c.state == FinWait || c.state == LastAck
	if !closed || c.send.fin || c.send.buffer.len() > 0 {
		return
	}
	switch {
	case c.state == LastAck:
		c.end(nil)
	case c.recv.finished:
		c.state, c.due = TimeWait, now+c.cfg.TimeWait
	case c.recv.deaf && c.due == vtime.Never:
		c.due = now + c.cfg.OrphanWait
	}
}

// take takes the data of a segment in.
func (c *Conn) take(now vtime.Time, s *Segment) {
	if c.recv.deaf && len(s.Data) > 0 && before(c.recv.next, s.Seq+uint32(len(s.Data))) {
		c.reset()
		c.end(ErrAborted)
		return
	}
	had := c.recv.finished
	c.recv.data(now, s.Seq, s.Data, s.Flags&FIN != 0)
	if !c.recv.finished || had {
		if c.state == TimeWait && s.Flags&FIN != 0 {
			c.due = now + c.cfg.TimeWait
		}
		return
	}
	switch c.state {
	case Established:
		c.state = CloseWait
	case FinWait:
		c.moved(now)
	default:
	}
}
