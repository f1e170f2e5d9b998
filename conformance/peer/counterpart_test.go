package peer

import (
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/bpci/xtmp/vectors/testkit"
)

// A counterpart is a minimal server: it follows a client through the handshake and
// then answers PING, requests and Disconnect. Its hooks spoil what it sends.
type counterpart struct {
	helloFrame func(*testkit.Frame)   // ServerHello before it is encoded
	hello      func(*testkit.Message) // body of ServerHello
	envelope   func(*testkit.Message) // of ServerHello
	identity   func(*testkit.Message)
	params     func(*testkit.Message)
	signature  func([]byte) []byte
	finished   func([]byte) []byte
	flight     func([][]byte) [][]byte
	sealed     func(slot string, f *testkit.Frame) // before sealing
	after      func(slot string, f *testkit.Frame) // after sealing
	prologue   func(*testkit.Message)
	done       func(*testkit.Message)
	suite      *uint8                        // of the session; nil: 1
	as         *testkit.Identity             // nil: testIdentity
	instead    []byte                        // sent in place of ServerHello
	reply      func(s *counterpart, r frame) // what a frame after the handshake gets; nil: the usual
	next       func(keyID []byte)            // looks at each frame before it is opened

	t        *testing.T
	nc       net.Conn
	unread   []byte
	entropy  func(n int) []byte
	in, out  testkit.Keys
	session  uint64
	sequence uint64
	mid      uint64
	id       uint64
	received int
	served   bool // a frame has come
}

// A frame is one frame of the client, opened.
type frame struct {
	*testkit.Frame
	plain *testkit.Plaintext
}

var testIdentity = testkit.Identity{Seed: []byte("an Ed25519 seed of thirty-two by")}

// start runs the counterpart on loopback and returns where it is.
func (s *counterpart) start(t *testing.T) Target {
	t.Helper()
	s.t, s.session, s.mid = t, 0x0011223344556677&(1<<53-1), 1
	stream := testkit.Entropy("counterpart")
	s.entropy = func(n int) []byte { return testkit.Draw(stream, n) }
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); <-ended })
	go func() {
		defer close(ended)
		for !s.served { // whoever says nothing only measures the way
			nc, err := l.Accept()
			if err != nil {
				return
			}
			s.nc = nc
			_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
			s.serve()
			_ = nc.Close()
		}
	}()
	return Target{Addr: l.Addr().String(), Pin: s.me().Fingerprint(), PinKind: s.me().Kind()}
}

func (s *counterpart) me() testkit.Identity {
	if s.as != nil {
		return *s.as
	}
	return testIdentity
}

func (s *counterpart) keys(trafficSecret []byte) testkit.Keys {
	return testkit.DeriveKeys(trafficSecret).For(s.chosen())
}

func (s *counterpart) chosen() uint8 {
	if s.suite != nil {
		return *s.suite
	}
	return 1
}

func (s *counterpart) serve() {
	f, ok := s.read()
	if !ok {
		return
	}
	s.served = true
	if s.instead != nil {
		_, _ = s.nc.Write(s.instead)
		return
	}
	if !s.handshake(f) {
		return
	}
	for {
		f, ok := s.open()
		if !ok {
			return
		}
		if s.reply != nil {
			s.reply(s, f)
		} else if !s.usual(f) {
			return
		}
	}
}

func (s *counterpart) read() (*testkit.Frame, bool) {
	for {
		f, rest, whole := testkit.DecodeFrame(s.unread)
		if whole {
			s.unread = slices.Clone(rest)
			return f, true
		}
		buf := make([]byte, 4096)
		n, err := s.nc.Read(buf)
		if err != nil {
			return nil, false
		}
		s.unread = append(s.unread, buf[:n]...)
	}
}

// open reads a frame under the path key of the client.
func (s *counterpart) open() (frame, bool) {
	f, ok := s.read()
	if !ok {
		return frame{}, false
	}
	if s.next != nil {
		s.next(f.Header.Bytes("key_id"))
	}
	opened, err := f.Open(s.in)
	if err != nil {
		return frame{}, false
	}
	s.received++
	plain, _ := testkit.DecodePlaintext(f.Type(), f.Flags(), opened)
	return frame{f, plain}, true
}

func (s *counterpart) handshake(f *testkit.Frame) bool {
	p, _ := testkit.DecodePlaintext(1, 0, f.Payload)
	ch, _ := testkit.Decode("client_hello", 0, p.Body)
	s.id = p.Envelope.Uint("handshake_id")
	private := s.entropy(32)
	shared, ct, err := testkit.MLKEMEncapsulate(ch.Bytes("mlkem768_ek"), s.entropy(32))
	if err != nil {
		s.t.Errorf("counterpart: %v", err)
		return false
	}
	sh := testkit.Compose("server_hello").DefaultUint("version", 1).DefaultUint("suite", uint64(s.chosen())).
		DefaultUint("session_id", s.session).DefaultUint("server_time", now()).Default("random", s.entropy(32)).
		Default("x25519", testkit.X25519Public(private)).Default("mlkem768_ct", ct)
	spoil(s.hello, sh)
	hello := testkit.NewFrame(2, 0)
	hello.Header.DefaultUint("session_id", s.session).DefaultUint("timestamp", now())
	plain := testkit.NewPlaintext(2, 0, sh.Encode())
	plain.Envelope.DefaultUint("hs_type", 3).DefaultUint("handshake_id", s.id)
	spoil(s.envelope, plain.Envelope)
	hello.Payload = plain.Encode()
	spoil(s.helloFrame, hello)

	d := testkit.Derive("handshake", testkit.Values{
		"mlkem_ss": shared, "x25519_ss": testkit.X25519Shared(private, ch.Bytes("x25519")),
		"CH": testkit.TranscriptMessage(1, p.Body), "SH": testkit.TranscriptMessage(3, sh.Encode()),
	})
	flight := s.sealedFrame("flight", 2, 0, s.keys(d.Value("s_hs")), 0, s.flightBody(ch, d), 4)
	if _, err := s.nc.Write(append(hello.Encode(), flight...)); err != nil {
		return false
	}
	return s.finish(d)
}

func (s *counterpart) flightBody(ch *testkit.Message, d *testkit.Derivation) []byte {
	params := testkit.Compose("server_params").DefaultUint("max_payload", 16<<20).DefaultUint("idle_timeout_ms", 300_000).
		DefaultUint("key_rotation_s", 86_400).DefaultUint("max_datagram", 1200).DefaultUint("reassembly_bytes", 262_144)
	spoil(s.params, params)
	si := testkit.Compose("server_identity").DefaultUint("kind", uint64(s.me().Kind()))
	si.Default("fingerprint", s.me().Fingerprint()).Default("params", params.Encode())
	if ch.Uint("flags")&1 != 0 {
		si.DefaultUint("flags", 1).Default("identity_key", s.me().KeyBytes())
	}
	spoil(s.identity, si)
	d.Set("SI", testkit.TranscriptMessage(0x41, si.Encode()))
	signature := spoilBytes(s.signature, s.me().Sign(d.Value("server_signature_input")))
	d.Set("SS", testkit.TranscriptMessage(0x42, signature))
	mac := spoilBytes(s.finished, d.Value("sf_mac"))
	messages := [][]byte{d.Value("SI"), d.Value("SS"), testkit.TranscriptMessage(0x43, mac)}
	if s.flight != nil {
		messages = s.flight(messages)
	}
	return slices.Concat(messages...)
}

// finish reads ClientFinish and sends HandshakeDone.
func (s *counterpart) finish(d *testkit.Derivation) bool {
	s.in = s.keys(d.Value("c_hs"))
	f, ok := s.open()
	if !ok || string(f.plain.Body) != string(d.Value("cf_mac")) {
		return false
	}
	path := testkit.Derive("path", testkit.Values{"root": d.Value("root_0"), "binder": d.Value("binder_0")})
	s.in, s.out, s.received = s.keys(path.Value("ts_client")), s.keys(path.Value("ts_server")), 0
	done := testkit.Compose("handshake_done").DefaultUint("server_time", now())
	spoil(s.done, done)
	return s.send(2, flagAck, done.Encode())
}

// usual answers as the text says, as far as this test needs it.
func (s *counterpart) usual(f frame) bool {
	switch {
	case f.Type() == 3 && len(f.plain.Body) > 0 && f.plain.Body[0] == Ping:
		return s.send(3, 0, HeartbeatBody(Pong, f.plain.Body[1:]))
	case f.Type() == 4:
		return false
	case f.Type() > 5 && f.Type() < 0x80:
		return s.replyTo(f.plain.Prologue.Uint("mid"), 0xFE, ErrorBody(9, 0, 1<<64-1, "no such type"))
	case f.Type() >= 0x80 && f.plain.Prologue.Has("mid"):
		return s.send(5, 0, AckBody(uint64(s.received-1)))
	}
	return true
}

const (
	flagAck   = 0x0002
	flagReply = 0x0040
)

func (s *counterpart) replyTo(mid uint64, messageType uint8, body []byte) bool {
	plain := testkit.NewPlaintext(messageType, flagAck|flagReply, body)
	plain.Prologue.DefaultUint("mid", s.mid).DefaultUint("reply_to", mid)
	s.mid++
	return s.sendPlain(messageType, flagAck|flagReply, plain)
}

func (s *counterpart) send(messageType uint8, flags uint16, body []byte) bool {
	plain := testkit.NewPlaintext(messageType, flags, body)
	if flags&flagAck != 0 {
		plain.Prologue.DefaultUint("mid", s.mid)
		s.mid++
	}
	if plain.Envelope != nil {
		plain.Envelope.DefaultUint("hs_type", 6).DefaultUint("handshake_id", s.id)
	}
	return s.sendPlain(messageType, flags, plain)
}

func (s *counterpart) sendPlain(messageType uint8, flags uint16, plain *testkit.Plaintext) bool {
	spoil(s.prologue, plain.Prologue)
	raw := s.sealedPlain("path", messageType, flags, s.out, s.sequence, plain)
	s.sequence++
	_, err := s.nc.Write(raw)
	return err == nil
}

func (s *counterpart) sealedFrame(
	slot string, messageType uint8, flags uint16, k testkit.Keys, sequence uint64, body []byte, hsType uint64,
) []byte {
	plain := testkit.NewPlaintext(messageType, flags, body)
	plain.Envelope.DefaultUint("hs_type", hsType).DefaultUint("handshake_id", s.id)
	return s.sealedPlain(slot, messageType, flags, k, sequence, plain)
}

func (s *counterpart) sealedPlain(
	slot string, messageType uint8, flags uint16, k testkit.Keys, sequence uint64, plain *testkit.Plaintext,
) []byte {
	f := testkit.NewFrame(messageType, flags)
	f.Header.DefaultUint("session_id", s.session).DefaultUint("timestamp", now())
	if s.sealed != nil {
		s.sealed(slot, f)
	}
	f.Seal(k, sequence, plain.Encode())
	if s.after != nil {
		s.after(slot, f)
	}
	return f.Encode()
}

func spoil[T any](hook func(*T), value *T) {
	if hook != nil {
		hook(value)
	}
}

func spoilBytes(hook func([]byte) []byte, value []byte) []byte {
	if hook == nil {
		return value
	}
	return hook(value)
}

func now() uint64 { return uint64(time.Now().UnixMicro()) }

// dial connects to a counterpart with fixed entropy.
func dial(t *testing.T, s *counterpart) *Conn {
	t.Helper()
	c, err := Dial(t.Context(), s.start(t), Options{Entropy: testkit.Entropy(t.Name())})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// connect is dial and a correct handshake.
func connect(t *testing.T, s *counterpart) *Session {
	t.Helper()
	session, err := dial(t, s).Handshake(Script{})
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func names(frames []*Received) string { return fmt.Sprint(namesOf(frames)) }

func namesOf(frames []*Received) []string {
	var all []string
	for _, f := range frames {
		all = append(all, f.Name)
	}
	return all
}
