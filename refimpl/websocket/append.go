package websocket

import (
	"io"

	"github.com/gobwas/ws"

	"github.com/bpci/xtmp/refimpl/wire"
)

// AppendMessages appends whole frames of XTMP, which follow one another in frames,
// as one binary message each, in one piece. [XTMP-WSK-013]
func (c *Conn) AppendMessages(dst, frames []byte) []byte {
	for len(frames) > 0 {
		size := wire.Overhead + int(wire.PayloadLength(frames))
		dst = c.append(dst, ws.OpBinary, frames[:size])
		frames = frames[size:]
	}
	return dst
}

// AppendPong appends the answer to the last Ping, if it is owed.
func (c *Conn) AppendPong(dst []byte) []byte {
	if !c.Owes() {
		return dst
	}
	c.pinged = false
	return c.append(dst, ws.OpPong, c.pong)
}

// AppendClose appends Close, unless that was done before: with the code of the
// rule that the peer has broken, or else of the peer's Close, or else 1000. It
// stops the Conn. [XTMP-WSK-022]
func (c *Conn) AppendClose(dst []byte) []byte {
	if c.said {
		return dst
	}
	c.said = true
	c.Stop()
	return c.append(dst, ws.OpClose, []byte{byte(c.code >> 8), byte(c.code)})
}

// append appends one frame of RFC 6455. [XTMP-WSK-021]
func (c *Conn) append(dst []byte, op ws.OpCode, payload []byte) []byte {
	h := ws.Header{Fin: true, OpCode: op, Length: int64(len(payload))}
	if c.keys != nil {
		if _, err := io.ReadFull(c.keys, c.key[:]); err != nil {
			panic("xtmp: internal error: entropy failed: " + err.Error())
		}
		h.Masked, h.Mask = true, c.key
	}
	c.pipe.b = dst
	if err := ws.WriteHeaderBuffer(&c.pipe, h, c.scratch[:]); err != nil {
		panic("xtmp: internal error: " + err.Error()) // a pipe takes everything
	}
	dst, c.pipe.b = append(c.pipe.b, payload...), nil
	if h.Masked {
		ws.Cipher(dst[len(dst)-len(payload):], h.Mask, 0)
	}
	return dst
}
