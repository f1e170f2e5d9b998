package cases

import (
	"slices"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// probeCases returns the cases of chapter 18.
func probeCases() []conformance.Case {
	list := slices.Concat([]conformance.Case{
		echo(), unusedFields(), sink(), oneWaySink(), source(), longestSource(), sourceTooLong(), failure(), failureOutOfRange(),
		delay(), longestDelay(), delayOutOfRange(), malformedProbe(), unknownOp(),
	}, probeStreams())
	for i := range list {
		list[i].Profile = profileProbe
	}
	return append(list, probeDisabled())
}

func echo() conformance.Case {
	return conformance.Case{
		ID: controlEcho, Title: "Echo is answered with its data.",
		Proves: []string{"XTMP-PRB-006", "XTMP-PRB-007", "XTMP-PRB-011"}, Expect: accepts(),
		Params: []conformance.Param{param("bytes", "0", "1", "16", "4096", "65527", "65528")},
		Explain: explain("Echo shows that a request reaches an application and comes back whole; the other cases with an application lean on it.",
			"An echo with so many random bytes; the longest body has 65 536 bytes.",
			"the reply has another op or arg than the table says", "the message limit is applied to the data or to the frame",
			"type 0x70 is not enabled, though the profile is declared"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			data := x.Entropy("data").Bytes(x.ParamInt("bytes"))
			d := ask(x, s, opEcho, 0, data)
			body := answer(x, s, d.Mid())
			x.Judge(conformance.Accepted())
			requireAnswer(x, body, opEcho, 0, data)
			requireSound(x, s.Conn)
		},
	}
}

func unusedFields() conformance.Case {
	return conformance.Case{
		ID: "XC-0651", Title: "Fields that an operation does not use are ignored.",
		Proves: []string{"XTMP-PRB-007", "XTMP-PRB-008"}, Expect: accepts(),
		Params: []conformance.Param{param("op", "echo", "sink", "source", "fail"), param("bytes", "0", "1000")},
		Explain: explain("A field without meaning may hold anything; a server that judges it breaks with a client that does not clear it.",
			"Echo and sink with the greatest arg, source and fail with data behind their arg.",
			"arg is repeated in the reply", "data behind source is taken for malformed"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			data := x.Entropy("data").Bytes(x.ParamInt("bytes"))
			const most = 1<<32 - 1
			switch op := opOf(x.Param("op")); op {
			case opEcho:
				requireAnswer(x, answer(x, s, ask(x, s, op, most, data).Mid()), op, 0, data)
			case opSink:
				requireAnswer(x, answer(x, s, ask(x, s, op, most, data).Mid()), op, uint64(len(data)), nil)
			case opSource:
				requireAnswer(x, answer(x, s, ask(x, s, op, 300, data).Mid()), op, 0, patterned(300))
			case opFail:
				requireFailure(x, s, ask(x, s, op, 0x45, data).Mid(), 0x45)
			}
			x.Judge(conformance.Accepted())
		},
	}
}

// requireFailure requires an Error with that code as the reply.
func requireFailure(x *conformance.Exchange, s *peer.Session, mid, want uint64) {
	r, _, err := s.ExpectReply(mid, 0)
	need(x, err)
	x.Require(r.Error() != nil, "the reply is an Error")
	x.RequireField("code", want, r.Error().Code)
	x.RequireField("scope", 0, r.Error().Scope)
}

func sink() conformance.Case {
	return conformance.Case{
		ID: "XC-0652", Title: "Sink is answered with the number of its bytes and no data.",
		Proves: []string{"XTMP-PRB-006", "XTMP-PRB-012"}, Expect: accepts(),
		Params: []conformance.Param{param("bytes", "0", "1", "1000", "65528")},
		Explain: explain("Sink measures one direction; a reply that carries the data back measures both.",
			"A sink with so many bytes of data.", "the 8 bytes before the data are counted too", "the data is sent back"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			n := x.ParamInt("bytes")
			requireAnswer(x, answer(x, s, ask(x, s, opSink, 0, make([]byte, n)).Mid()), opSink, uint64(n), nil)
			x.Judge(conformance.Accepted())
		},
	}
}

func oneWaySink() conformance.Case {
	return conformance.Case{
		ID: "XC-0653", Title: "A sink without REQUIRES_ACK is swallowed without a word.",
		Proves: []string{"XTMP-PRB-013"}, Touches: []string{"XTMP-MSG-054"}, Control: "XC-0652", Expect: ignores("XTMP-PRB-013"),
		Params: []conformance.Param{param("bytes", "0", "1", "1000", "65528"), param("times", "1", "50")},
		Explain: explain("It is the one message that wants no answer: load in one direction, without anything coming back.",
			"Sinks without REQUIRES_ACK and mid, then a PING.", "a message without mid is always an error", "the sink is acknowledged"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			for range x.ParamInt("times") {
				sendFrame(x, s, typeProbe, 0, probeBody(opSink, 0, make([]byte, x.ParamInt("bytes"))))
			}
			judgeIgnored(x, s)
		},
	}
}

func source() conformance.Case {
	return conformance.Case{
		ID: "XC-0654", Title: "Source is answered with n bytes, byte i of which is i mod 251.",
		Proves: []string{"XTMP-PRB-006", "XTMP-PRB-007", "XTMP-PRB-014"}, Expect: accepts(),
		Params: []conformance.Param{param("n", "0", "1", "250", "251", "252", "65536", "262136", "262137", "524280", "524281", "1000000")},
		Explain: explain("The bytes can be computed by both ends, so that a lost or exchanged fragment shows; 262 136 is the last n "+
			"that fits one frame.",
			"A source of n bytes; the reply is put together and compared byte by byte.",
			"the pattern starts anew in each fragment", "the pattern is i mod 256", "the 8 bytes before the data are forgotten when it is cut"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			n := x.ParamInt("n")
			requireAnswer(x, answer(x, s, ask(x, s, opSource, uint64(n), nil).Mid()), opSource, 0, patterned(n))
			x.Judge(conformance.Accepted())
			requireClean(x, s.Conn)
		},
	}
}

func longestSource() conformance.Case {
	return conformance.Case{
		ID: "XC-0655", Title: "The longest source is answered whole.",
		Proves: []string{"XTMP-PRB-014", "XTMP-LIM-013"}, Touches: []string{"XTMP-FRG-007"}, Expect: accepts(),
		Disruptive: true, Bulk: true,
		Explain: explain("A limit that cannot be reached is another limit.",
			"A source of 16 777 208 bytes, which makes a body of exactly the message limit; it is read without a pause.",
			"the limit is applied to the data", "the reply is made in memory that runs out"),
		Run: func(x *conformance.Exchange) {
			s := sessionBy(x, peer.Script{}, unrecorded)
			n := size("probe_data_to_client")
			requireAnswer(x, answer(x, s, ask(x, s, opSource, uint64(n), nil).Mid()), opSource, 0, patterned(n))
			x.Judge(conformance.Accepted())
			requireClean(x, s.Conn)
		},
	}
}

func sourceTooLong() conformance.Case {
	return conformance.Case{
		ID: "XC-0656", Title: "A source whose reply would be above the message limit is refused.",
		Proves: []string{"XTMP-PRB-015", "XTMP-LIM-013"}, Control: controlEcho, Expect: turnsDown("PAYLOAD_TOO_LARGE", "XTMP-PRB-015"),
		Params: []conformance.Param{param("n", "16777209", "16777216", "2147483648", "4294967288", "4294967295")},
		Explain: explain("One small request must not make a server build a reply that nobody may receive.",
			"A source of n bytes.", "n is compared without the 8 bytes before the data", "8 + n overflows 32 bits", "INVALID_PAYLOAD is sent"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			judgeRefusal(x, s, ask(x, s, opSource, uint64(x.ParamInt("n")), nil).Mid())
		},
	}
}

func failure() conformance.Case {
	return conformance.Case{
		ID: "XC-0657", Title: "Fail is answered by an Error of the code asked for.",
		Proves: []string{"XTMP-PRB-016"}, Touches: []string{"XTMP-ERR-004", "XTMP-ERR-006"}, Expect: accepts(),
		Params: []conformance.Param{param("code", hexes(2, 0x00, 0x01, 0x03, 0x09, 0x15, 0x40, 0xFE, 0xFF, 0x100, 0x1234, 0xFFFF)...)},
		Explain: explain("A client can be tested with every code only if a server sends it, also those that later versions will have.",
			"A fail with that code; the Error has to be a reply of scope 0, after which the session goes on.",
			"codes that the table does not list are replaced", "the scope that the table lists for the code is sent", "the code is cut to 8 bits"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			want := uint64(x.ParamInt("code"))
			requireFailure(x, s, ask(x, s, opFail, want, nil).Mid(), want)
			x.RequireField("ref_seq", uint64(noSequence), s.Last().Error().RefSeq)
			requireEcho(x, s)
			x.Judge(conformance.Accepted())
		},
	}
}

func failureOutOfRange() conformance.Case {
	return conformance.Case{
		ID: "XC-0658", Title: "Fail with an arg above 65 535 is refused.",
		Proves: []string{"XTMP-PRB-017"}, Control: controlEcho, Expect: turnsDown("INVALID_PAYLOAD", "XTMP-PRB-017"),
		Params: []conformance.Param{param("arg", "65536", "65600", "4294967295")},
		Explain: explain("A code has 16 bits; what does not fit must not be cut into another code.",
			"A fail whose arg is no code.", "the arg is cut to 16 bits"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			judgeRefusal(x, s, ask(x, s, opFail, uint64(x.ParamInt("arg")), nil).Mid())
		},
	}
}

func delay() conformance.Case {
	return conformance.Case{
		ID: "XC-0659", Title: "Delay is answered after its time, not before, and others meanwhile.",
		Proves: []string{"XTMP-PRB-018"}, Touches: []string{"XTMP-TMR-003", "XTMP-TMR-004"}, Expect: accepts(), Timer: "T_LINGER",
		Params: []conformance.Param{param("time", "T_ACK", "T_RETIRE", "T_REKEY_GAP_MIN", "T_LINGER"), param("bytes", "0", "1000")},
		Explain: explain("Delay stands for work that takes time; a server that waits in its reading loop serves nobody else.",
			"A delay with the value of a timer of the text as its time, and behind it an echo, which has to be answered first where "+
				"the time is T_REKEY_GAP_MIN or more.",
			"the server sleeps where it reads", "the time is counted in seconds", "timers are coarser than a second"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			timer := x.Param("time")
			data := x.Entropy("data").Bytes(x.ParamInt("bytes"))
			late := lateness(x.AtLeast(timer))
			began, start := clocked(x, s)
			d := ask(x, s, opDelay, uint64(x.AtLeast(timer).Milliseconds()), data)
			echo := ask(x, s, opEcho, 0, data)
			open := []uint64{d.Mid(), echo.Mid()}
			for len(open) > 0 {
				r := anyAnswer(x, s, x.Within(timer)+late+x.AtLeast(conformance.BudgetReply), open)
				open = slices.DeleteFunc(open, func(mid uint64) bool { return mid == r.ReplyTo() })
				if r.ReplyTo() == echo.Mid() {
					requireAnswer(x, probeOf(x, r), opEcho, 0, data)
					continue
				}
				x.RequireNotBefore(timer, began)
				x.RequireAtMost(timer, r.At.Sub(start)-late)
				requireAnswer(x, probeOf(x, r), opDelay, 0, data)
				x.RequireInTime(len(open) == 0 || x.AtLeast(timer) < x.AtLeast("T_REKEY_GAP_MIN"), "an echo is answered while a delay waits")
			}
			x.Judge(conformance.Accepted())
		},
	}
}

func longestDelay() conformance.Case {
	return conformance.Case{
		ID: "XC-0660", Title: "The longest delay is not refused.",
		Proves: []string{"XTMP-PRB-019"}, Control: controlEcho, Expect: ignores("XTMP-PRB-019"),
		Explain: explain("The bound belongs to what is allowed.",
			"A delay of 60 000 ms, and a PING behind it; no reply may come before the PONG.", "less is asked where less or equal is meant"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			ask(x, s, opDelay, uint64(size("probe_delay_ms")), nil)
			judgeIgnored(x, s, isAck)
		},
	}
}

func delayOutOfRange() conformance.Case {
	return conformance.Case{
		ID: "XC-0661", Title: "A delay above 60 000 ms is refused at once.",
		Proves: []string{"XTMP-PRB-019"}, Control: controlEcho, Expect: turnsDown("INVALID_PAYLOAD", "XTMP-PRB-019"),
		Params: []conformance.Param{param("arg", "60001", "2147483648", "4294967295")},
		Explain: explain("A request must not hold a place in the server for weeks.",
			"A delay of more than a minute.", "the time is cut to the greatest one", "the time is read as a signed number"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			judgeRefusal(x, s, ask(x, s, opDelay, uint64(x.ParamInt("arg")), nil).Mid())
		},
	}
}

func malformedProbe() conformance.Case {
	return conformance.Case{
		ID: "XC-0662", Title: "A Probe request with a malformed body is refused.",
		Proves: []string{"XTMP-PRB-004"}, Touches: []string{"XTMP-CON-003", "XTMP-MSG-071"}, Control: controlEcho,
		Expect: turnsDown("INVALID_PAYLOAD", "XTMP-PRB-004"),
		Params: []conformance.Param{
			param("body", "0 bytes", "1 bytes", "4 bytes", "7 bytes", "zero 1", "zero 2", "zero 3"), param("op", "echo", "sink", "fail", "unknown"),
		},
		Explain: explain("The first eight bytes are the whole header of the application; a body that has fewer says nothing that can be done.",
			"A request that is shorter than 8 bytes, or has one of the zero bytes set.",
			"missing bytes are read as 0", "bytes that are not used are not looked at", "the session is ended for a fault of the application"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			op := opOf(x.Param("op"))
			if x.Param("op") == "unknown" {
				op = 200
			}
			judgeRefusal(x, s, sendFrame(x, s, typeProbe, flag("REQUIRES_ACK"), malformedBody(x.Param("body"), op)).Mid())
		},
	}
}

func malformedBody(how string, op uint8) []byte {
	body := probeBody(op, 0, []byte("data"))
	switch how {
	case "0 bytes", "1 bytes", "4 bytes", "7 bytes":
		return body[:how[0]-'0']
	case "zero 1", "zero 2", "zero 3":
		body[how[len(how)-1]-'0'] = 1
		return body
	}
	panic("cases: no malformed body is called " + how)
}

func unknownOp() conformance.Case {
	return conformance.Case{
		ID: "XC-0663", Title: "A Probe request with an unknown op is refused.",
		Proves: []string{"XTMP-PRB-005"}, Control: controlEcho, Expect: turnsDown("INVALID_PAYLOAD", "XTMP-PRB-005"),
		Params: []conformance.Param{param("op", "6", "7", "128", "255"), param("arg", "0", "4294967295")},
		Explain: explain("A client of a later version has to learn that the operation does not exist, and not get another one.",
			"A request with an op that the table does not list.", "unknown operations are echoed", "UNSUPPORTED_TYPE is sent"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			judgeRefusal(x, s, ask(x, s, uint8(x.ParamInt("op")), uint64(x.ParamInt("arg")), []byte("data")).Mid())
		},
	}
}

func probeDisabled() conformance.Case {
	return conformance.Case{
		ID: "XC-0664", Title: "Without Probe type 0x70 is unknown.",
		Proves: []string{"XTMP-PRB-001"}, Touches: []string{"XTMP-MSG-029", "XTMP-MSG-030", "XTMP-MSG-031"}, Unless: profileProbe,
		Expect: accepts(), Params: []conformance.Param{param("frame", "request", "without mid", "push")},
		Explain: explain("A diagnostic service that cannot be switched off is a way to make a server work for strangers.",
			"A frame of type 0x70 with an echo in it, as a request, without mid or as a push; it has to be treated like any unknown type.",
			"the type is known to the dispatcher even where it is disabled"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			switch body := probeBody(opEcho, 0, []byte("data")); x.Param("frame") {
			case "request":
				judgeUnsupported(x, s, sendFrame(x, s, typeProbe, flag("REQUIRES_ACK"), body).Mid())
			case "without mid":
				sendFrame(x, s, typeProbe, 0, body)
				e, _, err := s.ExpectError(0)
				need(x, err)
				x.RequireField("code", code("UNSUPPORTED_TYPE"), e.Code)
			case "push":
				sendFrame(x, s, typeProbe, flag("STREAMING"), body)
			}
			ping(x, s)
		},
	}
}
