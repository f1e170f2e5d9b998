package cases

import (
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// disconnect returns the cases of section 9.3 and of section 9.7: how a session
// and its connection end.
func disconnect() []conformance.Case {
	return []conformance.Case{
		disconnectEnds(), nothingAfterDisconnect(), disconnectOfWrongSize(), endOfStream(),
		errorSurvivesUnread(), halfClosedAndReading(), lingerEnds(), lingerIsBounded(), refusedPayloadIsRead(),
	}
}

func disconnectEnds() conformance.Case {
	return conformance.Case{
		ID: "XC-0480", Title: "A Disconnect with any reason ends session and connection.",
		Proves: []string{"XTMP-DSC-007", "XTMP-DSC-009"}, Control: controlPing, Expect: closes("XTMP-DSC-009"),
		Params: []conformance.Param{param("reason", hexes(4, 0, 0x03, 0x11, 0x15, 0xFF, 0x1234, 0xFFFF)...), param("mids", "right", "wrong")},
		Explain: explain("A client that says goodbye wants its resources freed; reasons of later versions end a session like any other.",
			"A Disconnect; its mids are right, or such as the server cannot know, for a receiver does not check them.",
			"a reason that is no error code is refused", "the two mids are compared with the server's own",
			"the server waits for the client to close first"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			sendFrame(x, s, typeDisconnect, 0, s.DisconnectBody(uint16(x.ParamInt("reason"))), func(d *peer.Draft) {
				if x.Param("mids") == "wrong" {
					for i := 2; i < len(d.Plaintext.Body); i++ {
						d.Plaintext.Body[i] = 0xA5
					}
				}
			})
			judgeClosed(x, s)
		},
	}
}

func nothingAfterDisconnect() conformance.Case {
	return conformance.Case{
		ID: "XC-0481", Title: "Nothing that follows a Disconnect is answered.",
		Proves: []string{"XTMP-DSC-008"}, Control: controlPing, Expect: closes("XTMP-DSC-008"),
		Params: []conformance.Param{param("frame", "PING", "request", "extension", "violation")},
		Explain: explain("The session is over on both sides; a frame that comes after its end is sealed under keys that should be erased.",
			"In one write: a Disconnect and a frame that would otherwise be answered.",
			"the rest of a read is processed before the session ends", "an Ack is still sent for what follows"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			drafts := []*peer.Draft{s.Draft(typeDisconnect, 0, s.DisconnectBody(0))}
			switch x.Param("frame") {
			case "PING":
				drafts = append(drafts, s.Draft(typeHeartbeat, 0, []byte{peer.Ping}))
			case "request":
				drafts = append(drafts, s.Draft(typeUnknown, flag("REQUIRES_ACK"), nil))
			case "extension":
				drafts = append(drafts, s.Draft(typeExtension, flag("REQUIRES_ACK"), nil))
			case "violation":
				drafts = append(drafts, s.Draft(typeHeartbeat, 0, nil))
			}
			send(x, s.SendDrafts(drafts...))
			judgeClosed(x, s)
		},
	}
}

func disconnectOfWrongSize() conformance.Case {
	return conformance.Case{
		ID: "XC-0482", Title: "A Disconnect of another size than 18 bytes is a violation.",
		Proves: []string{"XTMP-DSC-010", "XTMP-ERR-021"}, Touches: []string{"XTMP-ERR-027"}, Control: controlPing,
		Expect: violates("PROTOCOL_VIOLATION", "XTMP-DSC-010"),
		Params: []conformance.Param{param("bytes", "0", "2", "17", "19", "64")},
		Explain: explain("A malformed goodbye is a fault that its sender should hear of, not an orderly end.",
			"A Disconnect whose body was cut, or has zeros behind it.",
			"the session is ended before the body is read", "only the reason is read"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			sendFrame(x, s, typeDisconnect, 0, ofSize(s.DisconnectBody(0), x.Param("bytes")))
			judgeError(x, s)
		},
	}
}

func endOfStream() conformance.Case {
	return conformance.Case{
		ID: "XC-0483", Title: "The server closes the connection when it reads end of stream.",
		Proves: []string{"XTMP-DSC-011"}, Control: controlPing, Expect: closes("XTMP-DSC-011"),
		Params: []conformance.Param{param("after", "nothing", "half-a-hello", "ServerFlight", "handshake", "half-a-frame")},
		Explain: explain("There is no half of a session. A server that keeps writing, or only waits, holds a connection that its client has "+
			"given up.",
			"The end of our half of the stream, in a session, before one, or within a frame.",
			"end of stream is only noticed by a write that fails", "a half-closed connection is kept until the idle timeout"),
		Run: func(x *conformance.Exchange) {
			var c *peer.Conn
			switch x.Param("after") {
			case "ServerFlight":
				c = flight(x)
			case "handshake":
				c = session(x).Conn
			case "half-a-frame":
				s := session(x)
				c = s.Conn
				send(x, c.WriteRaw(s.Draft(typeHeartbeat, 0, []byte{peer.Ping}).Encode()[:50]))
			case "half-a-hello":
				c = dial(x)
				send(x, c.WriteRaw(c.HelloDefaults().Encode()[:500]))
			default:
				c = dial(x)
			}
			send(x, c.CloseWrite())
			x.Judge(reaction(x, c, conformance.BudgetClose))
		},
	}
}

// lastWrite makes the server write its last frame and returns the connection
// once that frame was read.
func lastWrite(x *conformance.Exchange, form string, behind ...byte) *peer.Conn {
	var c *peer.Conn
	switch form {
	case "clear":
		c = dial(x)
		hello := c.HelloDefaults()
		hello.Frame.Header.SetUint("version", 9)
		send(x, c.WriteRaw(append(hello.Encode(), behind...)))
	case "scope-2":
		s := session(x)
		c = s.Conn
		send(x, c.WriteRaw(append(s.Draft(typeHeartbeat, 0, nil).Encode(), behind...)))
	case "scope-1", "scope-1-longest":
		s := session(x)
		c = s.Conn
		long := s.Draft(typeExtension, 0, nil)
		length := size("frame_payload_before_wallet") + 1
		if form == "scope-1-longest" {
			length = size("payload_max")
		}
		long.AfterSeal(announce(length))
		send(x, c.WriteRaw(append(long.Encode(), behind...)))
	}
	lastFrame(x, c)
	return c
}

// lastFrame reads the Error with which the server ends the connection and returns
// its code. A reset in place of it is what the rules of the last write prevent;
// that nothing comes at all is a matter of other cases.
func lastFrame(x *conformance.Exchange, c *peer.Conn) uint16 {
	r, err := c.ReadFrame(x.Within(conformance.BudgetReply))
	for err == nil && anytime(r) {
		r, err = c.ReadFrame(x.Within(conformance.BudgetReply))
	}
	if err != nil {
		x.Require(observe(x, err, conformance.BudgetReply).Kind != conformance.KindReset, "the last frame is not lost by a reset")
		unprepared(x, "the last frame", err)
	}
	if r.Error() == nil {
		x.Inconclusive("the last frame is no Error")
	}
	return r.Error().Code
}

// announce makes a frame announce a payload of n bytes, whatever it has.
func announce(n int) func(*testkit.Frame) {
	return func(f *testkit.Frame) { f.Header.SetUint("payload_length", uint64(n)) }
}

// errorForms are the forms of a last frame that a client can call for.
func errorForms() conformance.Param { return param("form", "clear", "scope-1", "scope-2") }

func errorSurvivesUnread() conformance.Case {
	return conformance.Case{
		ID: "XC-0484", Title: "The last frame reaches the client although more was sent behind its cause.",
		Proves: []string{"XTMP-DSC-012", "XTMP-DSC-013"}, Touches: []string{"XTMP-ERR-013"},
		Expect: conformance.Expect{
			Strict:    []conformance.Reaction{conformance.Row(conformance.CleanClose(), "XTMP-DSC-012")},
			Forbidden: []conformance.Reaction{conformance.Row(conformance.Reset(), "XTMP-DSC-013: the last frame could have been lost")},
		},
		Params: []conformance.Param{errorForms()},
		Explain: explain("A close with unread bytes makes TCP send a reset, and a reset makes the client's host throw away the Error that "+
			"explains it.",
			"A frame that ends the connection and 48 KiB behind it in one write. The Error has to be there, and behind it the orderly end of "+
				"the server's half.",
			"the connection is closed right after the last write", "the writing side is not shut down, so that the end only comes with the close"),
		Run: func(x *conformance.Exchange) {
			c := lastWrite(x, x.Param("form"), make([]byte, 48<<10)...)
			_, err := c.ReadFrame(x.Within(conformance.BudgetClose))
			x.Judge(observe(x, err, conformance.BudgetClose))
		},
	}
}

func halfClosedAndReading() conformance.Case {
	return conformance.Case{
		ID: "XC-0485", Title: "After its last frame the server ends its half of the stream and goes on reading.",
		Proves: []string{"XTMP-DSC-012", "XTMP-DSC-013"}, Expect: accepts(),
		Params: []conformance.Param{errorForms()},
		Explain: explain("Bytes that are still under way when the last frame is sent must not meet a closed socket, or the reset overtakes "+
			"the frame.",
			"A frame that ends the connection; once the server's half has ended, two small writes within T_LINGER, neither of which may be "+
				"answered by a reset.",
			"both halves are closed at once", "nothing is read once the last frame is written"),
		Run: func(x *conformance.Exchange) {
			begun := time.Now()
			c := lastWrite(x, x.Param("form"))
			_, err := c.ReadFrame(max(x.AtLeast("T_LINGER")-time.Since(begun), time.Millisecond))
			x.Require(err != nil, "nothing follows the last frame")
			if o := observe(x, err, "T_LINGER"); o.Kind != conformance.KindCleanClose {
				x.Judge(o) // an end that comes with T_LINGER is the close and not the half
			}
			open := true
			for range 3 { // a reset shows in the write after the one that it answers
				open = open && c.WriteRaw([]byte{0}) == nil
				x.Pause("T_ACK")
			}
			if time.Since(begun) >= x.AtLeast("T_LINGER") {
				x.Inconclusive("the judge was slower than T_LINGER")
			}
			x.Require(open, "what comes within T_LINGER is read")
		},
	}
}

func lingerEnds() conformance.Case {
	return conformance.Case{
		ID: "XC-0486", Title: "The server closes T_LINGER after its last frame, neither before nor much later.",
		Proves: []string{"XTMP-DSC-013", "XTMP-DSC-014", "XTMP-TMR-003", "XTMP-TMR-004"}, Timer: "T_LINGER",
		Expect: conformance.Expect{
			Strict:    []conformance.Reaction{conformance.Row(conformance.Reset(), "XTMP-DSC-014: the socket is gone")},
			Forbidden: []conformance.Reaction{conformance.Row(conformance.Silence(""), "XTMP-DSC-014")},
		},
		Params: []conformance.Param{errorForms()},
		Explain: explain("A peer that never closes its half would hold the server's connection for ever; one that is cut off too soon may "+
			"lose the Error.",
			"A frame that ends the connection, and then single bytes until one of them is answered by a reset.",
			"the wait is counted from the last byte that was read, and so never ends", "the wait has no timer"),
		Run: func(x *conformance.Exchange) {
			begun := time.Now() // before the server can have written its last frame
			c := lastWrite(x, x.Param("form"))
			x.Judge(resetWithin(x, c, begun, latest(x, "T_LINGER"), 1))
			x.RequireAtLeast("T_LINGER", time.Since(begun))
		},
	}
}

// latest is when an endpoint has to have acted on a timer: one second or a tenth
// of its value after its time, whichever is more [XTMP-TMR-004].
func latest(x *conformance.Exchange, timer string) time.Duration {
	w := x.Wait(timer)
	return w.Longest() + max(time.Second, w.Limit/10)
}

// resetWithin writes pieces of some bytes until the socket at the other end is
// gone, or until that time after begun. The bytes are no frames.
func resetWithin(x *conformance.Exchange, c *peer.Conn, begun time.Time, limit time.Duration, piece int) conformance.Observation {
	for time.Since(begun) < limit {
		if err := c.WriteRaw(make([]byte, piece)); err != nil {
			return x.Observe(err, "T_LINGER")
		}
		x.Pause("T_ACK")
	}
	return conformance.Silence("T_LINGER")
}

func lingerIsBounded() conformance.Case {
	return conformance.Case{
		ID: "XC-0487", Title: "After its last frame the server reads no more than 64 KiB and the payload that it refused, 1 MiB in all.",
		Proves: []string{"XTMP-DSC-013"}, Timer: "T_LINGER",
		Expect: conformance.Expect{
			Strict:    []conformance.Reaction{conformance.Row(conformance.Reset(), "XTMP-DSC-013: the socket is gone")},
			Forbidden: []conformance.Reaction{conformance.Row(conformance.Silence(""), "XTMP-DSC-013: the bytes were read")},
		},
		Params: []conformance.Param{param("form", "clear", "scope-1", "scope-1-longest", "scope-2")},
		Explain: explain("Reading on is a favour to an honest peer; without a bound it is a way to keep a server busy for nothing.",
			"A frame that ends the connection, and then more than the bound at once. The connection has to be gone before T_LINGER is over.",
			"only the time is bounded", "the announced length is the bound, whatever it is"),
		Run: func(x *conformance.Exchange) {
			begun := time.Now()
			c := lastWrite(x, x.Param("form"))
			requireEnd(x, c)
			piece := 2 * size("linger_bytes")
			switch x.Param("form") {
			case "scope-1":
				piece += size("frame_payload_before_wallet")
			case "scope-1-longest":
				piece += size("linger_bytes_total")
			}
			x.Judge(resetWithin(x, c, begun, x.AtLeast("T_LINGER"), piece))
		},
	}
}

func refusedPayloadIsRead() conformance.Case {
	return conformance.Case{
		ID: "XC-0488", Title: "The payload of a frame that is refused for its length is read and discarded.",
		Proves: []string{"XTMP-DSC-013"},
		Expect: conformance.Expect{
			Strict:    []conformance.Reaction{conformance.Row(conformance.CleanClose(), "XTMP-DSC-013")},
			Forbidden: []conformance.Reaction{conformance.Row(conformance.Reset(), "XTMP-DSC-013: the last frame could have been lost")},
		},
		Params: []conformance.Param{param("form", "clear", "scope-1"), param("payload", "66000", "262144", "900000")},
		Explain: explain("The client has usually sent the whole message when it is told that it was too long; the answer must survive the "+
			"rest of it.",
			"A frame whose payload_length is beyond the limit, with all of its payload and 32 KiB behind it.",
			"the 64 KiB are counted with the payload", "the payload is not read at all"),
		Run: func(x *conformance.Exchange) {
			n := x.ParamInt("payload")
			var c *peer.Conn
			var raw []byte
			if x.Param("form") == "clear" {
				c = dial(x)
				hello := c.HelloDefaults()
				hello.AfterSeal(announce(n))
				raw = hello.Encode()
				raw = append(raw, make([]byte, testkit.HeaderSize+n-len(raw))...)
			} else {
				s := session(x)
				c, raw = s.Conn, s.Draft(typeExtension, 0, make([]byte, n)).Encode()
			}
			send(x, c.WriteRaw(append(raw, make([]byte, 32<<10)...)))
			x.RequireField("code", code("PAYLOAD_TOO_LARGE"), lastFrame(x, c))
			_, err := c.ReadFrame(x.Within(conformance.BudgetClose))
			x.Judge(observe(x, err, conformance.BudgetClose))
		},
	}
}
