package world

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/bpci/xtmp/netsim"
	"github.com/bpci/xtmp/netsim/vtime"
	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/trace"
	"github.com/bpci/xtmp/refimpl/wire"
)

// stage is a Watch of a server and a client that no core stands behind: the test
// says what they do.
type stage struct {
	*Watch
	server, client *end
	keys           map[string]*security.Secret // by label
}

const stageID = 0x1234

func newStage(t *testing.T) *stage {
	t.Helper()
	p := plan(t, "serve server\ncall client>server requests 10")
	s := &stage{Watch: newWatch(p), keys: map[string]*security.Secret{}}
	var err error
	if s.world, err = netsim.New(netsim.Config{}, &p.Scenario); err != nil {
		t.Fatal(err)
	}
	s.server, s.client = s.newEnd("server", session.Server), s.newEnd("client", session.Client)
	return s
}

// ranges is the body of an Ack of single numbers, in falling order.
func ranges(t *testing.T, numbers ...uint64) []byte {
	t.Helper()
	var list []wire.AckRange
	for _, n := range numbers {
		list = append(list, wire.AckRange{Low: n, High: n})
	}
	return wire.AppendAck(nil, 0, list)
}

// derive has both ends derive the secrets of the session.
func (s *stage) derive() *stage {
	for _, e := range []*end{s.server, s.client} {
		for i, label := range []string{
			"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_PATH_SECRET_0_0", "SERVER_PATH_SECRET_0_0",
		} {
			value := &security.Secret{byte(i) + 1}
			s.keys[label] = value
			e.secret(label, stageID, value[:])
		}
	}
	return s
}

// sealer returns a new sealer of a secret: its counter stands at 0.
func (s *stage) sealer(label string) *security.Sealer {
	k := security.NewSealer(wire.SuiteAES256GCM, s.keys[label])
	return &k
}

// seal has an end write a frame.
func seal(t *testing.T, e *end, k *security.Sealer, h wire.Header, pro wire.Prologue, body []byte) {
	t.Helper()
	h.SessionID = stageID
	f, start := security.Reserve(nil)
	f, err := k.Seal(append(pro.Append(f, h.Flags), body...), start, &h)
	if err != nil {
		t.Fatal(err)
	}
	e.frames(f)
}

// request has the client write a request.
func (s *stage) request(t *testing.T, k *security.Sealer, mid uint64) {
	t.Helper()
	c := s.callers[0]
	c.tick(vtime.Hour, 0)
	seal(t, s.client, k, wire.Header{Type: wire.TypeProbe, Flags: wire.FlagRequiresAck}, wire.Prologue{Mid: mid}, c.body(nil, c.next()))
}

// execute has the server execute a call under a mid.
func (s *stage) execute(mid uint64, k *call) {
	s.server.executed(stageID, &session.Message{Type: wire.TypeProbe, Call: session.Call{Mid: mid}, Body: s.callers[0].body(nil, k)})
}

// Every rule is silent about what is right, and finds what is planted.
func TestRulesFindWhatIsPlanted(t *testing.T) {
	path := func(s *stage) (client, server *security.Sealer) {
		s.derive()
		return s.sealer("CLIENT_PATH_SECRET_0_0"), s.sealer("SERVER_PATH_SECRET_0_0")
	}
	ping := wire.Header{Type: wire.TypeHeartbeat}
	ack := wire.Header{Type: wire.TypeAck}
	none := wire.Prologue{}
	for _, c := range []struct {
		name string
		do   func(t *testing.T, s *stage)
		want string // the rule and words of its finding; "": nothing
	}{
		{"one execution and its reply", func(_ *testing.T, s *stage) {
			k := s.given()
			s.execute(1, k)
			s.callers[0].replied(s.Watch, k, s.callers[0].body(nil, k))
		}, ""},
		{"executed twice", func(_ *testing.T, s *stage) {
			k := s.given()
			s.execute(1, k)
			s.execute(2, k)
		}, "twice: executes call 0 of client twice"},
		{"executed, and not made", func(_ *testing.T, s *stage) { s.execute(1, &call{number: 99}) }, "result: that nobody made"},
		{"a reply without execution", func(_ *testing.T, s *stage) {
			k := s.given()
			s.callers[0].replied(s.Watch, k, s.callers[0].body(nil, k))
		}, "result: executed 0 times"},
		{"another's reply", func(_ *testing.T, s *stage) {
			k, other := s.given(), s.given()
			s.execute(1, k)
			s.callers[0].replied(s.Watch, k, s.callers[0].body(nil, other))
		}, "result: another's"},
		{"two replies", func(_ *testing.T, s *stage) {
			k := s.given()
			s.execute(1, k)
			s.callers[0].replied(s.Watch, k, s.callers[0].body(nil, k))
			s.callers[0].replied(s.Watch, k, s.callers[0].body(nil, k))
		}, "result: second result"},
		{"unknown, and executed later", func(_ *testing.T, s *stage) { k := s.given(); s.callers[0].cut(s.Watch); s.execute(1, k) }, ""},
		{"not sent, and executed before", func(_ *testing.T, s *stage) {
			k := s.given()
			s.execute(1, k)
			s.callers[0].notSent(s.Watch, k)
		}, "result: said not to have been sent"},
		{"not sent, and executed later", func(_ *testing.T, s *stage) {
			k := s.given()
			sent := *k
			s.callers[0].notSent(s.Watch, k)
			s.execute(1, &sent)
		}, "result: said not to have been sent"},
		{"refused", func(_ *testing.T, s *stage) { s.callers[0].refused(s.Watch, s.given(), errors.New("no")) }, "conduct: refused: no"},

		{"secrets agree", func(_ *testing.T, s *stage) { s.derive(); s.server.established(stageID) }, ""},
		{"secrets differ", func(t *testing.T, s *stage) {
			s.derive()
			other := &security.Secret{99}
			s.keys["mine"] = other
			s.server.secret("CLIENT_PATH_SECRET_0_1", stageID, make([]byte, 48))
			s.client.secret("CLIENT_PATH_SECRET_0_1", stageID, other[:])
			seal(t, s.client, s.sealer("mine"), ping, none, []byte{0})
		}, "agree: differs between the ends"},
		{"ends that number a path differently", func(t *testing.T, s *stage) {
			s.derive()
			other := &security.Secret{99}
			s.keys["mine"] = other
			s.server.secret("CLIENT_PATH_SECRET_2_0", stageID, other[:])
			s.client.secret("CLIENT_PATH_SECRET_1_0", stageID, other[:])
			seal(t, s.client, s.sealer("mine"), ping, none, []byte{0})
		}, ""},
		{"a secret that is derived again", func(_ *testing.T, s *stage) {
			s.derive()
			s.server.secret("CLIENT_PATH_SECRET_0_0", stageID, s.keys["CLIENT_PATH_SECRET_0_0"][:])
		}, "agree: a second time"},
		{"a session of one end", func(_ *testing.T, s *stage) {
			for i := range 4 {
				s.server.secret(fmt.Sprintf("CLIENT_PATH_SECRET_0_%d", i), stageID, bytes.Repeat([]byte{byte(i)}, 48))
			}
			s.client.proved(stageID, &session.Identity{Suite: wire.SuiteAES256GCM})
		}, "agree: known to one end only"},
		{"a session that nobody knows", func(_ *testing.T, s *stage) { s.server.established(stageID) }, "agree: nobody knows"},
		{"a session_id that was given before", func(_ *testing.T, s *stage) { s.derive().derive() }, "agree: a second time"},
		{"another suite", func(t *testing.T, s *stage) {
			client, _ := path(s)
			seal(t, s.client, client, ping, none, []byte{0})
			s.client.proved(stageID, &session.Identity{Suite: wire.SuiteChaCha20})
		}, "agree: has suite chacha20poly1305"},
		{"a key in no log", func(t *testing.T, s *stage) {
			s.keys["other"] = &security.Secret{77}
			seal(t, s.client, s.sealer("other"), ping, none, []byte{0})
		}, "agree: in no key log"},

		{"numbers count up", func(t *testing.T, s *stage) {
			client, _ := path(s)
			seal(t, s.client, client, ping, none, []byte{0})
			seal(t, s.client, client, ping, none, []byte{0})
		}, ""},
		{"a number twice", func(t *testing.T, s *stage) {
			client, _ := path(s)
			seal(t, s.client, client, ping, none, []byte{0})
			seal(t, s.client, s.sealer("CLIENT_PATH_SECRET_0_0"), ping, none, []byte{1})
		}, "sequence: two frames with the sequence number 0"},
		{"a path frame again", func(t *testing.T, s *stage) {
			client, _ := path(s)
			seal(t, s.client, client, ping, none, []byte{0})
			seal(t, s.client, s.sealer("CLIENT_PATH_SECRET_0_0"), ping, none, []byte{0})
		}, "sequence: two frames"},
		{"a handshake frame again", func(t *testing.T, s *stage) {
			s.derive()
			for range 2 {
				seal(t, s.client, s.sealer("CLIENT_HANDSHAKE_TRAFFIC_SECRET"), wire.Header{Type: wire.TypeHandshake}, none, []byte{5})
			}
		}, ""},
		{"another handshake frame", func(t *testing.T, s *stage) {
			s.derive()
			for i := range byte(2) {
				seal(t, s.client, s.sealer("CLIENT_HANDSHAKE_TRAFFIC_SECRET"), wire.Header{Type: wire.TypeHandshake}, none, []byte{i})
			}
		}, "sequence: two frames"},
		{"the other end's key", func(t *testing.T, s *stage) {
			client, _ := path(s)
			seal(t, s.server, client, ping, none, []byte{0})
		}, "sequence: seals under CLIENT_PATH_SECRET_0_0"},
		{"the key of a process before", func(t *testing.T, s *stage) {
			client, _ := path(s)
			seal(t, s.client, client, ping, none, []byte{0})
			seal(t, s.newEnd("client", session.Client), client, ping, none, []byte{0})
		}, "sequence: so did another process"},

		{"an Ack of what was executed", func(t *testing.T, s *stage) {
			client, server := path(s)
			s.request(t, client, 1)
			s.execute(1, &s.callers[0].calls[0])
			seal(t, s.server, server, ack, none, wire.AppendStreamAck(nil, 0))
		}, ""},
		{"an Ack of what was not executed", func(t *testing.T, s *stage) {
			client, server := path(s)
			s.request(t, client, 1)
			s.request(t, client, 2)
			s.execute(1, &s.callers[0].calls[0])
			seal(t, s.server, server, ack, none, wire.AppendStreamAck(nil, 1))
		}, "acknowledged: acknowledges mid 2"},
		{"an Ack of less", func(t *testing.T, s *stage) {
			client, server := path(s)
			s.request(t, client, 1)
			s.request(t, client, 2)
			s.execute(1, &s.callers[0].calls[0])
			seal(t, s.server, server, ack, none, wire.AppendStreamAck(nil, 0))
		}, ""},
		{"ranges of what was executed", func(t *testing.T, s *stage) {
			client, server := path(s)
			for mid := range uint64(3) {
				s.request(t, client, mid+1)
			}
			s.execute(1, &s.callers[0].calls[0])
			s.execute(3, &s.callers[0].calls[2])
			seal(t, s.server, server, ack, none, ranges(t, 2, 0))
		}, ""},
		{"ranges of what was not executed", func(t *testing.T, s *stage) {
			client, server := path(s)
			for mid := range uint64(3) {
				s.request(t, client, mid+1)
			}
			s.execute(1, &s.callers[0].calls[0])
			seal(t, s.server, server, ack, none, ranges(t, 2, 0))
		}, "acknowledged: acknowledges mid 3"},
		{"an Ack on another path", func(t *testing.T, s *stage) {
			client, _ := path(s)
			s.request(t, client, 1)
			for i, label := range []string{"CLIENT_PATH_SECRET_1_0", "SERVER_PATH_SECRET_1_0"} {
				value := &security.Secret{byte(i) + 50}
				s.keys[label] = value
				s.server.secret(label, stageID, value[:])
				s.client.secret(label, stageID, value[:])
			}
			seal(t, s.server, s.sealer("SERVER_PATH_SECRET_1_0"), ack, none, wire.AppendStreamAck(nil, 0))
		}, ""},
		{"an Ack on a path that has the number of another", func(t *testing.T, s *stage) {
			client, _ := path(s)
			s.request(t, client, 1)
			for i, label := range []string{"CLIENT_PATH_SECRET_0_0", "SERVER_PATH_SECRET_0_0"} {
				value := &security.Secret{byte(i) + 50}
				s.keys["again "+label] = value
				s.server.secret(label, stageID, value[:])
				s.client.secret(label, stageID, value[:])
			}
			seal(t, s.client, s.sealer("again CLIENT_PATH_SECRET_0_0"), ping, none, []byte{0})
			seal(t, s.server, s.sealer("again SERVER_PATH_SECRET_0_0"), ack, none, wire.AppendStreamAck(nil, 0))
		}, ""},

		{"an accusation", func(_ *testing.T, s *stage) {
			s.server.closed(stageID, &session.Error{Code: wire.ProtocolViolation, Scope: wire.ScopeSession})
		}, "conduct: PROTOCOL_VIOLATION"},
		{"an end by the network", func(_ *testing.T, s *stage) {
			s.quiet = vtime.Never
			s.server.closed(stageID, session.ErrTruncated)
		}, ""},
		{"an end without need", func(_ *testing.T, s *stage) {
			s.bulky, s.quiet = true, -1
			s.derive().server.established(stageID)
			s.server.closed(stageID, session.ErrIdle)
		}, "progress: ends while all is well"},
		{"an end that a path more would have prevented", func(_ *testing.T, s *stage) {
			s.quiet = vtime.Never
			s.derive().server.established(stageID)
			s.server.closed(stageID, session.ErrTruncated)
		}, "known: could have been parked"},
		{"an ordinary end", func(_ *testing.T, s *stage) {
			s.quiet = -1
			s.server.closed(stageID, session.ErrClosed)
		}, ""},
		{"a server that could not prove itself", func(_ *testing.T, s *stage) {
			s.client.closed(0, session.ErrHandshake)
		}, "conduct: could not prove"},
		{"a frame that is refused", func(_ *testing.T, s *stage) {
			s.server.traced(trace.Event{Kind: trace.FrameRefused, Step: 9, Reason: "not the next"})
		}, "conduct: at step 9: not the next"},
		{"something that is no frame", func(_ *testing.T, s *stage) { s.client.frames(make([]byte, 100)) }, "conduct: no frame"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t)
			c.do(t, s)
			s.wants(t, c.want)
		})
	}
}

// The page about the simulator says of every rule what it is.
func TestRulesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/simulation.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range Rules() {
		if !strings.Contains(string(page), "\n| `"+r.Name+"` |") || r.Meaning == "" {
			t.Errorf("%s is not in docs/simulation.md", r.Name)
		}
	}
}

// given takes the next call.
func (s *stage) given() *call {
	s.callers[0].tick(vtime.Hour, 0)
	return s.callers[0].next()
}

// wants wants a finding of a rule and of no other: "rule: words", or "" for none.
func (w *Watch) wants(t *testing.T, want string) {
	t.Helper()
	rule, words, _ := strings.Cut(want, ": ")
	for c, err := range w.found {
		switch name := rules[c].Name; {
		case err == nil && name == rule:
			t.Errorf("rule %s has found nothing, want %q", name, words)
		case err != nil && name != rule:
			t.Errorf("rule %s has found %q", name, err)
		case err != nil && !strings.Contains(err.Error(), words):
			t.Errorf("rule %s has found %q, want %q", name, err, words)
		}
	}
}

func TestAmplification(t *testing.T) {
	a, b := netip.MustParseAddrPort("10.0.0.1:5"), netip.MustParseAddrPort("10.0.0.9:5")
	clear := func(typ wire.MessageType, payload []byte) []byte { return wire.AppendClear(nil, typ, 0, 0, payload) }
	sealed := func(s *stage, label string, plain []byte) []byte {
		f, start := security.Reserve(nil)
		f, err := s.sealer(label).Seal(append(f, plain...), start, &wire.Header{Type: wire.TypeHeartbeat, SessionID: stageID})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	token := []byte(strings.Repeat("t", 48))
	hello := func(token []byte) []byte {
		return clear(wire.TypeHandshake, append(append(make([]byte, 3), append([]byte{48}, make([]byte, 12)...)...), token...))
	}
	challenge := append([]byte{byte(wire.PathChallenge)}, token[:16]...)
	response := append([]byte{byte(wire.PathResponse)}, token[:16]...)
	for _, c := range []struct {
		name string
		do   func(s *stage)
		want string
	}{
		{"as much", func(s *stage) {
			s.datagramIn("server", a, make([]byte, 100))
			s.datagramOut("server", a, make([]byte, 100))
		}, ""},
		{"more", func(s *stage) {
			s.datagramIn("server", a, make([]byte, 100))
			s.datagramOut("server", a, make([]byte, 101))
		}, "amplification: has sent 101 bytes to 10.0.0.1:5, which has sent 100"},
		{"to another", func(s *stage) {
			s.datagramIn("server", a, make([]byte, 100))
			s.datagramOut("server", b, make([]byte, 1))
		}, "amplification: to 10.0.0.9:5"},
		{"with a token that was sent there", func(s *stage) {
			s.datagramIn("server", a, make([]byte, 1136))
			s.datagramOut("server", a, clear(wire.TypeHandshakeAck, append(make([]byte, 16), token...)))
			s.datagramIn("server", a, hello(token))
			s.datagramOut("server", a, make([]byte, 5000))
		}, ""},
		{"with a token of one's own", func(s *stage) {
			s.datagramIn("server", a, hello(token))
			s.datagramOut("server", a, make([]byte, 5000))
		}, "amplification: has sent 5000"},
		{"behind a handshake", func(s *stage) {
			s.datagramIn("server", a, sealed(s, "CLIENT_HANDSHAKE_TRAFFIC_SECRET", []byte{5}))
			s.datagramOut("server", a, make([]byte, 5000))
		}, ""},
		{"three times to an address that moved", func(s *stage) {
			s.datagramIn("server", a, sealed(s, "CLIENT_HANDSHAKE_TRAFFIC_SECRET", []byte{5}))
			s.datagramIn("server", a, sealed(s, "CLIENT_PATH_SECRET_0_0", make([]byte, 4)))
			s.datagramIn("server", b, sealed(s, "CLIENT_PATH_SECRET_0_0", make([]byte, 4)))
			s.datagramOut("server", b, make([]byte, 300))
		}, ""},
		{"more to an address that moved", func(s *stage) {
			s.datagramIn("server", a, sealed(s, "CLIENT_HANDSHAKE_TRAFFIC_SECRET", []byte{5}))
			s.datagramIn("server", a, sealed(s, "CLIENT_PATH_SECRET_0_0", make([]byte, 4)))
			s.datagramIn("server", b, sealed(s, "CLIENT_PATH_SECRET_0_0", make([]byte, 4)))
			s.datagramOut("server", b, make([]byte, 301))
		}, "amplification: has sent 301"},
		{"more to one that has answered the challenge", func(s *stage) {
			s.datagramIn("server", a, sealed(s, "CLIENT_HANDSHAKE_TRAFFIC_SECRET", []byte{5}))
			s.datagramIn("server", a, sealed(s, "CLIENT_PATH_SECRET_0_0", make([]byte, 4)))
			s.datagramIn("server", b, sealed(s, "CLIENT_PATH_SECRET_0_0", make([]byte, 104)))
			s.datagramOut("server", b, sealed(s, "SERVER_PATH_SECRET_0_0", challenge))
			s.datagramIn("server", b, sealed(s, "CLIENT_PATH_SECRET_0_0", response))
			s.datagramOut("server", b, make([]byte, 5000))
		}, ""},
		{"more to one that has answered another challenge", func(s *stage) {
			s.datagramIn("server", a, sealed(s, "CLIENT_HANDSHAKE_TRAFFIC_SECRET", []byte{5}))
			s.datagramIn("server", a, sealed(s, "CLIENT_PATH_SECRET_0_0", make([]byte, 4)))
			s.datagramIn("server", b, sealed(s, "CLIENT_PATH_SECRET_0_0", make([]byte, 104)))
			s.datagramIn("server", b, sealed(s, "CLIENT_PATH_SECRET_0_0", response))
			s.datagramOut("server", b, make([]byte, 5000))
		}, "amplification: has sent 5000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t).derive()
			c.do(s)
			s.wants(t, c.want)
		})
	}
}

// chatter answers each datagram with two.
type chatter struct{}

func (chatter) Deadline() (vtime.Time, bool) { return 0, false }

func (chatter) Handle(io *netsim.IO, in netsim.Input) {
	switch in.Kind {
	case netsim.Started:
		io.Bind(Port)
	case netsim.Datagram:
		io.Send(Port, in.Peer, in.Data)
		io.Send(Port, in.Peer, in.Data)
	default:
	}
}

// knocker sends one datagram.
type knocker struct{ to netip.AddrPort }

func (knocker) Deadline() (vtime.Time, bool) { return 0, false }

func (k knocker) Handle(io *netsim.IO, in netsim.Input) {
	if in.Kind == netsim.Started {
		io.Send(io.Bind(0), k.to, []byte("knock"))
	}
}

// deaf takes connections and says nothing.
type deaf struct{}

func (deaf) Deadline() (vtime.Time, bool) { return 0, false }

func (deaf) Handle(io *netsim.IO, in netsim.Input) {
	switch in.Kind {
	case netsim.Started:
		io.Listen(Port)
	case netsim.Readable:
		io.Read(in.Conn, make([]byte, 4096))
	default:
	}
}

// hasty wants to be woken at once, whatever happens.
type hasty struct {
	watch *Watch
	turns turns
}

func (*hasty) Deadline() (vtime.Time, bool) { return 0, true }

func (h *hasty) Handle(io *netsim.IO, in netsim.Input) { h.turns.count(h.watch, "server", io, in) }

// What takes a whole run to be found.
func TestRulesFindWhatIsPlantedInARun(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines string
		boot  func(w *World, host string) netsim.Node // nil: as planned
		want  string
	}{
		{"a server that is deaf", "", func(_ *World, host string) netsim.Node {
			if host == "server" {
				return deaf{}
			}
			return nil
		}, "progress"},
		{"a link that loses everything", "at 0s cut client>server", nil, ""}, // nothing can be demanded
		{"a link that lost everything", "at 0s cut client>server\nat 20s heal", nil, ""},
		{"a node that is due again at once", "", func(w *World, host string) netsim.Node {
			if host == "server" {
				return &hasty{watch: w.watch}
			}
			return nil
		}, "deadline"},
		{"a server that answers with more", "", func(_ *World, host string) netsim.Node {
			if host == "server" {
				return chatter{}
			}
			return knocker{netip.MustParseAddrPort("10.0.0.2:8090")}
		}, "amplification"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, err := newWorld(plan(t, "serve server\ncall client>server requests 5\n"+c.lines), NewSite(), Options{}, c.boot)
			if err != nil {
				t.Fatal(err)
			}
			o := w.Run()
			if got := o.Violation; (got == nil) != (c.want == "") || got != nil && got.Check != c.want {
				t.Errorf("got %v, want %q", got, c.want)
			}
		})
	}
}

// What servers and clients hold is bounded.
func TestLimits(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(s *Server, c *Client)
		want  string
	}{
		{"nothing", func(*Server, *Client) {}, ""},
		{"a connection without a session", func(s *Server, _ *Client) { s.conns[99] = &accepted{} }, "limits: paths on"},
		{"a session that left twice", func(s *Server, _ *Client) { s.limits.half-- }, "limits: half-open"},
		{"a session that never left", func(s *Server, _ *Client) { s.limits.settled += 2 }, "limits: established"},
		{"memory", func(s *Server, _ *Client) { s.limits.memory += heldMost + partialMost + 1 }, "limits: bytes of incomplete frames"},
		{"what is left", func(s *Server, _ *Client) {
			now := clocks(netsim.Now{Elapsed: vtime.Minute})
			s.endpoint.Shutdown(now)
			s.lose(now, s.byID[0])
			s.limits.retained++
		}, "limits: 1 retained"},
		{"a queue", func(_ *Server, c *Client) {
			for range 10 * queuedMost {
				_ = c.core.Send(clocks(netsim.Now{Elapsed: vtime.Minute}), &session.Request{Type: wire.TypeProbe, Body: make([]byte, 100)})
			}
		}, "limits: wait to be sealed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, err := New(plan(t, "serve server\ncall client>server requests 100"), NewSite(), Options{})
			if err != nil {
				t.Fatal(err)
			}
			w.RunTo(500 * vtime.Millisecond)
			server, client := w.Host("server").Node().(*Server), w.Host("client").Node().(*Client)
			c.spoil(server, client)
			w.watch.serverHolds(server)
			w.watch.clientHolds(client)
			w.watch.wants(t, c.want)
		})
	}
}
