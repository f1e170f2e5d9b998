package cases

import (
	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// The control twins that most negative cases share: the same exchange without
// the defect. A case whose bytes are none of these has a twin of its own.
const (
	controlHandshake = "XC-0001" // a handshake is completed
	controlPing      = "XC-0002" // a PING in a session is answered
	controlRequest   = "XC-0003" // a request of an unknown type is answered
	controlExtension = "XC-0004" // a reliable frame of an extension type is acknowledged
)

func controls() []conformance.Case {
	return []conformance.Case{handshakeControl(), pingControl(), requestControl(), extensionControl()}
}

func handshakeControl() conformance.Case {
	return conformance.Case{
		ID: controlHandshake, Title: "A correct handshake with suite 1 is completed.",
		Proves: []string{"XTMP-SUI-001", "XTMP-HSK-053"}, Expect: accepts(),
		Explain: explain("Without a handshake there is no session, and nothing else can be judged.",
			"ClientHello with version 1 and suite 1, ClientFinish, and an Ack of HandshakeDone; the frames of the server are "+
				"judged by what every exchange rests on: header, checksum, nonce, keys, proofs.",
			"a step of the key schedule differs from chapter 4; compare with the known answers of appendix B",
			"the transcript holds frame headers or envelopes",
			"a field of ServerHello, ServerFlight or HandshakeDone has another place or value"),
		Run: func(x *conformance.Exchange) {
			c := dial(x)
			_, err := c.Handshake(peer.Script{Lenient: true})
			x.Judge(observe(x, err, conformance.BudgetReply))
			requireSound(x, c)
		},
	}
}

func pingControl() conformance.Case {
	return conformance.Case{
		ID: controlPing, Title: "A PING in a session is answered by a PONG with equal bytes.",
		Proves: []string{"XTMP-HBT-004", "XTMP-HBT-005"}, Expect: accepts(),
		Explain: explain("PING is how either side learns that the other is alive, and how this suite tells an ignored frame from a lost session.",
			"One PING with eight bytes of data in a new session.",
			"the data of the PING is not repeated", "path keys or sequence numbers are wrong from the first frame on"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			ping(x, s)
			requireSound(x, s.Conn)
		},
	}
}

// ping sends a PING after the edits and judges the PONG.
func ping(x *conformance.Exchange, s *peer.Session, edits ...func(*peer.Draft)) {
	data := x.Entropy("ping").Bytes(8)
	sendPing(x, s, data, edits...)
	judgePong(x, s, data)
}

// badPing sends a PING with a defect and judges that the server closes silently.
func badPing(x *conformance.Exchange, s *peer.Session, edits ...func(*peer.Draft)) {
	sendPing(x, s, x.Entropy("ping").Bytes(8), edits...)
	judgeClosed(x, s)
}

func sendPing(x *conformance.Exchange, s *peer.Session, data []byte, edits ...func(*peer.Draft)) {
	_, err := s.Send(typeHeartbeat, 0, peer.HeartbeatBody(peer.Ping, data), edits...)
	send(x, err)
}

func requestControl() conformance.Case {
	return conformance.Case{
		ID: controlRequest, Title: "A request of an unknown type is answered by UNSUPPORTED_TYPE.",
		Proves: []string{"XTMP-MSG-029", "XTMP-TYP-007"}, Expect: accepts(),
		Explain: explain("A client learns from this reply that its server is older than itself; silence would leave it waiting.",
			"A reliable frame of a type in the reserved range, with mid 1 and a small body.",
			"the type is refused before it is dispatched", "the Error is sent unsolicited and not as a reply", "the session is ended"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			d, err := s.Request(typeUnknown, x.Entropy("body").Bytes(16))
			send(x, err)
			judgeUnsupported(x, s, d.Mid())
			requireSound(x, s.Conn)
		},
	}
}

// judgeUnsupported judges a peer that has to reply UNSUPPORTED_TYPE to a request.
func judgeUnsupported(x *conformance.Exchange, s *peer.Session, mid uint64) {
	r, _, err := s.ExpectReply(mid, 0)
	if err == nil && (r.Error() == nil || int(r.Error().Code) != code("UNSUPPORTED_TYPE")) {
		x.Judge(conformance.Malformed("the reply is " + r.Name))
	}
	x.Judge(observe(x, err, conformance.BudgetReply))
}

func extensionControl() conformance.Case {
	return conformance.Case{
		ID: controlExtension, Title: "A reliable frame of an extension type is acknowledged and otherwise ignored.",
		Proves: []string{"XTMP-TYP-010"}, Expect: accepts(),
		Explain: explain("Peers send such frames to keep the rule for unknown types alive; one that is not acknowledged holds "+
			"the sender's window.",
			"A frame of a type in 0x80 … 0xEF with REQUIRES_ACK and mid 1.",
			"unknown types are dropped before their mid is recorded", "only known types are acknowledged"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			d, err := s.Request(typeExtension, x.Entropy("body").Bytes(16))
			send(x, err)
			_, _, err = s.ExpectAck(d.Sequence, 0)
			x.Judge(observe(x, err, conformance.BudgetReply))
			requireSound(x, s.Conn)
		},
	}
}
