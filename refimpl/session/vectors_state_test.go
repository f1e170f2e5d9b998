package session

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/wire"
	"github.com/bpci/xtmp/vectors"
)

// newSubject returns a session in the state that a vector names.
func newSubject(t *testing.T, v vectors.Vector) *subject {
	u := &subject{
		t: t, v: v, now: Now{Elapsed: time.Hour, Wall: number(v, "clock")},
		keys: map[string]security.Secret{keyNow: {1}, keyNext: {3}},
	}
	u.app.react = react
	cfg := Config{
		Entropy: deterministic(9), Trace: u.traced, Compression: number(v, "inflates") != 0,
		KeyLog: func(label string, _ uint64, secret []byte) { u.keys[label] = security.Secret(secret) },
	}
	if v.Needs == "probe" {
		cfg.Application = &u.app
	}
	role := Client
	if v.Receiver == "server" {
		role = Server
		u.serverConfig(&cfg)
	} else {
		u.clientConfig(&cfg)
	}
	cfg, err := cfg.Validate(role)
	if err != nil {
		t.Fatal(err)
	}
	if role == Server {
		u.s = NewServer(&cfg, u.now, netip.MustParseAddr("127.0.0.1"))
	} else {
		u.s = NewClient(&cfg)
		u.s.openPath(u.now, 0)
	}
	u.s.wallZero = u.now.Wall - micros(u.now.Elapsed)
	u.enter()
	return u
}

// react echoes every request but a delay, and executes no one-way message but a sink.
func react(now Now, s *Session, m Message) bool {
	sink, waits := probed(m.Body)
	if m.Call.Mid == 0 {
		return sink
	}
	return waits || echo(now, s, m)
}

// probed reports whether a body is a well-formed sink, or a legal delay of some time.
func probed(body []byte) (sink, waits bool) {
	var m wire.Probe
	if m.Parse(body) != nil {
		return false, false
	}
	return m.Op == wire.ProbeSink, m.Op == wire.ProbeDelay && m.Arg > 0 && m.Arg <= 60_000
}

// number returns a given number of any size, 0 if it is not there.
func number(v vectors.Vector, name string) (n uint64) {
	for _, b := range v.GivenValue(name) {
		n = n<<8 | uint64(b)
	}
	return n
}

// serverConfig gives a server the identities and suites of the vector.
func (u *subject) serverConfig(cfg *Config) {
	v := u.v
	seed := v.GivenValue("identity_seed")
	if seed == nil {
		seed = bytes.Repeat([]byte{1}, 32)
	}
	first, err := security.NewIdentity(seed)
	if err != nil {
		u.t.Fatal(err)
	}
	ids := []*security.Identity{first}
	if seed = v.GivenValue("second_identity_seed"); seed != nil {
		second, err := security.NewIdentity(seed)
		if mldsa := v.GivenValue("second_mldsa_seed"); mldsa != nil {
			second, err = security.NewHybridIdentity(seed, mldsa)
		}
		if err != nil {
			u.t.Fatal(err)
		}
		ids = append(ids, second)
	}
	cfg.Suites = []wire.Suite{wire.SuiteAES256GCM}
	if v.Needs == "suites" {
		cfg.Suites = append(cfg.Suites, wire.SuiteChaCha20)
		if ids[len(ids)-1].Serves(wire.SuitePostQuantum) {
			cfg.Suites = append(cfg.Suites, wire.SuitePostQuantum)
		}
	}
	cfg.Server = ServerConfig{
		Identities: ids, Encapsulate: encapsulator(u.t, 1), NewSessionID: func() uint64 { return 42 }, Admission: &openAdmission{},
	}
}

// clientConfig gives a client its pin, and what its ClientHello has announced.
func (u *subject) clientConfig(cfg *Config) {
	v := u.v
	if pin := v.GivenValue("pin"); pin != nil {
		p := security.Pin{Kind: 1, Fingerprint: security.Fingerprint(pin), Key: v.GivenValue("pinned_key")}
		if v.GivenValue("pin_kind") != nil {
			p.Kind = uint8(number(v, "pin_kind"))
		}
		cfg.Client.Pins = []security.Pin{p}
	}
	if v.GivenValue("client_x25519") == nil {
		return
	}
	_, hello, _ := u.clientHello()
	for _, suite := range hello.Suites {
		if suite != wire.SuiteUnused {
			cfg.Suites = append(cfg.Suites, suite)
		}
	}
}

// clientHello reads the vector's ClientHello.
func (u *subject) clientHello() (env wire.Envelope, hello wire.ClientHello, body []byte) {
	u.t.Helper()
	body, err := wire.ParseStreamEnvelope(u.v.Steps[0].Frame[wire.Overhead:], &env)
	if err == nil {
		err = hello.Parse(body)
	}
	if err != nil {
		u.t.Fatal(err)
	}
	return env, hello, body
}

// enter brings the session into the state of the vector.
func (u *subject) enter() {
	s, v := u.s, u.v
	s.id = number(v, "session_id")
	s.suite = wire.SuiteAES256GCM
	if v.GivenValue("suite") != nil {
		s.suite = wire.Suite(number(v, "suite"))
	}
	s.idleTimeout, s.endsAt = DefaultConnectionTimeout, u.now.Elapsed+DefaultKeyRotationInterval
	s.rotation = rotation{due: u.now.Elapsed + DefaultKeyRotationInterval}
	if v.Receiver == "server" {
		s.rotation.due = never
	}
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
		s.paths[0].keys = u.pathKeys(0, keyNow, security.Secret{2})
	case "hello", "flight":
		s.id = 0
		s.state = Hello
		s.handshake = u.clientHandshake()
	case "finished", "established":
		u.establish()
	default:
		u.t.Fatalf("no state %q", v.State)
	}
}

// pathKeys are keys of an epoch: to receive those of the vector, to send a key
// that only this test knows.
func (u *subject) pathKeys(epoch uint32, send string, recv security.Secret) pathKeys {
	own := u.keys[send]
	return pathKeys{epoch: epoch, send: security.NewSealer(u.s.suite, &own), recv: security.NewOpener(u.s.suite, &recv)}
}

// share draws a client's key share from private keys of the vector.
func (u *subject) share(x25519, mlkem string) *security.ClientShare {
	u.t.Helper()
	share, err := security.NewClientShare(bytes.NewReader(append(bytes.Clone(u.v.GivenValue(x25519)), u.v.GivenValue(mlkem)...)))
	if err != nil {
		u.t.Fatal(err)
	}
	return share
}

// clientHandshake is what a client knows that has sent the vector's ClientHello.
func (u *subject) clientHandshake() *handshake {
	k := &handshake{transcript: security.NewTranscript()}
	if u.v.GivenValue("client_x25519") == nil { // it will not come to a key exchange
		return k
	}
	env, hello, body := u.clientHello()
	k.id, k.share = env.HandshakeID, u.share("client_x25519", "client_mlkem_seed")
	k.wantKey = hello.Flags&wire.HelloWantKey != 0
	k.transcript.Add(byte(wire.HSClientHello), body)
	return k
}

// establish gives the session the receive key, the counters and the clock of the
// vector.
func (u *subject) establish() {
	s, p, v := u.s, u.s.paths[0], u.v
	s.state = Established
	s.epoch = uint32(number(v, "epoch"))
	p.keys = u.pathKeys(s.epoch, keyNow, security.Secret(v.GivenValue("ts")))
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
	if v.GivenValue("last_sent") != nil && v.Kind != vectors.KindDatagram {
		for p.keys.send.Next() <= number(v, "last_sent") {
			s.seal(u.now, p, nil, wire.TypeHeartbeat, 0, nil, []byte{1})
		}
	}
	if v.Receiver == "client" {
		s.calls.limit = defaultInflight
	}
	u.incomplete()
	u.request()
	u.rekey()
	if v.Kind == vectors.KindDatagram {
		u.onDatagrams()
	}
}

// incomplete gives the session incomplete messages, whose mids and frag_ids are
// those of no frame of the vector.
func (u *subject) incomplete() {
	for i := range number(u.v, "incomplete") {
		u.s.partials = append(u.s.partials, &partial{
			typ: wire.TypeProbe, flags: wire.FlagEncrypted | wire.FlagRequiresAck | wire.FlagFragment,
			mid: 1000 + i, fragID: uint32(1000 + i), count: 2, size: fragmentLeast, next: 1, joined: make([]byte, fragmentLeast),
			arrived: u.now.Elapsed, on: 1,
		})
	}
}

// request makes a client have sent the one request of the vector, which is one
// of its application or RekeyInit.
func (u *subject) request() {
	s, mid := u.s, number(u.v, "sent_mid")
	if mid == 0 {
		return
	}
	s.out.done, s.out.last = mid-1, mid-1
	s.out.next(&s.ring)
	if t := wire.MessageType(number(u.v, "sent_type")); t != wire.TypeHandshake {
		s.calls.unanswered = map[uint64]pending{mid: {typ: t}}
		s.calls.since = u.now.Elapsed
		return
	}
	s.calls.rekeys = []uint64{mid}
}

// rekey brings a session into the middle of a rekey, or shortly behind one.
func (u *subject) rekey() {
	s, p, v := u.s, u.s.paths[0], u.v
	if root := v.GivenValue("root"); root != nil {
		s.root = security.Secret(root)
	}
	if v.GivenValue("rekey_age") != nil { // it still holds the root before
		s.rotation.rekeyed, s.rotation.last = true, u.now.Elapsed-time.Duration(number(v, "rekey_age"))*time.Microsecond
		s.rekey = &rekey{
			epoch: s.epoch, root: s.root, derived: true, confirmed: true, switched: true,
			since: u.now.Elapsed, retireAt: u.now.Elapsed + retireDelay,
		}
		s.root = security.Secret{0xee}
	}
	epoch := uint32(number(v, "rekey_epoch"))
	if epoch == 0 {
		return
	}
	s.rekey = &rekey{epoch: epoch, began: u.now.Elapsed, derived: true}
	s.rotation.rekeyed, s.rotation.last = true, u.now.Elapsed-time.Minute
	if v.Receiver == "client" {
		share := u.share("rekey_client_x25519", "rekey_client_mlkem_seed")
		init := wire.Rekey{Epoch: epoch, Share: share.Public()}
		*s.rekey = rekey{
			epoch: epoch, began: u.now.Elapsed, share: share, id: binary.BigEndian.Uint64(v.GivenValue("rekey_handshake_id")),
			init: init.Append(nil), mid: number(v, "sent_mid"),
		}
		return
	}
	next := security.Secret{4}
	if ts := v.GivenValue("next_ts"); ts != nil {
		next = security.Secret(ts)
	}
	pending := u.pathKeys(epoch, keyNext, next)
	p.pending = &pending
}
