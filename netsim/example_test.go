package netsim_test

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/bpci/xtmp/netsim"
	"github.com/bpci/xtmp/netsim/vtime"
)

// greeter says hello until it is answered: a node is a machine without sockets.
type greeter struct {
	next     vtime.Time
	answered bool
}

func (g *greeter) Deadline() (vtime.Time, bool) { return g.next, !g.answered }

func (g *greeter) Handle(io *netsim.IO, in netsim.Input) {
	switch in.Kind {
	case netsim.Started:
		io.Bind(4000)
	case netsim.Timer:
		io.Send(4000, netip.MustParseAddrPort("10.0.0.2:900"), []byte("hello"))
		g.next = io.Now().Elapsed + vtime.Second
	case netsim.Datagram:
		g.answered = true
		io.Note("answered: " + string(in.Data))
	default:
	}
}

// answerer answers.
type answerer struct{}

func (answerer) Deadline() (vtime.Time, bool) { return 0, false }

func (answerer) Handle(io *netsim.IO, in netsim.Input) {
	switch in.Kind {
	case netsim.Started:
		io.Bind(900)
	case netsim.Datagram:
		io.Send(900, in.Peer, []byte("hello, you"))
	default:
	}
}

// A scenario loses the first greeting by its name, and cuts the way back for a while.
func Example() {
	scenario, err := netsim.Parse(`
for 1m
host server 10.0.0.2
host client 10.0.0.1
link client<>server delay 20ms
packet client>server Hello 1 drop
at 500ms cut server>client
at 1500ms mend server>client`)
	if err != nil {
		fmt.Println(err)
		return
	}
	world, err := netsim.New(netsim.Config{
		Boot: func(host string) netsim.Node {
			if host == "server" {
				return answerer{}
			}
			return &greeter{}
		},
		Name: func(p *netsim.Packet) string {
			if strings.HasPrefix(string(p.Data), "hello, ") {
				return "Answer"
			}
			return "Hello"
		},
		Trace: func(e netsim.Event) { fmt.Println(e) },
	}, scenario)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("violation:", world.Run())
	// Output:
	// 0s start server
	// 0s server boot
	// 0s start client
	// 0s client boot
	// 0s client>server 1 udp 10.0.0.1:4000→10.0.0.2:900 5 Hello drop listed
	// 500ms cut server>client
	// 1s client>server 2 udp 10.0.0.1:4000→10.0.0.2:900 5 Hello
	// 1020ms server arrived udp 10.0.0.1:4000→10.0.0.2:900 5
	// 1020ms server>client 1 udp 10.0.0.2:900→10.0.0.1:4000 10 Answer cut
	// 1500ms mend server>client
	// 2s client>server 3 udp 10.0.0.1:4000→10.0.0.2:900 5 Hello
	// 2020ms server arrived udp 10.0.0.1:4000→10.0.0.2:900 5
	// 2020ms server>client 2 udp 10.0.0.2:900→10.0.0.1:4000 10 Answer
	// 2040ms client arrived udp 10.0.0.2:900→10.0.0.1:4000 10
	// 2040ms client note answered: hello, you
	// violation: <nil>
}
