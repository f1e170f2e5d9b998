package cases

import (
	"slices"
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// hsRetry is the hs_type of Retry.
const hsRetry = 2

// dialUDP opens a socket at the case's own address and pins the target.
func dialUDP(x *conformance.Exchange, edits ...func(*peer.Options)) *peer.Conn {
	return socketOf(x, x.DialUDP(), edits...)
}

// socketOf takes over a socket that exists, such as one of socketAs.
func socketOf(x *conformance.Exchange, socket *conformance.Socket, edits ...func(*peer.Options)) *peer.Conn {
	options := optionsOf(x)
	for _, edit := range edits {
		edit(&options)
	}
	return peer.New(socket, peer.Target{Pin: x.Endpoint().Fingerprint}, options)
}

// socketAs opens a socket as another person, or at another port of the same.
func socketAs(x *conformance.Exchange, person int) *conformance.Socket {
	socket, err := x.DialUDPAs(person)
	if err != nil {
		x.Inconclusive("no UDP socket: %v", err)
	}
	return socket
}

// elsewhere is socketAs for an address that has to be another than the case's own.
func elsewhere(x *conformance.Exchange) *conformance.Socket {
	own, other := socketAs(x, 0), socketAs(x, 1)
	if own.Host() == other.Host() {
		x.Inconclusive("this host has one address toward the target, and the case needs two")
	}
	_ = own.Close()
	return other
}

// udpSession returns an established session on UDP that acknowledges what it reads.
// Without one the case is inconclusive: what failed is not what it asks about.
func udpSession(x *conformance.Exchange) *peer.Session { return udpSessionBy(x, peer.Script{}) }

// udpSessionBy is udpSession with an altered, but legal, handshake.
func udpSessionBy(x *conformance.Exchange, script peer.Script, edits ...func(*peer.Options)) *peer.Session {
	script.Lenient = true
	s, err := dialUDP(x, edits...).Handshake(script)
	if err != nil {
		unprepared(x, "a session on UDP", err)
	}
	return s
}

// contacted returns a socket whose first contact was answered by Retry, and its
// ClientHello with the cookie. Without them the case is inconclusive.
func contacted(x *conformance.Exchange, edits ...func(*peer.Hello)) (*peer.Conn, *peer.Hello) {
	c := dialUDP(x)
	h := c.HelloDefaults()
	for _, edit := range edits {
		edit(h)
	}
	send(x, c.SendHello(h))
	_, cookie, err := c.ReadRetry()
	if cookie == nil {
		unprepared(x, "a cookie", err)
	}
	h.Token = cookie
	return c, h
}

// flightUDP returns a socket at which ServerFlight was read, and its ClientHello.
func flightUDP(x *conformance.Exchange) (*peer.Conn, *peer.Hello) {
	c, h := contacted(x)
	send(x, c.SendHello(h))
	awaitFlight(x, c)
	return c, h
}

// awaitFlight reads ServerHello and ServerFlight, without which the case is inconclusive.
func awaitFlight(x *conformance.Exchange, c *peer.Conn) {
	if _, err := c.ReadServerHello(); noted(err) != nil {
		unprepared(x, "ServerHello", err)
	}
	if _, err := c.ReadFlight(nil); noted(err) != nil {
		unprepared(x, "ServerFlight", err)
	}
}

// noted leaves out a deviation that only was noted.
func noted(err error) error {
	if _, stops := err.(*peer.Deviation); err == nil || !stops { //nolint:errorlint // a deviation that stops comes unwrapped
		if o, ok := conformance.Seen(err, ""); ok && o.Kind == conformance.KindMalformed {
			return nil
		}
	}
	return err
}

// isRetry fits a Retry for a handshake_id.
func isRetry(r *peer.Received, id uint64) bool {
	return r.Slot == peer.SlotClear && r.Is(typeHandshakeAck) && r.Plaintext.Envelope.Uint("hs_type") == hsRetry &&
		r.Plaintext.Envelope.Uint("handshake_id") == id
}

// contactFence puts a first contact behind what was sent and says what came in place
// of its Retry, or before it. There is no session that could answer a PING.
func contactFence(x *conformance.Exchange, c *peer.Conn, let ...func(*peer.Received) bool) conformance.Observation {
	x.Note("fence: a first contact behind what was sent")
	patience := x.Within(conformance.BudgetFence)
	asked := map[uint64]bool{}
	for range fenceTries - 1 {
		o := contactOnce(x, c, asked, patience/fenceTries, let)
		if o.Kind != conformance.KindSilence {
			return o
		}
	}
	return contactOnce(x, c, asked, patience/fenceTries, let)
}

// fenceTries is how often a fence is sent: a buffer on the way may run over.
const fenceTries = 3

// contactOnce sends a first contact and waits for the Retry to it, or to one before.
func contactOnce(
	x *conformance.Exchange, c *peer.Conn, asked map[uint64]bool, wait time.Duration, let []func(*peer.Received) bool,
) conformance.Observation {
	id, err := c.Contact()
	send(x, err)
	asked[id] = true
	until := time.Now().Add(wait)
	for {
		r, err := c.ReadFrame(max(time.Until(until), time.Millisecond))
		if err != nil {
			return observe(x, err, conformance.BudgetFence)
		}
		for id := range asked {
			if isRetry(r, id) {
				return conformance.Ignored()
			}
		}
		if slices.ContainsFunc(let, func(fits func(*peer.Received) bool) bool { return fits(r) }) {
			continue
		}
		if o, ok := told(x, r); ok {
			return o
		}
	}
}

// finishUDP sends ClientFinish and waits for HandshakeDone, without which the case has
// failed.
func finishUDP(x *conformance.Exchange, c *peer.Conn) {
	s := c.Session()
	s.Acks = true
	send(x, c.SendDraft(c.FinishDraft()))
	_, err := s.ReadDone()
	if noted(err) != nil {
		need(x, err)
	}
}

// unaddressed is the table of a datagram without effect and without answer.
func unaddressed(because ...string) conformance.Expect {
	return conformance.Expect{
		Strict: []conformance.Reaction{conformance.Row(conformance.Ignored(), because...)},
		Forbidden: []conformance.Reaction{
			conformance.Row(conformance.Accepted(), "an answer is not due"),
			conformance.Row(conformance.ErrorFrame(conformance.AnyCode, conformance.AnyScope), "an Error is not due"),
		},
	}
}

// mayReset allows the reset of an unknown session as well [XTMP-RST-001].
func mayReset(e conformance.Expect) conformance.Expect {
	reset := conformance.ErrorFrame(code("SESSION_UNKNOWN"), conformance.ScopeSession)
	e.Allowed = append(e.Allowed, conformance.Row(reset, "XTMP-RST-001"))
	return e
}

// covers reports whether a frame is an Ack on UDP that covers a sequence number.
func covers(r *peer.Received, sequence uint64) bool { return testkit.Covers(r.Acked(), sequence) }

// kind reports whether a frame is a Heartbeat of a kind.
func kind(r *peer.Received, kind uint8) bool {
	return r.Is(typeHeartbeat) && len(r.Plaintext.Body) > 0 && r.Plaintext.Body[0] == kind
}

// gather reads for the named wait and returns what came.
func gather(x *conformance.Exchange, s *peer.Session, wait string) []*peer.Received {
	frames, err := s.Drain(x.AtLeast(wait))
	if o, ok := conformance.Seen(err, wait); !ok || o.Kind != conformance.KindSilence {
		need(x, err)
	}
	return frames
}

// distant returns a session whose server has measured a round trip of at least the
// named wait: ClientFinish comes so late. Its PTO is several times that, so that what
// comes at once can be told from what comes by a timer.
func distant(x *conformance.Exchange, wait string) *peer.Session {
	c, _ := flightUDP(x)
	x.Pause(wait)
	s := c.Session()
	s.Acks = true
	send(x, c.SendDraft(c.FinishDraft()))
	if _, err := s.ReadDone(); noted(err) != nil {
		unprepared(x, "HandshakeDone", err)
	}
	return s
}

// expiries waits for a reply that is not acknowledged and for its repetitions, until so
// many have come, and returns the first frame of each. An expiry of PTO may send two.
func expiries(x *conformance.Exchange, s *peer.Session, mid uint64, repetitions int) (copies []*peer.Received) {
	for len(copies) < 1+repetitions {
		r := nextFirst(x, s, mid)
		if n := len(copies); n == 0 || r.At.Sub(copies[n-1].At) >= x.AtLeast("T_ACK") { // PTO is longer
			copies = append(copies, r)
		}
	}
	return copies
}

// skipTwins reads what else the expiry of PTO has sent that repeated a reply at a moment.
func skipTwins(x *conformance.Exchange, s *peer.Session, mid uint64, moment time.Time) {
	for firstUntil(x, s, mid, moment.Add(x.AtLeast("T_ACK"))) != nil {
		x.Note("a second frame of the same expiry")
	}
}
