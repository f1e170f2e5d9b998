package conformance

import (
	"net"
	"strings"
	"testing"
	"time"
)

// echoTarget adds to a line peer a UDP socket that sends back what it gets.
func echoTarget(t *testing.T, echoing bool) *Address {
	t.Helper()
	target, err := NewAddress(lineTarget(t).Endpoint().TCP)
	if err != nil {
		t.Fatal(err)
	}
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	if err := target.ServeUDP(socket.LocalAddr().String()); err != nil {
		t.Fatal(err)
	}
	if !echoing {
		_ = socket.Close()
	}
	go func() {
		var p [2048]byte
		for {
			n, from, err := socket.ReadFrom(p[:])
			if err != nil {
				return
			}
			_, _ = socket.WriteTo(p[:n], from)
		}
	}()
	return target
}

func TestSocketRecordsDatagrams(t *testing.T) {
	c := negative("XC-0002", "", refused())
	c.Run = func(x *Exchange) {
		first, err := x.DialUDPAs(0)
		if err != nil {
			x.Fatal(err)
		}
		second, err := x.DialUDPAs(1)
		if err != nil {
			x.Fatal(err)
		}
		if second.LocalAddr().String() == first.LocalAddr().String() {
			t.Error("two persons have one address")
		}
		for _, text := range []string{"one", "two"} {
			if _, err := second.Write([]byte(text)); err != nil {
				x.Fatal(err)
			}
			var p [16]byte
			_ = second.SetReadDeadline(time.Now().Add(x.Within(BudgetReply)))
			if n, err := second.Read(p[:]); err != nil || string(p[:n]) != text {
				t.Errorf("%q came back as %q, %v", text, p[:n], err)
			}
		}
		x.Inconclusive("enough")
	}
	r := resultOf(t, judge(t, echoTarget(t, true), nil, control(), c), "XC-0002")
	if r.Traffic == nil || len(r.Traffic.Talks) != 2 || !r.Traffic.Talks[1].UDP {
		t.Fatalf("%s %s keeps %+v", r.Verdict, r.Reason, r.Traffic)
	}
	want := `open sent "one" received "one" sent "two" received "two"`
	if got := strings.Join(movesOf(r.Traffic.Talks[1]), " "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// An ICMP message ends nothing: the wait for a datagram goes on.
func TestSocketOutlivesICMP(t *testing.T) {
	c := negative("XC-0002", "", refused())
	c.Run = func(x *Exchange) {
		s := x.DialUDP()
		for range 2 {
			if _, err := s.Write([]byte("nobody?")); err != nil {
				x.Fatal(err)
			}
			_ = s.SetReadDeadline(time.Now().Add(x.Within(BudgetQuiet)))
			var p [16]byte
			_, err := s.Read(p[:])
			x.Judge(x.Observe(err, BudgetQuiet))
		}
	}
	r := resultOf(t, judge(t, echoTarget(t, false), nil, control(), c), "XC-0002")
	if r.Verdict != Fail || !strings.HasPrefix(r.Reason, "got Silence(quiet)") {
		t.Errorf("%s: %s", r.Verdict, r.Reason)
	}
}

func TestWhereUDPIs(t *testing.T) {
	for _, tt := range []struct{ ready, want string }{
		{"READY tcp=127.0.0.1:1", "127.0.0.1:1"},
		{"READY udp=127.0.0.1:2 tcp=127.0.0.1:1", "127.0.0.1:2"},
		{"READY tcp=127.0.0.1:1 udp=-", ""},
	} {
		if e, err := parseReady(tt.ready); err != nil || e.UDP != tt.want {
			t.Errorf("%s: UDP at %q, %v; want %q", tt.ready, e.UDP, err, tt.want)
		}
	}
	if _, err := parseReady("READY tcp=127.0.0.1:1 udp=nowhere"); err == nil {
		t.Error("udp=nowhere is taken")
	}
	target, err := NewAddress("192.0.2.1:8090")
	if err != nil || target.Endpoint().UDP != "192.0.2.1:8090" {
		t.Errorf("UDP of an address is %q, %v", target.Endpoint().UDP, err)
	}
	if err := target.ServeUDP("-"); err != nil || target.Endpoint().UDP != "" {
		t.Errorf("UDP at %q, %v; want none", target.Endpoint().UDP, err)
	}
	if err := target.ServeUDP(":"); err == nil {
		t.Error("a UDP address without host and port is taken")
	}
	c := negative("XC-0002", "", refused())
	c.Run = func(x *Exchange) { x.DialUDP() }
	none, err := NewAddress(lineTarget(t).Endpoint().TCP)
	if err == nil {
		err = none.ServeUDP("-")
	}
	if err != nil {
		t.Fatal(err)
	}
	if r := resultOf(t, judge(t, none, nil, control(), c), "XC-0002"); r.Verdict != Unsupported {
		t.Errorf("without UDP: %s %s, want unsupported", r.Verdict, r.Reason)
	}
}
