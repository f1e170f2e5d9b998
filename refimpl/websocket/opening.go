package websocket

import (
	"bytes"
	"fmt"
	"net/url"
	"strings"

	"github.com/gobwas/ws"
)

// What a client asks for. [XTMP-WSK-001]
const (
	Path        = "/xtmp"
	Subprotocol = "xtmp.v1"
)

// MaxRequest bounds the head of a request, in bytes. [XTMP-WSK-010]
const MaxRequest = 4096

// MayBeHTTP reports whether b, which is not empty, can be the beginning of an
// HTTP request: a method, which is a token of RFC 9110, then a space and what can
// be read.
func MayBeHTTP(b []byte) bool {
	line, _, whole := bytes.Cut(b, []byte("\r"))
	method, rest, spaced := bytes.Cut(line, []byte(" "))
	return len(method) > 0 && !bytes.ContainsFunc(method, noToken) && !bytes.ContainsFunc(rest, unreadable) && (spaced || !whole)
}

func noToken(c rune) bool {
	letter, digit := 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9'
	return !letter && !digit && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
}

func unreadable(c rune) bool { return c < ' ' || c >= 0x7f }

// Head cuts the head of an HTTP request off b, up to and with its empty line. It
// reports false if that is not there yet.
func Head(b []byte) (head, rest []byte, ok bool) {
	const end = "\r\n\r\n"
	at := bytes.Index(b, []byte(end))
	if at < 0 {
		return nil, b, false
	}
	return b[:at+len(end)], b[at+len(end):], true
}

// PathOf returns the path that the head of a request asks for, empty if it asks
// for none.
func PathOf(head []byte) string {
	line, _, _ := bytes.Cut(head, []byte("\r\n"))
	fields := bytes.Split(line, []byte(" "))
	if len(fields) != 3 {
		return ""
	}
	target, err := url.ParseRequestURI(string(fields[1]))
	if err != nil {
		return ""
	}
	return target.Path
}

// Accept answers the head of a request for Path and reports whether the WebSocket
// is open behind the answer; if not, the connection is to be closed behind it. A
// request that does not offer xtmp.v1 gets 400, one that opens no WebSocket what
// RFC 6455 has for it. No extension is ever selected. [XTMP-WSK-005] [XTMP-WSK-006]
func Accept(head []byte) (answer []byte, ok bool) {
	offered := false
	u := ws.Upgrader{
		ReadBufferSize: MaxRequest,
		Protocol: func(name []byte) bool {
			if string(name) != Subprotocol {
				return false
			}
			offered = true
			return true
		},
		OnBeforeUpgrade: func() (ws.HandshakeHeader, error) {
			if !offered { // [XTMP-WSK-007]
				return nil, ws.RejectConnectionError(ws.RejectionStatus(400), ws.RejectionReason("the subprotocol is "+Subprotocol))
			}
			return ws.HandshakeHeaderString(""), nil
		},
	}
	var x exchange
	x.in.Reset(head)
	_, err := u.Upgrade(&x)
	if err != nil && x.out.Len() == 0 {
		return Refusal("400 Bad Request", "malformed request"), false
	}
	return x.out.Bytes(), err == nil
}

// Refusal is the answer with an HTTP status, code and reason, and a text.
func Refusal(status, text string) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		status, len(text), text)
}

// exchange is a request and its answer, as a connection.
type exchange struct {
	in  bytes.Reader
	out bytes.Buffer
}

// Read implements io.Reader.
func (x *exchange) Read(b []byte) (int, error) { return x.in.Read(b) }

// Write implements io.Writer.
func (x *exchange) Write(b []byte) (int, error) { return x.out.Write(b) }
