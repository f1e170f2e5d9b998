package cases

import (
	"slices"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// The hs_types that the cases put in and out of place.
const (
	hsClientHello  = 1
	hsServerHello  = 3
	hsClientFinish = 5
	hsRekeyInit    = 32
)

// handshake returns the cases of chapter 5, section by section.
func handshake() []conformance.Case {
	return slices.Concat(
		envelope(),
		clientHello(),
		serverHello(),
		serverFlight(),
		clientFinish(),
		handshakeDone(),
		firstFrame(),
		refusals(),
		establishment(),
		downgrade(),
	)
}

// sendHello opens a connection with a ClientHello after the edits.
func sendHello(x *conformance.Exchange, edits ...func(*peer.Hello)) *peer.Conn {
	c := dial(x)
	h := c.HelloDefaults()
	for _, edit := range edits {
		edit(h)
	}
	send(x, c.SendHello(h))
	return c
}

// readServerHello returns the body of ServerHello. Where the case proves a rule
// that it breaks, the case fails; without a ServerHello it is inconclusive.
func readServerHello(x *conformance.Exchange, c *peer.Conn) *testkit.Message {
	r, err := c.ReadServerHello()
	requireStep(x, c, "ServerHello", err, derived(c, "SH"))
	return r.Body("server_hello")
}

// readFlight reads ServerFlight, with the rules of readServerHello.
func readFlight(x *conformance.Exchange, c *peer.Conn) {
	_, err := c.ReadFlight(nil)
	requireStep(x, c, "ServerFlight", err, derived(c, "SS"))
}

// readDone reads HandshakeDone, with the rules of readServerHello.
func readDone(x *conformance.Exchange, s *peer.Session) *peer.Received {
	r, err := s.ReadDone()
	requireStep(x, s.Conn, "HandshakeDone", err, r != nil && r.Is(typeHandshakeAck))
	return r
}

// requireStep goes on after an error only if the message came all the same and the
// case does not prove the rule that it breaks.
func requireStep(x *conformance.Exchange, c *peer.Conn, what string, err error, came bool) {
	requireClean(x, c)
	if err != nil && !came {
		unprepared(x, what, err)
	}
}

// derived reports whether the key schedule knows a value.
func derived(c *peer.Conn, name string) bool {
	return slices.ContainsFunc(c.Schedule().Trace(), func(n testkit.Named) bool { return n.Name == name })
}

// sendFinish sends ClientFinish after the edits.
func sendFinish(x *conformance.Exchange, c *peer.Conn, edits ...func(*peer.Draft)) {
	d := c.FinishDraft()
	for _, edit := range edits {
		edit(d)
	}
	send(x, c.SendDraft(d))
}

// badFinish sends a ClientFinish with a defect and judges that the server closes
// silently.
func badFinish(x *conformance.Exchange, edits ...func(*peer.Draft)) {
	c := flight(x)
	sendFinish(x, c, edits...)
	judgeClosed(x, c)
}

// badHello sends a ClientHello with a defect and judges the clear Error.
func badHello(x *conformance.Exchange, edits ...func(*peer.Hello)) {
	judgeError(x, sendHello(x, edits...))
}

// goodHello sends an unusual, but correct, ClientHello and judges that ServerHello
// comes.
func goodHello(x *conformance.Exchange, edits ...func(*peer.Hello)) {
	x.Judge(reaction(x, sendHello(x, edits...), conformance.BudgetReply))
}
