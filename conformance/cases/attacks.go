package cases

import (
	"slices"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// labelAttack marks the cases of docs/attacks.md that are written for a known attack.
const labelAttack = "attack"

// attacks returns the cases that repeat attacks on other protocols.
func attacks() []conformance.Case {
	list := slices.Concat(
		[]conformance.Case{
			halfAnExchange(), prefixTruncation(), reordered(), sameHelloTwice(), quietBeforeFinish(), controlForged(), confusedRole(),
			heartbeatOverRead(), sequenceEdges(), lengthEdges(), boundReplies(),
		},
		attacksReplay(),
		attacksFlood(),
	)
	for i := range list {
		list[i].Labels = append(list[i].Labels, labelAttack)
	}
	return list
}

func halfAnExchange() conformance.Case {
	return conformance.Case{
		ID: "XC-0900", Title: "Keys that rest on one half of the key exchange alone are none.",
		Proves: []string{"XTMP-HSK-049", "XTMP-KEY-015"}, Touches: []string{"XTMP-KEY-001"}, Control: controlHandshake,
		Expect: closes("XTMP-HSK-049"),
		Params: []conformance.Param{
			param("known", "ML-KEM-768 alone", "X25519 alone", "neither"),
			param("in place of the other", "zero", "random"),
		},
		Explain: explain("The exchange is hybrid so that recorded traffic stays closed when one half falls. Where one half does not reach "+
			"the keys, that promise is empty.",
			"A handshake up to ServerFlight; then a ClientFinish with the keys and the MAC that follow when a shared secret is replaced.",
			"the halves are concatenated and one is overwritten", "the extraction takes the first 32 bytes"),
		Run: func(x *conformance.Exchange) {
			c := flight(x)
			ours := c.Schedule()
			values := testkit.Values{"mlkem_ss": ours.Value("mlkem_ss"), "x25519_ss": ours.Value("x25519_ss")}
			for _, half := range []string{"mlkem_ss", "x25519_ss"} {
				known := map[string]string{"ML-KEM-768 alone": "mlkem_ss", "X25519 alone": "x25519_ss"}[x.Param("known")]
				if half != known {
					values[half] = make([]byte, 32)
					if x.Param("in place of the other") == "random" {
						values[half] = x.Entropy(half).Bytes(32)
					}
				}
			}
			for _, name := range []string{"CH", "SH", "SI", "SS"} {
				values[name] = ours.Value(name)
			}
			theirs := testkit.Derive("handshake", values)
			keys := testkit.DeriveKeys(theirs.Value("c_hs"))
			sendFinish(x, c, func(d *peer.Draft) {
				d.Body.Set("mac", theirs.Value("cf_mac"))
				d.Keys = &keys
			})
			judgeClosed(x, c)
		},
	}
}

func prefixTruncation() conformance.Case {
	return conformance.Case{
		ID: "XC-0901", Title: "Frames that are missing at the beginning of a session are noticed, whatever was put in their place.",
		Proves: []string{"XTMP-ORD-022", "XTMP-ORD-028", "XTMP-ORD-001"}, Touches: []string{"XTMP-NON-008"}, Control: controlPing,
		Expect: closes("XTMP-ORD-022", "XTMP-ORD-028"),
		Params: []conformance.Param{param("missing", "1", "2", "31"), param("in their place", "nothing", "a clear frame", "ClientFinish again")},
		Explain: explain("The attack called Terrapin put messages in before encryption began and took as many out behind, so that both ends "+
			"counted alike. Here a slot counts its own frames from 0 and nothing else.",
			"ClientFinish, then the frames of the session but for the first ones; where they were there is nothing, or frames that a stranger "+
				"can make.",
			"one counter runs over clear and sealed frames", "the first number of a session is taken as it comes"),
		Run: func(x *conformance.Exchange) {
			s := sessionBy(x, peer.Script{NoAck: true})
			missing := x.ParamInt("missing")
			for range missing {
				s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Pong, nil)) // taken out on the way
			}
			next := s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, []byte("behind")))
			var instead []byte
			switch x.Param("in their place") {
			case "a clear frame":
				f := testkit.NewFrame(typeError, 0)
				f.Payload = peer.ErrorBody(uint16(code("SERVER_BUSY")), 0, noSequence, "")
				instead = f.Encode()
			case "ClientFinish again":
				instead = s.FinishDraft().Encode()
			}
			send(x, s.WriteRaw(append(instead, next.Encode()...)))
			judgeClosed(x, s)
		},
	}
}

func reordered() conformance.Case {
	return conformance.Case{
		ID: "XC-0902", Title: "Frames that were taken out of a stream, or changed places in it, are noticed.",
		Proves: []string{"XTMP-ORD-022", "XTMP-ORD-003"}, Control: controlPing, Expect: closes("XTMP-ORD-022"),
		Params: []conformance.Param{
			param("stream", "second missing", "second and third exchanged", "last two exchanged", "first again and second missing"),
		},
		Explain: explain("On TCP nothing gets lost by itself; a stream with a gap was cut by somebody who chose what to cut.",
			"Four requests in one write, of which one was left out or two changed places; of the frames behind the gap none may be answered.",
			"requests are executed in whatever order they come", "a gap is waited for, as on UDP"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			var frames [][]byte
			for range 4 {
				frames = append(frames, s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Pong, x.Entropy("body").Bytes(8))).Encode())
			}
			frames = append(frames, s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, []byte("the last"))).Encode())
			order := map[string][]int{
				"second missing": {0, 2, 3, 4}, "second and third exchanged": {0, 2, 1, 3, 4}, "last two exchanged": {0, 1, 2, 4, 3},
				"first again and second missing": {0, 0, 2, 3, 4},
			}[x.Param("stream")]
			var stream []byte
			for _, i := range order {
				stream = append(stream, frames[i]...)
			}
			send(x, s.WriteRaw(stream))
			judgeClosed(x, s)
		},
	}
}

func sameHelloTwice() conformance.Case {
	return conformance.Case{
		ID: "XC-0903", Title: "The same ClientHello twice gives two sessions that share nothing, and the first goes on.",
		Proves: []string{"XTMP-HDR-014"}, Touches: []string{"XTMP-KEY-006", "XTMP-HSK-033"}, Expect: accepts(),
		Params: []conformance.Param{param("first", "is established", "waits for ClientFinish")},
		Explain: explain("Who repeats a recorded ClientHello must reach neither the session that came of it nor its keys. That is what the "+
			"server's own random numbers are for.",
			"A ClientHello, byte for byte, on two connections with a handshake each. Ids, shares, secrets, exporters and reset tokens are "+
				"compared, and the first session answers a PING after the second came about.",
			"ServerHello is kept for a client that asks again", "the server's share is the same for a time",
			"a second ClientHello takes the place of the first session"),
		Run: func(x *conformance.Exchange) {
			first := dial(x)
			hello := first.HelloDefaults()
			a := openWith(x, first, hello, x.Param("first") == "is established")
			second := dial(x)
			b := openWith(x, second, hello, true)
			x.Require(a.ID != b.ID, "the sessions have different ids")
			for _, name := range []string{"mlkem_ss", "x25519_ss", "SH", "root_0", "exporter", "c_hs", "s_hs"} {
				x.Require(string(a.Schedule().Value(name)) != string(b.Schedule().Value(name)), "%s of the two sessions differs", name)
			}
			token := func(s *peer.Session) string { return string(s.Params().Bytes("reset_token")) }
			x.Require(token(a) != token(b), "the reset tokens differ")
			if x.Param("first") != "is established" {
				send(x, a.SendDraft(first.FinishDraft()))
				_, err := a.ReadDone()
				x.Judge(observe(x, err, conformance.BudgetReply))
			}
			ping(x, a)
			ping(x, b)
		},
	}
}

// openWith goes through a handshake with a ClientHello that exists, up to ServerFlight
// or to the end.
func openWith(x *conformance.Exchange, c *peer.Conn, hello *peer.Hello, whole bool) *peer.Session {
	send(x, c.SendHello(hello))
	readServerHello(x, c)
	readFlight(x, c)
	s := c.Session()
	if whole {
		send(x, c.SendDraft(c.FinishDraft()))
		readDone(x, s)
	}
	return s
}

func quietBeforeFinish() conformance.Case {
	return conformance.Case{
		ID: "XC-0904", Title: "Before ClientFinish a client gets ServerHello and ServerFlight, and not a byte more.",
		Proves: []string{"XTMP-HSK-053", "XTMP-HSK-022"}, Touches: []string{"XTMP-HSK-089"}, Expect: accepts(),
		Explain: explain("What a stranger can make a server send is bounded; a server that goes on talking before the client has proved "+
			"itself can be turned against others, and tells what it should keep.",
			"A ClientHello, a pause after ServerFlight, and then the rest of the handshake.",
			"HandshakeDone or a push is sent with the flight", "a PING asks whether the client is still there"),
		Run: func(x *conformance.Exchange) {
			c := flight(x)
			_, err := c.ReadFrame(x.Within(conformance.BudgetQuiet))
			o, _ := conformance.Seen(err, conformance.BudgetQuiet)
			x.Require(err != nil && o.Kind == conformance.KindSilence, "nothing comes between ServerFlight and ClientFinish")
			x.RequireField("bytes that wait", 0, len(c.Unread()))
			s := c.Session()
			send(x, c.SendDraft(c.FinishDraft()))
			_, err = s.ReadDone()
			x.Judge(observe(x, err, conformance.BudgetReply))
		},
	}
}

func controlForged() conformance.Case {
	return conformance.Case{
		ID: "XC-0905", Title: "A control message that nobody sealed is not believed in a session.",
		Proves: []string{"XTMP-ORD-028", "XTMP-ORD-001"}, Touches: []string{"XTMP-HDR-031", "XTMP-ERR-019"}, Control: controlPing,
		Expect: closes("XTMP-ORD-028", "XTMP-ORD-001"),
		Params: []conformance.Param{param(
			"message", "Error HANDSHAKE_FAILED 1", "Error SERVER_BUSY 0", "Error SESSION_EXPIRED 2", "Error PROTOCOL_VIOLATION 2",
			"Error MALFORMED 0",
			"Error INTERNAL 2", "Disconnect", "PING", "Ack", "request", "extension",
		), param("session_id", "ours", "zero")},
		Explain: explain("Stacks of other protocols obeyed alerts and resets that anyone could write into the connection. Here a clear frame "+
			"in a session says only that somebody did.",
			"A frame without key_id, nonce and tag with the body of a correct control message, and the checksum of a clear frame.",
			"a clear Error ends the session with the code that it names", "clear frames of control types are ignored and the session goes on"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			f := forged(x, s, x.Param("message"))
			if x.Param("session_id") == "ours" {
				f.Header.SetUint("session_id", s.ID)
			}
			send(x, s.SendFrame(f))
			judgeClosed(x, s)
		},
	}
}

// confusedRole: CVE-2018-10933 of libssh.
func confusedRole() conformance.Case {
	return conformance.Case{
		ID: "XC-0906", Title: "A client that says what only a server says gets nowhere before it has proved itself.",
		Proves: []string{"XTMP-HSK-049", "XTMP-ORD-008", "XTMP-TYP-013"}, Control: controlHandshake, Expect: closes("XTMP-HSK-049"),
		Params: []conformance.Param{
			param("message", "ServerHello", "ServerFlight", "HandshakeDone", "RekeyResp", "AttachAck", "reply"), param("key", "handshake", "path"),
		},
		Explain: explain("A server of another protocol let clients in who sent it the message that says \"you are in\". One table says which "+
			"role sends what, and in which state.",
			"In place of ClientFinish a frame that only a server sends, under the client's handshake key or its path key.",
			"messages are dispatched by type and hs_type without asking who sends them", "HandshakeDone sets the state, whoever sends it"),
		Run: func(x *conformance.Exchange) {
			c := flight(x)
			s := c.Session()
			client, _ := c.HandshakeKeys()
			d := serverMessage(s, x.Param("message"))
			if x.Param("key") == "handshake" {
				d.Keys = &client
				d.Plaintext.Prologue = testkit.ComposeFlags("prologue", 0)
				d.Frame.Header.SetUint("flags", uint64(flag("ENCRYPTED")))
			}
			send(x, c.SendDraft(d))
			judgeClosed(x, c)
		},
	}
}

// serverMessage is a frame that a server sends, in a draft of the client.
func serverMessage(s *peer.Session, name string) *peer.Draft {
	if name == "reply" {
		d := s.Draft(typeUnknown, flag("REQUIRES_ACK", "REPLY"), make([]byte, 8))
		d.Plaintext.Prologue.SetUint("reply_to", 1)
		return d
	}
	hs := map[string]uint64{"ServerHello": 3, "ServerFlight": 4, "HandshakeDone": 6, "AttachAck": 17, "RekeyResp": 33}[name]
	flags := flag("REQUIRES_ACK")
	if name == "RekeyResp" {
		flags = flag("REQUIRES_ACK", "REPLY")
	}
	d := s.Draft(typeHandshakeAck, flags, make([]byte, 56))
	d.Plaintext.Envelope.SetUint("hs_type", hs)
	return d
}

// forged is a frame without security layer around the body of a control message:
// "Error NAME SCOPE", or the name of another.
func forged(x *conformance.Exchange, s *peer.Session, name string) *testkit.Frame {
	bodies := map[string]struct {
		messageType uint8
		body        []byte
	}{
		"Disconnect": {typeDisconnect, s.DisconnectBody(0)},
		"PING":       {typeHeartbeat, peer.HeartbeatBody(peer.Ping, []byte("forged"))},
		"Ack":        {typeAck, peer.AckBody(0)},
		"request":    {typeUnknown, make([]byte, 24)},
		"extension":  {typeExtension, make([]byte, 24)},
	}
	message, known := bodies[name]
	if !known {
		message.messageType, message.body = typeError, errorNamed(x, name)
	}
	f := testkit.NewFrame(message.messageType, 0)
	f.Header.SetUint("timestamp", s.Last().Frame.Header.Uint("timestamp"))
	f.Payload = message.body
	return f
}
