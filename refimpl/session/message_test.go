package session

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bpci/xtmp/refimpl/wire"
)

// TestCall sends requests and looks at their replies.
func TestCall(t *testing.T) {
	k := newTalk(t, nil)
	k.send(Request{Body: []byte("one"), Owner: 1})
	k.send(Request{Head: []byte("tw"), Body: []byte("o"), Owner: 2})
	k.send(Request{Body: []byte("three"), OneWay: true})
	k.settle()
	if got := k.atServer.bodies(); !slices.EqualFunc(got, [][]byte{[]byte("one"), []byte("two"), []byte("three")}, bytes.Equal) {
		t.Errorf("the server got %q", got)
	}
	if got := k.atClient.bodies(); !slices.EqualFunc(got, [][]byte{[]byte("one"), []byte("two")}, bytes.Equal) {
		t.Errorf("the client got %q", got)
	}
	if k.atClient.got[0].Owner != 1 || k.atClient.got[1].Owner != 2 {
		t.Error("replies went to the wrong callers")
	}
	k.pass(ackDelay)
	if !k.server.quiet() || !k.client.quiet() {
		t.Error("something is still owed after T_ACK")
	}
	if err := k.client.Send(k.now, &Request{Type: wire.TypeProbe, Body: make([]byte, messageToServer+1)}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a body above the limit: %v", err)
	}
}

// TestUnhandledOneWay sends a message without mid that takes requests only.
func TestUnhandledOneWay(t *testing.T) {
	k := newTalk(t, nil)
	k.atServer.react = nil
	k.send(Request{OneWay: true})
	k.settle()
	var e *Error
	events := k.events[k.client]
	if last := events[len(events)-1]; last.Kind != EventPeerError || !errors.As(last.Err, &e) || e.Code != wire.Malformed {
		t.Errorf("the client learned %v", last)
	}
	k.established()
}

// TestAckOfRequests looks at what is acknowledged: a request that is answered at
// once is not, one that is answered late is at T_ACK, and its reply then owes
// nothing. [XTMP-ACK-010] [XTMP-ACK-012]
func TestAckOfRequests(t *testing.T) {
	k := newTalk(t, nil)
	var late []Call
	k.atServer.react = func(now Now, s *Session, m Message) bool {
		if string(m.Body) == "late" {
			late = append(late, m.Call)
			return true
		}
		return echo(now, s, m)
	}
	k.send(Request{Body: []byte("now")})
	k.send(Request{Body: []byte("late")})
	k.takeFrames(k.client, &k.toServer)
	k.deliver(k.server, &k.toServer)
	if got := types(k.takeFrames(k.server, &k.toClient)); !slices.Equal(got, []wire.MessageType{wire.TypeProbe}) {
		t.Fatalf("at once: %v", got)
	}
	k.now.Elapsed += ackDelay
	k.server.Advance(k.now)
	if got := types(k.takeFrames(k.server, &k.toClient)); !slices.Equal(got, []wire.MessageType{wire.TypeAck}) {
		t.Fatalf("at T_ACK: %v", got)
	}
	k.server.Reply(k.now, late[0], nil, nil, nil)
	if got := types(k.takeFrames(k.server, &k.toClient)); !slices.Equal(got, []wire.MessageType{wire.TypeProbe}) {
		t.Fatalf("the late reply: %v", got)
	}
	k.now.Elapsed += time.Second
	k.server.Advance(k.now)
	if got := k.takeFrames(k.server, &k.toClient); len(got) != 0 {
		t.Errorf("with nothing open: %v", types(got))
	}
}

// TestFragments sends bodies around the fragment size from server to client,
// with any cut of the stream.
func TestFragments(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		size := rapid.OneOf(rapid.IntRange(0, 1000), rapid.IntRange(fragmentBody-3, fragmentBody+3),
			rapid.IntRange(2*fragmentBody-2, 2*fragmentBody+2)).Draw(r, "size")
		body := make([]byte, size)
		rand.New(deterministic(uint64(size))).Uint64()
		for i := range body {
			body[i] = byte(i * 7 / 3)
		}
		k := newTalk(t, func(p *pair) { p.serverCfg.Compression = rapid.Bool().Draw(r, "compress") })
		k.chunk = func(left int) int { return rapid.IntRange(1, left).Draw(r, "chunk") }
		k.atServer.react = func(now Now, s *Session, m Message) bool {
			s.Reply(now, m.Call, []byte("h"), body, nil)
			return true
		}
		k.send(Request{})
		k.settle()
		if len(k.atClient.got) != 1 || !bytes.Equal(k.atClient.got[0].Body, append([]byte("h"), body...)) {
			r.Fatalf("%d messages, or another body; client %v", len(k.atClient.got), k.client.Err())
		}
	})
}

// pattern is a body that is made as it is sent.
type pattern int

func (n pattern) Len() int { return int(n) }
func (n pattern) AppendRange(dst []byte, from, to int) []byte {
	for i := from; i < to; i++ {
		dst = append(dst, byte(i*7/3))
	}
	return dst
}

// TestPriorityPasses asks for 16 MiB, then for an echo with PRIORITY: the echo
// comes before the transfer is through. [XTMP-MSG-058] [XTMP-MSG-060]
func TestPriorityPasses(t *testing.T) {
	k := newTalk(t, nil)
	k.atServer.react = func(now Now, s *Session, m Message) bool {
		if string(m.Body) == "big" {
			s.Reply(now, m.Call, nil, nil, pattern(messageToClient))
			return true
		}
		s.Reply(now, m.Call, nil, m.Body, nil)
		return true
	}
	k.send(Request{Body: []byte("big")})
	k.takeFrames(k.client, &k.toServer)
	k.deliver(k.server, &k.toServer)
	if got := k.takeFrames(k.server, &k.toClient); len(got) != 1 || !has(got, wire.FlagFragment) {
		t.Fatalf("first output: %v", got)
	}
	k.send(Request{Body: []byte("urgent"), Priority: true})
	k.takeFrames(k.client, &k.toServer)
	k.deliver(k.server, &k.toServer)
	got := k.takeFrames(k.server, &k.toClient)
	if got[0].Flags.Has(wire.FlagFragment) || !got[0].Flags.Has(wire.FlagPriority) {
		t.Errorf("after the request with PRIORITY the next frame is %v", got[0])
	}
	k.settle()
	if len(k.atClient.got) != 2 || string(k.atClient.got[0].Body) != "urgent" || len(k.atClient.got[1].Body) != messageToClient {
		t.Errorf("%d messages", len(k.atClient.got))
	}
}

// TestCompression looks at when bodies are deflated and at lies about it.
func TestCompression(t *testing.T) {
	text := bytes.Repeat([]byte("over and over "), 1000)
	k := newTalk(t, nil)
	k.send(Request{Body: text, Compress: true})
	frames := k.takeFrames(k.client, &k.toServer)
	if !has(frames, wire.FlagCompressed) || frames[0].PayloadLength > 1000 {
		t.Errorf("a compressible body goes as %v", frames)
	}
	k.settle()
	if len(k.atClient.got) != 1 || !bytes.Equal(k.atClient.got[0].Body, text) {
		t.Error("the reply has another body")
	}
	noise := make([]byte, 4096)
	_, _ = deterministic(9).Read(noise)
	k.send(Request{Body: noise, Compress: true})
	if has(k.takeFrames(k.client, &k.toServer), wire.FlagCompressed) {
		t.Error("noise was deflated")
	}
	k = newTalk(t, func(p *pair) { p.serverCfg.Compression = false })
	k.send(Request{Body: text, Compress: true})
	if has(k.takeFrames(k.client, &k.toServer), wire.FlagCompressed) {
		t.Error("a server that did not announce DEFLATE gets it")
	}
}

// TestInflight has more requests than the server allows: the client holds the
// excess back. [XTMP-MSG-022]
func TestInflight(t *testing.T) {
	k := newTalk(t, func(p *pair) { p.serverCfg.Server.MaxInflight = 3 })
	var calls []Call
	k.atServer.react = func(_ Now, _ *Session, m Message) bool {
		calls = append(calls, m.Call)
		return true
	}
	for range 5 {
		k.send(Request{})
	}
	k.settle()
	if len(calls) != 3 {
		t.Fatalf("%d requests in flight, want 3", len(calls))
	}
	k.server.Reply(k.now, calls[1], nil, []byte("b"), nil)
	k.settle()
	if len(calls) != 4 {
		t.Errorf("%d requests after one reply, want 4", len(calls))
	}
	for _, c := range []Call{calls[0], calls[2], calls[3]} {
		k.server.Reply(k.now, c, nil, nil, nil)
	}
	k.settle()
	k.server.Reply(k.now, calls[4], nil, nil, nil)
	k.settle()
	if len(k.atClient.got) != 5 {
		t.Errorf("%d replies, want 5", len(k.atClient.got))
	}
}

// TestRateLimited has a client that ignores max_inflight. [XTMP-MSG-024] [XTMP-MSG-025]
func TestRateLimited(t *testing.T) {
	k := newTalk(t, func(p *pair) { p.serverCfg.Server.MaxInflight = 3 })
	k.atServer.react = func(Now, *Session, Message) bool { return true }
	k.client.calls.limit = 100
	for range 5 {
		k.send(Request{})
	}
	k.settle()
	if got := k.atClient.codes(); !slices.Equal(got, []wire.Code{wire.RateLimited, wire.RateLimited}) {
		t.Errorf("codes %v", got)
	}
	if len(k.atServer.got) != 3 {
		t.Errorf("%d executed, want 3", len(k.atServer.got))
	}
	k.established()
}

// TestHeldRequests lets replies pile up to 32 MiB: requests wait, none is lost.
// [XTMP-MSG-027]
func TestHeldRequests(t *testing.T) {
	k := newTalk(t, nil)
	k.atServer.react = func(now Now, s *Session, m Message) bool {
		s.Reply(now, m.Call, nil, nil, pattern(messageToClient))
		return true
	}
	for range 4 {
		k.send(Request{Body: []byte("x")})
	}
	k.takeFrames(k.client, &k.toServer)
	k.deliver(k.server, &k.toServer)
	if len(k.atServer.got) != 2 || len(k.server.held) != 2 {
		t.Errorf("%d executed, %d held, want 2 and 2", len(k.atServer.got), len(k.server.held))
	}
	memory := k.admission.retained
	k.settle()
	if len(k.atClient.got) != 4 {
		t.Errorf("%d replies, want 4", len(k.atClient.got))
	}
	if memory != 2 || k.admission.retained != 0 {
		t.Errorf("memory %d while two bytes are held, then %d", memory, k.admission.retained)
	}
}

// TestPushes lets a source run against a client that does not read.
func TestPushes(t *testing.T) {
	k := newTalk(t, func(p *pair) { p.clientCfg.Compression = false })
	sent := 0
	push := func(now Now, s *Session) {
		for sent < 100 && s.Push(now, wire.TypeProbe, 1, uint64(sent), nil, make([]byte, 64<<10)) {
			sent++
		}
	}
	k.atServer.resume = push
	push(k.now, k.server)
	if sent >= 100 {
		t.Fatal("a source has no bound")
	}
	k.settle()
	if len(k.atClient.got) != 100 {
		t.Fatalf("%d pushes arrived", len(k.atClient.got))
	}
	for i, m := range k.atClient.got {
		if m.N != uint64(i) || m.SubID != 1 || m.Owner != nil {
			t.Fatalf("push %d is %+v", i, m)
		}
	}
}

// TestEndedCalls ends a session with calls unanswered.
func TestEndedCalls(t *testing.T) {
	k := newTalk(t, nil)
	k.atServer.react = func(Now, *Session, Message) bool { return true }
	k.send(Request{})
	k.settle()
	k.client.Lost(k.now, 0)
	if k.atClient.ended != 1 {
		t.Error("the application is not told that the session ended")
	}
	if err := k.client.Send(k.now, &Request{Type: wire.TypeProbe}); !errors.Is(err, ErrTruncated) {
		t.Errorf("sending after the end: %v", err)
	}
}

// TestProbeOfSilentServer has a request without reply: PINGs after 2, 4, 5, 5 s.
func TestProbeOfSilentServer(t *testing.T) {
	k := newTalk(t, nil)
	k.atServer.react = func(Now, *Session, Message) bool { return true }
	k.send(Request{})
	k.settle()
	start := k.now.Elapsed
	var at []time.Duration
	k.mangle = func(dir byte, b []byte) {
		if dir == 'c' && b[5] == byte(wire.TypeHeartbeat) {
			at = append(at, (k.now.Elapsed - start).Round(100*time.Millisecond))
		}
	}
	k.pass(17 * time.Second)
	want := []time.Duration{2 * time.Second, 6 * time.Second, 11 * time.Second, 16 * time.Second}
	if !slices.Equal(at, want) {
		t.Errorf("PINGs at %v, want %v", at, want)
	}
}
