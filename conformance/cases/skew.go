package cases

import (
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// skews asks how a server judges the client's clock in the handshake.
func skews() []conformance.Case {
	return []conformance.Case{
		smallSkew(), greatSkew(), skewBehindBadFinish(), skewShrinks(), skewGrows(),
	}
}

// handshakeAt runs a handshake of a client whose clock is off by so much from
// the server's, and judges how it ends.
func handshakeAt(x *conformance.Exchange, off time.Duration, write peer.Writer) {
	_, clock := hello(x, dial(x))
	c := dial(x)
	s, err := c.Handshake(peer.Script{Lenient: true, Write: write, Hello: func(h *peer.Hello) {
		h.Body.SetUint("client_time", shifted(clock.at(time.Now()), off))
	}})
	x.Judge(observe(x, err, conformance.BudgetReply))
	if err != nil {
		requireEnd(x, s)
	}
}

// skewed is the parameter of a case about clocks, and signed what it means.
func skewed() conformance.Param { return param("clock", "behind", "ahead") }

func signed(x *conformance.Exchange, off time.Duration) time.Duration {
	if x.Param("clock") == "behind" {
		return -off
	}
	return off
}

func smallSkew() conformance.Case {
	return conformance.Case{
		ID: "XC-0110", Title: "A client whose clock is off by less than 300 s is accepted.",
		Proves: []string{"XTMP-TIM-011"}, Expect: accepts(), Params: []conformance.Param{skewed()},
		Explain: explain("Clocks of small devices drift; the text gives them five minutes in either direction.",
			"A handshake whose client_time is nearly T_SKEW from the server's time.",
			"the limit is shorter", "the difference is computed unsigned, so that a client ahead or behind is refused"),
		Run: func(x *conformance.Exchange) { handshakeAt(x, signed(x, x.Wait("T_SKEW").Limit-margin(x)), nil) },
	}
}

func greatSkew() conformance.Case {
	return conformance.Case{
		ID: "XC-0111", Title: "A client whose clock is off by more than 300 s is refused with CLOCK_SKEW once ClientFinish has verified.",
		Proves: []string{"XTMP-TIM-012"}, Touches: []string{"XTMP-HSK-057", "XTMP-ERR-006"},
		Control: "XC-0110", Expect: violates("CLOCK_SKEW", "XTMP-TIM-012", "XTMP-HSK-057"),
		Params: []conformance.Param{skewed(), param("by", "just outside", "a day")},
		Explain: explain("A session with a wrong clock would age, rotate and expire at the wrong time.",
			"A handshake whose client_time is more than T_SKEW from the server's time; everything else, the stamps too, follows that clock.",
			"the skew is judged at ClientHello, before the client has proven anything", "the refusal is a clear Error", "skew is ignored"),
		Run: func(x *conformance.Exchange) {
			off := x.Wait("T_SKEW").Limit + margin(x)
			if x.Param("by") == "a day" {
				off = x.Wait("T_ROTATE").Limit
			}
			handshakeAt(x, signed(x, off), nil)
		},
	}
}

func skewBehindBadFinish() conformance.Case {
	return conformance.Case{
		ID: "XC-0112", Title: "A client with a wrong clock whose ClientFinish does not verify is not told about its clock.",
		Proves: []string{"XTMP-TIM-012"}, Touches: []string{"XTMP-HSK-049"},
		Control: "XC-0110", Expect: closes("XTMP-TIM-012", "XTMP-HSK-049"), Params: []conformance.Param{skewed()},
		Explain: explain("Skew is reported after authentication only, so that nobody can be told a false time by a stranger, nor probe for it.",
			"A ClientHello whose client_time is more than T_SKEW off, and a ClientFinish with one wrong bit in its MAC.",
			"the clock is judged before the MAC"),
		Run: func(x *conformance.Exchange) {
			_, clock := hello(x, dial(x))
			c := flightBy(x, peer.Script{Hello: func(h *peer.Hello) {
				h.Body.SetUint("client_time", shifted(clock.at(time.Now()), signed(x, x.Wait("T_SKEW").Limit+margin(x))))
			}})
			d := c.FinishDraft()
			d.Body.Flip("mac", 0)
			send(x, c.SendDraft(d))
			judgeClosed(x, c)
		},
	}
}

// slowly writes ClientHello in two pieces with T_LINGER between them.
func slowly(x *conformance.Exchange) peer.Writer {
	return func(c *peer.Conn, step string, raw []byte) error {
		if step != "ClientHello" {
			return c.WriteRaw(raw)
		}
		if err := c.WriteRaw(raw[:len(raw)-1]); err != nil {
			return err
		}
		x.Pause("T_LINGER")
		return c.WriteRaw(raw[len(raw)-1:])
	}
}

func skewShrinks() conformance.Case {
	return conformance.Case{
		ID:     "XC-0113",
		Title:  "The client's clock is judged when ClientHello is complete: a difference that has shrunk to 300 s by then is accepted.",
		Proves: []string{"XTMP-TIM-010"}, Expect: accepts(), Timer: "T_LINGER",
		Explain: explain("Both ends take the same moment as their anchor, the receipt of the complete hello; stamps are judged against it later.",
			"A ClientHello whose client_time is half a second more than T_SKEW ahead, of which the last byte follows after T_LINGER.",
			"the moment of the first byte or of accepting the connection is taken"),
		Run: func(x *conformance.Exchange) {
			handshakeAt(x, x.Wait("T_SKEW").Limit+x.AtLeast("T_LINGER")/2, slowly(x))
		},
	}
}

func skewGrows() conformance.Case {
	return conformance.Case{
		ID:     "XC-0114",
		Title:  "The client's clock is judged when ClientHello is complete: a difference that has grown beyond 300 s by then is refused.",
		Proves: []string{"XTMP-TIM-010"}, Touches: []string{"XTMP-TIM-012"},
		Control: "XC-0113", Expect: violates("CLOCK_SKEW", "XTMP-TIM-010"), Timer: "T_LINGER",
		Explain: explain("Both ends take the same moment as their anchor, the receipt of the complete hello; stamps are judged against it later.",
			"A ClientHello whose client_time is half a second less than T_SKEW behind, of which the last byte follows after T_LINGER.",
			"the moment of the first byte or of accepting the connection is taken"),
		Run: func(x *conformance.Exchange) {
			handshakeAt(x, -x.Wait("T_SKEW").Limit+x.AtLeast("T_LINGER")/2, slowly(x))
		},
	}
}
