package endpoint

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
	"github.com/bpci/xtmp/vectors"
)

// TestFirstContactVectors gives an endpoint the datagrams of a first contact, with
// the keys of its tokens as each vector says.
func TestFirstContactVectors(t *testing.T) {
	judged := 0
	for _, v := range vectors.All() {
		if v.Kind == vectors.KindDatagram && v.Receiver == "server" && v.State == "first" {
			judged++
			t.Run(v.ID, func(t *testing.T) { judgeContact(t, v) })
		}
	}
	if judged < 29 {
		t.Errorf("%d vectors were judged", judged)
	}
}

func judgeContact(t *testing.T, v vectors.Vector) {
	s := newSea(t, Limits{})
	s.now.Wall = binary.BigEndian.Uint64(v.GivenValue("clock"))
	keys := io.MultiReader(
		bytes.NewReader(v.GivenValue("cookie_key")), bytes.NewReader(v.GivenValue("address_token_key")), rand.NewChaCha8([32]byte{5}))
	tokens := security.NewTokens(keys, s.now.Elapsed, s.now.Wall)
	if gen := v.GivenValue("token_gen"); gen[0] != tokens.Cookie(s.now.Elapsed, berth, 0)[0] {
		t.Fatalf("generation %d is not the first", gen[0])
	}
	cfg := Config{Session: s.server.cfg, ShardBits: 2, Shard: 2, Tokens: tokens}
	server, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.server = server
	address := v.GivenValue("client_address")
	ip, _ := netip.AddrFromSlice(address[:16])
	from := netip.AddrPortFrom(ip.Unmap(), binary.BigEndian.Uint16(address[16:]))
	last := len(v.Steps) - 1
	for _, step := range v.Steps[:last] {
		if got := s.say(from, step.Frame); len(got) != 0 {
			t.Fatalf("%d answers before the last datagram", len(got))
		}
	}
	kept, held := len(server.udp.contacts), s.limiter.memory
	answers := s.say(from, v.Last().Frame)
	switch {
	case v.Expect.Result == vectors.Invalid:
		if len(answers) != 0 || len(server.udp.contacts) != kept || s.limiter.memory != held {
			t.Errorf("%d answers, %d handshakes, %d bytes; want it dropped", len(answers), len(server.udp.contacts), s.limiter.memory)
		}
	case v.Effect == "nothing":
		if len(answers) != 0 || len(server.udp.contacts) != 1 || s.limiter.halfOpen != 1 {
			t.Errorf("%d answers, %d handshakes", len(answers), len(server.udp.contacts))
		}
	case v.Effect == "Retry":
		if len(answers) != 1 || typeOf(answers[0]) != wire.HSRetry || len(server.udp.contacts) != kept {
			t.Errorf("%d answers, %d handshakes", len(answers), len(server.udp.contacts))
		}
	case v.Effect == "ServerHello":
		if len(answers) < 3 || typeOf(answers[0]) != wire.HSServerHello || server.Find(sessionOf(answers[0])).State() != session.Half {
			t.Errorf("%d answers", len(answers))
		}
	default:
		t.Errorf("effect %q is not known", v.Effect)
	}
}

// typeOf returns the hs_type of a clear frame.
func typeOf(b []byte) wire.HSType { return wire.HSType(b[wire.Overhead]) }
