package endpoint

import (
	"net/netip"

	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// Foreign is a connection whose first frame names a session of another shard. The
// endpoint has forgotten it; its owner opens it at the endpoint of the shard and lets
// that receive the bytes.
type Foreign struct {
	Conn   ConnID // what it was called here
	Shard  uint8
	Source netip.Addr
	Bytes  []byte // everything that the connection has sent so far
}

// NextForeign hands back the next such connection, if any. [XTMP-PTH-053]
func (e *Endpoint) NextForeign(now session.Now) (Foreign, bool) {
	for len(e.foreign) > 0 {
		id := e.foreign[0]
		e.foreign = e.foreign[1:]
		c := e.conns[id]
		if c.seat == nil {
			continue
		}
		frame, rest, ok := c.seat.session.Offered()
		if !ok {
			continue
		}
		f := Foreign{
			Conn: id, Shard: e.Shard(sessionOf(frame)), Source: c.seat.session.Source(),
			Bytes: append(append(make([]byte, 0, len(frame)+len(rest)+wire.TagSize), frame...), rest...),
		}
		yield(now, c.seat.session)
		e.Lost(now, id)
		return f, true
	}
	e.foreign = nil
	return Foreign{}, false
}

// yield ends a session that never was one: nobody is told.
func yield(now session.Now, s *session.Session) {
	s.Yield(now)
	for ok := true; ok; _, ok = s.NextEvent() {
		continue
	}
}

// Shard returns the shard of the instance that has the session with an id.
func (e *Endpoint) Shard(sessionID uint64) uint8 { return uint8(sessionID & (1<<e.bits - 1)) }

func sessionOf(frame []byte) uint64 {
	var h wire.Header
	h.Decode(frame)
	return h.SessionID
}

// offered looks at a connection that may have begun with Attach: it becomes a path of
// the session that it names.
func (e *Endpoint) offered(now session.Now, id ConnID) {
	st := e.conns[id].seat
	frame, rest, ok := st.session.Offered()
	if !ok {
		return
	}
	named := sessionOf(frame)
	if shard := e.Shard(named); uint64(shard) != e.shard && int(shard) < e.shards {
		e.foreign = append(e.foreign, id)
		return
	}
	target := e.ids[named]
	if target == nil || target.session.State() < session.Established { // [XTMP-ATT-018]
		st.session.Decline(now, true)
		return
	}
	path, ok := target.session.AttachStream(now, st.session.Source(), frame)
	if !ok {
		st.session.Decline(now, false)
		return
	}
	yield(now, st.session)
	e.detach(id)
	e.after(st)
	if source := st.session.Source(); source != target.session.Source() {
		if e.elsewhere == nil {
			e.elsewhere = make(map[ConnID]netip.Addr)
		}
		e.elsewhere[id] = source
	}
	e.attach(id, target, path)
	if len(rest) > 0 {
		target.session.Receive(now, path, rest)
	}
	e.active.use(now, target)
	e.after(target)
}
