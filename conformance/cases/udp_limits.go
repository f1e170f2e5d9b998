package cases

import (
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// udpLimits returns the cases about what one source may begin on UDP (7.4, 10.3).
func udpLimits() []conformance.Case {
	return []conformance.Case{manyContacts(), halfOpenOnUDP()}
}

func manyContacts() conformance.Case {
	return conformance.Case{
		ID: "XC-1213", Title: "First contacts of one source beyond its token bucket are dropped.",
		Proves: []string{"XTMP-ORD-035"}, Control: controlRetry, Disruptive: true,
		Explain: explain("Each Retry costs a hash, and goes to an address that nobody has proven; a flood of them must not take the server or "+
			"its link.",
			"From one address four times as many first contacts as the bucket holds, as fast as they go. No more Retries may come than its burst "+
				"and its rate allow for the time that it took.",
			"there is no token bucket on UDP, or its configuration is off", "only contacts with a token are counted"),
		Run: func(x *conformance.Exchange) {
			burst, rate := size("pre_session_burst"), size("pre_session_rate")
			c := dialUDP(x)
			start := time.Now()
			for range 4 * burst {
				_, err := c.Contact()
				send(x, err)
			}
			frames, _ := c.Drain(x.AtLeast(conformance.BudgetQuiet))
			most := burst + rate*int(time.Since(start)/time.Millisecond)/1000 + 1
			x.Note("%d answers; at most %d are due", len(frames), most)
			x.RequireInTime(len(frames) > 0, "first contacts are answered at all")
			x.Require(len(frames) <= most, "the bucket lets no more than its burst and its rate through")
		},
	}
}

func halfOpenOnUDP() conformance.Case {
	return conformance.Case{
		ID: "XC-1214", Title: "A source with eight half-open handshakes gets no answer on UDP to another, until one of them ends.",
		Proves: []string{"XTMP-LIM-014", "XTMP-UDP-030"}, Touches: []string{"XTMP-LIM-005", "XTMP-UDP-029"}, Timer: "T_REASSEMBLY_HELLO",
		Control: controlContact, Disruptive: true, // it uses up a limit
		Expect: unaddressed("XTMP-LIM-014"), Params: []conformance.Param{param("half-open", "flight", "first fragment")},
		Explain: explain("Memory that a handshake holds is held from its first fragment on. On UDP nothing is said of it: a client sends again, "+
			"and a stranger learns nothing.",
			"From one address as many handshakes as the table allows, each as far as its flight or only as far as a first fragment with a cookie; "+
				"then a whole ClientHello with a cookie, and a first contact that only its Retry may answer. When one has been finished, or "+
				"T_REASSEMBLY_HELLO has passed, the ClientHello is answered.",
			"SERVER_BUSY is sent as on TCP", "a ClientHello counts when it is complete", "what was dropped is counted for ever"),
		Run: func(x *conformance.Exchange) {
			var opened []*peer.Conn
			for range size("half_open_per_source") {
				c, h := contacted(x)
				fragments := c.HelloFragments(h)
				if x.Param("half-open") == "first fragment" {
					fragments = fragments[:1]
				}
				send(x, c.SendFragments(fragments...))
				if x.Param("half-open") == "flight" {
					awaitFlight(x, c)
				} else { // each socket may be read by another processor
					x.Require(contactFence(x, c).Kind == conformance.KindIgnored, "a first contact is answered")
				}
				opened = append(opened, c)
			}
			c, h := contacted(x)
			x.Pause("T_ACK") // and may hand what it reads to another one
			send(x, c.SendHello(h))
			x.Judge(contactFence(x, c, func(r *peer.Received) bool {
				if e := r.Error(); e != nil { // SERVER_BUSY is no accident here
					x.Judge(x.Observe(e, conformance.BudgetFence))
				}
				return false
			}))
			if x.Param("half-open") == "flight" {
				finishUDP(x, opened[0])
			} else {
				x.Pause("T_REASSEMBLY_HELLO")
				x.Pause("T_ATTACH_GAP") // a second: how late the timer may be
			}
			send(x, c.SendHello(h))
			_, err := c.ReadServerHello()
			x.Require(noted(err) == nil, "the address is served again")
		},
	}
}
