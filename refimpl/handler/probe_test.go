package handler

import (
	"bytes"
	"crypto/mlkem"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/endpoint"
	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// bench is a client session and an endpoint with Probe, on virtual time.
type bench struct {
	t      *testing.T
	now    session.Now
	probe  *Probe
	server *endpoint.Endpoint
	id     endpoint.ConnID
	client *session.Session
	got    []session.Message
	memory *endpoint.Limiter
}

// Implements implements session.Application.
func (b *bench) Implements(t wire.MessageType) bool { return t == wire.TypeProbe }

// Deliver implements session.Application.
func (b *bench) Deliver(_ session.Now, _ *session.Session, m session.Message) bool {
	m.Body = bytes.Clone(m.Body)
	b.got = append(b.got, m)
	return true
}

// Writable implements session.Application.
func (*bench) Writable(session.Now, *session.Session) {}

// Ended implements session.Application.
func (*bench) Ended(*session.Session) {}

func newBench(t *testing.T) *bench {
	t.Helper()
	r := NewRouter(true)
	b := newBenchWith(t, r)
	b.probe = r.probe
	return b
}

// newBenchWith is a bench whose endpoint has an application.
func newBenchWith(t *testing.T, app endpoint.Application) *bench {
	t.Helper()
	id, err := security.NewIdentity(bytes.Repeat([]byte{3}, 32))
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{
		t: t, now: session.Now{Elapsed: time.Hour, Wall: 1_790_000_000_000_000},
		memory: endpoint.NewLimiter(endpoint.Limits{ReceiveMemory: 1 << 20}),
	}
	b.server, err = endpoint.New(endpoint.Config{Application: app, Session: session.Config{
		Entropy: rand.NewChaCha8([32]byte{1}),
		Server: session.ServerConfig{
			Identities: []*security.Identity{id}, Admission: b.memory,
			Encapsulate: func(k *mlkem.EncapsulationKey768) ([]byte, []byte) { return k.Encapsulate() },
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := session.Config{Entropy: rand.NewChaCha8([32]byte{2}), Application: b, Client: session.ClientConfig{
		Pins: []security.Pin{{Kind: 1, Fingerprint: id.Fingerprint()}},
	}}.Validate(session.Client)
	if err != nil {
		t.Fatal(err)
	}
	b.client = session.NewClient(&cfg)
	if err := b.client.Open(b.now); err != nil {
		t.Fatal(err)
	}
	b.id, _ = b.server.Open(b.now, netip.MustParseAddr("127.0.0.1"))
	b.settle()
	if b.client.State() != session.Established {
		t.Fatal(b.client.Err())
	}
	return b
}

func (b *bench) settle() {
	for moved := true; moved; {
		moved = false
		if out := b.client.AppendOutput(b.now, 0, nil); len(out) > 0 {
			b.server.Receive(b.now, b.id, out)
			moved = true
		}
		for b.server.HasOutput(b.id) {
			out, _ := b.server.AppendOutput(b.now, b.id, nil)
			if len(out) == 0 {
				break
			}
			b.client.Receive(b.now, 0, out)
			moved = true
		}
	}
}

// pass moves time and both ends.
func (b *bench) pass(d time.Duration) {
	b.now.Elapsed += d
	b.now.Wall += uint64(d.Microseconds())
	b.server.Advance(b.now)
	b.client.Advance(b.now)
	b.settle()
}

// ask sends one Probe and returns what came of it: the reply, or the code.
func (b *bench) ask(m wire.Probe) (wire.Probe, wire.Code) {
	b.t.Helper()
	b.got = nil
	b.send(m.Append(nil), false)
	if len(b.got) == 0 {
		return wire.Probe{}, 0
	}
	return b.read(b.got[0])
}

func (b *bench) read(m session.Message) (wire.Probe, wire.Code) {
	b.t.Helper()
	if e := (*session.Error)(nil); errors.As(m.Err, &e) {
		return wire.Probe{}, e.Code
	}
	var r wire.Probe
	if err := r.Parse(m.Body); err != nil {
		b.t.Fatal(err)
	}
	return r, 0
}

func (b *bench) send(body []byte, oneWay bool) {
	b.t.Helper()
	if err := b.client.Send(b.now, &session.Request{Type: wire.TypeProbe, Body: body, OneWay: oneWay}); err != nil {
		b.t.Fatal(err)
	}
	b.settle()
}

// TestAtOnce covers what is answered at once. [XTMP-PRB-011] … [XTMP-PRB-019]
func TestAtOnce(t *testing.T) {
	b := newBench(t)
	data := []byte("some data")
	for _, c := range []struct {
		name string
		ask  wire.Probe
		want wire.Probe
		code wire.Code
	}{
		{"echo", wire.Probe{Op: 0, Arg: 5, Data: data}, wire.Probe{Op: 0, Data: data}, 0},
		{"echo of nothing", wire.Probe{Op: 0}, wire.Probe{Op: 0, Data: []byte{}}, 0},
		{"sink", wire.Probe{Op: 1, Data: data}, wire.Probe{Op: 1, Arg: 9, Data: []byte{}}, 0},
		{"source", wire.Probe{Op: 2, Arg: 3}, wire.Probe{Op: 2, Data: []byte{0, 1, 2}}, 0},
		{"source of nothing", wire.Probe{Op: 2}, wire.Probe{Op: 2, Data: []byte{}}, 0},
		{"source of too much", wire.Probe{Op: 2, Arg: 16777209}, wire.Probe{}, wire.PayloadTooLarge},
		{"source of 2^32-1", wire.Probe{Op: 2, Arg: 1<<32 - 1}, wire.Probe{}, wire.PayloadTooLarge},
		{"fail", wire.Probe{Op: 3, Arg: 0x42}, wire.Probe{}, wire.Conflict},
		{"fail with a code of nobody", wire.Probe{Op: 3, Arg: 0xfedc}, wire.Probe{}, 0xfedc},
		{"fail with no code", wire.Probe{Op: 3, Arg: 65536}, wire.Probe{}, wire.InvalidPayload},
		{"delay too long", wire.Probe{Op: 4, Arg: 60001}, wire.Probe{}, wire.InvalidPayload},
		{"stream too long", wire.Probe{Op: 5, Arg: 1000001}, wire.Probe{}, wire.InvalidPayload},
		{"no such op", wire.Probe{Op: 6}, wire.Probe{}, wire.InvalidPayload},
	} {
		got, code := b.ask(c.ask)
		if code != c.code || got.Op != c.want.Op || got.Arg != c.want.Arg || !bytes.Equal(got.Data, c.want.Data) {
			t.Errorf("%s: %+v, code %v; want %+v, %v", c.name, got, code, c.want, c.code)
		}
	}
	for _, body := range [][]byte{nil, make([]byte, 7), {0, 1, 0, 0, 0, 0, 0, 0}} {
		b.got = nil
		b.send(body, false)
		if _, code := b.read(b.got[0]); code != wire.InvalidPayload { // [XTMP-PRB-004]
			t.Errorf("malformed body % x: %v", body, code)
		}
	}
}

// TestLargeSource takes the largest source there is.
func TestLargeSource(t *testing.T) {
	b := newBench(t)
	got, _ := b.ask(wire.Probe{Op: wire.ProbeSource, Arg: 16777208})
	if len(got.Data) != 16777208 {
		t.Fatalf("%d bytes", len(got.Data))
	}
	for i, x := range got.Data {
		if x != byte(i%251) {
			t.Fatalf("byte %d is %d", i, x)
		}
	}
}

// TestOneWay: a sink is swallowed, everything else is refused.
func TestOneWay(t *testing.T) {
	b := newBench(t)
	sinks := wire.Probe{Op: wire.ProbeSink, Data: []byte("x")}
	b.send(sinks.Append(nil), true)
	if e, ok := b.client.NextEvent(); ok && e.Kind == session.EventPeerError {
		t.Errorf("a sink: %v", e)
	}
	b.send((&wire.Probe{}).Append(nil), true)
	found := false
	for e, ok := b.client.NextEvent(); ok; e, ok = b.client.NextEvent() {
		found = found || e.Kind == session.EventPeerError
	}
	if !found || len(b.got) != 0 {
		t.Error("a one-way echo is not refused")
	}
}

// TestDelay waits, in any order, and counts what is kept as receive memory.
func TestDelay(t *testing.T) {
	b := newBench(t)
	for _, ms := range []uint32{300, 100, 200, 100} {
		m := wire.Probe{Op: wire.ProbeDelay, Arg: ms, Data: []byte{byte(ms / 100)}}
		b.send(m.Append(nil), false)
	}
	if _, ok := b.probe.Deadline(); !ok || len(b.got) != 0 {
		t.Fatal("a delay does not wait")
	}
	var order []byte
	for range 4 {
		b.pass(100 * time.Millisecond)
	}
	for _, m := range b.got {
		r, _ := b.read(m)
		order = append(order, r.Data[0])
	}
	if !bytes.Equal(order, []byte{1, 1, 2, 3}) {
		t.Errorf("order %v", order)
	}
	if _, ok := b.probe.Deadline(); ok {
		t.Error("something is still due")
	}
	// More than the memory that the server has for what it keeps.
	var codes []wire.Code
	b.got = nil
	for range 20 {
		m := wire.Probe{Op: wire.ProbeDelay, Arg: 60_000, Data: make([]byte, 65_000)}
		b.send(m.Append(nil), false)
	}
	for _, m := range b.got {
		_, code := b.read(m)
		codes = append(codes, code)
	}
	if len(codes) == 0 || !slices.Equal(slices.Compact(codes), []wire.Code{wire.ServerBusy}) {
		t.Errorf("codes %v", codes)
	}
	b.server.Lost(b.now, b.id) // with delays that nobody awaits any more
	b.now.Elapsed += time.Minute
	b.server.Advance(b.now)
	if len(b.probe.sessions) != 0 || len(b.probe.delays.heap) != 0 {
		t.Error("Probe remembers a session that ended")
	}
}

// TestStream pushes, in order and each once.
func TestStream(t *testing.T) {
	b := newBench(t)
	for range 2 {
		m := wire.Probe{Op: wire.ProbeStream, Arg: 500, Data: bytes.Repeat([]byte("s"), 10_000)}
		b.send(m.Append(nil), false)
	}
	next := map[uint32]uint64{}
	for i, m := range b.got {
		r, _ := b.read(m)
		if m.SubID == 0 { // a reply
			if r.Arg != 500 || len(r.Data) != 4 {
				t.Errorf("reply %d: %+v", i, r)
			}
			continue
		}
		if next[m.SubID]++; m.N != next[m.SubID] || r.Arg != 0 || r.Op != wire.ProbeStream || len(r.Data) != 10_000 {
			t.Fatalf("push %d of %d is %d: %+v", next[m.SubID], m.SubID, m.N, r.Op)
		}
	}
	if next[1] != 500 || next[2] != 500 || len(next) != 2 {
		t.Errorf("pushes by sub_id: %v", next)
	}
	if got, code := b.ask(wire.Probe{Op: wire.ProbeStream}); code != 0 || got.Arg != 0 || len(b.got) != 1 {
		t.Errorf("a stream of nothing: %+v %v, %d messages", got, code, len(b.got))
	}
}

// TestTooManyStreams opens more streams than may run while the transport takes
// nothing. [XTMP-PRB-024]
func TestTooManyStreams(t *testing.T) {
	b := newBench(t)
	m := wire.Probe{Op: wire.ProbeStream, Arg: 1000, Data: make([]byte, 2000)}
	for range streamsMax + 3 {
		if err := b.client.Send(b.now, &session.Request{Type: wire.TypeProbe, Body: m.Append(nil)}); err != nil {
			t.Fatal(err)
		}
	}
	b.server.Receive(b.now, b.id, b.client.AppendOutput(b.now, 0, nil))
	b.settle()
	limited := 0
	for _, m := range b.got {
		if e := (*session.Error)(nil); errors.As(m.Err, &e) && e.Code == wire.RateLimited {
			limited++
		}
	}
	if limited != 3 {
		t.Errorf("%d streams were RATE_LIMITED, want 3", limited)
	}
}
