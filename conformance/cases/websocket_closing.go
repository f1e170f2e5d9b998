package cases

import (
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// webSocketClosing returns the cases of section 14.3.
func webSocketClosing() []conformance.Case {
	return []conformance.Case{silentCloses(), closeAfterLastFrame(), closeIsEnd(), nothingAfterClose(), closeUnanswered()}
}

func silentCloses() conformance.Case {
	return conformance.Case{
		ID: "XC-1640", Title: "To close the connection silently is to send a WebSocket close with code 1000 and nothing else.",
		Proves: []string{"XTMP-WSK-022"}, Control: controlWebSocketPing, Expect: closes("XTMP-WSK-022"),
		Params: []conformance.Param{stages(), param("defect", "magic", "type", "flag", "session_id", "checksum", "sequence")},
		Explain: explain("A silent close tells nothing of its cause, and 1000 tells least. A connection that ends without a close looks to a "+
			"client like a broken network.",
			"A message of the right length whose frame fails one of the checks.",
			"the TCP connection is closed without a close", "1002 is sent for every fault", "an Error is sent before"),
		Run: func(x *conformance.Exchange) {
			g := stageOf(x)
			defect := x.Param("defect")
			if x.Param("stage") == "opened" && defect == "sequence" {
				g.draft.Frame.Header.SetUint("sequence_number", 1)
			} else {
				spoilFrame(x, g.draft, defect)
			}
			send(x, g.SendDraft(g.draft))
			g.judgeCode(x, closeNormal)
		},
	}
}

// lastOverWebSocket makes the server write its last frame, or close without one, and
// returns the path once the frame was read.
func lastOverWebSocket(x *conformance.Exchange, form string) *peer.Conn {
	var c *peer.Conn
	switch form {
	case "clear":
		c = dialWebSocket(x)
		hello := c.HelloDefaults()
		hello.Frame.Header.SetUint("version", 9)
		send(x, c.SendHello(hello))
	case "scope-1":
		s := webSocketSession(x)
		c = s.Conn
		sendFrame(x, s, typeExtension, 0, make([]byte, size("frame_payload_before_wallet")+1))
	case "scope-2":
		s := webSocketSession(x)
		c = s.Conn
		sendFrame(x, s, typeHeartbeat, 0, nil)
	case "silent", "wrong length", "Disconnect":
		s := webSocketSession(x)
		d := s.Draft(typeDisconnect, 0, s.DisconnectBody(0))
		raw := d.Encode()
		switch form {
		case "silent":
			raw[0] ^= 1
		case "wrong length":
			raw = raw[:10]
		}
		send(x, s.WriteRaw(raw))
		return s.Conn
	}
	lastFrame(x, c)
	return c
}

func closeAfterLastFrame() conformance.Case {
	return conformance.Case{
		ID: "XC-1641", Title: "After its last frame the server sends a WebSocket close with code 1000.",
		Proves: []string{"XTMP-WSK-023"}, Touches: []string{"XTMP-DSC-012", "XTMP-ERR-013"},
		Expect: conformance.Expect{
			Strict: []conformance.Reaction{conformance.Row(conformance.CleanClose(), "XTMP-WSK-023")},
			Forbidden: []conformance.Reaction{
				conformance.Row(conformance.Reset(), "XTMP-DSC-013: the last frame could have been lost"),
				conformance.Row(conformance.Silence(""), "XTMP-DSC-012: the close follows the last frame at once"),
			},
		},
		Params: []conformance.Param{errorForms()},
		Explain: explain("A WebSocket has no halves; its close says that nothing more comes, as the end of a half says it on TCP.",
			"A frame that ends the connection by an Error; what follows the Error is read.",
			"the writing side of the TCP connection is shut down", "the close is sent when T_LINGER is over",
			"another code is sent because there was an error"),
		Run: func(x *conformance.Exchange) {
			begun := time.Now()
			c := lastOverWebSocket(x, x.Param("form"))
			// A close that comes with T_LINGER is the end of the wait and not its beginning.
			_, err := c.ReadFrame(max(x.AtLeast("T_LINGER")-time.Since(begun), time.Millisecond))
			x.Judge(observe(x, err, "T_LINGER"))
			requireCode(x, c, closeNormal)
		},
	}
}

func closeIsEnd() conformance.Case {
	return conformance.Case{
		ID: "XC-1642", Title: "A WebSocket close is end of stream, whatever its code.",
		Proves: []string{"XTMP-WSK-024"}, Touches: []string{"XTMP-DSC-011"}, Control: controlWebSocketPing, Expect: closes("XTMP-WSK-024"),
		Params: []conformance.Param{
			stages(), param("code", "none", "1000", "1001", "1002", "1011", "3000", "4999"), param("within", "nothing", "a message"),
		},
		Explain: explain("Codes are for people. A server that keeps the connection for one of them holds what its client has given up.",
			"A WebSocket close, also within a message; the TCP connection is left open.",
			"only 1000 and 1001 are known", "a close within a message is taken for an error and nothing is closed",
			"the end of the TCP connection is waited for"),
		Run: func(x *conformance.Exchange) {
			g := stageOf(x)
			w := g.WebSocket()
			if x.Param("within") == "a message" {
				send(x, w.SendFrames("the beginning of a message", peer.Divide(peer.OpBinary, g.draft.Encode(), 60)[0]))
			}
			code := 0
			if x.Param("code") != "none" {
				code = x.ParamInt("code")
			}
			send(x, w.SendClose(uint16(code)))
			x.Judge(reaction(x, g.Conn, conformance.BudgetClose))
		},
	}
}

func nothingAfterClose() conformance.Case {
	return conformance.Case{
		ID: "XC-1643", Title: "No message that follows a WebSocket close is answered.",
		Proves: []string{"XTMP-WSK-024"}, Control: controlWebSocketPing, Expect: closes("XTMP-WSK-024"),
		Params: []conformance.Param{stages(), param("within", "nothing", "a message")},
		Explain: explain("What comes behind the end of a stream is no part of it.",
			"In one write: a WebSocket close and the correct frame; or the beginning of its message, a close, and the rest.",
			"the rest of a read is processed before the close", "a message goes on over the close"),
		Run: func(x *conformance.Exchange) {
			g := stageOf(x)
			frames := peer.Divide(peer.OpBinary, g.draft.Encode(), 60)
			end := peer.WebSocketFrame{Op: peer.OpClose, Payload: []byte{closeNormal >> 8, closeNormal & 0xFF}}
			order := []peer.WebSocketFrame{end, frames[0], frames[1]}
			if x.Param("within") == "a message" {
				order = []peer.WebSocketFrame{frames[0], end, frames[1]}
			}
			send(x, g.WebSocket().SendFrames("WebSocket close, and a message", order...))
			x.Judge(reaction(x, g.Conn, conformance.BudgetClose))
		},
	}
}

func closeUnanswered() conformance.Case {
	return conformance.Case{
		ID: "XC-1644", Title: "The server does not wait for the client's WebSocket close for longer than T_LINGER.",
		Proves: []string{"XTMP-WSK-025"}, Touches: []string{"XTMP-DSC-009", "XTMP-DSC-014", "XTMP-TMR-004"}, Timer: "T_LINGER",
		Expect: conformance.Expect{
			Strict:    []conformance.Reaction{conformance.Row(conformance.Reset(), "XTMP-WSK-025: the socket is gone")},
			Forbidden: []conformance.Reaction{conformance.Row(conformance.Silence(""), "XTMP-WSK-025")},
		},
		Params: []conformance.Param{param("form", "clear", "scope-1", "scope-2", "silent", "wrong length", "Disconnect")},
		Explain: explain("RFC 6455 lets either side wait for the other's close; a client that never answers would hold the connection for ever.",
			"A message that makes the server close, whose close is not answered; then single pings until one is answered by a reset.",
			"the library waits for the answer without a timer, or with one of its own"),
		Run: func(x *conformance.Exchange) {
			c := lastOverWebSocket(x, x.Param("form"))
			// What a server may send at any time may have been under way.
			x.Require(reaction(x, c, conformance.BudgetClose).IsClose(), "the peer ends the connection")
			x.Judge(pingUntilReset(x, c.WebSocket(), time.Now()))
		},
	}
}

// pingUntilReset sends pings until the socket at the other end is gone, as it has to
// be T_LINGER after begun.
func pingUntilReset(x *conformance.Exchange, w *peer.WebSocket, begun time.Time) conformance.Observation {
	for time.Since(begun) < latest(x, "T_LINGER") {
		if err := w.Ping(nil); err != nil {
			return x.Observe(err, "T_LINGER")
		}
		x.Pause("T_ACK")
	}
	return conformance.Silence("T_LINGER")
}
