package session

import (
	"bytes"
	"fmt"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/wire"
)

// said is a frame that a session under a vector has sent, in the words of the
// vectors: "Ack", "reply Probe", "Error MALFORMED".
type said struct {
	name  string
	key   string     // name of the key that sealed it; "" for a clear one
	scope wire.Scope // of an Error
	body  []byte     // behind prologue and envelope
}

func (f said) String() string { return f.name }

// Names of the keys under which a session in the middle of its life seals.
const (
	keyNow  = "current epoch"
	keyNext = "next epoch"
)

// keyOf is the name of the key that a frame has to be sealed with.
func (u *subject) keyOf(f said) string {
	switch f.name {
	case "ServerFlight":
		return "SERVER_HANDSHAKE_TRAFFIC_SECRET"
	case "ClientFinish":
		return "CLIENT_HANDSHAKE_TRAFFIC_SECRET"
	}
	switch {
	case f.key == "":
		return ""
	case u.v.Effect == "PING": // RekeyResp was processed, so the Ack of it too
		return "CLIENT_PATH_SECRET_0_1"
	case u.v.GivenValue("next_ts") != nil && u.s.epoch == 1:
		return keyNext
	default:
		return keyNow
	}
}

// last is the header of the frame that is judged, as far as it goes.
func (u *subject) last() (h wire.Header) {
	h.Decode(append(bytes.Clone(u.v.Last().Frame), make([]byte, wire.Overhead)...))
	return h
}

// read names the frames that a session has written.
func (u *subject) read(out []byte) (all []said) {
	u.t.Helper()
	for len(out) > 0 {
		var h wire.Header
		if err := wire.ParseHeader(out, &h); err != nil {
			u.t.Fatal(err)
		}
		n := wire.Overhead + int(h.PayloadLength)
		f := bytes.Clone(out[:n])
		out = out[n:]
		if !wire.VerifyChecksum(f, h.Checksum) {
			u.t.Fatal("a frame with a wrong checksum")
		}
		all = append(all, u.open(f, &h))
	}
	return all
}

// open opens one frame.
func (u *subject) open(f []byte, h *wire.Header) said {
	u.t.Helper()
	if h.Clear() {
		return u.named(h, &wire.Prologue{}, f[wire.Overhead:], "")
	}
	for key, ts := range u.keys {
		opener := security.NewOpener(u.s.suite, &ts)
		if opener.KeyID() != h.KeyID {
			continue
		}
		plaintext, err := opener.Open(f, h.Sequence)
		if err != nil {
			u.t.Fatalf("a frame under %s does not open", key)
		}
		var pro wire.Prologue
		body, err := pro.Parse(h.Flags, plaintext)
		if err != nil {
			u.t.Fatal(err)
		}
		if u.judging && h.Flags.Has(wire.FlagReply) && pro.ReplyTo != u.requested() {
			u.t.Errorf("a reply to mid %d, want %d", pro.ReplyTo, u.requested())
		}
		return u.named(h, &pro, body, key)
	}
	u.t.Fatal("a frame under a key of nobody")
	return said{}
}

// requested is the mid of the frame that is judged.
func (u *subject) requested() uint64 {
	var pro wire.Prologue
	if _, err := pro.Parse(u.last().Flags, u.v.Last().Plaintext); err != nil {
		u.t.Fatal(err)
	}
	return pro.Mid
}

// handshakes are the names of handshake messages.
var handshakes = map[wire.HSType]string{
	wire.HSClientHello: "ClientHello", wire.HSServerHello: "ServerHello", wire.HSServerFlight: "ServerFlight",
	wire.HSClientFinish: "ClientFinish", wire.HSHandshakeDone: "HandshakeDone",
	wire.HSAttachAck: "AttachAck", wire.HSRekeyInit: "RekeyInit", wire.HSRekeyResp: "RekeyResp",
}

// heartbeats are the names of Heartbeats.
var heartbeats = map[wire.HeartbeatKind]string{
	wire.Ping: "PING", wire.Pong: "PONG", wire.PathChallenge: "PATH_CHALLENGE", wire.PathResponse: "PATH_RESPONSE",
	wire.RekeyRequest: "REKEY_REQUEST",
}

// named gives an opened frame its name.
func (u *subject) named(h *wire.Header, pro *wire.Prologue, body []byte, key string) said {
	u.t.Helper()
	f := said{name: h.Type.String(), key: key, body: body}
	reply := h.Flags.Has(wire.FlagReply)
	var err error
	switch h.Type {
	case wire.TypeHandshake, wire.TypeHandshakeAck:
		var env wire.Envelope
		f.body, err = wire.ParseStreamEnvelope(body, &env)
		f.name = handshakes[env.HSType]
		if env.HSType == wire.HSAttachAck && f.body[0] != 0 {
			f.name += " " + wire.Code(f.body[0]).String()
		}
	case wire.TypeHeartbeat:
		var kind wire.HeartbeatKind
		kind, f.body, err = wire.ParseHeartbeat(body)
		f.name = heartbeats[kind]
	case wire.TypeAck:
		if u.s.paths[0].kind == UDP {
			break
		}
		var largest uint64
		if largest, err = wire.ParseStreamAck(body); largest != u.s.paths[0].received-1 {
			err = fmt.Errorf("Ack of %d, want %d", largest, u.s.paths[0].received-1)
		}
	case wire.TypeError:
		var e wire.Error
		err = e.Parse(body, !h.Clear())
		f.scope = e.Scope
		switch {
		case h.Clear():
			f.name = "refusal " + e.Code.String()
		case reply:
			f.name = "reply " + e.Code.String()
		default:
			f.name = "Error " + e.Code.String()
		}
	default:
		if reply {
			f.name = "reply " + f.name
		}
	}
	if err != nil {
		u.t.Error(err)
	}
	return f
}
