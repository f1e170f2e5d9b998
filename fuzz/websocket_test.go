package fuzz_test

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/bpci/xtmp/refimpl/websocket"
	"github.com/bpci/xtmp/refimpl/wire"
)

// FuzzWebSocket hands a stream of a client, which a tape spells, to the side of a
// server: cut anywhere, and judged by whom reads it whole.
//
// Oracle: whatever the cuts, the same frames come out, byte by byte, the last Ping is
// answered, and Close has the code that chapter 14 and RFC 6455 have for the first
// rule that was broken. What is held of an incomplete message is bounded by what has
// come. What the server says, a client understands.
func FuzzWebSocket(f *testing.F) {
	for i, s := range stepsOfVectors(f) {
		if i%50 == 0 {
			f.Add(slices.Concat([]byte{0, byte(len(s.Frame) >> 8), byte(len(s.Frame))}, s.Frame), []byte{byte(i), 1})
		}
	}
	for _, script := range [][]byte{
		{1, 30, 2, 60, 0, 1, 3, 5, 'h', 'e', 'l', 'l', 'o', 2, 200, 1},
		{1, 200, 1, 4, 3, 232, 2},
		{5, 0x81, 0x80},
		{5, 0x82, 0xff},
		{1, 1, 0, 1, 1, 1},
		{3, 200, 4, 0, 99, 0},
		{6},
		{1, 255, 9, 6, 4, 3, 233, 0},
	} {
		f.Add(script, []byte{3, 90})
	}
	f.Fuzz(func(t *testing.T, script, cuts []byte) {
		stream := spoken(script)
		want := understood(stream)
		for _, pieces := range [][]byte{nil, {1}, cuts} {
			if len(stream) > 4096 && len(pieces) > 0 && slices.Max(pieces) < 16 {
				continue // too many pieces
			}
			if got := taken(t, websocket.NewServer(), stream, pieces); got != want {
				t.Fatalf("cut as %v:\n%.2000s\nwant\n%.2000s", pieces, got, want)
			}
		}
	})
}

// spoken makes a stream of RFC 6455 from a tape: messages and pieces of them, control
// frames, and anything.
func spoken(script []byte) (stream []byte) {
	in := tape{script}
	large := 256 // KiB, of all large ones
	for range 40 {
		if !in.more() {
			break
		}
		op, fin := byte(2), byte(0x80)
		var payload []byte
		switch in.byte() % 7 {
		case 0: // a message of any content
			payload = in.bytes(int(in.uint16()))
		case 1: // a frame, in one piece or two
			payload = wire.AppendClear(nil, wire.TypeError, 0, 1, make([]byte, int(in.byte())))
			if cut := int(in.byte()); cut > 0 {
				stream = append(stream, framed(2, payload[:min(cut, len(payload))])...)
				payload = payload[min(cut, len(payload)):]
				op = 0
			}
		case 2: // a large one
			n := min(int(in.byte()), large)
			large -= n
			payload = wire.AppendClear(nil, wire.TypeError, 0, 1, make([]byte, n<<10))
			payload = append(payload, in.bytes(int(in.byte()%4))...)
		case 3: // Ping
			op, payload = 9, in.bytes(int(in.byte()))
		case 4: // Close
			op, payload = 8, in.bytes(int(in.byte()))
		case 5: // anything
			stream = append(stream, in.bytes(1+int(in.byte()))...)
			continue
		case 6: // another opcode
			op, fin, payload = in.byte(), 0, in.bytes(3)
		}
		stream = append(stream, framed(op|fin, payload)...)
	}
	return stream
}

// framed is a masked frame of RFC 6455.
func framed(first byte, payload []byte) []byte {
	mask := []byte{1, 2, 3, 4}
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0xfe), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0xff), uint64(n))
	}
	b = append(b, mask...)
	for i, x := range payload {
		b = append(b, x^mask[i%4])
	}
	return b
}

// A reader reads a stream of a client whole, from the sentences.
type reader struct {
	frames  []string
	message []byte
	within  bool // a message
	ping    string
	code    uint16 // of Close
	failed  bool
	ended   bool
}

func (l *reader) String() string {
	if l.failed || l.ended { // it is owed no more
		l.ping = ""
	}
	return fmt.Sprintf("%q, ping %q, failed %v, ended %v, Close %d", l.frames, l.ping, l.failed, l.ended, l.code)
}

func (l *reader) fail(code uint16) {
	if !l.failed && !l.ended {
		l.failed, l.code = true, code
	}
}

func understood(b []byte) string {
	l := &reader{code: 1000}
	for !l.ended {
		op, fin, length, payload, rest, whole := cutFrame(b)
		if !whole && payload == nil { // the header is not there
			break
		}
		if l.breaks(b, op, fin, length) {
			l.fail(1002)
			break
		}
		switch {
		case op == 1: // [XTMP-WSK-016]
			l.fail(1003)
		case op < 8 && length > uint64(websocket.MaxMessage-len(l.message)): // [XTMP-WSK-018]
			l.fail(1009)
		}
		if !whole {
			break
		}
		b = rest
		l.take(op, fin, payload)
	}
	return l.String()
}

// cutFrame reads one frame. If only its header is there, payload is not nil and
// whole is false.
func cutFrame(b []byte) (op byte, fin bool, length uint64, payload, rest []byte, whole bool) {
	if len(b) < 2 {
		return 0, false, 0, nil, nil, false
	}
	head := 2
	length = uint64(b[1] & 0x7f)
	switch length {
	case 126:
		head = 4
	case 127:
		head = 10
	}
	masked := b[1]&0x80 != 0
	full := head
	if masked {
		full += 4
	}
	if len(b) < full {
		return 0, false, 0, nil, nil, false
	}
	switch head {
	case 4:
		length = uint64(binary.BigEndian.Uint16(b[2:]))
	case 10:
		length = binary.BigEndian.Uint64(b[2:])
	}
	op, fin = b[0]&15, b[0]&0x80 != 0
	if length > uint64(len(b)-full) {
		return op, fin, length, []byte{}, nil, false
	}
	payload = make([]byte, length)
	for i := range payload {
		payload[i] = b[full+i]
		if masked {
			payload[i] ^= b[head+i%4]
		}
	}
	return op, fin, length, payload, b[full+int(length):], true
}

// breaks reports whether the header of a frame breaks a rule of RFC 6455.
func (l *reader) breaks(b []byte, op byte, fin bool, length uint64) bool {
	switch {
	case b[0]&0x70 != 0, b[1]&0x80 == 0, length >= 1<<63:
		return true
	case op > 2 && op < 8, op > 10:
		return true
	case op >= 8:
		return !fin || length > 125
	default:
		return l.within != (op == 0)
	}
}

// take is a frame that is there whole.
func (l *reader) take(op byte, fin bool, payload []byte) {
	switch {
	case op == 9:
		l.ping = string(payload)
	case op == 8:
		l.close(payload)
	case op < 8:
		l.within = !fin
		if l.failed {
			return
		}
		l.message = append(l.message, payload...)
		if !fin {
			return
		}
		m := l.message
		l.message = nil
		if len(m) < 96 || len(m) != 96+int(binary.BigEndian.Uint32(m[24:])) { // [XTMP-WSK-017]
			l.fail(1002)
			return
		}
		l.frames = append(l.frames, string(m))
	}
}

// close is the client's Close.
func (l *reader) close(body []byte) {
	code := 1000
	if len(body) == 1 {
		code = 0
	} else if len(body) > 1 {
		code = int(binary.BigEndian.Uint16(body))
	}
	known := code >= 1000 && code <= 1003 || code >= 1007 && code <= 1011 || code >= 3000
	switch {
	case !known:
		l.fail(1002)
	case len(body) > 2 && !bytes.Equal(bytes.ToValidUTF8(body[2:], nil), body[2:]):
		l.fail(1007)
	case !l.failed:
		l.code = uint16(code)
	}
	l.ended = true
}

// taken is what a side takes from a stream that is cut as cuts says, nil for not at
// all.
func taken(t *testing.T, c *websocket.Conn, stream, cuts []byte) string {
	t.Helper()
	l := &reader{}
	for i := 0; len(stream) > 0; i++ {
		n := len(stream)
		if len(cuts) > 0 {
			n = min(n, 1+int(cuts[i%len(cuts)])*int(cuts[i%len(cuts)])/8)
		}
		c.Feed(slices.Clone(stream[:n]))
		stream = stream[n:]
		for f, ok := c.Next(); ok; f, ok = c.Next() {
			l.frames = append(l.frames, string(f))
		}
		if c.Held() > 2*websocket.MaxMessage {
			t.Fatalf("%d bytes are held", c.Held())
		}
	}
	l.failed, l.ended = c.Failed(), c.Ended()
	client := websocket.NewClient(zeros{})
	pong := c.AppendPong(nil)
	_, _, _, payload, _, _ := cutFrame(pong)
	l.ping = string(payload)
	said := append(c.AppendMessages(nil, []byte(strings.Join(l.frames, ""))), c.AppendClose(nil)...)
	client.Feed(slices.Clone(said))
	for _, want := range l.frames {
		if f, ok := client.Next(); !ok || string(f) != want {
			t.Fatal("a client does not understand it")
		}
	}
	if _, ok := client.Next(); ok || client.Failed() || !client.Ended() {
		t.Fatal("a client does not understand the end")
	}
	_, _, _, payload, _, _ = cutFrame(said[len(said)-4:])
	l.code = binary.BigEndian.Uint16(payload)
	return l.String()
}

// zeros is a poor source of masks.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// FuzzOpening hands anything to what judges the beginning of a connection.
//
// Oracle: what no request begins with is none however it goes on; an answer is a
// response of HTTP that nothing of the request gets into, and proves the key where it
// opens the WebSocket.
func FuzzOpening(f *testing.F) {
	const opening = "GET /xtmp HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: xtmp.v1\r\n\r\n"
	for _, s := range []string{
		opening, strings.Replace(opening, "xtmp.v1", "chat, xtmp.v1", 1), strings.Replace(opening, "GET", "POST", 1), "GET / HTTP/1.1\r\n\r\n",
		strings.Replace(opening, "13", "12", 1), strings.Replace(opening, "Host", "Host:\r\n x", 1), "XTMP", "\x16\x03\x01\r\n\r\n",
		strings.Replace(opening, "Key: ", "Key: \n", 1), strings.Replace(opening, "Host", "Sec-WebSocket-Extensions: x\r\nHost", 1),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		may := true
		for i := range b {
			now := websocket.MayBeHTTP(b[:i+1])
			if now && !may {
				t.Fatalf("%q is none, and with more it is", b[:i])
			}
			may = now
		}
		head, rest, ok := websocket.Head(b)
		if !ok {
			return
		}
		if len(head)+len(rest) != len(b) || !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
			t.Fatalf("the head is %q", head)
		}
		websocket.PathOf(head)
		answer, open := websocket.Accept(head)
		r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
		if err != nil || open != (r.StatusCode == http.StatusSwitchingProtocols) {
			t.Fatalf("%q: %v", answer, err)
		}
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		if err != nil || len(body) > 64 {
			t.Fatalf("%q, %v", body, err)
		}
		if open {
			proves(t, head, answer)
		}
	})
}

// proves wants the one answer that opens a WebSocket.
func proves(t *testing.T, head, answer []byte) {
	t.Helper()
	for line := range bytes.Lines(head) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if !strings.EqualFold(string(bytes.Trim(name, " \t")), "Sec-WebSocket-Key") {
			continue
		}
		sum := sha1.Sum(append(bytes.Trim(bytes.TrimRight(value, "\r\n"), " \t"), "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"...))
		want := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
			base64.StdEncoding.EncodeToString(sum[:]) + "\r\nSec-WebSocket-Protocol: xtmp.v1\r\n\r\n"
		if string(answer) == want {
			return
		}
	}
	t.Fatalf("%q is answered by %q", head, answer)
}
