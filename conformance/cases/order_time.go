package cases

import (
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// orderTime returns the cases of chapter 7 that watch the clock.
func orderTime() []conformance.Case {
	return []conformance.Case{slowFrame(), stoppedFrame(), manyFirstFrames()}
}

func slowFrame() conformance.Case {
	return conformance.Case{
		ID: "XC-0350", Title: "A frame that arrives in pieces within T_FRAME is served.",
		Proves: []string{"XTMP-ORD-004"}, Touches: []string{"XTMP-HDR-007", "XTMP-TMR-003"}, Expect: accepts(),
		Explain: explain("A slow network is no attack; the timer bounds a whole frame and not the time between two bytes.",
			"A PING whose header and payload come in four pieces with pauses, twice in one session.",
			"a short read deadline is set for each read", "a part of a frame is dropped when the read returns"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			for range 2 {
				data := x.Entropy("ping").Bytes(32)
				raw := s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, data)).Encode()
				for _, piece := range [][]byte{raw[:1], raw[1:95], raw[95:100]} {
					send(x, s.WriteRaw(piece))
					x.Pause(conformance.BudgetQuiet)
				}
				send(x, s.WriteRaw(raw[100:]))
				judgePong(x, s, data)
			}
		},
	}
}

func stoppedFrame() conformance.Case {
	return conformance.Case{
		ID: "XC-0351", Title: "A connection on which a frame is not complete after T_FRAME is closed silently.",
		Proves: []string{"XTMP-ORD-004"}, Touches: []string{"XTMP-TMR-003", "XTMP-TMR-004", "XTMP-HDR-009"}, Timer: "T_FRAME",
		Labels: []string{conformance.LabelSlow}, Control: controlPing, Expect: closes("XTMP-ORD-004"),
		Params: []conformance.Param{param("sent", "1 byte", "95 bytes", "header", "dribble")},
		Explain: explain("A frame that never ends holds its buffer; one byte now and then must not hold it longer.",
			"The beginning of a PING and then nothing, or further bytes some seconds apart.",
			"the timer starts anew with each byte", "only the silence of the path is timed", "an Error is sent when it expires"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			began, start := clocked(x, s)
			raw := s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, make([]byte, 60))).Encode()
			n := map[string]int{"1 byte": 1, "95 bytes": 95, "header": testkit.HeaderSize, "dribble": 1}[x.Param("sent")]
			send(x, s.WriteRaw(raw[:n]))
			if x.Param("sent") == "dribble" {
				for ; n <= 4; n++ {
					x.Pause("T_PROBE") // any span of which several fit into the timer
					send(x, s.WriteRaw(raw[n:n+1]))
				}
			}
			judgeExpiry(x, s, "T_FRAME", start)
			x.RequireNotBefore("T_FRAME", began)
		},
	}
}

func manyFirstFrames() conformance.Case {
	return conformance.Case{
		ID: "XC-0352", Title: "First frames of one source beyond its token bucket are delayed.",
		Proves: []string{"XTMP-ORD-014"}, Level: conformance.Should, Disruptive: true,
		Explain: explain("One address that connects without end would otherwise take the handshakes of all others.",
			"Small malformed first frames from one address, each on a connection of its own, half as many more as the bucket holds.",
			"there is no token bucket, or its configuration is off", "the bucket counts handshakes that were served only",
			"a frame beyond it is refused with SERVER_BUSY"),
		Run: func(x *conformance.Exchange) {
			burst, rate := size("pre_session_burst"), size("pre_session_rate")
			beyond := burst / 2
			start := time.Now()
			for range burst + beyond {
				c := dial(x)
				send(x, c.SendFrame(testkit.NewFrame(typeHandshake, 0)))
				o := reaction(x, c, "T_HANDSHAKE_TCP")
				served := o.Kind == conformance.KindErrorFrame && o.Code == code("MALFORMED")
				x.Require(served || o.IsClose(), "a delayed frame is served as usual, or its connection closes")
				send(x, c.Close())
			}
			x.Require(time.Since(start) >= time.Duration(beyond)*time.Second/time.Duration(rate), "the bucket lets no more than its rate through")
		},
	}
}
