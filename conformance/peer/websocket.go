package peer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/gobwas/ws"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/vectors/testkit"
)

// A WebSocket is the client's end of a WebSocket (RFC 6455) over a connection, on
// which it does what it is told, wrong things too. It is what New takes for a path:
// each Write is one binary message. It answers the pings of the server and nothing
// else; a close it leaves unanswered.
//
//	NewWebSocket ─Open─▶ opened ─SendFrames, Write─▶ the server
//	                        └── ReadPong, Closed, New(…).ReadFrame ◀── its messages
type WebSocket struct {
	net.Conn // underneath

	entropy  io.Reader
	recorder Recorder
	critic   Critic
	key      string // of the opening, in base64

	in       []byte   // received, not yet a whole WebSocket frame
	whole    []byte   // payloads of the message that goes on
	headers  [][]byte // headers of its frames
	op       byte     // of its first frame
	messages []message
	pongs    [][]byte
	closed   *Closed

	read  message  // that was read last
	wrote [][]byte // header, mask and payload of the message that was written last
}

// A message is one text or binary message of the server.
type message struct {
	op      byte
	payload []byte
	headers [][]byte // of its frames
}

// A WebSocketFrame is one frame of RFC 6455 of ours that has not been sent. It is
// masked, final and as long as its payload, unless it says otherwise.
type WebSocketFrame struct {
	Op       byte
	Payload  []byte
	More     bool  // FIN is clear
	Announce int64 // the length in the header; 0 for that of the payload
	Bare     bool  // not masked
}

// The opcodes of RFC 6455.
const (
	OpContinuation = byte(ws.OpContinuation)
	OpText         = byte(ws.OpText)
	OpBinary       = byte(ws.OpBinary)
	OpClose        = byte(ws.OpClose)
	OpPing         = byte(ws.OpPing)
	OpPong         = byte(ws.OpPong)
)

// A Closed is the server's WebSocket close, where something else was waited for. It
// is an end of stream.
type Closed struct { //nolint:errname // an end of the path first, an error only where a frame was due
	Code   uint16 // 0 if the close names none
	Reason string
}

func (c *Closed) Error() string {
	return fmt.Sprintf("the peer closed the WebSocket with code %d, %q", c.Code, c.Reason)
}

// Unwrap makes the close what XTMP-WSK-024 says that it is.
func (c *Closed) Unwrap() error { return io.EOF }

// Observation implements conformance.Observable.
func (c *Closed) Observation() conformance.Observation {
	o := conformance.CleanClose()
	o.Detail = c.Error()
	return o
}

// NewWebSocket takes over a connection on which nothing has been sent. Masks and keys
// come from entropy.
func NewWebSocket(nc net.Conn, entropy io.Reader) *WebSocket {
	w := &WebSocket{Conn: nc, entropy: entropy}
	w.recorder, w.critic = observers(nc, nil)
	return w
}

// Closed returns the server's close, nil before it came.
func (w *WebSocket) Closed() *Closed { return w.closed }

// Divide makes frames of a message: one for each size, and one for what is left over.
func Divide(op byte, payload []byte, sizes ...int) []WebSocketFrame {
	var frames []WebSocketFrame
	for _, size := range sizes {
		size = min(size, len(payload))
		frames = append(frames, WebSocketFrame{Op: op, Payload: payload[:size], More: true})
		op, payload = OpContinuation, payload[size:]
	}
	return append(frames, WebSocketFrame{Op: op, Payload: payload})
}

// SendFrames sends frames in one write.
func (w *WebSocket) SendFrames(name string, frames ...WebSocketFrame) error {
	var wire []byte
	var fields []conformance.Field
	for _, f := range frames {
		header, masked := w.encode(f)
		fields = append(fields,
			conformance.Field{Name: "websocket.header", Offset: len(wire), Size: len(header)},
			conformance.Field{Name: "websocket.payload", Offset: len(wire) + len(header), Size: len(masked), Opened: f.Payload})
		wire = append(append(wire, header...), masked...)
	}
	err := w.put(wire)
	w.recorder.Sent(name, wire, fields...)
	return err
}

// Ping sends a ping of RFC 6455.
func (w *WebSocket) Ping(data []byte) error {
	return w.SendFrames("WebSocket ping", WebSocketFrame{Op: OpPing, Payload: data})
}

// SendClose sends a close with a code and no reason, without either for code 0.
func (w *WebSocket) SendClose(code uint16) error {
	f := WebSocketFrame{Op: OpClose}
	if code != 0 {
		f.Payload = ws.NewCloseFrameBody(ws.StatusCode(code), "")
	}
	return w.SendFrames(fmt.Sprint("WebSocket close ", code), f)
}

// encode returns the header of a frame, with its mask, and the masked payload.
func (w *WebSocket) encode(f WebSocketFrame) (header, masked []byte) {
	h := ws.Header{Fin: !f.More, OpCode: ws.OpCode(f.Op), Masked: !f.Bare, Length: int64(len(f.Payload))}
	if f.Announce != 0 {
		h.Length = f.Announce
	}
	if _, err := io.ReadFull(w.entropy, h.Mask[:]); err != nil {
		panic("peer: entropy ended: " + err.Error())
	}
	var buffer bytes.Buffer
	if err := ws.WriteHeader(&buffer, h); err != nil {
		panic("peer: internal error: " + err.Error())
	}
	masked = bytes.Clone(f.Payload)
	if h.Masked {
		ws.Cipher(masked, h.Mask, 0)
	}
	return buffer.Bytes(), masked
}

// Continue sends further bytes of a frame that announced more than it had. They are
// not masked, which nobody can tell from bytes that are.
func (w *WebSocket) Continue(raw []byte) error {
	err := w.put(raw)
	w.recorder.Sent("further bytes of a WebSocket frame", raw)
	return err
}

// put writes bytes as they are.
func (w *WebSocket) put(wire []byte) error {
	_ = w.SetWriteDeadline(time.Now().Add(DefaultWait)) // fails only on a closed connection; the write tells
	if _, err := w.Conn.Write(wire); err != nil {
		return fmt.Errorf("peer: writing %d bytes of a WebSocket: %w", len(wire), err)
	}
	return nil
}

// Write sends one binary message in one frame.
func (w *WebSocket) Write(p []byte) (int, error) {
	header, masked := w.encode(WebSocketFrame{Op: OpBinary, Payload: p})
	w.wrote = [][]byte{header, masked, p}
	if _, err := w.Conn.Write(append(bytes.Clone(header), masked...)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// CloseWrite sends the close that takes the place of the end of our half
// [XTMP-WSK-023].
func (w *WebSocket) CloseWrite() error { return w.SendClose(uint16(ws.StatusNormalClosure)) }

// readMessage waits for one message. The error is a *Closed, a *Deviation or that of
// a read.
func (w *WebSocket) readMessage(until time.Time) (message, error) {
	for len(w.messages) == 0 {
		if w.closed != nil {
			return message{}, w.closed
		}
		if err := w.step(until); err != nil {
			return message{}, err
		}
	}
	w.read, w.messages = w.messages[0], w.messages[1:]
	return w.read, nil
}

// ReadPong waits for a pong with the data. Messages that come before it stay to be read.
func (w *WebSocket) ReadPong(data []byte, wait time.Duration) error {
	until := time.Now().Add(wait)
	for {
		for i, pong := range w.pongs {
			if bytes.Equal(pong, data) {
				w.pongs = w.pongs[i+1:]
				return nil
			}
		}
		if w.closed != nil {
			return w.closed
		}
		if err := w.step(until); err != nil {
			return err
		}
	}
}

// step reads one WebSocket frame of the server.
func (w *WebSocket) step(until time.Time) error {
	for {
		source := bytes.NewReader(w.in)
		h, err := ws.ReadHeader(source)
		size := len(w.in) - source.Len()
		switch {
		case err == nil && h.Length > maxMessage():
			return &Deviation{Req: "XTMP-HDR-004", What: "a WebSocket frame is longer than any frame may be", Got: fmt.Sprint(h.Length)}
		case err == nil && int64(source.Len()) >= h.Length:
			header, payload := w.in[:size:size], w.in[size:size+int(h.Length)]
			w.in = w.in[size+int(h.Length):]
			return w.take(h, header, payload)
		case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			return &Deviation{Req: "XTMP-WSK-013", What: "no frame of RFC 6455: " + err.Error()}
		}
		if err := w.fill(until); err != nil {
			return err
		}
	}
}

// maxMessage is the greatest binary message [XTMP-WSK-018].
func maxMessage() int64 { return int64(limit("frame_header") + limit("frame_payload")) }

// fill reads once.
func (w *WebSocket) fill(until time.Time) error {
	_ = w.SetReadDeadline(until) // fails only on a closed connection; the read tells
	var piece [16 << 10]byte
	n, err := w.Conn.Read(piece[:])
	w.in = append(w.in, piece[:n]...)
	if n > 0 || err == nil {
		return nil
	}
	return fmt.Errorf("peer: reading a WebSocket: %w", err)
}

// take judges a frame by RFC 6455 and does with it what its opcode asks for.
func (w *WebSocket) take(h ws.Header, header, payload []byte) error {
	state := ws.StateClientSide
	if len(w.headers) > 0 {
		state |= ws.StateFragmented
	}
	if err := ws.CheckHeader(h, state); err != nil {
		w.recorder.Received("a bad WebSocket frame", append(bytes.Clone(header), payload...))
		req := "XTMP-WSK-013"
		if h.Masked {
			req = "XTMP-WSK-021"
		}
		return &Deviation{Req: req, What: "a frame that RFC 6455 does not allow: " + err.Error()}
	}
	switch h.OpCode {
	case ws.OpPing:
		w.control("WebSocket ping", header, payload)
		return w.SendFrames("WebSocket pong", WebSocketFrame{Op: OpPong, Payload: payload})
	case ws.OpPong:
		w.control("WebSocket pong", header, payload)
		w.pongs = append(w.pongs, payload)
	case ws.OpClose:
		code, reason := ws.ParseCloseFrameData(payload)
		w.control(fmt.Sprint("WebSocket close ", uint16(code)), header, payload)
		w.closed = &Closed{Code: uint16(code), Reason: reason}
		if len(payload) < 2 {
			w.closed.Code = 0
		}
	default:
		if len(w.headers) == 0 {
			w.op = byte(h.OpCode)
		}
		w.headers, w.whole = append(w.headers, header), append(w.whole, payload...)
		if int64(len(w.whole)) > maxMessage() {
			return &Deviation{Req: "XTMP-HDR-004", What: "a message is longer than any frame may be", Got: fmt.Sprint(len(w.whole))}
		}
		if h.Fin {
			w.messages = append(w.messages, message{w.op, w.whole, w.headers})
			w.whole, w.headers = nil, nil
		}
	}
	return nil
}

func (w *WebSocket) control(name string, header, payload []byte) {
	w.recorder.Received(name, append(bytes.Clone(header), payload...),
		conformance.Field{Name: "websocket.header", Size: len(header)},
		conformance.Field{Name: "websocket.payload", Offset: len(header), Size: len(payload)})
}

// Sent implements Recorder: bytes that were written as one message are recorded as
// they were on the wire.
func (w *WebSocket) Sent(name string, raw []byte, fields ...conformance.Field) {
	if len(w.wrote) == 0 || !bytes.Equal(w.wrote[2], raw) {
		w.recorder.Sent(name, raw, fields...)
		return
	}
	header, masked := w.wrote[0], w.wrote[1]
	shifted := []conformance.Field{{Name: "websocket.header", Size: len(header)}}
	for _, f := range fields {
		if f.Opened == nil {
			f.Opened = raw[f.Offset : f.Offset+f.Size]
		}
		f.Offset += len(header)
		shifted = append(shifted, f)
	}
	w.recorder.Sent(name, append(bytes.Clone(header), masked...), shifted...)
}

// Received implements Recorder.
func (w *WebSocket) Received(name string, raw []byte, fields ...conformance.Field) {
	if !bytes.Equal(w.read.payload, raw) || len(w.read.headers) != 1 {
		w.recorder.Received(name, raw, fields...)
		return
	}
	header := w.read.headers[0]
	shifted := []conformance.Field{{Name: "websocket.header", Size: len(header)}}
	for _, f := range fields {
		f.Offset += len(header)
		shifted = append(shifted, f)
	}
	w.recorder.Received(name, append(bytes.Clone(header), raw...), shifted...)
}

// Fault implements Critic.
func (w *WebSocket) Fault(sentence string) { w.critic.Fault(sentence) }

// Expected implements Critic.
func (w *WebSocket) Expected(d conformance.Difference) { w.critic.Expected(d) }

// LogKey implements KeyLog.
func (w *WebSocket) LogKey(line string) {
	if own, ok := w.Conn.(KeyLog); ok {
		own.LogKey(line)
	}
}

// WebSocket returns the WebSocket of the path, nil if it is none.
func (c *Conn) WebSocket() *WebSocket { return c.ws }

// readFrameOfMessage waits for one binary message, which has to be one frame.
func (c *Conn) readFrameOfMessage(wait time.Duration) (*Received, error) {
	m, err := c.ws.readMessage(time.Now().Add(wait))
	var wrong *Deviation
	switch {
	case errors.As(err, &wrong):
		return nil, c.violation(wrong.Req, wrong.What, wrong.Got, wrong.Want)
	case err != nil:
		return nil, err
	case m.op != OpBinary:
		c.recorder.Received("a text message", m.payload)
		return nil, c.violation("XTMP-WSK-013", "a message is not binary", m.op, OpBinary)
	}
	c.unread, c.recorded = m.payload, 0
	if err := c.checkFront(); err != nil {
		return nil, err
	}
	frame, rest, whole := testkit.DecodeFrame(m.payload)
	if !whole || len(rest) > 0 {
		c.recordUnread("a message that is not one frame")
		return nil, c.violation("XTMP-WSK-013", "a message is not exactly one frame", len(m.payload), "96 + payload_length")
	}
	c.unread = nil
	return c.receive(frame, m.payload, c.clock(), 0), nil
}
