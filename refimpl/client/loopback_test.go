package client

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bpci/xtmp/refimpl/clock"
	"github.com/bpci/xtmp/refimpl/handler"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// loopback serves Probe on a real connection, one goroutine each, without timers
// and, once it is warm, without allocating. It returns a Config and the address.
func loopback(tb testing.TB) (Config, string) {
	tb.Helper()
	id := identity(tb, 1)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			cfg := serving(tb, id, new(handler.Probe), nil)
			all.Go(func() { answer(conn, &cfg) })
		}
	})
	tb.Cleanup(func() {
		_ = ln.Close()
		all.Wait()
	})
	return Config{Pins: []Pin{{Kind: 1, Fingerprint: id.Fingerprint()}}}, ln.Addr().String()
}

// answer serves one connection.
func answer(conn net.Conn, cfg *session.Config) {
	defer conn.Close()
	core := session.NewServer(cfg, clock.Now(), netip.MustParseAddr("127.0.0.1"))
	in, out := make([]byte, 64<<10), make([]byte, 0, 512<<10)
	for {
		n, err := conn.Read(in)
		now := clock.Now()
		core.Receive(now, 0, in[:n])
		if err != nil {
			core.Lost(now, 0)
			return
		}
		core.Advance(now)
		for more := true; more; more = core.HasOutput(0) {
			out = core.AppendOutput(now, 0, out[:0])
			if _, err := conn.Write(out); err != nil {
				return
			}
		}
		if core.Fate(0) != session.Keep {
			return
		}
	}
}

// echo is a Probe that asks for its data back.
func echo(data []byte) Message {
	p := wire.Probe{Op: wire.ProbeEcho, Data: data}
	return Message{Type: wire.TypeProbe, Body: p.Append(nil)}
}

// A call allocates nothing once the session is warm.
func TestCallAllocates(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool forget")
	}
	cfg, address := loopback(t)
	s, err := Dial(t.Context(), address, cfg)
	if err != nil {
		t.Fatal(err)
	}
	m := echo(make([]byte, 256))
	dst := make([]byte, 0, 1024)
	sink := Message{Type: wire.TypeProbe, Body: (&wire.Probe{Op: wire.ProbeSink}).Append(nil)}
	call := func() {
		var err error
		if dst, err = s.Call(t.Context(), m, dst[:0]); err != nil || len(dst) != len(m.Body) {
			t.Fatal(len(dst), err)
		}
	}
	for range 1000 {
		call()
	}
	if n := testing.AllocsPerRun(2000, call); n != 0 {
		t.Errorf("a call allocates %v times", n)
	}
	if n := testing.AllocsPerRun(2000, func() {
		if err := s.Send(t.Context(), sink); err != nil {
			t.Fatal(err)
		}
		call() // so that what is queued does not grow
	}); n != 0 {
		t.Errorf("a call and a message without reply allocate %v times", n)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	c, err := New(address, cfg)
	if err != nil {
		t.Fatal(err)
	}
	call = func() {
		var err error
		if dst, err = c.Call(t.Context(), m, dst[:0]); err != nil || len(dst) != len(m.Body) {
			t.Fatal(len(dst), err)
		}
	}
	for range 1000 {
		call()
	}
	if n := testing.AllocsPerRun(2000, call); n != 0 {
		t.Errorf("a call of a Client allocates %v times", n)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// BenchmarkCall is 4 sessions with 32 callers each, 256 B, over loopback TCP.
// The server shares the processors.
func BenchmarkCall(b *testing.B) {
	const sessions, callers, size = 4, 32, 256
	cfg, address := loopback(b)
	m := echo(make([]byte, size))
	var left atomic.Int64
	left.Store(int64(b.N))
	all := make([]*Session, sessions)
	for i := range all {
		var err error
		if all[i], err = Dial(b.Context(), address, cfg); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for i := range sessions * callers {
		wg.Go(func() {
			var dst []byte
			for left.Add(-1) >= 0 {
				var err error
				if dst, err = all[i%sessions].Call(b.Context(), m, dst[:0]); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
	b.StopTimer()
	for _, s := range all {
		if err := s.Close(b.Context()); err != nil {
			b.Error(err)
		}
	}
}

// BenchmarkCallSerial is one caller: its latency.
func BenchmarkCallSerial(b *testing.B) {
	cfg, address := loopback(b)
	s, err := Dial(b.Context(), address, cfg)
	if err != nil {
		b.Fatal(err)
	}
	m := echo(make([]byte, 256))
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		if dst, err = s.Call(b.Context(), m, dst[:0]); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(b.Context()); err != nil {
		b.Error(err)
	}
}
