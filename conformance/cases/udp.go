package cases

import (
	"slices"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// The control twins of cases on UDP: the same exchange without the defect.
const (
	controlContact    = "XC-1200" // a first contact leads to a session
	controlUDPPing    = "XC-1201" // a PING in a session on UDP is answered
	controlUDPRequest = "XC-1202" // a request of an unknown type on UDP is answered and acknowledged
)

// udp returns the cases of chapter 12.
func udp() []conformance.Case {
	list := slices.Concat(
		[]conformance.Case{contactControl(), udpPingControl(), udpRequestControl()},
		udpContact(), udpTokens(), udpHandshake(), udpDatagrams(), udpAcks(),
		udpLimits(), udpMessages(), udpRecovery(), udpLoss(), udpAddress(), udpReset(),
	)
	for i := range list {
		list[i].Profile = profileUDP
		if list[i].Expect.Empty() {
			list[i].Expect = accepts() // what is required besides is required by name
		}
	}
	return list
}

func contactControl() conformance.Case {
	return conformance.Case{
		ID: controlContact, Title: "A first contact on UDP is answered by Retry, and with the cookie leads to a session.",
		Proves: []string{
			"XTMP-UDP-001", "XTMP-UDP-002", "XTMP-UDP-015", "XTMP-UDP-016", "XTMP-UDP-017", "XTMP-UDP-019",
			"XTMP-UDP-025", "XTMP-UDP-028", "XTMP-UDP-034", "XTMP-TOK-004",
		},
		Expect: accepts(),
		Explain: explain("Without a first contact there is no session on UDP, and nothing else can be judged.",
			"The fragment with index 0 of a ClientHello without token; both fragments with the cookie of Retry; ClientFinish. Every datagram of "+
				"the server is judged by size, envelope and sequence number.",
			"UDP is not served at the port of TCP; READY or --udp can say where it is", "the cookie is bound to what changes between two "+
				"datagrams",
			"fragments are cut at another size than 1024", "the transcript holds the envelopes or the token"),
		Run: func(x *conformance.Exchange) {
			c := dialUDP(x)
			_, err := c.Handshake(peer.Script{Lenient: true})
			x.Judge(observe(x, err, conformance.BudgetReply))
			requireSound(x, c)
			requireClean(x, c)
		},
	}
}

func udpPingControl() conformance.Case {
	return conformance.Case{
		ID: controlUDPPing, Title: "A PING on UDP is answered by a PONG with equal bytes.",
		Proves: []string{"XTMP-UDP-080"}, Touches: []string{"XTMP-HBT-004", "XTMP-HBT-005"}, Expect: accepts(),
		Explain: explain("A PING is how this suite tells a datagram that was dropped from a session that is lost.",
			"One PING of 64 bytes in a new session.",
			"path keys or sequence numbers are wrong from the first frame on", "the bytes behind the kind are cut"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			pingUDP(x, s)
			requireSound(x, s.Conn)
		},
	}
}

// pingUDP sends a PING after the edits and judges the PONG.
func pingUDP(x *conformance.Exchange, s *peer.Session, edits ...func(*peer.Draft)) {
	data := peer.PingData(x.Entropy("ping").Bytes(16))
	sendPing(x, s, data, edits...)
	judgePong(x, s, data)
}

func udpRequestControl() conformance.Case {
	return conformance.Case{
		ID: controlUDPRequest, Title: "A request of an unknown type on UDP is answered, and acknowledged all the same.",
		Proves: []string{"XTMP-ACK-019"}, Touches: []string{"XTMP-MSG-029"}, Expect: accepts(),
		Explain: explain("On UDP an Ack is what loss recovery and the congestion window live on; a reply does not stand for it.",
			"A request of a type in the reserved range; its reply and an Ack of its frame have to come.",
			"the rule of TCP is used, where a reply saves the Ack", "Acks are sent for replies only"),
		Run: func(x *conformance.Exchange) {
			s := udpSession(x)
			d, err := s.Request(typeUnknown, x.Entropy("body").Bytes(16))
			send(x, err)
			answered, acked := false, false
			for !answered || !acked {
				r, _, err := s.Expect(0, func(r *peer.Received) bool { return r.ReplyTo() == d.Mid() || isAck(r) })
				need(x, err)
				answered = answered || r.ReplyTo() == d.Mid()
				acked = acked || covers(r, d.Sequence)
			}
			x.Judge(conformance.Accepted())
			requireSound(x, s.Conn)
		},
	}
}
