package websocket

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// request is an opening as the text shows it, without the lines that begin with one
// of without.
func request(target string, without ...string) string {
	lines := []string{
		"GET " + target + " HTTP/1.1", "Host: example.org:8090", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: xtmp.v1",
	}
	var left []string
	for _, l := range lines {
		keep := true
		for _, w := range without {
			keep = keep && !strings.HasPrefix(l, w)
		}
		if keep {
			left = append(left, l)
		}
	}
	return strings.Join(left, "\r\n") + "\r\n\r\n"
}

func TestAccept(t *testing.T) {
	with := func(line string) string {
		name, _, _ := strings.Cut(line, ":")
		return strings.TrimSuffix(request(Path, name), "\r\n") + line + "\r\n\r\n"
	}
	for name, test := range map[string]struct {
		head   string
		status int
	}{
		"as the text shows it":         {request(Path), 101},
		"with a query":                 {request(Path + "?a=b"), 101},
		"among other subprotocols":     {with("Sec-WebSocket-Protocol: chat, xtmp.v1,xtmp.v2"), 101},
		"in a line of its own":         {with("Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: xtmp.v1"), 101},
		"with an extension":            {with("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"), 101},
		"with an origin":               {with("Origin: https://example.org"), 101},
		"in other letters":             {strings.NewReplacer("Upgrade:", "uPGRADE:", "websocket\r", "WebSocket\r").Replace(request(Path)), 101},
		"of 4096 bytes":                {with("X: " + strings.Repeat("x", MaxRequest-len(with("X: ")))), 101},
		"without subprotocol":          {request(Path, "Sec-WebSocket-Protocol"), 400},
		"of another subprotocol":       {with("Sec-WebSocket-Protocol: XTMP.V1, xtmp.v10"), 400},
		"of no subprotocol":            {with("Sec-WebSocket-Protocol: ;"), 400},
		"without a key":                {request(Path, "Sec-WebSocket-Key"), 400},
		"with a short key":             {with("Sec-WebSocket-Key: dGhl"), 400},
		"without Upgrade":              {request(Path, "Upgrade"), 400},
		"without Connection":           {request(Path, "Connection"), 400},
		"without Host":                 {request(Path, "Host"), 400},
		"without version":              {request(Path, "Sec-WebSocket-Version"), 400},
		"of another version":           {with("Sec-WebSocket-Version: 8"), 426},
		"POST":                         {strings.Replace(request(Path), "GET", "POST", 1), 405},
		"of HTTP/1.0":                  {strings.Replace(request(Path), "HTTP/1.1", "HTTP/1.0", 1), 505},
		"that is no request":           {"XTMQ\r\n\r\n", 400},
		"with a line that is no field": {strings.Replace(request(Path), "Host: example.org:8090", "Host", 1), 400},
	} {
		head, rest, ok := Head([]byte(test.head))
		if !ok || len(rest) > 0 {
			t.Errorf("%s: the head has %d bytes of %d", name, len(head), len(test.head))
		}
		answer, accepted := Accept(head)
		r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
		if err != nil {
			t.Errorf("%s: %v: %q", name, err, answer)
			continue
		}
		_ = r.Body.Close()
		if r.StatusCode != test.status || accepted != (test.status == 101) {
			t.Errorf("%s: status %d, accepted %v", name, r.StatusCode, accepted)
		}
		if got := r.Header.Get("Sec-WebSocket-Protocol"); accepted && got != Subprotocol {
			t.Errorf("%s: subprotocol %q", name, got)
		}
		if len(r.Header["Sec-Websocket-Extensions"]) > 0 {
			t.Errorf("%s: an extension is selected", name)
		}
		if accepted && r.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" { // RFC 6455 section 1.3
			t.Errorf("%s: the answer proves nothing: %q", name, answer)
		}
	}
}

// What the dialer of the library asks for is accepted, and it takes the answer.
func TestAcceptsItsDialer(t *testing.T) {
	var asked, answered bytes.Buffer
	u := &url.URL{Scheme: "ws", Host: "example.org:8090", Path: Path}
	d := ws.Dialer{Protocols: []string{Subprotocol}}
	_, hs, err := d.Upgrade(&exchanged{&asked, &answered}, u)
	if err != nil || hs.Protocol != Subprotocol || len(hs.Extensions) > 0 {
		t.Error(hs, err)
	}
}

// exchanged answers a request once the dialer begins to read.
type exchanged struct{ asked, answered *bytes.Buffer }

func (x *exchanged) Write(b []byte) (int, error) { return x.asked.Write(b) }

func (x *exchanged) Read(b []byte) (int, error) {
	if x.asked.Len() > 0 {
		head, _, _ := Head(x.asked.Bytes())
		answer, _ := Accept(head)
		x.asked.Reset()
		x.answered.Write(answer)
	}
	if x.answered.Len() == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	return x.answered.Read(b)
}

func TestMayBeHTTP(t *testing.T) {
	for b, want := range map[string]bool{
		"G": true, "GET ": true, request(Path): true, "PROPFIND /a HTTP/1.1\r\n": true, "XTMQ": true, "x-y /": true,
		"XTMP\x01": false, "\x00": false, "\x16\x03\x01": false, " GET": false, "\r\n": false, "GET\r\n": false, "GET \x01": false,
		"GET /\xff": false, "G\x80": false, "SSH-2.0-x\r\n": false, "GET /\n": false,
	} {
		if got := MayBeHTTP([]byte(b)); got != want {
			t.Errorf("%q: %v", b, got)
		}
	}
}

func TestPathOf(t *testing.T) {
	for line, want := range map[string]string{
		"GET /xtmp HTTP/1.1": "/xtmp", "GET /xtmp?x=y HTTP/1.1": "/xtmp", "POST /stream/updates HTTP/1.1": "/stream/updates",
		"GET http://h/xtmp HTTP/1.1": "/xtmp", "GET /%78tmp HTTP/1.1": "/xtmp", "GET xtmp HTTP/1.1": "", "GET /a b HTTP/1.1": "", "GET": "",
		"OPTIONS * HTTP/1.1": "*",
	} {
		if got := PathOf([]byte(line + "\r\nHost: x\r\n\r\n")); got != want {
			t.Errorf("%s: %q", line, got)
		}
	}
}

func TestHead(t *testing.T) {
	if _, rest, ok := Head([]byte("GET / HTTP/1.1\r\n\r")); ok || len(rest) != 17 {
		t.Error("a head without its end is one")
	}
	head, rest, ok := Head([]byte("a\r\n\r\nb\r\n\r\n"))
	if string(head) != "a\r\n\r\n" || string(rest) != "b\r\n\r\n" || !ok {
		t.Errorf("%q %q", head, rest)
	}
	r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(Refusal("404 Not Found", "nothing"))), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if body, err := io.ReadAll(r.Body); err != nil || string(body) != "nothing" || r.StatusCode != 404 || !r.Close {
		t.Errorf("%d %q %v", r.StatusCode, body, err)
	}
}
