package world

import (
	"testing"

	"github.com/bpci/xtmp/netsim"
	"github.com/bpci/xtmp/netsim/link"
	"github.com/bpci/xtmp/netsim/vtime"
)

// handshakePackets are as many packets of a handshake as are lost in every way there
// is: half of them in each direction.
const handshakePackets = 12

// withDrops returns a plan that loses the packets of a set: bit i the packet 1 + i/2 of
// the way to the server if i is even, and of the way back if it is odd.
func withDrops(base *Plan, set uint) *Plan {
	p := *base
	p.Scenario.Edits = nil
	for i := range handshakePackets {
		if set>>i&1 == 0 {
			continue
		}
		e := netsim.EditLine{From: "client", To: "server", Packet: link.Packet{Index: uint64(1 + i/2)}, Edit: link.Edit{Drop: link.Listed}}
		if i%2 != 0 {
			e.From, e.To = e.To, e.From
		}
		p.Scenario.Edits = append(p.Scenario.Edits, e)
	}
	return &p
}

// Whatever is lost of the first packets, the client gets a session, on this
// connection or on the next, and its request is executed once.
func TestDropSubsets(t *testing.T) {
	for _, over := range []string{"tcp", "udp"} {
		t.Run(over, func(t *testing.T) {
			t.Parallel()
			dropSubsets(t, plan(t, "serve server\ncall client>server requests 1 over "+over))
		})
	}
}

func dropSubsets(t *testing.T, base *Plan) {
	t.Helper()
	site := NewSite()
	var first, again int
	var latest vtime.Time
	step := uint(1)
	if testing.Short() {
		step = 37
	}
	for set := uint(0); set < 1<<handshakePackets; set += step {
		o, err := Run(withDrops(base, set), site, Options{})
		switch {
		case err != nil || o.Violation != nil:
			t.Fatalf("%012b: %v, %v", set, err, o.Violation)
		case o.Replied+o.Unknown != 1 || o.Sessions == 0:
			t.Fatalf("%012b: %+v", set, o)
		case o.Sessions == 1 && o.Dials == 1:
			first++
		default:
			again++
		}
		latest = max(latest, o.At)
	}
	t.Logf("%d sets: %d at the first connection, %d at another, the last after %s", first+again, first, again, latest)
	if first == 0 || again == 0 {
		t.Error("the sets are all alike")
	}
}
