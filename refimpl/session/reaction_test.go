package session

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/wire"
)

// reaction is what a peer sees after one frame.
type reaction struct {
	code   wire.Code
	scope  wire.Scope
	silent bool // the session ended without a word
	lives  bool // the session goes on
}

var (
	goesOn     = reaction{lives: true}
	closes     = reaction{silent: true}
	violation  = reaction{code: wire.ProtocolViolation, scope: wire.ScopeSession}
	tooLarge   = reaction{code: wire.PayloadTooLarge, scope: wire.ScopePath}
	unexpected = reaction{code: wire.UnexpectedMessage, scope: wire.ScopeSession}
)

// judge compares what happened to s, to whom a frame was sent, and what its
// peer learned.
func (want reaction) judge(t *testing.T, s, peer *Session) {
	t.Helper()
	if lives := s.State() == Established; lives != want.lives {
		t.Errorf("receiver is %v (%v), want living = %v", s.State(), s.Err(), want.lives)
		return
	}
	if want.lives {
		return
	}
	var e *Error
	told := errors.As(peer.Err(), &e) && e.Peer
	if told == want.silent {
		t.Errorf("peer learned %v, want silence = %v", peer.Err(), want.silent)
		return
	}
	if told && (e.Code != want.code || e.Scope != want.scope) {
		t.Errorf("peer learned %v scope %d, want %v scope %d", e.Code, e.Scope, want.code, want.scope)
	}
}

const ra, rep, stream = wire.FlagRequiresAck, wire.FlagReply, wire.FlagStreaming

// TestReactions sends one frame under a path key and looks at the outcome.
func TestReactions(t *testing.T) {
	text := func(n int) []byte {
		return append((&wire.Error{RefSequence: wire.NoSequence}).Append(nil), bytes.Repeat([]byte{'x'}, n)...)
	}
	done := (&wire.HandshakeDone{}).Append(wire.Envelope{HSType: wire.HSHandshakeDone}.AppendStream(nil, wire.HandshakeDoneSize))
	scope2 := (&wire.Error{Code: wire.Internal, Scope: wire.ScopeSession}).Append(nil)
	ack := func(largest uint64) []byte { return wire.AppendStreamAck(nil, largest) }
	envelope := func(t wire.HSType) []byte { return append(wire.Envelope{HSType: t}.AppendStream(nil, 1), 0) }
	for _, c := range []struct {
		name  string
		to    Role
		typ   wire.MessageType
		flags wire.Flags
		pro   wire.Prologue
		body  []byte
		want  reaction
	}{
		{"Heartbeat of 0 bytes", Server, 3, 0, wire.Prologue{}, nil, violation},
		{"Heartbeat of 64 bytes", Server, 3, 0, wire.Prologue{}, make([]byte, 64), goesOn},
		{"Heartbeat of 65 bytes", Server, 3, 0, wire.Prologue{}, make([]byte, 65), violation},
		{"Heartbeat of an unknown kind", Server, 3, 0, wire.Prologue{}, []byte{200}, goesOn},
		{"PONG nobody asked for", Server, 3, 0, wire.Prologue{}, []byte{1, 9}, goesOn},
		{"REKEY_REQUEST from a client", Server, 3, 0, wire.Prologue{}, []byte{4}, violation},
		{"REKEY_REQUEST from a server", Client, 3, 0, wire.Prologue{}, []byte{4}, goesOn},
		{"Disconnect of 17 bytes", Server, 4, 0, wire.Prologue{}, make([]byte, 17), violation},
		{"Ack of a frame not sent", Server, 5, 0, wire.Prologue{}, ack(1), violation},
		{"Ack of HandshakeDone", Server, 5, 0, wire.Prologue{}, ack(0), goesOn},
		{"Ack of 15 bytes", Server, 5, 0, wire.Prologue{}, ack(0)[:15], violation},
		{"Ack with first_range", Server, 5, 0, wire.Prologue{}, append(ack(0)[:12:12], 0, 1, 0, 0), violation},
		{"Ack with a range", Server, 5, 0, wire.Prologue{}, append(append(ack(0)[:14:14], 1, 0), 0, 1, 0, 1), violation},
		{"Ack with a zero byte set", Server, 5, 0, wire.Prologue{}, append(ack(0)[:15:15], 1), violation},
		{"mid 0", Server, 0x80, ra, wire.Prologue{}, nil, violation},
		{"mid 4096 is in the window", Server, 0x80, ra, wire.Prologue{Mid: 4096}, nil, goesOn},
		{"mid 4097 is beyond it", Server, 0x80, ra, wire.Prologue{Mid: 4097}, nil, violation},
		{"extension with every flag", Server, 0xef, 0x7e, wire.Prologue{Mid: 1, Index: 1}, nil, goesOn},
		{"extension from the server", Client, 0x80, ra | rep, wire.Prologue{Mid: 2, ReplyTo: 99}, []byte("x"), goesOn},
		{"request of an unknown type", Server, 0x10, ra, wire.Prologue{Mid: 1}, nil, goesOn},
		{"message without mid", Server, 0x20, 0, wire.Prologue{}, nil, goesOn},
		{"push to a server", Server, 0x40, stream, wire.Prologue{}, nil, goesOn},
		{"reply to a server", Server, 0x10, ra | rep, wire.Prologue{Mid: 1, ReplyTo: 1}, nil, violation},
		{"HandshakeAck from a client", Server, 2, ra, wire.Prologue{Mid: 1}, envelope(6), violation},
		{"Handshake from a server", Client, 1, ra, wire.Prologue{Mid: 2}, envelope(32), violation},
		{"RekeyInit too short", Server, 1, ra, wire.Prologue{Mid: 1}, envelope(32), violation},
		{"ClientFinish under a path key", Server, 1, 0, wire.Prologue{}, envelope(5), unexpected},
		{"a good envelope around nothing", Server, 1, 0, wire.Prologue{}, wire.Envelope{HSType: 5}.AppendStream(nil, 0), unexpected},
		{"bad envelope", Server, 1, 0, wire.Prologue{}, []byte{1}, violation},
		{"fragment of Handshake", Server, 1, ra | wire.FlagFragment, wire.Prologue{Mid: 1, Count: 2, Index: 1}, []byte{1}, goesOn},
		{"second HandshakeDone", Client, 2, ra, wire.Prologue{Mid: 2}, done, unexpected},
		{"HandshakeDone again, same mid", Client, 2, ra, wire.Prologue{Mid: 1}, envelope(6), goesOn},
		{"HandshakeDone too short, new mid", Client, 2, ra, wire.Prologue{Mid: 2}, envelope(6), unexpected},
		{"RekeyResp", Client, 2, ra | rep, wire.Prologue{Mid: 2, ReplyTo: 1}, envelope(33), violation},
		{"unknown type with mid from a server", Client, 0x10, ra, wire.Prologue{Mid: 2}, nil, violation},
		{"unknown type without mid from a server", Client, 0x10, 0, wire.Prologue{}, nil, goesOn},
		{"unknown push from a server", Client, 0x55, stream, wire.Prologue{}, nil, goesOn},
		{"Error of scope 0", Server, 0xfe, 0, wire.Prologue{}, text(0), goesOn},
		{"Error with 256 bytes of text", Server, 0xfe, 0, wire.Prologue{}, text(256), goesOn},
		{"Error with 257 bytes of text", Server, 0xfe, 0, wire.Prologue{}, text(257), goesOn},
		{"Error of 3 bytes", Server, 0xfe, 0, wire.Prologue{}, scope2[:3], goesOn},
		{"Error of 4 bytes, scope 2", Server, 0xfe, 0, wire.Prologue{}, scope2[:4], closes},
		{"Error of scope 1", Server, 0xfe, 0, wire.Prologue{}, (&wire.Error{Scope: 1}).Append(nil), closes},
		{"Error of scope 3", Server, 0xfe, 0, wire.Prologue{}, (&wire.Error{Scope: 3}).Append(nil), goesOn},
		{"Error as reply to a server", Server, 0xfe, ra | rep, wire.Prologue{Mid: 1, ReplyTo: 1}, text(0), closes},
		{"Error as reply beyond the window", Client, 0xfe, ra | rep, wire.Prologue{Mid: 4098, ReplyTo: 1}, text(0), closes},
		{"Error as reply nobody asked for", Client, 0xfe, ra | rep, wire.Prologue{Mid: 2, ReplyTo: 7}, text(0), closes},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPair(t, nil)
			p.connect()
			p.established()
			p.pass(ackDelay)
			if c.to == Server {
				p.fromClient(c.typ, c.flags, &c.pro, c.body)
				c.want.judge(t, p.server, p.client)
			} else {
				p.fromServer(c.typ, c.flags, &c.pro, c.body)
				c.want.judge(t, p.client, p.server)
			}
		})
	}
}

// TestErrorIsNeverAnswered puts an Error that is a reply in the place of
// HandshakeDone. [XTMP-ERR-003] [XTMP-ERR-031]
func TestErrorIsNeverAnswered(t *testing.T) {
	p := newPair(t, nil)
	p.connect()
	p.established()
	p.client.paths[0].handshaken = false
	p.fromServer(wire.TypeError, ra|rep, &wire.Prologue{Mid: 2, ReplyTo: 1}, (&wire.Error{}).Append(nil))
	closes.judge(t, p.client, p.server)
}

// TestHeaderReactions alters a good frame in its header, with a correct
// checksum, and looks at the outcome. The tag covers the header, so what gets
// past the header checks does not open.
func TestHeaderReactions(t *testing.T) {
	for _, c := range []struct {
		name  string
		alter func(f []byte)
		want  reaction
	}{
		{"nothing", func([]byte) {}, goesOn},
		{"magic", func(f []byte) { f[0] = 'Y' }, closes},
		{"version", func(f []byte) { f[4] = 2 }, closes},
		{"type 0", func(f []byte) { f[5] = 0 }, closes},
		{"type 0xf0", func(f []byte) { f[5] = 0xf0 }, closes},
		{"undefined flag", func(f []byte) { f[6] = 0x80 }, closes},
		{"ENCRYPTED clear", func(f []byte) { f[7] &^= 1 }, closes},
		{"STREAMING on Heartbeat", func(f []byte) { f[7] |= 8 }, closes},
		{"session_id", func(f []byte) { f[15] ^= 1 }, closes},
		{"sequence", func(f []byte) { f[23]++ }, closes},
		{"payload_length 65 601", func(f []byte) { f[25], f[26], f[27] = 1, 0, 0x41 }, tooLarge},
		{"Error of 65 601", func(f []byte) { f[5], f[25], f[26], f[27] = 0xfe, 1, 0, 0x41 }, closes},
		{"encryption_type 2", func(f []byte) { f[32] = 2 }, closes},
		{"encryption_type 0", func(f []byte) { f[32], f[7] = 0, f[7]&^1 }, closes},
		{"timestamp", func(f []byte) { f[33] ^= 1 }, closes},
		{"key_id", func(f []byte) { f[40] ^= 1 }, closes},
		{"nonce", func(f []byte) { f[56] ^= 1 }, closes},
		{"nonce padding", func(f []byte) { f[79] ^= 1 }, closes},
		{"tag", func(f []byte) { f[80] ^= 1 }, closes},
		{"payload", func(f []byte) { f[96] ^= 1 }, closes},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPair(t, nil)
			p.connect()
			p.established()
			p.pass(ackDelay)
			f := p.client.seal(p.now, p.client.paths[0], nil, wire.TypeHeartbeat, 0, nil, []byte{0, 1, 2})
			c.alter(f)
			clear(f[28:32])
			wire.Finish(f)
			p.toServer = append(p.toServer, f...)
			p.settle()
			c.want.judge(t, p.server, p.client)
		})
	}
	t.Run("checksum", func(t *testing.T) {
		p := newPair(t, nil)
		p.connect()
		p.pass(ackDelay)
		f := p.client.seal(p.now, p.client.paths[0], nil, wire.TypeHeartbeat, 0, nil, []byte{0})
		f[28] ^= 1
		p.toServer = append(p.toServer, f...)
		p.settle()
		closes.judge(t, p.server, p.client)
	})
}

// TestStampWindow sends frames whose stamps stand at the edges of the window.
func TestStampWindow(t *testing.T) {
	for _, c := range []struct {
		d    int64 // µs against the anchor
		want reaction
	}{
		{-stampEarly, goesOn}, {-stampEarly - 1, closes}, {stampLate, goesOn}, {stampLate + 1, closes},
	} {
		p := newPair(t, nil)
		p.connect()
		p.pass(ackDelay)
		p.client.wallZero = uint64(int64(p.client.wallZero) + c.d)
		p.fromClient(wire.TypeHeartbeat, 0, nil, []byte{0})
		c.want.judge(t, p.server, p.client)
	}
}

// TestUnsupportedType looks at the reply to a request nobody implements.
func TestUnsupportedType(t *testing.T) {
	p := newPair(t, nil)
	p.connect()
	p.pass(ackDelay)
	before := p.server.out.last
	for mid := uint64(1); mid <= 3; mid++ {
		p.fromClientOnly(wire.TypeWalletAuth, ra, &wire.Prologue{Mid: mid}, []byte("{}"))
	}
	p.fromClientOnly(wire.TypeWalletAuth, ra, &wire.Prologue{Mid: 2}, []byte("{}")) // repeated
	out := p.server.AppendOutput(p.now, 0, nil)
	if p.server.requestBytes != 0 {
		t.Errorf("%d bytes of requests count as unanswered after their replies", p.server.requestBytes)
	}
	if got := p.server.out.last - before; got != 3 {
		t.Fatalf("%d replies to three requests and a repetition", got)
	}
	if n := strings.Count(string(out), "XTMP"); n != 3 {
		t.Errorf("%d frames, want three replies and no Ack yet", n)
	}
	// The repetition is acknowledged by T_ACK, though nothing else is.
	p.now.Elapsed += ackDelay
	p.server.Advance(p.now)
	if out = p.server.AppendOutput(p.now, 0, nil); len(out) != wire.Overhead+wire.AckSize {
		t.Errorf("%d bytes after T_ACK, want one Ack", len(out))
	}
}

// fromClientOnly hands a frame to the server and lets nobody answer.
func (p *pair) fromClientOnly(t wire.MessageType, f wire.Flags, pro *wire.Prologue, body []byte) {
	p.t.Helper()
	p.server.Receive(p.now, 0, p.client.seal(p.now, p.client.paths[0], nil, t, f, pro, body))
}

// TestUnacknowledgedReplies floods a server with requests and acknowledges
// none: the mid window fills, a queue of max_inflight replies follows, as many are
// told RATE_LIMITED, then the session ends.
func TestUnacknowledgedReplies(t *testing.T) {
	p := newPair(t, func(p *pair) { p.serverCfg.Server.MaxInflight = 10 })
	p.connect()
	p.pass(ackDelay)
	answered := 0
	for mid := uint64(1); p.server.State() == Established; mid++ {
		if mid > midWindow+100 {
			t.Fatal("the queue has no bound")
		}
		p.fromClientOnly(wire.TypeWalletAuth, ra, &wire.Prologue{Mid: mid}, nil)
		if out := p.server.AppendOutput(p.now, 0, nil); len(out) > 0 && p.server.State() == Established {
			answered++
		}
	}
	var e *Error
	if !errors.As(p.server.Err(), &e) || e.Code != wire.ProtocolViolation {
		t.Errorf("server ends with %v", p.server.Err())
	}
	if answered != midWindow {
		t.Errorf("%d mids were sealed unacknowledged, want %d", answered, midWindow)
	}
}

// TestBodiesInFlight sends large requests to a server whose replies cannot be
// sealed: bytes count like requests do.
func TestBodiesInFlight(t *testing.T) {
	p := newPair(t, func(p *pair) { p.serverCfg.Server.MaxInflight = 4096 })
	p.connect()
	p.pass(ackDelay)
	mid := uint64(0)
	request := func(body []byte) {
		mid++
		p.fromClientOnly(wire.TypeWalletAuth, ra, &wire.Prologue{Mid: mid}, body)
	}
	for range midWindow { // the replies to these use up the mids
		request(nil)
		p.server.AppendOutput(p.now, 0, nil)
	}
	const size = 32 << 10
	for range inflightBytes / size {
		request(make([]byte, size))
	}
	if last := p.server.paths[0].lane.ordinary.tail; !isError(t, last, wire.UnsupportedType) {
		t.Error("a request within the limit is not answered as such")
	}
	request([]byte{0})
	if last := p.server.paths[0].lane.ordinary.tail; !isError(t, last, wire.RateLimited) {
		t.Error("a request beyond 32 MiB of bodies is not RATE_LIMITED") // [XTMP-MSG-024]
	}
	for p.server.State() == Established && mid < midWindow+3*inflightBytes/size {
		request(make([]byte, size))
	}
	var e *Error
	if !errors.As(p.server.Err(), &e) || e.Code != wire.ProtocolViolation { // [XTMP-MSG-025]
		t.Errorf("server ends with %v", p.server.Err())
	}
}

// isError reports whether m is an Error with this code.
func isError(t *testing.T, m *message, code wire.Code) bool {
	t.Helper()
	var e wire.Error
	if err := e.Parse(m.body, true); err != nil {
		t.Fatal(err)
	}
	return e.Code == code
}

// TestOneAnswerPending lets PINGs pile up while nothing is written.
func TestOneAnswerPending(t *testing.T) {
	p := newPair(t, nil)
	p.connect()
	p.pass(ackDelay)
	for i := range byte(100) {
		p.fromClientOnly(wire.TypeHeartbeat, 0, nil, []byte{0, i})
		p.fromClientOnly(wire.TypeHeartbeat, 0, nil, []byte{2, i})
	}
	out := p.server.AppendOutput(p.now, 0, nil)
	if len(out) != 2*(wire.Overhead+2) {
		t.Fatalf("%d bytes of answers to a hundred PINGs and challenges, want one each", len(out))
	}
}

// TestUnsolicitedUnsupported answers at most once a second.
func TestUnsolicitedUnsupported(t *testing.T) {
	p := newPair(t, nil)
	p.connect()
	p.pass(ackDelay)
	frames := func() int {
		p.fromClientOnly(wire.TypeProbe, 0, nil, nil)
		return len(p.server.AppendOutput(p.now, 0, nil))
	}
	if frames() == 0 || frames() != 0 {
		t.Error("the first is answered, the second within a second is not")
	}
	p.now.Elapsed += time.Second
	if frames() == 0 {
		t.Error("a second later it is answered again")
	}
	for range 3 { // the transport takes nothing meanwhile
		p.now.Elapsed += time.Second
		p.fromClientOnly(wire.TypeProbe, 0, nil, nil)
	}
	if n := strings.Count(string(p.server.AppendOutput(p.now, 0, nil)), "XTMP"); n != 1 {
		t.Errorf("%d answers wait for the transport, want one", n)
	}
}

// TestAckBatch acknowledges at the end of the read batch that brings the 32nd.
func TestAckBatch(t *testing.T) {
	p := newPair(t, nil)
	p.connect()
	p.pass(ackDelay)
	var batch []byte
	for mid := uint64(1); mid <= 40; mid++ {
		batch = p.client.seal(p.now, p.client.paths[0], batch, 0x90, ra, &wire.Prologue{Mid: mid}, nil)
	}
	one := len(batch) / 40
	p.server.Receive(p.now, 0, batch[:31*one])
	if p.server.HasOutput(0) {
		t.Error("an Ack after 31 frames")
	}
	p.server.Receive(p.now, 0, batch[31*one:])
	if out := p.server.AppendOutput(p.now, 0, nil); len(out) != wire.Overhead+wire.AckSize {
		t.Errorf("%d bytes after 40 frames, want one Ack", len(out))
	}
}

// TestHandshakeRefusals looks at the clear Error that a first frame gets.
func TestHandshakeRefusals(t *testing.T) {
	const body = wire.Overhead + wire.EnvelopeSize
	for _, c := range []struct {
		name  string
		alter func(f []byte) []byte
		code  wire.Code // 0: silence
	}{
		{"version byte 2", func(f []byte) []byte { f[4] = 2; return f }, wire.VersionUnsupported},
		{"magic", func(f []byte) []byte { f[3] = 'Q'; return f }, 0},
		{"type Heartbeat", func(f []byte) []byte { f[5] = 3; return f }, 0},
		{"type HandshakeAck", func(f []byte) []byte { f[5] = 2; return f }, wire.Malformed},
		{"type Error", func(f []byte) []byte { f[5] = 0xfe; return f }, 0},
		{"flags", func(f []byte) []byte { f[7] = 4; return f }, 0},
		{"session_id", func(f []byte) []byte { f[15] = 1; return f }, 0},
		{"sequence", func(f []byte) []byte { f[23] = 1; return f }, 0},
		{"encryption_type", func(f []byte) []byte { f[32] = 1; return f }, 0},
		{"nonce without key_id", func(f []byte) []byte { f[60] = 1; return f }, 0},
		{"tag without key_id", func(f []byte) []byte { f[95] = 1; return f }, 0},
		{"key_id (an Attach)", func(f []byte) []byte { f[7], f[32], f[40] = 1, 1, 1; return f }, 0},
		{"payload_length 8209", func(f []byte) []byte { f[26], f[27] = 0x20, 0x11; return f }, wire.PayloadTooLarge},
		{"hs_type", func(f []byte) []byte { f[96] = 5; return f }, wire.Malformed},
		{"frag_count", func(f []byte) []byte { f[98] = 2; return f }, wire.Malformed},
		{"token_len", func(f []byte) []byte { f[99] = 48; return f }, wire.Malformed},
		{"total_len", func(f []byte) []byte { f[103]++; return f }, wire.Malformed},
		{"max_version 0", func(f []byte) []byte { f[body], f[body+1] = 0, 0; return f }, wire.VersionUnsupported},
		{"min_version 2", func(f []byte) []byte { f[body] = 2; return f }, wire.VersionUnsupported},
		{"suite 9 only", func(f []byte) []byte { f[body+2] = 9; return f }, wire.NoCommonSuite},
		{"no suite", func(f []byte) []byte { f[body+2] = 0xff; return f }, wire.NoCommonSuite},
		{"gap in suites", func(f []byte) []byte { f[body+4] = 1; return f }, wire.Malformed},
		{"X25519 of zero", func(f []byte) []byte { clear(f[body+48 : body+80]); return f }, wire.HandshakeFailed},
		{"ML-KEM key above q", func(f []byte) []byte { f[body+80], f[body+81] = 0xff, 0xff; return f }, wire.HandshakeFailed},
		{"TLV below 0x8000", func(f []byte) []byte { f[body+1298] = 0; return f }, wire.Malformed},
		{"TLV overrun", func(f []byte) []byte { f[body+1301]++; return f }, wire.Malformed},
		{"ext_len", func(f []byte) []byte { f[body+1297]++; return f }, wire.Malformed},
		{"version before suite", func(f []byte) []byte { f[body], f[body+2] = 2, 9; return f }, wire.VersionUnsupported},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPair(t, nil)
			p.open()
			f := c.alter(p.client.AppendOutput(p.now, 0, nil))
			clear(f[28:32])
			wire.Finish(f)
			p.toServer = f
			p.settle()
			if p.server.State() != Closed || p.client.State() != Closed && len(p.toClient) > 0 {
				t.Fatalf("server %v, client %v", p.server.State(), p.client.State())
			}
			var e *Error
			switch told := errors.As(p.client.Err(), &e) && e.Peer; {
			case c.code == 0 && (told || p.server.Fate(0) != Shut):
				t.Errorf("client learned %v, fate %v; want silence", p.client.Err(), p.server.Fate(0))
			case c.code != 0 && (!told || e.Code != c.code || e.Scope != wire.ScopePath || p.server.Fate(0) != Drain):
				t.Errorf("client learned %v, fate %v; want %v", p.client.Err(), p.server.Fate(0), c.code)
			}
			if p.admission.half != 0 || p.admission.settled != 0 {
				t.Errorf("admission still holds %+v", *p.admission)
			}
		})
	}
}

func TestServerBusy(t *testing.T) {
	p := newPair(t, func(p *pair) { p.admission.full = true })
	p.connect()
	var e *Error
	if !errors.As(p.client.Err(), &e) || e.Code != wire.ServerBusy {
		t.Errorf("client: %v", p.client.Err())
	}
}
