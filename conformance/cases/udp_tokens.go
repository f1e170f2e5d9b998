package cases

import (
	"bytes"
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// udpTokens returns the cases about cookies and address tokens (12.3).
func udpTokens() []conformance.Case {
	return []conformance.Case{
		cookieOfAnother(), cookieLives(), cookieExpires(), tokenOffered(), tokenServes(), tokenOfAnotherAddress(), tokenTwice(),
	}
}

// requireRetry requires that a Retry for a handshake_id comes, and not ServerHello.
func requireRetry(x *conformance.Exchange, c *peer.Conn, id uint64) {
	r, err := c.ReadFrame(0)
	need(x, err)
	x.Note("the answer: %s", r.Name)
	x.Require(isRetry(r, id), "the answer is Retry")
}

func cookieOfAnother() conformance.Case {
	return conformance.Case{
		ID: "XC-1220", Title: "A cookie is not valid from another address, from another port or with another handshake_id.",
		Proves: []string{"XTMP-TOK-007", "XTMP-UDP-025"}, Params: []conformance.Param{param("other", "port", "address", "handshake_id",
			"bit of the cookie")},
		Explain: explain("A cookie that serves elsewhere proves nothing: whoever gets one could make the server send to others.",
			"A cookie, and with it the fragments from another port, from the same port of another address, with another handshake_id, or with "+
				"one bit of the cookie altered: the first "+
				"it is answered by Retry, as without a token, and the other fragment by nothing.",
			"the port or the address is left out of the cookie", "the cookie is looked up in a table by its value"),
		Run: func(x *conformance.Exchange) {
			c, h := contacted(x)
			switch x.Param("other") {
			case "port":
				c.Use(c.AddSocket(socketAs(x, 0)))
			case "address":
				c.Use(c.AddSocket(samePortElsewhere(x, c)))
			case "handshake_id":
				h.Plaintext.Envelope.Set("handshake_id", x.Entropy("id").Bytes(8))
			default:
				h.Token = bytes.Clone(h.Token)
				h.Token[len(h.Token)-1] ^= 1
			}
			id := h.Plaintext.Envelope.Uint("handshake_id")
			fragments := c.HelloFragments(h)
			send(x, c.SendFragments(fragments...))
			requireRetry(x, c, id)
			o := contactFence(x, c, func(r *peer.Received) bool { return isRetry(r, id) })
			x.Require(o.Kind == conformance.KindIgnored, "nothing but Retry comes")
		},
	}
}

// samePortElsewhere opens a socket at another address and at the port of a path.
func samePortElsewhere(x *conformance.Exchange, c *peer.Conn) *conformance.Socket {
	own, _ := c.NetConn().(*conformance.Socket)
	other, err := x.DialUDPFrom(1, own.Port())
	if err != nil {
		x.Inconclusive("no UDP socket at the same port of another address: %v", err)
	}
	if other.Host() == own.Host() {
		x.Inconclusive("this host has one address toward the target, and the case needs two")
	}
	return other
}

func cookieLives() conformance.Case {
	return conformance.Case{
		ID: "XC-1226", Title: "A cookie is valid until T_COOKIE has passed.",
		Proves: []string{"XTMP-TOK-004"}, Timer: "T_COOKIE", Labels: []string{conformance.LabelSlow}, Control: controlContact,
		Explain: explain("A client whose datagrams are lost for some seconds comes late with its cookie; a server that has shortened the time "+
			"sends it back to the beginning for ever.",
			"A cookie that is used when all but two seconds of T_COOKIE have passed: ServerHello has to come.",
			"the expiry is rounded down", "the key of cookies is replaced too early"),
		Run: func(x *conformance.Exchange) {
			begun := time.Now()
			c, h := contacted(x)
			for time.Since(begun)+2*x.AtLeast("T_LINGER") < x.AtLeast("T_COOKIE") {
				x.Pause("T_LINGER")
			}
			send(x, c.SendHello(h))
			if time.Since(begun) >= x.AtLeast("T_COOKIE") {
				x.Inconclusive("the judge was slower than T_COOKIE")
			}
			_, err := c.ReadServerHello()
			need(x, noted(err))
			x.Judge(conformance.Accepted())
		},
	}
}

func cookieExpires() conformance.Case {
	return conformance.Case{
		ID: "XC-1221", Title: "A cookie is not valid any more when T_COOKIE and a second have passed.",
		Proves: []string{"XTMP-TOK-005"}, Timer: "T_COOKIE", Labels: []string{conformance.LabelSlow},
		Explain: explain("Cookies that live long can be collected, and used all at once.",
			"A cookie that is used when T_COOKIE and two seconds have passed: it is answered by Retry.",
			"the expiry is not looked at", "the expiry counts milliseconds"),
		Run: func(x *conformance.Exchange) {
			c, h := contacted(x)
			x.Pause("T_COOKIE")
			x.Pause("T_PROBE") // two seconds: the one of grace, and one for rounding
			send(x, c.SendFragments(c.HelloFragments(h)[0]))
			requireRetry(x, c, h.Plaintext.Envelope.Uint("handshake_id"))
		},
	}
}

// addressToken runs a handshake and returns the address token of HandshakeDone, nil if
// it is none.
func addressToken(x *conformance.Exchange) []byte {
	s := udpSessionBy(x, peer.Script{NoDone: true})
	r, err := s.ReadDone()
	if noted(err) != nil {
		unprepared(x, "HandshakeDone", err)
	}
	token := r.Body("handshake_done").Bytes("address_token")
	send(x, s.Disconnect(0))
	if bytes.Equal(token, make([]byte, len(token))) {
		return nil
	}
	return token
}

func tokenOffered() conformance.Case {
	return conformance.Case{
		ID: "XC-1222", Title: "HandshakeDone holds an address token, on UDP and on TCP.",
		Proves: []string{"XTMP-TOK-015"}, Level: conformance.Should, Params: []conformance.Param{param("transport", "UDP", "TCP")},
		Explain: explain("The token saves the client a round trip at its next first contact.",
			"A handshake; HandshakeDone is looked at.",
			"tokens are given out on UDP only", "the token field is left zero"),
		Run: func(x *conformance.Exchange) {
			if x.Param("transport") == "UDP" {
				x.Require(addressToken(x) != nil, "HandshakeDone holds an address token")
				return
			}
			r := done(x, dial(x))
			x.Require(!bytes.Equal(r.Body("handshake_done").Bytes("address_token"), make([]byte, size("token_udp"))),
				"HandshakeDone holds an address token")
		},
	}
}

func tokenServes() conformance.Case {
	return conformance.Case{
		ID: "XC-1223", Title: "With an address token a first contact from another port needs no Retry.",
		Proves: []string{"XTMP-TOK-009"}, Touches: []string{"XTMP-TOK-013"}, Level: conformance.Should,
		Explain: explain("A token that does not serve costs the round trip that it is for.",
			"The address token of a session, and with it all fragments of a ClientHello from another port of the same address.",
			"the token is bound to the port", "tokens of UDP sessions are made for the address that the server listens on"),
		Run: func(x *conformance.Exchange) {
			token := addressToken(x)
			if token == nil {
				x.Unsupported("address tokens")
			}
			c := dialUDP(x)
			h := c.HelloDefaults()
			h.Token = token
			send(x, c.SendHello(h))
			r, err := c.ReadFrame(0)
			need(x, err)
			x.Require(!isRetry(r, h.Plaintext.Envelope.Uint("handshake_id")), "the answer is not Retry")
		},
	}
}

func tokenOfAnotherAddress() conformance.Case {
	return conformance.Case{
		ID: "XC-1224", Title: "An address token is not valid from another address.",
		Proves: []string{"XTMP-TOK-008"},
		Explain: explain("A token that serves for every address lets its owner make the server send wherever he likes.",
			"The address token of a session, and with it the fragments of a ClientHello from another address: Retry is the answer.",
			"the address is left out of the MAC"),
		Run: func(x *conformance.Exchange) {
			other := elsewhere(x)
			token := addressToken(x)
			if token == nil {
				x.Unsupported("address tokens")
			}
			c := socketOf(x, other)
			h := c.HelloDefaults()
			h.Token = token
			send(x, c.SendHello(h))
			requireRetry(x, c, h.Plaintext.Envelope.Uint("handshake_id"))
		},
	}
}

func tokenTwice() conformance.Case {
	return conformance.Case{
		ID: "XC-1225", Title: "An address token serves one handshake only.",
		Proves: []string{"XTMP-TOK-012"}, Level: conformance.Should,
		Explain: explain("A token that was seen once on the wire could be used by whoever shares the address.",
			"An address token in a handshake that completes, and again with another handshake_id: the second gets Retry.",
			"used tokens are not remembered"),
		Run: func(x *conformance.Exchange) {
			token := addressToken(x)
			if token == nil {
				x.Unsupported("address tokens")
			}
			first := dialUDP(x)
			if _, err := first.Handshake(peer.Script{Lenient: true, Token: token}); err != nil {
				unprepared(x, "a handshake with the token", err)
			}
			c := dialUDP(x)
			h := c.HelloDefaults()
			h.Token = token
			send(x, c.SendHello(h))
			requireRetry(x, c, h.Plaintext.Envelope.Uint("handshake_id"))
		},
	}
}
