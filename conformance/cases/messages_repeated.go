package cases

import (
	"math"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// messagesRepeated returns the cases of section 8.3: the window of mids, and mids
// that come twice.
func messagesRepeated() []conformance.Case {
	return []conformance.Case{anyOrder(), beyondWindow(), repeatedMid(), wrongRoleRepeated()}
}

func anyOrder() conformance.Case {
	return conformance.Case{
		ID: "XC-0410", Title: "A new mid is accepted in any order, up to the last of the window.",
		Proves: []string{"XTMP-MSG-017"}, Expect: accepts(),
		Explain: explain("A sender may use a window of 4096 messages; a receiver that wants them in order, or has a smaller one, ends "+
			"sessions that are sound.",
			"Requests with the mids 4096, 3, 2, 1, and then 4099, which is the last of the window once 1, 2 and 3 are complete.",
			"the next mid is expected to be the last one plus one", "the window is smaller by one",
			"base does not move over mids that came early"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			last := uint64(size("mid_window"))
			for _, mid := range []uint64{last, 3, 2, 1, last + 3} {
				sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil, withMid(mid))
				judgeUnsupported(x, s, mid)
			}
		},
	}
}

func beyondWindow() conformance.Case {
	return conformance.Case{
		ID: "XC-0411", Title: "A mid behind the window is a violation.",
		Proves: []string{"XTMP-MSG-018"}, Touches: []string{"XTMP-ERR-027"}, Control: "XC-0410",
		Expect: violates("PROTOCOL_VIOLATION", "XTMP-MSG-018"),
		Params: []conformance.Param{
			param("frame", "request", "extension"), param("complete", "0", "3"), param("mid", "first", "last"),
		},
		Explain: explain("The bitmap of complete mids has 4096 bits; a receiver that takes a mid behind it either forgets one or grows "+
			"without bound.",
			"After some complete requests, a reliable frame whose mid is the first behind the window, or 2^64 − 1.",
			"the window is larger by one", "base + 4096 overflows", "the mids of extension types are not looked at"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			complete := x.ParamInt("complete")
			if complete > 0 {
				for _, mid := range sendRequests(x, s, complete) {
					_, _, err := s.ExpectReply(mid, 0)
					need(x, err)
				}
			}
			mid := uint64(math.MaxUint64)
			if x.Param("mid") == "first" {
				mid = uint64(complete) + 1 + uint64(size("mid_window"))
			}
			sendFrame(x, s, requestOrExtension(x.Param("frame")), flag("REQUIRES_ACK"), nil, withMid(mid))
			judgeError(x, s)
		},
	}
}

func requestOrExtension(name string) uint8 {
	if name == "extension" {
		return typeExtension
	}
	return typeUnknown
}

func repeatedMid() conformance.Case {
	return conformance.Case{
		ID: "XC-0412", Title: "A frame with a mid that is complete is acknowledged and has no other effect.",
		Proves: []string{"XTMP-MSG-019", "XTMP-MSG-020"}, Control: controlRequest,
		Expect: ignores("XTMP-MSG-020"),
		Params: []conformance.Param{
			param("first", "request", "extension"),
			param("again", "same", "another-type", "extension", "long", "handshake"),
		},
		Explain: explain("The second copy of a request must not be executed again, and must be acknowledged, or its sender keeps it for ever.",
			"A reliable frame with mid 1; once it is answered or acknowledged, a second frame with mid 1 and the next sequence number, then a "+
				"PING.",
			"the answer is computed again or the stored reply is sent again",
			"repeated mids are dropped before they are counted for the next Ack",
			"type, envelope or size of the repeated frame are judged before its mid"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			first := sendFrame(x, s, requestOrExtension(x.Param("first")), flag("REQUIRES_ACK"), nil)
			awaitFirst(x, s, first)
			messageType, body := first.Frame.Type(), []byte(nil)
			switch x.Param("again") {
			case "another-type":
				messageType = 0x21
			case "extension":
				messageType = typeExtension
			case "long":
				body = make([]byte, 65_536)
			case "handshake":
				messageType = typeHandshake
			}
			second := sendFrame(x, s, messageType, flag("REQUIRES_ACK"), body, withMid(first.Mid()))
			_, before, err := s.ExpectAck(second.Sequence, 0)
			need(x, err)
			for _, r := range before {
				if o, told := told(x, r); told && !isAck(r) {
					x.Judge(o)
				}
			}
			judgeIgnored(x, s, isAck)
		},
	}
}

// awaitFirst waits for what a correct reliable frame gets: a request its reply,
// another one an Ack. Without it nothing can be said about a second frame.
func awaitFirst(x *conformance.Exchange, s *peer.Session, d *peer.Draft) {
	var err error
	if d.Frame.Type() == typeExtension {
		_, _, err = s.ExpectAck(d.Sequence, 0)
	} else {
		_, _, err = s.ExpectReply(d.Mid(), 0)
	}
	if err != nil {
		unprepared(x, "an answer to the first frame", err)
	}
}

func wrongRoleRepeated() conformance.Case {
	return conformance.Case{
		ID: "XC-0413", Title: "A wrong role is a violation under a mid that is complete too.",
		Proves: []string{"XTMP-MSG-037", "XTMP-MSG-038"}, Touches: []string{"XTMP-ORD-027"}, Control: controlRequest,
		Expect: violates("PROTOCOL_VIOLATION", "XTMP-MSG-037", "XTMP-MSG-038"),
		Params: []conformance.Param{param("frame", "HandshakeAck", "reply")},
		Explain: explain("Role comes before mid: otherwise a client could pose as a server under numbers that it has used before.",
			"A request; after its reply, a frame of type 0x02, or of a request type with REPLY, under the same mid.",
			"repeated mids are discarded before the role is judged"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			first := sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil)
			awaitFirst(x, s, first)
			if x.Param("frame") == "reply" {
				sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK", "REPLY"), nil, withMid(first.Mid()))
			} else {
				sendFrame(x, s, typeHandshakeAck, flag("REQUIRES_ACK"), nil, withMid(first.Mid()))
			}
			judgeError(x, s)
		},
	}
}
