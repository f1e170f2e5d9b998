package cases

import (
	"errors"
	"slices"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// profileWebSocket is the feature of chapter 14.
const profileWebSocket = "websocket"

// The control twins of cases over a WebSocket: the same exchange without the defect.
const (
	controlWebSocket     = "XC-1600" // a handshake over a WebSocket is completed
	controlWebSocketPing = "XC-1601" // a PING in a session over a WebSocket is answered
)

// webSocket returns the cases of chapter 14.
func webSocket() []conformance.Case {
	list := slices.Concat(
		[]conformance.Case{webSocketControl(), webSocketPingControl(), webSocketTour(), webSocketRekey()},
		webSocketOpening(),
		webSocketMessages(),
		webSocketControlFrames(),
		webSocketClosing(),
	)
	for i := range list {
		list[i].Profile = profileWebSocket
	}
	return list
}

// rawWebSocket connects, and sends nothing yet.
func rawWebSocket(x *conformance.Exchange) *peer.WebSocket {
	return peer.NewWebSocket(x.Dial(), x.Entropy("websocket"))
}

// overWebSocket makes a path of a WebSocket that is open.
func overWebSocket(x *conformance.Exchange, w *peer.WebSocket) *peer.Conn {
	return peer.New(w, peer.Target{Pin: x.Endpoint().Fingerprint}, optionsOf(x))
}

// dialWebSocket opens a WebSocket. Without one the case is inconclusive: what failed
// is not what it asks about.
func dialWebSocket(x *conformance.Exchange) *peer.Conn {
	w := rawWebSocket(x)
	if err := w.Open(peer.OpeningDefaults(), x.Within(conformance.BudgetReply)); err != nil {
		unprepared(x, "a WebSocket", err)
	}
	return overWebSocket(x, w)
}

// webSocketSession returns an established session over a WebSocket.
func webSocketSession(x *conformance.Exchange) *peer.Session {
	s, err := dialWebSocket(x).Handshake(peer.Script{Lenient: true})
	if err != nil {
		unprepared(x, "a session over a WebSocket", err)
	}
	return s
}

// webSocketFlight returns a WebSocket on which ClientFinish is due.
func webSocketFlight(x *conformance.Exchange) *peer.Conn {
	c := dialWebSocket(x)
	if _, err := c.Handshake(peer.Script{Lenient: true, Write: holdFinish}); !errors.Is(err, errHeld) {
		unprepared(x, "ServerFlight", err)
	}
	return c
}

// A stage is a point in the life of a WebSocket, and the correct frame that comes
// next from the client: ClientHello, ClientFinish or a PING.
type stage struct {
	*peer.Conn
	talk  conversation // the Conn, or its Session
	draft *peer.Draft
}

// stages is the param of a case that asks at each of them.
func stages() conformance.Param { return param("stage", "opened", "half-open", "session") }

// stageOf comes to the stage that the param names.
func stageOf(x *conformance.Exchange) stage {
	switch x.Param("stage") {
	case "opened":
		c := dialWebSocket(x)
		return stage{c, c, c.HelloDefaults().Draft}
	case "half-open":
		c := webSocketFlight(x)
		return stage{c, c, c.FinishDraft()}
	}
	s := webSocketSession(x)
	return stage{s.Conn, s, s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, x.Entropy("ping").Bytes(8)))}
}

// judgeServed judges a peer that has to act on the frame of the stage.
func (g stage) judgeServed(x *conformance.Exchange) {
	x.Judge(reaction(x, g.talk, conformance.BudgetReply))
}

// judgeCode judges a peer that has to send nothing but a WebSocket close with a code.
func (g stage) judgeCode(x *conformance.Exchange, code int) {
	judgeClosed(x, g.talk)
	requireCode(x, g.Conn, code)
}

// requireCode requires that the connection ended by a WebSocket close with a code.
func requireCode(x *conformance.Exchange, c *peer.Conn, code int) {
	closed := c.WebSocket().Closed()
	x.Require(closed != nil, "the server sends a WebSocket close before it ends the connection")
	x.RequireField("code of the WebSocket close", code, closed.Code)
}

// The codes of RFC 6455 with which a server closes.
const (
	closeNormal   = 1000
	closeProtocol = 1002
	closeText     = 1003
	closeTooBig   = 1009
)

func webSocketControl() conformance.Case {
	return conformance.Case{
		ID: controlWebSocket, Title: "A WebSocket with the subprotocol xtmp.v1 is opened, and a handshake over it is completed.",
		Proves: []string{"XTMP-WSK-005", "XTMP-WSK-006"}, Expect: accepts(),
		Explain: explain("Without an opening there is no session over a WebSocket, and nothing else can be judged.",
			"A GET of /xtmp that offers xtmp.v1, then ClientHello, ClientFinish and an Ack, each in one binary message.",
			"WebSocket is served on another port than that of the READY line, or on another path", "ServerHello and ServerFlight share a message",
			"the subprotocol is not selected in the answer"),
		Run: func(x *conformance.Exchange) {
			w := rawWebSocket(x)
			requireAccepted(x, w, w.Request(peer.OpeningDefaults()))
			judgeHandshake(x, w)
		},
	}
}

// requireAccepted sends a request and requires an answer that accepts it with xtmp.v1
// and without an extension.
func requireAccepted(x *conformance.Exchange, w *peer.WebSocket, request []byte, pieces ...int) {
	for _, n := range pieces {
		send(x, w.SendRequest(request[:n]))
		request = request[n:]
		x.Pause("T_ACK") // any span after which the bytes have been read
	}
	send(x, w.SendRequest(request))
	a := openingAnswer(x, w)
	x.RequireField("HTTP status", 101, a.Status)
	need(x, w.Check(a))
	x.RequireField("Sec-WebSocket-Protocol", []string{peer.Subprotocol}, a.Header.Values("Sec-WebSocket-Protocol"))
	x.RequireField("Sec-WebSocket-Extensions", "", a.Header.Get("Sec-WebSocket-Extensions"))
}

// openingAnswer reads the answer to an opening, without which the case has failed.
func openingAnswer(x *conformance.Exchange, w *peer.WebSocket) *peer.Answer {
	a, err := w.ReadAnswer(x.Within(conformance.BudgetReply))
	if err != nil {
		x.Note("no answer: %v", err)
	}
	x.Require(err == nil, "the opening is answered by HTTP")
	return a
}

// judgeHandshake runs a handshake over a WebSocket that is open.
func judgeHandshake(x *conformance.Exchange, w *peer.WebSocket) {
	c := overWebSocket(x, w)
	_, err := c.Handshake(peer.Script{Lenient: true})
	x.Judge(observe(x, err, conformance.BudgetReply))
	requireSound(x, c)
	requireClean(x, c)
}

func webSocketPingControl() conformance.Case {
	return conformance.Case{
		ID: controlWebSocketPing, Title: "A PING in a session over a WebSocket is answered by one binary message with the PONG.",
		Proves: []string{"XTMP-WSK-013"}, Touches: []string{"XTMP-HBT-004"}, Expect: accepts(),
		Explain: explain("A PING is how this suite tells a message that was ignored from a session that is lost.",
			"One PING in a new session.",
			"path keys or sequence numbers are wrong from the first frame on", "the answer is cut into messages of another size"),
		Run: func(x *conformance.Exchange) {
			s := webSocketSession(x)
			ping(x, s)
			requireSound(x, s.Conn)
			requireClean(x, s.Conn)
		},
	}
}

func webSocketTour() conformance.Case {
	return conformance.Case{
		ID: "XC-1602", Title: "Each frame of the server is one binary message, and no WebSocket frame of it is masked.",
		Proves: []string{"XTMP-WSK-013", "XTMP-WSK-021"},
		Explain: explain("A client takes a message for a frame and closes on any other length; browsers close on a masked frame.",
			"Two WebSockets: a ClientHello without a common suite; a session with a PING, two unknown types, a reliable extension frame "+
				"and a Heartbeat without a body. All messages are looked at.",
			"frames that are ready together are written as one message", "the code of the client writes for the server too"),
		Run: func(x *conformance.Exchange) {
			t := &tour{refused: dialWebSocket(x), conn: dialWebSocket(x)}
			t.along(x)
			requireClean(x, t.refused)
			requireClean(x, t.conn)
			if t.missing != "" {
				x.Inconclusive("%s was not seen", t.missing)
			}
		},
	}
}

func webSocketRekey() conformance.Case {
	return conformance.Case{
		ID: "XC-1603", Title: "A session over a WebSocket is rekeyed and goes on.",
		Proves: []string{"XTMP-WSK-013"}, Touches: []string{"XTMP-RKY-004", "XTMP-RKY-021"}, Expect: accepts(),
		Explain: explain("Whatever this document says of TCP it says of a WebSocket, rekey too.",
			"A request, a whole rekey, another request.",
			"the epoch of a path is only kept for TCP", "RekeyResp is cut into several messages"),
		Run: func(x *conformance.Exchange) {
			s := webSocketSession(x)
			for range 2 {
				d, err := s.Request(typeUnknown, x.Entropy("body").Bytes(16))
				send(x, err)
				_, _, err = s.ExpectReply(d.Mid(), 0)
				need(x, err)
				_, err = s.Rekey(x.Entropy("rekey").Bytes(8))
				need(x, err)
				x.Pause("T_REKEY_GAP")
			}
			x.Judge(conformance.Accepted())
			requireSound(x, s.Conn)
			requireClean(x, s.Conn)
		},
	}
}
