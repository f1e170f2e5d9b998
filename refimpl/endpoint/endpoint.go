// Package endpoint is a whole XTMP/1 server as a value: every session of one
// shard, the connections they live on, and their timers.
//
//	           ┌────────────── Endpoint (one shard, one owner) ───────────────┐
//	Open ─────▶│ conn 0 ─┬─ seat: session.Session     timers: a heap of seats │─▶ NextOutput, AppendOutput, AppendDatagram
//	Receive ──▶│ conn 1 ─┘                            ids: session_id → seat  │─▶ NextStray: Retry, reset
//	Lost ─────▶│ conn 2 ─── seat: session.Session     contacts: handshakes    │─▶ NextForeign
//	Datagram ─▶│ …           on UDP, by source and handshake_id               │─▶ NextEvent
//	Advance ──▶└──────────────────────────────────────────────────────────────┘─▶ Deadline
//
// A conn is a connection or a UDP path; a session has several, or none while it is
// parked. A datagram that proves no address leaves nothing behind.
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
	"slices"
	"time"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/slab"
)

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
	// Shards is how many there are; 0 means all that fit ShardBits.
	Shards int
	// Tokens proves the addresses of clients on UDP; nil for a server without it.
	Tokens Tokens
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
	shards  int
	bits    uint8
	conns   []conn // by ConnID
	free    []ConnID
	seats   slab.Slab[seat]
	gone    []*seat // over since the last Advance: events may still name their sessions
	vacant  []*seat // over before that
	ids     map[uint64]*seat
	timers  timers
	dirty   []ConnID
	events  []Event
	foreign []ConnID // connections that are for other shards
	closing bool

	elsewhere map[ConnID]netip.Addr // sources of connections that came from elsewhere than their session
	udp       *udp                  // nil without
}

// Event is an event of one session.
type Event struct {
	Conn    ConnID // one of the session's, or the greatest ConnID if it has none
	Session *session.Session
	session.Event
}

// New returns an empty endpoint, or what is wrong with cfg.
func New(cfg Config) (*Endpoint, error) {
	if cfg.ShardBits > 8 || uint64(cfg.Shard) >= 1<<cfg.ShardBits {
		return nil, errors.New("xtmp: endpoint.Config.Shard does not fit ShardBits, which is at most 8")
	}
	e := &Endpoint{shard: uint64(cfg.Shard), shards: cfg.Shards, bits: cfg.ShardBits, ids: make(map[uint64]*seat)}
	if e.shards == 0 {
		e.shards = 1 << cfg.ShardBits
	}
	if cfg.Tokens != nil {
		e.udp = &udp{
			tokens: cfg.Tokens, reset: security.NewResetKey(cfg.Session.Server.ResetKey), contacts: make(map[contact]*seat),
		}
		cfg.Session.Server.AddressToken = cfg.Tokens.AddressToken
	}
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

// Len returns the number of connections and UDP paths.
func (e *Endpoint) Len() int { return len(e.conns) - len(e.free) }

// Open takes a new connection from source. It reports false during shutdown;
// the caller then closes the connection.
func (e *Endpoint) Open(now session.Now, source netip.Addr) (ConnID, bool) {
	if e.closing {
		return 0, false
	}
	st := e.sit(session.NewServer(&e.cfg, now, source))
	id := e.bind(st, 0)
	st.deadline, _ = st.session.Deadline()
	e.timers.push(st)
	return id, true
}

// Receive takes bytes that arrived on connection id. See session.Receive for
// what may happen to b.
func (e *Endpoint) Receive(now session.Now, id ConnID, b []byte) {
	c := &e.conns[id]
	st := c.seat
	st.session.Receive(now, c.path, b)
	e.active.use(now, st)
	if st.session.State() == session.Start {
		e.offered(now, id)
	}
	e.after(st)
}

// Begun says how much memory the owner holds for a frame of connection id that has
// begun to arrive. See session.Begun.
func (e *Endpoint) Begun(now session.Now, id ConnID, n int) {
	c := &e.conns[id]
	c.seat.session.Begun(now, c.path, n)
	e.after(c.seat)
}

// Cut says that connection id carries nothing any more. Its fate is Shut, and its
// owner keeps it until Lost.
func (e *Endpoint) Cut(now session.Now, id ConnID) {
	c := &e.conns[id]
	c.seat.session.Cut(now, c.path)
	e.after(c.seat)
}

// Lost says that connection id is gone, or that its owner has closed it; of a UDP
// path whose fate is Shut, that its owner has seen it.
func (e *Endpoint) Lost(now session.Now, id ConnID) {
	path := e.conns[id].path
	st := e.detach(id)
	st.session.Lost(now, path)
	e.free = append(e.free, id)
	delete(e.elsewhere, id)
	e.after(st)
}

// Advance does what is due at now.
func (e *Endpoint) Advance(now session.Now) {
	for len(e.timers) > 0 && e.timers[0].deadline <= now.Elapsed {
		st := e.timers[0]
		if d, _ := st.session.Deadline(); d > now.Elapsed {
			e.timers.update(st, d) // it was put off since
			continue
		}
		st.session.Advance(now)
		e.active.use(now, st)
		switch d, ok := st.session.Deadline(); {
		case !ok:
			e.timers.remove(st)
		case d <= now.Elapsed:
			panic("xtmp: internal error: a " + st.session.State().String() + " session is due again at once")
		default:
			e.timers.update(st, d)
		}
		if st.session.State() == session.Start { // a first frame may have had its turn
			e.offered(now, st.first)
		}
		e.after(st)
	}
	if e.app != nil {
		e.app.Advance(now)
	}
	e.woken()
	e.active.rest(now)
	for _, st := range e.vacant {
		st.session.Recycle()
		e.seats.Give(st)
	}
	clear(e.vacant)
	e.gone, e.vacant = e.vacant[:0], e.gone
}

// woken collects what sessions got outside their own inputs.
func (e *Endpoint) woken() {
	for _, s := range e.cfg.Buffers.Woken() {
		if st := e.ids[s.ID()]; st != nil && st.session == s {
			e.after(st)
		}
	}
}

// Find returns the session with an id, nil if there is none.
func (e *Endpoint) Find(sessionID uint64) *session.Session {
	if st := e.ids[sessionID]; st != nil {
		return st.session
	}
	return nil
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
	for _, st := range slices.Clone(e.timers) {
		if st.session.Rekey(now) {
			e.after(st)
		}
	}
	e.woken()
}

// Shutdown refuses new connections and closes every session in order. The
// endpoint is done when Len is 0.
func (e *Endpoint) Shutdown(now session.Now) {
	e.closing = true
	for _, st := range slices.Clone(e.timers) { // whoever lives has a deadline
		st.session.Close(now)
		e.after(st)
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
		if c := &e.conns[id]; c.dirty {
			if c.dirty = false; c.seat != nil {
				return id, true
			}
		}
	}
	return 0, false
}

// AppendOutput appends what connection id has to send and says what becomes of
// the connection once that is written. It may have more: HasOutput tells.
func (e *Endpoint) AppendOutput(now session.Now, id ConnID, dst []byte) ([]byte, session.Fate) {
	c := &e.conns[id]
	st := c.seat
	dst = st.session.AppendOutput(now, c.path, dst)
	e.collect(st)
	e.rearm(st)
	return dst, st.session.Fate(c.path)
}

// Fate says what becomes of connection id once its output is written.
func (e *Endpoint) Fate(id ConnID) session.Fate {
	c := &e.conns[id]
	return c.seat.session.Fate(c.path)
}

// HasOutput reports whether AppendOutput, or AppendDatagram, would append something.
func (e *Endpoint) HasOutput(id ConnID) bool {
	c := &e.conns[id]
	return c.seat.session.HasOutput(c.path)
}

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
func (e *Endpoint) after(st *seat) {
	if st.over {
		return
	}
	e.bindNew(st)
	for id := st.first; id != noConn; id = e.conns[id].next {
		c := &e.conns[id]
		if c.dirty {
			continue
		}
		fate := st.session.Fate(c.path)
		if st.session.HasOutput(c.path) || fate == session.Shut || fate == session.Drain && !c.udp {
			c.dirty = true
			e.dirty = append(e.dirty, id)
		}
	}
	e.collect(st)
	e.rearm(st)
	e.vacate(st)
}

// collect moves events out of the session and follows its id and its handshake.
func (e *Endpoint) collect(st *seat) {
	for {
		ev, ok := st.session.NextEvent()
		if !ok {
			break
		}
		e.events = append(e.events, Event{Conn: st.first, Session: st.session, Event: ev})
	}
	id, over := st.session.ID(), st.session.State() == session.Closed
	switch {
	case id != 0 && !st.named && !over:
		st.named = true
		e.ids[id] = st
	case st.named && over:
		st.named = false
		delete(e.ids, id)
	}
	if st.contact != nil {
		if _, _, ok := st.session.Contact(); !ok {
			delete(e.udp.contacts, *st.contact)
			st.contact = nil
		}
	}
}

// rearm moves the session's timer forward if it is due sooner; one that is due
// later is noticed when it fires.
func (e *Endpoint) rearm(st *seat) {
	d, ok := st.session.Deadline()
	switch {
	case !ok:
	case st.slot < 0:
		st.deadline = d
		e.timers.push(st)
	case d < st.deadline:
		e.timers.update(st, d)
	}
}
