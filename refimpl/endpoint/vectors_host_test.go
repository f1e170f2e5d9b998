package endpoint

import (
	"bytes"
	"crypto/mlkem"
	"crypto/mlkem/mlkemtest"
	"encoding/binary"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/handler"
	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
	"github.com/bpci/xtmp/vectors"
)

// host is an endpoint that draws what a vector says was drawn.
type host struct {
	*Endpoint
	t      *testing.T
	v      vectors.Vector
	now    session.Now
	client netip.AddrPort
}

func newHost(t *testing.T, v vectors.Vector) *host {
	t.Helper()
	began := session.Now{Elapsed: time.Hour, Wall: binary.BigEndian.Uint64(v.GivenValue("client_time"))}
	h := &host{t: t, v: v, now: began, client: addressOf(v)}
	seed := v.GivenValue("identity_seed")
	identity, err := security.NewIdentity(seed)
	if mldsa := v.GivenValue("mldsa_seed"); mldsa != nil {
		identity, err = security.NewHybridIdentity(seed, mldsa)
	}
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Application: handler.NewRouter(true), Tokens: tokensOf(v, h.now), Session: session.Config{
		Entropy: drawn(v), Suites: []wire.Suite{wire.SuiteAES256GCM},
		Server: session.ServerConfig{
			Identities: []*security.Identity{identity}, Admission: NewLimiter(Limits{}), AttachTCP: true, AttachUDP: true,
			Encapsulate: encapsulation(t, v),
		},
	}}
	if suite := v.GivenValue("suite"); suite != nil {
		cfg.Session.Suites = []wire.Suite{wire.Suite(suite[0])}
	}
	copy(cfg.Session.Server.ResetKey[:], v.GivenValue("reset_key"))
	if h.Endpoint, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	return h
}

func addressOf(v vectors.Vector) netip.AddrPort {
	b := v.GivenValue("client_address")
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b)).Unmap(), binary.BigEndian.Uint16(b[16:]))
}

// tokensOf are tokens under the keys of a vector, with the salts of its results.
func tokensOf(v vectors.Vector, now session.Now) *security.Tokens {
	entropy := []byte{}
	for _, key := range []string{"cookie_key", "address_token_key"} {
		entropy = append(entropy, append(v.GivenValue(key), make([]byte, 32)...)[:32]...)
	}
	for _, name := range []string{"cookie", "address_token"} {
		if token := v.ResultValue(name); token != nil {
			entropy = append(entropy, token[8:16]...)
		}
	}
	return security.NewTokens(bytes.NewReader(append(entropy, make([]byte, 64)...)), now.Elapsed, now.Wall)
}

// draws is an entropy source that knows by its size what is drawn.
type draws map[int][][]byte

// Read implements io.Reader. What nobody foresaw is ff: so far away is the first
// sequence number that is left out.
func (d draws) Read(b []byte) (int, error) {
	next := d[len(b)]
	if len(next) == 0 {
		for i := range b {
			b[i] = 0xff
		}
		return len(b), nil
	}
	d[len(b)] = next[1:]
	return copy(b, next[0]), nil
}

// drawn is what a server has drawn in a session, in its order.
func drawn(v vectors.Vector) io.Reader {
	d := draws{}
	add := func(b []byte) {
		if b != nil {
			d[len(b)] = append(d[len(b)], b)
		}
	}
	add(v.GivenValue("server_random"))
	add(v.GivenValue("server_x25519"))
	add(v.GivenValue("session_id"))
	for _, step := range v.Steps {
		switch p := step.Plaintext; {
		case step.From != "server" || len(p) == 0:
		case wire.HSType(p[0]) == wire.HSAttachAck && len(p) == wire.EnvelopeSize+wire.AttachSize:
			add(p[wire.EnvelopeSize+8:][:32]) // random
		case wire.HeartbeatKind(p[0]) == wire.PathChallenge && len(p) == 17:
			add(p[1:])
		}
	}
	add(v.GivenValue("rekey_server_x25519"))
	return d
}

// encapsulation is that of the handshake, then that of the rekey.
func encapsulation(t *testing.T, v vectors.Vector) security.Encapsulator {
	name := "server_mlkem_m"
	return func(key *mlkem.EncapsulationKey768) ([]byte, []byte) {
		m := v.GivenValue(name)
		name = "rekey_server_mlkem_m"
		shared, ciphertext, err := mlkemtest.Encapsulate768(key, m)
		if err != nil {
			t.Fatal(err)
		}
		return shared, ciphertext
	}
}

// saying is a frame that an endpoint has sent.
type saying struct {
	wire.Header
	frame []byte
	to    netip.AddrPort // on UDP
}

// collect returns what the endpoint has to say now, datagram by datagram and frame by frame.
func (h *host) collect() (all []saying) {
	h.t.Helper()
	say := func(b []byte, to netip.AddrPort) {
		for len(b) > 0 {
			s := saying{to: to}
			s.Decode(b)
			n := wire.Overhead + int(s.PayloadLength)
			s.frame, b = bytes.Clone(b[:n]), b[n:]
			all = append(all, s)
		}
	}
	for b, to, ok := h.NextStray(nil); ok; b, to, ok = h.NextStray(nil) {
		say(b, to)
	}
	for id, ok := h.NextOutput(); ok; id, ok = h.NextOutput() {
		if !h.Datagrams(id) {
			b, _ := h.AppendOutput(h.now, id, nil)
			say(b, netip.AddrPort{})
			continue
		}
		for b, to, ok := h.AppendDatagram(h.now, id, nil); ok; b, to, ok = h.AppendDatagram(h.now, id, nil) {
			say(b, to)
		}
	}
	return all
}
