package peer

import (
	"strings"
	"time"
)

// A Fault is one thing that the network does to datagrams of a UDP path.
type Fault struct {
	Inbound bool   // to those of the peer; else to ours
	Name    string // of the frame, or its beginning, such as "ClientHello 2 of 2"; "" for any
	Skip    int    // so many that fit pass before
	Times   int    // so many are hit; 0 means one, below 0 all
	Does    Effect
	Delay   time.Duration // of Delays
	Socket  int           // of Diverts
}

// An Effect is what becomes of a datagram.
type Effect int

// The effects.
const (
	Loses      Effect = iota // it does not arrive
	Duplicates               // it arrives twice
	Swaps                    // it arrives after the next one in its direction
	Delays                   // outbound only: it is sent later
	Diverts                  // outbound only: it is sent from another socket
)

// Impair says what the network does to a UDP path from now on. The first fault that
// fits a datagram acts. Without arguments it does nothing more.
func (c *Conn) Impair(faults ...Fault) {
	c.udp.network.faults = nil
	for _, f := range faults {
		if f.Times == 0 {
			f.Times = 1
		}
		c.udp.network.faults = append(c.udp.network.faults, &f)
	}
}

// A network is what lies between both ends.
type network struct {
	faults  []*Fault
	swapped func() error // ours, sent after the next
	held    []arrival    // the peer's: given out after the next
	ready   []arrival    // the peer's: given out before anything else
}

// meets returns the fault that a datagram meets, or nil.
func (n *network) meets(inbound bool, name string) *Fault {
	for _, f := range n.faults {
		if f.Inbound != inbound || !strings.HasPrefix(name, f.Name) || f.Times == 0 {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		f.Times--
		return f
	}
	return nil
}

// out sends a datagram of ours as the network has it.
func (n *network) out(name string, socket int, send func(label string, socket int) error) error {
	f := n.meets(false, name)
	if f != nil && f.Does == Swaps && n.swapped == nil {
		n.swapped = func() error { return send(name, socket) }
		return nil
	}
	var err error
	switch {
	case f == nil || f.Does == Swaps:
		err = send(name, socket)
	case f.Does == Loses:
		return nil
	case f.Does == Duplicates:
		if err = send(name, socket); err == nil {
			err = send(name+" (again)", socket)
		}
	case f.Does == Diverts:
		err = send(name, f.Socket)
	case f.Does == Delays:
		// What cannot be sent any more is as good as lost.
		time.AfterFunc(f.Delay, func() { _ = send(name, socket) })
	}
	if swapped := n.swapped; swapped != nil && err == nil {
		n.swapped = nil
		err = swapped()
	}
	return err
}

// in says whether a datagram of the peer does not get through now, and in a word why.
// What comes back from release gets through.
func (n *network) in(name string, a *arrival) (held bool, word string) {
	if a.released {
		return false, ""
	}
	f := n.meets(true, name)
	a.released = true
	if f == nil {
		n.ready = append(n.ready, n.held...)
		n.held = nil
		return false, ""
	}
	switch f.Does {
	case Loses:
		return true, "lost"
	case Duplicates:
		n.ready = append(n.ready, *a)
	case Swaps:
		n.held = append(n.held, *a)
		return true, "held back"
	case Delays, Diverts: // of ours alone
	}
	return false, ""
}

// release returns a datagram whose time has come.
func (n *network) release() (arrival, bool) {
	if len(n.ready) == 0 {
		return arrival{}, false
	}
	a := n.ready[0]
	n.ready = n.ready[1:]
	return a, true
}
