package peer

import (
	"bufio"
	"bytes"
	"crypto/sha1" //nolint:gosec // RFC 6455 wants it
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/bpci/xtmp/vectors/testkit"
)

// An Opening is the request that opens a WebSocket. The zero value of a field leaves
// out its line.
type Opening struct {
	Path       string
	Protocols  []string // a line Sec-WebSocket-Protocol each
	Extensions []string // a line Sec-WebSocket-Extensions each
	Lines      []string // further lines, such as "Origin: https://example.org"
	Size       int      // bytes of the request in all, made up by a line without meaning; 0 for what it has
}

// OpeningDefaults returns a correct opening [XTMP-WSK-001].
func OpeningDefaults() *Opening {
	return &Opening{Path: "/xtmp", Protocols: []string{Subprotocol}}
}

// Subprotocol is what a WebSocket that carries XTMP is called.
const Subprotocol = "xtmp.v1"

// Request returns the bytes of a request with a new key, which ReadAnswer checks.
func (w *WebSocket) Request(o *Opening) []byte {
	w.key = base64.StdEncoding.EncodeToString(testkit.Draw(w.entropy, 16))
	lines := []string{
		"GET " + o.Path + " HTTP/1.1", "Host: " + w.RemoteAddr().String(), "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + w.key,
	}
	for _, p := range o.Protocols {
		lines = append(lines, "Sec-WebSocket-Protocol: "+p)
	}
	for _, e := range o.Extensions {
		lines = append(lines, "Sec-WebSocket-Extensions: "+e)
	}
	lines = append(lines, o.Lines...)
	request := strings.Join(lines, "\r\n") + "\r\n"
	if filler := "X-Filler: "; o.Size > 0 {
		request += filler + strings.Repeat("x", max(0, o.Size-len(request)-len(filler)-len("\r\n\r\n"))) + "\r\n"
	}
	return []byte(request + "\r\n")
}

// An Answer is what a server answers to an opening.
type Answer struct {
	Status int
	Header http.Header
}

// Open sends an opening and reads the answer, which has to accept it. The error is a
// *Deviation or that of a read or write.
func (w *WebSocket) Open(o *Opening, wait time.Duration) error {
	if err := w.SendRequest(w.Request(o)); err != nil {
		return err
	}
	a, err := w.ReadAnswer(wait)
	if err != nil {
		return err
	}
	return w.Check(a)
}

// SendRequest sends a request, or some bytes of one.
func (w *WebSocket) SendRequest(raw []byte) error {
	err := w.put(raw)
	w.recorder.Sent("bytes of an opening", raw)
	return err
}

// ReadAnswer waits for the head of the answer.
func (w *WebSocket) ReadAnswer(wait time.Duration) (*Answer, error) {
	until := time.Now().Add(wait)
	for {
		if head, rest, whole := bytes.Cut(w.in, []byte("\r\n\r\n")); whole {
			raw := w.in[:len(head)+4]
			w.recorder.Received("answer to the opening", raw)
			response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), nil)
			if err != nil {
				return nil, w.fault("the answer is not HTTP", err.Error(), "")
			}
			_ = response.Body.Close() // what follows is left unread
			w.in = rest
			return &Answer{response.StatusCode, response.Header}, nil
		}
		if len(w.in) > maxAnswer {
			return nil, w.fault("the answer to the opening has no end", fmt.Sprint(len(w.in), " bytes"), "")
		}
		if err := w.fill(until); err != nil {
			return nil, w.cut(err)
		}
	}
}

// cut names the end of a connection within an answer.
func (w *WebSocket) cut(err error) error {
	if len(w.in) > 0 && errors.Is(err, io.EOF) {
		w.recorder.Received("the beginning of an answer", w.in)
	}
	return err
}

// maxAnswer bounds the head of an answer, in bytes.
const maxAnswer = 64 << 10

// Check judges an answer as one that accepts the opening that was sent last.
func (w *WebSocket) Check(a *Answer) error {
	digest := sha1.Sum([]byte(w.key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // RFC 6455 wants it
	accept := base64.StdEncoding.EncodeToString(digest[:])
	switch h := a.Header; {
	case a.Status != http.StatusSwitchingProtocols:
		return w.fault("the opening is not accepted", fmt.Sprint("status ", a.Status), "101")
	case !strings.EqualFold(h.Get("Upgrade"), "websocket"), !strings.EqualFold(h.Get("Connection"), "upgrade"):
		return w.fault("the answer does not say Upgrade: websocket and Connection: Upgrade", h.Get("Upgrade"), "")
	case h.Get("Sec-WebSocket-Accept") != accept:
		return w.fault("Sec-WebSocket-Accept does not fit the key", h.Get("Sec-WebSocket-Accept"), accept)
	}
	return nil
}

func (w *WebSocket) fault(what, got, want string) error {
	d := &Deviation{Req: "XTMP-WSK-005", What: what, Got: got, Want: want}
	w.critic.Fault(d.Error())
	return d
}
