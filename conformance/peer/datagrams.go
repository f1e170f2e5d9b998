package peer

import (
	"fmt"
	"net"
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/vectors/testkit"
)

// sockets are the local ends of a UDP path, one for each address and port from which
// it has spoken. What arrives at any of them is read in the order of arrival.
type sockets struct {
	all     []*socket
	use     int // number of the one that sends
	clock   func() time.Time
	arrived chan arrival
	done    chan struct{}
	early   []arrival  // sealed frames that came before ServerHello was whole
	network network    // what it does to datagrams
	log     []Datagram // what passed, both ways
}

// A socket is one of them.
type socket struct {
	nc       net.Conn
	recorder Recorder
	critic   Critic
}

// An arrival is a datagram as it came, or the error that ended the reading.
type arrival struct {
	raw      []byte
	at       time.Time
	socket   int
	err      error
	released bool // the network is done with it
}

// The bounds of what waits to be read, and of what is remembered.
const (
	maxArrivals  = 4096
	maxDatagrams = 4096
	maxDatagram  = 1 << 16
)

func newSockets(clock func() time.Time) *sockets {
	return &sockets{clock: clock, arrived: make(chan arrival, maxArrivals), done: make(chan struct{})}
}

// add takes over a socket and begins to read from it.
func (s *sockets) add(nc net.Conn, recorder Recorder, critic Critic) {
	number := len(s.all)
	s.all = append(s.all, &socket{nc: nc, recorder: recorder, critic: critic})
	go func() {
		for {
			p := make([]byte, maxDatagram)
			n, err := nc.Read(p)
			select {
			case s.arrived <- arrival{raw: p[:n:n], at: s.clock(), socket: number, err: err}:
			case <-s.done:
				return
			default: // nobody reads: lost, as in the system's own buffer
			}
			if err != nil {
				return
			}
		}
	}()
}

func (s *sockets) close() error {
	select {
	case <-s.done:
		return nil
	default:
	}
	close(s.done)
	var first error
	for _, own := range s.all {
		if err := own.nc.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// A Datagram is one that passed.
type Datagram struct {
	Sent   bool // by us
	Name   string
	Raw    []byte
	Socket int
	At     time.Time // when it came, or was sent
}

// Datagrams returns what passed on a UDP path so far, both ways, in order.
func (c *Conn) Datagrams() []Datagram { return c.udp.log }

// Replay sends a datagram that passed once more, byte for byte, from the socket that
// sends now.
func (c *Conn) Replay(d Datagram) error { return c.write("replay of "+d.Name, d.Raw) }

// AddSocket takes over a further socket of a UDP path, such as one at another
// address, and returns its number. It is read from, and sends once Use says so.
func (c *Conn) AddSocket(nc net.Conn) int {
	recorder, critic := observers(nc, nil)
	c.udp.add(nc, recorder, critic)
	return len(c.udp.all) - 1
}

// Use says which socket sends from now on: 0 is the first.
func (c *Conn) Use(socket int) {
	c.udp.use = socket
	c.nc = c.udp.all[socket].nc
}

// write sends one datagram through the network and tells the recorder what it is.
func (s *sockets) write(name string, raw []byte, fields []conformance.Field) error {
	s.remember(Datagram{Sent: true, Name: name, Raw: raw, Socket: s.use, At: s.clock()})
	return s.network.out(name, s.use, func(label string, use int) error {
		own := s.all[use]
		_ = own.nc.SetWriteDeadline(time.Now().Add(DefaultWait)) // fails only on a closed socket; the write tells
		_, err := own.nc.Write(raw)
		own.recorder.Sent(label, raw, fields...)
		if err != nil {
			return fmt.Errorf("peer: sending %d bytes: %w", len(raw), err)
		}
		return nil
	})
}

func (s *sockets) remember(d Datagram) {
	if len(s.log) < maxDatagrams {
		s.log = append(s.log, d)
	}
}

// readDatagram waits for a datagram that the network lets through and that is a frame.
func (c *Conn) readDatagram(wait time.Duration) (*Received, error) {
	limit := time.NewTimer(wait)
	defer limit.Stop()
	for {
		a, waiting := c.udp.next(c.handshakeKnown())
		if !waiting {
			select {
			case a = <-c.udp.arrived:
			case <-limit.C:
				return nil, silence(wait)
			}
		}
		if a.err != nil {
			return nil, fmt.Errorf("peer: reading: %w", a.err)
		}
		if r, err := c.arrive(a); r != nil || err != nil {
			return r, err
		}
	}
}

// handshakeKnown reports whether there is a key under which a frame could open.
func (c *Conn) handshakeKnown() bool { return len(c.inbound) > 0 || c.handshake.hello == nil }

// next returns what waits already: what the network has held back, and, once there
// are keys, what came too early.
func (s *sockets) next(keys bool) (arrival, bool) {
	if a, ok := s.network.release(); ok {
		return a, true
	}
	if !keys || len(s.early) == 0 {
		return arrival{}, false
	}
	a := s.early[0]
	s.early = s.early[1:]
	return a, true
}

// arrive judges a datagram. It returns nothing for one that the network loses, holds
// back, or that waits for its keys.
func (c *Conn) arrive(a arrival) (*Received, error) {
	own := c.udp.all[a.socket]
	c.recorder, c.critic = own.recorder, own.critic
	f, rest, whole := testkit.DecodeFrame(a.raw)
	if !whole || len(rest) > 0 {
		c.recorder.Received("a datagram that is not one frame", a.raw, fieldsOf(testkit.Annotate(a.raw), a.raw)...)
		return nil, c.violation("XTMP-UDP-001", "a datagram is not exactly one frame", len(a.raw), "96 + payload_length")
	}
	seen, _ := c.unseal(f, a.raw)
	if held, mark := c.udp.network.in(seen.Name, &a); held {
		c.recorder.Received(seen.Name+" ("+mark+" on the way)", a.raw, fieldsOf(seen.Parts, a.raw)...)
		return nil, nil
	}
	if !f.Clear() && !c.handshakeKnown() && uint64(len(c.udp.early)) < limit("early_frames") {
		c.udp.early = append(c.udp.early, a) // [XTMP-UDP-047]
		return nil, nil
	}
	c.udp.remember(Datagram{Name: seen.Name, Raw: a.raw, Socket: a.socket, At: a.at})
	r := c.receive(f, a.raw, a.at, a.socket)
	if n := uint64(len(a.raw)); n > limit("datagram_min") {
		c.note("XTMP-UDP-002", "a datagram is too long", n, fmt.Sprint("at most ", limit("datagram_min")))
	}
	return r, nil
}
