//go:build linux

package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	xtmpserver "github.com/bpci/xtmp/refimpl/server"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// listening is a server that answers Probe, and a Config that trusts it.
func listening(t *testing.T, change func(*xtmpserver.Config)) (*xtmpserver.Server, Config) {
	t.Helper()
	id, err := xtmpserver.GenerateKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	cfg := xtmpserver.Config{Address: "127.0.0.1:0", Identities: []*xtmpserver.Identity{id}, Probe: true, Limits: xtmpserver.Limits{
		HalfOpenPerSource: -1, SessionsPerSource: -1, ConnectionsPerClient: -1, FirstFrameRate: -1,
	}}
	if change != nil {
		change(&cfg)
	}
	ctx, stop := context.WithCancel(context.Background())
	s, err := xtmpserver.Listen(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return s, Config{Pins: []Pin{{Kind: 1, Fingerprint: id.Fingerprint()}}}
}

// A session over a WebSocket does what one over TCP does.
func TestWebSocketSession(t *testing.T) {
	srv, cfg := listening(t, nil)
	s, err := Dial(t.Context(), "ws://"+srv.Addr().String()+"/xtmp", cfg)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			for size := range 20 {
				m := echo(bytes.Repeat([]byte{byte(i)}, size*97))
				if reply, err := s.Call(t.Context(), m, nil); err != nil || !bytes.Equal(reply[1:], m.Body[1:]) {
					t.Errorf("%d bytes: %v", size, err)
					return
				}
			}
		})
	}
	all.Wait()
	source := wire.Probe{Op: wire.ProbeSource, Arg: 700_000} // in fragments, of 262 208 bytes each
	if reply, err := s.Call(t.Context(), Message{Type: wire.TypeProbe, Body: source.Append(nil)}, nil); err != nil || len(reply) < 700_000 {
		t.Errorf("%d bytes, %v", len(reply), err)
	}
	if err := s.Rekey(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// The server ends a session, and a client that says nothing more hears it.
func TestWebSocketServerEnds(t *testing.T) {
	id, err := xtmpserver.GenerateKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	srv, err := xtmpserver.Listen(ctx, xtmpserver.Config{Address: "127.0.0.1:0", Identities: []*xtmpserver.Identity{id}})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx) }()
	cfg := Config{Pins: []Pin{{Kind: 1, Fingerprint: id.Fingerprint()}}, Type: WebSocket}
	s, err := Dial(t.Context(), srv.Addr().String(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Ping(t.Context()); err != nil { // now the server knows of it
		t.Fatal(err)
	}
	stop()
	<-s.Done()
	if err := <-served; err != nil || !errors.Is(s.Err(), ErrClosed) {
		t.Errorf("the server ends with %v, the session with %v", err, s.Err())
	}
}

// What an opening may be answered by, other than yes.
func TestWebSocketRefused(t *testing.T) {
	const accepted = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	for answer, says := range map[string]string{
		"HTTP/1.1 404 Not Found\r\n\r\n":                        "404",
		"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n": "400",
		"SSH-2.0-OpenSSH\r\n\r\n":                               "malformed",
		accepted + "\r\n":                                       "Accept",
		accepted + "KEY\r\n":                                    "does not select xtmp.v1",
		accepted + "KEYSec-WebSocket-Protocol: xtmp.v2\r\n\r\n": "protocol",
		accepted + "KEYSec-WebSocket-Protocol: xtmp.v1\r\nSec-WebSocket-Extensions: x\r\n": "extensions",
		"HTTP/1.1 101 Switching Protocols\r\n" + strings.Repeat("X: y\r\n", 5000):          "too much",
		"": "hangs up",
	} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			conn, err := ln.Accept()
			if err != nil {
				ended <- err
				return
			}
			defer conn.Close()
			r, err := http.ReadRequest(bufio.NewReader(conn))
			if err != nil {
				ended <- err
				return
			}
			if r.URL.Path != "/xtmp" || !slices.Equal(r.Header["Sec-Websocket-Protocol"], []string{"xtmp.v1"}) ||
				len(r.Header["Sec-Websocket-Extensions"]) > 0 || r.Host != ln.Addr().String() {
				ended <- errors.New("the client asks for something else: " + r.URL.String())
				return
			}
			_, _ = io.WriteString(conn, strings.Replace(answer, "KEY", "Sec-WebSocket-Accept: "+accept(r)+"\r\n", 1))
			if half, ok := conn.(*net.TCPConn); ok && answer == "" {
				_ = half.CloseWrite()
			}
			_, err = io.Copy(io.Discard, conn)
			ended <- err
		}()
		_, err = Dial(t.Context(), "ws://"+ln.Addr().String()+"/xtmp", trust())
		if err == nil || !strings.Contains(err.Error(), says) || Class(err) != "ConnectionFailed" {
			t.Errorf("%.60q: %v", answer, err)
		}
		_ = ln.Close()
		if err := <-ended; err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("%.60q: the server: %v", answer, err)
		}
	}
}

// accept answers the key of a request.
func accept(r *http.Request) string {
	var out bytes.Buffer
	_, _ = ws.Upgrader{}.Upgrade(struct {
		io.Reader
		io.Writer
	}{strings.NewReader("GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: " + r.Header.Get("Sec-WebSocket-Key") + "\r\n\r\n"), &out})
	_, value, _ := strings.Cut(out.String(), "Accept: ")
	value, _, _ = strings.Cut(value, "\r")
	return value
}

// Addresses that are none.
func TestWebSocketAddress(t *testing.T) {
	for _, address := range []string{"ws://localhost:8090", "ws://localhost:8090/", "ws://localhost:8090/other", "wss://localhost:8090/xtmp"} {
		if _, err := Dial(t.Context(), address, trust()); err == nil || !strings.Contains(err.Error(), "is no ") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// A dial ends with its context, also within the opening.
func TestWebSocketTimeout(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	cfg := trust()
	cfg.ConnectTimeout = 20 * time.Millisecond
	if _, err := Dial(t.Context(), "ws://"+ln.Addr().String()+"/xtmp", cfg); !errors.Is(err, ErrTimeout) {
		t.Errorf("got %v", err)
	}
}

// A server that breaks a rule after the opening is told which.
func TestWebSocketViolations(t *testing.T) {
	foreign := make([]byte, wire.Overhead)
	for what, test := range map[string]struct {
		says ws.Frame
		code ws.StatusCode
		want error
	}{
		"text":          {ws.NewTextFrame(nil), 1003, ErrRefused},
		"a length":      {ws.NewBinaryFrame(foreign[:95]), 1002, ErrRefused},
		"a mask":        {ws.MaskFrame(ws.NewBinaryFrame(foreign)), 1002, ErrRefused},
		"262 305 bytes": {ws.NewBinaryFrame(make([]byte, 262_305)), 1009, ErrRefused},
		"no magic":      {ws.NewBinaryFrame(foreign), 1000, ErrNotXTMP},
		"Close":         {ws.NewCloseFrame(ws.NewCloseFrameBody(1001, "")), 1001, ErrRefused},
	} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		heard := make(chan string, 1)
		go func() { heard <- scripted(ln, test.says, test.code) }()
		if _, err := Dial(t.Context(), "ws://"+ln.Addr().String()+"/xtmp", trust()); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", what, err)
		}
		if wrong := <-heard; wrong != "" {
			t.Errorf("%s: %s", what, wrong)
		}
		_ = ln.Close()
	}
}

// scripted accepts one connection, opens the WebSocket, takes ClientHello, says a Ping
// and something, and wants the Pong, and Close with a code. It returns what is wrong.
func scripted(ln net.Listener, says ws.Frame, code ws.StatusCode) string {
	conn, err := ln.Accept()
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := (ws.Upgrader{Protocol: func(b []byte) bool { return string(b) == "xtmp.v1" }}).Upgrade(conn); err != nil {
		return err.Error()
	}
	in := bufio.NewReader(conn)
	next := func() (op ws.OpCode, payload []byte) {
		h, err := ws.ReadHeader(in)
		if err != nil {
			return 0xff, nil
		}
		payload = make([]byte, h.Length)
		_, _ = io.ReadFull(in, payload)
		if !h.Masked || !h.Fin {
			return 0xfe, nil
		}
		ws.Cipher(payload, h.Mask, 0)
		return h.OpCode, payload
	}
	op, hello := next()
	if op != ws.OpBinary || len(hello) < 96 || string(hello[:4]) != "XTMP" || len(hello) != 96+int(wire.PayloadLength(hello)) {
		return "no ClientHello comes"
	}
	_, _ = conn.Write(ws.MustCompileFrame(ws.NewPingFrame([]byte("x"))))
	if op, pong := next(); op != ws.OpPong || string(pong) != "x" {
		return "no Pong comes"
	}
	_, _ = conn.Write(ws.MustCompileFrame(says))
	op, body := next()
	if got, _ := ws.ParseCloseFrameData(body); op != ws.OpClose || got != code {
		return "no good Close comes: " + string(body)
	}
	_, _ = conn.Write(ws.MustCompileFrame(ws.NewCloseFrame(body)))
	if rest, _ := io.ReadAll(in); len(rest) > 0 {
		return "something follows Close"
	}
	return ""
}

// Where whoever is between lets nothing but HTTP pass, Auto opens a WebSocket.
func TestAuto(t *testing.T) {
	srv, cfg := listening(t, nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var between sync.WaitGroup
	between.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			between.Go(func() { letHTTPPass(conn, srv.Addr().String()) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		between.Wait()
	})
	if _, err := Dial(t.Context(), ln.Addr().String(), cfg); !errors.Is(err, ErrRefused) {
		t.Errorf("over TCP: %v", err)
	}
	for _, address := range []string{"auto://" + ln.Addr().String(), "auto://" + srv.Addr().String()} {
		s, err := Dial(t.Context(), address, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	off, cfg := listening(t, func(c *xtmpserver.Config) { c.NoWebSocket = true })
	cfg.Pins[0].Fingerprint[0]++
	var pin *PinError
	if _, err := Dial(t.Context(), "auto://"+off.Addr().String(), cfg); !errors.As(err, &pin) {
		t.Errorf("a server that is not trusted: %v", err)
	}
	_, err = Dial(t.Context(), "ws://"+off.Addr().String()+"/xtmp", cfg)
	if err == nil || !strings.Contains(err.Error(), "opens no WebSocket") {
		t.Errorf("without WebSocket: %v", err)
	}
}

// When the WebSocket of a session is cut, another one carries on.
func TestWebSocketStandsBy(t *testing.T) {
	srv, cfg := listening(t, func(c *xtmpserver.Config) { c.Loops = 1 })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var between sync.WaitGroup
	passing := make(chan net.Conn, 10)
	between.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			passing <- conn
			between.Go(func() { letHTTPPass(conn, srv.Addr().String()) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		between.Wait()
	})
	s, err := Dial(t.Context(), "ws://"+ln.Addr().String()+"/xtmp", cfg)
	if err != nil {
		t.Fatal(err)
	}
	first := <-passing
	<-passing // the one that stands by
	live := func(paths int) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		n := 0
		for id := range 4 {
			if s.core.Paths()>>id&1 != 0 && s.core.Fate(session.PathID(id)) == session.Keep {
				n++
			}
		}
		return n == paths
	}
	for end := time.Now().Add(20 * time.Second); !live(2); {
		if time.Now().After(end) {
			t.Fatal("no second path is attached")
		}
		if _, err := s.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	_ = first.Close()
	for range 10 {
		if _, err := s.Call(t.Context(), echo([]byte("hello")), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// letHTTPPass joins a connection that begins with GET to a server, and cuts others.
func letHTTPPass(conn net.Conn, to string) {
	defer conn.Close()
	var begins [4]byte
	if _, err := io.ReadFull(conn, begins[:]); err != nil || string(begins[:]) != "GET " {
		return
	}
	far, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer far.Close()
	_, _ = far.Write(begins[:])
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(far, conn)
		_ = far.Close()
	})
	_, _ = io.Copy(conn, far)
	_ = conn.Close()
	both.Wait()
}

// A Client comes back over WebSockets, too, and a call allocates nothing there.
func TestWebSocketClient(t *testing.T) {
	srv, cfg := listening(t, nil)
	address := "ws://" + srv.Addr().String() + "/xtmp"
	c, err := New(address, cfg)
	if err != nil {
		t.Fatal(err)
	}
	m, dst := echo(make([]byte, 200)), make([]byte, 0, 1024)
	call := func() {
		if dst, err = c.Call(t.Context(), m, dst[:0]); err != nil {
			t.Fatal(err)
		}
	}
	call()
	first, err := c.Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		call()
	}
	if n := testing.AllocsPerRun(1000, call); n >= 1 && !raceDetector {
		t.Errorf("a call allocates %v times", n)
	}
	if err := first.Close(t.Context()); err != nil {
		t.Error(err)
	}
	call()
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
