package endpoint

import (
	"net/netip"
	"testing"

	"github.com/bpci/xtmp/refimpl/handler"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// line is a client session and an endpoint that answer each other within one
// goroutine: the whole protocol on both sides without sockets.
type line struct {
	*world
	p        *peer
	up, down []byte
}

func newLine(t testing.TB) *line {
	w := newWorld(t, Limits{})
	w.server.app = handler.NewRouter(true)
	w.server.cfg.Application = w.server.app
	w.client.Application = sink{}
	l := &line{world: w, p: w.dial(netip.MustParseAddr("127.0.0.1"))}
	w.settle()
	if l.p.client.State() != session.Established {
		t.Fatal(l.p.client.Err())
	}
	return l
}

// sink is a client's application that forgets what it is given.
type sink struct{}

func (sink) Implements(wire.MessageType) bool                            { return false }
func (sink) Deliver(session.Now, *session.Session, session.Message) bool { return true }
func (sink) Writable(session.Now, *session.Session)                      {}
func (sink) Ended(*session.Session)                                      {}

// batch sends n messages, has them answered and takes the answers.
func (l *line) batch(tb testing.TB, n int, r *session.Request) {
	for range n {
		if err := l.p.client.Send(l.now, r); err != nil {
			tb.Fatal(err)
		}
	}
	l.up = l.p.client.AppendOutput(l.now, 0, l.up[:0])
	l.server.Receive(l.now, l.p.id, l.up)
	for id, ok := l.server.NextOutput(); ok; id, ok = l.server.NextOutput() {
		l.down, _ = l.server.AppendOutput(l.now, id, l.down[:0])
		if len(l.down) > 0 {
			l.p.client.Receive(l.now, 0, l.down)
		}
	}
}

const benchBatch = 64

func benchmarkLine(b *testing.B, r *session.Request) {
	l := newLine(b)
	l.batch(b, benchBatch, r) // buffers exist from here on
	b.ReportAllocs()
	for b.Loop() {
		l.batch(b, benchBatch, r)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchBatch), "ns/msg")
}

func probe(op wire.ProbeOp, size int) []byte {
	m := wire.Probe{Op: op, Data: make([]byte, size)}
	return m.Append(nil)
}

// BenchmarkEcho is a request of 64 B and its reply: sealed and opened twice.
func BenchmarkEcho(b *testing.B) {
	benchmarkLine(b, &session.Request{Type: wire.TypeProbe, Body: probe(wire.ProbeEcho, 64)})
}

// BenchmarkSink is a one-way message of 64 B: sealed and opened once.
func BenchmarkSink(b *testing.B) {
	benchmarkLine(b, &session.Request{Type: wire.TypeProbe, OneWay: true, Body: probe(wire.ProbeSink, 64)})
}

// TestNoAllocations asserts that messages cost no memory on either side.
func TestNoAllocations(t *testing.T) {
	for _, r := range []*session.Request{
		{Type: wire.TypeProbe, Body: probe(wire.ProbeEcho, 64)},
		{Type: wire.TypeProbe, Body: probe(wire.ProbeEcho, 1024)},
		{Type: wire.TypeProbe, Body: probe(wire.ProbeSink, 64), OneWay: true},
	} {
		l := newLine(t)
		for range 100 {
			l.batch(t, benchBatch, r)
		}
		if n := testing.AllocsPerRun(200, func() { l.batch(t, benchBatch, r) }); n != 0 {
			t.Errorf("%v allocations per batch of %d messages of %d B", n, benchBatch, len(r.Body))
		}
	}
}
