package session

import (
	"crypto/mlkem"
	"crypto/rand"
	"net/netip"
	"testing"

	"github.com/bpci/xtmp/refimpl/wire"
)

// BenchmarkServerHandshake is what one handshake costs the server: ClientHello
// in, ServerHello and ServerFlight out, ClientFinish in, HandshakeDone out. The
// client's work is not counted.
func BenchmarkServerHandshake(b *testing.B) {
	p := newPair(b, nil)
	p.serverCfg.Entropy = rand.Reader
	p.serverCfg.Server.Encapsulate = func(key *mlkem.EncapsulationKey768) ([]byte, []byte) { return key.Encapsulate() }
	source := netip.MustParseAddr("127.0.0.1")
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		client := NewClient(&p.clientCfg)
		if err := client.Open(p.now); err != nil {
			b.Fatal(err)
		}
		hello := client.AppendOutput(p.now, 0, nil)
		b.StartTimer()
		server := NewServer(&p.serverCfg, p.now, source)
		server.Receive(p.now, 0, hello)
		flight := server.AppendOutput(p.now, 0, nil)
		b.StopTimer()
		client.Receive(p.now, 0, flight)
		finish := client.AppendOutput(p.now, 0, nil)
		b.StartTimer()
		server.Receive(p.now, 0, finish)
		done := server.AppendOutput(p.now, 0, nil)
		if server.State() != Established || len(done) == 0 {
			b.Fatal(server.State(), server.Err())
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "handshakes/s")
}

// BenchmarkHeartbeat is a PING received and its PONG sent, through the whole
// session.
func BenchmarkHeartbeat(b *testing.B) {
	p := newPair(b, nil)
	p.connect()
	p.established()
	p.pass(ackDelay)
	frames := make([]byte, 0, 1024)
	out := make([]byte, 0, 1024)
	body := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		frames = p.client.seal(p.now, p.client.paths[0], frames[:0], wire.TypeHeartbeat, 0, nil, body)
		p.server.Receive(p.now, 0, frames)
		if out = p.server.AppendOutput(p.now, 0, out[:0]); len(out) == 0 {
			b.Fatal("no PONG")
		}
	}
}
