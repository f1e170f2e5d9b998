package peer

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/vectors/testkit"
)

func TestHandshakePingDisconnect(t *testing.T) {
	s := connect(t, &counterpart{})
	if _, err := s.Send(0x85, flagAck, []byte("no meaning")); err != nil {
		t.Fatal(err)
	}
	before, err := s.Ping([]byte("fence"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := names(before), "[Ack up to 1]"; got != want {
		t.Errorf("before the PONG came %s, want %s", got, want)
	}
	request, err := s.Request(0x70, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	reply, _, err := s.ExpectReply(request.Mid(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if e := reply.Error(); e == nil || e.Code != 9 || e.ReplyTo != 2 || e.Text != "no such type" {
		t.Errorf("reply is %s with %+v", reply.Name, e)
	}
	if err := s.Disconnect(0); err != nil {
		t.Fatal(err)
	}
	if err := s.ExpectEnd(0); err != nil {
		t.Errorf("after Disconnect: %v", err)
	}
	for _, v := range s.Violations() {
		t.Errorf("a correct server is said to break %v", v)
	}
}

func TestSessionKnowsItsSecrets(t *testing.T) {
	s := connect(t, &counterpart{})
	client, server := s.Keys()
	if bytes.Equal(client.Key, server.Key) || len(s.Schedule().Value("root_0")) != 48 {
		t.Errorf("keys %x and %x, root_0 %x", client.Key, server.Key, s.Schedule().Value("root_0"))
	}
	if sequence, mid := s.Counters(); sequence != 1 || mid != 1 {
		t.Errorf("after the Ack of HandshakeDone the counters are %d and %d, want 1 and 1", sequence, mid)
	}
	if largest, any := s.Received(); largest != 0 || !any {
		t.Errorf("last received %d, %t; want 0, true", largest, any)
	}
	if s.Params().Uint("idle_timeout_ms") != 300_000 || s.Identity().Uint("kind") != 1 {
		t.Errorf("parameters %x", s.Params().Encode())
	}
}

func TestScriptAltersEachStep(t *testing.T) {
	c := dial(t, &counterpart{})
	var steps []string
	s, err := c.Handshake(Script{
		Hello:       func(h *Hello) { h.Body.SetUint("flags", 0) },
		IdentityKey: testIdentity.KeyBytes(),
		WithFinish: func(s *Session) []*Draft {
			return []*Draft{s.Draft(3, 0, HeartbeatBody(Ping, []byte("early")))}
		},
		Write: func(c *Conn, step string, raw []byte) error {
			steps = append(steps, step)
			return c.WriteChunks(raw, 1, 40, 60)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Expect(0, pongWith([]byte("early"))); err != nil {
		t.Errorf("PING in the write of ClientFinish: %v", err)
	}
	if len(steps) != 2 || steps[0] != "ClientHello" || steps[1] != "ClientFinish" {
		t.Errorf("steps written: %q", steps)
	}
	if s.Identity().Has("identity_key") && len(s.Identity().Bytes("identity_key")) > 0 {
		t.Error("the server sent a key that the altered ClientHello did not ask for")
	}
}

func TestFinishIsAltered(t *testing.T) {
	c := dial(t, &counterpart{})
	_, err := c.Handshake(Script{Finish: func(d *Draft) { d.Body.Flip("mac", 0) }})
	if !errors.Is(err, io.EOF) {
		t.Errorf("a ClientFinish with a wrong MAC gave %v, want the end of the connection", err)
	}
}

func TestErrorsBecomeObservations(t *testing.T) {
	refusal := testkit.NewFrame(0xFE, 0)
	refusal.Payload = ErrorBody(7, 1, 1<<64-1, "busy")
	for _, tt := range []struct {
		name    string
		server  *counterpart
		provoke func(*Conn) error
		want    string
	}{
		{"clear Error", &counterpart{instead: refusal.Encode()}, func(c *Conn) error {
			_, err := c.Handshake(Script{})
			return err
		}, "ErrorFrame(0x07, path)"},
		{"close", &counterpart{instead: []byte{}}, func(c *Conn) error {
			_, err := c.Handshake(Script{})
			return err
		}, "CleanClose"},
		{"silence", &counterpart{}, func(c *Conn) error {
			_, err := c.ReadFrame(20 * time.Millisecond)
			return err
		}, "Silence(T_ACK)"},
		{"no frame", &counterpart{instead: []byte("HTTP/1.1 400")}, func(c *Conn) error {
			_, err := c.Handshake(Script{})
			return err
		}, "Malformed"},
	} {
		err := tt.provoke(dial(t, tt.server))
		got, ok := conformance.Seen(err, "T_ACK")
		if !ok || got.String() != tt.want {
			t.Errorf("%s: %v is seen as %s, want %s", tt.name, err, got, tt.want)
		}
	}
}

func TestSessionErrorEndsTheFence(t *testing.T) {
	s := connect(t, &counterpart{reply: func(s *counterpart, f frame) {
		if f.Type() == 3 {
			s.send(3, 0, HeartbeatBody(Pong, []byte("other")))
			s.send(0xFE, 0, ErrorBody(0x15, 2, 1, "enough"))
			_ = s.nc.Close()
		}
	}})
	before, err := s.Ping([]byte("fence"))
	var e *ErrorFrame
	if !errors.As(err, &e) || e.Code != 0x15 || e.Scope != 2 || e.RefSeq != 1 || e.Text != "enough" {
		t.Errorf("the fence ended with %v", err)
	}
	if got, want := names(before), "[Heartbeat PONG Error PROTOCOL_VIOLATION scope 2]"; got != want {
		t.Errorf("before it came %s, want %s", got, want)
	}
	if err := s.ExpectEnd(0); err != nil {
		t.Errorf("then: %v", err)
	}
}

func TestPingOfTheServerIsAnswered(t *testing.T) {
	answers := make(chan string, 1)
	server := &counterpart{reply: func(s *counterpart, f frame) {
		switch {
		case f.Type() == 5:
			s.send(3, 0, HeartbeatBody(Ping, []byte("are you there")))
		case f.Type() == 3:
			answers <- string(f.plain.Body)
			_ = s.nc.Close()
		}
	}}
	s := connect(t, server)
	if _, err := s.Drain(time.Second); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if got := <-answers; got != "\x01are you there" {
		t.Errorf("the PING was answered by %q", got)
	}
}

// A sink records what a Conn says it sent and received.
type sink struct{ lines []string }

func (s *sink) Sent(name string, raw []byte, fields ...conformance.Field) {
	s.add("sent "+name, raw, fields)
}

func (s *sink) Received(name string, raw []byte, fields ...conformance.Field) {
	s.add("received "+name, raw, fields)
}

func (s *sink) add(line string, raw []byte, fields []conformance.Field) {
	covered := 0
	for _, f := range fields {
		covered += f.Size
	}
	if covered != len(raw) {
		line += " (fields do not cover the bytes)"
	}
	s.lines = append(s.lines, line)
}

func TestRecorderSeesEveryFrame(t *testing.T) {
	var seen sink
	target := (&counterpart{}).start(t)
	c, err := Dial(t.Context(), target, Options{Entropy: testkit.Entropy("recorder"), Recorder: &seen})
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Handshake(Script{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Ping(nil); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	want := []string{
		"sent ClientHello", "received ServerHello", "received ServerFlight", "sent ClientFinish", "received HandshakeDone mid 1",
		"sent Ack up to 0", "sent Heartbeat PING", "received Heartbeat PONG",
	}
	if got := strings.Join(seen.lines, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("recorded:\n%s", got)
	}
}

func TestDraftIsSentAsAltered(t *testing.T) {
	keys := testkit.DeriveKeys(make([]byte, 48))
	base := func() *Draft {
		d := testkit.NewDraft(3, 0, 1)
		d.Plaintext.Body = []byte{0}
		d.Keys = &keys
		return d
	}
	opens := func(d *Draft) bool {
		f, _, _ := testkit.DecodeFrame(d.Encode())
		_, err := f.Open(keys)
		return err == nil
	}
	for _, tt := range []struct {
		name  string
		alter func(*Draft)
		opens bool
	}{
		{"nothing", func(*Draft) {}, true},
		{"authenticated header", func(d *Draft) { d.Frame.Header.SetUint("session_id", 9) }, true},
		{"header after sealing", func(d *Draft) { d.AfterSeal(func(f *testkit.Frame) { f.Header.SetUint("session_id", 9) }) }, false},
		{"sequence number alone", func(d *Draft) { d.Frame.Header.SetUint("sequence_number", 9) }, true},
		{"tag", func(d *Draft) { d.AfterSeal(func(f *testkit.Frame) { f.Header.Flip("auth_tag", 0) }) }, false},
		{"payload", func(d *Draft) { d.AfterSeal(func(f *testkit.Frame) { f.Payload[0] ^= 1 }) }, false},
		{"trailing bytes", func(d *Draft) { d.Trailing = []byte{1, 2, 3} }, true},
		{"cut field", func(d *Draft) { d.Frame.Header.Cut("nonce") }, false},
	} {
		d := base()
		tt.alter(d)
		if got := opens(d); got != tt.opens {
			t.Errorf("%s: opens is %t, want %t", tt.name, got, tt.opens)
		}
	}
}

func TestPipe(t *testing.T) {
	ours, theirs := net.Pipe()
	go func() {
		_, _ = io.CopyN(io.Discard, theirs, 5)
		_, _ = theirs.Write([]byte("XTMP"))
		_ = theirs.Close()
	}()
	c := New(ours, Target{}, Options{Entropy: testkit.Entropy("pipe"), Wait: time.Second})
	if err := c.WriteRaw([]byte("XTMP\x01")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ReadFrame(0); !errors.Is(err, io.EOF) || len(c.Unread()) != 4 || !strings.Contains(err.Error(), "4 bytes into a frame") {
		t.Errorf("reading gave %v with %d bytes left, want the end within a frame", err, len(c.Unread()))
	}
	if _, err := c.ReadFrame(time.Nanosecond); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("an ended connection counts as silent")
	}
}

func TestStepByStep(t *testing.T) {
	c := dial(t, &counterpart{})
	if err := c.SendHello(c.HelloDefaults()); err != nil {
		t.Fatal(err)
	}
	if r, err := c.ReadServerHello(); err != nil || r.Name != "ServerHello" {
		t.Fatal(r, err)
	}
	if _, err := c.ReadFlight(nil); err != nil {
		t.Fatal(err)
	}
	s := c.Session()
	if err := c.SendDraft(c.FinishDraft()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadDone(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Ping([]byte("x")); err != nil {
		t.Error(err)
	}
}
