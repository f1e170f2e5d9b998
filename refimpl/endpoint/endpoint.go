// Package endpoint is a whole XTMP/1 server as a value: every session of one
// shard, the connections they live on, and their timers.
//
//	          ┌────────────── Endpoint (one shard, one owner) ──────────────┐
//	Open ────▶│ conn 0 ─ session.Session        timers: a heap of conns     │─▶ NextOutput, AppendOutput
//	Receive ─▶│ conn 1 ─ session.Session        ids: session_id → conn      │─▶ NextEvent
//	Lost ────▶│ …                                                           │─▶ Deadline
//	Advance ─▶└─────────────────────────────────────────────────────────────┘
//
// The owner calls one method at a time; after any input it drains NextOutput
// and NextEvent and asks Deadline when to call Advance. Output is taken, not
// pushed: a connection whose transport takes nothing produces nothing.
//
// The package opens no socket and reads no clock. What a frame means is decided
// by package session.
package endpoint

import (
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"time"

	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/slab"
)

// ConnID names a connection of an Endpoint. Ids are reused after Lost.
type ConnID uint32

// Config says what an Endpoint is.
type Config struct {
	// Session configures the sessions. Its NewSessionID is set by the endpoint.
	Session session.Config
	// Application answers the sessions' requests; nil knows none.
	Application Application
	// Shard is written into the low ShardBits bits of every session_id, so
	// that ids of the shards of an instance never meet. ShardBits ≤ 8.
	Shard     uint8
	ShardBits uint8
}

// Application is what stands above all sessions of an endpoint.
type Application interface {
	session.Application
	// Advance does what is due at now.
	Advance(now session.Now)
	// Deadline returns when Advance has something to do; false if it never has.
	Deadline() (time.Duration, bool)
}

// Endpoint is every session of one shard.
type Endpoint struct {
	cfg     session.Config
	app     Application // nil for none
	active  active
	shard   uint64
	bits    uint8
	conns   []*conn // by ConnID, nil if free
	free    []ConnID
	seats   slab.Slab[conn]
	gone    []*conn // lost since the last Advance: events may still name their sessions
	vacant  []*conn // lost before that
	ids     map[uint64]ConnID
	timers  timers
	dirty   []ConnID
	events  []Event
	closing bool
}

// conn is a connection and the session that lives on it.
type conn struct {
	session  *session.Session
	deadline time.Duration // key in the heap, at or before the real deadline
	id       ConnID
	slot     int32 // index in the heap
	named    bool  // ids holds its session_id
	active   bool  // it is in the set of active connections
	used     bool  // since the set was last looked through
	dirty    bool
}

// path0 is the path of every connection: sessions have one path so far.
const path0 session.PathID = 0

// Event is an event of one session.
type Event struct {
	Conn    ConnID
	Session *session.Session
	session.Event
}

// New returns an empty endpoint, or what is wrong with cfg.
func New(cfg Config) (*Endpoint, error) {
	if cfg.ShardBits > 8 || uint64(cfg.Shard) >= 1<<cfg.ShardBits {
		return nil, errors.New("xtmp: endpoint.Config.Shard does not fit ShardBits, which is at most 8")
	}
	e := &Endpoint{shard: uint64(cfg.Shard), bits: cfg.ShardBits, ids: make(map[uint64]ConnID)}
	cfg.Session.Server.NewSessionID = e.newSessionID
	cfg.Session.Buffers = new(session.Buffers)
	if e.app = cfg.Application; e.app != nil {
		cfg.Session.Application = e.app
	}
	var err error
	e.cfg, err = cfg.Session.Validate(session.Server)
	return e, err
}

// newSessionID draws an id in 1 … 2^53 − 1 that is not in use: at least 45
// random bits, then the shard. [XTMP-HDR-011] [XTMP-HDR-012]
func (e *Endpoint) newSessionID() uint64 {
	for {
		var b [8]byte
		if _, err := io.ReadFull(e.cfg.Entropy, b[:]); err != nil {
			panic("xtmp: internal error: entropy failed: " + err.Error())
		}
		id := binary.BigEndian.Uint64(b[:])&(1<<53-1)>>e.bits<<e.bits | e.shard
		if _, taken := e.ids[id]; id != 0 && !taken {
			return id
		}
	}
}

// Len returns the number of connections.
func (e *Endpoint) Len() int { return len(e.conns) - len(e.free) }

// Open takes a new connection from source. It reports false during shutdown;
// the caller then closes the connection.
func (e *Endpoint) Open(now session.Now, source netip.Addr) (ConnID, bool) {
	if e.closing {
		return 0, false
	}
	c := e.seats.Take()
	c.session = session.NewServer(&e.cfg, now, source)
	if n := len(e.free); n > 0 {
		c.id, e.free = e.free[n-1], e.free[:n-1]
		e.conns[c.id] = c
	} else {
		c.id = ConnID(len(e.conns))
		e.conns = append(e.conns, c)
	}
	c.session.Owner = uint32(c.id)
	c.deadline, _ = c.session.Deadline()
	e.timers.push(c)
	return c.id, true
}

// Receive takes bytes that arrived on connection id. See session.Receive for
// what may happen to b.
func (e *Endpoint) Receive(now session.Now, id ConnID, b []byte) {
	c := e.conns[id]
	c.session.Receive(now, path0, b)
	e.active.use(now, c)
	e.after(c)
}

// Lost says that connection id is gone, or that its owner has closed it.
func (e *Endpoint) Lost(now session.Now, id ConnID) {
	c := e.conns[id]
	c.session.Lost(now, path0)
	e.after(c)
	e.timers.remove(c)
	e.active.leave(c)
	e.conns[id] = nil
	e.free = append(e.free, id)
	e.gone = append(e.gone, c)
}

// Advance does what is due at now.
func (e *Endpoint) Advance(now session.Now) {
	for len(e.timers) > 0 && e.timers[0].deadline <= now.Elapsed {
		c := e.timers[0]
		if d, _ := c.session.Deadline(); d > now.Elapsed {
			e.timers.update(c, d) // it was put off since
			continue
		}
		c.session.Advance(now)
		e.active.use(now, c)
		switch d, ok := c.session.Deadline(); {
		case !ok:
			e.timers.remove(c)
		case d <= now.Elapsed:
			panic("xtmp: internal error: a " + c.session.State().String() + " session is due again at once")
		default:
			e.timers.update(c, d)
		}
		e.after(c)
	}
	if e.app != nil {
		e.app.Advance(now)
	}
	e.woken()
	e.active.rest(now)
	for _, c := range e.vacant {
		c.session.Recycle()
		e.seats.Give(c)
	}
	clear(e.vacant)
	e.gone, e.vacant = e.vacant[:0], e.gone
}

// woken collects what sessions got outside their own inputs.
func (e *Endpoint) woken() {
	for _, s := range e.cfg.Buffers.Woken() {
		if c := e.conns[s.Owner]; c != nil && c.session == s {
			e.after(c)
		}
	}
}

// Find returns the session with an id, nil if there is none.
func (e *Endpoint) Find(sessionID uint64) *session.Session {
	id, ok := e.ids[sessionID]
	if !ok {
		return nil
	}
	return e.conns[id].session
}

// Reply answers a request of a session, if that still lives, later than its
// delivery. See session.Reply.
func (e *Endpoint) Reply(now session.Now, sessionID uint64, c session.Call, body []byte) {
	if s := e.Find(sessionID); s != nil {
		s.Reply(now, c, nil, body, nil)
		e.woken()
	}
}

// ReplyError is Reply with an Error.
func (e *Endpoint) ReplyError(now session.Now, sessionID uint64, c session.Call, why *session.Error) {
	if s := e.Find(sessionID); s != nil {
		s.ReplyError(now, c, why)
		e.woken()
	}
}

// Rekey asks every client for fresh keys.
func (e *Endpoint) Rekey(now session.Now) {
	for _, c := range e.conns {
		if c != nil && c.session.Rekey(now) {
			e.after(c)
		}
	}
	e.woken()
}

// Shutdown refuses new connections and closes every session in order. The
// endpoint is done when Len is 0.
func (e *Endpoint) Shutdown(now session.Now) {
	e.closing = true
	for _, c := range e.conns {
		if c != nil {
			c.session.Close(now)
			e.after(c)
		}
	}
}

// Deadline returns when Advance has something to do, as a monotonic reading;
// false if it never has. It may be early.
func (e *Endpoint) Deadline() (time.Duration, bool) {
	if len(e.timers) == 0 {
		return 0, false
	}
	d := min(e.timers[0].deadline, e.active.next())
	if e.app != nil {
		if at, ok := e.app.Deadline(); ok {
			d = min(d, at)
		}
	}
	return d, true
}

// NextOutput returns a connection that has output, or whose fate is not Keep.
func (e *Endpoint) NextOutput() (ConnID, bool) {
	for len(e.dirty) > 0 {
		id := e.dirty[len(e.dirty)-1]
		e.dirty = e.dirty[:len(e.dirty)-1]
		if c := e.conns[id]; c != nil && c.dirty {
			c.dirty = false
			return id, true
		}
	}
	return 0, false
}

// AppendOutput appends what connection id has to send and says what becomes of
// the connection once that is written. It may have more: HasOutput tells.
func (e *Endpoint) AppendOutput(now session.Now, id ConnID, dst []byte) ([]byte, session.Fate) {
	c := e.conns[id]
	dst = c.session.AppendOutput(now, path0, dst)
	e.collect(c)
	e.rearm(c)
	return dst, c.session.Fate(path0)
}

// Source returns where connection id came from.
func (e *Endpoint) Source(id ConnID) netip.Addr { return e.conns[id].session.Source() }

// Fate says what becomes of connection id once its output is written.
func (e *Endpoint) Fate(id ConnID) session.Fate { return e.conns[id].session.Fate(path0) }

// HasOutput reports whether AppendOutput would append something.
func (e *Endpoint) HasOutput(id ConnID) bool { return e.conns[id].session.HasOutput(path0) }

// NextEvent returns the next event, if any. Its Session is good until the Advance
// after the next.
func (e *Endpoint) NextEvent() (Event, bool) {
	if len(e.events) == 0 {
		return Event{}, false
	}
	ev := e.events[0]
	if e.events = e.events[1:]; len(e.events) == 0 {
		e.events = nil
	}
	return ev, true
}

// after collects what an input has changed.
func (e *Endpoint) after(c *conn) {
	e.collect(c)
	if !c.dirty && (c.session.HasOutput(path0) || c.session.Fate(path0) != session.Keep) {
		c.dirty = true
		e.dirty = append(e.dirty, c.id)
	}
	e.rearm(c)
}

// collect moves events out of the session and follows its id.
func (e *Endpoint) collect(c *conn) {
	for {
		ev, ok := c.session.NextEvent()
		if !ok {
			break
		}
		e.events = append(e.events, Event{Conn: c.id, Session: c.session, Event: ev})
	}
	id, over := c.session.ID(), c.session.State() == session.Closed
	switch {
	case id != 0 && !c.named && !over:
		c.named = true
		e.ids[id] = c.id
	case c.named && over:
		c.named = false
		delete(e.ids, id)
	}
}

// rearm moves the connection's timer forward if it is due sooner; one that is
// due later is noticed when it fires.
func (e *Endpoint) rearm(c *conn) {
	d, ok := c.session.Deadline()
	switch {
	case !ok:
	case c.slot < 0:
		c.deadline = d
		e.timers.push(c)
	case d < c.deadline:
		e.timers.update(c, d)
	}
}
