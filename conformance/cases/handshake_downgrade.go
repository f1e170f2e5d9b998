package cases

import (
	"fmt"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// downgrade returns the cases of section 5.11.
func downgrade() []conformance.Case {
	return []conformance.Case{alteredHello(), alteredTranscript()}
}

// alteredParts is how many instances share the bytes of ClientHello.
const alteredParts = 16

func alteredHello() conformance.Case {
	var parts []string
	for i := range alteredParts {
		parts = append(parts, fmt.Sprint(i))
	}
	return conformance.Case{
		ID: "XC-0282", Title: "No session comes of a ClientHello of which any byte was altered on the way.",
		Proves: []string{"XTMP-HSK-090"}, Touches: []string{"XTMP-KEY-002"}, Control: controlHandshake, Expect: altered(),
		Params: []conformance.Param{param("part", parts...)},
		Explain: explain("Whoever can change an offer unnoticed chooses version, suite and keys for both sides.",
			"For each byte of the body a handshake of its own, in which that byte is altered and the checksum computed anew; "+
				"then ClientFinish as a client makes it that knows nothing of the change, but under the key that the server has.",
			"the transcript is encoded anew from the fields that were understood",
			"ignored TLV entries, unknown suites or flags are left out of it",
			"the MAC of ClientFinish is computed from the hash of the first messages"),
		Run: func(x *conformance.Exchange) {
			length := len(dial(x).HelloDefaults().Body.Encode())
			for at := x.ParamInt("part"); at < length; at += alteredParts {
				nc, err := x.DialAs(at / alteredParts % conformance.MaxPersons)
				if err != nil {
					x.Inconclusive("no connection to the peer")
				}
				c := dialOn(x, nc)
				x.Judge(handshakeAltered(x, c, at, byte(1+x.Entropy("mask").IntN(255))))
				send(x, c.Close())
			}
		},
	}
}

// handshakeAltered runs a handshake in which byte at of the body of ClientHello is
// changed on its way, and says what came of it.
func handshakeAltered(x *conformance.Exchange, c *peer.Conn, at int, mask byte) conformance.Observation {
	x.Note("byte %d of the body is altered by %02x", at, mask)
	return handshakeRewritten(x, c, func(*peer.Hello) {}, func(body []byte) { body[at] ^= mask })
}

// finishUnaware answers a flight that does not open: with the MAC of a client that
// knows nothing of the change, under the key that the server has.
func finishUnaware(x *conformance.Exchange, c *peer.Conn, altered []byte) {
	ours := c.Schedule()
	theirs := testkit.Derive("handshake", testkit.Values{
		"CH": testkit.TranscriptMessage(hsClientHello, altered), "SH": ours.Value("SH"),
		"mlkem_ss": ours.Value("mlkem_ss"), "x25519_ss": ours.Value("x25519_ss"),
	})
	flight, err := c.Last().Frame.Open(testkit.DeriveKeys(theirs.Value("s_hs")).For(c.Suite()))
	if err != nil { // the key shares were altered, so the secrets differ too
		x.Note("the flight opens for nobody: %v", err)
	}
	plaintext, _ := testkit.DecodePlaintext(typeHandshakeAck, 0, flight)
	messages, _ := testkit.FlightMessages(plaintext.Body)
	for i, name := range []string{"SI", "SS", "SF"} {
		ours.Set(name, nil)
		if i < len(messages) {
			ours.Set(name, messages[i].Encode())
		}
	}
	d := c.FinishDraft()
	keys := testkit.DeriveKeys(theirs.Value("c_hs")).For(c.Suite())
	d.Keys = &keys
	send(x, c.SendDraft(d))
}

func alteredTranscript() conformance.Case {
	return conformance.Case{
		ID: "XC-0283", Title: "A ClientFinish over a transcript of which one bit differs is answered by closing silently.",
		Proves: []string{"XTMP-HSK-090", "XTMP-HSK-049"}, Control: controlHandshake, Expect: closes("XTMP-HSK-090"),
		Params: []conformance.Param{param("message", "CH", "SH", "SI", "SS", "SF"), param("byte", "first", "last")},
		Explain: explain("The MAC says what the client saw; a server that leaves a message out does not know what it agreed to.",
			"A ClientFinish under the right key whose MAC is that of a client which received one bit of a message otherwise.",
			"the MAC is computed over fewer messages", "only a part of each message is hashed"),
		Run: func(x *conformance.Exchange) {
			c := flight(x)
			mac := macOver(c, x.Param("message"), x.Param("byte") == "last")
			sendFinish(x, c, func(d *peer.Draft) { d.Body.Set("mac", mac) })
			judgeClosed(x, c)
		},
	}
}
