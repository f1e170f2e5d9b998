package websocket

import (
	"errors"
	"io"

	"github.com/gobwas/ws"

	"github.com/bpci/xtmp/refimpl/wire"
)

// MaxMessage bounds a message, in bytes: a frame of the greatest payload_length
// that any receiver accepts. [XTMP-WSK-018]
const MaxMessage = 262304

// growthMax bounds one step of growth of the memory of an incomplete message, in
// bytes. [XTMP-ORD-013]
const growthMax = 64 << 10

// Conn is one side of an open WebSocket. It has one owner, and lives on the heap.
//
// After Feed, call Next until it reports false; then the bytes given to Feed are
// no longer referenced, and Held, Owes, Failed and Ended tell what has changed.
type Conn struct {
	keys io.Reader // a client's, for masks

	in   []byte // what was fed and not yet taken
	head [ws.MaxHeaderSize]byte
	have int // bytes of head that have arrived

	frame   ws.Header // under way, if inFrame
	done    int       // bytes of its payload that have been taken
	message []byte    // the incomplete one; nil if none has a byte
	control []byte    // payload of an incomplete Ping, Pong or Close
	pong    []byte    // payload of the Ping that is to be answered

	state   ws.State // the side, and whether a message is incomplete
	code    ws.StatusCode
	inFrame bool
	pinged  bool // a Pong is owed
	failed  bool // the peer has broken a rule: code says which
	deaf    bool // what follows cannot be read any more
	stopped bool // the owner wants no more
	said    bool // Close was appended
	ended   bool // the peer's Close has come

	pipe    pipe
	scratch [ws.MaxHeaderSize]byte
	key     [4]byte
}

// NewServer returns the side of a server.
func NewServer() *Conn { return &Conn{state: ws.StateServerSide, code: ws.StatusNormalClosure} }

// NewClient returns the side of a client. It takes four bytes of keys to mask
// each frame of RFC 6455 that it sends.
func NewClient(keys io.Reader) *Conn {
	return &Conn{state: ws.StateClientSide, code: ws.StatusNormalClosure, keys: keys}
}

// Feed hands over the next bytes of the connection. Conn may write to b until Next
// reports false.
func (c *Conn) Feed(b []byte) { c.in = b }

// Next returns the next whole frame of XTMP, or false if there is none. It is
// valid, and the caller's to change, until the next call. Nothing is returned any
// more behind a message that is refused, behind the peer's Close and behind the own.
func (c *Conn) Next() ([]byte, bool) {
	for {
		if c.ended || c.deaf {
			c.in = nil
			return nil, false
		}
		if !c.inFrame && !c.header() {
			return nil, false
		}
		if c.frame.OpCode.IsControl() {
			if !c.takeControl() {
				return nil, false
			}
			continue
		}
		message, whole := c.takeData()
		switch {
		case message != nil:
			return message, true
		case !whole:
			return nil, false
		}
	}
}

// Held reports how much memory the incomplete message takes: more than 0 as soon
// as it has begun, else 0.
func (c *Conn) Held() int {
	if !c.state.Fragmented() && (!c.inFrame || c.frame.OpCode.IsControl()) || c.closing() {
		return 0
	}
	return max(1, cap(c.message))
}

// Owes reports whether AppendPong has something to append.
func (c *Conn) Owes() bool { return c.pinged && !c.closing() }

// Failed reports whether the peer has broken a rule: the connection is lost, and
// AppendClose tells the peer why.
func (c *Conn) Failed() bool { return c.failed }

// Ended reports whether the peer's Close has come, which is the end of its stream.
// [XTMP-WSK-024]
func (c *Conn) Ended() bool { return c.ended }

// Said reports whether AppendClose has appended Close.
func (c *Conn) Said() bool { return c.said }

// Left returns how many bytes the frame of RFC 6455 that is under way has yet to
// bring, as far as its header can be believed.
func (c *Conn) Left() int64 {
	if !c.inFrame {
		return 0
	}
	return c.frame.Length - int64(c.done)
}

// closing reports whether nothing that arrives has an effect any more.
func (c *Conn) closing() bool { return c.failed || c.stopped || c.ended }

// Stop makes nothing that arrives count any more but the peer's Close.
func (c *Conn) Stop() { c.stopped, c.message = true, nil }

// fail ends what can be received, for a reason.
func (c *Conn) fail(code ws.StatusCode) {
	if !c.closing() {
		c.failed, c.code = true, code
	}
	c.message = nil
}

// header reads the header of the next frame of RFC 6455 and judges it. It reports
// false if it is not there whole, or if nothing behind it can be read.
func (c *Conn) header() bool {
	b := c.in
	if c.have > 0 {
		n := copy(c.head[c.have:], c.in)
		b = c.head[:c.have+n]
	}
	c.pipe.b = b
	h, err := ws.ReadHeaderBuffer(&c.pipe, c.scratch[:])
	taken := len(b) - len(c.pipe.b) - c.have
	c.pipe.b = nil
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		c.have += copy(c.head[c.have:], c.in)
		c.in = nil
		return false
	case err != nil:
		return c.lost(ws.StatusProtocolError)
	}
	c.in, c.have = c.in[taken:], 0
	if ws.CheckHeader(h, c.state) != nil { // [XTMP-WSK-021]
		return c.lost(ws.StatusProtocolError)
	}
	c.frame, c.done, c.inFrame = h, 0, true
	switch {
	case h.OpCode == ws.OpText: // [XTMP-WSK-016]
		c.fail(ws.StatusUnsupportedData)
	case h.OpCode.IsData() && h.Length > int64(MaxMessage-len(c.message)): // [XTMP-WSK-018]
		c.fail(ws.StatusMessageTooBig)
	}
	return true
}

// lost is fail where what follows cannot be told from what precedes it.
func (c *Conn) lost(code ws.StatusCode) bool {
	c.fail(code)
	c.deaf, c.in = true, nil
	return false
}

// take returns the next bytes of the payload, unmasked where they lie, and whether
// they are its last.
func (c *Conn) take() (piece []byte, whole bool) {
	left := c.frame.Length - int64(c.done)
	n := int(min(left, int64(len(c.in))))
	piece, c.in = c.in[:n], c.in[n:]
	if c.frame.Masked {
		ws.Cipher(piece, c.frame.Mask, c.done)
	}
	c.done += n
	c.inFrame = int64(n) < left
	return piece, !c.inFrame
}

// takeData takes what has arrived of a frame with data. It returns the message
// that this completes, and whether the frame is there whole.
func (c *Conn) takeData() (message []byte, whole bool) {
	fresh := c.done == 0
	piece, whole := c.take()
	if whole {
		c.state = c.state.Clear(ws.StateFragmented)
		if !c.frame.Fin {
			c.state = c.state.Set(ws.StateFragmented)
		}
	}
	switch {
	case c.closing():
		return nil, whole
	case whole && c.frame.Fin && fresh && c.message == nil: // where it lies
		return c.judge(piece), true
	case len(piece) > 0:
		c.keep(piece)
	}
	if !whole || !c.frame.Fin {
		return nil, whole
	}
	message, c.message = c.message, nil
	return c.judge(message), true
}

// judge returns a complete message, nil if it is no frame: its length comes before
// everything else. [XTMP-WSK-017]
func (c *Conn) judge(message []byte) []byte {
	if len(message) < wire.Overhead || len(message)-wire.Overhead != int(wire.PayloadLength(message)) {
		c.fail(ws.StatusProtocolError)
		return nil
	}
	return message
}

// keep appends to the incomplete message.
func (c *Conn) keep(piece []byte) {
	need := len(c.message) + len(piece)
	if need > cap(c.message) {
		// Room for the tag that opening borrows is part of the size.
		size := max(need, min(2*cap(c.message), cap(c.message)+growthMax)) + wire.TagSize
		grown := make([]byte, len(c.message), size)
		copy(grown, c.message)
		c.message = grown
	}
	c.message = append(c.message, piece...)
}

// takeControl takes what has arrived of a Ping, Pong or Close, and obeys it. It
// reports false if it is not there whole.
func (c *Conn) takeControl() bool {
	piece, whole := c.take()
	if !whole || len(c.control) > 0 {
		c.control = append(c.control, piece...)
		piece = c.control
	}
	if !whole {
		return false
	}
	switch c.frame.OpCode {
	case ws.OpPing: // the last is answered, RFC 6455 section 5.5.3 [XTMP-WSK-019]
		c.pong = append(c.pong[:0], piece...)
		c.pinged = true
	case ws.OpClose:
		c.close(piece)
	default: // a Pong is nothing [XTMP-WSK-020]
	}
	c.control = c.control[:0]
	return true
}

// close takes the peer's Close. Its code is given back, if it has a good one.
func (c *Conn) close(body []byte) {
	code, reason := ws.ParseCloseFrameDataUnsafe(body)
	var why error
	if len(body) > 0 { // without a code it is answered by 1000
		why = ws.CheckCloseFrameData(code, reason)
	}
	switch {
	case errors.Is(why, ws.ErrProtocolInvalidUTF8):
		c.fail(ws.StatusInvalidFramePayloadData)
	case why != nil:
		c.fail(ws.StatusProtocolError)
	case len(body) > 0 && !c.closing():
		c.code = code
	}
	c.ended, c.message = true, nil
}

// pipe lends a slice to a library that reads and writes streams.
type pipe struct{ b []byte }

// Read implements io.Reader.
func (p *pipe) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.b)
	p.b = p.b[n:]
	return n, nil
}

// Write implements io.Writer.
func (p *pipe) Write(b []byte) (int, error) {
	p.b = append(p.b, b...)
	return len(b), nil
}
