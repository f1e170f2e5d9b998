package cases

import (
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// establishment returns the cases of section 5.10.
func establishment() []conformance.Case {
	return []conformance.Case{halfOpenEnds(), noSecondHandshake()}
}

func halfOpenEnds() conformance.Case {
	return conformance.Case{
		ID: "XC-0280", Title: "A connection without ClientFinish ends T_HANDSHAKE_TCP after it was accepted, silently.",
		Proves: []string{"XTMP-HSK-088"}, Touches: []string{"XTMP-TMR-003", "XTMP-TMR-004"}, Timer: "T_HANDSHAKE_TCP",
		Expect: closes("XTMP-HSK-088"), Control: controlHandshake,
		Params: []conformance.Param{param("after", "nothing", "half a header", "half a ClientHello", "ServerFlight", "a late ClientHello")},
		Explain: explain("Connections that never finish cost a server memory; a deadline that starts anew with each byte is none.",
			"A handshake that stops at the given point; the late ClientHello comes some seconds after the connection was made.",
			"the deadline is set for each read", "it begins with ClientHello", "an Error is sent when it expires"),
		Run: func(x *conformance.Exchange) {
			began := x.Mark()
			start := time.Now()
			c := dial(x)
			raw := c.HelloDefaults().Encode()
			switch x.Param("after") {
			case "half a header":
				send(x, c.WriteRaw(raw[:48]))
			case "half a ClientHello":
				send(x, c.WriteRaw(raw[:700]))
			case "a late ClientHello":
				x.Pause("T_SUSPECT") // any span well below the timer
				fallthrough
			case "ServerFlight":
				send(x, c.SendHello(c.HelloDefaults()))
				readServerHello(x, c)
				readFlight(x, c)
			}
			judgeExpiry(x, c, "T_HANDSHAKE_TCP", start)
			x.RequireNotBefore("T_HANDSHAKE_TCP", began)
		},
	}
}

// judgeExpiry judges that a connection ends silently because a timer ran out that
// started not before start.
func judgeExpiry(x *conformance.Exchange, c conversation, timer string, start time.Time) {
	late := lateness(x.AtLeast(timer))
	_, err := c.ReadFrame(max(x.Within(timer)+late-time.Since(start), time.Millisecond))
	elapsed := time.Since(start)
	x.Judge(observe(x, err, timer))
	x.RequireAtMost(timer, elapsed-late)
}

// lateness is how long after its time a timer may act [XTMP-TMR-004].
func lateness(timer time.Duration) time.Duration { return max(time.Second, timer/10) }

func noSecondHandshake() conformance.Case {
	return conformance.Case{
		ID: "XC-0281", Title: "An established session brings no handshake message but HandshakeDone.",
		Proves: []string{"XTMP-HSK-089"},
		Explain: explain("A client ends the session on a second HandshakeDone, and on anything else of the handshake.",
			"A handshake, a request of an unknown type and a PING; all frames up to the PONG are looked at.",
			"HandshakeDone is sent again while it is not acknowledged", "a message of the handshake is sent late"),
		Run: func(x *conformance.Exchange) {
			s := sessionBy(x, peer.Script{NoAck: true})
			d, err := s.Request(typeUnknown, nil)
			send(x, err)
			_, before, err := s.ExpectReply(d.Mid(), 0)
			if err != nil {
				unprepared(x, "a reply", err)
			}
			x.Pause(conformance.BudgetQuiet)
			more, err := s.Ping([]byte("more?"))
			if err != nil {
				unprepared(x, "a PONG", err)
			}
			for _, r := range append(before, more...) {
				x.Require(r.Type() != typeHandshake && r.Type() != typeHandshakeAck, "no message of the handshake follows HandshakeDone")
			}
			requireClean(x, s.Conn)
		},
	}
}
