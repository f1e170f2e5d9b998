package cases

import (
	"bytes"
	"net"
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/spec"
)

// The transports that a path may have.
const (
	onTCP = "TCP"
	onUDP = "UDP"
)

// transports says on which transport the first path of a session runs and on which
// the second. What needs UDP is not asked of a server without.
func transports() conformance.Param {
	return param("paths", onTCP+" and "+onTCP, onTCP+" and "+onUDP, onUDP+" and "+onTCP)
}

// twoPaths are the transports that the param names.
func twoPaths(x *conformance.Exchange) (first, second string) {
	name := x.Param("paths")
	return name[:3], name[len(name)-3:]
}

// attachable returns an established session on TCP whose server accepts Attach over
// TCP.
func attachable(x *conformance.Exchange) *peer.Session { return attachableBy(x, peer.Script{}) }

// attachableBy is attachable with an altered, but legal, handshake.
func attachableBy(x *conformance.Exchange, script peer.Script) *peer.Session {
	s := sessionOn(x, onTCP, script)
	requireOffer(x, s, onTCP)
	return s
}

// sessionOn returns an established session whose first path has that transport.
func sessionOn(x *conformance.Exchange, transport string, script peer.Script) *peer.Session {
	if transport == onTCP {
		return sessionBy(x, script)
	}
	requireUDP(x)
	return udpSessionBy(x, script)
}

func requireUDP(x *conformance.Exchange) {
	if !x.Declares(profileUDP) {
		x.Unsupported("UDP")
	}
}

// requireOffer ends the case as unsupported unless the server announces Attach over
// that transport.
func requireOffer(x *conformance.Exchange, s *peer.Session, transport string) {
	if !announces(s, transport) {
		x.Unsupported("Attach over " + transport)
	}
}

func announces(s *peer.Session, transport string) bool {
	name := map[string]string{onTCP: "attach_tcp", onUDP: "attach_udp"}[transport]
	return s.Params().Uint("policy")&policyBit(name) != 0
}

func policyBit(name string) uint64 {
	for _, bit := range spec.Default().Bits {
		if bit.Where == "ServerIdentity policy" && bit.Name == name {
			return uint64(bit.Value)
		}
	}
	panic("cases: the registry has no policy bit " + name)
}

// line opens a connection or a socket for a further path. It comes from another
// address than the first.
func line(x *conformance.Exchange, transport string) net.Conn {
	if transport == onTCP {
		return another(x)
	}
	requireUDP(x)
	socket, err := x.DialUDPAs(1)
	if err != nil {
		x.Inconclusive("no UDP socket toward the peer")
	}
	return socket
}

// another opens a further connection from another address.
func another(x *conformance.Exchange) *conformance.Conn {
	nc, err := x.DialAs(1)
	if err != nil {
		x.Inconclusive("no further connection to the peer")
	}
	return nc
}

// attach attaches a further path and returns the session as seen from it. Its first
// frame is due. Without AttachAck the case is inconclusive.
func attach(x *conformance.Exchange, s *peer.Session, transport string, edits ...func(*peer.Attach)) *peer.Session {
	requireOffer(x, s, transport)
	b, err := s.Attach(line(x, transport), edits...)
	if err != nil {
		unprepared(x, "a further path", err)
	}
	return b
}

// attachLive is attach with a PING as the first frame, whose PONG was read.
func attachLive(x *conformance.Exchange, s *peer.Session, transport string, edits ...func(*peer.Attach)) *peer.Session {
	b := attach(x, s, transport, edits...)
	prepare(x, b)
	return b
}

// prepare makes a path heard. Without its PONG the case is inconclusive.
func prepare(x *conformance.Exchange, s *peer.Session) []*peer.Received {
	before, err := s.Ping(x.Entropy("first").Bytes(8))
	noteAll(x, before)
	if err != nil {
		unprepared(x, "a PONG on a path", err)
	}
	return before
}

// asStandby asks for a standby path.
func asStandby(a *peer.Attach) { a.Standby() }

// withCounter gives an Attach an attach counter.
func withCounter(n uint64) func(*peer.Attach) {
	return func(a *peer.Attach) {
		a.Counter, a.Sequence = n, n
		a.Body.SetUint("counter", n)
	}
}

// offer opens a connection and sends an Attach after the edits.
func offer(x *conformance.Exchange, s *peer.Session, edits ...func(*peer.Attach)) (*peer.Conn, *peer.Attach) {
	c := s.NewPath(another(x))
	a := c.AttachDefaults()
	for _, edit := range edits {
		edit(a)
	}
	send(x, c.SendAttach(a))
	return c, a
}

// acknowledged waits for AttachAck with status 0, without which the case is
// inconclusive.
func acknowledged(x *conformance.Exchange, c *peer.Conn, a *peer.Attach) *peer.Received {
	r, status, err := c.ReadAttachAck(a)
	if err == nil && status != peer.StatusDone {
		err = &peer.Refused{Status: status}
	}
	if err != nil {
		unprepared(x, "AttachAck", err)
	}
	return r
}

// answerOf is what an Attach comes to: Accepted, a status as an Error, or what came
// in place of AttachAck.
func answerOf(x *conformance.Exchange, c *peer.Conn, a *peer.Attach) conformance.Observation {
	_, status, err := c.ReadAttachAck(a)
	if err == nil && status != peer.StatusDone {
		err = &peer.Refused{Status: status}
	}
	return observe(x, err, conformance.BudgetReply)
}

// requireLives requires that a path answers a PING. What came before is returned.
func requireLives(x *conformance.Exchange, s *peer.Session) []*peer.Received {
	before, err := s.Ping(x.Entropy("alive").Bytes(8))
	noteAll(x, before)
	x.Require(err == nil, "the path goes on and answers a PING")
	return before
}

// requireGone requires that the server has no such session any more: Attach on a new
// connection is answered by SESSION_UNKNOWN.
func requireGone(x *conformance.Exchange, s *peer.Session) {
	c, a := offer(x, s)
	o := answerOf(x, c, a)
	x.Require(o.Kind == conformance.KindErrorFrame && o.Code == code("SESSION_UNKNOWN"), "the session is over: Attach is answered by "+
		"SESSION_UNKNOWN")
}

// requireStays requires that the server still has the session: Attach on a new
// connection makes a path. It returns the session as seen from it.
func requireStays(x *conformance.Exchange, s *peer.Session) *peer.Session {
	c, a := offer(x, s)
	o := answerOf(x, c, a)
	x.Require(o.Kind == conformance.KindAccepted, "the session is there: Attach is accepted")
	b := c.Attached(a)
	b.NoPong, b.Acks = s.NoPong, b.UDP()
	requireLives(x, b)
	return b
}

// requireShut requires that the server ends a path without a word, but for what a
// server may send whenever it likes. A UDP path is forgotten: a PING on it is not
// answered.
func requireShut(x *conformance.Exchange, s *peer.Session) {
	if s.UDP() {
		data := x.Entropy("shut").Bytes(8) // too short for a reset [XTMP-RST-002]
		sendPing(x, s, data)
		_, _, err := s.Expect(x.Within(conformance.BudgetQuiet), isHeartbeat(peer.Pong, data))
		x.Require(err != nil, "the UDP path is forgotten")
		return
	}
	requireClosed(x, s)
}

// requireClosed requires the end of a connection, with nothing before it but what a
// server may send whenever it likes.
func requireClosed(x *conformance.Exchange, c interface {
	Drain(wait time.Duration) ([]*peer.Received, error)
},
) {
	frames, err := c.Drain(x.Within(conformance.BudgetClose))
	o, ok := conformance.Seen(err, conformance.BudgetClose)
	for _, r := range frames {
		ok = ok && anytime(r)
	}
	x.Require(ok && o.IsClose(), "the peer sends nothing more and ends the connection")
}

// greet reads and acknowledges what a server may send at the beginning of a session,
// such as a reliable frame that exercises an extension type.
func greet(x *conformance.Exchange, s *peer.Session) {
	prepare(x, s)
	if !s.UDP() {
		send(x, s.Ack())
		prepare(x, s)
	}
}

// arrival waits on a path for the reliable message of that mid.
func arrival(x *conformance.Exchange, s *peer.Session, mid uint64) *peer.Received {
	r, before, err := s.Expect(0, func(r *peer.Received) bool { return r.Plaintext != nil && r.Mid() == mid })
	noteAll(x, before)
	need(x, err)
	return r
}

// arrivalAtOnce is arrival of a message that is due since the mark. A server that waits
// for a timer first, such as T_SUSPECT, is late.
func arrivalAtOnce(x *conformance.Exchange, s *peer.Session, mid uint64, due conformance.Mark) *peer.Received {
	r := arrival(x, s, mid)
	x.RequireWithin("T_LINGER", due) // any span that is shorter
	return r
}

// requireAbsent requires that no reliable message of the server comes on a path. Two
// fences show it: a server may answer a PING before what else it has to say.
func requireAbsent(x *conformance.Exchange, s *peer.Session) {
	for range 2 {
		for _, r := range fence(x, s) {
			reliable := r.Plaintext != nil && r.Mid() != 0 && (r.Type() < 0x80 || r.Type() == typeError)
			x.Require(!reliable, "nothing that belongs on another path comes on this one")
		}
	}
}

// mids are those of reliable messages among frames.
func mids(frames []*peer.Received) (list []uint64) {
	for _, r := range frames {
		if r.Plaintext != nil && r.Mid() != 0 {
			list = append(list, r.Mid())
		}
	}
	return list
}

// hangUp ends a path as the name says and waits until the server has noticed it.
func hangUp(x *conformance.Exchange, s *peer.Session, how string) {
	nc, _ := s.NetConn().(*conformance.Conn)
	switch how {
	case "end of stream":
		send(x, s.CloseWrite())
	case "reset":
		send(x, nc.Reset())
		x.Pause(conformance.BudgetQuiet)
		return
	case "bad frame":
		d := s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, nil))
		flipTag(d)
		send(x, s.SendDrafts(d))
	case "over-long frame":
		d := s.Draft(typeExtension, 0, nil)
		d.AfterSeal(announce(size("payload_max")))
		send(x, s.WriteRaw(d.Encode()))
	case "Error of scope 1":
		sendFrame(x, s, typeError, 0, peer.ErrorBody(uint16(code("MALFORMED")), 1, noSequence, ""))
	default:
		panic("cases: a path ends in no such way: " + how)
	}
	if s.UDP() {
		x.Pause(conformance.BudgetQuiet)
		return
	}
	_, err := s.Drain(x.Within(conformance.BudgetClose))
	if o, ok := conformance.Seen(err, conformance.BudgetClose); !ok || !o.IsClose() {
		unprepared(x, "the end of a path", err)
	}
	x.Pause("T_ACK") // the socket may be gone a moment before the path is
}

// ends are the ways in which a TCP path ends and its session does not.
func ends() conformance.Param {
	return param("end", "end of stream", "reset", "bad frame", "over-long frame", "Error of scope 1")
}

// sameBody requires that a message that came again has the body that it had.
func sameBody(x *conformance.Exchange, first, again *peer.Received) {
	x.Require(bytes.Equal(first.Plaintext.Body, again.Plaintext.Body) && first.Type() == again.Type(), "a message that comes again is the "+
		"same message")
}
