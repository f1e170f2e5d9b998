package cases

import (
	"strings"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// frameBounds asks where a server finds the end of a frame, and how long it may be.
func frameBounds() []conformance.Case {
	return []conformance.Case{
		splitHandshake(), splitFrames(), joinedFrames(), longestHello(), longestFrame(), earlyClose(), earlyRefusal(),
	}
}

// cuts are ways to split bytes, by name: the sizes of all pieces but the last.
func cuts(x *conformance.Exchange, name string, total int) []int {
	switch name {
	case "magic":
		return []int{2}
	case "length": // inside payload_length
		return []int{26}
	case "header":
		return []int{testkit.HeaderSize - 1}
	case "payload":
		return []int{testkit.HeaderSize}
	case "end":
		return []int{total - 1}
	}
	var sizes []int // "bytes": the header byte by byte; "random": anywhere
	for at := 0; at < testkit.HeaderSize; at++ {
		sizes = append(sizes, 1)
		if name == "random" {
			sizes[len(sizes)-1] = 1 + x.Entropy("cuts").IntN(total/4)
			at += total / 8
		}
	}
	return sizes
}

// writeSplit writes bytes in pieces. A single cut gets a pause, so that the
// pieces travel alone.
func writeSplit(x *conformance.Exchange, c *peer.Conn, raw []byte) error {
	sizes := cuts(x, x.Param("cut"), len(raw))
	if len(sizes) > 1 {
		return c.WriteChunks(raw, sizes...)
	}
	if err := c.WriteRaw(raw[:sizes[0]]); err != nil {
		return err
	}
	x.Pause(conformance.BudgetPace)
	return c.WriteRaw(raw[sizes[0]:])
}

func splitHandshake() conformance.Case {
	return conformance.Case{
		ID: "XC-0017", Title: "A handshake is completed however TCP splits its frames.",
		Proves: []string{"XTMP-HDR-007"}, Expect: accepts(),
		Params: []conformance.Param{param("cut", "magic", "length", "header", "payload", "end", "bytes", "random")},
		Explain: explain("TCP keeps no boundaries; a server that takes one read for one frame fails on the first slow network.",
			"ClientHello and ClientFinish in pieces, cut as the parameter says.",
			"one read is taken for one frame", "the rest of a split header is lost", "a payload that comes later is not waited for"),
		Run: func(x *conformance.Exchange) {
			_, err := dial(x).Handshake(peer.Script{Lenient: true, Write: func(c *peer.Conn, _ string, raw []byte) error {
				return writeSplit(x, c, raw)
			}})
			x.Judge(observe(x, err, conformance.BudgetReply))
		},
	}
}

func splitFrames() conformance.Case {
	return conformance.Case{
		ID: "XC-0018", Title: "A frame of a session is understood however TCP splits it.",
		Proves: []string{"XTMP-HDR-007"}, Expect: accepts(),
		Params: []conformance.Param{param("cut", "magic", "length", "header", "payload", "end", "bytes", "random")},
		Explain: explain("TCP keeps no boundaries; a server that takes one read for one frame loses frames at random.",
			"A PING in pieces, cut as the parameter says.",
			"one read is taken for one frame", "the reader starts anew when a header is not complete"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			data := x.Entropy("ping").Bytes(8)
			d := s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, data))
			send(x, writeSplit(x, s.Conn, d.Encode()))
			judgePong(x, s, data)
		},
	}
}

func joinedFrames() conformance.Case {
	return conformance.Case{
		ID: "XC-0019", Title: "Frames that arrive in one piece are found by their lengths, one after another.",
		Proves: []string{"XTMP-HDR-007"}, Expect: accepts(),
		Explain: explain("A client may write ClientFinish and its first requests at once; a server that looks at the first "+
			"frame of a read only loses the rest.",
			"Sixteen frames of different lengths and a PING in one write, then half of them again with a cut in the middle of one.",
			"only the first frame of a read is processed", "what remains of a read is thrown away when it is no whole frame"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			for range 2 {
				var raw []byte
				for n := range 16 {
					raw = append(raw, s.Draft(typeExtension, 0, x.Entropy("body").Bytes(37*n)).Encode()...)
				}
				data := x.Entropy("ping").Bytes(8)
				raw = append(raw, s.Draft(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, data)).Encode()...)
				send(x, s.WriteChunks(raw, len(raw)/2))
				judgePong(x, s, data)
			}
		},
	}
}

func longestHello() conformance.Case {
	return conformance.Case{
		ID: "XC-0020", Title: "A ClientHello of exactly the greatest payload_length is accepted.",
		Proves: []string{"XTMP-HDR-008"}, Touches: []string{"XTMP-LIM-001", "XTMP-TYP-025"}, Expect: accepts(),
		Explain: explain("A limit that is one byte short refuses what its peer was promised.",
			"A ClientHello whose TLV entry of an unknown type fills the payload up to the limit before a session.",
			"the limit is compared with <", "the 16 bytes of the envelope are forgotten", "long TLV entries are refused"),
		Run: func(x *conformance.Exchange) {
			_, err := dial(x).Handshake(peer.Script{Lenient: true, Hello: func(h *peer.Hello) {
				h.Body.Set("extensions", nil)
				room := size("handshake_message") - len(h.Body.Encode()) - 2 - 4 // ext_len, and the entry's type and len
				h.Body.Set("extensions", testkit.TLVBlock(testkit.TLV{Type: 0xFFFF, Value: x.Entropy("tlv").Bytes(room)}))
			}})
			x.Judge(observe(x, err, conformance.BudgetReply))
		},
	}
}

func longestFrame() conformance.Case {
	return conformance.Case{
		ID: "XC-0021", Title: "A frame of a session of exactly the greatest payload_length is accepted.",
		Proves: []string{"XTMP-HDR-008"}, Touches: []string{"XTMP-LIM-002", "XTMP-MSG-034"}, Expect: accepts(),
		Explain: explain("A limit that is one byte short refuses what its peer was promised.",
			"A request of an unknown type whose payload has as many bytes as a session without a wallet allows.",
			"the limit is compared with <", "the limit for a body is used for a payload", "the size is judged before the type"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			prologue := 8 // mid
			d, err := s.Request(typeUnknown, x.Entropy("body").Bytes(size("frame_payload_before_wallet")-prologue))
			send(x, err)
			judgeUnsupported(x, s, d.Mid())
		},
	}
}

// headless writes the first 96 bytes of a frame whose payload stays away.
func headless(x *conformance.Exchange, c *peer.Conn, raw []byte) {
	send(x, c.WriteRaw(raw[:testkit.HeaderSize]))
}

func earlyClose() conformance.Case {
	return conformance.Case{
		ID: "XC-0022", Title: "Checks 2 and 3 are judged as soon as 96 bytes are there.",
		Proves: []string{"XTMP-HDR-009"}, Touches: []string{"XTMP-ORD-005", "XTMP-ORD-006", "XTMP-TYP-005", "XTMP-FLG-002"},
		Control: controlPing, Expect: closes("the payload is not waited for"),
		Params: []conformance.Param{param("frame", "first, magic", "first, type", "first, flag",
			"in session, magic", "in session, version", "in session, type", "in session, flag")},
		Explain: explain("A server that waits for a payload holds memory and a connection for a frame that it will refuse.",
			"The first 96 bytes of a frame with the defect, which announce a payload; nothing more.",
			"frames are judged when they are complete"),
		Run: func(x *conformance.Exchange) {
			state, defect, _ := strings.Cut(x.Param("frame"), ", ")
			if state == "first" {
				c := dial(x)
				hello := c.HelloDefaults()
				spoilHeader(hello.Draft, defect)
				headless(x, c, hello.Encode())
				judgeClosed(x, c)
				return
			}
			s := session(x)
			d := s.Draft(typeHeartbeat, 0, make([]byte, size("heartbeat_payload_max")))
			spoilHeader(d, defect)
			headless(x, s.Conn, d.Encode())
			x.Judge(reaction(x, s, conformance.BudgetClose)) // a fence would be taken for the payload
		},
	}
}

// spoilHeader gives a draft a defect that the first 96 bytes show.
func spoilHeader(d *peer.Draft, defect string) {
	switch h := d.Frame.Header; defect {
	case "magic":
		h.Flip("magic", 0)
	case "version":
		h.SetUint("version", 2)
	case "type":
		h.SetUint("message_type", 0xFF)
	case "flag":
		undefined := uint64(0x0100)
		if d.Keys != nil {
			undefined |= uint64(flag("ENCRYPTED"))
		}
		h.SetUint("flags", undefined)
	}
}

func earlyRefusal() conformance.Case {
	return conformance.Case{
		ID: "XC-0023", Title: "A payload_length above the limit is judged as soon as 96 bytes are there.",
		Proves: []string{"XTMP-HDR-009"}, Touches: []string{"XTMP-ORD-011", "XTMP-HSK-076"},
		Control: controlHandshake, Expect: refuses("PAYLOAD_TOO_LARGE", "the payload is not waited for"),
		Params: []conformance.Param{param("state", "first", "session")},
		Explain: explain("A peer that announces 16 MiB and sends nothing must not be waited for.",
			"96 bytes that announce a payload one byte above the limit; nothing more.",
			"frames are judged when they are complete", "the limit is judged while the payload is being read"),
		Run: func(x *conformance.Exchange) {
			if x.Param("state") == "session" {
				s := session(x)
				d := s.Draft(typeUnknown, flag("REQUIRES_ACK"), nil)
				d.Frame.Header.SetUint("payload_length", uint64(size("frame_payload_before_wallet")+1))
				headless(x, s.Conn, d.Encode())
				judgeError(x, s)
				return
			}
			c := dial(x)
			hello := c.HelloDefaults()
			hello.Frame.Header.SetUint("payload_length", uint64(size("payload_before_session")+1))
			headless(x, c, hello.Encode())
			judgeError(x, c)
		},
	}
}
