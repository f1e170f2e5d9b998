package peer

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/vectors/testkit"
)

// openPair returns a WebSocket that is open and the server's end of it.
func openPair(t *testing.T) (*WebSocket, net.Conn) {
	t.Helper()
	client, server := net.Pipe()
	t.Cleanup(func() { _, _ = client.Close(), server.Close() })
	accepted := make(chan error, 1)
	go func() {
		_, err := ws.Upgrader{Protocol: func(p []byte) bool { return string(p) == Subprotocol }}.Upgrade(server)
		accepted <- err
	}()
	w := NewWebSocket(client, testkit.Entropy("websocket"))
	o := OpeningDefaults()
	o.Size = 1000
	if err := errors.Join(w.Open(o, time.Second), <-accepted); err != nil {
		t.Fatal(err)
	}
	return w, server
}

// readMasked reads a frame of the client.
func readMasked(t *testing.T, server net.Conn) (ws.Header, []byte) {
	t.Helper()
	h, err := ws.ReadHeader(server)
	payload := make([]byte, h.Length)
	if _, short := io.ReadFull(server, payload); err != nil || short != nil || !h.Masked {
		t.Error(err, short, h.Masked)
	}
	ws.Cipher(payload, h.Mask, 0)
	return h, payload
}

// What is sent is what the frames say, masked, in one write.
func TestFramesOfWebSocket(t *testing.T) {
	w, server := openPair(t)
	go func() {
		frames := Divide(OpBinary, []byte("hello"), 2, 0)
		_ = w.SendFrames("pieces", slices.Insert(frames, 1, WebSocketFrame{Op: OpPing, Payload: []byte("p")})...)
		_, _ = w.Write([]byte("whole"))
		_ = w.CloseWrite()
	}()
	type seen struct {
		op   ws.OpCode
		fin  bool
		text string
	}
	want := []seen{
		{ws.OpBinary, false, "he"},
		{ws.OpPing, true, "p"},
		{ws.OpContinuation, false, ""},
		{ws.OpContinuation, true, "llo"},
		{ws.OpBinary, true, "whole"},
		{ws.OpClose, true, "\x03\xe8"},
	}
	for _, e := range want {
		h, payload := readMasked(t, server)
		if got := (seen{h.OpCode, h.Fin, string(payload)}); got != e {
			t.Errorf("got %v, want %v", got, e)
		}
	}
}

// The messages of a server are judged, its pings answered, and its close is an end.
func TestMessagesOfWebSocket(t *testing.T) {
	frame := testkit.NewFrame(typeError, 0)
	frame.Payload = ErrorBody(3, 1, 1<<64-1, "")
	raw := frame.Encode()
	reserved := ws.NewBinaryFrame(raw)
	reserved.Header.Rsv = ws.Rsv(true, false, false)
	for _, test := range []struct {
		name   string
		frames []ws.Frame
		req    string // "" for a frame
	}{
		{"one frame", []ws.Frame{ws.NewBinaryFrame(raw)}, ""},
		{"in pieces", []ws.Frame{ws.NewFrame(ws.OpBinary, false, raw[:9]), ws.NewFrame(ws.OpContinuation, true, raw[9:])}, ""},
		{"text", []ws.Frame{ws.NewTextFrame(raw)}, "XTMP-WSK-013"},
		{"two frames", []ws.Frame{ws.NewBinaryFrame(append(bytes.Clone(raw), raw...))}, "XTMP-WSK-013"},
		{"half a frame", []ws.Frame{ws.NewBinaryFrame(raw[:100])}, "XTMP-WSK-013"},
		{"masked", []ws.Frame{ws.MaskFrame(ws.NewBinaryFrame(raw))}, "XTMP-WSK-021"},
		{"reserved bit", []ws.Frame{reserved}, "XTMP-WSK-013"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, server := openPair(t)
			go func() {
				for _, f := range test.frames {
					_ = ws.WriteFrame(server, f)
				}
			}()
			r, err := New(w, Target{}, Options{Entropy: testkit.Entropy("peer")}).ReadFrame(time.Second)
			var wrong *Deviation
			switch {
			case test.req == "" && (err != nil || !bytes.Equal(r.Raw, raw)):
				t.Fatal(r, err)
			case test.req != "" && (!errors.As(err, &wrong) || wrong.Req != test.req):
				t.Fatalf("got %v, want a deviation from %s", err, test.req)
			}
		})
	}
}

func TestControlFramesOfWebSocket(t *testing.T) {
	w, server := openPair(t)
	go func() {
		_ = ws.WriteFrame(server, ws.NewPingFrame([]byte("ping")))
		_, payload := readMasked(t, server)
		_ = ws.WriteFrame(server, ws.NewPongFrame(payload))
		_ = ws.WriteFrame(server, ws.NewCloseFrame(ws.NewCloseFrameBody(1009, "too big")))
	}()
	if err := w.ReadPong([]byte("ping"), time.Second); err != nil {
		t.Fatal(err)
	}
	_, err := New(w, Target{}, Options{Entropy: testkit.Entropy("peer")}).ReadFrame(time.Second)
	if o, _ := conformance.Seen(err, ""); !errors.Is(err, io.EOF) || o.Kind != conformance.KindCleanClose || w.Closed().Code != 1009 {
		t.Fatal(err, w.Closed())
	}
}

// An answer that does not accept is no WebSocket.
func TestAnswersToOpening(t *testing.T) {
	const accepted = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	for _, answer := range []string{
		"HTTP/1.1 400 Bad Request\r\n\r\n", accepted + "\r\n", accepted + "Sec-WebSocket-Accept: c3R1YmJvcm4=\r\n\r\n", "nonsense\r\n\r\n",
	} {
		client, server := net.Pipe()
		go func() {
			_, _ = server.Read(make([]byte, 4096))
			_, _ = io.WriteString(server, answer)
		}()
		var wrong *Deviation
		if err := NewWebSocket(client, testkit.Entropy("websocket")).Open(OpeningDefaults(), time.Second); !errors.As(err, &wrong) {
			t.Errorf("%q: %v", answer, err)
		}
		_, _ = client.Close(), server.Close()
	}
}
