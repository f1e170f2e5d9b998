package session

import (
	"net/netip"
	"time"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/trace"
	"github.com/bpci/xtmp/refimpl/wire"
)

// PathID names a path of one session: its index. It is used again once the path
// is Lost.
type PathID uint8

// noPath stands for a path where there is none.
const noPath PathID = 0xFF

// Session is one session. It has one owner, who calls its methods one at a
// time.
type Session struct {
	cfg     *Config
	role    Role
	state   State
	suite   wire.Suite
	current PathID // path on which messages are sent by default, noPath while every path is closed

	settled      bool // server: Admission counts an established session
	parked       bool // server: without a path, and Admission knows
	peerInflates bool // the peer announced that it accepts DEFLATE

	attachTCP, attachUDP bool // what the server accepts; either makes the session attachable

	id    uint64
	paths [pathSlots]*Path

	// Owner is the caller's name for the session; the session does not use it.
	Owner uint32

	epoch    uint32          // in which both ends seal, or this end opens and the other seals
	root     security.Secret // of epoch; of the one before until the rekey is retired
	exporter security.Secret
	rotation rotation

	// wallZero is the wall time of the handshake less its monotonic time: own
	// stamps are wallZero + elapsed, so that steps of the wall clock after the
	// handshake change nothing.
	wallZero uint64

	source netip.Addr // server: where the session came from

	// What holds in this session: announced by the server.
	idleTimeout time.Duration // T_IDLE
	endsAt      time.Duration // T_AGE after it was established

	in  midSet   // complete mids of the peer
	out outgoing // own messages

	unsupportedAt time.Duration // when the last unsolicited UNSUPPORTED_TYPE went out, 0 for never
	malformedAt   time.Duration // likewise MALFORMED

	*work        // nil while the session rests
	calls *calls // client, else nil

	forged uint64  // frames on UDP that did not open
	attach *attach // what Attach needs, nil before the first

	pathlessSince time.Duration // since when every path is closed

	ping      pinger
	exercised time.Duration // when the last exercising frame went out, 0 for never
}

// NewServer returns a session that awaits a ClientHello on its first path.
// cfg has been validated for role Server. source is the peer's address.
func NewServer(cfg *Config, now Now, source netip.Addr) *Session {
	cfg.Server.Admission.Enter(source)
	return newServer(cfg, now, source)
}

// newServer returns a session that counts as half-open already.
func newServer(cfg *Config, now Now, source netip.Addr) *Session {
	s := cfg.Buffers.sessions.Take()
	*s = Session{
		cfg: cfg, role: Server, state: Start, source: source,
		idleTimeout: cfg.ConnectionTimeout,
	}
	s.work = cfg.Buffers.work()
	s.openPath(now, 0)
	return s
}

// openPath makes a path in an empty slot.
func (s *Session) openPath(now Now, id PathID) *Path {
	p := s.cfg.Buffers.paths.Take()
	p.begin(s.cfg.Buffers, now, id)
	s.paths[id] = p
	return p
}

// Recycle gives the memory of a server's session to the next one. Nobody may hold
// the session, or a path of it, any more.
func (s *Session) Recycle() {
	if s.role == Server {
		s.cfg.Buffers.vacate(s)
	}
}

// NewClient returns an idle client session; Open starts it. cfg has been
// validated for role Client.
func NewClient(cfg *Config) *Session {
	return &Session{cfg: cfg, role: Client, state: Idle, work: cfg.Buffers.work(), calls: new(calls)}
}

// ID returns the session_id, 0 before the server has chosen one.
func (s *Session) ID() uint64 { return s.id }

// State returns the state of the session.
func (s *Session) State() State { return s.state }

// Err returns why the session ended, nil while it lives.
func (s *Session) Err() error {
	if s.resting() {
		return nil
	}
	return s.err
}

// Source returns where a server's session came from.
func (s *Session) Source() netip.Addr { return s.source }

// NextEvent returns the next event, if any.
func (s *Session) NextEvent() (Event, bool) {
	if s.work == nil || len(s.events) == 0 {
		return Event{}, false
	}
	e := s.events[0]
	if s.events = s.events[1:]; len(s.events) == 0 {
		s.events = nil
	}
	return e, true
}

// Fate says what the transport does with a connection once its output is
// written.
type Fate uint8

// Fates.
const (
	Keep  Fate = iota // go on
	Drain             // end the sending direction, go on reading until Shut
	Shut              // close now; for UDP: forget the path
)

// Fate returns the fate of path p. The caller answers Shut by Lost.
func (s *Session) Fate(p PathID) Fate {
	switch s.paths[p].state {
	case PathDrain:
		return Drain
	case PathShut:
		return Shut
	default:
		return Keep
	}
}

// Paths returns the paths that the session has, a bit each.
func (s *Session) Paths() (ids uint8) {
	for id, p := range s.paths {
		if p != nil {
			ids |= 1 << id
		}
	}
	return ids
}

// Standing is what a path is to its session.
type Standing struct {
	Current bool // messages go there by default
	Standby bool // it was attached to stand by, and the session has not moved to it
	Live    bool // the peer is heard on it
}

// Standing returns what path p, which has not been Lost, is to the session.
func (s *Session) Standing(p PathID) Standing {
	return Standing{Current: p == s.current, Standby: s.paths[p].standby, Live: s.paths[p].live()}
}

// Kind returns what carries path p.
func (s *Session) Kind(p PathID) Transport { return s.paths[p].kind }

// Cut says that path id carries nothing any more. Its fate is Shut until Lost.
func (s *Session) Cut(now Now, id PathID) {
	s.rise()
	if s.state == Hello {
		s.pathLost(now, s.paths[id], ErrRefused)
		return
	}
	s.pathLost(now, s.paths[id], ErrTruncated)
}

// Lost says that the connection of path id ended: end of stream, an error, or
// closed by its owner. The id is free afterwards, unless the session is over.
func (s *Session) Lost(now Now, id PathID) {
	s.Cut(now, id)
	p := s.paths[id]
	if s.state == Closed || p.state != PathShut {
		return
	}
	s.hold()
	s.paths[id] = nil
	s.cfg.Buffers.releasePath(p.pathWork)
	s.cfg.Buffers.paths.Give(p)
}

// pathLost shuts a path. A session that cannot outlive it ends with it.
func (s *Session) pathLost(now Now, p *Path, why error) {
	if p.state == PathShut {
		return
	}
	if s.trying(p) != nil && s.open() {
		s.abandon(now, p)
		return
	}
	ended := p.closed() // it was left when its final frame was sealed
	p.shut()
	s.traceState(now, trace.Event{Kind: trace.PathClosed, Path: uint8(p.id), Reason: why.Error()})
	if !ended {
		s.leave(now, p, why)
	} else if !s.open() {
		s.end(now, why)
	}
}

// end makes the session Closed for a reason and erases it.
func (s *Session) end(now Now, why error) {
	if s.state == Closed {
		return
	}
	s.setState(now, Closed)
	s.err = why
	s.event(Event{Kind: EventClosed, Err: why})
	s.root, s.exporter = security.Secret{}, security.Secret{}
	if s.rekey != nil {
		*s.rekey = rekey{}
		s.rekey = nil
	}
	if s.handshake != nil {
		s.handshake.erase()
		s.handshake = nil
	}
	s.eraseMessages(now)
	for _, p := range s.paths {
		if p != nil {
			p.erase()
		}
	}
	s.attach.erase()
	if s.role == Server { // [XTMP-LIM-010]
		s.hold()
		s.unpark()
		s.cfg.Server.Admission.Leave(s.source, s.settled)
	}
}

// eraseMessages forgets what waits in either direction. The calls of a client
// have no result any more.
func (s *Session) eraseMessages(now Now) {
	for _, q := range s.partials {
		s.unreserve(q)
	}
	if s.retained != 0 {
		s.cfg.Server.Admission.Retain(s.source, -s.retained)
	}
	for mid := s.out.done + 1; mid <= s.out.last; mid++ {
		if m := s.ring.at(mid).kept; m != nil {
			m.kept = false
			s.drop(m)
		}
	}
	if s.calls != nil {
		for _, call := range s.calls.unanswered { //xtmp:unordered only gives memory back
			if m := call.request; m != nil {
				m.called = false
				s.drop(m)
			}
		}
	}
	s.eraseLane(now, &s.waiting)
	for _, p := range s.paths {
		if p != nil && p.pathWork != nil {
			s.eraseLane(now, &p.lane)
		}
	}
	s.out, s.in = outgoing{}, midSet{}
	s.partials, s.held, s.queued, s.kept, s.ring = nil, nil, 0, 0, nil
	s.requests, s.requestBytes, s.retained, s.rerouted = 0, 0, 0, nil
	if s.calls != nil {
		s.calls.unanswered = nil
	}
	if s.cfg.Application != nil {
		s.cfg.Application.Ended(s)
	}
}

func (s *Session) eraseLane(now Now, l *lane) {
	for _, q := range [...]*queue{&l.priority, &l.ordinary} {
		for m := q.head; m != nil; m = q.head {
			q.pop()
			s.notSent(now, m)
			s.cfg.Buffers.release(m)
		}
	}
}

func (s *Session) setState(now Now, state State) {
	s.state = state
	s.traceState(now, trace.Event{Kind: trace.StateChanged, State: state.String()})
}

func (s *Session) event(e Event) { s.events = append(s.events, e) }

// traceState completes and reports an event, where somebody listens.
func (s *Session) traceState(now Now, e trace.Event) {
	if s.cfg.Trace == nil {
		return
	}
	e.Elapsed, e.SessionID = now.Elapsed, s.id
	s.cfg.Trace(e)
}

// stamp is the timestamp of a frame that is sent now.
func (s *Session) stamp(now Now) uint64 { return s.wallZero + micros(now.Elapsed) }
