//go:build linux

package transport

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/refimpl/wire"
)

// pending returns the most bytes that a connection of the server waits to write.
func (r *running) pending() (most int) {
	for _, l := range r.loops {
		r.on(l, func() {
			for _, c := range l.conns {
				if c != nil && c.pending != nil {
					most = max(most, len(c.pending.bytes))
				}
			}
		})
	}
	return most
}

// squeeze gives every connection that is open a small send buffer, so that a
// peer that does not read shows soon.
func (r *running) squeeze() (err error) {
	for _, l := range r.loops {
		r.on(l, func() {
			for _, c := range l.conns {
				if c != nil {
					err = errors.Join(err, syscall.SetsockoptInt(int(c.fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, 4096))
				}
			}
		})
	}
	return err
}

// batch encodes n frames back to back.
func batch(n int, draft func() *peer.Draft) (raw []byte) {
	for range n {
		raw = append(raw, draft().Encode()...)
	}
	return raw
}

// A peer that sends PINGs and reads no PONG costs the server one answer and
// what the socket holds. Others are served meanwhile.
func TestPingsWithoutReading(t *testing.T) {
	r := serve(t, nil)
	other := r.dial()
	conn := r.connection(4096)
	p := r.scripted(conn, peer.Script{NoPong: true})
	if err := r.squeeze(); err != nil {
		t.Fatal(err)
	}
	draft := func() *peer.Draft {
		return p.Draft(uint8(wire.TypeHeartbeat), uint16(wire.FlagEncrypted), peer.HeartbeatBody(peer.Ping, make([]byte, 63)))
	}
	for i := 0; r.pending() == 0; i++ { // each batch is answered by one PONG, until the socket is full
		if i == 50_000 {
			t.Fatal("the server's socket takes everything")
		}
		if err := p.WriteRaw(batch(1, draft)); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		if err := p.WriteRaw(batch(100, draft)); err != nil {
			t.Fatal(err)
		}
		if n := r.pending(); n == 0 || n > wire.Overhead+64 {
			t.Fatalf("%d bytes wait, want at most one PONG", n)
		}
	}
	ping(t, other)
	// It reads again, and all is well: nothing was lost.
	if _, err := p.Ping([]byte("hello again")); err != nil {
		t.Errorf("after reading: %v", err)
	}
	if r.pending() != 0 {
		t.Errorf("%d bytes wait after all was read", r.pending())
	}
	for _, l := range r.loops {
		r.on(l, func() {
			for _, c := range l.conns {
				if c != nil && c.asked&syscall.EPOLLOUT != 0 {
					t.Error("the loop still asks whether a connection can be written")
				}
			}
		})
	}
	_ = conn.Close()
	r.settled(1)
}

// A peer that sends requests and reads no reply is ended: its replies are
// bounded, and it cannot keep its connection.
func TestRequestsWithoutReading(t *testing.T) {
	const inflight = 64
	r := serve(t, func(c *Config) { c.Session.Server.MaxInflight = inflight })
	other := r.dial()
	conn := r.connection(4096)
	p := r.scripted(conn, peer.Script{NoPong: true})
	if err := r.squeeze(); err != nil {
		t.Fatal(err)
	}
	request := func() *peer.Draft {
		return p.Draft(0x06, uint16(wire.FlagEncrypted|wire.FlagRequiresAck), make([]byte, 200))
	}
	if err := conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	var err error
	most := 0
	for i := 0; err == nil; i++ {
		err = p.WriteRaw(batch(32, request))
		most = max(most, r.pending())
	}
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("the connection ended with %v", err)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the server stopped reading")
	}
	if most == 0 || most > 256<<10+wire.Overhead+wire.MaxHeartbeat+512 {
		t.Errorf("up to %d bytes waited, want some and no more than one output", most)
	}
	r.settled(1)
	ping(t, other)
}

// Many frames that arrive at once are all answered, in more than one output.
func TestRepliesToABatch(t *testing.T) {
	const requests = 3500 // 480 KiB of replies
	r := serve(t, func(c *Config) { c.Session.Server.MaxInflight = requests })
	p := r.scripted(r.connection(0), peer.Script{})
	raw := batch(requests, func() *peer.Draft {
		return p.Draft(0x06, uint16(wire.FlagEncrypted|wire.FlagRequiresAck), nil)
	})
	if err := p.WriteRaw(raw); err != nil {
		t.Fatal(err)
	}
	for mid := uint64(1); mid <= requests; mid++ {
		got, _, err := p.ExpectReply(mid, patience)
		if err != nil {
			t.Fatal(err)
		}
		if e := got.Error(); e == nil || e.Code != uint16(wire.UnsupportedType) {
			t.Fatalf("mid %d is answered by %v", mid, got.Name)
		}
	}
	if _, err := p.Ping([]byte("alive")); err != nil {
		t.Error(err)
	}
}
