package world

import (
	"net/netip"

	"github.com/bpci/xtmp/netsim"
	"github.com/bpci/xtmp/netsim/vtime"
	"github.com/bpci/xtmp/refimpl/session"
)

// carrier is what carries one path of a client: a connection or a UDP port.
//
//	dialling ─ connected ─▶ path ─ fate Shut, the connection ends ─▶ gone
//	   └ no connection ─▶ gone       (a port is a path at once)
type carrier struct {
	stream // of a connection
	port   uint16
	kind   session.Transport

	dialing bool
	dialBy  vtime.Time     // when dialling is given up
	first   bool           // it carries the handshake
	standby bool           // what the session wanted it for
	path    session.PathID // once it is not dialling
}

// open dials, or opens a port, to the server.
func (c *Client) open(io *netsim.IO, kind session.Transport) *carrier {
	l := &carrier{kind: kind}
	if kind == session.UDP {
		l.port = io.Bind(0)
	} else {
		l.stream.id = io.Dial(c.to)
		l.dialing, l.dialBy = true, io.Now().Elapsed+dialTimeout
	}
	c.carriers = append(c.carriers, l)
	return l
}

// carrierOf returns the carrier of a connection, nil if there is none.
func (c *Client) carrierOf(conn netsim.ConnID) *carrier {
	for _, l := range c.carriers {
		if l.kind == session.TCP && l.stream.id == conn {
			return l
		}
	}
	return nil
}

// connected makes a path of a connection that is there now.
func (c *Client) connected(io *netsim.IO, now session.Now, l *carrier) {
	l.dialing = false
	if l.first {
		c.core = session.NewClient(&c.cfg)
		must(c.core.Open(now))
		return
	}
	c.attach(io, now, l)
}

// attach makes a further path of the session of a carrier.
func (c *Client) attach(io *netsim.IO, now session.Now, l *carrier) {
	id, err := c.core.Attach(now, l.kind, l.standby, c.to)
	if err != nil {
		c.core.AttachFailed(now)
		c.shut(io, l)
		return
	}
	l.path = id
}

// undialed is a connection that did not come about.
func (c *Client) undialed(now session.Now, l *carrier) {
	c.remove(l)
	if c.core != nil && !l.first {
		c.core.AttachFailed(now)
	}
}

// shut closes a carrier from this end.
func (c *Client) shut(io *netsim.IO, l *carrier) {
	if l.kind == session.UDP {
		io.Unbind(l.port)
	} else {
		io.Close(l.stream.id)
	}
	c.remove(l)
}

func (c *Client) remove(l *carrier) {
	for i, o := range c.carriers {
		if o == l {
			c.carriers = append(c.carriers[:i:i], c.carriers[i+1:]...)
		}
	}
}

// lost says that the network has ended a carrier.
func (c *Client) lost(now session.Now, l *carrier) {
	if l.dialing {
		c.undialed(now, l)
		return
	}
	c.remove(l)
	c.core.Lost(now, l.path)
}

// read takes everything that a connection has.
func (c *Client) read(io *netsim.IO, now session.Now, l *carrier) {
	for c.carrierOf(l.stream.id) == l && !l.dialing {
		n := io.Read(l.stream.id, c.site.in)
		if n == 0 {
			return
		}
		c.core.Receive(now, l.path, c.site.in[:n])
	}
}

// datagram gives the session what came to a port.
func (c *Client) datagram(now session.Now, port uint16, from netip.AddrPort, b []byte) {
	for _, l := range c.carriers {
		if l.kind == session.UDP && l.port == port {
			c.core.ReceiveDatagram(now, from, append(c.site.in[:0], b...))
		}
	}
}

// write writes what the session has to say on a carrier, and closes the carrier whose
// path is over. It reports whether anything happened.
func (c *Client) write(io *netsim.IO, now session.Now, l *carrier) (moved bool) {
	if l.kind == session.UDP {
		for {
			out, to, ok := c.core.AppendDatagram(now, l.path, c.site.out[:0])
			if c.site.out = out; !ok {
				break
			}
			c.end.frames(out)
			io.Send(l.port, to, out)
			moved = true
		}
	} else {
		for l.idle() {
			out := c.core.AppendOutput(now, l.path, c.site.out[:0])
			if c.site.out = out; len(out) == 0 {
				break
			}
			c.end.frames(out)
			l.write(io, out)
			moved = true
		}
	}
	fate := c.core.Fate(l.path)
	if l.kind == session.TCP && l.meet(io, fate) || l.kind == session.UDP && fate == session.Shut {
		c.shut(io, l)
		c.core.Lost(now, l.path)
		return true
	}
	return moved
}

func must(err error) {
	if err != nil {
		panic("world: internal error: entropy failed: " + err.Error())
	}
}
