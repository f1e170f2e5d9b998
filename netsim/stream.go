package netsim

import (
	"net/netip"

	"github.com/bpci/xtmp/netsim/link"
	"github.com/bpci/xtmp/netsim/tcp"
	"github.com/bpci/xtmp/netsim/vtime"
)

// ends names a stream on the wire.
type ends struct {
	local uint16
	peer  netip.AddrPort
}

// stream is one end of a TCP connection, on a host.
type stream struct {
	conn   *tcp.Conn
	id     ConnID
	ends   ends
	wake   vtime.Time // the earliest planned, Never for none
	dialed bool
	orphan bool // no node knows it

	opened bool // the node was told
	eof    bool // and that the peer has closed
	short  bool // a Write took less than it was given
}

// Listen takes streams in at a port.
func (io *IO) Listen(port uint16) { io.h.listening[port] = true }

// Unlisten takes no more in.
func (io *IO) Unlisten(port uint16) { delete(io.h.listening, port) }

// Dial opens a stream. Connected or Closed will say what came of it.
func (io *IO) Dial(to netip.AddrPort) ConnID {
	h := io.h
	e := ends{h.freePort(), to}
	s := h.addStream(e, tcp.Dial(h.world.cfg.Stream, h.isn()))
	s.dialed = true
	h.flush(s)
	return s.id
}

// Write writes to a stream and returns how much it took. If that is less than all
// of b, Writable will say when there is room.
func (io *IO) Write(c ConnID, b []byte) int {
	s := io.h.stream(c)
	if s == nil {
		return 0
	}
	n := s.conn.Write(b)
	s.short = s.short || n < len(b)
	io.h.flush(s)
	return n
}

// Read reads what a stream has received, and gives its peer room for more.
func (io *IO) Read(c ConnID, b []byte) int {
	s := io.h.stream(c)
	if s == nil {
		return 0
	}
	n := s.conn.Read(b)
	io.h.flush(s)
	return n
}

// CloseWrite says that nothing more will be written.
func (io *IO) CloseWrite(c ConnID) {
	if s := io.h.stream(c); s != nil {
		s.conn.CloseWrite()
		io.h.flush(s)
	}
}

// Close lets a stream go. The host sends what was written; the node hears no
// more of it.
func (io *IO) Close(c ConnID) {
	if s := io.h.stream(c); s != nil {
		s.orphan = true
		s.conn.Close(io.h.world.now)
		io.h.flush(s)
	}
}

// Abort resets a stream. The node hears no more of it.
func (io *IO) Abort(c ConnID) {
	if s := io.h.stream(c); s != nil {
		s.orphan = true
		s.conn.Abort()
		io.h.flush(s)
	}
}

// stream returns a stream of the node.
func (h *Host) stream(c ConnID) *stream {
	if c < 1 || int(c) >= len(h.streams) || h.streams[c] == nil || h.streams[c].orphan {
		return nil
	}
	return h.streams[c]
}

func (h *Host) addStream(e ends, c *tcp.Conn) *stream {
	s := &stream{conn: c, id: ConnID(len(h.streams)), ends: e, wake: vtime.Never}
	h.streams = append(h.streams, s)
	h.byEnds[e] = s
	return s
}

// isn returns the first number of the next stream. It does not depend on the
// seed: a run is repeated without.
func (h *Host) isn() uint32 {
	return uint32(link.Draw(0, h.key, 0, uint64(len(h.streams))))
}

// segment gives a segment to its stream, or refuses it.
func (h *Host) segment(local netip.AddrPort, p *Packet) {
	var seg tcp.Segment
	if seg.Parse(p.Data) != nil {
		return
	}
	e := ends{local.Port(), p.Src}
	s := h.byEnds[e]
	if s == nil && seg.Flags&(tcp.SYN|tcp.ACK|tcp.RST) == tcp.SYN && h.listening[e.local] {
		s = h.addStream(e, tcp.Accept(h.world.cfg.Stream, h.isn(), &seg))
		h.flush(s)
		return
	}
	if s == nil {
		// The ports of the segment are those behind a NAT.
		if r, ok := tcp.Refuse(&seg); ok {
			h.transmit(e, &r)
		}
		return
	}
	had := s.conn.Buffered()
	s.conn.Receive(h.world.now, &seg)
	h.flush(s)
	h.tell(s, had)
}

// advanceStream does what is due on a stream.
func (h *Host) advanceStream(c ConnID) {
	s := h.streams[c]
	if s == nil || h.world.now < s.wake {
		return
	}
	s.wake = vtime.Never
	if s.conn.Deadline() <= h.world.now {
		s.conn.Advance(h.world.now)
	}
	h.flush(s)
	h.tell(s, s.conn.Buffered())
}

// flush sends what a stream has to send, plans its deadline, and forgets it when
// it has ended and its node knows, or has let it go.
func (h *Host) flush(s *stream) {
	w := h.world
	for {
		seg, ok := s.conn.Next(w.now)
		if !ok {
			break
		}
		h.transmit(s.ends, &seg)
	}
	if s.conn.State() == tcp.Ended {
		if s.orphan {
			h.forget(s)
		}
		return
	}
	if at := s.conn.Deadline(); at < s.wake {
		s.wake = at
		w.schedule(planned{at: max(at, w.now), kind: planStream, host: h.id, arg: int32(s.id)})
	}
}

func (h *Host) transmit(e ends, seg *tcp.Segment) {
	w := h.world
	seg.SrcPort, seg.DstPort = e.local, e.peer.Port()
	w.scratch = seg.Append(w.scratch[:0])
	w.send(h, w.newPacket(TCP, netip.AddrPortFrom(h.addr, e.local), e.peer, w.scratch))
}

func (h *Host) forget(s *stream) {
	if h.streams[s.id] == s {
		h.streams[s.id] = nil
		delete(h.byEnds, s.ends)
	}
}

// tell tells the node what has changed on a stream that had so many bytes to read.
func (h *Host) tell(s *stream, had int) {
	in := func(k InputKind) Input {
		return Input{Kind: k, Conn: s.id, Local: netip.AddrPortFrom(h.addr, s.ends.local), Peer: s.ends.peer}
	}
	w := h.world
	if !s.opened && s.conn.Connected() && !s.orphan {
		s.opened = true
		w.emit(Event{Kind: Opened, Host: h.name, Text: s.ends.peer.String()})
		if s.dialed {
			h.handle(in(Connected))
		} else {
			h.handle(in(Accepted))
		}
	}
	if !s.orphan && s.opened && s.conn.Buffered() > had {
		h.handle(in(Readable))
	}
	if !s.orphan && s.short && s.conn.Space() > 0 && s.conn.State() != tcp.Ended {
		s.short = false
		h.handle(in(Writable))
	}
	if !s.orphan && !s.eof && s.opened && s.conn.PeerClosed() {
		s.eof = true
		h.handle(in(PeerClosed))
	}
	if s.orphan || s.conn.State() != tcp.Ended {
		return
	}
	h.forget(s)
	if !s.opened && !s.dialed {
		return // it never was
	}
	s.orphan = true
	gone := in(Closed)
	gone.Err = s.conn.Err()
	text := "closed"
	if gone.Err != nil {
		text = gone.Err.Error()
	}
	w.emit(Event{Kind: Ended, Host: h.name, Text: text})
	h.handle(gone)
}
