package endpoint

import (
	"net/netip"
	"time"

	"github.com/bpci/xtmp/refimpl/session"
)

// ConnID names a connection of an Endpoint, or a UDP path of one of its sessions.
// Ids are reused after Lost.
type ConnID uint32

// noConn ends a list of connections.
const noConn ConnID = 1<<32 - 1

// conn is a connection or a UDP path: a path of the session of a seat.
type conn struct {
	seat  *seat // nil if the id is free
	next  ConnID
	path  session.PathID
	udp   bool
	dirty bool
}

// seat is a session and what the endpoint knows of it.
type seat struct {
	session  *session.Session
	deadline time.Duration // key in the heap, at or before the real deadline
	contact  *contact      // key under which contacts holds it, nil if none
	slot     int32         // index in the heap
	first    ConnID        // of its connections
	bound    uint8         // paths that have a connection, a bit each
	named    bool          // ids holds its session_id
	active   bool          // it is in the set of active seats
	used     bool          // since the set was last looked through
	over     bool          // nothing is left but events that name the session
}

// sit gives a session a seat.
func (e *Endpoint) sit(s *session.Session) *seat {
	st := e.seats.Take()
	st.session, st.first, st.slot = s, noConn, -1
	return st
}

// bind gives path p of a seat's session a connection.
func (e *Endpoint) bind(st *seat, p session.PathID) ConnID {
	var id ConnID
	if n := len(e.free); n > 0 {
		id, e.free = e.free[n-1], e.free[:n-1]
	} else {
		id = ConnID(len(e.conns))
		e.conns = append(e.conns, conn{})
	}
	e.conns[id] = conn{}
	e.attach(id, st, p)
	return id
}

// attach makes connection id a path of a seat's session.
func (e *Endpoint) attach(id ConnID, st *seat, p session.PathID) {
	e.conns[id] = conn{seat: st, next: st.first, path: p, udp: st.session.Kind(p) == session.UDP, dirty: e.conns[id].dirty}
	st.first = id
	st.bound |= 1 << p
}

// detach takes connection id from its seat, which it leaves without one.
func (e *Endpoint) detach(id ConnID) *seat {
	c := &e.conns[id]
	st := c.seat
	at := &st.first
	for *at != id {
		at = &e.conns[*at].next
	}
	*at = c.next
	st.bound &^= 1 << c.path
	c.seat = nil
	return st
}

// bindNew gives the UDP paths that a datagram has opened connections of their own.
func (e *Endpoint) bindNew(st *seat) {
	if st.session.State() == session.Closed {
		return
	}
	for fresh, p := st.session.Paths()&^st.bound, session.PathID(0); fresh != 0; fresh, p = fresh>>1, p+1 {
		if fresh&1 != 0 {
			e.bind(st, p)
		}
	}
}

// vacate forgets a session that is over and has no connection any more.
func (e *Endpoint) vacate(st *seat) {
	if st.first != noConn || st.session.State() != session.Closed {
		return
	}
	st.over = true
	e.timers.remove(st)
	e.active.leave(st)
	e.gone = append(e.gone, st)
}

// Datagrams reports whether id is a UDP path, whose output AppendDatagram yields.
func (e *Endpoint) Datagrams(id ConnID) bool {
	return int(id) < len(e.conns) && e.conns[id].seat != nil && e.conns[id].udp
}

// Source returns where connection id came from.
func (e *Endpoint) Source(id ConnID) netip.Addr {
	if a, ok := e.elsewhere[id]; ok {
		return a
	}
	return e.conns[id].seat.session.Source()
}
