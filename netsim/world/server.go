package world

import (
	"crypto/mlkem"
	"crypto/mlkem/mlkemtest"
	"net/netip"
	"time"

	"github.com/bpci/xtmp/netsim"
	"github.com/bpci/xtmp/netsim/vtime"
	"github.com/bpci/xtmp/refimpl/endpoint"
	"github.com/bpci/xtmp/refimpl/handler"
	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// Server is a node that runs one endpoint: a whole server. What it knows is gone
// when it crashes, but for its identity, which lies on the disk.
type Server struct {
	line    *ServeLine
	site    *Site
	watch   *Watch
	end     *end
	entropy entropy

	endpoint *endpoint.Endpoint
	limits   *admission
	router   *handler.Router
	conns    map[netsim.ConnID]*accepted
	byID     []*accepted // by endpoint.ConnID, nil if free
	turns    turns
}

// accepted is a connection of a server.
type accepted struct {
	stream
	id   endpoint.ConnID
	from netip.Addr
}

func newServer(line *ServeLine, site *Site, watch *Watch) *Server {
	return &Server{line: line, site: site, watch: watch, conns: map[netsim.ConnID]*accepted{}}
}

// Sessions returns how many connections, UDP paths and sessions without a path the
// server has.
func (s *Server) Sessions() int {
	if s.endpoint == nil {
		return 0
	}
	return s.endpoint.Len() + s.limits.parked
}

// Deadline implements netsim.Node.
func (s *Server) Deadline() (vtime.Time, bool) {
	if s.endpoint == nil {
		return 0, false
	}
	d, ok := s.endpoint.Deadline()
	return instant(d), ok
}

// Handle implements netsim.Node.
func (s *Server) Handle(io *netsim.IO, in netsim.Input) {
	s.entropy.io = io
	s.turns.count(s.watch, s.line.Host, io, in)
	now := clocks(io.Now())
	switch in.Kind {
	case netsim.Started:
		s.start(io)
	case netsim.Accepted:
		s.accept(io, now, in)
	case netsim.Datagram:
		s.endpoint.Datagram(now, in.Peer, append(s.site.in[:0], in.Data...))
	case netsim.Readable:
		s.read(io, now, in.Conn)
	case netsim.Writable:
		if c := s.conns[in.Conn]; c != nil {
			c.resume(io)
			s.write(io, now, c)
		}
	case netsim.PeerClosed:
		if c := s.conns[in.Conn]; c != nil {
			io.Close(in.Conn)
			s.lose(now, c)
		}
	case netsim.Closed:
		if c := s.conns[in.Conn]; c != nil {
			s.lose(now, c)
		}
	default:
	}
	s.endpoint.Advance(now)
	s.flush(io, now)
	s.collect(io)
}

// start makes the endpoint, with the identity that the disk holds. The first
// time, the key that was made for the server is put there.
func (s *Server) start(io *netsim.IO) {
	id := s.site.identity
	if records := io.Disk().Records(); len(records) == 0 {
		if io.Disk().Append(s.site.seed) == nil {
			io.Sync()
		}
	} else if string(records[0]) != string(s.site.seed) {
		var err error
		if id, err = security.NewIdentity(records[0]); err != nil {
			panic("world: internal error: the disk holds another thing: " + err.Error())
		}
	}
	s.end = s.watch.newEnd(s.line.Host, session.Server)
	s.limits = newAdmission()
	s.router = handler.NewRouter(true)
	cfg := session.Config{
		Entropy: &s.entropy, Suites: suites,
		HeartbeatInterval: span(s.line.Heartbeat), ConnectionTimeout: span(s.line.Idle), KeyRotationInterval: span(s.line.Rotate),
		KeyLog: s.end.secret, Trace: s.end.traced,
		Server: session.ServerConfig{
			Identities: []*security.Identity{id}, Encapsulate: s.encapsulate, Admission: s.limits,
			AttachTCP: s.line.Attach == AttachBoth || s.line.Attach == AttachTCP,
			AttachUDP: s.line.Attach == AttachBoth || s.line.Attach == AttachUDP,
		},
	}
	s.entropy.io.Entropy(cfg.Server.ResetKey[:])
	now := clocks(io.Now())
	tokens := security.NewTokens(&s.entropy, now.Elapsed, now.Wall)
	var err error
	if s.endpoint, err = endpoint.New(endpoint.Config{Session: cfg, Application: (*service)(s), Tokens: tokens}); err != nil {
		panic("world: internal error: " + err.Error())
	}
	io.Listen(Port)
	io.Bind(Port)
}

// encapsulate is ML-KEM's with the simulator's entropy.
func (s *Server) encapsulate(key *mlkem.EncapsulationKey768) (shared, ciphertext []byte) {
	var random [32]byte
	s.entropy.io.Entropy(random[:])
	var err error
	if shared, ciphertext, err = mlkemtest.Encapsulate768(key, random[:]); err != nil {
		panic("world: internal error: " + err.Error())
	}
	return shared, ciphertext
}

func (s *Server) accept(io *netsim.IO, now session.Now, in netsim.Input) {
	id, ok := s.endpoint.Open(now, in.Peer.Addr())
	if !ok {
		io.Close(in.Conn)
		return
	}
	c := &accepted{stream: stream{id: in.Conn}, id: id, from: in.Peer.Addr()}
	s.conns[in.Conn] = c
	for int(id) >= len(s.byID) {
		s.byID = append(s.byID, nil)
	}
	s.byID[id] = c
}

// read takes everything that a connection has.
func (s *Server) read(io *netsim.IO, now session.Now, conn netsim.ConnID) {
	for {
		c := s.conns[conn]
		if c == nil {
			return
		}
		n := io.Read(conn, s.site.in)
		if n == 0 {
			return
		}
		s.endpoint.Receive(now, c.id, s.site.in[:n])
	}
}

// lose tells the endpoint that a connection is gone.
func (s *Server) lose(now session.Now, c *accepted) {
	delete(s.conns, c.stream.id)
	s.byID[c.id] = nil
	s.endpoint.Lost(now, c.id)
}

// flush writes what the sessions have to say.
func (s *Server) flush(io *netsim.IO, now session.Now) {
	for {
		id, ok := s.endpoint.NextOutput()
		if !ok {
			break
		}
		if s.endpoint.Datagrams(id) {
			s.send(io, now, id)
		} else {
			s.write(io, now, s.byID[id])
		}
	}
	for {
		out, to, ok := s.endpoint.NextStray(s.site.out[:0])
		if s.site.out = out; !ok {
			return
		}
		s.end.frames(out)
		io.Send(Port, to, out)
	}
}

// send sends the datagrams that a UDP path has to say.
func (s *Server) send(io *netsim.IO, now session.Now, id endpoint.ConnID) {
	for {
		out, to, ok := s.endpoint.AppendDatagram(now, id, s.site.out[:0])
		if s.site.out = out; !ok {
			break
		}
		s.end.to = to.Addr()
		s.end.frames(out)
		io.Send(Port, to, out)
	}
	if s.endpoint.Fate(id) == session.Shut {
		s.endpoint.Lost(now, id)
	}
}

// write writes what one session has to say, as far as the host takes it.
func (s *Server) write(io *netsim.IO, now session.Now, c *accepted) {
	fate := s.endpoint.Fate(c.id)
	for c.idle() {
		out, f := s.endpoint.AppendOutput(now, c.id, s.site.out[:0])
		s.site.out, fate = out, f
		if len(out) == 0 {
			break
		}
		s.end.to = c.from
		s.end.frames(out)
		c.stream.write(io, out)
	}
	if c.meet(io, fate) {
		s.lose(now, c)
	}
}

// collect takes the endpoint's events.
func (s *Server) collect(io *netsim.IO) {
	for {
		e, ok := s.endpoint.NextEvent()
		if !ok {
			break
		}
		switch e.Kind {
		case session.EventEstablished:
			s.end.established(e.Session.ID())
		case session.EventClosed:
			io.Note("closed: " + e.Err.Error())
			s.end.closed(e.Session.ID(), e.Err)
		case session.EventPeerError:
			s.end.accused(e.Err)
		case session.EventPathless:
			io.Note("pathless: " + e.Err.Error())
			s.end.pathless(e.Session.ID(), e.Err)
		case session.EventPong, session.EventRekeyed, session.EventMoved, session.EventPathWanted, session.EventAttached,
			session.EventAddressToken, session.EventResumed:
		}
	}
	s.watch.serverHolds(s)
}

// service is what stands above the sessions: Probe, and Watch looks on.
type service Server

// Implements implements session.Application.
func (s *service) Implements(t wire.MessageType) bool { return s.router.Implements(t) }

// Deliver implements session.Application.
func (s *service) Deliver(now session.Now, c *session.Session, m session.Message) bool {
	s.end.executed(c.ID(), &m)
	return s.router.Deliver(now, c, m)
}

// Writable implements session.Application.
func (s *service) Writable(now session.Now, c *session.Session) { s.router.Writable(now, c) }

// Ended implements session.Application.
func (s *service) Ended(c *session.Session) { s.router.Ended(c) }

// Parked implements session.Pusher.
func (s *service) Parked(c *session.Session) { s.router.Parked(c) }

// Advance implements endpoint.Application.
func (s *service) Advance(now session.Now) { s.router.Advance(now) }

// Deadline implements endpoint.Application.
func (s *service) Deadline() (time.Duration, bool) { return s.router.Deadline() }

var _ netsim.Node = (*Server)(nil)
