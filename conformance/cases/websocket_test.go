package cases_test

import (
	"bufio"
	"bytes" //nolint:gosec // RFC 6455 wants it
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/vectors/testkit"
)

// A socket is a WebSocket of the server, and the connection of a session: each Read
// gives a message, each frame of a Write is one.
type socket struct {
	*net.TCPConn
	session *session
	in      *bufio.Reader
	whole   []byte // of the message that goes on
	begun   bool
	closed  bool // by us
	over    bool // by the client
	failed  bool // the last frame has been an Error
	lingers bool // the session waits, as it does on TCP
}

const longest = 96 + 262_208

func (w *socket) flaw(name string) bool { return w.session.flaws[name] }

// serve takes the connection for what its first bytes say.
func (w *socket) serve() {
	defer w.TCPConn.Close()
	_ = w.SetDeadline(w.session.accepted.Add(5 * time.Second))
	size := 4096
	if w.flaw("short request") {
		size = 4095
	}
	w.in = bufio.NewReaderSize(w.TCPConn, size)
	head, _ := w.in.Peek(1)
	if !w.flaw("first read decides") && bytes.HasPrefix([]byte("XTMP"), head) {
		head, _ = w.in.Peek(4)
	} else {
		head, _ = w.in.Peek(w.in.Buffered())
	}
	if bytes.HasPrefix(head, []byte("XTMP")) {
		w.session.unread, _ = w.in.Peek(w.in.Buffered())
		w.session.unread = bytes.Clone(w.session.unread)
		w.session.serve()
		return
	}
	if w.upgrade() {
		if w.flaw("new time") {
			w.session.accepted = time.Now()
		}
		w.session.nc = w
		w.session.serve()
	}
}

// upgrade answers the opening.
func (w *socket) upgrade() bool {
	request := w.request()
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(request)))
	if err != nil {
		return false
	}
	offers := strings.Split(strings.ReplaceAll(strings.Join(r.Header.Values("Sec-WebSocket-Protocol"), ","), " ", ""), ",")
	if w.flaw("one line") {
		offers = strings.Split(r.Header.Get("Sec-WebSocket-Protocol"), ", ")
	}
	if !slices.Contains(offers, "xtmp.v1") && !w.flaw("any protocol") {
		_, _ = io.WriteString(w.TCPConn, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
		return false
	}
	digest := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // RFC 6455 wants it
	answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(digest[:]) + "\r\n"
	chosen := "xtmp.v1"
	if w.flaw("first offer") {
		chosen = offers[0]
	}
	answer += "Sec-WebSocket-Protocol: " + chosen + "\r\n"
	if e := r.Header.Get("Sec-WebSocket-Extensions"); w.flaw("extension") && e != "" {
		answer += "Sec-WebSocket-Extensions: permessage-deflate\r\n"
	}
	_, err = io.WriteString(w.TCPConn, answer+"\r\n")
	return err == nil
}

// request reads as many bytes as a request may have, to its end.
func (w *socket) request() []byte {
	for n := 1; ; n++ {
		seen, err := w.in.Peek(n)
		if err != nil {
			return nil
		}
		if w.flaw("one read") {
			seen, _ = w.in.Peek(w.in.Buffered())
			n = len(seen)
		}
		if bytes.HasSuffix(seen, []byte("\r\n\r\n")) || w.flaw("one read") {
			request := bytes.Clone(seen)
			_, _ = w.in.Discard(n)
			return request
		}
	}
}

// Read gives the next message.
func (w *socket) Read(p []byte) (int, error) {
	for {
		h, payload, err := w.frame()
		if err != nil {
			return 0, err
		}
		if n, done, err := w.act(p, h, payload); done || err != nil {
			return n, err
		}
	}
}

func (w *socket) act(p []byte, h ws.Header, payload []byte) (n int, done bool, err error) {
	switch {
	case h.OpCode == ws.OpPing:
		if w.flaw("pings live") {
			_ = w.SetDeadline(time.Now().Add(5 * time.Second))
		}
		if w.flaw("ping is data") && len(payload) > 96 {
			return copy(p, payload), true, nil
		}
		if w.flaw("no pong") || w.flaw("no pong within") && w.begun {
			return 0, false, nil
		}
		if w.flaw("empty pong") {
			payload = nil
		}
		return 0, false, w.put(ws.NewPongFrame(payload))
	case h.OpCode == ws.OpPong:
		if w.flaw("no pong") {
			return 0, true, w.end(1002)
		}
		return 0, false, nil
	case h.OpCode == ws.OpClose:
		if w.flaw("normal only") && !bytes.HasPrefix(payload, []byte{0x03, 0xE8}) || w.flaw("ends later") {
			return 0, false, nil
		}
		w.over = true
		return 0, true, w.end(1000)
	case h.OpCode == ws.OpText && !w.flaw("text"):
		code := 1003
		if w.flaw("1007") && !bytes.Equal(payload, bytes.ToValidUTF8(payload, nil)) {
			code = 1007
		}
		return 0, true, w.end(code)
	}
	w.begun = true
	w.whole = append(w.whole, payload...)
	if !h.Fin && !w.flaw("frame is message") {
		return 0, false, nil
	}
	message := w.whole
	w.whole, w.begun = nil, false
	if !w.sound(message) {
		return 0, true, w.end(1002)
	}
	w.session.unread = append(w.session.unread, message...)
	return 0, true, nil
}

// sound judges the length of a message.
func (w *socket) sound(message []byte) bool {
	if w.flaw("stream") {
		return true
	}
	if len(message) < 96 {
		return w.flaw("empty message") && len(message) == 0
	}
	h, _ := testkit.Decode("frame", 0, message)
	if w.flaw("header first") && (string(h.Bytes("magic")) != "XTMP" || h.Uint("version") != 1) {
		return true
	}
	want := 96 + h.Uint("payload_length")
	return uint64(len(message)) == want || w.flaw("rest ignored") && uint64(len(message)) > want
}

// frame reads one frame of RFC 6455.
func (w *socket) frame() (ws.Header, []byte, error) {
	h, err := ws.ReadHeader(w.in)
	if err == nil && !h.Masked && !w.flaw("takes unmasked") {
		return h, nil, w.end(1002)
	}
	if err != nil {
		if timeout := net.Error(nil); errors.As(err, &timeout) {
			_ = w.end(1000)
		}
		return h, nil, err
	}
	limit := int64(longest)
	if w.flaw("bound too low") {
		limit--
	}
	if !h.OpCode.IsControl() && (int64(len(w.whole))+h.Length > limit && !w.flaw("frames are measured") || h.Length > limit) {
		code := 1009
		if w.flaw("1009 is 1002") {
			code = 1002
		}
		_, _ = io.CopyN(io.Discard, w.in, min(h.Length, longest+1))
		return h, nil, w.end(code)
	}
	payload := make([]byte, h.Length)
	if _, err := io.ReadFull(w.in, payload); err != nil {
		return h, nil, err
	}
	if h.Masked {
		ws.Cipher(payload, h.Mask, 0)
	}
	return h, payload, nil
}

func (w *socket) put(f ws.Frame) error {
	if w.flaw("masked") {
		f = ws.MaskFrame(f)
	}
	return ws.WriteFrame(w.TCPConn, f)
}

// end sends a close and reports the end of the stream.
func (w *socket) end(code int) error {
	if w.closed {
		return io.EOF
	}
	w.closed = true
	switch {
	case w.flaw("no close"):
		return io.EOF
	case w.flaw("1002 for all"):
		code = 1002
	case w.flaw("1011 after an Error") && w.failed:
		code = 1011
	}
	_ = w.SetWriteDeadline(time.Now().Add(time.Second))
	_ = w.put(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusCode(code), "")))
	return io.EOF
}

// Write sends each frame of p as a message.
func (w *socket) Write(p []byte) (int, error) {
	if w.closed && !w.over {
		return 0, errors.New("closed")
	}
	for rest := p; len(rest) > 0; {
		f, behind, _ := testkit.DecodeFrame(rest)
		w.failed = f.Type() == failure
		message := rest[:len(rest)-len(behind)]
		if w.flaw("joined") {
			message, behind = rest, nil
		}
		if err := w.put(ws.NewBinaryFrame(message)); err != nil {
			return 0, err
		}
		rest = behind
	}
	return len(p), nil
}

// CloseWrite is the close in place of the end of our half.
func (w *socket) CloseWrite() error {
	w.lingers = true
	return w.end(1000)
}

// Close closes and waits for the other side, T_LINGER at most.
func (w *socket) Close() error {
	_ = w.end(1000)
	wait := time.Second
	if w.flaw("waits") {
		wait = 10 * time.Second
	}
	_ = w.SetDeadline(time.Now().Add(wait))
	for !w.over && !w.lingers {
		h, _, err := w.frame()
		if err != nil || h.OpCode == ws.OpClose {
			break
		}
	}
	return w.TCPConn.Close()
}

func webSocketServer(flaws ...string) *server {
	_, first, _ := identities()
	s := &server{identities: []testkit.Identity{first}, suites: []byte{1}, webSocket: true, flaws: map[string]bool{}}
	for _, flaw := range flaws {
		s.flaws[flaw] = true
	}
	return s
}

// A conforming server passes every case about WebSocket but that of a rekey, which it
// does not know.
func TestConformingServerPassesWebSocket(t *testing.T) {
	sel := conformance.Selection{Run: []string{"XC-16*"}, Skip: []string{"XC-1603", "slow"}, Profiles: []string{"core", "websocket"}}
	for _, r := range judgeWithin(t, webSocketServer(), sel, 1) {
		if !r.Verdict.Passed() && r.Verdict != conformance.Skipped {
			t.Errorf("%s is %s: %s", r.ID, r.Verdict, r.Reason)
		}
	}
}

// A server with one flaw of its WebSocket fails a case that proves what the flaw breaks.
func TestFlawsOfWebSocketAreSeen(t *testing.T) {
	for _, test := range []struct{ flaw, requirement, run string }{
		{"one line", "XTMP-WSK-005", "XC-1610[offer=two lines]"},
		{"first offer", "XTMP-WSK-006", "XC-1610[offer=last]"},
		{"extension", "XTMP-WSK-006", "XC-1611[offer=with*]"},
		{"any protocol", "XTMP-WSK-007", "XC-1612[offer=xtmp]"},
		{"first read decides", "XTMP-WSK-008", "XC-1614[pieces=2]"},
		{"one read", "XTMP-WSK-008", "XC-1615[pieces=4]"},
		{"short request", "XTMP-WSK-010", "XC-1613[bytes=4096,as=one*]"},
		{"new time", "XTMP-WSK-012", "XC-1616[after=a late opening]"},
		{"pings live", "XTMP-WSK-020", "XC-1616[after=pings]"},
		{"joined", "XTMP-WSK-013", "XC-1602"},
		{"masked", "XTMP-WSK-021", "XC-1602"},
		{"takes unmasked", "XTMP-WSK-021", "XC-1633[stage=session,frame=message]"},
		{"frame is message", "XTMP-WSK-015", "XC-1620[stage=session,*header]"},
		{"text", "XTMP-WSK-016", "XC-1622[stage=session,*frame]"},
		{"1007", "XTMP-WSK-016", "XC-1622[stage=opened,*frame]"},
		{"stream", "XTMP-WSK-017", "XC-1623[stage=session,*short]"},
		{"empty message", "XTMP-WSK-017", "XC-1623[stage=half*,*empty]"},
		{"rest ignored", "XTMP-WSK-017", "XC-1623[stage=session,*one more]"},
		{"header first", "XTMP-WSK-017", "XC-1624[stage=opened,*version]"},
		{"1009 is 1002", "XTMP-WSK-018", "XC-1625[stage=opened,sent=whole]"},
		{"frames are measured", "XTMP-WSK-018", "XC-1625[stage=half*,sent=in pieces]"},
		{"bound too low", "XTMP-WSK-018", "XC-1626[stage=session]"},
		{"no pong", "XTMP-WSK-019", "XC-1630[stage=opened,*messages,bytes=1]"},
		{"no pong within", "XTMP-WSK-019", "XC-1630[stage=session,*a message,bytes=1]"},
		{"empty pong", "XTMP-WSK-019", "XC-1630[stage=session,*messages,bytes=125]"},
		{"no pong", "XTMP-WSK-020", "XC-1631[stage=session,control=pong,*words]"},
		{"ping is data", "XTMP-WSK-020", "XC-1631[stage=session,control=ping,*frame]"},
		{"1002 for all", "XTMP-WSK-022", "XC-1640[stage=half*,*checksum]"},
		{"no close", "XTMP-WSK-022", "XC-1640[stage=half*,*checksum]"},
		{"no close", "XTMP-WSK-023", "XC-1641[form=scope-2]"},
		{"1011 after an Error", "XTMP-WSK-023", "XC-1641[form=scope-2]"},
		{"normal only", "XTMP-WSK-024", "XC-1642[stage=session,code=3000,*nothing]"},
		{"ends later", "XTMP-WSK-024", "XC-1643[stage=session,*nothing]"},
		{"waits", "XTMP-WSK-025", "XC-1644[form=silent]"},
	} {
		t.Run(test.flaw+" in "+test.run, func(t *testing.T) {
			t.Parallel()
			sel := conformance.Selection{Run: []string{test.run}, Profiles: []string{"core", "websocket"}}
			results := judgeWithin(t, webSocketServer(test.flaw), sel, 0.3)
			if !slices.ContainsFunc(results, func(r conformance.Result) bool {
				return r.Verdict == conformance.Fail && slices.Contains(r.Case.Proves, test.requirement)
			}) {
				for _, r := range results {
					t.Log(r.ID, r.Verdict, r.Reason)
				}
				t.Errorf("%s does not see it", test.run)
			}
		})
	}
}
