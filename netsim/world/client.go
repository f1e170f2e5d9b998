package world

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/bpci/xtmp/netsim"
	"github.com/bpci/xtmp/netsim/vtime"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// Client is a node that keeps one session with a server, begins another when it ends,
// and makes the calls of its caller, who outlives it. The session keeps itself alive:
// when it wants a path, the client opens a carrier.
//
//	idle ─ carrier ─▶ opening ─ established ─▶ calling ─ all calls done ─▶ closing ─▶ done
//	 ▲─── no carrier ──┴── no session ─────────────┴─ the session ended
type Client struct {
	line    *CallLine
	to      netip.AddrPort
	site    *Site
	watch   *Watch
	caller  *caller
	end     *end
	entropy entropy
	cfg     session.Config
	turns   turns

	carriers []*carrier
	core     *session.Session // nil without one
	ready    bool             // the session is established
	tries    int              // first contacts
	token    []byte           // of the server, to be used once
	rtt      time.Duration    // kept with it
	again    vtime.Time       // when to begin another session

	backoff  vtime.Time
	pathless vtime.Time // since when the session has no path, on the world's clock; Never: it has one
	boots    int        // of the server, when the session was established
}

// How a client dials, as the product's does.
const (
	dialTimeout  = 10 * vtime.Second
	backoffLeast = 100 * vtime.Millisecond
	backoffMost  = 5 * vtime.Second
)

// urgentEvery is how many calls one has PRIORITY of.
const urgentEvery = 8

// queuedMost bounds the calls that wait in the core to be sealed.
const queuedMost = 256

func newClient(line *CallLine, to netip.AddrPort, site *Site, watch *Watch, c *caller) *Client {
	return &Client{line: line, to: to, site: site, watch: watch, caller: c}
}

// Deadline implements netsim.Node.
func (c *Client) Deadline() (vtime.Time, bool) {
	d := vtime.Never
	if !c.caller.done && c.core == nil && len(c.carriers) == 0 {
		d = c.again
	}
	for _, l := range c.carriers {
		if l.dialing {
			d = min(d, l.dialBy)
		}
	}
	if at, ok := c.caller.due(); ok {
		d = min(d, at)
	}
	if c.core != nil {
		if at, ok := c.core.Deadline(); ok {
			d = min(d, instant(at))
		}
	}
	return d, d != vtime.Never
}

// Handle implements netsim.Node.
func (c *Client) Handle(io *netsim.IO, in netsim.Input) {
	c.entropy.io = io
	c.turns.count(c.watch, c.line.Host, io, in)
	at := io.Now()
	now := clocks(at)
	switch in.Kind {
	case netsim.Started:
		c.start(io)
	case netsim.Datagram:
		c.datagram(now, in.Local.Port(), in.Peer, in.Data)
	default:
		if l := c.carrierOf(in.Conn); l != nil {
			c.input(io, now, in.Kind, l)
		}
	}
	c.caller.tick(at.Elapsed, c.watch.now())
	for i := len(c.carriers) - 1; i >= 0; i-- {
		if l := c.carriers[i]; l.dialing && at.Elapsed >= l.dialBy {
			io.Abort(l.stream.id)
			c.undialed(now, l)
		}
	}
	if c.core != nil {
		c.advance(io, now)
	}
	c.settle(io, now)
}

// input takes what happened to a connection.
func (c *Client) input(io *netsim.IO, now session.Now, kind netsim.InputKind, l *carrier) {
	switch kind {
	case netsim.Connected:
		c.connected(io, now, l)
	case netsim.Readable:
		c.read(io, now, l)
	case netsim.Writable:
		l.resume(io)
	case netsim.PeerClosed:
		io.Close(l.stream.id)
		c.lost(now, l)
	case netsim.Closed:
		c.lost(now, l)
	default:
	}
}

// settle forgets a session that is over, and begins another when it is time.
func (c *Client) settle(io *netsim.IO, now session.Now) {
	if c.caller.done || len(c.carriers) > 0 || c.core != nil && c.core.State() != session.Closed {
		return
	}
	at := io.Now().Elapsed
	switch {
	case c.core != nil || c.tries > 0 && c.again == vtime.Never:
		c.gone(at)
	case at >= c.again:
		c.begin(io, now)
	}
}

func (c *Client) start(io *netsim.IO) {
	c.end = c.watch.newEnd(c.line.Host, session.Client)
	c.caller.begin(io.Now().Elapsed)
	cfg := session.Config{
		Entropy: &c.entropy, Suites: []wire.Suite{c.line.Suite}, HeartbeatInterval: span(c.line.Heartbeat),
		Application: (*calling)(c), KeyLog: c.end.secret, Trace: c.end.traced,
		Client: session.ClientConfig{Pins: c.site.pins(), Type: c.line.Over, Standby: c.line.Standby},
	}
	var err error
	if c.cfg, err = cfg.Validate(session.Client); err != nil {
		panic("world: internal error: " + err.Error())
	}
	c.backoff = backoffLeast
	c.again = io.Now().Elapsed
}

// begin opens a carrier for a session: over TCP, over UDP, or by turns.
func (c *Client) begin(io *netsim.IO, now session.Now) {
	kind := session.TCP
	if c.line.Over == session.TypeUDP || c.line.Over == session.TypeHybrid && c.tries%2 == 0 {
		kind = session.UDP
	}
	c.tries++
	c.caller.dials++
	c.again = vtime.Never
	l := c.open(io, kind)
	if l.first = true; kind == session.TCP {
		return
	}
	c.core = session.NewClient(&c.cfg)
	must(c.core.OpenDatagram(now, c.to, c.token, c.rtt))
	c.token = nil
	c.advance(io, now)
}

// advance does what is due, gives the session its calls and writes what it has to
// say.
func (c *Client) advance(io *netsim.IO, now session.Now) {
	if d, ok := c.core.Deadline(); ok && d <= now.Elapsed {
		c.core.Advance(now)
		if d, ok := c.core.Deadline(); ok && d <= now.Elapsed {
			c.watch.fail(checkDeadline, "%s: a session in state %v is due again at once", c.line.Host, c.core.State())
		}
	}
	c.collect(io, now)
	for c.ready && c.send(now) { //nolint:revive // one call at a time
	}
	if c.ready && c.caller.complete() {
		c.core.Close(now)
	}
	for moved := true; moved; {
		moved = false
		for _, l := range slices.Clone(c.carriers) {
			moved = !l.dialing && c.write(io, now, l) || moved
		}
		moved = c.collect(io, now) || moved
		for c.ready && c.send(now) {
			moved = true
		}
	}
	c.watch.clientHolds(c)
}

// send gives the session the next call that waits, if there is one and there is
// room, and reports whether it did.
func (c *Client) send(now session.Now) bool {
	if n, _ := c.core.Queued(); n >= queuedMost || c.core.State() != session.Established {
		return false
	}
	k := c.caller.next()
	if k == nil {
		return false
	}
	c.site.opened = c.caller.body(c.site.opened[:0], k)
	r := session.Request{Type: wire.TypeProbe, Owner: k, Body: c.site.opened, Priority: k.number%urgentEvery == 0}
	if err := c.core.Send(now, &r); err != nil {
		c.watch.fail(checkResult, "%s: call %d is refused by the session: %v", c.line.Host, k.number, err)
		return false
	}
	return true
}

// gone forgets the session and plans the next one.
func (c *Client) gone(at vtime.Time) {
	c.core, c.ready = nil, false
	if c.caller.complete() {
		c.caller.done = true
		return
	}
	c.again = at + c.backoff
	c.backoff = min(2*c.backoff, backoffMost)
}

// collect takes the session's events, and reports whether there were any.
func (c *Client) collect(io *netsim.IO, now session.Now) (some bool) {
	for {
		e, ok := c.core.NextEvent()
		if !ok {
			return some
		}
		some = true
		switch e.Kind {
		case session.EventEstablished:
			c.ready, c.backoff = true, backoffLeast
			c.pathless, c.boots = vtime.Never, c.watch.boots[c.line.To]
			c.caller.sessions++
			io.Note("established")
			c.end.proved(c.core.ID(), &e.Identity)
		case session.EventClosed:
			c.ready = false
			io.Note("closed: " + e.Err.Error())
			c.end.closed(c.core.ID(), e.Err)
		case session.EventPeerError:
			c.end.accused(e.Err)
		case session.EventPathWanted:
			l := c.open(io, e.Transport)
			if l.standby = e.Standby; !l.dialing {
				c.attach(io, now, l)
			}
		case session.EventAttached:
			c.caller.attached++
			io.Note("attached: " + e.Transport.String())
		case session.EventPathless:
			c.pathless = c.watch.now()
			io.Note("pathless: " + e.Err.Error())
			c.end.pathless(c.core.ID(), e.Err)
		case session.EventResumed:
			c.pathless = vtime.Never
			io.Note("resumed")
		case session.EventAddressToken:
			c.token, c.rtt = bytes.Clone(e.AddressToken), c.core.Quality(0).Smoothed
		case session.EventMoved:
			if c.core.Paths()&(1<<e.Path) != 0 {
				io.Note("moved: " + c.core.Kind(e.Path).String())
			}
		case session.EventPong, session.EventRekeyed:
		}
	}
}

// calling is what a Client is to its session.
type calling Client

// Implements implements session.Application: nothing is pushed.
func (*calling) Implements(wire.MessageType) bool { return false }

// Deliver implements session.Application.
func (c *calling) Deliver(_ session.Now, _ *session.Session, m session.Message) bool {
	k, ok := m.Owner.(*call)
	if !ok {
		c.watch.fail(checkResult, "%s: a reply to no call", c.line.Host)
		return true
	}
	switch {
	case m.Err == nil:
		c.caller.replied(c.watch, k, m.Body)
	case errors.Is(m.Err, session.ErrNotSent):
		c.caller.notSent(c.watch, k)
	case errors.Is(m.Err, session.ErrUnknownResult):
		c.caller.unknown(c.watch, k)
	default:
		c.caller.refused(c.watch, k, m.Err)
	}
	return true
}

// Writable implements session.Application; a client pushes nothing.
func (*calling) Writable(session.Now, *session.Session) {}

// Ended implements session.Application: nobody will say what became of the calls
// that were under way.
func (c *calling) Ended(s *session.Session) {
	if n := c.caller.cut(c.watch); n > 0 {
		c.watch.unknown((*Client)(c), s, n)
	}
}

var _ netsim.Node = (*Client)(nil)
