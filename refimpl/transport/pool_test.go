//go:build linux

package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/refimpl/handler"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// handlers are those of a test: they echo, fail, panic, or wait for a gate.
type handlers struct {
	entered chan string   // the body of each request of wait
	gate    chan struct{} // lets one request of wait go on
}

const (
	typeEcho  = wire.TypeWalletBalance
	typeFail  = wire.TypeRegistryQuery
	typePanic = wire.TypeRegistryUpdate
	typeWait  = wire.TypeBundleSubmit
)

func newHandlers() *handlers {
	return &handlers{entered: make(chan string, 100), gate: make(chan struct{})}
}

func (h *handlers) wait(ctx context.Context, r Request) ([]byte, error) {
	h.entered <- string(r.Body)
	select {
	case <-h.gate:
		return r.Body, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func fail(_ context.Context, r Request) ([]byte, error) {
	switch string(r.Body) {
	case "coded":
		return nil, fmt.Errorf("wrapped: %w", &session.Error{Code: wire.NotFound, Text: "no such name", RetryAfter: 1500 * time.Millisecond})
	case "no code":
		return nil, &session.Error{}
	case "nil":
		var none *session.Error
		return nil, none
	case "huge":
		return make([]byte, handler.MaxReply+1), nil
	default:
		return nil, errors.New("a secret of the server")
	}
}

func (h *handlers) install(c *Config) {
	c.Handlers = map[wire.MessageType]Handler{
		typeEcho:  func(_ context.Context, r Request) ([]byte, error) { return append([]byte("echo "), r.Body...), nil },
		typeFail:  fail,
		typePanic: func(context.Context, Request) ([]byte, error) { panic("at the disco") },
		typeWait:  h.wait,
	}
}

// ask sends a request and returns its mid.
func ask(t *testing.T, p *peer.Session, typ wire.MessageType, body string) uint64 {
	t.Helper()
	d, err := p.Request(uint8(typ), []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return d.Mid()
}

// reply returns the reply to mid.
func reply(t *testing.T, p *peer.Session, mid uint64) *peer.Received {
	t.Helper()
	got, _, err := p.ExpectReply(mid, patience)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// pool returns the metrics of a family.
func (r *running) pool(family string) PoolMetrics {
	for _, m := range r.Metrics().Pools {
		if m.Family == family {
			return m
		}
	}
	r.t.Fatalf("there is no pool %s", family)
	return PoolMetrics{}
}

func TestHandlers(t *testing.T) {
	var log lines
	r := serve(t, func(c *Config) {
		newHandlers().install(c)
		c.Loops, c.Log = 2, slog.New(slog.NewTextHandler(&log, nil))
	})
	p := r.scripted(r.connection(0), peer.Script{})
	if got := reply(t, p, ask(t, p, typeEcho, "me")); got.Type() != uint8(typeEcho) || !bytes.HasSuffix(got.Opened, []byte("echo me")) {
		t.Errorf("the reply is %s", got.Name)
	}
	for body, want := range map[string]wire.Code{
		"coded": wire.NotFound, "secret": wire.Internal, "no code": wire.Internal, "nil": wire.Internal, "huge": wire.Internal,
	} {
		e := reply(t, p, ask(t, p, typeFail, body)).Error()
		if e == nil || e.Code != uint16(want) || (e.Text != "") != (body == "coded") {
			t.Errorf("%s is answered by %+v, want %v", body, e, want)
		}
	}
	if e := reply(t, p, ask(t, p, typePanic, "")).Error(); e == nil || e.Code != uint16(wire.Internal) {
		t.Errorf("a panic is answered by %+v", e)
	}
	if got := reply(t, p, ask(t, p, typeEcho, "again")); !bytes.HasSuffix(got.Opened, []byte("echo again")) {
		t.Errorf("after all that the reply is %s", got.Name)
	}
	if e := reply(t, p, ask(t, p, wire.TypeEventStream, "")).Error(); e == nil || e.Code != uint16(wire.UnsupportedType) {
		t.Errorf("a type without a handler is answered by %+v", e)
	}
	for _, want := range []string{"a secret of the server", "at the disco", "type=RegistryUpdate", "16777217 bytes", "pool_test.go"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %q", want)
		}
	}
	if m := r.pool("registry"); m.Handled != 6 || m.Panics != 1 || m.Workers != 2 || m.Capacity != DefaultQueueSize {
		t.Errorf("the pool did %+v", m)
	}
}

// A request that blocks holds up neither its session, nor others, nor requests of
// other families; one too many is refused at once.
func TestFullQueue(t *testing.T) {
	h := newHandlers()
	r := serve(t, func(c *Config) {
		h.install(c)
		c.Workers.Bundle, c.QueueSize = 1, 2
	})
	p := r.scripted(r.connection(0), peer.Script{})
	first := ask(t, p, typeWait, "first")
	if got := <-h.entered; got != "first" {
		t.Fatalf("%q is executed first", got)
	}
	second, third := ask(t, p, typeWait, "second"), ask(t, p, typeWait, "third")
	e := reply(t, p, ask(t, p, typeWait, "fourth")).Error()
	if e == nil || e.Code != uint16(wire.ServerBusy) || e.RetryAfter != uint32(busyRetryAfter/time.Millisecond) {
		t.Errorf("one too many is answered by %+v", e)
	}
	if _, err := p.Ping([]byte("alive")); err != nil {
		t.Error(err)
	}
	reply(t, p, ask(t, p, typeEcho, "another family"))
	if m := r.pool("bundle"); m.Busy != 1 || m.Depth != 2 || m.Capacity != 2 || m.Rejected != 1 || m.Handled != 0 || m.Workers != 1 {
		t.Errorf("the pool does %+v", m)
	}
	for _, mid := range []uint64{first, second, third} {
		h.gate <- struct{}{}
		if got := reply(t, p, mid); got.Error() != nil {
			t.Errorf("mid %d is answered by %+v", mid, got.Error())
		}
	}
	if m := r.pool("bundle"); m.Depth != 0 || m.Handled != 3 {
		t.Errorf("afterwards the pool shows %+v", m)
	}
}

// A shutdown waits for what runs, and the reply still arrives.
func TestShutdownAwaitsHandlers(t *testing.T) {
	h := newHandlers()
	r := serve(t, h.install)
	p := r.scripted(r.connection(0), peer.Script{})
	mid := ask(t, p, typeWait, "last words")
	<-h.entered
	told := r.dial()
	ping(t, told)
	r.cancel()
	<-told.Done()
	e := reply(t, p, ask(t, p, typeEcho, "too late")).Error() // the session is closing
	if e == nil || e.Code != uint16(wire.ServerBusy) {
		t.Errorf("a request during the shutdown is answered by %+v", e)
	}
	h.gate <- struct{}{}
	if got := reply(t, p, mid); !bytes.HasSuffix(got.Opened, []byte("last words")) {
		t.Errorf("the reply is %s", got.Name)
	}
	if err := p.Ack(); err != nil {
		t.Fatal(err)
	}
	if frames, err := p.Drain(patience); !errors.Is(err, io.EOF) || len(frames) == 0 || !frames[len(frames)-1].Is(uint8(wire.TypeDisconnect)) {
		t.Errorf("then %d frames and %v, want Disconnect", len(frames), err)
	}
}

// The end of a session does not stop its requests, and nobody gets their replies.
// What nobody awaits any more when the server has stopped is told by its context.
func TestHandlerOutlivesItsSession(t *testing.T) {
	h := newHandlers()
	r := serve(t, h.install)
	conn := r.connection(0)
	p := r.scripted(conn, peer.Script{})
	ask(t, p, typeWait, "one")
	ask(t, p, typeWait, "two")
	<-h.entered
	<-h.entered
	_ = conn.Close()
	r.settled(0)
	h.gate <- struct{}{}
	other := r.scripted(r.connection(0), peer.Script{})
	if got := reply(t, other, ask(t, other, typeEcho, "me")); got.Error() != nil {
		t.Errorf("a session afterwards gets %+v", got.Error())
	}
	// The other one ends with the server: see serve.
}

// A handler that ignores the end of its context is left alone, and counted.
func TestStopGivesUp(t *testing.T) {
	gate := make(chan struct{})
	entered := make(chan struct{}, 10)
	p, err := newPools(&Config{Log: slog.New(slog.DiscardHandler), Workers: Workers{Wallet: 1}, Handlers: map[wire.MessageType]Handler{
		typeEcho: func(context.Context, Request) ([]byte, error) {
			entered <- struct{}{}
			<-gate
			return nil, nil
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	p.start(ctx)
	gone := &loop{closed: true}
	for range 3 {
		p.submit(task{loop: gone, op: handler.Op{Call: session.Call{Type: typeEcho}}})
	}
	<-entered
	cancel()
	if left := p.stop(0); left != 1 {
		t.Errorf("%d handlers are left, want 1", left)
	}
	close(gate)
	p.workers.Wait()
	if m := p.metrics()[familyWallet]; m.Handled != 1 || len(entered) != 0 {
		t.Errorf("%d requests were executed after the end, %+v", len(entered), m)
	}
}

func TestFamilies(t *testing.T) {
	for typ, want := range map[wire.MessageType]family{
		0x10: familyWallet, 0x1f: familyWallet, 0x20: familyBundle, 0x2f: familyBundle, 0x30: familyRegistry,
		0x40: familyStream, 0x4f: familyStream, 0x50: familyOther, 0x6f: familyOther,
	} {
		if got := familyOf(typ); got != want {
			t.Errorf("%v is of family %d, want %d", typ, got, want)
		}
	}
}

func TestPoolsRefuse(t *testing.T) {
	echo := func(context.Context, Request) ([]byte, error) { return nil, nil }
	for name, cfg := range map[string]Config{
		"no worker":     {Workers: Workers{Stream: -1}},
		"no queue":      {QueueSize: -1},
		"type too low":  {Handlers: map[wire.MessageType]Handler{0x06: echo}},
		"type too high": {Handlers: map[wire.MessageType]Handler{wire.TypeProbe: echo}},
		"nil":           {Handlers: map[wire.MessageType]Handler{0x10: nil}},
	} {
		if _, err := newPools(&cfg); err == nil {
			t.Errorf("%s is possible", name)
		}
	}
}

// Probe is answered on the loop, if it is switched on.
func TestProbe(t *testing.T) {
	m := wire.Probe{Op: wire.ProbeEcho, Data: []byte("hello")}
	echo := string(m.Append(nil))
	for _, on := range []bool{false, true} {
		r := serve(t, func(c *Config) { c.Probe = on })
		p := r.scripted(r.connection(0), peer.Script{})
		got := reply(t, p, ask(t, p, wire.TypeProbe, echo))
		if on != bytes.HasSuffix(got.Opened, []byte(echo)) || on == (got.Error() != nil) {
			t.Errorf("with probe %v the reply is %s", on, got.Name)
		}
	}
}
