package cases

import (
	"fmt"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// A tour makes a server send every kind of frame that it has in this version:
// ServerHello, ServerFlight, HandshakeDone, PONG, Ack, and Errors clear, as a reply,
// unsolicited and final. The linter of package peer judges each of them.
type tour struct {
	refused *peer.Conn
	conn    *peer.Conn
	session *peer.Session // on conn; nil if it did not come about
	missing string        // the frame that did not come, after which the tour ended
}

// take takes a tour. It goes as far as the server lets it.
func take(x *conformance.Exchange) *tour {
	t := &tour{refused: dial(x), conn: dial(x)}
	t.along(x)
	return t
}

// along goes along the two connections.
func (t *tour) along(x *conformance.Exchange) {
	t.expect(t.clearError(x))
	var err error
	if t.session, err = t.conn.Handshake(peer.Script{Lenient: true}); err != nil {
		x.Note("no session: %v", err)
	}
	t.expect("a session", err)
	for _, leg := range []func(*conformance.Exchange) (string, error){t.pong, t.reply, t.unsolicited, t.ack, t.final} {
		if t.missing == "" {
			t.expect(leg(x))
		}
	}
}

func (t *tour) expect(what string, err error) {
	if err != nil {
		t.missing = what
	}
}

func (t *tour) clearError(x *conformance.Exchange) (string, error) {
	hello := t.refused.HelloDefaults()
	hello.Body.Set("suites", []byte{0xFF, 0xFF, 0xFF, 0xFF})
	send(x, t.refused.SendHello(hello))
	r, err := t.refused.ReadFrame(0)
	if err == nil && r.Type() != typeError {
		err = fmt.Errorf("%s came", r.Name)
	}
	return "a clear Error", err
}

func (t *tour) pong(x *conformance.Exchange) (string, error) {
	_, err := t.session.Ping(x.Entropy("tour").Bytes(8))
	return "a PONG", err
}

func (t *tour) reply(x *conformance.Exchange) (string, error) {
	d, err := t.session.Request(typeUnknown, nil)
	send(x, err)
	_, _, err = t.session.ExpectReply(d.Mid(), 0)
	return "an Error in reply", err
}

func (t *tour) unsolicited(x *conformance.Exchange) (string, error) {
	_, err := t.session.Send(typeUnknown, 0, nil)
	send(x, err)
	_, _, err = t.session.ExpectError(0)
	return "an unsolicited Error", err
}

func (t *tour) ack(x *conformance.Exchange) (string, error) {
	d, err := t.session.Request(typeExtension, nil)
	send(x, err)
	_, _, err = t.session.ExpectAck(d.Sequence, 0)
	return "an Ack", err
}

func (t *tour) final(x *conformance.Exchange) (string, error) {
	_, err := t.session.Send(typeHeartbeat, 0, nil) // a body of 0 bytes is a violation [XTMP-HBT-003]
	send(x, err)
	_, _, err = t.session.ExpectError(0)
	_ = t.session.ExpectEnd(0) // reads what still comes
	return "a final Error", err
}

// toured is a case about what a server sends: the linter's findings on a tour
// that name a requirement which the case proves.
func toured(c conformance.Case) conformance.Case {
	c.Explain.Sends = "Two connections: a ClientHello without a common suite; a session with a PING, two unknown types, " +
		"a reliable extension frame and a Heartbeat without a body."
	c.Run = func(x *conformance.Exchange) {
		t := take(x)
		requireClean(x, t.refused)
		requireClean(x, t.conn)
		if t.missing != "" {
			x.Inconclusive("%s was not seen", t.missing)
		}
	}
	return c
}

// step ends a case that cannot go on: what it asks about would not be seen.
func step(x *conformance.Exchange, what string, err error, fits bool) {
	if err != nil {
		unprepared(x, what, err)
	}
	if !fits {
		x.Inconclusive("another frame came in place of %s", what)
	}
}
