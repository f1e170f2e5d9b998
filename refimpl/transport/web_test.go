//go:build linux

package transport

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/gobwas/ws"

	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/refimpl/clock"
	"github.com/bpci/xtmp/refimpl/wire"
)

// socket is a client's side of a WebSocket, made by the library alone, over which
// a scripted peer can speak: what it writes is sent as one message for each frame.
type socket struct {
	net.Conn
	t       *testing.T
	in      io.Reader
	out     []byte // of an incomplete frame
	message []byte // that Read has not returned yet
	pongs   []string
	said    bool          // Close was sent
	closed  ws.StatusCode // of the server's Close; 0: it has not come
}

// open opens a WebSocket on a connection.
func (r *running) open(conn net.Conn) *socket {
	r.t.Helper()
	d := ws.Dialer{Protocols: []string{"xtmp.v1"}, NetDial: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
	_, early, hs, err := d.Dial(r.t.Context(), "ws://"+r.Addr().String()+"/xtmp")
	if err != nil || hs.Protocol != "xtmp.v1" || early != nil {
		r.t.Fatal(hs, err)
	}
	return &socket{Conn: conn, t: r.t, in: bufio.NewReader(conn)}
}

// encoded returns frames of RFC 6455 as a client sends them.
func encoded(frames ...ws.Frame) (b []byte) {
	for _, f := range frames {
		b = append(b, ws.MustCompileFrame(ws.MaskFrame(f))...)
	}
	return b
}

// say sends frames of RFC 6455.
func (s *socket) say(frames ...ws.Frame) {
	s.t.Helper()
	s.said = frames[len(frames)-1].Header.OpCode == ws.OpClose
	if _, err := s.Conn.Write(encoded(frames...)); err != nil {
		s.t.Fatal(err)
	}
}

// Write implements net.Conn.
func (s *socket) Write(b []byte) (int, error) {
	s.out = append(s.out, b...)
	var raw []byte
	for len(s.out) >= wire.Overhead {
		size := wire.Overhead + int(wire.PayloadLength(s.out))
		if len(s.out) < size {
			break
		}
		raw = append(raw, encoded(ws.NewBinaryFrame(s.out[:size]))...)
		s.out = s.out[size:]
	}
	if _, err := s.Conn.Write(raw); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Read implements net.Conn. The server's Close is the end of the stream.
func (s *socket) Read(b []byte) (int, error) {
	for len(s.message) == 0 {
		h, err := ws.ReadHeader(s.in)
		if err != nil {
			return 0, err
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(s.in, payload); err != nil {
			return 0, err
		}
		switch {
		case h.Masked || !h.Fin || h.Rsv != 0:
			s.t.Errorf("the server sends %+v", h)
		case h.OpCode == ws.OpBinary:
			if len(payload) < wire.Overhead || len(payload) != wire.Overhead+int(wire.PayloadLength(payload)) {
				s.t.Errorf("a message of %d bytes is no frame", len(payload))
			}
			s.message = payload
		case h.OpCode == ws.OpPong:
			s.pongs = append(s.pongs, string(payload))
		case h.OpCode == ws.OpClose:
			s.closed, _ = ws.ParseCloseFrameData(payload)
			return 0, io.EOF
		default:
			s.t.Errorf("the server sends %+v", h)
		}
	}
	n := copy(b, s.message)
	s.message = s.message[n:]
	return n, nil
}

// ends reads until the server's Close, whose code it wants, answers it, and wants the
// end of the connection.
func (s *socket) ends(what string, code ws.StatusCode) {
	s.t.Helper()
	if err := s.SetReadDeadline(time.Now().Add(patience)); err != nil {
		s.t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, s); err != nil || s.closed != code {
		s.t.Errorf("%s: Close %d, %v, want %d", what, s.closed, err, code)
		return
	}
	if !s.said {
		_, _ = s.Conn.Write(encoded(ws.NewCloseFrame(ws.NewCloseFrameBody(code, "")))) // it may be gone
	}
	if rest, err := io.ReadAll(s.in); err != nil || len(rest) > 0 {
		s.t.Errorf("%s: %d bytes and %v behind Close", what, len(rest), err)
	}
}

// A session over a WebSocket is like one over TCP.
func TestWebSocket(t *testing.T) {
	r := serve(t, func(c *Config) { c.Probe = true })
	for _, suspend := range []bool{false, true} {
		s := r.open(r.connection(0))
		p := r.scripted(s, peer.Script{})
		if suspend {
			r.until("the session rests", func(l *loop) bool {
				l.endpoint.Advance(clock.Now())
				return l.endpoint.Find(p.ID) != nil && l.endpoint.Find(p.ID).Rest()
			})
		}
		for range 3 {
			if _, err := p.Ping([]byte("hello")); err != nil {
				t.Fatal(err)
			}
		}
		big := append([]byte{byte(wire.ProbeEcho)}, make([]byte, 40_000)...)
		d, err := p.Request(uint8(wire.TypeProbe), big)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := p.ExpectReply(d.Plaintext.Prologue.Uint("mid"), patience); err != nil {
			t.Fatal(err)
		}
		s.say(ws.NewPingFrame([]byte("there?")))
		if _, err := p.Ping(nil); err != nil || !slices.Equal(s.pongs, []string{"there?"}) {
			t.Errorf("pongs %q, %v", s.pongs, err)
		}
		if err := p.Disconnect(0); err != nil {
			t.Fatal(err)
		}
		s.ends("Disconnect", 1000)
	}
	r.settled(0)
}

// However the bytes of a client are cut, and its messages.
func TestWebSocketInPieces(t *testing.T) {
	r := serve(t, nil)
	conn := r.connection(0)
	single := func(raw []byte) {
		for i := range raw {
			if _, err := conn.Write(raw[i : i+1]); err != nil {
				t.Fatal(err)
			}
		}
	}
	single([]byte("GET /xtmp HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: xtmp.v1\r\n\r\n"))
	in := bufio.NewReader(conn)
	answer, err := http.ReadResponse(in, nil)
	if err != nil || answer.StatusCode != 101 {
		t.Fatal(answer, err)
	}
	_ = answer.Body.Close()
	s := &socket{Conn: conn, t: t, in: in}
	p := r.scripted(s, peer.Script{Write: func(_ *peer.Conn, _ string, raw []byte) error {
		single(encoded(ws.NewFrame(ws.OpBinary, false, raw[:100]), ws.NewPingFrame(nil), ws.NewFrame(ws.OpContinuation, true, raw[100:])))
		return nil
	}})
	ping := p.Draft(uint8(wire.TypeHeartbeat), uint16(wire.FlagEncrypted), peer.HeartbeatBody(peer.Ping, nil)).Encode()
	single(encoded(ws.NewBinaryFrame(ping)))
	if _, _, err := p.Expect(patience, func(f *peer.Received) bool { return f.Is(uint8(wire.TypeHeartbeat)) }); err != nil {
		t.Error(err)
	}
	if len(s.pongs) != 2 {
		t.Errorf("%d pongs", len(s.pongs))
	}
	s.say(ws.NewCloseFrame(ws.NewCloseFrameBody(1001, "")))
	s.ends("Close", 1001)
	r.settled(0)
}

// What is no opening gets its status, and the connection ends.
func TestRefusedOpenings(t *testing.T) {
	r := serve(t, nil)
	const fields = "Host: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	const offer = "Sec-WebSocket-Protocol: xtmp.v1\r\n"
	for request, status := range map[string]int{
		"GET /xtmp HTTP/1.1\r\n" + fields + "\r\n":                   400,
		"GET /xtmp HTTP/1.1\r\nHost: h\r\n\r\n":                      400,
		"GET / HTTP/1.1\r\nHost: h\r\n\r\n":                          404,
		"GET /stream/updates HTTP/1.1\r\n" + fields + offer + "\r\n": 404,
		"POST /xtmp HTTP/1.1\r\n" + fields + offer + "\r\n":          405,
		"X\r\n\r\n": 0, // no request
		"GET /xtmp HTTP/1.1\r\n" + fields + "X: " + strings.Repeat("x", 4096):          431,
		"GET /xtmp HTTP/1.1\r\n" + "X: " + strings.Repeat("x", 4096) + "\r\n" + "\r\n": 431,
	} {
		conn := r.connection(0)
		if _, err := conn.Write([]byte(request)); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		answer, err := io.ReadAll(conn)
		if err != nil {
			t.Errorf("%.30q: %v", request, err)
		}
		got, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
		switch {
		case status == 0:
			if len(answer) > 0 {
				t.Errorf("%.30q is answered by %q", request, answer)
			}
		case err != nil || got.StatusCode != status:
			t.Errorf("%.30q: %v, %v, want %d", request, got, err, status)
		}
		_ = conn.Close()
	}
	r.settled(0)
}

// A connection that begins as neither is refused as before, and so is every one that
// is not XTMP where no WebSocket is served.
func TestNoWebSocket(t *testing.T) {
	for _, test := range []struct {
		begins string
		off    bool
	}{
		{"GET /xtmp HTTP/1.1\r\n", true},
		{"\x16\x03\x01\x02", false},
		{"XTMQ\x01", false},
		{"XTM\x00", false},
	} {
		r := serve(t, func(c *Config) { c.NoWebSocket = test.off })
		conn := r.connection(0)
		for i := range test.begins {
			if _, err := conn.Write([]byte{test.begins[i]}); err != nil {
				break // it is refused before the end
			}
		}
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		if answer, err := io.ReadAll(conn); len(answer) > 0 || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%q is answered by %q, %v", test.begins, answer, err)
		}
		r.settled(0)
	}
}

// A message that breaks a rule ends the WebSocket with the code of that rule, and a
// frame that breaks one of another chapter with 1000; before a session as in one.
func TestWebSocketViolations(t *testing.T) {
	r := serve(t, nil)
	foreign := make([]byte, wire.Overhead)
	for what, test := range map[string]struct {
		says ws.Frame
		code ws.StatusCode
	}{
		"text":           {ws.NewTextFrame([]byte("hello")), 1003},
		"95 bytes":       {ws.NewBinaryFrame(foreign[:95]), 1002},
		"a length":       {ws.NewBinaryFrame(append(foreign, 0)), 1002},
		"262 305 bytes":  {ws.NewBinaryFrame(make([]byte, 262_305)), 1009},
		"a reserved bit": {ws.Frame{Header: ws.Header{Fin: true, Rsv: 4, OpCode: ws.OpBinary}}, 1002},
		"a bad Close":    {ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "\xff")), 1007},
		"no magic":       {ws.NewBinaryFrame(foreign), 1000},
	} {
		s := r.open(r.connection(0))
		s.say(test.says)
		s.ends(what+" before a session", test.code)
		s = r.open(r.connection(0))
		p := r.scripted(s, peer.Script{})
		s.say(test.says)
		s.ends(what+" in a session", test.code)
		r.until("the session is over", func(l *loop) bool { return l.endpoint.Find(p.ID) == nil })
	}
	r.settled(0)
}

// A last frame is followed by Close, not by the end of the stream, which waits for the
// peer's: T_LINGER at most.
func TestLastFrameOverWebSocket(t *testing.T) {
	r := serve(t, nil)
	for _, answers := range []bool{true, false} {
		s := r.open(r.connection(0))
		p := peer.New(s, peer.Target{}, peer.Options{Entropy: rand.Reader, Declares: everything, Wait: patience})
		h := p.HelloDefaults()
		h.Frame.Header.SetUint("version", 2)
		if err := p.SendHello(h); err != nil {
			t.Fatal(err)
		}
		s.say(ws.NewBinaryFrame(make([]byte, 200)), ws.NewPingFrame(nil)) // no effect any more
		frames, err := p.Drain(patience)
		if len(frames) != 1 || frames[0].Error() == nil || !errors.Is(err, io.EOF) || s.closed != 1000 {
			t.Errorf("%d frames, Close %d, %v", len(frames), s.closed, err)
		}
		if r.Connections() != 1 {
			t.Error("the peer's Close is not awaited")
		}
		if answers {
			s.say(ws.NewCloseFrame(nil))
		}
		if rest, err := io.ReadAll(s.in); err != nil || len(rest) > 0 || len(s.pongs) > 0 {
			t.Errorf("%d bytes, pongs %q and %v behind Close", len(rest), s.pongs, err)
		}
		r.settled(0)
	}
}

// What arrived before the peer's Close is answered.
func TestCloseBehindPing(t *testing.T) {
	r := serve(t, nil)
	s := r.open(r.connection(0))
	p := r.scripted(s, peer.Script{})
	ping := p.Draft(uint8(wire.TypeHeartbeat), uint16(wire.FlagEncrypted), peer.HeartbeatBody(peer.Ping, []byte("last"))).Encode()
	s.say(ws.NewBinaryFrame(ping), ws.NewPingFrame([]byte("x")), ws.NewCloseFrame(nil), ws.NewBinaryFrame(ping))
	frames, err := p.Drain(patience)
	if !errors.Is(err, io.EOF) || len(frames) != 1 || !bytes.HasSuffix(frames[0].Opened, []byte("last")) || s.closed != 1000 {
		t.Errorf("%d frames, Close %d, %v", len(frames), s.closed, err)
	}
	r.settled(0)
}

// A peer that vanishes without Close is lost at once.
func TestWebSocketReset(t *testing.T) {
	r := serve(t, nil)
	for _, begun := range []string{"", "X", "GET /xtmp", "open"} {
		conn := r.connection(0)
		if begun == "open" {
			r.open(conn).say(ws.NewFrame(ws.OpBinary, false, make([]byte, 50)))
		} else if _, err := conn.Write([]byte(begun)); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(conn.SetLinger(0), conn.Close()); err != nil {
			t.Fatal(err)
		}
		r.settled(0)
	}
}

// The time for the opening is the time for the handshake.
func TestSlowOpening(t *testing.T) {
	r := serve(t, nil)
	later := func() {
		r.on(r.loops[0], func() {
			now := clock.Now()
			now.Elapsed += 5 * time.Second // T_HANDSHAKE_TCP
			r.loops[0].endpoint.Advance(now)
		})
	}
	for _, begun := range []string{"", "XT", "GET /xtmp HTTP/1.1\r\nHost:"} {
		conn := r.connection(0)
		if _, err := conn.Write([]byte(begun)); err != nil {
			t.Fatal(err)
		}
		r.until("it has begun", func(l *loop) bool { return l.only() != nil && len(l.only().web.begun) == len(begun) })
		later()
		if answer, err := io.ReadAll(conn); err != nil || len(answer) > 0 {
			t.Errorf("%q is answered by %q, %v", begun, answer, err)
		}
	}
	s := r.open(r.connection(0))
	later()
	s.ends("no ClientHello", 1000)
	r.settled(0)
}

// What has begun to arrive is receive memory, and T_FRAME runs.
func TestBegunOverWebSocket(t *testing.T) {
	r := serve(t, func(c *Config) { c.Limits.ReceivePerSource = 3000 })
	conn := r.connection(0)
	if _, err := conn.Write([]byte("GET /xtmp HTTP/1.1\r\nX: " + strings.Repeat("x", 3500))); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(conn); err != nil || len(answer) > 0 {
		t.Errorf("a long beginning is answered by %q, %v", answer, err)
	}
	s := r.open(r.connection(0))
	s.say(ws.NewFrame(ws.OpBinary, false, make([]byte, 3500)))
	s.ends("a long beginning of a message", 1000)
	r.settled(0)

	s = r.open(r.connection(0))
	r.scripted(s, peer.Script{})
	s.say(ws.NewFrame(ws.OpBinary, false, make([]byte, 50)))
	r.until("it has begun", func(l *loop) bool { return l.only() != nil && l.only().web.held })
	r.on(r.loops[0], func() {
		now := clock.Now()
		now.Elapsed += 15 * time.Second // T_FRAME
		r.loops[0].endpoint.Advance(now)
	})
	s.ends("T_FRAME", 1000)
	r.settled(0)
}

// A peer that reads nothing costs what the socket holds and one answer, and what it
// reads later is whole.
func TestWebSocketWithoutReading(t *testing.T) {
	r := serve(t, nil)
	s := r.open(r.connection(4096))
	p := r.scripted(s, peer.Script{NoPong: true})
	if err := r.squeeze(); err != nil {
		t.Fatal(err)
	}
	for i := 0; r.pending() == 0; i++ {
		if i == 50_000 {
			t.Fatal("the server's socket takes everything")
		}
		d := p.Draft(uint8(wire.TypeHeartbeat), uint16(wire.FlagEncrypted), peer.HeartbeatBody(peer.Ping, make([]byte, 63)))
		s.say(ws.NewBinaryFrame(d.Encode()), ws.NewPingFrame(make([]byte, 125)))
	}
	for range 100 {
		s.say(ws.NewPingFrame([]byte("at last")))
		if n := r.pending(); n > wire.Overhead+64+4+127 {
			t.Fatalf("%d bytes wait", n)
		}
	}
	if _, err := p.Ping([]byte("again")); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Ping([]byte("and again")); err != nil {
		t.Fatal(err)
	}
	if len(s.pongs) == 0 || s.pongs[len(s.pongs)-1] != "at last" {
		t.Errorf("%d pongs, the last is %q", len(s.pongs), s.pongs[len(s.pongs)-1])
	}
	s.say(ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "")))
	s.ends("Close", 1000)
	r.settled(0)
}

// An idle connection over TCP has nothing of all this but a word.
func TestConnIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(conn{}); size > 40 {
		t.Errorf("a connection takes %d bytes", size)
	}
	r := serve(t, nil)
	ping(t, r.dial())
	r.on(r.loops[0], func() {
		if c := r.loops[0].only(); c.web != nil || r.loops[0].wire != nil {
			t.Error("a connection over TCP has a web")
		}
	})
}
