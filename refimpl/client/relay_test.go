//go:build linux

package client

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// relay stands before a server, on TCP and UDP of one port, and can swallow datagrams.
type relay struct {
	dark    atomic.Bool
	address string
}

// newRelay forwards everything to target until the test ends.
func newRelay(t *testing.T, target string) *relay {
	t.Helper()
	var ln net.Listener
	var front net.PacketConn
	for tries := 0; front == nil; tries++ { // until a port is free on both
		var err error
		if ln, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		if front, err = net.ListenPacket("udp", ln.Addr().String()); err != nil && tries == 10 {
			t.Fatal(err)
		}
		if front == nil {
			_ = ln.Close()
		}
	}
	r := &relay{address: ln.Addr().String()}
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { r.streams(ctx, ln, target, &all) })
	all.Go(func() { r.datagrams(ctx, front, target, &all) })
	t.Cleanup(func() {
		stop()
		_ = ln.Close()
		_ = front.Close()
		all.Wait()
	})
	return r
}

// streams forwards connections.
func (r *relay) streams(ctx context.Context, ln net.Listener, target string, all *sync.WaitGroup) {
	for {
		a, err := ln.Accept()
		if err != nil {
			return
		}
		b, err := net.Dial("tcp", target)
		if err != nil {
			_ = a.Close()
			continue
		}
		context.AfterFunc(ctx, func() { _ = a.Close(); _ = b.Close() })
		for _, pair := range [][2]net.Conn{{a, b}, {b, a}} {
			all.Go(func() {
				_, _ = io.Copy(pair[1], pair[0])
				_ = pair[1].Close()
			})
		}
	}
}

// datagrams forwards datagrams, each client by a socket of its own.
func (r *relay) datagrams(ctx context.Context, front net.PacketConn, target string, all *sync.WaitGroup) {
	back := map[string]net.Conn{}
	buffer := make([]byte, 2048)
	for {
		n, from, err := front.ReadFrom(buffer)
		if err != nil {
			return
		}
		c := back[from.String()]
		if c == nil {
			if c, err = net.Dial("udp", target); err != nil {
				return
			}
			back[from.String()] = c
			context.AfterFunc(ctx, func() { _ = c.Close() })
			all.Go(func() {
				b := make([]byte, 2048)
				for {
					n, err := c.Read(b)
					if err != nil {
						return
					}
					if !r.dark.Load() {
						_, _ = front.WriteTo(b[:n], from)
					}
				}
			})
		}
		if !r.dark.Load() {
			_, _ = c.Write(buffer[:n])
		}
	}
}

// A session on UDP whose datagrams are swallowed goes on over the connection that
// stands by, or over one that it opens then: no call fails, none is executed twice.
func TestBlackHole(t *testing.T) {
	for name, noStandby := range map[string]bool{"standing by": false, "attached then": true} {
		t.Run(name, func(t *testing.T) {
			srv, cfg := listening(t, nil)
			r := newRelay(t, srv.Addr().String())
			cfg.NoStandby = noStandby
			c, err := Dial(t.Context(), "udp://"+r.address, cfg)
			if err != nil {
				t.Fatal(err)
			}
			longest := time.Duration(0)
			for i := range 600 {
				if i == 200 {
					r.dark.Store(true)
				}
				m := echo(bytes.Repeat([]byte{byte(i)}, 100))
				began := time.Now()
				reply, err := c.Call(t.Context(), m, nil)
				if err != nil || !bytes.Equal(reply[1:], m.Body[1:]) {
					t.Fatalf("call %d: %v", i, err)
				}
				longest = max(longest, time.Since(began))
			}
			t.Logf("the longest call took %v", longest)
			if err := c.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
