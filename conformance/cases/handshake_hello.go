package cases

import (
	"bytes"
	"encoding/hex"
	"slices"
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// clientHello returns the cases of section 5.2.
func clientHello() []conformance.Case {
	return []conformance.Case{freeContent(), anyClock(), gapInSuites(), repeatedSuite(), helloLength(), largestHello()}
}

func freeContent() conformance.Case {
	return conformance.Case{
		ID: "XC-0210", Title: "A ClientHello is well-formed whatever its free fields hold.",
		Proves: []string{"XTMP-HSK-009"}, Touches: []string{"XTMP-SUI-003", "XTMP-TYP-017"}, Expect: accepts(),
		Params: []conformance.Param{param("content", "random=00", "random=FF", "identity_hint=FF", "identity_hint=random",
			"flags=0000", "flags=FFFF", "suites=01FEFD02", "suites=7F66DD01")},
		Explain: explain("A field that is free today is where tomorrow's clients say something new; a server that judges it locks them out.",
			"A ClientHello with one field at an unusual value; ServerHello and ServerFlight have to come.",
			"undefined flags or unknown suites are refused", "a hint that fits no identity is taken for an error",
			"a random of one repeated byte is taken for a broken client"),
		Run: func(x *conformance.Exchange) {
			c := sendHello(x, func(h *peer.Hello) { setContent(x, h.Body) })
			if _, err := c.ReadServerHello(); err != nil { // a refusal is what the case is about
				x.Judge(observe(x, err, conformance.BudgetReply))
				return
			}
			x.Judge(reaction(x, c, conformance.BudgetReply))
		},
	}
}

func setContent(x *conformance.Exchange, body *testkit.Message) {
	switch x.Param("content") {
	case "random=00":
		body.Set("random", make([]byte, 32))
	case "random=FF":
		body.Set("random", bytes.Repeat([]byte{0xFF}, 32))
	case "identity_hint=FF":
		body.Set("identity_hint", bytes.Repeat([]byte{0xFF}, 32))
	case "identity_hint=random":
		body.Set("identity_hint", x.Entropy("hint").Bytes(32))
	case "flags=0000":
		body.SetUint("flags", 0)
	case "flags=FFFF":
		body.SetUint("flags", 0xFFFF)
	case "suites=01FEFD02":
		body.Set("suites", []byte{0x01, 0xFE, 0xFD, 0x02})
	case "suites=7F66DD01":
		body.Set("suites", []byte{0x7F, 0x66, 0xDD, 0x01})
	}
}

func anyClock() conformance.Case {
	return conformance.Case{
		ID: "XC-0211", Title: "A ClientHello is well-formed whatever client_time holds.",
		Proves: []string{"XTMP-HSK-009"}, Touches: []string{"XTMP-TIM-012"}, Expect: accepts(),
		Params: []conformance.Param{param("client_time", "0x0", "0x00FFFFFFFFFFFFFF", "0x7FFFFFFFFFFFFFFF")},
		Explain: explain("A client with a wrong clock has to learn so from an authenticated server, not from a clear Error of anyone.",
			"A ClientHello with an impossible time; ServerHello has to come, the clock is refused later.",
			"the skew is judged with the form of ClientHello", "a number above 56 bits is taken for malformed"),
		Run: func(x *conformance.Exchange) {
			goodHello(x, func(h *peer.Hello) { h.Body.SetUint("client_time", uint64(x.ParamInt("client_time"))) })
		},
	}
}

// setSuites writes the four slots from the param of that name.
func setSuites(x *conformance.Exchange, h *peer.Hello) {
	suites, err := hex.DecodeString(x.Param("suites"))
	if err != nil {
		x.Fatal(err)
	}
	h.Body.Set("suites", suites)
}

func gapInSuites() conformance.Case {
	return conformance.Case{
		ID: "XC-0212", Title: "A ClientHello in which 0xFF stands before a used slot of suites is malformed.",
		Proves: []string{"XTMP-HSK-008", "XTMP-HSK-071"}, Control: controlHandshake, Expect: refuses("MALFORMED", "XTMP-HSK-008"),
		Params: []conformance.Param{param("suites", "FF01FFFF", "FFFFFF01", "01FF01FF", "01FFFF7F")},
		Explain: explain("One list has one encoding; two encodings of the same offer are two transcripts.",
			"A ClientHello that offers suite 1 with an unused slot before a used one.",
			"0xFF is skipped like any unknown suite", "the list ends at the first 0xFF and the rest is not looked at"),
		Run: func(x *conformance.Exchange) {
			badHello(x, func(h *peer.Hello) { setSuites(x, h) })
		},
	}
}

func repeatedSuite() conformance.Case {
	return conformance.Case{
		ID: "XC-0213", Title: "A suite that is listed more than once counts once.",
		Proves: []string{"XTMP-HSK-010"}, Expect: accepts(),
		Params: []conformance.Param{param("suites", "0101FFFF", "01010101", "7F017F01")},
		Explain: explain("Repeating a suite is a mistake of the client that harms nobody, so it must not cost a session.",
			"A ClientHello that lists suite 1 again; the session has to come about with suite 1.",
			"a list with repetitions is called malformed"),
		Run: func(x *conformance.Exchange) {
			c := sendHello(x, func(h *peer.Hello) { setSuites(x, h) })
			x.RequireField("suite", testkit.SuiteAES256GCM, readServerHello(x, c).Uint("suite"))
			x.Judge(reaction(x, c, conformance.BudgetReply))
		},
	}
}

func helloLength() conformance.Case {
	return conformance.Case{
		ID: "XC-0214", Title: "A ClientHello body of a length that its layout does not allow is malformed.",
		Proves: []string{"XTMP-HSK-071"}, Touches: []string{"XTMP-CON-004", "XTMP-TYP-029"}, Control: controlHandshake,
		Expect: refuses("MALFORMED", "XTMP-HSK-071"),
		Params: []conformance.Param{param("length", "0", "1", "1295", "1296", "1297", "+1")},
		Explain: explain("A reader that trusts the shortest length it needs reads past the end, or leaves bytes that nobody judged.",
			"A ClientHello cut off, or with one byte more than its TLV block announces; envelope and header agree with what is sent.",
			"a missing TLV block is taken for an empty one", "bytes behind the TLV block are ignored",
			"a short body closes the connection without an Error"),
		Run: func(x *conformance.Exchange) {
			c := dial(x)
			d := c.HelloDefaults().Draft
			d.Plaintext.Body, d.Body = d.Body.Set("extensions", testkit.TLVBlock()).Encode(), nil
			if x.Param("length") == "+1" {
				d.Plaintext.Body = append(d.Plaintext.Body, 0)
			} else {
				d.Plaintext.Body = d.Plaintext.Body[:x.ParamInt("length")]
			}
			send(x, c.SendDraft(d))
			judgeError(x, c)
		},
	}
}

func largestHello() conformance.Case {
	return conformance.Case{
		ID: "XC-0215", Title: "A ClientHello of 8192 bytes is served.",
		Proves: []string{"XTMP-HSK-076"}, Touches: []string{"XTMP-HDR-008", "XTMP-LIM-001", "XTMP-TYP-025"}, Expect: accepts(),
		Explain: explain("Later clients fill this room with extensions; a server that stops short of it cannot talk to them.",
			"A ClientHello whose TLV entry of an ignored type fills the frame up to a payload_length of 8208.",
			"the read buffer is one frame of the usual size", "the limit is compared with less instead of less or equal"),
		Run: func(x *conformance.Exchange) {
			goodHello(x, func(h *peer.Hello) {
				room := size("handshake_message") - len(h.Body.Set("extensions", testkit.TLVBlock()).Encode()) - 4
				h.Body.Set("extensions", testkit.TLVBlock(testkit.TLV{Type: 0xBEEF, Value: x.Entropy("fill").Bytes(room)}))
			})
		},
	}
}

// serverHello returns the cases of section 5.3.
func serverHello() []conformance.Case {
	return []conformance.Case{highestVersion(), sessionIDTwice(), wallTime()}
}

func highestVersion() conformance.Case {
	return conformance.Case{
		ID: "XC-0220", Title: "Version 1 is chosen from every range in which it lies.",
		Proves: []string{"XTMP-HSK-011"},
		Params: []conformance.Param{param("min", "0", "1"), param("max", "1", "2", "255")},
		Explain: explain("A client that knows later versions still has to reach a server that does not.",
			"A ClientHello whose version range holds more than version 1.",
			"the range has to be exactly 1 … 1", "max_version is echoed"),
		Run: func(x *conformance.Exchange) {
			c := sendHello(x, func(h *peer.Hello) {
				h.Body.SetUint("min_version", uint64(x.ParamInt("min"))).SetUint("max_version", uint64(x.ParamInt("max")))
			})
			x.RequireField("version", 1, readServerHello(x, c).Uint("version"))
		},
	}
}

func sessionIDTwice() conformance.Case {
	return conformance.Case{
		ID: "XC-0221", Title: "Header and body of ServerHello name the same session.",
		Proves: []string{"XTMP-HSK-013"},
		Explain: explain("Only the body is in the transcript; a header that says something else sends the client's frames to nobody.",
			"A correct ClientHello.",
			"the header of ServerHello is written as for other clear frames, with 0", "the id is drawn twice"),
		Run: func(x *conformance.Exchange) {
			c := sendHello(x)
			body := readServerHello(x, c)
			x.RequireField("session_id", body.Uint("session_id"), c.Last().Frame.Header.Uint("session_id"))
		},
	}
}

func wallTime() conformance.Case {
	return conformance.Case{
		ID: "XC-0222", Title: "ServerHello says the server's wall time, whatever the client's clock says.",
		Proves: []string{"XTMP-HSK-014"},
		Explain: explain("The client judges its clock by this number, and every stamp of the session goes on from it.",
			"Two ClientHellos, one with a clock that is half T_SKEW behind and one with a clock as much ahead.",
			"client_time is echoed", "seconds or milliseconds are sent instead of microseconds", "the time since the start of the server is sent"),
		Run: func(x *conformance.Exchange) {
			var said, seen []time.Duration
			off := x.AtLeast("T_SKEW") / 2
			for _, by := range []time.Duration{-off, off} {
				c := sendHello(x, func(h *peer.Hello) { shiftClock(h, by) })
				said = append(said, time.Duration(readServerHello(x, c).Uint("server_time"))*time.Microsecond)
				seen = append(seen, time.Duration(c.Last().At.UnixMicro())*time.Microsecond)
			}
			apart := (said[1] - said[0]) - (seen[1] - seen[0])
			x.Require(apart.Abs() <= x.AtLeast(conformance.BudgetReply), "server_time goes on as time does and does not follow client_time")
		},
	}
}

// shiftClock moves the client's clock.
func shiftClock(h *peer.Hello, by time.Duration) {
	h.Body.SetUint("client_time", uint64(int64(h.Body.Uint("client_time"))+by.Microseconds()))
}

// serverFlight returns the cases of section 5.4.
func serverFlight() []conformance.Case {
	return []conformance.Case{threeMessages(), keyWhenAsked(), sessionParams()}
}

func threeMessages() conformance.Case {
	return conformance.Case{
		ID: "XC-0223", Title: "ServerFlight is ServerIdentity, ServerSignature and ServerFinished, and nothing else.",
		Proves: []string{"XTMP-HSK-022", "XTMP-HSK-026"},
		Explain: explain("A client judges the flight as a whole; a byte that it does not know ends the handshake.",
			"A correct ClientHello that asks for the identity key.",
			"the messages are sent in frames of their own", "padding follows the last message", "kind is the number of the suite"),
		Run: func(x *conformance.Exchange) {
			c := sendHello(x)
			readServerHello(x, c)
			readFlight(x, c)
			identity := c.Session().Identity()
			x.RequireField("first byte of identity_key", identity.Uint("kind"), identity.Bytes("identity_key")[0])
			x.RequireBytes("fingerprint", testkit.Fingerprint(identity.Bytes("identity_key")), nil, identity.Bytes("fingerprint"))
		},
	}
}

func keyWhenAsked() conformance.Case {
	return conformance.Case{
		ID: "XC-0224", Title: "The identity key is sent exactly when bit 0x0001 of the ClientHello flags asks for it.",
		Proves: []string{"XTMP-HSK-023", "XTMP-HSK-024", "XTMP-HSK-025", "XTMP-HSK-026"}, Expect: accepts(),
		Params: []conformance.Param{param("flags", "0x0000", "0x0001", "0xFFFC", "0xFFFD")},
		Explain: explain("A client without the key cannot verify anything; one that has it refuses a key that it did not ask for.",
			"A handshake to learn the key, then one with the flags of the parameter.",
			"the key is always sent", "the flags are compared as a whole instead of the bit", "key_len keeps its value when the key is left out"),
		Run: func(x *conformance.Exchange) {
			flags := uint64(x.ParamInt("flags"))
			key := session(x).Identity().Bytes("identity_key")
			c := dial(x)
			s, err := c.Handshake(peer.Script{
				Lenient: true, IdentityKey: key, Hello: func(h *peer.Hello) { h.Body.SetUint("flags", flags) },
			})
			requireClean(x, c)
			x.Judge(observe(x, err, conformance.BudgetReply))
			identity := s.Identity()
			included := flags & 1
			x.RequireField("flags", included, identity.Uint("flags")&1)
			x.RequireField("key_len", included*uint64(len(key)), identity.Uint("key_len"))
			x.Require(included == 0 || slices.Equal(key, identity.Bytes("identity_key")), "the key is the same in every handshake")
		},
	}
}

func sessionParams() conformance.Case {
	return conformance.Case{
		ID: "XC-0225", Title: "The parameters of the session are within the bounds that bind the server.",
		Proves: []string{"XTMP-HSK-028", "XTMP-HSK-029", "XTMP-HSK-030", "XTMP-HSK-031", "XTMP-HSK-032"},
		Explain: explain("A client refuses a server whose parameters are out of bounds, so one wrong default shuts everyone out.",
			"A correct ClientHello.",
			"what UDP alone uses is left at 0 by a server without UDP", "0 stands for no timeout or no rotation",
			"a configured value is sent unchecked"),
		Run: func(x *conformance.Exchange) {
			c := sendHello(x)
			readServerHello(x, c)
			readFlight(x, c)
		},
	}
}
