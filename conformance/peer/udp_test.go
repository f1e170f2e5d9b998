package peer

import (
	"bytes"
	"errors"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bpci/xtmp/conformance/specimen"
	"github.com/bpci/xtmp/vectors/testkit"
)

// serveUDP runs a server for the test and returns where it is.
func serveUDP(t *testing.T, flaws ...string) *specimen.Server {
	t.Helper()
	s := &specimen.Server{Identity: testIdentity, Flaws: map[string]bool{}}
	for _, flaw := range flaws {
		s.Flaws[flaw] = true
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func udpSocket(t *testing.T, s *specimen.Server) net.Conn {
	t.Helper()
	nc, err := net.Dial("udp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	return nc
}

func dialUDP(t *testing.T, s *specimen.Server) *Conn {
	t.Helper()
	c := New(udpSocket(t, s), Target{Pin: testIdentity.Fingerprint()}, Options{
		Entropy: testkit.Entropy(t.Name()), Wait: 3 * time.Second,
		Declares: func(profile string) bool { return slices.Contains([]string{"udp", "failover"}, profile) },
	})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func sessionUDP(t *testing.T, s *specimen.Server, script Script) *Session {
	t.Helper()
	own, err := dialUDP(t, s).Handshake(script)
	if err != nil {
		t.Fatal(err)
	}
	return own
}

func clean(t *testing.T, c *Conn) {
	t.Helper()
	for _, v := range c.Violations() {
		t.Errorf("a correct server is said to break %v", v)
	}
}

// The first contact is that of appendix A.7: names, order and sizes.
func TestFirstContactOnUDP(t *testing.T) {
	s := sessionUDP(t, serveUDP(t), Script{})
	if _, err := s.Ping([]byte("fence")); err != nil {
		t.Fatal(err)
	}
	request, err := s.Request(0x70, append(make([]byte, 8), bytes.Repeat([]byte("a"), 64)...))
	if err != nil {
		t.Fatal(err)
	}
	answer, _, err := s.ExpectAnswer(request.Mid(), 0)
	if err != nil || !bytes.HasSuffix(answer.Message.Body, []byte("aaaa")) {
		t.Fatalf("the echo: %v", err)
	}
	want := []string{
		"> ClientHello 1 of 2 1136", "< Retry 160", "> ClientHello 1 of 2 1184", "> ClientHello 2 of 2 438",
		"< ServerHello 1 of 2 1136", "< ServerHello 2 of 2 266", "< ServerFlight 347", "> ClientFinish 160", "< HandshakeDone mid 1 176",
	}
	var got []string
	for _, d := range s.Datagrams()[:len(want)] {
		got = append(got, strings.Join([]string{map[bool]string{true: ">", false: "<"}[d.Sent], d.Name, strconv.Itoa(len(d.Raw))}, " "))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	clean(t, s.Conn)
}

func TestAddressTokenSavesTheRetry(t *testing.T) {
	server := serveUDP(t)
	first := dialUDP(t, server)
	s, err := first.Handshake(Script{NoDone: true})
	if err != nil {
		t.Fatal(err)
	}
	done, err := s.ReadDone()
	if err != nil {
		t.Fatal(err)
	}
	token := done.Body("handshake_done").Bytes("address_token")
	second := sessionUDP(t, server, Script{Token: token})
	if name := second.Datagrams()[2].Name; !strings.HasPrefix(name, "ServerHello") {
		t.Errorf("after both fragments came %s", name)
	}
	clean(t, second.Conn)
}

func TestNetworkFaults(t *testing.T) {
	server := serveUDP(t)
	for name, fault := range map[string]Fault{
		"a fragment twice":         {Name: "ClientHello", Skip: 1, Does: Duplicates},
		"fragments swapped":        {Name: "ClientHello", Skip: 1, Does: Swaps},
		"a fragment late":          {Name: "ClientHello 2", Does: Delays, Delay: 20 * time.Millisecond},
		"ServerHello swapped":      {Inbound: true, Name: "ServerHello", Does: Swaps},
		"the flight before it":     {Inbound: true, Name: "ServerHello 2", Does: Swaps},
		"ServerFlight twice":       {Inbound: true, Name: "ServerFlight", Does: Duplicates},
		"ClientFinish twice":       {Name: "ClientFinish", Does: Duplicates},
		"an Ack lost":              {Name: "Ack", Does: Loses},
		"HandshakeDone comes late": {Inbound: true, Name: "HandshakeDone", Does: Loses},
	} {
		t.Run(name, func(t *testing.T) {
			c := dialUDP(t, server)
			c.Impair(fault)
			s, err := c.Handshake(Script{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Ping([]byte("fence")); err != nil {
				t.Fatal(err)
			}
			clean(t, s.Conn)
		})
	}
	c := dialUDP(t, server)
	c.Impair(Fault{Inbound: true, Name: "Retry", Times: -1, Does: Loses})
	c.wait = 50 * time.Millisecond
	if _, err := c.Handshake(Script{}); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("without Retry: %v", err)
	}
}

func TestReplayAndOtherSocket(t *testing.T) {
	server := serveUDP(t)
	s := sessionUDP(t, server, Script{})
	if _, err := s.Ping([]byte("one")); err != nil {
		t.Fatal(err)
	}
	pings := slices.DeleteFunc(slices.Clone(s.Datagrams()), func(d Datagram) bool { return !d.Sent || d.Name != "Heartbeat PING" })
	if err := s.Replay(pings[0]); err != nil {
		t.Fatal(err)
	}
	if before, err := s.Ping([]byte("two")); err != nil || len(before) > 0 {
		t.Errorf("before the answer came %s, %v", names(before), err)
	}
	other := s.AddSocket(udpSocket(t, server))
	s.Use(other)
	if _, err := s.Send(0x85, flagAck, nil); err != nil {
		t.Fatal(err)
	}
	sockets := map[int]bool{}
	for range 2 {
		r, _, err := s.Expect(0, func(r *Received) bool { return r.Name == "Heartbeat PATH_CHALLENGE" })
		if err != nil {
			t.Fatal(err)
		}
		sockets[r.Socket] = true
		if r.Socket == other {
			if _, err := s.Send(typeHeartbeat, 0, HeartbeatBody(PathResponse, r.Plaintext.Body[1:])); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(sockets) != 2 {
		t.Errorf("challenges came at sockets %v", sockets)
	}
	if _, err := s.Ping([]byte("three")); err != nil || s.Last().Socket != other {
		t.Errorf("the PONG came at socket %d, %v", s.Last().Socket, err)
	}
	clean(t, s.Conn)
}

func TestAttachAndRekeyOverPaths(t *testing.T) {
	server := serveUDP(t)
	s := sessionUDP(t, server, Script{})
	nc, err := net.Dial("tcp", server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	p1, err := s.Attach(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p1.Ping([]byte("first")); err != nil {
		t.Fatal(err)
	}
	p2, err := s.Attach(udpSocket(t, server), func(a *Attach) { a.Standby() })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p2.Ping([]byte("second")); err != nil {
		t.Fatal(err)
	}
	request, err := p1.Request(0x50, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := p1.ExpectReply(request.Mid(), 0); err != nil {
		t.Fatal(err)
	}
	again := s.RekeyDefaults()
	if err := s.SendDrafts(s.RekeyDrafts(again)...); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadRekeyResp(again, 0); err != nil {
		t.Fatal(err)
	}
	for i, path := range []*Session{p2, s, p1} {
		if _, err := path.Ping([]byte("old keys")); err != nil || path.Last().Epoch != 0 {
			t.Errorf("path %d before its switch: epoch %d, %v", i, path.Last().Epoch, err)
		}
		path.Switch(again)
		if _, err := path.Ping([]byte("new keys")); err != nil || path.Last().Epoch != 1 {
			t.Errorf("path %d after its switch: epoch %d, %v", i, path.Last().Epoch, err)
		}
	}
	later, err := s.Attach(udpSocket(t, server))
	if err != nil || later.Epoch() != 1 {
		t.Fatalf("an Attach under the new root: %v", err)
	}
	if _, err := later.Ping([]byte("later")); err != nil {
		t.Fatal(err)
	}
	clean(t, s.Conn)
}

// Fragments of a large reply, with losses that the server mends.
func TestLargeReplyOnUDP(t *testing.T) {
	s := sessionUDP(t, serveUDP(t), Script{})
	s.Impair(Fault{Inbound: true, Name: "Probe", Skip: 3, Times: 2, Does: Loses})
	request, err := s.Request(0x70, testkit.Compose("probe").SetUint("op", 2).SetUint("arg", 40_000).Encode())
	if err != nil {
		t.Fatal(err)
	}
	answer, _, err := s.ExpectAnswer(request.Mid(), 0)
	if err != nil || len(answer.Message.Body) != 40_008 {
		t.Fatalf("the reply: %v", err)
	}
	clean(t, s.Conn)
}

func TestLintSeesWhatIsWrongOnUDP(t *testing.T) {
	helloAgain := Script{Lenient: true, Fragments: func(drafts []*Draft) []*Draft { return append(drafts, drafts[0]) }}
	for _, tt := range []struct {
		flaw, req string
		script    Script
		provoke   func(*Session) error
	}{
		{"seals again", "XTMP-UDP-020", helloAgain, nil},
		{"cumulative Ack", "XTMP-ACK-017", Script{}, func(s *Session) error {
			s.LeaveOut()
			_, err := s.Send(0x85, flagAck, nil)
			return err
		}},
	} {
		s := sessionUDP(t, serveUDP(t, tt.flaw), tt.script)
		if tt.provoke != nil {
			if err := tt.provoke(s); err != nil {
				t.Fatal(err)
			}
		}
		_, _ = s.Drain(60 * time.Millisecond)
		if !slices.ContainsFunc(s.Violations(), func(d *Deviation) bool { return d.Req == tt.req }) {
			t.Errorf("%s: the linter says %v, not %s", tt.flaw, s.Violations(), tt.req)
		}
	}
}
