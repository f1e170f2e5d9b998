package udp

import (
	"net/netip"
	"testing"
)

// Two goroutines' sockets talk, on every system.
func TestConn(t *testing.T) {
	var ends [2]*Conn
	for i := range ends {
		c, err := Open(t.Context(), "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		ends[i] = c
	}
	for round := range 3 {
		from, to := ends[round%2], ends[(round+1)%2]
		for i := range 20 {
			from.Add(append(from.Room(), make([]byte, 1000+i%3)...), to.Addr())
		}
		if err := from.Flush(); err != nil || from.Waiting() != 0 {
			t.Fatal(from.Waiting(), err)
		}
		for i := 0; i < 20; {
			batch, err := to.Receive()
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range batch {
				if len(d.Bytes) != 1000+i%3 || d.From != from.Addr() {
					t.Fatalf("datagram %d: %d B from %v", i, len(d.Bytes), d.From)
				}
				i++
			}
		}
	}
	if c, err := Open(t.Context(), ""); err != nil || c.Addr().Port() == 0 {
		t.Error(err)
	} else {
		_ = c.Close()
	}
	if _, err := Open(t.Context(), "nowhere"); err == nil {
		t.Error("nowhere is an address")
	}
}

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1:1":            "192.0.2.1:1",
		"[::ffff:192.0.2.1]:1":   "192.0.2.1:1",
		"[2001:db8::1]:1":        "[2001:db8::1]:1",
		"[fe80::1%3]:1":          "[fe80::1%3]:1",
		"[fe80::1%no-such-if]:1": "[fe80::1]:1",
	} {
		if got := Plain(netip.MustParseAddrPort(in)); got != netip.MustParseAddrPort(want) {
			t.Errorf("%s becomes %v, want %s", in, got, want)
		}
	}
}
