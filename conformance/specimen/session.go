package specimen

import (
	"bytes"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/bpci/xtmp/vectors/testkit"
)

// A session is one session, from ClientHello on.
type session struct {
	server      *Server
	refusal     uint64 // code of the clear Error that it gets in place of a session
	id, hs      uint64
	schedule    *testkit.Derivation
	serverHello []byte
	flight      []byte
	clientTime  uint64
	clientAt    time.Time
	established bool

	roots    [][]byte      // by epoch
	attempts map[int]int64 // by epoch: attach counters used, plus 1
	p0       *path
	paths    []*path
	current  *path

	mid, fragID uint64
	complete    map[uint64]bool     // mids of the client
	incoming    map[uint64]*partial // messages of which fragments are missing
	replies     map[uint64]*message // by the mid of the request
	pushes      map[uint64]uint64
	answered    *answered
	ended       bool
}

// A partial is a message of which some fragments have come.
type partial struct {
	bodies map[uint64][]byte
	count  uint64
	last   time.Time
}

// A message is one of ours. Pieces that are acknowledged are nil.
type message struct {
	messageType uint8
	flags       uint16
	mid         uint64
	replyTo     uint64
	sub, n      uint64
	envelope    uint64 // hs_type, 0 for none
	hs          uint64
	body        []byte
	acked       bool
	at          time.Time // not before
}

func (s *session) erase() {
	s.ended = true
	delete(s.server.sessions, s.id)
	for _, p := range s.paths {
		if p.conn != nil {
			_ = p.conn.Close()
		}
	}
}

// hello returns the draft of ServerHello.
func (s *session) helloDraft() *testkit.Draft {
	d := testkit.NewDraft(typeHandshakeAck, 0, now())
	d.Frame.Header.SetUint("session_id", s.id)
	d.Plaintext.Envelope.SetUint("hs_type", hsServerHello).SetUint("handshake_id", s.hs)
	d.Plaintext.Body = s.serverHello
	return d
}

func (s *session) flightDraft() *testkit.Draft {
	d := testkit.NewDraft(typeHandshakeAck, 0, now())
	d.Frame.Header.SetUint("session_id", s.id)
	d.Plaintext.Envelope.SetUint("hs_type", hsServerFlight).SetUint("handshake_id", s.hs)
	d.Plaintext.Body = s.flight
	keys := testkit.DeriveKeys(s.schedule.Value("s_hs"))
	d.Keys = &keys
	return d
}

// flightUDP is ServerHello and ServerFlight in datagrams.
func (s *session) flightUDP() (datagrams [][]byte) {
	for _, d := range append(testkit.Fragments(s.helloDraft(), nil), testkit.Fragments(s.flightDraft(), nil)...) {
		datagrams = append(datagrams, d.Encode())
	}
	return datagrams
}

// sealed finds the key slot of a frame: checks 6 … 12.
func (s *session) sealed(f *testkit.Frame, raw []byte, from netip.AddrPort) {
	id := f.Header.Bytes("key_id")
	if keys := testkit.DeriveKeys(s.schedule.Value("c_hs")); bytes.Equal(keys.KeyID, id) {
		s.finish(f, raw, keys, from)
		return
	}
	for epoch := range s.roots {
		if keys := s.attachKeys(epoch, "ts_client"); bytes.Equal(keys.KeyID, id) {
			s.attachUDP(f, raw, keys, epoch, from)
			return
		}
	}
	if !s.established {
		return
	}
	for _, p := range s.paths {
		for epoch, keys := range p.in {
			if keys.Key != nil && bytes.Equal(keys.KeyID, id) && p.conn == nil {
				p.receive(f, raw, keys, epoch, from)
				return
			}
		}
	}
}

// finish judges ClientFinish on UDP.
func (s *session) finish(f *testkit.Frame, raw []byte, keys testkit.Keys, from netip.AddrPort) {
	home := s.p0 != nil && (from == s.p0.addr || s.server.flaw("finish from anywhere"))
	if s.established || !home || !sum(f, raw) || f.Type() != typeHandshake || f.Flags() != testkit.FlagValue("ENCRYPTED") {
		return
	}
	opened, err := f.Open(keys)
	p, short := testkit.DecodePlaintext(typeHandshake, 0, opened)
	if err != nil || short || f.Sequence() != 0 || p.Envelope.Uint("hs_type") != hsClientFinish || badEnvelope(p) {
		return
	}
	if p.Envelope.Uint("handshake_id") != s.hs || !bytes.Equal(p.Body, s.schedule.Value("cf_mac")) && !s.server.flaw("MAC") {
		return
	}
	s.establish()
}

// establish opens p0 and sends HandshakeDone.
func (s *session) establish() {
	s.established, s.current = true, s.p0
	client := s.p0.addr.Addr()
	if s.p0.conn != nil {
		client = s.p0.conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap() // it listens on TCP
	}
	m := testkit.Compose("token").SetUint("kind", testkit.TokenAddress).SetUint("expiry", expiry(time.Hour)).Set("salt", draw(8))
	token := testkit.SealToken(s.server.tokenKey, m, client, nil)
	if s.server.flaw("no token") {
		token = make([]byte, 48)
	}
	body := testkit.Compose("handshake_done").Set("address_token", token).SetUint("server_time", now()).Encode()
	s.p0.queue(&message{messageType: typeHandshakeAck, flags: reliable(), envelope: hsHandshakeDone, hs: s.hs, body: body})
}

func reliable() uint16 { return testkit.FlagValue("REQUIRES_ACK") }

func (s *session) attachKeys(epoch int, secret string) testkit.Keys {
	return testkit.DeriveKeys(testkit.Derive("attach", testkit.Values{"root": s.roots[epoch]}).Value(secret))
}

// newPath makes a path; its keys follow from the binder of the handshake.
func (s *session) newPath(conn net.Conn, addr netip.AddrPort) *path {
	p := &path{
		session: s, conn: conn, addr: addr, binder: s.schedule.Value("binder_0"),
		seen: map[uint64]bool{}, unkept: map[uint64]bool{}, carried: map[uint64]*piece{}, highest: -1, window: 12000,
	}
	s.paths = append(s.paths, p)
	p.derive()
	return p
}

// request acts on a whole message of the client.
func (s *session) request(p *path, messageType uint8, mid uint64, body []byte) {
	if mid != 0 && messageType >= 0x80 || messageType == typeHeartbeat {
		return
	}
	reply := &message{messageType: messageType, flags: reliable() | testkit.FlagValue("REPLY"), replyTo: mid}
	switch {
	case messageType == typeHandshake:
		s.rekey(p, reply, body)
		return
	case mid == 0:
		return
	case messageType != typeProbe:
		reply.fail(9)
	default:
		s.probe(p, reply, body)
	}
	if reply.at.IsZero() {
		s.replies[mid] = reply
		p.queue(reply)
		return
	}
	p.delayed = append(p.delayed, reply)
}

func (m *message) fail(code uint64) {
	m.messageType = typeError
	m.body = testkit.Compose("error").SetUint("code", code).SetUint("ref_seq", noSequence).Encode()
}

// probe is chapter 18, as far as the cases go.
func (s *session) probe(p *path, reply *message, body []byte) {
	m, _ := testkit.Decode("probe", 0, body)
	answer := testkit.Compose("probe").SetUint("op", m.Uint("op"))
	switch m.Uint("op") {
	case 0:
		answer.Set("data", m.Bytes("data"))
	case 1:
		answer.SetUint("arg", uint64(len(m.Bytes("data"))))
	case 2:
		data := make([]byte, m.Uint("arg"))
		for i := range data {
			data[i] = byte(i % 251)
		}
		answer.Set("data", data)
		if len(data)+8 > 65536 && p.conn == nil && !s.server.flaw("long replies") {
			reply.fail(0x30)
			return
		}
	case 4:
		answer.Set("data", m.Bytes("data"))
		reply.at = time.Now().Add(time.Duration(m.Uint("arg")) * time.Millisecond)
	case 5:
		s.stream(p, reply, m)
		return
	default:
		reply.fail(0x40)
		return
	}
	reply.body = answer.Encode()
}

// stream answers stream and queues its pushes behind the answer.
func (s *session) stream(p *path, reply *message, m *testkit.Message) {
	if s.pushes == nil {
		s.pushes = map[uint64]uint64{}
	}
	sub := uint64(len(s.pushes) + 1)
	s.pushes[sub] = 0
	reply.body = testkit.Compose("probe").SetUint("op", 5).SetUint("arg", m.Uint("arg")).Set("data", testkit.PutUint(sub, 4)).Encode()
	push := testkit.Compose("probe").SetUint("op", 5).Set("data", m.Bytes("data")).Encode()
	for n := range m.Uint("arg") {
		p.later = append(p.later, &message{messageType: typeProbe, flags: testkit.FlagValue("STREAMING"), sub: sub, n: n + 1, body: push})
	}
}

// violation ends the session by an Error of scope 2.
func (s *session) violation(p *path, code, sequence uint64) {
	body := testkit.Compose("error").SetUint("code", code).SetUint("scope", 2).SetUint("ref_seq", sequence).Encode()
	p.send(testkit.NewPlaintext(typeError, 0, body), typeError)
	s.erase()
}

// tick looks at the timers of every path.
func (s *session) tick(at time.Time) {
	for key, m := range s.incoming {
		if key >= 1<<32 && at.Sub(m.last) > time.Second && !s.server.flaw("keeps unreliable fragments") {
			delete(s.incoming, key)
		}
	}
	for _, p := range slices.Clone(s.paths) {
		if p.conn == nil && !s.ended {
			p.tick(at)
		}
	}
}
