package cases

import (
	"encoding/hex"
	"strings"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// suitesHandshake returns the cases about handshakes that somebody alters.
func suitesHandshake() []conformance.Case {
	return []conformance.Case{finishInOtherSuite(), finishTranscript(), rewrittenSuites(), alteredHelloBySuite()}
}

func finishInOtherSuite() conformance.Case {
	return conformance.Case{
		ID: "XC-1050", Title: "A ClientFinish in another suite than the negotiated one is answered by closing silently.",
		Proves: []string{"XTMP-ORD-018", "XTMP-HSK-049"}, Touches: []string{"XTMP-SUI-008"}, Profile: profileSuites, Control: controlSuites,
		Expect: closes("XTMP-ORD-018", "XTMP-HSK-049"),
		Params: []conformance.Param{
			badUses(),
			param("encryption_type", "1 more", "1 less", "0"),
			param("sealed", "by the session's cipher", "by its own"),
		},
		Explain: explain("The suite holds from ServerHello on, the handshake slots included; a client that changes it at its last step has "+
			"agreed to something else than the server.",
			"A ClientFinish with the right MAC under the right key that names another suite, sealed by the cipher of the session or of the "+
				"suite that it names.",
			"the handshake slots are always suite 1", "encryption_type is judged for path keys only"),
		Run: func(x *conformance.Exchange) {
			suite, kind := use(x)
			other := uint8(0)
			if which := x.Param("encryption_type"); which != "0" {
				other = otherSuite(which, suite)
			}
			c := flightIn(x, suite, kind)
			sendFinish(x, c, func(d *peer.Draft) {
				if x.Param("sealed") == "by its own" {
					keys := d.Keys.For(other)
					d.Keys = &keys
				}
				setEncryptionType(d, other)
			})
			judgeClosed(x, c)
		},
	}
}

func finishTranscript() conformance.Case {
	return conformance.Case{
		ID: "XC-1051", Title: "In each suite a ClientFinish over a transcript with one other bit is answered by closing silently.",
		Proves: []string{"XTMP-HSK-090", "XTMP-HSK-049"}, Profile: profileSuites, Control: controlSuites, Expect: closes("XTMP-HSK-090"),
		Params: []conformance.Param{badUses(), param("message", "CH", "SH", "SI", "SS", "SF"), param("byte", "first", "last")},
		Explain: explain("A kind-2 flight is thousands of bytes long; each of them is in the transcript, the last of the second signature as "+
			"well.",
			"A ClientFinish under the right key whose MAC is that of a client which received one bit of a message otherwise.",
			"only the Ed25519 half of the signature is hashed", "a buffer of fixed size cuts the transcript"),
		Run: func(x *conformance.Exchange) {
			suite, kind := use(x)
			c := flightIn(x, suite, kind)
			mac := macOver(c, x.Param("message"), x.Param("byte") == "last")
			sendFinish(x, c, func(d *peer.Draft) { d.Body.Set("mac", mac) })
			judgeClosed(x, c)
		},
	}
}

// macOver is the MAC of a client that received one bit of a message otherwise.
func macOver(c *peer.Conn, message string, last bool) []byte {
	values := testkit.Values{"c_hs": c.Schedule().Value("c_hs")}
	for _, name := range []string{"CH", "SH", "SI", "SS", "SF"} {
		bytes := append([]byte(nil), c.Schedule().Value(name)...)
		if name == message {
			at := testkit.Layout("transcript_message").Prefix()
			if last {
				at = len(bytes) - 1
			}
			bytes[at] ^= 1
		}
		values[name] = bytes
	}
	return testkit.Derive("handshake", values).Value("cf_mac")
}

// altered is the table of a ClientHello that somebody altered: a refusal, or silence.
func altered() conformance.Expect {
	expect := closes("XTMP-HSK-090", "XTMP-HSK-049")
	expect.Strict = append(expect.Strict, conformance.Row(conformance.ErrorFrame(conformance.AnyCode, conformance.ScopePath), "XTMP-HSK-079"))
	return expect
}

func rewrittenSuites() conformance.Case {
	return conformance.Case{
		ID: "XC-1052", Title: "No session comes of a list of suites that somebody rewrote on the way.",
		Proves: []string{"XTMP-HSK-090"}, Touches: []string{"XTMP-KEY-002", "XTMP-TRU-020"}, Profile: profileSuites, Control: controlSuites,
		Expect: altered(),
		Params: []conformance.Param{param(
			"suites", "030201FF → 01FFFFFF", "030201FF → 010203FF", "030201FF → 02FFFFFF", "0301FFFF → 0103FFFF", "03FFFFFF → 01FFFFFF",
			"0201FFFF → 0101FFFF", "037F01FF → 030101FF", "0301FFFF → 037F01FF", "0301FFFF → 0301FF00", "02FFFFFF → 03FFFFFF", "0301FFFF → 0001FFFF",
		)},
		Explain: explain("Whoever sits between and takes the strong suites out of the offer decides for both sides, if neither finds out.",
			"A ClientHello whose list is rewritten on its way, and then a ClientFinish by a client that knows nothing of it, under the key that "+
				"the server has.",
			"the transcript holds the chosen suite and not the list", "ignored entries are left out of it", "the list is hashed in another order"),
		Run: func(x *conformance.Exchange) {
			sent, rewritten := lists(x)
			edit := func(h *peer.Hello) { h.Body.Set("suites", sent) }
			x.Judge(handshakeRewritten(x, dialPinned(x, pinOf(x, testkit.KindHybrid)), edit, func(body []byte) { copy(body[2:], rewritten) }))
		},
	}
}

// lists reads a param such as "0301FFFF → 01FFFFFF".
func lists(x *conformance.Exchange) (sent, rewritten []byte) {
	from, to, _ := strings.Cut(x.Param("suites"), " → ")
	sent, err := hex.DecodeString(from)
	if err != nil {
		x.Fatal(err)
	}
	rewritten, err = hex.DecodeString(to)
	if err != nil {
		x.Fatal(err)
	}
	return sent, rewritten
}

func alteredHelloBySuite() conformance.Case {
	return conformance.Case{
		ID: "XC-1053", Title: "In each suite no session comes of a ClientHello of which a field was altered on the way.",
		Proves: []string{"XTMP-HSK-090"}, Touches: []string{"XTMP-KEY-002"}, Profile: profileSuites, Control: controlSuites, Expect: altered(),
		Params: []conformance.Param{badUses(), param(
			"field", "min_version", "max_version", "suites", "flags", "client_time", "random", "x25519", "mlkem768_ek", "identity_hint",
			"extensions",
		)},
		Explain: explain("What the client said is what both sides agree to, to the last ignored bit.",
			"For a few bytes of each field a handshake of its own, in which that byte is altered on its way; then a ClientFinish by a client "+
				"that knows nothing of it, under the key that the server has.",
			"flags, hints or TLV entries are left out of the transcript", "the time of the client is taken from the header"),
		Run: func(x *conformance.Exchange) {
			suite, kind := use(x)
			pin := pinOf(x, kind)
			for _, at := range sampledBytes(x, x.Param("field")) {
				x.Note("byte %d of the body is altered", at)
				c := dialPinned(x, pin)
				mask := byte(1 + x.Entropy("mask").IntN(255))
				x.Judge(handshakeRewritten(x, c, offers(suite), func(body []byte) { body[at] ^= mask }))
				send(x, c.Close())
			}
		},
	}
}

// sampledBytes are places in the body of ClientHello: the first and the last byte of
// a field and one between them. Of TLV blocks it is the length alone.
func sampledBytes(x *conformance.Exchange, field string) []int {
	offset := 0
	for _, f := range testkit.Layout("client_hello").Fields {
		width := len(testkit.Compose("client_hello").Bytes(f.Name))
		if f.Name != field {
			offset += width
			continue
		}
		if width < 2 {
			return []int{offset}
		}
		return []int{offset, offset + x.Entropy("sample").IntN(width), offset + width - 1}
	}
	x.Inconclusive("ClientHello has no field %s", field)
	return nil
}

// handshakeRewritten runs a handshake whose ClientHello is rewritten on its way, and
// says what came of it.
func handshakeRewritten(
	x *conformance.Exchange, c *peer.Conn, edit func(*peer.Hello), rewrite func(body []byte),
) conformance.Observation {
	var sent []byte
	_, err := c.Handshake(peer.Script{Lenient: true, Hello: edit, Write: func(c *peer.Conn, step string, raw []byte) error {
		if step == "ClientHello" {
			body := raw[testkit.HeaderSize+testkit.Layout("envelope").Prefix():]
			rewrite(body)
			sent = append(sent, body...)
			raw = testkit.FixChecksum(raw)
		}
		return c.WriteRaw(raw)
	}})
	if r := c.Last(); r == nil || r.Type() != typeHandshakeAck || r.Slot != "" {
		return observe(x, err, conformance.BudgetReply) // a session, a refusal, or the end
	}
	finishUnaware(x, c, sent)
	return reaction(x, c, conformance.BudgetClose)
}
