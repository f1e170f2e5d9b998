package cases_test

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/bpci/xtmp/vectors/testkit"
)

// A server is as much of a conforming one as the cases about suites and identities
// ask for, written over testkit alone. Its flaws make it a mutant, each of which a
// case has to see.
type server struct {
	identities []testkit.Identity
	suites     []byte // enabled
	webSocket  bool   // besides TCP
	flaws      map[string]bool
}

// The message types and flags of the server.
const (
	handshake    = 0x01
	handshakeAck = 0x02
	heartbeat    = 0x03
	disconnect   = 0x04
	ack          = 0x05
	failure      = 0xFE
)

// start serves on loopback until the test ends and returns the address and the pins.
func (s *server) start(t *testing.T) (addr string, pins []string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			c := &session{server: s, nc: nc, accepted: time.Now()}
			if s.webSocket {
				go (&socket{TCPConn: nc.(*net.TCPConn), session: c}).serve()
				continue
			}
			go c.serve()
		}
	}()
	for _, id := range s.identities {
		pins = append(pins, hex.EncodeToString(id.Fingerprint()))
	}
	return l.Addr().String(), pins
}

// A session is one connection.
type session struct {
	*server
	nc       net.Conn
	accepted time.Time
	unread   []byte
	id       uint64
	hs       uint64 // handshake_id
	suite    uint8
	in, out  testkit.Keys
	expected uint64
	sequence uint64
	mid      uint64
	schedule *testkit.Derivation

	established bool
}

func (s *session) serve() {
	defer s.nc.Close()
	_ = s.nc.SetDeadline(s.accepted.Add(5 * time.Second))
	if !s.hello() || !s.finish() {
		return
	}
	_ = s.nc.SetDeadline(time.Now().Add(20 * time.Second))
	s.established = true
	for {
		f, ok := s.read(65_600)
		if !ok || !s.passes(f) {
			return
		}
		plain, err := f.Open(s.in)
		if err != nil && !(s.flaws["tag"] && s.suite == 0) {
			return
		}
		if err != nil {
			plain = f.Payload
		}
		s.expected++
		if !s.act(f, plain) {
			return
		}
	}
}

// read waits for a whole frame whose header passes the checks 1 … 4 and 7.
func (s *session) read(limit uint64) (*testkit.Frame, bool) {
	for {
		if len(s.unread) >= testkit.HeaderSize {
			h, _ := testkit.Decode("frame", 0, s.unread)
			length := h.Uint("payload_length")
			switch {
			case string(h.Bytes("magic")) == "XTMP" && h.Uint("version") != 1 && s.id == 0:
				s.refuse(1)
				return nil, false
			case string(h.Bytes("magic")) != "XTMP" || h.Uint("version") != 1 || !sensible(h):
				return nil, false
			case length > limit && s.id == 0:
				s.refuse(0x30)
				return nil, false
			case length > limit && s.established:
				s.last(0x30, 1, 1<<64-1)
				return nil, false
			case length > limit:
				return nil, false
			}
			if f, rest, whole := testkit.DecodeFrame(s.unread); whole {
				raw := s.unread[:len(s.unread)-len(rest)]
				s.unread = slices.Clone(rest)
				return f, h.Uint("checksum") == uint64(testkit.Checksum(raw))
			}
		}
		buf := make([]byte, 8192)
		n, err := s.nc.Read(buf)
		if err != nil {
			return nil, false
		}
		s.unread = append(s.unread, buf[:n]...)
	}
}

// sensible is check 3, as far as the cases go.
func sensible(h *testkit.Message) bool {
	flags, encrypted := uint16(h.Uint("flags")), testkit.FlagValue("ENCRYPTED")
	if (flags&encrypted != 0) != (h.Uint("encryption_type") != 0) {
		return false
	}
	messageType := h.Uint("message_type")
	return messageType != 0 && messageType != 0xFF && flags&^0x007F == 0
}

// passes is check 6 to check 10 in a session.
func (s *session) passes(f *testkit.Frame) bool {
	h := f.Header
	_, nonce := s.in.Nonce(s.expected)
	kind := uint8(h.Uint("encryption_type"))
	if s.flaws["suite"] && kind <= 3 {
		s.in = s.in.For(kind)
	} else if kind != s.suite {
		return false
	}
	return h.Uint("session_id") == s.id && bytes.Equal(h.Bytes("key_id"), s.in.KeyID) && h.Uint("sequence_number") == s.expected &&
		(s.flaws["nonce"] || bytes.Equal(h.Bytes("nonce"), nonce))
}

// refuse sends a clear Error.
func (s *session) refuse(code uint64) bool {
	f := testkit.NewFrame(failure, 0)
	f.Header.SetUint("timestamp", now())
	f.Payload = testkit.Compose("error").SetUint("code", code).SetUint("scope", 1).SetUint("ref_seq", 1<<64-1).Encode()
	_, _ = s.nc.Write(f.Encode())
	s.linger()
	return false
}

// linger ends our half and reads on, so that what was written arrives.
func (s *session) linger() {
	_ = s.nc.(interface{ CloseWrite() error }).CloseWrite()
	_ = s.nc.SetReadDeadline(time.Now().Add(time.Second))
	_, _ = io.Copy(io.Discard, s.nc)
}

// hello reads ClientHello and answers it with ServerHello and ServerFlight.
func (s *session) hello() bool {
	f, ok := s.read(8208)
	if !ok || !f.Clear() || f.Flags() != 0 || f.Header.Uint("session_id") != 0 || f.Sequence() != 0 || f.Type() != handshake {
		return false
	}
	p, short := testkit.DecodePlaintext(handshake, 0, f.Payload)
	if short || p.Envelope.Uint("hs_type") != 1 {
		return s.refuse(3)
	}
	ch, rest := testkit.Decode("client_hello", 0, p.Body)
	_, fits := testkit.TLVEntries(ch.Bytes("extensions"))
	list := ch.Bytes("suites")
	switch {
	case ch.Short() || len(rest) > 0 || !fits || gap(list):
		return s.refuse(3)
	case ch.Uint("min_version") > 1 || ch.Uint("max_version") < 1:
		return s.refuse(1)
	}
	id, ok := s.choose(list, ch.Bytes("identity_hint"))
	if !ok {
		return s.refuse(2)
	}
	s.hs = p.Envelope.Uint("handshake_id")
	return s.answer(p.Body, ch, id)
}

// gap reports whether an unused slot stands before a used one.
func gap(list []byte) bool {
	at := bytes.IndexByte(list, 0xFF)
	return at >= 0 && len(bytes.Trim(list[at:], "\xFF")) > 0
}

// choose is section 6.4.
func (s *session) choose(list, hint []byte) (testkit.Identity, bool) {
	considered := slices.DeleteFunc(slices.Clone(s.identities), func(id testkit.Identity) bool {
		for at := 0; at < len(hint); at += 8 {
			if bytes.Equal(hint[at:at+8], id.Fingerprint()[:8]) {
				return false
			}
		}
		return true
	})
	if len(considered) == 0 || s.flaws["hint"] {
		considered = s.identities
	}
	if s.flaws["order"] {
		list = slices.Clone(list)
		slices.SortFunc(list, func(a, b byte) int { return int(b) - int(a) })
	}
	for _, id := range considered {
		for _, suite := range list {
			if slices.Contains(s.suites, suite) && (suite != 3 || id.Kind() == testkit.KindHybrid) {
				s.suite = suite
				return id, true
			}
		}
	}
	return testkit.Identity{}, false
}

func (s *session) answer(raw []byte, ch *testkit.Message, id testkit.Identity) bool {
	private := testkit.Draw(rand.Reader, 32)
	shared, ct, err := testkit.MLKEMEncapsulate(ch.Bytes("mlkem768_ek"), testkit.Draw(rand.Reader, 32))
	x25519 := testkit.X25519Shared(private, ch.Bytes("x25519"))
	if err != nil || bytes.Equal(x25519, make([]byte, 32)) {
		return s.refuse(5)
	}
	s.id = testkit.Uint(testkit.Draw(rand.Reader, 6)) | 1
	sh := testkit.Compose("server_hello").SetUint("version", 1).SetUint("suite", uint64(s.suite)).SetUint("session_id", s.id).
		SetUint("server_time", now()).Set("random", testkit.Draw(rand.Reader, 32)).Set("x25519", testkit.X25519Public(private)).
		Set("mlkem768_ct", ct).Set("extensions", testkit.TLVBlock())
	s.schedule = testkit.Derive("handshake", testkit.Values{
		"mlkem_ss": shared, "x25519_ss": x25519,
		"CH": testkit.TranscriptMessage(1, raw), "SH": testkit.TranscriptMessage(3, sh.Encode()),
	})
	f := testkit.NewFrame(handshakeAck, 0)
	f.Header.SetUint("session_id", s.id).SetUint("timestamp", now())
	f.Payload = s.plain(handshakeAck, 0, 3, sh.Encode()).Encode()
	s.out = s.keys("s_hs")
	flight := s.seal(handshakeAck, 0, s.plain(handshakeAck, 0, 4, s.flight(ch, id)))
	_, err = s.nc.Write(append(f.Encode(), flight...))
	return err == nil
}

func (s *session) keys(name string) testkit.Keys {
	return testkit.DeriveKeys(s.schedule.Value(name)).For(s.suite)
}

func (s *session) flight(ch *testkit.Message, id testkit.Identity) []byte {
	params := testkit.Compose("server_params").SetUint("max_payload", 16<<20).SetUint("idle_timeout_ms", 300_000).
		SetUint("key_rotation_s", 86_400).SetUint("max_datagram", 1200).SetUint("reassembly_bytes", 262_144)
	params.Set("reset_token", testkit.ResetToken([]byte("a key"), testkit.PutUint(s.id, 8)))
	si := testkit.Compose("server_identity").SetUint("kind", uint64(id.Kind())).Set("fingerprint", id.Fingerprint()).
		Set("params", params.Encode()).Set("extensions", testkit.TLVBlock())
	if ch.Uint("flags")&1 != 0 || s.flaws["key"] {
		si.SetUint("flags", 1).Set("identity_key", id.KeyBytes())
	}
	d := s.schedule
	d.Set("SI", testkit.TranscriptMessage(0x41, si.Encode()))
	signature := id.Sign(d.Value("server_signature_input"))
	if s.flaws["second half"] && id.Kind() == testkit.KindHybrid {
		signature[64] ^= 1
	}
	d.Set("SS", testkit.TranscriptMessage(0x42, signature))
	return slices.Concat(d.Value("SI"), d.Value("SS"), testkit.TranscriptMessage(0x43, d.Value("sf_mac")))
}

// finish reads ClientFinish and sends HandshakeDone.
func (s *session) finish() bool {
	s.in = s.keys("c_hs")
	f, ok := s.read(8208)
	if !ok || !s.passes(f) || f.Type() != handshake || f.Flags()&^(testkit.FlagValue("ENCRYPTED")|testkit.FlagValue("PRIORITY")) != 0 {
		return false
	}
	opened, err := f.Open(s.in)
	p, _ := testkit.DecodePlaintext(handshake, 0, opened)
	if err != nil || p.Envelope.Uint("hs_type") != 5 || p.Envelope.Uint("handshake_id") != s.hs {
		return false
	}
	if !s.flaws["MAC"] && !bytes.Equal(p.Body, s.schedule.Value("cf_mac")) {
		return false
	}
	path := testkit.Derive("path", testkit.Values{"root": s.schedule.Value("root_0"), "binder": s.schedule.Value("binder_0")})
	s.in, s.out = testkit.DeriveKeys(path.Value("ts_client")).For(s.suite), testkit.DeriveKeys(path.Value("ts_server")).For(s.suite)
	s.sequence = 0
	reliable := testkit.FlagValue("REQUIRES_ACK")
	done := testkit.Compose("handshake_done").SetUint("server_time", now()).Encode()
	return s.send(handshakeAck, reliable, s.plain(handshakeAck, reliable, 6, done))
}

// plain is the plaintext of a handshake message.
func (s *session) plain(messageType uint8, flags uint16, hsType uint64, body []byte) *testkit.Plaintext {
	p := testkit.NewPlaintext(messageType, flags, body)
	p.Envelope.SetUint("hs_type", hsType).SetUint("handshake_id", s.hs)
	return p
}

func (s *session) seal(messageType uint8, flags uint16, p *testkit.Plaintext) []byte {
	if flags&testkit.FlagValue("REQUIRES_ACK") != 0 {
		s.mid++
		p.Prologue.SetUint("mid", s.mid)
	}
	f := testkit.NewFrame(messageType, flags)
	f.Header.SetUint("session_id", s.id).SetUint("timestamp", now())
	raw := f.Seal(s.out, s.sequence, p.Encode()).Encode()
	s.sequence++
	return raw
}

func (s *session) send(messageType uint8, flags uint16, p *testkit.Plaintext) bool {
	_, err := s.nc.Write(s.seal(messageType, flags, p))
	return err == nil
}

// act answers what a frame says, and reports whether the session goes on.
func (s *session) act(f *testkit.Frame, plain []byte) bool {
	p, _ := testkit.DecodePlaintext(f.Type(), f.Flags(), plain)
	reliable := f.Flags()&testkit.FlagValue("REQUIRES_ACK") != 0
	switch {
	case f.Type() == heartbeat && (len(p.Body) == 0 || len(p.Body) > 64):
		return s.end(0x15)
	case f.Type() == heartbeat && p.Body[0] == 0:
		return s.send(heartbeat, 0, testkit.NewPlaintext(heartbeat, 0, append([]byte{1}, p.Body[1:]...)))
	case f.Type() == disconnect:
		return false
	case f.Type() > ack && f.Type() < 0x80 && reliable:
		flags := testkit.FlagValue("REQUIRES_ACK") | testkit.FlagValue("REPLY")
		body := testkit.Compose("error").SetUint("code", 9).SetUint("ref_seq", 1<<64-1).Encode()
		reply := testkit.NewPlaintext(failure, flags, body)
		reply.Prologue.SetUint("reply_to", p.Prologue.Uint("mid"))
		return s.send(failure, flags, reply)
	case f.Type() > ack && f.Type() < 0x80:
		body := testkit.Compose("error").SetUint("code", 9).SetUint("ref_seq", s.expected-1).Encode()
		return s.send(failure, 0, testkit.NewPlaintext(failure, 0, body))
	case f.Type() >= 0x80 && reliable:
		return s.send(ack, 0, testkit.NewPlaintext(ack, 0, testkit.Compose("ack").SetUint("largest", s.expected-1).Encode()))
	}
	return true
}

// end ends the session by a sealed Error.
func (s *session) end(code uint64) bool { return s.last(code, 2, s.expected-1) }

// last sends a sealed Error as the last frame.
func (s *session) last(code, scope, sequence uint64) bool {
	body := testkit.Compose("error").SetUint("code", code).SetUint("scope", scope).SetUint("ref_seq", sequence).Encode()
	s.send(failure, 0, testkit.NewPlaintext(failure, 0, body))
	s.linger()
	return false
}

func now() uint64 { return uint64(time.Now().UnixMicro()) }
