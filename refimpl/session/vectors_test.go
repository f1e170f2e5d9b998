package session

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/trace"
	"github.com/bpci/xtmp/refimpl/wire"
	"github.com/bpci/xtmp/vectors"
)

// TestVectors puts a session into the state that each golden vector names, hands
// it the vector's frames, and compares what it does with what must follow, down
// to the step of the order of checks at which it notices.
func TestVectors(t *testing.T) {
	judged := 0
	for _, v := range vectors.All() {
		if v.Receiver == "" || v.Kind == vectors.KindFlow {
			continue
		}
		if v.GivenValue("sent_mid") != nil {
			continue // this client has no call that sends a request
		}
		judged++
		t.Run(v.ID, func(t *testing.T) { newSubject(t, v).judge(v) })
	}
	if judged < 400 {
		t.Errorf("only %d vectors were judged", judged)
	}
}

// subject is a session under a vector.
type subject struct {
	t    *testing.T
	s    *Session
	now  Now
	step uint8 // of the order of checks at which a frame was refused
}

func newSubject(t *testing.T, v vectors.Vector) *subject {
	u := &subject{t: t, now: Now{Elapsed: time.Hour, Wall: number(v, "clock")}}
	cfg := Config{Entropy: deterministic(9), Trace: func(e trace.Event) {
		if e.Kind == trace.FrameRefused {
			u.step = e.Step
		}
	}}
	role := Client
	if v.Receiver == "server" {
		role = Server
		seed := v.GivenValue("identity_seed")
		if seed == nil {
			seed = bytes.Repeat([]byte{1}, 32)
		}
		id, err := security.NewIdentity(seed)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Server = ServerConfig{
			Identities: []*security.Identity{id}, Encapsulate: encapsulator(t, 1),
			NewSessionID: func() uint64 { return 42 }, Admission: &openAdmission{},
		}
	} else if pin := v.GivenValue("pin"); pin != nil {
		cfg.Client.Pins = []security.Pin{{Kind: 1, Fingerprint: security.Fingerprint(pin), Key: v.GivenValue("pinned_key")}}
	}
	cfg, err := cfg.Validate(role)
	if err != nil {
		t.Fatal(err)
	}
	if role == Server {
		u.s = NewServer(&cfg, u.now, netip.MustParseAddr("127.0.0.1"))
	} else {
		u.s = NewClient(&cfg)
		u.s.paths[0] = newPath(cfg.Buffers, u.now)
	}
	u.s.wallZero = u.now.Wall - micros(u.now.Elapsed)
	u.enter(v)
	return u
}

func number(v vectors.Vector, name string) uint64 {
	b := v.GivenValue(name)
	if b == nil {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

// enter brings the session into the state of the vector.
func (u *subject) enter(v vectors.Vector) {
	s, p := u.s, u.s.paths[0]
	s.id = number(v, "session_id")
	s.suite = wire.SuiteAES256GCM
	s.idleTimeout, s.ageLimit = DefaultConnectionTimeout, DefaultKeyRotationInterval
	switch v.State {
	case "first":
		s.id = 0
	case "half-open":
		ts := security.Secret(v.GivenValue("ts"))
		s.state = Half
		s.handshake = &handshake{
			id: number(v, "handshake_id"), keyed: true, recv: security.NewOpener(s.suite, &ts),
			finish: security.Digest(v.GivenValue("cf_mac")),
		}
		p.keys = testKeys(s.suite, &security.Secret{1}, &security.Secret{2})
	case "hello", "flight":
		s.id = 0
		s.state = Hello
		s.handshake = u.clientHandshake(v)
	case "finished", "established":
		u.establish(v)
	default:
		u.t.Fatalf("no state %q", v.State)
	}
}

func testKeys(suite wire.Suite, send, recv *security.Secret) pathKeys {
	return pathKeys{send: security.NewSealer(suite, send), recv: security.NewOpener(suite, recv)}
}

// clientHandshake is what a client knows that has sent the vector's ClientHello.
func (u *subject) clientHandshake(v vectors.Vector) *handshake {
	if v.GivenValue("client_x25519") == nil { // it will not come to a key exchange
		return &handshake{transcript: security.NewTranscript()}
	}
	share, err := security.NewClientShare(bytes.NewReader(append(
		bytes.Clone(v.GivenValue("client_x25519")), v.GivenValue("client_mlkem_seed")...)))
	if err != nil {
		u.t.Fatal(err)
	}
	var env wire.Envelope
	var hello wire.ClientHello
	body, err := wire.ParseStreamEnvelope(v.Steps[0].Frame[wire.Overhead:], &env)
	if err == nil {
		err = hello.Parse(body)
	}
	if err != nil {
		u.t.Fatal(err)
	}
	k := &handshake{id: env.HandshakeID, share: share, transcript: security.NewTranscript(), wantKey: hello.Flags&wire.HelloWantKey != 0}
	k.transcript.Add(byte(wire.HSClientHello), body)
	return k
}

// establish gives the session the receive key, the counters and the clock of the
// vector. What it sends is sealed under a key that nobody looks at.
func (u *subject) establish(v vectors.Vector) {
	s, p := u.s, u.s.paths[0]
	ts := security.Secret(v.GivenValue("ts"))
	s.state = Established
	p.keys = testKeys(s.suite, &security.Secret{1}, &ts)
	p.received = number(v, "sequence")
	p.anchor(u.now, number(v, "clock"))
	p.state = PathLive
	if base := number(v, "base"); base > 0 {
		s.in.done = base - 1
	}
	if v.State == "finished" {
		s.handshake = &handshake{id: number(v, "handshake_id")}
		p.state = PathOpen
	} else {
		p.handshaken = true
	}
	if v.GivenValue("last_sent") != nil {
		for p.keys.send.Next() <= number(v, "last_sent") {
			s.seal(u.now, p, nil, wire.TypeHeartbeat, 0, nil, []byte{1})
		}
	}
}

// judge feeds the vector and compares.
func (u *subject) judge(v vectors.Vector) {
	s := u.s
	for _, step := range v.Steps[:len(v.Steps)-1] {
		if step.From != v.Receiver {
			s.Receive(u.now, 0, bytes.Clone(step.Frame))
		}
	}
	s.AppendOutput(u.now, 0, nil)
	frame := v.Last().Frame
	if v.Kind == vectors.KindHeader {
		frame = frame[:wire.Overhead]
	}
	s.Receive(u.now, 0, bytes.Clone(frame))
	if v.Kind == vectors.KindStream {
		u.now.Elapsed += frameTimeout
		s.Advance(u.now)
	}
	switch {
	case v.Expect.Result == vectors.Invalid:
		u.refused(v)
	case v.Kind == vectors.KindHeader:
		u.lives(v)
	default:
		u.effect(v)
	}
}

func (u *subject) lives(v vectors.Vector) {
	if u.s.state == Closed {
		u.t.Errorf("%s: the session ended: %v", v.Comment, u.s.err)
	}
}

// refused compares the reaction to an invalid vector.
func (u *subject) refused(v vectors.Vector) {
	t, s, class := u.t, u.s, v.Expect.Class
	var e *Error
	coded := errors.As(s.err, &e)
	switch {
	case class == vectors.ClassDiscard:
		u.lives(v)
	case s.state != Closed:
		t.Fatalf("%s: accepted, state %v; want %v", v.Comment, s.state, v.Expect)
	case class == vectors.ClassSilent && (coded && !e.Peer || len(s.paths[0].raw) > 0 || s.Fate(0) != Shut):
		t.Errorf("%s: %v, fate %v; want silence", v.Comment, s.err, s.Fate(0))
	case class != vectors.ClassSilent && (!coded || e.Code.String() != class || s.Fate(0) != Drain || len(s.paths[0].raw) == 0):
		t.Errorf("%s: %v, fate %v; want %s", v.Comment, s.err, s.Fate(0), class)
	}
	if n, err := strconv.Atoi(strings.TrimPrefix(v.Expect.Stage, "check")); err == nil && class == vectors.ClassSilent && n > 1 && n < 13 {
		if n == 10 {
			n = 11 // one comparison after the other, told apart by nobody
		}
		if int(u.step) != n {
			t.Errorf("%s: refused at step %d, want %s", v.Comment, u.step, v.Expect.Stage)
		}
	}
}

// effect compares what a session does with a valid frame.
func (u *subject) effect(v vectors.Vector) {
	t, s, p := u.t, u.s, u.s.paths[0]
	if v.Effect == "end" {
		if s.state != Closed || len(p.raw) > 0 {
			t.Errorf("%s: state %v, %d bytes to say; want the end", v.Comment, s.state, len(p.raw))
		}
		return
	}
	u.lives(v)
	replied := s.ordinary.head != nil && binary.BigEndian.Uint16(s.ordinary.head.body) == uint16(wire.UnsupportedType)
	got := map[string]bool{
		"nothing":                p.ackCount == 0 && p.answerLen == [2]uint8{} && s.ordinary.head == nil && len(p.raw) == 0,
		"Ack":                    p.ackCount == 1,
		"PONG":                   p.answerLen[0] > 0 && p.answer[0][0] == byte(wire.Pong),
		"PATH_RESPONSE":          p.answerLen[1] > 0 && p.answer[1][0] == byte(wire.PathResponse),
		"ServerHello":            s.state == Half && len(p.raw) > wire.ServerHelloSize,
		"ClientFinish":           s.state == Established && len(p.raw) == wire.Overhead+wire.EnvelopeSize+wire.MACSize,
		"HandshakeDone":          s.state == Established && s.out.last == 1 && len(p.raw) > 0,
		"reply UNSUPPORTED_TYPE": replied,
		"Error UNSUPPORTED_TYPE": len(p.raw) > wire.Overhead,
	}
	if ok, known := got[v.Effect]; !ok || !known {
		t.Errorf("%s: effect %q does not show (state %v, %v)", v.Comment, v.Effect, s.state, s.err)
	}
}
