package fuzz_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/handler"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/trace"
	"github.com/bpci/xtmp/refimpl/wire"
	"github.com/bpci/xtmp/vectors/testkit"
)

// FuzzDifferential lets a script hold a conversation between two cores: calls of
// Probe with and without compression and priority, pings, fresh keys, time, an
// orderly end; and the scribe reads all of it.
//
// Oracle: the scribe derives from what both drew at random, and from what
// travelled, the traffic secrets of both cores in every epoch; every frame opens
// under them, has the fields that its sender says it has, and is written again by
// the scribe byte for byte; every body fits its layout, to both codecs alike. Each
// call ends once, with what chapter 18 says, and pushes are complete and in order.
func FuzzDifferential(f *testing.F) {
	f.Add(byte(1), []byte{0, 0, 5, 1, 1, 0, 9, 2, 0, 1, 0, 0, 0x40, 3, 0, 0, 0, 0, 9, 9})
	f.Add(byte(0x12), []byte{0, 0xf9, 0xff, 0xff, 0x8a, 0xf9, 0xff, 0xff, 5, 0, 0, 7, 12, 7, 8})
	f.Add(byte(0x20), []byte{5, 0, 0, 9, 8, 11, 2, 16, 0xff, 0xff, 5, 4, 0, 200, 10, 4, 5, 0, 0, 0, 9})
	f.Add(byte(0x33), []byte{8, 10, 4, 8, 10, 4, 0, 0, 1, 1, 8, 7, 13})
	f.Fuzz(func(t *testing.T, mode byte, script []byte) {
		c := newConversation(t, mode)
		c.play(&tape{script})
		c.settle()
		c.end()
		for side := range 2 {
			c.read(side)
		}
		for _, p := range c.pushes {
			if p.want != p.got {
				t.Fatalf("%d pushes of a stream, not %d", p.got, p.want)
			}
		}
		if len(c.calls) > 0 {
			t.Fatalf("%d calls have no end: %v", len(c.calls), c.calls)
		}
	})
}

// conversation is two cores that talk, and what has to come of it.
type conversation struct {
	*world
	probe  handler.Probe
	owners int
	calls  map[int]string // by owner: what it has to end with
	subs   map[int]*pushed
	pushes map[uint32]*pushed // by sub_id
	sent   [2][]trace.Event
}

// pushed is a stream that was asked for.
type pushed struct {
	want, got uint64
	data      []byte
}

// listener is the application of the client.
type listener struct{ c *conversation }

func (l listener) Implements(t wire.MessageType) bool     { return t == wire.TypeProbe }
func (l listener) Writable(session.Now, *session.Session) {}
func (l listener) Ended(*session.Session)                 {}

func (l listener) Deliver(_ session.Now, _ *session.Session, m session.Message) bool {
	c := l.c
	var p wire.Probe
	var e *session.Error
	var got string
	switch {
	case errors.As(m.Err, &e):
		got = fmt.Sprintf("error %04x", uint16(e.Code))
	case m.Err != nil || p.Parse(m.Body) != nil:
		got = fmt.Sprint(m.Err)
	case m.Owner == nil:
		s := c.pushes[m.SubID]
		if s == nil || m.N != s.got+1 || p.Op != wire.ProbeStream || p.Arg != 0 || !bytes.Equal(p.Data, s.data) {
			c.t.Fatalf("push %d of subscription %d: %x", m.N, m.SubID, m.Body)
		}
		s.got++
		return true
	default:
		got = fmt.Sprintf("op %d arg %d %x", p.Op, p.Arg, p.Data)
	}
	owner := m.Owner.(int)
	if s := c.subs[owner]; s != nil && len(p.Data) == 4 {
		c.pushes[uint32(testkit.Uint(p.Data))] = s
		got = fmt.Sprintf("op %d arg %d", p.Op, p.Arg)
	}
	if want, waits := c.calls[owner]; !waits || got != want {
		c.t.Fatalf("call %d ends with %.200s; it has to be %.200q", owner, got, want)
	}
	delete(c.calls, owner)
	return true
}

func newConversation(t *testing.T, mode byte) *conversation {
	t.Helper()
	c := &conversation{calls: map[int]string{}, subs: map[int]*pushed{}, pushes: map[uint32]*pushed{}}
	c.world = newWorld(t, setup{
		suite: mode & 3, deflate: mode&0x10 != 0,
		apps: func(client, server *session.Config) {
			client.Application, server.Application = listener{c}, &c.probe
		},
		trace: func(who session.Role, e trace.Event) {
			if e.Kind == trace.FrameSent {
				c.sent[who] = append(c.sent[who], e)
			}
		},
	})
	c.connect()
	return c
}

// play makes up to 24 steps.
func (c *conversation) play(in *tape) {
	for range 24 {
		if !in.more() || c.client.State() != session.Established {
			return
		}
		op := in.byte()
		switch kind := op % 14; kind {
		case 6, 7:
			[]*session.Session{c.client, c.server}[kind-6].Ping()
		case 8:
			c.client.Rekey(c.now)
		case 9:
			c.server.Rekey(c.now)
		case 10:
			c.pass(time.Duration(in.byte()) * 20 * time.Millisecond)
		case 11:
			c.pass(time.Duration(in.byte()) * time.Second)
		case 12:
			c.settle()
		case 13:
			c.client.Rest()
			c.server.Rest()
		default:
			c.call(wire.ProbeOp(kind), op, in)
		}
	}
}

// call sends one request of Probe, and says what has to come of it.
func (c *conversation) call(op wire.ProbeOp, how byte, in *tape) {
	fill, n := in.byte(), int(in.uint16())
	if fill < 0xf0 { // mostly small
		n %= 1500
	}
	p := wire.Probe{Op: op, Data: bytes.Repeat([]byte{fill}, min(n, messageToServer-wire.ProbeHeader))}
	switch op {
	case wire.ProbeEcho, wire.ProbeSink:
	case wire.ProbeSource:
		p.Arg = uint32(len(p.Data)) * (1 + uint32(how>>7)*4)
	case wire.ProbeFail:
		p.Arg = uint32(in.byte())<<9 | 1
	case wire.ProbeDelay:
		p.Arg = uint32(in.byte()) * 300
	case wire.ProbeStream:
		p.Arg = uint32(in.byte() & 0x0f)
	}
	c.owners++
	want := fmt.Sprintf("op %d arg 0 %x", op, p.Data)
	switch {
	case op == wire.ProbeSink:
		want = fmt.Sprintf("op 1 arg %d ", len(p.Data))
	case op == wire.ProbeSource:
		data := make([]byte, p.Arg)
		for i := range data {
			data[i] = byte(i % 251)
		}
		want = fmt.Sprintf("op 2 arg 0 %x", data)
	case op == wire.ProbeFail && p.Arg > 0xffff, op == wire.ProbeDelay && p.Arg > 60_000:
		want = fmt.Sprintf("error %04x", code("INVALID_PAYLOAD"))
	case op == wire.ProbeFail:
		want = fmt.Sprintf("error %04x", p.Arg)
	case op == wire.ProbeStream:
		want = fmt.Sprintf("op 5 arg %d", p.Arg)
		c.subs[c.owners] = &pushed{want: uint64(p.Arg), data: p.Data}
	}
	oneWay := op == wire.ProbeSink && how&0x40 != 0
	err := c.client.Send(c.now, &session.Request{
		Type: wire.TypeProbe, Owner: c.owners, Body: p.Append(nil), OneWay: oneWay, Compress: how&0x80 != 0, Priority: how&0x20 != 0,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	if !oneWay {
		c.calls[c.owners] = want
	}
}

// pass moves time for everybody.
func (c *conversation) pass(d time.Duration) {
	for end := c.now.Elapsed + d; ; {
		c.settle()
		next := end
		for _, deadline := range []func() (time.Duration, bool){c.client.Deadline, c.server.Deadline, c.probe.Deadline} {
			if at, ok := deadline(); ok {
				next = min(next, at)
			}
		}
		if step := next - c.now.Elapsed; step > 0 {
			c.now.Elapsed += step
			c.now.Wall += uint64(step / time.Microsecond)
		}
		c.client.Advance(c.now)
		c.server.Advance(c.now)
		c.probe.Advance(c.now)
		if c.now.Elapsed >= end {
			c.settle()
			return
		}
	}
}

// end waits for every delay, then ends the session in order.
func (c *conversation) end() {
	c.t.Helper()
	c.pass(80 * time.Second)
	if c.client.State() != session.Established || c.server.State() != session.Established {
		c.t.Fatalf("client %v (%v), server %v (%v)", c.client.State(), c.client.Err(), c.server.State(), c.server.Err())
	}
	c.client.Close(c.now)
	c.pass(10 * time.Second)
	for _, s := range []*session.Session{c.client, c.server} {
		if !errors.Is(s.Err(), session.ErrClosed) {
			c.t.Fatalf("an orderly end is %v", s.Err())
		}
		c.finish(s)
	}
}

// read has the scribe read everything that one side wrote.
func (c *conversation) read(side int) {
	c.t.Helper()
	keys := c.derive(side)
	sent := c.sent[side]
	for rest, i := c.wire[side], 0; len(rest) > 0; i++ {
		b, after := firstFrame(rest)
		f, _, whole := testkit.DecodeFrame(b)
		if !whole {
			c.t.Fatalf("%d bytes at the end are no frame", len(rest))
		}
		rest = after
		inside := f.Payload
		if slot := slices.IndexFunc(keys, func(k testkit.Keys) bool { return bytes.Equal(k.KeyID, f.Header.Bytes("key_id")) }); slot >= 0 {
			var err error
			if inside, err = f.Open(keys[slot]); err != nil {
				c.t.Fatalf("frame %d of side %d does not open under the keys that the scribe derives", i, side)
			}
			again := testkit.NewFrame(f.Type(), f.Flags())
			again.Header.SetUint("session_id", f.Header.Uint("session_id")).SetUint("timestamp", f.Header.Uint("timestamp"))
			if got := again.Seal(keys[slot], f.Sequence(), inside).Encode(); !bytes.Equal(got, b) {
				c.t.Fatalf("type %02x\nthe core writes   %x\nthe scribe writes %x", f.Type(), b, got)
			}
			if slot >= 1 { // frames under a handshake key are not traced
				if sent = c.matches(sent, f, len(b)); f.Header.Uint("session_id") != c.server.ID() {
					c.t.Fatal("another session_id")
				}
			}
		} else if !f.Clear() {
			c.t.Fatalf("frame %d of side %d is under no key that the scribe derives", i, side)
		}
		c.fits(f, inside)
	}
	if len(sent) > 0 {
		c.t.Fatalf("side %d says it sent %d more frames", side, len(sent))
	}
}

// matches compares a frame with what its sender says that it sent.
func (c *conversation) matches(sent []trace.Event, f *testkit.Frame, size int) []trace.Event {
	c.t.Helper()
	if len(sent) == 0 || sent[0].Type != f.Type() || sent[0].Flags != f.Flags() || sent[0].Sequence != f.Sequence() || sent[0].Size != size {
		c.t.Fatalf("type %02x flags %04x sequence %d: its sender says %.1v", f.Type(), f.Flags(), f.Sequence(), sent)
	}
	return sent[1:]
}

// fits holds the body of a frame to its layout, with both codecs.
func (c *conversation) fits(f *testkit.Frame, inside []byte) {
	c.t.Helper()
	p, short := testkit.DecodePlaintext(f.Type(), f.Flags(), inside)
	var hs uint8
	if p.Envelope != nil {
		hs = uint8(p.Envelope.Uint("hs_type"))
	}
	layout, repeated := testkit.BodyLayout(f.Type(), hs)
	switch {
	case short || !p.Prologue.Has("mid") && f.Flags()&flagRequiresAck != 0:
		c.t.Fatalf("type %02x: %x", f.Type(), inside)
	case layout == "" || repeated || f.Flags()&(flagFragment|flagCompressed) != 0:
		return
	}
	for i, b := range bodies {
		if m, rest := testkit.Decode(layout, 0, p.Body); b.layout == layout {
			if m.Short() || len(rest) > 0 || !b.valid(m) {
				c.t.Fatalf("type %02x: a body of layout %s: %x", f.Type(), layout, p.Body)
			}
			sameBody(c.t.(*testing.T), i, p.Body)
			return
		}
	}
}

// derive runs the key schedule with the scribe, from the private keys that the
// client drew and from what travelled. It returns the sending keys of a side: of
// its handshake slot, then of every epoch.
func (c *conversation) derive(side int) []testkit.Keys {
	c.t.Helper()
	var shares [][]byte // of the client: 32 bytes for X25519, 64 for ML-KEM
	for _, b := range c.draws[0].drawn {
		if len(b) == 96 {
			shares = append(shares, b)
		}
	}
	clientHello, answers := messageOf(c.wire[0]), c.wire[1]
	serverHello := messageOf(answers)
	mlkem, x25519 := shared(c.t, shares[0], "server_hello", serverHello)
	d := testkit.Derive("handshake", testkit.Values{
		"mlkem_ss": mlkem, "x25519_ss": x25519,
		"CH": testkit.TranscriptMessage(1, clientHello), "SH": testkit.TranscriptMessage(3, serverHello),
	})
	hs := testkit.DeriveKeys(d.Value("s_hs")).For(c.suite)
	_, answers = firstFrame(answers)
	f, _, _ := testkit.DecodeFrame(answers)
	inside, err := f.Open(hs)
	if err != nil {
		c.t.Fatal("the scribe does not open ServerFlight")
	}
	p, _ := testkit.DecodePlaintext(f.Type(), 0, inside)
	messages, _ := testkit.FlightMessages(p.Body)
	d.Set("SI", messages[0].Encode())
	d.Set("SS", messages[1].Encode())
	keys := []testkit.Keys{testkit.DeriveKeys(d.Value([]string{"c_hs", "s_hs"}[side])).For(c.suite)}
	root := d.Value("root_0")
	for epoch := 0; ; epoch++ {
		path := testkit.Derive("path", testkit.Values{"root": root, "binder": d.Value("binder_0")})
		label := []string{"CLIENT", "SERVER"}[side] + fmt.Sprintf("_PATH_SECRET_0_%d", epoch)
		if c.secrets[0][label] == nil && c.secrets[1][label] == nil {
			return keys
		}
		ts := path.Value([]string{"ts_client", "ts_server"}[side])
		if !bytes.Equal(ts, c.secret(label)) {
			c.t.Fatalf("%s is %x to the cores, %x to the scribe", label, c.secret(label), ts)
		}
		keys = append(keys, testkit.DeriveKeys(ts).For(c.suite))
		root = c.nextRoot(root, d.Value("binder_0"), epoch, shares)
	}
}

// nextRoot finds the rekey that follows an epoch among what travelled.
func (c *conversation) nextRoot(root, binder []byte, epoch int, shares [][]byte) []byte {
	path := testkit.Derive("path", testkit.Values{"root": root, "binder": binder})
	var bodies [2][]byte
	for side, hs := range []uint64{32, 33} {
		keys := testkit.DeriveKeys(path.Value([]string{"ts_client", "ts_server"}[side])).For(c.suite)
		for rest := c.wire[side]; len(rest) > 0; {
			var f *testkit.Frame
			f, rest, _ = testkit.DecodeFrame(rest)
			if f.Type() > 2 || !bytes.Equal(f.Header.Bytes("key_id"), keys.KeyID) {
				continue
			}
			if inside, err := f.Open(keys); err == nil {
				if p, _ := testkit.DecodePlaintext(f.Type(), f.Flags(), inside); p.Envelope.Uint("hs_type") == hs {
					bodies[side] = p.Body
				}
			}
		}
	}
	if bodies[1] == nil || len(shares) < epoch+2 {
		return root
	}
	mlkem, x25519 := shared(c.t, shares[epoch+1], "rekey_resp", bodies[1])
	return testkit.Derive("rekey", testkit.Values{
		"root": root, "mlkem_ss": mlkem, "x25519_ss": x25519,
		"rekey_init": testkit.TranscriptMessage(32, bodies[0]), "rekey_resp": testkit.TranscriptMessage(33, bodies[1]),
	}).Value("root_next")
}

// messageOf returns the body of a clear handshake message.
func messageOf(b []byte) []byte {
	f, _, _ := testkit.DecodeFrame(b)
	p, _ := testkit.DecodePlaintext(f.Type(), 0, f.Payload)
	return p.Body
}

// shared computes both shared secrets from a private share and the server's answer.
func shared(t testing.TB, share []byte, layout string, answer []byte) (mlkem, x25519 []byte) {
	t.Helper()
	m, _ := testkit.Decode(layout, 0, answer)
	mlkem, err := testkit.MLKEMDecapsulate(share[32:], m.Bytes("mlkem768_ct"))
	if err != nil {
		t.Fatal(err)
	}
	return mlkem, testkit.X25519Shared(share[:32], m.Bytes("x25519"))
}
