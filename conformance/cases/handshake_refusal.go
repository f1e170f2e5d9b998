package cases

import (
	"bytes"
	"strings"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// refusals returns the cases of section 5.8.
func refusals() []conformance.Case {
	return []conformance.Case{
		foreignVersion(), reversedRange(), foreignRange(), noCommonSuite(), badArithmetic(), overlongFirst(),
		firstRefusalMalformed(), firstRefusalVersion(), firstRefusalSuite(), endAfterError(), busyServer(),
	}
}

func foreignVersion() conformance.Case {
	return conformance.Case{
		ID: "XC-0260", Title: "A first frame with another version byte gets the clear Error VERSION_UNSUPPORTED.",
		Proves: []string{"XTMP-HSK-070"}, Control: controlHandshake, Expect: refuses("VERSION_UNSUPPORTED", "XTMP-HSK-070"),
		Params: []conformance.Param{param("version", "0", "2", "255")},
		Explain: explain("This answer is how a client of a later protocol learns that it has to go back to version 1.",
			"A correct ClientHello whose version byte in the header is another one.",
			"the connection is closed as on a wrong magic", "the version byte is ignored"),
		Run: func(x *conformance.Exchange) {
			badHello(x, func(h *peer.Hello) { h.Frame.Header.SetUint("version", uint64(x.ParamInt("version"))) })
		},
	}
}

// offerVersions sets a range of versions.
func offerVersions(h *peer.Hello, low, high int) {
	h.Body.SetUint("min_version", uint64(low)).SetUint("max_version", uint64(high))
}

func reversedRange() conformance.Case {
	return conformance.Case{
		ID: "XC-0261", Title: "A version range whose lower end is above its upper end gets VERSION_UNSUPPORTED.",
		Proves: []string{"XTMP-HSK-072"}, Control: controlHandshake, Expect: refuses("VERSION_UNSUPPORTED", "XTMP-HSK-072"),
		Params: []conformance.Param{param("min", "2", "255"), param("max", "0", "1")},
		Explain: explain("A range that holds nothing must not be repaired by guessing what was meant.",
			"A ClientHello whose min_version is above its max_version.",
			"only one end of the range is compared", "the ends are exchanged", "the body is called malformed"),
		Run: func(x *conformance.Exchange) {
			badHello(x, func(h *peer.Hello) { offerVersions(h, x.ParamInt("min"), x.ParamInt("max")) })
		},
	}
}

func foreignRange() conformance.Case {
	return conformance.Case{
		ID: "XC-0262", Title: "A version range without a version of the server gets VERSION_UNSUPPORTED.",
		Proves: []string{"XTMP-HSK-073"}, Control: controlHandshake, Expect: refuses("VERSION_UNSUPPORTED", "XTMP-HSK-073"),
		Params: []conformance.Param{param("range", "0-0", "200-200", "200-255")},
		Explain: explain("A server that answers with a version nobody asked for starts a session that the client has to refuse.",
			"A ClientHello whose range of versions does not hold version 1.",
			"the range is not looked at", "only its lower or only its upper end is compared"),
		Run: func(x *conformance.Exchange) {
			ends := map[string][2]int{"0-0": {0, 0}, "200-200": {200, 200}, "200-255": {200, 255}}[x.Param("range")]
			badHello(x, func(h *peer.Hello) { offerVersions(h, ends[0], ends[1]) })
		},
	}
}

func noCommonSuite() conformance.Case {
	return conformance.Case{
		ID: "XC-0263", Title: "A ClientHello whose suites the server cannot serve gets NO_COMMON_SUITE.",
		Proves: []string{"XTMP-HSK-074", "XTMP-TRU-021"}, Touches: []string{"XTMP-SUI-003"}, Control: controlHandshake,
		Expect: refuses("NO_COMMON_SUITE", "XTMP-HSK-074"),
		Params: []conformance.Param{param("suites", "FFFFFFFF", "7FFFFFFF", "7F66DDFE")},
		Explain: explain("The code tells the client that its offer, and not its encoding, is the trouble.",
			"A ClientHello whose list holds no suite, or unknown ones only.",
			"an empty list is called malformed", "the server falls back to its default suite"),
		Run: func(x *conformance.Exchange) {
			badHello(x, func(h *peer.Hello) { setSuites(x, h) })
		},
	}
}

func badArithmetic() conformance.Case {
	return conformance.Case{
		ID: "XC-0264", Title: "A ClientHello with keys that fail the arithmetic checks gets HANDSHAKE_FAILED.",
		Proves: []string{"XTMP-HSK-075"}, Touches: []string{"XTMP-KEY-007", "XTMP-KEY-008"}, Control: controlHandshake,
		Expect: refuses("HANDSHAKE_FAILED", "XTMP-HSK-075"), Params: []conformance.Param{param("key", "x25519", "mlkem")},
		Explain: explain("The code tells a broken client apart from a broken offer; a close would leave it guessing.",
			"A ClientHello with an X25519 key of zero, or with an ML-KEM-768 key whose coefficients are 4095.",
			"the result of X25519 is not compared with zero", "the encapsulation key is decoded by a function that reduces silently",
			"the refusal closes the connection without an Error"),
		Run: func(x *conformance.Exchange) {
			badHello(x, func(h *peer.Hello) { spoilHello(x, h, x.Param("key")) })
		},
	}
}

func overlongFirst() conformance.Case {
	return conformance.Case{
		ID: "XC-0266", Title: "A first frame with a payload_length above 8208 gets PAYLOAD_TOO_LARGE at its header.",
		Proves: []string{"XTMP-HSK-076", "XTMP-ORD-009"}, Touches: []string{"XTMP-HDR-009", "XTMP-LIM-001"}, Control: "XC-0215",
		Expect: refuses("PAYLOAD_TOO_LARGE", "XTMP-HSK-076"),
		Params: []conformance.Param{
			param("type", hexes(2, typeHandshake, typeHandshakeAck)...),
			param("payload_length", "8209", "65600", "16777216", "4294967295"),
		},
		Explain: explain("Whoever waits for the payload before it judges its length lets strangers choose how much memory is taken.",
			"The 96 bytes of a clear frame that announces too long a payload, and nothing else.",
			"the length is judged once the payload is there", "the connection is closed without an Error", "type 0x02 is refused first"),
		Run: func(x *conformance.Exchange) {
			c := dial(x)
			f := testkit.NewFrame(uint8(x.ParamInt("type")), 0)
			f.Header.SetUint("payload_length", uint64(x.ParamInt("payload_length")))
			send(x, c.SendFrame(f))
			judgeError(x, c)
		},
	}
}

// spoilHello writes the defects that a param lists, joined by "+".
func spoilHello(x *conformance.Exchange, h *peer.Hello, defects string) {
	for _, defect := range strings.Split(defects, "+") {
		switch defect {
		case "envelope":
			h.Plaintext.Envelope.SetUint("frag_count", 2)
		case "body":
			h.Trailing = []byte{0}
		case "gap":
			h.Body.Set("suites", []byte{0xFF, 0x7F, 0xFF, 0xFF})
		case "range":
			offerVersions(h, 200, 200)
		case "reversed":
			offerVersions(h, 2, 1)
		case "suite":
			h.Body.Set("suites", []byte{0x7F, 0xFF, 0xFF, 0xFF})
		case "x25519":
			h.Body.Set("x25519", make([]byte, 32))
		case "mlkem":
			h.Body.Set("mlkem768_ek", bytes.Repeat([]byte{0xFF}, 1184))
		default:
			x.Inconclusive("there is no defect called %s", defect)
		}
	}
}

// firstRefusal is a case whose ClientHello could be refused for two reasons.
func firstRefusal(id, title, wanted string, defects ...string) conformance.Case {
	return conformance.Case{
		ID: id, Title: title,
		Proves: []string{"XTMP-HSK-079"}, Control: controlHandshake, Expect: refuses(wanted, "XTMP-HSK-079"),
		Params: []conformance.Param{param("defects", defects...)},
		Explain: explain("A client that is told of its suites although its version is the trouble repairs the wrong thing.",
			"A ClientHello with two defects, of which the earlier in the order form, version, suite, arithmetic decides.",
			"the costly arithmetic is done while the body is parsed", "suites are chosen before versions",
			"defects are collected and the last is reported"),
		Run: func(x *conformance.Exchange) {
			badHello(x, func(h *peer.Hello) { spoilHello(x, h, x.Param("defects")) })
		},
	}
}

func firstRefusalMalformed() conformance.Case {
	return firstRefusal("XC-0267", "A malformed ClientHello is refused for its form before anything else.", "MALFORMED",
		"envelope+range", "envelope+suite", "envelope+x25519", "body+range", "body+suite", "body+x25519", "body+mlkem", "gap+range")
}

func firstRefusalVersion() conformance.Case {
	return firstRefusal("XC-0268", "A foreign version is refused before suites and keys are judged.", "VERSION_UNSUPPORTED",
		"range+suite", "range+x25519", "range+mlkem", "reversed+suite", "reversed+mlkem")
}

func firstRefusalSuite() conformance.Case {
	return firstRefusal("XC-0269", "A foreign suite is refused before keys are judged.", "NO_COMMON_SUITE",
		"suite+x25519", "suite+mlkem")
}

func endAfterError() conformance.Case {
	return conformance.Case{
		ID: "XC-0270", Title: "A clear Error ends the connection, whatever follows in it.",
		Proves: []string{"XTMP-HSK-081"}, Touches: []string{"XTMP-DSC-012"}, Control: controlHandshake,
		Expect: conformance.Expect{
			Strict:    conformance.Rows(conformance.ErrorFrame(conformance.AnyCode, conformance.ScopePath)),
			Forbidden: conformance.Rows(conformance.Accepted(), conformance.CleanClose(), conformance.Reset()),
		},
		Params: []conformance.Param{param("defects", "envelope", "body", "range", "suite", "x25519", "mlkem")},
		Explain: explain("A client that could try again and again on one connection would count as one handshake and cost as many.",
			"A ClientHello that has to be refused and a correct one behind it in the same write.",
			"the reader goes on after the refusal", "only the writing side is looked after and the connection stays half open"),
		Run: func(x *conformance.Exchange) {
			c := dial(x)
			bad := c.HelloDefaults()
			spoilHello(x, bad, x.Param("defects"))
			raw := bad.Encode()
			send(x, c.WriteRaw(append(raw, c.HelloDefaults().Encode()...)))
			judgeError(x, c)
		},
	}
}

func busyServer() conformance.Case {
	return conformance.Case{
		ID: "XC-0271", Title: "A handshake beyond the limit of half-open connections of one source gets SERVER_BUSY.",
		Proves: []string{"XTMP-HSK-077"}, Touches: []string{"XTMP-HSK-078", "XTMP-LIM-005"}, Control: controlHandshake, Disruptive: true,
		Expect: refuses("SERVER_BUSY", "XTMP-HSK-077"),
		Explain: explain("A client that hears SERVER_BUSY waits; one that meets a closed door tries the next address at once.",
			"As many connections as the default limit allows, left after ServerFlight, and one ClientHello more from the same address.",
			"the connection is closed instead", "the limit answers with another code", "half-open connections are not counted until ClientFinish"),
		Run: func(x *conformance.Exchange) {
			for range size("half_open_per_source") {
				flight(x)
			}
			c := sendHello(x)
			o := reaction(x, c, conformance.BudgetReply)
			if o.Kind == conformance.KindAccepted {
				x.Inconclusive("the target serves more half-open connections than the default limit, which its configuration may allow")
			}
			x.Judge(o)
			requireEnd(x, c)
		},
	}
}
