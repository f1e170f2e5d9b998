//go:build linux

package transport

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/bpci/xtmp/refimpl/endpoint"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/udp"
)

// echo is an endpoint that sends every datagram back, with its own number in front.
type echo struct {
	number byte
	shard  func(sessionID uint64) uint8
	strays []stray
}

type stray struct {
	to    netip.AddrPort
	bytes []byte
}

func (e *echo) Datagram(_ session.Now, from netip.AddrPort, b []byte) {
	e.strays = append(e.strays, stray{from, append([]byte{e.number}, b...)})
}

func (e *echo) NextStray(dst []byte) (out []byte, to netip.AddrPort, ok bool) {
	if len(e.strays) == 0 {
		return dst, to, false
	}
	s := e.strays[0]
	e.strays = e.strays[1:]
	return append(dst, s.bytes...), s.to, true
}

func (*echo) Datagrams(endpoint.ConnID) bool { return false }

func (*echo) AppendDatagram(_ session.Now, _ endpoint.ConnID, dst []byte) (out []byte, to netip.AddrPort, ok bool) {
	return dst, to, false
}

func (e *echo) Shard(sessionID uint64) uint8 { return e.shard(sessionID) }

// echoing starts a server of n loops whose endpoints echo.
func echoing(t *testing.T, n int, shard func(uint64) uint8) *Server {
	t.Helper()
	cfg, err := testConfig()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Loops = n
	s, err := Listen(t.Context(), "127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range s.loops {
		l.datagrams = &echo{number: byte(i), shard: shard}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s
}

// Every datagram reaches the loop of its session, whichever socket takes it.
// [XTMP-PTH-054]
func TestDatagramsReachTheirLoop(t *testing.T) {
	const count, loops = 60, 3
	for name, shard := range map[string]func(uint64) uint8{
		"the kernel knows":      func(id uint64) uint8 { return uint8(id & 3) },
		"the kernel knows not":  func(id uint64) uint8 { return uint8(id >> 8 & 3) },
		"nobody is asked for 3": func(id uint64) uint8 { return uint8(id&1) * 3 },
	} {
		t.Run(name, func(t *testing.T) {
			s := echoing(t, loops, shard)
			c, err := udp.Open(t.Context(), "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			var want, got []string
			for i := range uint64(count) {
				b := make([]byte, 100)
				id := i<<16 | i%5<<8 | i%4
				binary.BigEndian.PutUint64(b[8:], id)
				b[99] = byte(i)
				c.Add(b, s.Addr())
				if to := shard(id); id != 0 && to < loops {
					want = append(want, fmt.Sprint(i, " by ", to))
				} else {
					want = append(want, fmt.Sprint(i, " by anybody"))
				}
			}
			if err := c.Flush(); err != nil {
				t.Fatal(err)
			}
			for len(got) < count {
				batch, err := c.Receive()
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range batch {
					if len(d.Bytes) != 101 || d.From != s.Addr() {
						t.Fatalf("%d B from %v", len(d.Bytes), d.From)
					}
					i := d.Bytes[100]
					line := fmt.Sprint(i, " by ", d.Bytes[0])
					if slices.Contains(want, fmt.Sprint(i, " by anybody")) {
						line = fmt.Sprint(i, " by anybody")
					}
					got = append(got, line)
				}
			}
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("answered: %v\nwant: %v", got, want)
			}
			read, written, calls := uint64(0), uint64(0), uint64(0)
			for _, l := range s.Metrics().Loops {
				read, written, calls = read+l.DatagramsRead, written+l.DatagramsWritten, calls+l.Writes
			}
			if read != count || written != count || calls >= count {
				t.Errorf("metrics: %d read, %d written in %d calls", read, written, calls)
			}
		})
	}
}

// blocked is a socket that takes nothing until it is told to.
type blocked struct {
	*udp.Socket
	open bool
}

func (b *blocked) Flush() bool { return b.open && b.Socket.Flush() }

// A full socket holds up datagrams, in their order, and loses none.
func TestFullSocket(t *testing.T) {
	cfg, err := testConfig()
	if err != nil {
		t.Fatal(err)
	}
	s, err := Listen(t.Context(), "127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	c, err := udp.Open(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	l, e, socket := s.loops[0], &echo{}, &blocked{Socket: s.sockets[0]}
	l.datagrams, l.udp.socket = e, socket
	const count = 1000 // more than a batch holds
	for i := range count {
		e.Datagram(session.Now{}, c.Addr(), binary.BigEndian.AppendUint16(nil, uint16(i)))
	}
	for range 3 {
		l.flush(session.Now{})
		if l.sendDatagrams() || !l.udp.full || l.room() != nil {
			t.Fatal("the socket is not full")
		}
	}
	socket.open = true
	next := uint16(0)
	for next < count {
		if !l.sendDatagrams() {
			t.Fatal("the socket is still full")
		}
		l.flush(session.Now{})
		for last := next; next < l.upTo(count, len(e.strays), socket.Waiting()) && next-last < 200; {
			batch, err := c.Receive()
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range batch {
				if got := binary.BigEndian.Uint16(d.Bytes[1:]); got != next {
					t.Fatalf("datagram %d arrives as number %d", got, next)
				}
				next++
			}
		}
	}
}

// upTo is how many of count datagrams the socket has taken.
func (*loop) upTo(count, strays, waiting int) uint16 { return uint16(count - strays - waiting) }

// A loop that is behind drops what others receive for it.
func TestMailIsBounded(t *testing.T) {
	s := echoing(t, 1, func(uint64) uint8 { return 0 })
	l := &loop{server: s, wake: s.loops[0].wake}
	b := make([]byte, 1200)
	for range 2 * mailBytes / len(b) {
		l.mailTo(netip.AddrPort{}, b)
	}
	if n := mailBytes / len(b); len(l.mail.letters) != n || l.datagramsDropped.Load() != uint64(2*mailBytes/len(b)-n) {
		t.Errorf("%d wait, %d are dropped", len(l.mail.letters), l.datagramsDropped.Load())
	}
}
