package cases

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// webSocketOpening returns the cases of section 14.1.
func webSocketOpening() []conformance.Case {
	return []conformance.Case{
		openingAmongOthers(), openingWithExtensions(), openingWithoutSubprotocol(), openingOfFullSize(),
		magicInPieces(), httpInPieces(), openingInTime(),
	}
}

func openingAmongOthers() conformance.Case {
	return conformance.Case{
		ID: "XC-1610", Title: "An opening that offers xtmp.v1 among other subprotocols is accepted, and xtmp.v1 selected.",
		Proves: []string{"XTMP-WSK-005", "XTMP-WSK-006"}, Expect: accepts(),
		Params: []conformance.Param{param("offer", "first", "last", "middle", "without blanks", "two lines", "with the next version")},
		Explain: explain("Later versions are offered beside this one; a server that only knows a lonely xtmp.v1 locks those clients out.",
			"A list of subprotocols in one or two lines of the header, then a handshake.",
			"the whole line is compared", "only the first line of that name is read", "the first subprotocol offered is selected"),
		Run: func(x *conformance.Exchange) {
			w := rawWebSocket(x)
			o := peer.OpeningDefaults()
			o.Protocols = map[string][]string{
				"first":                 {"xtmp.v1, chat"},
				"last":                  {"chat, xtmp.v1"},
				"middle":                {"chat, xtmp.v1, soap"},
				"without blanks":        {"chat,xtmp.v1,soap"},
				"two lines":             {"chat", "xtmp.v1"},
				"with the next version": {"xtmp.v2, xtmp.v1"},
			}[x.Param("offer")]
			requireAccepted(x, w, w.Request(o))
			judgeHandshake(x, w)
		},
	}
}

func openingWithExtensions() conformance.Case {
	return conformance.Case{
		ID: "XC-1611", Title: "No extension is selected, whatever is offered.",
		Proves: []string{"XTMP-WSK-006"}, Expect: accepts(),
		Params: []conformance.Param{param("offer", "permessage-deflate", "with parameters", "several", "unknown")},
		Explain: explain("Frames are ciphertext, which does not shrink; an extension would put more bytes and code in front of them. "+
			"Browsers offer one without being asked.",
			"An opening with Sec-WebSocket-Extensions, then a handshake.",
			"compression is on in the library", "an offer is taken for an error"),
		Run: func(x *conformance.Exchange) {
			w := rawWebSocket(x)
			o := peer.OpeningDefaults()
			o.Extensions = map[string][]string{
				"permessage-deflate": {"permessage-deflate"},
				"with parameters":    {"permessage-deflate; client_max_window_bits; server_no_context_takeover"},
				"several":            {"permessage-deflate, x-webkit-deflate-frame", "permessage-bzip2"},
				"unknown":            {"x-unknown; level=9"},
			}[x.Param("offer")]
			requireAccepted(x, w, w.Request(o))
			judgeHandshake(x, w)
		},
	}
}

func openingWithoutSubprotocol() conformance.Case {
	return conformance.Case{
		ID: "XC-1612", Title: "An opening of /xtmp that does not offer xtmp.v1 is refused with status 400.",
		Proves: []string{"XTMP-WSK-007"}, Control: controlWebSocket,
		Params: []conformance.Param{param("offer", "nothing", "xtmp.v2", "xtmp.v11", "xtmp", "chat, soap")},
		Explain: explain("A client of another protocol has to learn at once that it is wrong here, and not by messages that nobody understands.",
			"An opening that offers something else, or nothing.",
			"the subprotocol is selected without being offered", "the beginning of its name is compared",
			"the connection is closed without an answer"),
		Run: func(x *conformance.Exchange) {
			w := rawWebSocket(x)
			o := peer.OpeningDefaults()
			o.Protocols = nil
			if offer := x.Param("offer"); offer != "nothing" {
				o.Protocols = []string{offer}
			}
			send(x, w.SendRequest(w.Request(o)))
			x.RequireField("HTTP status", 400, openingAnswer(x, w).Status)
		},
	}
}

func openingOfFullSize() conformance.Case {
	return conformance.Case{
		ID: "XC-1613", Title: "An opening request of up to 4096 bytes is accepted.",
		Proves: []string{"XTMP-WSK-010"}, Expect: accepts(),
		Params: []conformance.Param{param("bytes", "1024", "4095", "4096"), param("as", "one long line", "many lines", "two pieces")},
		Explain: explain("Browsers and proxies add lines to a request, cookies above all; a client cannot help it.",
			"An opening that lines without meaning fill up to that size, in one write or in two.",
			"a single read has to hold the request", "the size of a line is bounded, or the number of lines", "the bound is one too low"),
		Run: func(x *conformance.Exchange) {
			w := rawWebSocket(x)
			o := peer.OpeningDefaults()
			o.Size = x.ParamInt("bytes")
			if x.Param("as") == "many lines" {
				o.Lines = slices.Repeat([]string{"X-Forwarded-For: 192.0.2.1"}, (o.Size-512)/len("X-Forwarded-For: 192.0.2.1\r\n"))
			}
			request := w.Request(o)
			if len(request) != o.Size {
				x.Fatal(fmt.Errorf("the request has %d bytes", len(request)))
			}
			var pieces []int
			if x.Param("as") == "two pieces" {
				pieces = []int{len(request) - 1}
			}
			requireAccepted(x, w, request, pieces...)
			judgeHandshake(x, w)
		},
	}
}

func magicInPieces() conformance.Case {
	return conformance.Case{
		ID: "XC-1614", Title: "A connection that begins with XTMP is one of XTMP over TCP, however slowly the four bytes come.",
		Proves: []string{"XTMP-WSK-008"}, Control: controlHandshake, Expect: accepts(),
		Params: []conformance.Param{param("pieces", "1", "2", "3", "1 1 1", "3 1")},
		Explain: explain("On one port the first bytes tell both protocols apart. A network may deliver them one by one.",
			"A ClientHello over TCP whose first bytes come in pieces with pauses; then the rest of the handshake.",
			"the first read decides, however short it is", "bytes that were looked at are lost for the frame"),
		Run: func(x *conformance.Exchange) {
			c := dial(x)
			_, err := c.Handshake(peer.Script{Lenient: true, Write: func(c *peer.Conn, step string, raw []byte) error {
				if step != "ClientHello" {
					return writeStep(c, step, raw)
				}
				for _, n := range sizesOf(x.Param("pieces")) {
					if err := c.WriteRaw(raw[:n]); err != nil {
						return err
					}
					raw = raw[n:]
					x.Pause(conformance.BudgetQuiet)
				}
				return c.WriteRaw(raw)
			}})
			x.Judge(observe(x, err, conformance.BudgetReply))
		},
	}
}

func httpInPieces() conformance.Case {
	return conformance.Case{
		ID: "XC-1615", Title: "A connection that begins otherwise is one of HTTP, however slowly its first bytes come.",
		Proves: []string{"XTMP-WSK-008"}, Expect: accepts(),
		Params: []conformance.Param{param("pieces", "1", "2", "3", "4", "1 1 1 1")},
		Explain: explain("The first byte of a GET already tells that it is no magic, but the request comes when it comes.",
			"An opening whose first bytes come in pieces with pauses; then a handshake.",
			"the first read decides, however short it is", "bytes that were looked at are lost for the request"),
		Run: func(x *conformance.Exchange) {
			w := rawWebSocket(x)
			requireAccepted(x, w, w.Request(peer.OpeningDefaults()), sizesOf(x.Param("pieces"))...)
			judgeHandshake(x, w)
		},
	}
}

func openingInTime() conformance.Case {
	return conformance.Case{
		ID: "XC-1616", Title: "T_HANDSHAKE_TCP runs from the accepting of the connection, whatever of the opening comes when.",
		Proves: []string{"XTMP-WSK-012", "XTMP-WSK-020"}, Touches: []string{"XTMP-HSK-088", "XTMP-WSK-022"}, Timer: "T_HANDSHAKE_TCP",
		Control: controlWebSocket, Expect: closes("XTMP-WSK-012"),
		Params: []conformance.Param{
			param("after", "half a request", "a slow request", "an opening", "a late opening", "an opening in two pieces",
				"pings", "half a ClientHello"),
		},
		Explain: explain("An opening is one more way to hold a connection without ever proving oneself; it must not buy new time.",
			"An opening that stops at the given point, or comes some seconds after the connection, or is followed by pings of RFC 6455.",
			"the deadline begins with the upgrade", "it is set for each read", "a ping counts as a sign of life"),
		Run: func(x *conformance.Exchange) {
			began := x.Mark()
			start := time.Now()
			w := rawWebSocket(x)
			talk := stopOpening(x, w)
			if talk == nil {
				_, err := w.ReadAnswer(x.Within("T_HANDSHAKE_TCP") + lateness(x.AtLeast("T_HANDSHAKE_TCP")))
				x.Judge(observe(x, err, "T_HANDSHAKE_TCP"))
				x.RequireAtMost("T_HANDSHAKE_TCP", time.Since(start)-lateness(x.AtLeast("T_HANDSHAKE_TCP")))
			} else {
				judgeExpiry(x, talk, "T_HANDSHAKE_TCP", start)
				requireCode(x, talk, closeNormal)
			}
			x.RequireNotBefore("T_HANDSHAKE_TCP", began)
		},
	}
}

// stopOpening goes as far as the param says. It returns nothing for a WebSocket that is
// not open.
func stopOpening(x *conformance.Exchange, w *peer.WebSocket) *peer.Conn {
	request := w.Request(peer.OpeningDefaults())
	pause := func() { x.Pause("T_SUSPECT") } // any span well below the timer
	switch x.Param("after") {
	case "half a request":
		send(x, w.SendRequest(request[:60]))
		return nil
	case "a slow request":
		for _, b := range bytes.SplitAfterN(request, []byte("\r\n"), 3)[:2] {
			send(x, w.SendRequest(b))
			pause()
		}
		return nil
	case "a late opening":
		pause()
	case "an opening in two pieces":
		send(x, w.SendRequest(request[:60]))
		pause()
		request = request[60:]
	}
	send(x, w.SendRequest(request))
	a := openingAnswer(x, w)
	need(x, w.Check(a))
	c := overWebSocket(x, w)
	switch x.Param("after") {
	case "pings":
		for _, data := range []string{"still", "here"} {
			pause()
			send(x, w.Ping([]byte(data)))
			need(x, w.ReadPong([]byte(data), x.Within(conformance.BudgetReply)))
		}
	case "half a ClientHello":
		pause()
		hello := c.HelloDefaults().Encode()
		send(x, w.SendFrames("half a ClientHello", peer.WebSocketFrame{Op: peer.OpBinary, Payload: hello[:700], More: true}))
	}
	return c
}

// sizesOf reads sizes that a param lists.
func sizesOf(list string) []int {
	var sizes []int
	for _, text := range strings.Fields(list) {
		sizes = append(sizes, int(text[0]-'0'))
	}
	return sizes
}
