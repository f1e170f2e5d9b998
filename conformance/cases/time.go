package cases

import (
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// The greatest timestamp, 56 bits of microseconds.
const maxStamp = 1<<56 - 1

// stamps asks about the timestamps of frames.
func stamps() []conformance.Case {
	return []conformance.Case{
		sealedStamps(), clearStamps(), stampInWindow(), stampAhead(), stampBehind(), stampOfHandshake(),
	}
}

// shifted moves a time in microseconds.
func shifted(micros uint64, by time.Duration) uint64 { return micros + uint64(by.Microseconds()) }

// A serverClock is what ServerHello told about the server's time.
type serverClock struct {
	micros uint64    // server_time
	moment time.Time // when it came, by our clock
}

// at is the server's time at a moment of ours.
func (k serverClock) at(moment time.Time) uint64 { return shifted(k.micros, moment.Sub(k.moment)) }

// requireStamp requires that a stamp is the server's time at the moment at which
// the frame came, but for the age that a stamp may have and this machine's slack.
func (k serverClock) requireStamp(x *conformance.Exchange, r *peer.Received) {
	off := time.Duration(int64(r.Frame.Header.Uint("timestamp")-k.at(r.At))) * time.Microsecond
	x.Note("the stamp of %s is %v from the server's time", r.Name, off)
	x.RequireAtMost("T_STAMP_AGE", off.Abs())
}

// hello sends a correct ClientHello and returns ServerHello and its clock.
func hello(x *conformance.Exchange, c *peer.Conn) (*peer.Received, serverClock) {
	send(x, c.SendHello(c.HelloDefaults()))
	r, err := c.ReadFrame(0)
	step(x, "ServerHello", err, err == nil && r.Is(typeHandshakeAck))
	return r, serverClock{micros: r.Body("server_hello").Uint("server_time"), moment: r.At}
}

// helloOf returns the ServerHello of a handshake, from the transcript.
func helloOf(c *peer.Conn) *testkit.Message {
	message, _ := testkit.Decode("transcript_message", 0, c.Schedule().Value("SH"))
	body, _ := testkit.Decode("server_hello", 0, message.Bytes("body"))
	return body
}

func sealedStamps() conformance.Case {
	return conformance.Case{
		ID: "XC-0100", Title: "Sealed frames are stamped with server_time plus the time that has passed since, in microseconds.",
		Proves: []string{"XTMP-TIM-001", "XTMP-HDR-006"}, Timer: "T_STAMP_AGE",
		Explain: explain("A client judges the stamps against the server's own clock; a stamp that stands still ends the "+
			"session after five minutes.",
			"A handshake and, after twice T_STAMP_AGE, a PING. ServerFlight, HandshakeDone and the PONG are compared with server_time.",
			"the stamp is taken once per session", "milliseconds or seconds are written", "the 56 bits begin at the wrong byte",
			"stamps restart at 0"),
		Run: func(x *conformance.Exchange) {
			c := dial(x)
			var flight *peer.Received
			s, err := c.Handshake(peer.Script{Lenient: true, Finish: func(*peer.Draft) { flight = c.Last() }})
			step(x, "a session", err, true)
			// Both came in one write, or one shortly after the other.
			clock := serverClock{micros: helloOf(c).Uint("server_time"), moment: flight.At}
			clock.requireStamp(x, flight)
			clock.requireStamp(x, s.Last()) // HandshakeDone
			x.Pause("T_STAMP_AGE")
			x.Pause("T_STAMP_AGE")
			_, err = s.Ping(x.Entropy("ping").Bytes(8))
			step(x, "a PONG", err, true)
			clock.requireStamp(x, s.Last())
		},
	}
}

func clearStamps() conformance.Case {
	return conformance.Case{
		ID: "XC-0101", Title: "Clear frames are stamped with the server's wall time.",
		Proves: []string{"XTMP-TIM-004", "XTMP-HDR-006"},
		Explain: explain("The stamp of a clear Error is all that a client with a wrong clock learns about the time.",
			"A correct ClientHello, and on another connection one without a suite. The stamps of ServerHello and of the Error "+
				"are compared with server_time.",
			"clear frames carry no stamp", "the stamp counts from the start of the process"),
		Run: func(x *conformance.Exchange) {
			r, clock := hello(x, dial(x))
			clock.requireStamp(x, r)
			c := dial(x)
			refused := c.HelloDefaults()
			refused.Body.Set("suites", []byte{0xFF, 0xFF, 0xFF, 0xFF})
			send(x, c.SendHello(refused))
			r, err := c.ReadFrame(0)
			step(x, "a clear Error", err, err == nil && r.Type() == typeError)
			clock.requireStamp(x, r)
		},
	}
}

// margin keeps a time clear of the edge of its window: what may pass between
// writing and judging it.
func margin(x *conformance.Exchange) time.Duration {
	return min(x.AtLeast(conformance.BudgetReply), x.AtLeast("T_STAMP_AHEAD")/4)
}

// sessionAt returns a session of a client whose clock is off by so much from the
// server's.
func sessionAt(x *conformance.Exchange, off time.Duration) *peer.Session {
	_, clock := hello(x, dial(x))
	return sessionBy(x, peer.Script{Hello: func(h *peer.Hello) {
		h.Body.SetUint("client_time", shifted(clock.at(time.Now()), off))
	}})
}

func stampInWindow() conformance.Case {
	return conformance.Case{
		ID: "XC-0102", Title: "A stamp from 300 s behind to 30 s ahead of the client's own clock is accepted.",
		Proves: []string{"XTMP-TIM-005"}, Touches: []string{"XTMP-TIM-011"}, Expect: accepts(),
		Params: []conformance.Param{
			param("stamp", "behind", "half behind", "exact", "half ahead", "ahead"), param("clock", "behind", "right", "ahead"),
		},
		Explain: explain("TCP may hold a frame back for minutes, and clocks differ; neither must end a session.",
			"A session of a client whose clock is off by nearly T_SKEW or not at all, and a PING stamped that far from that clock.",
			"stamps are compared with the server's wall clock and not with the anchor", "the window is the same in both directions"),
		Run: func(x *conformance.Exchange) {
			skew := x.Wait("T_SKEW").Limit - margin(x)
			s := sessionAt(x, map[string]time.Duration{"behind": -skew, "right": 0, "ahead": skew}[x.Param("clock")])
			behind, ahead := x.Wait("T_STAMP_BEHIND").Limit-margin(x), x.Wait("T_STAMP_AHEAD").Limit-margin(x)
			by := map[string]time.Duration{"behind": -behind, "half behind": -behind / 2, "exact": 0, "half ahead": ahead / 2, "ahead": ahead}
			ping(x, s, func(d *peer.Draft) {
				d.Frame.Header.SetUint("timestamp", shifted(d.Frame.Header.Uint("timestamp"), by[x.Param("stamp")]))
			})
		},
	}
}

func stampAhead() conformance.Case {
	return conformance.Case{
		ID: "XC-0103", Title: "A frame stamped more than 30 s ahead closes the connection silently.",
		Proves: []string{"XTMP-TIM-006"}, Control: "XC-0102", Expect: closes("XTMP-TIM-006"),
		Params: []conformance.Param{param("stamp", "just outside", "a day ahead", "2^55", "2^56 - 1")},
		Explain: explain("Only a faulty clock explains a stamp from the future.",
			"A PING in a new session, correct but for its stamp.",
			"stamps are not judged", "the difference is computed unsigned or overflows", "the window is the same in both directions"),
		Run: func(x *conformance.Exchange) {
			badPing(x, session(x), func(d *peer.Draft) {
				stamp := map[string]uint64{
					"just outside": shifted(d.Frame.Header.Uint("timestamp"), x.Wait("T_STAMP_AHEAD").Limit+margin(x)),
					"a day ahead":  shifted(d.Frame.Header.Uint("timestamp"), x.Wait("T_ROTATE").Limit),
					"2^55":         1 << 55,
					"2^56 - 1":     maxStamp,
				}
				d.Frame.Header.SetUint("timestamp", stamp[x.Param("stamp")])
			})
		},
	}
}

func stampBehind() conformance.Case {
	return conformance.Case{
		ID: "XC-0104", Title: "A frame stamped more than 300 s behind closes the connection silently.",
		Proves: []string{"XTMP-TIM-007"}, Control: "XC-0102", Expect: closes("XTMP-TIM-007"),
		Params: []conformance.Param{param("stamp", "just outside", "a day behind", "1", "0")},
		Explain: explain("A frame that old was held back by somebody.",
			"A PING in a new session, correct but for its stamp.",
			"stamps are not judged", "0 is taken for no stamp", "the difference is computed unsigned"),
		Run: func(x *conformance.Exchange) {
			badPing(x, session(x), func(d *peer.Draft) {
				stamp := map[string]uint64{
					"just outside": shifted(d.Frame.Header.Uint("timestamp"), -x.Wait("T_STAMP_BEHIND").Limit-margin(x)),
					"a day behind": shifted(d.Frame.Header.Uint("timestamp"), -x.Wait("T_ROTATE").Limit),
					"1":            1,
					"0":            0,
				}
				d.Frame.Header.SetUint("timestamp", stamp[x.Param("stamp")])
			})
		},
	}
}

func stampOfHandshake() conformance.Case {
	return conformance.Case{
		ID: "XC-0105", Title: "The stamps of ClientHello and ClientFinish are not judged.",
		Proves: []string{"XTMP-TIM-008"}, Expect: accepts(),
		Params: []conformance.Param{
			param("frame", "ClientHello", "ClientFinish", "both"), param("stamp", "0", "2^56 - 1", "a day behind", "a day ahead"),
		},
		Explain: explain("The clock is judged once, by client_time and after authentication; a stranger must not be told a "+
			"time, nor refused for one.",
			"A handshake in which the header of ClientHello or ClientFinish has such a stamp and client_time is right.",
			"the window is applied to every frame", "the anchor is taken from the header and not from client_time"),
		Run: func(x *conformance.Exchange) {
			restamp := func(d *peer.Draft) {
				stamp := map[string]uint64{
					"0": 0, "2^56 - 1": maxStamp,
					"a day behind": shifted(d.Frame.Header.Uint("timestamp"), -x.Wait("T_ROTATE").Limit),
					"a day ahead":  shifted(d.Frame.Header.Uint("timestamp"), x.Wait("T_ROTATE").Limit),
				}
				d.Frame.Header.SetUint("timestamp", stamp[x.Param("stamp")])
			}
			script := peer.Script{Lenient: true}
			if x.Param("frame") != "ClientFinish" {
				script.Hello = func(h *peer.Hello) { restamp(h.Draft) }
			}
			if x.Param("frame") != "ClientHello" {
				script.Finish = restamp
			}
			s, err := dial(x).Handshake(script)
			x.Judge(observe(x, err, conformance.BudgetReply))
			ping(x, s)
		},
	}
}
