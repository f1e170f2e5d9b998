package cases

import (
	"bytes"
	"compress/flate"
)

// A bitWriter writes DEFLATE by hand: the kinds of blocks that a library's
// compressor would not choose.
type bitWriter struct {
	out  []byte
	free int // bits left in the last byte
}

// bits writes the lowest n bits of value, lowest first.
func (w *bitWriter) bits(value uint32, n int) {
	for i := range n {
		if w.free == 0 {
			w.out, w.free = append(w.out, 0), 8
		}
		w.out[len(w.out)-1] |= byte(value>>i&1) << (8 - w.free)
		w.free--
	}
}

// code writes a Huffman code, highest bit first.
func (w *bitWriter) code(value uint32, n int) {
	for i := n - 1; i >= 0; i-- {
		w.bits(value>>i, 1)
	}
}

// fixedBlock begins a block with fixed codes.
func (w *bitWriter) fixedBlock(final bool) {
	w.bits(map[bool]uint32{false: 0, true: 1}[final], 1)
	w.bits(1, 2)
}

// literal writes a byte with its fixed code.
func (w *bitWriter) literal(b byte) {
	if b < 144 {
		w.code(0x30+uint32(b), 8)
	} else {
		w.code(0x190+uint32(b)-144, 9)
	}
}

// match writes a match of 3 bytes with one of the four longest distance codes:
// extra counts from 24 577, so that 8191 is 32 768.
func (w *bitWriter) match(extra uint32) {
	w.code(1, 7)  // length code 257: 3 bytes
	w.code(29, 5) // distance code 29: 24 577 and 13 bits
	w.bits(extra, 13)
}

func (w *bitWriter) endOfBlock() { w.code(0, 7) }

// stored writes a stored block that is not the last, aligned to a byte.
func (w *bitWriter) stored(body []byte) {
	w.bits(0, 3)
	w.free = 0
	n := len(body)
	w.out = append(w.out, byte(n), byte(n>>8), ^byte(n), ^byte(n>>8))
	w.out = append(w.out, body...)
}

// fixed is a body in blocks with fixed codes of so many bytes.
func fixed(body []byte, block int) []byte {
	w := &bitWriter{}
	for {
		n := min(block, len(body))
		w.fixedBlock(n == len(body))
		for _, b := range body[:n] {
			w.literal(b)
		}
		w.endOfBlock()
		if body = body[n:]; len(body) == 0 {
			return w.out
		}
	}
}

// dynamic is a body in blocks with codes of their own, without matches.
func dynamic(body []byte) []byte { return deflated(body, flate.HuffmanOnly) }

func deflated(body []byte, level int) []byte {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, level)
	if err != nil {
		panic("cases: " + err.Error())
	}
	_, _ = w.Write(body) // into memory
	_ = w.Close()
	return out.Bytes()
}

// farMatch is a stream that yields 32 768 bytes, and then three of them again from as
// far back as a window reaches, or one further, and what it yields.
func farMatch(body []byte, beyond bool) (stream, yields []byte) {
	const window = 32_768
	w := &bitWriter{}
	start := 0
	if beyond {
		start = 1 // one byte fewer than the distance
	}
	w.stored(body[start:window])
	w.fixedBlock(true)
	w.match(8191)
	w.endOfBlock()
	return w.out, append(append([]byte(nil), body[start:window]...), body[:3]...)
}

// mixed is a body in blocks of every kind, empty ones among them.
func mixed(body []byte) []byte {
	third := len(body) / 3
	w := &bitWriter{}
	w.stored(nil)
	w.stored(body[:third])
	w.fixedBlock(false)
	w.endOfBlock()
	w.fixedBlock(false)
	for _, b := range body[third : 2*third] {
		w.literal(b)
	}
	w.endOfBlock()
	w.stored(nil) // which aligns
	return append(w.out, dynamic(body[2*third:])...)
}
