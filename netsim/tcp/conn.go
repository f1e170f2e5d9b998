package tcp

import (
	"github.com/bpci/xtmp/netsim/vtime"
)

// State is how far a connection is.
type State uint8

// The states of RFC 9293. FinWait1, FinWait2 and Closing are told apart by what
// is acknowledged and what has come.
const (
	SynSent     State = iota // we dialled
	SynReceived              // we answered a SYN
	Established              // both may send
	FinWait                  // we have closed: our FIN is sent or waits behind data
	CloseWait                // the peer has closed
	LastAck                  // both have; our FIN is not acknowledged
	TimeWait                 // both have; a lost last ACK can be repeated
	Ended                    // nothing will happen any more
)

var stateWords = [...]string{"SynSent", "SynReceived", "Established", "FinWait", "CloseWait", "LastAck", "TimeWait", "Ended"}

func (s State) String() string { return stateWords[s] }

// Conn is one end of a connection. It has one owner, who after every call drains
// Next and asks Deadline.
type Conn struct {
	cfg   Config
	state State
	err   error
	due   vtime.Time // of the state: TimeWait, or FinWait of a closed end

	send sender
	recv receiver

	controls [2]Segment // to be sent before anything else
	control  int
}

// Dial begins a connection. The configuration has its defaults.
func Dial(cfg Config, isn uint32) *Conn {
	c := &Conn{cfg: cfg, state: SynSent, due: vtime.Never}
	c.send.init(&c.cfg, isn)
	c.recv.init(&c.cfg)
	return c
}

// Accept answers a SYN.
func Accept(cfg Config, isn uint32, syn *Segment) *Conn {
	c := &Conn{cfg: cfg, state: SynReceived, due: vtime.Never}
	c.send.init(&c.cfg, isn)
	c.recv.init(&c.cfg)
	c.recv.begin(syn.Seq + 1)
	c.send.edge = isn + 1 + syn.Window
	return c
}

// State returns the state.
func (c *Conn) State() State { return c.state }

// Err returns why the connection Ended; nil if both ends had closed it.
func (c *Conn) Err() error { return c.err }

// Connected says whether the handshake is done.
func (c *Conn) Connected() bool { return c.state >= Established && c.err == nil }

// Write takes as much of b as the send buffer holds. A connection that is closing
// takes nothing.
func (c *Conn) Write(b []byte) int {
	if c.state > CloseWait || c.state == FinWait || c.send.fin {
		return 0
	}
	return c.send.write(b, c.cfg.SendBuffer)
}

// Space returns how much Write would take.
func (c *Conn) Space() int { return c.cfg.SendBuffer - c.send.buffer.len() }

// Unacknowledged returns how much of what was written is not known to have arrived.
func (c *Conn) Unacknowledged() int { return c.send.buffer.len() }

// Read takes received bytes.
func (c *Conn) Read(b []byte) int { return c.recv.read(b) }

// Buffered returns how much Read would give.
func (c *Conn) Buffered() int { return c.recv.ready.len() }

// PeerClosed says whether the peer will send nothing after what is buffered.
func (c *Conn) PeerClosed() bool { return c.recv.finished }

// CloseWrite says that nothing more will be written. The peer may go on.
func (c *Conn) CloseWrite() {
	if c.send.fin || c.state == FinWait || c.state >= LastAck {
		return
	}
	c.send.fin = true
	switch c.state {
	case Established:
		c.state = FinWait
	case CloseWait:
		c.state = LastAck
	default: // from SynSent and SynReceived when they are over
	}
}

// Close closes both directions. What was received and not read is lost, which
// the peer learns by a reset, as on Linux; so it does of what it sends from now on.
func (c *Conn) Close(now vtime.Time) {
	if c.state == SynSent || c.Buffered() > 0 {
		c.Abort()
		return
	}
	c.CloseWrite()
	c.recv.deaf = true
	c.moved(now)
}

// Abort ends the connection with a reset.
func (c *Conn) Abort() {
	if c.state != Ended && c.state != TimeWait && c.state != SynSent {
		c.reset()
	}
	c.end(ErrAborted)
}

// reset plans an RST.
func (c *Conn) reset() {
	c.say(Segment{Seq: c.send.top, Ack: c.recv.next, Flags: RST | ACK})
}

// say plans a segment without data; one too many is as good as lost.
func (c *Conn) say(s Segment) {
	if c.control < len(c.controls) {
		c.controls[c.control] = s
		c.control++
	}
}

func (c *Conn) end(err error) {
	if c.state != Ended {
		c.state, c.err = Ended, err
		c.send.rto.due, c.recv.ackDue, c.due = vtime.Never, vtime.Never, vtime.Never
		c.recv.ackNow = false
	}
}

// Deadline returns when Advance has something to do, or Never.
func (c *Conn) Deadline() vtime.Time {
	return min(c.due, c.send.rto.due, c.recv.ackDue)
}

// Advance does what is due.
func (c *Conn) Advance(now vtime.Time) {
	if now >= c.due {
		c.end(nil)
		return
	}
	if now >= c.recv.ackDue {
		c.recv.ackNow = true
	}
	if now < c.send.rto.due {
		return
	}
	limit := c.cfg.Retries
	if c.state <= SynReceived {
		limit = c.cfg.SynRetries
	}
	if c.send.rto.expired(&c.cfg, now) > limit {
		c.end(ErrTimeout)
		return
	}
	c.send.timedOut()
}

// Next returns the next segment to send, without ports; false if there is none.
// Its data is valid until the next call of any method.
func (c *Conn) Next(now vtime.Time) (Segment, bool) {
	if c.control > 0 {
		s := c.controls[0]
		c.control--
		c.controls[0] = c.controls[1]
		return s, true
	}
	if c.state == Ended {
		return Segment{}, false
	}
	s, ok := c.send.segment(c.state, now)
	if !ok && !c.recv.ackNow {
		return Segment{}, false
	}
	if !ok {
		s = Segment{Seq: c.send.top}
	}
	if c.state != SynSent {
		s.Flags |= ACK
		s.Ack = c.recv.next
		c.recv.acknowledged()
	}
	s.Window = c.recv.window()
	return s, true
}
